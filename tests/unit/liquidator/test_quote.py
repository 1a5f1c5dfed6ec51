"""Liquidator.quote: the auction's arithmetic by hand, at E_m = E_h = 200, MM 209, IM 271.7."""

import pytest

from tests.unit.clearinghouse.stage import DEAD, ETH, MAKER, OTHER, TRADER, WAD, wad

from .rig import CAP, COST, PRICE, configure, open_auction, quote

ZEROS = (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("seconds", "discount"),
    [(0, "10.45"), (1, "10.505131"), (1_800, "109.725"), (3_240, "189.145"), (3_436, "199.954")],
)
def test_the_discount_grows_to_all_equity(auction, seconds, discount):
    # share = .05 + .95 t / 3,600, in ppm, down; of 209
    auction.later(seconds)
    share = 50_000 + 950_000 * seconds // 3_600
    assert quote(auction)[2] == 209 * WAD * share // 10**6
    assert abs(quote(auction)[2] - wad(discount)) < WAD // 1_000
    assert quote(auction)[3] == 0


@pytest.mark.parametrize("seconds", [3_438, 3_600, 7_200])
def test_over_all_equity_nothing_is_paid_and_nothing_due(auction, seconds):
    auction.later(seconds)
    share = min(10**6, 50_000 + 950_000 * seconds // 3_600)
    # all of it: the cap is 71.7 / 71.7
    assert quote(auction) == (WAD, 0, -(-209 * WAD * share // 10**6), 0)


def test_the_cap_is_what_restores_initial_margin(auction):
    # 71.7 / (200 - 10.45 + 71.7) = .27444.., up; payment down
    assert quote(auction) == (CAP, COST, wad("10.45"), 0)
    assert quote(auction, 2**256 - 1) == quote(auction)
    assert quote(auction, CAP + 1) == quote(auction)
    assert quote(auction, CAP - 1)[0] == CAP - 1


@pytest.mark.parametrize("fraction", [0, 1, 7, WAD // 10])
def test_the_payment_is_in_proportion_and_down(auction, fraction):
    assert quote(auction, fraction) == (fraction, fraction * PRICE // WAD, wad("10.45"), 0)


def test_collateral_is_sold_with_its_haircut_off(stage):
    # 1 WETH, 5 perps from 2,000: at 1,700 E_m = 10 + 1,700 - 1,500, E_h = 10 + 1,530 - 1,500
    stage.fund("maker", 1_000_000)
    stage.bring("trader", stage.weth, WAD)
    stage.fund("trader", 10)
    stage.trade(TRADER, MAKER, stage.perp, 5 * WAD, 2_000 * WAD)
    stage.pair.price(ETH, 1_700 * WAD)
    found = stage.margin(TRADER)
    assert (found.equity_full, found.equity_haircut) == (210 * WAD, 40 * WAD)
    open_auction(stage)
    # scan 6 x 170, gross 5 x 17; (210 - 40 + 1,105) x .05
    assert found.mm == 1_105 * WAD
    assert quote(stage)[2] == wad("63.75")


def test_zeros_without_an_auction(stage):
    stage.sick()
    assert quote(stage) == quote(stage, who=OTHER) == ZEROS
    stage.pair.must("liquidator", "call", TRADER)
    assert quote(stage) == ZEROS


def test_zeros_where_nothing_is_to_be_restored(auction):
    auction.fund("trader", "71.7")
    assert quote(auction) == ZEROS


def test_without_equity(auction):
    # nothing left, nothing owed but the bonus; a dollar less and that is owed too
    auction.pair.price(ETH, 1_700 * WAD)
    assert quote(auction) == (WAD, 0, wad("9.35"), wad("0.187"))
    auction.pair.price(ETH, 1_699 * WAD)
    assert quote(auction) == (WAD, 0, wad("9.3445"), wad("0.23689"))
    assert quote(auction, WAD // 2) == (WAD // 2, 0, wad("9.3445"), wad("0.118445"))


def test_zeros_once_it_lapsed(auction):
    auction.later(7_200)
    assert quote(auction) != ZEROS
    auction.later(1)
    assert quote(auction) == ZEROS


def test_it_keeps_the_ramp_it_began_with(auction):
    before = quote(auction)
    configure(auction, ramp=60, start_discount=0, urgent_period=60, call_period=300)
    assert quote(auction) == before
    auction.later(7_200)
    assert quote(auction)[2] == 209 * WAD
    auction.later(1)
    auction.pair.must("liquidator", "start", TRADER)
    assert quote(auction)[2] == 0
    auction.later(30)
    assert quote(auction)[2] == wad("104.5")


def test_the_price_never_falls_under_equity_less_haircut_and_maintenance_margin(stage):
    """I-24: nobody who waits is given more, however long all others are absent, through lapses and restarts."""
    stage.bring("trader", stage.weth, WAD // 10)
    stage.sick(140, 1_900)
    found = stage.margin(TRADER)
    least = max(0, found.equity_full - (found.equity_full - found.equity_haircut + found.mm))
    assert 0 < found.equity_haircut < found.mm
    open_auction(stage)
    for _ in range(3):
        for _ in range(16):
            fraction, payment, _, due = quote(stage)
            assert payment >= least * fraction // WAD
            assert due == 0
            stage.later(450)
        assert quote(stage)[2] == found.equity_full - found.equity_haircut + found.mm
        stage.later(1)
        assert quote(stage) == ZEROS
        stage.pair.must("liquidator", "start", TRADER)


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed(auction, way):
    reason = auction.kill_feed(ETH, way)
    contract = auction.pair.contracts["liquidator"]
    function = contract.interface.function("quote", 2)
    assert auction.pair.ask(contract, function.encode([TRADER, WAD]), function).reason == reason

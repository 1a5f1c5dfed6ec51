"""Liquidator.quote: the auction's arithmetic by hand, at E_m = E_h = 200, MM 209, IM 271.7."""

import pytest

from plimsoll.spec.wad import WAD
from tests.unit.clearinghouse.stage import DEAD, ETH, MAKER, OTHER, OWNER, TRADER, wad


@pytest.fixture
def open_auction(stage):
    stage.sick(300)
    stage.pair.must("liquidator", "start", TRADER)
    return stage


def quote(stage, fraction=WAD, who=TRADER):
    """A quote of both."""
    found = tuple(stage.ask("liquidator", "quote", who, fraction))
    assert found == stage.pair.twin.liquidator.quote(who, fraction, stage.pair.now)
    return found


@pytest.mark.parametrize(
    ("seconds", "discount"),
    [(0, "10.45"), (1, "10.505131"), (1_800, "109.725"), (3_240, "189.145"), (3_436, "199.954")],
)
def test_the_discount_grows_to_all_equity(open_auction, seconds, discount):
    # share = .05 + .95 t / 3,600, in ppm, down; of 209; no more than 200
    open_auction.later(seconds)
    share = 50_000 + 950_000 * seconds // 3_600
    assert quote(open_auction)[2] == 209 * WAD * share // 10**6
    assert abs(quote(open_auction)[2] - wad(discount)) < WAD // 1_000


@pytest.mark.parametrize("seconds", [3_438, 3_600, 7_200])
def test_it_never_takes_more_than_there_is(open_auction, seconds):
    open_auction.later(seconds)
    # all equity: the cap is 71.7 / 71.7, and the payment nothing
    assert quote(open_auction) == (WAD, 0, 200 * WAD)


def test_the_cap_is_what_restores_initial_margin(open_auction):
    # 71.7 / (200 - 10.45 + 71.7) = .27444.., up; payment down
    fraction = -(-wad("71.7") * WAD // wad("261.25"))
    payment = fraction * wad("189.55") // WAD
    assert quote(open_auction) == (fraction, payment, wad("10.45"))
    assert quote(open_auction, 2**256 - 1) == quote(open_auction)
    assert quote(open_auction, fraction + 1) == quote(open_auction)
    assert quote(open_auction, fraction - 1)[0] == fraction - 1


@pytest.mark.parametrize("fraction", [0, 1, 7, WAD // 10])
def test_the_payment_is_in_proportion_and_down(open_auction, fraction):
    assert quote(open_auction, fraction) == (fraction, fraction * wad("189.55") // WAD, wad("10.45"))


def test_collateral_is_sold_with_its_haircut_off(stage):
    # 1 WETH, 5 perps from 2,000: at 1,700 E_m = 10 + 1,700 - 1,500, E_h = 10 + 1,530 - 1,500
    stage.fund("maker", 1_000_000)
    stage.bring("trader", stage.weth, WAD)
    stage.fund("trader", 10)
    stage.trade(TRADER, MAKER, stage.perp, 5 * WAD, 2_000 * WAD)
    stage.pair.price(ETH, 1_700 * WAD)
    found = stage.margin(TRADER)
    assert (found.equity_full, found.equity_haircut) == (210 * WAD, 40 * WAD)
    stage.pair.must("liquidator", "start", TRADER)
    # scan 6 x 170, gross 5 x 17; (210 - 40 + 1,105) x .05
    assert found.mm == 1_105 * WAD
    assert quote(stage)[2] == wad("63.75")


def test_zeros_without_an_auction(stage):
    stage.sick()
    assert quote(stage) == quote(stage, who=OTHER) == (0, 0, 0)


def test_zeros_where_nothing_is_to_be_restored(open_auction):
    open_auction.fund("trader", "71.7")
    assert quote(open_auction) == (0, 0, 0)


def test_zeros_without_equity(open_auction):
    open_auction.pair.price(ETH, 1_699 * WAD)
    assert quote(open_auction) == (0, 0, 0)
    open_auction.pair.price(ETH, 1_700 * WAD)
    # nothing left: all of it for nothing
    assert quote(open_auction) == (WAD, 0, 0)


def test_zeros_once_it_lapsed(open_auction):
    open_auction.later(7_201)
    assert quote(open_auction) == (0, 0, 0)


def test_it_keeps_the_configuration_it_began_with(open_auction):
    before = quote(open_auction)
    open_auction.pair.must("liquidator", "set_config", 300, 60, 0, sender=OWNER)
    assert quote(open_auction) == before
    open_auction.later(7_200)
    assert quote(open_auction) == (WAD, 0, 200 * WAD)
    open_auction.later(1)
    open_auction.pair.must("liquidator", "start", TRADER)
    assert quote(open_auction)[2] == 0
    open_auction.later(30)
    assert quote(open_auction)[2] == wad("104.5")


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed(open_auction, way):
    reason = open_auction.kill_feed(ETH, way)
    contract = open_auction.pair.contracts["liquidator"]
    function = contract.interface.function("quote", 2)
    assert open_auction.pair.ask(contract, function.encode([TRADER, WAD]), function).reason == reason

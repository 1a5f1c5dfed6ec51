"""Lens.greeks: sums by underlying at the reference price, toward zero. Twin: `plimsoll.spec.lens`."""

import pytest

from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT
from plimsoll.spec.lens import Greeks, greeks
from plimsoll.spec.wad import WAD
from tests.unit.clearinghouse.stage import BTC, ETH, EXPIRY, MAKER, OTHER, SOL, TRADER, make_row, make_scalars, wad


@pytest.fixture
def optioned(stage):
    """Options with Greeks: gamma 2 per 1.00 move, vega 4 % of the reference per 1.00, theta -.1 % a day."""
    told = {"gamma": 2_000_000, "vega": 40_000, "theta": -10_000}
    stage.surfaces[ETH, EXPIRY] = (make_row(FUTURE), make_row(CALL, 2_000, **told), make_row(PUT, 2_000, **told))
    stage.post()
    stage.fund("maker", 10**6)
    stage.fund("trader", 10_000)
    return stage


def ask(stage, who=TRADER):
    """Greeks of the chain; the twin's are the same."""
    found = [Greeks(*item) for item in stage.ask("lens", "greeks", who)]
    oracle = stage.pair.twin.oracle
    surfaces = {key: oracle.surface_at(pointer >> 96) for key, pointer in oracle.pointers.items()}
    assert found == greeks(stage.book.positions(who, stage.pair.now), surfaces)
    return found


def test_an_empty_account(stage):
    assert ask(stage, OTHER) == []


def test_one_option(optioned):
    optioned.trade(TRADER, MAKER, optioned.call, 3 * WAD, 100 * WAD)
    # delta 3 / 2; gamma 3 x 2 / 2,000; vega 3 x 4 % of 2,000; theta 3 x -.1 % of 2,000
    assert ask(optioned) == [Greeks(ETH, wad("1.5"), wad("0.003"), 240 * WAD, -6 * WAD)]
    assert ask(optioned, MAKER) == [Greeks(ETH, -wad("1.5"), -wad("0.003"), -240 * WAD, 6 * WAD)]


def test_legs_of_an_underlying_add_up_over_its_surfaces(optioned):
    optioned.trade(TRADER, MAKER, optioned.call, WAD, 100 * WAD)
    optioned.trade(MAKER, TRADER, optioned.put, WAD, 100 * WAD)
    optioned.trade(MAKER, TRADER, optioned.perp, WAD // 4, 2_000 * WAD)
    optioned.bring("trader", optioned.weth, 2 * WAD)
    # +.5 (call) + .5 (short put) - .25 + 2; gamma, vega and theta cancel
    assert ask(optioned) == [Greeks(ETH, wad("2.75"), 0, 0, 0)]


def test_each_underlying_by_itself(optioned):
    optioned.trade(TRADER, MAKER, optioned.perp, WAD, 2_000 * WAD)
    optioned.trade(MAKER, TRADER, optioned.btc_perp, WAD // 100, 20_000 * WAD)
    optioned.trade(TRADER, MAKER, optioned.sol_perp, 7 * WAD, 100 * WAD)
    optioned.trade(TRADER, MAKER, optioned.put, WAD, 100 * WAD)
    assert ask(optioned) == [
        Greeks(BTC, -WAD // 100),
        Greeks(ETH, wad("0.5"), wad("0.001"), 80 * WAD, -2 * WAD),
        Greeks(SOL, 7 * WAD),
    ]


def test_a_row_that_its_surface_lacks_counts_its_quantity(optioned):
    optioned.trade(TRADER, MAKER, optioned.call, WAD, 100 * WAD)
    optioned.surfaces[ETH, EXPIRY] = (make_row(FUTURE),)
    optioned.post()
    assert ask(optioned) == [Greeks(ETH, WAD)]


@pytest.mark.parametrize("is_long", [True, False])
def test_they_round_toward_zero(optioned, is_long):
    optioned.surfaces[ETH, 0] = (make_row(PERP, delta=333_333), make_row(SPOT, 1))
    optioned.post()
    sides = (TRADER, MAKER) if is_long else (MAKER, TRADER)
    optioned.trade(*sides, optioned.perp, 5, 2_000 * WAD)
    assert ask(optioned)[0].delta == (1 if is_long else -1)  # of 1.67


def test_they_are_of_the_reference_not_of_the_index(optioned):
    optioned.trade(TRADER, MAKER, optioned.call, WAD, 100 * WAD)
    before = ask(optioned)
    optioned.pair.price(ETH, 3_000 * WAD)
    assert ask(optioned) == before
    optioned.kill_feed(ETH, "zero")
    assert ask(optioned) == before


def test_funding_and_interest_are_none_of_them(optioned):
    optioned.trade(TRADER, MAKER, optioned.perp, WAD, 2_000 * WAD)
    before = ask(optioned)
    optioned.scalars[ETH] = make_scalars(ETH, funding=1_000)
    optioned.post()
    optioned.later(3_600)
    assert optioned.pair.twin.oracle.funding(ETH, optioned.pair.now) > 0
    assert ask(optioned) == before == [Greeks(ETH, WAD)]


def test_what_is_settled_has_none(optioned):
    optioned.trade(TRADER, MAKER, optioned.call, WAD, 100 * WAD)
    optioned.trade(TRADER, MAKER, optioned.perp, WAD, 2_000 * WAD)
    optioned.settle_expiry(2_100 * WAD)
    assert ask(optioned) == [Greeks(ETH, WAD)]

"""Lens.margin_after: what the margin would be, before anybody trades."""

import pytest

from plimsoll.spec.lens import margin_after
from plimsoll.spec.margin import Assessment
from plimsoll.spec.wad import MAX_QUANTITY, WAD
from tests.unit.clearinghouse.stage import DEAD, ETH, MAKER, OTHER, TRADER, make_scalars


@pytest.fixture
def funded(stage):
    stage.fund("trader", 1_000)
    stage.fund("maker", 10**6)
    return stage


def after(stage, *trades, who=TRADER):
    """The margin after trades of (instrument, quantity, price); the twin's is the same."""
    told = [{"instrument": i, "quantity": q, "price": p} for i, q, p in trades]
    found = Assessment(*stage.ask("lens", "margin_after", who, told))
    assert found == margin_after(stage.book, who, trades, stage.pair.now)
    return found


def test_without_trades_it_is_the_margin(funded):
    funded.trade(TRADER, MAKER, funded.perp, WAD, 2_000 * WAD)
    assert after(funded) == funded.margin(TRADER)
    assert after(funded, who=OTHER) == Assessment(0, 0, 0, 0, 0, fresh=True)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("name", "price"), [("perp", 2_000 * WAD + 1), ("call", 100 * WAD + 1)])
def test_it_foretells_a_trade_to_the_wei(funded, name, price, sign):
    instrument, quantity = getattr(funded, name), WAD // 3
    told = after(funded, (instrument, sign * quantity, price))
    sides = (TRADER, MAKER) if sign > 0 else (MAKER, TRADER)
    funded.trade(*sides, instrument, quantity, price)
    assert funded.margin(TRADER) == told


def test_several_trades_at_once(funded):
    trades = [
        (funded.perp, WAD, 2_000 * WAD),
        (funded.future, -WAD, 2_010 * WAD),
        (funded.perp, WAD, 1_990 * WAD),
        (funded.perp, -2 * WAD, 2_000 * WAD),
    ]
    # flat in the perp with +10, short a future 10 over its mark
    found = after(funded, *trades)
    assert (found.equity_full, found.mm) == (1_020 * WAD, 220 * WAD)
    assert funded.book.positions(TRADER, funded.pair.now) == ()


def test_sixteen_trades_and_no_more(funded):
    trades = [(funded.perp, WAD // 16, 2_000 * WAD)] * 16
    assert after(funded, *trades).mm == 220 * WAD
    contract = funded.pair.lens
    function = contract.interface.function("margin_after", 2)
    data = function.encode([TRADER, [*trades, trades[0]]])
    assert funded.pair.ask(contract, data, function).reason == ""


def test_it_asks_for_no_listing_and_no_band(funded):
    assert after(funded, (funded.perp + 1, WAD, 1)).fresh is False
    assert after(funded, (funded.perp, WAD, 1)).equity_full == 3_000 * WAD - 1


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("rate", [1_000, -777])
def test_a_perp_costs_its_price_less_the_funding_so_far(funded, rate, sign):
    funded.scalars[ETH] = make_scalars(ETH, funding=rate)
    funded.post()
    funded.later(5_000)
    assert funded.pair.twin.oracle.funding(ETH, funded.pair.now) != 0
    trades = [(funded.perp, sign * (WAD // 3), 2_000 * WAD + 7), (funded.future, -sign * WAD // 7, 2_001 * WAD)]
    told = after(funded, *trades)
    # at its mark a new position is worth nothing but the distance to what it cost
    assert abs(told.equity_full - 1_000 * WAD) < WAD
    for instrument, quantity, price in trades:
        sides = (TRADER, MAKER) if quantity > 0 else (MAKER, TRADER)
        funded.trade(*sides, instrument, abs(quantity), price)
    assert funded.margin(TRADER) == told


def test_after_an_expiry_and_with_what_it_paid(funded):
    funded.trade(TRADER, MAKER, funded.call, WAD, 100 * WAD)
    funded.settle_expiry(2_150 * WAD)
    funded.post()
    told = after(funded, (funded.perp, WAD, 2_150 * WAD))
    assert told.equity_full == 1_050 * WAD
    funded.trade(TRADER, MAKER, funded.perp, WAD, 2_150 * WAD)
    assert funded.margin(TRADER) == told


def test_fees_are_not_looked_at(funded):
    told = after(funded, (funded.perp, WAD, 2_000 * WAD))
    funded.fees(taker=1_000, maker=500, cap=1_000)
    assert after(funded, (funded.perp, WAD, 2_000 * WAD)) == told


@pytest.mark.parametrize("quantity", [MAX_QUANTITY + 1, -MAX_QUANTITY - 1])
def test_a_quantity_over_the_maximum(funded, quantity):
    contract = funded.pair.lens
    function = contract.interface.function("margin_after", 2)
    data = function.encode([TRADER, [(funded.perp, quantity, WAD)]])
    assert funded.pair.ask(contract, data, function).reason == "clearinghouse: quantity over the maximum"


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed(funded, way):
    reason = funded.kill_feed(ETH, way)
    contract = funded.pair.lens
    function = contract.interface.function("margin_after", 2)
    data = function.encode([TRADER, [(funded.perp, WAD, WAD)]])
    assert funded.pair.ask(contract, data, function).reason == reason

"""Lens.margin_after: what the margin would be, before anybody trades."""

import pytest

from plimsoll.spec.book import changed
from plimsoll.spec.margin import Assessment
from plimsoll.spec.wad import MAX_QUANTITY, WAD, div_up
from tests.unit.clearinghouse.stage import DEAD, ETH, MAKER, OTHER, TRADER


@pytest.fixture
def funded(stage):
    stage.fund("trader", 1_000)
    stage.fund("maker", 10**6)
    return stage


def after(stage, *trades, who=TRADER):
    """The margin after trades of (instrument, quantity, price); the twin's is the same."""
    told = [{"instrument": i, "quantity": q, "price": p} for i, q, p in trades]
    found = Assessment(*stage.ask("lens", "margin_after", who, told))
    words, money = stage.book.positions(who), sum(stage.book.ledger(who))
    for instrument, quantity, price in trades:
        words = changed(words, instrument, quantity)
        money -= div_up(quantity * price, WAD)
    assert found == stage.pair.twin.oracle.assess(words, money, stage.pair.now)
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
    assert funded.book.positions(TRADER) == ()


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

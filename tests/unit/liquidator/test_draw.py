"""Liquidator.draw: from the reserve that a called account named.

The trader's account 0: E_h 216, IM 271.7; his account 1 is the reserve.
"""

import pytest

from tests.pairs import account
from tests.unit.clearinghouse.stage import ATTACKER, DEAD, ETH, EVERYONE, MAKER, TRADER, USD, WAD, wad

from .rig import TRADER_ADDRESS, URGENT

RESERVE = account("trader", 1)


@pytest.fixture
def weak(stage):
    """Not called yet; 100 in the reserve."""
    stage.sick()
    stage.fund("trader", 30)
    stage.fund("trader", 100, at=1)
    stage.pair.must("mandates", "set_reserve", TRADER, RESERVE, sender=TRADER_ADDRESS)
    return stage


@pytest.fixture
def called(weak):
    weak.pair.must("liquidator", "call", TRADER)
    return weak


def draw(stage, amount):
    stage.pair.must("liquidator", "draw", TRADER, amount, sender=ATTACKER)
    stage.pair.compare(EVERYONE)


def refuses(stage, reason, amount):
    stage.refuses(reason, "liquidator", "draw", TRADER, amount)


def test_no_more_than_is_needed(called):
    refuses(called, "liquidator: more than is needed", 55_700_001)
    refuses(called, "liquidator: more than is needed", 0)
    draw(called, 55_700_000)
    assert called.margin(TRADER).equity_haircut == called.margin(TRADER).im
    assert called.ledger(RESERVE) == (wad("44.3"), 0)
    args = {"account": TRADER, "reserve": RESERVE, "amount": 55_700_000}
    assert called.last("liquidator") == ("ReserveDrawn", args)
    assert called.last("book")[0] == "Transferred"
    refuses(called, "liquidator: more than is needed", 1)


def test_in_parts(called):
    draw(called, 20 * USD)
    draw(called, 35_700_000)
    called.pair.must("liquidator", "cure", TRADER)


def test_no_more_than_is_there(called):
    called.pair.must("book", "withdraw", RESERVE, called.usd, 90 * USD, TRADER_ADDRESS, sender=TRADER_ADDRESS)
    refuses(called, "clearinghouse: cash not there", 10 * USD + 1)
    draw(called, 10 * USD)


def test_the_reserve_stays_at_initial_margin(called):
    called.allow("trader", at=1)
    called.post()
    called.trade(RESERVE, MAKER, called.perp, WAD // 4, 1_900 * WAD)
    assert called.margin(RESERVE).im == wad("67.925")
    refuses(called, "clearinghouse: below initial margin", 32_075_001)
    draw(called, 32_075_000)
    assert called.margin(RESERVE).equity_haircut == called.margin(RESERVE).im


def test_a_reserve_that_is_itself_called_gives_nothing(called):
    called.allow("trader", at=1)
    called.post()
    called.trade(RESERVE, MAKER, called.perp, WAD // 4, 1_900 * WAD)
    called.pair.price(ETH, 1_700 * WAD)
    refuses(called, "clearinghouse: below initial margin", USD)


def test_a_reserve_of_positions_needs_fresh_surfaces(called):
    called.allow("trader", at=1)
    called.post()
    called.trade(RESERVE, MAKER, called.perp, WAD // 100, 1_900 * WAD)
    called.later(3_601)
    called.later(3_601)
    called.pair.price(ETH, 1_890 * WAD)
    called.pair.must("liquidator", "call", TRADER)
    refuses(called, "clearinghouse: surface not fresh", USD)


def test_without_a_reserve(called):
    called.pair.must("mandates", "set_reserve", TRADER, 0, sender=TRADER_ADDRESS)
    refuses(called, "liquidator: no reserve", USD)


def test_not_before_it_is_called(weak):
    refuses(weak, "liquidator: not called", USD)


def test_nor_once_the_call_lapsed(called):
    called.later(7_201)
    refuses(called, "liquidator: not called", USD)


def test_in_an_auction_too(called):
    called.pair.price(ETH, 1_880 * WAD)
    called.later(URGENT + 1)
    called.pair.must("liquidator", "start", TRADER)
    draw(called, 72_840_000)
    called.pair.must("liquidator", "close", TRADER)


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed(called, way):
    reason = called.kill_feed(ETH, way)
    refuses(called, reason, USD)

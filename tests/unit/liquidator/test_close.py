"""Liquidator.close: at or over initial margin."""

import pytest

from tests.unit.clearinghouse.stage import ATTACKER, DEAD, ETH, MAKER, TRADER, WAD

from .rig import open_auction


def test_at_initial_margin_and_not_under_it(auction):
    auction.fund("trader", "71.699999")
    auction.refuses("liquidator: still below initial margin", "liquidator", "close", TRADER)
    auction.fund("trader", "0.000001")
    assert auction.ask("liquidator", "auction", TRADER) == auction.pair.now
    auction.pair.must("liquidator", "close", TRADER, sender=ATTACKER)
    assert auction.ask("liquidator", "auction", TRADER) == 0
    assert auction.last("liquidator") == ("AuctionClosed", {"account": TRADER})
    auction.refuses("liquidator: no auction", "liquidator", "close", TRADER)


def test_over_maintenance_margin_is_not_enough(auction):
    auction.fund("trader", 50)
    assert auction.ask("book", "state", TRADER) == 1
    auction.refuses("liquidator: still below initial margin", "liquidator", "close", TRADER)


def test_by_the_price(auction):
    auction.pair.price(ETH, 2_000 * WAD)
    auction.pair.must("liquidator", "close", TRADER)
    assert auction.ask("liquidator", "auction", TRADER) == 0


def test_once_the_account_has_sold_off(auction):
    auction.trade(MAKER, TRADER, auction.perp, WAD, 1_900 * WAD)
    auction.pair.must("liquidator", "close", TRADER)
    assert auction.ask("liquidator", "auction", TRADER) == 0


def test_a_closed_auction_starts_anew_after_a_call(auction):
    auction.pair.price(ETH, 2_000 * WAD)
    auction.pair.must("liquidator", "close", TRADER)
    auction.later(500)
    auction.pair.price(ETH, 1_900 * WAD)
    open_auction(auction)
    assert auction.ask("liquidator", "auction", TRADER) == auction.pair.now


def test_it_takes_bad_debt_off_the_record(stage):
    stage.sick(300, 1_650)
    stage.pair.must("liquidator", "start", TRADER)
    assert stage.ask("liquidator", "recorded", TRADER) == stage.ask("liquidator", "bad_debt") == 50 * WAD
    stage.pair.price(ETH, 2_000 * WAD)
    stage.pair.must("liquidator", "close", TRADER)
    assert stage.last("liquidator") == ("BadDebtRecorded", {"account": TRADER, "amount": 0, "total": 0})
    assert stage.ask("liquidator", "recorded", TRADER) == stage.ask("liquidator", "bad_debt") == 0


def test_no_auction(stage):
    stage.refuses("liquidator: no auction", "liquidator", "close", TRADER)


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed(auction, way):
    reason = auction.kill_feed(ETH, way)
    auction.refuses(reason, "liquidator", "close", TRADER)

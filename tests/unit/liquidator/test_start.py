"""Liquidator.start: under maintenance margin, insolvent, or a call that ran out (I-20)."""

import pytest

from tests.unit.clearinghouse.stage import ATTACKER, DEAD, ETH, MAKER, NOW, OTHER, TRADER, WAD, wad

NOT = "liquidator: not liquidatable"


def test_under_maintenance_margin(stage):
    stage.sick()
    stage.pair.must("liquidator", "start", TRADER, sender=ATTACKER)
    assert stage.ask("liquidator", "auction", TRADER) == NOW
    args = {"account": TRADER, "equity": 186 * WAD, "mm": 209 * WAD}
    assert stage.last("liquidator") == ("AuctionStarted", args)


@pytest.mark.parametrize(("top_up", "starts"), [("22.999999", True), ("23", False), ("85.7", False)])
def test_at_maintenance_margin_it_does_not(stage, top_up, starts):
    stage.sick()
    stage.fund("trader", top_up)
    if starts:
        stage.pair.must("liquidator", "start", TRADER)
        assert stage.ask("liquidator", "auction", TRADER) == NOW
    else:
        stage.refuses(NOT, "liquidator", "start", TRADER)


def test_an_insolvent_account(stage):
    stage.sick(price=1_700)
    stage.pair.must("liquidator", "start", TRADER)
    assert stage.last("liquidator")[1]["equity"] == -14 * WAD
    assert stage.ask("liquidator", "auction", TRADER) == NOW


def test_an_account_that_holds_nothing_but_a_loss(stage):
    # sold all at the index, 1,700, 14 short of what it was bought for: refused by the book, as equity is negative
    stage.sick(price=1_700)
    args = MAKER, TRADER, stage.perp, WAD, 1_700 * WAD
    stage.refuses_trade("clearinghouse: below initial margin", *args)
    stage.pair.must("liquidator", "start", TRADER)
    assert stage.ask("book", "state", TRADER) == 4


def test_a_call_that_ran_out(stage):
    stage.sick()
    stage.fund("trader", 30)
    stage.refuses(NOT, "liquidator", "start", TRADER)
    stage.pair.must("liquidator", "call", TRADER)
    stage.later(3_600)
    stage.refuses(NOT, "liquidator", "start", TRADER)
    stage.later(1)
    stage.pair.must("liquidator", "start", TRADER)
    assert stage.ask("liquidator", "auction", TRADER) == NOW + 3_601
    assert stage.ask("liquidator", "deadline", TRADER) == 0
    assert stage.last("liquidator")[1]["equity"] == 216 * WAD


@pytest.mark.parametrize(("top_up", "starts"), [("13.899999", True), ("13.9", False)])
def test_a_call_that_ran_out_but_could_be_cured(stage, top_up, starts):
    stage.sick()
    stage.fund("trader", 30)
    stage.pair.must("liquidator", "call", TRADER)
    stage.fund("trader", top_up)
    stage.later(3_601)
    if starts:
        stage.pair.must("liquidator", "start", TRADER)
        assert stage.ask("liquidator", "auction", TRADER) == NOW + 3_601
    else:
        stage.refuses(NOT, "liquidator", "start", TRADER)


def test_a_call_protects_nobody_under_maintenance_margin(stage):
    stage.sick()
    stage.fund("trader", 30)
    stage.pair.must("liquidator", "call", TRADER)
    stage.pair.price(ETH, 1_850 * WAD)
    stage.pair.must("liquidator", "start", TRADER)
    assert stage.ask("liquidator", "deadline", TRADER) == 0


def test_already_in_auction(stage):
    # a restart would set the price back (I-24, I-26)
    stage.sick()
    stage.pair.must("liquidator", "start", TRADER)
    stage.later(100)
    stage.refuses("liquidator: already in auction", "liquidator", "start", TRADER)
    stage.fund("trader", 10_000)
    stage.refuses("liquidator: already in auction", "liquidator", "start", TRADER)


def test_a_sound_account(stage):
    stage.refuses(NOT, "liquidator", "start", OTHER)
    stage.bring("other", stage.weth, WAD)
    stage.refuses(NOT, "liquidator", "start", OTHER)
    stage.sick(300, 1_980)
    stage.refuses(NOT, "liquidator", "start", TRADER)
    assert stage.margin(TRADER).mm == wad("217.8")


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed(stage, way):
    stage.sick()
    reason = stage.kill_feed(ETH, way)
    stage.refuses(reason, "liquidator", "start", TRADER)


def test_stale_surfaces_do_not_stop_it(stage):
    stage.sick()
    stage.later(20_000)
    stage.pair.must("liquidator", "start", TRADER)
    assert stage.ask("liquidator", "auction", TRADER) == NOW + 20_000

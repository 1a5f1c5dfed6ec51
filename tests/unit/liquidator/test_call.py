"""Liquidator.call: under the call line; shorter notice under maintenance margin."""

import pytest

from tests.unit.clearinghouse.stage import ATTACKER, DEAD, ETH, NOW, OTHER, TRADER, WAD

from .rig import configure, open_auction

NOT_UNDER = "liquidator: not under the call line"


def at(stage, top_up):
    """E_h 186 + top-up; MM 209, call line 229.9, IM 271.7."""
    stage.sick()
    stage.fund("trader", top_up)


@pytest.mark.parametrize(("top_up", "notice"), [("22.999999", 120), ("23", 3_600), ("43.899999", 3_600)])
def test_the_notice(stage, top_up, notice):
    at(stage, top_up)
    stage.pair.must("liquidator", "call", TRADER, sender=ATTACKER)
    assert stage.ask("liquidator", "deadline", TRADER) == NOW + notice
    assert stage.ask("liquidator", "ripe", TRADER) == NOW + 120
    assert stage.ask("liquidator", "auction", TRADER) == 0
    assert stage.last("liquidator") == ("Called", {"account": TRADER, "ripe": NOW + 120, "deadline": NOW + notice})


@pytest.mark.parametrize("top_up", ["43.9", "85.7", "1000"])
def test_at_the_call_line_or_over_it(stage, top_up):
    at(stage, top_up)
    stage.refuses(NOT_UNDER, "liquidator", "call", TRADER)


def test_nobody_is_called_for_nothing(stage):
    stage.refuses(NOT_UNDER, "liquidator", "call", OTHER)
    stage.bring("other", stage.weth, WAD)
    stage.refuses(NOT_UNDER, "liquidator", "call", OTHER)


def test_an_insolvent_account_needs_no_call(stage):
    stage.sick(price=1_714)
    with stage.pair.isolated():
        # nothing left, and nothing owed: a call it is
        stage.pair.must("liquidator", "call", TRADER)
        assert stage.ask("liquidator", "deadline", TRADER) == NOW + 120
    stage.pair.price(ETH, 1_714 * WAD - 1)
    stage.refuses(NOT_UNDER, "liquidator", "call", TRADER)


@pytest.mark.parametrize(("top_up", "deadline"), [("0", 120), ("30", 3_600)])
def test_it_lapses_one_call_period_after_its_deadline(stage, top_up, deadline):
    stage.sick()
    if top_up != "0":
        stage.fund("trader", top_up)
    stage.pair.must("liquidator", "call", TRADER)
    stage.later(60)
    stage.refuses("liquidator: already called", "liquidator", "call", TRADER)
    stage.later(deadline + 3_600 - 60)
    stage.refuses("liquidator: already called", "liquidator", "call", TRADER)
    stage.later(1)
    assert stage.ask("liquidator", "deadline", TRADER) == stage.ask("liquidator", "ripe", TRADER) == 0
    stage.refuses("liquidator: not called", "liquidator", "cure", TRADER)
    stage.pair.must("liquidator", "call", TRADER)
    assert stage.ask("liquidator", "deadline", TRADER) == stage.pair.now + deadline


def test_a_call_over_maintenance_margin_is_not_made_shorter(stage):
    """The deadline stays; what turns at once is how long an account under maintenance margin has."""
    at(stage, "30")
    stage.pair.must("liquidator", "call", TRADER)
    stage.pair.price(ETH, 1_850 * WAD)
    stage.refuses("liquidator: already called", "liquidator", "call", TRADER)
    assert stage.ask("liquidator", "deadline", TRADER) == NOW + 3_600


def test_already_in_auction(stage):
    stage.sick()
    open_auction(stage)
    stage.fund("trader", 30)
    stage.refuses("liquidator: already in auction", "liquidator", "call", TRADER)


def test_the_periods_are_those_of_the_call(stage):
    at(stage, "30")
    configure(stage, call_period=300, urgent_period=60)
    stage.pair.must("liquidator", "call", TRADER)
    configure(stage, call_period=9_000, urgent_period=9_000)
    assert stage.ask("liquidator", "deadline", TRADER) == NOW + 300
    assert stage.ask("liquidator", "ripe", TRADER) == NOW + 60
    stage.later(601)
    assert stage.ask("liquidator", "deadline", TRADER) == 0


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed(stage, way):
    at(stage, "30")
    reason = stage.kill_feed(ETH, way)
    stage.refuses(reason, "liquidator", "call", TRADER)


def test_stale_surfaces_do_not_stop_it(stage):
    at(stage, "30")
    stage.later(20_000)
    stage.pair.must("liquidator", "call", TRADER)
    assert stage.ask("liquidator", "deadline", TRADER) == NOW + 23_600

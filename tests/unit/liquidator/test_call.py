"""Liquidator.call: under the call line and not under maintenance margin."""

import pytest

from tests.unit.clearinghouse.stage import ATTACKER, DEAD, ETH, NOW, OTHER, OWNER, TRADER, WAD

NOT_UNDER = "liquidator: not under the call line"


def at(stage, top_up):
    """E_h 186 + top-up; MM 209, call line 229.9, IM 271.7."""
    stage.sick()
    stage.fund("trader", top_up)


@pytest.mark.parametrize("top_up", ["23", "43.899999"])
def test_from_maintenance_margin_to_under_the_call_line(stage, top_up):
    at(stage, top_up)
    stage.pair.must("liquidator", "call", TRADER, sender=ATTACKER)
    assert stage.ask("liquidator", "deadline", TRADER) == NOW + 3_600
    assert stage.ask("liquidator", "auction", TRADER) == 0
    assert stage.last("liquidator") == ("Called", {"account": TRADER, "deadline": NOW + 3_600})


@pytest.mark.parametrize("top_up", ["22.999999", "43.9", "85.7", "1000"])
def test_not_on_either_side_of_it(stage, top_up):
    at(stage, top_up)
    stage.refuses(NOT_UNDER, "liquidator", "call", TRADER)


def test_nobody_is_called_for_nothing(stage):
    stage.refuses(NOT_UNDER, "liquidator", "call", OTHER)
    stage.bring("other", stage.weth, WAD)
    stage.refuses(NOT_UNDER, "liquidator", "call", OTHER)


def test_an_insolvent_account_is_not_called(stage):
    stage.sick(price=1_700)
    stage.refuses(NOT_UNDER, "liquidator", "call", TRADER)


def test_already_called(stage):
    at(stage, "30")
    stage.pair.must("liquidator", "call", TRADER)
    stage.later(60)
    stage.refuses("liquidator: already called", "liquidator", "call", TRADER)
    stage.later(7_140)
    stage.refuses("liquidator: already called", "liquidator", "call", TRADER)


def test_a_call_lapses_one_period_after_its_deadline(stage):
    at(stage, "30")
    stage.pair.must("liquidator", "call", TRADER)
    stage.later(7_201)
    assert stage.ask("liquidator", "deadline", TRADER) == 0
    stage.refuses("liquidator: not liquidatable", "liquidator", "start", TRADER)
    stage.refuses("liquidator: not called", "liquidator", "cure", TRADER)
    stage.pair.must("liquidator", "call", TRADER)
    assert stage.ask("liquidator", "deadline", TRADER) == NOW + 7_201 + 3_600


def test_already_in_auction(stage):
    stage.sick()
    stage.pair.must("liquidator", "start", TRADER)
    stage.fund("trader", 30)
    stage.refuses("liquidator: already in auction", "liquidator", "call", TRADER)


def test_the_period_is_the_one_of_the_call(stage):
    at(stage, "30")
    stage.pair.must("liquidator", "set_config", 300, 60, 0, sender=OWNER)
    stage.pair.must("liquidator", "call", TRADER)
    stage.pair.must("liquidator", "set_config", 9_000, 60, 0, sender=OWNER)
    assert stage.ask("liquidator", "deadline", TRADER) == NOW + 300


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

"""Liquidator.cure: at or over the call line again."""

import pytest

from tests.unit.clearinghouse.stage import ATTACKER, DEAD, ETH, MAKER, TRADER, WAD

from .rig import URGENT


@pytest.fixture
def called(stage):
    """E_h 216 over a maintenance margin of 209 and under a call line of 229.9."""
    stage.sick()
    stage.fund("trader", 30)
    stage.pair.must("liquidator", "call", TRADER)
    return stage


def test_at_the_call_line(called):
    called.fund("trader", "13.899999")
    called.refuses("liquidator: not curable", "liquidator", "cure", TRADER)
    called.fund("trader", "0.000001")
    called.pair.must("liquidator", "cure", TRADER, sender=ATTACKER)
    assert called.ask("liquidator", "deadline", TRADER) == called.ask("liquidator", "ripe", TRADER) == 0
    assert called.last("liquidator") == ("Cured", {"account": TRADER})
    called.refuses("liquidator: not called", "liquidator", "cure", TRADER)


def test_after_the_deadline_too(called):
    called.later(5_000)
    called.fund("trader", 14)
    called.pair.must("liquidator", "cure", TRADER)
    assert called.ask("liquidator", "deadline", TRADER) == 0


def test_once_nothing_is_required(called):
    called.trade(MAKER, TRADER, called.perp, WAD, 1_900 * WAD)
    called.pair.must("liquidator", "cure", TRADER)
    assert called.ask("liquidator", "deadline", TRADER) == 0


def test_by_the_price(called):
    called.pair.price(ETH, 1_950 * WAD)
    called.pair.must("liquidator", "cure", TRADER)
    assert called.ask("liquidator", "deadline", TRADER) == 0


def test_a_cured_account_has_its_whole_notice_again(called):
    called.later(3_000)
    called.fund("trader", 14)
    called.pair.must("liquidator", "cure", TRADER)
    called.pair.price(ETH, 1_890 * WAD)
    called.pair.must("liquidator", "call", TRADER)
    assert called.ask("liquidator", "deadline", TRADER) == called.pair.now + 3_600
    called.pair.price(ETH, 1_850 * WAD)
    called.refuses("liquidator: call first", "liquidator", "start", TRADER)


def test_not_called(stage):
    stage.sick()
    stage.refuses("liquidator: not called", "liquidator", "cure", TRADER)


def test_a_start_ends_the_call(called):
    called.pair.price(ETH, 1_880 * WAD)
    called.later(URGENT + 1)
    called.pair.must("liquidator", "start", TRADER)
    called.refuses("liquidator: not called", "liquidator", "cure", TRADER)


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed(called, way):
    reason = called.kill_feed(ETH, way)
    called.refuses(reason, "liquidator", "cure", TRADER)

"""Liquidator.record: negative equity on record, or off it."""

import pytest

from tests.unit.clearinghouse.stage import ATTACKER, DEAD, ETH, EVERYONE, MAKER, OTHER, TRADER, WAD


def record(stage, who):
    stage.pair.must("liquidator", "record", who, sender=ATTACKER)
    stage.pair.compare(EVERYONE)


def test_on_and_off(stage):
    stage.sick(300, 1_650)
    assert stage.ask("liquidator", "bad_debt") == 0
    record(stage, TRADER)
    assert stage.last("liquidator") == (
        "BadDebtRecorded",
        {"account": TRADER, "amount": 50 * WAD, "total": 50 * WAD},
    )
    stage.pair.price(ETH, 1_640 * WAD)
    record(stage, TRADER)
    assert stage.ask("liquidator", "bad_debt") == 60 * WAD
    stage.pair.price(ETH, 1_700 * WAD)
    record(stage, TRADER)
    assert stage.last("liquidator") == ("BadDebtRecorded", {"account": TRADER, "amount": 0, "total": 0})


def test_what_is_so_already_is_not_told_again(stage):
    stage.sick(300, 1_650)
    record(stage, TRADER)
    count = len(stage.pair.twin.liquidator.log)
    record(stage, TRADER)
    record(stage, MAKER)
    record(stage, OTHER)
    assert len(stage.pair.twin.liquidator.log) == count


def test_the_sum_is_over_all_accounts(stage):
    stage.sick(300, 2_000)
    stage.fund("other", 290)
    stage.trade(OTHER, MAKER, stage.perp, WAD, 2_000 * WAD)
    stage.pair.price(ETH, 1_650 * WAD)
    for who in (TRADER, OTHER):
        record(stage, who)
    assert stage.ask("liquidator", "recorded", OTHER) == 60 * WAD
    assert stage.ask("liquidator", "bad_debt") == 110 * WAD


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed(stage, way):
    stage.sick(300, 1_650)
    reason = stage.kill_feed(ETH, way)
    stage.refuses(reason, "liquidator", "record", TRADER)

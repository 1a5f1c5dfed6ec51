"""A deposit right before `collect`, and out as soon as may be: it earns for the time at risk, and nothing for the rest.

Without the drip, the cool-down alone would let it have its whole part of fees that others earned: it makes the attacker
stay, and bear losses, for at least a day, but what he gets does not depend on how long he stays.
"""

import pytest

from plimsoll.spec.fund import DRIP

from .bench import ALICE, ATTACKER, DAY, NOBODY, OWNER


@pytest.fixture
def stage(bench):
    """A million coins of who was there for the fees of a year, 70,000."""
    bench.enter(ALICE, 10**6 * bench.unit)
    bench.earn(70_000 * bench.unit)
    return bench


def sandwich(bench, coins):
    """In, collect, out after the cool-down; the gain."""
    shares = bench.enter(ATTACKER, coins * bench.unit)
    bench.must("collect", sender=ATTACKER)
    # in the same block there is nothing to gain, had he a way out
    assert bench.read("previewRedeem", shares) <= coins * bench.unit
    return bench.leave(ATTACKER) - coins * bench.unit


@pytest.mark.parametrize("days", [1, 2, 7, 30])
@pytest.mark.parametrize("coins", [1, 10**6, 10**8])
def test_it_earns_its_part_of_the_time_it_was_at_risk_for(stage, days, coins):
    stage.must("set_cooldown", days * DAY, DAY, sender=OWNER)
    part = min(days * DAY, DRIP) * 70_000 * stage.unit // DRIP
    gain = sandwich(stage, coins)
    assert gain <= part * coins // (coins + 10**6)


def test_it_gains_nothing_in_the_second_it_comes_in(stage):
    before = stage.enter(ATTACKER, 10**8 * stage.unit)
    stage.must("collect", sender=ATTACKER)
    stage.later(1)
    assert stage.read("previewRedeem", before) - 10**8 * stage.unit <= 70_000 * stage.unit // DRIP + 1


def test_who_stays_gets_what_who_left_did_not(stage):
    stage.must("set_cooldown", DAY, DAY, sender=OWNER)
    gain = sandwich(stage, 10**6)
    stage.later(DRIP)
    total = 10**6 * stage.unit + 70_000 * stage.unit
    assert total - gain - 2 <= stage.read("convertToAssets", stage.read("balanceOf", ALICE)) <= total - gain


def test_to_collect_often_gives_no_more(stage):
    """Ten times a tenth drips no sooner than all at once."""
    with stage.isolated():
        stage.must("collect", sender=NOBODY)
        stage.later(DAY)
        once = stage.read("totalAssets")
    with stage.isolated():
        stage.must("collect", sender=NOBODY)
        for _ in range(10):
            stage.later(DAY // 10)
            stage.income(1)
        assert stage.read("totalAssets") <= once

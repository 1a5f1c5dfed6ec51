"""Timelock.set_delay and set_minimum_delay: a guardian raises at once, only the timelock lowers, longest announced."""

import pytest

from .conftest import (
    ATTACKER,
    DAY,
    DEPLOYER,
    EXECUTOR,
    GUARDIAN,
    HOUR,
    NO_ROLE,
    PROPOSER,
    SET_BANDS,
    TOO_SHORT,
    refused,
    through,
)

RANGE = "timelock: delay out of range"
ONLY_RAISE = "timelock: guardians only raise"


def set_delay(pair, delay, sender=GUARDIAN, target=None):
    at = pair.twin.at.registry if target is None else target
    return pair.step("timelock", "set_delay", at, SET_BANDS, delay, sender=sender)


@pytest.mark.parametrize("target", [None, 0])
def test_a_guardian_raises_at_once(pair, target):
    operation = pair.operation("registry", "set_bands", 50_000, 5_000)
    assert set_delay(pair, 2 * HOUR, target=target) is None
    assert refused(pair.announce(operation, 2 * HOUR - 1)) == TOO_SHORT
    assert pair.announce(operation, 2 * HOUR) is None
    for delay in (2 * HOUR, 2 * HOUR - 1, 0):
        assert refused(set_delay(pair, delay, target=target)) == ONLY_RAISE
    assert refused(set_delay(pair, DAY + 1, target=target)) == RANGE
    assert set_delay(pair, DAY, target=target) is None


def test_only_the_timelock_lowers_after_the_longest_delay(pair):
    set_delay(pair, 2 * HOUR)
    args = "timelock", "set_delay", pair.twin.at.registry, SET_BANDS, 0
    assert refused(pair.announce(pair.operation(*args), DAY - 1)) == TOO_SHORT
    through(pair, *args, delay=DAY)
    assert pair.announce(pair.operation("registry", "set_bands", 50_000, 5_000), HOUR) is None


@pytest.mark.parametrize("sender", [ATTACKER, PROPOSER, EXECUTOR, DEPLOYER])
def test_nobody_else(pair, sender):
    assert refused(set_delay(pair, DAY, sender)) == NO_ROLE
    assert refused(pair.step("timelock", "set_minimum_delay", DAY, sender=sender)) == "timelock: not the timelock"


def test_a_guardian_does_not_set_the_minimum(pair):
    assert refused(pair.step("timelock", "set_minimum_delay", DAY, sender=GUARDIAN)) == "timelock: not the timelock"


def test_the_minimum_within_bounds(pair):
    for delay in (59, DAY + 1, 0):
        operation = pair.operation("timelock", "set_minimum_delay", delay)
        pair.announce(operation, DAY)
        pair.advance(DAY)
        assert refused(pair.carry_out(operation)) == RANGE
    through(pair, "timelock", "set_minimum_delay", 60, delay=DAY)
    assert pair.announce(pair.operation("registry", "set_bands", 50_000, 5_000), 60) is None
    through(pair, "timelock", "set_minimum_delay", DAY, delay=DAY)
    assert refused(pair.announce(pair.operation("registry", "set_bands", 50_000, 6_000), DAY - 1)) == TOO_SHORT


def test_a_delay_for_itself_says_nothing(pair):
    """What changes the timelock waits longest, whatever is set."""
    assert set_delay(pair, 60, target=pair.twin.at.timelock) is None
    operation = pair.operation("timelock", "set_minimum_delay", 60)
    assert refused(pair.announce(operation, DAY - 1)) == TOO_SHORT

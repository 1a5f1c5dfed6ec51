"""Timelock.execute and execute_batch: executors, once it has waited, all or nothing."""

import pytest

from plimsoll.spec.timelock import DONE, hash_operation
from tests.pairs import Pair

from .conftest import ATTACKER, DAY, ETH, EXECUTOR, GUARDIAN, HOUR, NO_ROLE, NONE, NOT_READY, PROPOSER, refused
from .test_schedule import batch
from .test_set_delay import SET_BANDS

MISSING = "timelock_controller: missing dependency"
REVERTED = "timelock_controller: underlying transaction reverted"


@pytest.mark.parametrize("waited", [0, 1, HOUR - 1])
def test_not_before_it_has_waited(pair, waited):
    operation = pair.operation("registry", "set_bands", 50_000, 5_000)
    assert refused(pair.carry_out(operation)) == NOT_READY
    pair.announce(operation, HOUR)
    pair.advance(waited)
    assert refused(pair.carry_out(operation)) == NOT_READY
    pair.advance(HOUR - waited)
    assert pair.carry_out(operation) is None
    assert pair.twin.registry.price_band == 50_000
    assert pair.twin.timelock.get_timestamp(hash_operation(*operation)) == DONE
    assert refused(pair.carry_out(operation)) == NOT_READY


@pytest.mark.parametrize("sender", [ATTACKER, PROPOSER, GUARDIAN])
def test_nobody_else(pair, sender):
    operation = pair.operation("registry", "set_bands", 50_000, 5_000)
    pair.announce(operation, HOUR)
    pair.advance(HOUR)
    assert refused(pair.carry_out(operation, sender)) == NO_ROLE
    target, amount, payload, *rest = operation
    found = pair.step("timelock", "execute_batch", [target], [amount], [payload], *rest, sender=sender)
    assert refused(found) == NO_ROLE


def test_anyone_where_that_was_said():
    pair = Pair(roles={"executors": (0,)})
    pair.govern()
    operation = pair.operation("registry", "set_bands", 50_000, 5_000)
    pair.announce(operation, HOUR)
    pair.advance(HOUR)
    assert pair.carry_out(operation, ATTACKER) is None


def test_what_the_target_refuses_stays_to_be_done(pair):
    operation = pair.operation("registry", "set_bands", 999, 999)
    pair.announce(operation, HOUR)
    pair.advance(HOUR)
    assert refused(pair.carry_out(operation)) == "registry: bands out of range"
    assert pair.twin.timelock.get_timestamp(hash_operation(*operation)) > DONE


def test_what_reverts_without_a_reason(pair):
    operation = (pair.twin.at.registry, 0, b"\1\2\3\4", NONE, NONE)
    pair.announce(operation, HOUR)
    pair.advance(HOUR)
    assert refused(pair.carry_out(operation)) == REVERTED


def test_it_has_no_native_tokens(pair):
    target, _, payload, *rest = pair.operation("registry", "set_bands", 50_000, 5_000)
    operation = (target, 1, payload, *rest)
    pair.announce(operation, HOUR)
    pair.advance(HOUR)
    assert refused(pair.carry_out(operation)) == REVERTED


def test_a_predecessor_comes_first(pair):
    first = pair.operation("registry", "set_bands", 50_000, 5_000)
    then = (*pair.operation("registry", "set_bands", 60_000, 5_000)[:3], hash_operation(*first), NONE)
    for operation in (first, then):
        pair.announce(operation, HOUR)
    pair.advance(HOUR)
    assert refused(pair.carry_out(then)) == MISSING
    assert pair.carry_out(first) is None
    assert pair.carry_out(then) is None
    assert pair.twin.registry.price_band == 60_000


def test_a_batch_is_done_whole_or_not_at_all(pair):
    calls = [
        pair.operation("registry", "set_bands", 50_000, 5_000),
        pair.operation("registry", "set_underlying_limits", ETH, 7, 0),
        pair.operation("registry", "set_underlying_limits", ETH, 7, 2**96 - 1),
    ]
    for count, reason in ((3, "registry: underlying limits out of range"), (2, None)):
        made = [c[0] for c in calls[:count]], [0] * count, [c[2] for c in calls[:count]], NONE, NONE
        pair.must("timelock", "schedule_batch", *made, HOUR, sender=PROPOSER)
        pair.advance(HOUR)
        found = pair.step("timelock", "execute_batch", *made, sender=EXECUTOR)
        if reason:
            assert refused(found) == reason
            assert pair.twin.registry.price_band == 100_000
            assert pair.twin.registry.underlying_limits(ETH) == (0, 0)
    assert pair.twin.registry.price_band == 50_000
    assert pair.twin.registry.underlying_limits(ETH) == (7, 0)
    uneven = [calls[0][0]], [], [], NONE, NONE
    found = pair.step("timelock", "execute_batch", *uneven, sender=EXECUTOR)
    assert refused(found) == "timelock_controller: length mismatch"


def test_a_batch_that_fails_undoes_what_it_changed_of_the_timelock(pair):
    at = pair.twin.at.registry
    found = batch(pair, ("timelock", "set_delay", at, SET_BANDS, 20 * HOUR), ("registry", "set_bands", 999, 999))
    assert pair.step("timelock", "schedule_batch", *found, DAY, sender=PROPOSER) is None
    before = pair.twin.timelock.delay_of(at, SET_BANDS)
    pair.advance(DAY)
    assert refused(pair.step("timelock", "execute_batch", *found, sender=EXECUTOR)) is not None
    assert pair.twin.timelock.delay_of(at, SET_BANDS) == before != 20 * HOUR
    assert refused(pair.step("timelock", "execute_batch", *found, sender=EXECUTOR)) != NOT_READY  # still to be done


def test_nothing_else_is_called_by_waiting(pair):
    pair.advance(30 * DAY)
    assert refused(pair.carry_out(pair.operation("registry", "set_bands", 50_000, 5_000))) == NOT_READY

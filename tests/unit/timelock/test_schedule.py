"""Timelock.schedule and schedule_batch: proposers, after the least delay of what is called."""

import pytest

from plimsoll.spec.timelock import hash_batch, hash_operation, selector
from tests.pairs import GUARDIANS, address_of

from .conftest import (
    ATTACKER,
    DAY,
    DEPLOYER,
    ETH,
    EXECUTOR,
    GUARDIAN,
    HOUR,
    NO_ROLE,
    NONE,
    PROPOSER,
    TOO_SHORT,
    refused,
)


@pytest.mark.parametrize(
    ("part", "name", "args", "least"),
    [
        ("registry", "set_bands", (50_000, 5_000), HOUR),
        ("registry", "set_venue", (ATTACKER, True), HOUR),
        ("registry", "list_collateral", (ATTACKER, ETH), DAY),
        ("registry", "transfer_ownership", (ATTACKER,), DAY),
        ("feed", "set_feed", (ETH, ATTACKER, DAY, 18), DAY),
        ("feed", "set_sequencer", (ATTACKER, 60), DAY),
        ("oracle", "set_signers", ([ATTACKER], 1, 1, 0), DAY),
        ("oracle", "transfer_ownership", (ATTACKER,), DAY),
        ("timelock", "grantRole", (NONE, ATTACKER), DAY),
        ("timelock", "set_minimum_delay", (60,), DAY),
        ("timelock", "set_delay", (ATTACKER, bytes(4), 60), DAY),
        ("timelock", "revokeRole", (NONE, ATTACKER), HOUR),
    ],
)
def test_each_function_waits_its_least(pair, part, name, args, least):
    operation = pair.operation(part, name, *args)
    assert refused(pair.announce(operation, least - 1)) == TOO_SHORT
    assert pair.announce(operation, least) is None
    assert pair.twin.timelock.get_timestamp(hash_operation(*operation)) == pair.now + least
    assert pair.contracts["timelock"].call("hash_operation", *_for_chain(operation)) == hash_operation(*operation)


def _for_chain(operation):
    target, *rest = operation
    return f"0x{target:040x}", *rest


def batch(pair, *calls):
    operations = [pair.operation(*call) for call in calls]
    return [o[0] for o in operations], [0] * len(operations), [o[2] for o in operations], NONE, NONE


BANDS = ("registry", "set_bands", 50_000, 5_000)
LISTING = ("registry", "list_collateral", ATTACKER, ETH)


@pytest.mark.parametrize("calls", [(BANDS, LISTING), (LISTING, BANDS)])
def test_a_batch_waits_the_longest_of_its_calls(pair, calls):
    found = batch(pair, *calls)
    assert refused(pair.step("timelock", "schedule_batch", *found, DAY - 1, sender=PROPOSER)) == TOO_SHORT
    assert pair.step("timelock", "schedule_batch", *found, DAY, sender=PROPOSER) is None
    key = hash_batch(*found)
    assert pair.twin.timelock.get_timestamp(key) == pair.now + DAY
    targets = [f"0x{target:040x}" for target in found[0]]
    assert pair.contracts["timelock"].call("hash_operation_batch", targets, *found[1:]) == key


def test_a_batch_of_unequal_lengths_or_none(pair):
    targets, amounts, payloads, *rest = batch(pair, BANDS)
    for given in (([], [], []), (targets * 2, amounts, payloads), (targets, [], payloads), (targets, amounts, [])):
        found = pair.step("timelock", "schedule_batch", *given, *rest, HOUR, sender=PROPOSER)
        assert refused(found) == "timelock: length mismatch"


def test_no_guardian_is_dismissed_in_a_batch(pair):
    role = pair.contracts["timelock"].call("GUARDIAN_ROLE")
    found = batch(pair, BANDS, ("timelock", "revokeRole", role, address_of(GUARDIANS[0])))
    refusal = pair.step("timelock", "schedule_batch", *found, DAY, sender=PROPOSER)
    assert refused(refusal) == "timelock: dismissal in a batch"


@pytest.mark.parametrize("place", [36, 47])
def test_whom_a_dismissal_names_must_be_an_address(pair, place):
    role = pair.contracts["timelock"].call("GUARDIAN_ROLE")
    target, amount, payload, *rest = pair.operation("timelock", "revokeRole", role, GUARDIAN)
    dirty = payload[:place] + b"\1" + payload[place + 1 :]
    assert refused(pair.announce((target, amount, dirty, *rest), DAY)) == ""


@pytest.mark.parametrize("payload", [b"", b"\1", b"\1\2\3"])
def test_a_payload_without_a_function(pair, payload):
    target = pair.twin.at.registry
    found = pair.step("timelock", "schedule", target, 0, payload, NONE, NONE, DAY, sender=PROPOSER)
    assert refused(found) == "timelock: no function"
    found = pair.step("timelock", "schedule_batch", [target], [0], [payload], NONE, NONE, DAY, sender=PROPOSER)
    assert refused(found) == "timelock: no function"


@pytest.mark.parametrize("sender", [ATTACKER, EXECUTOR, GUARDIAN, DEPLOYER])
def test_nobody_else(pair, sender):
    assert refused(pair.announce(pair.operation(*BANDS), HOUR, sender)) == NO_ROLE
    assert refused(pair.step("timelock", "schedule_batch", *batch(pair, BANDS), HOUR, sender=sender)) == NO_ROLE


def test_once(pair):
    operation = pair.operation(*BANDS)
    assert pair.announce(operation, HOUR) is None
    again = "timelock_controller: operation already scheduled"
    assert refused(pair.announce(operation, HOUR)) == again
    pair.advance(HOUR)
    assert pair.carry_out(operation) is None
    assert refused(pair.announce(operation, HOUR)) == again
    salted = (*operation[:4], b"\1" * 32)
    assert pair.announce(salted, HOUR) is None


def test_a_delay_past_all_time(pair):
    assert refused(pair.announce(pair.operation(*BANDS), 2**256 - 1)) == ""


def test_delays_are_views(pair):
    for part, name, least in (("registry", "set_bands", HOUR), ("registry", "list_collateral", DAY)):
        at = pair.contracts[part]
        function = next(iter(at.interface.functions[name].values()))
        assert pair.contracts["timelock"].call("delay_of", at.address, function.selector) == least
    assert pair.contracts["timelock"].call("longest_delay") == DAY
    assert selector("set_bands(uint256,uint256)") == at.interface.function("set_bands", 2).selector

"""Timelock.schedule_batch with a salt: another operation of the same calls, and said so."""

from plimsoll.spec.timelock import hash_batch

from .conftest import HOUR, NONE, PROPOSER

SALT = b"\7" * 32


def test_a_salted_batch_is_another_and_says_its_salt(pair):
    made = pair.operation("registry", "set_bands", 50_000, 5_000)
    calls = ([made[0]], [0], [made[2]], NONE)
    before = len(pair.twin.timelock.log)
    pair.must("timelock", "schedule_batch", *calls, SALT, HOUR, sender=PROPOSER)
    pair.must("timelock", "schedule_batch", *calls, NONE, HOUR, sender=PROPOSER)
    salted, plain = hash_batch(*calls, SALT), hash_batch(*calls, NONE)
    assert salted != plain
    for key in (salted, plain):
        assert pair.twin.timelock.get_timestamp(key) == pair.now + HOUR
    named = [event for event in pair.twin.timelock.log[before:] if event.name == "CallSalt"]
    assert len(named) == 1
    assert pair.contracts["timelock"].call("get_timestamp", salted) == pair.now + HOUR

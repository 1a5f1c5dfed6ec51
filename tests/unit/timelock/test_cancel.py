"""Timelock.cancel: a guardian, what is not done, but not his own dismissal."""

import pytest

from plimsoll.spec.timelock import hash_operation

from .conftest import (
    ATTACKER,
    DEPLOYER,
    EXECUTOR,
    GUARDIAN,
    HOUR,
    NO_ROLE,
    NOT_OWNER,
    NOT_READY,
    OTHER_GUARDIAN,
    PROPOSER,
    refused,
)

NOTHING = "timelock: nothing to cancel"


def bands(pair):
    return pair.operation("registry", "set_bands", 50_000, 5_000)


def cancel(pair, operation, sender=GUARDIAN):
    return pair.step("timelock", "cancel", hash_operation(*operation), sender=sender)


@pytest.mark.parametrize("waited", [0, HOUR, 30 * HOUR])
@pytest.mark.parametrize("sender", [GUARDIAN, OTHER_GUARDIAN])
def test_what_waits_or_has_waited(pair, waited, sender):
    pair.announce(bands(pair), HOUR)
    pair.advance(waited)
    assert cancel(pair, bands(pair), sender) is None
    pair.advance(HOUR)
    assert refused(pair.carry_out(bands(pair))) == NOT_READY
    assert pair.twin.registry.price_band == 100_000
    assert refused(cancel(pair, bands(pair))) == NOTHING
    # and it can be announced again
    assert pair.announce(bands(pair), HOUR) is None


@pytest.mark.parametrize("sender", [ATTACKER, PROPOSER, EXECUTOR, DEPLOYER])
def test_nobody_else(pair, sender):
    """The proposer neither: a stolen key would cancel its own dismissal."""
    pair.announce(bands(pair), HOUR)
    assert refused(cancel(pair, bands(pair), sender)) == NO_ROLE


def test_nothing_or_what_is_done(pair):
    assert refused(cancel(pair, bands(pair))) == NOTHING
    pair.announce(bands(pair), HOUR)
    pair.advance(HOUR)
    pair.carry_out(bands(pair))
    assert refused(cancel(pair, bands(pair))) == NOTHING


def test_his_own_dismissal_another_cancels(pair):
    role = pair.contracts["timelock"].call("GUARDIAN_ROLE")
    operation = pair.operation("timelock", "revokeRole", role, GUARDIAN)
    longer = (*operation[:2], operation[2] + b"more", *operation[3:])
    for dismissal in (operation, longer):
        pair.announce(dismissal, HOUR)
        assert refused(cancel(pair, dismissal, GUARDIAN)) == "timelock: own dismissal"
        assert cancel(pair, dismissal, OTHER_GUARDIAN) is None
    pair.announce(operation, HOUR)
    pair.advance(HOUR)
    assert pair.carry_out(operation) is None
    assert not pair.contracts["timelock"].call("is_guardian", f"0x{GUARDIAN:040x}")
    pair.announce(bands(pair), HOUR)
    assert refused(cancel(pair, bands(pair), GUARDIAN)) == NO_ROLE
    assert refused(pair.step("registry", "stop", 1, pair.now + 60, sender=GUARDIAN)) == NOT_OWNER


def test_what_is_not_his_dismissal_he_cancels(pair):
    """Another role of his, a role that he is given, the same words to another contract or too few of them."""
    timelock = pair.contracts["timelock"]
    guardian = timelock.call("GUARDIAN_ROLE")
    dismissal = pair.operation("timelock", "revokeRole", guardian, GUARDIAN)
    others = (
        pair.operation("timelock", "revokeRole", timelock.call("EXECUTOR_ROLE"), GUARDIAN),
        pair.operation("timelock", "grantRole", guardian, GUARDIAN),
        (pair.twin.at.registry, *dismissal[1:]),
        (*dismissal[:2], dismissal[2][:67], *dismissal[3:]),
    )
    for operation in others:
        assert pair.announce(operation, 30 * HOUR) is None
        assert cancel(pair, operation, GUARDIAN) is None

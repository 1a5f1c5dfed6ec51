"""Who holds what: the constructor, grants through the timelock alone, renouncing at once, adopting a contract."""

import pytest

from plimsoll.chain.contract import deploy
from plimsoll.chain.governance import OWNED, slowest
from plimsoll.spec.errors import Refused
from plimsoll.spec.timelock import ADMIN_ROLE, EXECUTOR_ROLE, GUARDIAN_ROLE, PROPOSER_ROLE, SLOWEST, Timelock
from tests.pairs import Pair, compiled, text

from .conftest import (
    ATTACKER,
    DAY,
    DEPLOYER,
    EXECUTOR,
    GUARDIAN,
    HOUR,
    NO_ROLE,
    NOT_OWNER,
    OTHER_GUARDIAN,
    PROPOSER,
    refused,
    through,
)

ROLES = {"PROPOSER_ROLE": PROPOSER_ROLE, "EXECUTOR_ROLE": EXECUTOR_ROLE, "GUARDIAN_ROLE": GUARDIAN_ROLE}
GUARDS = tuple(sorted((GUARDIAN, OTHER_GUARDIAN)))
FEW = "timelock: too few holders"
RANGE = "timelock: delay out of range"
ORDER = "timelock: guardians zero or not ascending"


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (((1,), (2,), (3, 4), 60, 60), None),
        (((1,), (2,), (3, 4), 60, 30 * DAY), None),
        (((1, 1), (0,), (1, 2), 30 * DAY, 30 * DAY), None),
        (((1,), (2,), (3, 4), 59, 60), RANGE),
        (((1,), (2,), (3, 4), 61, 60), RANGE),
        (((1,), (2,), (3, 4), 60, 30 * DAY + 1), RANGE),
        (((), (2,), (3, 4), 60, 60), FEW),
        (((1,), (), (3, 4), 60, 60), FEW),
        (((1,), (2,), (3,), 60, 60), FEW),
        (((0,), (2,), (3, 4), 60, 60), "timelock: zero address"),
        (((1,), (2,), (4, 3), 60, 60), ORDER),
        (((1,), (2,), (3, 3), 60, 60), ORDER),
        (((1,), (2,), (0, 3), 60, 60), ORDER),
    ],
)
def test_what_it_is_built_with(pair, args, reason):
    proposers, executors, guardians, *delays = args
    addresses = [[text(who) for who in role] for role in (proposers, executors, guardians)]

    def build():
        return deploy(pair.chain, compiled("Timelock"), *addresses, *delays, [], sender=text(DEPLOYER))

    if reason is None:
        made = build()
        assert not made.call("hasRole", ADMIN_ROLE, text(DEPLOYER))
        assert made.call("hasRole", ADMIN_ROLE, made.address)
        for role, holders in zip(ROLES.values(), args, strict=False):
            assert all(made.call("hasRole", role, text(who)) for who in holders)
        Timelock(5, *args)
        return
    with pytest.raises(Refused) as found:
        build()
    assert found.value.reason == reason
    with pytest.raises(Refused) as found:
        Timelock(5, *args)
    assert found.value.reason == reason


def test_roles_are_named_alike(pair):
    for name, role in ROLES.items():
        assert pair.contracts["timelock"].call(name) == role


@pytest.mark.parametrize("sender", [ATTACKER, PROPOSER, EXECUTOR, GUARDIAN, DEPLOYER])
@pytest.mark.parametrize("role", [*ROLES.values(), ADMIN_ROLE])
def test_nobody_grants_or_revokes(pair, sender, role):
    assert refused(pair.step("timelock", "grantRole", role, ATTACKER, sender=sender)) == NO_ROLE
    assert refused(pair.step("timelock", "revokeRole", role, GUARDIAN, sender=sender)) == NO_ROLE


def test_a_key_is_replaced_through_the_timelock(pair):
    through(pair, "timelock", "grantRole", PROPOSER_ROLE, ATTACKER, delay=DAY)
    assert pair.announce(pair.operation("registry", "set_bands", 50_000, 5_000), HOUR, ATTACKER) is None
    through(pair, "timelock", "revokeRole", PROPOSER_ROLE, ATTACKER)
    assert refused(pair.announce(pair.operation("registry", "set_bands", 60_000, 5_000), HOUR, ATTACKER)) == NO_ROLE


@pytest.mark.parametrize(
    ("role", "holder"), [(PROPOSER_ROLE, PROPOSER), (EXECUTOR_ROLE, EXECUTOR), (GUARDIAN_ROLE, GUARDIAN)]
)
def test_whoever_holds_a_role_gives_it_up_at_once(pair, role, holder):
    """The first answer to a stolen key: its owner has it still."""
    other = "access_control: can only renounce roles for itself"
    assert refused(pair.step("timelock", "renounceRole", role, holder, sender=ATTACKER)) == other
    assert pair.step("timelock", "renounceRole", role, holder, sender=holder) is None
    assert not pair.contracts["timelock"].call("hasRole", role, text(holder))


def test_it_adopts_what_was_handed_to_it():
    pair = Pair()
    registry = pair.twin.at.registry
    not_yet = "ownable_2step: caller is not the new owner"
    assert refused(pair.step("timelock", "adopt", registry, sender=ATTACKER)) == not_yet
    pair.hand_over("registry", ATTACKER)
    assert refused(pair.step("timelock", "adopt", registry, sender=ATTACKER)) == not_yet
    pair.hand_over("registry", pair.twin.at.timelock)
    assert pair.step("timelock", "adopt", registry, sender=ATTACKER) is None
    assert pair.contracts["registry"].call("owner") == text(pair.twin.at.timelock)
    assert refused(pair.step("registry", "set_bands", 50_000, 5_000, sender=pair.owner)) == NOT_OWNER
    assert refused(pair.step("timelock", "adopt", registry)) == not_yet


def test_every_owned_contract_is_handed_over_and_every_slow_function_is_there(pair):
    assert {pair.contracts[part].name for part in pair.contracts} - {"Timelock", "Exchange", "StandingOrders"} <= {
        *OWNED,
        "OpenGuardrails",
    }
    for part, contract in pair.contracts.items():
        if contract.name in OWNED:
            assert contract.call("owner") == text(pair.twin.at.timelock), part
    assert len(slowest()) >= len(SLOWEST)

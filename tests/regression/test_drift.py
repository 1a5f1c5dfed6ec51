"""Drift, April 2026: a stolen admin key listed a worthless token as collateral in one step, and borrowed everything.

Here the key that proposes can only announce, for as long as anything waits; a guardian sees it and cancels; nothing has
changed. Nor does the thief get around that: not by another owner, other roles, shorter delays or fewer guardians.
"""

import pytest

from plimsoll.spec.errors import Refused
from plimsoll.spec.timelock import ADMIN_ROLE, GUARDIAN_ROLE, PROPOSER_ROLE, hash_operation, selector
from tests.pairs import GUARDIANS, ZERO, account, address_of
from tests.regression.scene import reason
from tests.unit.clearinghouse.stage import ETH, EVERYONE, USD, WAD, Stage

THIEF = address_of("proposer")  # who has its key
HOUR, DAY = 3_600, 86_400  # what most waits, and what waits longest
NOT_OWNER = "ownable: caller is not the owner"


@pytest.fixture(scope="module")
def governed():
    """The small market, owned by the timelock; somebody has deposited, and the thief holds a worthless token."""
    stage = Stage(0, 0)
    stage.fund("other", 100_000)
    stage.pair.mint(stage.unlisted, THIEF, 10**6 * WAD)
    stage.pair.govern()
    return stage


@pytest.fixture
def market(governed):
    with governed.pair.isolated():
        yield governed


def state(stage):
    """What the thief would have changed."""
    registry, timelock = stage.pair.twin.registry, stage.pair.twin.timelock
    return registry.tokens[:], dict(registry.listed), dict(timelock.delays), timelock.minimum, set(timelock.guards)


def test_one_step_is_refused(market):
    for name, args in (("list_collateral", (market.unlisted, ETH)), ("set_venue", (THIEF, True))):
        market.refuses(NOT_OWNER, "registry", name, *args, sender=THIEF)
    market.refuses(NOT_OWNER, "feed", "set_feed", ETH, THIEF, DAY, 18, sender=THIEF)
    market.refuses(NOT_OWNER, "oracle", "set_signers", [THIEF], 1, 1, 0, sender=THIEF)


def test_it_is_announced_waits_longest_and_is_cancelled(market):
    pair = market.pair
    before = state(market)
    listing = pair.operation("registry", "list_collateral", market.unlisted, ETH)
    for delay in (0, HOUR, DAY - 1):
        assert reason(pair.announce(listing, delay)) == "timelock: delay too short"
    assert pair.announce(listing, DAY) is None
    # everybody sees what is called, with which token, and when it could be
    announced = next(event for event in pair.twin.timelock.log if event.name == "CallScheduled")
    assert announced.args["payload"] == listing[2]
    market.later(DAY - 1)
    assert reason(pair.carry_out(listing)) == "timelock_controller: operation is not ready"
    pair.must("timelock", "cancel", hash_operation(*listing), sender=address_of(GUARDIANS[0]))
    market.later(DAY)
    assert reason(pair.carry_out(listing)) == "timelock_controller: operation is not ready"
    assert state(market) == before
    unknown = "clearinghouse: unknown token"
    market.refuses(unknown, "book", "deposit", THIEF << 96, market.unlisted, WAD, sender=THIEF)
    pair.compare(EVERYONE)
    assert market.ledger(account("other")) == (100_000 * WAD, 0)


def test_every_way_around_waits_longest_too(market):
    pair = market.pair
    for part, name, *args in (
        ("registry", "transfer_ownership", THIEF),
        ("oracle", "set_signers", [THIEF], 1, 1, 0),
        ("timelock", "grantRole", ADMIN_ROLE, THIEF),
        ("timelock", "grantRole", PROPOSER_ROLE, address_of("attacker")),
        ("timelock", "set_minimum_delay", 60),
        ("timelock", "set_delay", 0, selector("list_collateral(address,uint16)"), 0),
    ):
        assert reason(pair.announce(pair.operation(part, name, *args), DAY - 1)) == "timelock: delay too short"
    listing = pair.operation("registry", "list_collateral", market.unlisted, ETH)
    bands = pair.operation("registry", "set_bands", 500_000, 500_000)
    batch = [bands[0], listing[0]], [0, 0], [bands[2], listing[2]], ZERO, ZERO
    found = pair.step("timelock", "schedule_batch", *batch, HOUR, sender=THIEF)
    assert reason(found) == "timelock: delay too short"


def test_the_thief_cannot_silence_the_guardians(market):
    """One dismissal each, alone; each is cancelled by the other; neither the thief nor the dismissed cancels."""
    pair = market.pair
    first, second = map(address_of, GUARDIANS)
    dismissals = {who: pair.operation("timelock", "revokeRole", GUARDIAN_ROLE, who) for who in (first, second)}
    for who, operation in dismissals.items():
        assert pair.announce(operation, HOUR) is None
        other = second if who == first else first
        pair.must("timelock", "cancel", hash_operation(*operation), sender=other)
    market.later(HOUR)
    for operation in dismissals.values():
        assert isinstance(pair.carry_out(operation), Refused)
    assert pair.twin.timelock.guards == {first, second}


def test_the_stolen_key_is_put_out_meanwhile(market):
    """Its owner renounces at once; failing that, another proposer dismisses it, faster than what it announced."""
    pair = market.pair
    listing = pair.operation("registry", "list_collateral", market.unlisted, ETH)
    assert pair.announce(listing, DAY) is None
    refused = pair.step("timelock", "cancel", hash_operation(*listing), sender=THIEF)
    assert reason(refused) == "access_control: account is missing role"
    pair.must("timelock", "renounceRole", PROPOSER_ROLE, THIEF, sender=THIEF)
    assert isinstance(pair.announce(pair.operation("registry", "set_bands", 1_000, 1_000), DAY), Refused)


def test_had_nobody_looked_it_would_have_happened(market):
    """So that what is tested above is what prevents it."""
    pair = market.pair
    listing = pair.operation("registry", "list_collateral", market.unlisted, ETH)
    pair.announce(listing, DAY)
    market.later(DAY)
    assert pair.carry_out(listing) is None
    assert market.unlisted in pair.twin.registry.tokens
    pair.must("book", "deposit", THIEF << 96, market.unlisted, USD, sender=THIEF)

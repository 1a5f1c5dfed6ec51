"""A deployment that the timelock owns: an hour for most, a day for what waits longest."""

from functools import cache

import pytest

from plimsoll.spec.timelock import selector
from tests.pairs import Pair, address_of

ETH = 0x0102
HOUR, DAY = 3_600, 86_400
PROPOSER, EXECUTOR, GUARDIAN, OTHER_GUARDIAN, ATTACKER, DEPLOYER = map(
    address_of, ("proposer", "executor", "guardian", "other guardian", "attacker", "owner")
)
NO_ROLE = "access_control: account is missing role"
NOT_OWNER = "ownable: caller is not the owner"
NOT_READY = "timelock_controller: operation is not ready"
TOO_SHORT = "timelock: delay too short"
SET_BANDS = selector("set_bands(uint256,uint256)")
NONE = bytes(32)


@cache
def governed() -> Pair:
    pair = Pair(underlyings=(ETH,), decimals=(18,))
    pair.wire()
    pair.price(ETH, 2_000 * 10**18)
    pair.must("feed", "set_feed", ETH, pair.aggregators[ETH], DAY, 18, sender=pair.owner)
    pair.govern()
    return pair


@pytest.fixture
def pair():
    """The deployment, undone after each test."""
    made = governed()
    with made.isolated():
        yield made
        made.compare([])


def through(pair: Pair, part: str, name: str, *args, delay: int = HOUR) -> None:
    """Schedule, wait, execute."""
    operation = pair.operation(part, name, *args)
    assert pair.announce(operation, delay) is None
    pair.advance(delay)
    assert pair.carry_out(operation) is None


def refused(found) -> str:
    """Why a step was refused."""
    return found.reason

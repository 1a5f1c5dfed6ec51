"""I-43: tightening is immediate, loosening waits; what lists collateral or changes a feed waits longest."""

import pytest

from plimsoll.spec.registry import AccountLimits, PoolLimits, pack_account_limits, pack_pool_limits
from plimsoll.spec.wad import WAD
from tests.pairs import address_of

from .conftest import ATTACKER, DAY, DEPLOYER, ETH, GUARDIAN, HOUR, NOT_OWNER, NOT_READY, TOO_SHORT, refused

VENUE = address_of("venue")
TIGHT = pack_account_limits(AccountLimits(WAD, WAD, 1)), pack_pool_limits(PoolLimits(WAD, WAD, 7 * DAY))
LOOSE = pack_account_limits(AccountLimits()), pack_pool_limits(PoolLimits())


@pytest.mark.parametrize(
    ("name", "tight", "loose"),
    [
        ("set_venue", (VENUE, False), (VENUE, True)),
        ("set_bands", (50_000, 5_000), (100_000, 10_000)),
        ("set_underlying_limits", (ETH, 7, 0), (ETH, 0, 0)),
        ("set_limits", TIGHT, LOOSE),
    ],
)
def test_tightening_is_immediate_loosening_waits(pair, name, tight, loose):
    at = pair.operation("registry", name, *loose)
    assert pair.step("registry", name, *tight, sender=GUARDIAN) is None
    for sender in (GUARDIAN, DEPLOYER, ATTACKER):
        assert refused(pair.step("registry", name, *loose, sender=sender)) == NOT_OWNER
    assert refused(pair.announce(at, HOUR - 1)) == TOO_SHORT
    assert pair.announce(at, HOUR) is None
    pair.advance(HOUR - 1)
    assert refused(pair.carry_out(at)) == NOT_READY
    pair.advance(1)
    assert pair.carry_out(at) is None


@pytest.mark.parametrize(
    ("part", "name", "args"),
    [
        ("registry", "list_collateral", (None, ETH)),
        ("feed", "set_feed", (ETH, None, 60, 18)),
    ],
)
def test_listing_collateral_and_changing_a_feed_wait_longest(pair, part, name, args):
    token = pair.tokens[1] if part == "registry" else pair.aggregators[ETH]
    args = [token if arg is None else arg for arg in args]
    for sender in (GUARDIAN, DEPLOYER, ATTACKER):
        assert refused(pair.step(part, name, *args, sender=sender)) == NOT_OWNER
    operation = pair.operation(part, name, *args)
    assert refused(pair.announce(operation, DAY - 1)) == TOO_SHORT
    assert pair.announce(operation, DAY) is None
    pair.advance(DAY - 1)
    assert refused(pair.carry_out(operation)) == NOT_READY
    pair.advance(1)
    pair.price(ETH, 2_000 * WAD)
    assert pair.carry_out(operation) is None

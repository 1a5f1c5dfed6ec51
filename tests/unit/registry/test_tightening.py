"""A guardian tightens at once, in every field or not at all; what loosens, lists or prices is the owner's."""

import pytest

from plimsoll.spec.registry import AccountLimits, PoolLimits, pack_account_limits, pack_pool_limits
from plimsoll.spec.wad import WAD

from .bench import ATTACKER, DAY, ETH, EXPIRY, GUARDIAN, NOT_THE_OWNER, VENUE

ACCOUNT = AccountLimits(50 * WAD, 10**6 * WAD, 64)
POOL = PoolLimits(10**7 * WAD, 10**6 * WAD, DAY)


def limits(account=ACCOUNT, pool=POOL):
    return pack_account_limits(account), pack_pool_limits(pool)


def both(bench, name, *args):
    """A guardian may; an attacker may not."""
    bench.refuses(NOT_THE_OWNER, name, *args, sender=ATTACKER)
    bench.must(name, *args, sender=GUARDIAN)


def neither(bench, name, *args):
    """The owner alone may."""
    bench.refuses(NOT_THE_OWNER, name, *args, sender=GUARDIAN)
    bench.must(name, *args)


def test_a_venue(bench):
    both(bench, "set_venue", VENUE, False)
    neither(bench, "set_venue", VENUE, True)


def test_bands(bench):
    both(bench, "set_bands", 100_000, 9_999)
    both(bench, "set_bands", 99_999, 9_999)
    both(bench, "set_bands", 99_999, 9_999)
    for bands in ((100_000, 9_999), (99_999, 10_000), (50_000, 10_000)):
        bench.refuses(NOT_THE_OWNER, "set_bands", *bands, sender=GUARDIAN)
    bench.refuses("registry: bands out of range", "set_bands", 99_999, 999, sender=GUARDIAN)
    neither(bench, "set_bands", 100_000, 10_000)


def test_a_cap_of_collateral(bench):
    bench.refuses(NOT_THE_OWNER, "set_collateral_cap", bench.weth, 0, sender=GUARDIAN)
    both(bench, "set_collateral_cap", bench.weth, 10**36)
    both(bench, "set_collateral_cap", bench.weth, 5)
    both(bench, "set_collateral_cap", bench.weth, 5)  # no looser than it is
    neither(bench, "set_collateral_cap", bench.weth, 6)
    neither(bench, "set_collateral_cap", bench.weth, 0)
    bench.refuses("registry: unknown token", "set_collateral_cap", bench.unlisted, 1, sender=GUARDIAN)


def test_a_cap_of_an_underlying(bench):
    both(bench, "set_underlying_limits", ETH, 100, 0)
    both(bench, "set_underlying_limits", ETH, 99, 0)
    # a larger least size holds small positions in: no safer
    for limit in ((100, 0), (0, 0), (99, 1)):
        neither(bench, "set_underlying_limits", ETH, *limit)
        bench.must("set_underlying_limits", ETH, 99, 0)


def test_a_cap_of_an_instrument(bench):
    both(bench, "set_instrument_cap", bench.call, 100)
    both(bench, "set_instrument_cap", bench.call, 99)
    both(bench, "set_instrument_cap", bench.call, 99)
    neither(bench, "set_instrument_cap", bench.call, 100)
    neither(bench, "set_instrument_cap", bench.call, 0)
    # another row of the same: the owner's cap counts, and then it is unknown
    bench.must("set_instrument_cap", bench.call, 50)
    bench.refuses(NOT_THE_OWNER, "set_instrument_cap", bench.call + 1, 51, sender=GUARDIAN)
    bench.refuses("registry: unknown instrument", "set_instrument_cap", bench.call + 1, 49, sender=GUARDIAN)


TIGHTER = [
    (AccountLimits(51 * WAD, 10**6 * WAD, 64), POOL),
    (AccountLimits(50 * WAD, 10**6 * WAD - 1, 64), POOL),
    (AccountLimits(50 * WAD, 10**6 * WAD, 63), POOL),
    (ACCOUNT, PoolLimits(10**7 * WAD - 1, 10**6 * WAD, DAY)),
    (ACCOUNT, PoolLimits(10**7 * WAD, 10**6 * WAD - 1, DAY)),
    (ACCOUNT, PoolLimits(10**7 * WAD, 10**6 * WAD, DAY + 1)),
]


@pytest.mark.parametrize("tighter", TIGHTER)
def test_each_limit(bench, tighter):
    bench.must("set_limits", *limits())
    both(bench, "set_limits", *limits(*tighter))
    neither(bench, "set_limits", *limits())


@pytest.mark.parametrize("tighter", TIGHTER)
@pytest.mark.parametrize("looser", TIGHTER)
def test_one_looser_field_is_enough(bench, tighter, looser):
    """From `looser`'s place the same change back loosens: no tightening beside it buys that."""
    bench.must("set_limits", *limits(*looser))
    if tighter != looser:
        bench.refuses(NOT_THE_OWNER, "set_limits", *limits(*tighter), sender=GUARDIAN)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("list_instrument", (ETH, EXPIRY, 1, 0)),
        ("set_curve", (0,)),
        ("set_fees", (0,)),
        ("set_breakers", (0,)),
        ("resume", (7,)),
        ("resume_underlying", (ETH,)),
    ],
)
def test_what_is_the_owners_alone(bench, name, args):
    bench.refuses(NOT_THE_OWNER, name, *args, sender=GUARDIAN)


def test_collateral_is_listed_by_the_owner_alone(bench):
    bench.refuses(NOT_THE_OWNER, "list_collateral", bench.unlisted, ETH, sender=GUARDIAN)

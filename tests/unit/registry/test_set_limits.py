"""Registry.set_limits: two packed words, each in its bounds."""

import pytest

from plimsoll.spec.registry import AccountLimits, PoolLimits, pack_account_limits, pack_pool_limits
from plimsoll.spec.wad import WAD

from .bench import ATTACKER, DAY, NOT_THE_OWNER, VENUE

ACCOUNT = pack_account_limits(AccountLimits())
POOL = pack_pool_limits(PoolLimits())


@pytest.mark.parametrize(
    "limits",
    [
        AccountLimits(),
        AccountLimits(min_equity=10**24),
        AccountLimits(borrow_cap=0),
        AccountLimits(max_positions=1),
        AccountLimits(min_equity=50 * WAD, borrow_cap=10**6 * WAD, max_positions=64),
    ],
)
def test_account_limits_within_the_bounds(bench, limits):
    word = pack_account_limits(limits)
    bench.must("set_limits", word, POOL)
    assert bench.ask("account_limits") == word
    assert bench.ask("pool_limits") == POOL
    assert bench.last() == (
        "LimitsSet",
        {"old_account_limits": ACCOUNT, "old_pool_limits": POOL, "account_limits": word, "pool_limits": POOL},
    )


@pytest.mark.parametrize(
    "limits",
    [
        PoolLimits(),
        PoolLimits(total_borrow_cap=0),
        PoolLimits(outflow_cap=WAD),
        PoolLimits(outflow_window=3_600),
        PoolLimits(outflow_window=7 * DAY),
    ],
)
def test_pool_limits_within_the_bounds(bench, limits):
    word = pack_pool_limits(limits)
    bench.must("set_limits", ACCOUNT, word)
    assert bench.ask("account_limits") == ACCOUNT
    assert bench.ask("pool_limits") == word
    assert bench.last() == (
        "LimitsSet",
        {"old_account_limits": ACCOUNT, "old_pool_limits": POOL, "account_limits": ACCOUNT, "pool_limits": word},
    )


@pytest.mark.parametrize(
    "word",
    [
        pack_account_limits(AccountLimits(min_equity=10**24 + 1)),
        pack_account_limits(AccountLimits(min_equity=2**96 - 1)),
        pack_account_limits(AccountLimits(max_positions=0)),
        pack_account_limits(AccountLimits(max_positions=128)),
        pack_account_limits(AccountLimits(max_positions=255)),
        ACCOUNT | 1,
        ACCOUNT | 1 << 23,
        0,
        2**256 - 1,
    ],
)
def test_account_limits_out_of_range(bench, word):
    bench.refuses("registry: account limits out of range", "set_limits", word, POOL)


@pytest.mark.parametrize(
    "limits",
    [
        PoolLimits(outflow_cap=WAD - 1),
        PoolLimits(outflow_cap=0),
        PoolLimits(outflow_window=3_599),
        PoolLimits(outflow_window=7 * DAY + 1),
        PoolLimits(outflow_window=0),
        PoolLimits(outflow_window=2**32 - 1),
    ],
)
def test_pool_limits_out_of_range(bench, limits):
    bench.refuses("registry: pool limits out of range", "set_limits", ACCOUNT, pack_pool_limits(limits))


@pytest.mark.parametrize("sender", [ATTACKER, VENUE])
def test_only_the_owner(bench, sender):
    bench.refuses(NOT_THE_OWNER, "set_limits", ACCOUNT, POOL, sender=sender)

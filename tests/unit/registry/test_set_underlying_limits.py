"""Registry.set_underlying_limits."""

import pytest

from .bench import ATTACKER, BTC, ETH, FINE, NOT_THE_OWNER, UNFED, VENUE

MOST = 10**27


@pytest.mark.parametrize(("cap", "size"), [(0, 0), (1, 0), (0, 1), (2**128 - 1, MOST), (10**24, 10**16)])
def test_limits_of_one_underlying(bench, cap, size):
    bench.must("set_underlying_limits", ETH, 5, 3)
    bench.must("set_underlying_limits", ETH, cap, size)
    assert bench.ask("underlying_limits", ETH) == (cap, size)
    assert bench.ask("underlying_limits", BTC) == (0, 0)
    assert bench.last() == (
        "UnderlyingLimitsSet",
        {
            "underlying": ETH,
            "old_open_interest_cap": 5,
            "old_min_size": 3,
            "open_interest_cap": cap,
            "min_size": size,
        },
    )


def test_an_underlying_of_the_least_strike_unit(bench):
    bench.must("set_underlying_limits", FINE, 5, 3)
    assert bench.ask("underlying_limits", FINE) == (5, 3)


@pytest.mark.parametrize("size", [MOST + 1, 2**96 - 1])
def test_a_size_that_nobody_could_trade(bench, size):
    bench.refuses("registry: underlying limits out of range", "set_underlying_limits", ETH, 0, size)


def test_an_underlying_without_a_feed(bench):
    bench.refuses("feed: unknown underlying", "set_underlying_limits", UNFED, 1, 1)


@pytest.mark.parametrize("sender", [ATTACKER, VENUE])
def test_only_the_owner(bench, sender):
    bench.refuses(NOT_THE_OWNER, "set_underlying_limits", ETH, 1, 1, sender=sender)

"""Registry.set_collateral_cap."""

import pytest

from .bench import ATTACKER, NOT_THE_OWNER, VENUE

MOST = 10**36


@pytest.mark.parametrize("cap", [0, 1, 10**18, MOST])
def test_a_cap_stands_beside_what_was_listed(bench, cap):
    bench.must("set_collateral_cap", bench.wbtc, 7)
    bench.must("set_collateral_cap", bench.wbtc, cap)
    assert bench.ask("collateral", bench.wbtc) == (bench.btc_spot, 10**10, cap)
    assert bench.ask("collateral", bench.weth) == (bench.spot, 1, 0)
    assert bench.last() == ("CollateralCapSet", {"token": bench.wbtc, "old_cap": 7, "cap": cap})


@pytest.mark.parametrize("cap", [MOST + 1, 2**120, 2**256 - 1])
def test_out_of_range(bench, cap):
    bench.refuses("registry: cap out of range", "set_collateral_cap", bench.weth, cap)


def test_a_token_that_is_no_collateral(bench):
    for token in (bench.usd, bench.unlisted, 0):
        bench.refuses("registry: unknown token", "set_collateral_cap", token, 1)


@pytest.mark.parametrize("sender", [ATTACKER, VENUE])
def test_only_the_owner(bench, sender):
    bench.refuses(NOT_THE_OWNER, "set_collateral_cap", bench.weth, 1, sender=sender)

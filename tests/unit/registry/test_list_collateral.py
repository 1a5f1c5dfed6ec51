"""Registry.list_collateral: the token's number is the strike field of its SPOT row."""

import pytest

from plimsoll.spec.instruments import SPOT, Instrument

from .bench import ATTACKER, ETH, NOT_THE_OWNER, SOL, UNFED, VENUE


@pytest.mark.parametrize(("decimals", "scale"), [(18, 1), (8, 10**10), (6, 10**12), (0, 10**18)])
def test_a_token_becomes_collateral(bench, decimals, scale):
    bench.add(SOL, 0, 0)
    token = bench.token(decimals)
    made = bench.must("list_collateral", token, SOL)
    # the fourth token (quote, WETH, WBTC before it), the second row beside the perp
    assert made == Instrument(SOL, 0, SPOT, 3, 1).pack()
    assert bench.ask("collateral", token) == (made, scale, 0)
    assert bench.ask("tokens") == (bench.usd, bench.weth, bench.wbtc, token)
    assert bench.ask("is_listed", made)
    assert bench.last() == ("CollateralListed", {"token": token, "instrument": made, "scale": scale})


def test_two_tokens_of_one_underlying_are_told_apart(bench):
    first, second = (bench.must("list_collateral", token, ETH) for token in (bench.token(), bench.token()))
    assert (first >> 16 & 0xFFFF, second >> 16 & 0xFFFF) == (3, 4)
    assert (first & 0xFFFF, second & 0xFFFF) == (2, 3)


@pytest.mark.parametrize("sender", [ATTACKER, VENUE])
def test_only_the_owner_lists(bench, sender):
    bench.refuses(NOT_THE_OWNER, "list_collateral", bench.unlisted, ETH, sender=sender)


def test_zero_address(bench):
    bench.refuses("registry: zero address", "list_collateral", 0, ETH)


def test_the_quote_token_and_a_token_that_is_listed(bench):
    reason = "registry: already listed"
    bench.refuses(reason, "list_collateral", bench.usd, ETH)
    bench.refuses(reason, "list_collateral", bench.weth, ETH)
    bench.refuses(reason, "list_collateral", bench.weth, SOL)


def test_an_underlying_without_a_feed(bench):
    bench.refuses("feed: unknown underlying", "list_collateral", bench.unlisted, UNFED)


def test_19_decimals(bench):
    bench.refuses("registry: decimals over 18", "list_collateral", bench.long_decimals, ETH)


def test_an_address_without_code(bench):
    bench.refuses("", "list_collateral", 0xC0DE, ETH)


def test_sixteen_tokens_and_no_more(bench):
    for _ in range(13):
        bench.must("list_collateral", bench.token(), SOL)
    assert len(bench.ask("tokens")) == 16
    bench.refuses("registry: too many tokens", "list_collateral", bench.unlisted, SOL)

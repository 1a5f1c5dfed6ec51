"""Clearinghouse.list_collateral: the token's number is the strike field of its SPOT row."""

import pytest

from plimsoll.chain.contract import deploy
from plimsoll.spec.instruments import SPOT, Instrument
from plimsoll.spec.system import PlainToken
from tests.pairs import compiled, number, text

from .stage import ATTACKER, DELEGATE, ETH, OWNER, SOL


def new_token(stage, decimals=18):
    """One more token on both."""
    made = deploy(stage.pair.chain, compiled("MockToken"), "Token", "TOKEN", decimals, sender=text(OWNER))
    stage.pair.twin.tokens[number(made.address)] = PlainToken(decimals)
    return number(made.address)


@pytest.mark.parametrize(("decimals", "scale"), [(18, 1), (8, 10**10), (6, 10**12), (0, 10**18)])
def test_a_token_becomes_collateral(stage, decimals, scale):
    token = new_token(stage, decimals)
    made = stage.pair.must("book", "list_collateral", token, SOL, sender=OWNER)
    # the fourth token (quote, WETH, WBTC before it), the second row beside the perp
    assert made == Instrument(SOL, 0, SPOT, 3, 1).pack()
    assert stage.ask("book", "collateral", token) == (made, scale)
    assert stage.ask("book", "tokens") == (stage.usd, stage.weth, stage.wbtc, token)
    assert stage.ask("book", "is_listed", made)
    assert stage.last() == ("CollateralListed", {"token": token, "instrument": made, "scale": scale})


def test_two_tokens_of_one_underlying_are_told_apart(stage):
    first, second = (
        stage.pair.must("book", "list_collateral", token, ETH, sender=OWNER)
        for token in (new_token(stage), new_token(stage))
    )
    assert (first >> 16 & 0xFFFF, second >> 16 & 0xFFFF) == (3, 4)
    assert (first & 0xFFFF, second & 0xFFFF) == (2, 3)


@pytest.mark.parametrize("sender", [ATTACKER, DELEGATE])
def test_only_the_owner_lists(stage, sender):
    reason = "ownable: caller is not the owner"
    stage.refuses(reason, "book", "list_collateral", stage.unlisted, ETH, sender=sender)


def test_zero_address(stage):
    stage.refuses("clearinghouse: zero address", "book", "list_collateral", 0, ETH, sender=OWNER)


def test_the_quote_token_and_a_token_that_is_listed(stage):
    reason = "clearinghouse: already listed"
    stage.refuses(reason, "book", "list_collateral", stage.usd, ETH, sender=OWNER)
    stage.refuses(reason, "book", "list_collateral", stage.weth, ETH, sender=OWNER)
    stage.refuses(reason, "book", "list_collateral", stage.weth, SOL, sender=OWNER)


def test_an_underlying_without_a_feed(stage):
    stage.refuses("feed: unknown underlying", "book", "list_collateral", stage.unlisted, 0x0999, sender=OWNER)


def test_19_decimals(stage):
    stage.refuses("clearinghouse: decimals over 18", "book", "list_collateral", stage.long_decimals, ETH, sender=OWNER)


def test_an_address_without_code(stage):
    stage.refuses("", "book", "list_collateral", 0xC0DE, ETH, sender=OWNER)


def test_sixteen_tokens_and_no_more(stage):
    for _ in range(13):
        stage.pair.must("book", "list_collateral", new_token(stage), SOL, sender=OWNER)
    assert len(stage.ask("book", "tokens")) == 16
    stage.refuses("clearinghouse: too many tokens", "book", "list_collateral", stage.unlisted, SOL, sender=OWNER)

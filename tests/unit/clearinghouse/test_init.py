"""Clearinghouse's constructor, and two-step ownership."""

import pytest

from plimsoll.chain.contract import deploy
from plimsoll.spec.errors import Refused
from tests.pairs import compiled, text

from .stage import ATTACKER, OTHER, OWNER

ZERO = "0x" + "00" * 20


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_an_address_of_zero(stage, missing):
    at = stage.pair.twin.at
    args = [text(at.quote), text(at.oracle), text(at.feed)]
    args[missing] = ZERO
    with pytest.raises(Refused, match=r"^clearinghouse: zero address$"):
        deploy(stage.pair.chain, compiled("Clearinghouse"), *args, sender=text(OWNER))


def test_a_quote_token_of_19_decimals(stage):
    at = stage.pair.twin.at
    args = [text(stage.long_decimals), text(at.oracle), text(at.feed)]
    with pytest.raises(Refused, match=r"^clearinghouse: decimals over 18$"):
        deploy(stage.pair.chain, compiled("Clearinghouse"), *args, sender=text(OWNER))


def test_a_quote_token_of_18_decimals(stage):
    at = stage.pair.twin.at
    args = [text(stage.weth), text(at.oracle), text(at.feed)]
    made = deploy(stage.pair.chain, compiled("Clearinghouse"), *args, sender=text(OWNER))
    assert made.call("quote") == text(stage.weth)
    assert made.call("tokens") == (text(stage.weth),)


def test_what_it_starts_with(stage):
    at = stage.pair.twin.at
    assert stage.ask("book", "quote") == at.quote
    assert stage.ask("book", "oracle") == at.oracle
    assert stage.ask("book", "feed") == at.feed
    assert stage.ask("book", "owner") == OWNER
    assert stage.ask("book", "price_band") == 100_000
    assert stage.ask("book", "reduce_band") == 10_000


@pytest.mark.parametrize("part", ["book", "oracle", "liquidator"])
def test_ownership_moves_in_two_steps(stage, part):
    other = OTHER >> 96
    refused = "ownable: caller is not the owner"
    assert stage.on_chain(part, "transfer_ownership", ATTACKER, sender=ATTACKER) == refused
    assert isinstance(stage.on_chain(part, "transfer_ownership", other, sender=OWNER), list)
    assert stage.ask(part, "owner") == OWNER
    assert stage.ask(part, "pending_owner") == other
    refused = "ownable_2step: caller is not the new owner"
    assert stage.on_chain(part, "accept_ownership", sender=ATTACKER) == refused
    assert isinstance(stage.on_chain(part, "accept_ownership", sender=other), list)
    assert stage.ask(part, "owner") == other

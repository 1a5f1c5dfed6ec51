"""The constructors of Clearinghouse and BackOffice, and two-step ownership."""

import pytest

from plimsoll.chain.contract import deploy
from plimsoll.spec.errors import Refused
from plimsoll.spec.interest import ONE
from tests.pairs import compiled, text

from .stage import ATTACKER, NOW, OTHER, OWNER

ZERO = "0x" + "00" * 20
PARTS = ("quote", "oracle", "feed", "registry", "mandates", "history")
MISSING = [
    *((name, part) for name in ("Clearinghouse", "BackOffice") for part in PARTS),
    ("Clearinghouse", "back_office"),
]
BOTH = pytest.mark.parametrize("name", ["Clearinghouse", "BackOffice"])


def arguments(stage, name, **changes):
    """What a constructor is given, in order."""
    at = stage.pair.twin.at
    known = {part: text(getattr(at, part)) for part in PARTS}
    if name == "Clearinghouse":
        known["back_office"] = text(ATTACKER)
    return list((known | changes).values())


@pytest.mark.parametrize(("name", "missing"), MISSING)
def test_an_address_of_zero(stage, name, missing):
    args = arguments(stage, name, **{missing: ZERO})
    with pytest.raises(Refused, match=r"^clearinghouse: zero address$"):
        deploy(stage.pair.chain, compiled(name), *args, sender=text(OWNER))


@BOTH
def test_a_quote_token_of_19_decimals(stage, name):
    args = arguments(stage, name, quote=text(stage.long_decimals))
    with pytest.raises(Refused, match=r"^clearinghouse: decimals over 18$"):
        deploy(stage.pair.chain, compiled(name), *args, sender=text(OWNER))


def test_a_quote_token_of_18_decimals(stage):
    args = arguments(stage, "Clearinghouse", quote=text(stage.weth))
    made = deploy(stage.pair.chain, compiled("Clearinghouse"), *args, sender=text(OWNER))
    assert made.call("quote") == text(stage.weth)


def test_what_it_starts_with(stage):
    at = stage.pair.twin.at
    for part in (*PARTS, "liquidator", "fund"):
        assert stage.ask("book", part) == getattr(at, part)
    assert stage.ask("book", "owner") == OWNER
    assert stage.ask("book", "pool") == ((ONE, ONE, NOW, 0, 0), 0)
    assert stage.ask("book", "utilisation") == stage.ask("book", "outflow") == 0


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

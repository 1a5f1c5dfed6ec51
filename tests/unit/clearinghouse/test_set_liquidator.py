"""Clearinghouse.set_liquidator: once."""

from functools import cache

import pytest

from tests.pairs import Pair

from .stage import ATTACKER, OWNER


@cache
def bare() -> Pair:
    """A deployment that nobody wired."""
    return Pair()


@pytest.fixture
def pair():
    with bare().isolated():
        yield bare()


def test_once(pair):
    at = pair.twin.at.liquidator
    pair.must("book", "set_liquidator", at, sender=OWNER)
    event = pair.twin.book.log[-1]
    assert (event.name, dict(event.args)) == ("LiquidatorSet", {"liquidator": at})
    for again in (at, ATTACKER):
        pair.refused("clearinghouse: liquidator is set", "book", "set_liquidator", again, sender=OWNER)
    assert int(pair.contracts["book"].call("liquidator"), 16) == at


def test_only_the_owner(pair):
    reason = "ownable: caller is not the owner"
    pair.refused(reason, "book", "set_liquidator", ATTACKER, sender=ATTACKER)
    assert int(pair.contracts["book"].call("liquidator"), 16) == 0


def test_zero_address(pair):
    pair.refused("clearinghouse: zero address", "book", "set_liquidator", 0, sender=OWNER)
    pair.must("book", "set_liquidator", ATTACKER, sender=OWNER)

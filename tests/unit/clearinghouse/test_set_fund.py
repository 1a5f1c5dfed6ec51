"""Clearinghouse.set_fund: once."""

import pytest

from .stage import ATTACKER, OWNER
from .test_set_liquidator import bare


@pytest.fixture
def pair():
    with bare().isolated():
        yield bare()


def test_once(pair):
    at = pair.twin.at.fund
    pair.must("book", "set_fund", at, sender=OWNER)
    event = pair.twin.book.log[-1]
    assert (event.name, dict(event.args)) == ("FundSet", {"fund": at})
    for again in (at, ATTACKER):
        pair.refused("clearinghouse: fund is set", "book", "set_fund", again, sender=OWNER)
    assert int(pair.contracts["book"].call("fund"), 16) == at


def test_only_the_owner(pair):
    pair.refused("ownable: caller is not the owner", "book", "set_fund", ATTACKER, sender=ATTACKER)
    assert int(pair.contracts["book"].call("fund"), 16) == 0


def test_zero_address(pair):
    pair.refused("clearinghouse: zero address", "book", "set_fund", 0, sender=OWNER)
    pair.must("book", "set_fund", ATTACKER, sender=OWNER)

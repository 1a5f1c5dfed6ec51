"""RiskOracle.set_book, once, and its constructor."""

import pytest

from plimsoll.chain.contract import deploy
from plimsoll.spec.errors import Refused
from tests.pairs import compiled, text
from tests.unit.clearinghouse.stage import ATTACKER, OWNER
from tests.unit.clearinghouse.test_set_liquidator import bare


@pytest.fixture
def pair():
    with bare().isolated():
        yield bare()


def test_once(pair):
    at = pair.twin.at.book
    pair.must("oracle", "set_book", at, sender=OWNER)
    event = pair.twin.oracle.log[-1]
    assert (event.name, dict(event.args)) == ("BookSet", {"book": at})
    for again in (at, ATTACKER, 0):
        pair.refused("oracle: book is set", "oracle", "set_book", again, sender=OWNER)
    assert int(pair.contracts["oracle"].call("book"), 16) == at


def test_zero_address(pair):
    pair.refused("oracle: zero address", "oracle", "set_book", 0, sender=OWNER)
    assert int(pair.contracts["oracle"].call("book"), 16) == 0


def test_only_the_owner(pair):
    pair.refused("ownable: caller is not the owner", "oracle", "set_book", ATTACKER, sender=ATTACKER)
    assert int(pair.contracts["oracle"].call("book"), 16) == 0


@pytest.mark.parametrize("missing", [0, 1])
def test_no_oracle_without_a_feed_or_guardrails(pair, missing):
    parts = [text(pair.twin.at.feed), text(pair.twin.at.guard)]
    parts[missing] = text(0)
    with pytest.raises(Refused, match=r"^oracle: zero address$"):
        deploy(pair.chain, compiled("RiskOracle"), *parts, sender=text(OWNER))


def test_the_domain_of_its_signatures(stage):
    domain = stage.pair.contracts["oracle"].call("eip712Domain")
    assert domain[1:4] == ("Plimsoll RiskOracle", "1", stage.pair.chain.chain_id)
    assert int(domain[4], 16) == stage.pair.twin.at.oracle
    assert stage.ask("oracle", "feed") == stage.pair.twin.at.feed
    assert stage.ask("oracle", "guardrails") == stage.pair.twin.at.guard

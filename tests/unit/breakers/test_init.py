"""Breakers.__init__: whose markets it watches, and the limits it begins with."""

from dataclasses import astuple, fields

import pytest

from plimsoll.chain.contract import deploy, events_of
from plimsoll.spec.breakers import Limits
from plimsoll.spec.errors import Refused
from tests.pairs import compiled, text
from tests.unit.clearinghouse.stage import OWNER

NAMES = [field.name for field in fields(Limits)]


@pytest.mark.parametrize("zero", [0, 1])
def test_an_address_of_zero(late, zero):
    at = [late.pair.contracts[part].address for part in ("book", "fund")]
    at[zero] = text(0)
    with pytest.raises(Refused, match=r"^breakers: zero address$"):
        deploy(late.pair.chain, compiled("Breakers"), *at, sender=text(OWNER))


def test_what_it_is_built_with(late):
    assert late.ask("breakers", "clearinghouse") == late.pair.twin.at.book
    assert late.ask("breakers", "fund") == late.pair.twin.at.fund
    assert late.ask("breakers", "config") == astuple(Limits())
    contract = late.pair.contracts["breakers"]
    first = next(
        event
        for event in events_of(late.pair.chain.logs([contract.address], 0), [contract])
        if event.name == "ConfigSet"
    )
    told = {name: tuple(value) for name, value in first.args._asdict().items()}
    assert told == {"old": (0,) * len(NAMES), "new": astuple(Limits())}
    known = next(event for event in late.pair.twin.breakers.log if event.name == "ConfigSet")
    assert {name: tuple(value) for name, value in known.args.items()} == told

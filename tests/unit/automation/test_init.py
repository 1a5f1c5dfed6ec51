"""Automation: whom it is told of, and that it can do nothing else."""

import pytest

from plimsoll.chain.artifacts import load
from plimsoll.chain.contract import deploy
from plimsoll.spec.errors import Refused
from tests.pairs import compiled, text
from tests.unit.clearinghouse.stage import OWNER

NOBODY = text(0)


@pytest.mark.parametrize("missing", [0, 1])
def test_both_must_be_named(trigger, missing):
    at = trigger.pair.twin.at
    places = [text(at.book), text(at.liquidator)]
    places[missing] = NOBODY
    with pytest.raises(Refused, match=r"^automation: zero address$"):
        deploy(trigger.pair.chain, compiled("Automation"), *places, sender=text(OWNER))


def test_it_says_whom_it_was_told_of(trigger):
    at = trigger.pair.twin.at
    assert trigger.contract.call("clearinghouse") == text(at.book)
    assert trigger.contract.call("liquidator") == text(at.liquidator)


def test_it_stores_nothing_and_takes_no_money(trigger):
    layout = load("Automation").layout
    assert not {name for name in layout.get("storage_layout", {}) if "nonreentrant" not in name}
    payable = {entry.get("stateMutability") for entry in trigger.contract.artifact.abi}
    assert "payable" not in payable
    trigger.pair.chain.set_balance(text(OWNER), 1)
    for name in ("performUpkeep", None):
        data = trigger.contract.encode(name, b"") if name else b""
        with pytest.raises(Refused):
            trigger.pair.chain.transact(trigger.contract.address, data, sender=text(OWNER), value=1)

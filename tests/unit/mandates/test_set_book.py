"""Mandates.set_book: once, by the owner; and the owner's own seat."""

import pytest

from plimsoll.spec.errors import Refused

from .conftest import ATTACKER, BOOK, OWNER, text


def test_once(bare):
    assert int(bare.contract.call("book"), 16) == 0
    assert bare.do("set_book", BOOK, sender=OWNER) == ("BookSet", {"book": BOOK})
    assert int(bare.contract.call("book"), 16) == bare.twin.book == BOOK
    for again in (BOOK, ATTACKER, 0):
        assert bare.do("set_book", again, sender=OWNER) == "refused: mandates: book is set"


def test_zero_address(bare):
    assert bare.do("set_book", 0, sender=OWNER) == "refused: mandates: zero address"


def test_only_the_owner(bare):
    assert bare.do("set_book", BOOK, sender=ATTACKER) == "refused: ownable: caller is not the owner"


def test_it_is_handed_over_in_two_steps(bare):
    bare.contract.transact("transfer_ownership", text(BOOK), sender=text(OWNER))
    with pytest.raises(Refused, match=r"^ownable_2step: caller is not the new owner$"):
        bare.contract.transact("accept_ownership", sender=text(ATTACKER))
    assert int(bare.contract.call("pending_owner"), 16) == BOOK
    bare.contract.transact("accept_ownership", sender=text(BOOK))
    assert int(bare.contract.call("owner"), 16) == BOOK
    with pytest.raises(Refused, match=r"^ownable: caller is not the owner$"):
        bare.contract.transact("set_book", text(BOOK), sender=text(OWNER))

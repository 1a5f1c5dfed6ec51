"""Exchange: what its constructor takes, and what it then holds for ever."""

import pytest

from plimsoll.chain.artifacts import load
from plimsoll.chain.contract import deploy
from plimsoll.spec.errors import Refused
from tests.venues import DEPLOYER


def test_the_book_is_fixed(bench):
    assert bench.contract.call("clearinghouse") == bench.book.address


def test_no_book(bench):
    with pytest.raises(Refused, match=r"^exchange: zero address$"):
        deploy(bench.chain, load("Exchange"), "0x" + "00" * 20, sender=DEPLOYER)

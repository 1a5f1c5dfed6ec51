"""StandingOrders: what its constructor takes, and what it then holds for ever."""

import pytest

from plimsoll.chain.artifacts import load
from plimsoll.chain.contract import deploy
from plimsoll.spec.errors import Refused
from tests.venues import DEPLOYER

NOBODY = "0x" + "00" * 20


def test_the_parts_are_fixed(bench):
    assert bench.contract.call("clearinghouse") == bench.book.address
    assert bench.contract.call("liquidator") == bench.book.address


def test_a_domain_of_its_own(bench):
    fields, name, version, chain_id, contract, salt, extensions = bench.contract.call("eip712Domain")
    assert (fields, name, version, chain_id) == (b"\x0f", "Plimsoll StandingOrders", "1", bench.chain.chain_id)
    assert (contract, salt, extensions) == (bench.contract.address, bytes(32), ())


@pytest.mark.parametrize("missing", [0, 1])
def test_a_part_is_missing(bench, missing):
    parts = [bench.book.address] * 2
    parts[missing] = NOBODY
    with pytest.raises(Refused, match=r"^standing: zero address$"):
        deploy(bench.chain, load("StandingOrders"), *parts, sender=DEPLOYER)

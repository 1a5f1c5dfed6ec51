"""Headers and places of events: what tells a block from another that stands in its place."""

from itertools import pairwise

import pytest

from plimsoll.chain.artifacts import load
from plimsoll.chain.contract import deploy
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.chain.errors import NodeError
from plimsoll.chain.node import NodeChain
from plimsoll.chain.protocol import HeaderChain, Log

OWNER = "0x" + "11" * 20


@pytest.fixture
def chain():
    return EmbeddedChain()


@pytest.fixture
def token(chain):
    return deploy(chain, load("MockToken"), "T", "T", 18, sender=OWNER)


def hashes(chain):
    return [header.hash for header in chain.headers(range(chain.block + 1))]


def test_blocks_follow_on_each_other_and_none_is_ahead(chain, token):
    for seconds in (0, 12, 40, 1):
        chain.advance(seconds)
        token.transact("mint", OWNER, 5, sender=OWNER)
    found = chain.headers(range(chain.block + 3))
    assert found[chain.block + 1 :] == [None, None]
    there = found[: chain.block + 1]
    assert [header.number for header in there] == list(range(chain.block + 1))
    assert all(after.parent == before.hash and after.time >= before.time for before, after in pairwise(there))
    assert there[-1].time == chain.now
    assert len({header.hash for header in there}) == len(there)
    assert isinstance(chain, HeaderChain)


def test_an_event_changes_its_block_and_those_behind_it_alone(chain, token):
    chain.advance(24)
    before = hashes(chain)
    token.transact("mint", OWNER, 5, sender=OWNER)
    after = hashes(chain)
    assert before[:-1] == after[:-1]
    assert before[-1] != after[-1]
    chain.advance(12)
    assert hashes(chain)[:-1] == after


def test_another_branch_has_other_blocks_until_it_is_left(chain, token):
    mark = chain.snapshot()
    token.transact("mint", OWNER, 5, sender=OWNER)
    chain.advance(60)
    one = hashes(chain)
    chain.revert(mark)
    mark = chain.snapshot()
    token.transact("mint", OWNER, 6, sender=OWNER)
    chain.advance(60)
    other = hashes(chain)
    fork = next(k for k, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
    assert fork == 1
    assert all(a != b for a, b in zip(one[fork:], other[fork:], strict=True))
    chain.revert(mark)
    token.transact("mint", OWNER, 5, sender=OWNER)
    chain.advance(60)
    assert hashes(chain) == one


def test_events_say_where_they_stand_and_are_equal_wherever_they_do(chain, token):
    for _ in range(2):
        token.transact("mint", OWNER, 5, sender=OWNER)
    chain.advance(12)
    token.transact("mint", OWNER, 5, sender=OWNER)
    found = chain.logs([token.address], 0)
    assert [(log.block, log.place) for log in found] == [(1, 0), (1, 1), (2, 0)]
    assert found[0] == found[2] == Log(found[0].address, found[0].topics, found[0].data)


class Said:
    """A node that answers every request with one block."""

    def __init__(self, block):
        self.block = block

    def ask_many(self, asked):
        return [self.block for _ in asked]


def test_a_nodes_header_is_read_and_what_is_none_is_named():
    block = {"number": "0x7", "hash": "0x" + "ab" * 32, "parentHash": "0x" + "cd" * 32, "timestamp": "0x10"}
    (header,) = NodeChain(Said(block)).headers([7])
    assert header == (7, b"\xab" * 32, b"\xcd" * 32, 16)
    assert NodeChain(Said(None)).headers([7, 8]) == [None, None]
    with pytest.raises(NodeError, match="a header is"):
        NodeChain(Said({**block, "hash": None, "timestamp": None})).headers([7])

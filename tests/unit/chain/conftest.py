"""A small contract that writes, logs, reverts and halts, on a chain in this process."""

from pathlib import Path

import pytest

from plimsoll.chain.artifacts import compile_one
from plimsoll.chain.contract import deploy
from plimsoll.chain.embedded import EmbeddedChain

SOURCE = """
# pragma version 0.4.3
struct Pair:
    left: uint256
    right: int128

event Set:
    who: indexed(address)
    value: uint256

a: public(uint256)
t: transient(uint256)

@deploy
def __init__(start: uint256):
    self.a = start

@external
def set_a(new: uint256) -> uint256:
    old: uint256 = self.a
    self.a = new
    log Set(who=msg.sender, value=new)
    return old

@external
def refuse():
    self.a = 77
    raise "toy: not today"

@external
def refuse_silently():
    raise

@external
def burn():
    for i: uint256 in range(10**9):
        self.a += 1

@external
def once() -> uint256:
    self.t += 1
    return self.t

@external
@view
def clock() -> (uint256, uint256, uint256):
    return block.timestamp, block.number, chain.id

@external
@view
def look(at: address) -> (uint256, bytes32):
    return at.codesize, at.codehash

@external
@view
def pairs(n: uint256, bump: uint256 = 0) -> DynArray[Pair, 8]:
    found: DynArray[Pair, 8] = []
    for i: uint256 in range(n, bound=8):
        found.append(Pair(left=i + bump, right=-convert(i, int128)))
    return found
"""

SENDER = "0x" + "11" * 20


@pytest.fixture(scope="session")
def toy_artifact(tmp_path_factory):
    path: Path = tmp_path_factory.mktemp("toy") / "Toy.vy"
    path.write_text(SOURCE)
    return compile_one(path, path.parent)


@pytest.fixture
def chain():
    return EmbeddedChain(time=1_000)


@pytest.fixture
def toy(chain, toy_artifact):
    return deploy(chain, toy_artifact, 5, sender=SENDER)

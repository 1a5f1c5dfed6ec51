"""The small market of `tests.unit.clearinghouse.stage`, undone after each test; and `modules/margin.vy`, opened."""

import pytest

from plimsoll.chain.artifacts import ROOT, compile_one
from plimsoll.chain.contract import deploy
from plimsoll.chain.embedded import EmbeddedChain
from tests.unit.clearinghouse.stage import clean_stage

OPENED = """
# pragma version 0.4.3
from modules import margin

@external
@pure
def slope(rate: int256, price: uint256) -> int256:
    return margin._slope(rate, price)

@external
@pure
def accrued(word: uint256, now: uint256) -> int256:
    return margin._accrued(word, now)

@external
@pure
def funding(word: uint256, now: uint256) -> int256:
    return margin._funding(word, now)

@external
@pure
def faded(sums: int256[32], lanes: int256[32], left: uint256) -> int256[32]:
    return margin._faded(sums, lanes, left)
"""


@pytest.fixture
def stage():
    """A market on which nothing happened."""
    with clean_stage() as made:
        yield made


@pytest.fixture(scope="session")
def opened(tmp_path_factory):
    """Functions of funding and of expiring lanes, made external, on a chain of their own."""
    root = tmp_path_factory.mktemp("opened")
    (root / "contracts").mkdir()
    (root / "contracts" / "modules").symlink_to(ROOT / "contracts" / "modules")
    path = root / "contracts" / "Opened.vy"
    path.write_text(OPENED)
    return deploy(EmbeddedChain(), compile_one(path, root), sender="0x" + "11" * 20)

"""From end to end on a repository of one contract: a weak test leaves survivors, a sharp one does not."""

import shutil

import pytest

from plimsoll.chain.artifacts import ROOT
from tests.mutation.operators import mutants_of, tables
from tests.mutation.source import Source
from tests.mutation.workspace import Workspace, prepare, serving

CONTRACT = """# pragma version 0.4.3
# pragma evm-version cancun
BASE: immutable(uint256)

@deploy
def __init__():
    BASE = 3

@external
@pure
def capped(x: uint256) -> uint256:
    if x >= 10:
        return 100
    return x

@external
@view
def base() -> uint256:
    return BASE

@external
@pure
def untested(x: uint256) -> bool:
    return x > 1
"""
TEST = """
import pytest
from plimsoll.chain.artifacts import load
from plimsoll.chain.contract import deploy
from plimsoll.chain.embedded import EmbeddedChain

@pytest.fixture(scope="session")
def cap():
    return deploy(EmbeddedChain(), load("Cap"), sender="0x" + "11" * 20)

def test_base(cap):
    assert cap.call("base") == 3

def test_capped(cap):
    assert cap.call("capped", 50) == 100
"""
SHARP = """
def test_where_it_begins(cap):
    assert [cap.call("capped", x) for x in (8, 9, 10, 11)] == [8, 9, 100, 100]
"""


def judged(tmp_path, test):
    """How each mutant of the one contract ends."""
    root = tmp_path / "root"
    (root / "contracts").mkdir(parents=True)
    (root / "tests" / "unit").mkdir(parents=True)
    (root / "offchain").symlink_to(ROOT / "offchain")
    (root / "tests" / "mutation").symlink_to(ROOT / "tests" / "mutation")
    (root / "tests" / "__init__.py").touch()
    shutil.copy(ROOT / "pyproject.toml", root)
    (root / "contracts" / "Cap.vy").write_text(CONTRACT)
    (root / "tests" / "unit" / "test_cap.py").write_text(test)
    mutants = [m for m in mutants_of(Source.load(root, "contracts/Cap.vy"), tables(root)) if not m.alone]
    *_, space = prepare(root, tmp_path / "work", mutants, ["Cap"])
    assert isinstance(space, Workspace)
    assert space.invalid == []
    plan = {
        "tests": ["tests/unit"],
        "jobs": 1,
        "mutants": [{"id": m.id, "number": space.number[m.id], "function": m.function} for m in mutants],
    }
    with serving(space.folder, plan) as lines:
        said = list(lines)
    assert said[0]["baseline"]["failed"] == []
    names = {mutant.id: f"{mutant.function}: {mutant.edit}" for mutant in mutants}
    return {names[line["mutant"]]: line["how"] for line in said if "mutant" in line}


@pytest.mark.slow
@pytest.mark.parametrize("sharp", [False, True])
def test_a_weak_test_leaves_survivors(tmp_path, sharp):
    how = judged(tmp_path, TEST + SHARP * sharp)
    assert how["__init__: 3 -> 4"] == "test"  # a constructor, whose fixture stands before any test
    assert how["capped: x >= 10 -> False"] == "test"
    assert how["capped: 100 -> 101"] == "test"
    for edge in ("capped: x >= 10 -> x > 10", "capped: 10 -> 11"):
        assert how[edge] == ("test" if sharp else "survived")
    assert how["untested: x > 1 -> x >= 1"] == "unreached"

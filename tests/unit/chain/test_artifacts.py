"""Compiling: cached by what went in, and refused by name."""

import pytest

from plimsoll.chain import artifacts
from plimsoll.chain.errors import CompileError

GOOD = """# pragma version 0.4.3
from contracts.modules import three
@external
@pure
def f() -> uint256:
    return three._three()
"""
MODULE = "# pragma version 0.4.3\n@internal\n@pure\ndef _three() -> uint256:\n    return 3\n"


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "contracts" / "modules").mkdir(parents=True)
    (tmp_path / "contracts" / "Good.vy").write_text(GOOD)
    (tmp_path / "contracts" / "modules" / "three.vy").write_text(MODULE)
    return tmp_path


def test_compiled_once_and_again_when_a_source_changes(tree, monkeypatch):
    first = artifacts.load("Good", tree)
    assert set(first.sources) == {"contracts/Good.vy", "contracts/modules/three.vy"}
    with monkeypatch.context() as patch:
        patch.setattr(artifacts, "compile_one", lambda *_: pytest.fail("compiled again"))
        assert artifacts.load("Good", tree) == first
    (tree / "contracts" / "modules" / "three.vy").write_text(MODULE.replace("return 3", "return 4"))
    assert artifacts.load("Good", tree).bytecode != first.bytecode


def test_a_new_file_compiles_anew(tree, monkeypatch):
    artifacts.load("Good", tree)
    (tree / "contracts" / "INew.vyi").write_text("# pragma version 0.4.3\n")
    compiled = []
    real = artifacts.compile_one
    monkeypatch.setattr(artifacts, "compile_one", lambda *args: compiled.append(args) or real(*args))
    artifacts.load("Good", tree)
    assert compiled


def test_what_does_not_compile_is_named(tree):
    (tree / "contracts" / "Bad.vy").write_text("# pragma version 0.4.3\n@external\ndef f():\n    x: uint256 = -1\n")
    with pytest.raises(CompileError, match="Bad does not compile"):
        artifacts.load("Bad", tree)
    assert artifacts.load("Good", tree).size > 0


def test_several_at_once_name_the_one_that_fails(tree):
    (tree / "contracts" / "Bad.vy").write_text("# pragma version 0.4.3\nnonsense\n")
    with pytest.raises(CompileError, match="Bad does not compile"):
        artifacts.load_all(root=tree)
    assert artifacts.load("Good", tree).size > 0


def test_unknown_contracts_and_empty_trees(tree, tmp_path_factory):
    with pytest.raises(CompileError, match="unknown contract Nothing; there are Good"):
        artifacts.load("Nothing", tree)
    with pytest.raises(CompileError, match="no contracts"):
        artifacts.load_all(root=tmp_path_factory.mktemp("empty"))


def test_a_broken_cache_is_compiled_over(tree):
    first = artifacts.load("Good", tree)
    (tree / "build" / "artifacts" / "Good.json").write_text("{")
    assert artifacts.load("Good", tree) == first


def test_the_protocols_contracts_fit_a_contract():
    for name in ("IndexFeed", "RiskOracle", "Clearinghouse", "Exchange", "Liquidator", "Lens"):
        assert 0 < artifacts.load(name).size <= artifacts.MAX_RUNTIME

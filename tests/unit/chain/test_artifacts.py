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
    for name, path in artifacts.contract_paths().items():
        if path.parent.name == "mocks":
            continue
        assert 0 < artifacts.load(name).size <= artifacts.MAX_RUNTIME


FIRST = """# pragma version 0.4.3
event Seen:
    who: address

@external
def f():
    pass

@external
def g(a: uint256):
    pass

@deploy
def __init__(a: uint256):
    pass
"""
SECOND = FIRST.replace("def f()", "def h()").replace(
    "    who: address\n", "    who: address\n\nevent Heard:\n    what: uint256\n"
)


@pytest.fixture
def two(tree, monkeypatch):
    """A contract that calls another's code as its own."""
    monkeypatch.setattr(artifacts, "EXTENSIONS", {"First": "Second"})
    (tree / "contracts" / "First.vy").write_text(FIRST)
    (tree / "contracts" / "Second.vy").write_text(SECOND)
    return tree


def entries(artifact):
    return sorted((entry["type"], entry.get("name", "")) for entry in artifact.abi)


def test_a_contract_in_two_pieces_has_both_interfaces(two):
    first = artifacts.load("First", two)
    assert entries(first) == [
        ("constructor", ""),
        ("event", "Heard"),
        ("event", "Seen"),
        ("function", "f"),
        ("function", "g"),
        ("function", "h"),
    ]
    alone = artifacts.compile_one(two / "contracts" / "First.vy", two)
    assert (first.bytecode, first.runtime, first.layout) == (alone.bytecode, alone.runtime, alone.layout)
    # the other is as it is, and the cache holds each by itself
    assert ("function", "f") not in entries(artifacts.load("Second", two))
    assert artifacts.load("First", two) == first


def test_the_second_piece_is_compiled_for_the_first(two):
    found = artifacts.load_all(["First"], two)
    assert list(found) == ["First"]
    (two / "contracts" / "Second.vy").write_text(SECOND.replace("def h()", "def k()"))
    assert ("function", "k") in entries(artifacts.load("First", two))


def test_a_function_of_another_type_is_another(two):
    first, second = (artifacts.compile_one(two / "contracts" / f"{name}.vy", two) for name in ("First", "Second"))
    second.abi.append({"type": "function", "name": "g", "inputs": [{"name": "a", "type": "int256"}]})
    assert len([entry for entry in artifacts.extended(first, second).abi if entry.get("name") == "g"]) == 2
    assert artifacts.extended(first, first) == first


def test_an_extension_that_is_not_there_changes_nothing(two):
    (two / "contracts" / "Second.vy").unlink()
    assert ("function", "h") not in entries(artifacts.load("First", two))


def test_the_clearinghouse_answers_for_its_back_office():
    names = {entry.get("name") for entry in artifacts.load("Clearinghouse").abi}
    assert {"deposit", "trade", "multicall", "seize", "Settled", "owner"} <= names
    assert "deposit" not in {entry.get("name") for entry in artifacts.load("BackOffice").abi}

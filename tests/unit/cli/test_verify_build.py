"""`plimsoll verify-build`: what it prints, and how it leaves."""

import json

import pytest

from plimsoll.chain import artifacts, build
from plimsoll.chain.artifacts import ROOT
from plimsoll.cli import verify_build
from plimsoll.spec.errors import PlimsollError

NODE = ("--node", "http://127.0.0.1:8545")


@pytest.fixture
def run(monkeypatch):
    """The command, with the compiler's work taken from the cache: a test of `build` compiles."""
    asked = []

    def compile_clean(names, **_):
        asked.append(list(names))
        return artifacts.load_all(list(names))

    monkeypatch.setattr(build, "compile_clean", compile_clean)

    def command(*arguments):
        return verify_build.verify_build.main([str(a) for a in arguments], standalone_mode=False)

    command.asked = asked
    return command


def test_the_deployment_of_this_process(run, capsys):
    assert run("--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["ok"], said["where"], said["chain_id"]) == (True, "embedded", 1337)
    assert {item["verdict"] for item in said["chain"]} == {"identical"}
    assert len(said["chain"]) == 15
    assert said["made_with"]["vyper"] == "0.4.3"
    book = next(item for item in said["chain"] if item["contract"] == "Clearinghouse")
    assert (book["optimize"], len(book["sources"])) == ("codesize", 64)
    assert {"name": "BACK_OFFICE", "is": "BackOffice", "ok": True}.items() <= book["immutables"][-1].items()


def test_a_node_and_its_book(run, world, capsys):
    assert run(*NODE, "--book", world.book) == 0
    said = capsys.readouterr().out
    assert said.count("identical") == 15
    assert "BACK_OFFICE = " in said
    assert "(BackOffice)" in said
    assert "vyper 0.4.3" in said


def test_a_changed_contract(run, world, capsys):
    at = world.system.lens.address
    code = bytearray(world.chain.code(at))
    code[99] ^= 0xFF
    world.chain.set_code(at, bytes(code))
    assert run(*NODE, "--book", world.book, "--contract", "Lens", "--contract", "Mandates") == 1
    said = capsys.readouterr().out
    assert "Lens" in said
    assert "differs at byte 99" in said
    assert run.asked == [["Mandates", "Lens"]]
    assert run(*NODE, "--book", world.book, "--contract", "Mandates") == 0


def test_a_book_that_names_another_delegate(run, world, capsys):
    told = json.loads(world.book.read_text())
    told["contracts"]["BackOffice"] = told["contracts"]["Lens"]
    path = world.book.with_name("other.json")
    path.write_text(json.dumps(told))
    assert run(*NODE, "--book", path, "--contract", "Clearinghouse") == 1
    assert "BACK_OFFICE is 0x" in capsys.readouterr().out


def test_compiled_code_alone(run, capsys):
    assert run("--artifacts", ROOT / "build" / "artifacts", "--contract", "Breakers", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert "chain" not in said
    assert [item["contract"] for item in said["artifacts"]] == ["Breakers"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (NODE, "InputError", "--node and --book go together"),
        (("--contract", "Clearing"), "UnknownContractError", "unknown contract Clearing"),
        (("--node", "ws://x", "--book", "BOOK"), "InputError", "is no URL"),
        ((*NODE, "--book", "nowhere.json"), "BookFileError", "nowhere.json"),
        (
            (*NODE, "--book", "BOOK", "--contract", "Timelock"),
            "UnknownContractError",
            "the address book has no Timelock",
        ),
        (("--artifacts", "nowhere"), "ArtifactsError", "no artifacts"),
    ],
)
def test_bad_input_has_a_name(run, world, arguments, error, message):
    given = [str(world.book) if a == "BOOK" else a for a in arguments]
    with pytest.raises(PlimsollError, match=message) as raised:
        run(*given)
    assert type(raised.value).__name__ == error


def test_another_chain(run, world):
    told = json.loads(world.book.read_text())
    path = world.book.with_name("far.json")
    path.write_text(json.dumps({**told, "chain_id": 1}))
    with pytest.raises(build.WrongChainError, match=r"far\.json is of chain 1, the node of 1337"):
        run(*NODE, "--book", path)


def test_the_help_has_examples(capsys):
    assert verify_build.verify_build.main(["--help"], standalone_mode=False) == 0
    assert "verify-build --artifacts .build --json" in capsys.readouterr().out

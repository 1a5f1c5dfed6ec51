"""`plimsoll doctor`: what it prints, and how it leaves."""

import json

import pytest
import yaml

from plimsoll import cli
from plimsoll.keeper.doctor import FAIL, OK, WARN, Finding

NO_NODE = "http://127.0.0.1:1/v3/4f1d9c2ab87e4d5fa0c1"


def run(*arguments):
    """Exit code of a command, in this process."""
    with pytest.raises(SystemExit) as left:
        cli.main([str(a) for a in arguments])
    return left.value.code


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "keeper.yaml"
    market = {"underlying": 257, "name": "TOY", "prices": "toy.csv"}
    keys = {"poster": "NO_SUCH_POSTER", "signers": ["NO_SUCH_SIGNER"]}
    path.write_text(yaml.safe_dump({"node": NO_NODE, "book": "book.json", "keys": keys, "markets": [market]}))
    return path


def found(monkeypatch, *findings):
    monkeypatch.setattr("plimsoll.keeper.doctor.examine", lambda _: list(findings))


@pytest.mark.parametrize(("verdict", "code"), [(OK, 0), (WARN, 0), (FAIL, 1)])
def test_it_leaves_by_the_worst(settings, monkeypatch, capsys, verdict, code):
    found(monkeypatch, Finding("clock", OK, "fine"), Finding("disk", verdict, "1 GiB free", "make room"))
    assert run("doctor", "--settings", settings) == code
    said = capsys.readouterr().out
    assert said.index("clock") < said.index("disk")
    assert f"{verdict} " in said
    assert "-> make room" in said


def test_as_json(settings, monkeypatch, capsys):
    found(monkeypatch, Finding("disk", WARN, "1 GiB [bold]free[/]", "make room"))
    assert run("doctor", "--settings", settings, "--json") == 0
    assert json.loads(capsys.readouterr().out) == [
        {"name": "disk", "verdict": "warn", "said": "1 GiB [bold]free[/]", "todo": "make room"}
    ]


def test_markup_is_text(settings, monkeypatch, capsys):
    found(monkeypatch, Finding("peer [red]", OK, "says [bold]free[/]"))
    assert run("doctor", "--settings", settings) == 0
    assert "says [bold]free[/]" in capsys.readouterr().out


def test_with_nothing_there_it_names_everything_and_ends(settings, capsys):
    assert run("doctor", "--settings", settings, "--json") == 1
    said = capsys.readouterr()
    failing = {item["name"] for item in json.loads(said.out) if item["verdict"] == FAIL}
    assert failing == {
        "key poster",
        "key signer 1",
        "endpoint http://127.0.0.1:1/v3/…",
        "address book",
        "prices TOY",
    }
    assert "4f1d9c2a" not in said.out + said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "o such file"), ("{", "SettingsError"), ("node: 3", "SettingsError: "), ("[]", "a mapping of names")],
)
def test_settings_that_cannot_be_read(tmp_path, capsys, text, said):
    path = tmp_path / "keeper.yaml"
    if text is not None:
        path.write_text(text)
    assert run("doctor", "--settings", path) == 2
    left = capsys.readouterr()
    assert said in left.err
    assert left.out == ""

"""The record fails where it no longer speaks of the tree: a changed source, a reason that fits nothing, a spot left."""

import json
import os

import pytest

from tests.coverage import __main__ as command
from tests.coverage import record, report, settings

SPOT = {"file": "contracts/Toy.vy", "line": 3, "function": "g", "what": "never run", "source": "x"}
REASON = {key: SPOT[key] for key in ("file", "function", "what", "source")} | {"why": "nobody can ever get here"}
THEN = {"contracts/Toy.vy": "1" * 64, "contracts/modules/part.vy": "2" * 64}
RECORD = {
    "date": "2026-11-22",
    "counts": {"passed": 7, "vyper": {"lines": 2, "covered": 1, "branches": 4, "taken": 4}},
    "failed": [],
    "units": [],
    "missed": [SPOT],
    "sources": THEN,
}


def kinds(found):
    return [item["kind"] for item in found["findings"]]


def test_a_record_that_holds():
    found = record.judged(RECORD, THEN, [REASON])
    assert found["ok"]
    assert (found["part"], found["date"], found["findings"]) == ("coverage", "2026-11-22", [])
    assert found["counts"] == {**RECORD["counts"], "reasons": 1, "sources": 2}


@pytest.mark.parametrize(
    ("now", "what"),
    [
        (THEN | {"contracts/Toy.vy": "3" * 64}, "has another text since coverage was recorded, 2026-11-22"),
        (THEN | {"contracts/New.vy": "3" * 64}, "is new since coverage was recorded, 2026-11-22"),
        ({"contracts/Toy.vy": "1" * 64}, "is gone since coverage was recorded, 2026-11-22"),
    ],
)
def test_another_source_is_a_finding(now, what):
    found = record.judged(RECORD, now, [REASON])
    assert not found["ok"]
    assert kinds(found) == [record.CHANGED]
    assert found["findings"][0]["what"] == what
    assert found["findings"][0]["file"] in {**THEN, **now}


@pytest.mark.parametrize(
    ("reasons", "wanted"),
    [
        ([], ["uncovered"]),
        ([{**REASON, "source": "y"}], ["uncovered", "stale reason"]),
        ([REASON, {**REASON, "function": "h"}], ["stale reason"]),
        ([{**REASON, "why": "dead"}], ["reason without a why"]),
    ],
)
def test_reasons_are_read_anew(reasons, wanted):
    found = record.judged(RECORD, THEN, reasons)
    assert not found["ok"]
    assert kinds(found) == wanted


def test_sources_are_the_counted_files_by_their_bytes(tmp_path):
    for name in ("Toy.vy", "modules/part.vy", "mocks/Mock.vy", "interfaces/IToy.vyi"):
        path = tmp_path / "contracts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    before = record.sources_of(tmp_path)
    assert set(before) == set(THEN)
    (tmp_path / "contracts" / "Toy.vy").write_text("Toy.vy ")
    after = record.sources_of(tmp_path)
    assert {file for file in before if before[file] != after[file]} == {"contracts/Toy.vy"}


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({k: v for k, v in RECORD.items() if k != "sources"})])
def test_what_is_no_record_is_said(tmp_path, text):
    path = tmp_path / "coverage.json"
    path.write_text(text)
    with pytest.raises(record.RecordError, match=r"coverage\.json: "):
        record.read(path)
    with pytest.raises(record.RecordError, match="run with --record"):
        record.read(tmp_path / "none.json")


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A record of this tree's sources, and the reasons that it needs, in another place."""
    kept = {**RECORD, "sources": record.sources_of()}
    (tmp_path / "coverage.json").write_text(json.dumps(kept))
    (tmp_path / "uncovered.yaml").write_text(json.dumps([REASON]))
    read, reasons = record.read, report.reasons_of
    monkeypatch.setattr(record, "read", lambda: read(tmp_path / "coverage.json"))
    monkeypatch.setattr(report, "reasons_of", lambda: reasons(tmp_path / "uncovered.yaml"))
    return tmp_path


def test_the_command_says_so_in_one_object(own, capsys):
    assert command.main(["--recorded", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"part", "ok", "seconds", "counts", "findings", "date"} <= found.keys()
    assert found["ok"] is True
    (own / "uncovered.yaml").write_text("[]")
    assert command.main(["--recorded", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["findings"] == [{**SPOT, "kind": "uncovered"}]
    assert command.main(["--recorded"]) == 1
    assert "uncovered: contracts/Toy.vy:3 never run" in capsys.readouterr().out
    (own / "coverage.json").unlink()
    assert command.main(["--recorded", "--json"]) == 2
    assert "run with --record" in capsys.readouterr().err


def test_what_is_recorded_can_be_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "SUMMARY", tmp_path / "coverage.json")
    unit = report.Unit("Toy", 2, 1, 4, 4, [SPOT])
    result = {"part": "coverage", "ok": True, "seconds": 1.0, "counts": RECORD["counts"], "failed": [], "units": []}
    lacking = [(4, "never run"), (5, "never run"), (9, "never run"), (7, "never left")]
    python = report.Unit("plimsoll.spec", missed=[{"file": "a.py", "line": n, "what": how} for n, how in lacking])
    command.keep(result, [unit], [python])
    found = record.read(tmp_path / "coverage.json")
    assert found["missed"] == [SPOT]
    assert found["sources"] == record.sources_of()
    assert record.judged(found, record.sources_of(), [REASON])["ok"]
    assert json.loads((tmp_path / "coverage.json").read_text())["python"] == {
        "a.py": {"lines": "4-5, 9", "branches": "7"}
    }


@pytest.mark.parametrize(
    ("tests", "names"),
    [
        (["tests/unit/fund"], []),
        (["tests/unit/fund", "tests/unit/spec"], ["plimsoll.spec"]),
        (["tests/unit/spec/test_wad.py"], []),
        (["tests/unit"], ["plimsoll", "plimsoll.spec", "plimsoll.cli"]),
    ],
)
def test_of_the_package_what_was_tested_counts(tests, names):
    units = [report.Unit(name) for name in ("plimsoll", "plimsoll.spec", "plimsoll.cli")]
    assert [unit.name for unit in report.tested(units, tests)] == names


def test_runs_add_up_with_more_and_not_without(tmp_path, monkeypatch):
    for name in ("SEEN", "PYTHON", "OUTCOME"):
        monkeypatch.setattr(settings, name, tmp_path / name.lower())
    monkeypatch.setattr("tests.coverage.probes.compile_all", lambda _jobs: None)
    outcomes = iter([(5, ["a"]), (2, []), (3, ["b"])])

    def pretend(command, **_options):
        passed, failed = next(outcomes)
        settings.OUTCOME.write_text(json.dumps({"passed": passed, "failed": failed, "skipped": 0}))

    monkeypatch.setattr(command.subprocess, "run", pretend)
    told = []
    for tests, more in ((["one", "two"], False), (["two", "three"], True), (["four"], False)):
        command.run(tests, 1, more=more, alone=True)
        told.append(json.loads(settings.OUTCOME.read_text()))
    begun = [found.pop("begun") for found in told]
    assert begun[0] == begun[1] < begun[2]  # lines that moved since the first of them are not known
    assert told == [
        {"passed": 5, "failed": ["a"], "skipped": 0, "tests": ["one", "two"]},
        {"passed": 7, "failed": ["a"], "skipped": 0, "tests": ["one", "three", "two"]},
        {"passed": 3, "failed": ["b"], "skipped": 0, "tests": ["four"]},
    ]


def test_files_written_since_are_known(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "ROOT", tmp_path)
    for name, at in (("old.py", 100), ("new.py", 300)):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (at, at))
    assert report.edited(200, tmp_path) == ["new.py"]
    assert report.edited(300, tmp_path) == []

"""An audit says what each part came to, and never a pass that was not said."""

import json

import pytest

from plimsoll.audit import parts as module
from plimsoll.audit.errors import AuditError
from plimsoll.audit.parts import PARTS, Part, Task, chosen, said_by
from plimsoll.audit.provenance import NO_CHECKOUT, Provenance, gather
from plimsoll.audit.run import audit, limits
from plimsoll.chain.artifacts import ROOT
from plimsoll.cli import main
from plimsoll.report.audit import page, sheets, summary, text, verdict

GOOD = {"part": "x", "ok": True, "seconds": 1.0, "counts": {"cases": 12_000}, "findings": []}


def part(said, code=0, name="x", needs=()):
    words = said if isinstance(said, str) else json.dumps(said)
    return Part(
        name, f"The part {name}", "All is well", lambda _: ["tests.unit.audit.speaker", words, str(code)], 1, needs
    )


@pytest.fixture
def task(tmp_path):
    return Task(tmp_path)


@pytest.fixture(scope="module")
def provenance():
    return Provenance(1_800_000_000, "abc", (), {"vyper": "0.4.3"}, {"contracts/A.vy": "12"}, {}, {"A": ("0x1", 3)})


def test_what_says_it_is_ok_is_ok(task):
    found = part(GOOD).run(task)
    assert found.verdict == "ok"
    assert found.said["counts"] == {"cases": 12_000}
    assert (task.out / "logs" / "x.txt").read_text() == "what went on\n"


@pytest.mark.parametrize(
    ("said", "code", "expected"),
    [
        pytest.param(GOOD, 1, "ended with 1 and names no finding", id="ok, and an exit code that is not"),
        pytest.param(GOOD | {"ok": False}, 0, "names no finding", id="not ok, and an exit code that is"),
        pytest.param(GOOD | {"ok": "yes"}, 0, "names no finding", id="ok is no word"),
        pytest.param(GOOD | {"ok": False, "findings": ["a hole"]}, 1, "a hole", id="a finding"),
        pytest.param("all is well", 0, "nothing that can be read", id="no object"),
        pytest.param("[true]", 0, "nothing that can be read", id="another object"),
        pytest.param('{"part": "x"}', 0, "nothing that can be read", id="no verdict"),
    ],
)
def test_anything_else_is_a_finding(task, said, code, expected):
    found = part(said, code).run(task)
    assert found.verdict == "finding"
    assert expected in found.findings[0]


def test_what_does_not_end_is_a_finding(task, monkeypatch):
    monkeypatch.setattr(module, "max", lambda *_: 0.5, raising=False)
    found = part("sleep").run(task)
    assert found.verdict == "finding"
    assert "did not end" in found.findings[0]


def test_a_part_whose_ground_was_left_out_is_not_run(task, provenance):
    found = audit([part(GOOD, name="properties", needs=("tests",))], task, provenance)
    result = found.result("properties")
    assert result.verdict == "not run"
    assert "tests" in result.findings[0]
    assert not found.complete


def test_the_report_says_what_was_left_out(task, provenance):
    found = audit([part(GOOD, name="proofs")], task, provenance)
    assert found.ok
    assert not found.complete
    for shown in (text(found), page(found)):
        assert "Not run: Deployed code is what the source gives" in shown
        assert "12,000" in shown
        assert provenance.commit in shown


def test_a_finding_is_in_all_three_and_spoils_the_verdict(task, provenance):
    bad = GOOD | {"ok": False, "findings": ["<b>bold</b> as brass"]}
    found = audit([part(bad, 1, name="proofs")], task, provenance)
    assert not found.ok
    assert "Findings in: The part proofs" in verdict(found)
    assert "<b>bold</b> as brass" in text(found)
    assert "&lt;b&gt;bold&lt;/b&gt; as brass" in page(found)
    assert "<b>bold</b>" not in page(found)
    assert json.loads(json.dumps(found.plain()))["ok"] is False


def test_a_changed_tree_is_no_commit(task, provenance):
    changed = Provenance(**{**{f: getattr(provenance, f) for f in provenance.__slots__}, "changed": ("a.py",)})
    found = audit([part(GOOD, name="proofs")], task, changed)
    assert "an audit of no commit" in verdict(found)
    assert not found.complete


def test_a_folder_without_git_is_no_commit(task, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # no git there
    found = audit([part(GOOD, name=one.name) for one in PARTS], task, gather(1_800_000_000))
    assert found.provenance.commit == NO_CHECKOUT
    assert not found.complete
    assert "an audit of no commit" in verdict(found)


def test_every_part_has_a_line(task, provenance):
    found = audit([part(GOOD, name="proofs")], task, provenance)
    assert len(summary(found).lines) == len(PARTS)


def test_lists_of_objects_are_tables():
    said = GOOD | {"lemmas": [{"id": "L-01", "ok": True}, {"id": "L-02", "ms": 1.5}], "files": {"a.vy": {"killed": 3}}}
    found = {sheet.title: sheet for sheet in sheets(said)}
    assert found["lemmas"].head == ("id", "ok", "ms")
    assert found["lemmas"].lines == (("L-01", "yes", ""), ("L-02", "", "1.5"))
    assert found["files"].lines == (("a.vy", "3"),)


def test_the_last_object_printed_counts():
    assert said_by('a line\n{"ok": false}\n{"ok": true}\n') == {"ok": True}
    with pytest.raises(AuditError):
        said_by("")


@pytest.mark.parametrize(
    ("only", "without", "expected"),
    [
        pytest.param(("prooves",), (), "no part prooves; parts are build", id="unknown"),
        pytest.param(("proofs",), ("proofs",), "nothing is left", id="nothing"),
    ],
)
def test_parts_that_are_not_there_are_refused(only, without, expected):
    with pytest.raises(AuditError, match=expected):
        chosen(only, without)


def test_what_a_part_needs_comes_before_it():
    order = [part.name for part in PARTS]
    assert all(order.index(need) < order.index(part.name) for part in PARTS for need in part.needs)


def test_the_limits_are_the_readme_s():
    found = limits()
    assert len(found) >= 5
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert all(" ".join(limit.split()) in readme for limit in found)


def test_what_is_audited_is_read_off_the_checkout():
    found = gather(1_800_000_000)
    assert len(found.commit) == 40 or found.commit == "not a checkout"
    assert found.versions["vyper"] == "0.4.3"
    assert "contracts/Clearinghouse.vy" in found.sources
    assert "requirements/main.lock" in found.locks
    assert all(0 < size <= 24_576 for _, size in found.code.values())


def test_the_command_refuses_unknown_parts(capsys, tmp_path):
    with pytest.raises(SystemExit) as left:
        main(["audit", "--only", "prooves", "--out", str(tmp_path / "report")])
    assert left.value.code == 2
    assert "no part prooves" in capsys.readouterr().err
    assert not (tmp_path / "report").exists()


def test_the_command_writes_three_files_and_says_where(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PARTS", (part(GOOD, name="proofs"),))
    with pytest.raises(SystemExit) as left:
        main(["audit", "--out", str(tmp_path), "--only", "proofs"])
    assert left.value.code == 0
    assert "audit.html" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"audit.html", "audit.txt", "audit.json", "logs"}
    said = json.loads((tmp_path / "audit.json").read_text())
    assert [r["said"]["counts"] for r in said["results"] if r["verdict"] == "ok"] == [{"cases": 12_000}]

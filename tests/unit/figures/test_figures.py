import json
import re
import sys

import pytest

from plimsoll.chain.artifacts import ROOT
from plimsoll.figures import main, table
from plimsoll.figures.commands import FigureError, run
from plimsoll.figures.row import Row
from plimsoll.figures.rows import ROWS
from plimsoll.figures.sources import Sources


@pytest.fixture
def rows(monkeypatch, tmp_path):
    """Two rows of known values, one quick and one long, and files of their own."""
    known = (
        Row("quick.one", "s", ("<", 90), lambda _: 12.3456),
        Row("quick.zero", "cases", ("=", 0), lambda _: 1),
        Row("long.one", "s", ("<=", 5), lambda _: 5, long=True),
    )
    monkeypatch.setattr(table, "ROWS", known)
    monkeypatch.setattr(table, "BUILD", tmp_path)
    monkeypatch.setattr(table, "KEPT", tmp_path / "kept.json")
    return tmp_path


@pytest.mark.parametrize(
    ("bar", "met", "missed"),
    [
        (("<", 90), 89.9, 90),
        (("<=", 90), 90, 90.1),
        ((">=", 5_000), 5_000, 4_999),
        (("=", 0), 0, 1),
    ],
)
def test_a_verdict_turns_at_the_bar(bar, met, missed):
    row = Row("any", "unit", bar, lambda _: 0)
    assert (row.verdict(met), row.verdict(missed)) == ("ok", "short")


def test_what_falls_short_is_said_and_makes_the_command_fail(rows, capsys):
    assert main([]) == 1
    entries = json.loads((rows / "figures.json").read_text())
    assert entries == [
        {"name": "quick.one", "value": 12.346, "unit": "s", "bar": "< 90", "verdict": "ok"},
        {"name": "quick.zero", "value": 1, "unit": "cases", "bar": "= 0", "verdict": "short"},
    ]
    assert "short" in capsys.readouterr().out


def test_one_row_alone(rows):
    assert main(["quick.one"]) == 0
    assert [entry["name"] for entry in json.loads((rows / "figures.json").read_text())] == ["quick.one"]


def test_long_rows_are_kept_with_date_and_commit_and_shown_beside_the_quick(rows, capsys):
    assert main(["--long"]) == 0
    (kept,) = json.loads((rows / "kept.json").read_text())
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", kept["date"])
    assert kept["commit"]
    main([])
    assert [entry["name"] for entry in json.loads((rows / "figures.json").read_text())][-1] == "long.one"
    assert kept["date"] in capsys.readouterr().out


def test_an_unknown_row_is_refused_and_nothing_is_written(rows, capsys):
    assert main(["quick.two"]) == 2
    assert "quick.two" in capsys.readouterr().err
    assert not (rows / "figures.json").exists()


def test_rows_of_recorded_prices_are_left_out_by_name_without_them(rows, monkeypatch, capsys):
    monkeypatch.delenv("PLIMSOLL_DATA", raising=False)
    recorded = Row("recorded", "s", ("<", 1), lambda _: 0.5, data=True)
    monkeypatch.setattr(table, "ROWS", (recorded, Row("other", "s", ("<", 1), lambda _: 0.5)))
    assert main([]) == 0
    assert "left out, as PLIMSOLL_DATA is unset: recorded" in capsys.readouterr().err
    assert "recorded" not in (rows / "figures.json").read_text()
    monkeypatch.setenv("PLIMSOLL_DATA", "somewhere")
    assert main([]) == 0
    assert "recorded" in (rows / "figures.json").read_text()


def test_a_command_that_fails_is_named_with_its_last_words():
    with pytest.raises(FigureError, match="ended with 3:\nlast words"):
        run([sys.executable, "-c", "print('last words'); raise SystemExit(3)"])


def test_a_figure_that_cannot_be_measured_makes_the_command_fail_and_the_others_stand(rows, monkeypatch, capsys):
    def broken(_):
        raise FigureError("the demo did not run")

    before = {"name": "broken", "value": 3, "unit": "s", "bar": "< 1", "verdict": "ok", "date": "2026-01-01"}
    (rows / "kept.json").write_text(json.dumps([before]))
    after = Row("after", "s", ("<", 1), lambda _: 0.5)
    monkeypatch.setattr(table, "ROWS", (Row("broken", "s", ("<", 1), broken, long=True), after))
    assert main(["broken", "after"]) == 1
    said = capsys.readouterr()
    assert "broken: the demo did not run" in said.err
    assert "none" in said.out
    found = {
        entry["name"]: (entry["value"], entry["verdict"]) for entry in json.loads((rows / "figures.json").read_text())
    }
    assert found == {"broken": (None, "short"), "after": (0.5, "ok")}
    assert json.loads((rows / "kept.json").read_text()) == [before]  # what it was is not forgotten


def test_a_part_that_prints_no_json_is_named():
    said = r"`python -m tests.proofs --help --json` printed .*examples:.*, which is no JSON"
    with pytest.raises(FigureError, match=said):
        Sources._part("tests.proofs", "--help")


def test_counts_add_up_and_a_failure_counts(tmp_path):
    path = tmp_path / "test_toy.py"
    path.write_text(
        "from tests.counts import record\n"
        "def test_one(): record(cases=2, max_error=3)\n"
        "def test_two(): record(cases=5, max_error=1); assert False\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    found = Sources._counted(str(path), "-n", "0", "-c", str(tmp_path / "pytest.ini"))
    assert found == {"passed": 1, "failed": 1, "cases": 7, "max_error": 3}


def test_the_readme_cites_rows_and_their_bars_only():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    cited = dict(re.findall(r"^\| `([a-z_0-9.]+)` \|.*\| ([<>=]+ [0-9.]+) \|$", text, re.MULTILINE))
    assert cited == {row.name: row.limit for row in ROWS}


def test_the_audit_comes_first_and_what_it_measured_is_not_measured_again(rows, monkeypatch):
    asked = []

    def row(name):
        return Row(name, "s", ("<", 9), lambda _: asked.append(name) or 1)

    monkeypatch.setattr(table, "ROWS", (row("scale.one"), row("audit.one"), row("last")))
    assert main([]) == 0
    assert asked == ["audit.one", "scale.one", "last"]
    entries = json.loads((rows / "figures.json").read_text())
    assert [entry["name"] for entry in entries] == ["scale.one", "audit.one", "last"]

    monkeypatch.setattr(Sources, "_part", staticmethod(lambda *_: {"counts": {"by itself": 1}}))
    audited = Sources()
    vars(audited)["audit"] = {"parts": {"symbolic": {"counts": {"in the audit": 1}}, "proofs": {}}}
    assert audited.symbolic == {"in the audit": 1}
    assert audited.proofs == audited.splits == Sources().symbolic == {"by itself": 1}

"""Scores, gates, reasons and what is stale."""

import json

import pytest

from plimsoll.chain.artifacts import ROOT
from tests.mutation import record, twin
from tests.mutation.__main__ import Run, main, parser
from tests.mutation.targets import CONTRACTS_GATE, MODULES_GATE, gate_of

ENTRY = {"killed": ["a"] * 18, "survivors": [{"id": "b"}, {"id": "c"}]}


def listed(tmp_path, **fields):
    """A list of survivors with one entry."""
    entry = {"id": "b", "file": "f.vy", "edit": "x -> y", "kind": "equivalent", "reason": "same"} | fields
    path = tmp_path / "survivors.toml"
    path.write_text("[[survivor]]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in entry.items()))
    return path


def test_a_score_counts_what_survived_unless_it_is_equivalent(tmp_path):
    assert record.score(ENTRY, {}) == (18, 20, 0.9)
    assert record.score(ENTRY, record.reasons(listed(tmp_path))) == (18, 19, 18 / 19)
    assert record.score(ENTRY, record.reasons(listed(tmp_path, kind="accepted"))) == (18, 20, 0.9)
    assert record.score({"killed": [], "survivors": []}, {}) == (0, 0, 1.0)


def test_gates():
    assert gate_of("contracts/modules/fixed.vy") == gate_of("offchain/plimsoll/spec/wad.py") == MODULES_GATE == 0.95
    assert gate_of("contracts/Lens.vy") == CONTRACTS_GATE == 0.9
    assert record.passes("contracts/Lens.vy", ENTRY, {})
    assert not record.passes("contracts/modules/fixed.vy", ENTRY, {})


def test_a_stale_reason_is_told(tmp_path):
    known = record.reasons(listed(tmp_path))
    assert record.stale(known, {"b"}, set()) == []
    assert "no mutant any more" in record.stale(known, set(), set())[0]
    assert "is killed" in record.stale(known, {"b"}, {"b"})[0]


@pytest.mark.parametrize(
    ("fields", "why"), [({"kind": "so what"}, "kind 'so what'"), ({"reason": " "}, "no reason"), ({"who": "x"}, "who")]
)
def test_a_bad_entry_is_refused(tmp_path, fields, why):
    with pytest.raises(record.RecordError, match=why):
        record.reasons(listed(tmp_path, **fields))


def test_an_entry_there_twice_is_refused(tmp_path):
    path = listed(tmp_path)
    path.write_text(path.read_text() * 2)
    with pytest.raises(record.RecordError, match="there twice"):
        record.reasons(path)


def test_wilsons_interval():
    # Wilson (1927), as tabulated: 8 of 10 is .490 to .943, 10 of 10 begins at .722
    assert record.wilson(8, 10) == pytest.approx((0.490, 0.943), abs=0.001)
    assert record.wilson(10, 10) == pytest.approx((0.722, 1.0), abs=0.001)
    assert record.wilson(0, 0) == (0.0, 1.0)


def test_an_unknown_file_is_bad_input(capsys):
    assert main(["--file", "contracts/None.vy"]) == 2
    assert "not mutated: contracts/None.vy" in " ".join(capsys.readouterr().err.split())


def test_the_record_in_git_is_of_mutants_that_exist(capsys):
    code = main(["--show", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert code in {0, 1}
    assert [finding for finding in said["findings"] if "stale" in finding.get("what", "")] == []
    assert all(row["judged"] > 0 for row in said["files"])


def with_reasons(*reasons: record.Reason) -> Run:
    """A run with this list of reasons."""
    run = Run(parser().parse_args(["--show"]))
    run.reasons = {reason.id: reason for reason in reasons}
    return run


def test_a_reason_for_what_was_never_a_mutant_is_stale(monkeypatch, capsys):
    spec, contract = twin.SPEC + "wad.py", "contracts/modules/fixed.vy"
    run = with_reasons(*(record.Reason(path[-6:], path, "x -> y", "accepted", "none") for path in (spec, contract)))
    monkeypatch.setattr(twin, "at_hand", lambda _root: False)
    run.check_reasons(run.record["files"])
    assert [finding["what"].split(":")[:2] for finding in run.findings] == [["stale reason", f" {contract}"]]
    assert f"for want of {twin.ENVIRONMENT}: {spec}" in capsys.readouterr().err.replace("\n", " ")


def test_a_judged_mutants_reason_needs_no_mutmut(monkeypatch):
    spec = twin.SPEC + "wad.py"
    entries = {spec: {"source": record.digest([ROOT / spec]), "killed": ["a"], "survivors": [{"id": "b"}]}}
    run = with_reasons(*(record.Reason(name, spec, "x -> y", "accepted", "none") for name in "ab"))
    monkeypatch.setattr(twin, "at_hand", lambda _root: False)
    run.check_reasons(entries)
    assert [finding["what"] for finding in run.findings] == [
        f"stale reason: {spec}: a (x -> y) is killed: take it off the list"
    ]

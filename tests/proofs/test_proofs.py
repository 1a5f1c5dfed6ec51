"""Every lemma is proven, every twin refuted by integers that the faulty code, run, fails for."""

import pytest

from tests.proofs.__main__ import findings_of, judge, main, not_worked_out
from tests.proofs.document import PAGE, renewed
from tests.proofs.lemmas import PROOFS
from tests.proofs.registry import LEMMAS
from tests.proofs.vyper import ROOT, parse, read, unsafe_calls

# The solver takes seconds, and on a busy machine many, for these; `make prove` proves them with the others.
LONG = {"L-11", "L-37", "L-58", "L-60", "L-61"}


@pytest.mark.parametrize(
    "lemma", [pytest.param(lemma, marks=pytest.mark.long) if lemma in LONG else lemma for lemma in sorted(PROOFS)]
)
def test_a_lemma_holds_and_its_twin_does_not(lemma):
    assert findings_of(judge(lemma)) == []


@pytest.mark.long  # every proof once more, in one process; `make prove` asks it as well
def test_every_unchecked_operation_is_worked_out_by_a_lemma_that_names_its_function():
    assert not_worked_out() == []


def test_an_unchecked_operation_that_no_lemma_names_is_said(monkeypatch):
    monkeypatch.setattr("tests.proofs.__main__.PROOFS", {})
    found = not_worked_out()
    assert len(found) == sum(len(nodes) for nodes in unsafe_calls().values()) > 100
    assert all("no lemma works out unsafe_" in line for line in found)


def test_no_lemma_of_the_registry_lacks_a_proof():
    assert sorted(PROOFS) == sorted(LEMMAS)


@pytest.mark.parametrize("lemma", sorted(LEMMAS))
def test_where_a_lemma_is_used_there_is_such_a_function(lemma):
    for place in LEMMAS[lemma].used_in:
        path, function = place.split("::")
        assert function in parse(path, read(path)).functions, f"{place} under {ROOT.name}"


def test_the_page_for_auditors_is_up_to_date():
    text = PAGE.read_text()
    assert renewed(text) == text, "python -m tests.proofs.document writes it anew"


def test_an_unknown_lemma_is_bad_input(capsys):
    assert main(["--id", "L-00"]) == 2
    assert "no lemma L-00" in capsys.readouterr().err

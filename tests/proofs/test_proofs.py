"""Every lemma is proven, every twin refuted by integers that the faulty code, run, fails for."""

import ast

import pytest

from tests.proofs.__main__ import findings_of, judge, main
from tests.proofs.document import PAGE, renewed
from tests.proofs.lemmas import PROOFS
from tests.proofs.prove import seen_by
from tests.proofs.registry import LEMMAS
from tests.proofs.vyper import ROOT, parse, read, unsafe_calls


@pytest.mark.parametrize("lemma", sorted(PROOFS))
def test_a_lemma_holds_and_its_twin_does_not(lemma):
    assert findings_of(judge(lemma)) == []


def test_every_unchecked_operation_is_worked_out_by_a_lemma_that_names_its_function():
    # that the lemmas hold is the test before
    missing = [
        f"{path}::{function}, line {node.lineno}: {ast.unparse(node)}"
        for (path, function), nodes in unsafe_calls().items()
        for node in nodes
        if not any(
            (path, node.lineno, node.col_offset) in seen_by(lemma)
            for lemma in PROOFS
            if f"{path}::{function}" in LEMMAS[lemma].used_in
        )
    ]
    assert missing == []


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

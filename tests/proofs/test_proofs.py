"""Every lemma is proven, every twin refuted by integers that the faulty code, run, fails for."""

import pytest

from tests.proofs.__main__ import findings_of, judge, main
from tests.proofs.lemmas import PROOFS
from tests.proofs.registry import LEMMAS


@pytest.mark.parametrize("lemma", sorted(PROOFS))
def test_a_lemma_holds_and_its_twin_does_not(lemma):
    assert findings_of(judge(lemma)) == []


def test_no_lemma_of_the_registry_lacks_a_proof():
    assert sorted(PROOFS) == sorted(LEMMAS)


def test_an_unknown_lemma_is_bad_input(capsys):
    assert main(["--id", "L-00"]) == 2
    assert "no lemma L-00" in capsys.readouterr().err

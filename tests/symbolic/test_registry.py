"""The registry is whole, what halmos is given is what would be deployed, and the judge tells a proof from a silence."""

from dataclasses import replace

import pyrevm
import pytest
from eth_abi import encode

from plimsoll.chain.artifacts import ROOT, load
from tests.symbolic.__main__ import findings, main, report
from tests.symbolic.build import BuildError, deployed, foundry_json, mutating, planted
from tests.symbolic.registry import CHECKS, KINDS, TIMELOCK
from tests.symbolic.run import ENVIRONMENT, Outcome, Run, judged, run

HERE = ROOT / "tests" / "symbolic"
BY_ID = {check.id: check for check in CHECKS}
CHEAPEST = "S-06"
PROOF = Run("holds", 9, 4, 1.0, {})
REFUTED = Run("counterexample", 3, 1, 1.0, {"caller": "0x0"})


def test_ids_are_in_order_without_a_gap():
    assert [check.id for check in CHECKS] == [f"S-{number:02}" for number in range(1, len(CHECKS) + 1)]


def test_every_kind_is_checked():
    assert {check.kind for check in CHECKS} == set(KINDS)


def test_no_sentence_stands_twice():
    assert len({check.sentence for check in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_its_function_is_in_its_harness(check):
    source = (HERE / f"{check.harness}.vy").read_text()

    assert f"def {check.test}(" in source


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_its_twin_still_applies_and_changes_something(check, tmp_path):
    root = planted(check.twin, tmp_path)

    there, here = ((base / "contracts" / check.twin.path).read_text() for base in (root, ROOT))
    assert there != here


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_what_it_names_is_there(check):
    for name, values in check.stands.items():
        artifact = load(name)
        assert set(values) <= {each.name for each in artifact.immutables}
        assert check.named(name) <= set(mutating(artifact))


def test_every_check_of_a_harness_is_in_the_registry():
    written = {
        (path.stem, line.removeprefix("def ").split("(")[0])
        for path in HERE.glob("*.vy")
        for line in path.read_text().splitlines()
        if line.startswith("def check_")
    }

    assert written == {(check.harness, check.test) for check in CHECKS}


def test_owners_are_where_the_checks_put_them():
    for name in ("Registry", "Guardrails", "RiskOracle", "IndexFeed", "History", "Breakers", "Liquidator"):
        assert load(name).layout["storage_layout"]["ownable"]["owner"]["slot"] == 0


def test_the_code_under_check_is_what_a_constructor_leaves():
    timelock = load("Timelock")
    people = [f"0x{number:040x}" for number in (11, 12, 13)]
    arguments = encode(
        ["address[]", "address[]", "address[]", "uint256", "uint256", "bytes4[]"],
        [people[:1], people[:1], people[1:], 60, TIMELOCK["LONGEST"], []],
    )
    evm = pyrevm.EVM()
    deployer = f"0x{1:040x}"

    address = evm.deploy(deployer, timelock.bytecode + arguments)

    code, expected = bytes(evm.get_code(address)), deployed(timelock, TIMELOCK)
    assert code[: len(expected)] == expected
    assert not any(code[len(expected) :])  # revm pads what it runs


def test_an_immutable_that_is_not_there_is_refused():
    with pytest.raises(BuildError, match="Timelock has no immutable SHORTEST; it has LONGEST"):
        deployed(load("Timelock"), {"SHORTEST": 1})


def test_a_bug_that_has_no_place_is_refused(tmp_path):
    with pytest.raises(BuildError, match=r"Timelock\.vy has 0 times, not once"):
        planted(replace(BY_ID["S-11"].twin, path="Timelock.vy", old="no such text"), tmp_path)


def test_halmos_is_given_the_selectors_that_vyper_gives():
    found = foundry_json(load("MockToken"), ["transfer"])

    assert found["methodIdentifiers"] == {"transfer(address,uint256)": "a9059cbb"}
    assert [entry["name"] for entry in found["abi"]] == ["transfer"]


def told(**changes):
    result = {"exitcode": 0, "num_paths": [5, 3, 0], "num_bounded_loops": 0, "models": [], **changes}
    return judged({"test_results": {"Governed.vy:Governed": [result]}}, 1.0)


def test_a_check_whose_paths_all_end_is_a_proof():
    assert told().verdict == "holds"


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ({"exitcode": 2}, "timeout"),
        ({"exitcode": 3}, "stuck"),
        ({"exitcode": 4}, "no path ends well"),
        ({"exitcode": 5, "num_paths": None}, "error"),
        ({"num_bounded_loops": 1}, "loops cut short"),
        ({"exitcode": 1, "models": [{"model": {}, "is_valid": False}]}, "counterexample that may be none"),
    ],
)
def test_whatever_is_no_proof_is_not_taken_for_one(said, verdict):
    found = told(**said)

    assert found.verdict.startswith(verdict)
    assert not Outcome(CHECKS[0], found, REFUTED).ok


def test_no_check_at_all_is_no_proof():
    assert judged({"test_results": {}}, 1.0).verdict.startswith("0 checks ran")


@pytest.mark.parametrize(
    ("real", "twin", "finding"),
    [
        (PROOF, REFUTED, None),
        (REFUTED, REFUTED, "S-01 counterexample at caller = 0x0"),
        (replace(PROOF, ended=0), REFUTED, "S-01 says nothing"),
        (PROOF, PROOF, "S-01 cannot tell that"),
        (PROOF, Run("timeout", 1, 0, 1.0, {}), "S-01 cannot tell that"),
    ],
)
def test_a_finding_is_whatever_leaves_the_sentence_open(real, twin, finding):
    outcome = Outcome(CHECKS[0], real, twin)
    found = findings(outcome)

    assert outcome.ok == (finding is None)
    assert [text[: len(finding)] for text in found] == [finding] if finding else found == []
    assert report([outcome], 2.0)["ok"] == outcome.ok


def test_an_unknown_check_is_bad_input(capsys):
    assert main(["--id", "S-00"]) == 2
    assert "no check S-00; there are S-01" in capsys.readouterr().err


@pytest.mark.slow
def test_the_cheapest_check_holds_and_its_twin_does_not():
    if not (ENVIRONMENT / "bin" / "halmos").exists():
        pytest.skip(f"no {ENVIRONMENT.name}; `make symbolic` makes it, and runs every check")

    assert findings(run(BY_ID[CHEAPEST])) == []

"""Every numbered property is held by tests that run, the document says so, and a run's report can be judged by it."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import properties
from tests.invariants import PROPERTIES, SECTIONS, Property
from tests.properties import DOCUMENT, FAILED, HELD, NOT_RUN, ROOT, TESTS, PropertyError, all_tests_of, runs_of


@pytest.mark.parametrize("number", PROPERTIES)
def test_what_holds_a_property_is_there(number: str) -> None:
    held = PROPERTIES[number]
    assert re.fullmatch(r"I-\d{2,3}", number)
    assert held.sentence.endswith(".")
    assert len(set(held.held_by)) == len(held.held_by) > 0
    assert all(re.fullmatch(r"[LS]-\d{2}", proof) for proof in held.proofs)
    assert all_tests_of(held)  # raises where a place is none


def test_numbers_rise_and_have_their_section() -> None:
    numbers = [int(number.removeprefix("I-")) for number in PROPERTIES]
    assert numbers == sorted(set(numbers))
    assert {number // 10 for number in numbers} == SECTIONS.keys()
    assert len({held.sentence for held in PROPERTIES.values()}) == len(PROPERTIES)


@pytest.mark.parametrize(
    "place",
    ["unit/nowhere/test_post.py::", "stateful/watch.py::check_nothing", "unit/oracle/test_post.py::test_no_such"],
)
def test_a_place_that_is_none_is_refused(place: str) -> None:
    with pytest.raises(PropertyError, match=re.escape(f"tests/{place.partition('::')[0]}")):
        runs_of(place)


def test_rules_and_checks_are_called() -> None:
    """A check that nothing calls holds nothing: each is a rule, an invariant, or named once more than it is defined."""
    source = "".join((TESTS / file).read_text() for file in properties.MACHINES)
    places = {place for held in PROPERTIES.values() for place in held.held_by}
    for file, _, name in (place.partition("::") for place in places):
        if file in properties.MACHINES and not name.startswith("test_"):
            is_rule = re.search(rf"@(rule|invariant)\([^\n]*\)\n    def {name}\(", source)
            assert is_rule or len(re.findall(rf"\b{name}\(", source)) > 1, name


def collected(session: pytest.Session) -> set[str]:
    """Every test that the usual run collects, without parameters: of this run, or where it is a part, of another."""
    files = {test.partition("::")[0] for held in PROPERTIES.values() for test in all_tests_of(held)}
    here = {item.nodeid.partition("[")[0] for item in session.items}
    if {f"tests/{file}" for file in files} <= {name.partition("::")[0] for name in here}:
        return here
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    found = subprocess.run(
        [*command, *(f"tests/{file}" for file in sorted(files))], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout[-2_000:]
    return {line.partition("[")[0] for line in found.stdout.splitlines() if "::" in line}


@pytest.mark.slow
def test_all_of_them_are_collected_by_the_usual_run(request: pytest.FixtureRequest) -> None:
    known = collected(request.session)
    missing = {
        number: left
        for number, held in PROPERTIES.items()
        if (left := [test for test in all_tests_of(held) if f"tests/{test}" not in known])
    }
    assert missing == {}


def test_numbers_that_tests_give_are_properties() -> None:
    named = set()
    for folder in ("stateful", "agreement", "regression", "unit", "attacks", "integration"):
        for path in sorted((TESTS / folder).rglob("*.py")):
            if path.name == Path(__file__).name:
                continue  # makes some up
            named |= set(re.findall(r"\bI-\d{2,3}\b", path.read_text()))
    assert len(named) > 20
    assert named <= PROPERTIES.keys()


def test_the_document_is_the_registrys() -> None:
    assert DOCUMENT.read_text() == properties.document(), "python -m tests.properties --write"


def test_a_document_that_differs_is_a_finding(tmp_path, monkeypatch, capsys) -> None:
    there = tmp_path / "INVARIANTS.md"
    monkeypatch.setattr(properties, "DOCUMENT", there)
    assert properties.main(["--check"]) == 1
    assert properties.main(["--write"]) == 0
    assert properties.main(["--check"]) == 0
    there.write_text(there.read_text().replace("I-23", "I-24", 1))
    capsys.readouterr()
    assert properties.main(["--check", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["findings"]


@pytest.mark.parametrize(("prefix", "module", "name"), [("L", "proofs", "LEMMAS"), ("S", "symbolic", "CHECKS")])
def test_proofs_that_are_named_are_there(prefix: str, module: str, name: str) -> None:
    named = {proof for held in PROPERTIES.values() for proof in held.proofs if proof.startswith(f"{prefix}-")}
    known = getattr(importlib.import_module(f"tests.{module}.registry"), name)
    assert named
    assert named <= {getattr(entry, "id", entry) for entry in known}


REPORT = """<testsuites><testsuite>
<testcase classname="tests.unit.fund.test_views" name="test_rounding_is_for_the_fund" />
<testcase classname="tests.unit.fund.test_transfer.TestTransfer" name="test_moves_shares[a::b]" />
<testcase classname="tests.unit.fund.test_transfer.TestTransfer" name="test_moves_shares[c]">{}</testcase>
</testsuite></testsuites>"""


@pytest.mark.parametrize(
    ("inside", "said"),
    [("", HELD), ("<failure/>", FAILED), ("<error/>", FAILED), ("<skipped/>", NOT_RUN)],
)
def test_a_report_says_what_was_held(tmp_path, monkeypatch, inside: str, said: str) -> None:
    """A property needs all its tests; one case that failed is enough against it, in a class as anywhere."""
    folder = tmp_path / "unit" / "fund"
    folder.mkdir(parents=True)
    (folder / "test_views.py").write_text("def test_rounding_is_for_the_fund(): pass\n")
    (folder / "test_transfer.py").write_text("class TestTransfer:\n    def test_moves_shares(self): pass\n")
    monkeypatch.setattr(properties, "TESTS", tmp_path)
    runs_of.cache_clear()
    properties.known_tests.cache_clear()
    views, transfer = "unit/fund/test_views.py::", "unit/fund/test_transfer.py::test_moves_shares"
    made = {"I-01": Property("One.", (views,)), "I-99": Property("Two.", (views, transfer))}
    monkeypatch.setattr(properties, "PROPERTIES", made)
    report = tmp_path / "run.xml"
    report.write_text(REPORT.format(inside))
    try:
        assert properties.results(report) == {"I-01": HELD, "I-99": said}
        report.write_text("<testsuites/>")
        assert properties.results(report) == {"I-01": NOT_RUN, "I-99": NOT_RUN}
    finally:
        runs_of.cache_clear()
        properties.known_tests.cache_clear()


def test_rules_map_to_the_test_that_drives_them() -> None:
    driver = "stateful/test_protocol.py::test_properties_hold_in_any_order"
    assert runs_of("stateful/watch.py::check_conservation") == (driver,)
    assert runs_of("stateful/test_protocol.py::attacker_donates") == (driver,)
    assert len(runs_of("unit/fund/test_transfer.py::test_requested_shares_do_not_move")) == 2


@pytest.mark.parametrize("arguments", [["I-00"], ["--results", "no/such.xml"]])
def test_bad_input_is_named(arguments: list[str], capsys) -> None:
    assert properties.main(arguments) == 2
    assert arguments[-1] in capsys.readouterr().err


def test_all_are_listed_as_json(capsys) -> None:
    assert properties.main(["--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["part"] == "properties"
    assert said["ok"]
    assert said["counts"]["properties"] == len(PROPERTIES) == len(said["properties"])
    assert said["properties"]["I-23"]["tests"]


@pytest.mark.slow
def test_a_property_is_run_by_its_number(capfd) -> None:
    """Its tests and no other: in a process of their own, judged by their report."""
    assert properties.main(["--run", "I-116", "--json"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert said["counts"]["held"] == 1
    assert said["properties"]["I-116"]["result"] == HELD
    assert "result" not in said["properties"]["I-115"]

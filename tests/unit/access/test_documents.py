"""The auditor's documents name what is there: functions, tests, properties, pages, commands."""

import re
from pathlib import Path

import pytest

from plimsoll.chain import artifacts
from plimsoll.cli import cli
from tests.access import ROOT
from tests.invariants import PROPERTIES
from tests.properties import PropertyError, runs_of

NAMES = ("AUDIT", "TRUST", "THREATS")
# a link to a file of tests, and the names behind it that are meant to be in it
LINK = re.compile(r"\]\(\.\./tests/([\w/.]+\.py)\)((?:[\s,;:]*(?:and[a-z ,]*)?`[a-z_A-Z0-9]+`(?!\())*)")


def read(name):
    return (ROOT / "docs" / f"{name}.md").read_text()


def named_in(text):
    """Of each link to a file of tests: the file, and the names that follow it."""
    return [(file, re.findall(r"`(\w+)`", names)) for file, names in LINK.findall(text)]


def is_there(file, name):
    """Whether a name, with ``test_`` or without, is a test of a file, or a rule or check of a state machine."""
    for whole in (f"test_{name}", name):
        try:
            return bool(runs_of(f"{file}::{whole}"))
        except PropertyError:
            continue
    return False


@pytest.mark.parametrize("name", NAMES)
def test_tests_that_are_named_are_there(name):
    found = named_in(read(name))
    assert len(found) > {"TRUST": 60, "THREATS": 50, "AUDIT": 3}[name]
    missing = [(file, test) for file, names in found for test in names if not is_there(file, test)]
    assert missing == []


def test_a_name_that_is_none_is_found():
    text = "see [x](../tests/unit/oracle/test_post.py) `below_quorum`, and what is left, `no_such_test`; `elsewhere`"
    ((file, names),) = named_in(text)
    assert [is_there(file, name) for name in names] == [True, False, False]


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    links = re.findall(r"\]\(([^)\s]+)\)", read(name))
    assert len(links) > 15
    for link in links:
        target, _, anchor = link.partition("#")
        path = (ROOT / "docs" / target).resolve() if target else ROOT / "docs" / f"{name}.md"
        assert path.exists(), link
        if anchor.startswith("i-"):
            assert anchor.upper() in PROPERTIES, link
        elif anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
            known = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in known, link


@pytest.mark.parametrize("name", NAMES)
def test_properties_that_are_named_are_numbered(name):
    named = set(re.findall(r"\bI-\d{2,3}\b", read(name)))
    assert named
    assert named <= PROPERTIES.keys()


@pytest.mark.parametrize("name", NAMES)
def test_functions_that_are_named_are_there(name):
    """`Contract.function` is of its ABI; `_internal` is defined in some contract."""
    text = read(name)
    for contract, function in re.findall(r"`([A-Z]\w+)\.([a-z]\w*)", text):
        known = {entry.get("name") for entry in artifacts.load(contract).abi}
        assert function in known, f"{contract}.{function}"
    sources = "".join(path.read_text() for path in (ROOT / "contracts").rglob("*.vy"))
    for internal in re.findall(r"`(_\w+)`", text):
        assert f"def {internal}(" in sources, internal


def test_commands_that_are_named_are_there():
    text = read("AUDIT") + read("TRUST") + read("THREATS")
    for module in re.findall(r"python -m tests\.(\w+)", text):
        assert (ROOT / "tests" / f"{module}.py").exists() or (ROOT / "tests" / module / "__main__.py").exists(), module
    for command in re.findall(r"`plimsoll ([\w-]+)", text):
        assert command in cli.commands, command
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([\w-]+)", text)) <= targets


def rows(prefix):
    """Rows of the tables of THREATS.md by number."""
    found = re.findall(rf"^\| ({prefix}-\d\d) \| (.+) \|$", read("THREATS"), re.MULTILINE)
    return {number: [cell.strip() for cell in rest.split(" | ")] for number, rest in found}


@pytest.mark.parametrize(("prefix", "cells", "least"), [("T", 4, 28), ("N", 5, 26)])
def test_threats_are_numbered_and_each_has_control_test_and_rest(prefix, cells, least):
    found = rows(prefix)
    assert len(found) >= least
    assert [int(number[2:]) for number in found] == list(range(1, len(found) + 1))
    for number, row in found.items():
        assert len(row) == cells, number
        assert all(row), number
        ((_, names), *_) = named_in(row[-2])
        assert names, number
        assert set(re.findall(r"\b[TN]-\d\d\b", " ".join(row))) <= rows("T").keys() | rows("N").keys()


def test_every_regression_file_is_in_the_table():
    linked = set(re.findall(r"\.\./tests/regression/(test_\w+\.py)", read("THREATS")))
    assert linked == {path.name for path in Path(ROOT / "tests" / "regression").glob("test_*.py")}

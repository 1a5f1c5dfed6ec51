"""Interfaces, selectors, storage and code are what git says; and a drift is found, and said."""

import dataclasses
import itertools
import json

import pytest

from plimsoll.chain.artifacts import EXTENSIONS, MAX_RUNTIME, variables
from plimsoll.chain.deployment import CONTRACTS
from tests import snapshots
from tests.isolation import _function_isolation
from tests.snapshots.__main__ import main

__all__ = ["_function_isolation"]


@pytest.fixture(scope="module")
def found():
    return snapshots.deployables()


@pytest.fixture(scope="module")
def now():
    return snapshots.take()


def test_nothing_drifted(now):
    findings = snapshots.drift(now, snapshots.kept())
    assert not findings, "\n" + snapshots.explained(findings)


def test_all_that_is_deployed_is_kept(now):
    assert {f"abi/{name}.json" for name in CONTRACTS.values()} <= set(now)


def test_no_selector_means_two_functions_at_one_address(found):
    assert snapshots.clashes(found) == []
    assert any(code == "BackOffice" for _, _, code in snapshots.selectors(found)["Clearinghouse"])


def test_a_clash_is_said(found):
    office = found["BackOffice"]
    taken = next(entry for entry in found["Clearinghouse"].abi if entry.get("name") == "deposit")
    clashing = dataclasses.replace(office, abi=[*office.abi, taken])
    (said,) = snapshots.clashes({**found, "BackOffice": clashing})
    assert said.startswith("Clearinghouse: 0x")
    assert said.count("deposit(uint256,address,uint256)") == 2


@pytest.mark.parametrize("space", ["storage_layout", "transient_storage_layout"])
def test_what_shares_an_address_shares_its_storage(found, space):
    for contract, extension in EXTENSIONS.items():
        mine, its = (list(variables(found[name].layout[space])) for name in (contract, extension))
        assert mine == its
        assert mine


def test_variables_do_not_overlap(found):
    for name, artifact in found.items():
        for space in ("storage_layout", "transient_storage_layout", "code_layout"):
            rows = sorted(variables(artifact.layout.get(space) or {}), key=lambda each: each.at)
            for mine, its in itertools.pairwise(rows):
                assert mine.at + mine.length <= its.at, f"{name}: {mine.name} lies over {its.name}"


def test_all_fit_with_their_immutables(found):
    for name, artifact in found.items():
        assert artifact.size <= MAX_RUNTIME, name
        assert len(artifact.bytecode) <= snapshots.MAX_CREATION, name


def test_a_drift_is_named_line_by_line(tmp_path):
    snapshots.write({"code.txt": "a 1\nb 2\n", "abi/Gone.json": "[]\n"}, tmp_path)
    before = snapshots.kept(tmp_path)
    findings = snapshots.drift({"code.txt": "a 1\nb 3\n"}, before)
    assert findings == [
        {"file": "tests/snapshots/abi/Gone.json", "changed": ["-[]"]},
        {"file": "tests/snapshots/code.txt", "changed": ["-b 2", "+b 3"]},
    ]
    said = snapshots.explained(findings)
    assert "+b 3" in said
    assert said.endswith("make snapshots-update")


def test_renewing_keeps_nothing_old(tmp_path):
    snapshots.write({"abi/Gone.json": "[]\n", "code.txt": "1\n"}, tmp_path)
    snapshots.write({"code.txt": "2\n"}, tmp_path)
    assert snapshots.kept(tmp_path) == {"code.txt": "2\n"}


def test_a_changed_variable_is_a_changed_layout(found):
    layout = json.loads(json.dumps(found["Exchange"].layout))
    name = next(iter(layout["storage_layout"]))
    layout["storage_layout"]["moved"] = layout["storage_layout"].pop(name)
    assert snapshots.layout_text(layout) != snapshots.layout_text(found["Exchange"].layout)


def test_the_command_fails_on_drift_and_says_so(monkeypatch, capsys):
    monkeypatch.setattr("tests.snapshots.__main__.take", lambda: {"code.txt": "other\n"})
    assert main(["--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["part"] == "snapshots"
    assert not said["ok"]
    assert said["counts"]["changed"] == len(said["findings"]) > 1

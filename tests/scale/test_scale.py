"""Agreement at scale, a little of it: a few thousand cases, a planted fault, the record, and the cases once kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from plimsoll.spec.liquidator import discount_of
from plimsoll.spec.margin import slope
from plimsoll.spec.registry import fee_rate
from tests.counts import record as count
from tests.pairs import Mismatch
from tests.scale import record
from tests.scale.__main__ import main
from tests.scale.bytecode import Answer, reason_of, revert_data
from tests.scale.engine import KINDS, SCENE, Finding, Stands, Tally, cases_of, family_of, run
from tests.scale.kept import Kept, drawn_again, kept_cases, replay, shrunk
from tests.scale.kind import CASES, Seen
from tests.scale.planted import FAULTS, PATIENCE, hunt
from tests.scale.shards import blocks_of
from tests.strategies import Arrays

SEED = 2_026
BLOCKS, COUNT = 3, 800


@pytest.fixture(scope="module")
def stands() -> Stands:
    return Stands()


def test_drawn_cases_agree(stands: Stands) -> None:
    sums = Tally()
    for block in range(BLOCKS):
        sums.add(run(stands, SEED, block, KINDS, COUNT))
    count(scale_cases=sums.cases, scale_mismatches=len(sums.findings))
    assert sums.findings == []
    assert sums.cases == BLOCKS * COUNT
    assert sums.rows.keys() == KINDS.keys()
    margin = sums.rows["margin"]
    assert margin.cases > 900
    assert sum(margin.sizes[bucket] for bucket in (126, 127)) > margin.cases // 100
    assert margin.sizes[127] > 0
    assert 0 < sum(row.reverts for row in sums.rows.values()) < sums.cases // 4
    assert all(row.gas > 20_000 * row.cases for row in sums.rows.values())  # each was a whole call


def test_a_block_is_the_same_cases_wherever_it_is_run(stands: Stands) -> None:
    again, _ = drawn_again(stands, SEED, Finding(3, 17, "", ""), KINDS)
    other, _ = drawn_again(Stands(), SEED, Finding(3, 17, "", ""), KINDS)
    assert again == other
    assert again != drawn_again(stands, SEED + 1, Finding(3, 17, "", ""), KINDS)[0]


@pytest.mark.parametrize(("block", "scene"), [(0, 0), (1, 0), (1, 2)])
def test_an_address_is_the_case_that_was_run_there(stands: Stands, block: int, scene: int) -> None:
    """Also where one draw makes several cases, and in a later scene of its block."""
    build, kinds = family_of(block, KINDS)
    stand, source = stands.of(build), Arrays(SEED, block, scene)
    with stand.load(stand.draw(source)) as loaded:
        made = list(cases_of(source, stand, loaded, kinds, 12))
    assert len(made) == 12
    for place in (0, 1, 5, 11):
        finding = Finding(block, scene * stand.cases + place, "", "")
        assert drawn_again(stands, SEED, finding, KINDS)[0].case == made[place]


def test_a_block_of_what_is_posted_has_several_scenes(stands: Stands, monkeypatch: pytest.MonkeyPatch) -> None:
    """The places of its findings are those of the block, and of a scene that differs, the scene's."""
    build, _ = family_of(1, KINDS)
    first = build.cases
    tally = run(stands, SEED, 1, KINDS, first + 1)
    assert (tally.scenes, tally.cases) == (2, first + 1)

    def differs(*_: object) -> Seen:
        raise Mismatch("planted")

    with monkeypatch.context() as patched:
        patched.setattr(build, "check", differs)
        places = [finding.place for finding in run(stands, SEED, 1, KINDS, first + 2, most=first + 9).findings]
    assert places == list(range(first + 2))
    calls: list[object] = []

    @contextmanager
    def load(self: object, known: object) -> Iterator[Any]:
        calls.append(known)
        if len(calls) == 2:
            raise Mismatch("planted")
        with loads(self, known) as loaded:
            yield loaded

    loads = build.load
    with monkeypatch.context() as patched:
        patched.setattr(build, "load", load)
        found = run(stands, SEED, 1, KINDS, first + 2).findings
    assert [(finding.place, finding.kind) for finding in found] == [(SCENE - 1, "posting")]
    kept, _ = drawn_again(stands, SEED, found[0], KINDS)
    assert TypeAdapter(build.scene).validate_python(kept.scene) == calls[1]


@pytest.mark.parametrize("path", kept_cases(), ids=lambda path: path.stem)
def test_a_case_once_kept_agrees(stands: Stands, path: Path) -> None:
    replay(stands, Kept.read(path))


def test_a_fault_is_found_shrunk_and_kept(stands: Stands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A fault in the twin, which costs no compiling; `--planted` plants them in contracts."""
    monkeypatch.setattr("plimsoll.spec.liquidator.discount_of", lambda found, share: discount_of(found, share) - 1)
    findings: list[Finding] = []
    blocks = iter(range(1, 20))
    while not findings:
        findings = run(stands, SEED, next(blocks), ["auction"], most=1).findings
    kept = shrunk(stands, SEED, findings[0], ["auction"], patience=2.0)
    again = Kept.read(kept.write(tmp_path))
    assert again.case == kept.case
    with pytest.raises(Mismatch):
        replay(stands, again)
    monkeypatch.undo()
    replay(stands, again)
    first, _ = drawn_again(stands, SEED, findings[0], ["auction"])
    assert len(kept.text) < len(first.text)


def test_the_command_counts_what_it_ran(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cases", str(CASES + 1), "--jobs", "1", "--kinds", "fees", "--seed", "3", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["ok"], said["findings"]) == (True, [])
    assert said["counts"]["cases"] == said["counts"]["kinds"]["fees"]["cases"] == CASES + 1
    assert said["counts"]["scenes"] == 2


def test_the_command_tells_what_differs_and_keeps_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("plimsoll.spec.registry.fee_rate", lambda *args, **scales: fee_rate(*args, **scales) + 1)
    monkeypatch.setattr("tests.scale.__main__.FOLDER", tmp_path)
    monkeypatch.setattr("tests.scale.__main__.SHRINKING", 0.5)
    assert main(["--cases", "20", "--jobs", "1", "--kinds", "fees", "--seed", "3", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is False
    assert "[python -m tests.scale --seed 3 --replay 0:0 --kinds fees]" in said["findings"][0]
    assert main(["--seed", "3", "--replay", "0:0", "--kinds", "fees", "--json"]) == 1
    assert len(kept_cases(tmp_path)) == 1


def test_a_scene_that_differs_is_found_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plimsoll.spec.margin.slope", lambda rate, price: slope(rate, price) + 1)
    findings: list[Finding] = []
    stands, blocks = Stands(), iter(range(2, 20))
    while not findings:
        findings = run(stands, SEED, next(blocks), ["fees"], 1).findings
    assert (findings[0].place, findings[0].kind) == (SCENE, "world")
    kept, _ = drawn_again(stands, SEED, findings[0], ["fees"])
    with pytest.raises(Mismatch):
        replay(stands, kept)
    monkeypatch.undo()
    replay(Stands(), kept)


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_planted_in_a_contract_is_found_soon(fault: str) -> None:
    found = hunt(fault)
    assert found.finding is not None
    assert found.seconds < PATIENCE


def test_blocks_are_all_the_cases() -> None:
    assert blocks_of(2 * CASES + 1) == [(0, CASES), (1, CASES), (2, 1)]
    assert blocks_of(CASES) == [(0, CASES)]
    assert sum(cases for _, cases in blocks_of(12_345)) == 12_345


def test_a_reason_is_read_from_what_was_reverted_with() -> None:
    for reason in ("", "feed: stale price", "x" * 33):
        assert reason_of(Answer(revert_data(reason), True)) == reason
    assert reason_of(Answer(bytes(32), False)) is None


def test_the_record_sums_its_runs(tmp_path: Path) -> None:
    path = tmp_path / "agreement.json"
    sums = Tally()
    sums.add(run(Stands(), SEED, 1, ["fees", "mark"], 20))
    code = record.code()
    record.append(record.run_of(code, sums, SEED, 1, 1.5), path)
    record.append(record.run_of(code, sums, SEED, 1, 2.0), path)
    found = json.loads(path.read_text())
    assert found["totals"]["cases"] == 40
    assert found["totals"]["seconds"] == 3.5
    assert sum(found["totals"]["kinds"].values()) == 40
    assert [each["cases"] for each in found["runs"]] == [20, 20]
    assert found["totals"]["different"] == 20  # one seed: the same cases
    assert record.next_seed(path) == SEED + 1


def test_the_record_in_git_adds_up() -> None:
    found = json.loads(record.PATH.read_text())
    assert found["totals"] == record.totals(found["runs"])
    assert found["totals"]["mismatches"] == 0


def test_a_case_is_shown_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", str(SEED), "--replay", "1:0", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["part"] == "scale"
    assert said["ok"] is True
    assert said["found"] == f"{SEED}:1:0"


@pytest.mark.parametrize(
    "wrong",
    [["--cases", "0"], ["--replay", "1"], ["--replay", f"1:{CASES}"], ["--replay", "0:-2"], ["--kinds", "luck"]],
)
def test_what_cannot_be_is_refused(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(wrong)
    assert refused.value.code == 2

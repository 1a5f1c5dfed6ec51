"""`python -m tests.coverage`: which lines and branches of the contracts, and of the package, the tests reach.

Runs tests with contracts that carry probes (`tests.coverage.probes`) and with coverage.py, prints a table, and writes
what is not reached, by file and line, into `build/coverage/uncovered.txt`. Of the package those parts are counted whose
own unit tests were among what was run; a file that was edited since the tests began is named, and not counted.

    --quick     the unit tests alone
    --contracts the contracts' unit tests alone, and Python is not watched
    --only ...  these tests instead
    --more      add to what the runs before saw
    --again     no run: report what the last one saw
    --jobs N    test processes
    --record    keep the numbers in docs/coverage.json, with what is not reached and the hash of every contract's source
    --recorded  no run: whether docs/coverage.json still speaks of this tree, in seconds
    --json      one object: part, ok, seconds, counts (tests passed, failed, skipped; lines, covered, branches, taken of
                vyper and of python), units (the same of each), tests (which were run), edited (files of the
                package), findings (kind, file, line, function, what, source)

A finding is a line or branch of a contract that is neither reached nor in `tests/coverage/uncovered.yaml` with a
reason, or a reason that no longer fits; with `--recorded` also a contract whose source is not what was recorded, and
`date` says when that was. Of Python the listing says what is not reached; it is no finding. Tests that
measure gas or code, or that give a call a stipend, may fail with probes, which cost both: they are counted, and no
findings.

Exit codes: 0 no finding; 1 findings; 2 the input is bad, no test ran, or there is no record.

    python -m tests.coverage --contracts --record
    python -m tests.coverage --more --only tests/unit/fund/test_pay_moved.py
    python -m tests.coverage --recorded --json
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from plimsoll.chain.artifacts import ROOT
from tests.coverage import record, report, settings


def run(tests: Sequence[str], jobs: int, *, more: bool, alone: bool) -> None:
    """Run tests with everything that watches them."""
    from tests.coverage import probes

    probes.compile_all(jobs)
    begun = time.time()
    before = json.loads(settings.OUTCOME.read_text(encoding="utf-8")) if more and settings.OUTCOME.exists() else None
    for folder in (settings.SEEN, settings.PYTHON):
        if not more:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
    settings.OUTCOME.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        str(jobs),
        "--dist",
        "worksteal",
        "-p",
        "tests.coverage.plugin",
    ]
    command += [f"--ignore={path}" for path in settings.LEFT_OUT]
    environment = {**os.environ, "PLIMSOLL_PROFILE": os.environ.get("PLIMSOLL_PROFILE", "ci")}
    if alone:
        environment[settings.CONTRACTS_ALONE] = "1"
    subprocess.run([*command, *tests], cwd=ROOT, env=environment, stdout=sys.stderr, check=False)
    if not settings.OUTCOME.exists():
        return
    now = {**json.loads(settings.OUTCOME.read_text(encoding="utf-8")), "tests": list(tests)}
    if before is not None:
        now = {key: before.get(key, []) + now[key] for key in now}
        begun = min(begun, before.get("begun", begun))
    now |= {"tests": sorted(set(now["tests"])), "begun": begun}
    settings.OUTCOME.write_text(json.dumps(now), encoding="utf-8")


def result_of(seconds: float, *, alone: bool) -> tuple[dict[str, Any], list[report.Unit], list[report.Unit]]:
    """The last run's numbers, and the units behind them."""
    outcome = json.loads(settings.OUTCOME.read_text(encoding="utf-8"))
    vyper = report.vyper_units(report.seen_of())
    moved = report.edited(outcome.get("begun", 0.0))
    python = [] if alone else report.tested(report.python_units(moved), outcome.get("tests", []))
    findings = report.judged(vyper, report.reasons_of())
    result = {
        "part": "coverage",
        "ok": not findings,
        "seconds": round(seconds, 1),
        "counts": {
            "passed": outcome["passed"],
            "failed": len(outcome["failed"]),
            "skipped": outcome["skipped"],
            "vyper": report.total("vyper", vyper).to_plain(),
            "python": report.total("python", python).to_plain() if python else None,
            "reasons": len(report.reasons_of()),
        },
        "failed": outcome["failed"],
        "tests": outcome.get("tests", []),
        "edited": moved if python else [],
        "units": [unit.to_plain() for unit in [*vyper, *python]],
        "findings": findings,
    }
    return result, vyper, python


def keep(result: dict[str, Any], vyper: Sequence[report.Unit], python: Sequence[report.Unit]) -> None:
    """Record a result; what the contracts lack goes with it, so that reasons can be held to it without a run."""
    kept = {key: value for key, value in result.items() if key != "seconds"}  # of a report alone, that says nothing
    kept = {
        "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        **kept,
        "missed": [item for unit in vyper for item in unit.missed],
        "sources": record.sources_of(),
        "python": report.by_file(python),
    }
    settings.SUMMARY.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def tell(findings: Sequence[dict[str, Any]]) -> None:
    """Print findings, one by one."""
    for item in findings:
        print(f"  {item['kind']}: {item['file']}:{item.get('line', '')} {item['what']}\n      {item['source']}")  # noqa: T201 - a command


def recorded(begun: float, *, as_json: bool) -> int:
    """What the record says of this tree."""
    try:
        result = record.judged(record.read(), record.sources_of(), report.reasons_of())
    except record.RecordError as error:
        sys.stderr.write(f"coverage: {error}\n")
        return 2
    result["seconds"] = round(time.monotonic() - begun, 1)
    if as_json:
        print(json.dumps(result))  # noqa: T201 - a command
    else:
        vyper = result["counts"]["vyper"]
        print(  # noqa: T201
            f"recorded {result['date']}: {vyper['covered']} of {vyper['lines']} lines, "
            f"{vyper['taken']} of {vyper['branches']} branches of the contracts; "
            f"{result['counts']['reasons']} reasons, {len(result['findings'])} findings"
        )
        tell(result["findings"])
    return 0 if result["ok"] else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and report."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.coverage", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the unit tests alone")
    parser.add_argument("--contracts", action="store_true", help="the contracts' unit tests alone, without Python")
    parser.add_argument("--only", nargs="+", metavar="PATH", help="these tests instead")
    parser.add_argument("--more", action="store_true", help="add to what the runs before saw")
    parser.add_argument("--again", action="store_true", help="no run: report what the last one saw")
    parser.add_argument("--jobs", type=int, default=2, help="test processes")
    parser.add_argument("--record", action="store_true", help="keep the numbers in docs/coverage.json")
    parser.add_argument("--recorded", action="store_true", help="no run: whether docs/coverage.json still holds")
    parser.add_argument("--json", action="store_true", help="the result for programs")
    asked = parser.parse_args(arguments)
    begun = time.monotonic()
    if asked.recorded:
        return recorded(begun, as_json=asked.json)
    if not asked.again:
        chosen = settings.CONTRACTS if asked.contracts else settings.QUICK if asked.quick else settings.USUAL
        run(asked.only or chosen, asked.jobs, more=asked.more, alone=asked.contracts)
    if not settings.OUTCOME.exists():
        sys.stderr.write("coverage: no tests ran; run without --again\n")
        return 2
    result, vyper, python = result_of(time.monotonic() - begun, alone=asked.contracts)
    text = "\n\n".join([report.listing(vyper), report.listing(python)])
    (settings.FOLDER / "uncovered.txt").write_text(text + "\n", encoding="utf-8")
    if asked.record:
        keep(result, vyper, python)
    if asked.json:
        print(json.dumps(result))  # noqa: T201 - a command
    else:
        counts = result["counts"]
        print(report.table(vyper, "contracts"))  # noqa: T201
        if python:
            print("\n" + report.table(python, "packages"))  # noqa: T201
        print(f"\n{counts['passed']} tests passed, {counts['failed']} failed with probes, {counts['skipped']} left out")  # noqa: T201
        print(f"{len(result['findings'])} findings; build/coverage/uncovered.txt lists what is not reached")  # noqa: T201
        tell(result["findings"])
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())

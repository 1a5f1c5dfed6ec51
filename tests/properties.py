"""The numbered properties and their tests: list them, run them, tell from a run's report which ones it held.

    python -m tests.properties                     # every property: number and sentence
    python -m tests.properties I-23 I-24           # these, with what holds them
    python -m tests.properties --run I-23          # run the tests of I-23
    python -m tests.properties --results run.xml   # of a run with `pytest --junitxml run.xml`: held, failed, not run
    python -m tests.properties --write             # renew docs/INVARIANTS.md; --check says whether it is the registry's
    python -m tests.properties --json              # all of it as one JSON object

Exit codes: 0 good, 1 a finding (a property that failed or was not run, a document that differs), 2 bad input.

The JSON object: ``part`` "properties", ``ok``, ``seconds``, ``counts`` (properties, tests, proofs; and held, failed,
not_run where a run is looked at), ``findings`` (a sentence each), ``properties`` (by number: sentence, held_by, tests,
proofs, and result where there is one).

The registry itself is `tests.invariants`.
"""

from __future__ import annotations

import argparse
import ast
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.invariants import PROPERTIES, SECTIONS, Property
from tests.junit import ReportError, cases

TESTS: Final = Path(__file__).resolve().parent
ROOT: Final = TESTS.parent
DOCUMENT: Final = ROOT / "docs" / "INVARIANTS.md"

HELD: Final = "held"
FAILED: Final = "failed"
NOT_RUN: Final = "not run"

# Rules and checks of a state machine run within the one test that drives it.
MACHINES: Final = {
    "stateful/test_protocol.py": "stateful/test_protocol.py::test_properties_hold_in_any_order",
    "stateful/watch.py": "stateful/test_protocol.py::test_properties_hold_in_any_order",
}

PROOFS: Final = {"L": "../tests/proofs/registry.py", "S": "../tests/symbolic/registry.py"}


class PropertyError(Exception):
    """A number, a place or a report that is none."""


@cache
def known_tests(file: str) -> dict[str, tuple[str, ...]]:
    """Every test of a file by its bare name: where it stands, from `tests`, without parameters.

    Raises
    ------
    PropertyError
        Where there is no such file.

    """
    path = TESTS / file
    if not path.is_file():
        msg = f"tests/{file}: no such file; name one under tests/"
        raise PropertyError(msg)
    found: dict[str, tuple[str, ...]] = {}
    for node in ast.parse(path.read_text()).body:
        inside = node.body if isinstance(node, ast.ClassDef) and node.name.startswith("Test") else [node]
        middle = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        for test in inside:
            if isinstance(test, ast.FunctionDef) and test.name.startswith("test_"):
                found[test.name] = (*found.get(test.name, ()), f"{file}::{middle}{test.name}")
    return found


@cache
def _defined(file: str) -> frozenset[str]:
    return frozenset(n.name for n in ast.walk(ast.parse((TESTS / file).read_text())) if isinstance(n, ast.FunctionDef))


@cache
def runs_of(place: str) -> tuple[str, ...]:
    """The tests that run what a place names: file::test, or file::Class::test, from `tests`, without parameters.

    Raises
    ------
    PropertyError
        Where the place names nothing that any test runs.

    """
    file, _, name = place.partition("::")
    known = known_tests(file)
    if not name:
        found = tuple(node for nodes in known.values() for node in nodes)
    elif name in known:
        found = known[name]
    elif file in MACHINES and name in _defined(file):
        found = (MACHINES[file],)
    else:
        found = ()
    if not found:
        msg = f"tests/{place}: no test there; name a test of that file, or a rule or check of a state machine"
        raise PropertyError(msg)
    return found


def all_tests_of(held: Property) -> tuple[str, ...]:
    """All tests that hold a property, each once, in the registry's order."""
    return tuple(dict.fromkeys(test for place in held.held_by for test in runs_of(place)))


def outcomes(report: Path) -> dict[str, set[str]]:
    """What became of every case of every test in a JUnit report: passed, failed or skipped, by test.

    Raises
    ------
    PropertyError
        Where the file is not there or is no report.

    """
    try:
        read = cases(report)
    except ReportError as error:
        raise PropertyError(str(error)) from error
    found: dict[str, set[str]] = {}
    for case in read:
        found.setdefault(f"{case.owner}.{case.name.partition('[')[0]}", set()).add(case.outcome)
    return found


def _in_report(test: str) -> str:
    file, _, inside = test.partition("::")
    return ".".join(("tests", *Path(file).with_suffix("").parts, *inside.split("::")))


def results(junit_path: str | Path) -> dict[str, str]:
    """Of each property, by a JUnit report of a test run: ``held``, ``failed`` or ``not run``.

    A property is held where each of its tests ran, in one case at least, and none of the cases failed or was left out;
    it failed where any case of any of its tests did.

    Raises
    ------
    PropertyError
        Where the report is none.

    """
    found = outcomes(Path(junit_path))
    said = {}
    for number, held in PROPERTIES.items():
        states = [found.get(_in_report(test), {"skipped"}) for test in all_tests_of(held)]
        if any("failed" in state for state in states):
            said[number] = FAILED
        else:
            said[number] = NOT_RUN if any("skipped" in state for state in states) else HELD
    return said


def section_of(number: str) -> int:
    """The ten that a number is in."""
    return int(number.removeprefix("I-")) // 10


def _held_by(held: Property) -> str:
    """The places of a property, by file, as links."""
    names: dict[str, list[str]] = {}
    for place in held.held_by:
        file, _, name = place.partition("::")
        names.setdefault(file, []).append(name)
    return "\n".join(
        f"- [{file}](../tests/{file}): " + ", ".join(f"`{name}`" if name else "every test of it" for name in inside)
        for file, inside in names.items()
    )


def document() -> str:
    """What `docs/INVARIANTS.md` must be."""
    lines = [
        "# What always holds",
        "",
        "<!-- Written by `python -m tests.properties --write` from tests/invariants.py: change that. -->",
        "",
        f"{len(PROPERTIES)} properties, each with the tests that hold it, and what of it is proven.",
        "`python -m tests.properties --run I-23` runs the tests of one; `--results run.xml` tells from a whole run's",
        "report (`pytest --junitxml run.xml`) which were held, failed, or not run. A test fails when a number has no",
        "test, when a named test is not there or not collected by `make test`, or when this page and",
        "[the registry](../tests/invariants.py) differ.",
        "",
        "A name that is no test is a rule or a check of the state machine of",
        "[stateful/test_protocol.py](../tests/stateful/test_protocol.py), which calls every external function in drawn",
        f"order and is looked at after every step. `L-..` are lemmas of [tests/proofs]({PROOFS['L']}), `S-..` symbolic",
        f"checks of [tests/symbolic]({PROOFS['S']}); [ARITHMETIC.md](ARITHMETIC.md) has the derivations. A test shows",
        "that a property was not broken in what it tried; a proof, that it cannot be, under the assumptions that it",
        "states. What neither says is in [AUDIT.md](AUDIT.md).",
        "",
    ]
    for section, title in SECTIONS.items():
        lines += [f"## {title}", ""]
        for number, held in PROPERTIES.items():
            if section_of(number) != section:
                continue
            lines += [f"### {number}", "", held.sentence, "", _held_by(held)]
            if held.proofs:
                lines.append("- proven of it: " + ", ".join(f"[{name}]({PROOFS[name[0]]})" for name in held.proofs))
            lines.append("")
    return "\n".join(lines)


def run_tests(tests: Iterable[str], report: Path, *, is_quiet: bool) -> int:
    """Run tests in a process of their own, with a JUnit report; pytest's exit code."""
    tests = list(tests)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}"]
    if not any(test.startswith("integration/") for test in tests):
        command += ["-p", "no:ape_test"]  # ape stands up a chain of its own first, which takes longer than most tests
    command += [f"tests/{test}" for test in tests]
    out = sys.stderr if is_quiet else None
    return subprocess.run(command, cwd=ROOT, stdout=out, check=False).returncode


def summary(said: Mapping[str, str] | None, findings: Sequence[str], seconds: float) -> dict[str, Any]:
    """The JSON object of the module's docstring."""
    counts = {
        "properties": len(PROPERTIES),
        "tests": len({test for held in PROPERTIES.values() for test in all_tests_of(held)}),
        "proofs": len({proof for held in PROPERTIES.values() for proof in held.proofs}),
    }
    if said is not None:
        states = list(said.values())
        counts |= {"held": states.count(HELD), "failed": states.count(FAILED), "not_run": states.count(NOT_RUN)}
    return {
        "part": "properties",
        "ok": not findings,
        "seconds": round(seconds, 3),
        "counts": counts,
        "findings": list(findings),
        "properties": {
            number: {
                "sentence": held.sentence,
                "held_by": held.held_by,
                "tests": all_tests_of(held),
                "proofs": held.proofs,
                **({"result": said[number]} if said and number in said else {}),
            }
            for number, held in PROPERTIES.items()
        },
    }


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(
        prog="python -m tests.properties",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("numbers", nargs="*", metavar="I-..", help="properties; all where none is named")
    what = made.add_mutually_exclusive_group()
    what.add_argument("--run", action="store_true", help="run their tests")
    what.add_argument("--results", metavar="XML", help="judge a run by its JUnit report")
    what.add_argument("--write", action="store_true", help="write docs/INVARIANTS.md")
    what.add_argument("--check", action="store_true", help="whether docs/INVARIANTS.md is what --write would write")
    made.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return made


def check_known(numbers: Sequence[str]) -> None:
    """Refuse a number that is no property's.

    Raises
    ------
    PropertyError
        Where there is one.

    """
    unknown = [number for number in numbers if number not in PROPERTIES]
    if unknown:
        msg = f"{', '.join(unknown)}: no such property; I-01 .. {list(PROPERTIES)[-1]}, with gaps"
        raise PropertyError(msg)


def judged(arguments: argparse.Namespace, chosen: Sequence[str]) -> dict[str, str] | None:
    """Results by number of what was asked for, or None where no run is looked at."""
    if arguments.results:
        found = results(arguments.results)
    elif arguments.run:
        tests = dict.fromkeys(test for number in chosen for test in all_tests_of(PROPERTIES[number]))
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "run.xml"
            run_tests(tests, report, is_quiet=arguments.json)
            found = results(report)
    else:
        return None
    return {number: found[number] for number in chosen}


def show(chosen: Sequence[str], said: Mapping[str, str] | None, *, is_whole: bool) -> None:
    """Properties for the terminal: with what holds them where they were asked for by number."""
    for number in chosen:
        state = f" [{said[number]}]" if said else ""
        print(f"{number}{state}  {PROPERTIES[number].sentence}")  # noqa: T201
        if is_whole:
            for place in (*PROPERTIES[number].held_by, *PROPERTIES[number].proofs):
                print(f"    {place}")  # noqa: T201


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    start = time.monotonic()
    arguments = parser().parse_args(argv)
    chosen = arguments.numbers or list(PROPERTIES)
    findings: list[str] = []
    try:
        check_known(chosen)
        if arguments.write:
            DOCUMENT.write_text(document())
        if arguments.check and (not DOCUMENT.is_file() or DOCUMENT.read_text() != document()):
            findings.append("docs/INVARIANTS.md differs from the registry; python -m tests.properties --write")
        said = judged(arguments, chosen)
    except PropertyError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    findings += [f"{number}: {state}" for number, state in (said or {}).items() if state != HELD]
    if arguments.json:
        json.dump(summary(said, findings, time.monotonic() - start), sys.stdout, indent=2)
        print()  # noqa: T201
    else:
        if not (arguments.write or arguments.check):
            show(chosen, said, is_whole=bool(arguments.numbers))
        for finding in findings:
            print(finding, file=sys.stderr)  # noqa: T201
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())

"""The parts of an audit: what each shows, and how it is run.

A part is a command of the checkout that prints one JSON object (`part`, `ok`, `seconds`, `counts`, `findings`, and
lists of what it looked at). A command that does not end, or does not say so, is a finding and never a pass.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from plimsoll.audit.errors import AuditError
from plimsoll.chain.artifacts import ROOT

SAID: Final = 12  # lines of what a failed command said that are kept
CASES: Final = 1_000_000
SAMPLE: Final = 40


@dataclass(frozen=True, slots=True)
class Task:
    """How much is asked of an audit, and where it writes.

    Parameters
    ----------
    out
        Folder of logs and reports.
    jobs
        Processes.
    cases
        Agreement cases.
    sample
        Mutants that are run again and held to the record.
    seed
        Of cases, books and the sample.
    """

    out: Path
    jobs: int = 2
    cases: int = CASES
    sample: int = SAMPLE
    seed: int = 1

    @property
    def junit(self) -> Path:
        """Where the tests say how each of them ended."""
        return self.out / "tests.xml"


@dataclass(frozen=True, slots=True)
class Result:
    """What a part came to.

    Parameters
    ----------
    name, title
        Of the part.
    verdict
        `ok`, `finding`, or `not run`.
    seconds
        By the clock on the wall.
    said
        The part's own object.
    findings
        What is wrong, a sentence each; of a part that was not run, why.
    """

    name: str
    title: str
    verdict: str
    seconds: float
    said: dict[str, Any] = field(default_factory=dict)
    findings: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Part:
    """One of them: `shows` is what a reader may conclude where it is ok; `minutes` is about how long, on two cores."""

    name: str
    title: str
    shows: str
    command: Callable[[Task], list[str]]
    minutes: float
    needs: tuple[str, ...] = ()  # parts that must have run before

    def run(self, task: Task, root: Path = ROOT) -> Result:
        """Run it, and read what it says; its standard error is kept in the folder of logs."""
        start = time.monotonic()
        words = [sys.executable, "-m", *self.command(task)]
        log = task.out / "logs" / f"{self.name}.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        limit = max(1_800.0, 8 * 60 * self.minutes)
        try:
            with log.open("w", encoding="utf-8") as errors:
                done = subprocess.run(  # noqa: S603 - our own commands
                    words,
                    cwd=root,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    timeout=limit,
                    check=False,
                    env={**os.environ, "PLIMSOLL_PROFILE": os.environ.get("PLIMSOLL_PROFILE", "ci")},
                )
        except subprocess.TimeoutExpired:
            took = time.monotonic() - start
            return Result(self.name, self.title, "finding", took, {}, (f"did not end within {limit:.0f} s",))
        took = time.monotonic() - start
        try:
            said = said_by(done.stdout)
        except AuditError as error:
            tail = "\n".join((done.stdout + log.read_text(encoding="utf-8")).strip().splitlines()[-SAID:])
            return Result(self.name, self.title, "finding", took, {}, (f"{error}; exit {done.returncode}: {tail}",))
        findings = tuple(sentence(item) for item in said.get("findings", ()))
        good = said.get("ok") is True and done.returncode == 0
        if not good and not findings:
            findings = (f"ended with {done.returncode} and names no finding",)
        return Result(self.name, self.title, "ok" if good else "finding", took, said, () if good else findings)


def sentence(finding: Any) -> str:
    """A finding in words: some parts give them as objects."""
    if isinstance(finding, Mapping):
        return ", ".join(f"{key} {value}" for key, value in finding.items())
    return str(finding)


def said_by(output: str) -> dict[str, Any]:
    """The object that a command printed: its last line that is one, or all of it.

    Raises
    ------
    AuditError
        Where there is none.
    """
    for text in (output, *reversed(output.splitlines())):
        try:
            found = json.loads(text)
        except ValueError:
            continue
        if isinstance(found, dict) and "ok" in found:
            return found
    raise AuditError("it said nothing that can be read: a part prints one JSON object with `ok`")


PARTS: Final[tuple[Part, ...]] = (
    Part(
        "build",
        "Deployed code is what the source gives",
        "The compiled contracts in use are, byte for byte, what the pinned compiler makes of the sources listed.",
        lambda _: ["plimsoll.cli", "verify-build", "--artifacts", ".build", "--json"],
        2,
    ),
    Part(
        "snapshots",
        "Nothing that others rely on has drifted",
        "ABI, selectors, storage layouts and code sizes are those that were agreed and are in git.",
        lambda _: ["tests.snapshots", "--json"],
        1,
    ),
    Part(
        "tests",
        "The test suite",
        "Every function's outcomes and named refusals; sequences of both sides; incidents that happened elsewhere.",
        # one process more than there are cores: some tests wait for a node's next block
        lambda task: ["tests.run", "--junit", str(task.junit), "--jobs", str(task.jobs + 1), "--json"],
        9,
    ),
    Part(
        "properties",
        "The numbered properties",
        "Each sentence of docs/INVARIANTS.md was held by the tests that it names, in the run above.",
        lambda task: ["tests.properties", "--results", str(task.junit), "--json"],
        0.1,
        ("tests",),
    ),
    Part(
        "agreement",
        "Chain and twin agree, at scale",
        "Drawn cases, the whole call in bytecode and in the integer twin: the same answer or the same refusal.",
        lambda task: [
            *("tests.scale", "--cases", str(task.cases), "--seed", str(task.seed)),
            *("--jobs", str(task.jobs), "--json"),
        ],
        9,
    ),
    Part(
        "proofs",
        "Lemmas of the arithmetic",
        "For all integers in range, by z3; each lemma's twin with a planted bug is refuted by a counterexample.",
        lambda _: ["tests.proofs", "--json"],
        0.5,
    ),
    Part(
        "symbolic",
        "Symbolic checks of the bytecode",
        "For all calls within stated bounds, by halmos on compiled code; each check's twin with a planted bug fails.",
        lambda task: ["tests.symbolic", "--jobs", str(task.jobs), "--json"],
        8,
    ),
    Part(
        "searches",
        "Searches on the enforced margin",
        "Linear programs for a book that loses more than its margin; splits that lower one. Both find what is planted.",
        lambda task: ["tests.searches", "--seed", str(task.seed), "--json"],
        3,
    ),
    Part(
        "mutation",
        "The tests notice a changed line",
        "The dated record: of every hundred small slips planted in contracts and twin, how many a test found.",
        lambda _: ["tests.mutation", "--show", "--json"],
        0.2,
    ),
    Part(
        "sample",
        "The record of mutants is true",
        "Mutants drawn from that record, run again, came out as it says.",
        lambda task: [
            *("tests.mutation", "--sample", str(task.sample), "--seed", str(task.seed)),
            *("--jobs", str(task.jobs), "--json"),
        ],
        7,
    ),
    Part(
        "coverage",
        "Lines and branches that tests run",
        "The dated record of coverage, and that every line without a test is listed with its reason.",
        lambda _: ["tests.coverage", "--recorded", "--json"],
        0.1,
    ),
)


def chosen(only: Sequence[str], without: Sequence[str]) -> list[Part]:
    """The parts that are asked for, in order.

    Raises
    ------
    AuditError
        Where a name is none of them, or nothing is left.
    """
    known = [part.name for part in PARTS]
    unknown = sorted({*only, *without} - set(known))
    if unknown:
        raise AuditError(f"no part {', '.join(unknown)}; parts are {', '.join(known)}")
    found = [part for part in PARTS if (not only or part.name in only) and part.name not in without]
    if not found:
        raise AuditError("nothing is left to run")
    return found

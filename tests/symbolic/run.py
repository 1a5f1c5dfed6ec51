"""One check under halmos, on the contracts as they are and on a copy with the planted bug."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from plimsoll.chain.artifacts import ROOT
from tests.symbolic.build import planted, write
from tests.symbolic.registry import Check

ENVIRONMENT: Final = ROOT / ".venv-symbolic"
LIMIT: Final = 600  # [s] of one run of halmos
SOLVING: Final = 60  # [s] of one question to the solver
# what halmos says of a check by its exit code
SAID: Final = {0: "holds", 1: "counterexample", 2: "timeout", 3: "stuck", 4: "no path ends well", 5: "error"}


class NoHalmosError(RuntimeError):
    """The environment of halmos is missing; the message says how to make it."""


@dataclass(frozen=True)
class Run:
    """What halmos found out about one check on one set of contracts."""

    verdict: str  # of SAID, or what is wrong with it
    paths: int  # followed
    ended: int  # of them, that went through to the end of the check
    seconds: float
    example: dict[str, str]  # the counterexample: variable to value, in hex


@dataclass(frozen=True)
class Outcome:
    """A check and its twin."""

    check: Check
    real: Run
    twin: Run

    @property
    def ok(self) -> bool:
        """Whether the sentence holds, and the check can tell: it fails on the planted bug."""
        return self.real.verdict == "holds" and self.real.ended > 0 and self.twin.verdict == "counterexample"


def halmos(environment: Path = ENVIRONMENT) -> Path:
    """The program.

    Raises
    ------
    NoHalmosError
        Where its environment was not made.
    """
    program = environment / "bin" / "halmos"
    if not program.exists():
        raise NoHalmosError(
            f"{environment.name} has no halmos; `make symbolic` makes it from requirements/symbolic.lock"
        )
    return program


def run(check: Check) -> Outcome:
    """The check, then its twin.

    Raises
    ------
    NoHalmosError, BuildError, CompileError
        Where either cannot be run.
    """
    with tempfile.TemporaryDirectory(prefix="plimsoll-symbolic-") as folder:
        real, twin = Path(folder, "real"), Path(folder, "twin")
        found = follow(check, real, ROOT)
        return Outcome(check, found, follow(check, twin, planted(check.twin, Path(folder, "planted"))))


def follow(check: Check, folder: Path, root: Path) -> Run:
    """One run of halmos on contracts under a root; `folder` is new and kept."""
    program = halmos()
    begun = time.monotonic()
    write(check, folder, root)
    tools = folder / "bin"
    tools.mkdir()
    forge = tools / "forge"  # what is to be built was written above
    forge.write_text("#!/bin/sh\nexit 0\n")
    forge.chmod(0o755)
    report = folder / "report.json"
    command = [str(program), "--root", str(folder), "--contract", check.harness, "--function", rf"{check.test}\("]
    command += ["--storage-layout", "generic", "--loop", str(check.loop), "--solver-threads", "1", "--no-status"]
    command += ["--solver-timeout-branching", f"{check.branching}ms"]
    command += ["--solver-timeout-assertion", f"{SOLVING}s", "--early-exit", "--json-output", str(report)]
    path = os.pathsep.join([str(tools), str(program.parent), os.environ.get("PATH", "")])
    # what it cannot solve it saves in the folder of temporary files: that goes with ours
    place = {**os.environ, "PATH": path, "NO_COLOR": "1", "TMPDIR": str(tools)}
    process = subprocess.Popen(
        command, env=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        said, _ = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with the solvers that it started
        process.communicate()
        return Run(f"longer than {LIMIT} s", 0, 0, time.monotonic() - begun, {})
    seconds = time.monotonic() - begun
    if not report.exists():
        return Run(f"halmos failed: {said[-400:].strip()}", 0, 0, seconds, {})
    return judged(json.loads(report.read_text()), seconds, said)


def judged(report: dict[str, Any], seconds: float, said: str = "") -> Run:
    """What a report of halmos on a single check comes to."""
    results = [result for found in report["test_results"].values() for result in found]
    if len(results) != 1:
        return Run(f"{len(results)} checks ran, not one: {said[-400:].strip()}", 0, 0, seconds, {})
    result = results[0]
    paths, ended, _ = result["num_paths"] or (0, 0, 0)
    verdict = SAID.get(result["exitcode"], f"exit code {result['exitcode']}")
    example: dict[str, str] = {}
    if verdict == "counterexample":
        valid = [model["model"] for model in result["models"] if model["is_valid"]]
        if valid:
            example = {item["variable_name"]: f"{item['value']:#x}" for item in valid[0].values()}
        else:
            verdict = "counterexample that may be none"
    elif verdict == "holds" and result["num_bounded_loops"]:
        verdict = "loops cut short"
    elif verdict not in {"holds", "no path ends well"}:
        verdict = f"{verdict}: {said[-400:].strip()}"
    return Run(verdict, paths, ended, seconds, example)

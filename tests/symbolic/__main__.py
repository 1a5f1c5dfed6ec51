"""Runs the symbolic checks, each with its twin: `python -m tests.symbolic [--id S-03] [--jobs 2] [--json]`.

With `--json`, one object: {"part": "symbolic", "ok": bool, "seconds": s, "counts": {"checks", "hold", "refuted",
"paths"}, "findings": [sentence], "checks": [{"id", "sentence", "kind", "contract", "functions", "bound", "ok",
"verdict", "paths", "ended", "seconds", "twin": {"says", "verdict", "seconds", "example": {variable: hex}}}]}. `paths`
are those that were followed, `ended` those of them that came to the end of the check.

Exit codes: 0 every sentence holds and every twin is refuted, 1 one does not, 2 no such check or no halmos.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from plimsoll.chain.errors import CompileError
from tests.symbolic.build import BuildError
from tests.symbolic.registry import CHECKS, Check
from tests.symbolic.run import NoHalmosError, Outcome, halmos, run

EXAMPLES = """examples:
  python -m tests.symbolic                 all of them, as a table
  python -m tests.symbolic --id S-03       one of them
  python -m tests.symbolic --jobs 2        two at a time
  python -m tests.symbolic --json          one JSON object, for a report
"""


def row(outcome: Outcome) -> dict[str, Any]:
    """A check and its twin, as the JSON object has them."""
    check, real, twin = outcome.check, outcome.real, outcome.twin
    return {
        "id": check.id,
        "sentence": check.sentence,
        "kind": check.kind,
        "contract": check.contract,
        "functions": check.functions,
        "bound": check.bound,
        "ok": outcome.ok,
        "verdict": real.verdict,
        "paths": real.paths,
        "ended": real.ended,
        "seconds": round(real.seconds, 1),
        "twin": {
            "says": check.twin.says,
            "verdict": twin.verdict,
            "seconds": round(twin.seconds, 1),
            "example": twin.example,
        },
    }


def findings(outcome: Outcome) -> list[str]:
    """What is wrong with a check, if anything is."""
    check, real, twin = outcome.check, outcome.real, outcome.twin
    found = []
    if real.verdict != "holds":
        example = ", ".join(f"{name} = {value}" for name, value in real.example.items())
        found.append(f"{check.id} {real.verdict}{f' at {example}' if example else ''}: {check.sentence}")
    elif not real.ended:
        found.append(f"{check.id} says nothing: no path comes to its end")
    if twin.verdict != "counterexample":
        found.append(f"{check.id} cannot tell that {check.twin.says}: with this bug it says {twin.verdict}")
    return found


def report(outcomes: Iterable[Outcome], seconds: float) -> dict[str, Any]:
    """All of it, as the docstring of this module lays out."""
    done = list(outcomes)
    found = [text for outcome in done for text in findings(outcome)]
    return {
        "part": "symbolic",
        "ok": not found,
        "seconds": round(seconds, 1),
        "counts": {
            "checks": len(done),
            "hold": sum(outcome.real.verdict == "holds" for outcome in done),
            "refuted": sum(outcome.twin.verdict == "counterexample" for outcome in done),
            "paths": sum(outcome.real.paths for outcome in done),
        },
        "findings": found,
        "checks": [row(outcome) for outcome in done],
    }


def table(outcomes: Iterable[Outcome]) -> Table:
    """One line a check."""
    lines = Table("id", "sentence", "verdict", "paths", "seconds", "the twin, and what refutes it")
    for outcome in outcomes:
        check, real, twin = outcome.check, outcome.real, outcome.twin
        shown = ", ".join(f"{name} = {value}" for name, value in twin.example.items())[:160]
        lines.add_row(
            check.id,
            check.sentence,
            real.verdict,
            str(real.paths),
            f"{real.seconds:.1f} + {twin.seconds:.1f}",
            f"{check.twin.says}: {twin.verdict}{f' at {shown}' if shown else ''}",
        )
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.symbolic",
        description="Check the compiled contracts symbolically, and that each check finds a planted bug.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--id", help="one check, as S-03")
    parser.add_argument("--jobs", type=int, default=1, help="checks at a time (default: 1)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    args = parser.parse_args(argv)
    wanted = [check for check in CHECKS if args.id in {None, check.id}]
    if not wanted or args.jobs < 1:
        known = ", ".join(check.id for check in CHECKS)
        sys.stderr.write(f"no check {args.id}; there are {known}\n" if not wanted else "--jobs must be 1 or more\n")
        return 2
    begun = time.monotonic()
    try:
        halmos()
        outcomes = _run(wanted, args.jobs)
    except (NoHalmosError, BuildError, CompileError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    result = report(outcomes, time.monotonic() - begun)
    if args.json:
        sys.stdout.write(json.dumps(result) + "\n")
    else:
        out = Console(width=None if sys.stdout.isatty() else 200)
        out.print(table(outcomes))
        for text in result["findings"]:
            out.print(text)
    return 0 if result["ok"] else 1


def _run(wanted: Sequence[Check], jobs: int) -> list[Outcome]:
    console = Console(stderr=True)
    with ThreadPoolExecutor(jobs) as pool:
        running = [pool.submit(run, check) for check in wanted]
        done = track(as_completed(running), "checking", total=len(running), console=console)
        return sorted((future.result() for future in done), key=lambda outcome: outcome.check.id)


if __name__ == "__main__":
    sys.exit(main())

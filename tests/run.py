"""The test suite as a part of an audit: `python -m tests.run --junit build/tests.xml --json`.

Runs what `make test` runs, keeps how every test ended as JUnit writes it, and prints one JSON object: `part`, `ok`,
`seconds`, `counts` (passed, failed, skipped), `findings` (each test that failed), `skipped` (each that was left out,
and why).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.junit import cases

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: list[str] | None = None) -> int:
    """Run the tests, and say how they ended."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--junit", type=Path, required=True, help="where to keep how every test ended")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one object instead of a line")
    parser.add_argument("paths", nargs="*", help="tests; all by default")
    chosen = parser.parse_args(arguments)
    if chosen.jobs < 1:
        parser.error("--jobs is 1 or more")
    for path in chosen.paths:
        if not (ROOT / path.split("::")[0]).exists():
            parser.error(f"no {path} in {ROOT.name}/")
    chosen.junit.parent.mkdir(parents=True, exist_ok=True)
    chosen.junit.unlink(missing_ok=True)
    words = [sys.executable, "-m", "pytest", "-n", str(chosen.jobs), "--dist", "worksteal", "-q"]
    start = time.monotonic()
    done = subprocess.run(
        [*words, f"--junitxml={chosen.junit.resolve()}", *chosen.paths],
        cwd=ROOT,
        stdout=sys.stderr,
        check=False,
        env={**os.environ, "PLIMSOLL_PROFILE": os.environ.get("PLIMSOLL_PROFILE", "ci")},
    )
    if not chosen.junit.exists():
        sys.stderr.write(f"tests.run: pytest ended with {done.returncode} and kept nothing in {chosen.junit}\n")
        return 2
    found = cases(chosen.junit)
    counts = {word: sum(case.outcome == word for case in found) for word in ("passed", "failed", "skipped")}
    failed = [
        f"{case.owner}::{case.name}: {case.said.splitlines()[0] if case.said else 'failed'}"
        for case in found
        if case.outcome == "failed"
    ]
    ok = done.returncode == 0 and not failed and counts["passed"] > 0
    said = {
        "part": "tests",
        "ok": ok,
        "seconds": round(time.monotonic() - start, 1),
        "counts": counts,
        "findings": failed if failed or ok else [f"pytest ended with {done.returncode}"],
        "skipped": [{"test": f"{c.owner}::{c.name}", "why": c.said} for c in found if c.outcome == "skipped"],
    }
    print(json.dumps(said) if chosen.json else f"{counts} in {said['seconds']} s")  # noqa: T201
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())

"""How many cases have ever run: `docs/agreement.json`, a line for each run, and the sums.

runs    date, commit (and whether the tree was as committed), seed, cases by kind, refused, positions by bucket,
        mismatches, seconds (wall), processor_seconds
totals  the same numbers summed over the runs
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plimsoll.chain import checkout
from plimsoll.chain.artifacts import ROOT
from tests.scale.engine import BUCKETS, Tally

PATH = ROOT / "docs" / "agreement.json"
LABELS = {0: "none", 1: "1", 8: "2-8", 32: "9-32", 126: "33-126", 127: "127"}
WHAT_RUNS = ("contracts", "offchain/plimsoll/spec", "tests/scale", "tests/strategies.py", "tests/agreement")


def positions(sums: Tally) -> dict[str, int]:
    """Cases by how many positions, or rows, they hold."""
    sizes: Counter[int] = Counter()
    for row in sums.rows.values():
        sizes.update(row.sizes)
    return {LABELS[bucket]: sizes[bucket] for bucket in BUCKETS}


def code() -> dict[str, Any]:
    """What is run: asked before it is, as the tree may go on meanwhile."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"),
        "commit": (checkout.commit() or "")[:12],
        "as_committed": not checkout.changed(*WHAT_RUNS),
    }


def run_of(of: dict[str, Any], sums: Tally, seed: int, jobs: int, seconds: float) -> dict[str, Any]:
    """A run of some code as the record holds it."""
    return {
        **of,
        "seed": seed,
        "jobs": jobs,
        "cases": sums.cases,
        "kinds": {name: row.cases for name, row in sorted(sums.rows.items())},
        "refused": sum(row.reverts for row in sums.rows.values()),
        "positions": positions(sums),
        "mismatches": len(sums.findings),
        "seconds": round(seconds, 1),
        "processor_seconds": round(sums.processor, 1),
    }


def totals(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The sums over runs."""
    kinds: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    seeds: dict[int, int] = {}
    for run in runs:
        seeds[run["seed"]] = max(run["cases"], seeds.get(run["seed"], 0))
        kinds.update(run["kinds"])
        sizes.update(run["positions"])
    plain = {
        name: round(sum(run[name] for run in runs), 1)
        for name in ("cases", "refused", "mismatches", "seconds", "processor_seconds")
    }
    plain["different"] = sum(seeds.values())
    return {"runs": len(runs), **plain, "kinds": dict(sorted(kinds.items())), "positions": dict(sizes)}


def recorded(path: Path = PATH) -> list[dict[str, Any]]:
    """The runs there were."""
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["runs"] if path.exists() else []
    return found


def next_seed(path: Path = PATH) -> int:
    """A seed of which no run is recorded: its cases are new ones."""
    return 1 + max((run["seed"] for run in recorded(path)), default=0)


def append(run: dict[str, Any], path: Path = PATH) -> None:
    """Add a run to the record, and renew its sums."""
    runs = [*recorded(path), run]
    path.write_text(json.dumps({"totals": totals(runs), "runs": runs}, indent=2) + "\n", encoding="utf-8")

"""The dated record of coverage, docs/coverage.json, and whether it still speaks of this tree.

A run takes many minutes; what it found is kept with the hash of every contract's source that it ran. Asked again, the
record is good where those sources are as they were, and every spot that was not reached has a reason that fits: reasons
are read anew, as `uncovered.yaml` has them now.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plimsoll.chain.artifacts import ROOT
from tests.coverage import report, settings

CHANGED = "changed source"
KEYS = ("date", "counts", "failed", "units", "missed", "sources")


class RecordError(ValueError):
    """A record that is not there, or is none."""


def sources_of(root: Path = ROOT) -> dict[str, str]:
    """The SHA-256 of every Vyper file that is counted, by its path from the root."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in report.files_of(root)
    }


def read(path: Path = settings.SUMMARY) -> dict[str, Any]:
    """The record.

    Raises
    ------
    RecordError
        Where there is none, or it lacks something.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: no record of coverage ({error}); run with --record") from error
    lacking = [key for key in KEYS if not isinstance(found, dict) or key not in found]
    if lacking:
        raise RecordError(f"{path}: a record of coverage has {', '.join(KEYS)}; lacking: {', '.join(lacking)}")
    return dict(found)


def changed(then: Mapping[str, str], now: Mapping[str, str], date: str) -> list[dict[str, Any]]:
    """Sources that are not what the record's run compiled: findings."""
    found = []
    for file in sorted(then.keys() | now.keys()):
        if then.get(file) == now.get(file):
            continue
        how = "is new" if file not in then else "is gone" if file not in now else "has another text"
        again = "measure again: python -m tests.coverage --record"
        found.append(
            {"kind": CHANGED, "file": file, "what": f"{how} since coverage was recorded, {date}", "source": again}
        )
    return found


def judged(record: Mapping[str, Any], now: Mapping[str, str], reasons: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """What the record says of this tree; ok where it still holds, and nothing is left without a reason."""
    findings = [
        *changed(record["sources"], now, record["date"]),
        *report.judged_items(record["missed"], reasons),
    ]
    return {
        "part": "coverage",
        "ok": not findings,
        "date": record["date"],
        "counts": {**record["counts"], "reasons": len(reasons), "sources": len(now)},
        "failed": record["failed"],
        "units": record["units"],
        "findings": findings,
    }

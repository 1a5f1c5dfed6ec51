"""What was found, in git: `docs/mutation.json`; and why survivors may live: `survivors.toml`.

`docs/mutation.json` holds, by file: the hash of the source; the hash of the tests and how many ran; when; how many
mutants there are, and how many were judged (all, or a seeded sample); those killed and those that survived; the score
and, of a sample, its 95 % Wilson interval; the gate.

`survivors.toml` lists survivors that a person has looked at: `kind = "equivalent"` (no input tells it from the
original; the reason is the proof, and it leaves the count) or `kind = "accepted"` (it stays in the count as having
survived). An entry whose mutant is gone, or is killed by now, is stale and fails.
"""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.mutation.targets import gate_of

RECORD: Final = "docs/mutation.json"
SURVIVORS: Final = "tests/mutation/survivors.toml"
KINDS: Final = ("equivalent", "accepted")


class RecordError(ValueError):
    """A record, or a list of survivors, that cannot be read."""


@dataclass(frozen=True)
class Reason:
    """Why a mutant may survive."""

    id: str
    file: str
    edit: str
    kind: str
    reason: str


def digest(paths: Iterable[Path]) -> str:
    """One hash of some files' contents."""
    total = hashlib.sha256()
    for path in paths:
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]


def read(root: Path) -> dict[str, Any]:
    """The record; empty where there is none yet.

    Raises
    ------
    RecordError
        Where it is no JSON.
    """
    path = root / RECORD
    if not path.exists():
        return {"files": {}}
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise RecordError(f"{RECORD} is no JSON: {error}; make it anew with --record") from error
    return found


def write(root: Path, record: Mapping[str, Any]) -> None:
    """Keep the record."""
    (root / RECORD).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


def reasons(path: Path) -> dict[str, Reason]:
    """The list of survivors, by mutant.

    Raises
    ------
    RecordError
        Where an entry lacks something, is there twice, or is of no known kind.
    """
    if not path.exists():
        return {}
    try:
        entries = tomllib.loads(path.read_text()).get("survivor", [])
    except tomllib.TOMLDecodeError as error:
        raise RecordError(f"{path.name} is no TOML: {error}") from error
    found: dict[str, Reason] = {}
    for entry in entries:
        try:
            reason = Reason(**entry)
        except TypeError as error:
            raise RecordError(f"{path.name}, entry {entry.get('id', '?')}: {error}") from error
        if reason.kind not in KINDS:
            raise RecordError(f"{path.name}, entry {reason.id}: kind {reason.kind!r} is none of {', '.join(KINDS)}")
        if not reason.reason.strip():
            raise RecordError(f"{path.name}, entry {reason.id}: no reason")
        if reason.id in found:
            raise RecordError(f"{path.name}, entry {reason.id}: there twice")
        found[reason.id] = reason
    return found


def judged(entry: Mapping[str, Any]) -> set[str]:
    """The mutants of a file that were killed or survived."""
    return {*entry["killed"], *(found["id"] for found in entry["survivors"])}


def stale(known: Mapping[str, Reason], there: set[str], killed: set[str]) -> list[str]:
    """Entries whose mutant is gone, or is killed; as sentences."""
    return [
        f"{reason.file}: {name} ({reason.edit}) "
        + ("is killed: take it off the list" if name in killed else "is no mutant any more")
        for name, reason in known.items()
        if name not in there or name in killed
    ]


def wilson(killed: int, judged: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    if judged == 0:
        return 0.0, 1.0
    share = killed / judged
    middle = (share + z * z / (2 * judged)) / (1 + z * z / judged)
    half = z / (1 + z * z / judged) * math.sqrt(share * (1 - share) / judged + z * z / (4 * judged * judged))
    return max(0.0, middle - half), min(1.0, middle + half)


def score(entry: Mapping[str, Any], known: Mapping[str, Reason]) -> tuple[int, int, float]:
    """Killed, counted (equivalent ones are not) and their share; 1 where nothing counts."""
    equivalent = {name for name, reason in known.items() if reason.kind == "equivalent"}
    killed = len(entry["killed"])
    counted = killed + sum(found["id"] not in equivalent for found in entry["survivors"])
    return killed, counted, killed / counted if counted else 1.0


def passes(path: str, entry: Mapping[str, Any], known: Mapping[str, Reason]) -> bool:
    """Whether a file's score is at its gate."""
    return score(entry, known)[2] >= gate_of(path)

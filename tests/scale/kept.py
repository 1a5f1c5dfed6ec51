"""Counterexamples: replayed, shrunk through Hypothesis, and kept as files that an ordinary test replays for ever.

A kept case is data, scene and arguments, not a seed: it stays the same case when the generator changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis.database import InMemoryExampleDatabase, choices_to_bytes
from hypothesis.errors import NoSuchExample
from hypothesis.internal.conjecture import engine as conjecture
from pydantic import TypeAdapter

from plimsoll.spec.errors import PlimsollError
from tests.pairs import Mismatch
from tests.scale.engine import KINDS, Finding, Stands, chosen, family_of
from tests.scale.kind import Case, Seen, Stand
from tests.strategies import Arrays, Drawn, Source

FOLDER = Path(__file__).parent / "cases"
PATIENCE = 60.0  # [s] for shrinking
KEY = b"tests.scale"


class Recorded:
    """Choices of another source, remembered as Hypothesis would have them."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.choices: list[int | bytes] = []

    def integer(self, low: int, high: int) -> int:
        self.choices.append(self._source.integer(low, high))
        return self.choices[-1]

    def blob(self, size: int) -> bytes:
        self.choices.append(self._source.blob(size))
        return self.choices[-1]


@dataclass(frozen=True)
class Kept:
    """A case with its scene, and what was wrong with it when it was found."""

    case: Case
    scene: dict[str, Any]  # as JSON has it
    what: str
    found: str  # seed:block:place, and the fault where one was planted

    @property
    def text(self) -> str:
        """As its file holds it."""
        return json.dumps(
            {
                "kind": self.case.kind,
                "what": self.what,
                "found": self.found,
                "size": self.case.size,
                "args": self.case.args,
                "scene": self.scene,
            },
            indent=1,
        )

    def write(self, folder: Path = FOLDER) -> Path:
        """Into a file, named after what it holds."""
        digest = hashlib.sha256(json.dumps([self.case, self.scene]).encode()).hexdigest()[:8]
        path = folder / f"{self.case.kind}-{digest}.json"
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(self.text + "\n", encoding="utf-8")
        return path

    @classmethod
    def read(cls, path: Path) -> Kept:
        """Out of a file."""
        found = json.loads(path.read_text(encoding="utf-8"))
        case = Case(found["kind"], _tuples(found["args"]), found["size"])
        return cls(case, found["scene"], found["what"], found["found"])


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def kept_cases(folder: Path = FOLDER) -> list[Path]:
    """The files there are."""
    return sorted(folder.glob("*.json"))


def replay(stands: Stands, kept: Kept) -> Seen:
    """A kept case on both; Mismatch where they differ."""
    build, _ = family_of(0, [kept.case.kind])
    stand = stands.of(build)
    with stand.load(TypeAdapter(stand.scene).validate_python(kept.scene)):
        return stand.check(kept.case)


def drawn_again(stands: Stands, seed: int, finding: Finding, kinds: Collection[str]) -> tuple[Kept, list[int | bytes]]:
    """The case of an address and its scene, with the choices that led to them."""
    build, known = family_of(finding.block, kinds)
    stand = stands.of(build)
    source = Recorded(Arrays(seed, finding.block))
    scene = stand.draw(source)
    of_scene = source.choices
    with stand.load(scene) as loaded:
        for _ in range(finding.place + 1):
            kind = chosen(source, known)
            source.choices = []
            case = kind.draw(source, loaded)
    return _kept(stand, scene, case, finding.what, seed, finding), of_scene + source.choices


def _kept(stand: Stand, scene: Any, case: Case, what: str, seed: int, finding: Finding) -> Kept:
    plain = TypeAdapter(stand.scene).dump_python(scene, mode="json")
    return Kept(case, plain, what, f"{seed}:{finding.block}:{finding.place}")


class _Enough(KeyboardInterrupt):
    """Patience is over; Hypothesis lets it through."""


def shrunk(stands: Stands, seed: int, finding: Finding, kinds: Collection[str], patience: float = PATIENCE) -> Kept:
    """The smallest case that still differs, of those that Hypothesis comes to from this one in some time."""
    first, choices = drawn_again(stands, seed, finding, kinds)
    build, _ = family_of(finding.block, kinds)
    kind, stand = KINDS[first.case.kind], stands.of(build)
    best = [first]
    end = time.monotonic() + patience

    def differs(data: st.DataObject) -> bool:
        if time.monotonic() > end:
            raise _Enough
        source = Drawn(data.draw)
        try:
            scene = stand.draw(source)
            with stand.load(scene) as loaded:
                case = kind.draw(source, loaded)
                stand.check(case)
        except Mismatch as mismatch:
            best.append(_kept(stand, scene, case, str(mismatch), seed, finding))
            return True
        except (PlimsollError, AssertionError):  # a scene that cannot be set, of choices that are no generator's
            return False
        return False

    database = InMemoryExampleDatabase()
    database.save(KEY, choices_to_bytes(choices))
    told = settings(
        database=database,
        phases=(Phase.reuse, Phase.shrink),
        max_examples=10,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    # a scene takes more choices than Hypothesis allows an example, and takes care not to draw
    with patch.object(conjecture, "BUFFER_SIZE", 2**24), contextlib.suppress(_Enough, NoSuchExample):
        find(st.data(), differs, settings=told, database_key=KEY)
    return min(best, key=lambda kept: len(kept.text))

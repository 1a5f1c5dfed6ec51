"""Counterexamples: replayed, shrunk through Hypothesis, and kept as files that an ordinary test replays for ever.

A kept case is data, scene and arguments, not a seed: it stays the same case when the generator changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import time
from collections.abc import Callable, Collection
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
from tests.scale.engine import KINDS, SCENE, SCENES, Finding, Stands, chosen, family_of, scene_of
from tests.scale.kind import Case, Kind, Seen, Stand
from tests.strategies import Arrays, Drawn, Source

FOLDER = Path(__file__).parent / "cases"
KEY = b"tests.scale"
LARGEST = 2**18  # [byte] of choices


class Recorded:
    """Choices of another source, remembered as Hypothesis would have them."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.choices: list[int | bytes] = []

    def integer(self, low: int, high: int) -> int:
        found = self._source.integer(low, high)
        self.choices.append(found)
        return found

    def blob(self, size: int) -> bytes:
        found = self._source.blob(size)
        self.choices.append(found)
        return found


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

    def write(self, folder: Path) -> Path:
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
    kind = kept.case.kind
    stand = stands.of(SCENES[kind] if kind in SCENES else family_of(0, [kind])[0])
    with stand.load(TypeAdapter(stand.scene).validate_python(kept.scene)):
        return Seen(None, 0.0, 0.0) if kind in SCENES else stand.check(kept.case)


def drawn_again(stands: Stands, seed: int, finding: Finding, kinds: Collection[str]) -> tuple[Kept, list[int | bytes]]:
    """The case of an address and its scene, with the choices that led to them."""
    build, known = family_of(finding.block, kinds)
    stand = stands.of(build)
    is_scene = finding.place <= SCENE
    number, before = (SCENE - finding.place, 0) if is_scene else divmod(finding.place, stand.cases)
    source = Recorded(Arrays(seed, finding.block, number))
    scene = stand.draw(source)
    of_scene = source.choices
    if is_scene:
        case = Case(scene_of(build), (), 0)
        return _kept(stand, scene, case, finding.what, seed, finding), of_scene
    with stand.load(scene) as loaded:
        place = before + 1
        while place > 0:
            kind = chosen(source, known)
            source.choices = []
            made = kind.draw(source, loaded)
            case = made[min(place, len(made)) - 1]
            place -= len(made)
    return _kept(stand, scene, case, finding.what, seed, finding), of_scene + source.choices


def _kept(stand: Stand, scene: Any, case: Case, what: str, seed: int, finding: Finding) -> Kept:
    plain = TypeAdapter(stand.scene).dump_python(scene, mode="json")
    return Kept(case, plain, what, f"{seed}:{finding.block}:{finding.place}")


class _Enough(KeyboardInterrupt):
    """Patience is over; Hypothesis lets it through."""


class _Timed:
    """Choices of another source, until patience is over."""

    def __init__(self, source: Source, end: float) -> None:
        self._source = source
        self._end = end

    def integer(self, low: int, high: int) -> int:
        if time.monotonic() > self._end:
            raise _Enough
        return self._source.integer(low, high)

    def blob(self, size: int) -> bytes:
        return self._source.blob(size)


class _Hunt:
    """Cases that still differ, of one kind; it remembers the smallest."""

    def __init__(self, stand: Stand, kind: Kind | None, seed: int, finding: Finding, first: Kept) -> None:
        self.stand = stand
        self.kind = kind
        self.seed = seed
        self.finding = finding
        self.best = first
        self.end = 0.0

    def differs(self, scene: Any, draw: Callable[[Any], tuple[Case, ...]]) -> bool:
        """Whether chain and twin differ on the case that is drawn in a scene."""
        if time.monotonic() > self.end:
            raise _Enough
        case = Case(scene_of(type(self.stand)), (), 0)  # until there is another, the scene itself
        try:
            with self.stand.load(scene) as loaded:
                for case in draw(loaded):
                    self.stand.check(case)
        except Mismatch as mismatch:
            found = _kept(self.stand, scene, case, str(mismatch), self.seed, self.finding)
            self.best = min(self.best, found, key=lambda kept: len(kept.text))
            return True
        except (PlimsollError, AssertionError):  # a scene that cannot be set, of choices that are no generator's
            return False
        return False

    def through_hypothesis(self, choices: list[int | bytes], seconds: float, *, small: bool) -> None:
        """Shrink from these choices; or find some in a small scene, and shrink those."""
        self.end = time.monotonic() + seconds
        database = InMemoryExampleDatabase()
        database.save(KEY, choices_to_bytes(choices))
        told = settings(
            database=database,
            phases=(Phase.reuse, Phase.shrink) if choices else (Phase.generate, Phase.shrink),
            max_examples=10_000,
            deadline=None,
            derandomize=False,
            suppress_health_check=list(HealthCheck),
        )

        def differs(data: st.DataObject) -> bool:
            source = _Timed(Drawn(data.draw), self.end)
            scene = self.stand.draw(source, small=small)
            return self.differs(scene, lambda loaded: self.kind.draw(source, loaded) if self.kind else ())

        # a scene takes more choices than Hypothesis allows an example; without any bound, what draws until it has
        # enough different values would draw for ever
        with (
            patch.object(conjecture, "BUFFER_SIZE", LARGEST),
            contextlib.redirect_stdout(io.StringIO()),  # what it says of seeds is not of ours
            contextlib.suppress(_Enough, NoSuchExample),
        ):
            find(st.data(), differs, settings=told, database_key=KEY)

    def without(self, seconds: float) -> None:
        """Leave out of the best what it does not need: members of the scene's lists, words of the case."""
        self.end = time.monotonic() + seconds
        read = TypeAdapter(self.stand.scene).validate_python

        def differs(scene: dict[str, Any], args: tuple[Any, ...]) -> bool:
            size = len(args[0]) if args and isinstance(args[0], tuple) else self.best.case.size
            return self.differs(read(scene), lambda _: (Case(self.best.case.kind, args, size),) if self.kind else ())

        def without_args(place: int) -> Callable[[Any], bool]:
            return lambda left: differs(self.best.scene, _with(self.best.case.args, place, left))

        def without_scene(name: str) -> Callable[[Any], bool]:
            return lambda left: differs(self.best.scene | {name: left}, self.best.case.args)

        with contextlib.suppress(_Enough):
            for place, value in enumerate(self.best.case.args):
                _leave_out(value, without_args(place))
            for name, value in self.best.scene.items():
                _leave_out(value, without_scene(name))


def _with(args: tuple[Any, ...], place: int, value: Any) -> tuple[Any, ...]:
    return (*args[:place], value, *args[place + 1 :])


def _leave_out(value: Any, is_good: Callable[[Any], bool]) -> None:
    """Offer a list or tuple without some of its members: half of them at once, then a quarter, then one by one."""
    if not isinstance(value, list | tuple):
        return
    step = len(value)
    while step:
        at = 0
        while at < len(value):
            rest = type(value)([*value[:at], *value[at + step :]])
            if is_good(rest):
                value = rest
            else:
                at += step
        step //= 2


def shrunk(stands: Stands, seed: int, finding: Finding, kinds: Collection[str], patience: float) -> Kept:
    """The smallest case that still differs, of those that are come to from this one in some time.

    What it does not need is left out; then Hypothesis shrinks it, and looks for one of its kind in small scenes.
    """
    first, choices = drawn_again(stands, seed, finding, kinds)
    build, _ = family_of(finding.block, kinds)
    hunt = _Hunt(stands.of(build), KINDS.get(first.case.kind), seed, finding, first)
    hunt.through_hypothesis([], patience / 3, small=True)
    hunt.through_hypothesis(choices, patience / 3, small=False)
    hunt.without(patience / 3)
    return hunt.best

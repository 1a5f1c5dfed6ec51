"""Blocks of cases: a scene and the cases drawn in it, by seed and number, whoever runs them.

Block `b` of seed `s` is the same cases wherever and however often it is run: its k-th scene draws from arrays seeded
with (s, b, k). So shards may share blocks out as they like, and a case has an address: seed, block, place in the block.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from plimsoll.chain.artifacts import Artifact
from tests.pairs import Mismatch
from tests.scale import posting, world
from tests.scale.kind import CASES, Case, Kind, Stand
from tests.strategies import Arrays, Source

POSTING = 16  # of so many blocks one is about what is posted
RENEW = 25  # blocks that a stand is used for: what its EVM remembers stays bounded
MOST_FINDINGS = 10
BUCKETS = (0, 1, 8, 32, 126, 127)  # positions of a case, at most

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (*world.KINDS, *posting.KINDS)}


# a scene is set by calls on both as well, and may differ itself: a case of this kind. The first scene of a block is at
# the place SCENE, each next one at a place less
SCENES: Mapping[str, type[Any]] = {"world": world.Floor, "posting": posting.Desk}
SCENE = -1


@dataclass
class Row:
    """What was counted of one kind."""

    cases: int = 0
    reverts: int = 0
    gas: int = 0
    drawing: float = 0.0  # [s]
    on_chain: float = 0.0  # [s]
    in_spec: float = 0.0  # [s]
    sizes: Counter[int] = field(default_factory=Counter)  # by bucket
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, other: Row) -> None:
        """Count another's too."""
        for name in ("cases", "reverts", "gas", "drawing", "on_chain", "in_spec"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.sizes.update(other.sizes)
        self.reasons.update(other.reasons)


@dataclass(frozen=True)
class Finding:
    """A case on which chain and twin differ."""

    block: int
    place: int
    kind: str
    what: str


@dataclass
class Tally:
    """What some blocks came to."""

    rows: dict[str, Row] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    scenes: int = 0
    setting: float = 0.0  # [s] drawing and loading scenes
    processor: float = 0.0  # [s] of whole processes

    def add(self, other: Tally) -> None:
        """Count another's too."""
        for name, row in other.rows.items():
            self.rows.setdefault(name, Row()).add(row)
        self.findings += other.findings
        self.scenes += other.scenes
        self.setting += other.setting
        self.processor += other.processor

    @property
    def cases(self) -> int:
        """How many, of all kinds."""
        return sum(row.cases for row in self.rows.values())


class Stands:
    """The stands that blocks need, built when they are, and renewed now and then."""

    def __init__(self, replaced: dict[str, Artifact] | None = None) -> None:
        self._replaced = replaced
        self._built: dict[type[Any], tuple[Stand, int]] = {}

    def of(self, build: type[Any]) -> Stand:
        """A stand, for one more block."""
        stand, used = self._built.get(build, (None, RENEW))
        if stand is None or used >= RENEW:
            self._built.pop(build, None)
            stand, used = build(self._replaced), 0
        self._built[build] = (stand, used + 1)
        return stand

    def forget(self, build: type[Any]) -> None:
        """Build this stand anew when it is wanted next."""
        self._built.pop(build, None)


def scene_of(build: type[Any]) -> str:
    """The name of the scenes of a stand."""
    return next(name for name, known in SCENES.items() if known is build)


def family_of(block: int, kinds: Collection[str]) -> tuple[type[Any], list[Kind]]:
    """Which stand a block is for, and which kinds of cases it holds: one in sixteen is of what is posted."""
    of_worlds = [kind for kind in world.KINDS if kind.name in kinds]
    of_posting = [kind for kind in posting.KINDS if kind.name in kinds]
    if of_posting and (block % POSTING == 1 or not of_worlds):
        return posting.Desk, of_posting
    return world.Floor, of_worlds


def chosen(source: Source, kinds: list[Kind]) -> Kind:
    """One of several kinds, by weight."""
    left = source.integer(0, sum(kind.weight for kind in kinds) - 1)
    for kind in kinds:
        left -= kind.weight
        if left < 0:
            return kind
    raise AssertionError


def bucket_of(size: int) -> int:
    """The bucket that counts a size."""
    return next(most for most in BUCKETS if size <= most)


def cases_of(source: Source, stand: Stand, loaded: Any, kinds: list[Kind], count: int) -> Iterator[Case]:
    """Cases in a scene."""
    left = count
    while left:
        for case in chosen(source, kinds).draw(source, loaded)[:left]:
            left -= 1
            yield case


def run(
    stands: Stands, seed: int, block: int, kinds: Collection[str], count: int = CASES, most: int = MOST_FINDINGS
) -> Tally:
    """The first `count` cases of a block on both, until `most` of them differ."""
    build, known = family_of(block, kinds)
    tally, stand = Tally(), stands.of(build)
    for scene, first in enumerate(range(0, count, stand.cases)):
        start, source = time.perf_counter(), Arrays(seed, block, scene)
        tally.scenes += 1
        try:
            with stand.load(stand.draw(source)) as loaded:
                tally.setting += time.perf_counter() - start
                cases = cases_of(source, stand, loaded, known, min(stand.cases, count - first))
                _run_in(tally, stand, enumerate(cases, first), block, most)
        except Mismatch as mismatch:  # of a case they are caught with it
            tally.findings.append(Finding(block, SCENE - scene, scene_of(build), str(mismatch)))
            stands.forget(build)
            break
        if len(tally.findings) >= most:
            break
    return tally


def _run_in(tally: Tally, stand: Stand, cases: Iterable[tuple[int, Case]], block: int, most: int) -> None:
    """Cases of a scene on both, with their places in the block."""
    last = time.perf_counter()
    for place, case in cases:
        row = tally.rows.setdefault(case.kind, Row())
        row.drawing += time.perf_counter() - last
        gas = stand.bytecode.gas
        try:
            seen = stand.check(case)
        except Mismatch as mismatch:
            tally.findings.append(Finding(block, place, case.kind, str(mismatch)))
        else:
            row.on_chain += seen.on_chain
            row.in_spec += seen.in_spec
            if seen.reason is not None:
                row.reverts += 1
                row.reasons[seen.reason] += 1
        row.cases += 1
        row.gas += stand.bytecode.gas - gas
        row.sizes[bucket_of(case.size)] += 1
        last = time.perf_counter()
        if len(tally.findings) >= most:
            break

"""What a case is: arguments that JSON can hold, and the question that both sides are asked with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from tests.pairs import Mismatch
from tests.scale.bytecode import Bytecode, answer_of, reason_of
from tests.strategies import Source

CASES = 1_600  # in a block


class Case(NamedTuple):
    """One case of a kind: all that is drawn beside its scene."""

    kind: str
    args: tuple[Any, ...]  # numbers, texts and tuples of them
    size: int  # positions, or rows


@dataclass
class Question:
    """A call on bytecode, and the whole of its twin."""

    to: str
    data: bytes
    ask: Callable[[], Any]
    writes: Iterable[tuple[str, int, int]] = field(default_factory=tuple)


class Seen(NamedTuple):
    """What both said of a case, and how long each took."""

    reason: str | None  # of a refusal
    on_chain: float  # [s]
    in_spec: float  # [s]


class Kind(Protocol):
    """A kind of cases; `weight` is its share of what is drawn in its scene."""

    name: str
    weight: int

    def draw(self, source: Source, loaded: Any) -> tuple[Case, ...]:
        """A case in a scene; or a few, of which each is one: ledgers of one book."""
        ...


class Stand(Protocol):
    """Deployments on which scenes of one sort are set, and their twins."""

    scene: Any  # the type of what is drawn
    cases: int  # that are drawn in a scene, at most
    bytecode: Bytecode

    def draw(self, source: Source, *, small: bool = False) -> Any:
        """A scene; a small one shrinks better."""
        ...

    def load(self, known: Any) -> AbstractContextManager[Any]:
        """A scene on both, for as long as the context lasts."""
        ...

    def check(self, case: Case) -> Seen:
        """One case on both; Mismatch where they differ."""
        ...


def compare(bytecode: Bytecode, asked: Question) -> Seen:
    """A view on both: Mismatch where returndata, or revert data, is another."""
    start = time.perf_counter()
    try:
        found = bytecode.view(asked.to, asked.data, asked.writes)
    except RuntimeError as error:
        raise Mismatch(f"the chain halts: {error}") from error
    middle = time.perf_counter()
    expected = answer_of(asked.ask)
    end = time.perf_counter()
    if found != expected:
        raise Mismatch(f"twin {described(expected)}, chain {described(found)}")
    return Seen(reason_of(found), middle - start, end - middle)


def described(answer: Any) -> str:
    """An answer for people: the reason, or the words as signed numbers."""
    reason = reason_of(answer)
    if reason is not None:
        return f"refuses: {reason!r}"
    words = [int.from_bytes(answer.data[at : at + 32], "big", signed=True) for at in range(0, len(answer.data), 32)]
    return f"says {words}"

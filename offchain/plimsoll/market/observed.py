"""What may have been observed of a market beside its price, each with the means to leave it out.

All three are part of a snapshot where they are there, hashed with it, and change nothing where they are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np

from plimsoll.market.bars import FloatArray, IntArray
from plimsoll.market.errors import SnapshotError


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns of numbers of one length, read-only."""

    WHAT: ClassVar[str] = "columns"
    RISING: ClassVar[str | None] = None  # the column of times
    POSITIVE: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(field.name for field in fields(cls))

    def __post_init__(self) -> None:
        shapes = set()
        for name in self.names():
            kind = np.int64 if name == self.RISING else np.float64
            column = np.array(getattr(self, name), dtype=kind)
            column.flags.writeable = False
            object.__setattr__(self, name, column)
            shapes.add(column.shape)
            wrong = ~np.isfinite(column) if name not in self.POSITIVE else ~(np.isfinite(column) & (column > 0))
            if column.ndim == 1 and wrong.any():
                right = "a positive number" if name in self.POSITIVE else "a finite number"
                raise SnapshotError(f"{self.WHAT}: {name} {column[int(np.argmax(wrong))]}; {right} is right")
        if len(shapes) != 1 or len(next(iter(shapes))) != 1:
            raise SnapshotError(f"{self.WHAT}: columns of shapes {sorted(shapes)}; one length is right")
        if self.RISING and np.any(np.diff(getattr(self, self.RISING)) <= 0):
            raise SnapshotError(f"{self.WHAT}: times do not rise strictly")

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {name: getattr(self, name).tolist() for name in self.names()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`."""
        if set(data) != set(cls.names()):
            raise SnapshotError(f"{cls.WHAT}: {', '.join(sorted(data))}; {', '.join(cls.names())} is right")
        return cls(**{name: data[name] for name in cls.names()})


@dataclass(frozen=True, eq=False)
class MarkHistory(Columns):
    """Where the perpetual stood against the index: what a funding rate is made of.

    Parameters
    ----------
    time
        Of the observations [unix s], rising, shape (n,).
    mark, index
        Prices then [quote currency], shape (n,).
    """

    WHAT: ClassVar[str] = "marks"
    RISING: ClassVar[str | None] = "time"
    POSITIVE: ClassVar[tuple[str, ...]] = ("mark", "index")

    time: IntArray
    mark: FloatArray
    index: FloatArray


@dataclass(frozen=True, eq=False)
class DepthHistory(Columns):
    """What order books took without moving far.

    Parameters
    ----------
    time
        Of the observations [unix s], rising, shape (n,).
    depth
        Contracts then, on the worse side, shape (n,).
    """

    WHAT: ClassVar[str] = "depths"
    RISING: ClassVar[str | None] = "time"
    POSITIVE: ClassVar[tuple[str, ...]] = ("depth",)

    time: IntArray
    depth: FloatArray


@dataclass(frozen=True, eq=False)
class Exposures(Columns):
    """Where accounts become liquidatable: what a cascade is made of.

    Parameters
    ----------
    level
        Relative move of the price at which each does: 0 or less for longs, 0 or more for shorts; shape (n,).
    delta
        Its net delta there [contracts], shape (n,).
    """

    WHAT: ClassVar[str] = "exposures"

    level: FloatArray
    delta: FloatArray

"""A book in a file: positions, and the market they stand in, for `plimsoll compare`.

    {
      "time": "2026-01-05T08:00Z",             when the prices held; text or unix seconds
      "cash": 50000,                           default 0
      "underlyings": {
        "BTC": {
          "spot": 92500,
          "perp": 92550,                       mark of the perpetual, default spot
          "forwards": {"2026-01-30T08:00Z": 92900},    default spot
          "volatility": 0.45,                  of options that say none themselves [1 a year]
          "scan_range": 0.12,                  relative price move that our lanes reach to, or instead of it
          "prices": "btc_1h.csv.gz",           an OHLCV file, beside the book, that our model measures it on
          "depth": 500                         contracts that the market takes, default the model's
        }
      },
      "positions": [
        {"underlying": "BTC", "kind": "perp", "quantity": 1.5},
        {"underlying": "BTC", "kind": "call", "expiry": "2026-01-30T08:00Z", "strike": 100000, "quantity": -2}
      ]
    }

Kinds are perp, future, call, put and spot, which is collateral and so never short. Quantities are contracts on one unit
of the underlying, long positive. Perpetuals and futures count as entered at their marks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from plimsoll.market.bars import DAY
from plimsoll.market.plainfile import read_json, wrong_fields
from plimsoll.market.snapshot import History, Market, Snapshot, to_wad
from plimsoll.market.sources import load_bars
from plimsoll.risk.errors import RiskError
from plimsoll.risk.reference.portfolio import OPTIONS, UNDATED, Portfolio, Position
from plimsoll.spec.instruments import CALL, FUTURE, MAX_POSITIONS, PERP, PUT, SPOT, Instrument, word
from plimsoll.spec.wad import MAX_QUANTITY, WAD

KINDS: Final = {"perp": PERP, "future": FUTURE, "call": CALL, "put": PUT, "spot": SPOT}
CLASS: Final = 1 << 8  # all underlyings of a book are of one class
STRIKE_UNIT: Final = 10**12  # [wad]: strikes to six decimals
MAX_STRIKE: Final = 2**48 - 1  # [strike unit]


class BookError(RiskError):
    """A file that is no book, or a book that makes no sense."""


def _moment(value: Any) -> int:
    """Unix seconds of a time in text, UTC where it says no zone, or of a number."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(f"{value!r} is no time; 2026-01-30T08:00Z or unix seconds are right")  # noqa: TRY004 - pydantic's
    if isinstance(value, int):
        return value
    try:
        found = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is no time; 2026-01-30T08:00Z or unix seconds are right") from error
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


Moment = Annotated[int, BeforeValidator(_moment), Field(gt=0, lt=2**40)]
Positive = Annotated[float, Field(gt=0)]


class Part(BaseModel):
    """A part of a file: no name that is unknown, no number that is text, infinite or none."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Underlying(Part):
    """One underlying of a book."""

    spot: Positive
    perp: Positive | None = None
    forwards: dict[Moment, Positive] = {}
    volatility: Annotated[float, Field(gt=0, le=20)] | None = None
    scan_range: Annotated[float, Field(gt=0, le=1)] | None = None
    prices: str | None = None
    depth: Positive | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Underlying:
        if (self.scan_range is None) == (self.prices is None):
            raise ValueError("either scan_range or prices is right: where our scan range comes from")
        return self


class Entry(Part):
    """One position of a book."""

    underlying: str
    kind: Literal["perp", "future", "call", "put", "spot"]
    quantity: float
    expiry: Moment | None = None
    strike: Positive | None = None
    volatility: Annotated[float, Field(gt=0, le=20)] | None = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Entry:
        kind = KINDS[self.kind]
        if not 0 < abs(self.quantity) <= MAX_QUANTITY / WAD:
            raise ValueError(f"quantity {self.quantity}; not 0, at most {MAX_QUANTITY // WAD} either way is right")
        if kind == SPOT and self.quantity < 0:
            raise ValueError(f"quantity {self.quantity} of spot; above 0 is right: it is collateral")
        if (self.expiry is None) != (kind in UNDATED):
            raise ValueError(f"{self.kind} {'with' if self.expiry else 'without'} an expiry; a dated kind has one")
        if (self.strike is None) != (kind not in OPTIONS):
            raise ValueError(f"{self.kind} {'with' if self.strike else 'without'} a strike; an option has one")
        if self.volatility is not None and kind not in OPTIONS:
            raise ValueError(f"{self.kind} with a volatility; an option may have one")
        if self.strike is not None:
            units = self.strike * (WAD // STRIKE_UNIT)
            if not 0 < round(units) <= MAX_STRIKE or not math.isclose(units, round(units), rel_tol=1e-12):
                raise ValueError(f"strike {self.strike}; six decimals, at most {MAX_STRIKE // 10**6} is right")
        return self


class _Content(Part):
    time: Moment
    cash: float = 0.0
    underlyings: dict[str, Underlying] = Field(min_length=1)
    positions: tuple[Entry, ...] = Field(min_length=1, max_length=MAX_POSITIONS, strict=False)


@dataclass(frozen=True)
class Book:
    """What a file says.

    Parameters
    ----------
    time
        [unix s].
    cash
        [quote currency].
    underlyings
        By name.
    positions
        As written.
    folder
        Where files of prices are looked for.
    """

    time: int
    cash: float
    underlyings: Mapping[str, Underlying]
    positions: tuple[Entry, ...]
    folder: Path = Path()

    @classmethod
    def load(cls, path: Path) -> Book:
        """Read a file.

        Raises
        ------
        BookError
            There is no such file, it is no JSON, or the book in it makes no sense: every field that is wrong is named.
        """
        return cls.parse(read_json(path, BookError), str(path), path.parent)

    @classmethod
    def parse(cls, data: Any, source: str = "book", folder: Path = Path()) -> Book:
        """The book of plain values; as `load`."""
        try:
            content = _Content.model_validate(data)
        except ValidationError as error:
            raise BookError(f"{source}: {wrong_fields(error, 'book')}") from error
        found = cls(content.time, content.cash, content.underlyings, content.positions, folder)
        for number, entry in enumerate(found.positions):
            found._check(entry, f"{source}: positions.{number}")
        return found

    def _check(self, entry: Entry, where: str) -> None:
        market = self.underlyings.get(entry.underlying)
        if market is None:
            raise BookError(f"{where}: underlying {entry.underlying}; one of {', '.join(self.underlyings)} is right")
        if entry.expiry is not None and entry.expiry <= self.time:
            raise BookError(f"{where}: expiry {entry.expiry} is not after the book's time, {self.time}")
        if KINDS[entry.kind] in OPTIONS and (entry.volatility or market.volatility) is None:
            raise BookError(f"{where}: an option without a volatility; one here or at its underlying is right")

    def _volatility(self, entry: Entry) -> float:
        return entry.volatility or self.underlyings[entry.underlying].volatility or 0.0

    @cached_property
    def portfolios(self) -> tuple[Portfolio, ...]:
        """What the reference models look at, an underlying each; the cash is the first one's."""
        found = []
        for number, (name, market) in enumerate(self.underlyings.items()):
            held = tuple(
                Position(
                    KINDS[entry.kind],
                    entry.quantity,
                    entry.expiry or 0,
                    entry.strike or 0.0,
                    self._volatility(entry) if KINDS[entry.kind] in OPTIONS else 0.0,
                )
                for entry in self.positions
                if entry.underlying == name
            )
            cash = 0.0 if number else self.cash
            found.append(Portfolio(self.time, market.spot, held, market.forwards, {}, market.perp, cash, name))
        return tuple(found)

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """Numbers of the underlyings, in the order of the book."""
        return {name: CLASS + number for number, name in enumerate(self.underlyings)}

    @cached_property
    def instruments(self) -> tuple[Instrument, ...]:
        """The instrument of each position; rows are given by expiry, in the order of kind and strike."""
        keys = [
            (
                self.numbers[entry.underlying],
                entry.expiry or 0,
                KINDS[entry.kind],
                round((entry.strike or 0.0) * (WAD // STRIKE_UNIT)),
            )
            for entry in self.positions
        ]
        rows: dict[tuple[int, int, int, int], int] = {}
        counts: dict[tuple[int, int], int] = {}
        for key in sorted(set(keys)):
            rows[key] = counts.get(key[:2], 0)
            counts[key[:2]] = rows[key] + 1
        return tuple(Instrument(*key, rows[key]) for key in keys)

    @cached_property
    def words(self) -> tuple[int, ...]:
        """The book as the chain holds it: sorted words, positions in one instrument joined."""
        quantities: dict[int, int] = {}
        for item, entry in zip(self.instruments, self.positions, strict=True):
            key = item.pack()
            quantities[key] = quantities.get(key, 0) + to_wad(entry.quantity)
        return tuple(word(key, quantity) for key, quantity in sorted(quantities.items()) if quantity)

    @cached_property
    def snapshot(self) -> Snapshot:
        """What our engine looks at; an underlying with a stated scan range has a history of one price.

        Raises
        ------
        SourceError
            A file of prices cannot be used, or holds none from before the book's time.
        SnapshotError
            A price or volatility is out of range.
        """
        return Snapshot(self.time, tuple(self._market(name) for name in self.underlyings))

    def _market(self, name: str) -> Market:
        market = self.underlyings[name]
        if market.prices is None:
            history = History(np.array([self.time - DAY]), np.array([market.spot]), DAY)
        else:
            history = History.from_bars(load_bars(self.folder / market.prices), self.time)
        own = {
            item.pack(): (item, entry)
            for item, entry in zip(self.instruments, self.positions, strict=True)
            if entry.underlying == name
        }
        vols = {key: self._volatility(entry) for key, (item, entry) in own.items() if item.is_option}
        marks = {key: market.perp for key, (item, _) in own.items() if item.kind == PERP and market.perp is not None}
        return Market(
            self.numbers[name],
            market.spot,
            history,
            tuple(own),
            STRIKE_UNIT,
            vols,
            dict(market.forwards),
            marks,
            market.depth,
            name,
        )

"""The snapshot: all that an engine looks at for one report, as one file with one hash.

A snapshot is written as JSON with sorted keys, no blanks and floats in their shortest exact form, so equal snapshots
are equal bytes on every machine. Its keccak-256 goes into the report: whoever holds the file can recompute the report.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from eth_utils.crypto import keccak

from plimsoll.market.bars import YEAR, Bars, FloatArray, IntArray
from plimsoll.market.errors import SnapshotError
from plimsoll.market.observed import DepthHistory, Exposures, MarkHistory
from plimsoll.market.plainfile import parse_json
from plimsoll.market.portable import DIGITS, log
from plimsoll.spec.errors import FormatError
from plimsoll.spec.instruments import CALL, KINDS, PERP, PUT, SPOT, Instrument, unpack
from plimsoll.spec.wad import MAX_PRICE, WAD

FORMAT: Final = 1
OBSERVED: Final[dict[str, Any]] = {"marks_seen": MarkHistory, "depths": DepthHistory, "exposures": Exposures}
MAX_VOLATILITY: Final = 20.0  # [1 a year] beyond it a quote is an error, not a market


def to_wad(price: float) -> int:
    """A price as WAD, exactly the decimal that its shortest form shows, further digits cut."""
    return int(DIGITS.multiply(Decimal(repr(float(price))), WAD))


@dataclass(frozen=True, eq=False)
class History:
    """Closes of the bars that had closed by the snapshot's time.

    Parameters
    ----------
    time
        Open times of the bars, shape (n,), unix seconds, strictly rising.
    close
        Their closing prices, shape (n,), quote currency.
    interval
        Length of a bar [s].
    high, low
        Highest and lowest prices of the bars, shape (n,); both or neither.

    Raises
    ------
    SnapshotError
        Shapes differ, times do not rise, or a price is not positive and finite.
    """

    time: IntArray
    close: FloatArray
    interval: int
    high: FloatArray | None = None
    low: FloatArray | None = None

    def __post_init__(self) -> None:
        time = np.array(self.time, dtype=np.int64)
        close = np.array(self.close, dtype=np.float64)
        if time.ndim != 1 or time.shape != close.shape or len(time) == 0:
            raise SnapshotError(f"history: times {time.shape} and closes {close.shape}; equal, not empty, is right")
        if self.interval <= 0:
            raise SnapshotError(f"history: interval {self.interval} s; a positive number is right")
        if np.any(np.diff(time) <= 0):
            raise SnapshotError("history: times do not rise strictly")
        if not np.all(np.isfinite(close) & (close > 0)):
            at = int(np.argmin(np.isfinite(close) & (close > 0)))
            raise SnapshotError(f"history: close {close[at]} at {time[at]}; a positive price is right")
        time.flags.writeable = close.flags.writeable = False
        object.__setattr__(self, "time", time)
        object.__setattr__(self, "close", close)
        if (self.high is None) != (self.low is None):
            raise SnapshotError("history: high or low alone; both or neither is right")
        if self.high is not None and self.low is not None:
            high, low = np.array(self.high, dtype=np.float64), np.array(self.low, dtype=np.float64)
            if not high.shape == low.shape == close.shape:
                raise SnapshotError(
                    f"history: highs {high.shape}, lows {low.shape}; {close.shape}, as closes, is right"
                )
            if not np.all((low > 0) & (low <= close) & (close <= high) & np.isfinite(high)):
                raise SnapshotError("history: 0 < low <= close <= high is right in every bar")
            high.flags.writeable = low.flags.writeable = False
            object.__setattr__(self, "high", high)
            object.__setattr__(self, "low", low)

    @classmethod
    def from_bars(cls, bars: Bars, at: int | None = None, last: int | None = None, *, ranges: bool = False) -> History:
        """The closes of `bars` known at the time `at` [unix s], the `last` ones where a number is given.

        With `ranges` their highs and lows too: three times the size, and a better forecast of volatility.
        """
        known = bars if at is None else bars.known_at(at)
        first = 0 if last is None else max(0, len(known) - last)
        extremes = (known.high[first:], known.low[first:]) if ranges else (None, None)
        return cls(known.time[first:], known.close[first:], known.interval, *extremes)

    @property
    def ranges(self) -> FloatArray | None:
        """log(high / low) of every bar but the first, as `returns`, shape (n - 1,); None where they are not known."""
        if self.high is None or self.low is None:
            return None
        return log(self.high[1:]) - log(self.low[1:])

    @property
    def per_year(self) -> float:
        """Bars in a year of 365 days, as `Bars.per_year`."""
        span = int(self.time[-1] - self.time[0])
        return YEAR / self.interval if span == 0 else (len(self.time) - 1) * YEAR / span

    @cached_property
    def digest(self) -> bytes:
        """BLAKE2b of all that it holds, 32 bytes: equal histories have equal ones."""
        found = hashlib.blake2b(self.interval.to_bytes(8, "big"), digest_size=32)
        for column in (self.time, self.close, self.high, self.low):
            found.update(b"" if column is None else column.tobytes())
        return found.digest()

    @cached_property
    def logs(self) -> FloatArray:
        """Logarithms of the closes, shape (n,), the same bits on every machine."""
        found = log(self.close)
        found.flags.writeable = False
        return found

    @cached_property
    def returns(self) -> FloatArray:
        """Logarithmic returns from close to close, shape (n - 1,)."""
        found = np.diff(self.logs)
        found.flags.writeable = False
        return found


def _sorted(mapping: Mapping[int, float]) -> Mapping[int, float]:
    return {key: float(mapping[key]) for key in sorted(mapping)}


@dataclass(frozen=True, eq=False)
class Market:
    """One underlying at the snapshot's time.

    Parameters
    ----------
    underlying
        Its number: class << 8 | index.
    index
        Index price [quote currency].
    history
        What the volatility is measured on.
    instruments
        Packed ids of everything listed on it [u128].
    strike_unit
        Price of one unit of strike [wad].
    implied_vols
        Instrument id -> implied volatility [1 a year]; an option that is missing is priced at the forecast.
    forwards
        Expiry [unix s] -> forward price [quote currency]; the index where missing.
    marks
        Instrument id -> mark price [quote currency] in place of the engine's own: what a staked token is worth, or
        where a perpetual trades.
    depth
        Contracts that the market takes without moving by more than a tick of risk; None: the model's default.
    marks_seen, depths, exposures
        Marks against the index, depths of order books, levels at which accounts become liquidatable; None where they
        were not observed.
    name
        For people; part of the hash.

    Raises
    ------
    SnapshotError
        Something is missing, out of range or not this underlying's.
    """

    underlying: int
    index: float
    history: History
    instruments: tuple[int, ...]
    strike_unit: int = WAD
    implied_vols: Mapping[int, float] = field(default_factory=dict)
    forwards: Mapping[int, float] = field(default_factory=dict)
    marks: Mapping[int, float] = field(default_factory=dict)
    depth: float | None = None
    name: str = ""
    marks_seen: MarkHistory | None = None
    depths: DepthHistory | None = None
    exposures: Exposures | None = None

    def __post_init__(self) -> None:
        where = f"underlying {self.underlying}"
        object.__setattr__(self, "index", float(self.index))
        object.__setattr__(self, "instruments", tuple(sorted(self.instruments)))
        for name in ("implied_vols", "forwards", "marks"):
            object.__setattr__(self, name, _sorted(getattr(self, name)))
        if not 0 <= self.underlying < 2**16:
            raise SnapshotError(f"{where}: the number does not fit 16 bits")
        if not (math.isfinite(self.index) and 0 < to_wad(self.index) <= MAX_PRICE):
            raise SnapshotError(f"{where}: index price {self.index}; above 0, at most {MAX_PRICE // WAD} is right")
        if not 0 < self.strike_unit <= WAD:
            raise SnapshotError(f"{where}: strike unit {self.strike_unit}; above 0, at most 1e18 is right")
        if len(set(self.instruments)) != len(self.instruments):
            raise SnapshotError(f"{where}: an instrument is listed twice")
        for item in self.listed:
            self._check_instrument(item, where)
        for name, low_open, high in (
            ("implied_vols", 0.0, MAX_VOLATILITY),
            ("forwards", 0.0, 4.2 * self.index),
            ("marks", 0.0, 100.0 * self.index),
        ):
            for key, value in getattr(self, name).items():
                if not low_open < value <= high:
                    raise SnapshotError(f"{where}: {name}[{key}] is {value}; above {low_open}, at most {high} is right")
        strange = sorted((self.implied_vols.keys() | self.marks.keys()) - set(self.instruments))
        if strange:
            raise SnapshotError(f"{where}: instrument {strange[0]} is quoted but not listed")
        if self.depth is not None:
            if not (math.isfinite(self.depth) and self.depth > 0):
                raise SnapshotError(f"{where}: depth {self.depth}; a positive number of contracts is right")
            object.__setattr__(self, "depth", float(self.depth))

    def _check_instrument(self, item: Instrument, where: str) -> None:
        if item.underlying != self.underlying:
            raise SnapshotError(f"{where}: {item} is another underlying's")
        if item.kind not in KINDS:
            raise SnapshotError(f"{where}: {item} is of no known kind")
        if (item.expiry == 0) != (item.kind in {PERP, SPOT}):
            raise SnapshotError(f"{where}: {item}; expiry 0 is right for perpetuals and spot, and for them only")
        if item.kind in {CALL, PUT} and item.strike == 0:
            raise SnapshotError(f"{where}: {item} has no strike")

    @cached_property
    def listed(self) -> tuple[Instrument, ...]:
        """What is listed, unpacked, sorted by id."""
        return tuple(unpack(instrument) for instrument in self.instruments)

    @property
    def reference(self) -> int:
        """The index price [wad]."""
        return to_wad(self.index)

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json`; ids as hexadecimal text, since 128 bits are too many for most readers' numbers."""
        return {
            "underlying": self.underlying,
            "name": self.name,
            "index": self.index,
            "strike_unit": self.strike_unit,
            "history": {
                "interval": self.history.interval,
                "time": self.history.time.tolist(),
                "close": self.history.close.tolist(),
                **(
                    {}
                    if self.history.high is None or self.history.low is None
                    else {"high": self.history.high.tolist(), "low": self.history.low.tolist()}
                ),
            },
            "instruments": [hex(instrument) for instrument in self.instruments],
            "implied_vols": {hex(key): value for key, value in self.implied_vols.items()},
            "forwards": {str(key): value for key, value in self.forwards.items()},
            "marks": {hex(key): value for key, value in self.marks.items()},
            "depth": self.depth,
            **{name: getattr(self, name).to_json() for name in OBSERVED if getattr(self, name) is not None},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Market:
        """Inverse of `to_json`."""
        history = data["history"]
        return cls(
            underlying=data["underlying"],
            index=data["index"],
            history=History(
                history["time"], history["close"], history["interval"], history.get("high"), history.get("low")
            ),
            instruments=tuple(int(text, 16) for text in data["instruments"]),
            strike_unit=data["strike_unit"],
            implied_vols={int(key, 16): value for key, value in data["implied_vols"].items()},
            forwards={int(key): value for key, value in data["forwards"].items()},
            marks={int(key, 16): value for key, value in data["marks"].items()},
            depth=data["depth"],
            name=data["name"],
            **{name: kind.from_json(data[name]) for name, kind in OBSERVED.items() if name in data},
        )


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Everything an engine may look at.

    Parameters
    ----------
    market_time
        When the prices held [unix s].
    markets
        One entry an underlying; kept sorted by number.

    Raises
    ------
    SnapshotError
        An underlying comes twice, or a history holds a bar that had not closed by `market_time`.
    """

    market_time: int
    markets: tuple[Market, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "markets", tuple(sorted(self.markets, key=lambda m: m.underlying)))
        if not 0 < self.market_time < 2**40:
            raise SnapshotError(f"market time {self.market_time}; unix seconds are right")
        if not self.markets:
            raise SnapshotError("no underlying; at least one is needed")
        numbers = [market.underlying for market in self.markets]
        if len(set(numbers)) != len(numbers):
            raise SnapshotError("an underlying comes twice")
        for market in self.markets:
            for observed in (market.marks_seen, market.depths):
                if observed is not None and len(observed.time) and observed.time[-1] > self.market_time:
                    raise SnapshotError(
                        f"underlying {market.underlying}: {observed.WHAT} of {observed.time[-1]:.0f} are not known at "
                        f"{self.market_time}"
                    )
            closed = int(market.history.time[-1]) + market.history.interval
            if closed > self.market_time:
                raise SnapshotError(
                    f"underlying {market.underlying}: a bar that closes at {closed} is not known at {self.market_time}"
                )

    def market(self, underlying: int) -> Market:
        """The market of one underlying.

        Raises
        ------
        SnapshotError
            It is not in the snapshot.
        """
        for market in self.markets:
            if market.underlying == underlying:
                return market
        raise SnapshotError(f"underlying {underlying} is not in the snapshot")

    @cached_property
    def content(self) -> bytes:
        """The canonical bytes."""
        whole = {
            "format": FORMAT,
            "market_time": self.market_time,
            "markets": [market.to_json() for market in self.markets],
        }
        return json.dumps(whole, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()

    @cached_property
    def content_hash(self) -> bytes:
        """keccak-256 of `content`, 32 bytes."""
        return keccak(self.content)

    @classmethod
    def parse(cls, content: bytes) -> Snapshot:
        """The snapshot behind canonical bytes.

        Raises
        ------
        SnapshotError
            The bytes are no snapshot, or not the canonical ones: their hash would be another.
        """
        try:
            data = parse_json(content)
            if data["format"] != FORMAT:
                raise SnapshotError(f"format {data['format']}; {FORMAT} is right")
            found = cls(data["market_time"], tuple(Market.from_json(market) for market in data["markets"]))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, FormatError) as error:
            raise SnapshotError(f"not a snapshot: {type(error).__name__} {error}") from error
        if found.content != content:
            raise SnapshotError("not in canonical form: its hash would change on saving")
        return found

    def save(self, path: str | Path) -> None:
        """Write the canonical bytes, gzipped where the name ends in .gz."""
        target = Path(path)
        content = gzip.compress(self.content, mtime=0) if target.suffix == ".gz" else self.content
        target.write_bytes(content)

    @classmethod
    def load(cls, path: str | Path) -> Snapshot:
        """Read what `save` wrote.

        Raises
        ------
        SnapshotError
            There is no such file, or it holds no snapshot.
        """
        source = Path(path)
        try:
            content = source.read_bytes()
            if source.suffix == ".gz":
                content = gzip.decompress(content)
        except (OSError, EOFError) as error:
            raise SnapshotError(f"{source}: {error}") from error
        return cls.parse(content)

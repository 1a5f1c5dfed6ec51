"""Prices from files: OHLCV tables, single series, option chains, and the price histories that `arch` ships.

Nothing here repairs data. A file with a hole, a repeated time or an impossible price is refused with the row that is
wrong, so that a mistake is met when the file is read and not in a margin.
"""

from __future__ import annotations

import csv
import gzip
import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

import numpy as np

from plimsoll.market.bars import Bars, FloatArray, IntArray, check_times, interval_of
from plimsoll.market.errors import (
    EmptyRangeError,
    MalformedFileError,
    MissingColumnError,
    MissingPriceError,
    NonPositivePriceError,
    SourceError,
    SourceNotFoundError,
)

DATA_VARIABLE: Final = "PLIMSOLL_DATA"
TIME_COLUMNS: Final = ("timestamp_utc", "timestamp", "time", "open_time", "opentime", "datetime", "date", "ts", "t")
PRICE_COLUMNS: Final = ("close", "price", "mid", "mid_price", "last", "value")
ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "volume": ("volume", "vol", "v", "base_volume"),
}
# Epochs in seconds stay under the first bound until the year 5138; each further unit is a thousand times finer.
EPOCH_BOUNDS: Final = ((10**11, 1), (10**14, 10**3), (10**17, 10**6), (10**20, 10**9))
BLANK: Final = frozenset({"", ".", "nan", "na", "n/a", "null", "none"})

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Values at times: `time` [unix s], shape (n,), strictly rising; `value`, shape (n,), in the source's unit."""

    time: IntArray
    value: FloatArray
    source: str

    def __len__(self) -> int:
        return len(self.time)

    def at(self, time: int) -> float:
        """The last value at or before `time` [unix s].

        Raises
        ------
        EmptyRangeError
            The series starts later.
        """
        found = int(np.searchsorted(self.time, time, side="right")) - 1
        if found < 0:
            raise EmptyRangeError(
                self.source, f"no value at {time} or before", f"a time from {self.time[0]} on is right"
            )
        return float(self.value[found])


@dataclass(frozen=True, slots=True)
class OptionQuote:
    """One line of a recorded option chain; prices in coin, as inverse options are quoted."""

    time: int  # [unix s]
    name: str
    is_call: bool
    strike: float  # [quote currency]
    expiry: int  # [unix s]
    forward: float  # [quote currency]
    index: float  # [quote currency]
    mark: float  # [coin]
    volatility: float  # [1 a year]
    open_interest: float  # [contracts]
    bid: float = math.nan  # [coin] NaN where nobody bids
    ask: float = math.nan  # [coin] NaN where nobody offers


def data_folder() -> Path:
    """The folder of recorded market data that the environment names.

    Raises
    ------
    SourceNotFoundError
        `PLIMSOLL_DATA` is unset or names no folder.
    """
    named = os.environ.get(DATA_VARIABLE)
    if not named:
        raise SourceNotFoundError(DATA_VARIABLE, "is not set", "the path of the folder of recorded data is right")
    folder = Path(named)
    if not folder.is_dir():
        raise SourceNotFoundError(named, "is no folder", f"let {DATA_VARIABLE} name the folder of recorded data")
    return folder


def load_recorded(name: str, start: int | None = None, end: int | None = None) -> Bars:
    """Bars from the folder of recorded data by the file's name with or without its endings: `btc_usdt_spot_1h`.

    Raises
    ------
    SourceError
        As `load_bars`, and `SourceNotFoundError` where the folder or the file is missing.
    """
    return load_bars(recorded_path(name), start=start, end=end)


def recorded_path(name: str) -> Path:
    """The path of a file of the recorded data, its endings optional.

    Raises
    ------
    SourceNotFoundError
        The folder holds no such file.
    """
    folder = data_folder()
    for ending in ("", ".csv.gz", ".csv"):
        path = folder / f"{name}{ending}"
        if path.is_file():
            return path
    there = ", ".join(sorted(path.name for path in folder.glob("*.csv*"))) or "none"
    raise SourceNotFoundError(str(folder / name), "is no file", f"one of these is right: {there}")


def load_bars(
    path: str | Path,
    *,
    price: str | None = None,
    start: int | None = None,
    end: int | None = None,
    interval: int | None = None,
    drop_missing: bool = False,
) -> Bars:
    """Bars from a csv or csv.gz file with a header.

    The time is the first of `TIME_COLUMNS` that the header has: ISO 8601 (UTC where no zone is said) or an epoch in s,
    ms, us or ns, told apart by size. Either open, high, low and close are there, or one price column, which then
    stands for all four. Capitals and blanks in names do not matter; other columns are ignored.

    Parameters
    ----------
    path
        The file.
    price
        Take this column as the one price, whatever else is there.
    start, end
        Keep the bars that open at `start` <= t < `end` [unix s].
    interval
        Length of a bar [s]; the most common distance between times where not given.
    drop_missing
        Leave rows without a price out, and say their number in `Bars.dropped`, instead of refusing the file.

    Raises
    ------
    SourceError
        One of its kinds, with the row at fault.
    """
    table = _read(Path(path))
    names = _price_columns(table, price)
    found = {name: table.numbers(column, blank=True) for name, column in names.items()}
    stack = np.stack(list(found.values()))
    missing = np.isnan(stack).any(axis=0)
    if missing.any() and not drop_missing:
        at = int(np.argmax(missing))
        raise MissingPriceError(
            table.source, "a price is empty or NaN", "a number in each price column is right", table.lines[at]
        )
    keep = ~missing
    if not keep.any():
        raise EmptyRangeError(table.source, "no row has a price", "at least one is needed")
    time = table.times(_time_column(table))[keep]
    volume_column = table.find(ALIASES["volume"])
    volume = np.zeros(len(time)) if volume_column is None else table.numbers(volume_column, blank=True)[keep]
    columns = {name: values[keep] for name, values in found.items()}
    lines = [line for line, kept in zip(table.lines, keep, strict=True) if kept]
    with _rows_of(lines):
        bars = Bars(
            time,
            columns["open"],
            columns["high"],
            columns["low"],
            columns["close"],
            np.nan_to_num(volume),
            interval or interval_of(time),
            table.source,
            int(missing.sum()),
        )
    if bars.dropped:
        log.warning("%s: %d rows without a price left out", bars.source, bars.dropped)
    return bars if start is None and end is None else bars.between(start, end)


def load_series(path: str | Path, value: str, where: Mapping[str, str] | None = None, *, sort: bool = False) -> Series:
    """One column of a csv or csv.gz file as a series, of any sign: funding rates, depth, implied volatility indices.

    Parameters
    ----------
    path
        The file; its time column is found as in `load_bars`.
    value
        Name of the column.
    where
        Keep only the rows that hold this text in that column, e.g. ``{"symbol": "BTCUSDT"}``.
    sort
        Accept rows in any order: some recordings were stitched from parts.

    Raises
    ------
    SourceError
        One of its kinds, with the row at fault.
    """
    table = _read(Path(path)).where(where or {})
    column = table.need((value,), "a column of that name is right")
    time = table.times(_time_column(table))
    values = table.numbers(column)
    if sort:
        order = np.argsort(time, kind="stable")
        time, values = time[order], values[order]
        table = replace(table, lines=tuple(table.lines[i] for i in order))
    with _rows_of(table.lines):
        check_times(time, table.source)
    return Series(time, values, table.source)


def load_option_chain(path: str | Path, currency: str, day: str | None = None) -> tuple[OptionQuote, ...]:
    """Quotes of a recorded option chain, sorted by time, expiry, strike, puts first.

    Parameters
    ----------
    path
        A file with the columns timestamp, currency, instrument_name, option_type, strike, expiry, underlying (the
        forward), index_price, mark_price, implied_volatility, open_interest, and bid_price and ask_price where known.
    currency
        The underlying's name in the file, e.g. ``BTC``.
    day
        Only quotes whose timestamp starts with this text, e.g. ``2026-01-05``.

    Raises
    ------
    SourceError
        One of its kinds, with the row at fault.
    """
    table = _read(Path(path)).where({"currency": currency})
    if day is not None:
        table = table.keep(table.need(("timestamp",), "a timestamp is right"), lambda text: text.startswith(day))

    def text(name: str) -> list[str]:
        return table.column(table.need((name,), "see the docstring for the columns of a chain"))

    def number(name: str) -> list[float]:
        column = table.need((name,), "see the docstring for the columns of a chain")
        return [float(x) for x in table.numbers(column)]

    def side(name: str) -> list[float]:
        column = table.find((name,))
        return [math.nan] * len(table.lines) if column is None else table.numbers(column, blank=True).tolist()

    quotes = [
        OptionQuote(int(t), name, kind.lower().startswith("c"), k, int(expiry), f, s, m, v, oi, bid, ask)
        for t, name, kind, k, expiry, f, s, m, v, oi, bid, ask in zip(
            table.times(table.need(("timestamp",), "a timestamp is right")),
            text("instrument_name"),
            text("option_type"),
            number("strike"),
            table.times(table.need(("expiry",), "a time of expiry is right")),
            number("underlying"),
            number("index_price"),
            number("mark_price"),
            number("implied_volatility"),
            number("open_interest"),
            side("bid_price"),
            side("ask_price"),
            strict=True,
        )
    ]
    for line, quote in zip(table.lines, quotes, strict=True):
        if min(quote.strike, quote.forward, quote.index) <= 0:
            raise NonPositivePriceError(
                table.source, "strike, forward or index is not positive", "a price above zero is right", line
            )
    return tuple(sorted(quotes, key=lambda q: (q.time, q.expiry, q.strike, q.is_call)))


def load_sp500(start: int | None = None, end: int | None = None, *, adjusted: bool = True) -> Bars:
    """Daily bars of the S&P 500, 1999-2018, as the `arch` package ships them.

    Parameters
    ----------
    start, end
        Keep the days that open at `start` <= t < `end` [unix s].
    adjusted
        Scale each bar so that its close is the adjusted close.

    Raises
    ------
    SourceError
        One of its kinds.
    """
    from arch.data import sp500  # noqa: PLC0415 - takes two seconds to import

    frame = sp500.load()
    column = {name: frame[name].to_numpy(dtype=np.float64) for name in frame.columns}
    ratio = column["Adj Close"] / column["Close"] if adjusted else np.ones(len(frame))
    bars = Bars(
        frame.index.to_numpy(dtype="datetime64[s]").astype(np.int64),
        column["Open"] * ratio,
        column["High"] * ratio,
        column["Low"] * ratio,
        column["Close"] * ratio,
        column["Volume"],
        86_400,
        "arch.data.sp500",
    )
    return bars if start is None and end is None else bars.between(start, end)


def load_wti(start: int | None = None, end: int | None = None) -> Bars:
    """Daily prices of West Texas crude oil, 1986-2019, as the `arch` package ships them; one price a day.

    Holidays are NaN there; they are left out and counted in `Bars.dropped`.

    Raises
    ------
    SourceError
        One of its kinds.
    """
    from arch.data import wti  # noqa: PLC0415 - takes two seconds to import

    frame = wti.load()
    price = frame["DCOILWTICO"].to_numpy(dtype=np.float64)
    keep = ~np.isnan(price)
    time = frame.index.to_numpy(dtype="datetime64[s]").astype(np.int64)[keep]
    price = price[keep]
    dropped = int((~keep).sum())
    log.info("arch.data.wti: %d holidays left out", dropped)
    bars = Bars(
        time,
        price,
        price.copy(),
        price.copy(),
        price.copy(),
        np.zeros(len(price)),
        86_400,
        "arch.data.wti",
        dropped,
    )
    return bars if start is None and end is None else bars.between(start, end)


# ------------------------------------------------------------------------------------------------------------- tables


@dataclass(frozen=True, slots=True)
class _Table:
    """The text of a csv file: `cells` by row, `lines` their places in the file."""

    source: str
    header: tuple[str, ...]
    cells: tuple[Sequence[str], ...]
    lines: tuple[int, ...]

    def find(self, names: Sequence[str]) -> int | None:
        for name in names:
            if name.lower() in self.header:
                return self.header.index(name.lower())
        return None

    def need(self, names: Sequence[str], remedy: str) -> int:
        found = self.find(names)
        if found is None:
            raise MissingColumnError(
                self.source, f"no column {' or '.join(names)} among {', '.join(self.header)}", remedy, 1
            )
        return found

    def column(self, index: int) -> list[str]:
        return [row[index].strip() for row in self.cells]

    def where(self, wanted: Mapping[str, str]) -> _Table:
        table = self
        for name, text in wanted.items():
            column = table.need((name,), "a column to choose rows by is right")
            table = table.keep(column, lambda cell, text=text: cell == text)  # type: ignore[misc]
        return table

    def keep(self, column: int, choose: Callable[[str], bool]) -> _Table:
        chosen = [i for i, row in enumerate(self.cells) if choose(row[column].strip())]
        if not chosen:
            raise EmptyRangeError(
                self.source, f"no row is chosen by column {self.header[column]}", "at least one is needed"
            )
        return _Table(
            self.source,
            self.header,
            tuple(self.cells[i] for i in chosen),
            tuple(self.lines[i] for i in chosen),
        )

    def numbers(self, index: int, *, blank: bool = False) -> FloatArray:
        """A column as floats; an empty cell is NaN where `blank`, an error elsewhere."""
        texts = self.column(index)
        try:
            values = np.array(texts, dtype=np.str_).astype(np.float64)
        except ValueError:
            values = np.array([self._number(text, i, index) for i, text in enumerate(texts)], dtype=np.float64)
        wrong = np.isinf(values) if blank else ~np.isfinite(values)
        if wrong.any():
            at = int(np.argmax(wrong))
            kind = MalformedFileError if np.isinf(values[at]) else MissingPriceError
            raise kind(
                self.source, f"{self.header[index]} is {texts[at]!r}", "a finite number is right", self.lines[at]
            )
        return values

    def _number(self, text: str, row: int, index: int) -> float:
        if text.lower() in BLANK:
            return float("nan")
        try:
            return float(text)
        except ValueError as error:
            raise MalformedFileError(
                self.source, f"{self.header[index]} is {text!r}", "a number is right", self.lines[row]
            ) from error

    def times(self, index: int) -> IntArray:
        """A column of times as unix seconds."""
        return np.array([self._time(row[index].strip(), i) for i, row in enumerate(self.cells)], dtype=np.int64)

    def _time(self, text: str, row: int) -> int:
        digits = text.split(".", 1)[0]
        if digits.isdigit() and len(digits) != 8:  # eight digits are a date: 20240131
            epoch = int(digits)
            for bound, unit in EPOCH_BOUNDS:
                if epoch < bound:
                    return epoch // unit
        else:
            try:
                moment = datetime.fromisoformat(text)
            except ValueError:
                pass
            else:
                return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
        raise MalformedFileError(
            self.source,
            f"{text!r} is no time",
            "ISO 8601 (2024-01-31T12:00:00Z) or a unix epoch is right",
            self.lines[row],
        )


def _read(path: Path) -> _Table:
    source = str(path)
    if not path.is_file():
        raise SourceNotFoundError(source, "is no file", "the path of a csv or csv.gz file is right")
    try:
        with open_text(path) as stream:
            reader = csv.reader(stream, strict=True)
            rows: list[Sequence[str]] = []
            lines: list[int] = []
            for cells in reader:
                if cells:
                    rows.append(cells)
                    lines.append(reader.line_num)
    except (UnicodeDecodeError, csv.Error, gzip.BadGzipFile, EOFError) as error:
        raise MalformedFileError(source, f"is unreadable ({error})", "csv text in UTF-8 is right") from error
    if not rows:
        raise MalformedFileError(source, "is empty", "a header and rows are right", 1)
    header = tuple(name.strip().lower() for name in rows[0])
    for row, line in zip(rows[1:], lines[1:], strict=True):
        if len(row) != len(header):
            raise MalformedFileError(
                source, f"{len(row)} cells", f"{len(header)} cells, as in the header, are right", line
            )
    if len(rows) == 1:
        raise EmptyRangeError(source, "a header and nothing under it", "at least one row is needed", 2)
    return _Table(source, header, tuple(rows[1:]), tuple(lines[1:]))


def open_text(path: Path) -> TextIO:
    """A csv or csv.gz file as text in UTF-8, with or without a mark of byte order."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _time_column(table: _Table) -> int:
    return table.need(TIME_COLUMNS, "a column of bar open times is right")


def _price_columns(table: _Table, price: str | None) -> dict[str, int]:
    """Where open, high, low and close stand; one price column stands for all."""
    if price is not None:
        one = table.need((price,), "the name of a price column of this file is right")
        return dict.fromkeys(("open", "high", "low", "close"), one)
    found = {name: table.find(ALIASES[name]) for name in ("open", "high", "low")}
    found["close"] = table.find(("close", "c"))
    whole = {name: index for name, index in found.items() if index is not None}
    if len(whole) == 4:
        return whole
    if whole.keys() - {"close"}:
        gone = ", ".join(sorted(found.keys() - whole.keys()))
        raise MissingColumnError(
            table.source, f"no column {gone}", "open, high, low and close, or one price column, are right", 1
        )
    one = table.need(PRICE_COLUMNS, "open, high, low and close, or one price column, are right")
    return dict.fromkeys(("open", "high", "low", "close"), one)


@contextmanager
def _rows_of(lines: Sequence[int]) -> Iterator[None]:
    """Say the line of the file in errors that count the rows that were kept."""
    try:
        yield
    except SourceError as error:
        if error.row is None:
            raise
        raise type(error)(error.source, error.problem, error.remedy, lines[error.row - 2]) from error

"""Order books: what stands on each side, what an order of some size costs, and how much a cost buys."""

from __future__ import annotations

import csv
import gzip
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from plimsoll.market.bars import FloatArray
from plimsoll.market.errors import (
    EmptyRangeError,
    MalformedFileError,
    MissingColumnError,
    NonPositivePriceError,
    SourceNotFoundError,
)
from plimsoll.market.sources import open_text

MICROSECONDS: Final = 10**6
LEVEL: Final = re.compile(r"(asks|bids)\[(\d+)\]\.(price|amount)")


@dataclass(frozen=True, slots=True, eq=False)
class OrderBook:
    """Both sides of a book at one moment.

    Parameters
    ----------
    time
        When [unix s].
    bid_price, bid_size
        Prices [quote currency] and sizes [contracts], best first, so that prices fall; shape (n,).
    ask_price, ask_size
        The same of the other side; prices rise; shape (m,).
    source
        Where it comes from; errors name it.
    row
        Line of the source; None where it has none.

    Raises
    ------
    MalformedFileError
        A side is empty, prices are out of order, a size is negative or not finite, or the sides cross.
    NonPositivePriceError
        A price is zero, negative or not finite.
    """

    time: float
    bid_price: FloatArray
    bid_size: FloatArray
    ask_price: FloatArray
    ask_size: FloatArray
    source: str = "order book"
    row: int | None = None

    def __post_init__(self) -> None:
        for name in ("bid", "ask"):
            price = np.array(getattr(self, f"{name}_price"), dtype=np.float64)
            size = np.array(getattr(self, f"{name}_size"), dtype=np.float64)
            if price.ndim != 1 or price.shape != size.shape or len(price) == 0:
                self._refuse(
                    f"{name}s: prices {price.shape}, sizes {size.shape}", "equal, one level at least, is right"
                )
            if not np.all(np.isfinite(price) & (price > 0)):
                raise NonPositivePriceError(
                    self.source, f"a {name} is at {price.min()}", "above zero is right", self.row
                )
            if not np.all(np.isfinite(size) & (size >= 0)) or size.max() <= 0:
                self._refuse(f"{name} sizes reach from {size.min()} to {size.max()}", "0 or more, one above, is right")
            steps = np.diff(price) * (1 if name == "ask" else -1)
            if np.any(steps <= 0):
                at = int(np.argmax(steps <= 0))
                self._refuse(f"{name} {price[at + 1]} follows {price[at]}", "the best price first is right")
            price.flags.writeable = size.flags.writeable = False
            object.__setattr__(self, f"{name}_price", price)
            object.__setattr__(self, f"{name}_size", size)
        if self.bid_price[0] >= self.ask_price[0]:
            self._refuse(f"bid {self.bid_price[0]} over ask {self.ask_price[0]}", "a bid under every ask is right")

    def _refuse(self, problem: str, remedy: str) -> None:
        raise MalformedFileError(self.source, problem, remedy, self.row)

    @property
    def mid(self) -> float:
        """Half way between the best prices [quote currency]."""
        return float(self.bid_price[0] + self.ask_price[0]) / 2

    @property
    def spread(self) -> float:
        """Distance of the best prices as a share of mid."""
        return float(self.ask_price[0] - self.bid_price[0]) / self.mid

    def ladder(self, *, buy: bool) -> tuple[FloatArray, FloatArray]:
        """Distances from mid as shares of it, rising, and sizes [contracts], of what an order would take."""
        price, size = (self.ask_price, self.ask_size) if buy else (self.bid_price, self.bid_size)
        return np.abs(price - self.mid) / self.mid, size

    def within(self, band: float) -> tuple[float, float]:
        """Contracts of bids, and of asks, no further than `band` from mid [share of mid]."""
        found = []
        for buy in (False, True):
            distance, size = self.ladder(buy=buy)
            found.append(math.fsum(size[distance <= band].tolist()))
        return found[0], found[1]

    def cost(self, quantity: float, *, buy: bool) -> float:
        """Mean distance from mid that an order of `quantity` [contracts] pays; infinite where the book has not so much.

        Raises
        ------
        ValueError
            The quantity is not positive.
        """
        if not quantity > 0:
            raise ValueError(f"quantity {quantity}; above 0 is right")
        distance, size = self.ladder(buy=buy)
        before = np.concatenate(([0.0], np.cumsum(size)[:-1]))
        taken = np.clip(quantity - before, 0.0, size)
        if math.fsum(taken.tolist()) < quantity * (1 - 1e-12):
            return math.inf
        paid: float = math.fsum((taken * distance).tolist())
        return paid / quantity

    def takes(self, cost: float, *, buy: bool) -> float:
        """Largest order [contracts] whose mean distance from mid is no more than `cost`.

        What lies behind the last level is not seen: the answer is no more than the side holds.
        """
        distance, size = self.ladder(buy=buy)
        levels: list[tuple[float, float]] = list(zip(distance.tolist(), size.tolist(), strict=True))
        total = paid = 0.0
        for away, there in levels:
            room = cost * total - paid  # what dearer contracts may still cost over `cost`, all in all
            if away > cost and there * (away - cost) > room:
                return total + max(0.0, room / (away - cost))
            total += there
            paid += there * away
        return total


def _fields(header: list[str], source: str) -> tuple[int, Mapping[tuple[str, str], list[int]]]:
    """Places of the time, and of price and amount of each level by side, best first."""
    if "timestamp" not in header:
        raise MissingColumnError(source, "no column timestamp", "microseconds of the epoch under that name", 1)
    places: dict[tuple[str, str], dict[int, int]] = {}
    for at, name in enumerate(header):
        if found := LEVEL.fullmatch(name):
            places.setdefault((found[1], found[3]), {})[int(found[2])] = at
    wanted = [(side, what) for side in ("bids", "asks") for what in ("price", "amount")]
    levels = {len(places.get(key, {})) for key in wanted}
    if (
        len(levels) != 1
        or not all(sorted(places.get(key, {})) == list(range(max(levels))) for key in wanted)
        or 0 in levels
    ):
        raise MissingColumnError(
            source,
            "levels are missing",
            "asks[0].price, asks[0].amount, bids[0].price, bids[0].amount and on is right",
            1,
        )
    return header.index("timestamp"), {key: [places[key][level] for level in range(max(levels))] for key in wanted}


def load_books(path: str | Path) -> Iterator[OrderBook]:
    """Books of a csv or csv.gz file with a line a book: `timestamp` [us], `asks[0].price`, `asks[0].amount` and on.

    That is how Tardis.dev publishes its snapshots of 5 and 25 levels. Empty levels at the end of a side are left out.

    Raises
    ------
    SourceError
        One of its kinds, with the line at fault.
    """
    file = Path(path)
    source = str(file)
    if not file.is_file():
        raise SourceNotFoundError(source, "is no file", "the path of a csv or csv.gz file is right")
    with open_text(file) as stream:
        try:
            lines = csv.reader(stream, strict=True)
            header = [name.strip().lower() for name in next(lines, [])]
            time, places = _fields(header, source)
            empty = True
            for cells in lines:
                empty = False
                yield _book(cells, header, time, places, source, lines.line_num)
        except (UnicodeDecodeError, csv.Error, gzip.BadGzipFile, EOFError) as error:
            raise MalformedFileError(source, f"is unreadable ({error})", "csv text in UTF-8 is right") from error
    if empty:
        raise EmptyRangeError(source, "a header and nothing under it", "at least one row is needed", 2)


def _book(
    cells: list[str],
    header: list[str],
    time: int,
    places: Mapping[tuple[str, str], list[int]],
    source: str,
    row: int,
) -> OrderBook:
    """The book of one line."""
    if len(cells) != len(header):
        raise MalformedFileError(source, f"{len(cells)} cells", f"{len(header)}, as in the header, are right", row)
    try:
        sides = {
            key: [float(cells[at]) for at, price in zip(columns, places[key[0], "price"], strict=True) if cells[price]]
            for key, columns in places.items()
        }
        moment = int(cells[time]) / MICROSECONDS
    except ValueError as error:
        raise MalformedFileError(source, str(error), "numbers are right", row) from error
    return OrderBook(
        moment,
        np.array(sides["bids", "price"]),
        np.array(sides["bids", "amount"]),
        np.array(sides["asks", "price"]),
        np.array(sides["asks", "amount"]),
        source,
        row,
    )

"""A csv that something else appends to: its last whole line is the price.

The header names a time (as `plimsoll.market.sources` finds it) and a price column. Only the end of the file is read,
and a line that is still being written, without its line feed, is left for the next look.
"""

from __future__ import annotations

import csv
import time as clock
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from plimsoll.market.sources import EPOCH_BOUNDS, PRICE_COLUMNS, TIME_COLUMNS
from plimsoll.market.venues.answers import Answer, Candles, Kind, mark_of, number
from plimsoll.market.venues.errors import VenueAnswerError, VenueDownError

TAIL: Final = 2**16  # [bytes] read of the end


class FilePrice:
    """The last line of a file.

    Parameters
    ----------
    name
        Of the source.
    path
        The file.
    now
        The clock [unix s].
    """

    kind: Final[Kind] = "file"

    def __init__(self, name: str, path: Path, now: Callable[[], float] = clock.time) -> None:
        self.name, self.path, self._now = name, path, now

    def close(self) -> None:
        """Nothing is held."""

    def ask(self) -> Answer:
        """The last whole line.

        Raises
        ------
        VenueDownError
            The file cannot be read.
        VenueAnswerError
            Its header or its last line cannot be used.
        """
        try:
            with self.path.open("rb") as file:
                header = file.readline(TAIL)
                start = file.tell()
                file.seek(max(start, file.seek(0, 2) - TAIL))
                whole, _, _ = file.read(TAIL).rpartition(b"\n")
        except OSError as error:
            raise VenueDownError(f"{self.path.name}: {error.strerror or error}") from error
        line = whole.rpartition(b"\n")[2]
        try:
            (names,) = csv.reader([header.decode()])
            (cells,) = csv.reader([line.decode()])
        except (UnicodeDecodeError, csv.Error, ValueError) as error:
            raise VenueAnswerError(f"{self.path.name}: no whole line of csv") from error
        found = dict(zip([name.strip().lower() for name in names], cells, strict=False))
        price = number(self._first(found, PRICE_COLUMNS), "price", least=0.0)
        received = int(self._now())
        stamp = _seconds(self._first(found, TIME_COLUMNS))
        return Answer(self.name, self.kind, received, stamp, received, mark_of([price]), price)

    def hours(self, since: int, until: int) -> Candles:
        """None: a file of prices has no hours.

        Raises
        ------
        VenueAnswerError
            Always.
        """
        raise VenueAnswerError(f"{self.path.name} has no hours of {since} to {until}")

    def _first(self, found: dict[str, str], names: tuple[str, ...]) -> str:
        for name in names:
            if name in found:
                return found[name].strip()
        raise VenueAnswerError(f"{self.path.name}: no column {' or '.join(names)}")


def _seconds(text: str) -> int:
    """A time as ISO 8601 (UTC where no zone is said) or an epoch in s, ms, us or ns, told apart by size [unix s]."""
    if text.replace(".", "", 1).isdigit():  # first: ISO 8601 without hyphens is digits too
        value = int(number(text, "time", least=0.0))
        for bound, unit in EPOCH_BOUNDS:
            if value < bound:
                return value // unit
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise VenueAnswerError(f"time {text!r:.60}; ISO 8601 or an epoch in s, ms, us or ns is right") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())

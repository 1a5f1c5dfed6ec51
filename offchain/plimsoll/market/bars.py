"""Price bars: open, high, low, close, volume at regular times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from plimsoll.market.errors import (
    DuplicateTimesError,
    EmptyRangeError,
    InconsistentBarError,
    MalformedFileError,
    MissingPriceError,
    NonPositivePriceError,
    UnsortedTimesError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

DAY: Final = 86_400  # [s]
YEAR: Final = 365 * DAY  # [s], the year of `plimsoll.spec`


@dataclass(frozen=True, slots=True)
class Step:
    """One price on the way through a bar: `time` [unix s], `price` [quote]."""

    time: int
    price: float


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Bars of one market, sorted by time.

    Parameters
    ----------
    time
        Open times, shape (n,), unix seconds UTC, strictly rising.
    open, high, low, close
        Prices, shape (n,), quote currency, positive.
    volume
        Traded quantity, shape (n,); zeros where the source has none.
    interval
        Length of a bar [s]. Gaps (nights, holidays, outages) are allowed between bars.
    source
        Where the bars come from; errors name it.
    dropped
        How many rows of the source held no price and were left out.

    Raises
    ------
    SourceError
        One of its kinds, by what is wrong. `row` counts from 2, as in a file under a header.
    """

    time: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    interval: int
    source: str = "bars"
    dropped: int = 0

    def __post_init__(self) -> None:
        n = len(self.time)
        if n == 0:
            raise EmptyRangeError(self.source, "no bar", "at least one is needed")
        for name in ("open", "high", "low", "close", "volume"):
            column = getattr(self, name)
            if column.shape != (n,):
                raise MalformedFileError(self.source, f"{name} has shape {column.shape}", f"({n},), as time, is right")
        check_times(self.time, self.source)
        if self.interval <= 0:
            raise MalformedFileError(self.source, f"interval {self.interval} s", "a positive number is right")
        self._check_prices()
        for name in ("time", "open", "high", "low", "close", "volume"):
            getattr(self, name).flags.writeable = False

    def _check_prices(self) -> None:
        for name in ("open", "high", "low", "close"):
            column = getattr(self, name)
            bad = ~np.isfinite(column)
            if np.any(bad):
                at = int(np.argmax(bad))
                raise MissingPriceError(self.source, f"{name} is {column[at]}", "a finite price is right", at + 2)
            bad = column <= 0
            if np.any(bad):
                at = int(np.argmax(bad))
                raise NonPositivePriceError(
                    self.source, f"{name} is {column[at]:g}", "a price above zero is right", at + 2
                )
        bad = (self.high < np.maximum(self.open, self.close)) | (self.low > np.minimum(self.open, self.close))
        if np.any(bad):
            at = int(np.argmax(bad))
            found = f"open {self.open[at]:g}, high {self.high[at]:g}, low {self.low[at]:g}, close {self.close[at]:g}"
            raise InconsistentBarError(self.source, found, "low <= open, close <= high is right", at + 2)

    def __len__(self) -> int:
        return len(self.time)

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    @property
    def per_year(self) -> float:
        """Bars in a year of 365 days, counted over the whole range.

        Near 252 for daily bars of a stock exchange, 365 for daily and 8,760 for hourly bars of a market that never
        closes. A single bar counts as if its market never closed.
        """
        span = int(self.time[-1] - self.time[0])
        return YEAR / self.interval if span == 0 else (len(self) - 1) * YEAR / span

    def returns(self) -> FloatArray:
        """Logarithmic returns from close to close, shape (n - 1,)."""
        return np.diff(np.log(self.close))

    def between(self, start: int | None = None, end: int | None = None) -> Bars:
        """The bars that open at `start` <= t < `end` [unix s].

        Raises
        ------
        EmptyRangeError
            No bar opens in that range.
        """
        first = 0 if start is None else int(np.searchsorted(self.time, start, side="left"))
        last = len(self) if end is None else int(np.searchsorted(self.time, end, side="left"))
        if first >= last:
            raise EmptyRangeError(
                self.source,
                f"no bar opens in [{start}, {end})",
                f"a range that meets {int(self.time[0])} .. {int(self.time[-1])} is right",
            )
        return self.take(slice(first, last))

    def known_at(self, time: int) -> Bars:
        """The bars that have closed by `time` [unix s]: what an engine may look at then.

        Raises
        ------
        EmptyRangeError
            None has.
        """
        return self.between(None, time - self.interval + 1)

    def take(self, part: slice) -> Bars:
        """The bars at the positions of `part`."""
        return Bars(
            self.time[part],
            self.open[part],
            self.high[part],
            self.low[part],
            self.close[part],
            self.volume[part],
            self.interval,
            self.source,
            self.dropped,
        )

    def resample(self, interval: int) -> Bars:
        """Longer bars, cut at multiples of `interval` [s] since 1970; a bar with gaps is made from what is there.

        Raises
        ------
        MalformedFileError
            `interval` is no multiple of the bars' own.
        """
        if interval % self.interval:
            raise MalformedFileError(
                self.source, f"bars of {interval} s from bars of {self.interval} s", "a multiple is right"
            )
        bucket = self.time // interval
        first = np.flatnonzero(np.diff(bucket, prepend=bucket[0] - 1))
        last = np.append(first[1:], len(self)) - 1
        return Bars(
            bucket[first] * interval,
            self.open[first],
            np.maximum.reduceat(self.high, first),
            np.minimum.reduceat(self.low, first),
            self.close[last],
            np.add.reduceat(self.volume, first),
            interval,
            self.source,
            self.dropped,
        )

    def substeps(self, bar: int, per_leg: int = 1) -> tuple[Step, ...]:
        """A walk through one bar: open, the two extremes, close.

        A bar that closes at or over its open is walked open, low, high, close; any other open, high, low, close: the
        extreme against the bar's direction comes first, so that both are met whatever a position's sign.

        Parameters
        ----------
        bar
            Position of the bar.
        per_leg
            Equal price steps on each of the three legs; more than one keeps each move small.

        Returns
        -------
        tuple of Step
            1 + 3 `per_leg` steps. Times rise, start at the bar's open and stay inside the bar.
        """
        if per_leg < 1:
            raise MalformedFileError(self.source, f"{per_leg} steps a leg", "one or more is right")
        up = self.close[bar] >= self.open[bar]
        extremes = (self.low[bar], self.high[bar]) if up else (self.high[bar], self.low[bar])
        corners = [float(self.open[bar]), *(float(x) for x in extremes), float(self.close[bar])]
        count = 3 * per_leg
        start = int(self.time[bar])
        walk = []
        for i in range(count + 1):
            leg, along = divmod(i, per_leg)
            price = corners[leg]
            if along:
                price += (corners[leg + 1] - price) * along / per_leg
            walk.append(Step(start + i * (self.interval - 1) // count, price))
        return tuple(walk)


def check_times(time: IntArray, source: str) -> None:
    """Refuse times that do not rise.

    Raises
    ------
    DuplicateTimesError, UnsortedTimesError
        With `row` counted from 2, as in a file under a header.
    """
    wrong = np.diff(time) <= 0
    if np.any(wrong):
        at = int(np.argmax(wrong))
        before, after = int(time[at]), int(time[at + 1])
        if before == after:
            raise DuplicateTimesError(source, f"time {after} again", "each time once is right", at + 3)
        raise UnsortedTimesError(
            source, f"time {after} below time {before}", "rows sorted by time, oldest first, are right", at + 3
        )


def interval_of(time: IntArray) -> int:
    """The most common distance between neighbouring times [s], the shorter of equals; a day for a single time."""
    if len(time) < 2:
        return DAY
    steps, counts = np.unique(np.diff(time), return_counts=True)
    return int(steps[np.argmax(counts)])

"""The record of a model: what its margins would have covered, cost, and done to those who held positions.

A *cell* is an asset, a side and a horizon. It is judged on one window a day, from 00:00 UTC, close to close; over more
than a day on one window a horizon, since both tests ask for windows that do not overlap. What all windows, and the
worst price within a window, would have said stands beside. Capital is held against a static margin
that is chosen with hindsight so that both leave the same total shortfall.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

import numpy as np

from plimsoll.backtest.coverage import Coverage, coverage
from plimsoll.backtest.errors import BacktestError
from plimsoll.backtest.walk import Margins
from plimsoll.market.bars import DAY, Bars, FloatArray, IntArray

Side = Literal["down", "up"]
SIDES: Final[tuple[Side, ...]] = ("down", "up")
HOUR: Final = 3_600
HORIZONS: Final = (HOUR, 8 * HOUR, DAY)
WARM_UP: Final = 2 * 365 * DAY
# No model that is not a static one saw it come; what it did stands in every table, and no bar counts it.
CRASH: Final = (
    int(datetime(2020, 3, 11, tzinfo=UTC).timestamp()),
    int(datetime(2020, 3, 14, tzinfo=UTC).timestamp()),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One asset, side and horizon, judged.

    Parameters
    ----------
    asset, side, horizon
        Which; `horizon` in seconds.
    daily
        Coverage of one window a day from 00:00 UTC, or a horizon where that is longer.
    every
        Share of all windows, one from each close, whose loss exceeds the margin.
    within
        Share of daily windows in which the worst price on the way does.
    average
        Mean margin over the daily windows [share of the price].
    static
        The static margin with the same total shortfall over them.
    worst
        Largest loss over margin, 11 to 13 March 2020 aside.
    worst_at
        When that window began [unix s].
    """

    asset: str
    side: Side
    horizon: int
    daily: Coverage
    every: float
    within: float
    average: float
    static: float
    worst: float
    worst_at: int

    @property
    def passes(self) -> bool:
        """Whether neither Kupiec nor Christoffersen rejects it at 5 %."""
        return not self.daily.kupiec.rejected() and not self.daily.independence.rejected()

    @property
    def ratio(self) -> float:
        """Average margin over the static one; infinite where no margin was needed."""
        return self.average / self.static if self.static > 0 else math.inf


@dataclass(frozen=True, slots=True)
class Swings:
    """How a margin moved, both sides' wider one at 00:00 UTC: peak over trough, and its worst rises [1]."""

    peak_over_trough: float
    rise_1: float
    rise_5: float
    rise_30: float


@dataclass(frozen=True, slots=True)
class Record:
    """A model on one asset at one horizon."""

    model: str
    asset: str
    horizon: int
    cells: tuple[Cell, ...]
    swings: Swings


def static_of(losses: FloatArray, shortfall: float) -> float:
    """The static margin that leaves a total shortfall over `losses`, shape (n,): the smallest one to leave no more.

    With the losses sorted downwards, a margin between the k-th and the next leaves sum_k (loss - margin).
    """
    sorted_down = np.sort(losses)[::-1]
    sums = np.cumsum(sorted_down)
    counts = np.arange(1, len(losses) + 1)
    margins = (sums - shortfall) / counts  # if exactly the first k exceed it
    following = np.append(sorted_down[1:], -np.inf)
    fits = np.flatnonzero((margins <= sorted_down) & (margins >= following))
    return float(margins[fits[0]]) if len(fits) else float(sorted_down[0])


LEAST_WINDOWS: Final = 30


def days_of(bars: Bars, margins: Margins, horizon: int, warm_up: int = WARM_UP) -> IntArray:
    """Indices of the closes at 00:00 UTC, after the warm-up, from which `horizon` bars follow.

    Raises
    ------
    BacktestError
        There is none, or the model says nothing at one, or asks for nothing: a loss over no margin is no number.
    """
    known = np.flatnonzero((bars.time % DAY == 0) & (bars.time >= bars.time[0] + warm_up))
    found = known[known + horizon <= len(bars)]
    if len(found) < LEAST_WINDOWS:
        raise BacktestError(
            f"{bars.source}: {len(found)} days after a warm-up of {warm_up // DAY}; {LEAST_WINDOWS} are needed"
        )
    silent = found[~(np.isfinite(margins.down[found]) & np.isfinite(margins.up[found]))]
    if len(silent):
        raise BacktestError(f"{bars.source}: no margin at {bars.time[silent[0]]}, after the warm-up")
    nothing = found[(margins.down[found] <= 0) | (margins.up[found] <= 0)]
    if len(nothing):
        raise BacktestError(f"{bars.source}: a margin of 0 at {bars.time[nothing[0]]}; prices that move are right")
    return found


def starts_of(bars: Bars, margins: Margins, horizon: int, warm_up: int = WARM_UP) -> IntArray:
    """Of `days_of` those from which windows do not overlap: all up to a horizon of a day.

    Raises
    ------
    BacktestError
        As `days_of`, or there are too few.
    """
    days = -(-horizon * bars.interval // DAY)
    found = days_of(bars, margins, horizon, warm_up)[::days]
    if len(found) < LEAST_WINDOWS:
        raise BacktestError(f"{bars.source}: {len(found)} windows of {days} days; {LEAST_WINDOWS} are needed")
    return found


def swings_of(margin: FloatArray) -> Swings:
    """Swings of a margin that is looked at once a day, shape (n,)."""

    def rise(days: int) -> float:
        return float(np.max(margin[days:] / margin[:-days])) - 1 if len(margin) > days else 0.0

    return Swings(float(margin.max() / margin.min()), rise(1), rise(5), rise(30))


def judge(
    asset: str,
    model: str,
    bars: Bars,
    margins: Margins,
    horizon: int,
    level: float = 0.99,
    warm_up: int = WARM_UP,
) -> Record:
    """The record of one model's margins on one asset.

    Parameters
    ----------
    asset, model
        Names.
    bars
        The history.
    margins
        What a model set at each close.
    horizon
        In seconds; a whole number of bars.
    level
        The share of losses that the margins promise to cover.
    warm_up
        Time from the first bar that is not judged [s].

    Raises
    ------
    BacktestError
        The horizon is no whole number of bars, or there is too little to judge.
    """
    if horizon % bars.interval or horizon <= 0:
        raise BacktestError(f"horizon {horizon} s; a multiple of the bars' {bars.interval} s is right")
    h = horizon // bars.interval
    prices = np.concatenate((bars.open[:1], bars.close))
    starts = starts_of(bars, margins, h, warm_up)
    low = np.min(np.lib.stride_tricks.sliding_window_view(bars.low, h), axis=1)
    high = np.max(np.lib.stride_tricks.sliding_window_view(bars.high, h), axis=1)
    all_starts = np.arange(starts[0], len(bars) - h + 1)
    cells = []
    for side in SIDES:
        sign = -1 if side == "down" else 1
        margin = margins.down if side == "down" else margins.up
        extreme = low if side == "down" else high

        def loss(at: IntArray, sign: int = sign) -> FloatArray:
            found: FloatArray = sign * (prices[at + h] / prices[at] - 1)
            return found

        losses, held = loss(starts), margin[starts]
        shortfall = float(np.sum(np.maximum(losses - held, 0)))
        calm = (bars.time[starts] < CRASH[0]) | (bars.time[starts] >= CRASH[1])
        over = np.where(calm, losses / held, 0)
        within = sign * (extreme[starts] / prices[starts] - 1)
        cells.append(
            Cell(
                asset=asset,
                side=side,
                horizon=horizon,
                daily=coverage(losses, held, 1 - level),
                every=float(np.mean(loss(all_starts) > margin[all_starts])),
                within=float(np.mean(within > held)),
                average=float(np.mean(held)),
                static=static_of(losses, shortfall),
                worst=float(over.max()),
                worst_at=int(bars.time[starts[int(np.argmax(over))]]),
            )
        )
    days = days_of(bars, margins, h, warm_up)
    return Record(model, asset, horizon, tuple(cells), swings_of(margins.wider.down[days]))


@dataclass(frozen=True, slots=True)
class Summary:
    """A model over all its cells.

    Parameters
    ----------
    model
        Its name.
    cells, passing, red
        How many there are, pass both tests, and are red.
    ratio
        Mean over the cells of average margin over static at equal shortfall, and by horizon [s].
    peak_over_trough, rise_5
        The worst of them.
    worst
        The largest loss over margin, March 2020 aside.
    """

    model: str
    cells: int
    passing: int
    red: int
    ratio: float
    ratios: Mapping[int, float]
    peak_over_trough: float
    rise_5: float
    worst: float


def summary(records: Iterable[Record]) -> Summary:
    """A model's records together; they must be one model's."""
    known = tuple(records)
    names = {record.model for record in known}
    if len(names) != 1:
        raise BacktestError(f"records of {sorted(names)}; one model's are right")
    cells = [cell for record in known for cell in record.cells]
    horizons = sorted({cell.horizon for cell in cells})
    return Summary(
        model=names.pop(),
        cells=len(cells),
        passing=sum(cell.passes for cell in cells),
        red=sum(cell.daily.zone == "red" for cell in cells),
        ratio=float(np.mean([cell.ratio for cell in cells])),
        ratios={h: float(np.mean([c.ratio for c in cells if c.horizon == h])) for h in horizons},
        peak_over_trough=max(record.swings.peak_over_trough for record in known),
        rise_5=max(record.swings.rise_5 for record in known),
        worst=max(cell.worst for cell in cells),
    )

"""Prices on their way through bars, several markets on one clock.

A bar is walked open, one extreme, the other, close, as `Bars.substeps` says. A bar of one price (a daily fixing) has no
inside: it is walked in a straight line from the close before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from plimsoll.market.bars import Bars, Step
from plimsoll.simulate.errors import SimulationError

AIM: Final = 600  # steps that a replay takes, where its bars allow
MAX_PER_LEG: Final = 4


@dataclass(frozen=True, slots=True)
class Point:
    """The prices of every market at one time [unix s], by underlying [quote]."""

    time: int
    prices: Mapping[int, float]


def per_leg_for(bars: int) -> int:
    """Steps on each of a bar's three legs, so that a replay of `bars` bars takes about as many as it should."""
    return max(1, min(MAX_PER_LEG, round(AIM / (3 * max(1, bars)))))


def steps_of(bars: Bars, first: int, last: int, per_leg: int) -> list[Step]:
    """The steps through bars `first` .. `last` - 1; the bar before the first gives the price one comes from.

    Raises
    ------
    SimulationError
        Where no bar comes before the first.
    """
    if first < 1:
        raise SimulationError(f"{bars.source}: the replay begins at its first bar; a history must come before")
    found: list[Step] = []
    for bar in range(first, last):
        if bars.high[bar] > bars.low[bar]:
            found += bars.substeps(bar, per_leg)
            continue
        before, close = float(bars.close[bar - 1]), float(bars.close[bar])
        count = 3 * per_leg
        start = int(bars.time[bar])
        found += [
            Step(start + i * (bars.interval - 1) // count, before + (close - before) * i / count)
            for i in range(count + 1)
        ]
    return found


def merge(walks: Mapping[int, Sequence[Step]], start: Mapping[int, float]) -> list[Point]:
    """Several walks on one clock: at every time of any of them, the latest price of each.

    Parameters
    ----------
    walks
        Steps by underlying, times rising.
    start
        Price of each before its first step.
    """
    places = dict.fromkeys(walks, 0)
    prices = dict(start)
    points = []
    for time in sorted({step.time for walk in walks.values() for step in walk}):
        for underlying, walk in walks.items():
            while places[underlying] < len(walk) and walk[places[underlying]].time <= time:
                prices[underlying] = walk[places[underlying]].price
                places[underlying] += 1
        points.append(Point(time, dict(prices)))
    return points


def between(a: Point, b: Point, time: int) -> Point:
    """The point on the straight line from `a` to `b` at a time between them."""
    share = (time - a.time) / (b.time - a.time)
    return Point(time, {u: price + (b.prices[u] - price) * share for u, price in a.prices.items()})

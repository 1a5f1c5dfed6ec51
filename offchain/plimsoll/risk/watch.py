"""A model that watches itself: exceptions of its own last year raise what it asks, as Basel's table does.

Of 250 windows at 99 % a sound model has ten exceptions in one of 3,000 years; from five on it is as likely wrong as
unlucky, and capital is raised by 0.40 to 1.00 on 3 (Basel Committee, Supervisory framework for the use of "backtesting"
in conjunction with the internal models approach, 1996, table 2). Here the same shares raise the scan range, as far as
what it is in the long run. The count is a function of the history and of the model alone, so that every risk node finds
the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from plimsoll.market.bars import DAY, FloatArray, IntArray
from plimsoll.market.portable import exp, log

BASE: Final = 3.0  # Basel's multiplier in the green zone
PLUS: Final[Mapping[int, float]] = {5: 0.40, 6: 0.50, 7: 0.65, 8: 0.75, 9: 0.85}  # of 250 windows at 1 %, by exceptions
PLUS_RED: Final = 1.00
YELLOW, RED = 5, 10
HOURS: Final = 24
BASEL_WINDOWS: Final = 250
BASEL_P: Final = 0.01


def raised(exceptions: int) -> float:
    """Multiple of what the green zone asks, by exceptions of 250 windows at 99 %: 1 .. 4/3."""
    if exceptions < YELLOW:
        return 1.0
    return 1 + PLUS.get(exceptions, PLUS_RED) / BASE


def long_run(volatility: FloatArray) -> FloatArray:
    """Volatility in the long run, as known at each entry: the exponential of the mean of logarithms so far, shape (n,).

    The mean about which `plimsoll.risk.har.calmed` compresses deviations, of what it made of them.
    """
    return exp(np.cumsum(log(volatility)) / np.arange(1, len(volatility) + 1))


def watched(now: FloatArray | float, usual: FloatArray | float, factor: float) -> Any:
    """What is asked after exceptions: `factor` times what is asked now, as far as the long run's.

    A model that already asks more than it does in the long run is not raised: its exceptions are of the calm before,
    and a storm's margin would rise when it hurts most.
    """
    return np.maximum(now, np.minimum(factor * now, usual))


def _begins(time: IntArray, days: int) -> IntArray:
    """Where the last so many days that have any window begin; fewer where there are fewer."""
    look = 2 * HOURS * (days + 1)  # windows from the end: a history of years is asked again at each close
    while True:
        late = max(0, len(time) - look)
        day = time[late:] // DAY
        found = late + 1 + np.flatnonzero(np.diff(day))
        if not late:
            return np.append(0, found)[-days:]
        if len(found) >= days:
            return found[-days:]
        look *= 2


def exceptions(
    residuals: FloatArray, time: IntArray, quantile: float, level: float, windows: int = BASEL_WINDOWS
) -> int:
    """Exceptions of the last `windows` windows, one a day from 00:00 UTC, scaled to 250 at 99 %, down.

    Parameters
    ----------
    residuals
        Losses of all windows in units of their forecast, oldest first, shape (n,).
    time
        When each window begins [unix s], shape (n,).
    quantile
        What the model holds against them, in the same units.
    level
        Share of windows that the quantile promises to cover.
    windows
        How many to look at; fewer where there are fewer.
    """
    if not windows or not len(time):
        return 0
    seen = residuals[_begins(time, windows)]
    found = int((seen > quantile).sum())
    return int(found * (BASEL_P * BASEL_WINDOWS) / ((1 - level) * max(len(seen), BASEL_WINDOWS)) + 1e-9)

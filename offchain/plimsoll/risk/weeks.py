"""The hour of the week in a forecast of volatility: what comes over a weekend is less than what was before it.

HAR is freed of the hour of the day and knows nothing of the week. Here is what it leaves: the mean of log realised less
log forecast variance, for each hour of the week by itself, drawn toward none by `prior` weeks in which there was none.
A forecast from Friday evening over a day and one from Monday morning over an hour each have their own cell, so the mean
is of the same horizon as the forecast. That intraday and weekly season is large and steady is T. Andersen and T.
Bollerslev's finding (Journal of Empirical Finance 4, 1997); markets that never close keep it.

Only operations whose bits are the same everywhere: see `plimsoll.risk.rounding`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from plimsoll.market.bars import DAY, FloatArray, IntArray
from plimsoll.risk.errors import ModelError
from plimsoll.risk.har import HOUR

WEEK: Final = 7 * DAY
PRIOR: Final = 100.0  # [weeks]


def week_effect(left: FloatArray, time: IntArray, interval: int, horizon: int, prior: float = PRIOR) -> FloatArray:
    """What to add to a forecast of log variance at each close for its hour of the week, from what was known then.

    Parameters
    ----------
    left
        Log realised variance over the horizon less its forecast, shape (n + 1,); NaN where either is missing.
    time
        Of each close [unix s], shape (n + 1,).
    interval
        Length of a bar [s].
    horizon
        Bars.
    prior
        Weeks without an effect that count beside those seen.

    Returns
    -------
    numpy.ndarray
        Shape (n + 1,); 0 for bars that do not fill a week.

    Raises
    ------
    ModelError
        Shapes differ, the horizon is under a bar, or the prior negative.
    """
    if left.shape != time.shape:
        raise ModelError(f"{left.shape} left at {time.shape} times; one each is right")
    if horizon < 1 or prior < 0:
        raise ModelError(f"horizon {horizon} bars, prior {prior} weeks; at least 1 and 0 is right")
    found = np.zeros(len(left))
    length = max(interval, HOUR)
    if WEEK % length:
        return found
    alive = np.isfinite(left)
    safe = np.where(alive, left, 0.0)
    cells = time // length % (WEEK // length)
    least = max(prior * length / interval, 1e-9)
    for cell in range(WEEK // length):
        here = cells == cell
        total, count = np.cumsum(np.where(here, safe, 0.0)), np.cumsum(here & alive)
        at = np.flatnonzero(here)
        at = at[at >= horizon]
        found[at] = total[at - horizon] / (count[at - horizon] + least)
    return found

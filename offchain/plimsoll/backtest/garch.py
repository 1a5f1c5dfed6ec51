"""GARCH(1,1) with Student t innovations on returns of a day, walk-forward.

The variance of the next day at each midnight, fitted anew every quarter by `arch` (T. Bollerslev, Review of Economics
and Statistics 69, 1987).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from plimsoll.backtest.walk import closes
from plimsoll.market.bars import DAY, Bars, FloatArray
from plimsoll.market.portable import log

FIRST: Final = 365  # days before the first fit


def garch_log_variance(bars: Bars, horizon: int, refit: int = 91 * DAY) -> FloatArray:
    """Log variance of the next `horizon` bars at each close, its share of the day's that was forecast at midnight.

    Parameters
    ----------
    bars
        The history, n of them; those that open at 00:00 UTC mark the days.
    horizon
        Bars.
    refit
        Time between two fits [s].

    Returns
    -------
    numpy.ndarray
        Shape (n + 1,); NaN in the first year.
    """
    from arch import arch_model  # noqa: PLC0415 - slow to import, and wanted for comparison only

    logs = closes(bars)
    midnights = np.flatnonzero(bars.time % DAY == 0)
    returns = 100 * np.diff(logs[midnights])
    found = np.full(len(logs), np.nan)
    share = float(log(horizon * bars.interval / DAY / 10_000))
    variance, parameters, fitted = 0.0, None, 0
    for k in range(FIRST, len(midnights)):
        if parameters is None or (k - fitted) * DAY >= refit:
            model = arch_model(returns[:k], mean="Zero", vol="GARCH", p=1, q=1, dist="t", rescale=False)
            result = model.fit(disp="off", show_warning=False)
            parameters, fitted = result.params, k
            variance = float(result.conditional_volatility[-1]) ** 2
        variance = float(
            parameters["omega"] + parameters["alpha[1]"] * returns[k - 1] ** 2 + parameters["beta[1]"] * variance
        )
        found[midnights[k] :] = float(log(variance)) + share
    return found

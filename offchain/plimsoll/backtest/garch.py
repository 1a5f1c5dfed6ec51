"""GARCH(1,1) with Student t innovations on returns of a day, walk-forward.

The variance of the next day at each midnight, fitted anew every quarter by `arch` (T. Bollerslev, Review of Economics
and Statistics 69, 1987).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from plimsoll.market.bars import DAY, Bars, FloatArray, IntArray
from plimsoll.market.portable import log

FIRST: Final = 365  # days before the first fit


@dataclass(frozen=True, slots=True, eq=False)
class GarchPath:
    """What was forecast at each midnight of a history of n bars.

    Parameters
    ----------
    at
        Which closes are midnights with a forecast, positions in 0 .. n, shape (k,).
    variance
        Of the logarithm over the day to come, shape (k,).
    freedom
        Degrees of freedom of the Student t, shape (k,).
    """

    at: IntArray
    variance: FloatArray
    freedom: FloatArray


def garch_path(bars: Bars, refit: int = 91 * DAY) -> GarchPath:
    """Forecasts at midnight from the second year on, parameters fitted anew every `refit` [s].

    Parameters
    ----------
    bars
        The history; those that open at 00:00 UTC mark the days.
    refit
        Time between two fits [s].
    """
    from arch import arch_model  # noqa: PLC0415 - slow to import, and wanted for comparison only

    midnights = np.flatnonzero(bars.time % DAY == 0)
    returns = 100 * np.diff(log(np.concatenate((bars.open[:1], bars.close)))[midnights])
    variances, freedoms = [], []
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
        variances.append(variance / 10_000)  # of returns in percent, which suit the search
        freedoms.append(min(max(float(parameters["nu"]), 2.1), 500.0))
    return GarchPath(midnights[FIRST:], np.array(variances), np.array(freedoms))


def garch_log_variance(bars: Bars, horizon: int, refit: int = 91 * DAY) -> FloatArray:
    """Log variance of the next `horizon` bars at each close: its share of the day's that was forecast at midnight.

    Returns
    -------
    numpy.ndarray
        Shape (n + 1,); NaN in the first year.
    """
    path = garch_path(bars, refit)
    share = float(log(horizon * bars.interval / DAY))
    found = np.full(len(bars) + 1, np.nan)
    for at, variance in zip(path.at.tolist(), log(path.variance).tolist(), strict=True):
        found[at:] = variance + share
    return found

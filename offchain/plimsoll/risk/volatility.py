"""Volatility, and the tails around it: EWMA and filtered historical simulation.

EWMA (J.P. Morgan/Reuters, RiskMetrics Technical Document, 4th ed., 1996, ch. 5):

    v[t+1] = decay v[t] + (1 - decay) r[t]^2

Filtered historical simulation (Barone-Adesi, Giannopoulos, Vosper, Journal of Futures Markets 19, 1999): divide past
returns by the volatility that was forecast for them, read quantile and expected shortfall off what is left, multiply
by the volatility of today. The residuals keep the market's own tails and asymmetry, the volatility keeps its clusters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.signal import lfilter
from scipy.stats import norm
from scipy.stats import t as student

from plimsoll.market.bars import FloatArray
from plimsoll.risk.errors import ModelError, ReturnError, TooFewObservationsError

SEED_RETURNS: Final = 25  # how many first returns stand in for a variance that nobody gave

Method = Literal["historical", "student", "normal"]


@dataclass(frozen=True, slots=True)
class Tail:
    """Both tails of a standardised return, as positive numbers of standard deviations.

    `quantile_*` is exceeded with probability 1 - level, `shortfall_*` is the mean of what exceeds it. `count` is the
    number of observations behind it that do not overlap.
    """

    level: float
    quantile_down: float
    quantile_up: float
    shortfall_down: float
    shortfall_up: float
    count: int
    method: Method


def check_returns(returns: FloatArray, needed: int, what: str = "volatility") -> None:
    """Refuse returns that nothing can be measured on.

    Raises
    ------
    TooFewObservationsError
        There are fewer than `needed`.
    ReturnError
        One is NaN or infinite.
    """
    if returns.ndim != 1:
        raise ReturnError(f"{what}: returns of shape {returns.shape}; one dimension is right")
    if len(returns) < needed:
        raise TooFewObservationsError(what, len(returns), needed)
    finite = np.isfinite(returns)
    if not finite.all():
        at = int(np.argmin(finite))
        raise ReturnError(f"{what}: return {at} is {returns[at]}; a finite number is right")


def _start(returns: FloatArray, decay: float, start: float | None) -> float:
    if not 0 < decay < 1:
        raise ModelError(f"decay {decay}; above 0 and below 1 is right")
    check_returns(returns, 1)
    if start is None:
        return float(np.mean(np.square(returns[:SEED_RETURNS])))
    if not (math.isfinite(start) and start >= 0):
        raise ModelError(f"start variance {start}; 0 or more is right")
    return start


def ewma_variance(returns: FloatArray, decay: float = 0.94, start: float | None = None) -> FloatArray:
    """Exponentially weighted variance, as it was known before each return and after the last.

    Parameters
    ----------
    returns
        Returns, shape (n,), oldest first.
    decay
        Weight that yesterday's variance keeps, per return.
    start
        Variance before the first return; the mean square of the first 25 where not given.

    Returns
    -------
    numpy.ndarray
        Shape (n + 1,), [squared unit of the returns]: entry t is the forecast for return t, entry n the one for the
        return to come.

    Raises
    ------
    TooFewObservationsError, ReturnError
        There is no return, or one is not finite.
    ModelError
        `decay` or `start` is out of range.
    """
    first = _start(returns, decay, start)
    later, _ = lfilter([1 - decay], [1.0, -decay], np.square(returns), zi=[decay * first])
    return np.concatenate(([first], later))


def ewma_variance_plain(returns: FloatArray, decay: float = 0.94, start: float | None = None) -> FloatArray:
    """The recursion of `ewma_variance` as it is written in books; slow, to hold the fast one to."""
    variance = [_start(returns, decay, start)]
    for value in returns:
        variance.append(decay * variance[-1] + (1 - decay) * float(value) ** 2)
    return np.array(variance)


def residuals(returns: FloatArray, variance: FloatArray, horizon: int = 1, burn_in: int = SEED_RETURNS) -> FloatArray:
    """Returns over `horizon` bars in units of the volatility forecast before them.

    z[t] = (r[t] + .. + r[t + horizon - 1]) / sqrt(variance[t] horizon)

    Parameters
    ----------
    returns
        Shape (n,).
    variance
        Shape (n + 1,), as `ewma_variance` gives it.
    horizon
        Bars. Windows overlap where it is more than one.
    burn_in
        First windows to leave out: their forecast saw the returns that it is measured by.

    Returns
    -------
    numpy.ndarray
        Shape (n - horizon + 1 - burn_in,), or none where that is negative. Windows with zero variance are left out.
    """
    if horizon < 1 or burn_in < 0:
        raise ModelError(f"horizon {horizon}, burn-in {burn_in}; at least 1 and 0 is right")
    if variance.shape != (len(returns) + 1,):
        raise ModelError(f"variance of shape {variance.shape} for {len(returns)} returns; one more is right")
    total = np.concatenate(([0.0], np.cumsum(returns)))
    sums = total[horizon:] - total[:-horizon]
    scale = np.sqrt(variance[: len(sums)] * horizon)
    sums, scale = sums[burn_in:], scale[burn_in:]
    alive = scale > 0
    found: FloatArray = sums[alive] / scale[alive]
    return found


def _worst(losses: FloatArray, level: float) -> tuple[float, float]:
    """Quantile and mean of the worst ceil(n (1 - level)) losses: up, so a short sample errs to the safe side."""
    count = max(1, math.ceil(len(losses) * (1 - level) - 1e-9))
    worst = np.sort(np.partition(losses, len(losses) - count)[len(losses) - count :])
    return float(worst[0]), float(np.mean(worst))


def historical_tail(sample: FloatArray, level: float, horizon: int = 1) -> Tail:
    """Quantile and expected shortfall of a sample, on both sides.

    Parameters
    ----------
    sample
        Standardised returns, shape (n,).
    level
        Share of outcomes not worse than the quantile, e.g. 0.99.
    horizon
        Bars of each window, to count those that do not overlap.

    Raises
    ------
    TooFewObservationsError
        The sample is empty.
    ModelError
        `level` is not in [0.5, 1).
    """
    _check_level(level)
    check_returns(sample, 1, "tail")
    down, shortfall_down = _worst(-sample, level)
    up, shortfall_up = _worst(sample, level)
    return Tail(level, down, up, shortfall_down, shortfall_up, -(-len(sample) // horizon), "historical")


def parametric_tail(level: float, freedom: float | None, count: int = 0) -> Tail:
    """Quantile and expected shortfall of a normal or a Student t, scaled to variance one.

    Normal: q = z, ES = phi(z) / (1 - level). Student t with nu degrees of freedom, unscaled: ES = f(q) (nu + q^2) /
    ((nu - 1)(1 - level)); both times sqrt((nu - 2) / nu) (McNeil, Frey, Embrechts, Quantitative Risk Management, 2.2).

    Parameters
    ----------
    level
        E.g. 0.99.
    freedom
        Degrees of freedom, above 2; None for the normal.
    count
        Observations to state in the answer.

    Raises
    ------
    ModelError
        `level` or `freedom` is out of range.
    """
    _check_level(level)
    if freedom is None:
        quantile = float(norm.ppf(level))
        shortfall = float(norm.pdf(quantile)) / (1 - level)
        return Tail(level, quantile, quantile, shortfall, shortfall, count, "normal")
    if not freedom > 2:
        raise ModelError(f"{freedom} degrees of freedom; above 2 is right, a variance must exist")
    raw = float(student.ppf(level, freedom))
    mean = float(student.pdf(raw, freedom)) * (freedom + raw**2) / ((freedom - 1) * (1 - level))
    unit = math.sqrt((freedom - 2) / freedom)
    return Tail(level, raw * unit, raw * unit, mean * unit, mean * unit, count, "student")


def fhs_tail(
    returns: FloatArray,
    variance: FloatArray,
    *,
    level: float = 0.99,
    horizon: int = 1,
    needed: int = 250,
    freedom: float | None = 4.0,
) -> Tail:
    """Tails of filtered historical simulation; of a fitted shape where the sample is too short for them.

    Parameters
    ----------
    returns, variance
        As `residuals` takes them.
    level
        E.g. 0.99.
    horizon
        Bars over which a loss builds up.
    needed
        Windows that do not overlap, below which the sample's tail is no estimate.
    freedom
        Degrees of freedom of the Student t that stands in then; None for the normal.

    Raises
    ------
    TooFewObservationsError, ReturnError, ModelError
        As the functions this is made of.
    """
    check_returns(returns, horizon, "tail")
    sample = residuals(returns, variance, horizon)
    count = len(sample) // horizon
    if count < needed:
        return parametric_tail(level, freedom, count)
    return historical_tail(sample, level, horizon)


def _check_level(level: float) -> None:
    if not 0.5 <= level < 1:
        raise ModelError(f"level {level}; at least 0.5 and below 1 is right")

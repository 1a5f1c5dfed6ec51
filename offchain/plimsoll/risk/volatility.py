"""Volatility, and the tails around it: EWMA and filtered historical simulation.

EWMA (J.P. Morgan/Reuters, RiskMetrics Technical Document, 4th ed., 1996, ch. 5):

    v[t+1] = decay v[t] + (1 - decay) r[t]^2

Filtered historical simulation (Barone-Adesi, Giannopoulos, Vosper, Journal of Futures Markets 19, 1999): divide past
returns by the volatility that was forecast for them, read quantile and expected shortfall off what is left, multiply
by the volatility of today. The residuals keep the market's own tails and asymmetry, the volatility keeps its clusters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import cache
from typing import Final, Literal

import numpy as np
from scipy import special

from plimsoll.market.bars import FloatArray
from plimsoll.market.portable import DIGITS, normal_density, normal_tail
from plimsoll.risk.errors import ModelError, ReturnError, TooFewObservationsError

MAX_FREEDOM: Final = 1_000
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


def ewma(values: FloatArray, decay: float, start: float | None = None) -> FloatArray:
    """Exponentially weighted mean, as it was known before each value and after the last.

    Parameters
    ----------
    values
        Shape (n,), oldest first.
    decay
        Weight that the last mean keeps, per value.
    start
        Mean before the first value; the plain one of the first 25 where not given.

    Returns
    -------
    numpy.ndarray
        Shape (n + 1,).

    Raises
    ------
    TooFewObservationsError, ReturnError
        There is no value, or one is not finite.
    ModelError
        `decay` or `start` is out of range.
    """
    if not 0 < decay < 1:
        raise ModelError(f"decay {decay}; above 0 and below 1 is right")
    check_returns(values, 1)
    if start is None:
        start = _mean(values[:SEED_RETURNS])
    elif not (math.isfinite(start) and start >= 0):
        raise ModelError(f"start variance {start}; 0 or more is right")
    found = np.append(start, (1 - decay) * values)
    # Not by a compiled recursion, which may fuse its product and sum on one machine and not on another: each pass
    # doubles how far back an entry looks. A weight under 1e-200 adds nothing to a variance.
    reach, weight = 1, decay
    while reach < len(found) and weight > 1e-200:
        found[reach:] += weight * found[:-reach]
        reach, weight = 2 * reach, weight * weight
    return found


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
    check_returns(returns, 1)
    return ewma(np.square(returns), decay, start)


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
    return float(worst[0]), _mean(worst)


def _mean(values: FloatArray) -> float:
    """The exact sum, rounded once, over the count: no order of summation, so the same on every machine."""
    return math.fsum(values.tolist()) / len(values)


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
        quantile, density = _normal_quantile(level)
        shortfall = density / (1 - level)
        return Tail(level, quantile, quantile, shortfall, shortfall, count, "normal")
    if not 2 < freedom <= MAX_FREEDOM:
        raise ModelError(f"{freedom} degrees of freedom; above 2, as a variance must exist, to {MAX_FREEDOM} is right")
    raw, density = _student_quantile(level, freedom)
    mean = density * (freedom + raw * raw) / ((freedom - 1) * (1 - level))
    unit = math.sqrt((freedom - 2) / freedom)
    return Tail(level, raw * unit, raw * unit, mean * unit, mean * unit, count, "student")


# The libraries' quantiles are where two of their builds differ; theirs is the start, decimals say the rest.


@cache
def _normal_quantile(level: float) -> tuple[float, float]:
    """Quantile of the standard normal, and the density there."""

    def tail(x: Decimal) -> tuple[Decimal, Decimal]:
        return normal_tail(x), normal_density(x)

    return _polished(float(special.ndtri(level)), tail, level)


@cache
def _student_quantile(level: float, freedom: float) -> tuple[float, float]:
    """Quantile of a Student t, and the density there.

    With t = sqrt(nu) sinh x the probability is sech(x)^nu dx over its integral over the line. It is analytic and falls
    as exp(-nu |x|), so trapezoids of a step of h err by exp(-pi^2 / h) or exp(-2 pi^2 / (nu h^2)), less than 1e-30; so
    for the tail from x on, by x + width exp(y - exp(-y)).
    """
    nu = Decimal(freedom)
    width = min(Decimal(1), 2 / nu.sqrt(DIGITS))
    step = width / 8

    def sech(x: Decimal) -> Decimal:
        small = DIGITS.exp(-abs(x))
        return DIGITS.exp(DIGITS.multiply(nu, DIGITS.ln(2 * small / (1 + small * small))))

    with localcontext(DIGITS):
        whole = step * (1 + 2 * sum(sech(k * step) for k in range(1, 400)))
        root = nu.sqrt()

        def tail(t: Decimal) -> tuple[Decimal, Decimal]:
            scaled = t / root
            x = (scaled + (scaled * scaled + 1).sqrt()).ln()
            total = Decimal(0)
            for k in range(-90, 91):
                y = Decimal(k) / 16
                small = (-y).exp()
                jump = width * (y - small).exp()
                total += sech(x + jump) * jump * (1 + small)
            slope = 1 / (root * (scaled * scaled + 1).sqrt() * whole)  # of x in t, over the whole
            return total / 16 / whole, sech(x) * slope

        return _polished(float(special.stdtrit(freedom, level)), tail, level)


def _polished(start: float, tail: Callable[[Decimal], tuple[Decimal, Decimal]], level: float) -> tuple[float, float]:
    """The quantile near `start`, and the density there, of what `tail` says: probability above, and density."""
    with localcontext(DIGITS):
        wanted = 1 - Decimal(level)
        found = Decimal(start)
        for _ in range(20):
            above, density = tail(found)
            change = (above - wanted) / density
            found += change
            if abs(change) < Decimal("1e-25"):
                return float(found), float(density)
    raise ModelError(f"no quantile at level {level}")


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

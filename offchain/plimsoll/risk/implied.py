"""Volatility that options imply, as a forecast: an index's level or a chain's, and what realises of it.

An implied variance is a price. It stands above what comes, on average, by what sellers ask for bearing it (P. Carr, L.
Wu, Variance risk premiums, Review of Financial Studies 22, 2009), and it speaks of thirty days where a margin asks for
one. So it is never taken as it stands: the logarithm of what was realised is regressed on the logarithm of what was
implied, alone or beside another forecast (B. Christensen, N. Prabhala, The relation between implied and realized
volatility, Journal of Financial Economics 50, 1998), anew every `refit` bars on what was known by then.

What has not begun, or has fallen silent, is NaN, and so is a forecast of it: who combines them falls back on another.

Only operations whose bits are the same everywhere: see `plimsoll.risk.rounding`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from plimsoll.market.bars import YEAR, FloatArray, IntArray
from plimsoll.market.portable import log
from plimsoll.market.sources import OptionQuote, Series
from plimsoll.risk.errors import ModelError
from plimsoll.risk.har import SMALL, LeastSquares

LEAST: Final = 1_000  # rows below which a regression says nothing


def known(series: Series, time: IntArray, *, lag: int = 0, stale: int | None = None) -> FloatArray:
    """What a series had said by each time.

    Parameters
    ----------
    series
        Values at the times they speak of.
    time
        When it is asked [unix s], shape (n,).
    lag
        How long after its time a value is published [s]: that of a bar's close under the bar's open is a bar.
    stale
        Age from which a value says nothing any more [s]; None for no limit.

    Returns
    -------
    numpy.ndarray
        Shape (n,); NaN before the series begins and where its last value is stale.

    Raises
    ------
    ModelError
        `lag` is negative: a value from the future.
    """
    if lag < 0:
        raise ModelError(f"lag {lag} s of {series.source}; 0 or more is right")
    at = np.searchsorted(series.time + lag, time, side="right") - 1
    last = np.maximum(at, 0)
    alive = at >= 0
    if stale is not None:
        alive &= time - series.time[last] <= stale
    return np.where(alive, series.value[last], np.nan)


def implied_log_variance(volatility: FloatArray, seconds: int) -> FloatArray:
    """Logarithm of the variance over `seconds` at implied volatilities [1 a year], their shape; NaN stays NaN.

    Raises
    ------
    ModelError
        A volatility is not above zero, or the time is not.
    """
    if seconds <= 0:
        raise ModelError(f"horizon {seconds} s; above 0 is right")
    alive = np.isfinite(volatility)
    if np.any(volatility[alive] <= 0):
        raise ModelError(f"implied volatility {float(volatility[alive].min())}; above 0 is right")
    scale = float(log(seconds / YEAR))
    return np.where(alive, 2 * log(np.where(alive, volatility, 1.0)) + scale, np.nan)


def at_the_money(quotes: Sequence[OptionQuote]) -> tuple[tuple[int, float], ...]:
    """Total variance at the money of each expiry of one chain, by the strikes on either side of the forward.

    Parameters
    ----------
    quotes
        Of one time; those without an implied volatility do not count.

    Returns
    -------
    tuple
        (time to expiry [s], volatility squared x time [years]), the nearest first; expiries with no strike on one side
        are left out. Total variance that falls with time would be a calendar arbitrage: it is held where it was.

    Raises
    ------
    ModelError
        The quotes are of several times.
    """
    times = {quote.time for quote in quotes}
    if len(times) > 1:
        raise ModelError(f"quotes of {len(times)} times; one chain is right")
    found: list[tuple[int, float]] = []
    for expiry in sorted({quote.expiry for quote in quotes}):
        smile: dict[float, list[float]] = {}
        forward = 0.0
        for quote in quotes:
            if quote.expiry == expiry and quote.volatility > 0:
                smile.setdefault(quote.strike, []).append(quote.volatility)
                forward = quote.forward
        below = max((strike for strike in smile if strike <= forward), default=None)
        above = min((strike for strike in smile if strike >= forward), default=None)
        left = expiry - next(iter(times))
        if below is None or above is None or left <= 0:
            continue
        low, high = (sum(smile[strike]) / len(smile[strike]) for strike in (below, above))
        share = (forward - below) / (above - below) if above > below else 0.0
        level = low + share * (high - low)
        total = level * level * (left / YEAR)
        found.append((left, max(total, found[-1][1] if found else 0.0)))
    return tuple(found)


def chain_log_variance(curve: Sequence[tuple[int, float]], seconds: int) -> float | None:
    """Logarithm of the variance that a chain implies over `seconds`, or None where it has no expiry.

    Parameters
    ----------
    curve
        (time to expiry [s], total variance), rising, as `at_the_money` gives it.
    seconds
        The horizon.

    Total variance is linear in time between expiries; before the first and after the last, volatility is theirs.

    Raises
    ------
    ModelError
        Times or variances of the curve do not rise, or the horizon is not above zero.
    """
    if seconds <= 0:
        raise ModelError(f"horizon {seconds} s; above 0 is right")
    if not curve:
        return None
    for (early, less), (late, more) in pairwise(((0, 0.0), *curve)):
        if late <= early or more < less:
            raise ModelError(f"total variance {more} at {late} s after {less} at {early} s; rising is right")
    end, last = curve[-1]
    if seconds >= end:
        found = last * seconds / end
    else:
        (early, less), (late, more) = next(
            pair for pair in pairwise(((0, 0.0), *curve)) if pair[0][0] <= seconds < pair[1][0]
        )
        found = less + (more - less) * (seconds - early) / (late - early)
    return float(log(max(found, SMALL)))


def regressed(
    realised: FloatArray, columns: Sequence[FloatArray], horizon: int, *, refit: int, least: int = LEAST
) -> FloatArray:
    """Forecast of log realised variance by least squares on forecasts and a constant, walk-forward.

    Parameters
    ----------
    realised
        Log variance of the `horizon` bars from each close on, shape (n + 1,); NaN where it is not known yet.
    columns
        Forecasts of it as known at each close, each of shape (n + 1,), NaN where there is none.
    horizon
        Bars.
    refit
        Bars between two fits.
    least
        Rows with all columns below which nothing is said.

    Returns
    -------
    numpy.ndarray
        Shape (n + 1,); NaN where a column is, or too little was known.

    Raises
    ------
    ModelError
        No column, another length, or a number of bars under 1.
    """
    if not columns or min(horizon, refit) < 1:
        raise ModelError(f"{len(columns)} columns, horizon {horizon}, refit {refit} bars; at least 1 each is right")
    if any(column.shape != realised.shape for column in columns):
        raise ModelError(f"columns of shapes {[c.shape for c in columns]}; {realised.shape}, as realised, is right")
    alive = np.logical_and.reduce([np.isfinite(column) for column in columns])
    told = np.flatnonzero(alive & np.isfinite(realised))
    rows = [np.ones(len(told)), *(column[told] for column in columns)]
    wanted = realised[told]
    found = np.full(len(realised), np.nan)
    squares, taken = LeastSquares(len(rows)), 0
    for start in range(0, len(realised), refit):
        upto = int(np.searchsorted(told, start - horizon, side="right"))  # what began so long ago has ended
        if upto < least:
            continue
        squares.add(rows, wanted, slice(taken, upto))
        taken = upto
        constant, *weights = squares.solve()
        part = slice(start, start + refit)
        level = np.full(len(found[part]), constant)
        for weight, column in zip(weights, columns, strict=True):
            level += weight * column[part]
        found[part] = level
    return found


def implied_forecast(
    volatility: FloatArray | None,
    realised: FloatArray,
    horizon: int,
    interval: int,
    *,
    beside: FloatArray | None = None,
    refit: int,
    least: int = LEAST,
) -> FloatArray | None:
    """Forecast of log realised variance from an implied volatility, its risk premium regressed out, walk-forward.

    Parameters
    ----------
    volatility
        Implied, as known at each close [1 a year], shape (n + 1,), NaN where there is none; None for no series at all.
    realised, horizon, refit, least
        As `regressed`.
    interval
        Length of a bar [s].
    beside
        Another forecast to weigh it against, e.g. that of HAR, shape (n + 1,).

    Returns
    -------
    numpy.ndarray or None
        Shape (n + 1,), NaN where it says nothing; None where it says nothing anywhere.
    """
    if volatility is None:
        return None
    column = implied_log_variance(volatility, horizon * interval)
    columns = [column] if beside is None else [beside, column]
    found = regressed(realised, columns, horizon, refit=refit, least=least)
    return found if np.isfinite(found).any() else None

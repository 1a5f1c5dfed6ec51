"""Several forecasts as one: what each has been worth decides what it counts for.

A combination of forecasts errs less than most of its members, and often less than the best, since their errors differ
(J. Bates, C. Granger, Operational Research Quarterly 20, 1969). Forecasts here are logarithms of variance, and all that
a weight depends on had ended when it was set:

    equal               the mean: hard to beat where weights would be fitted to little
    inverse-qlike       weights as one over each one's mean QLIKE so far
    granger-ramanathan  a + sum of w f with w >= 0 by least squares on the past (C. Granger, R. Ramanathan, Journal of
                        Forecasting 3, 1984); their signs are free there, but a negative weight bets that a forecast is
                        wrong, and turns against who holds it once inputs fail

A member that is missing drops out, and the others' weights grow to the same sum.

QLIKE, v / f - log(v / f) - 1, ranks forecasts f of variance rightly though v, what was realised, is itself a noisy
measure (A. Patton, Journal of Econometrics 160, 2011). It asks for the level of the mean, where a forecast of
logarithms says the median's: `levelled` lifts it by what was known.

Only operations whose bits are the same everywhere: see `plimsoll.risk.rounding`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from plimsoll.market.bars import FloatArray
from plimsoll.market.portable import exp, log
from plimsoll.risk.errors import ModelError

Method = Literal["equal", "inverse-qlike", "granger-ramanathan"]
METHODS: Final[tuple[Method, ...]] = ("equal", "inverse-qlike", "granger-ramanathan")
LEAST: Final = 1_000  # rows with all members below which weights are equal
SWEEPS: Final = 2_000
SETTLED: Final = 1e-12  # change of a weight below which the search ends
RATIO: Final = 30.0  # logarithm beyond which a realised over a forecast variance is all one


def qlike(realised: FloatArray, forecast: FloatArray) -> FloatArray:
    """Loss of forecasts of log variance against realised log variance, their shape; NaN where either is, 0 at best."""
    alive = np.isfinite(realised) & np.isfinite(forecast)
    off = np.clip(np.where(alive, realised - forecast, 0.0), -RATIO, RATIO)
    return np.where(alive, exp(off) - off - 1, np.nan)


def levelled(realised: FloatArray, forecast: FloatArray, horizon: int, least: int = LEAST) -> FloatArray:
    """A forecast of log variance lifted to the level that QLIKE asks for, as known at each close.

    f[t] + log(mean of realised over forecast variance of what had ended by t)

    Parameters
    ----------
    realised
        Log variance of the `horizon` bars from each close on, shape (n + 1,); NaN where it is not known yet.
    forecast
        Shape (n + 1,), NaN where there is none.
    horizon
        Bars.
    least
        Known rows below which it stays as it is.
    """
    _check(realised, {"forecast": forecast}, horizon, 1)
    alive = np.isfinite(realised) & np.isfinite(forecast)
    ratio = np.where(alive, exp(np.clip(np.where(alive, realised - forecast, 0.0), -RATIO, RATIO)), 0.0)
    total, count = _ended(np.cumsum(ratio), horizon), _ended(np.cumsum(alive.astype(np.float64)), horizon)
    enough = count >= least
    mean = np.where(enough, total, 1.0) / np.where(enough, count, 1.0)
    return forecast + log(mean)


def _ended(running: FloatArray, horizon: int) -> FloatArray:
    """A running sum as known at each close: what began `horizon` bars ago is the last that has ended."""
    found = np.zeros(len(running))
    found[horizon:] = running[:-horizon]
    return found


def _check(realised: FloatArray, members: Mapping[str, FloatArray], horizon: int, refit: int) -> None:
    if not members or min(horizon, refit) < 1:
        raise ModelError(f"{len(members)} members, horizon {horizon}, refit {refit} bars; at least 1 each is right")
    for name, path in members.items():
        if path.shape != realised.shape:
            raise ModelError(f"{name} of shape {path.shape}; {realised.shape}, as realised, is right")


def non_negative(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """The w >= 0 that makes w'Aw / 2 - b'w smallest, one coordinate after the other.

    Parameters
    ----------
    matrix
        A, symmetric and positive definite, shape (k, k).
    right
        b, shape (k,).

    Returns
    -------
    numpy.ndarray
        Shape (k,).
    """
    k = len(right)
    rows, wanted, found = matrix.tolist(), right.tolist(), [0.0] * k
    for _ in range(SWEEPS):
        moved = 0.0
        for i in range(k):
            rest = math.fsum(rows[i][j] * found[j] for j in range(k) if j != i)
            new = max(0.0, (wanted[i] - rest) / rows[i][i]) if rows[i][i] > 0 else 0.0
            moved, found[i] = max(moved, abs(new - found[i])), new
        if moved < SETTLED:
            break
    return np.array(found)


def _inverse_losses(realised: FloatArray, paths: FloatArray) -> tuple[float, FloatArray]:
    worth = np.array([1 / max(_mean(qlike(realised, path)), 1e-9) for path in paths])
    return 0.0, worth / math.fsum(worth)


def _least_squares(realised: FloatArray, paths: FloatArray) -> tuple[float, FloatArray]:
    """Constant and weights of the regression on deviations from the means."""
    means = np.array([_mean(path) for path in paths])
    middle = _mean(realised)
    off, wanted = paths - means[:, None], realised - middle
    k, n = paths.shape
    # a ridge of a row's worth keeps two equal members apart
    matrix = [[_mean(off[i] * off[j]) * (1 + (i == j) / n) for j in range(k)] for i in range(k)]
    weights = non_negative(np.array(matrix), np.array([_mean(one * wanted) for one in off]))
    return middle - math.fsum(weights * means), weights


def _mean(values: FloatArray) -> float:
    return math.fsum(values.tolist()) / len(values)


def blended(
    realised: FloatArray,
    members: Mapping[str, FloatArray],
    horizon: int,
    method: Method,
    *,
    refit: int,
    least: int = LEAST,
) -> tuple[FloatArray, FloatArray]:
    """One forecast of log variance from several, and the weights behind it, walk-forward.

    Parameters
    ----------
    realised
        Log variance of the `horizon` bars from each close on, shape (n + 1,); NaN where it is not known yet.
    members
        Forecasts of it as known at each close, by name, each of shape (n + 1,), NaN where there is none. For
        inverse-qlike they should be `levelled`, or a level is counted as a fault.
    horizon
        Bars.
    method
        See above.
    refit
        Bars between two settings of the weights.
    least
        Rows with all members below which weights are equal. A member that itself has fewer waits.

    Returns
    -------
    tuple
        Forecast of shape (n + 1,), NaN where all members are; weights of shape (settings, members), as fitted, for the
        members known by then.

    Raises
    ------
    ModelError
        No member, another shape, an unknown method, or a number of bars under 1.
    """
    _check(realised, members, horizon, refit)
    if method not in METHODS:
        raise ModelError(f"method {method!r}; {', '.join(METHODS)} is right")
    paths = np.stack(list(members.values()))
    alive = np.isfinite(paths)
    found = np.full(len(realised), np.nan)
    settings = []
    for start in range(0, len(realised), refit):
        past = slice(0, max(0, start - horizon + 1))
        told = np.isfinite(realised[past])
        ripe = alive[:, start] & ((alive[:, past] & told).sum(axis=1) >= least)
        rows = np.flatnonzero(told & alive[ripe][:, past].all(axis=0)) if ripe.any() else np.array([], dtype=np.int64)
        constant, weights = 0.0, np.zeros(len(paths))
        if method == "equal" or len(rows) < least:
            weights[:] = 1 / len(paths)
        else:
            fitted = _inverse_losses if method == "inverse-qlike" else _least_squares
            constant, weights[ripe] = fitted(realised[rows], paths[ripe][:, rows])
        settings.append(weights)
        part = slice(start, start + refit)
        found[part] = _weighted(paths[:, part], alive[:, part], constant, weights)
    return found, np.stack(settings)


def _weighted(paths: FloatArray, alive: npt.NDArray[np.bool_], constant: float, weights: FloatArray) -> FloatArray:
    """Constant and sum of weights times members, those that are missing left out and the others' weights grown."""
    whole = math.fsum(weights.tolist())
    total, left, plain, count = (np.zeros(paths.shape[1]) for _ in range(4))
    for path, there, weight in zip(paths, alive, weights.tolist(), strict=True):
        safe = np.where(there, path, 0.0)
        total += weight * safe
        left += weight * there
        plain += safe
        count += there
    weighed = left > 0
    mean = np.where(weighed, total, plain) / np.where(weighed, left, np.maximum(count, 1.0))
    # where none of the weighty is there, the mean of those that are stands by itself
    found = np.where(weighed, constant + whole * mean, mean)
    return np.where(count > 0, found, np.nan)

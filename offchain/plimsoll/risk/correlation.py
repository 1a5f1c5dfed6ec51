"""How far losses of one underlying are paid by gains of another: the offset of each class.

A correlation is measured three ways, and the lowest counts:

    slow      exponentially weighted, the newest return weighing most
    fast      the last days alone, shrunk toward none by Ledoit's and Wolf's intensity: what few returns show is partly
              chance
    stressed  what the past's worst showed: on the days of the largest joint moves, and in the mean of the lowest
              windows

It has *broken* where the fast one lies under the slow one by more than sampling error. The fast window then still holds
days from before, so that it says too much: what counts is its lower bound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations, pairwise
from typing import Final

import numpy as np

from plimsoll.market.bars import DAY, FloatArray, IntArray
from plimsoll.market.portable import log, power
from plimsoll.market.snapshot import History, Market
from plimsoll.risk.errors import ModelError, check_bounds
from plimsoll.risk.rounding import downward_int
from plimsoll.risk.volatility import check_returns
from plimsoll.spec.wad import PPM

LEAST_STRESS: Final = 10  # days of largest joint moves, at least
STILL: Final = 1e-12  # a return within it is what logarithms of one price differ by, not a move


@dataclass(frozen=True, slots=True)
class OffsetConfig:
    """How a correlation becomes an offset.

    Parameters
    ----------
    decay
        Weight that the past keeps a day in the slow correlation.
    share
        Offset as a share of the lowest correlation. Of two equal scans whose underlyings correlate by rho, jointly
        elliptical, the pair needs sqrt((1 - rho) / 2) of their sum, so that an offset of 1 - sqrt((1 - rho) / 2) would
        do: 0.88 of rho at 0.7, 0.85 at 0.8. What is less pays for tails that come alone. `plimsoll.backtest.offsets`
        measures it.
    cap
        Largest offset.
    least_days
        Days of common history below which there is no offset.
    full_days
        Days from which it counts in full; in proportion before.
    cross_haircut
        Share of a gain that pays no loss elsewhere.
    max_step
        Largest change of an offset from one report to the next: its fall raises a requirement.
    fast_days, fast_returns
        Length of the fast window [days], and the returns that it holds at least.
    window_days
        Length of the windows of which the lowest count as stress [days]; they hold twice `fast_returns` at least.
    stress_share
        Share of days, and of windows, that are stress.
    break_errors
        Sampling errors between the slow and the fast correlation from which on it has broken.
    """

    decay: float = 0.97
    share: float = 0.75
    cap: float = 0.8
    least_days: float = 60.0
    full_days: float = 250.0
    cross_haircut: float = 0.2
    max_step: float = 0.02
    fast_days: float = 10.0
    fast_returns: int = 30
    window_days: float = 30.0
    stress_share: float = 0.05
    break_errors: float = 2.33

    def __post_init__(self) -> None:
        if not 0 < self.decay < 1:
            raise ModelError(f"decay {self.decay}; above 0 and below 1 is right")
        for name in ("share", "cap", "cross_haircut", "max_step"):
            if not 0 <= getattr(self, name) <= 1:
                raise ModelError(f"{name} {getattr(self, name)}; 0 .. 1 is right")
        if not 0 < self.least_days <= self.full_days:
            raise ModelError("least_days above 0 and not over full_days is right")
        check_bounds(
            self,
            (
                ("fast_days", 1 / 24, 10_000),
                ("fast_returns", 2, 10**6),
                ("window_days", 1 / 24, 10_000),
                ("stress_share", 1e-6, 1),
                ("break_errors", 0, 100),
            ),
        )


DEFAULT_OFFSETS: Final = OffsetConfig()


@dataclass(frozen=True, slots=True)
class Correlation:
    """What was measured between two underlyings, and what counts.

    Parameters
    ----------
    fast, slow, stressed
        The three correlations, in [-1, 1].
    error
        Sampling error of slow less fast.
    broken
        Whether they lie further apart than that, times the configured number, allows.
    counted
        The lowest of the three; after a break no more than the fast one's lower bound.
    """

    fast: float
    slow: float
    stressed: float
    error: float
    broken: bool
    counted: float


def _ratio(joint: float, own: float, other: float) -> float:
    """A correlation from sums of products, kept in [-1, 1]; 0 where a series does not move."""
    scale = math.sqrt(own) * math.sqrt(other)  # of the roots: the product of two small sums may be 0
    return min(1.0, max(-1.0, joint / scale)) if scale > 0 else 0.0


def _moves(logs: FloatArray) -> FloatArray:
    """Returns between logarithms of prices, those of a price that stood still being 0."""
    found = np.diff(logs)
    return np.where(np.abs(found) < STILL, 0.0, found)


def _weights(n: int, decay: float) -> FloatArray:
    """Weights of n returns, oldest first; the newest has 1."""
    found: FloatArray = np.cumprod(np.append(1.0, np.full(n - 1, decay)))[::-1]
    return found


def ewma_correlation(first: FloatArray, second: FloatArray, decay: float) -> float:
    """Correlation about zero of two series of returns, the newest weighing most.

    Parameters
    ----------
    first, second
        Returns over the same times, shape (n,).
    decay
        Weight that the past keeps, per return.

    Returns
    -------
    float
        In [-1, 1]; 0 where a series does not move.

    Raises
    ------
    TooFewObservationsError, ReturnError
        There is no return, or one is not finite.
    ModelError
        Shapes differ.
    """
    check_returns(first, 1, "correlation")
    check_returns(second, 1, "correlation")
    if first.shape != second.shape:
        raise ModelError(f"returns of shapes {first.shape} and {second.shape}; equal is right")
    weights = _weights(len(first), decay)
    products = (np.square(first), np.square(second), first * second)
    own, other, joint = (float(np.cumsum(weights * product)[-1]) for product in products)  # in the order of time
    return _ratio(joint, own, other)


def _sum(values: FloatArray) -> float:
    """The exact sum, rounded once."""
    return math.fsum(values.tolist())


def _identity(p: int) -> FloatArray:
    """The identity, shape (p, p)."""
    found = np.zeros((p, p))
    for i in range(p):
        found[i, i] = 1.0
    return found


def shrinkage(sample: FloatArray, target: FloatArray, variances: FloatArray) -> float:
    """How far to shrink an estimated matrix toward a target: the intensity of least expected squared error, in [0, 1].

        intensity = sum of the variances of the estimate's entries / sum of their squared distances from the target

    Ledoit and Wolf, A well-conditioned estimator for large-dimensional covariance matrices, Journal of Multivariate
    Analysis 88 (2004); for correlations with the identity as target, Schaefer and Strimmer, Statistical Applications in
    Genetics and Molecular Biology 4 (2005). 0 where the estimate is the target already.

    Parameters
    ----------
    sample, target
        Estimate and target, shape (p, p).
    variances
        Sampling variance of each entry of `sample`, shape (p, p).
    """
    distance = _sum(np.square(sample - target).ravel())
    return min(1.0, _sum(variances.ravel()) / distance) if distance > 0 else 0.0


def shrunk_correlations(columns: Sequence[FloatArray]) -> tuple[FloatArray, float]:
    """Correlations about zero of p series, shrunk toward none by `shrinkage`, and its intensity.

    Not the covariance is shrunk: of returns with heavy tails most of its error is of the scale, which both series have
    in common, and two that move as one would lose a tenth of their correlation to it.

    Parameters
    ----------
    columns
        Returns over the same n times, each of shape (n,).

    Returns
    -------
    tuple
        Matrix, shape (p, p), and intensity in [0, 1].
    """
    n, p = len(columns[0]), len(columns)
    own = [_sum(np.square(column)) / n for column in columns]
    target, variances = _identity(p), np.zeros((p, p))
    rho = target.copy()
    for i, j in combinations(range(p), 2):
        x, y = columns[i], columns[j]
        rho[i, j] = rho[j, i] = found = _ratio(_sum(x * y) / n, own[i], own[j])
        influence = _influence(x, y, own[i], own[j], found)
        variances[i, j] = variances[j, i] = _sum(np.square(influence)) / (n * n)
    intensity = shrinkage(rho, target, variances)
    return intensity * target + (1 - intensity) * rho, intensity


def _influence(x: FloatArray, y: FloatArray, own: float, other: float, rho: float) -> FloatArray:
    """What each return adds to a correlation's error: xy - rho (x^2 + y^2) / 2, of variance one.

    `own` and `other` are the variances. The mean of its square over n is the variance of a correlation whatever the
    distribution's tails (delta method; van der Vaart, Asymptotic Statistics, example 3.6).
    """
    if own <= 0 or other <= 0:
        return np.zeros(len(x))
    found: FloatArray = x * y / (math.sqrt(own) * math.sqrt(other)) - rho / 2 * (
        np.square(x) / own + np.square(y) / other
    )
    return found


def break_error(first: FloatArray, second: FloatArray, decay: float, fast: int) -> float:
    """Sampling error of the exponentially weighted correlation less that of the last `fast` returns.

    Both are sums over the same returns, with weights whose difference is what errs; each in its own variances, so that
    a change of volatility is no change of correlation. Under no change of correlation.

    Parameters
    ----------
    first, second
        Returns, shape (n,).
    decay
        Weight that the past keeps, per return.
    fast
        How many last returns the other one looks at, at most n.
    """
    weights = _weights(len(first), decay)
    weights /= float(np.cumsum(weights)[-1])
    own, other = (float(np.cumsum(weights * np.square(x))[-1]) for x in (first, second))
    rho = _ratio(float(np.cumsum(weights * (first * second))[-1]), own, other)
    errors = weights * _influence(first, second, own, other, rho)
    x, y = first[-fast:], second[-fast:]
    errors[-fast:] -= _influence(x, y, _sum(np.square(x)) / fast, _sum(np.square(y)) / fast, rho) / fast
    return math.sqrt(float(np.cumsum(np.square(errors))[-1]))


def window_correlations(first: FloatArray, second: FloatArray, length: int, step: int) -> FloatArray:
    """Correlations about zero of all windows of `length` returns whose ends lie `step` apart, the last at the end.

    Returns
    -------
    numpy.ndarray
        Oldest first; empty where the series are shorter than a window. 0 where a series does not move.
    """
    ends = np.arange(len(first), length - 1, -step)[::-1]
    sums = []
    for product in (np.square(first), np.square(second), first * second):
        total = np.concatenate(([0.0], np.cumsum(product)))
        sums.append(total[ends] - total[ends - length])
    own, other, joint = sums
    scale = np.sqrt(own) * np.sqrt(other)
    found: FloatArray = np.clip(joint / np.where(scale > 0, scale, 1.0), -1.0, 1.0)
    return found


def _day_ends(time: IntArray, interval: int) -> IntArray:
    """Places of the last bar of each day that is over."""
    day = (time + interval - 1) // DAY
    ends = np.flatnonzero(np.diff(day))
    return np.append(ends, len(time) - 1) if (time[-1] + interval) % DAY == 0 else ends


def stressed_correlation(
    time: IntArray, first: FloatArray, second: FloatArray, interval: int, config: OffsetConfig = DEFAULT_OFFSETS
) -> float:
    """The lower of the correlation on the days of the largest joint moves, and the mean of the lowest windows.

    A joint move is the sum of both squares, each in its own variance: days on which either moved much, which are those
    of two that move apart, too.

    Parameters
    ----------
    time
        Open times of bars, shape (n,).
    first, second
        Logarithms of their closes, shape (n,).
    interval
        Length of a bar [s].
    config
        Parameters.
    """
    share = config.stress_share
    found = []
    a, b = _moves(first), _moves(second)
    per_day = max(1, round(DAY / interval))
    # the lowest of many short windows are low by chance: twice as many returns as in the fast one, at least
    length = max(2 * config.fast_returns, round(config.window_days * DAY / interval))
    windows = window_correlations(a, b, length, per_day)
    if len(windows):
        worst = np.sort(windows)[: math.ceil(share * len(windows) - 1e-9)]
        found.append(_sum(worst) / len(worst))
    ends = _day_ends(time, interval)
    days, others = _moves(first[ends]), _moves(second[ends])
    if len(days):
        squares, other_squares = np.square(days), np.square(others)
        own, other = _sum(squares), _sum(other_squares)
        size = squares / (own or 1.0) + other_squares / (other or 1.0)
        count = min(len(days), max(LEAST_STRESS, math.ceil(share * len(days) - 1e-9)))
        chosen = np.sort(np.argsort(-size, kind="stable")[:count])
        x, y = days[chosen], others[chosen]
        found.append(_ratio(_sum(x * y), _sum(np.square(x)), _sum(np.square(y))))
    return min(found, default=0.0)


def pair_correlations(
    time: IntArray, logs: Sequence[FloatArray], interval: int, config: OffsetConfig = DEFAULT_OFFSETS
) -> dict[tuple[int, int], Correlation]:
    """What correlates any two of several series, and how firmly.

    Parameters
    ----------
    time
        Open times of bars that all have, shape (n,), [unix s].
    logs
        Logarithms of the closes, one series an underlying, each of shape (n,), n at least 2.
    interval
        Length of a bar [s].
    config
        Parameters.

    Returns
    -------
    dict
        By the places of the two in `logs`, the lower first.

    Raises
    ------
    TooFewObservationsError, ReturnError
        There is no return, or one is not finite.
    """
    returns = [_moves(values) for values in logs]
    for i, series in enumerate(returns):
        check_returns(series, 1, f"correlation of underlying {i} of the class")
    count = len(returns[0])
    length = min(count, max(config.fast_returns, round(config.fast_days * DAY / interval)))
    decay = power(config.decay, interval / DAY)
    fasts, intensity = shrunk_correlations([series[-length:] for series in returns])
    found = {}
    for i, j in combinations(range(len(logs)), 2):
        fast, slow = float(fasts[i, j]), ewma_correlation(returns[i], returns[j], decay)
        raw = fast / (1 - intensity) if intensity < 1 else 0.0  # as measured: shrinking is no break
        error = break_error(returns[i], returns[j], decay, length)
        stressed = stressed_correlation(time, logs[i], logs[j], interval, config)
        broken = slow - raw > config.break_errors * error
        counted = min(fast, slow, stressed)
        if broken:
            counted = max(-1.0, min(counted, raw - config.break_errors * error))
        found[i, j] = Correlation(fast, slow, stressed, error, broken, counted)
    return found


def _common(histories: Sequence[History], interval: int) -> tuple[IntArray, list[FloatArray]]:
    """When bars of `interval` [s] open that close where all histories have a close, and the closes' logarithms.

    Bars of different lengths that open together close apart: it is the closes that must be of one moment.
    """
    if all(a.interval == b.interval and np.array_equal(a.time, b.time) for a, b in pairwise(histories)):
        return histories[0].time, [history.logs for history in histories]
    ends = [h.time + h.interval for h in histories]
    time = reduce(lambda a, b: np.intersect1d(a, b, assume_unique=True), ends)
    closes = [h.close[np.searchsorted(end, time)] for h, end in zip(histories, ends, strict=True)]
    return time - interval, [log(close) for close in closes]


def offset_of(counted: float, days: float, config: OffsetConfig = DEFAULT_OFFSETS) -> int:
    """Offset [ppm] of a correlation measured on so many days of history.

    The joint lanes move all underlyings of a class the same way. A negative correlation says that they do not, so it
    earns nothing: only the positive part counts.
    """
    if days < config.least_days:
        return 0
    confidence = min(1.0, days / config.full_days)
    # down: an offset is for the account
    return downward_int(min(config.cap, config.share * max(0.0, counted) * confidence) * PPM)


def class_offset(markets: Sequence[Market], config: OffsetConfig = DEFAULT_OFFSETS) -> int:
    """Offset of one class [ppm] from the lowest correlation of any two of its underlyings.

    Parameters
    ----------
    markets
        The underlyings of the class.
    config
        Parameters.

    Returns
    -------
    int
        0 for a single underlying, or where the common history is short.
    """
    if len(markets) < 2:
        return 0
    interval = max(market.history.interval for market in markets)
    time, logs = _common([market.history for market in markets], interval)
    days = (len(time) - 1) * interval / DAY
    if len(time) < 2 or days < config.least_days:
        return 0
    found = pair_correlations(time, logs, interval, config)
    return offset_of(min(pair.counted for pair in found.values()), days, config)


def step_limited(target: int, previous: int | None, config: OffsetConfig = DEFAULT_OFFSETS) -> int:
    """An offset [ppm] on its way to `target`, no further from `previous` than a step.

    A hedged account needs sum - offset (sum - joint), so that a falling offset raises its requirement though nothing
    of its own changed. A step of 0.02 raises it by 0.02 of the sum at most, which is 0.04 of the largest scan where two
    underlyings hedge each other, and no requirement is less than that scan: less than the call buffer, so that a break
    leads to margin calls, not to liquidations. Reports come by the hour or more often: what broke is gone within a day.
    """
    if previous is None:
        return target
    step = downward_int(config.max_step * PPM)
    return min(max(target, previous - step), previous + step)

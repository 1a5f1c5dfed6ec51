"""Volatility by heterogeneous autoregression: what one hour, one day, one week and one quarter say of the next.

Corsi (Journal of Financial Econometrics 7, 2009) regresses realised variance on its own means over a day, a week and a
month. Here in logarithms, on exponential means of hourly variance, freed of the hour of the day:

    x[t]   = (r[t]^2 + range[t]^2 / (4 log 2)) / 2 / season(hour of t)      Parkinson (Journal of Business 53, 1980)
    log of the mean of x over the next h bars  =  b0 + sum of b log mean(x) + c log mean(sqrt x) + d share of falls

with means over half-lives from two hours to sixty days; those of sqrt x, up to four days, say more where a single bar
was wild (Forsberg and Ghysels, Journal of Financial Econometrics 5, 2007).
The coefficients are fitted by least squares to all that was known at the start of each block of `refit` days: the path
that this module gives is walk-forward by itself, and its last entry is the forecast of now. A margin that follows such
a forecast as it stands lurches. `calmed` lets it: deviations from the mean of all history are compressed, and within
`window` it rises by no more than `rise` (the tail is measured on what was calmed, so that coverage stays).

Only operations whose bits are the same everywhere: see `plimsoll.risk.rounding`.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

from plimsoll.market.bars import DAY, FloatArray, IntArray
from plimsoll.market.portable import exp, log
from plimsoll.risk.errors import ModelError, TooFewObservationsError, check_bounds
from plimsoll.risk.volatility import check_returns, ewma

HOUR: Final = 3_600
HOURS: Final = 24
LOG_2: Final = 0.6931471805599453
PARKINSON: Final = 4 * LOG_2
SMALL: Final = 1e-12  # variance of a bar, below which it is all one
OUTLIER: Final = 6.0  # an hour's move in units of the week's that tells no more of its hour than this
RIDGE: Final = 1e-3
SHORT: Final = 4.0  # [days] half-lives up to which the mean absolute move is looked at too


@dataclass(frozen=True, slots=True)
class HarConfig:
    """Parameters of the forecast and of what calms it.

    Parameters
    ----------
    half_lives
        Of the means that it looks at [days]; those under half a bar are left out.
    burn_in
        Before the first forecast [days].
    refit
        Time between two fits [days].
    season_memory
        Half-life of what is known of the hours of the day [days]; at least bars of an hour have a season.
    weight
        Of a deviation from the mean of all history.
    reach
        Largest deviation [1 of the logarithm of volatility].
    rise
        Largest rise within `window` [1 of the logarithm].
    window
        [days]
    """

    half_lives: tuple[float, ...] = (1 / 12, 1 / 3, 1.0, 4.0, 15.0, 60.0)
    burn_in: int = 120
    refit: int = 30
    season_memory: float = 365.0
    weight: float = 0.75
    reach: float = 0.9
    rise: float = 0.88
    window: int = 5

    def __post_init__(self) -> None:
        if not self.half_lives or min(self.half_lives) <= 0 or list(self.half_lives) != sorted(set(self.half_lives)):
            raise ModelError(f"half_lives {self.half_lives}; positive and rising is right")
        check_bounds(
            self,
            (
                ("burn_in", 1, 10_000),
                ("refit", 1, 10_000),
                ("season_memory", 1, 10_000),
                ("weight", 0.01, 1),
                ("reach", 0.05, 5),
                ("rise", 0.01, 10),
                ("window", 1, 365),
            ),
        )


def bar_variance(returns: FloatArray, ranges: FloatArray | None = None) -> FloatArray:
    """Variance of each bar: its squared return, or the mean of that and of Parkinson's from its range.

    Parameters
    ----------
    returns
        Logarithmic, shape (n,).
    ranges
        log(high / low) of the same bars, shape (n,), or None.
    """
    squared = np.square(returns)
    return squared if ranges is None else (squared + np.square(ranges) / PARKINSON) / 2


def seasons(variance: FloatArray, time: IntArray, interval: int, memory: float = 365.0) -> FloatArray:
    """Factor of each hour of the day on variance, as known at the start of each week.

    Parameters
    ----------
    variance
        Of each bar, shape (n,).
    time
        Their open times [unix s], shape (n,).
    interval
        Length of a bar [s].
    memory
        Half-life [days].

    Returns
    -------
    numpy.ndarray
        Shape (weeks, 24), of mean 1: row w for the bars from w weeks of bars on. All 1 for bars over an hour.
    """
    week = 7 * DAY // interval
    weeks = len(variance) // week + 1
    found = np.ones((weeks, HOURS))
    if interval > HOUR:
        return found
    level = ewma(variance, decay_of(7.0, interval))[:-1]
    told = np.minimum(np.sqrt(variance / np.maximum(level, SMALL)), OUTLIER)
    hour = (time // HOUR) % HOURS
    keeps = decay_of(memory, 7 * DAY)
    total, count = np.zeros(HOURS), np.zeros(HOURS)
    for w in range(1, weeks):
        part = slice((w - 1) * week, w * week)
        total = total * keeps + np.bincount(hour[part], told[part], HOURS)
        count = count * keeps + np.bincount(hour[part], minlength=HOURS)
        mean = math.fsum(total) / math.fsum(count)
        if not mean:
            continue  # a market that stands still has no season
        factor = np.square((total + 30 * mean) / (count + 30))  # as if each hour had been usual thirty times
        found[w] = factor / (math.fsum(factor) / HOURS)
    return found


def decay_of(half_life: float, interval: int) -> float:
    """Weight that a mean of this half-life [days] keeps over `interval` [s]."""
    return float(exp(-LOG_2 * interval / (half_life * DAY)))


def _solved(matrix: list[list[float]], right: list[float]) -> list[float]:
    """The solution of a small system, by elimination with pivots."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    n = len(rows)
    for k in range(n):
        at = max(range(k, n), key=lambda i: abs(rows[i][k]))
        rows[k], rows[at] = rows[at], rows[k]
        for i in range(k + 1, n):
            factor = rows[i][k] / rows[k][k]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[k], strict=True)]
    found = [0.0] * n
    for k in reversed(range(n)):
        found[k] = (rows[k][n] - math.fsum(rows[k][j] * found[j] for j in range(k + 1, n))) / rows[k][k]
    return found


class LeastSquares:
    """Normal equations that grow with what becomes known."""

    def __init__(self, count: int) -> None:
        self.matrix = [[0.0] * count for _ in range(count)]
        self.right = [0.0] * count

    def add(self, columns: list[FloatArray], wanted: FloatArray, part: slice) -> None:
        """Bring in some rows; sums are exact and rounded once."""
        cut = [column[part] for column in columns]
        y = wanted[part]
        for i, one in enumerate(cut):
            self.right[i] += math.fsum((one * y).tolist())
            for j in range(i + 1):
                self.matrix[i][j] += math.fsum((one * cut[j]).tolist())
                self.matrix[j][i] = self.matrix[i][j]

    def solve(self) -> list[float]:
        """The coefficients, with a ridge that only a degenerate history feels."""
        n = len(self.right)
        ridged = [[x + (RIDGE if i == j else 0.0) for j, x in enumerate(row)] for i, row in enumerate(self.matrix)]
        return _solved(ridged, self.right[:n])


def log_volatility(
    returns: FloatArray,
    time: IntArray,
    interval: int,
    horizon: int,
    ranges: FloatArray | None = None,
    config: HarConfig | None = None,
    *,
    what: str = "HAR",
) -> FloatArray:
    """Logarithm of the volatility forecast for the next `horizon` bars, at every close.

    Parameters
    ----------
    returns
        Logarithmic, of each bar, shape (n,).
    time
        Open times of these bars [unix s], shape (n,).
    interval
        Length of a bar [s].
    horizon
        Bars over which volatility is wanted.
    ranges
        log(high / low) of each bar, or None.
    config
        Parameters.
    what
        Whose returns these are, for errors.

    Returns
    -------
    numpy.ndarray
        Shape (n + 1,): entry t is known before bar t opens, entry n now; NaN within the burn-in.

    Raises
    ------
    TooFewObservationsError, ReturnError
        The history is no longer than the burn-in, or has a return that is no number.
    ModelError
        The horizon is under a bar.
    """
    config = config or HarConfig()
    if horizon < 1:
        raise ModelError(f"horizon {horizon} bars; at least 1 is right")
    burn = max(config.burn_in * DAY // interval, 2 * horizon)
    check_returns(returns, 1, what)
    n = len(returns)
    if n <= burn + horizon:
        raise TooFewObservationsError(what, n, burn + horizon + 1)
    variance = bar_variance(returns, ranges)
    table = seasons(variance, time, interval, config.season_memory)
    week = 7 * DAY // interval
    row = np.minimum(np.arange(n + 1) // week, len(table) - 1)
    opens = np.append(time, time[-1] + interval)
    free = variance / table[row[:-1], time // HOUR % HOURS]
    lives = [half_life for half_life in config.half_lives if half_life * DAY >= interval / 2]
    size, fall = np.sqrt(free), np.where(returns < 0, free, 0.0)

    def mean(values: FloatArray, half_life: float) -> FloatArray:
        return np.maximum(ewma(values, decay_of(half_life, interval)), SMALL)

    columns = [np.ones(n + 1)]
    columns += [log(mean(free, half_life)) for half_life in lives]
    columns += [log(mean(size, half_life)) for half_life in lives if half_life <= SHORT]
    columns += [mean(fall, half_life) / mean(free, half_life) for half_life in dict.fromkeys((lives[0], 1.0))]
    running = np.concatenate(([0.0], np.cumsum(free)))
    wanted = log(np.maximum((running[horizon:] - running[:-horizon]) / horizon, SMALL))
    ahead = np.zeros(n + 1)
    for k in range(horizon):
        ahead += table[row, (opens + k * interval) // HOUR % HOURS]
    found = np.full(n + 1, np.nan)
    squares, known = LeastSquares(len(columns)), 0
    refit = max(1, config.refit * DAY // interval)
    for start in range(burn, n + 1, refit):
        squares.add(columns, wanted, slice(known, start - horizon))
        known = start - horizon
        part = slice(start, start + refit)
        level = np.zeros(len(found[part]))
        for weight, column in zip(squares.solve(), columns, strict=True):
            level += weight * column[part]
        found[part] = level
    return (found + log(ahead)) / 2


def calmed(logs: FloatArray, interval: int, config: HarConfig | None = None) -> FloatArray:
    """A path of log volatility with its deviations compressed and its rises bounded.

    Parameters
    ----------
    logs
        As `log_volatility` gives it, shape (n,): NaN first, then numbers.
    interval
        Length of a bar [s].
    config
        `weight`, `reach`, `rise` and `window`.

    Returns
    -------
    numpy.ndarray
        Shape (n,): entry t depends on entries up to t. With m the mean of all entries so far,
        m + reach tanh(weight (x - m) / reach), and at most `rise` over any entry of the last `window` days.
    """
    config = config or HarConfig()
    first = int(np.argmin(np.isnan(logs)))
    live = logs[first:]
    mean = np.cumsum(live) / np.arange(1, len(live) + 1)
    turn = exp(2 * config.weight * (live - mean) / config.reach)
    wanted = (mean + config.reach * (1 - 2 / (turn + 1))).tolist()
    span = config.window * DAY // interval
    lowest: deque[tuple[int, float]] = deque()
    for t in range(len(wanted)):
        while lowest and lowest[0][0] < t - span:
            lowest.popleft()
        if lowest:
            wanted[t] = min(wanted[t], lowest[0][1] + config.rise)
        while lowest and lowest[-1][1] >= wanted[t]:
            lowest.pop()
        lowest.append((t, wanted[t]))
    return np.concatenate((logs[:first], np.array(wanted)))


def calmed_volatility(
    returns: FloatArray,
    time: IntArray,
    interval: int,
    horizon: int,
    ranges: FloatArray | None = None,
    config: HarConfig | None = None,
    *,
    what: str = "HAR",
) -> tuple[FloatArray, int]:
    """Volatility of the next `horizon` bars at every close, forecast and calmed, and the first entry that is known.

    Parameters and errors are those of `log_volatility`; the path has shape (n + 1,), NaN before the first.
    """
    logs = log_volatility(returns, time, interval, horizon, ranges, config, what=what)
    return volatility_of(calmed(logs, interval, config))


def volatility_of(logs: FloatArray) -> tuple[FloatArray, int]:
    """Volatility behind a path of its logarithm, and the first entry that is known.

    Parameters
    ----------
    logs
        As `calmed` gives it, shape (n,): NaN first, then numbers.
    """
    first = int(np.argmin(np.isnan(logs)))
    return np.concatenate((logs[:first], exp(logs[first:]))), first

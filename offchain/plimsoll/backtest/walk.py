"""Margins of a model at every close of a history, each from what was known then: walk-forward.

A model here is a function of bars, horizon and level, and answers with the margin of a long and of a short at each
close. `MODELS` names those that are compared. None looks ahead: what it says of the past does not change with the
future (a test cuts the future off, and puts another there).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from plimsoll.backtest.errors import BacktestError
from plimsoll.backtest.garch import garch_path
from plimsoll.market.bars import DAY, Bars, FloatArray
from plimsoll.market.portable import exp, log, power
from plimsoll.risk.har import HarConfig, calmed_volatility
from plimsoll.risk.models import WATCH
from plimsoll.risk.volatility import ewma_variance, historical_tail, parametric_tail
from plimsoll.risk.watch import exceptions, long_run, raised, watched

WEEK: Final = 7 * DAY
BURN_IN: Final = 60 * DAY  # residuals of a forecast that knew less are left out
NEEDED: Final = 100  # residuals below which a tail is no estimate


@dataclass(frozen=True, slots=True)
class Margins:
    """Margins as shares of the price, at each close.

    Parameters
    ----------
    down, up
        Of a long and of a short, shape (n + 1,): entry t is set at the close before bar t. NaN where nothing is said.
    """

    down: FloatArray
    up: FloatArray

    @property
    def wider(self) -> Margins:
        """The same for both sides: the wider, as symmetrical lanes ask."""
        both = np.maximum(self.down, self.up)
        return Margins(both, both)

    def before(self, bars: int) -> Margins:
        """What was said of the first so many bars."""
        return Margins(self.down[: bars + 1], self.up[: bars + 1])


# Bars, horizon [bars] and level in; margins that a share `level` of moves over the horizon does not exceed out.
Model = Callable[[Bars, int, float], Margins]


def closes(bars: Bars) -> FloatArray:
    """Logarithm of the price at each close, shape (n + 1,): entry 0 is the first bar's open."""
    return log(np.concatenate((bars.open[:1], bars.close)))


def filtered(
    bars: Bars,
    volatility: FloatArray,
    horizon: int,
    level: float,
    *,
    needed: int = NEEDED,
    every: int = WEEK,
    watch: int = 0,
) -> Margins:
    """Filtered historical simulation on a path of volatility, its tails renewed once a week.

    Parameters
    ----------
    bars
        The history, n of them.
    volatility
        Of the next `horizon` bars, shape (n + 1,), as known at each close; NaN or 0 first, where it is not.
    horizon
        Bars.
    level
        Share of moves that the margin covers, on each side.
    needed
        Residuals below which nothing is said.
    every
        Time between two readings of the tails [s].
    watch
        Windows, one a day, whose exceptions raise the margin, see `plimsoll.risk.watch`; 0: none do.

    Raises
    ------
    BacktestError
        The price does not move at all.
    """
    logs = closes(bars)
    moves = logs[horizon:] - logs[:-horizon]
    moves_yet = volatility > 0  # where the price has not moved yet there is nothing to measure a move by
    if not moves_yet.any():
        raise BacktestError(f"{bars.source}: its price does not move; prices that move are right")
    first = int(np.argmax(moves_yet))
    residuals = np.full(len(moves), np.nan)
    residuals[first:] = moves[first:] / volatility[first : len(moves)]
    start = first + BURN_IN // bars.interval
    usual = np.full(len(volatility), np.nan)
    if watch:
        usual[first:] = long_run(volatility[first:])
    down, up = np.full(len(logs), np.nan), np.full(len(logs), np.nan)
    step = max(1, every // bars.interval)
    for t in range(start + needed + horizon, len(logs), step):
        known = residuals[start : t - horizon + 1]
        tail = historical_tail(known, level, horizon)
        part = slice(t, t + step)
        for side, losses, quantile in ((down, -known, tail.quantile_down), (up, known, tail.quantile_up)):
            asked = _asked(quantile, volatility[part], fall=side is down)
            factor = raised(exceptions(losses, bars.time[start : t - horizon + 1], quantile, level, watch))
            if factor > 1:
                asked = watched(asked, _asked(quantile, usual[part], fall=side is down), factor)
            side[part] = asked
    return Margins(down, up)


def _asked(quantile: float, volatility: FloatArray, *, fall: bool) -> FloatArray:
    """Share of the price that a move of so many volatilities takes from a long in a fall, from a short in a rise."""
    moved = max(quantile, 0.0) * volatility
    return 1 - exp(-moved) if fall else exp(moved) - 1


def har_fhs(bars: Bars, horizon: int, level: float, config: HarConfig | None = None) -> Margins:
    """The default: HAR on realised variance, calmed, with filtered historical simulation for the tails."""
    returns = np.diff(closes(bars))
    ranges = log(bars.high) - log(bars.low)
    path, _ = calmed_volatility(returns, bars.time, bars.interval, horizon, ranges, config)
    return filtered(bars, path, horizon, level, watch=WATCH)


def _ewma_path(bars: Bars, horizon: int, decay: float) -> FloatArray:
    per_bar = power(decay, bars.interval / DAY)
    found: FloatArray = np.sqrt(ewma_variance(np.diff(closes(bars)), per_bar) * horizon)
    return found


def ewma_fhs(bars: Bars, horizon: int, level: float, decay: float = 0.97) -> Margins:
    """EWMA volatility with filtered historical simulation; `decay` a day."""
    return filtered(bars, _ewma_path(bars, horizon, decay), horizon, level)


def ewma_normal(bars: Bars, horizon: int, level: float, decay: float = 0.94) -> Margins:
    """Plain RiskMetrics: EWMA volatility times the normal's quantile; `decay` a day."""
    quantile = parametric_tail(level, None).quantile_down
    path = _ewma_path(bars, horizon, decay)
    return Margins(1 - exp(-quantile * path), exp(quantile * path) - 1)


def garch_t(bars: Bars, horizon: int, level: float, refit: int = 91 * DAY) -> Margins:
    """GARCH(1,1) with Student t innovations on returns of a day, fitted anew every `refit` [s], see `garch_path`.

    A horizon of another length takes the root of its share of a day.
    """
    logs = closes(bars)
    down, up = np.full(len(logs), np.nan), np.full(len(logs), np.nan)
    share = math.sqrt(horizon * bars.interval / DAY)
    path = garch_path(bars, refit)
    for at, variance, freedom in zip(path.at, path.variance, path.freedom, strict=True):
        move = parametric_tail(level, float(freedom)).quantile_down * math.sqrt(variance) * share
        down[at:] = -math.expm1(-move)
        up[at:] = math.expm1(move)
    return Margins(down, up)


MODELS: Final[Mapping[str, Model]] = {
    "har-fhs": har_fhs,
    "ewma-94": ewma_normal,
    "ewma-97-fhs": ewma_fhs,
    "garch-t": garch_t,
}


def shaped(weight: float, reach: float, rise: float) -> Model:
    """The default model, calmed otherwise: a point of the frontier between capital and procyclicality."""
    return partial(har_fhs, config=HarConfig(weight=weight, reach=reach, rise=rise))


def model_of(name: str) -> Model:
    """A model by its name; BacktestError where there is none."""
    if name not in MODELS:
        raise BacktestError(f"model {name!r}; {', '.join(MODELS)} is right")
    return MODELS[name]

"""Forecasts of volatility against each other, out of sample: what each says of the hours to come, and whether it pays.

Every forecast is a path of log variance over the horizon at each close, from what was known then, NaN where it says
nothing. What was realised is the sum of bars' variances, each the mean of its squared return and of Parkinson's. Before
they are scored all are lifted to the level that QLIKE asks for by what was known (`plimsoll.risk.blend.levelled`): the
tail that a margin puts on a forecast measures its level anyway, so what counts is its shape.

A difference in loss is tested as F. Diebold and R. Mariano do (Journal of Business and Economic Statistics 13, 1995),
on all closes, its variance by Newey and West with a week of lags, since windows overlap and volatility clusters.

What was chosen about the models was chosen within the warm-up, which no score counts. `choose` says by a fixed rule
whether the learned model may be the default.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import numpy as np

from plimsoll.backtest.errors import BacktestError
from plimsoll.backtest.garch import garch_log_variance
from plimsoll.backtest.record import HORIZONS, HOUR, WARM_UP
from plimsoll.backtest.walk import Margins, closes, filtered
from plimsoll.market.bars import DAY, Bars, FloatArray, IntArray
from plimsoll.market.errors import SourceError
from plimsoll.market.portable import log, power
from plimsoll.market.sources import load_recorded, load_series, recorded_path
from plimsoll.risk.blend import METHODS, blended, levelled, qlike
from plimsoll.risk.har import SMALL, HarConfig, bar_variance, calmed, log_volatility, volatility_of
from plimsoll.risk.implied import implied_forecast, known
from plimsoll.risk.learned import Inputs, LearnedConfig, LearnedModel, Table, fit, table_of
from plimsoll.risk.ranges import yang_zhang
from plimsoll.risk.volatility import ewma_variance
from plimsoll.risk.weeks import week_effect

BASE: Final = "har"
LEARNED: Final = "learned"
HELD_OUT: Final = int(datetime(2023, 1, 1, tzinfo=UTC).timestamp())
DECAY: Final = 0.94  # of EWMA, a day
WINDOW: Final = DAY  # of Yang and Zhang's estimator: the best of one, two, three and seven days within the warm-up
REFIT: Final = 90 * DAY  # of regressions and blends
LAGS: Final = 7 * DAY  # of the test's variance
SIGNIFICANT: Final = 0.05
STALE: Final = {"implied": DAY, "funding": DAY, "depth": 3 * DAY}  # age from which an input says nothing

Progress = Callable[[int, int, str], None]

log_ = logging.getLogger(__name__)


def _silent(_: int, __: int, ___: str) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A market to forecast: its bars, and what is known at each of their closes besides."""

    bars: Bars
    inputs: Inputs


def close_times(bars: Bars) -> IntArray:
    """Times of the closes [unix s], shape (n + 1,): entry 0 is the first open."""
    found: IntArray = np.append(bars.time, bars.time[-1] + bars.interval)
    return found


def recorded() -> dict[str, Subject]:
    """BTC and ETH with what is recorded of them; an input whose file is missing is None, and the log says so.

    The recorded index of implied volatility is BTC's; it stands for both. Its values are closes of hours under the
    hours' opens, so each is known an hour later.

    Raises
    ------
    SourceError
        `PLIMSOLL_DATA` is unset, or lacks the bars.
    """
    found = {}
    for name in ("BTC", "ETH"):
        bars = load_recorded(f"{name.lower()}_usdt_spot_1h")
        at = close_times(bars)
        inputs: dict[str, FloatArray] = {}
        for what, file, column, where, lag in (
            ("implied", "btc_dvol_1h", "dvol", {}, HOUR),
            ("funding", "perp_funding_8h", "funding_rate_8h", {"symbol": f"{name}USDT"}, 0),
            ("depth", "perp_depth_50bps", "depth_50bps", {"asset": name}, 0),
        ):
            try:
                series = load_series(recorded_path(file), column, where, sort=True)
            except SourceError as error:
                log_.warning("%s: without %s: %s", name, what, error)
                continue
            inputs[what] = known(series, at, lag=lag, stale=STALE[what] + lag)
        found[name] = Subject(bars, Inputs(**inputs))
    return found


# ---------------------------------------------------------------------------------------------------------- forecasts


@dataclass(frozen=True, slots=True)
class Paths:
    """Forecasts of one market at one horizon.

    Parameters
    ----------
    realised
        Log variance of the horizon from each close on, shape (n + 1,); NaN where it has not ended.
    forecasts
        By name, each of shape (n + 1,), not levelled.
    learned
        The fitted trees behind "learned".
    """

    realised: FloatArray
    forecasts: Mapping[str, FloatArray]
    learned: LearnedModel


def realised_log_variance(bars: Bars, horizon: int) -> FloatArray:
    """Log variance of the `horizon` bars from each close on, shape (n + 1,); NaN where they have not ended."""
    variance = bar_variance(np.diff(closes(bars)), log(bars.high) - log(bars.low))
    running = np.concatenate(([0.0], np.cumsum(variance)))
    found = np.full(len(running), np.nan)
    found[: len(running) - horizon] = log(np.maximum(running[horizon:] - running[:-horizon], SMALL * horizon))
    return found


def paths_of(
    subject: Subject, horizon: int, config: LearnedConfig | None = None, har: HarConfig | None = None
) -> Paths:
    """Every forecast of one market over the next `horizon` bars.

    ewma, garch-t and yang-zhang scale one number; har is `plimsoll.risk.har`, har-week with the hour of the week,
    har-implied regressed on it and on implied volatility, learned with trees; the last three are har where they say
    nothing yet. Blends are of all of these, levelled.

    Raises
    ------
    BacktestError
        The horizon is under a bar, or the history ends within the first fits.
    """
    bars, inputs = subject.bars, subject.inputs
    interval, at = bars.interval, close_times(bars)
    needed = WARM_UP // interval + horizon
    if horizon < 1 or len(bars) < needed:
        raise BacktestError(f"{bars.source}: {len(bars)} bars, horizon {horizon}; {needed} and 1 are needed at least")
    returns, realised = np.diff(closes(bars)), realised_log_variance(bars, horizon)
    refit = max(1, REFIT // interval)
    base, table = _seen(subject, horizon, har)
    learned = fit(table, realised - base, at, interval, horizon, config)
    window = max(2, WINDOW // interval)
    members: dict[str, FloatArray] = {
        "ewma": log(ewma_variance(returns, power(DECAY, interval / DAY)) * horizon),
        "garch-t": garch_log_variance(bars, horizon),
        "yang-zhang": _logged(yang_zhang(bars, window) * horizon),
        BASE: base,
        "har-week": base + week_effect(realised - base, at, interval, horizon),
        "har-implied": _or(
            implied_forecast(inputs.implied, realised, horizon, interval, beside=base, refit=refit), base
        ),
        LEARNED: base + learned.correction(table, at),
    }
    level = {name: levelled(realised, path, horizon) for name, path in members.items()}
    for method in METHODS:
        members[method], _ = blended(realised, level, horizon, method, refit=refit)
    return Paths(realised, members, learned)


def _seen(subject: Subject, horizon: int, har: HarConfig | None) -> tuple[FloatArray, Table]:
    """HAR's log variance, and the columns that trees look at."""
    bars = subject.bars
    returns, ranges = np.diff(closes(bars)), log(bars.high) - log(bars.low)
    base = 2 * log_volatility(returns, bars.time, bars.interval, horizon, ranges, har, what=bars.source)
    return base, table_of(returns, bars.time, bars.interval, horizon, base, ranges, subject.inputs, har)


def train(
    subject: Subject, horizon: int, config: LearnedConfig | None = None, har: HarConfig | None = None
) -> LearnedModel:
    """Trees for one market and the next `horizon` bars, to be handed round as plain numbers.

    Who will ask them without an input should train them without it: see `without`.

    Raises
    ------
    TooFewObservationsError
        The history ends within the first fits.
    """
    base, table = _seen(subject, horizon, har)
    left = realised_log_variance(subject.bars, horizon) - base
    return fit(table, left, close_times(subject.bars), subject.bars.interval, horizon, config)


def _logged(variance: FloatArray) -> FloatArray:
    alive = np.isfinite(variance)
    return np.where(alive, log(np.where(alive, np.maximum(variance, SMALL), 1.0)), np.nan)


def _or(path: FloatArray | None, other: FloatArray) -> FloatArray:
    """A path, and another where it says nothing."""
    return other if path is None else np.where(np.isfinite(path), path, other)


# ------------------------------------------------------------------------------------------------------------- scores


@dataclass(frozen=True, slots=True)
class Score:
    """A forecast of one market and horizon over one period.

    Parameters
    ----------
    asset, horizon, model
        Which; the horizon in seconds.
    held_out
        Whether only from `HELD_OUT` on.
    windows
        Closes that were scored, those at which it and HAR both say something.
    qlike, base_qlike
        Mean loss, and HAR's on the same closes.
    mse
        Mean square error of log variance about its mean.
    statistic, p
        Diebold and Mariano's of HAR's loss less its own: above 0 where it is better; two-sided. NaN for HAR itself.
    """

    asset: str
    horizon: int
    model: str
    held_out: bool
    windows: int
    qlike: float
    base_qlike: float
    mse: float
    statistic: float
    p: float

    @property
    def gain(self) -> float:
        """By what share its loss is smaller than HAR's."""
        return 1 - self.qlike / self.base_qlike


def diebold_mariano(difference: FloatArray, lags: int) -> tuple[float, float]:
    """Statistic and two-sided p of a mean of zero, with the variance of Newey and West.

    Parameters
    ----------
    difference
        Of two losses, shape (n,), in the order of time.
    lags
        Over which it is correlated with itself.

    Raises
    ------
    BacktestError
        There are no more than `lags`, or none differs.
    """
    if len(difference) <= lags or not difference.any():
        raise BacktestError(f"{len(difference)} differences for {lags} lags; more, not all zero, are right")
    import statsmodels.api as sm  # type: ignore[import-untyped] # noqa: PLC0415 - slow to import

    found = sm.OLS(difference, np.ones(len(difference))).fit(
        cov_type="HAC", cov_kwds={"maxlags": lags, "kernel": "bartlett"}
    )
    return float(found.tvalues[0]), float(found.pvalues[0])


def score(asset: str, subject: Subject, paths: Paths, horizon: int, *, held_out: bool) -> list[Score]:
    """The scores of all forecasts of one market at one horizon [s], overall or held out.

    Raises
    ------
    BacktestError
        Too little is left after the warm-up.
    """
    bars = subject.bars
    h, at = horizon // bars.interval, close_times(bars)
    late = at >= max(int(bars.time[0]) + WARM_UP, HELD_OUT if held_out else 0)
    own = {name: levelled(paths.realised, path, h) for name, path in paths.forecasts.items()}
    base = qlike(paths.realised, own[BASE])
    lags = max(LAGS // bars.interval, 2 * h)
    found = []
    for name, path in own.items():
        loss = qlike(paths.realised, path)
        rows = late & np.isfinite(loss) & np.isfinite(base)
        if rows.sum() <= lags:
            raise BacktestError(f"{asset}, {name}: {int(rows.sum())} closes to score; {lags + 1} are needed")
        statistic, p = (math.nan, math.nan) if name == BASE else diebold_mariano((base - loss)[rows], lags)
        found.append(
            Score(
                asset=asset,
                horizon=horizon,
                model=name,
                held_out=held_out,
                windows=int(rows.sum()),
                qlike=float(np.mean(loss[rows])),
                base_qlike=float(np.mean(base[rows])),
                mse=float(np.var((paths.realised - paths.forecasts[name])[rows])),
                statistic=statistic,
                p=p,
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class Comparison:
    """Scores of all forecasts, and the paths behind them by (asset, horizon [s])."""

    scores: tuple[Score, ...]
    paths: Mapping[tuple[str, int], Paths]

    def of(self, model: str, *, held_out: bool = False) -> tuple[Score, ...]:
        """One forecast's scores over a period."""
        return tuple(x for x in self.scores if x.model == model and x.held_out == held_out)


def compare(
    subjects: Mapping[str, Subject],
    horizons: Sequence[int] = HORIZONS,
    config: LearnedConfig | None = None,
    *,
    on_progress: Progress = _silent,
) -> Comparison:
    """Score all forecasts on all markets and horizons [s], overall and, where there is such a time, held out.

    Raises
    ------
    BacktestError
        Nothing to compare, a horizon that is no multiple of the bars, or too little history.
    """
    if not subjects or not horizons:
        raise BacktestError("at least one market and one horizon are right")
    total, done = len(subjects) * len(horizons), 0
    scores: list[Score] = []
    paths: dict[tuple[str, int], Paths] = {}
    for asset, subject in subjects.items():
        for horizon in horizons:
            if horizon <= 0 or horizon % subject.bars.interval:
                raise BacktestError(
                    f"{asset}: horizon {horizon} s; a multiple of its bars' {subject.bars.interval} s is right"
                )
            on_progress(done, total, f"{asset}, {horizon // HOUR} h")
            found = paths_of(subject, horizon // subject.bars.interval, config)
            paths[asset, horizon] = found
            scores += score(asset, subject, found, horizon, held_out=False)
            if subject.bars.time[-1] > HELD_OUT + 2 * LAGS:
                scores += score(asset, subject, found, horizon, held_out=True)
            done += 1
    on_progress(total, total, "done")
    return Comparison(tuple(scores), paths)


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether a forecast may be the default, and why.

    Parameters
    ----------
    model, cells
        Which, over how many markets, horizons and periods.
    better, significant
        In how many its loss is smaller than HAR's, and in how many of these the test says so.
    """

    model: str
    cells: int
    better: int
    significant: int

    @property
    def accepted(self) -> bool:
        """Better everywhere, and significantly so in most."""
        return self.cells > 0 and self.better == self.cells and 2 * self.significant > self.cells


def choose(scores: Iterable[Score], model: str = LEARNED) -> Choice:
    """Whether a forecast may be the default instead of HAR.

    It must lose less by QLIKE in every cell, which is a market, a horizon and a period, and by Diebold and Mariano's
    test at 5 % in more than half.

    Raises
    ------
    BacktestError
        There is no score of that model, or it is HAR.
    """
    known_ = [x for x in scores if x.model == model]
    if not known_ or model == BASE:
        raise BacktestError(f"{model!r} has {len(known_)} scores; another model than {BASE} with scores is right")
    better = [x for x in known_ if x.qlike < x.base_qlike]
    return Choice(model, len(known_), len(better), sum(x.p < SIGNIFICANT for x in better))


def margins_of(
    bars: Bars, forecast: FloatArray, horizon: int, level: float, config: HarConfig | None = None
) -> Margins:
    """Margins on a forecast of log variance, calmed and with a filtered tail as `plimsoll.backtest.walk.har_fhs` does.

    Parameters
    ----------
    bars, horizon, level
        As `plimsoll.backtest.walk.Model`.
    forecast
        Log variance over the horizon at each close, shape (n + 1,); NaN first, then numbers.
    config
        How it is calmed.
    """
    path, _ = volatility_of(calmed(forecast / 2, bars.interval, config))
    return filtered(bars, path, horizon, level)


def without(subject: Subject, *names: str) -> Subject:
    """The same market with some inputs left out: "implied", "funding", "depth"."""
    return Subject(subject.bars, replace(subject.inputs, **dict.fromkeys(names)))

"""Probabilities of liquidation held against what happened: of a hundred said to fail at 30 %, some 30 should.

    reliability(predicted, happened)   Brier score, its skill, and the table behind a reliability plot
    walk(bars)                         books drawn along a history, predicted from what was known, and their end
    record()                           the same on the recorded hours of BTC and ETH, raw and calibrated walk-forward

At each start books are drawn (a seed says all): perpetuals and options on one underlying or both, margined by lanes of
the scenario set that is posted, at the scan range that past residuals say; equity is MM times 1 + d, d between a
hundredth and two, any magnitude as likely. A book fails where its equity is under its MM at any close within the
horizon, both revalued in full by Black-76 there: the lanes that predict it do not judge it. Implied volatility is the
forecast of the day and moves by half of what the forecast moves by.

A start's books share one market, so the bands of the table are a bootstrap over starts. Calibration is fitted anew at
every year on all that was known then; the first year is only fitted on.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from plimsoll.backtest.errors import BacktestError
from plimsoll.backtest.run import recorded
from plimsoll.backtest.walk import closes
from plimsoll.market.bars import DAY, YEAR, Bars, FloatArray, IntArray
from plimsoll.market.portable import log
from plimsoll.market.sources import DATA_VARIABLE
from plimsoll.risk import black
from plimsoll.risk.har import calmed_volatility
from plimsoll.risk.probability import (
    Calibration,
    Curve,
    calibrate,
    curve_of,
    moves_of,
    probability,
    residual_paths,
    starts_of,
    worst_losses,
)
from plimsoll.risk.scenarios import NODE_LANES, ScenarioSet
from plimsoll.risk.volatility import historical_tail
from plimsoll.spec.surface import Surface
from plimsoll.spec.wad import PPM, WAD

Bools = npt.NDArray[np.bool_]

BINS: Final = 10
FEW: Final = 100  # predictions in a bin, below which its share says little
RESAMPLES: Final = 1_000
BAND: Final = (0.025, 0.975)
HOURS: Final = 24
BOOKS: Final = 12  # at every start
PATHS: Final = 1_000
LEVEL: Final = 0.99
SETTLE: Final = 60 * DAY  # residuals of a forecast that knew less are left out
WARM_UP: Final = 365 * DAY  # of residuals before the first start
GROSS: Final = 0.002  # gross charge of all drawn books
VOL_UP, VOL_DOWN = 400_000, 250_000  # [ppm]
TENORS: Final = (7.0, 30.0, 90.0)  # [days]


@dataclass(frozen=True, eq=False)
class Reliability:
    """Predictions in bins of equal width, and their scores.

    Parameters
    ----------
    edges
        Of the bins, shape (B + 1,).
    counts
        Predictions in each, shape (B,).
    predicted, observed
        Mean prediction and share that happened, shape (B,); NaN where a bin is empty.
    low, high
        Band of `observed`, 95 %, by a bootstrap over groups, shape (B,).
    brier
        Mean of (prediction - outcome)^2.
    climate
        The same where everybody is told the overall share.
    """

    edges: FloatArray
    counts: IntArray
    predicted: FloatArray
    observed: FloatArray
    low: FloatArray
    high: FloatArray
    brier: float
    climate: float

    @property
    def skill(self) -> float:
        """1 - Brier over that of the climate: 1 is perfect, 0 knows nothing."""
        return 1 - self.brier / self.climate

    @property
    def error(self) -> float:
        """Mean distance between predicted and observed, bins weighing as they are filled."""
        filled = self.counts > 0
        gaps = np.abs(self.predicted - self.observed)[filled] * self.counts[filled]
        return math.fsum(gaps.tolist()) / int(self.counts.sum())

    @property
    def worst(self) -> float:
        """Largest such distance of a bin that holds 100 predictions or more; 0 where none does."""
        gaps = np.abs(self.predicted - self.observed)[self.counts >= FEW]
        return float(np.max(gaps, initial=0.0))

    @property
    def outside(self) -> int:
        """Bins of 100 predictions or more whose mean prediction lies outside the band of what was observed."""
        full = self.counts >= FEW
        return int(np.sum(((self.predicted < self.low) | (self.predicted > self.high))[full]))

    def rows(self) -> list[dict[str, float]]:
        """The table, a row a bin that is not empty."""
        names = ("predicted", "observed", "low", "high")
        return [
            {
                "from": float(self.edges[k]),
                "to": float(self.edges[k + 1]),
                "count": int(self.counts[k]),
                **{name: float(getattr(self, name)[k]) for name in names},
            }
            for k in np.flatnonzero(self.counts)
        ]


def reliability(
    predicted: FloatArray, happened: Bools, groups: IntArray | None = None, *, bins: int = BINS, seed: int = 1
) -> Reliability:
    """Scores and table of predictions.

    Parameters
    ----------
    predicted
        Probabilities, shape (n,).
    happened
        Outcomes, shape (n,).
    groups
        What came together, for the bands, shape (n,); each by itself where None.
    bins
        How many.
    seed
        Of the bootstrap.

    Raises
    ------
    BacktestError
        Shapes differ, there is nothing, a prediction is no probability, or all outcomes are alike.
    """
    n = len(predicted)
    if n == 0 or predicted.shape != happened.shape or (groups is not None and groups.shape != predicted.shape):
        raise BacktestError(f"{predicted.shape} predictions, {happened.shape} outcomes; equal, at least one, is right")
    if not np.all((predicted >= 0) & (predicted <= 1)):
        raise BacktestError("a prediction is not between 0 and 1")
    truth = happened.astype(np.float64)
    share = float(truth.mean())
    if share in {0.0, 1.0}:
        raise BacktestError(f"all {n} outcomes are alike; some of both are right")
    edges = np.linspace(0, 1, bins + 1)
    place = np.minimum((predicted * bins).astype(np.int64), bins - 1)
    group = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    many = int(group.max()) + 1
    count, hits = np.zeros((many, bins)), np.zeros((many, bins))
    np.add.at(count, (group, place), 1.0)
    np.add.at(hits, (group, place), truth)
    rng = np.random.default_rng(seed)
    drawn = np.array([np.bincount(rng.integers(0, many, many), minlength=many) for _ in range(RESAMPLES)], dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = (drawn @ hits) / (drawn @ count)
        observed = hits.sum(axis=0) / count.sum(axis=0)
        mean = np.bincount(place, predicted, bins) / count.sum(axis=0)
    low, high = np.full(bins, np.nan), np.full(bins, np.nan)
    for k in np.flatnonzero(count.sum(axis=0)):
        low[k], high[k] = np.nanquantile(rates[:, k], BAND)
    return Reliability(
        edges,
        count.sum(axis=0).astype(np.int64),
        mean,
        observed,
        low,
        high,
        float(np.mean(np.square(predicted - truth))),
        share * (1 - share),
    )


# ------------------------------------------------------------------------------------------------------------ the walk


@dataclass(frozen=True, eq=False)
class Drawn:
    """Books of a start, B of them on U underlyings: a perpetual and an option on each, quantities in units of it.

    Shapes (B, U); `tenor` in years, `strike` as a multiple of the price at the start.
    """

    perp: FloatArray
    option: FloatArray
    is_call: Bools
    strike: FloatArray
    tenor: FloatArray


@dataclass(frozen=True, eq=False)
class Walked:
    """What was predicted and what came, one entry a book: `time` of its start [unix s], shape (n,) each."""

    time: IntArray
    predicted: FloatArray
    happened: Bools
    headroom: FloatArray


def draw(rng: np.random.Generator, books: int, ranges: FloatArray) -> Drawn:
    """Books on underlyings with these scan ranges, shape (U,); half of them on one underlying alone."""
    shape = (books, len(ranges))
    held = np.ones(shape)
    for row in range(0, books, 2):
        held[row] = 0.0
        held[row, rng.integers(0, len(ranges))] = 1.0
    return Drawn(
        rng.standard_normal(shape) * held,
        rng.standard_normal(shape) * held * (rng.random(shape) < 0.6),
        rng.random(shape) < 0.5,
        np.exp(rng.uniform(-2, 2, shape) * ranges),
        rng.choice(TENORS, shape) / 365,
    )


def scenarios_at(share: float) -> ScenarioSet:
    """The set that is posted at a scan range [1]."""
    return ScenarioSet(min(max(round(share * PPM), 1_000), 900_000), VOL_UP, VOL_DOWN)


def header_of(scenarios: ScenarioSet) -> Surface:
    """A surface without rows: the header alone."""
    return Surface(
        0,
        0,
        scenarios.scale,
        scenarios.common,
        0,
        scenarios.set_id,
        10**9,
        WAD,
        scenarios.psr,
        scenarios.vol_up,
        scenarios.vol_down,
        scenarios.nodes,
        scenarios.extremes,
        (),
        scenarios.damps,
    )


def revalue(
    books: Drawn, sets: list[ScenarioSet], moves: FloatArray, volatility: FloatArray, later: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Value, MM and lanes of books at each of n looks, in units of a price of 1 at the start.

    Parameters
    ----------
    books
        B of them, on U underlyings.
    sets
        Scenarios of each underlying.
    moves
        Relative moves since the start, shape (n, U).
    volatility
        Implied, shape (n, U) [1 a year].
    later
        Time since the start, shape (n,) [years].

    Returns
    -------
    tuple
        Profit since the start without costs: value of options plus move of perpetuals, (n, B); MM, (n, B); lanes,
        (n, B, U, 32).
    """
    looks, count = len(moves), len(sets)
    value, gross = np.zeros((looks, len(books.perp))), np.zeros((looks, len(books.perp)))
    lanes = np.empty((looks, len(books.perp), count, NODE_LANES + 6))
    for u, scenarios in enumerate(sets):
        price = (1 + moves[:, u])[:, None]
        steps = np.concatenate((np.repeat(scenarios.node_moves, 2), scenarios.extreme_moves))
        damp = np.concatenate((np.ones(NODE_LANES), scenarios.damping))
        down = np.zeros(len(steps), dtype=np.bool_)
        down[1:NODE_LANES:2] = True
        tau = np.maximum(books.tenor[None, :, u] - later[:, None], 0.0)
        implied = np.broadcast_to(volatility[:, u][:, None], tau.shape)
        up_vol, down_vol = scenarios.shifted(implied, tau)
        call, strike = books.is_call[None, :, u], books.strike[None, :, u]
        now = black.price(call, price, strike, implied, tau)
        then = black.price(
            call[..., None],
            np.maximum(price[..., None] * (1 + steps), 0.0),
            strike[..., None],
            np.where(down, down_vol[..., None], up_vol[..., None]),
            np.maximum(tau[..., None] - np.where(down, scenarios.look_ahead / YEAR, 0.0), 0.0),
        )
        value += books.option[:, u] * now + books.perp[:, u] * moves[:, u][:, None]
        lanes[:, :, u] = damp * (
            books.option[:, u, None] * (then - now[..., None]) + books.perp[:, u, None] * (price * steps)[:, None, :]
        )
        gross += price * (np.abs(books.perp[:, u]) + np.abs(books.option[:, u])) * GROSS
    scan = np.maximum(-lanes.min(axis=3), 0.0).sum(axis=2)
    return value, scan + gross, lanes


def walk(
    bars: Mapping[str, Bars],
    *,
    hours: int = HOURS,
    books: int = BOOKS,
    paths: int = PATHS,
    seed: int = 1,
    first: int | None = None,
) -> Walked:
    """Books drawn at every start of a history, a horizon and an hour apart so that every hour of the day comes.

    Parameters
    ----------
    bars
        Underlyings' hourly bars; what they have in common is walked through.
    hours
        Horizon.
    books
        At every start.
    paths
        That predict, at most.
    seed
        Of the draws.
    first
        No start before this time [unix s].

    Raises
    ------
    BacktestError
        No bars, bars of another length, a horizon or number of books of 0, or too little history.
    """
    if not bars or any(found.interval != 3_600 for found in bars.values()) or hours < 1 or books < 1:
        raise BacktestError("hourly bars of at least one underlying, a horizon and books of at least 1 are right")
    time, logs, forecast = _aligned(bars, hours)
    begin = int(np.argmax(np.all(np.isfinite(forecast), axis=1))) + SETTLE // 3_600
    at = begin + WARM_UP // 3_600 + hours
    if first is not None:
        at = max(at, int(np.searchsorted(time, first)))
    if at + hours >= len(time):
        raise BacktestError(f"{len(time)} common hours; more than {at + hours} are needed")
    rng = np.random.default_rng(seed)
    parts: list[tuple[int, FloatArray, Bools, FloatArray]] = []
    later = np.arange(hours + 1) / (24 * 365)
    while at + hours < len(time):
        past = residual_paths(logs[: at + 1], forecast[: at + 1], starts_of(begin, at, hours, paths), hours)
        sets = []
        for u, sigma in enumerate(forecast[at].tolist()):
            tail = historical_tail(past[:, -1, u], LEVEL)
            sets.append(scenarios_at(math.expm1(max(tail.quantile_down, tail.quantile_up) * sigma)))
        drawn = draw(rng, books, np.array([found.psr for found in sets]) / PPM)
        moves = np.expm1(logs[at : at + hours + 1] - logs[at])
        implied = forecast[at] * math.sqrt(24 * 365 / hours) * np.sqrt(forecast[at : at + hours + 1] / forecast[at])
        value, mm, lanes = revalue(drawn, sets, moves, implied, later)
        headroom = mm[0] * np.exp(rng.uniform(math.log(0.01), math.log(2.0), books))
        equity = mm[0] + headroom + value - value[0]
        happened = np.any((equity < mm)[1:], axis=0)
        curves: list[Curve] = [curve_of(header_of(found)) for found in sets]
        still, _, _ = revalue(drawn, sets, np.zeros((2, len(sets))), implied[[0, 0]], later[[0, -1]])
        losses = worst_losses(lanes[0], curves, moves_of(past, forecast[at]), still[1] - still[0])
        parts.append((int(time[at]), probability(headroom, losses), happened, headroom / mm[0]))
        at += hours + 1
    return Walked(
        np.repeat([part[0] for part in parts], books),
        *(np.concatenate([part[k] for part in parts]) for k in (1, 2, 3)),
    )


def _aligned(bars: Mapping[str, Bars], hours: int) -> tuple[IntArray, FloatArray, FloatArray]:
    """Times of common closes, logarithms of the prices there and forecasts for the next `hours`, shape (n, U)."""
    common: IntArray | None = None
    found = {}
    for name, own in bars.items():
        path = closes(own)
        ranges = log(own.high) - log(own.low)
        volatility, _ = calmed_volatility(np.diff(path), own.time, own.interval, hours, ranges, what=name)
        ends = own.time + own.interval
        found[name] = (ends, path[1:], volatility[1:])
        common = ends if common is None else np.intersect1d(common, ends)
    if common is None or len(common) == 0:
        raise BacktestError("the bars have no hour in common")
    columns = [(path[np.isin(ends, common)], vol[np.isin(ends, common)]) for ends, path, vol in found.values()]
    return common, np.column_stack([path for path, _ in columns]), np.column_stack([vol for _, vol in columns])


def calibrated(walked: Walked) -> tuple[Walked, tuple[Calibration, ...]]:
    """The same books with probabilities calibrated on those of earlier years, the first year left out.

    Raises
    ------
    BacktestError
        The books are all of one year.
    """
    years = walked.time.astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64)
    if years[0] == years[-1]:
        raise BacktestError(f"all books are of {1970 + int(years[0])}; more than a year is needed")
    found, used = [], []
    for year in range(int(years[0]) + 1, int(years[-1]) + 1):
        known = years < year
        used.append(calibrate(walked.predicted[known], walked.happened[known]))
        found.append(used[-1](walked.predicted[years == year]))
    late = years > years[0]
    return (
        Walked(walked.time[late], np.concatenate(found), walked.happened[late], walked.headroom[late]),
        tuple(used),
    )


@dataclass(frozen=True, eq=False)
class ReliabilityRecord:
    """Raw and calibrated on the same books; `left_out` says why there is nothing, where there is nothing."""

    raw: Reliability | None
    calibrated: Reliability | None
    calibrations: tuple[Calibration, ...] = ()
    first: int = 0
    last: int = 0
    left_out: str = ""

    def numbers(self) -> dict[str, float]:
        """For a table of figures; empty where there is nothing."""
        if self.raw is None or self.calibrated is None:
            return {}
        return {
            "books": float(self.raw.counts.sum()),
            "brier": self.calibrated.brier,
            "skill": self.calibrated.skill,
            "error": self.calibrated.error,
            "worst": self.calibrated.worst,
            "bins_outside": float(self.calibrated.outside),
            "raw_brier": self.raw.brier,
            "raw_error": self.raw.error,
        }

    def plain(self) -> dict[str, Any]:
        """Everything as plain values."""
        if self.raw is None or self.calibrated is None:
            return {"left_out": self.left_out}
        return {
            **self.numbers(),
            "from": f"{datetime.fromtimestamp(self.first, UTC):%Y-%m-%d}",
            "to": f"{datetime.fromtimestamp(self.last, UTC):%Y-%m-%d}",
            "calibrations": [[found.intercept, found.slope] for found in self.calibrations],
            "table": self.calibrated.rows(),
            "raw_table": self.raw.rows(),
        }


def judge(walked: Walked) -> ReliabilityRecord:
    """Raw and walk-forward calibrated reliability on the same books, those after the first year."""
    later, used = calibrated(walked)
    raw = walked.predicted[walked.time >= later.time[0]]
    return ReliabilityRecord(
        reliability(raw, later.happened, later.time),
        reliability(later.predicted, later.happened, later.time),
        used,
        int(later.time[0]),
        int(later.time[-1]),
    )


def record(hours: int = HOURS, *, books: int = BOOKS, paths: int = PATHS, seed: int = 1) -> ReliabilityRecord:
    """On the recorded hours of BTC and ETH; without them an empty record that says what it left out."""
    if not os.environ.get(DATA_VARIABLE):
        return ReliabilityRecord(None, None, left_out=f"probability of liquidation: {DATA_VARIABLE} is unset")
    return judge(walk(recorded(), hours=hours, books=books, paths=paths, seed=seed))

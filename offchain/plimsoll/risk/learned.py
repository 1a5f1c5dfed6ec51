"""A learned forecast of volatility: boosted trees on what HAR looks at, time, funding, depth and implied volatility.

HAR is a sum of logarithms. What it cannot say is "and": a wild hour counts for more before the weekend than on it, a
calm one for less under a high implied volatility. Trees can (T. Hastie, R. Tibshirani, J. Friedman, The Elements of
Statistical Learning, 2nd ed., 2009, ch. 10). Each is fitted to what HAR and the trees before it left of the logarithm
of realised variance, so that where the trees know nothing, HAR stands. A missing input is no error: each split knows
where a missing value goes, and a column that had not begun by a fit is not used by it.

A model is *vintages*: a fit every `refit` days to all that was known, each in force until the next. So a path over all
of history is walk-forward, residuals are those of forecasts that had not seen them, and the last entry is the forecast
of now. Fitting is scikit-learn's histogram gradient boosting, which may differ in the last bits between two machines;
so a model is fitted once, by one, and handed round as plain numbers (`LearnedModel.to_plain`). Its forecast from them
is comparisons and additions in one order, on columns of operations whose bits are the same everywhere (see
`plimsoll.risk.rounding`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from eth_utils.crypto import keccak

from plimsoll.market.bars import DAY, FloatArray, IntArray
from plimsoll.market.portable import log
from plimsoll.risk.errors import ModelError, TooFewObservationsError, check_bounds
from plimsoll.risk.har import HOUR, HOURS, SHORT, SMALL, HarConfig, bar_variance, decay_of, log_volatility, seasons
from plimsoll.risk.implied import implied_log_variance
from plimsoll.risk.plain import from_plain, to_plain
from plimsoll.risk.volatility import ewma

WEEKDAYS: Final = 7
THURSDAY: Final = 4  # the first day of 1970, where Sunday is 0
TRENDS: Final = (1, 7, 30)  # [days] over which a trend is looked at
LARGEST: Final = float(np.finfo(np.float64).max)  # stands for "all that is known", which JSON has no infinity for
LEAF: Final = -1


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """What is known at each close besides prices; None, or NaN in places, where it is not.

    Parameters
    ----------
    implied
        Volatility that options imply [1 a year], shape (n + 1,).
    funding
        Last funding rate [1], likewise.
    depth
        Depth of the book [any one unit], likewise.
    """

    implied: FloatArray | None = None
    funding: FloatArray | None = None
    depth: FloatArray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns that trees look at: `names`, and `values` of shape (rows, columns), NaN where one is missing."""

    names: tuple[str, ...]
    values: FloatArray

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.names):
            raise ModelError(f"values of shape {self.values.shape} for {len(self.names)} columns; one each is right")
        if np.isinf(self.values).any():
            raise ModelError("an infinite value; a finite one, or NaN where it is missing, is right")


def table_of(
    returns: FloatArray,
    time: IntArray,
    interval: int,
    horizon: int,
    forecast: FloatArray,
    ranges: FloatArray | None = None,
    inputs: Inputs | None = None,
    config: HarConfig | None = None,
) -> Table:
    """The columns at every close, from what was known then.

    Parameters
    ----------
    returns, time, interval, ranges, config
        As `plimsoll.risk.har.log_volatility`.
    horizon
        Bars.
    forecast
        HAR's of log variance over the horizon, twice what `log_volatility` says, shape (n + 1,).
    inputs
        What else is known.

    Returns
    -------
    Table
        n + 1 rows. Variances are logarithms of their ratio to the forecast, so that a price's scale is in none but
        the forecast itself; depth is against its own mean over a month.

    Raises
    ------
    ModelError
        A column's shape is not (n + 1,).
    """
    config, inputs, n = config or HarConfig(), inputs or Inputs(), len(returns)
    for name, column in (
        ("forecast", forecast),
        ("implied", inputs.implied),
        ("funding", inputs.funding),
        ("depth", inputs.depth),
    ):
        if column is not None and column.shape != (n + 1,):
            raise ModelError(f"{name} of shape {column.shape} for {n} returns; one more is right")
    variance = bar_variance(returns, ranges)
    table = seasons(variance, time, interval, config.season_memory)
    row = np.minimum(np.arange(n + 1) // max(1, 7 * DAY // interval), len(table) - 1)
    free = variance / table[row[:-1], time // HOUR % HOURS]
    size, fall = np.sqrt(free), np.where(returns < 0, free, 0.0)
    opens = np.append(time, time[-1] + interval)
    a_bar = forecast - float(log(horizon))

    def mean(values: FloatArray, half_life: float) -> FloatArray:
        return np.maximum(ewma(values, decay_of(half_life, interval)), SMALL)

    found: dict[str, FloatArray] = {"har": forecast}
    lives = [half_life for half_life in config.half_lives if half_life * DAY >= interval / 2]
    for k, half_life in enumerate(lives):
        found[f"variance-{k}"] = log(mean(free, half_life)) - a_bar
        if half_life <= SHORT:
            found[f"size-{k}"] = 2 * log(mean(size, half_life)) - a_bar
    for k, half_life in enumerate(dict.fromkeys((lives[0], 1.0))):
        found[f"fall-{k}"] = mean(fall, half_life) / mean(free, half_life)
    found["last"] = log(np.maximum(np.append(variance[:1], variance), SMALL)) - a_bar
    found["hour"] = (opens // HOUR % HOURS).astype(np.float64)
    found["weekday"] = ((opens // DAY + THURSDAY) % WEEKDAYS).astype(np.float64)
    logs = np.concatenate(([0.0], np.cumsum(returns)))
    for days in TRENDS:
        bars = max(1, days * DAY // interval)
        trend = np.full(n + 1, np.nan)
        trend[bars:] = (logs[bars:] - logs[:-bars]) / np.sqrt(mean(variance, 15.0)[bars:] * bars)
        found[f"trend-{days}"] = trend
    if inputs.implied is not None:
        found["implied"] = implied_log_variance(inputs.implied, horizon * interval) - forecast
        found["implied-day"] = _change(implied_log_variance(inputs.implied, DAY), max(1, DAY // interval))
    if inputs.funding is not None:
        found["funding"] = inputs.funding
    if inputs.depth is not None:
        found["depth"] = _against_month(inputs.depth, interval)
    return Table(tuple(found), np.stack(list(found.values()), axis=1))


def _change(values: FloatArray, bars: int) -> FloatArray:
    """Of each value since `bars` ago; NaN where one of both is."""
    found = np.full(len(values), np.nan)
    found[bars:] = values[bars:] - values[:-bars]
    return found


def _against_month(depth: FloatArray, interval: int) -> FloatArray:
    """Logarithm of depth over its mean of a month; NaN where it is missing, or not above zero."""
    alive = np.isfinite(depth) & (depth > 0)
    safe = np.where(alive, depth, 0.0)
    if not alive.any():
        return np.full(len(depth), np.nan)
    decay = decay_of(30.0, interval)
    total, count = ewma(safe, decay, 0.0)[1:], ewma(alive.astype(np.float64), decay, 0.0)[1:]
    usual = np.where(alive, total / np.where(count > 0, count, 1.0), 1.0)
    return np.where(alive, log(np.where(alive, depth, 1.0)) - log(usual), np.nan)


# -------------------------------------------------------------------------------------------------------------- trees


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree of questions, its nodes in a row: node 0 is asked first, each leads to nodes after itself.

    Parameters
    ----------
    feature
        Which column each node asks of; -1 for a leaf.
    threshold
        Up to which value the answer leads left.
    missing_left
        Whether a missing value does.
    left, right
        The next nodes; 0 at a leaf.
    value
        What a leaf adds; 0 elsewhere.
    """

    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    missing_left: tuple[bool, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[float, ...]

    def __post_init__(self) -> None:
        n = len(self.feature)
        if not n or any(
            len(getattr(self, name)) != n for name in ("threshold", "missing_left", "left", "right", "value")
        ):
            raise ModelError("a tree's columns differ in length, or it has no node; one entry a node each is right")
        if not all(math.isfinite(x) for x in (*self.threshold, *self.value)):
            raise ModelError("a tree's threshold or value is not finite")
        for k, (asked, left, right) in enumerate(zip(self.feature, self.left, self.right, strict=True)):
            if asked < LEAF or (asked != LEAF and not (k < left < n and k < right < n)):
                raise ModelError(f"node {k} of {n} asks column {asked} and leads to {left} and {right}; on is right")

    def add(self, level: FloatArray, values: FloatArray) -> None:
        """Add to `level`, shape (rows,), what the tree says of `values`, shape (rows, columns)."""
        feature, threshold = np.array(self.feature), np.array(self.threshold)
        missing_left, value = np.array(self.missing_left), np.array(self.value)
        left, right = np.array(self.left), np.array(self.right)
        at = np.zeros(len(values), dtype=np.int64)
        rows = np.arange(len(values))
        while len(rows):
            node = at[rows]
            rows = rows[feature[node] != LEAF]
            node = at[rows]
            asked = values[rows, feature[node]]
            leftward = np.where(np.isnan(asked), missing_left[node], asked <= threshold[node])
            at[rows] = np.where(leftward, left[node], right[node])
        level += value[at]


@dataclass(frozen=True, slots=True)
class Vintage:
    """One fit: in force for closes from `since` on [unix s]; says `start` plus what its trees add, in their order."""

    since: int
    start: float
    trees: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class LearnedModel:
    """Fitted trees for one market and horizon, in plain numbers.

    Parameters
    ----------
    columns
        Names of the columns that the trees ask, in order.
    interval, horizon
        Length of a bar [s], and bars ahead, that it was fitted for.
    vintages
        The earliest first.
    """

    columns: tuple[str, ...]
    interval: int
    horizon: int
    vintages: tuple[Vintage, ...] = ()

    def __post_init__(self) -> None:
        if any(late.since <= early.since for early, late in pairwise(self.vintages)):
            raise ModelError("vintages out of order; each later than the one before is right")
        deepest = max((max(tree.feature) for fit in self.vintages for tree in fit.trees), default=LEAF)
        if deepest >= len(self.columns):
            raise ModelError(f"a tree asks column {deepest} of {len(self.columns)}; less is right")

    def correction(self, table: Table, time: IntArray) -> FloatArray:
        """What to add to HAR's log variance.

        Parameters
        ----------
        table
            As `table_of` gives it; a column that it lacks counts as missing everywhere.
        time
            Of each row's close [unix s], shape (rows,), rising.

        Returns
        -------
        numpy.ndarray
            Shape (rows,); 0 before the first vintage.
        """
        if len(time) != len(table.values):
            raise ModelError(f"{len(time)} times for {len(table.values)} rows; one each is right")
        place = {name: k for k, name in enumerate(table.names)}
        values = np.full((len(time), len(self.columns)), np.nan)
        for k, name in enumerate(self.columns):
            if name in place:
                values[:, k] = table.values[:, place[name]]
        found = np.zeros(len(time))
        ends = [fit.since for fit in self.vintages[1:]]
        for fit, end in zip(self.vintages, [*ends, None], strict=False):
            part = (time >= fit.since) if end is None else (time >= fit.since) & (time < end)
            level = np.full(int(part.sum()), fit.start)
            for tree in fit.trees:
                tree.add(level, values[part])
            found[part] = level
        return found

    def in_force(self, time: int) -> LearnedModel:
        """The same model without the vintages that were out of force by `time` [unix s]: what a history needs."""
        ended = sum(late.since <= time for late in self.vintages[1:])
        return replace(self, vintages=self.vintages[ended:])

    @property
    def digest(self) -> str:
        """Keccak-256 of its plain numbers as JSON with sorted keys and no blanks, "0x..": one model, one digest."""
        text = json.dumps(self.to_plain(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return "0x" + keccak(text.encode()).hex()

    def to_plain(self) -> dict[str, Any]:
        """The model as JSON values: what enters a report's parameters, or a file."""
        found: dict[str, Any] = to_plain(self)
        return found

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> LearnedModel:
        """The model behind `to_plain`'s values.

        Raises
        ------
        ValueError
            They are of another form.
        ModelError
            They are no trees: a node that leads back, a column that is not there.
        """
        found: LearnedModel = from_plain(cls, data, "learned")
        return found


def learned_log_volatility(
    model: LearnedModel | None,
    returns: FloatArray,
    time: IntArray,
    interval: int,
    horizon: int,
    ranges: FloatArray | None = None,
    inputs: Inputs | None = None,
    config: HarConfig | None = None,
    *,
    what: str = "HAR",
) -> FloatArray:
    """As `plimsoll.risk.har.log_volatility`, with what trees have learned: the same path, to be calmed likewise.

    Parameters
    ----------
    model
        Fitted for bars and a horizon of this length; None for a market that has none: HAR as it stands.
    inputs
        What else is known at each close; None where nothing is.
    returns, time, interval, horizon, ranges, config, what
        As `log_volatility`.

    Returns
    -------
    numpy.ndarray
        Shape (n + 1,), NaN within HAR's burn-in.

    Raises
    ------
    ModelError
        The model was fitted for another interval or horizon; and as `log_volatility` and `table_of`.
    """
    base = log_volatility(returns, time, interval, horizon, ranges, config, what=what)
    if model is None:
        return base
    if (model.interval, model.horizon) != (interval, horizon):
        raise ModelError(
            f"{what}: trees of {model.horizon} bars of {model.interval} s for {horizon} of {interval} s; equal is right"
        )
    table = table_of(returns, time, interval, horizon, 2 * base, ranges, inputs, config)
    found: FloatArray = base + model.correction(table, np.append(time, time[-1] + interval)) / 2
    return found


# ------------------------------------------------------------------------------------------------------------ fitting


@dataclass(frozen=True, slots=True)
class LearnedConfig:
    """How trees are fitted. What stands here was chosen on the warm-up alone, see `training_error`.

    Parameters
    ----------
    trees
        Their number.
    rate
        Share of what a tree finds that is believed.
    leaves
        Of a tree, at most.
    least
        Days of bars in a leaf, at least.
    ridge
        On a leaf's value [days of bars].
    first
        Known rows before the first fit [days].
    refit
        Time between two fits [days].
    begun
        Known values [days] below which a column is not used.
    """

    trees: int = 100
    rate: float = 0.04
    leaves: int = 6
    least: float = 20.0
    ridge: float = 1.0
    first: int = 365
    refit: int = 180
    begun: int = 90

    def __post_init__(self) -> None:
        check_bounds(
            self,
            (
                ("trees", 1, 2_000),
                ("rate", 1e-3, 1),
                ("leaves", 2, 256),
                ("least", 1 / HOURS, 1_000),
                ("ridge", 0, 1_000),
                ("first", 1, 10_000),
                ("refit", 1, 10_000),
                ("begun", 1, 10_000),
            ),
        )


def fit(
    table: Table,
    wanted: FloatArray,
    time: IntArray,
    interval: int,
    horizon: int,
    config: LearnedConfig | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> LearnedModel:
    """Fit walk-forward: a vintage every `refit` days, each on all rows whose horizon had ended.

    Parameters
    ----------
    table
        As `table_of` gives it, n + 1 rows.
    wanted
        Log realised variance over the horizon less HAR's forecast, shape (n + 1,); NaN where either is missing.
    time
        Of each row's close [unix s], shape (n + 1,).
    interval, horizon
        Length of a bar [s], and bars ahead.
    config
        How.
    on_progress
        Is told how many fits are done, of how many.

    Raises
    ------
    TooFewObservationsError
        Under `first` days are known.
    ModelError
        Shapes differ.
    """
    config = config or LearnedConfig()
    if not len(table.values) == len(wanted) == len(time):
        raise ModelError(f"{len(table.values)} rows, {len(wanted)} wanted, {len(time)} times; as many is right")
    told = np.flatnonzero(np.isfinite(wanted))
    first = max(1, config.first * DAY // interval)
    if len(told) < first:
        raise TooFewObservationsError("learned forecast", len(told), first)
    begin = int(told[first - 1]) + horizon
    starts = range(begin, len(wanted), max(1, config.refit * DAY // interval))
    vintages = []
    for k, start in enumerate(starts):
        rows = told[: int(np.searchsorted(told, start - horizon, side="right"))]
        vintages.append(_fitted(table, wanted, rows, int(time[start]), interval, config))
        if on_progress is not None:
            on_progress(k + 1, len(starts))
    return LearnedModel(table.names, interval, horizon, tuple(vintages))


def _fitted(
    table: Table, wanted: FloatArray, rows: npt.NDArray[np.int64], since: int, interval: int, config: LearnedConfig
) -> Vintage:
    """One fit on some rows."""
    # PLC0415: slow to import; scikit-learn ships no types
    from sklearn.ensemble import HistGradientBoostingRegressor  # type: ignore[import-untyped]  # noqa: PLC0415

    a_day = DAY / interval
    values = table.values[rows]
    used = np.flatnonzero(np.isfinite(values).sum(axis=0) >= config.begun * a_day)
    model = HistGradientBoostingRegressor(
        max_iter=config.trees,
        learning_rate=config.rate,
        max_leaf_nodes=config.leaves,
        min_samples_leaf=max(1, round(config.least * a_day)),
        l2_regularization=config.ridge * a_day,
        early_stopping=False,
        random_state=0,
    )
    model.fit(values[:, used], wanted[rows])
    return Vintage(since, *_exported(model, used.tolist()))


def _exported(model: Any, used: Sequence[int]) -> tuple[float, tuple[Tree, ...]]:
    """Start and trees of a fitted model of scikit-learn, which has no public way to them; `used` are its columns."""
    trees = []
    for (predictor,) in model._predictors:  # noqa: SLF001 - see above
        nodes = predictor.nodes
        leaf = nodes["is_leaf"].astype(bool)
        trees.append(
            Tree(
                tuple(LEAF if end else used[at] for end, at in zip(leaf, nodes["feature_idx"].tolist(), strict=True)),
                tuple(np.where(leaf, 0.0, np.minimum(nodes["num_threshold"], LARGEST)).tolist()),
                tuple((~leaf & (nodes["missing_go_to_left"] != 0)).tolist()),
                tuple(np.where(leaf, 0, nodes["left"].astype(np.int64)).tolist()),
                tuple(np.where(leaf, 0, nodes["right"].astype(np.int64)).tolist()),
                tuple(np.where(leaf, nodes["value"], 0.0).tolist()),
            )
        )
    return float(np.ravel(model._baseline_prediction)[0]), tuple(trees)  # noqa: SLF001 - see above


def training_error(
    table: Table,
    wanted: FloatArray,
    time: IntArray,
    interval: int,
    horizon: int,
    until: int,
    config: LearnedConfig | None = None,
) -> float:
    """Mean square that a configuration leaves of `wanted`, walk-forward, on rows that end by `until` [unix s].

    What to choose a configuration by: rows after `until` are not looked at, so they stay a test.

    Raises
    ------
    TooFewObservationsError
        No row is left after the first fit.
    """
    told = int(np.searchsorted(time + horizon * interval, until, side="right"))
    cut = Table(table.names, table.values[:told])
    model = fit(cut, wanted[:told], time[:told], interval, horizon, config)
    judged = (time[:told] >= model.vintages[0].since) & np.isfinite(wanted[:told])
    if not judged.any():
        raise TooFewObservationsError("training error", 0, 1)
    left = (wanted[:told] - model.correction(cut, time[:told]))[judged]
    return float(np.mean(np.square(left)))

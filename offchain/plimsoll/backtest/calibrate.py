"""Calibration: the shape of the default model searched on one range of time, reported on a later one it never saw.

What is searched is how far a forecast is calmed (`plimsoll.risk.har`): weight of a deviation, its reach, the rise in
the window. Coefficients and tails need no search: they are fitted walk-forward to whatever is known. A candidate is
*admissible* where, on the training range, enough cells pass, none is red, and the margin moves no more than wished; of
the admissible the one with the least capital is taken (average margin over the static one at equal shortfall). Where
none is admissible, the one that misses by least, and the outcome says so.

Every margin is set walk-forward, so what is judged on the unseen range knew only its own past; but the candidate was
chosen without it. `plimsoll calibrate --propose` writes the change as settings that a person reviews: nothing here
changes a running system.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

import numpy as np

from plimsoll.backtest.errors import BacktestError
from plimsoll.backtest.record import HORIZONS, WARM_UP, Record, Summary, judge, summary
from plimsoll.backtest.walk import closes, filtered
from plimsoll.market.bars import DAY, Bars
from plimsoll.market.portable import log
from plimsoll.risk.har import HarConfig, calmed, log_volatility, volatility_of
from plimsoll.risk.models import WATCH

GRID: Final = tuple(
    HarConfig(weight=weight, reach=reach, rise=rise)
    for weight, reach, rise in product((0.6, 0.75, 0.9), (0.7, 0.9, 1.2), (0.75, 0.88, 1.0))
)
LEAST_DAYS: Final = 180  # of an unseen range

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a candidate must keep on the training range.

    Parameters
    ----------
    passing
        Least share of cells that pass both tests.
    peak_over_trough, rise_5
        Most that the margin may move [1].
    """

    passing: float = 10 / 12
    peak_over_trough: float = 8.0
    rise_5: float = 1.5

    def missed(self, found: Summary) -> float:
        """By how much a summary misses them, as shares added up; 0 where it keeps all."""
        return (
            max(0.0, self.passing - found.passing / found.cells)
            + found.red / found.cells
            + max(0.0, found.peak_over_trough / self.peak_over_trough - 1)
            + max(0.0, found.rise_5 / self.rise_5 - 1)
        )


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate, judged on the training range and on the unseen one."""

    config: HarConfig
    train: Summary
    unseen: Summary

    @property
    def name(self) -> str:
        """Weight, reach and rise."""
        return f"{self.config.weight:g}/{self.config.reach:g}/{self.config.rise:g}"


@dataclass(frozen=True, slots=True)
class Calibration:
    """What came of it.

    Parameters
    ----------
    trials
        All candidates, the chosen first, then by capital on the training range.
    present
        The shape that is in use.
    admissible
        How many of them keep the wishes on the training range.
    split
        Where training ends and the unseen range begins [unix s].
    level
        Share of moves that the margins cover.
    """

    trials: tuple[Trial, ...]
    present: Trial
    admissible: int
    split: int
    level: float

    @property
    def chosen(self) -> Trial:
        """The candidate that was chosen, on the training range alone."""
        return self.trials[0]

    @property
    def place(self) -> int:
        """Where the present shape comes among the candidates by the training range, 1 the best; 0 if it was none."""
        return 1 + next((k for k, trial in enumerate(self.trials) if trial.config == self.present.config), -1)

    @property
    def horizons(self) -> tuple[int, ...]:
        """Over which it was judged [s]."""
        return tuple(self.present.train.ratios)

    @property
    def parameters(self) -> dict[str, float]:
        """The change: parameters of `HarConfig`."""
        found = self.chosen.config
        return {"weight": found.weight, "reach": found.reach, "rise": found.rise}

    @property
    def is_better(self) -> bool:
        """Whether on the unseen range the chosen covers no less than the present one, and costs or moves less."""
        new, old = self.chosen.unseen, self.present.unseen
        return new.passing >= old.passing and new.red <= old.red and (new.ratio < old.ratio or new.rise_5 < old.rise_5)


def _silent(_: int, __: int, ___: str) -> None:
    """Nobody watches."""


def calibrate(
    assets: Mapping[str, Bars],
    split: int,
    candidates: Sequence[HarConfig] = GRID,
    horizons: Sequence[int] = HORIZONS,
    level: float = 0.99,
    wishes: Wishes | None = None,
    *,
    present: HarConfig | None = None,
    on_progress: Progress = _silent,
) -> Calibration:
    """Search on what was before `split`, report on what came after.

    Parameters
    ----------
    assets
        Name -> bars.
    split
        [unix s]
    candidates
        Shapes that are tried; they share all that the forecast itself depends on.
    horizons
        [s]
    level
        Share of moves that margins cover.
    wishes
        What a candidate must keep.
    present
        The shape in use, to compare with.
    on_progress
        Is told how much is done, of how much, and what is under way.

    Raises
    ------
    BacktestError
        Nothing to try, candidates of different forecasts, or a range too short to judge on.
    """
    wishes, present = wishes or Wishes(), present or HarConfig()
    horizons = tuple(dict.fromkeys(horizons))  # one named twice would count twice
    everything = list(dict.fromkeys((*candidates, present)))
    if not candidates or not assets:
        raise BacktestError("at least one candidate and one asset are right")
    if len({_forecast_of(config) for config in everything}) > 1:
        raise BacktestError("candidates differ in more than weight, reach, rise and window; one forecast is right")
    for name, bars in assets.items():
        first, last = int(bars.time[0]), int(bars.time[-1])
        days = max(0, (min(split, last) - first - WARM_UP) // DAY), max(0, (last - max(split, first)) // DAY)
        if min(days) < LEAST_DAYS:
            raise BacktestError(
                f"{name}: {days[0]} days of training after the warm-up, {days[1]} unseen; "
                f"{LEAST_DAYS} of each are right"
            )
    parts = [(name, bars, horizon) for name, bars in assets.items() for horizon in horizons]
    records: dict[HarConfig, tuple[list[Record], list[Record]]] = {config: ([], []) for config in everything}
    total = len(parts) * len(everything)
    for k, (name, bars, horizon) in enumerate(parts):
        h = horizon // bars.interval
        logs = log_volatility(
            np.diff(closes(bars)), bars.time, bars.interval, h, log(bars.high) - log(bars.low), present, what=name
        )
        before = bars.take(slice(0, int(np.searchsorted(bars.time, split))))
        for j, config in enumerate(everything):
            on_progress(k * len(everything) + j, total, f"{name}, {horizon // 3_600} h, {j + 1} of {len(everything)}")
            path, _ = volatility_of(calmed(logs, bars.interval, config))
            margins = filtered(bars, path, h, level, watch=WATCH)
            train, unseen = records[config]
            train.append(judge(name, "candidate", before, margins.before(len(before)), horizon, level))
            unseen.append(judge(name, "candidate", bars, margins, horizon, level, split - int(bars.time[0])))
    on_progress(total, total, "done")
    trials = {c: Trial(c, summary(train), summary(unseen)) for c, (train, unseen) in records.items()}
    order = sorted(
        (trials[c] for c in dict.fromkeys(candidates)), key=lambda t: (wishes.missed(t.train), t.train.ratio)
    )
    kept = sum(wishes.missed(trial.train) == 0 for trial in order)
    return Calibration(tuple(order), trials[present], kept, split, level)


def _forecast_of(config: HarConfig) -> HarConfig:
    """What of a shape the forecast itself depends on."""
    plain = HarConfig()
    return replace(config, weight=plain.weight, reach=plain.reach, rise=plain.rise, window=plain.window)

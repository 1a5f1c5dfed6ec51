"""Models over assets and horizons: what `plimsoll backtest` and the figures run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from plimsoll.backtest.enforced import EnforcedRecord, enforce, enforced_record
from plimsoll.backtest.errors import BacktestError
from plimsoll.backtest.record import HORIZONS, Record, Summary, judge, summary
from plimsoll.backtest.walk import MODELS, Margins, closes, model_of, shaped
from plimsoll.market.bars import Bars
from plimsoll.market.sources import load_recorded
from plimsoll.risk import named

DEFAULT: Final = named.DEFAULT
# The default calmed more and less: weight of a deviation, its reach, and the rise within the window.
FRONTIER: Final = (
    (0.4, 0.5, 0.6),
    (0.55, 0.7, 0.75),
    (0.65, 0.8, 0.85),
    (0.85, 1.1, 1.1),
    (1.0, 1.5, 1.6),
    (1.0, 3.0, 6.0),
)

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Run:
    """What came of it.

    `records` and `summaries` by model, the frontier's `points`, `margins` of each run, and the first model's as
    `enforced`.
    """

    records: tuple[Record, ...]
    summaries: tuple[Summary, ...]
    points: tuple[Summary, ...]
    margins: Mapping[tuple[str, str, int], Margins]
    enforced: tuple[EnforcedRecord, ...] = ()

    def summary(self, model: str) -> Summary:
        """The summary of one model."""
        return next(found for found in self.summaries if found.model == model)

    def beaten(self, model: str = DEFAULT) -> dict[str, bool]:
        """Which other models it beats in coverage, capital, peak over trough and worst five days, all at once."""
        best = self.summary(model)
        return {
            other.model: best.passing >= other.passing
            and best.ratio < other.ratio
            and best.peak_over_trough < other.peak_over_trough
            and best.rise_5 < other.rise_5
            for other in self.summaries
            if other.model != model
        }


def _silent(_: int, __: int, ___: str) -> None:
    """Nobody watches."""


def recorded() -> dict[str, Bars]:
    """The recorded hours of BTC and ETH; SourceError where `PLIMSOLL_DATA` is unset or lacks them."""
    return {name: load_recorded(f"{name.lower()}_usdt_spot_1h") for name in ("BTC", "ETH")}


def run(
    assets: Mapping[str, Bars],
    models: Sequence[str] = tuple(MODELS),
    horizons: Sequence[int] = HORIZONS,
    level: float = 0.99,
    *,
    frontier: bool = True,
    enforced: bool = True,
    on_progress: Progress = _silent,
) -> Run:
    """Judge models on assets.

    Parameters
    ----------
    assets
        Name -> bars.
    models
        Names, the one to publish first.
    horizons
        In seconds; multiples of the bars' length.
    level
        Share of moves that margins promise to cover.
    frontier
        Whether the first model is also run calmed more and less, where it is the default.
    enforced
        Whether the first model's margins are also judged as a chain would have enforced them.
    on_progress
        Is told how many parts are done, of how many, and what is under way.

    Raises
    ------
    BacktestError
        Nothing to run, an unknown model, a horizon that is no multiple of the bars, too little history, or a price that
        does not move.
    """
    if not assets or not models or not horizons:
        raise BacktestError("at least one asset, one model and one horizon are right")
    if not 0.9 <= level < 1:
        raise BacktestError(f"level {level}; 0.9 .. 1 is right")
    chosen = {name: model_of(name) for name in models}
    horizons = tuple(dict.fromkeys(horizons))  # one named twice would count twice
    for name, bars in assets.items():
        if not np.ptp(closes(bars)):
            raise BacktestError(f"{name}: its price does not move; prices that move are right")
        for horizon in horizons:
            if horizon <= 0 or horizon % bars.interval:
                raise BacktestError(f"{name}: horizon {horizon} s; a multiple of its bars' {bars.interval} s is right")
    variants = [
        (f"{weight:g}/{reach:g}/{rise:g}", shaped(weight, reach, rise))
        for weight, reach, rise in (FRONTIER if frontier and models[0] == DEFAULT else ())
    ]
    work = [(name, model, True) for name, model in chosen.items()] + [(name, model, False) for name, model in variants]
    parts = [(asset, bars, horizon) for asset, bars in assets.items() for horizon in horizons]
    total, done = (len(work) + enforced) * len(parts), 0
    records: dict[str, list[Record]] = {}
    margins: dict[tuple[str, str, int], Margins] = {}
    for model_name, model, kept in work:
        for asset, bars, horizon in parts:
            on_progress(done, total, f"{model_name}, {asset}, {horizon // 3_600} h")
            found = model(bars, horizon // bars.interval, level)
            records.setdefault(model_name, []).append(judge(asset, model_name, bars, found, horizon, level))
            if kept:
                margins[model_name, asset, horizon] = found
            done += 1
    held: list[EnforcedRecord] = []
    for asset, bars, horizon in parts if enforced else ():
        on_progress(done, total, f"{models[0]} as enforced, {asset}, {horizon // 3_600} h")
        stood = enforce(bars, margins[models[0], asset, horizon])
        held.append(enforced_record(asset, models[0], bars, stood, horizon, level))
        done += 1
    on_progress(total, total, "done")
    return Run(
        tuple(record for name in chosen for record in records[name]),
        tuple(summary(records[name]) for name in chosen),
        tuple(summary(records[name]) for name, _ in variants),
        margins,
        tuple(held),
    )

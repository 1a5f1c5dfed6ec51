"""Offsets on recorded prices: how often a pair of a long and a short loses more than its offset margin.

Every midnight the offset is worked out from what was known then, moved no faster than reports may move it, and put on
the scan ranges of a model of `plimsoll.backtest.walk`. The pair is long one underlying and short the other, and both
ways round, for one day. Beside it stand constant offsets, and a share of the slow correlation alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from plimsoll.backtest.errors import BacktestError
from plimsoll.backtest.walk import Model, har_fhs
from plimsoll.market.bars import DAY, Bars, FloatArray, IntArray
from plimsoll.market.portable import log, power
from plimsoll.risk.correlation import (
    DEFAULT_OFFSETS,
    Correlation,
    OffsetConfig,
    ewma_correlation,
    offset_of,
    pair_correlations,
    step_limited,
)
from plimsoll.spec.wad import PPM

CONSTANT: Final = (0.0, 0.5, 0.8)
REPORTS: Final = 24  # a day, each of which may move an offset by a step
WARM_UP: Final = 730  # [days] of common history before the first pair
POSTED: Final = "posted"
SLOW: Final = "half of slow"
HEDGES: Final = ("equal scans", "equal notional")


@dataclass(frozen=True, slots=True)
class OffsetRow:
    """One rule of offsets on one hedge.

    Parameters
    ----------
    rule
        `posted`, `half of slow`, or `constant` and a number.
    hedge
        What makes long and short equal: their scans or their notional.
    offset
        Mean offset [1].
    capital
        Mean of the margin as a share of that without offset.
    exceeded_long, exceeded_short
        Share of days on which the pair loses more than it: long the first, and short it.
    chain_capital, chain_exceeded
        The same of the margin as contracts work it out: gains lose `cross_haircut`, and the larger scan is the floor.
        Of both ways round, the worse.
    worst
        Largest loss over its margin, of both ways round.
    """

    rule: str
    hedge: str
    offset: float
    capital: float
    exceeded_long: float
    exceeded_short: float
    chain_capital: float
    chain_exceeded: float
    worst: float


@dataclass(frozen=True, slots=True)
class OffsetRecord:
    """What came of it: `days` judged, `broken` the share on which the correlation had broken, the posted `offsets`.

    `time` [unix s] and `offsets` [1] have shape (days,).
    """

    days: int
    broken: float
    time: IntArray
    offsets: FloatArray
    rows: tuple[OffsetRow, ...]

    def row(self, rule: str, hedge: str = HEDGES[0]) -> OffsetRow:
        """One row; BacktestError where there is none."""
        for row in self.rows:
            if (row.rule, row.hedge) == (rule, hedge):
                return row
        raise BacktestError(f"no row of {rule!r}, {hedge!r}; {', '.join(sorted({r.rule for r in self.rows}))} is right")

    @property
    def figures(self) -> Mapping[str, float]:
        """The numbers to publish, by name."""
        found = {
            "offsets.days": float(self.days),
            "offsets.broken": self.broken,
            "offsets.lowest": float(self.offsets.min()),
            "offsets.highest": float(self.offsets.max()),
        }
        for row in self.rows:
            name = f"offsets.{row.rule}.{row.hedge}".replace(" ", "-")
            found |= {
                f"{name}.mean": row.offset,
                f"{name}.capital": row.capital,
                f"{name}.exceeded-long": row.exceeded_long,
                f"{name}.exceeded-short": row.exceeded_short,
                f"{name}.chain-capital": row.chain_capital,
                f"{name}.chain-exceeded": row.chain_exceeded,
                f"{name}.worst": row.worst,
            }
        return found


def plain_margin(long: FloatArray, short: FloatArray, offset: FloatArray | float) -> FloatArray:
    """The sum less offset (sum - joint), of two scans that hedge each other: what the offset alone leaves."""
    total = long + short
    found: FloatArray = total - offset * (total - np.abs(long - short))
    return found


def chain_margin(long: FloatArray, short: FloatArray, offset: FloatArray | float, cross_haircut: float) -> FloatArray:
    """The same with gains cut by `cross_haircut`, and no less than the larger scan: `plimsoll.spec.margin`."""
    total, larger = long + short, np.maximum(long, short)
    joint = np.maximum(0.0, larger - (1 - cross_haircut) * np.minimum(long, short))
    found: FloatArray = np.maximum(total - offset * (total - joint), larger)
    return found


def walk(
    time: IntArray,
    logs: tuple[FloatArray, FloatArray],
    interval: int,
    ends: IntArray,
    config: OffsetConfig = DEFAULT_OFFSETS,
) -> tuple[FloatArray, tuple[Correlation, ...]]:
    """Posted offsets [1] after the bars at `ends`, shape (len(ends),), each from the bars up to it, and their reasons.

    Parameters
    ----------
    time, logs, interval
        As `plimsoll.risk.correlation.pair_correlations`.
    ends
        Places in `time`, rising, a day apart.
    config
        Parameters.
    """
    daily = replace(config, max_step=min(1.0, REPORTS * config.max_step))
    offsets, reasons = np.empty(len(ends)), []
    last = None
    for k, end in enumerate(ends):
        known = slice(0, int(end) + 1)
        found = pair_correlations(time[known], [logs[0][known], logs[1][known]], interval, config)[0, 1]
        last = step_limited(offset_of(found.counted, int(end) * interval / DAY, config), last, daily)
        offsets[k] = last / PPM
        reasons.append(found)
    return offsets, tuple(reasons)


def _slow(logs: tuple[FloatArray, FloatArray], interval: int, ends: IntArray, config: OffsetConfig) -> FloatArray:
    """A half of the slow correlation alone, at most the cap."""
    decay = power(config.decay, interval / DAY)
    first, second = (np.diff(values) for values in logs)
    memory = 400 * DAY // interval  # what is older weighs under 1e-5
    rho = [ewma_correlation(first[max(0, e - memory) : e], second[max(0, e - memory) : e], decay) for e in ends]
    found: FloatArray = np.minimum(config.cap, 0.5 * np.maximum(0.0, rho))
    return found


def judge(
    first: Bars,
    second: Bars,
    config: OffsetConfig = DEFAULT_OFFSETS,
    *,
    model: Model = har_fhs,
    level: float = 0.99,
    warm_up: int = WARM_UP,
    on_day: Callable[[int], object] | None = None,
) -> OffsetRecord:
    """Offsets of a pair against its losses over a day, walking forward.

    Parameters
    ----------
    first, second
        Bars of the two, of one length that divides a day.
    config
        Parameters of the offset.
    model
        Whose scan ranges the offset works on, the wider side as posted.
    level
        Share of days that a scan range covers.
    warm_up
        Days of common history before the first pair.
    on_day
        Is told how many days there are to judge.

    Raises
    ------
    BacktestError
        The bars' lengths differ or do not divide a day, or too little history is left.
    """
    interval = first.interval
    if second.interval != interval or DAY % interval:
        raise BacktestError(f"bars of {interval} and {second.interval} s; the same, a part of a day, is right")
    bars = DAY // interval
    scans = [model(one, bars, level).wider.down[1:] for one in (first, second)]
    time, i, j = np.intersect1d(first.time, second.time, assume_unique=True, return_indices=True)
    prices = first.close[i], second.close[j]
    scan, other = scans[0][i], scans[1][j]
    logs = log(prices[0]), log(prices[1])
    at = np.flatnonzero((time + interval) % DAY == 0)
    after = np.searchsorted(time, time[at] + DAY)
    there = (after < len(time)) & (time[np.minimum(after, len(time) - 1)] == time[at] + DAY)
    there &= (at >= warm_up * bars) & np.isfinite(scan[at]) & np.isfinite(other[at])
    at, after = at[there], after[there]
    if len(at) < 100:
        raise BacktestError(f"{len(at)} days to judge after {warm_up} of warm-up; 100 at least are right")
    if on_day:
        on_day(len(at))
    offsets, reasons = walk(time, logs, interval, at, config)
    rules: dict[str, FloatArray] = {POSTED: offsets, SLOW: _slow(logs, interval, at, config)}
    rules |= {f"constant {value:g}": np.full(len(at), value) for value in CONSTANT}
    moves = prices[0][after] / prices[0][at] - 1, prices[1][after] / prices[1][at] - 1
    rows = []
    for hedge in HEDGES:
        size = scan[at] / other[at] if hedge == HEDGES[0] else np.ones(len(at))
        long, short = scan[at], size * other[at]
        loss = size * moves[1] - moves[0]  # of long the first, short the second
        for rule, offset in rules.items():
            plain = plain_margin(long, short, offset)
            chain = chain_margin(long, short, offset, config.cross_haircut)
            rows.append(
                OffsetRow(
                    rule,
                    hedge,
                    float(offset.mean()),
                    float((plain / (long + short)).mean()),
                    float((loss > plain).mean()),
                    float((-loss > plain).mean()),
                    float((chain / (long + short)).mean()),
                    float(max((loss > chain).mean(), (-loss > chain).mean())),
                    float((np.abs(loss) / plain).max()),
                )
            )
    broken = sum(reason.broken for reason in reasons) / len(reasons)
    return OffsetRecord(len(at), broken, time[at] + interval, offsets, tuple(rows))

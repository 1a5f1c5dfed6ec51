"""Depth on recorded books: how often the market takes less than was posted the day before, and what that costs.

At every observation depth is worked out from those up to it (`plimsoll.risk.liquidity`) and held against the lowest
observation of the day that follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from plimsoll.backtest.errors import BacktestError
from plimsoll.market.bars import DAY, FloatArray, IntArray
from plimsoll.market.sources import load_series, recorded_path
from plimsoll.risk.liquidity import DEFAULT_DEPTH, DepthConfig, horizon, measured_depth

RECORDED: Final = "perp_depth_50bps"
BAND: Final = 0.005  # [share of mid] of the recorded depth
# The recording does not say whether its depth is that of both sides or of each: as if of both, a half is one side's.
SIDES: Final = 2


@dataclass(frozen=True, slots=True)
class DepthRow:
    """One rule of depth.

    Parameters
    ----------
    rule
        `posted`, `median`, `last` or `constant`: the median of all, with hindsight.
    mean
        Mean depth by the rule [contracts].
    missed
        Share of observations after which, within a day, the market took less than the rule said.
    worst
        Largest depth by the rule over what the market took.
    used
        Mean of depth by the rule over what the market took at its worst of the day: how much is left unused.
    """

    rule: str
    mean: float
    missed: float
    worst: float
    used: float


@dataclass(frozen=True, slots=True)
class DepthRecord:
    """What came of it.

    Parameters
    ----------
    judged, defaults
        Observations that were judged, and on which the default stood in; the others lacked a day that follows.
    quantiles
        Of the observed depth [contracts], by share.
    lengthened, longest
        Share of judged observations at which the horizon was longer than its base, and its largest factor, for a
        position of no more than the normal depth.
    rows
        By rule.
    """

    judged: int
    defaults: int
    quantiles: Mapping[float, float]
    lengthened: float
    longest: float
    rows: tuple[DepthRow, ...]

    def row(self, rule: str) -> DepthRow:
        """One row; BacktestError where there is none."""
        for row in self.rows:
            if row.rule == rule:
                return row
        raise BacktestError(f"no row of {rule!r}; {', '.join(row.rule for row in self.rows)} is right")

    @property
    def figures(self) -> Mapping[str, float]:
        """The numbers to publish, by name."""
        found = {
            "depth.judged": float(self.judged),
            "depth.defaults": float(self.defaults),
            "depth.lengthened": self.lengthened,
            "depth.longest": self.longest,
        }
        found |= {f"depth.quantile.{share:g}": value for share, value in self.quantiles.items()}
        for row in self.rows:
            found |= {f"depth.{row.rule}.{name}": getattr(row, name) for name in ("mean", "missed", "worst", "used")}
        return found


def recorded_depth(asset: str, sides: int = SIDES) -> tuple[IntArray, FloatArray]:
    """Times [unix s] and depths of one side within `BAND` of mid [contracts], as recorded since 2024.

    Raises
    ------
    SourceError
        `PLIMSOLL_DATA` is unset, or the file or the asset is not there.
    """
    path = recorded_path(RECORDED)
    depth = load_series(path, "depth_50bps", {"asset": asset}, sort=True)
    mid = load_series(path, "mid_price", {"asset": asset}, sort=True)
    return depth.time, depth.value / mid.value / sides


def judge(
    time: IntArray, depth: FloatArray, default: float, config: DepthConfig = DEFAULT_DEPTH, *, ahead: int = DAY
) -> DepthRecord:
    """Depth against what the market took afterwards, walking forward.

    Parameters
    ----------
    time, depth
        As `measured_depth`.
    default
        Depth where nothing is measured [contracts].
    config
        Parameters.
    ahead
        How far ahead the lowest observation is looked for [s].

    Raises
    ------
    BacktestError
        No observation can be judged.
    """
    rules: dict[str, list[float]] = {"posted": [], "median": [], "last": []}
    lowest, factors = [], []
    defaults = 0
    ends = np.searchsorted(time, time + ahead, side="right")
    for k, end in enumerate(ends):
        if end <= k + 1:
            continue
        found = measured_depth(time[: k + 1], depth[: k + 1], int(time[k]), default, config)
        if found.origin == "default":
            defaults += 1
            continue
        for rule, value in (("posted", found.posted), ("median", found.normal), ("last", found.now)):
            rules[rule].append(value)
        lowest.append(float(depth[k + 1 : end].min()))
        factors.append(horizon(0.0, found.now, found.normal, DAY, config).factor)
    if not lowest:
        raise BacktestError(
            f"{len(time)} observations, none with {config.least} before and one after it: none to judge"
        )
    worst = np.array(lowest)
    rules["constant"] = [float(np.median(depth))] * len(worst)
    rows = []
    for rule, values in rules.items():
        said = np.array(values)
        rows.append(
            DepthRow(
                rule,
                float(said.mean()),
                float((worst < said).mean()),
                float((said / worst).max()),
                float((said / worst).mean()),
            )
        )
    quantiles = {share: float(np.quantile(depth, share)) for share in (0.01, 0.05, 0.5, 0.95)}
    lengths = np.array(factors)
    return DepthRecord(len(worst), defaults, quantiles, float((lengths > 1).mean()), float(lengths.max()), tuple(rows))

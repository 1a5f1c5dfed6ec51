"""Our funding rate against the one that an exchange paid, from the same prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from plimsoll.backtest.errors import BacktestError
from plimsoll.market.bars import FloatArray, IntArray
from plimsoll.market.sources import Series, load_recorded, load_series, recorded_path
from plimsoll.risk.premium import DEFAULT_FUNDING, FundingConfig, funding_rate


@dataclass(frozen=True, slots=True)
class FundingRecord:
    """What came of it; rates as shares of the price an interval.

    Parameters
    ----------
    intervals
        Compared.
    correlation
        Of our rate and theirs.
    error
        Mean absolute difference.
    interest_error, no_error
        The same of the interest alone, and of no funding at all.
    paid
        Mean of theirs.
    """

    intervals: int
    correlation: float
    error: float
    interest_error: float
    no_error: float
    paid: float

    @property
    def figures(self) -> Mapping[str, float]:
        """The numbers to publish, by name."""
        names = ("intervals", "correlation", "error", "interest_error", "no_error", "paid")
        return {f"funding.{name.replace('_', '-')}": float(getattr(self, name)) for name in names}


def recorded_marks(asset: str) -> tuple[IntArray, FloatArray, FloatArray]:
    """Times of closes [unix s] that perpetual and spot have in common, hourly since 2023, and both prices.

    Raises
    ------
    SourceError
        `PLIMSOLL_DATA` is unset, or a file is not there.
    """
    perpetual = load_recorded(f"{asset.lower()}_usdt_perp_15m")
    spot = load_recorded(f"{asset.lower()}_usdt_spot_1h")
    closed, spot_closed = perpetual.time + perpetual.interval, spot.time + spot.interval
    time, i, j = np.intersect1d(closed, spot_closed, assume_unique=True, return_indices=True)
    return time, perpetual.close[i], spot.close[j]


def recorded_funding(asset: str) -> Series:
    """Rates that Binance's perpetual paid, of eight hours each, since 2022; SourceError as `recorded_marks`."""
    return load_series(recorded_path("perp_funding_8h"), "funding_rate_8h", {"symbol": f"{asset}USDT"}, sort=True)


def judge(
    time: IntArray,
    mark: FloatArray,
    index: FloatArray,
    paid: Series,
    config: FundingConfig = DEFAULT_FUNDING,
) -> FundingRecord:
    """Rates worked out from `mark` and `index`, known at `time`, against those paid at the ends of intervals.

    Raises
    ------
    BacktestError
        Fewer than ten intervals are known both ways.
    """
    ours, theirs = [], []
    for moment, rate in zip(paid.time.tolist(), paid.value.tolist(), strict=True):
        end = round(moment / 3_600) * 3_600
        first, last = (int(x) for x in np.searchsorted(time, [end - 2 * config.interval, end], side="right"))
        found = funding_rate(time[first:last], mark[first:last], index[first:last], end, config)
        if found.covered == 1:
            ours.append(found.interval_rate)
            theirs.append(rate)
    if len(ours) < 10:
        raise BacktestError(f"{len(ours)} intervals with prices and a rate paid; ten at least are right")
    said, was = np.array(ours), np.array(theirs)
    return FundingRecord(
        len(said),
        float(np.corrcoef(said, was)[0, 1]),
        float(np.abs(said - was).mean()),
        float(np.abs(config.interest - was).mean()),
        float(np.abs(was).mean()),
        float(was.mean()),
    )

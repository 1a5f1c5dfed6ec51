"""How far losses of one underlying are paid by gains of another: the offset of each class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import Final

import numpy as np

from plimsoll.market.bars import DAY, FloatArray, IntArray
from plimsoll.market.portable import log, power
from plimsoll.market.snapshot import History, Market
from plimsoll.risk.errors import ModelError
from plimsoll.risk.rounding import downward_int
from plimsoll.risk.volatility import check_returns
from plimsoll.spec.wad import PPM


@dataclass(frozen=True, slots=True)
class OffsetConfig:
    """How a correlation becomes an offset.

    Parameters
    ----------
    decay
        Weight that the past keeps a day in the correlation.
    share
        Offset as a share of the correlation. A half: of long BTC against short ETH, an offset of 0.8 is exceeded on 3 %
        of days, 0.5 on 0.2 %.
    cap
        Largest offset.
    least_days
        Days of common history below which there is no offset.
    full_days
        Days from which it counts in full; in proportion before.
    cross_haircut
        Share of a gain that pays no loss elsewhere.
    max_step
        Largest change of an offset from one report to the next: its fall raises a requirement.
    """

    decay: float = 0.97
    share: float = 0.5
    cap: float = 0.8
    least_days: float = 60.0
    full_days: float = 250.0
    cross_haircut: float = 0.2
    max_step: float = 0.02

    def __post_init__(self) -> None:
        if not 0 < self.decay < 1:
            raise ModelError(f"decay {self.decay}; above 0 and below 1 is right")
        for name in ("share", "cap", "cross_haircut", "max_step"):
            if not 0 <= getattr(self, name) <= 1:
                raise ModelError(f"{name} {getattr(self, name)}; 0 .. 1 is right")
        if not 0 < self.least_days <= self.full_days:
            raise ModelError("least_days above 0 and not over full_days is right")


DEFAULT_OFFSETS: Final = OffsetConfig()


def ewma_correlation(first: FloatArray, second: FloatArray, decay: float) -> float:
    """Correlation about zero of two series of returns, the newest weighing most.

    Parameters
    ----------
    first, second
        Returns over the same times, shape (n,).
    decay
        Weight that the past keeps, per return.

    Returns
    -------
    float
        In [-1, 1]; 0 where a series does not move.

    Raises
    ------
    TooFewObservationsError, ReturnError
        There is no return, or one is not finite.
    ModelError
        Shapes differ.
    """
    check_returns(first, 1, "correlation")
    check_returns(second, 1, "correlation")
    if first.shape != second.shape:
        raise ModelError(f"returns of shapes {first.shape} and {second.shape}; equal is right")
    weights = np.cumprod(np.append(1.0, np.full(len(first) - 1, decay)))[::-1]
    products = (np.square(first), np.square(second), first * second)
    own, other, joint = (float(np.cumsum(weights * product)[-1]) for product in products)  # in the order of time
    scale = math.sqrt(own * other)
    return min(1.0, max(-1.0, joint / scale)) if scale > 0 else 0.0


def _common(histories: Sequence[History]) -> tuple[IntArray, list[FloatArray]]:
    """Times that all histories have, and the returns between them."""
    if all(np.array_equal(a.time, b.time) for a, b in pairwise(histories)):
        return histories[0].time, [history.returns for history in histories]
    time = reduce(lambda a, b: np.intersect1d(a, b, assume_unique=True), (h.time for h in histories))
    closes = [h.close[np.searchsorted(h.time, time)] for h in histories]
    return time, [np.diff(log(close)) for close in closes]


def class_offset(markets: Sequence[Market], config: OffsetConfig = DEFAULT_OFFSETS) -> int:
    """Offset of one class [ppm] from the lowest correlation of any two of its underlyings.

    The joint lanes move all underlyings of a class the same way. A negative correlation says that they do not, so it
    earns nothing: only the positive part counts.

    Parameters
    ----------
    markets
        The underlyings of the class.
    config
        Parameters.

    Returns
    -------
    int
        0 for a single underlying, or where the common history is short.
    """
    if len(markets) < 2:
        return 0
    interval = max(market.history.interval for market in markets)
    time, returns = _common([market.history for market in markets])
    days = (len(time) - 1) * interval / DAY
    if len(time) < 2 or days < config.least_days:
        return 0
    decay = power(config.decay, interval / DAY)
    lowest = min(
        ewma_correlation(returns[i], returns[j], decay) for i in range(len(markets)) for j in range(i + 1, len(markets))
    )
    confidence = min(1.0, days / config.full_days)
    # down: an offset is for the account
    return downward_int(min(config.cap, config.share * max(0.0, lowest) * confidence) * PPM)


def step_limited(target: int, previous: int | None, config: OffsetConfig = DEFAULT_OFFSETS) -> int:
    """An offset [ppm] on its way to `target`, no further from `previous` than a step."""
    if previous is None:
        return target
    step = downward_int(config.max_step * PPM)
    return min(max(target, previous - step), previous + step)

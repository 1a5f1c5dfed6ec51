"""Prices for replays of crashes: hourly bars made up in a shape, after a quiet time; no recorded price is in them.

A shape is said hour by hour. Those of `FALLS` lose two fifths of the price within a day, drawn from a seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plimsoll.market.bars import Bars

HOUR: Final = 3_600
HOURS: Final = 24
WARM: Final = int(datetime(2019, 6, 1, tzinfo=UTC).timestamp())  # where histories begin
START: Final = int(datetime(2020, 3, 12, 9, tzinfo=UTC).timestamp())  # an hour before the crash of March 2020
LEFT: Final = 0.6  # of the price, at the bottom of a fall

Returns = NDArray[np.float64]
Shape = Sequence[tuple[float, float]]  # close over the close before, low over the lower of both

MARCH_2020: Final[Shape] = (
    *((0.82, 0.91), (1.01, 0.95), (0.99, 0.98), (0.99, 0.96), (1.02, 0.98), (1.01, 0.99), (0.99, 0.98)),
    *((1.00, 0.99), (0.98, 0.99), (1.01, 0.99), (0.95, 0.98), (1.01, 0.96), (1.00, 0.99), (0.83, 0.92)),
    *((1.02, 0.90), (0.95, 0.85), (1.06, 0.96), (1.04, 0.97), (0.98, 0.97), (1.02, 0.98)),
)


def steady(seed: int) -> Shape:
    """Down all day, a little every hour."""
    rng = np.random.default_rng(seed)
    return _shape(rng, _fall(rng.normal(1, 0.3, HOURS)))


def crash(seed: int) -> Shape:
    """Calm, four hours in which it all happens, and a bounce that gets back half of it."""
    rng = np.random.default_rng(seed)
    calm, rise = int(rng.integers(3, 9)), 6
    fall = _fall(rng.uniform(0.5, 1.5, 4))
    bounce = np.log(0.8 / LEFT) * np.full(rise, 1 / rise)
    return _shape(rng, np.concatenate((np.zeros(calm), fall, bounce, np.zeros(HOURS - calm - 4 - rise))))


def stairs(seed: int) -> Shape:
    """A step down every four hours, and calm between them."""
    rng = np.random.default_rng(seed)
    steps = np.zeros(HOURS)
    steps[2::4] = _fall(rng.uniform(0.7, 1.3, HOURS // 4))
    return _shape(rng, steps)


FALLS: Final[Mapping[str, Callable[[int], Shape]]] = {"steady": steady, "crash": crash, "stairs": stairs}


def _fall(shares: Returns) -> Returns:
    """Log returns in proportion, down to what is left."""
    found: Returns = np.log(LEFT) * shares / shares.sum()
    return found


def _shape(rng: np.random.Generator, returns: Returns) -> Shape:
    lows = 1 - rng.uniform(0, 0.01, len(returns))
    return tuple(zip(np.exp(returns).tolist(), lows.tolist(), strict=True))


def made_up(name: str, seed: int, shape: Shape, *, begin: int, end: int) -> Bars:
    """Hourly bars from WARM to `end` [unix s]: quiet until the shape `begin`s, and after it."""
    rng = np.random.default_rng(seed)
    quiet = (begin - WARM) // HOUR
    changes = np.exp(rng.normal(0, 0.007, quiet))
    tail = np.array([close for close, _ in shape])
    rest = (end - WARM) // HOUR - quiet - len(tail)
    after = np.exp(rng.normal(0, 0.008, rest))
    close = 100 * np.cumprod(np.concatenate((changes, tail, after)))
    open_ = np.append(100.0, close[:-1])
    dip = np.concatenate((np.full(quiet, 0.998), [low for _, low in shape], np.full(rest, 0.998)))
    low, high = np.minimum(open_, close) * dip, np.maximum(open_, close) * 1.002
    time = WARM + HOUR * np.arange(len(close), dtype=np.int64)
    return Bars(time, open_, high, low, close, np.ones(len(close)), HOUR, f"{name}, made up")

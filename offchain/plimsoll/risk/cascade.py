"""The cascade: liquidations that push the price to further liquidations, and how much longer closing takes for them.

Let accounts be liquidated at relative moves of the price `level`, and let who takes them over hedge their `delta`. Of a
fall by x that sells

    D(x) = sum of the deltas above 0 whose level lies in [-x, 0]

which by the root law moves the price by band sqrt(D / depth) further (`plimsoll.risk.liquidity`). From one scan range
on, the price comes to rest at the smallest

    x = psr + band sqrt(D(x) / depth)

A rise buys back the deltas below 0 likewise. Deltas of the other sign slow the move; that they do is not relied on. D
only grows with x, so that the iteration from psr on rises to that x, by an account a round at least: it ends.

The market takes one depth a horizon. What is liquidated has to be taken before the next position is:

    factor = min(max_factor, 1 + D / depth)          of the worse side, on the horizon; its root on the scan range

The scan range it is measured at is the one without the factor, so that it does not feed itself. Feedback of prices to
liquidations: Brunnermeier, Pedersen, Review of Financial Studies 22 (2009), "loss spirals".

Only operations with the same bits on every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from plimsoll.market.bars import FloatArray
from plimsoll.risk.errors import ModelError, check_bounds


@dataclass(frozen=True, slots=True)
class CascadeConfig:
    """Parameters of the cascade.

    Parameters
    ----------
    share
        Of an account's delta that a liquidation takes [1].
    max_reach
        Largest move that is looked at [1].
    max_factor
        Largest factor on the horizon.
    """

    share: float = 1.0
    max_reach: float = 0.95
    max_factor: float = 4.0

    def __post_init__(self) -> None:
        check_bounds(self, (("share", 0, 1), ("max_reach", 1e-6, 1), ("max_factor", 1, 1_000)))


DEFAULT_CASCADE: Final = CascadeConfig()


@dataclass(frozen=True, slots=True)
class Side:
    """A fall or a rise, come to rest.

    Parameters
    ----------
    delta
        That was liquidated on the way, 0 or more [contracts].
    reach
        How far the price went [1].
    accounts
        That were liquidated.
    rounds
        Until nothing followed.
    """

    delta: float
    reach: float
    accounts: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Cascade:
    """Both sides, and the `factor` by which the worse one lengthens the horizon, 1 or more."""

    down: Side
    up: Side
    factor: float

    def horizon(self, base: int) -> int:
        """The longer horizon [s] of one of `base` [s], rounded up."""
        return math.ceil(base * self.factor - 1e-6)

    def range(self, psr: float) -> float:
        """The scan range of the longer horizon [1], of one of `psr` [1]: it grows with the root of time; at most 1."""
        return min(1.0, psr * math.sqrt(self.factor))


def linear_levels(surplus: FloatArray, delta: FloatArray, price: float, rate: float) -> FloatArray:
    """Moves at which accounts that hold linear contracts on one underlying become liquidatable.

        surplus + delta price x - |delta| price rate x = 0

    Parameters
    ----------
    surplus
        Equity after haircut less maintenance margin [quote currency], shape (n,).
    delta
        Net delta [contracts], shape (n,).
    price
        Index price [quote currency].
    rate
        Maintenance margin as a share of notional: it moves with the price.

    Returns
    -------
    numpy.ndarray
        Relative moves, shape (n,): 0 or less for longs, 0 or more for shorts, 0 for who is liquidatable already, and
        infinite for who never is.

    Raises
    ------
    ModelError
        Shapes differ, a number is not finite, the price not positive, or the rate not in [0, 1).
    """
    _check(surplus, delta, "surplus")
    if not (math.isfinite(price) and price > 0 and 0 <= rate < 1):
        raise ModelError(f"price {price}, rate {rate}; above 0, and 0 to under 1, is right")
    left = np.maximum(surplus, 0.0)
    notional = np.abs(delta) * price
    still = notional == 0
    move = left / np.where(still, 1.0, notional * np.where(delta > 0, 1 - rate, 1 + rate))
    found: FloatArray = np.where(still, np.where(surplus <= 0, 0.0, np.inf), np.where(delta > 0, -move, move))
    return found


def _check(values: FloatArray, delta: FloatArray, name: str) -> None:
    if values.shape != delta.shape or delta.ndim != 1:
        raise ModelError(f"{name} {values.shape} and deltas {delta.shape}; equal, one dimension, is right")
    for what, numbers in ((name, values), ("delta", delta)):
        if not np.all(np.isfinite(numbers)):
            at = int(np.argmin(np.isfinite(numbers)))
            raise ModelError(f"{what} of account {at} is {numbers[at]}; a finite number is right")


def _side(
    distance: FloatArray, delta: FloatArray, psr: float, depth: float, band: float, config: CascadeConfig
) -> Side:
    """One side: `distance` to the liquidation of each account, 0 or more, and its delta, above 0."""
    order = np.argsort(distance, kind="stable")
    at = distance[order]
    total = np.concatenate(([0.0], np.cumsum(delta[order] * config.share)))
    reach, count, rounds = psr, -1, 0
    while True:
        found = int(np.searchsorted(at, np.array([reach]), side="right")[0])
        if found == count:
            return Side(float(total[count]), reach, count, rounds)
        count, rounds = found, rounds + 1
        reach = min(config.max_reach, psr + band * math.sqrt(float(total[count]) / depth))


def cascade(
    level: FloatArray,
    delta: FloatArray,
    psr: float,
    depth: float,
    band: float,
    config: CascadeConfig = DEFAULT_CASCADE,
) -> Cascade:
    """What one scan range, and what follows from it, would liquidate, and how much longer closing takes for it.

    Parameters
    ----------
    level
        Relative move of the price at which each account becomes liquidatable, shape (n,), n may be 0: below 0 for a
        fall, above for a rise, 0 for who is liquidatable now, infinite for who never is.
    delta
        Each account's net delta there [contracts], shape (n,).
    psr
        The scan range without this factor [1].
    depth
        What the market takes in a base horizon at an impact of `band` [contracts].
    band
        That impact [1].
    config
        Parameters.

    Raises
    ------
    ModelError
        Shapes differ, a level is NaN, a delta not finite, or a parameter out of range.
    """
    if level.shape != delta.shape or delta.ndim != 1:
        raise ModelError(f"levels {level.shape} and deltas {delta.shape}; equal, one dimension, is right")
    if np.any(np.isnan(level)):
        raise ModelError(f"level of account {int(np.argmax(np.isnan(level)))} is nan; infinite is right for never")
    if not np.all(np.isfinite(delta)):
        raise ModelError(f"delta of account {int(np.argmin(np.isfinite(delta)))} is not finite; a number is right")
    if not (0 < psr <= config.max_reach and math.isfinite(depth) and depth > 0 and 0 <= band <= 1):
        raise ModelError(
            f"psr {psr}, depth {depth}, band {band}; above 0 to {config.max_reach}, above 0, and 0 .. 1 is right"
        )
    sells, buys = (delta > 0) & (level <= 0), (delta < 0) & (level >= 0)
    down = _side(-level[sells], delta[sells], psr, depth, band, config)
    up = _side(level[buys], -delta[buys], psr, depth, band, config)
    return Cascade(down, up, min(config.max_factor, 1 + max(down.delta, up.delta) / depth))

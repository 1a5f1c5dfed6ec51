"""Liquidity: how much the market takes, what more than that costs, and how long it takes to close.

*Depth* is what an order may be and cost no more than stated, on the worse side, at a low quantile of the last weeks: a
book that is deep on most days is not deep on the day that counts.

*Impact* grows as the root of size, I(Q) = c sqrt(Q) (Torre, BARRA Market Impact Model Handbook, 1997; Toth et al.,
Physical Review X 1, 2011), and an order that is worked pays two thirds of it on average.

*Kappa* of the concentration charge kappa (S - d)^2 / d. Let the market take d contracts a horizon. Of a position of
s = S / d depths, the contract that waits t horizons for its turn is at risk over max(1, t) of them; all in all

    d psr (integral from 0 to s of sqrt(max(1, t)) - s) = d psr (1 + 2/3 (s^(3/2) - 1) - s) <= d psr (s - 1)^2 / 4

for s >= 1: both sides and their slopes are 0 at 1, and the second derivative on the left, 1 / (2 sqrt(s)), falls from a
half, which is that on the right. So a quarter of the scan range pays for waiting at every size. Impact beyond that at
one depth is d cost 2/3 s (sqrt(s) - 1); it is met at `reference` depths and above them.

Only operations with the same bits on every machine: what is measured here may go into a report.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from plimsoll.market.bars import DAY, FloatArray, IntArray
from plimsoll.market.orderbook import OrderBook
from plimsoll.risk.errors import ModelError, ReturnError, TooFewObservationsError, check_bounds
from plimsoll.risk.rounding import upward
from plimsoll.spec.report import MAX_KAPPA
from plimsoll.spec.wad import PPM

WAIT: Final = 0.25  # of the scan range, in kappa
WORKED: Final = 2 / 3  # mean of sqrt over [0, 1]: what an order pays of its last contract's impact

Origin = Literal["measured", "default"]


@dataclass(frozen=True, slots=True)
class DepthConfig:
    """How depth is measured.

    The defaults are measured by `plimsoll.backtest.liquidity`: of four observations a day, one at least was under the
    depth of the day before on 8 % of days on BTC, 7 % on ETH, since 2024.

    Parameters
    ----------
    quantile
        Of the window's observations that depth is read off at, from below.
    window
        How far back observations count [s].
    least
        Observations in the window below which depth is the default.
    max_age
        Age of the last observation from which on nothing is known of now [s].
    max_lengthening
        Largest factor by which thin books lengthen the horizon.
    """

    quantile: float = 0.01
    window: int = 30 * DAY
    least: int = 20
    max_age: int = 2 * DAY
    max_lengthening: float = 4.0

    def __post_init__(self) -> None:
        check_bounds(
            self,
            (
                ("quantile", 0, 1),
                ("window", 1, 10_000 * DAY),
                ("least", 1, 10**9),
                ("max_age", 1, 10_000 * DAY),
                ("max_lengthening", 1, 1_000),
            ),
        )


DEFAULT_DEPTH: Final = DepthConfig()


@dataclass(frozen=True, slots=True)
class Depth:
    """What is known of an underlying's depth [contracts].

    Parameters
    ----------
    posted
        What a requirement should reckon with: the low quantile, and no more than `now`.
    now, normal
        The last observation, and the window's median.
    observations
        In the window.
    origin
        `default` where too little was observed: then all three are the default.
    """

    posted: float
    now: float
    normal: float
    observations: int
    origin: Origin


def book_depths(books: Sequence[OrderBook], cost: float) -> tuple[FloatArray, FloatArray]:
    """Times [unix s] of books, and what each takes at a mean cost of `cost` on its worse side [contracts].

    Both of shape (len(books),). A file of few levels shows less than there is: never more.
    """
    if not 0 < cost < 1:
        raise ModelError(f"cost {cost}; above 0 and below 1 is right")
    taken = [min(book.takes(cost, buy=False), book.takes(cost, buy=True)) for book in books]
    return np.array([book.time for book in books]), np.array(taken)


def low_quantile(values: FloatArray, quantile: float) -> float:
    """The smallest value that at least a share `quantile` of `values`, not empty, does not exceed."""
    rank = max(1, math.ceil(quantile * len(values) - 1e-9))
    return float(np.sort(values)[rank - 1])


def measured_depth(
    time: FloatArray | IntArray,
    depth: FloatArray,
    now: int,
    default: float,
    config: DepthConfig = DEFAULT_DEPTH,
) -> Depth:
    """Depth from observations up to `now`, or the default where there are too few, or only old ones.

    Parameters
    ----------
    time, depth
        Observations: when [unix s], rising, and how much [contracts], shape (n,); n may be 0.
    now
        Nothing later is looked at [unix s].
    default
        What stands in for a measurement [contracts].
    config
        Parameters.

    Raises
    ------
    ModelError
        Shapes differ, or the default is not positive.
    ReturnError
        An observation is not positive and finite.
    """
    if time.shape != depth.shape or time.ndim != 1:
        raise ModelError(f"times {time.shape} and depths {depth.shape}; equal, one dimension, is right")
    if not (math.isfinite(default) and default > 0):
        raise ModelError(f"default depth {default}; above 0 is right")
    first, end = (int(x) for x in np.searchsorted(time, np.array([now - config.window, now]), side="right"))
    seen = depth[first:end]
    if len(seen) < config.least or now - float(time[end - 1]) > config.max_age:
        return Depth(default, default, default, len(seen), "default")
    if not np.all(np.isfinite(seen) & (seen > 0)):
        at = first + int(np.argmin(np.isfinite(seen) & (seen > 0)))
        raise ReturnError(f"depth {depth[at]} at {time[at]}; a positive number of contracts is right")
    last = float(seen[-1])
    return Depth(min(low_quantile(seen, config.quantile), last), last, low_quantile(seen, 0.5), len(seen), "measured")


@dataclass(frozen=True, slots=True)
class ImpactCurve:
    """Impact as the root of size.

    Parameters
    ----------
    coefficient
        c of I(Q) = c sqrt(Q) [share of the price a root of a contract].
    observations
        Behind it.
    error
        Root of the mean squared distance of observations from the curve [share of the price].
    """

    coefficient: float
    observations: int
    error: float

    def impact(self, quantity: float) -> float:
        """Move of the price by an order of `quantity` [contracts] when its last contract is done [share]."""
        return self.coefficient * math.sqrt(quantity)

    def cost(self, quantity: float) -> float:
        """What such an order, worked, pays on average [share]."""
        return WORKED * self.impact(quantity)

    def depth(self, impact: float) -> float:
        """Contracts that move the price by `impact` [share]."""
        return (impact / self.coefficient) * (impact / self.coefficient)


def fit_impact(quantity: FloatArray, impact: FloatArray) -> ImpactCurve:
    """The root law through observed sizes and impacts: least squares, through nothing at nothing.

    Parameters
    ----------
    quantity
        Sizes of orders [contracts], shape (n,); or depths within a band.
    impact
        Moves of the price by them [share], shape (n,); or the band.

    Raises
    ------
    TooFewObservationsError
        There is none.
    ModelError
        Shapes differ, a number is not positive and finite.
    """
    if quantity.shape != impact.shape or quantity.ndim != 1:
        raise ModelError(f"sizes {quantity.shape} and impacts {impact.shape}; equal, one dimension, is right")
    if len(quantity) == 0:
        raise TooFewObservationsError("impact", 0, 1)
    if not np.all(np.isfinite(quantity) & (quantity > 0) & np.isfinite(impact) & (impact > 0)):
        raise ModelError("sizes and impacts; positive, finite ones are right")
    root = np.sqrt(quantity)
    coefficient = math.fsum((root * impact).tolist()) / math.fsum(quantity.tolist())
    error = math.sqrt(math.fsum(np.square(impact - coefficient * root).tolist()) / len(quantity))
    return ImpactCurve(coefficient, len(quantity), error)


def book_impact(books: Sequence[OrderBook], levels: int = 25) -> ImpactCurve:
    """The root law through what stands in books: to each level's distance from mid, all up to it, on both sides."""
    quantity: list[float] = []
    impact: list[float] = []
    for book in books:
        for buy in (False, True):
            distance, size = book.ladder(buy=buy)
            quantity += np.cumsum(size)[:levels].tolist()
            impact += distance[:levels].tolist()
    return fit_impact(np.array(quantity), np.array(impact))


def kappa(psr: float, cost: float, reference: float = 2.0) -> int:
    """Rate of the concentration charge kappa (S - d)^2 / d [ppm], rounded up: a charge is against the account.

    Parameters
    ----------
    psr
        Scan range of a horizon in which the market takes one depth [1].
    cost
        Impact of one depth [share of the price].
    reference
        Depths from which on the charge pays for all impact; the gross charge and the scan pay below.

    Raises
    ------
    ModelError
        A parameter is out of range.
    """
    if not (0 < psr <= 1 and 0 <= cost <= 1 and 1 < reference <= 100):
        raise ModelError(f"psr {psr}, cost {cost}, reference {reference}; in (0, 1], [0, 1] and (1, 100] is right")
    beyond = WORKED * cost * reference * (math.sqrt(reference) - 1) / ((reference - 1) * (reference - 1))
    return min(int(upward(np.array([(WAIT * psr + beyond) * PPM]))[0]), MAX_KAPPA)


@dataclass(frozen=True, slots=True)
class Horizon:
    """A liquidation horizon: `seconds`, the `factor` by which it is longer than the base, and what it rests on."""

    seconds: int
    factor: float
    origin: Origin


def horizon(
    size: float,
    depth_now: float | None,
    depth_normal: float | None,
    base: int,
    config: DepthConfig = DEFAULT_DEPTH,
) -> Horizon:
    """Time to close a position of `size`, by what the market takes now.

    The base is the time in which a normal market takes a position of one normal depth; a thin one takes longer by how
    thin it is, and a larger position by how large.

        base x min(max_lengthening, max(1, max(size, depth_normal) / depth_now))

    Parameters
    ----------
    size
        The position [contracts]; of the largest account, or 0 for what holds for all.
    depth_now, depth_normal
        As `Depth` [contracts]; None where it is not known: the base then, and `origin` says so.
    base
        The shortest horizon [s].
    config
        Parameters.

    Raises
    ------
    ModelError
        A size is negative, or a depth or the base not positive.
    """
    if not (math.isfinite(size) and size >= 0) or base <= 0:
        raise ModelError(f"size {size}, base {base} s; 0 or more and above 0 is right")
    if depth_now is None or depth_normal is None:
        return Horizon(base, 1.0, "default")
    if not (depth_now > 0 and depth_normal > 0 and math.isfinite(depth_now) and math.isfinite(depth_normal)):
        raise ModelError(f"depth {depth_now}, normally {depth_normal}; above 0 is right")
    factor = min(config.max_lengthening, max(1.0, max(size, depth_normal) / depth_now))
    return Horizon(int(upward(np.array([base * factor]))[0]), factor, "measured")

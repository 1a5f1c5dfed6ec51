"""The funding rate, from how far the mark has stood over the index.

    premium = clamp(mark / index - 1, -bound, bound), at each observation, and on a straight line between two
    P       = its mean over the last interval, what is newer weighing more: in proportion to the time since its start
    F       = P + clamp(interest - P, -damper, damper)       an interval
    rate    = clamp(F, -cap, cap)                            a day, posted in ppm; a positive one is paid by longs

That is the rule of Binance's USD-M futures: "Introduction to Binance Futures Funding Rates", interest 0.01 % and damper
0.05 % per eight hours. Deribit's is the same without interest: max(P, 0.05 %) + min(P, -0.05 %). With an order book the
premium is that of its impact prices, as both define it: what a seller of some size gets over the index, less what a
buyer pays under it.

Only operations with the same bits on every machine: the rate goes into a report.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np

from plimsoll.market.bars import DAY, FloatArray, IntArray
from plimsoll.market.orderbook import OrderBook
from plimsoll.risk.errors import ModelError, check_bounds
from plimsoll.risk.rounding import downward_int
from plimsoll.spec.oracle import MAX_FUNDING
from plimsoll.spec.wad import PPM


@dataclass(frozen=True, slots=True)
class FundingConfig:
    """How a premium becomes a rate.

    Parameters
    ----------
    interval
        Time over which the premium is averaged, and for which `interest` and `damper` hold [s].
    interest
        What holding cash costs more than holding the underlying [1 an interval].
    damper
        Premium within which the rate is the interest [1 an interval].
    bound
        Largest premium, either way, that one observation counts as [1]: an index that stood still for an hour, as
        Binance's spot market did on 2023-03-24, is no premium.
    cap
        Largest rate, either way [ppm a day]; governance has its own.
    least
        Share of the interval over which a premium must be known; below it there is no rate.
    rising
        Whether what is newer weighs more.
    max_age
        Age of the last observation from which on there is no rate [s]: a file that nobody writes to moves no money.
    """

    interval: int = 8 * 3_600
    interest: float = 0.0001
    damper: float = 0.0005
    bound: float = 0.005
    cap: int = 20_000
    least: float = 0.5
    rising: bool = True
    max_age: int = 4 * 3_600

    def __post_init__(self) -> None:
        check_bounds(
            self,
            (
                ("interval", 60, DAY),
                ("interest", -0.01, 0.01),
                ("damper", 0, 0.1),
                ("bound", 0, 1),
                ("cap", 0, MAX_FUNDING),
                ("least", 0, 1),
                ("max_age", 1, 2 * DAY),
            ),
        )


DEFAULT_FUNDING: Final = FundingConfig()


@dataclass(frozen=True, slots=True)
class Funding:
    """A funding rate and where it comes from.

    Parameters
    ----------
    rate
        What a perpetual's long pays [ppm a day], as `plimsoll.spec.margin.Scalars.funding`.
    premium
        Mean premium over the interval [1]; 0 where it is not known.
    interval_rate
        The rate before the cap and before rounding [1 an interval].
    covered
        Share of the interval over which the premium is known.
    origin
        `none` where that is too little, or the last observation too old: then nobody pays.
    """

    rate: int
    premium: float
    interval_rate: float
    covered: float
    origin: Literal["measured", "none"]


def impact_premium(book: OrderBook, index: float, notional: float) -> float:
    """Premium of a book's impact prices over the index [1].

        (max(0, impact bid - index) - max(0, index - impact ask)) / index

    Parameters
    ----------
    book
        Of the perpetual.
    index
        Index price [quote currency].
    notional
        Size of the orders whose mean prices are the impact prices [quote currency].

    Raises
    ------
    ModelError
        Index or notional is not positive, or the book does not hold so much.
    """
    if not (math.isfinite(index) and index > 0 and math.isfinite(notional) and notional > 0):
        raise ModelError(f"index {index}, notional {notional}; above 0 is right")
    quantity = notional / book.mid
    sell, buy = book.cost(quantity, buy=False), book.cost(quantity, buy=True)
    if not math.isfinite(sell + buy):
        raise ModelError(f"{book.source}: a side holds less than {quantity:g} contracts; a smaller notional is right")
    bid, ask = book.mid * (1 - sell), book.mid * (1 + buy)
    return (max(0.0, bid - index) - max(0.0, index - ask)) / index


def mean_premium(
    time: IntArray, premium: FloatArray, now: int, config: FundingConfig = DEFAULT_FUNDING
) -> tuple[float, float]:
    """Time-weighted mean premium over the interval that ends now, and the share of it over which one is known.

    Parameters
    ----------
    time
        When a premium was observed [unix s], rising, shape (n,). Between two it goes straight, and the last one holds;
        what is older than two intervals does not count.
    premium
        Shape (n,) [1].
    now
        End of the interval [unix s]; what is later is not looked at.
    config
        Parameters.

    Raises
    ------
    ModelError
        Shapes differ, times do not rise, or a premium is not finite and above -1.
    """
    if time.shape != premium.shape or time.ndim != 1:
        raise ModelError(f"times {time.shape} and premiums {premium.shape}; equal, one dimension, is right")
    if np.any(np.diff(time) <= 0):
        raise ModelError("times of premiums; rising ones are right")
    start = now - config.interval
    first = int(np.searchsorted(time, np.array([start - config.interval]), side="right")[0])
    end = int(np.searchsorted(time, np.array([now]), side="right")[0])
    values = premium[first:end]
    if not np.all(np.isfinite(values) & (values > -1)):
        at = first + int(np.argmin(np.isfinite(values) & (values > -1)))
        raise ModelError(f"premium {premium[at]} at {time[at]}; a finite one above -1 is right")
    values = np.clip(values, -config.bound, config.bound)
    at_times = (time[first:end] - start).tolist()  # since the interval's start
    if not at_times:
        return 0.0, 0.0
    knots = list(zip(at_times, values.tolist(), strict=True))
    knots.append((config.interval, knots[-1][1]))
    parts, weight = [], 0.0
    for (before, first_value), (b, q) in pairwise(knots):
        if b <= 0 or before == b:
            continue
        a, p = before, first_value
        if a < 0:  # where the line enters the interval
            a, p = 0, p + (q - p) * (-a / (b - a))
        if config.rising:  # the integral of u times the line
            parts.append((b - a) * (p * (2 * a + b) + q * (a + 2 * b)) / 6)
            weight += (b * b - a * a) / 2
        else:
            parts.append((b - a) * (p + q) / 2)
            weight += b - a
    if not weight:  # the one observation was made this second
        return 0.0, 0.0
    return math.fsum(parts) / weight, (config.interval - max(0, at_times[0])) / config.interval


def damped(premium: float, config: FundingConfig = DEFAULT_FUNDING) -> float:
    """Rate of an interval at a mean premium, before the cap: premium + clamp(interest - premium, +-damper)."""
    return premium + min(max(config.interest - premium, -config.damper), config.damper)


def funding_rate(
    time: IntArray, mark: FloatArray, index: FloatArray, now: int, config: FundingConfig = DEFAULT_FUNDING
) -> Funding:
    """The funding rate to post.

    Parameters
    ----------
    time
        When mark and index were observed [unix s], rising, shape (n,), n may be 0.
    mark, index
        Prices of the perpetual and of the underlying at those times [quote currency], shape (n,).
    now
        Market time of the report [unix s].
    config
        Parameters.

    Returns
    -------
    Funding
        Rounded toward zero: neither side pays for rounding.

    Raises
    ------
    ModelError
        As `mean_premium`, or a price is not positive.
    """
    if mark.shape != index.shape:
        raise ModelError(f"marks {mark.shape} and indices {index.shape}; equal is right")
    if not np.all((index > 0) & (mark > 0)):
        raise ModelError("marks and indices; above 0 is right")
    premium, covered = mean_premium(time, mark / index - 1, now, config)
    seen = int(np.searchsorted(time, np.array([now]), side="right")[0])
    stale = seen == 0 or now - int(time[seen - 1]) > config.max_age
    if stale or covered <= 0 or covered < config.least:
        return Funding(0, 0.0, 0.0, covered, "none")
    rate = damped(premium, config)
    a_day = downward_int(abs(rate) * DAY / config.interval * PPM)
    limited = min(a_day, config.cap)
    return Funding(limited if rate >= 0 else -limited, premium, rate, covered, "measured")

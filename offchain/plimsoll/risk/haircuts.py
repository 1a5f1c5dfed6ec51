"""Haircuts of collateral: what its seller meets beside the scan.

The scan pays for the fall of collateral while positions are closed. Then it is sold itself, and falls on:

    sale     = base x max(1, cap / depth)                          time to sell all that may be deposited
    fall     = tail x 2/3 sqrt(sale / horizon)                     on average over the sale, tokens leaving evenly
    impact   = band x 2/3 sqrt(cap / depth)                        root law, as in `plimsoll.risk.liquidity`
    haircut  = max(floor, fall (1 + wrong rho) + impact), at most 1

rho is how far the collateral falls when the books that it backs lose: wrong-way risk (Basel Committee, International
convergence of capital measurement and capital standards, 2006, annex 4, part I, section 2 A). What fell with them once
is sold into a market that still falls: on ETH since 2019, sales of four hours fell through `fall` after 0.9 % of all
hours, but after 4.5 % of those in which a day's margin was exceeded; through twice as much, as `wrong` makes it, after
2 % of those.

A haircut takes equity from accounts that did nothing, so that its rise a day is bounded; its target is not.

For who sets haircuts: no model asks it yet, the haircut that is posted is a share of the range. Only operations with
the same bits on every machine, so that one can.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from plimsoll.market.bars import DAY, FloatArray
from plimsoll.risk.correlation import ewma_correlation
from plimsoll.risk.errors import ModelError, check_bounds
from plimsoll.risk.liquidity import WORKED
from plimsoll.risk.rounding import decimal_down, downward_int, upward
from plimsoll.risk.volatility import check_returns
from plimsoll.spec.wad import PPM


@dataclass(frozen=True, slots=True)
class HaircutConfig:
    """Parameters of a token's haircut.

    Parameters
    ----------
    floor
        Least haircut [1].
    sale
        Time in which the market takes one depth of the token, or all of it where there is less [s]. At a horizon of a
        day four hours make a quarter of the tail.
    wrong
        By how much a fall is worse where collateral and books fall together [1].
    stress_share
        Share of observations, those of the books' largest losses, on which the correlation is measured anew.
    decay
        Weight that the past keeps a day in the correlation.
    needed
        Observations below which collateral and books are taken to fall as one.
    max_cost
        Impact [1] at which the cap is sold: what `collateral_cap` works back from.
    max_rise, max_fall
        Largest change of the posted haircut a day [1].
    """

    floor: float = 0.01
    sale: int = 4 * 3_600
    wrong: float = 1.0
    stress_share: float = 0.05
    decay: float = 0.97
    needed: int = 60
    max_cost: float = 0.01
    max_rise: float = 0.05
    max_fall: float = 0.02

    def __post_init__(self) -> None:
        check_bounds(
            self,
            (
                ("floor", 0, 1),
                ("sale", 1, 365 * DAY),
                ("wrong", 0, 10),
                ("stress_share", 1e-6, 1),
                ("decay", 1e-6, 1 - 1e-9),
                ("needed", 1, 10**9),
                ("max_cost", 1e-6, 1),
                ("max_rise", 1e-6, 1),
                ("max_fall", 1e-6, 1),
            ),
        )


DEFAULT_HAIRCUT: Final = HaircutConfig()


@dataclass(frozen=True, slots=True)
class Haircut:
    """A haircut and what it is made of.

    `ppm` is the target to post, rounded up; `fall`, `wrong_way` and `impact` [1] are its parts before the floor.
    """

    ppm: int
    fall: float
    wrong_way: float
    impact: float


def wrong_way(
    collateral: FloatArray, books: FloatArray, decay: float, config: HaircutConfig = DEFAULT_HAIRCUT
) -> float:
    """How far collateral falls when the books that it backs lose, in [0, 1].

    The higher of the exponentially weighted correlation, and that on the worst share of the books' losses; 0 where the
    collateral rises then, 1 where too little was observed.

    Parameters
    ----------
    collateral
        Returns of the token, shape (n,), oldest first.
    books
        Profit or loss of the accounts that deposit it, over the same times, without it [any unit], shape (n,).
    decay
        Weight that the past keeps, per return.
    config
        Parameters.

    Raises
    ------
    ReturnError
        A number is not finite.
    ModelError
        Shapes differ.
    """
    check_returns(collateral, 0, "collateral")
    check_returns(books, 0, "books")
    if collateral.shape != books.shape:
        raise ModelError(f"returns {collateral.shape} and books {books.shape}; equal is right")
    count = len(books)
    if count < config.needed:
        return 1.0
    found = ewma_correlation(collateral, books, decay)
    worst = np.sort(np.argsort(books, kind="stable")[: math.ceil(config.stress_share * count - 1e-9)])
    worst = worst[books[worst] < 0]
    if len(worst):
        found = max(found, ewma_correlation(collateral[worst], books[worst], 1.0))
    return max(0.0, found)


def haircut(
    tail: float,
    horizon: int,
    cap: float,
    depth: float,
    band: float,
    together: float,
    config: HaircutConfig = DEFAULT_HAIRCUT,
) -> Haircut:
    """Haircut of one token.

    Parameters
    ----------
    tail
        Fall over `horizon` that its margin covers, e.g. its scan range [1].
    horizon
        In seconds.
    cap
        All of it that may be deposited [tokens].
    depth
        What its market takes at an impact of `band`, by `plimsoll.risk.liquidity.measured_depth` [tokens].
    band
        That impact [1].
    together
        By `wrong_way` [1].
    config
        Parameters.

    Returns
    -------
    Haircut
        Rounded up: a haircut is against the account.

    Raises
    ------
    ModelError
        An argument is out of range.
    """
    for name, value, low, high in (
        ("tail", tail, 0.0, 1.0),
        ("horizon", horizon, 1, 365 * DAY),
        ("cap", cap, 0.0, 1e30),
        ("depth", depth, 1e-12, 1e30),
        ("band", band, 0.0, 1.0),
        ("together", together, 0.0, 1.0),
    ):
        if not low <= value <= high:
            raise ModelError(f"{name} {value} of collateral; {low} .. {high} is right")
    depths = cap / depth
    fall = min(1.0, tail * WORKED * math.sqrt(config.sale * max(1.0, depths) / horizon))
    wrong = fall * config.wrong * together
    impact = min(1.0, band * WORKED * math.sqrt(depths))
    share = min(1.0, max(config.floor, fall + wrong + impact))
    return Haircut(int(upward(np.array([share * PPM]))[0]), fall, wrong, impact)


def stepped(target: int, previous: int | None, seconds: int, config: HaircutConfig = DEFAULT_HAIRCUT) -> int:
    """The haircut to post [ppm] on its way to `target`, no further from the last one than `seconds` allow.

    Parameters
    ----------
    target
        By `haircut` [ppm].
    previous
        The last posted one; None for the first, which starts at the target.
    seconds
        Since then.
    config
        Parameters.

    Raises
    ------
    ModelError
        Time goes back.
    """
    if previous is None:
        return target
    if seconds < 0:
        raise ModelError(f"{seconds} s since the last haircut; 0 or more is right")
    days = seconds / DAY
    highest = previous + downward_int(min(1.0, config.max_rise * days) * PPM)
    lowest = previous - downward_int(min(1.0, config.max_fall * days) * PPM)
    return min(max(target, lowest), highest)


def collateral_cap(depth: float, band: float, config: HaircutConfig = DEFAULT_HAIRCUT) -> int:
    """All of a token that may be deposited [wad tokens], down: what sells at a mean impact of `max_cost`.

    Parameters
    ----------
    depth
        What its market takes at an impact of `band` [tokens].
    band
        That impact [1].
    config
        Parameters.

    Raises
    ------
    ModelError
        Depth or band is not positive.
    """
    if not (math.isfinite(depth) and depth > 0 and 0 < band <= 1):
        raise ModelError(f"depth {depth}, band {band}; above 0, and above 0 to 1, is right")
    root = config.max_cost / (WORKED * band)
    return decimal_down(depth * (root * root), 6) * 10**12

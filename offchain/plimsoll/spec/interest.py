"""Interest on what is truly borrowed: the published curve and two indexes. Twin of `contracts/modules/interest.vy`.

    utilisation = min(1, ceil(debt / supply))                                       [ppm] up
    rate        = base + ceil(slope_low u / kink)                                   u <= kink
                = base + slope_low + ceil(slope_high (u - kink) / (1 - kink))       [ppm a year] up
    interest    = floor(debt rate t / year)                                         [wad]
    borrow     += ceil(borrow rate t / year)                                        index: what debts grow by
    kept        = ceil(interest reserve)                                            [wad] the fund's
    supply     += floor(supply (interest - kept) / all cash)                        index: what cash grows by

What accounts owe rounds up, what they are paid rounds down; the unit between stays with the interest pool, account 2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from plimsoll.spec.wad import PPM, WAD, YEAR, mul_div_down, mul_div_up

ONE: Final = WAD  # of an index
MAX_INDEX: Final = 2**104 - 1


@dataclass(frozen=True, slots=True)
class Pool:
    """What all accounts have and owe together. Twin of the struct of the same name."""

    supply_index: int = ONE
    borrow_index: int = ONE
    since: int = 0  # [s]
    supply: int = 0  # [wad] of positive cash
    debt: int = 0  # [wad] of negative cash


def utilisation(supply: int, debt: int) -> int:
    """Part of all positive cash that is borrowed [ppm], up."""
    if debt == 0:
        return 0
    return PPM if debt >= supply else mul_div_up(debt, PPM, supply)


def rate(curve: int, used: int) -> int:
    """What borrowers pay at a utilisation [ppm a year], up; `curve` is the word of `plimsoll.spec.registry`."""
    base, kink, low, high = (curve >> shift & (2**24 - 1) for shift in (232, 208, 184, 160))
    if used <= kink:
        return base + mul_div_up(low, used, kink)
    return base + low + mul_div_up(high, used - kink, PPM - kink)


def accrued(pool: Pool, curve: int, now: int) -> tuple[Pool, int]:
    """The pool `now`, and what the fund keeps of the interest since [wad]."""
    if pool.debt == 0 or now == pool.since:
        return pool, 0
    grown = rate(curve, utilisation(pool.supply, pool.debt)) * (now - pool.since)
    interest = mul_div_down(pool.debt, grown, PPM * YEAR)
    kept = interest
    supply_index, supply = pool.supply_index, pool.supply
    if pool.supply > 0:
        kept = mul_div_up(interest, curve >> 136 & (2**24 - 1), PPM)
        supply_index = min(MAX_INDEX, supply_index + mul_div_down(supply_index, interest - kept, supply))
        supply += interest - kept
    return replace(
        pool,
        since=now,
        borrow_index=min(MAX_INDEX, pool.borrow_index + mul_div_up(pool.borrow_index, grown, PPM * YEAR)),
        debt=pool.debt + interest,
        supply_index=supply_index,
        supply=supply,
    ), kept


def grown(cash: int, entry: int, pool: Pool) -> int:
    """Cash that stood at the index `entry`, now [wad]: down, a debt up."""
    if cash > 0:
        return mul_div_down(cash, pool.supply_index, entry)
    if cash < 0:
        return -mul_div_up(-cash, pool.borrow_index, entry)
    return 0


def cut(supply_index: int, supply: int, amount: int) -> int:
    """The supply index after `amount` [wad] was taken from all positive cash alike, down: the loss rounds up."""
    return supply_index - mul_div_up(supply_index, amount, supply)

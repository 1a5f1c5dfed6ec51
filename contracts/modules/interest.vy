# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
"""
@title Interest on what is truly borrowed
@notice The published curve and the two indexes. Twin: `plimsoll.spec.interest`.
        What accounts owe rounds up, what they are paid rounds down; the unit
        between stays with the interest pool.

            rate
               |                / slope_high
               |               /
               |          ____/
               |     ____/ slope_low
          base |____/
               +--------------|----| utilisation
                            kink   1

        utilisation = min(1, ceil(debt / supply))
        rate        = base + ceil(slope_low u / kink)                    u <= kink
                    = base + slope_low + ceil(slope_high (u - kink) / (1 - kink))
        interest    = floor(debt rate t / year)
        borrow     += ceil(borrow rate t / year)                         index
        supply     += floor(supply (interest - kept) / all cash)         index
        kept        = ceil(interest reserve)                             the fund's
@dev    With debt, supply < 2**128, rate < 2**26 ppm, t <= 2**40 s (35,000
        years): debt rate t < 2**128 * 2**26 * 2**40 = 2**194. Indexes are
        2**104 at most: an index times a sum < 2**232, times rate t <= 2**170,
        times the interest, which is under 2**150, < 2**254.
"""


# --------------------------------------------------------------------- imports


from . import fixed


# ------------------------------------------------------------------- constants


ONE: constant(uint256) = 10**18  # of an index
MAX_INDEX: constant(uint256) = 2**104 - 1


# --------------------------------------------------------------------- structs


# What all accounts have and owe together.
struct Pool:
    supply_index: uint256
    borrow_index: uint256
    since: uint256  # [s]
    supply: uint256  # [wad] of positive cash
    debt: uint256  # [wad] of negative cash


# -------------------------------------------------------------------- internal


@internal
@pure
def _utilisation(supply: uint256, debt: uint256) -> uint256:
    """
    @notice Part of all positive cash that is borrowed [ppm], up.
    """
    if debt == 0:
        return 0
    if debt >= supply:
        return fixed.PPM
    return fixed._mul_div_up(debt, fixed.PPM, supply)


@internal
@pure
def _rate(curve: uint256, utilisation: uint256) -> uint256:
    """
    @notice What borrowers pay [ppm a year], up. `curve`: base u24 | kink u24 |
            slope_low u24 | slope_high u24 | reserve u24 | 0.
    """
    base: uint256 = curve >> 232
    kink: uint256 = (curve >> 208) & (2**24 - 1)
    low: uint256 = (curve >> 184) & (2**24 - 1)
    if utilisation <= kink:
        return base + fixed._mul_div_up(low, utilisation, kink)
    high: uint256 = (curve >> 160) & (2**24 - 1)
    return base + low + fixed._mul_div_up(high, utilisation - kink, fixed.PPM - kink)


@internal
@pure
def _accrued(pool: Pool, curve: uint256, now: uint256) -> (Pool, uint256):
    """
    @notice The pool `now`, and what the fund keeps of the interest since [wad].
    """
    if pool.debt == 0 or now == pool.since:
        return pool, 0
    after: Pool = pool
    after.since = now
    grown: uint256 = self._rate(curve, self._utilisation(pool.supply, pool.debt)) * (now - pool.since)
    interest: uint256 = fixed._mul_div_down(pool.debt, grown, fixed.PPM * fixed.YEAR)
    kept: uint256 = interest
    after.borrow_index = min(
        MAX_INDEX, pool.borrow_index + fixed._mul_div_up(pool.borrow_index, grown, fixed.PPM * fixed.YEAR)
    )
    after.debt += interest
    if pool.supply > 0:
        kept = fixed._mul_div_up(interest, (curve >> 136) & (2**24 - 1), fixed.PPM)
        after.supply_index = min(
            MAX_INDEX, pool.supply_index + fixed._mul_div_down(pool.supply_index, interest - kept, pool.supply)
        )
        after.supply += interest - kept
    return after, kept


@internal
@pure
def _grown(cash: int256, entry: uint256, supply_index: uint256, borrow_index: uint256) -> int256:
    """
    @notice Cash that stood at the index `entry` [wad], now: down, a debt up.
    """
    if cash > 0:
        return convert(fixed._mul_div_down(convert(cash, uint256), supply_index, entry), int256)
    if cash < 0:
        return -convert(fixed._mul_div_up(convert(-cash, uint256), borrow_index, entry), int256)
    return 0


@internal
@pure
def _cut(supply_index: uint256, supply: uint256, amount: uint256) -> uint256:
    """
    @notice The supply index after `amount` [wad] was taken from all positive
            cash alike, down: the loss rounds up.
    """
    return supply_index - fixed._mul_div_up(supply_index, amount, supply)

# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma evm-version cancun
# pragma nonreentrancy on
"""
@title Example: a lending market that asks how much may be borrowed
@license GNU Affero General Public License v3.0 only
@notice Not a market, but the part of one that another protocol writes to use
        Plimsoll's measured risk: whether a debt is covered by a basket of
        collateral and positions. The basket is Plimsoll's own words (quantity
        << 128 | instrument id, sorted), and what its perps and futures were
        bought for (-) and sold for (+), as their words are worth their marks;
        what the borrower owes is a negative ledger. One call of `assess` says
        the rest, see docs/ORACLE.md. Units: money [wad], time [s].
        A new loan needs: an index for every underlying, fresh surfaces no older
        than `MAX_AGE`, and initial margin. To repay needs nothing.
@custom:security An example: it takes the caller's word for the basket, and
        moves no tokens.
@custom:kill Stop calling it.
"""


# --------------------------------------------------------------------- imports


from ..interfaces import IIndexFeed
from ..interfaces import IRiskOracle


# ------------------------------------------------------------------- constants


MAX_AGE: constant(uint256) = 3_600  # [s] of a surface: stricter than the oracle's own, as a loan lasts


# ------------------------------------------------------------------ immutables


ORACLE: immutable(IRiskOracle)
FEED: immutable(IIndexFeed)


# --------------------------------------------------------------------- storage


debts: public(HashMap[address, uint256])  # [wad]


# ----------------------------------------------------------------- constructor


@deploy
def __init__(oracle: address, feed: address):
    ORACLE = IRiskOracle(oracle)
    FEED = IIndexFeed(feed)


# -------------------------------------------------------------------- external


@external
def borrow(basket: DynArray[uint256, 127], linear: int256, amount: uint256):
    """
    @notice A new loan: on fresh data alone.
    """
    self.debts[msg.sender] += amount
    found: IRiskOracle.Assessment = self._assess(basket, linear, self.debts[msg.sender])
    for word: uint256 in basket:
        pointer: uint256 = staticcall ORACLE.pointer(
            convert((word >> 112) & 65_535, uint16), convert((word >> 72) & (2**40 - 1), uint40)
        )
        assert ((pointer >> 32) & (2**32 - 1)) + MAX_AGE >= block.timestamp, "lending: surface too old"
    assert found.fresh, "lending: surface not fresh"
    assert found.equity_haircut >= convert(found.im, int256), "lending: below initial margin"


@external
def repay(amount: uint256):
    """
    @notice Whatever the data is like.
    """
    self.debts[msg.sender] -= amount


@external
@view
def is_healthy(basket: DynArray[uint256, 127], linear: int256, debt: uint256) -> bool:
    """
    @notice Whether a loan stands; on surfaces of any age, which ask for more the
            older they are, and reverts where an index is dead: nobody may be
            liquidated on a price that nobody knows.
    """
    found: IRiskOracle.Assessment = self._assess(basket, linear, debt)
    return found.equity_haircut >= convert(found.mm, int256)


# -------------------------------------------------------------------- internal


@internal
@view
def _assess(basket: DynArray[uint256, 127], linear: int256, debt: uint256) -> IRiskOracle.Assessment:
    for word: uint256 in basket:
        assert staticcall FEED.is_usable(convert((word >> 112) & 65_535, uint16)), "lending: index unusable"
    return staticcall ORACLE.assess(basket, linear - convert(debt, int256))

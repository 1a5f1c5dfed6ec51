# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
"""
@title Fixed-point arithmetic with named rounding
@notice The only place where money is multiplied and divided. Twin:
        `plimsoll.spec.wad`. Products are checked; the bounds below keep every
        product of the margin formula under 2**255 (see `margin.vy`).
@dev    Down favours the system for what an account owns, up for what it must
        hold or pay. SDIV truncates, so signed quotients have a floor of their
        own: a loss rounds away from zero.
"""


# ------------------------------------------------------------------- constants


WAD: constant(uint256) = 10**18
PPM: constant(uint256) = 10**6
DAY: constant(uint256) = 86_400  # [s]
YEAR: constant(uint256) = 365 * 86_400  # [s]
MAX_QUANTITY: constant(uint256) = 10**27  # [wad] a billion contracts
MAX_PRICE: constant(uint256) = 10**27  # [wad] a billion units of quote
MAX_LEDGER: constant(int256) = 10**36  # [wad] of |cash| and |linear|


# -------------------------------------------------------------------- internal


@internal
@pure
def _mul_div_down(a: uint256, b: uint256, denominator: uint256) -> uint256:
    """
    @notice a * b / denominator, down.
    """
    return a * b // denominator


@internal
@pure
def _div_up(numerator: uint256, denominator: uint256) -> uint256:
    """
    @notice numerator / denominator, up: against the account.
    """
    quotient: uint256 = numerator // denominator
    if numerator % denominator != 0:
        # quotient < 2**255 where there is a remainder, as denominator >= 2
        return unsafe_add(quotient, 1)
    return quotient


@internal
@pure
def _mul_div_up(a: uint256, b: uint256, denominator: uint256) -> uint256:
    """
    @notice a * b / denominator, up: against the account.
    """
    return self._div_up(a * b, denominator)


@internal
@pure
def _div_floor(numerator: int256, denominator: int256) -> int256:
    """
    @notice numerator / denominator, toward minus infinity; denominator > 0.
    """
    quotient: int256 = numerator // denominator
    if numerator % denominator < 0:
        return quotient - 1
    return quotient


@internal
@pure
def _div_ceil(numerator: int256, denominator: int256) -> int256:
    """
    @notice numerator / denominator, toward plus infinity; denominator > 0.
    """
    quotient: int256 = numerator // denominator
    if numerator % denominator > 0:
        return quotient + 1
    return quotient


@internal
@pure
def _div_truncate(numerator: int256, denominator: int256) -> int256:
    """
    @notice numerator / denominator, toward zero: for what one account pays
            another; denominator > 0.
    """
    return numerator // denominator


@internal
@pure
def _signed(word: uint256) -> int256:
    """
    @notice The same 256 bits, read as a signed number.
    """
    return convert(convert(word, bytes32), int256)


@internal
@pure
def _unsigned(word: int256) -> uint256:
    """
    @notice The same 256 bits, read as an unsigned number.
    """
    return convert(convert(word, bytes32), uint256)

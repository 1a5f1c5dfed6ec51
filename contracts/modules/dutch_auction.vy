# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
"""
@title The arithmetic of an auction
@notice Discount and fraction. Twin: `plimsoll.spec.liquidator`.

            discount
               |            ____  haircut + MM
               |         __/
               |      __/
               |   __/
        start  |__/
               +--------------|---> time
                             ramp

        The account gets net = E_m - D - fee for the whole of it. A bid of f
        leaves E_h' = (1 - f) E_h + f net and a requirement of (1 - f) IM, so the
        account is back at initial margin when

            f (net - E_h + IM) >= IM - E_h

        which is the cap on f.
"""


# --------------------------------------------------------------------- imports


from . import fixed


# -------------------------------------------------------------------- internal


@internal
@pure
def _share(elapsed: uint256, ramp: uint256, start: uint256) -> uint256:
    """
    @notice How much of the whole discount is given by now [ppm], down; it only
            grows.
    """
    if elapsed >= ramp:
        return fixed.PPM
    return start + fixed._mul_div_down(fixed.PPM - start, elapsed, ramp)


@internal
@pure
def _discount(full: int256, haircut: int256, mm: uint256, share: uint256) -> uint256:
    """
    @notice (E_m - E_h + MM) share [wad], up.
    """
    return fixed._mul_div_up(convert(full - haircut, uint256) + mm, share, fixed.PPM)


@internal
@pure
def _fraction(haircut: int256, im: uint256, net: uint256) -> uint256:
    """
    @notice The fraction [wad], up, that brings the account back to initial
            margin when it gets `net` for the whole of it; all of it where
            nothing less does. `haircut` < `im`.
    """
    need: uint256 = convert(convert(im, int256) - haircut, uint256)
    return min(fixed._mul_div_up(need, fixed.WAD, net + need), fixed.WAD)

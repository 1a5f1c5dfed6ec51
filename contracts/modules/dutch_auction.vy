# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
"""
@title The arithmetic of an auction
@notice Discount, fraction, payment. Twin: `plimsoll.spec.liquidator`.

            discount
               |            ____  haircut + MM, or all equity
               |         __/
               |      __/
               |   __/
        start  |__/
               +--------------|---> time
                             ramp

        A bid of f leaves E_h' = (1 - f) E_h + f (E_m - D) and a requirement of
        (1 - f) IM, so the account is back at initial margin when

            f (E_m - D - E_h + IM) >= IM - E_h

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
    @notice (E_m - E_h + MM) share [wad], up; no more than E_m. `full` >= 0.
    """
    whole: uint256 = convert(full - haircut, uint256) + mm
    return min(fixed._mul_div_up(whole, share, fixed.PPM), convert(full, uint256))


@internal
@pure
def _fraction(full: int256, haircut: int256, im: uint256, discount: uint256) -> uint256:
    """
    @notice The fraction [wad], up, that brings the account back to initial
            margin; all of it where nothing less does. `haircut` < `im`.
    """
    need: uint256 = convert(convert(im, int256) - haircut, uint256)
    gain: uint256 = convert(full, uint256) - discount + need
    return min(fixed._mul_div_up(need, fixed.WAD, gain), fixed.WAD)


@internal
@pure
def _payment(full: int256, discount: uint256, fraction: uint256) -> uint256:
    """
    @notice f (E_m - D) [wad], down: what the account receives.
    """
    return fixed._mul_div_down(convert(full, uint256) - discount, fraction, fixed.WAD)

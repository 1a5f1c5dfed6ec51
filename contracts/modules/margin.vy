# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
"""
@title The margin formula
@notice What one underlying adds to an account, and how underlyings of a class
        net. Formulas and twin: `plimsoll.spec.margin`. Requirements round up,
        what an account owns rounds down, credits round down.
@dev    Ranges, with at most 127 words, |quantity| <= 1e27, price <= 1e27,
        factors < 2**24, but a gross charge with its floor, at any tenor, under
        2**36; depth >= 1e15, kappa <= 1e7; marks of spot <= 2e27, of anything
        <= 2.9e32 (a put's may come to its strike, 2**48 times 1e18):

            sum |q| g            <= 127 * 1e27 * 6.9e10         < 8.8e39
            price * that         <= 8.8e66
            sum q mark           <= 127 * 1e27 * 2.9e32         < 3.7e61
            sum q mark (1 - h)   <= 127 * 1e27 * 2e27 * 1e6     < 2.6e62
            price * sum q lane   <= 1e27 * 127 * 1e27 * 3.3e5   < 4.2e61
            size                 <= 127 * 1e27 * 8.4            < 1.1e30
            size^2 / depth kappa <= 1.2e60 / 1e15 * 1e7         < 1.2e52
            price * that / 1e6   <= 1.2e73

        Funding, with a rate of 16 bits, times of 40 bits and wad a contract:

            |slope|              <= 2**15 * 1e27 / 1e6          < 2**85
            |cumulative|         <= 2**85 * 2**40               = 2**125
            |funding|            <= 2**125 / 86,400 + 1         < 5e32
            sum q (mark - funding) <= 127 * 1e27 * 7.9e32       < 1.1e62

        so slope fits 88 bits and cumulative 128, whatever is posted until 2**40
        seconds are over. A lane sum of one expiry is under 2**117, see
        `surface.vy`; times the seconds of a window, under 2**128.

        All under 2**255 = 5.8e76, so no product of this module reverts.
"""


# --------------------------------------------------------------------- imports


from . import fixed
from . import instruments
from . import surface


# ------------------------------------------------------------------- constants


LIFE: constant(uint256) = 86_400  # [s] a funding rate that nobody renews stops: a dead engine moves no money


# --------------------------------------------------------------------- structs


# What the loop over the words of one underlying adds up, before any rounding.
struct Sums:
    value: int256  # [wad * wad] non-spot, at the mark
    full: int256  # [wad * wad] spot, at the mark
    haircut: int256  # [wad * wad * ppm] spot, after haircut
    delta: int256  # [wad * ppm]
    gross: uint256  # [wad * ppm]
    size: uint256  # [wad] of |quantity|, non-spot
    short: uint256  # [wad] of short options
    legs: uint256


# -------------------------------------------------------------------- internal


@internal
@pure
def _gross_floor(floors: uint256, kind: uint256, tenor: uint256) -> uint256:
    """
    @notice Governance floor of the gross charge [ppm] by kind and tenor [s], up.
    """
    base: uint256 = (floors >> (232 - 24 * kind)) & (2**24 - 1)
    if tenor == 0:
        return base
    slope: uint256 = (floors >> (136 - 24 * kind)) & (2**24 - 1)
    return base + fixed._mul_div_up(slope, tenor, fixed.YEAR)


@internal
@pure
def _slope(rate: int256, price: uint256) -> int256:
    """
    @notice What one long contract pays in a day [wad] at `rate` [ppm a day],
            toward zero: neither side is charged for the rounding.
    """
    return fixed._div_truncate(rate * convert(price, int256), 1_000_000)


@internal
@pure
def _accrued(word: uint256, now: uint256) -> int256:
    """
    @notice Funding of a long contract since ever [wad * s / day], exactly:
            linear in time, until nobody renewed the rate for LIFE.
    @param word cumulative int128 | since u40 [s] | slope int88.
    @dev    Wraps nowhere, see above; since <= now.
    """
    elapsed: uint256 = min(unsafe_sub(now, (word >> 88) & (2**40 - 1)), LIFE)
    slope: int256 = fixed._signed(word << 168) >> 168
    return unsafe_add(fixed._signed(word) >> 128, unsafe_mul(slope, convert(elapsed, int256)))


@internal
@pure
def _funding(word: uint256, now: uint256) -> int256:
    """
    @notice The same [wad a contract], down: one number for both sides.
    """
    return fixed._div_floor(self._accrued(word, now), convert(fixed.DAY, int256))


@internal
@pure
def _faded(sums: int256[32], lanes: int256[32], left: uint256) -> int256[32]:
    """
    @notice Lane sums of an underlying with those of one more expiry: losses
            whole, gains x `left` / WINDOW, down. What hedges outside an expiry
            with it is withdrawn second by second, not all at once.
    @param left Seconds to the expiry, at most WINDOW; WINDOW takes it whole.
    """
    total: int256[32] = sums
    share: int256 = convert(left, int256)
    for lane: uint256 in range(32):
        pnl: int256 = lanes[lane]
        if pnl > 0:
            # under 2**128, and down, as it is positive
            pnl = unsafe_div(unsafe_mul(pnl, share), convert(instruments.WINDOW, int256))
        total[lane] = unsafe_add(total[lane], pnl)
    return total


@internal
@pure
def _scan(price: uint256, lanes: int256[32]) -> (uint256, uint256):
    """
    @notice Scan risk [wad], up, and the lane of the worst loss: the first of
            equals.
    """
    worst: int256 = lanes[0]
    at: uint256 = 0
    for lane: uint256 in range(32):
        if lanes[lane] < worst:
            worst = lanes[lane]
            at = lane
    if worst >= 0:
        return 0, at
    return fixed._mul_div_up(price, convert(-worst, uint256), surface.LANE_UNIT * fixed.WAD), at


@internal
@pure
def _concentration(
    price: uint256, delta: int256, size: uint256, share: uint256, depth: uint256, kappa: uint256
) -> uint256:
    """
    @notice P kappa max(0, S - depth)^2 / depth [wad], up. S is at least the
            net delta and at least a share of the gross size, so that a
            delta-neutral giant is not small.
    """
    account_size: uint256 = max(
        fixed._div_up(convert(abs(delta), uint256), fixed.PPM), fixed._mul_div_up(share, size, fixed.PPM)
    )
    if account_size <= depth:
        return 0
    excess: uint256 = account_size - depth
    spread: uint256 = fixed._mul_div_up(fixed._mul_div_up(excess, excess, depth), kappa, fixed.PPM)
    return fixed._mul_div_up(price, spread, fixed.WAD)


@internal
@pure
def _market(price: uint256, size: uint256, slope: uint256, interest: uint256, depth: uint256) -> uint256:
    """
    @notice The market term of initial margin [wad], up: it grows with the open
            interest of the underlying, to the whole notional at most.
    """
    rate: uint256 = min(fixed.PPM, fixed._mul_div_up(slope, interest, depth))
    return fixed._mul_div_up(price * rate, size, fixed.PPM * fixed.WAD)


@internal
@pure
def _weighed(joint: int256[32], lanes: int256[32], price: uint256, keep: int256) -> int256[32]:
    """
    @notice Joint profit or loss of a class with one more underlying: losses
            whole, gains x `keep` [ppm], down.
    """
    total: int256[32] = joint
    scale: int256 = convert(price, int256)
    for lane: uint256 in range(32):
        pnl: int256 = scale * lanes[lane]
        if pnl > 0:
            pnl = pnl * keep // 1_000_000
        total[lane] += pnl
    return total


@internal
@pure
def _offset(joint: int256[32], common: uint256, total: uint256, largest: uint256, offset: uint256) -> uint256:
    """
    @notice Scan risk of a class of several underlyings [wad]:
            max(total - offset (total - joint), largest); the credit rounds
            down. Only the first `common` lanes may net.
    """
    worst: int256 = 0
    for lane: uint256 in range(32):
        if lane == common:
            break
        worst = min(worst, joint[lane])
    loss: uint256 = fixed._div_up(convert(-worst, uint256), surface.LANE_UNIT * fixed.WAD)
    # loss <= total: a sum of losses rounds up to no more than the sum of them
    # rounded up one by one
    return max(total - fixed._mul_div_down(offset, total - loss, fixed.PPM), largest)

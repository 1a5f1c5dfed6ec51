# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
"""
@title The price that an expiry settles at
@notice Of what was seen in the buckets before it. Twin:
        `plimsoll.spec.history`.

              bucket  0   1   2   3   4  ..  29
              seen        a           b
              filled  a   a   a   a   b  ..  b    each stands until the next
              sorted  |--- 7 ---|---- 16 ----|--- 7 ---|
                                 their mean, down

        Filling weighs a price by how long it stood; the middle half is what
        seven wrong buckets cannot move out of the range of the others.
"""


# --------------------------------------------------------------------- imports


from . import instruments


# ------------------------------------------------------------------- constants


BUCKETS: constant(uint256) = 30
BUCKET: constant(uint256) = instruments.WINDOW // BUCKETS  # [s] five blocks: room for one observation to get in
MIN_BUCKETS: constant(uint256) = 10  # under this too much of the price would be filling
TAIL: constant(uint256) = 7  # left out at either end: a quarter, down
MIDDLE: constant(uint256) = BUCKETS - 2 * TAIL


# -------------------------------------------------------------------- internal


@internal
@pure
def _count(seen: uint256[BUCKETS]) -> uint256:
    """
    @notice How many buckets have a price.
    """
    count: uint256 = 0
    for price: uint256 in seen:
        if price != 0:
            # at most BUCKETS
            count = unsafe_add(count, 1)
    return count


@internal
@pure
def _filled(seen: uint256[BUCKETS]) -> uint256[BUCKETS]:
    """
    @notice Every empty bucket takes the price before it, the leading ones the
            first that was seen: a price weighs as long as it stood.
    """
    filled: uint256[BUCKETS] = seen
    last: uint256 = 0
    for price: uint256 in seen:
        if price != 0:
            last = price
            break
    for i: uint256 in range(BUCKETS):
        if filled[i] == 0:
            filled[i] = last
        else:
            last = filled[i]
    return filled


@internal
@pure
def _middle_half(prices: uint256[BUCKETS]) -> uint256:
    """
    @notice Mean of what lies between the seven lowest and the seven highest, in
            the unit of the prices, down.
    @dev    Sorted by insertion: minutes are nearly in order more often than not,
            and an expiry is settled once. With prices <= 1e27 the sum of 16 is
            under 2**94.
    """
    ordered: uint256[BUCKETS] = prices
    for i: uint256 in range(1, BUCKETS):
        price: uint256 = ordered[i]
        place: uint256 = i
        for _: uint256 in range(BUCKETS):
            if place == 0 or ordered[unsafe_sub(place, 1)] <= price:
                break
            ordered[place] = ordered[unsafe_sub(place, 1)]
            place = unsafe_sub(place, 1)
        ordered[place] = price
    total: uint256 = 0
    for i: uint256 in range(TAIL, TAIL + MIDDLE):
        total += ordered[i]
    return total // MIDDLE

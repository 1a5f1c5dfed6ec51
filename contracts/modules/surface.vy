# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
"""
@title Surfaces: risk arrays as code
@notice Reads the data contract of one (underlying, expiry). Layout and twin:
        `plimsoll.spec.surface`.

            code = 0x00 | header (3 words) | rows (3 words each)

        The leading STOP makes the contract inert, and makes it creatable: code
        that begins with 0xEF is not, and a first lane near -43 % would begin so.
@dev    A row is 32 signed 16-bit lanes in two words, then kind, strike, mark,
        Greeks and gross charge in a third. Lanes are summed two at a time:
        lanes k and k + 8 of a word, each biased by 2**15 to be unsigned, stand
        128 bits apart, so one multiplication by a signed quantity moves both.
        With at most 127 words, |quantity| <= 1e27 and scale <= 10 a field stays
        under 127 * 1e27 * 10 * 65,535 < 2**117: it never reaches its neighbour.
"""


# --------------------------------------------------------------------- imports


from . import fixed
from . import instruments


# ------------------------------------------------------------------- constants


VERSION: constant(uint256) = 1
LANES: constant(uint256) = 32
MAX_ROWS: constant(uint256) = 250
MAX_SCALE: constant(uint256) = 10
HEADER: constant(uint256) = 97  # [byte] STOP and three words
ROW: constant(uint256) = 96  # [byte]
LANE_UNIT: constant(uint256) = 10**5
MARK_UNIT: constant(uint256) = 10**12
FORWARD_UNIT: constant(uint256) = 10**9

PAIR: constant(uint256) = 65_535 | (65_535 << 128)
BIAS: constant(uint256) = max_value(uint256) // 65_535 * 32_768
HALF: constant(int256) = 32_768
SHIFT: constant(uint256) = 10**34


# --------------------------------------------------------------------- structs


struct Header:
    key: uint256  # underlying u16 | expiry u40
    rows: uint256
    scale: uint256  # lane unit in 1e-5 of the index price
    common: uint256  # lanes that mean the same in every underlying
    time: uint256  # [s] market time
    set_id: uint256
    forward: uint256  # [1e-9 of the index price]
    reference: uint256  # [wad] index price at `time`


# -------------------------------------------------------------------- internal


@internal
@view
def _header(at: address) -> Header:
    """
    @notice Header of the surface at `at`, which MUST have come through
            `_opened`.
    """
    head: Bytes[64] = slice(at.code, 1, 64)
    return self._fields(extract32(head, 0, output_type=uint256), extract32(head, 32, output_type=uint256))


@internal
@view
def _opened(at: address) -> (bool, Header):
    """
    @notice Whether the code at `at` is a surface that the scan can read: STOP
            first, this version, rows as many as said, fields in range; and its
            header, read once.
    """
    found: Header = empty(Header)
    size: uint256 = at.codesize
    if size < HEADER:
        return False, found
    head: Bytes[65] = slice(at.code, 0, 65)
    first: uint256 = extract32(head, 1, output_type=uint256)
    # a STOP, then the version in the highest byte of the first word
    if extract32(head, 0, output_type=uint256) >> 248 != 0 or first >> 248 != VERSION:
        return False, found
    found = self._fields(first, extract32(head, 33, output_type=uint256))
    return (
        found.rows <= MAX_ROWS
        and size == HEADER + ROW * found.rows
        and 0 < found.scale
        and found.scale <= MAX_SCALE
        and 0 < found.common
        and found.common <= LANES
        and 0 < found.forward
        and 0 < found.reference
        and found.reference <= fixed.MAX_PRICE
    ), found


@internal
@pure
def _fields(first: uint256, second: uint256) -> Header:
    """
    @notice A header out of its first two words.
    """
    return Header(
        key=(first >> 192) & instruments.MASK_KEY,
        rows=(first >> 176) & 65_535,
        scale=(first >> 168) & 255,
        common=(first >> 160) & 255,
        time=(first >> 120) & (2**40 - 1),
        set_id=(first >> 56) & (2**64 - 1),
        forward=(first >> 24) & (2**32 - 1),
        reference=second >> 128,
    )


@internal
@view
def _info(at: address, rows: uint256, id: uint256) -> uint256:
    """
    @notice Third word of the row of `id`; zero where the surface lacks it, or
            has another instrument in its place.
    """
    row: uint256 = id & 65_535
    if row >= rows:
        return 0
    data: Bytes[32] = slice(at.code, HEADER + ROW * row + 64, 32)
    info: uint256 = extract32(data, 0, output_type=uint256)
    if info >> 200 != (id >> 16) & instruments.MASK_KEY:
        return 0
    return info


@internal
@pure
def _delta(info: uint256) -> int256:
    """
    @notice Delta of a row [ppm].
    """
    return fixed._signed(info << 104) >> 232


@internal
@pure
def _ahead(price: uint256, forward: uint256) -> uint256:
    """
    @notice The expiry's forward [wad] at an index `price` [wad], down.
    """
    # price <= 1e27, forward < 2**32: under 2**122
    return unsafe_div(unsafe_mul(price, forward), FORWARD_UNIT)


@internal
@pure
def _mark(
    id: uint256, info: uint256, price: uint256, ahead: uint256, strike_unit: uint256, reference: uint256
) -> uint256:
    """
    @notice Mark at the live index [wad], down, inside no-arbitrage bounds: one
            number for both sides of a position.

                m0 + delta dP + gamma dP^2 / (2 P0),  dP = price - P0

    @param ahead The expiry's forward at `price`.
    @param reference P0; zero stands for a missing row: the index for what is
           linear, the intrinsic value for options.
    @dev    In uint256, two's complement where signed, shifted up by SHIFT, which
            is a multiple of 1e6, so that one floor division serves both signs.
            With price, reference <= 1e27:
                m0    <= 1e27 * 2**48 / 1e12             < 2.9e29
                |delta dP| <= 2**23 * 1e27               < 8.4e33 < SHIFT * 1e6
                gamma dP^2 <= 2**32 * 1e54               < 2**212
            so nothing wraps but the two's complement products, which are exact.
    """
    kind: uint256 = (id >> 64) & 255
    low: uint256 = 0
    high: uint256 = unsafe_mul(price, 2)
    is_option: bool = False
    if kind == instruments.CALL:
        is_option = True
        # strike < 2**48, unit <= 1e18: under 2**108
        strike: uint256 = unsafe_mul((id >> 16) & (2**48 - 1), strike_unit)
        high = ahead
        if ahead > strike:
            low = unsafe_sub(ahead, strike)
    elif kind == instruments.PUT:
        is_option = True
        high = unsafe_mul((id >> 16) & (2**48 - 1), strike_unit)
        if high > ahead:
            low = unsafe_sub(high, ahead)
    if reference == 0:
        return low if is_option else price
    move: uint256 = unsafe_sub(price, reference)
    delta: uint256 = convert(convert(convert(convert(info << 104, bytes32), int256) >> 232, bytes32), uint256)
    raw: uint256 = unsafe_add(
        unsafe_div(unsafe_mul(reference, (info >> 152) & (2**48 - 1)), MARK_UNIT),
        unsafe_div(unsafe_add(unsafe_mul(delta, move), SHIFT * 10**6), 10**6),
    )
    gamma: uint256 = (info >> 96) & (2**32 - 1)
    if gamma != 0:
        raw = unsafe_add(raw, unsafe_div(unsafe_mul(gamma, unsafe_mul(move, move)), unsafe_mul(reference, 2 * 10**6)))
    if raw <= unsafe_add(low, SHIFT):
        return low
    return min(unsafe_sub(raw, SHIFT), high)


@internal
@pure
def _lanes(packed: uint256[16], weight: int256) -> int256[32]:
    """
    @notice The 32 sums behind 16 packed ones; `weight` is the sum of scale x
            quantity, which undoes the bias.
    @dev    A field A + B 2**128 (mod 2**256) with |A|, |B| < 2**127: A is its
            low half read as signed, B what is left above it. Neither step can
            wrap, as both are under 2**117.
    """
    lanes: int256[32] = empty(int256[32])
    bias: int256 = unsafe_mul(weight, HALF)
    for k: uint256 in range(8):
        field: uint256 = packed[k]
        low: int256 = fixed._signed(field << 128) >> 128
        high: int256 = unsafe_sub(fixed._signed(field), low) >> 128
        lanes[unsafe_sub(15, k)] = unsafe_sub(low, bias)
        lanes[unsafe_sub(7, k)] = unsafe_sub(high, bias)
        field = packed[unsafe_add(k, 8)]
        low = fixed._signed(field << 128) >> 128
        high = unsafe_sub(fixed._signed(field), low) >> 128
        lanes[unsafe_sub(31, k)] = unsafe_sub(low, bias)
        lanes[unsafe_sub(23, k)] = unsafe_sub(high, bias)
    return lanes

# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
"""
@title Instrument ids, position words, sorted books
@notice Twin: `plimsoll.spec.instruments` and the book functions of
        `plimsoll.spec.book`.

            id   (128) = underlying u16 | expiry u40 | kind u8 | strike u48 | row u16
            word (256) = quantity int128 | id u128

        A book is a list of words, sorted by id, strictly: so words of one
        underlying stand together, and of one surface too. `underlying` is
        `class u8 | index u8`. Collateral is a word of kind SPOT.
"""


# --------------------------------------------------------------------- imports


from . import fixed


# ------------------------------------------------------------------- constants


PERP: constant(uint256) = 0
FUTURE: constant(uint256) = 1
CALL: constant(uint256) = 2
PUT: constant(uint256) = 3
SPOT: constant(uint256) = 4

MAX_POSITIONS: constant(uint256) = 127
WINDOW: constant(uint256) = 1_800  # [s] before an expiry: what settles it is averaged, its gains fade out of margin
MASK_ID: constant(uint256) = 2**128 - 1
MASK_KEY: constant(uint256) = 2**56 - 1


# -------------------------------------------------------------------- internal


@internal
@pure
def _quantity(word: uint256) -> int256:
    """
    @notice Signed quantity of a word [wad].
    """
    return fixed._signed(word) >> 128


@internal
@pure
def _word(id: uint256, quantity: int256) -> uint256:
    """
    @notice A word of `quantity` [wad]; |quantity| < 2**127.
    """
    return (fixed._unsigned(quantity) << 128) | id


@internal
@pure
def _surface_key(id: uint256) -> uint256:
    """
    @notice underlying u16 | expiry u40: what names a surface.
    """
    return (id >> 72) & MASK_KEY


@internal
@pure
def _underlying(id: uint256) -> uint256:
    return (id >> 112) & 65_535


@internal
@pure
def _kind(id: uint256) -> uint256:
    return (id >> 64) & 255


@internal
@pure
def _position(words: DynArray[uint256, MAX_POSITIONS], id: uint256) -> uint256:
    """
    @notice How many words have an id below `id`: its place, or where it would
            stand. Halving a range of at most 127 takes at most 7 steps.
    """
    low: uint256 = 0
    high: uint256 = len(words)
    for _: uint256 in range(8):
        if low == high:
            break
        middle: uint256 = (low + high) // 2
        if words[middle] & MASK_ID < id:
            low = middle + 1
        else:
            high = middle
    return low


@internal
@pure
def _held(words: DynArray[uint256, MAX_POSITIONS], id: uint256) -> int256:
    """
    @notice Quantity of `id` in a book [wad], zero where it holds none.
    """
    place: uint256 = self._position(words, id)
    if place < len(words) and words[place] & MASK_ID == id:
        return self._quantity(words[place])
    return 0


@internal
@pure
def _changed(words: DynArray[uint256, MAX_POSITIONS], id: uint256, change: int256) -> DynArray[uint256, MAX_POSITIONS]:
    """
    @notice The book after `change` [wad] of `id`; a word that comes to zero
            leaves it.
    """
    place: uint256 = self._position(words, id)
    book: DynArray[uint256, MAX_POSITIONS] = words
    if place < len(words) and words[place] & MASK_ID == id:
        quantity: int256 = self._quantity(words[place]) + change
        assert abs(quantity) <= convert(fixed.MAX_QUANTITY, int256), "clearinghouse: quantity over the maximum"
        if quantity != 0:
            book[place] = self._word(id, quantity)
            return book
        for i: uint256 in range(place, len(words) - 1, bound=MAX_POSITIONS):
            book[i] = words[i + 1]
        book.pop()
        return book
    if change == 0:
        return book
    assert abs(change) <= convert(fixed.MAX_QUANTITY, int256), "clearinghouse: quantity over the maximum"
    assert len(words) < MAX_POSITIONS, "clearinghouse: too many positions"
    book.append(0)
    for i: uint256 in range(place, len(words), bound=MAX_POSITIONS):
        book[i + 1] = words[i]
    book[place] = self._word(id, change)
    return book


@internal
@pure
def _is_risky(words: DynArray[uint256, MAX_POSITIONS], ledger: int256) -> bool:
    """
    @notice Whether a book needs margin: it holds anything but collateral, or
            owes more than it has in its ledgers.
    """
    if ledger < 0:
        return True
    for word: uint256 in words:
        if self._kind(word) != SPOT:
            return True
    return False

# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
"""
@title Arithmetic, as compiled
@notice The modules are part of this contract: their bytecode here is what it is
        in the contracts that import them, inlined or called.
"""


from modules import dutch_auction
from modules import fixed
from modules import instruments
from modules import params

from . import cheats


# ---------------------------------------------------------------------- checks


@external
def check_up_and_down(a: uint256, b: uint256):
    """
    @notice Up is down, or one more where something is left; it does not wrap.
    """
    cheats._assume(0 < b and b < 2**12 and a < 2**24)
    down: uint256 = a // b
    up: uint256 = fixed._div_up(a, b)
    if a % b == 0:
        cheats._holds(up == down)
    else:
        cheats._holds(up > down and unsafe_sub(up, down) == 1)


@external
def check_signed(a: int256, b: int256):
    """
    @notice Floor <= toward zero <= ceiling, at most one apart, and the ceiling of
            a number is the floor of its negative.
    """
    cheats._assume(0 < b and b < 2**8 and -(2**16) < a and a < 2**16)
    low: int256 = fixed._div_floor(a, b)
    high: int256 = fixed._div_ceil(a, b)
    toward_zero: int256 = fixed._div_truncate(a, b)
    cheats._holds(low <= toward_zero and toward_zero <= high)
    cheats._holds(unsafe_sub(high, low) == (0 if a % b == 0 else 1))
    cheats._holds(toward_zero == (low if a >= 0 else high))


@external
def check_words(id: uint256, quantity: int256):
    """
    @notice What a position word was made of is what is read from it.
    """
    cheats._assume(id < 2**128 and -(2**127) <= quantity and quantity < 2**127)
    word: uint256 = instruments._word(id, quantity)
    cheats._holds(instruments._quantity(word) == quantity and word & instruments.MASK_ID == id)
    cheats._holds(fixed._signed(fixed._unsigned(quantity)) == quantity)
    cheats._holds(
        instruments._surface_key(word & instruments.MASK_ID) == id >> 72
        and instruments._underlying(id) == id >> 112
        and instruments._kind(id) == (id >> 64) % 256
    )


@external
def check_share(elapsed: uint256, ramp: uint256, start: uint256):
    """
    @notice The discount's share begins where it should, never passes the whole,
            and is the whole when the ramp is over.
    """
    cheats._assume(ramp == 3_600 and start <= fixed.PPM // 2)
    share: uint256 = dutch_auction._share(elapsed, ramp, start)
    cheats._holds(start <= share and share <= fixed.PPM)
    if elapsed == 0:
        cheats._holds(share == start)
    if elapsed >= ramp:
        cheats._holds(share == fixed.PPM)


@external
def check_params(rates: uint256, floors: uint256):
    """
    @notice Sound are these numbers and no others: docs/SPEC.md.
    """
    sound: bool = (
        cheats._is_within(10_000, cheats._field(rates, 232, 24), 1_000_000)
        and cheats._is_within(1_000, cheats._field(rates, 208, 24), 200_000)
        and cheats._is_within(60, cheats._field(rates, 176, 32), 604_800)
        and cheats._is_within(100_000, cheats._field(rates, 152, 24), 1_000_000)
        and cheats._field(rates, 128, 24) <= 1_000_000
        and cheats._field(rates, 32, 96) <= 10**24
        and cheats._field(rates, 16, 16) <= 32_767
        and cheats._is_within(1, cheats._field(floors, 232, 24), 1_000_000)
        and cheats._is_within(1, cheats._field(floors, 208, 24), 1_000_000)
        and cheats._is_within(1, cheats._field(floors, 184, 24), 1_000_000)
        and cheats._is_within(1, cheats._field(floors, 160, 24), 1_000_000)
        and cheats._field(floors, 136, 24) <= 1_000_000
        and cheats._field(floors, 112, 24) <= 1_000_000
        and cheats._field(floors, 88, 24) <= 1_000_000
        and cheats._field(floors, 64, 24) <= 1_000_000
    )
    cheats._holds(params._are_sound(rates, floors) == sound)


@external
def check_book(words: uint256[2], id: uint256, other: uint256, change: int256):
    """
    @notice A sorted book after a change: of this id so much more, of any other
            what there was.
    """
    book: DynArray[uint256, instruments.MAX_POSITIONS] = [words[0], words[1]]
    cheats._assume(words[0] & instruments.MASK_ID < words[1] & instruments.MASK_ID)
    cheats._assume(id < 2**128 and other < 2**128 and other != id)
    cheats._assume(abs(change) <= 10**27)
    held: int256 = instruments._held(book, id)
    rest: int256 = instruments._held(book, other)
    cheats._assume(abs(held) <= 10**27)
    after: DynArray[uint256, instruments.MAX_POSITIONS] = instruments._changed(book, id, change)
    cheats._holds(instruments._held(after, id) == unsafe_add(held, change))
    cheats._holds(instruments._held(after, other) == rest)

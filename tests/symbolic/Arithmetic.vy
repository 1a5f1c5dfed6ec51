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


# ------------------------------------------------------------------- constants


# as the Liquidator is built
RAMP: constant(uint256) = 3_600  # [s]
START: constant(uint256) = 50_000  # [ppm]


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
def check_share(elapsed: uint256):
    """
    @notice The discount's share begins where it should, never passes the whole,
            and is the whole when the ramp is over.
    """
    share: uint256 = dutch_auction._share(elapsed, RAMP, START)
    cheats._holds(START <= share and share <= fixed.PPM)
    if elapsed == 0:
        cheats._holds(share == START)
    if elapsed >= RAMP:
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

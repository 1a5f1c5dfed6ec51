# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
"""
@title The governance numbers of RiskOracle
@notice Two packed words and their bounds. Twin: `plimsoll.spec.oracle.are_sound`
        and `plimsoll.spec.report.pack_rates`.

            rates   call_buffer u24 | move_gate u24 | max_age u32 | floor_rate u24
                    | min_share u24 | leg_cost u96 | max_funding u16 | widen u16
            floors  base u24 x 4 | slope u24 x 4 | zero u64, by kind
"""


# --------------------------------------------------------------------- imports


from . import fixed


# ------------------------------------------------------------------- constants


MIN_CALL_BUFFER: constant(uint256) = 10**4  # [ppm] 1 %: some room between call and liquidation
MAX_CALL_BUFFER: constant(uint256) = 10**6  # [ppm]
MIN_MOVE_GATE: constant(uint256) = 10**3  # [ppm] 0.1 %: under it every tick would close trading
MAX_MOVE_GATE: constant(uint256) = 2 * 10**5  # [ppm] past 20 % a surface says little
MIN_MAX_AGE: constant(uint256) = 60  # [s]
MAX_MAX_AGE: constant(uint256) = 7 * 86_400  # [s]
MIN_FLOOR_RATE: constant(uint256) = 10**5  # [ppm] a lost row is charged like a risky one
MAX_LEG_COST: constant(uint256) = 10**24  # [wad]
MAX_FUNDING: constant(uint256) = 2**15 - 1  # [ppm a day] more than a word can say is no limit


# -------------------------------------------------------------------- internal


@internal
@pure
def _are_sound(rates: uint256, floors: uint256) -> bool:
    """
    @notice Whether every number lies in its bounds.
    """
    buffer: uint256 = rates >> 232
    gate: uint256 = (rates >> 208) & (2**24 - 1)
    age: uint256 = (rates >> 176) & (2**32 - 1)
    rate: uint256 = (rates >> 152) & (2**24 - 1)
    share: uint256 = (rates >> 128) & (2**24 - 1)
    leg_cost: uint256 = (rates >> 32) & (2**96 - 1)
    max_funding: uint256 = (rates >> 16) & 65_535
    sound: bool = (
        MIN_CALL_BUFFER <= buffer
        and buffer <= MAX_CALL_BUFFER
        and MIN_MOVE_GATE <= gate
        and gate <= MAX_MOVE_GATE
        and MIN_MAX_AGE <= age
        and age <= MAX_MAX_AGE
        and MIN_FLOOR_RATE <= rate
        and rate <= fixed.PPM
        and share <= fixed.PPM
        and leg_cost <= MAX_LEG_COST
        and max_funding <= MAX_FUNDING
    )
    for kind: uint256 in range(4):
        base: uint256 = (floors >> (232 - 24 * kind)) & (2**24 - 1)
        slope: uint256 = (floors >> (136 - 24 * kind)) & (2**24 - 1)
        # a base of zero would let a book of positive gross size need nothing
        sound = sound and 0 < base and base <= fixed.PPM and slope <= fixed.PPM
    return sound

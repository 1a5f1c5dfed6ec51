# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma evm-version cancun
"""
@title Guardrails that let everything pass
@notice For tests of the margin over surfaces that no engine would post.
"""


# --------------------------------------------------------------------- imports


from ..interfaces import IGuardrails
from ..modules import params as words

implements: IGuardrails


# -------------------------------------------------------------------- external


@external
@view
def check(surface: address) -> bool:
    return True


@external
def admit(
    urgent: bool,
    market_time: uint64,
    surfaces: DynArray[address, 64],
    before: DynArray[address, 64],
    scalars: DynArray[uint256, 64],
    classes: DynArray[uint256, 16],
):
    pass


@external
def admit_params(old_rates: uint256, old_floors: uint256, rates: uint256, floors: uint256) -> bool:
    assert words._are_sound(rates, floors), "guard: params out of range"
    return False

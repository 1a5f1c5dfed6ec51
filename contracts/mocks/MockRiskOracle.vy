# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title MockRiskOracle
@notice As much of a RiskOracle as History reads: pointers to surfaces, and funding.
        Anyone sets both. For its tests.
@custom:security For tests alone.
@custom:kill Nothing to switch off.
"""


# --------------------------------------------------------------------- storage


pointer: public(HashMap[uint16, HashMap[uint40, uint256]])  # surface address << 96
funding: public(HashMap[uint16, int256])  # [wad] a contract


# -------------------------------------------------------------------- external


@external
def set_surface(underlying: uint16, expiry: uint40, at: address):
    """
    @notice Point to a surface.
    @param underlying Class u8 | index u8.
    @param expiry [s]
    @param at Zero for none.
    """
    self.pointer[underlying][expiry] = convert(at, uint256) << 96


@external
def set_funding(underlying: uint16, funding: int256):
    """
    @notice What a long perp has paid so far.
    @param underlying Class u8 | index u8.
    @param funding [wad] a contract
    """
    self.funding[underlying] = funding

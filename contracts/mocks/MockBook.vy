# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title MockBook
@notice As much of a Clearinghouse as a venue sees: who may act for an account, and a
        trade that is logged, refused, or used to call somebody. For a venue's tests.
@custom:security For tests alone.
@custom:kill Nothing to switch off.
"""


# --------------------------------------------------------------------- storage


delegates: public(HashMap[uint256, HashMap[address, bool]])
refusal: String[64]  # a trade reverts with it; empty: passes
hook: address  # called within each trade; zero: none
hook_data: Bytes[4096]
hook_worked: public(bool)  # of the last call


# ---------------------------------------------------------------------- events


event Traded:
    buyer: indexed(uint256)
    seller: indexed(uint256)
    instrument: indexed(uint128)
    quantity: uint256
    price: uint256
    venue: address


# -------------------------------------------------------------------- external


@external
def set_delegate(account: uint256, delegate: address, allowed: bool):
    """
    @notice Account owner: let another act for the account, or no longer.
    @param account owner << 96 | number.
    @param delegate Who.
    @param allowed Whether.
    """
    assert account >> 96 == convert(msg.sender, uint256), "clearinghouse: not the account's"
    self.delegates[account][delegate] = allowed


@external
def set_refusal(reason: String[64]):
    """
    @notice Refuse every trade.
    @param reason With these words; empty to stop refusing.
    """
    self.refusal = reason


@external
def set_hook(target: address, data: Bytes[4096]):
    """
    @notice Call this within each trade; a failure is recorded, not passed on.
    @param target Zero for none.
    @param data The call.
    """
    self.hook = target
    self.hook_data = data


@external
def trade(buyer: uint256, seller: uint256, instrument: uint128, quantity: uint256, price: uint256):
    """
    @notice Log a trade.
    @param buyer Account.
    @param seller Account.
    @param instrument Its id.
    @param quantity [wad]
    @param price [wad]
    """
    assert self.refusal == "", self.refusal
    log Traded(
        buyer=buyer,
        seller=seller,
        instrument=instrument,
        quantity=quantity,
        price=price,
        venue=msg.sender,
    )
    if self.hook != empty(address):
        self.hook_worked = raw_call(self.hook, self.hook_data, max_outsize=0, revert_on_failure=False)


@external
@view
def may_act(account: uint256, who: address) -> bool:
    """
    @notice Whether `who` owns the account or is its delegate.
    @param account owner << 96 | number.
    @param who Address.
    """
    return account >> 96 == convert(who, uint256) or self.delegates[account][who]

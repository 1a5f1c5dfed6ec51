# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title MockBook
@notice As much of a Clearinghouse as a venue sees, and of its oracle and liquidator:
        who may act for an account, positions, marks and calls as they are set, and a
        trade that is logged, refused, or used to call somebody. For a venue's tests.
@custom:security For tests alone.
@custom:kill Nothing to switch off.
"""


# ------------------------------------------------------------------ immutables


oracle: public(immutable(address))  # itself: it has the marks


# --------------------------------------------------------------------- storage


rights: public(HashMap[uint256, HashMap[address, uint256]])  # account -> delegate -> bits
positions: HashMap[uint256, HashMap[uint128, int256]]  # account -> instrument -> [wad]
marks: HashMap[uint128, uint256]  # [wad]; zero: refused, as a feed that is dead
deadlines: HashMap[uint256, uint256]  # account -> [s]
auctions: HashMap[uint256, uint256]  # account -> [s]
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
    buyer_takes: bool
    venue: address


# ----------------------------------------------------------------- constructor


@deploy
def __init__():
    oracle = self


# -------------------------------------------------------------------- external


@external
def set_delegate(account: uint256, delegate: address, rights: uint256):
    """
    @notice Account owner: let another act for the account, or no longer.
    @param account owner << 96 | number.
    @param delegate Who.
    @param rights Bits of what he may do.
    """
    assert account >> 96 == convert(msg.sender, uint256), "mandates: not the account's"
    self.rights[account][delegate] = rights


@external
def set_position(account: uint256, instrument: uint128, quantity: int256):
    """
    @notice Let an account hold something; trades do not change it.
    @param account Whose.
    @param instrument Its id.
    @param quantity [wad]
    """
    self.positions[account][instrument] = quantity


@external
def set_mark(instrument: uint128, mark: uint256):
    """
    @notice Value an instrument.
    @param instrument Its id.
    @param mark [wad]; zero: refuse.
    """
    self.marks[instrument] = mark


@external
def set_call(account: uint256, deadline: uint256, auction: uint256):
    """
    @notice Call an account, put it to auction, or neither.
    @param account Which.
    @param deadline Of its call [s]; zero for none.
    @param auction When its auction began [s]; zero for none.
    """
    self.deadlines[account] = deadline
    self.auctions[account] = auction


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
def trade(
    buyer: uint256, seller: uint256, instrument: uint128, quantity: uint256, price: uint256, buyer_takes: bool = True
):
    """
    @notice Log a trade.
    @param buyer Account.
    @param seller Account.
    @param instrument Its id.
    @param quantity [wad]
    @param price [wad]
    @param buyer_takes Who was there second.
    """
    assert self.refusal == "", self.refusal
    log Traded(
        buyer=buyer,
        seller=seller,
        instrument=instrument,
        quantity=quantity,
        price=price,
        buyer_takes=buyer_takes,
        venue=msg.sender,
    )
    if self.hook != empty(address):
        self.hook_worked = raw_call(self.hook, self.hook_data, max_outsize=0, revert_on_failure=False)


@external
@view
def may_act(account: uint256, who: address, right: uint256) -> bool:
    """
    @notice Whether `who` owns the account or is its delegate with a right.
    @param account owner << 96 | number.
    @param who Address.
    @param right Bits, all of which a delegate must have.
    """
    return account >> 96 == convert(who, uint256) or self.rights[account][who] & right == right


@external
@view
def quantity(account: uint256, instrument: uint128) -> int256:
    """
    @notice What an account holds [wad].
    @param account Whose.
    @param instrument Its id.
    """
    return self.positions[account][instrument]


@external
@view
def mark(instrument: uint128) -> uint256:
    """
    @notice What an instrument is valued at [wad].
    @param instrument Its id.
    """
    assert self.marks[instrument] != 0, "feed: stale price"
    return self.marks[instrument]


@external
@view
def deadline(account: uint256) -> uint256:
    """
    @notice When the account's call runs out [s].
    @param account Which.
    """
    return self.deadlines[account]


@external
@view
def auction(account: uint256) -> uint256:
    """
    @notice When the account's auction began [s].
    @param account Which.
    """
    return self.auctions[account]

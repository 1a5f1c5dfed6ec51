# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title MockCustody
@notice As much of a Clearinghouse as the insurance fund sees: cash of accounts in one
        token, deposits and withdrawals with the reasons the book gives. Anyone may set
        any account's cash: that is how fees come in. For the fund's tests.
        Cash is in wad, amounts in the token's own decimals.
@custom:security For tests alone.
@custom:kill Nothing to switch off.
"""


# --------------------------------------------------------------------- imports


from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed


# ------------------------------------------------------------------ immutables


QUOTE: immutable(IERC20)
SCALE: immutable(uint256)  # [wad] per unit of the token


# --------------------------------------------------------------------- storage


_cash: HashMap[uint256, int256]  # [wad]


# ----------------------------------------------------------------- constructor


@deploy
def __init__(quote: address):
    QUOTE = IERC20(quote)
    decimals: uint256 = convert(staticcall IERC20Detailed(quote).decimals(), uint256)
    # what has more decimals the fund refuses, not its book
    SCALE = 10**(18 - min(decimals, 18))


# -------------------------------------------------------------------- external


@external
def set_cash(account: uint256, cash: int256):
    """
    @notice Anyone: let an account have so much.
    @param account owner << 96 | number.
    @param cash [wad]
    """
    self._cash[account] = cash


@external
def deposit(account: uint256, token: address, amount: uint256):
    """
    @notice Bring tokens into an account.
    @param account owner << 96 | number.
    @param token The quote token.
    @param amount [token]
    """
    assert amount > 0, "clearinghouse: zero amount"
    assert account >> 96 != 0, "clearinghouse: system account"
    assert token == QUOTE.address, "clearinghouse: unknown token"
    before: uint256 = staticcall QUOTE.balanceOf(self)
    assert extcall QUOTE.transferFrom(
        msg.sender, self, amount, default_return_value=True
    ), "clearinghouse: vault moved another amount"
    assert staticcall QUOTE.balanceOf(self) == before + amount, "clearinghouse: vault moved another amount"
    self._cash[account] += convert(amount * SCALE, int256)


@external
def withdraw(account: uint256, token: address, amount: uint256, to: address):
    """
    @notice Take tokens out of an account of the caller's.
    @param account owner << 96 | number.
    @param token The quote token.
    @param amount [token]
    @param to Who gets them.
    """
    assert account >> 96 == convert(msg.sender, uint256), "clearinghouse: not the account's"
    assert amount > 0, "clearinghouse: zero amount"
    assert token == QUOTE.address, "clearinghouse: unknown token"
    worth: int256 = convert(amount * SCALE, int256)
    before: uint256 = staticcall QUOTE.balanceOf(self)
    assert self._cash[account] >= worth and before >= amount, "clearinghouse: cash not there"
    self._cash[account] -= worth
    assert extcall QUOTE.transfer(to, amount, default_return_value=True), "clearinghouse: vault moved another amount"
    assert staticcall QUOTE.balanceOf(self) == before - amount, "clearinghouse: vault moved another amount"


@external
@view
def ledger(account: uint256) -> (int256, int256):
    """
    @notice Cash and linear of an account [wad].
    @param account owner << 96 | number.
    """
    return self._cash[account], 0


@external
@view
def quote() -> address:
    """
    @notice The token.
    """
    return QUOTE.address

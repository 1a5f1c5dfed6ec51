# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title MockToken
@notice An ERC-20 that anyone may mint: for tests, rehearsals and test networks.
        Amounts are in its own decimals. It trusts nobody and protects nothing.
@custom:security Never to be listed where anything is worth something.
@custom:kill Nothing to switch off.
"""


# --------------------------------------------------------------------- imports


from ethereum.ercs import IERC20

implements: IERC20


# ------------------------------------------------------------------ immutables


decimals: public(immutable(uint8))


# --------------------------------------------------------------------- storage


name: public(String[50])
symbol: public(String[20])
totalSupply: public(uint256)  # [token]
balanceOf: public(HashMap[address, uint256])  # [token]
allowance: public(HashMap[address, HashMap[address, uint256]])  # [token]


# ----------------------------------------------------------------- constructor


@deploy
def __init__(name: String[50], symbol: String[20], decimals_: uint8):
    self.name = name
    self.symbol = symbol
    decimals = decimals_


# -------------------------------------------------------------------- external


@external
def mint(to: address, amount: uint256):
    """
    @notice Anyone: tokens out of nothing.
    @param to Who gets them.
    @param amount How many [token].
    """
    self.totalSupply += amount
    self.balanceOf[to] += amount
    log IERC20.Transfer(sender=empty(address), receiver=to, value=amount)


@external
def transfer(to: address, amount: uint256) -> bool:
    """
    @notice Move the caller's tokens.
    @param to Who gets them.
    @param amount How many [token].
    """
    self._move(msg.sender, to, amount)
    return True


@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    """
    @notice Move another's tokens, within what he allowed the caller.
    @param owner Whose they are.
    @param to Who gets them.
    @param amount How many [token].
    """
    if self.allowance[owner][msg.sender] != max_value(uint256):
        self.allowance[owner][msg.sender] -= amount
    self._move(owner, to, amount)
    return True


@external
def approve(spender: address, amount: uint256) -> bool:
    """
    @notice Allow another to move the caller's tokens.
    @param spender Who may.
    @param amount How many [token]; the maximum is without end.
    """
    self.allowance[msg.sender][spender] = amount
    log IERC20.Approval(owner=msg.sender, spender=spender, value=amount)
    return True


# -------------------------------------------------------------------- internal


@internal
def _move(owner: address, to: address, amount: uint256):
    """
    @notice Move tokens; reverts where they are not there.
    """
    self.balanceOf[owner] -= amount
    self.balanceOf[to] += amount
    log IERC20.Transfer(sender=owner, receiver=to, value=amount)

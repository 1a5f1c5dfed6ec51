# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title MockOddToken
@notice An ERC-20 with every bad habit seen on chain, each behind a switch: a fee on
        transfer, a balance that is rebased, `false` instead of a revert, no answer
        at all, an answer of two words, a pause, a block list, and a hook that calls
        out in the middle of a transfer. With all off it is a plain token.
        Amounts are in its own decimals, the fee in ppm.
@custom:security No re-entrancy lock and open to all, on purpose: for tests alone.
@custom:kill Nothing to switch off.
"""


# ------------------------------------------------------------------- constants


PPM: constant(uint256) = 10**6

# What a transfer answers once it has moved the tokens, zero being true; REFUSAL and THROW move none.
NOTHING: constant(uint256) = 1
REFUSAL: constant(uint256) = 2
TWO_WORDS: constant(uint256) = 3
THROW: constant(uint256) = 4


# ------------------------------------------------------------------ immutables


decimals: public(immutable(uint8))


# --------------------------------------------------------------------- storage


name: public(String[50])
symbol: public(String[20])
totalSupply: public(uint256)  # [token]
allowance: public(HashMap[address, HashMap[address, uint256]])  # [token]
balances: HashMap[address, uint256]  # [token] before the rebase

fee: public(uint256)  # [ppm] of a transfer that is burnt
rebase: public(uint256)  # [ppm] of a balance that shows
answer: uint256
paused: public(bool)
blocked: public(HashMap[address, bool])
hook: public(address)  # called within each transfer; zero: none
hook_data: public(Bytes[1024])
hook_worked: public(bool)  # of the last call
hook_error: public(Bytes[256])  # what it reverted with


# ---------------------------------------------------------------------- events


event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    value: uint256


# ----------------------------------------------------------------- constructor


@deploy
def __init__(name: String[50], symbol: String[20], decimals_: uint8):
    self.name = name
    self.symbol = symbol
    self.rebase = PPM
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
    self.balances[to] += amount


@external
def set_fee(fee: uint256):
    """
    @notice Burn this much of each transfer.
    @param fee [ppm]
    """
    self.fee = fee


@external
def set_rebase(rebase: uint256):
    """
    @notice Show each balance as this much of what it was.
    @param rebase [ppm]
    """
    self.rebase = rebase


@external
def set_answer(answer: uint256):
    """
    @notice What a transfer answers.
    @param answer 0 true, 1 nothing, 2 false, 3 two words, 4 reverts.
    """
    assert answer <= THROW, "token: no such answer"
    self.answer = answer


@external
def set_paused(paused: bool):
    """
    @notice Stop all transfers.
    @param paused Whether.
    """
    self.paused = paused


@external
def set_blocked(who: address, blocked: bool):
    """
    @notice Stop transfers from and to one address.
    @param who The address.
    @param blocked Whether.
    """
    self.blocked[who] = blocked


@external
def set_hook(target: address, data: Bytes[1024]):
    """
    @notice Call this within each transfer; a failure is recorded, not passed on.
    @param target Zero for none.
    @param data The call.
    """
    self.hook = target
    self.hook_data = data


@external
def approve(spender: address, amount: uint256) -> bool:
    """
    @notice Allow another to move the caller's tokens.
    @param spender Who may.
    @param amount How many [token].
    """
    self.allowance[msg.sender][spender] = amount
    return True


@external
@raw_return
def transfer(to: address, amount: uint256) -> Bytes[64]:
    """
    @notice Move the caller's tokens, or do as the switches say.
    @param to Who gets them.
    @param amount How many [token].
    """
    return self._move(msg.sender, to, amount)


@external
@raw_return
def transferFrom(owner: address, to: address, amount: uint256) -> Bytes[64]:
    """
    @notice Move another's tokens, or do as the switches say.
    @param owner Whose they are.
    @param to Who gets them.
    @param amount How many [token].
    """
    if self.answer != REFUSAL:
        self.allowance[owner][msg.sender] -= amount
    return self._move(owner, to, amount)


@external
@view
def balanceOf(who: address) -> uint256:
    """
    @notice A balance, rebased [token].
    @param who Whose.
    """
    return self.balances[who] * self.rebase // PPM


# -------------------------------------------------------------------- internal


@internal
def _move(owner: address, to: address, amount: uint256) -> Bytes[64]:
    """
    @notice Move tokens with the habits that are switched on, and answer.
    """
    assert self.answer != THROW, "token: refused"
    assert not self.paused, "token: paused"
    assert not self.blocked[owner] and not self.blocked[to], "token: blocked"
    if self.answer == REFUSAL:
        return abi_encode(False)
    burnt: uint256 = amount * self.fee // PPM
    self.balances[owner] -= amount
    self.balances[to] += amount - burnt
    self.totalSupply -= burnt
    log Transfer(sender=owner, receiver=to, value=amount - burnt)
    if self.hook != empty(address):
        self.hook_worked, self.hook_error = raw_call(
            self.hook, self.hook_data, max_outsize=256, revert_on_failure=False
        )
    if self.answer == NOTHING:
        return b""
    if self.answer == TWO_WORDS:
        return abi_encode(True, True)
    return abi_encode(True)

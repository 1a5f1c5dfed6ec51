# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
"""
@title What owners of accounts and of shares can rely on
@notice Nobody else gives their rights away, what they set is what is read, and
        nothing is made or lost when it is moved or spent.
"""


from . import cheats


# ------------------------------------------------------------------ interfaces


interface Mandates:
    def may_act(account: uint256, who: address, right: uint256) -> bool: view
    def delegate(account: uint256, who: address) -> (uint256, uint256): view
    def allowance(account: uint256, venue: address) -> (uint256, uint256, uint128, uint128): view


interface Fund:
    def totalSupply() -> uint256: view
    def balanceOf(owner: address) -> uint256: view
    def allowance(owner: address, spender: address) -> uint256: view
    def requested(owner: address) -> (uint256, uint256, uint256): view


# ------------------------------------------------------------------- constants


ALLOW: constant(uint256) = 16
ALL: constant(uint256) = 63
ENDLESS_TIME: constant(uint256) = 2**64 - 1
ENDLESS_BUDGET: constant(uint256) = 2**192 - 1
MANDATES: constant(Mandates) = Mandates(cheats.TARGET)
FUND: constant(Fund) = Fund(cheats.TARGET)


# -------------------------------------------------------------------- internal


@internal
def _begin(name: String[32]):
    cheats._stand(name, cheats.TARGET)
    cheats._warp(cheats._bits(40, "time"))


# ---------------------------------------------------------------------- checks


@external
def check_owners():
    """
    @notice Another than the owner of an account, or a delegate with ALLOW, sets
            nothing of what it mandates. Every setter names the account first.
    """
    self._begin("Mandates")
    who: address = cheats._address("caller")
    data: Bytes[6_000] = cheats._calldata("Mandates")
    account: uint256 = convert(extract32(data, 4), uint256)
    cheats._assume(account >> 96 != convert(who, uint256))
    cheats._assume(not staticcall MANDATES.may_act(account, who, ALLOW))
    cheats._holds(not cheats._try(who, cheats.TARGET, data))


@external
def check_delegate():
    """
    @notice What is packed into a word is what comes out of it.
    """
    self._begin("Mandates")
    account: uint256 = cheats._uint("account")
    who: address = cheats._address("delegate")
    rights: uint256 = cheats._uint("rights")
    expires: uint256 = cheats._uint("expires")
    data: Bytes[6_000] = abi_encode(
        account, who, rights, expires, method_id=method_id("set_delegate(uint256,address,uint256,uint256)")
    )
    if not cheats._try(cheats._address("caller"), cheats.TARGET, data):
        return
    found: (uint256, uint256) = staticcall MANDATES.delegate(account, who)
    cheats._holds(rights <= ALL and found[0] == rights)
    if rights == 0:
        cheats._holds(found[1] == 0)
    elif expires >= ENDLESS_TIME:
        cheats._holds(found[1] == max_value(uint256))
    else:
        cheats._holds(found[1] == expires)


@external
def check_allowance():
    self._begin("Mandates")
    account: uint256 = cheats._uint("account")
    venue: address = cheats._address("venue")
    expires: uint256 = cheats._uint("expires")
    budget: uint256 = cheats._uint("budget")
    mask: uint128 = convert(cheats._bits(128, "mask"), uint128)
    base: uint128 = convert(cheats._bits(128, "base"), uint128)
    data: Bytes[6_000] = abi_encode(
        account,
        venue,
        expires,
        budget,
        mask,
        base,
        method_id=method_id("set_allowance(uint256,address,uint256,uint256,uint128,uint128)"),
    )
    if not cheats._try(cheats._address("caller"), cheats.TARGET, data):
        return
    found: (uint256, uint256, uint128, uint128) = staticcall MANDATES.allowance(account, venue)
    cheats._holds(found[0] == (max_value(uint256) if expires >= ENDLESS_TIME else expires))
    cheats._holds(found[1] == (max_value(uint256) if budget >= ENDLESS_BUDGET else budget))
    cheats._holds(found[2] == mask and found[3] == base and base & mask == base)


@external
def check_spend():
    """
    @notice A venue's budget falls by the loss, to the unit, and never under zero.
    """
    self._begin("Mandates")
    account: uint256 = cheats._uint("account")
    venue: address = cheats._address("venue")
    loss: uint256 = cheats._uint("loss")
    instrument: uint128 = convert(cheats._bits(128, "instrument"), uint128)
    before: (uint256, uint256, uint128, uint128) = staticcall MANDATES.allowance(account, venue)
    data: Bytes[6_000] = abi_encode(
        account, venue, instrument, loss, method_id=method_id("spend(uint256,address,uint128,uint256)")
    )
    if not cheats._try(cheats._address("caller"), cheats.TARGET, data):
        return
    after: (uint256, uint256, uint128, uint128) = staticcall MANDATES.allowance(account, venue)
    cheats._holds(after[0] == before[0] and after[2] == before[2] and after[3] == before[3])
    if before[1] == max_value(uint256):
        cheats._holds(after[1] == before[1])
    else:
        cheats._holds(loss <= before[1] and after[1] == unsafe_sub(before[1], loss))


@external
def check_request():
    """
    @notice Shares that are requested move to the fund, to the unit; none is made.
    """
    self._begin("InsuranceFund")
    who: address = cheats._address("caller")
    cheats._assume(who != cheats.TARGET)
    supply: uint256 = staticcall FUND.totalSupply()
    own: uint256 = staticcall FUND.balanceOf(who)
    held: uint256 = staticcall FUND.balanceOf(cheats.TARGET)
    asked: uint256 = (staticcall FUND.requested(who))[0]
    shares: uint256 = cheats._uint("shares")
    if not cheats._try(who, cheats.TARGET, abi_encode(shares, method_id=method_id("request(uint256)"))):
        return
    cheats._holds(shares <= own and staticcall FUND.balanceOf(who) == unsafe_sub(own, shares))
    cheats._holds(staticcall FUND.balanceOf(cheats.TARGET) == unsafe_add(held, shares))
    cheats._holds((staticcall FUND.requested(who))[0] == unsafe_add(asked, shares))
    cheats._holds(staticcall FUND.totalSupply() == supply)


@external
def check_transfer():
    """
    @notice What one loses another gets, and nobody else; with an allowance that
            was there.
    """
    self._begin("InsuranceFund")
    owner: address = cheats._address("owner")
    to: address = cheats._address("to")
    amount: uint256 = cheats._uint("amount")
    supply: uint256 = staticcall FUND.totalSupply()
    before: uint256 = staticcall FUND.balanceOf(owner)
    before_to: uint256 = staticcall FUND.balanceOf(to)
    who: address = cheats._address("caller")
    allowed: uint256 = staticcall FUND.allowance(owner, who)
    data: Bytes[6_000] = abi_encode(owner, to, amount, method_id=method_id("transferFrom(address,address,uint256)"))
    if not cheats._try(who, cheats.TARGET, data):
        return
    cheats._holds(amount <= before and amount <= allowed)
    if owner != to:
        cheats._holds(
            staticcall FUND.balanceOf(owner) == unsafe_sub(before, amount)
            and staticcall FUND.balanceOf(to) == unsafe_add(before_to, amount)
        )
    else:
        cheats._holds(staticcall FUND.balanceOf(owner) == before)
    cheats._holds(staticcall FUND.totalSupply() == supply)

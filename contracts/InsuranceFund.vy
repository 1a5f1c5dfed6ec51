# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma evm-version cancun
# pragma nonreentrancy on
"""
@title Insurance fund: earns the fees, pays the shortfalls
@license GNU Affero General Public License v3.0 only
@notice An ERC-4626 vault over the quote token. Who deposits takes part in the
        fees and in the losses. Leaving takes a request, a cool-down, and a claim
        within a window; requested shares lie in the fund, cannot be moved, and
        bear losses until they are redeemed:

            request |---- cool-down ----|---- claim window ----| lapsed
                    locked, at risk      redeem or withdraw      locked, at risk

        A claim that lapsed needs a new request. The liquidator alone takes
        payments, within a cap an event and a cap an underlying, whose use
        drains over a week; less is paid where there is less. Income, that is
        fees and whatever is sent here, counts from `collect` on and drips in
        over a week: who deposits right before it earns for the time he is at
        risk, no more. A loss takes first what has not dripped in.
        Units: tokens and shares in their own decimals (shares have six more),
        caps and payments [wad], time [s]. All rounds for the fund.
        Roles: owner sets caps and times, within bounds; he cannot touch tokens,
        shares, or a request under way. Trusts the Clearinghouse, its quote token
        and, within the caps, the Liquidator.
@custom:security Assets are counted, not read off a balance, and 10**6 shares and
        one unit are virtual: no donation moves the price at once, and one that
        is collected is shared with the virtual shares. One coin is never paid
        out: a fund emptied to nothing could not be refilled. Who staggers
        requests over several addresses always has a part in its window.
        The quote token must move what it is asked to, and never rebase.
@custom:kill Caps of zero stop payments. Nothing stops withdrawals.
"""


# --------------------------------------------------------------------- imports


from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed
from ethereum.ercs import IERC4626

from snekmate.auth import ownable_2step
from snekmate.auth import ownable
from snekmate.tokens import erc20

from interfaces import IInsuranceFund

from modules import fixed

implements: IERC20
implements: IERC20Detailed
implements: IERC4626
implements: IInsuranceFund

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: erc20[ownable := ownable]

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
    erc20.totalSupply,
    erc20.balanceOf,
    erc20.approve,
    erc20.allowance,
    erc20.name,
    erc20.symbol,
    erc20.decimals,
)


# As much of the book as the fund needs.
interface Book:
    def quote() -> address: view
    def ledger(account: uint256) -> (int256, int256): view
    def deposit(account: uint256, token: address, amount: uint256): nonpayable
    def withdraw(account: uint256, token: address, amount: uint256, to: address): nonpayable


# ------------------------------------------------------------------- constants


DAY: constant(uint256) = 86_400  # [s]
OFFSET: constant(uint8) = 6  # [digits] shares are finer than tokens by so many
VIRTUAL: constant(uint256) = 10**6  # [share] that nobody has
# Shares times assets stay under 10**75, and so under 2**256. A fund that lost all but one coin and is filled to V coins
# has its shares multiplied by V: this allows that several times over.
MAX_SHARES: constant(uint256) = 10**48
DRIP: constant(uint256) = 7 * DAY  # [s] until income has come in: no shorter than the cool-down one waits by default
DRAIN: constant(uint256) = 7 * DAY  # [s] until a full cap of an underlying is free again
MAX_CAP: constant(uint256) = 10**27  # [wad] as much as an account can be paid; zero stops payments
MIN_COOLDOWN: constant(uint256) = DAY  # [s] a liquidation that is foreseen must not be dodged
MAX_COOLDOWN: constant(uint256) = 30 * DAY  # [s] money must not be held hostage
MIN_CLAIM: constant(uint256) = DAY  # [s] a claim must be makeable
MAX_CLAIM: constant(uint256) = 14 * DAY  # [s] a claim is an option to leave: it must end


# ------------------------------------------------------------------ immutables


BOOK: immutable(Book)
LIQUIDATOR: immutable(address)
QUOTE: immutable(IERC20)
SCALE: immutable(uint256)  # [wad] per unit of the quote token
MAX_ASSETS: immutable(uint256)  # [token]
RESERVE: immutable(uint256)  # [token] one coin, never paid out


# --------------------------------------------------------------------- structs


struct Request:
    shares: uint256
    opens: uint256  # [s] from when they can be redeemed
    closes: uint256  # [s] until when, inclusive


struct Income:
    locked: uint256  # [token] at `since`, of what is held
    since: uint256  # [s]
    until: uint256  # [s] when nothing is locked any more


struct Bucket:
    spent: uint256  # [wad] at `since`
    since: uint256  # [s]


# --------------------------------------------------------------------- storage


_held: uint256  # [token] that the fund counts as its own
_income: Income
_requests: HashMap[address, Request]
_buckets: HashMap[uint16, Bucket]
event_cap: public(uint256)  # [wad] paid for one event
underlying_cap: public(uint256)  # [wad] paid for one underlying, drains over a week
cooldown: public(uint256)  # [s]
claim_window: public(uint256)  # [s]


# ---------------------------------------------------------------------- events


event Requested:
    owner: indexed(address)
    shares: uint256
    total: uint256
    opens: uint256
    closes: uint256


event RequestCancelled:
    owner: indexed(address)
    shares: uint256


event Paid:
    bidder: indexed(uint256)
    underlying: indexed(uint16)
    amount: uint256
    paid: uint256
    spent: uint256


event Collected:
    amount: uint256
    locked: uint256
    until: uint256


event CapsSet:
    old_event_cap: uint256
    event_cap: uint256
    old_underlying_cap: uint256
    underlying_cap: uint256


event CooldownSet:
    old_cooldown: uint256
    cooldown: uint256
    old_claim_window: uint256
    claim_window: uint256


# ----------------------------------------------------------------- constructor


@deploy
def __init__(book: address, liquidator: address):
    """
    @notice The deployer owns the configuration.
    @param book Clearinghouse: names the quote token, holds fees, takes payments.
    @param liquidator Who may take payments, for good.
    """
    assert book != empty(address) and liquidator != empty(address), "fund: zero address"
    quote: address = staticcall Book(book).quote()
    decimals: uint8 = staticcall IERC20Detailed(quote).decimals()
    assert decimals <= 18, "fund: decimals over 18"
    ownable.__init__()
    ownable_2step.__init__()
    erc20.__init__("Plimsoll Insurance Fund", "PIF", decimals + OFFSET, "Plimsoll Insurance Fund", "1")
    BOOK = Book(book)
    LIQUIDATOR = liquidator
    QUOTE = IERC20(quote)
    SCALE = 10**convert(18 - decimals, uint256)
    MAX_ASSETS = fixed._mul_div_down(fixed.MAX_QUANTITY, 1, SCALE)
    RESERVE = 10**convert(decimals, uint256)
    self._set_caps(100_000 * fixed.WAD, 500_000 * fixed.WAD)
    self._set_cooldown(7 * DAY, 2 * DAY)


# --------------------------------------------------------- external: governance


@external
def set_caps(event_cap: uint256, underlying_cap: uint256):
    """
    @notice Owner: the most that is paid for one event, and for one underlying
            [wad]; what was paid for it drains, a full cap within a week.
    """
    ownable._check_owner()
    self._set_caps(event_cap, underlying_cap)


@external
def set_cooldown(cooldown: uint256, claim_window: uint256):
    """
    @notice Owner: how long requested shares wait, and how long they can be
            claimed then [s]. Requests under way keep the times they began with.
    """
    ownable._check_owner()
    self._set_cooldown(cooldown, claim_window)


# ---------------------------------------------------------- external: the money


@external
def pay(bidder: uint256, underlying: uint16, event_paid: uint256, amount: uint256) -> uint256:
    """
    @notice Liquidator: pays into a bidder's account of the book. Never refuses
            for want of money: what is not there, or over a cap, is not paid.
    @param bidder Account.
    @param underlying Whose cap it counts against.
    @param event_paid What was paid for this event before [wad].
    @param amount Wanted [wad].
    @return Paid [wad]: whole token units, rounded down.
    """
    assert msg.sender == LIQUIDATOR, "fund: not the liquidator"
    units: uint256 = fixed._mul_div_down(min(amount, self._available(underlying, event_paid)), 1, SCALE)
    if units == 0:
        return 0
    paid: uint256 = units * SCALE
    spent: uint256 = self._spent(underlying) + paid
    self._buckets[underlying] = Bucket(spent=spent, since=block.timestamp)
    locked: uint256 = self._locked()
    self._income.locked = locked - min(locked, units)
    self._income.since = min(block.timestamp, self._income.until)
    self._held -= units
    log Paid(bidder=bidder, underlying=underlying, amount=amount, paid=paid, spent=spent)
    before: uint256 = staticcall QUOTE.balanceOf(self)
    # no more than this payment: the book has no standing allowance
    assert extcall QUOTE.approve(BOOK.address, units, default_return_value=True), "fund: vault moved another amount"
    extcall BOOK.deposit(bidder, QUOTE.address, units)
    assert staticcall QUOTE.balanceOf(self) == before - units, "fund: vault moved another amount"
    return paid


@external
def collect(most: uint256 = max_value(uint256)) -> uint256:
    """
    @notice Anyone: brings in the cash of the fund's account of the book, as far
            as the book has the tokens, and whatever was sent here. It drips in
            over a week; with what still drips, over the mean of both times
            weighted by amount, so that dust holds nothing up. What the book
            owes in `linear` comes to cash by its `settle`, interest by `claim`.
    @param most To take from the book [token]: its outflow cap may be lower than
           all that is there.
    @return Brought in [token].
    """
    room: uint256 = MAX_ASSETS - self._held
    account: uint256 = convert(self, uint256) << 96
    cash: int256 = 0
    linear: int256 = 0
    cash, linear = staticcall BOOK.ledger(account)
    if cash > 0:
        due: uint256 = fixed._mul_div_down(convert(cash, uint256), 1, SCALE)
        amount: uint256 = min(min(min(due, most), staticcall QUOTE.balanceOf(BOOK.address)), room)
        if amount > 0:
            extcall BOOK.withdraw(account, QUOTE.address, amount, self)
    balance: uint256 = staticcall QUOTE.balanceOf(self)
    if balance <= self._held or room == 0:
        return 0
    income: uint256 = min(balance - self._held, room)
    locked: uint256 = self._locked()
    left: uint256 = self._income.until - block.timestamp if locked > 0 else 0
    # the later of two roundings: up, so that nothing comes in early
    wait: uint256 = fixed._div_up(locked * left + income * DRIP, locked + income)
    self._held += income
    self._income = Income(locked=locked + income, since=block.timestamp, until=block.timestamp + wait)
    log Collected(amount=income, locked=locked + income, until=block.timestamp + wait)
    return income


@external
def deposit(assets: uint256, receiver: address) -> uint256:
    """
    @notice Brings in `assets` [token] for shares, rounded down.
    """
    self._check_receiver(receiver)
    assert assets <= self._max_deposit(), "fund: over the maximum"
    shares: uint256 = self._shares_down(assets)
    assert shares > 0, "fund: zero shares"
    self._deposit(receiver, assets, shares)
    return shares


@external
def mint(shares: uint256, receiver: address) -> uint256:
    """
    @notice Makes `shares` for assets [token], rounded up.
    """
    self._check_receiver(receiver)
    assert shares <= self._max_mint(), "fund: over the maximum"
    assert shares > 0, "fund: zero shares"
    assets: uint256 = self._assets_up(shares)
    self._deposit(receiver, assets, shares)
    return assets


@external
def request(shares: uint256):
    """
    @notice Locks shares of the caller to be redeemed after the cool-down. With
            shares requested before, the cool-down of all begins anew.
    """
    assert shares > 0, "fund: zero shares"
    erc20._transfer(msg.sender, self, shares)
    total: uint256 = self._requests[msg.sender].shares + shares
    opens: uint256 = block.timestamp + self.cooldown
    closes: uint256 = opens + self.claim_window
    self._requests[msg.sender] = Request(shares=total, opens=opens, closes=closes)
    log Requested(owner=msg.sender, shares=shares, total=total, opens=opens, closes=closes)


@external
def cancel_request():
    """
    @notice Gives the caller the shares back that are still requested.
    """
    shares: uint256 = self._requests[msg.sender].shares
    assert shares > 0, "fund: no request"
    self._requests[msg.sender] = empty(Request)
    erc20._transfer(self, msg.sender, shares)
    log RequestCancelled(owner=msg.sender, shares=shares)


@external
def withdraw(assets: uint256, receiver: address, owner: address) -> uint256:
    """
    @notice Takes `assets` [token] out for requested shares in their window,
            rounded up. Another than their owner needs his allowance.
    """
    self._check_receiver(receiver)
    assert assets > 0, "fund: zero amount"
    assert assets <= self._assets_down(self._claimable(owner)), "fund: over the claim"
    shares: uint256 = self._shares_up(assets)
    self._withdraw(receiver, owner, assets, shares)
    return shares


@external
def redeem(shares: uint256, receiver: address, owner: address) -> uint256:
    """
    @notice Redeems requested shares in their window for assets [token], rounded
            down. Another than their owner needs his allowance.
    """
    self._check_receiver(receiver)
    assert shares > 0, "fund: zero shares"
    assert shares <= self._claimable(owner), "fund: over the claim"
    assets: uint256 = self._assets_down(shares)
    self._withdraw(receiver, owner, assets, shares)
    return assets


@external
def transfer(to: address, amount: uint256) -> bool:
    """
    @notice Moves shares of the caller that are not requested. The fund takes
            none but by request: they would be lost there.
    """
    assert to != self, "fund: receiver is the fund"
    erc20._transfer(msg.sender, to, amount)
    return True


@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    """
    @notice Moves shares of another, who allowed it, that are not requested.
    """
    assert to != self, "fund: receiver is the fund"
    erc20._spend_allowance(owner, msg.sender, amount)
    erc20._transfer(owner, to, amount)
    return True


# -------------------------------------------------------------- external: views


@external
@view
def cover() -> uint256:
    """
    @notice What could be paid if no cap stood against it [wad], income that
            still drips included.
    """
    return self._cover()


@external
@view
def available(underlying: uint16, event_paid: uint256) -> uint256:
    """
    @notice The most that `pay` would pay now [wad], but for whole token units.
    """
    return self._available(underlying, event_paid)


@external
@view
def spent(underlying: uint16) -> uint256:
    """
    @notice What of the cap of an underlying is used [wad].
    """
    return self._spent(underlying)


@external
@view
def requested(owner: address) -> (uint256, uint256, uint256):
    """
    @notice Shares requested, from when and until when they can be redeemed [s].
    """
    found: Request = self._requests[owner]
    return found.shares, found.opens, found.closes


@external
@view
def locked() -> uint256:
    """
    @notice Income that has not dripped in yet [token].
    """
    return self._locked()


@external
@view
def book() -> address:
    """
    @notice Clearinghouse.
    """
    return BOOK.address


@external
@view
def liquidator() -> address:
    """
    @notice Who takes payments.
    """
    return LIQUIDATOR


@external
@view
def asset() -> address:
    """
    @notice The quote token.
    """
    return QUOTE.address


@external
@view
def totalAssets() -> uint256:
    """
    @notice What the shares are worth together [token]: all the fund holds but
            income that still drips.
    """
    return self._assets()


@external
@view
def convertToShares(assets: uint256) -> uint256:
    """
    @notice Shares for assets [token], down.
    """
    return self._shares_down(assets)


@external
@view
def convertToAssets(shares: uint256) -> uint256:
    """
    @notice Assets [token] for shares, down.
    """
    return self._assets_down(shares)


@external
@view
def maxDeposit(receiver: address) -> uint256:
    """
    @notice The most that can be deposited for a receiver [token].
    """
    return self._max_deposit() if self._may_receive(receiver) else 0


@external
@view
def maxMint(receiver: address) -> uint256:
    """
    @notice The most shares that can be minted for a receiver.
    """
    return self._max_mint() if self._may_receive(receiver) else 0


@external
@view
def maxWithdraw(owner: address) -> uint256:
    """
    @notice What `owner` can take out now [token]: none outside of his window.
    """
    return self._assets_down(self._claimable(owner))


@external
@view
def maxRedeem(owner: address) -> uint256:
    """
    @notice Shares that `owner` can redeem now: none outside of his window.
    """
    return self._claimable(owner)


@external
@view
def previewDeposit(assets: uint256) -> uint256:
    """
    @notice Shares that a deposit gives, down.
    """
    return self._shares_down(assets)


@external
@view
def previewMint(shares: uint256) -> uint256:
    """
    @notice Assets [token] that a mint takes, up.
    """
    return self._assets_up(shares)


@external
@view
def previewWithdraw(assets: uint256) -> uint256:
    """
    @notice Shares that a withdrawal takes, up.
    """
    return self._shares_up(assets)


@external
@view
def previewRedeem(shares: uint256) -> uint256:
    """
    @notice Assets [token] that a redemption gives, down.
    """
    return self._assets_down(shares)


# ---------------------------------------------------------- internal: arithmetic


@internal
@view
def _locked() -> uint256:
    """
    @notice Income that has not dripped in yet [token], up: it comes in late
            rather than early.
    """
    income: Income = self._income
    if block.timestamp >= income.until:
        return 0
    # since <= now < until
    return fixed._mul_div_up(income.locked, income.until - block.timestamp, income.until - income.since)


@internal
@view
def _assets() -> uint256:
    """
    @notice What the shares are worth together [token].
    """
    return self._held - self._locked()


@internal
@view
def _shares_down(assets: uint256) -> uint256:
    """
    @notice Shares for assets, down: what a deposit gives.
    """
    return fixed._mul_div_down(assets, erc20.totalSupply + VIRTUAL, self._assets() + 1)


@internal
@view
def _shares_up(assets: uint256) -> uint256:
    """
    @notice Shares for assets, up: what a withdrawal takes.
    """
    return fixed._mul_div_up(assets, erc20.totalSupply + VIRTUAL, self._assets() + 1)


@internal
@view
def _assets_down(shares: uint256) -> uint256:
    """
    @notice Assets for shares, down: what a redemption gives. Never more than
            there is, as shares <= supply < supply + VIRTUAL.
    """
    return fixed._mul_div_down(shares, self._assets() + 1, erc20.totalSupply + VIRTUAL)


@internal
@view
def _assets_up(shares: uint256) -> uint256:
    """
    @notice Assets for shares, up: what a mint takes.
    """
    return fixed._mul_div_up(shares, self._assets() + 1, erc20.totalSupply + VIRTUAL)


@internal
@view
def _max_deposit() -> uint256:
    """
    @notice What fits under both maxima [token]; zero where it bought no share.
    """
    room: uint256 = min(MAX_ASSETS - self._held, self._assets_down(MAX_SHARES - erc20.totalSupply))
    return room if self._shares_down(room) > 0 else 0


@internal
@view
def _max_mint() -> uint256:
    """
    @notice Shares that fit under both maxima.
    """
    return min(MAX_SHARES - erc20.totalSupply, self._shares_down(MAX_ASSETS - self._held))


@internal
@view
def _claimable(owner: address) -> uint256:
    """
    @notice Shares of `owner` that are requested and in their window.
    """
    found: Request = self._requests[owner]
    if block.timestamp < found.opens or block.timestamp > found.closes:
        return 0
    return found.shares


@internal
@view
def _cover() -> uint256:
    """
    @notice What could be paid if no cap stood against it [wad].
    """
    # the balance is the less only where the token took some away
    held: uint256 = min(self._held, staticcall QUOTE.balanceOf(self))
    return (held - min(held, RESERVE)) * SCALE


@internal
@view
def _spent(underlying: uint16) -> uint256:
    """
    @notice What of the cap of an underlying is used [wad]; the drain rounds
            down: against paying more.
    """
    found: Bucket = self._buckets[underlying]
    drained: uint256 = fixed._mul_div_down(self.underlying_cap, block.timestamp - found.since, DRAIN)
    return found.spent - min(found.spent, drained)


@internal
@view
def _available(underlying: uint16, event_paid: uint256) -> uint256:
    """
    @notice The most that can be paid: under the event's cap, the underlying's,
            and what there is [wad].
    """
    of_event: uint256 = self.event_cap - min(self.event_cap, event_paid)
    of_underlying: uint256 = self.underlying_cap - min(self.underlying_cap, self._spent(underlying))
    return min(min(of_event, of_underlying), self._cover())


# --------------------------------------------------------------- internal: acts


@internal
@view
def _may_receive(receiver: address) -> bool:
    return receiver != empty(address) and receiver != self


@internal
@view
def _check_receiver(receiver: address):
    assert receiver != empty(address), "fund: zero address"
    assert receiver != self, "fund: receiver is the fund"


@internal
def _deposit(receiver: address, assets: uint256, shares: uint256):
    before: uint256 = staticcall QUOTE.balanceOf(self)
    assert extcall QUOTE.transferFrom(
        msg.sender, self, assets, default_return_value=True
    ), "fund: vault moved another amount"
    assert staticcall QUOTE.balanceOf(self) == before + assets, "fund: vault moved another amount"
    self._held += assets
    erc20._mint(receiver, shares)
    log IERC4626.Deposit(sender=msg.sender, owner=receiver, assets=assets, shares=shares)


@internal
def _withdraw(receiver: address, owner: address, assets: uint256, shares: uint256):
    """
    @notice Burns requested shares and sends their assets. MUST be called with no
            more shares than `_claimable(owner)`.
    """
    if msg.sender != owner:
        erc20._spend_allowance(owner, msg.sender, shares)
    self._requests[owner].shares -= shares
    erc20._burn(self, shares)
    self._held -= assets
    log IERC4626.Withdraw(sender=msg.sender, receiver=receiver, owner=owner, assets=assets, shares=shares)
    # shares may be worth nothing, and not every token moves nothing
    if assets > 0:
        before: uint256 = staticcall QUOTE.balanceOf(self)
        assert extcall QUOTE.transfer(receiver, assets, default_return_value=True), "fund: vault moved another amount"
        assert staticcall QUOTE.balanceOf(self) == before - assets, "fund: vault moved another amount"


@internal
def _set_caps(event_cap: uint256, underlying_cap: uint256):
    assert event_cap <= underlying_cap and underlying_cap <= MAX_CAP, "fund: caps out of range"
    log CapsSet(
        old_event_cap=self.event_cap,
        event_cap=event_cap,
        old_underlying_cap=self.underlying_cap,
        underlying_cap=underlying_cap,
    )
    self.event_cap = event_cap
    self.underlying_cap = underlying_cap


@internal
def _set_cooldown(cooldown: uint256, claim_window: uint256):
    assert (
        MIN_COOLDOWN <= cooldown
        and cooldown <= MAX_COOLDOWN
        and MIN_CLAIM <= claim_window
        and claim_window <= MAX_CLAIM
    ), "fund: cooldown out of range"
    log CooldownSet(
        old_cooldown=self.cooldown,
        cooldown=cooldown,
        old_claim_window=self.claim_window,
        claim_window=claim_window,
    )
    self.cooldown = cooldown
    self.claim_window = claim_window

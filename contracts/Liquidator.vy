# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma evm-version cancun
# pragma nonreentrancy on
"""
@title Margin calls and partial Dutch auctions
@license GNU Affero General Public License v3.0 only
@notice An account under its call line can be called: it has until a deadline to
        come back over it. One under maintenance margin, or whose call ran out,
        is auctioned: anyone takes a fraction of the whole account (positions,
        collateral, ledgers) and pays that fraction of its equity less a
        discount that grows with time. The fraction is capped at what brings the
        account back to initial margin, so liquidation is partial by
        construction. Nothing here reads an order book. What nobody acts on
        lapses: a call one call period after its deadline, an auction one ramp
        after its discount is whole; either can be opened again where it is
        due. A change of configuration touches neither that is under way.
        Units: money and fractions [wad], rates [ppm], time [s]. The payment
        rounds down and the discount up: against the account.
        Trusts the Clearinghouse, which moves the book and checks the bidder's
        initial margin. Anyone may call every function but `set_config`.
@custom:security Takes solvent accounts only: one whose equity is negative
        waits, on record, for what its owner or others bring.
@custom:kill None by design: liquidation cannot be switched off by hand.
"""


# --------------------------------------------------------------------- imports


from snekmate.auth import ownable_2step
from snekmate.auth import ownable

from interfaces import IClearinghouse
from interfaces import IRiskOracle

from modules import dutch_auction

initializes: ownable
initializes: ownable_2step[ownable := ownable]

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)


# ------------------------------------------------------------------- constants


MIN_CALL_PERIOD: constant(uint256) = 300  # [s] an owner needs time to see a call
MAX_CALL_PERIOD: constant(uint256) = 7 * 86_400  # [s]
MIN_RAMP: constant(uint256) = 60  # [s] bidders need time to compete
MAX_RAMP: constant(uint256) = 86_400  # [s]
MAX_START: constant(uint256) = 5 * 10**5  # [ppm] half of the discount at once, at most


# ------------------------------------------------------------------ immutables


BOOK: immutable(IClearinghouse)


# --------------------------------------------------------------------- storage


_auctions: HashMap[uint256, uint256]  # account -> start [s] u64 | ramp [s] u32 | start discount [ppm] u32
_calls: HashMap[uint256, uint256]  # account -> deadline [s] u64 | when it lapses [s] u64
call_period: public(uint256)  # [s]
ramp: public(uint256)  # [s] from the first discount to the last
start_discount: public(uint256)  # [ppm] of the last


# ---------------------------------------------------------------------- events


event Called:
    account: indexed(uint256)
    deadline: uint256


event Cured:
    account: indexed(uint256)


event AuctionStarted:
    account: indexed(uint256)
    equity: int256
    mm: uint256


event BidTaken:
    account: indexed(uint256)
    bidder: indexed(uint256)
    fraction: uint256
    payment: uint256
    discount: uint256


event AuctionClosed:
    account: indexed(uint256)


event ConfigSet:
    call_period: uint256
    ramp: uint256
    start_discount: uint256


# ----------------------------------------------------------------- constructor


@deploy
def __init__(book: address):
    """
    @notice The deployer owns the configuration.
    @param book Clearinghouse, which must name this contract its liquidator.
    """
    assert book != empty(address), "liquidator: zero address"
    ownable.__init__()
    ownable_2step.__init__()
    BOOK = IClearinghouse(book)
    self._set_config(3_600, 3_600, 50_000)


# -------------------------------------------------------------------- external


@external
def set_config(call_period: uint256, ramp: uint256, start_discount: uint256):
    """
    @notice Owner: how long a call lasts [s], how long the discount grows [s],
            and where it starts [ppm of its end].
    """
    ownable._check_owner()
    self._set_config(call_period, ramp, start_discount)


@external
def call(account: uint256):
    """
    @notice Anyone: calls an account that is under its call line and not under
            maintenance margin.
    """
    assert self._auction(account) == 0, "liquidator: already in auction"
    assert self._deadline(account) == 0, "liquidator: already called"
    found: IRiskOracle.Assessment = staticcall BOOK.margin(account)
    assert (
        found.equity_haircut >= convert(found.mm, int256)
        and found.equity_haircut < convert(found.call_line, int256)
        and found.equity_full >= 0
    ), "liquidator: not under the call line"
    deadline: uint256 = block.timestamp + self.call_period
    self._calls[account] = (deadline << 64) | (deadline + self.call_period)
    log Called(account=account, deadline=deadline)


@external
def cure(account: uint256):
    """
    @notice Anyone: ends the call of an account that is at or over its call line.
    """
    assert self._deadline(account) != 0, "liquidator: not called"
    found: IRiskOracle.Assessment = staticcall BOOK.margin(account)
    assert found.equity_haircut >= convert(found.call_line, int256), "liquidator: not curable"
    self._calls[account] = 0
    log Cured(account=account)


@external
def start(account: uint256):
    """
    @notice Anyone: opens the auction of an account under maintenance margin, or
            of one whose call ran out and that is still under its call line.
    """
    assert self._auction(account) == 0, "liquidator: already in auction"
    found: IRiskOracle.Assessment = staticcall BOOK.margin(account)
    deadline: uint256 = self._deadline(account)
    ran_out: bool = (
        deadline != 0 and block.timestamp > deadline and found.equity_haircut < convert(found.call_line, int256)
    )
    assert (
        ran_out or found.equity_haircut < convert(found.mm, int256) or found.equity_full < 0
    ), "liquidator: not liquidatable"
    self._calls[account] = 0
    self._auctions[account] = (block.timestamp << 64) | (self.ramp << 32) | self.start_discount
    log AuctionStarted(account=account, equity=found.equity_full, mm=found.mm)


@external
def bid(account: uint256, bidder: uint256, fraction: uint256, max_payment: uint256) -> (uint256, uint256):
    """
    @notice Takes a fraction of an account into the bidder's, which may be one
            that held nothing before.
    @param fraction Wanted [wad]; capped at what restores initial margin.
    @param max_payment The most the bidder pays [wad].
    @return Fraction taken, payment made [wad].
    """
    assert account != bidder, "liquidator: bidder is the account"
    assert staticcall BOOK.may_act(bidder, msg.sender), "liquidator: not the bidder's account"
    opened: uint256 = self._auction(account)
    assert opened != 0, "liquidator: no auction"
    assert fraction > 0, "liquidator: zero fraction"
    before: IRiskOracle.Assessment = staticcall BOOK.margin(account)
    assert before.equity_full >= 0, "liquidator: insolvent"
    assert before.equity_haircut < convert(before.im, int256), "liquidator: not liquidatable"
    taken: uint256 = 0
    payment: uint256 = 0
    discount: uint256 = 0
    taken, payment, discount = self._terms(before, opened, fraction)
    assert payment <= max_payment, "liquidator: payment over the bidder's limit"
    extcall BOOK.seize(account, bidder, taken, payment)
    log BidTaken(account=account, bidder=bidder, fraction=taken, payment=payment, discount=discount)
    after: IRiskOracle.Assessment = staticcall BOOK.margin(account)
    if after.equity_haircut >= convert(after.im, int256):
        self._close(account)
    return taken, payment


@external
def close(account: uint256):
    """
    @notice Anyone: ends the auction of an account at or over initial margin.
    """
    assert self._auction(account) != 0, "liquidator: no auction"
    found: IRiskOracle.Assessment = staticcall BOOK.margin(account)
    assert found.equity_haircut >= convert(found.im, int256), "liquidator: still below initial margin"
    self._close(account)


@external
@view
def quote(account: uint256, fraction: uint256) -> (uint256, uint256, uint256):
    """
    @notice What a bid of `fraction` would take, pay, and the discount now [wad].
            Zeros where there is no auction, nothing to restore, or no equity.
    """
    opened: uint256 = self._auction(account)
    if opened == 0:
        return 0, 0, 0
    found: IRiskOracle.Assessment = staticcall BOOK.margin(account)
    if found.equity_full < 0 or found.equity_haircut >= convert(found.im, int256):
        return 0, 0, 0
    return self._terms(found, opened, fraction)


@external
@view
def auction(account: uint256) -> uint256:
    """
    @notice When the auction of an account began [s]; zero where there is none,
            or it lapsed.
    """
    return self._auction(account) >> 64


@external
@view
def deadline(account: uint256) -> uint256:
    """
    @notice When the margin call of an account runs out [s]; zero where there is
            none, or it lapsed.
    """
    return self._deadline(account)


@external
@view
def clearinghouse() -> address:
    """
    @notice The book.
    """
    return BOOK.address


# -------------------------------------------------------------------- internal


@internal
def _set_config(call_period: uint256, ramp: uint256, start_discount: uint256):
    assert (
        MIN_CALL_PERIOD <= call_period
        and call_period <= MAX_CALL_PERIOD
        and MIN_RAMP <= ramp
        and ramp <= MAX_RAMP
        and start_discount <= MAX_START
    ), "liquidator: config out of range"
    self.call_period = call_period
    self.ramp = ramp
    self.start_discount = start_discount
    log ConfigSet(call_period=call_period, ramp=ramp, start_discount=start_discount)


@internal
@view
def _auction(account: uint256) -> uint256:
    """
    @notice The auction of an account: start | ramp | start discount; zero where
            there is none, or it lapsed.

        start |---- ramp ----|---- ramp ----| lapsed
              discount grows  discount whole
    """
    word: uint256 = self._auctions[account]
    if block.timestamp > (word >> 64) + 2 * ((word >> 32) & (2**32 - 1)):
        return 0
    return word


@internal
@view
def _deadline(account: uint256) -> uint256:
    """
    @notice The deadline of an account's call [s]; zero where there is none, or
            it lapsed.
    """
    word: uint256 = self._calls[account]
    if block.timestamp > word & (2**64 - 1):
        return 0
    return word >> 64


@internal
@view
def _terms(found: IRiskOracle.Assessment, opened: uint256, wanted: uint256) -> (uint256, uint256, uint256):
    """
    @notice Fraction, payment, discount of a bid on an account with 0 <= E_m and
            E_h < IM.
    """
    share: uint256 = dutch_auction._share(
        block.timestamp - (opened >> 64), (opened >> 32) & (2**32 - 1), opened & (2**32 - 1)
    )
    discount: uint256 = dutch_auction._discount(found.equity_full, found.equity_haircut, found.mm, share)
    cap: uint256 = dutch_auction._fraction(found.equity_full, found.equity_haircut, found.im, discount)
    fraction: uint256 = min(wanted, cap)
    return fraction, dutch_auction._payment(found.equity_full, discount, fraction), discount


@internal
def _close(account: uint256):
    self._auctions[account] = 0
    log AuctionClosed(account=account)

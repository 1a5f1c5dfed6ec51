# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma evm-version cancun
# pragma nonreentrancy on
"""
@title Margin calls, partial Dutch auctions, and losses to the last
@license GNU Affero General Public License v3.0 only
@notice No account is auctioned that was not called. One under its call line can
        be called, and has until a deadline to come back over it; one under
        maintenance margin has a shorter notice, of a minute at least, so that
        no report and no change of a parameter liquidates anybody by itself; one
        whose whole equity is negative has none, as no report can bring that
        about. Then anyone takes a fraction of the whole account (positions,
        collateral, ledgers) and pays that fraction of its equity less a
        discount that grows with time. The fraction is capped at what brings the
        account back to initial margin. Where equity is less than the discount,
        the insurance fund pays the bidder, growing with time; past its caps,
        and once the discount is whole, what the account owes is borne by all
        positive cash alike. What nobody acts on lapses: a call one call period
        after its deadline, an auction one ramp after its discount is whole.
        Both keep the configuration they began with.
        Units: money and fractions [wad], rates [ppm], time [s]. The payment
        rounds down and the discount up: against the account.
        Trusts the Clearinghouse, which moves the book and checks the bidder's
        initial margin, the Registry for when liquidations are stopped, and the
        IndexFeed for how long a rollup's outage holds them off: what began
        before either ended starts anew, at the first discount.
        Anyone may call every function but the setters.
@custom:security The fund pays no bidder of the account's own owner; who hides
        behind another address gains the bonus at most.
@custom:kill A stop of LIQUIDATION in the Registry, which ends by itself; calls,
        top-ups and cures go on.
"""


# --------------------------------------------------------------------- imports


from ethereum.ercs import IERC20Detailed

from snekmate.auth import ownable_2step
from snekmate.auth import ownable

from interfaces import IClearinghouse
from interfaces import IIndexFeed
from interfaces import IInsuranceFund
from interfaces import IMandates
from interfaces import IRegistry
from interfaces import IRiskOracle

from modules import dutch_auction
from modules import fixed
from modules import instruments
from modules import rights

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
MIN_URGENT_PERIOD: constant(uint256) = 60  # [s] no report liquidates by itself
MIN_RAMP: constant(uint256) = 60  # [s] bidders need time to compete
MAX_RAMP: constant(uint256) = 86_400  # [s]
MAX_START: constant(uint256) = 5 * 10**5  # [ppm] half of the discount at once, at most
MAX_BONUS: constant(uint256) = 10**5  # [ppm of MM] what the fund pays over the loss, at most
MAX_REST: constant(uint256) = 10**24  # [wad of MM] dust is not a million
MIN_FRACTION: constant(uint256) = 10**15  # [wad] a bid of dust only costs others gas
MAX_AMOUNT: constant(int256) = 10**40  # [wad] over any price: keeps products in range

MAX_POSITIONS: constant(uint256) = instruments.MAX_POSITIONS


# ------------------------------------------------------------------ immutables


BOOK: immutable(IClearinghouse)
FEED: immutable(IIndexFeed)
ORACLE: immutable(IRiskOracle)
REGISTRY: immutable(IRegistry)
MANDATES: immutable(IMandates)
QUOTE: immutable(address)
QUOTE_SCALE: immutable(uint256)  # [wad] per unit of the quote token


# --------------------------------------------------------------------- structs


struct Config:
    call_period: uint256  # [s] from a call to its deadline
    urgent_period: uint256  # [s] likewise, of an account under maintenance margin
    ramp: uint256  # [s] from the first discount to the last
    start_discount: uint256  # [ppm] of the last
    bonus: uint256  # [ppm of MM] what the fund pays a bidder over the loss
    min_rest: uint256  # [wad of MM] a smaller rest is taken along


# What a bid would do.
struct Offer:
    fraction: uint256  # [wad] taken
    cap: uint256  # [wad] the most that may be taken
    payment: uint256  # [wad] the bidder pays
    fee: uint256  # [wad] of it, the fund's
    discount: uint256  # [wad] for the whole account
    due: uint256  # [wad] owed to the bidder
    is_whole: bool  # whether the discount is


# --------------------------------------------------------------------- storage


_auctions: HashMap[uint256, uint256]  # account -> start [s] u64 | ramp [s] u32 | start discount [ppm] u32
_calls: HashMap[uint256, uint256]  # account -> ripe u64 | deadline u64 | lapses u64 [s]
_paid: HashMap[uint256, uint256]  # account -> what the fund paid in its auction [wad]
recorded: public(HashMap[uint256, uint256])  # account -> bad debt on record [wad]
bad_debt: public(uint256)  # [wad] sum of it
config: public(Config)
fund: public(IInsuranceFund)


# ---------------------------------------------------------------------- events


event Called:
    account: indexed(uint256)
    ripe: uint256
    deadline: uint256


event Cured:
    account: indexed(uint256)


event ToppedUp:
    account: indexed(uint256)
    token: indexed(address)
    amount: uint256
    by: address


event ReserveDrawn:
    account: indexed(uint256)
    reserve: indexed(uint256)
    amount: uint256


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
    fee: uint256


event ShortfallPaid:
    account: indexed(uint256)
    bidder: indexed(uint256)
    due: uint256
    fund: uint256
    socialised: uint256


event BadDebtRecorded:
    account: indexed(uint256)
    amount: uint256
    total: uint256


event AuctionClosed:
    account: indexed(uint256)


event ConfigSet:
    old: Config
    new: Config


event FundSet:
    fund: address


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
    FEED = IIndexFeed(staticcall BOOK.feed())
    ORACLE = IRiskOracle(staticcall BOOK.oracle())
    REGISTRY = IRegistry(staticcall BOOK.registry())
    MANDATES = IMandates(staticcall BOOK.mandates())
    QUOTE = staticcall BOOK.quote()
    QUOTE_SCALE = 10**convert(18 - staticcall IERC20Detailed(QUOTE).decimals(), uint256)
    self._set_config(
        Config(call_period=3_600, urgent_period=120, ramp=3_600, start_discount=50_000, bonus=20_000, min_rest=0)
    )


# --------------------------------------------------------- external: governance


@external
def set_config(config: Config):
    """
    @notice Owner: how long calls last, how the discount grows, what the fund
            adds, and what rest is too small to leave.
    """
    ownable._check_owner()
    self._set_config(config)


@external
def set_fund(fund: address):
    """
    @notice Owner, once: the InsuranceFund. Without one no bidder is paid but by
            what is socialised.
    """
    ownable._check_owner()
    assert fund != empty(address), "liquidator: zero address"
    assert self.fund.address == empty(address), "liquidator: fund is set"
    self.fund = IInsuranceFund(fund)
    log FundSet(fund=fund)


# --------------------------------------------------------------- external: calls


@external
def call(account: uint256):
    """
    @notice Anyone: calls an account that is under its call line.
    """
    assert self._auction(account) == 0, "liquidator: already in auction"
    assert self._called(account) == 0, "liquidator: already called"
    found: IRiskOracle.Assessment = staticcall BOOK.margin(account)
    assert (
        found.equity_haircut < convert(found.call_line, int256) and found.equity_full >= 0
    ), "liquidator: not under the call line"
    config: Config = self.config
    ripe: uint256 = block.timestamp + config.urgent_period
    deadline: uint256 = ripe
    if found.equity_haircut >= convert(found.mm, int256):
        deadline = block.timestamp + config.call_period
    self._calls[account] = (ripe << 128) | (deadline << 64) | (deadline + config.call_period)
    log Called(account=account, ripe=ripe, deadline=deadline)


@external
def cure(account: uint256):
    """
    @notice Anyone: ends the call of an account that is at or over its call line.
    """
    assert self._called(account) != 0, "liquidator: not called"
    found: IRiskOracle.Assessment = staticcall BOOK.margin(account)
    assert found.equity_haircut >= convert(found.call_line, int256), "liquidator: not curable"
    self._calls[account] = 0
    log Cured(account=account)


@external
def top_up(account: uint256, token: address, to: uint256) -> uint256:
    """
    @notice Anyone: brings tokens from the owner's wallet into a called account,
            as far as the owner authorised beforehand; of the quote token no
            more than brings it to initial margin, of another all that is left.
    @param to Account that the owner's bounty goes to: of the quote token only,
           a tenth of what was brought at most.
    @return How much was brought [token].
    """
    found: IRiskOracle.Assessment = self._weak(account)
    amount: uint256 = staticcall MANDATES.top_up(account, token)
    bounty: uint256 = 0
    if token == QUOTE:
        amount = min(amount, self._needed(found))
        if to != account and to >> 96 != 0:
            bounty = min(staticcall MANDATES.bounty(account, token), amount // 10) * QUOTE_SCALE
    assert amount > 0, "liquidator: nothing to bring"
    extcall BOOK.pull(account, token, amount, to, bounty)
    log ToppedUp(account=account, token=token, amount=amount, by=msg.sender)
    return amount


@external
def draw(account: uint256, amount: uint256):
    """
    @notice Anyone: brings quote from the reserve that a called account named,
            no more than brings it to initial margin. The reserve stays at or
            over its own.
    @param amount In the quote token's decimals.
    """
    found: IRiskOracle.Assessment = self._weak(account)
    reserve: uint256 = staticcall MANDATES.reserve(account)
    assert reserve != 0, "liquidator: no reserve"
    assert 0 < amount and amount <= self._needed(found), "liquidator: more than is needed"
    extcall BOOK.transfer(reserve, account, QUOTE, amount)
    log ReserveDrawn(account=account, reserve=reserve, amount=amount)


# ------------------------------------------------------------ external: auctions


@external
def start(account: uint256):
    """
    @notice Anyone: opens the auction of an account that was called and is under
            maintenance margin once its call is ripe, or under its call line
            past the deadline; of one whose last auction ran dry a call period
            ago at most; or of one whose whole equity is negative.
    """
    until: uint256 = self._check_running()
    # one that was stopped starts anew
    assert (self._auction(account) == 0 or self._auctions[account] >> 64 < until), "liquidator: already in auction"
    found: IRiskOracle.Assessment = staticcall BOOK.margin(account)
    is_under: bool = found.equity_haircut < convert(found.mm, int256)
    called: uint256 = self._called(account)
    late: bool = (
        called != 0
        and block.timestamp > (called >> 64) & (2**64 - 1)
        and found.equity_haircut < convert(found.call_line, int256)
    )
    last: uint256 = self._auctions[account]
    ripe: bool = (called != 0 and block.timestamp > called >> 128) or (
        last != 0 and block.timestamp <= self._end(last) + self.config.call_period
    )
    if found.equity_full >= 0 and not late:
        assert is_under, "liquidator: not liquidatable"
        assert ripe, "liquidator: call first"
    self._calls[account] = 0
    self._paid[account] = 0
    self._auctions[account] = (block.timestamp << 64) | (self.config.ramp << 32) | self.config.start_discount
    log AuctionStarted(account=account, equity=found.equity_full, mm=found.mm)
    self._record(account, found.equity_full)


@external
def bid(
    account: uint256,
    bidder: uint256,
    fraction: uint256,
    max_price: int256 = max_value(int256),
    max_mm: uint256 = max_value(uint256),
    state: bytes32 = empty(bytes32),
    source: uint256 = 0,
    amount: uint256 = 0,
) -> (uint256, uint256, uint256):
    """
    @notice Owner of the bidder's account, or delegate with BID: takes a fraction
            of an account into the bidder's, which may be one that held nothing
            before.
    @param fraction Wanted [wad]; capped at what restores initial margin.
    @param max_price The most the bidder pays for the whole account [wad], in
           proportion to what it gets; negative where the fund is to pay.
    @param max_mm The most maintenance margin the whole account may need [wad].
    @param state `fingerprint` of the account bid on; empty for any. A deposit
           of anybody changes it: limits are safer.
    @param source Account of the bidder's owner whose quote comes along first.
    @param amount How much of it, in the quote token's decimals.
    @return Fraction taken, payment made, and received [wad].
    """
    assert account != bidder, "liquidator: bidder is the account"
    assert staticcall MANDATES.may_act(bidder, msg.sender, rights.BID), "liquidator: not the bidder's account"
    opened: uint256 = self._auction(account)
    assert opened != 0, "liquidator: no auction"
    # its discount grew while nobody could bid
    assert opened >> 64 >= self._check_running(), "liquidator: auction was stopped"
    assert fraction > 0, "liquidator: zero fraction"
    if state != empty(bytes32):
        assert state == self._fingerprint(account), "liquidator: another state"
    if amount > 0:
        assert staticcall MANDATES.may_act(source, msg.sender, rights.TRANSFER), "liquidator: not the bidder's account"
        extcall BOOK.transfer(source, bidder, QUOTE, amount)
    before: IRiskOracle.Assessment = staticcall BOOK.margin(account)
    assert before.equity_haircut < convert(before.im, int256), "liquidator: not liquidatable"
    assert before.mm <= max_mm, "liquidator: margin over the bidder's limit"
    offer: Offer = self._offer(account, before, opened, fraction)
    assert offer.fraction >= min(offer.cap, MIN_FRACTION), "liquidator: fraction below the minimum"
    received: uint256 = 0
    if offer.due > 0 and account >> 96 != bidder >> 96:
        received = self._pay(account, bidder, before.equity_full, offer)
    assert convert(offer.payment, int256) - convert(received, int256) <= fixed._div_ceil(
        max(min(max_price, MAX_AMOUNT), -MAX_AMOUNT) * convert(offer.fraction, int256), 10**18
    ), "liquidator: price over the bidder's limit"
    extcall BOOK.seize(account, bidder, offer.fraction, offer.payment, offer.fee)
    log BidTaken(
        account=account,
        bidder=bidder,
        fraction=offer.fraction,
        payment=offer.payment,
        discount=offer.discount,
        fee=offer.fee,
    )
    if before.equity_full < 0 or self.recorded[account] > 0:
        # down in magnitude: what is left of the debt is what was not taken
        left: int256 = convert(fixed.WAD - offer.fraction, int256)
        self._record(account, fixed._div_floor(before.equity_full * left, 10**18))
    if offer.fraction == offer.cap:
        # back at initial margin but for rounding, or nothing is left
        self._close(account)
    return offer.fraction, offer.payment, received


@external
def close(account: uint256):
    """
    @notice Anyone: ends the auction of an account at or over initial margin.
    """
    assert self._auction(account) != 0, "liquidator: no auction"
    found: IRiskOracle.Assessment = staticcall BOOK.margin(account)
    assert found.equity_haircut >= convert(found.im, int256), "liquidator: still below initial margin"
    self._close(account)
    self._record(account, found.equity_full)


@external
def record(account: uint256):
    """
    @notice Anyone: puts the negative equity of an account on record, or takes
            off what is no longer.
    """
    found: IRiskOracle.Assessment = staticcall BOOK.margin(account)
    self._record(account, found.equity_full)


# -------------------------------------------------------------- external: views


@external
@view
def quote(account: uint256, fraction: uint256) -> (uint256, uint256, uint256, uint256):
    """
    @notice What a bid of `fraction` would take, pay, the discount now for the
            whole account, and what is owed to the bidder [wad]. Zeros where
            there is no auction, or nothing to restore.
    """
    opened: uint256 = self._auction(account)
    if opened == 0:
        return 0, 0, 0, 0
    found: IRiskOracle.Assessment = staticcall BOOK.margin(account)
    if found.equity_haircut >= convert(found.im, int256):
        return 0, 0, 0, 0
    offer: Offer = self._offer(account, found, opened, fraction)
    return offer.fraction, offer.payment, offer.discount, offer.due


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
    return (self._called(account) >> 64) & (2**64 - 1)


@external
@view
def ripe(account: uint256) -> uint256:
    """
    @notice From when on the auction of a called account can begin where it is
            under maintenance margin [s]; zero where it is not called.
    """
    return self._called(account) >> 128


@external
@view
def fingerprint(account: uint256) -> bytes32:
    """
    @notice Hash of an account's positions and ledgers, for bids on this state
            alone.
    """
    return self._fingerprint(account)


@external
@view
def clearinghouse() -> address:
    """
    @notice The book.
    """
    return BOOK.address


# -------------------------------------------------------------------- internal


@internal
def _set_config(config: Config):
    assert (
        MIN_CALL_PERIOD <= config.call_period
        and config.call_period <= MAX_CALL_PERIOD
        and MIN_URGENT_PERIOD <= config.urgent_period
        and config.urgent_period <= config.call_period
        and MIN_RAMP <= config.ramp
        and config.ramp <= MAX_RAMP
        and config.start_discount <= MAX_START
        and config.bonus <= MAX_BONUS
        and config.min_rest <= MAX_REST
    ), "liquidator: config out of range"
    log ConfigSet(old=self.config, new=config)
    self.config = config


@internal
@view
def _check_running() -> uint256:
    """
    @notice Refuses while liquidations are stopped, and in the grace after an
            outage of a rollup's sequencer, in which owners could not act. Of
            accounts whose equity is negative too: they have no notice because
            no report brings that about, but an outage does.
    @return Until when either last was [s].
    """
    until: uint256 = staticcall REGISTRY.stops() >> 128
    assert block.timestamp >= until, "liquidator: liquidations are stopped"
    outage: uint256 = staticcall FEED.grace_until()
    assert block.timestamp >= outage, "liquidator: in the grace after an outage"
    return max(until, outage)


@internal
@pure
def _end(auction: uint256) -> uint256:
    """
    @notice When an auction lapses [s].

        start |---- ramp ----|---- ramp ----| lapsed
              discount grows  discount whole
    """
    return (auction >> 64) + 2 * ((auction >> 32) & (2**32 - 1))


@internal
@view
def _auction(account: uint256) -> uint256:
    """
    @notice The auction of an account: start | ramp | start discount; zero where
            there is none, or it lapsed.
    """
    word: uint256 = self._auctions[account]
    if block.timestamp > self._end(word):
        return 0
    return word


@internal
@view
def _called(account: uint256) -> uint256:
    """
    @notice The call of an account: ripe | deadline | lapses; zero where there
            is none, or it lapsed.
    """
    word: uint256 = self._calls[account]
    if block.timestamp > word & (2**64 - 1):
        return 0
    return word


@internal
@view
def _weak(account: uint256) -> IRiskOracle.Assessment:
    """
    @notice Margin of an account that is called or in auction.
    """
    assert self._called(account) != 0 or self._auction(account) != 0, "liquidator: not called"
    return staticcall BOOK.margin(account)


@internal
@view
def _needed(found: IRiskOracle.Assessment) -> uint256:
    """
    @notice Quote that brings an account to initial margin [token], up.
    """
    missing: int256 = convert(found.im, int256) - found.equity_haircut
    if missing <= 0:
        return 0
    return fixed._div_up(convert(missing, uint256), QUOTE_SCALE)


@internal
@view
def _fingerprint(account: uint256) -> bytes32:
    cash: int256 = 0
    linear: int256 = 0
    cash, linear = staticcall BOOK.ledger(account)
    return keccak256(abi_encode(staticcall BOOK.positions(account), cash, linear))


@internal
@view
def _offer(account: uint256, found: IRiskOracle.Assessment, opened: uint256, wanted: uint256) -> Offer:
    """
    @notice What a bid on an account with E_h < IM would do.
    """
    share: uint256 = dutch_auction._share(
        block.timestamp - (opened >> 64), (opened >> 32) & (2**32 - 1), opened & (2**32 - 1)
    )
    offer: Offer = empty(Offer)
    offer.is_whole = share == fixed.PPM
    offer.discount = dutch_auction._discount(found.equity_full, found.equity_haircut, found.mm, share)
    offer.cap = fixed.WAD
    price: uint256 = 0
    fee: uint256 = 0
    if found.equity_full > convert(offer.discount, int256):
        price = convert(found.equity_full, uint256) - offer.discount
        fee = min(price, fixed._mul_div_up(found.mm, self._fee_rate(account), fixed.PPM))
        offer.cap = dutch_auction._fraction(found.equity_haircut, found.im, price - fee)
        # a rest too small to be worth liquidating is taken along
        if fixed._mul_div_down(found.mm, fixed.WAD - offer.cap, fixed.WAD) < self.config.min_rest:
            offer.cap = fixed.WAD
    offer.fraction = min(wanted, offer.cap)
    offer.payment = fixed._mul_div_down(price, offer.fraction, fixed.WAD)
    offer.fee = min(offer.payment, fixed._mul_div_up(fee, offer.fraction, fixed.WAD))
    if price == 0:
        # what the account still has counts toward the bonus
        bonus: int256 = convert(fixed._mul_div_down(found.mm, self.config.bonus, fixed.PPM), int256)
        owed: uint256 = convert(max(bonus - found.equity_full, 0), uint256)
        offer.due = fixed._mul_div_down(fixed._mul_div_down(owed, share, fixed.PPM), offer.fraction, fixed.WAD)
    return offer


@internal
@view
def _fee_rate(account: uint256) -> uint256:
    """
    @notice Liquidation fee [ppm of MM], at the highest volatility posted of what
            the account holds.
    """
    if (staticcall REGISTRY.fees() >> 112) & (2**24 - 1) == 0:
        return 0
    volatility: uint256 = 0
    last: uint256 = max_value(uint256)
    for word: uint256 in staticcall BOOK.positions(account):
        underlying: uint256 = instruments._underlying(word)
        if underlying != last:
            last = underlying
            posted: uint256 = staticcall ORACLE.scalars(convert(underlying, uint16))
            volatility = max(volatility, (posted >> 40) & (2**32 - 1))
    return staticcall REGISTRY.liquidation_fee(volatility, staticcall BOOK.utilisation())


@internal
def _pay(account: uint256, bidder: uint256, equity: int256, offer: Offer) -> uint256:
    """
    @notice Pays a bidder what is due: the fund first; what the account owes and
            the fund does not pay is socialised once the discount is whole.
    @return How much was paid [wad].
    """
    paid: uint256 = 0
    if self.fund.address != empty(address):
        # a fund that cannot pay, of a token that is paused say, stops no auction
        success: bool = False
        answer: Bytes[32] = b""
        success, answer = raw_call(
            self.fund.address,
            abi_encode(
                bidder,
                self._heaviest(account),
                self._paid[account],
                offer.due,
                method_id=method_id("pay(uint256,uint16,uint256,uint256)"),
            ),
            max_outsize=32,
            revert_on_failure=False,
        )
        if success:
            paid = convert(answer, uint256)
            self._paid[account] += paid
    socialised: uint256 = 0
    if offer.is_whole and equity < 0:
        owed: uint256 = fixed._mul_div_down(convert(-equity, uint256), offer.fraction, fixed.WAD)
        if owed > paid:
            socialised = owed - paid
            extcall BOOK.socialise(account, bidder, socialised)
    log ShortfallPaid(account=account, bidder=bidder, due=offer.due, fund=paid, socialised=socialised)
    return paid + socialised


@internal
@view
def _heaviest(account: uint256) -> uint16:
    """
    @notice The underlying that needs most margin in an account: the one whose
            cap at the fund its loss counts against.
    """
    found: uint256 = 0
    most: uint256 = 0
    group: DynArray[uint256, MAX_POSITIONS] = []
    words: DynArray[uint256, MAX_POSITIONS] = staticcall BOOK.positions(account)
    for i: uint256 in range(len(words), bound=MAX_POSITIONS):
        group.append(words[i])
        if i + 1 == len(words) or instruments._underlying(words[i + 1]) != instruments._underlying(words[i]):
            terms: IRiskOracle.Terms = staticcall ORACLE.terms(group)
            needs: uint256 = terms.scan + terms.short + terms.gross + terms.concentration
            if needs > most:
                most = needs
                found = terms.underlying
            group = []
    return convert(found, uint16)


@internal
def _record(account: uint256, equity: int256):
    """
    @notice Puts negative equity on record, or takes it off.
    """
    old: uint256 = self.recorded[account]
    new: uint256 = convert(max(-equity, 0), uint256)
    if old == new:
        return
    self.recorded[account] = new
    self.bad_debt = self.bad_debt + new - old
    log BadDebtRecorded(account=account, amount=new, total=self.bad_debt)


@internal
def _close(account: uint256):
    self._auctions[account] = 0
    log AuctionClosed(account=account)

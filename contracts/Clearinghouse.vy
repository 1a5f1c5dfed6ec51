# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma evm-version cancun
# pragma nonreentrancy on
"""
@title The one book, and the only custody
@license GNU Affero General Public License v3.0 only
@notice Accounts, collateral, two signed ledgers, positions. An account is
        `owner << 96 | number`: everybody has 2**96 of them, none is opened; one
        that holds one position is isolated margin, one that holds many is
        portfolio margin. `cash` holds the quote coin and pays for options;
        `linear` holds what perps and futures cost, bears no interest and is no
        debt. Collateral is a position of kind SPOT. Account 0 is the system's:
        it takes the dust of roundings, which go against accounts.
        Units: money and quantities [wad]; token amounts in the token's own
        decimals, converted here and nowhere else.
        Roles: owner lists and admits; account owners and their delegates act;
        admitted and allowed venues trade; the liquidator seizes. It trusts the
        RiskOracle for margins and marks, and no venue for either.
@custom:security Listed tokens must move exactly what they are asked to: any
        other amount reverts. Rebasing tokens must not be listed.
@custom:kill Dismiss the venues: deposits, withdrawals and liquidations go on.
"""


# --------------------------------------------------------------------- imports


from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed

from snekmate.auth import ownable_2step
from snekmate.auth import ownable

from interfaces import IClearinghouse
from interfaces import IIndexFeed
from interfaces import IRiskOracle

from modules import fixed
from modules import instruments
from modules import surface

initializes: ownable
initializes: ownable_2step[ownable := ownable]

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)


# ------------------------------------------------------------------- constants


MAX_POSITIONS: constant(uint256) = instruments.MAX_POSITIONS
MAX_TOKENS: constant(uint256) = 16
MAX_ROWS: constant(uint256) = surface.MAX_ROWS
SYSTEM: constant(uint256) = 0
WAD: constant(int256) = 10**18

MAX_PRICE_BAND: constant(uint256) = 5 * 10**5  # [ppm] of the index
MIN_BAND: constant(uint256) = 10**3  # [ppm] a band of nothing would stop trading

HEALTHY: constant(uint256) = 0
RESTRICTED: constant(uint256) = 1
CALLED: constant(uint256) = 2
LIQUIDATABLE: constant(uint256) = 3
INSOLVENT: constant(uint256) = 4


# ------------------------------------------------------------------ immutables


QUOTE: immutable(address)
QUOTE_SCALE: immutable(uint256)  # [wad] per unit of the quote token
ORACLE: immutable(IRiskOracle)
FEED: immutable(IIndexFeed)


# --------------------------------------------------------------------- structs


struct Ledger:
    cash: int128  # [wad]
    linear: int128  # [wad]


struct Collateral:
    id: uint256
    scale: uint256  # [wad] per unit of the token


# --------------------------------------------------------------------- storage


_ledgers: HashMap[uint256, Ledger]
_positions: HashMap[uint256, DynArray[uint256, MAX_POSITIONS]]  # words, sorted by id
_listings: HashMap[uint256, DynArray[uint256, MAX_ROWS]]  # underlying u16 | expiry u40 -> ids, by row
_places: HashMap[uint256, uint256]  # id without its row -> row + 1
_interest: HashMap[uint256, uint256]  # underlying -> open interest [wad], long side, non-spot
_collateral: HashMap[address, Collateral]
_tokens: DynArray[address, MAX_TOKENS]
delegates: public(HashMap[uint256, HashMap[address, bool]])
venues: public(HashMap[address, bool])
allowances: public(HashMap[uint256, HashMap[address, uint256]])  # account -> venue -> until [s]
liquidator: public(address)
price_band: public(uint256)  # [ppm] of the index around the mark, every trade
reduce_band: public(uint256)  # [ppm] of the index worse than the mark, trades of unhealthy accounts


# ---------------------------------------------------------------------- events


event InstrumentListed:
    instrument: indexed(uint128)


event CollateralListed:
    token: indexed(address)
    instrument: uint128
    scale: uint256


event VenueSet:
    venue: indexed(address)
    admitted: bool


event LiquidatorSet:
    liquidator: address


event BandsSet:
    price_band: uint256
    reduce_band: uint256


event DelegateSet:
    account: indexed(uint256)
    delegate: indexed(address)
    allowed: bool


event AllowanceSet:
    account: indexed(uint256)
    venue: indexed(address)
    expires: uint256


event Deposited:
    account: indexed(uint256)
    token: indexed(address)
    amount: uint256
    by: address


event Withdrawn:
    account: indexed(uint256)
    token: indexed(address)
    amount: uint256
    to: address


event Traded:
    buyer: indexed(uint256)
    seller: indexed(uint256)
    instrument: indexed(uint128)
    quantity: uint256
    price: uint256
    paid: uint256
    received: uint256
    venue: address


event Seized:
    account: indexed(uint256)
    bidder: indexed(uint256)
    fraction: uint256
    payment: uint256


# ----------------------------------------------------------------- constructor


@deploy
def __init__(quote: address, oracle: address, feed: address):
    """
    @notice The deployer owns the book.
    @param quote Token of the quote currency, at most 18 decimals.
    @param oracle RiskOracle: margins and marks.
    @param feed IndexFeed: live index prices.
    """
    assert (
        quote != empty(address) and oracle != empty(address) and feed != empty(address)
    ), "clearinghouse: zero address"
    ownable.__init__()
    ownable_2step.__init__()
    decimals: uint8 = staticcall IERC20Detailed(quote).decimals()
    assert decimals <= 18, "clearinghouse: decimals over 18"
    QUOTE = quote
    QUOTE_SCALE = 10**convert(18 - decimals, uint256)
    ORACLE = IRiskOracle(oracle)
    FEED = IIndexFeed(feed)
    self._tokens.append(quote)
    self.price_band = 100_000
    self.reduce_band = 10_000
    log BandsSet(price_band=100_000, reduce_band=10_000)


# --------------------------------------------------------- external: governance


@external
def list_instrument(underlying: uint16, expiry: uint40, kind: uint8, strike: uint48) -> uint128:
    """
    @notice Owner: lists a perp, future, call or put.
    @param expiry [s]; zero for a perp, ahead of now for all else.
    @param strike In the strike unit of the underlying; zero but for options.
    @return Its id; the row in it is its place in the surface, never reused.
    """
    ownable._check_owner()
    of_kind: uint256 = convert(kind, uint256)
    is_option: bool = of_kind == instruments.CALL or of_kind == instruments.PUT
    assert (
        of_kind < instruments.SPOT
        and (expiry == 0) == (of_kind == instruments.PERP)
        and (strike == 0) == (not is_option)
        and staticcall FEED.strike_unit(underlying) > 0
    ), "clearinghouse: instrument malformed"
    assert expiry == 0 or convert(expiry, uint256) > block.timestamp, "clearinghouse: instrument expired"
    key: uint256 = (convert(underlying, uint256) << 40) | convert(expiry, uint256)
    return self._list(key, of_kind, convert(strike, uint256))


@external
def list_collateral(token: address, underlying: uint16) -> uint128:
    """
    @notice Owner: lists a token as collateral, the SPOT row of (underlying, 0).
    """
    ownable._check_owner()
    assert token != empty(address), "clearinghouse: zero address"
    assert token != QUOTE and self._collateral[token].scale == 0, "clearinghouse: already listed"
    assert len(self._tokens) < MAX_TOKENS, "clearinghouse: too many tokens"
    assert staticcall FEED.strike_unit(underlying) > 0, "clearinghouse: instrument malformed"
    decimals: uint8 = staticcall IERC20Detailed(token).decimals()
    assert decimals <= 18, "clearinghouse: decimals over 18"
    scale: uint256 = 10**convert(18 - decimals, uint256)
    # tokens of one underlying are told apart by the strike field: their number
    id: uint128 = self._list(convert(underlying, uint256) << 40, instruments.SPOT, len(self._tokens))
    self._collateral[token] = Collateral(id=convert(id, uint256), scale=scale)
    self._tokens.append(token)
    log CollateralListed(token=token, instrument=id, scale=scale)
    return id


@external
def set_venue(venue: address, admitted: bool):
    """
    @notice Owner: admits a venue, or dismisses it.
    """
    ownable._check_owner()
    assert venue != empty(address), "clearinghouse: zero address"
    self.venues[venue] = admitted
    log VenueSet(venue=venue, admitted=admitted)


@external
def set_liquidator(liquidator: address):
    """
    @notice Owner, once: who may seize.
    """
    ownable._check_owner()
    assert liquidator != empty(address), "clearinghouse: zero address"
    assert self.liquidator == empty(address), "clearinghouse: liquidator is set"
    self.liquidator = liquidator
    log LiquidatorSet(liquidator=liquidator)


@external
def set_bands(price_band: uint256, reduce_band: uint256):
    """
    @notice Owner: how far from the mark a price may lie [ppm of the index]: for
            any trade, and to the harm of an account that is not healthy.
    """
    ownable._check_owner()
    assert (
        MIN_BAND <= reduce_band and reduce_band <= price_band and price_band <= MAX_PRICE_BAND
    ), "clearinghouse: bands out of range"
    self.price_band = price_band
    self.reduce_band = reduce_band
    log BandsSet(price_band=price_band, reduce_band=reduce_band)


# ----------------------------------------------------------- external: accounts


@external
def set_delegate(account: uint256, delegate: address, allowed: bool):
    """
    @notice Account owner: lets another act for the account, or no longer.
    """
    assert account >> 96 == convert(msg.sender, uint256), "clearinghouse: not the account's"
    assert delegate != empty(address), "clearinghouse: zero address"
    self.delegates[account][delegate] = allowed
    log DelegateSet(account=account, delegate=delegate, allowed=allowed)


@external
def set_allowance(account: uint256, venue: address, expires: uint256):
    """
    @notice Owner or delegate: lets a venue trade the account until `expires`
            [s]; zero withdraws it.
    """
    assert self._may_act(account, msg.sender), "clearinghouse: not the account's"
    self.allowances[account][venue] = expires
    log AllowanceSet(account=account, venue=venue, expires=expires)


@external
def deposit(account: uint256, token: address, amount: uint256):
    """
    @notice Anyone: brings tokens into an account. Reads no price. A token that
            is new to the account only by its owner or delegate, so that nobody
            can fill another's book.
    @param amount In the token's own decimals.
    """
    assert amount > 0, "clearinghouse: zero amount"
    assert account >> 96 != 0, "clearinghouse: system account"
    if token == QUOTE:
        worth: int256 = self._worth(amount, QUOTE_SCALE)
        self._add(account, worth, 0)
    else:
        kind: Collateral = self._collateral[token]
        assert kind.scale > 0, "clearinghouse: unknown token"
        worth: int256 = self._worth(amount, kind.scale)
        words: DynArray[uint256, MAX_POSITIONS] = self._positions[account]
        if instruments._held(words, kind.id) == 0:
            assert self._may_act(account, msg.sender), "clearinghouse: token new to the account"
        self._positions[account] = instruments._changed(words, kind.id, worth)
    before: uint256 = staticcall IERC20(token).balanceOf(self)
    assert extcall IERC20(token).transferFrom(
        msg.sender, self, amount, default_return_value=True
    ), "clearinghouse: vault moved another amount"
    assert staticcall IERC20(token).balanceOf(self) == before + amount, "clearinghouse: vault moved another amount"
    log Deposited(account=account, token=token, amount=amount, by=msg.sender)


@external
def withdraw(account: uint256, token: address, amount: uint256, to: address):
    """
    @notice Owner or delegate: takes tokens out. Cash never becomes negative by
            it. The account must be at or over initial margin afterwards, on
            fresh surfaces; one that needs no margin reads no price.
    @param amount In the token's own decimals.
    """
    assert self._may_act(account, msg.sender), "clearinghouse: not the account's"
    assert amount > 0, "clearinghouse: zero amount"
    assert to != empty(address), "clearinghouse: zero address"
    words: DynArray[uint256, MAX_POSITIONS] = self._positions[account]
    if token == QUOTE:
        worth: int256 = self._worth(amount, QUOTE_SCALE)
        assert convert(self._ledgers[account].cash, int256) >= worth, "clearinghouse: cash not there"
        self._add(account, -worth, 0)
    else:
        kind: Collateral = self._collateral[token]
        assert kind.scale > 0, "clearinghouse: unknown token"
        worth: int256 = self._worth(amount, kind.scale)
        assert instruments._held(words, kind.id) >= worth, "clearinghouse: collateral not there"
        words = instruments._changed(words, kind.id, -worth)
        self._positions[account] = words
    ledger: int256 = self._sum(account)
    if instruments._is_risky(words, ledger):
        after: IRiskOracle.Assessment = staticcall ORACLE.assess(words, ledger)
        self._check_healthy(after)
    before: uint256 = staticcall IERC20(token).balanceOf(self)
    # others may have borrowed what is owed
    assert before >= amount, "clearinghouse: cash not there"
    assert extcall IERC20(token).transfer(
        to, amount, default_return_value=True
    ), "clearinghouse: vault moved another amount"
    assert staticcall IERC20(token).balanceOf(self) == before - amount, "clearinghouse: vault moved another amount"
    log Withdrawn(account=account, token=token, amount=amount, to=to)


# ------------------------------------------------------------- external: venues


@external
def trade(buyer: uint256, seller: uint256, instrument: uint128, quantity: uint256, price: uint256):
    """
    @notice Admitted venue: moves `quantity` [wad] from seller to buyer, and
            `quantity` x `price` [wad] back: of cash for options, of linear for
            perps and futures. The buyer pays it rounded up, the seller receives
            it rounded down. The book, not the venue, checks the price band and
            the margin of both sides.
    """
    assert self.venues[msg.sender], "clearinghouse: venue not admitted"
    assert buyer != seller, "clearinghouse: buyer is seller"
    assert quantity > 0, "clearinghouse: zero quantity"
    assert quantity <= fixed.MAX_QUANTITY, "clearinghouse: quantity over the maximum"
    assert price > 0, "clearinghouse: zero price"
    assert price <= fixed.MAX_PRICE, "clearinghouse: price over the maximum"
    assert (
        self.allowances[buyer][msg.sender] >= block.timestamp and self.allowances[seller][msg.sender] >= block.timestamp
    ), "clearinghouse: venue not allowed"
    id: uint256 = convert(instrument, uint256)
    kind: uint256 = instruments._kind(id)
    assert kind != instruments.SPOT and self._is_listed(id), "clearinghouse: unknown instrument"
    expiry: uint256 = (id >> 72) & (2**40 - 1)
    assert expiry == 0 or block.timestamp < expiry, "clearinghouse: instrument expired"

    underlying: uint256 = instruments._underlying(id)
    mark: uint256 = staticcall ORACLE.mark(instrument)
    index: uint256 = 0
    updated_at: uint256 = 0
    strike_unit: uint256 = 0
    index, updated_at, strike_unit = staticcall FEED.price(convert(underlying, uint16))
    distance: uint256 = price - mark if price > mark else mark - price
    assert distance * fixed.PPM <= self.price_band * index, "clearinghouse: price outside the band"
    # worse than the mark by more than this a side may not go that is not healthy
    is_far: bool = distance * fixed.PPM > self.reduce_band * index

    paid: uint256 = fixed._mul_div_up(quantity, price, fixed.WAD)
    received: uint256 = fixed._mul_div_down(quantity, price, fixed.WAD)
    change: int256 = convert(quantity, int256)

    bought: DynArray[uint256, MAX_POSITIONS] = self._positions[buyer]
    sold: DynArray[uint256, MAX_POSITIONS] = self._positions[seller]
    held_buyer: int256 = instruments._held(bought, id)
    held_seller: int256 = instruments._held(sold, id)
    interest: int256 = (
        convert(self._interest[underlying], int256)
        + max(held_buyer + change, 0)
        - max(held_buyer, 0)
        + max(held_seller - change, 0)
        - max(held_seller, 0)
    )
    self._interest[underlying] = convert(interest, uint256)

    is_option: bool = kind == instruments.CALL or kind == instruments.PUT
    pay: int256 = -convert(paid, int256)
    get: int256 = convert(received, int256)
    self._fill(buyer, bought, id, change, pay, is_option, is_far and price > mark)
    self._fill(seller, sold, id, -change, get, is_option, is_far and price < mark)
    if paid > received:
        self._book(SYSTEM, convert(paid - received, int256), is_option)
    log Traded(
        buyer=buyer,
        seller=seller,
        instrument=instrument,
        quantity=quantity,
        price=price,
        paid=paid,
        received=received,
        venue=msg.sender,
    )


@external
def seize(account: uint256, bidder: uint256, fraction: uint256, payment: uint256):
    """
    @notice Liquidator: moves a fraction [wad] of all that an account is to a
            bidder, who pays [wad] of cash for it. Quantities move rounded down
            in magnitude, ledgers toward plus infinity. The bidder must be at or
            over initial margin afterwards; stale surfaces do not stop it.
    """
    assert msg.sender == self.liquidator, "clearinghouse: not the liquidator"
    assert 0 < fraction and fraction <= fixed.WAD, "clearinghouse: fraction out of range"
    assert account != bidder, "clearinghouse: buyer is seller"
    part: int256 = convert(fraction, int256)

    words: DynArray[uint256, MAX_POSITIONS] = self._positions[account]
    rest: DynArray[uint256, MAX_POSITIONS] = []
    taken: DynArray[uint256, MAX_POSITIONS] = []
    for word: uint256 in words:
        quantity: int256 = instruments._quantity(word)
        # SDIV truncates: down in magnitude, for both signs
        moved: int256 = quantity * part // WAD
        id: uint256 = word & instruments.MASK_ID
        if moved != 0:
            taken.append(instruments._word(id, moved))
        if moved != quantity:
            rest.append(instruments._word(id, quantity - moved))
    book: DynArray[uint256, MAX_POSITIONS] = self._merge(self._positions[bidder], taken)
    self._positions[account] = rest
    self._positions[bidder] = book

    ledger: Ledger = self._ledgers[account]
    cash: int256 = fixed._div_ceil(convert(ledger.cash, int256) * part, WAD)
    linear: int256 = fixed._div_ceil(convert(ledger.linear, int256) * part, WAD)
    price: int256 = convert(payment, int256)
    self._add(account, price - cash, -linear)
    self._add(bidder, cash - price, linear)

    after: IRiskOracle.Assessment = staticcall ORACLE.assess(book, self._sum(bidder))
    assert after.equity_haircut >= convert(after.im, int256), "clearinghouse: below initial margin"
    log Seized(account=account, bidder=bidder, fraction=fraction, payment=payment)


# -------------------------------------------------------------- external: views


@external
@view
def ledger(account: uint256) -> (int256, int256):
    """
    @notice Cash and linear of an account [wad].
    """
    held: Ledger = self._ledgers[account]
    return convert(held.cash, int256), convert(held.linear, int256)


@external
@view
def positions(account: uint256) -> DynArray[uint256, MAX_POSITIONS]:
    """
    @notice Position words of an account, sorted by id; collateral among them.
    """
    return self._positions[account]


@external
@view
def quantity(account: uint256, instrument: uint128) -> int256:
    """
    @notice What an account holds of an instrument [wad], long +.
    """
    return instruments._held(self._positions[account], convert(instrument, uint256))


@external
@view
def margin(account: uint256) -> IRiskOracle.Assessment:
    """
    @notice Equities and requirements of an account [wad], at the live index.
    """
    return self._assess(account)


@external
@view
def state(account: uint256) -> uint256:
    """
    @notice 0 healthy, 1 restricted, 2 called, 3 liquidatable, 4 insolvent.
    """
    found: IRiskOracle.Assessment = self._assess(account)
    if found.equity_full < 0:
        return INSOLVENT
    if found.equity_haircut < convert(found.mm, int256):
        return LIQUIDATABLE
    if found.equity_haircut < convert(found.call_line, int256):
        return CALLED
    if found.equity_haircut < convert(found.im, int256):
        return RESTRICTED
    return HEALTHY


@external
@view
@reentrant
def open_interest(underlying: uint16) -> uint256:
    """
    @notice Open interest of an underlying [wad]: what all accounts are long.
    @dev    Reentrant: RiskOracle reads it in the midst of a trade's margin
            check, when it is already what it will be after the trade.
    """
    return self._interest[convert(underlying, uint256)]


@external
@view
def may_act(account: uint256, who: address) -> bool:
    """
    @notice Whether `who` owns the account or is its delegate.
    """
    return self._may_act(account, who)


@external
@view
def is_listed(instrument: uint128) -> bool:
    """
    @notice Whether an instrument, collateral included, is listed.
    """
    return self._is_listed(convert(instrument, uint256))


@external
@view
def listing(underlying: uint16, expiry: uint40) -> DynArray[uint256, MAX_ROWS]:
    """
    @notice Ids of one surface's instruments, by row.
    """
    return self._listings[(convert(underlying, uint256) << 40) | convert(expiry, uint256)]


@external
@view
def collateral(token: address) -> (uint128, uint256):
    """
    @notice Instrument of a collateral token, and [wad] per unit of it; zeros
            where it is none.
    """
    kind: Collateral = self._collateral[token]
    return convert(kind.id, uint128), kind.scale


@external
@view
def tokens() -> DynArray[address, MAX_TOKENS]:
    """
    @notice Tokens that can be deposited, the quote token first.
    """
    return self._tokens


@external
@view
def borrowed(account: uint256) -> uint256:
    """
    @notice What an account owes [wad]: negative cash, nothing else.
    """
    cash: int256 = convert(self._ledgers[account].cash, int256)
    if cash < 0:
        return convert(-cash, uint256)
    return 0


@external
@view
def quote() -> address:
    """
    @notice The quote token.
    """
    return QUOTE


@external
@view
def oracle() -> address:
    """
    @notice RiskOracle: margins and marks.
    """
    return ORACLE.address


@external
@view
def feed() -> address:
    """
    @notice IndexFeed: live index prices.
    """
    return FEED.address


# -------------------------------------------------------------------- internal


@internal
@view
def _may_act(account: uint256, who: address) -> bool:
    return account >> 96 == convert(who, uint256) or self.delegates[account][who]


@internal
@view
def _is_listed(id: uint256) -> bool:
    return id >> 128 == 0 and self._places[id >> 16] == (id & 65_535) + 1


@internal
def _list(key: uint256, kind: uint256, strike: uint256) -> uint128:
    """
    @notice Gives the next row of a surface to an instrument.
    """
    row: uint256 = len(self._listings[key])
    assert row < MAX_ROWS, "clearinghouse: listing is full"
    head: uint256 = (key << 72) | (kind << 64) | (strike << 16)
    assert self._places[head >> 16] == 0, "clearinghouse: already listed"
    self._places[head >> 16] = row + 1
    self._listings[key].append(head | row)
    id: uint128 = convert(head | row, uint128)
    log InstrumentListed(instrument=id)
    return id


@internal
@pure
def _worth(amount: uint256, scale: uint256) -> int256:
    """
    @notice A token amount in [wad], exactly.
    """
    assert amount <= fixed.MAX_QUANTITY // scale, "clearinghouse: amount over the maximum"
    return convert(amount * scale, int256)


@internal
@view
def _sum(account: uint256) -> int256:
    held: Ledger = self._ledgers[account]
    return convert(held.cash, int256) + convert(held.linear, int256)


@internal
def _add(account: uint256, cash: int256, linear: int256):
    """
    @notice Changes both ledgers of an account [wad].
    """
    held: Ledger = self._ledgers[account]
    new_cash: int256 = convert(held.cash, int256) + cash
    new_linear: int256 = convert(held.linear, int256) + linear
    assert (
        abs(new_cash) <= fixed.MAX_LEDGER and abs(new_linear) <= fixed.MAX_LEDGER
    ), "clearinghouse: ledger over the maximum"
    self._ledgers[account] = Ledger(cash=convert(new_cash, int128), linear=convert(new_linear, int128))


@internal
def _book(account: uint256, change: int256, is_option: bool):
    """
    @notice Options are paid in cash, linear instruments in linear.
    """
    if is_option:
        self._add(account, change, 0)
    else:
        self._add(account, 0, change)


@internal
@view
def _assess(account: uint256) -> IRiskOracle.Assessment:
    return staticcall ORACLE.assess(self._positions[account], self._sum(account))


@internal
@pure
def _check_healthy(after: IRiskOracle.Assessment):
    assert after.equity_haircut >= convert(after.im, int256), "clearinghouse: below initial margin"
    assert after.fresh, "clearinghouse: surface not fresh"


@internal
def _fill(
    account: uint256,
    words: DynArray[uint256, MAX_POSITIONS],
    id: uint256,
    change: int256,
    money: int256,
    is_option: bool,
    is_worse: bool,
):
    """
    @notice One side of a trade. It passes when the account is healthy on fresh
            surfaces afterwards; or when it reduces risk: IM does not rise,
            E_h - MM does not fall, E_m is not negative, and the price is not
            worse than the mark by more than the reduce band.
    """
    book: DynArray[uint256, MAX_POSITIONS] = instruments._changed(words, id, change)
    ledger: int256 = self._sum(account)
    after: IRiskOracle.Assessment = staticcall ORACLE.assess(book, ledger + money)
    if after.equity_haircut < convert(after.im, int256) or not after.fresh:
        before: IRiskOracle.Assessment = staticcall ORACLE.assess(words, ledger)
        if not (
            after.im <= before.im
            and after.equity_haircut - convert(after.mm, int256) >= before.equity_haircut - convert(before.mm, int256)
            and after.equity_full >= 0
        ):
            self._check_healthy(after)
        assert not is_worse, "clearinghouse: price worse than allowed"
    self._positions[account] = book
    self._book(account, money, is_option)


@internal
def _merge(
    words: DynArray[uint256, MAX_POSITIONS], taken: DynArray[uint256, MAX_POSITIONS]
) -> DynArray[uint256, MAX_POSITIONS]:
    """
    @notice A book and what it takes over, both sorted, in one pass. Open
            interest follows: what was long there may close a short here.
    """
    book: DynArray[uint256, MAX_POSITIONS] = []
    place: uint256 = 0
    for word: uint256 in taken:
        id: uint256 = word & instruments.MASK_ID
        for _: uint256 in range(MAX_POSITIONS):
            if place == len(words) or words[place] & instruments.MASK_ID >= id:
                break
            assert len(book) < MAX_POSITIONS, "clearinghouse: too many positions"
            book.append(words[place])
            place += 1
        moved: int256 = instruments._quantity(word)
        held: int256 = 0
        if place < len(words) and words[place] & instruments.MASK_ID == id:
            held = instruments._quantity(words[place])
            place += 1
        after: int256 = held + moved
        assert abs(after) <= convert(fixed.MAX_QUANTITY, int256), "clearinghouse: quantity over the maximum"
        if after != 0:
            assert len(book) < MAX_POSITIONS, "clearinghouse: too many positions"
            book.append(instruments._word(id, after))
        if held != 0 and (held > 0) != (moved > 0) and instruments._kind(id) != instruments.SPOT:
            # opposite signs: the smaller of both closes
            closed: uint256 = convert(min(abs(held), abs(moved)), uint256)
            self._interest[instruments._underlying(id)] -= closed
    for _: uint256 in range(MAX_POSITIONS):
        if place == len(words):
            break
        assert len(book) < MAX_POSITIONS, "clearinghouse: too many positions"
        book.append(words[place])
        place += 1
    return book

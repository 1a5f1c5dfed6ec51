# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma evm-version cancun
# pragma nonreentrancy on
"""
@title What may be traded, and within which limits
@license GNU Affero General Public License v3.0 only
@notice Lists instruments and collateral, admits venues, and holds the numbers
        that governance sets for trades, accounts and the pool: bands, caps,
        limits, the interest curve, fees. It moves no money and knows no
        account; the book asks it at each trade and enforces what it answers.
        Units: money, sizes and caps [wad], rates [ppm], time [s]. A cap of zero
        is none. Fees round up.
        Three levels can be stopped, each until a time of its own:
            RISK         trades must reduce the risk of both sides; also for one
                         underlying alone
            LEAVE        withdrawals and transfers of accounts that need margin
            LIQUIDATION  auctions start and take bids; calls and top-ups go on
        A stop ends by itself, and stops nothing that it does not list: deposits
        and accounts without positions are never held up.
        Roles: owner sets everything, within the bounds here; a guardian of his
        what is tighter in every field, and stops; the breakers stop, by rule
        and for a day at most; anyone reads. It trusts IndexFeed for which
        underlyings there are, and RiskOracle for their volatility, which only
        raises fees, to their cap at most.
@custom:security What the owner sets holds at once: the owner must be the
        Timelock. A listing is for ever; an instrument is closed by a cap, not
        delisted. A guardian who stops again and again is dismissed by the owner.
@custom:kill A guardian's stops; or dismiss the venues: deposits, withdrawals and
        liquidations go on.
"""


# --------------------------------------------------------------------- imports


from ethereum.ercs import IERC20Detailed

from snekmate.auth import ownable_2step
from snekmate.auth import ownable

from interfaces import IIndexFeed
from interfaces import IRegistry
from interfaces import IRiskOracle

from modules import authority
from modules import fees as fee_words
from modules import fixed
from modules import instruments
from modules import surface

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: authority[ownable := ownable]

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)


# ------------------------------------------------------------------- constants


MAX_TOKENS: constant(uint256) = 16
MAX_ROWS: constant(uint256) = surface.MAX_ROWS

MASK_16: constant(uint256) = 2**16 - 1
MASK_24: constant(uint256) = 2**24 - 1
MASK_32: constant(uint256) = 2**32 - 1
MASK_96: constant(uint256) = 2**96 - 1
MASK_64: constant(uint256) = 2**64 - 1
MASK_120: constant(uint256) = 2**120 - 1
MASK_128: constant(uint256) = 2**128 - 1
MASK_224: constant(uint256) = 2**224 - 1

LEVELS: constant(uint256) = 3  # by bit: RISK 1, LEAVE 2, LIQUIDATION 4
MAX_STOP_OWNER: constant(uint256) = 30 * 86_400  # [s] ahead: what was announced may last longest
MAX_STOP_GUARDIAN: constant(uint256) = 7 * 86_400  # [s] time to find out, and for the owner's delay to run
MAX_STOP_BREAKERS: constant(uint256) = 86_400  # [s] a rule knows little: it must find the same again

MAX_PRICE_BAND: constant(uint256) = 5 * 10**5  # [ppm] of the index
MIN_BAND: constant(uint256) = 10**3  # [ppm] a band of nothing would stop trading
MAX_CAP: constant(uint256) = 10**36  # [wad] of collateral: as much as a ledger may hold
MAX_MIN_SIZE: constant(uint256) = fixed.MAX_QUANTITY  # [wad] past it nothing could be traded
MAX_MIN_EQUITY: constant(uint256) = 10**24  # [wad] a million: more would keep everybody out
MIN_OUTFLOW_CAP: constant(uint256) = 10**18  # [wad] a cap of nothing would lock everybody in
MIN_OUTFLOW_WINDOW: constant(uint256) = 3_600  # [s] shorter, a cap would hold nobody up
MAX_OUTFLOW_WINDOW: constant(uint256) = 7 * 86_400  # [s]
MAX_RATE: constant(uint256) = 10**7  # [ppm a year] 1000 %: what a pool at its end needs to get filled again


# ------------------------------------------------------------------ immutables


QUOTE: immutable(address)
FEED: immutable(IIndexFeed)
ORACLE: immutable(IRiskOracle)


# --------------------------------------------------------------------- storage


_listings: HashMap[uint256, DynArray[uint256, MAX_ROWS]]  # underlying u16 | expiry u40 -> ids, by row
_places: HashMap[uint256, uint256]  # id without its row -> cap u128 [wad] | row + 1 u16
# underlying -> no new risk until u32 [s] | open interest cap u128 [wad] | min size u96 [wad]
_underlyings: HashMap[uint256, uint256]
_collateral: HashMap[address, uint256]  # token -> id u128 | 18 - decimals u8 | cap u120 [wad]
_tokens: DynArray[address, MAX_TOKENS]
venues: public(HashMap[address, bool])
# the word of fees, and in its zeros price band u24 | reduce band u24 [ppm of
# the index]: each trade needs both
_rates: uint256
account_limits: public(uint256)  # min equity u96 [wad] | borrow cap u128 [wad] | max positions u8 | 0
pool_limits: public(uint256)  # total borrow cap u128 [wad] | outflow cap u96 [wad] | outflow window u32 [s]
curve: public(uint256)  # base u24 | kink u24 | slope low u24 | slope high u24 | reserve u24 | 0 [ppm]
stops: public(uint256)  # liquidation u64 | leave u64 | risk u64, until when [s]
breakers: public(address)  # may stop by rule; zero for none


# ---------------------------------------------------------------------- events


event InstrumentListed:
    instrument: indexed(uint128)


event CollateralListed:
    token: indexed(address)
    instrument: uint128
    scale: uint256


event VenueSet:
    venue: indexed(address)
    old_admitted: bool
    admitted: bool


event BandsSet:
    old_price_band: uint256
    old_reduce_band: uint256
    price_band: uint256
    reduce_band: uint256


event CollateralCapSet:
    token: indexed(address)
    old_cap: uint256
    cap: uint256


event UnderlyingLimitsSet:
    underlying: indexed(uint16)
    old_open_interest_cap: uint128
    old_min_size: uint96
    open_interest_cap: uint128
    min_size: uint96


event InstrumentCapSet:
    instrument: indexed(uint128)
    old_cap: uint128
    cap: uint128


event LimitsSet:
    old_account_limits: uint256
    old_pool_limits: uint256
    account_limits: uint256
    pool_limits: uint256


event CurveSet:
    old_curve: uint256
    curve: uint256


event FeesSet:
    old_fees: uint256
    fees: uint256


event BreakersSet:
    old_breakers: address
    breakers: address


event StopsSet:
    by: indexed(address)
    old_stops: uint256
    stops: uint256


event UnderlyingStopSet:
    underlying: indexed(uint16)
    by: indexed(address)
    old_until: uint256
    until: uint256


# ----------------------------------------------------------------- constructor


@deploy
def __init__(quote: address, feed: address, oracle: address):
    """
    @notice The deployer owns the registry. Nothing is listed, no fee is taken,
            no cap binds but the 127 positions that a book can hold.
    @param quote Token of the quote currency.
    @param feed IndexFeed: which underlyings there are.
    @param oracle RiskOracle: how volatile they are.
    """
    assert (quote != empty(address) and feed != empty(address) and oracle != empty(address)), "registry: zero address"
    ownable.__init__()
    ownable_2step.__init__()
    QUOTE = quote
    FEED = IIndexFeed(feed)
    ORACLE = IRiskOracle(oracle)
    self._tokens.append(quote)
    self._set_bands(100_000, 10_000)
    self._set_limits(
        (convert(max_value(uint128), uint256) << 32) | (instruments.MAX_POSITIONS << 24),
        (convert(max_value(uint128), uint256) << 128) | (MASK_96 << 32) | 86_400,
    )
    # kink 80 %, a fifth of the interest to the reserve, no interest yet
    self._set_curve((800_000 << 208) | (200_000 << 136))
    self._set_fees(0)


# ----------------------------------------------------------- external: listing


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
    ), "registry: instrument malformed"
    assert expiry == 0 or convert(expiry, uint256) > block.timestamp, "registry: instrument expired"
    key: uint256 = (convert(underlying, uint256) << 40) | convert(expiry, uint256)
    return self._list(key, of_kind, convert(strike, uint256))


@external
def list_collateral(token: address, underlying: uint16) -> uint128:
    """
    @notice Owner: lists a token as collateral, the SPOT row of (underlying, 0).
    """
    ownable._check_owner()
    assert token != empty(address), "registry: zero address"
    assert token != QUOTE and self._collateral[token] == 0, "registry: already listed"
    assert len(self._tokens) < MAX_TOKENS, "registry: too many tokens"
    assert staticcall FEED.strike_unit(underlying) > 0, "registry: instrument malformed"
    decimals: uint8 = staticcall IERC20Detailed(token).decimals()
    assert decimals <= 18, "registry: decimals over 18"
    exponent: uint256 = convert(18 - decimals, uint256)
    # tokens of one underlying are told apart by the strike field: their number
    id: uint128 = self._list(convert(underlying, uint256) << 40, instruments.SPOT, len(self._tokens))
    self._collateral[token] = (convert(id, uint256) << 128) | (exponent << 120)
    self._tokens.append(token)
    log CollateralListed(token=token, instrument=id, scale=10**exponent)
    return id


@external
def set_venue(venue: address, admitted: bool):
    """
    @notice Owner: admits a venue, or dismisses it; a guardian dismisses.
    """
    authority._check(not admitted)
    assert venue != empty(address), "registry: zero address"
    log VenueSet(venue=venue, old_admitted=self.venues[venue], admitted=admitted)
    self.venues[venue] = admitted


# ------------------------------------------------------------ external: limits


@external
def set_bands(price_band: uint256, reduce_band: uint256):
    """
    @notice Owner: how far from the mark a price may lie [ppm of the index]: for
            any trade, and to the harm of an account that is not healthy. A
            guardian narrows them.
    """
    rates: uint256 = self._rates
    authority._check(price_band <= (rates >> 24) & MASK_24 and reduce_band <= rates & MASK_24)
    assert (
        MIN_BAND <= reduce_band and reduce_band <= price_band and price_band <= MAX_PRICE_BAND
    ), "registry: bands out of range"
    self._set_bands(price_band, reduce_band)


@external
def set_collateral_cap(token: address, cap: uint256):
    """
    @notice Owner: how much of a token the book may hold [wad of the token];
            zero lifts the cap. A guardian lowers it.
    """
    word: uint256 = self._collateral[token]
    authority._check(self._is_tighter(word & MASK_120, cap))
    assert word != 0, "registry: unknown token"
    assert cap <= MAX_CAP, "registry: cap out of range"
    self._collateral[token] = (word & ~MASK_120) | cap
    log CollateralCapSet(token=token, old_cap=word & MASK_120, cap=cap)


@external
def set_underlying_limits(underlying: uint16, open_interest_cap: uint128, min_size: uint96):
    """
    @notice Owner: how much open interest an underlying may have, and how small
            a trade in it may be [wad]; zero lifts either. A guardian lowers the
            cap; a larger least size would hold small positions in.
    """
    old: uint256 = self._underlyings[convert(underlying, uint256)]
    authority._check(
        self._is_tighter((old >> 96) & MASK_128, convert(open_interest_cap, uint256))
        and convert(min_size, uint256) == old & MASK_96
    )
    # a cap on an underlying that nobody feeds would be a slip
    assert (
        staticcall FEED.strike_unit(underlying) > 0 and convert(min_size, uint256) <= MAX_MIN_SIZE
    ), "registry: underlying limits out of range"
    self._underlyings[convert(underlying, uint256)] = (
        (old & ~MASK_224) | (convert(open_interest_cap, uint256) << 96) | convert(min_size, uint256)
    )
    log UnderlyingLimitsSet(
        underlying=underlying,
        old_open_interest_cap=convert((old >> 96) & MASK_128, uint128),
        old_min_size=convert(old & MASK_96, uint96),
        open_interest_cap=open_interest_cap,
        min_size=min_size,
    )


@external
def set_instrument_cap(instrument: uint128, cap: uint128):
    """
    @notice Owner: how much open interest an instrument may have [wad]; zero
            lifts the cap. A guardian lowers it. Collateral has a cap of its own
            kind.
    """
    id: uint256 = convert(instrument, uint256)
    place: uint256 = self._places[id >> 16]
    authority._check(self._is_tighter(place >> 16, convert(cap, uint256)))
    assert self._is_tradable(id, place), "registry: unknown instrument"
    self._places[id >> 16] = (convert(cap, uint256) << 16) | (place & MASK_16)
    log InstrumentCapSet(instrument=instrument, old_cap=convert(place >> 16, uint128), cap=cap)


@external
def set_limits(account_limits: uint256, pool_limits: uint256):
    """
    @notice Owner: what one account, and what all of them together, may do. A
            guardian tightens: more equity, less of all else, a longer window.
    @param account_limits min_equity u96 [wad] | borrow_cap u128 [wad]
           | max_positions u8 | zero u24.
    @param pool_limits total_borrow_cap u128 [wad] | outflow_cap u96 [wad]
           | outflow_window u32 [s].
    """
    old_account: uint256 = self.account_limits
    old_pool: uint256 = self.pool_limits
    authority._check(
        account_limits >> 160 >= old_account >> 160
        and (account_limits >> 32) & MASK_128 <= (old_account >> 32) & MASK_128
        and (account_limits >> 24) & 255 <= (old_account >> 24) & 255
        and pool_limits >> 128 <= old_pool >> 128
        and (pool_limits >> 32) & MASK_96 <= (old_pool >> 32) & MASK_96
        # what left drains slower
        and pool_limits & MASK_32 >= old_pool & MASK_32
    )
    positions: uint256 = (account_limits >> 24) & 255
    assert (
        account_limits >> 160 <= MAX_MIN_EQUITY
        and 0 < positions
        and positions <= instruments.MAX_POSITIONS
        and account_limits & MASK_24 == 0
    ), "registry: account limits out of range"
    window: uint256 = pool_limits & MASK_32
    assert (
        MIN_OUTFLOW_CAP <= (pool_limits >> 32) & MASK_96
        and MIN_OUTFLOW_WINDOW <= window
        and window <= MAX_OUTFLOW_WINDOW
    ), "registry: pool limits out of range"
    self._set_limits(account_limits, pool_limits)


@external
def set_curve(curve: uint256):
    """
    @notice Owner: what borrowing costs [ppm a year] by utilisation, and which
            share of it is the reserve's.
    @param curve base u24 | kink u24 | slope_low u24 | slope_high u24
           | reserve u24 | zero u136 [ppm].
    """
    ownable._check_owner()
    kink: uint256 = (curve >> 208) & MASK_24
    assert (
        curve >> 232 <= MAX_RATE
        # both slopes need a width to rise over
        and 0 < kink
        and kink < fixed.PPM
        and (curve >> 184) & MASK_24 <= MAX_RATE
        and (curve >> 160) & MASK_24 <= MAX_RATE
        and (curve >> 136) & MASK_24 <= fixed.PPM
        and curve & (2**136 - 1) == 0
    ), "registry: curve out of range"
    self._set_curve(curve)


@external
def set_fees(fees: uint256):
    """
    @notice Owner: what trades and liquidations cost, packed as
            `modules/fees.vy` lays out.
    """
    ownable._check_owner()
    assert fee_words._is_sound(fees), "registry: fees out of range"
    self._set_fees(fees)


# ------------------------------------------------------------- external: stops


@external
def set_breakers(breakers: address):
    """
    @notice Owner: the contract that may stop by rule.
    @param breakers Zero for none.
    """
    ownable._check_owner()
    log BreakersSet(old_breakers=self.breakers, breakers=breakers)
    self.breakers = breakers


@external
def stop(levels: uint256, until: uint256):
    """
    @notice Guardian for 7 days ahead, breakers for one, owner for 30: stops
            levels. Where one is stopped for longer, it stays so.
    @param levels RISK 1, LEAVE 2, LIQUIDATION 4, or several.
    @param until The first second without the stop [s].
    """
    self._check_stop(until)
    self._check_levels(levels)
    old: uint256 = self.stops
    stops: uint256 = 0
    for level: uint256 in range(LEVELS):
        end: uint256 = (old >> (64 * level)) & MASK_64
        if (levels >> level) & 1 == 1:
            end = max(end, until)
        stops |= end << (64 * level)
    self.stops = stops
    log StopsSet(by=msg.sender, old_stops=old, stops=stops)


@external
def stop_underlying(underlying: uint16, until: uint256):
    """
    @notice Likewise: no new risk in one underlying.
    """
    self._check_stop(until)
    assert staticcall FEED.strike_unit(underlying) > 0  # one that nobody feeds is refused there
    self._stop_underlying(underlying, max(self._underlyings[convert(underlying, uint256)] >> 224, until))


@external
def resume(levels: uint256):
    """
    @notice Owner: ends stops now. When they ended stays on record: an auction
            that was stopped starts anew.
    """
    ownable._check_owner()
    self._check_levels(levels)
    old: uint256 = self.stops
    stops: uint256 = 0
    for level: uint256 in range(LEVELS):
        end: uint256 = (old >> (64 * level)) & MASK_64
        if (levels >> level) & 1 == 1:
            end = min(end, block.timestamp)
        stops |= end << (64 * level)
    self.stops = stops
    log StopsSet(by=msg.sender, old_stops=old, stops=stops)


@external
def resume_underlying(underlying: uint16):
    """
    @notice Owner: ends the stop of an underlying now.
    """
    ownable._check_owner()
    self._stop_underlying(underlying, min(self._underlyings[convert(underlying, uint256)] >> 224, block.timestamp))


# ------------------------------------------------------------- external: views


@external
@view
def trade_terms(venue: address, instrument: uint128, utilisation: uint256) -> IRegistry.TradeTerms:
    """
    @notice What binds a trade now. Reverts where the venue or the instrument
            may not trade, and nowhere else: no price is read.
    @param utilisation Of the pool [ppm], which raises fees.
    """
    assert self.venues[venue], "registry: venue not admitted"
    id: uint256 = convert(instrument, uint256)
    place: uint256 = self._places[id >> 16]
    assert self._is_tradable(id, place), "registry: unknown instrument"
    expiry: uint256 = (id >> 72) & (2**40 - 1)
    assert expiry == 0 or block.timestamp < expiry, "registry: instrument expired"

    underlying: uint256 = instruments._underlying(id)
    limits: uint256 = self._underlyings[underlying]
    rates: uint256 = self._rates
    volatility: uint256 = 0
    if fee_words._needs_volatility(rates):
        volatility = (staticcall ORACLE.scalars(convert(underlying, uint16)) >> 40) & MASK_32
    factor: uint256 = fee_words._raise(rates, volatility, utilisation)
    cap: uint256 = fee_words._cap(rates)
    return IRegistry.TradeTerms(
        price_band=(rates >> 24) & MASK_24,
        reduce_band=rates & MASK_24,
        instrument_cap=place >> 16,
        underlying_cap=(limits >> 96) & MASK_128,
        min_size=limits & MASK_96,
        maker_fee=fee_words._rate(fee_words._maker(rates), factor, cap),
        taker_fee=fee_words._rate(fee_words._taker(rates), factor, cap),
        account_limits=self.account_limits,
        pool_limits=self.pool_limits,
        reduce_only=block.timestamp < max(self.stops & MASK_64, limits >> 224),
    )


@external
@view
def limits_of_leaving(is_leaving: bool) -> uint256:
    """
    @notice `account_limits`, which hold for what is taken out of an account.
            Reverts while that is stopped.
    @param is_leaving Whether the stop holds for it: not for what the liquidator
           moves to help an account, or to bid.
    """
    assert not is_leaving or block.timestamp >= (self.stops >> 64) & MASK_64, "registry: withdrawals are stopped"
    return self.account_limits


@external
@view
def stopped(levels: uint256) -> bool:
    """
    @notice Whether any of these levels is stopped now.
    @param levels RISK 1, LEAVE 2, LIQUIDATION 4, or several.
    """
    stops: uint256 = self.stops
    for level: uint256 in range(LEVELS):
        if (levels >> level) & 1 == 1 and block.timestamp < (stops >> (64 * level)) & MASK_64:
            return True
    return False


@external
@view
def underlying_stop(underlying: uint16) -> uint256:
    """
    @notice Until when no new risk is taken in an underlying [s], or was; RISK
            holds besides.
    """
    return self._underlyings[convert(underlying, uint256)] >> 224


@external
@view
def liquidation_fee(volatility: uint256, utilisation: uint256) -> uint256:
    """
    @notice Fee of a liquidation [ppm of MM], up.
    @param volatility Of what is liquidated [ppm a year].
    @param utilisation Of the pool [ppm].
    """
    rates: uint256 = self._rates
    factor: uint256 = fee_words._raise(rates, volatility, utilisation)
    return fee_words._rate(fee_words._liquidation(rates), factor, fee_words._liquidation_cap(rates))


@external
@view
def fees() -> uint256:
    """
    @notice The word of fees, packed as `modules/fees.vy` lays out.
    """
    return self._fees()


@external
@view
def price_band() -> uint256:
    """
    @notice How far from the mark any trade's price may lie [ppm of the index].
    """
    return (self._rates >> 24) & MASK_24


@external
@view
def reduce_band() -> uint256:
    """
    @notice How far worse than the mark an account that is not healthy may trade
            [ppm of the index].
    """
    return self._rates & MASK_24


@external
@view
def is_listed(instrument: uint128) -> bool:
    """
    @notice Whether an instrument, collateral included, is listed.
    """
    id: uint256 = convert(instrument, uint256)
    return self._is_listed(id, self._places[id >> 16])


@external
@view
def listing(underlying: uint16, expiry: uint40) -> DynArray[uint256, MAX_ROWS]:
    """
    @notice Ids of one surface's instruments, by row.
    """
    return self._listings[(convert(underlying, uint256) << 40) | convert(expiry, uint256)]


@external
@view
def collateral(token: address) -> (uint128, uint256, uint256):
    """
    @notice Instrument of a collateral token, [wad] per unit of it, and how much
            the book may hold [wad], zero for any; all zero where it is none.
    """
    word: uint256 = self._collateral[token]
    if word == 0:
        return 0, 0, 0
    return convert(word >> 128, uint128), 10**((word >> 120) & 255), word & MASK_120


@external
@view
def tokens() -> DynArray[address, MAX_TOKENS]:
    """
    @notice Tokens that can be deposited, the quote token first.
    """
    return self._tokens


@external
@view
def instrument_cap(instrument: uint128) -> uint256:
    """
    @notice How much open interest an instrument may have [wad]; zero for any,
            and where it is not listed.
    """
    id: uint256 = convert(instrument, uint256)
    place: uint256 = self._places[id >> 16]
    if self._is_listed(id, place):
        return place >> 16
    return 0


@external
@view
def underlying_limits(underlying: uint16) -> (uint256, uint256):
    """
    @notice How much open interest an underlying may have, and how small a trade
            in it may be [wad]; zero for any.
    """
    limits: uint256 = self._underlyings[convert(underlying, uint256)]
    return (limits >> 96) & MASK_128, limits & MASK_96


@external
@view
def quote() -> address:
    """
    @notice The quote token.
    """
    return QUOTE


@external
@view
def feed() -> address:
    """
    @notice IndexFeed: which underlyings there are.
    """
    return FEED.address


@external
@view
def oracle() -> address:
    """
    @notice RiskOracle: how volatile they are.
    """
    return ORACLE.address


# -------------------------------------------------------------------- internal


@internal
@pure
def _is_tighter(old: uint256, new: uint256) -> bool:
    """
    @notice Whether a cap is no looser than before; zero is none.
    """
    return new != 0 and (old == 0 or new <= old)


@internal
@view
def _check_stop(until: uint256):
    """
    @notice Who may stop, and for how long.
    """
    ahead: uint256 = MAX_STOP_GUARDIAN
    if msg.sender == ownable.owner:
        ahead = MAX_STOP_OWNER
    elif msg.sender == self.breakers:
        ahead = MAX_STOP_BREAKERS
    else:
        authority._check(True)
    assert block.timestamp < until and until <= block.timestamp + ahead, "registry: stop out of range"


@internal
@pure
def _check_levels(levels: uint256):
    assert levels != 0 and levels >> LEVELS == 0, "registry: unknown level"


@internal
def _stop_underlying(underlying: uint16, until: uint256):
    word: uint256 = self._underlyings[convert(underlying, uint256)]
    self._underlyings[convert(underlying, uint256)] = (until << 224) | (word & MASK_224)
    log UnderlyingStopSet(underlying=underlying, by=msg.sender, old_until=word >> 224, until=until)


@internal
@view
def _fees() -> uint256:
    return (self._rates >> 88) << 88


@internal
@pure
def _is_listed(id: uint256, place: uint256) -> bool:
    """
    @notice Whether the place that stands for an id is of its row.
    """
    return place & MASK_16 == (id & MASK_16) + 1


@internal
@pure
def _is_tradable(id: uint256, place: uint256) -> bool:
    return instruments._kind(id) != instruments.SPOT and self._is_listed(id, place)


@internal
def _list(key: uint256, kind: uint256, strike: uint256) -> uint128:
    """
    @notice Gives the next row of a surface to an instrument.
    """
    row: uint256 = len(self._listings[key])
    assert row < MAX_ROWS, "registry: listing is full"
    head: uint256 = (key << 72) | (kind << 64) | (strike << 16)
    assert self._places[head >> 16] == 0, "registry: already listed"
    self._places[head >> 16] = row + 1
    self._listings[key].append(head | row)
    id: uint128 = convert(head | row, uint128)
    log InstrumentListed(instrument=id)
    return id


@internal
def _set_bands(price_band: uint256, reduce_band: uint256):
    rates: uint256 = self._rates
    self._rates = self._fees() | (price_band << 24) | reduce_band
    log BandsSet(
        old_price_band=(rates >> 24) & MASK_24,
        old_reduce_band=rates & MASK_24,
        price_band=price_band,
        reduce_band=reduce_band,
    )


@internal
def _set_limits(account_limits: uint256, pool_limits: uint256):
    log LimitsSet(
        old_account_limits=self.account_limits,
        old_pool_limits=self.pool_limits,
        account_limits=account_limits,
        pool_limits=pool_limits,
    )
    self.account_limits = account_limits
    self.pool_limits = pool_limits


@internal
def _set_curve(curve: uint256):
    log CurveSet(old_curve=self.curve, curve=curve)
    self.curve = curve


@internal
def _set_fees(fees: uint256):
    log FeesSet(old_fees=self._fees(), fees=fees)
    # the bands stand below it
    self._rates = fees | (self._rates & (2**88 - 1))

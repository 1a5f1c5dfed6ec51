# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma evm-version cancun
# pragma nonreentrancy on
"""
@title IndexFeed
@notice Index prices of underlyings and collateral, read live from aggregators
        in Chainlink's shape. A price is usable or refused; none is remembered.
        Prices are in quote [wad]: 1e18 is 1 unit of the quote currency for one
        unit of the underlying. Ages are in seconds.

        A price comes by a route of one to three legs, each an aggregator that
        multiplies or divides, with its own decimals, age and bounds:

            price = 1 * or / leg 1 * or / leg 2 * or / leg 3 [/ quote coin]

        every leg in wad, exactly; every product and quotient in wad, rounded
        down. It is as old as its oldest leg. Where the legs end in a currency
        (USD) and the book is in a coin (USDC), a route says so, and the quote
        coin's own route divides: a coin that loses its peg reaches margin. On a
        rollup, no price counts while its sequencer is down.

        The first route of an underlying binds at once: nothing prices it yet,
        and the owner's timelock is what makes a listing slow. A later one is
        staged, and binds only where its first price lies within a band of one
        that it has no part in: the live price, or, where that is dead, the
        reference that risk nodes last signed, which may only stop the change.

        Trusts the owner to name aggregators and bounds, each aggregator for its
        answer, and the RiskOracle for what was signed. The strike unit of an
        underlying is fixed by its first route: instrument ids count strikes in
        it.
@custom:security An aggregator that answers wrongly within its age and bounds is
                 believed: the oracle's reference band is the second look.
@custom:kill Bounds that no price meets (low at the maximum price) make an
             underlying unusable at once, and with it what is margined on it.
"""


# --------------------------------------------------------------------- imports


from interfaces import IAggregatorV3
from interfaces import IIndexFeed
from interfaces import IRiskOracle
from modules import authority
from modules import fixed
from modules import surface
from snekmate.auth import ownable
from snekmate.auth import ownable_2step

implements: IIndexFeed

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: authority[ownable := ownable]

# Not renounced: feeds that nobody can replace end in a book that nobody can close.
exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)


# ------------------------------------------------------------------- constants


QUOTE: public(constant(uint256)) = 2**16  # the quote coin, where an underlying's number is asked for
MAX_UNDERLYINGS: constant(uint256) = 256  # what can be read at once
MAX_LEGS: constant(uint256) = 3  # a wrapped token, a staked one, its coin, say

MIN_MAX_AGE: constant(uint32) = 60  # [s] about five blocks: less would refuse honest prices
MAX_MAX_AGE: constant(uint32) = 604_800  # [s] a week: a weekend and a holiday of a slow feed
MAX_DECIMALS: constant(uint8) = 18  # so that an answer scales up to wad, exactly
MAX_STRIKE_EXPONENT: constant(uint8) = 18  # [power of ten, wad] a strike unit is at most 1 quote
MAX_PRICE: constant(uint256) = 10**27  # [wad] what the overflow proofs of the margin rest on

MIN_BAND: constant(uint256) = 1_000  # [ppm] two honest aggregators differ by about their deviation thresholds
MAX_BAND: constant(uint256) = 100_000  # [ppm] past a tenth a lost factor of a wrapped token would pass
LAPSE: constant(uint256) = 7 * 86_400  # [s] what nobody bound in a week is not wanted any more
BLIND_WAIT: constant(uint256) = 3 * 86_400  # [s] a change that nothing can be held against is as slow as a listing
MAX_REFERENCE_AGE: constant(uint256) = 86_400  # [s] an older signed price says little about today's
MIN_GRACE: constant(uint256) = 600  # [s] owners need time to act after an outage
MAX_GRACE: constant(uint256) = 86_400  # [s] losses grow while nobody liquidates


# Word of a leg: aggregator u160 | flags u8 | max_age u24 | strike_exponent u8 | price_exponent u8 | low u24 | high u24,
# a bound being mantissa u16 << shift u8. Flags and strike exponent of a route are its first leg's.
AGGREGATOR_SHIFT: constant(uint256) = 96
MAX_AGE_SHIFT: constant(uint256) = 64
STRIKE_SHIFT: constant(uint256) = 56
PRICE_SHIFT: constant(uint256) = 48
LOW_SHIFT: constant(uint256) = 24
BOUNDS_MASK: constant(uint256) = 2**48 - 1

DIVIDES: constant(uint256) = 1 << 88
IS_LONG: constant(uint256) = 1 << 89  # a second leg follows
IN_CURRENCY: constant(uint256) = 1 << 90  # the quote coin's route divides
FLAGS_MASK: constant(uint256) = 255 << 88  # none set: one leg, as it is

DEFAULT_GRACE: constant(uint256) = 3_600  # [s]


# ------------------------------------------------------------------ immutables


# whether there is a sequencer to ask: in code, so that where there is none,
# asking costs nothing
ON_ROLLUP: immutable(bool)


# --------------------------------------------------------------------- storage


# underlying, or QUOTE -> words of its legs, in their order; zero behind the last
_routes: HashMap[uint256, uint256[MAX_LEGS]]
_staged: HashMap[uint256, IIndexFeed.Staged]
_underlyings: DynArray[uint256, MAX_UNDERLYINGS]  # that have a route, QUOTE among them
_sequencer: uint256  # uptime aggregator u160 | grace u96 [s]; zero where there is none
band: public(uint256)  # [ppm] of the first price of a new route
witness: public(address)  # RiskOracle, whose signed references stop a change


# ----------------------------------------------------------------- constructor


@deploy
def __init__(sequencer: address):
    """
    @param sequencer Uptime feed of the sequencer where the chain is a rollup;
           empty where it is none.
    """
    ownable.__init__()
    ownable_2step.__init__()
    ON_ROLLUP = sequencer != empty(address)
    if sequencer != empty(address):
        self._set_sequencer(sequencer, DEFAULT_GRACE)
    self.band = 20_000
    log IIndexFeed.BandSet(old=0, new=20_000)


# --------------------------------------------------------- external: governance


@external
def set_feed(underlying: uint16, aggregator: address, max_age: uint32, strike_exponent: uint8):
    """
    @notice The route of one leg that multiplies, in quote, without bounds, of an
            aggregator whatever it calls itself; else as `set_route`.
    @param underlying Class u8 | index u8.
    @param aggregator Prices the underlying in the quote currency, 18 decimals at most.
    @param max_age How old a price may be [s].
    @param strike_exponent A strike unit is 10 ** this [wad]; fixed by the first call.
    """
    ownable._check_owner()
    leg: IIndexFeed.Leg = empty(IIndexFeed.Leg)
    leg.aggregator = aggregator
    leg.max_age = max_age
    self._set(convert(underlying, uint256), [leg], strike_exponent, 0)


@external
def set_route(underlying: uint16, legs: DynArray[IIndexFeed.Leg, MAX_LEGS], strike_exponent: uint8, in_currency: bool):
    """
    @notice The legs that price an underlying. The first route of an underlying
            binds at once, a later one once `bind` finds its price in the band.
            Its price must be usable now.
    @param legs In their order, bounds [wad of the leg] and ages [s] of their own,
           each with the hash of what its aggregator calls itself.
    @param strike_exponent A strike unit is 10 ** this [wad]; fixed by the first call.
    @param in_currency Whether the legs end in the quote coin's currency, not in
           the coin: its price then divides.
    """
    ownable._check_owner()
    self._check_named(legs)
    self._set(convert(underlying, uint256), legs, strike_exponent, IN_CURRENCY if in_currency else 0)


@external
def set_quote_route(legs: DynArray[IIndexFeed.Leg, MAX_LEGS]):
    """
    @notice The legs that price the quote coin in its currency; as `set_route`.
    """
    ownable._check_owner()
    self._check_named(legs)
    self._set(QUOTE, legs, 0, 0)


@external
def cancel(underlying: uint256):
    """
    @notice Owner or guardian: a staged route does not bind any more.
    """
    authority._check(True)
    staged: IIndexFeed.Staged = self._staged[underlying]
    assert staged.since != 0, "feed: nothing staged"
    self._staged[underlying] = empty(IIndexFeed.Staged)
    log IIndexFeed.RouteCancelled(underlying=underlying, route=staged.route)


@external
def set_bounds(underlying: uint256, low: uint256, high: uint256, leg: uint256 = 0):
    """
    @notice Prices at or beyond a bound are no prices: an aggregator that clamps
            its answer repeats its own limit while the market runs through it.
            Stored with 16 significant bits, `low` up and `high` down: both to
            the strict side.
    @param low A leg's prices must lie over this [wad]; 0 for none.
    @param high They must lie under this [wad]; 0 for none.
    @param leg Its place in the route.
    """
    ownable._check_owner()
    assert leg < MAX_LEGS, "feed: unknown leg"
    word: uint256 = self._routes[underlying][leg]
    assert self._routes[underlying][0] != 0, "feed: unknown underlying"
    assert word != 0, "feed: unknown leg"
    new: uint256 = (word & ~BOUNDS_MASK) | self._packed_bounds(low, high)
    self._routes[underlying][leg] = new
    log IIndexFeed.BoundsSet(
        underlying=underlying,
        leg=leg,
        old_low=self._low(word),
        old_high=self._high(word),
        low=self._low(new),
        high=self._high(new),
    )


@external
def set_band(band: uint256):
    """
    @notice How far the first price of a new route may lie from an independent
            one [ppm]. A guardian may narrow it.
    """
    authority._check(band <= self.band)
    assert MIN_BAND <= band and band <= MAX_BAND, "feed: band out of range"
    log IIndexFeed.BandSet(old=self.band, new=band)
    self.band = band


@external
def set_witness(oracle: address):
    """
    @notice Once: the RiskOracle.
    """
    ownable._check_owner()
    assert oracle != empty(address), "feed: zero address"
    assert self.witness == empty(address), "feed: witness is set"
    self.witness = oracle
    log IIndexFeed.WitnessSet(witness=oracle)


@external
def set_sequencer(aggregator: address, grace: uint256):
    """
    @notice Another uptime feed, on a rollup only, and never none: it is asked at
            every price.
    @param aggregator Answers 0 while the sequencer is up, since `startedAt`; it
           must say now that it is.
    @param grace For how long after an outage nobody is liquidated [s].
    """
    ownable._check_owner()
    assert ON_ROLLUP, "feed: not on a rollup"
    self._set_sequencer(aggregator, grace)


# ------------------------------------------------------------ external: binding


@external
def bind(underlying: uint256, by: uint16 = 0):
    """
    @notice Anyone: makes a staged route the live one, where its first price lies
            within the band of an independent one: of the live price; where that
            is dead, of the reference that was signed last, within a day. Where
            there is neither, the route waits three days in the open.
    @dev    Anyone may: what binds was the owner's choice and has waited, when it
            binds is held in the band, and no key has to be at hand while a feed
            is dead. Who starves the question for the live price of gas, to have
            it count as dead, has a 64th of it left: too little for the stores.
    @param underlying Its number, or QUOTE.
    @param by For QUOTE, whose price nobody signs: an underlying priced in the
           currency, which is then held against its reference.
    """
    staged: IIndexFeed.Staged = self._staged[underlying]
    assert staged.since != 0, "feed: nothing staged"
    assert block.timestamp <= staged.since + LAPSE, "feed: staged route lapsed"
    price: uint256 = self._price(staged.route)[0]
    against: uint256 = self._asked(underlying)
    if against == 0 and underlying == QUOTE:
        held: uint256[MAX_LEGS] = self._routes[convert(by, uint256)]
        assert held[0] & IN_CURRENCY != 0, "feed: not priced in the currency"
        price = self._ratio_down(self._chained(held)[0], price)
        against = self._signed(by)
        assert against != 0, "feed: nothing to compare with"
    elif against == 0:
        against = self._signed(convert(underlying, uint16))
        assert against != 0 or block.timestamp >= staged.since + BLIND_WAIT, "feed: nothing to compare with"
    if against != 0:
        # prices are 1e27 at most: no product comes near to wrapping
        distance: uint256 = max(price, against) - min(price, against)
        assert distance * fixed.PPM <= self.band * against, "feed: first price outside the band"
    self._staged[underlying] = empty(IIndexFeed.Staged)
    self._bind(underlying, staged.route, price, against)


# -------------------------------------------------------------- external: views


# Each view below is `@reentrant`: nothing here is ever half written (every call
# outward is static, and comes before the stores), and `price` is read at every
# margin check.


@external
@view
@reentrant
def price(underlying: uint16) -> (uint256, uint256, uint256):
    """
    @notice The live price of an underlying. Reverts when it is unusable; what an
            aggregator reverts with goes through.
    @return Price [wad], when its oldest leg was updated [s], strike unit [wad].
    """
    first: uint256 = self._routes[convert(underlying, uint256)][0]
    assert first != 0, "feed: unknown underlying"
    price: uint256 = 0
    updated_at: uint256 = 0
    if first & FLAGS_MASK == 0 and not ON_ROLLUP:
        price, updated_at = self._leg(first)
    else:
        price, updated_at = self._price(self._loaded(convert(underlying, uint256)))
    return price, updated_at, pow_mod256(10, (first >> STRIKE_SHIFT) & 255)


@external
@view
@reentrant
def quote_price() -> (uint256, uint256):
    """
    @notice The quote coin's price in its currency [wad], when its oldest leg was
            updated [s]; reverts where it is unusable.
    """
    assert self._routes[QUOTE][0] != 0, "feed: no quote route"
    return self._price(self._loaded(QUOTE))


@external
@view
@reentrant
def is_usable(underlying: uint16) -> bool:
    """
    @notice Whether `price` answers: it is asked, so the two cannot disagree. Never
            reverts, whatever the aggregator does; an aggregator that burns all gas
            leaves a 64th of it.
    """
    return raw_call(
        self,
        abi_encode(underlying, method_id=method_id("price(uint16)")),
        max_outsize=0,
        is_static_call=True,
        revert_on_failure=False,
    )


@external
@view
@reentrant
def grace_over() -> bool:
    """
    @notice Whether liquidation may go on: always where there is no sequencer;
            else once it has been up for the grace.
    """
    return block.timestamp >= self._grace_until()


@external
@view
@reentrant
def grace_until() -> uint256:
    """
    @notice When the grace after the last outage ends, or ended [s]: zero where
            there is no sequencer, never while it is down. An auction that began
            before ran while nobody could act.
    """
    return self._grace_until()


@external
@view
@reentrant
def strike_unit(underlying: uint16) -> uint256:
    """
    @notice One unit of strike in quote [wad].
    """
    first: uint256 = self._routes[convert(underlying, uint256)][0]
    assert first != 0, "feed: unknown underlying"
    return 10**((first >> STRIKE_SHIFT) & 255)


@external
@view
@reentrant
def bounds(underlying: uint256, leg: uint256 = 0) -> (uint256, uint256):
    """
    @notice A leg's prices lie strictly between these [wad]; 0 is none.
    """
    assert leg < MAX_LEGS, "feed: unknown leg"
    word: uint256 = self._routes[underlying][leg]
    return self._low(word), self._high(word)


@external
@view
@reentrant
def route(underlying: uint256) -> uint256[MAX_LEGS]:
    """
    @notice Words of the legs of an underlying, or of QUOTE; zero behind the last.
    """
    return self._routes[underlying]


@external
@view
@reentrant
def staged(underlying: uint256) -> IIndexFeed.Staged:
    """
    @notice The route that waits to be bound, and since when [s]; zeros where none.
    """
    return self._staged[underlying]


@external
@view
@reentrant
def underlyings() -> DynArray[uint256, MAX_UNDERLYINGS]:
    """
    @notice All that have a route, QUOTE among them, in the order they came.
    """
    return self._underlyings


@external
@view
@reentrant
def sequencer() -> (address, uint256):
    """
    @notice The uptime feed of the sequencer, and the grace after an outage [s].
    """
    return convert(self._sequencer >> AGGREGATOR_SHIFT, address), self._sequencer & (2**96 - 1)


# ------------------------------------------------------------- internal: prices


@internal
@view
def _leg(word: uint256) -> (uint256, uint256):
    """
    @notice What one aggregator says [wad], and when it was updated [s].
    """
    # An aggregator without code, or with less data than a round, reverts here.
    last: IAggregatorV3.Round = staticcall IAggregatorV3(convert(word >> AGGREGATOR_SHIFT, address)).latestRoundData()
    assert last.answer > 0, "feed: price not positive"
    assert last.updated_at <= block.timestamp, "feed: price from the future"
    # cannot wrap: the line above
    age: uint256 = unsafe_sub(block.timestamp, last.updated_at)
    assert age <= (word >> MAX_AGE_SHIFT) & (2**24 - 1), "feed: stale price"
    price: uint256 = convert(last.answer, uint256)
    assert price <= MAX_PRICE, "feed: price over the maximum"
    # neither power nor product can wrap: both exponents are 18 at most
    price = unsafe_mul(price, pow_mod256(10, (word >> PRICE_SHIFT) & 255))
    assert price <= MAX_PRICE, "feed: price over the maximum"
    if word & BOUNDS_MASK != 0:
        assert price > self._low(word), "feed: price at its bound"
        high: uint256 = self._high(word)
        assert high == 0 or price < high, "feed: price at its bound"
    return price, last.updated_at


@internal
@view
def _loaded(underlying: uint256) -> uint256[MAX_LEGS]:
    """
    @notice The route of an underlying: one slot where it has one leg.
    """
    route: uint256[MAX_LEGS] = empty(uint256[MAX_LEGS])
    route[0] = self._routes[underlying][0]
    if route[0] & IS_LONG != 0:
        route[1] = self._routes[underlying][1]
        route[2] = self._routes[underlying][2]
    return route


@internal
@view
def _price(route: uint256[MAX_LEGS]) -> (uint256, uint256):
    """
    @notice What a route gives [wad], and when its oldest leg was updated [s].
    """
    if ON_ROLLUP:
        assert self._up_since(self._sequencer) != 0, "feed: sequencer is down"
    price: uint256 = 0
    updated_at: uint256 = 0
    price, updated_at = self._chained(route)
    if route[0] & IN_CURRENCY != 0:
        quote: uint256[MAX_LEGS] = self._loaded(QUOTE)
        assert quote[0] != 0, "feed: no quote route"
        coin: uint256 = 0
        coin_at: uint256 = 0
        coin, coin_at = self._chained(quote)
        price = self._ratio_down(price, coin)
        updated_at = min(updated_at, coin_at)
    return price, updated_at


@internal
@view
def _chained(route: uint256[MAX_LEGS]) -> (uint256, uint256):
    """
    @notice The legs of a route, one after the other; exact where there is one
            that multiplies.
    """
    price: uint256 = fixed.WAD
    oldest: uint256 = max_value(uint256)
    for word: uint256 in route:
        if word == 0:
            break
        found: uint256 = 0
        updated_at: uint256 = 0
        found, updated_at = self._leg(word)
        if word & DIVIDES == 0:
            price = self._product_down(price, found)
        else:
            price = self._ratio_down(price, found)
        oldest = min(oldest, updated_at)
    return price, oldest


@internal
@pure
def _product_down(price: uint256, by: uint256) -> uint256:
    """
    @notice price * by [wad]. Down, by less than a wad's last digit, whichever
            side gains: a price has no safe direction, only one for all.
    @dev    Both are 1e27 at most, the product 1e54: it cannot overflow.
    """
    return self._in_range(fixed._mul_div_down(price, by, fixed.WAD))


@internal
@pure
def _ratio_down(price: uint256, by: uint256) -> uint256:
    """
    @notice price / by [wad]. Down likewise; `by` MUST NOT be zero, which no leg
            and no route is.
    @dev    price * 1e18 is 1e45 at most: it cannot overflow.
    """
    return self._in_range(fixed._mul_div_down(price, fixed.WAD, by))


@internal
@pure
def _in_range(price: uint256) -> uint256:
    assert price > 0, "feed: price not positive"
    assert price <= MAX_PRICE, "feed: price over the maximum"
    return price


@internal
@view
def _up_since(sequencer: uint256) -> uint256:
    """
    @notice Since when the sequencer is up [s]; zero where it is down, or nobody
            knows: an answer that is neither 0 nor 1, a round that never began,
            or begins later.
    """
    last: IAggregatorV3.Round = staticcall IAggregatorV3(
        convert(sequencer >> AGGREGATOR_SHIFT, address)
    ).latestRoundData()
    if last.answer != 0 or last.started_at > block.timestamp:
        return 0
    return last.started_at


@internal
@view
def _grace_until() -> uint256:
    if not ON_ROLLUP:
        return 0
    sequencer: uint256 = self._sequencer
    since: uint256 = self._up_since(sequencer)
    if since == 0:
        return max_value(uint256)
    return since + (sequencer & (2**96 - 1))


@internal
def _set_sequencer(aggregator: address, grace: uint256):
    assert MIN_GRACE <= grace and grace <= MAX_GRACE, "feed: grace out of range"
    assert aggregator.is_contract, "feed: no code at the aggregator"
    old: uint256 = self._sequencer
    new: uint256 = (convert(aggregator, uint256) << AGGREGATOR_SHIFT) | grace
    assert self._up_since(new) != 0, "feed: sequencer is down"
    self._sequencer = new
    log IIndexFeed.SequencerSet(
        old=convert(old >> AGGREGATOR_SHIFT, address), new=aggregator, old_grace=old & (2**96 - 1), new_grace=grace
    )


@internal
@view
def _asked(underlying: uint256) -> uint256:
    """
    @notice The live price [wad]; zero where it is dead, whatever the aggregators
            do.
    """
    data: Bytes[36] = abi_encode(underlying, method_id=method_id("price(uint16)"))
    if underlying == QUOTE:
        data = method_id("quote_price()")
    is_live: bool = False
    answer: Bytes[32] = b""
    is_live, answer = raw_call(self, data, max_outsize=32, is_static_call=True, revert_on_failure=False)
    if not is_live:
        return 0
    return convert(answer, uint256)


@internal
@view
def _signed(underlying: uint16) -> uint256:
    """
    @notice The reference price of an underlying's surface of perps and spot
            [wad], as risk nodes signed it; zero where there is none, or it is
            older than a day.
    """
    if self.witness == empty(address):
        return 0
    pointer: uint256 = staticcall IRiskOracle(self.witness).pointer(underlying, 0)
    if pointer == 0:
        return 0
    head: surface.Header = surface._header(convert(pointer >> 96, address))
    if block.timestamp > head.time + MAX_REFERENCE_AGE:
        return 0
    return head.reference


# ------------------------------------------------------------- internal: routes


@internal
def _set(underlying: uint256, legs: DynArray[IIndexFeed.Leg, MAX_LEGS], strike_exponent: uint8, in_currency: uint256):
    """
    @notice Binds the first route of an underlying, stages a later one.
    """
    assert len(legs) > 0, "feed: no legs"
    route: uint256[MAX_LEGS] = empty(uint256[MAX_LEGS])
    for i: uint256 in range(len(legs), bound=MAX_LEGS):
        route[i] = self._packed_leg(legs[i])
    assert strike_exponent <= MAX_STRIKE_EXPONENT, "feed: strike exponent over 18"
    route[0] |= (convert(strike_exponent, uint256) << STRIKE_SHIFT) | in_currency
    if len(legs) > 1:
        route[0] |= IS_LONG
    old: uint256[MAX_LEGS] = self._routes[underlying]
    if old[0] != 0:
        assert convert(strike_exponent, uint256) == (old[0] >> STRIKE_SHIFT) & 255, "feed: strike exponent is fixed"
    price: uint256 = self._price(route)[0]
    if old[0] == 0:
        assert len(self._underlyings) < MAX_UNDERLYINGS, "feed: too many underlyings"
        self._underlyings.append(underlying)
        self._bind(underlying, route, price, 0)
        return
    self._staged[underlying] = IIndexFeed.Staged(route=route, since=block.timestamp)
    log IIndexFeed.RouteStaged(underlying=underlying, old=old, new=route, lapses=block.timestamp + LAPSE)


@internal
def _bind(underlying: uint256, route: uint256[MAX_LEGS], price: uint256, against: uint256):
    log IIndexFeed.RouteBound(
        underlying=underlying, old=self._routes[underlying], new=route, price=price, against=against
    )
    self._routes[underlying] = route


@internal
@pure
def _check_named(legs: DynArray[IIndexFeed.Leg, MAX_LEGS]):
    for leg: IIndexFeed.Leg in legs:
        assert leg.description != empty(bytes32), "feed: description not named"


@internal
@view
def _packed_leg(leg: IIndexFeed.Leg) -> uint256:
    """
    @notice The word of a leg, its aggregator asked who it is.
    """
    assert leg.aggregator != empty(address), "feed: zero aggregator"
    assert MIN_MAX_AGE <= leg.max_age and leg.max_age <= MAX_MAX_AGE, "feed: max age out of range"
    bounds: uint256 = self._packed_bounds(leg.low, leg.high)
    assert leg.aggregator.is_contract, "feed: no code at the aggregator"
    decimals: uint8 = staticcall IAggregatorV3(leg.aggregator).decimals()
    assert decimals <= MAX_DECIMALS, "feed: decimals over 18"
    if leg.description != empty(bytes32):
        assert (
            keccak256(staticcall IAggregatorV3(leg.aggregator).description()) == leg.description
        ), "feed: another description"
    word: uint256 = (
        (convert(leg.aggregator, uint256) << AGGREGATOR_SHIFT)
        | (convert(leg.max_age, uint256) << MAX_AGE_SHIFT)
        | (convert(MAX_DECIMALS - decimals, uint256) << PRICE_SHIFT)
        | bounds
    )
    if leg.divides:
        word |= DIVIDES
    return word


# ------------------------------------------------------------- internal: bounds


@internal
@pure
def _low(word: uint256) -> uint256:
    """
    @notice The lower bound in a leg's word [wad].
    """
    return self._bound((word >> LOW_SHIFT) & (2**24 - 1))


@internal
@pure
def _high(word: uint256) -> uint256:
    """
    @notice The upper bound in a leg's word [wad].
    """
    return self._bound(word & (2**24 - 1))


@internal
@pure
def _bound(packed: uint256) -> uint256:
    """
    @notice mantissa u16 << shift u8 [wad].
    """
    return (packed >> 8) << (packed & 255)


@internal
@pure
def _packed_bounds(low: uint256, high: uint256) -> uint256:
    """
    @notice Both bounds as they stand in a leg's word.
    """
    assert low <= MAX_PRICE and high <= MAX_PRICE and (high == 0 or low < high), "feed: bounds out of range"
    return (self._pack_bound_up(low) << LOW_SHIFT) | self._pack_bound_down(high)


@internal
@pure
def _pack_bound_down(bound: uint256) -> uint256:
    """
    @notice The highest packed bound not over `bound`. Down: an upper bound gets
            stricter.
    @dev `bound` is under 2**90, so 75 halvings at most bring it under 2**16.
    """
    mantissa: uint256 = bound
    exponent: uint256 = 0
    for _: uint256 in range(75):
        if mantissa < 2**16:
            break
        mantissa = mantissa >> 1
        exponent += 1
    return (mantissa << 8) | exponent


@internal
@pure
def _pack_bound_up(bound: uint256) -> uint256:
    """
    @notice The lowest packed bound not under `bound`. Up: a lower bound gets
            stricter.
    @dev A mantissa rounded up may reach 2**16, one bit too many: it is even then,
         and half of it with one more shift is the same bound.
    """
    packed: uint256 = self._pack_bound_down(bound)
    if self._bound(packed) == bound:
        return packed
    mantissa: uint256 = (packed >> 8) + 1
    exponent: uint256 = packed & 255
    if mantissa == 2**16:
        return (2**15 << 8) | (exponent + 1)
    return (mantissa << 8) | exponent

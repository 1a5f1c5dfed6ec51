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

        Trusts the owner to name aggregators and bounds, and each aggregator for
        its answer. The strike unit of an underlying is fixed by its first feed:
        instrument ids count strikes in it.
@custom:security An aggregator that answers wrongly within its age and bounds is
                 believed: the oracle's reference band is the second look. An
                 owner behind a timelock is what makes a change of feed slow.
@custom:kill Bounds that no price meets (low at the maximum price) make an
             underlying unusable at once, and with it what is margined on it.
"""


# --------------------------------------------------------------------- imports


from interfaces import IAggregatorV3
from interfaces import IIndexFeed
from snekmate.auth import ownable
from snekmate.auth import ownable_2step

implements: IIndexFeed

initializes: ownable
initializes: ownable_2step[ownable := ownable]

# Not renounced: feeds that nobody can replace end in a book that nobody can close.
exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)


# ------------------------------------------------------------------- constants


MIN_MAX_AGE: constant(uint32) = 60  # [s] about five blocks: less would refuse honest prices
MAX_MAX_AGE: constant(uint32) = 604_800  # [s] a week: a weekend and a holiday of a slow feed
MAX_DECIMALS: constant(uint8) = 18  # so that an answer scales up to wad, exactly
MAX_STRIKE_EXPONENT: constant(uint8) = 18  # [power of ten, wad] a strike unit is at most 1 quote
MAX_PRICE: constant(uint256) = 10**27  # [wad] what the overflow proofs of the margin rest on


# Config word: aggregator u160 | max_age u32 | strike_exponent u8 | price_exponent u8 | low u24 | high u24,
# a bound being mantissa u16 << shift u8.
AGGREGATOR_SHIFT: constant(uint256) = 96
MAX_AGE_SHIFT: constant(uint256) = 64
STRIKE_SHIFT: constant(uint256) = 56
PRICE_SHIFT: constant(uint256) = 48
LOW_SHIFT: constant(uint256) = 24
BOUNDS_MASK: constant(uint256) = 2**48 - 1


# --------------------------------------------------------------------- storage


configs: public(HashMap[uint16, uint256])  # [packed, as above] zero: unknown


# ----------------------------------------------------------------- constructor


@deploy
def __init__():
    ownable.__init__()
    ownable_2step.__init__()


# -------------------------------------------------------------------- external


@external
def set_feed(underlying: uint16, aggregator: address, max_age: uint32, strike_exponent: uint8):
    """
    @notice Name the aggregator of an underlying. Bounds start open: an aggregator
            brings its own.
    @param underlying Class u8 | index u8.
    @param aggregator Prices the underlying in the quote currency, 18 decimals at most.
    @param max_age How old a price may be [s].
    @param strike_exponent A strike unit is 10 ** this [wad]; fixed by the first call.
    """
    ownable._check_owner()
    assert aggregator != empty(address), "feed: zero aggregator"
    assert MIN_MAX_AGE <= max_age and max_age <= MAX_MAX_AGE, "feed: max age out of range"
    assert strike_exponent <= MAX_STRIKE_EXPONENT, "feed: strike exponent over 18"
    old: uint256 = self.configs[underlying]
    if old != 0:
        assert convert(strike_exponent, uint256) == (old >> STRIKE_SHIFT) & 255, "feed: strike exponent is fixed"
    decimals: uint8 = staticcall IAggregatorV3(aggregator).decimals()
    assert decimals <= MAX_DECIMALS, "feed: decimals over 18"
    self.configs[underlying] = (
        (convert(aggregator, uint256) << AGGREGATOR_SHIFT)
        | (convert(max_age, uint256) << MAX_AGE_SHIFT)
        | (convert(strike_exponent, uint256) << STRIKE_SHIFT)
        | (convert(MAX_DECIMALS - decimals, uint256) << PRICE_SHIFT)
    )
    log IIndexFeed.FeedSet(
        underlying=underlying,
        aggregator=aggregator,
        max_age=max_age,
        strike_exponent=strike_exponent,
    )


@external
def set_bounds(underlying: uint16, low: uint256, high: uint256):
    """
    @notice Prices at or beyond a bound are no prices: an aggregator that clamps
            its answer repeats its own limit while the market runs through it.
            Stored with 16 significant bits, `low` up and `high` down: both to
            the strict side.
    @param low Prices must lie over this [wad]; 0 for none.
    @param high Prices must lie under this [wad]; 0 for none.
    """
    ownable._check_owner()
    config: uint256 = self.configs[underlying]
    assert config != 0, "feed: unknown underlying"
    assert low <= MAX_PRICE and high <= MAX_PRICE and (high == 0 or low < high), "feed: bounds out of range"
    packed_low: uint256 = self._pack_bound_up(low)
    packed_high: uint256 = self._pack_bound_down(high)
    self.configs[underlying] = (config & ~BOUNDS_MASK) | (packed_low << LOW_SHIFT) | packed_high
    log IIndexFeed.BoundsSet(underlying=underlying, low=self._bound(packed_low), high=self._bound(packed_high))


# Each view below is `@reentrant`: nothing here is ever half written (the one
# outward call, `decimals`, is static and comes before the one store), and
# `price` is read at every margin check.


@external
@view
@reentrant
def price(underlying: uint16) -> (uint256, uint256, uint256):
    """
    @notice The live price of an underlying. Reverts when it is unusable; what the
            aggregator reverts with goes through.
    @return Price [wad], when the aggregator updated it [s], strike unit [wad].
    """
    config: uint256 = self.configs[underlying]
    assert config != 0, "feed: unknown underlying"
    # An aggregator without code, or with less data than a round, reverts here.
    last: IAggregatorV3.Round = staticcall IAggregatorV3(convert(config >> AGGREGATOR_SHIFT, address)).latestRoundData()
    assert last.answer > 0, "feed: price not positive"
    assert last.updated_at <= block.timestamp, "feed: price from the future"
    # cannot wrap: the line above
    age: uint256 = unsafe_sub(block.timestamp, last.updated_at)
    assert age <= (config >> MAX_AGE_SHIFT) & convert(max_value(uint32), uint256), "feed: stale price"
    price: uint256 = convert(last.answer, uint256)
    assert price <= MAX_PRICE, "feed: price over the maximum"
    # neither power nor product can wrap: both exponents are 18 at most
    price = unsafe_mul(price, pow_mod256(10, (config >> PRICE_SHIFT) & 255))
    assert price <= MAX_PRICE, "feed: price over the maximum"
    if config & BOUNDS_MASK != 0:
        assert price > self._bound((config >> LOW_SHIFT) & (2**24 - 1)), "feed: price at its bound"
        high: uint256 = self._bound(config & (2**24 - 1))
        assert high == 0 or price < high, "feed: price at its bound"
    return price, last.updated_at, pow_mod256(10, (config >> STRIKE_SHIFT) & 255)


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
def strike_unit(underlying: uint16) -> uint256:
    """
    @notice One unit of strike in quote [wad].
    """
    config: uint256 = self.configs[underlying]
    assert config != 0, "feed: unknown underlying"
    return 10**((config >> STRIKE_SHIFT) & 255)


@external
@view
@reentrant
def bounds(underlying: uint16) -> (uint256, uint256):
    """
    @notice Prices lie strictly between these [wad]; 0 is none.
    """
    config: uint256 = self.configs[underlying]
    return self._bound((config >> LOW_SHIFT) & (2**24 - 1)), self._bound(config & (2**24 - 1))


# -------------------------------------------------------------------- internal


@internal
@pure
def _bound(packed: uint256) -> uint256:
    """
    @notice mantissa u16 << shift u8 [wad].
    """
    return (packed >> 8) << (packed & 255)


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

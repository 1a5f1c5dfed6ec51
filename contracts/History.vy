# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma evm-version cancun
# pragma nonreentrancy on
"""
@title What prices were: a while ago, and before an expiry
@license GNU Affero General Public License v3.0 only
@notice Remembers two index prices of each underlying, so that what a sudden
        price pays is told apart from what it already paid `lag` ago; and the
        index of each minute of the half hour before an expiry, of which the
        settlement price is made: anyone observes, anyone proposes, and after
        `delay` the price stands for good.

            expiry - 1,800 s           expiry                  + delay
            |--- observe, 30 buckets ---|-- propose --|-- dispute --| final

        Units: money and prices [wad], time [s]. Sums of a book round down:
        against the account.
        Trusts IndexFeed for live prices and RiskOracle for surfaces and funding.
        The owner and his guardians can withdraw a price that is not final; the owner
        names one where it was withdrawn or too little was seen, within a factor
        of two of the index. It trusts no caller: the first price of a bucket is
        the bucket's, whoever brings it.
@custom:security Seven wrong buckets move nothing while each minute is observed;
        a price that nobody follows up stands for all the minutes after it. Where
        nobody touches an underlying, the lagged price is older than `lag`. With
        a `delay` of 0 there is nothing to dispute.
@custom:kill A guardian disputes; an expiry so disputed waits for the owner.
"""


# --------------------------------------------------------------------- imports


from snekmate.auth import ownable_2step
from snekmate.auth import ownable

from interfaces import IHistory
from interfaces import IIndexFeed
from interfaces import IRiskOracle

from modules import authority
from modules import fixed
from modules import instruments
from modules import settlement_price
from modules import surface

implements: IHistory

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


MAX_LAG: constant(uint256) = 86_400  # [s] profit that waits longer is no profit
MAX_DELAY: constant(uint256) = 7 * 86_400  # [s] longer holds up what expired for nothing
MAX_POSITIONS: constant(uint256) = instruments.MAX_POSITIONS
BUCKETS: constant(uint256) = settlement_price.BUCKETS
BUCKET: constant(uint256) = settlement_price.BUCKET
WINDOW: constant(uint256) = instruments.WINDOW
NO_KEY: constant(uint256) = max_value(uint256)  # of no surface

# Checkpoint word: newer price u90 | its time u38 | older price u90 | its time u38. A price is at most 1e27 < 2**90.
TIME_BITS: constant(uint256) = 38
MASK_TIME: constant(uint256) = 2**38 - 1
MASK_HALF: constant(uint256) = 2**128 - 1


# ------------------------------------------------------------------ immutables


FEED: immutable(IIndexFeed)
ORACLE: immutable(IRiskOracle)
LAG: immutable(uint256)  # [s]
DELAY: immutable(uint256)  # [s]


# --------------------------------------------------------------------- structs


# What the words of one surface are valued by.
struct Sight:
    underlying: uint256
    live: uint256  # [wad] index now
    lagged: uint256  # [wad] index of `lag` ago
    strike_unit: uint256  # [wad]
    key: uint256  # underlying u16 | expiry u40
    at: address  # zero where there is no surface
    rows: uint256
    reference: uint256  # [wad]
    ahead: uint256  # [wad] the expiry's forward at the live index
    ahead_lagged: uint256  # [wad] and at the lagged one


# --------------------------------------------------------------------- storage


_checkpoints: HashMap[uint256, uint256]  # underlying -> word as above
# underlying u16 | expiry u40 -> prices [wad] u128, two a word, the earlier one low
_observed: HashMap[uint256, uint256[BUCKETS // 2]]
_settlements: HashMap[uint256, uint256]  # key -> price u128 [wad] | ready_at u64 [s] | zero | disputed u1


# ----------------------------------------------------------------- constructor


@deploy
def __init__(feed: address, oracle: address, lag: uint256, delay: uint256):
    """
    @notice The deployer owns it.
    @param feed IndexFeed of live prices.
    @param oracle RiskOracle of surfaces and funding.
    @param lag How long a profit waits before it is paid [s]; 0: not at all.
    @param delay How long a proposed price can be disputed [s].
    """
    assert feed != empty(address) and oracle != empty(address), "history: zero address"
    assert lag <= MAX_LAG, "history: lag out of range"
    assert delay <= MAX_DELAY, "history: delay out of range"
    ownable.__init__()
    ownable_2step.__init__()
    FEED = IIndexFeed(feed)
    ORACLE = IRiskOracle(oracle)
    LAG = lag
    DELAY = delay


# ------------------------------------------------------------- external: a lag


@external
def touch(underlying: uint16):
    """
    @notice Anyone: remembers the live index where the last one was remembered at
            least `lag` ago, or none was; reverts then as the feed does. Else
            nothing, and nothing at all without a lag.
    @param underlying Class u8 | index u8.
    """
    if LAG == 0:
        return
    word: uint256 = self._checkpoints[convert(underlying, uint256)]
    newer: uint256 = word >> 128
    # the clock does not go back; a word of zero is of time 0: long ago
    if unsafe_sub(block.timestamp, newer & MASK_TIME) < LAG:
        return
    price: uint256 = self._live(underlying)
    self._checkpoints[convert(underlying, uint256)] = ((price << (128 + TIME_BITS)) | (block.timestamp << 128) | newer)
    log IHistory.Touched(underlying=underlying, price=price)


# ------------------------------------------------------ external: settlement


@external
def observe(underlying: uint16, expiry: uint40):
    """
    @notice Anyone: the live index, for the minute's bucket; the first of a
            bucket stays. Reverts as the feed does.
    @param underlying Class u8 | index u8.
    @param expiry [s] the window is the half hour before it.
    """
    end: uint256 = convert(expiry, uint256)
    assert block.timestamp < end and block.timestamp + WINDOW >= end, "history: not in the window"
    # under BUCKETS: both lines above
    bucket: uint256 = (block.timestamp + WINDOW - end) // BUCKET
    key: uint256 = self._key(underlying, expiry)
    word: uint256 = self._observed[key][bucket // 2]
    offset: uint256 = 128 * (bucket % 2)
    assert (word >> offset) & MASK_HALF == 0, "history: bucket is filled"
    price: uint256 = self._live(underlying)
    self._observed[key][bucket // 2] = word | (price << offset)
    log IHistory.Observed(underlying=underlying, expiry=expiry, bucket=bucket, price=price)


@external
def propose(underlying: uint16, expiry: uint40):
    """
    @notice Anyone, once: proposes the price that follows from what was observed.
            It is final after `delay`, where nobody disputes it.
    @param underlying Class u8 | index u8.
    @param expiry [s] not in the future.
    """
    assert self._is_past(expiry), "history: not expired"
    key: uint256 = self._key(underlying, expiry)
    assert self._settlements[key] == 0, "history: already proposed"
    seen: uint256[BUCKETS] = self._buckets(key)
    assert settlement_price._count(seen) >= settlement_price.MIN_BUCKETS, "history: too few observations"
    price: uint256 = settlement_price._middle_half(settlement_price._filled(seen))
    ready_at: uint256 = self._set(key, price)
    log IHistory.Proposed(underlying=underlying, expiry=expiry, price=price, ready_at=ready_at)


@external
def dispute(underlying: uint16, expiry: uint40):
    """
    @notice Owner or guardian: withdraws a price that is not final; the owner
            names another with `resolve`, and nothing else can.
    @param underlying Class u8 | index u8.
    @param expiry [s]
    """
    # it waits for the owner, and settles nothing
    authority._check(True)
    key: uint256 = self._key(underlying, expiry)
    word: uint256 = self._settlements[key]
    assert word >> 128 != 0, "history: nothing to dispute"
    assert block.timestamp < self._ready_at(word), "history: price is final"
    self._settlements[key] = 1
    log IHistory.Disputed(underlying=underlying, expiry=expiry, price=word >> 128, by=msg.sender)


@external
def resolve(underlying: uint16, expiry: uint40, price: uint256):
    """
    @notice Owner: names the price of an expiry that was disputed, or of which
            too little was observed. It can be disputed for `delay` again.
    @param underlying Class u8 | index u8.
    @param expiry [s] not in the future.
    @param price [wad] between half and twice the live index.
    """
    ownable._check_owner()
    assert self._is_past(expiry), "history: not expired"
    key: uint256 = self._key(underlying, expiry)
    word: uint256 = self._settlements[key]
    is_open: bool = word == 1
    if word == 0:
        is_open = settlement_price._count(self._buckets(key)) < settlement_price.MIN_BUCKETS
    assert is_open, "history: nothing to resolve"
    assert 0 < price and price <= fixed.MAX_PRICE, "history: price out of range"
    live: uint256 = self._live(underlying)
    # both at most 1e27
    assert 2 * price >= live and price <= 2 * live, "history: price too far from the index"
    ready_at: uint256 = self._set(key, price)
    log IHistory.Resolved(underlying=underlying, expiry=expiry, price=price, ready_at=ready_at)


# ------------------------------------------------------------ external: views


# Each view below is `@reentrant`: nothing here is ever half written (every call
# outward is static and comes before the one store), and the book reads them in
# the midst of its functions, at every withdrawal.


@external
@view
@reentrant
def lagged(underlying: uint16) -> uint256:
    """
    @notice The newest index that is at least `lag` old [wad]; the live one
            without a lag. Reverts where none is remembered.
    @param underlying Class u8 | index u8.
    """
    if LAG == 0:
        return self._live(underlying)
    return self._lagged(underlying)


@external
@view
@reentrant
def unpaid(words: DynArray[uint256, MAX_POSITIONS]) -> uint256:
    """
    @notice Profit that came within `lag` [wad]: over each underlying by how much
            its words are worth more at the live than at the lagged index, each
            worth rounded down. A loss on one pays for no profit on another.
    @param words Position words, sorted by id.
    """
    if LAG == 0:
        return 0
    total: uint256 = 0
    live: int256 = 0
    lagged: int256 = 0
    sight: Sight = self._sight()
    for word: uint256 in words:
        if instruments._underlying(word) != sight.underlying:
            total += self._gain(live, lagged)
            live = 0
            lagged = 0
            sight = self._prices(word)
        if sight.live == sight.lagged:
            # no word of it is worth more
            continue
        if instruments._surface_key(word) != sight.key:
            sight = self._look(instruments._surface_key(word), sight)
        at_live: int256 = 0
        at_lagged: int256 = 0
        at_live, at_lagged = self._worth(word, sight)
        live += at_live
        lagged += at_lagged
    return total + self._gain(live, lagged)


@external
@view
@reentrant
def variation(words: DynArray[uint256, MAX_POSITIONS]) -> (int256, int256):
    """
    @notice What perps and futures are worth, funding taken off, at the live and
            at the lagged index [wad]; down, once a word. Other words are not
            looked at, nor are their underlyings.
    @param words Position words, sorted by id.
    """
    live: int256 = 0
    lagged: int256 = 0
    sight: Sight = self._sight()
    for word: uint256 in words:
        if instruments._kind(word) > instruments.FUTURE:
            continue
        if instruments._underlying(word) != sight.underlying:
            sight = self._prices(word)
        if instruments._surface_key(word) != sight.key:
            sight = self._look(instruments._surface_key(word), sight)
        at_live: int256 = 0
        at_lagged: int256 = 0
        at_live, at_lagged = self._worth(word, sight)
        live += fixed._div_floor(at_live, 10**18)
        lagged += fixed._div_floor(at_lagged, 10**18)
    return live, lagged


@external
@view
@reentrant
def settled(underlying: uint16, expiry: uint40) -> uint256:
    """
    @notice The price that an expiry settles at [wad], once it is final; else 0.
            Never reverts; once it is not 0 it never changes.
    @param underlying Class u8 | index u8.
    @param expiry [s]
    """
    word: uint256 = self._settlements[self._key(underlying, expiry)]
    if block.timestamp < self._ready_at(word):
        return 0
    # a disputed word has no price
    return word >> 128


@external
@view
@reentrant
def settlement(underlying: uint16, expiry: uint40) -> (uint256, uint256, bool):
    """
    @notice Where the price of an expiry stands; all zero where none was proposed.
    @param underlying Class u8 | index u8.
    @param expiry [s]
    @return Price [wad], when it is or was final [s], whether it was withdrawn.
    """
    word: uint256 = self._settlements[self._key(underlying, expiry)]
    return word >> 128, self._ready_at(word), word & 1 == 1


@external
@view
@reentrant
def buckets(underlying: uint16, expiry: uint40) -> uint256[BUCKETS]:
    """
    @notice What was observed before an expiry [wad], by minute; 0 where nothing.
    @param underlying Class u8 | index u8.
    @param expiry [s]
    """
    return self._buckets(self._key(underlying, expiry))


@external
@view
@reentrant
def checkpoints(underlying: uint16) -> (uint256, uint256, uint256, uint256):
    """
    @notice What is remembered of an underlying; zero where nothing.
    @param underlying Class u8 | index u8.
    @return Newer price [wad], its time [s], older price [wad], its time [s].
    """
    word: uint256 = self._checkpoints[convert(underlying, uint256)]
    return (
        word >> (128 + TIME_BITS),
        (word >> 128) & MASK_TIME,
        (word & MASK_HALF) >> TIME_BITS,
        word & MASK_TIME,
    )


@external
@view
@reentrant
def lag() -> uint256:
    """
    @notice How long a profit waits before it is paid [s]; 0: not at all.
    """
    return LAG


@external
@view
@reentrant
def delay() -> uint256:
    """
    @notice How long a proposed price can be disputed [s].
    """
    return DELAY


@external
@view
@reentrant
def feed() -> address:
    """
    @notice IndexFeed of live prices.
    """
    return FEED.address


@external
@view
@reentrant
def oracle() -> address:
    """
    @notice RiskOracle of surfaces and funding.
    """
    return ORACLE.address


# ------------------------------------------------------- internal: settlement


@internal
@pure
def _key(underlying: uint16, expiry: uint40) -> uint256:
    return (convert(underlying, uint256) << 40) | convert(expiry, uint256)


@internal
@pure
def _ready_at(word: uint256) -> uint256:
    """
    @notice From when on the price of a settlement word is final [s].
    """
    return (word >> 64) & (2**64 - 1)


@internal
@view
def _is_past(expiry: uint40) -> bool:
    """
    @notice Whether an expiry was; 0 is that of what never expires.
    """
    return expiry != 0 and convert(expiry, uint256) <= block.timestamp


@internal
@view
def _buckets(key: uint256) -> uint256[BUCKETS]:
    """
    @notice What was observed [wad], by bucket.
    """
    pairs: uint256[BUCKETS // 2] = self._observed[key]
    seen: uint256[BUCKETS] = empty(uint256[BUCKETS])
    for i: uint256 in range(BUCKETS // 2):
        # 2 i + 1 < BUCKETS
        seen[unsafe_mul(i, 2)] = pairs[i] & MASK_HALF
        seen[unsafe_add(unsafe_mul(i, 2), 1)] = pairs[i] >> 128
    return seen


@internal
def _set(key: uint256, price: uint256) -> uint256:
    """
    @notice Takes a price [wad] down, to be final after `delay`; when that is [s].
    """
    ready_at: uint256 = block.timestamp + DELAY
    self._settlements[key] = (price << 128) | (ready_at << 64)
    return ready_at


# ------------------------------------------------------------ internal: prices


@internal
@view
def _live(underlying: uint16) -> uint256:
    """
    @notice The live index [wad], at most 1e27.
    """
    price: uint256 = 0
    updated_at: uint256 = 0
    strike_unit: uint256 = 0
    price, updated_at, strike_unit = staticcall FEED.price(underlying)
    return price


@internal
@view
def _lagged(underlying: uint16) -> uint256:
    """
    @notice The newest remembered index that is at least `lag` old [wad].
    @dev    The older one is: it was remembered `lag` or more before the newer.
    """
    word: uint256 = self._checkpoints[convert(underlying, uint256)]
    half: uint256 = word >> 128
    # the clock does not go back
    if unsafe_sub(block.timestamp, half & MASK_TIME) < LAG:
        half = word & MASK_HALF
    assert half != 0, "history: no price of so long ago"
    return half >> TIME_BITS


# ------------------------------------------------------------- internal: worth


@internal
@pure
def _sight() -> Sight:
    """
    @notice Of no underlying yet.
    """
    sight: Sight = empty(Sight)
    sight.underlying = NO_KEY
    return sight


@internal
@view
def _prices(word: uint256) -> Sight:
    """
    @notice Both index prices of a word's underlying; no surface yet.
    """
    sight: Sight = empty(Sight)
    sight.underlying = instruments._underlying(word)
    sight.key = NO_KEY
    updated_at: uint256 = 0
    underlying: uint16 = convert(sight.underlying, uint16)
    sight.live, updated_at, sight.strike_unit = staticcall FEED.price(underlying)
    sight.lagged = sight.live
    if LAG != 0:
        sight.lagged = self._lagged(underlying)
    return sight


@internal
@view
def _look(key: uint256, before: Sight) -> Sight:
    """
    @notice `before`, with another surface of the same underlying: a header is
            read once a surface, as sorted words come.
    """
    sight: Sight = before
    sight.key = key
    sight.rows = 0
    pointer: uint256 = staticcall ORACLE.pointer(
        convert(sight.underlying, uint16), convert(key & (2**40 - 1), uint40)
    )
    sight.at = convert(pointer >> 96, address)
    if sight.at != empty(address):
        head: surface.Header = surface._header(sight.at)
        sight.rows = head.rows
        sight.reference = head.reference
        sight.ahead = surface._ahead(sight.live, head.forward)
        sight.ahead_lagged = surface._ahead(sight.lagged, head.forward)
    return sight


@internal
@view
def _worth(word: uint256, sight: Sight) -> (int256, int256):
    """
    @notice What a word is worth at the live and at the lagged index [wad * wad],
            a perp less its funding. Marks are those of RiskOracle.
    @dev    |quantity| <= 2**127 and a mark < 2**108, so a product and a sum of
            127 of them stay far under 2**255.
    """
    quantity: int256 = instruments._quantity(word)
    funding: int256 = 0
    if instruments._kind(word) == instruments.PERP:
        funding = staticcall ORACLE.funding(convert(sight.underlying, uint16))
    info: uint256 = surface._info(sight.at, sight.rows, word)
    reference: uint256 = sight.reference
    ahead: uint256 = sight.ahead
    ahead_lagged: uint256 = sight.ahead_lagged
    if info == 0:
        # no row: at the index or the intrinsic value, as RiskOracle has it
        reference = 0
        ahead = sight.live
        ahead_lagged = sight.lagged
    mark: uint256 = surface._mark(word, info, sight.live, ahead, sight.strike_unit, reference)
    live: int256 = quantity * (convert(mark, int256) - funding)
    if sight.lagged == sight.live:
        return live, live
    mark = surface._mark(word, info, sight.lagged, ahead_lagged, sight.strike_unit, reference)
    return live, quantity * (convert(mark, int256) - funding)


@internal
@pure
def _gain(live: int256, lagged: int256) -> uint256:
    """
    @notice By how much `live` is worth more than `lagged` [wad * wad]; each down
            to [wad] first.
    """
    more: int256 = fixed._div_floor(live, 10**18) - fixed._div_floor(lagged, 10**18)
    return convert(max(more, 0), uint256)

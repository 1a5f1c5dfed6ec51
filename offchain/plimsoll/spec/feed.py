"""Index prices of underlyings. Twin of `contracts/IndexFeed.vy`.

The contract's checks in its order, its words, its log. Every function either commits as a whole or raises `Refused` and
leaves the state as it was. Addresses are integers; `sender` and `now` stand for `msg.sender` and `block.timestamp`.
Where a function takes an underlying's number, `QUOTE` stands for the quote coin.

    leg      = answer 10**(18 - decimals)                              [wad], exact
    usable   : 0 < answer, updated_at <= now <= updated_at + max_age, low < leg <= 1e27, leg < high where it is set
    price    = 1 [*/] leg 1 [*/] leg 2 [*/] leg 3 [/ quote coin]       [wad], each step down, in (0, 1e27]
    bound    = mantissa u16 << shift u8                                low is rounded up to it, high down
    word     = aggregator u160 | flags u8 | max_age u24 | strike_exponent u8 | price_exponent u8 | low u24 | high u24
    binds    : |price - independent| 1e6 <= band independent           the live price, else the signed reference
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from eth_utils.crypto import keccak

from plimsoll.spec import authority
from plimsoll.spec.authority import NOBODY, NOT_OWNER, Guardians
from plimsoll.spec.errors import Refused, require
from plimsoll.spec.events import Event
from plimsoll.spec.surface import Surface
from plimsoll.spec.wad import MAX_PRICE, PPM, WAD, mul_div_down

NAME: Final = "IndexFeed"
QUOTE: Final = 2**16
MAX_LEGS: Final = 3
MAX_UNDERLYINGS: Final = 256
MAX_AGE: Final = (60, 7 * 86_400)  # [s]
MAX_DECIMALS: Final = 18
MAX_STRIKE_EXPONENT: Final = 18
BAND: Final = (1_000, 100_000)  # [ppm]
GRACE: Final = (600, 86_400)  # [s]
DEFAULT_GRACE: Final = 3_600  # [s]
LAPSE: Final = 7 * 86_400  # [s]
BLIND_WAIT: Final = 3 * 86_400  # [s]
MAX_REFERENCE_AGE: Final = 86_400  # [s]
MANTISSA: Final = 2**16
BOUNDS_MASK: Final = 2**48 - 1
DIVIDES: Final = 1 << 88
IS_LONG: Final = 1 << 89
IN_CURRENCY: Final = 1 << 90
UNNAMED: Final = bytes(32)
NO_ROUTE: Final = (0,) * MAX_LEGS

UNKNOWN: Final = "feed: unknown underlying"
UNKNOWN_LEG: Final = "feed: unknown leg"
NO_QUOTE: Final = "feed: no quote route"
NO_CODE: Final = "feed: no code at the aggregator"
NOT_POSITIVE: Final = "feed: price not positive"
OVER_MAXIMUM: Final = "feed: price over the maximum"
AT_BOUND: Final = "feed: price at its bound"
IS_DOWN: Final = "feed: sequencer is down"
NOTHING_STAGED: Final = "feed: nothing staged"
NOTHING_TO_COMPARE: Final = "feed: nothing to compare with"

Route = tuple[int, ...]  # words of `MAX_LEGS` legs, zero behind the last


class Aggregator(Protocol):
    """A price aggregator in Chainlink's shape. Raises Refused where the contract reverts."""

    decimals: int

    def latest(self) -> tuple[int, int]:
        """The answer, in the aggregator's decimals, and when it was updated [s]."""
        ...


class Described(Aggregator, Protocol):
    """One that says what it prices, as `set_route` asks."""

    description: str


class Uptime(Aggregator, Protocol):
    """One whose answer says whether a sequencer is up (0), and since when [s]."""

    started_at: int


class Witness(Protocol):
    """What is read of `RiskOracle`: the surfaces that were signed."""

    pointers: dict[tuple[int, int], int]

    def surface_at(self, at: int) -> Surface:
        """The surface that stands at an address."""
        ...


@dataclass(frozen=True, slots=True)
class Leg:
    """One step of a route. Twin of the struct of the same name."""

    aggregator: int
    max_age: int  # [s]
    divides: bool = False  # else it multiplies
    low: int = 0  # [wad of the leg] its prices lie over this; 0 is none
    high: int = 0  # [wad of the leg] and under this; 0 is none
    description: bytes = UNNAMED  # keccak of what the aggregator calls itself


def named(description: str) -> bytes:
    """What a leg says of an aggregator that calls itself so."""
    return keccak(text=description)


def pack_bound_down(bound: int) -> int:
    """The highest packed bound not over `bound` [wad]. Down: an upper bound gets stricter."""
    shift = max(0, bound.bit_length() - 16)
    return bound >> shift << 8 | shift


def pack_bound_up(bound: int) -> int:
    """The lowest packed bound not under `bound` [wad]. Up: a lower bound gets stricter."""
    packed = pack_bound_down(bound)
    if unpack_bound(packed) == bound:
        return packed
    mantissa, shift = (packed >> 8) + 1, packed & 0xFF
    if mantissa == MANTISSA:  # one bit too many: half of it, one more shift
        return MANTISSA // 2 << 8 | shift + 1
    return mantissa << 8 | shift


def unpack_bound(packed: int) -> int:
    """Mantissa u16 << shift u8 [wad]."""
    return packed >> 8 << (packed & 0xFF)


def pack_bounds(low: int, high: int) -> int:
    """Both bounds [wad] as they stand in a leg's word."""
    require(low <= MAX_PRICE and high <= MAX_PRICE and (high == 0 or low < high), "feed: bounds out of range")
    return pack_bound_up(low) << 24 | pack_bound_down(high)


def bounds_of(word: int) -> tuple[int, int]:
    """The bounds in a leg's word [wad]."""
    return unpack_bound(word >> 24 & 0xFFFFFF), unpack_bound(word & 0xFFFFFF)


def strike_unit_of(route: Route) -> int:
    """One unit of strike [wad], as the first word of a route has it."""
    unit: int = 10 ** (route[0] >> 56 & 0xFF)
    return unit


def product_down(price: int, by: int) -> int:
    """`price * by` [wad], down."""
    return _in_range(mul_div_down(price, by, WAD))


def ratio_down(price: int, by: int) -> int:
    """`price / by` [wad], down."""
    return _in_range(mul_div_down(price, WAD, by))


def _in_range(price: int) -> int:
    require(price > 0, NOT_POSITIVE)
    require(price <= MAX_PRICE, OVER_MAXIMUM)
    return price


class IndexFeed:
    """The state of one `IndexFeed`.

    `aggregators` are the contracts that its words may point to, `oracles` those that may be its witness; `sequencer` is
    the uptime feed where the chain is a rollup, and `now` when it was built; `guardians` may tighten beside the owner.
    """

    def __init__(
        self,
        owner: int,
        aggregators: Mapping[int, Aggregator],
        oracles: Mapping[int, Witness] | None = None,
        sequencer: int = 0,
        now: int = 0,
        guardians: Guardians = NOBODY,
    ) -> None:
        self.owner = owner
        self.guardians = guardians
        self.aggregators = aggregators
        self.oracles = {} if oracles is None else oracles
        self.routes: dict[int, Route] = {}
        self.waiting: dict[int, tuple[Route, int]] = {}  # staged: the route, since when [s]
        self.order: list[int] = []  # underlyings in the order they came
        self.uptime = (0, 0)  # the sequencer's aggregator, the grace [s]
        self.band = 20_000  # [ppm]
        self.witness = 0
        self.log: list[Event] = []
        if sequencer:
            self._set_sequencer(sequencer, DEFAULT_GRACE, now)
        self._emit("BandSet", old=0, new=self.band)

    # ----------------------------------------------------------------------------------------------- governance

    def set_feed(
        self, underlying: int, aggregator: int, max_age: int, strike_exponent: int, *, sender: int, now: int
    ) -> None:
        """A route of one leg in quote, without bounds, whatever its aggregator calls itself."""
        require(sender == self.owner, NOT_OWNER)
        self._set(underlying, [Leg(aggregator, max_age)], strike_exponent, 0, now)

    def set_route(
        self,
        underlying: int,
        legs: Sequence[Leg],
        strike_exponent: int,
        in_currency: bool,  # noqa: FBT001 - as the contract has it
        *,
        sender: int,
        now: int,
    ) -> None:
        """The legs that price an underlying: bound at once where it has none, else staged."""
        require(sender == self.owner, NOT_OWNER)
        require(all(leg.description != UNNAMED for leg in legs), "feed: description not named")
        self._set(underlying, legs, strike_exponent, IN_CURRENCY if in_currency else 0, now)

    def set_quote_route(self, legs: Sequence[Leg], *, sender: int, now: int) -> None:
        """The legs that price the quote coin in its currency."""
        require(sender == self.owner, NOT_OWNER)
        require(all(leg.description != UNNAMED for leg in legs), "feed: description not named")
        self._set(QUOTE, legs, 0, 0, now)

    def cancel(self, underlying: int, *, sender: int) -> None:
        """A staged route does not bind any more."""
        authority.check(self.owner, sender, True, self.guardians)
        require(underlying in self.waiting, NOTHING_STAGED)
        route, _ = self.waiting.pop(underlying)
        self._emit("RouteCancelled", underlying=underlying, route=route)

    def set_bounds(self, underlying: int, low: int, high: int, leg: int = 0, *, sender: int) -> None:
        """A leg's prices must lie strictly between `low` and `high` [wad]; 0 is none."""
        require(sender == self.owner, NOT_OWNER)
        require(leg < MAX_LEGS, UNKNOWN_LEG)
        require(underlying in self.routes, UNKNOWN)
        route = self.routes[underlying]
        require(route[leg] != 0, UNKNOWN_LEG)
        new = route[leg] & ~BOUNDS_MASK | pack_bounds(low, high)
        self.routes[underlying] = (*route[:leg], new, *route[leg + 1 :])
        (old_low, old_high), (new_low, new_high) = bounds_of(route[leg]), bounds_of(new)
        self._emit(
            "BoundsSet",
            underlying=underlying,
            leg=leg,
            old_low=old_low,
            old_high=old_high,
            low=new_low,
            high=new_high,
        )

    def set_band(self, band: int, *, sender: int) -> None:
        """How far the first price of a new route may lie from an independent one [ppm]."""
        authority.check(self.owner, sender, band <= self.band, self.guardians)
        require(BAND[0] <= band <= BAND[1], "feed: band out of range")
        self._emit("BandSet", old=self.band, new=band)
        self.band = band

    def set_witness(self, oracle: int, *, sender: int) -> None:
        """The RiskOracle; once."""
        require(sender == self.owner, NOT_OWNER)
        require(oracle != 0, "feed: zero address")
        require(self.witness == 0, "feed: witness is set")
        self.witness = oracle
        self._emit("WitnessSet", witness=oracle)

    def set_sequencer(self, aggregator: int, grace: int, *, sender: int, now: int) -> None:
        """Another uptime feed, on a rollup only, which must say that the sequencer is up. Grace after an outage [s]."""
        require(sender == self.owner, NOT_OWNER)
        require(self.uptime[0] != 0, "feed: not on a rollup")
        self._set_sequencer(aggregator, grace, now)

    # -------------------------------------------------------------------------------------------------- binding

    def bind(self, underlying: int, by: int = 0, *, now: int) -> None:
        """Make a staged route the live one, where its first price lies within the band of an independent one.

        Of the live price; where that is dead, of the signed reference, of a day at most; where there is none, the route
        waits. The quote coin has no reference: `by` is an underlying priced in the currency, which has.
        """
        require(underlying in self.waiting, NOTHING_STAGED)
        route, since = self.waiting[underlying]
        require(now <= since + LAPSE, "feed: staged route lapsed")
        price = self._price(route, now)[0]
        against = self._asked(underlying, now)
        if against == 0 and underlying == QUOTE:
            held = self.routes.get(by, NO_ROUTE)
            require(held[0] & IN_CURRENCY != 0, "feed: not priced in the currency")
            price = ratio_down(self._chained(held, now)[0], price)
            against = self._signed(by, now)
            require(against != 0, NOTHING_TO_COMPARE)
        elif against == 0:
            against = self._signed(underlying, now)
            require(against != 0 or now >= since + BLIND_WAIT, NOTHING_TO_COMPARE)
        if against:
            require(abs(price - against) * PPM <= self.band * against, "feed: first price outside the band")
        del self.waiting[underlying]
        self._bind(underlying, route, price, against)

    # ---------------------------------------------------------------------------------------------------- views

    def price(self, underlying: int, now: int) -> tuple[int, int, int]:
        """Price [wad], when its oldest leg was updated [s], strike unit [wad]; raises Refused where it is unusable."""
        require(underlying in self.routes, UNKNOWN)
        route = self.routes[underlying]
        price, updated_at = self._price(route, now)
        return price, updated_at, strike_unit_of(route)

    def quote_price(self, now: int) -> tuple[int, int]:
        """The quote coin's price in its currency [wad], when its oldest leg was updated [s]."""
        require(QUOTE in self.routes, NO_QUOTE)
        return self._price(self.routes[QUOTE], now)

    def is_usable(self, underlying: int, now: int) -> bool:
        """Whether `price` answers."""
        try:
            self.price(underlying, now)
        except Refused:
            return False
        return True

    def grace_over(self, now: int) -> bool:
        """Whether no sequencer keeps liquidation waiting."""
        return now >= self.grace_until(now)

    def grace_until(self, now: int) -> int:
        """When the grace after the last outage ends [s]: zero where there is no sequencer, never while it is down."""
        aggregator, grace = self.uptime
        if not aggregator:
            return 0
        since = self._up_since(aggregator, now)
        return since + grace if since else 2**256 - 1

    def strike_unit(self, underlying: int) -> int:
        """One unit of strike [wad]; raises Refused where the underlying is unknown."""
        require(underlying in self.routes, UNKNOWN)
        return strike_unit_of(self.routes[underlying])

    def bounds(self, underlying: int, leg: int = 0) -> tuple[int, int]:
        """A leg's prices lie strictly between these [wad]; 0 is none."""
        require(leg < MAX_LEGS, UNKNOWN_LEG)
        return bounds_of(self.route(underlying)[leg])

    def route(self, underlying: int) -> Route:
        """Words of the legs of an underlying; zero behind the last."""
        return self.routes.get(underlying, NO_ROUTE)

    def staged(self, underlying: int) -> tuple[Route, int]:
        """The route that waits to be bound, and since when [s]; zeros where there is none."""
        return self.waiting.get(underlying, (NO_ROUTE, 0))

    def underlyings(self) -> tuple[int, ...]:
        """All that have a route, in the order they came."""
        return tuple(self.order)

    def sequencer(self) -> tuple[int, int]:
        """The uptime feed of the sequencer, and the grace after an outage [s]."""
        return self.uptime

    # ------------------------------------------------------------------------------------------------- internal

    def _leg(self, word: int, now: int) -> tuple[int, int]:
        """What one aggregator says [wad], and when it was updated [s]."""
        answer, updated_at = self._at(word >> 96).latest()
        require(answer > 0, NOT_POSITIVE)
        require(updated_at <= now, "feed: price from the future")
        require(now - updated_at <= word >> 64 & 0xFFFFFF, "feed: stale price")
        price = answer * 10 ** (word >> 48 & 0xFF)
        require(price <= MAX_PRICE, OVER_MAXIMUM)
        low, high = bounds_of(word)
        require(low < price, AT_BOUND)
        require(high == 0 or price < high, AT_BOUND)
        return price, updated_at

    def _price(self, route: Route, now: int) -> tuple[int, int]:
        """What a route gives [wad], and when its oldest leg was updated [s]."""
        if self.uptime[0]:
            require(self._up_since(self.uptime[0], now) != 0, IS_DOWN)
        price, updated_at = self._chained(route, now)
        if route[0] & IN_CURRENCY:
            require(QUOTE in self.routes, NO_QUOTE)
            coin, coin_at = self._chained(self.routes[QUOTE], now)
            price, updated_at = ratio_down(price, coin), min(updated_at, coin_at)
        return price, updated_at

    def _chained(self, route: Route, now: int) -> tuple[int, int]:
        """The legs of a route, one after the other [wad]; the oldest's time [s]."""
        price, oldest = WAD, 2**256 - 1
        for word in route:
            if word == 0:
                break
            found, updated_at = self._leg(word, now)
            price = ratio_down(price, found) if word & DIVIDES else product_down(price, found)
            oldest = min(oldest, updated_at)
        return price, oldest

    def _up_since(self, aggregator: int, now: int) -> int:
        """Since when the sequencer is up [s]; zero where it is down, or nobody knows."""
        found: Uptime = self._at(aggregator)  # type: ignore[assignment]  # what governance named as one
        answer, _ = found.latest()
        return 0 if answer != 0 or found.started_at > now else found.started_at

    def _set_sequencer(self, aggregator: int, grace: int, now: int) -> None:
        require(GRACE[0] <= grace <= GRACE[1], "feed: grace out of range")
        require(aggregator in self.aggregators, NO_CODE)
        require(self._up_since(aggregator, now) != 0, IS_DOWN)
        old, self.uptime = self.uptime, (aggregator, grace)
        self._emit("SequencerSet", old=old[0], new=aggregator, old_grace=old[1], new_grace=grace)

    def _asked(self, underlying: int, now: int) -> int:
        """The live price [wad]; zero where it is dead."""
        try:
            return self.quote_price(now)[0] if underlying == QUOTE else self.price(underlying, now)[0]
        except Refused:
            return 0

    def _signed(self, underlying: int, now: int) -> int:
        """The reference price of an underlying's surface of perps and spot [wad]; zero where none is of today."""
        if not self.witness:
            return 0
        oracle = self.oracles[self.witness]
        pointer = oracle.pointers.get((underlying, 0), 0)
        if not pointer:
            return 0
        found = oracle.surface_at(pointer >> 96)
        return 0 if now > found.time + MAX_REFERENCE_AGE else found.reference

    def _set(self, underlying: int, legs: Sequence[Leg], strike_exponent: int, in_currency: int, now: int) -> None:
        """Bind the first route of an underlying, stage a later one."""
        require(len(legs) > 0, "feed: no legs")
        words = [self._packed(leg) for leg in legs]
        require(strike_exponent <= MAX_STRIKE_EXPONENT, "feed: strike exponent over 18")
        words[0] |= strike_exponent << 56 | in_currency | (IS_LONG if len(legs) > 1 else 0)
        route = (*words, *NO_ROUTE)[:MAX_LEGS]
        old = self.route(underlying)
        require(old[0] == 0 or strike_exponent == old[0] >> 56 & 0xFF, "feed: strike exponent is fixed")
        price, _ = self._price(route, now)
        if old[0] == 0:
            require(len(self.order) < MAX_UNDERLYINGS, "feed: too many underlyings")
            self.order.append(underlying)
            self._bind(underlying, route, price, 0)
            return
        self.waiting[underlying] = (route, now)
        self._emit("RouteStaged", underlying=underlying, old=old, new=route, lapses=now + LAPSE)

    def _bind(self, underlying: int, route: Route, price: int, against: int) -> None:
        self._emit(
            "RouteBound", underlying=underlying, old=self.route(underlying), new=route, price=price, against=against
        )
        self.routes[underlying] = route

    def _packed(self, leg: Leg) -> int:
        """The word of a leg, its aggregator asked who it is."""
        require(leg.aggregator != 0, "feed: zero aggregator")
        require(MAX_AGE[0] <= leg.max_age <= MAX_AGE[1], "feed: max age out of range")
        bounds = pack_bounds(leg.low, leg.high)
        require(leg.aggregator in self.aggregators, NO_CODE)
        found = self._at(leg.aggregator)
        require(found.decimals <= MAX_DECIMALS, "feed: decimals over 18")
        if leg.description != UNNAMED:
            described: Described = found  # type: ignore[assignment]  # every one that is named says it
            require(named(described.description) == leg.description, "feed: another description")
        exponent = MAX_DECIMALS - found.decimals
        return leg.aggregator << 96 | leg.max_age << 64 | exponent << 48 | bounds | (DIVIDES if leg.divides else 0)

    def _at(self, address: int) -> Aggregator:
        """Who answers at an address; where nobody does, the contract reverts without a reason."""
        found = self.aggregators.get(address)
        if found is None:
            raise Refused("")
        return found

    def _emit(self, name: str, **args: object) -> None:
        self.log.append(Event(NAME, name, args))

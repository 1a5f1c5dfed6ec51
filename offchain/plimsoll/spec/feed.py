"""Index prices of underlyings. Twin of `contracts/IndexFeed.vy`.

The contract's checks in its order, its configuration word, its log. Every function either commits as a whole or raises
`Refused` and leaves the state as it was. Addresses are integers; `sender` and `now` stand for `msg.sender` and
`block.timestamp`.

    price   = answer 10**(18 - decimals)                              [wad], exact
    usable  : 0 < answer, updated_at <= now <= updated_at + max_age, low < price <= 1e27, price < high where it is set
    bound   = mantissa u16 << shift u8                                low is rounded up to it, high down
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from plimsoll.spec.errors import Refused, require
from plimsoll.spec.events import Event
from plimsoll.spec.wad import MAX_PRICE

NAME: Final = "IndexFeed"
MAX_AGE: Final = (60, 7 * 86_400)  # [s]
MAX_DECIMALS: Final = 18
MAX_STRIKE_EXPONENT: Final = 18
MANTISSA: Final = 2**16
BOUNDS_MASK: Final = 2**48 - 1

UNKNOWN: Final = "feed: unknown underlying"
OVER_MAXIMUM: Final = "feed: price over the maximum"
AT_BOUND: Final = "feed: price at its bound"


class Aggregator(Protocol):
    """A price aggregator in Chainlink's shape. Raises Refused where the contract reverts."""

    decimals: int

    def latest(self) -> tuple[int, int]:
        """The answer, in the aggregator's decimals, and when it was updated [s]."""
        ...


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


class IndexFeed:
    """The state of one `IndexFeed`. `aggregators` are the contracts that its words may point to."""

    def __init__(self, owner: int, aggregators: Mapping[int, Aggregator]) -> None:
        self.owner = owner
        self.aggregators = aggregators
        self.configs: dict[int, int] = {}
        self.log: list[Event] = []

    def set_feed(self, underlying: int, aggregator: int, max_age: int, strike_exponent: int, *, sender: int) -> None:
        """Name the aggregator of an underlying; its bounds start open."""
        require(sender == self.owner, "ownable: caller is not the owner")
        require(aggregator != 0, "feed: zero aggregator")
        require(MAX_AGE[0] <= max_age <= MAX_AGE[1], "feed: max age out of range")
        require(strike_exponent <= MAX_STRIKE_EXPONENT, "feed: strike exponent over 18")
        old = self.configs.get(underlying, 0)
        require(old == 0 or strike_exponent == old >> 56 & 0xFF, "feed: strike exponent is fixed")
        decimals = self._at(aggregator).decimals
        require(decimals <= MAX_DECIMALS, "feed: decimals over 18")
        self.configs[underlying] = (
            aggregator << 96 | max_age << 64 | strike_exponent << 56 | MAX_DECIMALS - decimals << 48
        )
        self._emit(
            "FeedSet",
            underlying=underlying,
            aggregator=aggregator,
            max_age=max_age,
            strike_exponent=strike_exponent,
        )

    def set_bounds(self, underlying: int, low: int, high: int, *, sender: int) -> None:
        """Prices must lie strictly between `low` and `high` [wad]; 0 is none."""
        require(sender == self.owner, "ownable: caller is not the owner")
        require(underlying in self.configs, UNKNOWN)
        require(low <= MAX_PRICE and high <= MAX_PRICE and (high == 0 or low < high), "feed: bounds out of range")
        packed_low, packed_high = pack_bound_up(low), pack_bound_down(high)
        self.configs[underlying] = self.configs[underlying] & ~BOUNDS_MASK | packed_low << 24 | packed_high
        self._emit("BoundsSet", underlying=underlying, low=unpack_bound(packed_low), high=unpack_bound(packed_high))

    def price(self, underlying: int, now: int) -> tuple[int, int, int]:
        """Price [wad], when it was updated [s], strike unit [wad]; raises Refused where it is unusable."""
        require(underlying in self.configs, UNKNOWN)
        config = self.configs[underlying]
        answer, updated_at = self._at(config >> 96).latest()
        require(answer > 0, "feed: price not positive")
        require(updated_at <= now, "feed: price from the future")
        require(now - updated_at <= config >> 64 & 0xFFFFFFFF, "feed: stale price")
        price = answer * 10 ** (config >> 48 & 0xFF)
        require(price <= MAX_PRICE, OVER_MAXIMUM)
        low, high = self.bounds(underlying)
        require(low < price, AT_BOUND)
        require(high == 0 or price < high, AT_BOUND)
        return price, updated_at, self.strike_unit(underlying)

    def is_usable(self, underlying: int, now: int) -> bool:
        """Whether `price` answers."""
        try:
            self.price(underlying, now)
        except Refused:
            return False
        return True

    def strike_unit(self, underlying: int) -> int:
        """One unit of strike [wad]; raises Refused where the underlying is unknown."""
        require(underlying in self.configs, UNKNOWN)
        unit: int = 10 ** (self.configs[underlying] >> 56 & 0xFF)
        return unit

    def bounds(self, underlying: int) -> tuple[int, int]:
        """Prices lie strictly between these [wad]; 0 is none."""
        config = self.configs.get(underlying, 0)
        return unpack_bound(config >> 24 & 0xFFFFFF), unpack_bound(config & 0xFFFFFF)

    def _at(self, address: int) -> Aggregator:
        """Who answers at an address; where nobody does, the contract reverts without a reason."""
        found = self.aggregators.get(address)
        if found is None:
            raise Refused("")
        return found

    def _emit(self, name: str, **args: object) -> None:
        self.log.append(Event(NAME, name, args))

"""What prices were: a while ago, and before an expiry. Twin of `contracts/History.vy`.

The contract's checks in its order, its log, its state in integers. Every function either commits as a whole or raises
`Refused` and leaves the state as it was. Addresses are integers; `sender` and `now` stand for `msg.sender` and
`block.timestamp`.

    lagged      the newest remembered index of age >= lag; the live one where lag is 0
    unpaid      = sum over underlyings of max(0, V(live) - V(lagged))
    V(P)        = floor(sum q (mark(P) - funding of perps))            all words of the underlying
    variation   = sum of floor(q (mark(P) - funding of perps))         perps and futures, at live and at lagged P
    settlement  = floor(mean of places 7 .. 22 of the 30 filled buckets, in order)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from plimsoll.spec import authority, margin
from plimsoll.spec.authority import NOBODY, Guardians
from plimsoll.spec.errors import require
from plimsoll.spec.events import Event
from plimsoll.spec.instruments import FUTURE, MAX_POSITIONS, PERP, WINDOW, Instrument, id_of, quantity_of, unpack
from plimsoll.spec.margin import Index, View
from plimsoll.spec.wad import MAX_PRICE, WAD, div_floor

NAME: Final = "History"
MAX_LAG: Final = 86_400  # [s]
MAX_DELAY: Final = 7 * 86_400  # [s]

# of contracts/modules/settlement_price.vy
BUCKETS: Final = 30
BUCKET: Final = WINDOW // BUCKETS  # [s]
MIN_BUCKETS: Final = 10
TAIL: Final = 7
MIDDLE: Final = BUCKETS - 2 * TAIL

NOTHING_SEEN: Final = (0,) * BUCKETS


class Feed(Protocol):
    """What is read of `IndexFeed`."""

    def price(self, underlying: int, now: int) -> tuple[int, int, int]:
        """Price [wad], its time [s], strike unit [wad]; raises Refused where the contract reverts."""
        ...


class Oracle(Protocol):
    """What is read of `RiskOracle`."""

    def view(self, now: int) -> View:
        """What a margin check reads; here: the surfaces."""
        ...

    def funding(self, underlying: int, now: int) -> int:
        """What one long perp has paid so far [wad], down."""
        ...


class Checkpoints(NamedTuple):
    """The two index prices that are remembered of an underlying; zero where there is none."""

    newer: int = 0  # [wad]
    newer_at: int = 0  # [s]
    older: int = 0
    older_at: int = 0


class Settlement(NamedTuple):
    """Where the price of an expiry stands; all zero where none was proposed."""

    price: int = 0  # [wad]
    ready_at: int = 0  # [s]
    disputed: bool = False


def filled(seen: Sequence[int]) -> tuple[int, ...]:
    """Every empty bucket takes the price before it, the leading ones the first that was seen."""
    last = next((price for price in seen if price), 0)
    found = []
    for price in seen:
        last = price or last
        found.append(last)
    return tuple(found)


def middle_half(prices: Sequence[int]) -> int:
    """Mean of what lies between the seven lowest and the seven highest, down."""
    return div_floor(sum(sorted(prices)[TAIL : TAIL + MIDDLE]), MIDDLE)


class History:
    """The state of one `History`."""

    def __init__(
        self, owner: int, feed: Feed, oracle: Oracle, lag: int, delay: int, guardians: Guardians = NOBODY
    ) -> None:
        require(lag <= MAX_LAG, "history: lag out of range")
        require(delay <= MAX_DELAY, "history: delay out of range")
        self.owner = owner
        self.guardians = guardians
        self.feed = feed
        self.oracle = oracle
        self.lag = lag
        self.delay = delay
        self.remembered: dict[int, Checkpoints] = {}
        self.observed: dict[tuple[int, int], tuple[int, ...]] = {}
        self.settlements: dict[tuple[int, int], Settlement] = {}
        self.log: list[Event] = []

    # ---------------------------------------------------------------------------------------------------- a lag ago

    def touch(self, underlying: int, *, now: int) -> None:
        """Remember the live index, where the last one was remembered at least a lag ago."""
        if self.lag == 0:
            return
        known = self.checkpoints(underlying)
        if now - known.newer_at < self.lag:
            return
        price = self._live(underlying, now)
        self.remembered[underlying] = Checkpoints(price, now, known.newer, known.newer_at)
        self._emit("Touched", underlying=underlying, price=price)

    # ---------------------------------------------------------------------------------------------------- settlement

    def observe(self, underlying: int, expiry: int, *, now: int) -> None:
        """The live index for this minute's bucket; the first of a bucket stays."""
        require(now < expiry <= now + WINDOW, "history: not in the window")
        bucket = (now + WINDOW - expiry) // BUCKET
        seen = self.buckets(underlying, expiry)
        require(seen[bucket] == 0, "history: bucket is filled")
        price = self._live(underlying, now)
        self.observed[underlying, expiry] = (*seen[:bucket], price, *seen[bucket + 1 :])
        self._emit("Observed", underlying=underlying, expiry=expiry, bucket=bucket, price=price)

    def propose(self, underlying: int, expiry: int, *, now: int) -> None:
        """The price that follows from what was observed; once."""
        require(0 < expiry <= now, "history: not expired")
        require((underlying, expiry) not in self.settlements, "history: already proposed")
        require(self._is_observed(underlying, expiry), "history: too few observations")
        price = middle_half(filled(self.buckets(underlying, expiry)))
        self._set("Proposed", underlying, expiry, price, now)

    def dispute(self, underlying: int, expiry: int, *, sender: int, now: int) -> None:
        """Withdraw a price that is not final; for the owner and his guardians."""
        authority.check(self.owner, sender, True, self.guardians)
        price, ready_at, _ = self.settlement(underlying, expiry)
        require(price != 0, "history: nothing to dispute")
        require(now < ready_at, "history: price is final")
        self.settlements[underlying, expiry] = Settlement(disputed=True)
        self._emit("Disputed", underlying=underlying, expiry=expiry, price=price, by=sender)

    def resolve(self, underlying: int, expiry: int, price: int, *, sender: int, now: int) -> None:
        """The price of an expiry that was disputed, or of which too little was observed."""
        self._check_owner(sender)
        require(0 < expiry <= now, "history: not expired")
        found = self.settlements.get((underlying, expiry))
        is_open = not self._is_observed(underlying, expiry) if found is None else found.disputed
        require(is_open, "history: nothing to resolve")
        require(0 < price <= MAX_PRICE, "history: price out of range")
        live = self._live(underlying, now)
        require(live <= 2 * price and price <= 2 * live, "history: price too far from the index")
        self._set("Resolved", underlying, expiry, price, now)

    # --------------------------------------------------------------------------------------------------------- views

    def lagged(self, underlying: int, now: int) -> int:
        """The newest index that is at least a lag old [wad]; the live one without a lag."""
        if self.lag == 0:
            return self._live(underlying, now)
        known = self.checkpoints(underlying)
        price = known.newer if now - known.newer_at >= self.lag else known.older
        require(price != 0, "history: no price of so long ago")
        return price

    def unpaid(self, words: Sequence[int], now: int) -> int:
        """Profit of a sorted book that came within a lag [wad]."""
        require(len(words) <= MAX_POSITIONS, "")
        if self.lag == 0:
            return 0
        total = 0
        for group in margin.groups(words):
            live, lagged = self._indexes(unpack(id_of(group[0])).underlying, now)
            gain = self._value(group, live, now) - self._value(group, lagged, now)
            total += max(0, gain)
        return total

    def variation(self, words: Sequence[int], now: int) -> tuple[int, int]:
        """Worth of perps and futures at the live and at the lagged index [wad], down, once a word."""
        require(len(words) <= MAX_POSITIONS, "")
        linear = [word for word in words if unpack(id_of(word)).kind <= FUTURE]
        totals = [0, 0]
        for group in margin.groups(linear):
            indexes = self._indexes(unpack(id_of(group[0])).underlying, now)
            for k, index in enumerate(indexes):
                totals[k] += sum(div_floor(self._worth(word, index, now), WAD) for word in group)
        return totals[0], totals[1]

    def settled(self, underlying: int, expiry: int, now: int) -> int:
        """The price that an expiry settles at [wad], once it is final; else 0."""
        found = self.settlement(underlying, expiry)
        return found.price if now >= found.ready_at else 0

    def settlement(self, underlying: int, expiry: int) -> Settlement:
        """Where the price of an expiry stands."""
        return self.settlements.get((underlying, expiry), Settlement())

    def buckets(self, underlying: int, expiry: int) -> tuple[int, ...]:
        """What was observed before an expiry [wad], by minute; 0 where nothing."""
        return self.observed.get((underlying, expiry), NOTHING_SEEN)

    def checkpoints(self, underlying: int) -> Checkpoints:
        """What is remembered of an underlying."""
        return self.remembered.get(underlying, Checkpoints())

    # ------------------------------------------------------------------------------------------------------- helpers

    def _live(self, underlying: int, now: int) -> int:
        return self.feed.price(underlying, now)[0]

    def _indexes(self, underlying: int, now: int) -> tuple[Index, Index]:
        """The live and the lagged index."""
        live, _, strike_unit = self.feed.price(underlying, now)
        lagged = self.lagged(underlying, now) if self.lag else live
        return Index(live, strike_unit), Index(lagged, strike_unit)

    def _value(self, words: Sequence[int], index: Index, now: int) -> int:
        """Worth of the words of one underlying [wad], down, once a sum."""
        return div_floor(sum(self._worth(word, index, now) for word in words), WAD)

    def _worth(self, word: int, index: Index, now: int) -> int:
        """Worth of a word at an index [wad * wad], a perp less its funding."""
        instrument = unpack(id_of(word))
        funding = self.oracle.funding(instrument.underlying, now) if instrument.kind == PERP else 0
        return quantity_of(word) * (self._mark(instrument, index, now) - funding)

    def _mark(self, instrument: Instrument, index: Index, now: int) -> int:
        """Mark of an instrument at an index [wad], as `Oracle.mark`."""
        surface = self.oracle.view(now).surfaces.get((instrument.underlying, instrument.expiry))
        return margin.mark(instrument, margin.row_of(surface, instrument), surface, index)

    def _is_observed(self, underlying: int, expiry: int) -> bool:
        """Whether enough buckets have a price."""
        return sum(price != 0 for price in self.buckets(underlying, expiry)) >= MIN_BUCKETS

    def _set(self, name: str, underlying: int, expiry: int, price: int, now: int) -> None:
        ready_at = now + self.delay
        self.settlements[underlying, expiry] = Settlement(price, ready_at)
        self._emit(name, underlying=underlying, expiry=expiry, price=price, ready_at=ready_at)

    def _check_owner(self, sender: int) -> None:
        authority.check(self.owner, sender, False, self.guardians)

    def _emit(self, name: str, **args: object) -> None:
        self.log.append(Event(NAME, name, args))

"""What venues said: one answer of one source, and the round of all that was known by one time.

Both are plain values with one JSON form, sorted and without blanks, so that what is replayed from a record is what was
judged live, to the byte.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from plimsoll.market.venues.errors import VenueAnswerError

Kind = Literal["spot", "perp", "option", "chainlink", "file"]
KINDS: Final[tuple[Kind, ...]] = ("spot", "perp", "option", "chainlink", "file")
PRICING: Final[frozenset[Kind]] = frozenset({"spot", "chainlink", "file"})  # kinds whose prices make the median
HOUR: Final = 3_600


def dumped(value: Any) -> str:
    """The one JSON form of plain values; not-a-number and infinities have none."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def mark_of(value: Any) -> str:
    """16 hexadecimal digits that tell one content from another."""
    return hashlib.blake2b(dumped(value).encode(), digest_size=8).hexdigest()


def number(value: object, what: str, *, least: float | None = None) -> float:
    """A finite number of an answer, above `least` where one is given.

    Raises
    ------
    VenueAnswerError
        It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise VenueAnswerError(f"{what} is {value!r:.60}; a number is right")
    try:
        found = float(value)
    except (ValueError, OverflowError) as error:
        raise VenueAnswerError(f"{what} is {value!r:.60}; a number is right") from error
    if not math.isfinite(found) or (least is not None and found <= least):
        above = "" if least is None else f" above {least:g}"
        raise VenueAnswerError(f"{what} is {found}; a finite number{above} is right")
    return found


@dataclass(frozen=True, slots=True)
class OptionLine:
    """One option of a venue's chain: prices undiscounted [quote currency], volatility [1 a year]; None: not quoted."""

    expiry: int  # [unix s]
    strike: float  # [quote currency]
    call: bool
    forward: float  # [quote currency]
    bid: float | None = None
    ask: float | None = None
    volatility: float | None = None


@dataclass(frozen=True, slots=True)
class Candle:
    """An hour as a venue saw it; `time`: when it opened [unix s], prices [quote currency]."""

    time: int
    open: float
    high: float
    low: float
    close: float

    @property
    def sane(self) -> bool:
        """Whether it opens on the hour and its prices are in order."""
        prices = (self.open, self.high, self.low, self.close)
        return (
            self.time % HOUR == 0
            and all(math.isfinite(price) and price > 0 for price in prices)
            and self.low <= min(self.open, self.close)
            and max(self.open, self.close) <= self.high
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What one source said, asked once.

    Parameters
    ----------
    source, kind
        Who, by the name that the settings give it, and what it is asked for.
    received
        When, by our clock [unix s].
    stamp
        When it held, by the venue's clock [unix s]; None where the venue does not say.
    changed
        When the content was first seen as it is, by our clock [unix s].
    content
        Tells it from another content: the whole book, stamp left out.
    price
        Mid of the book, last trade, mark, or the feed's answer [quote currency]; None for a chain.
    depth
        Contracts that the worse side of the book took at the stated cost.
    index, funding
        Of a perpetual: the venue's own index, and the rate that it says runs now [1 a funding interval].
    chain
        Options.
    """

    source: str
    kind: Kind
    received: int
    stamp: int | None
    changed: int
    content: str
    price: float | None = None
    depth: float | None = None
    index: float | None = None
    funding: float | None = None
    chain: tuple[OptionLine, ...] = ()

    @property
    def time(self) -> int:
        """When it held: the venue's stamp; without one, when what it says last changed [unix s]."""
        return self.changed if self.stamp is None else self.stamp

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "source": self.source,
            "kind": self.kind,
            "received": self.received,
            "stamp": self.stamp,
            "changed": self.changed,
            "content": self.content,
            "price": self.price,
            "depth": self.depth,
            "index": self.index,
            "funding": self.funding,
            "chain": [[o.expiry, o.strike, o.call, o.forward, o.bid, o.ask, o.volatility] for o in self.chain],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Answer:
        """Inverse of `to_json`."""
        return cls(**{**data, "chain": tuple(OptionLine(*line) for line in data["chain"])})


@dataclass(frozen=True, slots=True)
class Candles:
    """Hours that one source was asked for, to fill a gap."""

    source: str
    received: int
    hours: tuple[Candle, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "source": self.source,
            "received": self.received,
            "hours": [[c.time, c.open, c.high, c.low, c.close] for c in self.hours],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Candles:
        """Inverse of `to_json`."""
        return cls(data["source"], data["received"], tuple(Candle(*line) for line in data["hours"]))


@dataclass(frozen=True, slots=True)
class Round:
    """All that was known of one market at one time.

    Parameters
    ----------
    market
        Its number, as the chain lists it.
    time
        By our clock [unix s].
    answers
        The last good one of each source that ever gave one; however old.
    troubles
        Source and what went wrong when it was last asked; sources whose last answer was good are left out.
    fill_from
        Open time of the first hour that is to be filled [unix s]; None: nothing is missing.
    candles
        What sources gave to fill it.
    """

    market: int
    time: int
    answers: tuple[Answer, ...]
    troubles: tuple[tuple[str, str], ...] = ()
    fill_from: int | None = None
    candles: tuple[Candles, ...] = ()

    @classmethod
    def of(
        cls,
        market: int,
        time: int,
        answers: Sequence[Answer],
        troubles: Sequence[tuple[str, str]] = (),
        fill_from: int | None = None,
        candles: Sequence[Candles] = (),
    ) -> Round:
        """The round in its one order: by the sources' names."""
        return cls(
            market,
            time,
            tuple(sorted(answers, key=lambda a: a.source)),
            tuple(sorted(troubles)),
            fill_from,
            tuple(sorted(candles, key=lambda c: c.source)),
        )

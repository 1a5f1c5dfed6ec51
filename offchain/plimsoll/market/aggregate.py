"""One price out of several sources: drop the stale, cut the outliers, take the median."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from plimsoll.market.errors import AggregationError, DuplicateSourceError, SourcesDisagreeError, TooFewSourcesError

LIVE_MINIMUM: Final = 3  # two sources that differ cannot say which is wrong
REPLAY_MINIMUM: Final = 1  # a recording is one source
MAD_TO_SIGMA: Final = 1.4826  # a normal's standard deviation over its median absolute deviation


@dataclass(frozen=True, slots=True)
class Quote:
    """What one source says: `price` [quote currency] at `time` [unix s]."""

    source: str
    price: float
    time: int


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The price of several sources.

    `time` is the oldest of the used quotes: the price is no fresher than that. `dispersion` is the largest distance of
    a used quote from the price, relative. `dropped` pairs each unused source with the reason.
    """

    price: float
    time: int
    dispersion: float
    used: tuple[str, ...]
    dropped: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class AggregationRules:
    """How quotes become a price.

    Parameters
    ----------
    minimum
        Sources that must be left, `LIVE_MINIMUM` by default; `REPLAY_MINIMUM` for recordings.
    max_age
        A quote older than this is dropped [s].
    max_ahead
        A quote further in the future than this is dropped [s]: clocks differ a little.
    cut
        A quote further from the median than so many robust standard deviations is dropped.
    least_band
        A quote within this relative distance of the median always stays: where most sources agree to the cent, the
        median absolute deviation is near zero and would cut honest ones.
    max_dispersion
        Used quotes further than this from the price are no agreement [relative].
    """

    minimum: int = LIVE_MINIMUM
    max_age: int = 60
    max_ahead: int = 2
    cut: float = 5.0
    least_band: float = 0.001
    max_dispersion: float = 0.05

    def __post_init__(self) -> None:
        if self.minimum < 1 or self.max_age < 0 or self.max_ahead < 0:
            raise AggregationError("minimum must be at least 1, max_age and max_ahead at least 0")
        if not (self.cut > 0 and self.least_band >= 0 and self.max_dispersion > 0):
            raise AggregationError("cut and max_dispersion must be positive, least_band not negative")


DEFAULT_RULES: Final = AggregationRules()


def aggregate(quotes: Sequence[Quote], now: int, rules: AggregationRules = DEFAULT_RULES) -> Aggregate:
    """The median of the quotes that are fresh, sane and in line with the others.

    Parameters
    ----------
    quotes
        One per source; their order does not matter.
    now
        The time at which the price is wanted [unix s].
    rules
        Limits.

    Raises
    ------
    DuplicateSourceError
        A source is given twice.
    TooFewSourcesError
        Fewer than `rules.minimum` are left; the message lists what was dropped and why.
    SourcesDisagreeError
        Those left lie further apart than `rules.max_dispersion`: with two of them no median helps.
    """
    names = [quote.source for quote in quotes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DuplicateSourceError(f"quoted twice: {', '.join(twice)}; one quote a source is right")
    dropped: list[tuple[str, str]] = []
    live: list[Quote] = []
    for quote in sorted(quotes, key=lambda q: q.source):
        if not math.isfinite(quote.price) or quote.price <= 0:
            dropped.append((quote.source, f"price {quote.price}"))
        elif quote.time < now - rules.max_age:
            dropped.append((quote.source, f"{now - quote.time} s old"))
        elif quote.time > now + rules.max_ahead:
            dropped.append((quote.source, f"{quote.time - now} s in the future"))
        else:
            live.append(quote)
    if live:
        middle = median(quote.price for quote in live)
        spread = MAD_TO_SIGMA * median(abs(quote.price - middle) for quote in live)
        band = max(rules.cut * spread, rules.least_band * middle)
        dropped += [(q.source, f"price {q.price:g} far from {middle:g}") for q in live if abs(q.price - middle) > band]
        live = [quote for quote in live if abs(quote.price - middle) <= band]
    if len(live) < rules.minimum:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in dropped) or "nothing was dropped"
        raise TooFewSourcesError(f"{len(live)} of {len(quotes)} sources left, {rules.minimum} needed ({reasons})")
    price = median(quote.price for quote in live)
    dispersion = max(abs(quote.price - price) for quote in live) / price
    if dispersion > rules.max_dispersion:
        raise SourcesDisagreeError(
            f"sources lie {dispersion:.2%} from their median {price:g}, {rules.max_dispersion:.2%} is allowed"
        )
    return Aggregate(
        price, min(q.time for q in live), dispersion, tuple(q.source for q in live), tuple(sorted(dropped))
    )

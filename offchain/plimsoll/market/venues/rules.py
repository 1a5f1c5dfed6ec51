"""Which answers count, and what they come to: a function of one round and the rules, without memory.

    price    median of spot books, feeds and files, as `plimsoll.market.aggregate`: stale, future and far ones dropped,
             and no price where fewer than `minimum` are left. Two that differ cannot say which is wrong
    depth    the lower median of the books that made the price: who boasts of a deep book does not raise it, as a sum
             or a mean would let him
    mark     of perpetuals no further from the price than `premium`. Of three or more that are named, the median of at
             least three; of fewer, the first named that is good. Never a mean of two
    chain    of the first named source whose chain is fresh and whose nearest forward lies as near to the price

A source that froze is dropped as one that is silent: by the stamp that stands still, or, where a venue sends a new
stamp on old content or none at all, by the book that does not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median, median_low
from typing import Any, Final, Literal

from plimsoll.market.aggregate import LIVE_MINIMUM, Aggregate, AggregationRules, Quote, aggregate
from plimsoll.market.errors import AggregationError
from plimsoll.market.venues.answers import PRICING, Answer, Kind, OptionLine, Round, dumped
from plimsoll.market.venues.errors import VenueSettingError

AHEAD: Final = 5  # [s] that a venue's clock may be before ours


@dataclass(frozen=True, slots=True)
class SourceRule:
    """One source by name, what it is asked for, and from what age on it does not count [s]."""

    name: str
    kind: Kind
    max_age: int


@dataclass(frozen=True, slots=True)
class Rules:
    """How the round of one market is judged.

    Parameters
    ----------
    sources
        In order of preference, where one is chosen.
    minimum
        Sources that a price needs.
    still
        A book that does not change for longer is frozen, whatever its stamp says [s].
    least_band
        No source that lies so near to the median is an outlier [relative].
    max_dispersion
        Sources that count and lie further from their median are no agreement [relative].
    premium
        Furthest that a perpetual's mark or a nearest forward may lie from the price [relative].
    slack
        An hour is whole where no longer part of it was not seen [s].
    hours
        Whose hours stand once they closed: as they were ``seen`` here, gaps filled by the venues', or the ``venues``'
        own throughout, which are the same for whoever asks.

    Raises
    ------
    VenueSettingError
        A name comes twice, a limit is out of range, or fewer sources are named than a price needs.
    """

    sources: tuple[SourceRule, ...]
    minimum: int = LIVE_MINIMUM
    still: int = 300
    least_band: float = 0.005
    max_dispersion: float = 0.05
    premium: float = 0.05
    slack: int = 120
    hours: Literal["seen", "venues"] = "seen"

    def __post_init__(self) -> None:
        names = [source.name for source in self.sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise VenueSettingError(f"sources named twice: {', '.join(twice)}; one name a source is right")
        if self.minimum < LIVE_MINIMUM:
            raise VenueSettingError(f"minimum {self.minimum}; {LIVE_MINIMUM} at least: two cannot outvote a lie")
        pricing = sum(source.kind in PRICING for source in self.sources)
        if pricing < self.minimum:
            raise VenueSettingError(f"{pricing} sources of a price; {self.minimum} or more is right")
        if min(self.still, self.slack, *(source.max_age for source in self.sources)) <= 0:
            raise VenueSettingError("ages and times must be positive")
        if not (0 < self.least_band < 1 and 0 < self.max_dispersion < 1 and 0 < self.premium < 1):
            raise VenueSettingError("least_band, max_dispersion and premium must lie between 0 and 1")


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source in the last round; `used`, else `dropped` says why not; `failures` in a row of asking it."""

    name: str
    market: str
    kind: str
    price: float | None = None
    time: float = 0
    age: float = 0.0
    used: bool = False
    dropped: str = ""
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Consolidated:
    """What a round came to.

    Parameters
    ----------
    market, time
        As the round's.
    price
        The median; None where there is none, and `why` says so.
    price_time
        Of the oldest answer that it is made of [unix s]; 0 without one.
    mark, funding
        Of the perpetual, and the rate that its venue says; None where none is good.
    depth
        Contracts.
    chain
        Options of the source that is named in `chosen`.
    chosen
        Sources of the mark and of the chain, empty where there is none.
    rows
        Every source, in the order of the rules.
    """

    market: int
    time: int
    price: float | None
    price_time: int
    dispersion: float
    why: str
    mark: float | None
    funding: float | None
    depth: float | None
    chain: tuple[OptionLine, ...]
    chosen: tuple[str, str]
    rows: tuple[SourceRow, ...]

    @property
    def used(self) -> tuple[str, ...]:
        """The sources that the price is made of."""
        return tuple(row.name for row in self.rows if row.used and row.kind in PRICING)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @property
    def content(self) -> bytes:
        """The one form in bytes."""
        return dumped(self.to_json()).encode()


def consolidate(found: Round, rules: Rules) -> Consolidated:
    """The median of a round, and what else it says; no answer of a source raises anything here."""
    answers = {answer.source: answer for answer in found.answers}
    troubles = dict(found.troubles)
    dropped: dict[str, str] = {}
    good: list[Answer] = []
    for rule in rules.sources:
        reason = _unfit(rule, answers.get(rule.name), troubles.get(rule.name, ""), found.time, rules.still)
        if reason:
            dropped[rule.name] = reason
        else:
            good.append(answers[rule.name])
    price, why = _price([a for a in good if a.kind in PRICING], found.time, rules, dropped)
    mark, by_mark = _mark([a for a in good if a.kind == "perp"], price, found.time, rules, dropped)
    chain, by_chain = _chain([a for a in good if a.kind == "option"], price, rules, dropped)
    depths = [a.depth for a in good if price is not None and a.source in price.used and a.depth is not None]
    used = {*(price.used if price else ()), *by_mark, *([by_chain] if by_chain else ())}
    return Consolidated(
        found.market,
        found.time,
        None if price is None else price.price,
        0 if price is None else price.time,
        0.0 if price is None else price.dispersion,
        why,
        mark,
        next((answers[name].funding for name in by_mark if answers[name].funding is not None), None),
        median_low(depths) if len(depths) >= rules.minimum else None,
        chain,
        (",".join(by_mark), by_chain),
        tuple(
            _row(rule, answers.get(rule.name), rule.name in used, dropped.get(rule.name, ""), found)
            for rule in rules.sources
        ),
    )


def _row(rule: SourceRule, answer: Answer | None, used: bool, dropped: str, found: Round) -> SourceRow:  # noqa: FBT001
    if not used and not dropped:
        dropped = "another is preferred" if rule.kind in {"perp", "option"} else "there is no price"
    if answer is None:
        return SourceRow(rule.name, str(found.market), rule.kind, dropped=dropped)
    return SourceRow(
        rule.name,
        str(found.market),
        rule.kind,
        answer.price,
        answer.time,
        found.time - answer.time,
        used,
        dropped,
    )


def _unfit(rule: SourceRule, answer: Answer | None, trouble: str, now: int, still: int) -> str:
    """Why an answer does not count by itself; empty where it does."""
    after = f" ({trouble})" if trouble else ""
    if answer is None:
        return f"no answer yet{after}"
    if answer.kind != rule.kind:
        return f"an answer of kind {answer.kind}"
    if now - answer.time > rule.max_age:
        return f"{now - answer.time} s old{after}"
    if answer.time - now > AHEAD:
        return f"{answer.time - now} s in the future"
    if rule.kind in {"spot", "perp"} and now - answer.changed > still:
        return f"unchanged for {now - answer.changed} s{after}"
    return ""


def _aggregated(answers: Sequence[Answer], now: int, rules: Rules) -> Aggregate:
    oldest = max((rule.max_age for rule in rules.sources), default=0)
    return aggregate(
        [Quote(a.source, a.price, a.time) for a in answers if a.price is not None],
        now,
        AggregationRules(
            rules.minimum,
            oldest,  # each by its own age before; here none is dropped for it
            AHEAD,
            least_band=rules.least_band,
            max_dispersion=rules.max_dispersion,
        ),
    )


def _price(answers: Sequence[Answer], now: int, rules: Rules, dropped: dict[str, str]) -> tuple[Aggregate | None, str]:
    """The median, or why there is none; adds to what was dropped."""
    try:
        price = _aggregated(answers, now, rules)
    except AggregationError as error:
        reasons = "; ".join(f"{name}: {why}" for name, why in sorted(dropped.items()))
        return None, f"{error}{f' [{reasons}]' if reasons else ''}"
    dropped.update(price.dropped)
    return price, ""


def _mark(
    answers: Sequence[Answer], price: Aggregate | None, now: int, rules: Rules, dropped: dict[str, str]
) -> tuple[float | None, tuple[str, ...]]:
    """The perpetual's mark and the sources that it is from."""
    if price is None:
        return None, ()
    near = []
    for answer in answers:
        if answer.price is None or abs(answer.price / price.price - 1) > rules.premium:
            dropped[answer.source] = f"mark {answer.price} far from {price.price:g}"
        else:
            near.append(answer)
    if sum(rule.kind == "perp" for rule in rules.sources) < LIVE_MINIMUM:
        return (near[0].price, (near[0].source,)) if near else (None, ())
    try:
        found = _aggregated(near, now, rules)
    except AggregationError:
        dropped.update({a.source: "too few perpetuals agree" for a in near})
        return None, ()
    dropped.update(found.dropped)
    return found.price, found.used


def _chain(
    answers: Sequence[Answer], price: Aggregate | None, rules: Rules, dropped: dict[str, str]
) -> tuple[tuple[OptionLine, ...], str]:
    """The chain that is taken, and its source."""
    if price is None:
        return (), ""
    for answer in answers:
        nearest = min((line.expiry for line in answer.chain), default=0)
        forwards = [line.forward for line in answer.chain if line.expiry == nearest]
        if not forwards:
            dropped[answer.source] = "an empty chain"
        elif abs(median(forwards) / price.price - 1) > rules.premium:
            dropped[answer.source] = f"nearest forward {median(forwards):g} far from {price.price:g}"
        else:
            return answer.chain, answer.source
    return (), ""

"""Hourly bars, depths and marks, one round after the other: the history that a keeper builds while it runs.

An hour is *whole* where the price was seen from its open to its close without a hole longer than the rules' slack.
What is not whole, and hours that nobody saw, are filled from the venues' own hours: of each price the median over the
venues whose closes agree, by the rules of a live price. Until then an hour whose close was seen counts as it was seen.
Where the rules prefer the venues' hours, all are filled: two who ask at other seconds then hold the same bars.

State is the rows, nothing else: read from disk, they go on as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

import numpy as np

from plimsoll.market.aggregate import AggregationRules, Quote, aggregate
from plimsoll.market.bars import Bars
from plimsoll.market.errors import AggregationError
from plimsoll.market.observed import DepthHistory, MarkHistory
from plimsoll.market.venues.answers import HOUR, Candle, Candles, Round, dumped
from plimsoll.market.venues.rules import Consolidated, Rules, consolidate


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour: `time` of its open [unix s], prices [quote currency], and what was seen last in it.

    `first`, `last`: of the prices seen [unix s]; `hole`: longest time between two of them [s]; `filled`: the prices are
    venues' hours. `depth` [contracts], `mark` and `index` beside it [quote currency], None where not seen.
    """

    time: int
    open: float
    high: float
    low: float
    close: float
    first: int
    last: int
    hole: int = 0
    filled: bool = False
    depth: float | None = None
    mark: float | None = None
    index: float | None = None

    def whole(self, slack: int) -> bool:
        """Whether its prices are known from open to close."""
        seen = self.first - self.time <= slack and self.hole <= slack and self.closed_in_sight(slack)
        return self.filled or seen

    def closed_in_sight(self, slack: int) -> bool:
        """Whether a price near its close is known."""
        return self.filled or self.time + HOUR - self.last <= slack

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


class Tape:
    """Rounds of one market, judged and kept as hours.

    Parameters
    ----------
    market
        Its number.
    rules
        How rounds are judged.
    hours
        What is known already.
    """

    def __init__(self, market: int, rules: Rules, hours: Iterable[Hour] = ()) -> None:
        self.market = market
        self.rules = rules
        self.hours: dict[int, Hour] = {hour.time: hour for hour in hours}
        self.latest: Consolidated | None = None

    def feed(self, found: Round) -> tuple[Consolidated, tuple[Hour, ...]]:
        """Judge a round and take it in.

        Returns
        -------
        tuple
            What it came to; and the hours that it changed, oldest first.
        """
        said = consolidate(found, self.rules)
        self.latest = said
        changed = {}
        if said.price is not None:
            changed[found.time - found.time % HOUR] = self._seen(said, said.price)
        changed.update(self._filled(found))
        self.hours = {**self.hours, **changed}  # a new one: other threads read the old one to its end
        return said, tuple(changed[time] for time in sorted(changed))

    def missing(self, since: int, now: int) -> int | None:
        """Open time of the first closed hour from `since` on that is to be filled [unix s]; None where none is."""
        first = since + -since % HOUR
        for time in range(first, now - now % HOUR, HOUR):
            if not self._settled(time):
                return time
        return None

    def _settled(self, time: int) -> bool:
        """Whether an hour stands as it is."""
        hour = self.hours.get(time)
        if hour is None:
            return False
        return hour.filled if self.rules.hours == "venues" else hour.whole(self.rules.slack)

    def bars(self, since: int, interval: int = HOUR, *, now: int) -> Bars | None:
        """Bars from the hours that open at `since` or later and closed by `now` [unix s]; None where there are none.

        Longer bars than an hour are made where their last hour is known.

        Raises
        ------
        MalformedFileError
            `interval` is no multiple of an hour.
        """
        slack = self.rules.slack
        hours = self.hours
        times = sorted(t for t in hours if t >= since and t + HOUR <= now)
        known = [hours[t] for t in times if hours[t].closed_in_sight(slack)]
        if interval != HOUR:
            ended = {hour.time // interval for hour in known if (hour.time + HOUR) % interval == 0}
            known = [hour for hour in known if hour.time // interval in ended]
        if not known:
            return None
        prices = np.array([(hour.open, hour.high, hour.low, hour.close) for hour in known], dtype=np.float64).T.copy()
        time = np.array([hour.time for hour in known], dtype=np.int64)
        bars = Bars(time, prices[0], prices[1], prices[2], prices[3], np.zeros(len(known)), HOUR, "venues")
        return bars if interval == HOUR else bars.resample(interval)

    def depths(self, since: int, now: int) -> DepthHistory | None:
        """The last depth of each closed hour in (`since`, `now`], at its close [unix s]."""
        found = [(h.time + HOUR, h.depth) for h in self._closed(since, now) if h.depth is not None]
        return DepthHistory(*map(np.array, zip(*found, strict=True))) if found else None

    def marks(self, since: int, now: int) -> MarkHistory | None:
        """The last mark of each closed hour in (`since`, `now`] and the price beside it, at its close [unix s]."""
        closed = self._closed(since, now)
        found = [(h.time + HOUR, h.mark, h.index) for h in closed if h.mark is not None and h.index is not None]
        return MarkHistory(*map(np.array, zip(*found, strict=True))) if found else None

    @property
    def content(self) -> bytes:
        """The hours in their one form."""
        return dumped([self.hours[time].to_json() for time in sorted(self.hours)]).encode()

    def _closed(self, since: int, now: int) -> list[Hour]:
        hours = self.hours
        return [hours[t] for t in sorted(hours) if since < t + HOUR <= now]

    def _seen(self, said: Consolidated, price: float) -> Hour:
        """The hour of a price, with it."""
        start = said.time - said.time % HOUR
        hour = self.hours.get(start) or Hour(start, price, price, price, price, said.time, said.time)
        if not hour.filled:
            hour = replace(
                hour,
                high=max(hour.high, price),
                low=min(hour.low, price),
                close=price,
                last=max(hour.last, said.time),
                hole=max(hour.hole, said.time - hour.last),
            )
        if said.depth is not None and said.depth > 0:
            hour = replace(hour, depth=said.depth)
        if said.mark is not None:
            hour = replace(hour, mark=said.mark, index=price)
        return hour

    def _filled(self, found: Round) -> dict[int, Hour]:
        """The hours that the venues' own hours fill."""
        if found.fill_from is None or not found.candles:
            return {}
        by_time: dict[int, dict[str, Candle]] = {}
        for part in found.candles:
            for candle in part.hours:
                if candle.sane and found.fill_from <= candle.time <= found.time - HOUR:
                    by_time.setdefault(candle.time, {})[part.source] = candle
        filled = {}
        for time, candles in by_time.items():
            agreed = None if self._settled(time) else self._agreed(time, candles)
            if agreed is not None:
                filled[time] = _merged(self.hours.get(time), agreed)
        return filled

    def _agreed(self, time: int, candles: dict[str, Candle]) -> Candle | None:
        """The median hour of the venues whose closes agree; None where too few do."""
        rules = AggregationRules(
            self.rules.minimum, least_band=self.rules.least_band, max_dispersion=self.rules.max_dispersion
        )
        try:
            close = aggregate([Quote(name, candle.close, time) for name, candle in candles.items()], time, rules)
        except AggregationError:
            return None
        used = [candles[name] for name in close.used]
        # each venue's high is over its close and its open, so the median of highs is over those of closes and of opens
        middle = [median(getattr(candle, name) for candle in used) for name in ("open", "high", "low", "close")]
        return Candle(time, *middle)


def _merged(hour: Hour | None, candle: Candle) -> Hour:
    """An hour of venues' prices, with what else was seen in it."""
    if hour is None:
        hour = Hour(candle.time, candle.open, candle.high, candle.low, candle.close, candle.time, candle.time)
    return replace(hour, open=candle.open, high=candle.high, low=candle.low, close=candle.close, filled=True)


def joined(recorded: Bars, built: Bars | None) -> Bars:
    """Recorded bars, and after their end the built ones of the same length."""
    if built is None:
        return recorded
    after = built.time >= int(recorded.time[-1]) + recorded.interval
    if not after.any():
        return recorded

    def column(name: str) -> Any:
        return np.concatenate([getattr(recorded, name), getattr(built, name)[after]])

    return Bars(
        column("time"),
        column("open"),
        column("high"),
        column("low"),
        column("close"),
        column("volume"),
        recorded.interval,
        f"{recorded.source} and venues",
        recorded.dropped,
    )


def candles_of(source: str, received: int, rows: Iterable[Sequence[Any]]) -> Candles:
    """Hours from rows of time [ms], open, high, low, close, as ccxt gives them; what is no hour is left out."""
    found = {}
    for row in rows:
        try:
            candle = Candle(int(row[0]) // 1_000, *(float(value) for value in row[1:5]))
        except (TypeError, ValueError, OverflowError, IndexError):
            continue
        if candle.sane and candle.time + HOUR <= received:
            found[candle.time] = candle
    return Candles(source, received, tuple(found[time] for time in sorted(found)))

"""Ingest: from prices to a snapshot.

The index of a snapshot is the chain's own live index: margin is computed at it, and a surface whose reference lies far
off it is not fresh. The history, on which risk is measured, comes from a file of bars that something else keeps
current; one that has gone stale is refused.

A market whose prices cannot be had is left out, and the others go on: what stands of it on chain ages there for all to
see. There is no snapshot where that leaves none.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from plimsoll.chain.contract import batch
from plimsoll.chain.deployment import System
from plimsoll.keeper.errors import SourceDownError
from plimsoll.keeper.state import Held
from plimsoll.market.bars import DAY, Bars
from plimsoll.market.observed import DepthHistory, MarkHistory
from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.market.sources import load_bars, load_series
from plimsoll.spec.errors import Refused
from plimsoll.spec.instruments import MASK_ID
from plimsoll.spec.wad import WAD

DEPTHS: Final = 60 * DAY  # of depths that a snapshot holds
MARKS: Final = 2 * DAY  # and of marks: two of the longest interval that funding is averaged over

log = logging.getLogger(__name__)


class Source(Protocol):
    """Where snapshots come from."""

    def snapshot(self, held: Held) -> Snapshot:
        """The snapshot at the time of `held`; raises SourceDownError where prices cannot be had."""


@dataclass(frozen=True, slots=True)
class MarketSource:
    """One underlying: its number, its file of bars, its expiries besides 0 [unix s].

    `depth` [contracts] and `max_history_age` [s], the oldest last close that risk is still measured on. `marks`: a file
    of bars of the perpetual, which a funding rate is made of; `depths`: a file of times and contracts, column `depth`.
    """

    underlying: int
    name: str
    path: Path
    expiries: tuple[int, ...] = ()
    depth: float | None = None
    max_history_age: int = 4 * 86_400
    window: int | None = None  # bars
    marks: Path | None = None
    depths: Path | None = None


def _marks(marks: Bars, known: Bars, now: int) -> MarkHistory:
    """Closes of the perpetual and of the underlying at the same times, of the last days."""
    marks = marks.known_at(now)
    common, at, of = np.intersect1d(
        marks.time + marks.interval, known.time + known.interval, assume_unique=True, return_indices=True
    )
    late = common > now - MARKS
    return MarkHistory(common[late], marks.close[at[late]], known.close[of[late]])


class FeedSource:
    """Snapshots from the chain's index, its listings and files of bars; a file is read again when it changed.

    `left_out` says why the last snapshot lacks a market, by underlying.
    """

    def __init__(self, system: System, markets: Sequence[MarketSource]) -> None:
        self.system = system
        self.markets = tuple(markets)
        self._bars: dict[Path, tuple[tuple[int, int], Bars]] = {}
        self.left_out: dict[int, str] = {}

    def expiries(self, now: int) -> dict[int, Sequence[int]]:
        """Underlying -> expiries that have not passed, 0 included."""
        return {m.underlying: (0, *(e for e in sorted(m.expiries) if e > now)) for m in self.markets}

    def snapshot(self, held: Held) -> Snapshot:
        """The snapshot at the time of `held`, of the markets that can be seen.

        Raises
        ------
        SourceDownError
            Where none can: their feeds are unusable, nothing is listed, or histories are stale.
        SourceError
            Where a file is malformed.
        """
        live = self.expiries(held.time)
        keys = [(m.underlying, expiry) for m in self.markets for expiry in live[m.underlying]]
        answers = batch(self.system.chain, [self.system.registry.request("listing", *key) for key in keys])
        listed: dict[int, list[int]] = {m.underlying: [] for m in self.markets}
        for (underlying, _), answer in zip(keys, answers, strict=True):
            if isinstance(answer, Refused):
                raise SourceDownError(f"the registry does not list underlying {underlying}: {answer.reason}")
            listed[underlying] += [int(word) & MASK_ID for word in answer]
        found, down = [], dict[int, SourceDownError]()
        for market in self.markets:
            try:
                found.append(self._market(market, held, listed))
            except SourceDownError as error:
                down[market.underlying] = error
        if down and not found:
            raise next(iter(down.values()))
        self._leave_out({underlying: str(error) for underlying, error in down.items()})
        return Snapshot(held.time, tuple(found))

    def _leave_out(self, down: dict[int, str]) -> None:
        """Say what is left out, once while it lasts."""
        before, self.left_out = self.left_out, down
        for underlying in sorted(down.keys() - before.keys()):
            log.warning("underlying %s is left out of reports: %s", underlying, down[underlying])
        for underlying in sorted(before.keys() - down.keys()):
            log.warning("underlying %s is in reports again", underlying)

    def _market(self, market: MarketSource, held: Held, listed: Mapping[int, Sequence[int]]) -> Market:
        index = held.index.get(market.underlying)
        if index is None:
            raise SourceDownError(f"{market.name}: the feed has no usable price")
        if not listed[market.underlying]:
            raise SourceDownError(f"{market.name}: nothing is listed on it")
        known = self._read(market.path).known_at(held.time)
        age = held.time - int(known.time[-1]) - known.interval
        if age > market.max_history_age:
            raise SourceDownError(f"{market.name}: the last close in {market.path.name} is {age} s old")
        return Market(
            underlying=market.underlying,
            index=index.price / WAD,
            history=History.from_bars(known, last=market.window, ranges=True),
            instruments=tuple(listed[market.underlying]),
            strike_unit=index.strike_unit,
            depth=market.depth,
            name=market.name,
            marks_seen=None if market.marks is None else _marks(self._read(market.marks), known, held.time),
            depths=None if market.depths is None else self._depths(market.depths, held.time),
        )

    def _depths(self, path: Path, now: int) -> DepthHistory:
        """Depths up to now, of the window that is looked at."""
        seen = load_series(path, "depth")
        part = slice(*np.searchsorted(seen.time, [now - DEPTHS, now], side="right"))
        return DepthHistory(seen.time[part], seen.value[part])

    def _read(self, path: Path) -> Bars:
        try:
            stat = path.stat()
        except OSError as error:
            raise SourceDownError(f"{path}: {error.strerror or error}") from error
        stamp = (stat.st_mtime_ns, stat.st_size)
        kept = self._bars.get(path)
        if kept is None or kept[0] != stamp:
            kept = (stamp, load_bars(path))
            self._bars[path] = kept
        return kept[1]

"""Collector: a thread a source, a round a few seconds, and nothing that any source does to it.

Each source is asked by a thread of its own, which keeps its last good answer. A round takes what there is, waits for
nobody, judges it (`rules`), adds it to the hours and writes it down. A source that errs again and again is asked less
often; one that does not come back from being asked within `OVERDUE` deadlines is left to its thread and asked by a new
one, `LEFT` times at most.

What a source raises ends in its row, whatever it is; what the disk raises ends in `trouble`, and the rounds go on.
"""

from __future__ import annotations

import logging
import threading
import time as clock
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from plimsoll.market.errors import MarketError
from plimsoll.market.venues.answers import HOUR, PRICING, Answer, Candles, Kind, Round
from plimsoll.market.venues.errors import VenueBusyError, VenueSettingError
from plimsoll.market.venues.hours import Tape
from plimsoll.market.venues.record import Record
from plimsoll.market.venues.rules import Consolidated, Rules, SourceRow

SLOWEST: Final = 8  # times its interval, for a source that says it is asked too often
SLOWER: Final = 4  # and for one that errs: it should be back soon after it is well
PATIENT: Final = 2  # failures that change nothing
OVERDUE: Final = 4
LEFT: Final = 3
REFILL: Final = 900  # [s] before hours that could not be filled are asked for again
FURTHEST: Final = (
    2_400 * HOUR
)  # [s] back that hours are asked for: what a venue gives in the pages that it is asked for
SETTLED: Final = 60  # [s] after its close that a venue has an hour whole

log = logging.getLogger(__name__)


class Venue(Protocol):
    """What can be asked."""

    name: str

    @property
    def kind(self) -> Kind:
        """What it is asked for."""

    def ask(self) -> Answer:
        """What it says now."""

    def hours(self, since: int, until: int) -> Candles:
        """Its hours."""

    def close(self) -> None:
        """Let go of connections."""


@dataclass(frozen=True, slots=True)
class Polled:
    """What is known of a source: its last good answer, its hours, what is wrong now, failures in a row and in all.

    `busy`: it says that it is asked too often.
    """

    answer: Answer | None = None
    candles: Candles | None = None
    trouble: str = ""
    failures: int = 0
    failed: int = 0
    busy: bool = False


class Poller:
    """Asks one source, again and again.

    Parameters
    ----------
    make
        Makes the source; called again where its thread hangs.
    every
        Between questions [s].
    deadline
        Of one question [s].
    now
        The clock [unix s].
    """

    def __init__(
        self, make: Callable[[], Venue], every: float, deadline: float, now: Callable[[], float] = clock.time
    ) -> None:
        self._make, self.every, self.deadline, self._now = make, every, deadline, now
        self.venue = make()
        self.name, self.kind = self.venue.name, self.venue.kind
        self._lock = threading.Lock()
        self._state = Polled()
        self._wanted: tuple[int, int] | None = None  # hours: from, to
        self._asked: tuple[int, int] | None = None
        self._began: float | None = None  # on the monotonic clock
        self._number = 0  # of the thread that may write
        self._left: list[threading.Thread] = []
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    @property
    def state(self) -> Polled:
        """What is known now."""
        with self._lock:
            state, began = self._state, self._began
        waited = 0.0 if began is None else clock.monotonic() - began
        if waited > self.deadline:
            return replace(state, trouble=f"no answer for {waited:.0f} s", failures=max(1, state.failures))
        return state

    def resume(self, answer: Answer) -> None:
        """Go on from an answer of before a restart: content that stood still then stands still now."""
        with self._lock:
            if self._state.answer is None:
                self._state = replace(self._state, answer=answer)

    def want(self, hours: tuple[int, int] | None) -> None:
        """Ask for hours that open from and closed by [unix s], once; None: no longer."""
        with self._lock:
            if hours is None and self._wanted is not None:
                self._state = replace(self._state, candles=None)
                self._asked = None
            self._wanted = hours

    def ask(self, number: int | None = None) -> None:
        """Ask once and keep what comes; raises nothing. `number`: of the thread, which may have been left."""
        mine = self._number if number is None else number
        with self._lock:
            self._began = clock.monotonic()
            venue, before, wanted = self.venue, self._state.answer, self._wanted
            wanted = None if wanted == self._asked else wanted
        try:
            answer = venue.ask()
            if before is not None and before.content == answer.content and before.kind == answer.kind:
                answer = replace(answer, changed=before.changed)
        except Exception as error:  # noqa: BLE001 - whatever a source raises, it is that source's trouble
            self._failed(mine, error)
            return
        with self._lock:
            if mine != self._number:
                return
            self._state = replace(self._state, answer=answer, trouble="", failures=0, busy=False)
            self._began = None if wanted is None else clock.monotonic()
        if wanted is not None:
            self._ask_hours(mine, venue, wanted)

    def _ask_hours(self, mine: int, venue: Venue, wanted: tuple[int, int]) -> None:
        try:
            candles = venue.hours(*wanted)
        except Exception as error:  # noqa: BLE001 - as above; the price that it gave stands
            log.info("%s: no hours (%s)", self.name, error)
            candles = None
        with self._lock:
            if mine == self._number:
                self._state, self._asked, self._began = replace(self._state, candles=candles), wanted, None

    def _failed(self, mine: int, error: Exception) -> None:
        text = str(error) if isinstance(error, MarketError) else f"{type(error).__name__}: {error}"
        with self._lock:
            if mine != self._number:
                return
            state = self._state
            self._state = replace(
                state,
                trouble=text[:300],
                failures=state.failures + 1,
                failed=state.failed + 1,
                busy=isinstance(error, VenueBusyError),
            )
            self._began = None
        if state.failures == 0:
            log.warning("%s: %s", self.name, text[:300])

    @property
    def pause(self) -> float:
        """Until it is asked again [s]: longer while it errs."""
        state = self.state
        if state.busy:
            return self.every * SLOWEST
        return self.every * min(SLOWER, 2.0 ** max(0, min(state.failures, 10) - PATIENT))

    def start(self) -> None:
        """Ask in a thread until `stop`."""
        self._stopped.clear()
        self._thread = threading.Thread(
            target=self._run, args=(self._number,), name=f"plimsoll venue {self.name}", daemon=True
        )
        self._thread.start()

    def _run(self, number: int) -> None:
        while not self._stopped.is_set() and number == self._number:
            began = clock.monotonic()
            self.ask(number)
            self._stopped.wait(max(0.0, self.pause - (clock.monotonic() - began)))

    def look_after(self) -> bool:
        """Leave a thread that does not come back and start another; whether that was done."""
        with self._lock:
            began = self._began
            hangs = began is not None and clock.monotonic() - began > OVERDUE * self.deadline
            self._left = [thread for thread in self._left if thread.is_alive()]
            if not hangs or self._thread is None or len(self._left) >= LEFT:
                return False
            self._left.append(self._thread)
            self._number += 1
            state = self._state
            self._state = replace(
                state,
                trouble=f"no answer for {OVERDUE * self.deadline:.0f} s",
                failures=state.failures + 1,
                failed=state.failed + 1,
            )
            self._began = None
        self.venue.close()
        self.venue = self._make()
        self.start()
        return True

    def end(self) -> None:
        """Ask no more; a question that is under way goes on."""
        self._stopped.set()

    def stop(self, seconds: float | None = None) -> None:
        """End the thread, wait for its question so long, and let go of connections."""
        self.end()
        if self._thread is not None:
            self._thread.join(self.deadline + 1 if seconds is None else seconds)
        self.venue.close()


@dataclass(frozen=True)
class CollectedMarket:
    """One market: its number, the rules of its rounds, who is asked."""

    market: int
    rules: Rules
    pollers: tuple[Poller, ...]

    def __post_init__(self) -> None:
        named = [(source.name, source.kind) for source in self.rules.sources]
        asked = [(poller.name, poller.kind) for poller in self.pollers]
        if sorted(named) != sorted(asked):
            raise VenueSettingError(f"market {self.market}: rules for {sorted(named)}, asked are {sorted(asked)}")


class Collector:
    """All markets.

    Parameters
    ----------
    markets
        What is asked.
    record
        Where rounds are kept; None: in memory alone.
    every
        Between rounds [s].
    keep
        How long rounds are kept [s]; None: for ever. Hours are kept for ever.
    now
        The clock [unix s].
    """

    def __init__(
        self,
        markets: Sequence[CollectedMarket],
        record: Record | None = None,
        *,
        every: float = 10.0,
        keep: int | None = None,
        now: Callable[[], float] = clock.time,
    ) -> None:
        self.markets = {market.market: market for market in markets}
        if len(self.markets) != len(markets):
            raise VenueSettingError("a market is named twice")
        self.record, self.every, self.keep, self._now = record, every, keep, now
        self.tapes = {
            number: Tape(number, market.rules, record.hours(number) if record else ())
            for number, market in self.markets.items()
        }
        self.since: dict[int, int] = {}  # market -> open time of the first hour that is wanted [unix s]
        self.trouble = ""  # of the last round
        self.troubles = 0  # rounds that met some
        self.drops: Counter[tuple[int, str]] = Counter()  # rounds without a source, by market and name
        self._filling: dict[int, tuple[int, int, int]] = {}  # market -> from, to, when it was asked for
        self._pruned = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        if record is not None:
            self._resume(record)

    def _resume(self, record: Record) -> None:
        """Give each source back what it said last."""
        for number, market in self.markets.items():
            last = record.last(number)
            for answer in last.answers if last else ():
                for poller in market.pollers:
                    if (poller.name, poller.kind) == (answer.source, answer.kind):
                        poller.resume(answer)

    def wants(self, market: int, since: int) -> None:
        """Say from when on hours are wanted [unix s]: those that nobody saw are filled from the venues' own."""
        self.since[market] = since  # without the lock: whoever asks for a snapshot must not wait for the disk

    def start(self) -> None:
        """Ask and judge in threads until `stop`."""
        self._stopped.clear()
        for market in self.markets.values():
            for poller in market.pollers:
                poller.start()
        self._thread = threading.Thread(target=self._run, name="plimsoll collector", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End all threads and let go of the record."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(self.every + 10)
        pollers = [poller for market in self.markets.values() for poller in market.pollers]
        for poller in pollers:
            poller.end()
        ends = clock.monotonic() + max((poller.deadline for poller in pollers), default=0.0) + 1
        for poller in pollers:  # together no longer than one of them may take
            poller.stop(max(0.0, ends - clock.monotonic()))
        if self.record is not None:
            self.record.close()

    def _run(self) -> None:
        self._wait_for_first()
        while not self._stopped.is_set():
            began = clock.monotonic()
            self.collect()
            self._stopped.wait(max(0.0, self.every - (clock.monotonic() - began)))

    def _wait_for_first(self) -> None:
        """Until each source has been asked once, but no longer than a round: before, there is nothing to judge."""
        ends = clock.monotonic() + self.every
        pollers = [poller for market in self.markets.values() for poller in market.pollers]
        while clock.monotonic() < ends and not self._stopped.wait(0.05):
            states = [poller.state for poller in pollers]
            if all(state.answer is not None or state.trouble for state in states):
                return

    def collect(self) -> None:
        """One round of every market; raises nothing."""
        trouble = ""
        for number, market in self.markets.items():
            try:
                for poller in market.pollers:
                    poller.look_after()
                self.round(number)
            except Exception as error:  # a full disk or a fault of ours must not end the collector
                log.exception("market %d", number)
                trouble = f"market {number}: {type(error).__name__}: {error}"
        try:
            self._prune()
        except MarketError as error:
            trouble = str(error)
        if trouble:
            self.troubles += 1
        self.trouble = trouble

    def round(self, number: int) -> Consolidated:
        """Judge what is known of a market now, and keep it.

        Raises
        ------
        RecordError
            It cannot be kept; it is the latest all the same.
        """
        with self._lock:
            market, tape, now = self.markets[number], self.tapes[number], int(self._now())
            filling = self._fill(number, now)
            states = [(poller.name, poller.state) for poller in market.pollers]
            found = Round.of(
                number,
                now,
                [state.answer for _, state in states if state.answer is not None],
                [(name, state.trouble) for name, state in states if state.trouble],
                filling,
                [state.candles for _, state in states if state.candles is not None] if filling is not None else (),
            )
            before = tape.latest
            said, hours = tape.feed(found)
            self._warn(before, said)
            self.drops.update((number, row.name) for row in said.rows if row.dropped)
            if self.record is not None:
                self.record.append(found, market.rules, hours)
            return said

    def _fill(self, number: int, now: int) -> int | None:
        """What is to be filled, and asks for it where that was not done."""
        since = self.since.get(number)
        ends = (now - SETTLED) - (now - SETTLED) % HOUR
        missing = None if since is None else self.tapes[number].missing(max(since, ends - FURTHEST), ends)
        pollers = [poller for poller in self.markets[number].pollers if poller.kind == "spot"]
        asked = self._filling.get(number)
        if missing is None:
            self._filling.pop(number, None)
            for poller in pollers:
                poller.want(None)
            return None
        if asked is None or asked[1] != ends or now - asked[2] >= REFILL:
            if asked is not None:
                for poller in pollers:
                    poller.want(None)  # what was given did not do
            asked = self._filling[number] = (missing, ends, now)
        for poller in pollers:
            poller.want(asked[:2])
        return missing

    def _warn(self, before: Consolidated | None, said: Consolidated) -> None:
        """Say what changed: once when a source is dropped, once when it is back."""
        was = {row.name: bool(row.dropped) for row in before.rows} if before else {}
        for row in said.rows:
            if row.dropped and not was.get(row.name, False):
                log.warning("market %d: %s dropped: %s", said.market, row.name, row.dropped)
            elif not row.dropped and was.get(row.name, False):
                log.info("market %d: %s is back", said.market, row.name)
        if said.price is None and (before is None or before.price is not None):
            log.error("market %d: no price: %s", said.market, said.why)

    def _prune(self) -> None:
        now = int(self._now())
        if self.record is None or self.keep is None or now - self._pruned < 24 * HOUR:
            return
        self._pruned = now
        self.record.prune(now - self.keep)

    def latest(self, number: int) -> Consolidated | None:
        """What the last round of a market came to; None before the first."""
        return self.tapes[number].latest

    def rows(self, names: Mapping[int, str] | None = None) -> list[SourceRow]:
        """Every source of every market as it stands now, markets by the names that are given."""
        found = []
        now = self._now()
        for number, market in self.markets.items():
            latest = self.latest(number)
            judged = {row.name: row for row in latest.rows} if latest else {}
            for poller in market.pollers:
                row = judged.get(poller.name) or SourceRow(
                    poller.name, str(number), poller.kind, dropped="no round yet"
                )
                state = poller.state
                found.append(
                    replace(
                        row,
                        market=(names or {}).get(number, str(number)),
                        age=now - row.time if row.time else 0.0,
                        failures=state.failures,
                    )
                )
        return found

    def good(self, number: int) -> int:
        """How many sources stood behind the last price of a market."""
        latest = self.latest(number)
        return sum(row.used and row.kind in PRICING for row in latest.rows) if latest else 0

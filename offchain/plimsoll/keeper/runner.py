"""The runner: follows the head of the chain, and at every block lets the posting and the enforcing work, side by side.

    main        heads of all endpoints; what became of transactions under way
    posting     is a report due? have it signed, send it
    enforcing   chores; whom to call, rescue, auction, bid for

Nothing waits for a transaction, and neither worker waits for the other: a quorum that does not answer keeps nobody
from being liquidated, a stuck bid keeps no report back. A round that fails is recorded and counted, and the next block
brings the next: the runner does not end because something fails, it says so (`healthz`, alerts) and goes on. It ends
where it is told to; what is under way stays in the journal, and the next start takes it up.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from plimsoll.chain.endpoints import Endpoints
from plimsoll.chain.errors import NodeError
from plimsoll.chain.head import Head
from plimsoll.keeper.errors import JournalError
from plimsoll.keeper.journal import Journal
from plimsoll.keeper.loop import FAILURES, Keeper, Round
from plimsoll.keeper.sender import Sender

QUIET: Final = 60.0  # [s] between lines about a node that stays silent


@dataclass
class Beat:
    """How a worker is doing."""

    rounds: int = 0
    failures_in_a_row: int = 0
    last_error: str | None = None
    last_done: float = 0.0  # [unix s]
    seconds: float = 0.0  # that the last round took
    block: int = 0  # of the last round


class Worker:
    """Works in a thread of its own at each new head; where it is slow, at the newest.

    Parameters
    ----------
    name
        In the journal and in the status.
    work
        What it does at a head.
    crashed
        Told of an exception that nobody foresaw.
    on_round
        Told of each round, by the worker's name.
    clock
        This machine's [unix s].
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Head], Round],
        crashed: Callable[[str, BaseException], object],
        on_round: Callable[[str, Round], object],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.work = work
        self.crashed = crashed
        self.on_round = on_round
        self.clock = clock
        self.beat = Beat(last_done=clock())
        self._head: Head | None = None
        self._ready = threading.Condition()
        self._ends = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self, head: Head) -> None:
        """There is a new head."""
        with self._ready:
            self._head = head
            self._ready.notify()

    def end(self, patience: float = 10.0) -> None:
        """Finish the round that runs, and no other."""
        with self._ready:
            self._ends = True
            self._ready.notify()
        self._thread.join(patience)

    def _run(self) -> None:
        while True:
            with self._ready:
                self._ready.wait_for(lambda: self._head is not None or self._ends)
                if self._ends:
                    return
                head, self._head = self._head, None
            if head is not None:
                self.once(head)

    def once(self, head: Head) -> Round:
        """One round; whatever it meets, the next one comes."""
        beat, begun = self.beat, time.monotonic()
        try:
            done = self.work(head)
        except Exception as error:  # noqa: BLE001 - one bug must not stop calls and liquidations
            self.crashed(self.name, error)
            done = Round(head.time, error=f"{type(error).__name__}: {error}")
        beat.rounds += 1
        beat.block = head.number
        beat.last_error = done.error
        beat.failures_in_a_row = 0 if done.ok else beat.failures_in_a_row + 1
        beat.last_done, beat.seconds = self.clock(), time.monotonic() - begun
        try:
            self.on_round(self.name, done)
        except Exception as error:  # noqa: BLE001 - who is told of the work must not end it
            self.crashed(self.name, error)
        return done


class Runner:
    """Runs a keeper on a live chain.

    Parameters
    ----------
    keeper
        Decides; its agents hand over to `senders`.
    endpoints
        The nodes.
    senders
        One a key.
    journal
        Where what happens is written down.
    interval
        Between looks at the heads [s].
    on_round
        Told of each round.
    on_look
        Told after each look at the heads, of what is wrong with them if anything is: for status, alerts, watchdog.
    due
        Which accounts to look at now; None: all that the keeper knows.
    clock
        This machine's [unix s].
    """

    def __init__(
        self,
        keeper: Keeper,
        endpoints: Endpoints,
        senders: Sequence[Sender],
        journal: Journal,
        *,
        interval: float = 0.5,
        on_round: Callable[[Round], object] = lambda _: None,
        on_look: Callable[[str | None], object] = lambda _: None,
        due: Callable[[], Sequence[int]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.keeper = keeper
        self.endpoints = endpoints
        self.senders = list(senders)
        self.journal = journal
        self.interval = interval
        self.on_round = on_round
        self.on_look = on_look
        self.due = due
        self.clock = clock
        self.head: Head | None = None
        self.workers = [Worker("posting", self._post, self._crashed, self._ended, clock)]
        if any(part is not None for part in (keeper.agent, keeper.upkeep, keeper.standing)):
            self.workers.append(Worker("enforcing", self._enforce, self._crashed, self._ended, clock))
        self.journal_error = ""  # what was wrong with the journal last
        self._told = -QUIET

    # --------------------------------------------------------------------------------------------------------- runs

    def run(self, stop: threading.Event) -> None:
        """Follow the chain until told to stop."""
        head = self._first_head(stop)
        if head is None:
            return
        self._reconcile(head)
        for worker in self.workers:
            worker.start()
        try:
            while not stop.is_set():
                try:
                    self.look()
                except Exception as error:  # noqa: BLE001 - an answer that nobody foresaw must not end the keeper
                    self._crashed("main", error)
                stop.wait(self.interval)
        finally:
            for worker in self.workers:
                worker.end()
            self.endpoints.close()

    def once(self, patience: float = 120.0) -> Round:
        """One round of each worker, and what came of what they sent.

        Raises
        ------
        NodeError
            No node answers.
        """
        head = self.endpoints.refresh()
        self._reconcile(head)
        rounds = [worker.once(head) for worker in self.workers]
        until = time.monotonic() + patience
        while any(sender.under_way() for sender in self.senders) and time.monotonic() < until:
            time.sleep(min(self.interval, 0.2))
            head = self.endpoints.refresh()
            for sender in self.senders:
                sender.tick(head)
            rounds += self._collected(head)  # where stores are in, the post goes
        self.endpoints.close()
        return together(rounds)

    def _collected(self, head: Head) -> list[Round]:
        """What came of what was under way."""
        keeper = self.keeper
        found = keeper.collect(head.time)
        steps = tuple(keeper.agent.collect()) if keeper.agent else ()
        chores = tuple(keeper.upkeep.collect()) if keeper.upkeep else ()
        fills = tuple(keeper.standing.collect()) if keeper.standing else ()
        return [*([found] if found else []), Round(head.time, steps=steps, chores=chores, fills=fills)]

    def look(self) -> None:
        """Look at the heads; at a new one, at what is under way, and let the workers work."""
        problem: str | None = None
        try:
            head = self.endpoints.refresh()
        except NodeError as error:
            problem = str(error)
            self._say_silent(problem)
        else:
            if self.head is None or head.hash != self.head.hash:
                self.head = head
                self._tick(head)
                for worker in self.workers:
                    worker.wake(head)
        self.on_look(problem)

    def _first_head(self, stop: threading.Event) -> Head | None:
        """The first head that some endpoint shows; waits for it: a node may come up after its keeper."""
        while not stop.is_set():
            try:
                return self.endpoints.refresh()
            except NodeError as error:
                self._say_silent(str(error))
                self.on_look(str(error))
                stop.wait(max(self.interval, 0.5))
        return None

    def _say_silent(self, why: str) -> None:
        now = time.monotonic()
        if now - self._told >= QUIET:
            self._told = now
            self._record("node-silent", error=why)

    def _reconcile(self, head: Head) -> None:
        self.head = None
        for sender in self.senders:
            try:
                sender.reconcile(head)
            except FAILURES as error:
                self._record("reconcile-failed", error=f"{type(error).__name__}: {error}")
            except Exception as error:  # noqa: BLE001 - of one key; the others, and the workers, go on
                self._crashed("main", error)

    def _tick(self, head: Head) -> None:
        for sender in self.senders:
            try:
                sender.tick(head)
            except FAILURES as error:
                self._record("tick-failed", error=f"{type(error).__name__}: {error}")
            except Exception as error:  # noqa: BLE001 - of one key; the others, and the workers, go on
                self._crashed("main", error)

    # -------------------------------------------------------------------------------------------------------- works

    def _post(self, head: Head) -> Round:
        try:
            return self.keeper.post_due(self.keeper.reader.read())
        except FAILURES as problem:
            return self._failed(problem, head)

    def _failed(self, problem: Exception, head: Head) -> Round:
        try:
            return Round(head.time, error=self.keeper.failed(problem, head.time))
        except JournalError as error:
            self.journal_error = str(error)
            return Round(head.time, error=f"{type(problem).__name__}: {problem}; {error}")

    def _enforce(self, head: Head) -> Round:
        """Liquidate, take orders, do chores; what fails of these keeps none of the others from its turn."""
        keeper = self.keeper
        try:
            accounts = keeper.accounts()
        except FAILURES as problem:
            return self._failed(problem, head)

        def liquidate() -> dict[str, Any]:
            steps, planned = keeper.enforce(accounts if self.due is None else self.due())
            return {"steps": steps, "planned": planned}

        done, wrong = Round(head.time), []
        for part in (
            liquidate,
            lambda: {"fills": keeper.take_orders()},
            lambda: {"chores": keeper.keep_up(accounts)},
        ):
            try:
                done = replace(done, **part())
            except FAILURES as problem:
                wrong.append(self._failed(problem, head).error or "")
            except Exception as error:  # noqa: BLE001 - a bug in one of them, too
                self._crashed("enforcing", error)
                wrong.append(f"{type(error).__name__}: {error}")
        return replace(done, error="; ".join(dict.fromkeys(wrong)) or None)

    def _ended(self, name: str, done: Round) -> None:
        self.keeper.metrics.ended(name, ok=done.ok)
        self.on_round(done)

    def _crashed(self, name: str, error: BaseException) -> None:
        self._record("crashed", worker=name, error=f"{type(error).__name__}: {error}", trace=_trace(error))

    def _record(self, kind: str, **fields: Any) -> None:
        """A line of the journal; a journal that cannot be written is met by who sends next."""
        try:
            self.journal.record(kind, int(self.clock()), **fields)
        except JournalError as error:
            self.journal_error = str(error)
        else:
            self.journal_error = ""


def together(rounds: Sequence[Round]) -> Round:
    """Several looks at one round as one: of a post the last word, of steps and chores what came of them."""
    steps = [step for done in rounds for step in done.steps if not step.under_way]
    chores = [chore for done in rounds for chore in done.chores if not chore.under_way]
    fills = [fill for done in rounds for fill in done.fills if not fill.under_way]
    posts = [done.posted for done in rounds if done.posted is not None]
    first = rounds[0]
    return replace(
        first,
        posted=posts[-1] if posts else None,
        steps=tuple(steps),
        planned=tuple(item for done in rounds for item in done.planned),
        chores=tuple(chores),
        fills=tuple(fills),
        error="; ".join(done.error for done in rounds if done.error) or None,
    )


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-4_000:]

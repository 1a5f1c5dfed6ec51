"""The loop: a round looks, decides, posts and enforces; rounds that fail are counted; too many in a row halt it.

A round fails where prices, the node or the post fail. Calls and liquidations go on all the same, under the surfaces
last posted, as the contracts themselves allow: they need a live index and no report. A liquidation step that the chain
refuses does not count: as a rule somebody else took it first. Chores come first: the minute of an observation does
not wait. In a dry run everything is decided and recorded, and nothing is sent.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from plimsoll.chain.errors import ChainError
from plimsoll.keeper.archive import Archive
from plimsoll.keeper.batches import Batch, batches
from plimsoll.keeper.errors import Halted, KeeperError, SettingsError
from plimsoll.keeper.liquidation import LiquidationAgent, Taken
from plimsoll.keeper.metrics import Metrics
from plimsoll.keeper.poster import Posted, Poster
from plimsoll.keeper.recorder import Recorder
from plimsoll.keeper.sources import Source
from plimsoll.keeper.standing import PURPOSE, Executed, StandingAgent
from plimsoll.keeper.state import ChainReader, Held
from plimsoll.keeper.triggers import Reason, TriggerConfig
from plimsoll.keeper.upkeep import Done, Upkeep
from plimsoll.keeper.watch import KIND, ResponsivenessWatch, line_of, observations
from plimsoll.market.errors import MarketError
from plimsoll.risk.engine import BuiltReport, Engine
from plimsoll.risk.errors import RiskError
from plimsoll.risk.report_parts import part
from plimsoll.spec.margin import Assessment, state_of
from plimsoll.spec.wad import PPM, WAD

LOOP: Final = "round"  # in the metrics, where one loop does everything
FAILURES: Final = (KeeperError, MarketError, RiskError, ChainError)  # what a round survives


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """How the loop runs.

    Parameters
    ----------
    interval
        Pause between rounds [s].
    max_failures
        Failed rounds in a row after which the keeper halts.
    dry_run
        Decide and record, send nothing.
    urgent
        Ask for urgent reports, which more nodes sign and which may move further; then one is always due.
    """

    interval: float = 15.0
    max_failures: int = 5
    dry_run: bool = False
    urgent: bool = False

    def __post_init__(self) -> None:
        if self.interval < 0:
            raise SettingsError(f"interval {self.interval} s; 0 or more is right")
        if self.max_failures < 1:
            raise SettingsError(f"max_failures {self.max_failures}; 1 or more is right")


@dataclass(frozen=True, slots=True)
class Round:
    """What one round saw and did."""

    time: int  # [unix s] of the chain
    held: Held | None = None
    built: BuiltReport | None = None
    reasons: tuple[Reason, ...] = ()
    posted: Posted | None = None
    steps: tuple[Taken, ...] = ()
    planned: tuple[tuple[int, str], ...] = ()  # in a dry run: account, step
    chores: tuple[Done, ...] = ()
    fills: tuple[Executed, ...] = ()  # of standing orders
    error: str | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return self.error is None


class Keeper:
    """The loop over its parts, each given from outside.

    Parameters
    ----------
    source
        Makes snapshots.
    engine
        Makes reports.
    reader
        Reads what the chain holds.
    poster
        Posts.
    agent
        Calls and liquidates; None: only reports.
    upkeep
        Does chores; None: leaves them to others.
    standing
        Takes the standing orders of called accounts; None: leaves them to others.
    accounts
        Which accounts to watch.
    recorder, metrics
        Journal and monitor.
    triggers, config
        When to post, how to run.
    archive
        Where to keep what reports were made from; None: nowhere.
    watch
        How posted margins answer to the market; with what earlier runs posted, where the journal tells.
    """

    def __init__(
        self,
        source: Source,
        engine: Engine,
        reader: ChainReader,
        poster: Poster,
        recorder: Recorder,
        *,
        agent: LiquidationAgent | None = None,
        upkeep: Upkeep | None = None,
        standing: StandingAgent | None = None,
        accounts: Callable[[], Sequence[int]] = tuple,
        metrics: Metrics | None = None,
        triggers: TriggerConfig | None = None,
        config: LoopConfig | None = None,
        archive: Archive | None = None,
        watch: ResponsivenessWatch | None = None,
    ) -> None:
        self.source = source
        self.engine = engine
        self.reader = reader
        self.poster = poster
        self.recorder = recorder
        self.agent = agent
        self.upkeep = upkeep
        self.standing = standing
        self.accounts = accounts
        self.metrics = metrics or Metrics()
        self.triggers = triggers or TriggerConfig()
        self.config = config or LoopConfig()
        self.archive = archive
        self.watch = watch or ResponsivenessWatch()
        self.failures = 0  # rounds in a row
        self.margins: Mapping[int, Assessment] = {}  # of accounts that were looked at last
        self.held: Held | None = None  # what the chain held when it was looked at last
        self.last_post: Posted | None = None
        self.reasons: tuple[str, ...] = ()  # of it, or of the one that is under way
        self.waiting = 0  # batches that are due behind it
        self._large: set[int] = set()  # underlyings that were told to be over the limit of gas

    def run(
        self,
        rounds: int | None = None,
        sleep: Callable[[float], object] = time.sleep,
        on_round: Callable[[Round], object] = lambda _: None,
    ) -> None:
        """Round after round, `rounds` of them where a number is given; `on_round` is told of each.

        Raises
        ------
        Halted
            After `max_failures` failed rounds in a row, with the last failure.
        """
        done = 0
        while rounds is None or done < rounds:
            if done:
                sleep(self.config.interval)
            on_round(self.round())
            done += 1

    def round(self) -> Round:
        """One round.

        Raises
        ------
        Halted
            As `run`.
        """
        now = 0
        try:
            now = self.reader.system.chain.now
            found = self._round()
        except FAILURES as problem:
            found = Round(now, error=self.failed(problem, now))
        self.metrics.ended(LOOP, ok=found.ok)
        self.failures = 0 if found.ok else self.failures + 1
        if self.failures >= self.config.max_failures:
            why = f"{self.failures} rounds failed in a row, the last with: {found.error}"
            self.recorder.record("halt", now, error=why)
            raise Halted(why)
        return found

    def failed(self, problem: Exception, now: int) -> str:
        """Count and record a failure; how it reads."""
        error = f"{type(problem).__name__}: {problem}"
        self.metrics.failures.labels("round").inc()
        self.recorder.record("round-failed", now, error=error, in_a_row=self.failures + 1)
        return error

    def _round(self) -> Round:
        accounts = self.accounts()
        chores = self.keep_up(accounts)
        held = self.reader.read()
        done = self.post_due(held)
        steps, planned = self.enforce(accounts)
        fills = self.take_orders()
        return replace(done, steps=steps, planned=planned, chores=chores, fills=fills)

    def post_due(self, held: Held) -> Round:
        """Look whether a report is due, and post it; or look what came of the one that is under way.

        Parameters
        ----------
        held
            What the chain holds.
        """
        self.held = held
        self._observe(held)
        found = self.collect(held.time)
        if found is None:
            return Round(held.time, held) if self.poster.busy else self._post_next(held)
        posted = found.posted
        if found.ok and self.waiting and posted is not None and posted.ok and held.sequence >= posted.sequence:
            return replace(found, held=held, error=self._post_next(held).error)  # the batch behind it goes at once
        return replace(found, held=held)

    def _post_next(self, held: Held) -> Round:
        """Post the first batch of what is due, if anything is."""
        built: BuiltReport | None = None
        reasons: tuple[Reason, ...] = ()
        try:
            built, reasons = self.assess(held)
            if built is not None and reasons:
                posted = self._post(held, built, reasons)
                if posted is not None:
                    return replace(self._settled(posted, held.time), held=held, built=built, reasons=reasons)
        except FAILURES as problem:
            return Round(held.time, held, built, reasons, error=self.failed(problem, held.time))
        return Round(held.time, held, built, reasons)

    def collect(self, now: int) -> Round | None:
        """What came of the report that is under way; None: there is none."""
        try:
            posted = self.poster.advance()
            return None if posted is None else self._settled(posted, now)
        except FAILURES as problem:
            return Round(now, error=self.failed(problem, now))

    def assess(self, held: Held) -> tuple[BuiltReport | None, tuple[Reason, ...]]:
        """The report to post now and the reasons to; without reasons: what the engine would say of all that is here.

        None where none can be: no time has passed since all of it was posted.
        """
        if held.sequence and held.time < held.market_time:
            return None, ()
        snapshot, previous = self.source.snapshot(held), held.risk_state
        number = self.poster.next_sequence(held.sequence)
        inputs: dict[str, Any] = {"rails": held.rails, "urgent": self.config.urgent}
        whole = self.engine.whole(snapshot, previous, number, **inputs)
        refusals = self.poster.refusals
        made = batches(held, whole, previous, self.triggers, urgent=self.config.urgent, refusals=refusals)
        self._tell_large(made, held.time)
        going = [one for one in made if one.gas is not None]
        self.waiting = max(0, len(going) - 1)
        if not going:
            return (None if held.sequence and held.time == held.market_time else whole), ()
        only = going[0].underlyings
        built = part(whole, only, previous)
        if self.archive is not None and not self.config.dry_run:
            system = self.reader.system
            where = system.chain.chain_id, system.oracle.address
            self.archive.keep(built, self.engine, snapshot, previous, *where, only=only, **inputs)
        return built, going[0].reasons

    def _tell_large(self, made: Sequence[Batch], now: int) -> None:
        """Warn, once while it lasts, of underlyings that no report under the limit of gas has room for."""
        limit = self.triggers.post_gas_limit
        large = {one.underlyings[0]: one.gas for one in made if one.gas is None or one.gas > limit}
        for underlying in sorted(large.keys() - self._large):
            gas = large[underlying]
            why = "too much for any report: it is not posted" if gas is None else "it goes alone"
            self.recorder.record("post-large", now, underlying=underlying, gas=gas, limit=limit, why=why)
        seen = {underlying for one in made for underlying in one.underlyings}
        self._large = (self._large - seen) | large.keys()

    def _post(self, held: Held, built: BuiltReport, reasons: Sequence[Reason]) -> Posted | None:
        why = [str(reason) for reason in reasons]
        self.reasons = tuple(why)
        numbers = [scalars.underlying for scalars in built.scalars]
        about: dict[str, Any] = {"underlyings": numbers, "waiting": self.waiting, "dry_run": self.config.dry_run}
        self.recorder.record("post-due", held.time, reasons=why, **about)
        if self.config.dry_run:
            return None
        return self.poster.post(built)

    def _settled(self, posted: Posted, now: int) -> Round:
        """Count what came of a post; keep what it was made from, where it was believed."""
        if posted.under_way:
            return Round(now, posted=posted)
        self.last_post = posted
        self.metrics.gas.labels("post").inc(posted.gas)
        if not posted.ok:
            self.metrics.failures.labels("post").inc()
            return Round(now, posted=posted, error=f"post refused: {posted.error}")
        self.metrics.posts.inc()
        self.metrics.sequence.set(posted.sequence)
        error: str | None = None
        try:
            if self.archive is not None:
                self.archive.posted(posted.digest, posted.transaction)
            if posted.built is not None:
                self._answer(posted.built)  # last: what it says is of a post that is known and archived already
        except FAILURES as problem:
            error = self.failed(problem, now)
        return Round(now, posted=posted, error=error)

    def _answer(self, built: BuiltReport) -> None:
        """Say how the margins that were posted answer to the market."""
        for underlying, found in self.watch.posted(built).items():
            self.recorder.record(KIND, built.report.market_time, **line_of(underlying, built, found))
            self.metrics.lag.labels(str(underlying)).set(found.lag)
            self.metrics.depths.labels(str(underlying)).set(observations(built, underlying))
            for answer in found.answers:
                labels = (str(underlying), str(answer.days))
                self.metrics.margin_rise.labels(*labels).set(answer.margin)
                self.metrics.forecast_rise.labels(*labels).set(answer.forecast)

    def keep_up(self, accounts: Sequence[int]) -> tuple[Done, ...]:
        """Do the chores that are due, and count what came of those under way."""
        if self.upkeep is None:
            return ()
        if self.config.dry_run:
            for chore in self.upkeep.plan(accounts):
                self.recorder.record("chore-due", self.reader.system.chain.now, name=chore.name, args=list(chore.args))
            return ()
        done = (*self.upkeep.collect(), *self.upkeep.round(accounts))
        for item in done:
            self.metrics.count(self.metrics.chores, item.name, item)
        return done

    def enforce(self, accounts: Sequence[int]) -> tuple[tuple[Taken, ...], tuple[tuple[int, str], ...]]:
        """Look where accounts stand and take the steps that are due; in a dry run: which they would be."""
        if self.agent is None:
            return (), ()
        taken = self.agent.collect()
        margins = self.margins = self.agent.watch(accounts)
        counts = Counter(state_of(margin).name.lower() for margin in margins.values())
        for state in ("healthy", "restricted", "called", "liquidatable", "insolvent"):
            self.metrics.accounts.labels(state).set(counts[state])
        plan = self.agent.plan(margins)
        if self.config.dry_run:
            now = self.reader.system.chain.now
            for item in plan:
                self.recorder.record("step-due", now, account=item.account, step=item.step.value)
            return (), tuple((item.account, item.step.value) for item in plan)
        taken += [done for item in plan if (done := self.agent.act(item, margins[item.account]))]
        for done in taken:
            self.metrics.count(self.metrics.steps, done.step.value, done)
        return tuple(taken), ()

    def take_orders(self) -> tuple[Executed, ...]:
        """Take what owners signed for the day they are called; cures went first. In a dry run: say what would be."""
        if self.standing is None:
            return ()
        if self.config.dry_run:
            now = self.reader.system.chain.now
            for fill in self.standing.plan():
                about = {"order": fill.signed.ref, "account": fill.signed.order.account, "quantity": fill.quantity}
                self.recorder.record("standing-due", now, **about)
            return ()
        done = (*self.standing.collect(), *self.standing.round())
        for item in done:
            self.metrics.count(self.metrics.steps, PURPOSE, item)
        return done

    def _observe(self, held: Held) -> None:
        self.metrics.sequence.set(held.sequence)
        self.metrics.report_age.set(held.time - held.oldest if held.sequence else 0)
        for underlying, index in held.index.items():
            self.metrics.index.labels(str(underlying)).set(index.price / WAD)
        for (underlying, expiry), surface in held.surfaces.items():
            if expiry == 0:
                self.metrics.psr.labels(str(underlying)).set(surface.psr / PPM)

"""Margin calls, rescues, auctions, losses on record: which step is due for an account, and which bids are worth making.

Deciding is a pure function (`step_for`, `record_due`, `worth_bidding`); the agent only carries out. Every step is open
to anyone on chain, so a step that somebody else took first is refused there, recorded, and no harm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, NamedTuple

from plimsoll.chain.contract import Event, batch
from plimsoll.chain.deployment import System
from plimsoll.chain.errors import ChainError
from plimsoll.keeper import rescue
from plimsoll.keeper.errors import KeeperError, SettingsError
from plimsoll.keeper.outbox import Awaited, DirectOutbox, Outbox, Ticket
from plimsoll.keeper.recorder import Recorder
from plimsoll.keeper.state import read_margins
from plimsoll.spec.errors import Refused
from plimsoll.spec.margin import Assessment, State, state_of
from plimsoll.spec.wad import PPM, WAD, div_up, mul_div_up

MIN_FRACTION: Final = WAD // 100  # a bid is halved down to this where the bidder's margin refuses it
DRIFT: Final = 50_000  # [ppm] that a loss on record may be off before it is put right
TOO_MUCH: Final = {  # what a smaller bid may mend
    "clearinghouse: below initial margin",
    "clearinghouse: borrowing over the cap",
    "clearinghouse: quantity over the maximum",
}


class Step(StrEnum):
    """What can be due for an account; the values are the Liquidator's functions."""

    CALL = "call"
    CURE = "cure"
    TOP_UP = "top_up"
    DRAW = "draw"
    START = "start"
    CLOSE = "close"
    BID = "bid"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the Liquidator holds of an account.

    Parameters
    ----------
    ripe, deadline
        Of its margin call [unix s]; 0 where it is not called.
    started
        When its auction began [unix s]; 0 where there is none.
    recorded
        Bad debt on record [wad].
    ran_dry
        Whether its last auction lapsed so lately that another may begin without a call.
    until
        When the last stop of liquidations, or the grace after the last outage, ends [s]: nothing starts before, and an
        auction that began before takes no bid, and starts anew.
    """

    ripe: int = 0
    deadline: int = 0
    started: int = 0
    recorded: int = 0
    ran_dry: bool = False
    until: int = 0

    @property
    def stopped(self) -> bool:
        """Whether its auction was interrupted: the discount grew while nobody could bid."""
        return 0 < self.started < self.until


class Due(NamedTuple):
    """A step that is due; `args` are those of the Liquidator's function behind the account."""

    account: int
    step: Step
    args: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class BidConfig:
    """When a bid is worth it.

    Parameters
    ----------
    min_profit
        Least profit on the part taken, at the marks [wad of quote]: gas and trouble.
    min_share
        Least profit on the whole account as a share of its MM [ppm]: pay for the risk of carrying it until it is
        hedged.
    min_bonus
        The same for an account that is worth nothing [ppm]: there the fund pays its bonus, and no more is to be had.
    max_payment
        Most to pay in one bid [wad of quote].
    max_fraction
        Largest part of an account in one bid [wad].
    slack
        How much worse the account may have become when the bid is mined, as a share of its MM [ppm].
    """

    min_profit: int = WAD
    min_share: int = 100_000
    min_bonus: int = 10_000
    max_payment: int = 10**9 * WAD
    max_fraction: int = WAD
    slack: int = 10_000

    def __post_init__(self) -> None:
        if self.min_profit < 0 or self.max_payment <= 0:
            raise SettingsError("min_profit at least 0 and max_payment above 0 are right")
        for name in ("min_share", "min_bonus", "slack"):
            if not 0 <= getattr(self, name) <= 2 * PPM:
                raise SettingsError(f"{name} {getattr(self, name)} ppm; 0 .. 2,000,000 is right")
        if not MIN_FRACTION <= self.max_fraction <= WAD:
            raise SettingsError(f"max_fraction {self.max_fraction}; 0.01 .. 1 [wad] is right")


class Quote(NamedTuple):
    """What a bid would do [wad]."""

    fraction: int
    payment: int
    received: int


@dataclass(frozen=True, slots=True)
class Taken:
    """One step that was taken, or refused."""

    account: int
    step: Step
    gas: int = 0
    error: str | None = None
    fraction: int = 0  # of a bid [wad]
    payment: int = 0  # of a bid [wad]
    discount: int = 0  # of a bid, for the whole account [wad]
    bidder: int = 0
    under_way: bool = False  # sent, and not known yet what came of it
    events: tuple[Event, ...] = ()


def step_for(margin: Assessment, standing: Standing, now: int) -> Step | None:
    """The step that is due for an account: at most one a round, the most urgent.

    No account is auctioned that was not called, but one whose whole equity is negative; a call is ripe once its notice
    has passed, for accounts under maintenance margin, and runs out for all others at its deadline. While liquidations
    are stopped nothing starts; an auction that a stop interrupted starts anew behind it, where the account is still
    under maintenance margin.
    """
    state, start = state_of(margin), Step.START if now >= standing.until else None
    if standing.started:
        if margin.equity_haircut >= margin.im:
            return Step.CLOSE
        if not standing.stopped:
            return Step.BID
        return start if state in {State.LIQUIDATABLE, State.INSOLVENT} else None
    if state is State.INSOLVENT:
        return start
    if state is State.LIQUIDATABLE:
        if standing.ran_dry or 0 < standing.ripe < now:
            return start
        return None if standing.deadline else Step.CALL
    if state is State.CALLED:
        if not standing.deadline:
            return Step.CALL
        return start if standing.deadline < now else None
    return Step.CURE if standing.deadline else None


def record_due(margin: Assessment, recorded: int) -> bool:
    """Whether what is on record of an account's loss is missing, or far off."""
    loss = max(0, -margin.equity_full)
    return abs(loss - recorded) * PPM > max(loss, recorded) * DRIFT


def profit_of(margin: Assessment, quote: Quote) -> int:
    """What a bidder gains by a bid, at the marks [wad], down."""
    return margin.equity_full * quote.fraction // WAD - quote.payment + quote.received


def worth_bidding(margin: Assessment, quote: Quote, config: BidConfig) -> bool:
    """Whether a bid pays: enough on the part taken, and enough for the risk taken on."""
    profit = profit_of(margin, quote)
    least = config.min_share if quote.payment else config.min_bonus
    return (
        quote.fraction > 0
        and profit >= config.min_profit
        and profit * PPM * WAD >= least * margin.mm * quote.fraction
        and quote.payment <= config.max_payment
    )


def limits_of(margin: Assessment, quote: Quote, config: BidConfig) -> tuple[int, int]:
    """The most to pay for the whole account, and the most margin that it may need [wad], when the bid is mined."""
    slack = mul_div_up(margin.mm, config.slack, PPM)
    return div_up((quote.payment - quote.received) * WAD, quote.fraction) + slack, margin.mm + slack


class LiquidationAgent:
    """Watches accounts and takes the steps that are due.

    Parameters
    ----------
    system
        The deployment.
    sender
        Who pays for the steps, and owns or acts for the bidding account.
    recorder
        The journal.
    bidder
        The account that bids, and gets the bounty of top-ups; None: never bid, only call, rescue, start and close.
    config
        When a bid is worth it.
    outbox
        Where transactions go; None: they are waited for.
    """

    def __init__(
        self,
        system: System,
        sender: str,
        recorder: Recorder,
        bidder: int | None = None,
        config: BidConfig | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        self.system = system
        self.sender = sender
        self.recorder = recorder
        self.bidder = bidder
        self.config = config or BidConfig()
        self.outbox = outbox or DirectOutbox()
        self.failures = 0  # in a row
        self.stopped_until = 0  # [unix s] where liquidations were stopped, or held off, at the last look; else 0
        self._scale: int | None = None
        self._sent: Awaited[tuple[int, Step]] = Awaited()

    def watch(self, accounts: Sequence[int]) -> Mapping[int, Assessment]:
        """Where the accounts stand; those that the chain cannot assess are recorded and left out."""
        found = {}
        for account, margin in read_margins(self.system, accounts).items():
            if isinstance(margin, Refused):
                self.recorder.record("blind", self.system.chain.now, account=account, error=margin.reason)
            else:
                found[account] = margin
        return found

    def plan(self, margins: Mapping[int, Assessment]) -> list[Due]:
        """The steps that are due, worst accounts first; none for an account that has one under way."""
        waiting = {ref for _, ref in self.outbox.busy(self.sender)}
        accounts = [account for account in margins if account != self.bidder and hex(account) not in waiting]
        standings = self._standings(accounts, margins)
        now = self.system.chain.now
        steps = []
        for account, standing in standings.items():
            step = step_for(margins[account], standing, now)
            if step is Step.BID and self.bidder is None:
                step = None
            if step is None and record_due(margins[account], standing.recorded):
                step = Step.RECORD
            if step is not None:
                steps.append(Due(account, step))
        weak = {
            account: margins[account]
            for account, standing in standings.items()
            if (standing.started and margins[account].equity_haircut < margins[account].im)
            or (standing.deadline and margins[account].equity_haircut < margins[account].call_line)
        }
        steps = sorted(steps, key=lambda due: margins[due.account].equity_haircut - margins[due.account].mm)
        return [*self._rescues(weak), *steps]

    def act(self, due: Due, margin: Assessment) -> Taken | None:
        """Carry out one step; None where a bid is not worth it now. What the chain refuses holds up no other."""
        try:
            return self._act(due, margin)
        except Refused as refused:  # of a view: its feed died between two looks, say
            return self._refused(due.account, due.step, refused)

    def _act(self, due: Due, margin: Assessment) -> Taken | None:
        account, step, args = due
        if step is Step.BID:
            taken = self._bid(account, margin)
            if taken is not None or not record_due(margin, self.system.liquidator.call("recorded", account)):
                return taken
            step = Step.RECORD
        self.recorder.record(f"{step}-intent", self.system.chain.now, account=account)
        return self._send(account, step, (account, *args))

    def round(self, accounts: Sequence[int]) -> list[Taken]:
        """Look at every account and take what is due."""
        margins = self.watch(accounts)
        return [taken for due in self.plan(margins) if (taken := self.act(due, margins[due.account]))]

    def _standings(self, accounts: Sequence[int], margins: Mapping[int, Assessment]) -> dict[int, Standing]:
        """What the Liquidator holds of accounts, in one batch; another asks which auctions ran dry."""
        if not accounts:
            return {}
        liquidator = self.system.liquidator
        names = ("ripe", "deadline", "auction", "recorded")
        stops, grace, *answers = batch(
            self.system.chain,
            [
                self.system.registry.request("stops"),
                self.system.feed.request("grace_until"),
                *(liquidator.request(name, account) for account in accounts for name in names),
            ],
        )
        until = max(stops >> 128, grace)  # as the Liquidator has it: its level is the third of three
        self._tell_stop(until)
        found: dict[int, Standing] = {}
        for k, account in enumerate(accounts):
            ripe, deadline, started, recorded = map(int, answers[4 * k : 4 * k + 4])
            found[account] = Standing(ripe, deadline, started, recorded, until=until)
        asked = [
            account
            for account, standing in found.items()
            if not standing.started and not standing.deadline and state_of(margins[account]) is State.LIQUIDATABLE
        ]
        # an auction that lapsed is not shown: whether another may begin is asked of `start` itself
        tried = batch(self.system.chain, [liquidator.request("start", account) for account in asked])
        for account, answer in zip(asked, tried, strict=True):
            if not isinstance(answer, Refused):
                found[account] = replace(found[account], ran_dry=True)
        return found

    def _tell_stop(self, until: int) -> None:
        """Put on record, once, that nothing starts."""
        now = self.system.chain.now
        if until > now and not self.stopped_until:
            self.recorder.record("liquidations-stopped", now, until=until)
        self.stopped_until = until if until > now else 0

    def _rescues(self, weak: Mapping[int, Assessment]) -> list[Due]:
        """Top-ups and draws that owners mandated, one an account."""
        if not weak:
            return []
        found: dict[int, Due] = {}
        for account, *args in rescue.top_ups(self.system, list(weak), self.bidder or 0):
            found.setdefault(account, Due(account, Step.TOP_UP, tuple(args)))
        rest = {account: margin for account, margin in weak.items() if account not in found}
        if self._scale is None:
            self._scale = 10 ** (18 - int(self.system.quote.call("decimals")))
        for account, amount in rescue.draws(self.system, rest, self._scale):
            found[account] = Due(account, Step.DRAW, (amount,))
        return list(found.values())

    def _bid(self, account: int, margin: Assessment) -> Taken | None:
        """Bid for as much as the bidder's margin allows, halving what it refuses; simulated before it is sent."""
        if self.bidder is None:
            return None
        liquidator = self.system.liquidator
        wanted = self.config.max_fraction
        while wanted >= MIN_FRACTION:
            try:
                quote = Quote(*liquidator.call("bid", account, self.bidder, wanted, sender=self.sender))
            except Refused as refused:
                if refused.reason not in TOO_MUCH:
                    return self._refused(account, Step.BID, refused)
                wanted = liquidator.call("quote", account, wanted)[0] // 2
                continue
            if not worth_bidding(margin, quote, self.config):
                return None
            limits = limits_of(margin, quote, self.config)
            self.recorder.record(
                "bid-intent",
                self.system.chain.now,
                account=account,
                fraction=quote.fraction,
                payment=quote.payment,
                received=quote.received,
            )
            return self._send(account, Step.BID, (account, self.bidder, wanted, *limits))
        return self._refused(account, Step.BID, Refused("the bidder's margin takes no part of it"))

    def _send(self, account: int, step: Step, args: tuple[Any, ...]) -> Taken:
        try:
            ticket = self.outbox.send(
                self.system.liquidator, step.value, args, sender=self.sender, purpose=step.value, ref=hex(account)
            )
        except (Refused, ChainError, KeeperError) as error:
            return self._refused(account, step, error)
        if not ticket.done:
            self._sent.add((account, step), ticket)
            return Taken(account, step, bidder=self.bidder or 0, under_way=True)
        return self._settled(account, step, ticket)

    def collect(self) -> list[Taken]:
        """What came of steps that were under way."""
        return [self._settled(*about, ticket) for about, ticket in self._sent.collect()]

    def _settled(self, account: int, step: Step, ticket: Ticket) -> Taken:
        receipt = ticket.receipt
        if receipt is None:
            return self._refused(account, step, KeeperError(ticket.error or "nothing came of it"))
        self.failures = 0
        events = tuple(self.system.events(receipt))
        bids = [event.args for event in events if event.name == "BidTaken"]
        taken = Taken(
            account,
            step,
            receipt.gas_used,
            None,
            bids[0].fraction if bids else 0,
            bids[0].payment if bids else 0,
            bids[0].discount if bids else 0,
            self.bidder or 0,
            events=events,
        )
        self.recorder.record(
            step.value,
            self.system.chain.now,
            account=account,
            gas=receipt.gas_used,
            hash=receipt.hash,
            block=receipt.block,
            fraction=taken.fraction,
            payment=taken.payment,
        )
        return taken

    def _refused(self, account: int, step: Step, error: Exception) -> Taken:
        self.failures += 1
        reason = str(error) or "reverted without a reason"
        self.recorder.record(f"{step}-failed", self.system.chain.now, account=account, error=reason)
        return Taken(account, step, error=reason)

"""Margin calls and auctions: which step is due for an account, and which bids are worth making.

Deciding is a pure function (`step_for`, `worth_bidding`); the agent only carries out. Every step is open to anyone on
chain, so a step that somebody else took first is refused there, recorded, and no harm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from plimsoll.chain.contract import Event, batch
from plimsoll.chain.deployment import System
from plimsoll.chain.errors import ChainError
from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.recorder import Recorder
from plimsoll.keeper.state import read_margins
from plimsoll.spec.errors import Refused
from plimsoll.spec.margin import Assessment, State, state_of
from plimsoll.spec.wad import PPM, WAD

MIN_FRACTION: Final = WAD // 100  # a bid is halved down to this where the bidder's margin refuses it


class Step(StrEnum):
    """What can be due for an account; the values are the Liquidator's functions."""

    CALL = "call"
    CURE = "cure"
    START = "start"
    CLOSE = "close"
    BID = "bid"


@dataclass(frozen=True, slots=True)
class BidConfig:
    """When a bid is worth it.

    Parameters
    ----------
    min_profit
        Least discount on the part taken, over what is paid for it [wad of quote]: gas and trouble.
    min_share
        Least discount as a share of the account's MM [ppm]: pay for the risk of carrying it until it is hedged.
    max_payment
        Most to pay in one bid [wad of quote].
    max_fraction
        Largest part of an account in one bid [wad].
    """

    min_profit: int = WAD
    min_share: int = 100_000
    max_payment: int = 10**9 * WAD
    max_fraction: int = WAD

    def __post_init__(self) -> None:
        if self.min_profit < 0 or self.max_payment <= 0:
            raise SettingsError("min_profit at least 0 and max_payment above 0 are right")
        if not 0 <= self.min_share <= 2 * PPM:
            raise SettingsError(f"min_share {self.min_share} ppm; 0 .. 2,000,000 is right")
        if not MIN_FRACTION <= self.max_fraction <= WAD:
            raise SettingsError(f"max_fraction {self.max_fraction}; 0.01 .. 1 [wad] is right")


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
    events: tuple[Event, ...] = ()


def step_for(margin: Assessment, deadline: int, started: int, now: int) -> Step | None:
    """The step that is due for an account: at most one a round, the most urgent.

    Parameters
    ----------
    margin
        Where it stands.
    deadline
        Of its margin call [unix s]; 0 where it is not called.
    started
        When its auction began [unix s]; 0 where there is none.
    now
        The chain's time [unix s].
    """
    if started:
        return Step.CLOSE if margin.equity_haircut >= margin.im else Step.BID
    state = state_of(margin)
    if state in {State.LIQUIDATABLE, State.INSOLVENT}:
        return Step.START
    if state is State.CALLED:
        if not deadline:
            return Step.CALL
        return Step.START if deadline < now else None
    return Step.CURE if deadline else None


def worth_bidding(margin: Assessment, fraction: int, discount: int, payment: int, config: BidConfig) -> bool:
    """Whether a quoted bid pays: enough on the part taken, and enough for the risk taken on."""
    profit = discount * fraction // WAD
    return (
        fraction > 0
        and profit >= config.min_profit
        and discount * PPM >= config.min_share * margin.mm
        and payment <= config.max_payment
    )


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
        The account that bids; None: never bid, only call, cure, start and close.
    config
        When a bid is worth it.
    """

    def __init__(
        self,
        system: System,
        sender: str,
        recorder: Recorder,
        bidder: int | None = None,
        config: BidConfig | None = None,
    ) -> None:
        self.system = system
        self.sender = sender
        self.recorder = recorder
        self.bidder = bidder
        self.config = config or BidConfig()
        self.failures = 0  # in a row

    def watch(self, accounts: Sequence[int]) -> Mapping[int, Assessment]:
        """Where the accounts stand; those that the chain cannot assess are recorded and left out."""
        found = {}
        for account, margin in read_margins(self.system, accounts).items():
            if isinstance(margin, Refused):
                self.recorder.record("blind", self.system.chain.now, account=account, error=margin.reason)
            else:
                found[account] = margin
        return found

    def plan(self, margins: Mapping[int, Assessment]) -> list[tuple[int, Step]]:
        """The steps that are due, worst accounts first; reads deadlines and auctions in one batch."""
        liquidator = self.system.liquidator
        accounts = [account for account in margins if account != self.bidder]
        answers = batch(
            self.system.chain,
            [liquidator.request(name, account) for account in accounts for name in ("deadline", "auction")],
        )
        now = self.system.chain.now
        steps = []
        for k, account in enumerate(accounts):
            deadline, started = answers[2 * k], answers[2 * k + 1]
            step = step_for(margins[account], int(deadline), int(started), now)
            if step is not None and (step is not Step.BID or self.bidder is not None):
                steps.append((account, step))
        return sorted(steps, key=lambda item: margins[item[0]].equity_haircut - margins[item[0]].mm)

    def act(self, account: int, step: Step, margin: Assessment) -> Taken | None:
        """Carry out one step; None where a bid is not worth it now."""
        if step is Step.BID:
            return self._bid(account, margin)
        self.recorder.record(f"{step}-intent", self.system.chain.now, account=account)
        return self._send(account, step, (account,))

    def round(self, accounts: Sequence[int]) -> list[Taken]:
        """Look at every account and take what is due."""
        margins = self.watch(accounts)
        return [taken for account, step in self.plan(margins) if (taken := self.act(account, step, margins[account]))]

    def _bid(self, account: int, margin: Assessment) -> Taken | None:
        """Bid for as much as the bidder's margin allows, halving what it refuses; simulated before it is sent."""
        if self.bidder is None:
            return None
        wanted = self.config.max_fraction
        while wanted >= MIN_FRACTION:
            fraction, payment, discount = self.system.liquidator.call("quote", account, wanted)
            if not worth_bidding(margin, fraction, discount, payment, self.config):
                return None
            args = (account, self.bidder, fraction, payment)
            try:
                self.system.liquidator.call("bid", *args, sender=self.sender)
            except Refused as refused:
                if refused.reason not in {
                    "clearinghouse: below initial margin",
                    "clearinghouse: quantity over the maximum",
                }:
                    return self._refused(account, Step.BID, refused)
                wanted = fraction // 2
                continue
            self.recorder.record(
                "bid-intent", self.system.chain.now, account=account, fraction=fraction, payment=payment
            )
            return self._send(account, Step.BID, args, discount)
        return self._refused(account, Step.BID, Refused("the bidder's margin takes no part of it"))

    def _send(self, account: int, step: Step, args: tuple[Any, ...], discount: int = 0) -> Taken:
        try:
            receipt = self.system.liquidator.transact(step.value, *args, sender=self.sender)
        except (Refused, ChainError) as error:
            return self._refused(account, step, error)
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
            bids[0].discount if bids else discount,
            self.bidder or 0,
            events,
        )
        self.recorder.record(
            step.value,
            self.system.chain.now,
            account=account,
            gas=receipt.gas_used,
            hash=receipt.hash,
            fraction=taken.fraction,
            payment=taken.payment,
        )
        return taken

    def _refused(self, account: int, step: Step, error: Exception) -> Taken:
        self.failures += 1
        reason = str(error) or "reverted without a reason"
        self.recorder.record(f"{step}-failed", self.system.chain.now, account=account, error=reason)
        return Taken(account, step, error=reason)

"""A small crash on a development node, with a keeper, three risk nodes and a liquidator, for people to look at.

An index slides, falls at once, bounces and slides on; accounts that were opened with little fail one after another.
What is told is read from the chain, block by block; nothing is asked of the keeper.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from plimsoll.chain.anvil import free_port
from plimsoll.simulate.errors import SimulationError
from plimsoll.simulate.rig import checks
from plimsoll.simulate.rig.faults import wait_for_keeper
from plimsoll.simulate.rig.process import Stage
from plimsoll.simulate.rig.town import ETHER, SIGNERS, Town, TownConfig
from plimsoll.simulate.rig.venues import available
from plimsoll.simulate.rig.watch import Happened, Watch
from plimsoll.spec.margin import State
from plimsoll.spec.wad import WAD

# what the first index does, in equal steps of the story's time; the fourth is the fall
SCRIPT: Final = (-0.012, -0.013, 0.011, -0.06, -0.012, -0.015, 0.02, -0.015, -0.02, 0.012, -0.02, 0.03, 0.012, 0.01)
FALLS: Final = (0.055, 0.06, 0.07, 0.075, 0.08, 0.09, 0.10, 0.11, 0.12, 0.13)  # at which an account is worth nothing
SIZE: Final = 10.0  # [contracts] of each
REST: Final = 15  # blocks after the last step


@dataclass(frozen=True, slots=True)
class Told:
    """One line of the story."""

    block: int
    kind: str  # index, report, called, cured, auction, bid, closed, insolvent
    text: str


@dataclass
class Ending:
    """What it came to."""

    blocks: int = 0
    seconds: float = 0.0
    accounts: int = 0
    at_risk: int = 0
    reports: int = 0
    moves: int = 0
    called: int = 0  # accounts
    auctioned: int = 0
    bid_on: int = 0
    insolvent: int = 0
    socialised: float = 0.0  # [quote]
    fund_paid: float = 0.0  # [quote]
    spent: float = 0.0  # [ether] by the keeper
    keeper_ended: bool = False
    missed: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the keeper lived and nothing was missed."""
        return not self.missed and not self.keeper_ended and self.reports > 0

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "ok": self.ok}


class Story:
    """One crash in a town whose keeper is up.

    Parameters
    ----------
    town
        Its clock runs.
    tell
        Called with each line as it happens.
    tick
        Called several times a block, for who draws.
    """

    def __init__(
        self, town: Town, tell: Callable[[Told], object] = lambda _: None, tick: Callable[[], object] = lambda: None
    ) -> None:
        self.town = town
        self.tell = tell
        self.tick = tick
        self.first = town.net.head
        self.watch = Watch(town.net, town.system, [town.poster, town.liquidator], self.first)
        self.names: dict[int, str] = {town.bidder: "the liquidator"}
        self._told_events = 0
        self._insolvent: set[int] = set()

    def run(self, seconds: float) -> Ending:
        """Tell it in so many seconds."""
        begun = time.monotonic()
        self._cast()
        town = self.town
        underlying, step = town.underlyings[0], seconds / (len(SCRIPT) + 1)
        for k, change in enumerate(SCRIPT):
            price = town.prices[underlying] * (1 + change)
            town.move({underlying: price})
            self.tell(Told(town.net.head + 1, "index", f"BTC {change:+.1%} to {price:,.2f}"))
            self._pass_until(begun + (k + 1) * step)
        until = town.net.head + REST
        while town.net.head < until:
            self._pass_until(time.monotonic() + town.config.block_time)
        return self._end(time.monotonic() - begun)

    def _cast(self) -> None:
        """Open the accounts that the crash is to break."""
        town = self.town
        town.look()
        underlying = town.underlyings[0]
        stakes = [town.doomed(underlying, SIZE, fall, 0.0) for fall in FALLS]
        town.settle(town.open(stakes))
        for stake, fall in zip(stakes, FALLS, strict=True):
            self.names[stake.account] = f"account that breaks at {-fall:.1%}"
        self.at_risk = [stake.account for stake in stakes]
        self.watch.accounts.update(town.accounts)

    def _pass_until(self, when: float) -> None:
        """Let time pass, and tell what happens."""
        while True:
            if self.town.net.head >= self.watch.next:
                self.watch.read(self.town.net.head)
                self._tell_all()
            self.tick()
            left = when - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, self.town.config.block_time / 4))

    def _tell_all(self) -> None:
        for stand in self.watch.stands:
            if stand.state is State.INSOLVENT and stand.account not in self._insolvent:
                self._insolvent.add(stand.account)
                said = f"{self._name(stand.account)} is worth {stand.equity / WAD:,.2f}"
                self.tell(Told(stand.block, "insolvent", said))
        for item in self.watch.events[self._told_events :]:
            line = self._line(item)
            if line is not None:
                self.tell(line)
        self._told_events = len(self.watch.events)

    def _line(self, item: Happened) -> Told | None:
        args = item.args
        if item.name == "ReportPosted":
            return Told(item.block, "report", f"report {args.sequence} is believed")
        who = self._name(args.account) if hasattr(args, "account") else ""
        if item.name == "Called":
            return Told(item.block, "called", f"margin call for the {who}")
        if item.name == "Cured":
            return Told(item.block, "cured", f"the {who} is over its line again")
        if item.name == "AuctionStarted":
            return Told(item.block, "auction", f"the {who} is up for auction")
        if item.name == "BidTaken":
            said = (
                f"{self._name(args.bidder)} takes {args.fraction / WAD:.0%} of the {who} for {args.payment / WAD:,.2f}"
            )
            return Told(item.block, "bid", said)
        if item.name == "AuctionClosed":
            return Told(item.block, "closed", f"the auction of the {who} is over")
        return None

    def _name(self, account: int) -> str:
        return self.names.get(account, f"account {account:#066x}"[:18])

    def _end(self, seconds: float) -> Ending:
        town, watch = self.town, self.watch
        watch.read(town.net.head)
        self._tell_all()
        paid = watch.of("ShortfallPaid")
        return Ending(
            blocks=town.net.head - self.first,
            seconds=round(seconds, 1),
            accounts=len(town.accounts),
            at_risk=len(self.at_risk),
            reports=sum(ok for _, _, ok in watch.posts),
            moves=len(SCRIPT),
            called=len({item.args.account for item in watch.of("Called")}),
            auctioned=len({item.args.account for item in watch.of("AuctionStarted")}),
            bid_on=len({item.args.account for item in watch.of("BidTaken")}),
            insolvent=len(self._insolvent),
            socialised=sum(item.args.socialised for item in paid) / WAD,
            fund_paid=sum(item.args.fund for item in paid) / WAD,
            spent=round(sum(item.cost for item in watch.mined) / ETHER, 6),
            keeper_ended=town.keeper is None or not town.keeper.running,
            missed=checks.missed(watch.stands, ()),
        )


def run(
    seconds: float = 120.0,
    accounts: int = 60,
    *,
    seed: int = 1,
    tell: Callable[[Told], object] = lambda _: None,
    tick: Callable[[str], object] = lambda _: None,
    say: Callable[[str], object] = lambda _: None,
) -> Ending:
    """A town, a keeper, three risk nodes and a crash; everything has ended on return.

    Parameters
    ----------
    seconds
        Of the crash.
    accounts
        Besides those that the crash is to break.
    seed
        Of who holds what.
    tell
        Called with each line of the story.
    tick
        Called several times a second with the URL at which the keeper serves its status.
    say
        Called while things are put up.

    Raises
    ------
    SimulationError
        Too little time, or the town cannot be built.
    """
    if seconds < len(SCRIPT):
        raise SimulationError(f"{seconds:g} s for {len(SCRIPT)} moves; a second each at least is right")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="plimsoll-demo-")))
        stage = stack.enter_context(Stage(folder))
        say(f"a chain, the contracts, {accounts} accounts")
        town = Town(stage, TownConfig(accounts, nodes=SIGNERS, seed=seed, venues=available()))
        stack.callback(town.close)
        town.start_clock()
        say("three risk nodes, a keeper")
        town.start_nodes()
        port = free_port()
        town.start_keeper(metrics_port=port)
        wait_for_keeper(town)
        say("the keeper has posted")
        return Story(town, tell, lambda: tick(f"http://127.0.0.1:{port}")).run(seconds)

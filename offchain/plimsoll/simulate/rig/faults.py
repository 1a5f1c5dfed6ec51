"""Faults, drawn by a seed, one or two at a time, against a keeper that is a process; then a verdict.

    python -m plimsoll.simulate.rig.faults --minutes 30 --seed 7 [--json]

Each round: somebody opens accounts that the next large move will break; a fault begins, or two; the index moves, so
that one account is worth less than nothing and another is under maintenance margin; the fault ends; the keeper has ten
blocks. All the while another index moves past the gate now and then. A keeper that ends is started again after
`RESTART` seconds, as systemd would.

What is checked is said in `plimsoll.simulate.rig.checks`, and read from the chain and the keeper's journal alone. Exit
code 0: every fault was survived and nothing was missed; 1: not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from eth_account import Account

from plimsoll.simulate.errors import SimulationError
from plimsoll.simulate.rig import checks
from plimsoll.simulate.rig.devnet import BASE_FEE, CHAIN_ID, STRANDED
from plimsoll.simulate.rig.journal import is_database, read_attempts, read_entries
from plimsoll.simulate.rig.process import Stage
from plimsoll.simulate.rig.proxy import FAULTS as ENDPOINT_FAULTS
from plimsoll.simulate.rig.proxy import Proxy
from plimsoll.simulate.rig.town import ETHER, KEYS, PURSE, Town, TownConfig
from plimsoll.simulate.rig.venues import EVERY, MAX_AGE, available
from plimsoll.simulate.rig.watch import Watch
from plimsoll.spec.errors import PlimsollError

ACTED: Final = frozenset({"Called", "AuctionStarted", "BidTaken"})  # events of a keeper that acts
WARM: Final = 90  # blocks that a keeper may take from its start to its first step
STARTING: Final = 60.0  # [s] that a keeper may take from its start to its first question
RESTART: Final = 2.0  # [s] from the end of a keeper to its next start
GAP: Final = 0.07  # of the index, that breaks what was opened for it: more than initial margin
SHALLOW: Final = -0.001  # equity of what breaks, as a share of its notional
THIN: Final = 0.01  # equity of what is left under maintenance margin
BACK: Final = 0.3  # of a gap, that the index comes back: the second stays under water until its notice has passed
STEP: Final = 0.013  # of the other index, past the gate of 1 %
LOWEST, HIGHEST = 70.0, 140.0  # prices between which gaps go either way
LENGTH: Final = (4, 9)  # blocks of a fault
SETTLE: Final = checks.WITHIN + 2  # blocks after it
QUIET: Final = 20  # blocks that the keeper has to post before a round begins
LAG: Final = 8  # blocks behind the head that the chain is read
REORG: Final = 3  # blocks
SKEW: Final = 20  # [s]
FEE: Final = 10  # times the base fee
TWO: Final = 0.35  # of the rounds have two faults
SPEND_CAP: Final = 8.0  # [ether] a key and a day: fees are ten times as high for minutes, and all accounts break
DRY: Final = 10**12  # [wei] what is left of a balance


@dataclass
class Fault:
    """One fault as it was tried."""

    kind: str
    where: str = ""
    begun: int = 0  # block
    ended: int = 0  # block
    seconds: float = 0.0
    posted_after: int | None = None  # blocks from its end to the next report; 0 where one came before
    acted_after: int | None = None  # blocks from the move that broke an account to the keeper's first step with it
    outcome: str = ""

    @property
    def ok(self) -> bool:
        """Whether the keeper got over it in time."""
        return self.outcome == "recovered"


@dataclass
class Result:
    """What a run comes to."""

    seed: int
    blocks: int
    seconds: float
    reports: int
    steps: dict[str, int]  # by event, of the liquidator
    broken: int  # accounts that were opened to break
    starts: int  # of the keeper
    unplanned: int  # times that it ended by itself
    spent: float  # [ether]
    signed: int  # transactions that endpoints were handed
    to_all: int  # of these, the same bytes to every endpoint
    faults: list[Fault] = field(default_factory=list)
    wrong: dict[str, list[str]] = field(default_factory=dict)  # by check
    left_out: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all is well."""
        return not any(self.wrong.values()) and all(fault.ok for fault in self.faults)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "ok": self.ok}


class Rig:
    """One run: a town, a keeper, faults.

    Parameters
    ----------
    town
        With its keeper started, its clock running.
    seed
        Of everything that is drawn.
    kinds
        Faults to draw from; all that this town can have where not given.
    say
        Called with a line for people.
    """

    def __init__(
        self, town: Town, seed: int, kinds: Sequence[str] | None = None, say: Callable[[str], object] = lambda _: None
    ) -> None:
        self.town = town
        self.net = town.net
        self.seed = seed
        self.rng = np.random.default_rng(seed)
        self.say = say
        self.first = town.net.head
        self.watch = Watch(town.net, town.system, [town.poster, town.liquidator], self.first)
        self.watch.accounts.update(town.accounts)
        self.faults: list[Fault] = []
        self.covers: list[checks.Cover] = []
        self.foreign: list[str] = []
        self.broken: list[int] = []
        self.moves: list[tuple[int, Sequence[int]]] = []  # block of a gap, accounts that it breaks
        self.thin: list[tuple[float, float]] = []  # times at which too few venues were good [unix s]
        self.unplanned = 0
        self._down_since: float | None = None
        self._held_down = False
        self._next_step = 0
        self.menu: dict[str, Callable[[Fault], Callable[[], None]]] = self._menu()
        unknown = sorted(set(kinds or ()) - set(self.menu))
        if unknown:
            raise SimulationError(f"no fault {', '.join(unknown)} here; {', '.join(self.menu)} are")
        self.kinds = list(kinds or self.menu)
        self._deck: list[str] = []

    # ------------------------------------------------------------------------------------------------- what can befall

    def _menu(self) -> dict[str, Callable[[Fault], Callable[[], None]]]:
        """Fault by name: begins it, and gives what ends it."""
        found: dict[str, Callable[[Fault], Callable[[], None]]] = {}
        for kind in ENDPOINT_FAULTS:
            found[f"rpc-{kind}"] = partial(self._endpoint, kind)
        found |= {
            "stuck-nonce": self._stuck,
            "base-fee": self._base_fee,
            "reorg": self._reorg,
            "kill": self._kill,
            "disk-full": self._disk_full,
            "clock-skew": self._clock,
            "dry-poster": lambda fault: self._dry(fault, self.town.poster),
            "dry-liquidator": lambda fault: self._dry(fault, self.town.liquidator),
        }
        if self.town.nodes:
            found["node-down"] = self._node
        if self.town.venues is not None:
            found |= {
                "venue-frozen": partial(self._venue, "freeze"),
                "venue-lies": partial(self._venue, "lie"),
                "venues-gone": partial(self._venue, "gone"),
            }
        return found

    def _endpoint(self, kind: str, fault: Fault) -> Callable[[], None]:
        """One endpoint; now and then all of them, where what they do is not to lie."""
        proxies = self.town.proxies
        chosen: list[Proxy] = [proxies[int(self.rng.integers(len(proxies)))]]
        if len(proxies) > 1 and kind in {"down", "hang", "errors"} and self.rng.random() < 0.3:
            chosen = list(proxies)
        fault.where = f"{len(chosen)} of {len(proxies)} endpoints"
        for proxy in chosen:
            proxy.break_(kind)

        def end() -> None:
            for proxy in chosen:
                proxy.mend()

        return end

    def _key(self, fault: Fault) -> tuple[str, str]:
        """One of the keeper's keys: role and address."""
        role = str(self.rng.choice(["poster", "liquidator"]))
        fault.where = role
        return role, self.town.poster if role == "poster" else self.town.liquidator

    def _stuck(self, fault: Fault) -> Callable[[], None]:
        """A transaction of the same key that somebody else signed lies in the pool and is not mined.

        It stays there: a keeper has to displace it.
        """
        role, address = self._key(fault)
        nonce = int(self.net.ask("eth_getTransactionCount", address, "latest"), 16)
        message = {
            "chainId": CHAIN_ID,
            "nonce": nonce,
            "gas": STRANDED,
            "maxFeePerGas": BASE_FEE * 3 // 2,
            "maxPriorityFeePerGas": 1,
            "to": address,
            "value": 0,
            "data": b"",
        }
        raw = Account.sign_transaction(message, KEYS[role]).raw_transaction
        with contextlib.suppress(PlimsollError):  # the keeper's own of this nonce came first, and pays more
            self.foreign.append(self.net.strand("0x" + raw.hex().removeprefix("0x")))
        return lambda: None

    def _base_fee(self, fault: Fault) -> Callable[[], None]:
        fault.where = f"{FEE} times"
        self.net.fee_factor = FEE

        def end() -> None:
            self.net.fee_factor = 1

        return end

    def _reorg(self, fault: Fault) -> Callable[[], None]:
        """Half way through, the last blocks are replaced by empty ones; what the town sent in them is sent again."""
        fault.where = f"{REORG} blocks"

        def end() -> None:
            self.net.reorganise(REORG)
            self.town.move(self.town.prices)

        return end

    def _kill(self, fault: Fault) -> Callable[[], None]:
        fault.where = "kill -9"
        keeper = self.town.keeper
        if keeper is None:
            raise SimulationError("the town has no keeper")
        self._held_down = True
        keeper.kill()

        def end() -> None:
            before = self._asked()
            keeper.start()
            self._held_down = False
            until = time.monotonic() + STARTING
            while self._asked() == before and keeper.running and time.monotonic() < until:
                time.sleep(0.05)  # it is over when there is a keeper again: one that asks

        return end

    def _asked(self) -> int:
        """Requests that reached the endpoints so far."""
        return sum(proxy.counts.total() for proxy in self.town.proxies)

    def _disk_full(self, fault: Fault) -> Callable[[], None]:
        """No file that the keeper writes to may grow, as on a full disk; its pages in place may change."""
        fault.where = "keeper's files"
        keeper = self.town.keeper
        if keeper is None or not keeper.running:
            return lambda: None
        pid = keeper.pid
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))

        def end() -> None:
            with contextlib.suppress(ProcessLookupError):  # it ended of it, and was started again without the limit
                resource.prlimit(pid, resource.RLIMIT_FSIZE, before)

        return end

    def _clock(self, fault: Fault) -> Callable[[], None]:
        fault.where = f"chain {SKEW} s ahead"
        self.net.skew = SKEW

        def end() -> None:
            self.net.skew = 0

        return end

    def _dry(self, fault: Fault, address: str) -> Callable[[], None]:
        fault.where = "balance"
        self.net.give(address, DRY)
        return lambda: self.net.give(address, PURSE * ETHER)

    def _node(self, fault: Fault) -> Callable[[], None]:
        k = int(self.rng.integers(len(self.town.nodes)))
        fault.where = f"node {k}"
        node, port = self.town.nodes[k], self.town.node_ports[k]
        node.kill()

        def end() -> None:
            node.start()
            node.wait_for(port)

        return end

    def _venue(self, what: str, fault: Fault) -> Callable[[], None]:
        """One venue, or so many that too few are left; then nothing may be posted once what they said is too old."""
        venues = self.town.venues
        if venues is None:
            raise SimulationError("the town has no venues")
        fault.where = venues.break_some(what, self.rng)
        begun = time.time()

        def end() -> None:
            ended = time.time()
            venues.mend()
            if what == "gone":
                self.thin.append((begun + MAX_AGE + 2 * EVERY, ended))

        return end

    # --------------------------------------------------------------------------------------------------------- rounds

    def run(self, seconds: float) -> Result:
        """Rounds until the time is over; the last is finished."""
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            self.round()
        return self._finish(time.monotonic() - begun)

    def round(self) -> None:
        """One fault, or two, from beginning to recovery."""
        town, net = self.town, self.net
        gap, accounts = self._open_doomed()
        underlying = town.underlyings[0]
        drawn = self._draw()
        ends = []
        at, clock = net.head, time.monotonic()
        for fault in drawn:
            fault.begun = at
            ends.append(self.menu[fault.kind](fault))
        self._wait(int(self.rng.integers(0, 3)))
        moved = town.move({underlying: town.prices[underlying] * (1 + gap)})
        self._wait(int(self.rng.integers(*LENGTH)))
        # whoever is started again finds the rest mended
        for _, end in sorted(zip(drawn, ends, strict=True), key=lambda pair: pair[0].kind == "kill"):
            end()
        ended = net.head
        for fault in drawn:
            fault.ended, fault.seconds = ended, round(time.monotonic() - clock, 1)
        self.covers.append((at, ended))
        self.faults += drawn
        for _ in range(SETTLE):
            self._wait(1)
            self._judge(drawn, self._mined_at(moved, at), accounts)
            if all(fault.ok for fault in drawn):
                break
        for fault in drawn:
            self.say(line_of(fault))
        self._go_back(gap)

    def warm_up(self) -> None:
        """A round without a fault, that is not judged: until the keeper has acted upon what it breaks."""
        town, first = self.town, self.net.head
        gap, accounts = self._open_doomed()
        underlying = town.underlyings[0]
        town.move({underlying: town.prices[underlying] * (1 + gap)})
        watch = Watch(self.net, town.system, [], first)

        def acted() -> bool:
            watch.read(self.net.head)
            return {item.args.account for item in watch.events if item.name in ACTED} >= set(accounts)

        self.net.wait(WARM, acted)
        self.covers.append((self.first, self.net.head))
        self._go_back(gap)

    def _open_doomed(self) -> tuple[float, list[int]]:
        """The next gap, and the accounts that it will break."""
        town = self.town
        gap = self._settle_down()
        size = -1.0 if gap > 0 else 1.0
        victims = [town.doomed(town.underlyings[0], 10 * size, GAP, equity) for equity in (SHALLOW, THIN)]
        try:
            town.settle(town.open(victims))
        except SimulationError as error:  # these accounts are not there, and break nothing
            self.say(f"nobody to break this time: {error}")
            victims = []
        accounts = [victim.account for victim in victims]
        self.watch.accounts.update(accounts)
        self.broken += accounts
        return gap, accounts

    def _go_back(self, gap: float) -> None:
        """A part of the way."""
        underlying = self.town.underlyings[0]
        self.town.move({underlying: self.town.prices[underlying] * (1 - BACK * gap / (1 + gap))})

    def _settle_down(self) -> float:
        """Let the keeper post at the prices of now; the next gap, up or down."""
        town = self.town

        def fresh() -> bool:
            self._tend()
            try:
                town.look()
            except PlimsollError:
                return False
            held = town.held
            return all(
                abs(surface.reference - held.index[u].price) <= 0.005 * surface.reference
                for (u, _), surface in held.live.items()
                if u in held.index
            )

        self.net.wait(1)
        self.net.wait(QUIET, fresh)
        price = town.prices[town.underlyings[0]]
        if price < LOWEST:
            return GAP
        if price > HIGHEST:
            return -GAP
        return GAP if self.rng.random() < 0.5 else -GAP

    def _draw(self) -> list[Fault]:
        """The next one of the deck, or two that do not meddle with each other."""
        found: list[Fault] = []
        count = 2 if self.rng.random() < TWO and len(self.kinds) > 1 else 1
        while len(found) < count:
            if not self._deck:
                self._deck = [str(kind) for kind in self.rng.permutation(self.kinds)]
            kind = self._deck.pop()
            if found and (kind.partition("-")[0] == found[0].kind.partition("-")[0] or {kind, found[0].kind} <= SOLO):
                self._deck.insert(0, kind)
                break
            found.append(Fault(kind))
        return found

    def _wait(self, blocks: int) -> None:
        """Let blocks pass; a keeper that ended is started again, the other index moves now and then."""
        until = self.net.head + blocks
        while self.net.head < until:
            self._tend()
            self._step()
            with contextlib.suppress(SimulationError):
                self.net.wait(1)
        self.watch.read(max(self.first, self.net.head - LAG))

    def _tend(self) -> None:
        """As systemd: start a keeper again that has ended."""
        keeper = self.town.keeper
        if keeper is None or keeper.running or self._held_down:
            self._down_since = None
            return
        now = time.monotonic()
        if self._down_since is None:
            self._down_since = now
            self.unplanned += 1
            self.say(f"the keeper ended with code {keeper.code}: {keeper.said(1)}")
        elif now - self._down_since >= RESTART:
            keeper.stop()
            keeper.start()
            self._down_since = None

    def _step(self) -> None:
        """Move the other index past its gate, at drawn times."""
        if len(self.town.underlyings) < 2 or self.net.head < self._next_step:
            return
        self._next_step = self.net.head + int(self.rng.integers(4, 9))
        other = self.town.underlyings[1]
        price = self.town.prices[other]
        up = price < LOWEST or (price < HIGHEST and self.rng.random() < 0.5)
        self.town.move({other: price * (1 + STEP if up else 1 - STEP)})

    def _mined_at(self, hashes: Sequence[str], default: int) -> int:
        """The block that a move came in; where it was reorganised away, as good as at once."""
        found = self.net.ask("eth_getTransactionReceipt", hashes[0])
        return default if found is None else int(found["blockNumber"], 16)

    def _judge(self, drawn: Sequence[Fault], moved: int, accounts: Sequence[int]) -> None:
        """How long it took: read from the chain, to the head."""
        town, head = self.town, self.net.head
        late = Watch(self.net, town.system, [town.poster, town.liquidator], moved)
        late.read(head)
        posts = [block for block, _, ok in late.posts if ok and block > moved]
        steps = [item.block for item in late.events if item.name in ACTED and item.args.account in accounts]
        for fault in drawn:
            fault.posted_after = max(0, posts[0] - fault.ended) if posts else None
            fault.acted_after = steps[0] - moved if steps else None
            if not posts:
                fault.outcome = "no report since"
            elif fault.posted_after is not None and fault.posted_after > checks.WITHIN:
                fault.outcome = "report too late"
            elif accounts and not steps:
                fault.outcome = "account not acted upon"
            elif steps and steps[0] - fault.ended > checks.WITHIN:
                fault.outcome = "acted upon too late"
            else:
                fault.outcome = "recovered"

    def _finish(self, seconds: float) -> Result:
        """Stop the keeper, read the rest, compare."""
        town = self.town
        self._rest()
        if town.keeper is not None:
            town.keeper.stop()
        last = self.net.head
        self.watch.read(last)
        watch = self.watch
        handed = [{raw for _, raw, _ in proxy.sent} for proxy in town.proxies]
        names = ("Called", "Cured", "AuctionStarted", "BidTaken", "AuctionClosed")
        result = Result(
            self.seed,
            last - self.first,
            round(seconds, 1),
            sum(ok for _, _, ok in watch.posts),
            {name: len(watch.of(name)) for name in names},
            len(self.broken),
            town.keeper.starts if town.keeper else 0,
            self.unplanned,
            round(sum(item.cost for item in watch.mined) / ETHER, 6),
            len(set().union(*handed)),
            len(set.intersection(*handed)) if handed else 0,
            self.faults,
        )
        bids = {item.args.account for item in watch.of("BidTaken")}
        result.wrong = {
            "twice": checks.twice(watch.posts),
            "missed": checks.missed(watch.stands, self.covers),
            "unbid": checks.unbid(watch.stands, self.covers, bids),
            "overspent": checks.overspent(watch.mined, SPEND_CAP),
        }
        if is_database(town.journal):
            entries, attempts = read_entries(town.journal), read_attempts(town.journal)
            result.wrong["disagree"] = checks.disagree(watch.mined, entries, attempts, self.foreign)
        else:
            result.left_out.append("journal against chain: the journal is no database")
        if town.venues is not None:
            # a report is of the chain's time, which a skewed clock has put before the wall's
            made = {
                item.args.sequence: self.net.wall_of(int(item.args.market_time)) for item in watch.of("ReportPosted")
            }
            result.wrong["thin"] = checks.thin(made, self.thin)
        else:
            result.left_out.append("sources: the keeper has no venues")
        return result

    def _rest(self) -> None:
        """Nothing moves any more, until the keeper has nothing under way."""

        def idle() -> bool:
            self._tend()
            path = self.town.journal
            return not is_database(path) or not any(entry.under_way for entry in read_entries(path))

        self.net.wait(checks.WITHIN)
        self.net.wait(2 * checks.WITHIN, idle)


# faults that leave nothing to be seen of one another: two of them are one
SOLO: Final = frozenset({"kill", "disk-full", "reorg", "stuck-nonce", "dry-poster", "dry-liquidator"})


def line_of(fault: Fault) -> str:
    """One fault, for people."""
    posted = "-" if fault.posted_after is None else str(fault.posted_after)
    acted = "-" if fault.acted_after is None else str(fault.acted_after)
    return (
        f"{fault.kind:<15} {fault.where:<18} blocks {fault.begun:>5} .. {fault.ended:<5} {fault.seconds:>5.1f} s   "
        f"report {posted:>2} blocks after, account {acted:>2} blocks after its move   {fault.outcome}"
    )


def run(
    seconds: float,
    seed: int,
    *,
    block_time: float = 1.0,
    accounts: int = 60,
    endpoints: int = 2,
    nodes: int = 3,
    venues: bool | None = None,
    kinds: Sequence[str] | None = None,
    say: Callable[[str], object] = lambda _: None,
    folder: Path | None = None,
) -> Result:
    """A town, a keeper and faults for so many seconds; everything has ended on return.

    Parameters
    ----------
    seconds, seed
        How long, and of what is drawn.
    block_time
        [s]
    accounts, endpoints, nodes
        Of the town, see `TownConfig`.
    venues
        Whether the keeper asks exchanges; None: where their client is installed.
    kinds
        Faults to draw from; None: all.
    say
        Called with a line for people.
    folder
        Where settings, logs and journals are left; None: nowhere.

    Raises
    ------
    SimulationError
        The town cannot be built, or the keeper never posts.
    """
    config = TownConfig(
        accounts,
        block_time,
        own_clock=True,
        endpoints=endpoints,
        nodes=nodes,
        seed=seed,
        venues=available() if venues is None else venues,
    )
    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="plimsoll-rig-")))
        stage = stack.enter_context(Stage(folder))
        town = Town(stage, config)
        stack.callback(town.close)
        town.start_clock()
        town.start_nodes()
        town.start_keeper(sending={"spend_per_day": SPEND_CAP})
        say(f"{len(town.accounts)} accounts, {endpoints} endpoints, {nodes} risk nodes, a block every {block_time} s")
        rig = Rig(town, seed, kinds, say)
        wait_for_keeper(town)
        rig.warm_up()
        return rig.run(seconds)


def wait_for_keeper(town: Town, blocks: int = 60) -> None:
    """Until the keeper has posted once of its own.

    Raises
    ------
    SimulationError
        It ended, or did not.
    """
    before = int(town.system.oracle.call("sequence"))
    town.move({u: price * (1 + STEP) for u, price in town.prices.items()})
    keeper = town.keeper

    def done() -> bool:
        return int(town.system.oracle.call("sequence")) > before or keeper is None or not keeper.running

    town.net.wait(blocks, done)
    if int(town.system.oracle.call("sequence")) == before:
        said = keeper.said(12) if keeper is not None else "there is none"
        raise SimulationError(f"the keeper posts nothing:\n{said}")


def main(arguments: Sequence[str] | None = None) -> int:
    """As a command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m plimsoll.simulate.rig.faults", description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--block-time", type=float, default=1.0, help="[s]")
    parser.add_argument("--accounts", type=int, default=60)
    parser.add_argument("--endpoints", type=int, default=2)
    parser.add_argument("--no-nodes", action="store_true", help="the keeper signs by itself")
    parser.add_argument("--no-venues", action="store_true", help="the keeper asks no exchanges")
    parser.add_argument("--only", nargs="+", metavar="KIND", help="faults to draw from")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave settings, logs and journals there")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
    try:
        result = run(
            60 * given.minutes,
            given.seed,
            block_time=given.block_time,
            accounts=given.accounts,
            endpoints=given.endpoints,
            nodes=0 if given.no_nodes else 3,
            venues=False if given.no_venues else None,
            kinds=given.only,
            say=(lambda _: None) if given.json else lambda line: print(line, flush=True),  # noqa: T201
            folder=given.keep,
        )
    except PlimsollError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps(result.plain(), indent=2) if given.json else summary_of(result))  # noqa: T201
    return 0 if result.ok else 1


def summary_of(result: Result) -> str:
    """The end of a run, for people."""
    steps = ", ".join(f"{count} {name}" for name, count in result.steps.items())
    lines = [
        f"{result.blocks} blocks in {result.seconds:.0f} s, {result.reports} reports, {steps}",
        f"keeper started {result.starts} times, ended by itself {result.unplanned} times, spent {result.spent} ether",
        f"{result.signed} signed transactions, {result.to_all} of them handed to every endpoint",
    ]
    for name, wrong in result.wrong.items():
        lines.append(f"{name:<10} {'none' if not wrong else len(wrong)}")
        lines += [f"    {item}" for item in wrong[:10]]
    lines += [f"left out: {item}" for item in result.left_out]
    bad = [fault for fault in result.faults if not fault.ok]
    lines.append(
        f"{len(result.faults)} faults, {len(result.faults) - len(bad)} recovered from: "
        + ("nothing was missed" if result.ok else "NOT WELL")
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

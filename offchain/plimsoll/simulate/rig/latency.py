"""How many blocks lie between what happens and what a keeper does about it, on a chain with a block every second.

    python -m plimsoll.simulate.rig.latency [--moves 40] [--accounts 10000] [--json]

    posted_next_block         share of moves of an index, past the gate, after which the very next block has the report
    blocks_to_first_bid_max   from the block that leaves an account under water to the first that has a bid on it

Under water: worth less than nothing, or under its requirement with its call run out. Blocks are counted on the chain
alone, after the run; no clock of ours is in it. All accounts are on the node, and the keeper, a process, follows them
by their events.

A round of the run: accounts are opened that the next large move will break, some of which it leaves worth less than
nothing, and some under maintenance margin; the move; a part of the way back; and moves of the other index until the
notices of the called have passed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final
from urllib.request import urlopen

import numpy as np

from plimsoll.chain.anvil import free_port
from plimsoll.simulate.errors import SimulationError
from plimsoll.simulate.rig.faults import BACK, GAP, SHALLOW, STEP, THIN, wait_for_keeper
from plimsoll.simulate.rig.process import Stage
from plimsoll.simulate.rig.town import Town, TownConfig
from plimsoll.simulate.rig.watch import Stand, Watch
from plimsoll.spec.errors import PlimsollError

EACH: Final = 3  # accounts of either kind that a large move breaks
PATIENCE: Final = 12  # blocks that a report may take before the next move is made all the same
NOTICE: Final = 75  # blocks of a second until notices of a minute have passed, and what follows
STARTING: Final = 180  # blocks that a keeper may take to read so many accounts
END: Final = 20  # blocks after the last move


@dataclass
class Latency:
    """What was measured; all in blocks."""

    posted_next_block: float = 0.0  # share of moves
    blocks_to_first_bid_max: int | None = None
    blocks_to_first_bid_median: float | None = None
    moves: int = 0
    accounts: int = 0
    blocks_to_report: dict[str, int] = field(default_factory=dict)  # blocks, or "none": how many moves
    under_water: int = 0  # accounts
    without_bid: int = 0  # of these, never bid on, and under water to the end
    blocks_to_first_bid: dict[str, int] = field(default_factory=dict)  # blocks: how many accounts
    block_time: float = 0.0  # [s] asked for
    seconds_a_block: float = 0.0  # as the chain's own times have it
    risk_nodes: int = 0

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Course:
    """One run against a town whose keeper is up.

    Parameters
    ----------
    town
        Its clock runs.
    seed
        Of moves.
    say
        Called with a line for people.
    """

    def __init__(self, town: Town, seed: int, say: Callable[[str], object] = lambda _: None) -> None:
        self.town = town
        self.rng = np.random.default_rng(seed)
        self.say = say
        self.first = town.net.head
        self.moved: list[str] = []  # hashes, one a move
        self.broken: list[int] = []

    def run(self, moves: int) -> Latency:
        """So many moves, then what the chain says of them.

        Raises
        ------
        SimulationError
            The chain stands, or an account cannot be opened.
        """
        town = self.town
        rounds = max(2, moves // 20)
        small = max(0, moves - 2 * rounds)
        for k in range(rounds):
            down = k % 2 == 0
            self._break_some(down=down)
            begun = town.net.head
            for _ in range(small // rounds + (k < small % rounds)):
                self._small()
            while town.net.head < begun + NOTICE / town.config.block_time:
                town.net.wait(1)
            self.say(f"round {k + 1} of {rounds} at block {town.net.head}")
        town.net.wait(END)
        return self._read()

    def _break_some(self, *, down: bool) -> None:
        """Open accounts, break them with one move, go a part of the way back with another."""
        town = self.town
        town.look()
        underlying, size, gap = town.underlyings[0], 10.0 if down else -10.0, -GAP if down else GAP
        victims = [town.doomed(underlying, size, GAP, equity) for equity in (SHALLOW, THIN) for _ in range(EACH)]
        town.settle(town.open(victims))
        self.broken += [victim.account for victim in victims]
        price = town.prices[underlying]
        watch = Watch(town.net, town.system, [], town.net.head)
        self._move({underlying: price * (1 + gap)})
        sunk = {victim.account for victim in victims[:EACH]}

        def all_bid_on() -> bool:
            watch.read(town.net.head)
            return sunk <= {item.args.account for item in watch.of("BidTaken")}

        town.net.wait(PATIENCE, all_bid_on)  # going back sooner would lift them out again
        self._move({underlying: price * (1 + gap - BACK * gap)})

    def _small(self) -> None:
        other = self.town.underlyings[-1]
        self._move({other: self.town.prices[other] * (1 + STEP if self.rng.random() < 0.5 else 1 - STEP)})

    def _move(self, prices: dict[int, float]) -> None:
        """Move, wait for the report, and a block or two more."""
        town = self.town
        before = int(town.system.oracle.call("sequence"))
        self.moved += town.move(prices)
        town.net.wait(2)
        town.net.wait(PATIENCE, lambda: int(town.system.oracle.call("sequence")) > before)
        town.net.wait(int(self.rng.integers(1, 3)))

    def _read(self) -> Latency:
        """What the chain says."""
        town = self.town
        watch = Watch(town.net, town.system, [], self.first)
        watch.accounts.update(self.broken)
        watch.read(town.net.head)
        at = [int(receipt["blockNumber"], 16) for receipt in town.settle(self.moved)]
        posts = sorted(block for block, _, ok in watch.posts if ok)
        waits = [next((block - moved for block in posts if block > moved), None) for moved in at]
        # a report after the next move is that one's
        waits = [
            wait if wait is not None and (k + 1 == len(at) or at[k] + wait <= at[k + 1]) else None
            for k, wait in enumerate(waits)
        ]
        bids: dict[int, int] = {}
        for item in watch.of("BidTaken"):
            bids.setdefault(item.args.account, item.block)
        sunk = first_blocks(watch.stands)
        last = {stand.account: stand.block for stand in watch.stands}
        sunk = {u: block for u, block in sunk.items() if u in bids or last[u] == watch.next - 1}  # or lifted out again
        found = [bids[account] - block for account, block in sunk.items() if account in bids]
        times = sorted(watch.times.items())
        return Latency(
            posted_next_block=sum(wait == 1 for wait in waits) / len(waits) if waits else 0.0,
            blocks_to_first_bid_max=max(found, default=None),
            blocks_to_first_bid_median=median(found) if found else None,
            moves=len(at),
            accounts=len(town.accounts),
            blocks_to_report=_counted(waits),
            under_water=len(sunk),
            without_bid=sum(account not in bids for account in sunk),
            blocks_to_first_bid=_counted(found),
            block_time=town.config.block_time,
            seconds_a_block=round((times[-1][1] - times[0][1]) / max(1, times[-1][0] - times[0][0]), 3),
            risk_nodes=len(town.nodes),
        )


def indexed(port: int) -> int:
    """How many accounts a keeper says that it follows; 0 while it says nothing."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/status", timeout=5) as answer:
            return int(json.load(answer)["accounts"]["indexed"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def first_blocks(stands: Sequence[Stand]) -> dict[int, int]:
    """Account -> the block that left it under water for good: until it was put up for auction, or to the end.

    What the market lifts out again before anybody did anything was not left there.
    """
    found: dict[int, int] = {}
    last: dict[int, int] = {}
    done: set[int] = set()
    for stand in sorted(stands, key=lambda item: item.block):
        account = stand.account
        if account in done:
            continue
        if stand.due == "start":
            if last.get(account) != stand.block - 1:
                found[account] = stand.block
            last[account] = stand.block
        elif last.get(account) == stand.block - 1:
            if stand.due == "bid" or stand.auctioned:
                done.add(account)
            else:
                found.pop(account, None)
    return found


def _counted(values: Sequence[int | None]) -> dict[str, int]:
    """How many of each, the fewest blocks first, what never came last."""
    counts = Counter(values)
    ordered = sorted(counts.items(), key=lambda item: (item[0] is None, item[0] or 0))
    return {"none" if value is None else str(value): count for value, count in ordered}


def run(
    moves: int = 40,
    accounts: int = 10_000,
    *,
    seed: int = 1,
    block_time: float = 1.0,
    nodes: int = 0,
    say: Callable[[str], object] = lambda _: None,
    folder: Path | None = None,
) -> Latency:
    """A town, a keeper and moves; everything has ended on return.

    Raises
    ------
    SimulationError
        The town cannot be built, or the keeper never posts.
    """
    if moves < 4:
        raise SimulationError(f"{moves} moves; 4 or more is right")
    config = TownConfig(accounts, block_time, nodes=nodes, seed=seed)
    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="plimsoll-rig-")))
        stage = stack.enter_context(Stage(folder))
        town = Town(stage, config)
        stack.callback(town.close)
        say(f"{len(town.accounts)} accounts at block {town.net.head}")
        town.start_clock()
        town.start_nodes()
        port = free_port()
        town.start_keeper(metrics_port=port)
        wait_for_keeper(town, STARTING)
        town.net.wait(STARTING, lambda: indexed(port) >= len(town.accounts))  # a start is not what is measured
        say(f"the keeper is up at block {town.net.head} and knows {indexed(port)} accounts")
        return Course(town, seed, say).run(moves)


def main(arguments: Sequence[str] | None = None) -> int:
    """As a command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m plimsoll.simulate.rig.latency", description=__doc__.split("\n")[0])
    parser.add_argument("--moves", type=int, default=40)
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--block-time", type=float, default=1.0, help="[s]")
    parser.add_argument("--nodes", action="store_true", help="three risk nodes sign, each a process")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave settings, logs and journals there")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
    try:
        found = run(
            given.moves,
            given.accounts,
            seed=given.seed,
            block_time=given.block_time,
            nodes=3 if given.nodes else 0,
            say=lambda line: print(line, file=sys.stderr, flush=True),  # noqa: T201
            folder=given.keep,
        )
    except PlimsollError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    if given.json:
        print(json.dumps(found.plain(), indent=2))  # noqa: T201
    else:
        for name, value in found.plain().items():
            print(f"{name:<28} {value}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())

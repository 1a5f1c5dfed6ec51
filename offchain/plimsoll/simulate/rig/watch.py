"""What happened, read from the chain alone: transactions of some keys, reports, and where accounts stood at each block.

Nothing of the keeper is asked or believed. Which step is due for an account is said here from the contracts' rules, not
by the keeper's code. Blocks are read some way behind the head, so that what is read is not reorganised any more, or
afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_utils.address import to_checksum_address

from plimsoll.chain.contract import Function, events_of
from plimsoll.chain.deployment import System
from plimsoll.chain.protocol import Call, Log
from plimsoll.chain.rpc import as_bytes
from plimsoll.keeper.state import LENS_BATCH, assessment_of
from plimsoll.simulate.errors import SimulationError
from plimsoll.simulate.rig.devnet import Devnet
from plimsoll.spec.errors import Refused
from plimsoll.spec.margin import Assessment, State, state_of

PAGE: Final = 200  # blocks of events at once
POST: Final = "post"


@dataclass(frozen=True, slots=True)
class Mined:
    """One transaction of a key that is watched."""

    block: int
    hash: str
    sender: str
    nonce: int
    ok: bool
    cost: int  # [wei] gas and value
    sequence: int | None = None  # of the report, where it is a post


@dataclass(frozen=True, slots=True)
class Happened:
    """One event of the oracle or the liquidator."""

    block: int
    name: str
    args: Any


@dataclass(frozen=True, slots=True)
class Stand:
    """Where one account that is weak stood at the end of one block, and which step anyone could take in the next."""

    block: int
    account: int
    state: State
    due: str | None  # call, start, bid; None where its notice runs
    equity: int  # in full [wad]
    auctioned: bool = False  # whether it is up for auction


def due_step(margin: Assessment, ripe: int, deadline: int, started: int, now: int, ramp: int) -> str | None:
    """What the Liquidator would take of anybody for a weak account.

    A bid is due once the auction's discount is whole: before that it may be too dear for everybody.

    Parameters
    ----------
    margin
        Of the account.
    ripe, deadline
        Of its call [unix s]; 0 where it is not called.
    started
        When its auction began [unix s]; 0 where there is none.
    now
        Time of the block [unix s].
    ramp
        Until an auction's discount is whole [s].
    """
    if started:
        return "bid" if margin.equity_haircut < margin.im and now >= started + ramp else None
    if margin.equity_full < 0:
        return "start"
    if margin.equity_haircut >= margin.call_line:
        return None
    if not deadline:
        return "call"
    late = now > deadline or (margin.equity_haircut < margin.mm and now > ripe)
    return "start" if late else None


class Watch:
    """Reads a chain block by block.

    Parameters
    ----------
    net, system
        Where.
    keys
        Addresses whose transactions are of interest.
    first
        The first block to read.
    """

    def __init__(self, net: Devnet, system: System, keys: Iterable[str], first: int) -> None:
        self.net = net
        self.system = system
        self.keys = {key.lower() for key in keys}
        self.next = first
        self.accounts: set[int] = set()  # to look at
        self.mined: list[Mined] = []
        self.posts: list[tuple[int, int, bool]] = []  # by anybody: block, sequence, whether it went through
        self.events: list[Happened] = []
        self.stands: list[Stand] = []
        self.times: dict[int, int] = {}  # [unix s] by block
        self._ramp = int(system.liquidator.call("config").ramp)
        self._post = system.oracle.interface.functions[POST]

    def read(self, to: int) -> None:
        """Everything up to a block, `to` included."""
        for first in range(self.next, to + 1, PAGE):
            last = min(to, first + PAGE - 1)
            self._events(first, last)
            for number in range(first, last + 1):
                self._block(number)
            self.next = last + 1

    def of(self, name: str) -> list[Happened]:
        """Events of a name."""
        return [item for item in self.events if item.name == name]

    # ----------------------------------------------------------------------------------------------------- internal

    def _events(self, first: int, last: int) -> None:
        contracts = [self.system.oracle, self.system.liquidator]
        logs = self.net.ask(
            "eth_getLogs",
            {"address": [item.address for item in contracts], "fromBlock": hex(first), "toBlock": hex(last)},
        )
        for item in logs:
            found = events_of([_log(item)], contracts)
            self.events += [Happened(int(item["blockNumber"], 16), event.name, event.args) for event in found]

    def _block(self, number: int) -> None:
        head = self.net.ask("eth_getBlockByNumber", hex(number), True)
        if head is None:
            raise SimulationError(f"the node has no block {number}")
        self.times[number] = int(head["timestamp"], 16)
        oracle = self.system.oracle.address.lower()
        wanted = [
            item
            for item in head["transactions"]
            if item["from"].lower() in self.keys or (item.get("to") or "").lower() == oracle
        ]
        receipts = self.net.ask_many([("eth_getTransactionReceipt", [item["hash"]]) for item in wanted])
        for item, receipt in zip(wanted, receipts, strict=True):
            ok = int(receipt["status"], 16) == 1
            sequence = self._sequence(item) if (item.get("to") or "").lower() == oracle else None
            if sequence is not None:
                self.posts.append((number, sequence, ok))
            if item["from"].lower() in self.keys:
                price = int(receipt["effectiveGasPrice"], 16)
                cost = int(receipt["gasUsed"], 16) * price + int(item["value"], 16)
                sender = to_checksum_address(item["from"])
                self.mined.append(Mined(number, item["hash"], sender, int(item["nonce"], 16), ok, cost, sequence))
        self._stand(number)

    def _sequence(self, item: Any) -> int | None:
        """The report's number, where a transaction is a post."""
        data = as_bytes(item["input"])
        for function in self._post.values():
            if data[:4] == function.selector:
                # report's head is the first argument's offset; the sequence is its first field
                body = data[4:]
                at = int.from_bytes(body[:32], "big")
                return int.from_bytes(body[at : at + 32], "big")
        return None

    def _stand(self, number: int) -> None:
        """Where the accounts stood at the end of a block."""
        margins = self.margins(sorted(self.accounts), number)
        weak = {
            account: margin
            for account, margin in margins.items()
            if state_of(margin) in {State.CALLED, State.LIQUIDATABLE, State.INSOLVENT}
        }
        liquidator = self.system.liquidator
        names = ("ripe", "deadline", "auction")
        found = self.at(number, [liquidator.request(name, account) for account in weak for name in names])
        for k, (account, margin) in enumerate(weak.items()):
            ripe, deadline, started = map(int, found[3 * k : 3 * k + 3])
            due = due_step(margin, ripe, deadline, started, self.times[number], self._ramp)
            self.stands.append(Stand(number, account, state_of(margin), due, margin.equity_full, bool(started)))

    def margins(self, accounts: Sequence[int], number: int) -> dict[int, Assessment]:
        """Where accounts stood at the end of a block; what cannot be assessed is left out."""
        parts = [list(accounts[k : k + LENS_BATCH]) for k in range(0, len(accounts), LENS_BATCH)]
        answers = self.at(number, [self.system.lens.request("margins", part) for part in parts])
        found: dict[int, Assessment] = {}
        for part, answer in zip(parts, answers, strict=True):
            if not isinstance(answer, Refused):
                found.update((account, assessment_of(item)) for account, item in zip(part, answer, strict=True))
        return found

    def at(self, number: int, requests: Sequence[tuple[Call, Function]]) -> list[Any]:
        """Reads as of the end of a block."""
        asked = [("eth_call", [{"to": call.to, "data": "0x" + call.data.hex()}, hex(number)]) for call, _ in requests]
        outputs = self.net.ask_many(asked)
        return [
            output if isinstance(output, Refused) else function.decode(as_bytes(output))
            for output, (_, function) in zip(outputs, requests, strict=True)
        ]


def _log(item: Any) -> Log:
    return Log(to_checksum_address(item["address"]), tuple(map(as_bytes, item["topics"])), as_bytes(item["data"]))

"""The sender: one key's transactions, from decided to final, through whatever nodes, pools and restarts do to them.

    submit      simulate, take the next nonce, write down, sign, write down, hand to every endpoint; wait for nothing
    tick        once a block: what was mined, what is stuck, what a reorganisation took back
    reconcile   at the start: what an earlier run left

Never two transactions for one decision: a decision is one row of the journal and one nonce, and everything signed for
it shares that nonce. What is sent again is the same bytes; what is sent dearer replaces it (both fees up by an eighth
or more, up to a cap). Where a restart or a wait finds that a transaction would now revert, a transfer of nothing takes
its place, so that the nonces behind it get through.

A stranger's transaction under the same key, in the pool: its nonce is taken, dearer. Mined: ours is void, and the
next round decides anew.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from plimsoll.chain.errors import NodeError, RefusedByNodeError
from plimsoll.chain.head import Head, head_of
from plimsoll.chain.node import GAS_MARGIN, NodeChain
from plimsoll.chain.rpc import Rpc, is_nonce_spent, is_underpriced
from plimsoll.keeper.errors import FeeCapError, SettingsError, SpendingCapError
from plimsoll.keeper.journal import ACTIVE, Attempt, Entry, Journal
from plimsoll.keeper.outbox import Ticket
from plimsoll.spec.errors import Refused

DAY: Final = 86_400
GWEI: Final = 10**9
ETHER: Final = 10**18
EIGHTH: Final = 8  # nodes ask for a tenth more to replace a transaction, some for an eighth
LOST: Final = 3  # blocks after which a nonce that was spent without a receipt of ours is a stranger's
TRIES: Final = 40  # an eighth each: a hundredfold fee
CANCEL_GAS: Final = 21_000
CANCELLED: Final = "cancelled: it would have reverted"


@dataclass(frozen=True, slots=True)
class SendingConfig:
    """How transactions are sent.

    Parameters
    ----------
    finality
        Blocks over a mined transaction after which it counts as final.
    patience
        Blocks that a transaction may wait before it is replaced by a dearer one.
    max_fee
        Highest fee for a unit of gas [wei].
    min_tip
        Least priority fee [wei].
    spend_per_day
        Most that a key may spend in a day, UTC, what is under way included [wei].
    private
        Purposes that go to the relay first, where there is one.
    relay_patience
        Blocks after which what the relay did not bring in goes to everyone.
    """

    finality: int = 12
    patience: int = 2
    max_fee: int = 200 * GWEI
    min_tip: int = GWEI // 10
    spend_per_day: int = ETHER
    private: frozenset[str] = frozenset({"start", "bid", "standing"})
    relay_patience: int = 3

    def __post_init__(self) -> None:
        for name in ("finality", "patience", "max_fee", "spend_per_day", "relay_patience"):
            if getattr(self, name) <= 0:
                raise SettingsError(f"sending: {name} {getattr(self, name)}; above 0 is right")
        if not 0 <= self.min_tip <= self.max_fee:
            raise SettingsError(f"sending: min_tip {self.min_tip} wei; 0 to max_fee is right")


class Warner(Protocol):
    """Who is told of what an operator should know."""

    def __call__(self, kind: str, /, **fields: Any) -> None:
        """Something of a kind was met."""


def silent(_kind: str, /, **_fields: Any) -> None:
    """Tell nobody."""


def bumped(fee: int) -> int:
    """The least fee that replaces another."""
    return fee + -(-fee // EIGHTH)


class Sender:
    """One key's transactions. May be used from several threads.

    Parameters
    ----------
    chain
        The node, or several.
    account
        Whose key signs.
    journal
        Where everything is written down first.
    config
        How to send.
    relay
        A private relay; None: everything goes to the nodes.
    warn
        Told of what an operator should know.
    clock
        This machine's [unix s].
    probe
        Told of each step as it is on disk: `intent`, `signed`, `sent`, `mined`; for tests that stop the process there.
    """

    def __init__(
        self,
        chain: NodeChain,
        account: LocalAccount,
        journal: Journal,
        config: SendingConfig | None = None,
        *,
        relay: Rpc | None = None,
        warn: Warner = silent,
        clock: Callable[[], float] = time.time,
        probe: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.chain = chain
        self.rpc = chain.rpc
        self.account = account
        self.journal = journal
        self.config = config or SendingConfig()
        self.relay = relay
        self.warn = warn
        self.clock = clock
        self.probe = probe
        self._lock = threading.RLock()
        self._tickets: dict[int, Ticket] = {}
        self._since: dict[int, int] = {}  # by transaction: block of its last attempt
        self._first: dict[int, int] = {}  # by transaction: block of its first, since this process began
        self._missed: dict[int, int] = {}  # by transaction: block at which its nonce was first seen spent
        self._warned: set[tuple[int, str]] = set()
        self._gap: tuple[int, int] | None = None  # lowest nonce that nobody uses, and since which block
        self._head: Head | None = None
        self._suggested: tuple[str, int] | None = None  # at which block the node suggests which tip [wei]
        self._counted: tuple[str, int] | None = None  # at which block so many of this key's were mined
        self.relay_error = ""  # what was wrong with the relay last

    @property
    def address(self) -> str:
        """Whose transactions these are."""
        return str(self.account.address)

    def under_way(self) -> list[Entry]:
        """What may still be mined."""
        return self.journal.transactions(ACTIVE, sender=self.address)

    def relay_behind(self) -> int:
        """Transactions that the relay was given and did not bring in within its patience; since this process began."""
        first = self._block - self.config.relay_patience
        return sum(self._first.get(entry.id, self._block) <= first for entry in self.under_way())

    # ------------------------------------------------------------------------------------------------------- submit

    def submit(
        self, target: str, data: bytes, purpose: str, ref: str, *, value: int = 0, gas: int | None = None
    ) -> Ticket:
        """Send a transaction; what comes of it the ticket will say.

        Parameters
        ----------
        target, data, value
            Of the call; `value` in wei.
        purpose, ref
            What for, in the journal.
        gas
            Limit; None: the node's estimate at the pending block, a quarter more.

        Raises
        ------
        Refused
            It would revert; nothing was written or sent.
        SpendingCapError, FeeCapError
            It would cost more than allowed; nothing was written or sent.
        NodeError
            No node simulates it; nothing was written or sent. Where a node fails later, it is sent again at each tick.
        JournalError
            Nothing was sent.
        """
        limit = self._estimate(target, data, value) if gas is None else gas
        with self._lock:
            head = self._head or head_of(self.rpc)
            max_fee, tip = self._fees(head)
            self._afford(limit * max_fee + value)
            nonce = self._next_nonce()
            now = int(self.clock())
            tx = self.journal.intend(purpose, ref, self.address, nonce, target, data, value, limit, now)
            ticket = self._tickets[tx] = Ticket(tx, purpose, ref)
            self.probe("intent")
            self._attempt(self.journal.transaction(tx), max_fee, tip)
            return ticket

    def _message(self, target: str, data: bytes, value: int) -> dict[str, str]:
        return {"from": self.address, "to": target, "data": "0x" + data.hex(), "value": hex(value)}

    def _estimate(self, target: str, data: bytes, value: int) -> int:
        message = self._message(target, data, value)
        try:
            found = self.rpc.ask("eth_estimateGas", message, "pending")
        except RefusedByNodeError:  # a node without a pending block
            found = self.rpc.ask("eth_estimateGas", message)
        return int(int(found, 16) * GAS_MARGIN)

    def _fees(self, head: Head) -> tuple[int, int]:
        """Highest fee and priority fee for a unit of gas [wei]: room for the base fee to double."""
        tip = max(self._tip(head), self.config.min_tip)
        max_fee = min(2 * head.base_fee + tip, self.config.max_fee)
        if max_fee < head.base_fee:
            raise FeeCapError(
                f"the base fee is {head.base_fee / GWEI:g} gwei, sending.max_fee is {self.config.max_fee / GWEI:g}"
            )
        return max_fee, min(tip, max_fee)

    def _tip(self, head: Head) -> int:
        """What the node suggests, asked once a block [wei]."""
        if self._suggested is None or self._suggested[0] != head.hash:
            try:
                tip = int(self.rpc.ask("eth_maxPriorityFeePerGas"), 16)
            except RefusedByNodeError:
                tip = 0
            self._suggested = head.hash, tip
        return self._suggested[1]

    def _afford(self, cost: int) -> None:
        today = int(self.clock()) // DAY * DAY
        spent = self.journal.spent(self.address, today)
        if spent + cost > self.config.spend_per_day:
            raise SpendingCapError(
                f"{self.address} has spent {spent / ETHER:.6f} today and this may cost {cost / ETHER:.6f} ether;"
                f" sending.spend_per_day is {self.config.spend_per_day / ETHER:g}"
            )

    def _next_nonce(self) -> int:
        """Behind everything that was mined, and everything of ours that may be."""
        head = self._head.hash if self._head else ""
        if self._counted is None or self._counted[0] != head:
            self._counted = head, int(self.rpc.ask("eth_getTransactionCount", self.address, "latest"), 16)
        return max([self._counted[1], *(entry.nonce + 1 for entry in self.under_way())])

    def _attempt(self, entry: Entry, max_fee: int, tip: int, *, cancels: bool = False) -> None:
        """Sign a transaction at its nonce, write that down, send it."""
        made = self._sign(entry, max_fee, tip, cancels=cancels)
        self._since[entry.id] = self._block
        self.probe("signed")
        self._broadcast(entry, made)

    def _sign(self, entry: Entry, max_fee: int, tip: int, *, cancels: bool) -> Attempt:
        """Sign a transaction at its nonce; what was signed, and is written down."""
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": self.chain.chain_id,
            "nonce": entry.nonce,
            "gas": CANCEL_GAS if cancels else entry.gas,
            "maxFeePerGas": max_fee,
            "maxPriorityFeePerGas": tip,
            "to": self.address if cancels else to_checksum_address(entry.target),
            "value": 0 if cancels else entry.value,
            "data": b"" if cancels else entry.data,
        }
        raw = bytes(self.account.sign_transaction(fields).raw_transaction)
        made = Attempt(entry.id, "0x" + keccak(raw).hex(), raw, max_fee, tip, int(self.clock()), cancels)
        self.journal.signed(made)
        return made

    def _broadcast(self, entry: Entry, attempt: Attempt) -> None:
        """Hand an attempt over. Where that fails it stays signed, and the next tick tries again."""
        for _ in range(TRIES):
            try:
                self._hand_over(entry, attempt)
            except RefusedByNodeError as error:
                if is_underpriced(error) and bumped(attempt.max_fee) <= self.config.max_fee:
                    # a stranger's transaction has the nonce, or an earlier one of ours does
                    attempt = self._sign(entry, bumped(attempt.max_fee), bumped(attempt.tip), cancels=attempt.cancels)
                    continue
                if not is_nonce_spent(error):
                    self._tell(entry, "not-taken", str(error))
                return
            except (NodeError, Refused) as error:
                self._tell(entry, "not-taken", str(error))
                return
            self.journal.moved(entry.id, "sent")
            self.probe("sent")
            return

    def _hand_over(self, entry: Entry, attempt: Attempt) -> None:
        raw = "0x" + attempt.raw.hex()
        if self.relay is not None and entry.purpose in self.config.private and not attempt.cancels:
            waited = self._block - self._first.setdefault(entry.id, self._block)
            if waited < self.config.relay_patience:
                try:
                    self.relay.broadcast(raw)
                except (NodeError, Refused) as error:
                    self.relay_error = str(error)
                else:
                    self.relay_error = ""
                    return
            else:
                self.relay_error = f"a transaction was not mined within {waited} blocks"
            self._tell(entry, "relay-silent", self.relay_error)
        self.rpc.broadcast(raw)

    def _tell(self, entry: Entry, kind: str, why: str) -> None:
        """Warn once of each kind for a transaction."""
        if (entry.id, kind) not in self._warned:
            self._warned.add((entry.id, kind))
            self.warn(kind, tx=entry.id, purpose=entry.purpose, ref=entry.ref, nonce=entry.nonce, error=why)

    # --------------------------------------------------------------------------------------------------------- tick

    def reconcile(self, head: Head) -> list[Ticket]:
        """Take up what an earlier run left: what was never signed is void, the rest is looked for and sent again.

        Raises
        ------
        NodeError
            Where no node answers.
        """
        with self._lock:
            for entry in self.journal.transactions(("intent",), sender=self.address):
                self.journal.moved(entry.id, "void", error="nothing was signed before a restart")
            for entry in self.journal.transactions((*ACTIVE, "mined"), sender=self.address):
                self._tickets.setdefault(entry.id, Ticket(entry.id, entry.purpose, entry.ref))
            done = self.tick(head)
            for entry in self.under_way():
                self._again(entry)
            return done

    def _again(self, entry: Entry) -> None:
        """After a restart: the same bytes once more where they would still work, else their cancelling."""
        attempts = self.journal.attempts(entry.id)
        if attempts and (attempts[-1].cancels or self._works(entry)):
            self._broadcast(entry, attempts[-1])
        else:
            self._dearer(entry, cancels=True)

    def _works(self, entry: Entry) -> bool:
        """Whether a transaction would still go through; a node that cannot say does not stop it."""
        try:
            self.rpc.ask("eth_call", self._message(entry.target, entry.data, entry.value), "latest")
        except Refused:
            return False
        except NodeError:
            return True
        return True

    def tick(self, head: Head) -> list[Ticket]:
        """Look at everything that is under way, at a block; the tickets that were done by it.

        Raises
        ------
        NodeError
            Where no node answers; nothing is lost, the next tick looks again.
        """
        with self._lock:
            self._head = head
            entries = self.journal.transactions((*ACTIVE, "mined"), sender=self.address)
            if not entries:
                return []
            attempts = {entry.id: self.journal.attempts(entry.id) for entry in entries}
            hashes = [attempt.hash for entry in entries for attempt in attempts[entry.id]]
            answers = self.rpc.ask_many(
                [("eth_getTransactionCount", [self.address, "latest"])]
                + [("eth_getTransactionReceipt", [sent]) for sent in hashes]
                + [("eth_getTransactionByHash", [sent]) for sent in hashes]
            )
            mined = int(answers[0], 16)
            receipts = dict(zip(hashes, answers[1 : 1 + len(hashes)], strict=True))
            known = {sent for sent, found in zip(hashes, answers[1 + len(hashes) :], strict=True) if found}
            done: list[Ticket] = []
            for entry in entries:
                done += self._look_at(entry, attempts[entry.id], receipts, known, mined)
            self._fill(mined)
            return done

    def _fill(self, mined: int) -> None:
        """Nonces under ours that nobody uses any more: what a reorganisation lost for good. Transfers of nothing."""
        waiting = [entry.nonce for entry in self.under_way()]
        if not waiting or min(waiting) == mined:
            self._gap = None
            return
        if self._gap is None or self._gap[0] != mined:
            self._gap = mined, self._block
        if self._block - self._gap[1] < LOST:
            return
        try:
            max_fee, tip = self._fees(self._head or head_of(self.rpc))
        except FeeCapError:
            return  # a block takes none of ours either
        for nonce in range(mined, min(waiting)):
            now = int(self.clock())
            tx = self.journal.intend("fill", str(nonce), self.address, nonce, self.address, b"", 0, CANCEL_GAS, now)
            self._tickets[tx] = Ticket(tx, "fill", str(nonce))
            self._attempt(self.journal.transaction(tx), max_fee, tip)
            self.warn("gap", tx=tx, nonce=nonce)

    def _look_at(
        self, entry: Entry, attempts: Sequence[Attempt], receipts: Mapping[str, Any], known: set[str], mined: int
    ) -> list[Ticket]:
        for attempt in attempts:
            found = receipts.get(attempt.hash)
            if found is not None:
                return self._mined(entry, attempt, found)
        if entry.state == "mined":
            self.journal.moved(
                entry.id, "sent", block=None, block_hash=None, hash=None, gas_used=None, price=None, error=None
            )
            self._since[entry.id] = self._block
            self.warn(
                "reorged", tx=entry.id, purpose=entry.purpose, ref=entry.ref, nonce=entry.nonce, block=entry.block
            )
            self._broadcast(entry, attempts[-1])
        elif entry.nonce < mined:
            first = self._missed.setdefault(entry.id, self._block)
            if self._block - first >= LOST:
                return self._void(entry, f"another transaction of this key has nonce {entry.nonce}")
        else:
            self._missed.pop(entry.id, None)
            self._push(entry, attempts, known, lowest=entry.nonce == mined)
        return []

    @property
    def _block(self) -> int:
        return self._head.number if self._head else 0

    def _push(self, entry: Entry, attempts: Sequence[Attempt], known: set[str], *, lowest: bool) -> None:
        """A transaction that waits: dearer after a while, the same bytes again where the nodes lost them."""
        last = attempts[-1]
        waited = self._block - self._since.setdefault(entry.id, self._block)
        short = self._head is not None and last.max_fee < self._head.base_fee + last.tip
        if waited >= self.config.patience and (lowest or short):
            cancels = last.cancels or not self._works(entry)
            self._dearer(entry, cancels=cancels)
        elif entry.state == "signed" or last.hash not in known:
            self._broadcast(entry, last)

    def _dearer(self, entry: Entry, *, cancels: bool) -> None:
        """The next attempt at the same nonce."""
        attempts = self.journal.attempts(entry.id)
        head = self._head or head_of(self.rpc)
        try:
            market = self._fees(head)
        except FeeCapError as error:
            self._tell(entry, "fee-cap", str(error))
            return
        max_fee = max([market[0], *(bumped(attempt.max_fee) for attempt in attempts)])
        tip = max([market[1], *(bumped(attempt.tip) for attempt in attempts)])
        if max_fee > self.config.max_fee:
            self._tell(entry, "fee-cap", f"a dearer attempt takes {max_fee / GWEI:g} gwei")
            self._since[entry.id] = self._block
            if attempts:
                self._broadcast(entry, attempts[-1])
            return
        self._attempt(entry, max_fee, min(tip, max_fee), cancels=cancels)

    def _void(self, entry: Entry, why: str) -> list[Ticket]:
        self.journal.moved(entry.id, "void", error=why)
        self._forget(entry.id)
        self.warn("displaced", tx=entry.id, purpose=entry.purpose, ref=entry.ref, nonce=entry.nonce, error=why)
        ticket = self._tickets.pop(entry.id, None)
        if ticket is None or ticket.done:
            return []
        ticket.error = why
        return [ticket]

    def _forget(self, tx: int) -> None:
        for kept in (self._since, self._first, self._missed):
            kept.pop(tx, None)
        self._warned = {item for item in self._warned if item[0] != tx}

    def _mined(self, entry: Entry, attempt: Attempt, found: Mapping[str, Any]) -> list[Ticket]:
        """What a receipt says, now and until it is final."""
        block, block_hash = int(found["blockNumber"], 16), str(found["blockHash"])
        worked = int(found["status"], 16) == 1
        deep = self._block - block >= self.config.finality
        if entry.state == "mined" and entry.block_hash == block_hash and entry.hash == attempt.hash:
            if deep:
                self.journal.moved(entry.id, "void" if attempt.cancels else "failed" if entry.error else "final")
                self._forget(entry.id)
                self._tickets.pop(entry.id, None)
            return []
        error = CANCELLED if attempt.cancels else None if worked else self._why(entry, found)
        self.journal.moved(
            entry.id,
            "mined",
            block=block,
            block_hash=block_hash,
            hash=attempt.hash,
            gas_used=int(found["gasUsed"], 16),
            price=int(found.get("effectiveGasPrice") or hex(attempt.max_fee), 16),
            error=error,
        )
        self.probe("mined")
        ticket = self._tickets.get(entry.id)
        if ticket is None or ticket.done:
            return []
        ticket.error = error
        ticket.receipt = self.chain.as_receipt(found) if error is None else None
        return [ticket]

    def _why(self, entry: Entry, found: Mapping[str, Any]) -> str:
        """Why a mined transaction failed: the contract's reason, at its block."""
        try:
            self.rpc.ask("eth_call", self._message(entry.target, entry.data, entry.value), found["blockNumber"])
        except Refused as refused:
            return f"reverted: {refused.reason or 'without a reason'}"
        except NodeError as error:
            return f"failed, for a reason that no node tells ({error})"
        gas_used = int(found["gasUsed"], 16)
        return "out of gas" if gas_used >= entry.gas else "failed, though it would work at the end of its block"

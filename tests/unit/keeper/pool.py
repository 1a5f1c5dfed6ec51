"""A node in memory, with a pool: enough of JSON-RPC for senders, and every way a real one has of failing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import rlp
from eth_account import Account
from eth_utils.crypto import keccak

from plimsoll.chain.endpoints import Head
from plimsoll.chain.errors import NodeError, RefusedByNodeError
from plimsoll.spec.errors import Refused

GWEI = 10**9
CHAIN_ID = 31_337
USED = 50_000  # gas of any transaction


@dataclass
class Pooled:
    """A transaction as its bytes say."""

    hash: str
    sender: str
    nonce: int
    tip: int
    max_fee: int
    to: str
    data: bytes
    raw: str


def read(raw: str) -> Pooled:
    """A signed EIP-1559 transaction."""
    data = bytes.fromhex(raw.removeprefix("0x"))
    fields = rlp.decode(data[1:])
    number = [int.from_bytes(item, "big") for item in fields[1:5]]
    sender = Account.recover_transaction(data)
    return Pooled(
        "0x" + keccak(data).hex(), sender, number[0], number[1], number[2], "0x" + fields[5].hex(), fields[7], raw
    )


@dataclass
class FakeNode:
    """One chain and its pool. `down`, `swallows` and `refuses` are its faults; `reverts` what the contract refuses."""

    base_fee: int = GWEI
    down: bool = False
    swallows: bool = False  # takes transactions and forgets them
    reverts: dict[bytes, str] = field(default_factory=dict)  # calldata -> reason
    blocks: list[list[Pooled]] = field(default_factory=lambda: [[]])
    pool: dict[tuple[str, int], Pooled] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)  # mined, and reverted
    taken: list[str] = field(default_factory=list)  # every raw transaction that was handed over
    asked: list[str] = field(default_factory=list)
    fork: int = 0

    # ------------------------------------------------------------------------------------------------------- chain

    def head(self) -> Head:
        number = len(self.blocks) - 1
        return Head(number, self._hash(number), 1_700_000_000 + number, self.base_fee)

    def _hash(self, number: int) -> str:
        return "0x" + keccak(text=f"{self.fork}/{number}/{[t.hash for t in self.blocks[number]]}").hex()

    def mine(self) -> Head:
        """A block of all that pays enough, by nonce."""
        found: list[Pooled] = []
        for key in sorted(self.pool, key=lambda item: item[1]):
            transaction = self.pool[key]
            if transaction.nonce == self.count(transaction.sender, found) and transaction.max_fee >= self.base_fee:
                found.append(self.pool.pop(key))
                if self.reverts.get(transaction.data):
                    self.failed.add(transaction.hash)
        self.blocks.append(found)
        return self.head()

    def reorganise(self, depth: int) -> Head:
        """The last blocks never were; others, empty ones, stand in their place."""
        self.fork += 1
        del self.blocks[-depth:]
        self.blocks += [[] for _ in range(depth)]
        return self.head()

    def count(self, sender: str, more: Sequence[Pooled] = ()) -> int:
        mined = [t for block in self.blocks for t in block] + list(more)
        return sum(t.sender == sender for t in mined)

    def mined(self) -> list[Pooled]:
        return [t for block in self.blocks for t in block]

    def stranger(self, account: Any, nonce: int, max_fee: int = GWEI) -> None:
        """A transaction of the same key from elsewhere, in the pool."""
        fields = {"type": 2, "chainId": CHAIN_ID, "nonce": nonce, "gas": 21_000, "value": 0, "data": b""}
        fields |= {"maxFeePerGas": max_fee, "maxPriorityFeePerGas": 1, "to": account.address}
        transaction = read("0x" + bytes(account.sign_transaction(fields).raw_transaction).hex())
        self.pool[transaction.sender, nonce] = transaction

    # --------------------------------------------------------------------------------------------------------- rpc

    def ask(self, method: str, *params: Any) -> Any:
        self.asked.append(method)
        if self.down:
            raise NodeError("the node does not answer")
        return getattr(self, method)(*params)

    def ask_many(self, asked: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        return [self.ask(method, *params) for method, params in asked]

    def broadcast(self, raw: str) -> None:
        if self.down:
            raise NodeError("the node does not answer")
        self.taken.append(raw)
        if self.swallows:
            return
        transaction = read(raw)
        key = transaction.sender, transaction.nonce
        if transaction.nonce < self.count(transaction.sender):
            raise RefusedByNodeError("the node refuses: nonce too low")
        there = self.pool.get(key)
        if there is None or there.hash == transaction.hash:
            self.pool[key] = transaction
        elif transaction.max_fee * 10 < there.max_fee * 11 or transaction.tip * 10 < there.tip * 11:
            raise RefusedByNodeError("the node refuses: replacement transaction underpriced")
        else:
            self.pool[key] = transaction

    def eth_chainId(self) -> str:
        return hex(CHAIN_ID)

    def eth_getTransactionCount(self, sender: str, _at: str) -> str:
        return hex(self.count(sender))

    def eth_maxPriorityFeePerGas(self) -> str:
        return hex(GWEI // 10)

    def eth_estimateGas(self, message: dict[str, str], _at: str = "latest") -> str:
        self.eth_call(message, _at)
        return hex(USED)

    def eth_call(self, message: dict[str, str], _at: str) -> str:
        reason = self.reverts.get(bytes.fromhex(message["data"][2:]))
        if reason:
            raise Refused(reason)
        return "0x"

    def eth_getBlockByNumber(self, at: str, _full: object) -> Any:
        number = len(self.blocks) - 1 if at == "latest" else int(at, 16)
        if number >= len(self.blocks):
            return None
        return {
            "number": hex(number),
            "hash": self._hash(number),
            "timestamp": hex(1_700_000_000 + number),
            "baseFeePerGas": hex(self.base_fee),
        }

    def eth_getTransactionByHash(self, sent: str) -> Any:
        return {} if self._where(sent) else {"hash": sent} if any(t.hash == sent for t in self.pool.values()) else None

    def eth_getTransactionReceipt(self, sent: str) -> Any:
        number = self._where(sent)
        if number is None:
            return None
        (found,) = (t for t in self.blocks[number] if t.hash == sent)
        return {
            "transactionHash": sent,
            "blockNumber": hex(number),
            "blockHash": self._hash(number),
            "status": "0x0" if sent in self.failed else "0x1",
            "gasUsed": hex(USED),
            "effectiveGasPrice": hex(min(found.max_fee, self.base_fee + found.tip)),
            "logs": [],
        }

    def _where(self, sent: str) -> int | None:
        return next((k for k, block in enumerate(self.blocks) if any(t.hash == sent for t in block)), None)

"""NodeChain: a chain behind a node's JSON-RPC, or behind several nodes'.

Reads go in batches. A transaction is simulated first, so that a revert costs nothing and says its reason; then it is
signed here (where a key was given) or by the node (unlocked accounts of a development node), and waited for. The clock
(`advance`, `snapshot`, ...) works where the node is a development one (anvil) and raises NodeError elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

from plimsoll.chain.errors import ExecutionError, NodeError
from plimsoll.chain.head import Head
from plimsoll.chain.protocol import Call, Header, Log, Receipt
from plimsoll.chain.rpc import HttpRpc, Rpc, as_bytes
from plimsoll.spec.errors import Refused

BATCH: Final = 200  # requests at once
POLL: Final = 0.02  # [s] between looks for a receipt, growing
MAX_POLL: Final = 2.0  # [s]
GAS_MARGIN: Final = 1.25  # on the node's estimate: the block that mines it may find colder storage
TIP: Final = 1_000_000_000  # [wei] priority fee where the node suggests none


class NodeChain:
    """A chain behind a node; satisfies `Chain`, and `TimedChain` on anvil.

    Parameters
    ----------
    node
        The URL of a node's HTTP endpoint, or an `Rpc`, of several endpoints for instance.
    keys
        Private keys [32 bytes, hex] of accounts that sign here; other senders must be unlocked at the node.
    head
        Gives the block that is read at; None: the node is asked for its latest each time.
    timeout
        Longest wait for a receipt [s].
    request_timeout
        Longest wait for an answer [s].
    """

    def __init__(
        self,
        node: str | Rpc,
        keys: Iterable[str] = (),
        *,
        head: Callable[[], Head] | None = None,
        timeout: float = 120.0,
        request_timeout: float = 20.0,
    ) -> None:
        self.timeout = timeout
        self._head = head
        self.rpc: Rpc = HttpRpc(node, request_timeout) if isinstance(node, str) else node
        self._accounts: dict[str, LocalAccount] = {}
        for key in keys:
            account = Account.from_key(key)
            self._accounts[account.address] = account
        self._chain_id: int | None = None

    # ------------------------------------------------------------------------------------------------------- reads

    @property
    def chain_id(self) -> int:
        """The chain's id, asked once."""
        if self._chain_id is None:
            self._chain_id = int(self.rpc.ask("eth_chainId"), 16)
        return self._chain_id

    @property
    def now(self) -> int:
        """Timestamp of the latest block [unix s]."""
        if self._head is not None:
            return self._head().time
        return int(self.rpc.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    @property
    def block(self) -> int:
        """Number of the latest block."""
        if self._head is not None:
            return self._head().number
        return int(self.rpc.ask("eth_blockNumber"), 16)

    def call(self, to: str, data: bytes, *, sender: str | None = None) -> bytes:
        """The output of a view at the latest block."""
        return as_bytes(self.rpc.ask("eth_call", _message(to, data, sender), "latest"))

    def call_many(self, calls: Sequence[Call]) -> list[bytes | Refused]:
        """The outputs of several views, all at one block, in batches of 200."""
        found: list[bytes | Refused] = []
        at = hex(self.block)
        for start in range(0, len(calls), BATCH):
            part = calls[start : start + BATCH]
            answers = self.rpc.ask_many([("eth_call", [_message(item.to, item.data, None), at]) for item in part])
            found += [answer if isinstance(answer, Refused) else as_bytes(answer) for answer in answers]
        return found

    def logs(self, addresses: Sequence[str], first: int, last: int | None = None) -> list[Log]:
        """Events of some contracts in blocks `first` .. `last`, in order."""
        wanted = {
            "address": list(addresses),
            "fromBlock": hex(first),
            "toBlock": "latest" if last is None else hex(last),
        }
        return [_log(item) for item in self.rpc.ask("eth_getLogs", wanted)]

    def headers(self, numbers: Sequence[int]) -> list[Header | None]:
        """Headers of blocks by their numbers, in batches of 200; None for one that the node does not have."""
        found: list[Header | None] = []
        for start in range(0, len(numbers), BATCH):
            part = numbers[start : start + BATCH]
            found += map(_header, self.rpc.ask_many([("eth_getBlockByNumber", [hex(n), False]) for n in part]))
        return found

    def code(self, address: str) -> bytes:
        """The code at an address."""
        return as_bytes(self.rpc.ask("eth_getCode", address, "latest"))

    def balance(self, address: str) -> int:
        """Native balance [wei]."""
        return int(self.rpc.ask("eth_getBalance", address, "latest"), 16)

    # ------------------------------------------------------------------------------------------------------ writes

    def transact(self, to: str, data: bytes, *, sender: str, value: int = 0) -> Receipt:
        """Simulate, send, wait."""
        return self._mine({"from": sender, "to": to, "data": "0x" + data.hex(), "value": hex(value)})

    def deploy(self, initcode: bytes, *, sender: str) -> Receipt:
        """Create a contract, wait."""
        return self._mine({"from": sender, "data": "0x" + initcode.hex()})

    def _mine(self, message: dict[str, Any]) -> Receipt:
        gas = int(int(self.rpc.ask("eth_estimateGas", message), 16) * GAS_MARGIN)
        sender = to_checksum_address(message["from"])
        if sender in self._accounts:
            raw = self._sign(self._accounts[sender], message, gas)
            sent = self.rpc.ask("eth_sendRawTransaction", raw)
        else:
            sent = self.rpc.ask("eth_sendTransaction", {**message, "gas": hex(gas)})
        receipt = self._wait(str(sent))
        if int(receipt["status"], 16) != 1:
            # what reverted when mined, not when simulated: ask for the reason at that block
            self.rpc.ask("eth_call", message, receipt["blockNumber"])
            raise ExecutionError(f"transaction {sent} failed in block {int(receipt['blockNumber'], 16)}")
        return self.as_receipt(receipt)

    def receipt(self, sent: str) -> Receipt:
        """The receipt of a mined transaction by its hash.

        Raises
        ------
        NodeError
            The node knows no such transaction, or it is not mined yet.
        ExecutionError
            It failed.
        """
        found = self.rpc.ask("eth_getTransactionReceipt", sent)
        if found is None:
            raise NodeError(f"the node knows no mined transaction {sent}")
        if int(found["status"], 16) != 1:
            raise ExecutionError(f"transaction {sent} failed in block {int(found['blockNumber'], 16)}")
        return self.as_receipt(found)

    def as_receipt(self, receipt: Mapping[str, Any]) -> Receipt:
        """A node's receipt as a `Receipt`."""
        head = self.rpc.ask("eth_getBlockByNumber", receipt["blockNumber"], False)
        created = receipt.get("contractAddress")
        return Receipt(
            gas_used=int(receipt["gasUsed"], 16),
            logs=tuple(_log(log) for log in receipt["logs"]),
            block=int(receipt["blockNumber"], 16),
            time=int(head["timestamp"], 16),
            address=to_checksum_address(created) if created else None,
            hash=str(receipt["transactionHash"]),
        )

    def _sign(self, account: LocalAccount, message: dict[str, Any], gas: int) -> str:
        head = self.rpc.ask("eth_getBlockByNumber", "latest", False)
        try:
            tip = int(self.rpc.ask("eth_maxPriorityFeePerGas"), 16)
        except NodeError:
            tip = TIP
        fields = {
            "chainId": self.chain_id,
            "nonce": int(self.rpc.ask("eth_getTransactionCount", account.address, "pending"), 16),
            "gas": gas,
            "maxFeePerGas": 2 * int(head.get("baseFeePerGas", "0x0"), 16) + tip,
            "maxPriorityFeePerGas": tip,
            "value": int(message.get("value", "0x0"), 16),
            "data": message["data"],
        }
        if "to" in message:
            fields["to"] = message["to"]
        return "0x" + account.sign_transaction(fields).raw_transaction.hex().removeprefix("0x")

    def _wait(self, sent: str) -> dict[str, Any]:
        until = time.monotonic() + self.timeout
        pause = POLL
        while True:
            receipt = self.rpc.ask("eth_getTransactionReceipt", sent)
            if receipt is not None:
                return dict(receipt)
            if time.monotonic() > until:
                raise NodeError(f"transaction {sent} was not mined within {self.timeout:.0f} s")
            time.sleep(pause)
            pause = min(MAX_POLL, pause * 1.5)

    # ------------------------------------------------------------------------------------------------------- clock

    def advance(self, seconds: int) -> None:
        """Let time pass and mine a block. Development nodes only."""
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds} s")
        self.rpc.ask("evm_increaseTime", hex(seconds))
        self.rpc.ask("evm_mine")

    def set_time(self, timestamp: int) -> None:
        """Mine a block at a time [unix s]. Development nodes only."""
        self.rpc.ask("evm_setNextBlockTimestamp", hex(timestamp))
        self.rpc.ask("evm_mine")

    def snapshot(self) -> int:
        """A mark to come back to. Development nodes only."""
        return int(self.rpc.ask("evm_snapshot"), 16)

    def revert(self, mark: int) -> None:
        """Back to a mark. Development nodes only."""
        if self.rpc.ask("evm_revert", hex(mark)) is not True:
            raise ValueError(f"snapshot {mark} is spent or was never taken")

    def set_balance(self, address: str, wei: int) -> None:
        """Give native balance [wei]. Anvil only."""
        self.rpc.ask("anvil_setBalance", address, hex(wei))


def _message(to: str, data: bytes, sender: str | None) -> dict[str, Any]:
    message = {"to": to, "data": "0x" + data.hex()}
    if sender is not None:
        message["from"] = sender
    return message


def _log(item: Any) -> Log:
    block, place, mined_in = item.get("blockNumber"), item.get("logIndex"), item.get("blockHash")  # null while pending
    return Log(
        to_checksum_address(item["address"]),
        tuple(map(as_bytes, item["topics"])),
        as_bytes(item["data"]),
        None if block is None else int(block, 16),
        b"" if mined_in is None else as_bytes(mined_in),
        None if place is None else int(place, 16),
    )


def _header(block: Any) -> Header | None:
    if block is None:
        return None
    try:
        return Header(
            int(block["number"], 16),
            as_bytes(block["hash"]),
            as_bytes(block["parentHash"]),
            int(block["timestamp"], 16),
        )
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise NodeError(f"a header is {block!r:.80}") from error

"""NodeChain: a chain behind a node's JSON-RPC, through web3.py's HTTP provider.

Reads go in batches. A transaction is simulated first, so that a revert costs nothing and says its reason; then it is
signed here (where a key was given) or by the node (unlocked accounts of a development node), and waited for. The clock
(`advance`, `snapshot`, ...) works where the node is a development one (anvil) and raises NodeError elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import requests
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from web3 import HTTPProvider
from web3.exceptions import Web3Exception
from web3.types import RPCEndpoint

from plimsoll.chain.errors import ExecutionError, NodeError
from plimsoll.chain.protocol import Call, Log, Receipt, revert_reason
from plimsoll.spec.errors import Refused

BATCH: Final = 200  # requests at once
POLL: Final = 0.02  # [s] between looks for a receipt, growing
MAX_POLL: Final = 2.0  # [s]
GAS_MARGIN: Final = 1.25  # on the node's estimate: the block that mines it may find colder storage
TIP: Final = 1_000_000_000  # [wei] priority fee where the node suggests none
REVERTED: Final = 3  # JSON-RPC error code of a revert


class NodeChain:
    """A chain behind a node; satisfies `Chain`, and `TimedChain` on anvil.

    Parameters
    ----------
    url
        Of the node's HTTP endpoint.
    keys
        Private keys [32 bytes, hex] of accounts that sign here; other senders must be unlocked at the node.
    timeout
        Longest wait for a receipt [s].
    request_timeout
        Longest wait for an answer [s].
    """

    def __init__(
        self, url: str, keys: Iterable[str] = (), *, timeout: float = 120.0, request_timeout: float = 20.0
    ) -> None:
        self.timeout = timeout
        self._provider = HTTPProvider(url, request_kwargs={"timeout": request_timeout})
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
            self._chain_id = int(self._ask("eth_chainId"), 16)
        return self._chain_id

    @property
    def now(self) -> int:
        """Timestamp of the latest block [unix s]."""
        return int(self._ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    @property
    def block(self) -> int:
        """Number of the latest block."""
        return int(self._ask("eth_blockNumber"), 16)

    def call(self, to: str, data: bytes, *, sender: str | None = None) -> bytes:
        """The output of a view at the latest block."""
        return _bytes(self._ask("eth_call", _message(to, data, sender), "latest"))

    def call_many(self, calls: Sequence[Call]) -> list[bytes | Refused]:
        """The outputs of several views, all at one block, in batches of 200."""
        found: list[bytes | Refused] = []
        at = hex(self.block)
        for start in range(0, len(calls), BATCH):
            part = calls[start : start + BATCH]
            asked = [(RPCEndpoint("eth_call"), [_message(item.to, item.data, None), at]) for item in part]
            answers = self._send(lambda asked=asked: self._provider.make_batch_request(asked))
            if not isinstance(answers, list) or len(answers) != len(part):
                raise NodeError(f"the node answered a batch of {len(part)} with {answers!r:.200}")
            for answer in sorted(answers, key=lambda item: int(item["id"])):
                error = answer.get("error")
                if error is None:
                    found.append(_bytes(answer["result"]))
                    continue
                explained = _explain(error)
                if not isinstance(explained, Refused):
                    raise explained
                found.append(explained)
        return found

    def logs(self, addresses: Sequence[str], first: int, last: int | None = None) -> list[Log]:
        """Events of some contracts in blocks `first` .. `last`, in order."""
        wanted = {
            "address": list(addresses),
            "fromBlock": hex(first),
            "toBlock": "latest" if last is None else hex(last),
        }
        return [_log(item) for item in self._ask("eth_getLogs", wanted)]

    def code(self, address: str) -> bytes:
        """The code at an address."""
        return _bytes(self._ask("eth_getCode", address, "latest"))

    def balance(self, address: str) -> int:
        """Native balance [wei]."""
        return int(self._ask("eth_getBalance", address, "latest"), 16)

    # ------------------------------------------------------------------------------------------------------ writes

    def transact(self, to: str, data: bytes, *, sender: str, value: int = 0) -> Receipt:
        """Simulate, send, wait."""
        return self._mine({"from": sender, "to": to, "data": "0x" + data.hex(), "value": hex(value)})

    def deploy(self, initcode: bytes, *, sender: str) -> Receipt:
        """Create a contract, wait."""
        return self._mine({"from": sender, "data": "0x" + initcode.hex()})

    def _mine(self, message: dict[str, Any]) -> Receipt:
        gas = int(int(self._ask("eth_estimateGas", message), 16) * GAS_MARGIN)
        sender = to_checksum_address(message["from"])
        if sender in self._accounts:
            raw = self._sign(self._accounts[sender], message, gas)
            sent = self._ask("eth_sendRawTransaction", raw)
        else:
            sent = self._ask("eth_sendTransaction", {**message, "gas": hex(gas)})
        receipt = self._wait(str(sent))
        if int(receipt["status"], 16) != 1:
            # what reverted when mined, not when simulated: ask for the reason at that block
            self._ask("eth_call", message, receipt["blockNumber"])
            raise ExecutionError(f"transaction {sent} failed in block {int(receipt['blockNumber'], 16)}")
        return self._receipt(receipt)

    def receipt(self, sent: str) -> Receipt:
        """The receipt of a mined transaction by its hash.

        Raises
        ------
        NodeError
            The node knows no such transaction, or it is not mined yet.
        ExecutionError
            It failed.
        """
        found = self._ask("eth_getTransactionReceipt", sent)
        if found is None:
            raise NodeError(f"the node knows no mined transaction {sent}")
        if int(found["status"], 16) != 1:
            raise ExecutionError(f"transaction {sent} failed in block {int(found['blockNumber'], 16)}")
        return self._receipt(found)

    def _receipt(self, receipt: Mapping[str, Any]) -> Receipt:
        head = self._ask("eth_getBlockByNumber", receipt["blockNumber"], False)
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
        head = self._ask("eth_getBlockByNumber", "latest", False)
        try:
            tip = int(self._ask("eth_maxPriorityFeePerGas"), 16)
        except NodeError:
            tip = TIP
        fields = {
            "chainId": self.chain_id,
            "nonce": int(self._ask("eth_getTransactionCount", account.address, "pending"), 16),
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
            receipt = self._ask("eth_getTransactionReceipt", sent)
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
        self._ask("evm_increaseTime", hex(seconds))
        self._ask("evm_mine")

    def set_time(self, timestamp: int) -> None:
        """Mine a block at a time [unix s]. Development nodes only."""
        self._ask("evm_setNextBlockTimestamp", hex(timestamp))
        self._ask("evm_mine")

    def snapshot(self) -> int:
        """A mark to come back to. Development nodes only."""
        return int(self._ask("evm_snapshot"), 16)

    def revert(self, mark: int) -> None:
        """Back to a mark. Development nodes only."""
        if self._ask("evm_revert", hex(mark)) is not True:
            raise ValueError(f"snapshot {mark} is spent or was never taken")

    def set_balance(self, address: str, wei: int) -> None:
        """Give native balance [wei]. Anvil only."""
        self._ask("anvil_setBalance", address, hex(wei))

    # ---------------------------------------------------------------------------------------------------- internal

    def _ask(self, method: str, *params: Any) -> Any:
        answer = self._send(lambda: self._provider.make_request(RPCEndpoint(method), list(params)))
        error = answer.get("error")
        if error is not None:
            raise _explain(error)
        return answer.get("result")

    @staticmethod
    def _send(request: Any) -> Any:
        try:
            return request()
        except (requests.RequestException, Web3Exception, ValueError) as error:
            raise NodeError(f"the node does not answer: {type(error).__name__}: {error}") from error


def _message(to: str, data: bytes, sender: str | None) -> dict[str, Any]:
    message = {"to": to, "data": "0x" + data.hex()}
    if sender is not None:
        message["from"] = sender
    return message


def _log(item: Any) -> Log:
    return Log(to_checksum_address(item["address"]), tuple(map(_bytes, item["topics"])), _bytes(item["data"]))


def _bytes(text: Any) -> bytes:
    return bytes.fromhex(str(text).removeprefix("0x"))


def _explain(error: Any) -> Refused | NodeError:
    """A JSON-RPC error: a revert with its reason, or the node's own refusal."""
    if not isinstance(error, dict):
        return NodeError(f"the node refuses: {error}")
    message = str(error.get("message", ""))
    data = error.get("data")
    if isinstance(data, dict):  # some nodes wrap it
        data = data.get("data") or data.get("result")
    if isinstance(data, str) and data.startswith("0x") and (error.get("code") == REVERTED or "revert" in message):
        return Refused(revert_reason(_bytes(data)))
    if error.get("code") == REVERTED or "execution reverted" in message:
        return Refused("")
    return NodeError(f"the node refuses: {message or error}")

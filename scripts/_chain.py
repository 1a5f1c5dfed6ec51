"""The chain behind an ape provider, read as `plimsoll.chain` reads: a node in batches, the embedded one directly.

Reads alone: what the scripts send goes through ape, which knows the accounts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ape.api import ProviderAPI
from eth_tester.exceptions import TransactionFailed
from eth_utils.address import to_canonical_address, to_checksum_address

from plimsoll.chain.artifacts import load as artifact
from plimsoll.chain.contract import Contract
from plimsoll.chain.node import NodeChain
from plimsoll.chain.protocol import Call, Chain, Log, Receipt
from plimsoll.spec.errors import Refused

FEE: Final = 10**12  # [wei a gas] more than any block asks; a call pays nothing
GAS: Final = 30_000_000
WORD: Final = 32


class EmbeddedReader:
    """The chain that ape runs inside this process; satisfies `Chain`, but for what writes.

    It asks the backend itself: through web3 a view takes several times as long.
    """

    def __init__(self, provider: ProviderAPI) -> None:
        self._provider = provider
        self._backend: Any = provider.evm_backend
        self._sender = to_canonical_address(provider.account_manager.test_accounts[0].address)

    @property
    def chain_id(self) -> int:
        """The chain's id."""
        return int(self._provider.chain_id)

    @property
    def now(self) -> int:
        """Timestamp of the latest block [unix s]."""
        return int(self._backend.get_block_by_number(self.block)["timestamp"])

    @property
    def block(self) -> int:
        """Number of the latest block."""
        return int(self._backend.chain.get_canonical_head().block_number)

    def call(self, to: str, data: bytes, *, sender: str | None = None) -> bytes:
        """The output of a view.

        Raises
        ------
        Refused
            Where it reverts.
        """
        message = {
            "from": self._sender if sender is None else to_canonical_address(sender),
            "to": to_canonical_address(to),
            "data": data,
            "value": 0,
            "gas": GAS,
            "max_fee_per_gas": FEE,
            "max_priority_fee_per_gas": 0,
        }
        try:
            return bytes(self._backend.call(message, "latest"))
        except TransactionFailed as error:
            reason = str(error.args[0])
            raise Refused("" if reason == "b''" else reason) from error

    def call_many(self, calls: Sequence[Call]) -> list[bytes | Refused]:
        """The outputs of several views, in order; a view that reverts gives its `Refused`."""
        found: list[bytes | Refused] = []
        for call in calls:
            try:
                found.append(self.call(call.to, call.data))
            except Refused as refused:
                found.append(refused)
        return found

    def logs(self, addresses: Sequence[str], first: int, last: int | None = None) -> list[Log]:
        """Events of some contracts in blocks `first` .. `last` (the latest where not given), in order."""
        wanted = set(map(to_canonical_address, addresses))
        chain = self._backend.chain
        found = []
        for number in range(first, (self.block if last is None else last) + 1):
            for receipt in chain.get_canonical_block_by_number(number).get_receipts(chain.chaindb):
                for log in receipt.logs:
                    if log.address in wanted:
                        topics = tuple(topic.to_bytes(WORD, "big") for topic in log.topics)
                        found.append(Log(to_checksum_address(log.address), topics, bytes(log.data)))
        return found

    def code(self, address: str) -> bytes:
        """The code at an address; empty where there is none."""
        return bytes(self._backend.get_code(to_canonical_address(address)))

    def balance(self, address: str) -> int:
        """Native balance [wei]."""
        return int(self._backend.get_balance(to_canonical_address(address)))

    def transact(self, to: str, data: bytes, *, sender: str, value: int = 0) -> Receipt:
        """Not from here."""
        raise NotImplementedError

    def deploy(self, initcode: bytes, *, sender: str) -> Receipt:
        """Not from here."""
        raise NotImplementedError


class View:
    """A contract's views as methods: what ape's own instances are, for a chain that is read directly."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self.address = contract.address

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self._contract.call(name, *args)


def reader_of(provider: ProviderAPI) -> Chain:
    """What reads the chain behind a provider."""
    return EmbeddedReader(provider) if hasattr(provider, "evm_backend") else NodeChain(provider.http_uri)


def view_of(chain: Chain, name: str, address: str) -> View:
    """One of our contracts, to be read."""
    return View(Contract(chain, address, artifact(name)))

"""Events as the spec's reducer takes them: addresses are integers, and most fields are one word.

An event whose fields are single words (nearly every one is) is read word by word, a few microseconds each; a first
index of a busy chain decodes millions. All others take `EventType.decode`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from plimsoll.chain.contract import Contract, EventType
from plimsoll.chain.deployment import System
from plimsoll.chain.errors import AbiError
from plimsoll.chain.protocol import Log
from plimsoll.spec.events import Event

WORD: Final = 32
ADDRESS_DIGITS: Final = 42
MAX_DECIMALS: Final = 18
ROLES: Final = frozenset({"account", "buyer", "seller", "bidder", "source", "target", "reserve", "to"})
SOURCES: Final = ("feed", "registry", "clearinghouse", "liquidator")
Decoder = Callable[[Log], Event]


class Deployed(NamedTuple):
    """What of a deployment an index must know: whose events, and what the quote token is.

    Parameters
    ----------
    chain_id
        Of its chain.
    contracts
        IndexFeed, Registry, Clearinghouse, Liquidator.
    quote
        Address of the quote token.
    quote_scale
        [wad] per unit of it.
    """

    chain_id: int
    contracts: tuple[Contract, ...]
    quote: int
    quote_scale: int

    @classmethod
    def of(cls, system: System) -> Deployed:
        """Of a deployment that one can ask."""
        scale = 10 ** (MAX_DECIMALS - int(system.quote.call("decimals")))
        contracts = tuple(getattr(system, key) for key in SOURCES)
        return cls(system.chain.chain_id, contracts, int(system.quote.address, 16), scale)

    @property
    def addresses(self) -> list[str]:
        """Whose events are asked for."""
        return [contract.address for contract in self.contracts]

    @property
    def name(self) -> str:
        """What tells it from other deployments."""
        return f"{self.chain_id}:{':'.join(self.addresses)}"


def named_accounts(contracts: Sequence[Contract]) -> dict[tuple[str, str], tuple[str, ...]]:
    """By contract and event: the fields that name an account. An address of the same name (`to`) is none."""
    return {
        (contract.name, entry["name"]): tuple(
            part["name"] for part in entry["inputs"] if part["type"] == "uint256" and part["name"] in ROLES
        )
        for contract in contracts
        for entry in contract.artifact.abi
        if entry["type"] == "event"
    }


class LogReader:
    """Decodes the events of some contracts.

    Parameters
    ----------
    contracts
        Whose; each has its own artifact.
    """

    def __init__(self, contracts: Sequence[Contract]) -> None:
        self._decoders: dict[tuple[str, bytes], Decoder] = {}
        for contract in contracts:
            for entry in contract.artifact.abi:
                if entry["type"] == "event":
                    kind = EventType(entry)
                    self._decoders[contract.address, kind.topic] = decoder_of(contract.name, entry, kind)

    def read(self, logs: Iterable[Log]) -> list[tuple[int, Event]]:
        """Number of the block and event, in order; what no contract's ABI knows is left out."""
        found = []
        for log in logs:
            decode = self._decoders.get((log.address, log.topics[0])) if log.topics else None
            if decode is not None and log.block is not None:
                found.append((log.block, decode(log)))
        return found


def decoder_of(contract: str, entry: Mapping[str, Any], kind: EventType) -> Decoder:
    """What makes a log of one event kind the spec's event."""
    parts = entry["inputs"]
    if any(not _is_word(str(part["type"])) for part in parts):
        return lambda log: Event(contract, kind.name, {k: plain(v) for k, v in kind.decode(log)._asdict().items()})
    topics = [(part["name"], str(part["type"]).startswith("int")) for part in parts if part["indexed"]]
    words = [(part["name"], str(part["type"]).startswith("int")) for part in parts if not part["indexed"]]
    name = str(entry["name"])
    size = WORD * len(words)

    def decode(log: Log) -> Event:
        args = {}
        for (field, signed), topic in zip(topics, log.topics[1:], strict=True):
            args[field] = int.from_bytes(topic, "big", signed=signed)
        data = log.data
        if len(data) != size:
            raise AbiError(f"{contract}.{name} of {len(data)} bytes; {size} is right")
        at = 0
        for field, signed in words:
            args[field] = int.from_bytes(data[at : at + WORD], "big", signed=signed)
            at += WORD
        return Event(contract, name, args)

    return decode


def _is_word(name: str) -> bool:
    return not name.endswith("]") and (name == "address" or name.startswith(("uint", "int")))


def plain(value: Any) -> Any:
    """A decoded value as the spec has it: addresses are integers, structs and arrays tuples."""
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    if isinstance(value, str) and value.startswith("0x") and len(value) == ADDRESS_DIGITS:
        return int(value, 16)
    return value

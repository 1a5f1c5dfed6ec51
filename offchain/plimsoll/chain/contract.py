"""A deployed contract: arguments in, values out, by its ABI.

Arguments go through eth-abi, which checks that they fit, or past it where each is a single word. Outputs take a
decoder of our own that knows a handful of types, because a keeper reads thousands of words a round; a test holds it to
eth-abi's.

A struct comes back as a named tuple, and goes in as a named tuple, a tuple, a dict or a dataclass.
"""

from __future__ import annotations

import dataclasses
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import EncodingError
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak

from plimsoll.chain.artifacts import Artifact
from plimsoll.chain.errors import AbiError
from plimsoll.chain.protocol import Call, Chain, Log, Receipt
from plimsoll.spec.errors import Refused

WORD: Final = 32
Decoder = Callable[[bytes, int], Any]


class Event(NamedTuple):
    """A decoded event: `args` is a named tuple of its fields."""

    contract: str  # the artifact's name
    address: str
    name: str
    args: Any


class _Type(NamedTuple):
    """A decoder with what its place in a tuple needs to know."""

    dynamic: bool
    size: int  # [bytes] of its head
    decode: Decoder  # (data, position) -> value; the position is of the value itself, past any offset


@cache
def _tuple_class(names: tuple[str, ...], title: str) -> Any:
    """One named tuple class for each set of names, so that equal structs compare equal and pickle-free."""
    return namedtuple(title, names, rename=True)  # noqa: PYI024 - the names are the ABI's


def _type_name(entry: Mapping[str, Any]) -> str:
    """The canonical type of an ABI entry: tuples spelt out."""
    name = str(entry["type"])
    if name.startswith("tuple"):
        return f"({','.join(_type_name(part) for part in entry['components'])}){name[5:]}"
    return name


def _uint(data: bytes, at: int) -> int:
    if at + WORD > len(data):
        raise AbiError(f"output of {len(data)} bytes ends before byte {at + WORD}")
    return int.from_bytes(data[at : at + WORD], "big")


def _int(data: bytes, at: int) -> int:
    value = _uint(data, at)
    return value - 2**256 if value >> 255 else value


def _bool(data: bytes, at: int) -> bool:
    return _uint(data, at) != 0


def _address(data: bytes, at: int) -> str:
    return to_checksum_address(data[at + 12 : at + WORD])


def _bytes(data: bytes, at: int) -> bytes:
    length = _uint(data, at)
    return data[at + WORD : at + WORD + length]


def _string(data: bytes, at: int) -> str:
    return _bytes(data, at).decode()


def _sequence(items: Sequence[_Type], build: Callable[[Iterator[Any]], Any]) -> _Type:
    """A tuple, or a fixed array: heads in a row, tails where offsets say."""
    dynamic = any(item.dynamic for item in items)
    places: list[tuple[int, bool, Decoder]] = []
    at = 0
    for item in items:
        places.append((at, item.dynamic, item.decode))
        at += WORD if item.dynamic else item.size

    def decode(data: bytes, start: int) -> Any:
        return build(
            read(data, start + _uint(data, start + place) if far else start + place) for place, far, read in places
        )

    return _Type(dynamic, WORD if dynamic else at, decode)


def _array(item: _Type) -> _Type:
    if not item.dynamic and item.decode is _uint:

        def words(data: bytes, start: int) -> tuple[int, ...]:
            count = _uint(data, start)
            first = start + WORD
            if first + count * WORD > len(data):
                raise AbiError(f"array of {count} words in {len(data)} bytes")
            return tuple(int.from_bytes(data[k : k + WORD], "big") for k in range(first, first + count * WORD, WORD))

        return _Type(dynamic=True, size=WORD, decode=words)

    def decode(data: bytes, start: int) -> tuple[Any, ...]:
        count = _uint(data, start)
        first = start + WORD
        if count * (WORD if item.dynamic else item.size) > len(data):
            raise AbiError(f"array of {count} items in {len(data)} bytes")
        if item.dynamic:
            return tuple(item.decode(data, first + _uint(data, first + k * WORD)) for k in range(count))
        return tuple(item.decode(data, first + k * item.size) for k in range(count))

    return _Type(dynamic=True, size=WORD, decode=decode)


def _decoder(entry: Mapping[str, Any]) -> _Type:
    name = str(entry["type"])
    if name.endswith("]"):
        inner, _, count = name[:-1].rpartition("[")
        item = _decoder({**entry, "type": inner})
        return _array(item) if not count else _sequence([item] * int(count), tuple)
    if name == "tuple":
        parts = entry["components"]
        return _sequence([_decoder(part) for part in parts], _builder(parts, str(entry.get("name") or "Struct")))
    if name.startswith("uint"):
        return _Type(dynamic=False, size=WORD, decode=_uint)
    if name.startswith("int"):
        return _Type(dynamic=False, size=WORD, decode=_int)
    if name == "bool":
        return _Type(dynamic=False, size=WORD, decode=_bool)
    if name == "address":
        return _Type(dynamic=False, size=WORD, decode=_address)
    if name == "bytes":
        return _Type(dynamic=True, size=WORD, decode=_bytes)
    if name == "string":
        return _Type(dynamic=True, size=WORD, decode=_string)
    if name.startswith("bytes"):
        width = int(name[5:])
        return _Type(dynamic=False, size=WORD, decode=lambda data, at: data[at : at + width])
    raise AbiError(f"type {name} is not known here")


def _builder(parts: Sequence[Mapping[str, Any]], title: str) -> Callable[[Iterator[Any]], Any]:
    if not any(part.get("name") for part in parts):
        return tuple
    names = tuple(str(part.get("name") or f"_{k}") for k, part in enumerate(parts))
    made = _tuple_class(names, title if title.isidentifier() else "Struct")
    return made._make  # type: ignore[no-any-return]


def _plain(value: Any, entry: Mapping[str, Any]) -> Any:
    """An argument as eth-abi wants it: structs as tuples, in the ABI's order."""
    name = str(entry["type"])
    if name.endswith("]"):
        inner = {**entry, "type": name[: name.rindex("[")]}
        return [_plain(item, inner) for item in value] if inner["type"].startswith("tuple") else list(value)
    if name != "tuple":
        return value
    parts = entry["components"]
    if isinstance(value, Mapping):
        return tuple(_plain(value[part["name"]], part) for part in parts)
    if dataclasses.is_dataclass(value):
        return tuple(_plain(getattr(value, part["name"]), part) for part in parts)
    return tuple(_plain(item, part) for item, part in zip(value, parts, strict=True))


def _word_encoder(name: str) -> Callable[[Any], bytes] | None:
    """Encoder of a type that is one word, checked as eth-abi checks it; None for other types."""
    if name.startswith(("uint", "int")) and not name.endswith("]"):
        signed = name.startswith("int")
        bits = int(name.lstrip("uint"))
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)

        def number(value: Any) -> bytes:
            if type(value) is not int or not low <= value <= high:
                raise ValueError(f"{value!r} is no {name}")
            return value.to_bytes(WORD, "big", signed=signed)

        return number
    if name == "address":
        return lambda value: bytes(12) + to_canonical_address(value)
    return None


class Function:
    """One function of an ABI: encodes its calldata, decodes its output."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.name: str = entry.get("name", "__init__")
        self.inputs: list[Mapping[str, Any]] = list(entry["inputs"])
        self.types = [_type_name(part) for part in self.inputs]
        self.signature = f"{self.name}({','.join(self.types)})"
        self.selector = keccak(text=self.signature)[:4]
        words = [_word_encoder(name) for name in self.types]
        self._words = [encoder for encoder in words if encoder is not None]
        self._is_fast = len(self._words) == len(words)  # every argument is one word
        outputs = entry.get("outputs", [])
        self._single = len(outputs) == 1
        self._output = _sequence([_decoder(part) for part in outputs], _builder(outputs, self.name))

    def encode(self, args: Sequence[Any], *, selector: bool = True) -> bytes:
        """Calldata.

        Raises
        ------
        AbiError
            Where the arguments do not fit.
        """
        try:
            if self._is_fast:
                data = b"".join([encoder(value) for encoder, value in zip(self._words, args, strict=True)])
                return self.selector + data if selector else data
            plain = [_plain(value, entry) for value, entry in zip(args, self.inputs, strict=True)]
            data = abi_encode(self.types, plain)
        except (EncodingError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise AbiError(f"{self.signature}: {error}") from error
        return self.selector + data if selector else data

    def decode(self, output: bytes) -> Any:
        """The output: one value, or a tuple of several (named where the ABI names them), or None.

        Raises
        ------
        AbiError
            Where the bytes are too few.
        """
        found = self._output.decode(output, 0)
        if self._single:
            return found[0]
        return found or None


class EventType:
    """One event of an ABI."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.name: str = entry["name"]
        self.topic = keccak(text=f"{self.name}({','.join(_type_name(part) for part in entry['inputs'])})")
        self._indexed = [bool(part["indexed"]) for part in entry["inputs"]]
        self._topics = [_decoder(part) for part in entry["inputs"] if part["indexed"]]
        self._data = _sequence([_decoder(part) for part in entry["inputs"] if not part["indexed"]], tuple)
        self._build = _builder(entry["inputs"], self.name)

    def decode(self, log: Log) -> Any:
        """The fields of a log of this event, a named tuple; an indexed dynamic field is its hash."""
        topics = iter(
            [
                topic if kind.dynamic else kind.decode(topic, 0)
                for kind, topic in zip(self._topics, log.topics[1:], strict=True)
            ]
        )
        data = iter(self._data.decode(log.data, 0))
        return self._build(next(topics) if indexed else next(data) for indexed in self._indexed)


class Interface:
    """The functions and events of an artifact, prepared once.

    Functions of one name (Vyper makes one for each default argument) are told apart by their number of arguments.
    """

    def __init__(self, name: str, abi: Sequence[Mapping[str, Any]]) -> None:
        self.name = name
        self.functions: dict[str, dict[int, Function]] = {}
        self.events: dict[bytes, EventType] = {}
        self.constructor = Function({"inputs": []})
        for entry in abi:
            if entry["type"] == "function":
                function = Function(entry)
                self.functions.setdefault(function.name, {})[len(function.inputs)] = function
            elif entry["type"] == "event":
                event = EventType(entry)
                self.events[event.topic] = event
            elif entry["type"] == "constructor":
                self.constructor = Function(entry)

    def function(self, name: str, count: int) -> Function:
        """The function of a name with `count` arguments.

        Raises
        ------
        AbiError
            Where there is none.
        """
        found = self.functions.get(name)
        if found is None:
            raise AbiError(f"{self.name} has no function {name}")
        if count not in found:
            raise AbiError(f"{self.name}.{name} takes {' or '.join(map(str, sorted(found)))} arguments, not {count}")
        return found[count]


_INTERFACES: dict[str, tuple[Artifact, Interface]] = {}


def interface_of(artifact: Artifact) -> Interface:
    """The interface of an artifact, made once for each."""
    kept = _INTERFACES.get(artifact.name)
    if kept is None or kept[0] is not artifact:
        kept = (artifact, Interface(artifact.name, artifact.abi))
        _INTERFACES[artifact.name] = kept
    return kept[1]


class Contract:
    """A contract at an address on a chain.

    `call` reads, `transact` writes, `request` is a read for a batch. All three raise `Refused` with the reason of a
    revert and AbiError where arguments do not fit.
    """

    def __init__(self, chain: Chain, address: str, artifact: Artifact) -> None:
        self.chain = chain
        self.address = to_checksum_address(address)
        self.artifact = artifact
        self.interface = interface_of(artifact)

    def __repr__(self) -> str:
        return f"<{self.interface.name} at {self.address}>"

    @property
    def name(self) -> str:
        """Name of the artifact."""
        return self.interface.name

    def call(self, name: str, *args: Any, sender: str | None = None) -> Any:
        """Read: the decoded output of a function, nothing changed."""
        function = self.interface.function(name, len(args))
        return function.decode(self.chain.call(self.address, function.encode(args), sender=sender))

    def transact(self, name: str, *args: Any, sender: str, value: int = 0) -> Receipt:
        """Write: one mined transaction; `value` in wei."""
        function = self.interface.function(name, len(args))
        return self.chain.transact(self.address, function.encode(args), sender=sender, value=value)

    def request(self, name: str, *args: Any) -> tuple[Call, Function]:
        """A read to be batched by `batch`."""
        function = self.interface.function(name, len(args))
        return Call(self.address, function.encode(args)), function

    def encode(self, name: str, *args: Any) -> bytes:
        """Calldata of a function."""
        return self.interface.function(name, len(args)).encode(args)

    def decode(self, name: str, receipt: Receipt, count: int | None = None) -> Any:
        """What a transaction returned, where the chain tells (the embedded one does)."""
        counts = self.interface.functions.get(name, {})
        return self.interface.function(name, min(counts) if count is None else count).decode(receipt.output)

    def events(self, receipt: Receipt, name: str | None = None) -> list[Event]:
        """Events that this contract emitted in a transaction, in order; those of one name where it is given."""
        return events_of(receipt.logs, [self], name)

    def decode_log(self, log: Log) -> Event | None:
        """The event in a log of this contract; None where it is another's."""
        if log.address != self.address or not log.topics:
            return None
        found = self.interface.events.get(log.topics[0])
        return None if found is None else Event(self.name, self.address, found.name, found.decode(log))


def batch(chain: Chain, requests: Sequence[tuple[Call, Function]]) -> list[Any]:
    """The decoded outputs of several reads at one state; a read that reverts gives its `Refused`."""
    outputs = chain.call_many([call for call, _ in requests])
    return [
        output if isinstance(output, Refused) else function.decode(output)
        for output, (_, function) in zip(outputs, requests, strict=True)
    ]


def events_of(logs: Sequence[Log], contracts: Sequence[Contract], name: str | None = None) -> list[Event]:
    """The events in logs that the given contracts emitted, in order."""
    known: dict[str, Contract] = {contract.address: contract for contract in contracts}
    found = []
    for log in logs:
        contract = known.get(log.address)
        event = contract.decode_log(log) if contract is not None else None
        if event is not None and (name is None or event.name == name):
            found.append(event)
    return found


def deploy(chain: Chain, artifact: Artifact, *args: Any, sender: str) -> Contract:
    """Deploy an artifact with constructor arguments.

    Raises
    ------
    Refused
        Where the constructor reverts.
    AbiError
        Where the arguments do not fit it.
    """
    initcode = artifact.bytecode + interface_of(artifact).constructor.encode(args, selector=False)
    receipt = chain.deploy(initcode, sender=sender)
    if receipt.address is None:
        raise AbiError(f"{artifact.name}: the chain named no address")
    return Contract(chain, receipt.address, artifact)

"""Whole calls on bytecode, as bare as the EVM runs them: calldata in; returndata, revert data and logs out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, NamedTuple

from eth_utils.crypto import keccak

from plimsoll.chain.embedded import NOBODY, EmbeddedChain
from plimsoll.spec.errors import Refused
from plimsoll.spec.events import Event

ERROR = bytes.fromhex("08c379a0")  # Error(string)
REVERTED = re.compile(r"^Revert \{ gas_used: (\d+), output: 0x([0-9a-f]*)")
Log = tuple[str, tuple[bytes, ...], bytes]  # address, topics, data


class Answer(NamedTuple):
    """What a call came to."""

    data: bytes  # returned, or reverted with
    reverted: bool
    logs: tuple[Log, ...] = ()


class Bytecode:
    """The EVM of an embedded chain: calls that are undone, words that are put into storage first."""

    def __init__(self, chain: EmbeddedChain) -> None:
        self.evm = chain._evm
        self.gas = 0  # of every call so far

    def view(self, to: str, data: bytes, writes: Iterable[tuple[str, int, int]] = ()) -> Answer:
        """One call over a state in which these words (address, slot, value) were put; it leaves no trace but them."""
        evm = self.evm
        checkpoint = evm.snapshot()
        try:
            for address, slot, value in writes:
                evm.insert_account_storage(address, slot, value)
            return self.call(to, data)
        finally:
            evm.revert(checkpoint)

    def call(self, to: str, data: bytes, *, with_logs: bool = False) -> Answer:
        """One call on the state as it is; what it writes stays until the caller goes back.

        Raises
        ------
        RuntimeError
            Where it neither returns nor reverts: out of gas, an invalid instruction.
        """
        try:
            output = bytes(self.evm.message_call(NOBODY, to, data))
        except RuntimeError as error:
            found = REVERTED.match(str(error))
            if found is None:
                raise
            self.gas += int(found[1])
            return Answer(bytes.fromhex(found[2]), True)
        result: Any = self.evm.result
        self.gas += int(result.gas_used)
        logs = tuple(map(_bare, result.logs)) if with_logs else ()
        return Answer(output, False, logs)


def _bare(log: Any) -> Log:
    """A log as pyrevm has it, in bytes."""
    return log.address, tuple(log.data[0]), bytes(log.data[1])


def answer_of(ask: Any) -> Answer:
    """What a twin's function comes to, as the chain would say it."""
    try:
        return Answer(packed(ask()), False)
    except Refused as refused:
        return Answer(revert_data(refused.reason), True)


@cache
def revert_data(reason: str) -> bytes:
    """The bytes that a contract reverts with: Error(string), or nothing."""
    if not reason:
        return b""
    text = reason.encode()
    size = -(-len(text) // 32) * 32
    return ERROR + (32).to_bytes(32, "big") + len(text).to_bytes(32, "big") + text.ljust(size, b"\0")


def reason_of(answer: Answer) -> str | None:
    """Why a call was refused, in words where it said any; None where it was not."""
    if not answer.reverted:
        return None
    if answer.data[:4] != ERROR:
        return answer.data.hex()
    size = int.from_bytes(answer.data[36:68], "big")
    return answer.data[68 : 68 + size].decode(errors="replace")


def packed(value: Any) -> bytes:
    """Static values of any shape as the ABI has them: numbers, booleans, bytes32, tuples and dataclasses of them."""
    if isinstance(value, int):
        return (value % 2**256).to_bytes(32, "big")
    if isinstance(value, bytes):
        return value
    if value is None:
        return b""
    if is_dataclass(value):
        return b"".join(packed(getattr(value, name)) for name in _names(value.__class__))
    return b"".join(map(packed, value))


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def raw_log(event: Event, address: str, entry: Mapping[str, Any]) -> Log:
    """An event of a twin as the chain logs it; `entry` is its ABI, whose fields are all of one word."""
    topics = [topic_of(event.name, tuple(part["type"] for part in entry["inputs"]))]
    data = b""
    for part in entry["inputs"]:
        word = packed(event.args[part["name"]])
        if part["indexed"]:
            topics.append(word)
        else:
            data += word
    return address, tuple(topics), data


@cache
def topic_of(name: str, types: tuple[str, ...]) -> bytes:
    """The first topic of an event."""
    return keccak(text=f"{name}({','.join(types)})")

"""What a chain must offer to the keeper and the simulations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

from eth_abi.abi import decode as abi_decode
from eth_abi.exceptions import DecodingError

from plimsoll.spec.errors import Refused

ERROR_STRING = bytes.fromhex("08c379a0")  # selector of Error(string), what a Vyper assert with a reason reverts with


@dataclass(frozen=True, slots=True)
class Log:
    """One event as the chain keeps it. Where it stands is no part of what it says: equal events are equal."""

    address: str  # checksummed
    topics: tuple[bytes, ...]
    data: bytes
    block: int | None = field(default=None, compare=False)  # its number; None where it is not told
    block_hash: bytes = field(default=b"", compare=False)  # empty where it is not told
    place: int | None = field(default=None, compare=False)  # its number within the block; None where it is not told


class Header(NamedTuple):
    """What tells one block from another that stands in its place."""

    number: int
    hash: bytes
    parent: bytes  # hash of the block before
    time: int  # [unix s]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of a transaction that did not revert.

    `gas_used` is what the sender pays for: base cost, calldata, creation and refunds included.
    """

    gas_used: int
    logs: tuple[Log, ...]
    block: int
    time: int  # [unix s]
    output: bytes = b""  # what the call returned; empty behind a node, which does not tell
    address: str | None = None  # checksummed, of the contract that was created
    hash: str = ""  # of the transaction; empty on the embedded chain


@dataclass(frozen=True, slots=True)
class Call:
    """One view, for `call_many`."""

    to: str
    data: bytes


@runtime_checkable
class Chain(Protocol):
    """A chain one can read from and write to.

    `call`, `transact` and `deploy` raise `Refused(reason)` where the contract reverts, `Refused("")` where it reverts
    without a reason.
    """

    @property
    def chain_id(self) -> int:
        """The chain's id, as EIP-712 domains carry it."""

    @property
    def now(self) -> int:
        """Timestamp that the next call or transaction sees [unix s]; on a node, that of the latest block."""

    @property
    def block(self) -> int:
        """Number of the latest block."""

    def call(self, to: str, data: bytes, *, sender: str | None = None) -> bytes:
        """The output of a view; nothing of the state changes."""

    def call_many(self, calls: Sequence[Call]) -> list[bytes | Refused]:
        """The outputs of several views at one state, in order; a view that reverts gives its `Refused`."""

    def transact(self, to: str, data: bytes, *, sender: str, value: int = 0) -> Receipt:
        """One mined transaction."""

    def deploy(self, initcode: bytes, *, sender: str) -> Receipt:
        """One mined creation; the receipt's `address` is the contract."""

    def logs(self, addresses: Sequence[str], first: int, last: int | None = None) -> list[Log]:
        """Events of some contracts in blocks `first` .. `last` (the latest where not given), in order."""

    def code(self, address: str) -> bytes:
        """The code at an address; empty where there is none."""

    def balance(self, address: str) -> int:
        """Native balance [wei]."""


@runtime_checkable
class HeaderChain(Chain, Protocol):
    """A chain whose blocks can be told from others that might stand in their place."""

    def headers(self, numbers: Sequence[int]) -> list[Header | None]:
        """Headers of blocks by their numbers, in order; None for one that the chain does not have (yet)."""


@runtime_checkable
class TimedChain(Chain, Protocol):
    """A chain whose clock and history one can turn: the embedded one, or a development node."""

    def advance(self, seconds: int) -> None:
        """Let time pass; what is called or mined next sees the new time."""

    def set_time(self, timestamp: int) -> None:
        """Set the clock, never back."""

    def snapshot(self) -> int:
        """A mark to come back to."""

    def revert(self, mark: int) -> None:
        """Back to a mark: state, time and block; the mark and all later ones are spent."""

    def set_balance(self, address: str, wei: int) -> None:
        """Give native balance."""


def revert_reason(output: bytes) -> str:
    """The reason in the output of a revert; empty where there is none (a bare `raise`, a failed clamp)."""
    if output[:4] != ERROR_STRING:
        return ""
    try:
        (reason,) = abi_decode(["string"], output[4:])
    except DecodingError:
        return ""
    return str(reason)

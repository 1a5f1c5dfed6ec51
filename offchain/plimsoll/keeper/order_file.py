"""Standing orders as their owners hand them in: files of JSON lines, which the operator's order desk appends to.

A line is one order and its signature, for one venue on one chain:

    {"chain": 1, "venue": "0x...", "signature": "0x...",
     "order": {"account": "0x...", "signer": "0x...", "instrument": "0x...", "quantity": "-2500000000000000000",
               "slack": 10000, "expires": 1798704000, "nonce": 7}}

The order's fields are those that are signed, in the contract's units. A number may be a text, decimal or 0x: most
readers of JSON round what is over 2**53. Names that are not known are refused, and what is signed is checked where it
is read, so that a line which can never be executed is named by its number on the day it is written, not on the day
that the account is called. A bad line stops no other.

A folder is every `*.json` and `*.jsonl` in it. A line that is taken out is forgotten; on chain it is cancelled only by
`cancel` or `cancel_below`. Where an order stands twice, the first line counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG
from typing import Annotated, Any, Final, NamedTuple

from eth_utils.address import is_checksum_address
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from plimsoll.keeper.errors import KeeperError
from plimsoll.market.plainfile import parse_json, wrong_fields
from plimsoll.spec.signed_orders import MAX_SIGNATURE_BYTES, recover
from plimsoll.spec.standing import MAX_SLACK, StandingOrder, digest
from plimsoll.spec.wad import MAX_QUANTITY

MAX_LINE: Final = 8_192  # bytes; a signature of the most bytes that the contract takes is a quarter of it
MAX_FILE: Final = 64 * 2**20  # bytes; some hundred thousand orders
AT_ONCE: Final = 500  # new lines checked in one go, a millisecond each: what calls and liquidates waits for it
SUFFIXES: Final = frozenset({".json", ".jsonl"})
_WHOLE: Final = re.compile(r"-?[0-9]{1,78}|0x[0-9a-fA-F]{1,64}")
_UNREAD: Final = (0, 0, 0)  # stamp of what is to be read again
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_HEX: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*")


class OrderLineError(KeeperError):
    """A line that is no standing order, or none that can be executed here."""


def _whole(given: Any) -> int:
    if type(given) is int:
        return given
    if isinstance(given, str) and _WHOLE.fullmatch(given):
        return int(given, 16 if given.startswith("0x") else 10)
    raise ValueError("a whole number is right, plain or as a text, decimal or 0x")


def _address(given: Any) -> str:
    if isinstance(given, str) and _ADDRESS.fullmatch(given):
        digits = given[2:]
        if digits in {digits.lower(), digits.upper()} or is_checksum_address(given):
            return given.lower()
    raise ValueError("an address is right; where it has capitals, with those of its checksum")


Whole = Annotated[int, BeforeValidator(_whole)]
Word = Annotated[Whole, Field(ge=0, lt=2**256)]
Address = Annotated[str, BeforeValidator(_address)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OrderFields(_Strict):
    """What is signed; units as in the contract."""

    account: Word
    signer: Address
    instrument: Annotated[Whole, Field(ge=0, lt=2**128)]
    quantity: Annotated[Whole, Field(ge=-MAX_QUANTITY, le=MAX_QUANTITY)]
    slack: Annotated[Whole, Field(ge=0, le=MAX_SLACK)]
    expires: Word
    nonce: Word

    @field_validator("quantity")
    @classmethod
    def _some(cls, quantity: int) -> int:
        if quantity == 0:
            raise ValueError("zero; above 0 buys back, under 0 sells off")
        return quantity


class OrderLine(_Strict):
    """One line."""

    chain: Annotated[Whole, Field(ge=0)]
    venue: Address
    order: OrderFields
    signature: str

    @field_validator("signature")
    @classmethod
    def _bytes(cls, signature: str) -> str:
        if not _HEX.fullmatch(signature) or len(signature) > 2 + 2 * MAX_SIGNATURE_BYTES:
            raise ValueError(f"0x and {MAX_SIGNATURE_BYTES} bytes at most are right")
        return signature


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """An order with its signature, and what the venue knows it by."""

    order: StandingOrder
    signature: bytes = field(repr=False)
    digest: bytes

    @property
    def ref(self) -> str:
        """What the journal knows it by."""
        return "0x" + self.digest.hex()


class BadLine(NamedTuple):
    """What cannot be used; line 0 is the file itself."""

    file: str
    line: int
    error: str


class _Read(NamedTuple):
    """A file as it was read: what tells it from a later one, and its lines by their hash."""

    stamp: tuple[int, int, int]
    lines: dict[bytes, SignedOrder | None]  # None: bad


def parse_line(raw: bytes, chain_id: int, venue: str, is_contract: Callable[[str], bool]) -> SignedOrder:
    """The order that a line holds.

    Parameters
    ----------
    raw
        The line.
    chain_id, venue
        Where orders are executed; the address of `StandingOrders`.
    is_contract
        Whether an address has code: then it may sign as a wallet does (ERC-1271), which only the chain can tell.

    Raises
    ------
    OrderLineError
        Naming every field that is wrong.
    """
    if len(raw) > MAX_LINE:
        raise OrderLineError(f"{len(raw)} bytes; {MAX_LINE} at most are right")
    try:
        line = OrderLine.model_validate(parse_json(raw))
    except ValidationError as error:
        raise OrderLineError(wrong_fields(error, "line")) from error
    except ValueError as error:
        raise OrderLineError(f"no JSON ({error})") from error
    if line.chain != chain_id:
        raise OrderLineError(f"chain: {line.chain}; {chain_id} is right here")
    if line.venue != venue.lower():
        raise OrderLineError(f"venue: {line.venue}; {venue} is right here")
    fields = line.order.model_dump()
    order = StandingOrder(**{**fields, "signer": int(line.order.signer, 16)})
    signature, message = bytes.fromhex(line.signature[2:]), digest(order, chain_id, venue)
    if (order.signer == 0 or recover(message, signature) != order.signer) and not is_contract(line.order.signer):
        raise OrderLineError(f"signature: not that of {line.order.signer} under this order for this venue and chain")
    return SignedOrder(order, signature, message)


class OrderFiles:
    """Orders in a file, or in the files of a folder, read anew where they changed.

    Parameters
    ----------
    path
        File or folder.
    chain_id, venue, is_contract
        As `parse_line`.
    """

    def __init__(self, path: Path, chain_id: int, venue: str, is_contract: Callable[[str], bool]) -> None:
        self.path = path
        self.chain_id = chain_id
        self.venue = venue
        self.is_contract = is_contract
        self.orders: dict[bytes, SignedOrder] = {}  # by digest
        self._files: dict[str, _Read] = {}
        self._unreadable: dict[str, str] = {}
        self._checked = 0  # new lines in this refresh

    def refresh(self) -> list[BadLine]:
        """Bring `orders` up to date, by `AT_ONCE` new lines at most; the next call goes on with the rest.

        Returns
        -------
        list of BadLine
            What cannot be used and was not told before.

        Raises
        ------
        NodeError
            Whether a signer is a contract cannot be learnt; the next call tries again.
        """
        bad: list[BadLine] = []
        files: dict[str, _Read] = {}
        self._checked = 0
        unreadable: dict[str, str] = {}
        try:
            paths = self._paths()
        except OSError as error:
            paths, unreadable[self.path.name] = [], error.strerror or str(error)
            if not isinstance(error, FileNotFoundError):
                files = dict(self._files)  # it may be there tomorrow: what was read stands
        for path in paths:
            try:
                files[path.name] = self._read(path, bad)
            except OSError as error:
                unreadable[path.name] = error.strerror or str(error)
                if path.name in self._files:
                    files[path.name] = self._files[path.name]
        bad += [BadLine(name, 0, why) for name, why in unreadable.items() if self._unreadable.get(name) != why]
        self._unreadable = unreadable
        if files != self._files:
            self._files = files
            self.orders = {}
            for read in files.values():
                for signed in filter(None, read.lines.values()):
                    self.orders.setdefault(signed.digest, signed)
        return bad

    def _paths(self) -> list[Path]:
        if not self.path.is_dir():
            self.path.stat()
            return [self.path]
        return sorted(path for path in self.path.iterdir() if path.suffix in SUFFIXES and not path.name.startswith("."))

    def _read(self, path: Path, bad: list[BadLine]) -> _Read:
        """A file's lines; those that were read before are not looked at again."""
        about = path.stat()
        stamp = about.st_ino, about.st_size, about.st_mtime_ns
        before = self._files.get(path.name, _Read(_UNREAD, {}))
        if before.stamp == stamp:
            return before
        if not S_ISREG(about.st_mode):
            raise OSError("no file")  # to open a pipe would wait for who writes to it
        if about.st_size > MAX_FILE:
            raise OSError(f"{about.st_size} bytes; {MAX_FILE} at most are right")
        found: dict[bytes, SignedOrder | None] = {}
        for number, raw in _lines(path.read_bytes()):
            key = sha256(raw).digest()
            if key in found:
                continue
            if key in before.lines:
                found[key] = before.lines[key]
                continue
            if self._checked == AT_ONCE:
                stamp = _UNREAD
                continue
            self._checked += 1
            try:
                found[key] = parse_line(raw, self.chain_id, self.venue, self.is_contract)
            except OrderLineError as error:
                found[key] = None
                bad.append(BadLine(path.name, number, str(error)))
        return _Read(stamp, found)


def _lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers, empty ones left out; so is a last one that somebody is still writing."""
    *whole, last = content.split(b"\n")
    for number, raw in enumerate(whole, 1):
        if raw.strip():
            yield number, raw.strip()
    if last.strip():
        try:
            parse_json(last)
        except ValueError:
            return
        yield len(whole) + 1, last.strip()

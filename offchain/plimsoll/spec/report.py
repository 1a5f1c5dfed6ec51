"""The report: what the engine says, as the EIP-712 message that risk nodes sign. Twin of `RiskOracle.digest`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from eth_utils.crypto import keccak

from plimsoll.spec.errors import FormatError
from plimsoll.spec.margin import ClassOffset, Params, Scalars
from plimsoll.spec.wad import PPM

REPORT_TYPE: Final = (
    b"Report(uint64 sequence,uint64 market_time,bool urgent,bytes32 model,bytes32 config,bytes32 snapshot,"
    b"bytes32[] surfaces,uint256[] scalars,uint256[] classes)"
)
DOMAIN_TYPE: Final = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
MIN_DEPTH: Final = 10**15  # [wad] keeps the concentration charge far from overflow
MAX_KAPPA: Final = 10 * PPM


@dataclass(frozen=True, slots=True)
class Report:
    """One posted report. `surfaces` are code hashes; `scalars` and `classes` packed words."""

    sequence: int
    market_time: int
    urgent: bool  # signed by the urgent quorum, and may go faster
    model: bytes
    config: bytes
    snapshot: bytes
    surfaces: tuple[bytes, ...]
    scalars: tuple[int, ...]
    classes: tuple[int, ...]


def _field(name: str, value: int, bits: int) -> int:
    if not 0 <= value < 2**bits:
        msg = f"{name} {value} does not fit u{bits}"
        raise FormatError(msg)
    return value


def pack_scalars(scalars: Scalars) -> int:
    """The posted word of one underlying's scalars."""
    word = 0
    for name, bits in (
        ("underlying", 16),
        ("depth", 96),
        ("kappa", 24),
        ("som", 24),
        ("im_factor", 24),
        ("volatility", 32),
        ("market", 24),
    ):
        word = word << bits | _field(name, getattr(scalars, name), bits)
    if not -(2**15) <= scalars.funding < 2**15:
        msg = f"funding {scalars.funding} does not fit int16"
        raise FormatError(msg)
    return word << 16 | scalars.funding & 0xFFFF


def unpack_scalars(word: int) -> Scalars:
    """Inverse of `pack_scalars`."""
    return Scalars(
        underlying=word >> 240,
        depth=word >> 144 & (2**96 - 1),
        kappa=word >> 120 & (2**24 - 1),
        som=word >> 96 & (2**24 - 1),
        im_factor=word >> 72 & (2**24 - 1),
        volatility=word >> 40 & (2**32 - 1),
        market=word >> 16 & (2**24 - 1),
        funding=(word & 0xFFFF ^ 0x8000) - 0x8000,
    )


def pack_class(offset: ClassOffset) -> int:
    """The posted word of one class."""
    return (
        _field("class", offset.klass, 8) << 248
        | _field("offset", offset.offset, 24) << 224
        | _field("cross_haircut", offset.cross_haircut, 24) << 200
    )


def unpack_class(word: int) -> ClassOffset:
    """Inverse of `pack_class`."""
    return ClassOffset(word >> 248, word >> 224 & (2**24 - 1), word >> 200 & (2**24 - 1))


def pack_rates(params: Params) -> int:
    """The governance word of rates."""
    word = 0
    for name, bits in (
        ("call_buffer", 24),
        ("move_gate", 24),
        ("max_age", 32),
        ("floor_rate", 24),
        ("min_share", 24),
        ("leg_cost", 96),
        ("max_funding", 16),
        ("widen", 16),
    ):
        word = word << bits | _field(name, getattr(params, name), bits)
    return word


def pack_floors(params: Params) -> int:
    """The governance word of gross floors."""
    word = 0
    for value in (*params.gross_base, *params.gross_slope):
        word = word << 24 | _field("gross floor", value, 24)
    return word << 64


def domain_separator(name: str, chain_id: int, contract: str) -> bytes:
    """EIP-712 domain separator, version "1"."""
    return keccak(
        keccak(DOMAIN_TYPE)
        + keccak(text=name)
        + keccak(b"1")
        + chain_id.to_bytes(32, "big")
        + bytes.fromhex(contract.removeprefix("0x")).rjust(32, b"\0")
    )


def typed_digest(separator: bytes, struct_hash: bytes) -> bytes:
    """EIP-712 digest of a struct hash under a domain."""
    return keccak(b"\x19\x01" + separator + struct_hash)


def struct_hash(report: Report) -> bytes:
    """EIP-712 struct hash of a report."""

    def words(values: tuple[int, ...]) -> bytes:
        return keccak(b"".join(v.to_bytes(32, "big") for v in values))

    return keccak(
        keccak(REPORT_TYPE)
        + report.sequence.to_bytes(32, "big")
        + report.market_time.to_bytes(32, "big")
        + int(report.urgent).to_bytes(32, "big")
        + report.model
        + report.config
        + report.snapshot
        + keccak(b"".join(report.surfaces))
        + words(report.scalars)
        + words(report.classes)
    )


def digest(report: Report, chain_id: int, oracle: str) -> bytes:
    """What a risk node signs for one report, one chain, one oracle."""
    return typed_digest(domain_separator("Plimsoll RiskOracle", chain_id, oracle), struct_hash(report))

"""The surface: risk arrays of one (underlying, expiry), as the code of a data contract.

Twin of `contracts/modules/surface.vy`.

    code = 0x00 | header (3 words) | rows (3 words each)

    header 0  version u8 | underlying u16 | expiry u40 | rows u16 | scale u8 | common u8 | time u40 | set_id u64
              | forward u32 | zero u24
    header 1  reference u128 [wad] | psr u32 [ppm] | vol_up u32 [ppm] | vol_down u32 [ppm]
              | 3 damps u8 [1e-2] | zero u8
    header 2  13 nodes int16 [1e-4 PSR] | 3 extremes u16 [1e-2 PSR]
    row 0     lanes 0..15, int16 each, lane 0 in the highest bits
    row 1     lanes 16..31
    row 2     kind u8 | strike u48 | mark u48 [1e-12 reference] | delta int24 [ppm] | gamma u32 [ppm per 1.00 move]
              | vega u24 [ppm of reference per 1.00 volatility] | theta int24 [1e-7 of reference per day]
              | gross u24 [ppm] | zero u24

A lane is the profit (+) or loss (-) of one long unit in `scale` x 1e-5 of the index price (scale 10: basis points).
The first `common` lanes mean the same scenario in every underlying. For a SPOT row `gross` is the collateral's
haircut. `forward` is the expiry's forward in 1e-9 of the index (1e9 where there is no expiry).
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import error, pack, unpack
from typing import Final

from plimsoll.spec.errors import FormatError

VERSION: Final = 1
LANES: Final = 32
HEADER_BYTES: Final = 96
ROW_BYTES: Final = 96
LANE_FORMAT: Final = f">{LANES}h"
SIGN_24: Final = 2**23
MASK_24: Final = 2**24 - 1
MAX_ROWS: Final = 250  # 1 + 96 + 250 * 96 = 24,097 bytes, under the 24,576 of a contract


@dataclass(frozen=True, slots=True)
class Row:
    """One instrument's risk array, mark, Greeks and gross charge (haircut for SPOT)."""

    kind: int
    strike: int
    lanes: tuple[int, ...]
    mark: int
    delta: int
    gamma: int
    vega: int
    theta: int
    gross: int


@dataclass(frozen=True, slots=True)
class Surface:
    """All rows of one (underlying, expiry) with the scenario set they were computed on."""

    underlying: int
    expiry: int
    scale: int
    common: int
    time: int
    set_id: int
    forward: int
    reference: int
    psr: int
    vol_up: int
    vol_down: int
    nodes: tuple[int, ...]
    extremes: tuple[int, ...]
    rows: tuple[Row, ...]
    damps: tuple[int, ...] = (60, 45, 33)


def _uint(name: str, value: int, bits: int) -> int:
    """`value`, where it fits an unsigned field; FormatError otherwise."""
    if not 0 <= value < 2**bits:
        msg = f"surface: {name} {value} does not fit u{bits}"
        raise FormatError(msg)
    return value


def _int(name: str, value: int, bits: int) -> int:
    """`value` in two's complement, where it fits a signed field; FormatError otherwise."""
    if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        msg = f"surface: {name} {value} does not fit int{bits}"
        raise FormatError(msg)
    return value & ((1 << bits) - 1)


def _signed(value: int, bits: int) -> int:
    return value - 2**bits if value >= 2 ** (bits - 1) else value


def _pack(fields: list[tuple[int, int]]) -> int:
    """Fields of (value, bits) behind each other, the first in the highest bits."""
    total = 0
    for value, bits in fields:
        total = total << bits | value
    return total


def encode_row(row: Row) -> bytes:
    """The 96 bytes of one row. Raises FormatError where a field does not fit."""
    if len(row.lanes) != LANES:
        msg = f"surface: {len(row.lanes)} lanes, a row has {LANES}"
        raise FormatError(msg)
    try:
        lanes = pack(LANE_FORMAT, *row.lanes)
    except error:  # the lane at fault by its value
        lanes = b"".join(_int("lane", lane, 16).to_bytes(2, "big") for lane in row.lanes)
    return lanes + _info(row).to_bytes(32, "big")


def _info(row: Row) -> int:
    """The third word. Raises FormatError where a field does not fit."""
    if (
        (row.kind | row.strike >> 40 | row.mark >> 40 | row.gamma >> 24 | row.vega >> 16 | row.gross >> 16) >> 8
        or not -SIGN_24 <= row.delta < SIGN_24
        or not -SIGN_24 <= row.theta < SIGN_24
    ):
        for name, value, bits in (
            ("kind", row.kind, 8),
            ("strike", row.strike, 48),
            ("mark", row.mark, 48),
            ("gamma", row.gamma, 32),
            ("vega", row.vega, 24),
            ("gross", row.gross, 24),
        ):
            _uint(name, value, bits)
        _int("delta", row.delta, 24)
        _int("theta", row.theta, 24)
    return (
        row.kind << 248
        | row.strike << 200
        | row.mark << 152
        | (row.delta & MASK_24) << 128
        | row.gamma << 96
        | row.vega << 72
        | (row.theta & MASK_24) << 48
        | row.gross << 24
    )


def encode(surface: Surface) -> bytes:
    """The code of the surface's data contract, leading STOP byte included."""
    if len(surface.rows) > MAX_ROWS:
        msg = f"surface: {len(surface.rows)} rows, at most {MAX_ROWS}"
        raise FormatError(msg)
    head0 = _pack(
        [
            (VERSION, 8),
            (_uint("underlying", surface.underlying, 16), 16),
            (_uint("expiry", surface.expiry, 40), 40),
            (len(surface.rows), 16),
            (_uint("scale", surface.scale, 8), 8),
            (_uint("common", surface.common, 8), 8),
            (_uint("time", surface.time, 40), 40),
            (_uint("set_id", surface.set_id, 64), 64),
            (_uint("forward", surface.forward, 32), 32),
            (0, 24),
        ]
    )
    head1 = _pack(
        [
            (_uint("reference", surface.reference, 128), 128),
            (_uint("psr", surface.psr, 32), 32),
            (_uint("vol_up", surface.vol_up, 32), 32),
            (_uint("vol_down", surface.vol_down, 32), 32),
            *((_uint("damp", damp, 8), 8) for damp in surface.damps),
            (0, 8),
        ]
    )
    if len(surface.nodes) != 13 or len(surface.extremes) != 3 or len(surface.damps) != 3:
        msg = "surface: a set has 13 nodes, 3 extremes and 3 damps"
        raise FormatError(msg)
    head2 = _pack(
        [(_int("node", node, 16), 16) for node in surface.nodes]
        + [(_uint("extreme", extreme, 16), 16) for extreme in surface.extremes]
    )
    header = b"".join(w.to_bytes(32, "big") for w in (head0, head1, head2))
    return b"\x00" + header + b"".join(encode_row(row) for row in surface.rows)


def decode_row(data: bytes) -> Row:
    """Inverse of `encode_row`."""
    info = int.from_bytes(data[64:96], "big")
    return Row(
        kind=info >> 248,
        strike=info >> 200 & (2**48 - 1),
        mark=info >> 152 & (2**48 - 1),
        delta=_signed(info >> 128 & (2**24 - 1), 24),
        gamma=info >> 96 & (2**32 - 1),
        vega=info >> 72 & (2**24 - 1),
        theta=_signed(info >> 48 & (2**24 - 1), 24),
        gross=info >> 24 & (2**24 - 1),
        lanes=unpack(LANE_FORMAT, data[:64]),
    )


def decode(code: bytes) -> Surface:
    """Inverse of `encode`. Raises FormatError on anything `encode` cannot have made."""
    if len(code) < 1 + HEADER_BYTES or code[0] != 0 or (len(code) - 1 - HEADER_BYTES) % ROW_BYTES:
        msg = f"surface: {len(code)} bytes are no surface"
        raise FormatError(msg)
    head0, head1, head2 = (int.from_bytes(code[1 + 32 * i : 33 + 32 * i], "big") for i in range(3))
    rows = head0 >> 176 & 0xFFFF
    if head0 >> 248 != VERSION or len(code) != 1 + HEADER_BYTES + ROW_BYTES * rows:
        msg = f"surface: version {head0 >> 248} with {rows} rows in {len(code)} bytes"
        raise FormatError(msg)
    start = 1 + HEADER_BYTES
    return Surface(
        underlying=head0 >> 232 & 0xFFFF,
        expiry=head0 >> 192 & (2**40 - 1),
        scale=head0 >> 168 & 0xFF,
        common=head0 >> 160 & 0xFF,
        time=head0 >> 120 & (2**40 - 1),
        set_id=head0 >> 56 & (2**64 - 1),
        forward=head0 >> 24 & (2**32 - 1),
        reference=head1 >> 128,
        psr=head1 >> 96 & (2**32 - 1),
        vol_up=head1 >> 64 & (2**32 - 1),
        vol_down=head1 >> 32 & (2**32 - 1),
        nodes=tuple(_signed(head2 >> (240 - 16 * k) & 0xFFFF, 16) for k in range(13)),
        extremes=tuple(head2 >> (32 - 16 * k) & 0xFFFF for k in range(3)),
        damps=tuple(head1 >> (24 - 8 * k) & 0xFF for k in range(3)),
        rows=tuple(decode_row(code[start + ROW_BYTES * i : start + ROW_BYTES * (i + 1)]) for i in range(rows)),
    )

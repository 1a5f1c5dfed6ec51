"""Instrument ids and position words. Twin of `contracts/modules/instruments.vy`.

id    (128 bit) = underlying u16 | expiry u40 | kind u8 | strike u48 | row u16
word  (256 bit) = quantity int128 | id u128

`underlying` is `class u8 | index u8`: the offset class of an underlying is its high byte, so the underlyings of a
class stand together in a sorted book. Collateral is a position of kind SPOT with expiry 0. Words of an account are
sorted by id, strictly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from plimsoll.spec.errors import FormatError

PERP: Final = 0
FUTURE: Final = 1
CALL: Final = 2
PUT: Final = 3
SPOT: Final = 4
KINDS: Final = (PERP, FUTURE, CALL, PUT, SPOT)

MAX_POSITIONS: Final = 127
WINDOW: Final = 1_800  # [s] before an expiry: what settles it is averaged, its gains fade out of margin
MASK_ID: Final = 2**128 - 1


@dataclass(frozen=True, order=True, slots=True)
class Instrument:
    """One listed instrument; `strike` in the strike unit of its underlying, `expiry` in unix seconds."""

    underlying: int
    expiry: int
    kind: int
    strike: int
    row: int

    def pack(self) -> int:
        """The id of this instrument [u128]."""
        if self.underlying >> 16 | self.expiry >> 40 | self.kind >> 8 | self.strike >> 48 | self.row >> 16:
            for name, value, bits in (  # which of them is at fault
                ("underlying", self.underlying, 16),
                ("expiry", self.expiry, 40),
                ("kind", self.kind, 8),
                ("strike", self.strike, 48),
                ("row", self.row, 16),
            ):
                if not 0 <= value < 2**bits:
                    msg = f"instrument: {name} {value} does not fit {bits} bits"
                    raise FormatError(msg)
        return self.underlying << 112 | self.expiry << 72 | self.kind << 64 | self.strike << 16 | self.row

    @property
    def is_option(self) -> bool:
        """Whether trades in it are paid in cash."""
        return self.kind in {CALL, PUT}


@lru_cache(maxsize=4_096)  # the same few ids, over and over
def unpack(instrument_id: int) -> Instrument:
    """The instrument behind an id."""
    return Instrument(
        underlying=instrument_id >> 112 & 0xFFFF,
        expiry=instrument_id >> 72 & 0xFFFFFFFFFF,
        kind=instrument_id >> 64 & 0xFF,
        strike=instrument_id >> 16 & 0xFFFFFFFFFFFF,
        row=instrument_id & 0xFFFF,
    )


def word(instrument_id: int, quantity: int) -> int:
    """A position word: `quantity` [wad, long +] of one instrument."""
    if not -(2**127) <= quantity < 2**127:
        msg = f"position: quantity {quantity} does not fit int128"
        raise FormatError(msg)
    return (quantity & (2**128 - 1)) << 128 | instrument_id


def quantity_of(position: int) -> int:
    """Signed quantity of a position word [wad]."""
    q = position >> 128
    return q - 2**128 if q >= 2**127 else q


def id_of(position: int) -> int:
    """Instrument id of a position word."""
    return position & MASK_ID

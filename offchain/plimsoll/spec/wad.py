"""Fixed-point arithmetic in exact integers, rounding named.

Twin of `contracts/modules/fixed.vy`. Python's `//` floors while the EVM's SDIV truncates, so no formula here uses a
bare `//` on something that may be negative: `div_floor` and `div_up` say which way they go.
"""

from __future__ import annotations

from typing import Final

WAD: Final = 10**18
PPM: Final = 10**6  # every factor, haircut, offset and rate is in parts per million
MARK_UNIT: Final = 10**12  # a row's mark is in 1e-12 of the reference index price
FORWARD_UNIT: Final = 10**9  # a header's forward is in 1e-9 of the index price
LANE_UNIT: Final = 10**5  # lanes are summed in 1e-5 of the index price
HOUR: Final = 3_600  # [s]
DAY: Final = 86_400  # [s]
YEAR: Final = 365 * 86_400  # [s]

MAX_QUANTITY: Final = 10**27  # [wad] a billion contracts: what the overflow proofs rest on
MAX_PRICE: Final = 10**27  # [wad] a billion units of quote
MAX_LEDGER: Final = 10**36  # [wad] bound of |cash| and |linear|


def div_floor(numerator: int, denominator: int) -> int:
    """Quotient toward minus infinity. Down: against the account for what it owns."""
    if denominator <= 0:
        raise ZeroDivisionError(denominator)
    return numerator // denominator


def div_truncate(numerator: int, denominator: int) -> int:
    """Quotient toward zero, as the EVM's SDIV: for what one account pays another, and for reading."""
    quotient = div_floor(abs(numerator), denominator)
    return quotient if numerator >= 0 else -quotient


def div_up(numerator: int, denominator: int) -> int:
    """Quotient toward plus infinity. Up: against the account for what it must hold or pay."""
    if denominator <= 0:
        raise ZeroDivisionError(denominator)
    return -(-numerator // denominator)


def mul_div_down(a: int, b: int, denominator: int) -> int:
    """`a * b / denominator` toward minus infinity."""
    return div_floor(a * b, denominator)


def mul_div_up(a: int, b: int, denominator: int) -> int:
    """`a * b / denominator` toward plus infinity."""
    return div_up(a * b, denominator)

"""Gas of a report, before it is posted: a sum over what it holds.

The numbers are fitted to reports of many shapes that were posted on the embedded chain, base cost and calldata
included; `python -m tests.bench.report_gas` makes them anew and says how far off they are, and
`tests/bench/test_report_gas.py` holds them to `BAND` of what is used, on other shapes than those they were fitted to. A
change of the contracts moves them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from plimsoll.keeper.state import Held
from plimsoll.risk.engine import BuiltReport
from plimsoll.spec.instruments import CALL, PUT

BAND: Final = 0.05  # estimate and gas used differ by less than this share of it
SIGNATURES: Final = 3

COSTS: Final[Mapping[str, int]] = {
    "report": 98_970,
    "signature": 7_900,
    "store": 34_350,
    "surface": 133_310,
    "first surface": 8_320,
    "option": 26_200,
    "other row": 42_440,
    "underlying": 14_250,
    "first underlying": 63_000,
    "class": 3_350,
    "first class": 60_430,
}


def counts(built: BuiltReport, held: Held, signatures: int = SIGNATURES) -> dict[str, int]:
    """What a report holds, by the names of `COSTS`.

    Parameters
    ----------
    built
        The report.
    held
        What the chain holds: a slot that is written for the first time costs more.
    signatures
        Of how many signers.
    """
    kinds = {(s.underlying, s.expiry): [row.kind for row in s.rows] for s in built.surfaces}
    return {
        **counts_of(kinds, signatures),
        "first surface": sum(key not in held.surfaces for key in kinds),
        "underlying": len(built.scalars),
        "first underlying": sum(s.underlying not in held.scalars for s in built.scalars),
        "class": len(built.classes),
        "first class": sum(c.klass not in held.classes for c in built.classes),
    }


def counts_of(kinds: Mapping[tuple[int, int], Sequence[int]], signatures: int = SIGNATURES) -> dict[str, int]:
    """What a report of all that is listed holds, where every slot was written before: kinds of rows by surface."""
    rows = [kind for surface in kinds.values() for kind in surface]
    options = sum(kind in {CALL, PUT} for kind in rows)
    return {
        "report": 1,
        "signature": signatures,
        "store": max(0, len(kinds) - 1),  # a transaction each, the last surface goes with the post
        "surface": len(kinds),
        "option": options,
        "other row": len(rows) - options,
        "underlying": len({underlying for underlying, _ in kinds}),
        "class": len({underlying >> 8 for underlying, _ in kinds}),
    }


def estimate(built: BuiltReport, held: Held, signatures: int = SIGNATURES) -> int:
    """Gas of all transactions of a report, its stores and its post; parameters as `counts`."""
    return cost(counts(built, held, signatures))


def cost(numbers: Mapping[str, int]) -> int:
    """Gas of a report that holds so much of what `COSTS` names."""
    return sum(COSTS[name] * number for name, number in numbers.items())

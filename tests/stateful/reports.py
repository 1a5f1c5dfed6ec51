"""Reports that hold index, references, marks, funding and time still, and say more or less of the risk."""

from __future__ import annotations

from dataclasses import replace

from plimsoll.spec.margin import ClassOffset
from plimsoll.spec.report import pack_class
from plimsoll.spec.wad import PPM
from tests.pairs import Pair


def report_at_same_marks(pair: Pair, times: int) -> None:
    """Lanes and charges so many times what stands, offsets so many times less; marks and references as they are."""
    oracle = pair.twin.oracle
    surfaces = []
    references: dict[int, int] = {}
    for key in sorted(oracle.pointers):
        old = oracle.surface_at(oracle.pointers[key] >> 96)
        if references.setdefault(old.underlying, old.reference) != old.reference:
            continue  # one report has one reference of an underlying: what was posted at another stays
        rows = tuple(
            replace(
                row,
                lanes=tuple(max(-32_768, min(32_767, lane * times)) for lane in row.lanes),
                gross=min(2**24 - 1, row.gross * times),
            )
            for row in old.rows
        )
        surfaces.append(replace(old, rows=rows, time=pair.now, set_id=oracle.sequence + 1))
    pair.post(surfaces, [], [pack_class(ClassOffset(0, PPM // times, PPM // 2))])

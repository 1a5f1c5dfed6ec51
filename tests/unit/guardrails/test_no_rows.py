"""A surface of no rows: kept by no instrument, but checked and believed like any other."""

from dataclasses import replace

import pytest

from .test_check import honest, refuses, stores
from .yard import DAY, surfaces


@pytest.mark.parametrize("which", [0, 1])
def test_it_is_stored(yard, which):
    stores(yard, replace(honest()[which], rows=()))


def test_its_head_is_checked_all_the_same(yard):
    found = replace(honest()[0], rows=())
    refuses(yard, "guard: extremes malformed", replace(found, extremes=tuple(99 for _ in found.extremes)))


def test_a_report_of_it_is_believed_and_of_more_rows_after_it(yard):
    """What has no row has no mark to move from: an instrument that comes back is held as a new one."""
    pair = yard.pair
    yard.later(DAY)
    for is_bare in (True, False):
        made = [each for u, said in sorted(yard.said.items()) for each in surfaces(u, said, pair.now)]
        assert [len(each.rows) for each in made] == [2, 2, 3] or [len(each.rows) for each in made] == [2, 3, 2]
        if is_bare:
            made = [replace(each, rows=()) if each.expiry else each for each in made]
        pair.must("oracle", "post", *yard.report(made))
        assert pair.twin.oracle.sequence == 2 + (not is_bare)
        pair.compare([])
        yard.later(DAY)

"""A surface of no rows: kept by no instrument, but checked and believed like any other."""

from dataclasses import replace

import pytest

from .test_check import honest, refuses, stores


@pytest.mark.parametrize("which", [0, 1])
def test_it_is_stored(yard, which):
    stores(yard, replace(honest()[which], rows=()))


def test_its_head_is_checked_all_the_same(yard):
    found = replace(honest()[0], rows=())
    refuses(yard, "guard: extremes malformed", replace(found, extremes=tuple(99 for _ in found.extremes)))

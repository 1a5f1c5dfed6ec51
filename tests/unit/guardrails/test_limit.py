"""How far a scalar may go from what stands, in a time."""

from __future__ import annotations

import pytest

from plimsoll.spec.guardrails import UNLIMITED, Limit
from tests.unit.guardrails.yard import HOUR

LIMIT = Limit(100, 10_000, rise=500_000, fall=200_000)  # in an hour up by half, down by a fifth


@pytest.mark.parametrize(
    ("was", "seconds", "low", "high"),
    [
        (1_000, HOUR, 800, 1_500),
        (1_000, HOUR // 2, 900, 1_250),
        (1_000, 0, 1_000, 1_000),
        (1_001, 1, 1_001, 1_001),  # less than one is none
        (1_000, 10 * HOUR, 100, 6_000),  # no lower than the least
        (9_000, HOUR, 7_200, 10_000),
        (0, 0, 100, 10_000),  # from nothing the bounds alone count
    ],
)
def test_paces_within_bounds(was: int, seconds: int, low: int, high: int) -> None:
    assert LIMIT.reach(was, seconds) == (low, high)


@pytest.mark.parametrize("seconds", [0, 1, HOUR])
def test_where_a_side_has_no_pace_its_bound_counts_at_once(seconds: int) -> None:
    assert Limit(100, 10_000, rise=UNLIMITED, fall=0).reach(1_000, seconds) == (1_000, 10_000)
    assert Limit(100, 10_000, rise=0, fall=UNLIMITED).reach(1_000, seconds) == (100, 1_000)


@pytest.mark.parametrize(("value", "found"), [(700, 800), (800, 800), (1_200, 1_200), (1_500, 1_500), (1_501, 1_500)])
def test_what_is_wanted_is_held_to_the_reach(value: int, found: int) -> None:
    assert LIMIT.clamp(value, 1_000, HOUR) == found


def test_from_outside_narrowed_bounds_it_goes_to_the_nearest() -> None:
    assert LIMIT.clamp(5_000, 20_000, HOUR) == 10_000
    assert LIMIT.clamp(5_000, 10, HOUR) == 100

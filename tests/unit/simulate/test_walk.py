"""Prices on their way through bars."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.market.bars import Bars, Step
from plimsoll.simulate.errors import SimulationError
from plimsoll.simulate.walk import Point, between, merge, per_leg_for, steps_of

DAY = 86_400


def bars(rows):
    o, h, lo, c = np.array(rows, dtype=float).T
    return Bars(np.arange(len(rows), dtype=np.int64) * DAY, o, h, lo, c, np.zeros(len(rows)), DAY)


def test_a_bar_is_walked_through_its_extremes():
    walk = steps_of(bars([(1, 1, 1, 1), (10, 12, 8, 11)]), 1, 2, 1)
    assert [step.price for step in walk] == [10, 8, 12, 11]
    assert all(DAY <= step.time < 2 * DAY for step in walk)


def test_a_bar_of_one_price_is_walked_from_the_close_before():
    walk = steps_of(bars([(10, 10, 10, 10), (16, 16, 16, 16)]), 1, 2, 1)
    assert [step.price for step in walk] == [10, 12, 14, 16]


def test_a_replay_needs_a_bar_before_it():
    with pytest.raises(SimulationError, match="history"):
        steps_of(bars([(1, 1, 1, 1), (2, 2, 2, 2)]), 0, 1, 1)


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 50), st.floats(1, 100)), min_size=1, max_size=8, unique_by=lambda s: s[0]),
        min_size=1,
        max_size=3,
    )
)
def test_walks_on_one_clock_keep_the_latest_price_of_each(walks):
    ordered = {k: [Step(*s) for s in sorted(walk)] for k, walk in enumerate(walks)}
    points = merge(ordered, dict.fromkeys(ordered, 7.0))
    assert [p.time for p in points] == sorted({s.time for walk in ordered.values() for s in walk})
    for point in points:
        for k, walk in ordered.items():
            earlier = [s.price for s in walk if s.time <= point.time]
            assert point.prices[k] == (earlier[-1] if earlier else 7.0)


def test_between_is_a_straight_line():
    assert between(Point(0, {1: 10.0}), Point(10, {1: 20.0}), 5) == Point(5, {1: 15.0})


@pytest.mark.parametrize(("count", "per_leg"), [(1, 4), (84, 2), (200, 1), (5_000, 1)])
def test_steps_are_about_as_many_as_a_replay_should_take(count, per_leg):
    assert per_leg_for(count) == per_leg

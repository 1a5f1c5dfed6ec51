"""A model that watches itself: Basel's table on its own exceptions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.backtest.coverage import multiplier
from plimsoll.risk.watch import exceptions, raised, watched

DAY, HOUR = 86_400, 3_600


def windows(days, per_day=24, bad=(), quantile=2.0):
    """Residuals one an hour from midnight, over the quantile at the windows that `bad` names."""
    time = np.arange(days * per_day) * (DAY // per_day)
    residuals = np.ones(len(time))
    residuals[list(bad)] = quantile + 1
    return residuals, time


@pytest.mark.parametrize("count", range(12))
def test_it_is_the_table_that_back_tests_use(count):
    assert raised(count) == pytest.approx(multiplier(count))


def test_windows_from_midnight_count_and_no_others():
    residuals, time = windows(300, bad=[24 * d for d in (60, 100, 200, 290)] + [24 * d + 5 for d in (61, 62, 63)])
    assert exceptions(residuals, time, 2.0, 0.99) == 4
    assert exceptions(residuals, time, 2.0, 0.99, windows=9) == 0
    old, time = windows(400, bad=[24 * d for d in range(100)])
    assert exceptions(old, time, 2.0, 0.99) == 0
    assert exceptions(residuals, time[: len(residuals)], 2.0, 0.99, windows=0) == 0
    assert exceptions(np.empty(0), np.empty(0, dtype=int), 2.0, 0.99) == 0


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=400), st.integers(1, 300), st.sampled_from((HOUR, 8 * HOUR, DAY))
)
def test_the_last_days_are_found_over_nights_and_holidays(steps, count, interval):
    time = np.cumsum(np.array(steps)) * interval
    first_of = {day: at for at, day in reversed(list(enumerate((time // DAY).tolist())))}
    bad = sorted(first_of.values())[-count:]
    residuals = np.zeros(len(time))
    residuals[bad] = 1.0
    assert exceptions(residuals, time, 0.5, 0.99, windows=count) == int(len(bad) * 250 / max(len(bad), 250))
    residuals[:] = 1.0
    residuals[bad] = 0.0
    assert exceptions(residuals, time, 0.5, 0.99, windows=count) == 0


def test_a_year_of_minutes_is_looked_through_as_far_as_it_takes():
    residuals, time = windows(300, per_day=1_440, bad=[1_440 * d for d in (49, 50, 299)])
    assert exceptions(residuals, time, 2.0, 0.99) == 2


def test_another_level_is_scaled_to_the_tables():
    residuals, time = windows(250, per_day=1, bad=range(0, 250, 10))
    assert exceptions(residuals, time, 2.0, 0.99) == 25
    assert exceptions(residuals, time, 2.0, 0.975) == 10
    assert exceptions(residuals, time, 2.0, 0.90) == 2


@given(st.floats(0.001, 1), st.floats(0.001, 1), st.integers(0, 20))
def test_nothing_is_lowered_and_nothing_raised_past_the_long_run(now, usual, count):
    found = float(watched(now, usual, raised(count)))
    assert now <= found <= max(now, usual)
    assert found <= now * raised(count)
    if now >= usual or count < 5:
        assert found == now


@given(st.integers(0, 250), st.integers(0, 250))
def test_more_exceptions_never_ask_less(one, other):
    assert (raised(one) <= raised(other)) == (one <= other) or raised(one) == raised(other)

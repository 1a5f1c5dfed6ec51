import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.market.bars import Bars, interval_of
from plimsoll.market.errors import (
    DuplicateTimesError,
    EmptyRangeError,
    MalformedFileError,
    MissingPriceError,
    NonPositivePriceError,
    UnsortedTimesError,
)


def bars(time, open_, high, low, close, interval=60):
    columns = [np.array(x, dtype=np.float64) for x in (open_, high, low, close)]
    return Bars(np.array(time, dtype=np.int64), *columns, np.ones(len(time)), interval)


def flat(time, price, interval=60):
    return bars(time, price, price, price, price, interval)


def test_walk_of_a_rising_bar_meets_the_low_first():
    walk = bars([600], [10], [15], [8], [12]).substeps(0)
    assert [step.price for step in walk] == [10, 8, 15, 12]
    assert walk[0].time == 600
    assert walk[-1].time == 659


def test_walk_of_a_falling_bar_meets_the_high_first():
    walk = bars([600], [12], [15], [8], [10]).substeps(0)
    assert [step.price for step in walk] == [12, 15, 8, 10]


def test_unchanged_counts_as_rising():
    assert [s.price for s in bars([0], [10], [11], [9], [10]).substeps(0)] == [10, 9, 11, 10]


def test_walk_in_smaller_steps():
    walk = bars([0], [10], [16], [8], [12], 3601).substeps(0, per_leg=2)
    assert [s.price for s in walk] == [10, 9, 8, 12, 16, 14, 12]
    assert [s.time for s in walk] == [0, 600, 1200, 1800, 2400, 3000, 3600]
    with pytest.raises(MalformedFileError, match="steps a leg"):
        flat([0], [1]).substeps(0, 0)


@given(
    st.lists(st.floats(0.01, 1e6), min_size=4, max_size=4),
    st.integers(1, 50),
    st.integers(60, 86_400),
)
def test_walk_stays_inside_the_bar(prices, per_leg, interval):
    open_, close = prices[:2]
    one = bars([1000], [open_], [max(prices)], [min(prices)], [close], interval)
    walk = one.substeps(0, per_leg)
    assert len(walk) == 1 + 3 * per_leg
    assert walk[0].price == open_
    assert walk[-1].price == close
    assert {min(prices), max(prices)} <= {step.price for step in walk}
    assert all(min(prices) * (1 - 1e-12) <= step.price <= max(prices) * (1 + 1e-12) for step in walk)
    times = [step.time for step in walk]
    assert times == sorted(times)
    assert times[0] == 1000
    assert times[-1] < 1000 + interval


def test_slicing():
    whole = flat([0, 60, 120], [1, 2, 3])
    assert whole.between(60).close.tolist() == [2, 3]
    assert whole.between(None, 60).close.tolist() == [1]
    assert whole.between(1, 61).close.tolist() == [2]
    with pytest.raises(EmptyRangeError, match=r"a range that meets 0 \.\. 120"):
        whole.between(121)


def test_a_bar_is_known_once_it_has_closed():
    whole = flat([0, 60], [1, 2])
    assert whole.known_at(119).close.tolist() == [1]
    assert whole.known_at(120).close.tolist() == [1, 2]
    with pytest.raises(EmptyRangeError):
        whole.known_at(59)


def test_resampling():
    whole = bars([0, 60, 180, 240], [1, 2, 3, 4], [5, 9, 6, 7], [1, 1, 0.5, 2], [2, 3, 4, 6])
    longer = whole.resample(180)
    assert longer.time.tolist() == [0, 180]
    assert longer.open.tolist() == [1, 3]
    assert longer.high.tolist() == [9, 7]
    assert longer.low.tolist() == [1, 0.5]
    assert longer.close.tolist() == [3, 6]
    assert longer.volume.tolist() == [2, 2]
    with pytest.raises(MalformedFileError, match="a multiple"):
        whole.resample(90)


def test_bars_a_year():
    day = 86_400
    assert flat([day * i for i in range(100)], np.ones(100), day).per_year == 365
    weekdays = [day * i for i in range(7 * 52) if i % 7 < 5]
    assert flat(weekdays, np.ones(len(weekdays)), day).per_year == pytest.approx(261, abs=2)
    assert flat([0], [1], 3600).per_year == 8760


def test_returns_are_logarithmic():
    assert flat([0, 60], [1, np.e]).returns() == pytest.approx([1])


def test_columns_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        flat([0], [1]).close[0] = 2


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: flat([], []), EmptyRangeError),
        (lambda: flat([0, 0], [1, 1]), DuplicateTimesError),
        (lambda: flat([60, 0], [1, 1]), UnsortedTimesError),
        (lambda: flat([0], [np.nan]), MissingPriceError),
        (lambda: flat([0], [0]), NonPositivePriceError),
        (lambda: flat([0], [1], 0), MalformedFileError),
        (lambda: bars([0, 60], [1], [1], [1], [1]), MalformedFileError),
    ],
)
def test_refuses(make, error):
    with pytest.raises(error):
        make()


def test_interval_is_the_most_common_distance():
    assert interval_of(np.array([0, 60, 120, 300, 360])) == 60
    assert interval_of(np.array([0, 60, 180])) == 60
    assert interval_of(np.array([5])) == 86_400

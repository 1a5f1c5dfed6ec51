"""Range estimators on bars of Brownian motion, whose variance is known, and whose extremes are drawn exactly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.market.bars import Bars
from plimsoll.risk.errors import ModelError, TooFewObservationsError
from plimsoll.risk.ranges import ESTIMATORS, gaps, range_variance, rolling, yang_zhang

HOUR = 3_600
SIGMA = 0.02
STEPS = 48


def brownian(count, seed, *, drift=0.0, gap=0.0, sigma=SIGMA):
    """Bars of Brownian motion with `drift` a bar, and a normal gap of `gap` before each.

    Between two steps the path is a bridge, whose highest and lowest point are drawn from their own laws: so a bar's
    extremes are those of a price that is watched all the time.
    """
    source = np.random.default_rng(seed)
    small = sigma**2 / STEPS
    moves = drift / STEPS + np.sqrt(small) * source.standard_normal((count, STEPS))
    path = np.concatenate((np.zeros((count, 1)), np.cumsum(moves, axis=1)), axis=1)
    before, after = path[:, :-1], path[:, 1:]
    middle, distance = before + after, np.square(after - before)
    high = (middle + np.sqrt(distance - 2 * small * np.log(1 - source.random(moves.shape)))) / 2
    low = (middle - np.sqrt(distance - 2 * small * np.log(1 - source.random(moves.shape)))) / 2
    jump = gap * source.standard_normal(count)
    jump[0] = 0
    start = np.cumsum(np.concatenate(([0.0], path[:-1, -1]))) + np.cumsum(jump)
    return Bars(
        np.arange(count) * HOUR,
        np.exp(start),
        np.exp(start + high.max(axis=1)),
        np.exp(start + low.min(axis=1)),
        np.exp(start + path[:, -1]),
        np.zeros(count),
        HOUR,
        "Brownian",
    )


def windows(bars, window):
    """Yang-Zhang of windows that do not overlap."""
    return yang_zhang(bars, window)[window + 1 :: window]


@pytest.fixture(scope="module")
def calm():
    return brownian(20_000, 1)


@pytest.fixture(scope="module")
def drifting():
    """A drift of half a standard deviation a bar."""
    return brownian(20_000, 2, drift=SIGMA / 2)


def mean_in_errors(sample, true):
    """How many standard errors the sample's mean is off."""
    return (sample.mean() - true) / (sample.std() / np.sqrt(len(sample)))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_unbiased_without_drift(calm, name):
    assert abs(mean_in_errors(range_variance(calm, name), SIGMA**2)) < 4


def test_yang_zhang_is_unbiased_with_gaps():
    bars = brownian(20_000, 3, gap=0.7 * SIGMA)
    assert abs(mean_in_errors(windows(bars, 10), 1.49 * SIGMA**2)) < 4


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_others_see_gaps_too(name):
    bars = brownian(20_000, 4, gap=0.7 * SIGMA)
    assert abs(mean_in_errors(range_variance(bars, name), 1.49 * SIGMA**2)) < 4
    assert mean_in_errors(ESTIMATORS[name](bars), 1.49 * SIGMA**2) < -10


# variance of a squared return over that of the estimator: 4.9, 7.4 and 6.0 by the papers
@pytest.mark.parametrize(
    ("name", "low", "high"), [("parkinson", 4.5, 5.4), ("garman-klass", 6.8, 8.0), ("rogers-satchell", 5.5, 6.6)]
)
def test_as_efficient_as_the_papers_say(calm, name, low, high):
    squared = np.square(np.diff(np.log(np.append(1.0, calm.close))))
    assert low < np.var(squared) / np.var(range_variance(calm, name)) < high


def test_yang_zhang_is_efficient_where_there_are_gaps():
    """Against the sample variance of closes over the same windows; the paper's peak at n = 10 is 1 + 1 / k = 8.5."""
    bars = brownian(40_000, 5, gap=SIGMA / np.sqrt(3))
    window = 10
    moves = np.diff(np.log(bars.close))[: (len(bars) - 1) // window * window].reshape(-1, window)
    plain = moves.var(axis=1, ddof=1)
    assert np.var(plain) / np.var(windows(bars, window)) > 6.5


def test_a_drift_is_no_variance_to_two_of_them(drifting):
    assert abs(mean_in_errors(range_variance(drifting, "rogers-satchell"), SIGMA**2)) < 4
    assert abs(mean_in_errors(windows(drifting, 10), SIGMA**2)) < 4
    assert mean_in_errors(range_variance(drifting, "parkinson"), SIGMA**2) > 10
    assert mean_in_errors(range_variance(drifting, "garman-klass"), SIGMA**2) > 4


@given(st.floats(1e-3, 1e6), st.integers(0, 2**32 - 1))
def test_no_price_level_matters_and_none_is_negative(level, seed):
    bars = brownian(50, seed)
    other = Bars(
        bars.time, *(level * getattr(bars, x) for x in ("open", "high", "low", "close")), bars.volume, HOUR, "scaled"
    )
    for name in ESTIMATORS:
        found = range_variance(bars, name)
        assert np.all(found >= 0)
        assert range_variance(other, name) == pytest.approx(found, rel=1e-6, abs=1e-14)
    assert np.all(yang_zhang(bars, 5)[6:] > 0)


def test_yang_zhang_by_hand():
    """Over two bars with moves a, b and gaps g, h: variances (a - b)^2 / 2 and (g - h)^2 / 2, and k = 0.34 / 4.34."""
    logs = np.log([[100, 102, 99, 101], [102, 105, 101, 104], [103, 104, 100, 100.5]])
    bars = Bars(np.arange(3) * HOUR, *np.exp(logs).T.copy(), np.zeros(3), HOUR, "hand")
    opened, high, low, close = logs.T
    gap = opened[1:] - close[:-1]
    move = (close - opened)[1:]
    inner = ((high - opened) * (high - close) + (low - opened) * (low - close))[1:]
    k = 0.34 / 4.34
    wanted = (gap[0] - gap[1]) ** 2 / 2 + k * (move[0] - move[1]) ** 2 / 2 + (1 - k) * inner.mean()
    found = yang_zhang(bars, 2)
    assert np.isnan(found[:3]).all()
    assert found[3] == pytest.approx(wanted)


def test_what_is_known_before_a_bar_does_not_change_with_it(calm):
    whole = yang_zhang(calm, 24)
    part = yang_zhang(calm.take(slice(0, 500)), 24)
    assert np.array_equal(part, whole[:501], equal_nan=True)
    assert gaps(calm)[0] == 0


def test_bad_input_is_named(calm):
    with pytest.raises(ModelError, match="estimator 'close'; parkinson, garman-klass, rogers-satchell is right"):
        range_variance(calm, "close")
    with pytest.raises(ModelError, match="window 1; at least 2"):
        yang_zhang(calm, 1)
    with pytest.raises(ModelError, match="window 0; at least 1"):
        rolling(np.ones(5), 0)
    with pytest.raises(TooFewObservationsError, match="Yang-Zhang: 5 returns, at least 6"):
        yang_zhang(calm.take(slice(0, 5)), 5)
    with pytest.raises(TooFewObservationsError, match="3 returns, at least 4"):
        rolling(np.ones(3), 4)

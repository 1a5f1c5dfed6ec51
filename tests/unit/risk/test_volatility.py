import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats import t as student

from plimsoll.risk.errors import ModelError, ReturnError, TooFewObservationsError
from plimsoll.risk.volatility import (
    ewma_variance,
    fhs_tail,
    historical_tail,
    parametric_tail,
    residuals,
)

returns_lists = st.lists(st.floats(-0.5, 0.5, allow_subnormal=False), min_size=1, max_size=60)


def test_ewma_by_hand():
    found = ewma_variance(np.array([0.02, -0.03]), 0.94, 1e-4)
    assert found == pytest.approx([1e-4, 1.18e-4, 1.6492e-4], rel=1e-12)


@given(returns_lists, st.floats(0.01, 0.999), st.none() | st.floats(0, 0.1))
def test_ewma_is_its_recursion(returns, decay, start):
    found = ewma_variance(np.array(returns), decay, start)
    assert found.shape == (len(returns) + 1,)
    assert found[0] == pytest.approx(np.mean(np.square(returns[:25])) if start is None else start, rel=1e-12, abs=1e-18)
    for before, value, after in zip(found[:-1], returns, found[1:], strict=True):
        assert after == pytest.approx(decay * before + (1 - decay) * value**2, rel=1e-12, abs=1e-18)


def test_ewma_starts_from_the_first_returns_where_no_variance_is_given():
    values = np.array([0.01] * 25 + [0.5])
    assert ewma_variance(values)[:25] == pytest.approx(1e-4)


def test_ewma_refuses():
    with pytest.raises(TooFewObservationsError, match="0 returns, at least 1"):
        ewma_variance(np.array([]))
    with pytest.raises(ReturnError, match="return 1 is nan"):
        ewma_variance(np.array([0.1, np.nan]))
    with pytest.raises(ReturnError, match="inf"):
        ewma_variance(np.array([np.inf]))
    with pytest.raises(ReturnError, match="one dimension"):
        ewma_variance(np.ones((2, 2)))
    for decay in (0.0, 1.0, float("nan")):
        with pytest.raises(ModelError, match="decay"):
            ewma_variance(np.array([0.1]), decay)
    with pytest.raises(ModelError, match="start"):
        ewma_variance(np.array([0.1]), 0.94, -1.0)


@pytest.mark.parametrize(
    ("level", "freedom", "quantile", "shortfall"),
    [
        (0.99, None, 2.3263478740, 2.6652142203),
        (0.975, None, 1.9599639845, 2.3378027922),
        (0.99, 4, 3.7469473880, 5.2205841945),
    ],
)
def test_tails_from_the_books(level, freedom, quantile, shortfall):
    tail = parametric_tail(level, freedom)
    unit = 1 if freedom is None else np.sqrt(freedom / (freedom - 2))  # ours has variance one
    assert tail.quantile_down * unit == pytest.approx(quantile, abs=1e-9)
    assert tail.shortfall_up * unit == pytest.approx(shortfall, abs=1e-9)
    assert tail.method == ("normal" if freedom is None else "student")


@pytest.mark.parametrize("level", [0.6, 0.95, 0.99, 0.9999])
@pytest.mark.parametrize("freedom", [2.01, 2.5, 4.0, 30.0, 1_000.0, None])
def test_tails_of_any_shape_are_the_librarys_within_its_errors(level, freedom):
    tail = parametric_tail(level, freedom)
    known, unit = (norm, 1.0) if freedom is None else (student(freedom), np.sqrt((freedom - 2) / freedom))
    quantile = known.ppf(level)
    assert tail.quantile_up == pytest.approx(quantile * unit, rel=1e-12)
    assert tail.shortfall_up == pytest.approx(known.expect(lb=quantile, conditional=True) * unit, rel=1e-6)


def test_sample_tail_by_hand():
    sample = np.concatenate((np.zeros(196), [-5.0, -3.0, 7.0, 4.0]))
    tail = historical_tail(sample, 0.99)
    assert (tail.quantile_down, tail.shortfall_down) == (3, 4)
    assert (tail.quantile_up, tail.shortfall_up) == (4, 5.5)
    assert tail.count == 200


def test_sample_tail_of_a_short_sample_is_its_worst():
    tail = historical_tail(np.array([-1.0, 2.0]), 0.99)
    assert (tail.quantile_down, tail.shortfall_down, tail.quantile_up) == (1, 1, 2)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=400), st.floats(0.5, 0.999))
def test_shortfall_is_beyond_the_quantile_and_mirrors(values, level):
    sample = np.array(values)
    tail, mirror = historical_tail(sample, level), historical_tail(-sample, level)
    assert tail.shortfall_down >= tail.quantile_down - 1e-12
    assert (tail.quantile_up, tail.shortfall_up) == (mirror.quantile_down, mirror.shortfall_down)
    assert np.mean(-sample > tail.quantile_down) <= 1 - level + 1e-9


def test_residuals_by_hand():
    returns = np.array([0.01, 0.02, -0.03])
    variance = np.array([1e-4, 4e-4, 9e-4, 1.0])
    assert residuals(returns, variance, 1, 0) == pytest.approx([1, 1, -1])
    assert residuals(returns, variance, 2, 0) == pytest.approx([0.03 / np.sqrt(2e-4), -0.01 / np.sqrt(8e-4)])
    assert residuals(returns, variance, 1, 2) == pytest.approx([-1])
    assert len(residuals(returns, variance, 1, 9)) == 0
    assert len(residuals(returns, np.zeros(4), 1, 0)) == 0
    with pytest.raises(ModelError, match="one more"):
        residuals(returns, returns)
    with pytest.raises(ModelError, match="horizon"):
        residuals(returns, variance, 0)


def test_filtered_residuals_forget_the_clusters(make_returns):
    returns = make_returns(5000, 1)
    filtered = residuals(returns, ewma_variance(returns))
    squares = filtered**2 - np.mean(filtered**2)
    raw = returns**2 - np.mean(returns**2)

    def memory(x):
        return float(np.mean(x[1:] * x[:-1]) / np.mean(x * x))

    assert abs(memory(squares)) < abs(memory(raw)) + 0.02
    assert np.std(filtered) == pytest.approx(1, abs=0.2)


def test_short_samples_fall_back():
    rng = np.random.default_rng(2)
    returns = rng.normal(0, 0.01, 200)
    variance = ewma_variance(returns)
    assert fhs_tail(returns, variance).method == "student"
    assert fhs_tail(returns, variance, freedom=None).method == "normal"
    assert fhs_tail(returns, variance, needed=100).method == "historical"
    # 175 residuals hold 17 horizons of ten that do not overlap
    assert fhs_tail(returns, variance, horizon=10, needed=17).method == "student"
    assert fhs_tail(returns, variance, horizon=10, needed=16).method == "historical"
    assert fhs_tail(returns, variance, horizon=10, needed=17).count == 16
    with pytest.raises(TooFewObservationsError):
        fhs_tail(returns[:3], variance[:4], horizon=4)


def test_large_normal_sample_has_the_normal_tail():
    returns = np.random.default_rng(3).normal(0, 0.01, 40_000)
    tail = fhs_tail(returns, np.full(40_001, 1e-4))
    assert tail.quantile_down == pytest.approx(2.326, abs=0.06)
    assert tail.shortfall_up == pytest.approx(2.665, abs=0.08)


@pytest.mark.parametrize("level", [0.4, 1.0, float("nan")])
def test_levels_out_of_range(level):
    with pytest.raises(ModelError, match="level"):
        parametric_tail(level, None)
    with pytest.raises(ModelError, match="level"):
        historical_tail(np.ones(3), level)


@pytest.mark.parametrize("freedom", [2, 1, float("nan"), 1_001])
def test_degrees_of_freedom_out_of_range(freedom):
    with pytest.raises(ModelError, match="freedom"):
        parametric_tail(0.99, freedom)

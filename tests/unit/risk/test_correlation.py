from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf

from plimsoll.market.snapshot import History
from plimsoll.risk.correlation import (
    OffsetConfig,
    break_error,
    class_offset,
    ewma_correlation,
    offset_of,
    pair_correlations,
    shrinkage,
    shrunk_correlations,
    step_limited,
    stressed_correlation,
    window_correlations,
)
from plimsoll.risk.errors import ModelError, TooFewObservationsError

CONFIG = OffsetConfig(least_days=60, full_days=250, share=0.5)
DAY = 86_400
HOUR = 3_600
START = 1_600_041_600  # 2020-09-14 00:00 UTC


def draw(rho, n, seed, freedom=4):
    """Two series of hourly returns with heavy tails; `rho` may change on the way, shape (n,)."""
    source = np.random.default_rng(seed)
    a, b = 0.005 * source.standard_normal((2, n)) / np.sqrt(source.chisquare(freedom, n) / freedom)
    return a, rho * a + np.sqrt(1 - np.square(rho)) * b


def measure(a, b, config=CONFIG, interval=HOUR):
    time = START + interval * np.arange(len(a) + 1)
    logs = [np.concatenate(([0.0], np.cumsum(x))) for x in (a, b)]
    return pair_correlations(time, logs, interval, config)[0, 1]


@pytest.fixture(scope="module")
def pair(make_market):
    def make(rho, n=600, seed=1):
        rng = np.random.default_rng(seed)
        a, b = rng.normal(0, 0.03, (2, n))
        return make_market(256, returns=a), make_market(257, returns=rho * a + np.sqrt(1 - rho**2) * b)

    return make


def test_correlation_by_hand():
    a, b = np.array([1.0, 2.0]), np.array([2.0, 1.0])
    # weights 1/2 and 1: (1 + 2) / sqrt((1/2 + 4) (2 + 1))
    assert ewma_correlation(a, b, 0.5) == pytest.approx(3 / np.sqrt(4.5 * 3))
    assert ewma_correlation(a, a, 0.9) == 1
    assert ewma_correlation(a, -a, 0.9) == -1
    assert ewma_correlation(a, np.zeros(2), 0.9) == 0
    with pytest.raises(ModelError, match="shapes"):
        ewma_correlation(a, np.ones(3), 0.9)
    with pytest.raises(TooFewObservationsError):
        ewma_correlation(np.array([]), a, 0.9)


def test_offset_is_a_share_of_the_correlation(pair):
    # the lowest of three measures of 0.8, the stressed one of windows of thirty returns, lies under it
    assert 0.75 * 400_000 < class_offset(pair(0.8), CONFIG) < 400_000
    assert class_offset(pair(0.999), replace(CONFIG, share=1.0)) == 800_000
    assert offset_of(0.6, 250, CONFIG) == 300_000
    assert offset_of(0.6, 250, replace(CONFIG, share=1.0, cap=0.4)) == 400_000


def test_a_negative_correlation_earns_nothing(pair):
    assert class_offset(pair(-0.8), CONFIG) == 0


def test_few_data_earn_less(pair):
    assert offset_of(0.8, 125, CONFIG) == offset_of(0.8, 250, CONFIG) // 2 == 200_000
    assert offset_of(0.8, 59.9, CONFIG) == 0
    whole, half = class_offset(pair(0.999, 300), CONFIG), class_offset(pair(0.999, 125), CONFIG)
    assert half == pytest.approx(whole / 2, rel=0.03)
    assert class_offset(pair(0.999, 59), CONFIG) == 0


def test_the_lowest_pair_counts_and_one_alone_has_none(pair, make_market):
    a, b = pair(0.95)
    stranger = make_market(258, returns=np.random.default_rng(5).normal(0, 0.03, 600))
    assert class_offset((a, b, stranger), CONFIG) < class_offset((a, b), CONFIG) / 2
    assert class_offset((a,), CONFIG) == 0


def test_only_common_times_count(pair):
    a, b = pair(0.9, 400)
    history = b.history
    holes = np.ones(len(history.time), dtype=bool)
    holes[::10] = False
    patchy = replace(b, history=replace(history, time=history.time[holes], close=history.close[holes]))
    assert class_offset((a, patchy), CONFIG) == pytest.approx(class_offset((a, b), CONFIG), abs=60_000)
    apart = replace(b, history=replace(history, time=history.time - 7))
    assert class_offset((a, apart), CONFIG) == 0


def test_bars_of_different_lengths_are_held_together_where_they_close(pair):
    """The same prices by the hour and by the day move as one; opens at midnight would set them 23 hours apart."""
    a, b = pair(0.9)
    moves = np.random.default_rng(11).normal(0, 0.006, 24 * 320)
    closes = 100 * np.exp(np.cumsum(moves))
    hourly = History(START + HOUR * np.arange(len(closes)), closes, HOUR)
    daily = History(START + DAY * np.arange(320), closes[23::24], DAY)
    mixed = class_offset((replace(a, history=hourly), replace(b, history=daily)), CONFIG)
    assert mixed == class_offset((replace(a, history=daily), replace(b, history=daily)), CONFIG) > 0


def test_steps_are_limited():
    assert step_limited(400_000, None) == 400_000
    assert step_limited(400_000, 300_000) == 320_000
    assert step_limited(100_000, 300_000) == 280_000
    assert step_limited(301_000, 300_000) == 301_000


@pytest.mark.parametrize("bad", [{"decay": 1.0}, {"share": -1}, {"cap": 1.1}, {"least_days": 0}, {"least_days": 300}])
def test_config_out_of_range(bad):
    with pytest.raises(ModelError):
        OffsetConfig(**bad)


@pytest.mark.parametrize(
    "bad", [{"fast_returns": 1}, {"fast_days": 0}, {"window_days": 0}, {"stress_share": 0}, {"break_errors": -1}]
)
def test_windows_out_of_range(bad):
    with pytest.raises(ModelError, match=next(iter(bad))):
        OffsetConfig(**bad)


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(5, 80), st.floats(0, 0.95))
def test_the_intensity_is_ledoits_and_wolfs(seed, p, n, rho):
    source = np.random.default_rng(seed)
    common = source.standard_normal((n, 1))
    x = np.sqrt(rho) * common + np.sqrt(1 - rho) * source.standard_normal((n, p))
    theirs = LedoitWolf(assume_centered=True).fit(x)
    sample = x.T @ x / n
    target = np.trace(sample) / p * np.eye(p)
    # their beta: of each entry the mean square of what a row adds, over n
    variances = (np.square(x).T @ np.square(x) / n - np.square(sample)) / n
    found = shrinkage(sample, target, variances)
    assert found == pytest.approx(theirs.shrinkage_, rel=1e-9, abs=1e-12)
    assert found * target + (1 - found) * sample == pytest.approx(theirs.covariance_, rel=1e-9, abs=1e-12)


def test_shrinking_lowers_every_correlation_alike_and_less_with_more_data():
    source = np.random.default_rng(3)
    x = source.standard_normal((3, 4_000))
    x[1] += x[0]
    x[2] += 0.5 * x[1]
    for n, least, most in ((20, 0.02, 0.6), (4_000, 1e-5, 0.002)):
        columns = list(x[:, :n])
        found, intensity = shrunk_correlations(columns)
        plain = ewma_correlation(columns[0], columns[1], 1 - 1e-12)
        assert least < intensity < most
        assert found[0, 1] == pytest.approx((1 - intensity) * plain, rel=1e-6)
        assert np.array_equal(found, found.T)
        assert np.array_equal(np.diag(found), np.ones(3))
    still, _ = shrunk_correlations([x[0], np.zeros(4_000)])
    assert still[0, 1] == 0


def test_windows_by_hand():
    source = np.random.default_rng(4)
    a, b = source.standard_normal((2, 50))
    found = window_correlations(a, b, 20, 7)
    ends = [22, 29, 36, 43, 50]
    wanted = [ewma_correlation(a[e - 20 : e], b[e - 20 : e], 1 - 1e-15) for e in ends]
    assert found == pytest.approx(wanted, rel=1e-9)
    assert len(window_correlations(a, b, 51, 7)) == 0
    assert np.array_equal(window_correlations(a, np.zeros(50), 20, 7), np.zeros(5))


def test_stress_is_the_days_that_moved_most():
    """Calm days correlate, the twenty large ones do not, and they lie too far apart to show in a window."""
    source = np.random.default_rng(6)
    n = 800
    a = 0.01 * source.standard_normal(n)
    b = a + 0.003 * source.standard_normal(n)
    large = np.arange(20, n, 40)
    a[large], b[large] = 0.15, 0.15 * np.where(np.arange(20) % 2, 1, -1)
    time = START + DAY * np.arange(n + 1)
    logs = [np.concatenate(([0.0], np.cumsum(x))) for x in (a, b)]
    # of 40 days 20 are the large ones, which cancel
    assert abs(stressed_correlation(time, *logs, DAY, replace(CONFIG, window_days=700))) < 0.05
    b[large] = 0.15
    logs[1] = np.concatenate(([0.0], np.cumsum(b)))
    assert stressed_correlation(time, *logs, DAY, replace(CONFIG, window_days=700)) > 0.9


def test_stress_remembers_the_worst_windows():
    rho = np.full(24 * 500, 0.9)
    rho[24 * 100 : 24 * 130] = 0.0
    found = measure(*draw(rho, len(rho), 7))
    assert found.fast > 0.85
    assert found.slow > 0.85
    assert 0 < found.stressed < 0.5
    assert found.counted == found.stressed


def test_a_break_is_found_and_lowers_at_once():
    """Three days after the correlation went, most of the fast window is still from before."""
    after = 72
    rho = np.concatenate((np.full(24 * 300, 0.85), np.zeros(after)))
    a, b = draw(rho, len(rho), 8)
    before, found = measure(a[:-after], b[:-after]), measure(a, b)
    assert not before.broken
    assert found.broken
    assert found.counted < found.fast < found.slow
    assert found.counted < before.counted - 0.15
    # its lower bound: so many errors under what the window shows
    raw = ewma_correlation(a[-240:], b[-240:], 1 - 1e-12)
    assert found.counted == pytest.approx(raw - CONFIG.break_errors * found.error, abs=1e-6)


def test_breaks_are_rare_where_nothing_breaks():
    """Under no change the statistic passes 2.33 once in a hundred, with tails: the error is neither small nor huge."""
    z = []
    for seed in range(150):
        a, b = draw(0.8, 24 * 90, 1_000 + seed)
        found = measure(a, b)
        raw = ewma_correlation(a[-240:], b[-240:], 1 - 1e-12)
        z.append((found.slow - raw) / found.error)
    assert 0.8 < np.std(z) < 1.25
    assert np.mean(np.array(z) > 2.33) < 0.05


def test_a_change_of_volatility_is_no_break():
    a, b = draw(0.8, 24 * 200, 12)
    for series in (a, b):
        series[-200:] *= 6
    assert not measure(a, b).broken


def test_the_error_of_a_break_is_none_where_both_are_the_same():
    a, b = draw(0.5, 400, 2)
    assert break_error(a, b, 1 - 1e-12, 400) < 1e-9 < break_error(a, b, 1 - 1e-12, 100)


def test_daily_bars_hold_enough_returns():
    a, b = draw(0.8, 400, 9)
    wanted, _ = shrunk_correlations([a[-30:], b[-30:]])
    assert measure(a, b, interval=DAY).fast == pytest.approx(wanted[0, 1], rel=1e-12)


def test_a_price_that_stood_still_did_not_move_by_its_rounding():
    a, b = draw(0.8, 24 * 100, 10)
    b[-300:] = 0
    noisy = b.copy()
    noisy[-300:] = 2e-15 * np.where(np.arange(300) % 2, 1, -1)
    found, rounded = measure(a, b), measure(a, noisy)
    assert found.fast == rounded.fast == 0
    assert found.broken
    assert rounded.counted == pytest.approx(found.counted, abs=1e-9)

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.market.orderbook import OrderBook
from plimsoll.risk.errors import ModelError, ReturnError, TooFewObservationsError
from plimsoll.risk.liquidity import (
    DepthConfig,
    Horizon,
    ImpactCurve,
    book_depths,
    book_impact,
    fit_impact,
    horizon,
    kappa,
    low_quantile,
    measured_depth,
)

DAY = 86_400
NOW = 1_735_689_600
CONFIG = DepthConfig()


def series(values, step=DAY // 4, end=NOW):
    values = np.array(values, dtype=np.float64)
    return end - step * np.arange(len(values) - 1, -1, -1), values


def ladder(time, bid, ask, levels=20):
    """A book whose sides hold `bid` and `ask` contracts a basis point."""
    away = 1e-4 * np.arange(1, levels + 1)
    return OrderBook(time, 100 * (1 - away), np.full(levels, bid), 100 * (1 + away), np.full(levels, ask))


def test_the_worse_side_of_each_book_counts():
    books = [ladder(1.0, 5, 8), ladder(2.0, 9, 3)]
    time, depth = book_depths(books, 0.0002)  # 1, 2 and 3 basis points cost 2 on average
    assert list(time) == [1, 2]
    assert depth == pytest.approx([15, 9])
    with pytest.raises(ModelError, match="cost"):
        book_depths(books, 0)


def test_depth_by_hand():
    time, depth = series([100] * 50 + [10, 20] + [100] * 48)
    found = measured_depth(time, depth, NOW, 1_000)
    assert (found.posted, found.now, found.normal, found.observations, found.origin) == (10, 100, 100, 100, "measured")
    assert measured_depth(time, depth, NOW, 1_000, replace(CONFIG, quantile=0.02)).posted == 20
    assert low_quantile(np.array([3.0, 1.0, 2.0]), 0.0) == 1
    assert low_quantile(np.array([3.0, 1.0, 2.0]), 1.0) == 3


def test_a_book_that_thins_now_counts_now():
    time, depth = series([100] * 80 + [7])
    assert measured_depth(time, depth, NOW, 1_000, replace(CONFIG, quantile=0.5)).posted == 7


def test_what_is_too_few_old_or_missing_is_the_default_and_says_so():
    default = (1_000, 1_000, 1_000, "default")
    for time, depth in (series([]), series([5] * 19), series([5] * 60, end=NOW - 3 * DAY)):
        found = measured_depth(time, depth, NOW, 1_000)
        assert (found.posted, found.now, found.normal, found.origin) == default
    # what is old leaves the window
    assert measured_depth(*series([5] * 25, step=2 * DAY), NOW, 1_000).origin == "default"


@given(st.lists(st.floats(0.1, 1e6), min_size=40, max_size=80), st.integers(20, 39))
def test_nothing_later_is_looked_at(values, at):
    time, depth = series(values)
    known = measured_depth(time[: at + 1], depth[: at + 1], int(time[at]), 1_000)
    assert measured_depth(time, depth, int(time[at]), 1_000) == known
    assert known.posted <= known.now
    assert known.posted <= known.normal


def test_depth_of_nonsense_is_refused():
    time, depth = series([5] * 30)
    with pytest.raises(ModelError, match="times"):
        measured_depth(time[:-1], depth, NOW, 1)
    with pytest.raises(ModelError, match="default"):
        measured_depth(time, depth, NOW, 0)
    depth = depth.copy()
    depth[3] = 0
    with pytest.raises(ReturnError, match=f"0.0 at {time[3]}"):
        measured_depth(time, depth, NOW, 1)
    with pytest.raises(ModelError, match="quantile"):
        DepthConfig(quantile=1.1)


def test_the_root_law_is_found_again():
    source = np.random.default_rng(1)
    quantity = source.uniform(1, 1_000, 400)
    impact = 3e-4 * np.sqrt(quantity) * np.exp(0.1 * source.standard_normal(400))
    found = fit_impact(quantity, impact)
    assert found.coefficient == pytest.approx(3e-4, rel=0.02)
    assert found.error == pytest.approx(np.sqrt(np.mean((impact - found.impact(1) * np.sqrt(quantity)) ** 2)))
    exact = fit_impact(quantity, 3e-4 * np.sqrt(quantity))
    assert exact.error < 1e-15
    assert exact.depth(exact.impact(77)) == pytest.approx(77)
    assert exact.impact(4) == pytest.approx(6e-4)
    assert exact.cost(4) == pytest.approx(4e-4)
    with pytest.raises(TooFewObservationsError):
        fit_impact(np.array([]), np.array([]))
    with pytest.raises(ModelError, match="positive"):
        fit_impact(np.array([1.0]), np.array([0.0]))
    with pytest.raises(ModelError, match="equal"):
        fit_impact(np.array([1.0]), np.array([1.0, 2.0]))


def test_impact_of_books_lies_between_their_levels():
    found = book_impact([ladder(0.0, 10, 10)])
    assert found.observations == 40
    # a book of even density grows linearly: the root law lies over it first and under it last
    assert found.impact(10) > 1e-4
    assert found.impact(200) < 20e-4


@given(st.floats(1.0, 50.0), st.floats(0.01, 0.9))
def test_a_quarter_of_the_scan_pays_for_waiting(multiple, psr):
    """The integral of the docstring, by trapezoids, against the charge without impact."""
    t = np.linspace(0, multiple, 20_001)
    rate = np.sqrt(np.maximum(1, t))
    waited = float(np.sum(rate[1:] + rate[:-1]) / 2 * t[1])
    needed = psr * (waited - multiple)
    charge = kappa(psr, 0.0) / 1e6 * (multiple - 1) ** 2
    assert charge >= needed - 1e-6
    if 1.2 < multiple < 2:
        assert charge < 1.4 * needed + 1e-6  # and not much more than it needs


@given(st.floats(0.001, 0.2), st.floats(1.1, 10.0), st.floats(1.0, 20.0))
def test_kappa_pays_for_impact_from_the_reference_on(cost, reference, further):
    rate = (kappa(0.1, cost, reference) - kappa(0.1, 0.0, reference) + 1) / 1e6
    curve = ImpactCurve(cost, 1, 0.0)  # one depth is one contract
    s = reference * further
    assert rate * (s - 1) ** 2 >= s * (curve.cost(s) - curve.cost(1)) * (1 - 1e-9)


def test_kappa_out_of_range():
    for bad in ((0, 0.01, 2), (0.1, -1, 2), (0.1, 0.01, 1)):
        with pytest.raises(ModelError, match="psr"):
            kappa(*bad)
    assert kappa(0.1, 0.0) == 25_000


def test_horizon_by_hand():
    assert horizon(0, 100, 100, DAY) == Horizon(DAY, 1.0, "measured")
    assert horizon(0, 50, 100, DAY) == Horizon(2 * DAY, 2.0, "measured")
    assert horizon(300, 100, 100, DAY) == Horizon(3 * DAY, 3.0, "measured")
    assert horizon(300, 50, 100, DAY) == Horizon(4 * DAY, 4.0, "measured")  # six, and no more than four
    assert horizon(300, None, 100, DAY) == Horizon(DAY, 1.0, "default")
    assert horizon(0, 3, 4, 100).seconds == 134  # up


sizes = st.floats(1e-3, 1e6)


@given(st.floats(0, 1e6), sizes, sizes, st.floats(1, 10))
def test_thinner_and_larger_take_longer(size, now, normal, times):
    base = horizon(size, now, normal, DAY)
    assert 1 <= base.factor <= CONFIG.max_lengthening
    assert horizon(size * times, now, normal, DAY).seconds >= base.seconds
    assert horizon(size, now / times, normal, DAY).seconds >= base.seconds


def test_horizon_of_nonsense():
    for bad in ((-1, 1, 1, DAY), (1, 0, 1, DAY), (1, 1, 0, DAY), (1, 1, 1, 0), (float("nan"), 1, 1, DAY)):
        with pytest.raises(ModelError):
            horizon(*bad)

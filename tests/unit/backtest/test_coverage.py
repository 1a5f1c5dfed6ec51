import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, chi2

from plimsoll.backtest.coverage import (
    CoverageError,
    Transitions,
    conditional,
    coverage,
    exceedances,
    independence,
    kupiec,
    multiplier,
    red_point,
    region,
    zone,
    zone_points,
)

PROBABILITIES = st.floats(0.001, 0.5)


@pytest.mark.parametrize(
    ("p", "windows", "below", "above"),
    [
        # the paper prints no lower bound here: its statistic rejects 0, 5.126 over 3.841, all the same
        (0.01, 255, 0, 7),
        (0.01, 510, 1, 11),
        (0.01, 1000, 4, 17),
        (0.05, 255, 6, 21),
        (0.05, 510, 16, 36),
        (0.05, 1000, 37, 65),
        (0.10, 255, 16, 36),
        (0.10, 510, 38, 65),
        (0.10, 1000, 81, 120),
    ],
)
def test_kupiecs_table_of_what_is_not_rejected(p, windows, below, above):
    assert region(windows, p) == (below + 1, above - 1)
    inside = {x for x in range(windows + 1) if not kupiec(x, windows, p).rejected()}
    assert inside == set(range(below + 1, above))


@pytest.mark.parametrize(
    ("exceptions", "windows", "p", "statistic"),
    [(6, 252, 0.01, 3.498777), (20, 252, 0.05, 3.912551), (0, 250, 0.01, 5.025168)],
)
def test_kupiecs_statistic(exceptions, windows, p, statistic):
    found = kupiec(exceptions, windows, p)
    assert found.statistic == pytest.approx(statistic, abs=5e-7)
    assert found.rejected() == (statistic > 3.841)
    assert chi2.ppf(0.95, found.freedom) == pytest.approx(3.841, abs=5e-4)


def test_no_exception_and_nothing_but_exceptions():
    assert kupiec(0, 250, 0.01).statistic == pytest.approx(-2 * 250 * math.log(0.99), rel=1e-12)
    assert kupiec(250, 250, 0.01).statistic == pytest.approx(-2 * 250 * math.log(0.01), rel=1e-12)
    assert kupiec(5, 500, 0.01).statistic == 0


def test_christoffersens_statistics():
    transitions = Transitions(218, 14, 14, 6)
    assert independence(transitions).statistic == pytest.approx(9.529569, abs=5e-7)
    both = conditional(transitions, 0.05)
    assert (transitions.total, transitions.exceptions) == (252, 20)
    assert both.statistic == pytest.approx(13.442120, abs=5e-7)
    assert both.freedom == 2
    assert both.p_value == pytest.approx(math.exp(-13.442120 / 2), rel=1e-6)  # chi2(2) is an exponential


@given(st.lists(st.booleans(), min_size=2, max_size=40), PROBABILITIES)
def test_transitions_and_statistics_are_their_definitions(hits, p):
    t = Transitions.of(hits)
    pairs = list(pairwise(hits))
    assert (t.n00, t.n01, t.n10, t.n11) == tuple(pairs.count((i, j)) for i in (False, True) for j in (False, True))

    def power(failures, successes, q):
        return (1 - q) ** failures * q**successes  # Python's 0 ** 0 is 1

    q, q0, q1 = (
        (a / (a + b) if a + b else 0) for a, b in ((t.exceptions, t.n00 + t.n10), (t.n01, t.n00), (t.n11, t.n10))
    )
    restricted = power(t.n00 + t.n10, t.exceptions, q)
    free = power(t.n00, t.n01, q0) * power(t.n10, t.n11, q1)
    assert independence(t).statistic == pytest.approx(-2 * math.log(restricted / free), rel=1e-9, abs=1e-9)
    whole = -2 * math.log(power(t.n00 + t.n10, t.exceptions, p) / free)
    assert conditional(t, p).statistic == pytest.approx(whole, rel=1e-9, abs=1e-9)


@given(st.integers(1, 300), PROBABILITIES)
def test_the_region_is_what_is_not_rejected(windows, p):
    low, high = region(windows, p)
    assert [x for x in range(windows + 1) if not kupiec(x, windows, p).rejected()] == list(range(low, high + 1))


def test_basels_zones():
    lights = [zone(x) for x in range(15)]
    assert lights == ["green"] * 5 + ["yellow"] * 5 + ["red"] * 5


@given(st.integers(1, 5_000), st.floats(0.001, 0.2))
def test_zones_of_any_length_are_the_binomial_points(windows, p):
    yellow, red = zone_points(windows, p)
    assert 1 <= yellow <= red == red_point(windows, p)
    assert binom.cdf(yellow, windows, p) >= 0.95
    assert binom.cdf(red, windows, p) >= 0.9999
    assert yellow == 1 or binom.cdf(yellow - 1, windows, p) < 0.95
    assert red == yellow or binom.cdf(red - 1, windows, p) < 0.9999
    assert zone(yellow - 1, windows, p) == "green"


def test_basels_multipliers():
    table = [round(3 * multiplier(x), 10) for x in range(12)]
    assert table == [3, 3, 3, 3, 3, 3.40, 3.50, 3.65, 3.75, 3.85, 4, 4]


def test_the_rule_behind_the_multipliers_gives_the_table_where_it_is_rounded():
    """Basel rounds quantile(99 %) / quantile(coverage seen) to steps of 0.05 or so."""
    for x in range(5, 10):
        assert 3 * multiplier(x, 250, 0.01 + 1e-12) == pytest.approx(3 * multiplier(x), abs=0.04)


@given(st.integers(1, 3_000), st.floats(0.005, 0.1))
def test_multipliers_rise_with_exceptions_within_the_tables_bounds(windows, p):
    factors = [multiplier(x, windows, p) for x in range(min(windows, 120) + 1)]
    assert factors[0] == 1
    assert all(a <= b <= 4 / 3 for a, b in pairwise(factors))


def test_sizes_of_exceedances():
    found = exceedances([1, 5, -3, 2, 2.5], [2, 4, 1, 2, 1])
    assert found.at == (1, 4)  # a loss of just the margin is covered
    assert (found.shortfall, found.mean_excess, found.worst_excess) == (2.5, 1.25, 1.5)
    assert (found.worst_ratio, found.worst_at) == (2.5, 4)
    none = exceedances([0, -1], 1)
    assert (none.at, none.shortfall, none.mean_excess, none.worst_excess, none.worst_ratio) == ((), 0, 0, 0, 0)
    assert exceedances([0, 1], [0, 0]).worst_ratio == math.inf


def test_a_whole_record():
    rng = np.random.default_rng(5)
    losses = rng.normal(size=1_000)
    found = coverage(losses, np.full(1_000, 2.3263478740), 0.01)
    assert found.exceptions == int(np.sum(losses > 2.3263478740)) == len(found.sizes.at)
    assert found.share == found.exceptions / 1_000
    assert found.kupiec == kupiec(found.exceptions, 1_000, 0.01)
    assert found.conditional.statistic >= found.independence.statistic
    assert found.red_point == red_point(1_000, 0.01)
    assert found.zone == "green"
    assert coverage(3 * losses, 2.3263478740, 0.01).zone == "red"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: kupiec(-1, 10, 0.01), "-1 exceptions in 10"),
        (lambda: kupiec(11, 10, 0.01), "11 exceptions"),
        (lambda: kupiec(0, 0, 0.01), "0 windows"),
        (lambda: kupiec(1, 10, 0.0), "probability 0.0"),
        (lambda: zone(1, 10, 1.0), "probability 1.0"),
        (lambda: region(10, math.nan), "probability nan"),
        (lambda: Transitions(0, 0, 0, 0), "not all 0"),
        (lambda: Transitions(1, -1, 0, 0), "0 or more"),
        (lambda: Transitions.of([1]), "1 windows; at least 2"),
        (lambda: Transitions.of([0, 2]), "0 and 1"),
        (lambda: Transitions.of([[0, 1]]), r"shape \(1, 2\)"),
        (lambda: exceedances([], []), "not empty"),
        (lambda: exceedances([1, 2], [1, 2, 3]), r"losses \(2,\) and margins \(3,\)"),
        (lambda: exceedances([1, math.nan], 1), "not finite"),
        (lambda: exceedances([1, 2], -1), "negative"),
    ],
)
def test_refuses(call, said):
    with pytest.raises(CoverageError, match=said):
        call()

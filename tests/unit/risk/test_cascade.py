import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.risk import cascade as module
from plimsoll.risk.cascade import CascadeConfig, cascade, linear_levels
from plimsoll.risk.errors import ModelError

CONFIG = CascadeConfig()
DAY = 86_400


def of(accounts, psr=0.1, depth=100.0, band=0.01, config=CONFIG):
    level, delta = np.array(accounts, dtype=np.float64).reshape(-1, 2).T
    return cascade(level, delta, psr, depth, band, config)


def plain(accounts, psr, depth, band, sign):
    """The smallest rest by trying every set of the nearest accounts, from the empty one on."""
    mine = sorted((sign * level, sign * delta) for level, delta in accounts if sign * delta < 0 and sign * level >= 0)
    for count in range(len(mine) + 1):
        sold = -sum(delta for _, delta in mine[:count])
        reach = min(CONFIG.max_reach, psr + band * math.sqrt(sold / depth))
        taken = sum(level <= reach for level, _ in mine)
        if taken <= count:
            return sold, reach, taken
    raise AssertionError


def test_nothing_to_liquidate_changes_nothing():
    for accounts in ([], [(-0.5, 50)], [(0.5, -50)], [(math.inf, 10)], [(-0.05, -10)], [(0.05, 10)], [(-0.05, 0)]):
        found = of(accounts)
        assert found.factor == 1
        assert found.horizon(DAY) == DAY
        assert found.range(0.1) == 0.1
        assert (found.down.delta, found.up.delta) == (0, 0)
        assert found.down.reach == found.up.reach == 0.1


def test_by_hand():
    """100 contracts at -8 % push by 1 % to -11 %, where 300 more wait: 2 % in all, and nobody is left."""
    found = of([(-0.08, 100), (-0.105, 300), (-0.13, 1_000)])
    assert (found.down.delta, found.down.accounts) == (400, 2)
    assert found.down.reach == pytest.approx(0.12)
    assert found.up.delta == 0
    assert found.factor == CONFIG.max_factor == 4
    quarter = of([(-0.08, 100), (-0.106, 300)], config=replace(CONFIG, share=0.25))
    assert quarter.down.delta == 25  # by half a percent, to -10.5 %: not as far as the next
    assert quarter.factor == 1.25
    rise = of([(0.08, -50)])
    assert rise.up.delta == 50
    assert rise.factor == 1.5
    assert rise.horizon(DAY) == 129_600
    assert rise.range(0.1) == pytest.approx(0.1 * math.sqrt(1.5))


def test_who_fails_exactly_where_the_price_rests_is_counted():
    assert of([(-0.1, 10)]).down.delta == 10
    assert of([(0.1, -10)]).up.delta == 10


def test_the_worse_side_counts_and_the_sides_do_not_add():
    assert of([(-0.05, 30), (0.05, -70)]).factor == pytest.approx(1.7)


def test_who_is_liquidatable_now_is_counted_on_the_side_that_his_delta_pushes_to():
    found = of([(0.0, 10), (0.0, -20)])
    assert (found.down.delta, found.up.delta) == (10, 20)


levels = st.one_of(st.floats(-1, 1), st.sampled_from([0.0, -0.1, 0.1, math.inf, -math.inf]))
accounts = st.lists(st.tuples(levels, st.floats(-1_000, 1_000)), max_size=40)
ranges, depths, bands = st.floats(0.01, 0.9), st.floats(0.1, 1e5), st.floats(0, 0.2)


@given(accounts, ranges, depths, bands)
def test_it_comes_to_rest_at_the_smallest_place(book, psr, depth, band):
    found = of(book, psr, depth, band)
    for side, sign in ((found.down, -1), (found.up, 1)):
        sold, reach, taken = plain(book, psr, depth, band, sign)
        assert side.delta == pytest.approx(sold, rel=1e-9, abs=1e-9)
        assert side.reach == pytest.approx(reach, rel=1e-9)
        assert side.accounts == taken
        assert side.reach >= psr
        assert side.rounds <= len(book) + 1
        # at rest: what was sold pushes to where it stands
        assert side.reach == min(CONFIG.max_reach, psr + band * math.sqrt(side.delta / depth))


@given(accounts, ranges, depths, bands, st.integers(0, 39), st.floats(1, 5), st.floats(1, 5))
def test_more_delta_less_depth_and_a_wider_range_never_shorten(book, psr, depth, band, which, times, thinner):
    base = of(book, psr, depth, band)
    assert 1 <= base.factor <= CONFIG.max_factor
    assert of(book, psr, depth / thinner, band).factor >= base.factor
    assert of(book, min(0.95, psr * times), depth, band).factor >= base.factor
    assert of(book, psr, depth, min(1, band * times)).factor >= base.factor
    assert of([*book, (-psr / 2, times)], psr, depth, band).factor >= base.factor
    if book:
        level, delta = book[which % len(book)]
        larger = [*book]
        larger[which % len(book)] = (level, delta * times)
        # a sum of many terms may round a hair down
        assert of(larger, psr, depth, band).factor >= base.factor * (1 - 1e-12)


@given(accounts, ranges, depths, bands, st.randoms(use_true_random=False))
def test_the_order_of_accounts_does_not_matter(book, psr, depth, band, chance):
    other = [*book]
    chance.shuffle(other)
    found, again = of(book, psr, depth, band), of(other, psr, depth, band)
    assert again.factor == pytest.approx(found.factor, rel=1e-12)
    assert again.down.accounts == found.down.accounts


def test_dominoes_fall_to_the_last_and_a_planted_error_is_found(monkeypatch):
    """Each account's sale just reaches the next one; one more contract of depth, and the row stops at once."""
    band, depth, psr = 0.01, 100.0, 0.1
    sold = np.cumsum(np.full(60, 10.0))
    at = psr + band * np.sqrt(np.concatenate(([0.0], sold[:-1])) / depth) - 1e-9
    row = [(-x, 10.0) for x in at]
    found = of(row, psr, depth, band)
    assert (found.down.accounts, found.down.delta) == (60, 600)
    assert found.down.rounds == 60
    assert of(row, psr, depth + 1, band).down.accounts == 1
    # without feedback, the error that is planted, only the first falls
    side = module._side
    monkeypatch.setattr(module, "_side", lambda d, q, r, depth, _, config: side(d, q, r, depth, 0.0, config))
    assert of(row, psr, depth, band).down.accounts == 1


def test_levels_are_where_equity_meets_maintenance():
    surplus, delta = np.array([50.0, 50.0, -1.0, 7.0, 0.0]), np.array([2.0, -2.0, 1.0, 0.0, 0.0])
    found = linear_levels(surplus, delta, 100.0, 0.05)
    for x, s, d in zip(found[:2], surplus, delta, strict=False):
        assert s + d * 100 * x - abs(d) * 100 * 0.05 * x == pytest.approx(0)
    assert found[0] < 0 < found[1]
    assert list(found[2:]) == [0, math.inf, 0]


def test_nonsense_is_refused():
    one = np.array([0.1])
    for bad, said in (
        (lambda: cascade(one, np.zeros(2), 0.1, 1, 0.1), "equal"),
        (lambda: cascade(np.array([np.nan]), one, 0.1, 1, 0.1), "level of account 0"),
        (lambda: cascade(one, np.array([np.inf]), 0.1, 1, 0.1), "delta of account 0"),
        (lambda: cascade(one, one, 0.0, 1, 0.1), "psr"),
        (lambda: cascade(one, one, 0.1, 0, 0.1), "depth"),
        (lambda: cascade(one, one, 0.1, 1, 1.1), "band"),
        (lambda: linear_levels(np.array([np.inf]), one, 1, 0.1), "surplus of account 0"),
        (lambda: linear_levels(one, np.zeros(2), 1, 0.1), "equal"),
        (lambda: linear_levels(one, one, 0, 0.1), "price"),
        (lambda: CascadeConfig(max_factor=0.5), "max_factor"),
    ):
        with pytest.raises(ModelError, match=said):
            bad()

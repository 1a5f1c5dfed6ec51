import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.backtest.walk import har_fhs
from plimsoll.market.sources import load_recorded
from plimsoll.risk.errors import ModelError, ReturnError
from plimsoll.risk.haircuts import HaircutConfig, collateral_cap, haircut, stepped, wrong_way
from plimsoll.spec.wad import PPM, WAD

DAY = 86_400
CONFIG = HaircutConfig()
DECAY = 0.97


def of(tail=0.15, horizon=DAY, cap=100.0, depth=100.0, band=0.005, together=0.0, config=CONFIG):
    return haircut(tail, horizon, cap, depth, band, together, config)


def test_by_hand():
    found = of(together=0.5)
    fall = 0.15 * 2 / 3 * math.sqrt(1 / 6)
    assert found.fall == pytest.approx(fall)
    assert found.wrong_way == pytest.approx(fall / 2)
    assert found.impact == pytest.approx(0.005 * 2 / 3)
    assert found.ppm == math.ceil((1.5 * fall + 0.01 / 3) * PPM)
    # four depths: twice the time's root, twice the impact
    large = of(cap=400.0)
    assert large.fall == pytest.approx(2 * fall)
    assert large.impact == pytest.approx(0.02 / 3)


def test_bounds():
    assert of(tail=0.0, band=0.0).ppm == 10_000
    assert of(tail=1.0, cap=1e9, together=1.0).ppm == PPM
    assert of(tail=0.0, band=0.0, config=replace(CONFIG, floor=0.0)).ppm == 0


parts = st.tuples(
    st.floats(0, 1),
    st.integers(3_600, 10 * DAY),
    st.floats(0, 1e6),
    st.floats(1, 1e6),
    st.floats(0, 0.1),
    st.floats(0, 1),
)


@given(parts, st.floats(1, 10))
def test_each_reason_makes_it_larger(arguments, times):
    tail, horizon, cap, depth, band, together = arguments
    base = haircut(*arguments).ppm
    assert 10_000 <= base <= PPM
    for more in (
        (min(1, tail * times), horizon, cap, depth, band, together),
        (tail, horizon, cap * times, depth, band, together),
        (tail, horizon, cap, depth / times, band, together),
        (tail, horizon, cap, depth, min(1, band * times), together),
        (tail, horizon, cap, depth, band, min(1, together * times)),
    ):
        assert haircut(*more).ppm >= base


def test_what_falls_with_the_books_costs_more():
    source = np.random.default_rng(1)
    books, own = source.standard_normal((2, 500))
    shares = [wrong_way(rho * books + math.sqrt(1 - rho * rho) * own, books, DECAY) for rho in (-0.9, 0.0, 0.5, 0.95)]
    assert shares[0] == 0
    assert shares[1] < 0.45
    assert shares[1] < shares[2] < shares[3]
    assert shares[3] > 0.93
    assert wrong_way(books, books, DECAY) == pytest.approx(1)


def test_what_falls_with_them_only_when_it_matters_is_seen():
    source = np.random.default_rng(2)
    books, token = source.standard_normal((2, 1_000))
    worst = np.argsort(books)[:50]
    worst = worst[worst < 800]  # long ago, so that the weighted correlation has forgotten it
    crashing = token.copy()
    crashing[worst] = -3 + 0.1 * token[worst]
    assert wrong_way(crashing, books, 0.9) > 0.75
    assert wrong_way(token, books, 0.9) < 0.5


def test_what_is_not_known_is_taken_as_the_worst():
    assert wrong_way(np.zeros(59), np.zeros(59), DECAY) == 1
    assert wrong_way(np.zeros(60), np.zeros(60), DECAY) == 0
    assert wrong_way(np.array([]), np.array([]), DECAY) == 1
    rising = np.abs(np.random.default_rng(3).standard_normal(100))
    assert wrong_way(-rising, rising, DECAY) == 0  # books that never lose


def test_nonsense_is_refused():
    with pytest.raises(ModelError, match="equal"):
        wrong_way(np.zeros(60), np.zeros(61), DECAY)
    with pytest.raises(ReturnError, match="books: return 3"):
        wrong_way(np.zeros(60), np.array([0.0, 0, 0, np.nan] + [0.0] * 56), DECAY)
    for bad in ({"tail": -0.1}, {"horizon": 0}, {"depth": 0.0}, {"cap": -1.0}, {"band": 2.0}, {"together": math.nan}):
        with pytest.raises(ModelError, match=next(iter(bad))):
            of(**bad)
    with pytest.raises(ModelError, match="floor"):
        HaircutConfig(floor=1.5)


def test_steps_by_hand():
    assert stepped(200_000, None, 0) == 200_000
    assert stepped(200_000, 100_000, DAY) == 150_000
    assert stepped(200_000, 100_000, 3_600) == 100_000 + 50_000 // 24
    assert stepped(110_000, 100_000, DAY) == 110_000
    assert stepped(50_000, 100_000, DAY) == 80_000
    assert stepped(200_000, 100_000, 0) == 100_000
    with pytest.raises(ModelError, match="-1 s"):
        stepped(1, 1, -1)


@given(st.integers(0, PPM), st.integers(0, PPM), st.integers(1, DAY), st.integers(1, 20))
def test_many_reports_go_no_further_than_one(target, start, seconds, reports):
    posted = start
    for _ in range(reports):
        posted = stepped(target, posted, seconds)
    once = stepped(target, start, seconds * reports)
    assert abs(posted - start) <= abs(once - start)
    assert min(start, target) <= posted <= max(start, target)


@given(st.floats(0.01, 1e6), st.floats(1e-4, 0.1))
def test_the_cap_sells_at_its_cost(depth, band):
    cap = collateral_cap(depth, band)
    assert cap % 10**12 == 0
    assert haircut(0.1, DAY, cap / WAD, depth, band, 0.0).impact <= CONFIG.max_cost * (1 + 1e-9)
    more = cap / WAD + 2e-6
    assert haircut(0.1, DAY, more * 1.001, depth, band, 0.0).impact > CONFIG.max_cost or more * 1.001 < 1e-5


def test_a_cap_needs_depth():
    with pytest.raises(ModelError, match="depth"):
        collateral_cap(0, 0.01)
    assert collateral_cap(900, 0.005) == 8_100 * WAD  # three times the mean impact of one depth, squared


@pytest.mark.data
@pytest.mark.slow
def test_after_a_loss_beyond_margin_collateral_falls_on_as_wrong_way_says(data_folder):
    """ETH, hours after a fall beyond its 99 % range: a sale over four hours falls through what no wrong-way risk asks.

    On all hours that happens on 1 %; on those hours on over 3 %, and with wrong-way risk counted whole on under 3 %.
    """
    bars = load_recorded("eth_usdt_spot_1h")
    tail = har_fhs(bars, 24, 0.99).wider.down[1:]
    close = bars.close
    at = np.arange(24, len(close) - 5)
    at = at[np.isfinite(tail[at]) & np.isfinite(tail[at - 24])]
    fell = 1 - np.mean([close[at + hour] for hour in range(1, 5)], axis=0) / close[at]
    beyond = 1 - close[at] / close[at - 24] > tail[at - 24]
    alone, together = (
        np.array([haircut(float(x), DAY, 0.0, 1.0, 0.0, w, replace(CONFIG, floor=0.0)).ppm for x in tail[at]]) / PPM
        for w in (0.0, 1.0)
    )
    assert np.mean(fell > alone) < 0.015
    assert np.mean(fell[beyond] > alone[beyond]) > 0.03
    assert np.mean(fell[beyond] > together[beyond]) < 0.03

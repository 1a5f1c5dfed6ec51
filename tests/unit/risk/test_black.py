import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.risk import black
from plimsoll.risk.errors import PricingError

prices = st.floats(0.01, 1e4)
vols = st.floats(0.01, 3)
times = st.floats(1e-4, 5)


def generalised(kind, K, S, q, r, T, vol):
    """Haug's formula with cost of carry b = r - q, discounted."""
    return math.exp(-r * T) * float(black.price(kind == "C", S * math.exp((r - q) * T), K, vol, T))


@pytest.mark.parametrize(
    ("kind", "K", "S", "q", "r", "T", "vol", "value"),
    [
        ("C", 65, 60, 0, 0.08, 0.25, 0.30, 2.1334),
        ("P", 95, 100, 0.05, 0.10, 0.5, 0.20, 2.4648),
        ("C", 19, 19, 0.10, 0.10, 0.75, 0.28, 1.7011),
        ("C", 100, 90, 0.10, 0.10, 0.1, 0.15, 0.0205),
        ("C", 100, 100, 0.10, 0.10, 0.1, 0.15, 1.8734),
        ("C", 100, 110, 0.10, 0.10, 0.1, 0.15, 9.9413),
        ("C", 100, 90, 0.10, 0.10, 0.1, 0.35, 0.9474),
        ("C", 100, 100, 0.10, 0.10, 0.1, 0.35, 4.3693),
        ("C", 100, 110, 0.10, 0.10, 0.1, 0.35, 11.1381),
        ("P", 100, 90, 0.10, 0.10, 0.5, 0.25, 12.2149),
        ("P", 100, 100, 0.10, 0.10, 0.5, 0.25, 6.6997),
        ("P", 100, 110, 0.10, 0.10, 0.5, 0.25, 3.2734),
    ],
)
def test_values_from_haug(kind, K, S, q, r, T, vol, value):
    assert generalised(kind, K, S, q, r, T, vol) == pytest.approx(value, abs=1e-4)


@given(prices, prices, vols, times)
def test_put_call_parity_and_bounds(F, K, vol, T):
    call, put = black.price([True, False], F, K, vol, T)
    assert call - put == pytest.approx(F - K, abs=1e-10 * (F + K))
    assert max(F - K, 0) <= call <= F
    assert max(K - F, 0) <= put <= K


@given(prices, vols, times, st.booleans(), st.floats(0.5, 2))
def test_greeks_are_the_slopes_of_the_price(K, vol, T, call, moneyness):
    F = K * moneyness
    greeks = black.greeks(call, F, K, vol, T)

    def value(f=F, s=vol, t=T):
        return float(black.price(call, f, K, s, t))

    width = min(1e-3, 0.02 * vol * math.sqrt(T))
    h = F * width
    tolerance = {"rel": 1e-2, "abs": 1e-4}
    assert greeks.delta == pytest.approx((value(F + h) - value(F - h)) / (2 * h), **tolerance)
    assert greeks.vega / K == pytest.approx((value(s=vol + 1e-4) - value(s=vol - 1e-4)) / 2e-4 / K, **tolerance)
    step = T * 1e-3
    assert greeks.theta / K == pytest.approx(
        -(value(t=T + step) - value(t=T - step)) / (2 * step) / K, rel=1e-2, abs=1e-3
    )
    slopes = [float(black.greeks(call, F + d, K, vol, T).delta) for d in (-h, h)]
    assert greeks.gamma * F == pytest.approx((slopes[1] - slopes[0]) / (2 * h) * F, rel=1e-2, abs=1e-6)


@pytest.mark.parametrize(("vol", "T"), [(0.5, 0.0), (0.0, 0.5), (0.0, 0.0)])
@pytest.mark.parametrize(
    ("F", "call", "value", "delta"),
    [
        (110, True, 10, 1),
        (90, True, 0, 0),
        (100, True, 0, 0.5),
        (110, False, 0, 0),
        (90, False, 10, -1),
        (100, False, 0, -0.5),
    ],
)
def test_no_time_or_no_volatility(vol, T, F, call, value, delta):
    assert black.price(call, F, 100, vol, T) == value
    greeks = black.greeks(call, F, 100, vol, T)
    assert greeks.delta == delta
    assert greeks.gamma == (math.inf if F == 100 else 0)
    assert greeks.theta == 0
    assert greeks.vega == pytest.approx(0 if F != 100 else 100 * math.sqrt(T) / math.sqrt(2 * math.pi))


def test_a_worthless_forward():
    assert black.price([True, False], 0, 100, 0.5, 1).tolist() == [0, 100]
    assert black.greeks([True, False], 0, 100, 0.5, 1).delta.tolist() == [0, -1]


def test_broadcasts():
    found = black.price(np.array([[True], [False]]), np.array([90.0, 100, 110]), 100, 0.5, 1)
    assert found.shape == (2, 3)
    greeks = black.greeks(np.array([[True], [False]]), np.array([90.0, 100, 110]), 100, 0.5, 1)
    assert greeks.delta.shape == greeks.gamma.shape == greeks.vega.shape == greeks.theta.shape == (2, 3)


@pytest.mark.parametrize(
    ("F", "K", "vol", "T", "name"),
    [
        (-1, 1, 1, 1, "forward"),
        (math.nan, 1, 1, 1, "forward"),
        (1, 0, 1, 1, "strike"),
        (1, math.inf, 1, 1, "strike"),
        (1, 1, -0.1, 1, "volatility"),
        (1, 1, math.nan, 1, "volatility"),
        (1, 1, 1, -1e-9, "time"),
    ],
)
def test_refuses(F, K, vol, T, name):
    for function in (black.price, black.greeks):
        with pytest.raises(PricingError, match=name):
            function(True, F, K, vol, T)


@given(
    forward=st.lists(st.sampled_from([0.0, 1e-9]) | st.floats(0.1, 10), min_size=4, max_size=4),
    strike=st.lists(st.floats(0.1, 10), min_size=3, max_size=3),
    volatility=st.sampled_from([0.0, 1e-4]) | st.floats(0.01, 20),
    tau=st.sampled_from([0.0, 1e-6]) | st.floats(1e-3, 3),
)
def test_both_is_price_to_the_bit(forward, strike, volatility, tau):
    """Fast kernel against plain one: call and put at once, from one logarithm and two tails."""
    strikes, forwards = np.array(strike)[:, None], np.array([*forward, strike[0]])
    total = np.full((3, 5), volatility) * np.sqrt(np.full((3, 5), tau))
    found = black.both(black.log(forwards / strikes), total, forwards, strikes)
    for kind, prices in zip((True, False), found, strict=True):
        assert prices.tolist() == black.price(kind, forwards, strikes, volatility, tau).tolist()
    vega = black.greeks(True, forwards, strikes, volatility, tau).vega
    assert black.vega(forwards, strikes, volatility, tau).tolist() == vega.tolist()

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.risk import black
from plimsoll.risk.reference.portfolio import Portfolio, PortfolioError, Position
from plimsoll.risk.reference.span import (
    COVER,
    PRICE,
    ClassicSpan,
    SpanConfig,
    assembly,
    composite_delta,
    linear_array,
    scan_risk,
)
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT

NOW = 1_735_689_600
DAY = 86_400
EXPIRY = NOW + 30 * DAY
LATER = NOW + 90 * DAY

# L. McMillan, Options as a Strategic Investment, ch. 34: gain of one long, as the book prints it, whole in thirds
FUTURE_GAINS = (0, 0, 3330, 3330, -3330, -3330, 6670, 6670, -6670, -6670, 10000, 10000, -10000, -10000, 7000, -7000)
CALL_GAINS = (460, -610, 2640, 1730, -1270, -2340, 5210, 4540, -2540, -3430, 8060, 7640, -3380, -3990, 3130, -1500)

# NSE Clearing, NIFTY June 2026 future, 2026-06-25: losses of one long
NSE = (8.72, 8.72, -736.49, -736.49, 753.93, 753.93, -1481.70, -1481.70)
NSE += (1499.14, 1499.14, -2226.91, -2226.91, 2244.36, 2244.36, -1561.89, 1568.00)


def portfolio(*positions, spot=100.0, **more):
    return Portfolio(NOW, spot, tuple(Position(*position) for position in positions), **more)


def call(quantity, strike=100.0, expiry=EXPIRY):
    return CALL, quantity, expiry, strike, 0.6


@pytest.mark.parametrize(("future", "option", "risk"), [(1, 0, 10_000), (0, 1, 3_990), (1, -1, 6_620)])
def test_covered_write(future, option, risk):
    losses = -np.array([FUTURE_GAINS, CALL_GAINS], dtype=float)
    assert scan_risk(losses, [future, option]) == risk


def test_the_books_future_has_our_scenarios():
    """The book rounds thirds to 10 and counts 35 % of twice the range: 7,000."""
    assert -linear_array(10_000) == pytest.approx(FUTURE_GAINS, abs=4)


def test_a_real_array():
    found = linear_array(2235.635, 8.72)
    assert found == pytest.approx(NSE, abs=0.02)
    assert scan_risk([NSE], [1]) == 2_244.36
    assert scan_risk([NSE], [75]) == 168_327
    assert scan_risk([found], [75]) == pytest.approx(168_327, abs=1)


def test_a_real_array_from_prices():
    """Three sessions to the last: the carry of one of them is what a still market costs the long."""
    forward, scan, carry, moved = 24_051.80, 2_234.01, 8.72, 2_235.635
    spot = (forward - carry) / (moved / scan)
    held = portfolio((FUTURE, 1.0, NOW + 3 * DAY), spot=spot, forwards={NOW + 3 * DAY: forward})
    arrays = ClassicSpan(SpanConfig(scan=scan / spot)).arrays(held)
    assert arrays[0] == pytest.approx(NSE, abs=0.03)


def test_scenarios():
    assert (PRICE * 3).tolist() == pytest.approx([0, 0, 1, 1, -1, -1, 2, 2, -2, -2, 3, 3, -3, -3, 6, -6])
    assert COVER.tolist() == [1.0] * 14 + [0.35] * 2
    array = ClassicSpan(SpanConfig(scan=0.3, volatility=0.2)).arrays(portfolio(call(1.0)))[0]
    now = float(black.price(True, 100.0, 100.0, 0.6, 30 / 365))
    for k, (third, volatility, cover) in enumerate([(0, 0.72, 1), (0, 0.48, 1), (1, 0.72, 1), (1, 0.48, 1)]):
        then = float(black.price(True, 100 * (1 + 0.1 * third), 100.0, volatility, 29 / 365))
        assert array[k] == pytest.approx(cover * (now - then), rel=1e-12)
    far = float(black.price(True, 160.0, 100.0, 0.6, 29 / 365))
    assert array[14] == pytest.approx(0.35 * (now - far), rel=1e-12)


def test_the_array_of_the_short_is_the_negative():
    span = ClassicSpan()
    found = span.arrays(portfolio(call(1.0), call(-1.0), (PERP, 2.0)))
    assert np.array_equal(found[0], found[1])  # both of one long unit
    assert scan_risk(found[:1], [-1.0]) == max(0.0, float(np.max(-found[0])))
    assert scan_risk(found[:2], [1.0, 1.0]) == 2 * scan_risk(found[:1], [1.0])


def test_composite_delta_weights():
    thirds = (0, 1, -1, 2, -2, 3, -3)
    weights = [composite_delta({k: float(k == third) for k in thirds}) for third in thirds]
    assert weights == [0.270, 0.217, 0.217, 0.111, 0.111, 0.037, 0.037]
    assert math.fsum(weights) == pytest.approx(1.0)
    assert ClassicSpan().deltas(portfolio((PERP, 1.0))).tolist() == pytest.approx([1.0])
    assert 0.4 < ClassicSpan().deltas(portfolio(call(1.0)))[0] < 0.7
    with pytest.raises(PortfolioError, match="deltas at"):
        composite_delta({0: 1.0})


@pytest.mark.parametrize(
    ("parts", "requirement"),
    [
        ((1_000, 200, 300, 0, 0), 900),
        ((1_000, 200, 300, 950, 0), 950),  # the short option minimum
        ((1_000, 0, 0, 0, -400), 1_400),  # a short option's value is owed
        ((1_000, 0, 0, 0, 2_500), 0),  # long options are worth more than they can lose
        ((100, 0, 400, 0, 0), 0),
    ],
)
def test_assembly(parts, requirement):
    assert assembly(*parts) == requirement


@given(st.lists(st.tuples(st.booleans(), st.floats(50, 200), st.floats(0.1, 20)), min_size=1, max_size=6))
def test_long_options_need_nothing(options):
    held = portfolio(*((CALL if c else PUT, q, EXPIRY, k, 0.6) for c, k, q in options))
    found = ClassicSpan(SpanConfig(initial=1.0)).requirement([held])
    assert 0 <= found.mm <= found.option_value
    assert found.of_cash == (0, 0)


def test_what_is_against_it_in_another_month_pays_a_spread():
    config = SpanConfig(scan=0.2, spread=0.03, initial=1.5)
    spread = portfolio((FUTURE, 2.0, EXPIRY), (FUTURE, -1.0, LATER))
    found = ClassicSpan(config).requirement([spread])
    assert found.parts["spreads"] == pytest.approx(3.0)  # one against one, 3 % of 100
    assert found.mm == pytest.approx(20.0 + 3.0)
    assert found.im == pytest.approx(1.5 * found.mm)


def test_the_credit_between_underlyings():
    first = portfolio((PERP, 1.0), name="A")
    other = portfolio((PERP, -4.0), spot=50.0, name="B")
    config = SpanConfig(scan=0.1, scans={"B": 0.2}, credit=0.5)
    found = ClassicSpan(config).requirement([first, other])
    # 100 against 200: all of A's 10, half of B's 40, half of it back
    assert found.parts["credit"] == pytest.approx(-0.5 * (10 + 20))
    assert found.mm == pytest.approx(50 - 15)
    same = ClassicSpan(config).requirement([first, portfolio((PERP, 4.0), spot=50.0, name="B")])
    assert same.parts["credit"] == 0


def test_short_options_have_a_minimum():
    far = portfolio((PUT, -10.0, EXPIRY, 1.0, 0.6))
    found = ClassicSpan(SpanConfig(short=0.02)).requirement([far])
    assert found.mm == pytest.approx(10 * 0.02 * 100)


def test_no_position_needs_nothing():
    assert ClassicSpan().requirement([portfolio()]).im == 0


@pytest.mark.parametrize(
    "bad", [{"scan": 0.0}, {"scans": {"A": 2.0}}, {"volatility": 1.1}, {"credit": -0.1}, {"initial": 0.9}]
)
def test_refuses(bad):
    with pytest.raises(PortfolioError):
        SpanConfig(**bad)

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.risk import black
from plimsoll.risk.reference.deribit import DeribitMatrix
from plimsoll.risk.reference.pmrm import Pmrm
from plimsoll.risk.reference.portfolio import Portfolio, PortfolioError, Position, Requirement, total
from plimsoll.risk.reference.span import ClassicSpan
from plimsoll.risk.reference.static import Static
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT

NOW = 1_735_689_600
DAY = 86_400
EXPIRY = NOW + 73 * DAY  # a fifth of a year
MODELS = (ClassicSpan(), Pmrm(), DeribitMatrix(), Static())

legs = st.one_of(
    st.builds(Position, st.sampled_from([PERP, SPOT]), st.floats(-5, 5)),
    st.builds(Position, st.just(FUTURE), st.floats(-5, 5), st.just(EXPIRY)),
    st.builds(
        Position, st.sampled_from([CALL, PUT]), st.floats(-5, 5), st.just(EXPIRY), st.floats(60, 160), st.just(0.6)
    ),
)


def test_prices():
    book = tuple(
        Position(*leg)
        for leg in (
            (PERP, 1.0),
            (SPOT, 2.0),
            (FUTURE, 3.0, EXPIRY),
            (CALL, 4.0, EXPIRY, 90.0, 0.5),
            (PUT, -1.0, EXPIRY, 90.0, 0.5),
        )
    )
    held = Portfolio(NOW, 100.0, book, {EXPIRY: 110.0}, {EXPIRY: 0.1}, perp=101.0, cash=7.0)
    discount = math.exp(-0.1 / 5)
    call, put = (float(black.price(c, 110.0, 90.0, 0.5, 0.2)) * discount for c in (True, False))
    assert held.marks == pytest.approx([101, 100, 110, call, put], rel=1e-12)
    assert held.option_value == pytest.approx(4 * call - put)
    assert held.value == pytest.approx(7 + 200 + 4 * call - put)
    moved = held.prices([-0.5, -2.0])
    assert moved[:3] == pytest.approx(np.array([[50.5, 0], [50, 0], [55, 0]]))
    assert moved[3, 0] == pytest.approx(float(black.price(True, 55.0, 90.0, 0.5, 0.2)) * discount)
    later = held.prices(0.0, later=0.1)
    assert later[2, 0] == pytest.approx(100 * 1.1**0.5)  # half of the carry is gone
    assert held.prices(0.0, np.full((5, 1), 0.9))[3, 0] > call


@given(st.lists(legs, max_size=6))
def test_every_model_asks_for_0_or_more_and_twice_as_much_of_twice_the_book(positions):
    held = Portfolio(NOW, 100.0, tuple(positions), {EXPIRY: 102.0})
    twice = Portfolio(NOW, 100.0, tuple(positions) * 2, {EXPIRY: 102.0})
    for model in MODELS:
        found, other = model.requirement([held]), model.requirement([twice])
        assert 0 <= found.mm <= found.im * (1 + 1e-12) + 1e-12
        assert (other.im, other.mm) == pytest.approx((2 * found.im, 2 * found.mm), rel=1e-9, abs=1e-9)
        assert found.option_value == pytest.approx(held.option_value)


def test_totals():
    found = total([Requirement(3, 2, 1, {"a": 1}), Requirement(30, 20, -10, {"a": 2, "b": 3})])
    assert found == Requirement(33, 22, -9, {"a": 3, "b": 3})
    assert found.of_cash == (42, 31)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Position(9, 1.0), "kind 9"),
        (lambda: Position(PERP, math.nan), "quantity nan"),
        (lambda: Position(PERP, 1.0, EXPIRY), "expiry 0"),
        (lambda: Position(FUTURE, 1.0), "expiry 0"),
        (lambda: Position(CALL, 1.0, EXPIRY, 0.0, 0.5), "strike 0"),
        (lambda: Position(PUT, 1.0, EXPIRY, 100.0, math.inf), "volatility inf"),
        (lambda: Portfolio(NOW, 0.0, ()), "spot 0.0"),
        (lambda: Portfolio(NOW, 100.0, (), perp=-1.0), "perp -1.0"),
        (lambda: Portfolio(NOW, 100.0, (), {EXPIRY: math.nan}), "forward"),
        (lambda: Portfolio(NOW, 100.0, (), cash=math.inf), "not finite"),
        (lambda: Portfolio(NOW, 100.0, (Position(FUTURE, 1.0, NOW),)), "expired"),
    ],
)
def test_refuses(make, said):
    with pytest.raises(PortfolioError, match=said):
        make()

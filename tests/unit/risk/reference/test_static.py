import pytest

from plimsoll.risk.reference.portfolio import Portfolio, PortfolioError, Position
from plimsoll.risk.reference.static import Static, StaticConfig
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT

NOW = 1_735_689_600
EXPIRY = NOW + 30 * 86_400


def needs(*positions, **more):
    return Static(StaticConfig(0.15, 0.10, 1.2)).requirement([Portfolio(NOW, 100.0, positions, **more)])


def test_linear_contracts_net():
    found = needs(Position(PERP, 3.0), Position(FUTURE, -1.0, EXPIRY), Position(SPOT, -1.0))
    assert (found.mm, found.im) == pytest.approx((15.0, 18.0))


@pytest.mark.parametrize(
    ("kind", "strike", "share"),
    [(CALL, 100, 0.15), (CALL, 80, 0.15), (CALL, 103, 0.12), (CALL, 180, 0.10), (PUT, 97, 0.12), (PUT, 130, 0.15)],
)
def test_short_options(kind, strike, share):
    found = needs(Position(kind, -2.0, EXPIRY, strike, 0.5))
    assert (found.mm, found.im) == pytest.approx((2 * share * 100, 1.2 * 2 * share * 100))
    # of cash the mark comes on top, as venues say it
    assert found.of_cash[1] == pytest.approx(2 * share * 100 - found.option_value)
    assert found.option_value < 0


def test_long_options_are_paid_and_back_nothing():
    option = Position(CALL, 2.0, EXPIRY, 100.0, 0.5)
    alone = needs(option)
    assert alone.mm == alone.im == alone.option_value > 0
    assert alone.of_cash == (0, 0)
    spread = needs(option, Position(CALL, -2.0, EXPIRY, 101.0, 0.5))
    assert spread.parts["short options"] == pytest.approx(2 * 14.0)


def test_refuses():
    for bad in ({"rate": 0.05}, {"floor": 0.0}, {"initial": 0.5}):
        with pytest.raises(PortfolioError):
            StaticConfig(**bad)

import numpy as np
import pytest

from plimsoll.risk.reference.deribit import FAR, DeribitMatrix, MatrixConfig, shock, short_call, short_put
from plimsoll.risk.reference.portfolio import Portfolio, PortfolioError, Position
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT

NOW = 1_735_689_600
DAY = 86_400
EXPIRY = NOW + 30 * DAY


def portfolio(*positions):
    return Portfolio(NOW, 100.0, tuple(Position(*position) for position in positions))


def test_shock_of_volatility():
    assert 100 * shock(15) == pytest.approx(46.78, abs=5e-3)
    assert shock(30) == 0.38
    assert shock(0.2) == shock(1)


def test_shock_of_volatility_in_2018():
    assert 100 * shock(15, 0.5, 0.40) == pytest.approx(56.57, abs=5e-3)
    assert shock(30, 0.5, 0.40) == 0.40


@pytest.mark.parametrize(
    ("mark", "strike", "im", "mm"),
    [
        (0.02, 10_000, 0.17, 0.095),  # at the money
        (0.02, 9_000, 0.17, 0.095),  # in it: nothing is out
        (0.01, 10_300, 0.13, 0.085),
        (0.01, 10_500, 0.11, 0.085),
        (0.001, 20_000, 0.101, 0.076),  # a tenth at least
    ],
)
def test_standard_short_call(mark, strike, im, mm):
    assert short_call(mark, strike, 10_000) == pytest.approx((im, mm), rel=1e-12)


def test_standard_short_put():
    assert short_put(0.02, 9_700, 10_000) == pytest.approx((0.14, 0.095))
    assert short_put(2.0, 30_000, 10_000) == pytest.approx((2.15, 2.15))  # deep in the money its mark rules
    with pytest.raises(PortfolioError, match="index 0"):
        short_put(0.1, 1, 0)


def test_the_matrix_has_nine_even_steps_and_far_moves():
    matrix = DeribitMatrix()
    assert matrix.moves == pytest.approx([-0.16, -0.12, -0.08, -0.04, 0, 0.04, 0.08, 0.12, 0.16])
    assert FAR == (-0.66, -0.33, 0.5, 1, 2, 3, 4, 5)
    found = matrix.profits(portfolio((PERP, 1.0)))
    assert found[:27] == pytest.approx(np.repeat(100 * matrix.moves, 3))
    assert np.abs(found[27:]) == pytest.approx(16.0)


def test_the_matrix_moves_volatility():
    found = DeribitMatrix().profits(portfolio((CALL, 1.0, EXPIRY, 100.0, 0.5))).reshape(-1)[:27].reshape(9, 3)
    assert np.all(found[:, 0] > found[:, 1])
    assert np.all(found[:, 1] > found[:, 2])
    assert found[4, 1] == pytest.approx(0.0)


def test_far_moves_catch_what_lies_outside_the_range():
    strangle = portfolio((CALL, -100.0, EXPIRY, 180.0, 0.3), (PUT, -100.0, EXPIRY, 50.0, 0.3))
    found = DeribitMatrix().profits(strangle)
    assert found[27:].min() < 5 * found[:27].min() < 0


def test_contingencies():
    matrix = DeribitMatrix()
    strike = (CALL, 10.0, EXPIRY, 100.0, 0.5), (PUT, -20.0, EXPIRY, 100.0, 0.5)
    assert matrix.contingency(portfolio(*strike)) == pytest.approx(10 * 0.01 * 100)
    futures = (FUTURE, 100.0, EXPIRY), (FUTURE, -100.0, EXPIRY + DAY)
    assert matrix.contingency(portfolio(*futures)) == pytest.approx(0.01 * 100 * 100)
    found = matrix.requirement([portfolio(*futures)])
    assert (found.im, found.mm) == pytest.approx((130, 100))


def test_refuses():
    with pytest.raises(PortfolioError, match="price range"):
        MatrixConfig(price=1.0)
    with pytest.raises(PortfolioError, match="far moves"):
        MatrixConfig(far=(0.1,))

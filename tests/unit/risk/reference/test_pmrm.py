"""PMRM2 against the portfolio cases that its venue publishes with the contract."""

from dataclasses import replace

import numpy as np
import pytest

from plimsoll.risk.reference.pmrm import TAILS, Pmrm, PmrmConfig, Scenario, kept, scenarios
from plimsoll.risk.reference.portfolio import Portfolio, PortfolioError, Position
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT

# what the venue's own cases use: six tails, damped to .036 / |move|, where it lists eight at .1386 / |move|
TEST = PmrmConfig(
    scenarios=scenarios(0.036, (-0.66, -0.33, 0.5, 1.0, 2.0, 3.0)), up=0.5, down=0.275, long=0.95, short=1.04
)
EXPIRY = 1_740_729_600
NOW = EXPIRY - 794_852
FLY_EXPIRY = 1_741_334_400


@pytest.fixture(scope="module")
def short_call():
    # the volatility is the case's .4538039243 with the digits that it is published with
    option = Position(CALL, -1.0, EXPIRY, 100_000.0, 0.453803924321583)
    return Portfolio(NOW, 95_663.50604855, (option,), {EXPIRY: 95_776.67392708939}, {EXPIRY: 0.15})


def test_a_long_perpetual():
    held = Portfolio(NOW, 3_000.0, (Position(PERP, 1.0),), perp=3_100.0, cash=10.0)  # funding earned: 10
    model = Pmrm(TEST)
    assert model.profits(held).min() == pytest.approx(-558.0, abs=1e-9)
    assert kept(held, model.requirement([held])) == pytest.approx((-608.0, -481.4), abs=1e-9)


def test_a_short_call(short_call):
    found = Pmrm(TEST).requirement([short_call])
    assert kept(short_call, found) == pytest.approx((-14_604.048120144837, -11_824.858703959073), abs=1e-9)


def test_a_short_call_with_the_volatility_to_ten_digits(short_call):
    rounded = replace(short_call, positions=(replace(short_call.positions[0], volatility=0.4538039243),))
    found = Pmrm(TEST).requirement([rounded])
    assert kept(rounded, found) == pytest.approx((-14_604.048120144837, -11_824.858703959073), abs=1e-6)


def test_the_parts_of_the_short_call(short_call):
    """Scenario by scenario, in the order edge, grid, tails, skew."""
    model = Pmrm(TEST)
    assert short_call.value == pytest.approx(-1_186.4185694587657, abs=1e-9)
    assert model.basis(short_call) == pytest.approx(-947.2098049301085, abs=1e-9)
    assert model.contingencies(short_call) == pytest.approx((286.99051814565, 191.3270120971), abs=1e-9)
    assert model.shifts(short_call.days(EXPIRY)) == pytest.approx((1.712811375927374, 0.6079537432399443), rel=1e-14)
    discounts = model.discounts(short_call.tau(EXPIRY), 0.15)
    assert discounts == pytest.approx((0.9445087287221925, 1.0037878445554764), rel=1e-14)
    by_scenario = dict(zip(TEST.scenarios, model.profits(short_call).tolist(), strict=True))
    published = {
        Scenario(0.18, "up"): -12_939.312020443321671337,
        Scenario(-0.18, "up"): 1_082.697694190962693028,
        Scenario(0.135, "down"): -7_569.803983748365681095,
        Scenario(0.135, "flat"): -7_978.264376240463207068,
        Scenario(0.135, "up"): -9_430.612502045187284239,
        Scenario(0.0, "flat"): -4.493969118840595911,
        Scenario(-0.045, "down"): 1_154.179248187170287565,
        Scenario(-0.135, "up"): 875.932366665499785086,
        Scenario(-0.66, "up", 0.036 / 0.66): 64.71374015229629606,
        Scenario(3.0, "up", 0.036 / 3.0): -3_383.043325666785221983,
        Scenario(0.0, "linear"): -43.43395259503017769,
        Scenario(0.0, "size"): -43.43395259503017769,
    }
    for scenario, profit in published.items():
        assert by_scenario[scenario] == pytest.approx(profit, abs=1e-9), scenario


def test_a_fly():
    """A straddle bought, a strangle sold, vega about zero; discounts of 1 and 1.04, no rate."""
    forward = 2_687.7468750528033
    legs = ((CALL, 0.664453, 2_700, 0.6398630842802469), (PUT, 0.664453, 2_700, 0.6398630842802469))
    legs += ((CALL, -1.0, 3_100, 0.6825566477354112), (PUT, -1.0, 2_375, 0.6893699644105598))
    positions = tuple(Position(kind, q, FLY_EXPIRY, strike, vol) for kind, q, strike, vol in legs)
    held = Portfolio(FLY_EXPIRY - 1_399_652, 2_681.6029, positions, {FLY_EXPIRY: forward})
    model = Pmrm(replace(TEST, long=1.0))
    assert kept(held, model.requirement([held])) == pytest.approx((39.634540994082215, 60.52985764119019), abs=1e-9)
    assert model.profits(held)[-2:] == pytest.approx([-0.817212094694184543, -7.973751051394884826], abs=1e-9)


def test_the_listed_scenarios():
    listed = scenarios()
    assert len(listed) == 33
    tails = {1 + s.move: s.damp for s in listed if s.move in TAILS}
    published = {0.34: 0.21, 0.67: 0.42, 1.5: 0.2772, 2: 0.1386, 3: 0.0693, 4: 0.0462, 5: 0.03465, 6: 0.02772}
    assert [tails[1 + move] for move in TAILS] == pytest.approx(list(published.values()), rel=1e-12)
    assert sorted(tails) == pytest.approx(sorted(published))
    grid = {(s.move, s.shift) for s in listed if s.damp == 1 and abs(s.move) <= 0.135}
    assert len(grid) == 23
    assert {s.shift for s in listed if abs(s.move) == 0.18} == {"up"}


@pytest.mark.parametrize(
    ("days", "up", "down"),
    [
        (30, 1.5, 0.7),
        (0.1, 1 + 0.5 * 30**0.3, max(0, 1 - 0.3 * 30**0.3)),
        (60, 1 + 0.5 * 0.5**0.13, 1 - 0.3 * 0.5**0.13),
    ],
)
def test_shifts(days, up, down):
    assert Pmrm().shifts(days) == pytest.approx((up, down), rel=1e-12)


def test_options_count_as_naked_by_strike():
    at = Position(CALL, -3.0, EXPIRY, 100.0, 0.5)
    book = (
        at,
        Position(PUT, 2.0, EXPIRY, 100.0, 0.5),
        Position(PUT, 9.0, EXPIRY, 90.0, 0.5),
        Position(FUTURE, -1.0, EXPIRY),
    )
    assert Pmrm().contingencies(Portfolio(NOW, 100.0, book)) == pytest.approx((0.3 + 1.5, 0.2 + 0.5))


def test_spot_moves_with_the_scenarios_and_hedges():
    option = Position(CALL, -1.0, EXPIRY, 100.0, 0.5)
    naked, covered = (Portfolio(NOW, 100.0, (option, *more)) for more in ((), (Position(SPOT, 1.0),)))
    model = Pmrm()
    assert model.requirement([covered]).im < model.requirement([naked]).im
    spot = Portfolio(NOW, 100.0, (Position(SPOT, 1.0),))
    assert model.profits(spot).min() == pytest.approx(-18.0)
    assert spot.value == 100
    both = model.requirement([naked, spot])
    assert both.im == pytest.approx(model.requirement([naked]).im + model.requirement([spot]).im)


def test_a_skew_scenario_never_pays():
    book = (Position(CALL, 1.0, EXPIRY, 120.0, 0.5), Position(PUT, -1.0, EXPIRY, 80.0, 0.5))
    assert np.all(Pmrm(replace(TEST, long=1.0, short=1.0)).profits(Portfolio(NOW, 100.0, book))[-2:] <= 0)


def test_refuses():
    with pytest.raises(PortfolioError, match="no scenario"):
        PmrmConfig(scenarios=())
    with pytest.raises(PortfolioError, match="mm_factor"):
        PmrmConfig(mm_factor=-1.0)

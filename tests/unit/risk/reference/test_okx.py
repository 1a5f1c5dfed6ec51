import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.risk.reference.okx import EXTREME, SPOT_SHOCKS, TIERS, Charges, minimum, shocked
from plimsoll.risk.reference.portfolio import Portfolio, PortfolioError, Position
from plimsoll.spec.instruments import CALL, PERP

NOW = 1_735_689_600


def test_tiers():
    ends = [0, 250_000, 500_000, 1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000]
    slopes = [(minimum(b) - minimum(a)) / (b - a) for a, b in pairwise(ends)]
    assert slopes == [1, 2, 4, 6, 8, 10, 12]
    assert minimum(9_000_000) - minimum(8_000_000) == 12_000_000


def test_the_venues_own_example():
    """Tiers of 2021: 30,000 raw is 10,000 + 2 x 20,000, over the 40,000 of the other charges."""
    tiers = ((10_000.0, 1.0), (70_000.0, 2.0), (math.inf, 4.0))
    assert minimum(30_000, tiers) == 50_000
    assert Charges(mr1=40_000, raw=30_000).mmr(tiers) == 50_000
    assert Charges(mr1=40_000, raw=20_000).mmr(tiers) == 40_000


@pytest.mark.parametrize(
    ("charges", "mmr"),
    [
        (Charges(100, 20, 3, 4, 5, 60, 50), 112),
        (Charges(10, 20, 3, 4, 5, 60, 50), 72),
        (Charges(10, 80, 3, 4, 5, 60, 50), 92),
        (Charges(10, 20, 3, 4, 5, 6, 50), 50),
    ],
)
def test_assembly(charges, mmr):
    assert charges.mmr() == mmr
    assert charges.imr() == pytest.approx(1.3 * mmr)


@given(st.floats(0, 1e7), st.floats(0, 1e7))
def test_the_minimum_rises_no_slower_than_the_charge(one, other):
    low, high = sorted((one, other))
    assert minimum(high) - minimum(low) >= (high - low) * (1 - 1e-9) - 1e-6
    assert minimum(high) <= 12 * high


def test_shocks():
    assert sorted(SPOT_SHOCKS) == [-0.12, -0.08, -0.04, 0, 0.04, 0.08, 0.12]
    perp = Portfolio(NOW, 100.0, (Position(PERP, -2.0),))
    assert shocked(perp, SPOT_SHOCKS) == pytest.approx(24)
    assert shocked(perp, EXTREME) == pytest.approx(48)
    option = Portfolio(NOW, 100.0, (Position(CALL, 1.0, NOW + 86_400 * 30, 100.0, 0.5),))
    assert shocked(option, SPOT_SHOCKS, (-0.3, 0.0, 0.3)) > shocked(option, SPOT_SHOCKS) > 0
    assert shocked(Portfolio(NOW, 100.0, ()), SPOT_SHOCKS) == 0


def test_refuses():
    assert TIERS[-1][0] == math.inf
    with pytest.raises(PortfolioError, match="raw minimum"):
        minimum(-1.0)

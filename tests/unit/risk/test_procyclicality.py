"""Tools against procyclicality: they raise a range in a calm, never lower it, and leave a storm alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.risk.errors import ModelError
from plimsoll.risk.procyclicality import EMIR, NONE, Damping

SHARES = st.floats(0, 1)
RANGES = st.floats(1e-4, 1)


@given(SHARES, SHARES, st.floats(0, 5), RANGES, RANGES)
def test_nothing_is_lowered_and_a_storm_is_left_alone(weight, floor, buffer, now, long_run):
    found = Damping(weight, floor, buffer)(now, long_run)
    assert found >= now
    assert found <= max(now, long_run) * (1 + 1e-12)
    assert NONE(now, long_run) == now


@given(SHARES, SHARES, st.floats(0, 5), RANGES, RANGES, RANGES)
def test_more_risk_never_asks_less(weight, floor, buffer, one, other, long_run):
    low, high = sorted((one, other))
    tool = Damping(weight, floor, buffer)
    assert tool(low, long_run) <= tool(high, long_run) * (1 + 1e-12)


def test_the_three_of_the_regulation():
    calm, long_run = 0.04, 0.10
    assert EMIR["buffer"](calm, long_run) == pytest.approx(0.05)
    assert EMIR["buffer"](0.09, long_run) == pytest.approx(0.10)  # used up on the way
    assert EMIR["buffer"](0.12, long_run) == 0.12
    assert EMIR["stress"](calm, long_run) == pytest.approx(0.055)
    assert EMIR["floor"](calm, long_run) == pytest.approx(0.10)
    assert all(tool.is_used for tool in EMIR.values())
    assert not NONE.is_used


@pytest.mark.parametrize(
    ("change", "said"),
    [({"stress_weight": 1.1}, "stress_weight"), ({"floor_share": -0.1}, "floor"), ({"buffer": 6}, "buffer")],
)
def test_shares_out_of_range_have_a_name(change, said):
    with pytest.raises(ModelError, match=said):
        Damping(**change)

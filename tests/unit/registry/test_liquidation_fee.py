"""Registry.liquidation_fee: a share of MM, raised like every fee, with a cap of its own."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plimsoll.spec.registry import Fees, pack_fees

each = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_none_by_default(bench):
    assert bench.ask("liquidation_fee", 10**6, 10**6) == 0


def test_by_hand(bench):
    bench.must("set_fees", pack_fees(Fees(0, 0, 500_000, 2_000_000, 0, 50_000, 120_000)))
    assert bench.ask("liquidation_fee", 0, 0) == 50_000
    assert bench.ask("liquidation_fee", 600_000, 0) == 65_000
    assert bench.ask("liquidation_fee", 600_000, 250_000) == 90_000
    assert bench.ask("liquidation_fee", 600_000, 549_999) == 120_000
    assert bench.ask("liquidation_fee", 600_000, 600_000) == 120_000


@pytest.mark.parametrize(("scales", "drivers"), [((1, 0), (1, 0)), ((0, 1), (0, 1))])
def test_it_rounds_up_at_each_division(bench, scales, drivers):
    # 3 x 1.000001: the scale's product is under one ppm, and so is what it adds
    bench.must("set_fees", pack_fees(Fees(0, 0, *scales, 0, 3, 10)))
    assert bench.ask("liquidation_fee", 0, 0) == 3
    assert bench.ask("liquidation_fee", *drivers) == 4


@pytest.mark.parametrize("scale", [1, 2**24 - 1])
@pytest.mark.parametrize("most", [2**64 - 1, 2**64, 2**64 + 1, 2**256 - 1])
def test_no_volatility_or_utilisation_is_too_large(bench, scale, most):
    bench.must("set_fees", pack_fees(Fees(0, 0, scale, scale, 0, 1, 200_000)))
    for drivers in ((most, 0), (0, most), (most, most)):
        assert bench.ask("liquidation_fee", *drivers) == 200_000


@each
@given(
    st.integers(0, 200_000),
    st.integers(0, 200_000),
    st.integers(0, 2**24 - 1),
    st.integers(0, 2**24 - 1),
    st.integers(0, 2**256 - 1) | st.integers(0, 2_000_000) | st.sampled_from([2**64 - 1, 2**64, 2**64 + 1]),
    st.integers(0, 2**256 - 1) | st.integers(0, 2_000_000) | st.sampled_from([2**64 - 1, 2**64, 2**64 + 1]),
)
def test_as_the_twin_has_it(bench, base, cap, vol_scale, util_scale, volatility, utilisation):
    base = min(base, cap)
    bench.must("set_fees", pack_fees(Fees(0, 0, vol_scale, util_scale, 0, base, cap)))
    assert base <= bench.ask("liquidation_fee", volatility, utilisation) <= cap

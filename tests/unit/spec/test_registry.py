"""plimsoll.spec.registry by itself: packed words, and how a fee rises."""

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.spec import registry
from plimsoll.spec.errors import FormatError
from plimsoll.spec.registry import AccountLimits, Curve, Fees, PoolLimits, fee_rate
from plimsoll.spec.wad import PPM

LAYOUTS = {
    "account_limits": (AccountLimits, registry.ACCOUNT_LAYOUT, 24),
    "pool_limits": (PoolLimits, registry.POOL_LAYOUT, 0),
    "curve": (Curve, registry.CURVE_LAYOUT, 136),
    "fees": (Fees, registry.FEES_LAYOUT, 88),
}
factors = st.integers(0, 2**24 - 1)
drivers = st.integers(0, 2**32 - 1) | st.integers(0, 2 * PPM)


@pytest.mark.parametrize("name", LAYOUTS)
@given(data=st.data())
def test_a_word_is_its_fields(name, data):
    made, layout, zero = LAYOUTS[name]
    fields = {key: data.draw(st.integers(0, 2**bits - 1)) for key, bits in layout}
    word = getattr(registry, f"pack_{name}")(made(**fields))
    assert word < 2**256
    assert word % 2**zero == 0
    assert getattr(registry, f"unpack_{name}")(word) == made(**fields)


@pytest.mark.parametrize("name", LAYOUTS)
@given(word=st.integers(0, 2**256 - 1))
def test_fields_are_their_word(name, word):
    zero = LAYOUTS[name][2]
    found = getattr(registry, f"unpack_{name}")(word)
    assert getattr(registry, f"pack_{name}")(found) == word >> zero << zero


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_fields_fill_the_word(name):
    _, layout, zero = LAYOUTS[name]
    assert sum(bits for _, bits in layout) + zero == 256


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_field_that_does_not_fit(name):
    made, layout, _ = LAYOUTS[name]
    for key, bits in layout:
        for value in (-1, 2**bits):
            with pytest.raises(FormatError, match=f"^{key} {value} does not fit u{bits}$"):
                getattr(registry, f"pack_{name}")(made(**{key: value}))


@given(factors, drivers, drivers, factors, factors, factors)
def test_a_fee_is_within_its_bounds(base, volatility, utilisation, cap, vol_scale, util_scale):
    found = fee_rate(base, volatility, utilisation, cap, vol_scale=vol_scale, util_scale=util_scale)
    assert min(base, cap) <= found <= cap


@given(factors, drivers, drivers, factors, factors, factors, st.integers(0, 2**32))
def test_a_fee_never_falls_with_volatility_or_utilisation(
    base, volatility, utilisation, cap, vol_scale, util_scale, more
):
    scales = {"vol_scale": vol_scale, "util_scale": util_scale}
    found = fee_rate(base, volatility, utilisation, cap, **scales)
    assert fee_rate(base, volatility + more, utilisation, cap, **scales) >= found
    assert fee_rate(base, volatility, utilisation + more, cap, **scales) >= found


@given(factors, drivers, drivers, factors, factors)
def test_a_fee_rounds_up_and_by_less_than_its_base_and_one(base, volatility, utilisation, vol_scale, util_scale):
    found = fee_rate(base, volatility, utilisation, 2**128, vol_scale=vol_scale, util_scale=util_scale)
    exact = base * (1 + Fraction(vol_scale * volatility + util_scale * utilisation, PPM**2))
    # each inner division adds under one ppm of the base
    assert ceil(exact) <= found < exact + Fraction(2 * base, PPM) + 1


@given(factors, drivers, drivers, factors)
def test_without_scales_a_fee_is_its_base(base, volatility, utilisation, cap):
    assert fee_rate(base, volatility, utilisation, cap, vol_scale=0, util_scale=0) == min(base, cap)

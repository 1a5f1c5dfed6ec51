"""Rounding is in the name: down is toward minus infinity, up toward plus infinity, for either sign."""

from fractions import Fraction
from math import ceil, floor, trunc

import pytest
from hypothesis import given

from plimsoll.spec.wad import div_floor, div_truncate, div_up, mul_div_down, mul_div_up
from tests.strategies import edge_integers

NUMBERS = edge_integers(-(10**40), 10**40)
POSITIVE = edge_integers(1, 10**30)


@given(NUMBERS, POSITIVE)
def test_division(numerator: int, denominator: int) -> None:
    exact = Fraction(numerator, denominator)
    assert div_floor(numerator, denominator) == floor(exact)
    assert div_up(numerator, denominator) == ceil(exact)
    assert div_truncate(numerator, denominator) == trunc(exact)


@given(NUMBERS, NUMBERS, POSITIVE)
def test_multiplication_then_division(a: int, b: int, denominator: int) -> None:
    exact = Fraction(a * b, denominator)
    assert mul_div_down(a, b, denominator) == floor(exact)
    assert mul_div_up(a, b, denominator) == ceil(exact)
    assert mul_div_up(a, b, denominator) - mul_div_down(a, b, denominator) == (exact.denominator != 1)


@pytest.mark.parametrize("denominator", [0, -1])
@pytest.mark.parametrize("divide", [div_floor, div_truncate, div_up])
def test_a_denominator_is_positive(divide, denominator: int) -> None:
    with pytest.raises(ZeroDivisionError) as refused:
        divide(1, denominator)
    assert refused.value.args == (denominator,)

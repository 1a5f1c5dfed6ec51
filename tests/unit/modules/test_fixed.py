"""modules/fixed.vy: each quotient goes the way its name says, at both signs."""

import pytest

from plimsoll.spec import wad

BIG = 2**255 - 1
NUMERATORS = (0, 1, 2, 3, 9, 10, 11, 10**18 - 1, 10**18, 10**18 + 1, BIG)


@pytest.mark.parametrize("denominator", [1, 2, 3, 10, 10**18, BIG])
@pytest.mark.parametrize("numerator", NUMERATORS)
def test_division(ask, numerator, denominator):
    up = -(-numerator // denominator)
    assert ask("div_up", numerator, denominator) == up == wad.div_up(numerator, denominator)
    for signed in (numerator, -numerator):
        assert ask("div_floor", signed, denominator) == signed // denominator
        assert ask("div_ceil", signed, denominator) == -(-signed // denominator)
        toward_zero = numerator // denominator * (1 if signed == numerator else -1)
        assert ask("div_truncate", signed, denominator) == toward_zero == wad.div_truncate(signed, denominator)


@pytest.mark.parametrize(
    ("a", "b", "c", "down", "up"),
    [(7, 3, 2, 10, 11), (7, 2, 7, 2, 2), (1, 1, 10**18, 0, 1), (0, 5, 3, 0, 0), (2**128, 2**127, 2**255, 1, 1)],
)
def test_products(ask, a, b, c, down, up):
    assert ask("mul_div_down", a, b, c) == down == wad.mul_div_down(a, b, c)
    assert ask("mul_div_up", a, b, c) == up == wad.mul_div_up(a, b, c)


def test_a_product_that_does_not_fit_or_a_division_by_zero_reverts(ask):
    for name in ("mul_div_down", "mul_div_up"):
        assert ask(name, 2**128, 2**128, 1) == "refused: "
        assert ask(name, 1, 1, 0) == "refused: "
    assert ask("div_up", 2**256 - 1, 1) == 2**256 - 1
    assert ask("div_up", 2**256 - 1, 2) == 2**255
    assert ask("div_floor", -(2**255), 1) == -(2**255)
    assert (
        ask("div_floor", 1, 0)
        == ask("div_ceil", 1, 0)
        == ask("div_truncate", 1, 0)
        == ask("div_up", 1, 0)
        == "refused: "
    )

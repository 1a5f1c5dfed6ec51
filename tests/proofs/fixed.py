"""Lemmas of `modules/fixed.vy`: what every other rounding rests on."""

from __future__ import annotations

from typing import Final

from tests.proofs.prove import Run, planted, proof
from tests.proofs.vyper import WORD

FIXED: Final = "modules/fixed.vy"
TOP: Final = WORD - 1


@proof("L-01", planted(FIXED, "if numerator % denominator != 0:", "if denominator != 0:"))
def quotient_up(run: Run) -> None:
    run.summarises = False
    n, d = run.int("numerator", 0, TOP), run.int("denominator", 1, TOP)
    q = run.call(FIXED, "_div_up", n, d)
    run.claim(q * d >= n, "not below the fraction")
    run.claim((q - 1) * d < n, "no unit less would do")


@proof("L-02", planted(FIXED, "if numerator % denominator < 0:", "if numerator % denominator > 0:"))
def signed_quotients(run: Run) -> None:
    n, d = run.int("numerator", -(2**254), 2**254), run.int("denominator", 1, 2**254)
    run.total, run.summarises = True, False
    down = run.call(FIXED, "_div_floor", n, d)
    run.claim(down * d <= n, "down is not over")
    run.claim((down + 1) * d > n, "and less than a unit under")
    up = run.call(FIXED, "_div_ceil", n, d)
    run.claim(up * d >= n, "up is not under")
    run.claim((up - 1) * d < n, "and less than a unit over")
    zero = run.call(FIXED, "_div_truncate", n, d)
    if run.when(n >= 0):
        run.claim(zero.equals(down), "toward zero is down")
    else:
        run.claim(zero.equals(up), "toward zero is up")


@proof("L-03", planted(FIXED, "return self._div_up(a * b, denominator)", "return a * b // denominator"))
def products(run: Run) -> None:
    run.summarises = False
    a, b, d = run.int("a", 0, TOP), run.int("b", 0, TOP), run.int("denominator", 1, TOP)
    down = run.call(FIXED, "_mul_div_down", a, b, d)
    up = run.call(FIXED, "_mul_div_up", a, b, d)
    run.claim(down * d <= a * b, "down is not over")
    run.claim(up * d >= a * b, "up is not under")
    run.claim(up <= down + 1, "a unit between at most")


@proof("L-04", planted(FIXED, "return self._div_up(a * b, denominator)", "return a * b // denominator"))
def splitting(run: Run) -> None:
    run.summarises = False
    a, b = run.int("a", 0, TOP), run.int("b", 0, TOP)
    x, d = run.int("x", 0, TOP), run.int("denominator", 1, TOP)
    run.assume(a + b <= TOP)
    run.assume((a + b) * x <= TOP)
    whole, one, two = (run.call(FIXED, "_mul_div_down", part, x, d) for part in (a + b, a, b))
    run.claim(one + two <= whole, "down, two parts are no more than the whole")
    run.claim(one + two >= whole - 1, "and a unit less at most")
    whole, one, two = (run.call(FIXED, "_mul_div_up", part, x, d) for part in (a + b, a, b))
    run.claim(one + two >= whole, "up, two parts are no less than the whole")
    run.claim(one + two <= whole + 1, "and a unit more at most")

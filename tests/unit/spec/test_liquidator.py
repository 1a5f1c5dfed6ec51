"""The auction's arithmetic: which way it moves, what it leaves, and that it restores initial margin."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from plimsoll.spec.liquidator import cap_of, discount_of, payment_for, share_at
from plimsoll.spec.margin import Assessment
from plimsoll.spec.wad import PPM, WAD
from tests.strategies import edge_integers

MONEY = edge_integers(0, 10**36)


@st.composite
def sick(draw: st.DrawFn) -> Assessment:
    """An account that a bid can be made on: 0 <= E_m, E_h <= E_m, E_h < IM, MM <= IM."""
    full, mm = draw(MONEY), draw(edge_integers(1, 10**36))
    haircut = full - draw(MONEY)
    im = mm + draw(MONEY)
    assume(haircut < im)
    return Assessment(haircut, full, mm, im, mm + mm // 10, fresh=True)


@given(edge_integers(0, 10**6), edge_integers(0, 10**6), edge_integers(60, 86_400), edge_integers(0, 500_000))
def test_the_share_only_grows_from_its_start_to_all(one: int, other: int, ramp: int, start: int) -> None:
    early, late = sorted((one, other))
    assert start <= share_at(early, ramp, start) <= share_at(late, ramp, start) <= PPM
    assert share_at(0, ramp, start) == start
    assert share_at(ramp, ramp, start) == PPM
    if early < ramp:
        assert 0 <= start + Fraction((PPM - start) * early, ramp) - share_at(early, ramp, start) < 1


@given(sick(), edge_integers(0, PPM), edge_integers(0, PPM))
def test_the_discount_only_grows_and_never_takes_more_than_all(found: Assessment, one: int, other: int) -> None:
    """I-24."""
    early, late = sorted((one, other))
    assert 0 <= discount_of(found, early) <= discount_of(found, late) <= found.equity_full
    whole = found.equity_full - found.equity_haircut + found.mm
    assert discount_of(found, PPM) == min(whole, found.equity_full)


@given(sick(), edge_integers(0, PPM))
def test_the_cap_is_the_least_that_restores_initial_margin(found: Assessment, share: int) -> None:
    """With requirements that shrink in proportion: E_h' = (1 - f) E_h + f (E_m - D) meets (1 - f) IM."""
    discount = discount_of(found, share)
    cap = cap_of(found, discount)
    assert 0 < cap <= WAD

    def lacks(fraction: int) -> Fraction:
        f = Fraction(fraction, WAD)
        return (1 - f) * (found.im - found.equity_haircut) - f * (found.equity_full - discount)

    assert lacks(cap) <= 0 or cap == WAD
    assert lacks(cap - 1) > 0


@given(sick(), edge_integers(0, PPM), edge_integers(1, WAD))
def test_the_payment_rounds_down_and_is_no_more_than_the_equity(found: Assessment, share: int, fraction: int) -> None:
    discount = discount_of(found, share)
    payment = payment_for(found, discount, fraction)
    exact = Fraction((found.equity_full - discount) * fraction, WAD)
    assert 0 <= exact - payment < 1
    assert payment <= found.equity_full - discount


@given(sick(), edge_integers(0, PPM), edge_integers(2, WAD))
def test_many_small_bids_never_pay_less_than_it_costs(found: Assessment, share: int, fraction: int) -> None:
    """I-62: two halves at one discount are paid at most one unit less than the whole, never more."""
    discount = discount_of(found, share)
    half = fraction // 2
    parts = payment_for(found, discount, half) + payment_for(found, discount, fraction - half)
    assert 0 <= payment_for(found, discount, fraction) - parts <= 1


@pytest.mark.parametrize(
    ("elapsed", "discount", "cap", "payment"),
    [
        # E_m 100, E_h 90, MM 100, IM 130: whole discount 110, but no more than E_m
        (0, 5.5, Fraction(40 * WAD, 1) / Fraction(1345, 10), 94.5),
        (1_800, 57.75, Fraction(40 * WAD, 1) / Fraction(8225, 100), 42.25),
        (3_600, 100, WAD, 0),
        (99_999, 100, WAD, 0),
    ],
)
def test_by_hand(elapsed: int, discount: float, cap: Fraction | int, payment: float) -> None:
    found = Assessment(90 * WAD, 100 * WAD, 100 * WAD, 130 * WAD, 110 * WAD, fresh=True)
    given_now = discount_of(found, share_at(elapsed, 3_600, 50_000))
    assert given_now == int(discount * 100) * WAD // 100
    assert cap_of(found, given_now) == -(-cap // 1)
    assert payment_for(found, given_now, WAD) == int(payment * 100) * WAD // 100

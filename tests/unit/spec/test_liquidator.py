"""The auction's arithmetic: which way it moves, what it leaves, and that it restores initial margin."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from plimsoll.spec.liquidator import Config, cap_of, discount_of, offer_for, share_at
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
def test_the_discount_only_grows(found: Assessment, one: int, other: int) -> None:
    """I-24. Past E_m the price is nothing, and somebody else pays the bidder."""
    early, late = sorted((one, other))
    whole = found.equity_full - found.equity_haircut + found.mm
    assert 0 <= discount_of(found, early) <= discount_of(found, late) <= discount_of(found, PPM) == whole


@given(sick(), edge_integers(0, 10**36))
def test_the_cap_is_the_least_that_restores_initial_margin(found: Assessment, net: int) -> None:
    """With requirements that shrink in proportion: E_h' = (1 - f) E_h + f net meets (1 - f) IM."""
    cap = cap_of(found, net)
    assert 0 < cap <= WAD

    def lacks(fraction: int) -> Fraction:
        f = Fraction(fraction, WAD)
        return (1 - f) * (found.im - found.equity_haircut) - f * net

    assert lacks(cap) <= 0
    assert lacks(cap - 1) > 0


@given(sick(), edge_integers(0, PPM), edge_integers(1, WAD), edge_integers(0, 200_000))
def test_what_is_paid_rounds_down_and_the_fee_is_part_of_it(
    found: Assessment, share: int, wanted: int, fee_rate: int
) -> None:
    offer = offer_for(found, share, wanted, fee_rate, Config())
    price = max(0, found.equity_full - offer.discount)
    exact = Fraction(price * offer.fraction, WAD)
    assert offer.fraction == min(wanted, offer.cap)
    assert 0 <= exact - offer.payment < 1
    assert 0 <= offer.fee <= offer.payment
    # no more than the rate says of the margin that is taken over, but for the units it rounds up
    assert offer.fee <= Fraction(found.mm * fee_rate * offer.fraction, PPM * WAD) + 2
    assert (offer.payment > 0) <= (offer.due == 0)
    assert offer.is_whole == (share == PPM)


@given(sick(), edge_integers(0, PPM), edge_integers(0, 200_000))
def test_with_its_fee_the_cap_still_restores_initial_margin(found: Assessment, share: int, fee_rate: int) -> None:
    offer = offer_for(found, share, WAD, fee_rate, Config())
    rest = Fraction(WAD - offer.cap, WAD)
    # of the payment's unit and the fee's one each
    assert rest * found.equity_haircut + offer.payment - offer.fee >= rest * found.im - 2


@given(sick(), edge_integers(0, PPM), edge_integers(0, 10**24))
def test_a_rest_too_small_is_taken_along(found: Assessment, share: int, least: int) -> None:
    alone = offer_for(found, share, WAD, 0, Config())
    offer = offer_for(found, share, WAD, 0, Config(min_rest=least))
    is_small = found.mm * (WAD - alone.cap) // WAD < least
    assert offer.cap == (WAD if is_small else alone.cap)


@given(sick(), edge_integers(0, PPM), edge_integers(2, WAD))
def test_many_small_bids_never_pay_less_than_it_costs(found: Assessment, share: int, fraction: int) -> None:
    """I-62: two halves at one discount are paid at most one unit less than the whole, never more."""
    fraction = min(fraction, offer_for(found, share, WAD, 0, Config()).cap)
    halves = (fraction // 2, fraction - fraction // 2)
    parts = sum(offer_for(found, share, half, 0, Config()).payment for half in halves)
    assert 0 <= offer_for(found, share, fraction, 0, Config()).payment - parts <= 1


@given(
    edge_integers(-(10**36), 10**36),
    edge_integers(1, 10**36),
    edge_integers(0, PPM),
    edge_integers(1, WAD),
    edge_integers(0, 100_000),
)
def test_what_is_owed_grows_to_what_equity_lacks_of_the_bonus(
    equity: int, mm: int, share: int, wanted: int, bonus: int
) -> None:
    found = Assessment(equity, equity, mm, max(mm, equity + 1), mm, fresh=True)
    offer = offer_for(found, share, wanted, 10_000, Config(bonus=bonus))
    if equity > offer.discount:
        assert offer.due == 0
        return
    assert (offer.payment, offer.fee, offer.cap) == (0, 0, WAD)
    whole = max(0, mm * bonus // PPM - equity)
    assert 0 <= Fraction(whole * share * offer.fraction, PPM * WAD) - offer.due < 2


@pytest.mark.parametrize(
    ("elapsed", "discount", "cap", "payment", "due"),
    [
        # E_m 100, E_h 90, MM 100, IM 130: whole discount 110; equity is more than the bonus, 2 % of MM
        (0, 5.5, Fraction(40 * WAD, 1) / Fraction(1345, 10), 94.5, 0),
        (1_800, 57.75, Fraction(40 * WAD, 1) / Fraction(8225, 100), 42.25, 0),
        (3_600, 110, WAD, 0, 0),
        (99_999, 110, WAD, 0, 0),
    ],
)
def test_by_hand(elapsed: int, discount: float, cap: Fraction | int, payment: float, due: int) -> None:
    found = Assessment(90 * WAD, 100 * WAD, 100 * WAD, 130 * WAD, 110 * WAD, fresh=True)
    offer = offer_for(found, share_at(elapsed, 3_600, 50_000), WAD, 0, Config())
    assert offer.discount == int(discount * 100) * WAD // 100
    assert offer.cap == -(-cap // 1)
    assert offer.payment == int(payment * 100) * WAD // 100 * offer.cap // WAD
    assert offer.due == due * WAD

"""modules/dutch_auction.vy: share, discount, fraction and payment, at their ends."""

import pytest

from plimsoll.spec import liquidator
from plimsoll.spec.margin import Assessment
from plimsoll.spec.wad import PPM, WAD


def of(full=0, haircut=0, mm=0, im=0):
    """An assessment."""
    return Assessment(haircut, full, mm, im, 0, fresh=True)


@pytest.mark.parametrize(
    ("elapsed", "share"),
    [(0, 50_000), (1, 50_263), (3_599, 999_736), (3_600, PPM), (3_601, PPM), (2**255, PPM)],
)
def test_the_share_grows_from_its_start_to_all(ask, elapsed, share):
    assert ask("share", elapsed, 3_600, 50_000) == share == liquidator.share_at(elapsed, 3_600, 50_000)


def test_the_share_never_falls(ask):
    found = [ask("share", t, 61, 1) for t in range(70)]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (1, PPM)


@pytest.mark.parametrize(
    ("full", "haircut", "mm", "share", "discount"),
    [
        (100, 80, 30, PPM, 50),
        (100, 80, 30, 10_001, 1),  # .50005: up
        (100, 80, 30, 0, 0),
        (40, 20, 30, PPM, 40),  # no more than all equity
        (0, -20, 30, PPM, 0),
        (100, -(10**36), 0, 1, 100),
    ],
)
def test_the_discount(ask, full, haircut, mm, share, discount):
    assert ask("discount", full, haircut, mm, share) == discount
    assert discount == liquidator.discount_of(of(full, haircut, mm), share)


@pytest.mark.parametrize(
    ("full", "haircut", "im", "discount", "fraction"),
    [
        (100, 100, 101, 0, -(-WAD // 101)),  # up
        (100, 100, 200, 100, WAD),  # nothing is left for the account: all of it
        (100, 50, 100, 50, WAD // 2),
        (0, 0, 1, 0, WAD),
        (0, -5, 7, 0, WAD),
    ],
)
def test_the_fraction_that_restores_initial_margin(ask, full, haircut, im, discount, fraction):
    assert ask("fraction", full, haircut, im, discount) == fraction
    assert fraction == liquidator.cap_of(of(full, haircut, im=im), discount)


@pytest.mark.parametrize(
    ("full", "discount", "fraction", "payment"),
    [(100, 0, WAD, 100), (100, 1, WAD // 2, 49), (100, 100, WAD, 0), (3, 0, WAD // 3, 0), (WAD, 0, 1, 1)],
)
def test_the_payment_rounds_down(ask, full, discount, fraction, payment):
    assert ask("payment", full, discount, fraction) == payment
    assert payment == liquidator.payment_for(of(full), discount, fraction)

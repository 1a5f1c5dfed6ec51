"""modules/dutch_auction.vy: share, discount and fraction, at their ends."""

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
        (40, 20, 30, PPM, 50),  # more than all equity: somebody pays the bidder
        (-10, -20, 30, PPM, 40),
        (100, -(10**36), 0, 1, 10**30 + 1),
        (0, 0, 0, PPM, 0),
    ],
)
def test_the_discount(ask, full, haircut, mm, share, discount):
    assert ask("discount", full, haircut, mm, share) == discount
    assert discount == liquidator.discount_of(of(full, haircut, mm), share)


@pytest.mark.parametrize(
    ("haircut", "im", "net", "fraction"),
    [
        (100, 101, 100, -(-WAD // 101)),  # up
        (100, 200, 0, WAD),  # nothing is left for the account: all of it
        (50, 100, 50, WAD // 2),
        (0, 1, 0, WAD),
        (-5, 7, 0, WAD),
        (-(10**36), 10**36, 1, WAD),
        (99, 100, 10**36, 1),
    ],
)
def test_the_fraction_that_restores_initial_margin(ask, haircut, im, net, fraction):
    assert ask("fraction", haircut, im, net) == fraction
    assert fraction == liquidator.cap_of(of(haircut=haircut, im=im), net)

"""InsuranceFund.cancel_request: what is still requested comes back."""

import pytest

from plimsoll.spec.fund import VIRTUAL

from .bench import ALICE, BOB, DAY, WEEK


@pytest.mark.parametrize("wait", [0, WEEK - 1, WEEK, WEEK + 2 * DAY, WEEK + 2 * DAY + 1, 400 * DAY])
def test_gives_the_shares_back_at_any_time(bench, wait):
    shares = bench.enter(ALICE, 100)
    bench.must("request", shares)
    bench.later(wait)
    bench.must("cancel_request")
    assert bench.read("balanceOf", ALICE) == shares
    assert bench.read("requested", ALICE) == (0, 0, 0)
    assert bench.read("maxRedeem", ALICE) == 0


def test_what_was_redeemed_does_not_come_back(bench):
    bench.enter(ALICE, 100)
    bench.must("request", 60 * VIRTUAL)
    bench.later(WEEK)
    bench.must("redeem", 50 * VIRTUAL, ALICE, ALICE)
    bench.must("cancel_request")
    assert bench.read("balanceOf", ALICE) == 50 * VIRTUAL


def test_no_request(bench):
    bench.enter(ALICE, 100)
    bench.refuses("fund: no request", "cancel_request")
    bench.must("request", VIRTUAL)
    bench.refuses("fund: no request", "cancel_request", sender=BOB)
    bench.later(WEEK)
    bench.must("redeem", VIRTUAL, ALICE, ALICE)
    bench.refuses("fund: no request", "cancel_request")

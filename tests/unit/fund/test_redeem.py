"""InsuranceFund.redeem: requested shares in their window, for assets rounded down."""

import pytest

from plimsoll.spec.fund import VIRTUAL

from .bench import ALICE, ATTACKER, BOB, DAY, MOST, OVER_CLAIM, WEEK


@pytest.fixture
def ripe(bench):
    """Alice's 60 of 100 units are in their window; each unit is a million shares."""
    bench.enter(ALICE, 100)
    bench.must("request", 60 * VIRTUAL)
    bench.later(WEEK)
    return bench


def test_pays_out(ripe):
    assert ripe.read("maxRedeem", ALICE) == 60 * VIRTUAL
    assert ripe.must("redeem", 60 * VIRTUAL, ALICE, ALICE) == 60
    assert ripe.has(ALICE) == 60
    assert (ripe.read("totalAssets"), ripe.read("totalSupply")) == (40, 40 * VIRTUAL)
    ripe.refuses(OVER_CLAIM, "redeem", 1, ALICE, ALICE)


def test_in_parts_and_to_another(ripe):
    ripe.must("redeem", 10 * VIRTUAL, BOB, ALICE)
    ripe.must("redeem", 50 * VIRTUAL, ALICE, ALICE)
    assert (ripe.has(BOB), ripe.has(ALICE)) == (10, 50)


def test_rounds_down(ripe):
    with ripe.isolated():
        assert ripe.must("redeem", VIRTUAL - 1, ALICE, ALICE) == 0
    assert ripe.must("redeem", 2 * VIRTUAL - 1, ALICE, ALICE) == 1


def test_as_its_preview_says(ripe):
    ripe.income(12_345)
    ripe.later(DAY)
    said = ripe.read("previewRedeem", 12_345_678)
    assert ripe.must("redeem", 12_345_678, ALICE, ALICE) == said


def test_what_maxRedeem_tells_can_be_redeemed_whole(ripe):
    """Even where a fund that lost nearly all gives nothing for it."""
    ripe.must("redeem", ripe.read("maxRedeem", ALICE), ALICE, ALICE)
    ripe.enter(BOB, 1)
    ripe.must("request", VIRTUAL // 2, sender=BOB)
    ripe.later(WEEK)
    assert ripe.must("redeem", ripe.read("maxRedeem", BOB), BOB, BOB, sender=BOB) == 0


@pytest.mark.parametrize(("wait", "good"), [(-1, False), (0, True), (2 * DAY, True), (2 * DAY + 1, False)])
def test_the_window_to_the_second(bench, wait, good):
    bench.enter(ALICE, 100)
    bench.must("request", 60 * VIRTUAL)
    bench.later(WEEK + wait)
    assert (bench.read("maxRedeem", ALICE) > 0) == (bench.read("maxWithdraw", ALICE) > 0) == good
    if good:
        bench.must("redeem", 60 * VIRTUAL, ALICE, ALICE)
    else:
        bench.refuses(OVER_CLAIM, "redeem", 1, ALICE, ALICE)
        bench.refuses(OVER_CLAIM, "withdraw", 1, ALICE, ALICE)


def test_over_the_claim(ripe):
    ripe.refuses(OVER_CLAIM, "redeem", 60 * VIRTUAL + 1, ALICE, ALICE)
    ripe.refuses(OVER_CLAIM, "redeem", MOST, ALICE, ALICE)
    ripe.refuses(OVER_CLAIM, "redeem", 1, ALICE, 0)


def test_zero_shares(ripe):
    ripe.refuses("fund: zero shares", "redeem", 0, ALICE, ALICE)


def test_receiver(ripe):
    ripe.refuses("fund: zero address", "redeem", 1, 0, ALICE)
    ripe.refuses("fund: receiver is the fund", "redeem", 1, ripe.at, ALICE)


def test_another_needs_the_owners_allowance(ripe):
    ripe.refuses("erc20: insufficient allowance", "redeem", 1, ATTACKER, ALICE, sender=ATTACKER)
    ripe.must("approve", BOB, 10 * VIRTUAL)
    ripe.refuses("erc20: insufficient allowance", "redeem", 10 * VIRTUAL + 1, BOB, ALICE, sender=BOB)
    assert ripe.must("redeem", 10 * VIRTUAL, BOB, ALICE, sender=BOB) == 10
    assert ripe.read("allowance", ALICE, BOB) == 0
    ripe.must("approve", BOB, MOST)
    ripe.must("redeem", VIRTUAL, BOB, ALICE, sender=BOB)
    assert ripe.read("allowance", ALICE, BOB) == MOST

"""InsuranceFund.withdraw: assets out, for requested shares rounded up."""

import pytest

from plimsoll.spec.fund import VIRTUAL

from .bench import ALICE, ATTACKER, BOB, DAY, MOST, OVER_CLAIM, WEEK


@pytest.fixture
def ripe(bench):
    bench.enter(ALICE, 100)
    bench.must("request", 60 * VIRTUAL)
    bench.later(WEEK)
    return bench


def test_pays_out(ripe):
    assert ripe.read("maxWithdraw", ALICE) == 60
    assert ripe.must("withdraw", 45, BOB, ALICE) == 45 * VIRTUAL
    assert ripe.has(BOB) == 45
    assert ripe.read("maxWithdraw", ALICE) == 15
    assert ripe.read("requested", ALICE)[0] == 15 * VIRTUAL


def test_shares_round_up(ripe):
    ripe.income(50)
    ripe.later(DAY)
    assets, shares = ripe.price()
    found = ripe.must("withdraw", 7, ALICE, ALICE)
    assert found == -(-7 * shares // assets)
    assert found * assets > 7 * shares


def test_as_its_preview_says(ripe):
    ripe.income(12_345)
    ripe.later(DAY)
    said = ripe.read("previewWithdraw", 77)
    assert ripe.must("withdraw", 77, ALICE, ALICE) == said


@pytest.mark.parametrize("income", [0, 1, 49, 12_345])
def test_what_maxWithdraw_tells_can_be_withdrawn_whole(ripe, income):
    ripe.income(income) if income else None
    ripe.later(DAY)
    ripe.must("withdraw", ripe.read("maxWithdraw", ALICE), ALICE, ALICE)


def test_over_the_claim(ripe):
    ripe.refuses(OVER_CLAIM, "withdraw", 61, ALICE, ALICE)
    ripe.refuses(OVER_CLAIM, "withdraw", MOST, ALICE, ALICE)
    ripe.refuses(OVER_CLAIM, "withdraw", 1, BOB, BOB, sender=BOB)
    ripe.refuses(OVER_CLAIM, "withdraw", 1, ALICE, 0)


def test_zero_amount(ripe):
    ripe.refuses("fund: zero amount", "withdraw", 0, ALICE, ALICE)


def test_receiver(ripe):
    ripe.refuses("fund: zero address", "withdraw", 1, 0, ALICE)
    ripe.refuses("fund: receiver is the fund", "withdraw", 1, ripe.at, ALICE)


def test_another_needs_the_owners_allowance(ripe):
    ripe.refuses("erc20: insufficient allowance", "withdraw", 1, ATTACKER, ALICE, sender=ATTACKER)
    ripe.must("approve", BOB, 10 * VIRTUAL)
    ripe.refuses("erc20: insufficient allowance", "withdraw", 11, BOB, ALICE, sender=BOB)
    assert ripe.must("withdraw", 10, BOB, ALICE, sender=BOB) == 10 * VIRTUAL

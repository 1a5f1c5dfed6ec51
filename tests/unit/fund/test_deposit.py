"""InsuranceFund.deposit: tokens in, shares rounded down."""

import pytest

from plimsoll.spec.fund import MAX_SHARES, VIRTUAL
from plimsoll.spec.wad import MAX_QUANTITY

from .bench import ALICE, ATTACKER, BOB, MOST, NOBODY


def test_the_first_gets_a_million_shares_a_unit(any_bench):
    assert any_bench.enter(ALICE, 100 * any_bench.unit) == 100 * any_bench.unit * VIRTUAL
    assert any_bench.read("totalAssets") == 100 * any_bench.unit
    assert any_bench.has(ALICE) == 0


def test_shares_round_down(bench):
    bench.enter(ALICE, 3)
    bench.income(1)
    bench.later(7 * 86_400)
    # (3e6 + 1e6) / (4 + 1) shares a unit
    assert bench.enter(BOB, 7) == 7 * 800_000
    bench.income(2)
    bench.later(7 * 86_400)
    shares = bench.enter(ATTACKER, 1)
    assert shares == 9_600_000 // 14
    assert bench.read("convertToAssets", shares) == 0


def test_for_another(bench):
    bench.give(ALICE, 10)
    bench.must("deposit", 10, BOB, sender=ALICE)
    assert (bench.read("balanceOf", BOB), bench.read("balanceOf", ALICE)) == (10 * VIRTUAL, 0)


def test_as_its_preview_says(bench):
    bench.enter(ALICE, 1_000)
    bench.income(777)
    bench.later(12_345)
    said = bench.read("previewDeposit", 501)
    assert bench.enter(BOB, 501) == said


def test_zero_shares(bench):
    bench.refuses("fund: zero shares", "deposit", 0, ALICE)
    # so many assets a share that a unit buys none
    bench.income(10**9)
    bench.later(7 * 86_400)
    bench.give(ALICE, 1_001)
    bench.refuses("fund: zero shares", "deposit", 1_000, ALICE)
    assert bench.must("deposit", 1_001, ALICE) == 1


def test_receiver(bench):
    bench.give(ALICE, 10)
    bench.refuses("fund: zero address", "deposit", 10, 0)
    bench.refuses("fund: receiver is the fund", "deposit", 10, bench.at)
    assert bench.read("maxDeposit", 0) == bench.read("maxDeposit", bench.at) == 0


def test_over_the_maximum_of_assets(any_bench):
    bench = any_bench
    most = MAX_QUANTITY // bench.scale
    assert bench.read("maxDeposit", ALICE) == most
    bench.give(ALICE, most + 1)
    bench.refuses("fund: over the maximum", "deposit", most + 1, ALICE)
    bench.refuses("fund: over the maximum", "deposit", MOST, ALICE)
    bench.must("deposit", most, ALICE)
    assert bench.read("maxDeposit", ALICE) == 0
    bench.refuses("fund: over the maximum", "deposit", 1, ALICE)


def test_a_fund_that_lost_all_but_one_coin_is_filled_again(any_bench):
    """Four times over, until its shares are too many; what can be deposited is told truly all the while."""
    bench = any_bench
    bench.must("set_caps", MAX_QUANTITY, MAX_QUANTITY, sender=bench.twin.fund.owner)
    filled = 0
    while bench.read("maxDeposit", ALICE) >= 10**6 * bench.unit:
        bench.enter(ALICE, 10**6 * bench.unit)
        bench.pay(MAX_QUANTITY)
        assert bench.read("totalAssets") == bench.unit
        bench.later(7 * 86_400)
        filled += 1
        most = bench.read("maxDeposit", ALICE)
        with bench.isolated():
            if most:
                bench.enter(ALICE, most)
        with bench.isolated():
            bench.give(ALICE, 2 * most + 1)
            bench.refuses("fund: over the maximum", "deposit", most + 1, ALICE)
    assert filled >= 3
    assert bench.read("totalSupply") <= MAX_SHARES


def test_tokens_that_are_not_there_or_not_allowed(bench):
    bench.refuses("", "deposit", 1, ALICE)
    bench.give(NOBODY, 10)
    bench.token.transact("approve", bench.fund.address, 9, sender=f"{NOBODY:#042x}")
    bench.twin.token.approve(NOBODY, bench.at, 9)
    bench.refuses("", "deposit", 10, ALICE, sender=NOBODY)


@pytest.mark.parametrize("amount", [1, 2, 999_999, 10**6, 10**6 + 1, 10**14])
def test_in_and_out_at_once_gains_nothing(bench, amount):
    bench.enter(ALICE, 1_234_567)
    bench.income(7_654_321)
    bench.later(7 * 86_400)
    shares = bench.read("previewDeposit", amount)
    bench.enter(BOB, amount)
    assert bench.read("previewRedeem", shares) <= amount

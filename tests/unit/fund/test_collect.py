"""InsuranceFund.collect: fees and gifts come in, and drip."""

import pytest

from plimsoll.spec.fund import DRIP
from plimsoll.spec.wad import MAX_QUANTITY

from .bench import ALICE, ATTACKER, BOB, DAY, MOST, NOBODY, NOW, WEEK


def test_anyone_brings_the_fees_in(any_bench):
    bench = any_bench
    bench.enter(ALICE, 100 * bench.unit)
    bench.earn(7 * bench.unit)
    assert bench.must("collect", sender=ATTACKER) == 7 * bench.unit
    assert bench.twin.custody.ledger(bench.at << 96, 0) == (0, 0)
    assert (bench.read("totalAssets"), bench.read("locked")) == (100 * bench.unit, 7 * bench.unit)


def test_it_drips_over_a_week_and_never_early(bench):
    bench.enter(ALICE, 100)
    bench.income(10)
    for day in range(8):
        assert bench.read("locked") == -(-10 * (7 - day) // 7)
        bench.later(DAY)
    assert bench.read("totalAssets") == 110


def test_nothing_to_collect(bench):
    assert bench.must("collect", sender=NOBODY) == 0
    assert "Collected" not in {event.name for event in bench.twin.fund.log}


@pytest.mark.parametrize("cash", [-1, -(10**30), 0, 1, 10**12 - 1])
def test_a_debt_or_less_than_a_unit_stays(bench, cash):
    account = bench.at << 96
    bench.give(bench.twin.custody.address, 100)
    bench.twin.custody.cash[account] = cash
    bench.custody.transact("set_cash", account, cash, sender=f"{NOBODY:#042x}")
    assert bench.must("collect", sender=NOBODY) == 0
    assert bench.custody.call("ledger", account) == (cash, 0)


def test_rounds_down_to_whole_units(bench):
    account, cash = bench.at << 96, 3 * bench.scale - 1
    bench.give(bench.twin.custody.address, 100)
    bench.twin.custody.cash[account] = cash
    bench.custody.transact("set_cash", account, cash, sender=f"{NOBODY:#042x}")
    assert bench.must("collect", sender=NOBODY) == 2
    assert bench.custody.call("ledger", account) == (bench.scale - 1, 0)


def test_as_far_as_the_book_has_the_tokens(bench):
    account = bench.at << 96
    bench.earn(50)
    bench.twin.custody.cash[account] += 50 * bench.scale
    bench.custody.transact("set_cash", account, 100 * bench.scale, sender=f"{NOBODY:#042x}")
    assert bench.must("collect", sender=NOBODY) == 50
    assert bench.must("collect", sender=NOBODY) == 0
    bench.give(bench.twin.custody.address, 50)
    assert bench.must("collect", sender=NOBODY) == 50


@pytest.mark.parametrize(("most", "found"), [(0, 0), (1, 1), (49, 49), (50, 50), (51, 50), (MOST, 50)])
def test_at_most_so_much_from_the_book(bench, most, found):
    bench.earn(50)
    assert bench.must("collect", most, sender=NOBODY) == found
    assert bench.must("collect", sender=NOBODY) == 50 - found


def test_gifts_come_in_with_it_and_drip_as_well(bench):
    bench.enter(ALICE, 100)
    bench.give(bench.at, 14)
    assert (bench.read("totalAssets"), bench.read("locked"), bench.read("cover")) == (100, 0, 0)
    bench.earn(7)
    assert bench.must("collect", sender=NOBODY) == 21
    bench.later(DAY)
    assert bench.read("totalAssets") == 103


def test_more_income_is_joined_to_what_still_drips(bench):
    bench.income(70)
    bench.later(4 * DAY)
    # 30 for 3 days and 10 for 7: 40 for 4
    bench.income(10)
    log = bench.twin.fund.log[-1]
    assert dict(log.args) == {"amount": 10, "locked": 40, "until": NOW + 8 * DAY}
    bench.later(DAY)
    assert bench.read("locked") == 30
    bench.later(3 * DAY)
    assert bench.read("locked") == 0


def test_dust_holds_nothing_up(bench):
    bench.enter(ALICE, 10**9)
    bench.income(7 * 10**9)
    for _ in range(7 * 8):
        bench.income(1)
        bench.later(3 * 3_600)
    # a day's delay would be 10**9
    assert bench.read("locked") < 10**6


def test_income_never_drips_faster_than_it_did(bench):
    bench.income(10**9)
    bench.later(6 * DAY)
    with bench.isolated():
        before = bench.read("locked")
        bench.later(100)
        speed = before - bench.read("locked")
    with bench.isolated():
        bench.income(10**9)
        before = bench.read("locked")
        bench.later(100)
        assert before - bench.read("locked") <= speed + 100 * 10**9 // DRIP + 1
    bench.later(WEEK)
    bench.income(1)
    assert bench.twin.fund.income.until == bench.now + DRIP


def test_no_more_than_the_fund_can_hold(bench):
    most = MAX_QUANTITY // bench.scale
    bench.enter(ALICE, most - 10)
    bench.give(bench.at, 6)
    bench.earn(100)
    # what lies here is not counted before it is collected
    assert bench.must("collect", sender=NOBODY) == 10
    assert bench.must("collect", sender=NOBODY) == 0
    assert bench.read("maxDeposit", BOB) == 0
    bench.leave(ALICE, 10**12)
    assert bench.must("collect", sender=NOBODY) > 0


def test_of_a_fund_without_depositors_it_is_the_funds_own(bench):
    bench.income(10**6)
    bench.later(WEEK)
    bench.enter(ALICE, 10**6)
    assert bench.read("convertToAssets", bench.read("balanceOf", ALICE)) <= 10**6
    assert bench.read("cover") == 10**18

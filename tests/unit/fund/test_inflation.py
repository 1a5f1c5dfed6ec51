"""Inflation of the share price, as it emptied Cream, Hundred, Onyx and Resupply: here it gains nothing.

Three things stand against it: assets are counted, so that a gift moves no price; what is collected drips over a week;
and 10**6 virtual shares take their part of it.
"""

import pytest

from plimsoll.spec.fund import VIRTUAL

from .bench import ALICE, ATTACKER, BOB, DAY, NOBODY, WEEK


def worth(bench, who):
    """Tokens of `who`, outside and in shares."""
    return bench.has(who) + bench.read("convertToAssets", bench.read("balanceOf", who))


@pytest.mark.parametrize("gift", [1, 10**6, 10**12, 10**18])
@pytest.mark.parametrize("victim", [1, 10**6, 10**9])
def test_a_first_depositors_gift_before_the_next_deposit_moves_no_price(bench, gift, victim):
    bench.enter(ATTACKER, 1)
    bench.give(ATTACKER, gift)
    before = worth(bench, ATTACKER)
    # sent past the book of the fund, in the block of the victim's deposit
    bench.token.transact("transfer", bench.fund.address, gift, sender=f"{ATTACKER:#042x}")
    bench.twin.token.transfer(ATTACKER, bench.at, gift)
    assert bench.enter(ALICE, victim) == victim * VIRTUAL
    assert worth(bench, ALICE) == victim
    assert worth(bench, ATTACKER) == before - gift


@pytest.mark.parametrize("gift", [10**6, 10**9, 10**12])
@pytest.mark.parametrize("victim", [10**3, 10**6, 10**9])
def test_cream_a_gift_that_is_collected_and_has_dripped_in_gains_nothing(bench, gift, victim):
    """The attacker alone in the pool makes the share dear, and waits until all of it counts."""
    bench.enter(ATTACKER, 1)
    bench.give(bench.at, gift)
    bench.must("collect", sender=ATTACKER)
    bench.later(WEEK)
    brought = 1 + gift
    bench.give(ALICE, victim)
    if bench.read("previewDeposit", victim):
        bench.must("deposit", victim, ALICE)
    lost = victim - worth(bench, ALICE)
    assert worth(bench, ATTACKER) <= brought - gift // 2 + lost < brought
    # what the victim loses to rounding is less than a share: a millionth of the gift
    assert lost <= gift // VIRTUAL + 1


def test_hundred_an_emptied_pool_is_no_lever(bench):
    """All but one share are redeemed, then a gift: what remains cannot be made worth the pool of the next."""
    bench.enter(ATTACKER, 1_000 * bench.unit)
    bench.must("request", 1_000 * bench.unit * VIRTUAL, sender=ATTACKER)
    bench.later(WEEK)
    bench.must("redeem", 1_000 * bench.unit * VIRTUAL - 2, ATTACKER, ATTACKER, sender=ATTACKER)
    assert bench.read("totalSupply") == 2
    brought = bench.has(ATTACKER)
    bench.token.transact("transfer", bench.fund.address, 500 * bench.unit, sender=f"{ATTACKER:#042x}")
    bench.twin.token.transfer(ATTACKER, bench.at, 500 * bench.unit)
    bench.must("collect", sender=ATTACKER)
    bench.later(DAY)
    # two shares of a million and two
    assert bench.read("previewRedeem", 2) <= 500 * bench.unit * 3 // VIRTUAL
    bench.enter(ALICE, 100 * bench.unit)
    bench.must("redeem", 2, ATTACKER, ATTACKER, sender=ATTACKER)
    bench.later(WEEK)
    assert bench.has(ATTACKER) < brought
    assert worth(bench, ALICE) >= 100 * bench.unit - 1_000


@pytest.mark.parametrize("times", [1, 7, 50])
def test_onyx_rounding_does_not_add_up_in_many_small_withdrawals(bench, times):
    """One unit at a time, each for shares rounded up: the price of those who stay never falls."""
    bench.enter(ALICE, 1_000)
    bench.enter(ATTACKER, 777)
    bench.income(333)
    bench.later(WEEK)
    bench.must("request", bench.read("balanceOf", ATTACKER), sender=ATTACKER)
    bench.later(WEEK)
    before = bench.price()
    stake = bench.read("maxWithdraw", ATTACKER)
    for _ in range(times):
        bench.must("withdraw", 1, ATTACKER, ATTACKER, sender=ATTACKER)
    after = bench.price()
    assert after[0] * before[1] >= before[0] * after[1]
    assert times + bench.read("maxWithdraw", ATTACKER) <= stake


def test_resupply_no_price_is_so_high_that_shares_round_to_none(bench):
    """There an exchange rate of zero let an empty pool be borrowed against for nothing: here it is refused."""
    bench.give(bench.at, 10**12)
    bench.must("collect", sender=ATTACKER)
    bench.later(WEEK)
    price = 10**12 // VIRTUAL
    bench.give(ALICE, 6 * price)
    bench.refuses("fund: zero shares", "deposit", price, ALICE)
    assert bench.must("deposit", 5 * price, ALICE) == 4
    # one share is what rounding can cost, and it is the fund's
    assert 5 * price - price <= bench.read("convertToAssets", 4) <= 5 * price
    assert bench.read("cover") == (10**12 + 5 * price - bench.unit) * bench.scale


def test_the_empty_pools_first_income_is_not_the_next_depositors(bench):
    bench.income(10**9)
    bench.enter(ATTACKER, 10**6)
    bench.later(WEEK)
    # the virtual shares have their half of it, and all that came before; the fund's own money covers losses
    gained = worth(bench, ATTACKER) - 10**6
    assert gained <= 10**9
    bench.enter(BOB, 10**9)
    assert worth(bench, BOB) <= 10**9


def test_a_gift_to_the_funds_account_of_the_book_moves_no_price(bench):
    bench.enter(ALICE, 1_000)
    before = bench.price()
    bench.earn(10**12)
    assert bench.price() == before
    bench.must("collect", sender=NOBODY)
    assert bench.price() == before

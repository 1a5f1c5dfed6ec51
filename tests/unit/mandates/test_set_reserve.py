"""Mandates.set_reserve: another account of the same owner, by the owner alone."""

import pytest

from plimsoll.spec.mandates import ALL

from .conftest import ATTACKER, BOOK, DELEGATE, END, OWNER, TRADER, account


@pytest.mark.parametrize("number", [1, 2**96 - 1])
def test_the_owner_sets_it(bench, number):
    event = bench.do("set_reserve", account(), account(number=number), sender=TRADER)
    assert event == ("ReserveSet", {"account": account(), "reserve": account(number=number)})
    assert bench.ask("reserve", account()) == account(number=number)
    assert bench.ask("reserve", account(number=number)) == 0


def test_zero_is_none(bench):
    bench.do("set_reserve", account(), account(number=1), sender=TRADER)
    bench.do("set_reserve", account(), 0, sender=TRADER)
    assert bench.ask("reserve", account()) == 0


def test_two_may_stand_in_for_each_other(bench):
    bench.do("set_reserve", account(), account(number=1), sender=TRADER)
    bench.do("set_reserve", account(number=1), account(), sender=TRADER)
    assert bench.ask("reserve", account(number=1)) == account()


@pytest.mark.parametrize("reserve", [account(), account(ATTACKER), 1, 2, 2**96 - 1, account(TRADER + 1), END])
def test_of_another_owner_or_itself(bench, reserve):
    refusal = "refused: mandates: reserve of another owner"
    assert bench.do("set_reserve", account(), reserve, sender=TRADER) == refusal


@pytest.mark.parametrize("sender", [ATTACKER, DELEGATE, OWNER, BOOK])
def test_nobody_else(bench, sender):
    bench.do("set_delegate", account(), DELEGATE, ALL, END, sender=TRADER)
    refusal = "refused: mandates: not the account's"
    assert bench.do("set_reserve", account(), account(number=1), sender=sender) == refusal

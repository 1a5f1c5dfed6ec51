"""Mandates.may_act: the owner always; a delegate with every right that is asked for, while it lasts."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.spec.mandates import ALL, ALLOW, BID, DEPOSIT, TRADE, TRANSFER, WITHDRAW

from .conftest import ATTACKER, DELEGATE, END, NOW, TRADER, Bench, account

RIGHTS = (TRADE, WITHDRAW, TRANSFER, BID, ALLOW, DEPOSIT)


@pytest.mark.parametrize("right", [0, *RIGHTS, ALL, ALL + 1, END])
def test_the_owner_whatever_is_asked(bench, right):
    assert bench.ask("may_act", account(), TRADER, right)
    assert bench.ask("may_act", account(number=2**96 - 1), TRADER, right)


@pytest.mark.parametrize("right", [0, *RIGHTS, ALL])
def test_nobody_else_unasked(bench, right):
    assert not bench.ask("may_act", account(), ATTACKER, right)


@pytest.mark.parametrize(("given_right", "asked"), itertools.product(RIGHTS, RIGHTS))
def test_each_right_is_one(bench, given_right, asked):
    bench.do("set_delegate", account(), DELEGATE, given_right, END, sender=TRADER)
    assert bench.ask("may_act", account(), DELEGATE, asked) is (given_right == asked)


def test_every_bit_that_is_asked_for(bench):
    bench.do("set_delegate", account(), DELEGATE, TRADE | ALLOW, END, sender=TRADER)
    assert bench.ask("may_act", account(), DELEGATE, TRADE | ALLOW)
    assert not bench.ask("may_act", account(), DELEGATE, TRADE | WITHDRAW)


def test_a_right_that_there_is_not(bench):
    bench.do("set_delegate", account(), DELEGATE, ALL, END, sender=TRADER)
    assert not bench.ask("may_act", account(), DELEGATE, ALL + 1)
    assert not bench.ask("may_act", account(), DELEGATE, END)


def test_no_right_is_the_owners_alone(bench):
    bench.do("set_delegate", account(), DELEGATE, ALL, END, sender=TRADER)
    assert not bench.ask("may_act", account(), DELEGATE, 0)


def test_up_to_and_in_the_last_second(bench):
    bench.do("set_delegate", account(), DELEGATE, TRADE, NOW + 5, sender=TRADER)
    bench.chain.advance(5)
    assert bench.ask("may_act", account(), DELEGATE, TRADE)
    bench.chain.advance(1)
    assert not bench.ask("may_act", account(), DELEGATE, TRADE)


def test_for_this_account_alone(bench):
    bench.do("set_delegate", account(number=1), DELEGATE, ALL, END, sender=TRADER)
    assert bench.ask("may_act", account(number=1), DELEGATE, TRADE)
    assert not bench.ask("may_act", account(number=0), DELEGATE, TRADE)
    assert not bench.ask("may_act", account(DELEGATE - 1, 1), DELEGATE, TRADE)


_BENCHES: list[Bench] = []
TIMES = st.one_of(st.sampled_from([0, NOW - 1, NOW, NOW + 1, 2**64 - 2, 2**64 - 1, 2**64, END]), st.integers(0, END))


@given(st.integers(0, ALL), TIMES, st.integers(0, 127), st.integers(0, 3))
def test_contract_and_twin_agree(rights, expires, right, wait):
    if not _BENCHES:
        _BENCHES.append(Bench())
    bench = _BENCHES[0]
    with bench.chain.isolate():
        bench.do("set_delegate", account(), DELEGATE, rights, expires, sender=TRADER)
        bench.chain.advance(wait)
        bench.ask("may_act", account(), DELEGATE, right)
        bench.ask("delegate", account(), DELEGATE)

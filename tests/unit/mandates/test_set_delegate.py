"""Mandates.set_delegate: of the owner alone, for one account, right by right, until a date."""

import pytest

from plimsoll.spec.mandates import ALL, TRADE, WITHDRAW

from .conftest import ATTACKER, BOOK, DELEGATE, END, NOW, OWNER, TRADER, account


@pytest.mark.parametrize("number", [0, 1, 2**96 - 1])
def test_a_delegate_acts_for_this_account_alone(bench, number):
    which = account(number=number)
    event = bench.do("set_delegate", which, DELEGATE, TRADE, NOW, sender=TRADER)
    assert event == ("DelegateSet", {"account": which, "delegate": DELEGATE, "rights": TRADE, "expires": NOW})
    assert bench.ask("delegate", which, DELEGATE) == (TRADE, NOW)
    assert bench.ask("may_act", which, DELEGATE, TRADE)
    assert bench.ask("delegate", account(number=5), DELEGATE) == (0, 0)
    assert not bench.ask("may_act", account(number=5), DELEGATE, TRADE)
    assert not bench.ask("may_act", which, ATTACKER, TRADE)
    assert bench.ask("may_act", which, TRADER, TRADE)


def test_anew_in_place_of_what_he_might_before(bench):
    bench.do("set_delegate", account(), DELEGATE, TRADE, END, sender=TRADER)
    bench.do("set_delegate", account(), DELEGATE, WITHDRAW, NOW + 1, sender=TRADER)
    assert bench.ask("delegate", account(), DELEGATE) == (WITHDRAW, NOW + 1)


def test_it_can_be_taken_back(bench):
    bench.do("set_delegate", account(), DELEGATE, ALL, END, sender=TRADER)
    event = bench.do("set_delegate", account(), DELEGATE, 0, END, sender=TRADER)
    assert event == ("DelegateSet", {"account": account(), "delegate": DELEGATE, "rights": 0, "expires": 0})
    assert bench.ask("delegate", account(), DELEGATE) == (0, 0)
    assert not bench.ask("may_act", account(), DELEGATE, TRADE)


@pytest.mark.parametrize(
    ("expires", "kept"), [(0, 0), (1, 1), (2**64 - 2, 2**64 - 2), (2**64 - 1, END), (2**64, END), (END, END)]
)
def test_a_date_beyond_its_field_is_none(bench, expires, kept):
    _, args = bench.do("set_delegate", account(), DELEGATE, TRADE, expires, sender=TRADER)
    assert args["expires"] == kept
    assert bench.ask("delegate", account(), DELEGATE) == (TRADE, kept)


def test_a_delegate_names_no_delegate(bench):
    bench.do("set_delegate", account(), DELEGATE, ALL, END, sender=TRADER)
    refusal = "refused: mandates: not the account's"
    assert bench.do("set_delegate", account(), ATTACKER, TRADE, END, sender=DELEGATE) == refusal
    assert bench.do("set_delegate", account(), DELEGATE, ALL, END, sender=DELEGATE) == refusal


@pytest.mark.parametrize("sender", [ATTACKER, OWNER, BOOK])
def test_not_the_accounts(bench, sender):
    refusal = "refused: mandates: not the account's"
    assert bench.do("set_delegate", account(), sender, TRADE, END, sender=sender) == refusal


def test_zero_address(bench):
    assert bench.do("set_delegate", account(), 0, ALL + 1, 0, sender=TRADER) == "refused: mandates: zero address"


@pytest.mark.parametrize("rights", [ALL + 1, 2**192, 2**255, END])
def test_unknown_rights(bench, rights):
    refusal = "refused: mandates: unknown rights"
    assert bench.do("set_delegate", account(), DELEGATE, rights, END, sender=TRADER) == refusal

"""Clearinghouse.set_delegate: of the owner alone, for one account."""

import pytest

from tests.pairs import account, address_of

from .stage import ATTACKER, DELEGATE, OWNER, TRADER

TRADER_ADDRESS = address_of("trader")


@pytest.mark.parametrize("number", [0, 1, 2**96 - 1])
def test_a_delegate_acts_for_this_account_alone(stage, number):
    which = account("trader", number)
    stage.pair.must("book", "set_delegate", which, DELEGATE, True, sender=TRADER_ADDRESS)
    assert stage.last() == ("DelegateSet", {"account": which, "delegate": DELEGATE, "allowed": True})
    assert stage.ask("book", "may_act", which, DELEGATE)
    assert stage.ask("book", "delegates", which, DELEGATE)
    assert not stage.ask("book", "may_act", account("trader", 5), DELEGATE)
    assert not stage.ask("book", "may_act", which, ATTACKER)
    assert stage.ask("book", "may_act", which, TRADER_ADDRESS)


def test_it_can_be_taken_back(stage):
    stage.pair.must("book", "set_delegate", TRADER, DELEGATE, True, sender=TRADER_ADDRESS)
    stage.pair.must("book", "set_delegate", TRADER, DELEGATE, False, sender=TRADER_ADDRESS)
    assert not stage.ask("book", "may_act", TRADER, DELEGATE)
    assert stage.last() == ("DelegateSet", {"account": TRADER, "delegate": DELEGATE, "allowed": False})


def test_a_delegate_names_no_delegate(stage):
    stage.pair.must("book", "set_delegate", TRADER, DELEGATE, True, sender=TRADER_ADDRESS)
    args = TRADER, ATTACKER, True
    stage.refuses("clearinghouse: not the account's", "book", "set_delegate", *args, sender=DELEGATE)


@pytest.mark.parametrize("sender", [ATTACKER, OWNER])
def test_not_the_accounts(stage, sender):
    stage.refuses("clearinghouse: not the account's", "book", "set_delegate", TRADER, sender, True, sender=sender)


def test_zero_address(stage):
    stage.refuses("clearinghouse: zero address", "book", "set_delegate", TRADER, 0, True, sender=TRADER_ADDRESS)

"""Mandates.set_top_up: what may be pulled from the owner's wallet, by the owner alone."""

import pytest

from plimsoll.spec.mandates import ALL

from .conftest import ATTACKER, BOOK, DELEGATE, END, OWNER, TOKEN, TRADER, VENUE, account


@pytest.mark.parametrize(("amount", "bounty"), [(0, 0), (1, 0), (10**9, 10**6), (1, 2), (END, END)])
def test_the_owner_sets_it(bench, amount, bounty):
    event = bench.do("set_top_up", account(), TOKEN, amount, bounty, sender=TRADER)
    assert event == ("TopUpSet", {"account": account(), "token": TOKEN, "amount": amount, "bounty": bounty})
    assert bench.ask("top_up", account(), TOKEN) == amount
    assert bench.ask("bounty", account(), TOKEN) == bounty


def test_one_token_and_one_account(bench):
    bench.do("set_top_up", account(), TOKEN, 5, 1, sender=TRADER)
    for where in ((account(), VENUE), (account(number=1), TOKEN)):
        assert bench.ask("top_up", *where) == bench.ask("bounty", *where) == 0


def test_anew_in_place_of_what_was_left(bench):
    bench.do("set_top_up", account(), TOKEN, 5, 1, sender=TRADER)
    bench.do("use_top_up", account(), TOKEN, 4, sender=BOOK)
    bench.do("set_top_up", account(), TOKEN, 2, 0, sender=TRADER)
    assert (bench.ask("top_up", account(), TOKEN), bench.ask("bounty", account(), TOKEN)) == (2, 0)


@pytest.mark.parametrize("sender", [ATTACKER, DELEGATE, OWNER, BOOK])
def test_nobody_else(bench, sender):
    bench.do("set_delegate", account(), DELEGATE, ALL, END, sender=TRADER)
    assert bench.do("set_top_up", account(), TOKEN, 1, 0, sender=sender) == "refused: mandates: not the account's"

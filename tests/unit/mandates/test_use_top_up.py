"""Mandates.use_top_up: the book alone, and no more than is left."""

import pytest

from .conftest import ATTACKER, BOOK, END, OWNER, TOKEN, TRADER, VENUE, account


@pytest.fixture
def funded(bench):
    bench.do("set_top_up", account(), TOKEN, 100, 3, sender=TRADER)
    return bench


def test_it_is_used_up_in_parts(funded):
    event = funded.do("use_top_up", account(), TOKEN, 60, sender=BOOK)
    assert event == ("TopUpUsed", {"account": account(), "token": TOKEN, "amount": 60})
    assert funded.ask("top_up", account(), TOKEN) == 40
    assert funded.ask("bounty", account(), TOKEN) == 3
    assert funded.do("use_top_up", account(), TOKEN, 41, sender=BOOK) == "refused: mandates: over the top-up"
    funded.do("use_top_up", account(), TOKEN, 40, sender=BOOK)
    assert funded.ask("top_up", account(), TOKEN) == 0
    assert funded.do("use_top_up", account(), TOKEN, 1, sender=BOOK) == "refused: mandates: over the top-up"


@pytest.mark.parametrize("where", [(account(), VENUE), (account(number=1), TOKEN), (account(BOOK), TOKEN)])
def test_none_was_set(funded, where):
    assert funded.do("use_top_up", *where, 1, sender=BOOK) == "refused: mandates: over the top-up"
    assert funded.do("use_top_up", *where, END, sender=BOOK) == "refused: mandates: over the top-up"


@pytest.mark.parametrize("sender", [ATTACKER, OWNER, TRADER, 0])
def test_only_the_book(funded, sender):
    assert funded.do("use_top_up", account(), TOKEN, 1, sender=sender) == "refused: mandates: not the book"

"""The example's loan against nothing but what the account has won: there is no word to look at."""

from plimsoll.spec.wad import WAD

from .test_lending_check import BORROWER, market, refused

__all__ = ["market"]


def borrow(market, linear, amount):
    return market.lender.transact("borrow", [], linear, amount, sender=BORROWER)


def test_a_basket_of_nothing_carries_what_is_there_and_no_more(market):
    borrow(market, 100 * WAD, 60 * WAD)
    assert market.lender.call("debts", BORROWER) == 60 * WAD
    refused("lending: below initial margin", lambda: borrow(market, 100 * WAD, 40 * WAD + 1))
    borrow(market, 100 * WAD, 40 * WAD)
    assert market.lender.call("is_healthy", [], 100 * WAD, 100 * WAD)
    assert not market.lender.call("is_healthy", [], 100 * WAD, 100 * WAD + 1)

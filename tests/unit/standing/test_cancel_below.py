"""StandingOrders.cancel_below: the nonce floor of an account rises, by its owner or delegate."""

import pytest

from plimsoll.spec.mandates import ALL, TRADE
from tests.venues import ATTACKER, DELEGATE, MAKER, TAKER, WAD

NOT_THE_ACCOUNTS = "refused: standing: not the account's"


def test_the_floor_rises_and_it_is_logged(bench):
    events, _ = bench.cancel_below(MAKER.account(), 5, MAKER)
    assert events == [("NonceFloorRaised", {"account": MAKER.account(), "nonce": 5})]


def test_it_may_be_repeated_and_not_go_back(bench):
    bench.cancel_below(MAKER.account(), 5, MAKER)
    assert isinstance(bench.cancel_below(MAKER.account(), 5, MAKER), tuple)
    assert bench.cancel_below(MAKER.account(), 4, MAKER) == "refused: standing: nonce floor goes back"


def test_a_delegate_with_the_right_to_trade(bench):
    bench.set_delegate(MAKER.account(), DELEGATE, ALL - TRADE)
    assert bench.cancel_below(MAKER.account(), 5, DELEGATE) == NOT_THE_ACCOUNTS
    bench.set_delegate(MAKER.account(), DELEGATE, TRADE)
    assert isinstance(bench.cancel_below(MAKER.account(), 5, DELEGATE), tuple)


@pytest.mark.parametrize("trader", [ATTACKER, TAKER])
def test_nobody_else(bench, trader):
    assert bench.cancel_below(MAKER.account(), 5, trader) == NOT_THE_ACCOUNTS


def test_orders_at_and_below_it(bench):
    bench.cancel_below(MAKER.account(), 7, MAKER)
    assert isinstance(bench.execute(bench.order(-WAD, nonce=7)), tuple)
    assert bench.execute(bench.order(-WAD, nonce=6)) == "refused: standing: nonce below the account's floor"


def test_accounts_of_one_owner_have_floors_of_their_own(bench):
    bench.cancel_below(MAKER.account(1), 50, MAKER)
    assert isinstance(bench.execute(bench.order(-WAD)), tuple)

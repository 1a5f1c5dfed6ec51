"""Exchange.cancel_below: the nonce floor of an account rises, by its owner or delegate."""

import pytest

from plimsoll.spec.mandates import ALL, TRADE
from tests.venues import ATTACKER, DELEGATE, MAKER, TAKER


def test_the_floor_rises_and_it_is_logged(bench):
    events, _ = bench.cancel_below(MAKER.account(), 5, MAKER)
    assert events == [("NonceFloorRaised", {"account": MAKER.account(), "nonce": 5})]


def test_it_may_be_repeated_and_not_go_back(bench):
    bench.cancel_below(MAKER.account(), 5, MAKER)
    assert isinstance(bench.cancel_below(MAKER.account(), 5, MAKER), tuple)
    assert bench.cancel_below(MAKER.account(), 4, MAKER) == "refused: exchange: nonce floor goes back"


def test_a_delegate_may(bench):
    assert bench.cancel_below(MAKER.account(), 5, DELEGATE) == "refused: exchange: not the account's"
    bench.set_delegate(MAKER.account(), DELEGATE, ALL - TRADE)
    assert bench.cancel_below(MAKER.account(), 5, DELEGATE) == "refused: exchange: not the account's"
    bench.set_delegate(MAKER.account(), DELEGATE, TRADE)
    assert isinstance(bench.cancel_below(MAKER.account(), 5, DELEGATE), tuple)


@pytest.mark.parametrize("trader", [ATTACKER, TAKER])
def test_nobody_else(bench, trader):
    assert bench.cancel_below(MAKER.account(), 5, trader) == "refused: exchange: not the account's"


def test_accounts_of_one_owner_have_floors_of_their_own(bench):
    bench.cancel_below(MAKER.account(0), 50, MAKER)
    assert isinstance(bench.settle(*pair_of(bench)), tuple)


def pair_of(bench):
    """Orders of the maker's second account and of the taker."""
    return bench.order(MAKER, -(10**18), account=MAKER.account(1)), bench.order(TAKER, 10**18)


def test_the_highest_nonce(bench):
    top = 2**256 - 1
    bench.cancel_below(MAKER.account(), top, MAKER)
    taker = bench.order(TAKER, 10**18)
    assert isinstance(bench.settle(bench.order(MAKER, -(10**18), nonce=top), taker), tuple)
    refusal = "refused: exchange: nonce below the account's floor"
    assert bench.settle(bench.order(MAKER, -(10**18), nonce=top - 1), bench.order(TAKER, 10**18)) == refusal

"""StandingOrders.cancel: by signer, owner or delegate, once, whatever was filled before."""

from dataclasses import replace

from plimsoll.spec.mandates import ALL, TRADE
from plimsoll.spec.signed_orders import CANCELLED
from tests.venues import ATTACKER, DELEGATE, MAKER, TAKER, WAD

NOT_THE_ACCOUNTS = "refused: standing: not the account's"


def test_the_owner_cancels_and_it_is_logged(bench):
    order = bench.order(-WAD)
    events, _ = bench.cancel(order, MAKER)
    assert events == [("OrderCancelled", {"digest": bench.twin.digest(order), "account": MAKER.account()})]
    assert bench.contract.call("filled", bench.twin.digest(order)) == CANCELLED
    assert bench.execute(order) == "refused: standing: order cancelled"


def test_a_delegate_with_the_right_to_trade(bench):
    order = bench.order(-WAD)
    bench.set_delegate(MAKER.account(), DELEGATE, ALL - TRADE)
    assert bench.cancel(order, DELEGATE) == NOT_THE_ACCOUNTS
    bench.set_delegate(MAKER.account(), DELEGATE, TRADE)
    assert isinstance(bench.cancel(order, DELEGATE), tuple)


def test_a_signer_cancels_though_he_may_no_longer_act(bench):
    assert isinstance(bench.cancel(bench.order(-WAD, signer=DELEGATE.number), DELEGATE), tuple)


def test_nobody_else(bench):
    for trader in (ATTACKER, TAKER):
        assert bench.cancel(bench.order(-WAD), trader) == NOT_THE_ACCOUNTS


def test_twice(bench):
    order = bench.order(-WAD)
    bench.cancel(order, MAKER)
    assert bench.cancel(order, MAKER) == "refused: standing: order cancelled"


def test_what_is_left_of_a_partly_filled_order(bench):
    order = bench.order(-2 * WAD)
    assert isinstance(bench.execute(order, WAD), tuple)
    bench.cancel(order, MAKER)
    assert bench.execute(order, WAD) == "refused: standing: order cancelled"


def test_another_order_stands(bench):
    order = bench.order(-WAD)
    bench.cancel(replace(order, nonce=order.nonce + 1), MAKER)
    assert isinstance(bench.execute(order), tuple)

"""Exchange.cancel: by signer, owner or delegate, once, whatever was filled before."""

from dataclasses import replace

from plimsoll.spec.mandates import ALL, TRADE
from plimsoll.spec.signed_orders import CANCELLED
from tests.venues import ATTACKER, DELEGATE, MAKER, TAKER, WAD


def test_the_owner_cancels_and_it_is_logged(bench):
    order = bench.order(MAKER, WAD)
    events, _ = bench.cancel(order, MAKER)
    assert events == [("OrderCancelled", {"digest": bench.twin.digest(order), "account": MAKER.account()})]
    assert bench.contract.call("filled", bench.twin.digest(order)) == CANCELLED


def test_a_delegate_cancels_what_the_owner_signed(bench):
    order = bench.order(MAKER, WAD)
    assert bench.cancel(order, DELEGATE) == "refused: exchange: not the account's"
    bench.set_delegate(MAKER.account(), DELEGATE, ALL - TRADE)
    assert bench.cancel(order, DELEGATE) == "refused: exchange: not the account's"
    bench.set_delegate(MAKER.account(), DELEGATE, TRADE)
    assert isinstance(bench.cancel(order, DELEGATE), tuple)


def test_the_owner_cancels_what_a_delegate_signed(bench):
    order = bench.order(MAKER, WAD, signer=DELEGATE.number)
    assert isinstance(bench.cancel(order, MAKER), tuple)


def test_a_signer_cancels_though_he_may_no_longer_act(bench):
    order = bench.order(MAKER, WAD, signer=DELEGATE.number)
    assert isinstance(bench.cancel(order, DELEGATE), tuple)


def test_nobody_else(bench):
    assert bench.cancel(bench.order(MAKER, WAD), ATTACKER) == "refused: exchange: not the account's"
    assert bench.cancel(bench.order(MAKER, WAD), TAKER) == "refused: exchange: not the account's"


def test_an_order_with_a_forged_signer_is_another_order(bench):
    """An attacker may cancel what names him as its signer; the victim's own order stands."""
    maker, taker = bench.pair()
    assert isinstance(bench.cancel(replace(maker, signer=ATTACKER.number), ATTACKER), tuple)
    assert isinstance(bench.settle(maker, taker), tuple)


def test_twice(bench):
    order = bench.order(MAKER, WAD)
    bench.cancel(order, MAKER)
    assert bench.cancel(order, MAKER) == "refused: exchange: order cancelled"


def test_what_is_left_of_a_partly_filled_order(bench):
    maker, taker = bench.pair(2 * WAD)
    bench.settle(maker, taker, WAD)
    bench.cancel(maker, MAKER)
    assert bench.settle(maker, taker, WAD) == "refused: exchange: order cancelled"


def test_after_it_expired(bench):
    order = bench.order(MAKER, WAD)
    bench.chain.advance(3600)
    assert isinstance(bench.cancel(order, MAKER), tuple)


def test_before_it_is_signed(bench):
    maker, taker = bench.pair()
    bench.cancel(maker, MAKER)
    assert bench.settle(maker, taker) == "refused: exchange: order cancelled"

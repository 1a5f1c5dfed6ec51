"""StandingOrders.execute: every refusal in its order, boundaries, prices, partial fills, replay."""

from dataclasses import replace

import pytest
from eth_keys.datatypes import PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.spec.errors import Refused
from plimsoll.spec.exchange import Order
from plimsoll.spec.exchange import digest as exchange_digest
from plimsoll.spec.mandates import ALL, TRADE
from plimsoll.spec.standing import MAX_SLACK
from plimsoll.spec.wad import MAX_QUANTITY
from tests.venues import ATTACKER, DELEGATE, DEPLOYER, KEEPER, MAKER, NOW, PERP, TAKER, WAD, Trader, abi, sign

from .conftest import MARK, Bench

NOT_HIS = "refused: standing: not the counterparty's account"
NOT_CALLED = "refused: standing: account not called"
GROWS = "refused: standing: fill does not reduce"
OVER = "refused: standing: over the order's quantity"
NO_SIGNER = "refused: standing: signer may not act for the account"
WRONG = "refused: standing: wrong signature"


def test_a_long_is_sold_off_under_the_mark(bench):
    order = bench.order(-3 * WAD, 10_000)
    events, trades = bench.execute(order, 2 * WAD)
    venue = int(bench.contract.address, 16)
    assert trades == [(TAKER.account(), MAKER.account(), PERP, 2 * WAD, 1_980 * WAD, True, venue)]
    digest = bench.twin.digest(order)
    args = {"digest": digest, "account": MAKER.account(), "quantity": 2 * WAD, "price": 1_980 * WAD}
    assert events == [("OrderFilled", args)]


def test_a_short_is_bought_back_over_the_mark(bench):
    bench.hold(-10 * WAD)
    _, trades = bench.execute(bench.order(3 * WAD, 10_000), 2 * WAD)
    venue = int(bench.contract.address, 16)
    assert trades == [(MAKER.account(), TAKER.account(), PERP, 2 * WAD, 2_020 * WAD, False, venue)]


def test_an_order_of_one_unit_buys(bench):
    bench.hold(-1)
    _, trades = bench.execute(bench.order(1, 10_000), 1)
    venue = int(bench.contract.address, 16)
    assert trades == [(MAKER.account(), TAKER.account(), PERP, 1, 2_020 * WAD, False, venue)]


# ------------------------------------------------------------------------------------------------------- the order


def test_zero_quantity(bench):
    assert bench.execute(bench.order(-WAD), 0) == "refused: standing: zero quantity"
    assert bench.execute(bench.order(0)) == "refused: standing: zero quantity"


@pytest.mark.parametrize("quantity", [MAX_QUANTITY + 1, -MAX_QUANTITY - 1, 2**255 - 1, -(2**255)])
def test_order_over_the_maximum(bench, quantity):
    assert bench.execute(bench.order(quantity)) == "refused: standing: quantity over the maximum"


@pytest.mark.parametrize("slack", [MAX_SLACK + 1, 10**6, 10**6 + 1, 2**256 - 1])
def test_slack_over_the_maximum(bench, slack):
    assert bench.execute(bench.order(-WAD, slack)) == "refused: standing: slack over the maximum"


@pytest.mark.parametrize("sells", [True, False])
@pytest.mark.parametrize(("mark", "slack"), [(MARK, 0), (MARK, MAX_SLACK), (1, 1), (1, 0), (10**6 - 1, 1), (7, 50_000)])
def test_the_price_is_rounded_against_the_account(bench, sells, mark, slack):
    bench.mark(mark)
    bench.hold(WAD if sells else -WAD)
    _, trades = bench.execute(bench.order(-WAD if sells else WAD, slack))
    exact = mark * (10**6 - slack if sells else 10**6 + slack)
    price = trades[0][4]
    assert price * 10**6 <= exact < (price + 1) * 10**6 if sells else (price - 1) * 10**6 < exact <= price * 10**6


def test_no_mark(bench):
    bench.mark(0)
    assert bench.execute(bench.order(-WAD)) == "refused: feed: stale price"


# --------------------------------------------------------------------------------------------------- who executes


def test_anyone_for_an_account_of_his(bench):
    _, trades = bench.execute(bench.order(-WAD), counterparty=ATTACKER.account(5), sender=ATTACKER)
    assert trades[0][0] == ATTACKER.account(5)


def test_nobody_for_an_account_of_anothers(bench):
    assert bench.execute(bench.order(-WAD), sender=ATTACKER) == NOT_HIS
    assert bench.execute(bench.order(-WAD), sender=MAKER) == NOT_HIS


def test_a_delegate_with_the_right_to_trade(bench):
    bench.set_delegate(TAKER.account(), DELEGATE, ALL - TRADE)
    assert bench.execute(bench.order(-WAD), sender=DELEGATE) == NOT_HIS
    bench.set_delegate(TAKER.account(), DELEGATE, TRADE)
    assert isinstance(bench.execute(bench.order(-WAD), sender=DELEGATE), tuple)
    assert bench.execute(bench.order(-WAD), sender=DELEGATE, counterparty=TAKER.account(1)) == NOT_HIS


# ------------------------------------------------------------------------------------------------------ when it is due


@pytest.mark.parametrize(
    ("deadline", "auction", "due"), [(0, 0, False), (1, 0, True), (0, 1, True), (1, 1, True), (NOW + 9, NOW, True)]
)
def test_called_or_in_auction(bench, deadline, auction, due):
    bench.call(deadline, auction)
    found = bench.execute(bench.order(-WAD))
    assert isinstance(found, tuple) if due else found == NOT_CALLED


def test_another_account_is_called(bench):
    bench.call(0)
    bench.call(NOW, NOW, MAKER.account(1))
    bench.call(NOW, NOW, TAKER.account())
    assert bench.execute(bench.order(-WAD)) == NOT_CALLED


# ------------------------------------------------------------------------------------------------- what became of it


def test_good_in_its_last_second_and_not_after(bench):
    order = bench.order(-2 * WAD, expires=NOW)
    assert isinstance(bench.execute(order), tuple)
    bench.chain.advance(1)
    assert bench.execute(order) == "refused: standing: order expired"


def test_partial_fills_add_up_to_the_order_and_no_further(bench):
    order = bench.order(-5 * WAD)
    for part in (WAD, 3 * WAD, 1, WAD - 1):
        assert isinstance(bench.execute(order, part), tuple)
    assert bench.contract.call("filled", bench.twin.digest(order)) == 5 * WAD
    assert bench.execute(order, 1) == OVER


@pytest.mark.parametrize("quantity", [WAD + 1, MAX_QUANTITY + 1, 2**255, 2**256 - 1])
def test_over_the_orders_quantity(bench, quantity):
    assert bench.execute(bench.order(-WAD), quantity) == OVER


# --------------------------------------------------------------------------------------------------- it only reduces


def test_an_order_over_everything_follows_the_position_down(bench):
    order = bench.order(-MAX_QUANTITY)
    assert bench.execute(order, 10 * WAD + 1) == GROWS
    assert isinstance(bench.execute(order, 6 * WAD), tuple)
    bench.hold(4 * WAD)
    assert bench.execute(order, 4 * WAD + 1) == GROWS
    assert isinstance(bench.execute(order, 4 * WAD), tuple)
    bench.hold(0)
    assert bench.execute(order, 1) == GROWS


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("held", [0, 1, WAD - 1, WAD, MAX_QUANTITY])
def test_never_away_from_zero_nor_past_it(bench, sign, held):
    bench.hold(sign * held)
    assert bench.execute(bench.order(sign * WAD)) == GROWS
    found = bench.execute(bench.order(-sign * WAD))
    assert isinstance(found, tuple) if held >= WAD else found == GROWS


def test_a_position_in_another_instrument(bench):
    assert bench.execute(bench.order(-WAD, instrument=PERP + 1)) == GROWS


def test_a_position_of_another_account(bench):
    bench.hold(0)
    bench.hold(10 * WAD, MAKER.account(1))
    bench.hold(10 * WAD, TAKER.account())
    assert bench.execute(bench.order(-WAD)) == GROWS


# ------------------------------------------------------------------------------------------------------ who signed it


def test_a_delegate_signs(bench):
    order = bench.order(-WAD, signer=DELEGATE.number)
    signature = bench.signed(order, DELEGATE)
    assert bench.execute(order, signature=signature) == NO_SIGNER
    bench.set_delegate(MAKER.account(), DELEGATE, ALL - TRADE)
    assert bench.execute(order, signature=signature) == NO_SIGNER
    bench.set_delegate(MAKER.account(), DELEGATE, TRADE)
    assert isinstance(bench.execute(order, WAD // 2, signature=signature), tuple)
    bench.set_delegate(MAKER.account(), DELEGATE, 0)
    assert bench.execute(order, WAD // 2, signature=signature) == NO_SIGNER


def test_an_attacker_signs_for_another(bench):
    order = bench.order(-WAD)
    assert bench.execute(order, signature=bench.signed(order, ATTACKER)) == WRONG
    forged = replace(order, signer=ATTACKER.number)
    assert bench.execute(forged, signature=bench.signed(forged, ATTACKER)) == NO_SIGNER


@pytest.mark.parametrize(
    "change",
    [
        {"account": MAKER.account(1)},
        {"instrument": PERP + 1},
        {"quantity": -2 * WAD},
        {"slack": MAX_SLACK},
        {"expires": NOW + 61},
        {"nonce": 1_000},
    ],
)
def test_every_field_is_signed(bench, change):
    order = bench.order(-WAD)
    bench.call(NOW, 0, MAKER.account(1))
    bench.hold(10 * WAD, MAKER.account(1))
    bench.hold(10 * WAD, MAKER.account(), PERP + 1)
    assert bench.execute(replace(order, **change), signature=bench.signed(order, MAKER)) == WRONG


@pytest.mark.parametrize("which", ["chain", "contract"])
def test_signed_for_elsewhere(bench, which):
    order = bench.order(-WAD)
    home = bench.twin.address, bench.twin.chain_id
    if which == "chain":
        bench.twin.chain_id += 1
    else:
        bench.twin.address += 1
    signature = bench.signed(order, MAKER)
    bench.twin.address, bench.twin.chain_id = home
    assert bench.execute(order, signature=signature) == WRONG


def test_an_order_of_the_exchange_is_none_of_these(bench):
    """Even with the same words in it, signed for this very address."""
    order = bench.order(-WAD)
    fields = MAKER.account(), MAKER.number, PERP, -WAD, order.slack, order.expires, order.nonce
    message = exchange_digest(Order(*fields), bench.chain.chain_id, bench.contract.address)
    assert bench.execute(order, signature=sign(MAKER, message)) == WRONG


def test_a_wallet_signs(bench):
    _, trader = bench.wallet(Trader(PrivateKey(b"\x09" * 32)))
    order = bench.order(-WAD, account=trader.account(), signer=trader.number)
    bench.call(NOW, 0, trader.account())
    bench.hold(WAD, trader.account())
    assert bench.execute(order, signature=bench.signed(order, ATTACKER)) == WRONG
    assert isinstance(bench.execute(order, signature=b"\xaa" + bench.signed(order, trader)), tuple)


def test_a_wallet_may_ask_for_the_digest_while_it_is_asked(bench):
    contract, trader = bench.wallet(Trader(PrivateKey(b"\x09" * 32)))
    order = bench.order(-WAD, account=trader.account(), signer=trader.number)
    bench.call(NOW, 0, trader.account())
    bench.hold(WAD, trader.account())
    contract.transact("set_asked", bench.contract.address, bench.contract.encode("digest", abi(order)), sender=DEPLOYER)
    assert isinstance(bench.execute(order, signature=bench.signed(order, trader)), tuple)


# ------------------------------------------------------------------------------------------------ order of refusals


def test_the_order_of_refusals(bench):
    """From the last to the first: each of these hides all that were refused before it."""
    order = bench.order(-MAX_QUANTITY, signer=DELEGATE.number)
    args = {"signature": b"", "counterparty": MAKER.account(1), "sender": ATTACKER}
    bench.mark(0)
    bench.refuse("clearinghouse: below initial margin")
    sender = {**args, "sender": MAKER}
    assert bench.execute(order, **sender) == NO_SIGNER
    assert bench.execute(order, 11 * WAD, **sender) == GROWS
    assert bench.execute(order, MAX_QUANTITY + 1, **sender) == OVER
    bench.cancel(order, MAKER)
    assert bench.execute(order, MAX_QUANTITY + 1, **sender) == "refused: standing: order cancelled"
    bench.cancel_below(MAKER.account(), order.nonce + 1, MAKER)
    refusal = "refused: standing: nonce below the account's floor"
    assert bench.execute(order, MAX_QUANTITY + 1, **sender) == refusal
    bench.chain.advance(61)
    assert bench.execute(order, MAX_QUANTITY + 1, **sender) == "refused: standing: order expired"
    bench.call(0)
    assert bench.execute(order, MAX_QUANTITY + 1, **sender) == NOT_CALLED
    assert bench.execute(order, MAX_QUANTITY + 1, **args) == NOT_HIS
    order = replace(order, slack=MAX_SLACK + 1)
    assert bench.execute(order, MAX_QUANTITY + 1, **args) == "refused: standing: slack over the maximum"
    order = replace(order, quantity=-MAX_QUANTITY - 1)
    assert bench.execute(order, MAX_QUANTITY + 1, **args) == "refused: standing: quantity over the maximum"
    assert bench.execute(order, 0, **args) == "refused: standing: zero quantity"


def test_what_the_book_refuses_is_not_counted(bench):
    order = bench.order(-WAD)
    bench.refuse("clearinghouse: price worse than allowed")
    assert bench.execute(order) == "refused: clearinghouse: price worse than allowed"
    bench.refuse("")
    assert isinstance(bench.execute(order), tuple)


# --------------------------------------------------------------------------------------------------------- no way in


@pytest.mark.parametrize("name", ["execute", "cancel", "cancel_below", "filled", "floor"])
def test_no_way_back_in_from_a_trade(bench, name):
    """All but `digest` and the two fixed addresses is locked while a trade is on; each of these works by itself."""
    order = bench.order(-2 * WAD)
    args = {
        "execute": (abi(order), bench.signed(order, MAKER), MAKER.account(2), WAD),
        "cancel": (abi(order),),
        "cancel_below": (MAKER.account(), 1),
        "filled": (bytes(32),),
        "floor": (MAKER.account(),),
    }[name]
    for number in (0, 2):
        for delegate in (bench.book.address, KEEPER):
            bench.book.transact("set_delegate", MAKER.account(number), delegate, TRADE, sender=MAKER.address)
    with bench.chain.isolate():
        bench.contract.transact(name, *args, sender=KEEPER)
    hook = bench.contract.encode(name, *args)
    bench.book.transact("set_hook", bench.contract.address, hook, sender=DEPLOYER)
    assert isinstance(bench.execute(bench.order(-WAD)), tuple)
    assert bench.book.call("hook_worked") is False


@pytest.mark.parametrize("name", ["digest", "clearinghouse", "liquidator"])
def test_what_can_be_read_within_a_trade(bench, name):
    args = (abi(bench.order(-WAD)),) if name == "digest" else ()
    hook = bench.contract.encode(name, *args)
    bench.book.transact("set_hook", bench.contract.address, hook, sender=DEPLOYER)
    assert isinstance(bench.execute(bench.order(-WAD)), tuple)
    assert bench.book.call("hook_worked") is True


def test_it_takes_no_ether(bench):
    order = bench.order(-WAD)
    bench.chain.set_balance(TAKER.address, 10**18)
    args = (abi(order), bench.signed(order, MAKER), TAKER.account(), WAD)
    with pytest.raises(Refused, match=r"^$"):
        bench.contract.transact("execute", *args, sender=TAKER.address, value=1)


# ------------------------------------------------------------------------------------------------------ agreement

_BENCHES: list[Bench] = []
FILLS = st.one_of(st.sampled_from([0, 1, WAD - 1, WAD, WAD + 1, 3 * WAD]), st.integers(0, 4 * WAD))
HELD = st.one_of(st.sampled_from([0, 1, -1, WAD, -WAD, 3 * WAD, -3 * WAD]), st.integers(-4 * WAD, 4 * WAD))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("execute"), st.integers(0, 3), FILLS, st.sampled_from([MAKER, TAKER])),
        st.tuples(st.just("hold"), HELD),
        st.tuples(st.just("mark"), st.one_of(st.integers(0, 3), st.integers(0, 10**27))),
        st.tuples(st.just("call"), st.integers(0, 1), st.integers(0, 1)),
        st.tuples(st.just("cancel"), st.integers(0, 3), st.sampled_from([MAKER, ATTACKER])),
        st.tuples(st.just("cancel_below"), st.integers(0, 6)),
        st.tuples(st.just("wait"), st.integers(0, 40)),
    ),
    max_size=12,
)


@given(STEPS, st.integers(0, MAX_SLACK + 1))
def test_contract_and_twin_agree_whatever_the_order_of_things(steps, slack):
    if not _BENCHES:
        _BENCHES.append(Bench())
    bench = _BENCHES[0]
    bench.reset()
    orders = [bench.order(sign * WAD * n, slack, expires=NOW + 40 * n) for sign in (1, -1) for n in (1, 3)]
    with bench.chain.isolate():
        bench.mark(MARK)
        bench.hold(3 * WAD)
        bench.call(NOW)
        for name, *args in steps:
            if name == "execute":
                bench.execute(orders[args[0]], args[1], sender=args[2])
            elif name == "cancel":
                bench.cancel(orders[args[0]], args[1])
            elif name == "cancel_below":
                bench.cancel_below(MAKER.account(), args[0], MAKER)
            elif name == "wait":
                bench.chain.advance(args[0])
            else:
                getattr(bench, name)(*args)

"""Exchange.settle: every refusal in its order, boundaries, partial fills, replay."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.spec.errors import Refused
from plimsoll.spec.mandates import ALL, TRADE
from plimsoll.spec.wad import MAX_QUANTITY
from tests.venues import ATTACKER, DELEGATE, DEPLOYER, KEEPER, MAKER, NOW, PERP, TAKER, WAD, abi

from .conftest import Bench


def test_both_sides_at_the_makers_price(bench):
    maker = bench.order(MAKER, -3 * WAD, 2_000 * WAD)
    taker = bench.order(TAKER, 2 * WAD, 2_010 * WAD)
    events, trades = bench.settle(maker, taker, 2 * WAD)
    exchange = int(bench.contract.address, 16)
    assert trades == [(TAKER.account(), MAKER.account(), PERP, 2 * WAD, 2_000 * WAD, True, exchange)]
    assert [(name, args["account"], args["quantity"], args["price"]) for name, args in events] == [
        ("OrderFilled", MAKER.account(), 2 * WAD, 2_000 * WAD),
        ("OrderFilled", TAKER.account(), 2 * WAD, 2_000 * WAD),
    ]


def test_a_maker_who_buys(bench):
    maker = bench.order(MAKER, WAD, 2_010 * WAD)
    taker = bench.order(TAKER, -WAD, 2_000 * WAD)
    _, trades = bench.settle(maker, taker)
    assert trades[0][:2] == (MAKER.account(), TAKER.account())
    assert trades[0][4:6] == (2_010 * WAD, False)


# -------------------------------------------------------------------------------------------------------- the pair


def test_zero_quantity(bench):
    assert bench.settle(*bench.pair(), 0) == "refused: exchange: zero quantity"


@pytest.mark.parametrize("side", [0, 1])
def test_an_order_for_nothing(bench, side):
    pair = list(bench.pair())
    pair[side] = replace(pair[side], quantity=0)
    assert bench.settle(*pair) == "refused: exchange: zero quantity"


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("quantity", [MAX_QUANTITY + 1, -MAX_QUANTITY - 1, 2**255 - 1, -(2**255)])
def test_order_over_the_maximum(bench, side, quantity):
    pair = list(bench.pair())
    pair[side] = replace(pair[side], quantity=quantity)
    assert bench.settle(*pair) == "refused: exchange: quantity over the maximum"


def test_orders_at_the_maximum(bench):
    maker, taker = bench.pair(MAX_QUANTITY)
    assert isinstance(bench.settle(maker, taker, MAX_QUANTITY), tuple)


def test_instruments_differ(bench):
    maker, taker = bench.pair()
    assert bench.settle(maker, replace(taker, instrument=PERP + 1)) == "refused: exchange: instruments differ"


@pytest.mark.parametrize("sign", [1, -1])
def test_same_side(bench, sign):
    maker, taker = bench.order(MAKER, sign * WAD), bench.order(TAKER, sign * WAD)
    assert bench.settle(maker, taker) == "refused: exchange: same side"


def test_an_order_against_itself(bench):
    order = bench.order(MAKER, WAD)
    signature = bench.signed(order, MAKER)
    assert bench.settle(order, order, WAD, signature, signature) == "refused: exchange: same side"


@pytest.mark.parametrize("maker_sells", [True, False])
@pytest.mark.parametrize(("gap", "crosses"), [(-1, False), (0, True), (1, True)])
def test_prices_cross_or_do_not(bench, maker_sells, gap, crosses):
    if maker_sells:
        maker, taker = bench.order(MAKER, -WAD, 10**20), bench.order(TAKER, WAD, 10**20 + gap)
    else:
        maker, taker = bench.order(MAKER, WAD, 10**20 + gap), bench.order(TAKER, -WAD, 10**20)
    found = bench.settle(maker, taker)
    assert isinstance(found, tuple) if crosses else found == "refused: exchange: prices do not cross"


# --------------------------------------------------------------------------------------------- the state of an order


@pytest.mark.parametrize("side", [0, 1])
def test_good_in_its_last_second_and_not_after(bench, side):
    pair = list(bench.pair(3 * WAD))
    pair[side] = replace(pair[side], expires=NOW)
    assert isinstance(bench.settle(*pair), tuple)
    bench.chain.advance(1)
    assert bench.settle(*pair) == "refused: exchange: order expired"


@pytest.mark.parametrize("side", [0, 1])
def test_nonce_at_and_below_the_floor(bench, side):
    trader = (MAKER, TAKER)[side]
    pair = list(bench.pair(3 * WAD))
    pair[side] = replace(pair[side], nonce=7)
    bench.cancel_below(trader.account(), 7, trader)
    assert isinstance(bench.settle(*pair), tuple)
    bench.cancel_below(trader.account(), 8, trader)
    assert bench.settle(*pair) == "refused: exchange: nonce below the account's floor"


@pytest.mark.parametrize("side", [0, 1])
def test_cancelled(bench, side):
    pair = bench.pair()
    bench.cancel(pair[side], (MAKER, TAKER)[side])
    assert bench.settle(*pair) == "refused: exchange: order cancelled"


@pytest.mark.parametrize("side", [0, 1])
def test_more_than_the_order(bench, side):
    pair = list(bench.pair(2 * WAD))
    pair[side] = replace(pair[side], quantity=pair[side].quantity // 2)
    assert bench.settle(*pair, WAD + 1) == "refused: exchange: over the order's quantity"
    assert isinstance(bench.settle(*pair, WAD), tuple)


@pytest.mark.parametrize("quantity", [MAX_QUANTITY + 1, 2**255, 2**256 - 1])
def test_a_fill_that_would_wrap(bench, quantity):
    assert bench.settle(*bench.pair(), quantity) == "refused: exchange: over the order's quantity"


def test_partial_fills_add_up_to_the_order_and_no_further(bench):
    maker = bench.order(MAKER, -10 * WAD)
    for part in (WAD, 4 * WAD, 1, 5 * WAD - 1):
        assert isinstance(bench.settle(maker, bench.order(TAKER, 10 * WAD), part), tuple)
    assert bench.contract.call("filled", bench.twin.digest(maker)) == 10 * WAD
    assert bench.settle(maker, bench.order(TAKER, WAD), 1) == "refused: exchange: over the order's quantity"


def test_replay_of_filled_orders(bench):
    pair = bench.pair()
    assert isinstance(bench.settle(*pair), tuple)
    assert bench.settle(*pair) == "refused: exchange: over the order's quantity"


def test_alike_but_for_the_nonce_are_two_orders(bench):
    maker, taker = bench.pair()
    bench.settle(maker, taker)
    assert isinstance(bench.settle(replace(maker, nonce=101), replace(taker, nonce=102)), tuple)


def test_one_second_longer_is_another_order(bench):
    maker, taker = bench.pair()
    signature = bench.signed(maker, MAKER)
    late = replace(maker, expires=maker.expires + 1)
    assert bench.settle(late, taker, WAD, signature) == "refused: exchange: wrong signature"


# ---------------------------------------------------------------------------------------------------- who may sign


def test_a_delegate_signs(bench):
    maker, taker = bench.pair()
    maker = replace(maker, signer=DELEGATE.number)
    signature = bench.signed(maker, DELEGATE)
    refusal = "refused: exchange: signer may not act for the account"
    assert bench.settle(maker, taker, WAD, signature) == refusal
    bench.set_delegate(MAKER.account(), DELEGATE)
    assert isinstance(bench.settle(maker, taker, WAD, signature), tuple)


def test_a_delegate_who_may_do_all_but_trade(bench):
    maker, taker = bench.pair()
    maker = replace(maker, signer=DELEGATE.number)
    bench.set_delegate(MAKER.account(), DELEGATE, ALL - TRADE)
    refusal = "refused: exchange: signer may not act for the account"
    assert bench.settle(maker, taker, WAD, bench.signed(maker, DELEGATE)) == refusal


def test_a_dismissed_delegates_orders_are_void(bench):
    maker, taker = bench.pair(2 * WAD)
    maker = replace(maker, signer=DELEGATE.number)
    signature = bench.signed(maker, DELEGATE)
    bench.set_delegate(MAKER.account(), DELEGATE)
    assert isinstance(bench.settle(maker, taker, WAD, signature), tuple)
    bench.set_delegate(MAKER.account(), DELEGATE, 0)
    assert bench.settle(maker, taker, WAD, signature) == "refused: exchange: signer may not act for the account"


def test_a_delegate_of_one_account_is_none_of_the_next(bench):
    maker, taker = bench.pair()
    bench.set_delegate(MAKER.account(0), DELEGATE)
    maker = replace(maker, account=MAKER.account(1), signer=DELEGATE.number)
    refusal = "refused: exchange: signer may not act for the account"
    assert bench.settle(maker, taker, WAD, bench.signed(maker, DELEGATE)) == refusal


def test_an_attacker_signs_for_another(bench):
    maker, taker = bench.pair()
    maker = replace(maker, signer=ATTACKER.number)
    refusal = "refused: exchange: signer may not act for the account"
    assert bench.settle(maker, taker, WAD, bench.signed(maker, ATTACKER)) == refusal


def test_the_system_account_has_no_signer(bench):
    """Account 0 belongs to the zero address, which is also what a failed recovery gives."""
    maker, taker = bench.pair()
    maker = replace(maker, account=0, signer=0)
    for signature in (b"", bytes(65), bytes(64) + b"\x1b", bench.signed(maker, ATTACKER)):
        assert bench.settle(maker, taker, WAD, signature) == "refused: exchange: wrong signature"


# ------------------------------------------------------------------------------------------------------- the book


def test_what_the_book_refuses_is_not_counted(bench):
    pair = bench.pair()
    bench.refuse("clearinghouse: below initial margin")
    assert bench.settle(*pair) == "refused: clearinghouse: below initial margin"
    bench.refuse("")
    assert isinstance(bench.settle(*pair), tuple)


@pytest.mark.parametrize("name", ["settle", "cancel", "cancel_below", "filled", "floor"])
def test_no_way_back_in_from_a_trade(bench, name):
    """All but `digest` is locked while a trade is on; each of these calls works by itself."""
    maker, taker = bench.pair(2 * WAD)
    args = {
        "settle": (abi(maker), bench.signed(maker, MAKER), abi(taker), bench.signed(taker, TAKER), WAD),
        "cancel": (abi(maker),),
        "cancel_below": (MAKER.account(), 1),
        "filled": (bytes(32),),
        "floor": (MAKER.account(),),
    }[name]
    for delegate in (bench.book.address, KEEPER):
        bench.book.transact("set_delegate", MAKER.account(), delegate, TRADE, sender=MAKER.address)
    with bench.chain.isolate():
        bench.contract.transact(name, *args, sender=KEEPER)
    hook = bench.contract.encode(name, *args)
    bench.book.transact("set_hook", bench.contract.address, hook, sender=DEPLOYER)
    assert isinstance(bench.settle(*bench.pair()), tuple)
    assert bench.book.call("hook_worked") is False


def test_the_digest_can_be_read_within_a_trade(bench):
    maker, taker = bench.pair()
    bench.book.transact(
        "set_hook", bench.contract.address, bench.contract.encode("digest", abi(maker)), sender=DEPLOYER
    )
    bench.settle(maker, taker)
    assert bench.book.call("hook_worked") is True


def test_it_takes_no_ether(bench):
    maker, taker = bench.pair()
    args = (abi(maker), bench.signed(maker, MAKER), abi(taker), bench.signed(taker, TAKER), WAD)
    rich = "0x" + "99" * 20
    bench.chain.set_balance(rich, 10**18)
    with pytest.raises(Refused, match=r"^$"):
        bench.contract.transact("settle", *args, sender=rich, value=1)


# ------------------------------------------------------------------------------------------------------ agreement

_BENCHES: list[Bench] = []


def shared() -> Bench:
    """One bench for all examples: fixtures are not reset between them."""
    if not _BENCHES:
        _BENCHES.append(Bench())
    return _BENCHES[0]


FILLS = st.one_of(st.sampled_from([0, 1, WAD - 1, WAD, WAD + 1, 2 * WAD]), st.integers(0, 2 * WAD))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("settle"), st.integers(0, 2), st.integers(0, 2), FILLS),
        st.tuples(st.just("cancel"), st.integers(0, 5), st.sampled_from([MAKER, TAKER, ATTACKER])),
        st.tuples(st.just("floor"), st.sampled_from([MAKER, TAKER]), st.integers(0, 8)),
        st.tuples(st.just("wait"), st.integers(0, 40)),
    ),
    max_size=12,
)


@given(STEPS)
def test_contract_and_twin_agree_whatever_the_order_of_things(steps):
    bench = shared()
    bench.reset()
    makers = [bench.order(MAKER, -WAD * n, (2_000 + n) * WAD, expires=NOW + 30 * n) for n in (1, 2, 3)]
    takers = [bench.order(TAKER, WAD * n, (2_001 + n) * WAD, expires=NOW + 30 * n) for n in (1, 2, 3)]
    with bench.chain.isolate():
        for step in steps:
            if step[0] == "settle":
                bench.settle(makers[step[1]], takers[step[2]], step[3])
            elif step[0] == "cancel":
                bench.cancel((makers + takers)[step[1]], step[2])
            elif step[0] == "floor":
                bench.cancel_below(step[1].account(), step[2], step[1])
            else:
                bench.chain.advance(step[1])

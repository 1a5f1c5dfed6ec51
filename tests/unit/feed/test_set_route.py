"""IndexFeed.set_route: what a route is made of, who each aggregator says it is, and what its price is, to the unit."""

from dataclasses import replace
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.spec.feed import DIVIDES, IN_CURRENCY, IS_LONG, LAPSE, NO_ROUTE, UNNAMED, Leg, named
from plimsoll.spec.wad import MAX_PRICE

from .conftest import ATTACKER, E8, ETH, QUOTE, WAD, Bench, at, copied, leg

WEEK = 7 * 86_400


@pytest.fixture
def legs(bench):
    """Wrapped in staked at 1.2, staked in ether at 0.999, ether in dollars at 2,000; each of other decimals."""
    return (
        bench.aggregator(18, 12 * 10**17, "wstETH / stETH"),
        bench.aggregator(18, 999 * 10**15, "stETH / ETH"),
        bench.aggregator(8, 2_000 * E8),
    )


def route_of(legs):
    wrapped, staked, ether = legs
    return leg(wrapped, description="wstETH / stETH"), leg(staked, description="stETH / ETH"), leg(ether)


def test_three_legs_to_the_last_unit(bench, legs):
    assert bench.set_route(*route_of(legs))[0][1]["price"] == 2_397_600_000_000_000_000_000
    assert bench.price()[0] == 23_976 * WAD // 10


def test_two_legs(bench, legs):
    bench.set_route(*route_of(legs)[1:])
    assert bench.price()[0] == 1_998 * WAD


def test_a_leg_divides(bench):
    ether, coin = bench.aggregator(8, 2_000 * E8), bench.aggregator(6, 990_000, "USDC / USD")
    bench.set_route(leg(ether), leg(coin, description="USDC / USD", divides=True))
    assert bench.price()[0] == 2_000 * WAD * 100 // 99  # down
    assert 2_000 * WAD * 100 % 99


def test_the_first_leg_may_divide(bench):
    yen = bench.aggregator(8, 150 * E8, "USD / JPY")
    bench.set_route(leg(yen, description="USD / JPY", divides=True))
    assert bench.price()[0] == WAD // 150


def test_a_route_is_as_old_as_its_oldest_leg(bench, legs):
    bench.set_route(*route_of(legs))
    for old in legs:
        bench.chain.advance(10)
        now = bench.chain.now
        for mock, answer in zip(legs, (12 * 10**17, 999 * 10**15, 2_000 * E8), strict=True):
            bench.answer(mock, answer, age=7 if mock is old else 1)
        assert bench.price()[1] == now - 7


def test_each_leg_has_its_own_age(bench, legs):
    ages = (60, 3_600, WEEK)
    route = [leg(m, description=d, max_age=a) for m, a, d in zip(legs, ages, NAMES, strict=True)]
    bench.set_route(*route)
    for mock, age, answer in zip(legs, ages, (12 * 10**17, 999 * 10**15, 2_000 * E8), strict=True):
        bench.answer(mock, answer, age)
        assert isinstance(bench.price(), tuple)
        bench.answer(mock, answer, age + 1)
        assert bench.price() == "refused: feed: stale price"
        bench.answer(mock, answer)


NAMES = ("wstETH / stETH", "stETH / ETH", "ETH / USD")


def test_each_leg_has_its_own_bounds(bench, legs):
    low, high = 2**59, 2**61  # [wad] .58 and 2.3
    wrapped, _, ether = route_of(legs)
    bench.set_route(wrapped, leg(legs[1], description="stETH / ETH", low=low, high=high), ether)
    for answer, usable in ((low, False), (low + 1, True), (high - 1, True), (high, False)):
        bench.answer(legs[1], answer)
        assert isinstance(bench.price(), tuple) == usable
    assert bench.price() == "refused: feed: price at its bound"
    assert bench.set_bounds(ETH, 0, 0, 1)[0][1]["old_low"] == low
    assert isinstance(bench.price(), tuple)
    bench.set_bounds(ETH, 0, WAD, 2)
    assert bench.price() == "refused: feed: price at its bound"


@pytest.mark.parametrize("place", [1, 2, 3, 2**256 - 1])
def test_bounds_of_a_leg_that_is_not_there(bench, eth, place):
    assert bench.set_bounds(ETH, 0, 0, place) == "refused: feed: unknown leg"


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(("answer", "reason"), [(0, "price not positive"), (-1, "price not positive")])
def test_no_leg_may_be_dead(bench, legs, place, answer, reason):
    bench.set_route(*route_of(legs))
    bench.answer(legs[place], answer)
    assert bench.price() == f"refused: feed: {reason}"


def test_a_price_that_rounds_to_nothing_is_none(bench):
    tiny, dust = bench.aggregator(18, 10**9, "a"), bench.aggregator(18, 10**9, "b")
    bench.set_route(leg(tiny, description="a"), leg(dust, description="b"))
    assert bench.price()[0] == 1
    bench.answer(dust, 10**9 - 1)
    assert bench.price() == "refused: feed: price not positive"


def test_a_product_over_the_maximum(bench):
    large, other = bench.aggregator(0, 10**9, "a"), bench.aggregator(18, WAD, "b")
    bench.set_route(leg(large, description="a"), leg(other, description="b"))
    assert bench.price()[0] == MAX_PRICE
    bench.answer(other, WAD + 1)
    assert bench.price() == "refused: feed: price over the maximum"


def test_the_largest_legs_there_may_be_do_not_overflow(bench):
    mocks = [bench.aggregator(18, WAD, name) for name in "abc"]
    bench.set_route(*(leg(mock, description=name) for mock, name in zip(mocks, "abc", strict=True)))
    for mock in mocks:
        bench.answer(mock, MAX_PRICE)
    assert bench.price() == "refused: feed: price over the maximum"


def test_the_words_say_it_all(bench, legs):
    wrapped, staked, ether = legs
    logged = bench.set_route(
        leg(wrapped, description="wstETH / stETH"),
        leg(staked, description="stETH / ETH", max_age=60, divides=True),
        leg(ether, low=1),
        exponent=16,
    )
    words = (
        at(wrapped) << 96 | IS_LONG | 3_600 << 64 | 16 << 56,
        at(staked) << 96 | DIVIDES | 60 << 64,
        at(ether) << 96 | 3_600 << 64 | 10 << 48 | 1 << 32,
    )
    price = WAD * 12 // 10 * 1000 * 2_000 // 999
    found = logged[0][1]
    assert (found["old"], found["new"], found["against"]) == (NO_ROUTE, words, 0)
    assert abs(found["price"] - price) <= 2_000


def test_the_wads_of_every_route(bench, legs):
    """Decimals of an aggregator change nothing but its precision."""
    for decimals in (0, 6, 18):
        mock = bench.aggregator(decimals, 3 * 10**decimals, "x")
        bench.set_route(leg(mock, description="x"), leg(legs[2]), underlying=decimals)
        assert bench.price(decimals)[0] == 6_000 * WAD


# ------------------------------------------------------------------------------------------------------------ refusals


def test_only_the_owner(bench, legs):
    assert bench.set_route(*route_of(legs), sender=ATTACKER) == "refused: ownable: caller is not the owner"


def test_no_legs(bench):
    assert bench.set_route() == "refused: feed: no legs"


def test_an_aggregator_that_calls_itself_something_else(bench, legs):
    wrapped, staked, ether = route_of(legs)
    assert bench.set_route(wrapped, ether, staked) is not None
    swapped = leg(legs[1], description="wstETH / stETH")
    assert bench.set_route(swapped, ether, underlying=9) == "refused: feed: another description"
    unnamed = Leg(at(legs[1]), 3_600)
    assert unnamed.description == UNNAMED
    assert bench.set_route(ether, unnamed, underlying=9) == "refused: feed: description not named"


def test_names_are_compared_whole(bench):
    mock = bench.aggregator(8, E8, "x" * 64)
    assert bench.set_route(leg(mock, description="x" * 63)) == "refused: feed: another description"
    assert isinstance(bench.set_route(leg(mock, description="x" * 64)), list)
    assert named("x" * 64) != named("x" * 63)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"aggregator": 0}, "zero aggregator"),
        ({"aggregator": int(ATTACKER, 16)}, "no code at the aggregator"),
        ({"max_age": 59}, "max age out of range"),
        ({"max_age": WEEK + 1}, "max age out of range"),
        ({"low": 2, "high": 1}, "bounds out of range"),
        ({"low": 1, "high": 1}, "bounds out of range"),
        ({"low": MAX_PRICE + 1}, "bounds out of range"),
        ({"high": MAX_PRICE + 1}, "bounds out of range"),
        ({"low": MAX_PRICE}, "price at its bound"),
    ],
)
def test_a_bad_leg_in_any_place(bench, legs, place, change, reason):
    route = list(route_of(legs))
    route[place] = replace(route[place], **change)
    assert bench.set_route(*route) == f"refused: feed: {reason}"


def test_a_later_route_must_be_usable_too(bench, eth, legs):
    bench.answer(legs[1], 10**18, age=3_601)
    assert bench.set_route(*route_of(legs)) == "refused: feed: stale price"
    assert bench.contract.call("staged", ETH)[1] == 0


def test_strike_exponents(bench, legs):
    assert bench.set_route(*route_of(legs), exponent=19) == "refused: feed: strike exponent over 18"
    bench.set_route(*route_of(legs), exponent=16)
    assert bench.contract.call("strike_unit", ETH) == 10**16
    assert bench.set_route(*route_of(legs), exponent=17) == "refused: feed: strike exponent is fixed"


def test_a_new_staged_route_takes_the_place_of_the_last(bench, eth, legs):
    bench.set_route(*route_of(legs))
    bench.chain.advance(100)
    assert bench.set_route(leg(eth))[0][1]["lapses"] == bench.chain.now + LAPSE
    assert bench.contract.call("staged", ETH)[1] == bench.chain.now


# ------------------------------------------------------------------------------------------------------- the quote coin


def test_a_depeg_reaches_the_index(bench, eth):
    coin = bench.aggregator(8, E8, "USDC / USD")
    refused = bench.set_route(leg(eth), underlying=7, in_currency=True)
    assert refused == "refused: feed: no quote route"
    assert bench.quote_price() == "refused: feed: no quote route"
    logged = bench.act("set_quote_route", [leg(coin, description="USDC / USD", low=WAD // 2, high=2 * WAD)])
    assert logged[0][1]["underlying"] == QUOTE
    assert bench.set_route(leg(eth), underlying=7, in_currency=True)[0][1]["new"][0] & IN_CURRENCY
    assert bench.price(7)[0] == 2_000 * WAD
    bench.answer(coin, 9 * E8 // 10)
    assert bench.quote_price()[0] == 9 * WAD // 10
    assert bench.price(7)[0] == 2_000 * WAD * 10 // 9
    assert bench.price(ETH)[0] == 2_000 * WAD  # says it is in the coin
    bench.answer(coin, E8 // 2)
    assert bench.price(7) == bench.quote_price() == "refused: feed: price at its bound"
    bench.answer(coin, E8, age=3_601)
    assert bench.price(7) == "refused: feed: stale price"
    assert isinstance(bench.price(ETH), tuple)
    bench.answer(coin, E8, age=3_600)
    assert bench.price(7)[1] == bench.chain.now - 3_600


def test_the_quote_route_is_the_owners(bench, eth):
    legs = [leg(eth)]
    assert bench.act("set_quote_route", legs, sender=ATTACKER) == "refused: ownable: caller is not the owner"
    assert bench.act("set_quote_route", []) == "refused: feed: no legs"
    unnamed = [Leg(at(eth), 60)]
    assert bench.act("set_quote_route", unnamed) == "refused: feed: description not named"


# ------------------------------------------------------------------------------------------------------------ agreement

_BENCHES: list[Bench] = []

answers = st.one_of(st.sampled_from([1, 10**9, 10**18, 10**27, 10**27 + 1]), st.integers(1, 10**28))


@given(
    drawn=st.lists(st.tuples(answers, st.booleans(), st.integers(0, 18)), min_size=1, max_size=3),
    coin=st.none() | answers,
)
def test_contract_and_twin_agree_and_err_by_less_than_they_say(drawn, coin):
    if not _BENCHES:
        _BENCHES.append(Bench())
    bench = _BENCHES[0]
    kept = bench.twin
    with bench.chain.isolate():
        bench.twin = copied(bench)
        mocks = [bench.aggregator(decimals, 10**decimals, "x") for _, _, decimals in drawn]
        if coin:
            quote = bench.aggregator(18, WAD, "x")
            bench.act("set_quote_route", [leg(quote, description="x")])
        made = [leg(m, description="x", divides=d) for m, (_, d, _) in zip(mocks, drawn, strict=True)]
        assert isinstance(bench.set_route(*made, in_currency=coin is not None), list)
        for mock, (answer, _, _) in zip(mocks, drawn, strict=True):
            bench.answer(mock, answer)
        if coin:
            bench.answer(quote, coin)
        found = bench.price()
        if isinstance(found, tuple) and not any(divides for _, divides, _ in drawn) and coin is None:
            exact = prod(answer * 10 ** (18 - decimals) for answer, _, decimals in drawn)
            scale = WAD ** (len(drawn) - 1)
            # each step loses less than a unit, which the legs behind it multiply
            last = drawn[-1][0] * 10 ** (18 - drawn[-1][2]) // WAD + 1
            assert found[0] * scale <= exact < (found[0] + 1 + last) * scale
    bench.twin = kept

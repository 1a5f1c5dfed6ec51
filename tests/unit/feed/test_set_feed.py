"""IndexFeed.set_feed: every refusal, every bound, what is fixed; a first feed binds, a later one waits."""

import pytest

from plimsoll.chain.artifacts import load
from plimsoll.chain.contract import deploy
from plimsoll.spec.feed import LAPSE, NO_ROUTE

from .conftest import ATTACKER, E8, ETH, OWNER, WAD, at

WEEK = 7 * 86_400
ZERO = "0x" + "00" * 20


def test_the_log_names_what_was_set(bench):
    mock = bench.aggregator(8, 2_000 * E8)
    word = at(mock) << 96 | 3600 << 64 | 17 << 56 | 10 << 48
    assert bench.set_feed(ETH, mock, 3600, 17) == [
        (
            "RouteBound",
            {"underlying": ETH, "old": NO_ROUTE, "new": (word, 0, 0), "price": 2_000 * WAD, "against": 0},
        )
    ]
    assert bench.contract.call("strike_unit", ETH) == 10**17


def test_only_the_owner(bench):
    mock = bench.aggregator(8, E8)
    assert bench.set_feed(ETH, mock, sender=ATTACKER) == "refused: ownable: caller is not the owner"


def test_zero_aggregator(bench):
    assert bench.set_feed(ETH, ZERO) == "refused: feed: zero aggregator"


@pytest.mark.parametrize("max_age", [60, WEEK])
def test_ages_at_the_bounds(bench, max_age):
    mock = bench.aggregator(8, E8)
    assert isinstance(bench.set_feed(ETH, mock, max_age), list)
    bench.answer(mock, E8, age=max_age)
    assert bench.price()[0] == WAD
    bench.answer(mock, E8, age=max_age + 1)
    assert bench.price() == "refused: feed: stale price"


@pytest.mark.parametrize("max_age", [0, 59, WEEK + 1, 2**24, 2**32 - 1])
def test_ages_out_of_bounds(bench, max_age):
    assert bench.set_feed(ETH, bench.aggregator(8, E8), max_age) == "refused: feed: max age out of range"


@pytest.mark.parametrize("exponent", [0, 18])
def test_strike_exponents_at_the_bounds(bench, exponent):
    bench.set_feed(ETH, bench.aggregator(8, E8), exponent=exponent)
    assert bench.contract.call("strike_unit", ETH) == 10**exponent


@pytest.mark.parametrize("exponent", [19, 255])
def test_strike_exponents_out_of_bounds(bench, exponent):
    refused = bench.set_feed(ETH, bench.aggregator(8, E8), exponent=exponent)
    assert refused == "refused: feed: strike exponent over 18"


@pytest.mark.parametrize("exponent", [0, 17])
def test_the_strike_exponent_is_fixed_by_the_first_call(bench, exponent):
    bench.set_feed(ETH, bench.aggregator(8, E8), exponent=18)
    refused = bench.set_feed(ETH, bench.aggregator(8, E8), exponent=exponent)
    assert refused == "refused: feed: strike exponent is fixed"


def test_a_strike_exponent_of_zero_is_fixed_too(bench):
    bench.set_feed(ETH, bench.aggregator(8, E8), exponent=0)
    assert bench.set_feed(ETH, bench.aggregator(8, E8), exponent=1) == "refused: feed: strike exponent is fixed"


def test_a_first_feed_must_be_usable(bench):
    mock = bench.aggregator()
    assert bench.set_feed(ETH, mock) == "refused: feed: price not positive"
    bench.answer(mock, E8, age=3601)
    assert bench.set_feed(ETH, mock) == "refused: feed: stale price"
    bench.answer(mock, E8, age=3600)
    assert isinstance(bench.set_feed(ETH, mock), list)


def test_a_later_one_waits_to_be_bound(bench):
    first, second = bench.aggregator(8, E8), bench.aggregator(18, WAD + 1)
    bench.set_feed(ETH, first)
    old = bench.twin.route(ETH)
    word = at(second) << 96 | 60 << 64 | 18 << 56
    assert bench.set_feed(ETH, second, 60) == [
        (
            "RouteStaged",
            {"underlying": ETH, "old": old, "new": (word, 0, 0), "lapses": bench.chain.now + LAPSE},
        )
    ]
    assert bench.price()[0] == WAD
    assert bench.act("bind", ETH) == [
        (
            "RouteBound",
            {"underlying": ETH, "old": old, "new": (word, 0, 0), "price": WAD + 1, "against": WAD},
        )
    ]
    assert bench.price()[0] == WAD + 1
    bench.answer(second, WAD, age=61)
    assert bench.price() == "refused: feed: stale price"


def test_a_new_one_starts_without_bounds(bench, eth):
    bench.set_bounds(ETH, 10**18, 10**20)
    assert bench.price() == "refused: feed: price at its bound"
    bench.answer(eth, 99 * E8)
    bench.set_feed(ETH, eth)
    bench.act("bind", ETH)
    bench.answer(eth, 2_000 * E8)
    assert bench.price()[0] == 2_000 * 10**18


@pytest.mark.parametrize("decimals", [0, 6, 18])
def test_decimals_at_the_bounds(bench, decimals):
    bench.set_feed(ETH, bench.aggregator(decimals, 3 * 10**decimals))
    assert bench.price()[0] == 3 * 10**18


@pytest.mark.parametrize("decimals", [19, 255])
def test_decimals_over_18(bench, decimals):
    assert bench.set_feed(ETH, bench.aggregator(decimals, 1)) == "refused: feed: decimals over 18"


def test_an_aggregator_without_code(bench):
    assert bench.set_feed(ETH, ATTACKER) == "refused: feed: no code at the aggregator"


@pytest.mark.parametrize("underlying", [0, 2**16 - 1])
def test_any_underlying(bench, underlying):
    bench.set_feed(underlying, bench.aggregator(8, 10**8))
    assert bench.price(underlying)[0] == 10**18


def test_decimals_count_as_they_were_when_the_feed_was_set(bench):
    broken = deploy(bench.chain, load("MockBrokenAggregator"), sender=OWNER)
    answer = [1, 5 * 10**8, bench.chain.now, bench.chain.now, 1]
    broken.transact("set_response", b"".join(x.to_bytes(32, "big") for x in answer), sender=OWNER)
    bench.contract.transact("set_feed", ETH, broken.address, 3600, 18, sender=OWNER)
    broken.transact("set_decimals", 18, sender=OWNER)
    assert bench.contract.call("price", ETH)[0] == 5 * 10**18


def test_at_most_256_underlyings(bench):
    mock = bench.aggregator(8, E8)
    for underlying in range(256):
        bench.contract.transact("set_feed", underlying, mock.address, 3600, 18, sender=OWNER)
        bench.twin.set_feed(underlying, at(mock), 3600, 18, sender=at(OWNER), now=bench.chain.now)
    with bench.chain.isolate():
        assert bench.set_feed(256, mock) == "refused: feed: too many underlyings"
        assert isinstance(bench.set_feed(255, mock), list)

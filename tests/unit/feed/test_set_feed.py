"""IndexFeed.set_feed: every refusal, every bound, what is fixed and what may change."""

import pytest

from plimsoll.chain.artifacts import load
from plimsoll.chain.contract import deploy

from .conftest import ATTACKER, ETH, OWNER

WEEK = 7 * 86_400
ZERO = "0x" + "00" * 20


def test_the_log_names_what_was_set(bench):
    mock = bench.aggregator()
    assert bench.set_feed(ETH, mock, 3600, 17) == [
        (
            "FeedSet",
            {"underlying": ETH, "aggregator": int(mock.address, 16), "max_age": 3600, "strike_exponent": 17},
        )
    ]
    assert bench.contract.call("strike_unit", ETH) == 10**17


def test_only_the_owner(bench):
    mock = bench.aggregator()
    assert bench.set_feed(ETH, mock, sender=ATTACKER) == "refused: ownable: caller is not the owner"


def test_zero_aggregator(bench):
    assert bench.set_feed(ETH, ZERO) == "refused: feed: zero aggregator"


@pytest.mark.parametrize("max_age", [60, WEEK])
def test_ages_at_the_bounds(bench, max_age):
    assert isinstance(bench.set_feed(ETH, bench.aggregator(), max_age), list)


@pytest.mark.parametrize("max_age", [0, 59, WEEK + 1, 2**32 - 1])
def test_ages_out_of_bounds(bench, max_age):
    assert bench.set_feed(ETH, bench.aggregator(), max_age) == "refused: feed: max age out of range"


@pytest.mark.parametrize("exponent", [0, 18])
def test_strike_exponents_at_the_bounds(bench, exponent):
    bench.set_feed(ETH, bench.aggregator(), exponent=exponent)
    assert bench.contract.call("strike_unit", ETH) == 10**exponent


@pytest.mark.parametrize("exponent", [19, 255])
def test_strike_exponents_out_of_bounds(bench, exponent):
    refused = bench.set_feed(ETH, bench.aggregator(), exponent=exponent)
    assert refused == "refused: feed: strike exponent over 18"


@pytest.mark.parametrize("exponent", [0, 17])
def test_the_strike_exponent_is_fixed_by_the_first_call(bench, exponent):
    bench.set_feed(ETH, bench.aggregator(), exponent=18)
    refused = bench.set_feed(ETH, bench.aggregator(), exponent=exponent)
    assert refused == "refused: feed: strike exponent is fixed"


def test_a_strike_exponent_of_zero_is_fixed_too(bench):
    bench.set_feed(ETH, bench.aggregator(), exponent=0)
    assert bench.set_feed(ETH, bench.aggregator(), exponent=1) == "refused: feed: strike exponent is fixed"


def test_aggregator_and_age_may_change(bench):
    first, second = bench.aggregator(8, 10**8), bench.aggregator(18, 7 * 10**18)
    bench.set_feed(ETH, first)
    assert bench.price()[0] == 10**18
    bench.set_feed(ETH, second, 60)
    assert bench.price()[0] == 7 * 10**18
    bench.answer(second, 10**18, age=61)
    assert bench.price() == "refused: feed: stale price"


def test_a_new_aggregator_starts_without_bounds(bench, eth):
    bench.set_bounds(ETH, 10**18, 10**20)
    assert bench.price() == "refused: feed: price at its bound"
    bench.set_feed(ETH, eth)
    assert bench.price()[0] == 2_000 * 10**18


@pytest.mark.parametrize("decimals", [0, 6, 18])
def test_decimals_at_the_bounds(bench, decimals):
    bench.set_feed(ETH, bench.aggregator(decimals, 3 * 10**decimals))
    assert bench.price()[0] == 3 * 10**18


@pytest.mark.parametrize("decimals", [19, 255])
def test_decimals_over_18(bench, decimals):
    assert bench.set_feed(ETH, bench.aggregator(decimals)) == "refused: feed: decimals over 18"


def test_an_aggregator_without_code(bench):
    assert bench.set_feed(ETH, ATTACKER) == "refused: "


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

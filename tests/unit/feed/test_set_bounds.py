"""IndexFeed.set_bounds: a price at its bound is no price; bounds round to the strict side."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.spec.feed import pack_bound_down, pack_bound_up, unpack_bound
from plimsoll.spec.wad import MAX_PRICE

from .conftest import ATTACKER, ETH

E8 = 10**8
LOW, HIGH = 2**70, 2**72  # [wad] 1,180 and 4,722, exactly representable


def test_only_the_owner(bench, eth):
    assert bench.set_bounds(ETH, 1, 2, sender=ATTACKER) == "refused: ownable: caller is not the owner"


def test_unknown_underlying(bench):
    assert bench.set_bounds(ETH, 1, 2) == "refused: feed: unknown underlying"


@pytest.mark.parametrize(("low", "high"), [(2, 1), (1, 1), (MAX_PRICE + 1, 0), (0, MAX_PRICE + 1), (2**256 - 1, 0)])
def test_out_of_range(bench, eth, low, high):
    assert bench.set_bounds(ETH, low, high) == "refused: feed: bounds out of range"


def test_the_log_says_what_was_stored(bench, eth):
    low, high = unpack_bound(pack_bound_up(10**18 + 1)), unpack_bound(pack_bound_down(10**20 + 1))
    logged = bench.set_bounds(ETH, 10**18 + 1, 10**20 + 1)
    new = {"underlying": ETH, "leg": 0, "old_low": 0, "old_high": 0, "low": low, "high": high}
    assert logged == [("BoundsSet", new)]
    assert bench.set_bounds(ETH, 0, 0) == [
        ("BoundsSet", {**new, "old_low": low, "old_high": high, "low": 0, "high": 0})
    ]


@pytest.mark.parametrize("answer", [1_000 * E8, 5_000 * E8])
def test_beyond_a_bound(bench, eth, answer):
    bench.set_bounds(ETH, LOW, HIGH)
    bench.answer(eth, answer)
    assert bench.price() == "refused: feed: price at its bound"


def test_exactly_at_a_bound(bench):
    fine = bench.aggregator(18, 1)
    bench.set_feed(ETH, fine)
    bench.set_bounds(ETH, LOW, HIGH)
    for price, usable in ((LOW, False), (LOW + 1, True), (HIGH - 1, True), (HIGH, False)):
        bench.answer(fine, price)
        assert isinstance(bench.price(), tuple) == usable


def test_one_bound_alone(bench, eth):
    bench.set_bounds(ETH, LOW, 0)
    assert isinstance(bench.price(), tuple)
    bench.set_bounds(ETH, 0, HIGH)
    assert isinstance(bench.price(), tuple)
    bench.set_bounds(ETH, 0, LOW)
    assert bench.price() == "refused: feed: price at its bound"


def test_bounds_leave_the_rest_of_the_word(bench, eth):
    before = bench.contract.call("route", ETH)
    bench.set_bounds(ETH, LOW, HIGH)
    bench.set_bounds(ETH, 0, 0)
    assert bench.contract.call("route", ETH) == before


def test_bounds_that_no_price_meets_switch_an_underlying_off(bench, eth):
    bench.set_bounds(ETH, MAX_PRICE, 0)
    bench.answer(eth, 10**17)
    assert bench.price() == "refused: feed: price at its bound"


@given(st.one_of(st.integers(0, MAX_PRICE), st.integers(0, 90).map(lambda n: min(2**n + 1, MAX_PRICE))))
def test_packed_bounds_are_as_close_as_16_bits_allow(bound):
    low, high = pack_bound_up(bound), pack_bound_down(bound)
    assert max(low, high) < 2**24
    assert unpack_bound(high) <= bound <= unpack_bound(low)
    assert (unpack_bound(low) - unpack_bound(high)) * 2**15 <= bound

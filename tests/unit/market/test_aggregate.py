import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.market.aggregate import REPLAY_MINIMUM, AggregationRules, Quote, aggregate
from plimsoll.market.errors import AggregationError, DuplicateSourceError, SourcesDisagreeError, TooFewSourcesError

NOW = 1_000_000


def quotes(*prices, time=NOW):
    return [Quote(f"s{i}", price, time) for i, price in enumerate(prices)]


def test_median():
    found = aggregate(quotes(100, 101, 99), NOW)
    assert found.price == 100
    assert found.dispersion == 0.01
    assert found.used == ("s0", "s1", "s2")
    assert found.dropped == ()


def test_a_source_a_thousand_times_off_changes_nothing():
    found = aggregate(quotes(100, 100.1, 99.9, 0.1), NOW)
    assert found.price == 100
    assert [name for name, _ in found.dropped] == ["s3"]


def test_one_venue_thirty_per_cent_high_is_cut():
    assert aggregate(quotes(1.0, 1.001, 0.999, 1.30), NOW).used == ("s0", "s1", "s2")


def test_stale_and_future_quotes_are_dropped():
    mixed = [*quotes(100, 100, 100), Quote("old", 90, NOW - 61), Quote("ahead", 110, NOW + 3)]
    found = aggregate(mixed, NOW)
    assert dict(found.dropped) == {"old": "61 s old", "ahead": "3 s in the future"}
    assert aggregate([*quotes(100, 100), Quote("edge", 100, NOW - 60)], NOW).time == NOW - 60


@pytest.mark.parametrize("price", [float("nan"), float("inf"), 0.0, -1.0])
def test_a_price_that_is_none_is_dropped(price):
    found = aggregate([*quotes(100, 100, 100), Quote("bad", price, NOW)], NOW)
    assert [name for name, _ in found.dropped] == ["bad"]


def test_too_few():
    with pytest.raises(TooFewSourcesError, match="2 of 2 sources left, 3 needed"):
        aggregate(quotes(100, 100), NOW)
    with pytest.raises(TooFewSourcesError, match="old: 99 s old"):
        aggregate([*quotes(1, 1), Quote("old", 1, NOW - 99)], NOW)
    with pytest.raises(TooFewSourcesError, match="0 of 0"):
        aggregate([], NOW)


def test_a_recording_is_one_source():
    rules = AggregationRules(minimum=REPLAY_MINIMUM)
    assert aggregate(quotes(100), NOW, rules).price == 100


def test_no_mean_of_two_that_disagree():
    rules = AggregationRules(minimum=REPLAY_MINIMUM)
    with pytest.raises(SourcesDisagreeError):
        aggregate(quotes(100, 100_000), NOW, rules)


def test_two_votes_for_one_source():
    with pytest.raises(DuplicateSourceError, match="a"):
        aggregate([Quote("a", 1, NOW), Quote("a", 1, NOW), Quote("b", 1, NOW)], NOW)


@pytest.mark.parametrize("bad", [{"minimum": 0}, {"max_age": -1}, {"cut": 0}, {"max_dispersion": float("nan")}])
def test_rules_out_of_range(bad):
    with pytest.raises(AggregationError):
        AggregationRules(**bad)


@given(st.lists(st.floats(99, 101), min_size=3, max_size=9), st.floats(0.0001, 1e9), st.randoms(use_true_random=False))
def test_a_minority_cannot_move_the_price_past_the_honest(honest, lie, rng: random.Random):
    liars = [Quote(f"liar{i}", lie, NOW) for i in range((len(honest) - 1) // 2)]
    mixed = [*quotes(*honest), *liars]
    rng.shuffle(mixed)
    found = aggregate(mixed, NOW, AggregationRules(max_dispersion=1e12))
    assert min(honest) <= found.price <= max(honest)


@given(st.lists(st.floats(50, 200), min_size=3, max_size=7), st.randoms(use_true_random=False))
def test_order_does_not_matter(prices, rng):
    rules = AggregationRules(minimum=1, max_dispersion=10)
    mixed = quotes(*prices)
    first = aggregate(mixed, NOW, rules)
    rng.shuffle(mixed)
    assert aggregate(mixed, NOW, rules) == first

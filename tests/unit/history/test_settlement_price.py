"""modules/settlement_price.vy: filling, and the middle half that few wrong prices cannot move."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.spec.history import BUCKETS, TAIL, filled, middle_half
from plimsoll.spec.wad import MAX_PRICE, WAD

prices = st.one_of(st.integers(1, MAX_PRICE), st.integers(1, 4), st.integers(1, 10**6).map(lambda n: n * WAD))
seen = st.lists(st.one_of(st.just(0), prices), min_size=BUCKETS, max_size=BUCKETS)
all_seen = st.lists(prices, min_size=BUCKETS, max_size=BUCKETS)


@given(seen)
def test_contract_and_twin_fill_alike(opened, found):
    assert opened.call("count", found) == sum(map(bool, found))
    assert opened.call("filled", found) == filled(found)


@given(seen)
def test_every_bucket_is_filled_by_what_was_seen_last(found):
    made = filled(found)
    assert len(made) == BUCKETS
    first = next((k for k, price in enumerate(found) if price), None)
    for k, price in enumerate(made):
        if first is None:
            assert price == 0
        elif k < first:
            assert price == found[first]
        else:
            assert price == next(found[j] for j in range(k, -1, -1) if found[j])


@given(all_seen)
def test_contract_and_twin_take_the_same_mean(opened, found):
    assert opened.call("middle_half", found) == middle_half(found)


@pytest.mark.parametrize("order", [1, -1])
def test_sorted_either_way(opened, order):
    assert opened.call("middle_half", list(range(1, BUCKETS + 1))[::order]) == 15  # 15.5, down


def test_the_sum_of_the_largest_fits(opened):
    assert opened.call("middle_half", [MAX_PRICE] * BUCKETS) == MAX_PRICE


@given(all_seen, st.permutations(range(BUCKETS)))
def test_the_order_does_not_matter(found, order):
    assert middle_half([found[k] for k in order]) == middle_half(found)


@given(st.data(), all_seen.map(lambda found: [min(price, MAX_PRICE // 1_000) for price in found]))
def test_seven_wrong_prices_stay_inside_the_range_of_the_honest(opened, data, honest):
    wrong = data.draw(st.sets(st.integers(0, BUCKETS - 1), min_size=1, max_size=TAIL))
    factor = data.draw(st.sampled_from((1_000, 0)))
    found = [(max(1, price * factor) if k in wrong else price) for k, price in enumerate(honest)]
    right = [price for k, price in enumerate(honest) if k not in wrong]
    price = opened.call("middle_half", found)
    assert price == middle_half(found)
    assert min(right) <= price <= max(right)


def test_eight_do_not():
    assert middle_half([WAD] * 22 + [1_000 * WAD] * 8) > WAD
    assert middle_half([WAD] * 22 + [1] * 8) < WAD


@given(all_seen)
def test_between_its_extremes(found):
    assert min(found) <= middle_half(found) <= max(found)

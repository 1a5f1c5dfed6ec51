"""One to seven buckets at a thousand times the price do not move a settlement beyond the honest prices."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.spec.history import BUCKETS, TAIL
from plimsoll.spec.wad import WAD

from .conftest import ETH, EXPIRY

cents = st.integers(199_000, 201_000).map(lambda n: n * WAD // 100)


def settle(bench, prices):
    bench.fill(prices)
    bench.until(EXPIRY)
    [(_, event)] = bench.step("propose", ETH, EXPIRY)
    bench.until(event["ready_at"])
    return bench.ask("settled", ETH, EXPIRY)


@pytest.mark.parametrize("count", range(TAIL + 1))
@pytest.mark.parametrize("first", [0, 11, BUCKETS - TAIL])
def test_all_minutes_observed(bench, count, first):
    honest = {k: (2_000 + k % 5) * WAD for k in range(BUCKETS)}
    wrong = {k: 1_000 * honest[k] for k in range(first, first + count)}
    right = [price for k, price in honest.items() if k not in wrong]
    assert min(right) <= settle(bench, honest | wrong) <= max(right)


@given(st.data())
def test_drawn(session_bench, data):
    honest = dict(enumerate(data.draw(st.lists(cents, min_size=BUCKETS, max_size=BUCKETS))))
    wrong = data.draw(st.sets(st.integers(0, BUCKETS - 1), min_size=1, max_size=TAIL))
    right = [price for k, price in honest.items() if k not in wrong]
    with session_bench.isolated() as bench:
        found = settle(bench, {k: 1_000 * price if k in wrong else price for k, price in honest.items()})
    assert min(right) <= found <= max(right)


def test_a_wrong_price_counts_until_the_next_follows_it_up(bench):
    # observed every other minute: each of the three wrong ones fills a minute more, six in all
    honest = dict.fromkeys(range(0, BUCKETS, 2), 2000 * WAD)
    assert settle(bench, honest | dict.fromkeys((2, 10, 20), 2000000 * WAD)) == 2_000 * WAD


def test_known_a_wrong_price_that_nobody_follows_up_counts_for_as_long(bench):
    honest = dict.fromkeys(range(9), 2000 * WAD)
    assert settle(bench, honest | {9: 2_000_000 * WAD}) > 1_000_000 * WAD

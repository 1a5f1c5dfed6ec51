"""History.observe: the first live index of each of the thirty minutes before an expiry."""

import pytest

from plimsoll.spec.history import BUCKETS
from plimsoll.spec.instruments import WINDOW
from plimsoll.spec.wad import MAX_PRICE, WAD

from .conftest import BTC, DEAD, DELAY, ETH, EXPIRY, SOL, UNKNOWN

OUTSIDE = "refused: history: not in the window"
FILLED = "refused: history: bucket is filled"


def observed(bucket, price=2_000 * WAD, underlying=ETH, expiry=EXPIRY):
    return [("Observed", {"underlying": underlying, "expiry": expiry, "bucket": bucket, "price": price})]


@pytest.mark.parametrize(
    ("before", "bucket"),
    [
        (WINDOW, 0),
        (WINDOW - 1, 0),
        (WINDOW - 59, 0),
        (WINDOW - 60, 1),
        (WINDOW - 119, 1),
        (61, 28),
        (60, 29),
        (1, 29),
    ],
)
def test_which_bucket(bench, before, bucket):
    bench.until(EXPIRY - before)
    assert bench.step("observe", ETH, EXPIRY) == observed(bucket)
    assert bench.ask("buckets", ETH, EXPIRY) == tuple(2_000 * WAD * (k == bucket) for k in range(BUCKETS))


@pytest.mark.parametrize("time", [EXPIRY - WINDOW - 1, EXPIRY, EXPIRY + 1])
def test_outside_the_window(bench, time):
    bench.until(time)
    assert bench.step("observe", ETH, EXPIRY) == OUTSIDE


@pytest.mark.parametrize("expiry", [0, 1, WINDOW - 1, WINDOW, 2**40 - 1])
def test_expiries_far_away(bench, expiry):
    assert bench.step("observe", ETH, expiry) == OUTSIDE


def test_every_bucket(bench):
    prices = {k: (k + 1) * WAD for k in range(BUCKETS)}
    bench.fill(prices)
    assert bench.ask("buckets", ETH, EXPIRY) == tuple(prices.values())


def test_the_first_of_a_bucket_stays(bench):
    bench.to_bucket(7)
    bench.step("observe", ETH, EXPIRY)
    for second in (0, 1, 59):
        bench.to_bucket(7, second=second)
        bench.price(ETH, 9_000 * WAD)
        assert bench.step("observe", ETH, EXPIRY) == FILLED
    bench.to_bucket(8)
    assert bench.step("observe", ETH, EXPIRY) == observed(8, 9_000 * WAD)
    assert bench.ask("buckets", ETH, EXPIRY)[7] == 2_000 * WAD


@pytest.mark.parametrize("price", [1, MAX_PRICE])
def test_extreme_prices_keep_to_their_bucket(bench, price):
    bench.fill({4: price, 5: MAX_PRICE, 6: price, 29: price})
    found = bench.ask("buckets", ETH, EXPIRY)
    assert {k: p for k, p in enumerate(found) if p} == {4: price, 5: MAX_PRICE, 6: price, 29: price}


def test_underlyings_and_expiries_are_apart(bench):
    bench.price(BTC, 3_000 * WAD)
    bench.to_bucket(3)
    assert bench.step("observe", ETH, EXPIRY) == observed(3)
    assert bench.step("observe", BTC, EXPIRY) == observed(3, 3_000 * WAD, BTC)
    assert bench.step("observe", ETH, EXPIRY + 60) == observed(2, expiry=EXPIRY + 60)
    assert bench.step("observe", ETH, EXPIRY + 1) == observed(2, expiry=EXPIRY + 1)
    assert bench.ask("buckets", SOL, EXPIRY) == (0,) * BUCKETS


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed(bench, way):
    bench.to_bucket(3)
    reason = bench.kill(ETH, way)
    assert bench.step("observe", ETH, EXPIRY) == reason
    assert bench.ask("buckets", ETH, EXPIRY) == (0,) * BUCKETS
    if way != "bounded":
        bench.price(ETH, WAD)
        assert bench.step("observe", ETH, EXPIRY) == observed(3, WAD)
        reason = bench.kill(ETH, way)
        assert bench.step("observe", ETH, EXPIRY) == FILLED
        assert bench.step("observe", ETH, EXPIRY + 60) == reason


def test_an_unknown_underlying(bench):
    bench.to_bucket(3)
    assert bench.step("observe", UNKNOWN, EXPIRY) == "refused: feed: unknown underlying"


def test_nothing_is_observed_after_the_price_is_made(bench):
    bench.fill_all()
    bench.until(EXPIRY)
    bench.step("propose", ETH, EXPIRY)
    assert bench.step("observe", ETH, EXPIRY) == OUTSIDE
    bench.later(DELAY)
    assert bench.step("observe", ETH, EXPIRY) == OUTSIDE

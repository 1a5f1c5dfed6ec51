"""History.touch: the live index is remembered, once a lag."""

import pytest

from plimsoll.spec.wad import MAX_PRICE, WAD

from .conftest import BTC, DAY, DEAD, ETH, LAG, START, UNKNOWN


def touched(underlying, price):
    return [("Touched", {"underlying": underlying, "price": price})]


def test_the_first_is_remembered(bench):
    assert bench.step("touch", ETH) == touched(ETH, 2_000 * WAD)
    assert bench.ask("checkpoints", ETH) == (2_000 * WAD, START, 0, 0)


def test_of_each_underlying_by_itself(bench):
    bench.step("touch", ETH)
    bench.later(1)
    assert bench.step("touch", BTC) == touched(BTC, 2_000 * WAD)
    assert bench.ask("checkpoints", ETH)[1] == START
    assert bench.ask("checkpoints", BTC)[1] == START + 1


@pytest.mark.parametrize("seconds", [0, 1, LAG - 1])
def test_within_a_lag_nothing_happens(bench, seconds):
    bench.step("touch", ETH)
    bench.later(seconds)
    bench.price(ETH, 3_000 * WAD)
    assert bench.step("touch", ETH) == []
    assert bench.ask("checkpoints", ETH) == (2_000 * WAD, START, 0, 0)


@pytest.mark.parametrize("seconds", [LAG, LAG + 1, DAY])
def test_after_a_lag_the_newer_becomes_the_older(bench, seconds):
    bench.step("touch", ETH)
    bench.later(seconds)
    bench.price(ETH, 3_000 * WAD)
    assert bench.step("touch", ETH) == touched(ETH, 3_000 * WAD)
    assert bench.ask("checkpoints", ETH) == (3_000 * WAD, START + seconds, 2_000 * WAD, START)
    assert bench.step("touch", ETH) == []


def test_the_oldest_is_forgotten(bench):
    for price in (1, 2, 3):
        bench.price(ETH, price)
        bench.step("touch", ETH)
        bench.later(LAG)
    assert bench.ask("checkpoints", ETH) == (3, START + 2 * LAG, 2, START + LAG)


def test_the_time_is_that_of_the_touch(bench):
    bench.price(ETH, WAD, START - DAY)
    bench.step("touch", ETH)
    assert bench.ask("checkpoints", ETH) == (WAD, START, 0, 0)


@pytest.mark.parametrize("price", [1, MAX_PRICE])
def test_extreme_prices_fit(bench, price):
    bench.price(ETH, price)
    for _ in range(2):
        bench.step("touch", ETH)
        bench.later(LAG)
    assert bench.ask("checkpoints", ETH) == (price, START + LAG, price, START)


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed(bench, way):
    assert bench.step("touch", ETH) != []
    bench.later(LAG)
    reason = bench.kill(ETH, way)
    assert bench.step("touch", ETH) == reason
    assert bench.ask("checkpoints", ETH) == (2_000 * WAD, START, 0, 0)


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed_is_not_asked_where_nothing_is_remembered(bench, way):
    bench.step("touch", ETH)
    bench.kill(ETH, way)
    assert bench.step("touch", ETH) == []


def test_an_unknown_underlying(bench):
    assert bench.step("touch", UNKNOWN) == "refused: feed: unknown underlying"


def test_without_a_lag_nothing_is_remembered_or_asked(bench):
    bench.begin(0)
    assert bench.step("touch", ETH) == []
    assert bench.step("touch", UNKNOWN) == []
    assert bench.ask("checkpoints", ETH) == (0, 0, 0, 0)

"""History.lagged: the newest remembered index that is at least a lag old."""

import pytest

from plimsoll.spec.wad import WAD

from .conftest import BTC, DAY, DEAD, ETH, LAG, START, UNKNOWN

NONE = "refused: history: no price of so long ago"


def test_without_a_lag_it_is_live(bench):
    bench.begin(0)
    assert bench.ask("lagged", ETH) == 2_000 * WAD
    bench.price(ETH, 1_000 * WAD)
    assert bench.ask("lagged", ETH) == 1_000 * WAD


@pytest.mark.parametrize("way", DEAD)
def test_without_a_lag_a_dead_feed_refuses(bench, way):
    bench.begin(0)
    reason = bench.kill(ETH, way)
    assert bench.ask("lagged", ETH) == reason


@pytest.mark.parametrize("lag", [0, LAG])
def test_an_unknown_underlying(bench, lag):
    bench.begin(lag)
    assert bench.ask("lagged", UNKNOWN) == (NONE if lag else "refused: feed: unknown underlying")


def test_never_touched(bench):
    assert bench.ask("lagged", ETH) == NONE


@pytest.mark.parametrize(
    ("seconds", "found"), [(0, NONE), (LAG - 1, NONE), (LAG, 2_000 * WAD), (LAG + 1, 2_000 * WAD), (DAY, 2_000 * WAD)]
)
def test_touched_once(bench, seconds, found):
    bench.step("touch", ETH)
    bench.price(ETH, 3_000 * WAD)
    bench.later(seconds)
    assert bench.ask("lagged", ETH) == found
    assert bench.ask("lagged", BTC) == NONE


@pytest.mark.parametrize(("seconds", "found"), [(0, 1), (LAG - 1, 1), (LAG, 2), (DAY, 2)])
def test_touched_twice(bench, seconds, found):
    bench.price(ETH, WAD)
    bench.step("touch", ETH)
    bench.later(LAG)
    bench.price(ETH, 2 * WAD)
    bench.step("touch", ETH)
    bench.price(ETH, 3 * WAD)
    bench.later(seconds)
    assert bench.ask("lagged", ETH) == found * WAD


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed_does_not_matter(bench, way):
    bench.step("touch", ETH)
    bench.later(LAG)
    bench.kill(ETH, way)
    assert bench.ask("lagged", ETH) == 2_000 * WAD


def test_touched_each_minute_it_is_between_one_and_two_lags_old(bench):
    for minute in range(60):
        bench.price(ETH, (1 + minute) * WAD)
        bench.step("touch", ETH)
        if minute * 60 >= LAG:
            age = minute + 1 - bench.ask("lagged", ETH) // WAD
            assert LAG <= 60 * age < 2 * LAG
        bench.later(60)
    assert bench.now == START + 3_600

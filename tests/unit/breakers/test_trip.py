"""Breakers.trip: what is met, and while less than half of such a stop is left; and `due`, which says so beforehand."""

from dataclasses import replace

import pytest

from plimsoll.spec.breakers import DRAWDOWN, MOVE, OUTFLOW, VOLATILITY, Limits
from plimsoll.spec.registry import LEAVE, RISK
from tests.pairs import address_of
from tests.regression.scene import LAG, wait
from tests.unit.clearinghouse.stage import (
    ATTACKER,
    BTC,
    DAY,
    DEAD,
    ETH,
    MAKER,
    OWNER,
    SOL,
    TRADER,
    USD,
    WAD,
    make_scalars,
)

NOTHING = "breakers: nothing to stop"
HOUR = 3_600
ALL = (BTC, ETH, SOL)


def due(stage):
    found = stage.ask("breakers", "due", ALL)
    assert found == stage.pair.twin.breakers.due(ALL, stage.pair.now)
    return set(found)


def trip(stage, kind, underlying=0):
    """It is due, anybody trips it, and it is due no more."""
    assert (kind, underlying) in due(stage)
    stage.pair.must("breakers", "trip", kind, underlying, sender=ATTACKER)
    assert (kind, underlying) not in due(stage)


def refuses(stage, kind, underlying=0):
    assert (kind, underlying) not in due(stage)
    stage.refuses(NOTHING, "breakers", "trip", kind, underlying)


def test_nothing_is_met(late):
    assert due(late) == set()
    for kind in (MOVE, VOLATILITY, DRAWDOWN, OUTFLOW, 4, 255):
        refuses(late, kind)
        refuses(late, kind, ETH)


@pytest.mark.parametrize(
    ("price", "met"), [(2_300, False), (2_300.0019, False), (2_300.002, True), (1_700, False), (1_699, True)]
)
def test_an_index_that_moves_further_than_the_limit(late, price, met):
    late.pair.price(ETH, round(price * 10**6) * 10**12)
    if not met:
        refuses(late, MOVE, ETH)
        return
    trip(late, MOVE, ETH)
    assert late.pair.twin.registry.underlying_stop(ETH) == late.pair.now + HOUR
    assert not late.pair.twin.registry.stopped(7, late.pair.now)
    refuses(late, MOVE, BTC)


def test_a_move_is_against_the_price_of_a_lag_ago(late):
    late.pair.price(ETH, 2_400 * WAD)
    wait(late)
    wait(late)
    refuses(late, MOVE, ETH)
    late.pair.price(ETH, 2_000 * WAD)
    trip(late, MOVE, ETH)


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_index_is_no_move(late, way):
    late.kill_feed(ETH, way)
    refuses(late, MOVE, ETH)


def test_without_a_history_there_is_no_move(stage):
    stage.pair.price(ETH, 20_000 * WAD)
    refuses(stage, MOVE, ETH)
    refuses(stage, MOVE, 77)


@pytest.mark.parametrize(("volatility", "met"), [(3_000_000, False), (3_000_001, True)])
def test_a_posted_volatility_over_the_limit(late, volatility, met):
    late.scalars[ETH] = make_scalars(ETH, volatility=volatility)
    late.post()
    if not met:
        refuses(late, VOLATILITY, ETH)
        return
    trip(late, VOLATILITY, ETH)
    assert late.pair.twin.registry.underlying_stop(ETH) == late.pair.now + HOUR
    refuses(late, VOLATILITY, BTC)


def _leave(stage, dollars):
    """Somebody leaves the fund: from outside, cover falls likewise."""
    who = address_of("other")
    fund = stage.pair.twin.fund
    shares = fund.balanceOf(who) * dollars // 1_000
    stage.pair.must("fund", "request", shares, sender=who)
    stage.later(fund.cooldown)
    stage.post()
    stage.pair.must("breakers", "note")
    stage.pair.must("fund", "redeem", shares, who, who, sender=who)


@pytest.mark.parametrize(("dollars", "met"), [(299, False), (301, True)])
def test_a_fund_that_lost_more_than_the_limit(late, dollars, met):
    _leave(late, dollars)
    if not met:
        refuses(late, DRAWDOWN)
        return
    trip(late, DRAWDOWN)
    assert late.pair.twin.registry.stopped(RISK, late.pair.now)
    assert not late.pair.twin.registry.stopped(7 - RISK, late.pair.now)
    # two windows later the mark is forgotten
    late.later(2 * DAY)
    refuses(late, DRAWDOWN)


def test_the_mark_is_kept_through_the_next_window(late):
    _leave(late, 900)
    late.later(DAY)
    trip(late, DRAWDOWN)
    late.pair.must("breakers", "note")
    late.later(DAY)
    refuses(late, DRAWDOWN)


def test_the_mark_of_the_window_before_stays_when_less_is_noted(late):
    _leave(late, 900)
    late.later(DAY)
    late.pair.must("breakers", "note")
    assert late.last("breakers") == ("CoverNoted", {"cover": 99 * WAD, "peak": 999 * WAD})
    assert late.ask("breakers", "peak") == 999 * WAD
    trip(late, DRAWDOWN)
    late.later(DAY)
    assert late.ask("breakers", "peak") == 99 * WAD


def test_each_stops_for_as_long_as_it_says(late):
    pair = late.pair
    pair.must("breakers", "set_config", replace(Limits(), leave_duration=2 * HOUR), sender=OWNER)
    _use(late, 95)
    trip(late, OUTFLOW)
    assert late.last("breakers")[1]["until"] == pair.now + 2 * HOUR
    pair.price(ETH, 3_000 * WAD)
    trip(late, MOVE, ETH)
    assert late.last("breakers")[1]["until"] == pair.now + HOUR


def test_a_price_counts_from_the_second_that_it_is_a_lag_old(late):
    pair = late.pair
    pair.advance(LAG)  # a price is remembered once a lag
    pair.price(ETH, 2_400 * WAD)
    pair.must("history", "touch", ETH)
    pair.advance(LAG - 1)
    pair.price(ETH, 2_000 * WAD)
    refuses(late, MOVE, ETH)  # against 2,000, of before
    pair.advance(1)
    pair.price(ETH, 2_000 * WAD)
    trip(late, MOVE, ETH)


def _use(late, used):
    """A trader withdraws so much of a gain; the cap is 100."""
    pair = late.pair
    late.limit(outflow_cap=100 * WAD, outflow_window=100 * HOUR)
    refuses(late, OUTFLOW)
    late.fund("maker", 1_000)
    late.fund("trader", 500)
    late.trade(TRADER, MAKER, late.perp, WAD, 2_000 * WAD)
    late.pair.price(ETH, 2_100 * WAD)
    wait(late)
    wait(late)
    for who in (MAKER, TRADER):
        pair.must("book", "settle", who)
    late.trade(MAKER, TRADER, late.perp, WAD, 2_100 * WAD)
    for who in (MAKER, TRADER):
        pair.must("book", "settle", who)
    trader = address_of("trader")
    pair.must("book", "withdraw", TRADER, late.usd, (500 + used) * USD, trader, sender=trader)


@pytest.mark.parametrize(("used", "met"), [(90, False), (91, True), (100, True)])
def test_an_outflow_that_uses_the_cap_up(late, used, met):
    pair = late.pair
    _use(late, used)
    if not met:
        refuses(late, OUTFLOW)
        return
    trip(late, OUTFLOW)
    assert pair.twin.registry.stopped(LEAVE, pair.now)
    assert not pair.twin.registry.stopped(7 - LEAVE, pair.now)
    # it drains, a hundredth an hour
    late.later(12 * HOUR)
    refuses(late, OUTFLOW)


def test_without_a_cap_nothing_is_used_up(late):
    late.pair.price(ETH, 2_100 * WAD)
    refuses(late, OUTFLOW)


def test_it_trips_again_only_while_the_condition_holds_and_half_is_gone(late):
    """What was found once locks nobody in for longer."""
    pair = late.pair
    pair.price(ETH, 2_400 * WAD)
    trip(late, MOVE, ETH)
    first = pair.twin.registry.underlying_stop(ETH)
    pair.advance(HOUR // 2)
    pair.price(ETH, 2_400 * WAD)
    refuses(late, MOVE, ETH)
    pair.advance(1)
    pair.price(ETH, 2_400 * WAD)
    trip(late, MOVE, ETH)
    assert pair.twin.registry.underlying_stop(ETH) == first + HOUR // 2 + 1
    pair.price(ETH, 2_300 * WAD)
    pair.advance(HOUR // 2 + 1)
    pair.price(ETH, 2_300 * WAD)
    refuses(late, MOVE, ETH)


def test_a_longer_stop_stays(late):
    pair = late.pair
    until = pair.now + 10 * DAY
    pair.must("registry", "stop_underlying", ETH, until, sender=OWNER)
    pair.price(ETH, 2_400 * WAD)
    refuses(late, MOVE, ETH)
    assert pair.twin.registry.underlying_stop(ETH) == until


def test_a_breaker_that_nobody_named_stops_nothing(late):
    late.pair.must("registry", "set_breakers", 0, sender=OWNER)
    late.pair.price(ETH, 2_400 * WAD)
    late.refuses("ownable: caller is not the owner", "breakers", "trip", MOVE, ETH)

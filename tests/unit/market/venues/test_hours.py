"""Rounds become hours, hours become bars; gaps are filled by what venues agree on, and a restart changes nothing."""

import random

import numpy as np
import pytest

from plimsoll.market.bars import Bars
from plimsoll.market.venues.answers import Candle, Candles, Round
from plimsoll.market.venues.hours import Hour, Tape, candles_of, joined

from .conftest import HOUR, START, answer, round_of, rules_of

RULES = rules_of(3)


def walk(seconds, every=30, start=START, seed=1):
    """Times and prices of rounds."""
    draw = random.Random(seed)
    price, found = 100.0, []
    for time in range(start, start + seconds, every):
        price *= 1 + draw.gauss(0, 1e-4)
        found.append((time, price))
    return found


def fed(prices, tape=None):
    tape = tape or Tape(1, RULES)
    for time, price in prices:
        tape.feed(round_of([price] * 3, time))
    return tape


def test_an_hour_is_open_high_low_and_close_of_its_rounds():
    prices = walk(2 * HOUR)
    bars = fed(prices).bars(START, now=START + 2 * HOUR)
    assert bars.time.tolist() == [START, START + HOUR]
    for k in range(2):
        seen = [price for time, price in prices if time // HOUR == START // HOUR + k]
        assert (bars.open[k], bars.high[k], bars.low[k], bars.close[k]) == (seen[0], max(seen), min(seen), seen[-1])


def test_an_hour_is_no_bar_before_it_closed():
    tape = fed(walk(HOUR + 1_800))
    assert len(tape.bars(START, now=START + HOUR)) == 1
    assert tape.bars(START, now=START + HOUR - 1) is None


@pytest.mark.parametrize("cut", [1, 37, 119, 120, 121, 200])
def test_a_restart_anywhere_gives_the_same_hours_to_the_byte(cut):
    prices = walk(3 * HOUR)
    whole = fed(prices)
    first = fed(prices[:cut])
    assert fed(prices[cut:], Tape(1, RULES, first.hours.values())).content == whole.content


def test_rounds_without_a_price_are_a_hole():
    tape = Tape(1, RULES)
    for time, price in walk(HOUR):
        good = not START + 600 <= time < START + 1_200
        tape.feed(round_of([price] * (3 if good else 2), time))
    assert not tape.hours[START].whole(RULES.slack)
    assert tape.missing(START, START + HOUR) == START
    assert tape.bars(START, now=START + HOUR) is not None  # its close was seen


@pytest.mark.parametrize(
    ("seconds", "whole", "bar"),
    [
        ((0, HOUR), True, True),
        ((300, HOUR), False, True),
        ((0, HOUR - 300), False, False),
        ((100, HOUR - 100), True, True),
    ],
)
def test_an_hour_is_whole_where_it_was_seen_from_open_to_close(seconds, whole, bar):
    tape = fed([(t, p) for t, p in walk(HOUR, 10) if seconds[0] <= t - START < seconds[1]])
    assert (tape.missing(START, START + HOUR) is None) == whole
    assert (tape.bars(START, now=START + HOUR) is not None) == bar


def candle(time, close, high=None, low=None):
    return Candle(time, 100.0, high or max(100.0, close) + 1, low or min(100.0, close) - 1, close)


def filling(closes, time=START + 2 * HOUR, start=START):
    """A round that brings hours of s0, s1, ... closing at these."""
    parts = [
        Candles(f"s{k}", time, (candle(start, close), candle(start + HOUR, close + 1)))
        for k, close in enumerate(closes)
    ]
    return Round.of(1, time, [], (), start, parts)


def test_hours_that_nobody_saw_are_filled_by_the_median_of_venues():
    tape = Tape(1, RULES)
    tape.feed(filling([101.0, 101.2, 101.1]))
    bars = tape.bars(START, now=START + 2 * HOUR)
    assert bars.close.tolist() == [101.1, 102.1]
    assert tape.missing(START, START + 2 * HOUR) is None


def test_a_venue_whose_hours_lie_is_not_in_them():
    tape = Tape(1, RULES)
    tape.feed(filling([101.0, 101.2, 101.1, 1_010.0, 101.3]))
    found = tape.hours[START]
    assert found.close == pytest.approx(101.15)
    assert found.high < 110


@pytest.mark.parametrize("closes", [[101.0], [101.0, 101.1], [101.0, 101.1, 1_010.0]])
def test_too_few_venues_fill_nothing(closes):
    tape = Tape(1, RULES)
    tape.feed(filling(closes))
    assert tape.hours == {}
    assert tape.missing(START, START + 2 * HOUR) == START


def test_an_hour_that_was_seen_whole_is_not_overwritten():
    tape = fed(walk(HOUR))
    before = tape.hours[START]
    tape.feed(filling([500.0, 500.0, 500.0]))
    assert tape.hours[START] == before
    assert tape.hours[START + HOUR].filled


def test_where_venues_hours_are_preferred_two_who_saw_other_prices_hold_the_same_bars():
    rules = rules_of(3, hours="venues")
    tapes = [fed(walk(2 * HOUR, every, seed=every), Tape(1, rules)) for every in (30, 37)]
    now = START + 2 * HOUR
    seen = [tape.bars(START, now=now).close.tolist() for tape in tapes]
    assert seen[0] != seen[1]
    for tape in tapes:
        assert tape.missing(START, now) == START
        tape.feed(filling([101.0, 101.2, 101.1], now + 40))
        assert tape.missing(START, now) is None
    bars = [tape.bars(START, now=now) for tape in tapes]
    for name in ("open", "high", "low", "close"):
        assert getattr(bars[0], name).tolist() == getattr(bars[1], name).tolist()


def test_a_partial_hour_is_filled_and_keeps_its_depth_and_mark():
    rules = rules_of(3, perps=1)
    tape = Tape(1, rules)
    now = START + 3_000
    answers = [answer(f"s{k}", 100.0, now, depth=5.0) for k in range(3)]
    tape.feed(Round.of(1, now, [*answers, answer("p0", 100.2, now, "perp")]))
    tape.feed(filling([101.0, 101.2, 101.1]))
    hour = tape.hours[START]
    assert (hour.close, hour.depth, hour.mark, hour.index) == (101.1, 5.0, 100.2, 100.0)


def test_hours_before_what_is_wanted_and_the_running_one_are_not_filled():
    tape = Tape(1, RULES)
    found = filling([101.0, 101.2, 101.1], time=START + 2 * HOUR - 1)
    tape.feed(Round.of(1, found.time, [], (), START + HOUR, found.candles))
    assert tape.hours == {}


def test_depths_and_marks_stand_at_the_close_of_their_hour():
    rules = rules_of(3, perps=1)
    tape = Tape(1, rules)
    for time, depth, mark in ((START + 10, 5.0, 100.1), (START + 20, 6.0, 100.2), (START + HOUR + 10, 7.0, None)):
        answers = [answer(f"s{k}", 100.0, time, depth=depth) for k in range(3)]
        perps = [] if mark is None else [answer("p0", mark, time, "perp")]
        tape.feed(Round.of(1, time, [*answers, *perps]))
    now = START + 2 * HOUR
    assert tape.depths(0, now).time.tolist() == [START + HOUR, START + 2 * HOUR]
    assert tape.depths(0, now).depth.tolist() == [6.0, 7.0]
    assert tape.marks(0, now).mark.tolist() == [100.2]
    assert tape.depths(0, now - 1).depth.tolist() == [6.0]
    assert tape.depths(now, now + HOUR) is None
    assert Tape(1, rules).marks(0, now) is None


def test_longer_bars_are_made_where_their_last_hour_is_known():
    day = 86_400
    start = START // day * day
    tape = Tape(1, RULES, [Hour(start + k * HOUR, 100, 101 + k, 99, 100, 0, 0, filled=True) for k in range(30)])
    bars = tape.bars(start, day, now=start + 30 * HOUR)
    assert bars.time.tolist() == [start]
    assert bars.high.tolist() == [124]


def test_built_bars_go_on_where_recorded_ones_end():
    time = np.array([START - HOUR, START])
    recorded = Bars(time, *np.full((4, 2), 90.0), np.zeros(2), HOUR, "file")
    tape = Tape(1, RULES, [Hour(START + k * HOUR, *[100.0] * 4, 0, 0, filled=True) for k in range(-2, 3)])
    bars = joined(recorded, tape.bars(START - 9 * HOUR, now=START + 3 * HOUR))
    assert bars.time.tolist() == [START + k * HOUR for k in range(-1, 3)]
    assert bars.close.tolist() == [90.0, 90.0, 100.0, 100.0]
    assert joined(recorded, None) is recorded


def test_rows_that_are_no_hours_are_left_out():
    good = [START * 1_000, 1, 2, 0.5, 1.5, 10]
    rows = [
        good,
        [START * 1_000 + 60_000, 1, 2, 0.5, 1.5],
        [(START + HOUR) * 1_000, 1, 0.5, 2, 1.5],
        [(START + HOUR) * 1_000, None, 2, 0.5, 1.5],
        [(START + HOUR) * 1_000, float("nan"), 2, 0.5, 1.5],
        ["x"],
        [],
    ]
    assert candles_of("s", START + 9 * HOUR, rows).hours == (Candle(START, 1, 2, 0.5, 1.5),)
    assert candles_of("s", START + HOUR - 1, [good]).hours == ()

"""Books of options against the next day's marks."""

import math
from dataclasses import replace

import numpy as np
import pytest

from plimsoll.backtest import chains
from plimsoll.market.errors import EmptyRangeError
from plimsoll.market.snapshot import History
from plimsoll.market.sources import OptionQuote, load_option_chain
from plimsoll.risk import black
from plimsoll.risk.engine import Engine
from plimsoll.risk.models import EwmaFhs
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, word
from plimsoll.spec.margin import Index, Params, View, assess
from plimsoll.spec.wad import WAD

START = 1_767_000_000
DAY = 86_400
YEAR = 365 * DAY


def chain(now, index, volatility=0.6, days=(0.5, 8, 40)):
    """A made-up chain with a flat smile, in coin, as it is quoted."""
    found = []
    for life in days:
        expiry = START + round(life * DAY)
        if expiry <= now:
            continue
        tau, forward = (expiry - now) / YEAR, index * 1.002
        for strike in np.arange(0.8, 1.21, 0.02) * 1_000:
            for call in (False, True):
                mark = float(black.price(call, forward, strike, volatility, tau)) / forward
                found.append(
                    OptionQuote(now, "", call, float(round(strike)), expiry, forward, index, mark, volatility, 1.0)
                )
    return tuple(found)


def history(_currency, times, index):
    """A walk of its own, then the index of each day up to now."""
    rng = np.random.default_rng(5)
    walk = np.exp(np.cumsum(0.02 * rng.standard_t(4, 800) / math.sqrt(2)))
    closes = np.append(walk / walk[-1] * index[0], index)
    return History(times[-1] - DAY * np.arange(len(closes), 0, -1), closes, DAY)


def days_of(moves):
    found, index = {}, 1_000.0
    for number, move in enumerate(moves):
        index *= 1 + move
        found[f"day {number}"] = {"BTC": chain(START + number * DAY, index)}
    return found


@pytest.fixture(scope="module")
def market():
    return chains.market_of("BTC", chain(START, 1_000.0), history("BTC", [START], [1_000.0]))


@pytest.fixture(scope="module")
def held(market):
    return chains.posted(Engine(EwmaFhs()).report(chains.Snapshot(START, (market,))), market)


def test_a_market_lists_all_that_lives(market):
    kinds = [item.kind for item in market.listed]
    assert kinds.count(PERP) == 1
    assert kinds.count(FUTURE) == 3
    assert kinds.count(CALL) == kinds.count(PUT) == 3 * 21
    later = chains.market_of("BTC", chain(START + DAY, 1_000.0), market.history)
    assert sum(item.kind == CALL for item in later.listed) == 2 * 21
    with pytest.raises(EmptyRangeError, match="time left"):
        chains.market_of("BTC", [replace(chain(START, 1_000.0)[0], expiry=START)], market.history)


def test_margins_are_the_specifications(market, held):
    """Vectorised margin against the integer twin, on drawn books of every kind."""
    built = Engine(EwmaFhs()).report(chains.Snapshot(START, (market,)))
    view = View(
        Params(),
        START,
        {market.underlying: Index(market.reference, market.strike_unit)},
        {(s.underlying, s.expiry): s for s in built.surfaces},
        {s.underlying: s for s in built.scalars},
    )
    listed = chains.Listed.of(market, held)
    for kind in chains.KINDS:
        quantities = chains.draw(listed, kind, 4, (3,))
        mm, im = held.margins(quantities)
        for row, needed, initial in zip(quantities, mm, im, strict=True):
            assert np.sum(np.abs(row)) < held.size_limit
            words = [word(i, round(q * WAD)) for i, q in zip(market.instruments, row, strict=True) if q]
            found = assess(words, 0, view)
            assert found.mm / market.reference == pytest.approx(needed, rel=1e-9, abs=1e-12)
            assert found.im / market.reference == pytest.approx(initial, rel=1e-9, abs=1e-12)


def test_kinds_are_what_they_are_called(market, held):
    listed = chains.Listed.of(market, held)
    items = market.listed

    def legs(row):
        return [(items[at], row[at]) for at in np.flatnonzero(row)]

    for kind in chains.KINDS:
        books = chains.draw(listed, kind, 30, (1,))
        assert np.abs(books).sum(axis=1) == pytest.approx(np.ones(30))
        assert np.array_equal(books, chains.draw(listed, kind, 30, (1,)))
        assert not np.array_equal(books, chains.draw(listed, kind, 30, (2,)))
    for row in chains.draw(listed, "straddle", 30, (1,)):
        (one, q), (other, p) = legs(row)
        assert (one.expiry, one.strike, {one.kind, other.kind}) == (other.expiry, other.strike, {CALL, PUT})
        assert q == p
    for row in chains.draw(listed, "butterfly", 30, (1,)):
        ordered = sorted(legs(row), key=lambda leg: leg[0].strike)
        assert len(ordered) == 3
        assert sum(q for _, q in ordered) == pytest.approx(0, abs=1e-12)
        assert sum(q * item.strike for item, q in ordered) == pytest.approx(0, abs=1e-9)
    for row in chains.draw(listed, "calendar", 30, (1,)):
        (one, q), (other, p) = legs(row)
        assert one.expiry != other.expiry
        assert (one.strike, one.kind, q) == (other.strike, other.kind, -p)
    for row in chains.draw(listed, "hedged", 30, (1,)):
        assert row @ held.delta == pytest.approx(0, abs=1e-6)
    for row in chains.draw(listed, "random", 30, (1,)):
        assert 2 <= len(legs(row)) <= chains.MOST_LEGS


def test_drawn_from_the_named_expiry_alone(market, held):
    listed = chains.Listed.of(market, held)
    last = max(item.expiry for item in market.listed)
    books = chains.draw(listed, "random", 20, (1,), [last])
    assert {market.listed[at].expiry for at in np.flatnonzero(books.any(axis=0))} == {last}
    with pytest.raises(EmptyRangeError, match="no calendar"):
        chains.draw(listed, "calendar", 1, (1,), [last])


def test_losses_are_the_change_of_the_marks():
    """A day on which the price stands still: who is short of options gains their decay, who is long loses it."""
    days = days_of([0.0, 0.0])
    (single,) = chains.run(days, history, books=40, kinds=("single",))
    market = chains.market_of("BTC", days["day 0"]["BTC"], history("BTC", [START], [1_000.0]))
    then = chains.next_marks(market, 1_000.0, days["day 1"]["BTC"])
    item = next(i for i, listed in enumerate(market.listed) if listed.kind == CALL and listed.expiry > START + 2 * DAY)
    tau = (market.listed[item].expiry - START - DAY) / YEAR
    expected = black.price(np.array(True), 1.002, market.listed[item].strike / 1_000, 0.6, tau)
    assert then[item] == pytest.approx(float(expected))
    assert single.unmarked == 2 * 21 + 1  # the expiry of half a day, and its future
    assert np.all(np.abs(single.loss) < 0.01)
    assert np.any(single.loss > 0)
    assert single.move == 0
    assert single.hours == 24


def test_a_crash_is_found_exceeded_and_a_calm_is_not():
    calm = chains.summary(chains.run(days_of([0, 0.005, -0.005, 0.004]), history, books=30))
    crash = chains.summary(chains.run(days_of([0, 0.005, -0.40, 0.004]), history, books=30))
    assert len(calm.days) == len(crash.days) == 3
    assert all(kind.exceeded == 0 and kind.inside for kind in calm.kinds.values())
    assert calm.worst_book_ratio < 1
    assert crash.kinds["single"].exceeded > 0
    assert crash.kinds["single"].days_exceeded == 1
    assert crash.kinds["single"].rate > 0.05
    assert crash.kinds["single"].band[0] <= crash.kinds["single"].rate <= crash.kinds["single"].band[1]
    assert crash.worst_book_ratio > 1
    assert crash.worst_day == "day 1"
    assert crash.kinds["single"].worst_day == "day 1 BTC"
    assert crash.numbers()["days"] == 3


def test_a_band_that_lies_over_the_promise_is_outside():
    always = chains.summary(chains.run(days_of([0, -0.4, -0.4, -0.4]), history, books=30, kinds=("single", "straddle")))
    assert not always.kinds["straddle"].inside
    assert always.numbers()["kinds_inside"] < 2


def test_nothing_of_tomorrow_is_in_todays_margin():
    one = chains.run(days_of([0, 0.01, 0.02]), history, books=10, kinds=("single",))
    other = chains.run(days_of([0, 0.01, -0.3]), history, books=10, kinds=("single",))
    assert np.array_equal(one[0].mm, other[0].mm)
    assert np.array_equal(one[1].mm, other[1].mm)
    assert not np.array_equal(one[1].loss, other[1].loss)


def test_without_data_it_says_what_is_left_out(monkeypatch):
    monkeypatch.delenv("PLIMSOLL_DATA", raising=False)
    found = chains.record()
    assert not found.kinds
    assert "PLIMSOLL_DATA is unset" in found.left_out
    with pytest.raises(EmptyRangeError):
        chains.summary(())


@pytest.mark.data
def test_the_recorded_chain_has_both_sides_of_the_market(data_folder):
    quotes = load_option_chain(data_folder / "option_chain_2025-12-30.csv.gz", "BTC")
    both = [quote for quote in quotes if quote.ask > 0 and quote.bid > 0]
    assert 0.9 < len(both) / len(quotes) < 1
    assert all(quote.bid <= quote.ask for quote in both)
    assert any(math.isnan(quote.bid) for quote in quotes)


@pytest.mark.data
def test_both_full_chains_take_milliseconds(data_folder):
    """The bound is loose for a busy machine; the figures have the number."""
    assert data_folder
    found = chains.report_record(runs=5)
    assert found["options"] == 1_304
    assert 0 < found["milliseconds"] < 200


@pytest.mark.data
@pytest.mark.long
def test_two_recorded_days(data_folder):
    """The splice leaves no jump, and a day's books stand against the next day's marks."""
    assert data_folder
    days = chains.january()
    assert len(days) == 33
    some = {day: days[day] for day in list(days)[:2]}
    found = chains.run(some, books=30)
    assert {result.currency for result in found} == {"BTC", "ETH"}
    assert all(np.all(result.mm > 0) and np.all(result.im > result.mm) for result in found)
    spliced = chains.spliced("BTC", [START, START + DAY], [90_000.0, 91_000.0])
    assert spliced.close[-2:].tolist() == [90_000.0, 91_000.0]
    assert spliced.close[-3] == pytest.approx(90_000.0)
    assert np.max(np.abs(spliced.returns)) < 0.2


@pytest.mark.data
@pytest.mark.long
def test_the_record_of_january(data_folder):
    assert data_folder
    found = chains.record()
    assert len(found.days) == 32
    assert all(kind.inside for kind in found.kinds.values())
    assert found.worst_book_ratio < 2.5

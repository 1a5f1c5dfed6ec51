"""Raw quotes in, a full smile without arbitrage out."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.backtest import chains
from plimsoll.market.quotes import Quote
from plimsoll.market.snapshot import History, Market
from plimsoll.market.sources import load_option_chain
from plimsoll.risk import black, smile, smile_check, svi
from plimsoll.risk.errors import ListingError, PricingError
from plimsoll.spec.instruments import CALL, PERP, PUT, Instrument

NOW, DAY, YEAR = 1_767_600_000, 86_400, 365 * 86_400
INDEX = 1_000.0
DAYS = (2, 9, 30, 90)
HISTORY = History(np.array([NOW - 2 * DAY, NOW - DAY]), np.array([990.0, INDEX]), DAY)
EXACT = 2e-9  # of the forward: what eight digits of a volatility hide


def truth(day):
    """The slice that quotes of an expiry are drawn from: variance about the money 0.5^2 a year, a skew, wings."""
    level = 0.25 * day / 365
    wide = math.sqrt(level)
    return svi.Slice(day / 365, 0.55 * level, 0.3 * wide, -0.25, 0.0, 1.5 * wide)


def market_of(days=DAYS, steps=13):
    items = [Instrument(257, 0, PERP, 0, 0)]
    forwards = {}
    for day in days:
        expiry = NOW + day * DAY
        forwards[expiry] = INDEX * (1 + 0.05 * day / 365)
        wide = 0.5 * math.sqrt(day / 365)
        strikes = sorted({round(forwards[expiry] * math.exp(wide * z)) for z in np.linspace(-2, 2, steps)})
        for row, (strike, kind) in enumerate((k, kind) for k in strikes for kind in (PUT, CALL)):
            items.append(Instrument(257, expiry, kind, strike, row))
    return Market(257, INDEX, HISTORY, tuple(item.pack() for item in items), forwards=forwards)


def tau_of(item):
    return (item.expiry - NOW) / YEAR


def quoted(market, lift=lambda _: 1.0, half=0.01, noise=0.0, seed=0):
    """Two sides about the price of the true smile times `lift`, half a spread of so much volatility."""
    rng = np.random.default_rng(seed)
    found = {}
    for instrument, item in zip(market.instruments, market.listed, strict=True):
        if item.is_option:
            forward, day = market.forwards[item.expiry], round((item.expiry - NOW) / DAY)
            v = float(truth(day).volatility(math.log(item.strike / forward))) * lift(item) + noise * rng.normal()
            sides = [black.price(item.kind == CALL, forward, item.strike, v + s * half, tau_of(item)) for s in (-1, 1)]
            found[instrument] = Quote(*(float(side) for side in sides))
    return found


def apart(market, found, reach=1.5):
    """The largest distance of volatility from the truth within `reach` deviations."""
    worst = 0.0
    for instrument, item in zip(market.instruments, market.listed, strict=True):
        if item.is_option:
            k, day = math.log(item.strike / market.forwards[item.expiry]), round((item.expiry - NOW) / DAY)
            if abs(k) <= reach * 0.5 * math.sqrt(tau_of(item)):
                worst = max(worst, abs(found.implied_vols[instrument] - float(truth(day).volatility(k))))
    return worst


def options(market):
    return {i for i, item in zip(market.instruments, market.listed, strict=True) if item.is_option}


MARKET = market_of()
QUOTES = quoted(MARKET)


def test_true_quotes_give_the_true_smile():
    found = smile.complete(MARKET, NOW, QUOTES)
    assert found.implied_vols.keys() == options(MARKET)
    assert apart(MARKET, found) < 0.003
    assert smile_check.arbitrage(found, NOW).worst <= EXACT
    assert all(not e.borrowed and e.used == 26 for e in smile.fit_market(MARKET, NOW, QUOTES).expiries)


@settings(max_examples=2)
@given(seed=st.integers(0, 2**32 - 1))
def test_missing_crossed_and_absurd_quotes_leave_no_arbitrage_and_a_near_smile(seed):
    """30 % dropped, 10 % crossed, a few absurd, noise of a point of volatility."""
    rng = np.random.default_rng(seed)
    raw = quoted(MARKET, noise=0.01, seed=seed)
    bad, crossed = {}, set()
    for instrument, quote in raw.items():
        draw = rng.random()
        if draw < 0.30:
            continue
        if draw < 0.40 and quote.bid > 0:
            crossed.add(instrument)
            bad[instrument] = Quote(quote.ask, quote.bid)
        elif draw < 0.43:
            factor = float(rng.choice([0.02, 5.0, 40.0]))
            bad[instrument] = Quote(quote.bid * factor, quote.ask * factor)
        elif draw < 0.45:
            bad[instrument] = Quote(float(rng.choice([0.0, -1.0, math.nan, math.inf])), quote.ask)
        else:
            bad[instrument] = quote
    found = smile.complete(MARKET, NOW, bad)
    accounts = smile.fit_market(MARKET, NOW, bad).expiries
    assert found.implied_vols.keys() == options(MARKET)
    assert smile_check.arbitrage(found, NOW).worst <= EXACT
    assert sum(e.crossed for e in accounts) == len(crossed)
    assert sum(e.missing for e in accounts) >= len(raw) - len(bad)
    assert apart(MARKET, found) < 0.04


def test_fine_strikes_have_no_butterfly_and_no_calendar_either():
    """Convex calls on strikes that nobody lists, between and beyond the expiries, and variance that rises."""
    found = smile.fit_market(MARKET, NOW, quoted(MARKET, noise=0.02, seed=3))
    k = np.linspace(-1.5, 1.5, 1_201)
    before = np.zeros(k.shape)
    for day in (1, 2, 5, 9, 20, 30, 60, 90, 180, 300):
        tau = day / 365
        w = found.surface.variance(k, tau)
        assert np.all(w >= before - 1e-12)
        before = w
        call = black.price(True, 1.0, np.exp(k), np.sqrt(w / tau), tau)
        slope = np.diff(call) / np.diff(np.exp(k))
        assert np.min(np.diff(slope)) > -1e-8
        assert np.min(found.surface.durrleman(k, tau)) > -1e-6


def test_a_planted_butterfly_is_repaired():
    """One call far over its neighbours: two sold against the wings would be a sure profit."""
    item = next(i for i in MARKET.listed if i.kind == CALL and i.expiry == NOW + 30 * DAY and i.strike > 1_080)
    planted = QUOTES | {
        item.pack(): Quote(*(1.5 * side for side in (QUOTES[item.pack()].bid, QUOTES[item.pack()].ask)))
    }
    mids = mids_of(MARKET, planted)
    assert smile_check.arbitrage(replace(MARKET, implied_vols=mids), NOW).butterfly > 1e-3
    found = smile.complete(MARKET, NOW, planted)
    assert smile_check.arbitrage(found, NOW).worst <= EXACT
    assert apart(MARKET, found) < 0.005


def mids_of(market, quotes):
    """Volatilities of the mids, half where a mid has none."""
    found = {}
    for expiry in sorted(market.forwards):
        part = [item for item in market.listed if item.is_option and item.expiry == expiry]
        call, strike = np.array([i.kind == CALL for i in part]), np.array([float(i.strike) for i in part])
        mid = np.array([(quotes[i.pack()].bid + quotes[i.pack()].ask) / 2 for i in part])
        own = svi.implied(call, market.forwards[expiry], strike, mid, (expiry - NOW) / YEAR)
        found |= {i.pack(): float(v) if v > 0 else 0.5 for i, v in zip(part, own, strict=True)}
    return found


@pytest.mark.parametrize("day", [9, 30])
def test_a_planted_calendar_arbitrage_is_repaired_against_the_one_expiry_that_contradicts_the_rest(day):
    """Twice the volatility on one expiry: those behind it would have to be lifted, were it believed."""
    wild = quoted(MARKET, lift=lambda item: 2.0 if item.expiry == NOW + day * DAY else 1.0)
    mids = mids_of(MARKET, wild)
    assert smile_check.arbitrage(replace(MARKET, implied_vols=mids), NOW).calendar > 1e-4
    found = smile.complete(MARKET, NOW, wild)
    assert smile_check.arbitrage(found, NOW).worst <= EXACT
    accounts = {e.expiry: e for e in smile.fit_market(MARKET, NOW, wild).expiries}
    assert accounts[NOW + day * DAY].disordered == 26
    assert accounts[NOW + day * DAY].borrowed
    assert sum(e.disordered for e in accounts.values()) == 26
    assert apart(MARKET, found) < 0.03  # level and shape of its neighbours


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("left", [0, 2])
def test_an_expiry_of_few_quotes_borrows_shape_and_level(day, left):
    expiry = NOW + day * DAY
    money = sorted(
        (abs(math.log(item.strike / MARKET.forwards[expiry])), item.pack())
        for item in MARKET.listed
        if item.expiry == expiry and item.kind == CALL
    )
    kept = {instrument for _, instrument in money[:left]}
    some = {i: q for i, q in QUOTES.items() if i in kept or expiry_of(i) != expiry}
    found = smile.complete(MARKET, NOW, some)
    assert found.implied_vols.keys() == options(MARKET)
    assert smile_check.arbitrage(found, NOW).worst <= EXACT
    assert apart(MARKET, found, 1.0) < (0.04 if left else 0.06)


def expiry_of(instrument):
    return next(item.expiry for item in MARKET.listed if item.pack() == instrument)


def test_one_quote_moves_the_level_of_its_expiry():
    """The single quote of an expiry stands a tenth of the way up to what its neighbour allows: its level is met."""
    expiry = NOW + 30 * DAY
    item = min(
        (i for i in MARKET.listed if i.expiry == expiry and i.kind == CALL),
        key=lambda i: abs(i.strike - MARKET.forwards[expiry]),
    )
    raised = quoted(MARKET, lift=lambda i: 1.15 if i.expiry == expiry else 1.0)
    some = {i: q for i, q in QUOTES.items() if expiry_of(i) != expiry} | {item.pack(): raised[item.pack()]}
    found = smile.complete(MARKET, NOW, some).implied_vols[item.pack()]
    k = math.log(item.strike / MARKET.forwards[expiry])
    assert found == pytest.approx(1.15 * float(truth(30).volatility(k)), abs=0.003)


def test_a_single_quote_in_the_whole_market_is_the_level_of_all():
    instrument = next(i for i in QUOTES if expiry_of(i) == NOW + 30 * DAY)
    found = smile.complete(MARKET, NOW, {instrument: QUOTES[instrument]})
    wanted = mids_of(MARKET, QUOTES)[instrument]
    assert np.array(list(found.implied_vols.values())) == pytest.approx(wanted, abs=1e-6)
    assert smile_check.arbitrage(found, NOW).worst <= EXACT


def test_marks_stand_in_for_what_has_no_two_sides():
    marks = {i: Quote(volatility=0.45) for i in QUOTES}
    found = smile.complete(MARKET, NOW, marks)
    assert np.array(list(found.implied_vols.values())) == pytest.approx(0.45, abs=3e-3)
    mixed = smile.complete(MARKET, NOW, {i: replace(q, volatility=0.9) for i, q in QUOTES.items()})
    assert apart(MARKET, mixed) < 0.003  # two sides go before a mark


def test_nothing_quoted_and_what_is_not_listed_are_refused():
    with pytest.raises(PricingError, match="none of 104 options has a usable quote"):
        smile.complete(MARKET, NOW, {})
    with pytest.raises(PricingError, match="none of 104"):
        smile.complete(MARKET, NOW, {i: Quote(5.0, 4.0) for i in QUOTES})
    perp = next(i for i in MARKET.instruments if i not in QUOTES)
    with pytest.raises(ListingError, match="no listed option"):
        smile.complete(MARKET, NOW, {perp: Quote(1.0, 2.0)})
    with pytest.raises(ListingError, match="is over by"):
        smile.complete(MARKET, NOW + 2 * DAY, QUOTES)
    with pytest.raises(ListingError, match="has no smile"):
        smile.fit_market(MARKET, NOW, QUOTES).volatility(NOW, np.array([INDEX]))
    with pytest.raises(PricingError, match="complete the market first"):
        smile_check.arbitrage(MARKET, NOW)


def test_a_market_without_options_stays_as_it_is():
    bare = Market(257, INDEX, HISTORY, (Instrument(257, 0, PERP, 0, 0).pack(),))
    assert smile.complete(bare, NOW, {}) is bare


def test_held_out_quotes_are_met_within_their_spread():
    completed, found = smile_check.held_out(MARKET, NOW, quoted(MARKET, noise=0.002, seed=5))
    assert completed.implied_vols.keys() == options(MARKET)
    assert 30 < found.count < 75
    assert found.points < 0.004
    assert found.spreads < 0.4
    assert found.inside > 0.9
    blind = smile_check.apart(replace(MARKET, implied_vols=dict.fromkeys(QUOTES, 0.9)), NOW, QUOTES)
    assert blind.inside < 0.05
    assert blind.points > 0.3
    with pytest.raises(PricingError, match="hold out more"):
        smile_check.apart(MARKET, NOW, {})


@pytest.mark.data
@pytest.mark.parametrize("currency", ["BTC", pytest.param("ETH", marks=pytest.mark.long)])
def test_the_recorded_chain_completed_with_30_percent_dropped_and_10_percent_crossed(data_folder, currency):
    quotes = load_option_chain(data_folder / "option_chain_2025-12-30.csv.gz", currency)
    market, raw = chains.raw_market(currency, quotes, HISTORY)
    now = quotes[0].time
    two_sided = {i: replace(q, volatility=math.nan) for i, q in raw.items()}
    rng = np.random.default_rng(7)
    bad = {}
    for instrument, quote in two_sided.items():
        draw = rng.random()
        if draw > 0.30:
            bad[instrument] = Quote(quote.ask, quote.bid) if draw < 0.40 else quote
    found = smile.complete(market, now, bad)
    assert found.implied_vols.keys() == raw.keys()
    assert smile_check.arbitrage(found, now).worst <= EXACT
    seen = smile_check.apart(found, now, {i: q for i, q in two_sided.items() if i not in bad})
    assert seen.count > 100
    assert seen.near_points < 0.005
    assert seen.spreads < 0.5
    assert seen.inside > 0.85


@pytest.mark.data
@pytest.mark.long
def test_the_recorded_smile_meets_quotes_it_has_not_seen(data_folder):
    assert data_folder
    found = chains.smile_record()
    assert found["arbitrage"] <= EXACT
    assert found["marked_arbitrage"] > 1e-5  # what there is to repair
    assert found["near_points"] < 0.004
    assert found["spreads"] < 0.3
    assert found["inside"] > 0.9


@pytest.mark.data
@pytest.mark.long
def test_chains_of_january_completed_have_no_arbitrage(data_folder):
    assert data_folder
    days = chains.january()
    for day in list(days)[::8]:
        for currency, quotes in days[day].items():
            market, raw = chains.raw_market(currency, quotes, HISTORY)
            found = smile.complete(market, quotes[0].time, raw)
            assert found.implied_vols.keys() == raw.keys()
            assert smile_check.arbitrage(found, quotes[0].time).worst <= EXACT

"""From a venue's bytes through ccxt to an answer; and whatever comes instead of them is that venue's error."""

import itertools
import time

import pytest

from plimsoll.market.venues.errors import (
    VenueAnswerError,
    VenueBusyError,
    VenueDownError,
    VenueError,
    VenueSettingError,
)
from plimsoll.market.venues.exchange import ExchangeConfig, ExchangeVenue
from plimsoll.simulate.venues import BASIS, FUNDING, STEP

from .conftest import HOUR, PERPS, SPOT


@pytest.mark.parametrize("name", SPOT)
def test_the_mid_of_the_book_is_the_price(stand, venue_of, clock, name):
    stand.set_price("BTC/USD", 64_321.5)
    found = venue_of(name).ask()
    assert found.price == pytest.approx(64_321.5, rel=1e-9)
    assert abs(found.received - clock()) <= 1
    assert found.stamp is None or abs(found.stamp - clock()) <= 1


@pytest.mark.parametrize("name", SPOT)
def test_depth_is_what_the_worse_side_takes_at_the_cost(venue_of, name):
    small, large = (venue_of(name, cost=cost).ask().depth for cost in (STEP, 20 * STEP))
    # a level a step, of mean size 1.5: n levels cost (n + 1) / 2 steps
    assert small == pytest.approx(1.0, abs=0.2)
    assert large == pytest.approx(39 * 1.5, rel=0.05)


@pytest.mark.parametrize("name", SPOT)
def test_the_last_trade_is_the_price_where_the_ticker_is_asked(stand, venue_of, name):
    stand.set_price("BTC/USD", 61_000.0)
    found = venue_of(name, ticker=True).ask()
    assert found.price == 61_000.0
    assert found.depth is None


def test_a_book_that_changes_is_another_content_and_one_that_does_not_is_the_same(stand, venue_of):
    venue = venue_of("kraken")
    assert venue.ask().content != venue.ask().content
    stand.fault("still", "kraken")
    assert venue.ask().content == venue.ask().content


def test_a_stamp_that_moves_is_no_other_content(stand, venue_of, clock):
    stand.fault("still", "okx")
    venue = venue_of("okx")
    first = venue.ask()
    clock.advance(10)
    second = venue.ask()
    assert second.stamp >= first.stamp + 10
    assert second.content == first.content


@pytest.mark.parametrize("name", PERPS)
def test_a_perpetual_has_mark_and_funding(stand, venue_of, clock, name):
    stand.set_price("BTC", 50_000.0)
    found = venue_of(name, kind="perp").ask()
    assert found.price == pytest.approx(50_000 * BASIS)
    assert found.funding == FUNDING
    assert found.index in {None, 50_000.0}
    assert abs(found.stamp - clock()) <= 1


def test_a_chain_has_every_option_with_prices_in_the_quote_currency(stand, venue_of):
    chain = venue_of("deribit", "BTC", "option").ask().chain
    assert len(chain) == 2 * len(stand.expiries) * len(stand.strikes["BTC"])
    assert {line.expiry for line in chain} == set(stand.expiries)
    pairs = {}
    for line in chain:
        pairs.setdefault((line.expiry, line.strike), {})[line.call] = line
    for (_, strike), pair in pairs.items():
        call, put = pair[True], pair[False]
        assert call.volatility == put.volatility
        assert 0.5 < call.volatility < 0.9
        if None not in {call.bid, put.bid}:  # put-call parity, within half a spread each
            apart = (call.bid + call.ask - put.bid - put.ask) / 2
            assert apart == pytest.approx(call.forward - strike, abs=0.001 * call.forward)


@pytest.mark.parametrize("name", SPOT)
def test_hours_are_those_that_closed_in_the_range_page_after_page(venue_of, clock, name):
    until = int(clock()) // HOUR * HOUR
    since = until - 350 * HOUR  # more than a page
    hours = venue_of(name).hours(since, until).hours
    assert [hour.time for hour in hours] == list(range(since, until, HOUR))
    assert all(hour.sane for hour in hours)
    assert all(a.close == pytest.approx(b.open) for a, b in itertools.pairwise(hours))


@pytest.mark.parametrize("name", SPOT)
@pytest.mark.parametrize("fault", ["500", "429", "garbage", "empty", "null", "crossed", "gone", "redirect"])
def test_what_is_no_answer_is_an_error_of_the_venue(stand, venue_of, name, fault):
    venue = venue_of(name)
    venue.ask()
    stand.fault(fault, name)
    with pytest.raises(VenueError):
        venue.ask()
    stand.fault("none", name)
    assert venue.ask().price == 60_000.0


@pytest.mark.parametrize(("name", "kind"), [("deribit", "perp"), ("deribit", "option"), ("okx", "perp")])
@pytest.mark.parametrize("fault", ["500", "garbage", "empty", "null"])
def test_so_it_is_of_derivatives(stand, venue_of, name, kind, fault):
    venue = venue_of(name, "BTC" if kind == "option" else None, kind)
    venue.ask()
    stand.fault(fault, name)
    with pytest.raises(VenueError):
        venue.ask()


@pytest.mark.parametrize("fault", ["500", "garbage", "empty", "null", "gone"])
def test_a_venue_that_is_down_when_first_asked_is_asked_what_it_lists_again(stand, venue_of, fault):
    stand.fault(fault)
    venue = venue_of("bitstamp", fresh=True)
    with pytest.raises(VenueError):
        venue.ask()
    stand.fault("none")
    assert venue.ask().price == 60_000.0


@pytest.mark.parametrize("fault", ["hang", "drip", "endless"])
def test_no_answer_takes_longer_than_its_deadline(stand, venue_of, fault):
    venue = venue_of("binance", fresh=True)
    venue.ask()
    venue._session.seconds = 0.3
    stand.fault(fault, "binance")
    began = time.monotonic()
    with pytest.raises(VenueDownError):
        venue.ask()
    assert time.monotonic() - began < 5.0  # a drip alone would take minutes


@pytest.mark.parametrize("name", SPOT)
def test_a_venue_that_says_it_is_asked_too_often_is_told_from_one_that_is_down(stand, venue_of, name):
    venue = venue_of(name)
    venue.ask()
    stand.fault("429", name)
    with pytest.raises(VenueBusyError):
        venue.ask()
    stand.fault("500", name)
    with pytest.raises(VenueDownError) as caught:
        venue.ask()
    assert not isinstance(caught.value, VenueBusyError)


def test_a_redirect_is_not_followed(stand, venue_of, outward):
    venue = venue_of("kraken")
    venue.ask()
    stand.fault("redirect", "kraken")
    with pytest.raises(VenueDownError, match=r"redirected to 203\.0\.113\.1"):
        venue.ask()
    assert outward == []


def test_every_request_goes_where_the_url_says(stand, venue_of):
    before = dict(stand.requests)
    for name in SPOT:
        venue_of(name, fresh=True).ask()
    venue_of("deribit", "BTC", "option", fresh=True).ask()
    # what is listed, and what is asked
    assert all(count >= before[name] + 2 for name, count in stand.requests.items())


def test_what_a_venue_does_not_list_is_named(venue_of):
    with pytest.raises(VenueAnswerError, match="lists no DOGE/USD"):
        venue_of("kraken", "DOGE/USD", fresh=True).ask()


@pytest.mark.parametrize(
    ("config", "match"),
    [
        (ExchangeConfig("krakken", "BTC/USD"), "knows no exchange 'krakken'"),
        (ExchangeConfig("kraken", "BTC", "option"), "has no fetchOptionChain"),
        (ExchangeConfig("kraken", "BTC/USD", "file"), "spot, perp, option is right"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_asked(config, match):
    with pytest.raises(VenueSettingError, match=match):
        ExchangeVenue("x", config)


def test_a_book_that_is_too_wide_is_no_price(venue_of, monkeypatch):
    venue = venue_of("kraken", fresh=True)
    venue.ask()
    wide = {"bids": [[97.0, 1.0]], "asks": [[103.0, 1.0]], "timestamp": None}
    monkeypatch.setattr(venue._client, "fetch_order_book", lambda *_: wide)
    with pytest.raises(VenueAnswerError, match=r"spread of 6\.00%"):
        venue.ask()

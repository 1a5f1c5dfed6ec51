"""A stand-in for exchanges, a clock that can be turned, and no way out of this machine."""

import itertools
import socket
import time

import pytest

from plimsoll.market.venues.answers import Answer, Round
from plimsoll.market.venues.exchange import ExchangeConfig, ExchangeVenue
from plimsoll.market.venues.rules import Rules, SourceRule
from plimsoll.simulate.venues import VenueStandIn

SPOT = {
    "binance": "BTC/USDT",
    "coinbaseexchange": "BTC/USD",
    "kraken": "BTC/USD",
    "okx": "BTC/USDT",
    "bitstamp": "BTC/USD",
}
PERPS = {"binance": "BTC/USDT:USDT", "okx": "BTC/USDT:USDT", "deribit": "BTC/USD:BTC"}
HOUR = 3_600
START = 1_800_000_000 // HOUR * HOUR


class Clock:
    """Real time from START on, and what was added."""

    def __init__(self, start=START):
        self.offset = start - time.time()

    def __call__(self):
        return time.time() + self.offset

    def advance(self, seconds):
        self.offset += seconds


class Still:
    """A clock that stands where it is put."""

    def __init__(self, at=START):
        self.at = at

    def __call__(self):
        return float(self.at)

    def advance(self, seconds):
        self.at += seconds


@pytest.fixture(autouse=True)
def outward(monkeypatch):
    """Connections to other hosts fail, and are counted."""
    tried = []
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def local(self, address):
        if self.family in {socket.AF_INET, socket.AF_INET6} and address[0] not in {"127.0.0.1", "::1"}:
            tried.append(address)
            raise OSError(f"no way to {address}")
        return connect(self, address)

    def looked_up(host, *args, **options):
        if host not in {"127.0.0.1", "localhost"}:
            tried.append(host)
            raise OSError(f"no way to {host}")
        return resolve(host, *args, **options)

    monkeypatch.setattr(socket.socket, "connect", local)
    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    yield tried
    assert tried == [], "a test asked another host"


@pytest.fixture(scope="module")
def town_clock():
    return Clock()


@pytest.fixture(scope="module")
def town_stand(town_clock):
    server = VenueStandIn(now=town_clock).start()
    yield server
    server.stop()


@pytest.fixture
def clock(town_clock):
    return town_clock


@pytest.fixture
def stand(town_stand):
    """The stand-in of a module's tests, as it should be when each begins."""
    town_stand.fault("none")
    town_stand.set_price("BTC", 60_000.0)
    return town_stand


@pytest.fixture(scope="module")
def kept_venues():
    """Venues that a module's tests share: what one lists is asked once."""
    kept = {}
    yield kept
    for venue in kept.values():
        venue.close()


@pytest.fixture
def venue_of(stand, clock, kept_venues):
    """Venues of the stand-in; a `fresh` one was asked nothing yet."""
    fresh_ones = []

    def make(name, symbol=None, kind="spot", *, fresh=False, **config):
        symbol = symbol or (SPOT if kind == "spot" else PERPS)[name]
        found = ExchangeConfig(name, symbol, kind, stand.url_of(name), deadline=20.0, **config)
        if found in kept_venues and not fresh:
            return kept_venues[found]
        made = ExchangeVenue(name if kind == "spot" else f"{name} {kind}", found, clock)
        if fresh:
            fresh_ones.append(made)
        else:
            kept_venues[found] = made
        return made

    yield make
    for venue in fresh_ones:
        venue.close()


def rules_of(count=5, perps=0, options=0, max_age=60, **limits):
    """Rules for sources s0, s1, ..., p0, ..., o0, ..."""
    kinds = itertools.chain(
        (SourceRule(f"s{k}", "spot", max_age) for k in range(count)),
        (SourceRule(f"p{k}", "perp", max_age) for k in range(perps)),
        (SourceRule(f"o{k}", "option", max_age) for k in range(options)),
    )
    return Rules(tuple(kinds), **limits)


def answer(source, price, now, kind="spot", stamp=0, changed=0, **fields):
    """What a source said `stamp` seconds ago (None: without a stamp), unchanged for `changed` seconds."""
    return Answer(
        source, kind, now, None if stamp is None else now - stamp, now - changed, f"{price} {now}", price, **fields
    )


def round_of(prices, now=START, market=1, **more):
    """A round of s0, s1, ... with these prices."""
    return Round.of(market, now, [answer(f"s{k}", price, now) for k, price in enumerate(prices)], **more)

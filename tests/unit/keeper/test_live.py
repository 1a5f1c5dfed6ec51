"""A keeper over live venues: through ccxt from a stand-in, on the chain's own clock, and no way out of this machine."""

import csv
import math
import socket
import threading
from dataclasses import asdict, replace
from datetime import UTC, datetime

import numpy as np
import pytest
from pydantic import ValidationError

from plimsoll.keeper.errors import SettingsError, SourceDownError
from plimsoll.keeper.live import LiveSource, SourceSettings, VenueSettings, absurd, live_source
from plimsoll.keeper.sources import FeedSource, MarketSource
from plimsoll.market.snapshot import History
from plimsoll.market.venues.answers import OptionLine
from plimsoll.market.venues.record import ReplayVenues
from plimsoll.simulate.venues import BASIS, VenueStandIn
from plimsoll.spec.instruments import CALL, PUT

from .conftest import DAY, PRICE, UNDERLYING, World

HOUR = 3_600
SPOT = ("kraken", "bitstamp", "coinbaseexchange", "okx", "binance")


@pytest.fixture(autouse=True)
def outward(monkeypatch):
    """Connections to other hosts fail, and are counted."""
    tried, connect, resolve = [], socket.socket.connect, socket.getaddrinfo

    def local(self, address):
        if self.family in {socket.AF_INET, socket.AF_INET6} and address[0] != "127.0.0.1":
            tried.append(address)
            raise OSError(f"no way to {address}")
        return connect(self, address)

    def looked_up(host, *args, **options):
        if host != "127.0.0.1":
            tried.append(host)
            raise OSError(f"no way to {host}")
        return resolve(host, *args, **options)

    monkeypatch.setattr(socket.socket, "connect", local)
    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    yield
    assert tried == [], "a test asked another host"


def write_hours(path, end, count=40 * 24, last=PRICE):
    """Hourly closes that wiggle by about 80 % a year and end at `last`, the last bar closing at `end`."""
    draw = np.random.default_rng(5)
    close = last * np.exp(np.cumsum(draw.normal(0, 0.8 / math.sqrt(8_760), count)))
    close *= last / close[-1]
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["timestamp", "open", "high", "low", "close"])
        for k in range(count):
            at = datetime.fromtimestamp(end - (count - k) * HOUR, UTC).isoformat()
            table.writerow([at, close[k], close[k] * 1.002, close[k] * 0.998, close[k]])
    return path


class Town:
    """A deployment, its venues, and a source over them."""

    def __init__(self, folder):
        self.world = World(folder)
        self.folder = folder
        self.stand = VenueStandIn(prices={"TOY": PRICE}, now=self.now).start()
        self.sources = []
        self.count = 0
        self.hour()
        self.prices = write_hours(folder / "hours.csv", self.now())

    def now(self):
        return self.world.chain.now

    def hour(self):
        """Go to the next full hour."""
        self.world.chain.advance(HOUR - self.now() % HOUR)

    def settings(self, *more, record=None, **limits):
        self.count += 1
        spot = [
            {
                "venue": name,
                "symbol": "TOY/USDT" if name in {"okx", "binance"} else "TOY/USD",
                "url": self.stand.url_of(name),
            }
            for name in SPOT
        ]
        return VenueSettings(
            markets={UNDERLYING: [*spot, *more]},
            record=record or self.folder / f"v{self.count}.db",
            deadline=20,
            **limits,
        )

    def perp(self):
        return {"venue": "deribit", "symbol": "TOY/USD:TOY", "kind": "perp", "url": self.stand.url_of("deribit")}

    def options(self):
        return {"venue": "deribit", "symbol": "TOY", "kind": "option", "url": self.stand.url_of("deribit")}

    def source(self, *more, expiries=(), market=None, **limits):
        at = market or MarketSource(UNDERLYING, "TOY", self.prices, expiries, depth=1e6)
        found = live_source(self.world.system, [at], self.settings(*more, **limits), now=self.now)
        self.sources.append(found)
        return found

    def ask(self, source, *, judge=True):
        """Ask every venue once, all at the same time."""
        pollers = source.collector.markets[UNDERLYING].pollers
        threads = [threading.Thread(target=poller.ask) for poller in pollers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if judge:
            source.collector.collect()

    def held(self):
        return self.world.reader.read()

    def steady(self):
        """Index and venues as they were when each test begins."""
        self.world.index(PRICE)
        self.stand.fault("none")
        self.stand.set_price("TOY", PRICE)

    def close(self):
        for source in self.sources:
            source.close()
        self.sources = []


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    found = Town(tmp_path_factory.mktemp("town"))
    yield found
    found.stand.stop()


@pytest.fixture
def town(place):
    place.steady()
    yield place
    place.close()


def test_the_index_is_the_chains_and_the_history_the_files_where_nothing_more_is_known(town):
    source = town.source()
    town.ask(source)
    town.stand.set_price("TOY", 101.0)  # the next round's, which nobody asked for
    held = town.held()
    plain = FeedSource(town.world.system, source.markets).snapshot(held)
    found = source.snapshot(held)
    assert found.market(UNDERLYING).index == PRICE
    assert found.content == plain.content


def test_no_snapshot_before_a_round(town):
    with pytest.raises(SourceDownError, match="TOY: no venue has been asked yet"):
        town.source().snapshot(town.held())


def test_no_snapshot_on_an_old_round(town):
    source = town.source()
    town.ask(source)
    town.world.chain.advance(61)
    with pytest.raises(SourceDownError, match="the last round of venues was 61 s ago"):
        source.snapshot(town.held())


def test_no_snapshot_with_too_few_venues_and_the_reason_names_them(town):
    source = town.source()
    for name in SPOT[:3]:
        town.stand.fault("500", name)
    town.ask(source)
    with pytest.raises(
        SourceDownError, match=r"TOY: 2 of 2 sources left, 3 needed .*bitstamp: no answer yet"
    ) as caught:
        source.snapshot(town.held())
    assert "500" in str(caught.value)


def test_no_snapshot_where_venues_and_chain_part_and_both_are_named(town):
    source = town.source(band=0.05)
    town.stand.set_price("TOY", 104.9)
    town.ask(source)
    assert source.snapshot(town.held()).market(UNDERLYING).index == PRICE
    town.stand.set_price("TOY", 105.2)
    town.ask(source)
    with pytest.raises(SourceDownError, match=r"kraken, .* is 105\.2, the chain's index 100: 5\.20% apart, 5\.00%"):
        source.snapshot(town.held())
    town.world.index(105.2)
    assert source.snapshot(town.held()).market(UNDERLYING).index == 105.2


@pytest.mark.parametrize("fault", ["lie", "null", "gone", "crossed"])
def test_one_venue_that_misbehaves_changes_no_byte_of_the_snapshot_and_one_row(town, fault):
    source = town.source()
    town.ask(source)
    held = town.held()
    before = source.snapshot(held).content
    town.stand.fault(fault, "bitstamp")
    town.world.chain.advance(61)
    town.ask(source)
    after = source.snapshot(replace(held))
    assert after.content == before
    rows = {row.name: row for row in source.sources()}
    assert [name for name, row in rows.items() if not row.used] == ["bitstamp"]
    assert rows["bitstamp"].dropped
    assert rows["bitstamp"].market == "TOY"
    assert rows["kraken"].price == pytest.approx(PRICE)
    names = {"name", "market", "kind", "price", "time", "age", "used", "dropped", "failures"}
    assert set(asdict(rows["kraken"])) == names


def drive(town, source, hours, every=60):
    """Rounds for some hours; venues are asked at the start, and told prices between."""
    town.ask(source, judge=False)
    seen = {}
    for k in range(hours * HOUR // every):
        price = PRICE * (1 + 0.001 * math.sin(k))
        for poller in source.collector.markets[UNDERLYING].pollers:
            answer, now = poller.state.answer, town.now()
            if answer is not None and answer.kind == "spot":  # as if it had been asked again
                told = replace(answer, received=now, stamp=now, changed=now, content=str(k), price=price)
                poller._state = replace(poller._state, answer=told)
            elif answer is not None:
                poller._state = replace(poller._state, answer=replace(answer, received=now, stamp=now, changed=now))
        source.collector.collect()
        seen.setdefault(town.now() // HOUR * HOUR, []).append(price)
        town.world.chain.advance(every)
    return seen


def test_the_history_goes_on_where_the_file_ends_and_a_restart_loses_nothing(town):
    town.hour()
    town.prices = write_hours(town.folder / "ended.csv", town.now())
    record = town.folder / "kept.db"
    source = town.source(town.perp(), record=record)
    seen = drive(town, source, 3)
    town.ask(source)
    held = town.held()
    found = source.snapshot(held).market(UNDERLYING)
    assert found.history.time[-3:].tolist() == list(seen)
    for k, prices in enumerate(seen.values()):
        at = k - 3
        assert (found.history.close[at], found.history.high[at], found.history.low[at]) == (
            prices[-1],
            max(prices),
            min(prices),
        )
    assert found.marks_seen.time.tolist() == [hour + HOUR for hour in seen]
    assert found.marks_seen.mark == pytest.approx(PRICE * BASIS)
    assert found.depths.time.tolist() == found.marks_seen.time.tolist()
    assert np.all(found.depths.depth > 0)
    before = source.snapshot(held).content
    source.close()
    again = town.source(town.perp(), record=record)
    town.ask(again)
    assert again.snapshot(held).content == before
    replay = ReplayVenues(record)
    assert list(replay.play(UNDERLYING))[-1][0].content == again.collector.tapes[UNDERLYING].content
    replay.close()


def test_hours_between_the_files_end_and_the_start_are_the_venues_own(town):
    town.hour()
    town.prices = write_hours(town.folder / "old.csv", town.now() - 50 * HOUR)
    town.stand.fault("lie", "kraken")
    town.world.chain.advance(120)
    source = town.source()
    for _ in range(2):
        town.ask(source)  # the first round asks for hours, the second has them
    history = source.snapshot(town.held()).market(UNDERLYING).history
    assert np.all(np.diff(history.time) == HOUR)
    assert history.time[-1] + HOUR > town.now() - HOUR
    assert history.close[-50:].max() < 1.01 * PRICE


def test_two_who_asked_at_other_seconds_hold_the_same_history_where_hours_are_the_venues(town):
    town.hour()
    town.prices = write_hours(town.folder / "same.csv", town.now() - 2 * HOUR)
    town.world.chain.advance(90)
    histories = []
    for _ in range(2):
        source = town.source(hours="venues")
        town.stand.set_price("TOY", PRICE * (1 + 0.001 * len(histories)), "kraken")
        drive(town, source, 1)
        town.world.chain.advance(70)
        for _ in range(2):
            town.ask(source)
        histories.append(source)
    held = town.held()
    for source in histories:
        town.ask(source)
        town.ask(source)
    first, second = (source.snapshot(held).market(UNDERLYING).history for source in histories)
    assert first.digest == second.digest
    assert len(first.close) >= 40 * 24 + 3


def test_a_gap_that_is_too_long_is_not_jumped(town):
    town.hour()
    end = town.now() - 5 * DAY
    market = MarketSource(UNDERLYING, "TOY", write_hours(town.folder / "gap.csv", end), max_history_age=4 * DAY)
    source = town.source(market=market)
    source.collector.since = {}
    source.collector.wants = lambda *_: None  # nobody is asked for hours
    drive(town, source, 1)
    town.ask(source)
    assert len(source.collector.tapes[UNDERLYING].hours) == 2
    with pytest.raises(SourceDownError, match=r"the last close in gap\.csv is 435\d{3} s old"):
        source.snapshot(town.held())


def test_files_of_marks_and_depths_come_before_what_is_measured(town):
    depths = town.folder / "depths.csv"
    depths.write_text(f"time,depth\n{town.now() - 100},77\n")
    market = MarketSource(UNDERLYING, "TOY", town.prices, depth=1e6, marks=town.prices, depths=depths)
    source = town.source(town.perp(), market=market)
    drive(town, source, 1)
    town.ask(source)
    found = source.snapshot(town.held()).market(UNDERLYING)
    assert found.depths.depth.tolist() == [77.0]
    assert np.all(found.marks_seen.mark == found.marks_seen.index)


def test_a_keeper_posts_on_it(town):
    town.hour()
    town.prices = write_hours(town.folder / "posts.csv", town.now())
    source = town.source(town.perp())
    town.ask(source)
    town.world.source = source
    sequence = town.held().sequence
    found = town.world.keeper().round()
    assert found.posted.ok
    assert town.held().sequence == sequence + 1
    town.stand.fault("gone")
    town.world.chain.advance(3_600)
    town.ask(source)
    down = town.world.keeper().round()
    assert down.posted is None
    assert "needed" in down.error


def test_options_have_the_venues_smile_and_its_forwards_at_the_chains_index(town):
    town.hour()
    town.prices = write_hours(town.folder / "options.csv", town.now())
    expiry = town.stand.expiries[1]
    registry = town.world.system.registry
    strikes = [strike for strike in town.stand.strikes["TOY"] if 80 <= strike <= 120]
    unit = town.held().index[UNDERLYING].strike_unit
    for strike in strikes:
        for kind in (CALL, PUT):
            registry.transact(
                "list_instrument", UNDERLYING, expiry, kind, round(strike * 10**18) // unit, sender=town.world.admin
            )
    town.world.index(101.0)
    source = town.source(town.options(), expiries=(expiry,))
    town.ask(source)
    found = source.snapshot(town.held()).market(UNDERLYING)
    assert UNDERLYING not in source.notes
    assert len(found.implied_vols) == 2 * len(strikes)
    assert all(0.58 < volatility < 0.66 for volatility in found.implied_vols.values())
    tau = (expiry - town.now()) / (365 * DAY)
    assert found.forwards[expiry] == pytest.approx(101.0 * (1 + 0.05 * tau), rel=1e-6)

    town.stand.fault("lie", "deribit")
    town.ask(source)
    lied = source.snapshot(town.held()).market(UNDERLYING)
    assert lied.implied_vols == {}
    assert source.notes[UNDERLYING] == "no chain of options"
    assert lied.index == found.index


def history(volatility):
    draw = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(draw.normal(0, volatility / math.sqrt(8_760), 2_000)))
    return History(np.arange(2_000) * HOUR, close, HOUR)


def chain(volatility, said, now=0):
    """Straddles that cost about `volatility`, marked at `said`."""
    lines = []
    for days in (7, 30):
        side = 0.4 * volatility * math.sqrt(days / 365) * 100
        sides = (100.0, side * 0.98, side * 1.02, said)
        lines += [OptionLine(now + days * DAY, 100.0, call, *sides) for call in (False, True)]
    return lines


def test_a_chain_is_believed_at_any_level_that_markets_have_shown():
    for volatility in (0.2, 0.6, 2.0):
        assert absurd(chain(volatility, volatility), history(0.6), 0) == ""


@pytest.mark.parametrize(
    ("cost", "said", "what"),
    [(6.0, 0.6, "straddles cost 6"), (0.06, 0.6, "straddles"), (0.6, 6.0, "volatilities say")],
)
def test_a_chain_ten_times_off_is_not_believed(cost, said, what):
    assert what in absurd(chain(cost, said), history(0.6), 0)


def test_a_history_without_a_return_holds_no_chain():
    assert "too short" in absurd(chain(0.6, 0.6), History([0], [100.0], HOUR), 0)


def test_a_feed_of_the_chain_and_a_file_are_sources_too(town):
    desk = town.folder / "desk.csv"
    desk.write_text(f"time,price\n{town.now()},100.2\n")
    aggregator = town.world.system.aggregators[UNDERLYING]
    source = town.source(
        {"kind": "chainlink", "address": aggregator.address.lower(), "decimals": 8, "low": 1, "high": 1e6},
        {"kind": "file", "path": desk},
    )
    town.ask(source)
    rows = {row.kind: row for row in source.sources() if row.kind != "spot"}
    assert (rows["chainlink"].price, rows["file"].price) == (PRICE, 100.2)
    assert rows["chainlink"].used
    assert rows["file"].used
    assert source.collector.good(UNDERLYING) == 7


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ({"venue": "kraken"}, "needs symbol"),
        ({}, "needs venue and symbol"),
        ({"kind": "chainlink"}, "needs address"),
        ({"kind": "chainlink", "address": "0x12"}, "address"),
        ({"kind": "file", "path": "a.csv", "venue": "kraken"}, "takes no venue"),
        ({"venue": "a", "symbol": "b", "low": 2, "high": 1}, "low must be under high"),
        ({"venue": "a", "symbol": "b", "kind": "spoof"}, "kind"),
        ({"venue": "a", "symbol": "b", "every": 0}, "every"),
        ({"venue": "a", "symbol": "b", "mispelt": 0}, "mispelt"),
    ],
)
def test_a_source_that_cannot_be_meant_is_refused(source, match):
    with pytest.raises(ValidationError, match=match):
        SourceSettings(**source)


@pytest.mark.parametrize(
    ("sources", "limits", "match"),
    [
        ("aab", {}, "a named twice"),
        ("ab", {}, "2 sources of a price"),
        ("abc", {"minimum": 2}, "greater than or equal to 3"),
        ("abc", {"minimum": 4}, "3 sources of a price; 4"),
        ("abc", {"band": 0}, "band"),
    ],
)
def test_venues_that_cannot_make_a_price_are_refused(sources, limits, match):
    with pytest.raises(ValidationError, match=match):
        VenueSettings(markets={1: [{"venue": name, "symbol": "BTC/USD"} for name in sources]}, **limits)


def test_paths_stand_beside_the_settings_file(tmp_path):
    sources = [{"kind": "file", "path": f"{k}.csv"} for k in range(3)]
    found = VenueSettings(markets={1: sources}).beside(tmp_path)
    assert found.record == tmp_path / "build/venues.db"
    assert found.markets[1][2].path == tmp_path / "2.csv"


def test_a_market_without_venues_has_its_files_and_one_without_a_listing_is_refused(town):
    collector = town.source().collector
    with pytest.raises(SettingsError, match="not among the markets"):
        LiveSource(town.world.system, [], collector, now=town.now)
    market = MarketSource(UNDERLYING, "TOY", town.prices)
    collector.markets[7] = collector.markets[UNDERLYING]
    with pytest.raises(SettingsError, match="share a file"):
        LiveSource(town.world.system, [market, replace(market, underlying=7)], collector, now=town.now)
    del collector.markets[7]


def test_bars_that_hours_do_not_make_are_refused(town):
    path = town.folder / "minutes.csv"
    path.write_text("".join(["time,price\n", *(f"{1_000_000_000 + 300 * k},100\n" for k in range(5))]))
    with pytest.raises(SettingsError, match=r"bars of 300 s in minutes\.csv"):
        town.source(market=MarketSource(UNDERLYING, "TOY", path))

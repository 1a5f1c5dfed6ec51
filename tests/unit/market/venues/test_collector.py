"""The collector over the stand-in, through ccxt: whatever one venue does, the price is the same and a row says why."""

import json
import socket
import threading
import time

import pytest

from plimsoll.market.venues.answers import mark_of
from plimsoll.market.venues.collector import CollectedMarket, Collector, Poller
from plimsoll.market.venues.errors import RecordError, VenueBusyError, VenueSettingError
from plimsoll.market.venues.exchange import ExchangeConfig, ExchangeVenue
from plimsoll.market.venues.file import FilePrice
from plimsoll.market.venues.record import Record, ReplayVenues
from plimsoll.market.venues.rules import Rules, SourceRule
from plimsoll.simulate.venues import FAULTS, VenueStandIn

from .conftest import HOUR, PERPS, SPOT, Clock, answer, rules_of

MARKET = 257


class World:
    """Five spot venues at one stand-in, where wanted a perpetual and a chain, and their collector."""

    def __init__(self, folder, clock=None, stand=None, *, derivatives=False, **collected):
        self.clock = clock or Clock()
        self.stand = stand or VenueStandIn(now=self.clock).start()
        self.path = folder / "venues.db"
        named = [(name, symbol, "spot") for name, symbol in SPOT.items()]
        named += [("deribit", PERPS["deribit"], "perp"), ("deribit", "BTC", "option")] if derivatives else []
        self.rules = Rules(tuple(SourceRule(self.called(n, kind), kind, 60) for n, _, kind in named))
        self.collector = Collector(
            [
                CollectedMarket(
                    MARKET,
                    self.rules,
                    tuple(Poller(self.maker(*one), 0.05, 60.0, self.clock) for one in named),
                )
            ],
            Record(self.path),
            every=0.05,
            now=self.clock,
            **collected,
        )

    @staticmethod
    def called(name, kind):
        return name if kind == "spot" else f"{name} {kind}"

    def maker(self, name, symbol, kind):
        config = ExchangeConfig(name, symbol, kind, self.stand.url_of(name), deadline=20.0)
        return lambda: ExchangeVenue(self.called(name, kind), config, self.clock)

    @property
    def pollers(self):
        return {poller.name: poller for poller in self.collector.markets[MARKET].pollers}

    def ask(self):
        """Ask everybody once, all at the same time, and judge."""
        threads = [threading.Thread(target=poller.ask) for poller in self.pollers.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.collector.round(MARKET)

    def row(self, name):
        return next(row for row in self.collector.rows({MARKET: "BTC"}) if row.name == name)

    def close(self):
        self.collector.stop()
        self.stand.stop()


@pytest.fixture
def world(tmp_path):
    found = World(tmp_path)
    yield found
    found.close()


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A world that tests share which leave it as it was."""
    found = World(tmp_path_factory.mktemp("town"))
    yield found
    found.close()


def test_all_venues_make_the_price_depth_mark_and_chain(tmp_path):
    world = World(tmp_path, derivatives=True)
    said = world.ask()
    assert said.price == pytest.approx(60_000.0, rel=1e-9)
    assert set(said.used) == set(SPOT)
    assert said.depth == pytest.approx(57.8, abs=0.1)
    assert said.mark == pytest.approx(60_012.0)
    assert len(said.chain) == 36
    assert said.chosen == ("deribit perp", "deribit option")
    row = world.row("kraken")
    assert (row.market, row.kind, row.used, row.dropped, row.failures) == ("BTC", "spot", True, "", 0)
    assert row.price == pytest.approx(60_000.0)
    world.stand.fault("lie", "deribit")
    lied = world.ask()
    assert (lied.price, lied.mark, lied.chain) == (said.price, None, ())
    assert "far from" in world.row("deribit perp").dropped
    assert "far from" in world.row("deribit option").dropped
    world.close()


# Kraken sends no stamps, OKX does: what stands still shows at once, or after the time that a book may stand
MISBEHAVING = [("kraken", fault, 61) for fault in sorted(set(FAULTS) - {"none", "future"})]
PATIENCE = {"hang": 0.3, "drip": 0.3}  # [s] deadline of who would answer never, or in minutes
MISBEHAVING += [("okx", "future", 1), ("okx", "freeze", 61), ("okx", "still", 301), ("okx", "lie", 1)]


@pytest.mark.parametrize(("name", "fault", "seconds"), MISBEHAVING)
def test_a_venue_that_misbehaves_changes_nothing_but_its_row(town, name, fault, seconds):
    before = town.ask()
    assert set(before.used) == set(SPOT)
    drops = town.collector.drops.copy()
    session = town.pollers[name].venue._session
    town.stand.fault(fault, name)
    session.seconds = PATIENCE.get(fault, session.seconds)
    town.ask()
    town.clock.advance(seconds)  # what was good before is too old by now
    said = town.ask()
    assert said.price == before.price
    assert set(said.used) == set(SPOT) - {name}
    row = town.row(name)
    assert not row.used
    assert row.dropped
    assert {source for _, source in town.collector.drops - drops} == {name}
    answers = fault in {"lie", "freeze", "still", "future"}  # it is what they say that is wrong
    assert row.failures == (0 if answers else 2)
    town.stand.fault("none", name)
    session.seconds = 20.0
    assert set(town.ask().used) == set(SPOT)
    assert town.row(name).failures == 0


def test_a_short_silence_is_bridged_by_the_last_good_answer(world):
    world.ask()
    world.stand.fault("500", "kraken")
    world.clock.advance(30)
    said = world.ask()
    assert "kraken" in said.used
    assert world.row("kraken").failures == 1


def test_with_too_few_venues_left_there_is_no_price_and_with_them_back_there_is(world):
    world.ask()
    for name in ("kraken", "okx", "bitstamp"):
        world.stand.fault("gone", name)
    world.clock.advance(61)
    said = world.ask()
    assert said.price is None
    assert "2 of 2 sources left, 3 needed" in said.why
    assert world.collector.good(MARKET) == 0
    world.stand.fault("none")
    assert world.ask().price == pytest.approx(60_000.0)
    assert world.collector.good(MARKET) == 5


def test_what_was_judged_live_is_replayed_to_the_byte(world):
    live = []
    for step, fault in enumerate(["none", "lie", "freeze", "500", "none"]):
        world.stand.fault(fault, "kraken")
        world.stand.set_price("BTC", 60_000.0 + 37 * step)
        world.clock.advance(25)
        live.append(world.ask().content)
    hours = world.collector.tapes[MARKET].content
    replay = ReplayVenues(world.path)
    again = [(said.content, tape.content) for tape, said in replay.play(MARKET)]
    replay.close()
    assert [content for content, _ in again] == live
    assert again[-1][1] == hours
    assert len(set(live)) == 5


def test_a_restart_remembers_what_stood_still_and_the_hour(tmp_path):
    first = World(tmp_path)
    first.stand.fault("still", "kraken")
    first.ask()
    hours = first.collector.tapes[MARKET].content
    first.collector.stop()
    first.clock.advance(200)
    second = World(tmp_path, first.clock, first.stand)
    assert second.collector.tapes[MARKET].content == hours
    second.ask()
    kraken = second.row("kraken")
    assert kraken.dropped.startswith("2")
    assert kraken.dropped.endswith("s old")
    second.close()


def test_hours_that_nobody_saw_are_asked_of_the_venues(world):
    now = int(world.clock())
    since = (now // HOUR - 30) * HOUR
    world.stand.fault("lie", "okx")
    world.collector.wants(MARKET, since)
    world.ask()  # asks for hours ...
    world.ask()  # ... gives them ...
    world.collector.round(MARKET)  # ... and they are there
    tape = world.collector.tapes[MARKET]
    # the latest hour may not be settled yet
    assert (tape.missing(since, now - 120) or now) >= now - now % HOUR - HOUR
    bars = tape.bars(since, now=now)
    assert len(bars) >= 29
    assert bars.high.max() < 61_000
    replay = ReplayVenues(world.path)
    assert list(replay.play(MARKET))[-1][0].content == tape.content
    replay.close()


def wait_for(condition, seconds=15.0):
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if condition():
            return True
        time.sleep(0.01)
    return False


def test_threads_ask_and_judge_by_themselves_and_end(world):
    before = threading.active_count()
    world.collector.start()
    assert wait_for(lambda: world.collector.good(MARKET) == 5)
    world.stand.set_price("BTC", 61_000.0)
    assert wait_for(lambda: world.collector.latest(MARKET).price == pytest.approx(61_000.0))
    world.collector.stop()
    assert wait_for(lambda: threading.active_count() <= before + 2)  # of the stand-in


def test_a_venue_that_hangs_delays_nobody_and_its_thread_is_left(tmp_path):
    world = World(tmp_path)  # the session's deadline is longer than this test: only leaving the thread helps
    world.pollers["kraken"].deadline = 0.1
    world.collector.start()
    try:
        assert wait_for(lambda: world.collector.good(MARKET) == 5)
        world.stand.fault("hang", "kraken")
        hung = world.pollers["kraken"]
        before = hung._number
        assert wait_for(lambda: hung._number > before)
        assert "no answer for" in hung.state.trouble
        world.stand.set_price("BTC", 61_000.0)
        assert wait_for(lambda: world.collector.latest(MARKET).price == pytest.approx(61_000.0))
        world.stand.fault("none")
        assert wait_for(lambda: hung.state.failures == 0)
    finally:
        world.close()


class Odd:
    """A source that raises what it is told to."""

    kind = "spot"

    def __init__(self, name, error=None):
        self.name, self.error, self.asked = name, error, 0

    def ask(self):
        self.asked += 1
        if self.error is not None:
            raise self.error
        return answer(self.name, 100.0, int(time.time()))

    def hours(self, since, until):
        raise self.error or ValueError((since, until))

    def close(self):
        pass


@pytest.mark.parametrize(
    "error", [RuntimeError("x"), RecursionError(), MemoryError(), KeyError("k"), socket.gaierror(), AssertionError()]
)
def test_nothing_that_a_source_raises_ends_the_collector(error):
    sources = [Odd("s0", error), *(Odd(f"s{k}") for k in range(1, 4))]
    pollers = tuple(Poller(lambda s=s: s, 0.01, 1.0) for s in sources)
    collector = Collector([CollectedMarket(1, rules_of(4), pollers)], every=0.01)
    collector.start()
    assert wait_for(lambda: sources[0].asked >= 3 and collector.good(1) == 3)
    assert type(error).__name__ in collector.rows()[0].dropped
    collector.stop()


def test_a_source_that_errs_is_asked_less_often():
    source = Odd("s0", ValueError("x"))
    poller = Poller(lambda: source, 10.0, 1.0)
    pauses = []
    for _ in range(6):
        pauses.append(poller.pause)
        poller.ask()
    assert pauses == [10, 10, 10, 20, 40, 40]
    source.error = VenueBusyError("429")
    poller.ask()
    assert poller.pause == 80
    source.error = None
    poller.ask()
    assert poller.pause == 10


def test_a_disk_that_is_full_is_said_and_ends_nothing(world, monkeypatch):
    world.ask()

    def full(*_):
        raise RecordError("record: disk full")

    monkeypatch.setattr(world.collector.record, "append", full)
    world.stand.set_price("BTC", 61_000.0)
    for poller in world.pollers.values():
        poller.ask()
    world.collector.collect()
    assert world.collector.latest(MARKET).price == pytest.approx(61_000.0)
    assert "disk full" in world.collector.trouble
    assert world.collector.troubles == 1
    monkeypatch.undo()


def test_rounds_are_forgotten_after_the_days_that_are_kept(tmp_path):
    world = World(tmp_path, keep=86_400)
    world.ask()
    world.clock.advance(3 * 86_400)
    world.collector.collect()
    replay = ReplayVenues(world.path)
    assert len(list(replay.rounds(MARKET))) == 1
    replay.close()
    world.close()


def test_who_is_asked_must_be_who_is_judged():
    poller = Poller(lambda: Odd("s0"), 1.0, 1.0)
    with pytest.raises(VenueSettingError, match="rules for"):
        CollectedMarket(1, rules_of(3), (poller,))


def test_a_file_is_a_source_beside_exchanges(tmp_path, clock):
    path = tmp_path / "desk.csv"
    path.write_text(f"time,price\n{int(clock())},60001.5\n")
    found = FilePrice("desk", path, clock).ask()
    assert (found.price, found.stamp, found.kind) == (60_001.5, int(found.received), "file")
    assert found.content == mark_of([60_001.5])


def test_the_stand_in_takes_commands_as_a_process_does(stand):
    with socket.create_connection(("127.0.0.1", int(stand.url.rsplit(":", 1)[1]))) as connection:
        body = json.dumps({"price": {"BTC/USD": 1_000}, "fault": "lie", "venue": "okx"}).encode()
        connection.sendall(b"POST /control HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        assert b" 200 " in connection.recv(100)
    assert stand.fault_of("okx") == "lie"
    assert stand.view("okx").prices["BTC"] == 10_000
    assert stand.view("kraken").prices["BTC"] == 60_000

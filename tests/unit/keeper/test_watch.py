"""Responsiveness with every report: in the journal, on the monitor, and through a restart."""

from dataclasses import dataclass

from plimsoll.keeper.archive import Archive
from plimsoll.keeper.journal import Journal
from plimsoll.keeper.sources import FeedSource, MarketSource
from plimsoll.keeper.watch import KIND, LONGEST, ResponsivenessWatch, recent
from plimsoll.risk.errors import ModelError

from .conftest import START, UNDERLYING

DAY = 86_400


@dataclass
class Said:
    """What a built report says, as far as the watch looks."""

    market_time: int
    psr: int
    forecast_psr: int

    @property
    def report(self):
        return self

    @property
    def forecasts(self):
        return {UNDERLYING: self}


def test_every_posted_report_says_how_it_answers(world):
    keeper = world.keeper()
    assert keeper.round().posted.ok
    world.chain.advance(3_600)
    assert keeper.round().posted.ok
    lines = world.recorder.of(KIND)
    assert [line["underlying"] for line in lines] == [UNDERLYING] * 2
    assert [answer["days"] for answer in lines[-1]["answers"]] == [1, 5, 30]
    assert lines[-1]["psr"] == world.reader.read().surfaces[UNDERLYING, 0].psr
    assert keeper.metrics.lag.labels(str(UNDERLYING))._value.get() == lines[-1]["lag"]
    assert keeper.metrics.margin_rise.labels(str(UNDERLYING), "30")._value.get() == lines[-1]["answers"][2]["margin"]


def test_depths_that_grew_old_are_seen(world):
    """A file that nobody keeps current any more falls back to the stated depth: not without a sign."""
    depths = world.folder / "depth.csv"
    rows = [f"{START - 6 * 3_600 * k},{1_000 + k}" for k in range(40, 0, -1)]
    depths.write_text("timestamp,depth\n" + "\n".join(rows) + "\n")
    world.source = FeedSource(world.system, [MarketSource(UNDERLYING, "TOY", world.prices, depth=1e6, depths=depths)])
    keeper = world.keeper()
    gauge = keeper.metrics.depths.labels(str(UNDERLYING))
    assert keeper.round().posted.ok
    assert (world.recorder.of(KIND)[-1]["observations"], gauge._value.get()) == (40, 40)
    world.chain.advance(3 * DAY)
    assert keeper.round().posted.ok
    line = world.recorder.of(KIND)[-1]
    assert (line["observations"], gauge._value.get()) == (0, 0)
    assert (line["thin"], line["crowded"], line["funding"]) == (1.0, 1.0, 0)


def test_a_month_survives_a_restart_and_no_more(world):
    lines = [
        {"kind": "note", "time": 1},
        {"kind": KIND, "time": 1_000, "underlying": UNDERLYING, "psr": 10_000, "forecast": 10_000},
        {"kind": KIND, "time": 20 * DAY, "underlying": UNDERLYING, "psr": 50_000, "forecast": 60_000},
        {"kind": KIND, "time": 60 * DAY, "underlying": UNDERLYING, "psr": 1, "forecast": 1},  # of another chain
    ]
    watch = ResponsivenessWatch(lines)
    found = watch.posted(Said(40 * DAY, 75_000, 75_000))[UNDERLYING]
    assert found.answers[2].margin == 0.5
    assert found.answers[0].margin == 0.0
    again = watch.posted(Said(41 * DAY, 150_000, 150_000))[UNDERLYING]
    assert [round(answer.margin, 9) for answer in again.answers] == [1.0, 1.0, 2.0]


def test_a_journal_in_which_time_went_back_does_not_stop_it():
    times = (10 * DAY, 11 * DAY, 2 * DAY, 3 * DAY)
    lines = [{"kind": KIND, "time": t, "underlying": UNDERLYING, "psr": 10_000, "forecast": 10_000} for t in times]
    found = ResponsivenessWatch(lines).posted(Said(4 * DAY, 20_000, 20_000))[UNDERLYING]
    assert [answer.margin for answer in found.answers] == [1.0, 1.0, 1.0]


def test_a_watch_that_fails_takes_nothing_from_the_post(world):
    class Failing(ResponsivenessWatch):
        def posted(self, built):
            raise ModelError("out of order")

    keeper = world.keeper()
    keeper.archive, keeper.watch = Archive(world.folder / "reports"), Failing()
    noted = []
    keeper.archive.posted = lambda *said: noted.append(said)
    found = keeper.round()
    assert found.posted.ok
    assert noted == [(found.posted.digest, found.posted.transaction)]
    assert found.error == "ModelError: out of order"
    assert world.reader.read().sequence == found.posted.sequence


def test_of_years_of_lines_a_start_reads_a_month(tmp_path):
    journal = Journal(tmp_path / "keeper.db")
    assert recent(journal) == []
    for days in (800, 31, 30, 1, 0):
        fields = {"underlying": UNDERLYING, "psr": 1, "forecast": 1}
        journal.record(KIND, START - days * DAY, **fields)
        journal.record("posted", START - days * DAY)
    assert [START - line["time"] for line in recent(journal)] == [LONGEST, DAY, 0]

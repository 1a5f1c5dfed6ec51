"""The replay: a crash through the real contracts, and what it says when chain and spec differ."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from plimsoll.market.bars import Bars
from plimsoll.market.errors import EmptyRangeError
from plimsoll.market.sources import load_bars, load_sp500
from plimsoll.report.page import replay_page
from plimsoll.report.plots import replay_figure, to_png
from plimsoll.report.summary import summarise
from plimsoll.report.tables import rows
from plimsoll.simulate import agreement
from plimsoll.simulate.errors import SimulationError
from plimsoll.simulate.nodes import LIES, Story
from plimsoll.simulate.replay import Replay, ReplayConfig, ReplayMarket
from plimsoll.simulate.traders import Reaction, Trader, cast
from plimsoll.spec.margin import assess

HOUR = 3_600


def at(*day):
    return int(datetime(*day, tzinfo=UTC).timestamp())


def calm_then_crash(hours=600, crash=12, fall=0.25):
    """Hourly bars that wiggle, then fall by a quarter within half a day, every low under its close."""
    rng = np.random.default_rng(7)
    close = 1_000 * np.exp(np.cumsum(rng.normal(0, 0.004, hours)))
    close = np.append(close, close[-1] * np.linspace(1, 1 - fall, crash + 1)[1:])
    open_ = np.append(close[0], close[:-1])
    high, low = np.maximum(open_, close) * 1.001, np.minimum(open_, close) * 0.999
    time = at(2024, 1, 1) + HOUR * np.arange(len(close), dtype=np.int64)
    return Bars(time, open_, high, low, close, np.ones(len(close)), HOUR, "made")


@pytest.fixture(scope="module")
def crash():
    """The outcome of a made crash, and the events in the order they were told."""
    bars = calm_then_crash()
    told, progress = [], []
    replay = Replay(
        [ReplayMarket("TOY", bars)],
        ReplayConfig(int(bars.time[-18]), int(bars.time[-1]) + 1, per_leg=1),
        on_event=told.append,
        on_progress=lambda share, _: progress.append(share),
    )
    return replay.run(), told, progress


@pytest.mark.slow
def test_chain_and_spec_agree_and_money_is_conserved(crash):
    outcome, _, _ = crash
    assert outcome.mismatches == []
    assert outcome.comparisons >= outcome.reports * len(outcome.accounts) > 0
    assert outcome.conserved
    assert outcome.ok


@pytest.mark.slow
def test_the_crash_has_its_story(crash):
    outcome, told, progress = crash
    stories = {story.name: story for story in outcome.accounts.values()}
    assert outcome.events == told
    assert {"called", "auction", "liquidated", "recovered"} <= {event.kind for event in told}
    assert stories["TOY reckless long"].bids > 0
    assert stories["TOY hedged pair"].calls == stories["TOY hedged pair"].bids == 0
    assert stories["TOY cautious long"].bids == 0
    assert stories["TOY cautious short"].equity > stories["TOY cautious short"].funded
    assert outcome.liquidated > 0
    assert outcome.bidder_profit > 0
    assert progress == sorted(progress)
    assert progress[-1] == 1.0
    (samples,) = outcome.samples.values()
    assert max(s.mm for s in samples) > samples[0].mm


@pytest.mark.slow
def test_a_replay_repeats_to_the_last_unit(crash):
    bars = calm_then_crash()
    again = Replay(
        [ReplayMarket("TOY", bars)], ReplayConfig(int(bars.time[-18]), int(bars.time[-1]) + 1, per_leg=1)
    ).run()
    assert summarise(again) == summarise(crash[0])


@pytest.mark.slow
def test_page_and_picture_hold_everything_themselves(crash):
    summary = summarise(crash[0])
    png = to_png(replay_figure(crash[0]))
    assert png.startswith(b"\x89PNG")
    page = replay_page(summary, png)
    assert 'src="data:image/png;base64,' in page
    assert "http" not in page
    for story in summary["stories"]:
        assert story["name"] in page


@pytest.mark.slow
def test_a_node_that_lies_changes_nothing():
    """Three nodes as processes: while one lies, by every way it has, the other two go on, and nobody believes it."""
    bars = calm_then_crash(crash=3, fall=0.05)
    replay = Replay(
        [ReplayMarket("TOY", bars)],
        ReplayConfig(int(bars.time[-6]), int(bars.time[-1]) + 1, per_leg=1, nodes=True),
        traders=cast(["TOY"])[:2],
    )
    outcome = replay.run()
    story = outcome.nodes
    assert outcome.ok
    assert (story.nodes, story.quorum) == (3, 2)
    assert story.reports_before + story.reports_after == outcome.reports
    assert story.reports_before > 0
    assert story.told == story.reports_after >= len(LIES)
    assert (story.cosigned, story.believed, story.unsigned, outcome.failed_rounds) == (0, 0, 0, 0)
    assert sum(story.refused.values()) == 2 * story.told
    assert {"oracle: below quorum", "oracle: signers not ascending"} <= set(story.refused)
    lies = [event.text for event in outcome.events if event.kind == "lie"]
    assert [text.split(";")[0] for text in lies] == [kind for kind, _ in LIES]
    for text, what in zip(lies, ("psr of underlying", "lane of underlying", "mark of underlying"), strict=True):
        assert f"refuses: {what}" in text
        assert ": own " in text
        assert ", proposed " in text
    said = dict(rows(summarise(outcome)))
    assert said["  co-signed by an honest node"] == said["  believed by the chain"] == "0"
    assert not any(process.is_alive() for process in replay._cast._processes)


def test_a_lie_that_got_through_fails_the_replay(crash):
    outcome, _, _ = crash
    for name in ("cosigned", "believed"):
        told = replace(outcome, nodes=Story(3, 2, 0, **{name: 1}))
        assert not told.ok


def test_a_difference_is_seen(monkeypatch):
    """A twin that is off by one unit of MM is told apart at every account that needs margin."""
    bars = calm_then_crash(crash=1, fall=0.0)
    replay = Replay(
        [ReplayMarket("TOY", bars)],
        ReplayConfig(int(bars.time[-1]), int(bars.time[-1]) + 1, per_leg=1),
        traders=cast(["TOY"])[:2],
    )

    def off_by_one(words, ledger, view):
        found = assess(words, ledger, view)
        return type(found)(
            found.equity_haircut, found.equity_full, found.mm + 1, found.im, found.call_line, found.fresh
        )

    monkeypatch.setattr(agreement, "assess", off_by_one)
    outcome = replay.run()
    assert not outcome.ok
    assert len(outcome.mismatches) == outcome.comparisons


def test_the_cast_is_funded_over_its_margin():
    for trader in cast(["A", "B"]):
        assert isinstance(trader, Trader)
        assert trader.funding >= 1
        assert (trader.wallet > 0) == (trader.reaction in {Reaction.TOPS_UP, Reaction.MANDATED})
    names = [trader.name for trader in cast(["A", "B"])]
    assert len(set(names)) == len(names)


def test_ranges_that_make_no_replay():
    bars = calm_then_crash(hours=50)
    with pytest.raises(EmptyRangeError):
        Replay([ReplayMarket("TOY", bars)], ReplayConfig(at(2030, 1, 1), at(2030, 2, 1)))
    with pytest.raises(SimulationError, match="no history"):
        Replay([ReplayMarket("TOY", bars)], ReplayConfig(int(bars.time[0]), int(bars.time[9])))
    with pytest.raises(SimulationError, match="one to four"):
        Replay([], ReplayConfig(0, 1))


@pytest.mark.slow
def test_a_week_of_october_2008():
    outcome = Replay(
        [ReplayMarket("SPX", load_sp500())],
        ReplayConfig(at(2008, 10, 6), at(2008, 10, 11), at(2003, 1, 1)),
    ).run()
    assert outcome.ok
    assert outcome.called > 0
    assert outcome.bad_debt == 0


@pytest.mark.long
@pytest.mark.data
def test_march_2020(data_folder):
    markets = [
        ReplayMarket(name.upper(), load_bars(data_folder / f"{name}_usdt_spot_1h.csv.gz")) for name in ("btc", "eth")
    ]
    outcome = Replay(markets, ReplayConfig(at(2020, 3, 12), at(2020, 3, 13, 12), at(2019, 6, 1))).run()
    assert outcome.ok
    assert outcome.liquidated > 0
    lowest = [min(point.prices[u] for point in outcome.path) for u in outcome.markets]
    assert lowest == pytest.approx([3_782.13, 86.0], rel=1e-9)

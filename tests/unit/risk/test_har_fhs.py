"""`HarFhs`: the model that back-tests best, as an engine runs it."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from plimsoll.backtest.walk import har_fhs
from plimsoll.market.bars import Bars
from plimsoll.market.errors import SnapshotError
from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.risk.engine import Engine
from plimsoll.risk.errors import ModelError, ReturnError, TooFewObservationsError
from plimsoll.risk.har import HarConfig
from plimsoll.risk.models import EwmaFhs, EwmaFhsConfig, HarFhs, HarFhsConfig, RiskModel
from plimsoll.risk.named import made, recalled
from plimsoll.spec.instruments import PERP, Instrument

HOUR = 3_600
START = 1_600_041_600
UNDERLYING = 0x0101
PERPETUAL = Instrument(UNDERLYING, 0, PERP, 0, 0).pack()


def bars_of(days, seed=1):
    source = np.random.default_rng(seed)
    n = days * 24
    wander = np.zeros(n)
    for t in range(1, n):
        wander[t] = 0.98 * wander[t - 1] + 0.15 * source.standard_normal()
    close = 100 * np.exp(np.cumsum(0.004 * np.exp(wander) * source.standard_t(5, n)))
    opened = np.concatenate(([100.0], close[:-1]))
    high, low = np.maximum(opened, close) * 1.002, np.minimum(opened, close) * 0.998
    return Bars(START + np.arange(n) * HOUR, opened, high, low, close, np.zeros(n), HOUR)


def snapshot_of(history):
    end = int(history.time[-1]) + history.interval
    return Snapshot(end, (Market(UNDERLYING, float(history.close[-1]), history, (PERPETUAL,)),))


@pytest.fixture(scope="module")
def bars():
    return bars_of(260)


@pytest.fixture(scope="module")
def snapshot(bars):
    return snapshot_of(History.from_bars(bars, ranges=True))


def test_it_says_what_the_backtest_judges(bars):
    """At a close where the back-test has just read its tails, both are one number; the back-test's first bar is open
    to close, which a history of closes does not have."""
    shifted = bars.take(slice(1, None))
    first = 120 * 24 + 60 * 24 + 100 + 8
    at = first + 7 * 24 * ((len(shifted) - first) // (7 * 24))
    walked = har_fhs(shifted, 8, 0.99)
    history = History.from_bars(bars.take(slice(0, at + 1)), ranges=True)
    assert history.close[0] == shifted.open[0]
    model = HarFhs(HarFhsConfig(horizon=8 * HOUR, psr_floor=0.0001))
    _, wanted, tail = model.forecast(snapshot_of(history).markets[0])
    assert wanted == pytest.approx(max(walked.down[at], walked.up[at]), rel=1e-12)
    assert tail.method == "historical"


def test_an_engine_posts_it_and_the_same_bytes_again(snapshot):
    engine = Engine(HarFhs())
    built = engine.report(snapshot)
    assert built.forecasts[UNDERLYING].psr == built.forecasts[UNDERLYING].forecast_psr
    assert 0.05 < built.summary[UNDERLYING].mm < 0.5
    again = Engine(HarFhs()).report(Snapshot.parse(snapshot.content))
    assert (again.report, again.codes) == (built.report, built.codes)
    nxt = engine.report(replace(snapshot, market_time=snapshot.market_time + 60), built.state)
    assert nxt.report.sequence == 2


def test_without_ranges_it_uses_closes_alone(bars, snapshot):
    closes = snapshot_of(History.from_bars(bars))
    one, other = (HarFhs().assess(found)[UNDERLYING].forecast_psr for found in (closes, snapshot))
    assert one != other
    assert one == pytest.approx(other, rel=0.5)


def test_a_wilder_market_needs_more(bars):
    wild = bars.close.copy()
    moves = np.diff(np.log(wild))
    moves[-48:] *= 6
    wild[1:] = wild[0] * np.exp(np.cumsum(moves))
    calm = HarFhs().assess(snapshot_of(History.from_bars(bars)))[UNDERLYING]
    found = HarFhs().assess(snapshot_of(History(bars.time, wild, HOUR)))[UNDERLYING]
    assert found.forecast_psr > 1.3 * calm.forecast_psr


def test_parameters_are_all_it_is_made_of():
    config = HarFhsConfig(horizon=8 * HOUR, level=0.995, har=HarConfig(weight=0.5, half_lives=(0.5, 2.0)), settle=0)
    model = HarFhs(config)
    assert isinstance(model, RiskModel)
    found = recalled("har-fhs", "2", json.loads(json.dumps(model.parameters)))
    assert isinstance(found, HarFhs)
    assert found.config == config
    assert found.parameters == asdict(config)
    broken = json.loads(json.dumps(model.parameters))
    broken["har"]["weight"] = 7
    with pytest.raises(ModelError, match=r"weight 7; 0\.01 \.\. 1 is right"):
        made("har-fhs", broken)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"settle": -1}, "settle -1"), ({"level": 0.2}, "level"), ({"measure": "worst"}, "measure")],
)
def test_parameters_out_of_range_have_a_name(change, said):
    with pytest.raises(ModelError, match=said):
        HarFhsConfig(**change)


def test_histories_that_say_too_little_have_a_name(bars):
    for days, said in ((100, "underlying 257: 2399 returns, at least"), (181, "underlying 257, residuals: ")):
        short = snapshot_of(History.from_bars(bars.take(slice(0, days * 24))))
        with pytest.raises(TooFewObservationsError, match=said):
            HarFhs(HarFhsConfig(young=None)).assess(short)
        assert HarFhs().assess(short)[UNDERLYING] == EwmaFhs().assess(short)[UNDERLYING]
    still = History(bars.time, np.full(len(bars), 100.0), HOUR)
    with pytest.raises(ReturnError, match="underlying 257: its price does not move"):
        HarFhs().assess(snapshot_of(still))


def test_a_young_market_is_measured_over_the_same_horizon_at_the_same_level(bars):
    short = snapshot_of(History.from_bars(bars.take(slice(0, 100 * 24))))
    asked = {"horizon": 8 * HOUR, "level": 0.975}
    found = HarFhs(HarFhsConfig(**asked)).assess(short)[UNDERLYING]
    assert found == EwmaFhs(EwmaFhsConfig(**asked)).assess(short)[UNDERLYING]
    assert found.forecast_psr < HarFhs().assess(short)[UNDERLYING].forecast_psr


def test_a_history_is_forecast_once_and_a_longer_one_anew(bars, snapshot, monkeypatch):
    model, made = HarFhs(), []
    real = HarFhs._path
    monkeypatch.setattr(HarFhs, "_path", lambda self, *args: made.append(args) or real(self, *args))
    first = model.assess(snapshot)
    later = replace(snapshot, market_time=snapshot.market_time + 60)
    assert model.assess(Snapshot.parse(later.content)) == first
    assert len(made) == 1
    one_less = snapshot_of(History.from_bars(bars.take(slice(0, len(bars) - 1)), ranges=True))
    assert model.assess(one_less) == HarFhs().assess(one_less)
    assert len(made) == 3
    for k in range(70):
        model._known_path(replace(snapshot.markets[0], underlying=UNDERLYING, name=str(k)), 2 + k, "here")
    assert len(model._paths) <= 64


def test_highs_and_lows_are_kept_in_a_snapshot_and_checked(bars, snapshot):
    history = Snapshot.parse(snapshot.content).markets[0].history
    assert np.array_equal(history.high, bars.high)
    assert np.array_equal(history.low, bars.low)
    assert history.ranges == pytest.approx(np.log(bars.high[1:] / bars.low[1:]))
    assert "high" not in snapshot_of(History.from_bars(bars)).markets[0].to_json()["history"]
    assert History.from_bars(bars).ranges is None
    time, close, high, low = bars.time[:3], bars.close[:3], bars.high[:3], bars.low[:3]
    for extremes, said in (
        ((high, None), "high or low alone"),
        ((None, low), "high or low alone"),
        ((high[:2], low), r"highs \(2,\)"),
        ((low, high), "0 < low <= close <= high"),
        ((high * np.inf, low), "0 < low <= close <= high"),
        ((high, -low), "0 < low <= close <= high"),
    ):
        with pytest.raises(SnapshotError, match=said):
            History(time, close, HOUR, *extremes)

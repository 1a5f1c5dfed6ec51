"""The margin as enforced: the functions of the engine and the chain, over a history."""

from dataclasses import replace

import numpy as np
import pytest

from plimsoll.backtest.enforced import CONFIG, UNDERLYING, enforce, enforced_record, perpetual_rate
from plimsoll.backtest.errors import BacktestError
from plimsoll.backtest.walk import Margins
from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.risk.conformance import history_of
from plimsoll.risk.engine import Engine
from plimsoll.risk.limits import Rails
from plimsoll.risk.models import GlideConfig, HarFhs, HarFhsConfig
from plimsoll.spec.guardrails import Scenarios
from plimsoll.spec.instruments import PERP, Instrument
from plimsoll.spec.wad import PPM

HOUR = 3_600
PERPETUAL = Instrument(UNDERLYING, 0, PERP, 0, 0).pack()


def stated(path):
    """A model's margins as given, both sides."""
    return Margins(np.asarray(path, dtype=float), np.asarray(path, dtype=float))


class Told(HarFhs):
    """A model whose forecast is told it."""

    name = "told"
    wanted = 0.1

    def forecast(self, market):
        sigma, _, tail = HarFhs().forecast(market)
        return sigma, self.wanted, tail


@pytest.fixture(scope="module")
def bars():
    return history_of(21, days=200)


def test_what_is_enforced_is_what_an_engine_posts_report_by_report(bars):
    """The same ranges through engine, glide and guardrails, one report an hour: posted range, MM and IM agree."""
    source = np.random.default_rng(5)
    path = np.full(len(bars) + 1, np.nan)
    path[-40:] = 0.08 * np.exp(np.cumsum(0.15 * source.standard_normal(40)))
    found = enforce(bars, stated(path))
    model, rails, state = Told(CONFIG), Rails(), None
    for t in range(found.first, len(path)):
        model.wanted = float(path[t])
        known = bars.take(slice(0, t))
        now = int(known.time[-1]) + HOUR
        market = Market(UNDERLYING, 100.0, History.from_bars(known), (PERPETUAL,), depth=1e6)
        built = Engine(model).report(Snapshot(now, (market,)), state, rails=rails)
        rate, forecast = built.summary[UNDERLYING], built.forecasts[UNDERLYING]
        assert found.psr[t] == forecast.psr
        assert found.mm[t] == pytest.approx(rate.mm, abs=2e-6)
        assert found.im[t] == pytest.approx(rate.im, rel=2e-5)
        state = built.state
        stands = Scenarios(forecast.psr, forecast.vol_up, forecast.vol_down, time=now, scalars_time=now)
        rails = replace(rails, sets={UNDERLYING: stands}, scalars={UNDERLYING: forecast.scalars})
    assert len(set(found.psr[-40:].tolist())) > 30


def test_a_jump_is_glided_to_and_im_pays_it_at_once(bars):
    path = np.full(len(bars) + 1, np.nan)
    path[2_000:3_000], path[3_000:] = 0.05, 0.15
    found = enforce(bars, stated(path))
    assert found.first == 2_000
    assert not found.psr[:2_000].any()
    assert found.psr[2_999] == 50_000
    assert found.psr[3_000] == 52_500
    rises = found.psr[3_001:3_023] / found.psr[3_000:3_022]
    assert rises.max() <= 1.05
    assert found.psr[3_100] == 150_000
    assert found.im[3_000] >= 0.15
    assert (found.im[2_000:] > 1.1 * found.mm[2_000:]).all()


def test_a_report_alone_liquidates_nobody_and_without_a_glide_it_would(bars):
    source = np.random.default_rng(7)
    path = np.full(len(bars) + 1, np.nan)
    path[1_000:] = np.clip(0.06 * np.exp(0.3 * source.standard_normal(len(bars) - 999)), 0.01, 0.5)
    level = {"horizon": HOUR, "level": 0.99}
    long = history_of(22, days=800)
    wide = np.resize(path[1_000:], len(long) + 1)
    glided = enforced_record("A", "told", long, enforce(long, stated(wide)), **level)
    assert (glided.liquidating, glided.calling) == (0, 0)
    assert glided.liquidating_unglided > 1_000
    assert glided.furthest > 1.1
    assert 0 < glided.behind < 1
    hasty = HarFhsConfig(psr_floor=0.01, glide=GlideConfig(max_rise=50, max_fall=50, max_step=50))
    held = enforced_record("A", "told", long, enforce(long, stated(wide), hasty), **level)
    assert held.liquidating == 0  # the guardrails alone hold a rise an hour to 5 %
    assert held.record.cells[0].average != glided.record.cells[0].average


def test_where_the_glide_is_lost_it_is_seen(bars, monkeypatch):
    """The count finds what it is there for: guardrails and glide that let everything pass."""
    monkeypatch.setattr("plimsoll.backtest.enforced.glide", lambda target, *_: target)
    monkeypatch.setattr(Rails, "hold_forecast", lambda _, forecast, __: forecast)
    long = history_of(22, days=800)
    path = np.where(np.arange(len(long) + 1) // 500 % 2, 0.05, 0.06)
    found = enforced_record("A", "told", long, enforce(long, stated(path)), HOUR)
    assert found.liquidating == found.liquidating_unglided > 0


@pytest.mark.parametrize("psr", [10_000, 31_234, 99_999, 327_000, 328_000, 800_000])
def test_a_perpetuals_scan_and_charge_are_rounded_against_it(psr):
    scan, gross = perpetual_rate(psr)
    unit = 1e-5 if psr < 327_670 else 1e-4
    assert scan == pytest.approx(psr / PPM, abs=unit / 2 + 1e-12)
    assert gross >= 0.02 * psr / PPM + 0.0002


def test_a_model_that_says_nothing_has_a_name(bars):
    path = np.full(len(bars) + 1, np.nan)
    with pytest.raises(BacktestError, match="says nothing at any close"):
        enforce(bars, stated(path))
    path[100:200] = 0.1
    with pytest.raises(BacktestError, match="falls silent"):
        enforce(bars, stated(path))

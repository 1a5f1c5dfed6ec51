from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.market.snapshot import Snapshot
from plimsoll.risk.errors import ModelError, ReturnError, TooFewObservationsError
from plimsoll.risk.models import EwmaFhs, EwmaFhsConfig, GlideConfig, Posted, RiskModel, State, glide
from plimsoll.risk.procyclicality import Damping
from plimsoll.risk.volatility import ewma_variance, fhs_tail
from plimsoll.spec.margin import ClassOffset
from plimsoll.spec.report import pack_scalars, unpack_scalars

LIMITS = GlideConfig(max_rise=0.05, max_fall=0.02, max_step=0.08)


def test_is_a_risk_model():
    assert isinstance(EwmaFhs(), RiskModel)


def test_scan_range_is_tail_times_volatility(make_market, now):
    market = make_market()
    config = EwmaFhsConfig(damping=Damping())
    found = EwmaFhs(config).assess(Snapshot(now, (market,)))[256]
    returns = market.history.returns
    variance = ewma_variance(returns, 0.94)
    tail = fhs_tail(returns, variance)
    sigma = float(np.sqrt(variance[-1]))
    assert found.sigma == pytest.approx(sigma)
    assert found.volatility == pytest.approx(sigma * np.sqrt(365))
    down, up = 1 - np.exp(-tail.shortfall_down * sigma), np.exp(tail.shortfall_up * sigma) - 1
    assert found.psr == found.forecast_psr == round(max(down, up) * 1e6)
    assert found.tail == tail
    assert found.im_factor == 1_250_000
    quantile = EwmaFhs(replace(config, measure="quantile")).assess(Snapshot(now, (market,)))[256]
    assert quantile.psr < found.psr


def test_stress_weight_keeps_the_calm_from_forgetting(make_market, now, make_returns):
    returns = np.concatenate((make_returns(500, 5, 0.06), make_returns(200, 6, 0.01)))
    snapshot = Snapshot(now, (make_market(returns=returns),))
    psr = [EwmaFhs(EwmaFhsConfig(damping=Damping(stress_weight=w))).assess(snapshot)[256].psr for w in (0.0, 0.25, 0.5)]
    assert psr[0] < psr[1] < psr[2]


def test_floor_and_cap(make_market, now, make_returns):
    calm = Snapshot(now, (make_market(returns=make_returns(600, 7, 1e-4)),))
    wild = Snapshot(now, (make_market(returns=make_returns(600, 7, 0.9)),))
    assert EwmaFhs().assess(calm)[256].psr == 30_000
    assert EwmaFhs().assess(wild)[256].psr == 900_000


def test_hourly_bars_say_the_same_of_a_day_as_daily_ones(make_market, make_history, now):
    hourly = np.random.default_rng(8).normal(0, 0.04 / np.sqrt(24), 24 * 800)
    daily = hourly.reshape(-1, 24).sum(axis=1)
    found = [
        EwmaFhs().assess(Snapshot(now, (make_market(history=make_history(r, 100.0, step)),)))[256]
        for r, step in ((hourly, 3600), (daily, 86_400))
    ]
    assert found[0].sigma == pytest.approx(0.04, rel=0.1)
    assert found[1].sigma == pytest.approx(0.04, rel=0.35)
    assert found[0].volatility == pytest.approx(0.04 * np.sqrt(365), rel=0.1)
    assert found[0].tail.quantile_down == pytest.approx(2.33, abs=0.35)


def test_trading_days_are_annualised_by_their_number(make_market, make_history, now, make_returns):
    returns = make_returns(520, 9)
    history = make_history(returns)
    weekday = np.array([i for i in range(2000) if i % 7 < 5])[: len(history.time)]
    time = now - 86_400 * (weekday[-1] - weekday + 1)
    traded = replace(history, time=time)
    found = EwmaFhs().assess(Snapshot(now, (make_market(history=traded),)))[256]
    assert found.volatility == pytest.approx(found.sigma * np.sqrt(261), rel=0.01)


def test_depth_of_the_snapshot_or_of_the_configuration(make_market, now):
    snapshot = Snapshot(now, (make_market(256, depth=12.5), make_market(257), make_market(258, depth=1e-9)))
    found = EwmaFhs().assess(snapshot)
    assert found[256].depth == 12_500_000_000_000_000_000
    assert found[257].depth == 1000 * 10**18
    assert found[258].depth == 10**15  # the least that a chain takes


def test_scalars_fit_their_word(make_market, now):
    found = EwmaFhs().assess(Snapshot(now, (make_market(depth=3.0),)))[256]
    assert unpack_scalars(pack_scalars(found.scalars)) == found.scalars


def test_urgency_goes_into_the_initial_margin_at_once(make_market, now):
    snapshot = Snapshot(now, (make_market(),))
    free = EwmaFhs().assess(snapshot)[256]
    half = Posted(free.psr // 2, 400_000, 250_000)
    found = EwmaFhs().assess(snapshot, State(1, now - 3600, {256: half}))[256]
    assert found.forecast_psr == free.psr
    assert found.psr == half.psr + half.psr // 20
    assert found.im_factor == round(1.25 * free.psr / found.psr * 1e6)
    # new risk pays today's forecast, old risk gets time
    assert found.psr * found.im_factor == pytest.approx(1.25e6 * free.psr, rel=1e-5)


def test_the_initial_margin_factor_is_bounded(make_market, now):
    snapshot = Snapshot(now, (make_market(),))
    far = EwmaFhs().assess(snapshot, State(1, now - 1, {256: Posted(100, 400_000, 250_000)}))[256]
    assert far.im_factor == 16_000_000
    above = EwmaFhs().assess(snapshot, State(1, now - 1, {256: Posted(800_000, 400_000, 250_000)}))[256]
    assert above.im_factor == 1_250_000
    assert above.psr > above.forecast_psr


def test_volatility_shifts_glide_too(make_market, now):
    snapshot = Snapshot(now, (make_market(),))
    found = EwmaFhs().assess(snapshot, State(1, now - 3600, {256: Posted(100_000, 200_000, 400_000)}))[256]
    assert found.vol_up == 210_000
    assert found.vol_down == 392_000


def test_a_new_underlying_starts_at_its_forecast(make_market, now):
    snapshot = Snapshot(now, (make_market(),))
    assert EwmaFhs().assess(snapshot, State(1, now - 60))[256] == EwmaFhs().assess(snapshot)[256]


def test_short_and_dead_histories(make_market, now):
    with pytest.raises(TooFewObservationsError, match="29 returns, at least 30"):
        EwmaFhs().assess(Snapshot(now, (make_market(returns=np.full(29, 0.01)),)))
    with pytest.raises(ReturnError, match="does not move"):
        EwmaFhs().assess(Snapshot(now, (make_market(returns=np.zeros(100)),)))


def test_glide_by_hand():
    assert glide(200, None, 0, LIMITS) == 200
    assert glide(200_000, 100_000, 3600, LIMITS) == 105_000
    assert glide(200_000, 100_000, 1800, LIMITS) == 102_500
    assert glide(200_000, 100_000, 360_000, LIMITS) == 108_000
    assert glide(103_000, 100_000, 3600, LIMITS) == 103_000
    assert glide(50_000, 100_000, 3600, LIMITS) == 98_000
    assert glide(50_000, 100_000, 36_000, LIMITS) == 80_000
    with pytest.raises(ModelError, match="since the last report"):
        glide(1, 1, -1, LIMITS)


@given(
    st.integers(1, 10**6),
    st.integers(1000, 10**6),
    st.lists(st.integers(1, 7200), min_size=1, max_size=30),
)
def test_however_often_reports_come_the_rate_holds(target, start, gaps):
    """Many small steps rise no faster than compounding the hourly rate; each stays under the step limit."""
    value = start
    for gap in gaps:
        after = glide(target, value, gap, LIMITS)
        assert after <= value * 1.08
        assert min(value, target) <= after <= max(value, target)
        value = after
    assert value <= max(start, start * np.exp(0.05 * sum(gaps) / 3600) + 1)
    assert glide(value, value, 10, LIMITS) == value


@pytest.mark.parametrize(
    "bad",
    [
        {"decay": 1.0},
        {"decay": float("nan")},
        {"level": 1.0},
        {"horizon": 0},
        {"psr_floor": 0.0},
        {"psr_cap": 0.01},
        {"vol_down": 1.0},
        {"min_im_factor": 0.9},
        {"max_im_factor": 16.8},
        {"measure": "mean"},
        {"freedom": 2.0},
        {"freedom": 1_001.0},
    ],
)
def test_config_out_of_range(bad):
    with pytest.raises(ModelError, match=next(iter(bad))):
        EwmaFhsConfig(**bad)


@pytest.mark.parametrize("bad", [{"max_rise": 0.0}, {"max_fall": float("inf")}, {"max_step": float("nan")}])
def test_glide_out_of_range(bad):
    with pytest.raises(ModelError, match=next(iter(bad))):
        GlideConfig(**bad)


def test_state_from_a_chain():
    assert State.of(4, 9, (), (ClassOffset(1, 300_000, 200_000),)) == State(4, 9, {}, {1: 300_000})

import math
from dataclasses import replace

import numpy as np
import pytest

from plimsoll.backtest import forecasts
from plimsoll.backtest.errors import BacktestError
from plimsoll.backtest.forecasts import (
    BASE,
    Paths,
    Score,
    Subject,
    choose,
    close_times,
    compare,
    diebold_mariano,
    margins_of,
    paths_of,
    realised_log_variance,
    recorded,
    score,
    train,
    without,
)
from plimsoll.backtest.garch import garch_log_variance, garch_path
from plimsoll.backtest.walk import garch_t, har_fhs
from plimsoll.market.bars import DAY, Bars
from plimsoll.risk.errors import ModelError
from plimsoll.risk.har import HarConfig, log_volatility
from plimsoll.risk.learned import Inputs, LearnedConfig, LearnedModel
from plimsoll.risk.volatility import parametric_tail

HOUR = 3_600
FOUR = 4 * HOUR
START = 1_600_041_600  # 2020-09-14 00:00 UTC
SMALL = LearnedConfig(trees=15, rate=0.15, leaves=4, first=200, refit=180)
HAR = HarConfig(half_lives=(1 / 6, 1.0, 4.0), burn_in=60)


def market(days=880, seed=1):
    """Bars of four hours, wild on weekdays; implied volatility begins late and is silent once, depth begins last."""
    source = np.random.default_rng(seed)
    n = days * 6
    time = START + np.arange(n) * FOUR
    wander = np.zeros(n)
    for t in range(1, n):
        wander[t] = 0.97 * wander[t - 1] + 0.15 * source.standard_normal()
    weekend = (time // DAY + 4) % 7 % 6 == 0
    true = 0.01 * np.exp(wander - np.where(weekend, 0.7, 0.0))
    moves = true[:, None] * source.standard_normal((n, 8)) / math.sqrt(8)
    path = np.cumsum(moves, axis=1)
    close = np.exp(np.cumsum(path[:, -1]))
    opened = np.concatenate(([1.0], close[:-1]))
    high, low = opened * np.exp(np.maximum(path.max(1), 0)), opened * np.exp(np.minimum(path.min(1), 0))
    high, low = np.maximum(high, close), np.minimum(low, close)
    bars = Bars(time, opened, high, low, close, np.zeros(n), FOUR, "made up")
    implied = np.append(true, true[-1]) * math.sqrt(365 * 6) * np.exp(0.1 * source.standard_normal(n + 1))
    implied[: n // 3] = implied[-300:-200] = np.nan
    depth = np.where(np.arange(n + 1) > n - 60, 5e6, np.nan)
    return Subject(bars, Inputs(implied, 1e-4 * source.standard_normal(n + 1), depth))


@pytest.fixture(scope="module")
def subject():
    return market()


@pytest.fixture(scope="module")
def paths(subject):
    return paths_of(subject, 6, SMALL, HAR)


def test_what_was_realised_by_hand():
    bars = Bars(
        np.arange(3) * HOUR,
        np.array([100.0, 101, 99]),
        np.array([102.0, 101, 100]),
        np.array([99.0, 98, 99]),
        np.array([101.0, 99, 100]),
        np.zeros(3),
        HOUR,
    )
    moves = np.log([101 / 100, 99 / 101, 100 / 99])
    spans = np.log([102 / 99, 101 / 98, 100 / 99])
    each = (moves**2 + spans**2 / (4 * math.log(2))) / 2
    found = realised_log_variance(bars, 2)
    assert found[:2] == pytest.approx(np.log([each[0] + each[1], each[1] + each[2]]))
    assert np.isnan(found[2:]).all()


def test_every_forecast_speaks_after_the_warm_up(subject, paths):
    late = close_times(subject.bars) >= START + 2 * 365 * DAY
    assert set(paths.forecasts) == {
        "ewma",
        "garch-t",
        "yang-zhang",
        "har",
        "har-week",
        "har-implied",
        "learned",
        "equal",
        "inverse-qlike",
        "granger-ramanathan",
    }
    for name, path in paths.forecasts.items():
        assert np.isfinite(path[late]).all(), name


@pytest.mark.parametrize(
    "missing",
    [
        ("implied", "funding", "depth"),
        *(pytest.param((name,), marks=pytest.mark.long) for name in ("implied", "funding", "depth")),
    ],
)
def test_every_forecast_runs_with_inputs_missing(subject, paths, missing, monkeypatch):
    # slow, and it has no inputs
    monkeypatch.setattr(forecasts, "garch_log_variance", lambda *_: paths.forecasts["garch-t"])
    less = paths_of(without(subject, *missing), 6, SMALL, HAR)
    late = close_times(subject.bars) >= START + 2 * 365 * DAY
    for name, path in less.forecasts.items():
        assert np.isfinite(path[late]).all(), name
    assert ("implied" in less.learned.columns) == ("implied" not in missing)
    for name in ("har", "har-week", "ewma", "garch-t", "yang-zhang"):
        assert np.array_equal(less.forecasts[name], paths.forecasts[name], equal_nan=True)
    if "implied" in missing:
        assert np.array_equal(less.forecasts["har-implied"], less.forecasts["har"], equal_nan=True)
    else:
        assert np.array_equal(less.forecasts["har-implied"], paths.forecasts["har-implied"], equal_nan=True)


def test_no_forecast_looks_ahead(subject, paths):
    """Another future, of prices and of inputs: what was said before is the same, bit by bit."""
    bars, at = subject.bars, 9 * 90 * 6  # where regressions and weights are set anew
    other = market(seed=2)
    factor = bars.close[at - 1] / other.bars.open[at]
    columns = {
        name: np.concatenate((getattr(bars, name)[:at], factor * getattr(other.bars, name)[at:]))
        for name in ("open", "high", "low", "close")
    }
    joined = {
        name: np.concatenate((getattr(subject.inputs, name)[: at + 1], getattr(other.inputs, name)[at + 1 :]))
        for name in ("implied", "funding", "depth")
    }
    changed = Bars(bars.time, *columns.values(), bars.volume, bars.interval, "another future")
    found = paths_of(Subject(changed, Inputs(**joined)), 6, SMALL, HAR)
    for name, path in found.forecasts.items():
        assert np.array_equal(path[: at + 1], paths.forecasts[name][: at + 1], equal_nan=True), name
        assert not np.array_equal(path, paths.forecasts[name], equal_nan=True), name


def test_trees_to_hand_round_are_those_that_were_judged(subject, paths):
    assert train(subject, 6, SMALL, HAR) == paths.learned
    assert not {"implied", "funding", "depth"} & set(train(Subject(subject.bars, Inputs()), 6, SMALL, HAR).columns)


def test_scores_find_the_weekend(subject, paths):
    found = {x.model: x for x in score("TOY", subject, paths, DAY, held_out=False)}
    assert math.isnan(found[BASE].p)
    assert found[BASE].gain == 0
    assert found["har-week"].gain > 0.02
    assert found["har-week"].p < 0.05
    assert found["ewma"].gain < 0
    assert found["ewma"].statistic < 0
    late = close_times(subject.bars) >= START + 2 * 365 * DAY
    assert found[BASE].windows == late.sum() - 6
    held = {x.model: x for x in score("TOY", subject, paths, DAY, held_out=True)}
    assert held[BASE].windows < found[BASE].windows


def test_a_level_does_not_change_a_score(subject, paths):
    shifted = {name: path + (1.0 if name == "ewma" else 0.0) for name, path in paths.forecasts.items()}
    one, two = (
        score("TOY", subject, Paths(paths.realised, f, paths.learned), DAY, held_out=False)[0]
        for f in (paths.forecasts, shifted)
    )
    assert one.model == two.model == "ewma"
    assert two.qlike == pytest.approx(one.qlike, rel=1e-6)
    assert two.mse == pytest.approx(one.mse, rel=1e-6)


def test_the_test_of_two_losses_by_hand():
    """Newey and West with one lag: c0 + 2 (1 - 1/2) c1 over n."""
    values = np.random.default_rng(3).standard_normal(400) + 0.1
    off = values - values.mean()
    variance = (off @ off + off[1:] @ off[:-1]) / 400**2
    statistic, p = diebold_mariano(values, 1)
    assert statistic == pytest.approx(values.mean() / math.sqrt(variance), rel=0.01)
    assert p == pytest.approx(math.erfc(abs(statistic) / math.sqrt(2)), rel=1e-6)
    assert diebold_mariano(-values, 1)[0] == pytest.approx(-statistic)


def test_under_no_difference_the_test_rejects_as_often_as_it_says():
    """Differences that keep half of the last one: five in a hundred, not fourteen as without lags."""
    source = np.random.default_rng(4)
    rejected = []
    for _ in range(300):
        values = source.standard_normal(600)
        for t in range(1, 600):
            values[t] += 0.5 * values[t - 1]
        rejected.append(diebold_mariano(values, 12)[1] < 0.05)
    assert 0.02 < np.mean(rejected) < 0.10


def test_two_equal_losses_cannot_be_tested():
    with pytest.raises(BacktestError, match="100 differences for 5 lags"):
        diebold_mariano(np.zeros(100), 5)
    with pytest.raises(BacktestError, match="5 differences for 5 lags"):
        diebold_mariano(np.ones(5), 5)


def scores(*cells):
    return [Score("X", HOUR, "learned", False, 100, loss, 1.0, 1.0, 1.0, p) for loss, p in cells]


@pytest.mark.parametrize(
    ("cells", "accepted"),
    [
        ([(0.9, 0.01), (0.9, 0.01), (0.99, 0.4)], True),
        ([(0.9, 0.01), (0.9, 0.2)], False),  # half is not most
        ([(0.9, 0.01), (0.9, 0.01), (1.01, 0.4)], False),  # once worse
        ([(0.9, 0.01), (0.9, 0.01), (1.0, 0.4)], False),  # once as good
        ([(1.1, 0.001)], False),
    ],
)
def test_the_rule_of_the_default(cells, accepted):
    found = choose(scores(*cells))
    assert found.accepted is accepted
    assert found.cells == len(cells)


def test_a_loss_that_is_significantly_worse_counts_for_nothing():
    found = choose(scores((1.1, 0.001), (0.9, 0.3)))
    assert (found.better, found.significant) == (1, 0)


def test_the_rule_needs_scores():
    with pytest.raises(BacktestError, match="'learned' has 0 scores"):
        choose([])
    with pytest.raises(BacktestError, match="another model than har"):
        choose([replace(scores((1, 1))[0], model=BASE)], BASE)


def test_margins_on_har_are_the_default_models(subject):
    bars = subject.bars
    returns, ranges = np.diff(np.log(np.append(1.0, bars.close))), np.log(bars.high / bars.low)
    path = 2 * log_volatility(returns, bars.time, FOUR, 6, ranges, HAR)
    found, wanted = margins_of(bars, path, 6, 0.99, HAR), har_fhs(bars, 6, 0.99, HAR)
    live = np.isfinite(wanted.down)
    assert live.any()
    assert np.array_equal(live, np.isfinite(found.down))
    assert found.down[live] == pytest.approx(wanted.down[live], rel=1e-9)


@pytest.mark.slow
def test_garch_is_what_the_other_back_test_margins_on(subject):
    bars, path = subject.bars, garch_path(subject.bars)
    margins = garch_t(bars, 6, 0.99)
    tails = [parametric_tail(0.99, freedom).quantile_down for freedom in path.freedom.tolist()]
    assert margins.up[path.at] == pytest.approx(np.expm1(np.array(tails) * np.sqrt(path.variance)), rel=1e-9)


def test_garch_of_a_day_is_shared_by_its_hours(subject):
    day, part = garch_log_variance(subject.bars, 6), garch_log_variance(subject.bars, 3)
    live = np.isfinite(day)
    assert live.sum() == len(day) - 365 * 6
    assert day[live] - part[live] == pytest.approx(math.log(2))
    midnights = np.flatnonzero(live & (close_times(subject.bars) % DAY == 0))[:-1]
    moves = np.log(subject.bars.close[midnights + 5] / subject.bars.open[midnights])
    squared = np.square(moves) / np.exp(day[midnights])
    assert 0.2 < np.median(squared) < 0.6  # 0.45 of a normal, and less of a wilder one


def test_a_comparison_covers_what_it_was_asked(subject, paths, monkeypatch):
    monkeypatch.setattr(forecasts, "paths_of", lambda *_: paths)
    seen = []
    found = compare({"TOY": subject}, (DAY,), on_progress=lambda done, total, what: seen.append((done, total, what)))
    assert seen == [(0, 1, "TOY, 24 h"), (1, 1, "done")]
    assert {x.held_out for x in found.scores} == {False, True}
    assert len(found.of("learned")) == len(found.of("learned", held_out=True)) == 1


def test_bad_input_is_named(subject):
    with pytest.raises(BacktestError, match="at least one market"):
        compare({})
    with pytest.raises(BacktestError, match="TOY: horizon 3600 s; a multiple of its bars' 14400 s"):
        compare({"TOY": subject}, (HOUR,))
    short = Subject(subject.bars.take(slice(0, 1_000)), Inputs())
    with pytest.raises(BacktestError, match="made up: 1000 bars, horizon 6; 4386"):
        paths_of(short, 6)
    with pytest.raises(ModelError, match="implied of shape"):
        paths_of(Subject(subject.bars, Inputs(implied=np.ones(5))), 6, SMALL, HAR)
    empty = Paths(
        np.full(len(subject.bars) + 1, np.nan), {BASE: np.zeros(len(subject.bars) + 1)}, LearnedModel((), FOUR, 6)
    )
    with pytest.raises(BacktestError, match="TOY, har: 0 closes to score"):
        score("TOY", subject, empty, DAY, held_out=False)


@pytest.mark.long
@pytest.mark.data
def test_the_learned_forecast_may_be_the_default():
    """Better than HAR on both assets at all horizons, since the warm-up and since 2023; GARCH and EWMA are not."""
    found = compare(recorded())
    assert choose(found.scores).accepted
    for model in ("ewma", "garch-t", "yang-zhang"):
        assert choose(found.scores, model).better == 0


@pytest.mark.slow
@pytest.mark.data
def test_recorded_inputs_begin_when_they_were_recorded():
    found = recorded()
    assert set(found) == {"BTC", "ETH"}
    for subject in found.values():
        at = close_times(subject.bars)
        begins = {
            name: int(at[np.flatnonzero(np.isfinite(getattr(subject.inputs, name)))[0]])
            for name in ("implied", "funding", "depth")
        }
        assert begins["implied"] == 1_616_544_000 + HOUR  # 2021-03-24, its first hour closed
        assert begins["funding"] == 1_640_995_200  # 2022
        assert begins["depth"] == 1_704_067_200 + HOUR  # 2024, four seconds after its first hour began


def test_a_folder_without_inputs_is_no_error(subject, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("PLIMSOLL_DATA", str(tmp_path))
    monkeypatch.setattr(forecasts, "load_recorded", lambda _: subject.bars)
    found = recorded()
    assert found["BTC"].inputs.implied is found["ETH"].inputs.depth is None
    assert "BTC: without implied" in caplog.text
    assert "ETH: without depth" in caplog.text

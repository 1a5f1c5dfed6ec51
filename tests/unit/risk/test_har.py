import math
from dataclasses import replace

import numpy as np
import pytest

from plimsoll.market.bars import DAY
from plimsoll.risk import har
from plimsoll.risk.errors import ModelError, ReturnError, TooFewObservationsError
from plimsoll.risk.har import HOUR, HarConfig, bar_variance, calmed, log_volatility, seasons

SMALL = HarConfig(half_lives=(1 / 6, 1.0, 4.0), burn_in=20, refit=10)


def clustered(days: int, seed: int = 1, base: float = 0.005):
    """Hourly returns whose volatility wanders, and the volatility behind each."""
    source = np.random.default_rng(seed)
    n = days * 24
    wander = np.zeros(n)
    for t in range(1, n):
        wander[t] = 0.98 * wander[t - 1] + 0.15 * source.standard_normal()
    true = base * np.exp(wander)
    return true * source.standard_normal(n), true, np.arange(n) * HOUR


@pytest.fixture(scope="module")
def market():
    return clustered(150)


def test_a_bars_variance_is_its_square_or_half_parkinsons():
    returns, ranges = np.array([0.01, -0.02]), np.array([0.03, 0.04])
    assert bar_variance(returns) == pytest.approx([1e-4, 4e-4])
    assert bar_variance(returns, ranges) == pytest.approx((returns**2 + ranges**2 / (4 * math.log(2))) / 2)


def test_an_hour_that_is_wild_every_day_has_its_season():
    source = np.random.default_rng(2)
    time = np.arange(24 * 7 * 60) * HOUR
    returns = 0.01 * source.standard_normal(len(time)) * np.where(time // HOUR % 24 == 14, 3, 1)
    table = seasons(returns**2, time, HOUR)
    assert table.shape == (61, 24)
    assert np.all(table[0] == 1)
    assert table.mean(axis=1) == pytest.approx(np.ones(61))
    usual = np.delete(table[-1], 14)
    assert table[-1][14] / usual.mean() == pytest.approx(9, rel=0.5)
    assert usual.max() / usual.min() < 1.5


def test_bars_of_a_day_have_no_season():
    assert np.all(seasons(np.full(100, 1e-4), np.arange(100) * DAY, DAY) == 1)


@pytest.mark.parametrize("horizon", [1, 8, 24])
def test_it_forecasts_better_than_the_mean_of_all(market, horizon):
    returns, true, time = market
    found = log_volatility(returns, time, HOUR, horizon, config=SMALL)
    assert found.shape == (len(returns) + 1,)
    live = np.flatnonzero(~np.isnan(found[: len(true) - horizon]))
    assert live[0] == 20 * 24
    ahead = np.log(np.sqrt(np.array([np.sum(true[t : t + horizon] ** 2) for t in live])))
    error, plain = found[live] - ahead, ahead - ahead.mean()
    assert np.var(error) < 0.7 * np.var(plain)


def test_what_it_says_of_the_past_does_not_change_with_the_future(market):
    returns, _, time = market
    whole = log_volatility(returns, time, HOUR, 8, config=SMALL)
    for cut in (900, 1_555, 2_800):
        part = log_volatility(returns[:cut], time[:cut], HOUR, 8, config=SMALL)
        assert np.array_equal(part, whole[: cut + 1], equal_nan=True)
        other = returns.copy()
        other[cut:] *= -3
        assert np.array_equal(log_volatility(other, time, HOUR, 8, config=SMALL)[: cut + 1], part, equal_nan=True)


def test_a_scale_of_prices_moves_is_a_scale_of_the_forecast(market):
    returns, _, time = market
    found = log_volatility(2 * returns, time, HOUR, 4, config=SMALL) - log_volatility(
        returns, time, HOUR, 4, config=SMALL
    )
    assert found[20 * 24 :] == pytest.approx(math.log(2), abs=2e-3)  # the ridge and the first fits


def test_half_lives_under_half_a_bar_are_left_out(market):
    returns, _, _ = market
    days = returns[:3_000].reshape(-1, 24).sum(axis=1)
    time = np.arange(len(days)) * DAY
    one = log_volatility(days, time, DAY, 1, config=SMALL)
    other = log_volatility(days, time, DAY, 1, config=replace(SMALL, half_lives=(1.0, 4.0)))
    assert np.array_equal(one, other, equal_nan=True)


def test_a_market_that_stands_still_has_a_forecast():
    found = log_volatility(np.zeros(1_000), np.arange(1_000) * HOUR, HOUR, 1, config=SMALL)
    assert np.all(np.isfinite(found[20 * 24 :]))
    assert np.all(found[20 * 24 :] < math.log(1e-5))


def test_a_small_system_is_solved():
    source = np.random.default_rng(3)
    matrix = source.standard_normal((6, 6))
    right = source.standard_normal(6)
    assert har._solved(matrix.tolist(), right.tolist()) == pytest.approx(np.linalg.solve(matrix, right), rel=1e-9)


def test_calm_is_kept_and_deviations_are_compressed():
    config = HarConfig(weight=0.5, reach=0.6, rise=10)
    path = np.concatenate(([np.nan, np.nan], np.full(200, -5.0), [-4.9, -2.0, -9.0]))
    found = calmed(path, HOUR, config)
    assert np.isnan(found[:2]).all()
    assert found[2:202] == pytest.approx(-5)
    assert found[202] == pytest.approx(-5 + 0.5 * 0.1, abs=2e-3)
    assert -5 < found[203] < -4.4 + 0.05
    assert -5.6 - 0.05 < found[204] < -5


def test_within_the_window_it_rises_by_no_more_than_it_may(market):
    returns, _, time = market
    wild = returns.copy()
    wild[2_500:2_530] *= 20
    config = replace(SMALL, reach=5.0, rise=0.3)
    path = log_volatility(wild, time, HOUR, 1, config=config)
    found = calmed(path, HOUR, config)[480:]
    lowest = np.array([found[max(0, t - 120) : t + 1].min() for t in range(len(found))])
    assert (found - lowest).max() == pytest.approx(0.3, abs=1e-12)
    free = calmed(path, HOUR, replace(config, rise=10.0))[480:]
    assert np.all(found <= free)
    assert (free - found).max() > 0.3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"half_lives": ()}, "half_lives"),
        ({"half_lives": (0.0, 1.0)}, "half_lives"),
        ({"half_lives": (2.0, 1.0)}, "half_lives"),
        ({"burn_in": 0}, "burn_in 0; 1 .. 10000 is right"),
        ({"refit": 0}, "refit"),
        ({"season_memory": math.nan}, "season_memory"),
        ({"weight": 1.1}, "weight"),
        ({"reach": 0}, "reach"),
        ({"rise": -1}, "rise"),
        ({"window": 0}, "window"),
    ],
)
def test_parameters_out_of_range_have_a_name(change, said):
    with pytest.raises(ModelError, match=said):
        HarConfig(**change)


def test_histories_that_say_nothing_have_a_name(market):
    returns, _, time = market
    with pytest.raises(TooFewObservationsError, match="HAR: 480 returns, at least 482"):
        log_volatility(returns[:480], time[:480], HOUR, 1, config=SMALL)
    with pytest.raises(ModelError, match="horizon 0 bars"):
        log_volatility(returns, time, HOUR, 0, config=SMALL)
    broken = returns.copy()
    broken[7] = np.nan
    with pytest.raises(ReturnError, match="return 7 is nan"):
        log_volatility(broken, time, HOUR, 1, config=SMALL)

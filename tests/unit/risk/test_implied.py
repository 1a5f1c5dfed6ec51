import math
import os
from pathlib import Path

import numpy as np
import pytest

from plimsoll.market.bars import DAY, YEAR
from plimsoll.market.sources import OptionQuote, Series, load_option_chain
from plimsoll.risk.errors import ModelError
from plimsoll.risk.implied import (
    at_the_money,
    chain_log_variance,
    implied_forecast,
    implied_log_variance,
    known,
    regressed,
)

HOUR = 3_600


def quote(strike, volatility, expiry=30 * DAY, forward=100.0, *, call=True, time=0):
    return OptionQuote(time, f"X-{strike}", call, strike, expiry, forward, 100.0, 0.01, volatility, 1.0)


def world(n=6_000, premium=0.3, seed=1):
    """Log variances that wander, an implied volatility that sees them too high, and one noisy forecast of them."""
    source = np.random.default_rng(seed)
    true = np.zeros(n)
    for t in range(1, n):
        true[t] = 0.99 * true[t - 1] + 0.1 * source.standard_normal()
    true -= 9
    realised = true + 0.5 * source.standard_normal(n)
    realised[-1] = np.nan
    volatility = np.exp((true + premium + 0.1 * source.standard_normal(n) - math.log(HOUR / YEAR)) / 2)
    other = true + 0.3 * source.standard_normal(n)
    return true, realised, volatility, other


def test_a_value_is_known_from_its_lag_on_until_it_is_stale():
    series = Series(np.array([100, 200, 300]), np.array([1.0, 2.0, 3.0]), "made up")
    at = np.array([99, 100, 199, 200, 399, 400, 401])
    assert known(series, at)[1:].tolist() == [1, 1, 2, 3, 3, 3]
    assert np.isnan(known(series, at)[0])
    assert known(series, at, lag=100)[3:6].tolist() == [1, 2, 3]
    assert np.isnan(known(series, at, lag=100)[:3]).all()
    assert np.isnan(known(series, at, stale=99)).tolist() == [True, False, False, False, False, True, True]
    with pytest.raises(ModelError, match="lag -1 s of made up"):
        known(series, at, lag=-1)


def test_a_level_a_year_is_a_variance_over_a_day():
    found = implied_log_variance(np.array([0.5, np.nan, 1.0]), DAY)
    assert np.exp(found[[0, 2]]) == pytest.approx([0.25 / 365, 1 / 365])
    assert np.isnan(found[1])
    with pytest.raises(ModelError, match=r"implied volatility 0\.0"):
        implied_log_variance(np.array([0.0]), DAY)
    with pytest.raises(ModelError, match="horizon 0 s"):
        implied_log_variance(np.array([0.5]), 0)


def test_the_money_lies_between_the_strikes_around_the_forward():
    month = [quote(90, 0.9), quote(98, 0.6), quote(98, 0.62, call=False), quote(106, 0.53), quote(120, 0.9)]
    halfway = [quote(100, 0.5, 90 * DAY), quote(80, 0.7, 90 * DAY)]
    one_sided = [quote(110, 0.5, 120 * DAY)]
    found = at_the_money(month + halfway + one_sided)
    assert [time for time, _ in found] == [30 * DAY, 90 * DAY]
    assert found[0][1] == pytest.approx((0.61 + 0.25 * (0.53 - 0.61)) ** 2 * 30 / 365)
    assert found[1][1] == pytest.approx(0.25 * 90 / 365)


def test_total_variance_never_falls():
    found = at_the_money([quote(100, 0.9), quote(100, 0.1, 60 * DAY)])
    assert found[1][1] == found[0][1] == pytest.approx(0.81 * 30 / 365)


def test_a_chain_has_one_time():
    with pytest.raises(ModelError, match="quotes of 2 times"):
        at_the_money([quote(100, 0.5), quote(100, 0.5, time=5)])


def test_variance_to_a_horizon():
    curve = ((10 * DAY, 0.01), (30 * DAY, 0.05))
    for days, wanted in ((1, 0.001), (10, 0.01), (20, 0.03), (30, 0.05), (60, 0.10)):
        assert chain_log_variance(curve, days * DAY) == pytest.approx(math.log(wanted))
    assert chain_log_variance((), DAY) is None
    with pytest.raises(ModelError, match=r"total variance 0\.005"):
        chain_log_variance(((10 * DAY, 0.01), (30 * DAY, 0.005)), DAY)
    with pytest.raises(ModelError, match="horizon 0 s"):
        chain_log_variance(curve, 0)


def test_the_risk_premium_is_taken_off():
    true, realised, volatility, _ = world()
    raw = implied_log_variance(volatility, HOUR)
    found = implied_forecast(volatility, realised, 1, HOUR, refit=100)
    live = np.isfinite(found)
    assert np.flatnonzero(live)[0] == 1_000  # a thousand rows are known
    assert np.mean((raw - true)[live]) == pytest.approx(0.3, abs=0.02)
    assert abs(np.mean((found - true)[live])) < 0.05


def test_beside_another_forecast_it_is_better_than_each():
    true, realised, volatility, other = world(seed=2)

    def error(path):
        return np.mean(np.square(path - true)[2_000:])

    both = error(implied_forecast(volatility, realised, 1, HOUR, beside=other, refit=100))
    assert both < error(implied_forecast(volatility, realised, 1, HOUR, refit=100))
    assert both < error(regressed(realised, [other], 1, refit=100))


def test_least_squares_of_what_was_known():
    """The last block is fitted to all that had ended: the same as numpy's solution."""
    _, realised, _, other = world(n=1_505, seed=3)
    horizon = 8
    found = regressed(realised, [other], horizon, refit=500)
    told = slice(0, 1_500 - horizon + 1)
    wanted, *_ = np.linalg.lstsq(np.stack([np.ones(1_493), other[told]], 1), realised[told], rcond=None)
    assert found[1_500:] == pytest.approx(wanted[0] + wanted[1] * other[1_500:], abs=1e-4)  # the ridge


def test_it_does_not_look_ahead():
    _, realised, volatility, other = world(seed=4)
    horizon, cut = 24, 3_333
    whole = implied_forecast(volatility, realised, horizon, HOUR, beside=other, refit=240)
    changed = [x.copy() for x in (realised, volatility, other)]
    changed[0][cut - horizon + 1 :] = 5.0  # ends after the cut
    changed[1][cut + 1 :] = 9.0
    changed[2][cut + 1 :] = 0.0
    part = implied_forecast(changed[1], changed[0], horizon, HOUR, beside=changed[2], refit=240)
    assert np.array_equal(part[: cut + 1], whole[: cut + 1], equal_nan=True)
    assert not np.array_equal(part, whole, equal_nan=True)


def test_before_a_series_begins_there_is_none():
    _, realised, volatility, _ = world()
    late = volatility.copy()
    late[:3_000] = np.nan
    late[4_500:4_600] = np.nan
    found = implied_forecast(late, realised, 1, HOUR, refit=100)
    assert np.isnan(found[:4_000]).all()
    assert np.isfinite(found[4_100:4_500]).all()
    assert np.isnan(found[4_500:4_600]).all()
    assert np.isfinite(found[4_600:]).all()
    assert implied_forecast(None, realised, 1, HOUR, refit=100) is None
    assert implied_forecast(np.full_like(volatility, np.nan), realised, 1, HOUR, refit=100) is None


def test_bad_input_is_named():
    with pytest.raises(ModelError, match="0 columns"):
        regressed(np.zeros(10), [], 1, refit=1)
    with pytest.raises(ModelError, match="columns of shapes"):
        regressed(np.zeros(10), [np.zeros(9)], 1, refit=1)


@pytest.mark.data
def test_a_recorded_chain_implies_what_its_middle_does():
    path = Path(os.environ["PLIMSOLL_DATA"]) / "btc_option_chain_daily_2026-01.csv.gz"
    quotes = load_option_chain(path, "BTC", "2026-01-05")
    one = [q for q in quotes if q.time == quotes[0].time]
    curve = at_the_money(one)
    assert len(curve) > 5
    month = math.sqrt(math.exp(chain_log_variance(curve, 30 * DAY)) * 365 / 30)
    near = [
        q.volatility for q in one if 20 * DAY < q.expiry - q.time < 60 * DAY and abs(q.strike / q.forward - 1) < 0.05
    ]
    assert min(near) - 0.02 < month < max(near) + 0.02

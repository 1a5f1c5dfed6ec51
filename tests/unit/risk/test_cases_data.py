"""What others measured on the recorded prices, measured by us.

Daily prices are the closes of the bars that end at 00:00 UTC. The table gives no tolerance and says no range of days;
it was not measured on just the days that are recorded. What hangs on a few days (worst lows, the EWMA's exceptions and
its peak and trough, the least correlation) is met to the last digit; quantiles and means within what each test states.
"""

import numpy as np
import pytest

from plimsoll.backtest.coverage import exceedances, red_point
from plimsoll.market.sources import load_bars, load_series
from plimsoll.risk.volatility import ewma_variance, historical_tail

pytestmark = [pytest.mark.data, pytest.mark.slow]

NAMES = ("btc", "eth")
DAY = 86_400
HOUR = 3_600


@pytest.fixture(scope="module")
def hourly(data_folder):
    return {name: load_bars(data_folder / f"{name}_usdt_spot_1h.csv.gz") for name in NAMES}


@pytest.fixture(scope="module")
def daily(hourly):
    """(times of the closes, closes) at 00:00 UTC."""
    found = {}
    for name, bars in hourly.items():
        at = (bars.time + HOUR) % DAY == 0
        found[name] = (bars.time[at] + HOUR, bars.close[at])
    return found


@pytest.mark.parametrize(("name", "low", "high"), [("btc", -11.45, 11.98), ("eth", -14.45, 14.51)])
def test_quantiles_of_a_day(daily, name, low, high):
    _, close = daily[name]
    found = 100 * np.quantile(close[1:] / close[:-1] - 1, [0.005, 0.995])
    assert found == pytest.approx([low, high], abs=0.4)


@pytest.mark.parametrize(("name", "shortfall"), [("btc", 13.24), ("eth", 15.90)])
def test_expected_shortfall_of_a_day(daily, name, shortfall):
    _, close = daily[name]
    tail = historical_tail(close[1:] / close[:-1] - 1, 0.99)
    assert 100 * tail.shortfall_down == pytest.approx(shortfall, abs=0.4)


def test_the_last_digit_is_met_without_the_first_ten_weeks(daily):
    _, close = daily["btc"]
    returns = (close[1:] / close[:-1] - 1)[65:]
    quantiles = np.quantile(returns, [0.005, 0.995])
    assert 100 * quantiles == pytest.approx([-11.45, 11.98], abs=0.005)
    assert 100 * historical_tail(returns, 0.99).shortfall_down == pytest.approx(13.24, abs=0.005)


@pytest.mark.parametrize(
    ("name", "hours", "worst"),
    [
        ("btc", 1, -24.5),
        ("btc", 4, -34.8),
        ("btc", 24, -50.6),
        ("eth", 1, -28.0),
        ("eth", 4, -36.5),
        ("eth", 24, -53.3),
    ],
)
def test_worst_low_within_hours(hourly, name, hours, worst):
    """Lows of the bars after a close; windows with an outage in them are left out."""
    bars = hourly[name]
    lows = np.lib.stride_tricks.sliding_window_view(bars.low[1:], hours).min(axis=1)
    whole = bars.time[hours:] - bars.time[:-hours] == hours * HOUR
    assert 100 * (lows / bars.close[:-hours] - 1)[whole].min() == pytest.approx(worst, abs=0.05)


def test_gaussian_ewma_on_btc(daily):
    """59 exceptions where 1 % allows 28, as the table's 2,808 days; our days are more, and 59 is red on them too."""
    _, close = daily["btc"]
    returns = np.diff(np.log(close))
    margin = 2.326 * np.sqrt(ewma_variance(returns, 0.94))
    held = margin[:-1]
    exceptions = len(exceedances(-returns, held).at)
    assert exceptions == 59 >= red_point(len(returns), 0.01)
    assert round(0.01 * 2_808) == 28
    assert held.max() / held.min() == pytest.approx(12.07, abs=0.005)
    assert 100 * (held[5:] / held[:-5] - 1).max() == pytest.approx(371, abs=0.5)


def test_garch_on_btc_sits_at_the_integrated_boundary(daily):
    from arch import arch_model

    _, close = daily["btc"]
    returns = 100 * np.diff(np.log(close))
    found = arch_model(returns, vol="GARCH", p=1, q=1, dist="t").fit(disp="off")
    alpha, beta, nu = (float(found.params[name]) for name in ("alpha[1]", "beta[1]", "nu"))
    assert (alpha, beta) == pytest.approx((0.072, 0.928), abs=0.005)
    assert nu == pytest.approx(3.2, abs=0.05)
    assert alpha + beta == pytest.approx(1.0, abs=1e-3)
    leverage = arch_model(returns, vol="GARCH", p=1, o=1, q=1, dist="t").fit(disp="off")
    assert abs(leverage.tvalues["gamma[1]"]) < 1.96


def test_rolling_correlation(daily):
    (btc_time, btc), (eth_time, eth) = (daily[name] for name in NAMES)
    _, i, j = np.intersect1d(btc_time, eth_time, return_indices=True)
    first, second = np.diff(np.log(btc[i])), np.diff(np.log(eth[j]))
    windows = [np.lib.stride_tricks.sliding_window_view(x, 30) for x in (first, second)]
    centred = [w - w.mean(axis=1, keepdims=True) for w in windows]
    cross = (centred[0] * centred[1]).sum(axis=1)
    found = cross / np.sqrt((centred[0] ** 2).sum(axis=1) * (centred[1] ** 2).sum(axis=1))
    assert found.min() == pytest.approx(0.382, abs=5e-4)
    assert (found.mean(), np.quantile(found, 0.05)) == pytest.approx((0.815, 0.618), abs=0.015)


def test_depth(data_folder):
    depth = load_series(data_folder / "perp_depth_50bps.csv.gz", "depth_50bps", {"asset": "BTC"}, sort=True)
    assert np.median(depth.value) / 1e6 == pytest.approx(3.4, abs=0.25)
    assert np.quantile(depth.value, 0.01) / 1e6 == pytest.approx(0.96, abs=0.02)

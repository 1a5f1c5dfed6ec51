import numpy as np
import pytest

from plimsoll.backtest.errors import BacktestError
from plimsoll.backtest.premium import judge, recorded_funding, recorded_marks
from plimsoll.market.sources import Series
from plimsoll.risk.premium import FundingConfig, damped

START = 1_704_067_200
HOUR = 3_600


def made_up(days=30):
    time = START + HOUR * np.arange(24 * days + 1)
    premium = 0.001 * np.sin(np.arange(len(time)) / 30)
    paid = START + 8 * HOUR * np.arange(1, 3 * days + 1)
    return time, premium, Series(paid, np.zeros(len(paid)), "made up")


def test_the_rule_itself_errs_by_nothing_and_another_one_does():
    time, premium, paid = made_up()
    index = np.full(len(time), 100.0)
    config = FundingConfig(rising=False)
    at = np.searchsorted(time, paid.time)
    means = [float(np.mean((premium[k - 8 : k] + premium[k - 7 : k + 1]) / 2)) for k in at]
    exact = Series(paid.time, np.array([damped(mean, config) for mean in means]), "made up")
    found = judge(time, 100 * (1 + premium), index, exact, config)
    assert found.intervals == 90
    assert found.error < 1e-15
    assert found.correlation == pytest.approx(1)
    assert found.interest_error == pytest.approx(float(np.mean(np.abs(exact.value - 0.0001))))
    other = judge(time, 100 * (1 + premium), index, exact, FundingConfig(rising=False, damper=0.0001))
    assert other.error > 1e-4
    assert other.figures["funding.error"] == other.error


def test_too_few():
    time, premium, paid = made_up(3)
    with pytest.raises(BacktestError, match="9 intervals"):
        judge(time, 100 * (1 + premium), np.full(len(time), 100.0), paid)


@pytest.mark.data
@pytest.mark.slow
def test_the_recorded_rates_are_met(data_folder):
    """Binance's of 2023 to 2025, from hourly closes: a third of the error of the interest alone."""
    found = judge(*recorded_marks("BTC"), recorded_funding("BTC"))
    assert found.intervals > 2_900
    assert found.correlation > 0.85
    assert found.error < found.interest_error / 2.5

import numpy as np
import pytest

from plimsoll.backtest.errors import BacktestError
from plimsoll.backtest.liquidity import judge, recorded_depth
from plimsoll.risk.liquidity import DepthConfig

DAY = 86_400
START = 1_704_067_200


def made_up(n=800, seed=1):
    source = np.random.default_rng(seed)
    return START + DAY // 4 * np.arange(n), 100 * np.exp(0.3 * source.standard_normal(n))


def test_what_was_said_is_held_against_the_worst_of_the_next_day():
    """Independent observations: of four, one is under the 5 % quantile on 1 - 0.95^4 of days."""
    time, depth = made_up(4_000)
    record = judge(time, depth, 1_000, DepthConfig(quantile=0.05, window=200 * DAY))
    assert record.row("median").missed == pytest.approx(1 - 0.5**4, abs=0.03)
    # no more than the last one: a little under
    assert 0.12 < record.row("posted").missed < 1 - 0.95**4 + 0.02
    assert record.row("last").missed == pytest.approx(0.8, abs=0.03)
    assert record.defaults == 19
    assert record.judged == 4_000 - 19 - 1
    assert record.row("posted").mean < record.row("median").mean
    assert record.figures["depth.posted.missed"] == record.row("posted").missed


def test_a_vanished_book_is_found():
    time, depth = made_up()
    depth[500] = 1.0
    record = judge(time, depth, 1_000)
    assert record.row("posted").worst > 20
    assert record.longest == DepthConfig().max_lengthening
    assert record.lengthened > 0.3
    assert judge(*made_up(), 1_000).row("posted").worst < 4


def test_nothing_to_judge():
    with pytest.raises(BacktestError, match="none to judge"):
        judge(*made_up(15), 1_000)
    with pytest.raises(BacktestError, match="no row"):
        judge(*made_up(), 1_000).row("mean")


@pytest.mark.data
def test_recorded_depth_is_missed_on_few_days(data_folder):
    for asset, low, high in (("BTC", 10, 40), ("ETH", 400, 1_600)):
        time, depth = recorded_depth(asset)
        assert low < np.median(depth) < high
        record = judge(time[:1_200], depth[:1_200], 1_000)
        assert record.row("posted").missed < 0.12
        assert record.row("posted").missed < record.row("median").missed / 4

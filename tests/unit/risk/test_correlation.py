from dataclasses import replace

import numpy as np
import pytest

from plimsoll.risk.correlation import OffsetConfig, class_offset, ewma_correlation, step_limited
from plimsoll.risk.errors import ModelError, TooFewObservationsError

CONFIG = OffsetConfig(least_days=60, full_days=250)


@pytest.fixture(scope="module")
def pair(make_market):
    def make(rho, n=600, seed=1):
        rng = np.random.default_rng(seed)
        a, b = rng.normal(0, 0.03, (2, n))
        return make_market(256, returns=a), make_market(257, returns=rho * a + np.sqrt(1 - rho**2) * b)

    return make


def test_correlation_by_hand():
    a, b = np.array([1.0, 2.0]), np.array([2.0, 1.0])
    # weights 1/2 and 1: (1 + 2) / sqrt((1/2 + 4) (2 + 1))
    assert ewma_correlation(a, b, 0.5) == pytest.approx(3 / np.sqrt(4.5 * 3))
    assert ewma_correlation(a, a, 0.9) == 1
    assert ewma_correlation(a, -a, 0.9) == -1
    assert ewma_correlation(a, np.zeros(2), 0.9) == 0
    with pytest.raises(ModelError, match="shapes"):
        ewma_correlation(a, np.ones(3), 0.9)
    with pytest.raises(TooFewObservationsError):
        ewma_correlation(np.array([]), a, 0.9)


def test_offset_is_a_share_of_the_correlation(pair):
    assert class_offset(pair(0.8), CONFIG) == pytest.approx(400_000, abs=70_000)
    assert class_offset(pair(0.999), replace(CONFIG, share=1.0)) == 800_000


def test_a_negative_correlation_earns_nothing(pair):
    assert class_offset(pair(-0.8), CONFIG) == 0


def test_few_data_earn_less(pair):
    whole, half = class_offset(pair(0.999, 300), CONFIG), class_offset(pair(0.999, 125), CONFIG)
    assert half == pytest.approx(whole / 2, rel=0.02)
    assert class_offset(pair(0.999, 59), CONFIG) == 0


def test_the_lowest_pair_counts_and_one_alone_has_none(pair, make_market):
    a, b = pair(0.95)
    stranger = make_market(258, returns=np.random.default_rng(5).normal(0, 0.03, 600))
    assert class_offset((a, b, stranger), CONFIG) < class_offset((a, b), CONFIG) / 2
    assert class_offset((a,), CONFIG) == 0


def test_only_common_times_count(pair):
    a, b = pair(0.9, 400)
    history = b.history
    holes = np.ones(len(history.time), dtype=bool)
    holes[::10] = False
    patchy = replace(b, history=replace(history, time=history.time[holes], close=history.close[holes]))
    assert class_offset((a, patchy), CONFIG) == pytest.approx(class_offset((a, b), CONFIG), abs=60_000)
    apart = replace(b, history=replace(history, time=history.time - 7))
    assert class_offset((a, apart), CONFIG) == 0


def test_steps_are_limited():
    assert step_limited(400_000, None) == 400_000
    assert step_limited(400_000, 300_000) == 320_000
    assert step_limited(100_000, 300_000) == 280_000
    assert step_limited(301_000, 300_000) == 301_000


@pytest.mark.parametrize("bad", [{"decay": 1.0}, {"share": -1}, {"cap": 1.1}, {"least_days": 0}, {"least_days": 300}])
def test_config_out_of_range(bad):
    with pytest.raises(ModelError):
        OffsetConfig(**bad)

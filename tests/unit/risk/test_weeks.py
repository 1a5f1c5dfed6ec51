import numpy as np
import pytest

from plimsoll.market.bars import DAY
from plimsoll.risk.errors import ModelError
from plimsoll.risk.weeks import WEEK, week_effect

HOUR = 3_600


def left_of(weeks, interval=HOUR, seed=1):
    """A weekend a half calmer in logarithms, under noise."""
    source = np.random.default_rng(seed)
    time = 1_600_000_000 // WEEK * WEEK + np.arange(weeks * WEEK // interval) * interval
    weekend = (time // DAY + 4) % 7 % 6 == 0
    return np.where(weekend, -0.5, 0.2) + 0.5 * source.standard_normal(len(time)), time, weekend


@pytest.mark.parametrize("interval", [HOUR, HOUR // 4, DAY])
def test_a_calm_weekend_is_found(interval):
    left, time, weekend = left_of(200, interval)
    found = week_effect(left, time, interval, 1, prior=0)
    last = slice(-WEEK // interval, None)
    assert found[last][weekend[last]].mean() == pytest.approx(-0.5, abs=0.05)
    assert found[last][~weekend[last]].mean() == pytest.approx(0.2, abs=0.05)


def test_it_is_drawn_toward_none_by_weeks_without():
    left, time, _ = left_of(31)
    plain, drawn = (week_effect(left, time, HOUR, 1, prior) for prior in (0, 30))
    assert drawn[-24:] == pytest.approx(plain[-24:] / 2)


def test_a_cell_by_hand():
    """Five weeks of one bar a day, two days ahead; the second Thursday is unknown."""
    time = np.arange(35) * DAY
    left = np.arange(35.0)
    left[7] = np.nan
    found = week_effect(left, time, DAY, 2, prior=1)
    assert found[28] == pytest.approx((0 + 14 + 21) / (3 + 1))
    assert found[29] == pytest.approx((1 + 8 + 15 + 22) / (4 + 1))
    assert found[0] == 0


@pytest.mark.parametrize("horizon", [1, 24, 400])
def test_it_does_not_look_ahead(horizon):
    left, time, _ = left_of(20)
    cut = 2_000
    whole = week_effect(left, time, HOUR, horizon)
    changed = left.copy()
    changed[cut - horizon + 1 :] = 9.0
    part = week_effect(changed, time, HOUR, horizon)
    assert np.array_equal(part[: cut + 1], whole[: cut + 1])
    assert not np.array_equal(part, whole)


def test_bars_that_do_not_fill_a_week_have_none():
    assert np.all(week_effect(np.ones(100), np.arange(100) * 5 * DAY, 5 * DAY, 1) == 0)


def test_bad_input_is_named():
    with pytest.raises(ModelError, match="horizon 0 bars"):
        week_effect(np.ones(3), np.arange(3), HOUR, 0)
    with pytest.raises(ModelError, match=r"\(3,\) left at \(2,\) times"):
        week_effect(np.ones(3), np.arange(2), HOUR, 1)

"""Reliability: scores by hand, planted faults that are seen, and a walk in which nothing is known beforehand."""

import io
import math

import numpy as np
import pytest

from plimsoll.backtest.errors import BacktestError
from plimsoll.backtest.reliability import (
    Walked,
    calibrated,
    draw,
    header_of,
    judge,
    record,
    reliability,
    revalue,
    scenarios_at,
    walk,
)
from plimsoll.market.bars import Bars
from plimsoll.market.sources import DATA_VARIABLE, load_recorded
from plimsoll.report.reliability import reliability_figure
from plimsoll.risk.probability import curve_of, log_odds

HOUR = 3_600
START = 1_546_300_800  # 2019-01-01


def outcomes(count, slope=1.0, seed=7):
    """Predictions, and what happens at other odds where `slope` is not 1."""
    rng = np.random.default_rng(seed)
    said = rng.random(count)
    return said, rng.random(count) < 1 / (1 + np.exp(-slope * log_odds(said)))


def test_scores_of_four_predictions_by_hand():
    found = reliability(np.array([0.1, 0.1, 0.85, 1.0]), np.array([False, True, True, True]), bins=2)
    assert found.counts.tolist() == [2, 2]
    assert found.predicted.tolist() == pytest.approx([0.1, 0.925])
    assert found.observed.tolist() == [0.5, 1.0]
    assert found.brier == pytest.approx((0.01 + 0.81 + 0.0225) / 4)
    assert found.climate == pytest.approx(0.75 * 0.25)
    assert found.error == pytest.approx((2 * 0.4 + 2 * 0.075) / 4)
    assert found.worst == 0.0  # of bins that hold a hundred
    assert found.skill == pytest.approx(1 - 0.8425 / 0.75)
    assert found.rows()[1] == {
        "from": 0.5,
        "to": 1.0,
        "count": 2,
        "predicted": pytest.approx(0.925),
        "observed": 1.0,
        "low": 1.0,
        "high": 1.0,
    }


def test_true_probabilities_lie_on_the_diagonal():
    found = reliability(*outcomes(20_000))
    assert found.error < 0.012
    assert found.outside <= 2
    assert found.counts.sum() == 20_000


def test_a_planted_miscalibration_is_seen():
    found = reliability(*outcomes(20_000, slope=0.4))
    assert found.error > 0.08
    assert found.outside >= 6


def test_bands_are_as_wide_as_what_comes_together():
    said, happened = outcomes(2_000)
    groups = np.repeat(np.arange(200), 10)
    wide = reliability(np.repeat(said[:200], 10), np.repeat(happened[:200], 10), groups)
    narrow = reliability(np.repeat(said[:200], 10), np.repeat(happened[:200], 10))
    assert np.nanmean(wide.high - wide.low) > 2 * np.nanmean(narrow.high - narrow.low)


def test_the_worst_bin_is_one_of_those_that_are_full():
    said = np.repeat([0.15, 0.55, 0.95], [200, 400, 10])
    happened = np.concatenate((np.arange(200) < 60, np.arange(400) < 220, np.zeros(10, dtype=bool)))
    found = reliability(said, happened)
    assert found.worst == pytest.approx(0.15)
    assert found.outside == 1


def test_an_empty_bin_is_left_out():
    found = reliability(np.array([0.05, 0.95]), np.array([False, True]))
    assert len(found.rows()) == 2
    assert np.isnan(found.observed[5])
    assert found.error == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("predicted", "happened"),
    [
        (np.array([]), np.array([], dtype=bool)),
        (np.array([0.5]), np.array([True, False])),
        (np.array([1.5, 0.0]), np.array([True, False])),
        (np.array([np.nan, 0.0]), np.array([True, False])),
        (np.array([0.5, 0.5]), np.array([True, True])),
    ],
)
def test_what_no_score_is_defined_for_is_refused(predicted, happened):
    with pytest.raises(BacktestError):
        reliability(predicted, happened)


# ------------------------------------------------------------------------------------------------------------ the walk


def test_lanes_of_drawn_books_are_those_of_the_set_and_margins_follow():
    rng = np.random.default_rng(1)
    sets = [scenarios_at(0.1), scenarios_at(0.2)]
    books = draw(rng, 6, np.array([0.1, 0.2]))
    books.option[:] = 0.0
    value, mm, lanes = revalue(books, sets, np.array([[0.0, 0.0], [-0.05, 0.1]]), np.full((2, 2), 0.5), np.zeros(2))
    for u, found in enumerate(sets):
        np.testing.assert_allclose(lanes[0, :, u], books.perp[:, u, None] * found.linear_pnl, atol=1e-12)
    np.testing.assert_allclose(value[1], books.perp @ [-0.05, 0.1])
    np.testing.assert_allclose(mm[0], np.abs(books.perp) @ [0.102, 0.202])
    assert np.all(np.sum(books.perp[::2] != 0, axis=1) == 1)  # half of them on one underlying
    assert curve_of(header_of(sets[0])).moves[-1] == pytest.approx(0.3)


def test_options_of_drawn_books_decay_and_bend():
    books = draw(np.random.default_rng(2), 4, np.array([0.1]))
    books.perp[:], books.option[:], books.strike[:] = 0.0, 1.0, 1.0
    moves = np.array([[0.0], [0.0], [0.1], [-0.1]])
    value, mm, lanes = revalue(books, [scenarios_at(0.1)], moves, np.full((4, 1), 0.5), np.array([0, 1 / 365, 0, 0]))
    assert np.all(value[1] < value[0])
    assert np.all(value[2] + value[3] > 2 * value[0] - 1e-12)
    assert np.all(np.abs(value[2] - value[3]) > 0.02)
    assert np.all(lanes[0].min(axis=(1, 2)) < 0)
    assert np.all(mm > 0)


def bars_of(days, seed, daily=0.03, jump=None):
    """Hourly bars of a normal walk, and of another world after `jump`."""
    rng = np.random.default_rng(seed)
    returns = daily / math.sqrt(24) * rng.standard_normal(24 * days)
    if jump is not None:
        returns[jump:] = 0.05 * np.random.default_rng(99).standard_normal(24 * days - jump)
    close = 100 * np.exp(np.cumsum(returns))
    opened = np.concatenate(([100.0], close[:-1]))
    high, low = np.maximum(opened, close) * 1.001, np.minimum(opened, close) * 0.999
    return Bars(START + HOUR * np.arange(24 * days), opened, high, low, close, np.ones(24 * days), HOUR, "made up")


@pytest.fixture(scope="module")
def walked():
    return walk({"A": bars_of(700, 1), "B": bars_of(700, 2)}, hours=12, books=12, paths=150)


def test_on_a_walk_of_known_law_what_is_said_is_what_happens(walked):
    found = reliability(walked.predicted, walked.happened, walked.time)
    assert found.counts.sum() > 3_000
    assert found.error < 0.04
    assert found.skill > 0.25


def test_nothing_is_known_beforehand(walked):
    """With another future the predictions of the past stay the same."""
    jump = 24 * 620
    other = walk({"A": bars_of(700, 1, jump=jump), "B": bars_of(700, 2, jump=jump)}, hours=12, books=12, paths=150)
    past = walked.time < START + HOUR * jump
    assert np.array_equal(walked.predicted[past], other.predicted[past])
    assert past.any()
    assert not np.array_equal(walked.predicted[~past], other.predicted[~past])


def made_walk(slope, count=6_000):
    said, happened = outcomes(count, slope)
    time = np.sort(np.random.default_rng(3).integers(START, START + 3 * 365 * 86_400, count))
    return Walked(time, said, happened, np.ones(count))


def test_a_fault_is_calibrated_away_by_what_was_known_before_each_year():
    found = judge(made_walk(0.4))
    assert found.calibrated.error < 0.5 * found.raw.error
    assert found.calibrated.brier < found.raw.brier
    assert len(found.calibrations) == 2  # three years, the first of which is only fitted on
    assert found.calibrations[0].slope < 0.7
    assert found.raw.counts.sum() == found.calibrated.counts.sum() < 6_000
    assert found.numbers()["error"] == found.calibrated.error
    assert len(found.plain()["table"]) == np.sum(found.calibrated.counts > 0)


def test_a_year_is_calibrated_on_years_before_it_alone():
    whole = made_walk(0.4)
    cut = whole.time < START + 2 * 365 * 86_400
    half = Walked(whole.time[cut], whole.predicted[cut], whole.happened[cut], whole.headroom[cut])
    first, _ = calibrated(whole)
    second, _ = calibrated(half)
    assert np.array_equal(first.predicted[: len(second.predicted)], second.predicted)
    year = whole.time < START + 300 * 86_400
    with pytest.raises(BacktestError, match="2019"):
        calibrated(Walked(whole.time[year], whole.predicted[year], whole.happened[year], whole.headroom[year]))


def test_histories_that_make_no_walk_are_refused():
    for bars, words in (({}, {}), ({"A": bars_of(400, 1)}, {"hours": 0}), ({"A": bars_of(400, 1)}, {"books": 0})):
        with pytest.raises(BacktestError, match="right"):
            walk(bars, **words)
    with pytest.raises(BacktestError, match="common hours"):
        walk({"A": bars_of(400, 1)}, hours=12)


def test_without_recorded_prices_the_record_says_what_it_left_out(monkeypatch):
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    found = record()
    assert found.numbers() == {}
    assert DATA_VARIABLE in found.plain()["left_out"]


@pytest.mark.data
@pytest.mark.long  # the figures ask more of more books; without data known law says the same
def test_on_recorded_hours_the_probabilities_are_reliable():
    bars = {name: load_recorded(f"{name.lower()}_usdt_spot_1h", start=1_640_995_200) for name in ("BTC", "ETH")}
    found = judge(walk(bars, books=4, paths=100))  # from 2022, of which the first books are a year and a half later
    assert found.calibrated.error < 0.05
    assert found.calibrated.skill > 0.3


def test_the_plot_shows_what_is_in_the_table():
    found = reliability(*outcomes(3_000))
    figure = reliability_figure(found, found)
    upper, lower = figure.axes
    assert [bar.get_height() for bar in lower.patches] == found.counts.tolist()
    line = next(one for one in upper.lines if len(one.get_xdata()) == 10 and one.get_linestyle() == "-")
    assert list(line.get_ydata()) == pytest.approx(found.observed.tolist())
    assert "Brier" in upper.get_title()
    picture = io.BytesIO()
    figure.savefig(picture)
    assert picture.getvalue().startswith(b"\x89PNG")

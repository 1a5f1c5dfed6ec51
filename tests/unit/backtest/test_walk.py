import numpy as np
import pytest

from plimsoll.backtest.errors import BacktestError
from plimsoll.backtest.record import CRASH, HORIZONS, judge, static_of, summary, swings_of
from plimsoll.backtest.run import run
from plimsoll.backtest.walk import MODELS, Margins, har_fhs, model_of
from plimsoll.market.bars import DAY, Bars
from plimsoll.market.sources import load_recorded

HOUR = 3_600
START = 1_600_041_600  # 2020-09-14 00:00 UTC


def bars_of(returns, start=START, interval=HOUR):
    """Bars that open where the last one closed, with a little more above and below."""
    close = 100 * np.exp(np.cumsum(returns))
    opened = np.concatenate(([100.0], close[:-1]))
    high, low = np.maximum(opened, close) * 1.001, np.minimum(opened, close) * 0.999
    time = start + np.arange(len(close)) * interval
    return Bars(time, opened, high, low, close, np.zeros(len(close)), interval, "made up")


@pytest.fixture(scope="module")
def moves():
    source = np.random.default_rng(5)
    n = 400 * 24
    wander = np.zeros(n)
    for t in range(1, n):
        wander[t] = 0.985 * wander[t - 1] + 0.12 * source.standard_normal()
    return 0.005 * np.exp(wander) * source.standard_t(4, n) / np.sqrt(2)


@pytest.fixture(scope="module")
def year(moves):
    return bars_of(moves)


def static(bars, margin=0.1):
    """The same margin for ever, on both sides."""
    return Margins(np.full(len(bars) + 1, margin), np.full(len(bars) + 1, margin))


def cut(bars, n):
    return bars.take(slice(0, n))


@pytest.mark.parametrize("name", [name for name in MODELS if name != "garch-t"])
def test_no_model_looks_ahead(moves, year, name):
    """The future cut off, and another one in its place: the past's margins are the same."""
    model = MODELS[name]
    whole = model(year, 8, 0.99)
    assert np.isfinite(whole.down[-1])
    at = 330 * 24 + 5
    part = model(cut(year, at), 8, 0.99)
    other = bars_of(np.concatenate((moves[:at], -4 * moves[at:])))
    for side in ("down", "up"):
        assert np.array_equal(getattr(part, side), getattr(whole, side)[: at + 1], equal_nan=True)
        found = getattr(model(other, 8, 0.99), side)
        assert np.array_equal(found[: at + 1], getattr(part, side), equal_nan=True)
        assert not np.array_equal(found, getattr(whole, side), equal_nan=True)


@pytest.mark.slow
def test_garch_does_not_look_ahead_either():
    long = bars_of(np.random.default_rng(6).standard_t(4, 700) * 0.02, interval=DAY)
    whole, part = (MODELS["garch-t"](bars, 1, 0.99) for bars in (long, cut(long, 500)))
    assert np.isfinite(part.down[-1])
    assert np.array_equal(part.down[:500], whole.down[:500], equal_nan=True)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "garch-t"])
def test_a_price_that_has_not_moved_yet_has_no_margin(moves, name):
    """Warnings are errors here: none comes of dividing by a volatility of nothing."""
    still = 60 * 24
    bars = bars_of(np.concatenate((np.zeros(still), moves[: 330 * 24])))
    found = MODELS[name](bars, 8, 0.99)
    assert np.isfinite(found.down[-1])
    if name == "ewma-97-fhs":
        assert np.all(np.isnan(found.down[: still + 60 * 24]))


def test_prices_that_never_move_are_a_named_error():
    bars = bars_of(np.zeros(400 * 24))
    with pytest.raises(BacktestError, match="made up: its price does not move"):
        MODELS["ewma-97-fhs"](bars, 8, 0.99)
    for name in MODELS:
        with pytest.raises(BacktestError, match="STILL: its price does not move"):
            run({"STILL": bars}, (name,))


def test_margins_of_another_scale_scale(moves, year):
    """Twice the moves, near twice the margin: nothing in the default model knows a price level."""
    double = bars_of(2 * moves)
    one, two = har_fhs(year, 1, 0.99), har_fhs(double, 1, 0.99)
    live = np.isfinite(one.down)
    ratio = np.log1p(-two.down[live]) / np.log1p(-one.down[live])
    assert np.median(ratio) == pytest.approx(2, rel=0.05)


def test_the_wider_of_both_sides():
    found = Margins(np.array([0.1, 0.3]), np.array([0.2, 0.1])).wider
    assert found.down.tolist() == found.up.tolist() == [0.2, 0.3]


def test_an_unknown_model_has_a_name():
    with pytest.raises(BacktestError, match="model 'crystal-ball'; har-fhs, ewma-94"):
        model_of("crystal-ball")


@pytest.mark.parametrize("shortfall", [0.0, 0.001, 0.05, 0.4, 3.0])
def test_the_static_margin_leaves_the_same_shortfall(shortfall):
    losses = np.random.default_rng(7).standard_t(3, 500) * 0.03
    found = static_of(losses, shortfall)
    assert np.sum(np.maximum(losses - found, 0)) == pytest.approx(shortfall, abs=1e-12)


def test_swings_of_a_path():
    margin = np.array([0.1, 0.1, 0.15, 0.1, 0.1, 0.1, 0.1, 0.3])
    found = swings_of(margin)
    assert found.peak_over_trough == pytest.approx(3)
    assert (found.rise_1, found.rise_5) == pytest.approx((2, 1))
    assert found.rise_30 == 0


def test_a_record_by_hand():
    """A static margin of 5 % against a market that loses 10 % in the first hour of every tenth day."""
    returns = np.zeros(800 * 24)
    returns[::240] = np.log(0.9)
    returns[5::240] = -np.log(0.9)
    bars = bars_of(returns, CRASH[1])
    found = judge("TOY", "static", bars, static(bars, 0.05), HOUR)
    down, up = found.cells
    assert down.daily.windows == 70
    assert down.daily.exceptions == 7
    assert up.daily.exceptions == 0
    assert down.average == pytest.approx(0.05)
    assert down.static == pytest.approx(0.05)
    assert down.ratio == pytest.approx(1)
    assert down.worst == pytest.approx(2)
    assert not down.passes
    assert down.every == pytest.approx(7 / (70 * 24), rel=0.02)
    assert found.swings.peak_over_trough == 1
    told = summary([found])
    assert (told.cells, told.passing, told.worst) == (2, up.passes, down.worst)


def test_windows_of_more_than_a_day_do_not_overlap():
    """One fall is one exception, however long the horizon; swings are looked at every day all the same."""
    returns = np.zeros(900 * 24)
    returns[801 * 24 + 7] = np.log(0.9)
    bars = bars_of(returns, CRASH[1])
    held = static(bars, 0.05)
    held.down[:] = 0.05 * 1.0001 ** (np.arange(len(bars) + 1) // 24)
    held.up[:] = held.down
    for days, windows in ((1, 170), (3, 56)):
        found = judge("TOY", "static", bars, held, days * DAY)
        assert (found.cells[0].daily.windows, found.cells[0].daily.exceptions) == (windows, 1)
        assert found.swings.rise_5 == pytest.approx(1.0001**5 - 1)
    with pytest.raises(BacktestError, match="17 windows of 10 days; 30 are needed"):
        judge("TOY", "static", bars, held, 10 * DAY)


def test_the_crash_of_march_2020_is_in_no_worst():
    returns = np.zeros(800 * 24)
    begin = CRASH[0] - 760 * DAY
    returns[760 * 24] = np.log(0.5)
    bars = bars_of(returns, begin)
    found = judge("TOY", "static", bars, static(bars, 0.05), HOUR)
    assert found.cells[0].daily.exceptions == 1
    assert found.cells[0].worst < 1


def test_what_cannot_be_judged_has_a_name(year):
    told = static(year)
    with pytest.raises(BacktestError, match="horizon 5000 s; a multiple of the bars' 3600 s"):
        judge("TOY", "static", year, told, 5_000)
    with pytest.raises(BacktestError, match="made up: 0 days after a warm-up of 730"):
        judge("TOY", "static", year, told, HOUR)
    long = bars_of(np.zeros(800 * 24) + 1e-5)
    silent = static(long)
    silent.down[-30:] = np.nan
    with pytest.raises(BacktestError, match="no margin at"):
        judge("TOY", "static", long, silent, HOUR)
    with pytest.raises(BacktestError, match=r"records of \[\]"):
        summary([])


@pytest.mark.long  # the figures hold all models to it
@pytest.mark.data
@pytest.mark.parametrize("asset", ["btc", "eth"])
def test_on_recorded_prices_no_cell_is_red(asset):
    bars = load_recorded(f"{asset}_usdt_spot_1h")
    found = [judge(asset, "har-fhs", bars, har_fhs(bars, h // HOUR, 0.99), h) for h in HORIZONS]
    told = summary(found)
    assert told.red == 0
    assert told.passing >= 5
    assert told.ratio < 0.9
    assert told.peak_over_trough < 8
    assert told.rise_5 < 1.5

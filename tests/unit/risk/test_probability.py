"""Probability of liquidation: right where the law is known, falling with headroom, honest when calibrated."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from plimsoll.risk.engine import Engine
from plimsoll.risk.errors import ModelError, TooFewObservationsError
from plimsoll.risk.models import EwmaFhs
from plimsoll.risk.probability import (
    TAIL_RANK,
    Calibration,
    Outlook,
    calibrate,
    curve_of,
    decay_of,
    lanes_of,
    likeliest_first,
    log_odds,
    moves_of,
    probabilities,
    probability,
    residual_paths,
    starts_of,
    worst_losses,
)
from plimsoll.risk.scenarios import ScenarioSet
from plimsoll.risk.screen import EXACT, NO_ROW, Books, books_of, drawn_books, drawn_snapshot, screen, table_of, view_of
from plimsoll.spec.instruments import PERP, PUT, unpack, word
from plimsoll.spec.surface import Surface
from plimsoll.spec.wad import WAD

SET = ScenarioSet(100_000, 400_000, 250_000)  # a scan range of a tenth


def header(scenarios=SET, **changes):
    fields = {
        "underlying": 256,
        "expiry": 0,
        "scale": 1,
        "common": 32,
        "time": 0,
        "set_id": 0,
        "forward": 10**9,
        "reference": WAD,
        "psr": scenarios.psr,
        "vol_up": 0,
        "vol_down": 0,
        "nodes": scenarios.nodes,
        "extremes": scenarios.extremes,
        "rows": (),
        "damps": scenarios.damps,
    }
    return Surface(**(fields | changes))


CURVE = curve_of(header())
LINEAR = SET.linear_pnl  # lanes of one unit of the index


def losses_of(lanes, moves, decay=None):
    return worst_losses(np.asarray(lanes)[:, None, :], [CURVE], moves, decay)


# ------------------------------------------------------------------------------------------------------------- curves


def test_a_linear_position_is_linear_at_the_nodes_at_the_extremes_between_and_beyond():
    moves = np.linspace(-0.9, 0.9, 181)
    found = -losses_of([LINEAR, -2 * LINEAR], moves[:, None, None])
    np.testing.assert_allclose(found[0], moves, atol=1e-12)
    np.testing.assert_allclose(found[1], -2 * moves, atol=1e-12)


def test_profit_at_a_node_is_the_mean_of_both_volatilities_less_what_it_is_at_no_move():
    lanes = np.zeros(32)
    lanes[[0, 1]] = 0.03, -0.01  # at no move
    lanes[[2, 3]] = 0.08, 0.02  # at the first node up
    lanes[26] = 0.30  # at one and a half scan ranges, of which 60 % count
    first = SET.node_moves[1]
    at = np.array([0.0, first, first / 2, 0.15])[:, None, None]
    np.testing.assert_allclose(-losses_of([lanes], at)[0], [0.0, 0.04, 0.02, 0.30 / 0.6 - 0.03], atol=1e-12)


def test_a_curve_stops_at_a_price_of_nothing():
    wide = curve_of(header(ScenarioSet(800_000, 0, 0)))
    assert wide.moves[0] == -1.0
    assert np.all(np.diff(wide.moves) > 0)
    for changes in ({"psr": 0}, {"damps": (60, 0, 33)}, {"nodes": (1,) * 13}):
        with pytest.raises(ModelError):
            curve_of(header(**changes))


def test_the_worst_of_a_path_counts_and_options_decay_on_the_way():
    moves = np.array([[[-0.02], [-0.05], [0.01]], [[0.01], [0.02], [0.03]]])
    assert losses_of([LINEAR], moves)[0] == pytest.approx([0.05, -0.01])
    assert losses_of([LINEAR], moves, np.array([-0.09]))[0] == pytest.approx([0.05 + 0.06, 0.06])


# ------------------------------------------------------------------------------------------------- laws that are known


def normal_paths(count, steps=1, underlyings=1, rho=0.0, seed=5):
    rng = np.random.default_rng(seed)
    shocks = rng.standard_normal((count, steps, underlyings))
    if underlyings == 2:
        shocks[..., 1] = rho * shocks[..., 0] + math.sqrt(1 - rho**2) * shocks[..., 1]
    return np.cumsum(shocks, axis=1) / math.sqrt(steps)


def within(found, truth, count, times=4.0):
    return abs(found - truth) <= times * math.sqrt(truth * (1 - truth) / count)


@pytest.mark.parametrize("headroom", [0.005, 0.02, 0.04, 0.06])
@pytest.mark.parametrize("side", [1, -1])
def test_a_perpetual_under_a_normal_law_fails_as_often_as_the_law_says(headroom, side):
    count, sigma = 20_000, 0.03
    moves = moves_of(normal_paths(count), np.array([sigma]))
    found = probability(np.array([headroom]), losses_of([side * LINEAR], moves))[0]
    truth = stats.norm.cdf(math.log1p(-side * headroom) * side / sigma)
    assert within(found, truth, count)


def test_a_path_of_many_looks_fails_as_a_random_walk_touches_a_level():
    count, sigma, headroom = 5_000, 0.03, 0.03
    moves = moves_of(normal_paths(count, steps=400), np.array([sigma]))
    found = probability(np.array([headroom]), losses_of([LINEAR], moves))[0]
    level = math.log1p(-headroom) / sigma - 0.5826 / math.sqrt(400)  # between looks (Broadie, Glasserman, Kou, 1997)
    assert within(found, 2 * stats.norm.cdf(level), count)


def test_a_hedge_across_underlyings_is_worth_what_they_move_together():
    count, sigma, headroom = 20_000, 0.02, 0.02
    lanes = np.stack((LINEAR, -LINEAR))[None]
    for rho in (0.0, 0.9):
        moves = moves_of(normal_paths(count, underlyings=2, rho=rho), np.array([sigma, sigma]))
        found = probability(np.array([headroom]), worst_losses(lanes, [CURVE, CURVE], moves))[0]
        truth = stats.norm.sf(headroom / (sigma * math.sqrt(2 * (1 - rho))))
        assert within(found, truth, count, 5.0)


def test_far_out_the_tail_falls_as_the_third_power():
    losses = losses_of([LINEAR, LINEAR], moves_of(normal_paths(2_000), np.array([0.03])))
    edge = np.sort(losses[0])[-TAIL_RANK]
    found = probability(np.array([2 * edge, 4 * edge]), losses)
    assert found.tolist() == pytest.approx([TAIL_RANK / 2_000 / 8, TAIL_RANK / 2_000 / 64])


@given(st.lists(st.floats(-0.1, 3.0), min_size=2, max_size=30), st.integers(0, 5))
def test_more_headroom_never_fails_more_often(headrooms, seed):
    rng = np.random.default_rng(seed)
    lanes = rng.standard_normal(32) * 0.05 + LINEAR
    moves = moves_of(rng.standard_t(3, (300, 3, 1)), np.array([0.03]))
    ordered = np.sort(np.array(headrooms))
    found = probability(ordered, losses_of(np.repeat(lanes[None], len(ordered), axis=0), moves))
    assert np.all(np.diff(found) <= 0)
    assert np.all((found >= 0) & (found <= 1))
    assert np.all(found[ordered < 0] == 1)


def test_who_cannot_lose_does_not_fail_and_who_is_not_known_does():
    losses = np.full((3, 200), -0.01)
    assert probability(np.array([0.01, np.nan, -0.01]), losses).tolist() == [0.0, 1.0, 1.0]


def test_the_likeliest_come_first_and_of_equals_who_has_least():
    assert likeliest_first(np.array([0.1, 1.0, 0.1, 1.0]), np.array([5.0, -1.0, 4.0, -2.0])).tolist() == [3, 1, 2, 0]


# -------------------------------------------------------------------------------------------------------- what is past


def test_paths_are_in_units_of_the_forecast_where_they_start():
    logs = np.cumsum(np.arange(20.0))[:, None]
    forecast = np.linspace(1, 2, 20)[:, None]
    found = residual_paths(logs, forecast, np.array([0, 10]), 3)
    assert found.shape == (2, 3, 1)
    assert found[1, :, 0].tolist() == pytest.approx([11 / forecast[10, 0], 23 / forecast[10, 0], 36 / forecast[10, 0]])


def test_paths_end_where_what_is_known_ends():
    found = starts_of(50, 1_000, 24, 200)
    assert (found[0], found[-1], len(found)) == (50, 976, 200)
    assert len(starts_of(50, 173, 24)) == 100
    with pytest.raises(TooFewObservationsError):
        starts_of(50, 172, 24)


def test_forecasts_and_shapes_that_make_no_paths_are_refused():
    logs, forecast = np.zeros((10, 2)), np.ones((10, 2))
    for arguments in (
        (logs, forecast[:9], np.array([0]), 2),
        (logs, forecast, np.array([8]), 2),
        (logs, 0 * forecast, np.array([0]), 2),
        (logs, np.nan * forecast, np.array([0]), 2),
        (logs, forecast, np.array([0]), 0),
    ):
        with pytest.raises(ModelError):
            residual_paths(*arguments)


# --------------------------------------------------------------------------------------------------------- calibration


def drawn_outcomes(count, intercept, slope, seed=3):
    rng = np.random.default_rng(seed)
    said = rng.uniform(0.001, 0.999, count)
    true = 1 / (1 + np.exp(-(intercept + slope * log_odds(said))))
    return said, rng.random(count) < true


@pytest.mark.parametrize(("intercept", "slope"), [(0.0, 1.0), (-0.7, 0.6), (0.5, 1.6)])
def test_a_planted_miscalibration_is_found(intercept, slope):
    found = calibrate(*drawn_outcomes(60_000, intercept, slope))
    assert found.intercept == pytest.approx(intercept, abs=0.05)
    assert found.slope == pytest.approx(slope, abs=0.05)
    grid = np.linspace(0, 1, 50)
    assert np.all(np.diff(found(grid)) >= 0)
    assert found(np.array([1.0]))[0] == 1.0


def test_few_outcomes_turn_little_over():
    said, happened = drawn_outcomes(120, -3.0, 1.0)
    sure, unsure = calibrate(said, happened, prior=0.1), calibrate(said, happened, prior=100.0)
    assert -1.0 < sure.intercept < 0
    assert unsure.intercept < -2


def test_what_cannot_be_calibrated_is_refused():
    said, happened = drawn_outcomes(500, 0, 1)
    with pytest.raises(TooFewObservationsError):
        calibrate(said[:50], happened[:50])
    with pytest.raises(ModelError, match="alike"):
        calibrate(said, np.zeros(500, dtype=bool))
    with pytest.raises(ModelError, match="against"):
        calibrate(said, said < 0.5, prior=10.0)
    with pytest.raises(ModelError, match="prior"):
        calibrate(said, happened, prior=0.0)
    for intercept, slope in ((0.0, 0.0), (math.nan, 1.0), (0.0, math.inf)):
        with pytest.raises(ModelError, match="calibration"):
            Calibration(intercept, slope)


# ------------------------------------------------------------------------------------------------------ screened books


@pytest.fixture(scope="module")
def market():
    snapshot = drawn_snapshot()
    view = view_of(Engine(EwmaFhs()).report(snapshot), snapshot)
    return view, table_of(view)


def outlook_of(view, table, sigma=0.04, count=600):
    rng = np.random.default_rng(1)
    return Outlook.of(table, view.surfaces, rng.standard_t(4, (count, 4, 4)) / 2, np.full(4, sigma), 1.0)


def test_lanes_and_decay_of_accounts_are_sums_of_their_rows(market):
    view, table = market
    perp = next(key for key in table.ids if unpack(key).kind == PERP)
    puts = [key for key in table.ids if unpack(key).kind == PUT and unpack(key).underlying == 257]
    put = next(key for key in puts if view.surfaces[257, unpack(key).expiry].rows[unpack(key).row].theta)
    books = books_of(table, [([], 0), ([word(perp, 2 * WAD), word(put, -WAD)], 0)])
    found = lanes_of(table, books, [1, 0])
    item = unpack(put)
    row = view.surfaces[257, item.expiry].rows[item.row]
    scale = view.surfaces[257, item.expiry].scale
    assert found.shape == (2, 4, 32)
    assert found[0, 1] == pytest.approx(-np.array(row.lanes) * scale * 3_000 / 1e5)
    linear = np.array(view.surfaces[256, 0].rows[0].lanes) * view.surfaces[256, 0].scale
    assert found[0, 0] == pytest.approx(2 * linear * 90_000 / 1e5)
    assert not found[1].any()
    assert decay_of(table, books, [0, 1]).tolist() == pytest.approx([0.0, -row.theta * 1e-7 * 3_000])
    assert decay_of(table, books, [1])[0] > 0


def test_probabilities_of_screened_books_fall_with_headroom(market):
    view, table = market
    drawn = drawn_books(table, 100, 4, seed=2)
    outlook = outlook_of(view, table)
    base = screen(table, drawn)
    shift = 30.0 * np.arange(100)
    richer = Books(drawn.starts, drawn.rows, drawn.quantities, drawn.ledgers + shift)
    one, other = (probabilities(table, b, screen(table, b), np.arange(100), outlook) for b in (drawn, richer))
    assert np.all(other <= one)
    assert np.all(one[base.headroom < 0] == 1)
    assert 0 < np.mean((one > 0.01) & (one < 0.99)) < 1


def test_who_was_not_screened_is_looked_at_first(market):
    view, table = market
    books = Books(np.array([0, 1, 2]), np.array([0, NO_ROW], dtype=np.int32), np.ones(2), np.full(2, 1e9))
    found = screen(table, books)
    assert found.verdict[1] == EXACT
    said = probabilities(table, books, found, [0, 1], outlook_of(view, table))
    assert said[1] == 1.0
    assert said[0] < 0.01
    assert likeliest_first(said, found.headroom).tolist() == [1, 0]
    for reads in (lanes_of, decay_of):
        with pytest.raises(ModelError, match="account 1"):
            reads(table, books, [1])
        with pytest.raises(ModelError, match="account 2"):
            reads(table, books, [2])
    with pytest.raises(ModelError, match="accounts of 0"):
        probabilities(table, books, found, [-1], outlook_of(view, table))


def test_shapes_that_do_not_fit_are_refused(market):
    view, table = market
    with pytest.raises(ModelError, match="4 underlyings"):
        Outlook.of(table, view.surfaces, np.zeros((200, 2, 3)), np.ones(4), 1.0)
    with pytest.raises(ModelError):
        worst_losses(np.zeros((2, 1, 32)), [CURVE], np.zeros((5, 1, 2)))
    for headroom, losses in ((np.zeros(2), np.zeros((1, 50))), (np.zeros(1), np.zeros((1, TAIL_RANK)))):
        with pytest.raises(ModelError):
            probability(headroom, losses)

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import nnls

from plimsoll.risk.blend import METHODS, blended, levelled, non_negative, qlike
from plimsoll.risk.errors import ModelError

N = 4_000


def world(noises, seed=1, n=N):
    """A log variance that wanders, its noisy measure, and forecasts with noises of their own."""
    source = np.random.default_rng(seed)
    true = np.zeros(n)
    for t in range(1, n):
        true[t] = 0.99 * true[t - 1] + 0.1 * source.standard_normal()
    true -= 9
    realised = true + 0.3 * source.standard_normal(n)
    return realised, {f"m{k}": true + noise * source.standard_normal(n) for k, noise in enumerate(noises)}, true


def error(path, true, first=2_000):
    return float(np.nanmean(np.square(path - true)[first:]))


def test_qlike_is_nothing_where_a_forecast_is_right_and_costs_more_below_than_above():
    realised = np.array([-9.0, -9.0, -9.0, np.nan])
    found = qlike(realised, np.array([-9.0, -10.0, -8.0, -9.0]))
    assert found[0] == 0
    assert found[1] == pytest.approx(math.e - 1 - 1)
    assert found[2] == pytest.approx(math.exp(-1) + 1 - 1)
    assert np.isnan(found[3])


@given(st.floats(-3, 3))
def test_the_level_that_qlike_asks_for_is_found(shift):
    """A forecast off by any factor is lifted to where its own QLIKE is smallest."""
    realised, members, _ = world([0.2])
    member = members["m0"] + shift
    found = levelled(realised, member, 1)
    late = slice(N - 500, None)
    known = (realised - member)[: N - 500]
    best = member[late] + math.log(np.mean(np.exp(known)))
    assert found[late] == pytest.approx(best, abs=0.02)
    assert np.array_equal(found[:1_000], member[:1_000])


def test_a_level_is_set_by_what_had_ended():
    realised, members, _ = world([0.2])
    horizon, cut = 24, 2_500
    whole = levelled(realised, members["m0"], horizon)
    changed = realised.copy()
    changed[cut - horizon + 1 :] = 3.0
    part = levelled(changed, members["m0"], horizon)
    assert np.array_equal(part[: cut + 1], whole[: cut + 1])
    assert not np.array_equal(part, whole)


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_the_search_finds_what_non_negative_least_squares_does(k, seed):
    source = np.random.default_rng(seed)
    columns, wanted = source.standard_normal((60, k)), source.standard_normal(60)
    found = non_negative(columns.T @ columns, columns.T @ wanted)
    assert found == pytest.approx(nnls(columns, wanted)[0], abs=1e-8)


def test_an_equal_blend_is_the_mean_of_what_is_there():
    realised, members, _ = world([0.1, 0.2, 0.4])
    members["m1"][100:200] = np.nan
    found, weights = blended(realised, members, 1, "equal", refit=500)
    paths = np.stack(list(members.values()))
    assert found == pytest.approx(np.nanmean(paths, axis=0))
    assert np.all(weights == 1 / 3)


@pytest.mark.parametrize("method", ["inverse-qlike", "granger-ramanathan"])
def test_the_better_member_weighs_more_and_the_blend_is_better_than_it(method):
    realised, members, true = world([0.3, 0.45], seed=2)
    found, weights = blended(realised, members, 1, method, refit=500)
    assert weights[-1][0] > weights[-1][1] > 0
    assert error(found, true) < error(members["m0"], true) < error(members["m1"], true)


def test_a_member_that_is_upside_down_weighs_nothing():
    realised, members, _ = world([0.3, 0.3], seed=3)
    members["m1"] = -18 - members["m1"]
    _, weights = blended(realised, members, 1, "granger-ramanathan", refit=500)
    assert weights[-1][1] == 0
    assert weights[-1][0] > 0.5


def test_two_equal_members_share():
    realised, members, _ = world([0.3], seed=4)
    members["twin"] = members["m0"].copy()
    found, weights = blended(realised, members, 1, "granger-ramanathan", refit=500)
    alone, single = blended(realised, {"m0": members["m0"]}, 1, "granger-ramanathan", refit=500)
    assert weights[-1].sum() == pytest.approx(single[-1][0], rel=1e-2)
    assert found[3_500:] == pytest.approx(alone[3_500:], abs=1e-2)


@pytest.mark.parametrize("method", METHODS)
def test_a_member_that_falls_silent_drops_out(method):
    realised, members, true = world([0.3, 0.3, 0.3], seed=5)
    members["m2"][3_000:] = np.nan
    members["m1"][:1_700] = np.nan  # begins late: waits until enough of it is known
    found, weights = blended(realised, members, 1, method, refit=500)
    assert np.isfinite(found).all()
    if method != "equal":
        assert weights[4][1] == 0
        assert weights[4][0] > 0
        assert weights[-1][1] > 0
        assert weights[-1][2] == 0
    assert error(found, true, 3_000) < 1.1 * error(members["m0"], true, 3_000)


@pytest.mark.parametrize("method", METHODS)
def test_with_all_silent_there_is_none(method):
    realised, members, _ = world([0.3, 0.3], seed=6)
    for path in members.values():
        path[3_100:3_110] = np.nan
    members["m0"][3_200:3_210] = np.nan
    found, _ = blended(realised, members, 1, method, refit=500)
    assert np.isnan(found[3_100:3_110]).all()
    assert np.isfinite(found[3_110:]).all()


@pytest.mark.parametrize("method", METHODS)
def test_it_does_not_look_ahead(method):
    realised, members, _ = world([0.3, 0.5], seed=7)
    horizon, cut = 8, 2_700  # where weights are set
    whole, _ = blended(realised, members, horizon, method, refit=300)
    later = {name: np.where(np.arange(N) > cut, -5.0, path) for name, path in members.items()}
    changed = realised.copy()
    changed[cut - horizon + 1 :] = -20.0
    part, _ = blended(changed, later, horizon, method, refit=300)
    assert np.array_equal(part[: cut + 1], whole[: cut + 1])
    assert not np.array_equal(part, whole)


def test_bad_input_is_named():
    realised, members, _ = world([0.3], n=50)
    with pytest.raises(ModelError, match="0 members"):
        blended(realised, {}, 1, "equal", refit=1)
    with pytest.raises(ModelError, match="method 'best'; equal, inverse-qlike"):
        blended(realised, members, 1, "best", refit=1)
    with pytest.raises(ModelError, match="m0 of shape"):
        blended(realised[1:], members, 1, "equal", refit=1)
    with pytest.raises(ModelError, match="refit 0 bars"):
        blended(realised, members, 1, "equal", refit=0)

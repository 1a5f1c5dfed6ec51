from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.risk.errors import ScenarioError
from plimsoll.risk.scenarios import COARSE, DAMPS, EVEN, EXTREMES, FINE, INNER, ScenarioSet

SET = ScenarioSet(psr=120_000, vol_up=400_000, vol_down=250_000, inner=EVEN)
NODES = SET.nodes


def test_order_of_the_nodes():
    assert len(NODES) == 13
    assert [round(node / 10_000 * 6) for node in NODES] == [0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6]
    assert all(abs(node / 10_000 * 6 - round(node / 10_000 * 6)) < 4e-4 for node in NODES)


def test_inner_nodes_stand_between_the_middle_and_the_end_in_pairs():
    placed = replace(SET, inner=(900, 1900, 3100, 4800, 7200))
    assert placed.nodes == (0, 900, -900, 1900, -1900, 3100, -3100, 4800, -4800, 7200, -7200, 10000, -10000)
    assert placed.node_moves[:3] == pytest.approx([0, 0.0108, -0.0108])
    assert placed.linear_pnl[4:6] == pytest.approx([-0.0108, -0.0108])
    assert placed.linear_pnl[24:] == pytest.approx(SET.linear_pnl[24:])
    assert ScenarioSet(psr=120_000, vol_up=0, vol_down=0).inner == INNER


def test_lanes_of_the_index_itself():
    pnl = SET.linear_pnl
    assert pnl.shape == (32,)
    assert pnl[[0, 1, 24, 25]] == pytest.approx([0, 0, -0.12, -0.12])
    assert pnl[2:6] == pytest.approx([0.020004, 0.020004, -0.020004, -0.020004])
    assert pnl[26:] == pytest.approx([0.108, -0.108, 0.108, -0.108, 0.1188, -0.1188])


@given(st.integers(1, 1_000_000), st.sampled_from([FINE, COARSE]))
def test_integer_lanes_are_node_times_psr(psr, scale):
    scenarios = ScenarioSet(psr, 0, 0, scale, inner=EVEN)
    lanes = scenarios.linear_lanes
    assert np.max(np.abs(np.array(lanes) * scenarios.unit - scenarios.linear_pnl)) <= scenarios.unit * (0.5 + 1e-9)
    for k, node in enumerate(NODES):
        exact = node * psr  # [1e-10]
        unit = 100_000 * scale  # [1e-10] of a lane
        assert lanes[2 * k] == lanes[2 * k + 1]
        assert abs(lanes[2 * k] * unit - exact) * 2 <= unit
    for k in range(1, 13, 2):
        assert lanes[2 * k] == -lanes[2 * k + 2]


@given(st.integers(1, 1_000_000))
def test_extremes_of_a_linear_position_stay_under_one_psr(psr):
    far = ScenarioSet(psr, 0, 0).linear_pnl[26:]
    assert np.all(np.abs(far) < psr / 1e6)


def test_a_price_stops_at_zero():
    scenarios = ScenarioSet(600_000, 0, 0)
    assert scenarios.extreme_moves.tolist() == pytest.approx([0.9, -0.9, 1.2, -1, 1.8, -1])
    assert scenarios.linear_pnl[29] == pytest.approx(-0.45)
    assert scenarios.linear_lanes[29] == -45_000


@pytest.mark.parametrize(
    "change",
    [
        {"psr": 120_001},
        {"vol_up": 400_001},
        {"vol_down": 250_001},
        {"scale": COARSE},
        {"common": 26},
        {"look_ahead": 0},
        {"tenor_power": 0},
        {"tenor_cap": 1_000_000},
        {"inner": (1666, *EVEN[1:])},
    ],
)
def test_what_changes_a_lane_changes_the_id(change):
    assert replace(SET, **change).set_id != SET.set_id
    assert 0 <= SET.set_id < 2**64


def test_the_id_is_fixed():
    assert ScenarioSet(psr=120_000, vol_up=400_000, vol_down=250_000, inner=EVEN).set_id == SET.set_id
    assert hex(SET.set_id) == "0x5f929f7463d4bc28"


def test_shifts_by_tenor():
    # Deribit: (30 / DTE)^0.30 x 38 %; at 15 days 46.78 %
    scenarios = ScenarioSet(120_000, 380_000, 250_000)
    up, down = scenarios.shifted(np.ones(4), np.array([15, 30, 1, 0.01]) / 365)
    assert up - 1 == pytest.approx([0.4678, 0.38, 0.38 * 30**0.3, 0.38 * 30**0.3], abs=5e-5)
    assert down[1] == pytest.approx(0.75)
    assert np.all(down > 0)
    capped = replace(scenarios, tenor_cap=1_000_000).tenor_factor(np.array([1, 15, 30, 365]) / 365)
    assert capped[:3].tolist() == [1, 1, 1]
    assert capped[3] < 0.5


def test_volatility_down_never_reaches_zero():
    _, down = ScenarioSet(120_000, 0, 900_000).shifted(np.array([1.0]), np.array([1 / 365]))
    assert down == pytest.approx([0.05])


def test_moves_of_a_real_array():
    """NSE Clearing, NIFTY June 2026 future, 2026-06-25: -node x P + carry, in index points, losses positive."""
    index, scan, carry = 24_051.80, 2_235.635, 8.72
    posted = [8.72, -736.49, 753.93, -1481.70, 1499.14, -2226.91, 2244.36]
    scenarios = ScenarioSet(round(scan / index * 1e6), 0, 0, inner=EVEN)
    lanes = dict(zip(NODES, scenarios.linear_lanes[:26:2], strict=True))
    ours = [-lanes[node] * scenarios.unit * index + carry for node in (0, 3333, -3333, 6667, -6667, 10000, -10000)]
    # half a lane unit is 0.12 points; a node in 1e-4 is up to 0.075 off a third
    assert ours == pytest.approx(posted, abs=0.22)


@pytest.mark.parametrize(
    "bad",
    [
        {"psr": 0},
        {"psr": 1_000_001},
        {"vol_up": -1},
        {"vol_up": 10_000_001},
        {"vol_down": 1_000_000},
        {"scale": 2},
        {"look_ahead": -1},
        {"tenor_power": 1_000_001},
        {"tenor_cap": 999_999},
        {"common": 33},
        {"common": 0},
        {"inner": EVEN[:4]},
        {"inner": (*EVEN[:4], 10_000)},
        {"inner": (0, *EVEN[1:])},
        {"inner": (*EVEN[:3], 8333, 8333)},
    ],
)
def test_refuses(bad):
    with pytest.raises(ScenarioError):
        replace(SET, **bad)


def test_damping_belongs_to_the_extremes():
    assert [e * d for e, d in zip(EXTREMES, DAMPS, strict=True)] == [9000, 9000, 9900]

"""What the lanes see of drawn books, and that margin covers the rest."""

from dataclasses import replace

import numpy as np
import pytest

from plimsoll.backtest import lanes
from plimsoll.backtest.chains import draw
from plimsoll.risk.adversary import synthetic
from plimsoll.risk.engine import Engine, EngineConfig
from plimsoll.risk.models import EwmaFhs
from plimsoll.risk.scenarios import EVEN, INNER
from plimsoll.spec.guardrails import Guardrails
from tests.counts import record

BOOKS = 40


@pytest.fixture(scope="module")
def snapshot():
    return synthetic(maturities=3, strikes=9).snapshot


@pytest.fixture(scope="module")
def opened(snapshot):
    return lanes.board(snapshot)


def test_own_lanes_are_the_posted_ones_to_half_a_unit(opened):
    for key, chains in opened.chains.items():
        held = opened.held[key]
        for chain in chains:
            own = chain.lanes(INNER)
            posted = held.lanes[chain.places]
            assert np.sort(own, axis=1) == pytest.approx(np.sort(posted, axis=1), abs=0.5001e-5 * 10)


def test_the_grid_sees_what_the_lanes_see_at_once(opened):
    """Each lane of volatility up lies on a grid that has its node; what the grid sees is never less."""
    for chains in opened.chains.values():
        for chain in chains:
            psr = chain.scenarios.psr / 1e6
            quantities = np.random.default_rng(0).normal(size=(50, len(chain.places)))
            at_nodes = chain.profits(np.array([-psr, 0.0, psr]), chain.shifted[0], chain.tau)
            assert np.all((quantities @ chain.grid()).min(axis=1) <= (quantities @ at_nodes).min(axis=1) + 1e-12)
            assert chain.grid(lanes.AGED).shape[1] == 4 * lanes.STEPS + 6
            assert lanes.STEPS >= 121


def test_coverage_by_hand(opened):
    cell = lanes.measure(opened, books=5)[0]
    cells = [
        replace(cell, kind="a", worst=np.array([1.0, 2.0]), seen=np.array([0.5, 3.0]), mm=np.array([1.1, 1.9])),
        replace(cell, kind="a", worst=np.array([1.0]), seen=np.array([0.75]), mm=np.array([2.0]), days=9.0),
    ]
    found = lanes.coverage(cells)
    assert found.mean["a"] == pytest.approx(0.75)
    assert found.first["a"] == pytest.approx(0.505)
    assert found.lowest["a"] == (pytest.approx(0.505), cell.days)
    assert (found.books, found.over_margin) == (3, 1)
    assert found.worst_loss == pytest.approx(2 / 1.9)
    assert not found.reached
    assert lanes.coverage([replace(cells[0], seen=cells[0].worst)]).reached


def test_training_and_measured_books_differ_and_a_seed_says_all(opened):
    (key, chains), *_ = opened.chains.items()
    one, again, other = (
        draw(opened.listed[key], "random", 5, (seed, key, chains[0].expiry), [chains[0].expiry])
        for seed in (lanes.TRAINING, lanes.TRAINING, lanes.MEASURED)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_chosen_nodes_see_more_of_books_they_were_not_chosen_on(opened):
    chosen = lanes.place_on(opened, grid=lanes.AGED, books=BOOKS)
    seen = {
        name: lanes.coverage(lanes.measure(opened, grid=lanes.AGED, books=BOOKS, inner=inner)).first["butterfly"]
        for name, inner in (("chosen", chosen), ("even", EVEN), ("bad", (8_000, 8_500, 9_000, 9_300, 9_600)))
    }
    assert seen["chosen"] > seen["even"] > seen["bad"]
    wide = lanes.place_on(opened, grid=lanes.AGED, books=BOOKS, pairs=lanes.WIDE_PAIRS)
    assert len(wide) == 9
    more = lanes.coverage(lanes.measure(opened, grid=lanes.AGED, books=BOOKS, inner=wide)).first["butterfly"]
    assert more > seen["chosen"]


@pytest.mark.parametrize("grid", [lanes.VOLATILITY, lanes.AGED])
def test_no_drawn_book_loses_more_than_its_margin(opened, grid):
    cells = lanes.measure(opened, grid=grid, books=BOOKS)
    found = lanes.coverage(cells)
    assert found.over_margin == 0
    assert 0.5 < found.worst_loss < 1
    record(lane_books=found.books)
    # by the lanes alone, without the gross charge, some would
    assert any(np.any(cell.worst > cell.seen) for cell in cells)


def test_chosen_nodes_are_posted_and_pass_the_guardrails(snapshot):
    built = Engine(EwmaFhs(), EngineConfig(inner=(700, 1_900, 3_100, 4_900, 7_700))).report(snapshot)

    class Feed:
        def strike_unit(self, underlying):
            return snapshot.market(underlying).strike_unit

        def price(self, underlying, now):
            raise AssertionError(underlying, now)

    for surface in built.surfaces:
        assert surface.nodes[1] == 700
        assert Guardrails(1, Feed()).check(surface)


def test_without_data_it_says_what_is_left_out(monkeypatch):
    monkeypatch.delenv("PLIMSOLL_DATA", raising=False)
    found = lanes.record()
    assert not found.sets
    assert "PLIMSOLL_DATA is unset" in found.left_out


def test_what_48_lanes_cost():
    gas = lanes.wide_gas()
    assert gas.post == 32 * 200 + 32 * 16
    assert gas.rows == 191
    assert 97 + 128 * gas.rows <= 24_576 < 97 + 128 * (gas.rows + 1)


@pytest.mark.data
def test_32_lanes_see_what_is_promised_on_the_recorded_chains(data_folder):
    """The chain of 2025-12-30, both underlyings on one node set, chosen on other draws than those measured."""
    assert data_folder
    opened = lanes.board(lanes.full_snapshot())
    found = lanes.coverage(lanes.measure(opened, books=60, inner=lanes.place_on(opened, books=100)))
    assert found.reached
    assert found.over_margin == 0


@pytest.mark.data
@pytest.mark.long
def test_the_whole_record(data_folder):
    assert data_folder
    found = lanes.record()
    assert found.sets["chosen"][1].reached
    assert not found.sets["even"][1].reached
    assert found.sets["48"][1].reached
    assert found.sets["each"][1].reached
    assert all(part.over_margin == 0 for _, part in found.sets.values())
    assert found.sets["chosen aged"][1].first["butterfly"] > found.sets["even aged"][1].first["butterfly"]

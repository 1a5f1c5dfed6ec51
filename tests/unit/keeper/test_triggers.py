"""When a report is due: pure functions, at and around their thresholds."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.state import Held
from plimsoll.keeper.triggers import TriggerConfig, changed, due, gate_near, heartbeat_due
from plimsoll.spec.margin import Index, Params
from plimsoll.spec.wad import WAD

CONFIG = TriggerConfig()


def held_of(world):
    return world.reader.read()


@pytest.mark.parametrize(
    "config", [{"heartbeat": 0}, {"heartbeat": -1}, {"threshold": 0}, {"threshold": 1.1}, {"gate_share": 0}]
)
def test_a_trigger_out_of_range_is_refused(config):
    with pytest.raises(SettingsError):
        TriggerConfig(**config)


@pytest.mark.parametrize(("age", "is_due"), [(3_599, False), (3_600, True), (10**6, True)])
def test_heartbeat(age, is_due):
    held = Held(10**9, 1, 10**9 - age, Params(), {})
    assert (heartbeat_due(held, CONFIG) is not None) == is_due


def test_no_report_yet_is_due_at_once():
    found = heartbeat_due(Held(10**9, 0, 0, Params(), {}), CONFIG)
    assert found is not None
    assert found.kind == "first"


@given(st.integers(1, 10**12), st.integers(0, 10**12), st.floats(0.001, 1))
def test_a_parameter_moved_past_its_threshold(old, new, threshold):
    assert changed(old, new, threshold) == (abs(new - old) > threshold * old)
    assert not changed(old, old, threshold)
    assert changed(0, 1, threshold)


@pytest.mark.parametrize(
    ("price", "is_near"), [(100.0, False), (100.79, False), (100.8, True), (99.2, True), (99.21, False), (150.0, True)]
)
def test_the_gate(world, price, is_near):
    world.keeper().round()
    held = held_of(world)
    moved = replace(held, index={257: Index(round(price * 100) * WAD // 100, 1)})
    assert bool(gate_near(moved, CONFIG)) == is_near


def test_a_fresh_report_is_not_due_and_a_moved_one_says_which(world):
    keeper = world.keeper()
    built = keeper.round().built
    held = held_of(world)
    assert due(held, built, CONFIG) == ()
    (surface,) = built.surfaces
    wilder = replace(built, surfaces=(replace(surface, psr=surface.psr * 2),))
    assert [str(reason) for reason in due(held, wilder, CONFIG)] == [
        f"moved: psr of 257: {surface.psr} to {surface.psr * 2} ppm"
    ]
    longer = replace(built, surfaces=(replace(surface, rows=(*surface.rows, surface.rows[-1])),))
    assert [reason.kind for reason in due(held, longer, CONFIG)] == ["listing"]
    deeper = replace(built, scalars=tuple(replace(s, depth=s.depth * 2) for s in built.scalars))
    assert [reason.kind for reason in due(held, deeper, CONFIG)] == ["moved"]


def test_a_surface_that_expired_asks_for_nothing_and_says_nothing(world):
    world.keeper().round()
    held = held_of(world)
    surface = held.surfaces[257, 0]
    old = replace(surface, expiry=held.time, reference=surface.reference * 2, psr=surface.psr * 9)
    with_old = replace(held, surfaces={**held.surfaces, (257, held.time): old})
    assert gate_near(with_old, CONFIG) == []
    assert with_old.risk_state == held.risk_state

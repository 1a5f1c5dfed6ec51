"""Which underlyings a report is due for: pure functions, at and around their thresholds."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.state import Held
from plimsoll.keeper.triggers import ASKED, PARAMETERS, TriggerConfig, changed, due, gate_near, heartbeat_due
from plimsoll.spec.margin import ClassOffset, Index, Params, Scalars
from plimsoll.spec.surface import Row, Surface
from plimsoll.spec.wad import WAD

CONFIG = TriggerConfig()
NOW = 1_700_000_000
BTC, ETH, SOL = 257, 258, 513


def surface(underlying, age=0, expiry=0, **fields):
    row = Row(0, 0, (0,) * 32, 10**12, 10**6, 0, 0, 0, 2_000)
    common = {"scale": 1, "common": 32, "time": NOW - age, "set_id": 1, "forward": 10**9, "reference": 100 * WAD}
    ranges = {"psr": 80_000, "vol_up": 400_000, "vol_down": 250_000, "nodes": (), "extremes": (), "rows": (row,)}
    return Surface(underlying, expiry, **(common | ranges | fields))


def scalars(underlying, **fields):
    return replace(Scalars(underlying, 10**24, 40_000, 8_000, 1_250_000, 600_000, 20_000), **fields)


class Said:
    """What an engine would post, as far as a trigger looks."""

    def __init__(self, surfaces, words, classes=()):
        self.surfaces, self.scalars, self.classes = tuple(surfaces), tuple(words), tuple(classes)


def venue(ages, said=None, classes=None, **indices):
    """Underlyings whose reports are so old, and what the engine says: the same, but for `said` and `classes`."""
    stand = {(u, 0): surface(u, age) for u, age in ages.items()}
    offsets = {k: ClassOffset(k, 300_000, 200_000) for k in {u >> 8 for u in ages}}
    held = Held(
        NOW,
        9,
        NOW - min(ages.values()),
        Params(),
        {u: Index(round(indices.get(f"u{u}", 100) * 10**6) * 10**12, 1) for u in ages},
        surfaces=stand,
        scalars={u: scalars(u) for u in ages},
        classes=offsets,
    )
    wanted = said or {}
    surfaces = [surface(u, 0, **{k: v for k, v in wanted.get(u, {}).items() if k == "psr"}) for u in sorted(ages)]
    words = [scalars(u, **{k: v for k, v in wanted.get(u, {}).items() if k != "psr"}) for u in sorted(ages)]
    return held, Said(surfaces, words, (classes or offsets).values())


def kinds(going):
    return {one.underlying: [reason.kind for reason in one.reasons] for one in going}


def held_of(world):
    return world.reader.read()


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"heartbeat": 0}, "0 would mean: always"),
        ({"heartbeat": -1}, "heartbeat -1 s"),
        ({"threshold": 0}, "threshold 0"),
        ({"threshold": 1.1}, "threshold 1.1"),
        ({"gate_share": 0}, "gate_share 0"),
        ({"thresholds": {"prs": 0.1}}, "'prs'; one of psr, vol_up"),
        ({"thresholds": {"psr": 0}}, "threshold of psr 0"),
        ({"neighbours": 1.01}, "neighbours 1.01"),
        ({"neighbours": -0.1}, "neighbours -0.1"),
        ({"post_gas_limit": 0}, "post_gas_limit 0"),
    ],
)
def test_a_trigger_out_of_range_is_refused(config, why):
    with pytest.raises(SettingsError, match=why):
        TriggerConfig(**config)


@pytest.mark.parametrize(("age", "is_due"), [(3_599, False), (3_600, True), (10**6, True)])
def test_heartbeat(age, is_due):
    held, wanted = venue({BTC: age, ETH: 0})
    assert (heartbeat_due(held, BTC, CONFIG) is not None) == is_due
    assert heartbeat_due(held, ETH, CONFIG) is None
    assert (BTC in kinds(due(held, wanted, CONFIG))) == is_due


def test_no_report_yet_is_due_at_once():
    found = heartbeat_due(Held(10**9, 0, 0, Params(), {}), BTC, CONFIG)
    assert found is not None
    assert found.kind == "first"


def test_each_underlying_has_a_heartbeat_of_its_own():
    held, wanted = venue({BTC: 3_600, ETH: 60, SOL: 4_000})
    going = due(held, wanted, CONFIG)
    assert kinds(going) == {SOL: ["heartbeat"], BTC: ["heartbeat"]}
    assert [one.underlying for one in going] == [SOL, BTC]  # the oldest first


@given(st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12), st.floats(0.001, 1))
def test_a_parameter_moved_past_its_threshold(old, new, threshold):
    assert changed(old, new, threshold) == (abs(new - old) > threshold * abs(old))
    assert not changed(old, old, threshold)
    assert changed(0, 1, threshold)


@pytest.mark.parametrize(
    ("price", "is_near"), [(100.0, False), (100.79, False), (100.8, True), (99.2, True), (99.21, False), (150.0, True)]
)
def test_the_gate(world, price, is_near):
    world.keeper().round()
    held = held_of(world)
    moved = replace(held, index={257: Index(round(price * 100) * WAD // 100, 1)})
    assert bool(gate_near(moved, 257, CONFIG)) == is_near


def test_past_the_gate_goes_first_however_young():
    held, wanted = venue({BTC: 5_000, ETH: 60, SOL: 30}, u258=101.0, u513=100.9)
    going = due(held, wanted, CONFIG)
    assert [(one.underlying, one.urgent) for one in going] == [(ETH, True), (BTC, False), (SOL, False)]
    assert kinds(going) == {ETH: ["gate"], BTC: ["heartbeat"], SOL: ["gate"]}


@pytest.mark.parametrize("name", [name for name in PARAMETERS if name not in {*ASKED, "offset", "cross_haircut"}])
def test_each_parameter_has_a_threshold_of_its_own(name):
    stands = getattr(surface(BTC), name, None) or getattr(scalars(BTC), name, None)
    held, wanted = venue({BTC: 60, ETH: 60}, {BTC: {name: round(stands * 1.04)}} if name[:3] != "vol" else None)
    if name in {"vol_up", "vol_down"}:
        wanted.surfaces = (surface(BTC, 0, **{name: round(stands * 1.04)}), surface(ETH))
    if name == "volatility":
        wanted.scalars = (scalars(BTC, volatility=round(stands * 1.04)), scalars(ETH))
    config = TriggerConfig(neighbours=1)
    assert due(held, wanted, config) == ()
    (one,) = due(held, wanted, TriggerConfig(neighbours=1, thresholds={name: 0.03}))
    assert (one.underlying, [reason.kind for reason in one.reasons]) == (BTC, ["moved"])
    assert one.reasons[0].detail.startswith(f"{name} of {BTC}: {stands} to ")
    others = {other: 0.03 for other in PARAMETERS if other != name and other not in ASKED}
    assert due(held, wanted, TriggerConfig(neighbours=1, thresholds=others)) == ()


def test_funding_and_charges_of_rows_count_where_they_are_named():
    held, wanted = venue({BTC: 60}, {BTC: {"funding": 7}})
    (row,) = wanted.surfaces[0].rows
    wanted.surfaces = (replace(wanted.surfaces[0], rows=(replace(row, gross=4_000),)),)
    assert due(held, wanted, CONFIG) == ()
    (one,) = due(held, wanted, TriggerConfig(thresholds={"funding": 0.5}))
    assert str(one.reasons[0]) == "moved: funding of 257: 0 to 7"
    (one,) = due(held, wanted, TriggerConfig(thresholds={"gross": 0.5}))
    assert str(one.reasons[0]) == "moved: gross of 257, expiry 0, row 0: 2000 to 4000 ppm"
    assert due(held, wanted, TriggerConfig(thresholds={"haircut": 0.5})) == ()


def test_a_class_goes_with_the_member_that_is_nearest_to_due():
    classes = {1: ClassOffset(1, 340_000, 200_000), 2: ClassOffset(2, 300_000, 200_000)}
    held, wanted = venue({BTC: 600, ETH: 1_200, SOL: 3_000}, None, classes)
    (one,) = due(held, wanted, TriggerConfig(neighbours=1))
    assert (one.underlying, str(one.reasons[0])) == (ETH, "moved: offset of class 1: 300000 to 340000 ppm")


@pytest.mark.parametrize(("share", "rides"), [(0.5, True), (0.75, True), (0.76, False), (1, False)])
def test_near_neighbours_ride_along(share, rides):
    held, wanted = venue({BTC: 3_600, ETH: 2_700, SOL: 60})
    going = due(held, wanted, TriggerConfig(neighbours=share))
    assert kinds(going) == {BTC: ["heartbeat"], **({ETH: ["neighbour"]} if rides else {})}
    if rides:
        assert str(going[1].reasons[0]) == "neighbour: underlying 258 is at 75% of due"


def test_neighbours_make_nothing_due_and_none_at_all_keeps_everything_together():
    held, wanted = venue({BTC: 3_599, ETH: 3_599, SOL: 60})
    assert due(held, wanted, CONFIG) == ()
    held, wanted = venue({BTC: 3_600, ETH: 3_599, SOL: 1})
    assert set(kinds(due(held, wanted, TriggerConfig(neighbours=0)))) == {BTC, ETH, SOL}


def test_what_was_posted_at_this_very_time_waits():
    held, wanted = venue({BTC: 0, ETH: 4_000}, u257=105.0)
    assert list(kinds(due(held, wanted, CONFIG))) == [ETH]
    assert list(kinds(due(held, wanted, CONFIG, urgent=True))) == [ETH]


def test_asked_for_everything_is_due():
    held, wanted = venue({BTC: 5, ETH: 4_000})
    assert kinds(due(held, wanted, CONFIG, urgent=True)) == {ETH: ["urgent", "heartbeat"], BTC: ["urgent"]}


def test_a_fresh_report_is_not_due_and_a_moved_one_says_which(world):
    keeper = world.keeper()
    built = keeper.round().built
    world.chain.advance(1)
    held = held_of(world)
    assert due(held, built, CONFIG) == ()
    (surface,) = built.surfaces

    def why(said):
        return [str(reason) for one in due(held, said, CONFIG) for reason in one.reasons]

    wilder = replace(built, surfaces=(replace(surface, psr=surface.psr * 2),))
    assert why(wilder) == [f"moved: psr of 257: {surface.psr} to {surface.psr * 2} ppm"]
    longer = replace(built, surfaces=(replace(surface, rows=(*surface.rows, surface.rows[-1])),))
    assert [reason.split(":")[0] for reason in why(longer)] == ["listing"]
    deeper = replace(built, scalars=tuple(replace(s, depth=s.depth * 2) for s in built.scalars))
    assert [reason.split(":")[0] for reason in why(deeper)] == ["moved"]


def test_a_surface_that_expired_asks_for_nothing_and_says_nothing(world):
    world.keeper().round()
    held = held_of(world)
    surface = held.surfaces[257, 0]
    old = replace(surface, expiry=held.time, reference=surface.reference * 2, psr=surface.psr * 9)
    with_old = replace(held, surfaces={**held.surfaces, (257, held.time): old})
    assert gate_near(with_old, 257, CONFIG) is None
    assert with_old.risk_state == held.risk_state

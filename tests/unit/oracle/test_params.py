"""I-40: the oracle's governance numbers move in bounded steps, an hour apart; tightening is for guardians too.

A number moves by a quarter of itself, or by its quantum where that is more: 1 % of call buffer, 2.5 % of the floor
rate, 1 % of the share of size, .1 of leg cost, .5 % an hour of widening, .1 % of a gross floor. The first that
governance sets are bound by their ranges alone: a deployment starts where it wants.
"""

from dataclasses import replace

import pytest

from plimsoll.spec.margin import Params
from plimsoll.spec.report import pack_floors, pack_rates
from plimsoll.spec.wad import WAD
from tests.pairs import address_of
from tests.unit.guardrails.yard import ATTACKER, GUARDIANS, HOUR, OWNER, clean_yard

TOO_FAR = "guard: params move too far"
TOO_SOON = "guard: params moved within the hour"
STRANGER = "ownable: caller is not the owner"
GUARDIAN = address_of(GUARDIANS[0])
# large enough that a quarter is more than the quantum
LARGE = Params(
    call_buffer=100_000,
    floor_rate=400_000,
    min_share=80_000,
    leg_cost=2 * WAD,
    widen=40_000,
    gross_base=(8_000, 9_000, 10_001, 12_000),
    gross_slope=(8_000, 8_003, 16_000, 20_000),
)
# and so small that it is less
SMALL = Params(
    call_buffer=15_000,
    floor_rate=100_000,
    min_share=0,
    leg_cost=0,
    widen=0,
    gross_base=(1, 2, 1_001, 3_999),
    gross_slope=(0, 0, 10, 1_500),
)
QUANTA = {"call_buffer": 10_000, "floor_rate": 25_000, "min_share": 10_000, "leg_cost": WAD // 10, "widen": 5_000}
# what raises or lowers no requirement, or is no number of it, may go anywhere
FREE = {"move_gate": (1_000, 200_000), "max_age": (60, 604_800), "max_funding": (0, 2**15 - 1)}


@pytest.fixture
def yard():
    """A guarded deployment whose governance numbers were never set."""
    with clean_yard() as made:
        yield made


def told(params):
    return pack_rates(params), pack_floors(params)


def sets(yard, params, sender=OWNER):
    yard.pair.must("oracle", "set_params", *told(params), sender=sender)
    assert (yard.ask("oracle", "rates"), yard.ask("oracle", "floors")) == told(params)


def refuses(yard, reason, params, sender=OWNER):
    yard.refused(reason, "oracle", "set_params", *told(params), sender=sender)


def moved(params, field, at, by):
    """One number moved; `at` is the kind, of a floor."""
    if at is None:
        return replace(params, **{field: getattr(params, field) + by})
    known = getattr(params, field)
    return replace(params, **{field: (*known[:at], known[at] + by, *known[at + 1 :])})


def value_of(params, field, at):
    return getattr(params, field) if at is None else getattr(params, field)[at]


EACH = [(field, None) for field in QUANTA] + [
    (field, kind) for field in ("gross_base", "gross_slope") for kind in range(4)
]


def test_the_first_are_bound_by_their_ranges_alone(yard):
    assert yard.ask("guard", "params_at") == 0
    far = replace(Params(), call_buffer=10**6, leg_cost=10**24, gross_base=(10**6,) * 4)
    refuses(yard, "guard: params out of range", replace(far, call_buffer=10**6 + 1))
    sets(yard, far)
    assert yard.ask("guard", "params_at") == yard.pair.now


@pytest.mark.parametrize("way", [1, -1])
@pytest.mark.parametrize("start", [LARGE, SMALL], ids=["large", "small"])
@pytest.mark.parametrize(("field", "at"), EACH, ids=str)
def test_a_step_at_its_edge_and_past_it(yard, field, at, start, way):
    sets(yard, start)
    yard.later(HOUR)
    value = value_of(start, field, at)
    step = max(value // 4, QUANTA.get(field, 1_000))
    past = moved(start, field, at, way * (step + 1))
    least = {"call_buffer": 10_000, "floor_rate": 100_000, "gross_base": 1}.get(field, 0)
    if value_of(past, field, at) < least:
        # the range ends before the step does
        sets(yard, moved(start, field, at, least - value))
        return
    refuses(yard, TOO_FAR, past)
    sets(yard, moved(start, field, at, way * step))


def test_all_of_them_in_one_step(yard):
    sets(yard, LARGE)
    yard.later(HOUR)
    after = LARGE
    for field, at in EACH:
        after = moved(after, field, at, value_of(LARGE, field, at) // 4)
    for field, at in EACH:
        refuses(yard, TOO_FAR, moved(after, field, at, 1))
    sets(yard, after)


@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize("field", FREE)
def test_what_is_no_requirement_goes_anywhere(yard, field, end):
    sets(yard, Params())
    yard.later(HOUR)
    sets(yard, replace(Params(), **{field: FREE[field][end]}))


def test_steps_are_an_hour_apart(yard):
    sets(yard, LARGE)
    refuses(yard, TOO_SOON, LARGE)
    yard.later(HOUR - 1)
    refuses(yard, TOO_SOON, moved(LARGE, "call_buffer", None, 1))
    yard.later(1)
    sets(yard, moved(LARGE, "call_buffer", None, 1))
    refuses(yard, TOO_SOON, moved(LARGE, "call_buffer", None, 2))
    # what was refused started no hour
    yard.later(HOUR)
    refuses(yard, TOO_FAR, moved(LARGE, "call_buffer", None, 10**5))
    sets(yard, moved(LARGE, "call_buffer", None, 2))


def test_far_is_a_ramp(yard):
    """From 10 % of call buffer to 20 %: four steps of a quarter, so three hours at least."""
    sets(yard, LARGE)
    value, hours = 100_000, 0
    while value < 200_000:
        yard.later(HOUR)
        hours += 1
        value = min(200_000, value + value // 4)
        sets(yard, replace(LARGE, call_buffer=value))
    assert hours == 4


@pytest.mark.parametrize(("field", "at"), EACH, ids=str)
def test_a_guardian_raises_what_is_demanded_and_lowers_nothing(yard, field, at):
    sets(yard, LARGE)
    yard.entrust("oracle")
    yard.later(HOUR)
    refuses(yard, STRANGER, moved(LARGE, field, at, -1), sender=GUARDIAN)
    # one that is tightened excuses none that is loosened
    other = ("min_share", None) if field != "min_share" else ("widen", None)
    refuses(yard, STRANGER, moved(moved(LARGE, field, at, -1), *other, 1), sender=GUARDIAN)
    sets(yard, moved(LARGE, field, at, 1), sender=GUARDIAN)


@pytest.mark.parametrize("field", FREE)
def test_a_guardian_narrows_gate_age_and_funding_and_widens_none(yard, field):
    sets(yard, LARGE)
    yard.entrust("oracle")
    yard.later(HOUR)
    refuses(yard, STRANGER, moved(LARGE, field, None, 1), sender=GUARDIAN)
    sets(yard, moved(LARGE, field, None, -1), sender=GUARDIAN)


def test_a_guardian_too_goes_by_steps(yard):
    sets(yard, LARGE)
    yard.entrust("oracle")
    refuses(yard, TOO_SOON, moved(LARGE, "call_buffer", None, 1), sender=GUARDIAN)
    yard.later(HOUR)
    refuses(yard, TOO_FAR, moved(LARGE, "call_buffer", None, 25_001), sender=GUARDIAN)
    refuses(yard, "guard: params out of range", replace(LARGE, call_buffer=10**6 + 1), sender=GUARDIAN)
    sets(yard, moved(LARGE, "call_buffer", None, 25_000), sender=GUARDIAN)


def test_a_stranger_is_named_before_the_rest(yard):
    yard.entrust("oracle")
    for sender in (ATTACKER, OWNER):
        refuses(yard, STRANGER, replace(LARGE, call_buffer=10**6 + 1), sender=sender)
        refuses(yard, STRANGER, LARGE, sender=sender)

"""RiskOracle.set_params: each number at its least and most, and one beyond; who may, and what both are told."""

from dataclasses import replace

import pytest

from plimsoll.spec.margin import Params
from plimsoll.spec.report import pack_floors, pack_rates
from plimsoll.spec.wad import PPM
from tests.pairs import address_of
from tests.unit.clearinghouse.stage import ATTACKER, DELEGATE, OWNER

LIMITS = {
    "call_buffer": (10_000, PPM),
    "move_gate": (1_000, 200_000),
    "max_age": (60, 7 * 86_400),
    "floor_rate": (100_000, PPM),
    "min_share": (0, PPM),
    "leg_cost": (0, 10**24),
    "max_funding": (0, 2**15 - 1),
    "widen": (0, 2**16 - 1),
}
OUT = "guard: params out of range"


def words(params):
    return pack_rates(params), pack_floors(params)


def test_what_it_starts_with(stage):
    assert (stage.ask("oracle", "rates"), stage.ask("oracle", "floors")) == words(Params())


@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize("field", LIMITS)
def test_at_a_limit(stage, field, end):
    rates, floors = words(replace(Params(), **{field: LIMITS[field][end]}))
    stage.pair.must("oracle", "set_params", rates, floors, sender=OWNER)
    assert (stage.ask("oracle", "rates"), stage.ask("oracle", "floors")) == (rates, floors)
    old_rates, old_floors = words(Params())
    told = {"old_rates": old_rates, "old_floors": old_floors, "rates": rates, "floors": floors}
    assert stage.last("oracle") == ("ParamsSet", told)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (field, bad)
        for field, (low, high) in LIMITS.items()
        for bad in (low - 1, high + 1)
        if bad >= 0 and (field, bad) != ("widen", 2**16)  # which no word can say
    ],
)
def test_beyond_a_limit(stage, field, value):
    stage.refuses(OUT, "oracle", "set_params", *words(replace(Params(), **{field: value})), sender=OWNER)


@pytest.mark.parametrize("kind", range(4))
def test_gross_floors(stage, kind):
    def four(value, rest):
        return tuple(value if k == kind else rest for k in range(4))

    for base in (0, PPM + 1):
        bad = replace(Params(), gross_base=four(base, 1))
        stage.refuses(OUT, "oracle", "set_params", *words(bad), sender=OWNER)
    bad = replace(Params(), gross_slope=four(PPM + 1, 0))
    stage.refuses(OUT, "oracle", "set_params", *words(bad), sender=OWNER)
    for base, slope in ((1, 0), (PPM, PPM)):
        good = words(replace(Params(), gross_base=four(base, 1), gross_slope=four(slope, 0)))
        stage.pair.must("oracle", "set_params", *good, sender=OWNER)
        assert stage.ask("oracle", "floors") == good[1]


@pytest.mark.parametrize("sender", [ATTACKER, DELEGATE, address_of("guardian")])
def test_only_the_owner(stage, sender):
    # named before anything else, the bounds among them
    for params in (Params(), replace(Params(), call_buffer=0)):
        stage.refuses("ownable: caller is not the owner", "oracle", "set_params", *words(params), sender=sender)

"""Registry.set_curve: one packed word, each field in its bounds."""

from dataclasses import replace

import pytest

from plimsoll.spec.registry import Curve, pack_curve

from .bench import ATTACKER, NOT_THE_OWNER, VENUE

DEFAULT = Curve()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"base": 10_000_000},
        {"kink": 1},
        {"kink": 999_999},
        {"slope_low": 10_000_000},
        {"slope_high": 10_000_000},
        {"reserve": 0},
        {"reserve": 1_000_000},
    ],
)
def test_within_the_bounds(bench, changes):
    word = pack_curve(replace(DEFAULT, **changes))
    bench.must("set_curve", word)
    assert bench.ask("curve") == word
    assert bench.last() == ("CurveSet", {"old_curve": pack_curve(DEFAULT), "curve": word})


@pytest.mark.parametrize(
    "word",
    [
        *(
            pack_curve(replace(DEFAULT, **changes))
            for changes in (
                {"base": 10_000_001},
                {"kink": 0},
                {"kink": 1_000_000},
                {"slope_low": 10_000_001},
                {"slope_high": 10_000_001},
                {"reserve": 1_000_001},
            )
        ),
        pack_curve(DEFAULT) | 1,
        pack_curve(DEFAULT) | 1 << 135,
        0,
        2**256 - 1,
    ],
)
def test_out_of_range(bench, word):
    bench.refuses("registry: curve out of range", "set_curve", word)


@pytest.mark.parametrize("sender", [ATTACKER, VENUE])
def test_only_the_owner(bench, sender):
    bench.refuses(NOT_THE_OWNER, "set_curve", pack_curve(DEFAULT), sender=sender)

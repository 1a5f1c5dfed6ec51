"""Breakers.set_config: bounds, old and new in the log."""

from dataclasses import astuple, fields, replace

import pytest

from plimsoll.spec.breakers import GREATEST, LEAST, Limits
from tests.unit.clearinghouse.stage import ATTACKER, DAY, OWNER, WAD

RANGE = "breakers: config out of range"
NAMES = [field.name for field in fields(Limits)]


@pytest.mark.parametrize("name", NAMES)
def test_each_within_its_bounds(late, name):
    pair = late.pair
    for bounds, step in ((LEAST, -1), (GREATEST, 1)):
        config = replace(Limits(), **{name: getattr(bounds, name)})
        old = pair.twin.breakers.config
        pair.must("breakers", "set_config", config, sender=OWNER)
        assert late.last("breakers") == ("ConfigSet", {"old": astuple(old), "new": astuple(config)})
        outside = getattr(bounds, name) + step
        if outside >= 0:
            late.refuses(RANGE, "breakers", "set_config", replace(Limits(), **{name: outside}), sender=OWNER)


def test_only_the_owner(late):
    late.refuses("ownable: caller is not the owner", "breakers", "set_config", Limits(), sender=ATTACKER)


def test_another_window_forgets_the_mark(late):
    pair = late.pair
    assert pair.twin.breakers.peak(pair.now) == 999 * WAD
    pair.must("breakers", "set_config", replace(Limits(), move=20_000), sender=OWNER)
    assert pair.twin.breakers.peak(pair.now) == 999 * WAD
    # also one in which the number of the window is still the same
    assert pair.now // (DAY - 1) - pair.now // DAY in {0, 1}
    pair.must("breakers", "set_config", replace(Limits(), window=DAY - 1), sender=OWNER)
    assert late.ask("breakers", "peak") == 0
    pair.must("breakers", "set_config", replace(Limits(), window=7_200), sender=OWNER)
    assert late.ask("breakers", "peak") == 0
    pair.must("breakers", "note")
    assert late.last("breakers") == ("CoverNoted", {"cover": 999 * WAD, "peak": 999 * WAD})

"""Liquidator.set_config, and its constructor."""

import pytest

from plimsoll.chain.contract import deploy
from plimsoll.spec.errors import Refused
from tests.pairs import compiled, text
from tests.unit.clearinghouse.stage import ATTACKER, DELEGATE, OWNER

GOOD = (3_600, 3_600, 50_000)
WEEK = 7 * 86_400


def test_what_it_starts_with(stage):
    found = tuple(stage.ask("liquidator", name) for name in ("call_period", "ramp", "start_discount"))
    assert found == GOOD
    assert stage.ask("liquidator", "clearinghouse") == stage.pair.twin.at.book


@pytest.mark.parametrize("config", [(300, 60, 0), (WEEK, 86_400, 500_000), (300, 86_400, 1)])
def test_at_the_limits(stage, config):
    stage.pair.must("liquidator", "set_config", *config, sender=OWNER)
    names = "call_period", "ramp", "start_discount"
    assert tuple(stage.ask("liquidator", name) for name in names) == config
    assert stage.last("liquidator") == ("ConfigSet", dict(zip(names, config, strict=True)))


@pytest.mark.parametrize(
    ("place", "value"), [(0, 299), (0, WEEK + 1), (0, 0), (1, 59), (1, 86_401), (1, 0), (2, 500_001), (2, 2**255)]
)
def test_out_of_range(stage, place, value):
    config = [*GOOD]
    config[place] = value
    stage.refuses("liquidator: config out of range", "liquidator", "set_config", *config, sender=OWNER)


@pytest.mark.parametrize("sender", [ATTACKER, DELEGATE])
def test_only_the_owner(stage, sender):
    stage.refuses("ownable: caller is not the owner", "liquidator", "set_config", *GOOD, sender=sender)


def test_no_liquidator_without_a_book(stage):
    with pytest.raises(Refused, match=r"^liquidator: zero address$"):
        deploy(stage.pair.chain, compiled("Liquidator"), "0x" + "00" * 20, sender=text(OWNER))

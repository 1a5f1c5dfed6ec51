"""Liquidator.set_config, and its constructor."""

from dataclasses import astuple, replace

import pytest

from plimsoll.chain.contract import deploy
from plimsoll.spec.errors import Refused
from plimsoll.spec.liquidator import Config
from tests.pairs import compiled, text
from tests.unit.clearinghouse.stage import ATTACKER, DELEGATE, OWNER

WEEK = 7 * 86_400
GOOD = Config(3_600, 120, 3_600, 50_000, 20_000, 0)


def test_what_it_starts_with(stage):
    assert tuple(stage.ask("liquidator", "config")) == astuple(GOOD)
    assert stage.ask("liquidator", "clearinghouse") == stage.pair.twin.at.book
    assert stage.ask("liquidator", "fund") == stage.pair.twin.at.fund
    assert stage.ask("liquidator", "owner") == OWNER


@pytest.mark.parametrize(
    "config",
    [
        Config(300, 60, 60, 0, 0, 0),
        Config(300, 300, 60, 0, 0, 1),
        Config(WEEK, WEEK, 86_400, 500_000, 100_000, 10**24),
        Config(WEEK, 60, 86_400, 1, 1, 10**18),
    ],
)
def test_at_the_limits(stage, config):
    stage.pair.must("liquidator", "set_config", config, sender=OWNER)
    assert tuple(stage.ask("liquidator", "config")) == astuple(config)
    assert stage.last("liquidator") == ("ConfigSet", {"old": astuple(GOOD), "new": astuple(config)})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("call_period", 299),
        ("call_period", WEEK + 1),
        ("call_period", 0),
        ("urgent_period", 59),  # no report liquidates by itself
        ("urgent_period", 0),
        ("urgent_period", 3_601),  # nor is the urgent call the longer one
        ("ramp", 59),
        ("ramp", 86_401),
        ("ramp", 0),
        ("start_discount", 500_001),
        ("start_discount", 2**255),
        ("bonus", 100_001),
        ("min_rest", 10**24 + 1),
        ("min_rest", 2**256 - 1),
    ],
)
def test_out_of_range(stage, name, value):
    config = replace(GOOD, **{name: value})
    stage.refuses("liquidator: config out of range", "liquidator", "set_config", config, sender=OWNER)


@pytest.mark.parametrize("sender", [ATTACKER, DELEGATE])
def test_only_the_owner(stage, sender):
    stage.refuses("ownable: caller is not the owner", "liquidator", "set_config", GOOD, sender=sender)


def test_no_liquidator_without_a_book(stage):
    with pytest.raises(Refused, match=r"^liquidator: zero address$"):
        deploy(stage.pair.chain, compiled("Liquidator"), "0x" + "00" * 20, sender=text(OWNER))

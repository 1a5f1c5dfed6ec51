"""Lens.margins: the batch view that keepers read."""

import pytest

from plimsoll.spec.margin import Assessment
from plimsoll.spec.wad import WAD
from tests.unit.clearinghouse.stage import DEAD, ETH, MAKER, OTHER, TRADER

NOTHING = Assessment(0, 0, 0, 0, 0, fresh=True)


def ask(stage, accounts):
    return [Assessment(*item) for item in stage.ask("lens", "margins", accounts)]


def test_each_in_its_place(stage):
    stage.sick(300, 1_900)
    stage.fund("other", 5)
    accounts = [OTHER, TRADER, MAKER, TRADER, 0]
    found = ask(stage, accounts)
    assert found == [stage.margin(who) for who in accounts]
    assert (found[1].equity_full, found[1].mm) == (200 * WAD, 209 * WAD)
    assert found[0].equity_full == 5 * WAD
    assert found[4] == NOTHING


@pytest.mark.parametrize("count", [0, 1, 200])
def test_up_to_200(stage, count):
    assert ask(stage, list(range(1, count + 1))) == [NOTHING] * count


def test_201_are_too_many(stage):
    function = stage.pair.lens.interface.function("margins", 1)
    assert stage.pair.ask(stage.pair.lens, function.encode([list(range(201))]), function).reason == ""


@pytest.mark.parametrize("way", DEAD)
def test_one_dead_feed_fails_the_batch(stage, way):
    # a keeper asks `standings`, or again without the accounts that touch it
    stage.sick(300, 2_000)
    stage.fund("other", 5)
    reason = stage.kill_feed(ETH, way)
    function = stage.pair.lens.interface.function("margins", 1)
    assert stage.pair.ask(stage.pair.lens, function.encode([[OTHER, TRADER]]), function).reason == reason
    assert ask(stage, [OTHER])[0].equity_full == 5 * WAD

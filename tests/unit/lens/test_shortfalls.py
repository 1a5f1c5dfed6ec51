"""Lens.shortfalls: what accounts would lack together, in every lane. Twin: `plimsoll.spec.lens`."""

import pytest

from plimsoll.spec.lens import shortfalls
from plimsoll.spec.wad import WAD
from tests.unit.clearinghouse.stage import DEAD, ETH, MAKER, MOVES, OTHER, SOL, TRADER


def ask(stage, accounts):
    """What the lens says; the twin says the same."""
    lacks, unknown = stage.ask("lens", "shortfalls", accounts)
    assert (tuple(lacks), unknown) == shortfalls(stage.book, accounts, stage.pair.now)
    return list(lacks), unknown


def test_nobody_lacks_nothing(stage):
    stage.fund("trader", 5)
    assert ask(stage, []) == ([0] * 32, 0)
    assert ask(stage, [TRADER, OTHER]) == ([0] * 32, 0)


def test_by_hand(stage):
    """One long ETH at 2,000 on 300: equity 200 at 1,900, which a lane takes 1,900 x its move of."""
    stage.sick(300, 1_900)
    lacks, unknown = ask(stage, [TRADER, MAKER])
    assert unknown == 0
    assert lacks == [max(0, -(200 * WAD + 1_900 * WAD * move // 10_000)) for move in MOVES]
    assert max(lacks) == 0  # 10 % of 1,900 is less than 200
    stage.pair.price(ETH, 1_800 * WAD)
    lacks, _ = ask(stage, [TRADER, MAKER])
    assert max(lacks) == lacks[24] == lacks[25] == 80 * WAD


def test_each_side_of_a_market_counts_by_itself(stage):
    """Who gains does not pay for who loses."""
    stage.fund("trader", 500)
    stage.fund("other", 500)
    stage.fund("maker", 10**6)
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)
    stage.trade(MAKER, OTHER, stage.perp, WAD, 2_000 * WAD)
    stage.pair.price(ETH, 2_000 * WAD)
    stage.bring("trader", stage.weth, WAD)  # worth 2,000, and falls with the position
    both, _ = ask(stage, [TRADER, OTHER])
    one, _ = ask(stage, [TRADER])
    other, _ = ask(stage, [OTHER])
    assert both == [a + b for a, b in zip(one, other, strict=True)]
    assert sum(one) == 0
    assert sum(other) == 0
    stage.pair.price(ETH, 2_450 * WAD)
    lacks, _ = ask(stage, [TRADER, OTHER])
    up, down = lacks[22], lacks[24]
    assert up == 195 * WAD  # of 50 left, at 2,450 + 10 %
    assert down == 0


def test_several_underlyings_move_together(stage):
    stage.fund("trader", 60)
    stage.fund("maker", 10**6)
    stage.trade(TRADER, MAKER, stage.sol_perp, WAD, 100 * WAD)
    stage.pair.price(SOL, 45 * WAD)
    lacks, _ = ask(stage, [TRADER])
    assert lacks[24] == 0
    assert lacks[25] == 0
    stage.pair.price(SOL, 41 * WAD)
    lacks, _ = ask(stage, [TRADER])
    assert lacks[24] == 3_100_000_000_000_000_000  # 1 left, 4.1 lost


@pytest.mark.parametrize("way", DEAD)
def test_who_cannot_be_assessed_is_counted_and_left_out(stage, way):
    stage.sick(300, 1_600)
    stage.fund("other", 5)
    before, _ = ask(stage, [TRADER])
    assert before[24] == 260 * WAD
    stage.kill_feed(ETH, way)
    assert ask(stage, [TRADER, OTHER, MAKER]) == ([0] * 32, 2)


def test_201_are_too_many(stage):
    function = stage.pair.lens.interface.function("shortfalls", 1)
    assert stage.pair.ask(stage.pair.lens, function.encode([list(range(201))]), function).reason == ""

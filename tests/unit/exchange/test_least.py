"""Orders over the least quantity there is, one unit: each side is told from the other, and from none."""

from tests.venues import WAD


def test_a_taker_buys_one_unit(bench):
    assert isinstance(bench.settle(*bench.pair(1), 1), tuple)


def test_a_maker_buys_one_unit_for_more_than_was_asked(bench):
    maker, taker = bench.pair(-1)
    dear, _ = bench.pair(-1, price=2_001 * WAD)
    assert isinstance(bench.settle(dear, taker, 1), tuple)
    assert bench.settle(maker, bench.pair(1)[1], 1) == "refused: exchange: same side"

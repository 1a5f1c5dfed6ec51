"""Compound, 26 November 2020, 85 to 103 M$ liquidated.

What happened: the price of DAI came from one venue, where it printed 1.30 $ for some minutes. Who owed DAI was
liquidated at once, at a discount, for a price that no other venue saw.

What stands against it: off chain, a price is the median of at least three sources, and one that is far off is cut. On
chain, an index that jumps away from what risk nodes signed opens nothing: no new risk and no withdrawal until a report
that a quorum signs. And nobody is auctioned without notice: a print that is gone before the notice is ripe has hurt
nobody. Limits of the feed (`set_bounds`) make a print past them no price at all. What is left: an account whose whole
equity a print eats has no notice.
"""

import pytest

from plimsoll.market.aggregate import Quote, aggregate
from plimsoll.market.errors import AggregationError
from tests.pairs import address_of
from tests.unit.clearinghouse.stage import ETH, EVERYONE, MAKER, OWNER, TRADER, WAD

PRINT = 2_600 * WAD  # 1.30 of what it is
TRADER_ADDRESS = address_of("trader")


@pytest.fixture
def short(stage):
    """Who owes what prints high: short ten at a third of their worth."""
    stage.fund("maker", 100_000)
    stage.fund("trader", 7_000)
    stage.trade(MAKER, TRADER, stage.perp, 10 * WAD, 2_000 * WAD)
    return stage


def test_one_venue_of_four_is_not_heard():
    prices = {"one": 1.001, "two": 1.0, "three": 0.999, "four": 1.30}
    found = aggregate([Quote(name, price, 1_000) for name, price in prices.items()], 1_000)
    assert found.price == 1.0
    assert [name for name, _ in found.dropped] == ["four"]


def test_one_venue_alone_is_no_price():
    with pytest.raises(AggregationError):
        aggregate([Quote("four", 1.30, 1_000)], 1_000)


def test_a_print_of_a_minute_liquidates_nobody(short):
    stage = short
    stage.pair.price(ETH, PRINT)
    found = stage.margin(TRADER)
    assert 0 <= found.equity_full < found.mm
    stage.refuses("liquidator: call first", "liquidator", "start", TRADER)
    stage.pair.must("liquidator", "call", TRADER)
    stage.later(60)
    stage.refuses("liquidator: call first", "liquidator", "start", TRADER)
    stage.pair.price(ETH, 2_000 * WAD)
    stage.later(61)
    stage.refuses("liquidator: not liquidatable", "liquidator", "start", TRADER)
    stage.pair.must("liquidator", "cure", TRADER)
    assert stage.margin(TRADER).equity_full == 7_000 * WAD
    stage.pair.compare(EVERYONE)


def test_a_price_that_stays_is_believed(short):
    """The same, but the market has gone there: a notice later the account is auctioned."""
    stage = short
    stage.pair.price(ETH, PRINT)
    stage.pair.must("liquidator", "call", TRADER)
    stage.later(121)
    stage.pair.price(ETH, PRINT)
    stage.pair.must("liquidator", "start", TRADER)


def test_nothing_leaves_and_no_risk_is_taken_on_a_print(short):
    stage = short
    stage.pair.price(ETH, PRINT)
    maker = address_of("maker")
    fresh = "clearinghouse: surface not fresh"
    stage.refuses(fresh, "book", "withdraw", MAKER, stage.usd, 1, maker, sender=maker)
    stage.refuses_trade(fresh, MAKER, TRADER, stage.perp, WAD, PRINT)


def test_past_the_feeds_limits_a_print_is_no_price(short):
    stage = short
    stage.pair.must("feed", "set_bounds", ETH, 0, 2_500 * WAD, sender=OWNER)
    stage.pair.price(ETH, PRINT)
    stage.refuses("feed: price at its bound", "liquidator", "call", TRADER)
    stage.refuses("feed: price at its bound", "liquidator", "start", TRADER)


def test_what_is_left_a_print_past_the_whole_equity(stage):
    """No notice where nothing is left, as no report can bring that about; an index can."""
    stage.fund("maker", 100_000)
    stage.fund("trader", 5_900)
    stage.trade(MAKER, TRADER, stage.perp, 10 * WAD, 2_000 * WAD)
    stage.pair.price(ETH, PRINT)
    assert stage.margin(TRADER).equity_full < 0
    stage.pair.must("liquidator", "start", TRADER)
    # once the print is gone anyone ends it
    stage.pair.price(ETH, 2_000 * WAD)
    stage.pair.must("liquidator", "close", TRADER)
    assert stage.margin(TRADER).equity_full == 5_900 * WAD
    stage.pair.compare(EVERYONE)

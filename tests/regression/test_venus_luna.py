"""Venus, 12 May 2022, 11 M$.

What happened: the price feed of LUNA was built with a least answer of 0.10 $ and stopped there, while the market fell
through it to a cent and less. LUNA bought for cents was collateral worth 0.10 $, and good coins were borrowed on it.

What stands against it: governance tells the feed the limits of its aggregator, and a price at its bound, or beyond, is
no price (I-30): nothing that reads it passes, what takes no risk goes on (I-50).
"""

import pytest

from tests.pairs import address_of
from tests.unit.clearinghouse.stage import ETH, EVERYONE, MAKER, OTHER, OWNER, TRADER, USD, WAD

from .scene import move, pocket

FLOOR = 100 * WAD
BOUND = "feed: price at its bound"
TRADER_ADDRESS = address_of("trader")


def crash(stage, floor=FLOOR):
    """WETH as collateral; the aggregator gives 100, its least answer, while WETH trades at 1."""
    stage.pair.must("feed", "set_bounds", ETH, floor, 0, sender=OWNER)
    stage.fund("maker", 100_000)
    stage.fund("other", 100_000)
    stage.trade(OTHER, MAKER, stage.btc_perp, WAD // 100, 20_000 * WAD)
    move(stage, FLOOR + WAD)
    stage.pair.price(ETH, FLOOR)


def attack(stage):
    """1,000 WETH for 1,000 $ in, and BTC's exposure and the lenders' cash out."""
    stage.bring("trader", stage.weth, 1_000 * WAD)
    return stage.pair.step(
        "book", "trade", TRADER, MAKER, stage.btc_perp, WAD, 20_000 * WAD, sender=address_of("venue")
    )


@pytest.mark.parametrize("answer", [FLOOR, FLOOR - 1, 1])
def test_a_price_at_its_bound_is_no_price(stage, answer):
    crash(stage)
    stage.pair.price(ETH, answer)
    assert attack(stage).reason == BOUND
    assert not stage.ask("feed", "is_usable", ETH)
    stage.fund("trader", 10)
    for name, *args in (("call", TRADER), ("start", TRADER), ("record", TRADER)):
        stage.refuses(BOUND, "liquidator", name, *args)
    stage.refuses_trade(BOUND, OTHER, MAKER, stage.perp, WAD, FLOOR)
    # who needs no margin takes his own out, and who holds none of it trades on
    stage.pair.must("book", "withdraw", TRADER, stage.weth, 1_000 * WAD, TRADER_ADDRESS, sender=TRADER_ADDRESS)
    stage.trade(OTHER, MAKER, stage.btc_perp, WAD // 100, 20_000 * WAD)
    stage.pair.must("book", "withdraw", OTHER, stage.usd, USD, 1, sender=address_of("other"))
    stage.pair.compare(EVERYONE)


def test_over_the_bound_all_goes_on(stage):
    crash(stage)
    stage.pair.price(ETH, FLOOR * 1_001 // 1_000)
    assert attack(stage) is None
    stage.pair.compare(EVERYONE)


def test_likewise_at_the_upper_bound(stage):
    stage.pair.must("feed", "set_bounds", ETH, 0, 4_000 * WAD, sender=OWNER)
    stage.pair.price(ETH, 4_000 * WAD)
    stage.fund("maker", 100_000)
    stage.fund("other", 100_000)
    stage.refuses_trade(BOUND, OTHER, MAKER, stage.perp, WAD, 4_000 * WAD)
    move(stage, 3_900 * WAD)
    stage.trade(OTHER, MAKER, stage.perp, WAD, 3_900 * WAD)


def test_without_the_bound_worthless_collateral_is_worth_it(stage):
    crash(stage, floor=0)
    assert attack(stage) is None
    # a premium in cash, on collateral that is worth 1,000 at the market
    stage.trade(MAKER, TRADER, stage.put, 100 * WAD, stage.mark(stage.put))
    stage.pair.must("book", "withdraw", TRADER, stage.usd, 20_000 * USD, TRADER_ADDRESS, sender=TRADER_ADDRESS)
    assert pocket(stage, "trader") == 20_000 * USD

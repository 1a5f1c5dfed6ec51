"""Stale prices: every market that went on at the last price of a feed that had stopped.

What happens: a feed stops, its last answer stays; who knows better trades against it, or takes collateral that is
worth less than it says, or is liquidated at a price that is long gone.

What stands against it: a price older than the feed's limit is none (I-30), to the second; one that is zero, negative
or from the future neither. What reads no price goes on (I-50), and surfaces have an age of their own.
"""

import pytest

from tests.pairs import address_of
from tests.unit.clearinghouse.stage import BTC, DEAD, ETH, EVERYONE, FEED_AGE, MAKER, OTHER, TRADER, USD, WAD

TRADER_ADDRESS = address_of("trader")


@pytest.fixture
def market(stage):
    """A long in ETH, a long in BTC, somebody with nothing but coins."""
    for role in ("maker", "trader", "other"):
        stage.fund(role, 100_000)
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)
    stage.bring("bidder", stage.weth, WAD)
    return stage


def reads(stage):
    """All that must not go on at a dead price of ETH."""
    return [
        ("book", "withdraw", (TRADER, stage.usd, 1, TRADER_ADDRESS), TRADER_ADDRESS),
        ("book", "transfer", (TRADER, TRADER + 1, stage.usd, 1), TRADER_ADDRESS),
        ("book", "trade", (TRADER, MAKER, stage.perp, WAD, 2_000 * WAD), address_of("venue")),
        ("book", "trade", (TRADER, OTHER, stage.btc_perp, WAD, 20_000 * WAD), address_of("venue")),
        ("book", "settle", (TRADER,), TRADER_ADDRESS),
        ("liquidator", "call", (TRADER,), OTHER >> 96),
        ("liquidator", "start", (TRADER,), OTHER >> 96),
        ("liquidator", "record", (TRADER,), OTHER >> 96),
    ]


@pytest.mark.parametrize("way", DEAD)
def test_nothing_that_reads_it_goes_on(market, way):
    reason = market.kill_feed(ETH, way)
    for part, name, args, sender in reads(market):
        market.refuses(reason, part, name, *args, sender=sender)


def test_the_last_second_counts_and_the_next_does_not(market):
    stage = market
    now = stage.pair.now
    stage.pair.price(ETH, 2_000 * WAD, now - FEED_AGE)
    stage.pair.must("book", "settle", TRADER)
    stage.pair.price(ETH, 2_000 * WAD, now - FEED_AGE - 1)
    stage.refuses("feed: stale price", "book", "settle", TRADER)
    stage.pair.price(ETH, 2_000 * WAD, now + 1)
    stage.refuses("feed: price from the future", "book", "settle", TRADER)


@pytest.mark.parametrize("way", DEAD)
def test_what_takes_no_risk_goes_on(market, way):
    stage = market
    stage.kill_feed(ETH, way)
    stage.fund("trader", 1)
    bidder = address_of("bidder")
    stage.pair.must("book", "withdraw", bidder << 96, stage.weth, WAD, bidder, sender=bidder)
    stage.pair.must("book", "withdraw", OTHER, stage.usd, USD, 1, sender=OTHER >> 96)
    stage.pair.must("book", "expire", TRADER)
    assert stage.ask("feed", "is_usable", BTC)
    stage.pair.compare(EVERYONE)


def test_surfaces_have_an_age_too_and_old_ones_only_let_out(market):
    """Past it no new risk; closing at the mark goes on."""
    stage = market
    stage.later(7_200)
    stage.trade(TRADER, MAKER, stage.perp, WAD // 100, 2_000 * WAD)
    stage.later(1)
    stage.refuses_trade("clearinghouse: surface not fresh", TRADER, MAKER, stage.perp, WAD // 100, 2_000 * WAD)
    stage.refuses(
        "clearinghouse: surface not fresh", "book", "withdraw", TRADER, stage.usd, 1, 1, sender=TRADER_ADDRESS
    )
    stage.trade(MAKER, TRADER, stage.perp, WAD // 100, 2_000 * WAD)
    stage.pair.compare(EVERYONE)

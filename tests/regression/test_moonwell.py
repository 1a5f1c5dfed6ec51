"""Moonwell, February 2026, 1.8 M$.

What happened: after a change of configuration the price of a wrapped, staked coin was its ratio to ether alone, without
ether's price in dollars: some 1.12 instead of some 2,200. Who owed it paid back a dollar for a coin, and who had it as
collateral was liquidated, within minutes of the change.

What stands against it: a price is composed of legs that say what they price, and their units are tested; a new route
waits beside the old one, and binds only where its first price lies in a band of the old one's, or of what risk nodes
signed (I-33). What loses a factor is refused by name, and the old price stays.
"""

import pytest

from plimsoll.spec.feed import QUOTE, Leg, named
from tests.unit.clearinghouse.stage import ETH, EVERYONE, MAKER, OWNER, PRICES, TRADER, WAD

OUTSIDE = "feed: first price outside the band"
DAY = 86_400
RATIO, DOLLARS = "cbETH / ETH", "ETH / USD"


def legs_of(stage):
    """A coin at 1.25 of ether, and ether, such that the coin is worth what the stage's underlying is."""
    pair = stage.pair
    ratio, ether = pair.add_aggregator(18, RATIO), pair.add_aggregator(8, DOLLARS)
    pair.answer(ratio, 125 * WAD // 100)
    pair.answer(ether, PRICES[ETH] * 100 // 125 // 10**10)
    return Leg(ratio, DAY, description=named(RATIO)), Leg(ether, DAY, description=named(DOLLARS))


def price(stage):
    return stage.ask("feed", "price", ETH)[0]


def held(stage):
    """A trader whose position hangs on the price."""
    stage.fund("maker", 100_000)
    stage.fund("trader", 10_000)
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)


def test_the_factor_is_lost_and_the_change_refused(stage):
    held(stage)
    ratio, _ = legs_of(stage)
    before = stage.margin(TRADER)
    stage.pair.must("feed", "set_route", ETH, [ratio], 18, False, sender=OWNER)
    assert price(stage) == PRICES[ETH]
    stage.pair.refused(OUTSIDE, "feed", "bind", ETH, sender=OWNER)
    assert price(stage) == PRICES[ETH]
    assert stage.margin(TRADER) == before
    stage.refuses("liquidator: not under the call line", "liquidator", "call", TRADER)
    stage.pair.must("feed", "cancel", ETH, sender=OWNER)
    stage.pair.refused("feed: nothing staged", "feed", "bind", ETH)
    stage.pair.compare(EVERYONE)


def test_the_whole_route_binds_and_moves_nothing(stage):
    held(stage)
    before = stage.margin(TRADER)
    stage.pair.must("feed", "set_route", ETH, list(legs_of(stage)), 18, False, sender=OWNER)
    stage.pair.must("feed", "bind", ETH)
    assert price(stage) == PRICES[ETH]
    assert stage.margin(TRADER) == before
    stage.pair.compare(EVERYONE)


@pytest.mark.parametrize("way", ["dead", "alive"])
def test_likewise_where_the_old_feed_is_dead(stage, way):
    """Then the signed reference stands in the way; it is no price for all that."""
    ratio, ether = legs_of(stage)
    stage.pair.must("feed", "set_route", ETH, [ratio], 18, False, sender=OWNER)
    if way == "dead":
        stage.kill_feed(ETH, "reverting")
    stage.pair.refused(OUTSIDE, "feed", "bind", ETH)
    assert stage.ask("feed", "is_usable", ETH) == (way == "alive")
    stage.pair.must("feed", "set_route", ETH, [ratio, ether], 18, False, sender=OWNER)
    stage.pair.must("feed", "bind", ETH)
    assert price(stage) == PRICES[ETH]


def test_an_aggregator_in_the_wrong_place_is_refused_before_it_waits(stage):
    ratio, ether = legs_of(stage)
    swapped = [Leg(ratio.aggregator, DAY, description=ether.description)]
    stage.pair.refused("feed: another description", "feed", "set_route", ETH, swapped, 18, False, sender=OWNER)
    assert stage.ask("feed", "staged", ETH)[1] == 0


def test_a_leg_upside_down_is_out_of_the_band_too(stage):
    ratio, ether = legs_of(stage)
    wrong = [Leg(ratio.aggregator, DAY, divides=True, description=ratio.description), ether]
    stage.pair.must("feed", "set_route", ETH, wrong, 18, False, sender=OWNER)
    stage.pair.refused(OUTSIDE, "feed", "bind", ETH)


def test_the_quote_coins_price_lost_a_factor(stage):
    pair = stage.pair
    coin, cents = pair.add_aggregator(8, "USDC / USD"), pair.add_aggregator(8, "USDC / USc")
    pair.answer(coin, 10**8)
    pair.answer(cents, 10**10)
    pair.must("feed", "set_quote_route", [Leg(coin, DAY, description=named("USDC / USD"))], sender=OWNER)
    pair.must("feed", "set_quote_route", [Leg(cents, DAY, description=named("USDC / USc"))], sender=OWNER)
    pair.refused(OUTSIDE, "feed", "bind", QUOTE)
    assert stage.ask("feed", "quote_price")[0] == WAD

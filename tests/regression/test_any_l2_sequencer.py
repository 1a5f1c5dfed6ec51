"""The gap of a rollup's sequencer.

What happens: the sequencer stops for an hour. Prices that it has taken in before stand there, fresh by their own
account; whoever reaches the chain first when it is back, or by another way while it is not, trades at them, and
liquidates owners who could neither pay nor close.

What stands against it: no price counts while the sequencer is down, or while nobody knows (I-30). When it is back
prices count at once, so that owners deposit, top up and close, and nobody is auctioned before they had an hour for it;
what was in auction before the outage starts anew, at the first discount.
"""

import pytest

from tests.isolation import _function_isolation
from tests.pairs import MAX, address_of
from tests.unit.clearinghouse.stage import BIDDER, ETH, EVERYONE, MAKER, OTHER, TRADER, USD, WAD, clean_stage

from .scene import fill_fund

__all__ = ["_function_isolation"]

DOWN = "feed: sequencer is down"
GRACE = "liquidator: in the grace after an outage"
HOUR = 3_600
TRADER_ADDRESS = address_of("trader")


@pytest.fixture
def stage():
    """On a rollup: a long in ETH of five times its equity, somebody to liquidate it, and the fund."""
    with clean_stage(rollup=True) as rollup:
        for role, dollars in (("maker", 1_000_000), ("trader", 4_200), ("bidder", 1_000_000)):
            rollup.fund(role, dollars)
        fill_fund(rollup, 100_000)
        rollup.trade(TRADER, MAKER, rollup.perp, 10 * WAD, 2_000 * WAD)
        yield rollup


def go_down(stage):
    stage.pair.answer(stage.pair.uptime, 1)


def come_up(stage):
    """Back now; prices and surfaces are brought in at once."""
    stage.pair.answer(stage.pair.uptime, 0)


def fall(stage, price):
    stage.pair.price(ETH, price)
    stage.post()


def bid(stage, fraction=WAD):
    bidder = address_of("bidder")
    return stage.pair.step("liquidator", "bid", TRADER, BIDDER, fraction, sender=bidder)


def test_no_price_counts_while_it_is_down(stage):
    go_down(stage)
    for part, name, args, sender in (
        ("book", "withdraw", (TRADER, stage.usd, 1, TRADER_ADDRESS), TRADER_ADDRESS),
        ("book", "trade", (TRADER, MAKER, stage.perp, WAD, 2_000 * WAD), address_of("venue")),
        ("book", "settle", (TRADER,), TRADER_ADDRESS),
        ("liquidator", "call", (TRADER,), OTHER >> 96),
        ("liquidator", "record", (TRADER,), OTHER >> 96),
    ):
        stage.refuses(DOWN, part, name, *args, sender=sender)
    stage.refuses(GRACE, "liquidator", "start", TRADER)
    assert not stage.ask("feed", "is_usable", ETH)
    # what reads no price goes on
    stage.fund("trader", 1)
    stage.pair.compare(EVERYONE)


@pytest.mark.parametrize("price", [1_650, 1_500], ids=["called", "insolvent"])
def test_nobody_is_auctioned_in_the_grace(stage, price):
    go_down(stage)
    stage.later(HOUR)
    come_up(stage)
    fall(stage, price * WAD)
    assert stage.margin(TRADER).equity_haircut < stage.margin(TRADER).mm
    assert (stage.margin(TRADER).equity_full < 0) == (price == 1_500)
    if price != 1_500:
        stage.pair.must("liquidator", "call", TRADER)
    stage.later(HOUR - 1)
    stage.post()
    stage.refuses(GRACE, "liquidator", "start", TRADER)
    assert not stage.ask("feed", "grace_over")
    stage.later(1)
    assert stage.ask("feed", "grace_over")
    stage.post()
    stage.pair.must("liquidator", "start", TRADER)
    assert isinstance(bid(stage), tuple)
    stage.pair.compare(EVERYONE)


def test_owners_act_in_the_grace(stage):
    go_down(stage)
    stage.later(HOUR)
    come_up(stage)
    fall(stage, 1_650 * WAD)
    stage.pair.must("liquidator", "call", TRADER)
    # closing, bringing, being topped up: each passes, and the call is cured
    stage.trade(MAKER, TRADER, stage.perp, WAD, 1_650 * WAD)
    stage.fund("trader", 100)
    stage.pair.mint(stage.usd, TRADER_ADDRESS, 10_000 * USD)
    stage.pair.must("mandates", "set_top_up", TRADER, stage.usd, 10_000 * USD, 0, sender=TRADER_ADDRESS)
    assert stage.pair.must("liquidator", "top_up", TRADER, stage.usd, TRADER) > 0
    stage.pair.must("liquidator", "cure", TRADER)
    stage.later(HOUR)
    stage.post()
    stage.refuses("liquidator: not liquidatable", "liquidator", "start", TRADER)
    stage.pair.compare(EVERYONE)


def test_an_auction_from_before_starts_anew(stage):
    fall(stage, 1_650 * WAD)
    stage.pair.must("liquidator", "call", TRADER)
    stage.later(121)
    stage.post()
    stage.pair.must("liquidator", "start", TRADER)
    first = stage.ask("liquidator", "quote", TRADER, WAD)[2]
    go_down(stage)
    stage.later(600)
    come_up(stage)
    stage.post()
    assert bid(stage).reason == GRACE
    stage.later(HOUR)
    stage.post()
    # its discount has grown to the whole meanwhile: nobody takes it
    assert stage.ask("liquidator", "quote", TRADER, WAD)[2] > 10 * first
    assert bid(stage).reason == "liquidator: auction was stopped"
    stage.pair.must("liquidator", "start", TRADER)
    assert stage.ask("liquidator", "quote", TRADER, WAD)[2] == first
    assert isinstance(bid(stage), tuple)
    stage.pair.compare(EVERYONE)


def test_what_nobody_knows_is_down(stage):
    stage.pair.answer(stage.pair.uptime, 0, since=0)
    stage.refuses(DOWN, "book", "settle", TRADER, sender=TRADER_ADDRESS)
    assert stage.ask("feed", "grace_until") == MAX

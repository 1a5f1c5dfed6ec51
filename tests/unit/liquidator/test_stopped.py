"""A stop of liquidations seen from the liquidator: to the second, for auctions that run and such as begin after it."""

import pytest

from plimsoll.spec.registry import LEAVE, LIQUIDATION, RISK
from tests.unit.clearinghouse.stage import ETH, OWNER, TRADER, WAD, wad

from .rig import CAP, COST, URGENT, bid, configure, quote, refuses_bid

STOPPED = "liquidator: liquidations are stopped"
ALREADY = "liquidator: already in auction"


def stop(stage, seconds, levels=LIQUIDATION):
    stage.pair.must("registry", "stop", levels, stage.pair.now + seconds, sender=OWNER)


def start(stage):
    stage.pair.must("liquidator", "start", TRADER)


@pytest.fixture
def ripe(stage):
    """The trader was called and may be liquidated; a bidder has money."""
    stage.sick(300)
    stage.fund("bidder", 1_000)
    stage.pair.must("liquidator", "call", TRADER)
    stage.later(URGENT + 1)
    return stage


def test_nothing_begins_before_the_second_it_ends(ripe):
    stop(ripe, 100)
    ripe.refuses(STOPPED, "liquidator", "start", TRADER)
    ripe.later(99)
    ripe.refuses(STOPPED, "liquidator", "start", TRADER)
    ripe.later(1)
    start(ripe)
    assert ripe.ask("liquidator", "auction", TRADER) == ripe.pair.now


def test_one_begun_in_the_second_it_ends_was_not_stopped(ripe):
    stop(ripe, 100)
    ripe.later(100)
    start(ripe)
    ripe.refuses(ALREADY, "liquidator", "start", TRADER)
    assert bid(ripe) == (CAP, COST, 0)


def test_one_begun_a_second_before_it_ends_was(auction):
    stop(auction, 1)
    auction.later(1)
    refuses_bid(auction, "liquidator: auction was stopped")
    start(auction)  # from the first discount on
    auction.refuses(ALREADY, "liquidator", "start", TRADER)
    assert quote(auction)[2] == wad("10.45")
    assert bid(auction) == (CAP, COST, 0)


def test_stops_of_other_levels_stop_no_auction(auction):
    stop(auction, 1_000, RISK | LEAVE)
    auction.refuses(ALREADY, "liquidator", "start", TRADER)
    assert bid(auction, WAD // 10)[0] == WAD // 10


def test_the_margin_of_a_rest_is_rounded_down(auction):
    """A rest whose margin is the least but for a part of a unit is too small, and taken along."""
    auction.pair.price(ETH, 1_900 * WAD + 10)  # so that no product comes out even
    cap = quote(auction)[0]
    needs, part = divmod(auction.margin(TRADER).mm * (WAD - cap), WAD)
    assert part > 0
    configure(auction, min_rest=needs)
    assert quote(auction)[0] == cap < WAD
    configure(auction, min_rest=needs + 1)
    assert quote(auction)[0] == WAD

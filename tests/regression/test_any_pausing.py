"""Tokens that can be paused, such as WBTC and USDC.

What happens: while one token stands still, whatever touches it reverts; a system that touches it in every liquidation
stands still as a whole, and bad debt grows.

What stands against it: liquidation moves entries of the book, no token. With a token paused its deposits and
withdrawals wait; trades, calls, auctions and bids go on, and so does all that is in other tokens.
"""

import pytest

from tests.pairs import address_of
from tests.unit.clearinghouse.stage import BIDDER, ETH, EVERYONE, MAKER, OTHER, TRADER, WAD

from .scene import auction, fill_fund

OTHER_ADDRESS = address_of("other")


@pytest.mark.parametrize("token", ["usd", "weth"])
def test_liquidation_needs_no_token_to_move(stage, token):
    stage.bring("trader", stage.weth, WAD // 100)
    stage.sick()
    stage.post()
    stage.fund("bidder", 10_000)
    stage.bring("other", stage.wbtc, 10**6)
    stage.pair.price(ETH, 1_880 * WAD)
    stage.switch(getattr(stage, token), "set_paused", True)
    auction(stage, TRADER)
    stage.pair.must("liquidator", "bid", TRADER, BIDDER, WAD, sender=address_of("bidder"))
    stage.post()
    stage.trade(BIDDER, MAKER, stage.perp, WAD // 10, 1_880 * WAD)
    # another token goes on
    stage.pair.must("book", "withdraw", OTHER, stage.wbtc, 10**6, OTHER_ADDRESS, sender=OTHER_ADDRESS)
    stage.pair.compare(EVERYONE)


@pytest.mark.parametrize("token", ["usd", "weth"])
def test_what_is_in_it_waits_and_is_still_there(stage, token):
    at = getattr(stage, token)
    stage.bring("other", at, 10**7)
    stage.switch(at, "set_paused", True)
    args = OTHER, at, 10**7, OTHER_ADDRESS
    assert stage.on_chain("book", "withdraw", *args, sender=OTHER_ADDRESS) == "token: paused"
    stage.switch(at, "set_paused", False)
    stage.pair.must("book", "withdraw", *args, sender=OTHER_ADDRESS)
    stage.pair.compare(EVERYONE)


def insolvent(stage):
    """In auction, under water, with a fund that owes the bidder something, in a quote token that stands still."""
    fill_fund(stage, 1_000)
    stage.sick()
    stage.pair.price(ETH, 1_600 * WAD)
    stage.post()
    stage.fund("bidder", 10_000)
    auction(stage, TRADER)
    stage.later(600)
    stage.switch(stage.usd, "set_paused", True)


def test_a_fund_that_cannot_pay_stops_no_bid(stage):
    """The one token that a bid moves is the fund's: where it stands still the bidder gets nothing from there."""
    insolvent(stage)
    found = stage.on_chain("liquidator", "bid", TRADER, BIDDER, WAD, sender=address_of("bidder"))
    events = dict(found)
    assert events["ShortfallPaid"]["due"] > 0
    assert (events["ShortfallPaid"]["fund"], events["ShortfallPaid"]["socialised"]) == (0, 0)
    assert events["BidTaken"]["fraction"] == WAD
    stage.switch(stage.usd, "set_paused", False)


def test_a_bidder_who_counts_on_the_fund_says_so(stage):
    insolvent(stage)
    args = TRADER, BIDDER, WAD, -WAD
    found = stage.on_chain("liquidator", "bid", *args, sender=address_of("bidder"))
    assert found == "liquidator: price over the bidder's limit"
    stage.switch(stage.usd, "set_paused", False)
    assert stage.pair.must("liquidator", "bid", *args, sender=address_of("bidder"))[2] >= WAD
    stage.pair.compare(EVERYONE)

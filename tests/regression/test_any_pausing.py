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


def test_without_the_fund_s_payment_a_bid_goes_on(stage):
    """The one token that a bid can move is the fund's: with caps of nothing it is not asked for."""
    insolvent(stage)
    stage.pair.must("fund", "set_caps", 0, 0, sender=stage.pair.owner)
    _, _, received = stage.pair.must("liquidator", "bid", TRADER, BIDDER, WAD, sender=address_of("bidder"))
    assert received == 0
    stage.pair.compare(EVERYONE)

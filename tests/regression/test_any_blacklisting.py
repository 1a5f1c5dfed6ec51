"""Tokens with a list of addresses that may not hold them, such as USDC and USDT.

What happens: somebody on the list makes a payment to him revert, and with it what others wanted to do: a loan that
cannot be repaid, a liquidation that cannot pay its surplus out.

What stands against it: nothing is ever pushed to anybody. Who is on the list cannot withdraw to himself, and that is
all: he is traded with, called, auctioned and bid on like others, and may withdraw to another address.
"""

import pytest

from tests.pairs import account, address_of, text
from tests.unit.clearinghouse.stage import BIDDER, EVERYONE, MAKER, TRADER, USD, WAD

from .scene import SECOND, auction

TRADER_ADDRESS = address_of("trader")


@pytest.fixture
def listed(stage):
    """The trader is on the list of both tokens, with an account at its limit."""
    stage.bring("trader", stage.weth, 10**6)
    stage.sick()
    stage.post()
    stage.fund("bidder", 10_000)
    stage.fund("trader", 50, at=1)
    for token in (stage.usd, stage.weth):
        stage.switch(token, "set_blocked", text(TRADER_ADDRESS), True)
    return stage


def test_who_is_on_the_list_is_liquidated_like_others(listed):
    stage = listed
    auction(stage, TRADER)
    stage.pair.must("liquidator", "bid", TRADER, BIDDER, WAD, sender=address_of("bidder"))
    assert stage.margin(TRADER).equity_haircut >= stage.margin(TRADER).im
    stage.trade(MAKER, TRADER, stage.perp, stage.quantity(TRADER, stage.perp), 1_900 * WAD)
    stage.pair.compare(EVERYONE)


def test_he_cannot_withdraw_to_himself_and_can_to_another(listed):
    stage = listed
    args = SECOND, stage.usd, 10 * USD
    found = stage.on_chain("book", "withdraw", *args, TRADER_ADDRESS, sender=TRADER_ADDRESS)
    assert found == "token: blocked"
    stage.pair.must("book", "withdraw", *args, address_of("other"), sender=TRADER_ADDRESS)
    stage.pair.must("book", "transfer", SECOND, TRADER, stage.usd, USD, sender=TRADER_ADDRESS)
    stage.pair.compare(EVERYONE)


def test_others_move_the_token_past_him(listed):
    stage = listed
    stage.fund("other", 10)
    to = address_of("other")
    stage.pair.must("book", "withdraw", account("other"), stage.usd, 10 * USD, to, sender=to)
    stage.pair.must("book", "settle", TRADER)
    stage.pair.compare(EVERYONE)


def test_his_top_up_fails_by_itself_and_the_auction_goes_on(listed):
    stage = listed
    stage.pair.must("mandates", "set_top_up", TRADER, stage.usd, 10 * USD, 0, sender=TRADER_ADDRESS)
    stage.pair.mint(stage.usd, TRADER_ADDRESS, 10 * USD)
    auction(stage, TRADER)
    assert stage.on_chain("liquidator", "top_up", TRADER, stage.usd, BIDDER, sender=1) == "token: blocked"
    stage.pair.must("liquidator", "bid", TRADER, BIDDER, WAD, sender=address_of("bidder"))
    stage.pair.compare(EVERYONE)

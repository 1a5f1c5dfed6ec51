"""Clearinghouse.pull: from the owner's wallet, as far as the owner said, to the account and nowhere else."""

import pytest

from plimsoll.spec.wad import MAX_QUANTITY
from tests.pairs import address_of

from .stage import ATTACKER, BIDDER, DELEGATE, ETH, EVERYONE, OTHER, OWNER, TRADER, USD, WAD, clean_stage, wad

SEIZER = address_of("seizer")
TRADER_ADDRESS = address_of("trader")


@pytest.fixture
def stage():
    """The trader's wallet with 100 USD and 5 WETH, of which 60 and 3 may be pulled; a role is the liquidator."""
    with clean_stage(SEIZER) as made:
        for token, has, most, bounty in ((made.usd, 100 * USD, 60 * USD, USD), (made.weth, 5 * WAD, 3 * WAD, 0)):
            made.pair.mint(token, TRADER_ADDRESS, has)
            made.pair.must("mandates", "set_top_up", TRADER, token, most, bounty, sender=TRADER_ADDRESS)
        yield made


def pull(stage, token, amount, to=0, bounty=0):
    stage.pair.must("book", "pull", TRADER, token, amount, to, bounty, sender=SEIZER)
    stage.pair.compare(EVERYONE)


def refuses(stage, reason, token, amount, to=0, bounty=0, *, who=TRADER, sender=SEIZER):
    stage.refuses(reason, "book", "pull", who, token, amount, to, bounty, sender=sender)


def test_quote_tokens(stage):
    pull(stage, stage.usd, 40 * USD)
    assert stage.ledger(TRADER) == (40 * WAD, 0)
    assert stage.ask("book", "brought_in", TRADER) == 40 * WAD
    assert stage.ask("mandates", "top_up", TRADER, stage.usd) == 20 * USD
    args = {"account": TRADER, "token": stage.usd, "amount": 40 * USD, "by": TRADER_ADDRESS}
    assert stage.last() == ("Deposited", args)
    assert stage.last("mandates") == ("TopUpUsed", {"account": TRADER, "token": stage.usd, "amount": 40 * USD})
    refuses(stage, "mandates: over the top-up", stage.usd, 20 * USD + 1)
    pull(stage, stage.usd, 20 * USD)
    refuses(stage, "mandates: over the top-up", stage.usd, 1)


def test_a_token_that_is_new_to_the_account(stage):
    """It is the owner who brings it, by mandate."""
    pull(stage, stage.weth, 2 * WAD)
    assert stage.quantity(TRADER, stage.spot) == 2 * WAD
    assert stage.ask("book", "instrument_interest", stage.spot) == 2 * WAD


def test_a_bounty_goes_to_who_did_it(stage):
    pull(stage, stage.usd, 40 * USD, BIDDER, WAD)
    assert stage.ledger(TRADER) == (39 * WAD, 0)
    assert stage.ledger(BIDDER) == (WAD, 0)
    assert stage.ask("book", "brought_in", BIDDER) == 0
    assert stage.last() == ("BountyPaid", {"account": TRADER, "to": BIDDER, "amount": WAD})


@pytest.mark.parametrize("sender", [ATTACKER, OWNER, TRADER_ADDRESS, DELEGATE])
def test_only_the_liquidator(stage, sender):
    refuses(stage, "clearinghouse: not the liquidator", stage.usd, 1, sender=sender)


def test_not_of_those_who_said_nothing(stage):
    refuses(stage, "mandates: over the top-up", stage.usd, 1, who=OTHER)
    refuses(stage, "mandates: over the top-up", stage.wbtc, 1)


def test_amounts_tokens_and_accounts(stage):
    refuses(stage, "clearinghouse: zero amount", stage.usd, 0)
    refuses(stage, "clearinghouse: system account", stage.usd, 0, who=1)
    stage.pair.must("mandates", "set_top_up", TRADER, stage.unlisted, 5, 0, sender=TRADER_ADDRESS)
    refuses(stage, "clearinghouse: unknown token", stage.unlisted, 1)
    stage.pair.must("mandates", "set_top_up", TRADER, stage.usd, 2**255, 0, sender=TRADER_ADDRESS)
    refuses(stage, "clearinghouse: amount over the maximum", stage.usd, MAX_QUANTITY)


def test_what_the_wallet_does_not_have(stage):
    stage.pair.must("mandates", "set_top_up", TRADER, stage.usd, 10**9, 0, sender=TRADER_ADDRESS)
    refuses(stage, "", stage.usd, 100 * USD + 1)
    assert stage.ask("mandates", "top_up", TRADER, stage.usd) == 10**9


def test_a_collateral_cap_holds(stage):
    stage.pair.must("registry", "set_collateral_cap", stage.weth, WAD, sender=OWNER)
    refuses(stage, "clearinghouse: collateral over the cap", stage.weth, WAD + 1)
    pull(stage, stage.weth, WAD)


def test_through_the_liquidator():
    with clean_stage() as stage:
        stage.sick(300, 1_915)
        assert stage.ask("book", "state", TRADER) == 2
        stage.fund("bidder", 1)
        stage.pair.mint(stage.usd, TRADER_ADDRESS, 500 * USD)
        args = TRADER, stage.usd, 400 * USD, 2 * USD
        stage.pair.must("mandates", "set_top_up", *args, sender=TRADER_ADDRESS)
        args = TRADER, stage.usd, BIDDER
        stage.refuses("liquidator: not called", "liquidator", "top_up", *args)
        stage.pair.must("liquidator", "call", TRADER)
        # equity 215, IM 273.845; the bounty is the account's cost
        found = stage.pair.must("liquidator", "top_up", *args, sender=ATTACKER)
        assert found == 58_845_000
        assert stage.ledger(BIDDER) == (3 * WAD, 0)
        assert stage.ledger(TRADER)[0] == wad("356.845")
        stage.pair.compare(EVERYONE)


def test_a_dead_feed_does_not_stop_it(stage):
    stage.kill_feed(ETH, "zero")
    pull(stage, stage.weth, WAD)

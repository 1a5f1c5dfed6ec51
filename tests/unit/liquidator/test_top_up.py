"""Liquidator.top_up: from the owner's wallet, once called, as far as he authorised.

The trader: E_h 216 over a maintenance margin of 209, under a call line of 229.9 and an initial margin of 271.7; 100 USD
and 2 WETH in his wallet.
"""

import pytest

from tests.pairs import account
from tests.unit.clearinghouse.stage import ATTACKER, BIDDER, DEAD, ETH, EVERYONE, TRADER, USD, WAD, wad

from .rig import TRADER_ADDRESS, URGENT

NOTHING = "liquidator: nothing to bring"


@pytest.fixture
def weak(stage):
    """Not called yet."""
    stage.sick()
    stage.fund("trader", 30)
    for token, amount in ((stage.usd, 100 * USD), (stage.weth, 2 * WAD)):
        stage.pair.mint(token, TRADER_ADDRESS, amount)
    return stage


@pytest.fixture
def called(weak):
    weak.pair.must("liquidator", "call", TRADER)
    return weak


def allow(stage, token, amount, bounty=0):
    stage.pair.must("mandates", "set_top_up", TRADER, token, amount, bounty, sender=TRADER_ADDRESS)


def top_up(stage, token, to=0):
    found = stage.pair.must("liquidator", "top_up", TRADER, token, to, sender=ATTACKER)
    stage.pair.compare(EVERYONE)
    return found


def refuses(stage, reason, token, to=0):
    stage.refuses(reason, "liquidator", "top_up", TRADER, token, to)


def test_no_more_than_brings_it_to_initial_margin(called):
    allow(called, called.usd, 100 * USD)
    assert top_up(called, called.usd) == 55_700_000
    assert called.margin(TRADER).equity_haircut == called.margin(TRADER).im
    assert called.ask("mandates", "top_up", TRADER, called.usd) == 44_300_000
    args = {"account": TRADER, "token": called.usd, "amount": 55_700_000, "by": ATTACKER}
    assert called.last("liquidator") == ("ToppedUp", args)
    refuses(called, NOTHING, called.usd)
    called.pair.must("liquidator", "cure", TRADER)


def test_what_is_needed_rounds_up_to_a_unit(called):
    allow(called, called.usd, 100 * USD)
    called.pair.price(ETH, 1_900 * WAD - 1)
    needed = called.margin(TRADER)
    missing = needed.im - needed.equity_haircut
    assert top_up(called, called.usd) == -(-missing // 10**12)
    assert called.margin(TRADER).equity_haircut >= called.margin(TRADER).im


def test_no_more_than_was_authorised(called):
    allow(called, called.usd, 40 * USD)
    assert top_up(called, called.usd) == 40 * USD
    assert called.margin(TRADER).equity_haircut == 256 * WAD
    refuses(called, NOTHING, called.usd)


def test_nothing_was_authorised(called):
    refuses(called, NOTHING, called.usd)
    refuses(called, NOTHING, called.weth)


def test_collateral_as_much_as_was_authorised(called):
    """What it needs of it nobody can say: it moves with what it is to cover."""
    allow(called, called.weth, WAD)
    assert top_up(called, called.weth) == WAD
    assert called.quantity(TRADER, called.spot) == WAD
    refuses(called, NOTHING, called.weth)


def test_a_token_that_is_not_listed(called):
    allow(called, called.unlisted, WAD)
    refuses(called, "clearinghouse: unknown token", called.unlisted)


def test_not_before_it_is_called(weak):
    allow(weak, weak.usd, 100 * USD)
    refuses(weak, "liquidator: not called", weak.usd)


def test_nor_once_it_is_cured_or_the_call_lapsed(called):
    allow(called, called.usd, 100 * USD)
    with called.pair.isolated():
        called.later(7_201)
        refuses(called, "liquidator: not called", called.usd)
    called.fund("trader", 20)
    called.pair.must("liquidator", "cure", TRADER)
    refuses(called, "liquidator: not called", called.usd)


def test_in_an_auction_too(called):
    called.pair.price(ETH, 1_880 * WAD)
    called.later(URGENT + 1)
    called.pair.must("liquidator", "start", TRADER)
    allow(called, called.usd, 100 * USD)
    # E_h 196, IM 268.84
    assert top_up(called, called.usd) == 72_840_000
    called.pair.must("liquidator", "close", TRADER)


def test_the_wallet_is_empty(called):
    allow(called, called.usd, 100 * USD)
    book = called.pair.twin.at.book
    called.pair.must("book", "deposit", BIDDER, called.usd, 90 * USD, sender=TRADER_ADDRESS)
    assert called.pair.twin.tokens[called.usd].balance_of(TRADER_ADDRESS) == 10 * USD
    refuses(called, "", called.usd)
    assert called.pair.twin.tokens[called.usd].balance_of(book) > 0


@pytest.mark.parametrize(
    ("bounty", "paid"),
    [(0, "0"), (1, "0.000001"), (5_569_999, "5.569999"), (5_570_000, "5.57"), (100 * USD, "5.57")],
)
def test_the_bounty_is_a_tenth_at_most(called, bounty, paid):
    allow(called, called.usd, 100 * USD, bounty)
    assert top_up(called, called.usd, BIDDER) == 55_700_000
    assert called.ledger(BIDDER) == (wad(paid), 0)
    assert sum(called.ledger(TRADER)) == wad("371.7") - wad(paid) - 2_000 * WAD
    if bounty:
        assert called.last("book") == ("BountyPaid", {"account": TRADER, "to": BIDDER, "amount": wad(paid)})


@pytest.mark.parametrize("to", [0, 1, 2, TRADER])
def test_no_bounty_to_the_systems_accounts_or_itself(called, to):
    allow(called, called.usd, 100 * USD, 10 * USD)
    assert top_up(called, called.usd, to) == 55_700_000
    assert sum(called.ledger(TRADER)) == wad("371.7") - 2_000 * WAD


def test_the_owner_may_earn_it_himself(called):
    allow(called, called.usd, 100 * USD, USD)
    top_up(called, called.usd, account("trader", 1))
    assert called.ledger(account("trader", 1)) == (WAD, 0)


def test_no_bounty_of_collateral(called):
    allow(called, called.weth, WAD, WAD // 10)
    top_up(called, called.weth, BIDDER)
    assert called.quantity(BIDDER, called.spot) == 0
    assert called.quantity(TRADER, called.spot) == WAD


def test_bounties_are_no_way_to_drain_a_wallet(called):
    """Each leaves nine tenths of what it brings: what is missing afterwards shrinks by ten, and so what is brought."""
    allow(called, called.usd, 100 * USD, 100 * USD)
    brought = 0
    for _ in range(8):
        brought += top_up(called, called.usd, BIDDER)
    assert brought <= 55_700_000 * 10 // 9 + 1
    assert called.ledger(BIDDER)[0] <= wad("6.19")


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed(called, way):
    allow(called, called.usd, 100 * USD)
    reason = called.kill_feed(ETH, way)
    refuses(called, reason, called.usd)

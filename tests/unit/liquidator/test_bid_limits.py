"""Liquidator.bid: what protects a bidder, and the cash he brings along."""

import pytest

from plimsoll.spec.mandates import BID, TRANSFER
from plimsoll.spec.wad import div_up
from tests.pairs import MAX, account, address_of
from tests.unit.clearinghouse.stage import ATTACKER, BIDDER, DELEGATE, ETH, TRADER, USD, WAD, wad

from .rig import (
    ANY,
    BIDDER_ADDRESS,
    CAP,
    COST,
    NOT_BIDDERS,
    OVER_PRICE,
    PRICE,
    bid,
    insure,
    quote,
    refuses_bid,
)

FRESH = account("bidder", 7)
SOURCE = account("bidder", 1)
ANYTHING = (ANY, MAX, bytes(32))


# ------------------------------------------------------------------------------------------------------- the price


@pytest.mark.parametrize("fraction", [WAD, WAD // 10, 10**15])
def test_the_price_is_of_the_whole_account(auction, fraction):
    refuses_bid(auction, OVER_PRICE, fraction, PRICE - 2_000)  # a wei of it for the least fraction
    refuses_bid(auction, OVER_PRICE, fraction, 0)
    refuses_bid(auction, OVER_PRICE, fraction, -1)
    assert bid(auction, fraction, PRICE)[1] == min(fraction, CAP) * PRICE // WAD


def test_a_negative_price_is_what_the_fund_is_to_pay(stage):
    # E_m -50, MM 181.5; 5 % of 50 + 3.63 at once, all of it at the end
    insure(stage, 1_000)
    stage.sick(300, 1_650)
    stage.fund("bidder", 1_000)
    stage.pair.must("liquidator", "start", TRADER)
    refuses_bid(stage, OVER_PRICE, WAD, -wad("2.7"))
    with stage.pair.isolated():
        assert bid(stage, WAD, -wad("2.6")) == (WAD, 0, wad("2.6815"))
    stage.later(1_800)
    refuses_bid(stage, OVER_PRICE, WAD, -wad("30"))
    assert bid(stage, WAD // 2, -wad("28")) == (WAD // 2, 0, wad("53.63") * 525 // 2_000)


def test_where_the_fund_is_empty_a_bid_for_its_money_does_not_pass(stage):
    stage.sick(300, 1_650)
    stage.fund("bidder", 1_000)
    stage.pair.must("liquidator", "start", TRADER)
    refuses_bid(stage, OVER_PRICE, WAD, -1)
    assert bid(stage, WAD, 0) == (WAD, 0, 0)


def test_the_limit_rounds_up(auction):
    fraction = 10**15 + 1
    payment = fraction * PRICE // WAD
    tight = payment * WAD // fraction  # of the whole account, down: in proportion it comes to the payment, up
    assert div_up(tight * fraction, WAD) == payment
    assert bid(auction, fraction, tight)[1] == payment


@pytest.mark.parametrize("limit", [ANY, 10**41, 10**40])
def test_a_limit_over_any_price(auction, limit):
    assert bid(auction, WAD, limit) == (CAP, COST, 0)


@pytest.mark.parametrize("limit", [-(2**255), -(10**60)])
def test_a_limit_under_any_price(auction, limit):
    refuses_bid(auction, OVER_PRICE, WAD, limit)


# ------------------------------------------------------------------------------------------------------ the margin


def test_the_margin_is_of_the_whole_account(auction):
    reason = "liquidator: margin over the bidder's limit"
    refuses_bid(auction, reason, WAD // 10, ANY, 209 * WAD - 1)
    refuses_bid(auction, reason, WAD, ANY, 0)
    assert bid(auction, WAD // 10, ANY, 209 * WAD)[0] == WAD // 10


def test_a_report_that_raises_it_is_seen(auction):
    auction.pair.price(ETH, 1_901 * WAD)
    refuses_bid(auction, "liquidator: margin over the bidder's limit", WAD, ANY, 209 * WAD)


# ------------------------------------------------------------------------------------------------------- the state


def test_the_state_that_was_meant(auction):
    meant = auction.ask("liquidator", "fingerprint", TRADER)
    assert meant == auction.pair.twin.liquidator.fingerprint(TRADER, auction.pair.now)
    refuses_bid(auction, "liquidator: another state", WAD, ANY, MAX, bytes(31) + b"\1")
    assert bid(auction, WAD // 10, ANY, MAX, meant)[0] == WAD // 10
    # the bid itself changed it
    refuses_bid(auction, "liquidator: another state", WAD // 10, ANY, MAX, meant)


def test_a_deposit_of_anybody_changes_it_and_limits_do_without_it(auction):
    """A millionth of a dollar keeps off who insists on a state; who says what he pays is neither kept off nor had."""
    meant = auction.ask("liquidator", "fingerprint", TRADER)
    attacker = address_of("attacker")
    auction.pair.mint(auction.usd, attacker, 1)
    auction.pair.must("book", "deposit", TRADER, auction.usd, 1, sender=attacker)
    refuses_bid(auction, "liquidator: another state", WAD, ANY, MAX, meant)
    # the account is worth more by what was brought: the price by as much
    refuses_bid(auction, OVER_PRICE, WAD, PRICE, 209 * WAD)
    assert bid(auction, WAD, PRICE + 10**12, 209 * WAD)[0] < CAP


def test_the_price_may_move_under_the_same_state(auction):
    meant = auction.ask("liquidator", "fingerprint", TRADER)
    auction.pair.price(ETH, 1_890 * WAD)
    assert meant == auction.ask("liquidator", "fingerprint", TRADER)
    fraction, payment, _ = bid(auction, WAD, PRICE, MAX, meant)
    assert fraction > CAP
    assert payment * WAD <= fraction * (PRICE - 9 * WAD)


def test_fingerprints_tell_accounts_apart(auction):
    found = {auction.ask("liquidator", "fingerprint", who) for who in (TRADER, BIDDER, account("other"))}
    assert len(found) == 3


# -------------------------------------------------------------------------------------------------- cash comes along


def test_into_an_account_that_is_new_with_cash_from_another(auction):
    auction.fund("bidder", 80, at=1)
    # the part taken needs 71.7 f more than it has: 72 is enough with the discount
    refuses_bid(auction, "clearinghouse: below initial margin", bidder=FRESH)
    found = bid(auction, WAD, *ANYTHING, SOURCE, 75 * USD, bidder=FRESH)
    assert found == (CAP, COST, 0)
    assert auction.ledger(SOURCE) == (5 * WAD, 0)
    assert auction.quantity(FRESH, auction.perp) == CAP
    assert auction.ask("book", "state", FRESH) == 0
    log = [event for event in auction.pair.twin.book.log if event.name == "Transferred"]
    assert dict(log[-1].args) == {"source": SOURCE, "target": FRESH, "token": auction.usd, "amount": 75 * USD}


def test_where_the_bid_fails_the_cash_stays(auction):
    auction.fund("bidder", 80, at=1)
    refuses_bid(auction, OVER_PRICE, WAD, 0, MAX, bytes(32), SOURCE, 75 * USD, bidder=FRESH)
    assert auction.ledger(SOURCE) == (80 * WAD, 0)
    assert auction.ledger(FRESH) == (0, 0)


def test_the_source_is_not_brought_under_initial_margin(auction):
    auction.fund("bidder", 300, at=1)
    auction.allow("bidder", at=1)
    auction.post()
    auction.trade(SOURCE, account("maker"), auction.perp, WAD, 1_900 * WAD)
    args = (WAD // 10, *ANYTHING, SOURCE)
    refuses_bid(auction, "clearinghouse: below initial margin", *args, 28_300_001, bidder=FRESH)
    assert bid(auction, *args, 28_300_000, bidder=FRESH)[0] == WAD // 10


def test_no_more_than_is_there(auction):
    auction.fund("bidder", 80, at=1)
    refuses_bid(auction, "clearinghouse: cash not there", WAD, *ANYTHING, SOURCE, 80 * USD + 1, bidder=FRESH)


def test_from_the_same_account(auction):
    refuses_bid(auction, "clearinghouse: source is target", WAD, *ANYTHING, BIDDER, USD)


def test_the_source_is_the_bidders_own(auction):
    other = account("other")
    auction.fund("other", 100)
    refuses_bid(auction, NOT_BIDDERS, WAD, *ANYTHING, other, USD)
    # who acts for both cannot mix them either
    for role in ("bidder", "other"):
        auction.delegate(role, BID | TRANSFER)
    refuses_bid(auction, "clearinghouse: another owner", WAD, *ANYTHING, other, USD, sender=DELEGATE)


def test_a_delegate_needs_a_right_to_each(auction):
    auction.fund("bidder", 80, at=1)
    args = (WAD, *ANYTHING, SOURCE, 10 * USD)
    trustee = BIDDER_ADDRESS
    auction.delegate("bidder", BID | TRANSFER)
    refuses_bid(auction, NOT_BIDDERS, *args, sender=DELEGATE)  # of the source he has none
    auction.pair.must("mandates", "set_delegate", SOURCE, DELEGATE, BID, MAX, sender=trustee)
    refuses_bid(auction, NOT_BIDDERS, *args, sender=DELEGATE)
    auction.pair.must("mandates", "set_delegate", SOURCE, DELEGATE, TRANSFER, MAX, sender=trustee)
    refuses_bid(auction, NOT_BIDDERS, *args, sender=ATTACKER)
    assert bid(auction, *args, sender=DELEGATE) == (CAP, COST, 0)
    assert quote(auction) == (0, 0, 0, 0)


def test_no_amount_asks_for_no_source(auction):
    assert bid(auction, WAD, *ANYTHING, account("other"), 0) == (CAP, COST, 0)

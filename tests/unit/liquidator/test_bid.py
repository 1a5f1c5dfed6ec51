"""Liquidator.bid: a part of everything, capped at what restores initial margin, for its equity less the discount."""

import pytest

from tests.pairs import account, address_of
from tests.unit.clearinghouse.stage import (
    ATTACKER,
    BIDDER,
    DEAD,
    DELEGATE,
    ETH,
    EVERYONE,
    MAKER,
    NOW,
    OTHER,
    TRADER,
    WAD,
    wad,
)

BIDDER_ADDRESS = address_of("bidder")
MOST = 2**256 - 1
CAP = -(-wad("71.7") * WAD // wad("261.25"))
COST = CAP * wad("189.55") // WAD


@pytest.fixture
def auction(stage):
    """The trader: E_m = E_h = 200, MM 209, IM 271.7, just started; the bidder: 1,000."""
    stage.sick(300)
    stage.fund("bidder", 1_000)
    stage.pair.must("liquidator", "start", TRADER)
    return stage


def bid(stage, fraction=WAD, most=MOST, bidder=BIDDER, sender=BIDDER_ADDRESS):
    found = stage.pair.must("liquidator", "bid", TRADER, bidder, fraction, most, sender=sender)
    stage.pair.compare(EVERYONE)
    return tuple(found)


def refuses(stage, reason, fraction=WAD, most=MOST, bidder=BIDDER, sender=BIDDER_ADDRESS):
    stage.refuses(reason, "liquidator", "bid", TRADER, bidder, fraction, most, sender=sender)


def test_the_fraction_is_capped_to_restore_initial_margin(auction):
    before = auction.margin(TRADER)
    assert bid(auction) == (CAP, COST)
    found = auction.margin(TRADER)
    assert found.equity_haircut >= found.im
    assert found.equity_haircut - found.im < 2_000  # wei
    assert auction.ask("book", "state", TRADER) == 0
    assert auction.ask("liquidator", "auction", TRADER) == 0
    assert auction.quantity(BIDDER, auction.perp) == CAP
    # the account loses its part of the discount, and nothing else
    assert 0 <= before.equity_full - found.equity_full - CAP * wad("10.45") // WAD <= 3
    log = [(event.name, dict(event.args)) for event in auction.pair.twin.liquidator.log[-2:]]
    taken = {"account": TRADER, "bidder": BIDDER, "fraction": CAP, "payment": COST, "discount": wad("10.45")}
    assert log == [("BidTaken", taken), ("AuctionClosed", {"account": TRADER})]
    assert auction.last("book")[0] == "Seized"


def test_one_wei_less_than_the_cap_leaves_it_open(auction):
    assert bid(auction, CAP - 10**6)[0] == CAP - 10**6
    assert auction.ask("liquidator", "auction", TRADER) == NOW
    assert auction.ask("book", "state", TRADER) == 1
    # what is left is taken in the next
    assert bid(auction)[0] < 10**8
    assert auction.ask("liquidator", "auction", TRADER) == 0
    assert auction.margin(TRADER).equity_haircut >= auction.margin(TRADER).im


def test_a_partial_fill_moves_its_part(auction):
    fraction, payment = bid(auction, WAD // 10)
    assert (fraction, payment) == (WAD // 10, wad("18.955"))
    assert auction.quantity(TRADER, auction.perp) == 9 * WAD // 10
    assert auction.ledger(TRADER) == (270 * WAD + payment, -1_800 * WAD)
    assert auction.ledger(BIDDER) == (1_030 * WAD - payment, -200 * WAD)
    assert auction.ask("liquidator", "auction", TRADER) == NOW
    # health over requirement is better than it was (I-21)
    found = auction.margin(TRADER)
    assert found.equity_haircut * 209 > 200 * found.mm


@pytest.mark.parametrize("pieces", [2, 5])
def test_pieces_are_no_cheaper_than_the_whole(auction, pieces):
    with auction.pair.isolated():
        _, whole = bid(auction)
    paid = taken = 0
    left = WAD
    for _ in range(pieces):
        fraction, payment = bid(auction, CAP // pieces)
        paid, taken, left = paid + payment, taken + left * fraction // WAD, left * (WAD - fraction) // WAD
    # the same price for each unit, or more
    assert paid * CAP >= whole * taken - CAP * 10 * pieces


@pytest.mark.parametrize(("fraction", "payment"), [(1, 189), (2, 379), (10, 1_895), (20, 3_791)])
def test_the_payment_rounds_down(auction, fraction, payment):
    assert bid(auction, fraction) == (fraction, payment)
    assert auction.ask("liquidator", "auction", TRADER) == NOW


def test_max_payment(auction):
    refuses(auction, "liquidator: payment over the bidder's limit", most=COST - 1)
    refuses(auction, "liquidator: payment over the bidder's limit", most=0)
    assert bid(auction, most=COST) == (CAP, COST)


def test_a_bidder_account_that_held_nothing(auction):
    # the part of the equity taken is worth what it is charged and the discount on it, far from its IM
    other = address_of("other")
    below = "clearinghouse: below initial margin"
    refuses(auction, below, bidder=OTHER, sender=other)
    auction.fund("other", 80)
    assert bid(auction, bidder=OTHER, sender=other) == (CAP, COST)
    assert auction.ask("book", "state", OTHER) == 0


def test_the_bidder_at_initial_margin_exactly(auction):
    # IM of what is taken: 271.7 f; he gets 200 f for 189.55 f, so he needs (271.7 - 10.45) f: 26.125 for a tenth
    other = address_of("other")
    auction.fund("other", "26.124999")
    refuses(auction, "clearinghouse: below initial margin", WAD // 10, bidder=OTHER, sender=other)
    auction.fund("other", "0.000001")
    bid(auction, WAD // 10, bidder=OTHER, sender=other)
    assert auction.margin(OTHER).equity_haircut == auction.margin(OTHER).im


def test_at_the_end_of_the_ramp_it_is_had_for_nothing(auction):
    auction.later(3_600)
    assert bid(auction, most=0) == (WAD, 0)
    assert auction.ask("book", "positions", TRADER) == ()
    assert auction.ledger(TRADER) == (0, 0)
    assert auction.ledger(BIDDER) == (1_300 * WAD, -2_000 * WAD)
    assert auction.ask("liquidator", "auction", TRADER) == 0


def test_what_the_parties_gain_and_lose_sums_to_zero(auction):
    accounts = TRADER, BIDDER, MAKER, 0
    before = [sum(auction.ledger(who)[k] for who in accounts) for k in (0, 1)]
    bid(auction, 123_456_789)
    bid(auction)
    assert [sum(auction.ledger(who)[k] for who in accounts) for k in (0, 1)] == before
    assert sum(auction.quantity(who, auction.perp) for who in accounts) == 0


def test_a_delegate_of_the_bidder_bids_and_nobody_else(auction):
    reason = "liquidator: not the bidder's account"
    for sender in (ATTACKER, DELEGATE, address_of("trader"), auction.pair.owner):
        refuses(auction, reason, sender=sender)
    auction.pair.must("book", "set_delegate", BIDDER, DELEGATE, True, sender=BIDDER_ADDRESS)
    assert bid(auction, sender=DELEGATE) == (CAP, COST)


def test_the_bidder_is_the_account(auction):
    reason = "liquidator: bidder is the account"
    refuses(auction, reason, bidder=TRADER, sender=address_of("trader"))
    refuses(auction, reason, bidder=TRADER, sender=ATTACKER)


def test_the_owner_bids_with_another_account_and_gains_nothing(auction):
    second = account("trader", 1)
    auction.fund("trader", 100, at=1)
    before = sum(auction.margin(who).equity_full for who in (TRADER, second))
    bid(auction, bidder=second, sender=address_of("trader"))
    assert sum(auction.margin(who).equity_full for who in (TRADER, second)) <= before


def test_no_auction(stage):
    stage.sick(300)
    stage.fund("bidder", 1_000)
    refuses(stage, "liquidator: no auction")


def test_zero_fraction(auction):
    refuses(auction, "liquidator: zero fraction", 0)


def test_insolvent(auction):
    auction.pair.price(ETH, 1_700 * WAD - 1)
    refuses(auction, "liquidator: insolvent")
    # with nothing left it goes for nothing
    auction.pair.price(ETH, 1_700 * WAD)
    assert bid(auction, most=0) == (WAD, 0)


def test_an_account_that_came_back_to_initial_margin(auction):
    auction.fund("trader", "71.699999")
    with auction.pair.isolated():
        assert bid(auction)[0] < WAD // 10**6
    auction.fund("trader", "0.000001")
    refuses(auction, "liquidator: not liquidatable")


def test_a_deposit_does_not_block_it(auction):
    auction.fund("trader", "0.000001")
    assert bid(auction)[0] < CAP
    assert auction.ask("liquidator", "auction", TRADER) == 0


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed(auction, way):
    reason = auction.kill_feed(ETH, way)
    refuses(auction, reason)


def test_stale_surfaces_do_not_stop_it(stage):
    stage.sick()
    stage.fund("bidder", 1_000)
    stage.later(3_000)
    stage.pair.must("liquidator", "start", TRADER)
    stage.later(5_000)
    assert not stage.margin(TRADER).fresh
    assert bid(stage) == (WAD, 0)


def test_an_auction_lapses_one_ramp_after_its_discount_is_whole(auction):
    auction.later(7_200)
    with auction.pair.isolated():
        assert bid(auction) == (WAD, 0)
    auction.later(1)
    refuses(auction, "liquidator: no auction")
    auction.refuses("liquidator: no auction", "liquidator", "close", TRADER)
    assert auction.ask("liquidator", "auction", TRADER) == 0


def test_who_recovered_is_not_sold_by_an_auction_that_nobody_closed(auction):
    """Found by drawn sequences: I-20, an account above its call line sold at the whole discount a week later."""
    auction.fund("trader", 100)
    auction.later(7_201)
    auction.pair.price(ETH, 1_850 * WAD)
    found = auction.margin(TRADER)
    assert found.call_line < found.equity_haircut < found.im
    refuses(auction, "liquidator: no auction")
    auction.refuses("liquidator: not liquidatable", "liquidator", "start", TRADER)


def test_a_short_meets_the_bidders_long(stage):
    # the other side: short from 2,000 with 300, at 2,100: E 200, MM 231; the bidder is long and closes part of it
    stage.fund("maker", 1_000_000)
    stage.fund("trader", 300)
    stage.fund("bidder", 2_000)
    stage.trade(MAKER, TRADER, stage.perp, WAD, 2_000 * WAD)
    stage.trade(BIDDER, MAKER, stage.perp, WAD, 2_000 * WAD)
    stage.pair.price(ETH, 2_100 * WAD)
    stage.pair.must("liquidator", "start", TRADER)
    fraction, _ = bid(stage, WAD // 5)
    assert stage.quantity(BIDDER, stage.perp) == WAD - fraction
    # the maker is flat: all that is open is what the bidder is still long
    assert stage.ask("book", "open_interest", ETH) == WAD - fraction

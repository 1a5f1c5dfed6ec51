"""Liquidator.bid: a part of everything, capped at what restores initial margin, for its equity less the discount.

What bidders are protected by is in `test_bid_limits.py`, who pays losses in `test_losses.py`.
"""

import pytest

from plimsoll.spec.mandates import ALL, BID
from tests.pairs import account, address_of
from tests.unit.clearinghouse.stage import (
    ATTACKER,
    BIDDER,
    DEAD,
    DELEGATE,
    ETH,
    MAKER,
    OTHER,
    SOL,
    TRADER,
    USD,
    WAD,
    make_scalars,
    wad,
)

from .rig import (
    ANY,
    BIDDER_ADDRESS,
    CAP,
    COST,
    NOT_BIDDERS,
    PRICE,
    bid,
    configure,
    events,
    fund_account,
    open_auction,
    refuses_bid,
)

BELOW = "clearinghouse: below initial margin"
OTHER_ADDRESS = address_of("other")


def test_the_fraction_is_capped_to_restore_initial_margin(auction):
    before = auction.margin(TRADER)
    assert bid(auction) == (CAP, COST, 0)
    found = auction.margin(TRADER)
    assert found.equity_haircut >= found.im
    assert found.equity_haircut - found.im < 2_000  # wei
    assert auction.ask("book", "state", TRADER) == 0
    assert auction.ask("liquidator", "auction", TRADER) == 0
    assert auction.quantity(BIDDER, auction.perp) == CAP
    # the account loses its part of the discount, and nothing else
    assert 0 <= before.equity_full - found.equity_full - CAP * wad("10.45") // WAD <= 3
    taken = {
        "account": TRADER,
        "bidder": BIDDER,
        "fraction": CAP,
        "payment": COST,
        "discount": wad("10.45"),
        "fee": 0,
    }
    assert events(auction, "liquidator", 2) == [("BidTaken", taken), ("AuctionClosed", {"account": TRADER})]
    assert auction.last("book")[0] == "Seized"


def test_one_wei_less_than_the_cap_leaves_it_open(auction):
    began = auction.pair.now
    assert bid(auction, CAP - 10**6)[0] == CAP - 10**6
    assert auction.ask("liquidator", "auction", TRADER) == began
    assert auction.ask("book", "state", TRADER) == 1
    # what is left is taken in the next, though it is less than the least fraction
    assert bid(auction)[0] < 10**8
    assert auction.ask("liquidator", "auction", TRADER) == 0
    assert auction.margin(TRADER).equity_haircut >= auction.margin(TRADER).im


def test_a_partial_fill_moves_its_part(auction):
    fraction, payment, received = bid(auction, WAD // 10)
    assert (fraction, payment, received) == (WAD // 10, wad("18.955"), 0)
    assert auction.quantity(TRADER, auction.perp) == 9 * WAD // 10
    assert auction.ledger(TRADER) == (270 * WAD + payment, -1_800 * WAD)
    assert auction.ledger(BIDDER) == (1_030 * WAD - payment, -200 * WAD)
    assert auction.ask("liquidator", "auction", TRADER) == auction.pair.now
    # health over requirement is better than it was (I-21)
    found = auction.margin(TRADER)
    assert found.equity_haircut * 209 > 200 * found.mm


@pytest.mark.parametrize("pieces", [2, 5])
def test_pieces_are_no_cheaper_than_the_whole(auction, pieces):
    with auction.pair.isolated():
        _, whole, _ = bid(auction)
    paid = taken = 0
    left = WAD
    for _ in range(pieces):
        fraction, payment, _ = bid(auction, CAP // pieces)
        paid, taken, left = paid + payment, taken + left * fraction // WAD, left * (WAD - fraction) // WAD
    # the same price for each unit, or more
    assert paid * CAP >= whole * taken - CAP * 10 * pieces


@pytest.mark.parametrize("extra", [0, 1, 7, 123_456_789])
def test_the_payment_rounds_down(auction, extra):
    fraction = 10**15 + extra
    assert bid(auction, fraction) == (fraction, fraction * PRICE // WAD, 0)


@pytest.mark.parametrize("fraction", [1, 2, 10**15 - 1])
def test_dust_is_refused(auction, fraction):
    """It would cost the others gas, and move the fingerprint under them."""
    refuses_bid(auction, "liquidator: fraction below the minimum", fraction)
    assert bid(auction, 10**15)[0] == 10**15


def test_zero_fraction(auction):
    refuses_bid(auction, "liquidator: zero fraction", 0)


def test_at_the_end_of_the_ramp_it_is_had_for_nothing(auction):
    auction.later(3_600)
    assert bid(auction, WAD, 0) == (WAD, 0, 0)  # and nobody insured the fund
    assert auction.ask("book", "positions", TRADER) == ()
    assert auction.ledger(TRADER) == (0, 0)
    assert auction.ledger(BIDDER) == (1_300 * WAD, -2_000 * WAD)
    assert auction.ask("liquidator", "auction", TRADER) == 0


def test_what_the_parties_gain_and_lose_sums_to_zero(auction):
    accounts = TRADER, BIDDER, MAKER, 0
    before = [sum(auction.ledger(who)[k] for who in accounts) for k in (0, 1)]
    bid(auction, 10**15 + 123_456_789)
    bid(auction)
    assert [sum(auction.ledger(who)[k] for who in accounts) for k in (0, 1)] == before
    assert sum(auction.quantity(who, auction.perp) for who in accounts) == 0


# --------------------------------------------------------------------------------------------------- who may bid


def test_a_delegate_of_the_bidder_bids_and_nobody_else(auction):
    for sender in (ATTACKER, DELEGATE, address_of("trader"), auction.pair.owner):
        refuses_bid(auction, NOT_BIDDERS, sender=sender)
    auction.delegate("bidder", ALL & ~BID)
    refuses_bid(auction, NOT_BIDDERS, sender=DELEGATE)
    auction.delegate("bidder", BID)
    assert bid(auction, sender=DELEGATE) == (CAP, COST, 0)


def test_the_bidder_is_the_account(auction):
    reason = "liquidator: bidder is the account"
    refuses_bid(auction, reason, bidder=TRADER, sender=address_of("trader"))
    refuses_bid(auction, reason, bidder=TRADER, sender=ATTACKER)


def test_the_owner_bids_with_another_account_and_gains_nothing(auction):
    second = account("trader", 1)
    auction.fund("trader", 100, at=1)
    before = sum(auction.margin(who).equity_full for who in (TRADER, second))
    bid(auction, bidder=second, sender=address_of("trader"))
    assert sum(auction.margin(who).equity_full for who in (TRADER, second)) <= before


# ------------------------------------------------------------------------------------------------- what it needs


def test_a_bidder_account_that_held_nothing(auction):
    # the part of the equity taken is worth what it is charged and the discount on it, far from its IM
    refuses_bid(auction, BELOW, bidder=OTHER, sender=OTHER_ADDRESS)
    auction.fund("other", 80)
    assert bid(auction, bidder=OTHER, sender=OTHER_ADDRESS) == (CAP, COST, 0)
    assert auction.ask("book", "state", OTHER) == 0


def test_the_bidder_at_initial_margin_exactly(auction):
    # IM of what is taken: 271.7 f; he gets 200 f for 189.55 f, so he needs (271.7 - 10.45) f: 26.125 for a tenth
    auction.fund("other", "26.124999")
    refuses_bid(auction, BELOW, WAD // 10, bidder=OTHER, sender=OTHER_ADDRESS)
    auction.fund("other", "0.000001")
    bid(auction, WAD // 10, bidder=OTHER, sender=OTHER_ADDRESS)
    assert auction.margin(OTHER).equity_haircut == auction.margin(OTHER).im


def test_who_holds_the_other_side_needs_nothing_more(auction):
    """Short half an ETH with 143 of equity, at initial margin: taking a part of the long sets some of it free."""
    auction.post()
    auction.fund("other", "135.85")
    auction.trade(MAKER, OTHER, auction.perp, WAD // 2, 1_900 * WAD)
    assert auction.margin(OTHER).equity_haircut == auction.margin(OTHER).im
    assert bid(auction, bidder=OTHER, sender=OTHER_ADDRESS) == (CAP, COST, 0)
    after = auction.margin(OTHER)
    assert after.im < wad("135.85") < after.equity_haircut
    assert auction.quantity(OTHER, auction.perp) == CAP - WAD // 2


def test_a_short_meets_the_bidders_long(stage):
    # the other side: short from 2,000 with 300, at 2,100: E 200, MM 231; the bidder is long and closes part of it
    stage.fund("maker", 1_000_000)
    stage.fund("trader", 300)
    stage.fund("bidder", 2_000)
    stage.trade(MAKER, TRADER, stage.perp, WAD, 2_000 * WAD)
    stage.trade(BIDDER, MAKER, stage.perp, WAD, 2_000 * WAD)
    stage.pair.price(ETH, 2_100 * WAD)
    open_auction(stage)
    fraction, _, _ = bid(stage, WAD // 5)
    assert stage.quantity(BIDDER, stage.perp) == WAD - fraction
    # the maker is flat: all that is open is what the bidder is still long
    assert stage.ask("book", "open_interest", ETH) == WAD - fraction
    assert stage.ask("book", "instrument_interest", stage.perp) == WAD - fraction


# ------------------------------------------------------------------------------------------------ when it passes


def test_no_auction(stage):
    stage.sick(300)
    stage.fund("bidder", 1_000)
    refuses_bid(stage, "liquidator: no auction")
    stage.pair.must("liquidator", "call", TRADER)
    refuses_bid(stage, "liquidator: no auction")


def test_an_account_that_came_back_to_initial_margin(auction):
    auction.fund("trader", "71.699999")
    with auction.pair.isolated():
        assert bid(auction)[0] < WAD // 10**6
    auction.fund("trader", "0.000001")
    refuses_bid(auction, "liquidator: not liquidatable")


def test_nothing_blocks_it(auction):
    """I-26: neither deposits nor bids nor transfers nor restarts nor calls, by whomever."""
    began = auction.pair.now
    auction.fund("trader", "0.000001")
    refuses_bid(auction, "liquidator: fraction below the minimum", 1)
    bid(auction, 10**15)
    trader = address_of("trader")
    args = (TRADER, account("trader", 1), auction.usd, USD)
    auction.refuses(BELOW, "book", "transfer", *args, sender=trader)
    auction.refuses(BELOW, "book", "withdraw", TRADER, auction.usd, 1, trader, sender=trader)
    for name in ("start", "call"):
        auction.refuses("liquidator: already in auction", "liquidator", name, TRADER)
    auction.refuses("liquidator: not called", "liquidator", "cure", TRADER)
    auction.refuses("liquidator: still below initial margin", "liquidator", "close", TRADER)
    auction.pair.must("book", "settle", TRADER)
    auction.pair.must("book", "expire", TRADER)
    assert auction.ask("liquidator", "auction", TRADER) == began
    assert bid(auction)[0] < CAP
    assert auction.ask("liquidator", "auction", TRADER) == 0


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed(auction, way):
    reason = auction.kill_feed(ETH, way)
    refuses_bid(auction, reason)


def test_stale_surfaces_do_not_stop_it(stage):
    stage.sick()
    stage.fund("bidder", 1_000)
    stage.later(3_000)
    open_auction(stage)
    stage.later(5_000)
    assert not stage.margin(TRADER).fresh
    assert bid(stage) == (WAD, 0, 0)


def test_an_auction_lapses_one_ramp_after_its_discount_is_whole(auction):
    auction.later(7_200)
    with auction.pair.isolated():
        assert bid(auction) == (WAD, 0, 0)
    auction.later(1)
    refuses_bid(auction, "liquidator: no auction")
    auction.refuses("liquidator: no auction", "liquidator", "close", TRADER)
    assert auction.ask("liquidator", "auction", TRADER) == 0


def test_who_recovered_is_not_sold_by_an_auction_that_nobody_closed(auction):
    """Found by drawn sequences: I-20, an account above its call line sold at the whole discount a week later."""
    auction.fund("trader", 100)
    auction.later(7_201)
    auction.pair.price(ETH, 1_850 * WAD)
    found = auction.margin(TRADER)
    assert found.call_line < found.equity_haircut < found.im
    refuses_bid(auction, "liquidator: no auction")
    auction.refuses("liquidator: not liquidatable", "liquidator", "start", TRADER)


# ------------------------------------------------------------------------------------------ rests too small to leave


@pytest.mark.parametrize(("off", "is_whole"), [(0, False), (1, True)])
def test_a_rest_that_needs_less_than_the_least_margin_is_taken_along(auction, off, is_whole):
    rest = 209 * (WAD - CAP)  # MM of what a bid at the cap would leave
    configure(auction, min_rest=rest + off)
    assert bid(auction) == ((WAD, PRICE, 0) if is_whole else (CAP, COST, 0))
    if is_whole:
        assert auction.ask("book", "positions", TRADER) == ()
        assert auction.ledger(TRADER) == (PRICE, 0)
    assert auction.ask("liquidator", "auction", TRADER) == 0


def test_a_smaller_bid_may_still_leave_one(auction):
    configure(auction, min_rest=200 * WAD)
    assert bid(auction, WAD // 2)[0] == WAD // 2
    # over initial margin by then: what is left of it is sound
    refuses_bid(auction, "liquidator: not liquidatable")
    auction.pair.must("liquidator", "close", TRADER)


# ------------------------------------------------------------------------------------------------ the fund's fee


@pytest.mark.parametrize(
    ("volatility", "rate"), [(0, 20_000), (600_000, 32_000), (3_000_000, 80_000), (10**7, 150_000)]
)
def test_the_fund_gets_a_fee_that_rises_with_volatility(auction, volatility, rate):
    auction.scalars[ETH] = make_scalars(ETH, volatility=volatility)
    auction.post()
    auction.fees(liquidation=20_000, liquidation_cap=150_000, vol_scale=1_000_000, cap=0)
    fee = 209 * WAD * rate // 10**6
    need = wad("71.7")
    fraction = -(-need * WAD // (PRICE - fee + need))
    payment = fraction * PRICE // WAD
    part = -(-fee * fraction // WAD)
    assert bid(auction) == (fraction, payment, 0)
    assert auction.ledger(fund_account(auction)) == (part, 0)
    assert events(auction, "liquidator", 2)[0][1]["fee"] == part
    # what the account gets is less by it, and still enough
    found = auction.margin(TRADER)
    assert 0 <= found.equity_haircut - found.im < 2_000
    assert auction.ask("liquidator", "auction", TRADER) == 0


def test_it_is_of_the_most_volatile_that_the_account_holds(stage):
    stage.scalars[SOL] = make_scalars(SOL, volatility=2_000_000)
    stage.post()
    stage.fees(liquidation=20_000, liquidation_cap=150_000, vol_scale=1_000_000, cap=0)
    stage.fund("bidder", 1_000)
    stage.fund("maker", 1_000_000)
    stage.fund("trader", 300)
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)
    stage.trade(BIDDER, MAKER, stage.sol_perp, WAD, 100 * WAD)  # what the bidder holds does not count
    with stage.pair.isolated():
        stage.pair.price(ETH, 1_900 * WAD)
        open_auction(stage)
        bid(stage, WAD // 10)
        assert stage.ledger(fund_account(stage))[0] == 209 * WAD * 32_000 // 10**7
    stage.trade(TRADER, MAKER, stage.sol_perp, WAD // 100, 100 * WAD)
    stage.pair.price(ETH, 1_900 * WAD)
    open_auction(stage)
    mm = stage.margin(TRADER).mm
    bid(stage, WAD // 10)
    assert stage.ledger(fund_account(stage))[0] == mm * 60_000 // 10**7


def test_it_takes_no_more_than_there_is_to_pay(auction):
    auction.fees(liquidation=200_000, liquidation_cap=200_000, cap=0)
    auction.later(3_420)
    # 8.36 of equity are left over the discount, 41.8 the fee would be
    found = tuple(auction.ask("liquidator", "quote", TRADER, WAD))
    assert 0 < found[1] < wad("41.8")
    fraction, payment, _ = bid(auction)
    assert fraction == WAD
    assert auction.ledger(fund_account(auction)) == (payment, 0)
    assert auction.ledger(TRADER) == (0, 0)


def test_no_fee_where_nothing_is_paid(auction):
    auction.fees(liquidation=200_000, liquidation_cap=200_000, cap=0)
    auction.later(3_600)
    assert bid(auction)[:2] == (WAD, 0)
    assert auction.ledger(fund_account(auction)) == (0, 0)


def test_any_price_is_the_default(auction):
    with auction.pair.isolated():
        assert bid(auction, WAD, ANY) == (CAP, COST, 0)
    assert bid(auction, WAD, ANY, 2**256 - 1, bytes(32), 0, 0, sender=BIDDER_ADDRESS) == (CAP, COST, 0)

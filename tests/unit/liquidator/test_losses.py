"""Liquidator.bid on an account that owes more than it has: the fund first, everybody's cash last, all of it told.

The trader: 300 and one long perp from 2,000, at 1,650: E_m = E_h = -50, MM 181.5; the bonus is 3.63.
"""

import pytest

from tests.pairs import account, address_of
from tests.unit.clearinghouse.stage import (
    BIDDER,
    BTC,
    ETH,
    MAKER,
    OTHER,
    TRADER,
    WAD,
    wad,
)

from .rig import (
    RAMP,
    TRADER_ADDRESS,
    bid,
    cap,
    configure,
    events,
    fund_account,
    insure,
    open_auction,
    quote,
    units,
)

OWED = wad("53.63")


def fall(stage, price=1_650):
    """The trader insolvent and in auction; the bidder has 1,000."""
    stage.sick(300, price)
    stage.fund("bidder", 1_000)
    stage.pair.must("liquidator", "start", TRADER)


def whole(stage):
    """Until the discount is."""
    stage.later(RAMP)


def paid(stage):
    """The last payment of a shortfall."""
    found = [event for event in stage.pair.twin.liquidator.log if event.name == "ShortfallPaid"]
    return dict(found[-1].args) if found else None


# ------------------------------------------------------------------------------------------------------- the fund


@pytest.mark.parametrize("seconds", [0, 1, 1_800, 3_599, 3_600, 7_200])
def test_the_fund_pays_more_with_time(stage, seconds):
    insure(stage, 1_000)
    fall(stage)
    stage.later(seconds)
    share = min(10**6, 50_000 + 950_000 * seconds // RAMP)
    due = OWED * share // 10**6
    assert quote(stage) == (WAD, 0, -(-wad("181.5") * share // 10**6), due)
    held = stage.pair.twin.fund.held
    before = stage.ledger(BIDDER)[0]
    assert bid(stage) == (WAD, 0, units(due))
    assert held - stage.pair.twin.fund.held == units(due) // 10**12
    assert stage.ledger(BIDDER) == (before + 300 * WAD + units(due), -2_000 * WAD)
    told = {"account": TRADER, "bidder": BIDDER, "due": due, "fund": units(due), "socialised": 0}
    assert paid(stage) == told
    assert stage.ask("liquidator", "auction", TRADER) == 0
    assert stage.ledger(TRADER) == (0, 0)
    assert stage.ask("book", "positions", TRADER) == ()


def test_a_bid_that_waits_gets_no_less(stage):
    insure(stage, 1_000)
    fall(stage)
    found = []
    for _ in range(9):
        found.append(quote(stage)[3])
        stage.later(500)
    assert found == sorted(found)
    assert found[-1] == OWED


def test_in_pieces_it_is_the_same(stage):
    insure(stage, 1_000)
    fall(stage)
    whole(stage)
    half = bid(stage, WAD // 2)[2]
    assert half == units(OWED // 2)
    rest = bid(stage)[2]
    assert abs(rest - half) <= 2 * 10**12
    assert stage.ask("liquidator", "auction", TRADER) == 0


def test_the_cap_of_an_event(stage):
    insure(stage, 1_000)
    cap(stage, 20 * WAD, 500 * WAD)
    fall(stage)
    stage.later(1_800)
    assert bid(stage, WAD // 2)[2] == units(OWED * 525_000 // 10**6 // 2)  # 14.08
    left = 20 * WAD - stage.pair.twin.liquidator.paid[TRADER]
    assert bid(stage, WAD // 2)[2] == left
    assert bid(stage)[2] == 0
    assert stage.pair.twin.liquidator.paid[TRADER] == 20 * WAD


def test_the_cap_counts_from_the_start_of_an_auction(stage):
    """Of which the owner of an account cannot make two: one that ran dry and goes on is another event."""
    insure(stage, 1_000)
    cap(stage, 20 * WAD, 500 * WAD)
    fall(stage)
    whole(stage)
    assert bid(stage, WAD // 4)[2] == units(OWED // 4)
    stage.later(RAMP + 1)
    stage.pair.must("liquidator", "start", TRADER)
    assert stage.pair.twin.liquidator.paid.get(TRADER, 0) == 0


def test_the_cap_of_an_underlying(stage):
    insure(stage, 1_000)
    cap(stage, 30 * WAD, 30 * WAD)
    fall(stage)
    stage.later(1_800)
    assert bid(stage)[2] == units(OWED * 525_000 // 10**6)
    # another account's loss on the same underlying: what is left of the 30
    stage.post()
    stage.fund("other", 500)
    stage.trade(OTHER, MAKER, stage.perp, WAD, 1_650 * WAD)
    stage.pair.price(ETH, 1_140 * WAD)
    stage.pair.must("liquidator", "start", OTHER)
    stage.later(1_800)
    left = stage.pair.twin.fund.available(ETH, 0, stage.pair.now)
    assert 0 < left < 3 * WAD
    assert bid(stage, who=OTHER)[2] == units(left)
    assert stage.pair.twin.fund.available(BTC, 0, stage.pair.now) == 30 * WAD


def test_the_underlying_is_the_one_that_needs_most(stage):
    insure(stage, 1_000)
    stage.fund("maker", 1_000_000)
    stage.fund("trader", 600)
    stage.fund("bidder", 10_000)
    stage.trade(TRADER, MAKER, stage.perp, WAD // 10, 2_000 * WAD)
    stage.trade(TRADER, MAKER, stage.btc_perp, WAD // 10, 20_000 * WAD)
    stage.pair.price(BTC, 13_000 * WAD)
    stage.pair.must("liquidator", "start", TRADER)
    assert bid(stage)[2] > 0
    assert stage.pair.twin.fund.spent(BTC, stage.pair.now) > 0
    assert stage.pair.twin.fund.spent(ETH, stage.pair.now) == 0


def test_an_empty_fund_pays_nothing_and_stops_nothing(stage):
    fall(stage)
    stage.later(1_800)
    assert bid(stage, WAD // 2) == (WAD // 2, 0, 0)
    assert paid(stage)["due"] > 0
    assert paid(stage)["fund"] == paid(stage)["socialised"] == 0


def test_without_a_fund(uninsured):
    fall(uninsured)
    uninsured.later(1_800)
    assert bid(uninsured, WAD // 2) == (WAD // 2, 0, 0)
    uninsured.later(1_800)
    found = bid(uninsured)[2]
    assert found == paid(uninsured)["socialised"] == 25 * WAD
    assert paid(uninsured)["fund"] == 0


# ------------------------------------------------------------------------------------- positive, but not enough of it


def test_equity_under_the_discount_is_had_for_nothing(auction):
    """E_m 200, MM 209: once the discount is over 200 nothing is paid; what is there is more than any bonus."""
    insure(auction, 1_000)
    auction.later(3_420)
    assert quote(auction)[1] > 0
    auction.later(20)
    share = 50_000 + 950_000 * 3_440 // RAMP
    assert quote(auction) == (WAD, 0, -(-209 * WAD * share // 10**6), 0)
    assert bid(auction) == (WAD, 0, 0)
    assert paid(auction) is None


@pytest.mark.parametrize(("price", "due"), [(1_701, "2.7422"), (1_703, "0.7466"), (1_703.75, "0"), (1_700, "3.74")])
def test_equity_under_the_bonus_is_made_up_to_it(stage, price, due):
    """At 1,701: E_m 1, MM 187.11, of which 2 % are 3.7422."""
    insure(stage, 1_000)
    stage.sick(300, price)
    stage.fund("bidder", 1_000)
    open_auction(stage)
    stage.later(RAMP)
    assert quote(stage)[3] == wad(due)
    assert bid(stage)[:2] == (WAD, 0)
    assert (paid(stage) or {"fund": 0})["fund"] == wad(due)
    assert (paid(stage) or {"socialised": 0})["socialised"] == 0


def test_the_least_that_can_be_due_is_told(stage):
    """Of a few units the fund pays nothing, as its token has none so small; that it was asked is told all the same."""
    insure(stage, 1_000)
    stage.sick(300, 1_701)
    stage.fund("bidder", 1_000)
    open_auction(stage)
    stage.later(RAMP)
    low, high = 1_701 * WAD, 1_704 * WAD  # due, and not

    def due(price: int) -> int:
        stage.pair.price(ETH, price)
        return stage.pair.twin.liquidator.quote(TRADER, WAD, stage.pair.now)[3]

    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if due(middle) > 0 else (low, middle)
    assert due(high) == 0
    assert due(low) == 1
    assert bid(stage)[:2] == (WAD, 0)
    assert paid(stage) == {"account": TRADER, "bidder": BIDDER, "due": 1, "fund": 0, "socialised": 0}


def test_no_loss_of_nobodys_is_socialised(stage):
    stage.sick(300, 1_701)
    stage.fund("bidder", 1_000)
    open_auction(stage)
    stage.later(RAMP)
    before = stage.pair.twin.book.sums.supply_index
    assert bid(stage) == (WAD, 0, 0)
    assert stage.pair.twin.book.sums.supply_index == before
    told = {"account": TRADER, "bidder": BIDDER, "due": wad("2.7422"), "fund": 0, "socialised": 0}
    assert paid(stage) == told


def test_no_bonus_where_it_is_set_to_none(stage):
    insure(stage, 1_000)
    configure(stage, bonus=0)
    fall(stage)
    whole(stage)
    assert bid(stage) == (WAD, 0, 50 * WAD)
    assert paid(stage)["due"] == 50 * WAD


def test_a_fund_that_cannot_pay_stops_nothing(stage):
    """The quote token is paused, say: nobody is paid by it, and the auction goes on."""
    insure(stage, 1_000)
    fall(stage)
    stage.switch(stage.usd, "set_paused", True)
    found = stage.on_chain("liquidator", "bid", TRADER, BIDDER, WAD, sender=BIDDER >> 96)
    told = [args for name, args in found if name == "ShortfallPaid"]
    assert told == [{"account": TRADER, "bidder": BIDDER, "due": wad("2.6815"), "fund": 0, "socialised": 0}]


# ----------------------------------------------------------------------------------------------- everybody's cash


def test_nothing_is_socialised_before_the_discount_is_whole(stage):
    fall(stage)
    stage.later(RAMP - 1)
    before = stage.pair.twin.book.sums
    assert bid(stage, WAD // 2)[2] == 0
    assert stage.pair.twin.book.sums.supply_index == before.supply_index


def test_what_the_fund_does_not_pay_of_the_loss(stage):
    insure(stage, 21)  # it keeps one
    fall(stage)
    whole(stage)
    before = stage.pair.twin.book.sums
    assert bid(stage) == (WAD, 0, 50 * WAD)
    told = {"account": TRADER, "bidder": BIDDER, "due": OWED, "fund": 20 * WAD, "socialised": 30 * WAD}
    assert paid(stage) == told
    found = [event for event in stage.pair.twin.book.log if event.name == "LossSocialised"]
    index = stage.pair.twin.book.sums.supply_index
    # the fund's twenty are cash of the bidder's by then; the trader's own 300 go toward the loss already
    args = {
        "account": BIDDER,
        "amount": 30 * WAD,
        "supply": before.supply + 20 * WAD - 300 * WAD,
        "supply_index": index,
    }
    assert [dict(event.args) for event in found] == [args]
    assert index == 10**18 - -(-(10**18) * 30 // (1_001_000 + 20))


def test_all_who_have_cash_bear_the_published_part_of_it(stage):
    stage.fund("other", "123.456789")
    stage.fund("other", "0.000001", at=3)
    fall(stage, 1_200)  # E_m -500
    whole(stage)
    outside = 0, 1, 2, fund_account(stage)
    suppliers = (MAKER, BIDDER, OTHER, account("other", 3))
    before = {who: stage.ledger(who)[0] for who in suppliers}
    all_of = sum(stage.ledger(who)[0] for who in (*suppliers, TRADER, *outside))
    assert bid(stage)[2] == 500 * WAD
    event = next(event for event in stage.pair.twin.book.log if event.name == "LossSocialised")
    supply, index = event.args["supply"], event.args["supply_index"]
    assert index == 10**18 - -(-(10**18) * 500 * WAD // supply)
    for who in (MAKER, OTHER, account("other", 3)):
        assert stage.ledger(who)[0] == before[who] * index // 10**18
    # the bidder bears his part of what he had before he is paid; the trader's 300 bear none
    assert stage.ledger(BIDDER)[0] == before[BIDDER] * index // 10**18 + 500 * WAD + 300 * WAD
    for who in (*suppliers, TRADER):
        stage.pair.must("book", "expire", who)  # books it
    assert sum(stage.ledger(who)[0] for who in (*suppliers, TRADER, *outside)) == all_of


def test_each_can_take_out_what_the_books_say(stage):
    """The maker won what the trader lost; who has nothing but cash leaves with all that is left of it."""
    stage.fund("other", 10_000)
    fall(stage, 1_200)
    whole(stage)
    bid(stage)
    left = stage.ledger(OTHER)[0]
    assert left < 10_000 * WAD
    there = stage.pair.twin.tokens[stage.usd].balance_of(stage.pair.twin.at.book)
    amount = left // 10**12
    to = address_of("other")
    stage.refuses("clearinghouse: cash not there", "book", "withdraw", OTHER, stage.usd, amount + 1, to, sender=to)
    stage.pair.must("book", "withdraw", OTHER, stage.usd, amount, to, sender=to)
    assert stage.pair.twin.tokens[stage.usd].balance_of(stage.pair.twin.at.book) == there - amount
    # the maker's profit is in `linear` still: his cash he may take down to what his short needs
    mine = stage.ledger(MAKER)[0] // 10**12
    stage.post()
    maker = address_of("maker")
    stage.pair.must("book", "withdraw", MAKER, stage.usd, mine, maker, sender=maker)


def test_at_most_half_of_all_cash_at_once(stage):
    """A loss larger than that would take all: the bid does not pass, a part of it does."""
    stage.fund("maker", 1_000)
    stage.fund("trader", 700)
    stage.trade(TRADER, MAKER, stage.perp, 2 * WAD, 2_000 * WAD)
    stage.fund("bidder", 100)
    stage.pair.price(ETH, 900 * WAD)  # E_m -1,500 of 1,800 in all
    stage.pair.must("liquidator", "start", TRADER)
    whole(stage)
    args = (TRADER, BIDDER)
    stage.refuses("clearinghouse: loss over half of all cash", "liquidator", "bid", *args, WAD, sender=BIDDER >> 96)
    stage.fund("bidder", 200)
    assert bid(stage, WAD // 4)[2] == 375 * WAD


# ------------------------------------------------------------------------------------------------ who is not paid


def test_the_accounts_own_owner(stage):
    """Neither by the fund nor by all: what he owes he would be paid for."""
    insure(stage, 1_000)
    fall(stage)
    whole(stage)
    second = account("trader", 1)
    stage.fund("trader", 1_000, at=1)
    held = stage.pair.twin.fund.held
    found = bid(stage, bidder=second, sender=TRADER_ADDRESS)
    assert found == (WAD, 0, 0)
    assert stage.pair.twin.fund.held == held
    assert paid(stage) is None
    assert sum(stage.ledger(second)) + stage.mark(stage.perp) == 950 * WAD
    # his debt is his own again, and off the record of the account that is empty now
    assert stage.ask("liquidator", "bad_debt") == 0


# ---------------------------------------------------------------------------------------------------- the record


def test_bad_debt_is_on_record_until_it_is_taken_over(stage):
    fall(stage)
    start = ("BadDebtRecorded", {"account": TRADER, "amount": 50 * WAD, "total": 50 * WAD})
    assert stage.last("liquidator") == start
    stage.later(100)
    bid(stage, WAD // 2)
    assert stage.ask("liquidator", "recorded", TRADER) == stage.ask("liquidator", "bad_debt") == 25 * WAD
    left = events(stage, "liquidator", 1)
    assert left == [("BadDebtRecorded", {"account": TRADER, "amount": 25 * WAD, "total": 25 * WAD})]
    bid(stage)
    assert stage.ask("liquidator", "recorded", TRADER) == stage.ask("liquidator", "bad_debt") == 0


def test_the_rest_of_a_debt_rounds_up(stage):
    fall(stage)
    bid(stage, WAD // 3)
    assert stage.ask("liquidator", "recorded", TRADER) == -(-50 * WAD * (WAD - WAD // 3) // WAD)


def test_who_came_to_owe_in_the_midst_of_an_auction(auction):
    """No start recorded it: the bid does, and the rest is clear at once where all is taken."""
    auction.pair.price(ETH, 1_650 * WAD)
    bid(auction, WAD // 2)
    assert auction.ask("liquidator", "recorded", TRADER) == 25 * WAD
    bid(auction)
    assert auction.ask("liquidator", "bad_debt") == 0


def test_a_record_that_is_no_longer_so_goes_with_the_next_bid(stage):
    fall(stage)
    stage.pair.price(ETH, 1_900 * WAD)
    bid(stage, WAD // 10)
    assert stage.ask("liquidator", "recorded", TRADER) == stage.ask("liquidator", "bad_debt") == 0


def test_a_called_account_that_falls_on(stage):
    stage.sick(300)
    stage.fund("bidder", 1_000)
    open_auction(stage)
    stage.pair.price(ETH, 1_699 * WAD)
    assert quote(stage)[1] == 0
    assert quote(stage)[3] > 0
    assert bid(stage)[0] == WAD

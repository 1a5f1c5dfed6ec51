"""Maker, 12 March 2020, 8.3 M$.

What happened: prices halved, the network was congested, keepers ran out of gas and coins. Auctions of collateral had a
single bidder, who bid zero and won.

What stands against it: the price of an auction is the account's equity less a discount, and the discount is never
more than haircut and maintenance margin (I-24): what was over them stays with the owner whoever is absent. Who wins
takes the debt along. A bid of dust is refused. An auction nobody came to lapses, and begins again where it began.
"""

import pytest

from tests.pairs import address_of
from tests.unit.clearinghouse.stage import BIDDER, ETH, EVERYONE, MAKER, OTHER, TRADER, WAD

from .scene import auction, move, wealth

BIDDER_ADDRESS = address_of("bidder")
DUST = "liquidator: fraction below the minimum"


def bid(stage, fraction=WAD):
    return stage.pair.must("liquidator", "bid", TRADER, BIDDER, fraction, sender=BIDDER_ADDRESS)


@pytest.fixture
def crash(stage):
    """One long perp, 286 of margin; the index falls by 5 %: E_m = E_h = 186 of MM 209."""
    stage.sick()
    stage.post()
    stage.fund("bidder", 10_000)
    auction(stage, TRADER)
    return stage


def test_the_price_goes_one_way_and_the_discount_no_further_than_margin(crash):
    stage, found = crash, crash.margin(TRADER)
    last = None
    for _ in range(14):
        _, payment, discount, _ = stage.ask("liquidator", "quote", TRADER, WAD // 10)
        assert discount <= found.equity_full - found.equity_haircut + found.mm
        assert last is None or payment <= last
        last = payment
        stage.later(300)


@pytest.mark.parametrize("fraction", [1, 1_000, 10**15 - 1])
@pytest.mark.parametrize("after", [0, 3_600, 7_000])
def test_a_bid_of_dust_is_refused(crash, fraction, after):
    crash.later(after)
    crash.refuses(DUST, "liquidator", "bid", TRADER, BIDDER, fraction, sender=BIDDER_ADDRESS)


def test_after_hours_without_bidders_it_begins_again_at_the_first_discount(crash):
    stage = crash
    stage.post()
    first = stage.ask("liquidator", "quote", TRADER, WAD)
    stage.later(7_201)
    for fraction in (1, WAD):
        stage.refuses("liquidator: no auction", "liquidator", "bid", TRADER, BIDDER, fraction, sender=BIDDER_ADDRESS)
    stage.post()  # at an older report initial margin is wider, and more is for sale
    stage.pair.must("liquidator", "start", TRADER)
    assert stage.ask("liquidator", "quote", TRADER, WAD) == first
    _, payment, _ = bid(stage)
    # nine tenths of its value at least
    assert payment * 10 > 9 * 186 * WAD * bid_fraction(stage) // WAD
    stage.pair.compare(EVERYONE)


def bid_fraction(stage):
    return next(e.args["fraction"] for e in reversed(stage.pair.twin.liquidator.log) if e.name == "BidTaken")


def test_collateral_worth_far_more_than_the_debt_is_not_had_for_nothing(stage):
    """As the vaults were: 10 WETH, and what they owe. At the end of an auction without bidders the owner keeps most."""
    stage.fund("maker", 10**6)
    stage.bring("trader", stage.weth, 10 * WAD)
    stage.trade(TRADER, MAKER, stage.perp, 22 * WAD, 2_000 * WAD)
    move(stage, 1_605 * WAD)
    found = stage.margin(TRADER)
    assert found.mm < found.equity_haircut < found.call_line
    stage.pair.must("liquidator", "call", TRADER)
    stage.later(3_601)
    stage.pair.must("liquidator", "start", TRADER)
    stage.later(3_600)
    stage.fund("bidder", 100_000)
    before, theirs = wealth(stage, "trader"), wealth(stage, "bidder")
    fraction, payment, _ = bid(stage)
    least = (found.equity_haircut - found.mm) * fraction // WAD
    assert payment >= least > 0
    gain = wealth(stage, "bidder") - theirs
    assert gain <= before - wealth(stage, "trader") + 1_000
    assert gain <= (found.equity_full - found.equity_haircut + found.mm) * fraction // WAD + 1
    assert wealth(stage, "trader") + gain >= before - 1_000


def test_the_winner_takes_the_debt_along(crash):
    """Even at the end, where the account's equity is under the discount: nothing is left owed by nobody."""
    stage = crash
    stage.later(3_600)
    move(stage, 1_650 * WAD)
    assert stage.margin(TRADER).equity_full < 0
    theirs = wealth(stage, "bidder")
    assert tuple(bid(stage))[:2] == (WAD, 0)
    assert stage.ledger(TRADER) == (0, 0)
    assert stage.ask("book", "positions", TRADER) == ()
    # 64 under water, borne by cash alike: no gain
    assert wealth(stage, "bidder") - theirs <= 1_000
    assert stage.ask("liquidator", "bad_debt") == 0


def test_the_honest_version_many_bidders(crash):
    stage = crash
    stage.fund("other", 10_000)
    paid = 0
    for who in (BIDDER, OTHER):
        stage.later(60)
        paid += stage.pair.must("liquidator", "bid", TRADER, who, WAD // 10, sender=who >> 96)[1]
    assert paid > 0
    assert stage.index(ETH) == 1_900 * WAD
    stage.pair.compare(EVERYONE)

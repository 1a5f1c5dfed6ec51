"""Hyperliquid, 12 and 26 March 2025: 4 M$ lost by its vault, then 12 M$ at stake.

What happened: a whale withdrew the margin of a huge leveraged long until it was liquidated, so that the vault had to
inherit what no market could take. Two weeks later another did so with a short of a small coin, and pushed its price.

What stands against it: a withdrawal leaves initial margin, in which the concentration charge is what getting out would
cost; there is no vault that inherits, bidders take the account over with margin of their own; and the insurance fund
pays within a cap an event and a cap an underlying that drains over a week.
"""

import pytest

from tests.pairs import account, address_of
from tests.unit.clearinghouse.stage import (
    BTC,
    DAY,
    ETH,
    EVERYONE,
    MAKER,
    OTHER,
    OWNER,
    TRADER,
    USD,
    WAD,
    make_scalars,
)

from .scene import LOW, SECOND, auction, fill_fund, move, pocket

TRADER_ADDRESS = address_of("trader")


def whale(stage, depth=50):
    """Long twice what the market can take, with as much margin as that needs and a profit."""
    stage.scalars[ETH] = make_scalars(ETH, depth=depth * WAD)
    stage.post()
    stage.fund("maker", 10**8)
    stage.fund("trader", 170_000)
    stage.trade(TRADER, MAKER, stage.perp, 100 * WAD, 2_000 * WAD)
    move(stage, 2_200 * WAD)


def withdraw_all(stage):
    """As much as goes, to the token unit; found by halving."""
    taken, step = 0, 2**41
    while step:
        found = stage.pair.step("book", "withdraw", TRADER, stage.usd, step, TRADER_ADDRESS, sender=TRADER_ADDRESS)
        taken, step = (taken + step, step) if found is None else (taken, step // 2)
    return taken


def test_what_may_be_withdrawn_leaves_what_getting_out_would_cost(stage):
    whale(stage)
    assert withdraw_all(stage) > 0
    stage.refuses(LOW, "book", "withdraw", TRADER, stage.usd, 1, TRADER_ADDRESS, sender=TRADER_ADDRESS)
    stage.refuses(LOW, "book", "transfer", TRADER, SECOND, stage.usd, 1, sender=TRADER_ADDRESS)
    found, terms = stage.margin(TRADER), stage.terms({stage.perp: 100 * WAD})
    assert 0 <= found.equity_haircut - found.im < 10**12
    # 100 at a depth of 50: 2,200 x 50^2 / 50, four fifths of its requirement
    assert terms.concentration == 110_000 * WAD
    assert found.mm == (22_000 + 2_200 + 110_000) * WAD


@pytest.mark.parametrize("further", [0, 100, 300])
def test_who_takes_the_whale_over_is_paid_for_it_by_the_whale(stage, further):
    """The price falls, bidders come late: the fund is asked for nothing, whoever inherits has the margin for it."""
    fill_fund(stage, 1_000_000)
    whale(stage)
    withdraw_all(stage)
    cover = stage.ask("fund", "cover")
    while stage.margin(TRADER).equity_haircut >= stage.margin(TRADER).mm:
        move(stage, stage.index(ETH) - 50 * WAD)
    assert stage.index(ETH) < 1_200 * WAD
    move(stage, stage.index(ETH) - further * WAD)
    auction(stage, TRADER)
    stage.later(600)
    stage.fund("bidder", 10**7)
    args = TRADER, account("bidder"), WAD
    _, payment, received = stage.pair.must("liquidator", "bid", *args, sender=address_of("bidder"))
    assert payment > 0
    assert received == 0
    assert stage.ask("fund", "cover") == cover
    bidder = stage.margin(account("bidder"))
    assert bidder.equity_haircut >= bidder.im
    stage.pair.compare(EVERYONE)


def test_a_bidder_without_the_margin_inherits_nothing(stage):
    whale(stage)
    withdraw_all(stage)
    move(stage, 1_100 * WAD)
    auction(stage, TRADER)
    stage.fund("bidder", 1_000)
    stage.refuses(LOW, "liquidator", "bid", TRADER, account("bidder"), WAD, sender=address_of("bidder"))


def insolvent(stage, role, instrument, underlying, dollars, price):
    """A role's account with a long whose loss went through its margin, in auction, the discount whole."""
    stage.fund(role, dollars)
    index = stage.index(underlying)
    stage.trade(account(role), MAKER, instrument, 100_000 * WAD * WAD // index, index)
    move(stage, price, underlying)
    assert stage.margin(account(role)).equity_full < 0
    stage.pair.must("liquidator", "start", account(role))
    stage.later(1_800)  # half way: nothing is socialised yet


def test_the_fund_pays_within_its_caps(stage):
    """An event, the underlying's next event, another underlying, and a week later."""
    fill_fund(stage, 100_000)
    stage.fund("maker", 10**9)
    stage.fund("bidder", 10**7)
    bidder = account("bidder")
    event, of_underlying = 3_000, 5_000
    stage.pair.must("fund", "set_caps", event * WAD, of_underlying * WAD, sender=OWNER)

    def bid(who, share=WAD):
        return stage.pair.must("liquidator", "bid", who, bidder, share, sender=address_of("bidder"))[2]

    with stage.pair.isolated():
        insolvent(stage, "trader", stage.perp, ETH, 20_000, 1_000 * WAD)
        assert bid(TRADER, WAD // 10) == 30_000 * WAD // 10 // 2 + bonus(stage, WAD // 10)
    insolvent(stage, "trader", stage.perp, ETH, 20_000, 1_000 * WAD)
    # several bids are one event
    assert sum(bid(TRADER, WAD // 5) for _ in range(5)) == event * WAD
    assert bid(TRADER) == 0
    move(stage, 2_000 * WAD)
    insolvent(stage, "other", stage.perp, ETH, 20_000, 1_000 * WAD)
    left = of_underlying - event
    assert left * WAD <= bid(OTHER) < (left + 50) * WAD  # an hour of a week drained
    with stage.pair.isolated():
        stage.fund("trader", 10, at=1)
        stage.allow("trader", at=1)
        stage.fund("trader", 19_990, at=1)
        stage.trade(SECOND, MAKER, stage.btc_perp, 5 * WAD, 20_000 * WAD)
        move(stage, 10_000 * WAD, BTC)
        stage.pair.must("liquidator", "start", SECOND)
        stage.later(1_800)
        assert bid(SECOND) == event * WAD
    stage.later(7 * DAY)
    assert stage.ask("fund", "spent", ETH) == 0
    assert stage.ask("fund", "cover") == (100_000 - 1) * WAD - of_underlying * WAD - stage_drained(stage)
    stage.pair.compare(EVERYONE)


def bonus(stage, share):
    """What a bidder is due over the loss, of the trader's account as it was [wad]: it is in the events."""
    event = next(e for e in reversed(stage.pair.twin.liquidator.log) if e.name == "ShortfallPaid")
    return event.args["fund"] - 30_000 * WAD * share // WAD // 2


def stage_drained(stage):
    """What was paid beyond the underlying's cap because some of it had drained [wad]."""
    paid = sum(e.args["paid"] for e in stage.pair.twin.fund.log if e.name == "Paid")
    return paid - 5_000 * WAD


@pytest.mark.parametrize("depth", [50, 10**6])
def test_without_the_concentration_charge_the_margin_leaves(stage, depth):
    """The same whale in a market said to be deep, and a fall by a fifth: all that it had left is gone."""
    whale(stage, depth)
    withdraw_all(stage)
    move(stage, 1_800 * WAD)
    has_charge = depth == 50
    assert (stage.margin(TRADER).equity_full > 0) == has_charge
    assert (pocket(stage, "trader") > 140_000 * USD) != has_charge

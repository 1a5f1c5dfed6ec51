"""KyberSwap Elastic, 22 November 2023, 56 M$; Balancer, 3 November 2025, 125 M$.

What happened: at the boundary of a tick two formulas for one fact rounded differently, and liquidity was counted
twice. In the other, a rounding in the wrong direction was worth nothing on usual balances and a tenth on balances of a
few wei, and was repeated dozens of times in one call.

What stands against it: one formula for one fact, each rounding named and against whoever acts; and what no rounding
explains is found by doing a thing in n parts: that is never better than at once (I-62), at sizes of a few wei too.
"""

import pytest

from tests.pairs import address_of
from tests.unit.clearinghouse.stage import BIDDER, ETH, EVERYONE, EXPIRY, MAKER, OTHER, TRADER, WAD

from .scene import SECOND, auction, fill_fund, move, wealth

TRADER_ADDRESS = address_of("trader")
SIZES = (1, 2, 3, 7, 10**6 + 1, WAD // 3, WAD + 1)


def funded(stage):
    for role in ("trader", "maker", "other"):
        stage.fund(role, 100_000)


def value(stage, who=TRADER):
    return stage.margin(who).equity_full


@pytest.mark.parametrize("quantity", SIZES)
@pytest.mark.parametrize("off", [-1, 0, 1, 7])
@pytest.mark.parametrize("name", ["perp", "call"])
def test_trades_in_parts_and_back_never_gain(stage, name, quantity, off):
    funded(stage)
    instrument = getattr(stage, name)
    price = stage.mark(instrument) + off
    before = wealth(stage, "trader"), wealth(stage, "maker")
    parts = [1] * min(quantity, 8) + [quantity - 8] * (quantity > 8)
    with stage.pair.isolated():
        stage.trade(TRADER, MAKER, instrument, quantity, price)
        whole = value(stage)
    for part in parts:
        stage.trade(TRADER, MAKER, instrument, part, price)
    assert value(stage) <= whole
    for part in parts:
        stage.trade(MAKER, TRADER, instrument, part, price)
    after = wealth(stage, "trader"), wealth(stage, "maker")
    assert after <= before
    assert sum(after) <= sum(before)
    assert stage.ask("book", "open_interest", ETH) == 0
    # the dust is the system's, a wei a trade and side at most
    dust = sum(stage.ledger(0))
    assert sum(before) - sum(after) == dust <= 2 * len(parts)
    stage.pair.compare(EVERYONE)


def test_settling_and_touching_often_never_gains(stage):
    funded(stage)
    stage.curve(base=100_000, slope_low=200_000)
    stage.bring("trader", stage.weth, 100 * WAD)
    stage.trade(TRADER, MAKER, stage.call, 500 * WAD + 1, 300 * WAD)  # on credit: 50,000 borrowed
    stage.trade(OTHER, TRADER, stage.perp, 7, 2_000 * WAD + 3)
    results = {}
    for steps in (1, 30):
        with stage.pair.isolated():
            for _ in range(steps):
                stage.later(3_600 * 30 // steps)
                for name in ("settle", "expire"):
                    for who in (TRADER, MAKER, OTHER):
                        stage.pair.must("book", name, who)
            stage.pair.must("book", "claim")
            fund = stage.ledger(stage.pair.twin.at.fund << 96)[0]
            results[steps] = value(stage), [value(stage, who) for who in (MAKER, OTHER)], fund
            assert stage.ledger(2)[0] >= 0  # what interest is paid from is never short
            stage.pair.compare(EVERYONE)
    # a borrower who is touched often compounds, and owes more; nobody's claims outgrow what is owed
    assert results[30][0] <= results[1][0]
    for one, often in zip(results[1][1], results[30][1], strict=True):
        assert abs(often - one) <= (results[1][0] - results[30][0]) + 100


@pytest.mark.parametrize("pieces", [2, 7])
def test_bids_in_parts_are_no_cheaper(stage, pieces):
    """Each unit of margin taken over costs as much in parts as at once, or more."""
    stage.sick()
    stage.post()
    stage.fund("bidder", 10_000)
    auction(stage, TRADER)
    found = {}
    for parts in (1, pieces):
        with stage.pair.isolated():
            before = wealth(stage, "bidder")
            for _ in range(parts):
                args = TRADER, BIDDER, WAD // 4 // parts
                stage.pair.must("liquidator", "bid", *args, sender=address_of("bidder"))
            found[parts] = wealth(stage, "bidder") - before, stage.quantity(BIDDER, stage.perp)
            stage.pair.compare(EVERYONE)
    (gain, taken), (gain_in_parts, taken_in_parts) = found[1], found[pieces]
    assert gain_in_parts * taken <= gain * taken_in_parts + 10 * pieces * WAD


@pytest.mark.parametrize("quantity", [1, 2, 5, WAD // 3])
def test_an_expiry_of_wei_pays_no_more_than_it_takes(stage, quantity):
    funded(stage)
    for buyer, seller in ((TRADER, MAKER), (OTHER, MAKER), (MAKER, TRADER), (TRADER, OTHER)):
        for instrument in (stage.call, stage.put, stage.future):
            stage.trade(buyer, seller, instrument, quantity, stage.mark(instrument) + 1)
    before = sum(wealth(stage, role) for role in ("trader", "maker", "other")) + sum(stage.ledger(0))
    stage.settle_expiry(2_345 * WAD + 7)
    stage.surfaces = {key: rows for key, rows in stage.surfaces.items() if key[1] != EXPIRY}
    stage.post()
    for who in (TRADER, MAKER, OTHER):
        for _ in range(3):
            stage.pair.must("book", "expire", who)
    pool = stage.ledger(1)
    after = sum(wealth(stage, role) for role in ("trader", "maker", "other")) + sum(stage.ledger(0))
    assert after <= before
    assert sum(pool) >= 0
    assert after + sum(pool) <= before + 20
    assert stage.ask("book", "open_interest", ETH) == 0
    stage.pair.compare(EVERYONE)


def test_deposits_and_withdrawals_of_single_units_change_nothing(stage):
    """I-52, with a coin of six decimals and one of eight, in an account that lends while others borrow."""
    stage.fund("other", 100_000)
    stage.curve(base=900_000)
    stage.bring("maker", stage.weth, 10 * WAD)
    stage.trade(MAKER, OTHER, stage.call, 50 * WAD, 100 * WAD)  # on credit
    stage.later(86_400 * 3 + 1)
    for token in (stage.usd, stage.wbtc):
        stage.pair.mint(token, TRADER_ADDRESS, 100)
    before = wealth(stage, "trader")
    for token in (stage.usd, stage.wbtc):
        for amount in (1, 2, 3):
            stage.pair.must("book", "deposit", TRADER, token, amount, sender=TRADER_ADDRESS)
            stage.pair.must("book", "transfer", TRADER, SECOND, token, 1, sender=TRADER_ADDRESS)
            stage.pair.must("book", "withdraw", SECOND, token, 1, TRADER_ADDRESS, sender=TRADER_ADDRESS)
            left = TRADER, token, amount - 1, TRADER_ADDRESS
            if amount > 1:
                stage.pair.must("book", "withdraw", *left, sender=TRADER_ADDRESS)
            assert stage.pair.step("book", "withdraw", TRADER, token, 1, 1, sender=TRADER_ADDRESS) is not None
    assert wealth(stage, "trader") <= before
    assert before - wealth(stage, "trader") <= 20
    stage.pair.compare(EVERYONE)


def test_losses_shared_in_parts_are_no_smaller(stage):
    """A socialised loss in n bids takes from lenders what one takes, to a wei a bid, at least."""
    fill_fund(stage, 2)
    for role, dollars in (("maker", 50_000), ("bidder", 10_000), ("other", 12_345)):
        stage.fund(role, dollars)
    stage.fund("trader", 286)
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)
    move(stage, 1_500 * WAD)
    stage.pair.must("liquidator", "start", TRADER)
    stage.later(3_600)
    stage.pair.must("book", "settle", TRADER)  # its own cash goes first, and bears no part of its own loss
    found = {}
    for parts in (1, 4):
        with stage.pair.isolated():
            for n in range(parts):
                args = TRADER, BIDDER, WAD // (parts - n)
                stage.pair.must("liquidator", "bid", *args, sender=address_of("bidder"))
            assert stage.ask("book", "positions", TRADER) == ()
            found[parts] = value(stage, OTHER), value(stage, BIDDER)
            stage.pair.compare(EVERYONE)
    assert found[1][0] < 12_345 * WAD
    assert found[4][1] <= found[1][1] + 10

"""Liquidator.bid on an account that holds nothing but a debt, and on one of several positions in each underlying."""

from tests.unit.clearinghouse.stage import ETH, MAKER, SOL, TRADER, WAD

from .rig import RAMP, bid, fund_account, insure


def test_a_debt_alone_is_paid_of_no_underlyings_cap(stage):
    """The short call ended: no position is left to have a volatility, or to need margin."""
    insure(stage, 10_000)
    stage.fees(liquidation=20_000, liquidation_cap=150_000, vol_scale=1_000_000, cap=0)
    stage.fund("maker", 1_000_000)
    stage.fund("trader", 400)
    stage.fund("bidder", 10_000)
    stage.trade(MAKER, TRADER, stage.call, WAD, 100 * WAD)
    stage.settle_expiry(2_600 * WAD)
    stage.pair.must("book", "expire", TRADER)
    stage.post()
    assert stage.ask("book", "positions", TRADER) == ()
    owes = -sum(stage.ledger(TRADER))
    assert owes == 100 * WAD
    stage.pair.must("liquidator", "start", TRADER)
    stage.later(RAMP)
    assert bid(stage)[2] == owes
    assert stage.ledger(TRADER) == (0, 0)
    assert stage.ledger(fund_account(stage)) == (0, 0)
    now = stage.pair.now
    assert stage.pair.twin.fund.spent(0, now) == owes
    assert stage.pair.twin.fund.spent(ETH, now) == 0


def test_positions_of_one_underlying_count_once_and_together(stage):
    """ETH in three positions, two of which balance: SOL alone needs more than any, ETH more than SOL in sum."""
    insure(stage, 100_000)
    stage.fees(liquidation=20_000, liquidation_cap=150_000, vol_scale=1_000_000, cap=0)
    stage.fund("maker", 1_000_000)
    stage.fund("trader", 3_000)
    stage.fund("bidder", 100_000)
    for instrument in (stage.perp, stage.future):
        stage.trade(TRADER, MAKER, instrument, 3 * WAD, 2_000 * WAD)
    stage.trade(TRADER, MAKER, stage.sol_perp, 40 * WAD, 100 * WAD)
    stage.pair.price(ETH, 1_400 * WAD)
    stage.pair.must("liquidator", "start", TRADER)
    stage.later(RAMP // 2)
    needs = {u: stage.terms({i: q}) for u, i, q in ((ETH, stage.perp, 3 * WAD), (SOL, stage.sol_perp, 40 * WAD))}
    alone, sol = (needs[u].scan + needs[u].gross for u in (ETH, SOL))
    assert alone + WAD < 2 * alone
    assert 0 < sol < 2 * alone
    assert bid(stage, WAD // 2)[2] > 0
    now = stage.pair.now
    assert stage.pair.twin.fund.spent(ETH, now) > 0
    assert stage.pair.twin.fund.spent(SOL, now) == 0

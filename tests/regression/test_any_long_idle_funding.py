"""Funding and interest over a long idle time.

What happens: a rate that nobody renews goes on over weeks without a touch; on the first touch everything falls due at
once, or the product of rate and time overflows and the account cannot be touched at all.

What stands against it: a funding rate stops a day after its report; what a perp has paid is one number, exact over any
split of the time, the same for both sides; interest accrues by an index, in parts as at once but for compounding; and
years without a touch overflow nothing.
"""

import pytest

from tests.unit.clearinghouse.stage import DAY, ETH, EVERYONE, MAKER, OTHER, TRADER, WAD, make_scalars

from .scene import wealth

YEAR = 365 * DAY


def funded(stage, rate):
    stage.fund("trader", 10_000)
    stage.fund("maker", 10_000)
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)
    stage.scalars[ETH] = make_scalars(ETH, funding=rate)
    stage.post()


@pytest.mark.parametrize("rate", [-20_000, -1, 1, 333, 20_000, 32_767])
@pytest.mark.parametrize("idle", [DAY, DAY + 1, 30 * DAY, 20 * YEAR])
def test_a_rate_that_nobody_renews_stops_after_a_day(stage, rate, idle):
    funded(stage, rate)
    before = wealth(stage, "trader"), wealth(stage, "maker")
    stage.later(idle)
    a_day = max(-20_000, min(20_000, rate)) * 2_000 * WAD // 10**6
    assert stage.ask("oracle", "funding", ETH) == a_day
    assert before[0] - wealth(stage, "trader") == a_day
    assert wealth(stage, "maker") - before[1] == a_day
    stage.pair.must("book", "settle", TRADER)
    stage.pair.compare(EVERYONE)


@pytest.mark.parametrize("rate", [-19_999, 7])
def test_touching_often_changes_nothing(stage, rate):
    funded(stage, rate)
    found = {}
    for steps in (1, 96):
        with stage.pair.isolated():
            for _ in range(steps):
                stage.later(DAY // steps)
                for who in (TRADER, MAKER):
                    stage.pair.must("book", "settle", who)
            found[steps] = wealth(stage, "trader"), wealth(stage, "maker")
    assert found[1] == found[96]


@pytest.mark.parametrize("idle", [YEAR, 100 * YEAR])
def test_interest_of_a_century_overflows_nothing(stage, idle):
    stage.curve(base=10_000_000, slope_low=10_000_000, slope_high=10_000_000, reserve=200_000)
    stage.bring("trader", stage.weth, 10**6 * WAD)
    stage.fund("maker", 100_000)
    stage.fund("other", 100_000)
    stage.trade(TRADER, MAKER, stage.call, 100 * WAD, 100 * WAD)  # on credit
    stage.later(idle)
    stage.post()
    debt = stage.ledger(TRADER)[0]
    assert debt <= -10_000 * WAD * (1 + 10 * idle // YEAR)
    for who in (TRADER, MAKER, OTHER):
        stage.pair.must("book", "expire", who)
    assert stage.ledger(TRADER)[0] == debt
    # what lenders were paid and the fund keeps is what borrowers owe more, to the wei but for rounding down
    gained = sum(stage.ledger(who)[0] for who in (MAKER, OTHER)) - 210_000 * WAD
    kept = stage.ask("book", "pool")[1]
    assert 0 <= -debt - 10_000 * WAD - gained - kept <= 10**6
    stage.pair.compare(EVERYONE)

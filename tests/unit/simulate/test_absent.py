"""A crash while nobody bids: every loss on record, everybody else paid what the books say."""

import pytest

from plimsoll.simulate.absent import (
    AWAY,
    END,
    UNDERLYING_CAP,
    Numbers,
    accounts_of,
    crash_of,
    crash_start,
    march_2020,
    markets_of,
)
from plimsoll.simulate.paths import HOUR, START


def check(found: Numbers) -> None:
    assert found.ok
    assert found.refused == 0
    assert found.off_record == 0
    assert found.mismatches == 0
    assert found.worst_bad_debt > 0
    assert 0 < found.fund_paid <= 2 * 1.1 * UNDERLYING_CAP  # of two underlyings; within days a cap drains a little
    assert found.withdrawals >= found.accounts // 2


@pytest.mark.slow
def test_six_hours_without_a_bid():
    found = march_2020()
    check(found)
    assert found.prices == "made up"
    assert found.socialised > found.fund_paid  # the caps bound
    assert found.on_record == 0  # all was taken over in the end


@pytest.mark.long
def test_nobody_ever_comes_back():
    found = march_2020(away=10**6)
    assert found.ok
    assert found.on_record > 0
    assert found.fund_paid == found.socialised == found.liquidated == 0
    assert found.redeemed >= found.deposited


@pytest.mark.long
@pytest.mark.data
def test_march_2020_as_it_was(data_folder):
    found = march_2020(data_folder)
    check(found)
    assert found.prices == "recorded"
    assert found.socialised > 0
    assert found.on_record == 0


def test_the_made_up_crash_has_the_shape_of_the_real_one():
    bars = crash_of("btc", 1)
    assert crash_start(bars, START) == START + HOUR
    before = float(bars.close[bars.time < START + HOUR][-1])
    six_hours = bars.close[(bars.time >= START + HOUR) & (bars.time < START + HOUR + AWAY)]
    assert 0.75 < float(six_hours[-1]) / before < 0.9
    assert 0.4 < float(bars.low[bars.time >= START].min()) / before < 0.6
    assert int(bars.time[-1]) + HOUR == END
    assert (crash_of("btc", 1).close == bars.close).all()


def test_some_take_no_risk_at_all():
    traders = accounts_of([market.name for market in markets_of(None)])
    assert len({trader.name for trader in traders}) == len(traders)
    assert sum(not trader.legs for trader in traders) == 4

"""Stress: losses by hand on tiny books, who pays them, and names for what is wrong."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from plimsoll.market.bars import Bars
from plimsoll.market.snapshot import History, Market
from plimsoll.market.sources import DATA_VARIABLE
from plimsoll.report.stress import ranges_of, standing, stress
from plimsoll.risk.reference.book import BookError
from plimsoll.risk.stress import (
    MARCH_2020,
    AccountLoss,
    Ranges,
    Scenario,
    Standing,
    StressBook,
    StressError,
    hit,
    hourly_move,
    march_2020,
    run,
    scenarios_of,
    waterfall,
    worst_day,
    worst_fall,
)

NOW = 1_767_600_000  # 2026-01-05T08:00Z
RANGES = Ranges({"A": 0.1, "B": 0.2}, {"A": 0.03, "B": 0.05})


def perp(underlying="A", quantity=1.0):
    return {"underlying": underlying, "kind": "perp", "quantity": quantity}


def book(fund=100.0, **accounts):
    """Two underlyings at 100 and 50, ranges of 10 and 20 %."""
    return {
        "time": NOW,
        "underlyings": {
            "A": {"spot": 100.0, "scan_range": 0.1, "volatility": 0.5},
            "B": {"spot": 50.0, "scan_range": 0.2, "volatility": 0.8},
        },
        "accounts": accounts or {"one": {"cash": 300.0, "positions": [perp(quantity=10.0)]}},
        "fund": fund,
    }


def ten_percent(found):
    """Margin of a tenth of the notional of perpetuals, as a rule to reckon with by hand."""
    gross = sum(
        abs(entry.quantity) * found.underlyings[entry.underlying].spot
        for entry in found.positions
        if entry.kind == "perp"
    )
    return Standing(found.cash, found.cash, 0.1 * gross, 0.125 * gross)


def outcome(data, name, margin=ten_percent, rate=0.01):
    parsed = StressBook.parse(data)
    (scenario,) = scenarios_of(parsed, RANGES, [name])
    return run(parsed, scenario, margin, rate)


# ---------------------------------------------------------------------------------------------------- losses by hand


def test_a_fall_by_half_is_paid_by_equity_then_the_fund_then_the_others():
    found = outcome(
        book(
            fund=100.0,
            long={"cash": 300.0, "positions": [perp(quantity=10.0)]},
            short={"cash": 100.0, "positions": [perp(quantity=-2.0)]},
            saver={"cash": 800.0},
        ),
        "down-50",
    )
    long, short, saver = found.accounts
    assert (long.profit, long.liquidated) == (-500.0, True)
    assert long.cost == pytest.approx(0.01 * 10 * 50)
    assert (long.loss, long.consumed, long.lacking) == pytest.approx((505.0, 300.0, 205.0))
    assert (short.profit, short.liquidated, short.after) == (100.0, False, 200.0)
    assert (found.fund_paid, found.fund_left, found.ran_out) == (100.0, 0.0, True)
    assert (short.shared, saver.shared) == pytest.approx((105 * 200 / 1_000, 105 * 800 / 1_000))
    assert found.uncovered == pytest.approx(0.0, abs=1e-9)


def test_a_rise_by_half_takes_from_who_is_short():
    found = outcome(book(one={"cash": 300.0, "positions": [perp("B", -4.0)]}), "up-50")
    assert found.accounts[0].loss == 100.0
    assert not found.accounts[0].liquidated  # 200 of equity, 10 % of 4 x 75 asked
    assert found.fund_left == 100.0


def test_where_the_others_lack_too_the_rest_is_said():
    found = outcome(book(fund=0.0, one={"cash": 10.0, "positions": [perp(quantity=10.0)]}), "down-50", rate=0.0)
    assert (found.lacking, found.shared, found.uncovered) == (490.0, 0.0, 490.0)


def test_an_account_that_falls_under_margin_is_liquidated_at_a_cost_it_can_pay():
    found = outcome(book(one={"cash": 520.0, "positions": [perp(quantity=10.0)]}), "down-50")
    one = found.accounts[0]  # 20 left, 50 asked, 5 of cost
    assert (one.liquidated, one.cost, one.after, one.lacking) == (True, 5.0, 15.0, 0.0)
    assert not found.ran_out


def test_a_put_is_revalued_in_full_at_doubled_volatility():
    put = {"underlying": "A", "kind": "put", "expiry": NOW + 73 * 86_400, "strike": 90.0, "quantity": -3.0}
    found = outcome(book(one={"cash": 1_000.0, "positions": [put]}), "down-50", rate=0.0)

    def black(forward, volatility):
        total = volatility * math.sqrt(0.2)
        d = math.log(forward / 90) / total + total / 2
        return 90 * stats.norm.cdf(total - d) - forward * stats.norm.cdf(-d)

    assert found.accounts[0].loss == pytest.approx(3 * (black(50.0, 1.0) - black(100.0, 0.5)), rel=1e-9)
    assert found.accounts[0].before == pytest.approx(1_000 - 3 * black(100.0, 0.5))


def test_a_depeg_of_the_quote_coin_takes_a_tenth_of_credits_and_of_the_fund_and_of_no_debt():
    found = outcome(
        book(one={"cash": 300.0}, two={"cash": -20.0, "collateral": [{"underlying": "A", "quantity": 1.0}]}),
        "depeg-quote",
    )
    assert [item.loss for item in found.accounts] == [30.0, 0.0]
    assert (found.fund_depeg, found.fund_left) == (10.0, 90.0)


def test_a_depeg_of_staked_tokens_takes_a_tenth_of_them_alone():
    held = [{"underlying": "A", "quantity": 2.0, "staked": True}, {"underlying": "A", "quantity": 5.0}]
    found = outcome(book(one={"cash": -10.0, "collateral": held}), "depeg-staked")
    assert found.accounts[0].before == 690.0
    assert found.accounts[0].loss == pytest.approx(0.1 * 2 * 100)


def test_at_correlation_one_all_move_one_way_the_way_in_which_more_is_lacking():
    data = book(
        pair={"cash": 100.0, "positions": [perp("A", 10.0), perp("B", -10.0)]},
        short={"cash": 50.0, "positions": [perp("A", -20.0)]},
    )
    found = outcome(data, "correlation-1")
    assert found.accounts[0].moves == {"A": 0.1, "B": 0.2}  # 100 of profit on A, 100 of loss on B
    assert found.accounts[0].profit == pytest.approx(0.0)
    assert found.accounts[1].profit == pytest.approx(-200.0)
    data["accounts"]["short"]["positions"][0]["quantity"] = 20.0
    assert outcome(data, "correlation-1").accounts[1].moves == {"A": -0.1}


def test_at_correlation_nought_no_hedge_across_underlyings_helps():
    data = book(pair={"cash": 100.0, "positions": [perp("A", 10.0), perp("B", -10.0)]}, other={"cash": 1.0})
    found = outcome(data, "correlation-0").accounts[0]
    assert found.moves == {"A": -0.1, "B": 0.2}
    assert found.profit == pytest.approx(-200.0)


def test_at_correlation_nought_who_bought_options_meets_a_price_that_stands_still_if_that_is_worse():
    days = NOW + 2 * 86_400
    legs = [
        {"underlying": "A", "kind": kind, "expiry": days, "strike": 100.0, "quantity": 1.0} for kind in ("call", "put")
    ]
    assert outcome(book(one={"cash": 10.0, "positions": legs}), "correlation-0").accounts[0].moves == {"A": 0.0}


def test_a_dead_feed_is_an_hour_at_the_wider_side_and_liquidation_at_the_moved_price():
    found = outcome(book(one={"cash": 120.0, "positions": [perp(quantity=10.0)]}), "feed-dead")
    one = found.accounts[0]
    assert one.moves == {"A": -0.03}
    assert one.liquidated  # 90 left, 97 asked
    assert one.loss == pytest.approx(30 + 0.01 * 970)


def test_a_move_of_an_hour_is_a_students_or_what_its_own_hours_say():
    short = Market(256, 100.0, History(np.array([0]), np.array([100.0]), 86_400), ())
    wanted = math.expm1(stats.t.ppf(0.999, 4) / math.sqrt(2) * 0.03 / math.sqrt(24))
    assert hourly_move(short, 0.03) == pytest.approx(wanted)
    returns = np.zeros(10_000)
    returns[:11] = -0.2
    path = 100 * np.exp(np.concatenate(([0.0], np.cumsum(returns))))
    own = Market(256, 100.0, History(3_600 * np.arange(10_001), path, 3_600), ())
    assert hourly_move(own, 0.03) == pytest.approx(1 - math.exp(-0.2))


def test_october_2008_is_what_the_index_did():
    found = scenarios_of(StressBook.parse(book()), RANGES, ["2008-10"])
    assert [scenario.name for scenario in found] == ["2008-10-day", "2008-10-week", "2008-10-month"]
    day, week, month = (scenario.moves["A"] for scenario in found)
    assert day == pytest.approx(-0.0903, abs=5e-5)  # 15 October: 998.01 to 907.84
    assert week == pytest.approx(909.92 / 1_114.28 - 1, abs=5e-4)  # 9 October on 2 October
    assert month < week
    loss = outcome(book(), "2008-10-day", rate=0.0).accounts[0].loss
    assert loss == pytest.approx(-10 * 100 * day)


def test_march_2020_stands_as_published_where_nothing_is_recorded(monkeypatch):
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    data = book()
    data["underlyings"] = {
        "BTC": data["underlyings"]["A"],
        "ETH": data["underlyings"]["B"],
        "OIL": {**data["underlyings"]["B"]},
    }
    data["accounts"] = {"one": {"cash": 1_000.0, "positions": [perp("BTC", 10.0), perp("OIL", 1.0)]}}
    (scenario,) = scenarios_of(StressBook.parse(data), RANGES, ["2020-03-12"])
    assert scenario.moves == {"BTC": -0.506, "ETH": -0.533, "OIL": -0.506}
    assert "as published" in scenario.says
    found = run(StressBook.parse(data), scenario, ten_percent, 0.0)
    assert found.accounts[0].loss == pytest.approx(506 + 25.3)


@pytest.mark.data
def test_march_2020_as_recorded_is_what_was_published():
    found, source = march_2020()
    assert source == "as recorded"
    for name, fall in MARCH_2020.items():
        assert found[name] == pytest.approx(fall, abs=6e-4)


def bars(close, low=None):
    close = np.array(close, dtype=float)
    lows = close if low is None else np.array(low, dtype=float)
    return Bars(3_600 * np.arange(len(close)), close, close, lows, close, np.zeros(len(close)), 3_600, "toy")


def test_falls_are_of_windows_that_end_inside():
    path = bars([100, 50, 100, 90, 99, 80])
    assert worst_fall(path, 2 * 3_600, 6 * 3_600, 1) == pytest.approx(80 / 99 - 1)
    assert worst_fall(path, 2 * 3_600, 6 * 3_600, 2) == pytest.approx(80 / 90 - 1)
    with pytest.raises(StressError, match="toy"):
        worst_fall(path, 0, 3_600, 1)
    assert worst_day(bars([100] * 30, [100] * 20 + [60] + [100] * 9)) == pytest.approx(-0.4)
    assert worst_day(bars([100] + [50] * 30)) == pytest.approx(-0.5)


# ------------------------------------------------------------------------------------------------------- who pays what

amounts = st.floats(-1e6, 1e6)


@given(st.lists(st.tuples(amounts, amounts, st.floats(0, 1e5), st.floats(0, 1e4)), min_size=1), st.floats(0, 1e6))
def test_every_loss_is_paid_once(accounts, fund):
    losses = [
        AccountLoss(str(k), {}, before, profit, depeg, cost, cost > 0)
        for k, (before, profit, depeg, cost) in enumerate(accounts)
    ]
    after, paid, uncovered = waterfall(losses, fund)
    owed = math.fsum(max(0.0, -item.before) for item in after)
    consumed, shared = (math.fsum(getattr(item, name) for item in after) for name in ("consumed", "shared"))
    assert math.fsum(item.loss for item in after) + owed == pytest.approx(
        consumed + paid + shared + uncovered, rel=1e-9, abs=1e-3
    )
    assert 0 <= paid <= fund
    for item in after:
        assert 0 <= item.shared <= max(0.0, item.after) * (1 + 1e-12)
    if uncovered > 1e-3:
        assert paid == fund


def test_losses_are_conserved_with_the_engines_own_margins():
    put = {"underlying": "B", "kind": "put", "expiry": NOW + 30 * 86_400, "strike": 45.0, "quantity": -40.0}
    data = book(
        fund=50.0,
        long={"cash": 200.0, "positions": [perp(quantity=10.0)]},
        seller={"cash": 150.0, "positions": [put]},
        staker={"cash": -50.0, "collateral": [{"underlying": "A", "quantity": 1.5, "staked": True}]},
        saver={"cash": 2_000.0},
    )
    found = stress(StressBook.parse(data))
    assert len(found["scenarios"]) == 11
    for scenario in found["scenarios"]:
        paid = scenario["consumed"] + scenario["fund_paid"] + scenario["shared"] + scenario["uncovered"]
        assert scenario["loss"] == pytest.approx(paid, abs=1e-9)
        assert scenario["fund_left"] == pytest.approx(50 - scenario["fund_depeg"] - scenario["fund_paid"])
    failed = {text.partition(":")[0] for text in found["failures"]}
    assert failed == {scenario["name"] for scenario in found["scenarios"] if scenario["shared"]}
    assert "down-50" in failed
    assert "depeg-staked" not in failed


def test_equity_and_margin_beforehand_are_the_chains():
    put = {"underlying": "B", "kind": "put", "expiry": NOW + 30 * 86_400, "strike": 45.0, "quantity": -4.0}
    data = book(
        one={
            "cash": 500.0,
            "positions": [perp(quantity=10.0), put],
            "collateral": [{"underlying": "B", "quantity": 3.0}],
        }
    )
    parsed = StressBook.parse(data)
    found = standing(parsed.accounts[0].book)
    assert found.equity_full == pytest.approx(parsed.accounts[0].equity, abs=1e-6)
    assert found.equity_haircut < found.equity_full
    assert found.im > found.mm > 0.1 * 10 * 100  # the scan range of the perpetual alone


def test_what_is_left_after_a_scenario_is_what_the_chain_would_see():
    """The equity that liquidation is judged by is the one that losses are reckoned with."""
    put = {"underlying": "B", "kind": "put", "expiry": NOW + 30 * 86_400, "strike": 45.0, "quantity": -4.0}
    legs = [perp(quantity=3.0), put]
    data = book(
        one={"cash": 5_000.0, "positions": legs, "collateral": [{"underlying": "B", "quantity": 3.0, "staked": True}]}
    )
    seen = []

    def margin(found):
        seen.append(standing(found))
        return seen[-1]

    scenario = Scenario("all", "", {"A": -0.3, "B": 0.4}, volatility=1.5, quote=0.1, staked=0.2)
    found = hit(StressBook.parse(data).accounts[0], scenario, margin)
    assert not found.liquidated
    assert found.depeg == pytest.approx(500 + 0.2 * 3 * 70)
    assert seen[0].equity_full == pytest.approx(found.after, abs=1e-6)


def test_a_scan_range_of_everything_leaves_a_price():
    data = book()
    data["underlyings"]["A"]["scan_range"] = 1.0
    parsed = StressBook.parse(data)
    ranges = ranges_of(parsed)
    assert ranges.scan["A"] == 1.0
    (scenario,) = scenarios_of(parsed, ranges, ["correlation-1"])
    assert run(parsed, scenario, standing, 0.0).accounts[0].profit == pytest.approx(-990.0)


# ------------------------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"fund": -1.0}, "fund"),
        ({"fund": "much"}, "fund"),
        ({"fund": math.inf}, "fund"),
        ({"accounts": {}}, "accounts"),
        ({"underlyings": {}}, "underlyings"),
        ({"time": "soon"}, "time"),
        ({"extra": 1}, "extra"),
        ({"accounts": {"x": {"cash": "1"}}}, "accounts.x.cash"),
        ({"accounts": {"x": {"positions": [perp(quantity=0.0)]}}}, "accounts.x.positions.0: quantity 0"),
        (
            {"accounts": {"x": {"collateral": [{"underlying": "A", "quantity": -1.0}]}}},
            "accounts.x.collateral.0.quantity",
        ),
        ({"accounts": {"x": {"collateral": [{"underlying": "C", "quantity": 1.0}]}}}, "collateral.0: underlying C"),
        (
            {"accounts": {"x": {"positions": [perp("A")] * 127, "collateral": [{"underlying": "B", "quantity": 1.0}]}}},
            "128",
        ),
    ],
)
def test_a_field_that_is_wrong_is_named(change, says):
    with pytest.raises(StressError, match=says):
        StressBook.parse(book() | change)


@pytest.mark.parametrize(
    ("position", "says"),
    [
        (perp("C"), "accounts.x: positions.0: underlying C"),
        ({"underlying": "A", "kind": "future", "quantity": 1.0, "expiry": NOW}, "not after the book's time"),
    ],
)
def test_a_position_that_is_wrong_is_named_with_its_account(position, says):
    with pytest.raises(BookError, match=says):
        StressBook.parse(book(x={"positions": [position]}))


def test_files_that_are_none_are_named(tmp_path):
    with pytest.raises(StressError, match="nowhere"):
        StressBook.load(tmp_path / "nowhere.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(StressError, match="no JSON"):
        StressBook.load(tmp_path / "bad.json")


def test_scenarios_are_known_by_name_or_the_whole_of_its_beginning():
    parsed = StressBook.parse(book())
    assert [found.name for found in scenarios_of(parsed, RANGES, ["depeg", "up-50"])] == [
        "up-50",
        "depeg-quote",
        "depeg-staked",
    ]
    for name in ("2008-1", "2008-10-", "flood", ""):
        with pytest.raises(StressError, match="are known"):
            scenarios_of(parsed, RANGES, [name])


@pytest.mark.parametrize("rate", [-0.01, 1.0, math.nan])
def test_a_cost_that_is_no_share_is_refused(rate):
    with pytest.raises(StressError, match="cost"):
        outcome(book(), "up-50", rate=rate)

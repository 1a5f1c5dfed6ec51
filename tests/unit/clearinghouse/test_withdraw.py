"""Clearinghouse.withdraw: what is there, to whom may act, down to initial margin on fresh surfaces."""

import pytest

from plimsoll.spec.mandates import ALL, WITHDRAW
from plimsoll.spec.wad import MAX_QUANTITY
from tests.pairs import address_of

from .stage import (
    ATTACKER,
    BTC,
    DEAD,
    DELEGATE,
    ETH,
    MAKER,
    OTHER,
    OWNER,
    SOL,
    TRADER,
    USD,
    VENUE,
    WAD,
    clean_stage,
    wad,
)

TRADER_ADDRESS = address_of("trader")
BELOW = "clearinghouse: below initial margin"
NO_CASH = "clearinghouse: cash not there"
NO_COLLATERAL = "clearinghouse: collateral not there"


def withdraw(stage, token, amount, to=TRADER_ADDRESS, who=TRADER, sender=TRADER_ADDRESS):
    stage.pair.must("book", "withdraw", who, token, amount, to, sender=sender)


def refuses(stage, reason, token, amount, to=TRADER_ADDRESS, who=TRADER, sender=TRADER_ADDRESS):
    stage.refuses(reason, "book", "withdraw", who, token, amount, to, sender=sender)


def test_cash_leaves_the_account_and_the_book(stage):
    stage.fund("trader", 100)
    withdraw(stage, stage.usd, 30 * USD, to=ATTACKER)
    assert stage.ledger(TRADER) == (70 * WAD, 0)
    args = {"account": TRADER, "token": stage.usd, "amount": 30 * USD, "to": ATTACKER}
    assert stage.last() == ("Withdrawn", args)
    assert stage.pair.token_contracts[stage.usd].call("balanceOf", f"0x{ATTACKER:040x}") == 30 * USD
    stage.pair.compare([TRADER])


@pytest.mark.parametrize("name", ["usd", "weth", "wbtc"])
@pytest.mark.parametrize("amount", [1, 7, 10**6 + 1, 10**15])
def test_what_went_in_comes_out_exactly(stage, name, amount):
    token = getattr(stage, name)
    before = stage.balances()
    stage.pair.mint(token, TRADER_ADDRESS, amount)
    minted = stage.balances()
    stage.pair.must("book", "deposit", TRADER, token, amount, sender=TRADER_ADDRESS)
    withdraw(stage, token, amount)
    assert stage.balances() == minted != before
    assert stage.ledger(TRADER) == (0, 0)
    assert stage.ask("book", "positions", TRADER) == ()
    refuses(stage, NO_CASH if name == "usd" else NO_COLLATERAL, token, 1)


def test_a_delegate_withdraws_and_others_do_not(stage):
    stage.fund("trader", 100)
    for sender in (ATTACKER, DELEGATE, OWNER, VENUE):
        refuses(stage, "clearinghouse: not the account's", stage.usd, 1, sender=sender)
    stage.delegate("trader", ALL - WITHDRAW)
    refuses(stage, "clearinghouse: not the account's", stage.usd, 1, sender=DELEGATE)
    stage.delegate("trader", WITHDRAW)
    withdraw(stage, stage.usd, USD, to=DELEGATE, sender=DELEGATE)
    assert stage.ledger(TRADER) == (99 * WAD, 0)


def test_zero_amount(stage):
    refuses(stage, "clearinghouse: zero amount", stage.usd, 0)


def test_to_the_zero_address(stage):
    stage.fund("trader", 1)
    refuses(stage, "clearinghouse: zero address", stage.usd, USD, to=0)


def test_to_the_book_itself(stage):
    stage.fund("trader", 1)
    refuses(stage, "clearinghouse: vault moved another amount", stage.usd, USD, to=stage.pair.twin.at.book)


def test_unknown_token(stage):
    refuses(stage, "clearinghouse: unknown token", stage.unlisted, 1)
    refuses(stage, "clearinghouse: unknown token", 0, 1)


@pytest.mark.parametrize(("name", "scale"), [("usd", 10**12), ("weth", 1), ("wbtc", 10**10)])
def test_an_amount_over_the_maximum(stage, name, scale):
    token = getattr(stage, name)
    refuses(stage, "clearinghouse: amount over the maximum", token, MAX_QUANTITY // scale + 1)
    refuses(stage, NO_CASH if name == "usd" else NO_COLLATERAL, token, MAX_QUANTITY // scale)


def test_over_the_balance_by_one_unit(stage):
    stage.fund("trader", 5)
    stage.fund("other", 5)
    stage.bring("trader", stage.weth, 5)
    stage.bring("other", stage.weth, 5)
    refuses(stage, NO_CASH, stage.usd, 5 * USD + 1)
    refuses(stage, NO_COLLATERAL, stage.weth, 6)
    withdraw(stage, stage.usd, 5 * USD)
    withdraw(stage, stage.weth, 5)
    assert stage.ask("book", "positions", TRADER) == ()


def test_cash_never_becomes_negative_by_it(stage):
    # 10 WETH would carry a debt, but no withdrawal makes one
    stage.bring("trader", stage.weth, 10 * WAD)
    stage.fund("other", 1_000)
    refuses(stage, NO_CASH, stage.usd, 1)
    stage.fund("trader", 1)
    refuses(stage, NO_CASH, stage.usd, USD + 1)
    withdraw(stage, stage.usd, USD)
    assert stage.ledger(TRADER)[0] >= 0


def test_profit_in_linear_is_not_cash(stage):
    stage.fund("maker", 10_000)
    stage.fund("trader", 300)
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)
    stage.pair.price(ETH, 2_010 * WAD)
    stage.trade(MAKER, TRADER, stage.perp, WAD, 2_010 * WAD)
    assert stage.ledger(TRADER) == (300 * WAD, 10 * WAD)
    refuses(stage, NO_CASH, stage.usd, 300 * USD + 1)
    withdraw(stage, stage.usd, 300 * USD)


def test_a_loss_in_linear_holds_cash_back(stage):
    # no positions, cash 300, linear -10: 290 can go, on a price no one reads
    stage.fund("maker", 10_000)
    stage.fund("trader", 300)
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)
    stage.pair.price(ETH, 1_990 * WAD)
    stage.trade(MAKER, TRADER, stage.perp, WAD, 1_990 * WAD)
    assert stage.ledger(TRADER) == (300 * WAD, -10 * WAD)
    refuses(stage, BELOW, stage.usd, 290 * USD + 1)
    stage.kill_feed(ETH, "zero")
    refuses(stage, BELOW, stage.usd, 290 * USD + 1)
    withdraw(stage, stage.usd, 290 * USD)
    assert stage.ledger(TRADER) == (10 * WAD, -10 * WAD)


def test_down_to_initial_margin_and_no_further(stage):
    stage.sick(300, 2_000)
    refuses(stage, BELOW, stage.usd, 14 * USD + 1)
    withdraw(stage, stage.usd, 14 * USD)
    assert stage.margin(TRADER).equity_haircut == stage.margin(TRADER).im == 286 * WAD
    refuses(stage, BELOW, stage.usd, 1)


def test_collateral_down_to_initial_margin(stage):
    # 286 needed, 1 WETH counts 1,800: .1588.. must stay
    stage.fund("maker", 10_000)
    stage.bring("trader", stage.weth, WAD)
    stage.fund("trader", "106")
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)
    # WETH beside the perp adds to scan: q WETH need 200 q (1.3); 106 + 1,800 q >= 286 + 260 q from q = 180 / 1,540
    least = -(-180 * WAD // 1_540)
    refuses(stage, BELOW, stage.weth, WAD - least + 10)
    withdraw(stage, stage.weth, WAD - least - 10)
    assert 0 <= stage.margin(TRADER).equity_haircut - stage.margin(TRADER).im < 10**6


def test_collateral_that_carries_a_debt(stage):
    # a call bought at 100 on credit, sold back at 100: nothing held but 1 WETH, cash -100
    stage.fund("maker", 10_000)
    stage.bring("trader", stage.weth, WAD)
    stage.trade(TRADER, MAKER, stage.call, WAD, 200 * WAD)
    stage.trade(MAKER, TRADER, stage.call, WAD, 100 * WAD)
    assert stage.ledger(TRADER) == (-100 * WAD, 0)
    # q WETH: equity 1,800 q - 100, scan 200 q, IM 260 q: q = 100 / 1,540
    least = -(-100 * WAD // 1_540)
    refuses(stage, BELOW, stage.weth, WAD - least + 10)
    withdraw(stage, stage.weth, WAD - least - 10)
    stage.fund("trader", 100)
    withdraw(stage, stage.weth, least + 10)
    assert stage.ask("book", "positions", TRADER) == ()


def test_the_vault_is_short_of_what_others_borrowed(stage):
    stage.fund("maker", 1_000)
    stage.bring("trader", stage.weth, WAD)
    stage.trade(TRADER, MAKER, stage.call, WAD, 200 * WAD)
    stage.trade(MAKER, TRADER, stage.call, WAD, 100 * WAD)
    assert stage.ledger(MAKER) == (1_100 * WAD, 0)
    maker = address_of("maker")
    refuses(stage, NO_CASH, stage.usd, 1_000 * USD + 1, to=maker, who=MAKER, sender=maker)
    withdraw(stage, stage.usd, 1_000 * USD, to=maker, who=MAKER, sender=maker)
    assert stage.ledger(MAKER) == (100 * WAD, 0)
    refuses(stage, NO_CASH, stage.usd, 1, to=maker, who=MAKER, sender=maker)
    stage.fund("trader", 100)
    withdraw(stage, stage.usd, 100 * USD, to=maker, who=MAKER, sender=maker)


def test_surfaces_as_old_as_they_may_be(stage):
    stage.sick(300, 2_000)
    stage.later(7_200)
    withdraw(stage, stage.usd, USD)
    stage.later(1)
    refuses(stage, "clearinghouse: surface not fresh", stage.usd, USD)
    stage.post()
    withdraw(stage, stage.usd, USD)
    assert stage.ledger(TRADER)[0] == 298 * WAD


def test_an_index_as_far_as_the_gate(stage):
    stage.sick(1_000, 2_020)
    withdraw(stage, stage.usd, USD)
    stage.pair.price(ETH, 2_020 * WAD + 1)
    refuses(stage, "clearinghouse: surface not fresh", stage.usd, USD)
    stage.pair.price(ETH, 1_980 * WAD)
    withdraw(stage, stage.usd, USD)
    stage.pair.price(ETH, 1_980 * WAD - 1)
    refuses(stage, "clearinghouse: surface not fresh", stage.usd, USD)


def test_below_initial_margin_is_said_before_not_fresh(stage):
    stage.sick(286, 2_000)
    stage.later(7_201)
    refuses(stage, BELOW, stage.usd, 1)


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed_stops_no_withdrawal_of_an_account_without_positions(stage, way):
    stage.fund("trader", 9)
    stage.bring("trader", stage.weth, 4)
    stage.bring("trader", stage.wbtc, 4)
    stage.kill_feed(ETH, way)
    withdraw(stage, stage.usd, 9 * USD)
    withdraw(stage, stage.weth, 3)
    withdraw(stage, stage.weth, 1)
    withdraw(stage, stage.wbtc, 4)
    assert stage.ledger(TRADER) == (0, 0)
    assert stage.ask("book", "positions", TRADER) == ()


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed_stops_a_withdrawal_with_positions_on_it(stage, way):
    stage.fund("other", 1_000)
    stage.sick(1_000, 2_000)
    stage.bring("other", stage.wbtc, 10**8)
    stage.trade(OTHER, MAKER, stage.btc_perp, WAD // 100, 20_000 * WAD)
    reason = stage.kill_feed(ETH, way)
    refuses(stage, reason, stage.usd, 1)
    if way != "stale":
        other = address_of("other")
        withdraw(stage, stage.usd, USD, to=other, who=OTHER, sender=other)
        stage.kill_feed(BTC, way)
        stage.refuses(reason, "book", "withdraw", OTHER, stage.usd, 1, other, sender=other)


def test_wad_reads_decimals():
    assert (wad("1.5"), wad(-2), wad("-0.25"), wad(".000001")) == (15 * 10**17, -2 * WAD, -WAD // 4, 10**12)


def test_the_least_equity_of_an_account_with_positions(stage):
    stage.sick(1_000, 2_000)
    stage.limit(min_equity=600 * WAD)
    refuses(stage, "clearinghouse: equity below the minimum", stage.usd, 400 * USD + 1)
    withdraw(stage, stage.usd, 400 * USD)
    stage.trade(MAKER, TRADER, stage.perp, WAD, 2_000 * WAD)
    withdraw(stage, stage.usd, 600 * USD)


# ------------------------------------------------------------------------------------------------------- outflow


@pytest.fixture
def won(stage):
    """The trader brought 1,000 and won 500 of cash; 100 of profit may leave in 100 hours."""
    stage.fund("maker", 10_000)
    stage.fund("trader", 1_000)
    stage.trade(MAKER, TRADER, stage.call, 5 * WAD, 200 * WAD)
    stage.trade(TRADER, MAKER, stage.call, 5 * WAD, 100 * WAD)
    assert stage.ledger(TRADER) == (1_500 * WAD, 0)
    stage.limit(outflow_cap=100 * WAD, outflow_window=100 * 3_600)
    return stage


OUTFLOW = "clearinghouse: outflow over the cap"


def test_what_was_brought_in_leaves_freely_profit_by_and_by(won):
    withdraw(won, won.usd, 1_000 * USD)
    assert won.ask("book", "brought_in", TRADER) == won.ask("book", "outflow") == 0
    refuses(won, OUTFLOW, won.usd, 100 * USD + 1)
    withdraw(won, won.usd, 60 * USD)
    assert won.ask("book", "outflow") == 60 * WAD << 128 | won.pair.now
    refuses(won, OUTFLOW, won.usd, 40 * USD + 1)
    withdraw(won, won.usd, 40 * USD)
    refuses(won, OUTFLOW, won.usd, 1)
    # a unit an hour drains
    won.later(3_600)
    refuses(won, OUTFLOW, won.usd, USD + 1)
    withdraw(won, won.usd, USD)
    won.later(100 * 3_600 - 1)
    refuses(won, OUTFLOW, won.usd, 100 * USD)
    won.later(1)
    withdraw(won, won.usd, 100 * USD)
    won.pair.compare([TRADER, MAKER])


def test_what_is_brought_in_anew_leaves_freely(won):
    withdraw(won, won.usd, 1_100 * USD)
    assert won.ask("book", "outflow") == 100 * WAD << 128 | won.pair.now
    refuses(won, OUTFLOW, won.usd, 1)
    won.fund("trader", 7)
    refuses(won, OUTFLOW, won.usd, 7 * USD + 1)
    withdraw(won, won.usd, 7 * USD)


def test_the_cap_is_of_all_accounts(won):
    withdraw(won, won.usd, 1_050 * USD)
    won.bring("other", won.weth, WAD)
    won.fund("other", 1)
    other = address_of("other")
    won.post()
    won.trade(MAKER, OTHER, won.call, WAD, 200 * WAD)
    won.trade(OTHER, MAKER, won.call, WAD, 100 * WAD)
    refuses(won, OUTFLOW, won.usd, 51 * USD + 1, to=other, who=OTHER, sender=other)
    withdraw(won, won.usd, 51 * USD, to=other, who=OTHER, sender=other)
    refuses(won, OUTFLOW, won.usd, 1)
    # who lost is not held back
    maker = address_of("maker")
    withdraw(won, won.usd, won.ledger(MAKER)[0] // 10**12, to=maker, who=MAKER, sender=maker)


def test_collateral_is_not_counted(won):
    won.limit(outflow_cap=WAD)
    won.bring("trader", won.weth, WAD)
    withdraw(won, won.weth, WAD)
    assert won.ask("book", "outflow") == 0


def test_what_the_fund_earned_is_nobodys_profit(won):
    """It leaves to pay for losses, at any cap."""
    won.fees(taker=10_000, cap=50_000)
    won.trade(MAKER, TRADER, won.call, WAD, 100 * WAD)
    won.limit(outflow_cap=WAD)
    assert won.ledger(won.pair.twin.at.fund << 96) == (20 * WAD, 0)
    won.pair.must("fund", "collect")
    assert won.ledger(won.pair.twin.at.fund << 96) == (0, 0)
    assert won.ask("book", "outflow") == 0


def test_without_a_cap_nothing_is_counted(won):
    won.limit(outflow_cap=2**96 - 1)
    withdraw(won, won.usd, 1_500 * USD)
    assert won.ask("book", "outflow") == 0


def test_a_cap_that_comes_down_drains_at_its_own_pace(won):
    withdraw(won, won.usd, 1_100 * USD)
    won.limit(outflow_cap=50 * WAD, outflow_window=50 * 3_600)
    won.later(50 * 3_600)
    refuses(won, OUTFLOW, won.usd, 1)
    won.later(3_600)
    withdraw(won, won.usd, USD)


def test_interest_that_was_earned_is_profit(won):
    won.curve(base=1_000_000, reserve=0)
    won.bring("other", won.weth, WAD)
    won.trade(OTHER, MAKER, won.call, WAD, 200 * WAD)
    won.trade(MAKER, OTHER, won.call, WAD, 100 * WAD)
    won.limit(outflow_cap=WAD)
    won.later(365 * 86_400)
    maker = address_of("maker")
    before = won.ask("book", "brought_in", MAKER)
    assert won.ledger(MAKER)[0] < before
    withdraw(won, won.usd, won.ledger(MAKER)[0] // 10**12, to=maker, who=MAKER, sender=maker)
    withdraw(won, won.usd, 1_000 * USD)
    refuses(won, OUTFLOW, won.usd, USD + 1)


# ----------------------------------------------------------------------------------------------------------- lag


class TestLag:
    """What came within the last hour does not leave."""

    @pytest.fixture
    def late(self):
        """The trader with 1,000, long one perp from 2,000; an hour ago the index was 2,000."""
        with clean_stage(lag=3_600) as stage:
            stage.sick(1_000, 2_000)
            for underlying in (ETH, BTC):
                stage.pair.must("history", "touch", underlying)
            stage.later(3_600)
            stage.post()
            yield stage

    def test_late_profit_is_not_counted(self, late):
        late.pair.price(ETH, 2_020 * WAD)
        # 1,020 less 20, IM 288.86
        refuses(late, BELOW, late.usd, 711_140_001)
        withdraw(late, late.usd, 711_140_000)

    def test_late_losses_are(self, late):
        late.pair.price(ETH, 1_980 * WAD)
        # 980, IM 283.14
        refuses(late, BELOW, late.usd, 696_860_001)
        withdraw(late, late.usd, 696_860_000)

    def test_it_counts_once_it_is_old(self, late):
        late.pair.price(ETH, 2_020 * WAD)
        late.pair.must("history", "touch", ETH)
        late.later(3_599)
        late.post()
        refuses(late, BELOW, late.usd, 711_140_001)
        late.later(1)
        withdraw(late, late.usd, 711_140_001)
        refuses(late, BELOW, late.usd, 20 * USD)

    def test_collateral_that_rose_is_late_too(self, late):
        late.bring("trader", late.weth, WAD // 10)
        late.pair.price(ETH, 2_020 * WAD)
        held = late.margin(TRADER)
        most = held.equity_haircut - held.im - 22 * WAD
        refuses(late, BELOW, late.usd, most // 10**12 + 1)
        withdraw(late, late.usd, most // 10**12)

    def test_profit_of_one_underlying_does_not_excuse_the_loss_of_another(self, late):
        late.trade(TRADER, MAKER, late.btc_perp, WAD // 20, 20_000 * WAD)
        late.pair.price(ETH, 2_020 * WAD)
        late.pair.price(BTC, 19_800 * WAD)
        held = late.margin(TRADER)
        most = held.equity_haircut - held.im - 20 * WAD
        refuses(late, BELOW, late.usd, most // 10**12 + 1)
        withdraw(late, late.usd, most // 10**12)

    def test_who_holds_nothing_does_not_wait(self, late):
        late.pair.price(ETH, 2_020 * WAD)
        late.fund("other", 5)
        late.kill_feed(ETH, "zero")
        other = address_of("other")
        withdraw(late, late.usd, 5 * USD, to=other, who=OTHER, sender=other)

    def test_an_underlying_that_nobody_touched(self, late):
        late.trade(TRADER, MAKER, late.sol_perp, WAD, 100 * WAD)
        refuses(late, "history: no price of so long ago", late.usd, 1)
        late.pair.must("history", "touch", SOL)
        late.later(3_600)
        late.post()
        withdraw(late, late.usd, 1)

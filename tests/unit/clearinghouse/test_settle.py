"""Clearinghouse.settle: between linear and cash, against the pool, at nobody's expense."""

import pytest

from plimsoll.spec.interest import ONE
from tests.pairs import address_of

from .stage import ATTACKER, DEAD, ETH, EVERYONE, MAKER, OTHER, TRADER, USD, WAD, clean_stage, make_scalars

PRICE = 2_000 * WAD
POOL = 1


def settle(stage, who):
    """Settle; how much moved. Equity stays as it is, and so does what all accounts hold."""
    before, sums = sum(stage.ledger(who)), stage.pair.twin.conserved()
    stage.pair.must("book", "settle", who, sender=ATTACKER)
    stage.pair.compare([*EVERYONE, POOL])
    assert sum(stage.ledger(who)) == before
    assert stage.pair.twin.conserved() == sums
    name, args = stage.last()
    assert (name, args["account"]) == ("Settled", who)
    return args["amount"]


@pytest.fixture
def moved(stage):
    """The trader long one perp from 2,000, the maker short; the index at 2,100."""
    stage.fund("maker", 10_000)
    stage.fund("trader", 1_000)
    stage.trade(TRADER, MAKER, stage.perp, WAD, PRICE)
    stage.pair.price(ETH, 2_100 * WAD)
    return stage


def test_a_gain_waits_for_a_loss(moved):
    assert settle(moved, TRADER) == 0
    assert settle(moved, MAKER) == -100 * WAD
    assert moved.ledger(MAKER) == (9_900 * WAD, 2_100 * WAD)
    assert moved.ledger(POOL) == (100 * WAD, -100 * WAD)
    assert settle(moved, TRADER) == 100 * WAD
    assert moved.ledger(TRADER) == (1_100 * WAD, -2_100 * WAD)
    assert moved.ledger(POOL) == (0, 0)
    for who in (TRADER, MAKER):
        assert settle(moved, who) == 0


def test_a_gain_is_paid_as_far_as_the_pool_has_cash(moved):
    moved.fund("other", 1_000)
    moved.post()
    moved.trade(OTHER, MAKER, moved.perp, WAD, 2_130 * WAD)
    assert settle(moved, OTHER) == -30 * WAD
    assert settle(moved, TRADER) == 30 * WAD
    assert settle(moved, TRADER) == 0
    assert settle(moved, MAKER) == -70 * WAD
    assert settle(moved, TRADER) == 70 * WAD
    assert moved.ledger(POOL) == (0, 0)


def test_what_was_settled_can_leave(moved):
    moved.post()
    settle(moved, MAKER)
    settle(moved, TRADER)
    args = TRADER, moved.usd, 1_050 * USD, address_of("trader")
    moved.refuses("clearinghouse: below initial margin", "book", "withdraw", *args, sender=address_of("trader"))
    moved.trade(MAKER, TRADER, moved.perp, WAD, 2_100 * WAD)
    assert moved.ledger(TRADER) == (1_100 * WAD, 0)
    moved.pair.must("book", "withdraw", *args, sender=address_of("trader"))


def test_a_loss_that_is_realised_and_no_position(stage):
    stage.sick(300, 1_900)
    stage.trade(MAKER, TRADER, stage.perp, WAD, 1_900 * WAD)
    stage.kill_feed(ETH, "zero")
    assert settle(stage, TRADER) == -100 * WAD
    assert stage.ledger(TRADER) == (200 * WAD, 0)
    assert settle(stage, MAKER) == 100 * WAD


@pytest.mark.parametrize(
    ("limits", "amount"),
    [
        ({}, -100),
        ({"borrow_cap": 100 * WAD}, -100),
        ({"borrow_cap": 20 * WAD}, -70),
        ({"borrow_cap": 0}, -50),
        ({"total_borrow_cap": 10 * WAD}, -60),
        ({"total_borrow_cap": 0}, -50),
        ({"borrow_cap": 5 * WAD, "total_borrow_cap": 10 * WAD}, -55),
    ],
)
def test_a_loss_is_paid_out_of_cash_and_within_credit(stage, limits, amount):
    stage.fund("maker", 10_000)
    stage.bring("trader", stage.weth, WAD)
    stage.fund("trader", 50)
    stage.trade(TRADER, MAKER, stage.perp, WAD, PRICE)
    stage.pair.price(ETH, 1_900 * WAD)
    stage.post()
    stage.limit(**limits)
    assert settle(stage, TRADER) == amount * WAD
    assert stage.ledger(TRADER)[0] == (50 + amount) * WAD
    assert stage.ask("book", "pool")[0][4] == -min(0, 50 + amount) * WAD
    # and nothing more at once
    assert settle(stage, TRADER) == 0


def test_no_credit_on_surfaces_that_are_not_fresh(stage):
    stage.fund("maker", 10_000)
    stage.bring("trader", stage.weth, WAD)
    stage.fund("trader", 50)
    stage.trade(TRADER, MAKER, stage.perp, WAD, PRICE)
    stage.later(7_201)
    stage.pair.price(ETH, 1_900 * WAD)
    assert settle(stage, TRADER) == -50 * WAD
    stage.post()
    assert settle(stage, TRADER) == -50 * WAD


def test_no_credit_under_initial_margin(stage):
    """Who could not borrow to trade does not borrow to settle: others' cash would leave against it."""
    stage.fund("maker", 10_000)
    stage.bring("trader", stage.weth, WAD // 5)
    stage.fund("trader", 101)
    stage.trade(TRADER, MAKER, stage.perp, WAD, PRICE)
    stage.pair.price(ETH, 1_800 * WAD)
    stage.post()
    found = stage.margin(TRADER)
    short = -(-(found.im - found.equity_haircut) // 10**12)
    assert 0 < short < 99 * USD
    with stage.pair.isolated():
        stage.fund("trader", f"{(short - 1) / USD:.6f}")
        assert settle(stage, TRADER) == -101 * WAD - (short - 1) * 10**12
        assert stage.ledger(TRADER)[0] == 0
    stage.fund("trader", f"{short / USD:.6f}")
    assert settle(stage, TRADER) == -200 * WAD


def test_no_credit_is_left_where_more_is_owed_than_may_be(stage):
    stage.fund("maker", 10_000)
    stage.bring("trader", stage.weth, WAD)
    stage.trade(TRADER, MAKER, stage.call, WAD, 100 * WAD)
    stage.trade(TRADER, MAKER, stage.perp, WAD, PRICE)
    stage.pair.price(ETH, 1_900 * WAD)
    stage.post()
    stage.limit(borrow_cap=60 * WAD, total_borrow_cap=50 * WAD)
    assert settle(stage, TRADER) == 0
    assert stage.ledger(TRADER)[0] == -100 * WAD
    stage.fund("trader", 150)
    assert settle(stage, TRADER) == -100 * WAD
    assert stage.ledger(TRADER)[0] == -50 * WAD


def test_a_loser_of_collateral_alone_borrows_what_the_winner_is_paid(stage):
    stage.fund("maker", 10_000)
    stage.bring("trader", stage.weth, WAD)
    stage.trade(TRADER, MAKER, stage.perp, WAD, PRICE)
    stage.curve(base=100_000)
    stage.pair.price(ETH, 1_900 * WAD)
    stage.post()
    assert settle(stage, TRADER) == -100 * WAD
    assert settle(stage, MAKER) == 100 * WAD
    assert stage.ledger(TRADER) == (-100 * WAD, -1_900 * WAD)
    pool = stage.ask("book", "pool")[0]
    assert pool == (ONE, ONE, stage.pair.now, 10_100 * WAD, 100 * WAD)
    stage.later(86_400)
    stage.pair.must("book", "expire", TRADER)
    # the index rounds up
    assert stage.ledger(TRADER)[0] == -100 * (WAD - -WAD // 3_650)


def test_equity_is_the_same_before_and_after(moved):
    found = [moved.margin(who) for who in (TRADER, MAKER)]
    settle(moved, MAKER)
    settle(moved, TRADER)
    assert [moved.margin(who) for who in (TRADER, MAKER)] == found


def test_a_future_counts_and_an_option_does_not(stage):
    stage.fund("maker", 10_000)
    stage.fund("trader", 2_000)
    stage.trade(MAKER, TRADER, stage.future, WAD, PRICE)
    stage.trade(MAKER, TRADER, stage.call, WAD, 100 * WAD)
    stage.pair.price(ETH, 2_100 * WAD)
    assert settle(stage, TRADER) == -100 * WAD
    assert settle(stage, MAKER) == 100 * WAD
    assert stage.ledger(TRADER) == (2_000 * WAD, 2_100 * WAD)


def test_funding_is_settled_with_it(stage):
    stage.scalars[ETH] = make_scalars(ETH, funding=10_000)
    stage.post()
    stage.fund("maker", 10_000)
    stage.fund("trader", 1_000)
    stage.trade(TRADER, MAKER, stage.perp, WAD, PRICE)
    stage.later(43_200)
    # 1 % of 2,000 a day, half a day
    assert settle(stage, TRADER) == -10 * WAD
    assert settle(stage, MAKER) == 10 * WAD
    assert stage.ledger(MAKER) == (10_010 * WAD, 1_990 * WAD)


def test_the_odd_unit_of_a_variation_is_not_paid(stage):
    stage.fund("maker", 10_000)
    stage.fund("trader", 1_000)
    stage.trade(TRADER, MAKER, stage.perp, WAD // 3, PRICE)
    stage.pair.price(ETH, 2_100 * WAD + 1)
    lost = settle(stage, MAKER)
    assert settle(stage, TRADER) <= -lost
    assert stage.ledger(POOL)[0] >= 0


@pytest.mark.parametrize("number", [0, 1, 2, 2**96 - 1])
def test_the_systems_accounts_are_not_settled(stage, number):
    stage.refuses("clearinghouse: system account", "book", "settle", number)


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed_stops_it(moved, way):
    reason = moved.kill_feed(ETH, way)
    moved.refuses(reason, "book", "settle", TRADER)


class TestLag:
    @pytest.fixture
    def late(self):
        """As `moved`, of a book that counts a gain once it is an hour old; the index at 2,000 remembered."""
        with clean_stage(lag=3_600) as stage:
            stage.fund("maker", 10_000)
            stage.fund("trader", 1_000)
            stage.trade(TRADER, MAKER, stage.perp, WAD, PRICE)
            stage.pair.must("history", "touch", ETH)
            stage.later(3_600)
            stage.pair.price(ETH, 2_100 * WAD)
            yield stage

    def test_a_loss_counts_at_once_a_gain_once_it_is_old(self, late):
        assert settle(late, MAKER) == -100 * WAD
        assert settle(late, TRADER) == 0
        late.pair.must("history", "touch", ETH)
        late.later(3_599)
        assert settle(late, TRADER) == 0
        late.later(1)
        assert settle(late, TRADER) == 100 * WAD

    def test_a_gain_that_is_gone_is_not_paid(self, late):
        late.pair.must("history", "touch", ETH)
        late.later(3_600)
        settle(late, MAKER)
        late.pair.price(ETH, 2_040 * WAD)
        # 100 an hour ago, 40 now
        assert settle(late, TRADER) == 40 * WAD

    def test_a_gain_now_that_was_a_loss_is_neither(self, late):
        late.fund("other", 1_000)
        late.pair.price(ETH, 2_020 * WAD)
        late.post()
        late.trade(OTHER, MAKER, late.perp, WAD, 2_015 * WAD)
        settle(late, MAKER)
        # bought at 2,015: 5 up now, 15 down at what was remembered
        assert settle(late, OTHER) == 0

    def test_without_a_price_of_so_long_ago(self):
        with clean_stage(lag=3_600) as stage:
            stage.fund("maker", 10_000)
            stage.fund("trader", 1_000)
            stage.trade(TRADER, MAKER, stage.perp, WAD, PRICE)
            stage.refuses("history: no price of so long ago", "book", "settle", TRADER)


def test_fees_in_linear_become_the_funds_cash(stage):
    stage.fees(taker=1_000, cap=1_000)
    stage.fund("maker", 10_000)
    stage.fund("trader", 1_000)
    stage.trade(TRADER, MAKER, stage.perp, WAD, PRICE)
    fund = stage.pair.twin.at.fund << 96
    assert stage.ledger(fund) == (0, 2 * WAD)
    assert settle(stage, fund) == 0
    assert settle(stage, TRADER) == -2 * WAD
    assert settle(stage, fund) == 2 * WAD
    assert stage.ledger(fund) == (2 * WAD, 0)

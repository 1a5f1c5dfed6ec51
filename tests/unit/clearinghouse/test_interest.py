"""What borrowers pay, suppliers get and the fund keeps: by the curve, by the second, never to an account's gain."""

import pytest

from plimsoll.spec.interest import ONE
from plimsoll.spec.registry import MAX_RATE
from plimsoll.spec.wad import PPM, YEAR, mul_div_up
from tests.pairs import account, address_of

from .stage import BIDDER, DAY, ETH, EVERYONE, MAKER, NOW, OTHER, TRADER, USD, VENUE, WAD, clean_stage

INTEREST = 2
SEIZER = address_of("seizer")
MAKER_ADDRESS = address_of("maker")
KINKED = {"base": 10_000, "kink": 800_000, "slope_low": 40_000, "slope_high": 1_000_000, "reserve": 200_000}


def borrow(stage, dollars, role="trader"):
    """The role owes `dollars`, over nothing but WETH; the maker has as much more, and 100,000 of his own."""
    stage.bring(role, stage.weth, 10 * WAD)
    if not stage.ledger(MAKER)[0]:
        stage.fund("maker", 100_000)
    who, quantity = account(role), dollars * WAD // 100
    stage.trade(who, MAKER, stage.call, quantity, 200 * WAD)
    stage.trade(MAKER, who, stage.call, quantity, 100 * WAD)
    assert stage.ledger(who) == (-dollars * WAD, 0)


def leave(stage, dollars):
    """The maker withdraws all cash but so much."""
    amount = stage.ledger(MAKER)[0] // 10**12 - dollars * USD
    stage.pair.must("book", "withdraw", MAKER, stage.usd, amount, MAKER_ADDRESS, sender=MAKER_ADDRESS)
    assert stage.ledger(MAKER) == (dollars * WAD, 0)


def touch(stage, *accounts):
    for who in accounts:
        stage.pair.must("book", "expire", who)
    stage.pair.compare([*EVERYONE, INTEREST])


@pytest.mark.parametrize(
    ("supply", "used", "rate"),
    [
        (100_000, 10_000, 10_500),
        (2_000, 500_000, 35_000),
        (1_250, 800_000, 50_000),  # the kink
        (1_100, 909_091, 595_455),  # both up
        (1_000, PPM, 1_050_000),  # all of it
    ],
)
def test_a_year_at_a_utilisation(stage, supply, used, rate):
    stage.curve(**KINKED)
    borrow(stage, 1_000)
    leave(stage, supply)
    assert stage.ask("book", "utilisation") == used
    stage.later(YEAR)
    interest = 1_000 * WAD * rate // PPM
    kept = interest // 5
    pool, claimable = stage.ask("book", "pool")
    assert pool[3:] == (supply * WAD + interest - kept, 1_000 * WAD + interest)
    assert claimable == kept
    assert stage.ledger(TRADER) == (-1_000 * WAD - interest, 0)
    # the index rounds down: a unit of it is `supply` wei
    assert 0 <= supply * WAD + interest - kept - stage.ledger(MAKER)[0] <= supply
    shown = stage.ledger(TRADER), stage.ledger(MAKER)
    touch(stage, TRADER, MAKER)
    assert (stage.ledger(TRADER), stage.ledger(MAKER)) == shown
    # what came in and was not paid out is the fund's, and the dust of the index
    assert kept <= stage.ledger(INTEREST)[0] <= kept + supply
    names = [event.name for event in stage.book.log[-3:]]
    assert names == ["Accrued", "InterestBooked", "InterestBooked"]
    assert stage.last()[1] == {"account": MAKER, "amount": shown[1][0] - supply * WAD}


def test_the_least_owner_there_can_be_earns_like_any_other(stage):
    """Address 1 is no account of the system's, whose accounts have no owner."""
    stage.curve(**KINKED)
    borrow(stage, 1_000)
    pair, one = stage.pair, 1 << 96
    pair.mint(stage.usd, 1, 1_000 * USD)
    pair.must("book", "deposit", one, stage.usd, 1_000 * USD, sender=1)
    stage.later(YEAR)
    shown = stage.ledger(one)
    assert shown[0] > 1_000 * WAD
    touch(stage, one)
    assert stage.ledger(one) == shown
    pair.must("book", "transfer", one, one + 1, stage.usd, 400 * USD, sender=1)
    assert (stage.ledger(one)[0], stage.ledger(one + 1)[0]) == (shown[0] - 400 * WAD, 400 * WAD)
    pair.compare([*EVERYONE, INTEREST, one, one + 1])


def test_a_utilisation_of_next_to_nothing_costs_the_base(stage):
    stage.curve(**KINKED)
    borrow(stage, 1)
    stage.fund("other", 10**9)
    assert stage.ask("book", "utilisation") == 1
    stage.later(YEAR)
    assert stage.ledger(TRADER)[0] == -WAD - WAD * 10_001 // PPM


def test_every_state_of_the_curve_is_applied_from_when_it_is_set(stage):
    borrow(stage, 1_000)
    stage.later(YEAR)
    assert stage.ledger(TRADER)[0] == -1_000 * WAD
    touch(stage, TRADER)
    stage.curve(base=100_000)
    stage.later(YEAR)
    assert stage.ledger(TRADER)[0] == -1_100 * WAD


def test_a_curve_holds_from_the_last_accrual(stage):
    """Nothing accrues when it is set: whoever sets it calls `expire` of any account first."""
    borrow(stage, 1_000)
    stage.later(YEAR)
    stage.curve(base=100_000)
    assert stage.ledger(TRADER)[0] == -1_100 * WAD


def test_no_interest_while_nothing_is_owed(stage):
    stage.curve(**KINKED)
    stage.fund("maker", 100_000)
    stage.later(10 * DAY)
    touch(stage, MAKER)
    assert stage.ask("book", "pool") == ((ONE, ONE, NOW, 100_000 * WAD, 0), 0)
    stage.post()
    borrow(stage, 1_000)
    # the clock starts with the debt, not a year ago
    assert stage.ask("book", "pool") == ((ONE, ONE, stage.pair.now, 101_000 * WAD, 1_000 * WAD), 0)
    assert stage.ledger(TRADER)[0] == -1_000 * WAD


def test_none_after_all_is_paid_back_and_from_then_again(stage):
    stage.curve(base=365_000)
    borrow(stage, 1_000)
    stage.later(10 * DAY)
    stage.fund("trader", 1_010)
    assert stage.ledger(TRADER) == (0, 0)
    assert stage.ask("book", "pool")[0][4] == 0
    before = stage.ask("book", "pool")
    stage.later(10 * DAY)
    touch(stage, TRADER, MAKER)
    assert stage.ask("book", "pool") == before
    stage.post()
    stage.trade(TRADER, MAKER, stage.call, WAD, 100 * WAD)
    stage.later(5 * DAY)
    # a thousandth a day, of an index of 1.01 that it began at
    assert 0 <= -100 * WAD * 1_005 // 1_000 - stage.ledger(TRADER)[0] <= 100


def test_linear_bears_none(stage):
    stage.curve(base=MAX_RATE)
    stage.sick(300, 1_900)
    stage.trade(MAKER, TRADER, stage.perp, WAD, 1_900 * WAD)
    stage.later(YEAR)
    touch(stage, TRADER, MAKER)
    assert stage.ledger(TRADER) == (300 * WAD, -100 * WAD)


def test_often_touched_is_not_better_off(stage):
    """Two who owe alike and two who have alike: one each is touched every day, one only at the end."""
    stage.curve(**KINKED)
    for role in ("other", "bidder"):
        stage.bring(role, stage.weth, 10 * WAD)
    stage.fund("maker", 100_000)
    stage.fund("maker", 3_333, at=1)
    stage.fund("maker", 3_333, at=2)
    for who in (OTHER, BIDDER):
        stage.trade(who, MAKER, stage.call, WAD, 400 * WAD // 3)
        stage.trade(MAKER, who, stage.call, WAD, 100 * WAD)
    often, seldom = account("maker", 1), account("maker", 2)
    days = 30
    for _ in range(days):
        stage.later(DAY)
        touch(stage, OTHER, often)
    touch(stage, BIDDER, seldom)
    assert 0 <= stage.ledger(BIDDER)[0] - stage.ledger(OTHER)[0] <= days
    assert 0 <= stage.ledger(seldom)[0] - stage.ledger(often)[0] <= days
    assert stage.ledger(INTEREST)[0] >= 0


def test_accrued_in_parts_or_at_once(stage):
    """In parts it compounds: dearer, by no more than the square of the rate."""
    stage.curve(base=100_000, reserve=200_000)
    borrow(stage, 1_000)
    found = []
    for parts in (1, 12):
        with stage.pair.isolated():
            for _ in range(parts):
                stage.later(YEAR // 12 // parts)
                touch(stage, TRADER)
            found.append(-stage.ledger(TRADER)[0])
    once, often = found
    assert 0 < often - once < 1_000 * WAD // 120**2


def test_all_that_is_owed_is_all_that_is_paid(stage):
    """Cash, interest account included, stays what it was; the pool's sums cover every account."""
    stage.curve(**KINKED)
    for role in ("trader", "other"):
        borrow(stage, 777, role)
    stage.fund("bidder", 1_234)
    total = stage.pair.twin.conserved()[0]
    for seconds in (1, 59, 3_600, 86_399, 1_000_000):
        stage.later(seconds)
        touch(stage, MAKER, OTHER)
        assert stage.pair.twin.conserved()[0] == total
    touch(stage, TRADER, BIDDER, MAKER, OTHER)
    pool = stage.ask("book", "pool")[0]
    owed = -sum(stage.ledger(who)[0] for who in (TRADER, OTHER))
    held = sum(stage.ledger(who)[0] for who in (MAKER, BIDDER))
    assert 0 <= owed - pool[4] <= 10_000
    assert 0 <= pool[3] - held <= 10**6
    # nobody needs what the interest account does not have
    assert stage.ledger(INTEREST)[0] >= stage.ask("book", "pool")[1]


@pytest.mark.parametrize("years", [5, 50])
def test_a_long_idle_book(stage, years):
    """Nobody came for years, at the highest rates there are: it accrues, and everybody is paid what is there."""
    stage.curve(base=MAX_RATE, kink=1, slope_low=MAX_RATE, slope_high=MAX_RATE, reserve=PPM)
    borrow(stage, 1_000)
    leave(stage, 1_000)
    stage.later(years * YEAR)
    touch(stage, TRADER, MAKER)
    assert stage.ledger(TRADER)[0] == -1_000 * WAD * (1 + 30 * years)
    assert stage.ledger(MAKER)[0] == 1_000 * WAD
    assert stage.ask("book", "pool")[1] == 30_000 * years * WAD


def test_cash_that_turns_its_sign_goes_on_at_the_other_index(stage):
    stage.curve(base=1_000_000, reserve=0)
    borrow(stage, 1_000, "other")
    leave(stage, 1_100)
    stage.fund("trader", 50)
    stage.bring("trader", stage.weth, WAD)
    stage.later(DAY)
    stage.post()
    had = stage.ledger(TRADER)[0]
    assert had > 50 * WAD
    stage.trade(TRADER, MAKER, stage.call, WAD, 100 * WAD)
    assert stage.ledger(TRADER)[0] == had - 100 * WAD
    index = stage.ask("book", "pool")[0][1]
    stage.later(DAY)
    owes = mul_div_up(100 * WAD - had, stage.ask("book", "pool")[0][1], index)
    assert stage.ledger(TRADER)[0] == -owes
    touch(stage, TRADER)
    stage.fund("trader", 100)
    has, index = stage.ledger(TRADER)[0], stage.ask("book", "pool")[0][0]
    assert has == 100 * WAD - owes
    stage.later(DAY)
    assert stage.ledger(TRADER)[0] == has * stage.ask("book", "pool")[0][0] // index > has


def test_margin_sees_interest_before_it_is_booked(stage):
    stage.curve(base=MAX_RATE)
    borrow(stage, 1_000)
    before = stage.margin(TRADER)
    stage.later(YEAR // 10)
    after = stage.margin(TRADER)
    assert before.equity_full - after.equity_full == 1_000 * WAD
    touch(stage, TRADER)
    assert stage.margin(TRADER) == after
    stage.later(YEAR)
    assert stage.ask("book", "state", TRADER) > 0


def test_a_deposit_books_what_is_owed_and_reads_no_price(stage):
    """I-50."""
    stage.curve(base=100_000)
    borrow(stage, 1_000)
    stage.later(YEAR)
    stage.kill_feed(ETH, "reverting")
    stage.fund("trader", 1)
    assert stage.ledger(TRADER)[0] == -1_099 * WAD


class TestWhoIsPaid:
    """Whoever receives cash is brought up to date first: else it would earn for a time when it was not there."""

    @pytest.fixture
    def lent(self):
        """A role is the liquidator. The fund, the bidder and the maker's other account have 1,000 each, at interest."""
        with clean_stage(SEIZER) as stage:
            stage.curve(base=1_000_000, reserve=0)
            borrow(stage, 5_000)
            fund = stage.pair.twin.at.fund << 96
            for who in (fund, BIDDER, account("maker", 1)):
                stage.pair.mint(stage.usd, MAKER_ADDRESS, 1_000 * USD)
                stage.pair.must("book", "deposit", who, stage.usd, 1_000 * USD, sender=MAKER_ADDRESS)
            stage.later(10 * DAY)
            stage.post()
            yield stage

    def gains(self, stage, who, amount, *step, sender):
        before = stage.ledger(who)[0]
        assert before > 1_000 * WAD
        stage.pair.must("book", *step, sender=sender)
        stage.pair.compare([*EVERYONE, INTEREST, account("maker", 1)])
        assert stage.ledger(who)[0] == before + amount

    def test_of_a_transfer(self, lent):
        to = account("maker", 1)
        self.gains(lent, to, 7 * WAD, "transfer", MAKER, to, lent.usd, 7 * USD, sender=MAKER_ADDRESS)

    def test_of_a_fee(self, lent):
        lent.fees(taker=1_000, cap=1_000)
        lent.fund("other", 1_000)
        fund = lent.pair.twin.at.fund << 96
        args = OTHER, MAKER, lent.call, WAD, 100 * WAD
        self.gains(lent, fund, 2 * WAD, "trade", *args, sender=VENUE)

    def test_of_a_fee_of_a_seizure(self, lent):
        lent.fund("other", 1_000)
        fund = lent.pair.twin.at.fund << 96
        self.gains(lent, fund, 3 * WAD, "seize", OTHER, BIDDER, WAD, 5 * WAD, 3 * WAD, sender=SEIZER)

    def test_of_a_bounty(self, lent):
        other = address_of("other")
        lent.pair.mint(lent.usd, other, 10 * USD)
        lent.pair.must("mandates", "set_top_up", OTHER, lent.usd, 10 * USD, USD, sender=other)
        self.gains(lent, BIDDER, WAD, "pull", OTHER, lent.usd, 10 * USD, BIDDER, WAD, sender=SEIZER)

    def test_of_the_funds_part(self, lent):
        touch(lent, TRADER)
        lent.curve(base=1_000_000, reserve=PPM)
        touch(lent, TRADER, MAKER, BIDDER, account("maker", 1))
        lent.later(DAY)
        touch(lent, TRADER)
        fund = lent.pair.twin.at.fund << 96
        self.gains(lent, fund, lent.ask("book", "pool")[1], "claim", sender=VENUE)


def test_a_batch_of_nothing_counts_what_is_owed_by_now(stage):
    stage.curve(base=MAX_RATE)
    stage.bring("trader", stage.weth, WAD // 5)
    stage.fund("maker", 10_000)
    stage.trade(TRADER, MAKER, stage.call, WAD, 200 * WAD)
    stage.trade(MAKER, TRADER, stage.call, WAD, 100 * WAD)
    # 100 of debt, 183 after 30 days, 334 after 60, against .2 WETH: 360, less an IM of 52
    stage.later(30 * DAY)
    stage.post()
    assert stage.batch(TRADER, sender=TRADER >> 96) is None
    stage.later(30 * DAY)
    stage.post()
    assert stage.batch(TRADER, sender=TRADER >> 96) == "clearinghouse: below initial margin"


class TestClaim:
    def test_as_far_as_borrowers_have_paid(self, stage):
        stage.curve(base=100_000, reserve=500_000)
        fund = stage.pair.twin.at.fund << 96
        borrow(stage, 1_000)
        leave(stage, 2_000)
        stage.pair.must("book", "claim")
        assert stage.last() == ("Claimed", {"amount": 0})
        stage.later(YEAR)
        # 100 of interest, 50 the fund's, and no debt booked yet
        stage.pair.must("book", "claim")
        assert stage.last() == ("Claimed", {"amount": 0})
        assert stage.ask("book", "pool")[1] == 50 * WAD
        touch(stage, MAKER)
        assert stage.ledger(INTEREST)[0] == -50 * WAD
        stage.pair.must("book", "claim")
        assert stage.last() == ("Claimed", {"amount": 0})
        touch(stage, TRADER)
        stage.pair.must("book", "claim")
        stage.pair.compare([*EVERYONE, INTEREST])
        assert stage.last() == ("Claimed", {"amount": 50 * WAD})
        assert stage.ledger(fund) == (50 * WAD, 0)
        assert stage.ledger(INTEREST)[0] == 0
        assert stage.ask("book", "pool")[1] == 0

    def test_what_was_claimed_bears_interest_as_all_cash(self, stage):
        stage.curve(base=100_000, reserve=PPM)
        borrow(stage, 1_000)
        leave(stage, 1_000)
        stage.later(YEAR)
        touch(stage, TRADER)
        stage.pair.must("book", "claim")
        supply = stage.ask("book", "pool")[0][3]
        assert supply == 1_100 * WAD
        stage.curve(base=100_000, reserve=0)
        stage.later(YEAR)
        fund = stage.pair.twin.at.fund << 96
        interest = stage.ask("book", "pool")[0][4] - 1_100 * WAD
        assert 0 <= 100 * WAD + interest * 100 // 1_100 - stage.ledger(fund)[0] <= 1_000

    def test_without_a_fund(self):
        from .test_set_liquidator import bare

        with bare().isolated():
            bare().refused("clearinghouse: no fund", "book", "claim")


def test_interest_rounds_up_for_a_wei(stage):
    stage.curve(base=1)
    stage.bring("trader", stage.weth, WAD)
    stage.fund("maker", 1_000)
    stage.trade(TRADER, MAKER, stage.call, 1, WAD)
    assert stage.ledger(TRADER)[0] == -1
    stage.later(1)
    assert stage.ledger(TRADER)[0] == -2
    assert stage.ledger(MAKER)[0] == 1_000 * WAD + 1
    touch(stage, TRADER, MAKER)
    assert stage.ledger(INTEREST)[0] == 1

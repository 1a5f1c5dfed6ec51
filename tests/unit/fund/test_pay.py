"""InsuranceFund.pay: what there is, within the caps, into a bidder's account."""

import pytest

from plimsoll.spec.errors import Refused
from plimsoll.spec.fund import DRAIN, VIRTUAL
from plimsoll.spec.wad import MAX_QUANTITY, WAD

from .bench import ALICE, ATTACKER, BIDDER, BOB, BTC, DAY, ETH, LIQUIDATOR, MOST, OWNER, WEEK

NOT_LIQUIDATOR = "fund: not the liquidator"


@pytest.fixture
def rich(bench):
    """A million coins in the fund: more than any cap."""
    bench.enter(ALICE, 10**6 * bench.unit)
    return bench


def test_pays_into_the_bidders_account(any_bench):
    any_bench.enter(ALICE, 1_000 * any_bench.unit)
    assert any_bench.pay(200 * WAD) == 200 * WAD
    assert any_bench.twin.custody.ledger(BIDDER, 0) == (200 * WAD, 0)
    assert any_bench.custody.call("ledger", BIDDER) == (200 * WAD, 0)
    assert any_bench.read("totalAssets") == 800 * any_bench.unit
    assert any_bench.read("spent", ETH) == 200 * WAD
    assert any_bench.token.call("allowance", any_bench.fund.address, any_bench.custody.address) == 0


def test_rounds_down_to_whole_units(rich):
    assert rich.pay(3 * rich.scale - 1) == 2 * rich.scale
    assert rich.pay(rich.scale - 1) == 0
    assert rich.pay(0) == 0
    assert rich.read("spent", ETH) == 2 * rich.scale
    assert len([event for event in rich.twin.fund.log if event.name == "Paid"]) == 1


@pytest.mark.parametrize("who", [ALICE, OWNER, ATTACKER])
def test_not_the_liquidator(rich, who):
    rich.refuses(NOT_LIQUIDATOR, "pay", BIDDER, ETH, 0, WAD, sender=who)


class TestNeverRefusesForWantOfMoney:
    @pytest.mark.parametrize("amount", [0, 1, WAD, MAX_QUANTITY, MOST])
    def test_an_empty_fund(self, any_bench, amount):
        assert any_bench.pay(amount) == 0

    @pytest.mark.parametrize("amount", [5 * WAD, MOST])
    def test_less_than_is_wanted(self, any_bench, amount):
        any_bench.enter(ALICE, 3 * any_bench.unit)
        assert any_bench.pay(amount) == 2 * WAD
        assert any_bench.pay(amount) == 0
        # one coin stays: from nothing the fund could not be filled again
        assert any_bench.read("totalAssets") == any_bench.unit
        assert any_bench.read("cover") == 0

    def test_a_part_of_a_coin_is_not_touched(self, bench):
        bench.enter(ALICE, bench.unit - 1)
        assert (bench.read("cover"), bench.pay(WAD)) == (0, 0)

    def test_caps_of_zero(self, rich):
        rich.must("set_caps", 0, 0, sender=OWNER)
        assert rich.pay(WAD) == 0

    def test_caps_lowered_under_what_is_spent(self, rich):
        rich.pay(90_000 * WAD)
        rich.must("set_caps", 10_000 * WAD, 10_000 * WAD, sender=OWNER)
        assert rich.pay(WAD) == 0
        assert rich.pay(WAD, event_paid=90_000 * WAD, underlying=BTC) == 0

    def test_tokens_that_the_token_took_away(self, rich):
        rich.token.transact("set_rebase", 30, sender="0x" + "11" * 20)
        function = rich.fund.interface.function("pay", 4)
        data = function.encode([BIDDER, ETH, 0, 100 * WAD])
        # 30 coins show, 29 could be paid; that a rebasing token then moves another amount is the book's to refuse
        with pytest.raises(Refused, match="vault moved another amount"):
            rich.chain.transact(rich.fund.address, data, sender=f"{LIQUIDATOR:#042x}")
        assert rich.fund.call("cover") == 29 * WAD


class TestNeverOverACap:
    def test_of_an_event(self, rich):
        assert rich.pay(150_000 * WAD) == 100_000 * WAD
        assert rich.pay(150_000 * WAD, event_paid=99_999 * WAD) == WAD
        assert rich.pay(150_000 * WAD, event_paid=100_000 * WAD) == 0
        assert rich.pay(150_000 * WAD, event_paid=MOST) == 0

    def test_of_an_underlying(self, rich):
        for _ in range(5):
            assert rich.pay(MOST) == 100_000 * WAD
        assert rich.pay(MOST) == 0
        assert rich.read("available", ETH, 0) == 0
        assert rich.read("spent", ETH) == 500_000 * WAD
        # another underlying has its own
        assert rich.pay(MOST, underlying=BTC) == 100_000 * WAD

    def test_of_a_fraction_of_a_unit(self, rich):
        rich.must("set_caps", 5 * rich.scale - 1, 5 * rich.scale - 1, sender=OWNER)
        assert rich.pay(WAD) == 4 * rich.scale
        assert rich.pay(WAD) == 0

    def test_the_underlyings_drains_over_a_week(self, rich):
        for _ in range(5):
            rich.pay(MOST)
        rich.later(DAY)
        assert rich.read("spent", ETH) == 500_000 * WAD - 500_000 * WAD // 7
        rich.later(5 * DAY)
        assert rich.read("spent", ETH) == 500_000 * WAD - 500_000 * WAD * 6 // 7
        rich.later(DAY - 1)
        assert rich.read("spent", ETH) == -(-500_000 * WAD // DRAIN)
        rich.later(1)
        assert rich.read("spent", ETH) == 0

    def test_the_drain_is_linear_however_often_it_is_paid_from(self, rich):
        rich.must("set_caps", 100_000 * WAD, 100_000 * WAD, sender=OWNER)
        rich.pay(100_000 * WAD)
        for _ in range(7):
            rich.later(DAY)
            rich.pay(rich.scale)
        # a seventh of the cap a day, and each reckoning may keep one wei back
        assert rich.read("spent", ETH) <= 7 * rich.scale + 7

    def test_within_any_week_no_more_than_two_caps(self, rich):
        rich.must("set_caps", 100_000 * WAD, 100_000 * WAD, sender=OWNER)
        paid = 0
        for _ in range(7 * 24 + 1):
            paid += rich.step("pay", BIDDER, ETH, 0, MOST, sender=LIQUIDATOR)
            rich.later(3_600)
        assert 199_000 * WAD < paid <= 200_000 * WAD


class TestWhoBearsIt:
    def test_all_shares_alike(self, bench):
        bench.enter(ALICE, 600 * bench.unit)
        bench.enter(BOB, 400 * bench.unit)
        bench.pay(500 * WAD)
        assert bench.read("convertToAssets", bench.read("balanceOf", ALICE)) == 300 * bench.unit
        assert bench.read("convertToAssets", bench.read("balanceOf", BOB)) == 200 * bench.unit

    @pytest.mark.parametrize("wait", [0, WEEK - 1, WEEK, WEEK + 2 * DAY])
    def test_requested_shares_bear_losses(self, bench, wait):
        bench.enter(ALICE, 600 * bench.unit)
        bench.enter(BOB, 400 * bench.unit)
        bench.must("request", 600 * bench.unit * VIRTUAL)
        bench.later(wait)
        bench.pay(500 * WAD)
        bench.later(max(WEEK - wait, 0))
        assert bench.must("redeem", 600 * bench.unit * VIRTUAL, ALICE, ALICE) == 300 * bench.unit
        assert bench.read("convertToAssets", bench.read("balanceOf", BOB)) == 200 * bench.unit

    def test_first_what_still_drips(self, bench):
        bench.enter(ALICE, 100 * bench.unit)
        bench.income(70 * bench.unit)
        bench.later(DAY)
        assert (bench.read("totalAssets"), bench.read("locked")) == (110 * bench.unit, 60 * bench.unit)
        bench.pay(20 * WAD)
        assert (bench.read("totalAssets"), bench.read("locked")) == (110 * bench.unit, 40 * bench.unit)
        # what is left drips until when it would have
        bench.later(3 * DAY)
        assert bench.read("locked") == 20 * bench.unit
        bench.pay(50 * WAD)
        assert (bench.read("totalAssets"), bench.read("locked")) == (100 * bench.unit, 0)
        bench.later(3 * DAY)
        assert bench.read("totalAssets") == 100 * bench.unit

    def test_income_counts_as_cover_before_it_has_come_in(self, bench):
        bench.enter(ALICE, 10 * bench.unit)
        bench.income(70 * bench.unit)
        assert bench.read("cover") == 79 * WAD
        assert bench.pay(MOST) == 79 * WAD
        assert (bench.read("totalAssets"), bench.read("locked")) == (bench.unit, 0)


def test_what_the_book_refuses_undoes_the_payment(rich):
    rich.refuses("clearinghouse: system account", "pay", 5, ETH, 0, WAD, sender=LIQUIDATOR)

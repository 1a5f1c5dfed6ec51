"""Drawn sequences of all that can be done to the fund: contract and twin alike after each step, and what must hold."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plimsoll.spec.errors import Refused
from plimsoll.spec.fund import VIRTUAL
from plimsoll.spec.wad import MAX_QUANTITY, WAD

from .bench import ALICE, ATTACKER, BIDDER, BOB, BTC, DAY, ETH, LIQUIDATOR, NOBODY, OWNER, PEOPLE, WEEK
from .conftest import made

UNITS = st.one_of(
    st.integers(0, 3),
    st.integers(0, 10**13),
    st.builds(lambda power, off: max(10**power + off, 0), st.integers(0, 15), st.integers(-1, 1)),
)
PARTS = st.sampled_from([0, 1, 499_999, 500_000, 999_999, 10**6, 10**6 + 1])  # [ppm] of what could be
WHO = st.sampled_from(PEOPLE)
TIMES = st.one_of(
    st.integers(0, 20 * DAY),
    st.sampled_from([1, DAY, 2 * DAY, 2 * DAY + 1, WEEK - 1, WEEK, WEEK + 1]),
)
STEPS = st.one_of(
    st.tuples(st.just("deposit"), WHO, WHO, UNITS),
    st.tuples(st.just("mint"), WHO, WHO, UNITS),
    st.tuples(st.just("request"), WHO, PARTS),
    st.tuples(st.just("cancel_request"), WHO),
    st.tuples(st.just("redeem"), WHO, WHO, WHO, PARTS),
    st.tuples(st.just("withdraw"), WHO, WHO, WHO, PARTS),
    st.tuples(st.just("transfer"), WHO, WHO, PARTS),
    st.tuples(st.just("transferFrom"), WHO, WHO, WHO, PARTS),
    st.tuples(st.just("approve"), WHO, WHO, UNITS),
    st.tuples(st.just("pay"), st.sampled_from([ETH, BTC]), UNITS, UNITS),
    st.tuples(st.just("collect")),
    st.tuples(st.just("collect"), UNITS),
    st.tuples(st.just("fees"), UNITS),
    st.tuples(st.just("gift"), UNITS),
    st.tuples(st.just("time"), TIMES),
    st.tuples(st.just("caps"), UNITS, UNITS),
    st.tuples(st.just("times"), st.integers(DAY - 1, 30 * DAY + 1), st.integers(DAY - 1, 14 * DAY + 1)),
)
LATER = ("time", WEEK)


class Run:
    """One sequence; keeps a second account of the money, from what each step answered."""

    def __init__(self, bench):
        self.bench = bench
        self.brought = self.taken = self.paid = self.income = 0

    def act(self, kind, *args):
        """One drawn step; what the fund answered, `Refused` where it did not."""
        bench, fund, now = self.bench, self.bench.twin.fund, self.bench.now
        if kind in {"deposit", "mint"}:
            who, receiver, amount = args
            count = amount * VIRTUAL if kind == "mint" else amount
            found = bench.step(kind, count, receiver, sender=who)
            if not isinstance(found, Refused):
                self.brought += count if kind == "deposit" else found
        elif kind == "request":
            found = bench.step(kind, fund.balanceOf(args[0]) * args[1] // 10**6, sender=args[0])
        elif kind == "cancel_request":
            found = bench.step(kind, sender=args[0])
        elif kind in {"redeem", "withdraw"}:
            who, receiver, owner, part = args
            most = fund.maxRedeem(owner, now) if kind == "redeem" else fund.maxWithdraw(owner, now)
            count = most * part // 10**6
            found = bench.step(kind, count, receiver, owner, sender=who)
            if not isinstance(found, Refused):
                self.taken += found if kind == "redeem" else count
            # what the views promise its owner is kept
            assert not isinstance(found, Refused) or who != owner or not 0 < count <= most
        elif kind == "transfer":
            found = bench.step(kind, args[1], fund.balanceOf(args[0]) * args[2] // 10**6, sender=args[0])
        elif kind == "transferFrom":
            count = fund.balanceOf(args[1]) * args[3] // 10**6
            found = bench.step(kind, args[1], args[2], count, sender=args[0])
        elif kind == "approve":
            found = bench.step(kind, args[1], args[2] * VIRTUAL, sender=args[0])
        elif kind == "pay":
            found = bench.step(
                kind, BIDDER, args[0], args[1] * bench.scale, args[2] * bench.scale + 7, sender=LIQUIDATOR
            )
            self.paid += found // bench.scale
            assert found <= max(fund.event_cap - args[1] * bench.scale, 0)
            assert found == 0 or fund.spent(args[0], now) <= fund.underlying_cap
            assert found == 0 or fund.held >= bench.unit
        elif kind == "collect":
            found = bench.step(kind, *args, sender=NOBODY)
            self.income += found
        elif kind == "fees":
            found = bench.earn(args[0])
        elif kind == "gift":
            found = bench.give(bench.at, args[0])
        elif kind == "time":
            found = bench.later(args[0])
        elif kind == "caps":
            found = bench.step("set_caps", args[0] * bench.scale, args[1] * bench.scale, sender=OWNER)
        else:
            found = bench.step("set_cooldown", *args, sender=OWNER)
        return found

    def step(self, step):
        bench = self.bench
        before = bench.price()
        found = self.act(*step)
        after = bench.price()
        bench.check()
        # nothing but a payment lowers what a share is worth
        assert (step[0] == "pay" and found) or after[0] * before[1] >= before[0] * after[1], step
        assert bench.twin.fund.held == self.brought + self.income - self.taken - self.paid


@pytest.mark.parametrize("decimals", [6, 18])
@given(steps=st.lists(STEPS, max_size=25))
@example(
    steps=[
        ("deposit", ALICE, ALICE, 10**12),
        ("fees", 10**9),
        ("deposit", ATTACKER, ATTACKER, 10**12),
        ("collect",),
        ("request", ATTACKER, 10**6),
        ("time", DAY),
        ("pay", ETH, 0, 10**10),
        LATER,
        ("redeem", ATTACKER, BOB, ATTACKER, 10**6),
        ("gift", 10**6),
        ("collect",),
        ("mint", BOB, BOB, 10**6),
        ("request", ALICE, 500_000),
        LATER,
        ("withdraw", ALICE, ALICE, ALICE, 10**6),
        ("cancel_request", ALICE),
    ]
)
def test_contract_and_twin_are_alike_and_the_fund_is_whole(decimals, steps):
    bench = made(decimals)
    with bench.isolated():
        for who in PEOPLE:
            bench.give(who, 10**16)
        run = Run(bench)
        for step in steps:
            run.step(step)
        bench.compare()


@pytest.mark.parametrize("decimals", [6, 18])
@given(steps=st.lists(STEPS.filter(lambda step: step[0] not in {"fees", "gift"}), max_size=20))
def test_without_income_nobody_takes_out_more_than_he_brought(decimals, steps):
    """All together: whatever they do to each other's shares, no more comes out than went in, less the losses."""
    bench = made(decimals)
    with bench.isolated():
        for who in PEOPLE:
            bench.give(who, 10**16)
        run = Run(bench)
        for step in steps:
            run.step(step)
        fund = bench.twin.fund
        owned = sum(bench.has(who) for who in PEOPLE) + fund.convertToAssets(fund.supply, bench.now)
        assert owned <= 3 * 10**16 - run.paid


@given(
    stakes=st.lists(st.integers(1, 10**13), min_size=3, max_size=3),
    losses=st.lists(st.integers(0, 10**13), max_size=4),
    incomes=st.lists(st.integers(0, 10**12), max_size=4),
)
def test_who_leaves_last_gets_no_less(stakes, losses, incomes):
    """All leave, in any state of the fund: each gets what a share was worth, to the unit, and the tokens are there."""
    bench = made(6)
    with bench.isolated():
        bench.must("set_caps", MAX_QUANTITY, MAX_QUANTITY, sender=OWNER)
        for who, stake in zip(PEOPLE, stakes, strict=True):
            bench.enter(who, stake)
        for income in incomes:
            if income:
                bench.income(income)
            bench.later(DAY)
        for loss in losses:
            bench.pay(loss * WAD // 10**6)
        for who in PEOPLE:
            bench.must("request", bench.read("balanceOf", who), sender=who)
        bench.later(WEEK)
        for who in PEOPLE:
            worth = bench.read("maxWithdraw", who)
            assert bench.must("redeem", bench.read("maxRedeem", who), who, who, sender=who) == worth
        assert bench.read("totalSupply") == 0

"""modules/interest.vy: the curve, the two indexes, and who the odd unit is left with; held to its twin."""

from dataclasses import astuple, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.spec import interest
from plimsoll.spec.interest import MAX_INDEX, ONE, Pool
from plimsoll.spec.registry import MAX_RATE, Curve, pack_curve
from plimsoll.spec.wad import MAX_LEDGER, PPM, WAD, YEAR
from tests.strategies import edge_integers

KINKED = Curve(base=10_000, kink=800_000, slope_low=40_000, slope_high=1_000_000, reserve=200_000)
CURVES = st.builds(
    Curve,
    edge_integers(0, MAX_RATE),
    edge_integers(1, PPM - 1),
    edge_integers(0, MAX_RATE),
    edge_integers(0, MAX_RATE),
    edge_integers(0, PPM),
)
INDEXES = edge_integers(10**6, 10**24)
SUMS = edge_integers(0, MAX_LEDGER)
POOLS = st.builds(Pool, INDEXES, edge_integers(ONE, 10**24), edge_integers(0, 10**10), SUMS, SUMS)
SPANS = edge_integers(0, 50 * YEAR)


@pytest.mark.parametrize(
    ("supply", "debt", "used"),
    [
        (0, 0, 0),
        (100, 0, 0),
        (100, 1, 10_000),
        (3, 1, 333_334),  # up
        (10**36, 1, 1),
        (100, 99, 990_000),
        (10**9, 10**9 - 1, PPM),
        (100, 100, PPM),
        (100, 101, PPM),
        (0, 1, PPM),
    ],
)
def test_the_part_that_is_borrowed_rounds_up_to_all(ask, supply, debt, used):
    assert ask("utilisation", supply, debt) == used == interest.utilisation(supply, debt)


@pytest.mark.parametrize(
    ("used", "rate"),
    [
        (0, 10_000),
        (1, 10_001),  # up
        (400_000, 30_000),
        (800_000, 50_000),
        (800_001, 50_005),
        (900_000, 550_000),
        (PPM, 1_050_000),
    ],
)
def test_the_rate_at_its_base_its_kink_and_its_end(ask, used, rate):
    assert ask("rate", pack_curve(KINKED), used) == rate == interest.rate(pack_curve(KINKED), used)


@given(CURVES, edge_integers(0, PPM), edge_integers(0, PPM))
def test_the_rate_never_falls_with_utilisation(ask, curve, one, other):
    low, high = (ask("rate", pack_curve(curve), used) for used in sorted((one, other)))
    assert curve.base <= low <= high <= curve.base + curve.slope_low + curve.slope_high
    assert (low, high) == tuple(interest.rate(pack_curve(curve), used) for used in sorted((one, other)))


def test_a_year_at_a_tenth(ask):
    curve = pack_curve(Curve(base=100_000, reserve=200_000))
    pool = Pool(ONE, ONE, 0, 1_000 * WAD, 500 * WAD)
    after, kept = ask("accrued", astuple(pool), curve, YEAR)
    # 50 of interest: 10 to the fund, 40 to 1,000 of cash
    assert after == (ONE * 104 // 100, ONE * 11 // 10, YEAR, 1_040 * WAD, 550 * WAD)
    assert kept == 10 * WAD
    assert (Pool(*after), kept) == interest.accrued(pool, curve, YEAR)


@pytest.mark.parametrize(
    ("pool", "now"),
    [(Pool(ONE, ONE, 5, 10**20, 0), 10**9), (Pool(ONE, ONE, 5, 10**20, 10**19), 5), (Pool(since=5), 6)],
)
def test_nothing_grows_where_nothing_is_owed_or_no_time_went(ask, pool, now):
    assert ask("accrued", astuple(pool), pack_curve(KINKED), now) == (astuple(pool), 0)
    assert interest.accrued(pool, pack_curve(KINKED), now) == (pool, 0)


def test_interest_that_nobody_is_paid_is_the_funds(ask):
    pool = Pool(ONE, ONE, 0, 0, 10**20)
    after, kept = ask("accrued", astuple(pool), pack_curve(Curve(base=100_000, reserve=0)), YEAR)
    assert after == (ONE, ONE * 11 // 10, YEAR, 0, 11 * 10**19)
    assert kept == 10**19


def test_an_index_stops_at_its_end(ask):
    pool = Pool(MAX_INDEX - 1, MAX_INDEX - 1, 0, 10**18, 10**18)
    after, _ = ask("accrued", astuple(pool), pack_curve(Curve(base=MAX_RATE)), YEAR)
    assert after[:2] == (MAX_INDEX, MAX_INDEX)
    assert Pool(*after) == interest.accrued(pool, pack_curve(Curve(base=MAX_RATE)), YEAR)[0]


@given(POOLS, CURVES, SPANS)
def test_what_accrues_is_the_twins(ask, pool, curve, span):
    after, kept = ask("accrued", astuple(pool), pack_curve(curve), pool.since + span)
    assert (Pool(*after), kept) == interest.accrued(pool, pack_curve(curve), pool.since + span)


@given(POOLS, CURVES, SPANS)
def test_interest_is_shared_and_none_is_made(ask, pool, curve, span):
    """What borrowers owe more is what suppliers and the fund have more; the indexes give no more than the sums."""
    after, kept = ask("accrued", astuple(pool), pack_curve(curve), pool.since + span)
    made = Pool(*after)
    assert made.debt - pool.debt == made.supply - pool.supply + kept
    assert kept >= 0
    assert made.supply_index >= pool.supply_index
    assert made.borrow_index >= pool.borrow_index
    # a lone borrower owes no less than the sum, a lone supplier gets no more than it
    assert (
        -ask("grown", -pool.debt, pool.borrow_index, 0, made.borrow_index) >= made.debt
        or made.borrow_index == MAX_INDEX
    )
    assert ask("grown", pool.supply, pool.supply_index, made.supply_index, 0) <= made.supply


@given(POOLS, CURVES, edge_integers(1, YEAR), edge_integers(1, YEAR))
def test_two_spans_cost_a_borrower_no_less_than_one(pool, curve, first, second):
    """Compounded; and but for the units that are rounded down once more, at a rate that stays."""
    flat = pack_curve(replace(curve, slope_low=0, slope_high=0))
    once, _ = interest.accrued(pool, flat, pool.since + first + second)
    half, _ = interest.accrued(pool, flat, pool.since + first)
    twice, _ = interest.accrued(half, flat, pool.since + first + second)
    assert twice.borrow_index >= once.borrow_index
    assert twice.debt >= once.debt - 1


@pytest.mark.parametrize(
    ("cash", "entry", "supply_index", "borrow_index", "grown"),
    [
        (0, 0, ONE, ONE, 0),
        (0, 0, 0, 0, 0),
        (100, ONE, ONE * 3 // 2, 0, 150),
        (1, ONE, 2 * ONE - 1, 0, 1),  # down
        (-1, ONE, 0, ONE + 1, -2),  # up
        (-100, ONE, 0, ONE * 3 // 2, -150),
        (100, 2 * ONE, ONE, 0, 50),  # after a loss was socialised
    ],
)
def test_what_cash_grew_to(ask, cash, entry, supply_index, borrow_index, grown):
    assert ask("grown", cash, entry, supply_index, borrow_index) == grown
    assert interest.grown(cash, entry, Pool(supply_index, borrow_index)) == grown


@given(edge_integers(-MAX_LEDGER, MAX_LEDGER), INDEXES, INDEXES, INDEXES)
def test_cash_grows_as_in_the_twin(ask, cash, entry, supply_index, borrow_index):
    found = ask("grown", cash, entry, supply_index, borrow_index)
    assert found == interest.grown(cash, entry, Pool(supply_index, borrow_index))
    index = supply_index if cash > 0 else borrow_index
    assert 0 <= cash * index - found * entry < entry  # never in the account's favour, by less than a unit


@pytest.mark.parametrize(
    ("index", "supply", "amount", "after"),
    [(ONE, 100, 0, ONE), (ONE, 100, 50, ONE // 2), (10, 3, 1, 6), (10, 10**36, 1, 9), (ONE, 1, 1, 0)],
)
def test_a_loss_rounds_up(ask, index, supply, amount, after):
    assert ask("cut", index, supply, amount) == after == interest.cut(index, supply, amount)


@given(INDEXES, edge_integers(1, MAX_LEDGER), st.data())
def test_a_loss_leaves_all_no_more_than_what_is_left(ask, index, supply, data):
    amount = data.draw(edge_integers(0, supply))
    after = ask("cut", index, supply, amount)
    assert after == interest.cut(index, supply, amount)
    assert supply * after <= (supply - amount) * index


def test_a_loss_of_nobodys_reverts(ask):
    assert ask("cut", ONE, 0, 0) == "refused: "

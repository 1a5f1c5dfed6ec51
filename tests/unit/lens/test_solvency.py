"""Lens.solvency: what the system holds against what it owes. Twin: `plimsoll.spec.lens`."""

import random

import pytest

from plimsoll.spec.lens import Holding, Solvency, solvency
from plimsoll.spec.wad import WAD
from tests.pairs import Pair, address_of, from_chain, text
from tests.unit.clearinghouse.stage import ETH, MAKER, OTHER, TRADER, USD, wad


def ask(stage) -> Solvency:
    """What the lens says; the twin says the same."""
    holdings, *rest = stage.ask("lens", "solvency")
    found = Solvency(tuple(Holding(*item) for item in holdings), *rest)
    twin = stage.pair.twin
    assert found == solvency(twin.book, twin.liquidator, twin.fund, stage.pair.now)
    return found


@pytest.fixture
def lending(stage):
    """The trader owes for options that he bought on credit; others lent him."""
    stage.curve(base=100_000, kink=800_000, slope_low=100_000, slope_high=1_000_000, reserve=200_000)
    stage.fund("maker", 10_000)
    stage.fund("other", 5_000)
    stage.bring("trader", stage.weth, 2 * WAD)
    stage.trade(TRADER, MAKER, stage.call, 5 * WAD, 100 * WAD)
    return stage


def test_nothing_happened(stage):
    found = ask(stage)
    assert [(item.held, item.owed) for item in found.holdings] == [(0, 0)] * 3
    assert found.holdings[0].token == stage.usd
    assert found.event_cap == 100_000 * WAD
    assert (found.supply, found.debt, found.pool, found.bad_debt, found.cover) == (0, 0, 0, 0, 0)


def test_deposits_are_owed_and_gifts_are_not(stage):
    stage.fund("trader", 1_000)
    stage.bring("trader", stage.weth, 3 * WAD)
    stage.bring("maker", stage.wbtc, 10**7)
    found = ask(stage)
    assert [(item.held, item.owed) for item in found.holdings] == [
        (1_000 * WAD, 1_000 * WAD),
        (3 * WAD, 3 * WAD),
        (WAD // 10, WAD // 10),
    ]
    book = stage.pair.twin.at.book
    stage.pair.token_contracts[stage.weth].transact("mint", text(book), WAD, sender=text(1))
    stage.pair.twin.tokens[stage.weth].mint(book, WAD)
    assert [item.held - item.owed for item in ask(stage).holdings] == [0, WAD, 0]


def test_dust_of_trades_is_owed_to_nobody_and_counted(stage):
    """What a trade rounds against both sides is account 0's."""
    for role in ("maker", "trader"):
        stage.fund(role, 1_000)
    for _ in range(5):
        stage.trade(TRADER, MAKER, stage.call, WAD // 3, 100 * WAD + 1)
    dust = stage.ledger(0)[0]
    assert dust > 0
    cash = ask(stage).holdings[0]
    assert stage.ledger(TRADER)[0] + stage.ledger(MAKER)[0] + dust == cash.held == cash.owed


def test_debts_are_taken_off_and_interest_belongs_to_somebody(lending):
    found = ask(lending)
    assert (found.supply, found.debt, found.utilisation) == (15_500 * WAD, 500 * WAD, 32_259)
    assert found.holdings[0].held == found.holdings[0].owed == 15_000 * WAD
    lending.later(180 * 86_400)
    found = ask(lending)
    assert found.debt > 500 * WAD
    assert found.kept > 0
    assert 0 <= found.holdings[0].held - found.holdings[0].owed < 10**6
    for who in (TRADER, MAKER, OTHER):
        lending.pair.must("book", "expire", who)
    lending.pair.must("book", "claim")
    found = ask(lending)
    assert 0 <= found.holdings[0].held - found.holdings[0].owed < 10**6


def test_a_pool_that_paid_one_side_first(stage):
    """An expiry that only the winner booked: what the loser owes is missing in the pool, and in nobody's claim."""
    stage.fund("maker", 10_000)
    stage.fund("trader", 10_000)
    stage.trade(TRADER, MAKER, stage.call, WAD, 100 * WAD)
    stage.settle_expiry(2_300 * WAD)
    stage.pair.must("book", "expire", TRADER)
    found = ask(stage)
    assert found.pool == -300 * WAD
    assert found.holdings[0].held == found.holdings[0].owed == 20_000 * WAD
    stage.pair.must("book", "expire", MAKER)
    assert ask(stage).pool == 0


def test_profit_that_left_drains(stage):
    stage.limit(outflow_cap=1_000 * WAD, outflow_window=3_600)
    stage.fund("maker", 10_000)
    stage.fund("trader", 10_000)
    stage.trade(TRADER, MAKER, stage.call, WAD, 100 * WAD)  # the maker's cash is 10,100
    stage.trade(MAKER, TRADER, stage.call, WAD, 100 * WAD)
    stage.trade(TRADER, MAKER, stage.call, WAD, 190 * WAD)
    stage.trade(MAKER, TRADER, stage.call, WAD, 100 * WAD)
    assert ask(stage).outflow == 0
    stage.later(3_600)
    stage.pair.must("book", "withdraw", MAKER, stage.usd, 10_090 * USD, address_of("maker"), sender=address_of("maker"))
    assert ask(stage).outflow == 90 * WAD
    stage.later(36)
    assert ask(stage).outflow == 80 * WAD
    stage.later(3_600)
    assert ask(stage).outflow == 0


def test_bad_debt_on_record_and_the_funds_cover(stage):
    fund = stage.pair.twin.at.fund
    lender = address_of("lender")
    stage.pair.mint(stage.usd, lender, 700 * USD)
    stage.pair.approve(stage.usd, lender, fund)
    stage.pair.must("fund", "deposit", 700 * USD, lender, sender=lender)
    stage.sick(300, 1_500)
    stage.pair.must("liquidator", "record", TRADER)
    found = ask(stage)
    assert found.bad_debt == 200 * WAD
    assert found.cover == 699 * WAD  # a coin of it stays
    assert (found.event_cap, found.underlying_cap) == (100_000 * WAD, 500_000 * WAD)
    assert found.holdings[0].held == found.holdings[0].owed  # unpaid is not stolen


def test_before_liquidator_and_fund_are_named():
    pair = Pair()
    function = pair.lens.interface.function("solvency", 0)
    holdings, *rest = from_chain(pair.ask(pair.lens, function.encode([]), function))
    found = Solvency(tuple(Holding(*item) for item in holdings), *rest)
    assert found == solvency(pair.twin.book, None, None, pair.now)
    assert (found.event_cap, len(found.holdings)) == (0, 1)


def test_a_dead_feed_changes_nothing(lending):
    before = ask(lending)
    lending.kill_feed(ETH, "reverting")
    assert ask(lending) == before


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_what_is_held_covers_what_is_owed(stage, seed):
    """Trades, debts, interest, settling, expiry, withdrawals in drawn order; twin and chain agree all along."""
    draw = random.Random(seed)
    stage.curve(base=500_000, kink=800_000, slope_low=100_000, slope_high=1_000_000, reserve=200_000)
    stage.fees(taker=500, maker=200, cap=5_000)
    people = {"maker": MAKER, "trader": TRADER, "other": OTHER}
    for role in people:
        stage.fund(role, 15_000)
        stage.bring(role, stage.weth, draw.randrange(10**7, 4 * 10**7) * 10**12)
    venue, most = address_of("venue"), 0
    for k in range(40):
        name = draw.choice(["trade", "trade", "option", "settle", "settle", "withdraw", "later"])
        buyer, seller = draw.sample(list(people), 2)
        quantity = draw.randrange(1, 3 * WAD)
        if name == "trade":
            price = wad(draw.randrange(1_990, 2_011))
            stage.pair.step("book", "trade", people[buyer], people[seller], stage.future, quantity, price, sender=venue)
        elif name == "option":
            sides = people[buyer], people[seller]
            stage.pair.step("book", "trade", *sides, stage.call, 200 * quantity, wad(100), sender=venue)
        elif name == "settle":
            stage.pair.step("book", "settle", people[buyer])
        elif name == "withdraw":
            args = people[buyer], stage.usd, draw.randrange(1, 9_000 * USD), 77
            stage.pair.step("book", "withdraw", *args, sender=address_of(buyer))
        else:
            stage.later(draw.randrange(1, 86_400))
            stage.post()
        if k == 30:
            stage.settle_expiry(wad(draw.randrange(1_900, 2_200)))
        found = ask(stage)
        most = max(most, found.debt)
        for item in found.holdings:
            assert item.held >= item.owed, (seed, k, name)
    assert most > 0

"""The fund over the real Clearinghouse: everywhere else in this folder its book is a mock."""

import pytest

from plimsoll.spec.fund import VIRTUAL, InsuranceFund
from plimsoll.spec.wad import WAD
from tests.pairs import address_of, number, text
from tests.unit.clearinghouse.stage import (
    ATTACKER,
    BIDDER,
    ETH,
    EVERYONE,
    MAKER,
    OWNER,
    TRADER,
    USD,
    clean_stage,
)

from .bench import LIQUIDATOR, NOBODY, WEEK

INSURER = address_of("insurer")


@pytest.fixture
def stage():
    with clean_stage() as made:
        yield made


@pytest.fixture
def insured(stage):
    """The wired fund with 1,000 coins of an insurer's."""
    enter(stage, 1_000)
    return stage


@pytest.fixture
def own(stage, monkeypatch):
    """A fund over the same book whose liquidator can sign, with 1,000 coins."""
    pair = stage.pair
    contract = pair.put("InsuranceFund", pair.contracts["book"].address, text(LIQUIDATOR))
    monkeypatch.setitem(pair.contracts, "fund", contract)
    pair.twin.fund = InsuranceFund(number(contract.address), OWNER, pair.twin.book, LIQUIDATOR, pair.twin.tokens)
    enter(stage, 1_000)
    return stage


def enter(stage, coins):
    pair = stage.pair
    pair.mint(stage.usd, INSURER, coins * USD)
    pair.approve(stage.usd, INSURER, pair.twin.fund.address)
    pair.must("fund", "deposit", coins * USD, INSURER, sender=INSURER)
    pair.compare(EVERYONE)


def test_fees_of_a_trade_are_collected_and_drip(insured):
    """Those of a perp are owed in linear: they come to cash as all of it does, when those who owe have settled."""
    pair = insured.pair
    insured.fees(taker=1_000, maker=500, cap=50_000)
    insured.fund("maker", 10_000)
    insured.fund("trader", 10_000)
    insured.trade(TRADER, MAKER, insured.perp, WAD, 2_000 * WAD)
    account = pair.twin.at.fund << 96
    assert insured.ledger(account) == (0, 3 * WAD)
    assert pair.must("fund", "collect", sender=NOBODY) == 0
    for who in (TRADER, MAKER, account):
        pair.must("book", "settle", who)
    assert insured.ledger(account) == (3 * WAD, 0)
    assert pair.must("fund", "collect", sender=NOBODY) == 3 * USD
    assert insured.ledger(account) == (0, 0)
    assert insured.last("book")[0] == "Withdrawn"
    pair.compare(EVERYONE)
    assert insured.ask("fund", "totalAssets") == 1_000 * USD
    insured.later(WEEK)
    pair.compare(EVERYONE)
    assert insured.ask("fund", "totalAssets") == 1_003 * USD


def test_fees_are_collected_past_the_books_outflow_cap(insured):
    """What the fund earned is nobody's profit that may yet be lost."""
    pair = insured.pair
    insured.fees(taker=10_000, cap=50_000)
    insured.fund("maker", 10_000)
    insured.fund("trader", 10_000)
    # the fee of an option is cash
    insured.trade(TRADER, MAKER, insured.call, WAD, 100 * WAD)
    due = insured.ledger(pair.twin.at.fund << 96)[0] // 10**12
    assert due > 0
    insured.limit(outflow_cap=due * 10**12 - 1)
    assert pair.must("fund", "collect", due - 1, sender=NOBODY) == due - 1
    assert pair.must("fund", "collect", sender=NOBODY) == 1
    assert insured.ask("book", "outflow") == 0
    pair.compare(EVERYONE)


def test_a_payment_reaches_the_bidders_account(own):
    pair = own.pair
    paid = pair.must("fund", "pay", BIDDER, ETH, 0, 250 * WAD + 1, sender=LIQUIDATOR)
    assert paid == 250 * WAD
    assert own.ledger(BIDDER) == (250 * WAD, 0)
    assert own.last("book") == (
        "Deposited",
        {"account": BIDDER, "token": own.usd, "amount": 250 * USD, "by": pair.twin.fund.address},
    )
    pair.compare(EVERYONE)
    # and more than there is
    assert pair.must("fund", "pay", BIDDER, ETH, paid, 10**6 * WAD, sender=LIQUIDATOR) == 749 * WAD
    assert pair.must("fund", "pay", BIDDER, ETH, 999 * WAD, 10**6 * WAD, sender=LIQUIDATOR) == 0
    pair.compare(EVERYONE)


def test_a_payment_to_an_account_of_the_systems_is_refused_by_the_book(own):
    own.pair.refused("clearinghouse: system account", "fund", "pay", 1, ETH, 0, WAD, sender=LIQUIDATOR)
    own.pair.compare(EVERYONE)


@pytest.mark.parametrize(("switch", "value"), [("set_fee", 1_000), ("set_answer", 2)])
def test_odd_tokens_are_refused_by_the_book(own, switch, value):
    own.switch(own.usd, switch, value)
    found = own.on_chain("fund", "pay", BIDDER, ETH, 0, WAD, sender=LIQUIDATOR)
    assert found == "clearinghouse: vault moved another amount"
    own.switch(own.usd, switch, 0)
    own.pair.compare(EVERYONE)


def test_nobody_moves_the_funds_account_or_its_tokens(insured):
    pair, fund = insured.pair, insured.pair.twin.at.fund
    insured.fund("attacker", 100)
    pair.mint(insured.usd, ATTACKER, 5 * USD)
    pair.must("book", "deposit", fund << 96, insured.usd, 5 * USD, sender=ATTACKER)
    insured.refuses("clearinghouse: not the account's", "book", "withdraw", fund << 96, insured.usd, 1, ATTACKER)
    pair.mint(insured.weth, ATTACKER, WAD)
    new = "clearinghouse: not the account's"
    insured.refuses(new, "book", "deposit", fund << 96, insured.weth, WAD, sender=ATTACKER)
    # a gift to the account drips in like fees
    assert pair.must("fund", "collect", sender=ATTACKER) == 5 * USD
    assert insured.ask("fund", "totalAssets") == 1_000 * USD


def test_out_again_after_the_cool_down(insured):
    pair = insured.pair
    pair.must("fund", "request", 400 * USD * VIRTUAL, sender=INSURER)
    pair.refused("fund: over the claim", "fund", "redeem", 1, INSURER, INSURER, sender=INSURER)
    insured.later(WEEK)
    assert pair.must("fund", "redeem", 400 * USD * VIRTUAL, INSURER, INSURER, sender=INSURER) == 400 * USD
    pair.compare(EVERYONE)

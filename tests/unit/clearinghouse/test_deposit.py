"""Clearinghouse.deposit: exact, from anybody, with no price read (I-50, I-52)."""

import pytest

from plimsoll.spec.mandates import ALL, DEPOSIT
from plimsoll.spec.wad import MAX_LEDGER, MAX_QUANTITY
from tests.pairs import account, address_of
from tests.storage import word_of

from .stage import ATTACKER, DEAD, DELEGATE, ETH, MAKER, OTHER, OWNER, TRADER, USD, WAD

TRADER_ADDRESS = address_of("trader")


def test_quote_tokens_become_cash(stage):
    stage.pair.mint(stage.usd, TRADER_ADDRESS, 100 * USD)
    stage.pair.must("book", "deposit", TRADER, stage.usd, 40 * USD, sender=TRADER_ADDRESS)
    assert stage.ledger(TRADER) == (40 * WAD, 0)
    assert stage.ask("book", "positions", TRADER) == ()
    args = {"account": TRADER, "token": stage.usd, "amount": 40 * USD, "by": TRADER_ADDRESS}
    assert stage.last() == ("Deposited", args)
    assert stage.balances()[:2] == [40 * USD, 60 * USD]


@pytest.mark.parametrize(("name", "unit"), [("usd", 10**12), ("weth", 1), ("wbtc", 10**10)])
def test_one_unit_of_a_token_of_6_18_and_8_decimals(stage, name, unit):
    token = getattr(stage, name)
    stage.bring("trader", token, 1)
    if name == "usd":
        assert stage.ledger(TRADER) == (unit, 0)
    else:
        spot = {"weth": stage.spot, "wbtc": stage.btc_spot}[name]
        assert stage.quantity(TRADER, spot) == unit
        assert stage.ledger(TRADER) == (0, 0)


def test_collateral_adds_up_in_one_position(stage):
    stage.bring("trader", stage.weth, 2 * WAD)
    stage.bring("trader", stage.weth, 3 * WAD)
    stage.bring("trader", stage.wbtc, 10**8)
    assert stage.ask("book", "positions", TRADER) == ((WAD << 128) | stage.btc_spot, (5 * WAD << 128) | stage.spot)
    # 5 WETH at 2,000 less 10 %, 1 WBTC at 20,000 less 5 %
    found = stage.margin(TRADER)
    assert (found.equity_full, found.equity_haircut) == (30_000 * WAD, 28_000 * WAD)
    assert (found.mm, found.im) == (0, 0)


def test_collateral_is_no_open_interest(stage):
    stage.bring("trader", stage.weth, 2 * WAD)
    assert stage.ask("book", "open_interest", ETH) == 0


def test_anybody_brings_quote_tokens(stage):
    stage.pair.mint(stage.usd, ATTACKER, USD)
    stage.pair.must("book", "deposit", TRADER, stage.usd, USD, sender=ATTACKER)
    assert stage.ledger(TRADER) == (WAD, 0)
    assert stage.last()[1]["by"] == ATTACKER


def test_nobody_gives_collateral_away(stage):
    """I-10: a gift can cost its account more margin than it is worth, where it concentrates."""
    stage.bring("trader", stage.weth, 1)
    stage.pair.mint(stage.weth, ATTACKER, 5)
    args = "book", "deposit", TRADER, stage.weth, 5
    stage.refuses("clearinghouse: not the account's", *args, sender=ATTACKER)
    assert stage.quantity(TRADER, stage.spot) == 1


def test_collateral_only_by_its_owner_or_delegate(stage):
    for who in (ATTACKER, DELEGATE):
        stage.pair.mint(stage.weth, who, 5)
    args = "book", "deposit", TRADER, stage.weth, 5
    stage.refuses("clearinghouse: not the account's", *args, sender=DELEGATE)
    stage.delegate("trader", ALL - DEPOSIT)
    stage.refuses("clearinghouse: not the account's", *args, sender=DELEGATE)
    stage.delegate("trader", DEPOSIT)
    stage.refuses("clearinghouse: not the account's", *args, sender=ATTACKER)
    stage.pair.must(*args, sender=DELEGATE)
    assert stage.quantity(TRADER, stage.spot) == 5


def test_zero_amount(stage):
    stage.refuses("clearinghouse: zero amount", "book", "deposit", TRADER, stage.usd, 0, sender=TRADER_ADDRESS)


@pytest.mark.parametrize("number", [0, 1, 2**96 - 1])
def test_the_accounts_of_address_zero_are_the_systems(stage, number):
    stage.pair.mint(stage.usd, TRADER_ADDRESS, USD)
    stage.refuses("clearinghouse: system account", "book", "deposit", number, stage.usd, USD, sender=TRADER_ADDRESS)


def test_unknown_token(stage):
    stage.pair.mint(stage.unlisted, TRADER_ADDRESS, USD)
    args = "book", "deposit", TRADER, stage.unlisted, USD
    stage.refuses("clearinghouse: unknown token", *args, sender=TRADER_ADDRESS)
    stage.refuses("clearinghouse: unknown token", "book", "deposit", TRADER, 0, USD, sender=TRADER_ADDRESS)


@pytest.mark.parametrize(("name", "scale"), [("usd", 10**12), ("weth", 1), ("wbtc", 10**10)])
def test_the_largest_amount_and_one_unit_more(stage, name, scale):
    token = getattr(stage, name)
    most = MAX_QUANTITY // scale
    stage.pair.mint(token, TRADER_ADDRESS, most + 1)
    args = "book", "deposit", TRADER, token
    stage.refuses("clearinghouse: amount over the maximum", *args, most + 1, sender=TRADER_ADDRESS)
    stage.refuses("clearinghouse: amount over the maximum", *args, 2**256 - 1, sender=TRADER_ADDRESS)
    stage.pair.must(*args, most, sender=TRADER_ADDRESS)
    if name != "usd":
        stage.refuses("clearinghouse: quantity over the maximum", *args, 1, sender=TRADER_ADDRESS)
    assert stage.margin(TRADER).equity_full > 0


def test_ledger_over_the_maximum(stage):
    # 1e9 deposits of the largest amount would get there; the state is put there instead, on both
    stage.fund("trader", 1)
    assert word_of(stage.pair, "_ledgers", TRADER) == WAD << 128  # cash in the high half, linear in the low one
    put_cash(stage, TRADER, MAX_LEDGER - 10**12)
    stage.fund("trader", "0.000001")
    assert stage.ledger(TRADER) == (MAX_LEDGER, 0)
    stage.pair.mint(stage.usd, TRADER_ADDRESS, 1)
    args = "book", "deposit", TRADER, stage.usd, 1
    stage.refuses("clearinghouse: ledger over the maximum", *args, sender=TRADER_ADDRESS)


def test_a_collateral_cap(stage):
    reason = "clearinghouse: collateral over the cap"
    stage.bring("other", stage.wbtc, 10**8)
    stage.pair.must("registry", "set_collateral_cap", stage.wbtc, 3 * WAD, sender=OWNER)
    stage.pair.mint(stage.wbtc, TRADER_ADDRESS, 3 * 10**8)
    args = "book", "deposit", TRADER, stage.wbtc
    stage.refuses(reason, *args, 2 * 10**8 + 1, sender=TRADER_ADDRESS)
    stage.pair.must(*args, 2 * 10**8, sender=TRADER_ADDRESS)
    assert stage.ask("book", "instrument_interest", stage.btc_spot) == 3 * WAD
    stage.refuses(reason, *args, 1, sender=TRADER_ADDRESS)
    # what leaves makes room; of another token there is no cap
    stage.bring("trader", stage.weth, 5 * WAD)
    other = address_of("other")
    stage.pair.must("book", "withdraw", OTHER, stage.wbtc, 1, other, sender=other)
    stage.refuses(reason, *args, 2, sender=TRADER_ADDRESS)
    stage.pair.must(*args, 1, sender=TRADER_ADDRESS)
    # one that comes down stops what comes in, nothing else
    stage.pair.must("registry", "set_collateral_cap", stage.wbtc, 1, sender=OWNER)
    stage.refuses(reason, *args, 1, sender=TRADER_ADDRESS)
    stage.pair.must("book", "withdraw", TRADER, stage.wbtc, 10**8, TRADER_ADDRESS, sender=TRADER_ADDRESS)
    stage.pair.must("registry", "set_collateral_cap", stage.wbtc, 0, sender=OWNER)
    stage.pair.must(*args, 10**8, sender=TRADER_ADDRESS)


def test_what_was_brought_in_is_counted(stage):
    stage.fund("trader", 5)
    stage.pair.mint(stage.usd, ATTACKER, USD)
    stage.pair.must("book", "deposit", TRADER, stage.usd, USD, sender=ATTACKER)
    stage.bring("trader", stage.weth, WAD)
    assert stage.ask("book", "brought_in", TRADER) == 6 * WAD


def test_tokens_that_are_not_there_or_not_allowed(stage):
    stage.pair.mint(stage.usd, TRADER_ADDRESS, USD)
    stage.refuses("", "book", "deposit", TRADER, stage.usd, USD + 1, sender=TRADER_ADDRESS)
    stage.switch(stage.usd, "mint", "0x" + "77" * 20, USD)
    stage.pair.twin.tokens[stage.usd].mint(int("77" * 20, 16), USD)
    stage.refuses("", "book", "deposit", TRADER, stage.usd, USD, sender=int("77" * 20, 16))


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed_stops_no_deposit(stage, way):
    stage.bring("other", stage.weth, WAD)
    stage.sick(300)
    reason = stage.kill_feed(ETH, way)
    for who in (TRADER, OTHER):
        stage.refuses_trade(reason, who, MAKER, stage.perp, WAD, 2_000 * WAD)
    stage.fund("trader", 7)
    stage.bring("trader", stage.weth, 3)
    stage.bring("other", stage.weth, 5)
    assert stage.ledger(TRADER) == (307 * WAD, -2_000 * WAD)
    assert stage.quantity(TRADER, stage.spot) == 3
    assert stage.quantity(OTHER, stage.spot) == WAD + 5
    stage.pair.compare([TRADER, OTHER])


def test_it_takes_no_notice_of_what_is_posted(stage):
    stage.later(7_201)
    stage.fund("trader", 1)
    stage.bring("trader", stage.weth, 1)
    assert stage.ledger(TRADER) == (WAD, 0)
    assert not stage.margin(TRADER).fresh


def test_accounts_of_one_owner_are_apart(stage):
    stage.fund("trader", 5, at=1)
    assert stage.ledger(account("trader", 1)) == (5 * WAD, 0)
    assert stage.ledger(TRADER) == (0, 0)


def put_cash(stage, who, cash):
    """Give an account cash on both, whatever it had; snapshots of the chain do not see it, the next deposit does."""
    linear = stage.book.ledgers[who][1]
    stage.write("_ledgers", (cash % 2**128) << 128 | linear % 2**128, who)
    stage.book.ledgers[who] = cash, linear

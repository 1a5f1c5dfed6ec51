"""Clearinghouse.multicall: each call as it is alone, but the account's solvency, which is asked once at the end."""

from dataclasses import replace
from itertools import count

import pytest

from plimsoll.chain.contract import deploy
from plimsoll.spec.exchange import Order
from plimsoll.spec.mandates import ALL, TRADE, TRANSFER, WITHDRAW
from plimsoll.spec.wad import WAD
from tests.pairs import account, address_of, compiled, sign, text

from .stage import (
    ATTACKER,
    BIDDER,
    DELEGATE,
    ETH,
    EVERYONE,
    MAKER,
    OTHER,
    OWNER,
    TRADER,
    USD,
    VENUE,
    clean_stage,
)

TRADER_ADDRESS = address_of("trader")
SECOND = account("trader", 1)
BELOW = "clearinghouse: below initial margin"
IN_A_BATCH = "clearinghouse: in a batch"
NOT_THE_ACCOUNTS = "clearinghouse: not the account's"
PRICE = 2_000 * WAD
NONCES = count()


def batch(stage, *calls, who=TRADER, sender=TRADER_ADDRESS):
    assert stage.batch(who, *calls, sender=sender) is None
    stage.pair.compare(EVERYONE)


def refuses(stage, reason, *calls, who=TRADER, sender=TRADER_ADDRESS):
    before = stage.balances()
    assert stage.batch(who, *calls, sender=sender) == reason
    stage.pair.compare(EVERYONE)
    assert stage.balances() == before


def withdraw(stage, amount, token=None, who=TRADER):
    return "book", "withdraw", who, token or stage.usd, amount, who >> 96


def deposit(stage, amount, token=None, who=TRADER):
    return "book", "deposit", who, token or stage.usd, amount


@pytest.fixture
def margined(stage):
    """The trader at initial margin, long one perp; 500 USD and 1 WETH in the wallet."""
    stage.sick(286, 2_000)
    stage.pair.mint(stage.usd, TRADER_ADDRESS, 500 * USD)
    stage.pair.mint(stage.weth, TRADER_ADDRESS, WAD)
    return stage


def test_money_out_first_and_collateral_in_after(margined):
    out, into = withdraw(margined, 286 * USD), deposit(margined, WAD, margined.weth)
    margined.refuses(BELOW, *out, sender=TRADER_ADDRESS)
    batch(margined, out, into)
    assert margined.ledger(TRADER) == (0, -PRICE)
    assert margined.quantity(TRADER, margined.spot) == WAD
    assert [event.name for event in margined.book.log[-2:]] == ["Withdrawn", "Deposited"]


def test_the_check_at_the_end_is_to_the_wei(margined):
    refuses(margined, BELOW, withdraw(margined, 286 * USD), deposit(margined, 286 * USD - 1))
    batch(margined, withdraw(margined, 286 * USD), deposit(margined, 286 * USD))
    assert margined.margin(TRADER).equity_haircut == margined.margin(TRADER).im == 286 * WAD


def test_what_does_not_hold_at_the_end_never_was(margined):
    refuses(margined, BELOW, deposit(margined, 100 * USD), withdraw(margined, 100 * USD + 1))
    refuses(margined, "clearinghouse: zero amount", deposit(margined, 100 * USD), deposit(margined, 0))
    refuses(margined, "", deposit(margined, 400 * USD), deposit(margined, 400 * USD))


def test_nothing_at_all(margined):
    batch(margined)
    margined.pair.price(ETH, 1_999 * WAD)
    refuses(margined, BELOW)


def test_fresh_surfaces_at_the_end(margined):
    margined.fund("trader", 100)
    margined.later(7_201)
    refuses(margined, "clearinghouse: surface not fresh", withdraw(margined, 1))
    # even where nothing leaves
    refuses(margined, "clearinghouse: surface not fresh", deposit(margined, 1))


def test_the_least_equity_at_the_end(margined):
    margined.limit(min_equity=300 * WAD)
    refuses(margined, "clearinghouse: equity below the minimum", deposit(margined, 14 * USD - 1))
    batch(margined, deposit(margined, 14 * USD))


def test_late_profit_does_not_count_at_the_end():
    with clean_stage(lag=3_600) as stage:
        stage.sick(300, 2_000)
        stage.pair.must("history", "touch", ETH)
        stage.later(3_600)
        stage.post()
        stage.pair.price(ETH, 2_020 * WAD)
        refuses(stage, BELOW, withdraw(stage, 11_140_001))
        batch(stage, withdraw(stage, 11_140_000))


def test_the_owners_other_accounts_are_checked_as_ever(margined):
    margined.fund("trader", 300, at=1)
    margined.allow("trader", at=1)
    margined.trade(SECOND, MAKER, margined.perp, WAD, PRICE)
    refuses(margined, BELOW, withdraw(margined, 14 * USD + 1, who=SECOND), deposit(margined, 50 * USD, who=SECOND))
    batch(margined, withdraw(margined, 14 * USD, who=SECOND), deposit(margined, 14 * USD))


def test_between_the_owners_accounts(margined):
    margined.fund("trader", 50, at=1)
    move = "book", "transfer", TRADER, SECOND, margined.usd, 286 * USD
    back = "book", "transfer", SECOND, TRADER, margined.usd, 286 * USD
    batch(margined, move, back)
    refuses(margined, BELOW, move)
    refuses(margined, BELOW, move, withdraw(margined, 50 * USD, who=SECOND))


def test_settling_and_expiring_within(margined):
    margined.pair.price(ETH, 1_990 * WAD)
    margined.pair.must("book", "settle", TRADER)
    margined.pair.price(ETH, 2_010 * WAD)
    margined.pair.must("book", "settle", MAKER)
    batch(margined, ("book", "settle", TRADER), ("book", "expire", TRADER), ("book", "claim"), withdraw(margined, USD))
    assert margined.ledger(TRADER) == (295 * WAD, -2_010 * WAD)


# ------------------------------------------------------------------------------------------------------ who may


@pytest.mark.parametrize("sender", [ATTACKER, OWNER, VENUE, address_of("other")])
def test_only_who_may(margined, sender):
    refuses(margined, NOT_THE_ACCOUNTS, sender=sender)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_systems_accounts(margined, number):
    refuses(margined, NOT_THE_ACCOUNTS, who=number)


@pytest.mark.parametrize(
    ("rights", "may"), [(TRADE, True), (WITHDRAW, True), (ALL - TRADE - WITHDRAW, False), (0, False)]
)
def test_a_delegate_who_trades_or_withdraws(margined, rights, may):
    margined.delegate("trader", rights)
    margined.pair.mint(margined.usd, DELEGATE, USD)
    if may:
        batch(margined, deposit(margined, USD), sender=DELEGATE)
    else:
        refuses(margined, NOT_THE_ACCOUNTS, deposit(margined, USD), sender=DELEGATE)


def test_each_call_needs_its_own_right(margined):
    margined.fund("trader", 10)
    margined.delegate("trader", TRADE | TRANSFER)
    refuses(margined, NOT_THE_ACCOUNTS, withdraw(margined, USD), sender=DELEGATE)
    batch(margined, ("book", "transfer", TRADER, SECOND, margined.usd, USD), sender=DELEGATE)
    # nor does a batch of one's own account open another's
    refuses(margined, NOT_THE_ACCOUNTS, withdraw(margined, 1, who=MAKER))
    refuses(margined, "clearinghouse: not the liquidator", ("book", "socialise", TRADER, MAKER, 1))
    refuses(margined, "ownable: caller is not the owner", ("book", "set_fund", ATTACKER))


# ------------------------------------------------------------------------------------------------- what is called


def test_no_batch_within_a_batch(margined):
    inner = margined.pair.contracts["book"]
    nested = {"target": int(inner.address, 16), "data": margined.data("book", "multicall", TRADER, [])}
    assert margined.on_chain("book", "multicall", TRADER, [nested], sender=TRADER_ADDRESS) == (
        "clearinghouse: batch within a batch"
    )
    other = {"target": int(inner.address, 16), "data": margined.data("book", "multicall", SECOND, [])}
    assert margined.on_chain("book", "multicall", TRADER, [other], sender=TRADER_ADDRESS) == (
        "clearinghouse: batch within a batch"
    )
    refuses(margined, "clearinghouse: batch within a batch", ("book", "multicall", TRADER, []))


@pytest.mark.parametrize("part", ["oracle", "feed", "registry", "mandates", "history", "liquidator", "fund"])
def test_only_this_contract_and_admitted_venues(margined, part):
    at = getattr(margined.pair.twin.at, part)
    call = {"target": at, "data": b"\0" * 4}
    assert margined.on_chain("book", "multicall", TRADER, [call], sender=TRADER_ADDRESS) == (
        "clearinghouse: venue not admitted"
    )
    margined.pair.compare(EVERYONE)


def test_neither_a_token_nor_the_back_office(margined):
    book = margined.pair.contracts["book"]
    spend = margined.data("book", "transfer", TRADER, SECOND, margined.usd, 1)
    for target in (margined.usd, margined.weth, ATTACKER, 0):
        args = TRADER, [{"target": target, "data": spend}]
        assert (
            margined.on_chain("book", "multicall", *args, sender=TRADER_ADDRESS) == "clearinghouse: venue not admitted"
        )
    assert book.address == text(margined.pair.twin.at.book)


def test_eight_calls_and_no_ninth(margined):
    batch(margined, *[deposit(margined, k) for k in range(1, 9)])
    assert margined.ledger(TRADER)[0] == 286 * WAD + 36 * 10**12
    item = {"target": margined.pair.twin.at.book, "data": margined.data(*deposit(margined, 1))}
    assert margined.on_chain("book", "multicall", TRADER, [item] * 9, sender=TRADER_ADDRESS) == ""


def test_an_unknown_function(margined):
    item = {"target": margined.pair.twin.at.book, "data": b"\1\2\3\4"}
    assert margined.on_chain("book", "multicall", TRADER, [item], sender=TRADER_ADDRESS) == ""
    margined.pair.compare(EVERYONE)


# -------------------------------------------------------------------------------------------------------- venues


def fill(stage, buyer, seller, quantity, price=PRICE):
    """A fill of two signed orders by the exchange."""
    exchange = stage.pair.twin.exchange
    made = [
        Order(account(role), address_of(role), stage.perp, signed, price, stage.pair.now + 60, next(NONCES))
        for role, signed in ((seller, -quantity), (buyer, quantity))
    ]
    signatures = [sign(role, exchange.digest(order)) for role, order in zip((seller, buyer), made, strict=True)]
    return "exchange", "settle", made[0], signatures[0], made[1], signatures[1], quantity


@pytest.fixture
def venued(margined):
    """As `margined`; everybody lets the exchange trade."""
    for role in ("trader", "maker", "other"):
        margined.allow(role, margined.pair.twin.at.exchange)
    return margined


def test_a_trade_first_and_its_margin_after(venued):
    trade = fill(venued, "trader", "maker", WAD)
    refuses(venued, BELOW, trade)
    batch(venued, trade, deposit(venued, 286 * USD))
    assert venued.quantity(TRADER, venued.perp) == 2 * WAD
    assert venued.margin(TRADER).equity_haircut == venued.margin(TRADER).im
    # the fill that was refused is not counted, the one that passed is
    assert venued.ask("exchange", "filled", venued.pair.twin.exchange.digest(trade[2])) == WAD


def test_all_out_in_one(venued):
    """Sold, and all of it withdrawn: what alone would have waited for the trade."""
    batch(venued, withdraw(venued, 286 * USD), fill(venued, "maker", "trader", WAD))
    assert venued.ledger(TRADER) == (0, 0)
    assert venued.ask("book", "positions", TRADER) == ()


def test_the_other_side_is_checked_at_its_trade(venued):
    venued.fund("other", 285)
    refuses(venued, BELOW, fill(venued, "other", "trader", WAD))
    venued.fund("other", 1)
    batch(venued, fill(venued, "other", "trader", WAD))
    assert venued.quantity(OTHER, venued.perp) == WAD


def test_bands_budgets_and_limits_hold_within(venued):
    refuses(venued, "clearinghouse: price outside the band", fill(venued, "trader", "maker", WAD, 2_200 * WAD + 1))
    venued.limit(max_positions=1)
    venued.allow("trader", venued.pair.twin.at.exchange, budget=WAD)
    refuses(venued, "mandates: loss budget used up", fill(venued, "trader", "maker", WAD, 2_001 * WAD + 1))


def test_a_venue_that_was_dismissed(venued):
    venued.pair.must("registry", "set_venue", venued.pair.twin.at.exchange, False, sender=OWNER)
    refuses(venued, "clearinghouse: venue not admitted", fill(venued, "trader", "maker", WAD))


def test_a_venue_sees_the_book_as_its_caller(venued):
    """So nothing of the venue's that is for an account's owner alone can be called so."""
    order = fill(venued, "trader", "maker", WAD)[4]
    refuses(venued, "exchange: not the account's", ("exchange", "cancel", replace(order, nonce=10**6)))


# -------------------------------------------------------------------------------------------- while it stands


class TestMeanwhile:
    """A token that is admitted as a venue calls out in the middle of a batch, when the book's lock is free."""

    @pytest.fixture
    def hooked(self, margined):
        margined.pair.must("registry", "set_venue", margined.weth, True, sender=OWNER)
        margined.pair.price(ETH, 1_700 * WAD)  # the trader insolvent, but for what the batch ends with
        margined.post()
        margined.fund("bidder", 10_000)
        margined.fund("other", 100)
        return margined

    def ask(self, stage, part, name, *args):
        """What a call answers that is made within a batch of the trader's: None, or its reason."""
        token = stage.pair.token_contracts[stage.weth]
        stage.switch(stage.weth, "set_hook", stage.pair.contracts[part].address, stage.data(part, name, *args))
        data = token.interface.function("transfer", 2).encode([text(ATTACKER), 0])
        calls = [
            {"target": stage.weth, "data": data},
            {"target": stage.pair.twin.at.book, "data": stage.data("book", "deposit", TRADER, stage.usd, 400 * USD)},
        ]
        with stage.pair.chain.isolate():
            found = stage.on_chain("book", "multicall", TRADER, calls, sender=TRADER_ADDRESS)
            assert isinstance(found, list), found
            if token.call("hook_worked"):
                return None
            error = token.call("hook_error")
            return error[68 : 68 + int.from_bytes(error[36:68], "big")].decode()

    @pytest.mark.parametrize("name", ["margin", "state"])
    def test_it_is_not_assessed(self, hooked, name):
        assert self.ask(hooked, "book", name, TRADER) == IN_A_BATCH
        assert self.ask(hooked, "book", name, OTHER) is None

    @pytest.mark.parametrize(("name", "args"), [("start", ()), ("call", ()), ("record", ())])
    def test_it_is_neither_called_nor_auctioned_nor_marked_insolvent(self, hooked, name, args):
        assert self.ask(hooked, "liquidator", name, TRADER, *args) == IN_A_BATCH
        if name == "record":
            assert self.ask(hooked, "liquidator", name, OTHER) is None

    def test_it_is_not_bid_on(self, hooked):
        hooked.pair.must("liquidator", "start", TRADER)
        hooked.delegate("bidder", ALL, hooked.weth)
        assert self.ask(hooked, "liquidator", "bid", TRADER, BIDDER, WAD, 10**24) == IN_A_BATCH

    def test_nor_is_anybody_seized(self, hooked):
        """Of two accounts one could be a bidder's in the midst of a batch."""
        seizer = address_of("seizer")
        assert hooked.ask("book", "liquidator") != seizer
        with clean_stage(hooked.weth) as made:
            made.pair.must("registry", "set_venue", made.weth, True, sender=OWNER)
            made.sick(286, 2_000)
            made.pair.mint(made.usd, TRADER_ADDRESS, 400 * USD)
            made.fund("bidder", 10_000)
            made.fund("other", 100)
            for who, bidder in ((TRADER, BIDDER), (OTHER, BIDDER), (OTHER, TRADER)):
                assert self.ask(made, "book", "seize", who, bidder, WAD, 0, 0) == IN_A_BATCH

    def test_no_other_batch_begins(self, hooked):
        hooked.delegate("other", ALL, hooked.weth)
        assert self.ask(hooked, "book", "multicall", OTHER, []) == "clearinghouse: batch within a batch"

    def test_the_book_is_open_to_all_else(self, hooked):
        hooked.delegate("other", ALL, hooked.weth)
        assert self.ask(hooked, "book", "withdraw", OTHER, hooked.usd, USD, ATTACKER) is None
        assert self.ask(hooked, "book", "expire", TRADER) is None
        assert self.ask(hooked, "book", "ledger", TRADER) is None

    def test_after_it_the_account_is_as_any(self, hooked):
        batch(hooked, deposit(hooked, 400 * USD))
        assert hooked.ask("book", "state", TRADER) == 0
        batch(hooked, deposit(hooked, 1))


def test_a_second_book_is_no_venue(stage):
    made = deploy(stage.pair.chain, compiled("MockToken"), "Token", "TOKEN", 18, sender=text(OWNER))
    args = TRADER, [{"target": int(made.address, 16), "data": b"\0" * 4}]
    assert stage.on_chain("book", "multicall", *args, sender=TRADER_ADDRESS) == "clearinghouse: venue not admitted"

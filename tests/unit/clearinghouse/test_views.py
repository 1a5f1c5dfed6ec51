"""Clearinghouse's views: what they say of accounts that hold something and of those that do not."""

import pytest

from plimsoll.spec.mandates import TRADE, WITHDRAW
from plimsoll.spec.margin import Assessment
from tests.pairs import address_of

from .stage import ATTACKER, BTC, DELEGATE, ETH, MAKER, OTHER, TRADER, WAD, wad


def test_an_account_nobody_used(stage):
    assert stage.ledger(OTHER) == (0, 0)
    assert stage.ask("book", "positions", OTHER) == ()
    assert stage.quantity(OTHER, stage.perp) == 0
    assert stage.margin(OTHER) == Assessment(0, 0, 0, 0, 0, fresh=True)
    assert stage.ask("book", "state", OTHER) == 0
    assert stage.ledger(OTHER)[0] >= 0


@pytest.mark.parametrize(
    ("top_up", "state"),
    [
        ("85.7", 0),  # E_h 271.7 = IM
        ("85.699999", 1),
        ("43.9", 1),  # E_h 229.9 = call line
        ("43.899999", 2),
        ("23", 2),  # E_h 209 = MM
        ("22.999999", 3),
        ("0.000001", 3),
    ],
)
def test_states_at_their_lines(stage, top_up, state):
    # long one perp from 2,000 with 286, at 1,900: E_h 186
    stage.sick()
    stage.fund("trader", top_up)
    found = stage.margin(TRADER)
    assert (found.mm, found.call_line, found.im) == (209 * WAD, wad("229.9"), wad("271.7"))
    assert stage.ask("book", "state", TRADER) == state
    assert stage.book.state(TRADER, stage.pair.now) == state


@pytest.mark.parametrize(("price", "state"), [(1_714, 3), ("1713.999999999999999999", 4)])
def test_insolvent_is_under_nothing_at_all(stage, price, state):
    stage.sick(price=price)
    assert stage.margin(TRADER).equity_full == (0 if state == 3 else -1)
    assert stage.ask("book", "state", TRADER) == state


def test_margin_of_collateral_counts_the_haircut(stage):
    stage.bring("trader", stage.weth, WAD)
    stage.bring("trader", stage.wbtc, 10**7)
    found = stage.margin(TRADER)
    assert (found.equity_full, found.equity_haircut) == (4_000 * WAD, 3_700 * WAD)
    assert (found.mm, found.im, found.call_line, found.fresh) == (0, 0, 0, True)


def test_may_act(stage):
    for right in (TRADE, WITHDRAW):
        assert stage.ask("book", "may_act", TRADER, address_of("trader"), right)
        assert stage.ask("book", "may_act", TRADER + 7, address_of("trader"), right)
        assert not stage.ask("book", "may_act", TRADER, ATTACKER, right)
        assert not stage.ask("book", "may_act", TRADER, 0, right)
        assert stage.ask("book", "may_act", 0, 0, right)
    stage.delegate("trader", WITHDRAW)
    assert stage.ask("book", "may_act", TRADER, DELEGATE, WITHDRAW)
    for right in (TRADE, TRADE | WITHDRAW, 0):
        assert not stage.ask("book", "may_act", TRADER, DELEGATE, right)
        assert not stage.book.may_act(TRADER, DELEGATE, right, stage.pair.now)


def test_a_loss_in_linear_is_not_borrowed(stage):
    stage.sick(300, 1_900)
    stage.trade(MAKER, TRADER, stage.perp, WAD, 1_900 * WAD)
    assert stage.ledger(TRADER) == (300 * WAD, -100 * WAD)
    assert stage.ledger(TRADER)[0] >= 0
    assert stage.ask("book", "open_interest", ETH) == 0
    assert stage.ask("book", "open_interest", BTC) == 0


def test_open_interest_by_instrument_and_what_was_brought_in(stage):
    stage.fund("maker", 10_000)
    stage.fund("trader", 1_000)
    stage.bring("trader", stage.weth, 2 * WAD)
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)
    stage.trade(TRADER, MAKER, stage.call, WAD // 2, 100 * WAD)
    assert [stage.ask("book", "instrument_interest", i) for i in (stage.perp, stage.call, stage.put, stage.spot)] == [
        WAD,
        WAD // 2,
        0,
        2 * WAD,
    ]
    assert stage.ask("book", "open_interest", ETH) == 3 * WAD // 2
    assert [stage.ask("book", "brought_in", who) for who in (TRADER, MAKER, OTHER)] == [1_000 * WAD, 10_000 * WAD, 0]


def test_what_all_have_and_owe(stage):
    now = stage.pair.now
    assert stage.ask("book", "pool") == ((WAD, WAD, now, 0, 0), 0)
    stage.fund("maker", 900)
    stage.bring("trader", stage.weth, WAD)
    stage.trade(TRADER, MAKER, stage.call, WAD, 100 * WAD)
    assert stage.ask("book", "pool") == ((WAD, WAD, now, 1_000 * WAD, 100 * WAD), 0)
    assert stage.ask("book", "utilisation") == 100_000


def test_a_view_of_the_back_office_finds_the_book_locked_as_any(stage):
    """It takes the same lock; `open_interest` and addresses that are code answer under it."""
    token = stage.pair.token_contracts[stage.weth]
    for name, args, answers in (
        ("pool", (), False),
        ("liquidator", (), False),
        ("ledger", (TRADER,), False),
        ("open_interest", (ETH,), True),
        ("quote", (), True),
        ("registry", (), True),
    ):
        stage.switch(stage.weth, "set_hook", stage.pair.contracts["book"].address, stage.data("book", name, *args))
        stage.bring("trader", stage.weth, 1)
        assert token.call("hook_worked") == answers, name

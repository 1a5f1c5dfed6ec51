"""Clearinghouse.transfer: between accounts of one owner, down to the source's initial margin."""

import pytest

from plimsoll.spec.instruments import CALL
from plimsoll.spec.mandates import ALL, TRANSFER
from plimsoll.spec.wad import MAX_QUANTITY
from tests.pairs import account, address_of

from .stage import (
    ATTACKER,
    DELEGATE,
    ETH,
    EVERYONE,
    EXPIRY,
    MAKER,
    OTHER,
    OWNER,
    TRADER,
    USD,
    VENUE,
    WAD,
    clean_stage,
    make_row,
)

TRADER_ADDRESS = address_of("trader")
SECOND = account("trader", 1)
SEIZER = address_of("seizer")
BELOW = "clearinghouse: below initial margin"


def transfer(stage, token, amount, source=TRADER, target=SECOND, sender=TRADER_ADDRESS):
    stage.pair.must("book", "transfer", source, target, token, amount, sender=sender)
    stage.pair.compare(EVERYONE)


def refuses(stage, reason, token, amount, source=TRADER, target=SECOND, sender=TRADER_ADDRESS):
    stage.refuses(reason, "book", "transfer", source, target, token, amount, sender=sender)


def test_cash_and_what_of_it_was_brought_in(stage):
    stage.fund("maker", 10_000)
    stage.fund("trader", 100)
    # 50 of profit besides
    stage.trade(MAKER, TRADER, stage.call, WAD // 2, 200 * WAD)
    stage.trade(TRADER, MAKER, stage.call, WAD // 2, 100 * WAD)
    transfer(stage, stage.usd, 30 * USD)
    assert (stage.ledger(TRADER), stage.ledger(SECOND)) == ((120 * WAD, 0), (30 * WAD, 0))
    assert [stage.ask("book", "brought_in", who) for who in (TRADER, SECOND)] == [70 * WAD, 30 * WAD]
    args = {"source": TRADER, "target": SECOND, "token": stage.usd, "amount": 30 * USD}
    assert stage.last() == ("Transferred", args)
    transfer(stage, stage.usd, 120 * USD)
    # what was brought in goes first, profit after it
    assert [stage.ask("book", "brought_in", who) for who in (TRADER, SECOND)] == [0, 100 * WAD]
    assert (stage.ledger(TRADER), stage.ledger(SECOND)) == ((0, 0), (150 * WAD, 0))


@pytest.mark.parametrize("amount", [1, 10**8])
def test_collateral(stage, amount):
    stage.bring("trader", stage.wbtc, 10**8)
    transfer(stage, stage.wbtc, amount)
    assert stage.quantity(SECOND, stage.btc_spot) == amount * 10**10
    assert stage.quantity(TRADER, stage.btc_spot) == 10**18 - amount * 10**10
    assert stage.ask("book", "instrument_interest", stage.btc_spot) == WAD
    transfer(stage, stage.wbtc, amount, source=SECOND, target=TRADER)
    assert stage.ask("book", "positions", SECOND) == ()


def test_a_collateral_cap_does_not_stop_what_is_in_the_book(stage):
    stage.bring("trader", stage.weth, 5)
    stage.pair.must("registry", "set_collateral_cap", stage.weth, 1, sender=OWNER)
    transfer(stage, stage.weth, 3)
    assert stage.quantity(SECOND, stage.spot) == 3


def test_only_who_may(stage):
    stage.fund("trader", 100)
    for sender in (ATTACKER, OWNER, VENUE, address_of("other")):
        refuses(stage, "clearinghouse: not the account's", stage.usd, 1, sender=sender)
    stage.delegate("trader", ALL - TRANSFER)
    refuses(stage, "clearinghouse: not the account's", stage.usd, 1, sender=DELEGATE)
    stage.delegate("trader", TRANSFER)
    transfer(stage, stage.usd, USD, sender=DELEGATE)
    # of the account it was named for, not of the owner's others
    refuses(stage, "clearinghouse: not the account's", stage.usd, 1, source=SECOND, target=TRADER, sender=DELEGATE)
    transfer(stage, stage.usd, USD, source=SECOND, target=TRADER)


@pytest.mark.parametrize("target", [OTHER, account("other", 1), 0, 1, 2])
def test_another_owner(stage, target):
    stage.fund("trader", 100)
    refuses(stage, "clearinghouse: another owner", stage.usd, 1, target=target)


def test_the_source_is_the_target(stage):
    stage.fund("trader", 100)
    refuses(stage, "clearinghouse: source is target", stage.usd, 1, target=TRADER)


def test_amounts_and_tokens(stage):
    stage.fund("trader", 5)
    stage.bring("trader", stage.weth, 5)
    refuses(stage, "clearinghouse: zero amount", stage.usd, 0)
    refuses(stage, "clearinghouse: zero amount", stage.weth, 0)
    refuses(stage, "clearinghouse: unknown token", stage.unlisted, 1)
    refuses(stage, "clearinghouse: amount over the maximum", stage.usd, MAX_QUANTITY // 10**12 + 1)
    refuses(stage, "clearinghouse: cash not there", stage.usd, 5 * USD + 1)
    refuses(stage, "clearinghouse: collateral not there", stage.weth, 6)
    refuses(stage, "clearinghouse: collateral not there", stage.wbtc, 1)


def test_quantity_over_the_maximum(stage):
    stage.bring("trader", stage.weth, MAX_QUANTITY)
    transfer(stage, stage.weth, 1)
    stage.bring("trader", stage.weth, 1)
    refuses(stage, "clearinghouse: quantity over the maximum", stage.weth, MAX_QUANTITY)
    transfer(stage, stage.weth, MAX_QUANTITY - 1)


def test_too_many_positions(stage):
    for strike in range(2_001, 2_126):
        stage.list(ETH, EXPIRY, CALL, strike)
    stage.surfaces[ETH, EXPIRY] += tuple(make_row(CALL, strike) for strike in range(2_001, 2_126))
    stage.post()
    stage.fund("trader", 10**6, at=1)
    stage.fund("maker", 10**6)
    stage.allow("trader", at=1)
    for instrument in stage.ask("registry", "listing", ETH, EXPIRY)[:127]:
        stage.trade(SECOND, MAKER, instrument, 1, 100 * WAD if instrument != stage.future else 2_000 * WAD)
    stage.bring("trader", stage.weth, 5)
    refuses(stage, "clearinghouse: too many positions", stage.weth, 5)


def test_the_source_stays_at_initial_margin(stage):
    stage.sick(300, 2_000)
    refuses(stage, BELOW, stage.usd, 14 * USD + 1)
    transfer(stage, stage.usd, 14 * USD)
    assert stage.margin(TRADER).equity_haircut == stage.margin(TRADER).im == 286 * WAD
    refuses(stage, BELOW, stage.usd, 1)


def test_the_source_stays_at_the_least_equity(stage):
    stage.sick(1_000, 2_000)
    stage.limit(min_equity=700 * WAD)
    refuses(stage, "clearinghouse: equity below the minimum", stage.usd, 300 * USD + 1)
    transfer(stage, stage.usd, 300 * USD)


def test_the_source_needs_fresh_surfaces_and_the_target_none(stage):
    stage.sick(1_000, 2_000)
    stage.fund("trader", 5, at=1)
    stage.later(7_201)
    refuses(stage, "clearinghouse: surface not fresh", stage.usd, USD)
    transfer(stage, stage.usd, USD, source=SECOND, target=TRADER)


def test_no_price_is_read_where_nothing_is_open(stage):
    stage.fund("trader", 9)
    stage.bring("trader", stage.weth, 4)
    stage.kill_feed(ETH, "zero")
    transfer(stage, stage.usd, USD)
    transfer(stage, stage.weth, 4)


def test_late_profit_does_not_leave_by_way_of_another_account():
    with clean_stage(lag=3_600) as late:
        late.sick(300, 2_000)
        late.pair.must("history", "touch", ETH)
        late.later(3_600)
        late.post()
        late.pair.price(ETH, 2_020 * WAD)
        # of 300 and 20, which are late, 288.86 must stay
        refuses(late, BELOW, late.usd, 11_140_001)
        transfer(late, late.usd, 11_140_000)


def test_the_liquidator_needs_no_right(stage):
    """It asked for one, or for a reserve that was named."""
    with clean_stage(SEIZER) as made:
        made.fund("trader", 10)
        transfer(made, made.usd, USD, sender=SEIZER)
        refuses(made, "clearinghouse: another owner", made.usd, 1, target=OTHER, sender=SEIZER)
        refuses(made, "clearinghouse: another owner", made.usd, 1, source=0, target=1, sender=SEIZER)
    refuses(stage, "clearinghouse: not the account's", stage.usd, 1, sender=SEIZER)

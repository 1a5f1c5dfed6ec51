"""Mango Markets, 11 October 2022, 114 M$.

What happened: with two accounts of his own the attacker took both sides of a thin perp, drove its price up tenfold
within half an hour on the few venues that the oracle read, and withdrew everybody's deposits against the winning
side's unrealised profit. Later the price fell back, and the losing side had nothing.

What stands against it: profit younger than `lag` counts neither for a withdrawal nor for a transfer to an account that
could let it out; `settle` pays the gain at the worse of now and then, and only what losers paid in; a loser under
initial margin pays on nobody's credit; and past all that, the outflow cap, the concentration charge and the caps on
open interest, which size the position to the market.
"""

from plimsoll.spec.errors import Refused
from tests.pairs import address_of
from tests.unit.clearinghouse.stage import (
    BIDDER,
    DAY,
    ETH,
    EVERYONE,
    MAKER,
    OTHER,
    OWNER,
    TRADER,
    USD,
    VENUE,
    WAD,
    make_scalars,
)

from .scene import LAG, LOW, SECOND, move, pocket, touch, wait, wealth

TRADER_ADDRESS = address_of("trader")
PUMPED = 20_000 * WAD


def positions(stage, *, pumped=PUMPED):
    """Both sides of 20 ETH at 2,000 with 6,000 each, a million that others lent; then the price goes up tenfold."""
    stage.fund("bidder", 1_000_000)
    stage.fund("trader", 6_000)
    stage.fund("maker", 6_000)
    stage.trade(TRADER, MAKER, stage.perp, 20 * WAD, 2_000 * WAD)
    wait(stage)
    stage.later(300)
    move(stage, pumped)


def leaves(stage, dollars, who=TRADER, role="trader"):
    """The step that took the money away."""
    return stage.pair.step("book", "withdraw", who, stage.usd, dollars * USD, address_of(role), sender=address_of(role))


def test_the_profit_of_minutes_does_not_leave(late):
    stage = late
    positions(stage)
    assert stage.margin(TRADER).equity_full == 366_000 * WAD
    stage.refuses(LOW, "book", "withdraw", TRADER, stage.usd, 1, TRADER_ADDRESS, sender=TRADER_ADDRESS)
    # nor by way of an account of his that needs no margin
    stage.refuses(LOW, "book", "transfer", TRADER, SECOND, stage.usd, 1, sender=TRADER_ADDRESS)
    assert stage.batch(TRADER, ("book", "withdraw", TRADER, stage.usd, 1, 1), sender=TRADER_ADDRESS) == LOW
    # the loser pays what he has, and others lend him nothing
    stage.pair.must("book", "settle", MAKER)
    assert stage.ledger(MAKER)[0] == 0
    assert stage.ask("book", "pool")[0][4] == 0
    # the winner gets the gain of an hour ago: none
    stage.pair.must("book", "settle", TRADER)
    assert stage.ledger(TRADER)[0] == 6_000 * WAD
    stage.pair.compare(EVERYONE)


def test_after_the_price_fell_back_nobody_lost(late):
    stage = late
    positions(stage)
    for who in (MAKER, TRADER):
        stage.pair.must("book", "settle", who)
    move(stage, 2_000 * WAD)
    for who in (MAKER, TRADER):
        stage.pair.must("book", "settle", who)
    assert wealth(stage, "trader", "maker") <= 12_000 * WAD
    assert stage.margin(BIDDER).equity_full == 1_000_000 * WAD
    stage.pair.must("book", "withdraw", BIDDER, stage.usd, 10**12, address_of("bidder"), sender=address_of("bidder"))
    assert all(stage.margin(who).equity_full > 5_999 * WAD for who in (TRADER, MAKER))
    stage.pair.compare(EVERYONE)


def test_profit_that_lasts_is_paid_as_losers_pay_it(late):
    """The honest version: the loser can pay, prices of now become prices of an hour ago, the winner withdraws."""
    stage = late
    stage.fund("trader", 6_000)
    stage.fund("maker", 60_000)
    stage.trade(TRADER, MAKER, stage.perp, 20 * WAD, 2_000 * WAD)
    wait(stage)
    move(stage, 2_500 * WAD)
    assert isinstance(leaves(stage, 5_000), Refused)
    wait(stage)  # now it is remembered
    wait(stage)  # and now an hour old
    for who in (MAKER, TRADER):
        stage.pair.must("book", "settle", who)
    assert stage.ledger(TRADER)[0] == 16_000 * WAD
    leaves(stage, 8_000)
    assert pocket(stage, "trader") == 8_000 * USD
    stage.pair.compare(EVERYONE)


def test_past_the_lag_the_outflow_cap_holds(late):
    """However the profit came about: what leaves beyond what was brought in drips."""
    stage = late
    stage.limit(outflow_cap=5_000 * WAD)
    positions(stage)
    # he sells his long at the peak to somebody who believes in it: a profit that is no longer unrealised
    stage.fund("other", 800_000)
    stage.trade(OTHER, TRADER, stage.perp, 20 * WAD, PUMPED)
    stage.fund("maker", 400_000)  # at its best for him: the loser's margin is filled up by others
    for who in (MAKER, TRADER):
        stage.pair.must("book", "settle", who)
    assert stage.ledger(TRADER)[0] == 366_000 * WAD
    leaves(stage, 11_000)
    assert pocket(stage, "trader") == 11_000 * USD
    over = "clearinghouse: outflow over the cap"
    stage.refuses(over, "book", "withdraw", TRADER, stage.usd, 1, TRADER_ADDRESS, sender=TRADER_ADDRESS)
    # another account has no cap of its own
    stage.pair.must("book", "transfer", TRADER, SECOND, stage.usd, 10**9, sender=TRADER_ADDRESS)
    stage.refuses(over, "book", "withdraw", SECOND, stage.usd, 1, TRADER_ADDRESS, sender=TRADER_ADDRESS)
    stage.later(DAY // 2)
    leaves(stage, 2_500)
    stage.refuses(over, "book", "withdraw", TRADER, stage.usd, 1, TRADER_ADDRESS, sender=TRADER_ADDRESS)
    # what others brought in themselves is not held up by it
    assert leaves(stage, 1_000_000, BIDDER, "bidder") is None


def test_late_profit_cannot_be_traded_away(late):
    """A profit of minutes that is lost on purpose, off the mark or on credit, to another account."""
    stage = late
    positions(stage, pumped=3_000 * WAD)
    stage.fund("other", 1_000)
    for _ in range(100):  # buys calls at the upper edge of the band, sells them at the lower
        mark = stage.mark(stage.call)
        for sides, price in (((TRADER, OTHER), mark + 300 * WAD), ((OTHER, TRADER), max(1, mark - 300 * WAD))):
            if isinstance(stage.pair.step("book", "trade", *sides, stage.call, WAD, price, sender=VENUE), Refused):
                break
        else:
            continue
        break
    stage.pair.step("book", "trade", OTHER, TRADER, stage.call, WAD, stage.mark(stage.call), sender=VENUE)
    assert stage.ledger(TRADER)[0] >= 0
    out = 0
    for dollars in (10_000, 1_000, 100):
        while leaves(stage, dollars, OTHER, "other") is None:
            out += dollars
    brought_in = stage.pair.twin.book.brought_in(TRADER)
    assert out <= 1_000 + brought_in // WAD  # what they had, between the two of them
    move(stage, 2_000 * WAD)
    assert stage.margin(TRADER).equity_full >= 0


def test_a_position_that_the_market_could_not_take_needs_margin_as_such(late):
    stage = late
    stage.fund("trader", 12_000)
    stage.fund("maker", 10**9)
    with stage.pair.isolated():
        stage.trade(TRADER, MAKER, stage.perp, 40 * WAD, 2_000 * WAD)
    # somebody else's 40 ETH were a thousandth of the market's depth; his are four times it
    stage.scalars[ETH] = make_scalars(ETH, depth=10 * WAD)
    stage.post()
    stage.refuses_trade(LOW, TRADER, MAKER, stage.perp, 40 * WAD, 2_000 * WAD)
    assert stage.terms({stage.perp: 40 * WAD}).concentration == 40 * 4_500 * WAD
    stage.trade(TRADER, MAKER, stage.perp, 10 * WAD, 2_000 * WAD)


def test_open_interest_is_capped_and_a_mutual_position_counts(late):
    stage = late
    over = "clearinghouse: open interest over the cap"
    stage.pair.must("registry", "set_underlying_limits", ETH, 20 * WAD, 0, sender=OWNER)
    positions(stage, pumped=2_000 * WAD)
    stage.fund("trader", 6_000)
    stage.fund("maker", 6_000)
    for instrument, price in ((stage.perp, 2_000), (stage.future, 2_000), (stage.call, 100)):
        stage.refuses_trade(over, TRADER, MAKER, instrument, 1, price * WAD)
    stage.refuses_trade(over, BIDDER, OTHER, stage.perp, 1, 2_000 * WAD)
    stage.trade(MAKER, TRADER, stage.perp, WAD, 2_000 * WAD)
    stage.pair.must("registry", "set_instrument_cap", stage.future, WAD // 2, sender=OWNER)
    stage.refuses_trade(over, TRADER, MAKER, stage.future, WAD, 2_000 * WAD)
    stage.trade(TRADER, MAKER, stage.future, WAD // 2, 2_000 * WAD)


def test_without_the_lag_it_leaves(stage):
    """The same steps where profit does not wait: the deposits of others go out, and are not there after the fall."""
    stage.fund("bidder", 1_000_000)
    stage.fund("trader", 6_000)
    stage.fund("maker", 6_000)
    stage.trade(TRADER, MAKER, stage.perp, 20 * WAD, 2_000 * WAD)
    move(stage, PUMPED)
    # options sold against the profit turn it into cash
    stage.fund("other", 400_000)
    stage.trade(OTHER, TRADER, stage.call, 10 * WAD, stage.mark(stage.call))
    cash = stage.ledger(TRADER)[0] // WAD
    assert leaves(stage, cash) is None
    assert pocket(stage, "trader") > 180_000 * USD
    # at the old price the options are worth less as well: what is missing is owed by nobody who has it
    move(stage, 2_000 * WAD)
    assert wealth(stage, "trader") > 180_000 * WAD
    assert stage.margin(TRADER).equity_full < 0


def test_without_a_price_of_an_hour_ago_nothing_leaves_at_all(late):
    stage = late
    stage.fund("trader", 6_000)
    stage.fund("maker", 6_000)
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)
    touch(stage)
    reason = "history: no price of so long ago"
    for name, *args in (("withdraw", TRADER_ADDRESS), ("transfer",)):
        target = () if args else (SECOND,)
        stage.refuses(reason, "book", name, TRADER, *target, stage.usd, 1, *args, sender=TRADER_ADDRESS)
    stage.later(LAG)
    stage.post()
    assert leaves(stage, 5_000) is None

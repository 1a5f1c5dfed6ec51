"""Clearinghouse.seize: a fraction of all an account is, for cash, to a bidder at initial margin."""

import pytest

from plimsoll.spec.instruments import CALL
from plimsoll.spec.wad import MAX_LEDGER, MAX_QUANTITY
from tests.pairs import address_of

from .stage import (
    ATTACKER,
    BIDDER,
    BTC,
    ETH,
    EVERYONE,
    EXPIRY,
    MAKER,
    OTHER,
    OWNER,
    TRADER,
    VENUE,
    WAD,
    clean_stage,
    make_row,
)

SEIZER = address_of("seizer")
PRICE = 2_000 * WAD
BELOW = "clearinghouse: below initial margin"


@pytest.fixture
def stage():
    """A market whose liquidator is a role, so that a test can be it."""
    with clean_stage(SEIZER) as made:
        yield made


@pytest.fixture
def owned(stage):
    """The trader: cash 900, linear -2,000, 1 perp, 1 call, 2 WETH. The bidder: 10,000."""
    stage.fund("maker", 1_000_000)
    stage.fund("trader", 1_000)
    stage.bring("trader", stage.weth, 2 * WAD)
    stage.trade(TRADER, MAKER, stage.perp, WAD, PRICE)
    stage.trade(TRADER, MAKER, stage.call, WAD, 100 * WAD)
    stage.fund("bidder", 10_000)
    return stage


def seize(stage, *args):
    stage.pair.must("book", "seize", *args, *[0] * (5 - len(args)), sender=SEIZER)
    stage.pair.compare(EVERYONE)


def refuses(stage, reason, *args, sender=SEIZER):
    stage.refuses(reason, "book", "seize", *args, *[0] * (5 - len(args)), sender=sender)


def test_a_quarter_of_everything(owned):
    seize(owned, TRADER, BIDDER, WAD // 4, 300 * WAD)
    assert owned.ledger(TRADER) == (975 * WAD, -1_500 * WAD)
    assert owned.ledger(BIDDER) == (9_925 * WAD, -500 * WAD)
    for instrument, held in ((owned.perp, WAD), (owned.call, WAD), (owned.spot, 2 * WAD)):
        assert owned.quantity(TRADER, instrument) == 3 * held // 4
        assert owned.quantity(BIDDER, instrument) == held // 4
    assert owned.last() == (
        "Seized",
        {"account": TRADER, "bidder": BIDDER, "fraction": WAD // 4, "payment": 300 * WAD, "fee": 0},
    )
    assert owned.ask("book", "open_interest", ETH) == 2 * WAD


def test_all_of_it(owned):
    seize(owned, TRADER, BIDDER, WAD, 0)
    assert owned.ledger(TRADER) == (0, 0)
    assert owned.ask("book", "positions", TRADER) == ()
    assert owned.ledger(BIDDER) == (10_900 * WAD, -2_000 * WAD)
    assert len(owned.ask("book", "positions", BIDDER)) == 3


def test_quantities_move_down_in_magnitude_and_ledgers_up(stage):
    stage.fund("maker", 10_000)
    stage.fund("bidder", 1_000)
    stage.fund("trader", 1_000)
    stage.bring("trader", stage.weth, 3)
    stage.trade(MAKER, TRADER, stage.perp, 7, PRICE)  # short 7 wei for 14,000 of linear
    stage.trade(TRADER, MAKER, stage.call, 5, 100 * WAD)  # 500 wei of cash
    cash, linear = 1_000 * WAD - 500, 14_000
    assert stage.ledger(TRADER) == (cash, linear)
    third = 333_333_333_333_333_333
    seize(stage, TRADER, BIDDER, third, 0)
    assert stage.quantity(BIDDER, stage.perp) == -2  # of 2.33
    assert stage.quantity(TRADER, stage.perp) == -5
    assert stage.quantity(BIDDER, stage.call) == 1  # of 1.66
    assert stage.quantity(TRADER, stage.call) == 4
    assert stage.quantity(BIDDER, stage.spot) == 0  # of .99
    assert stage.quantity(TRADER, stage.spot) == 3
    moved = -(-cash * third // WAD), -(-linear * third // WAD)
    assert stage.ledger(BIDDER) == (1_000 * WAD + moved[0], moved[1])
    assert moved[1] == 4_667  # of 4,666.67
    assert stage.ledger(TRADER) == (cash - moved[0], linear - moved[1])


def test_a_negative_ledger_moves_toward_zero(stage):
    stage.fund("maker", 10_000)
    stage.fund("bidder", 1_000)
    stage.fund("trader", 1_000)
    stage.trade(TRADER, MAKER, stage.perp, 5, PRICE)
    assert stage.ledger(TRADER)[1] == -10_000
    seize(stage, TRADER, BIDDER, 333_333_333_333_333_333, 0)
    # -3,333.3: up
    assert stage.ledger(BIDDER)[1] == -3_333
    assert stage.ledger(TRADER)[1] == -6_667


def test_the_smallest_fraction_moves_no_dust_position(owned):
    seize(owned, TRADER, BIDDER, 1, 0)
    # 1 wei of each: 1e18 x 1e-18
    assert owned.quantity(BIDDER, owned.perp) == 1
    assert owned.ledger(BIDDER) == (10_000 * WAD + 900, -2_000)
    seize(owned, TRADER, OTHER, 1, 0)
    # of 999,999,999,999,999,999 nothing
    assert owned.ask("book", "positions", OTHER) == ((1 << 128) | owned.spot,)
    assert owned.ledger(OTHER) == (900, -1_999)


def test_a_long_that_meets_a_short_closes_open_interest(owned):
    owned.trade(MAKER, BIDDER, owned.perp, 3 * WAD // 4, PRICE)
    assert owned.ask("book", "open_interest", ETH) == 2 * WAD
    seize(owned, TRADER, BIDDER, WAD // 2, 0)
    # half a perp closes against the bidder's short, half a call only changes hands
    assert owned.quantity(BIDDER, owned.perp) == -WAD // 4
    assert owned.ask("book", "open_interest", ETH) == 3 * WAD // 2
    assert owned.quantity(BIDDER, owned.call) == WAD // 2


def test_a_short_that_meets_a_larger_long_closes_all_of_itself(stage):
    stage.fund("maker", 10_000)
    stage.fund("trader", 1_000)
    stage.fund("bidder", 10_000)
    stage.trade(MAKER, TRADER, stage.perp, WAD, PRICE)
    stage.trade(BIDDER, MAKER, stage.perp, 3 * WAD, PRICE)
    assert stage.ask("book", "open_interest", ETH) == 3 * WAD
    seize(stage, TRADER, BIDDER, WAD, 0)
    assert stage.quantity(BIDDER, stage.perp) == 2 * WAD
    assert stage.ask("book", "open_interest", ETH) == 2 * WAD
    assert stage.ask("book", "positions", TRADER) == ()


def test_equal_and_opposite_leave_no_word(stage):
    stage.fund("maker", 10_000)
    stage.fund("trader", 1_000)
    stage.fund("bidder", 10_000)
    stage.trade(MAKER, TRADER, stage.perp, WAD, PRICE)
    stage.trade(BIDDER, MAKER, stage.perp, WAD, PRICE)
    seize(stage, TRADER, BIDDER, WAD, 0)
    assert stage.ask("book", "positions", BIDDER) == ()
    assert stage.ask("book", "open_interest", ETH) == 0


def test_collateral_that_meets_collateral_is_no_open_interest(owned):
    owned.bring("bidder", owned.weth, WAD)
    before = owned.ask("book", "open_interest", ETH)
    seize(owned, TRADER, BIDDER, WAD, 0)
    assert owned.quantity(BIDDER, owned.spot) == 3 * WAD
    assert owned.ask("book", "open_interest", ETH) == before


def test_books_are_merged_in_order(owned):
    owned.bring("bidder", owned.wbtc, 10**8)
    owned.trade(BIDDER, MAKER, owned.put, WAD, 100 * WAD)
    owned.trade(BIDDER, MAKER, owned.sol_perp, WAD, 100 * WAD)
    owned.trade(BIDDER, MAKER, owned.btc_perp, WAD // 100, 20_000 * WAD)
    seize(owned, TRADER, BIDDER, WAD, 0)
    ids = [word & (2**128 - 1) for word in owned.ask("book", "positions", BIDDER)]
    assert ids == sorted(ids)
    assert set(ids) == {
        owned.btc_perp,
        owned.btc_spot,
        owned.perp,
        owned.spot,
        owned.call,
        owned.put,
        owned.sol_perp,
    }
    assert owned.ask("book", "open_interest", BTC) == WAD // 100


@pytest.mark.parametrize("sender", [ATTACKER, OWNER, VENUE, address_of("trader"), address_of("bidder")])
def test_only_the_liquidator(owned, sender):
    refuses(owned, "clearinghouse: not the liquidator", TRADER, BIDDER, WAD, 0, sender=sender)


def test_seize_only_by_the_liquidator_even_before_there_is_one():
    from .test_set_liquidator import bare

    with bare().isolated():
        for sender in (ATTACKER, OWNER):
            bare().refused("clearinghouse: not the liquidator", "book", "seize", 1, 2, WAD, 0, 0, sender=sender)
        assert int(bare().contracts["book"].call("liquidator"), 16) == 0


@pytest.mark.parametrize("fraction", [0, WAD + 1, 2**255, 2**256 - 1])
def test_fraction_out_of_range(owned, fraction):
    refuses(owned, "clearinghouse: fraction out of range", TRADER, BIDDER, fraction, 0)


def test_the_bidder_is_the_account(owned):
    refuses(owned, "clearinghouse: buyer is seller", TRADER, TRADER, WAD, 0)


def test_the_bidder_must_be_at_initial_margin(stage):
    # a perp bought at the index: equity 286 of the account, IM 286. The bidder pays with what he got and has 10 more
    stage.fund("maker", 10_000)
    stage.fund("trader", 286)
    stage.trade(TRADER, MAKER, stage.perp, WAD, PRICE)
    stage.fund("bidder", 10)
    refuses(stage, BELOW, TRADER, BIDDER, WAD, 10 * WAD + 1)
    seize(stage, TRADER, BIDDER, WAD, 10 * WAD)
    assert stage.margin(BIDDER).equity_haircut == stage.margin(BIDDER).im == 286 * WAD


def test_stale_surfaces_do_not_stop_it(owned):
    owned.later(7_201)
    seize(owned, TRADER, BIDDER, WAD, 0)
    assert not owned.margin(BIDDER).fresh


def test_a_dead_feed_stops_it(owned):
    reason = owned.kill_feed(ETH, "zero")
    refuses(owned, reason, TRADER, BIDDER, WAD, 0)


def test_ledger_over_the_maximum(owned):
    refuses(owned, "clearinghouse: ledger over the maximum", TRADER, BIDDER, WAD, MAX_LEDGER + 1_000 * WAD)
    refuses(owned, BELOW, TRADER, BIDDER, WAD, MAX_LEDGER)


def test_a_payment_that_no_ledger_holds(owned):
    assert owned.on_chain("book", "seize", TRADER, BIDDER, WAD, 2**255, 0, sender=SEIZER) == ""
    owned.pair.compare(EVERYONE)


def test_quantity_over_the_maximum(stage):
    stage.bring("trader", stage.weth, MAX_QUANTITY)
    stage.bring("bidder", stage.weth, 1)
    refuses(stage, "clearinghouse: quantity over the maximum", TRADER, BIDDER, WAD, 0)
    seize(stage, TRADER, BIDDER, WAD - 10**9, 0)
    assert stage.quantity(BIDDER, stage.spot) == MAX_QUANTITY - 10**18 + 1


def test_too_many_positions(stage):
    for strike in range(2_001, 2_127):
        stage.list(ETH, EXPIRY, CALL, strike)
    stage.surfaces[ETH, EXPIRY] += tuple(make_row(CALL, strike) for strike in range(2_001, 2_127))
    stage.post()
    for role in ("maker", "trader", "bidder"):
        stage.fund(role, 10**6)
    rows = stage.ask("registry", "listing", ETH, EXPIRY)
    for instrument in rows[1:127]:
        stage.trade(BIDDER, MAKER, instrument, WAD // 100, 100 * WAD)
    for instrument in rows[126:128]:
        stage.trade(TRADER, MAKER, instrument, 2, 100 * WAD)
    # 126 words, one of two is new: 127
    with stage.pair.isolated():
        seize(stage, TRADER, BIDDER, WAD // 2, 0)
        assert len(stage.ask("book", "positions", BIDDER)) == 127
    stage.fund("other", 10_000)
    stage.trade(TRADER, OTHER, rows[128], 2, 100 * WAD)
    refuses(stage, "clearinghouse: too many positions", TRADER, BIDDER, WAD // 2, 0)
    refuses(stage, "clearinghouse: too many positions", BIDDER, TRADER, WAD, 0)


# ----------------------------------------------------------------------------------------------- fees and the rest


def test_a_fee_of_the_payment_is_the_funds(owned):
    seize(owned, TRADER, BIDDER, WAD // 4, 300 * WAD, 20 * WAD)
    assert owned.ledger(TRADER) == (955 * WAD, -1_500 * WAD)
    assert owned.ledger(BIDDER) == (9_925 * WAD, -500 * WAD)
    assert owned.ledger(owned.pair.twin.at.fund << 96) == (20 * WAD, 0)
    assert owned.last()[1]["fee"] == 20 * WAD


def test_a_fee_of_all_of_it_and_no_more(owned):
    refuses(owned, "clearinghouse: fee over the payment", TRADER, BIDDER, WAD, 5 * WAD, 5 * WAD + 1)
    refuses(owned, "clearinghouse: fee over the payment", TRADER, BIDDER, WAD, 0, 2**256 - 1)
    seize(owned, TRADER, BIDDER, WAD, 5 * WAD, 5 * WAD)
    assert owned.ledger(TRADER) == (0, 0)


@pytest.mark.parametrize("number", [0, 1, 2, 2**96 - 1])
def test_the_systems_accounts_neither_are_seized_nor_bid(owned, number):
    refuses(owned, "clearinghouse: buyer is seller", number, BIDDER, WAD, 0)
    refuses(owned, "clearinghouse: buyer is seller", TRADER, number, WAD, 0)


@pytest.mark.parametrize("of", ["borrow_cap", "total_borrow_cap"])
def test_a_bidder_pays_on_credit_within_the_caps(owned, of):
    owned.bring("other", owned.weth, 10 * WAD)
    owned.limit(**{of: 50 * WAD})
    # of 900 he gets with it, 950 are paid
    refuses(owned, "clearinghouse: borrowing over the cap", TRADER, OTHER, WAD, 950 * WAD + 1)
    seize(owned, TRADER, OTHER, WAD, 950 * WAD)
    assert owned.ledger(OTHER)[0] == -50 * WAD


def test_a_debt_that_is_taken_over_is_the_bidders(stage):
    stage.fund("maker", 10_000)
    for role in ("trader", "bidder"):
        stage.bring(role, stage.weth, WAD)
    stage.trade(TRADER, MAKER, stage.call, WAD, 100 * WAD)
    stage.limit(borrow_cap=60 * WAD)
    refuses(stage, "clearinghouse: borrowing over the cap", TRADER, BIDDER, WAD, 1)
    # what was owed before is owed still: caps that are used up stop no auction
    stage.limit(borrow_cap=0, total_borrow_cap=0)
    with stage.pair.isolated():
        seize(stage, TRADER, BIDDER, WAD, 0)
        assert stage.ledger(BIDDER)[0] == -100 * WAD
        assert stage.ask("book", "pool")[0][4] == 100 * WAD
    stage.fund("other", 101)
    stage.bring("other", stage.weth, WAD)
    seize(stage, TRADER, OTHER, WAD, WAD)
    assert stage.ledger(OTHER)[0] == 0


def test_interest_of_both_is_booked_first(stage):
    stage.curve(base=100_000)
    stage.fund("maker", 10_000)
    stage.fund("bidder", 1_000)
    stage.bring("trader", stage.weth, WAD)
    stage.trade(TRADER, MAKER, stage.call, WAD, 100 * WAD)
    stage.trade(MAKER, TRADER, stage.call, WAD, 100 * WAD)
    stage.trade(TRADER, MAKER, stage.put, WAD, 100 * WAD)
    stage.trade(MAKER, TRADER, stage.put, WAD, 50 * WAD)
    stage.later(365 * 86_400)
    before = stage.ledger(BIDDER)[0]
    assert before > 1_000 * WAD
    assert stage.ledger(TRADER)[0] == -55 * WAD
    seize(stage, TRADER, BIDDER, WAD, 0)
    assert stage.ledger(BIDDER)[0] == before - 55 * WAD


def test_collateral_over_its_cap_changes_hands(owned):
    owned.pair.must("registry", "set_collateral_cap", owned.weth, 1, sender=OWNER)
    seize(owned, TRADER, BIDDER, WAD // 2, 0)
    assert owned.quantity(BIDDER, owned.spot) == WAD
    assert owned.ask("book", "instrument_interest", owned.spot) == 2 * WAD


def test_open_interest_of_an_instrument_closes_with_it(owned):
    owned.trade(MAKER, BIDDER, owned.perp, 3 * WAD // 4, PRICE)
    seize(owned, TRADER, BIDDER, WAD // 2, 0)
    assert owned.ask("book", "instrument_interest", owned.perp) == WAD // 2
    assert owned.ask("book", "instrument_interest", owned.call) == WAD

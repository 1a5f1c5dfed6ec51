"""Clearinghouse.trade: every refusal, what moves, who must be healthy, who may reduce."""

import pytest

from plimsoll.spec.instruments import CALL, FUTURE, PERP, Instrument
from plimsoll.spec.wad import MAX_LEDGER, MAX_PRICE, MAX_QUANTITY
from tests.pairs import account

from .stage import (
    ATTACKER,
    DAY,
    DEAD,
    ETH,
    EXPIRY,
    MAKER,
    NOW,
    OTHER,
    OWNER,
    SOL,
    TRADER,
    VENUE,
    WAD,
    make_row,
    make_scalars,
    wad,
)

PRICE = 2_000 * WAD
BELOW = "clearinghouse: below initial margin"
WORSE = "clearinghouse: price worse than allowed"
OUTSIDE = "clearinghouse: price outside the band"
STALE = "clearinghouse: surface not fresh"


@pytest.fixture
def funded(stage):
    """Trader and other with 1,000, the maker with a million."""
    stage.fund("trader", 1_000)
    stage.fund("other", 1_000)
    stage.fund("maker", 1_000_000)
    return stage


# --------------------------------------------------------------------------------------------------- what moves


@pytest.mark.parametrize("name", ["perp", "future"])
def test_linear_instruments_are_paid_in_linear(funded, name):
    instrument = getattr(funded, name)
    funded.trade(TRADER, MAKER, instrument, 2 * WAD, 1_990 * WAD)
    assert funded.ledger(TRADER) == (1_000 * WAD, -3_980 * WAD)
    assert funded.ledger(MAKER) == (1_000_000 * WAD, 3_980 * WAD)
    assert funded.quantity(TRADER, instrument) == 2 * WAD
    assert funded.quantity(MAKER, instrument) == -2 * WAD
    assert funded.ask("book", "open_interest", ETH) == 2 * WAD
    found = funded.margin(TRADER)
    assert found.equity_full == found.equity_haircut == 1_020 * WAD
    assert (found.mm, found.im, found.call_line) == (440 * WAD, 572 * WAD, 484 * WAD)
    assert funded.last() == (
        "Traded",
        {
            "buyer": TRADER,
            "seller": MAKER,
            "instrument": instrument,
            "quantity": 2 * WAD,
            "price": 1_990 * WAD,
            "paid": 3_980 * WAD,
            "received": 3_980 * WAD,
            "fees": 0,
            "venue": VENUE,
        },
    )
    funded.pair.compare([TRADER, MAKER])


@pytest.mark.parametrize("name", ["call", "put"])
def test_options_are_paid_in_cash(funded, name):
    instrument = getattr(funded, name)
    funded.trade(TRADER, MAKER, instrument, WAD, 105 * WAD)
    assert funded.ledger(TRADER) == (895 * WAD, 0)
    assert funded.ledger(MAKER) == (1_000_105 * WAD, 0)
    assert funded.ledger(TRADER)[0] >= 0
    # marked 100; long: scan 60, gross 10; short: scan 140, gross 10
    found = funded.margin(TRADER)
    assert (found.equity_full, found.mm, found.im) == (995 * WAD, 70 * WAD, 91 * WAD)
    found = funded.margin(MAKER)
    assert (found.equity_full, found.mm, found.im) == (1_000_005 * WAD, 150 * WAD, 195 * WAD)


def test_a_hedged_perp_pair_owes_no_interest(funded):
    """Long perp, short future: a price move is booked in linear on both legs, cash is not touched, nothing is owed."""
    funded.trade(TRADER, MAKER, funded.perp, WAD, PRICE)
    funded.trade(MAKER, TRADER, funded.future, WAD, PRICE)
    for price in (2_500, 1_500, 3_000, 400):
        funded.pair.price(ETH, price * WAD)
        funded.post()
        assert funded.ledger(TRADER) == (1_000 * WAD, 0)
        assert funded.ask("book", "pool")[0][4] == 0
        found = funded.margin(TRADER)
        # no scan; gross 1 % of both legs
        assert (found.equity_full, found.mm) == (1_000 * WAD, price * WAD // 50)
    # the perp, bought for 2,000, brings 400; the future, sold for 2,000, costs 400
    funded.trade(MAKER, TRADER, funded.perp, WAD, 400 * WAD)
    assert funded.ledger(TRADER) == (1_000 * WAD, 400 * WAD)
    assert funded.margin(TRADER).equity_full == 1_000 * WAD
    assert funded.ledger(TRADER)[0] >= 0
    funded.trade(TRADER, MAKER, funded.future, WAD, 400 * WAD)
    assert funded.ledger(TRADER) == (1_000 * WAD, 0)
    assert funded.ledger(MAKER) == (1_000_000 * WAD, 0)
    assert funded.ask("book", "positions", TRADER) == ()
    assert funded.pair.twin.book.ledger(0, NOW) == funded.ledger(0) == (0, 0)


def test_a_hedged_pair_in_two_accounts_owes_no_interest(funded):
    """Long in one account, short in another of the same owner: the loser's loss is linear, not a debt."""
    second = account("trader", 1)
    funded.fund("trader", 1_000, at=1)
    funded.allow("trader", at=1)
    funded.trade(TRADER, second, funded.perp, WAD, PRICE)
    funded.pair.price(ETH, 2_400 * WAD)
    funded.post()
    funded.trade(second, TRADER, funded.perp, WAD, 2_400 * WAD)
    assert funded.ledger(TRADER) == (1_000 * WAD, 400 * WAD)
    assert funded.ledger(second) == (1_000 * WAD, -400 * WAD)
    assert funded.ask("book", "pool")[0][4] == 0


def test_an_option_bought_on_credit_is_borrowed(stage):
    stage.fund("maker", 10_000)
    stage.bring("trader", stage.weth, WAD)
    stage.trade(TRADER, MAKER, stage.call, WAD, 100 * WAD)
    assert stage.ledger(TRADER) == (-100 * WAD, 0)
    assert stage.ask("book", "pool")[0][3:] == (10_100 * WAD, 100 * WAD)
    assert stage.ledger(MAKER)[0] >= 0


@pytest.mark.parametrize(("name", "place"), [("perp", 1), ("call", 0)])
def test_the_dust_of_rounding_goes_to_account_0(funded, name, place):
    instrument = getattr(funded, name)
    mark = 2_000 * WAD if name == "perp" else 100 * WAD
    # one wei of a contract at mark + 1 wei: worth mark / 1e18 and a little
    funded.trade(TRADER, MAKER, instrument, 1, mark + 1)
    event = funded.last()[1]
    assert (event["paid"], event["received"]) == (mark // WAD + 1, mark // WAD)
    assert funded.ledger(0)[place] == 1
    assert funded.ledger(0)[1 - place] == 0
    funded.trade(MAKER, TRADER, instrument, 1, mark + 1)
    assert funded.ledger(0)[place] == 2
    assert funded.ask("book", "positions", TRADER) == ()
    assert sum(funded.ledger(TRADER)) == 1_000 * WAD - 1
    assert sum(funded.ledger(MAKER)) == 1_000_000 * WAD - 1
    funded.pair.compare([TRADER, MAKER])


def test_no_dust_where_nothing_is_rounded(funded):
    funded.trade(TRADER, MAKER, funded.perp, WAD // 10, PRICE + 10)
    assert funded.ledger(0) == (0, 0)
    assert funded.ledger(TRADER)[1] == -200 * WAD - 1


@pytest.mark.parametrize("name", ["perp", "call"])
def test_from_long_to_short_in_one_trade(funded, name):
    instrument, price = getattr(funded, name), PRICE if name == "perp" else 100 * WAD
    funded.trade(TRADER, MAKER, instrument, WAD, price)
    assert funded.ask("book", "open_interest", ETH) == WAD
    funded.trade(MAKER, TRADER, instrument, 3 * WAD, price)
    assert funded.quantity(TRADER, instrument) == -2 * WAD
    assert funded.quantity(MAKER, instrument) == 2 * WAD
    assert funded.ask("book", "open_interest", ETH) == 2 * WAD
    funded.trade(TRADER, MAKER, instrument, 2 * WAD, price)
    assert funded.ask("book", "open_interest", ETH) == 0
    assert funded.ask("book", "positions", TRADER) == funded.ask("book", "positions", MAKER) == ()


def test_open_interest_is_what_all_are_long(funded):
    funded.trade(TRADER, MAKER, funded.perp, WAD, PRICE)
    funded.trade(OTHER, MAKER, funded.perp, WAD, PRICE)
    funded.trade(MAKER, TRADER, funded.future, WAD // 2, PRICE)
    funded.trade(OTHER, TRADER, funded.perp, WAD, PRICE)  # a long passes on: nothing opens
    assert funded.ask("book", "open_interest", ETH) == 5 * WAD // 2
    assert funded.ask("book", "open_interest", SOL) == 0
    assert funded.quantity(OTHER, funded.perp) == 2 * WAD
    funded.pair.compare([TRADER, MAKER, OTHER])


# ------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize("sender", [ATTACKER, OWNER, TRADER >> 96])
def test_a_venue_that_is_not_admitted(funded, sender):
    args = TRADER, MAKER, funded.perp, WAD, PRICE
    funded.refuses_trade("registry: venue not admitted", *args, sender=sender)


def test_the_buyer_is_the_seller(funded):
    funded.refuses_trade("clearinghouse: buyer is seller", TRADER, TRADER, funded.perp, WAD, PRICE)


def test_quantities(funded):
    funded.refuses_trade("clearinghouse: zero quantity", TRADER, MAKER, funded.perp, 0, PRICE)
    over = "clearinghouse: quantity over the maximum"
    for quantity in (MAX_QUANTITY + 1, 2**255, 2**256 - 1):
        funded.refuses_trade(over, TRADER, MAKER, funded.perp, quantity, PRICE)
    funded.refuses_trade(BELOW, TRADER, MAKER, funded.perp, MAX_QUANTITY, PRICE)
    funded.trade(TRADER, MAKER, funded.perp, 1, PRICE)
    funded.refuses_trade(over, TRADER, MAKER, funded.perp, MAX_QUANTITY, PRICE)


def test_prices(funded):
    funded.refuses_trade("clearinghouse: zero price", TRADER, MAKER, funded.perp, WAD, 0)
    for price in (MAX_PRICE + 1, 2**256 - 1):
        funded.refuses_trade("clearinghouse: price over the maximum", TRADER, MAKER, funded.perp, WAD, price)
    funded.refuses_trade(OUTSIDE, TRADER, MAKER, funded.perp, WAD, MAX_PRICE)
    funded.refuses_trade(OUTSIDE, TRADER, MAKER, funded.perp, WAD, 1)


@pytest.mark.parametrize("name", ["perp", "future"])
def test_the_price_band_is_a_tenth_of_the_index_around_the_mark(funded, name):
    instrument = getattr(funded, name)
    for good, bad in ((2_200 * WAD, 2_200 * WAD + 1), (1_800 * WAD, 1_800 * WAD - 1)):
        funded.refuses_trade(OUTSIDE, TRADER, MAKER, instrument, WAD, bad)
        funded.trade(TRADER, MAKER, instrument, WAD, good)
        funded.trade(MAKER, TRADER, instrument, WAD, good)
    assert funded.ledger(TRADER) == (1_000 * WAD, 0)


def test_the_price_band_of_an_option_is_of_the_index_too(funded):
    # marked 100: from next to nothing to 300
    funded.refuses_trade(OUTSIDE, TRADER, MAKER, funded.call, WAD, 300 * WAD + 1)
    funded.trade(TRADER, MAKER, funded.call, WAD, 300 * WAD)
    funded.trade(MAKER, TRADER, funded.call, WAD, 1)
    assert funded.ledger(TRADER) == (700 * WAD + 1, 0)


def test_the_band_goes_with_the_index_and_its_setting(funded):
    funded.pair.price(ETH, 2_010 * WAD)
    funded.trade(TRADER, MAKER, funded.perp, WAD, 2_211 * WAD)
    funded.refuses_trade(OUTSIDE, MAKER, TRADER, funded.perp, WAD, 2_211 * WAD + 1)
    funded.pair.must("registry", "set_bands", 1_000, 1_000, sender=OWNER)
    funded.refuses_trade(OUTSIDE, MAKER, TRADER, funded.perp, WAD, wad("2012.01") + 1)
    funded.trade(MAKER, TRADER, funded.perp, WAD, wad("2012.01"))
    assert funded.ledger(TRADER)[1] == -wad("198.99")


@pytest.mark.parametrize("change", [1, -1, 1 << 16, 1 << 64, 1 << 72, 1 << 112])
def test_an_id_that_is_off_by_one_in_a_field(funded, change):
    reason = "registry: unknown instrument"
    funded.refuses_trade(reason, TRADER, MAKER, funded.call + change, WAD, 100 * WAD)


def test_collateral_is_not_traded(funded):
    funded.refuses_trade("registry: unknown instrument", TRADER, MAKER, funded.spot, WAD, PRICE)
    made = Instrument(ETH, 0, PERP, 0, 7).pack()
    funded.refuses_trade("registry: unknown instrument", TRADER, MAKER, made, WAD, PRICE)


def test_an_instrument_lives_until_the_second_before_it_expires(funded):
    funded.later(EXPIRY - NOW - 1)
    funded.post()
    funded.trade(TRADER, MAKER, funded.future, WAD, PRICE)
    funded.later(1)
    funded.post()
    for name in ("future", "call", "put"):
        args = TRADER, MAKER, getattr(funded, name), WAD, PRICE
        funded.refuses_trade("registry: instrument expired", *args)
    funded.trade(TRADER, MAKER, funded.perp, WAD, PRICE)
    assert funded.quantity(TRADER, funded.future) == WAD


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed(funded, way):
    reason = funded.kill_feed(ETH, way)
    funded.refuses_trade(reason, TRADER, MAKER, funded.perp, WAD, PRICE)


def test_a_dead_feed_of_another_position_of_the_account(funded):
    funded.trade(TRADER, MAKER, funded.sol_perp, WAD, 100 * WAD)
    reason = funded.kill_feed(SOL, "zero")
    funded.refuses_trade(reason, TRADER, OTHER, funded.perp, WAD // 10, PRICE)
    funded.refuses_trade(reason, OTHER, TRADER, funded.perp, WAD // 10, PRICE)
    assert funded.ask("book", "open_interest", ETH) == 0


def test_ledger_over_the_maximum(funded):
    from .test_deposit import put_cash

    put_cash(funded, MAKER, MAX_LEDGER)
    put_cash(funded, TRADER, 10**30)
    funded.refuses_trade("clearinghouse: ledger over the maximum", TRADER, MAKER, funded.call, WAD, 100 * WAD)
    put_cash(funded, MAKER, MAX_LEDGER - 100 * WAD)
    funded.trade(TRADER, MAKER, funded.call, WAD, 100 * WAD)
    assert funded.ledger(MAKER) == (MAX_LEDGER, 0)


def test_127_positions_and_no_more(stage):
    """The 128th is refused to the buyer, to the seller, and to a deposit; one less makes room."""
    strikes = range(2_001, 2_127)
    for strike in strikes:
        stage.list(ETH, EXPIRY, CALL, strike)
    stage.surfaces[ETH, EXPIRY] += tuple(make_row(CALL, strike) for strike in strikes)
    stage.post()
    stage.fund("trader", 10**6)
    stage.fund("maker", 10**6)
    stage.fund("other", 10**6)
    rows = stage.ask("registry", "listing", ETH, EXPIRY)
    assert len(rows) == 129
    for instrument in rows[1:128]:
        stage.trade(TRADER, MAKER, instrument, WAD // 100, 100 * WAD)
    assert len(stage.ask("book", "positions", TRADER)) == len(stage.ask("book", "positions", MAKER)) == 127
    reason = "clearinghouse: too many positions"
    stage.refuses_trade(reason, TRADER, OTHER, rows[128], WAD // 100, 100 * WAD)
    stage.refuses_trade(reason, OTHER, MAKER, rows[128], WAD // 100, 100 * WAD)
    stage.pair.mint(stage.weth, TRADER >> 96, 1)
    stage.refuses(reason, "book", "deposit", TRADER, stage.weth, 1, sender=TRADER >> 96)
    stage.trade(TRADER, OTHER, rows[64], WAD // 100, 100 * WAD)
    stage.trade(OTHER, TRADER, rows[1], WAD // 100, 100 * WAD)
    assert len(stage.ask("book", "positions", TRADER)) == 126
    stage.trade(TRADER, OTHER, rows[128], WAD // 100, 100 * WAD)
    assert stage.quantity(TRADER, rows[128]) == WAD // 100
    words = stage.ask("book", "positions", TRADER)
    assert [word & (2**128 - 1) for word in words] == sorted(word & (2**128 - 1) for word in words)
    stage.pair.compare([TRADER, MAKER, OTHER])


# -------------------------------------------------------------------------------------------------------- margin


@pytest.mark.parametrize("is_buyer", [True, False])
def test_exactly_initial_margin_and_one_wei_less(stage, is_buyer):
    stage.fund("maker", 10_000)
    stage.fund("trader", 286)
    sides = (TRADER, MAKER) if is_buyer else (MAKER, TRADER)
    worse = 1 if is_buyer else -1
    stage.refuses_trade(BELOW, *sides, stage.perp, WAD, PRICE + worse)
    stage.trade(*sides, stage.perp, WAD, PRICE)
    found = stage.margin(TRADER)
    assert found.equity_haircut == found.im == 286 * WAD
    assert stage.ask("book", "state", TRADER) == 0
    stage.refuses_trade(BELOW, *sides, stage.perp, 1, PRICE)


def test_both_sides_are_checked(stage):
    stage.fund("trader", 1_000)
    stage.refuses_trade(BELOW, TRADER, OTHER, stage.perp, WAD, PRICE)
    stage.refuses_trade(BELOW, OTHER, TRADER, stage.perp, WAD, PRICE)
    stage.fund("other", 286)
    stage.trade(OTHER, TRADER, stage.perp, WAD, PRICE)
    assert stage.quantity(OTHER, stage.perp) == WAD


def test_no_new_risk_on_old_surfaces(funded):
    funded.later(7_200)
    funded.trade(TRADER, MAKER, funded.perp, WAD, PRICE)
    funded.later(1)
    funded.refuses_trade(STALE, TRADER, MAKER, funded.perp, WAD, PRICE)


@pytest.mark.parametrize(("far", "near"), [(2_020 * WAD + 1, 2_020 * WAD), (1_980 * WAD - 1, 1_980 * WAD)])
def test_no_new_risk_on_surfaces_beyond_the_gate(funded, far, near):
    funded.pair.price(ETH, far)
    funded.refuses_trade(STALE, TRADER, MAKER, funded.perp, WAD, PRICE)
    funded.pair.price(ETH, near)
    funded.trade(TRADER, MAKER, funded.perp, WAD, PRICE)
    assert funded.quantity(TRADER, funded.perp) == WAD


def test_no_new_risk_in_a_row_that_no_surface_has(funded):
    made = funded.list(ETH, EXPIRY + DAY, FUTURE)
    funded.refuses_trade(BELOW, TRADER, MAKER, made, WAD, PRICE)
    # charged half of the index: 1,000, and a factor of 1.3 on it
    funded.refuses_trade(STALE, TRADER, MAKER, made, WAD // 2, PRICE)
    funded.surfaces[ETH, EXPIRY + DAY] = (make_row(FUTURE),)
    funded.post()
    funded.trade(TRADER, MAKER, made, WAD // 2, PRICE)
    assert funded.quantity(TRADER, made) == WAD // 2


def test_risk_is_reduced_on_old_surfaces(funded):
    funded.trade(TRADER, MAKER, funded.perp, WAD, PRICE)
    funded.later(7_201)
    funded.trade(MAKER, TRADER, funded.perp, WAD // 2, PRICE)
    assert funded.quantity(TRADER, funded.perp) == WAD // 2
    # not past zero into as much and more of the other side
    funded.refuses_trade(STALE, MAKER, TRADER, funded.perp, WAD + 1, PRICE)
    funded.trade(MAKER, TRADER, funded.perp, WAD, PRICE)
    assert funded.quantity(TRADER, funded.perp) == -WAD // 2


@pytest.fixture
def restricted(stage):
    """The trader long one perp with equity 280, at 1,980: MM 217.8, IM 283.14, all fresh."""
    stage.sick(300, 1_980)
    assert stage.ask("book", "state", TRADER) == 1
    assert stage.margin(TRADER).fresh
    return stage


def test_a_restricted_account_may_reduce(restricted):
    restricted.trade(MAKER, TRADER, restricted.perp, WAD // 1_000, 1_980 * WAD)
    assert restricted.quantity(TRADER, restricted.perp) == WAD - WAD // 1_000
    assert restricted.ask("book", "state", TRADER) == 1
    restricted.trade(MAKER, TRADER, restricted.perp, WAD - WAD // 1_000, 1_980 * WAD)
    assert restricted.ledger(TRADER) == (300 * WAD, -20 * WAD)
    assert restricted.ask("book", "state", TRADER) == 0


def test_a_restricted_account_may_not_add(restricted):
    for instrument, price in ((restricted.perp, 1_980), (restricted.future, 1_980), (restricted.call, 90)):
        restricted.refuses_trade(BELOW, TRADER, MAKER, instrument, WAD // 1_000, price * WAD)
    restricted.refuses_trade(BELOW, TRADER, MAKER, restricted.perp, 1, 1_980 * WAD)


def test_a_restricted_account_may_hedge(restricted):
    # short future against a long perp: scan falls by more than gross rises
    restricted.trade(MAKER, TRADER, restricted.future, WAD // 10, 1_980 * WAD)
    assert restricted.quantity(TRADER, restricted.future) == -WAD // 10


@pytest.mark.parametrize(("market", "passes"), [(100_000, True), (1_000_000, False)])
def test_a_hedge_that_raises_initial_margin_is_no_reduction(restricted, market, passes):
    # .1 of a future, a short that the maker passes on, so that open interest stays 1.1 in a depth of 5: MM falls by
    # 17.82, and IM by 23.166 but for the market term, 2.2 % or 22 % of the 198 that the legs grow by
    restricted.fund("other", 1_000)
    restricted.trade(OTHER, MAKER, restricted.future, WAD // 10, 1_980 * WAD)
    restricted.scalars[ETH] = make_scalars(ETH, depth=5 * WAD, kappa=0, market=market)
    restricted.post()
    before = restricted.margin(TRADER)
    args = MAKER, TRADER, restricted.future, WAD // 10, 1_980 * WAD
    if passes:
        restricted.trade(*args)
        after = restricted.margin(TRADER)
        assert (before.mm - after.mm, before.im - after.im) == (wad("17.82"), wad("18.81"))
    else:
        restricted.refuses_trade(BELOW, *args)
        assert restricted.margin(TRADER) == before


def test_price_worse_than_allowed(restricted):
    # the reduce band is 1 % of 1,980: 19.8; .005 perps leave the account restricted
    small, edge = WAD // 200, wad("1960.2")
    restricted.refuses_trade(WORSE, MAKER, TRADER, restricted.perp, small, edge - 1)
    restricted.trade(MAKER, TRADER, restricted.perp, small, edge)
    assert restricted.ask("book", "state", TRADER) == 1


def test_a_better_price_is_always_allowed(restricted):
    restricted.trade(MAKER, TRADER, restricted.perp, WAD // 200, 2_178 * WAD)
    assert restricted.quantity(TRADER, restricted.perp) == WAD - WAD // 200


def test_a_bad_price_after_which_the_account_is_healthy(restricted):
    # half of it at 1,900, 80 under the mark: equity 240 over an IM of 141.57
    restricted.trade(MAKER, TRADER, restricted.perp, WAD // 2, 1_900 * WAD)
    assert restricted.ask("book", "state", TRADER) == 0


def test_a_short_buys_back_no_dearer_than_the_band(stage):
    stage.fund("maker", 10_000)
    stage.fund("trader", 300)
    stage.trade(MAKER, TRADER, stage.perp, WAD, PRICE)
    stage.pair.price(ETH, 2_020 * WAD)
    assert stage.ask("book", "state", TRADER) == 1
    small, edge = WAD // 1_000, wad("2040.2")
    stage.refuses_trade(WORSE, TRADER, MAKER, stage.perp, small, edge + 1)
    stage.trade(TRADER, MAKER, stage.perp, small, edge)
    stage.trade(TRADER, MAKER, stage.perp, small, 1_900 * WAD)
    assert stage.quantity(TRADER, stage.perp) == -WAD + 2 * small


def test_a_sick_account_sells_off_until_its_health_would_fall(stage):
    # equity 200, MM 209 at 1,900: a perp frees 209 of MM, so a price 209 under the mark is break-even; the band, 19,
    # stops it first
    stage.sick(300, 1_900)
    assert stage.ask("book", "state", TRADER) == 3
    stage.refuses_trade(WORSE, MAKER, TRADER, stage.perp, WAD // 10, 1_881 * WAD - 1)
    stage.trade(MAKER, TRADER, stage.perp, WAD // 10, 1_881 * WAD)
    assert stage.margin(TRADER).equity_haircut == wad("198.1")


def test_health_may_not_fall_by_a_reduction(stage):
    # 50 % band: half a perp 150 under the mark frees 104.5 of MM and costs 75, passes; a tenth of a call sold short
    # at 10 takes margin: refused
    stage.pair.must("registry", "set_bands", 500_000, 500_000, sender=OWNER)
    stage.sick(300, 1_900)
    stage.refuses_trade(BELOW, MAKER, TRADER, stage.perp, WAD // 10, 1_690 * WAD)
    stage.trade(MAKER, TRADER, stage.perp, WAD // 10, 1_691 * WAD)
    assert stage.margin(TRADER).equity_haircut == wad("179.1")


def test_an_insolvent_account_may_not_trade(stage):
    stage.sick(300, 1_650)
    assert stage.ask("book", "state", TRADER) == 4
    stage.refuses_trade(BELOW, MAKER, TRADER, stage.perp, WAD, 1_650 * WAD)
    stage.pair.must("registry", "set_bands", 100_000, 100_000, sender=OWNER)
    # sold so dear that equity is zero again, 50 over the mark: passes
    stage.refuses_trade(BELOW, MAKER, TRADER, stage.perp, WAD, 1_700 * WAD - 1)
    stage.trade(MAKER, TRADER, stage.perp, WAD, 1_700 * WAD)
    assert sum(stage.ledger(TRADER)) == 0


def test_the_counterparty_of_a_reduction_must_be_healthy(stage):
    stage.sick(300, 1_980)
    stage.fund("other", 1)
    stage.refuses_trade(BELOW, OTHER, TRADER, stage.perp, WAD // 2, 1_980 * WAD)
    stage.fund("other", 200)
    stage.trade(OTHER, TRADER, stage.perp, WAD // 2, 1_980 * WAD)
    assert stage.quantity(OTHER, stage.perp) == WAD // 2

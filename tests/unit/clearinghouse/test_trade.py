"""Clearinghouse.trade: every refusal, what moves, who must be healthy, who may reduce."""

from dataclasses import replace

import pytest

from plimsoll.spec.instruments import CALL, FUTURE, PERP, Instrument
from plimsoll.spec.margin import Params
from plimsoll.spec.report import pack_floors, pack_rates
from plimsoll.spec.surface import LANES
from plimsoll.spec.wad import MAX_LEDGER, MAX_PRICE, MAX_QUANTITY
from tests.pairs import account

from .stage import (
    ATTACKER,
    BIDDER,
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
    clean_stage,
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


# ---------------------------------------------------------------------------------------------------------- fees


@pytest.fixture
def charged(funded):
    """A taker pays 1 %, a maker .5 %, 5 % at most, more with volatility and utilisation."""
    funded.fees(taker=10_000, maker=5_000, cap=50_000)
    return funded


def fund_of(stage):
    return stage.ledger(stage.pair.twin.at.fund << 96)


@pytest.mark.parametrize(
    ("takes", "paid", "received"), [((), 2_020, 1_990), ((True,), 2_020, 1_990), ((False,), 2_010, 1_980)]
)
def test_taker_and_maker_pay_on_the_index(charged, takes, paid, received):
    charged.trade(TRADER, MAKER, charged.perp, WAD, PRICE, *takes)
    assert charged.ledger(TRADER) == (1_000 * WAD, -paid * WAD)
    assert charged.ledger(MAKER) == (1_000_000 * WAD, received * WAD)
    assert fund_of(charged) == (0, 30 * WAD)
    assert charged.ledger(0) == (0, 0)
    args = charged.last()[1]
    assert (args["paid"], args["received"], args["fees"]) == (paid * WAD, received * WAD, 30 * WAD)
    charged.pair.compare([TRADER, MAKER])


def test_of_an_option_on_the_index_too_and_in_cash(charged):
    charged.trade(TRADER, MAKER, charged.call, WAD // 2, 100 * WAD)
    # 50 for half a call, 10 and 5 of fees on an index of 2,000
    assert charged.ledger(TRADER) == (940 * WAD, 0)
    assert charged.ledger(MAKER) == (1_000_045 * WAD, 0)
    assert fund_of(charged) == (15 * WAD, 0)


def test_a_seller_may_pay_more_than_he_gets(charged):
    charged.trade(TRADER, MAKER, charged.call, WAD, WAD, False)
    assert charged.ledger(MAKER) == ((1_000_000 + 1 - 20) * WAD, 0)
    assert charged.last()[1]["received"] == -19 * WAD


@pytest.mark.parametrize(
    ("fields", "taker", "maker"),
    [
        # 60 % of volatility, nothing borrowed
        ({"vol_scale": 500_000}, 13_000, 6_500),
        ({"vol_scale": 10_000_000}, 50_000, 35_000),
        ({"util_scale": 500_000}, 10_000, 5_000),
        ({"vol_scale": 1}, 10_001, 5_001),  # up
    ],
)
def test_fees_rise_with_volatility_to_their_cap(funded, fields, taker, maker):
    funded.fees(**{"taker": 10_000, "maker": 5_000, "cap": 50_000, **fields})
    funded.trade(TRADER, MAKER, funded.perp, WAD // 10, PRICE)
    assert funded.last()[1]["paid"] == 200 * WAD + taker * 200 * WAD // 10**6
    assert funded.last()[1]["fees"] == (taker + maker) * 200 * WAD // 10**6


def test_fees_rise_with_utilisation_as_it_was_before(funded):
    funded.fees(taker=10_000, cap=50_000, util_scale=1_000_000)
    funded.bring("bidder", funded.weth, 10 * WAD)
    bidder = account("bidder")
    # 20 of 300 + 20 fees are borrowed by this trade, at a utilisation of nothing
    funded.trade(bidder, MAKER, funded.call, WAD, 300 * WAD)
    assert funded.last()[1]["fees"] == 20 * WAD
    used = funded.ask("book", "utilisation")
    assert used == 320  # of a million and 2,320, up
    funded.trade(TRADER, MAKER, funded.perp, WAD, PRICE)
    rate = -(-10_000 * (10**6 + used) // 10**6)
    assert funded.last()[1]["fees"] == 2_000 * WAD * rate // 10**6


def test_each_fee_rounds_up(charged):
    charged.trade(TRADER, MAKER, charged.perp, 1, PRICE)
    # 2,000 wei of index: 20 and 10
    assert charged.ledger(TRADER)[1] == -2_020
    charged.trade(MAKER, TRADER, charged.perp, 1, PRICE)
    charged.pair.price(ETH, PRICE + 1)
    charged.trade(TRADER, MAKER, charged.perp, 1, PRICE)
    # of 2,001 wei 20.01 and 10.005
    assert charged.last()[1]["fees"] == 32


def test_margin_counts_the_fee(stage):
    stage.fees(taker=10_000, cap=50_000)
    stage.fund("maker", 10_000)
    stage.fund("trader", 306)
    stage.refuses_trade(BELOW, TRADER, MAKER, stage.perp, WAD, PRICE + 1)
    stage.trade(TRADER, MAKER, stage.perp, WAD, PRICE)
    assert stage.margin(TRADER).equity_haircut == stage.margin(TRADER).im


def test_without_a_fund_fees_are_the_systems():
    from .stage import Stage

    stage = Stage(seizer=ATTACKER, fund=False)
    stage.fees(taker=10_000, cap=50_000)
    stage.fund("maker", 10_000)
    stage.fund("trader", 1_000)
    stage.trade(TRADER, MAKER, stage.perp, WAD, PRICE)
    assert stage.ledger(0) == (0, 20 * WAD)


# ------------------------------------------------------------------------------------------------------- funding


@pytest.fixture
def funding(funded):
    """Longs pay 1 % of 2,000 a day: 20 a contract."""
    funded.scalars[ETH] = make_scalars(ETH, funding=10_000)
    funded.post()
    return funded


def test_a_perp_is_paid_less_the_funding_so_far(funding):
    funding.trade(TRADER, MAKER, funding.perp, WAD, PRICE)
    assert funding.ledger(TRADER)[1] == -PRICE
    funding.later(DAY // 2)
    funding.post()
    # who holds it for half a day pays 10; who buys it now pays for nothing that was
    assert funding.margin(TRADER).equity_full == 990 * WAD
    funding.trade(OTHER, MAKER, funding.perp, WAD, PRICE)
    assert funding.ledger(OTHER)[1] == -1_990 * WAD
    assert funding.margin(OTHER).equity_full == 1_000 * WAD
    funding.later(DAY // 2)
    funding.post()
    funding.trade(MAKER, TRADER, funding.perp, WAD, PRICE)
    funding.trade(MAKER, OTHER, funding.perp, WAD, PRICE)
    assert funding.ledger(TRADER) == (1_000 * WAD, -20 * WAD)
    assert funding.ledger(OTHER) == (1_000 * WAD, -10 * WAD)
    assert funding.ledger(MAKER) == (1_000_000 * WAD, 30 * WAD)


def test_a_future_pays_none(funding):
    funding.later(DAY // 2)
    funding.post()
    funding.trade(TRADER, MAKER, funding.future, WAD, PRICE)
    assert funding.ledger(TRADER)[1] == -PRICE


def test_funding_over_the_price_turns_the_payment(stage):
    """As much a day as there may be, renewed every day, until the sum is over the price."""
    stage.fund("maker", 10**9)
    stage.fund("trader", 10**7)
    stage.scalars[ETH] = make_scalars(ETH, funding=20_000)
    for _ in range(51):
        stage.post()
        stage.later(DAY)
    stage.post()
    assert stage.ask("oracle", "funding", ETH) == 2_040 * WAD
    stage.trade(TRADER, MAKER, stage.perp, 3, PRICE + 1)
    # -40 and a little, three times: up for the buyer, down for the seller
    assert (stage.last()[1]["paid"], stage.last()[1]["received"]) == (-119, -120)
    assert stage.ledger(0) == (0, 1)
    assert stage.ledger(TRADER)[1] == 119


# -------------------------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize("of", ["instrument", "underlying"])
def test_open_interest_over_its_cap(funded, of):
    args = (funded.perp, 2 * WAD) if of == "instrument" else (ETH, 2 * WAD, 0)
    setter = {"instrument": "set_instrument_cap", "underlying": "set_underlying_limits"}[of]
    over = "clearinghouse: open interest over the cap"
    funded.pair.must("registry", setter, *args, sender=OWNER)
    funded.refuses_trade(over, TRADER, MAKER, funded.perp, 2 * WAD + 1, PRICE)
    funded.trade(TRADER, MAKER, funded.perp, 2 * WAD, PRICE)
    funded.refuses_trade(over, OTHER, MAKER, funded.perp, 1, PRICE)
    if of == "underlying":
        funded.refuses_trade(over, OTHER, MAKER, funded.future, 1, PRICE)
    else:
        funded.trade(OTHER, MAKER, funded.future, WAD, PRICE)
        assert funded.ask("book", "instrument_interest", funded.future) == WAD
    # a long that passes on, and one that closes, are free; also over a cap that came down
    funded.pair.must("registry", setter, *(args[0], WAD, *args[2:]), sender=OWNER)
    funded.trade(OTHER, TRADER, funded.perp, WAD, PRICE)
    funded.trade(MAKER, OTHER, funded.perp, WAD // 2, PRICE)
    assert funded.ask("book", "instrument_interest", funded.perp) == 3 * WAD // 2
    funded.refuses_trade(over, OTHER, MAKER, funded.perp, 1, PRICE)
    funded.pair.must("registry", setter, *(args[0], 0, *args[2:]), sender=OWNER)
    funded.trade(OTHER, MAKER, funded.perp, WAD, PRICE)


def test_a_position_below_the_minimum(funded):
    small = "clearinghouse: position below the minimum"
    funded.trade(OTHER, MAKER, funded.call, WAD // 100, 100 * WAD)
    funded.pair.must("registry", "set_underlying_limits", ETH, 0, WAD // 10, sender=OWNER)
    funded.refuses_trade(small, TRADER, MAKER, funded.perp, WAD // 10 - 1, PRICE)
    funded.trade(TRADER, MAKER, funded.perp, WAD // 10, PRICE)
    funded.trade(TRADER, MAKER, funded.perp, 1, PRICE)
    # what is left must be enough, or nothing; of the other side too
    funded.refuses_trade(small, MAKER, TRADER, funded.perp, 2, PRICE)
    funded.refuses_trade(small, OTHER, TRADER, funded.perp, 1, PRICE)
    funded.trade(MAKER, TRADER, funded.perp, WAD // 10 + 1, PRICE)
    # what was smaller before can only grow past it or go
    funded.refuses_trade(small, MAKER, OTHER, funded.call, WAD // 200, 100 * WAD)
    funded.trade(MAKER, OTHER, funded.call, WAD // 100, 100 * WAD)
    assert funded.ask("book", "open_interest", ETH) == 0


def test_the_least_equity_of_an_account_with_positions(stage):
    reason = "clearinghouse: equity below the minimum"
    stage.fund("maker", 10_000)
    stage.fund("trader", 499)
    stage.limit(min_equity=500 * WAD)
    stage.refuses_trade(reason, TRADER, MAKER, stage.perp, WAD // 10, PRICE)
    stage.refuses_trade(reason, MAKER, TRADER, stage.perp, WAD // 10, PRICE)
    stage.fund("trader", 1)
    stage.refuses_trade(reason, TRADER, MAKER, stage.perp, WAD // 10, PRICE + 10)
    stage.trade(TRADER, MAKER, stage.perp, WAD, PRICE)
    # smaller than any may be, it can reduce, at no bad price, and close
    stage.limit(min_equity=600 * WAD)
    stage.refuses_trade(reason, TRADER, MAKER, stage.perp, WAD // 10, PRICE)
    stage.refuses_trade(WORSE, MAKER, TRADER, stage.perp, WAD // 10, 1_980 * WAD - 1)
    stage.trade(MAKER, TRADER, stage.perp, WAD // 10, PRICE)
    stage.trade(MAKER, TRADER, stage.perp, WAD - WAD // 10, PRICE)
    assert stage.ask("book", "positions", TRADER) == ()


def test_the_least_equity_is_asked_from_the_least_margin(stage):
    """One unit of something that loses in no lane: its maintenance margin is one."""
    pair = stage.pair
    params = Params(leg_cost=0, gross_base=(1,) * 4, gross_slope=(0,) * 4)
    pair.must("oracle", "set_params", pack_rates(params), pack_floors(params), sender=OWNER)
    future, call, put = stage.surfaces[ETH, EXPIRY]
    stage.surfaces[ETH, EXPIRY] = (future, replace(call, lanes=(0,) * LANES, gross=1), put)
    stage.post()
    stage.fund("maker", 10_000)
    stage.fund("trader", 499)
    assert stage.assess({stage.call: 1}, 499 * WAD).mm == 1
    stage.limit(min_equity=500 * WAD)
    stage.refuses_trade("clearinghouse: equity below the minimum", TRADER, MAKER, stage.call, 1, 100 * WAD)
    stage.fund("trader", 2)
    stage.trade(TRADER, MAKER, stage.call, 1, 100 * WAD)


def test_no_more_positions_than_governance_lets(funded):
    reason = "clearinghouse: too many positions"
    funded.limit(max_positions=2)
    funded.trade(TRADER, MAKER, funded.perp, WAD // 10, PRICE)
    funded.trade(TRADER, MAKER, funded.call, WAD // 10, 100 * WAD)
    funded.refuses_trade(reason, TRADER, OTHER, funded.put, WAD // 10, 100 * WAD)
    funded.refuses_trade(reason, OTHER, MAKER, funded.put, WAD // 10, 100 * WAD)
    funded.limit(max_positions=1)
    # what is there stays, may change and may go
    funded.trade(TRADER, MAKER, funded.perp, WAD // 10, PRICE)
    funded.trade(MAKER, TRADER, funded.call, WAD // 10, 100 * WAD)
    funded.refuses_trade(reason, TRADER, OTHER, funded.call, WAD // 10, 100 * WAD)


# ------------------------------------------------------------------------------------------------------ mandates


def test_a_venue_that_the_account_does_not_allow(funded):
    reason = "mandates: venue not allowed"
    for role, who in (("trader", TRADER), ("maker", MAKER)):
        with funded.pair.isolated():
            funded.allow(role, expires=NOW)
            funded.trade(TRADER, MAKER, funded.perp, WAD, PRICE)
            funded.later(1)
            funded.refuses_trade(reason, TRADER, MAKER, funded.perp, WAD, PRICE)
            funded.allow(role, expires=0)
            funded.refuses_trade(reason, TRADER, MAKER, funded.perp, WAD, PRICE)
        assert who
    funded.refuses_trade(reason, TRADER, account("trader", 1), funded.perp, WAD, PRICE)


@pytest.mark.parametrize(("is_buyer", "worse", "better"), [(True, 2_010, 1_990), (False, 1_990, 2_010)])
def test_a_venue_loses_an_account_no_more_than_it_said(funded, is_buyer, worse, better):
    def trade(quantity, price):
        sides = (TRADER, MAKER) if is_buyer else (MAKER, TRADER)
        return *sides, funded.perp, quantity, price * WAD

    funded.allow("trader", budget=8 * WAD)
    # 10 a contract against the mark
    funded.refuses_trade("mandates: loss budget used up", *trade(8 * WAD // 10 + 1, worse))
    funded.trade(*trade(WAD // 2, worse))
    assert funded.last("mandates")[1]["loss"] == 5 * WAD
    assert funded.ask("mandates", "allowance", TRADER, VENUE)[1] == 3 * WAD
    funded.trade(*trade(WAD // 10, better))
    funded.trade(*trade(WAD // 10, 2_000))
    assert funded.ask("mandates", "allowance", TRADER, VENUE)[1] == 3 * WAD
    funded.trade(*trade(3 * WAD // 10, worse))
    funded.refuses_trade("mandates: loss budget used up", *trade(1, worse))
    funded.trade(*trade(WAD // 10, 2_000))


def test_a_venue_trades_what_the_account_said(funded):
    reason = "mandates: instrument not allowed"
    funded.allow("trader", mask=0xFF << 64 | 0xFFFF << 112, base=CALL << 64 | ETH << 112)
    for instrument, price in ((funded.perp, 2_000), (funded.put, 100), (funded.btc_perp, 20_000)):
        funded.refuses_trade(reason, TRADER, MAKER, instrument, WAD // 100, price * WAD)
        funded.refuses_trade(reason, MAKER, TRADER, instrument, WAD // 100, price * WAD)
    funded.trade(TRADER, MAKER, funded.call, WAD, 100 * WAD)


# ----------------------------------------------------------------------------------------------------- borrowing


@pytest.mark.parametrize("of", ["borrow_cap", "total_borrow_cap"])
def test_borrowing_over_the_cap(stage, of):
    reason = "clearinghouse: borrowing over the cap"
    stage.fund("maker", 10_000)
    for role in ("trader", "other"):
        stage.bring(role, stage.weth, WAD)
    stage.limit(**{of: 100 * WAD})
    stage.refuses_trade(reason, TRADER, MAKER, stage.call, WAD, 100 * WAD + 1)
    stage.trade(TRADER, MAKER, stage.call, WAD, 100 * WAD)
    stage.refuses_trade(reason, TRADER, MAKER, stage.put, 1, 100 * WAD)
    if of == "borrow_cap":
        stage.trade(OTHER, MAKER, stage.call, WAD, 100 * WAD)
    else:
        stage.refuses_trade(reason, OTHER, MAKER, stage.call, 1, 100 * WAD)
        # who owes nothing is not bound by what others owe, be it over the cap
        stage.limit(total_borrow_cap=0)
        stage.fund("other", 100)
        stage.trade(OTHER, MAKER, stage.call, WAD, 100 * WAD)
    # linear is no debt, and what brings cash is free
    stage.limit(**{of: 0})
    stage.trade(TRADER, MAKER, stage.perp, WAD // 10, PRICE)
    stage.trade(MAKER, TRADER, stage.call, WAD // 2, 100 * WAD)
    assert stage.ledger(TRADER)[0] == -50 * WAD


def test_a_short_is_bought_back_over_the_cap(stage):
    """What reduces the risk of an account that is not healthy may borrow."""
    stage.fund("maker", 10_000)
    stage.bring("trader", stage.weth, WAD // 5)
    stage.trade(MAKER, TRADER, stage.call, WAD, 100 * WAD)
    stage.pair.must("book", "withdraw", TRADER, stage.usd, 100 * 10**6, TRADER >> 96, sender=TRADER >> 96)
    stage.pair.price(ETH, 2_100 * WAD)
    stage.post()
    stage.limit(borrow_cap=0)
    stage.pair.price(ETH, 2_200 * WAD)
    stage.trade(TRADER, MAKER, stage.call, WAD // 2, stage.mark(stage.call))
    assert stage.ledger(TRADER)[0] < 0
    assert stage.quantity(TRADER, stage.call) == -WAD // 2


def test_interest_is_booked_before_a_trade(stage):
    stage.curve(base=1_000_000)
    stage.fund("maker", 10_000)
    stage.bring("trader", stage.weth, WAD)
    stage.trade(TRADER, MAKER, stage.call, WAD, 100 * WAD)
    stage.later(DAY)
    stage.post()
    owed = -stage.ledger(TRADER)[0]
    assert owed > 100 * WAD
    stage.trade(MAKER, TRADER, stage.call, WAD, 100 * WAD)
    assert stage.ledger(TRADER)[0] == 100 * WAD - owed


# ------------------------------------------------------------------------------------------------------ late profit


class TestLag:
    """Profit of the last hour is margin, but pays nobody: it would leave by the other side."""

    @pytest.fixture
    def late(self):
        """The trader with 1,000, long one perp from 2,000; an hour ago the index was 2,000, now it is 2,300."""
        with clean_stage(lag=3_600) as stage:
            stage.fund("maker", 100_000)
            stage.fund("other", 5_000)
            stage.fund("trader", 1_000)
            stage.trade(TRADER, MAKER, stage.perp, WAD, PRICE)
            stage.pair.must("history", "touch", ETH)
            stage.later(3_600)
            stage.pair.price(ETH, 2_300 * WAD)
            stage.post()
            yield stage

    def test_it_is_margin_at_the_mark(self, late):
        # equity 1,300, late or not, over an IM of 328.9 each
        late.refuses_trade(BELOW, TRADER, OTHER, late.perp, 3 * WAD, 2_300 * WAD)
        late.trade(TRADER, OTHER, late.perp, 2 * WAD + 9 * WAD // 10, 2_300 * WAD)

    def test_it_pays_no_price_worse_than_the_mark(self, late):
        # three perps need 986.7; of 1,300 20 are paid away and 300 late
        args = TRADER, OTHER, late.perp, 2 * WAD
        late.refuses_trade(BELOW, *args, 2_310 * WAD)
        with late.pair.isolated():
            late.trade(*args, 2_300 * WAD)
        late.pair.must("history", "touch", ETH)
        late.later(3_600)
        late.post()
        late.trade(*args, 2_310 * WAD)

    def test_it_cannot_be_passed_on(self, late):
        """Bought dear of a friend and sold at the mark, again and again: only what is old goes."""
        args = TRADER, OTHER, late.perp, WAD // 10
        for _ in range(100):
            if late.pair.step("book", "trade", *args, 2_530 * WAD, sender=VENUE) is not None:
                break
            late.trade(OTHER, TRADER, late.perp, WAD // 10, 2_300 * WAD)
        else:
            pytest.fail("nothing stopped it")
        late.refuses_trade(BELOW, *args, 2_530 * WAD)
        found = late.margin(TRADER)
        assert 300 * WAD <= found.equity_full - found.im < 400 * WAD

    def test_it_buys_no_option_on_credit(self, late):
        # calls for a thousand more than the thousand of cash there is: an IM of 1,026 against 1,300, 300 of them late
        price = late.mark(late.call)
        args = TRADER, MAKER, late.call, 2_000 * WAD * WAD // price, price
        late.refuses_trade(BELOW, *args)
        with late.pair.isolated():
            late.trade(*args[:3], 990 * WAD * WAD // price, price)
        late.pair.must("history", "touch", ETH)
        late.later(3_600)
        late.post()
        # neither does profit that is old, and that nobody has paid yet
        late.refuses_trade(BELOW, *args)
        for who in (MAKER, TRADER):
            late.pair.must("book", "settle", who)
        late.trade(*args)
        assert -700 * WAD <= late.ledger(TRADER)[0] < -699 * WAD

    def test_collateral_still_buys_on_credit(self, late):
        late.bring("trader", late.weth, WAD)
        price = late.mark(late.call)
        late.trade(TRADER, MAKER, late.call, 2_000 * WAD * WAD // price, price)
        assert -1_000 * WAD <= late.ledger(TRADER)[0] < -999 * WAD

    def test_what_is_bought_now_brings_no_late_profit(self, late):
        """Only what it held before can have earned it."""
        late.fund("bidder", 700)
        late.trade(BIDDER, OTHER, late.perp, 2 * WAD, 2_300 * WAD + 1)

    def test_an_underlying_that_nobody_touched(self, late):
        late.trade(OTHER, MAKER, late.sol_perp, WAD, 100 * WAD)
        reason = "history: no price of so long ago"
        late.refuses_trade(reason, OTHER, MAKER, late.sol_perp, WAD, 100 * WAD + 1)

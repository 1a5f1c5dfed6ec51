"""Clearinghouse.expire: what time owes an account: interest, and positions whose price is fixed."""

import pytest

from plimsoll.spec.instruments import CALL, PUT
from plimsoll.spec.wad import div_floor
from tests.pairs import address_of

from .stage import (
    ATTACKER,
    BIDDER,
    DAY,
    ETH,
    EVERYONE,
    EXPIRY,
    MAKER,
    NOW,
    OTHER,
    OWNER,
    TRADER,
    USD,
    WAD,
    clean_stage,
    make_row,
    wad,
)

SEIZER = address_of("seizer")
POOL = 1


def expire(stage, who):
    stage.pair.must("book", "expire", who, sender=ATTACKER)
    stage.pair.compare([*EVERYONE, POOL])


def open_all(stage, quantity=WAD):
    """The trader long a future, a call and a put, the maker short; bought at their marks."""
    stage.fund("maker", 100_000)
    stage.fund("trader", 10_000)
    for instrument, price in ((stage.future, 2_000), (stage.call, 100), (stage.put, 100)):
        stage.trade(TRADER, MAKER, instrument, quantity, price * WAD)


@pytest.mark.parametrize("price", [2_150, 2_000, 1_850, 1, "2000.000000000000000001"])
def test_calls_puts_and_futures(stage, price):
    linear = price = wad(price)
    cash = abs(price - 2_000 * WAD)  # of the call or the put
    open_all(stage)
    stage.settle_expiry(price)
    expire(stage, TRADER)
    assert stage.ledger(TRADER) == (9_800 * WAD + cash, -2_000 * WAD + linear)
    assert stage.ask("book", "positions", TRADER) == ()
    assert stage.ledger(POOL) == (-cash, -linear)
    logged = [event for event in stage.book.log if event.name == "Expired"]
    assert [dict(event.args) for event in logged] == [
        {"account": TRADER, "instrument": instrument, "quantity": WAD, "price": price}
        for instrument in sorted((stage.future, stage.call, stage.put))
    ]
    expire(stage, MAKER)
    assert stage.ledger(MAKER) == (100_200 * WAD - cash, 2_000 * WAD - linear)
    assert stage.ledger(POOL) == (0, 0)
    # the future's gain is the maker's loss, still in linear: settled like any other
    stage.pair.must("book", "settle", MAKER)
    stage.pair.must("book", "settle", TRADER)
    assert sum(stage.ledger(POOL)) == 0


@pytest.mark.parametrize("kind", [CALL, PUT])
def test_what_expires_later_is_kept_whole(stage, kind):
    """It pays nothing yet, also where it stands behind what is settled."""
    later = EXPIRY + 30 * DAY
    kept = stage.list(ETH, later, kind, 2_000)
    stage.surfaces[ETH, later] = (make_row(kind, 2_000),)
    stage.post()
    open_all(stage)
    stage.trade(TRADER, MAKER, kept, 3 * WAD, 100 * WAD)
    stage.settle_expiry(2_150 * WAD)
    told = (9_500 * WAD + 150 * WAD, 150 * WAD), ((kept, 3 * WAD),)

    def held():
        return stage.ledger(TRADER), tuple((w % 2**128, w >> 128) for w in stage.ask("book", "positions", TRADER))

    assert held() == told
    expire(stage, TRADER)
    assert held() == told


@pytest.mark.parametrize("quantity", [1, 2, WAD])
def test_open_interest_ends_with_what_was_long(stage, quantity):
    """To the unit, whoever of both sides comes first."""
    open_all(stage, quantity)
    assert stage.ask("book", "open_interest", ETH) == 3 * quantity
    stage.settle_expiry(2_100 * WAD)
    expire(stage, MAKER)
    assert stage.ask("book", "open_interest", ETH) == 3 * quantity
    expire(stage, TRADER)
    assert stage.ask("book", "open_interest", ETH) == 0
    for instrument in (stage.future, stage.call, stage.put):
        assert stage.ask("book", "instrument_interest", instrument) == 0


@pytest.mark.parametrize("price", ["2150.700000000000000001", "1849.300000000000000001"])
@pytest.mark.parametrize("quantity", [WAD // 3, 7, 10**18 + 1])
def test_what_is_paid_rounds_against_both_sides(stage, price, quantity):
    open_all(stage, quantity)
    before = [stage.ledger(who) for who in (TRADER, MAKER)]
    stage.settle_expiry(wad(price))
    for who in (TRADER, MAKER):
        expire(stage, who)
    payoffs = (abs(wad(price) - 2_000 * WAD), wad(price))
    for who, sign, (cash, linear) in zip((TRADER, MAKER), (1, -1), before, strict=True):
        pays = [div_floor(sign * quantity * payoff, WAD) for payoff in payoffs]
        assert stage.ledger(who) == (cash + pays[0], linear + pays[1])
    dust = stage.ledger(POOL)
    assert all(0 <= part <= 1 for part in dust)
    assert sum(dust) > 0


def test_a_pool_of_many_sides_ends_with_dust(stage):
    """Whoever comes first: the pool owes while some have not come, and nothing in the end."""
    for role in ("trader", "maker", "bidder", "other"):
        stage.fund(role, 100_000)
    for buyer, seller, quantity in ((TRADER, MAKER, 7), (BIDDER, MAKER, WAD // 7), (OTHER, BIDDER, WAD // 11)):
        for instrument in (stage.call, stage.put):
            stage.trade(buyer, seller, instrument, quantity, 100 * WAD)
        stage.trade(seller, buyer, stage.future, quantity, 2_000 * WAD)
    stage.settle_expiry(wad("2222.222222222222222222"))
    for order in ((TRADER, MAKER, BIDDER, OTHER), (MAKER, OTHER, TRADER, BIDDER)):
        with stage.pair.isolated():
            for who in order:
                expire(stage, who)
            assert all(0 <= part <= 8 for part in stage.ledger(POOL))
            assert stage.ask("book", "open_interest", ETH) == 0


def test_views_show_it_before_it_is_booked(stage):
    open_all(stage)
    stage.settle_expiry(2_150 * WAD)
    shown = stage.ledger(TRADER), stage.margin(TRADER)
    assert shown[0] == (9_950 * WAD, 150 * WAD)
    assert stage.ask("book", "positions", TRADER) == ()
    assert stage.quantity(TRADER, stage.call) == stage.quantity(MAKER, stage.future) == 0
    assert stage.ask("book", "state", TRADER) == 0
    # what all are long falls when longs are booked
    assert stage.ask("book", "open_interest", ETH) == 3 * WAD
    assert stage.ledger(POOL) == (0, 0)
    expire(stage, MAKER)
    assert stage.ask("book", "open_interest", ETH) == 3 * WAD
    expire(stage, TRADER)
    assert (stage.ledger(TRADER), stage.margin(TRADER)) == shown
    assert stage.ask("book", "open_interest", ETH) == 0
    for instrument in (stage.future, stage.call, stage.put):
        assert stage.ask("book", "instrument_interest", instrument) == 0


def test_once(stage):
    open_all(stage)
    stage.settle_expiry(2_150 * WAD)
    expire(stage, TRADER)
    logged, ledger = len(stage.book.log), stage.ledger(TRADER)
    expire(stage, TRADER)
    assert (len(stage.book.log), stage.ledger(TRADER)) == (logged, ledger)


def test_nothing_before_the_expiry_nor_before_a_price(stage):
    open_all(stage)
    expire(stage, TRADER)
    stage.later(EXPIRY - NOW - 1)
    expire(stage, TRADER)
    stage.later(1)
    expire(stage, TRADER)
    assert len(stage.ask("book", "positions", TRADER)) == 3
    assert stage.ledger(TRADER) == (9_800 * WAD, -2_000 * WAD)
    assert stage.book.log[-1].name == "Traded"


def test_not_before_the_price_is_final():
    with clean_stage(delay=3_600) as stage:
        open_all(stage)
        stage.settle_expiry(2_150 * WAD, wait=3_599)
        expire(stage, TRADER)
        assert len(stage.ask("book", "positions", TRADER)) == 3
        with stage.pair.isolated():
            stage.later(1)
            expire(stage, TRADER)
            assert stage.ask("book", "positions", TRADER) == ()
        stage.pair.must("history", "dispute", ETH, EXPIRY, sender=OWNER)
        stage.later(DAY)
        expire(stage, TRADER)
        assert len(stage.ask("book", "positions", TRADER)) == 3


def test_only_the_dead_series_leaves(stage):
    later = stage.list(ETH, EXPIRY + DAY, CALL, 2_000)
    stage.surfaces[ETH, EXPIRY + DAY] = (make_row(CALL, 2_000),)
    stage.post()
    open_all(stage)
    stage.trade(TRADER, MAKER, later, WAD, 100 * WAD)
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)
    stage.bring("trader", stage.weth, WAD)
    stage.settle_expiry(2_150 * WAD)
    expire(stage, TRADER)
    assert [word & (2**128 - 1) for word in stage.ask("book", "positions", TRADER)] == sorted(
        (stage.perp, stage.spot, later)
    )
    expire(stage, MAKER)
    assert stage.ask("book", "open_interest", ETH) == 2 * WAD
    assert stage.ask("book", "instrument_interest", later) == WAD
    assert stage.ask("book", "instrument_interest", stage.spot) == WAD


def test_a_loss_past_all_cash_is_a_debt(stage):
    stage.fund("maker", 200)
    stage.fund("trader", 1_000)
    stage.trade(TRADER, MAKER, stage.call, WAD, 100 * WAD)
    stage.settle_expiry(2_500 * WAD)
    expire(stage, TRADER)
    assert stage.ledger(TRADER) == (1_400 * WAD, 0)
    expire(stage, MAKER)
    assert stage.ledger(MAKER) == (-200 * WAD, 0)
    assert stage.ask("book", "state", MAKER) == 4
    assert stage.ask("book", "pool")[0][3:] == (1_400 * WAD, 200 * WAD)
    assert stage.ledger(POOL) == (0, 0)


def test_the_systems_accounts_have_nothing(stage):
    for who in (0, 1, 2):
        expire(stage, who)
        assert stage.ledger(who) == (0, 0)


@pytest.mark.parametrize("name", ["deposit", "withdraw", "transfer", "settle", "trade"])
def test_whatever_touches_an_account_books_it(stage, name):
    open_all(stage)
    stage.settle_expiry(2_150 * WAD)
    stage.post()
    trader = address_of("trader")
    stage.pair.mint(stage.usd, trader, USD)
    args = {
        "deposit": (TRADER, stage.usd, USD),
        "withdraw": (TRADER, stage.usd, USD, trader),
        "transfer": (TRADER, TRADER + 1, stage.usd, USD),
        "settle": (TRADER,),
        "trade": (TRADER, MAKER, stage.perp, WAD, 2_150 * WAD),
    }[name]
    sender = address_of("venue") if name == "trade" else trader
    stage.pair.must("book", name, *args, sender=sender)
    stage.pair.compare([*EVERYONE, POOL])
    assert stage.ask("book", "instrument_interest", stage.call) == 0
    assert stage.quantity(TRADER, stage.call) == 0


def test_a_seizure_books_both_sides():
    with clean_stage(SEIZER) as stage:
        open_all(stage)
        stage.fund("bidder", 10_000)
        stage.trade(BIDDER, MAKER, stage.put, WAD, 100 * WAD)
        stage.settle_expiry(1_850 * WAD)
        stage.pair.must("book", "seize", TRADER, BIDDER, WAD, 0, 0, sender=SEIZER)
        stage.pair.compare([*EVERYONE, POOL])
        assert stage.ask("book", "positions", BIDDER) == ()
        assert stage.ledger(BIDDER) == ((9_900 + 150 + 9_800 + 150) * WAD, -150 * WAD)


def test_no_price_is_read(stage):
    open_all(stage)
    stage.settle_expiry(2_150 * WAD)
    stage.kill_feed(ETH, "zero")
    stage.pair.must("book", "expire", TRADER)
    assert stage.ledger(TRADER) == (9_950 * WAD, 150 * WAD)
    # what is left needs no margin, so that it can leave on no price at all
    trader = address_of("trader")
    stage.pair.must("book", "withdraw", TRADER, stage.usd, 9_950 * USD, trader, sender=trader)


def test_a_deposit_reads_no_price_even_where_something_expired(stage):
    """I-50: with interest to book and a settled expiry besides."""
    stage.bring("trader", stage.weth, 10 * WAD)
    stage.fund("maker", 100_000)
    stage.trade(TRADER, MAKER, stage.call, WAD, 100 * WAD)
    stage.curve(base=100_000)
    stage.settle_expiry(2_050 * WAD)
    stage.kill_feed(ETH, "reverting")
    stage.fund("trader", 7)
    assert stage.ledger(TRADER)[0] < -43 * WAD
    assert stage.quantity(TRADER, stage.call) == 0


@pytest.mark.parametrize("kind", [CALL, PUT])
def test_out_of_the_money_is_worth_nothing_to_both(stage, kind):
    instrument = stage.call if kind == CALL else stage.put
    stage.fund("maker", 10_000)
    stage.fund("trader", 10_000)
    stage.trade(TRADER, MAKER, instrument, WAD, 100 * WAD)
    stage.settle_expiry(1_990 * WAD if kind == CALL else 2_010 * WAD)
    for who, cash in ((TRADER, 9_900), (MAKER, 10_100)):
        expire(stage, who)
        assert stage.ledger(who) == (cash * WAD, 0)
    assert stage.ledger(POOL) == (0, 0)


def test_a_resolved_price_counts_as_any(stage):
    open_all(stage)
    stage.later(EXPIRY - NOW)
    stage.pair.price(ETH, 2_150 * WAD)
    stage.pair.must("history", "resolve", ETH, EXPIRY, 2_140 * WAD, sender=OWNER)
    expire(stage, TRADER)
    assert stage.ledger(TRADER) == (9_940 * WAD, 140 * WAD)

"""What a bidder takes over and what it meets: several positions that close, a book that is full, the largest short."""

import pytest

from plimsoll.spec.instruments import CALL
from plimsoll.spec.wad import MAX_QUANTITY
from tests.pairs import address_of

from .stage import (
    BIDDER,
    BTC,
    ETH,
    EVERYONE,
    EXPIRY,
    MAKER,
    OTHER,
    SOL,
    TRADER,
    WAD,
    clean_stage,
    make_row,
    make_scalars,
)
from .test_deposit import put_cash

SEIZER = address_of("seizer")
MASK_ID = 2**128 - 1
TOO_MANY = "clearinghouse: too many positions"


@pytest.fixture
def stage():
    """A market whose liquidator is a role, so that a test can be it."""
    with clean_stage(SEIZER) as made:
        for role in ("maker", "trader", "bidder", "other"):
            made.fund(role, 10**6)
        yield made


def seize(stage, fraction):
    stage.pair.must("book", "seize", TRADER, BIDDER, fraction, 0, 0, sender=SEIZER)
    stage.pair.compare(EVERYONE)


def refuses(stage, reason, fraction=WAD):
    stage.refuses(reason, "book", "seize", TRADER, BIDDER, fraction, 0, 0, sender=SEIZER)


def interest(stage):
    return [stage.ask("book", "open_interest", underlying) for underlying in (BTC, ETH, SOL)]


def test_what_closes_is_told_apart_by_underlying(stage):
    """Long here, short there: of BTC a perp, of ETH a perp, a future and a call, of SOL a perp."""
    told = (
        (stage.btc_perp, WAD, 20_000),
        (stage.perp, 2 * WAD, 2_000),
        (stage.future, 3 * WAD, 2_000),
        (stage.call, WAD, 100),
        (stage.sol_perp, 4 * WAD, 100),
    )
    for instrument, quantity, price in told:
        stage.trade(TRADER, MAKER, instrument, quantity, price * WAD)
        stage.trade(OTHER, BIDDER, instrument, quantity, price * WAD)
    assert interest(stage) == [2 * WAD, 12 * WAD, 8 * WAD]
    seize(stage, WAD // 2)
    assert interest(stage) == [3 * WAD // 2, 9 * WAD, 6 * WAD]
    seize(stage, WAD)
    assert interest(stage) == [WAD, 6 * WAD, 4 * WAD]
    assert stage.ask("book", "positions", BIDDER) == stage.ask("book", "positions", TRADER) == ()
    for instrument, quantity, _ in told:
        assert stage.ask("book", "instrument_interest", instrument) == quantity


def test_a_book_that_fills_up_before_its_own_last_word(stage):
    """126 taken over, one of its own: full, and another of its own stands before the last that is to come."""
    strikes = range(2_001, 2_127)
    for strike in strikes:
        stage.list(ETH, EXPIRY, CALL, strike)
    stage.surfaces[ETH, EXPIRY] += tuple(make_row(CALL, strike) for strike in strikes)
    stage.post()
    ids = sorted(stage.ask("registry", "listing", ETH, EXPIRY), key=lambda word: word & MASK_ID)
    assert len(ids) == 129
    assert ids[0] == stage.future
    stage.trade(TRADER, MAKER, ids[0], WAD // 100, 2_000 * WAD)
    for instrument in (*ids[1:126], ids[128]):
        stage.trade(TRADER, MAKER, instrument, WAD // 100, 100 * WAD)
    for instrument in ids[126:128]:
        stage.trade(BIDDER, OTHER, instrument, WAD // 100, 100 * WAD)
    refuses(stage, TOO_MANY)
    refuses(stage, TOO_MANY, WAD // 2)
    stage.trade(OTHER, BIDDER, ids[127], WAD // 100, 100 * WAD)
    refuses(stage, TOO_MANY)  # the last to come is one too many itself
    stage.trade(OTHER, BIDDER, ids[126], WAD // 100, 100 * WAD)
    seize(stage, WAD)
    assert len(stage.ask("book", "positions", BIDDER)) == 127


def test_the_largest_short_and_one_more(stage):
    """Where cash is no object quantities alone decide."""
    stage.scalars[SOL] = make_scalars(SOL, depth=10**28, kappa=0)
    stage.post()
    for who in (TRADER, BIDDER, MAKER):
        put_cash(stage, who, 10**35)
    stage.trade(MAKER, TRADER, stage.sol_perp, MAX_QUANTITY, 100 * WAD)
    stage.trade(OTHER, BIDDER, stage.sol_perp, 1, 100 * WAD)
    refuses(stage, "clearinghouse: quantity over the maximum")
    seize(stage, WAD - 10**9)
    assert stage.quantity(BIDDER, stage.sol_perp) == -(MAX_QUANTITY - 10**18) - 1

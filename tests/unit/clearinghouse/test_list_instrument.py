"""Clearinghouse.list_instrument: who, what, when, and which row."""

import pytest

from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, Instrument

from .stage import ATTACKER, BTC, DELEGATE, ETH, EXPIRY, NOW, OWNER

MALFORMED = "clearinghouse: instrument malformed"


@pytest.mark.parametrize(
    ("kind", "expiry", "strike"),
    [(PERP, 0, 0), (FUTURE, EXPIRY, 0), (CALL, EXPIRY, 1), (PUT, EXPIRY, 2**48 - 1), (FUTURE, NOW + 1, 0)],
)
def test_an_instrument_gets_the_next_row(stage, kind, expiry, strike):
    underlying = ETH if kind in {CALL, PUT} or expiry == NOW + 1 else BTC
    if kind == PERP:
        stage.pair.must("feed", "set_feed", 0x0300, stage.pair.aggregators[ETH], 3_600, 18, sender=OWNER)
        underlying = 0x0300
    rows = stage.ask("book", "listing", underlying, expiry)
    made = stage.list(underlying, expiry, kind, strike)
    assert made == Instrument(underlying, expiry, kind, strike, len(rows)).pack()
    assert stage.ask("book", "listing", underlying, expiry) == (*rows, made)
    assert stage.ask("book", "is_listed", made)
    assert stage.last() == ("InstrumentListed", {"instrument": made})


def test_the_row_is_part_of_what_is_listed(stage):
    assert stage.ask("book", "is_listed", stage.call)
    assert not stage.ask("book", "is_listed", stage.call + 1)
    assert not stage.ask("book", "is_listed", stage.call - 1)
    assert not stage.ask("book", "is_listed", 0)


@pytest.mark.parametrize("sender", [ATTACKER, DELEGATE])
def test_only_the_owner_lists(stage, sender):
    args = ETH, EXPIRY, CALL, 2_100
    stage.refuses("ownable: caller is not the owner", "book", "list_instrument", *args, sender=sender)


@pytest.mark.parametrize(
    ("expiry", "kind", "strike"),
    [
        (EXPIRY, PERP, 0),
        (0, FUTURE, 0),
        (0, CALL, 2_100),
        (0, PUT, 2_100),
        (0, PERP, 1),
        (EXPIRY, FUTURE, 1),
        (EXPIRY, CALL, 0),
        (EXPIRY, PUT, 0),
        (0, SPOT, 0),
        (0, SPOT, 1),
        (EXPIRY, 5, 1),
        (EXPIRY, 255, 1),
    ],
)
def test_malformed(stage, expiry, kind, strike):
    stage.refuses(MALFORMED, "book", "list_instrument", ETH, expiry, kind, strike, sender=OWNER)


def test_an_underlying_without_a_feed(stage):
    stage.refuses("feed: unknown underlying", "book", "list_instrument", 0x0999, 0, PERP, 0, sender=OWNER)


@pytest.mark.parametrize("expiry", [1, NOW - 1, NOW])
def test_an_expiry_that_is_not_ahead(stage, expiry):
    stage.refuses("clearinghouse: instrument expired", "book", "list_instrument", ETH, expiry, FUTURE, 0, sender=OWNER)


def test_already_listed(stage):
    reason = "clearinghouse: already listed"
    stage.refuses(reason, "book", "list_instrument", ETH, 0, PERP, 0, sender=OWNER)
    stage.refuses(reason, "book", "list_instrument", ETH, EXPIRY, CALL, 2_000, sender=OWNER)
    assert stage.list(ETH, EXPIRY, CALL, 2_001) & 0xFFFF == 3


def test_listing_holds_250_rows_and_no_more(stage):
    for strike in range(2_001, 2_001 + 247):
        made = stage.list(ETH, EXPIRY, CALL, strike)
    assert made & 0xFFFF == 249
    reason = "clearinghouse: listing is full"
    stage.refuses(reason, "book", "list_instrument", ETH, EXPIRY, CALL, 5_000, sender=OWNER)
    assert len(stage.ask("book", "listing", ETH, EXPIRY)) == 250
    assert stage.list(ETH, EXPIRY + 1, CALL, 5_000) & 0xFFFF == 0

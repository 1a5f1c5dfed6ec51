"""Registry.list_instrument: who, what, when, and which row."""

import pytest

from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, Instrument

from .bench import ATTACKER, BTC, ETH, EXPIRY, NOT_THE_OWNER, NOW, SOL, UNFED, VENUE

MALFORMED = "registry: instrument malformed"


@pytest.mark.parametrize(
    ("underlying", "expiry", "kind", "strike"),
    [
        (SOL, 0, PERP, 0),
        (BTC, EXPIRY, FUTURE, 0),
        (ETH, EXPIRY, CALL, 1),
        (ETH, EXPIRY, PUT, 2**48 - 1),
        (ETH, NOW + 1, FUTURE, 0),
        (ETH, 2**40 - 1, FUTURE, 0),
    ],
)
def test_an_instrument_gets_the_next_row(bench, underlying, expiry, kind, strike):
    rows = bench.ask("listing", underlying, expiry)
    made = bench.add(underlying, expiry, kind, strike)
    assert made == Instrument(underlying, expiry, kind, strike, len(rows)).pack()
    assert bench.ask("listing", underlying, expiry) == (*rows, made)
    assert bench.ask("is_listed", made)
    assert bench.last() == ("InstrumentListed", {"instrument": made})


@pytest.mark.parametrize("sender", [ATTACKER, VENUE])
def test_only_the_owner_lists(bench, sender):
    bench.refuses(NOT_THE_OWNER, "list_instrument", ETH, EXPIRY, CALL, 2_100, sender=sender)


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
def test_malformed(bench, expiry, kind, strike):
    bench.refuses(MALFORMED, "list_instrument", ETH, expiry, kind, strike)


def test_an_underlying_without_a_feed(bench):
    bench.refuses("feed: unknown underlying", "list_instrument", UNFED, 0, PERP, 0)


@pytest.mark.parametrize("expiry", [1, NOW - 1, NOW])
def test_an_expiry_that_is_not_ahead(bench, expiry):
    bench.refuses("registry: instrument expired", "list_instrument", ETH, expiry, FUTURE, 0)


def test_already_listed(bench):
    reason = "registry: already listed"
    bench.refuses(reason, "list_instrument", ETH, 0, PERP, 0)
    bench.refuses(reason, "list_instrument", ETH, EXPIRY, CALL, 2_000)
    assert bench.add(ETH, EXPIRY, CALL, 2_001) & 0xFFFF == 2


def test_a_cap_does_not_make_room_for_it_again(bench):
    bench.must("set_instrument_cap", bench.call, 1)
    bench.refuses("registry: already listed", "list_instrument", ETH, EXPIRY, CALL, 2_000)


def test_listing_holds_250_rows_and_no_more(bench):
    for strike in range(2_001, 2_001 + 248):
        made = bench.add(ETH, EXPIRY, CALL, strike)
    assert made & 0xFFFF == 249
    bench.refuses("registry: listing is full", "list_instrument", ETH, EXPIRY, CALL, 5_000)
    assert len(bench.ask("listing", ETH, EXPIRY)) == 250
    assert bench.add(ETH, EXPIRY + 1, CALL, 5_000) & 0xFFFF == 0

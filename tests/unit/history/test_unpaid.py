"""History.unpaid: profit that came within a lag, by underlying."""

import pytest

from plimsoll.spec.instruments import PERP, SPOT, Instrument, word
from plimsoll.spec.wad import MAX_PRICE, MAX_QUANTITY, WAD

from .conftest import (
    BTC,
    DEAD,
    ETH,
    EXPIRY,
    LAG,
    SOL,
    UNDERLYINGS,
    UNKNOWN,
    call,
    future,
    make_row,
    make_surface,
    perp,
    put,
    spot,
    wad,
)


@pytest.fixture
def market(bench):
    """Surfaces of all, and an index of 2,000 remembered long enough ago."""
    for underlying in UNDERLYINGS:
        bench.surfaces(underlying)
        bench.step("touch", underlying)
    bench.later(LAG)
    return bench


def test_without_a_lag_nothing_waits_and_nothing_is_read(bench):
    bench.begin(0)
    assert bench.ask("unpaid", [perp(UNKNOWN)]) == 0
    bench.kill(ETH, "stale")
    assert bench.ask("unpaid", [perp()]) == 0


def test_nothing_is_held(market):
    assert market.ask("unpaid", []) == 0


@pytest.mark.parametrize("price", [1, 1_999 * WAD, 2_000 * WAD])
def test_no_profit_for_who_is_long(market, price):
    market.price(ETH, price)
    assert market.ask("unpaid", [perp()]) == 0


@pytest.mark.parametrize(
    ("held", "up", "down"),
    [
        (perp, 100, 0),
        (spot, 100, 0),
        (future, 100, 0),
        (call, 50, 0),
        (put, 0, 50),
        (lambda: perp(quantity=-WAD), 0, 100),
        (lambda: put(quantity=-WAD), 50, 0),
    ],
)
def test_profit_of_one_word(market, held, up, down):
    market.price(ETH, 2_100 * WAD)
    assert market.ask("unpaid", [held()]) == up * WAD
    market.price(ETH, 1_900 * WAD)
    assert market.ask("unpaid", [held()]) == down * WAD


def test_words_of_one_underlying_net(market):
    market.price(ETH, 2_100 * WAD)
    words = [perp(), future(quantity=-WAD)]
    assert market.ask("unpaid", words) == 0
    assert market.ask("unpaid", [spot(), future(), call(quantity=-WAD)]) == 150 * WAD


def test_underlyings_do_not(market):
    market.price(ETH, 2_100 * WAD)
    market.price(BTC, 1_000 * WAD)
    market.price(SOL, 2_010 * WAD)
    assert market.ask("unpaid", [perp(ETH), perp(BTC), perp(SOL)]) == 110 * WAD
    assert market.ask("unpaid", [perp(ETH), perp(BTC, -WAD), perp(SOL)]) == 1_110 * WAD


def test_it_is_paid_once_the_price_has_stood_a_lag(market):
    market.price(ETH, 2_100 * WAD)
    market.step("touch", ETH)
    market.later(LAG - 1)
    assert market.ask("unpaid", [perp()]) == 100 * WAD
    market.later(1)
    assert market.ask("unpaid", [perp()]) == 0


def test_funding_does_not_come_into_it(market):
    market.price(ETH, 2_100 * WAD)
    for funding in (10**30, -(10**30)):
        market.funding(ETH, funding)
        assert market.ask("unpaid", [perp(quantity=-3 * WAD), future(quantity=5 * WAD)]) == 200 * WAD


@pytest.mark.parametrize("funding", [0, 1, -1, 10**18 // 3])
def test_each_worth_is_rounded_down(market, funding):
    market.funding(ETH, funding)
    market.price(ETH, 2_000 * WAD + 1)
    # of a third of a contract: a third of a wei, which shows where the funding carries it over
    found = market.ask("unpaid", [perp(quantity=WAD // 3)])
    assert found == (1 if (WAD // 3) * (1 - funding) // WAD > (WAD // 3) * -funding // WAD else 0)


def test_the_current_surface_serves_both(market):
    # the future at 0.9 of the index, moved by half of it
    market.surface(make_surface(ETH, EXPIRY, make_row(1, mark=9 * 10**11, delta=500_000)))
    market.price(ETH, 2_100 * WAD)
    assert market.ask("unpaid", [future()]) == 50 * WAD


def test_without_a_surface_it_is_the_index(bench):
    bench.step("touch", ETH)
    bench.later(LAG)
    bench.price(ETH, 2_300 * WAD)
    assert bench.ask("unpaid", [future()]) == 300 * WAD
    assert bench.ask("unpaid", [call(strike=2_100)]) == 200 * WAD  # intrinsic values, 0 before
    assert bench.ask("unpaid", [put(strike=2_100, quantity=-WAD)]) == 100 * WAD


def test_a_row_out_of_range_or_of_another_instrument(market):
    market.price(ETH, 2_300 * WAD)
    for row in (0, 2, 3, 65_535):
        stray = word(Instrument(ETH, EXPIRY, 2, 2_100, row).pack(), WAD)
        assert market.ask("unpaid", [stray]) == 200 * WAD


def test_the_forward_counts(market):
    market.surface(make_surface(ETH, EXPIRY, make_row(1), make_row(2, 2_000, mark=0, delta=0), forward=1_500_000_000))
    market.price(ETH, 2_200 * WAD)
    assert market.ask("unpaid", [call()]) == 300 * WAD


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed(market, way):
    reason = market.kill(ETH, way)
    for held in (perp(), spot(), future(), call()):
        assert market.ask("unpaid", [held]) == reason
    assert market.ask("unpaid", [perp(BTC)]) == 0


def test_no_price_of_so_long_ago(bench):
    assert bench.ask("unpaid", [perp()]) == "refused: history: no price of so long ago"
    bench.step("touch", ETH)
    assert bench.ask("unpaid", [perp()]) == "refused: history: no price of so long ago"
    bench.later(LAG)
    assert bench.ask("unpaid", [perp(), future()]) == 0
    assert bench.ask("unpaid", [perp(), perp(BTC)]) == "refused: history: no price of so long ago"


def test_127_words_of_the_largest_size(market):
    market.price(ETH, MAX_PRICE)
    market.price(SOL, MAX_PRICE)
    words = [word(Instrument(ETH, EXPIRY, 1, 0, k).pack(), MAX_QUANTITY) for k in range(64)]
    words += [word(Instrument(SOL, 0, SPOT, 0, k).pack(), MAX_QUANTITY) for k in range(63)]
    each = (MAX_PRICE - 2_000 * WAD) * MAX_QUANTITY // WAD
    assert market.ask("unpaid", words) == 127 * each


def test_no_quantity_that_fits_a_word_overflows(market):
    market.price(ETH, MAX_PRICE)
    market.funding(ETH, 2**110)
    for quantity in (2**127 - 1, -(2**127)):
        words = [word(Instrument(ETH, 0, PERP, 0, k).pack(), quantity) for k in range(127)]
        gain = sum((MAX_PRICE - 2_000 * WAD) * max(0, quantity) for _ in words)
        assert abs(market.ask("unpaid", words) - gain // WAD) <= 1


def test_a_wei_of_price(market):
    market.price(ETH, 2_000 * WAD + 1)
    assert market.ask("unpaid", [perp()]) == 1
    assert market.ask("unpaid", [perp(quantity=WAD - 1)]) == 0
    market.price(ETH, wad("1999.999999999999999999"))
    assert market.ask("unpaid", [perp(quantity=-WAD)]) == 1

"""History.variation: what perps and futures are worth, live and lagged, funding taken off."""

import pytest

from plimsoll.spec.instruments import FUTURE, PERP, Instrument, word
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
)

NONE = "refused: history: no price of so long ago"


@pytest.fixture
def market(bench):
    """Surfaces of all, and an index of 2,000 remembered long enough ago."""
    for underlying in UNDERLYINGS:
        bench.surfaces(underlying)
        bench.step("touch", underlying)
    bench.later(LAG)
    return bench


def test_nothing_is_held(market):
    assert market.ask("variation", []) == (0, 0)


@pytest.mark.parametrize("held", [perp, future])
def test_one_word(market, held):
    market.price(ETH, 2_100 * WAD)
    assert market.ask("variation", [held()]) == (2_100 * WAD, 2_000 * WAD)
    assert market.ask("variation", [held(quantity=-2 * WAD)]) == (-4_200 * WAD, -4_000 * WAD)


def test_other_kinds_are_not_looked_at(market):
    market.kill(ETH, "stale")
    assert market.ask("variation", [spot(), call(), put()]) == (0, 0)
    assert market.ask("variation", [spot(), call(), put(), spot(UNKNOWN)]) == (0, 0)


def test_among_other_kinds(market):
    market.price(ETH, 2_100 * WAD)
    market.price(SOL, 1_000 * WAD)
    words = [perp(), spot(), future(), call(), put(), spot(BTC), perp(SOL, -WAD), call(SOL)]
    assert market.ask("variation", words) == (3_200 * WAD, 2_000 * WAD)


def test_a_perp_less_its_funding(market):
    market.price(ETH, 2_100 * WAD)
    market.funding(ETH, 30 * WAD)
    assert market.ask("variation", [perp()]) == (2_070 * WAD, 1_970 * WAD)
    assert market.ask("variation", [perp(quantity=-WAD)]) == (-2_070 * WAD, -1_970 * WAD)
    assert market.ask("variation", [future()]) == (2_100 * WAD, 2_000 * WAD)
    assert market.ask("variation", [perp(BTC)]) == (2_000 * WAD, 2_000 * WAD)
    market.funding(ETH, -3_000 * WAD)
    assert market.ask("variation", [perp()]) == (5_100 * WAD, 5_000 * WAD)
    market.funding(ETH, 3_000 * WAD)
    assert market.ask("variation", [perp()]) == (-900 * WAD, -1_000 * WAD)


def test_each_word_rounds_down(market):
    market.price(ETH, 1)
    market.later(LAG)
    third = WAD // 3
    assert market.ask("variation", [perp(quantity=third), future(quantity=third)])[0] == 0
    assert market.ask("variation", [perp(quantity=-third), future(quantity=-third)])[0] == -2
    market.funding(ETH, 2)
    assert market.ask("variation", [perp(quantity=third), future(quantity=third)])[0] == -1


def test_without_a_lag_both_are_live(bench):
    bench.begin(0)
    bench.surfaces()
    assert bench.ask("variation", [perp(), future(quantity=2 * WAD)]) == (6_000 * WAD, 6_000 * WAD)
    bench.price(ETH, 1_000 * WAD)
    assert bench.ask("variation", [perp(), future(quantity=2 * WAD)]) == (3_000 * WAD, 3_000 * WAD)


def test_without_a_surface_it_is_the_index(bench):
    bench.begin(0)
    assert bench.ask("variation", [perp(), future()]) == (4_000 * WAD, 4_000 * WAD)


def test_marks_are_those_of_the_surface(market):
    market.surface(make_surface(ETH, EXPIRY, make_row(1, mark=9 * 10**11, delta=500_000)))
    market.price(ETH, 2_100 * WAD)
    assert market.ask("variation", [future()]) == (1_850 * WAD, 1_800 * WAD)


def test_several_expiries_have_a_surface_each(market):
    market.surface(make_surface(ETH, EXPIRY + 1, make_row(1, mark=11 * 10**11)))
    market.price(ETH, 2_100 * WAD)
    words = [perp(), future(), future(expiry=EXPIRY + 1), future(expiry=EXPIRY + 2)]
    assert market.ask("variation", words) == (8_600 * WAD, 8_200 * WAD)


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed(market, way):
    reason = market.kill(ETH, way)
    assert market.ask("variation", [perp()]) == reason
    assert market.ask("variation", [call(), future(BTC)]) == (2_000 * WAD, 2_000 * WAD)


def test_an_unknown_underlying(market):
    assert market.ask("variation", [perp(UNKNOWN)]) == "refused: feed: unknown underlying"


def test_no_price_of_so_long_ago(bench):
    assert bench.ask("variation", [perp()]) == NONE
    bench.step("touch", ETH)
    bench.later(LAG - 1)
    assert bench.ask("variation", [perp()]) == NONE
    assert bench.ask("variation", [call(), spot()]) == (0, 0)
    bench.later(1)
    assert bench.ask("variation", [perp()]) == (2_000 * WAD, 2_000 * WAD)


def test_127_words_of_the_largest_size(market):
    market.price(ETH, MAX_PRICE)
    words = [word(Instrument(ETH, EXPIRY, FUTURE, 0, 9 + k).pack(), -MAX_QUANTITY) for k in range(127)]
    each = MAX_PRICE * MAX_QUANTITY // WAD
    assert market.ask("variation", words)[0] == -127 * each


def test_more_words_than_an_account_holds(market):
    assert market.ask("variation", [perp()] * 128) == "refused: "


@pytest.mark.parametrize("quantity", [2**127 - 1, -(2**127)])
def test_no_quantity_that_fits_a_word_overflows(market, quantity):
    market.funding(ETH, -(2**110))
    words = [word(Instrument(ETH, 0, PERP, 0, k).pack(), quantity) for k in range(127)]
    live, lagged = market.ask("variation", words)
    assert live == lagged == 127 * (quantity * (2_000 * WAD + 2**110) // WAD)

"""One unit of a price, a share, a second, a rate: where rounding shows, or a branch begins. Mutants lived on these."""

import pytest

from plimsoll.spec import margin
from plimsoll.spec.instruments import CALL, PERP, Instrument
from plimsoll.spec.margin import Index, Params
from plimsoll.spec.surface import Row, Surface
from plimsoll.spec.wad import MAX_PRICE, PPM, WAD, YEAR, mul_div_up

LANES = 32
UNIT = 10**12  # [wad] a reference of which a mark of one is one unit


def test_scales_raise_a_fee_by_the_last_unit(ask):
    of_volatility, of_use = (2**24 - 1) << 184, (2**24 - 1) << 160
    for value in (1, PPM - 1, PPM, PPM + 1, 123_456_789, 2**32 - 1):
        expected = PPM + mul_div_up(2**24 - 1, value, PPM)
        assert ask("raised", of_volatility, value, 0) == expected
        assert ask("raised", of_use, 0, value) == expected


def test_a_fee_rounds_up_to_its_cap(ask):
    assert ask("fee_rate", 1, PPM + 1, 50_000) == 2
    assert ask("fee_rate", 1, 3 * PPM, 2) == 2
    assert ask("fee_rate", 0, 3 * PPM, 2) == 0


@pytest.mark.parametrize("delta", [-(2**23), -1, 0, 1, 2**23 - 1])
@pytest.mark.parametrize("others", [0, 2**256 - 1])
def test_a_delta_leaves_its_neighbours_out(ask, delta, others):
    field = (2**24 - 1) << 128
    assert ask("delta", (others & ~field) | (delta % 2**24) << 128) == delta


def row_of(mark=0, delta=0, gamma=0):
    """A row as stored."""
    return mark << 152 | (delta % 2**24) << 128 | gamma << 96


@pytest.mark.parametrize(
    ("mark", "delta", "gamma", "price", "expected"),
    [
        (1, 0, 0, UNIT, 1),  # one over the lower bound
        (UNIT, -1, 0, UNIT + 1, UNIT - 1),  # a millionth under a whole number: down
        (UNIT, 1, 0, UNIT + 1, UNIT),
        (UNIT, -1, 0, UNIT - 1, UNIT),
        (UNIT, 1, 0, UNIT - 1, UNIT - 1),
        (UNIT, -1, 0, UNIT + PPM, UNIT - 1),
        (0, PPM, 0, UNIT - 1, 0),  # under the lower bound
        (2 * UNIT, PPM, 0, UNIT + 1, 2 * UNIT + 1),
        (2 * UNIT, 3 * PPM, 0, UNIT + 1, 2 * UNIT + 2),  # over the upper
    ],
)
def test_a_mark_is_right_to_the_unit(ask, mark, delta, gamma, price, expected):
    perp = Instrument(1, 0, PERP, 0, 0)
    assert ask("mark", perp.pack(), row_of(mark, delta, gamma), price, price, 1, UNIT) == expected
    row = Row(PERP, 0, (0,) * LANES, mark, delta, gamma, 0, 0, 0)
    surface = Surface(1, 0, 1, LANES, 0, 0, 10**9, UNIT, 0, 0, 0, (), (), (row,))
    assert margin.mark(perp, row, surface, Index(price, 1)) == expected


@pytest.mark.parametrize(("price", "expected"), [(UNIT, 0), (UNIT + 1, 1), (UNIT - 1, 0)])
def test_a_missing_row_of_a_call_is_worth_what_it_is_in_the_money(ask, price, expected):
    call = Instrument(1, 1, CALL, UNIT // 10**6, 0)
    assert ask("mark", call.pack(), 0, price, price, 10**6, 0) == expected


def floors(base, slope, kind):
    """A word of floors with those of one kind set."""
    return base << 232 - 24 * kind | slope << 136 - 24 * kind


@pytest.mark.parametrize("kind", [0, 1, 2, 3])
def test_a_floor_grows_from_the_first_second(ask, kind):
    for tenor, expected in ((0, 7), (1, 8), (YEAR, 7 + 5), (YEAR + 1, 7 + 6)):
        assert ask("gross_floor", floors(7, 5, kind), kind, tenor) == expected
        four = tuple(5 if k == kind else 0 for k in range(4)), tuple(7 if k == kind else 0 for k in range(4))
        assert margin.gross_floor(Params(gross_slope=four[0], gross_base=four[1]), kind, tenor) == expected


def test_concentration_rounds_up_at_every_step(ask):
    def charge(price=MAX_PRICE, delta=0, size=0, share=0, depth=1, kappa=PPM):
        return ask("concentration", price, delta, size, share, depth, kappa)

    whole = MAX_PRICE // WAD  # of one unit of size
    assert charge(delta=PPM) == 0  # all of the depth, and no more
    assert charge(delta=PPM + 1) == charge(delta=-PPM - 1) == whole  # a millionth more counts as two
    assert charge(size=PPM, share=1) == 0
    assert charge(size=PPM + 1, share=1) == whole
    assert charge(delta=7 * PPM, depth=6) == whole  # a sixth of a unit: up
    assert charge(delta=2 * PPM, kappa=1) == whole  # a millionth of one
    assert charge(price=1, delta=2 * PPM) == 1  # and of the least price


def test_the_least_gain_of_a_lane_is_cut_as_well(ask):
    none = (0,) * LANES
    lanes = (1, 2, -1, *(0,) * (LANES - 3))
    assert ask("weighed", none, lanes, 1, 999_999) == (0, 1, -1, *(0,) * (LANES - 3))
    assert ask("weighed", lanes, lanes, 1, PPM) == (2, 4, -2, *(0,) * (LANES - 3))


def test_what_gains_in_every_lane_has_no_scan_risk(ask):
    assert ask("scan", MAX_PRICE, (1,) * LANES) == (0, 0)
    assert ask("scan", MAX_PRICE, (2, 1, *(3,) * (LANES - 2))) == (0, 1)
    assert ask("scan", 1, (0, -1, -1, *(0,) * (LANES - 3))) == (1, 1)  # the least loss: up; the first of equals


def test_the_market_term_rounds_up_at_both_steps(ask):
    whole = 10**6 * WAD
    assert ask("market", 1, whole, 1, 1, 2) == 1  # half a millionth of the notional counts as one
    assert ask("market", 1, whole, 1, 2, 2) == 1
    assert ask("market", 1, 1, 1, 1, 1) == 1  # and so does the least of money
    assert ask("market", 1, WAD, 3 * PPM, 1, 1) == 1  # the whole notional at most
    assert ask("market", 1, whole, 0, 1, 1) == 0

"""Where a formula changes its branch, and fields cut from full words: what mutants of these modules lived on."""

import pytest

from plimsoll.spec import interest, liquidator
from plimsoll.spec.instruments import Instrument
from plimsoll.spec.wad import PPM, WAD


@pytest.mark.parametrize(
    ("underlying", "expiry"), [(0, 0), (2**16 - 1, 2**40 - 1), (2**16 - 1, 0), (0, 2**40 - 1), (0x0102, 1_700_000_001)]
)
@pytest.mark.parametrize("others", [0, 1])
def test_fields_of_an_id_leave_their_neighbours_out(ask, underlying, expiry, others):
    # of the fields around them every bit is set, or none; so is the quantity's above
    kind, strike, row = ((0, 0, 0), (255, 2**48 - 1, 2**16 - 1))[others]
    id_ = underlying << 112 | expiry << 72 | kind << 64 | strike << 16 | row
    word = (2**128 - 1) * others << 128 | id_
    assert ask("surface_key", word) == underlying << 40 | expiry
    assert ask("underlying", word) == underlying
    assert Instrument(underlying, expiry, 0, 0, 0).pack() >> 72 == underlying << 40 | expiry


def test_a_ramp_of_no_length_gives_all_at_once(ask):
    assert ask("share", 0, 0, 50_000) == PPM == liquidator.share_at(0, 0, 50_000)


def curve(base, kink, low, high, reserve):
    """A word of the curve."""
    return base << 232 | kink << 208 | low << 184 | high << 160 | reserve << 136


def test_a_kink_at_everything_borrowed_has_no_second_slope(ask):
    word = curve(1_000, PPM, 40_000, 900_000, 0)
    assert ask("rate", word, PPM) == 41_000
    assert ask("rate", word, PPM - 1) == 41_000  # up
    assert ask("rate", word, 0) == 1_000


def test_the_last_unit_lent_still_earns(ask):
    year = 365 * 86_400
    word = curve(100_000, 500_000, 0, 0, 200_000)
    pool = (WAD, WAD, 0, 1, 20)  # 20 owed, 1 lent: all is borrowed, at a tenth a year
    after, kept = ask("accrued", pool, word, year)
    assert kept == 1  # a fifth of 2: up
    assert after == (2 * WAD, WAD + WAD // 10, year, 2, 22)
    found, found_kept = interest.accrued(interest.Pool(*pool), word, year)
    assert (found_kept, found.supply_index, found.supply, found.debt) == (1, 2 * WAD, 2, 22)

"""SPAN's own worked example through our integers."""

import pytest

from plimsoll.spec import margin
from plimsoll.spec.instruments import CALL, FUTURE, Instrument, word
from plimsoll.spec.surface import Row, Surface
from plimsoll.spec.wad import FORWARD_UNIT, WAD

# McMillan, Options as a Strategic Investment, ch. 34: 16 scenarios in SPAN's order, gain of one long
LONG_FUTURE = (0, 0, 3330, 3330, -3330, -3330, 6670, 6670, -6670, -6670, 10000, 10000, -10000, -10000, 7000, -7000)
LONG_CALL = (460, -610, 2640, 1730, -1270, -2340, 5210, 4540, -2540, -3430, 8060, 7640, -3380, -3990, 3130, -1500)
NOW = 1_735_689_600
EXPIRY = NOW + 30 * 86_400


def row(kind, strike, lanes):
    return Row(kind, strike, (*lanes, *(0,) * 16), 10**11, 10**6, 0, 0, 0, 0)


@pytest.fixture(scope="module")
def view():
    surface = Surface(
        underlying=1,
        expiry=EXPIRY,
        scale=10,
        common=16,
        time=NOW,
        set_id=1,
        forward=FORWARD_UNIT,
        reference=10_000 * WAD,  # a lane unit of 1 bp is then one unit of the book's money
        psr=10**6,
        vol_up=0,
        vol_down=0,
        nodes=(0,) * 13,
        extremes=(0,) * 3,
        rows=(row(FUTURE, 0, LONG_FUTURE), row(CALL, 10_000, LONG_CALL)),
    )
    return margin.View(
        params=margin.Params(),
        now=NOW,
        index={1: margin.Index(10_000 * WAD, WAD)},
        surfaces={(1, EXPIRY): surface},
    )


@pytest.mark.parametrize(
    ("future", "call", "scan", "worst"),
    [(1, 0, 10_000, 12), (0, 1, 3_990, 13), (1, -1, 6_620, 12), (-1, 0, 10_000, 10), (0, -1, 8_060, 10)],
)
def test_scan_risk_of_the_covered_write(view, future, call, scan, worst):
    items = [Instrument(1, EXPIRY, FUTURE, 0, 0), Instrument(1, EXPIRY, CALL, 10_000, 1)]
    words = [word(i.pack(), q * WAD) for i, q in zip(items, (future, call), strict=True) if q]
    found, _ = margin.terms(words, view)
    assert found.scan == scan * WAD
    assert found.worst_lane == worst

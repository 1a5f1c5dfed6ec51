"""RiskOracle: in the last WINDOW seconds before an expiry, and past it, what it would gain fades out of the scan.

A future of ETH at 2,000 gains or loses 200 at worst; long it against a short perp, nothing is left of it. Gains of the
expiry count x time left / WINDOW, losses whole: so the hedge is withdrawn second by second.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.spec import margin
from plimsoll.spec.instruments import CALL, FUTURE, PUT, WINDOW, Instrument
from plimsoll.spec.margin import ClassOffset
from tests.strategies import edge_integers
from tests.unit.clearinghouse.stage import (
    BTC,
    ETH,
    EXPIRY,
    PRICES,
    WAD,
    clean_stage,
    make_row,
    make_surface,
)

SCAN = 200 * WAD  # of one contract alone


def before(stage, left, expiry=EXPIRY):
    """So many seconds before an expiry, with surfaces of now."""
    stage.later(expiry - left - stage.pair.now)
    stage.post()


def add_expiry(stage, underlying, expiry):
    """Another expiry with the three kinds, of rows as in the small market; ids of future, call and put."""
    rows = (make_row(FUTURE), make_row(CALL, 2_000), make_row(PUT, 2_000))
    stage.surfaces[underlying, expiry] = rows
    stage.pair.post([make_surface(underlying, expiry, rows, stage.pair.now, reference=PRICES[underlying])])
    return [Instrument(underlying, expiry, row.kind, row.strike, k).pack() for k, row in enumerate(rows)]


@pytest.mark.parametrize("left", [WINDOW + 1, WINDOW])
def test_until_the_window_a_hedge_counts_whole(stage, left):
    before(stage, left)
    assert stage.terms({stage.perp: WAD, stage.future: -WAD}).scan == 0
    assert stage.terms({stage.perp: -WAD, stage.future: WAD}).scan == 0


def test_it_begins_without_a_jump_and_goes_on_linearly(stage):
    # down 10 % the perp loses 200, and the short future gains 200 x left / 1,800
    for left in (WINDOW - 1, WINDOW // 2, 1, 0):
        before(stage, left)
        found = stage.terms({stage.perp: WAD, stage.future: -WAD})
        assert found.scan == SCAN * (WINDOW - left) // WINDOW + (SCAN * (WINDOW - left) % WINDOW > 0)
        assert found.worst_lane == 24
        assert found.fresh


@pytest.mark.parametrize("past", [0, 1, 86_400, 400 * 86_400])
def test_from_the_expiry_on_no_gain_is_left(stage, past):
    before(stage, -past)
    for sign in (1, -1):
        assert stage.terms({stage.perp: sign * WAD, stage.future: -sign * WAD}).scan == SCAN
        assert stage.terms({stage.future: sign * WAD}).scan == SCAN


@pytest.mark.parametrize("left", [WINDOW, 900, 1, 0, -1_000])
@pytest.mark.parametrize("name", ["future", "call", "put"])
@pytest.mark.parametrize("sign", [1, -1])
def test_losses_stay_whole(stage, name, sign, left):
    far = stage.terms({getattr(stage, name): sign * WAD}).scan
    before(stage, left)
    found = stage.terms({getattr(stage, name): sign * WAD})
    assert (found.scan, found.fresh) == (far, True)


@pytest.mark.parametrize("left", [WINDOW, 900, 1, 0, -1])
def test_hedges_inside_the_expiry_net_first(stage, left):
    # call less put is a future: what they lose and gain together is nothing
    held = {stage.future: -WAD, stage.call: WAD, stage.put: -WAD}
    far = stage.terms(held).scan
    before(stage, left)
    assert stage.terms(held).scan == far == 0
    # and beside them a perp is as alone as ever
    assert stage.terms(held | {stage.perp: WAD}).scan == SCAN


def test_the_equity_and_the_other_charges_are_the_same(stage):
    held = {stage.perp: WAD, stage.spot: WAD, stage.call: -WAD, stage.future: -WAD}
    before(stage, WINDOW)
    first = stage.terms(held)
    before(stage, WINDOW // 2)
    found = stage.terms(held)
    same = ("value", "full", "haircut", "short", "concentration", "common", "fresh")
    assert [getattr(found, name) for name in same] == [getattr(first, name) for name in same]
    assert found.scan > first.scan


def test_what_is_further_ahead_does_not_fade(stage):
    future, *_ = add_expiry(stage, ETH, EXPIRY + 1_000)
    before(stage, 0)  # the other has 1,000 s to go
    assert stage.terms({stage.perp: WAD, future: -WAD}).scan == SCAN * 8 // 18 + 1
    before(stage, 800, EXPIRY + 3_000)  # both past
    assert stage.terms({stage.perp: WAD, future: -WAD}).scan == SCAN


def test_two_expiries_in_their_windows_fade_apart(stage):
    future, *_ = add_expiry(stage, ETH, EXPIRY + 900)
    before(stage, 0)
    # at -10 % the expired one loses 200, the other gains half of 200; at +10 % the other loses 200 alone
    assert stage.terms({stage.future: WAD, future: -WAD}).scan == SCAN
    assert stage.terms({stage.future: 2 * WAD, future: -WAD}).scan == 300 * WAD
    # what stays takes part in full, before them and behind them
    last, *_ = add_expiry(stage, ETH, EXPIRY + 10 * WINDOW)
    assert stage.terms({stage.future: 2 * WAD, future: -WAD, last: -WAD}).scan == 2 * SCAN
    assert stage.terms({stage.perp: -WAD, stage.future: 2 * WAD, future: -WAD}).scan == 2 * SCAN
    assert stage.terms({stage.perp: WAD, stage.future: WAD, future: -WAD, last: -WAD}).scan == SCAN
    assert stage.terms({stage.perp: -WAD, stage.future: WAD, future: -WAD, last: WAD}).scan == SCAN


def test_past_expiries_fade_apart(stage):
    future, *_ = add_expiry(stage, ETH, EXPIRY + 60)
    before(stage, -600)
    assert stage.terms({stage.future: WAD, future: -WAD}).scan == SCAN


def test_a_class_nets_what_is_left(stage):
    # as in test_assess: a tenth of a BTC against an ETH, gains nine tenths; the ETH future has half of its gains left
    stage.classes[1] = ClassOffset(1, 10**6, 0)
    stage.post()
    held = {stage.future: WAD, stage.btc_perp: -WAD // 10}
    before(stage, WINDOW)
    assert stage.assess(held).mm - charges(stage, held) == SCAN  # never under the largest
    before(stage, WINDOW // 2)
    # up 10 %: BTC loses 200, the future gains 100: joint 100, under the largest scan still
    assert stage.assess(held).mm - charges(stage, held) == SCAN
    stage.classes[1] = ClassOffset(1, 500_000, 0)
    stage.post()
    # half of (400 - 100)
    assert stage.assess(held).mm - charges(stage, held) == 250 * WAD


def charges(stage, held):
    """Gross charges of what is held, by underlying."""
    eth = {k: q for k, q in held.items() if k >> 112 == ETH}
    btc = {k: q for k, q in held.items() if k >> 112 == BTC}
    return stage.terms(eth).gross + stage.terms(btc).gross


@given(
    st.lists(edge_integers(-(2**117), 2**117), min_size=32, max_size=32),
    st.lists(edge_integers(-(2**117), 2**117), min_size=32, max_size=32),
    edge_integers(0, WINDOW),
)
def test_gains_round_down(opened, sums, lanes, left):
    exact = [a + (x * left // WINDOW if x > 0 else x) for a, x in zip(sums, lanes, strict=True)]
    assert list(opened.call("faded", sums, lanes, left)) == exact
    assert [a + x for a, x in zip(sums, margin.faded(lanes, left), strict=True)] == exact


@given(
    lefts=st.lists(st.integers(-100, WINDOW + 100), min_size=2, max_size=6, unique=True),
    quantities=st.tuples(*[st.integers(-(10**21), 10**21)] * 4),
)
def test_the_scan_never_falls_as_an_expiry_comes(lefts, quantities):
    with clean_stage() as stage:
        ids = (stage.perp, stage.future, stage.call, stage.put)
        held = {k: q for k, q in zip(ids, quantities, strict=True) if q} or {stage.perp: 1}
        scans = []
        for left in sorted(lefts, reverse=True):
            before(stage, left)
            scans.append(stage.terms(held).scan)
        assert scans == sorted(scans)

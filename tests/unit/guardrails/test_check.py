"""Guardrails.check, through RiskOracle.store: what a surface may say, to the unit; what fails is refused by name.

Options are of an index of 100 with a month to go, by the engine: lanes in units of 0.1 bp, PSR 10 %.
"""

from dataclasses import replace
from functools import cache

import pytest
from eth_utils.crypto import keccak

from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.risk.models import Forecast
from plimsoll.risk.scenarios import NODES
from plimsoll.spec.errors import Refused
from plimsoll.spec.guardrails import linear_lanes
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, Instrument
from plimsoll.spec.surface import LANES, Row, encode
from plimsoll.spec.wad import MARK_UNIT, PPM, WAD
from tests.markets import report
from tests.unit.guardrails.yard import BTC, DAY, ETH, EXPIRY, NEW, NOW

ARBITRAGE = "guard: option lanes have an arbitrage"
EXTREMES = "guard: extremes do not follow the nodes"
LINEAR = "guard: linear lanes are not node x PSR"
MARK = "guard: mark out of bounds"
TOKEN = "guard: token gains more or loses less than its index"
MALFORMED = "guard: instrument malformed"
NODES_MALFORMED = "guard: nodes malformed"
GRAIN = 10**7  # a lane unit in 1e-12 of the index
STRIKES = (60, 95, 100, 105, 160)


@cache
def honest(psr=100_000, vol_up=400_000, forward=100.0):
    """The engine's surfaces of the underlying that nothing was said of: perpetual and token, and a month's options."""
    items = [Instrument(NEW, 0, PERP, 0, 0), Instrument(NEW, 0, SPOT, 1, 1), Instrument(NEW, EXPIRY, FUTURE, 0, 0)]
    pairs = [(kind, strike) for strike in STRIKES for kind in (CALL, PUT)]
    items += [Instrument(NEW, EXPIRY, kind, strike, 1 + k) for k, (kind, strike) in enumerate(pairs)]
    market = Market(
        NEW,
        100.0,
        History([NOW - 2, NOW - 1], [100.0, 100.0], 1),
        tuple(item.pack() for item in items),
        forwards={EXPIRY: forward},
    )
    told = Forecast(NEW, 0.03, 0.6, psr, psr, vol_up, 250_000, 1_300_000, WAD, 0, 10_000, 0)
    return report(Snapshot(NOW, (market,)), {NEW: told}).surfaces


def option(kind=CALL, strike=100, **changes):
    """A surface of one option."""
    found = honest()[1]
    row = next(row for row in found.rows if (row.kind, row.strike) == (kind, strike))
    return replace(found, rows=(replace(row, **changes),))


def timeless(at=0, **changes):
    """A surface of the perpetual (0) or the token (1)."""
    found = honest()[0]
    return replace(found, rows=(replace(found.rows[at], **changes),))


def lanes_with(lanes, changes):
    """Lanes, some of them moved."""
    return tuple(lane + changes.get(at, 0) for at, lane in enumerate(lanes))


def relinear(surface):
    """A surface whose one linear row has the lanes of its header."""
    return replace(surface, rows=(replace(surface.rows[0], lanes=linear_lanes(surface)),))


def stores(yard, surface):
    with yard.pair.isolated():
        yard.pair.must("oracle", "store", encode(surface))


def refuses(yard, reason, surface):
    yard.refused(reason, "oracle", "store", encode(surface))


@pytest.mark.parametrize("psr", [10_000, 100_000, 900_000])
@pytest.mark.parametrize("vol_up", [20_000, 3_000_000])
@pytest.mark.parametrize("forward", [60.0, 100.0, 145.0])
def test_what_the_engine_makes_is_stored(yard, psr, vol_up, forward):
    for surface in honest(psr, vol_up, forward):
        stores(yard, surface)


def test_a_refusal_when_the_surface_comes_with_the_report_is_the_same(yard):
    code = encode(option(lanes=(0,) * 31 + (9,)))
    made, _ = yard.pair.report([])
    made = replace(made, surfaces=(keccak(code),))
    yard.refused(EXTREMES, "oracle", "post", made, yard.pair.signed(made), [], code)


# -------------------------------------------------------------------------------------------------------------- header


@pytest.mark.parametrize("at", range(1, 13))
def test_nodes_pair_and_grow_to_one_scan_range(yard, at):
    surface = timeless()
    for value in (0, NODES[at] + 1, NODES[at] - 1, -NODES[at], 2**15 - 1, -(2**15)):
        nodes = (*NODES[:at], value, *NODES[at + 1 :])
        refuses(yard, NODES_MALFORMED, replace(surface, nodes=nodes))


@pytest.mark.parametrize(
    "nodes",
    [
        (1, *NODES[1:]),
        (-1, *NODES[1:]),
        (0,) * 13,
        tuple(-node for node in NODES),
        (*NODES[:1], *NODES[3:5], *NODES[1:3], *NODES[5:]),  # not ascending
        (*NODES[:3], *NODES[1:3], *NODES[5:]),  # one twice
        (*NODES[:11], 9_999, -9_999),
        (*NODES[:11], 10_001, -10_001),
    ],
    ids=range(8),
)
def test_other_nodes(yard, nodes):
    refuses(yard, NODES_MALFORMED, replace(timeless(), nodes=nodes))


def test_nodes_elsewhere_are_as_good(yard):
    nodes = (0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 10_000, -10_000)
    stores(yard, relinear(replace(timeless(), nodes=nodes)))


@pytest.mark.parametrize("at", range(3))
def test_extremes_lie_beyond_the_nodes_and_damping_lessens(yard, at):
    surface = replace(timeless(), scale=10)

    def with_one(field, value):
        known = getattr(surface, field)
        return replace(surface, **{field: (*known[:at], value, *known[at + 1 :])})

    for field, value in (("extremes", 99), ("extremes", 0), ("damps", 101), ("damps", 255)):
        refuses(yard, "guard: extremes malformed", with_one(field, value))
    for field, value in (("extremes", 100), ("extremes", 1_000), ("damps", 0), ("damps", 100)):
        stores(yard, relinear(with_one(field, value)))


def test_a_scan_range_past_the_whole_price(yard):
    surface = replace(timeless(), scale=10, psr=PPM)
    stores(yard, relinear(surface))
    for psr in (PPM + 1, 2**32 - 1):
        refuses(yard, "guard: scan range out of bounds", replace(surface, psr=psr))


def test_a_scan_range_that_lanes_cannot_hold(yard):
    # 32,767 units of 10 ppm, half a unit rounds away
    surface = replace(timeless(), extremes=(100, 100, 100))
    last = replace(surface, psr=327_674)
    stores(yard, relinear(last))
    refuses(yard, "guard: lanes out of range", replace(surface, psr=327_675))


def test_an_extreme_that_lanes_cannot_hold(yard):
    # 3 PSR at 33 %: over the nodes' only where PSR x .99 rounds past; at 100 % thrice as much
    surface = replace(timeless(), extremes=(100, 100, 300), damps=(0, 0, 100))
    last = replace(surface, psr=109_224)
    stores(yard, relinear(last))
    refuses(yard, "guard: lanes out of range", replace(surface, psr=109_225))


# --------------------------------------------------------------------------------------------------------- instruments


def test_a_row_of_no_instrument_has_no_lanes(yard):
    nothing = Row(0, 0, (0,) * LANES, 0, 0, 0, 0, 0, 0)
    surface = timeless()
    stores(yard, replace(surface, rows=(nothing, *surface.rows)))
    for lane in (0, 15, 16, 31):
        refuses(
            yard,
            "guard: lanes of no instrument",
            replace(surface, rows=(replace(nothing, lanes=lanes_with(nothing.lanes, {lane: 1})), *surface.rows)),
        )


@pytest.mark.parametrize("kind", [5, 6, 255])
def test_a_kind_that_is_none(yard, kind):
    for surface in (timeless(kind=kind), timeless(1, kind=kind), option(kind=CALL, strike=100)):
        refuses(yard, MALFORMED, replace(surface, rows=(replace(surface.rows[0], kind=kind),)))


@pytest.mark.parametrize(
    "surface",
    [
        timeless(kind=FUTURE),
        timeless(kind=CALL, strike=100),
        timeless(kind=PUT, strike=100),
        replace(timeless(), expiry=EXPIRY),
        replace(timeless(1), expiry=EXPIRY),
        replace(option(), expiry=0),
        timeless(strike=1),
        timeless(1, strike=0),
        replace(honest()[1], rows=(replace(honest()[1].rows[0], strike=1),)),
        replace(option(), rows=(replace(option().rows[0], strike=0),)),
    ],
    ids=[
        "a future without expiry",
        "a call without expiry",
        "a put without expiry",
        "a perpetual that expires",
        "a token that expires",
        "an option for ever",
        "a perpetual with a strike",
        "a token without a number",
        "a future with a strike",
        "an option without a strike",
    ],
)
def test_a_malformed_instrument(yard, surface):
    refuses(yard, MALFORMED, surface)


def test_options_of_an_underlying_that_nobody_feeds(yard):
    refuses(yard, "feed: unknown underlying", replace(option(), underlying=0x0999))
    stores(yard, replace(timeless(), underlying=0x0999))  # what has no strike asks no feed


# -------------------------------------------------------------------------------------------------------------- linear


@pytest.mark.parametrize("lane", range(LANES))
def test_a_linear_lane_off_by_a_unit(yard, lane):
    known = honest()[0].rows[0].lanes
    for off in (1, -1):
        refuses(yard, LINEAR, timeless(lanes=lanes_with(known, {lane: off})))


def test_a_future_too_is_node_x_scan_range(yard):
    future = honest()[1].rows[0]
    surface = replace(honest()[1], rows=(future,))
    stores(yard, surface)
    refuses(yard, LINEAR, replace(surface, rows=(replace(future, lanes=lanes_with(future.lanes, {7: 1})),)))
    refuses(yard, LINEAR, replace(surface, psr=surface.psr + 100))


@pytest.mark.parametrize("at", [0, 1])
def test_a_linear_mark_past_twice_the_index(yard, at):
    linear = honest()[0].rows[0].lanes
    lanes = tuple(2 * lane for lane in linear) if at else linear
    stores(yard, timeless(at, mark=2 * MARK_UNIT, lanes=lanes))
    refuses(yard, MARK, timeless(at, mark=2 * MARK_UNIT + 1, lanes=lanes))


# -------------------------------------------------------------------------------------------------------------- tokens


@pytest.mark.parametrize("worth", [PPM, 950_000, 1_250_000, 10])
@pytest.mark.parametrize("lane", [2, 22, 24, 26, 27, 31])
def test_a_token_gains_no_more_and_loses_no_less_than_its_worth_does(yard, worth, lane):
    surface = timeless(1, mark=worth * (MARK_UNIT // PPM))
    linear = linear_lanes(surface)
    mark, whole = surface.rows[0].mark, surface.rows[0].mark // GRAIN + 1
    lanes = [max((x * mark) // MARK_UNIT, -whole) for x in linear]
    # (lane - 1) x 1e12 <= (index lane + 1) x mark
    most = (linear[lane] + 1) * mark // MARK_UNIT + 1
    lanes[lane] = max(most, -whole)
    stores(yard, replace(surface, rows=(replace(surface.rows[0], lanes=tuple(lanes)),)))
    lanes[lane] = most + 1
    refuses(yard, TOKEN, replace(surface, rows=(replace(surface.rows[0], lanes=tuple(lanes)),)))


@pytest.mark.parametrize("lane", range(LANES))
def test_a_token_loses_no_more_than_it_is_worth(yard, lane):
    surface = timeless(1, mark=MARK_UNIT // 10 + 3)
    everything = (surface.rows[0].mark // GRAIN + 1) * -1
    for value, good in ((everything, True), (everything - 1, False)):
        lanes = [min(x, -1) // 10 for x in linear_lanes(surface)]
        lanes[lane] = value
        made = replace(surface, rows=(replace(surface.rows[0], lanes=tuple(max(x, everything - 1) for x in lanes)),))
        stores(yard, made) if good else refuses(yard, TOKEN, made)


# --------------------------------------------------------------------------------------------------------------- marks


@pytest.mark.parametrize("kind", [CALL, PUT])
@pytest.mark.parametrize("strike", STRIKES)
def test_a_mark_inside_no_arbitrage_bounds(yard, kind, strike):
    """Of an index and a forward of 100; strikes in whole units. A row of zero lanes, which any mark allows."""
    forward, paid = MARK_UNIT, strike * MARK_UNIT // 100
    low, high = (max(0, forward - paid), forward) if kind == CALL else (max(0, paid - forward), paid)
    flat = {"lanes": (0,) * LANES}
    for mark in (low, high):
        stores(yard, option(kind, strike, mark=mark, **flat))
    refuses(yard, MARK, option(kind, strike, mark=high + 1, **flat))
    if low:
        refuses(yard, MARK, option(kind, strike, mark=low - 1, **flat))


def test_the_bounds_follow_the_forward(yard):
    surface = replace(option(CALL, 95, lanes=(0,) * LANES), forward=1_100_000_000)
    for mark, good in ((150_000_000_000 - 1, False), (150_000_000_000, True), (1_100_000_000_000, True)):
        made = replace(surface, rows=(replace(surface.rows[0], mark=mark),))
        stores(yard, made) if good else refuses(yard, MARK, made)
    refuses(yard, MARK, replace(surface, rows=(replace(surface.rows[0], mark=1_100_000_000_001),)))


def test_the_forward_counts_in_whole_wei_down(yard):
    # 100 + 3 wei x 1.000000001 is 100.0000001 and 3 wei: intrinsic of a call at 95 is 5.0000001 and 3 wei
    surface = replace(option(CALL, 95, lanes=(0,) * LANES), reference=100 * WAD + 3, forward=10**9 + 1)
    worth = 5 * WAD + 100_000_000_003 - 0
    least = -(-worth * MARK_UNIT // (100 * WAD + 3))
    stores(yard, replace(surface, rows=(replace(surface.rows[0], mark=least),)))
    refuses(yard, MARK, replace(surface, rows=(replace(surface.rows[0], mark=least - 1),)))


# -------------------------------------------------------------------------------------------------------------- options


def shaped(kind, lanes, mark=MARK_UNIT // 5, strike=100, **header):
    """A surface of an option with these lanes on nodes, given from the lowest price to the highest, and extremes that
    go on flat; higher volatility and lower alike."""
    order = sorted(range(13), key=lambda k: NODES[k])
    values = [0] * 26
    for at, k in enumerate(order):
        values[2 * k] = values[2 * k + 1] = lanes[at]
    return extended(option(kind, strike, mark=mark, lanes=(*values, 0, 0, 0, 0, 0, 0)), **header)


def extended(surface, **header):
    """With extremes that are the damped last nodes."""
    row = surface.rows[0]
    lanes = list(row.lanes)
    for j, damp in enumerate(surface.damps):
        lanes[26 + 2 * j] = lanes[22] * damp // 100
        lanes[27 + 2 * j] = -(-lanes[24] * damp // 100)
    return replace(surface, rows=(replace(row, lanes=tuple(lanes)),), **header)


ONE = sorted(NODES)  # a slope of one: node x PSR, which is 10 %, in units of 1e-5


def half(slope):
    """Lanes of a slope of one above the middle and `slope` of it below, a convex line."""
    return [value if value >= 0 else value * slope // 100 for value in ONE]


def test_slopes_of_one_and_of_nothing(yard):
    stores(yard, shaped(CALL, half(0)))
    stores(yard, shaped(CALL, half(100)))
    stores(yard, shaped(PUT, [-value for value in half(100)], mark=MARK_UNIT // 2))
    stores(yard, shaped(PUT, [max(-value, 0) for value in ONE]))


@pytest.mark.parametrize("node", range(1, 13))
@pytest.mark.parametrize("kind", [CALL, PUT])
def test_a_slope_over_one_by_more_than_a_unit(yard, kind, node):
    """A step of the forward's, one unit over, and two; from the middle on both are looked at from there outward."""
    order = sorted(range(13), key=lambda k: NODES[k])
    start = shaped(kind, ONE if kind == CALL else [-value for value in ONE], mark=MARK_UNIT // 2)
    lanes = list(start.rows[0].lanes)
    sign = 1 if NODES[node] > 0 else -1
    outward = [k for k in order if NODES[k] * sign >= NODES[node] * sign]
    for off, good in ((1, True), (2, False)):
        moved = list(lanes)
        for k in outward:
            for lane in (2 * k, 2 * k + 1):
                moved[lane] += off * sign * (1 if kind == CALL else -1)
        made = extended(replace(start, rows=(replace(start.rows[0], lanes=tuple(moved)),)))
        stores(yard, made) if good else refuses(yard, ARBITRAGE, made)


@pytest.mark.parametrize("node", range(1, 13))
@pytest.mark.parametrize("kind", [CALL, PUT])
def test_a_slope_the_wrong_way_by_more_than_a_unit(yard, kind, node):
    """Flat, but for a step of one unit down where a long may only gain, and of two."""
    sign = (1 if NODES[node] > 0 else -1) * (1 if kind == CALL else -1)
    outward = [k for k in range(13) if NODES[k] * (NODES[node] > 0 or -1) >= abs(NODES[node])]
    for off, good in ((1, True), (2, False)):
        lanes = [0] * LANES
        for k in outward:
            lanes[2 * k] = lanes[2 * k + 1] = -sign * off
        made = extended(option(kind, 100, mark=MARK_UNIT // 2, lanes=tuple(lanes)))
        stores(yard, made) if good else refuses(yard, ARBITRAGE, made)


@pytest.mark.parametrize("volatility", [0, 1])
@pytest.mark.parametrize("node", [k for k in range(13) if abs(NODES[k]) != 10_000])
def test_a_bend_the_wrong_way(yard, node, volatility):
    """A straight line with one node above it: at each by as much as rounding may, and by a little more."""
    line = [value // 2 for value in ONE]
    start = shaped(CALL, line, mark=MARK_UNIT // 2)
    lane = 2 * node + volatility

    def raised(by):
        # both volatilities, so that neither is worth more than the other by it
        return extended(
            replace(
                start,
                rows=(replace(start.rows[0], lanes=lanes_with(start.rows[0].lanes, {lane: by, lane ^ 1: by})),),
            )
        )

    by = 0
    while not is_refused(yard, raised(by + 1)):
        by += 1
    assert by <= 2
    stores(yard, raised(by))
    refuses(yard, ARBITRAGE, raised(by + 1))


def is_refused(yard, surface):
    try:
        return not yard.guard.check(surface)
    except Refused:
        return True


@pytest.mark.parametrize("node", range(13))
def test_higher_volatility_is_worth_no_less(yard, node):
    start = shaped(CALL, [value // 2 for value in ONE], mark=MARK_UNIT // 2)
    for by, good in ((1, True), (2, False)):
        lanes = lanes_with(start.rows[0].lanes, {2 * k: -by for k in range(13)})  # all of them: no slope changes
        if node:  # or from one node outward on its side
            side = [k for k in range(13) if NODES[k] * NODES[node] > 0 and abs(NODES[k]) >= abs(NODES[node])]
            lanes = lanes_with(start.rows[0].lanes, {2 * k: -1 for k in range(13)} | {2 * k: -by for k in side})
        made = extended(replace(start, rows=(replace(start.rows[0], lanes=lanes),)))
        stores(yard, made) if good else refuses(yard, ARBITRAGE, made)


@pytest.mark.parametrize("kind", [CALL, PUT])
@pytest.mark.parametrize("mark", [MARK_UNIT // 50 + 7, GRAIN - 1])
def test_a_long_loses_no_more_than_its_mark(yard, kind, mark):
    loss = mark // GRAIN + 1
    strike = 160 if kind == CALL else 60  # out of the money: nothing inside
    for off, good in ((0, True), (1, False)):
        made = extended(option(kind, strike, mark=mark, lanes=(-loss - off,) * 26 + (0,) * 6))
        stores(yard, made) if good else refuses(yard, ARBITRAGE, made)


@pytest.mark.parametrize("mark", [MARK_UNIT * 9 // 10, MARK_UNIT])
def test_a_call_gains_no_more_than_the_highest_forward_is_worth(yard, mark):
    most = 1_100_000 * 10**6 // GRAIN + 1 - mark // GRAIN + 1
    for off, good in ((0, True), (1, False)):
        made = extended(option(CALL, 60, mark=mark, lanes=(most + off,) * 26 + (0,) * 6))
        stores(yard, made) if good else refuses(yard, ARBITRAGE, made)


@pytest.mark.parametrize("mark", [MARK_UNIT * 6 // 10, MARK_UNIT * 59 // 100])
def test_a_put_gains_no_more_than_its_strike(yard, mark):
    most = 60 * MARK_UNIT // 100 // GRAIN + 1 - mark // GRAIN + 1
    for off, good in ((0, True), (1, False)):
        made = extended(option(PUT, 60, mark=mark, lanes=(most + off,) * 26 + (0,) * 6))
        stores(yard, made) if good else refuses(yard, ARBITRAGE, made)


@pytest.mark.parametrize("kind", [CALL, PUT])
@pytest.mark.parametrize("lane", range(26, 32))
def test_an_extreme_follows_the_last_node(yard, kind, lane):
    """Between the last node's value and a slope of one further, damped, with a unit for the rounding of each."""
    made = option(kind)
    row = made.rows[0]
    j, is_up = (lane - 26) // 2, lane % 2 == 0
    damp, extreme = made.damps[j], made.extremes[j]
    far = (extreme - 100) * 100 + 1  # in units of 1e-5, PSR 10 %
    node = row.lanes[22] if is_up else row.lanes[24]
    gains = is_up == (kind == CALL)
    low = damp * (node - 1) - 100 if gains else damp * (node - far) - 100
    high = damp * (node + far) + 100 if gains else damp * (node + 1) + 100
    least, most = -(-low // 100), high // 100
    for value, good in ((least, True), (most, True), (least - 1, False), (most + 1, False)):
        lanes = (*row.lanes[:lane], value, *row.lanes[lane + 1 :])
        changed = replace(made, rows=(replace(row, lanes=lanes),))
        stores(yard, changed) if good else refuses(yard, EXTREMES, changed)


@pytest.mark.parametrize("scale", [1, 10])
@pytest.mark.parametrize("kind", [CALL, PUT])
def test_a_lane_at_the_ends_of_its_field(yard, kind, scale):
    for lane in range(LANES):
        for value in (-(2**15), 2**15 - 1):
            made = option(kind)
            row = made.rows[0]
            lanes = (*row.lanes[:lane], value, *row.lanes[lane + 1 :])
            reason = EXTREMES if lane > 25 else ARBITRAGE
            refuses_alone(yard, reason, replace(made, scale=scale, rows=(replace(row, lanes=lanes),)), scale)


def refuses_alone(yard, reason, surface, scale):
    """Refused by both; at another scale than the engine's by whatever comes first."""
    found = yard.pair.step("oracle", "store", encode(surface))
    assert found.reason in ({reason} if scale == 1 else {ARBITRAGE, EXTREMES, MARK})


def test_the_sides_of_a_put_are_a_calls_changed(yard):
    for kind, other in ((CALL, PUT), (PUT, CALL)):
        row = option(kind).rows[0]
        refuses(yard, ARBITRAGE, option(other, lanes=row.lanes))


def test_options_are_looked_at_one_by_one(yard):
    surface = honest()[1]
    for at in (1, 5, len(surface.rows) - 1):
        row = surface.rows[at]
        spoilt = replace(row, lanes=lanes_with(row.lanes, {4: -50}))
        refuses(yard, ARBITRAGE, replace(surface, rows=(*surface.rows[:at], spoilt, *surface.rows[at + 1 :])))


def test_time_and_underlying_are_no_matter_of_lanes(yard):
    stores(yard, replace(honest()[1], time=0))
    stores(yard, replace(honest()[0], underlying=BTC, time=NOW + DAY))
    stores(yard, replace(honest()[1], underlying=ETH))

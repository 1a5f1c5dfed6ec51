"""Guardrails.admit, through RiskOracle.post: each scalar at its bounds and its steps, and one beyond; nothing changes.

A limit's edge is worked out here from the limit itself: a value v may rise by v x rise x seconds / 3,600 an hour's
millionth, rounded down, and fall likewise.
"""

from dataclasses import replace

import pytest

from plimsoll.spec.errors import Refused
from plimsoll.spec.guardrails import (
    BASIS,
    CARRY,
    CROSS_HAIRCUT,
    DAMP,
    DEFAULTS,
    DEPTH,
    EXTREME,
    GROSS,
    HAIRCUT,
    IM_FACTOR,
    KAPPA,
    MARKET,
    NAMES,
    OFFSET,
    PSR,
    SOM,
    UNLIMITED,
    VOL_DOWN,
    VOL_UP,
    VOLATILITY,
    WORTH,
    linear_lanes,
)
from plimsoll.spec.surface import Row, encode
from plimsoll.spec.wad import MARK_UNIT, PPM, WAD
from tests.pairs import text
from tests.unit.guardrails.yard import (
    ATTACKER,
    BTC,
    DAY,
    ETH,
    HOUR,
    NOW,
    OWNER,
    PRICES,
    class_of,
    scalars_of,
    surfaces,
)

FIELDS = {
    PSR: "psr",
    VOL_UP: "vol_up",
    VOL_DOWN: "vol_down",
    GROSS: "gross",
    HAIRCUT: "haircut",
    WORTH: "worth",
    DEPTH: "depth",
    KAPPA: "kappa",
    SOM: "som",
    IM_FACTOR: "im_factor",
    VOLATILITY: "volatility",
    MARKET: "market",
    OFFSET: "offset",
    CROSS_HAIRCUT: "cross_haircut",
}
# the oracle's own bounds are as narrow, and come first
ORACLES = {DEPTH: "oracle: scalars out of range", IM_FACTOR: "oracle: scalars out of range"}
ORACLES_HIGH = {KAPPA, SOM, MARKET}
FREE = [place for place in FIELDS if DEFAULTS[place].rise == UNLIMITED]
PACED = [(place, side) for place in FIELDS for side in ("rise", "fall") if getattr(DEFAULTS[place], side) != UNLIMITED]


def too_fast(place):
    return f"guard: {NAMES[place]} moves too fast"


def out_of_bounds(place):
    return f"guard: {NAMES[place]} out of bounds"


def edge_of(place, side, was, seconds):
    """The farthest value that may follow in so much time, bounds aside, and the one past it."""
    step = was * getattr(DEFAULTS[place], side) * seconds // (PPM * HOUR)
    return (was + step, was + step + 1) if side == "rise" else (was - step, was - step - 1)


# -------------------------------------------------------------------------------------------------------------- steps


@pytest.mark.parametrize("seconds", [600, 61])
@pytest.mark.parametrize(("place", "side"), PACED, ids=str)
def test_as_far_as_a_limit_lets_it_and_one_further(yard, place, side, seconds):
    field = FIELDS[place]
    last, past = edge_of(place, side, getattr(yard.said[ETH], field), seconds)
    yard.later(seconds)
    yard.refuses(too_fast(place), **{field: past})
    yard.must(**{field: last})
    # and once it is said, no time is left
    yard.refuses(too_fast(place), **{field: last + (1 if side == "rise" else -1)})
    yard.must()


@pytest.mark.parametrize("place", FREE)
def test_without_a_limit_it_goes_anywhere_at_once(yard, place):
    field, limit = FIELDS[place], DEFAULTS[place]
    yard.must(**{field: limit.high})
    assert yard.passes(**{field: max(limit.low, 1_100_001)}) == (limit.fall == UNLIMITED)


@pytest.mark.parametrize(("field", "place"), [("extremes", EXTREME), ("damps", DAMP)])
@pytest.mark.parametrize("at", range(3))
def test_extremes_and_their_damping_go_anywhere_in_their_bounds(yard, field, place, at):
    limit = DEFAULTS[place]

    def with_one(value):
        known = getattr(yard.said[ETH], field)
        return {field: (*known[:at], value, *known[at + 1 :])}

    for value in (limit.low, limit.high):
        yard.must(**with_one(value))
    low, high = (99, 1_001) if place == EXTREME else (9, 101)
    # of what no scenario may be, `check` speaks first
    if place == EXTREME:
        yard.refuses(out_of_bounds(place), **with_one(high))
        malformed = low
    else:
        yard.refuses(out_of_bounds(place), **with_one(low))
        malformed = high
    made = surfaces(ETH, replace(yard.said[ETH], extremes=(150, 150, 150), damps=(60, 60, 60)), yard.pair.now)[0]
    header = {field: (*getattr(made, field)[:at], malformed, *getattr(made, field)[at + 1 :])}
    yard.refused("guard: extremes malformed", "oracle", "store", encode(replace(made, **header)))


def test_a_limit_of_an_extreme_is_of_each(yard):
    yard.pair.must("guard", "set_limit", 0, EXTREME, 100, 1_000, 100_000, 100_000, sender=OWNER)
    yard.later(HOUR)
    for at, (last, past) in enumerate([(165, 166), (220, 221), (330, 331)]):
        known = yard.said[ETH].extremes
        yard.refuses(too_fast(EXTREME), extremes=(*known[:at], past, *known[at + 1 :]))
        assert yard.passes(extremes=(*known[:at], last, *known[at + 1 :]))
    yard.must(extremes=(165, 180, 330))


def test_a_rounding_of_the_step_is_down(yard):
    # 20,000 ppm x 1.000277..: an hour's fiftieth is 5 % x 20,000 x 13 / 3,600 = 3.6
    yard.later(13)
    assert edge_of(PSR, "rise", 100_000, 13) == (100_018, 100_019)  # 18.05
    yard.refuses(too_fast(PSR), psr=100_019)
    yard.must(psr=100_018)


def test_without_time_nothing_moves_but_all_may_stand(yard):
    yard.must()
    for field, step in (("psr", 1), ("depth", -1), ("offset", 1), ("gross", 1)):
        place = next(place for place, name in FIELDS.items() if name == field)
        yard.refuses(too_fast(place), **{field: getattr(yard.said[ETH], field) + step})


def test_many_small_steps_go_no_further_than_the_rate(yard):
    # thirty reports, two minutes apart: an hour's 5 %, compounded, and no more
    start = yard.said[ETH].psr
    for _ in range(30):
        yard.later(120)
        last, past = edge_of(PSR, "rise", yard.said[ETH].psr, 120)
        yard.refuses(too_fast(PSR), psr=past)
        yard.must(psr=last)
    assert 105_000 < yard.said[ETH].psr < start * 1.0513


# ------------------------------------------------------------------------------------------------------------- bounds


@pytest.mark.parametrize(
    ("place", "end"),
    [(place, end) for place in FIELDS for end in ("low", "high") if (place, end) != (IM_FACTOR, "low")],
)
def test_at_a_bound_and_past_it(yard, place, end):
    """Of an underlying that nothing was said of, so that the bound alone holds."""
    field, bound = FIELDS[place], getattr(DEFAULTS[place], end)
    with yard.pair.isolated():
        yard.pair.must("oracle", "post", *yard.first(**{field: bound}))
    past = bound + (1 if end == "high" else -1)
    if past < 0 or (place, past) in {(DEPTH, 2**96), (IM_FACTOR, 2**24), (VOLATILITY, 2**32)}:
        return  # no word can say it
    if place in {DEPTH, IM_FACTOR} or (place in {KAPPA, SOM, MARKET, CROSS_HAIRCUT} and end == "high"):
        reason = f"oracle: {'class' if place == CROSS_HAIRCUT else 'scalars'} out of range"  # as narrow, and first
    else:
        reason = out_of_bounds(place)
    yard.refused(reason, "oracle", "post", *yard.first(**{field: past}))


@pytest.mark.parametrize("place", [KAPPA, SOM, MARKET, DEPTH, IM_FACTOR, VOLATILITY, CROSS_HAIRCUT])
def test_bounds_that_are_narrower_than_the_oracles(yard, place):
    field, limit = FIELDS[place], DEFAULTS[place]
    was = getattr(yard.said[ETH], field)
    args = 0, place, was, was + 5, limit.rise, limit.fall
    yard.pair.must("guard", "set_limit", *args, sender=OWNER)
    yard.later(DAY)
    yard.refuses(out_of_bounds(place), **{field: was - 1})
    yard.refuses(out_of_bounds(place), **{field: was + 6})
    yard.must(**{field: was + 5})


def test_what_stands_outside_a_narrowed_bound_must_come_in(yard):
    yard.pair.must("guard", "set_scope", ETH, 1, sender=OWNER)
    yard.pair.must("guard", "set_limit", 1, PSR, 10_000, 99_000, 50_000, 50_000, sender=OWNER)
    yard.later(600)  # it may fall by .83 %
    yard.refuses(out_of_bounds(PSR))
    yard.refuses(too_fast(PSR), psr=99_000)
    yard.later(120)  # by exactly 1 %
    yard.must(psr=99_000)


@pytest.mark.parametrize("field", ["gross", "kappa", "market", "offset", "cross_haircut"])
def test_from_zero_a_scalar_is_bound_by_its_bounds_alone(yard, field):
    place = next(place for place, name in FIELDS.items() if name == field)
    yard.later(4 * DAY)
    yard.must(**{field: 0})
    with yard.pair.isolated():
        yard.pair.must("oracle", "post", *yard.words(**{field: DEFAULTS[place].high}))
    yard.must(**{field: 1})
    yard.refuses(too_fast(place), **{field: 2})


# --------------------------------------------------------------------------------------------------------------- time


def test_time_counts_from_the_last_of_that_underlying(yard):
    for _ in range(3):  # of BTC alone
        yard.later(600)
        said = yard.said[BTC]
        args = yard.report(surfaces(BTC, said, yard.pair.now), [scalars_of(BTC, said)])
        yard.pair.must("oracle", "post", *args)
    lasts = {}
    for place, field in ((PSR, "psr"), (DEPTH, "depth")):
        lasts[field], past = edge_of(place, "rise", getattr(yard.said[ETH], field), 1_800)
        yard.refuses(too_fast(place), **{field: past})
    yard.must(**lasts)


def test_scalars_and_surfaces_have_a_time_of_their_own(yard):
    yard.later(600)
    yard.pair.must("oracle", "post", *yard.report([], [scalars_of(ETH, yard.said[ETH])]))
    yard.refuses(too_fast(DEPTH), depth=yard.said[ETH].depth + 1)
    last, past = edge_of(PSR, "fall", 100_000, 600)
    yard.refuses(too_fast(PSR), psr=past)
    yard.must(psr=last)
    yard.later(600)
    made = surfaces(ETH, yard.said[ETH], yard.pair.now)
    yard.pair.must("oracle", "post", *yard.report(made))
    yard.refuses(too_fast(PSR), psr=last - 1)
    yard.must(depth=edge_of(DEPTH, "rise", yard.said[ETH].depth, 600)[0])


def test_a_class_has_a_time_of_its_own(yard):
    yard.later(600)
    yard.pair.must("oracle", "post", *yard.report(surfaces(ETH, yard.said[ETH], yard.pair.now)))
    last, past = edge_of(OFFSET, "rise", 300_000, 600)
    args = [class_of(replace(yard.said[ETH], offset=past))], [class_of(replace(yard.said[ETH], offset=last))]
    yard.refused(too_fast(OFFSET), "oracle", "post", *yard.report([], [], args[0]))
    yard.pair.must("oracle", "post", *yard.report([], [], args[1]))
    assert yard.ask("guard", "class_time", 1) == NOW + 600


def test_of_one_underlying_twice_in_a_report_the_second_may_not_move(yard):
    yard.later(HOUR)
    said = yard.said[ETH]
    words = [scalars_of(ETH, replace(said, depth=said.depth + k)) for k in (100, 101)]
    yard.refused(too_fast(DEPTH), "oracle", "post", *yard.report([], words))
    yard.refused(too_fast(DEPTH), "oracle", "post", *yard.report([], words, urgent=True))
    classes = [class_of(replace(said, offset=said.offset + k)) for k in (100, 101)]
    yard.refused(too_fast(OFFSET), "oracle", "post", *yard.report([], [], classes))
    yard.refused(too_fast(OFFSET), "oracle", "post", *yard.report([], [], classes, urgent=True))
    yard.pair.must("oracle", "post", *yard.report([], words[:1] * 2, classes[:1] * 2))


# ------------------------------------------------------------------------------------------------------------- urgent


@pytest.mark.parametrize("seconds", [1, HOUR - 1, HOUR, HOUR + 60])
@pytest.mark.parametrize(
    ("place", "side"), [(PSR, "rise"), (PSR, "fall"), (VOL_UP, "rise"), (KAPPA, "rise"), (OFFSET, "rise")]
)
def test_an_urgent_report_goes_ten_times_as_far_as_in_an_hour_at_least(yard, place, side, seconds):
    field = FIELDS[place]
    yard.later(seconds)
    last, past = edge_of(place, side, getattr(yard.said[ETH], field), 10 * max(seconds, HOUR))
    yard.refuses(too_fast(place), urgent=True, **{field: past})
    yard.refuses(too_fast(place), **{field: last})
    yard.must(urgent=True, **{field: last})


def test_another_boost(yard):
    yard.pair.must("guard", "set_band", 50_000, 3, sender=OWNER)
    yard.later(1)
    yard.refuses(too_fast(PSR), urgent=True, psr=115_001)
    yard.must(urgent=True, psr=115_000)


def test_of_the_same_market_time_an_urgent_report_moves_nothing(yard):
    yard.refuses(too_fast(PSR), urgent=True, psr=100_001)
    yard.must(urgent=True)


def test_bounds_and_band_hold_an_urgent_report_too(yard):
    yard.later(DAY)
    yard.refuses(out_of_bounds(PSR), urgent=True, psr=900_001)
    price = yard.said[ETH].reference
    yard.refuses("guard: reference price off the index", urgent=True, reference=price * 105 // 100 + 1)


def test_below_the_urgent_quorum_nothing_is_asked_of_the_guardrails(yard):
    yard.later(60)
    report, _, stored, fresh = yard.words(urgent=True, psr=101_000)
    two = yard.pair.signed(report, yard.pair.signers[:2])
    yard.refused("oracle: below quorum", "oracle", "post", report, two, stored, fresh)
    # nor do their signatures make it an ordinary one
    stranger = "oracle: signers not ascending", "oracle: not a signer"
    found = yard.pair.step("oracle", "post", replace(report, urgent=False), two, stored, fresh)
    assert found.reason in stranger


# ----------------------------------------------------------------------------------------------------------- the band


@pytest.mark.parametrize("index", [2_000 * WAD, 1_999 * WAD + 7])
def test_a_reference_at_the_edge_of_the_band_and_past_it(yard, index):
    yard.pair.price(ETH, index)
    inside = index * 50_000 // PPM
    for reference in (index + inside, index - inside):
        assert yard.passes(reference=reference)
    yard.refuses("guard: reference price off the index", reference=index + inside + 1)
    yard.refuses("guard: reference price off the index", reference=index - inside - 1)


def test_another_band(yard):
    yard.pair.must("guard", "set_band", 1_000, 10, sender=OWNER)
    assert yard.passes(reference=2_002 * WAD)
    yard.refuses("guard: reference price off the index", reference=2_002 * WAD + 1)


@pytest.mark.parametrize("way", ["stale", "zero", "dead"])
def test_over_a_dead_index_no_surface_is_believed(yard, way):
    if way == "stale":
        yard.pair.price(ETH, 2_000 * WAD, NOW - DAY - 1)
        reason = "feed: stale price"
    elif way == "zero":
        yard.pair.price(ETH, 0)
        reason = "feed: price not positive"
    else:
        yard.pair.fail(ETH)
        reason = "aggregator: down"
    yard.refuses(reason)
    # what says nothing of a price is
    yard.pair.must("oracle", "post", *yard.report([], [scalars_of(ETH, yard.said[ETH])]))


def test_an_underlying_that_nobody_feeds(yard):
    made = [replace(each, underlying=0x0999) for each in surfaces(BTC, yard.said[BTC], yard.pair.now)]
    yard.refused("feed: unknown underlying", "oracle", "post", *yard.report(made))


CARRY_EDGE = 500_000_000  # half of the index, in 1e-9


@pytest.mark.parametrize("sign", [1, -1])
def test_a_forward_off_the_index(yard, sign):
    yard.refuses("guard: forward off the index", forward=10**9 + sign * (CARRY_EDGE + 1))
    yard.must(forward=10**9 + sign * CARRY_EDGE)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_perp_off_the_index(yard, sign):
    off = MARK_UNIT // 20  # 5 %
    yard.refuses("guard: linear mark off the forward", perp_mark=MARK_UNIT + sign * (off + 1))
    yard.must(perp_mark=MARK_UNIT + sign * off)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_future_off_its_forward(yard, sign):
    fair = 1_100_000_000 * 1_000
    off = fair // 20
    changes = {"forward": 1_100_000_000}
    yard.refuses("guard: linear mark off the forward", future_mark=fair + sign * (off + 1), **changes)
    yard.must(future_mark=fair + sign * off, **changes)


@pytest.mark.parametrize(("place", "field"), [(CARRY, "forward"), (BASIS, "perp_mark")])
def test_bands_of_marks_are_limits_too(yard, place, field):
    unit = 10**9 if place == CARRY else MARK_UNIT
    yard.pair.must("guard", "set_limit", 0, place, 0, 10_000, UNLIMITED, UNLIMITED, sender=OWNER)
    reason = "guard: forward off the index" if place == CARRY else "guard: linear mark off the forward"
    yard.refuses(reason, **{field: unit + unit // 100 + 1})
    yard.must(**{field: unit + unit // 100})


# --------------------------------------------------------------------------------------------------------------- sets


@pytest.mark.parametrize(
    "changes",
    [
        {"psr": 100_001},
        {"vol_up": 400_001},
        {"vol_down": 249_999},
        {"extremes": (150, 200, 301)},
        {"damps": (60, 45, 32)},
    ],
    ids=str,
)
def test_surfaces_of_one_underlying_share_their_scenarios(yard, changes):
    """Under one set id, and the same reference: which the oracle sees."""
    yard.later(HOUR)
    first = surfaces(ETH, yard.said[ETH], yard.pair.now)[0]
    second = surfaces(ETH, replace(yard.said[ETH], **changes), yard.pair.now)[1]
    yard.refused("guard: mixed sets", "oracle", "post", *yard.report([first, second]))


def test_nodes_are_of_the_set(yard):
    said = yard.said[ETH]
    first, second = surfaces(ETH, said, yard.pair.now)
    nodes = (0, *(sign * k for k in (1_000, 3_333, 5_000, 6_667, 8_333, 10_000) for sign in (1, -1)))
    second = replace(second, nodes=nodes)
    lanes = linear_lanes(second)
    second = replace(second, rows=(replace(second.rows[0], lanes=lanes), *second.rows[1:]))
    yard.refused("guard: mixed sets", "oracle", "post", *yard.report([first, second]))


def test_each_underlying_has_its_own_scenarios(yard):
    yard.later(HOUR)
    eth = surfaces(ETH, replace(yard.said[ETH], psr=104_000), yard.pair.now)
    btc = surfaces(BTC, replace(yard.said[BTC], psr=96_000), yard.pair.now)
    yard.pair.must("oracle", "post", *yard.report([*eth, *btc]))
    assert [yard.ask("guard", "scenarios", u) >> 216 for u in (ETH, BTC)] == [104_000, 96_000]


# --------------------------------------------------------------------------------------------------------------- rows


def test_a_row_that_comes_anew_is_bound_by_its_bounds_alone(yard):
    first, second = surfaces(ETH, yard.said[ETH], yard.pair.now)
    listed = replace(second.rows[1], strike=7_000, gross=300_000)
    more = replace(second, rows=(*second.rows, listed))
    yard.pair.must("oracle", "post", *yard.report([first, more]))
    listed = replace(listed, gross=299_999)
    more = replace(second, rows=(*second.rows, listed))
    yard.refused(too_fast(GROSS), "oracle", "post", *yard.report([first, more]))


def test_another_instrument_in_a_rows_place_is_a_new_one(yard):
    first, second = surfaces(ETH, yard.said[ETH], yard.pair.now)
    other = replace(second, rows=(*second.rows[:2], replace(second.rows[2], strike=501, gross=20_000)))
    yard.pair.must("oracle", "post", *yard.report([first, other]))


def test_rows_that_say_nothing_are_not_asked_about(yard):
    first, second = surfaces(ETH, yard.said[ETH], yard.pair.now)
    nothing = Row(0, 0, (0,) * 32, 0, 0, 0, 0, 0, 0)
    shorter = replace(second, rows=(second.rows[0], nothing))
    yard.pair.must("oracle", "post", *yard.report([first, shorter]))


def test_a_token_is_held_to_its_haircut_a_perp_to_its_charge(yard):
    yard.later(HOUR)
    assert DEFAULTS[GROSS].rise > DEFAULTS[HAIRCUT].rise
    yard.refuses(too_fast(HAIRCUT), haircut=120_001)
    yard.must(haircut=120_000, gross=50_000)


def test_the_worth_of_a_token_is_compared_in_whole_ppm(yard):
    first, second = surfaces(ETH, yard.said[ETH], yard.pair.now)
    finer = replace(first.rows[1], mark=first.rows[1].mark + 999_999)
    yard.pair.must("oracle", "post", *yard.report([replace(first, rows=(first.rows[0], finer)), second]))
    yard.refuses(too_fast(WORTH), worth=950_001)


# ------------------------------------------------------------------------------------------------------------- scopes


def test_an_underlying_of_a_scope_has_its_limits(yard):
    yard.pair.must("guard", "set_limit", 3, PSR, 10_000, 900_000, 10_000, 10_000, sender=OWNER)
    yard.later(HOUR)
    assert yard.passes(psr=105_000)
    yard.pair.must("guard", "set_scope", ETH, 3, sender=OWNER)
    yard.refuses(too_fast(PSR), psr=101_001)
    # what the scope lacks is scope 0's
    yard.refuses(too_fast(DEPTH), depth=yard.said[ETH].depth * 3 // 2 + 1)
    yard.must(psr=101_000, depth=yard.said[ETH].depth * 3 // 2)
    # others go on as before
    yard.later(HOUR)
    btc = surfaces(BTC, replace(yard.said[BTC], psr=105_000), yard.pair.now)
    yard.pair.must("oracle", "post", *yard.report(btc))


def test_each_number_of_an_underlying_follows_its_scope(yard):
    for place in DEFAULTS:
        limit = DEFAULTS[place]
        if place in {OFFSET, CROSS_HAIRCUT}:
            continue
        with yard.pair.isolated():
            yard.pair.must("guard", "set_scope", ETH, 9, sender=OWNER)
            # bounds that nothing said of ETH lies in
            low = {CARRY: 0, BASIS: 0}.get(place, limit.high - 1)
            yard.pair.must("guard", "set_limit", 9, place, low, max(low + 1, 1), 10_000, 10_000, sender=OWNER)
            changes = {}
            reason = out_of_bounds(place)
            if place == CARRY:
                changes, reason = {"forward": 1_000_002_000}, "guard: forward off the index"
            elif place == BASIS:
                changes, reason = {"perp_mark": MARK_UNIT + 2 * 10**6}, "guard: linear mark off the forward"
            yard.refuses(reason, **changes)


# -------------------------------------------------------------------------------------------------- halt, and whoever


def test_while_posting_is_halted_nothing_is_believed(yard):
    yard.pair.must("guard", "halt", NOW + 100, sender=OWNER)
    yard.refuses("guard: posting is halted")
    yard.refuses("guard: posting is halted", urgent=True)
    yard.refused("guard: posting is halted", "oracle", "post", *yard.report([]))
    yard.later(99)
    yard.refuses("guard: posting is halted")
    yard.later(1)
    yard.must()


@pytest.mark.parametrize("sender", [ATTACKER, OWNER, 1])
def test_a_stranger_is_not_asked_what_he_would_have_admitted(yard, sender):
    guard = yard.pair.contracts["guard"]
    with pytest.raises(Refused, match=r"^guard: not the oracle$"):
        guard.transact("admit", False, NOW, [], [], [], [], sender=text(sender))
    with pytest.raises(Refused, match=r"^guard: not the oracle$"):
        yard.guard.admit(False, NOW, [], [], [], [], sender=sender, now=NOW)


def test_what_was_admitted_is_noted(yard):
    yard.later(70)
    yard.must(psr=100_001, extremes=(151, 201, 301), damps=(61, 46, 34))
    said = yard.said[ETH]
    word = 0
    for value, bits in (
        (said.psr, 32),
        (said.vol_up, 32),
        (said.vol_down, 32),
        *((damp, 8) for damp in said.damps),
        *((extreme, 16) for extreme in said.extremes),
        (NOW + 70, 40),
        (NOW + 70, 40),
    ):
        word = word << bits | value
    assert yard.ask("guard", "scenarios", ETH) == word == yard.guard.scenarios(ETH)
    assert yard.ask("guard", "class_time", 1) == NOW + 70
    assert PRICES[ETH] == said.reference

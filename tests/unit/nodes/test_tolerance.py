"""Every tolerance: a number just inside is signed, one just outside is refused by its name, its place and both numbers.

Own and proposed reports are the same but for one field, so what is refused is refused for that field alone.
"""

from dataclasses import fields, replace

import numpy as np
import pytest
from eth_utils.crypto import keccak

from plimsoll.nodes.errors import RiskNodeError
from plimsoll.nodes.tolerance import DEFAULT, LIMITS, Tolerance, carry, compare, observe
from plimsoll.nodes.wire import Disagreement, Proposal
from plimsoll.spec.report import Report, pack_class, pack_scalars
from plimsoll.spec.surface import encode

from .conftest import EXPIRY, NOW, UNDERLYING, again, closes, snapshot

OPTIONS = 1  # place of the options' surface; 0 is the perpetual's
PPM = 10**6


def edited(built, surface=None, **fields_):
    """A proposal with one surface replaced, hashes and all, or other fields of the report."""
    codes = list(built.codes)
    for place, changed in (surface or {}).items():
        codes[place] = encode(changed)
    report = replace(built.report, surfaces=tuple(keccak(code) for code in codes), **fields_)
    return Proposal("somebody", report, tuple(codes))


def with_row(built, place, number, **fields_):
    surface = built.surfaces[place]
    rows = list(surface.rows)
    rows[number] = replace(rows[number], **fields_)
    return edited(built, {place: replace(surface, rows=tuple(rows))})


def boundary(check, own, room):
    """Just inside, either way, nothing is said; just outside, either way, exactly one thing."""
    for sign in (1, -1):
        assert check(own + sign * room) == ()
        (said,) = check(own + sign * (room + 1))
        assert (said.own, said.proposed, said.tolerance) == (own, own + sign * (room + 1), room)
        found = said
    return found


def test_the_same_report_is_the_same(built):
    assert compare(built, Proposal.of("somebody", built)) == ()


@pytest.mark.parametrize("lane", [0, 5, 12, 31])
@pytest.mark.parametrize(("place", "row"), [(0, 0), (0, 1), (OPTIONS, 0), (OPTIONS, 3)])
def test_lane(built, place, row, lane):
    surface = built.surfaces[place]
    own = surface.rows[row].lanes[lane]
    room = 1 + DEFAULT.lane // (10 * surface.scale) + abs(own) * DEFAULT.lane_share // PPM

    def check(value):
        lanes = list(surface.rows[row].lanes)
        lanes[lane] = value
        return compare(built, with_row(built, place, row, lanes=tuple(lanes)))

    said = boundary(check, own, room)
    assert (said.what, said.underlying, said.expiry) == ("lane", UNDERLYING, surface.expiry)
    assert (said.row, said.lane) == (row, lane)


@pytest.mark.parametrize("row", [0, 3])
def test_mark(built, row):
    own = built.surfaces[OPTIONS].rows[row].mark
    room = DEFAULT.mark * 10**6
    said = boundary(lambda value: compare(built, with_row(built, OPTIONS, row, mark=value)), own, room)
    assert (said.what, said.expiry, said.row, said.lane) == ("mark", EXPIRY, row, None)


@pytest.mark.parametrize(
    ("name", "least", "share"),
    [
        ("delta", DEFAULT.greek, DEFAULT.greek_share),
        ("gamma", DEFAULT.greek, DEFAULT.greek_share),
        ("vega", DEFAULT.greek, DEFAULT.greek_share),
        ("theta", 10 * DEFAULT.greek, DEFAULT.greek_share),
        ("gross", DEFAULT.gross, DEFAULT.gross_share),
    ],
)
def test_greeks_and_charges(built, name, least, share):
    own = getattr(built.surfaces[OPTIONS].rows[0], name)
    room = least + abs(own) * share // PPM
    said = boundary(lambda value: compare(built, with_row(built, OPTIONS, 0, **{name: value})), own, room)
    assert (said.what, said.row) == (name, 0)


def test_a_token_s_haircut(built):
    own = built.surfaces[0].rows[1].gross
    room = DEFAULT.gross + own * DEFAULT.gross_share // PPM
    assert boundary(lambda value: compare(built, with_row(built, 0, 1, gross=value)), own, room).what == "gross"


@pytest.mark.parametrize("name", ["psr", "vol_up", "vol_down"])
def test_scan_range_and_shifts(built, name):
    surface = built.surfaces[0]
    own = getattr(surface, name)

    def check(value):
        return compare(built, edited(built, {0: replace(surface, **{name: value})}))

    said = boundary(check, own, own * DEFAULT.scan // PPM)
    assert (said.what, said.underlying, said.expiry) == (name, UNDERLYING, 0)


def test_forward(built):
    surface = built.surfaces[OPTIONS]

    def check(value):
        return compare(built, edited(built, {OPTIONS: replace(surface, forward=value)}))

    assert boundary(check, surface.forward, DEFAULT.reference * 1_000).what == "forward"


def test_reference_against_one_s_own_prices(built):
    own = 100 * 10**18

    def check(value):
        surfaces = {k: replace(s, reference=value) for k, s in enumerate(built.surfaces)}
        return observe(NOW, snapshot(), edited(built, surfaces), DEFAULT)

    said = boundary(check, own, own * DEFAULT.reference // PPM)
    assert (said.what, said.underlying) == ("reference", UNDERLYING)


def test_one_moment_has_one_price(built):
    """Within tolerance of one's own, but not the price of the underlying's other expiry."""
    changed = replace(built.surfaces[OPTIONS], reference=built.surfaces[0].reference + 1)
    (said,) = compare(built, edited(built, {OPTIONS: changed}))
    assert (said.what, said.expiry, said.tolerance) == ("reference", EXPIRY, 0)


@pytest.mark.parametrize(("sign", "room"), [(1, DEFAULT.ahead), (-1, DEFAULT.behind)])
def test_market_time(built, sign, room):
    def check(now):
        return observe(now, snapshot(), Proposal.of("somebody", built), DEFAULT)

    assert check(NOW - sign * room) == ()
    (said,) = check(NOW - sign * (room + 1))
    assert (said.what, said.own, said.proposed, said.tolerance) == ("market_time", NOW - sign * (room + 1), NOW, room)


@pytest.mark.parametrize("name", ["depth", "kappa", "som", "im_factor", "volatility", "market"])
def test_scalars(built, name):
    (own,) = built.scalars

    def check(value):
        return compare(built, edited(built, scalars=(pack_scalars(replace(own, **{name: value})),)))

    value = getattr(own, name)
    said = boundary(check, value, value * DEFAULT.scalar // PPM)
    assert (said.what, said.underlying) == (name, UNDERLYING)


def test_funding(built):
    (own,) = built.scalars

    def check(value):
        return compare(built, edited(built, scalars=(pack_scalars(replace(own, funding=value)),)))

    assert boundary(check, own.funding, DEFAULT.funding).what == "funding"


def test_class_offset_and_cross_haircut(built):
    (own,) = built.classes
    own = replace(own, offset=300_000)
    mine = replace(built, classes=(own,))

    def check(value):
        return compare(mine, edited(built, classes=(pack_class(replace(own, offset=value)),)))

    assert boundary(check, own.offset, DEFAULT.offset).what == f"offset of class {own.klass}"
    other = replace(own, cross_haircut=own.cross_haircut + 1)
    (said,) = compare(mine, edited(built, classes=(pack_class(other),)))
    assert said.what == f"cross_haircut of class {own.klass}"


@pytest.mark.parametrize("name", sorted(f.name for f in fields(Report) if f.type in {"bool", "bytes"}))
def test_what_is_exact(built, name):
    """The urgent flag, model and configuration; a snapshot's hash is its proposer's own."""
    own = getattr(built.report, name)
    other = not own if isinstance(own, bool) else bytes(32)
    said = compare(built, edited(built, **{name: other}))
    if name == "snapshot":
        assert said == ()
    else:
        assert [item.what for item in said] == [name]


def test_sequence_is_exact(built):
    (said,) = compare(built, edited(built, sequence=2))
    assert (said.what, said.own, said.proposed) == ("sequence", 1, 2)


def changed_surface(built, **fields_):
    return edited(built, {0: replace(built.surfaces[0], **fields_)})


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"scale": 10}, "scale"),
        ({"common": 31}, "common"),
        ({"nodes": (1,) * 13}, "nodes"),
        ({"extremes": (1, 2, 3)}, "extremes"),
        ({"damps": (1, 2, 3)}, "damps"),
        ({"set_id": 7}, "set_id"),
        ({"time": NOW + 1}, "surface time"),
        ({"underlying": 258}, "surfaces"),
        ({"expiry": EXPIRY + 1}, "surfaces"),
    ],
)
def test_the_shape_is_exact(built, change, what):
    assert {item.what for item in compare(built, changed_surface(built, **change))} == {what}


def test_rows_are_the_same_instruments(built):
    surface = built.surfaces[OPTIONS]
    rows = list(surface.rows)
    rows[0] = replace(rows[0], strike=rows[0].strike + 1)
    for wrong in (tuple(rows), surface.rows[:-1]):
        said = compare(built, edited(built, {OPTIONS: replace(surface, rows=wrong)}))
        assert [item.what for item in said] == ["rows"]


def test_codes_are_what_the_report_names(built):
    swapped = Proposal("somebody", built.report, built.codes[::-1])
    short = Proposal("somebody", built.report, built.codes[:-1])
    for wrong in (swapped, short):
        assert [item.what for item in compare(built, wrong)] == ["code hashes"]


@pytest.mark.parametrize("code", [b"", b"\x01" * 97, b"\x00" * 97])
def test_a_code_that_is_no_surface(built, code):
    codes = (code, *built.codes[1:])
    report = replace(built.report, surfaces=tuple(keccak(c) for c in codes))
    assert [item.what for item in compare(built, Proposal("x", report, codes))] == ["code"]


def test_no_bit_of_a_code_is_free(built):
    """Flip any bit: either it reads as another surface, or it is told apart as meaning nothing."""
    surface = replace(built.surfaces[0], rows=built.surfaces[0].rows[:1])
    mine = replace(built, surfaces=(surface,))
    code = encode(surface)
    for bit in range(8 * len(code)):
        flipped = bytearray(code)
        flipped[bit // 8] ^= 1 << bit % 8
        other = Proposal("x", replace(built.report, surfaces=(keccak(bytes(flipped)),)), (bytes(flipped),))
        (seen,) = other.surfaces
        if seen == surface:
            assert [item.what for item in compare(mine, other)] == ["code"]


def test_bits_that_no_decoder_shows(built):
    code = bytearray(built.codes[0])
    code[-1] ^= 1
    report = replace(built.report, surfaces=(keccak(bytes(code)), *built.report.surfaces[1:]))
    (said,) = compare(built, Proposal("x", report, (bytes(code), *built.codes[1:])))
    assert said.what == "code"
    word = built.report.classes[0] ^ 1
    (said,) = compare(built, edited(built, classes=(word,)))
    assert said.what == "classes"


def test_what_is_missing_or_too_much(built):
    for name in ("scalars", "classes"):
        for words in ((), getattr(built.report, name) * 2):
            assert [item.what for item in compare(built, edited(built, **{name: words}))] == [name]
    fewer = replace(built.report, surfaces=built.report.surfaces[:1])
    assert [i.what for i in compare(built, Proposal("x", fewer, built.codes[:1]))] == ["surfaces"]
    assert observe(NOW, snapshot(), Proposal("x", fewer, ()), DEFAULT)[0].what == "underlyings"


@pytest.mark.parametrize(("factor", "low", "high"), [(2.0, 0, 0), (0.5, 0, 0), (1.0, 1, 1), (1.01, 1, 0)])
def test_what_is_held_back_has_no_room_beyond_its_target(built, factor, low, high):
    """Far from its target a number is what the limit says, exactly; near it, the target's room is cut by the limit."""
    surface = built.surfaces[0]
    target = round(surface.psr * factor)
    free = replace(built, surfaces=tuple(replace(s, psr=target) for s in built.surfaces))
    room = target * DEFAULT.scan // PPM
    lowest = target - room if low else surface.psr
    highest = target + room if high else surface.psr
    for value, inside in ((lowest, True), (lowest - 1, False), (highest, True), (highest + 1, False)):
        said = compare(built, edited(built, {0: replace(surface, psr=value)}), DEFAULT, lambda: free)
        assert [item.what for item in said if item.what != "lane"] == ([] if inside else ["psr"])


@pytest.mark.parametrize("name", ["depth", "kappa", "som", "volatility", "market"])
def test_scalars_are_held_likewise(built, name):
    (own,) = built.scalars
    free = replace(built, scalars=(replace(own, **{name: 2 * getattr(own, name)}),))
    for step in (-1, 1):
        other = replace(own, **{name: getattr(own, name) + step})
        (said,) = compare(built, edited(built, scalars=(pack_scalars(other),)), DEFAULT, lambda: free)
        assert (said.what, said.tolerance) == (name, 0)


def test_offsets_are_held_likewise(built):
    own = replace(built.classes[0], offset=300_000)
    mine, free = (replace(built, classes=(replace(own, offset=offset),)) for offset in (300_000, 100_000))
    (said,) = compare(mine, edited(built, classes=(pack_class(replace(own, offset=300_001)),)), DEFAULT, lambda: free)
    assert (said.own, said.proposed, said.tolerance) == (300_000, 300_001, 0)


def test_a_moved_scan_range_moves_its_lanes_as_far_and_no_further(engine, built):
    """The lanes that go with another scan range are signed with it, and not with one's own."""
    psr = built.surfaces[0].psr
    posted = {UNDERLYING: replace(built.state.posted[UNDERLYING], psr=round(psr * 0.985))}
    other = engine.report(snapshot(), replace(built.state, sequence=0, market_time=NOW - 1, posted=posted), 1)
    assert other.surfaces[0].psr < psr
    assert compare(built, Proposal.of("x", other)) == ()
    mixed = {k: replace(s, psr=psr, set_id=built.surfaces[k].set_id) for k, s in enumerate(other.surfaces)}
    assert {item.what for item in compare(built, edited(built, mixed))} == {"lane"}


def test_a_carried_snapshot_gives_the_proposer_s_report(engine, built):
    """A few basis points and seconds apart, two nodes compute the same bytes once they speak of one price and time."""
    theirs = again(engine, time=NOW + 4, index=100.04)
    mine = snapshot()
    assert observe(NOW, mine, theirs, DEFAULT) == ()
    moved = carry(replace(mine, market_time=NOW + 4), {UNDERLYING: 10_004 * 10**16})
    assert engine.report(moved).codes == theirs.codes
    assert compare(built, theirs) != ()


def test_histories_of_another_source_are_tolerated_and_another_market_is_not(engine):
    noise = np.random.default_rng(8).normal(0, 1e-4, len(closes()))
    other = Proposal.of("x", engine.report(snapshot(close=closes() * np.exp(noise))))
    assert compare(engine.report(snapshot()), other) == ()
    wild = Proposal.of("x", engine.report(snapshot(close=closes(seed=6))))
    assert {"psr", "lane"} <= {item.what for item in compare(engine.report(snapshot()), wild)}


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_tolerances_have_bounds(name):
    for wrong in (-1, LIMITS[name] + 1):
        with pytest.raises(RiskNodeError, match=f"tolerance {name} {wrong}; 0 .. {LIMITS[name]} is right"):
            Tolerance(**{name: wrong})
    assert getattr(Tolerance(**{name: LIMITS[name]}), name) == LIMITS[name]


def test_a_disagreement_reads_as_a_sentence():
    said = Disagreement("lane", -1_234, -600, 45, 257, 0, 3, 12)
    text = "lane of underlying 257, expiry 0, row 3, lane 12: own -1234, proposed -600, tolerance 45"
    assert str(said) == text

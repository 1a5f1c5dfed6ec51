"""Surfaces as code: what is encoded decodes to itself, and nothing else decodes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.spec.errors import FormatError
from plimsoll.spec.instruments import CALL, Instrument
from plimsoll.spec.surface import HEADER_BYTES, LANES, MAX_ROWS, ROW_BYTES, Row, Surface, decode, encode, encode_row
from tests.strategies import Drawn, Seeded, row, worlds

ROW = Row(kind=2, strike=7, lanes=(0,) * LANES, mark=1, delta=2, gamma=3, vega=4, theta=5, gross=6)
SURFACE = Surface(
    underlying=1,
    expiry=2,
    scale=3,
    common=4,
    time=5,
    set_id=6,
    forward=7,
    reference=8,
    psr=9,
    vol_up=10,
    vol_down=11,
    nodes=tuple(range(-6, 7)),
    extremes=(1, 2, 3),
    rows=(ROW,),
)
HEADER_FIELDS = {
    "underlying": 16,
    "expiry": 40,
    "scale": 8,
    "common": 8,
    "time": 40,
    "set_id": 64,
    "forward": 32,
    "reference": 128,
    "psr": 32,
    "vol_up": 32,
    "vol_down": 32,
}
ROW_FIELDS = {"kind": 8, "strike": 48, "mark": 48, "gamma": 32, "vega": 24, "gross": 24}
SIGNED_FIELDS = {"delta": 24, "theta": 24}


@given(worlds())
def test_a_surface_decodes_to_itself(known) -> None:
    for surface in known.surfaces:
        code = encode(surface)
        assert decode(code) == surface
        assert len(code) == 1 + HEADER_BYTES + ROW_BYTES * len(surface.rows)
        assert code[0] == 0  # STOP: the contract does nothing, and can be created


@given(st.data())
def test_every_field_of_a_row_comes_back(data) -> None:
    found = row(Drawn(data.draw), Instrument(1, 2, CALL, 3, 0))
    assert decode(encode(replace(SURFACE, rows=(found,)))).rows == (found,)


@pytest.mark.parametrize("name", HEADER_FIELDS)
def test_each_header_field_has_its_own_bits(name: str) -> None:
    top = 2 ** HEADER_FIELDS[name] - 1
    for value in (0, 1, top):
        assert decode(encode(replace(SURFACE, **{name: value}))) == replace(SURFACE, **{name: value})
    for value in (-1, top + 1):
        with pytest.raises(FormatError, match=f"^surface: {name} {value} does not fit (u|int)[0-9]+$"):
            encode(replace(SURFACE, **{name: value}))


@pytest.mark.parametrize("name", [*ROW_FIELDS, *SIGNED_FIELDS])
def test_each_row_field_has_its_own_bits(name: str) -> None:
    bits = {**ROW_FIELDS, **SIGNED_FIELDS}[name]
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if name in SIGNED_FIELDS else (0, 2**bits - 1)
    for value in (low, 0, 1, high):
        rows = (replace(ROW, **{name: value}),)
        assert decode(encode(replace(SURFACE, rows=rows))).rows == rows
    for value in (low - 1, high + 1):
        with pytest.raises(FormatError, match=f"^surface: {name} {value} does not fit (u|int)[0-9]+$"):
            encode_row(replace(ROW, **{name: value}))


@pytest.mark.parametrize("lane", [-32_769, 32_768])
def test_a_lane_is_sixteen_bits(lane: int) -> None:
    with pytest.raises(FormatError, match="lane"):
        encode_row(replace(ROW, lanes=(lane, *ROW.lanes[1:])))


@pytest.mark.parametrize("count", [0, LANES - 1, LANES + 1])
def test_a_row_has_all_lanes(count: int) -> None:
    with pytest.raises(FormatError, match=f"{count} lanes"):
        encode_row(replace(ROW, lanes=(1,) * count))


@pytest.mark.parametrize(("nodes", "extremes", "damps"), [(12, 3, 3), (14, 3, 3), (13, 2, 3), (13, 4, 3), (13, 3, 2)])
def test_a_header_has_its_nodes(nodes: int, extremes: int, damps: int) -> None:
    with pytest.raises(FormatError, match="13 nodes, 3 extremes and 3 damps"):
        encode(replace(SURFACE, nodes=(0,) * nodes, extremes=(0,) * extremes, damps=(0,) * damps))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"nodes": (2**15, *SURFACE.nodes[1:])}, "surface: node 32768 does not fit int16"),
        ({"extremes": (1, 2, 2**16)}, "surface: extreme 65536 does not fit u16"),
        ({"damps": (1, -1, 1)}, "surface: damp -1 does not fit u8"),
    ],
)
def test_a_set_that_does_not_fit_is_refused_by_name(changes, reason) -> None:
    with pytest.raises(FormatError) as refused:
        encode(replace(SURFACE, **changes))
    assert str(refused.value) == reason


def test_the_most_rows_fit_a_contract() -> None:
    code = encode(replace(SURFACE, rows=(ROW,) * MAX_ROWS))
    assert len(code) == 24_097
    assert len(decode(code).rows) == MAX_ROWS
    with pytest.raises(FormatError, match="251 rows"):
        encode(replace(SURFACE, rows=(ROW,) * (MAX_ROWS + 1)))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda code: code[:0],
        lambda code: code[:-1],
        lambda code: code + b"\0",
        lambda code: code[: 1 + HEADER_BYTES - 1],
        lambda code: code[: 1 + HEADER_BYTES],  # the row that the header promises is not there
        lambda code: code + bytes(ROW_BYTES),
        lambda code: b"\xef" + code[1:],
        lambda code: b"\0\2" + code[2:],  # another version
    ],
)
def test_what_is_no_surface_does_not_decode(spoil) -> None:
    with pytest.raises(FormatError, match="surface: "):
        decode(spoil(encode(SURFACE)))


def test_a_lane_of_minus_42_percent_does_not_begin_the_code() -> None:
    """Its bytes begin with 0xEF, which no code may; the STOP stands before it."""
    lane = -4_200
    code = encode(replace(SURFACE, scale=10, rows=(replace(ROW, lanes=(lane,) * LANES),)))
    assert code[1 + HEADER_BYTES] == 0xEF
    assert code[0] == 0


def test_drawn_rows_reach_the_ends_of_their_fields() -> None:
    source = Seeded(0)
    rows = [row(source, Instrument(1, 2, CALL, 3, 0)) for _ in range(2_000)]
    for name, bits in {**ROW_FIELDS, **SIGNED_FIELDS}.items():
        if name in {"kind", "strike"}:
            continue
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if name in SIGNED_FIELDS else (0, 2**bits - 1)
        assert {low, high} <= {getattr(found, name) for found in rows}

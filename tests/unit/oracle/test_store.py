"""RiskOracle.store: anybody writes a surface as code, if the scan can read it."""

import dataclasses

import pytest
from eth_utils.crypto import keccak

from plimsoll.spec.instruments import PERP
from plimsoll.spec.oracle import create_address
from plimsoll.spec.surface import LANES, encode
from plimsoll.spec.wad import MAX_PRICE, WAD
from tests.pairs import address_of, text
from tests.unit.clearinghouse.stage import ATTACKER, ETH, MOVES, NOW, OWNER, make_row, make_surface

MALFORMED = "oracle: surface malformed"
GOOD = make_surface(ETH, 0, [make_row(PERP)], NOW)
CODE = encode(GOOD)


def store(stage, code, sender=ATTACKER):
    """A surface stored on both; where, and the code that stands there."""
    at = stage.pair.must("oracle", "store", code, sender=sender)
    assert stage.pair.chain.code(text(at)) == code
    return at


@pytest.mark.parametrize("role", ["attacker", "owner", "trader"])
def test_anybody_stores(stage, role):
    expected = create_address(stage.pair.twin.at.oracle, stage.pair.twin.oracle.nonce)
    at = store(stage, CODE, sender=address_of(role))
    assert at == expected
    assert stage.last("oracle") == ("SurfaceStored", {"surface": at, "code_hash": keccak(CODE)})


def test_what_is_stored_binds_nothing(stage):
    before = stage.ask("oracle", "pointer", ETH, 0)
    store(stage, CODE)
    assert stage.ask("oracle", "pointer", ETH, 0) == before != 0


@pytest.mark.parametrize("first", [-4_352, -4_200, -4_097])
def test_a_lane_of_minus_42_percent_can_be_posted(stage, first):
    """Rows alone would begin with 0xEF, which no contract's code may; the leading STOP is why this one can stand."""
    lanes = (first, *MOVES[1:])
    stage.surfaces[ETH, 0] = (make_row(PERP, lanes=lanes), *stage.surfaces[ETH, 0][1:])
    code = encode(make_surface(ETH, 0, stage.surfaces[ETH, 0], NOW))
    assert (code[0], code[97]) == (0x00, 0xEF)
    at = store(stage, code)
    stage.post()
    pointed = stage.ask("oracle", "pointer", ETH, 0) >> 96
    assert stage.pair.chain.code(text(pointed)) == code
    assert pointed != at
    terms = stage.terms({stage.perp: WAD})
    loss = -first * 2_000 * WAD // 10_000
    assert (terms.scan, terms.worst_lane) == (loss, 0)
    assert stage.assess({stage.perp: WAD}).mm == loss + 20 * WAD


@pytest.mark.parametrize("first", [0xEF, 0xFE, 0x60, 0x01])
def test_code_that_does_not_begin_with_stop(stage, first):
    # code that begins with 0xEF the chain itself would refuse to create, without a word
    stage.refuses(MALFORMED, "oracle", "store", bytes([first]) + CODE[1:])


@pytest.mark.parametrize(
    "changes",
    [
        {"scale": 1},
        {"scale": 10},
        {"common": 1},
        {"common": LANES},
        {"forward": 1},
        {"forward": 2**32 - 1},
        {"reference": 1},
        {"reference": MAX_PRICE},
        {"rows": ()},
        {"rows": (make_row(PERP),) * 250},
        {"time": 0},
        {"time": 2**40 - 1},
        {"set_id": 2**64 - 1},
    ],
    ids=str,
)
def test_fields_at_their_limits(stage, changes):
    code = encode(dataclasses.replace(GOOD, **changes))
    assert store(stage, code) == stage.last("oracle")[1]["surface"]


@pytest.mark.parametrize(
    "changes",
    [
        {"scale": 0},
        {"scale": 11},
        {"scale": 255},
        {"common": 0},
        {"common": 33},
        {"forward": 0},
        {"reference": 0},
        {"reference": MAX_PRICE + 1},
        {"reference": 2**128 - 1},
    ],
    ids=str,
)
def test_fields_out_of_range(stage, changes):
    stage.refuses(MALFORMED, "oracle", "store", encode(dataclasses.replace(GOOD, **changes)))


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version(stage, version):
    stage.refuses(MALFORMED, "oracle", "store", CODE[:1] + bytes([version]) + CODE[2:])


@pytest.mark.parametrize(
    "code",
    [b"", b"\0", CODE[:33], CODE[:96], CODE[:97], CODE[:-1], CODE + b"\0", CODE + bytes(96), bytes(97), bytes(193)],
    ids=len,
)
def test_another_length(stage, code):
    stage.refuses(MALFORMED, "oracle", "store", code)


@pytest.mark.parametrize("rows", [0, 2, 65_535])
def test_another_number_of_rows_than_it_says(stage, rows):
    stage.refuses(MALFORMED, "oracle", "store", CODE[:9] + rows.to_bytes(2, "big") + CODE[11:])


def test_251_rows(stage):
    code = CODE[:9] + (251).to_bytes(2, "big") + CODE[11:97] + CODE[97:] * 251
    assert len(code) < 24_576
    stage.refuses(MALFORMED, "oracle", "store", code)


def test_code_as_long_as_code_may_be(stage):
    stage.refuses(MALFORMED, "oracle", "store", bytes(24_576))
    assert stage.on_chain("oracle", "store", bytes(24_577), sender=OWNER) == ""


def test_a_row_of_scale_one_is_a_tenth(stage):
    stage.post(scale=1)
    assert stage.terms({stage.perp: WAD}).scan == 20 * WAD

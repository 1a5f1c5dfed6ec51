"""Report words and digests, against an implementation of EIP-712 that is not ours."""

from dataclasses import asdict, replace

import pytest
from eth_account.messages import _hash_eip191_message, encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.spec.errors import FormatError
from plimsoll.spec.margin import ClassOffset, Params, Scalars
from plimsoll.spec.oracle import are_sound, unpack_params
from plimsoll.spec.report import (
    Report,
    digest,
    pack_class,
    pack_floors,
    pack_rates,
    pack_scalars,
    unpack_class,
    unpack_scalars,
)
from tests.strategies import Drawn, class_offset, edge_integers, params, scalars

WORDS = st.lists(edge_integers(0, 2**256 - 1), max_size=4).map(tuple)
REPORTS = st.builds(
    Report,
    sequence=edge_integers(0, 2**64 - 1),
    market_time=edge_integers(0, 2**64 - 1),
    urgent=st.booleans(),
    model=st.binary(min_size=32, max_size=32),
    config=st.binary(min_size=32, max_size=32),
    snapshot=st.binary(min_size=32, max_size=32),
    surfaces=st.lists(st.binary(min_size=32, max_size=32), max_size=4).map(tuple),
    scalars=WORDS,
    classes=WORDS,
)
TYPES = {
    "Report": [
        {"name": "sequence", "type": "uint64"},
        {"name": "market_time", "type": "uint64"},
        {"name": "urgent", "type": "bool"},
        {"name": "model", "type": "bytes32"},
        {"name": "config", "type": "bytes32"},
        {"name": "snapshot", "type": "bytes32"},
        {"name": "surfaces", "type": "bytes32[]"},
        {"name": "scalars", "type": "uint256[]"},
        {"name": "classes", "type": "uint256[]"},
    ]
}


@given(REPORTS, edge_integers(0, 2**64), edge_integers(0, 2**160 - 1))
def test_the_digest_is_that_of_eip_712(report: Report, chain_id: int, oracle: int) -> None:
    at = f"0x{oracle:040x}"
    domain = {"name": "Plimsoll RiskOracle", "version": "1", "chainId": chain_id, "verifyingContract": at}
    message = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(report).items()}
    theirs = _hash_eip191_message(encode_typed_data(domain, TYPES, message))
    assert digest(report, chain_id, at) == theirs


@given(REPORTS, st.data())
def test_any_change_changes_the_digest(report: Report, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(list(asdict(report))))
    old = getattr(report, name)
    new: object = (*old, 1) if isinstance(old, tuple) else None
    if isinstance(old, bool):
        new = not old
    elif isinstance(old, int):
        new = old + 1
    elif isinstance(old, bytes):
        new = bytes([old[0] ^ 1]) + old[1:]
    if name == "surfaces":
        new = (*old, bytes(32))
    if isinstance(new, int) and new == 2**64:
        new = 0
    at = "0x" + "11" * 20
    assert digest(replace(report, **{name: new}), 1, at) != digest(report, 1, at)


def test_a_digest_is_of_one_chain_and_one_oracle() -> None:
    report = Report(1, 2, False, bytes(32), bytes(32), bytes(32), (), (), ())
    digests = {digest(report, chain, at) for chain in (1, 2) for at in ("0x" + "11" * 20, "0x" + "22" * 20)}
    assert len(digests) == 4


@given(st.data())
def test_words_unpack_to_what_was_packed(data: st.DataObject) -> None:
    source = Drawn(data.draw)
    known = params(source)
    assert unpack_params(pack_rates(known), pack_floors(known)) == known
    assert are_sound(known)
    found = scalars(source, source.integer(0, 2**16 - 1), known)
    assert unpack_scalars(pack_scalars(found)) == found
    offset = class_offset(source, source.integer(0, 255))
    assert unpack_class(pack_class(offset)) == offset


@pytest.mark.parametrize(
    ("changes", "is_sound"),
    [
        ({"call_buffer": 10_000}, True),
        ({"call_buffer": 9_999}, False),
        ({"call_buffer": 10**6}, True),
        ({"call_buffer": 10**6 + 1}, False),
        ({"move_gate": 1_000}, True),
        ({"move_gate": 999}, False),
        ({"move_gate": 200_000}, True),
        ({"move_gate": 200_001}, False),
        ({"max_age": 60}, True),
        ({"max_age": 59}, False),
        ({"max_age": 604_800}, True),
        ({"max_age": 604_801}, False),
        ({"floor_rate": 99_999}, False),
        ({"floor_rate": 10**6}, True),
        ({"floor_rate": 10**6 + 1}, False),
        ({"min_share": 10**6}, True),
        ({"min_share": 10**6 + 1}, False),
        ({"leg_cost": 10**24}, True),
        ({"leg_cost": 10**24 + 1}, False),
        ({"max_funding": 0}, True),
        ({"max_funding": 2**15 - 1}, True),
        ({"max_funding": 2**15}, False),
        ({"widen": 0}, True),
        ({"widen": 2**16 - 1}, True),
        ({"gross_base": (1, 1, 1, 1)}, True),
        ({"gross_base": (1, 1, 0, 1)}, False),
        ({"gross_base": (1, 1, 1, 10**6 + 1)}, False),
        ({"gross_slope": (10**6,) * 4}, True),
        ({"gross_slope": (0, 10**6 + 1, 0, 0)}, False),
    ],
)
def test_governance_numbers_have_bounds(changes: dict, is_sound: bool) -> None:  # noqa: FBT001
    assert are_sound(replace(Params(), **changes)) == is_sound


@pytest.mark.parametrize(
    ("pack", "reason"),
    [
        (lambda: pack_scalars(Scalars(2**16, 1, 1, 1, 1, 1, 1)), "underlying 65536 does not fit u16"),
        (lambda: pack_scalars(Scalars(1, 2**96, 1, 1, 1, 1, 1)), f"depth {2**96} does not fit u96"),
        (lambda: pack_scalars(Scalars(1, 1, -1, 1, 1, 1, 1)), "kappa -1 does not fit u24"),
        (lambda: pack_scalars(Scalars(1, 1, 1, 2**24, 1, 1, 1)), "som 16777216 does not fit u24"),
        (lambda: pack_scalars(Scalars(1, 1, 1, 1, 2**24, 1, 1)), "im_factor 16777216 does not fit u24"),
        (lambda: pack_scalars(Scalars(1, 1, 1, 1, 1, 2**32, 1)), "volatility 4294967296 does not fit u32"),
        (lambda: pack_scalars(Scalars(1, 1, 1, 1, 1, 1, 2**24)), "market 16777216 does not fit u24"),
        (lambda: pack_scalars(Scalars(1, 1, 1, 1, 1, 1, 1, 2**15)), "funding 32768 does not fit int16"),
        (lambda: pack_scalars(Scalars(1, 1, 1, 1, 1, 1, 1, -(2**15) - 1)), "funding -32769 does not fit int16"),
        (lambda: pack_class(ClassOffset(256, 0, 0)), "class 256 does not fit u8"),
        (lambda: pack_class(ClassOffset(0, 2**24, 0)), "offset 16777216 does not fit u24"),
        (lambda: pack_class(ClassOffset(0, 0, -1)), "cross_haircut -1 does not fit u24"),
        (lambda: pack_rates(Params(leg_cost=2**96)), f"leg_cost {2**96} does not fit u96"),
        (lambda: pack_rates(Params(max_funding=2**16)), "max_funding 65536 does not fit u16"),
        (lambda: pack_rates(Params(widen=2**16)), "widen 65536 does not fit u16"),
        (lambda: pack_floors(Params(gross_base=(2**24, 1, 1, 1))), "gross floor 16777216 does not fit u24"),
    ],
)
def test_a_number_that_does_not_fit_its_field_is_refused(pack, reason) -> None:
    with pytest.raises(FormatError) as refused:
        pack()
    assert str(refused.value) == reason

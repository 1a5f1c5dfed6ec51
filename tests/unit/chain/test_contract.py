"""Encoding and decoding, held to eth-abi."""

from dataclasses import dataclass

import pytest
from eth_abi.abi import decode, encode
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.chain.contract import Function, events_of
from plimsoll.chain.errors import AbiError

SENDER = "0x" + "11" * 20

STATIC = {
    "uint256": st.integers(0, 2**256 - 1),
    "uint16": st.integers(0, 2**16 - 1),
    "int256": st.integers(-(2**255), 2**255 - 1),
    "int128": st.integers(-(2**127), 2**127 - 1),
    "bool": st.booleans(),
    "bytes32": st.binary(min_size=32, max_size=32),
    "address": st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex()),
    "bytes": st.binary(max_size=70),
    "string": st.text(max_size=20),
}


@st.composite
def types(draw, depth=0):
    """An ABI entry and a strategy of its values."""
    kind = draw(st.sampled_from(["word", "array", "fixed", "tuple"] if depth < 2 else ["word"]))
    if kind == "word":
        name = draw(st.sampled_from(sorted(STATIC)))
        return {"name": "x", "type": name}, STATIC[name]
    if kind == "tuple":
        parts = draw(st.lists(types(depth + 1), min_size=1, max_size=3))
        entries = [{**entry, "name": f"f{k}"} for k, (entry, _) in enumerate(parts)]
        return {"name": "s", "type": "tuple", "components": entries}, st.tuples(*(value for _, value in parts))
    inner, value = draw(types(depth + 1))
    if kind == "array":
        return {**inner, "type": inner["type"] + "[]"}, st.lists(value, max_size=4)
    return {**inner, "type": inner["type"] + "[2]"}, st.lists(value, min_size=2, max_size=2)


def spell(entry):
    name = entry["type"]
    if name.startswith("tuple"):
        return f"({','.join(map(spell, entry['components']))}){name[5:]}"
    return name


def plain(value):
    if isinstance(value, tuple | list):
        return tuple(map(plain, value))
    return value.lower() if isinstance(value, str) and value.startswith("0x") else value


@given(st.data())
def test_outputs_decode_as_eth_abi_decodes(data):
    parts = data.draw(st.lists(types(), min_size=1, max_size=3))
    values = [data.draw(value) for _, value in parts]
    names = [spell(entry) for entry, _ in parts]
    raw = encode(names, values)
    function = Function({"name": "f", "inputs": [], "outputs": [entry for entry, _ in parts]})
    found = function.decode(raw)
    expected = decode(names, raw)
    assert plain(found) == plain(expected[0] if len(parts) == 1 else expected)


@given(st.data())
def test_words_encode_as_eth_abi_encodes(data):
    names = data.draw(st.lists(st.sampled_from(["uint256", "uint16", "int256", "int128", "address"]), max_size=4))
    values = [data.draw(STATIC[name]) for name in names]
    function = Function({"name": "f", "inputs": [{"name": "", "type": name} for name in names], "outputs": []})
    assert function.encode(values, selector=False) == encode(names, values)


@pytest.mark.parametrize(
    ("types_", "values"),
    [
        (["uint16"], [2**16]),
        (["uint256"], [-1]),
        (["int128"], [2**127]),
        (["uint256"], ["1"]),
        (["uint256"], [1.0]),
        (["address"], ["0x12"]),
        (["uint256[]"], [[2**256]]),
        (["uint256", "uint256"], [1]),
        (["bytes32"], [b"1" * 33]),
    ],
)
def test_arguments_that_do_not_fit_are_refused(types_, values):
    function = Function({"name": "f", "inputs": [{"name": "", "type": name} for name in types_], "outputs": []})
    with pytest.raises(AbiError):
        function.encode(values)


def test_structs_come_as_named_tuples(toy):
    found = toy.call("pairs", 3)
    assert [(item.left, item.right) for item in found] == [(0, 0), (1, -1), (2, -2)]


def test_default_arguments_are_told_apart_by_number(toy):
    assert toy.call("pairs", 1, 10)[0].left == 10
    with pytest.raises(AbiError, match="takes 1 or 2 arguments, not 3"):
        toy.call("pairs", 1, 2, 3)
    with pytest.raises(AbiError, match="no function nothing"):
        toy.call("nothing")


def test_structs_go_in_in_any_form():
    @dataclass
    class Pair:
        left: int
        right: int

    parts = [{"name": "left", "type": "uint256"}, {"name": "right", "type": "int128"}]
    function = Function({"name": "f", "inputs": [{"name": "p", "type": "tuple", "components": parts}], "outputs": []})
    forms = [(1, -1), Pair(1, -1), {"right": -1, "left": 1}]
    assert len({function.encode([form]) for form in forms}) == 1


def test_short_output_is_an_error():
    function = Function({"name": "f", "inputs": [], "outputs": [{"name": "", "type": "uint256[]"}]})
    with pytest.raises(AbiError):
        function.decode(encode(["uint256[]"], [[1, 2, 3]])[:-1])


def test_logs_of_strangers_are_left_out(toy, chain, toy_artifact):
    receipt = toy.transact("set_a", 1, sender=SENDER)
    assert [event.name for event in events_of(receipt.logs, [toy])] == ["Set"]
    assert events_of(receipt.logs, []) == []
    assert events_of(receipt.logs, [toy], "Other") == []

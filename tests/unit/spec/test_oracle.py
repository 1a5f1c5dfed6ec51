"""Addresses and signatures, against implementations that are not ours; surfaces that may not be read."""

from __future__ import annotations

from dataclasses import replace

import pytest
import rlp
from eth_account import Account
from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.spec.errors import Refused
from plimsoll.spec.oracle import create_address, read_surface, recover
from plimsoll.spec.signatures import HALF_ORDER
from plimsoll.spec.surface import encode
from plimsoll.spec.wad import MAX_PRICE
from tests.strategies import Seeded, edge_integers, world

ORDER = 2 * HALF_ORDER + 1
KEYS = st.integers(1, 2**200).map(lambda k: PrivateKey(k.to_bytes(32, "big")))
MESSAGES = st.binary(min_size=32, max_size=32)
SURFACE = next(s for seed in range(50) for s in world(Seeded(seed), most=2, underlyings=1).surfaces)


@given(edge_integers(0, 2**160 - 1), edge_integers(0, 2**64 - 2))
def test_a_contract_stands_where_the_chain_puts_it(creator: int, nonce: int) -> None:
    encoded = rlp.encode([creator.to_bytes(20, "big"), nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")])
    assert create_address(creator, nonce) == int.from_bytes(keccak(encoded)[12:], "big")


@given(KEYS, MESSAGES)
def test_the_signer_is_recovered(key: PrivateKey, message: bytes) -> None:
    signed = Account.unsafe_sign_hash(message, key)
    expected = int(key.public_key.to_address(), 16)
    assert recover(message, bytes(signed.signature)) == expected
    compact = signed.r.to_bytes(32, "big") + (signed.s | (signed.v - 27) << 255).to_bytes(32, "big")
    assert recover(message, compact) == expected


@given(KEYS, MESSAGES)
def test_the_other_signature_of_the_same_message_is_refused(key: PrivateKey, message: bytes) -> None:
    """I-32: a signature cannot be turned into another one."""
    signed = Account.unsafe_sign_hash(message, key)
    turned = signed.r.to_bytes(32, "big") + (ORDER - signed.s).to_bytes(32, "big") + bytes([55 - signed.v])
    with pytest.raises(Refused, match="ecdsa: invalid signature `s` value"):
        recover(message, turned)


@pytest.mark.parametrize("size", [0, 1, 63, 66, 130])
def test_other_lengths_are_nobodys_signature(size: int) -> None:
    assert recover(bytes(32), bytes(size)) == 0


@pytest.mark.parametrize(
    "signature",
    [
        bytes(65),
        bytes(64),
        bytes(31) + b"\1" + bytes(32) + b"\x1b",  # s = 0
        ORDER.to_bytes(32, "big") + (1).to_bytes(32, "big") + b"\x1b",
        (1).to_bytes(32, "big") + (1).to_bytes(32, "big") + b"\x1d",  # v = 29
        (1).to_bytes(32, "big") + (1).to_bytes(32, "big") + b"\x00",
        (5).to_bytes(32, "big") + (1).to_bytes(32, "big") + b"\x1b",  # no point of the curve has this r
    ],
)
def test_what_nobody_can_have_signed_is_refused(signature: bytes) -> None:
    with pytest.raises(Refused, match="ecdsa: invalid signature"):
        recover(b"\1" * 32, signature)


@pytest.mark.parametrize(
    "changes",
    [
        {"scale": 0},
        {"scale": 11},
        {"common": 0},
        {"common": 33},
        {"forward": 0},
        {"reference": 0},
        {"reference": MAX_PRICE + 1},
    ],
)
def test_a_surface_that_the_scan_cannot_read_is_malformed(changes: dict[str, int]) -> None:
    assert read_surface(encode(SURFACE)) == SURFACE
    with pytest.raises(Refused, match="oracle: surface malformed"):
        read_surface(encode(replace(SURFACE, **changes)))


@pytest.mark.parametrize("code", [None, b"", bytes(97), b"\xfe"])
def test_what_is_no_surface_is_malformed(code: bytes | None) -> None:
    with pytest.raises(Refused, match="oracle: surface malformed"):
        read_surface(code)

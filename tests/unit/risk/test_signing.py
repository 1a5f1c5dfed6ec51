import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.risk.errors import SigningError
from plimsoll.risk.signing import address_of, order, recover, sign, sign_all

KEYS = ["0x" + "11" * 32, "22" * 32, b"\x33" * 32]
DIGEST = bytes(range(32))
HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


def test_agrees_with_another_library():
    for key in KEYS:
        other = Account.unsafe_sign_hash(DIGEST, key)
        assert sign(DIGEST, key) == bytes(other.signature)
        assert address_of(key) == Account.from_key(key).address


@given(st.binary(min_size=32, max_size=32))
def test_signatures_are_canonical_and_recover(digest):
    signature = sign(digest, KEYS[0])
    assert len(signature) == 65
    assert signature[64] in {27, 28}
    assert int.from_bytes(signature[32:64], "big") <= HALF_ORDER
    assert recover(digest, signature) == address_of(KEYS[0])


@given(st.permutations(KEYS))
def test_sorted_by_signer(keys):
    signatures = sign_all(DIGEST, keys)
    signers = [int(recover(DIGEST, signature), 16) for signature in signatures]
    assert signers == sorted(signers)
    assert set(signers) == {int(address_of(key), 16) for key in KEYS}
    assert order(DIGEST, signatures[::-1]) == signatures


def test_a_signer_counts_once():
    with pytest.raises(SigningError, match="twice"):
        sign_all(DIGEST, [KEYS[0], KEYS[1], bytes.fromhex("11" * 32)])


@pytest.mark.parametrize("key", ["", "0x12", "zz" * 32, b"\x01" * 31, "11" * 33, b"\x00" * 32, b"\xff" * 32])
def test_malformed_keys_are_not_repeated_in_the_error(key):
    with pytest.raises(SigningError, match="32 bytes") as caught:
        sign(DIGEST, key)
    assert caught.value.__cause__ is None
    if key:
        assert str(key) not in str(caught.value)


@pytest.mark.parametrize("digest", [b"", b"a" * 31, b"a" * 33])
def test_malformed_digests(digest):
    with pytest.raises(SigningError, match="digest"):
        sign(digest, KEYS[0])
    with pytest.raises(SigningError, match="digest"):
        recover(digest, bytes(65))


@pytest.mark.parametrize(
    "signature", [b"", bytes(64), bytes(65), bytes(64) + b"\x1b", b"\xff" * 64 + b"\x1b", b"\x01" * 64 + b"\x00"]
)
def test_malformed_signatures(signature):
    with pytest.raises(SigningError):
        recover(DIGEST, signature)

"""Signatures of a report, in the form and order that `RiskOracle.post` takes."""

from __future__ import annotations

from collections.abc import Sequence

from eth_keys.datatypes import PrivateKey, Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from plimsoll.risk.errors import SigningError


def _key(key: bytes | str) -> PrivateKey:
    try:
        raw = bytes.fromhex(key.removeprefix("0x")) if isinstance(key, str) else bytes(key)
        return PrivateKey(raw)
    except (ValueError, TypeError, ValidationError):
        # from None: the cause may quote the key
        raise SigningError("a private key is 32 bytes, or 64 hexadecimal digits") from None


def _check(digest: bytes) -> None:
    if len(digest) != 32:
        raise SigningError(f"a digest of {len(digest)} bytes; 32 is right")


def address_of(key: bytes | str) -> str:
    """Checksummed address of a private key.

    Raises
    ------
    SigningError
        The key is malformed.
    """
    return _key(key).public_key.to_checksum_address()


def sign(digest: bytes, key: bytes | str) -> bytes:
    """One signature of a digest: r || s || v, 65 bytes, v 27 or 28, s in the lower half.

    Raises
    ------
    SigningError
        Digest or key is malformed.
    """
    _check(digest)
    signature = _key(key).sign_msg_hash(digest)
    v, r, s = signature.vrs
    return int(r).to_bytes(32, "big") + int(s).to_bytes(32, "big") + bytes([27 + int(v)])


def recover(digest: bytes, signature: bytes) -> str:
    """Checksummed address that signed a digest.

    Raises
    ------
    SigningError
        No key made this signature.
    """
    _check(digest)
    if len(signature) != 65 or signature[64] not in {27, 28}:
        raise SigningError("a signature is r || s || v, 65 bytes, v 27 or 28")
    try:
        body = Signature(signature[:64] + bytes([signature[64] - 27]))
        return body.recover_public_key_from_msg_hash(digest).to_checksum_address()
    except (BadSignature, ValidationError) as error:
        raise SigningError(f"no key made this signature: {error}") from error


def order(digest: bytes, signatures: Sequence[bytes]) -> tuple[bytes, ...]:
    """Signatures by rising address of their signers, as the oracle demands.

    Raises
    ------
    SigningError
        A signature is malformed, or a signer comes twice.
    """
    by_signer = {int(recover(digest, signature), 16): signature for signature in signatures}
    if len(by_signer) != len(signatures):
        raise SigningError("a signer comes twice; the oracle counts each once")
    return tuple(by_signer[signer] for signer in sorted(by_signer))


def sign_all(digest: bytes, keys: Sequence[bytes | str]) -> tuple[bytes, ...]:
    """Signatures of several keys in the oracle's order.

    Raises
    ------
    SigningError
        Digest or a key is malformed, or a key comes twice.
    """
    return order(digest, [sign(digest, key) for key in keys])

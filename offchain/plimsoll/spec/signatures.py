"""Whose key made a signature: what the oracle's and the venue's rules of acceptance share."""

from __future__ import annotations

from typing import Final

from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0  # of secp256k1


def signer_of(message: bytes, r: int, s: int, v: int) -> int:
    """The address whose key signed `message`, `v` being 27 or 28; 0 where no key did. Twin of `ecrecover`."""
    try:
        key = Signature(vrs=(v - 27, r, s)).recover_public_key_from_msg_hash(message)
    except (BadSignature, ValidationError):
        return 0
    return int.from_bytes(key.to_canonical_address(), "big")

"""Whose key made a signature, at the edges of what a key can make."""

from __future__ import annotations

import pytest
from eth_keys.datatypes import PrivateKey

from plimsoll.spec.signatures import HALF_ORDER, signer_of
from plimsoll.spec.signed_orders import recover

MESSAGE = bytes(range(32))
KEY = PrivateKey(b"\7" * 32)
SIGNED = KEY.sign_msg_hash(MESSAGE)
V = 27 + SIGNED.v


def test_a_key_signs_as_its_address() -> None:
    assert signer_of(MESSAGE, SIGNED.r, SIGNED.s, V) == int(KEY.public_key.to_address(), 16)


@pytest.mark.parametrize(
    ("r", "s", "v"),
    [(0, SIGNED.s, V), (SIGNED.r, 0, V), (2 * HALF_ORDER + 1, SIGNED.s, V), (SIGNED.r, SIGNED.s, 26), (5, 1, 27)],
)
def test_what_no_key_made_is_of_the_zero_address(r: int, s: int, v: int) -> None:
    """Not of another: what compares it with a signer that may be anybody must not be handed one."""
    assert signer_of(MESSAGE, r, s, v) == 0


def test_s_may_be_half_the_order_and_no_more() -> None:
    """The curve's order is odd: of s and its counterpart exactly one is at most the half."""
    for s, is_taken in ((HALF_ORDER, True), (HALF_ORDER + 1, False)):
        whose = signer_of(MESSAGE, SIGNED.r, s, V)
        assert whose != 0
        signature = SIGNED.r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([V])
        assert recover(MESSAGE, signature) == (whose if is_taken else 0)

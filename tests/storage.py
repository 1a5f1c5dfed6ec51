"""Words of storage, as the compiler lays them out: for tests that look past the views, or put a state there."""

from __future__ import annotations

from functools import cache

from eth_utils.crypto import keccak

from tests.pairs import Pair


@cache
def slot_of(base: int, key: int) -> int:
    """Where a map at slot `base` keeps a key's value."""
    return int.from_bytes(keccak(base.to_bytes(32, "big") + key.to_bytes(32, "big")), "big")


def place_of(pair: Pair, name: str, key: int | None = None) -> int:
    """The slot of a variable of the Clearinghouse, or of what a map of it has at a key."""
    slot: int = pair.contracts["book"].artifact.layout["storage_layout"]["book"][name]["slot"]
    return slot if key is None else slot_of(slot, key)


def word_of(pair: Pair, name: str, key: int | None = None, offset: int = 0) -> int:
    """What the Clearinghouse has there, `offset` words on."""
    return pair.chain.storage(pair.contracts["book"].address, place_of(pair, name, key) + offset)


def ledger_of(pair: Pair, who: int) -> tuple[int, int]:
    """Cash and linear of an account as they were written, interest and settled expiries not booked."""
    word = word_of(pair, "_ledgers", who)
    return _signed(word >> 128), _signed(word & (2**128 - 1))


def _signed(value: int) -> int:
    """128 bits as a signed number."""
    return value - (value >> 127 << 128)

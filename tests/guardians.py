"""An owner with code that names guardians, for as long as one of them acts: where a whole timelock would be in the way.

Nobody sends a transaction from an address with code, so the owner has none while he acts himself.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from plimsoll.chain.embedded import EmbeddedChain

# of the first argument's address and this one: whether they are the same
ASKED = bytes.fromhex("60043573")
ANSWER = bytes.fromhex("145f5260205ff3")


@contextmanager
def named(chain: EmbeddedChain, owner: str, guardian: int) -> Iterator[None]:
    """While it lasts, the owner answers `is_guardian` with yes, of this one."""
    chain.set_code(owner, ASKED + guardian.to_bytes(20, "big") + ANSWER)
    try:
        yield
    finally:
        chain.set_code(owner, b"")

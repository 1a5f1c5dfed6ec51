"""Every error of the twin, by name. Other packages hang theirs under `PlimsollError` as well.

- `PlimsollError`
    - `Refused`: the chain reverts with this reason, the twin raises it
    - `FormatError`: bytes or numbers that no honest encoder produces
"""

from __future__ import annotations


class PlimsollError(Exception):
    """Root of every error that this package raises on purpose."""


class Refused(PlimsollError):  # noqa: N818 - reads as what the chain did
    """What a contract refuses: `reason` is the revert string, letter for letter."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class FormatError(PlimsollError):
    """A value does not fit the field it is packed into, or packed bytes are malformed."""


def require(condition: bool, reason: str) -> None:  # noqa: FBT001 - reads as Vyper's assert
    """Twin of Vyper's `assert condition, reason`."""
    if not condition:
        raise Refused(reason)

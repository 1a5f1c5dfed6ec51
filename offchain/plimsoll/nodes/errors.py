"""Errors of risk nodes. An endpoint of a chain that does not answer is `plimsoll.chain.errors.NodeError`, not these.

PlimsollError
+-- RiskNodeError
    +-- WireError      bytes that are no proposal, or no answer to one
    +-- PromiseError   the record of what was signed cannot be read, written or had for oneself
    +-- QuorumError    too few nodes signed; it says who did not, and why
"""

from __future__ import annotations

from plimsoll.spec.errors import PlimsollError


class RiskNodeError(PlimsollError):
    """Root of the errors of risk nodes."""


class WireError(RiskNodeError):
    """Bytes that are no proposal, or no answer to one."""


class PromiseError(RiskNodeError):
    """The record of what was signed cannot be read, written or had for oneself."""


class QuorumError(RiskNodeError):
    """Too few nodes signed.

    Parameters
    ----------
    needed, found
        Signatures.
    refusals
        Who did not sign -> why, in one line.
    """

    def __init__(self, needed: int, found: int, refusals: dict[str, str]) -> None:
        why = "; ".join(f"{who}: {reason}" for who, reason in refusals.items()) or "nobody else was asked"
        super().__init__(f"{found} of {needed} signatures: {why}")
        self.needed = needed
        self.found = found
        self.refusals = refusals

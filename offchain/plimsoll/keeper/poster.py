"""The poster: signs a report with the nodes' keys, stores its surfaces, posts it.

A report of n surfaces takes n transactions: n - 1 stores, and a post that brings the last surface along. Surfaces are
kept by hash, so a post that failed does not store them again. What the chain refuses is recorded and counted; the next
round builds anew, with a new sequence and a new time, because a report that was refused for its age stays refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from eth_utils.crypto import keccak

from plimsoll.chain.deployment import System
from plimsoll.chain.errors import ChainError
from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.recorder import Recorder
from plimsoll.risk.engine import BuiltReport
from plimsoll.risk.signing import sign_all
from plimsoll.spec.errors import Refused
from plimsoll.spec.report import digest

KEPT: Final = 1_000  # stored surfaces remembered by hash


@dataclass(frozen=True, slots=True)
class Posted:
    """What came of one attempt to post."""

    sequence: int
    surfaces: int
    gas: int = 0  # of all its transactions
    error: str | None = None  # the contract's reason, or the node's

    @property
    def ok(self) -> bool:
        """Whether the oracle believes it."""
        return self.error is None


class Poster:
    """Posts reports to one oracle.

    Parameters
    ----------
    system
        The deployment.
    sender
        Who pays; anyone may post what is signed.
    keys
        Private keys of the risk nodes that sign here; at least the quorum.
    recorder
        The journal.

    Raises
    ------
    SettingsError
        Without a key.
    """

    def __init__(self, system: System, sender: str, keys: Sequence[str | bytes], recorder: Recorder) -> None:
        if not keys:
            raise SettingsError("no signing key; a report takes as many as the oracle's quorum")
        self.system = system
        self.sender = sender
        self.keys = list(keys)
        self.recorder = recorder
        self.failures = 0  # in a row
        self._stored: dict[bytes, str] = {}

    def post(self, built: BuiltReport) -> Posted:
        """Store and post; never raises for what the chain or the node refuses."""
        system, report = self.system, built.report
        signed = digest(report, system.chain.chain_id, system.oracle.address)
        signatures = sign_all(signed, self.keys)
        self.recorder.record(
            "post-intent",
            system.chain.now,
            sequence=report.sequence,
            market_time=report.market_time,
            digest="0x" + signed.hex(),
            snapshot="0x" + report.snapshot.hex(),
            surfaces=len(built.codes),
        )
        gas = 0
        try:
            addresses = []
            for code in built.codes[:-1]:
                address, spent = self._store(code)
                addresses.append(address)
                gas += spent
            receipt = system.oracle.transact(
                "post", report, list(signatures), addresses, built.codes[-1], sender=self.sender
            )
            gas += receipt.gas_used
        except (Refused, ChainError) as error:
            return self._failed(built, gas, error)
        self.failures = 0
        self.recorder.record(
            "posted", system.chain.now, sequence=report.sequence, gas=gas, block=receipt.block, hash=receipt.hash
        )
        return Posted(report.sequence, len(built.codes), gas)

    def _store(self, code: bytes) -> tuple[str, int]:
        code_hash = keccak(code)
        if code_hash in self._stored:
            return self._stored[code_hash], 0
        receipt = self.system.oracle.transact("store", code, sender=self.sender)
        (event,) = self.system.oracle.events(receipt, "SurfaceStored")
        if len(self._stored) >= KEPT:
            self._stored.pop(next(iter(self._stored)))
        self._stored[code_hash] = event.args.surface
        return event.args.surface, receipt.gas_used

    def _failed(self, built: BuiltReport, gas: int, error: Exception) -> Posted:
        self.failures += 1
        reason = str(error) or "reverted without a reason"
        self.recorder.record(
            "post-failed",
            self.system.chain.now,
            sequence=built.report.sequence,
            error=reason,
            kind_of_error=type(error).__name__,
            in_a_row=self.failures,
        )
        return Posted(built.report.sequence, len(built.codes), gas, reason)

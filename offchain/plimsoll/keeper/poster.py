"""The poster: has a report signed by a quorum, stores its surfaces, posts it.

Who signs is a `Signing`: keys that are here (`LocalKeys`), or other nodes that look for themselves
(`plimsoll.nodes.proposer.Peers`). Nothing is stored for a report that no quorum signed.

A report of n surfaces takes n transactions: n - 1 stores, and a post that brings the last surface along. Surfaces are
kept by hash, so a post that failed does not store them again. What the chain refuses is recorded and counted; the next
round builds anew, with a new sequence and a new time, because a report that was refused for its age stays refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from eth_utils.crypto import keccak

from plimsoll.chain.deployment import System
from plimsoll.chain.errors import ChainError
from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.recorder import Recorder
from plimsoll.nodes.errors import QuorumError
from plimsoll.nodes.proposer import Quorum
from plimsoll.risk.engine import BuiltReport
from plimsoll.risk.signing import sign_all
from plimsoll.spec.errors import Refused
from plimsoll.spec.report import digest

KEPT: Final = 1_000  # stored surfaces remembered by hash


class Signing(Protocol):
    """Who signs."""

    def sign(self, built: BuiltReport, digest: bytes) -> Sequence[bytes]:
        """Signatures of a report's digest by rising address of their signers; raises QuorumError for too few."""

    def next_sequence(self, last: int) -> int:
        """What to number a report, the oracle holding one numbered `last`."""


class LocalKeys:
    """Keys of risk nodes that are here; at least the quorum.

    Raises
    ------
    SettingsError
        Without a key.
    """

    def __init__(self, keys: Sequence[str | bytes]) -> None:
        if not keys:
            raise SettingsError("no signing key; a report takes as many as the oracle's quorum")
        self._keys = list(keys)

    def sign(self, built: BuiltReport, digest: bytes) -> Sequence[bytes]:
        """Every key's signature."""
        del built
        return sign_all(digest, self._keys)

    def next_sequence(self, last: int) -> int:
        """One more."""
        return last + 1


def quorum_of(system: System) -> Callable[[BuiltReport], Quorum]:
    """What the oracle demands of a report, as it stands when the report is to be signed."""

    def counts(signer: str) -> bool:
        return int(system.oracle.call("valid_until", signer)) > system.chain.now

    def demanded(built: BuiltReport) -> Quorum:
        return Quorum(int(system.oracle.call("urgent_quorum" if built.report.urgent else "quorum")), counts)

    return demanded


@dataclass(frozen=True, slots=True)
class Posted:
    """What came of one attempt to post."""

    sequence: int
    surfaces: int
    gas: int = 0  # of all its transactions
    error: str | None = None  # the contract's reason, or the node's
    digest: bytes = b""  # what was signed
    transaction: str = ""  # hash of the last transaction; empty on the embedded chain

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
    signing
        Who signs.
    recorder
        The journal.
    """

    def __init__(self, system: System, sender: str, signing: Signing, recorder: Recorder) -> None:
        self.system = system
        self.sender = sender
        self.signing = signing
        self.recorder = recorder
        self.failures = 0  # in a row
        self._stored: dict[bytes, str] = {}

    def post(self, built: BuiltReport) -> Posted:
        """Have it signed, store and post; never raises for what risk nodes, chain or endpoint refuse."""
        system, report = self.system, built.report
        signed = digest(report, system.chain.chain_id, system.oracle.address)
        try:
            signatures = self.signing.sign(built, signed)
        except QuorumError as error:
            return self._failed(built, 0, error)
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
        return Posted(report.sequence, len(built.codes), gas, digest=signed, transaction=receipt.hash)

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

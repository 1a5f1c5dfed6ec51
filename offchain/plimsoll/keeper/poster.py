"""The poster: has a report signed by a quorum, stores its surfaces, posts it.

Who signs is a `Signing`: keys that are here (`LocalKeys`), or other nodes that look for themselves
(`plimsoll.nodes.proposer.Peers`). Nothing is stored for a report that no quorum signed.

A report of n surfaces takes n transactions: n - 1 stores, and a post that brings the last surface along. Where they are
not waited for, the post is sent behind the stores at once, naming where their surfaces will stand, so that all are
mined in one block; where a node's pending block does not show it to pass, it waits for the stores. Surfaces are kept by
hash, so a post that failed does not store them again. A report may be of some underlyings only
(`plimsoll.risk.report_parts`); what else is due waits until it is known what came of it. What the chain refuses is
recorded and counted; the next round builds anew, with a new sequence and a new time, because a report that was refused
for its age stays refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from eth_utils.crypto import keccak

from plimsoll.chain.deployment import System
from plimsoll.chain.errors import ChainError
from plimsoll.chain.protocol import Receipt
from plimsoll.keeper.errors import KeeperError, SettingsError
from plimsoll.keeper.outbox import DirectOutbox, Outbox, Ticket, created_at
from plimsoll.keeper.recorder import Recorder
from plimsoll.keeper.refusals import Refusals
from plimsoll.nodes.errors import QuorumError
from plimsoll.nodes.proposer import Quorum
from plimsoll.risk.engine import BuiltReport
from plimsoll.risk.signing import sign_all
from plimsoll.spec.errors import Refused
from plimsoll.spec.report import digest

REFUSALS: Final = (Refused, ChainError, KeeperError)  # of chain, endpoint and sender
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
    built: BuiltReport | None = None  # what was posted
    under_way: bool = False  # sent, and not known yet what came of it

    @property
    def ok(self) -> bool:
        """Whether the oracle believes it."""
        return self.error is None and not self.under_way


@dataclass
class _UnderWay:
    """A report on its way: its surfaces' stores, then its post."""

    built: BuiltReport
    digest: bytes
    signatures: Sequence[bytes]
    stores: list[tuple[bytes, Ticket]]  # of codes that were not stored yet, by hash
    ahead: dict[bytes, str] = field(default_factory=dict)  # where they will stand, as far as one can tell
    post: Ticket | None = None


def _underlyings(built: BuiltReport) -> tuple[int, ...]:
    return tuple(scalars.underlying for scalars in built.scalars)


class Poster:
    """Posts reports to one oracle, one at a time.

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
    outbox
        Where transactions go; None: they are waited for.
    last
        Highest sequence that was ever sent from here.
    """

    def __init__(
        self,
        system: System,
        sender: str,
        signing: Signing,
        recorder: Recorder,
        outbox: Outbox | None = None,
        last: int = 0,
    ) -> None:
        self.system = system
        self.sender = sender
        self.signing = signing
        self.recorder = recorder
        self.outbox = outbox or DirectOutbox()
        self.failures = 0  # in a row
        self.refusals = Refusals()
        self._stored: dict[bytes, str] = {}
        self._under_way: _UnderWay | None = None
        self._last = last

    def next_sequence(self, held: int) -> int:
        """What to number a report, the oracle holding one numbered `held`: never what was sent before, mined or not."""
        return self.signing.next_sequence(max(held, self._last))

    @property
    def busy(self) -> bool:
        """Whether a report is under way, of an earlier run even: there is no other before its end is known."""
        return self._under_way is not None or any(p == "post" for p, _ in self.outbox.busy(self.sender))

    def post(self, built: BuiltReport) -> Posted:
        """Have it signed, store and post.

        Never raises for what risk nodes, chain or endpoint refuse.
        """
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
        self._under_way = _UnderWay(built, signed, signatures, [])
        try:
            created = self.outbox.creations(self.sender, system.oracle)
            for code in built.codes[:-1]:
                code_hash = keccak(code)
                if code_hash not in self._stored:
                    ticket = self._send("store", (code,), "0x" + code_hash.hex())
                    if created is not None:
                        nonce = created + len(self._under_way.stores)
                        self._under_way.ahead[code_hash] = created_at(system.oracle.address, nonce)
                    self._under_way.stores.append((code_hash, ticket))
        except REFUSALS as error:
            return self._give_up(error)
        return self._advance(self._under_way)

    def advance(self) -> Posted | None:
        """What came of the report that is under way; None: there is none."""
        return None if self._under_way is None else self._advance(self._under_way)

    def _advance(self, found: _UnderWay) -> Posted:
        waiting = Posted(found.built.report.sequence, len(found.built.codes), built=found.built, under_way=True)
        try:
            if found.post is None and not self._send_post(found):
                return waiting
        except REFUSALS as error:
            return self._give_up(error)
        if found.post is None or not found.post.done:
            return waiting
        if found.post.receipt is None:
            return self._give_up(KeeperError(found.post.error or "nothing came of it"))
        self._keep(found)
        self._under_way = None
        return self._posted(found, found.post.receipt)

    def _send_post(self, found: _UnderWay) -> bool:
        """Send the post where its surfaces stand, or will stand before it; whether it was sent."""
        stored = self._all_stored(found)
        where = self._stored | ({} if stored else found.ahead)
        hashes = [keccak(code) for code in found.built.codes[:-1]]
        if not stored and not all(code_hash in where for code_hash in hashes):
            return False
        found.ahead = {}  # once only
        report = found.built.report
        args = (report, list(found.signatures), [where[code_hash] for code_hash in hashes], found.built.codes[-1])
        try:
            found.post = self._send("post", args, str(report.sequence))
        except Refused:
            if stored:
                raise
            return False
        self._last = report.sequence
        return True

    def _send(self, name: str, args: Sequence[Any], ref: str) -> Ticket:
        return self.outbox.send(self.system.oracle, name, args, sender=self.sender, purpose=name, ref=ref)

    def _all_stored(self, found: _UnderWay) -> bool:
        """Whether every store was mined."""
        self._keep(found)
        for _, ticket in found.stores:
            if ticket.error is not None:
                raise KeeperError(f"store: {ticket.error}")
        return all(ticket.receipt is not None for _, ticket in found.stores)

    def _keep(self, found: _UnderWay) -> None:
        """Remember where the surfaces stand that were stored."""
        for code_hash, ticket in found.stores:
            if ticket.receipt is None or code_hash in self._stored:
                continue
            (event,) = self.system.oracle.events(ticket.receipt, "SurfaceStored")
            if len(self._stored) >= KEPT:
                self._stored.pop(next(iter(self._stored)))
            self._stored[code_hash] = event.args.surface

    def _gas(self, found: _UnderWay) -> int:
        tickets = [ticket for _, ticket in found.stores] + ([found.post] if found.post else [])
        return sum(ticket.receipt.gas_used for ticket in tickets if ticket.receipt is not None)

    def _posted(self, found: _UnderWay, receipt: Receipt) -> Posted:
        self.failures = 0
        self.refusals.believed(_underlyings(found.built))
        report, gas = found.built.report, self._gas(found)
        self.recorder.record(
            "posted", self.system.chain.now, sequence=report.sequence, gas=gas, block=receipt.block, hash=receipt.hash
        )
        return Posted(report.sequence, len(found.built.codes), gas, None, found.digest, receipt.hash, found.built)

    def _give_up(self, error: Exception) -> Posted:
        found, self._under_way = self._under_way, None
        if found is None:
            raise error
        self._keep(found)
        return self._failed(found.built, self._gas(found), error)

    def _failed(self, built: BuiltReport, gas: int, error: Exception) -> Posted:
        self.failures += 1
        self.refusals.refused(_underlyings(built))
        reason = str(error) or "reverted without a reason"
        self.recorder.record(
            "post-failed",
            self.system.chain.now,
            sequence=built.report.sequence,
            error=reason,
            kind_of_error=type(error).__name__,
            in_a_row=self.failures,
        )
        return Posted(built.report.sequence, len(built.codes), gas, reason, built=built)

"""The proposer: asks the other nodes to sign a report, all at once, and counts only signatures it has checked itself.

A peer may be dead, slow, lying or talking nonsense; it costs its own signature and no more time than `timeout`. As
soon as enough signers have signed, what the rest would say is not waited for.
"""

from __future__ import annotations

import http.client
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from plimsoll.nodes.cosigner import ALREADY
from plimsoll.nodes.errors import QuorumError, WireError
from plimsoll.nodes.wire import MAX_ANSWER, Answer, Proposal
from plimsoll.risk.engine import BuiltReport
from plimsoll.risk.errors import SigningError
from plimsoll.risk.signing import recover, sign

TIMEOUT: Final = 5.0  # [s]
WAITING: Final = 4  # requests to one peer that may be under way: a slow one is not buried under more
TOLD: Final = 8  # disagreements of one answer that go to the journal


@dataclass(frozen=True, slots=True)
class Quorum:
    """What the oracle demands of one report now: how many signatures, and whose count (by checksummed address)."""

    needed: int
    counts: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class PeerAnswer:
    """What came of asking one peer."""

    peer: str
    answer: Answer


def ask(peer: str, proposed: Proposal, timeout: float = TIMEOUT) -> Answer:
    """One peer's answer; whatever goes wrong on the way is an answer with an error.

    Parameters
    ----------
    peer
        Its URL.
    proposed
        The proposal.
    timeout
        For all of it [s].
    """
    until = time.monotonic() + timeout
    parts = urlsplit(peer)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=timeout)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", parts.path.rstrip("/") + "/sign", proposed.body, headers)
            response = connection.getresponse()
            body = bytearray()
            while part := response.read1(2**16):
                body += part
                if len(body) > MAX_ANSWER:
                    raise WireError(f"answer longer than {MAX_ANSWER} bytes")
                if time.monotonic() > until:
                    raise TimeoutError("timed out")
        finally:
            connection.close()
        return Answer.parse(bytes(body))
    except TimeoutError:
        return Answer(error=f"no answer within {timeout:g} s")
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Answer(error=f"unreachable: {type(error).__name__} {error}"[:200])
    except WireError as error:
        return Answer(error=f"answers nonsense: {error}"[:200])


@dataclass
class Peers:
    """The nodes as the poster asks them: `sign` gives a quorum's signatures in the oracle's order.

    Parameters
    ----------
    peers
        URLs of co-signers.
    quorum
        What the oracle demands for a report; asked each time, since governance may change it.
    name
        What this proposer calls itself.
    keys
        Private keys that sign here, beside the peers.
    timeout
        For the answers [s].
    record
        Journal: kind, time and fields of one line.
    """

    peers: Sequence[str]
    quorum: Callable[[BuiltReport], Quorum]
    name: str = "keeper"
    keys: Sequence[str | bytes] = field(default=(), repr=False)
    timeout: float = TIMEOUT
    record: Callable[..., object] = lambda *_, **__: None
    heard: dict[str, tuple[float, str]] = field(default_factory=dict)  # by peer: last answer [unix s], what was wrong
    _next: int = 0  # no sequence below it is proposed again
    _waiting: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def next_sequence(self, last: int) -> int:
        """What to number a report after `last`: peers sign one report a sequence, so one that failed is left out."""
        return max(last + 1, self._next)

    def sign(self, built: BuiltReport, digest: bytes) -> tuple[bytes, ...]:
        """Signatures of enough signers, by rising address.

        Raises
        ------
        QuorumError
            Too few signed; who did not, and why.
        SigningError
            A key here is none.
        """
        quorum = self.quorum(built)
        self._next = max(self._next, built.report.sequence + 1)
        found: dict[str, bytes] = {}
        for key in self.keys:
            signature = sign(digest, key)
            found[recover(digest, signature)] = signature
        refusals: dict[str, str] = {}
        answers = self._ask_all(Proposal.of(self.name, built)) if len(found) < quorum.needed else queue.Queue()
        until = time.monotonic() + self.timeout
        waiting = set(self.peers) if len(found) < quorum.needed else set()
        while len(found) < quorum.needed and waiting:
            try:
                got = answers.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                refusals.update(dict.fromkeys(sorted(waiting), f"no answer within {self.timeout:g} s"))
                self._hear(refusals)
                break
            waiting.discard(got.peer)
            reason = self._count(got.answer, digest, quorum, found)
            self._hear({got.peer: reason or ""})
            if reason is not None:
                refusals[got.peer] = reason
                self._tell(built, got, reason)
        if len(found) < quorum.needed:
            raise QuorumError(quorum.needed, len(found), refusals)
        return tuple(found[signer] for signer in sorted(found, key=lambda a: int(a, 16)))[: quorum.needed]

    def _hear(self, said: dict[str, str]) -> None:
        """Keep when peers signed last, and what was wrong since."""
        for peer, error in said.items():
            last, _ = self.heard.get(peer, (0.0, ""))
            self.heard[peer] = (last if error else time.time(), error)

    def _count(self, answer: Answer, digest: bytes, quorum: Quorum, found: dict[str, bytes]) -> str | None:
        """Count one answer where its signature is a signer's, of this digest, and new; else why it does not count."""
        if answer.signature is None:
            for item in answer.disagreements:
                if item.what == ALREADY and isinstance(item.own, int):
                    self._next = max(self._next, min(item.own, self._next + len(self.peers)))
            return answer.reason
        try:
            signer = recover(digest, answer.signature)
        except SigningError as error:
            return f"a signature that is none: {error}"
        if not quorum.counts(signer):
            return f"signs as {signer}, which is no signer of the oracle, or signs something else"
        if signer in found:
            return f"signs as {signer}, which has signed already"
        found[signer] = answer.signature
        return None

    def _tell(self, built: BuiltReport, got: PeerAnswer, reason: str) -> None:
        report, answer = built.report, got.answer
        if answer.disagreements:
            listed = [str(item) for item in answer.disagreements[:TOLD]]
            extra: dict[str, Any] = {"disagreements": listed, "count": answer.count}
            self.record("node-disagrees", report.market_time, peer=got.peer, sequence=report.sequence, **extra)
        else:
            self.record("node-failed", report.market_time, peer=got.peer, sequence=report.sequence, error=reason)

    def _ask_all(self, proposed: Proposal) -> queue.Queue[PeerAnswer]:
        """Ask every peer in a thread of its own; the answers arrive in the queue."""
        answers: queue.Queue[PeerAnswer] = queue.Queue()
        _ = proposed.body  # once, not once a thread
        for peer in self.peers:
            with self._lock:
                crowded = self._waiting.get(peer, 0) >= WAITING
                if not crowded:
                    self._waiting[peer] = self._waiting.get(peer, 0) + 1
            if crowded:
                answers.put(PeerAnswer(peer, Answer(error="still busy with earlier proposals")))
            else:
                threading.Thread(target=self._ask, args=(peer, proposed, answers), daemon=True).start()
        return answers

    def _ask(self, peer: str, proposed: Proposal, answers: queue.Queue[PeerAnswer]) -> None:
        try:
            answer = ask(peer, proposed, self.timeout)
        finally:
            with self._lock:
                self._waiting[peer] -= 1
        answers.put(PeerAnswer(peer, answer))

"""The co-signer: whether this node signs what somebody proposes.

    sequence    above the chain's, by at most `WINDOW`, and nothing else signed under it that could still be posted
    time        not ahead of this node's clock, nor older than its tolerance or the oracle's `max_age`
    numbers     this node's own engine on its own snapshot finds the same, see `plimsoll.nodes.tolerance`
    promise     on disk, then the signature

A proposal may leave underlyings out, never a part of one (`plimsoll.risk.report_parts`): what it leaves out stands as
it is on chain, ages there for all to see, and may be proposed by anybody else.

Who asks does not matter: what is false is not signed for anybody, and what is true may be posted by anybody. Chain and
oracle are this node's own settings; a request names neither.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from plimsoll.market.snapshot import Snapshot
from plimsoll.nodes.promises import Promise, Promises
from plimsoll.nodes.tolerance import DEFAULT, Tolerance, carry, compare, observe, references_of
from plimsoll.nodes.wire import Answer, Disagreement, Proposal
from plimsoll.risk.engine import Engine
from plimsoll.risk.limits import Rails
from plimsoll.risk.models import State
from plimsoll.risk.signing import address_of, sign
from plimsoll.spec.errors import PlimsollError
from plimsoll.spec.report import digest

WINDOW: Final = 1_024  # a sequence far above the chain's would leave the oracle few, or none
BUSY: Final = 4.0  # [s] that a request waits for the one before it: less than whoever asks does

ALREADY: Final = "sequence already signed"


@dataclass(frozen=True, slots=True)
class Sight:
    """What a node sees at one moment.

    Parameters
    ----------
    now
        Its own clock [unix s].
    sequence
        Of the report that the oracle holds.
    max_age
        Oldest market time that the oracle takes [s].
    previous
        What the next report starts from, as the chain holds it; None before the first.
    snapshot
        Its own snapshot: prices as it sees them now, histories as of the time it is given [unix s].
    rails
        What the chain's guardrails allow the next report.
    """

    now: int
    sequence: int
    max_age: int
    previous: State | None
    snapshot: Callable[[int], Snapshot]
    rails: Rails | None = None


class Observer(Protocol):
    """How a node looks."""

    def look(self) -> Sight:
        """What it sees now; raises a PlimsollError where it sees nothing."""


class CoSigner:
    """One node's judgement.

    Parameters
    ----------
    observer
        Its own eyes.
    engine
        Its own engine.
    key
        Its private key; kept, never shown.
    chain_id, oracle
        What its signatures are for.
    promises
        What it has signed.
    tolerance
        What honest nodes may differ by.
    record
        Journal: kind, time and fields of one line.

    Raises
    ------
    SigningError
        The key is none.
    """

    def __init__(
        self,
        observer: Observer,
        engine: Engine,
        key: str,
        chain_id: int,
        oracle: str,
        promises: Promises | None = None,
        tolerance: Tolerance = DEFAULT,
        record: Callable[..., object] = lambda *_, **__: None,
    ) -> None:
        self.observer = observer
        self.engine = engine
        self.chain_id = chain_id
        self.oracle = oracle
        self.address = address_of(key)
        self.promises = promises or Promises(None, self.address, chain_id, oracle)
        self.tolerance = tolerance
        self.record = record
        self._key = key
        self._one = threading.Lock()  # eyes, engine and promises serve one request after the other

    def answer(self, proposed: Proposal) -> Answer:
        """A signature, or why not; never raises for what a proposal holds or this node cannot see."""
        if not self._one.acquire(timeout=BUSY):
            return Answer(error="busy with other proposals")
        try:
            return self._answer(proposed)
        except PlimsollError as error:
            name = type(error).__name__
            self._tell("node-blind", 0, proposed, error=f"{name}: {error}")
            return Answer(error=f"cannot recompute: {name}")  # an endpoint's address or a path stays here
        finally:
            self._one.release()

    def _answer(self, proposed: Proposal) -> Answer:
        sight = self.observer.look()
        wrong, signed = self._judge(proposed, sight)
        if wrong:
            self._tell("node-refused", sight.now, proposed, why=[str(item) for item in wrong[:8]], count=len(wrong))
            return Answer.refusal(wrong)
        report = proposed.report
        self.promises.make(report.sequence, Promise(signed, report.market_time))
        self._tell("node-signed", sight.now, proposed, digest="0x" + signed.hex())
        return Answer(sign(signed, self._key))

    def _judge(self, proposed: Proposal, sight: Sight) -> tuple[tuple[Disagreement, ...], bytes]:
        """What is wrong with a proposal, the cheap questions first, and its digest."""
        report = proposed.report
        signed = digest(report, self.chain_id, self.oracle)
        lowest, most = sight.sequence + 1, sight.sequence + WINDOW
        if not lowest <= report.sequence <= most:
            return (Disagreement("sequence", lowest, report.sequence, most - lowest),), signed
        promise = self.promises.of(report.sequence, sight.now, sight.max_age)
        if promise is not None and promise.digest != signed:
            free = self.promises.free(sight.sequence, sight.now, sight.max_age)
            return (Disagreement(ALREADY, free, report.sequence),), signed
        if report.market_time + sight.max_age < sight.now:
            return (Disagreement("market_time", sight.now, report.market_time, sight.max_age),), signed
        own = sight.snapshot(report.market_time if self._near(report.market_time, sight.now) else sight.now)
        wrong = observe(sight.now, own, proposed, self.tolerance)
        if wrong:
            return wrong, signed
        references = references_of(proposed)
        own, only = carry(own, references), tuple(references)
        made = self.engine.report(
            own, sight.previous, report.sequence, rails=sight.rails, urgent=report.urgent, only=only
        )
        return compare(made, proposed, self.tolerance, lambda: self.engine.report(own, only=only)), signed

    def _near(self, time: int, now: int) -> bool:
        return -self.tolerance.behind <= time - now <= self.tolerance.ahead

    def _tell(self, kind: str, now: int, proposed: Proposal, **fields: Any) -> None:
        sequence = proposed.report.sequence
        self.record(kind, now, proposer=proposed.proposer, sequence=sequence, **fields)

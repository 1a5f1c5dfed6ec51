"""Three risk nodes beside a replay, each a process of its own with its own key, clock and prices; one of them turns.

Nodes are asked over HTTP, as anywhere. They see what the replay's chain holds by a pipe, their clocks are seconds off,
and their prices differ by a few basis points of noise. From `lies_from` on the last node does all it can with one key:

    as a co-signer   signs what is false, refuses what is true
    as a proposer    before every honest report pushes a forged one, under the same sequence: to the other nodes, and
                     straight to the oracle with its own signature, alone and twice

`Story` counts what came of it.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import Any, Final

import numpy as np
from eth_utils.crypto import keccak

from plimsoll.chain.deployment import System
from plimsoll.keeper.poster import Poster, quorum_of
from plimsoll.keeper.recorder import MemoryRecorder, Recorder
from plimsoll.keeper.sources import Source
from plimsoll.keeper.state import ChainReader, Held
from plimsoll.nodes.cosigner import CoSigner, Sight
from plimsoll.nodes.errors import QuorumError
from plimsoll.nodes.proposer import Peers, Quorum, ask
from plimsoll.nodes.service import Service
from plimsoll.nodes.wire import Answer, Disagreement, Proposal
from plimsoll.risk.engine import BuiltReport, Engine
from plimsoll.risk.models import RiskModel
from plimsoll.risk.scenarios import COARSE, FINE, Scale, ScenarioSet
from plimsoll.risk.signing import address_of, order, sign
from plimsoll.simulate.errors import SimulationError
from plimsoll.spec.instruments import CALL, PUT
from plimsoll.spec.report import digest
from plimsoll.spec.surface import Row, Surface, encode

NOISE: Final = 2e-4  # standard deviation of a node's index against the chain's, as a ratio
SKEWS: Final = (-3, 2, 4)  # [s] of the nodes' clocks
SEED: Final = 2_008
START: Final = 60.0  # [s] for a node to come up
TIMEOUT: Final = 30.0  # [s] for answers; a replay would rather wait than fail on a busy machine
LIAR: Final = "risk node 3"


@dataclass
class Story:
    """What became of the nodes. `refused` counts the chain's reasons."""

    nodes: int
    quorum: int
    lies_from: int  # [unix s]
    told: int = 0  # forged reports, each pushed to every honest node and twice to the oracle
    cosigned: int = 0  # of them, by an honest node
    believed: int = 0  # of them, by the chain
    reports_before: int = 0  # honest ones
    reports_after: int = 0
    unsigned: int = 0  # honest reports for which no quorum was found
    refused: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether no lie got anywhere."""
        return self.cosigned == self.believed == 0


# -------------------------------------------------------------------------------------------------------------- a node


@dataclass(frozen=True)
class NodeSpec:
    """All that a node's process is told."""

    name: str
    key: str = field(repr=False)
    chain_id: int
    oracle: str
    source: Source
    model: RiskModel
    skew: int  # [s]
    seed: int
    lies_from: int | None  # [unix s]


class PipeObserver:
    """Sees what the replay's process hands over, through eyes of its own."""

    def __init__(self, spec: NodeSpec, pipe: Connection) -> None:
        self.spec = spec
        self._pipe = pipe

    def look(self) -> Sight:
        """What the chain holds, by this node's clock."""
        self._pipe.send(None)
        held: Held = self._pipe.recv()
        now = held.time + self.spec.skew
        return Sight(
            now,
            held.sequence,
            held.params.max_age,
            held.risk_state,
            lambda at: self.spec.source.snapshot(replace(held, time=at, index=self._prices(held))),
            held.rails,
        )

    def _prices(self, held: Held) -> dict[int, Any]:
        """The index as this node sees it."""
        noise = np.random.default_rng([self.spec.seed, held.time]).normal(0.0, NOISE, len(held.index))
        return {
            u: replace(index, price=int(index.price * (1 + float(part))))
            for (u, index), part in zip(sorted(held.index.items()), noise, strict=True)
        }


class Liar:
    """An honest co-signer until its time comes; from then on it signs for itself only."""

    def __init__(self, honest: CoSigner, key: str, lies_from: int) -> None:
        self.honest = honest
        self.address = honest.address
        self.record = honest.record
        self._key = key
        self.lies_from = lies_from

    def answer(self, proposed: Proposal) -> Answer:
        """Refuse what is true, sign what is false: its own."""
        if proposed.report.market_time < self.lies_from:
            return self.honest.answer(proposed)
        if proposed.proposer == LIAR:
            return Answer(sign(digest(proposed.report, self.honest.chain_id, self.honest.oracle), self._key))
        return Answer.refusal([Disagreement("everything", "nothing", "everything")])


def serve(spec: NodeSpec, pipe: Connection, life: Connection) -> None:
    """A node's process: serve until the other end of `life` is gone."""
    signer = CoSigner(PipeObserver(spec, pipe), Engine(spec.model), spec.key, spec.chain_id, spec.oracle)
    service = Service(signer if spec.lies_from is None else Liar(signer, spec.key, spec.lies_from), seconds=TIMEOUT)
    service.start()
    life.send(service.url)
    try:
        life.recv()
    except EOFError:
        service.shutdown()


# ------------------------------------------------------------------------------------------------------------- forgery


def forged(built: BuiltReport, edit: Callable[[Surface], Surface]) -> BuiltReport:
    """A report whose surfaces were edited, complete with codes and hashes."""
    surfaces = tuple(edit(surface) for surface in built.surfaces)
    codes = tuple(encode(surface) for surface in surfaces)
    report = replace(built.report, surfaces=tuple(keccak(code) for code in codes))
    return replace(built, report=report, codes=codes, surfaces=surfaces)


def _rows(surface: Surface, edit: Callable[[Row], Row]) -> Surface:
    return replace(surface, rows=tuple(edit(row) for row in surface.rows))


def halve_range(surface: Surface) -> Surface:
    """Half the scan range, and lanes to match, linear ones to the unit: what a memoryless check lets through."""
    scale: Scale = COARSE if surface.scale == COARSE else FINE
    full, half = (ScenarioSet(psr, surface.vol_up, surface.vol_down, scale) for psr in (surface.psr, surface.psr // 2))

    def halved(row: Row) -> Row:
        if row.lanes == full.linear_lanes:
            return replace(row, lanes=half.linear_lanes)
        return replace(row, lanes=tuple(int(lane / 2) for lane in row.lanes))

    return replace(_rows(surface, halved), psr=half.psr, set_id=half.set_id)


def zero_lanes(surface: Surface) -> Surface:
    """No position loses anything, whatever happens."""
    return _rows(surface, lambda row: replace(row, lanes=(0,) * len(row.lanes)))


def double_marks(surface: Surface) -> Surface:
    """Options are worth twice what they are."""
    return _rows(surface, lambda row: replace(row, mark=2 * row.mark) if row.kind in {CALL, PUT} else row)


LIES: Final = (("scan range halved", halve_range), ("lanes zeroed", zero_lanes), ("marks doubled", double_marks))


@dataclass
class Forgery:
    """Signatures that the liar has, as a poster takes them."""

    signatures: Sequence[bytes]

    def sign(self, built: BuiltReport, digest: bytes) -> Sequence[bytes]:
        """Those, whatever is asked."""
        del built, digest
        return self.signatures

    def next_sequence(self, last: int) -> int:
        """One more."""
        return last + 1


# ------------------------------------------------------------------------------------------------------------ the cast


class NodeCast:
    """The nodes of one replay, as its poster has them sign. `close` it.

    Parameters
    ----------
    system, reader
        The deployment, and how the chain is read: in the replay's own thread only.
    source
        Where snapshots come from; each node gets a copy.
    model
        Of every engine.
    keys
        One a node.
    lies_from
        When the last node turns [unix s].
    recorder
        The keeper's journal.
    on_lie
        Told of the first lie of each kind: the kind, and what an honest node said to it.

    Raises
    ------
    SimulationError
        A node does not come up.
    """

    def __init__(
        self,
        system: System,
        reader: ChainReader,
        source: Source,
        model: RiskModel,
        keys: Sequence[str],
        lies_from: int,
        recorder: Recorder,
        on_lie: Callable[[str, str], object] = lambda _kind, _said: None,
    ) -> None:
        self.system = system
        self.reader = reader
        self.on_lie = on_lie
        self.story = Story(len(keys), int(system.oracle.call("quorum")), lies_from)
        self._held: Held | None = None
        self._told: set[str] = set()
        self._lives: list[Connection] = []
        self._processes: list[Any] = []
        chain_id, oracle = system.chain.chain_id, system.oracle.address
        try:
            for k, key in enumerate(keys):
                turns = lies_from if k == len(keys) - 1 else None
                skew = SKEWS[k % len(SKEWS)]
                name = f"risk node {k + 1}"
                self._start(NodeSpec(name, key, chain_id, oracle, source, model, skew, SEED + k, turns))
            self.urls = [self._url(life) for life in self._lives]
        except BaseException:
            self.close()
            raise
        demanded = quorum_of(system)
        self.peers = Peers(self.urls, demanded, timeout=TIMEOUT, record=recorder.record)
        self._liar = address_of(keys[-1])
        # to the liar one honest signature would do: it has the other
        self._accomplices = Peers(
            self.urls[:-1], lambda built: Quorum(1, demanded(built).counts), LIAR, timeout=TIMEOUT
        )

    def _start(self, spec: NodeSpec) -> None:
        context = multiprocessing.get_context("forkserver")  # a plain fork would take other threads' locks along
        context.set_forkserver_preload([__name__])  # what nodes import, they import once
        (mine, pipe), (life, theirs) = context.Pipe(), context.Pipe()
        process = context.Process(target=serve, args=(spec, pipe, theirs), name=spec.name, daemon=True)
        process.start()
        pipe.close()
        theirs.close()
        self._processes.append(process)
        self._lives.append(life)
        threading.Thread(target=self._show, args=(mine,), daemon=True).start()

    def _show(self, pipe: Connection) -> None:
        """Hand a node what the chain holds, each time it looks."""
        try:
            while True:
                pipe.recv()
                pipe.send(self._held)
        except (EOFError, OSError):
            pipe.close()

    @staticmethod
    def _url(life: Connection) -> str:
        if not life.poll(START):
            raise SimulationError(f"a risk node did not come up within {START:g} s")
        try:
            return str(life.recv())
        except EOFError as error:
            raise SimulationError("a risk node did not come up") from error

    def close(self) -> None:
        """End the nodes' processes."""
        for life in self._lives:
            life.close()
        for process in self._processes:
            process.join(5.0)
            if process.is_alive():
                process.terminate()

    # ------------------------------------------------------------------------------------------------------ signing

    def next_sequence(self, last: int) -> int:
        """As the peers have it."""
        return self.peers.next_sequence(last)

    def sign(self, built: BuiltReport, digest: bytes) -> Sequence[bytes]:
        """A quorum's signatures; the liar has the first word.

        Raises
        ------
        QuorumError
            Too few signed.
        """
        self._held = self.reader.read()
        after = built.report.market_time >= self.story.lies_from
        if after:
            self._lie(built)
        try:
            found = self.peers.sign(built, digest)
        except QuorumError:
            self.story.unsigned += 1
            raise
        if after:
            self.story.reports_after += 1
        else:
            self.story.reports_before += 1
        return found

    def _lie(self, built: BuiltReport) -> None:
        """Push one forged report, to the honest nodes and to the oracle."""
        story = self.story
        kind, edit = LIES[story.told % len(LIES)]
        story.told += 1
        lie = forged(built, edit)
        signed = digest(lie.report, self.system.chain.chain_id, self.system.oracle.address)
        own = ask(self.urls[-1], Proposal.of(LIAR, lie), TIMEOUT).signature
        if own is None:
            raise SimulationError("the liar does not sign its own lies")
        ways: list[list[bytes]] = [[own], [own, own]]
        try:
            ways.append(list(order(signed, [*self._accomplices.sign(lie, signed), own])))
            story.cosigned += 1
        except QuorumError as error:
            if kind not in self._told:
                self._told.add(kind)
                self.on_lie(kind, next(iter(error.refusals.values())))
        poster = Poster(self.system, self._liar, Forgery(()), MemoryRecorder())
        for signatures in ways:
            poster.signing = Forgery(signatures)
            posted = poster.post(lie)
            if posted.ok:
                story.believed += 1
            else:
                reason = posted.error or ""
                story.refused[reason] = story.refused.get(reason, 0) + 1

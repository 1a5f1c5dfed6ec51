"""A deployment with as many underlyings as asked for, keepers and co-signers over it, on a chain in this process."""

from __future__ import annotations

import csv
import queue
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from plimsoll.chain.contract import events_of
from plimsoll.chain.deployment import FeedConfig, SystemConfig, deploy_system, save_book
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.keeper.archive import Archive
from plimsoll.keeper.cosigner import ChainObserver
from plimsoll.keeper.loop import Keeper, LoopConfig
from plimsoll.keeper.poster import LocalKeys, Poster, Signing, quorum_of
from plimsoll.keeper.recorder import MemoryRecorder
from plimsoll.keeper.sources import FeedSource, MarketSource
from plimsoll.keeper.state import ChainReader
from plimsoll.keeper.triggers import TriggerConfig
from plimsoll.nodes.cosigner import CoSigner
from plimsoll.nodes.proposer import PeerAnswer, Peers
from plimsoll.nodes.wire import Proposal
from plimsoll.risk.engine import Engine
from plimsoll.risk.models import EwmaFhs
from plimsoll.risk.signing import address_of
from plimsoll.simulate.market import Party, Venue, key_of
from plimsoll.spec.instruments import CALL, PERP, PUT

HOUR, DAY = 3_600, 86_400
START = 1_700_006_400 // DAY * DAY
PRICE = 100.0
SIGNERS = [key_of(f"risk node {k}") for k in range(3)]


class SomePeers(Peers):
    """Co-signers of this thread, as the embedded chain answers no other."""

    def __init__(self, nodes: Sequence[CoSigner], *args: object, **kwargs: object) -> None:
        super().__init__([node.address for node in nodes], *args, **kwargs)  # type: ignore[arg-type]
        self.nodes = nodes

    def _ask_all(self, proposed: Proposal) -> queue.Queue[PeerAnswer]:
        answers: queue.Queue[PeerAnswer] = queue.Queue()
        for node in self.nodes:
            answers.put(PeerAnswer(node.address, node.answer(Proposal.parse(proposed.body))))
        return answers


class Many:
    """A venue.

    Parameters
    ----------
    folder
        For price files, address book and archives.
    underlyings
        Their numbers.
    expiries, options
        Besides the perpetual: this many options on each of these [unix s].
    """

    def __init__(
        self, folder: Path, underlyings: Sequence[int], expiries: Sequence[int] = (), options: int = 0
    ) -> None:
        self.folder, self.underlyings, self.expiries = folder, tuple(sorted(underlyings)), tuple(expiries)
        self.chain = EmbeddedChain(time=START)
        self.admin = Party.of("governance").address
        feeds = [
            FeedConfig(u, f"U{u}", round(PRICE * 10**8), max_age=7 * DAY, strike_exponent=18) for u in self.underlyings
        ]
        signers = [address_of(key) for key in SIGNERS]
        self.system = deploy_system(self.chain, SystemConfig(self.admin, signers, 2, feeds))
        self.perps = {u: self._list(u, 0, PERP, 0) for u in self.underlyings}
        for u in self.underlyings:
            for expiry in self.expiries:
                for k in range(options):
                    self._list(u, expiry, (CALL, PUT)[k % 2], 80 + 5 * k)
        self.book = folder / "book.json"
        save_book(self.system, self.book)
        self.venue = Venue(self.chain, self.system, self.admin)
        self.recorder = MemoryRecorder()
        self.files = {u: self._write(u) for u in self.underlyings}

    def _list(self, underlying: int, expiry: int, kind: int, strike: int) -> int:
        registry = self.system.registry
        made = registry.transact("list_instrument", underlying, expiry, kind, strike, sender=self.admin)
        return int(registry.decode("list_instrument", made))

    def _write(self, underlying: int, days: int = 150) -> Path:
        path = self.folder / f"{underlying}.csv"
        with path.open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["timestamp", "open", "high", "low", "close", "volume"])
            for k in range(days):
                close = PRICE * (1 + 0.01 * ((k * (5 + 2 * (underlying % 7))) % 11 - 5) / 2 * (k < days - 1))
                at = datetime.fromtimestamp(START - (days - k) * DAY, UTC).isoformat()
                table.writerow([at, close, close * 1.002, close * 0.998, close, 10])
        return path

    def source(self) -> FeedSource:
        """A source of its own."""
        return FeedSource(
            self.system,
            [MarketSource(u, f"U{u}", self.files[u], self.expiries, depth=1e6) for u in self.underlyings],
        )

    def reader(self) -> ChainReader:
        """A reader of its own."""
        return ChainReader(self.system, dict.fromkeys(self.underlyings, (0, *self.expiries)))

    def node(self, place: int) -> CoSigner:
        """A co-signer that looks for itself."""
        observer = ChainObserver(self.source(), self.reader())
        oracle = self.system.oracle.address
        return CoSigner(
            observer, Engine(EwmaFhs()), SIGNERS[place], self.chain.chain_id, oracle, record=self.recorder.record
        )

    def peers(self, nodes: Sequence[CoSigner]) -> Peers:
        """How a keeper asks them."""
        return SomePeers(nodes, quorum_of(self.system), record=self.recorder.record)

    def keeper(
        self, *, signing: Signing | None = None, archive: Archive | None = None, last: int = 0, **triggers: object
    ) -> Keeper:
        """A keeper that knows nothing but the chain, as after a start; `last` is what its journal says it sent."""
        sender = Party.of("poster").address
        return Keeper(
            self.source(),
            Engine(EwmaFhs()),
            self.reader(),
            Poster(self.system, sender, signing or LocalKeys(SIGNERS[:2]), self.recorder, last=last),
            self.recorder,
            triggers=TriggerConfig(**triggers),  # type: ignore[arg-type]
            config=LoopConfig(0.0, 3),
            archive=archive,
        )

    def index(self, prices: Mapping[int, float]) -> None:
        """Set live prices."""
        self.venue.set_index(dict(prices))

    def sequences(self) -> dict[int, int]:
        """Sequence under which each underlying's perpetual stands; 0: nothing does."""
        oracle = self.system.oracle
        return {u: (oracle.call("pointer", u, 0) >> 64) & (2**32 - 1) for u in self.underlyings}

    def posts(self) -> list[tuple[int, tuple[int, ...]]]:
        """Every report that the oracle believed, in order: its sequence, and the underlyings of its surfaces."""
        oracle = self.system.oracle
        found: dict[int, set[int]] = {}
        for event in events_of(self.chain.logs([oracle.address], 0), [oracle], "SurfacePosted"):
            found.setdefault(event.args.sequence, set()).add(event.args.underlying)
        return [(sequence, tuple(sorted(numbers))) for sequence, numbers in found.items()]

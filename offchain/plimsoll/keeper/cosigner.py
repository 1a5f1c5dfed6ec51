"""From settings to a risk node that co-signs: `plimsoll node --settings node.yaml`.

    node: http://127.0.0.1:8545          # this node's own endpoint of the chain
    book: build/deployment.json
    key: PLIMSOLL_NODE_KEY               # an environment variable, or a keystore account as in plimsoll.keeper.settings
    markets:                             # this node's own files; marks and depths where the other nodes have some
      - {underlying: 257, name: BTC, prices: data/btc.csv, depth: 1000}
    model: {name: har-fhs}               # must be what the other nodes run
    listen: {host: 127.0.0.1, port: 9560}
    venues: {hours: venues, markets: {257: [{venue: kraken, symbol: BTC/USD}, ...]}}   # where the keeper has some
    tolerance: {reference: 1000, behind: 60}   # what is not named has its default, see plimsoll.nodes.tolerance
    promises: build/node.promises.jsonl  # what was signed; losing it is losing what keeps the key honest
    journal: build/node.jsonl

Paths are relative to the file. Chain and oracle are the address book's, checked against the endpoint; no request can
name others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from pydantic import Field, create_model, field_validator

from plimsoll.chain.deployment import System, book_block, load_book
from plimsoll.chain.node import NodeChain
from plimsoll.chain.protocol import Chain
from plimsoll.keeper.build import source_of
from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.live import LiveSource, VenueSettings
from plimsoll.keeper.recorder import JsonLinesRecorder, Recorder
from plimsoll.keeper.settings import (
    KeySource,
    MarketSettings,
    ModelSettings,
    Strict,
    beside,
    checked,
    key_at,
    read_yaml,
)
from plimsoll.keeper.sources import Source
from plimsoll.keeper.state import ChainReader
from plimsoll.nodes.cosigner import CoSigner, Sight
from plimsoll.nodes.promises import Promises
from plimsoll.nodes.tolerance import LIMITS, Tolerance
from plimsoll.risk.engine import Engine
from plimsoll.risk.signing import address_of

VERSION = 1


class ListenSettings(Strict):
    """Where to be asked."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=9_560, ge=0, lt=2**16)
    timeout: float = Field(default=5.0, gt=0, le=60, description="for a request to arrive and an answer to leave [s]")


ToleranceSettings: Any = create_model(
    "ToleranceSettings",
    __base__=Strict,
    **{f.name: (int, Field(default=f.default, ge=0, le=LIMITS[f.name])) for f in fields(Tolerance)},  # type: ignore[call-overload]
)


class NodeSettings(Strict):
    """The whole file."""

    version: int = Field(default=VERSION, ge=VERSION, le=VERSION)
    node: str = Field(pattern=r"^https?://")
    book: Path
    key: KeySource
    markets: list[MarketSettings] = Field(min_length=1)
    model: ModelSettings = ModelSettings()
    listen: ListenSettings = ListenSettings()
    tolerance: ToleranceSettings = ToleranceSettings()
    promises: Path = Path("build/node.promises.jsonl")
    journal: Path = Path("build/node.jsonl")
    first_block: int | None = Field(default=None, ge=0, description="of the protocol; by default the address book's")
    venues: VenueSettings | None = Field(default=None, description="live prices, this node's own; as the others have")

    @field_validator("markets")
    @classmethod
    def _distinct(cls, markets: list[MarketSettings]) -> list[MarketSettings]:
        numbers = [market.underlying for market in markets]
        if len(set(numbers)) != len(numbers):
            raise ValueError("an underlying is named twice")
        return markets


def load_node_settings(path: Path) -> NodeSettings:
    """Read and check a settings file; its paths come back relative to where it stands.

    Raises
    ------
    SettingsError
        Naming every field that is wrong.
    """
    found = checked(NodeSettings, read_yaml(path), path)
    folder = path.parent
    return found.model_copy(
        update={
            "book": folder / found.book,
            "promises": folder / found.promises,
            "journal": folder / found.journal,
            "markets": beside(folder, found.markets),
            "venues": None if found.venues is None else found.venues.beside(folder),
        }
    )


@dataclass(frozen=True)
class ChainObserver:
    """Looks at the chain by an endpoint of its own, and at its own files."""

    source: Source
    reader: ChainReader

    def look(self) -> Sight:
        """What the chain holds and the feed says now.

        Raises
        ------
        NodeError
            The endpoint does not answer.
        """
        held = self.reader.read()
        return Sight(
            held.time,
            held.sequence,
            held.params.max_age,
            held.risk_state,
            lambda at: self.source.snapshot(replace(held, time=at)),
            held.rails,
        )


def build_node(
    settings: NodeSettings,
    *,
    chain: Chain | None = None,
    recorder: Recorder | None = None,
    environment: Mapping[str, str] | None = None,
) -> CoSigner:
    """A co-signer as the settings say; everything that can be wrong is met here, before the first request.

    Parameters
    ----------
    settings
        Checked.
    chain, recorder, environment
        In place of the endpoint, the journal file and the process's environment.

    Raises
    ------
    SettingsError, SourceError, DeploymentError, NodeError, PromiseError
        By what is wrong.
    """
    key = key_at(settings.key, environment)
    used = chain or NodeChain(settings.node)
    system = load_book(settings.book, used)
    _check_signer(system, address_of(key))
    first_block = book_block(settings.book) if settings.first_block is None else settings.first_block
    source = source_of(system, settings.markets, first_block, settings.venues)
    oracle = system.oracle.address
    journal = recorder or JsonLinesRecorder(settings.journal)
    return CoSigner(
        ChainObserver(source, ChainReader(system, source.expiries(used.now))),
        Engine(settings.model.made),
        key,
        used.chain_id,
        oracle,
        Promises(settings.promises, address_of(key), used.chain_id, oracle),
        Tolerance(**settings.tolerance.model_dump()),
        journal.record,
    )


def live_of(signer: CoSigner) -> LiveSource | None:
    """What of a node's prices is to be started, and closed at the end; None where it reads files."""
    observer = signer.observer
    source = observer.source if isinstance(observer, ChainObserver) else None
    return source if isinstance(source, LiveSource) else None


def _check_signer(system: System, address: str) -> None:
    if address not in set(system.oracle.call("signers")):
        raise SettingsError(f"{address} is no signer of the oracle")

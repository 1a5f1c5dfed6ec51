"""From settings to a keeper that runs against a node."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from plimsoll.chain.deployment import System, account_id, book_block, load_book
from plimsoll.chain.endpoints import Endpoints
from plimsoll.chain.node import NodeChain
from plimsoll.chain.protocol import Chain
from plimsoll.chain.rpc import HttpRpc
from plimsoll.keeper.accounts import AccountWatcher, listed_expiries
from plimsoll.keeper.alerts import watchman_of
from plimsoll.keeper.archive import Archive
from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.index.follow import AccountIndex
from plimsoll.keeper.journal import Journal
from plimsoll.keeper.keys import account_of
from plimsoll.keeper.liquidation import BidConfig, LiquidationAgent
from plimsoll.keeper.live import LiveSource, VenueSettings, live_source
from plimsoll.keeper.logs import LoggedRecorder
from plimsoll.keeper.lookout import Lookout
from plimsoll.keeper.loop import Keeper, LoopConfig, Round
from plimsoll.keeper.metrics import Metrics
from plimsoll.keeper.outbox import Outbox, QueuedOutbox
from plimsoll.keeper.outlook import Lookahead
from plimsoll.keeper.poster import LocalKeys, Poster, Signing, quorum_of
from plimsoll.keeper.recorder import Recorder
from plimsoll.keeper.runner import Runner
from plimsoll.keeper.sender import ETHER, GWEI, Sender, SendingConfig
from plimsoll.keeper.service import Service
from plimsoll.keeper.settings import KeeperSettings, MarketSettings, SendingSettings, key_at
from plimsoll.keeper.sources import FeedSource, MarketSource
from plimsoll.keeper.standing import standing_agent
from plimsoll.keeper.state import ChainReader
from plimsoll.keeper.status import StatusBoard
from plimsoll.keeper.telling import Teller
from plimsoll.keeper.triggers import TriggerConfig
from plimsoll.keeper.upkeep import Upkeep, UpkeepConfig
from plimsoll.keeper.watch import ResponsivenessWatch, recent
from plimsoll.keeper.web import OperationsServer
from plimsoll.market.aggregate import LIVE_MINIMUM
from plimsoll.market.sources import load_bars, load_series
from plimsoll.nodes.proposer import Peers
from plimsoll.risk.engine import Engine
from plimsoll.risk.signing import address_of
from plimsoll.spec.wad import PPM

SEQUENCES: Final = 1_000  # posts of the past among which the highest sequence is


def _wad(value: float) -> int:
    return round(value * 10**6) * 10**12


@dataclass(frozen=True)
class Keys:
    """The private keys that settings name [64 hexadecimal digits each]."""

    poster: str = field(repr=False)
    signers: tuple[str, ...] = field(repr=False)
    liquidator: str | None = field(repr=False)

    @classmethod
    def of(cls, settings: KeeperSettings, environment: Mapping[str, str] | None = None) -> Keys:
        """The keys of settings.

        Raises
        ------
        SettingsError
            One is missing, or one key is to do two things whose transactions would wait for each other.
        """
        names = settings.keys
        found = cls(
            key_at(names.poster, environment),
            tuple(key_at(name, environment) for name in names.signers),
            key_at(names.liquidator, environment) if names.liquidator else None,
        )
        if settings.liquidation is not None and found.liquidator is None:
            raise SettingsError("liquidation is set, keys.liquidator is not")
        if found.liquidator == found.poster:
            raise SettingsError("keys.liquidator is keys.poster: one stuck transaction would keep both from sending")
        return found


def build_keeper(
    settings: KeeperSettings,
    *,
    dry_run: bool = False,
    urgent: bool = False,
    chain: Chain | None = None,
    recorder: Recorder | None = None,
    environment: Mapping[str, str] | None = None,
    outbox: Outbox | None = None,
    past: Journal | None = None,
    keys: Keys | None = None,
) -> Keeper:
    """A keeper as the settings say; everything that can be wrong is met here, before the first round.

    Parameters
    ----------
    settings
        Checked.
    dry_run
        Decide and record, send nothing.
    urgent
        Ask for urgent reports.
    chain, recorder, environment
        In place of the node, the journal and the process's environment.
    outbox
        Where transactions go; None: they are waited for.
    past
        What earlier runs did, where `recorder` is given.
    keys
        The settings' keys, where they were read already: a keystore is slow to open, on purpose.

    Raises
    ------
    SettingsError, SourceError, DeploymentError, NodeError, JournalError
        By what is wrong.
    """
    keys = keys or Keys.of(settings, environment)
    used = chain or NodeChain(settings.node[0], [keys.poster, *([keys.liquidator] if keys.liquidator else [])])
    system = load_book(settings.book, used)
    _check_signers(system, keys.signers, len(settings.nodes.peers) if settings.nodes else 0)
    first_block = _first_block(settings)
    source = source_of(system, settings.markets, first_block, settings.venues)
    journal: Recorder
    if recorder is None:
        journal = past = Journal(settings.journal)
    else:
        journal = recorder
    agent, upkeep = None, None
    accounts: Callable[[], Sequence[int]] = tuple
    watcher = AccountWatcher(system, first_block)
    if settings.upkeep is not None:
        chores = settings.upkeep
        upkeep = Upkeep(
            system,
            address_of(keys.poster),
            journal,
            [m.underlying for m in settings.markets],
            watcher.holders,
            UpkeepConfig(chores.every, _wad(chores.least)),
            outbox,
        )
        accounts = watcher.update
    if settings.liquidation is not None and keys.liquidator is not None:
        rule = settings.liquidation
        sender = address_of(keys.liquidator)
        agent = LiquidationAgent(
            system,
            sender,
            journal,
            None if rule.account is None else account_id(sender, rule.account),
            BidConfig(
                _wad(rule.min_profit),
                round(rule.min_share * PPM),
                round(rule.min_bonus * PPM),
                _wad(rule.max_payment),
                _wad(rule.max_fraction),
                round(rule.slack * PPM),
            ),
            outbox,
        )
        accounts = partial(_accounts, watcher, tuple(rule.accounts))
    standing = None
    if settings.standing is not None:
        if keys.liquidator is None:
            raise SettingsError("standing is set, keys.liquidator is not: it is the key that takes orders")
        taker = agent.bidder if agent is not None else None
        standing = standing_agent(settings.standing, system, address_of(keys.liquidator), journal, taker, outbox)

    signing = _signing(settings, system, keys.signers, journal)
    sequences = [int(entry.ref) for entry in past.transactions(purpose="post", last=SEQUENCES)] if past else []
    return Keeper(
        source,
        Engine(settings.model.made),
        ChainReader(system, source.expiries(used.now)),
        Poster(system, address_of(keys.poster), signing, journal, outbox, max(sequences, default=0)),
        journal,
        agent=agent,
        upkeep=upkeep,
        standing=standing,
        accounts=accounts,
        metrics=Metrics(),
        triggers=TriggerConfig(**settings.triggers.model_dump()),
        config=LoopConfig(settings.loop.interval, settings.loop.max_failures, dry_run, urgent),
        archive=Archive(settings.archive) if settings.archive else None,
        watch=ResponsivenessWatch(recent(past) if past else ()),
    )


def build_service(
    settings: KeeperSettings,
    *,
    dry_run: bool = False,
    urgent: bool = False,
    serves: bool = True,
    environment: Mapping[str, str] | None = None,
    on_round: Callable[[Round], object] = lambda _: None,
) -> Service:
    """A keeper as it is run on a live chain, as the settings say.

    Parameters
    ----------
    settings, dry_run, urgent, environment
        As `build_keeper`.
    serves
        Whether `metrics_port` is opened, where there is one.
    on_round
        Told of each round.

    Raises
    ------
    SettingsError, SourceError, DeploymentError, NodeError, JournalError
        By what is wrong.
    OSError
        The port cannot be had.
    """
    keys = Keys.of(settings, environment)
    journal = Journal(settings.journal)
    endpoints = Endpoints(settings.node, timeout=settings.loop.timeout, max_lag=settings.loop.max_lag)
    chain = NodeChain(endpoints, head=endpoints.current)
    roles = {"poster": keys.poster} | ({"liquidator": keys.liquidator} if keys.liquidator else {})
    senders = _senders(settings.sending, chain, list(roles.values()), journal, settings.loop.timeout)
    recorder = LoggedRecorder(journal)
    keeper = build_keeper(
        settings,
        dry_run=dry_run,
        urgent=urgent,
        chain=chain,
        recorder=recorder,
        outbox=QueuedOutbox({sender.address: sender for sender in senders}),
        past=journal,
        keys=keys,
    )
    system = keeper.reader.system
    lookout = None
    if keeper.agent is not None or keeper.upkeep is not None:
        index = AccountIndex.of(system, settings.index, _first_block(settings), recorder=recorder)
        extra = settings.liquidation.accounts if settings.liquidation else ()
        lookahead = Lookahead(keeper.source)
        lookout = Lookout(system, index, ChainReader(system, keeper.reader.expiries), extra, lookahead)
        keeper.accounts = lookout.everyone
        if keeper.upkeep is not None:
            keeper.upkeep.holders = index.holders
            keeper.upkeep.unsettled = partial(lookout.unsettled, keeper.upkeep.config.least)
    board = StatusBoard(chain_id=chain.chain_id)
    due = lookout.due if lookout is not None and keeper.agent is not None else None
    interval = settings.loop.interval
    runner = Runner(keeper, endpoints, senders, journal, interval=interval, on_round=on_round, due=due)
    who = f"keeper of {system.oracle.address} on chain {chain.chain_id}"
    watchman, webhook = watchman_of(settings.alerts, board, who, environment)
    quorum = int(system.oracle.call("quorum"))
    minimum = settings.venues.minimum if settings.venues else LIVE_MINIMUM
    limits = settings.alerts.limits if settings.alerts else None
    keeper.metrics.watch(board, limits)
    port = settings.metrics_port if serves else None
    return Service(
        runner,
        board,
        Teller(board, runner, lookout, list(roles), quorum, minimum),
        watchman,
        webhook,
        None if port is None else OperationsServer(board, keeper.metrics.registry, port=port, limits=limits),
        keeper.source if isinstance(keeper.source, LiveSource) else None,
        lookout.index if lookout else None,
    )


def _senders(
    settings: SendingSettings, chain: NodeChain, keys: Sequence[str], journal: Journal, timeout: float
) -> list[Sender]:
    """One sender a key."""
    config = SendingConfig(
        settings.finality,
        settings.patience,
        round(settings.max_fee * GWEI),
        round(settings.min_tip * GWEI),
        round(settings.spend_per_day * ETHER),
        relay_patience=settings.relay_patience,
    )
    relay = HttpRpc(settings.relay, timeout) if settings.relay else None
    recorder = LoggedRecorder(journal)
    return [Sender(chain, account_of(key), journal, config, relay=relay, warn=partial(_warn, recorder)) for key in keys]


def _first_block(settings: KeeperSettings) -> int:
    return book_block(settings.book) if settings.first_block is None else settings.first_block


def _warn(recorder: Recorder, kind: str, /, **fields: Any) -> None:
    recorder.record(kind, int(time.time()), **fields)


def _accounts(watcher: AccountWatcher, extra: Sequence[int]) -> list[int]:
    """Accounts that events named, and those that the settings add."""
    return list(dict.fromkeys([*watcher.update(), *extra]))


def source_of(
    system: System, markets: Sequence[MarketSettings], first_block: int, venues: VenueSettings | None = None
) -> FeedSource:
    """Where snapshots come from, by the settings; expiries that they do not name are what the registry lists.

    Raises
    ------
    SourceError
        A file of prices cannot be used.
    NodeError
        Where the endpoint does not answer.
    """
    for market in markets:
        load_bars(market.prices)  # a file that cannot be read is met now
        if market.marks is not None:
            load_bars(market.marks)
        if market.depths is not None:
            load_series(market.depths, "depth")
    asked = any(market.expiries is None for market in markets)
    listed = listed_expiries(system, first_block) if asked else {}
    sources = [
        MarketSource(
            m.underlying,
            m.name,
            Path(m.prices),
            listed.get(m.underlying, ()) if m.expiries is None else tuple(m.expiries),
            m.depth,
            m.max_history_age,
            m.window,
            m.marks,
            m.depths,
        )
        for m in markets
    ]
    return FeedSource(system, sources) if venues is None else live_source(system, sources, venues)


def _signing(settings: KeeperSettings, system: System, keys: Sequence[str], journal: Recorder) -> Signing:
    nodes = settings.nodes
    if nodes is None:
        return LocalKeys(keys)
    return Peers(nodes.peers, quorum_of(system), nodes.name, keys, nodes.timeout, journal.record)


def _check_signers(system: System, keys: Sequence[str], peers: int) -> None:
    """The keys are the oracle's signers, and with the peers, who are asked later, enough."""
    quorum = int(system.oracle.call("quorum"))
    signers = set(system.oracle.call("signers"))
    addresses = [address_of(key) for key in keys]
    strangers = [address for address in addresses if address not in signers]
    if strangers:
        raise SettingsError(f"{', '.join(strangers)} is no signer of the oracle")
    if len(set(addresses)) + peers < quorum:
        also = f" and {peers} peers" if peers else ""
        raise SettingsError(f"{len(set(addresses))} signing keys{also}; the oracle's quorum is {quorum}")

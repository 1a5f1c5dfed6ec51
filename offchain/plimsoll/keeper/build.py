"""From settings to a keeper that runs against a node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from plimsoll.chain.deployment import System, account_id, book_block, load_book
from plimsoll.chain.node import NodeChain
from plimsoll.chain.protocol import Chain
from plimsoll.keeper.accounts import AccountWatcher, listed_expiries
from plimsoll.keeper.archive import Archive
from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.liquidation import BidConfig, LiquidationAgent
from plimsoll.keeper.loop import Keeper, LoopConfig
from plimsoll.keeper.metrics import Metrics
from plimsoll.keeper.poster import LocalKeys, Poster, Signing, quorum_of
from plimsoll.keeper.recorder import JsonLinesRecorder, Recorder, read_journal
from plimsoll.keeper.settings import KeeperSettings, MarketSettings, key_from
from plimsoll.keeper.sources import FeedSource, MarketSource
from plimsoll.keeper.state import ChainReader
from plimsoll.keeper.triggers import TriggerConfig
from plimsoll.keeper.upkeep import Upkeep, UpkeepConfig
from plimsoll.keeper.watch import ResponsivenessWatch
from plimsoll.market.sources import load_bars, load_series
from plimsoll.nodes.proposer import Peers
from plimsoll.risk.engine import Engine
from plimsoll.risk.signing import address_of
from plimsoll.spec.wad import PPM


def _wad(value: float) -> int:
    return round(value * 10**6) * 10**12


def build_keeper(
    settings: KeeperSettings,
    *,
    dry_run: bool = False,
    urgent: bool = False,
    chain: Chain | None = None,
    recorder: Recorder | None = None,
    environment: Mapping[str, str] | None = None,
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
        In place of the node, the journal file and the process's environment.

    Raises
    ------
    SettingsError, SourceError, DeploymentError, NodeError
        By what is wrong.
    """
    keys = settings.keys
    poster_key = key_from(keys.poster, environment)
    signer_keys = [key_from(name, environment) for name in keys.signers]
    liquidator_key = key_from(keys.liquidator, environment) if keys.liquidator else None
    if settings.liquidation is not None and liquidator_key is None:
        raise SettingsError("liquidation is set, keys.liquidator is not")
    used = chain or NodeChain(settings.node, [poster_key, *([liquidator_key] if liquidator_key else [])])
    system = load_book(settings.book, used)
    _check_signers(system, signer_keys, len(settings.nodes.peers) if settings.nodes else 0)
    first_block = book_block(settings.book) if settings.first_block is None else settings.first_block
    source = source_of(system, settings.markets, first_block)
    journal = recorder or JsonLinesRecorder(settings.journal)
    agent, upkeep = None, None
    accounts: Callable[[], Sequence[int]] = tuple
    watcher = AccountWatcher(system, first_block)
    if settings.upkeep is not None:
        chores = settings.upkeep
        upkeep = Upkeep(
            system,
            address_of(poster_key),
            journal,
            [m.underlying for m in settings.markets],
            watcher.holders,
            UpkeepConfig(chores.every, _wad(chores.least)),
        )
        accounts = watcher.update
    if settings.liquidation is not None and liquidator_key is not None:
        rule = settings.liquidation
        sender = address_of(liquidator_key)
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
        )
        accounts = partial(_accounts, watcher, tuple(rule.accounts))

    return Keeper(
        source,
        Engine(settings.model.made),
        ChainReader(system, source.expiries(used.now)),
        Poster(system, address_of(poster_key), _signing(settings, system, signer_keys, journal), journal),
        journal,
        agent=agent,
        upkeep=upkeep,
        accounts=accounts,
        metrics=Metrics(),
        triggers=TriggerConfig(**settings.triggers.model_dump()),
        config=LoopConfig(settings.loop.interval, settings.loop.max_failures, dry_run, urgent),
        archive=Archive(settings.archive) if settings.archive else None,
        watch=ResponsivenessWatch(read_journal(settings.journal) if settings.journal.exists() else ()),
    )


def _accounts(watcher: AccountWatcher, extra: Sequence[int]) -> list[int]:
    """Accounts that events named, and those that the settings add."""
    return list(dict.fromkeys([*watcher.update(), *extra]))


def source_of(system: System, markets: Sequence[MarketSettings], first_block: int) -> FeedSource:
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
    return FeedSource(
        system,
        [
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
        ],
    )


def _signing(settings: KeeperSettings, system: System, keys: list[str], journal: Recorder) -> Signing:
    nodes = settings.nodes
    if nodes is None:
        return LocalKeys(keys)
    return Peers(nodes.peers, quorum_of(system), nodes.name, keys, nodes.timeout, journal.record)


def _check_signers(system: System, keys: list[str], peers: int) -> None:
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

"""The settings file of a keeper: YAML, checked as a whole before anything runs.

    node: [http://127.0.0.1:8545]        # one URL, or several: the first good one is asked
    book: build/deployment.json          # address book, see plimsoll.chain.deployment
    keys:                                # keys themselves never stand in a file:
      poster: PLIMSOLL_POSTER_KEY        # the name of an environment variable, or an account of ape's keystore:
                                         #   {account: poster, passphrase: PLIMSOLL_PASSPHRASE}
      signers: [PLIMSOLL_SIGNER_1]       # may be left out where `nodes` has enough
      liquidator: PLIMSOLL_LIQUIDATOR_KEY
    nodes: {peers: ["http://10.0.0.2:9560", "http://10.0.0.3:9560"], timeout: 5, name: keeper}
    markets:
      - {underlying: 257, name: BTC, prices: data/btc.csv, expiries: [1798704000], depth: 1000,
         marks: data/btc_perp.csv, depths: data/btc_depth.csv}    # what may be left out: no funding, stated depth
    model: {name: har-fhs, parameters: {level: 0.99, damping: {buffer: 0.25}}}
    triggers: {heartbeat: 3600, threshold: 0.05, gate_share: 0.8,      # of each underlying by itself
               thresholds: {psr: 0.02, im_factor: 0.1}, neighbours: 0.75, post_gas_limit: 15000000}
    liquidation: {account: 0, min_profit: 5, min_share: 0.1}
    upkeep: {every: 86400, least: 100}   # chores anyone may do, see plimsoll.keeper.upkeep
    standing: {orders: state/orders}     # orders that owners signed for the day they are called
    sending: {finality: 12, patience: 2, max_fee: 200, spend_per_day: 1}   # blocks, gwei, ether
    loop: {interval: 0.5, max_failures: 5}
    journal: build/keeper.db
    index: build/index.db                # every account, as events tell; may be lost, it is made again
    archive: build/reports               # snapshot and previous state of every report
    venues:                              # live prices; left out, the files of the markets are all there is
      markets: {257: [{venue: kraken, symbol: BTC/USD}, ...]}           # three or more a market
    alerts: {page: PLIMSOLL_PAGE_URL}    # environment variables with webhooks
    metrics_port: 9464                   # /metrics, /healthz and /status

Paths are relative to the file. Where a market names no expiries, those that the registry lists are taken. Chores are
done by the poster's key; `upkeep: null` leaves them to others. Reports are signed by the signers' keys here, by the
risk nodes (`plimsoll node`) that are named as peers, or by both. A name that is not known is refused: a misspelt limit
would be no limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from plimsoll.keeper.alerts import AlertSettings
from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.keys import accounts_folder, key_from, key_of_keystore, passphrase_from
from plimsoll.keeper.live import VenueSettings
from plimsoll.keeper.standing import StandingSettings
from plimsoll.keeper.triggers import MAX_GAS, NEIGHBOURS, PARAMETERS, POST_GAS
from plimsoll.market.plainfile import wrong_fields
from plimsoll.risk.errors import RiskError
from plimsoll.risk.models import RiskModel
from plimsoll.risk.named import DEFAULT, made

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Url = Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
VERSION: Final = 1
Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """Settings that know every name they are given, and do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class KeystoreSettings(Strict):
    """An account of ape's keystore, and the environment variable with its passphrase."""

    account: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    passphrase: Name


KeySource = Annotated[
    Annotated[Name, Tag("variable")] | Annotated[KeystoreSettings, Tag("keystore")],
    Discriminator(lambda given: "variable" if isinstance(given, str) else "keystore"),
]


class KeySettings(Strict):
    """Where private keys are: environment variables, or keystore accounts."""

    poster: KeySource
    signers: list[KeySource] = Field(default_factory=list, description="of risk nodes that sign here")
    liquidator: KeySource | None = None

    @field_validator("signers")
    @classmethod
    def _distinct(cls, sources: list[KeySource]) -> list[KeySource]:
        if len({str(source) for source in sources}) != len(sources):
            raise ValueError("a signer is named twice")
        return sources


def key_at(source: KeySource, environment: Mapping[str, str] | None = None) -> str:
    """The private key that a setting names [64 hexadecimal digits].

    Raises
    ------
    SettingsError
        It cannot be had; the key is never quoted.
    """
    if isinstance(source, str):
        return key_from(source, environment)
    passphrase = passphrase_from(source.passphrase, environment)
    return key_of_keystore(source.account, passphrase, accounts_folder(environment))


Share = Annotated[float, Field(gt=0, le=1)]


def _known_parameter(name: str) -> str:
    if name not in PARAMETERS:
        raise ValueError(f"{name!r} is no parameter; one of {', '.join(PARAMETERS)} is right")
    return name


Parameter = Annotated[str, AfterValidator(_known_parameter)]
Peer = Annotated[str, Field(pattern=r"^https?://[^/?#\s]+/?$")]


class PeerSettings(Strict):
    """Risk nodes that are asked to sign, and look for themselves; see `plimsoll.nodes`."""

    peers: list[Peer] = Field(min_length=1)
    timeout: float = Field(default=5.0, gt=0, le=60, description="for all their answers [s]")
    name: str = Field(default="keeper", min_length=1, max_length=64, description="what they are told who asks")

    @field_validator("peers")
    @classmethod
    def _distinct(cls, peers: list[str]) -> list[str]:
        if len({peer.rstrip("/") for peer in peers}) != len(peers):
            raise ValueError("a peer is named twice")
        return peers


class MarketSettings(Strict):
    """One underlying."""

    underlying: int = Field(ge=0, lt=2**16)
    name: str = Field(min_length=1)
    prices: Path
    expiries: list[int] | None = Field(default=None, description="besides 0 [unix s]; by default what is listed")
    depth: float | None = Field(default=None, gt=0)
    max_history_age: int = Field(default=4 * 86_400, gt=0)
    window: int | None = Field(default=None, gt=1)
    marks: Path | None = Field(default=None, description="bars of the perpetual: without them no funding")
    depths: Path | None = Field(default=None, description="times and contracts, column `depth`; in place of `depth`")


class ModelSettings(Strict):
    """The risk model, by a name that `plimsoll.risk.named` knows; parameters that are not given are its defaults."""

    name: str = DEFAULT
    parameters: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _made(self) -> ModelSettings:
        try:
            made(self.name, self.parameters)
        except RiskError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def made(self) -> RiskModel:
        """The model."""
        return made(self.name, self.parameters)


class TriggerSettings(Strict):
    """When to post; see `plimsoll.keeper.triggers`."""

    heartbeat: int = Field(default=3_600, gt=0, description="of each underlying; 0 is refused: it would mean always")
    threshold: float = Field(default=0.05, gt=0, le=1, description="share of its value that a parameter may move")
    thresholds: dict[Parameter, Share] = Field(default_factory=dict, description="by name, in place of `threshold`")
    gate_share: float = Field(default=0.8, gt=0, le=1)
    neighbours: float = Field(default=NEIGHBOURS, ge=0, le=1, description="pressure from which others go along")
    post_gas_limit: int = Field(default=POST_GAS, gt=0, le=MAX_GAS, description="of one report, stores included")


class LiquidationSettings(Strict):
    """The bidding account of the liquidator key and its rule."""

    account: int | None = Field(default=None, ge=0, lt=2**96, description="number; none: never bid")
    min_profit: float = Field(default=1.0, ge=0, description="[quote]")
    min_share: float = Field(default=0.1, ge=0, le=2, description="of the account's MM")
    min_bonus: float = Field(default=0.01, ge=0, le=2, description="likewise, where the fund pays")
    slack: float = Field(default=0.01, ge=0, le=2, description="of the account's MM, while a bid is on its way")
    max_payment: float = Field(default=1e9, gt=0, description="[quote]")
    max_fraction: float = Field(default=1.0, ge=0.01, le=1)
    accounts: list[int] = Field(default_factory=list, description="to watch besides those that events name")


class UpkeepSettings(Strict):
    """Chores anyone may do; see `plimsoll.keeper.upkeep`."""

    every: int = Field(default=86_400, gt=0, description="between looks at what is to be settled and collected [s]")
    least: float = Field(default=100.0, ge=0, description="amount worth the gas [quote]")


class SendingSettings(Strict):
    """How transactions are sent; see `plimsoll.keeper.sender`."""

    finality: int = Field(default=12, gt=0, description="blocks over a transaction after which it is final")
    patience: int = Field(default=2, gt=0, description="blocks before a dearer one takes its place")
    max_fee: float = Field(default=200.0, gt=0, description="highest for a unit of gas [gwei]")
    min_tip: float = Field(default=0.1, ge=0, description="least priority fee [gwei]")
    spend_per_day: float = Field(default=1.0, gt=0, description="most that a key spends in a day, UTC [ether]")
    relay: Url | None = Field(default=None, description="private relay that starts and bids go to first")
    relay_patience: int = Field(default=3, gt=0, description="blocks before they go to everyone")


class LoopSettings(Strict):
    """How the loop runs."""

    interval: float = Field(default=0.5, ge=0, description="between looks at the heads [s]")
    max_failures: int = Field(default=5, ge=1, description="in a row, after which a bot halts; a runner goes on")
    timeout: float = Field(default=5.0, gt=0, description="for an answer of a node [s]")
    max_lag: int = Field(default=3, gt=0, description="blocks that a node may be behind the others")


class KeeperSettings(Strict):
    """The whole file."""

    version: int = Field(default=VERSION, ge=VERSION, le=VERSION)
    node: list[Url] = Field(min_length=1, description="in the order they are asked in; one may stand alone")
    book: Path
    keys: KeySettings
    nodes: PeerSettings | None = None
    markets: list[MarketSettings] = Field(min_length=1)
    model: ModelSettings = ModelSettings()
    triggers: TriggerSettings = TriggerSettings()
    liquidation: LiquidationSettings | None = None
    upkeep: UpkeepSettings | None = UpkeepSettings()
    standing: StandingSettings | None = Field(default=None, description="signed orders of called accounts; None: none")
    sending: SendingSettings = SendingSettings()
    loop: LoopSettings = LoopSettings()
    journal: Path = Path("build/keeper.db")
    index: Path = Path("build/index.db")
    archive: Path | None = Field(default=None, description="folder of what reports were made from")
    first_block: int | None = Field(default=None, ge=0, description="of the protocol; by default the address book's")
    venues: VenueSettings | None = Field(default=None, description="live prices; None: the markets' files alone")
    alerts: AlertSettings | None = Field(default=None, description="who is told; None: the log and the status")
    metrics_port: int | None = Field(default=None, ge=0, lt=2**16)

    @field_validator("node", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        return [given] if isinstance(given, str) else given

    @field_validator("node")
    @classmethod
    def _once_each(cls, nodes: list[str]) -> list[str]:
        if len(set(nodes)) != len(nodes):
            raise ValueError("a node is named twice")
        return nodes

    @field_validator("markets")
    @classmethod
    def _distinct(cls, markets: list[MarketSettings]) -> list[MarketSettings]:
        numbers = [market.underlying for market in markets]
        if len(set(numbers)) != len(numbers):
            raise ValueError("an underlying is named twice")
        return markets

    @model_validator(mode="after")
    def _signed(self) -> KeeperSettings:
        if not self.keys.signers and self.nodes is None:
            raise ValueError("nobody signs: keys.signers, nodes.peers, or both are needed")
        return self


def load_settings(path: Path) -> KeeperSettings:
    """Read and check a settings file; its paths come back relative to where it stands.

    Raises
    ------
    SettingsError
        Naming every field that is wrong.
    """
    return parse_settings(read_yaml(path), path)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a file holds.

    Raises
    ------
    SettingsError
        There is no such file, or it holds none.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: no YAML ({' '.join(str(error).split())})") from error
    if not isinstance(data, dict):
        raise SettingsError(f"{path}: a mapping of names to values is right")
    return data


def parse_settings(data: Mapping[str, Any], path: Path) -> KeeperSettings:
    """Check settings that were read from `path`.

    Raises
    ------
    SettingsError
        As `load_settings`.
    """
    found = checked(KeeperSettings, data, path)
    folder = path.parent
    return found.model_copy(
        update={
            "book": folder / found.book,
            "journal": folder / found.journal,
            "index": folder / found.index,
            "standing": None if found.standing is None else found.standing.beside(folder),
            "venues": None if found.venues is None else found.venues.beside(folder),
            "archive": None if found.archive is None else folder / found.archive,
            "markets": beside(folder, found.markets),
        }
    )


def beside(folder: Path, markets: Sequence[MarketSettings]) -> list[MarketSettings]:
    """Markets with their files relative to a folder."""
    names = ("prices", "marks", "depths")
    return [
        m.model_copy(update={name: folder / path for name in names if (path := getattr(m, name)) is not None})
        for m in markets
    ]


def checked(model: type[Model], data: Mapping[str, Any], path: Path) -> Model:
    """Settings of a kind from plain values.

    Raises
    ------
    SettingsError
        Naming every field that is wrong.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise SettingsError(f"{path}: {wrong_fields(error, 'settings')}") from error

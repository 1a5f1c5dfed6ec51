"""The settings file of a keeper: YAML, checked as a whole before anything runs.

    node: http://127.0.0.1:8545
    book: build/deployment.json          # address book, see plimsoll.chain.deployment
    keys:                                # names of environment variables; keys themselves never stand in a file
      poster: PLIMSOLL_POSTER_KEY
      signers: [PLIMSOLL_SIGNER_1, PLIMSOLL_SIGNER_2]
      liquidator: PLIMSOLL_LIQUIDATOR_KEY
    markets:
      - {underlying: 257, name: BTC, prices: data/btc.csv, expiries: [1798704000], depth: 1000}
    triggers: {heartbeat: 3600, threshold: 0.05, gate_share: 0.8}
    liquidation: {account: 0, min_profit: 5, min_share: 0.1}
    upkeep: {every: 86400, least: 100}   # chores anyone may do, see plimsoll.keeper.upkeep
    loop: {interval: 15, max_failures: 5}
    journal: build/keeper.jsonl
    archive: build/reports               # snapshot and previous state of every report
    metrics_port: 9464

Paths are relative to the file. Where a market names no expiries, those that the registry lists are taken. Chores are
done by the poster's key; `upkeep: null` leaves them to others. A name that is not known is refused: a misspelt limit
would be no limit.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from plimsoll.keeper.errors import SettingsError

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
VERSION: Final = 1


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KeySettings(_Strict):
    """Environment variables that hold private keys."""

    poster: Name
    signers: list[Name] = Field(min_length=1)
    liquidator: Name | None = None

    @field_validator("signers")
    @classmethod
    def _distinct(cls, names: list[str]) -> list[str]:
        if len(set(names)) != len(names):
            raise ValueError("a signer is named twice")
        return names


class MarketSettings(_Strict):
    """One underlying."""

    underlying: int = Field(ge=0, lt=2**16)
    name: str = Field(min_length=1)
    prices: Path
    expiries: list[int] | None = Field(default=None, description="besides 0 [unix s]; by default what is listed")
    depth: float | None = Field(default=None, gt=0)
    max_history_age: int = Field(default=4 * 86_400, gt=0)
    window: int | None = Field(default=None, gt=1)


class TriggerSettings(_Strict):
    """When to post; see `plimsoll.keeper.triggers`."""

    heartbeat: int = Field(default=3_600, gt=0, description="0 is refused: it would mean always")
    threshold: float = Field(default=0.05, gt=0, le=1)
    gate_share: float = Field(default=0.8, gt=0, le=1)


class LiquidationSettings(_Strict):
    """The bidding account of the liquidator key and its rule."""

    account: int | None = Field(default=None, ge=0, lt=2**96, description="number; none: never bid")
    min_profit: float = Field(default=1.0, ge=0, description="[quote]")
    min_share: float = Field(default=0.1, ge=0, le=2, description="of the account's MM")
    min_bonus: float = Field(default=0.01, ge=0, le=2, description="likewise, where the fund pays")
    slack: float = Field(default=0.01, ge=0, le=2, description="of the account's MM, while a bid is on its way")
    max_payment: float = Field(default=1e9, gt=0, description="[quote]")
    max_fraction: float = Field(default=1.0, ge=0.01, le=1)
    accounts: list[int] = Field(default_factory=list, description="to watch besides those that events name")


class UpkeepSettings(_Strict):
    """Chores anyone may do; see `plimsoll.keeper.upkeep`."""

    every: int = Field(default=86_400, gt=0, description="between looks at what is to be settled and collected [s]")
    least: float = Field(default=100.0, ge=0, description="amount worth the gas [quote]")


class LoopSettings(_Strict):
    """How the loop runs."""

    interval: float = Field(default=15.0, ge=0)
    max_failures: int = Field(default=5, ge=1)


class KeeperSettings(_Strict):
    """The whole file."""

    version: int = Field(default=VERSION, ge=VERSION, le=VERSION)
    node: str = Field(pattern=r"^https?://")
    book: Path
    keys: KeySettings
    markets: list[MarketSettings] = Field(min_length=1)
    triggers: TriggerSettings = TriggerSettings()
    liquidation: LiquidationSettings | None = None
    upkeep: UpkeepSettings | None = UpkeepSettings()
    loop: LoopSettings = LoopSettings()
    journal: Path = Path("build/keeper.jsonl")
    archive: Path | None = Field(default=None, description="folder of what reports were made from")
    first_block: int | None = Field(default=None, ge=0, description="of the protocol; by default the address book's")
    metrics_port: int | None = Field(default=None, ge=0, lt=2**16)

    @field_validator("markets")
    @classmethod
    def _distinct(cls, markets: list[MarketSettings]) -> list[MarketSettings]:
        numbers = [market.underlying for market in markets]
        if len(set(numbers)) != len(numbers):
            raise ValueError("an underlying is named twice")
        return markets


def load_settings(path: Path) -> KeeperSettings:
    """Read and check a settings file; its paths come back relative to where it stands.

    Raises
    ------
    SettingsError
        Naming every field that is wrong.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: no YAML ({' '.join(str(error).split())})") from error
    if not isinstance(data, dict):
        raise SettingsError(f"{path}: a mapping of names to values is right")
    return parse_settings(data, path)


def parse_settings(data: Mapping[str, Any], path: Path) -> KeeperSettings:
    """Check settings that were read from `path`.

    Raises
    ------
    SettingsError
        As `load_settings`.
    """
    try:
        found = KeeperSettings.model_validate(data)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, item['loc']))}: {item['msg'].removeprefix('Value error, ')}" for item in error.errors()
        )
        raise SettingsError(f"{path}: {wrong}") from error
    folder = path.parent
    return found.model_copy(
        update={
            "book": folder / found.book,
            "journal": folder / found.journal,
            "archive": None if found.archive is None else folder / found.archive,
            "markets": [m.model_copy(update={"prices": folder / m.prices}) for m in found.markets],
        }
    )


def key_from(variable: str, environment: Mapping[str, str] | None = None) -> str:
    """The private key that an environment variable holds.

    Raises
    ------
    SettingsError
        Where it is unset or no key; the value is never quoted.
    """
    value = (os.environ if environment is None else environment).get(variable, "")
    digits = value.removeprefix("0x")
    if not value:
        raise SettingsError(f"environment variable {variable} is not set; it should hold a private key")
    try:
        good = len(bytes.fromhex(digits)) == 32
    except ValueError:
        good = False
    if not good:
        raise SettingsError(f"environment variable {variable} holds no private key of 64 hexadecimal digits")
    return digits

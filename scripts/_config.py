"""What `deploy` is told: networks.yaml, checked field by field.

DeployError(click.ClickException)     every refusal of the scripts, named; its exit code says of which kind
2   wrong input: configuration, options, accounts
3   the chain is not as it should be: no code, other code, a feed that does not answer
4   what stands there fails verification
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import click
import yaml
from eth_utils.address import is_address, to_checksum_address

from plimsoll.spec.feed import MAX_AGE, MAX_DECIMALS, MAX_STRIKE_EXPONENT
from plimsoll.spec.liquidator import Config as Liquidation
from plimsoll.spec.margin import Params
from plimsoll.spec.registry import AccountLimits, Curve, Fees, PoolLimits
from plimsoll.spec.wad import MAX_PRICE, WAD

NETWORKS: Final = Path(__file__).resolve().parent / "networks.yaml"
INPUT, CHAIN, VERIFICATION = 2, 3, 4
MAX_SIGNERS: Final = 16
MAX_WEEKS: Final = 104
MAX_STRIKES: Final = 41
MAX_MONEY: Final = 10**9  # [quote]
TEST_ACCOUNT: Final = "TEST::"

T = TypeVar("T")


class DeployError(click.ClickException):
    """A refusal, named."""

    def __init__(self, message: str, exit_code: int = INPUT) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def refuse(message: str, exit_code: int = INPUT) -> NoReturn:
    """Stop with a named error."""
    raise DeployError(message, exit_code)


@dataclass(frozen=True)
class Expiry:
    """Options and a future on one Friday."""

    weeks: int
    future: bool
    strikes: int  # how many, around the index
    step: int  # between them [quote]


@dataclass(frozen=True)
class Bounds:
    """Between which a price is a price [quote]; 0 is none."""

    low: int
    high: int


@dataclass(frozen=True)
class Underlying:
    """One index price and what is listed on it."""

    id: int  # class u8 | index u8
    description: str  # what the aggregator must call itself
    decimals: int
    aggregator: str | None
    first: int  # [quote] what a mock answers at first
    max_age: int  # [s]
    strike_exponent: int
    bounds: Bounds
    perpetual: bool
    expiries: tuple[Expiry, ...]


@dataclass(frozen=True)
class Collateral:
    """A token that margins, priced by an underlying."""

    symbol: str
    underlying: int
    decimals: int
    address: str | None


@dataclass(frozen=True)
class Quote:
    """The quote token."""

    symbol: str
    decimals: int
    address: str | None


@dataclass(frozen=True)
class Mocks:
    """Which mocks may stand in."""

    tokens: bool
    feeds: bool


@dataclass(frozen=True)
class Bands:
    """How far from the mark a price may lie [ppm]."""

    price_band: int
    reduce_band: int


@dataclass(frozen=True)
class Past:
    """What prices were [s]: how young a profit does not leave, how long a settlement price can be disputed."""

    lag: int
    delay: int


@dataclass(frozen=True)
class Fund:
    """The insurance fund: what it pays at most [quote], how its depositors leave [s]."""

    event_cap: int
    underlying_cap: int
    cooldown: int
    claim_window: int


@dataclass(frozen=True)
class Config:
    """One network's deployment."""

    mocks: Mocks
    signers: tuple[str, ...] | None  # None: from the environment
    quorum: int
    owner: str | None
    quote: Quote
    underlyings: tuple[Underlying, ...]
    collateral: tuple[Collateral, ...]
    params: Params
    bands: Bands
    history: Past
    account_limits: AccountLimits
    pool_limits: PoolLimits
    curve: Curve
    fees: Fees
    liquidation: Liquidation
    fund: Fund


def load(network: str, path: Path = NETWORKS) -> Config:
    """The deployment of a network.

    Raises
    ------
    DeployError
        Where the file cannot be read, lacks the network, or a field is missing, unknown or out of range.
    """
    try:
        data = yaml.safe_load(path.read_text())
    except OSError as error:
        refuse(f"config: {path.name}: {error.strerror or error}")
    except yaml.YAMLError as error:
        refuse(f"config: {path.name} is no YAML: {' '.join(str(error).split())}")
    if not isinstance(data, dict) or network not in data:
        known = ", ".join(sorted(map(str, data))) if isinstance(data, dict) else "nothing"
        refuse(f"config: {path.name} has no network {network}; it has {known}")
    return _config(data[network], network)


def signers_of(config: Config) -> tuple[str, ...]:
    """Who signs reports: from the configuration, or from PLIMSOLL_SIGNERS.

    Raises
    ------
    DeployError
        Where there are none, or fewer than the quorum.
    """
    named = config.signers
    if named is None:
        found = os.environ.get("PLIMSOLL_SIGNERS", "")
        named = tuple(part.strip() for part in found.split(",") if part.strip())
        if not named:
            refuse("config: no signers; name them in PLIMSOLL_SIGNERS, separated by commas")
        for signer in named:
            if not signer.startswith(TEST_ACCOUNT):
                _address(signer, "PLIMSOLL_SIGNERS")
    if not 0 < config.quorum <= len(named) <= MAX_SIGNERS:
        refuse(f"config: quorum {config.quorum} of {len(named)} signers; at most {MAX_SIGNERS} sign")
    return named


def _config(data: Any, where: str) -> Config:
    data = _fields(Config, data, where)
    signers = data["signers"]
    if signers is not None:
        if not isinstance(signers, list) or not all(isinstance(signer, str) for signer in signers):
            refuse(f"config: {where}.signers is no list of addresses")
        signers = tuple(s if s.startswith(TEST_ACCOUNT) else _address(s, f"{where}.signers") for s in signers)
    underlyings = _list(data["underlyings"], f"{where}.underlyings", _underlying)
    ids = [item.id for item in underlyings]
    if len(set(ids)) != len(ids):
        refuse(f"config: {where}.underlyings name one id twice")
    collateral = _list(data["collateral"], f"{where}.collateral", _collateral)
    for item in collateral:
        if item.underlying not in ids:
            refuse(
                f"config: {where}.collateral {item.symbol} is priced by {item.underlying:#06x}, which is no underlying"
            )
    symbols = [data["quote"].get("symbol") if isinstance(data["quote"], dict) else None]
    symbols += [item.symbol for item in collateral]
    if len(set(symbols)) != len(symbols):
        refuse(f"config: {where} has two tokens of one symbol")
    return Config(
        mocks=_plain(Mocks, data["mocks"], f"{where}.mocks"),
        signers=signers,
        quorum=_number(data["quorum"], f"{where}.quorum", 1, MAX_SIGNERS),
        owner=None if data["owner"] is None else _address(data["owner"], f"{where}.owner"),
        quote=_quote(data["quote"], f"{where}.quote"),
        underlyings=underlyings,
        collateral=collateral,
        params=_params(data["params"], f"{where}.params"),
        bands=_plain(Bands, data["bands"], f"{where}.bands"),
        history=_plain(Past, data["history"], f"{where}.history"),
        account_limits=_account_limits(data["account_limits"], f"{where}.account_limits"),
        pool_limits=_pool_limits(data["pool_limits"], f"{where}.pool_limits"),
        curve=_plain(Curve, data["curve"], f"{where}.curve"),
        fees=_plain(Fees, data["fees"], f"{where}.fees"),
        liquidation=_liquidation(data["liquidation"], f"{where}.liquidation"),
        fund=_plain(Fund, data["fund"], f"{where}.fund"),
    )


def _underlying(data: Any, where: str) -> Underlying:
    data = _fields(Underlying, data, where)
    bounds = _plain(Bounds, data["bounds"], f"{where}.bounds")
    top = MAX_PRICE // WAD
    if max(bounds.low, bounds.high) > top or bounds.low >= bounds.high > 0:
        refuse(f"config: {where}.bounds are no range below {top}")
    first = _number(data["first"], f"{where}.first", 1, top)
    if first <= bounds.low or first >= bounds.high > 0:
        refuse(f"config: {where}.first is not within its bounds")
    return Underlying(
        id=_number(data["id"], f"{where}.id", 0, 2**16 - 1),
        description=_text(data["description"], f"{where}.description"),
        decimals=_number(data["decimals"], f"{where}.decimals", 0, MAX_DECIMALS),
        aggregator=None if data["aggregator"] is None else _address(data["aggregator"], f"{where}.aggregator"),
        first=first,
        max_age=_number(data["max_age"], f"{where}.max_age", *MAX_AGE),
        strike_exponent=_number(data["strike_exponent"], f"{where}.strike_exponent", 0, MAX_STRIKE_EXPONENT),
        bounds=bounds,
        perpetual=_flag(data["perpetual"], f"{where}.perpetual"),
        expiries=_list(data["expiries"], f"{where}.expiries", _expiry),
    )


def _expiry(data: Any, where: str) -> Expiry:
    data = _fields(Expiry, data, where)
    return Expiry(
        weeks=_number(data["weeks"], f"{where}.weeks", 1, MAX_WEEKS),
        future=_flag(data["future"], f"{where}.future"),
        strikes=_number(data["strikes"], f"{where}.strikes", 0, MAX_STRIKES),
        step=_number(data["step"], f"{where}.step", 1, MAX_PRICE // WAD),
    )


def _quote(data: Any, where: str) -> Quote:
    data = _fields(Quote, data, where)
    return Quote(
        symbol=_text(data["symbol"], f"{where}.symbol"),
        decimals=_number(data["decimals"], f"{where}.decimals", 0, MAX_DECIMALS),
        address=None if data["address"] is None else _address(data["address"], f"{where}.address"),
    )


def _collateral(data: Any, where: str) -> Collateral:
    data = _fields(Collateral, data, where)
    return Collateral(
        symbol=_text(data["symbol"], f"{where}.symbol"),
        underlying=_number(data["underlying"], f"{where}.underlying", 0, 2**16 - 1),
        decimals=_number(data["decimals"], f"{where}.decimals", 0, MAX_DECIMALS),
        address=None if data["address"] is None else _address(data["address"], f"{where}.address"),
    )


def _params(data: Any, where: str) -> Params:
    """What differs from the defaults."""
    known = {field.name: field for field in dataclasses.fields(Params)}
    if not isinstance(data, dict) or not set(data) <= set(known):
        refuse(f"config: {where} may hold {', '.join(known)}, and nothing else")
    changes: dict[str, Any] = {}
    for name, value in data.items():
        if name.startswith("gross_"):
            four = value if isinstance(value, list) else []
            if len(four) != 4:
                refuse(f"config: {where}.{name} is no list of four, by kind")
            changes[name] = tuple(_number(item, f"{where}.{name}", 0, 2**24 - 1) for item in four)
        else:
            changes[name] = _number(value, f"{where}.{name}", 0, 2**96 - 1)
    return dataclasses.replace(Params(), **changes)


def _account_limits(data: Any, where: str) -> AccountLimits:
    data = _fields(AccountLimits, data, where)
    return AccountLimits(
        min_equity=_number(data["min_equity"], f"{where}.min_equity", 0, MAX_MONEY) * WAD,
        borrow_cap=_cap(data["borrow_cap"], f"{where}.borrow_cap", AccountLimits().borrow_cap),
        max_positions=_number(data["max_positions"], f"{where}.max_positions", 1, 2**8 - 1),
    )


def _pool_limits(data: Any, where: str) -> PoolLimits:
    data = _fields(PoolLimits, data, where)
    return PoolLimits(
        total_borrow_cap=_cap(data["total_borrow_cap"], f"{where}.total_borrow_cap", PoolLimits().total_borrow_cap),
        outflow_cap=_cap(data["outflow_cap"], f"{where}.outflow_cap", PoolLimits().outflow_cap),
        outflow_window=_number(data["outflow_window"], f"{where}.outflow_window", 1, 2**32 - 1),
    )


def _liquidation(data: Any, where: str) -> Liquidation:
    found = _plain(Liquidation, data, where)
    return dataclasses.replace(found, min_rest=found.min_rest * WAD)


def _cap(value: Any, where: str, without: int) -> int:
    """A cap [quote] in [wad]; null is none."""
    return without if value is None else _number(value, where, 0, MAX_MONEY) * WAD


def _plain(kind: type[T], data: Any, where: str) -> T:
    """A dataclass of numbers and flags alone."""
    found = _fields(kind, data, where)
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        name = field.name
        if str(field.type) == "bool":
            _flag(found[name], f"{where}.{name}")
        else:
            _number(found[name], f"{where}.{name}", 0, 2**64 - 1)
    return kind(**found)


def _fields(kind: type[Any], data: Any, where: str) -> dict[str, Any]:
    """The fields of a dataclass in a mapping: all of them, and no other."""
    if not isinstance(data, Mapping):
        refuse(f"config: {where} is no mapping")
    wanted = {field.name for field in dataclasses.fields(kind)}
    for name in sorted(wanted - set(data)):
        refuse(f"config: {where}.{name} is missing")
    for name in sorted(set(map(str, data)) - wanted):
        refuse(f"config: {where}.{name} is unknown")
    return dict(data)


def _list(data: Any, where: str, read: Any) -> tuple[Any, ...]:
    if not isinstance(data, list):
        refuse(f"config: {where} is no list")
    return tuple(read(item, f"{where}[{k}]") for k, item in enumerate(data))


def _number(value: Any, where: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        refuse(f"config: {where} is {value!r}, no integer from {low} to {high}")
    return value


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        refuse(f"config: {where} is {value!r}, neither true nor false")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        refuse(f"config: {where} is {value!r}, no text")
    return value


def _address(value: Any, where: str) -> str:
    if not isinstance(value, str) or not is_address(value) or int(value, 16) == 0:
        refuse(f"config: {where} is {value!r}, no address")
    return to_checksum_address(value)

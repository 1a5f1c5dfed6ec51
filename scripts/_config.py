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

from plimsoll.spec.breakers import Limits as Breakers
from plimsoll.spec.feed import BAND, GRACE, MAX_AGE, MAX_DECIMALS, MAX_LEGS, MAX_STRIKE_EXPONENT
from plimsoll.spec.guardrails import BAND as INDEX_BAND
from plimsoll.spec.guardrails import DEFAULTS, MAX_BOOST, NAMES, UNLIMITED, Limit
from plimsoll.spec.liquidator import Config as Liquidation
from plimsoll.spec.margin import Params
from plimsoll.spec.registry import AccountLimits, Curve, Fees, PoolLimits
from plimsoll.spec.timelock import MAX_DELAY, MIN_DELAY
from plimsoll.spec.wad import MAX_PRICE, WAD

NETWORKS: Final = Path(__file__).resolve().parent / "networks.yaml"
INPUT, CHAIN, VERIFICATION = 2, 3, 4
MAX_SIGNERS: Final = 16
MAX_OVERLAP: Final = 86_400  # [s]
MAX_HOLDERS: Final = 8  # of a role of the timelock
MIN_GUARDIANS: Final = 2
MAX_WEEKS: Final = 104
MAX_STRIKES: Final = 41
MAX_MONEY: Final = 10**9  # [quote]
TEST_ACCOUNT: Final = "TEST::"
NOBODY: Final = f"0x{0:040x}"  # as an executor of the timelock it stands for anyone
# who plays which part on a development node, where nobody is named; test account 0 deploys
TEST_PROPOSERS: Final = (f"{TEST_ACCOUNT}7",)
TEST_GUARDIANS: Final = (f"{TEST_ACCOUNT}8", f"{TEST_ACCOUNT}9")

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
class Leg:
    """One step of a route: an aggregator, which multiplies or divides."""

    description: str  # what the aggregator must call itself
    decimals: int
    aggregator: str | None
    first: int  # what a mock answers at first
    max_age: int  # [s]
    bounds: Bounds
    divides: bool


@dataclass(frozen=True)
class Underlying:
    """One index price and what is listed on it."""

    id: int  # class u8 | index u8
    legs: tuple[Leg, ...]
    in_currency: bool  # whether they end in the quote coin's currency, not in the coin
    strike_exponent: int
    perpetual: bool
    expiries: tuple[Expiry, ...]

    @property
    def description(self) -> str:
        """What its first aggregator calls itself."""
        return self.legs[0].description


@dataclass(frozen=True)
class Feed:
    """What all routes share: the quote coin's price in its currency, a rollup's sequencer, the band of a new route."""

    band: int  # [ppm]
    quote: tuple[Leg, ...]  # none where the coin is taken for its currency
    sequencer: str | None
    grace: int  # [s] after an outage


@dataclass(frozen=True)
class Nodes:
    """Who signs reports."""

    signers: tuple[str, ...] | None  # None: from the environment
    quorum: int
    urgent_quorum: int  # of a report that may go faster
    overlap: int  # [s] for which who leaves counts on


@dataclass(frozen=True)
class Governance:
    """The timelock: who proposes, executes and guards, and what waits how long [s]."""

    proposers: tuple[str, ...] | None  # None: from the environment, or test accounts on a development node
    executors: tuple[str, ...] | None  # None: anyone
    guardians: tuple[str, ...] | None  # as proposers
    delay: int
    longest: int  # of what lists collateral, changes a feed or the signers, hands over a contract


@dataclass(frozen=True)
class Rails:
    """What a report may say."""

    index_band: int  # [ppm] of the live index
    boost: int  # how much further an urgent report may go
    limits: Mapping[int, Limit]  # by place: all of them


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
    nodes: Nodes
    governance: Governance
    feed: Feed
    guardrails: Rails
    breakers: Breakers
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
        Where there are none, or fewer than the quorums.
    """
    nodes = config.nodes
    named = nodes.signers if nodes.signers is not None else _from_environment("SIGNERS")
    if not named:
        refuse("config: no signers; name them in PLIMSOLL_SIGNERS, separated by commas")
    if not 0 < nodes.quorum <= nodes.urgent_quorum <= len(named) <= MAX_SIGNERS:
        refuse(
            f"config: quorum {nodes.quorum}, urgent {nodes.urgent_quorum}, of {len(named)} signers; "
            f"at most {MAX_SIGNERS} sign"
        )
    return named


def holders_of(config: Config, *, development: bool) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Proposers, executors and guardians of the timelock.

    Where the configuration names none: PLIMSOLL_PROPOSERS and PLIMSOLL_GUARDIANS, or test accounts on a development
    node; anyone executes.

    Raises
    ------
    DeployError
        Where there are none, too many, or fewer than two guardians.
    """
    told = config.governance
    found = []
    for role, named, tests in (
        ("proposers", told.proposers, TEST_PROPOSERS),
        ("guardians", told.guardians, TEST_GUARDIANS),
    ):
        variable = role.upper()
        who = named if named is not None else _from_environment(variable) or (tests if development else ())
        if not who:
            refuse(f"config: no {role}; name them in PLIMSOLL_{variable}, separated by commas")
        found.append(who)
    proposers, guardians = found
    executors = told.executors if told.executors is not None else (NOBODY,)
    if max(len(proposers), len(executors), len(guardians)) > MAX_HOLDERS:
        refuse(f"config: a role of the timelock is for {MAX_HOLDERS} at most")
    if not executors or len(guardians) < MIN_GUARDIANS:
        refuse(f"config: {len(executors)} executors, {len(guardians)} guardians; 1 and {MIN_GUARDIANS} at least")
    return proposers, executors, guardians


def _from_environment(what: str) -> tuple[str, ...]:
    named = tuple(part.strip() for part in os.environ.get(f"PLIMSOLL_{what}", "").split(",") if part.strip())
    for who in named:
        if not who.startswith(TEST_ACCOUNT):
            _address(who, f"PLIMSOLL_{what}")
    return named


def _config(data: Any, where: str) -> Config:
    data = _fields(Config, data, where)
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
    feed = _feed(data["feed"], f"{where}.feed")
    if not feed.quote and any(item.in_currency for item in underlyings):
        refuse(f"config: {where}.feed.quote has no legs, and an underlying is in the currency")
    symbols = [data["quote"].get("symbol") if isinstance(data["quote"], dict) else None]
    symbols += [item.symbol for item in collateral]
    if len(set(symbols)) != len(symbols):
        refuse(f"config: {where} has two tokens of one symbol")
    return Config(
        mocks=_plain(Mocks, data["mocks"], f"{where}.mocks"),
        nodes=_nodes(data["nodes"], f"{where}.nodes"),
        governance=_governance(data["governance"], f"{where}.governance"),
        feed=feed,
        guardrails=_rails(data["guardrails"], f"{where}.guardrails"),
        breakers=_plain(Breakers, data["breakers"], f"{where}.breakers"),
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
    legs = _legs(data["legs"], f"{where}.legs")
    if not legs:
        refuse(f"config: {where}.legs are none")
    return Underlying(
        id=_number(data["id"], f"{where}.id", 0, 2**16 - 1),
        legs=legs,
        in_currency=_flag(data["in_currency"], f"{where}.in_currency"),
        strike_exponent=_number(data["strike_exponent"], f"{where}.strike_exponent", 0, MAX_STRIKE_EXPONENT),
        perpetual=_flag(data["perpetual"], f"{where}.perpetual"),
        expiries=_list(data["expiries"], f"{where}.expiries", _expiry),
    )


def _legs(data: Any, where: str) -> tuple[Leg, ...]:
    legs = _list(data, where, _leg)
    if len(legs) > MAX_LEGS:
        refuse(f"config: {where} are more than {MAX_LEGS}")
    return legs


def _leg(data: Any, where: str) -> Leg:
    data = _fields(Leg, data, where)
    bounds = _plain(Bounds, data["bounds"], f"{where}.bounds")
    top = MAX_PRICE // WAD
    if max(bounds.low, bounds.high) > top or bounds.low >= bounds.high > 0:
        refuse(f"config: {where}.bounds are no range below {top}")
    first = _number(data["first"], f"{where}.first", 1, top)
    if first <= bounds.low or first >= bounds.high > 0:
        refuse(f"config: {where}.first is not within its bounds")
    return Leg(
        description=_text(data["description"], f"{where}.description"),
        decimals=_number(data["decimals"], f"{where}.decimals", 0, MAX_DECIMALS),
        aggregator=None if data["aggregator"] is None else _address(data["aggregator"], f"{where}.aggregator"),
        first=first,
        max_age=_number(data["max_age"], f"{where}.max_age", *MAX_AGE),
        bounds=bounds,
        divides=_flag(data["divides"], f"{where}.divides"),
    )


def _feed(data: Any, where: str) -> Feed:
    data = _fields(Feed, data, where)
    return Feed(
        band=_number(data["band"], f"{where}.band", *BAND),
        quote=_legs(data["quote"], f"{where}.quote"),
        sequencer=None if data["sequencer"] is None else _address(data["sequencer"], f"{where}.sequencer"),
        grace=_number(data["grace"], f"{where}.grace", *GRACE),
    )


def _nodes(data: Any, where: str) -> Nodes:
    data = _fields(Nodes, data, where)
    return Nodes(
        signers=_people(data["signers"], f"{where}.signers"),
        quorum=_number(data["quorum"], f"{where}.quorum", 1, MAX_SIGNERS),
        urgent_quorum=_number(data["urgent_quorum"], f"{where}.urgent_quorum", 1, MAX_SIGNERS),
        overlap=_number(data["overlap"], f"{where}.overlap", 0, MAX_OVERLAP),
    )


def _governance(data: Any, where: str) -> Governance:
    data = _fields(Governance, data, where)
    delay = _number(data["delay"], f"{where}.delay", MIN_DELAY, MAX_DELAY)
    return Governance(
        proposers=_people(data["proposers"], f"{where}.proposers"),
        executors=_people(data["executors"], f"{where}.executors"),
        guardians=_people(data["guardians"], f"{where}.guardians"),
        delay=delay,
        longest=_number(data["longest"], f"{where}.longest", delay, MAX_DELAY),
    )


def _rails(data: Any, where: str) -> Rails:
    """Bands, and of the limits what differs from the defaults: [low, high, rise, fall]; null is no limit an hour."""
    data = _fields(Rails, data, where)
    if not isinstance(data["limits"], dict) or not set(data["limits"]) <= set(NAMES):
        refuse(f"config: {where}.limits may hold {', '.join(NAMES)}, and nothing else")
    limits = dict(DEFAULTS)
    for name, four in data["limits"].items():
        if not isinstance(four, list) or len(four) != 4:
            refuse(f"config: {where}.limits.{name} is no list of low, high, rise, fall")
        at = f"{where}.limits.{name}"
        numbers = [_number(UNLIMITED if value is None else value, at, 0, 2**96 - 1) for value in four]
        limits[NAMES.index(name)] = Limit(*numbers)
    return Rails(
        index_band=_number(data["index_band"], f"{where}.index_band", *INDEX_BAND),
        boost=_number(data["boost"], f"{where}.boost", 1, MAX_BOOST),
        limits=limits,
    )


def _people(data: Any, where: str) -> tuple[str, ...] | None:
    """Addresses and test accounts; null is told elsewhere."""
    if data is None:
        return None
    if not isinstance(data, list) or not all(isinstance(who, str) for who in data):
        refuse(f"config: {where} is no list of addresses")
    return tuple(who if who.startswith(TEST_ACCOUNT) else _address(who, where) for who in data)


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

"""One deployment of the protocol: its contracts, how they are put up and wired, and the address book.

Constructors, in this order: IndexFeed(), Guardrails(feed), RiskOracle(feed, guardrails), History(feed, oracle, lag,
delay), Registry(quote, feed, oracle), Mandates(), BackOffice(quote, oracle, feed, registry, mandates, history),
Clearinghouse(the same, back office), Exchange(book), Liquidator(book), StandingOrders(book, liquidator),
InsuranceFund(book, liquidator), Lens(book, oracle), Breakers(book, fund), Automation(book, liquidator),
Timelock(holders, delays).
Wiring: the feed learns its witness, guardrails their oracle, oracle and mandates their book, the book its liquidator
and its fund, the liquidator its fund, the registry its venues and breakers; then governance numbers. Who runs a
simulation owns what `deploy_system` puts up; the scripts hand all of it to the Timelock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from eth_utils.address import is_address, to_checksum_address

from plimsoll.chain import artifacts
from plimsoll.chain.artifacts import Artifact
from plimsoll.chain.contract import Contract, Event, deploy, events_of
from plimsoll.chain.errors import DeploymentError
from plimsoll.chain.protocol import Chain, Receipt
from plimsoll.spec.liquidator import Config
from plimsoll.spec.margin import Params
from plimsoll.spec.registry import Curve, Fees, pack_curve, pack_fees
from plimsoll.spec.report import pack_floors, pack_rates

BOOK_VERSION: Final = 3
CONTRACTS: Final = {
    "feed": "IndexFeed",
    "guard": "Guardrails",
    "oracle": "RiskOracle",
    "history": "History",
    "registry": "Registry",
    "mandates": "Mandates",
    "back_office": "BackOffice",
    "clearinghouse": "Clearinghouse",
    "exchange": "Exchange",
    "liquidator": "Liquidator",
    "standing": "StandingOrders",
    "fund": "InsuranceFund",
    "lens": "Lens",
    "breakers": "Breakers",
    "automation": "Automation",
    "timelock": "Timelock",
}
SCRIPTED: Final = frozenset({"timelock"})  # what the scripts put up, and a simulation does without
LATER: Final = frozenset({"automation"})  # what an address book of before does not name


@dataclass(frozen=True, slots=True)
class FeedConfig:
    """One underlying's feed, here a mock aggregator that the owner sets."""

    underlying: int  # class u8 | index u8
    name: str
    price: int  # first answer, in the aggregator's decimals
    decimals: int = 8
    max_age: int = 86_400  # [s]
    strike_exponent: int = 16  # a strike unit is 10**strike_exponent [wad]
    aggregator: str | None = None  # one that is there already, in place of a mock


@dataclass(frozen=True, slots=True)
class TokenConfig:
    """One collateral token, here a mock anyone can mint; `underlying` prices it."""

    symbol: str
    underlying: int
    decimals: int = 18
    address: str | None = None  # of one that is there already, in place of a mock


@dataclass(frozen=True, slots=True)
class SystemConfig:
    """What a deployment is told. The defaults are the protocol's."""

    owner: str
    signers: Sequence[str]
    quorum: int
    feeds: Sequence[FeedConfig] = ()
    tokens: Sequence[TokenConfig] = ()
    quote_symbol: str = "USD"
    quote_decimals: int = 6
    quote: str | None = None  # a token that is there already, in place of a mock
    params: Params = field(default_factory=Params)
    lag: int = 3_600  # [s] profit younger than this does not leave
    delay: int = 3_600  # [s] between a settlement price's proposal and its finality
    liquidation: Config | None = None  # None leaves the contract's default, likewise below
    fees: Fees | None = None
    curve: Curve | None = None
    price_band: int | None = None  # [ppm]
    reduce_band: int | None = None  # [ppm]


@dataclass(frozen=True)
class System:
    """The contracts of one deployment on one chain."""

    chain: Chain
    feed: Contract
    guard: Contract
    oracle: Contract
    history: Contract
    registry: Contract
    mandates: Contract
    back_office: Contract
    clearinghouse: Contract
    exchange: Contract
    liquidator: Contract
    standing: Contract
    fund: Contract
    lens: Contract
    breakers: Contract
    quote: Contract
    automation: Contract | None = None  # none where an address book of before does not name it
    timelock: Contract | None = None  # none where somebody owns it all, as in a simulation
    tokens: Mapping[str, Contract] = field(default_factory=dict)  # collateral besides the quote token, by symbol
    aggregators: Mapping[int, Contract] = field(default_factory=dict)  # by underlying

    @property
    def contracts(self) -> tuple[Contract, ...]:
        """Every contract of the protocol."""
        named = (getattr(self, key) for key in CONTRACTS if key != "back_office")  # it has no state of its own
        return tuple(contract for contract in named if contract is not None)

    def events(self, receipt: Receipt, name: str | None = None) -> list[Event]:
        """What the protocol's contracts emitted in a transaction."""
        return events_of(receipt.logs, self.contracts, name)


def account_id(owner: str, number: int = 0) -> int:
    """An account: its owner's address and a number below 2**96.

    Raises
    ------
    DeploymentError
        Where the number does not fit.
    """
    if not 0 <= number < 2**96:
        raise DeploymentError(f"account number {number} does not fit u96")
    return int(owner, 16) << 96 | number


def owner_of(account: int) -> str:
    """The owner's address of an account, checksummed."""
    return to_checksum_address((account >> 96).to_bytes(20, "big"))


def deploy_system(chain: Chain, config: SystemConfig) -> System:
    """Deploy all contracts, wire them up, set the governance numbers; mocks for tokens and feeds that are not named.

    Raises
    ------
    Refused
        Where a contract refuses what it is told.
    CompileError
        Where a contract does not compile.
    """
    names = [name for key, name in CONTRACTS.items() if key not in SCRIPTED]
    compiled = artifacts.load_all([*names, "MockToken", "MockAggregator"])
    owner = config.owner

    def put(name: str, *args: Any) -> Contract:
        return deploy(chain, compiled[name], *args, sender=owner)

    def at(name: str, address: str | None, *args: Any) -> Contract:
        return put(name, *args) if address is None else Contract(chain, address, compiled[name])

    quote = at("MockToken", config.quote, config.quote_symbol, config.quote_symbol, config.quote_decimals)
    feed = put("IndexFeed", f"0x{0:040x}")  # of no rollup
    guard = put("Guardrails", feed.address)
    oracle = put("RiskOracle", feed.address, guard.address)
    history = put("History", feed.address, oracle.address, config.lag, config.delay)
    registry = put("Registry", quote.address, feed.address, oracle.address)
    mandates = put("Mandates")
    parts = [part.address for part in (quote, oracle, feed, registry, mandates, history)]
    back_office = put("BackOffice", *parts)
    clearinghouse = put("Clearinghouse", *parts, back_office.address)
    exchange = put("Exchange", clearinghouse.address)
    liquidator = put("Liquidator", clearinghouse.address)
    standing = put("StandingOrders", clearinghouse.address, liquidator.address)
    fund = put("InsuranceFund", clearinghouse.address, liquidator.address)
    lens = put("Lens", clearinghouse.address, oracle.address)
    breakers = put("Breakers", clearinghouse.address, fund.address)

    feed.transact("set_witness", oracle.address, sender=owner)
    guard.transact("set_oracle", oracle.address, sender=owner)
    oracle.transact("set_book", clearinghouse.address, sender=owner)
    mandates.transact("set_book", clearinghouse.address, sender=owner)
    oracle.transact("set_params", pack_rates(config.params), pack_floors(config.params), sender=owner)
    signers = sorted(config.signers, key=lambda address: int(address, 16))
    oracle.transact("set_signers", signers, config.quorum, len(signers), 0, sender=owner)
    clearinghouse.transact("set_liquidator", liquidator.address, sender=owner)
    clearinghouse.transact("set_fund", fund.address, sender=owner)
    liquidator.transact("set_fund", fund.address, sender=owner)
    for venue in (exchange, standing):
        registry.transact("set_venue", venue.address, True, sender=owner)
    registry.transact("set_breakers", breakers.address, sender=owner)
    if config.price_band is not None or config.reduce_band is not None:
        bands = [
            registry.call(name) if given is None else given
            for name, given in (("price_band", config.price_band), ("reduce_band", config.reduce_band))
        ]
        registry.transact("set_bands", *bands, sender=owner)
    if config.liquidation is not None:
        liquidator.transact("set_config", config.liquidation, sender=owner)
    if config.fees is not None:
        registry.transact("set_fees", pack_fees(config.fees), sender=owner)
    if config.curve is not None:
        registry.transact("set_curve", pack_curve(config.curve), sender=owner)

    aggregators = {}
    for item in config.feeds:
        aggregator = at("MockAggregator", item.aggregator, item.decimals, item.name)
        if item.aggregator is None:
            aggregator.transact("set", item.price, sender=owner)
        feed.transact("set_feed", item.underlying, aggregator.address, item.max_age, item.strike_exponent, sender=owner)
        aggregators[item.underlying] = aggregator
        history.transact("touch", item.underlying, sender=owner)  # the lag begins to run
    tokens = {}
    for token in config.tokens:
        made = at("MockToken", token.address, token.symbol, token.symbol, token.decimals)
        registry.transact("list_collateral", made.address, token.underlying, sender=owner)
        tokens[token.symbol] = made
    automation = put("Automation", clearinghouse.address, liquidator.address)
    return System(
        chain,
        feed=feed,
        guard=guard,
        oracle=oracle,
        history=history,
        registry=registry,
        mandates=mandates,
        back_office=back_office,
        clearinghouse=clearinghouse,
        exchange=exchange,
        liquidator=liquidator,
        standing=standing,
        fund=fund,
        lens=lens,
        breakers=breakers,
        quote=quote,
        automation=automation,
        tokens=tokens,
        aggregators=aggregators,
    )


def save_book(system: System, path: Path) -> None:
    """Write the address book: what was deployed where, as JSON."""
    book = {
        "version": BOOK_VERSION,
        "chain_id": system.chain.chain_id,
        "contracts": {
            name: contract.address for key, name in CONTRACTS.items() if (contract := getattr(system, key)) is not None
        },
        "quote": system.quote.address,
        "tokens": {symbol: token.address for symbol, token in system.tokens.items()},
        "aggregators": {str(key): aggregator.address for key, aggregator in system.aggregators.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(book, indent=2) + "\n")


def book_block(path: Path) -> int:
    """The block where an address book says that the protocol's events begin; 0 where it says nothing."""
    try:
        block = json.loads(path.read_text()).get("block")
    except (OSError, ValueError, AttributeError):
        return 0
    return block if isinstance(block, int) and block >= 0 else 0


def load_book(path: Path, chain: Chain) -> System:
    """The deployment that an address book describes, on the chain it names.

    Raises
    ------
    DeploymentError
        Where the file is no address book, names another chain, or an address holds no code.
    """
    try:
        book = json.loads(path.read_text())
    except OSError as error:
        raise DeploymentError(f"address book {path.name}: {error.strerror or error}") from error
    except ValueError as error:
        raise DeploymentError(f"address book {path.name}: no JSON ({error})") from error
    if not isinstance(book, dict) or not isinstance(book.get("contracts"), dict):
        raise DeploymentError(f"address book {path.name}: contracts are missing")
    if book.get("chain_id") != chain.chain_id:
        raise DeploymentError(f"address book {path.name} is of chain {book.get('chain_id')}, this is {chain.chain_id}")

    compiled = artifacts.load_all([*CONTRACTS.values(), "MockToken", "MockAggregator"])

    def at(artifact: Artifact, address: Any, what: str) -> Contract:
        if not isinstance(address, str) or not is_address(address):
            raise DeploymentError(f"address book {path.name}: {what} has no address")
        if not chain.code(to_checksum_address(address)):
            raise DeploymentError(f"address book {path.name}: no code at {what} {address}")
        return Contract(chain, address, artifact)

    found = {
        key: at(compiled[name], book["contracts"].get(name), name)
        for key, name in CONTRACTS.items()
        if name in book["contracts"] or key not in SCRIPTED | LATER
    }
    quote = book.get("quote") or found["clearinghouse"].call("quote")
    return System(
        chain,
        **found,
        quote=at(compiled["MockToken"], quote, "quote"),
        tokens={symbol: at(compiled["MockToken"], a, symbol) for symbol, a in (book.get("tokens") or {}).items()},
        aggregators={
            int(key): at(compiled["MockAggregator"], a, f"aggregator {key}")
            for key, a in (book.get("aggregators") or {}).items()
            if key.isdecimal()  # of a route, its first; the scripts know the others
        },
    )

"""Putting Plimsoll up, step by step: what is as it should be is kept, what is missing is done.

    tokens, aggregators -> contracts, as plimsoll.chain.deployment has them -> who names whom -> signers, numbers
    -> feeds -> listings -> first prices remembered -> venues -> hand-over to the timelock -> verification

Each step reads the chain first, so that a second run does nothing and an interrupted one goes on where it stopped: the
address book is written after every contract. A dry run takes the same steps and sends nothing.

In the end the Timelock owns every contract, and the deployer can do nothing. What the configuration changes from then
on goes through it: a run by a proposer schedules, a run by anyone executes what has waited. A run by anybody else names
the calls to propose.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any, Final

from ape import accounts, project
from ape.api import AccountAPI, ProviderAPI
from ape.exceptions import ContractLogicError
from eth_utils.address import is_address, to_checksum_address
from eth_utils.crypto import keccak

from plimsoll.chain.artifacts import load as artifact
from plimsoll.chain.deployment import BOOK_VERSION
from plimsoll.chain.errors import AbiError
from plimsoll.chain.governance import OWNED, slowest
from plimsoll.spec.errors import Refused
from plimsoll.spec.feed import BOUNDS_MASK, QUOTE, named
from plimsoll.spec.guardrails import NAMES, pack_limit
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT
from plimsoll.spec.registry import pack_curve, pack_fees
from plimsoll.spec.report import pack_floors, pack_rates
from plimsoll.spec.timelock import EXECUTOR_ROLE, PROPOSER_ROLE
from plimsoll.spec.wad import WAD
from scripts import _checks
from scripts._chain import View, reader_of, view_of
from scripts._checks import Check, People, Site, leg_key, legs_of
from scripts._config import (
    CHAIN,
    NOBODY,
    TEST_ACCOUNT,
    VERIFICATION,
    Config,
    Leg,
    Underlying,
    holders_of,
    refuse,
    signers_of,
)

# ape looks for vyper on the path alone, and this Python need not be the activated one.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

DAY: Final = 86_400
WEEK: Final = 7 * DAY
EMBEDDED_GAS: Final = 12_000_000  # the embedded chain takes as long to estimate gas as for all else
POLL: Final = 0.5  # [s] between looks for a block
FRIDAY: Final = DAY + 8 * 3_600  # [s] 1970-01-02 was one; 08:00 UTC
DEVELOPMENT: Final = ("anvil", "hardhat", "ethereumtester")  # what such nodes call themselves
NO_PREDECESSOR: Final = bytes(32)
KIND_NAMES: Final = {PERP: "perp", FUTURE: "future", CALL: "call", PUT: "put"}


def is_development(provider: ProviderAPI) -> bool:
    """Whether a node is one that anyone may turn back: the embedded chain, anvil, hardhat."""
    version = str(getattr(provider, "client_version", "")).lower()
    return provider.name == "test" or version.startswith(DEVELOPMENT)


def expiry_of(now: int, weeks: int) -> int:
    """Friday 08:00 UTC, `weeks` Fridays ahead; the first is at least a day away [unix s]."""
    first = now + DAY
    return first + (FRIDAY - first) % WEEK + (weeks - 1) * WEEK


def strikes_of(index: int, count: int, step: int) -> list[int]:
    """`count` strikes around an index [wad], multiples of `step` [quote], none at or under zero."""
    middle = (index + step * WAD // 2) // (step * WAD)
    first = middle - count // 2
    return [strike * step for strike in range(first, first + count) if strike > 0]


def instance(name: str, address: str) -> Any:
    """One of our contracts at an address; `BackOffice` at the Clearinghouse's is that with its rarer functions."""
    return getattr(project, name).at(address, fetch_from_explorer=False, detect_proxy=False)


def resolve(names: Sequence[str], what: str, *, development: bool) -> list[str]:
    """The addresses behind names, ascending.

    Raises
    ------
    DeployError
        Where one is named twice, or a test account would have a part on a live network.
    """
    found: list[str] = []
    for name in names:
        if not name.startswith(TEST_ACCOUNT):
            found.append(to_checksum_address(name))
            continue
        if not development:
            refuse(f"deploy: {what} {name} is a test account, this is a live network")
        found.append(str(test_account(name).address))
    if len(set(found)) != len(found):
        refuse(f"config: one {what} is named twice")
    return sorted(found, key=lambda address: int(address, 16))


def people_of(config: Config, *, development: bool) -> People:
    """Who signs, proposes, executes and guards."""
    proposers, executors, guardians = holders_of(config, development=development)
    return People(
        resolve(signers_of(config), "signer", development=development),
        resolve(proposers, "proposer", development=development),
        resolve(executors, "executor", development=development),
        resolve(guardians, "guardian", development=development),
    )


def test_account(name: str) -> AccountAPI:
    """The test account behind TEST::n.

    Raises
    ------
    DeployError
        Where there is none of that number.
    """
    number = name.removeprefix(TEST_ACCOUNT)
    if not number.isdecimal() or int(number) >= len(accounts.test_accounts):
        refuse(f"deploy: no account {name}")
    return accounts.test_accounts[int(number)]


class AddressBook:
    """What was deployed where on one chain: a JSON file that `plimsoll.chain.deployment.load_book` reads."""

    def __init__(self, path: Path, network: str, chain_id: int) -> None:
        self.path = path
        self.contracts: dict[str, str] = {}
        self.quote: str | None = None
        self.tokens: dict[str, str] = {}
        self.aggregators: dict[str, str] = {}
        self.code: dict[str, str] = {}  # keccak of what was found there, by name
        self.network = network
        self.chain_id = chain_id
        self.deployer: str | None = None
        self.block: int | None = None  # where events of the protocol begin
        if path.exists():
            self._read()

    def _read(self) -> None:
        try:
            data = json.loads(self.path.read_text())
        except (OSError, ValueError) as error:
            refuse(f"book: {self.path.name} is no address book ({error})")
        if not isinstance(data, dict) or data.get("version") != BOOK_VERSION:
            refuse(f"book: {self.path.name} is no address book of version {BOOK_VERSION}")
        if data.get("chain_id") != self.chain_id:
            refuse(f"book: {self.path.name} is of chain {data.get('chain_id')}, this is {self.chain_id}")
        quote = data.get("quote")
        for part in ("contracts", "tokens", "aggregators"):
            values = data.get(part)
            if not isinstance(values, dict) or not all(is_address(value) for value in values.values()):
                refuse(f"book: {self.path.name}: {part} are no addresses by name")
            setattr(self, part, {str(key): to_checksum_address(value) for key, value in values.items()})
        if quote is not None:
            if not is_address(quote):
                refuse(f"book: {self.path.name}: the quote token has no address")
            self.quote = to_checksum_address(quote)
        self.deployer, self.block = data.get("deployer"), data.get("block")

    def write(self) -> None:
        """Replace the file at once, so that an interrupted run leaves a whole one."""
        data = {
            "version": BOOK_VERSION,
            "network": self.network,
            "chain_id": self.chain_id,
            "deployer": self.deployer,
            "block": self.block,
            "contracts": self.contracts,
            "quote": self.quote,
            "tokens": self.tokens,
            "aggregators": self.aggregators,
            "code": self.code,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(data, indent=2) + "\n")
        part.replace(self.path)


def book_of(provider: ProviderAPI, path: Path | None) -> AddressBook:
    """The address book of the chain behind a node."""
    network = f"{provider.network.ecosystem.name}:{provider.network.name}"
    if path is None:
        path = Path("build") / "deployments" / f"{network.replace(':', '-')}-{provider.chain_id}.json"
    return AddressBook(path, network, provider.chain_id)


class Deployment:
    """One run over one network.

    Parameters
    ----------
    config, account, provider
        What, by whom, through which node.
    book
        The address book, read and written.
    dry_run
        Name the steps, send nothing, write nothing.
    replace
        Deploy the protocol anew, whatever the address book has of it; tokens and aggregators stay.
    confirmations
        Blocks to wait for once all is sent, before it is verified; None: as the network has it. Between transactions
        there is nothing to wait for but their inclusion: a later one is no good without the earlier ones.
    echo
        Takes each line of the log.
    """

    def __init__(
        self,
        config: Config,
        account: AccountAPI,
        provider: ProviderAPI,
        book: AddressBook,
        *,
        dry_run: bool = False,
        replace: bool = False,
        confirmations: int | None = None,
        echo: Callable[[str], None] = print,
    ) -> None:
        self.config = config
        self.account = account
        self.provider = provider
        self.book = book
        self.dry_run = dry_run
        self.replace = replace
        self.echo = echo
        self.development = is_development(provider)
        self.sent = 0
        self.planned = 0
        self.confirmations = provider.network.required_confirmations if confirmations is None else confirmations
        self._waiting: dict[str, int] = {"required_confirmations": 0}
        if provider.name == "test":
            self._waiting["gas"] = EMBEDDED_GAS
        self._options = {"sender": account, **self._waiting}
        self.contracts: dict[str, Any] = {}  # those that stand
        self.chain = reader_of(provider)
        self._views: dict[str, View] = {}
        self.people = people_of(config, development=self.development)
        self.waiting: list[str] = []  # what was scheduled and must wait
        self.wanted: list[str] = []  # what somebody else must schedule

    # ---------------------------------------------------------------------------------------------------- the steps

    def run(self) -> None:
        """All of it.

        Raises
        ------
        DeployError
            Where the chain is not as it should be, something is the timelock's to do and this account no proposer, or
            what stands in the end fails verification.
        """
        if not self.dry_run and self.book.deployer is None:
            self.book.deployer = self.account.address
            self.book.block = self._height()
        self._check_people()
        config, past = self.config, self.config.history
        self._token(config.quote.symbol, config.quote.decimals, config.quote.address, None)
        tokens = {
            item.symbol: self._token(item.symbol, item.decimals, item.address, item.symbol)
            for item in config.collateral
        }
        for key, place, leg in legs_of(config):
            self._aggregator(leg_key(key, place), leg)

        parts = ("quote", "RiskOracle", "IndexFeed", "Registry", "Mandates", "History")
        self._contract("IndexFeed", "sequencer")
        self._contract("Guardrails", "IndexFeed")
        self._contract("RiskOracle", "IndexFeed", "Guardrails")
        self._contract("History", "IndexFeed", "RiskOracle", past.lag, past.delay)
        self._contract("Registry", "quote", "IndexFeed", "RiskOracle")
        self._contract("Mandates")
        self._contract("BackOffice", *parts)
        self._contract("Clearinghouse", *parts, "BackOffice")
        self._contract("Exchange", "Clearinghouse")
        self._contract("Liquidator", "Clearinghouse")
        self._contract("StandingOrders", "Clearinghouse", "Liquidator")
        self._contract("InsuranceFund", "Clearinghouse", "Liquidator")
        self._contract("Lens", "Clearinghouse", "RiskOracle")
        self._contract("Breakers", "Clearinghouse", "InsuranceFund")
        self._contract("Automation", "Clearinghouse", "Liquidator")
        people, told = self.people, config.governance
        delays = (told.delay, told.longest)
        self._contract("Timelock", people.proposers, people.executors, people.guardians, *delays, slowest())

        self._wire()
        self._govern()
        self._limit()
        self._feed()
        for item in config.underlyings:
            self._list(item)
        for collateral in config.collateral:
            self._list_collateral(collateral.symbol, tokens[collateral.symbol], collateral.underlying)
        for item in config.underlyings:
            self._touch(item)
        self._hand_over()
        if not self.dry_run:
            self.book.write()
            self._settle()
            self._finish()

    def _check_people(self) -> None:
        """Who deploys has no part afterwards."""
        for role, people in self.people._asdict().items():
            if self.book.deployer in people:
                refuse(f"config: the deployer {self.book.deployer} is among the {role}; he must have no power left")

    def _wire(self) -> None:
        for name, function, of in (
            ("IndexFeed", "set_witness", "RiskOracle"),
            ("Guardrails", "set_oracle", "RiskOracle"),
            ("RiskOracle", "set_book", "Clearinghouse"),
            ("Mandates", "set_book", "Clearinghouse"),
            ("Clearinghouse", "set_liquidator", "Liquidator"),
            ("Clearinghouse", "set_fund", "InsuranceFund"),
            ("Liquidator", "set_fund", "InsuranceFund"),
            ("Registry", "set_breakers", "Breakers"),
        ):
            target, other = self._at(name), self._at(of)
            view = function.removeprefix("set_")
            self._call(
                name,
                function,
                (other.address if other is not None else of,),
                lambda target=target, other=other, view=view: getattr(target, view)() == other.address,  # type: ignore[misc]
                show=of,
                stands=other is not None,
            )
        registry = self._at("Registry")
        for name in _checks.VENUES:
            venue = self._at(name)
            self._call(
                "Registry",
                "set_venue",
                (venue.address if venue is not None else name, True),
                lambda venue=venue: registry.venues(venue.address),  # type: ignore[misc]
                show=f"{name}, True",
                stands=venue is not None,
            )

    def _govern(self) -> None:
        feed, guard, oracle, registry, liquidator, fund, breakers = (
            self._at(name)
            for name in (
                "IndexFeed",
                "Guardrails",
                "RiskOracle",
                "Registry",
                "Liquidator",
                "InsuranceFund",
                "Breakers",
            )
        )
        config, nodes = self.config, self.config.nodes
        words = (pack_rates(config.params), pack_floors(config.params))
        bands, rails = astuple(config.bands), config.guardrails
        limits, curve, fees = _checks.limit_words(config), pack_curve(config.curve), pack_fees(config.fees)
        caps, times = _checks.caps_of(config), (config.fund.cooldown, config.fund.claim_window)
        stops, auctions = astuple(config.breakers), astuple(config.liquidation)
        signers = self.people.signers
        self._call(
            "RiskOracle",
            "set_signers",
            (signers, nodes.quorum, nodes.urgent_quorum, nodes.overlap),
            lambda: (
                (list(map(to_checksum_address, oracle.signers())), oracle.quorum(), oracle.urgent_quorum())
                == (signers, nodes.quorum, nodes.urgent_quorum)
            ),
            show=f"{len(signers)} signers, quorum {nodes.quorum}, urgent {nodes.urgent_quorum}",
        )
        # the first numbers may be any; having set them, they move in steps from then on
        self._call(
            "RiskOracle",
            "set_params",
            words,
            lambda: (oracle.rates(), oracle.floors()) == words and guard.params_at() > 0,
            show=_words(words),
        )
        self._call("Registry", "set_bands", bands, lambda: (registry.price_band(), registry.reduce_band()) == bands)
        self._call(
            "Registry",
            "set_limits",
            limits,
            lambda: (registry.account_limits(), registry.pool_limits()) == limits,
            show=_words(limits),
        )
        self._call("Registry", "set_curve", (curve,), lambda: registry.curve() == curve, show=_words((curve,)))
        self._call("Registry", "set_fees", (fees,), lambda: registry.fees() == fees, show=_words((fees,)))
        self._call("Liquidator", "set_config", (auctions,), lambda: tuple(liquidator.config()) == auctions)
        self._call("InsuranceFund", "set_caps", caps, lambda: (fund.event_cap(), fund.underlying_cap()) == caps)
        self._call("InsuranceFund", "set_cooldown", times, lambda: (fund.cooldown(), fund.claim_window()) == times)
        self._call("Breakers", "set_config", (stops,), lambda: tuple(breakers.config()) == stops)
        band = (rails.index_band, rails.boost)
        self._call("Guardrails", "set_band", band, lambda: (guard.index_band(), guard.boost()) == band)
        self._call("IndexFeed", "set_band", (config.feed.band,), lambda: feed.band() == config.feed.band)

    def _limit(self) -> None:
        """What a report may say; where no limit differs, not a word of it."""
        guard = self._at("Guardrails")
        for place, limit in self.config.guardrails.limits.items():
            self._call(
                "Guardrails",
                "set_limit",
                (0, place, limit.low, limit.high, limit.rise, limit.fall),
                lambda place=place, limit=limit: guard.limit(0, place) == pack_limit(limit),  # type: ignore[misc]
                show=f"{NAMES[place]}, {limit.low}, {limit.high}, {limit.rise}, {limit.fall}",
                quiet=True,
            )

    def _feed(self) -> None:
        """The sequencer, the quote coin's route, the underlyings'."""
        feed, told = self._at("IndexFeed"), self.config.feed
        sequencer = (told.sequencer, told.grace)
        if told.sequencer:
            self._call("IndexFeed", "set_sequencer", sequencer, lambda: tuple(feed.sequencer()) == sequencer)
        if told.quote:
            self._route(QUOTE, told.quote[0].description, told.quote)
        for item in self.config.underlyings:
            self._route(item.id, item.description, item.legs, item.strike_exponent, in_currency=item.in_currency)

    def _route(self, key: int, name: str, legs: Sequence[Leg], exponent: int = 0, *, in_currency: bool = False) -> None:
        """One route: set, and bound where it is not the first; then its bounds."""
        feed = self._at("IndexFeed")
        at = [self.book.aggregators.get(leg_key(key, place)) for place in range(len(legs))]
        if feed is None or None in at:
            self._plan(f"call    IndexFeed.set_route({name})")
            return
        words = _checks.route_of(legs, [str(one) for one in at], exponent, in_currency=in_currency)
        told = [
            (one, leg.max_age, leg.divides, leg.bounds.low * WAD, leg.bounds.high * WAD, named(leg.description))
            for one, leg in zip(at, legs, strict=True)
        ]
        live, staged = tuple(feed.route(key)), tuple(feed.staged(key).route)
        wanted = _unbounded(words)
        if key == QUOTE:
            args, function = (told,), "set_quote_route"
        else:
            args, function = (key, told, exponent, in_currency), "set_route"
        self._call(
            "IndexFeed",
            function,
            args,
            lambda: wanted in {_unbounded(live), _unbounded(staged)},
            show=f"{key:#06x}, {name}, {', '.join(f'{leg.max_age} s' for leg in legs)}, {exponent}",
        )
        live, staged = tuple(feed.route(key)), tuple(feed.staged(key).route)  # the call may have come to pass
        if wanted == _unbounded(staged) != _unbounded(live):
            self._call("IndexFeed", "bind", (key,), lambda: False, owned=False)
            live = tuple(feed.route(key))
        if wanted != _unbounded(live):
            return
        for place, leg in enumerate(legs):
            self._call(
                "IndexFeed",
                "set_bounds",
                (key, leg.bounds.low * WAD, leg.bounds.high * WAD, place),
                lambda place=place, leg=leg: tuple(feed.bounds(key, place)) == _checks.bounds_of(leg),  # type: ignore[misc]
                show=f"{key:#06x}, {leg.bounds.low}, {leg.bounds.high}, {place}",
                quiet=True,
            )

    def _list(self, item: Underlying) -> None:
        """Perpetual, futures, options; a surface that has some of a kind is left as it is."""
        wanted: list[tuple[int, int, int]] = [(0, PERP, 0)] if item.perpetual else []
        now, index = self._now(), self._index(item)
        for expiry in item.expiries:
            at = expiry_of(now, expiry.weeks)
            if expiry.future:
                wanted.append((at, FUTURE, 0))
            for strike in strikes_of(index, expiry.strikes, expiry.step):
                units = strike * 10 ** (18 - item.strike_exponent)
                wanted += [(at, CALL, units), (at, PUT, units)]
        registry = self._at("Registry")
        there: set[tuple[int, int]] = set()
        if registry is not None:
            for at in {at for at, _, _ in wanted}:
                there |= {(at, found >> 64 & 0xFF) for found in registry.listing(item.id, at)}
        for at, kind, strike in wanted:
            self._call(
                "Registry",
                "list_instrument",
                (item.id, at, kind, strike),
                lambda at=at, kind=kind: (at, kind) in there,  # type: ignore[misc]
                show=f"{item.id:#06x}, {at}, {KIND_NAMES[kind]}, {strike}",
            )

    def _list_collateral(self, symbol: str, token: str | None, underlying: int) -> None:
        registry = self._at("Registry")
        self._call(
            "Registry",
            "list_collateral",
            (token, underlying),
            lambda: registry.collateral(token)[1] != 0,
            show=f"{symbol}, {underlying:#06x}",
            stands=token is not None,
        )

    def _touch(self, item: Underlying) -> None:
        """A first price is remembered, so that the lag begins to run; keepers go on from there."""
        history, feed = self._at("History"), self._at("IndexFeed")
        if feed is not None and not feed.route(item.id)[0] and not self.dry_run:
            return  # its route waits in the timelock
        self._call(
            "History",
            "touch",
            (item.id,),
            lambda: self.config.history.lag == 0 or history.checkpoints(item.id)[1] != 0,
            show=f"{item.id:#06x}",
            owned=False,
        )

    def _hand_over(self) -> None:
        """Two steps for every contract; what is on its way already goes on."""
        timelock = self._at("Timelock")
        for name in OWNED:
            contract = self._at(name)
            self._call(
                name,
                "transfer_ownership",
                (timelock.address if timelock is not None else "Timelock",),
                lambda contract=contract: timelock.address in {contract.owner(), contract.pending_owner()},  # type: ignore[misc]
                show="Timelock",
                stands=timelock is not None,
            )
            self._call(
                "Timelock",
                "adopt",
                (contract.address if contract is not None else name,),
                lambda contract=contract: contract.owner() == timelock.address,  # type: ignore[misc]
                show=name,
                stands=contract is not None,
                owned=False,
            )

    def _settle(self) -> None:
        """Wait until what was sent lies deep enough."""
        if not self.sent:
            return
        target = self._height() + self.confirmations
        deadline = time.monotonic() + self.provider.network.transaction_acceptance_timeout
        while self._height() < target:
            if time.monotonic() > deadline:
                refuse(f"deploy: block {target} did not come; all is sent, a second run will verify it", CHAIN)
            time.sleep(POLL)

    def _finish(self) -> None:
        """What is still to come is named; where nothing is, all is verified."""
        if self.wanted:
            refuse(
                f"deploy: the timelock owns what {len(self.wanted)} steps change, and {self.account.address} is no "
                f"proposer: {'; '.join(self.wanted)}",
                CHAIN,
            )
        if self.waiting:
            self.echo(f"{len(self.waiting)} operations wait in the timelock: a later run executes them")
            return
        found = verify(self.config, self.people, self.provider, self.book)
        wrong = [str(check) for check in found if not check.is_good]
        if wrong:
            refuse("verify: " + "; ".join(wrong), VERIFICATION)
        self.echo(f"verified {len(_checks.CONTRACTS)} contracts, {len(found)} checks")

    # ------------------------------------------------------------------------------------------------- what stands

    def _contract(self, name: str, *of: Any) -> None:
        """One contract of the protocol, kept or deployed; `of` are its constructor's arguments, contracts by name."""
        recorded = None if self.replace else self.book.contracts.get(name)
        known: dict[str, str] = {
            **self.book.contracts,
            "quote": self.book.quote or "",
            "sequencer": self.config.feed.sequencer or NOBODY,
        }
        code = self._code(recorded) if recorded else b""
        if recorded and code:
            self._check_code(name, recorded, code, known, "; --replace deploys the protocol anew", CHAIN)
            self.contracts[name] = instance(name, recorded)
            self.book.code[name] = keccak(code).hex()
            self.echo(f"keep    {name} at {recorded}")
            return
        if recorded and not self.development:
            refuse(f"deploy: {name}: no code at {recorded}, where the address book has it", CHAIN)
        if self.dry_run:
            self._plan(f"deploy  {name}({', '.join(_shown(part) for part in of)})")
            return
        address = self._deploy(name, *(known[part] if isinstance(part, str) else part for part in of))
        code = self._code(address)
        self._check_code(name, address, code, known, "", VERIFICATION)
        self.contracts[name] = instance(name, address)
        self.book.contracts[name] = address
        self.book.code[name] = keccak(code).hex()
        self.book.write()

    def _check_code(
        self, name: str, address: str, code: bytes, known: Mapping[str, str], hint: str, exit_code: int
    ) -> None:
        for check in _checks.check_code(name, address, code, known, self.config, self.provider.chain_id):
            if not check.is_good:
                refuse(f"deploy: {check}{hint}", exit_code)

    def _token(self, symbol: str, decimals: int, address: str | None, key: str | None) -> str | None:
        """A token's address: configured, recorded, or a new mock; `key` None is the quote token."""
        recorded = self.book.quote if key is None else self.book.tokens.get(key)
        at = address or recorded
        if at is not None and self._code(at):
            token = view_of(self.chain, "MockToken", at)
            found = self._ask(f"token {symbol} at {at}", token.decimals)
            if found != decimals:
                refuse(f"deploy: token {symbol} at {at}: {found} decimals, not {decimals}", CHAIN)
            self.echo(f"keep    token {symbol} at {at}")
        elif address is not None and not self.development:
            refuse(f"deploy: token {symbol}: no code at {address}", CHAIN)
        elif recorded is not None and not self.development:
            refuse(f"deploy: token {symbol}: no code at {recorded}, where the address book has it", CHAIN)
        elif not self.config.mocks.tokens:
            refuse(f"deploy: token {symbol} has no address, and mocks of tokens are not allowed")
        elif self.dry_run:
            self._plan(f"deploy  MockToken({symbol}, {decimals})")
            return None
        else:
            at = self._deploy("MockToken", symbol, symbol, decimals)
        if key is None:
            self.book.quote = at
        else:
            self.book.tokens[key] = str(at)
        if not self.dry_run:
            self.book.write()
        return at

    def _aggregator(self, key: str, leg: Leg) -> None:
        """An aggregator's address: configured, recorded, or a new mock; its price is fresh."""
        recorded = self.book.aggregators.get(key)
        at = leg.aggregator if leg.aggregator and self._code(leg.aggregator) else None
        mocked = False
        if at is None:
            if leg.aggregator and not self.development:
                refuse(f"deploy: aggregator {leg.description}: no code at {leg.aggregator}", CHAIN)
            if not self.config.mocks.feeds and not self.development:
                refuse(f"deploy: aggregator {leg.description} has no address, and mocks of feeds are not allowed")
            mocked = True
            if recorded is not None and self._code(recorded):
                at = recorded
            elif self.dry_run:
                self._plan(f"deploy  MockAggregator({leg.description}, {leg.decimals})")
                self._plan(f"call    MockAggregator.set({leg.first * 10**leg.decimals}) for {leg.description}")
                return
            else:
                at = self._deploy("MockAggregator", leg.decimals, leg.description)
        aggregator = view_of(self.chain, "MockAggregator", at)
        if mocked:
            answer = leg.first * 10**leg.decimals
            self._call(
                "MockAggregator",
                "set",
                (answer,),
                lambda: aggregator.latestRoundData()[3] + leg.max_age // 2 > self._now(),
                show=f"{answer}) for ({leg.description}",
                target=instance("MockAggregator", at),
                owned=False,
            )
        if not (mocked and self.dry_run):
            wrong = self._ask(
                f"aggregator {leg.description} at {at}",
                lambda: _checks.check_aggregator(aggregator, leg, self._code(at), self._now()),
            )
            if wrong:
                refuse(f"deploy: {'; '.join(wrong)}", CHAIN)
        self.echo(f"use     aggregator {leg.description} at {at}")
        self.book.aggregators[key] = at
        if not self.dry_run:
            self.book.write()

    # ------------------------------------------------------------------------------------------------------ a step

    def _call(
        self,
        name: str,
        function: str,
        args: Sequence[Any],
        is_done: Callable[[], bool],
        *,
        show: str | None = None,
        target: Any = None,
        stands: bool = True,
        owned: bool = True,
        quiet: bool = False,
    ) -> None:
        """Call where it is not done: as the owner, or through the timelock.

        In a dry run, or where the target does not stand yet, it says so. `quiet` steps are named only where something
        is to do.
        """
        target = target or (self._sending(name, function) if stands else None)
        label = f"{name}.{function}({show if show is not None else ', '.join(map(_shown, args))})"
        if target is not None and is_done():
            if not quiet:
                self.echo(f"keep    {label}")
            return
        if target is None and quiet:
            return
        if self.dry_run:
            self._plan(f"call    {label}")
            return
        owner = self._owner(name) if owned else self.account.address
        timelock = self._at("Timelock")
        if owner == self.account.address:
            self._send(label, "call   ", lambda: getattr(target, function)(*args, **self._options))
        elif timelock is not None and owner == timelock.address:
            self._through(label, target, bytes(getattr(target, function).encode_input(*args)))
        else:
            refuse(f"deploy: {label}: {self.account.address} is not the owner", CHAIN)

    def _sending(self, name: str, function: str) -> Any:
        """A contract to be sent to; the Clearinghouse has its back office's functions."""
        made = self.contracts.get(name)
        if name == "Clearinghouse" and made is not None and not hasattr(made, function):
            return instance("BackOffice", made.address)
        return made

    def _owner(self, name: str) -> str:
        """Who owns a contract now."""
        return str(self._at(name).owner())

    def _through(self, label: str, target: Any, data: bytes) -> None:
        """A call of the timelock's: executed where it has waited, scheduled where this account may, else named."""
        timelock, send, salt = self._at("Timelock"), self.contracts["Timelock"], 0
        while True:  # the same call may have been made before
            call = (target.address, 0, data, NO_PREDECESSOR, salt.to_bytes(32, "big"))
            operation = timelock.hash_operation(*call)
            if not timelock.is_operation_done(operation):
                break
            salt += 1
        who = self.account.address
        delay = timelock.delay_of(target.address, data[:4])
        if timelock.is_operation_ready(operation) and any(timelock.hasRole(EXECUTOR_ROLE, x) for x in (NOBODY, who)):
            self._send(label, "execute", lambda: send.execute(*call, **self._options))
        elif timelock.is_operation(operation):
            self.echo(f"wait    {label} until {timelock.get_timestamp(operation)}")
            self.waiting.append(label)
        elif timelock.hasRole(PROPOSER_ROLE, who):
            self._send(f"{label}, to wait {delay} s", "propose", lambda: send.schedule(*call, delay, **self._options))
            self.waiting.append(label)
        else:
            self.echo(f"needs   {label}: a proposer's schedule({target.address}, 0, 0x{data.hex()}, .., .., {delay})")
            self.wanted.append(label)

    def _send(self, label: str, verb: str, act: Callable[[], Any]) -> None:
        try:
            act()
        except ContractLogicError as error:
            refuse(f"deploy: {label}: {error.revert_message or 'reverted'}", CHAIN)
        self.sent += 1
        self.echo(f"{verb} {label}")

    def _deploy(self, name: str, *args: Any) -> str:
        container = getattr(project, name)
        if bytes(container.contract_type.get_deployment_bytecode()) != artifact(name).bytecode:
            refuse(f"deploy: ape's build of {name} is not of these sources; `ape compile --force` renews it")
        try:
            made = self.account.deploy(container, *args, **self._waiting)
        except ContractLogicError as error:
            refuse(f"deploy: {name}: {error.revert_message or 'reverted'}", CHAIN)
        self.sent += 1
        self.echo(f"deploy  {name} at {made.address}")
        return str(made.address)

    def _plan(self, line: str) -> None:
        self.planned += 1
        self.echo(f"would {line}")

    def _at(self, name: str) -> Any:
        """A contract to be read; None where it does not stand yet."""
        made = self.contracts.get(name)
        if made is None:
            return None
        if name not in self._views or self._views[name].address != made.address:
            self._views[name] = view_of(self.chain, name, made.address)
        return self._views[name]

    def _code(self, address: str) -> bytes:
        return self.chain.code(to_checksum_address(address))

    def _height(self) -> int:
        return self.chain.block

    def _now(self) -> int:
        return self.chain.now

    def _index(self, item: Underlying) -> int:
        """The index price [wad] to place strikes around."""
        feed = self._at("IndexFeed")
        if feed is not None and feed.route(item.id)[0]:
            return int(self._ask(f"the route of {item.description}", lambda: feed.price(item.id)[0]))
        price = WAD
        for leg in item.legs:
            price = price * leg.first if not leg.divides else price // leg.first
        return price

    @staticmethod
    def _ask(what: str, question: Callable[[], Any]) -> Any:
        """Read a contract that is not ours; one that does not answer is a named error."""
        try:
            return question()
        except (Refused, AbiError) as error:
            refuse(f"deploy: {what} does not answer ({str(error) or 'no reason'})", CHAIN)


def _words(words: Sequence[int]) -> str:
    return ", ".join(f"{word:#066x}" for word in words)


def _shown(value: Any) -> str:
    """An argument in the log: lists of addresses and selectors by their number."""
    return f"[{len(value)}]" if isinstance(value, list) else str(value)


def _unbounded(route: Sequence[int]) -> tuple[int, ...]:
    """A route's words but for bounds, which are set by themselves."""
    return tuple(word & ~BOUNDS_MASK for word in route)


def verify(config: Config, people: People, provider: ProviderAPI, book: AddressBook) -> list[Check]:
    """Everything that an address book names, read back and compared.

    Raises
    ------
    DeployError
        Where the address book lacks something.
    """
    missing = [name for name in _checks.CONTRACTS if name not in book.contracts]
    missing += [] if book.quote else ["the quote token"]
    missing += [item.symbol for item in config.collateral if item.symbol not in book.tokens]
    missing += [leg.description for key, place, leg in legs_of(config) if leg_key(key, place) not in book.aggregators]
    if missing:
        refuse(f"verify: {book.path.name} lacks {', '.join(missing)}", VERIFICATION)
    site = Site(book.contracts, str(book.quote), book.tokens, book.aggregators, str(book.deployer), book.block or 0)
    return _checks.Audit(reader_of(provider), config, people, site).run()

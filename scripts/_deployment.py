"""Putting Plimsoll up, step by step: what is as it should be is kept, what is missing is done.

    tokens, aggregators -> contracts, as plimsoll.chain.deployment has them -> who names whom -> signers, numbers
    -> feeds -> listings -> first prices remembered -> venues -> hand-over -> verification

Each step reads the chain first, so that a second run does nothing and an interrupted one goes on where it stopped: the
address book is written after every contract. A dry run takes the same steps and sends nothing.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any, Final

from ape import accounts, project
from ape.api import AccountAPI, ProviderAPI
from ape.exceptions import ApeException, ContractLogicError
from eth_utils.address import is_address, to_checksum_address
from eth_utils.crypto import keccak

from plimsoll.chain.artifacts import load as artifact
from plimsoll.chain.deployment import BOOK_VERSION
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT
from plimsoll.spec.registry import pack_curve, pack_fees
from plimsoll.spec.report import pack_floors, pack_rates
from plimsoll.spec.wad import WAD
from scripts import _checks
from scripts._config import CHAIN, TEST_ACCOUNT, VERIFICATION, Config, Underlying, refuse, signers_of

# ape looks for vyper on the path alone, and this Python need not be the activated one.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

DAY: Final = 86_400
WEEK: Final = 7 * DAY
POLL: Final = 0.5  # [s] between looks for a block
NO_SEQUENCER: Final = f"0x{0:040x}"  # of a chain that is no rollup
FRIDAY: Final = DAY + 8 * 3_600  # [s] 1970-01-02 was one; 08:00 UTC
DEVELOPMENT: Final = ("anvil", "hardhat", "ethereumtester")  # what such nodes call themselves
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


def resolve_signers(config: Config, *, development: bool) -> list[str]:
    """The signers' addresses, ascending as the oracle wants them.

    Raises
    ------
    DeployError
        Where one is named twice, or a test account would sign on a live network.
    """
    found: list[str] = []
    for name in signers_of(config):
        if not name.startswith(TEST_ACCOUNT):
            found.append(to_checksum_address(name))
            continue
        if not development:
            refuse(f"deploy: signer {name} is a test account, this is a live network")
        found.append(str(test_account(name).address))
    if len(set(found)) != len(found):
        refuse("config: one signer is named twice")
    return sorted(found, key=lambda address: int(address, 16))


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
        self._waiting = {"required_confirmations": 0}
        self._options = {"sender": account, **self._waiting}
        self.contracts: dict[str, Any] = {}  # those that stand
        self.signers = resolve_signers(config, development=self.development)

    # ---------------------------------------------------------------------------------------------------- the steps

    def run(self) -> None:
        """All of it.

        Raises
        ------
        DeployError
            Where the chain is not as it should be, or what stands in the end fails verification.
        """
        if not self.dry_run and self.book.deployer is None:
            self.book.deployer = self.account.address
            self.book.block = self._height()
        self._token(self.config.quote.symbol, self.config.quote.decimals, self.config.quote.address, None)
        tokens = {
            item.symbol: self._token(item.symbol, item.decimals, item.address, item.symbol)
            for item in self.config.collateral
        }
        aggregators = {item.id: self._aggregator(item) for item in self.config.underlyings}

        past = self.config.history
        parts = ("quote", "RiskOracle", "IndexFeed", "Registry", "Mandates", "History")
        self._contract("IndexFeed", "sequencer")
        self._contract("RiskOracle", "IndexFeed")
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

        self._wire()
        self._govern()
        for item in self.config.underlyings:
            self._feed(item, aggregators[item.id])
        for item in self.config.underlyings:
            self._list(item, aggregators[item.id])
        for collateral in self.config.collateral:
            self._list_collateral(collateral.symbol, tokens[collateral.symbol], collateral.underlying)
        for item in self.config.underlyings:
            self._touch(item)
        self._admit()
        self._hand_over()
        if not self.dry_run:
            self.book.write()
            self._settle()
            self._verify()

    def _wire(self) -> None:
        book, liquidator, fund = (self._at(name) for name in ("Clearinghouse", "Liquidator", "InsuranceFund"))
        office = instance("BackOffice", book.address) if book is not None else None
        for name in ("RiskOracle", "Mandates"):
            part = self._at(name)
            self._step(
                f"{name}.set_book(Clearinghouse)",
                part,
                lambda part=part: part.book() == book.address,  # type: ignore[misc]
                lambda part=part: part.set_book(book, **self._options),  # type: ignore[misc]
            )
        self._step(
            "Clearinghouse.set_liquidator(Liquidator)",
            book,
            lambda: office.liquidator() == liquidator.address,
            lambda: office.set_liquidator(liquidator, **self._options),
        )
        self._step(
            "Clearinghouse.set_fund(InsuranceFund)",
            book,
            lambda: office.fund() == fund.address,
            lambda: office.set_fund(fund, **self._options),
        )
        self._step(
            "Liquidator.set_fund(InsuranceFund)",
            liquidator,
            lambda: liquidator.fund() == fund.address,
            lambda: liquidator.set_fund(fund, **self._options),
        )

    def _govern(self) -> None:
        oracle, registry, liquidator, fund = (
            self._at(name) for name in ("RiskOracle", "Registry", "Liquidator", "InsuranceFund")
        )
        config = self.config
        rates, floors = pack_rates(config.params), pack_floors(config.params)
        bands = (config.bands.price_band, config.bands.reduce_band)
        limits, curve, fees = _checks.limit_words(config), pack_curve(config.curve), pack_fees(config.fees)
        numbers, caps = astuple(config.liquidation), _checks.caps_of(config)
        times = (config.fund.cooldown, config.fund.claim_window)
        self._step(
            f"RiskOracle.set_signers({len(self.signers)} signers, quorum {config.quorum})",
            oracle,
            lambda: (
                (list(map(to_checksum_address, oracle.signers())), oracle.quorum()) == (self.signers, config.quorum)
            ),
            lambda: oracle.set_signers(self.signers, config.quorum, **self._options),
        )
        self._step(
            f"RiskOracle.set_params({rates:#066x}, {floors:#066x})",
            oracle,
            lambda: (oracle.rates(), oracle.floors()) == (rates, floors),
            lambda: oracle.set_params(rates, floors, **self._options),
        )
        self._step(
            f"Registry.set_bands{bands}",
            registry,
            lambda: (registry.price_band(), registry.reduce_band()) == bands,
            lambda: registry.set_bands(*bands, **self._options),
        )
        self._step(
            f"Registry.set_limits({limits[0]:#066x}, {limits[1]:#066x})",
            registry,
            lambda: (registry.account_limits(), registry.pool_limits()) == limits,
            lambda: registry.set_limits(*limits, **self._options),
        )
        self._step(
            f"Registry.set_curve({curve:#066x})",
            registry,
            lambda: registry.curve() == curve,
            lambda: registry.set_curve(curve, **self._options),
        )
        self._step(
            f"Registry.set_fees({fees:#066x})",
            registry,
            lambda: registry.fees() == fees,
            lambda: registry.set_fees(fees, **self._options),
        )
        self._step(
            f"Liquidator.set_config{numbers}",
            liquidator,
            lambda: tuple(liquidator.config()) == numbers,
            lambda: liquidator.set_config(numbers, **self._options),
        )
        self._step(
            f"InsuranceFund.set_caps{caps}",
            fund,
            lambda: (fund.event_cap(), fund.underlying_cap()) == caps,
            lambda: fund.set_caps(*caps, **self._options),
        )
        self._step(
            f"InsuranceFund.set_cooldown{times}",
            fund,
            lambda: (fund.cooldown(), fund.claim_window()) == times,
            lambda: fund.set_cooldown(*times, **self._options),
        )

    def _feed(self, item: Underlying, aggregator: str | None) -> None:
        feed = self._at("IndexFeed")
        low, high = item.bounds.low * WAD, item.bounds.high * WAD
        self._step(
            f"IndexFeed.set_feed({item.id:#06x}, {item.description}, {item.max_age} s, {item.strike_exponent})",
            feed if aggregator else None,
            lambda: _checks.is_fed(feed, item, aggregator or ""),
            lambda: feed.set_feed(item.id, aggregator, item.max_age, item.strike_exponent, **self._options),
        )
        self._step(
            f"IndexFeed.set_bounds({item.id:#06x}, {item.bounds.low}, {item.bounds.high})",
            feed,
            lambda: tuple(feed.bounds(item.id)) == _checks.bounds_of(item),
            lambda: feed.set_bounds(item.id, low, high, **self._options),
        )

    def _list(self, item: Underlying, aggregator: str | None) -> None:
        """Perpetual, futures, options; a surface that has some of a kind is left as it is."""
        wanted: list[tuple[int, int, int]] = [(0, PERP, 0)] if item.perpetual else []
        now = self._now()
        for expiry in item.expiries:
            at = expiry_of(now, expiry.weeks)
            if expiry.future:
                wanted.append((at, FUTURE, 0))
            for strike in strikes_of(self._index(item, aggregator), expiry.strikes, expiry.step):
                units = strike * 10 ** (18 - item.strike_exponent)
                wanted += [(at, CALL, units), (at, PUT, units)]
        registry = self._at("Registry")
        there: set[tuple[int, int]] = set()
        if registry is not None:
            for at in {at for at, _, _ in wanted}:
                there |= {(at, found >> 64 & 0xFF) for found in registry.listing(item.id, at)}
        for at, kind, strike in wanted:
            self._step(
                f"Registry.list_instrument({item.id:#06x}, {at}, {KIND_NAMES[kind]}, {strike})",
                registry,
                lambda at=at, kind=kind: (at, kind) in there,  # type: ignore[misc]
                lambda at=at, kind=kind, strike=strike: registry.list_instrument(  # type: ignore[misc]
                    item.id, at, kind, strike, **self._options
                ),
            )

    def _list_collateral(self, symbol: str, token: str | None, underlying: int) -> None:
        registry = self._at("Registry")
        self._step(
            f"Registry.list_collateral({symbol}, {underlying:#06x})",
            registry if token else None,
            lambda: registry.collateral(token)[1] != 0,
            lambda: registry.list_collateral(token, underlying, **self._options),
        )

    def _touch(self, item: Underlying) -> None:
        """A first price is remembered, so that the lag begins to run; keepers go on from there."""
        history = self._at("History")
        self._step(
            f"History.touch({item.id:#06x})",
            history,
            lambda: self.config.history.lag == 0 or history.checkpoints(item.id)[1] != 0,
            lambda: history.touch(item.id, **self._options),
            owned=False,
        )

    def _admit(self) -> None:
        registry = self._at("Registry")
        for name in _checks.VENUES:
            venue = self._at(name)
            self._step(
                f"Registry.set_venue({name}, True)",
                registry if venue is not None else None,
                lambda venue=venue: registry.venues(venue),  # type: ignore[misc]
                lambda venue=venue: registry.set_venue(venue, True, **self._options),  # type: ignore[misc]
            )

    def _hand_over(self) -> None:
        owner = self.config.owner
        if owner is None:
            return
        for name in _checks.OWNED:
            contract = self._at(name)
            self._step(
                f"{name}.transfer_ownership({owner})",
                contract,
                lambda contract=contract: owner in {contract.owner(), contract.pending_owner()},  # type: ignore[misc]
                lambda contract=contract: contract.transfer_ownership(owner, **self._options),  # type: ignore[misc]
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

    def _verify(self) -> None:
        found = verify(self.config, self.signers, self.provider, self.book, self.account.address)
        if found:
            refuse("verify: " + "; ".join(found), VERIFICATION)
        self.echo(f"verified {len(_checks.CONTRACTS)} contracts, {len(self.config.underlyings)} feeds")

    # ------------------------------------------------------------------------------------------------- what stands

    def _contract(self, name: str, *of: str | int) -> None:
        """One contract of the protocol, kept or deployed; `of` are its constructor's arguments, contracts by name."""
        recorded = None if self.replace else self.book.contracts.get(name)
        known: dict[str, str] = {**self.book.contracts, "quote": self.book.quote or "", "sequencer": NO_SEQUENCER}
        wanted = {part: known[part] for part in of if isinstance(part, str) and known.get(part)}
        code = self._code(recorded) if recorded else b""
        if recorded and code:
            self._check_code(name, recorded, code, wanted, "; --replace deploys the protocol anew", CHAIN)
            self.contracts[name] = instance(name, recorded)
            self.book.code[name] = keccak(code).hex()
            self.echo(f"keep    {name} at {recorded}")
            return
        if recorded and not self.development:
            refuse(f"deploy: {name}: no code at {recorded}, where the address book has it", CHAIN)
        if self.dry_run:
            self._plan(f"deploy  {name}({', '.join(map(str, of))})")
            return
        address = self._deploy(name, *(known[part] if isinstance(part, str) else part for part in of))
        code = self._code(address)
        self._check_code(name, address, code, wanted, "", VERIFICATION)
        self.contracts[name] = instance(name, address)
        self.book.contracts[name] = address
        self.book.code[name] = keccak(code).hex()
        self.book.write()

    def _check_code(
        self, name: str, address: str, code: bytes, wanted: Mapping[str, str], hint: str, exit_code: int
    ) -> None:
        wrong = _checks.check_code(name, address, code, wanted, self.provider.chain_id)
        if wrong:
            refuse(f"deploy: {wrong[0]}{hint}", exit_code)

    def _token(self, symbol: str, decimals: int, address: str | None, key: str | None) -> str | None:
        """A token's address: configured, recorded, or a new mock; `key` None is the quote token."""
        recorded = self.book.quote if key is None else self.book.tokens.get(key)
        at = address or recorded
        if at is not None and self._code(at):
            token = instance("MockToken", at)
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

    def _aggregator(self, item: Underlying) -> str | None:
        """An aggregator's address: configured, recorded, or a new mock; its price is fresh."""
        recorded = self.book.aggregators.get(str(item.id))
        at = item.aggregator if item.aggregator and self._code(item.aggregator) else None
        mocked = False
        if at is None:
            if item.aggregator and not self.development:
                refuse(f"deploy: aggregator {item.description}: no code at {item.aggregator}", CHAIN)
            if not self.config.mocks.feeds and not self.development:
                refuse(f"deploy: aggregator {item.description} has no address, and mocks of feeds are not allowed")
            mocked = True
            if recorded is not None and self._code(recorded):
                at = recorded
            elif self.dry_run:
                self._plan(f"deploy  MockAggregator({item.description}, {item.decimals})")
                self._plan(f"call    MockAggregator.set({item.first * 10**item.decimals}) for {item.description}")
                return None
            else:
                at = self._deploy("MockAggregator", item.decimals, item.description)
        aggregator = instance("MockAggregator", at)
        if mocked:
            answer = item.first * 10**item.decimals
            self._step(
                f"MockAggregator.set({answer}) for {item.description}",
                aggregator,
                lambda: aggregator.latestRoundData()[3] + item.max_age // 2 > self._now(),
                lambda: aggregator.set(answer, **self._options),
                owned=False,
            )
        if not (mocked and self.dry_run):
            wrong = self._ask(
                f"aggregator {item.description} at {at}",
                lambda: _checks.check_aggregator(aggregator, item, self._code(at), self._now()),
            )
            if wrong:
                refuse(f"deploy: {'; '.join(wrong)}", CHAIN)
        self.echo(f"use     aggregator {item.description} at {at}")
        self.book.aggregators[str(item.id)] = at
        if not self.dry_run:
            self.book.write()
        return at

    # ------------------------------------------------------------------------------------------------------ a step

    def _step(
        self,
        label: str,
        target: Any,
        is_done: Callable[[], bool],
        act: Callable[[], Any],
        *,
        owned: bool = True,
    ) -> None:
        """Act where it is not done; in a dry run, or where the target does not stand yet, say so."""
        if target is not None and is_done():
            self.echo(f"keep    {label}")
            return
        if self.dry_run:
            self._plan(f"call    {label}")
            return
        if owned and target.owner() != self.account.address:
            refuse(f"deploy: {label}: {self.account.address} is not the owner", CHAIN)
        try:
            act()
        except ContractLogicError as error:
            refuse(f"deploy: {label}: {error.revert_message or 'reverted'}", CHAIN)
        self.sent += 1
        self.echo(f"call    {label}")

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
        return self.contracts.get(name)

    def _code(self, address: str) -> bytes:
        return bytes(self.provider.get_code(address))

    def _height(self) -> int:
        return int(self.provider.get_block("latest").number or 0)

    def _now(self) -> int:
        return int(self.provider.get_block("latest").timestamp)

    def _index(self, item: Underlying, aggregator: str | None) -> int:
        """The index price [wad] to place strikes around."""
        if aggregator is None:
            return item.first * WAD
        answer = instance("MockAggregator", aggregator).latestRoundData()[1]
        return int(answer * 10 ** (18 - item.decimals)) or item.first * WAD

    @staticmethod
    def _ask(what: str, question: Callable[[], Any]) -> Any:
        """Read a contract that is not ours; one that does not answer is a named error."""
        try:
            return question()
        except ApeException as error:
            refuse(f"deploy: {what} does not answer ({type(error).__name__})", CHAIN)


def verify(
    config: Config, signers: list[str], provider: ProviderAPI, book: AddressBook, deployer: str | None = None
) -> list[str]:
    """Everything that an address book names, read back and compared; what is wrong, in sentences."""
    missing = [name for name in _checks.CONTRACTS if name not in book.contracts]
    missing += [] if book.quote else ["the quote token"]
    missing += [item.description for item in config.underlyings if str(item.id) not in book.aggregators]
    if missing:
        return [f"{book.path.name} lacks {', '.join(missing)}"]
    known = {**book.contracts, "quote": str(book.quote)}
    found: list[str] = []
    for name, address in book.contracts.items():
        code = bytes(provider.get_code(address))
        found += _checks.check_code(name, address, code, known, provider.chain_id)
    if found:
        return found
    contracts = {name: instance(name, book.contracts[name]) for name in _checks.CONTRACTS}
    office = instance("BackOffice", book.contracts["Clearinghouse"])
    now = int(provider.get_block("latest").timestamp)
    found += _checks.check_wiring(contracts, office, str(book.quote))
    found += _checks.check_governance(contracts, config, signers)
    found += _checks.check_owners(contracts, deployer or str(book.deployer), config.owner)
    for item in config.underlyings:
        at = book.aggregators[str(item.id)]
        aggregator = instance("MockAggregator", at)
        found += _checks.check_aggregator(aggregator, item, bytes(provider.get_code(at)), now)
        found += _checks.check_feed(contracts["IndexFeed"], item, at)
    return found

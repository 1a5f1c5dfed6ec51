"""`ape run first_trade --network ...`: a first report, two funded accounts, two trades, and the margin after them.

    ape run deploy      --network ethereum:local:http://127.0.0.1:8545
    ape run first_trade --network ethereum:local:http://127.0.0.1:8545

For development nodes with mock tokens and mock feeds. Test accounts of ape's play every part: the risk nodes that
networks.yaml names, a maker, a taker, and a keeper who posts and settles. What is there already is kept, so that a
second run sends nothing.

Recorded prices to measure risk on are not to be had here. So the report is the engine's own, EwmaFhs and all, but over
daily closes that this script makes up (seeded, fat-tailed, ending at the feed's live price). The output says so.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import numpy as np
from ape.api import AccountAPI, ProviderAPI
from ape.cli import ConnectedProviderCommand
from ape.exceptions import ContractLogicError
from ape.logging import logger
from eth_account.messages import encode_typed_data
from eth_utils.address import to_checksum_address
from rich.console import Console

from plimsoll.chain.artifacts import load as artifact
from plimsoll.chain.deployment import account_id
from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.report.account import Labels, account_tables, exact, name_of, summary_of
from plimsoll.risk.engine import BuiltReport, Engine
from plimsoll.risk.errors import RiskError
from plimsoll.risk.models import EwmaFhs, State
from plimsoll.risk.signing import order as in_order
from plimsoll.spec.exchange import DOMAIN, ORDER_TYPE
from plimsoll.spec.instruments import CALL, MASK_ID, PERP, unpack
from plimsoll.spec.oracle import unpack_params
from plimsoll.spec.report import digest, unpack_class
from plimsoll.spec.surface import Surface, decode
from plimsoll.spec.wad import WAD
from scripts import _checks
from scripts._config import CHAIN, NETWORKS, TEST_ACCOUNT, Config, Underlying, load, refuse, signers_of
from scripts._deployment import DAY, AddressBook, book_of, expiry_of, instance, is_development, test_account

ETH: Final = "ETH"  # what is traded
KEEPER, MAKER, TAKER = f"{TEST_ACCOUNT}4", f"{TEST_ACCOUNT}5", f"{TEST_ACCOUNT}6"
CASH: Final = {MAKER: 20_000, TAKER: 2_000}  # [quote] deposited
WETH: Final = WAD // 2  # deposited by the taker beside it
QUANTITY: Final = WAD  # of each trade
CENT: Final = WAD // 100
ORDER_LIFE: Final = 600  # [s]
VENUE_LIFE: Final = 30 * DAY  # [s] for which the accounts let the exchange trade
BUDGET: Final = 100  # [quote] that it may lose each against the marks
UNDERLYING_SHIFT: Final = 112  # of an instrument's id
UNDERLYING_BITS: Final = 0xFFFF << UNDERLYING_SHIFT
DAYS: Final = 1_000  # of made-up history
SEED: Final = 1876  # the year of the Merchant Shipping Act
DAILY_VOLATILITY: Final = 0.025
COMMON: Final = 0.8  # correlation of the made-up markets
FREEDOM: Final = 5  # of Student's t: fat tails
WIDTH: Final = 100  # of what is written to no terminal
HEAD: Final = f"{'who':<8}{'what':<72}{'gas':>12}"
LIVE: Final = "first_trade: this is a live network; it plays with test accounts and mock tokens alone"


def order_fields() -> list[dict[str, str]]:
    """The fields of an order as EIP-712 wants them, from the type that contract and twin hash."""
    listed = ORDER_TYPE.decode().removeprefix("Order(").removesuffix(")")
    return [dict(zip(("type", "name"), part.split(" "), strict=True)) for part in listed.split(",")]


def made_up_history(market_time: int, prices: Sequence[float]) -> list[History]:
    """Daily closes of several markets up to a time [unix s], drawn anew from one seed; the last ones are `prices`."""
    rng = np.random.default_rng(SEED)
    scale = DAILY_VOLATILITY * np.sqrt((FREEDOM - 2) / FREEDOM)
    together = rng.standard_t(FREEDOM, DAYS - 1)
    today = market_time // DAY * DAY
    time = today + DAY * np.arange(-DAYS, 0, dtype=np.int64)
    found = []
    for price in prices:
        alone = rng.standard_t(FREEDOM, DAYS - 1)
        moves = scale * (np.sqrt(COMMON) * together + np.sqrt(1 - COMMON) * alone)
        path = np.concatenate(([0.0], np.cumsum(moves)))
        found.append(History(time, price * np.exp(path - path[-1]), DAY))
    return found


class Step(NamedTuple):
    """One line of the log."""

    who: str
    text: str
    gas: int | None  # 0 where nothing was left to do; None where the line only tells


class FirstTrade:
    """One run over one deployment.

    Parameters
    ----------
    config, provider, book
        As `deploy` took them.
    echo
        Takes each step once it is done.

    Raises
    ------
    DeployError
        Where this is no place for it: a live network, no deployment, tokens or feeds that are no mocks.
    """

    def __init__(
        self, config: Config, provider: ProviderAPI, book: AddressBook, echo: Callable[[Step], None] = lambda _: None
    ) -> None:
        self.config = config
        self.provider = provider
        self.book = book
        self.echo = echo
        self.steps: list[Step] = []
        self._check()
        self.keeper, self.maker, self.taker = (test_account(name) for name in (KEEPER, MAKER, TAKER))
        self.feed, self.oracle, self.registry, self.mandates, self.clearinghouse, self.exchange, self.lens = (
            instance(name, book.contracts[name])
            for name in ("IndexFeed", "RiskOracle", "Registry", "Mandates", "Clearinghouse", "Exchange", "Lens")
        )
        self.quote = instance("MockToken", str(book.quote))
        self.aggregators = {
            item.id: instance("MockAggregator", book.aggregators[str(item.id)]) for item in config.underlyings
        }
        self.market = self._market()
        self.listed = self._listed()
        self.wallets: dict[str, AccountAPI] = {MAKER: self.maker, TAKER: self.taker}

    @property
    def account(self) -> int:
        """The taker's account."""
        return account_id(str(self.taker.address))

    def run(self) -> None:
        """Report, funds, trades; each where it is missing.

        Raises
        ------
        DeployError
            Where a contract refuses, with its reason, or the engine has nothing to say.
        """
        try:
            self._report()
            self._fund()
            for instrument in self._wanted():
                self._trade(instrument)
        except ContractLogicError as error:
            reason = error.revert_message or "reverted without a reason"
            stale = "; `ape run deploy` sets the mocks' prices anew" if reason.startswith("feed: ") else ""
            refuse(f"first_trade: {reason}{stale}", CHAIN)
        except RiskError as error:
            refuse(f"first_trade: no report can be made: {error}", CHAIN)

    # ------------------------------------------------------------------------------------------------- is this a place

    def _check(self) -> None:
        if not is_development(self.provider):
            refuse(LIVE)
        book, path = self.book, self.book.path
        missing = [name for name in _checks.CONTRACTS if name not in book.contracts]
        missing += [] if book.quote else ["the quote token"]
        missing += [item.description for item in self.config.underlyings if str(item.id) not in book.aggregators]
        missing += [item.symbol for item in self.config.collateral if item.symbol not in book.tokens]
        if missing:
            refuse(f"first_trade: address book {path} lacks {', '.join(missing)}; `ape run deploy` writes it")
        known = {**book.contracts, "quote": str(book.quote)}
        for name in _checks.CONTRACTS:
            address = book.contracts[name]
            checks = _checks.check_code(name, address, self._code(address), known, self.config, self.provider.chain_id)
            wrong = [check for check in checks if not check.is_good]
            if wrong:
                refuse(f"first_trade: {wrong[0]}; `ape run deploy` puts it up on this node, --replace anew", CHAIN)
        mocks = [("MockToken", self.config.quote.symbol, str(book.quote))]
        mocks += [("MockToken", item.symbol, book.tokens[item.symbol]) for item in self.config.collateral]
        mocks += [
            ("MockAggregator", item.description, book.aggregators[str(item.id)]) for item in self.config.underlyings
        ]
        for name, what, address in mocks:
            if not _checks.is_compiled(self._code(address), artifact(name)):
                refuse(f"first_trade: {what} at {address} is no {name}; it plays with mocks alone")

    def _market(self) -> Underlying:
        """The configured underlying that is traded."""
        for item in self.config.underlyings:
            if name_of(item.description) == ETH and item.perpetual:
                return item
        return refuse(f"first_trade: the configuration lists no perpetual on {ETH}")

    def _listed(self) -> dict[tuple[int, int], list[int]]:
        """Ids by (underlying, expiry), of what is listed and has not expired."""
        weeks = max((expiry.weeks for item in self.config.underlyings for expiry in item.expiries), default=0)
        now = self._now()
        fridays = [expiry_of(now - DAY, week) for week in range(1, weeks + 2)] if weeks else []
        found = {}
        for item in self.config.underlyings:
            for expiry in (0, *fridays):
                ids = [int(word) & MASK_ID for word in self.registry.listing(item.id, expiry)]
                if ids:
                    found[item.id, expiry] = sorted(ids)
        if (self.market.id, 0) not in found:
            refuse(f"first_trade: nothing is listed on {self.market.description}; `ape run deploy` lists it", CHAIN)
        return found

    def _wanted(self) -> list[int]:
        """The perpetual, and of the nearest calls the first out of the money."""
        ids = [
            found for (underlying, _), group in self.listed.items() if underlying == self.market.id for found in group
        ]
        price, _, unit = self.feed.price(self.market.id)
        calls = sorted(
            (found for found in ids if unpack(found).kind == CALL),
            key=lambda found: (unpack(found).expiry, unpack(found).strike),
        )
        nearest = [found for found in calls if unpack(found).expiry == unpack(calls[0]).expiry]
        above = [found for found in nearest if unpack(found).strike * unit > price] or nearest[-1:]
        perpetuals = [found for found in ids if unpack(found).kind == PERP]
        if not perpetuals or not above:
            refuse(
                f"first_trade: no perpetual, or no call that has not expired, is listed on {self.market.description}; "
                "`ape run deploy --account` of a proposer lists them: a run to propose, one to execute",
                CHAIN,
            )
        return [perpetuals[0], above[0]]

    # ----------------------------------------------------------------------------------------------------- the report

    def _report(self) -> None:
        """Post a report where one of the surfaces is missing, or half as old as it may become."""
        now = self._now()
        max_age = unpack_params(self.oracle.rates(), self.oracle.floors()).max_age
        pointers = {key: int(self.oracle.pointer(*key)) for key in self.listed}
        if all(pointer and now - (pointer >> 32 & 0xFFFFFFFF) <= max_age // 2 for pointer in pointers.values()):
            self._done("keeper", f"report {self.oracle.sequence()} is fresh", 0)
            return
        built = Engine(EwmaFhs()).report(self._snapshot(now), self._previous(pointers))
        signed = digest(built.report, self.provider.chain_id, self.oracle.address)
        signatures = in_order(signed, [node.sign_raw_msghash(signed).encode_rsv() for node in self._nodes()])
        self._post(built, signatures)

    def _snapshot(self, now: int) -> Snapshot:
        """Live prices and listings, and histories that are made up."""
        underlyings = [item for item in self.config.underlyings if any(key[0] == item.id for key in self.listed)]
        live = [self.feed.price(item.id) for item in underlyings]
        histories = made_up_history(now, [price / WAD for price, _, _ in live])
        return Snapshot(
            now,
            tuple(
                Market(
                    underlying=item.id,
                    index=price / WAD,
                    history=history,
                    instruments=tuple(found for key, ids in self.listed.items() if key[0] == item.id for found in ids),
                    strike_unit=unit,
                    name=f"{name_of(item.description)}, history made up",
                )
                for item, (price, _, unit), history in zip(underlyings, live, histories, strict=True)
            ),
        )

    def _previous(self, pointers: dict[tuple[int, int], int]) -> State | None:
        """What the last report left, for the next one to glide from."""
        sequence = int(self.oracle.sequence())
        if sequence == 0:
            return None
        surfaces = tuple(self._surface(pointer) for pointer in pointers.values() if pointer)
        classes = [int(self.oracle.classes(klass)) for klass in sorted({key[0] >> 8 for key in pointers})]
        return State.of(
            sequence, int(self.oracle.market_time()), surfaces, tuple(unpack_class(word) for word in classes if word)
        )

    def _nodes(self) -> list[AccountAPI]:
        """As many of the configured risk nodes as the oracle wants, which have to be test accounts that it knows."""
        quorum, known = int(self.oracle.quorum()), set(self.oracle.signers())
        named = [test_account(name) for name in signers_of(self.config) if name.startswith(TEST_ACCOUNT)]
        nodes = [node for node in named if node.address in known]
        if len(nodes) < quorum:
            refuse(f"first_trade: {len(nodes)} test accounts are signers of the oracle; a report takes {quorum}", CHAIN)
        return nodes[:quorum]

    def _post(self, built: BuiltReport, signatures: Sequence[bytes]) -> None:
        addresses, gas = [], 0
        for code in built.codes[:-1]:
            receipt = self.oracle.store(code, **self._from(self.keeper))
            (event,) = receipt.events.filter(self.oracle.SurfaceStored)
            addresses.append(event.surface)
            gas += receipt.gas_used
        rows = sum(len(surface.rows) for surface in built.surfaces)
        if addresses:
            self._done("keeper", f"store {len(addresses)} of {len(built.codes)} surfaces", gas)
        values = tuple(asdict(built.report).values())
        receipt = self.oracle.post(values, list(signatures), addresses, built.codes[-1], **self._from(self.keeper))
        self._done(
            "keeper",
            f"post report {built.report.sequence}, {rows} instruments, signed by {len(signatures)} risk nodes",
            receipt.gas_used,
        )
        for underlying, rate in built.summary.items():
            name = name_of(next(item.description for item in self.config.underlyings if item.id == underlying))
            self._done("", f"  {name}: MM {rate.mm:.1%}, IM {rate.im:.1%}, on the made-up history", None)

    # -------------------------------------------------------------------------------------------------------- the funds

    def _fund(self) -> None:
        """Both accounts have money, and let the exchange trade for them."""
        for name, who in self.wallets.items():
            account = account_id(str(who.address))
            ledger = self.clearinghouse.ledger(account)
            amount = CASH[name] * 10**self.config.quote.decimals
            self._deposit(
                who, self.quote, amount, f"{CASH[name]:,} {self.config.quote.symbol}", kept=tuple(ledger) != (0, 0)
            )
            if who is self.taker:
                self._fund_collateral(account)
            venue = (account, self.exchange)
            if self.mandates.allowance(*venue)[0] > self._now() + DAY:
                self._done(self._role(who), "the exchange may trade for the account", 0)
                continue
            until = self._now() + VENUE_LIFE
            mandate = (until, BUDGET * WAD, UNDERLYING_BITS, self.market.id << UNDERLYING_SHIFT)
            receipt = self.mandates.set_allowance(*venue, *mandate, **self._from(who))
            self._done(
                self._role(who),
                f"let the exchange trade {ETH}, for 30 days, {BUDGET} worse than marks in all",
                receipt.gas_used,
            )

    def _fund_collateral(self, account: int) -> None:
        """The taker brings collateral that is priced by what is traded, where one is listed."""
        for item in self.config.collateral:
            if item.underlying == self.market.id:
                token = instance("MockToken", self.book.tokens[item.symbol])
                held = self.clearinghouse.quantity(account, self.registry.collateral(token)[0])
                amount = WETH // 10 ** (18 - item.decimals)
                self._deposit(self.taker, token, amount, f"{exact(WETH)} {item.symbol}", kept=held > 0)

    def _deposit(self, who: AccountAPI, token: Any, amount: int, text: str, *, kept: bool) -> None:
        role = self._role(who)
        if kept:
            self._done(role, f"{text} deposited", 0)
            return
        gas = token.mint(who, amount, **self._from(who)).gas_used
        gas += token.approve(self.clearinghouse, amount, **self._from(who)).gas_used
        self._done(role, f"mint {text} of mock tokens, and approve", gas)
        account = account_id(str(who.address))
        receipt = self.clearinghouse.deposit(account, token, amount, **self._from(who))
        self._done(role, f"deposit {text}", receipt.gas_used)

    # ------------------------------------------------------------------------------------------------------- the trades

    def _trade(self, instrument: int) -> None:
        """The taker buys one from the maker, at the mark; two signatures, one transaction of the keeper's."""
        text = self._labels().instrument(instrument)
        if self.clearinghouse.quantity(self.account, instrument) >= QUANTITY:
            self._done("taker", f"holds {exact(QUANTITY)} {text}", 0)
            return
        price = max(self.oracle.mark(instrument), CENT)  # neither side worse: that would ask for prices of a lag ago
        sides = [
            part
            for who, quantity in ((self.maker, -QUANTITY), (self.taker, QUANTITY))
            for part in self._order(who, instrument, quantity, price)
        ]
        receipt = self.exchange.settle(*sides, QUANTITY, **self._from(self.keeper))
        shown = exact(price // CENT * CENT)
        self._done("keeper", f"settle two orders: the taker buys {exact(QUANTITY)} {text} at {shown}", receipt.gas_used)

    def _order(self, who: AccountAPI, instrument: int, quantity: int, price: int) -> tuple[tuple[Any, ...], bytes]:
        """An order and its signature, made as a wallet makes them."""
        now = self._now()
        account = account_id(str(who.address))
        fields = {
            "account": account,
            "signer": who.address,
            "instrument": instrument,
            "quantity": quantity,
            "price": price,
            "expires": now + ORDER_LIFE,
            "nonce": max(now, int(self.exchange.floor(account))),
        }
        domain = {
            "name": DOMAIN,
            "version": "1",
            "chainId": self.provider.chain_id,
            "verifyingContract": self.exchange.address,
        }
        signed = who.sign_message(encode_typed_data(domain, {"Order": order_fields()}, fields))
        return tuple(fields.values()), signed.encode_rsv()

    # ------------------------------------------------------------------------------------------------------ the account

    def summary(self) -> dict[str, Any]:
        """The taker's account as it stands now; see `plimsoll.report.account`."""
        account = self.account
        return summary_of(
            account,
            self._now(),
            self.lens.explain(account),
            self.lens.greeks(account),
            [int(word) for word in self.clearinghouse.positions(account)],
            self.clearinghouse.ledger(account),
            self._labels(),
        )

    def _labels(self) -> Labels:
        pointers = {underlying: int(self.oracle.pointer(underlying, 0)) for underlying in self.aggregators}
        tokens = {
            int(self.registry.collateral(self.book.tokens[item.symbol])[0]): item.symbol
            for item in self.config.collateral
        }
        return Labels(
            names={item.id: name_of(item.description) for item in self.config.underlyings},
            tokens=tokens,
            strike_units={underlying: self.feed.strike_unit(underlying) for underlying in self.aggregators},
            surfaces={underlying: self._surface(found) for underlying, found in pointers.items() if found},
        )

    # --------------------------------------------------------------------------------------------------------- internal

    def _surface(self, pointer: int) -> Surface:
        return decode(self._code(to_checksum_address((pointer >> 96).to_bytes(20, "big"))))

    def _code(self, address: str) -> bytes:
        return bytes(self.provider.get_code(address))

    def _now(self) -> int:
        """When the next transaction is mined: on an idle node the latest block may be hours old."""
        return max(int(self.provider.get_block(block).timestamp) for block in ("latest", "pending"))

    def _role(self, who: AccountAPI) -> str:
        return "taker" if who is self.taker else "maker"

    @staticmethod
    def _from(who: AccountAPI) -> dict[str, Any]:
        return {"sender": who, "required_confirmations": 0}

    def _done(self, who: str, text: str, gas: int | None) -> None:
        self.steps.append(Step(who, text, gas))
        self.echo(self.steps[-1])


def next_command(run: FirstTrade) -> str:
    """What shows the account again, from outside; empty where the chain ends with this process."""
    if run.provider.name != "node":
        return ""
    plimsoll = os.path.relpath(Path(sys.executable).with_name("plimsoll"))
    return f"{plimsoll} account {run.taker.address} --node {run.provider.http_uri} --book {run.book.path}"


def step_line(step: Step) -> str:
    """Who did what, and its gas."""
    spent = "" if step.gas is None else f"{step.gas:,}" if step.gas else "done before"
    return f"{step.who:<8}{step.text:<72}{spent:>12}".rstrip()


@click.command(cls=ConnectedProviderCommand)
@click.option(
    "--config", type=click.Path(path_type=Path, dir_okay=False), default=NETWORKS, help="As `deploy` took it."
)
@click.option("--profile", help="Its entry; the network's name where none is given.")
@click.option("--book", type=click.Path(path_type=Path, dir_okay=False), help="Address book; under build/ by default.")
def cli(provider: ProviderAPI, config: Path, profile: str | None, book: Path | None) -> None:
    """Play a first trade with test accounts and mock tokens: report, deposits, signed orders, margin."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    with logger.at_level("WARNING"):
        if not is_development(provider):
            refuse(LIVE)
        told = load(profile or provider.network.name, config)
        run = FirstTrade(told, provider, book_of(provider, book), lambda step: click.echo(step_line(step)))
        click.echo(
            f"There are no recorded prices here: risk is measured on {DAYS:,} made-up daily closes (seed {SEED})\n"
            "that end at the mock feeds' prices. Everything else is the real thing.\n\n" + HEAD
        )
        run.run()
        summary = run.summary()
    console.print("\nThe taker's account, from Lens.explain:\n")
    console.print(account_tables(summary))
    console.print(f"\naccount {summary['account']}, which is {summary['owner']}:{summary['number']}", soft_wrap=True)
    command = next_command(run)
    if command:
        console.print(f"next    {command}", soft_wrap=True)

"""A town: a whole deployment on a development node, its people, and the processes that look after it.

Everything is as an operator would have it, but that prices move by one transaction of ours. The keeper and the risk
nodes are the commands themselves, in processes of their own, with settings files, keys in their environment, and
endpoints (`plimsoll.simulate.rig.proxy`) that can be broken. Keys are public by design.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from plimsoll.chain.anvil import free_port
from plimsoll.chain.contract import Contract
from plimsoll.chain.deployment import FeedConfig, System, SystemConfig, account_id, deploy_system, save_book
from plimsoll.chain.node import NodeChain
from plimsoll.keeper.sources import FeedSource, MarketSource
from plimsoll.keeper.state import ChainReader, Held
from plimsoll.market.bars import DAY
from plimsoll.risk.engine import Engine
from plimsoll.risk.named import made
from plimsoll.risk.signing import address_of, sign, sign_all
from plimsoll.simulate.errors import SimulationError
from plimsoll.simulate.market import FEED_DECIMALS, FOREVER, UNLIMITED, Party, key_of
from plimsoll.simulate.rig.devnet import PART, Devnet
from plimsoll.simulate.rig.process import Program, Stage
from plimsoll.simulate.rig.proxy import Proxy
from plimsoll.simulate.rig.venues import TownVenues
from plimsoll.spec.errors import Refused
from plimsoll.spec.exchange import Order
from plimsoll.spec.exchange import digest as order_digest
from plimsoll.spec.instruments import CALL, MASK_ID, PERP, PUT, word
from plimsoll.spec.liquidator import Config
from plimsoll.spec.margin import assess
from plimsoll.spec.report import digest
from plimsoll.spec.wad import WAD

HOUR: Final = 3_600
ETHER: Final = 10**18
MARKETS: Final = ("BTC", "ETH")
PRICE: Final = 100.0  # of every underlying, at first
HISTORY: Final = 400  # daily bars
VOLATILITY: Final = 0.012  # of them
DEPTH: Final = 1e6  # [contracts]
EXPIRY: Final = 30 * DAY
STRIKES: Final = (0.9, 1.1)  # over the first price, a put and a call
SIGNERS: Final = 3
QUORUM: Final = 2
FUND: Final = 10**6  # [quote] in the insurance fund
RICH: Final = 10**9  # [quote] of the market maker and of the bidder
TIP: Final = 2 * 10**9  # [wei] of the town's own transactions
MAX_FEE: Final = 10**11  # [wei] likewise
GAS: Final = 3_000_000  # of any of the town's own transactions
PURSE: Final = 10  # [ether] of a keeper's key
# the quickest that the contracts allow: a rig has minutes
LIQUIDATION: Final = Config(call_period=300, urgent_period=60, ramp=60, start_discount=500_000, bonus=100_000)
ROLES: Final = ("governance", "poster", "liquidator", *(f"node {k}" for k in range(SIGNERS)))
KEYS: Final = {role: key_of(f"rig {role}") for role in ROLES}
PLIMSOLL: Final = (sys.executable, "-m", "plimsoll.cli")


def underlying_of(market: int) -> int:
    """Number of the k-th market's underlying; all are of one class."""
    return 1 << 8 | market + 1


@dataclass(frozen=True, slots=True)
class TownConfig:
    """What a town has.

    Parameters
    ----------
    accounts
        With collateral and a position, well funded.
    block_time
        [s]
    own_clock
        Whether we make the blocks, so that base fee and clock can be turned.
    markets
        Underlyings: a perpetual each; the first has options as well.
    endpoints
        Of the node, for the keeper.
    nodes
        Risk nodes as processes; with none the keeper has their keys.
    seed
        Of what is drawn.
    venues
        Whether the keeper has exchanges to ask, see `plimsoll.simulate.rig.venues`.
    """

    accounts: int = 100
    block_time: float = 1.0
    own_clock: bool = False
    markets: int = 2
    endpoints: int = 1
    nodes: int = 0
    seed: int = 1
    venues: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.markets <= len(MARKETS):
            raise SimulationError(f"{self.markets} markets; 1 .. {len(MARKETS)} is right")
        if self.nodes not in {0, SIGNERS}:
            raise SimulationError(f"{self.nodes} risk nodes; none or {SIGNERS} is right")
        if self.endpoints < 1 or self.accounts < 0:
            raise SimulationError(f"{self.endpoints} endpoints, {self.accounts} accounts; at least 1 and 0 are right")


@dataclass(frozen=True, slots=True)
class Stake:
    """One account to be opened: `quantity` [wad] of an instrument, and what it brings [wad of quote]."""

    account: int
    owner: str
    key: str = field(repr=False)
    instrument: int
    quantity: int
    cash: int


class Town:
    """A deployment that lives, and who looks after it.

    Parameters
    ----------
    stage
        Ends its processes.
    config
        What it has.
    """

    def __init__(self, stage: Stage, config: TownConfig | None = None) -> None:
        self.stage = stage
        self.folder = stage.folder
        self.config = config or TownConfig()
        self.rng = np.random.default_rng(self.config.seed)
        self.net = Devnet(stage, self.config.block_time)
        self.owner = address_of(KEYS["governance"])
        self.poster = address_of(KEYS["poster"])
        self.liquidator = address_of(KEYS["liquidator"])
        self.bidder = account_id(self.liquidator)
        self.underlyings = [underlying_of(k) for k in range(self.config.markets)]
        self.coins = dict(zip(self.underlyings, MARKETS, strict=False))
        self.prices: dict[int, float] = dict.fromkeys(self.underlyings, PRICE)  # as they are to be
        self.perps: dict[int, int] = {}
        self.options: list[int] = []
        self.accounts: list[int] = []
        self.proxies: list[Proxy] = []
        self.nodes: list[Program] = []
        self.node_ports: list[int] = []
        self.keeper: Program | None = None
        self.venues = TownVenues(dict.fromkeys(self.coins.values(), PRICE)) if self.config.venues else None
        self._people = 0
        self._build()

    # ------------------------------------------------------------------------------------------------------ set-up

    def _build(self) -> None:
        """Deploy, list, post a first report, let people in, start the clock."""
        net = self.net
        net.ask("anvil_autoImpersonateAccount", True)
        for address in (self.owner, self.poster, self.liquidator):
            net.give(address, PURSE * ETHER if address != self.owner else 10**6 * ETHER)
        self.chain = NodeChain(net.url)
        self.system = self._deploy()
        self.book = self.folder / "book.json"
        save_book(self.system, self.book)
        self.price_files = {u: self._write_prices(k) for k, u in enumerate(self.underlyings)}
        self.engine = Engine(made())
        self.source = FeedSource(
            self.system,
            [
                MarketSource(u, MARKETS[k], self.price_files[u], (self.expiry,) if k == 0 else (), DEPTH)
                for k, u in enumerate(self.underlyings)
            ],
        )
        self.reader = ChainReader(self.system, self.source.expiries(self.chain.now))
        self._first_report()
        net.loading()
        self._open_maker()
        self.open(self._crowd())
        net.ask("anvil_autoImpersonateAccount", False)
        net.ask("anvil_impersonateAccount", self.owner)

    def start_clock(self) -> None:
        """Blocks from now on come by themselves."""
        self.net.tick(own=self.config.own_clock)

    def _deploy(self) -> System:
        feeds = [
            FeedConfig(u, MARKETS[k], round(PRICE * 10**FEED_DECIMALS), FEED_DECIMALS, max_age=7 * DAY)
            for k, u in enumerate(self.underlyings)
        ]
        signers = [address_of(KEYS[f"node {k}"]) for k in range(SIGNERS)]
        system = deploy_system(
            self.chain, SystemConfig(self.owner, signers, QUORUM, feeds, liquidation=LIQUIDATION, price_band=100_000)
        )
        self.expiry = (self.chain.now + EXPIRY) // DAY * DAY
        unit = 10**16  # of a strike, as FeedConfig has it
        for k, u in enumerate(self.underlyings):
            system.registry.transact("list_instrument", u, 0, PERP, 0, sender=self.owner)
            (self.perps[u],) = (int(item) & MASK_ID for item in system.registry.call("listing", u, 0))
            if k == 0:
                for strike in STRIKES:
                    for kind in (CALL, PUT):
                        at = round(PRICE * strike * WAD / unit)
                        system.registry.transact("list_instrument", u, self.expiry, kind, at, sender=self.owner)
                self.options = [int(item) & MASK_ID for item in system.registry.call("listing", u, self.expiry)]
        return system

    def _write_prices(self, market: int) -> Path:
        """Daily bars up to the last hour, the last at the first price."""
        rng = np.random.default_rng([self.config.seed, market])
        steps = np.cumsum(rng.normal(0, VOLATILITY, HISTORY))
        close = PRICE * np.exp(steps - steps[-1])
        path = self.folder / f"{MARKETS[market].lower()}.csv"
        # days that end at this hour: none closes while a town lives, which venues would show and files would not
        first = self.chain.now // HOUR * HOUR - HISTORY * DAY
        with path.open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["timestamp", "open", "high", "low", "close", "volume"])
            for k, price in enumerate(close.round(6)):
                at = datetime.fromtimestamp(first + k * DAY, UTC).isoformat()
                table.writerow([at, price, price * 1.002, price * 0.998, price, 1])
        return path

    def _first_report(self) -> None:
        """Post one as its signers would: people can trade only on a fresh surface."""
        held = self.reader.read()
        built = self.engine.report(self.source.snapshot(held), None, 1, rails=held.rails)
        oracle = self.system.oracle
        signed = digest(built.report, self.chain.chain_id, oracle.address)
        signatures = sign_all(signed, [KEYS[f"node {k}"] for k in range(QUORUM)])
        stored = []
        for code in built.codes[:-1]:
            receipt = oracle.transact("store", code, sender=self.owner)
            stored.append(oracle.events(receipt, "SurfaceStored")[0].args.surface)
        oracle.transact("post", built.report, list(signatures), stored, built.codes[-1], sender=self.owner)
        self.held: Held = self.reader.read()

    # ---------------------------------------------------------------------------------------------------- transactions

    def send(self, sent: Sequence[tuple[str, Contract, str, Sequence[Any]]], *, mine: bool = False) -> list[str]:
        """Transactions (sender, contract, function, arguments) by unlocked senders, all at once; their hashes."""
        senders = list(dict.fromkeys(sender for sender, *_ in sent))
        counts = self.net.ask_many([("eth_getTransactionCount", [sender, "pending"]) for sender in senders])
        nonces = {sender: int(count, 16) for sender, count in zip(senders, counts, strict=True)}
        asked: list[tuple[str, Sequence[Any]]] = []
        for sender, contract, name, args in sent:
            data = "0x" + contract.encode(name, *args).hex()
            # an account's leave comes before what needs it: anvil sorts a block by what is paid at most
            most = MAX_FEE if sender == self.owner else 2 * MAX_FEE
            message = {"from": sender, "to": contract.address, "data": data, "gas": hex(GAS)}
            message |= {"maxFeePerGas": hex(most), "maxPriorityFeePerGas": hex(TIP)}
            # anvil answers a batch in no order, and would give two of them one nonce
            asked.append(("eth_sendTransaction", [{**message, "nonce": hex(nonces[sender])}]))
            nonces[sender] += 1
        found: list[str] = []
        for k in range(0, len(asked), PART):
            found += map(str, self.net.ask_many(asked[k : k + PART]))
            if mine:
                self.net.mine()
        return found

    def check(self, hashes: Iterable[str]) -> list[dict[str, Any]]:
        """Receipts of transactions that all were mined and went through.

        Raises
        ------
        SimulationError
            One did not.
        """
        hashes = list(hashes)
        return self._good(hashes, self.net.ask_many([("eth_getTransactionReceipt", [item]) for item in hashes]))

    def settle(self, hashes: Sequence[str], blocks: int = 10) -> list[dict[str, Any]]:
        """As `check`, once all are mined; at most so many blocks are waited for."""
        asked = [("eth_getTransactionReceipt", [item]) for item in hashes]
        self.net.wait(blocks, lambda: all(self.net.ask_many(asked)))
        return self.check(hashes)

    def _good(self, hashes: Sequence[str], receipts: Sequence[Any]) -> list[dict[str, Any]]:
        """The receipts, all of transactions that went through."""
        bad = [
            item
            for item, receipt in zip(hashes, receipts, strict=True)
            if not receipt or int(receipt["status"], 16) != 1
        ]
        if bad:
            raise SimulationError(
                f"{len(bad)} of {len(hashes)} of the town's transactions failed, the first: {self._why(bad[0])}"
            )
        return list(receipts)

    def _why(self, sent: str) -> str:
        """The reason of a transaction that failed: asked again at the block before."""
        found = self.net.ask("eth_getTransactionByHash", sent)
        if found is None or found.get("blockNumber") is None:
            return f"{sent} was not mined"
        message = {"from": found["from"], "to": found["to"], "data": found["input"], "gas": found["gas"]}
        try:
            self.net.ask("eth_call", message, found["blockNumber"])
        except Refused as refused:
            return refused.reason
        return f"{sent} ran out of gas, or would pass now"

    def move(self, prices: Mapping[int, float]) -> list[str]:
        """Let indices say other prices: one transaction each, in the next block; their hashes."""
        self.prices.update(prices)
        if self.venues is not None:
            for u, price in prices.items():
                self.venues.show(self.coins[u], price)
        return self.send(
            [
                (self.owner, self.system.aggregators[u], "set", (round(price * 10**FEED_DECIMALS),))
                for u, price in prices.items()
            ]
        )

    # ---------------------------------------------------------------------------------------------------------- people

    def _open_maker(self) -> None:
        """Who takes the other side of everything, who bids, and the fund's depositor."""
        system, quote = self.system, self.system.quote
        self.maker = Party.of("rig maker")
        self.units = 10 ** int(quote.call("decimals"))
        self.net.give(self.maker.address, 100 * ETHER)
        book = system.clearinghouse
        self.check(
            self.send(
                [
                    (self.owner, quote, "mint", (self.owner, 10**6 * RICH * self.units)),
                    (self.owner, quote, "approve", (book.address, UNLIMITED)),
                    (self.owner, quote, "approve", (system.fund.address, UNLIMITED)),
                    (self.owner, system.fund, "deposit", (FUND * self.units, self.owner)),
                    *(
                        (self.owner, book, "deposit", (account, quote.address, RICH * self.units))
                        for account in (self.maker.account, self.bidder)
                    ),
                    (
                        self.maker.address,
                        system.mandates,
                        "set_allowance",
                        (self.maker.account, system.exchange.address, FOREVER, UNLIMITED, 0, 0),
                    ),
                ],
                mine=True,
            )
        )

    def _crowd(self) -> list[Stake]:
        """The well funded: perpetuals, long and short, some on a short option, some on both markets' perpetuals."""
        found = []
        for _ in range(self.config.accounts):
            instrument = int(self.rng.choice([*self.perps.values(), *self.perps.values(), *self.options]))
            long = instrument in self.perps.values() and self.rng.random() < 0.5
            size = float(self.rng.uniform(1, 20))
            found.append(self.stake(instrument, size if long else -size, float(self.rng.uniform(8, 40))))
        return found

    def stake(self, instrument: int, size: float, funding: float) -> Stake:
        """An account of its own owner that brings `funding` times what its position needs at first."""
        quantity = int(size * 10**6) * 10**12
        return self._stake(instrument, quantity, int(funding * self.need(instrument, quantity)))

    def doomed(self, underlying: int, size: float, fall: float, equity: float) -> Stake:
        """An account that will have `equity`, a share of its notional, once its index has moved by `fall` against it.

        Raises
        ------
        SimulationError
            It could not be opened: it would be under initial margin at once.
        """
        instrument, quantity = self.perps[underlying], int(size * 10**6) * 10**12
        price = self.prices[underlying]
        after = price * (1 - fall if size > 0 else 1 + fall)
        cash = int(abs(size) * (abs(after - price) + equity * after) * 10**6) * 10**12
        if cash <= self.need(instrument, quantity):
            raise SimulationError(f"a fall of {fall:.1%} is within initial margin")
        return self._stake(instrument, quantity, cash)

    def _stake(self, instrument: int, quantity: int, cash: int) -> Stake:
        self._people += 1
        party = Party.of(f"rig person {self._people}")
        return Stake(party.account, party.address, party.key, instrument, quantity, cash)

    def need(self, instrument: int, quantity: int) -> int:
        """Initial margin of one position, as the town last saw the chain [wad]."""
        return assess([word(instrument, quantity)], 0, self.held.view).im

    def look(self) -> None:
        """See the chain as it is now, for `need` and for trades at the mark."""
        self.held = self.reader.read()

    def open(self, stakes: Sequence[Stake]) -> list[str]:
        """Open accounts, each with one trade against the maker at the mark; hashes, where the clock runs already.

        Before that a block is mined for every few hundred transactions, and all are checked.
        """
        building = not self.accounts and not self.net.ticking
        marks: dict[int, int] = {}
        for instrument in {stake.instrument for stake in stakes}:
            marks[instrument] = int(self.system.oracle.call("mark", instrument))
        self.net.ask_many([("anvil_setBalance", [stake.owner, hex(ETHER)]) for stake in stakes])
        system, now, chain_id = self.system, self.chain.now, self.chain.chain_id
        if not building:
            self.net.ask_many([("anvil_impersonateAccount", [stake.owner]) for stake in stakes])
        sent: list[tuple[str, Contract, str, Sequence[Any]]] = []
        for stake in stakes:
            units = -(-stake.cash * self.units // WAD)
            sent.append((self.owner, system.clearinghouse, "deposit", (stake.account, system.quote.address, units)))
            sent.append(
                (
                    stake.owner,
                    system.mandates,
                    "set_allowance",
                    (stake.account, system.exchange.address, FOREVER, UNLIMITED, 0, 0),
                )
            )
            self.maker.nonce += 1
            sides: list[Any] = []
            for account, address, key, signed in (
                (self.maker.account, self.maker.address, self.maker.key, -stake.quantity),
                (stake.account, stake.owner, stake.key, stake.quantity),
            ):
                order = Order(
                    account,
                    int(address, 16),
                    stake.instrument,
                    signed,
                    marks[stake.instrument],
                    now + DAY,
                    self.maker.nonce,
                )
                sides += [
                    (account, address, stake.instrument, signed, order.price, order.expires, order.nonce),
                    sign(order_digest(order, chain_id, system.exchange.address), key),
                ]
            sent.append((self.owner, system.exchange, "settle", (*sides, abs(stake.quantity))))
        first = self.net.head + 1
        hashes = self.send(sent, mine=building)
        if building:  # by blocks: anvil takes a millisecond and more for each receipt that it is asked for alone
            blocks = range(first, self.net.head + 1)
            found = [item for k in blocks for item in self.net.ask("eth_getBlockReceipts", hex(k))]
            known = {item["transactionHash"]: item for item in found}
            self._good(hashes, [known.get(item) for item in hashes])
        self.accounts += [stake.account for stake in stakes]
        return hashes

    # ------------------------------------------------------------------------------------------------------- processes

    def _markets(self) -> list[dict[str, Any]]:
        return [
            {
                "underlying": u,
                "name": MARKETS[k],
                "prices": self.price_files[u].name,
                "depth": DEPTH,
            }
            for k, u in enumerate(self.underlyings)
        ]

    def open_endpoints(self) -> None:
        """One proxy for each of the keeper's endpoints."""
        while len(self.proxies) < self.config.endpoints:
            self.proxies.append(Proxy(self.net.url))

    def start_nodes(self) -> None:
        """The risk nodes, each a process with its own key."""
        for k in range(self.config.nodes):
            port = free_port()
            settings = {
                "node": self.net.url,
                "book": self.book.name,
                "key": "PLIMSOLL_NODE_KEY",
                "markets": self._markets(),
                "listen": {"port": port},
                "promises": f"node{k}.promises.jsonl",
                "journal": f"node{k}.jsonl",
            }
            path = self.folder / f"node{k}.yaml"
            path.write_text(yaml.safe_dump(settings, sort_keys=False))
            node = self.stage.program(
                f"node{k}", [*PLIMSOLL, "node", "--settings", str(path)], {"PLIMSOLL_NODE_KEY": KEYS[f"node {k}"]}
            )
            node.start()
            self.nodes.append(node)
            self.node_ports.append(port)
        for node, port in zip(self.nodes, self.node_ports, strict=True):
            node.wait_for(port)

    def settings(self, **more: Any) -> Path:
        """Write the keeper's settings file; `more` replaces or adds whole blocks."""
        self.open_endpoints()
        urls = [proxy.url for proxy in self.proxies]
        keys: dict[str, Any] = {"poster": "RIG_POSTER", "liquidator": "RIG_LIQUIDATOR"}
        data: dict[str, Any] = {
            "node": urls[0] if len(urls) == 1 else urls,
            "book": self.book.name,
            "keys": keys,
            "markets": self._markets(),
            "triggers": {"heartbeat": 600},
            # what is under water is taken at once: the rig measures the keeper, not how choosy it is
            "liquidation": {"account": 0, "min_profit": 0, "min_share": 0.05, "min_bonus": 0},
            "loop": {"interval": min(0.1, self.config.block_time / 5), "timeout": 2},
            "journal": "keeper.db",
            "index": "index.db",
            "archive": "reports",
        }
        if self.venues is not None:
            data["venues"] = self.venues.settings({coin: u for u, coin in self.coins.items()})
        if self.nodes:
            data["nodes"] = {"peers": [f"http://127.0.0.1:{port}" for port in self.node_ports], "timeout": 5}
        else:
            keys["signers"] = [f"RIG_SIGNER_{k}" for k in range(QUORUM)]
        path = self.folder / "keeper.yaml"
        path.write_text(yaml.safe_dump({**data, **more}, sort_keys=False))
        return path

    @property
    def journal(self) -> Path:
        """The keeper's."""
        return self.folder / "keeper.db"

    def start_keeper(self, **more: Any) -> Program:
        """The keeper, as a process; `more` as in `settings`."""
        path = self.settings(**more)
        environment = {
            "RIG_POSTER": KEYS["poster"],
            "RIG_LIQUIDATOR": KEYS["liquidator"],
            **{f"RIG_SIGNER_{k}": KEYS[f"node {k}"] for k in range(QUORUM)},
        }
        self.keeper = self.stage.program("keeper", [*PLIMSOLL, "keeper", "--settings", str(path)], environment)
        self.keeper.start()
        return self.keeper

    def close(self) -> None:
        """No more blocks and endpoints; the processes are the stage's."""
        self.net.close()
        for proxy in self.proxies:
            proxy.close()
        if self.venues is not None:
            self.venues.close()

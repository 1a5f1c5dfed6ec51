"""A deployment with one market, three risk nodes, and a keeper over it, on a chain in this process."""

import csv
from datetime import UTC, datetime

import pytest

from plimsoll.chain.deployment import FeedConfig, SystemConfig, TokenConfig, deploy_system, save_book
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.keeper.liquidation import BidConfig, LiquidationAgent
from plimsoll.keeper.loop import Keeper, LoopConfig
from plimsoll.keeper.poster import LocalKeys, Poster
from plimsoll.keeper.recorder import MemoryRecorder
from plimsoll.keeper.sources import FeedSource, MarketSource
from plimsoll.keeper.state import ChainReader
from plimsoll.keeper.triggers import TriggerConfig
from plimsoll.keeper.upkeep import Upkeep, UpkeepConfig
from plimsoll.risk.engine import Engine
from plimsoll.risk.models import HarFhs
from plimsoll.risk.signing import address_of
from plimsoll.simulate.market import Party, Venue, key_of

DAY = 86_400
START = 1_700_006_400 // DAY * DAY
UNDERLYING = 257
PRICE = 100.0
SIGNERS = [key_of(f"risk node {k}") for k in range(3)]


def write_prices(path, days=400, last=PRICE, swing=0.01):
    """A history of closes that wiggle, by a percent, and end at `last`, the last bar closing at START."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["timestamp", "open", "high", "low", "close", "volume"])
        for k in range(days):
            close = last * (1 + swing * ((k * 7) % 5 - 2) * (k < days - 1))
            at = datetime.fromtimestamp(START - (days - k) * DAY, UTC).isoformat()
            table.writerow([at, close, close * 1.002, close * 0.998, close, 10])
    return path


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


class World:
    """Everything a keeper test wants at hand."""

    def __init__(self, folder):
        self.folder = folder
        self.chain = EmbeddedChain(time=START)
        self.admin = Party.of("governance").address
        self.system = deploy_system(
            self.chain,
            SystemConfig(
                self.admin,
                [address_of(key) for key in SIGNERS],
                2,
                [FeedConfig(UNDERLYING, "TOY", round(PRICE * 10**8), max_age=7 * DAY)],
                [TokenConfig("tTOY", UNDERLYING)],
            ),
        )
        self.perp = self._list()
        self.book = folder / "book.json"
        save_book(self.system, self.book)
        self.venue = Venue(self.chain, self.system, self.admin)
        self.recorder = MemoryRecorder()
        self.prices = write_prices(folder / "toy.csv")
        self.source = FeedSource(self.system, [MarketSource(UNDERLYING, "TOY", self.prices, depth=1e6)])
        self.reader = ChainReader(self.system, {UNDERLYING: (0,)})

    def _list(self):
        # the token's row came with the deployment: row 0 is SPOT, row 1 the perpetual
        return self.list(0, 0, 0)

    def list(self, expiry, kind, strike):
        """The id of a new instrument."""
        registry = self.system.registry
        made = registry.transact("list_instrument", UNDERLYING, expiry, kind, strike, sender=self.admin)
        return int(registry.decode("list_instrument", made))

    def upkeep(self, holders=None, **config):
        sender = Party.of("poster").address
        return Upkeep(self.system, sender, self.recorder, [UNDERLYING], holders, UpkeepConfig(**config))

    def keeper(
        self,
        *,
        agent=None,
        upkeep=None,
        accounts=(),
        keys=SIGNERS[:2],
        signing=None,
        dry_run=False,
        urgent=False,
        model=None,
        max_failures=3,
        **triggers,
    ):
        return Keeper(
            self.source,
            Engine(model or HarFhs()),
            self.reader,
            Poster(self.system, Party.of("poster").address, signing or LocalKeys(keys), self.recorder),
            self.recorder,
            agent=agent,
            upkeep=upkeep,
            accounts=lambda: accounts,
            triggers=TriggerConfig(**triggers),
            config=LoopConfig(0.0, max_failures, dry_run, urgent),
        )

    def agent(self, bidder=None, **config):
        sender = bidder.address if bidder else Party.of("caller").address
        return LiquidationAgent(
            self.system, sender, self.recorder, bidder.account if bidder else None, BidConfig(**config)
        )

    def open(self, name, cash):
        party = Party.of(name)
        self.venue.join(party)
        self.venue.fund(party, int(cash * 10**18))
        return party

    def index(self, price):
        self.venue.set_index({UNDERLYING: price})

    def kinds(self):
        return [line["kind"] for line in self.recorder.lines]

"""A small deployment for commands that look at one."""

import numpy as np

from plimsoll.chain.deployment import FeedConfig, SystemConfig, TokenConfig, deploy_system, save_book
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.keeper.poster import LocalKeys, Poster
from plimsoll.keeper.recorder import MemoryRecorder
from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.report.account import read_account
from plimsoll.risk.engine import Engine
from plimsoll.risk.models import EwmaFhs
from plimsoll.risk.signing import address_of
from plimsoll.simulate.market import Party, Venue, key_of
from plimsoll.spec.instruments import CALL, MASK_ID, PERP, SPOT
from plimsoll.spec.wad import WAD

DAY = 86_400
START = 1_700_006_400 // DAY * DAY
EXPIRY = START + 10 * DAY  # 2023-11-25
TOY, OTHER = 0x0101, 0x0102
SIGNERS = [key_of(f"risk node {k}") for k in range(3)]


class World:
    """Two underlyings at 100, a maker, and a trader who is long a perpetual and short a call."""

    def __init__(self, folder):
        self.chain = EmbeddedChain(time=START)
        admin = Party.of("governance").address
        feeds = [
            FeedConfig(number, f"{name} / USD", 100 * 10**8, max_age=DAY)
            for number, name in ((TOY, "TOY"), (OTHER, "OTHER"))
        ]
        self.system = deploy_system(
            self.chain,
            SystemConfig(admin, [address_of(key) for key in SIGNERS], 2, feeds, [TokenConfig("tTOY", TOY)]),
        )
        for number in (TOY, OTHER):
            for expiry, kind, strike in ((0, PERP, 0), (EXPIRY, CALL, 11_000)):
                self.system.registry.transact("list_instrument", number, expiry, kind, strike, sender=admin)
        self.book = folder / "book.json"
        save_book(self.system, self.book)
        self.venue = Venue(self.chain, self.system, admin)
        self.venue.token_of[TOY] = "tTOY"
        self.post()
        self.trader, maker = Party.of("trader"), Party.of("maker")
        for party, money in ((self.trader, 60), (maker, 100_000)):
            self.venue.join(party)
            self.venue.fund(party, money * WAD)
        self.venue.fund_token(self.trader, TOY, WAD // 4)
        self.venue.trade(self.trader, maker, self.ids(OTHER, 0)[0], WAD)
        self.venue.trade(maker, self.trader, self.ids(TOY, EXPIRY)[0], WAD // 2)
        self.account = self.trader.account

    def ids(self, underlying, expiry):
        listed = [int(word) & MASK_ID for word in self.system.registry.call("listing", underlying, expiry)]
        return [found for found in listed if found >> 64 & 0xFF != SPOT]

    def post(self):
        rng = np.random.default_rng(5)
        time = START + DAY * np.arange(-400, 0, dtype=np.int64)
        markets = []
        for number in (TOY, OTHER):
            path = np.cumsum(rng.normal(0, 0.02, 400))
            listed = [
                int(word) & MASK_ID
                for expiry in (0, EXPIRY)
                for word in self.system.registry.call("listing", number, expiry)
            ]
            history = History(time, 100 * np.exp(path - path[-1]), DAY)
            markets.append(Market(number, 100.0, history, tuple(listed), strike_unit=10**16))
        built = Engine(EwmaFhs()).report(Snapshot(START, tuple(markets)))
        posted = Poster(self.system, Party.of("poster").address, LocalKeys(SIGNERS[:2]), MemoryRecorder()).post(built)
        assert posted.ok, posted.error

    def read(self):
        return read_account(self.system, self.account)

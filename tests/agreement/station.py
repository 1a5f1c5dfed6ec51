"""An engine at work: drawn paths of two underlyings, honest reports over them inside the guardrails, on both.

The index wanders, jumps by a tenth, falls silent for hours; depth, carry, volatility and a token's worth jump too;
options are listed and expire. Whatever comes, the engine posts what the guardrails allow and goes on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plimsoll.chain.artifacts import Artifact
from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.risk.engine import BuiltReport, Engine
from plimsoll.risk.models import EwmaFhs, State
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, Instrument
from plimsoll.spec.report import Report, unpack_class, unpack_scalars
from plimsoll.spec.wad import WAD
from tests.markets import rails_of, real, spread
from tests.pairs import Pair
from tests.strategies import Seeded, Source, chance, pick

HOUR, DAY = 3_600, 86_400
NOW = 1_700_000_000
ETH, BTC = 0x0102, 0x0103
START = {ETH: 2_000.0, BTC: 30_000.0}
BARS = 120  # hours of history
TENORS = (5 * HOUR, 2 * DAY, 40 * DAY, 300 * DAY)
SIZE = 4  # options an expiry


@dataclass
class Path:
    """One underlying as its market goes."""

    index: float
    closes: list[float]
    calm: float  # volatility of an hour
    depth: float = 500.0
    worth: float = 0.97  # of its token
    premium: float = 1.0  # of the perpetual over the index
    carry: float = 0.05  # a year
    smile: float = 0.6  # implied volatility


class Station:
    """A guarded deployment with an engine beside it."""

    def __init__(self, seed: int = 0, replaced: Mapping[str, Artifact] | None = None) -> None:
        self.source: Source = Seeded(seed)
        self.pair = Pair(guarded=True, underlyings=START, signers=3, quorum=2, now=NOW, replaced=replaced)
        self.paths: dict[int, Path] = {}
        self.listed: dict[tuple[int, int], list[Instrument]] = {}
        for underlying, price in START.items():
            closes = [price]
            for _ in range(BARS):
                closes.append(closes[-1] * math.exp(real(self.source, -0.01, 0.01)))
            self.paths[underlying] = Path(closes[-1], closes, 0.006)
            self.listed[underlying, 0] = [
                Instrument(underlying, 0, PERP, 0, 0),
                Instrument(underlying, 0, SPOT, 1 + underlying % 2, 1),
            ]
            at = self.pair.aggregators[underlying]
            self.pair.price(underlying, self.price_of(underlying))
            self.pair.must("feed", "set_feed", underlying, at, DAY, 18, sender=self.pair.owner)
        self.bar_end = NOW
        self.list()
        self.engine = Engine(EwmaFhs())

    # ---------------------------------------------------------------------------------------------------- the market

    def price_of(self, underlying: int) -> int:
        """The index [wad]."""
        return round(self.paths[underlying].index * 10**6) * 10**12

    def list(self) -> None:
        """As many expiries as there should be; what has expired is gone."""
        now = self.pair.now
        for underlying in START:
            for key in [k for k in self.listed if k[0] == underlying and 0 < k[1] <= now + HOUR // 2]:
                del self.listed[key]
            known = [key for key in self.listed if key[0] == underlying and key[1]]
            for tenor in TENORS[len(known) : 2]:
                expiry = now + tenor + underlying
                self.listed[underlying, expiry] = [Instrument(underlying, expiry, FUTURE, 0, 0)]
                for _ in range(SIZE):
                    self.add(underlying, expiry)

    def add(self, underlying: int, expiry: int) -> None:
        """List one more option."""
        chain = self.listed[underlying, expiry]
        kind, index = pick(self.source, (CALL, PUT)), self.paths[underlying].index
        strike = max(1, round(index * spread(self.source, 0.4, 2.5)))
        if all((kind, strike) != (item.kind, item.strike) for item in chain):
            chain.append(Instrument(underlying, expiry, kind, strike, len(chain)))

    def wait(self, seconds: int) -> None:
        """Time in which nothing happens."""
        self.pair.advance(seconds)
        for underlying in self.paths:
            self.pair.price(underlying, self.price_of(underlying))

    def go(self) -> None:
        """Some time, and whatever happens in it."""
        source = self.source
        seconds = pick(source, (12, 60, 600, 600, HOUR, HOUR, 4 * HOUR, source.integer(1, 30 * HOUR)))
        self.pair.advance(seconds)
        shared = pick(source, (0.0, 0.0, 0.0, 0.1, -0.1, -0.4))
        for underlying, path in self.paths.items():
            if chance(source, 10):
                path.calm = spread(source, 0.001, 0.05)
            move = real(source, -2, 2) * path.calm * math.sqrt(seconds / HOUR)
            jump = pick(source, (0.0,) * 8 + (0.1, -0.1))  # a tenth at once
            before = path.index
            wandered = before * math.exp(max(-0.5, min(0.5, move))) * (1 + jump) * (1 + shared)
            path.index = max(START[underlying] / 40, wandered)  # a put at a hundred times the index fits no field
            hours = (self.pair.now - self.bar_end) // HOUR
            path.closes += [before * (path.index / before) ** (k / (hours + 1)) for k in range(1, hours + 1)]
            if chance(source, 15):
                path.depth = spread(source, 0.01, 10**6)
            if chance(source, 15):
                path.worth = real(source, 0.4, 1.8)
            if chance(source, 15):
                path.premium = real(source, 0.85, 1.15)
            if chance(source, 15):
                path.carry = real(source, -0.9, 0.9)
            if chance(source, 15):
                path.smile = spread(source, 0.1, 3.0)
            self.pair.price(underlying, self.price_of(underlying))
        self.bar_end += (self.pair.now - self.bar_end) // HOUR * HOUR
        self.list()
        if chance(source, 30):
            self.add(*pick(source, [key for key in self.listed if key[1]]))

    def snapshot(self, source: Source | None = None) -> Snapshot:
        """What the engine sees now; with a source of noise, no two looks are the same."""
        now, markets = self.pair.now, []
        for underlying, path in self.paths.items():
            off = 1 + (real(source, -0.02, 0.02) if source else 0.0)
            index = self.price_of(underlying) / WAD * off
            items = [item for key in sorted(self.listed) if key[0] == underlying for item in self.listed[key]]
            closes = path.closes[-BARS:]
            times = [self.bar_end - HOUR * (len(closes) - k) for k in range(len(closes))]
            years = {item.expiry: (item.expiry - now) / (365 * DAY) for item in items if item.expiry}
            markets.append(
                Market(
                    underlying,
                    index,
                    History(times, closes, HOUR),
                    tuple(item.pack() for item in items),
                    implied_vols={item.pack(): path.smile for item in items if item.is_option},
                    forwards={expiry: index * math.exp(path.carry * year) for expiry, year in years.items()},
                    marks={
                        item.pack(): index * (path.worth if item.kind == SPOT else path.premium)
                        for item in items
                        if item.expiry == 0
                    },
                    depth=path.depth * off,
                )
            )
        return Snapshot(now, tuple(markets))

    # ---------------------------------------------------------------------------------------------------- the engine

    def build(self, snapshot: Snapshot, *, urgent: bool = False) -> BuiltReport:
        """The next report of a snapshot, as a keeper builds it from what the chain holds."""
        oracle = self.pair.twin.oracle
        previous = None
        if oracle.sequence:
            surfaces = tuple(oracle.surface_at(at >> 96) for at in oracle.pointers.values())
            classes = tuple(map(unpack_class, oracle.classes.values()))
            scalars = tuple(map(unpack_scalars, oracle.scalars.values()))
            previous = State.of(oracle.sequence, oracle.market_time, surfaces, classes, scalars)
        return self.engine.report(snapshot, previous, rails=rails_of(self.pair, list(START)), urgent=urgent)

    def store(self, built: BuiltReport) -> list[int]:
        """Its surfaces, stored by anybody."""
        return [self.pair.must("oracle", "store", code) for code in built.codes]

    def words(self) -> tuple[Report, list[bytes], list[int], bytes]:
        """An honest report now, as `post` takes it; some are urgent, signed by all."""
        urgent = chance(self.source, 15)
        built = self.build(self.snapshot(), urgent=urgent)
        names = self.pair.signers if urgent else self.pair.signers[:2]
        return built.report, self.pair.signed(built.report, names), self.store(built), b""

    def post(self) -> Any:
        """Let time pass, build, sign and post: what both say to an honest report."""
        self.go()
        return self.pair.step("oracle", "post", *self.words())

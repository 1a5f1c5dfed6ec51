"""A deployment with its risk engine, its three signers and a market of drawn moves: who makes honest reports.

Only chain and engine stand here, no twin: what is believed is what the contracts believe.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import numpy as np

from plimsoll.chain import artifacts
from plimsoll.chain.contract import Contract
from plimsoll.chain.deployment import FeedConfig, SystemConfig, deploy_system
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.keeper.state import ChainReader, Held
from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.risk.engine import BuiltReport, Engine
from plimsoll.risk.models import EwmaFhs, Forecast, RiskModel, State
from plimsoll.risk.signing import address_of, order, sign
from plimsoll.simulate.market import key_of
from plimsoll.spec.errors import Refused
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, Instrument
from plimsoll.spec.report import Report, digest
from tests.strategies import Source, chance, pick

HOUR, DAY = 3_600, 86_400
START = 1_700_006_400 // DAY * DAY
FIRST = {0x0101: 40_000.0, 0x0102: 2_500.0}
KEYS = sorted((key_of(f"signer {k}") for k in range(3)), key=lambda key: int(address_of(key), 16))
STRANGER = key_of("stranger")
ADMIN = address_of(key_of("governance"))
ANYONE = address_of(STRANGER)
BARS = 500
GAPS = (1, 12, 60, 600, HOUR, 6 * HOUR, 20 * HOUR)  # [s] between reports


@dataclass(frozen=True)
class Changed:
    """A model whose forecasts are changed for an underlying before the engine takes them."""

    model: RiskModel
    changes: Mapping[str, Any]
    name: str = "changed"
    version: str = "1"

    @property
    def parameters(self) -> Mapping[str, Any]:
        return {}

    def assess(self, snapshot: Snapshot, previous: State | None) -> dict[int, Forecast]:
        found = dict(self.model.assess(snapshot, previous))
        first = min(found)
        return {**found, first: replace(found[first], **self.changes)}


@dataclass(frozen=True)
class Package:
    """All that a post takes: the report, its codes in order, and signatures."""

    report: Report
    codes: tuple[bytes, ...]
    signatures: tuple[bytes, ...]


class Desk:
    """Honest reports over a drawn path of prices.

    Parameters
    ----------
    source
        Draws the path: calm and wild times, jumps of ten percent, reports a second apart and twenty hours.
    replaced
        Contracts to deploy in place of others, to see a test find the fault in them.
    """

    def __init__(self, source: Source, replaced: Mapping[str, artifacts.Artifact] | None = None) -> None:
        self.source = source
        self.chain = EmbeddedChain(time=START)
        feeds = [
            FeedConfig(u, f"U{u}", round(price * 10**8), max_age=7 * DAY, strike_exponent=18)
            for u, price in FIRST.items()
        ]
        config = SystemConfig(ADMIN, [address_of(key) for key in KEYS], 2, feeds)
        load = artifacts.load_all
        with patch.object(artifacts, "load_all", lambda names: {**load(names), **(replaced or {})}):
            self.system = deploy_system(self.chain, config)
        self.oracle: Contract = self.system.oracle
        self.prices = dict(FIRST)
        self.expiry = START + 30 * DAY
        self.reader = ChainReader(self.system, dict.fromkeys(FIRST, (0, self.expiry)))
        rng = np.random.default_rng(source.integer(0, 2**32))
        self.closes = {u: p * np.exp(np.cumsum(rng.normal(0, 0.01, BARS))) for u, p in FIRST.items()}
        self.closes = {u: c / c[-1] * FIRST[u] for u, c in self.closes.items()}
        self.times = START - HOUR * np.arange(BARS, 0, -1)
        self.noise = rng
        self.wild = 1.0
        self.jumps = 0
        self.engine = Engine(EwmaFhs())
        self.stored: dict[bytes, str] = {}
        self.believed: list[Package] = []

    # ---------------------------------------------------------------------------------------------- the market

    def move(self) -> None:
        """Time passes and prices move; now and then by ten percent at once."""
        gap = pick(self.source, GAPS)
        if chance(self.source, 10):
            self.wild = pick(self.source, (0.5, 1.0, 4.0, 10.0))
        jumps = chance(self.source, 15)
        self.jumps += jumps
        for u, price in self.prices.items():
            moved = float(self.noise.normal(0, 0.01 * self.wild * math.sqrt(gap / HOUR)))
            moved = min(max(moved, -0.4), 0.4) + (pick(self.source, (-1, 1)) * math.log(1.1) if jumps else 0.0)
            self.prices[u] = min(max(price * math.exp(moved), FIRST[u] / 10), FIRST[u] * 10)
        self.chain.advance(gap)
        for u, price in self.prices.items():
            self.system.aggregators[u].transact("set", round(price * 10**8), sender=ADMIN)
        if self.chain.now >= int(self.times[-1]) + 2 * HOUR:
            self.times = np.append(self.times[1:], self.chain.now // HOUR * HOUR - HOUR)
            self.closes = {u: np.append(c[1:], self.prices[u]) for u, c in self.closes.items()}

    def snapshot(self, held: Held, *, factor: float = 1.0) -> Snapshot:
        """What the engine sees; `factor` on the first underlying's index where somebody lies about it."""
        found = []
        for at, u in enumerate(FIRST):
            index = held.index[u].price / 10**18 * (factor if at == 0 else 1.0)
            found.append(
                Market(
                    underlying=u,
                    index=index,
                    history=History(self.times, self.closes[u], HOUR),
                    instruments=tuple(item.pack() for item in self.listed(u)),
                )
            )
        return Snapshot(held.time, tuple(found))

    def listed(self, u: int) -> list[Instrument]:
        """A perpetual and its token; a future, and options around the first price."""
        strikes = [round(FIRST[u] * ratio) for ratio in (0.6, 0.9, 1.0, 1.15)]
        dated = [(FUTURE, 0)] + [(kind, strike) for strike in strikes for kind in (CALL, PUT)]
        return [
            Instrument(u, 0, PERP, 0, 0),
            Instrument(u, 0, SPOT, 1, 1),
            *(Instrument(u, self.expiry, kind, strike, row) for row, (kind, strike) in enumerate(dated)),
        ]

    # --------------------------------------------------------------------------------------------- its reports

    def build(self, *, factor: float = 1.0, bound: bool = True, **changes: Any) -> BuiltReport:
        """The next report; with forecasts changed, or not held to the guardrails, where somebody lies."""
        held = self.reader.read()
        engine = Engine(Changed(self.engine.model, changes)) if changes else self.engine
        rails = held.rails if bound else None
        return engine.report(self.snapshot(held, factor=factor), held.risk_state, held.sequence + 1, rails=rails)

    def digest(self, report: Report, *, chain_id: int | None = None, oracle: str | None = None) -> bytes:
        """What signers sign; for another chain or contract where somebody mixes them up."""
        return digest(report, self.chain.chain_id if chain_id is None else chain_id, oracle or self.oracle.address)

    def signed(self, report: Report, codes: Sequence[bytes], keys: Sequence[str] = KEYS[:2], **other: Any) -> Package:
        """A report with signatures in the oracle's order."""
        message = self.digest(report, **other)
        return Package(report, tuple(codes), tuple(order(message, [sign(message, key) for key in keys])))

    def post(self, package: Package) -> str | None:
        """Store and post; the reason of the refusal, or None."""
        try:
            stored = [self.store(code) for code in package.codes[:-1]]
            last = package.codes[-1] if package.codes else b""
            self.oracle.transact("post", package.report, list(package.signatures), stored, last, sender=ANYONE)
        except Refused as refused:
            return refused.reason
        return None

    def store(self, code: bytes) -> str:
        """Where a code stands; stored once."""
        if code not in self.stored:
            receipt = self.oracle.transact("store", code, sender=ANYONE)
            (event,) = self.oracle.events(receipt, "SurfaceStored")
            self.stored[code] = event.args.surface
        return self.stored[code]

    def state(self) -> tuple[Any, ...]:
        """All that is posted: sequence, time, pointers, scalars, classes, and what the guardrails noted."""
        oracle, guard = self.oracle, self.system.guard
        return (
            oracle.call("sequence"),
            oracle.call("market_time"),
            *(oracle.call("pointer", u, e) for u in FIRST for e in (0, self.expiry)),
            *(oracle.call("scalars", u) for u in FIRST),
            *(oracle.call("funding", u) for u in FIRST),
            oracle.call("classes", 1),
            *(guard.call("scenarios", u) for u in FIRST),
            guard.call("class_time", 1),
        )

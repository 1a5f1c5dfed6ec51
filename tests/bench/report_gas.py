"""Fits `plimsoll.keeper.gas` to what reports use: `python -m tests.bench.report_gas`.

Venues of several shapes, their own engine's surfaces, inside the guardrails; the first report of each, which writes new
slots, and the second. Prints each shape's gas, what the fitted numbers say of it, and the numbers.

    --json    {"costs": {name: gas}, "rows": [{"shape", "gas", "estimate"}], "worst": share}
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from plimsoll.chain.deployment import FeedConfig, System, SystemConfig, deploy_system
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.keeper.gas import counts
from plimsoll.keeper.state import ChainReader
from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.risk.engine import BuiltReport, Engine
from plimsoll.risk.models import EwmaFhs
from plimsoll.risk.signing import address_of, sign_all
from plimsoll.simulate.market import key_of
from plimsoll.spec.instruments import CALL, PERP, PUT, SPOT, Instrument
from plimsoll.spec.report import digest

HOUR, DAY = 3_600, 86_400
START = 1_700_006_400 // DAY * DAY
PRICE = 2_000.0
BARS = 500
OWNER = address_of(key_of("owner"))
KEYS = sorted((key_of(f"signer {k}") for k in range(5)), key=lambda key: int(address_of(key), 16))


@dataclass(frozen=True)
class Shape:
    """Underlyings, each with a perpetual (and a token), `expiries` of `options` each, over `classes` classes."""

    underlyings: int = 1
    expiries: int = 0
    options: int = 0
    classes: int = 1
    tokens: int = 0
    signatures: int = 3


FITTED = (
    Shape(),
    Shape(4),
    Shape(4, classes=4, tokens=1),
    Shape(1, signatures=5),
    Shape(1, 1, 10),
    Shape(1, 1, 60),
    Shape(1, 4, 8),
    Shape(2, 2, 24, classes=2),
    Shape(6, classes=2, tokens=2),
)


@dataclass(frozen=True)
class Used:
    """A report that was posted: what it held, and its gas."""

    shape: Shape
    counts: dict[str, int]
    gas: int


class Town:
    """A deployment with underlyings of one shape."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.numbers = sorted(((1 + k % shape.classes) << 8) + 1 + k // shape.classes for k in range(shape.underlyings))
        self.chain = EmbeddedChain(time=START)
        feeds = [
            FeedConfig(u, f"U{u}", round(PRICE * 10**8), max_age=7 * DAY, strike_exponent=18) for u in self.numbers
        ]
        config = SystemConfig(OWNER, [address_of(key) for key in KEYS], 2, feeds)
        self.system: System = deploy_system(self.chain, config)
        self.expiries = [START + (k + 1) * 7 * DAY for k in range(shape.expiries)]
        self.reader = ChainReader(self.system, dict.fromkeys(self.numbers, (0, *self.expiries)))
        times = START - HOUR * np.arange(BARS, 0, -1)
        self.histories = {}
        for u in self.numbers:
            moves = np.random.default_rng(u).normal(0, 0.01, BARS)
            # to the cent: `exp` differs by its last bit from one processor to the next
            closes = np.round(PRICE * np.exp(np.cumsum(moves) - np.sum(moves)), 2)
            self.histories[u] = History(times, closes, HOUR)

    def market(self, underlying: int, price: float) -> Market:
        """One underlying at a price."""
        shape = self.shape
        items = [Instrument(underlying, 0, PERP, 0, 0)]
        items += [Instrument(underlying, 0, SPOT, k + 1, k + 1) for k in range(shape.tokens)]
        for expiry in self.expiries:
            strikes = np.linspace(0.6 * PRICE, 1.8 * PRICE, (shape.options + 1) // 2).astype(int)
            pairs = [(kind, int(strike)) for strike in strikes for kind in (CALL, PUT)][: shape.options]
            items += [Instrument(underlying, expiry, kind, strike, k) for k, (kind, strike) in enumerate(pairs)]
        return Market(underlying, price, self.histories[underlying], tuple(item.pack() for item in items), depth=1e4)

    def post(self, price: float) -> Used:
        """A report of all, posted."""
        self.chain.advance(HOUR)
        for u in self.numbers:
            self.system.aggregators[u].transact("set", round(price * 10**8), sender=OWNER)
        held = self.reader.read()
        snapshot = Snapshot(self.chain.now, tuple(self.market(u, price) for u in self.numbers))
        built = Engine(EwmaFhs()).report(snapshot, held.risk_state, rails=held.rails)
        return Used(self.shape, counts(built, held, self.shape.signatures), self._send(built))

    def _send(self, built: BuiltReport) -> int:
        oracle = self.system.oracle
        gas, stored = 0, []
        for code in built.codes[:-1]:
            receipt = oracle.transact("store", code, sender=OWNER)
            (event,) = oracle.events(receipt, "SurfaceStored")
            stored.append(event.args.surface)
            gas += receipt.gas_used
        message = digest(built.report, self.chain.chain_id, oracle.address)
        signatures = list(sign_all(message, KEYS[: self.shape.signatures]))
        receipt = oracle.transact("post", built.report, signatures, stored, built.codes[-1], sender=OWNER)
        return gas + receipt.gas_used


def measure(shapes: Sequence[Shape] = FITTED) -> list[Used]:
    """The first and the second report of each shape."""
    found = []
    for shape in shapes:
        town = Town(shape)
        found += [town.post(PRICE * move) for move in (1.0, 1.004)]
    return found


def fitted(used: Sequence[Used]) -> dict[str, int]:
    """Gas of each thing that a report holds: least squares of relative errors, to tens."""
    names = list(used[0].counts)
    weight = np.array([1 / each.gas for each in used])
    table = np.array([[each.counts[name] for name in names] for each in used], dtype=float)
    solved, *_ = np.linalg.lstsq(table * weight[:, None], np.ones(len(used)), rcond=None)
    return {name: max(0, int(round(float(value), -1))) for name, value in zip(names, solved, strict=True)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the fit."""
    asked = list(sys.argv[1:] if arguments is None else arguments)
    used = measure()
    costs = fitted(used)
    said = [sum(costs[name] * number for name, number in each.counts.items()) for each in used]
    worst = max(abs(estimate / each.gas - 1) for each, estimate in zip(used, said, strict=True))
    if "--json" in asked:
        rows = [
            {"shape": str(each.shape), "gas": each.gas, "estimate": estimate}
            for each, estimate in zip(used, said, strict=True)
        ]
        print(json.dumps({"costs": costs, "rows": rows, "worst": worst}))  # noqa: T201
        return 0
    for each, estimate in zip(used, said, strict=True):
        print(f"{each.gas:>12,} {estimate:>12,}  {each.shape}")  # noqa: T201
    print(*(f'    "{name}": {value:_},' for name, value in costs.items()), f"worst {worst:.2%}", sep="\n")  # noqa: T201
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

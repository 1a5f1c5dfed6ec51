"""Markets as they may be, and a model that says what it is told: honest surfaces and reports."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.risk.engine import BuiltReport, Engine, EngineConfig
from plimsoll.risk.limits import Rails, charges_of
from plimsoll.risk.models import Forecast, State
from plimsoll.spec.guardrails import DEFAULTS, unpack_scenarios
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, Instrument
from plimsoll.spec.report import unpack_class, unpack_scalars
from plimsoll.spec.wad import WAD
from tests.strategies import Source, chance, pick

MINUTE, HOUR, DAY = 60, 3_600, 86_400
TENORS = (5 * MINUTE, HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY, 182 * DAY, 365 * DAY, 730 * DAY)
FRACTION = 10**9


def real(source: Source, low: float, high: float) -> float:
    """A number of [low, high]."""
    return low + (high - low) * source.integer(0, FRACTION) / FRACTION


def spread(source: Source, low: float, high: float) -> float:
    """A positive number of [low, high], any magnitude as likely as another."""
    return math.exp(real(source, math.log(low), math.log(high)))


@dataclass(frozen=True)
class Told:
    """A risk model that answers what it was told, for each underlying."""

    forecasts: Mapping[int, Forecast]
    name: str = "told"
    version: str = "1"
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def assess(self, snapshot: Snapshot, previous: State | None) -> Mapping[int, Forecast]:
        return {market.underlying: self.forecasts[market.underlying] for market in snapshot.markets}


def forecast(source: Source, underlying: int) -> Forecast:
    """Any forecast that an engine may have, inside the guardrails' bounds."""
    psr = round(spread(source, 10_000, 900_000))
    return Forecast(
        underlying=underlying,
        sigma=0.03,
        volatility=spread(source, 0.1, 3.0),
        forecast_psr=psr,
        psr=psr,
        vol_up=round(spread(source, 20_000, 3_000_000)),
        vol_down=round(spread(source, 20_000, 950_000)),
        im_factor=source.integer(1_150_000, 16_000_000),
        depth=round(spread(source, 1, 10**6)) * WAD,
        kappa=source.integer(0, 450_000),
        som=source.integer(5_000, 90_000),
        market=source.integer(0, 100_000),
    )


def chain_of(source: Source, underlying: int, expiry: int, at_money: float, size: int) -> list[Instrument]:
    """A future, then options, from deep in the money to far out of it; `at_money` in units of strike."""
    found = [Instrument(underlying, expiry, FUTURE, 0, 0)]
    strikes: set[tuple[int, int]] = set()
    while len(strikes) < size:
        width = pick(source, (0.02, 0.3, 1.5))
        strike = max(1, round(at_money * math.exp(real(source, -width, width))))
        strikes.add((pick(source, (CALL, PUT)), strike))
    return found + [
        Instrument(underlying, expiry, kind, strike, 1 + k) for k, (kind, strike) in enumerate(sorted(strikes))
    ]


def market(
    source: Source, underlying: int, exponent: int, now: int, sizes: Sequence[int] = (4, 4), tokens: int = 2
) -> Market:
    """An underlying with a perpetual, tokens, and as many options an expiry; calm or wild, near or far.

    Strikes are in units of 10 ** `exponent` [wad], of which the index is worth 30 to a million.
    """
    index = spread(source, 30, 10**6) * 10.0 ** (exponent - 18)
    level = spread(source, 0.1, 3.0)
    listed = [Instrument(underlying, 0, PERP, 0, 0)]
    listed += [Instrument(underlying, 0, SPOT, 1 + k, 1 + k) for k in range(tokens)]
    marks = {i.pack(): index * real(source, 0.51, 1.4) for i in listed[1:] if chance(source, 70)}
    if chance(source, 50):
        marks[listed[0].pack()] = index * real(source, 0.96, 1.04)
    forwards, vols = {}, {}
    for expiry, size in zip(_expiries(source, now, len(sizes)), sizes, strict=True):
        if chance(source, 80):
            forwards[expiry] = index * real(source, 0.8, 1.3)
        chain = chain_of(source, underlying, expiry, index * WAD / 10**exponent, size)
        listed += chain
        for item in chain[1:]:
            vols[item.pack()] = min(max(level * spread(source, 0.5, 2.0), 0.05), 5.0)
            if chance(source, 10):  # a quote that lies off the model
                marks[item.pack()] = index * spread(source, 1e-6, 0.5)
    return Market(
        underlying,
        index,
        History([now - HOUR, now - HOUR // 2], [index, index], MINUTE),
        tuple(item.pack() for item in listed),
        strike_unit=10**exponent,
        implied_vols=vols,
        forwards=forwards,
        marks=marks,
    )


def _expiries(source: Source, now: int, count: int) -> list[int]:
    found: set[int] = set()
    while len(found) < count:
        found.add(now + max(1, round(pick(source, TENORS) * real(source, 0.5, 1.0))))
    return sorted(found)


def report(
    snapshot: Snapshot,
    forecasts: Mapping[int, Forecast],
    previous: State | None = None,
    *,
    rails: Rails | None = None,
    urgent: bool = False,
    config: EngineConfig | None = None,
) -> BuiltReport:
    """What the engine makes of a snapshot where these are the forecasts."""
    return Engine(Told(forecasts), config).report(snapshot, previous, rails=rails, urgent=urgent)


def rails_of(pair: Any, underlyings: Sequence[int]) -> Rails:
    """What the guardrails of a deployment allow the next report, as a keeper reads it off the chain."""
    guard, oracle = pair.twin.guard, pair.twin.oracle
    classes = {klass: unpack_class(word) for klass, word in oracle.classes.items()}
    return Rails(
        limits={scope: {place: guard.limit_of(scope, place) for place in DEFAULTS} for scope in range(2)},
        scopes={u: guard.scopes[u] for u in underlyings if u in guard.scopes},
        boost=guard.boost,
        sets={u: unpack_scenarios(word) for u, word in guard.sets.items()},
        scalars={u: unpack_scalars(word) for u, word in oracle.scalars.items()},
        classes=classes,
        class_times={klass: guard.class_time(klass) for klass in classes},
        charges=charges_of({key: oracle.surface_at(at >> 96) for key, at in oracle.pointers.items()}),
    )

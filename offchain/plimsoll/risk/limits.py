"""What the chain's guardrails allow the next report to say, and how a report is held inside it.

A scalar that the model wants further than the guardrails let it move is posted as far as they let it: an engine at a
limit posts what the limit allows and goes on. Where that leaves the scan range behind the forecast, the IM factor takes
up the difference, so that new risk pays for today's forecast all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from plimsoll.market.snapshot import Market
from plimsoll.risk.models import Forecast
from plimsoll.spec.guardrails import (
    BASIS,
    CARRY,
    CROSS_HAIRCUT,
    DEFAULT_BOOST,
    DEFAULTS,
    DEPTH,
    GROSS,
    HAIRCUT,
    HOUR,
    IM_FACTOR,
    KAPPA,
    MARKET,
    OFFSET,
    PSR,
    SOM,
    VOL_DOWN,
    VOL_UP,
    VOLATILITY,
    WORTH,
    Limit,
    Scenarios,
)
from plimsoll.spec.instruments import FUTURE, PERP, SPOT, Instrument
from plimsoll.spec.margin import ClassOffset, Scalars
from plimsoll.spec.surface import Row, Surface
from plimsoll.spec.wad import MARK_UNIT, PPM, div_up

WORTH_UNIT: Final = MARK_UNIT // PPM
HALF: Final = 0.5  # a worth is posted in the middle of its ppm, so that rounding the mark does not leave it


@dataclass(frozen=True, slots=True)
class Rails:
    """Limits of one deployment's `Guardrails`, and what stands there.

    Parameters
    ----------
    limits
        Scope -> place (`plimsoll.spec.guardrails`) -> limit; what a scope lacks is scope 0's.
    scopes
        Underlying -> scope, where it is not 0.
    boost
        How much further an urgent report may move.
    sets, scalars, classes, class_times
        What was last posted, by underlying and by class, and when.
    charges
        Instrument id without its row -> gross charge (haircut of collateral) and mark of the row that stands
        [ppm, 1e-12 of the index].
    """

    limits: Mapping[int, Mapping[int, Limit]] = field(default_factory=lambda: {0: dict(DEFAULTS)})
    scopes: Mapping[int, int] = field(default_factory=dict)
    boost: int = DEFAULT_BOOST
    sets: Mapping[int, Scenarios] = field(default_factory=dict)
    scalars: Mapping[int, Scalars] = field(default_factory=dict)
    classes: Mapping[int, ClassOffset] = field(default_factory=dict)
    class_times: Mapping[int, int] = field(default_factory=dict)
    charges: Mapping[int, tuple[int, int]] = field(default_factory=dict)

    def limit(self, underlying: int, place: int) -> Limit:
        """The limit of a scalar of an underlying."""
        scope = self.scopes.get(underlying, 0)
        return self.limits.get(scope, {}).get(place) or self.limits[0][place]

    def seconds(self, now: int, last: int, *, urgent: bool) -> int:
        """What the limits an hour are counted over, as `Guardrails.seconds`."""
        passed = max(0, now - last)
        return max(passed, HOUR) * self.boost if urgent and passed > 0 else passed

    def hold_forecast(self, forecast: Forecast, now: int, *, urgent: bool = False) -> Forecast:
        """A model's answer inside the limits, at market time `now` [s]."""
        key = forecast.underlying
        stood = self.sets.get(key, Scenarios())
        posted = self.scalars.get(key)
        since = self.seconds(now, stood.time, urgent=urgent)
        since_scalars = self.seconds(now, stood.scalars_time, urgent=urgent)

        def set_of(place: int, value: int, was: int) -> int:
            return self.limit(key, place).clamp(value, was, since)

        def scalar(place: int, value: int, was: int) -> int:
            return self.limit(key, place).clamp(value, was if posted else 0, since_scalars)

        was = posted or Scalars(key, 0, 0, 0, 0, 0, 0)
        psr = set_of(PSR, forecast.psr, stood.psr)
        im_factor = div_up(forecast.im_factor * forecast.psr, psr) if psr < forecast.psr else forecast.im_factor
        return replace(
            forecast,
            psr=psr,
            vol_up=set_of(VOL_UP, forecast.vol_up, stood.vol_up),
            vol_down=set_of(VOL_DOWN, forecast.vol_down, stood.vol_down),
            im_factor=scalar(IM_FACTOR, im_factor, was.im_factor),
            depth=scalar(DEPTH, forecast.depth, was.depth),
            kappa=scalar(KAPPA, forecast.kappa, was.kappa),
            som=scalar(SOM, forecast.som, was.som),
            market=scalar(MARKET, forecast.market, was.market),
        )

    def hold_scalars(self, scalars: Scalars, now: int, *, urgent: bool = False) -> Scalars:
        """Posted volatility inside its limits; the rest is a forecast's, see `hold_forecast`."""
        posted = self.scalars.get(scalars.underlying)
        last = self.sets.get(scalars.underlying, Scenarios()).scalars_time
        limit = self.limit(scalars.underlying, VOLATILITY)
        seconds = self.seconds(now, last, urgent=urgent)
        return replace(scalars, volatility=limit.clamp(scalars.volatility, posted.volatility if posted else 0, seconds))

    def hold_market(self, market: Market, now: int, *, urgent: bool = False) -> Market:
        """A market whose forwards, linear marks and tokens lie where a report may put them."""
        key = market.underlying
        seconds = self.seconds(now, self.sets.get(key, Scenarios()).time, urgent=urgent)
        carry = (self.limit(key, CARRY).high - 1) / PPM
        forwards = {
            expiry: min(max(price, market.index * (1 - carry)), market.index * (1 + carry))
            for expiry, price in market.forwards.items()
        }
        basis = (self.limit(key, BASIS).high - 1) / PPM
        marks = dict(market.marks)
        for instrument, item in zip(market.instruments, market.listed, strict=True):
            if item.kind in {PERP, FUTURE} and instrument in marks:
                fair = forwards.get(item.expiry, market.index) if item.expiry else market.index
                marks[instrument] = min(max(marks[instrument], fair * (1 - basis)), fair * (1 + basis))
            elif item.kind == SPOT:
                price = marks.get(instrument, market.index)
                said = int(price / market.index * PPM)
                _, mark = self.charges.get(instrument >> 16, (0, 0))
                held = self.limit(key, WORTH).clamp(said, mark // WORTH_UNIT, seconds)
                if held != said:
                    marks[instrument] = market.index * (held + HALF) / PPM
        if forwards == market.forwards and marks == market.marks:
            return market
        return replace(market, forwards=forwards, marks=marks)

    def hold_rows(self, surface: Surface, now: int, *, urgent: bool = False) -> Surface:
        """A surface whose gross charges and haircuts moved no further than they may."""
        key = surface.underlying
        seconds = self.seconds(now, self.sets.get(key, Scenarios()).time, urgent=urgent)
        gross, haircut = self.limit(key, GROSS), self.limit(key, HAIRCUT)

        def held(at: int, row: Row) -> Row:
            item = Instrument(key, surface.expiry, row.kind, row.strike, at)
            was, _ = self.charges.get(item.pack() >> 16, (0, 0))
            limit = haircut if row.kind == SPOT else gross
            return replace(row, gross=limit.clamp(row.gross, was, seconds))

        return replace(surface, rows=tuple(held(at, row) for at, row in enumerate(surface.rows)))

    def hold_class(self, offset: ClassOffset, now: int, *, urgent: bool = False) -> ClassOffset:
        """A class offset inside its limits."""
        was = self.classes.get(offset.klass)
        seconds = self.seconds(now, self.class_times.get(offset.klass, 0), urgent=urgent)
        limits = self.limits[0]
        return replace(
            offset,
            offset=limits[OFFSET].clamp(offset.offset, was.offset if was else 0, seconds),
            cross_haircut=limits[CROSS_HAIRCUT].clamp(offset.cross_haircut, was.cross_haircut if was else 0, seconds),
        )


def charges_of(surfaces: Mapping[tuple[int, int], Surface]) -> dict[int, tuple[int, int]]:
    """Gross charge and mark of every row that stands, by instrument id without its row."""
    return {
        Instrument(underlying, expiry, row.kind, row.strike, at).pack() >> 16: (row.gross, row.mark)
        for (underlying, expiry), surface in surfaces.items()
        for at, row in enumerate(surface.rows)
    }

"""The engine: a snapshot and a model in, a report and its surfaces out, byte for byte the same wherever it runs.

    snapshot --model--> forecast --scenarios--> float arrays --quantise--> rows --encode--> codes, hashes --> Report

The report names its model, configuration and snapshot by hash, so that a risk node recomputes it before it signs, and
an auditor any time later.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from eth_utils.crypto import keccak

from plimsoll.market.snapshot import Market, Snapshot
from plimsoll.risk.arrays import ArrayConfig, by_expiry, fitting_scale, quantise, revalue
from plimsoll.risk.correlation import OffsetConfig, class_offset, step_limited
from plimsoll.risk.errors import ModelError, ReportError
from plimsoll.risk.limits import Rails
from plimsoll.risk.models import Forecast, Posted, RiskModel, State
from plimsoll.risk.rounding import nearest_int
from plimsoll.risk.scenarios import FINE, INNER, ScenarioSet
from plimsoll.spec.instruments import PERP, word
from plimsoll.spec.margin import ClassOffset, Index, Params, Scalars, View, assess
from plimsoll.spec.report import Report, pack_class, pack_scalars
from plimsoll.spec.surface import Surface, encode
from plimsoll.spec.wad import FORWARD_UNIT, PPM, WAD

MAX_SURFACES: Final = 64
MAX_SCALARS: Final = 64
MAX_CLASSES: Final = 16
BOUNDLESS: Final = 2**96 - 1  # a depth that no single contract exceeds


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Everything but the model that changes a report.

    Parameters
    ----------
    arrays
        Revaluation and charges.
    offsets
        Class offsets.
    look_ahead
        Time that passes in the lanes of volatility down [s].
    tenor_power, tenor_cap
        Volatility shifts by tenor, see `ScenarioSet` [ppm].
    inner
        Inner nodes of every underlying [1e-4 PSR], see `ScenarioSet`.
    """

    arrays: ArrayConfig = field(default_factory=ArrayConfig)
    offsets: OffsetConfig = field(default_factory=OffsetConfig)
    look_ahead: int = 86_400
    tenor_power: int = 300_000
    tenor_cap: int = 3_000_000
    inner: tuple[int, ...] = INNER


@dataclass(frozen=True, slots=True)
class MarginRate:
    """Requirement of one perpetual contract by `plimsoll.spec.margin`, as fractions of notional.

    Concentration and open interest are left aside. `psr` and `volatility` are the numbers behind it [1, 1 a year].
    """

    mm: float
    im: float
    psr: float
    volatility: float


@dataclass(frozen=True, slots=True)
class BuiltReport:
    """A report with all that goes into its post.

    `codes` and `surfaces` in the order of `report.surfaces`; `scalars` and `classes` in the order of the packed words.
    `state` is what the next report takes as its previous one. `summary` covers the underlyings that list a perpetual.
    """

    report: Report
    codes: tuple[bytes, ...]
    surfaces: tuple[Surface, ...]
    scalars: tuple[Scalars, ...]
    classes: tuple[ClassOffset, ...]
    forecasts: Mapping[int, Forecast]
    summary: Mapping[int, MarginRate]
    state: State

    def surface(self, underlying: int, expiry: int = 0) -> Surface:
        """One surface; expiry 0 holds perpetuals and collateral.

        Raises
        ------
        ReportError
            The report has none for it.
        """
        for surface in self.surfaces:
            if (surface.underlying, surface.expiry) == (underlying, expiry):
                return surface
        raise ReportError(f"no surface of underlying {underlying}, expiry {expiry}")


def check_size(built: BuiltReport) -> None:
    """Whether a report fits one post.

    Raises
    ------
    ReportError
        It holds more surfaces, underlyings or classes than the oracle takes.
    """
    for what, items, most in (
        ("surfaces", built.surfaces, MAX_SURFACES),
        ("underlyings", built.scalars, MAX_SCALARS),
        ("classes", built.classes, MAX_CLASSES),
    ):
        if len(items) > most:
            raise ReportError(f"{len(items)} {what}; a report holds {most}")


def named(only: Collection[int], known: Collection[int]) -> frozenset[int]:
    """The underlyings that a report is to be of.

    Raises
    ------
    ReportError
        None is named, or one that is not known.
    """
    wanted = frozenset(only)
    if not wanted or wanted - frozenset(known):
        raise ReportError(f"a report of {sorted(wanted) or 'no underlyings'}; some of {sorted(known)} are right")
    return wanted


def _check_time(snapshot: Snapshot, previous: State | None, wanted: frozenset[int]) -> None:
    """Time has passed since each of these was posted: the oracle takes none back, and limits an hour need an hour."""
    now = snapshot.market_time
    if previous is None or now > previous.market_time:
        return
    # another report of this very moment may stand: of other underlyings, each of which has a clock of its own
    again = [u for u in wanted if u in previous.posted and previous.time_of(u) >= now]
    if now < previous.market_time or again or not wanted:
        raise ReportError(f"market time {now} is not after the last, {previous.market_time}")


def canonical(value: Any) -> bytes:
    """Plain values as JSON with one form: sorted keys, no blanks, shortest exact floats.

    Raises
    ------
    ModelError
        A value is not plain, or a float is not finite.
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ModelError(f"parameters must be plain, finite JSON values: {error}") from error


class Engine:
    """Builds reports.

    Parameters
    ----------
    model
        Measures the risk.
    config
        All else.
    """

    def __init__(self, model: RiskModel, config: EngineConfig | None = None) -> None:
        self.model = model
        self.config = config or EngineConfig()
        self.model_hash: bytes = keccak(text=f"{model.name}/{model.version}")
        self.config_hash: bytes = keccak(canonical({"model": dict(model.parameters), "engine": asdict(self.config)}))

    def report(
        self,
        snapshot: Snapshot,
        previous: State | None = None,
        sequence: int | None = None,
        *,
        rails: Rails | None = None,
        urgent: bool = False,
        only: tuple[int, ...] | None = None,
    ) -> BuiltReport:
        """The report of a snapshot.

        Parameters
        ----------
        snapshot
            What to look at.
        previous
            `BuiltReport.state` of the last report, or `State.of` what the chain holds; None for the first.
        sequence
            Of the report; one more than the last, 1 for the first, where not given.
        rails
            What the chain's guardrails allow: the report stays inside them. None leaves the model's answer as it is.
        urgent
            For the urgent quorum to sign, which lets scalars move further.
        only
            Underlyings that the report is of, each with all its expiries and its class, see
            `plimsoll.risk.report_parts`; the rest of the snapshot is looked at and left out. None: all of it.

        Raises
        ------
        ReportError
            The market time is before the last report's, or not after what was last said of an underlying of this one;
            the sequence is not above; `only` names none, or one that the snapshot lacks; or there is too much for one
            post.
        RiskError
            As model, scenarios and arrays.
        """
        wanted = frozenset(market.underlying for market in snapshot.markets) if only is None else frozenset(only)
        _check_time(snapshot, previous, wanted)
        found = self.whole(snapshot, previous, sequence, rails=rails, urgent=urgent, only=only)
        check_size(found)
        return found

    def whole(
        self,
        snapshot: Snapshot,
        previous: State | None = None,
        sequence: int | None = None,
        *,
        rails: Rails | None = None,
        urgent: bool = False,
        only: tuple[int, ...] | None = None,
    ) -> BuiltReport:
        """As `report`, be it too much for one post, or of underlyings that were posted at this very time.

        For who decides what of it to post; `plimsoll.risk.report_parts.part` makes reports of it.

        Raises
        ------
        ReportError, RiskError
            As `report`, but for size and equal times.
        """
        if previous is not None and snapshot.market_time < previous.market_time:
            raise ReportError(f"market time {snapshot.market_time} is not after the last, {previous.market_time}")
        known = {market.underlying for market in snapshot.markets}
        wanted = known if only is None else named(only, known)
        number = sequence if sequence is not None else (previous.sequence + 1 if previous else 1)
        if number <= (previous.sequence if previous else 0):
            raise ReportError(f"sequence {number} is not above the last")
        forecasts = dict(self.model.assess(snapshot, previous))
        now = snapshot.market_time
        surfaces: list[Surface] = []
        scalars: list[Scalars] = []
        for market in snapshot.markets:
            if market.underlying not in wanted:
                continue
            if market.underlying not in forecasts:
                raise ModelError(f"model {self.model.name} says nothing of underlying {market.underlying}")
            forecast, held, posted = forecasts[market.underlying], market, None
            if rails is not None:
                forecast = forecasts[market.underlying] = rails.hold_forecast(forecast, now, urgent=urgent)
                held = rails.hold_market(market, now, urgent=urgent)
                posted = rails.hold_scalars(forecast.scalars, now, urgent=urgent)
            made = self._surfaces(held, forecast, now)
            surfaces += made if rails is None else [rails.hold_rows(surface, now, urgent=urgent) for surface in made]
            scalars.append(posted or forecast.scalars)
        going = {underlying >> 8 for underlying in wanted}
        classes = tuple(offset for offset in self._classes(snapshot, previous) if offset.klass in going)
        if rails is not None:
            classes = tuple(rails.hold_class(offset, now, urgent=urgent) for offset in classes)
        forecasts = {key: forecast for key, forecast in forecasts.items() if key in wanted}
        codes = tuple(encode(surface) for surface in surfaces)
        report = Report(
            sequence=number,
            market_time=snapshot.market_time,
            urgent=urgent,
            model=self.model_hash,
            config=self.config_hash,
            snapshot=snapshot.content_hash,
            surfaces=tuple(keccak(code) for code in codes),
            scalars=tuple(pack_scalars(s) for s in scalars),
            classes=tuple(pack_class(c) for c in classes),
        )
        return BuiltReport(
            report,
            codes,
            tuple(surfaces),
            tuple(scalars),
            classes,
            forecasts,
            _summary(snapshot, surfaces, scalars, forecasts),
            # what this report leaves out still stands on chain, and is what a later one glides from
            State(
                number,
                snapshot.market_time,
                {
                    **(previous.aged() if previous else {}),
                    **{key: Posted(f.psr, f.vol_up, f.vol_down, f.depth) for key, f in forecasts.items()},
                },
                {**(previous.offsets if previous else {}), **{c.klass: c.offset for c in classes}},
            ),
        )

    def _surfaces(self, market: Market, forecast: Forecast, now: int) -> list[Surface]:
        """The surfaces of one underlying, by expiry, all on one scenario set."""
        scenarios = ScenarioSet(
            psr=forecast.psr,
            vol_up=forecast.vol_up,
            vol_down=forecast.vol_down,
            scale=FINE,
            look_ahead=self.config.look_ahead,
            tenor_power=self.config.tenor_power,
            tenor_cap=self.config.tenor_cap,
            inner=self.config.inner,
        )
        floats = revalue(market, scenarios, now, forecast.volatility, self.config.arrays)
        scenarios = scenarios.at_scale(fitting_scale(floats.pnl))
        rows = quantise(replace(floats, scenarios=scenarios))
        return [
            Surface(
                underlying=market.underlying,
                expiry=expiry,
                scale=scenarios.scale,
                common=scenarios.common,
                time=now,
                set_id=scenarios.set_id,
                forward=floats.forwards.get(expiry, FORWARD_UNIT),
                reference=floats.reference,
                psr=scenarios.psr,
                vol_up=scenarios.vol_up,
                vol_down=scenarios.vol_down,
                nodes=scenarios.nodes,
                extremes=scenarios.extremes,
                rows=part,
                damps=scenarios.damps,
            )
            for expiry, part in by_expiry(floats, rows).items()
        ]

    def _classes(self, snapshot: Snapshot, previous: State | None) -> tuple[ClassOffset, ...]:
        members: dict[int, list[Market]] = {}
        for market in snapshot.markets:
            members.setdefault(market.underlying >> 8, []).append(market)
        config = self.config.offsets
        haircut = nearest_int(config.cross_haircut * PPM)
        last = previous.offsets if previous else {}
        unseen = {u >> 8 for u in previous.posted.keys() - {m.underlying for m in snapshot.markets}} if previous else ()
        found = []
        for klass, markets in sorted(members.items()):
            target, stands = class_offset(markets, config), last.get(klass)
            if klass in unseen and stands is not None:
                # whoever is missing from the snapshot may have the lowest correlation: without it nothing widens
                target = min(target, stands) if len(markets) > 1 else stands
            found.append(ClassOffset(klass, step_limited(target, stands, config), haircut))
        return tuple(found)


def _summary(
    snapshot: Snapshot, surfaces: list[Surface], scalars: list[Scalars], forecasts: Mapping[int, Forecast]
) -> dict[int, MarginRate]:
    found = {}
    perpetual = {s.underlying: s for s in surfaces if s.expiry == 0}
    by_number = {s.underlying: s for s in scalars}
    for market in snapshot.markets:
        posted = by_number.get(market.underlying)
        if posted is None:
            continue
        item = next((i for i in market.listed if i.kind == PERP), None)
        if item is None:
            continue
        view = View(
            params=Params(),
            now=snapshot.market_time,
            index={market.underlying: Index(market.reference, market.strike_unit)},
            surfaces={(market.underlying, 0): perpetual[market.underlying]},
            scalars={market.underlying: replace(posted, depth=BOUNDLESS)},
        )
        margin = assess([word(item.pack(), WAD)], 0, view)
        forecast = forecasts[market.underlying]
        found[market.underlying] = MarginRate(
            margin.mm / market.reference, margin.im / market.reference, forecast.psr / PPM, forecast.volatility
        )
    return found

"""Risk models: from a snapshot to the posted scalars of each underlying.

A model is anything with a name, a version, parameters and `assess`; `RiskModel` says so to the type checker. `EwmaFhs`
is the first, `HarFhs` the one that back-tests best and the default. Others are named in `plimsoll.risk.named`.

The glide. What the market's risk is *now* and what running positions are margined at are two numbers. The second, the
maintenance scan range, moves toward the first no faster than `max_rise` an hour and `max_step` a report, so that nobody
is liquidated by a report alone; the distance between them goes into `im_factor` at once, so that new risk pays today's
price. Depth glides down likewise: half of it gone would nearly double what the largest positions need.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal, Protocol, runtime_checkable

from plimsoll.market.bars import DAY, YEAR, FloatArray
from plimsoll.market.portable import expm1, power
from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.risk.closing import Closing, ClosingConfig, closing
from plimsoll.risk.errors import ModelError, ReturnError, TooFewObservationsError, check_bounds
from plimsoll.risk.har import HarConfig, calmed_volatility
from plimsoll.risk.plain import from_plain
from plimsoll.risk.premium import FundingConfig, funding_rate
from plimsoll.risk.procyclicality import NONE, STRESSED, Damping
from plimsoll.risk.rounding import decimal_down, downward_int, nearest_int
from plimsoll.risk.volatility import MAX_FREEDOM, Tail, check_returns, ewma_variance, fhs_tail, historical_tail
from plimsoll.risk.watch import BASEL_WINDOWS, exceptions, long_run, raised, watched
from plimsoll.spec.margin import ClassOffset, Scalars
from plimsoll.spec.report import MAX_KAPPA, MIN_DEPTH
from plimsoll.spec.surface import Surface
from plimsoll.spec.wad import PPM

MAX_U24: Final = 2**24 - 1
HOUR: Final = 3_600
WATCH: Final = BASEL_WINDOWS
MAX_WATCH: Final = 10_000
REMEMBERED: Final = 64  # paths of volatility, a megabyte for each eight years of hours


@dataclass(frozen=True, slots=True)
class Posted:
    """What the last report said of one underlying and the next one glides from [ppm].

    `depth` [wad contracts]; None where it is not known: it does not glide then. `time`: market time when it was said
    [unix s], where the last report left the underlying out; None: it came with the last report.
    """

    psr: int
    vol_up: int
    vol_down: int
    depth: int | None = None
    time: int | None = None


@dataclass(frozen=True, slots=True)
class State:
    """What of the last report the next one needs.

    `posted` by underlying; `offsets` by class [ppm].
    """

    sequence: int
    market_time: int
    posted: Mapping[int, Posted] = field(default_factory=dict)
    offsets: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        sequence: int,
        market_time: int,
        surfaces: tuple[Surface, ...],
        classes: tuple[ClassOffset, ...],
        scalars: tuple[Scalars, ...] = (),
    ) -> State:
        """The state behind posted surfaces, classes and scalars, as read from a chain."""
        depths = {s.underlying: s.depth for s in scalars}
        posted = {
            s.underlying: Posted(
                s.psr, s.vol_up, s.vol_down, depths.get(s.underlying), None if s.time == market_time else s.time
            )
            for s in sorted(surfaces, key=lambda s: s.time)  # what was said last of an underlying is what stands
        }
        return cls(sequence, market_time, posted, {c.klass: c.offset for c in classes})

    def time_of(self, underlying: int) -> int:
        """Market time of what an underlying glides from [unix s]; the last report's where nothing was said of it."""
        found = self.posted.get(underlying)
        return self.market_time if found is None or found.time is None else found.time

    def aged(self) -> dict[int, Posted]:
        """What was posted, each with its time: as a later report finds what it leaves out."""
        return {u: replace(found, time=self.time_of(u)) for u, found in self.posted.items()}


@dataclass(frozen=True, slots=True)
class Forecast:
    """A model's answer for one underlying.

    Integers are posted as they stand [ppm; depth in wad contracts]; floats are for the engine and for people.

    Parameters
    ----------
    underlying
        Its number.
    sigma
        Volatility for one trading day, i.e. per sqrt(day) [1].
    volatility
        The same a year [1]; prices options that nobody quotes.
    forecast_psr
        Scan range at today's risk [ppm].
    psr
        The maintenance scan range, after the glide [ppm].
    vol_up, vol_down
        Volatility shifts at 30 days, after the glide [ppm].
    im_factor, depth, kappa, som, market
        As `plimsoll.spec.margin.Scalars`.
    tail
        Where the scan range comes from; None where a model has no such thing.
    funding
        What a perpetual's long pays [ppm a day].
    closing
        What the horizon was lengthened by; None where a model does not look.
    """

    underlying: int
    sigma: float
    volatility: float
    forecast_psr: int
    psr: int
    vol_up: int
    vol_down: int
    im_factor: int
    depth: int
    kappa: int
    som: int
    market: int
    tail: Tail | None = None
    funding: int = 0
    closing: Closing | None = None

    @property
    def scalars(self) -> Scalars:
        """The numbers that are posted in the underlying's word."""
        return Scalars(
            underlying=self.underlying,
            depth=self.depth,
            kappa=self.kappa,
            som=self.som,
            im_factor=self.im_factor,
            volatility=min(_ppm(self.volatility), 2**32 - 1),
            market=self.market,
            funding=self.funding,
        )


@runtime_checkable
class RiskModel(Protocol):
    """What an engine needs of a model."""

    @property
    def name(self) -> str:
        """Name, hashed into the report with the version."""

    @property
    def version(self) -> str:
        """Version: another one for other numbers from the same input."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """All that changes its answers, as plain JSON values; hashed into the report."""

    def assess(self, snapshot: Snapshot, previous: State | None) -> Mapping[int, Forecast]:
        """A forecast for every underlying of the snapshot. Must depend on its arguments and parameters only."""


@dataclass(frozen=True, slots=True)
class GlideConfig:
    """How fast a posted scalar may move.

    Parameters
    ----------
    max_rise
        Largest rise an hour, as a share of the last value.
    max_fall
        Largest fall an hour, likewise: risk that has passed is forgotten slowly, so that requirements do not swing.
    max_step
        Largest rise from one report to the next, however long ago the last one was; under the call buffer, so that one
        report leads no further than to a margin call.
    """

    max_rise: float = 0.05
    max_fall: float = 0.02
    max_step: float = 0.05

    def __post_init__(self) -> None:
        for name in ("max_rise", "max_fall", "max_step"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ModelError(f"{name} {value}; above 0 is right")


def glide(target: int, previous: int | None, seconds: int, config: GlideConfig) -> int:
    """A posted scalar [ppm] on its way to `target`.

    Parameters
    ----------
    target
        Where it would be without limits.
    previous
        The last posted value; None for the first report, which starts at the target.
    seconds
        Time since the last report.
    config
        Limits.

    Raises
    ------
    ModelError
        Time goes back.
    """
    if previous is None:
        return target
    if seconds < 0:
        raise ModelError(f"{seconds} s since the last report; 0 or more is right")
    hours = seconds / HOUR
    highest = previous + downward_int(previous * min(config.max_rise * hours, config.max_step))
    lowest = previous - downward_int(previous * min(config.max_fall * hours, 1.0))
    return min(max(target, lowest), highest)


def glide_depth(target: int, previous: int | None, seconds: int, config: GlideConfig) -> int:
    """A posted depth [wad contracts] on its way to `target`: it falls half as fast as a requirement may rise.

    With kappa at half the range, as posted, a position of s depths needs d psr (s + (s - 1)^2 / 2), whose elasticity in
    depth is (1 - s^2) / (1 + s^2): more than -1, so that a fall to a share x raises it to 1 / x at most. The range may
    rise by `max_step` in the same report; half of it is left for depth. At 5 % both come to 1.05 / 0.975, which is less
    than the call buffer. A rise of depth is for the account, and goes out at once.

    Parameters
    ----------
    target
        Where it would be without limits.
    previous
        The last posted value; None where there is none.
    seconds
        Time since the last report, 0 or more.
    config
        Limits.
    """
    if previous is None:
        return target
    share = min(config.max_rise * (seconds / HOUR), config.max_step, 1.0) / 2
    return max(target, previous - previous * downward_int(share * PPM) // PPM)


@dataclass(frozen=True, slots=True)
class EwmaFhsConfig:
    """Parameters of `EwmaFhs`. Fractions unless said otherwise.

    Parameters
    ----------
    decay
        EWMA weight that the past keeps a *day*; bars of another length take the power that leaves a day's weight.
    horizon
        Liquidation horizon [s], in trading time: one day is one daily bar, or 24 hourly ones.
    level
        Share of horizons whose loss the maintenance scan range covers.
    measure
        Expected shortfall or quantile at that level.
    needed
        Returns below which nothing is said.
    needed_tail
        Horizons that do not overlap, below which a Student t stands in for the sample's tail.
    freedom
        Its degrees of freedom; None for a normal.
    damping
        Tools against procyclicality, see `plimsoll.risk.procyclicality`: in a calm the requirement does not sink to
        what the calm alone would say.
    psr_floor, psr_cap
        Bounds of the scan range.
    vol_up, vol_down
        Volatility shifts at 30 days.
    im_multiplier
        IM over MM where forecast and maintenance range agree: the same tail over horizon plus time to react.
    min_im_factor, max_im_factor
        Bounds of the IM factor: over 1 + call_buffer, and what its field of 24 bits holds.
    kappa_share
        Concentration charge as a share of the scan range: at twice the depth, half the position pays this much more.
    som_share, som_floor
        Short option minimum as a share of the scan range, and its floor.
    market
        Market term at an open interest of one depth.
    closing
        How depth and cascade lengthen the horizon, see `plimsoll.risk.closing`.
    funding
        How a mark's premium becomes a funding rate, see `plimsoll.risk.premium`.
    glide
        Limits of movement.
    """

    decay: float = 0.94
    horizon: int = DAY
    level: float = 0.99
    measure: Literal["shortfall", "quantile"] = "shortfall"
    needed: int = 30
    needed_tail: int = 250
    freedom: float | None = 4.0
    damping: Damping = STRESSED
    psr_floor: float = 0.03
    psr_cap: float = 0.90
    vol_up: float = 0.40
    vol_down: float = 0.25
    im_multiplier: float = 1.25
    min_im_factor: float = 1.25
    max_im_factor: float = 16.0
    kappa_share: float = 0.5
    som_share: float = 0.10
    som_floor: float = 0.005
    market: float = 0.02
    closing: ClosingConfig = field(default_factory=ClosingConfig)
    funding: FundingConfig = field(default_factory=FundingConfig)
    glide: GlideConfig = field(default_factory=GlideConfig)

    def __post_init__(self) -> None:
        bounds: tuple[tuple[str, float, float], ...] = (
            ("decay", 1e-6, 1 - 1e-9),
            ("horizon", 1, YEAR),
            ("level", 0.5, 1 - 1e-9),
            ("needed", 2, 10**9),
            ("needed_tail", 1, 10**9),
            ("psr_floor", 1e-4, 1),
            ("psr_cap", self.psr_floor, 1),
            ("vol_up", 0, 10),
            ("vol_down", 0, 0.99),
            ("im_multiplier", 1, MAX_U24 / PPM),
            ("min_im_factor", 1, MAX_U24 / PPM),
            ("max_im_factor", self.min_im_factor, MAX_U24 / PPM),
            ("kappa_share", 0, MAX_KAPPA / PPM),
            ("som_share", 0, 1),
            ("som_floor", 0, 1),
            ("market", 0, 1),
        )
        check_bounds(self, bounds)
        if self.measure not in {"shortfall", "quantile"}:
            raise ModelError(f"measure {self.measure!r}; 'shortfall' or 'quantile' is right")
        if self.freedom is not None and not 2 < self.freedom <= MAX_FREEDOM:
            raise ModelError(f"freedom {self.freedom}; above 2 to {MAX_FREEDOM}, or None for a normal, is right")

    def bounded(self, scan_range: float) -> int:
        """The scan range [ppm] that one measured [1] is wanted at: inside floor and cap."""
        return _ppm(min(max(scan_range, self.psr_floor), self.psr_cap))

    def im_factor(self, wanted: int, posted: int) -> int:
        """IM over MM [ppm] where scan range `wanted` stands behind `posted` [ppm]: new risk pays today's price."""
        return _ppm(min(max(self.min_im_factor, self.im_multiplier * wanted / posted), self.max_im_factor))


def _ppm(value: float) -> int:
    return nearest_int(value * PPM)


class EwmaFhs:
    """EWMA volatility with the tails of filtered historical simulation, glided.

        sigma   = sqrt(EWMA variance of a bar x bars in the horizon)
        tail    = expected shortfall (or quantile) of the residuals, each side
        PSR     = max(1 - exp(-down sigma), exp(up sigma) - 1), then damping
        posted  = glide(PSR); im_factor = max(min_im_factor, im_multiplier x PSR / posted), at most max_im_factor

    The lanes are symmetric, so the wider side counts.
    """

    name = "ewma-fhs"
    version = "2"

    def __init__(self, config: EwmaFhsConfig | None = None) -> None:
        self.config = config or EwmaFhsConfig()

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The configuration as plain values."""
        return asdict(self.config)

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> EwmaFhs:
        """The model behind `parameters`; ValueError or ModelError where they are none."""
        return cls(from_plain(EwmaFhsConfig, parameters, "parameters"))

    def assess(self, snapshot: Snapshot, previous: State | None = None) -> dict[int, Forecast]:
        """A forecast for every underlying of the snapshot.

        Raises
        ------
        TooFewObservationsError, ReturnError
            A history is too short, or does not move at all.
        ModelError
            The snapshot is older than the previous state.
        """
        return {market.underlying: self._assess(market, snapshot.market_time, previous) for market in snapshot.markets}

    def _tail(self, tail: Tail) -> tuple[float, float]:
        if self.config.measure == "quantile":
            return tail.quantile_down, tail.quantile_up
        return tail.shortfall_down, tail.shortfall_up

    def _damped(self, range_now: float, history: History, bars: int) -> float:
        """The range after the tools against procyclicality; the long run is the tail of all history, unfiltered."""
        if not self.config.damping.is_used:
            return range_now
        unfiltered = historical_tail(history.logs[bars:] - history.logs[:-bars], self.config.level, bars)
        return self.config.damping(range_now, _range(*self._tail(unfiltered), 1.0))

    def forecast(self, market: Market) -> tuple[float, float, Tail]:
        """Volatility of a day, scan range at today's risk before bounds (both fractions), and its tail."""
        config = self.config
        history = market.history
        returns = history.returns
        check_returns(returns, config.needed, f"underlying {market.underlying}")
        bars = max(1, round(config.horizon / history.interval))
        variance = ewma_variance(returns, power(config.decay, history.interval / DAY))
        if variance[-1] <= 0:
            raise ReturnError(f"underlying {market.underlying}: its price does not move; no risk can be measured on it")
        tail = fhs_tail(
            returns, variance, level=config.level, horizon=bars, needed=config.needed_tail, freedom=config.freedom
        )
        scale = math.sqrt(float(variance[-1]) * bars)
        range_now = _range(*self._tail(tail), scale)
        if tail.method == "historical":
            range_now = self._damped(range_now, history, bars)
        return math.sqrt(float(variance[-1]) * DAY / history.interval), range_now, tail

    def _assess(self, market: Market, now: int, previous: State | None) -> Forecast:
        config = self.config
        sigma, wanted, tail = self.forecast(market)
        volatility = sigma * math.sqrt(market.history.interval / DAY * market.history.per_year)
        found = closing(market, now, wanted, config.horizon, config.closing)
        target = config.bounded(found.range)
        last = previous.posted.get(market.underlying) if previous else None
        seconds = now - previous.time_of(market.underlying) if previous else 0
        psr = glide(target, last.psr if last else None, seconds, config.glide)
        depth = max(MIN_DEPTH, decimal_down(found.depth.posted, 6) * 10**12)
        return Forecast(
            underlying=market.underlying,
            sigma=sigma,
            volatility=volatility,
            forecast_psr=target,
            psr=psr,
            vol_up=glide(_ppm(config.vol_up), last.vol_up if last else None, seconds, config.glide),
            vol_down=glide(_ppm(config.vol_down), last.vol_down if last else None, seconds, config.glide),
            im_factor=config.im_factor(target, psr),
            depth=glide_depth(depth, last.depth if last else None, seconds, config.glide),
            kappa=min(downward_int(config.kappa_share * psr), MAX_KAPPA),
            som=max(_ppm(config.som_floor), downward_int(config.som_share * psr)),
            market=_ppm(config.market),
            tail=tail,
            funding=self._funding(market, now),
            closing=found,
        )

    def _funding(self, market: Market, now: int) -> int:
        """The funding rate [ppm a day]; 0 where no marks were observed."""
        seen = market.marks_seen
        return 0 if seen is None else funding_rate(seen.time, seen.mark, seen.index, now, self.config.funding).rate


@dataclass(frozen=True, slots=True)
class HarFhsConfig(EwmaFhsConfig):
    """Parameters of `HarFhs`: those of `EwmaFhs`, whose `decay` it does not use, and of the forecast.

    `measure` is the quantile: what the back-test promises and judges. No damping: the forecast is calmed, and its tail
    measured on what was calmed.

    Parameters
    ----------
    har
        See `plimsoll.risk.har`.
    settle
        Residuals this long after the first forecast are left out [s].
    watch
        Windows, one a day, whose exceptions raise the scan range, see `plimsoll.risk.watch`; 0: none do.
    young
        What a market is measured by whose history is too short for the forecast, over this horizon and at this level;
        None makes that an error.
    """

    measure: Literal["shortfall", "quantile"] = "quantile"
    damping: Damping = NONE
    har: HarConfig = field(default_factory=HarConfig)
    settle: int = 60 * DAY
    watch: int = WATCH
    young: EwmaFhsConfig | None = field(default_factory=EwmaFhsConfig)

    def __post_init__(self) -> None:
        # a dataclass with slots is made twice, so that super() without arguments finds the first
        super(HarFhsConfig, self).__post_init__()
        if not 0 <= self.settle <= YEAR:
            raise ModelError(f"settle {self.settle}; 0 .. {YEAR} is right")
        if not 0 <= self.watch <= MAX_WATCH:
            raise ModelError(f"watch {self.watch}; 0 .. {MAX_WATCH} is right")


class HarFhs(EwmaFhs):
    """Volatility by heterogeneous autoregression, calmed, with the tails of filtered historical simulation.

        sigma   = calmed HAR forecast of the horizon (`plimsoll.risk.har`), fitted to the snapshot's own history
        tail    = quantile (or expected shortfall) of what past forecasts left, each side
        the rest as `EwmaFhs`

    What `plimsoll backtest` judges as har-fhs is this. A market whose history is too short for it is measured by
    `EwmaFhs` under `young`; where that is None it is an error. `Forecast.tail` says how many windows stood behind it.
    """

    name = "har-fhs"
    version = "2"
    config: HarFhsConfig

    def __init__(self, config: HarFhsConfig | None = None) -> None:
        super().__init__(config or HarFhsConfig())
        self._paths: dict[tuple[bytes, int, int], tuple[FloatArray, int]] = {}

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> HarFhs:
        """The model behind `parameters`; ValueError or ModelError where they are none."""
        return cls(from_plain(HarFhsConfig, parameters, "parameters"))

    def forecast(self, market: Market) -> tuple[float, float, Tail]:
        """Volatility of a day, scan range at today's risk before bounds (both fractions), and its tail.

        Raises
        ------
        TooFewObservationsError
            The history holds fewer than `needed` residuals after burn-in and settling, and `young` is None.
        ReturnError
            The price does not move.
        """
        try:
            return self._forecast(market)
        except TooFewObservationsError:
            if self.config.young is None:
                raise
            young = replace(self.config.young, horizon=self.config.horizon, level=self.config.level)
            return EwmaFhs(young).forecast(market)

    def _path(self, market: Market, bars: int, where: str) -> tuple[FloatArray, int]:
        """Calmed volatility of the next `bars` at every close but the first, and the first entry that is known."""
        history = market.history
        return calmed_volatility(
            history.returns, history.time[1:], history.interval, bars, history.ranges, self.config.har, what=where
        )

    def _known_path(self, market: Market, bars: int, where: str) -> tuple[FloatArray, int]:
        """`_path`, remembered: all rounds of a keeper between two closes see one history."""
        key = market.history.digest, market.underlying, bars
        if key not in self._paths:
            if len(self._paths) >= REMEMBERED:
                self._paths.clear()
            self._paths[key] = self._path(market, bars, where)
        return self._paths[key]

    def _forecast(self, market: Market) -> tuple[float, float, Tail]:
        config, history = self.config, market.history
        where = f"underlying {market.underlying}"
        check_returns(history.returns, config.needed, where)
        bars = max(1, round(config.horizon / history.interval))
        path, first = self._known_path(market, bars, where)
        start = first + config.settle // history.interval
        residuals = (history.logs[bars:] - history.logs[:-bars])[start:] / path[start:-bars]
        check_returns(residuals, config.needed, f"{where}, residuals")
        tail = historical_tail(residuals, config.level, bars)
        sigma, usual = float(path[-1]), float(long_run(path[first:])[-1])
        begun = history.time[1:][start : start + len(residuals)]
        seen = ((-residuals, self._tail(tail)[0]), (residuals, self._tail(tail)[1]))
        down, up = (raised(exceptions(losses, begun, held, config.level, config.watch)) for losses, held in seen)
        if not history.returns.any():
            raise ReturnError(f"{where}: its price does not move; no risk can be measured on it")
        sides = zip(_moves(*self._tail(tail), sigma), _moves(*self._tail(tail), usual), (down, up), strict=True)
        wider = max(float(watched(*side)) for side in sides)
        range_now = self._damped(wider, history, bars)
        return sigma / math.sqrt(bars * history.interval / DAY), range_now, tail


def _moves(down: float, up: float, scale: float) -> tuple[float, float]:
    """Two log moves as simple ones."""
    return -expm1(-max(down, 0.0) * scale), expm1(min(max(up, 0.0) * scale, 50.0))


def _range(down: float, up: float, scale: float) -> float:
    """The wider of two log moves as a simple one."""
    return max(_moves(down, up, scale))

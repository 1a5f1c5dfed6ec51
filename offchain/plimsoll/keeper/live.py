"""Ingest, live: the keeper's snapshot from what venues say now.

    venues:
      record: build/venues.db           # rounds and hours; lose it, and hours since the file's end are asked for again
      every: 10                         # [s] between rounds, and between questions to a venue
      minimum: 3                        # venues that a price needs
      max_age: 60                       # [s]
      band: 0.05                        # furthest that the median may lie from the chain's index
      markets:
        257:
          - {venue: kraken, symbol: BTC/USD}
          - {venue: coinbaseexchange, symbol: BTC/USD, every: 30}
          - {venue: bitstamp, symbol: BTC/USD}
          - {venue: binance, symbol: BTC/USDT}
          - {venue: okx, symbol: BTC/USDT}
          - {kind: chainlink, address: "0x...", decimals: 8, low: 100, high: 10000000}
          - {kind: file, path: desk/btc.csv}
          - {venue: deribit, symbol: "BTC/USD:BTC", kind: perp}
          - {venue: deribit, symbol: BTC, kind: option, every: 120}

The index of a snapshot stays the chain's, since margin is computed at it. What venues say decides whether a market is
in it at all: none is while fewer than the minimum are good, or while their median lies further than `band` from the
index. And it goes on where files end: bars of the hours since, depths and marks where no file gives them, options.

Nothing here needs ccxt but `live_source`, which asks.
"""

from __future__ import annotations

import logging
import math
import time as clock
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from eth_utils.address import to_checksum_address
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from plimsoll.chain.deployment import System
from plimsoll.keeper.errors import SettingsError, SourceDownError
from plimsoll.keeper.sources import DEPTHS, MARKS, FeedSource, MarketSource
from plimsoll.keeper.state import Held
from plimsoll.market.bars import DAY, Bars
from plimsoll.market.quotes import Quote
from plimsoll.market.snapshot import History, Market
from plimsoll.risk import smile
from plimsoll.risk.errors import RiskError
from plimsoll.spec.instruments import CALL
from plimsoll.spec.wad import WAD, YEAR

if TYPE_CHECKING:
    from plimsoll.market.venues.answers import OptionLine
    from plimsoll.market.venues.collector import Collector, Venue
    from plimsoll.market.venues.rules import Consolidated, SourceRow

HOUR: Final = 3_600
CHAIN_AGE: Final = 600  # [s] of options, which are asked for less often
FEED_AGE: Final = 3_900  # [s] of feeds: the usual heartbeat of an hour, and time to be mined
RECENT: Final = 30 * DAY  # [s] of history that a chain's level is held against
LEVELS: Final = 5.0  # times the realised volatility that a chain's may be, or a part of it
STRADDLE: Final = math.sqrt(2 / math.pi)  # an at-the-money straddle over F sigma sqrt(tau), to first order
SHORTEST: Final = 2 * DAY  # [s] to an expiry whose level says something
REQUESTS: Final = 2  # in a question, as a rule: what takes longer is shown as trouble
ROUNDS: Final = 3  # intervals without a round after which the collector counts as dead

log = logging.getLogger(__name__)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceSettings(_Strict):
    """One source of one market."""

    kind: Literal["spot", "perp", "option", "chainlink", "file"] = "spot"
    venue: str | None = Field(default=None, description="ccxt's name of the exchange")
    symbol: str | None = Field(default=None, description="ccxt's name of the market; of a chain the coin")
    name: str | None = Field(default=None, min_length=1, max_length=64, description="by default the venue's and kind's")
    url: str | None = Field(default=None, pattern=r"^https?://", description="in place of the venue's hosts")
    every: float | None = Field(default=None, gt=0, le=3_600, description="[s]")
    max_age: int | None = Field(default=None, gt=0, le=7 * DAY, description="[s]")
    ticker: bool = Field(default=False, description="last trade in place of the book's mid: no depth then")
    levels: int = Field(default=100, ge=5, le=5_000, description="of the book")
    address: Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")] | None = None
    decimals: int | None = Field(default=None, ge=0, le=36)
    low: float = Field(default=0.0, ge=0, description="a feed's answer must lie over it [quote]")
    high: float = Field(default=math.inf, gt=0, description="and under it [quote]")
    path: Path | None = None

    @model_validator(mode="after")
    def _whole(self) -> SourceSettings:
        needed = {"chainlink": ("address",), "file": ("path",)}.get(self.kind, ("venue", "symbol"))
        lacking = [name for name in needed if getattr(self, name) is None]
        if lacking:
            raise ValueError(f"a source of kind {self.kind} needs {' and '.join(lacking)}")
        strange = sorted({"venue", "symbol", "address", "path"} - {*needed})
        strange = [name for name in strange if getattr(self, name) is not None]
        if strange:
            raise ValueError(f"a source of kind {self.kind} takes no {' and no '.join(strange)}")
        if self.low >= self.high:
            raise ValueError("low must be under high")
        return self

    @property
    def called(self) -> str:
        """Its name in rows and records."""
        if self.name is not None:
            return self.name
        if self.kind == "file" and self.path is not None:
            return f"file {self.path.name}"
        if self.kind == "chainlink":
            return f"chainlink {(self.address or '')[:8]}"
        return str(self.venue) if self.kind == "spot" else f"{self.venue} {self.kind}"


class VenueSettings(_Strict):
    """Where live prices come from, and which count; see `plimsoll.market.venues`."""

    markets: dict[int, list[SourceSettings]] = Field(min_length=1, description="by underlying")
    record: Path = Path("build/venues.db")
    keep: int | None = Field(default=30, gt=0, description="days that rounds are kept; hours are kept for ever")
    every: float = Field(default=10.0, ge=1, le=600, description="[s]")
    deadline: float = Field(default=8.0, gt=0, le=60, description="of one request [s]")
    minimum: int = Field(default=3, ge=3, description="sources of a price; two cannot outvote a lie")
    max_age: int = Field(default=60, gt=0, le=3_600, description="[s]")
    band: float = Field(default=0.05, gt=0, lt=1, description="of the median about the chain's index")
    still: int = Field(default=300, gt=0, description="[s] that a book may stand unchanged")
    least_band: float = Field(default=0.005, gt=0, lt=1, description="nearer to the median nothing is an outlier")
    max_dispersion: float = Field(default=0.05, gt=0, lt=1, description="of sources that count")
    premium: float = Field(default=0.05, gt=0, lt=1, description="of marks and nearest forwards")
    hours: Literal["seen", "venues"] = Field(default="seen", description="whose bars stand once an hour closed")
    depth_cost: float = Field(default=0.001, gt=0, lt=1, description="mean distance from mid of what counts as depth")

    @field_validator("markets")
    @classmethod
    def _enough(cls, markets: dict[int, list[SourceSettings]]) -> dict[int, list[SourceSettings]]:
        for number, sources in markets.items():
            names = [source.called for source in sources]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"market {number}: {', '.join(twice)} named twice; give one a `name`")
        return markets

    @model_validator(mode="after")
    def _minimum(self) -> VenueSettings:
        for number, sources in self.markets.items():
            pricing = sum(source.kind in {"spot", "chainlink", "file"} for source in sources)
            if pricing < self.minimum:
                raise ValueError(f"market {number}: {pricing} sources of a price; {self.minimum} or more is right")
        return self

    def beside(self, folder: Path) -> VenueSettings:
        """The settings with their files relative to a folder."""
        markets = {
            number: [s if s.path is None else s.model_copy(update={"path": folder / s.path}) for s in sources]
            for number, sources in self.markets.items()
        }
        return self.model_copy(update={"record": folder / self.record, "markets": markets})


class LiveSource(FeedSource):
    """Snapshots from the chain's index and from venues.

    Parameters
    ----------
    system, markets
        As `FeedSource`. A market that the collector does not know has its files alone.
    collector
        Asks and judges; `start` it, or let something else run its rounds.
    band
        Furthest that the median may lie from the chain's index [relative].
    max_age
        Of the last round [s].
    now
        The collector's clock [unix s].

    Raises
    ------
    SettingsError
        Bars of a file and hours do not go together, two markets share a file, or the collector knows a market that is
        not listed here.
    SourceError
        A file cannot be used.
    """

    def __init__(
        self,
        system: System,
        markets: Sequence[MarketSource],
        collector: Collector,
        *,
        band: float = 0.05,
        max_age: int = 60,
        now: Callable[[], float] = clock.time,
    ) -> None:
        super().__init__(system, markets)
        self.collector, self.band, self.max_age, self._now = collector, band, max_age, now
        self.notes: dict[int, str] = {}  # market -> why its options are not the venues'
        live = [m for m in self.markets if m.underlying in collector.markets]
        strange = sorted(set(collector.markets) - {m.underlying for m in live})
        if strange:
            raise SettingsError(f"venues are named for market {strange[0]}, which is not among the markets")
        self._prices = {m.path: m for m in live}
        if len(self._prices) != len(live):
            raise SettingsError("two markets share a file of prices: their hours would be mixed")
        for market in live:
            bars = super()._read(market.path)
            if bars.interval % HOUR:
                raise SettingsError(
                    f"{market.name}: bars of {bars.interval} s in {market.path.name}; hours, or a multiple, are right"
                )
            self.collector.wants(market.underlying, int(bars.time[-1]) + bars.interval)

    def start(self) -> None:
        """Let the collector ask and judge until `close`."""
        self.collector.start()

    def wait(self, patience: float) -> bool:
        """Wait at most `patience` [s] until every market has a price of as many sources as it takes; whether it has."""
        until = clock.monotonic() + patience
        markets = self.collector.markets
        while not all(self.collector.good(number) >= market.rules.minimum for number, market in markets.items()):
            if clock.monotonic() >= until:
                return False
            clock.sleep(0.1)
        return True

    def close(self) -> None:
        """End the collector."""
        self.collector.stop()

    def sources(self) -> list[SourceRow]:
        """Every source of every market as it stands now."""
        return self.collector.rows({m.underlying: m.name for m in self.markets})

    def _read(self, path: Path) -> Bars:
        """A file's bars; of prices, what venues showed since goes on."""
        from plimsoll.market.venues.hours import joined  # noqa: PLC0415 - needs ccxt, as the collector that is here does

        recorded = super()._read(path)
        market = self._prices.get(path)
        if market is None:
            return recorded
        ended = int(recorded.time[-1]) + recorded.interval
        self.collector.wants(market.underlying, ended)  # the file may have grown
        built = self.collector.tapes[market.underlying].bars(ended, recorded.interval, now=int(self._now()))
        if built is not None and int(built.time[0]) - ended > market.max_history_age:
            return recorded  # a return over such a gap is none: the file's last close is too old, which is said then
        return joined(recorded, built)

    def _market(self, market: MarketSource, held: Held, listed: Mapping[int, Sequence[int]]) -> Market:
        if market.underlying not in self.collector.markets:
            return super()._market(market, held, listed)
        said = self._good(market, held)
        found = super()._market(market, held, listed)
        tape = self.collector.tapes[market.underlying]
        updates: dict[str, Any] = {}
        if market.marks is None:
            updates["marks_seen"] = tape.marks(held.time - MARKS, held.time)
        if market.depths is None:
            updates["depths"] = tape.depths(held.time - DEPTHS, held.time)
        return self._quoted(replace(found, **updates), said, held.time)

    def _good(self, market: MarketSource, held: Held) -> Consolidated:
        """What venues say, where it can be relied upon."""
        said = self.collector.latest(market.underlying)
        if said is None:
            raise SourceDownError(f"{market.name}: no venue has been asked yet")
        age = self._now() - said.time
        if age > max(self.max_age, ROUNDS * self.collector.every):
            raise SourceDownError(f"{market.name}: the last round of venues was {age:.0f} s ago")
        if said.price is None:
            raise SourceDownError(f"{market.name}: {said.why}")
        index = held.index.get(market.underlying)
        if index is not None:  # without one the chain's feed is down, which the base class says
            there = index.price / WAD
            apart = abs(said.price / there - 1)
            if apart > self.band:
                raise SourceDownError(
                    f"{market.name}: the median of {', '.join(said.used)} is {said.price:g}, the chain's index "
                    f"{there:g}: {apart:.2%} apart, {self.band:.2%} is allowed"
                )
        return said

    def _quoted(self, market: Market, said: Consolidated, now: int) -> Market:
        """The market with the volatilities and forwards of the venue's chain, where it has one that can be used."""
        options = [item for item in market.listed if item.is_option]
        if not options or not said.chain or said.price is None:
            self._note(market, "" if not options else "no chain of options")
            return market
        wrong = absurd(said.chain, market.history, said.time)
        if wrong:
            self._note(market, wrong)
            return market
        lines = {(line.expiry, line.call, round(line.strike, 6)): line for line in said.chain}
        unit = market.strike_unit / WAD
        quotes = {}
        for instrument, item in zip(market.instruments, market.listed, strict=True):
            line = lines.get((item.expiry, item.kind == CALL, round(item.strike * unit, 6))) if item.is_option else None
            if line is not None:
                sides = (math.nan if side is None else side for side in (line.bid, line.ask, line.volatility))
                quotes[instrument] = Quote(*sides)
        expiries = {item.expiry for item in market.listed if item.expiry}
        forwards = {
            expiry: median(line.forward for line in said.chain if line.expiry == expiry)
            for expiry in sorted(expiries & {line.expiry for line in said.chain})
        }
        try:
            # fitted on the venue's own terms: its strikes, its forwards, its prices
            vols = smile.complete(replace(market, forwards=forwards), now, quotes).implied_vols
        except RiskError as error:
            self._note(market, str(error))
            return market
        self._note(market, "")
        # a forward's distance from the price is the venue's; the price is the chain's index
        level = market.index / said.price
        return replace(market, implied_vols=vols, forwards={key: value * level for key, value in forwards.items()})

    def _note(self, market: Market, why: str) -> None:
        if self.notes.get(market.underlying, "") != why:
            if why:
                log.warning("%s: options at the model's volatility: %s", market.name, why)
            self.notes[market.underlying] = why


def absurd(chain: Sequence[OptionLine], history: History, now: int) -> str:
    """Why a chain cannot be believed, by the volatility of the underlying itself; empty where it can.

    One venue shows the chain, and none outvotes it. So its level, as its straddles cost and as it says itself, is held
    against what was realised: the last month's and all of history's. Beyond five times the larger, or a fifth of the
    smaller, it is a fault and no market.
    """
    returns = history.returns
    recent = returns[-max(1, RECENT // history.interval) :]
    realised = [float(np.sqrt(np.mean(part * part) * history.per_year)) for part in (recent, returns) if len(part)]
    if not realised or min(realised) <= 0:
        return "the history is too short to hold a chain against"
    least, most = min(realised) / LEVELS, max(realised) * LEVELS
    for what, level in (("straddles cost", _straddles(chain, now)), ("volatilities say", _said(chain, now))):
        if level is not None and not least <= level <= most:
            return f"its {what} {level:.0%} a year; between {least:.0%} and {most:.0%} is a market"
    return ""


def _near(chain: Sequence[OptionLine], now: int) -> dict[int, float]:
    """Expiry -> the strike nearest to the forward, of expiries that are far enough."""
    found: dict[int, OptionLine] = {}
    for line in chain:
        if line.expiry - now >= SHORTEST:
            best = found.get(line.expiry)
            if best is None or abs(math.log(line.strike / line.forward)) < abs(math.log(best.strike / best.forward)):
                found[line.expiry] = line
    return {expiry: line.strike for expiry, line in found.items()}


def _straddles(chain: Sequence[OptionLine], now: int) -> float | None:
    """Median volatility that straddles at the money cost [1 a year]; None where none has two sides."""
    found = []
    for expiry, strike in _near(chain, now).items():
        pair = [line for line in chain if line.expiry == expiry and line.strike == strike]
        mids = [(line.bid + line.ask) / 2 for line in pair if line.bid is not None and line.ask is not None]
        if len(mids) == 2:
            forward, tau = pair[0].forward, (expiry - now) / YEAR
            # what the strike lies off the forward is worth without any volatility
            time_value = max(0.0, sum(mids) - abs(forward - strike))
            found.append(time_value / (STRADDLE * forward * math.sqrt(tau)))
    return median(found) if found else None


def _said(chain: Sequence[OptionLine], now: int) -> float | None:
    """Median volatility of the venue's own marks at the money [1 a year]; None where it says none."""
    near = _near(chain, now)
    found = [line.volatility for line in chain if near.get(line.expiry) == line.strike and line.volatility is not None]
    return median(found) if found else None


def live_source(
    system: System,
    markets: Sequence[MarketSource],
    settings: VenueSettings,
    *,
    call: Callable[[str, bytes], bytes] | None = None,
    now: Callable[[], float] = clock.time,
) -> LiveSource:
    """A source over venues as the settings say; nothing is asked before `start`.

    Parameters
    ----------
    system, markets
        As `FeedSource`.
    settings
        With paths that lead somewhere.
    call
        Makes view calls for feeds, from other threads; by default the deployment's chain.
    now
        The clock [unix s].

    Raises
    ------
    MissingExtraError
        ccxt is not installed.
    SettingsError, SourceError, VenueError
        By what is wrong.
    """
    collector = collector_of(settings, call or system.chain.call, now)
    try:
        return LiveSource(system, markets, collector, band=settings.band, max_age=settings.max_age, now=now)
    except Exception:
        collector.stop()
        raise


def collector_of(
    settings: VenueSettings, call: Callable[[str, bytes], bytes], now: Callable[[], float] = clock.time
) -> Collector:
    """The collector of the settings.

    Raises
    ------
    MissingExtraError
        ccxt is not installed.
    VenueError
        A venue or a limit cannot be meant, or the record cannot be opened.
    """
    from plimsoll.market.venues.collector import CollectedMarket, Collector, Poller  # noqa: PLC0415 - needs ccxt
    from plimsoll.market.venues.record import Record  # noqa: PLC0415
    from plimsoll.market.venues.rules import Rules, SourceRule  # noqa: PLC0415

    markets = []
    for number, sources in settings.markets.items():
        ages = {"option": CHAIN_AGE, "chainlink": FEED_AGE}
        rules = Rules(
            tuple(SourceRule(s.called, s.kind, s.max_age or ages.get(s.kind, settings.max_age)) for s in sources),
            settings.minimum,
            settings.still,
            settings.least_band,
            settings.max_dispersion,
            settings.premium,
            max(120, round(4 * settings.every)),
            settings.hours,
        )
        pollers = tuple(
            Poller(
                partial(_venue, source, settings, call, now),
                source.every or settings.every,
                REQUESTS * settings.deadline,
                now,
            )
            for source in sources
        )
        markets.append(CollectedMarket(number, rules, pollers))
    keep = None if settings.keep is None else settings.keep * DAY
    return Collector(markets, Record(settings.record), every=settings.every, keep=keep, now=now)


def _venue(
    source: SourceSettings, settings: VenueSettings, call: Callable[[str, bytes], bytes], now: Callable[[], float]
) -> Venue:
    """The venue of a source."""
    from plimsoll.market.venues.chainlink import ChainlinkFeed, FeedBounds  # noqa: PLC0415 - needs ccxt
    from plimsoll.market.venues.exchange import ExchangeConfig, ExchangeVenue  # noqa: PLC0415
    from plimsoll.market.venues.file import FilePrice  # noqa: PLC0415

    if source.kind == "chainlink":
        bounds = FeedBounds(source.low, source.high)
        address = to_checksum_address(source.address or "")
        return ChainlinkFeed(source.called, address, call, decimals=source.decimals, bounds=bounds, now=now)
    if source.kind == "file":
        return FilePrice(source.called, source.path or Path(), now)
    config = ExchangeConfig(
        source.venue or "",
        source.symbol or "",
        source.kind,
        source.url,
        source.ticker,
        source.levels,
        settings.depth_cost,
        settings.deadline,
    )
    return ExchangeVenue(source.called, config, now)

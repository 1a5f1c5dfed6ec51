"""Books of options margined today and revalued at tomorrow's real marks.

For each pair of neighbouring days of the recorded chains: the engine makes its report of the day, knowing nothing
later; books are drawn from what is listed (a seed says all); their maintenance margin is what the posted integers say;
their loss is what the next day's marks say. A day's books share one market move, so the exceedances of a day come
together: the band around their rate is a bootstrap over *days*, not over books.

Marks are the exchange's in coin times the expiry's forward, which is Black's undiscounted price in quote currency, the
unit that the engine posts; a perpetual is the index, a dated future the forward. Funding is left aside. What expires
before the next day's chain has no mark there; it is not drawn, and is counted. The price history of the engine is the
recorded one, moved so that the hole between its end and the first chain holds no return, and the chains' own index.

How a day's books are drawn, by kind:

    single      one option, long or short
    straddle    call and put at one strike within the scan range, long or short
    butterfly   +1 -2 +1 strikes up to three steps apart, the middle one within the scan range, long or short
    vertical    +1 -1 of two strikes of an expiry
    calendar    +1 -1 of one strike in two expiries
    hedged      one option and the perpetual against its delta
    random      two to eight options of all expiries, normal quantities
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from plimsoll.market.bars import DAY, Bars, FloatArray
from plimsoll.market.errors import EmptyRangeError
from plimsoll.market.listing import listing
from plimsoll.market.quotes import Quote
from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.market.sources import DATA_VARIABLE, OptionQuote, load_bars, load_option_chain, recorded_path
from plimsoll.risk import smile, smile_check, svi
from plimsoll.risk.engine import BuiltReport, Engine
from plimsoll.risk.models import EwmaFhs, State
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, Instrument
from plimsoll.spec.margin import Params, gross_floor
from plimsoll.spec.surface import Surface
from plimsoll.spec.wad import MARK_UNIT, PPM, WAD, YEAR

UNDERLYINGS: Final[Mapping[str, int]] = {"BTC": 257, "ETH": 258}  # one class
KINDS: Final = ("single", "straddle", "butterfly", "vertical", "calendar", "hedged", "random")
MOST_LEGS: Final = 8
STEPS: Final = 3  # wings of a butterfly, in listed strikes
BOOKS: Final = 200  # of each kind, a day and underlying
RESAMPLES: Final = 2_000
PART: Final = 500  # of them for the band of a quantile, which is dearer
BAND: Final = (0.025, 0.975)
PROMISED: Final = 0.01  # rate of exceedances that a 99 % margin promises
WARM_UP: Final = 3 * 365 * DAY  # [s] of history before the first chain
LANE_UNIT: Final = 1e-5  # of the index, times a surface's scale

Bools = npt.NDArray[np.bool_]


# ----------------------------------------------------------------------------------------------------------- snapshots


def market_of(currency: str, quotes: Sequence[OptionQuote], history: History, *, quoted: bool = True) -> Market:
    """Everything of one chain that has not expired, a future an expiry, and a perpetual.

    The volatilities of its options are those of one surface without static arbitrage through the chain's bids and asks
    (`plimsoll.risk.smile`), fitted here, before any engine sees the market.

    Parameters
    ----------
    currency
        ``BTC`` or ``ETH``.
    quotes
        The chain at one time.
    history
        What the engine knows of the past.
    quoted
        Take the volatilities of the chain; elsewhere options stand at the model's.

    Raises
    ------
    EmptyRangeError
        Nothing has time left.
    PricingError
        The chain quotes nothing that can be used.
    """
    market, raw = raw_market(currency, quotes, history)
    return smile.complete(market, max(quote.time for quote in quotes), raw) if quoted else market


def raw_market(currency: str, quotes: Sequence[OptionQuote], history: History) -> tuple[Market, dict[int, Quote]]:
    """The market of `market_of` without volatilities, and its raw quotes by instrument id.

    Raises
    ------
    EmptyRangeError
        Nothing has time left.
    """
    now = max(quote.time for quote in quotes) if quotes else 0
    live = [quote for quote in quotes if quote.expiry > now]
    if not live:
        raise EmptyRangeError(f"chain of {currency}", "no option has time left", "a chain with a later expiry is right")
    underlying = UNDERLYINGS[currency]
    chain = by_expiry(live)
    forwards = {expiry: float(np.median([quote.forward for quote in part])) for expiry, part in chain.items()}
    items, _ = listing(underlying, chain)
    found = {(q.expiry, CALL if q.is_call else PUT, round(q.strike)): q for q in live}
    raw = {}
    for item in items:
        if item.is_option:
            quote, forward = found[item.expiry, item.kind, item.strike], forwards[item.expiry]
            raw[item.pack()] = Quote(quote.bid * forward, quote.ask * forward, quote.volatility)
    ids = tuple(item.pack() for item in items)
    return Market(underlying, index_of(live), history, ids, WAD, {}, forwards, name=currency), raw


def by_expiry(quotes: Sequence[OptionQuote]) -> dict[int, list[OptionQuote]]:
    """Quotes by their expiry [unix s], rising."""
    found: dict[int, list[OptionQuote]] = {}
    for quote in sorted(quotes, key=lambda q: q.expiry):
        found.setdefault(quote.expiry, []).append(quote)
    return found


def index_of(quotes: Sequence[OptionQuote]) -> float:
    """The index price of a chain [quote currency]."""
    return float(np.median([quote.index for quote in quotes]))


def spliced(currency: str, times: Sequence[int] = (), index: Sequence[float] = ()) -> History:
    """Daily closes: the recorded hours by the day, then the index of each chain, no return in the hole between.

    Parameters
    ----------
    currency
        ``BTC`` or ``ETH``.
    times, index
        When each chain was taken [unix s], rising, and its index price; the last are now.

    Raises
    ------
    SourceError
        The recorded prices are not there.
    """
    first = times[0] if times else None
    path = recorded_path(f"{currency.lower()}_usdt_spot_1h")
    daily = _daily(path, None if first is None else first - WARM_UP)
    if first is None:
        return History.from_bars(daily)
    known = daily.known_at(first - DAY)
    close = known.close * (index[0] / known.close[-1])
    return History(np.append(known.time, np.array(times, dtype=np.int64) - DAY), np.append(close, np.array(index)), DAY)


@lru_cache(maxsize=2 * len(UNDERLYINGS))
def _daily(path: Path, start: int | None) -> Bars:
    """The recorded hours by the day: each day of a back-test asks for the same."""
    return load_bars(path, start=start).resample(DAY)


def snapshot_of(chains: Mapping[str, Sequence[OptionQuote]], histories: Mapping[str, History]) -> Snapshot:
    """Full chains of all underlyings at one time, that of the latest quote."""
    markets = tuple(market_of(currency, quotes, histories[currency]) for currency, quotes in chains.items())
    return Snapshot(max(quote.time for quotes in chains.values() for quote in quotes), markets)


def full_snapshot(name: str = "option_chain_2025-12-30") -> Snapshot:
    """Both full chains of a recorded file of one time.

    Raises
    ------
    SourceError
        `PLIMSOLL_DATA` is unset or lacks the file or the histories.
    """
    chains = {currency: load_option_chain(recorded_path(name), currency) for currency in UNDERLYINGS}
    histories = {
        currency: spliced(currency, [quotes[0].time], [index_of(quotes)]) for currency, quotes in chains.items()
    }
    return snapshot_of(chains, histories)


def surface_of(quotes: Sequence[OptionQuote]) -> tuple[svi.ImpliedSurface, tuple[svi.Fitted, ...]]:
    """The implied surface of one chain's bids and asks: what prices an option that nobody quotes.

    Raises
    ------
    PricingError
        As `plimsoll.risk.svi.fit`.
    """
    now = max((quote.time for quote in quotes), default=0)
    expiries = []
    for expiry, part in by_expiry([quote for quote in quotes if quote.expiry > now]).items():
        forward = float(np.median([quote.forward for quote in part]))
        tau = (expiry - now) / YEAR
        bid, ask = (np.array([getattr(quote, side) for quote in part]) * forward for side in ("bid", "ask"))
        call, strike = np.array([quote.is_call for quote in part]), np.array([quote.strike for quote in part])
        expiries.append((tau, svi.points(call, strike, bid, ask, forward, tau)))
    return svi.fit(expiries)


def surface_record(currency: str, name: str = "option_chain_2025-12-30") -> dict[str, float]:
    """How the surface of a recorded chain fits: for a table of figures; empty without the recorded chain.

    `mean_error`, `worst_error` of an expiry [volatility], `excess` the largest arbitrage, `used`, `dropped` quotes.
    """
    if not os.environ.get(DATA_VARIABLE):
        return {}
    surface, fitted = surface_of(load_option_chain(recorded_path(name), currency))
    errors = [found.error for found in fitted]
    return {
        "expiries": float(len(fitted)),
        "mean_error": float(np.mean(errors)),
        "worst_error": max(errors),
        "excess": surface.excess,
        "fallbacks": float(sum(found.fallback for found in fitted)),
        "used": float(sum(found.used for found in fitted)),
        "dropped": float(sum(found.dropped for found in fitted)),
    }


def smile_record(name: str = "option_chain_2025-12-30", draws: int = 3) -> dict[str, float]:
    """What completed smiles of a recorded chain are worth: for a table of figures; empty without the recorded chain.

    Thirty percent of the quotes of both currencies are held out at random, `draws` times, the venue's marks are not
    shown at all, and the smile is measured on what it has not seen: fields of `plimsoll.risk.smile_check.HeldOut`, the
    largest over currencies of the mean over draws; of `inside` the least. `arbitrage`: the largest sure profit that any
    of the completed smiles leaves, `marked_arbitrage` that which the venue's own marks leave [forward].
    """
    if not os.environ.get(DATA_VARIABLE):
        return {}
    found: dict[str, float] = {"arbitrage": 0.0, "marked_arbitrage": 0.0}
    for currency in UNDERLYINGS:
        quotes = load_option_chain(recorded_path(name), currency)
        now = quotes[0].time
        market, raw = raw_market(currency, quotes, History(np.array([now - DAY]), np.array([index_of(quotes)]), DAY))
        sides = {key: Quote(quote.bid, quote.ask) for key, quote in raw.items()}
        marked = replace(market, implied_vols={key: quote.volatility for key, quote in raw.items()})
        found["marked_arbitrage"] = max(found["marked_arbitrage"], smile_check.arbitrage(marked, now).worst)
        parts = []
        for seed in range(1, draws + 1):
            completed, held = smile_check.held_out(market, now, sides, seed=seed)
            found["arbitrage"] = max(found["arbitrage"], smile_check.arbitrage(completed, now).worst)
            parts.append(asdict(held))
        for key in parts[0]:
            mean = float(np.mean([part[key] for part in parts]))
            found[key] = (min if key in {"inside", "count"} else max)(found.get(key, mean), mean)
    return found


def report_record(name: str = "option_chain_2025-12-30", runs: int = 30) -> dict[str, float]:
    """How long both full chains take from snapshot to signed-ready bytes; empty without the recorded chain.

    `options`, and the fastest of `runs` reports [ms], each of a snapshot that nobody has looked at yet: what is kept of
    it between reports, its hash among that, is made anew. Reading the snapshot from its file is not in it.
    """
    if not os.environ.get(DATA_VARIABLE):
        return {}
    content = full_snapshot(name).content
    engine, fastest = Engine(EwmaFhs()), np.inf
    for _ in range(runs):
        snapshot = Snapshot.parse(content)
        start = perf_counter()
        built = engine.report(snapshot)
        fastest = min(fastest, perf_counter() - start)
    rows = sum(row.kind in {CALL, PUT} for surface in built.surfaces for row in surface.rows)
    return {"options": float(rows), "milliseconds": 1_000 * float(fastest)}


# -------------------------------------------------------------------------------------------------------- what is held


@dataclass(frozen=True, slots=True, eq=False)
class Posted:
    """What a report says of one underlying, as arrays; n instruments in the order of the market's ids.

    Shapes: `lanes` (n, 32), all else (n,). Fractions of the index for one long unit; `gross` with governance's floor.
    `size_limit` is the depth [contracts]: books under it pay no concentration charge, and only such are margined here.
    """

    instruments: tuple[Instrument, ...]
    lanes: FloatArray
    gross: FloatArray
    mark: FloatArray
    delta: FloatArray
    is_option: Bools
    psr: float
    som: float
    im_factor: float
    size_limit: float

    def margins(self, quantities: FloatArray) -> tuple[FloatArray, FloatArray]:
        """MM and IM of books of this underlying alone, shape (B,), fractions of the index.

        `quantities` in contracts, long positive, shape (B, n); at no open interest, and on fresh surfaces. The same as
        `plimsoll.spec.margin.assess` but for its last roundings.
        """
        scan = np.maximum(-(quantities @ self.lanes).min(axis=1), 0.0)
        short = self.som * (np.maximum(-quantities, 0.0) @ self.is_option)
        gross = np.abs(quantities) @ self.gross
        mm = np.maximum(scan, short) + gross
        return mm, mm + (self.im_factor - 1) * mm


def posted(built: BuiltReport, market: Market, params: Params | None = None) -> Posted:
    """A report as the chain would hold it, for one underlying."""
    rules = params or Params()
    held: dict[int, Surface] = {s.expiry: s for s in built.surfaces if s.underlying == market.underlying}
    items = market.listed
    rows = [held[item.expiry].rows[item.row] for item in items]
    now = built.report.market_time
    charges = [
        max(row.gross, gross_floor(rules, item.kind, max(0, item.expiry - now)))
        for row, item in zip(rows, items, strict=True)
    ]
    header = next(iter(held.values()))
    scalars = next(s for s in built.scalars if s.underlying == market.underlying)
    return Posted(
        instruments=items,
        lanes=np.array([row.lanes for row in rows]) * (LANE_UNIT * header.scale),
        gross=np.array(charges) / PPM,
        mark=np.array([row.mark for row in rows]) / MARK_UNIT,
        delta=np.array([row.delta for row in rows]) / PPM,
        is_option=np.array([item.is_option for item in items]),
        psr=header.psr / PPM,
        som=scalars.som / PPM,
        im_factor=scalars.im_factor / PPM,
        size_limit=scalars.depth / WAD,
    )


# --------------------------------------------------------------------------------------------------------------- books


@dataclass(frozen=True, eq=False)
class Listed:
    """What books are drawn from.

    Parameters
    ----------
    instruments
        By place.
    distance
        Of each strike from its forward, relative, shape (n,).
    delta
        Of each instrument, shape (n,).
    usable
        Whether it may be drawn, shape (n,).
    reach
        How far from the forward the middle of a straddle or butterfly may lie, relative.
    """

    instruments: tuple[Instrument, ...]
    distance: FloatArray
    delta: FloatArray
    usable: Bools
    reach: float

    @classmethod
    def of(cls, market: Market, report: Posted, usable: Bools | None = None) -> Listed:
        """Everything of a market, or what is `usable` of it."""
        items = market.listed
        strike = np.array([item.strike * market.strike_unit for item in items]) / WAD
        forward = np.array([market.forwards.get(item.expiry, market.index) for item in items])
        allowed = np.ones(len(items), dtype=np.bool_) if usable is None else usable
        return cls(items, np.abs(strike / forward - 1), report.delta, allowed, report.psr)

    @cached_property
    def place(self) -> dict[tuple[int, int, int], int]:
        """(expiry, kind, strike) -> place of what may be drawn."""
        items = enumerate(self.instruments)
        return {(item.expiry, item.kind, item.strike): at for at, item in items if self.usable[at]}

    @cached_property
    def options(self) -> dict[int, list[int]]:
        """Expiry -> places of options."""
        found: dict[int, list[int]] = {}
        for (expiry, kind, _), at in self.place.items():
            if kind in {CALL, PUT}:
                found.setdefault(expiry, []).append(at)
        return found

    @cached_property
    def _strikes(self) -> dict[tuple[int, int], list[int]]:
        found: dict[tuple[int, int], list[int]] = {}
        for expiry, kind, strike in sorted(self.place):
            found.setdefault((expiry, kind), []).append(strike)
        return found

    def strikes(self, expiry: int, kind: int) -> list[int]:
        """Strikes of one kind and expiry, rising."""
        return self._strikes.get((expiry, kind), [])

    def near(self, expiry: int, kind: int, strikes: Sequence[int]) -> list[int]:
        """Those of the strikes that lie within reach of the forward; the nearest where none does."""
        away = {strike: self.distance[self.place[expiry, kind, strike]] for strike in strikes}
        return [k for k, distance in away.items() if distance <= self.reach] or [min(away, key=away.__getitem__)]


Legs = dict[int, float]
Drawer = Callable[[Listed, np.random.Generator, Sequence[int]], Legs]


def _single(listed: Listed, rng: np.random.Generator, expiries: Sequence[int]) -> Legs:
    return {int(rng.choice([at for expiry in expiries for at in listed.options[expiry]])): 1.0}


def _straddle(listed: Listed, rng: np.random.Generator, expiries: Sequence[int]) -> Legs:
    expiry = int(rng.choice(expiries))
    both = sorted(set(listed.strikes(expiry, CALL)) & set(listed.strikes(expiry, PUT)))
    if not both:
        return {}
    strike = int(rng.choice(listed.near(expiry, CALL, both)))
    return {listed.place[expiry, kind, strike]: 1.0 for kind in (CALL, PUT)}


def _butterfly(listed: Listed, rng: np.random.Generator, expiries: Sequence[int]) -> Legs:
    expiry, kind = int(rng.choice(expiries)), int(rng.choice((CALL, PUT)))
    strikes, wing = listed.strikes(expiry, kind), int(rng.integers(1, STEPS + 1))
    inside = strikes[wing:-wing]
    if not inside:
        return {}
    middle = int(rng.choice(listed.near(expiry, kind, inside)))
    at = strikes.index(middle)
    low, high = strikes[at - wing], strikes[at + wing]
    part = (high - middle) / (high - low)  # uneven wings weigh so that nothing is left beyond them
    legs = ((low, 2 * part), (middle, -2.0), (high, 2 * (1 - part)))
    return {listed.place[expiry, kind, strike]: quantity for strike, quantity in legs}


def _vertical(listed: Listed, rng: np.random.Generator, expiries: Sequence[int]) -> Legs:
    expiry, kind = int(rng.choice(expiries)), int(rng.choice((CALL, PUT)))
    strikes = listed.strikes(expiry, kind)
    if len(strikes) < 2:
        return {}
    one, other = (int(k) for k in rng.choice(strikes, 2, replace=False))
    return {listed.place[expiry, kind, one]: 1.0, listed.place[expiry, kind, other]: -1.0}


def _calendar(listed: Listed, rng: np.random.Generator, expiries: Sequence[int]) -> Legs:
    if len(expiries) < 2:
        return {}
    near, far = (int(e) for e in rng.choice(expiries, 2, replace=False))
    kind = int(rng.choice((CALL, PUT)))
    both = sorted(set(listed.strikes(near, kind)) & set(listed.strikes(far, kind)))
    if not both:
        return {}
    strike = int(rng.choice(listed.near(near, kind, both)))
    return {listed.place[near, kind, strike]: 1.0, listed.place[far, kind, strike]: -1.0}


def _hedged(listed: Listed, rng: np.random.Generator, expiries: Sequence[int]) -> Legs:
    (at, quantity), *_ = _single(listed, rng, expiries).items()
    perpetual = next(i for i, item in enumerate(listed.instruments) if item.kind == PERP)
    return {at: quantity, perpetual: -quantity * float(listed.delta[at])}


def _random(listed: Listed, rng: np.random.Generator, expiries: Sequence[int]) -> Legs:
    options = [at for expiry in expiries for at in listed.options[expiry]]
    legs = rng.choice(options, min(int(rng.integers(2, MOST_LEGS + 1)), len(options)), replace=False)
    return {int(at): float(quantity) for at, quantity in zip(legs, rng.normal(size=len(legs)), strict=True)}


DRAWERS: Final[Mapping[str, Drawer]] = {
    "single": _single,
    "straddle": _straddle,
    "butterfly": _butterfly,
    "vertical": _vertical,
    "calendar": _calendar,
    "hedged": _hedged,
    "random": _random,
}
TRIES: Final = 50  # a draw that the chain does not offer is drawn again


def draw(
    listed: Listed, kind: str, books: int, seed: Sequence[int], expiries: Sequence[int] | None = None
) -> FloatArray:
    """Books of one kind, shape (books, n): quantities scaled to a gross size of one contract, either side.

    Parameters
    ----------
    listed
        What there is.
    kind
        One of `KINDS`.
    books
        How many.
    seed
        Numbers that say all of the draw.
    expiries
        Draw from these alone.

    Raises
    ------
    EmptyRangeError
        The chain offers no such book.
    """
    rng = np.random.default_rng([KINDS.index(kind), *seed])
    chosen = [expiry for expiry in sorted(listed.options) if expiries is None or expiry in expiries]
    found = np.zeros((books, len(listed.instruments)))
    for book in found:
        legs: Legs = {}
        for _ in range(TRIES):
            legs = DRAWERS[kind](listed, rng, chosen) if chosen else {}
            if legs:
                break
        if not legs:
            raise EmptyRangeError(
                "the chain", f"no {kind} to draw from {len(chosen)} expiries", "more strikes are right"
            )
        side = float(rng.choice((-1.0, 1.0)))
        size = sum(abs(quantity) for quantity in legs.values())
        for at, quantity in legs.items():
            book[at] += side * quantity / size
    return found


# ----------------------------------------------------------------------------------------------------------- back-test


@dataclass(frozen=True, slots=True, eq=False)
class DayResult:
    """One day, underlying and kind: losses and margins of its books, shape (B,), fractions of the index.

    `unmarked` instruments had no mark the next day: most had expired.
    """

    day: str
    currency: str
    kind: str
    loss: FloatArray
    mm: FloatArray
    im: FloatArray
    move: float  # [1] of the index, to the next day's chain
    hours: float
    unmarked: int

    @property
    def exceeded(self) -> int:
        """Books that lost more than their MM."""
        return int(np.sum(self.loss > self.mm))

    @property
    def worst(self) -> float:
        """Largest loss over margin."""
        return float(np.max(self.loss / self.mm))


@dataclass(frozen=True, slots=True)
class KindResult:
    """One kind of book over all days and underlyings.

    Parameters
    ----------
    kind, books
        Which, and how many.
    exceeded, days_exceeded
        Books that lost more than their MM, and days with such books.
    rate, band
        Share of such books, and the 2.5 % and 97.5 % points of it when days are drawn with replacement.
    quantile, quantile_band
        99 % of books lost no more than this part of their MM (above 1: too little was held), and its band likewise.
    worst, worst_day
        Largest loss over MM, and when.
    """

    kind: str
    books: int
    exceeded: int
    days_exceeded: int
    rate: float
    band: tuple[float, float]
    quantile: float
    quantile_band: tuple[float, float]
    worst: float
    worst_day: str

    @property
    def inside(self) -> bool:
        """Whether the promised rate is not under the band: the record does not say that too little was held."""
        return self.band[0] <= PROMISED


@dataclass(frozen=True, slots=True)
class ChainRecord:
    """The whole option back-test; `left_out` says what was not done, and why."""

    kinds: Mapping[str, KindResult]
    days: tuple[str, ...]
    worst_day: str
    worst_day_ratio: float  # losses of all books of the worst day over their margins, summed
    worst_book_ratio: float
    unmarked: int
    left_out: str = ""

    def numbers(self) -> dict[str, float]:
        """For a table of figures."""
        found = {"days": float(len(self.days)), "worst_day": self.worst_day_ratio, "worst_book": self.worst_book_ratio}
        for kind, result in self.kinds.items():
            found |= {
                f"{kind}.rate": result.rate,
                f"{kind}.low": result.band[0],
                f"{kind}.high": result.band[1],
                f"{kind}.quantile": result.quantile,
                f"{kind}.worst": result.worst,
                f"{kind}.inside": float(result.inside),
            }
        if self.kinds:
            found["kinds_inside"] = float(sum(result.inside for result in self.kinds.values()))
        return found


def january(months: str = "2026-01") -> dict[str, dict[str, tuple[OptionQuote, ...]]]:
    """Recorded daily chains: day -> currency -> quotes.

    Raises
    ------
    SourceError
        `PLIMSOLL_DATA` is unset or lacks a file.
    """
    found: dict[str, dict[str, list[OptionQuote]]] = {}
    for currency in UNDERLYINGS:
        for quote in load_option_chain(recorded_path(f"{currency.lower()}_option_chain_daily_{months}"), currency):
            day = f"{datetime.fromtimestamp(quote.time, UTC):%Y-%m-%d}"
            found.setdefault(day, {}).setdefault(currency, []).append(quote)
    return {day: {c: tuple(quotes) for c, quotes in found[day].items()} for day in sorted(found)}


def next_marks(market: Market, index: float, tomorrow: Sequence[OptionQuote]) -> FloatArray:
    """What each instrument of `market` is worth in the next chain, as fractions of today's `index`; NaN where unknown.

    Shape (n,), in the order of the market's ids.
    """
    known = {(q.expiry, CALL if q.is_call else PUT, round(q.strike)): q.mark * q.forward for q in tomorrow}
    forwards = {q.expiry: q.forward for q in tomorrow}
    then = index_of(tomorrow)

    def worth(item: Instrument) -> float:
        if item.kind == PERP:
            return then
        if item.kind == FUTURE:
            return forwards.get(item.expiry, np.nan)
        return known.get((item.expiry, item.kind, item.strike), np.nan)

    return np.array([worth(item) for item in market.listed]) / index


def run(
    chains: Mapping[str, Mapping[str, Sequence[OptionQuote]]],
    histories: Callable[[str, Sequence[int], Sequence[float]], History] = spliced,
    *,
    engine: Engine | None = None,
    books: int = BOOKS,
    seed: int = 1,
    kinds: Sequence[str] = KINDS,
) -> tuple[DayResult, ...]:
    """The back-test, day by day.

    Parameters
    ----------
    chains
        Day -> currency -> quotes, in the order of days; each day but the last is margined.
    histories
        Currency, times and index prices up to the day -> what the engine knows of the past.
    engine
        That margins; the default one where not given.
    books
        Of each kind, a day and underlying.
    seed
        Of the draws.
    kinds
        Which.
    """
    maker = engine or Engine(EwmaFhs())
    days = list(chains)
    results: list[DayResult] = []
    times: dict[str, list[int]] = {}
    prices: dict[str, list[float]] = {}
    previous: State | None = None
    for number, (day, after) in enumerate(pairwise(days)):
        for currency, quotes in chains[day].items():
            times.setdefault(currency, []).append(max(quote.time for quote in quotes))
            prices.setdefault(currency, []).append(index_of(quotes))
        past = {currency: histories(currency, times[currency], prices[currency]) for currency in chains[day]}
        snapshot = snapshot_of(chains[day], past)
        built = maker.report(snapshot, previous)
        previous = built.state
        for currency, quotes in chains[day].items():
            market = snapshot.market(UNDERLYINGS[currency])
            then = next_marks(market, market.index, chains[after][currency])
            held = posted(built, market)
            usable = ~np.isnan(then)
            listed = Listed.of(market, held, usable)
            change = np.where(usable, then - next_marks(market, market.index, quotes), 0.0)
            later = max(quote.time for quote in chains[after][currency])
            for kind in kinds:
                quantities = draw(listed, kind, books, (seed, number, market.underlying))
                mm, im = held.margins(quantities)
                results.append(
                    DayResult(
                        day,
                        currency,
                        kind,
                        -(quantities @ change),
                        mm,
                        im,
                        float(then[_perpetual(market)]) - 1,
                        (later - snapshot.market_time) / 3_600,
                        int(np.sum(~usable)),
                    )
                )
    return tuple(results)


def _perpetual(market: Market) -> int:
    return next(at for at, item in enumerate(market.listed) if item.kind == PERP)


def summary(results: Sequence[DayResult], *, seed: int = 1) -> ChainRecord:
    """Rates with their bands over days, and the worst.

    Raises
    ------
    EmptyRangeError
        There are no results.
    """
    if not results:
        raise EmptyRangeError("the option back-test", "no day was margined", "two neighbouring days are needed")
    days = tuple(dict.fromkeys(result.day for result in results))
    rng = np.random.default_rng(seed)
    kinds = {}
    for kind in dict.fromkeys(result.kind for result in results):
        part = [result for result in results if result.kind == kind]
        by_day = [np.concatenate([r.loss / r.mm for r in part if r.day == day]) for day in days]
        exceeded = np.array([np.sum(ratios > 1) for ratios in by_day])
        books = np.array([len(ratios) for ratios in by_day])
        drawn = rng.integers(0, len(days), (RESAMPLES, len(days)))
        rates = exceeded[drawn].sum(axis=1) / books[drawn].sum(axis=1)
        quantiles = [np.quantile(np.concatenate([by_day[day] for day in some]), 1 - PROMISED) for some in drawn[:PART]]
        worst = max(part, key=lambda result: result.worst)
        kinds[kind] = KindResult(
            kind,
            int(books.sum()),
            int(exceeded.sum()),
            int(np.sum(exceeded > 0)),
            float(exceeded.sum() / books.sum()),
            _band(rates),
            float(np.quantile(np.concatenate(by_day), 1 - PROMISED)),
            _band(quantiles),
            worst.worst,
            f"{worst.day} {worst.currency}",
        )
    ratios = {
        day: sum(float(np.sum(np.maximum(r.loss, 0.0))) for r in results if r.day == day)
        / sum(float(np.sum(r.mm)) for r in results if r.day == day)
        for day in days
    }
    worst_day = max(ratios, key=ratios.__getitem__)
    first = results[0].kind
    return ChainRecord(
        kinds,
        days,
        worst_day,
        ratios[worst_day],
        max(result.worst for result in kinds.values()),
        sum(result.unmarked for result in results if result.kind == first),
    )


def _band(values: FloatArray | Sequence[np.floating[Any]]) -> tuple[float, float]:
    low, high = np.quantile(values, BAND)
    return float(low), float(high)


def record(*, engine: Engine | None = None, books: int = BOOKS, seed: int = 1) -> ChainRecord:
    """The option back-test on the recorded chains; without them an empty record that says what it left out."""
    if not os.environ.get(DATA_VARIABLE):
        return ChainRecord({}, (), "", 0.0, 0.0, 0, f"the option back-test: {DATA_VARIABLE} is unset")
    return summary(run(january(), engine=engine, books=books, seed=seed), seed=seed)

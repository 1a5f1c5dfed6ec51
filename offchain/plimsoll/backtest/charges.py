"""Measure the gross charge: what basis, skew, term structure and spreads did from one recorded chain to the next.

Of each expiry that two neighbouring chains share and that has a day left on the later one:

    basis   forward over index against what it was. A forward rolls down its carry as it comes nearer; at 5 % a year
            that is 1.4 bp a day, and is left in
    smile   the venue's marked volatilities over ln(K / F), call and put of a strike averaged, straight lines between
            strikes; at the money, and one standard deviation up and down
    turn    half the difference of the two sides; `skew` the larger of the two sides' changes against the money
    term    change at the money less sigma x tenor factor x m, with m the median over expiries of relative change over
            tenor factor: the move that the lanes make, since there all expiries' volatilities go up or down together

Moves are scaled to the horizon by the square root of time over the time between the chains. Expiries of a chain are
recorded within seconds, not at once, so a basis of a few basis points is noise; it is measured as if it were a move.

Half spreads are those out of the money: whoever closes an option in the money trades its twin at the strike and a
future, for one spread of each. Buckets are tenor x moneyness, medians of a day, since an ask that nobody means is wide
without bound; up to two standard deviations, since beyond an option's vega is so small that one tick of its price is
many points of volatility, and its half spread a few basis points.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from plimsoll.backtest.chains import UNDERLYINGS, by_expiry, index_of, january, market_of, spliced
from plimsoll.backtest.errors import BacktestError
from plimsoll.market.bars import DAY, FloatArray
from plimsoll.market.snapshot import Snapshot
from plimsoll.market.sources import DATA_VARIABLE, OptionQuote, load_series, recorded_path
from plimsoll.risk import black
from plimsoll.risk.arrays import DEFAULT_CONFIG, ArrayConfig
from plimsoll.risk.charges import TENORS, ChargeEstimate, Floors, Moves, Spreads, charged, estimate, of_tenor
from plimsoll.risk.engine import Engine
from plimsoll.risk.models import EwmaFhs
from plimsoll.risk.scenarios import ScenarioSet
from plimsoll.spec.wad import PPM, YEAR

LEAST_LIFE: Final = DAY  # [s] that an expiry has left on the later chain
MONEY: Final = (0.0, 1.0, 2.0)  # [standard deviations] out of the money, edges of buckets
PLACES: Final = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])  # [standard deviations] where stickiness is looked at
LARGE: Final = 0.03  # relative move of a forward in a day
LEAST_QUOTES: Final = 3  # of a bucket on a day

Chains = Mapping[str, Mapping[str, Sequence[OptionQuote]]]


@dataclass(frozen=True, slots=True)
class Stand:
    """What the lanes of an underlying were on a day: scan range [1] and volatility-up shift at 30 days [1]."""

    psr: float
    vol_up: float


@dataclass(frozen=True, slots=True)
class Smile:
    """An expiry on one chain: forward over index, time [years], volatility at the money, a deviation down and up."""

    ratio: float
    tau: float
    money: float
    down: float
    up: float


def smile_of(quotes: Sequence[OptionQuote], index: float) -> Smile | None:
    """The expiry of these quotes; None where strikes do not reach a standard deviation to either side."""
    forward, k, volatility = _marked(quotes)
    tau = (quotes[0].expiry - quotes[0].time) / YEAR
    if not len(k) or tau <= 0:
        return None
    money = float(np.interp(0.0, k, volatility))
    wide = money * math.sqrt(tau)
    if k[0] > -wide or k[-1] < wide:
        return None
    down, up = np.interp([-wide, wide], k, volatility).tolist()
    return Smile(forward / index, tau, money, down, up)


def _marked(quotes: Sequence[OptionQuote]) -> tuple[float, FloatArray, FloatArray]:
    """Forward of an expiry, log-moneyness of its strikes, rising, and their marked volatility; both shape (n,)."""
    forward = float(np.median([quote.forward for quote in quotes]))
    found: dict[float, list[float]] = {}
    for quote in quotes:
        if quote.volatility > 0:
            found.setdefault(math.log(quote.strike / forward), []).append(quote.volatility)
    return forward, np.array(sorted(found)), np.array([float(np.mean(found[at])) for at in sorted(found)])


def moves_of(chains: Chains, stands: Mapping[tuple[str, str], Stand], horizon: int = DAY) -> Moves:
    """Moves of all expiries between neighbouring chains, scaled to a horizon [s].

    Parameters
    ----------
    chains
        Day -> currency -> quotes of one time, in the order of days.
    stands
        (day, currency) -> what the lanes were, of each day but the last.
    horizon
        [s]

    Raises
    ------
    BacktestError
        No expiry is on two neighbouring chains, a stand is missing, or chains do not follow each other in time.
    """
    rows: list[tuple[float, ...]] = []
    for number, (day, after) in enumerate(pairwise(chains)):
        for currency, quotes in chains[day].items():
            if currency not in chains[after]:
                continue
            if (day, currency) not in stands:
                raise BacktestError(f"{day} {currency}: what the lanes were is not given; name its scan range")
            rows += _moves(number, quotes, chains[after][currency], stands[day, currency], horizon)
    if not rows:
        raise BacktestError("no expiry is on two neighbouring chains; chains of at least two days are needed")
    day_number, *columns = (np.array(column) for column in zip(*rows, strict=True))
    return Moves(day_number.astype(np.int64), *columns)


def _moves(
    number: int, quotes: Sequence[OptionQuote], then: Sequence[OptionQuote], stand: Stand, horizon: int
) -> list[tuple[float, ...]]:
    """Rows of `Moves` of one currency from one chain to the next."""
    now, later = quotes[0].time, then[0].time
    if later <= now:
        raise BacktestError(f"a chain of {later} follows one of {now}; times that rise are right")
    scale = math.sqrt(horizon / (later - now))
    known = by_expiry(then)
    pairs = []
    for expiry, part in by_expiry(quotes).items():
        if expiry in known and expiry - later >= LEAST_LIFE:
            one, other = smile_of(part, index_of(quotes)), smile_of(known[expiry], index_of(then))
            if one is not None and other is not None:
                pairs.append((one, other))
    if not pairs:
        return []
    tau = np.array([one.tau for one, _ in pairs])
    lanes = ScenarioSet(psr=round(stand.psr * PPM), vol_up=round(stand.vol_up * PPM), vol_down=0)
    factor = lanes.tenor_factor(tau)
    money = np.array([one.money for one, _ in pairs])
    change = np.array([other.money for _, other in pairs]) - money
    common = float(np.median(change / money / factor))
    term = change - common * factor * money
    vega = black.vega(1.0, 1.0, money, tau)
    rows: list[tuple[float, ...]] = []
    for at, (one, other) in enumerate(pairs):
        up = (other.up - other.money) - (one.up - one.money)
        down = (other.down - other.money) - (one.down - one.money)
        rows.append(
            (
                number,
                one.tau,
                (other.ratio / one.ratio - 1) * scale,
                (up - down) / 2 * scale,
                max(abs(up), abs(down)) * scale,
                float(term[at]) * scale,
                float(money[at] * factor[at] * stand.vol_up),
                stand.psr,
                float(vega[at]),
            )
        )
    return rows


def spreads_of(chains: Chains) -> Spreads:
    """Median half spreads of options out of the money, by day, currency, tenor and moneyness.

    Raises
    ------
    BacktestError
        No bucket has `LEAST_QUOTES` quotes with two sides.
    """
    rows: list[tuple[float, ...]] = []
    for number, chain in enumerate(chains.values()):
        for quotes in chain.values():
            rows += _spreads(number, quotes)
    if not rows:
        raise BacktestError("no bucket of options is quoted on both sides; chains with bid and ask are needed")
    day, *columns = (np.array(column) for column in zip(*rows, strict=True))
    return Spreads(day.astype(np.int64), *columns)


def _spreads(number: int, quotes: Sequence[OptionQuote]) -> list[tuple[float, ...]]:
    index = index_of(quotes)
    live = [
        quote
        for quote in quotes
        if 0 < quote.bid <= quote.ask and quote.volatility > 0 and quote.expiry - quote.time >= LEAST_LIFE
    ]
    if not live:
        return []
    call = np.array([quote.is_call for quote in live])
    columns = [(q.forward, q.strike, q.volatility, (q.expiry - q.time) / YEAR, (q.ask - q.bid) / 2) for q in live]
    forward, strike, volatility, tau, coin = (np.array(column) for column in zip(*columns, strict=True))
    half = coin * forward / index
    greeks = black.greeks(call, forward, strike, volatility, tau)
    vega = np.maximum(greeks.vega / index, 1e-9)
    away = np.log(strike / forward) / (volatility * np.sqrt(tau)) * np.where(call, 1, -1)
    rows: list[tuple[float, ...]] = []
    for low, high in pairwise(TENORS):
        for near, far in pairwise(MONEY):
            part = of_tenor(tau, low, high) & (away >= near) & (away < far)
            if np.sum(part) >= LEAST_QUOTES:
                middle = [float(np.median(x[part])) for x in (tau, half, half / vega, np.abs(greeks.delta) / vega)]
                rows.append((number, middle[0], near, *middle[1:]))
    return rows


def stickiness(chains: Chains, large: float = LARGE) -> dict[str, float]:
    """Which rule the smile keeps to while the price moves: mean change of volatility under either, unscaled.

    Each expiry of a chain is looked at in five places, a deviation down to one up: `strike` is the change at the same
    strike on the next chain, `moneyness` at the same K / F; `strike_large` and `moneyness_large` likewise where the
    forward moved by at least `large` (NaN for never), and `count` and `count_large` how many were looked at.

    Raises
    ------
    BacktestError
        No expiry is on two neighbouring chains.
    """
    rows = []
    for day, after in pairwise(chains):
        for currency in sorted(chains[day].keys() & chains[after].keys()):
            later, known = chains[after][currency][0].time, by_expiry(chains[after][currency])
            for expiry, part in by_expiry(chains[day][currency]).items():
                if expiry not in known or expiry - later < LEAST_LIFE:
                    continue
                (forward, k, volatility), (then, k_then, volatility_then) = map(_marked, (part, known[expiry]))
                if not len(k) or not len(k_then):
                    continue
                wide = float(np.interp(0.0, k, volatility)) * math.sqrt((expiry - part[0].time) / YEAR)
                at = PLACES * wide
                now = np.interp(at, k, volatility)
                fixed = np.interp(at + math.log(forward / then), k_then, volatility_then)
                moved = np.interp(at, k_then, volatility_then)
                step = abs(then / forward - 1)
                rows += [(a, b, step) for a, b in zip(np.abs(fixed - now), np.abs(moved - now), strict=True)]
    if not rows:
        raise BacktestError("no expiry is on two neighbouring chains; chains of at least two days are needed")
    strike, moneyness, change = (np.array(column) for column in zip(*rows, strict=True))
    much = change >= large
    return {
        "strike": float(np.mean(strike)),
        "moneyness": float(np.mean(moneyness)),
        "strike_large": float(np.mean(strike[much])) if much.any() else math.nan,
        "moneyness_large": float(np.mean(moneyness[much])) if much.any() else math.nan,
        "count": float(len(change)),
        "count_large": float(np.sum(much)),
    }


def stands_of(chains: Chains, engine: Engine | None = None) -> dict[tuple[str, str], Stand]:
    """What the engine (the default one where not given) made of each day: (day, currency) -> scan range, shift.

    Raises
    ------
    SourceError
        The recorded prices before the chains are not there.
    """
    maker = engine or Engine(EwmaFhs())
    times: dict[str, list[int]] = {}
    prices: dict[str, list[float]] = {}
    found = {}
    previous = None
    for day, chain in chains.items():
        markets = []
        for currency, quotes in chain.items():
            times.setdefault(currency, []).append(quotes[0].time)
            prices.setdefault(currency, []).append(index_of(quotes))
            history = spliced(currency, times[currency], prices[currency])
            markets.append(market_of(currency, quotes, history, quoted=False))
        built = maker.report(Snapshot(max(quotes[0].time for quotes in chain.values()), tuple(markets)), previous)
        previous = built.state
        for currency in chain:
            header = next(s for s in built.surfaces if s.underlying == UNDERLYINGS[currency])
            found[day, currency] = Stand(header.psr / PPM, header.vol_up / PPM)
    return found


def linear_half_spreads(assets: Sequence[str] = tuple(UNDERLYINGS)) -> FloatArray:
    """Half spreads of recorded perpetuals, fractions of the price, one after the other.

    Raises
    ------
    SourceError
        `PLIMSOLL_DATA` is unset or lacks the file.
    """
    path = recorded_path("perp_depth_50bps")
    found = [load_series(path, "spread_bps", {"asset": asset}, sort=True).value for asset in assets]
    return np.concatenate(found) / 2 / 10_000


@dataclass(frozen=True, slots=True, eq=False)
class ChargeRecord:
    """What was measured, and what it says of the present parameters; `left_out` says what could not be measured."""

    estimate: ChargeEstimate | None
    moves: Moves | None
    spreads: Spreads | None
    left_out: str = ""

    def numbers(self) -> dict[str, float]:
        """Plain values for a table of figures; empty without recorded chains."""
        found, moves, spreads = self.estimate, self.moves, self.spreads
        if found is None or moves is None or spreads is None:
            return {}
        numbers = {"days": float(found.days)}
        for name in ("basis", "turn", "skew", "term", "vol_spread", "spread"):
            part = getattr(found, name)
            if part is not None:
                numbers |= {name: part.value, f"{name}_low": part.low, f"{name}_high": part.high}
        numbers |= {f"covered_{name}": value for name, value in found.covered}
        numbers |= {f"present_{name}": getattr(found.base, name) for name, _ in found.proposed}
        return numbers | {f"proposed_{name}": value for name, value in found.proposed}

    def by_tenor(self) -> list[dict[str, float]]:
        """Rows by tenor [days]: observations, the quantile of each measure and the mean present allowance.

        Raises
        ------
        BacktestError
            Nothing was measured.
        """
        found, moves, spreads = self.estimate, self.moves, self.spreads
        if found is None or moves is None or spreads is None:
            raise BacktestError(f"nothing was measured; {self.left_out}")
        allowed = charged(moves, found.base)
        left = spreads.left(dict(found.proposed)["spread"])
        rows = []
        for low, high in pairwise(TENORS):
            part, here = of_tenor(moves.tau, low, high), of_tenor(spreads.tau, low, high)
            if not part.any():
                continue
            row = {"from": float(low), "to": float(high), "count": float(np.sum(part))}
            for name in ("basis", "turn", "skew", "term"):
                row[name] = float(np.quantile(np.abs(getattr(moves, name)[part]), found.level))
                if name in allowed:
                    row[f"{name}_present"] = float(np.mean(allowed[name][part]))
            if here.any():
                row |= {"vol_spread": float(np.quantile(left[here], found.level))}
                row |= {"half_spread": float(np.quantile(spreads.half[here], found.level))}
            rows.append(row)
        return rows


def measure(
    chains: Chains,
    stands: Mapping[tuple[str, str], Stand],
    linear: FloatArray | None = None,
    base: ArrayConfig = DEFAULT_CONFIG,
    floors: Floors | None = None,
    *,
    horizon: int = DAY,
) -> ChargeRecord:
    """Moves, spreads, and the charges that they ask for.

    Raises
    ------
    BacktestError, TooFewDaysError, ModelError
        As `moves_of`, `spreads_of` and `plimsoll.risk.charges.estimate`.
    """
    moves, spreads = moves_of(chains, stands, horizon), spreads_of(chains)
    return ChargeRecord(estimate(moves, spreads, linear, base, floors), moves, spreads)


def record(
    chains: Callable[[], Chains] = january,
    base: ArrayConfig = DEFAULT_CONFIG,
    floors: Floors | None = None,
    *,
    horizon: int = DAY,
) -> ChargeRecord:
    """The charges that January 2026 asks for; without the recorded chains an empty record that says so."""
    if not os.environ.get(DATA_VARIABLE):
        return ChargeRecord(None, None, None, f"measured charges: {DATA_VARIABLE} is unset")
    days = chains()
    return measure(days, stands_of(days), linear_half_spreads(), base, floors, horizon=horizon)

"""From raw quotes to a full smile: every listed option gets a volatility of one surface without static arbitrage.

Quotes are missing, crossed, stale and absurd. What a report prices must be none of it, so a snapshot is *completed*
by who makes it of quotes, before any engine sees it (the back-test of chains does; the keeper's feed has no quotes):

    1  clean       a side missing or 0, bid over ask, a mid under the intrinsic value or over its bound, a volatility
                   that is a multiple of the expiry's own: left out and counted. Where no two sides are there, the
                   venue's mark counts, at `MARK_SHARE` of the weight
    2  order       total variance at the money must rise with time. Where expiries contradict each other the heaviest
                   and smoothest set that rises is kept; the others' quotes are left out
    3  fit         a slice of `plimsoll.risk.svi` through each expiry of at least `LEAST_STRIKES` strikes, free of
                   butterflies, and over the one before; quotes that lie far off it are left out, and it is fitted again
    4  borrow      an expiry of fewer quotes, or none, has the smile of the surface at that *moment* between its
                   neighbours that meets its quotes best (their median), or at its own time: total variance linear in
                   time between expiries; before the first its volatility, after the last its forward variance at the
                   money go on. A family that rises with time holds no calendar arbitrage, whatever the moments are

All options take the surface's volatility, the quoted ones too: half of a quote's noise is tick and staleness, and a
smile with noise in it has butterflies of negative price. `smile_check.held_out` measures what that costs.

*Sticky strike or sticky moneyness?* Both, each in its place. The surface is a function of K / F: completed anew for
each snapshot, it has moved with the forward. The lanes of one report are *sticky strike*: while the price moves by a
node each instrument keeps its own volatility, times the shift of the lane. For two reasons. Lanes must add up, so a row
is a number for each scenario that does not depend on what else is held. And it is the nearer rule, if not by much:
over the recorded chains volatility changes as much from day to day at a fixed strike as at fixed moneyness, and less
where the price moved by more than 3 % (`plimsoll.backtest.charges.stickiness`). What the smile does beyond it is
scanned by the volatility shifts and charged as skew and term structure (`plimsoll.risk.arrays`).

The fit is a library's search, close to but not equal with another machine's. It may be, since it ends *in* the
snapshot: the volatilities are an input, they are hashed with it, and whoever recomputes a report starts from them
(`docs/REPLAY.md`). No engine imports this module.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from plimsoll.market.bars import FloatArray
from plimsoll.market.quotes import Quote
from plimsoll.market.snapshot import MAX_VOLATILITY, Market
from plimsoll.risk import black, svi
from plimsoll.risk.errors import ListingError, PricingError
from plimsoll.spec.instruments import CALL
from plimsoll.spec.wad import WAD, YEAR

LEAST_STRIKES: Final = svi.LEAST_QUOTES  # as many as a slice has parameters
MARK_SHARE: Final = 0.25  # weight of a venue's mark against two sides of a market
ABSURD: Final = 4.0  # times the expiry's volatility, or a part of it
FAR_OFF: Final = 6.0  # robust deviations
GRAIN: Final = 0.005  # [volatility] added to half a spread: no fit is nearer
LEAST_OFF: Final = 4.0  # units of half a spread and the grain
ROUNDS: Final = 2  # fits after the first
ENOUGH: Final = 10  # quotes with which an expiry has full weight
FALL: Final = 0.03  # relative fall of variance at the money that may be noise
DIGITS: Final = 8  # of a volatility in a snapshot
LONGEST: Final = 20.0  # times its own time that a last expiry's moment may be
HALVINGS: Final = 50
TRIES: Final = 64


@dataclass(frozen=True, slots=True)
class ExpirySmile:
    """One expiry of a completed market.

    `expiry` [unix s], `tau` its time, and `moment` the time of the surface whose smile it has, both [years]: they
    differ where the smile is borrowed. Quotes by what became of them: `used`, of them `marked` by the venue alone;
    `missing`, `crossed`, `impossible`, `absurd`, `far_off` the fit, `disordered` with their whole expiry. `error`:
    weighted mean distance of the used [volatility], NaN for none.
    """

    expiry: int
    forward: float
    tau: float
    moment: float
    used: int
    marked: int
    missing: int
    crossed: int
    impossible: int
    absurd: int
    far_off: int
    disordered: int
    error: float
    borrowed: bool


@dataclass(frozen=True, slots=True)
class MarketSmile:
    """The smile of a market: a surface, and the moment of it that each expiry has, expiries rising."""

    surface: svi.ImpliedSurface
    expiries: tuple[ExpirySmile, ...]

    def volatility(self, expiry: int, strike: FloatArray) -> FloatArray:
        """Implied volatility [1 a year] at strikes [quote currency] of one of the expiries, their shape.

        Raises
        ------
        ListingError
            The expiry is not one of those that were fitted.
        """
        for found in self.expiries:
            if found.expiry == expiry:
                w = np.maximum(self.surface.variance(np.log(strike / found.forward), found.moment), 0.0)
                volatility: FloatArray = np.clip(np.sqrt(w / found.tau), svi.VOLATILITIES[0], MAX_VOLATILITY)
                return volatility
        raise ListingError(f"expiry {expiry} has no smile; one of {[found.expiry for found in self.expiries]} is right")


@dataclass(frozen=True, slots=True, eq=False)
class _Cleaned:
    """Usable quotes of an expiry, arrays of shape (n,); and counts of what was left out.

    Log-moneyness, volatility, weight, half spread [volatility], whether it is the venue's mark alone.
    """

    expiry: int
    forward: float
    tau: float
    k: FloatArray
    volatility: FloatArray
    weight: FloatArray
    half: FloatArray
    marked: svi.Bools
    missing: int
    crossed: int
    impossible: int
    absurd: int
    far_off: int = 0
    disordered: int = 0

    @property
    def strikes(self) -> int:
        return len(np.unique(self.k))

    @property
    def points(self) -> svi.Points:
        return svi.Points(self.k, self.volatility, self.weight, self.missing, self.crossed, self.impossible)

    @property
    def level(self) -> float:
        """Total variance about the money: where calls and puts weigh most."""
        return _weighted_median(np.square(self.volatility) * self.tau, self.weight)

    def only(self, keep: svi.Bools) -> _Cleaned:
        """The quotes that are to be kept; the counts as they are."""
        arrays = {name: getattr(self, name)[keep] for name in ("k", "volatility", "weight", "half", "marked")}
        return replace(self, **arrays)

    def ended(self, moment: float, error: float, *, borrowed: bool) -> ExpirySmile:
        return ExpirySmile(
            self.expiry,
            self.forward,
            self.tau,
            moment,
            len(self.k),
            int(np.sum(self.marked)),
            self.missing,
            self.crossed,
            self.impossible,
            self.absurd,
            self.far_off,
            self.disordered,
            error,
            borrowed,
        )


def complete(market: Market, now: int, quotes: Mapping[int, Quote]) -> Market:
    """The market with a volatility for each of its options, all of one surface without static arbitrage.

    Parameters
    ----------
    market
        What is listed, its index and forwards; its own `implied_vols` are replaced.
    now
        Market time [unix s].
    quotes
        Instrument id -> raw quote; options that are missing are quoted by nobody.

    Raises
    ------
    PricingError
        Options are listed and not one of them has a usable quote.
    ListingError
        A quote for what is no listed option, or an option that has expired.
    """
    if not any(item.is_option for item in market.listed):
        return market
    smile = fit_market(market, now, quotes)
    unit = market.strike_unit / WAD
    found = {}
    for expiry, places in _options(market).items():
        strike = np.array([market.listed[at].strike * unit for at in places])
        for at, volatility in zip(places, smile.volatility(expiry, strike).tolist(), strict=True):
            found[market.instruments[at]] = round(volatility, DIGITS)
    return replace(market, implied_vols=found)


def fit_market(market: Market, now: int, quotes: Mapping[int, Quote]) -> MarketSmile:
    """The surface behind `complete`, and what became of the quotes, expiry by expiry.

    Parameters and errors as there.
    """
    options = _options(market)
    listed = {market.instruments[at] for places in options.values() for at in places}
    strange = sorted(quotes.keys() - listed)
    if strange:
        raise ListingError(f"underlying {market.underlying}: {strange[0]:#x} is quoted and no listed option")
    if options and min(options) <= now:
        raise ListingError(f"underlying {market.underlying}: expiry {min(options)} is over by {now}; leave it out")
    cleaned = _ordered([_clean(market, now, expiry, places, quotes) for expiry, places in options.items()])
    if not any(len(part.k) for part in cleaned):
        raise PricingError(
            f"underlying {market.underlying}: none of {len(listed)} options has a usable quote; "
            "one bid and ask, or one mark, is needed"
        )
    anchors = [part for part in cleaned if part.strikes >= LEAST_STRIKES]
    slices: dict[int, tuple[svi.Fitted, _Cleaned]] = {}
    before = None
    for part in anchors:
        slices[part.expiry] = _fit(part, before)
        before = slices[part.expiry][0].slice
    if not slices:
        surface = svi.ImpliedSurface((_flat(cleaned),))
    else:
        surface = svi.ImpliedSurface(tuple(fitted.slice for fitted, _ in slices.values()))
    done: list[ExpirySmile] = []
    for part in cleaned:
        if part.expiry in slices:
            fitted, left = slices[part.expiry]
            done.append(left.ended(part.tau, fitted.error, borrowed=False))
            continue
        low = done[-1].moment if done else 0.0
        high = next((later.tau for later in anchors if later.tau > part.tau), math.inf)
        done.append(_borrow(part, surface, low, min(high, LONGEST * part.tau)))
    return MarketSmile(surface, tuple(done))


def _options(market: Market) -> dict[int, list[int]]:
    """Expiry, rising -> places of its options in the market's ids."""
    found: dict[int, list[int]] = {}
    for at, item in enumerate(market.listed):
        if item.is_option:
            found.setdefault(item.expiry, []).append(at)
    return {expiry: found[expiry] for expiry in sorted(found)}


def _weighted_median(values: FloatArray, weight: FloatArray) -> float:
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


# -------------------------------------------------------------------------------------------------------------- clean


def _clean(market: Market, now: int, expiry: int, places: Sequence[int], quotes: Mapping[int, Quote]) -> _Cleaned:
    """Step 1, of one expiry."""
    forward = market.forwards.get(expiry, market.index)
    tau = (expiry - now) / YEAR
    items = [market.listed[at] for at in places]
    raw = [quotes.get(market.instruments[at], Quote()) for at in places]
    call = np.array([item.kind == CALL for item in items])
    strike = np.array([item.strike * (market.strike_unit / WAD) for item in items])
    bid, ask, mark = (np.array([getattr(q, name) for q in raw], dtype=np.float64) for name in Quote.__slots__)
    sided = (bid > 0) & (ask > 0) & np.isfinite(bid) & np.isfinite(ask)
    uncrossed = sided & (bid <= ask)
    mid = np.where(uncrossed, (np.where(uncrossed, bid, 0.0) + np.where(uncrossed, ask, 0.0)) / 2, 0.0)
    volatility = svi.implied(call, forward, strike, mid, tau)
    possible = uncrossed & ~np.isnan(volatility)
    marked = ~possible & (mark > svi.VOLATILITIES[0]) & (mark <= MAX_VOLATILITY)
    volatility = np.where(marked, mark, volatility)
    there = possible | marked
    chosen = np.where(there, volatility, 1.0)
    vega = black.vega(forward, strike, chosen, tau)
    half = np.where(possible, (np.where(possible, ask, 0.0) - np.where(possible, bid, 0.0)) / 2, 0.0)
    half = np.minimum(half / np.maximum(vega, 1e-12 * forward), MAX_VOLATILITY)
    weight = np.where(marked, MARK_SHARE, 1 / np.square(1 + half / svi.LOSS_SCALE)) * np.maximum(vega / forward, 1e-12)
    keep = there.copy()
    if there.any():
        usual = _weighted_median(chosen[there], weight[there])
        keep &= (chosen <= ABSURD * usual) & (chosen * ABSURD >= usual)
    return _Cleaned(
        expiry,
        forward,
        tau,
        np.log(strike[keep] / forward),
        volatility[keep],
        weight[keep] / np.max(weight[keep], initial=1e-300),
        half[keep],
        marked[keep],
        int(np.sum(~sided & ~marked)),
        int(np.sum(sided & ~uncrossed)),
        int(np.sum(uncrossed & ~possible)),
        int(np.sum(there & ~keep)),
    )


def _ordered(expiries: Sequence[_Cleaned]) -> list[_Cleaned]:
    """Step 2: the heaviest set of expiries whose variance rises; the quotes of the others left out.

    The weight of an expiry is the number of its quotes, at most `ENOUGH`; of sets that weigh the same the one whose
    volatility moves least from expiry to expiry. Both add up along a set, so the best set that ends with an expiry
    is the best one that ends before it, and it (dynamic programming).
    """
    quoted = [part for part in expiries if len(part.k)]
    best: list[tuple[int, float, tuple[int, ...]]] = []
    for at, part in enumerate(quoted):
        reached = [(0, 0.0, ())] + [
            (count, -rough - abs(math.log(part.level / part.tau) - math.log(earlier.level / earlier.tau)), chain)
            for earlier, (count, rough, chain) in zip(quoted[:at], best, strict=True)
            if earlier.level * (1 - FALL) <= part.level
        ]
        count, smooth, chain = max(reached, key=lambda found: found[:2])
        best.append((count + min(len(part.k), ENOUGH), -smooth, (*chain, part.expiry)))
    kept = set(max(best, key=lambda found: (found[0], -found[1]), default=(0, 0.0, ()))[2])
    return [
        part if part.expiry in kept else replace(part.only(np.zeros(len(part.k), np.bool_)), disordered=len(part.k))
        for part in expiries
    ]


# ------------------------------------------------------------------------------------------------------ fit and borrow


def _fit(part: _Cleaned, before: svi.Slice | None) -> tuple[svi.Fitted, _Cleaned]:
    """Step 3, of one expiry."""
    fitted = svi.fit_slice(part.points, part.tau, before)
    for _ in range(ROUNDS):
        off = np.abs(fitted.slice.volatility(part.k) - part.volatility) / (part.half + GRAIN)
        keep = off <= max(LEAST_OFF, FAR_OFF * float(np.median(off)))
        left = replace(part.only(keep), far_off=part.far_off + int(np.sum(~keep)))
        if keep.all() or left.strikes < LEAST_STRIKES:
            break
        part = left
        fitted = svi.fit_slice(part.points, part.tau, before, fitted.slice)
    return fitted, part


def _flat(cleaned: Sequence[_Cleaned]) -> svi.Slice:
    """Where no expiry has quotes enough: flat, at the level of the one with the most."""
    part = max(cleaned, key=lambda found: len(found.k))
    return svi.Slice(part.tau, part.level, 0.0, 0.0, 0.0, 1.0)


def _borrow(part: _Cleaned, surface: svi.ImpliedSurface, low: float, high: float) -> ExpirySmile:
    """Step 4, of one expiry: a moment of the surface between `low` and `high` [years]."""
    moment = min(max(part.tau, low), high)
    if len(part.k):
        least, most = low, high
        for _ in range(HALVINGS):
            moment = (least + most) / 2
            w = np.square(part.volatility) * part.tau
            under = _weighted_median(w - surface.variance(part.k, moment), part.weight) > 0
            least, most = (moment, most) if under else (least, moment)
    moment = _sound(surface, moment, low)
    error = math.nan
    if len(part.k):
        found = np.sqrt(np.maximum(surface.variance(part.k, moment), 0.0) / part.tau)
        error = float(np.average(np.abs(found - part.volatility), weights=part.weight))
    return part.ended(moment, error, borrowed=True)


def _sound(surface: svi.ImpliedSurface, moment: float, low: float) -> float:
    """The moment, or where a mixture of two smiles has a butterfly the next one before it that has none.

    At `low`, the moment of the expiry before, there is none.
    """
    for share in np.linspace(1, 0, TRIES):
        found = low + float(share) * (moment - low)
        if found > 0 and surface.butterfly_excess(found) <= 0:
            return found
    return moment if low <= 0 else low

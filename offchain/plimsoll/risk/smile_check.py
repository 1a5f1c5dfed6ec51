"""What a completed smile is held to: no portfolio of listed options with a sure profit, and quotes it has not seen.

The first without looking at any surface, by prices alone, so that it finds what a surface's own test may miss. With
C(K) the undiscounted call of an expiry (a put is one by parity) and c = C / F as a function of k = K / F:

    monotone   c does not rise with strike, and by no more than the strikes are apart
    butterfly  c is convex over neighbouring strikes, from 1 at k = 0 on
    calendar   c of a later expiry, read on the straight line between its two strikes about k, is not under c of the
               earlier one at k: the later curve is convex, so the line lies over it, and what is under the line is
               an arbitrage of three listed options

M. Davis, D. Hobson, The range of traded option prices, Mathematical Finance 17, 2007, show that nothing else is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from plimsoll.market.bars import FloatArray
from plimsoll.market.quotes import Quote
from plimsoll.market.snapshot import Market
from plimsoll.risk import black, smile, svi
from plimsoll.risk.errors import PricingError
from plimsoll.spec.instruments import CALL
from plimsoll.spec.wad import WAD, YEAR

SEEN: Final = 0.7  # share of quotes that a held-out fit sees
NEAR: Final = 2.0  # standard deviations out of the money within which an option counts as near


@dataclass(frozen=True, slots=True)
class Arbitrage:
    """The largest sure profit of each kind, as a fraction of the forward; 0 for none. Parity: call against put."""

    parity: float
    monotone: float
    butterfly: float
    calendar: float

    @property
    def worst(self) -> float:
        """Of the four."""
        return max(self.parity, self.monotone, self.butterfly, self.calendar)


def arbitrage(market: Market, now: int) -> Arbitrage:
    """What the volatilities of a market leave to be taken without risk.

    Raises
    ------
    PricingError
        A listed option has no volatility.
    """
    curves = _curves(market, now)
    parity = max((apart for _, _, apart in curves), default=0.0)
    monotone = butterfly = calendar = 0.0
    for early, call, _ in curves:
        k, c = np.append(0.0, early), np.append(1.0, call)
        slope = np.diff(c) / np.diff(k)
        monotone = max(monotone, float(np.max(slope * np.diff(k))), float(np.max((-1 - slope) * np.diff(k))))
        # one wing up to the middle strike, one down: what the middle lies over the line between its neighbours
        share = (k[1:-1] - k[:-2]) / (k[2:] - k[:-2])
        over = c[1:-1] - (c[:-2] * (1 - share) + c[2:] * share)
        butterfly = max(butterfly, float(np.max(over, initial=0.0)))
    for at, (early, call, _) in enumerate(curves):
        for later_strike, later_call, _ in curves[at + 1 :]:
            inside = early <= later_strike[-1]
            line = np.interp(early[inside], np.append(0.0, later_strike), np.append(1.0, later_call))
            calendar = max(calendar, float(np.max(call[inside] - line, initial=0.0)))
    return Arbitrage(parity, monotone, butterfly, calendar)


def _curves(market: Market, now: int) -> list[tuple[FloatArray, FloatArray, float]]:
    """Of each expiry, rising: k = K / F, rising, the call's c = C / F there, and how far call and put lie apart."""
    found: dict[int, dict[int, list[float]]] = {}
    for instrument, item in zip(market.instruments, market.listed, strict=True):
        if not item.is_option:
            continue
        if instrument not in market.implied_vols:
            raise PricingError(f"{item} has no volatility; complete the market first")
        forward = market.forwards.get(item.expiry, market.index)
        k = item.strike * (market.strike_unit / WAD) / forward
        own = black.price(item.kind == CALL, 1.0, k, market.implied_vols[instrument], (item.expiry - now) / YEAR)
        call = float(own) if item.kind == CALL else float(own) + 1 - k
        found.setdefault(item.expiry, {}).setdefault(item.strike, []).append(call)
    curves = []
    for expiry in sorted(found):
        forward = market.forwards.get(expiry, market.index)
        strikes = sorted(found[expiry])
        calls = [found[expiry][strike] for strike in strikes]
        curves.append(
            (
                np.array(strikes) * (market.strike_unit / WAD) / forward,
                np.array([float(np.mean(both)) for both in calls]),
                max(max(both) - min(both) for both in calls),
            )
        )
    return curves


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How far the smile lies from quotes that it was not shown; medians and 95th percentiles.

    `points`, `points_95`: of volatility [1 a year]. `spreads`, `spreads_95`: of the price, in half spreads of the
    quote. `inside`: share of the quotes between whose sides the smile lies. `near_points`, `near_points_95`: of
    volatility out of the money by at most `NEAR` standard deviations: a mid further out, or in the money, says little
    of volatility, since a tick of its price is many points. `count`: quotes that were held out.
    """

    count: int
    points: float
    points_95: float
    near_points: float
    near_points_95: float
    spreads: float
    spreads_95: float
    inside: float


def held_out(
    market: Market, now: int, quotes: Mapping[int, Quote], share: float = SEEN, seed: int = 1
) -> tuple[Market, HeldOut]:
    """Show a smile a share of the quotes, drawn at random, and measure it on those of the rest that have two sides.

    The market as completed, and how far it lies from what it has not seen.

    Raises
    ------
    PricingError
        No quote with two sides is left to measure on; or as `smile.complete`.
    """
    rng = np.random.default_rng(seed)
    ids = sorted(quotes)
    seen = rng.random(len(ids)) < share
    completed = smile.complete(market, now, {i: quotes[i] for i, kept in zip(ids, seen, strict=True) if kept})
    return completed, apart(completed, now, {i: quotes[i] for i, kept in zip(ids, seen, strict=True) if not kept})


def apart(completed: Market, now: int, quotes: Mapping[int, Quote]) -> HeldOut:
    """How far the smile of a completed market lies from quotes with two sides, whether it has seen them or not.

    Raises
    ------
    PricingError
        There are none.
    """
    items = dict(zip(completed.instruments, completed.listed, strict=True))
    rows = []
    for instrument, quote in quotes.items():
        item = items[instrument]
        if not 0 < quote.bid < quote.ask < math.inf:
            continue
        rows.append(
            (
                item.kind == CALL,
                completed.forwards.get(item.expiry, completed.index),
                item.strike * (completed.strike_unit / WAD),
                (item.expiry - now) / YEAR,
                completed.implied_vols[instrument],
                quote.bid,
                quote.ask,
            )
        )
    if not rows:
        raise PricingError("no quote with two sides is left to measure a smile on; hold out more")
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    call, forward, strike, tau, volatility, bid, ask = columns
    off = np.abs(black.price(call, forward, strike, volatility, tau) - (bid + ask) / 2) / ((ask - bid) / 2)
    mids = svi.implied(call, forward, strike, (bid + ask) / 2, tau)
    known = ~np.isnan(mids)
    points = np.abs(volatility - mids)[known]
    out = np.where(call, np.log(strike / forward), np.log(forward / strike))
    near = ((out >= 0) & (out <= NEAR * volatility * np.sqrt(tau)))[known]
    return HeldOut(
        len(rows),
        *_quantiles(points),
        *_quantiles(points[near]),
        *_quantiles(off),
        float(np.mean(off <= 1)),
    )


def _quantiles(values: FloatArray) -> tuple[float, float]:
    if not len(values):
        return math.nan, math.nan
    return float(np.median(values)), float(np.quantile(values, 0.95))

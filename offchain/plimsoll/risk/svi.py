"""The implied surface: raw SVI for each expiry, no butterfly and no calendar arbitrage, and what lies between expiries.

    w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)),   k = ln(K / F),   implied volatility = sqrt(w / T)

(J. Gatheral, The Volatility Surface, 2006; J. Gatheral, A. Jacquier, Arbitrage-free SVI volatility surfaces,
Quantitative Finance 14, 2014.) A slice has no butterfly arbitrage where Durrleman's function

    g(k) = (1 - k w' / (2 w))^2 - w'^2 / 4 (1 / w + 1 / 4) + w'' / 2

is not negative, and two slices no calendar arbitrage where total variance at equal moneyness does not fall with time.
Both are held on a grid, from a tenth of the forward to ten times it and finer about the money, and in the wings beyond
it by the slopes: none
over 2 (R. Lee, The moment formula for implied volatility at extreme strikes, Mathematical Finance 14, 2004), none under
that of the expiry before.

*Between expiries* total variance at equal moneyness is linear in time; before the first volatility is the first's,
after the last the last's smile is lifted as the variance at the money grows. None of them makes a calendar; less of a
slice's variance makes no butterfly either, since g is concave in the share and not negative at none. *Sticky
moneyness*: a smile is kept as a function of K / F and moves with the forward. The lanes of a report do otherwise, on
purpose: there each instrument keeps its volatility while the price moves (sticky strike), and the turn of the smile is
charged beside (`plimsoll.risk.arrays`).

A fit is the search of a library and ends where its machine ends: close to, not equal with, another machine's. So it
ends in the snapshot, which is made before a report and hashed (`plimsoll.risk.smile`); on the path of a report itself
it is not (`docs/REPLAY.md`), and `plimsoll.risk.engine` does not import it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from plimsoll.market.bars import FloatArray
from plimsoll.risk import black
from plimsoll.risk.errors import PricingError

Bools = npt.NDArray[np.bool_]

GRID: Final = np.linspace(-math.log(10), math.log(10), 461)  # every 1 % of log-moneyness
DEVIATIONS: Final = np.linspace(-10, 10, 201)  # and every tenth of a standard deviation of the expiry
LEAST_QUOTES: Final = 5  # as many as a slice has parameters
MAX_SLOPE: Final = 2.0
LOSS_SCALE: Final = 0.01  # [volatility] errors beyond it count by their size, not by their square
SLACK: Final = 1e-9  # of g and of total variance: what floats may hide
MARGIN: Final = 1e-3  # by which a search stays inside what is held
CLOSE: Final = 2e-4  # [volatility] mean distance under which no further start is tried
AGREED: Final = 2e-2  # relative distance of two errors that are one
SEARCH: Final = 100  # steps of one search
STEPS_BACK: Final = 50
SOME: Final = (20, 4)  # points of the grid that a search looks at: every so many
BISECTIONS: Final = 60
VOLATILITIES: Final = (0.001, 20.0)  # [1 a year] what a price is searched in
LIFT: Final = 1.25


def total_variance(k: npt.ArrayLike, a: float, b: float, rho: float, m: float, sigma: float) -> FloatArray:
    """Total implied variance of a raw SVI slice.

    Parameters
    ----------
    k
        Log-moneyness ln(K / F), any shape.
    a, b, rho, m, sigma
        Level, slope, turn, shift and curvature of the slice; b at least 0, -1 < rho < 1, sigma above 0.

    Returns
    -------
    numpy.ndarray
        w = volatility squared x time, shape of `k`.

    Raises
    ------
    PricingError
        b is negative, rho not inside (-1, 1), sigma not above 0, or one of the five is not finite.
    """
    if not (math.isfinite(a) and math.isfinite(m) and 0 <= b < math.inf and -1 < rho < 1 and 0 < sigma < math.inf):
        raise PricingError(
            f"SVI a {a}, b {b}, rho {rho}, m {m}, sigma {sigma}; b at least 0, rho in (-1, 1), sigma above 0 is right"
        )
    moved = np.asarray(k, dtype=np.float64) - m
    found: FloatArray = a + b * (rho * moved + np.sqrt(np.square(moved) + sigma * sigma))
    return found


@dataclass(frozen=True, slots=True)
class Slice:
    """One expiry: time to it [years] and the five numbers of its smile, see `total_variance`."""

    tau: float
    a: float
    b: float
    rho: float
    m: float
    sigma: float

    def __post_init__(self) -> None:
        if not 0 < self.tau < math.inf:
            raise PricingError(f"time to expiry {self.tau} years; above 0 is right")
        total_variance(0.0, self.a, self.b, self.rho, self.m, self.sigma)

    def variance(self, k: npt.ArrayLike) -> FloatArray:
        """Total variance at log-moneyness `k`, its shape."""
        return total_variance(k, self.a, self.b, self.rho, self.m, self.sigma)

    def volatility(self, k: npt.ArrayLike) -> FloatArray:
        """Implied volatility at log-moneyness `k` [1 a year], its shape."""
        found: FloatArray = np.sqrt(np.maximum(self.variance(k), 0.0) / self.tau)
        return found

    def durrleman(self, k: npt.ArrayLike) -> FloatArray:
        """g(k): where negative, some butterfly has a negative price. Shape of `k`."""
        return _durrleman(np.asarray(k, dtype=np.float64), self.a, self.b, self.rho, self.m, self.sigma)

    @property
    def grid(self) -> FloatArray:
        """Where it is held to have no arbitrage: log-moneyness, shape (662,)."""
        return _grid(float(self.variance(0.0)))

    @property
    def slopes(self) -> tuple[float, float]:
        """How steep total variance is far to the left and far to the right, both as positive numbers."""
        return self.b * (1 - self.rho), self.b * (1 + self.rho)


def _grid(level: float, every: int = 1, finer: int = 1) -> FloatArray:
    """`GRID` and `DEVIATIONS` at a total variance at the money, or some of their points."""
    return np.concatenate((GRID[::every], math.sqrt(max(level, 0.0)) * DEVIATIONS[::finer]))


def _durrleman(k: FloatArray, a: float, b: float, rho: float, m: float, sigma: float) -> FloatArray:
    moved = k - m
    root = np.sqrt(np.square(moved) + sigma * sigma)
    w = a + b * (rho * moved + root)
    first = b * (rho + moved / root)
    second = b * sigma * sigma / (root * root * root)
    return _g(k, w, first, second)


def _g(k: FloatArray, w: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    """Durrleman's function of total variance and its derivatives; -1 where there is no variance."""
    safe = np.maximum(w, 1e-12)
    found: FloatArray = np.square(1 - k * first / (2 * safe)) - np.square(first) / 4 * (1 / safe + 0.25) + second / 2
    return np.where(w > 0, found, -1.0)


def butterfly_excess(found: Slice) -> float:
    """By how much a slice breaks the rules for one expiry, 0 where it has no butterfly arbitrage."""
    return max(
        -float(np.min(found.durrleman(GRID))), max(found.slopes) - MAX_SLOPE, -float(np.min(found.variance(GRID))), 0.0
    )


def calendar_excess(near: Slice, far: Slice) -> float:
    """By how much total variance falls from one expiry to a later one, 0 where there is no calendar arbitrage."""
    at = np.concatenate((near.grid, far.grid))
    fall = float(np.max(near.variance(at) - far.variance(at)))
    flatter = max(n - f for n, f in zip(near.slopes, far.slopes, strict=True))
    return max(fall, flatter, 0.0)


# ------------------------------------------------------------------------------------------------------------- quotes


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """What is left of the quotes of one expiry: log-moneyness, volatility of the mid, weight, shape (n,) each.

    `missing` bid or ask, `crossed` bid over ask, `impossible` mids under the intrinsic value or over their bound.
    """

    k: FloatArray
    volatility: FloatArray
    weight: FloatArray
    missing: int
    crossed: int
    impossible: int

    @property
    def dropped(self) -> int:
        """Quotes that were left out."""
        return self.missing + self.crossed + self.impossible


def implied(
    is_call: Bools, forward: npt.ArrayLike, strike: FloatArray, price: FloatArray, tau: npt.ArrayLike
) -> FloatArray:
    """Black volatility of undiscounted prices [1 a year], shape (n,); NaN where no volatility has that price.

    Forward and time are one for all, or of that shape too. By bisection of `plimsoll.risk.black.price`, between 0.1 %
    and 2,000 %.

    Raises
    ------
    PricingError
        As `black.price`.
    """
    low, high = (np.full(len(strike), bound) for bound in VOLATILITIES)
    ends = [black.price(is_call, forward, strike, bound, tau) for bound in (low, high)]
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        over = black.price(is_call, forward, strike, middle, tau) > price
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    found: FloatArray = np.where((price > ends[0]) & (price < ends[1]), (low + high) / 2, np.nan)
    return found


def points(is_call: Bools, strike: FloatArray, bid: FloatArray, ask: FloatArray, forward: float, tau: float) -> Points:
    """Volatilities of one expiry's quotes, what cannot be used left out and counted.

    A weight is the option's vega over the largest, and less where the spread is wide: by the square of one and the
    volatility that half of it is, in points. So of call and put at a strike the one out of the money counts.

    Parameters
    ----------
    is_call, strike, bid, ask
        Shape (n,), prices undiscounted and in the unit of `forward`; NaN or 0 for a side that nobody quotes.
    forward, tau
        Of the expiry; `tau` in years, above 0.

    Raises
    ------
    PricingError
        Forward or time is not positive, or a strike is not.
    """
    if not (0 < forward < math.inf and 0 < tau < math.inf):
        raise PricingError(f"forward {forward}, time {tau} years; numbers above 0 are right")
    there = (bid > 0) & (ask > 0)  # a NaN is not
    uncrossed = there & (bid <= ask)
    middle = np.where(uncrossed, (bid + ask) / 2, 0.0)
    volatility = implied(is_call, forward, strike, middle, tau)
    good = uncrossed & ~np.isnan(volatility)
    vega = black.greeks(is_call[good], forward, strike[good], volatility[good], tau).vega
    half = (ask[good] - bid[good]) / 2 / np.maximum(vega, 1e-12)
    weight = vega / np.max(vega, initial=1e-300) / np.square(1 + half / LOSS_SCALE)
    return Points(
        np.log(strike[good] / forward),
        volatility[good],
        weight,
        int(np.sum(~there)),
        int(np.sum(there & ~uncrossed)),
        int(np.sum(uncrossed & ~good)),
    )


# ---------------------------------------------------------------------------------------------------------------- fit


@dataclass(frozen=True, slots=True)
class Fitted:
    """A slice, and how it came about.

    `error`: weighted mean distance of the quotes' volatilities [1 a year]. `used` and `dropped` quotes. `fallback`: no
    smile through the quotes was free of arbitrage (or there were too few), so a flat one stands, or the one before.
    """

    slice: Slice
    error: float
    used: int
    dropped: int
    fallback: bool


def fit_slice(quotes: Points, tau: float, before: Slice | None = None, near: Slice | None = None) -> Fitted:
    """The smile of one expiry, free of butterfly arbitrage, and of calendar arbitrage against the expiry before.

    The least weighted distance of volatilities, counted by its square up to about a point and by its size beyond it (a
    pseudo-Huber loss: R. Hartley, A. Zisserman, Multiple View Geometry, 2nd ed., A6.8), subject to what is held, by
    sequential quadratic programming from several starts; of those free of arbitrage on the whole grid the nearest, and
    no further start once two lead to one distance, or one is `CLOSE`. Where there is none, a flat smile at the median
    volatility, or the expiry before lifted to the level at the money.

    Parameters
    ----------
    quotes
        Volatilities by log-moneyness.
    tau
        Time to expiry [years].
    before
        The expiry before, itself free of arbitrage; None for the first.
    near
        Where the search starts, and the only such place: what was found on almost the same quotes.

    Raises
    ------
    PricingError
        Time is not positive, or not after the expiry before.
    """
    if not 0 < tau < math.inf or (before is not None and before.tau >= tau):
        raise PricingError(f"time {tau} years; above 0 and after the expiry before is right")
    found, least = None, math.inf
    if len(quotes.k) >= LEAST_QUOTES:
        starts = _starts(quotes, tau, before)
        if near is not None:
            starts = [np.array([near.a, near.b, near.rho, near.m, near.sigma])]
        for start in starts:
            candidate = _mended(_search(quotes, tau, before, start), start, tau, before)
            if candidate is None:
                continue
            error = _error(candidate, quotes)
            agreed, nearer = abs(error - least) <= AGREED * error, error < least
            if nearer:
                found, least = candidate, error
            if agreed or least <= CLOSE:
                break
    best = found or _fallback(quotes, tau, before)
    return Fitted(best, _error(best, quotes), len(quotes.k), quotes.dropped, found is None)


def _error(found: Slice, quotes: Points) -> float:
    if not len(quotes.k):
        return math.nan
    return float(np.average(np.abs(found.volatility(quotes.k) - quotes.volatility), weights=quotes.weight))


def _starts(quotes: Points, tau: float, before: Slice | None) -> list[FloatArray]:
    """First guesses of (a, b, rho, m, sigma): smiles about the level at the money, and the expiry before, lifted."""
    w = np.square(quotes.volatility) * tau
    order = np.argsort(quotes.k, kind="stable")
    level = max(float(np.interp(0.0, quotes.k[order], w[order])), 1e-8)
    wide = math.sqrt(level)
    found = [
        np.array([level - slope * sigma * wide, slope, rho, 0.0, sigma * wide])
        for rho, sigma in ((0.0, 1.0), (-0.3, 2.0), (0.3, 0.5))
        for slope in (0.5 * wide,)
    ]
    if before is not None:
        lift = max(level - float(before.variance(0.0)), 0.0)
        found.append(np.array([before.a + lift, before.b * 1.05, before.rho, before.m, before.sigma]))
    return found


def _search(quotes: Points, tau: float, before: Slice | None, start: FloatArray) -> FloatArray:
    """The five parameters by sequential quadratic programming from one start, what is held as constraints.

    Loss and constraints come with their derivatives, which spares six evaluations of each for every one.
    """
    weight = quotes.weight / np.sum(quotes.weight)
    scale = max(float(np.median(np.square(quotes.volatility) * tau)), 1e-12)
    at = _grid(float(total_variance(0.0, *_inside(start))), *SOME)
    lower = None if before is None else before.variance(at)
    steep = (
        () if before is None else tuple((sign, was) for sign, was in zip((-1, 1), before.slopes, strict=True) if was)
    )
    unit = np.array([scale, math.sqrt(scale), 1.0, math.sqrt(scale), math.sqrt(scale)])

    def loss(x: FloatArray) -> tuple[float, FloatArray]:
        model, _, _, by_parameter, _, _ = _derivatives(quotes.k, *_inside(x * unit))
        volatility = np.sqrt(np.maximum(model, 1e-12) / tau)
        apart = (volatility - quotes.volatility) / LOSS_SCALE
        root = np.sqrt(1 + np.square(apart))
        pull = 2 * weight * apart / root / LOSS_SCALE / (2 * tau * volatility) * (model > 1e-12)
        return float(np.sum(weight * 2 * (root - 1))), np.sum(by_parameter * pull, axis=1) * unit

    def held(x: FloatArray) -> FloatArray:
        a, b, rho, m, sigma = _inside(x * unit)
        parts = [_durrleman(at, a, b, rho, m, sigma) - MARGIN]
        parts.append(np.array([MAX_SLOPE - b * (1 - rho), MAX_SLOPE - b * (1 + rho)]))
        if lower is not None:
            parts.append((total_variance(at, a, b, rho, m, sigma) - lower) / scale - MARGIN)
            parts.append(np.array([b * (1 + sign * rho) / was - 1 - MARGIN for sign, was in steep]))
        return np.concatenate(parts)

    def held_by_parameter(x: FloatArray) -> FloatArray:
        a, b, rho, m, sigma = _inside(x * unit)
        w, _, _, by_parameter, _, _ = found = _derivatives(at, a, b, rho, m, sigma)
        slopes = {sign: np.array([0.0, 1 + sign * rho, sign * b, 0.0, 0.0]) for sign in (-1, 1)}
        parts = [_durrleman_derivative(at, found) * (w > 0)]
        parts.append(np.stack([-slopes[sign] for sign in (-1, 1)], axis=1))
        if lower is not None:
            parts.append(by_parameter / scale)
            parts.extend((slopes[sign] / was)[:, None] for sign, was in steep)
        derivative: FloatArray = np.concatenate(parts, axis=1).transpose() * unit
        return derivative

    bounds = ((-50.0, 50.0), (1e-4, 500.0), (-0.99, 0.99), (-500.0, 500.0), (0.02, 500.0))
    first = np.clip(start / unit, *np.transpose(bounds))
    done = minimize(
        loss,
        first,
        jac=True,
        method="SLSQP",
        bounds=bounds,
        constraints={"type": "ineq", "fun": held, "jac": held_by_parameter},
        options={"maxiter": SEARCH},
    )
    found: FloatArray = np.array(_inside(np.where(np.isfinite(done.x), done.x, first) * unit))
    return found


def _derivatives(k: FloatArray, a: float, b: float, rho: float, m: float, sigma: float) -> tuple[FloatArray, ...]:
    """Total variance with its first and second derivative in `k`, shape (n,), and those three by a, b, rho, m, sigma.

    The latter of shape (5, n).
    """
    moved = k - m
    square = np.square(moved) + sigma * sigma
    root = np.sqrt(square)
    cube = square * root
    none, one, share = np.zeros(k.shape), np.ones(k.shape), moved / root
    level = np.stack([one, rho * moved + root, b * moved, -b * (rho + share), b * sigma / root])
    first = np.stack([none, rho + share, b * one, -b * sigma * sigma / cube, -b * moved * sigma / cube])
    second = np.stack(
        [
            none,
            sigma * sigma / cube,
            none,
            3 * b * sigma * sigma * moved / (cube * square),
            b * sigma * (2 - 3 * sigma * sigma / square) / cube,
        ]
    )
    return a + b * level[1], b * first[1], b * second[1], level, first, second


def _durrleman_derivative(k: FloatArray, found: tuple[FloatArray, ...]) -> FloatArray:
    """Durrleman's function by the five parameters, shape (5, n); `found` as `_derivatives` has it."""
    w, first, _, by_level, by_first, by_second = found
    safe = np.maximum(w, 1e-12)
    inner = 1 - k * first / (2 * safe)
    of_level = inner * k * first / np.square(safe) + np.square(first / safe) / 4
    of_first = -inner * k / safe - first / 2 * (1 / safe + 0.25)
    derivative: FloatArray = of_level * by_level + of_first * by_first + by_second / 2
    return derivative


def _inside(x: FloatArray) -> tuple[float, float, float, float, float]:
    """Parameters that a slice may have: a search may step outside to look."""
    a, b, rho, m, sigma = (float(value) for value in x)
    return a, max(b, 0.0), min(max(rho, -0.999), 0.999), m, max(sigma, 1e-9)


def _mended(x: FloatArray, start: FloatArray, tau: float, before: Slice | None) -> Slice | None:
    """The slice of `x`, or the first on the way back from it to `start`, that has no arbitrage; None where none has.

    The search looks at a part of the grid; between its points, or where it gave up, it may break a rule.
    """
    for share in np.linspace(1, 0, STEPS_BACK + 1):
        found = Slice(tau, *_inside(share * x + (1 - share) * start))
        if butterfly_excess(found) <= 0 and (before is None or calendar_excess(before, found) <= SLACK):
            return found
    return None


def _fallback(quotes: Points, tau: float, before: Slice | None) -> Slice:
    """A flat smile at the median volatility; after another expiry its smile, lifted to that level where it is lower."""
    if before is None:
        level = float(np.median(quotes.volatility)) if len(quotes.k) else math.nan
        if not level > 0:
            raise PricingError("no quote can be used, and there is no expiry before to go by; one of the two is needed")
        return Slice(tau, level * level * tau, 0.0, 0.0, 0.0, 1.0)
    money = float(before.variance(0.0))
    wanted = float(np.median(np.square(quotes.volatility))) * tau if len(quotes.k) else money / before.tau * tau
    lift = max(wanted - money, 0.0)
    # raised, a slice is free of calendar arbitrage by construction; of butterflies from some height on
    while True:
        found = Slice(tau, before.a + lift, before.b, before.rho, before.m, before.sigma)
        if butterfly_excess(found) <= 0:
            return found
        lift = max(lift * LIFT, money / 10)


# ------------------------------------------------------------------------------------------------------------ surface


@dataclass(frozen=True, slots=True)
class ImpliedSurface:
    """Slices by time to expiry, rising, none under the one before; what lies between: the head of this module."""

    slices: tuple[Slice, ...]

    def __post_init__(self) -> None:
        if not self.slices or any(near.tau >= far.tau for near, far in pairwise(self.slices)):
            raise PricingError("slices whose times rise are needed, one at least")

    def variance(self, k: npt.ArrayLike, tau: float) -> FloatArray:
        """Total variance at log-moneyness `k`, its shape, `tau` years ahead.

        Raises
        ------
        PricingError
            `tau` is not above 0.
        """
        parts, lift = self._mixture(tau)
        mixed = sum((share * part.variance(k) for share, part in parts), start=np.zeros(np.shape(k)))
        found: FloatArray = mixed + lift
        return found

    def _mixture(self, tau: float) -> tuple[tuple[tuple[float, Slice], ...], float]:
        """Shares of slices that total variance at a time is made of, and what is added to it.

        Raises
        ------
        PricingError
            The time is not above 0.
        """
        if not 0 < tau < math.inf:
            raise PricingError(f"time {tau} years; above 0 is right")
        first, last = self.slices[0], self.slices[-1]
        if tau <= first.tau:
            return ((tau / first.tau, first),), 0.0
        for near, far in pairwise(self.slices):
            if tau <= far.tau:
                share = (tau - near.tau) / (far.tau - near.tau)
                return ((1 - share, near), (share, far)), 0.0
        return ((1.0, last),), float(last.variance(0.0)) * (tau / last.tau - 1)

    def durrleman(self, k: npt.ArrayLike, tau: float) -> FloatArray:
        """g(k) of the smile at a time, between expiries too: where negative, some butterfly has a negative price.

        Raises
        ------
        PricingError
            `tau` is not above 0.
        """
        at = np.asarray(k, dtype=np.float64)
        parts, lift = self._mixture(tau)
        mixed = [np.full(at.shape, lift), np.zeros(at.shape), np.zeros(at.shape)]
        for share, part in parts:
            own = _derivatives(at, part.a, part.b, part.rho, part.m, part.sigma)
            mixed = [whole + share * value for whole, value in zip(mixed, own[:3], strict=True)]
        return _g(at, *mixed)

    def butterfly_excess(self, tau: float) -> float:
        """By how much the smile at a time has butterfly arbitrage, on the grid of `Slice.grid`; 0 for not at all."""
        at = _grid(float(self.variance(0.0, tau)))
        return max(-float(np.min(self.durrleman(at, tau))), 0.0)

    def volatility(self, k: npt.ArrayLike, tau: float) -> FloatArray:
        """Implied volatility at log-moneyness `k` [1 a year], its shape; `k` moves with the forward."""
        found: FloatArray = np.sqrt(np.maximum(self.variance(k, tau), 0.0) / tau)
        return found

    @property
    def excess(self) -> float:
        """The largest violation of what is held, butterflies and calendars; 0 but for rounding."""
        apart = [calendar_excess(near, far) for near, far in pairwise(self.slices)]
        return max(*(butterfly_excess(found) for found in self.slices), *apart, 0.0)


def fit(expiries: Sequence[tuple[float, Points]]) -> tuple[ImpliedSurface, tuple[Fitted, ...]]:
    """A surface through the quotes of several expiries, each held over the one before.

    Parameters
    ----------
    expiries
        Time to expiry [years] and quotes, times rising.

    Raises
    ------
    PricingError
        No expiry, times that do not rise, or a first expiry without a usable quote.
    """
    done: list[Fitted] = []
    for tau, quotes in expiries:
        done.append(fit_slice(quotes, tau, done[-1].slice if done else None))
    return ImpliedSurface(tuple(found.slice for found in done)), tuple(done)

"""The implied surface: raw SVI for each expiry, no butterfly and no calendar arbitrage, and what lies between expiries.

    w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)),   k = ln(K / F),   implied volatility = sqrt(w / T)

(J. Gatheral, The Volatility Surface, 2006; J. Gatheral, A. Jacquier, Arbitrage-free SVI volatility surfaces,
Quantitative Finance 14, 2014.) A slice has no butterfly arbitrage where Durrleman's function

    g(k) = (1 - k w' / (2 w))^2 - w'^2 / 4 (1 / w + 1 / 4) + w'' / 2

is not negative, and two slices no calendar arbitrage where total variance at equal moneyness does not fall with time.
Both are held on `GRID`, from a tenth of the forward to ten times it, and in the wings beyond it by the slopes: none
over 2 (R. Lee, The moment formula for implied volatility at extreme strikes, Mathematical Finance 14, 2004), none under
that of the expiry before.

*Between expiries* total variance at equal moneyness is linear in time; before the first volatility is the first's,
after the last the last's. *Sticky moneyness*: a smile is kept as a function of K / F and moves with the forward. The
lanes of a report do otherwise, on purpose: there each instrument keeps its volatility while the price moves (sticky
strike), and the turn of the smile is charged beside (`plimsoll.risk.arrays`).

A fit is the search of a library and ends where its machine ends: close to, not equal with, another machine's. So it
prices what nobody quotes, for the back-tests and for people; it is not on the path of a report (`docs/REPLAY.md`), and
`plimsoll.risk.engine` does not import it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from plimsoll.market.bars import FloatArray
from plimsoll.risk import black
from plimsoll.risk.errors import PricingError

Bools = npt.NDArray[np.bool_]

GRID: Final = np.linspace(-math.log(10), math.log(10), 461)  # every 1 % of log-moneyness
LEAST_QUOTES: Final = 5  # as many as a slice has parameters
MAX_SLOPE: Final = 2.0
LOSS_SCALE: Final = 0.01  # [volatility] errors beyond it count by their size, not by their square
SLACK: Final = 1e-9  # of g and of total variance: what floats may hide
PENALTIES: Final = (30.0, 1_000.0)  # weights of what is violated, one fit after the other
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

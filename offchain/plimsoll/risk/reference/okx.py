"""How OKX puts the charges of a risk unit together.

    MMR = max(max(MR1, MR2, MR6) + MR3 + MR4 + MR5, MR7)         IMR = 1.3 MMR

    MR1  spot shock: BTC and ETH 0, +-4, +-8, +-12 %      MR4  basis
    MR2  theta decay                                      MR5  interest rate
    MR3  vega term structure                              MR6  extreme move: BTC and ETH +-24 %
    MR7  minimum charge: of the raw charge, what lies in a tier times the tier's multiplier

OKX, portfolio margin mode; parameters of January 2025; scaling of the minimum charge by tiers, December 2021.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from plimsoll.risk.reference.portfolio import Portfolio, PortfolioError

Tiers = tuple[tuple[float, float], ...]

SPOT_SHOCKS: Final = (0.0, 0.04, -0.04, 0.08, -0.08, 0.12, -0.12)
EXTREME: Final = (0.24, -0.24)
TIERS: Final[Tiers] = (  # (up to [USD], multiplier), BTC and ETH
    (250_000.0, 1.0),
    (500_000.0, 2.0),
    (1_000_000.0, 4.0),
    (2_000_000.0, 6.0),
    (3_000_000.0, 8.0),
    (4_000_000.0, 10.0),
    (math.inf, 12.0),
)
INITIAL: Final = 1.3


def minimum(raw: float, tiers: Tiers = TIERS) -> float:
    """MR7 of a raw minimum charge [USD]: each tier's share of it times the tier's multiplier.

    Raises
    ------
    PortfolioError
        The charge is negative or NaN.
    """
    if not raw >= 0:
        raise PortfolioError(f"raw minimum charge {raw}; 0 or more is right")
    ends = (0.0, *(end for end, _ in tiers))
    return math.fsum(
        times * (min(raw, high) - low)
        for (low, high), (_, times) in zip(pairwise(ends), tiers, strict=True)
        if raw > low
    )


@dataclass(frozen=True, slots=True)
class Charges:
    """The charges of one risk unit [USD], as their docstring above; `raw` is MR7 before its tiers."""

    mr1: float = 0.0
    mr2: float = 0.0
    mr3: float = 0.0
    mr4: float = 0.0
    mr5: float = 0.0
    mr6: float = 0.0
    raw: float = 0.0

    def mmr(self, tiers: Tiers = TIERS) -> float:
        """The maintenance requirement."""
        return max(max(self.mr1, self.mr2, self.mr6) + self.mr3 + self.mr4 + self.mr5, minimum(self.raw, tiers))

    def imr(self, tiers: Tiers = TIERS) -> float:
        """The initial requirement."""
        return INITIAL * self.mmr(tiers)


def shocked(portfolio: Portfolio, moves: tuple[float, ...], volatility: tuple[float, ...] = (0.0,)) -> float:
    """Worst loss, 0 or more, over moves of price and, relative, of volatility.

    MR1 with `SPOT_SHOCKS`, MR6 with `EXTREME`.
    """
    if not portfolio.positions:
        return 0.0
    at = np.repeat(np.array(moves), len(volatility))
    factors = np.tile(1 + np.array(volatility), len(moves))
    change = portfolio.prices(at, portfolio.volatilities[:, None] * factors) - portfolio.marks[:, None]
    return max(0.0, -float((portfolio.quantities @ change).min()))

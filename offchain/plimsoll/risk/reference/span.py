"""Classic SPAN: sixteen scenarios, losses of one long unit in each, and how they are put together.

    scenario  1 2   3 4    5 6     7 8    9 10    11 12  13 14   15      16
    price     0     +1/3   -1/3    +2/3   -2/3    +1     -1      +2      -2      of the price scan range
    vol       + -   + -    + -     + -    + -     + -    + -     0       0
    cover     1                                                  0.35    0.35

A scenario holds after one look-ahead day. An array is `cover x (value now - value then)`, losses positive; the array of
the short is its negative. The scan risk is the worst of the sixteen sums, 0 or more, and

    requirement = max(short option minimum, scan + spread charges - intercommodity credit) - net option value, floor 0

Here the net option value stays in: the requirement is of equity that counts options (`Requirement`). A future of one
expiry against another is free in the scan, so what is long in one month and short in another pays a spread charge for
each pair; how much of each there is says the composite delta, the mean of the deltas at the seven prices by the weights
of a normal distribution.

Chicago Mercantile Exchange, SPAN margin system overview; L. McMillan, Options as a Strategic Investment, 5th ed., ch.
34; NSE Clearing's daily SPAN files (extremes of twice the range at 35 %).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from plimsoll.market.bars import FloatArray
from plimsoll.risk.reference.portfolio import Portfolio, PortfolioError, Requirement
from plimsoll.spec.instruments import SPOT

_THIRDS: Final = (0, 1, -1, 2, -2, 3, -3)
PRICE: Final = np.array([*np.repeat(_THIRDS, 2) / 3, 2.0, -2.0])  # [price scan range] of the sixteen scenarios
VOLATILITY: Final = np.array([1.0, -1.0] * 7 + [0.0, 0.0])  # [volatility scan range]
EXTREME_COVER: Final = 0.35
COVER: Final = np.array([1.0] * 14 + [EXTREME_COVER] * 2)
WEIGHTS: Final[Mapping[int, float]] = {0: 0.270, 1: 0.217, -1: 0.217, 2: 0.111, -2: 0.111, 3: 0.037, -3: 0.037}
DELTA_BUMP: Final = 1e-3
DAY: Final = 1 / 365  # [years]


def linear_array(scan: float, carry: float = 0.0) -> FloatArray:
    """Array of one long future, shape (16,), losses positive.

    Parameters
    ----------
    scan
        What the future loses where spot falls by the price scan range.
    carry
        What it loses in the look-ahead day where spot stands still.
    """
    found: FloatArray = COVER * (carry - PRICE * scan)
    return found


def scan_risk(arrays: npt.ArrayLike, quantities: npt.ArrayLike) -> float:
    """Worst loss of a book over the scenarios, 0 or more.

    Parameters
    ----------
    arrays
        Losses of one long unit, shape (n, s).
    quantities
        Long positive, shape (n,).
    """
    losses = np.asarray(quantities, dtype=np.float64) @ np.asarray(arrays, dtype=np.float64)
    return max(0.0, float(np.max(losses)))


def composite_delta(deltas: Mapping[int, float]) -> float:
    """Mean of the deltas at 0, +-1/3, +-2/3 and +-1 of the price scan range, by key in thirds.

    Raises
    ------
    PortfolioError
        Not the seven of them.
    """
    if set(deltas) != set(WEIGHTS):
        raise PortfolioError(f"deltas at {sorted(deltas)} thirds; {sorted(WEIGHTS)} is right")
    return math.fsum(WEIGHTS[third] * delta for third, delta in deltas.items())


def assembly(
    scan: float, spreads: float = 0.0, credit: float = 0.0, short: float = 0.0, option_value: float = 0.0
) -> float:
    """The requirement of cash: max(short minimum, scan + spreads - credit) - net option value, 0 or more."""
    return max(0.0, max(short, scan + spreads - credit) - option_value)


@dataclass(frozen=True, slots=True)
class SpanConfig:
    """Parameters, as shares of spot unless said otherwise. An exchange sets them for each product.

    Parameters
    ----------
    scan
        Price scan range; by name of the portfolio in `scans` where it is there.
    volatility
        Volatility scan range, relative.
    spread
        Charge for a unit long in one expiry against one short in another.
    short
        Short option minimum.
    credit
        Intercommodity credit: share of the scan risk that a pair of underlyings gets back for the deltas that stand
        against each other.
    initial
        IM over MM.
    """

    scan: float = 0.15
    scans: Mapping[str, float] | None = None
    volatility: float = 0.25
    spread: float = 0.01
    short: float = 0.01
    credit: float = 0.0
    initial: float = 1.10

    def __post_init__(self) -> None:
        for value in (self.scan, *(self.scans or {}).values()):
            if not 0 < value <= 1:
                raise PortfolioError(f"price scan range {value}; above 0, at most 1 is right")
        for name, high in (("volatility", 1.0), ("spread", 1.0), ("short", 1.0), ("credit", 1.0)):
            if not 0 <= getattr(self, name) <= high:
                raise PortfolioError(f"{name} {getattr(self, name)}; 0 .. {high} is right")
        if not self.initial >= 1:
            raise PortfolioError(f"initial {self.initial}; 1 or more is right")


class ClassicSpan:
    """Classic SPAN over any number of underlyings."""

    name = "classic SPAN"

    def __init__(self, config: SpanConfig | None = None) -> None:
        self.config = config or SpanConfig()

    def range_of(self, portfolio: Portfolio) -> float:
        """Price scan range of an underlying, a share of spot."""
        return (self.config.scans or {}).get(portfolio.name, self.config.scan)

    def arrays(self, portfolio: Portfolio) -> FloatArray:
        """Losses of one long unit of each position, shape (n, 16)."""
        vols = portfolio.volatilities[:, None] * (1 + self.config.volatility * VOLATILITY)
        then = portfolio.prices(PRICE * self.range_of(portfolio), vols, DAY)
        found: FloatArray = COVER * (portfolio.marks[:, None] - then)
        return found

    def deltas(self, portfolio: Portfolio) -> FloatArray:
        """Composite delta of one unit of each position, shape (n,), in units of spot."""
        thirds = np.array(sorted(WEIGHTS))
        at = thirds / 3 * self.range_of(portfolio)
        up, down = portfolio.prices(at + DELTA_BUMP), portfolio.prices(at - DELTA_BUMP)
        slopes = (up - down) / (2 * DELTA_BUMP * portfolio.spot)
        return np.array([composite_delta(dict(zip(thirds.tolist(), row, strict=True))) for row in slopes.tolist()])

    def _spreads(self, portfolio: Portfolio, deltas: FloatArray) -> float:
        """Charge for the deltas of one expiry that stand against those of another; a perpetual is an expiry."""
        net: dict[int, float] = {}
        for position, delta in zip(portfolio.positions, deltas.tolist(), strict=True):
            if position.kind != SPOT:
                net[position.expiry] = net.get(position.expiry, 0.0) + position.quantity * delta
        long = math.fsum(value for value in net.values() if value > 0)
        short = -math.fsum(value for value in net.values() if value < 0)
        return min(long, short) * self.config.spread * portfolio.spot

    def requirement(self, portfolios: Sequence[Portfolio]) -> Requirement:
        """MM as assembled above, of equity; IM is `initial` times MM."""
        config = self.config
        scans, deltas, spreads, shorts = [], [], 0.0, 0.0
        for portfolio in portfolios:
            scans.append(scan_risk(self.arrays(portfolio), portfolio.quantities) if portfolio.positions else 0.0)
            found = self.deltas(portfolio)
            deltas.append(float(portfolio.quantities @ found))
            spreads += self._spreads(portfolio, found)
            written = -portfolio.quantities[portfolio.option & (portfolio.quantities < 0)]
            shorts += float(written.sum()) * config.short * portfolio.spot
        credit = config.credit * _offset(portfolios, scans, deltas)
        mm = assembly(sum(scans), spreads, credit, shorts)
        value = math.fsum(portfolio.option_value for portfolio in portfolios)
        parts = {"scan": sum(scans), "spreads": spreads, "credit": 0.0 - credit, "short minimum": shorts}
        return Requirement(config.initial * mm, mm, value, parts)


def _offset(portfolios: Sequence[Portfolio], scans: Sequence[float], deltas: Sequence[float]) -> float:
    """Scan risk of the deltas, in money, that stand against each other over the underlyings; both legs of it."""
    money = [delta * portfolio.spot for portfolio, delta in zip(portfolios, deltas, strict=True)]
    long, short = math.fsum(m for m in money if m > 0), -math.fsum(m for m in money if m < 0)
    matched = min(long, short)
    if matched <= 0:
        return 0.0
    sides = ((m, scan, long if m > 0 else short) for m, scan in zip(money, scans, strict=True) if m)
    return math.fsum(scan * matched / side for _, scan, side in sides)

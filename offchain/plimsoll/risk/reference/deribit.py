"""Deribit's portfolio margin as a matrix, and its rule for options that stand alone.

The matrix: nine even price moves from one edge of the range to the other, each with volatility up, as it is and down by
(30 / max(days, 1))^.30 x 38 % of itself; beside it moves far out with volatility up, of whose result only a share
counts. MM is the worst loss plus contingencies: 1 % of the index for every option that is short on balance at its
strike, and for every contract that is long in one expiry against one short in another. IM is 1.3 times MM.

Alone, in coin, with U the index and OTM how far out of the money:

    short call   IM = max(.15 - OTM / U, .10) + mark     MM = .075 + mark
    short put    IM = max(max(.15 - OTM / U, .10) + mark, MM)     MM = max(.075, .075 mark) + mark

Deribit, portfolio margin and options margin pages; ranges change with the market, so the ones here are an example. The
exchange says that the far moves are damped, not how: here a linear position loses as much there as at the edge. IM over
MM is taken from OKX, as Deribit's own was not to be had.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from plimsoll.market.bars import FloatArray
from plimsoll.risk.reference.portfolio import Portfolio, PortfolioError, Requirement, total
from plimsoll.spec.instruments import SPOT

STEPS: Final = 9
FAR: Final = (-0.66, -0.33, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0)
MONTH: Final = 30  # [days]


def shock(days: float, power: float = 0.30, size: float = 0.38) -> float:
    """Relative move of an implied volatility, `days` from the expiry: size (30 / max(days, 1))^power.

    In 2018 the power was 0.5 and the size 40 %.
    """
    found: float = size * (MONTH / max(days, 1.0)) ** power
    return found


def short_call(mark: float, strike: float, index: float) -> tuple[float, float]:
    """IM and MM of one short call that stands alone; `mark` and answer in coin, `strike` and `index` in money."""
    return _initial(strike - index, index) + mark, 0.075 + mark


def short_put(mark: float, strike: float, index: float) -> tuple[float, float]:
    """IM and MM of one short put that stands alone, as `short_call`."""
    kept = max(0.075, 0.075 * mark) + mark
    return max(_initial(index - strike, index) + mark, kept), kept


def _initial(out: float, index: float) -> float:
    if not index > 0:
        raise PortfolioError(f"index {index}; a positive price is right")
    return max(0.15 - max(out, 0.0) / index, 0.10)


@dataclass(frozen=True, slots=True)
class MatrixConfig:
    """Parameters.

    Parameters
    ----------
    price
        Edge of the price range.
    size, power
        Volatility move at 30 days, relative, and how it grows with nearness.
    far
        Moves beyond the range, with volatility up.
    option, spread
        Contingencies, shares of the index.
    initial
        IM over MM.
    """

    price: float = 0.16
    size: float = 0.38
    power: float = 0.30
    far: tuple[float, ...] = FAR
    option: float = 0.01
    spread: float = 0.01
    initial: float = 1.3

    def __post_init__(self) -> None:
        if not 0 < self.price < 1:
            raise PortfolioError(f"price range {self.price}; above 0 and below 1 is right")
        if any(not abs(move) > self.price for move in self.far):
            raise PortfolioError(f"far moves {self.far}; beyond the range of {self.price} is right")


class DeribitMatrix:
    """The matrix. Underlyings do not offset each other."""

    name = "Deribit-style matrix"

    def __init__(self, config: MatrixConfig | None = None) -> None:
        self.config = config or MatrixConfig()

    @property
    def moves(self) -> FloatArray:
        """The nine price moves, shape (9,)."""
        return np.linspace(-self.config.price, self.config.price, STEPS)

    def profits(self, portfolio: Portfolio) -> FloatArray:
        """Profit or loss in the 27 fields of the matrix, up, same, down for each move, and then far out, damped."""
        config = self.config
        moves = np.concatenate((np.repeat(self.moves, 3), np.array(config.far)))
        damps = np.concatenate((np.ones(3 * STEPS), config.price / np.abs(np.array(config.far))))
        signs = np.concatenate((np.tile([1.0, 0.0, -1.0], STEPS), np.ones(len(config.far))))
        sizes = np.array(
            [
                shock(portfolio.days(p.expiry), config.power, config.size) if p.is_option else 0.0
                for p in portfolio.positions
            ]
        )
        vols = portfolio.volatilities[:, None] * np.maximum(1 + sizes[:, None] * signs, 0.0)
        change = portfolio.prices(moves, vols) - portfolio.marks[:, None]
        found: FloatArray = damps * (portfolio.quantities @ change)
        return found

    def contingency(self, portfolio: Portfolio) -> float:
        """What is short at its strike, and what stands long against short over expiries."""
        at_strike: dict[tuple[int, float], float] = {}
        by_expiry: dict[int, float] = {}
        for position in portfolio.positions:
            if position.is_option:
                key = position.expiry, position.strike
                at_strike[key] = at_strike.get(key, 0.0) + position.quantity
            elif position.kind != SPOT:
                by_expiry[position.expiry] = by_expiry.get(position.expiry, 0.0) + position.quantity
        short = -math.fsum(min(net, 0.0) for net in at_strike.values())
        against = min(
            math.fsum(max(q, 0.0) for q in by_expiry.values()), -math.fsum(min(q, 0.0) for q in by_expiry.values())
        )
        return portfolio.spot * (self.config.option * short + self.config.spread * against)

    def _requirement(self, portfolio: Portfolio) -> Requirement:
        if not portfolio.positions:
            return Requirement(0.0, 0.0)
        worst = max(0.0, -float(self.profits(portfolio).min()))
        contingency = self.contingency(portfolio)
        mm = worst + contingency
        parts = {"matrix": worst, "contingency": contingency}
        return Requirement(self.config.initial * mm, mm, portfolio.option_value, parts)

    def requirement(self, portfolios: Sequence[Portfolio]) -> Requirement:
        """IM and MM of equity, underlyings added."""
        return total([self._requirement(portfolio) for portfolio in portfolios])

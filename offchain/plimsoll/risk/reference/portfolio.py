"""What the reference models look at, and what they answer.

A `Portfolio` holds the positions on one underlying and the market they stand in; a book on several underlyings is
several portfolios. Every model asks for so much *equity*: cash and the marks of all positions, options included. Rules
that ask for cash instead, as SPAN's, say the same less the net option value: `Requirement.of_cash`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from plimsoll.market.bars import YEAR, FloatArray
from plimsoll.risk import black
from plimsoll.risk.errors import RiskError
from plimsoll.spec.instruments import CALL, FUTURE, KINDS, PERP, PUT, SPOT

OPTIONS: Final = frozenset({CALL, PUT})
UNDATED: Final = frozenset({PERP, SPOT})


class PortfolioError(RiskError):
    """A portfolio, or a parameter of a reference model, that no margin is defined for."""


@dataclass(frozen=True, slots=True)
class Position:
    """A position.

    Parameters
    ----------
    kind
        PERP, FUTURE, CALL, PUT or SPOT of `plimsoll.spec.instruments`.
    quantity
        Contracts on one unit of the underlying, long positive.
    expiry
        [unix s]; 0 for PERP and SPOT.
    strike
        Of an option [quote currency].
    volatility
        Implied, of an option [1 a year].
    """

    kind: int
    quantity: float
    expiry: int = 0
    strike: float = 0.0
    volatility: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise PortfolioError(f"kind {self.kind}; one of {KINDS} is right")
        if not math.isfinite(self.quantity):
            raise PortfolioError(f"quantity {self.quantity}; a finite number is right")
        if (self.expiry == 0) != (self.kind in UNDATED):
            raise PortfolioError(f"{self}: expiry 0 is right for perpetuals and spot, and for them only")
        if self.is_option:
            for name in ("strike", "volatility"):
                value = getattr(self, name)
                if not (math.isfinite(value) and value > 0):
                    raise PortfolioError(f"{self}: {name} {value}; above 0 is right for options")

    @property
    def is_option(self) -> bool:
        """Whether it is a call or a put."""
        return self.kind in OPTIONS


@dataclass(frozen=True)
class Portfolio:
    """Positions on one underlying, and its market.

    Parameters
    ----------
    time
        Now [unix s].
    spot
        Index price [quote currency].
    positions
        What is held.
    forwards
        Expiry -> forward [quote currency]; spot where missing.
    rates
        Expiry -> interest rate, continuous [1 a year], that options are discounted at; 0 where missing.
    perp
        Mark of the perpetual [quote currency]; spot where None.
    cash
        Cash, with what perpetuals and futures have earned and not settled [quote currency].
    name
        For people.
    """

    time: int
    spot: float
    positions: tuple[Position, ...]
    forwards: Mapping[int, float] = field(default_factory=dict)
    rates: Mapping[int, float] = field(default_factory=dict)
    perp: float | None = None
    cash: float = 0.0
    name: str = ""

    def __post_init__(self) -> None:
        prices = {"spot": self.spot, "perp": self.perp_price, **{f"forward {k}": v for k, v in self.forwards.items()}}
        for what, price in prices.items():
            if not (math.isfinite(price) and price > 0):
                raise PortfolioError(f"{self.name or 'portfolio'}: {what} {price}; a positive price is right")
        if not (math.isfinite(self.cash) and all(map(math.isfinite, self.rates.values()))):
            raise PortfolioError(f"{self.name or 'portfolio'}: cash or a rate is not finite")
        for position in self.positions:
            if position.expiry and position.expiry <= self.time:
                raise PortfolioError(f"{position} expired by {self.time}")

    @property
    def perp_price(self) -> float:
        """Mark of the perpetual."""
        return self.spot if self.perp is None else self.perp

    def forward(self, expiry: int) -> float:
        """Forward of an expiry."""
        return self.forwards.get(expiry, self.spot)

    def tau(self, expiry: int) -> float:
        """Time to an expiry [years of 365 days]."""
        return (expiry - self.time) / YEAR

    def days(self, expiry: int) -> float:
        """Time to an expiry [days]."""
        return self.tau(expiry) * 365

    @property
    def expiries(self) -> tuple[int, ...]:
        """Expiries of what is held, rising."""
        return tuple(sorted({position.expiry for position in self.positions if position.expiry}))

    @cached_property
    def quantities(self) -> FloatArray:
        """Shape (n,), n positions."""
        return np.array([position.quantity for position in self.positions], dtype=np.float64)

    @cached_property
    def option(self) -> npt.NDArray[np.bool_]:
        """Which positions are options, shape (n,)."""
        return np.array([position.is_option for position in self.positions], dtype=np.bool_)

    @cached_property
    def volatilities(self) -> FloatArray:
        """Implied volatilities, shape (n,); 0 where a position has none."""
        return np.array([position.volatility for position in self.positions], dtype=np.float64)

    def prices(
        self, moves: npt.ArrayLike = 0.0, volatility: npt.ArrayLike | None = None, later: float = 0.0
    ) -> FloatArray:
        """Price of one unit of each position where spot, and every forward with it, has moved.

        Parameters
        ----------
        moves
            Relative moves of spot, shape (s,) or a number; a price stops at zero.
        volatility
            Of the options [1 a year], shape (n, s) or (n, 1); as they are where None. Other rows are not read.
        later
            Time that passes [years]: expiries come nearer, and the carry of a forward shrinks with it.

        Returns
        -------
        numpy.ndarray
            Shape (n, s).
        """
        moved = np.maximum(1 + np.atleast_1d(np.asarray(moves, dtype=np.float64)), 0.0)
        given = self.volatilities[:, None] if volatility is None else np.asarray(volatility, dtype=np.float64)
        vols = np.broadcast_to(given, (len(self.positions), len(moved)))
        found = np.empty(vols.shape)
        for i, position in enumerate(self.positions):
            if position.kind in UNDATED:
                found[i] = moved * (self.spot if position.kind == SPOT else self.perp_price)
                continue
            tau = self.tau(position.expiry)
            left = max(tau - later, 0.0)
            forward = moved * self.spot * (self.forward(position.expiry) / self.spot) ** (left / tau)
            if position.kind == FUTURE:
                found[i] = forward
                continue
            value = black.price(position.kind == CALL, forward, position.strike, vols[i], left)
            found[i] = value * math.exp(-self.rates.get(position.expiry, 0.0) * left)
        return found

    @cached_property
    def marks(self) -> FloatArray:
        """Price of one unit of each position now, shape (n,)."""
        return self.prices()[:, 0]

    @property
    def option_value(self) -> float:
        """Net value of the options."""
        return float(self.quantities[self.option] @ self.marks[self.option])

    @property
    def value(self) -> float:
        """Equity: cash, options and spot; perpetuals and futures are settled in `cash`."""
        owned = self.option | np.array([position.kind == SPOT for position in self.positions], dtype=np.bool_)
        return self.cash + float(self.quantities[owned] @ self.marks[owned])


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a model asks for: equity to open positions (`im`) and to keep them (`mm`) [quote currency].

    `option_value` is the net value of the options that equity counts; `parts` what the sum is made of.
    """

    im: float
    mm: float
    option_value: float = 0.0
    parts: Mapping[str, float] = field(default_factory=dict)

    @property
    def of_cash(self) -> tuple[float, float]:
        """IM and MM as a venue says it that counts no options: less the net option value, 0 or more."""
        return max(0.0, self.im - self.option_value), max(0.0, self.mm - self.option_value)


class ReferenceModel(Protocol):
    """A rule of another venue."""

    @property
    def name(self) -> str:
        """What people call it."""

    def requirement(self, portfolios: Sequence[Portfolio]) -> Requirement:
        """The requirement of one account, a portfolio an underlying."""


def total(parts: Sequence[Requirement]) -> Requirement:
    """Requirements of several underlyings that a rule does not offset."""
    names = dict.fromkeys(name for part in parts for name in part.parts)
    return Requirement(
        sum(part.im for part in parts),
        sum(part.mm for part in parts),
        sum(part.option_value for part in parts),
        {name: sum(part.parts.get(name, 0.0) for part in parts) for name in names},
    )

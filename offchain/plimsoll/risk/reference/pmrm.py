"""PMRM2, the portfolio rule that Derive computes on chain: 33 scenarios of Black-76.

    pnl(s)  = damp (sum over linear and spot q P (k - 1) + sum over expiries (discount V(k, vol) - V))
    vol     up 1 + up (30 / max(days, 1))^p, down max(0, 1 - down (30 / max(days, 1))^p), p = .3 to 30 days, .13 beyond;
            a volatility that was shocked up is at least `least`
    discount of an expiry's shocked value: V >= 0: long exp(-T (m r + a)); V < 0: min(1 / df, short exp(T (m r + a)))
    skew    = vol (1 + bounded(c x / k*)) with x = ln(K / F), or its size; the loss of each expiry, whichever side wins
    basis   = sum over expiries min(V(+4.5 %) - V, V(-4.5 %) - V, 0) (.5 + 2 T)
    M       = min(scenarios, basis) f + value - MM contingency (- IM contingency)          equity left over, 0 or more

so equity needed is contingencies - f min(scenarios, basis), f 1.0 for IM and 0.8 for MM. Contingencies, of notional:
perpetuals 1.5 % (+ .5 % for IM), options short and not covered at their strike .3 % (+ .2 % for IM).

Derive, PMRM 2 risk manager and its published portfolio cases. Where prices settle by an average, the contract moves
only the part of the forward that is not averaged yet; and it charges for feeds it does not trust and for stablecoins
off their peg: not here. A dated future, which Derive does not list, is taken as a perpetual at its forward.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from plimsoll.market.bars import FloatArray
from plimsoll.risk.reference.portfolio import Portfolio, PortfolioError, Requirement, total
from plimsoll.spec.instruments import FUTURE, PERP

Shift = Literal["up", "flat", "down", "linear", "size"]

GRID: Final = (0.135, 0.09, 0.045, 0.0, -0.045, -0.09, -0.135)
EDGE: Final = (0.18, -0.18)
TAILS: Final = (-0.66, -0.33, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0)
TAIL_WEIGHT: Final = 0.1386  # damp x |move| of every tail: .21, .42, .2772, .1386, .0693, .0462, .03465, .02772
BASIS: Final = (0.045, -0.045)
MONTH: Final = 30  # [days]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A move of spot, what happens to volatilities, and the share of the profit or loss that counts."""

    move: float
    shift: Shift
    damp: float = 1.0


def scenarios(weight: float = TAIL_WEIGHT, tails: Sequence[float] = TAILS) -> tuple[Scenario, ...]:
    """The scenarios: 2 at the edge, 21 of the grid, the tails and 2 of the skew; 33 with all tails.

    Parameters
    ----------
    weight
        Damp x |move| of every tail.
    tails
        Moves of the tails.
    """
    shifts: tuple[Shift, ...] = ("up", "flat", "down")
    return (
        *(Scenario(move, "up") for move in EDGE),
        *(Scenario(move, shift) for move in GRID for shift in shifts),
        *(Scenario(move, "up", weight / abs(move)) for move in tails),
        Scenario(0.0, "linear"),
        Scenario(0.0, "size"),
    )


@dataclass(frozen=True, slots=True)
class PmrmConfig:
    """Parameters, as the venue publishes them unless said otherwise.

    Parameters
    ----------
    scenarios
        As above.
    up, down, short_power, long_power
        Volatility shifts, relative, and how they grow with nearness to and beyond 30 days.
    least
        Floor of a volatility that was shocked up [1 a year].
    long, short
        Static discounts of positive and negative values.
    long_rate, short_rate, add
        m and a of the rates they are compounded at.
    skew_cap, skew_slope, skew_least, skew_width, skew_level, skew_decay
        c = cap + slope sqrt(T); k* = max(least, width sqrt(T) (level + decay sqrt(T))); of the venue's test cases.
    basis_add, basis_times
        Factor of the basis contingency, add + times T.
    perp, perp_initial, option, option_initial
        Contingencies, shares of notional at spot.
    im_factor, mm_factor
        f.
    """

    scenarios: tuple[Scenario, ...] = scenarios()
    up: float = 0.5
    down: float = 0.3
    short_power: float = 0.3
    long_power: float = 0.13
    least: float = 0.45
    long: float = 0.95
    short: float = 1.05
    long_rate: float = 1.0
    short_rate: float = 0.5
    add: float = 0.08
    skew_cap: float = 0.15
    skew_slope: float = -0.05
    skew_least: float = 0.01
    skew_width: float = 4.0
    skew_level: float = 0.6
    skew_decay: float = -0.1
    basis_add: float = 0.5
    basis_times: float = 2.0
    perp: float = 0.015
    perp_initial: float = 0.005
    option: float = 0.003
    option_initial: float = 0.002
    im_factor: float = 1.0
    mm_factor: float = 0.8

    def __post_init__(self) -> None:
        if not self.scenarios:
            raise PortfolioError("no scenario; at least one is needed")
        for name in ("up", "down", "least", "long", "short", "skew_least", "im_factor", "mm_factor"):
            if not getattr(self, name) >= 0:
                raise PortfolioError(f"{name} {getattr(self, name)}; 0 or more is right")


class Pmrm:
    """PMRM2. Underlyings do not offset each other."""

    name = "PMRM2"

    def __init__(self, config: PmrmConfig | None = None) -> None:
        self.config = config or PmrmConfig()

    def shifts(self, days: float) -> tuple[float, float]:
        """Factors of volatility up and down, `days` from the expiry."""
        config = self.config
        power = config.short_power if days <= MONTH else config.long_power
        times = (MONTH / max(days, 1.0)) ** power
        return 1 + config.up * times, max(0.0, 1 - config.down * times)

    def discounts(self, tau: float, rate: float) -> tuple[float, float]:
        """Static discounts of positive and of negative values, `tau` years from the expiry."""
        config = self.config
        long = config.long * math.exp(-tau * (config.long_rate * rate + config.add))
        short = config.short * math.exp(tau * (config.short_rate * rate + config.add))
        return long, min(math.exp(tau * rate), short)

    def skewed(self, portfolio: Portfolio, shift: Shift) -> FloatArray:
        """Volatilities of a skew scenario, shape (n,)."""
        config = self.config
        found = portfolio.volatilities.copy()
        for i, position in enumerate(portfolio.positions):
            if not position.is_option:
                continue
            root = math.sqrt(portfolio.tau(position.expiry))
            cap = config.skew_cap + config.skew_slope * root
            width = config.skew_width * root * (config.skew_level + config.skew_decay * root)
            moneyness = math.log(position.strike / portfolio.forward(position.expiry))
            x = moneyness if shift == "linear" else abs(moneyness)
            turn = min(max(x * cap / max(config.skew_least, width), -cap), cap)
            found[i] *= max(0.0, 1 + turn)
        return found

    def _volatilities(self, portfolio: Portfolio) -> FloatArray:
        """Volatility of each position in each scenario, shape (n, s)."""
        base = portfolio.volatilities
        factors = np.array(
            [self.shifts(portfolio.days(p.expiry)) if p.is_option else (1.0, 1.0) for p in portfolio.positions]
        )
        of: dict[Shift, FloatArray] = {
            "up": np.maximum(base * factors[:, 0], self.config.least),
            "flat": base,
            "down": base * factors[:, 1],
            "linear": self.skewed(portfolio, "linear"),
            "size": self.skewed(portfolio, "size"),
        }
        return np.stack([of[scenario.shift] for scenario in self.config.scenarios], axis=1)

    def profits(self, portfolio: Portfolio) -> FloatArray:
        """Profit or loss of the portfolio in each scenario, damped, shape (s,)."""
        points = self.config.scenarios
        moves = np.array([point.move for point in points])
        damps = np.array([point.damp for point in points])
        turned = np.array([point.shift in {"linear", "size"} for point in points])
        then = portfolio.prices(moves, self._volatilities(portfolio))
        worth = portfolio.quantities[:, None] * then
        change = worth - (portfolio.quantities * portfolio.marks)[:, None]
        found = change[~portfolio.option].sum(axis=0)
        for expiry in portfolio.expiries:
            rows = portfolio.option & np.array([position.expiry == expiry for position in portfolio.positions])
            if not rows.any():
                continue
            now = float(portfolio.quantities[rows] @ portfolio.marks[rows])
            shocked = worth[rows].sum(axis=0)
            long, short = self.discounts(portfolio.tau(expiry), portfolio.rates.get(expiry, 0.0))
            profit = np.where(shocked >= 0, shocked * long, shocked * short) - now
            found = found + np.where(turned, -np.abs(profit), profit)
        result: FloatArray = found * damps
        return result

    def basis(self, portfolio: Portfolio) -> float:
        """The basis contingency, a loss as a negative number."""
        change = portfolio.quantities[:, None] * (portfolio.prices(np.array(BASIS)) - portfolio.marks[:, None])
        found = 0.0
        for expiry in portfolio.expiries:
            rows = portfolio.option & np.array([position.expiry == expiry for position in portfolio.positions])
            worst = min(float(change[rows].sum(axis=0).min()), 0.0)
            found += worst * (self.config.basis_add + self.config.basis_times * portfolio.tau(expiry))
        return found

    def contingencies(self, portfolio: Portfolio) -> tuple[float, float]:
        """Contingency of MM, and what IM adds to it."""
        config = self.config
        at_strike: dict[tuple[int, float], float] = {}
        linear = 0.0
        for position in portfolio.positions:
            if position.is_option:
                key = position.expiry, position.strike
                at_strike[key] = at_strike.get(key, 0.0) + position.quantity
            elif position.kind in {PERP, FUTURE}:
                linear += abs(position.quantity)
        naked = -math.fsum(min(net, 0.0) for net in at_strike.values())
        kept = portfolio.spot * (linear * config.perp + naked * config.option)
        return kept, portfolio.spot * (linear * config.perp_initial + naked * config.option_initial)

    def _requirement(self, portfolio: Portfolio) -> Requirement:
        if not portfolio.positions:
            return Requirement(0.0, 0.0)
        worst = float(self.profits(portfolio).min())
        basis = self.basis(portfolio)
        kept, added = self.contingencies(portfolio)
        least = min(worst, basis)
        return Requirement(
            kept + added - self.config.im_factor * least,
            kept - self.config.mm_factor * least,
            portfolio.option_value,
            {"scenarios": -worst, "basis": -basis, "MM contingency": kept, "IM contingency": added},
        )

    def requirement(self, portfolios: Sequence[Portfolio]) -> Requirement:
        """IM and MM of equity, underlyings added."""
        return total([self._requirement(portfolio) for portfolio in portfolios])


def kept(portfolio: Portfolio, requirement: Requirement) -> tuple[float, float]:
    """M of IM and of MM, equity less what is required: an account may open, and keep, where it is 0 or more."""
    return portfolio.value - requirement.im, portfolio.value - requirement.mm

"""Static margin: rates that nobody changes, position by position, as venues without a portfolio rule have them.

    linear and spot    |net quantity| x spot x rate; what is long in one contract covers what is short in another
    short option       max(rate - OTM / spot, floor) x spot
    long option        its mark: paid in full, it backs nothing else

of equity that counts options; the mark of a short option, which a requirement of cash adds, is in that equity. The
shape of the short option's rule is that of strategy-based margin on listed options (Cboe, Margin Manual) and of
Deribit's standard margin. The default rate is the expected shortfall of one day of ETH at 99 % over 2019 .. 2025.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plimsoll.risk.reference.portfolio import Portfolio, PortfolioError, Requirement, total
from plimsoll.spec.instruments import CALL


@dataclass(frozen=True, slots=True)
class StaticConfig:
    """Parameters: `rate` and `floor` as shares of spot, `initial` IM over MM of all but long options."""

    rate: float = 0.16
    floor: float = 0.10
    initial: float = 1.25

    def __post_init__(self) -> None:
        if not 0 < self.floor <= self.rate <= 1:
            raise PortfolioError(f"floor {self.floor}, rate {self.rate}; above 0, rising, at most 1 is right")
        if not self.initial >= 1:
            raise PortfolioError(f"initial {self.initial}; 1 or more is right")


class Static:
    """Static margin. Nothing offsets but linear contracts on the same underlying."""

    name = "static"

    def __init__(self, config: StaticConfig | None = None) -> None:
        self.config = config or StaticConfig()

    def _requirement(self, portfolio: Portfolio) -> Requirement:
        config = self.config
        linear = written = paid = 0.0
        for position, mark in zip(portfolio.positions, portfolio.marks.tolist(), strict=True):
            if not position.is_option:
                linear += position.quantity
            elif position.quantity > 0:
                paid += position.quantity * mark
            else:
                sign = 1 if position.kind == CALL else -1
                out = max(0.0, sign * (position.strike - portfolio.spot))
                written -= position.quantity * max(config.rate * portfolio.spot - out, config.floor * portfolio.spot)
        linear = abs(linear) * portfolio.spot * config.rate
        parts = {"linear": linear, "short options": written, "long options": paid}
        return Requirement(
            config.initial * (linear + written) + paid, linear + written + paid, portfolio.option_value, parts
        )

    def requirement(self, portfolios: Sequence[Portfolio]) -> Requirement:
        """IM and MM of equity, underlyings added."""
        return total([self._requirement(portfolio) for portfolio in portfolios])

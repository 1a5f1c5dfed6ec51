"""A template of a risk model: the largest move of the last year, times a margin of safety.

Inherit `EwmaFhs` and say in `forecast` what the market may do; bounds, tools against procyclicality, the glide, the IM
factor and what is posted beside come along. Say here what you assume and where it ends:

- a move that is larger than any of the last year by more than `multiple` is not covered;
- needs `needed` returns; a market without a year of history is judged by what there is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from plimsoll.market.bars import DAY, YEAR
from plimsoll.market.portable import exp
from plimsoll.market.snapshot import Market
from plimsoll.risk.errors import ReturnError
from plimsoll.risk.models import EwmaFhs, EwmaFhsConfig
from plimsoll.risk.plain import from_plain
from plimsoll.risk.volatility import Tail, check_returns, historical_tail


@dataclass(frozen=True, slots=True)
class MaxMoveConfig(EwmaFhsConfig):
    """Parameters of `MaxMove`: those of `EwmaFhs`, and the multiple of the largest move that is asked for."""

    multiple: float = 1.1


class MaxMove(EwmaFhs):
    """The scan range is the largest move over the horizon within a year, times a multiple."""

    name = "max-move"
    version = "1"
    config: MaxMoveConfig

    def __init__(self, config: MaxMoveConfig | None = None) -> None:
        super().__init__(config or MaxMoveConfig())

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> MaxMove:
        """The model behind plain parameters, as configurations and archives have them."""
        return cls(from_plain(MaxMoveConfig, parameters, "parameters"))

    def forecast(self, market: Market) -> tuple[float, float, Tail]:
        """Volatility of a day, scan range at today's risk (both fractions), and the tail that stands behind it.

        Only operations whose bits are the same on every machine: elementwise + - * / and sqrt of numpy, math.fsum, and
        exp and log of plimsoll.market.portable.
        """
        history, where = market.history, f"underlying {market.underlying}"
        check_returns(history.returns, self.config.needed, where)
        bars = max(1, round(self.config.horizon / history.interval))
        year = history.logs[-YEAR // history.interval :]
        moves = np.abs(year[bars:] - year[:-bars])
        largest = float(moves.max()) if len(moves) else float(np.abs(history.returns).max())
        if not largest:
            raise ReturnError(f"{where}: its price does not move; no risk can be measured on it")
        squares = math.fsum(np.square(history.returns).tolist()) / len(history.returns)
        sigma = math.sqrt(squares * DAY / history.interval)
        tail = historical_tail(history.returns / math.sqrt(squares), self.config.level)
        return sigma, self.config.multiple * float(exp(largest) - 1), tail

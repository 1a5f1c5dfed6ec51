"""The default's margin on a learned forecast: trees for the markets that have some, HAR for the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from plimsoll.market.bars import FloatArray
from plimsoll.market.snapshot import Market
from plimsoll.risk.har import calmed, volatility_of
from plimsoll.risk.learned import LearnedModel, learned_log_volatility
from plimsoll.risk.models import HarFhs, HarFhsConfig
from plimsoll.risk.plain import from_plain, to_plain


@dataclass(frozen=True, slots=True)
class LearnedFhsConfig(HarFhsConfig):
    """Parameters of `LearnedFhs`: those of `HarFhs`, and `learned`, the trees by underlying.

    Trees fitted for bars or a horizon of another length than a market's are left aside: HAR stands.
    """

    learned: Mapping[int, LearnedModel] = field(default_factory=dict)


class LearnedFhs(HarFhs):
    """As `HarFhs`, whose forecast of volatility trees correct (`plimsoll.risk.learned`).

    The trees are parameters, hashed into every report. They ask prices and the time alone here: a snapshot holds no
    history of funding, depth or implied volatility, and trees should be fitted without what they will not be told.
    """

    name = "learned-fhs"
    version = "1"
    config: LearnedFhsConfig

    def __init__(self, config: LearnedFhsConfig | None = None) -> None:
        super().__init__(config or LearnedFhsConfig())

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The configuration as plain values."""
        found: Mapping[str, Any] = to_plain(self.config)
        return found

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> LearnedFhs:
        """The model behind `parameters`; ValueError or ModelError where they are none."""
        return cls(from_plain(LearnedFhsConfig, parameters, "parameters"))

    def _path(self, market: Market, bars: int, where: str) -> tuple[FloatArray, int]:
        history, har = market.history, self.config.har
        trees = self.config.learned.get(market.underlying)
        if trees is not None and (trees.interval, trees.horizon) != (history.interval, bars):
            trees = None
        logs = learned_log_volatility(
            trees,
            history.returns,
            history.time[1:],
            history.interval,
            bars,
            history.ranges,
            None,
            har,
            what=where,
        )
        return volatility_of(calmed(logs, history.interval, har))

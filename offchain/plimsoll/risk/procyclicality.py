"""Tools against procyclicality: how far a scan range follows the market down in a calm.

EMIR asks a clearing house for one of three (delegated regulation 153/2013, article 28 (1)); they are parameters here,
zero where a tool is not wanted. Each leans on the *long-run range*: what the tail of all history, unfiltered, asks.

    stressed   max(range, (1 - w) range + w long-run)          (b) weight of stressed observations; 25 % there
    floored    max(that, share x long-run)                     (c) never under a long look back; the whole of it there
    buffered   max(that, min((1 + buffer) that, long-run))     (a) a buffer that is used up as risk rises; 25 % there

All raise and none lowers: where today's risk is above the long run's, the range is today's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from plimsoll.risk.errors import check_bounds


@dataclass(frozen=True, slots=True)
class Damping:
    """Which tools are used, as shares.

    Parameters
    ----------
    stress_weight
        Weight of the long-run range.
    floor_share
        Share of the long-run range below which nothing is asked.
    buffer
        What is asked above the range, up to the long-run one.

    Raises
    ------
    ModelError
        A share is out of range.
    """

    stress_weight: float = 0.0
    floor_share: float = 0.0
    buffer: float = 0.0

    def __post_init__(self) -> None:
        check_bounds(self, (("stress_weight", 0, 1), ("floor_share", 0, 1), ("buffer", 0, 5)))

    @property
    def is_used(self) -> bool:
        """Whether the long-run range matters at all."""
        return bool(self.stress_weight or self.floor_share or self.buffer)

    def __call__(self, scan_range: float, long_run: float) -> float:
        """The range to ask for, from today's and the long run's; all of one unit."""
        stressed = max(scan_range, (1 - self.stress_weight) * scan_range + self.stress_weight * long_run)
        floored = max(stressed, self.floor_share * long_run)
        return max(floored, min((1 + self.buffer) * floored, long_run))


NONE: Final = Damping()
STRESSED: Final = Damping(stress_weight=0.25)
EMIR: Final = {"buffer": Damping(buffer=0.25), "stress": STRESSED, "floor": Damping(floor_share=1.0)}

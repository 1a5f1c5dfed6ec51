"""What a venue shows of one option."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quote:
    """Two sides of the market and what the venue marks at; NaN, or 0 for a side, where there is none.

    Raw: nothing is checked here, so that a crossed or absurd quote can be counted where quotes are judged
    (`plimsoll.risk.smile`).

    Parameters
    ----------
    bid, ask
        Undiscounted prices [quote currency].
    volatility
        Implied volatility of the venue's own mark [1 a year].
    """

    bid: float = math.nan
    ask: float = math.nan
    volatility: float = math.nan

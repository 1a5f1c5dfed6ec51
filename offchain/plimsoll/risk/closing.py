"""How long it takes to close, and what that does to the scan range.

The horizon of a model is that of a normal market. Books thinner than usual lengthen it (`plimsoll.risk.liquidity`), and
so does what would be liquidated on the way (`plimsoll.risk.cascade`); the range grows with the root of both. Where
neither depths nor exposures were observed, the horizon is the model's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from plimsoll.market.snapshot import Market
from plimsoll.risk.cascade import CascadeConfig, cascade
from plimsoll.risk.errors import check_bounds
from plimsoll.risk.liquidity import Depth, DepthConfig, horizon, measured_depth

LEAST_RANGE: Final = 1e-6  # a cascade begins at some range, even where the tail of a quiet market is none


@dataclass(frozen=True, slots=True)
class ClosingConfig:
    """Parameters of depth and cascade.

    Parameters
    ----------
    default_depth
        Depth where nothing says otherwise [contracts].
    band
        Impact of one depth [1]: what the depth was measured within.
    depth, cascade
        See there.
    """

    default_depth: float = 1_000.0
    band: float = 0.005
    depth: DepthConfig = field(default_factory=DepthConfig)
    cascade: CascadeConfig = field(default_factory=CascadeConfig)

    def __post_init__(self) -> None:
        check_bounds(self, (("default_depth", 1e-3, 1e10), ("band", 1e-6, 1)))


@dataclass(frozen=True, slots=True)
class Closing:
    """What closing takes.

    Parameters
    ----------
    depth
        Posted, now and normally [contracts], and what that rests on.
    thin, crowded
        Factors on the horizon, for thin books and for what would be liquidated; 1 or more.
    range
        The scan range of the longer horizon [1].
    """

    depth: Depth
    thin: float
    crowded: float
    range: float


def closing(market: Market, now: int, scan_range: float, base: int, config: ClosingConfig) -> Closing:
    """What closing takes in this market.

    Parameters
    ----------
    market
        Its depths and exposures, where they were observed; `depth` where it was stated.
    now
        Market time [unix s].
    scan_range
        Of the base horizon [1], any number from 0; a cascade is looked at within its own reach.
    base
        That horizon [s].
    config
        Parameters.
    """
    stated = market.depth if market.depth is not None else config.default_depth
    if market.depths is None:
        depth = Depth(stated, stated, stated, 0, "default")
    else:
        depth = measured_depth(market.depths.time, market.depths.depth, now, stated, config.depth)
    thin = horizon(0.0, depth.now, depth.normal, base, config.depth).factor
    crowded = 1.0
    if market.exposures is not None:
        held = market.exposures
        reached = min(
            max(scan_range, LEAST_RANGE), config.cascade.max_reach
        )  # the wildest day must not end in an error
        crowded = cascade(held.level, held.delta, reached, depth.posted, config.band, config.cascade).factor
    return Closing(depth, thin, crowded, scan_range * math.sqrt(thin * crowded))

"""How the market may go within a day, for the order in which accounts are looked at; no margin comes of it.

Paths are what followed each close of the history, in units of the volatility that was forecast there (EWMA, 0.94 a day;
RiskMetrics 1996), at today's forecast: filtered historical simulation, see `plimsoll.risk.probability`. Made anew every
few minutes: an order may be a little old.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from plimsoll.keeper.errors import KeeperError
from plimsoll.keeper.index.screener import usable_table
from plimsoll.keeper.sources import Source
from plimsoll.keeper.state import Held
from plimsoll.market.bars import DAY, FloatArray
from plimsoll.market.errors import MarketError
from plimsoll.market.snapshot import Market
from plimsoll.risk.errors import RiskError, TooFewObservationsError
from plimsoll.risk.probability import Outlook, residual_paths, starts_of
from plimsoll.risk.volatility import ewma
from plimsoll.spec.instruments import unpack

EVERY: Final = 600  # [s]
DECAY: Final = 0.94  # a day
WARM_UP: Final = 30  # days whose forecasts knew too little
LEAST: Final = 1e-12  # variance of a bar, where prices stand still


class Lookahead:
    """Gives the outlook of what the chain holds.

    Parameters
    ----------
    source
        Of snapshots.
    every
        How long one lasts [s].
    told
        Told why there is none; accounts are then ordered by headroom.
    """

    def __init__(self, source: Source, every: int = EVERY, told: Callable[[str], object] = lambda _: None) -> None:
        self.source = source
        self.every = every
        self.told = told
        self._made: tuple[int, tuple[int, ...], Outlook | None] | None = None

    def __call__(self, held: Held) -> Outlook | None:
        """The outlook; None where the history is too short, or prices cannot be had."""
        table = usable_table(held.view)
        if table is None:
            return None
        underlyings = tuple(sorted({unpack(key).underlying for key in table.ids}))
        if self._made is None or held.time - self._made[0] >= self.every or self._made[1] != underlyings:
            try:
                markets = {market.underlying: market for market in self.source.snapshot(held).markets}
                paths, forecast, days = paths_of([markets[underlying] for underlying in underlyings])
                found = Outlook.of(table, held.surfaces, paths, forecast, days)
            except (KeeperError, MarketError, RiskError, KeyError) as error:
                self.told(f"{type(error).__name__}: {error}")
                found = None
            self._made = held.time, underlyings, found
        return self._made[2]


def paths_of(markets: list[Market]) -> tuple[FloatArray, FloatArray, float]:
    """Residual paths over a day, or a bar where bars are longer, today's forecasts for it, and its length [days].

    Parameters
    ----------
    markets
        U of them; closes at times that all have are used.

    Returns
    -------
    tuple
        Paths (W, steps, U); forecasts (U,); days.

    Raises
    ------
    RiskError
        There are too few closes in common.
    """
    times = markets[0].history.time
    for market in markets[1:]:
        times = np.intersect1d(times, market.history.time)
    logs = np.log(
        np.column_stack([m.history.close[np.isin(m.history.time, times)] for m in markets])
        if len(times)
        else np.zeros((0, len(markets)))
    )
    interval = max(market.history.interval for market in markets)
    steps = max(1, DAY // interval)
    decay = DECAY ** (interval / DAY)
    moves = np.diff(logs, axis=0)
    if len(moves) <= WARM_UP:
        raise TooFewObservationsError("outlook", len(moves), WARM_UP + 1)
    variance = np.column_stack([ewma(np.square(moves[:, u]), decay) for u in range(len(markets))])
    forecast = np.sqrt(np.maximum(variance, LEAST) * steps)
    first = WARM_UP * max(1, DAY // interval)
    paths = residual_paths(logs, forecast, starts_of(first, len(forecast) - 1, steps), steps)
    return paths, forecast[-1], steps * interval / DAY

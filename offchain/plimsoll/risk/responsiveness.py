"""How a posted margin answers to the market: the responsiveness that goes with every report.

Supervisors ask for a standard measure of how far margin moves when volatility does (BCBS, CPMI, IOSCO, "Transparency
and responsiveness of initial margin in centrally cleared markets", January 2025, proposals on measuring
responsiveness). Over one, five and thirty days, of one underlying:

    margin     what is posted now over the least that was posted within those days, less 1
    forecast   the same of the range that the model would have, had nothing held it back: the market's own move
    ratio      log(1 + margin) / log(1 + forecast): 1 follows the market, 0 stands still; None where the market did

The posted range lags on purpose; `lag`, the forecast over the posted range less 1, says by how much now.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from plimsoll.market.bars import DAY
from plimsoll.risk.errors import ModelError

WINDOWS: Final = (1, 5, 30)  # [days]
STILL: Final = 0.01  # a forecast that rose by less tells nothing of what follows it


@dataclass(frozen=True, slots=True)
class Posted:
    """What one report said of one underlying.

    Parameters
    ----------
    time
        Market time [unix s].
    psr, forecast
        The posted range, and the model's before the glide [ppm].
    """

    time: int
    psr: int
    forecast: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Rises within `days`, as shares, and their ratio."""

    days: int
    margin: float
    forecast: float
    ratio: float | None


@dataclass(frozen=True, slots=True)
class Responsiveness:
    """Answers over all windows, and how far the posted range lags."""

    answers: tuple[Answer, ...]
    lag: float


def responsiveness(posts: Iterable[Posted]) -> Responsiveness:
    """How the last of `posts` answers to what was before it.

    Parameters
    ----------
    posts
        In the order of time; those older than the longest window do not count.

    Raises
    ------
    ModelError
        There is none, times go back, or a range is not positive.
    """
    known = tuple(posts)
    if not known:
        raise ModelError("no report; at least one is right")
    if any(a.time > b.time for a, b in pairwise(known)):
        raise ModelError("reports out of order; rising times are right")
    if min(min(p.psr, p.forecast) for p in known) <= 0:
        raise ModelError("a posted range of 0; above 0 is right")
    last = known[-1]
    answers = []
    for days in WINDOWS:
        seen = [p for p in known if p.time >= last.time - days * DAY]
        margin = last.psr / min(p.psr for p in seen) - 1
        forecast = last.forecast / min(p.forecast for p in seen) - 1
        ratio = math.log1p(margin) / math.log1p(forecast) if forecast >= STILL else None
        answers.append(Answer(days, margin, forecast, ratio))
    return Responsiveness(tuple(answers), last.forecast / last.psr - 1)

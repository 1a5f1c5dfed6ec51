"""How the margins that this keeper posts answer to the market: kept over a month, through restarts by the journal."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

from plimsoll.market.bars import DAY
from plimsoll.risk.engine import BuiltReport
from plimsoll.risk.plain import to_plain
from plimsoll.risk.responsiveness import WINDOWS, Posted, Responsiveness, responsiveness

KIND: Final = "responsiveness"
LONGEST: Final = max(WINDOWS) * DAY


class ResponsivenessWatch:
    """Posted ranges of a month, by underlying.

    Parameters
    ----------
    journal
        Lines of earlier runs; those of this kind are taken up.
    """

    def __init__(self, journal: Iterable[Mapping[str, Any]] = ()) -> None:
        self._posts: dict[int, deque[Posted]] = {}
        for line in journal:
            if line.get("kind") == KIND:
                post = Posted(line["time"], line["psr"], line["forecast"])
                self._posts.setdefault(line["underlying"], deque()).append(post)

    def posted(self, built: BuiltReport) -> dict[int, Responsiveness]:
        """Take up a report that was believed; how each of its underlyings answers."""
        found = {}
        now = built.report.market_time
        for underlying, forecast in built.forecasts.items():
            posts = self._posts.setdefault(underlying, deque())
            while posts and (posts[0].time < now - LONGEST or posts[-1].time > now):
                posts.popleft() if posts[0].time < now - LONGEST else posts.pop()
            posts.append(Posted(now, forecast.psr, forecast.forecast_psr))
            found[underlying] = responsiveness(posts)
        return found


def line_of(underlying: int, built: BuiltReport, found: Responsiveness) -> dict[str, Any]:
    """What the journal keeps of it."""
    forecast = built.forecasts[underlying]
    return {
        "underlying": underlying,
        "psr": forecast.psr,
        "forecast": forecast.forecast_psr,
        "answers": to_plain(found.answers),
        "lag": found.lag,
    }

"""How the margins that this keeper posts answer to the market: kept over a month, through restarts by the journal."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

from plimsoll.keeper.journal import Journal
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
        Lines of earlier runs; those of this kind are taken up. Where time went back, as on another chain under the same
        journal, what was later than the later line does not count.
    """

    def __init__(self, journal: Iterable[Mapping[str, Any]] = ()) -> None:
        self._posts: dict[int, deque[Posted]] = {}
        for line in journal:
            if line.get("kind") == KIND:
                self._take(line["underlying"], Posted(line["time"], line["psr"], line["forecast"]))

    def posted(self, built: BuiltReport) -> dict[int, Responsiveness]:
        """Take up a report that was believed; how each of its underlyings answers."""
        found = {}
        now = built.report.market_time
        for underlying, forecast in built.forecasts.items():
            posts = self._take(underlying, Posted(now, forecast.psr, forecast.forecast_psr))
            while posts[0].time < now - LONGEST:
                posts.popleft()
            found[underlying] = responsiveness(posts)
        return found

    def _take(self, underlying: int, post: Posted) -> deque[Posted]:
        """Add what was posted behind what is no later; all that is known then."""
        posts = self._posts.setdefault(underlying, deque())
        while posts and posts[-1].time > post.time:
            posts.pop()
        posts.append(post)
        return posts


def recent(journal: Journal) -> list[dict[str, Any]]:
    """The lines that a watch takes up: a month back from the last of them, of however many years there are."""
    newest = journal.lines(KIND, last=1)
    return journal.lines(KIND, since=newest[0]["time"] - LONGEST) if newest else []


def line_of(underlying: int, built: BuiltReport, found: Responsiveness) -> dict[str, Any]:
    """What the journal keeps of it, and what depth the range rests on: of 0 observations it is the stated one."""
    forecast = built.forecasts[underlying]
    held = forecast.closing
    return {
        "underlying": underlying,
        "psr": forecast.psr,
        "forecast": forecast.forecast_psr,
        "answers": to_plain(found.answers),
        "lag": found.lag,
        "observations": observations(built, underlying),
        "thin": 1.0 if held is None else held.thin,
        "crowded": 1.0 if held is None else held.crowded,
        "funding": forecast.funding,
    }


def observations(built: BuiltReport, underlying: int) -> int:
    """How many observations the depth rests on; 0 where none were made, or they have grown too old or too few."""
    held = built.forecasts[underlying].closing
    return held.depth.observations if held is not None and held.depth.origin == "measured" else 0

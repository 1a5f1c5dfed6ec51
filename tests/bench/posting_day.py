"""What posting costs a day with and without reports by underlying: `python -m tests.bench.posting_day`.

Eight underlyings, each with a perpetual and options of one expiry, two days of recorded prices, a keeper that posts to
the real contracts on the embedded chain; gas is what the transactions used. Two venues, between which real ones lie:

    apart     BTC and ETH of four stretches of two days, eight months apart: four pairs, which do not move together
    together  four copies of BTC and ETH of one of the stretches: everything moves at once, there is least to save

Prices are 15-minute bars of Binance's perpetuals: open, the extremes in the order in which the bar turned, close, each
3 min 45 s after the other. Needs the recorded files (`PLIMSOLL_DATA`).

    --json      {"apart": {...}, "together": {...}}, as `measure` returns them
    --grid      more settings of `neighbours`
    --options N on each underlying, 4 by default; 0: perpetuals alone
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from plimsoll.chain.deployment import FeedConfig, SystemConfig, deploy_system
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.keeper.loop import Keeper, LoopConfig
from plimsoll.keeper.poster import LocalKeys, Poster
from plimsoll.keeper.recorder import MemoryRecorder
from plimsoll.keeper.state import ChainReader, Held
from plimsoll.keeper.triggers import TriggerConfig, gate_used
from plimsoll.market.bars import Bars
from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.market.sources import load_bars
from plimsoll.risk.engine import Engine
from plimsoll.risk.models import EwmaFhs
from plimsoll.risk.signing import address_of
from plimsoll.simulate.market import key_of
from plimsoll.spec.instruments import CALL, PERP, PUT, Instrument
from plimsoll.spec.wad import WAD

HOUR, DAY = 3_600, 86_400
BAR: Final = 900  # [s]
STEP: Final = BAR // 4  # [s] between two prices
HOURS: Final = 48
WINDOW: Final = 30 * 24  # hourly closes that risk is measured on
START: Final = 1_700_006_400 // DAY * DAY
STRETCHES: Final = ("2023-03-01", "2023-11-01", "2024-07-01", "2025-03-01")
FILES: Final = ("btc_usdt_perp_15m.csv.gz", "eth_usdt_perp_15m.csv.gz")
NUMBERS: Final = tuple((klass << 8) + member for klass in (1, 2, 3, 4) for member in (1, 2))
OWNER: Final = address_of(key_of("owner"))
KEYS: Final = tuple(sorted((key_of(f"signer {k}") for k in range(3)), key=lambda key: int(address_of(key), 16)))
ALL: Final = 0.0  # of `neighbours`: each report is of all
GRID: Final = (ALL, 0.5, 0.65, 0.75, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class Cost:
    """What a setting came to, a day of the two: reports, underlyings in them, gas; and what traders had of it.

    `shut`: share of underlyings and moments at which an index was past the move gate after the keeper had posted;
    `oldest`: the oldest report of any underlying at any moment [s].
    """

    posts: float
    underlyings: float
    gas: float
    shut: float
    oldest: int


def _turned(first: float, high: float, low: float, last: float) -> tuple[float, float, float, float]:
    """Four prices of a bar in the order it is taken to have turned in: a bar that rose saw its low first."""
    return (first, low, high, last) if last > first else (first, high, low, last)


class PricePath:
    """Recorded prices of one underlying, moved to the time of the test."""

    def __init__(self, bars: Bars, begins: int) -> None:
        at = int(np.searchsorted(bars.time, begins))
        part = slice(at, at + HOURS * HOUR // BAR)
        turns = zip(bars.open[part], bars.high[part], bars.low[part], bars.close[part], strict=True)
        self.prices = [round(float(price), 2) for turn in turns for price in _turned(*turn)]
        # hourly closes: of the last quarter of each hour
        ends = bars.time + BAR
        whole = (ends % HOUR == 0) & (ends > begins - WINDOW * HOUR) & (ends <= begins + HOURS * HOUR)
        self.times = bars.time[whole] + BAR - HOUR - begins + START  # of opening
        self.closes = bars.close[whole]

    def history(self, now: int) -> History:
        """Hourly closes that are known by then."""
        known = self.times + HOUR <= now
        return History(self.times[known][-WINDOW:], self.closes[known][-WINDOW:], HOUR)


class Recorded:
    """Snapshots of all underlyings at the time that a keeper asks for."""

    def __init__(self, paths: Mapping[int, PricePath], options: int) -> None:
        self.paths = paths
        self.expiry = START + 30 * DAY
        self.listed = {u: self._listed(u, options) for u in paths}
        self._known: dict[int, tuple[int, History]] = {}

    def _listed(self, underlying: int, options: int) -> tuple[int, ...]:
        first = self.paths[underlying].prices[0]
        found = [Instrument(underlying, 0, PERP, 0, 0)]
        for k in range(options):
            strike = round(first * (0.8 + 0.4 * (k // 2) / max(1, options // 2 - 1)))
            found.append(Instrument(underlying, self.expiry, (CALL, PUT)[k % 2], strike, k))
        return tuple(item.pack() for item in found)

    def snapshot(self, held: Held) -> Snapshot:
        """The snapshot at the time of `held`."""
        return Snapshot(held.time, tuple(self._market(u, held) for u in self.paths))

    def _market(self, underlying: int, held: Held) -> Market:
        hour = held.time // HOUR
        known = self._known.get(underlying)
        if known is None or known[0] != hour:
            known = self._known[underlying] = (hour, self.paths[underlying].history(held.time))
        return Market(underlying, held.index[underlying].price / WAD, known[1], self.listed[underlying], depth=1e4)


def posting(paths: Mapping[int, PricePath], options: int, neighbours: float) -> Cost:
    """Post two days of prices."""
    chain = EmbeddedChain(time=START)
    feeds = [
        FeedConfig(u, f"U{u}", round(path.prices[0] * 10**8), max_age=7 * DAY, strike_exponent=18)
        for u, path in paths.items()
    ]
    system = deploy_system(chain, SystemConfig(OWNER, [address_of(key) for key in KEYS], 3, feeds))
    source = Recorded(paths, options)
    reader = ChainReader(system, dict.fromkeys(paths, (0, *([source.expiry] if options else []))))
    keeper = Keeper(
        source,
        Engine(EwmaFhs()),
        reader,
        Poster(system, OWNER, LocalKeys(KEYS), MemoryRecorder()),
        MemoryRecorder(),
        triggers=TriggerConfig(neighbours=neighbours),
        config=LoopConfig(0.0, 1),
    )
    posts = underlyings = gas = shut = oldest = looks = 0
    for step in range(HOURS * HOUR // STEP):
        chain.set_time(START + step * STEP + 1)
        for u, path in paths.items():
            system.aggregators[u].transact("set", round(path.prices[step] * 10**8), sender=OWNER)
        while (done := keeper.round()).posted is not None:
            if done.error is not None or done.built is None:
                raise RuntimeError(f"{neighbours}, step {step}: {done.error}")
            if step:  # the first report writes new slots
                posts, gas = posts + 1, gas + done.posted.gas
                underlyings += len(done.built.scalars)
        held = reader.read()
        shut += sum(gate_used(held, u) >= 1 for u in paths)
        looks += len(paths)
        oldest = max(oldest, held.time - held.oldest)
    days = HOURS / 24
    return Cost(posts / days, underlyings / days, gas / days, shut / looks, oldest)


def paths_of(data: Path, stretches: Sequence[str]) -> dict[int, PricePath]:
    """Recorded paths of eight underlyings: BTC and ETH of each stretch, a class each."""
    bars = [load_bars(data / name) for name in FILES]
    begins = [int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) for day in stretches]
    return {u: PricePath(bars[k % 2], begins[k // 2]) for k, u in enumerate(NUMBERS)}


def measure(
    data: Path | None = None, options: int = 4, grid: Sequence[float] = (ALL, TriggerConfig().neighbours)
) -> dict[str, dict[str, Cost]]:
    """Venue -> `neighbours` (0: each report of all underlyings) -> what it came to a day.

    Parameters
    ----------
    data
        Folder of recorded prices; by default `PLIMSOLL_DATA`.
    options
        On each underlying, besides the perpetual.
    grid
        Settings of `neighbours`.
    """
    folder = data or Path(os.environ["PLIMSOLL_DATA"])
    venues = {"apart": STRETCHES, "together": (STRETCHES[2],) * 4}
    return {
        name: {f"{share:g}": posting(paths_of(folder, stretches), options, share) for share in grid}
        for name, stretches in venues.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description="Gas of posting a day, with and without reports by underlying.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--grid", action="store_true")
    parser.add_argument("--options", type=int, default=4)
    asked = parser.parse_args(list(sys.argv[1:] if arguments is None else arguments))
    found = measure(options=asked.options, grid=GRID if asked.grid else (ALL, TriggerConfig().neighbours))
    if asked.json:
        print(json.dumps({name: {key: asdict(cost) for key, cost in rows.items()} for name, rows in found.items()}))  # noqa: T201
        return 0
    print(f"{'venue':<10}{'neighbours':>11}{'posts':>8}{'markets':>9}{'gas a day':>14}{'':>8}{'shut':>8}{'oldest':>8}")  # noqa: T201
    for name, rows in found.items():
        whole = rows["0"].gas
        for key, cost in rows.items():
            share = f"{cost.gas / whole - 1:+.1%}" if key != "0" else "all"
            line = f"{name:<10}{key:>11}{cost.posts:>8.1f}{cost.underlyings:>9.1f}{cost.gas:>14,.0f}{share:>8}"
            print(f"{line}{cost.shut:>8.2%}{cost.oldest:>6} s")  # noqa: T201
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

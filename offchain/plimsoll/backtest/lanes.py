"""What part of a book's worst loss the lanes see, and whether margin covers the rest.

Books of options of one underlying and expiry are drawn (random, butterfly, straddle; a seed says all) and revalued on a
fine grid: prices from -PSR to +PSR in `STEPS` steps at volatility up, as it is, and down, and the damped extremes. The
share of a book is the worst loss in its lanes over the worst on the grid, at most 1. On the grid `VOLATILITY` no time
passes: prices and volatilities move, as between two reports. On `AGED` the lower volatility comes also after the
look-ahead, as in the lanes: an option of less than a day then stands at its payoff, whose kinks lie at strikes that
thirteen nodes cannot all meet.

`place_on` chooses inner nodes on draws of its own; `coverage` measures on others. Nodes are one set for all underlyings
of the snapshot: lanes net across a class only where they mean the same, and contracts refuse surfaces of one underlying
with different nodes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from plimsoll.backtest.chains import Bools, Listed, Posted, draw, full_snapshot, posted
from plimsoll.market.bars import FloatArray, IntArray
from plimsoll.market.snapshot import Market, Snapshot
from plimsoll.market.sources import DATA_VARIABLE
from plimsoll.risk import black
from plimsoll.risk.engine import BuiltReport, Engine
from plimsoll.risk.lanes import CANDIDATES, PAIRS, QUANTILE, Draws, place, share
from plimsoll.risk.models import EwmaFhs
from plimsoll.risk.scenarios import EVEN, INNER, NODE_UNIT, ScenarioSet
from plimsoll.spec.instruments import CALL
from plimsoll.spec.surface import MAX_ROWS, ROW_BYTES
from plimsoll.spec.wad import PPM, YEAR

KINDS: Final = ("random", "butterfly", "straddle")
STEPS: Final = 241  # prices from -PSR to +PSR; at least 121 are asked for
BOOKS: Final = 300  # of each kind, an underlying and expiry
TRAINING, MEASURED = 1, 2  # seeds: what nodes are chosen on, what they are measured on
VOLATILITY: Final = "volatility"
AGED: Final = "aged"
WIDE_PAIRS: Final = 9  # inner pairs of 48 lanes: 21 nodes at two volatilities, and six extremes
PROMISED_MEAN: Final = 0.98
PROMISED_FIRST: Final = 0.90
WORD_BYTES: Final = 32
BYTE_GAS: Final = 200  # a byte of code
DATA_GAS: Final = 16  # a byte of call data that is not zero
CODE_LIMIT: Final = 24_576


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """Options of one underlying and expiry, m of them, as a revaluation sees them; arrays of shape (m,).

    Fractions of the index. `places` are their places in the market's ids.
    """

    underlying: int
    expiry: int
    scenarios: ScenarioSet
    places: IntArray
    call: Bools
    forward: float
    strike: FloatArray
    volatility: FloatArray
    tau: float

    def profits(self, moves: FloatArray, volatility: FloatArray, tau: float) -> FloatArray:
        """Profit of one long unit at each relative price move, shape (m, moves): never under minus its mark."""
        base = black.price(self.call, self.forward, self.strike, self.volatility, self.tau)[:, None]
        forwards = self.forward * (1 + moves)
        found = black.price(self.call[:, None], forwards, self.strike[:, None], volatility[:, None], tau) - base
        return np.maximum(found, -base)

    @property
    def shifted(self) -> tuple[FloatArray, FloatArray]:
        """Volatilities up and down."""
        return self.scenarios.shifted(self.volatility, np.full(len(self.volatility), self.tau))

    @property
    def later(self) -> float:
        """Time to expiry after the look-ahead [years]."""
        return max(self.tau - self.scenarios.look_ahead / YEAR, 0.0)

    def extremes(self) -> FloatArray:
        """Damped profits in the six extremes, shape (m, 6)."""
        return self.scenarios.damping * self.profits(self.scenarios.extreme_moves, self.shifted[0], self.tau)

    def pairs(self, moves: FloatArray) -> FloatArray:
        """Profits in the two lanes of a node at each move: volatility up at once, down later; shape (2, m, moves)."""
        up, down = self.shifted
        return np.stack([self.profits(moves, up, self.tau), self.profits(moves, down, self.later)])

    def lanes(self, inner: Sequence[int]) -> FloatArray:
        """Lanes of a scenario set with these inner nodes, unrounded, in no order: shape (m, 4 pairs + 12)."""
        steps = np.array([0, *(sign * step for step in (*inner, NODE_UNIT) for sign in (1, -1))])
        return np.concatenate([*self.pairs(steps * self.scenarios.psr / (NODE_UNIT * PPM)), self.extremes()], axis=1)

    def grid(self, kind: str = VOLATILITY, steps: int = STEPS) -> FloatArray:
        """Profits on the fine grid, shape (m, 3 or 4 x steps + 6)."""
        moves = np.linspace(-1, 1, steps) * self.scenarios.psr / PPM
        up, down = self.shifted
        parts = [self.profits(moves, volatility, self.tau) for volatility in (up, self.volatility, down)]
        if kind == AGED:
            parts.append(self.profits(moves, down, self.later))
        return np.concatenate([*parts, self.extremes()], axis=1)


def chains_of(market: Market, scenarios: ScenarioSet, now: int, volatility: float) -> Iterator[Chain]:
    """The chains of one underlying, by expiry; `volatility` [1 a year] of options that nobody quotes."""
    items = market.listed
    for expiry in sorted({item.expiry for item in items if item.is_option}):
        places = np.array([at for at, item in enumerate(items) if item.expiry == expiry and item.is_option])
        part = [items[at] for at in places]
        yield Chain(
            market.underlying,
            expiry,
            scenarios,
            places,
            np.array([item.kind == CALL for item in part]),
            market.forwards.get(expiry, market.index) / market.index,
            np.array([item.strike * market.strike_unit / market.reference for item in part]),
            np.array([market.implied_vols.get(market.instruments[at], volatility) for at in places]),
            (expiry - now) / YEAR,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Board:
    """A report on a snapshot, opened for drawing: by underlying its market, chains, posted arrays and list."""

    snapshot: Snapshot
    built: BuiltReport
    chains: Mapping[int, tuple[Chain, ...]]
    held: Mapping[int, Posted]
    listed: Mapping[int, Listed]


def board(snapshot: Snapshot, engine: Engine | None = None) -> Board:
    """What the engine (the default one where not given) posts on a snapshot."""
    maker = engine or Engine(EwmaFhs())
    built = maker.report(snapshot)
    chains, held, listed = {}, {}, {}
    for market in snapshot.markets:
        key = market.underlying
        header = next(s for s in built.surfaces if s.underlying == key)
        scenarios = ScenarioSet(
            psr=header.psr,
            vol_up=header.vol_up,
            vol_down=header.vol_down,
            look_ahead=maker.config.look_ahead,
            tenor_power=maker.config.tenor_power,
            tenor_cap=maker.config.tenor_cap,
            inner=maker.config.inner,
        )
        chains[key] = tuple(chains_of(market, scenarios, snapshot.market_time, built.forecasts[key].volatility))
        held[key] = posted(built, market)
        listed[key] = Listed.of(market, held[key])
    return Board(snapshot, built, chains, held, listed)


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """Books of one underlying, expiry and kind: fractions of the index for a contract of gross size, shape (B,).

    `worst` loss on the grid, `seen` in the posted lanes, `mm` maintenance margin.
    """

    underlying: int
    expiry: int
    days: float
    kind: str
    worst: FloatArray
    seen: FloatArray
    mm: FloatArray

    @property
    def share(self) -> FloatArray:
        """Part of the worst loss that lanes see."""
        return share(self.seen, self.worst)


def _books(opened: Board, chain: Chain, kind: str, books: int, seed: int) -> FloatArray:
    """Drawn books over all instruments of the underlying, shape (books, n)."""
    return draw(opened.listed[chain.underlying], kind, books, (seed, chain.underlying, chain.expiry), [chain.expiry])


def measure(
    opened: Board,
    *,
    grid: str = VOLATILITY,
    books: int = BOOKS,
    seed: int = MEASURED,
    inner: Sequence[int] | Mapping[tuple[int, int], Sequence[int]] | None = None,
    steps: int = STEPS,
) -> tuple[Cell, ...]:
    """Worst losses and what is seen of them.

    Parameters
    ----------
    opened
        Report and chains.
    grid
        `VOLATILITY` or `AGED`.
    books
        Of each kind, an underlying and expiry.
    seed
        Of the draws.
    inner
        Measure lanes on these inner nodes, any number of them, unrounded, in place of the posted ones; or on those of
        each (underlying, expiry).
    steps
        Prices of the grid.
    """
    cells = []
    for key, chains in opened.chains.items():
        held = opened.held[key]
        for chain in chains:
            fine = chain.grid(grid, steps)
            own = inner[key, chain.expiry] if isinstance(inner, Mapping) else inner
            lanes = held.lanes[chain.places] if own is None else chain.lanes(own)
            for kind in KINDS:
                quantities = _books(opened, chain, kind, books, seed)
                part = quantities[:, chain.places]
                cells.append(
                    Cell(
                        key,
                        chain.expiry,
                        chain.tau * 365,
                        kind,
                        -(part @ fine).min(axis=1),
                        np.maximum(-(part @ lanes).min(axis=1), 0.0),
                        held.margins(quantities)[0],
                    )
                )
    return tuple(cells)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What lanes see, by kind of book, over the expiries of each underlying; the lowest underlying counts.

    `mean` and `first` (1st percentile) by kind; `lowest` the lowest 1st percentile of one expiry, and its days;
    `over_margin` books that lose more than their MM, `worst_loss` the largest loss over MM, `mean_mm` over all books.
    """

    mean: Mapping[str, float]
    first: Mapping[str, float]
    lowest: Mapping[str, tuple[float, float]]
    books: int
    over_margin: int
    worst_loss: float
    mean_mm: float

    @property
    def reached(self) -> bool:
        """Whether lanes see 98 % on average and 90 % at the 1st percentile, of every kind on every underlying."""
        return min(self.mean.values()) >= PROMISED_MEAN and min(self.first.values()) >= PROMISED_FIRST

    def numbers(self) -> dict[str, float]:
        """For a table of figures."""
        return {
            **{f"{kind}.mean": value for kind, value in self.mean.items()},
            **{f"{kind}.first": value for kind, value in self.first.items()},
            **{f"{kind}.lowest_expiry": value for kind, (value, _) in self.lowest.items()},
            "mean": min(self.mean.values()),
            "first": min(self.first.values()),
            "books": float(self.books),
            "over_margin": float(self.over_margin),
            "worst_loss": self.worst_loss,
        }


def coverage(cells: Sequence[Cell]) -> Coverage:
    """Sum cells up."""
    mean, first, lowest = {}, {}, {}
    underlyings = sorted({cell.underlying for cell in cells})
    for kind in dict.fromkeys(cell.kind for cell in cells):
        of_kind = [cell for cell in cells if cell.kind == kind]
        pooled = [np.concatenate([c.share for c in of_kind if c.underlying == u]) for u in underlyings]
        mean[kind] = min(float(np.mean(part)) for part in pooled)
        first[kind] = min(float(np.quantile(part, QUANTILE)) for part in pooled)
        lowest[kind] = min((float(np.quantile(cell.share, QUANTILE)), cell.days) for cell in of_kind)
    loss, mm = (np.concatenate([getattr(cell, name) for cell in cells]) for name in ("worst", "mm"))
    return Coverage(mean, first, lowest, len(mm), int(np.sum(loss > mm)), float(np.max(loss / mm)), float(np.mean(mm)))


def draws_of(opened: Board, chains: Sequence[Chain], *, grid: str, books: int, seed: int = TRAINING) -> Draws:
    """Draws to place nodes on, from some chains of one underlying."""
    kinds, worst, fixed, seen = [], [], [], []
    for chain in chains:
        fine = chain.grid(grid)
        steps = np.array(CANDIDATES) * chain.scenarios.psr / (NODE_UNIT * PPM)
        standing = chain.lanes(())
        lanes = (*chain.pairs(steps), *chain.pairs(-steps))
        for number, kind in enumerate(KINDS):
            part = _books(opened, chain, kind, books, seed)[:, chain.places]
            kinds.append(np.full(books, number))
            worst.append(-(part @ fine).min(axis=1))
            fixed.append(np.maximum(-(part @ standing).min(axis=1), 0.0))
            seen.append(np.max([-(part @ profits) for profits in lanes], axis=0))
    return Draws(np.concatenate(kinds), np.concatenate(worst), np.concatenate(fixed), np.concatenate(seen))


def place_on(opened: Board, *, grid: str = VOLATILITY, pairs: int = PAIRS, books: int = BOOKS) -> tuple[int, ...]:
    """Inner nodes for all underlyings of a board, chosen on training draws [1e-4 PSR]."""
    return place([draws_of(opened, chains, grid=grid, books=books) for chains in opened.chains.values()], pairs)


def place_each(opened: Board, *, grid: str = VOLATILITY, books: int = BOOKS) -> dict[tuple[int, int], tuple[int, ...]]:
    """Inner nodes for each underlying and expiry by itself: more than contracts accept, to see what that costs."""
    return {
        (key, chain.expiry): place([draws_of(opened, [chain], grid=grid, books=books)])
        for key, chains in opened.chains.items()
        for chain in chains
    }


@dataclass(frozen=True, slots=True)
class WideGas:
    """What 48 lanes in place of 32 would cost; `post` more gas an option, at least; `rows` that then fit a surface."""

    post: int
    rows: int


def wide_gas() -> WideGas:
    """A fourth word a row: its bytes as code and as call data. What checking and summing it costs comes on top."""
    row = ROW_BYTES + WORD_BYTES
    return WideGas(WORD_BYTES * (BYTE_GAS + DATA_GAS), min(MAX_ROWS, (CODE_LIMIT - 1 - ROW_BYTES) // row))


@dataclass(frozen=True, slots=True)
class LaneRecord:
    """Coverage of several node sets on the recorded chains; `left_out` says what was not done, and why."""

    sets: Mapping[str, tuple[tuple[int, ...], Coverage]]
    left_out: str = ""


def record(*, books: int = BOOKS, snapshot: Snapshot | None = None, engine: Engine | None = None) -> LaneRecord:
    """Even nodes, those chosen on training draws, those that are posted by default, and 48 lanes.

    Keys: `<set>` on the grid of volatilities, `<set> aged` on that where the day has passed as well; `each`: nodes
    chosen for each underlying and expiry by itself, which contracts do not accept. Without recorded
    chains, and none given, an empty record that says what it left out.
    """
    if snapshot is None:
        if not os.environ.get(DATA_VARIABLE):
            return LaneRecord({}, f"coverage of the lanes: {DATA_VARIABLE} is unset")
        snapshot = full_snapshot()
    maker = engine or Engine(EwmaFhs())
    opened = board(snapshot, maker)
    sets: dict[str, tuple[tuple[int, ...], Coverage]] = {}
    for name, inner in (("even", EVEN), ("default", INNER), ("chosen", place_on(opened, books=books))):
        other = board(snapshot, Engine(maker.model, replace(maker.config, inner=inner)))
        for grid, label in ((VOLATILITY, name), (AGED, f"{name} aged")):
            sets[label] = (inner, coverage(measure(other, grid=grid, books=books)))
    each = place_each(opened, books=books)
    sets["each"] = ((), coverage(measure(opened, books=books, inner=each)))
    wide = place_on(opened, grid=AGED, pairs=WIDE_PAIRS, books=books)
    for grid, label in ((VOLATILITY, "48"), (AGED, "48 aged")):
        sets[label] = (wide, coverage(measure(opened, grid=grid, books=books, inner=wide)))
    return LaneRecord(sets)

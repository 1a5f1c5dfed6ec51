"""What one scan range would liquidate: the levels and deltas that the engine's cascade asks for.

Let one underlying move by x and nothing else. An account's profit at the nodes of the posted scenarios is read off its
lanes, straight between them (`plimsoll.risk.probability.Curve`); it becomes liquidatable where

    profit(x) = -(E_h - MM)                     MM as it is now

the first time on the way from 0 to the last node, down and up each. Its delta there is the slope of the profit, over
the price. What a fall would sell and a rise would buy is kept, as `plimsoll.risk.cascade` wants it, gathered in steps
of 0.25 % toward 0: no account is told from another, and a snapshot stays small whatever the number of accounts.

*Agreement.* The same books at the same view give the same columns, the sums being exact before they are rounded once.
But exposures are an observation, as depths are: they are part of the snapshot and hashed with it, and a report is
recomputed from there. Nodes that index for themselves have the same books only at the same block. What they may differ
by is what a block changes, over the depth, under a root: within `Tolerance.scan` as long as trades of a block are small
against depth, but a large account that crosses one step makes a jump. So it is for deployments whose nodes all run an
index and look at the same block, and off by default.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from plimsoll.keeper.index.screener import Screener, usable_table
from plimsoll.keeper.index.state import Series
from plimsoll.market.bars import FloatArray, IntArray
from plimsoll.market.observed import Exposures
from plimsoll.risk.errors import ModelError
from plimsoll.risk.probability import Curve, curve_of
from plimsoll.risk.screen import NO_ROW, Books, Rows, Table, screen
from plimsoll.spec.instruments import unpack
from plimsoll.spec.margin import View
from plimsoll.spec.surface import LANES
from plimsoll.spec.wad import LANE_UNIT

STEP: Final = 0.0025  # of levels [1]
REACH: Final = 0.95  # farthest move that is looked at [1]: as far as a cascade may go


def exposures(screener: Screener, view: View, settled: Mapping[Series, int] | None = None) -> dict[int, Exposures]:
    """Where the accounts of an index become liquidatable, by underlying: `Market.exposures` of a snapshot.

    Parameters
    ----------
    screener
        Over the index, at the block of the view.
    view
        What the oracle holds (`Held.view`).
    settled
        Final prices of expiries that have one [wad].

    Returns
    -------
    dict
        Underlying -> levels and deltas, rising levels, a step at most once a side. Underlyings without scenarios are
        left out, and so are accounts that cannot be screened.
    """
    with screener.index.lock:
        screener.refresh()
        pool = screener.index.state.pool_at(view.now)
        units = dict(screener.index.state.strike_units)
    table = usable_table(view)
    if table is None:
        return {}
    positions, ledgers, _ = screener.books(pool, settled or {}, units)
    rows, quantities = positions.rows(screener.arrays.row_of_item(table.places))
    books = Books(positions.starts, rows, quantities, ledgers)
    headroom = screen(table, books).headroom
    keys = sorted({unpack(key).underlying for key in table.ids})
    found = {}
    for place, key in enumerate(keys):
        surface = next(surface for (underlying, _), surface in view.surfaces.items() if underlying == key)
        try:
            curve = curve_of(surface)
        except ModelError:  # a header without a scan range says nothing of moves
            continue
        slots, lanes = lanes_on(table, books, place)
        known = ~np.isnan(headroom[slots])
        found[key] = _gathered(curve, lanes[known], headroom[slots][known], float(table.market[place, 0]))
    return found


def lanes_on(table: Table, books: Books, place: int) -> tuple[IntArray, FloatArray]:
    """Slots of the accounts that hold something on one underlying, and their profit in its lanes [quote currency].

    Each account's positions are added in the order of its book.

    Parameters
    ----------
    table, books
        As screened.
    place
        Of the underlying in `table.market`.

    Returns
    -------
    tuple
        Slots, shape (B,); profit, shape (B, 32).
    """
    mine = (books.rows != NO_ROW) & (table.underlying[books.rows] == place)
    owners = np.repeat(np.arange(len(books.ledgers)), np.diff(books.starts))[mine]
    rows: Rows = books.rows[mine]
    units = books.quantities[mine] * table.row[rows, 0] * table.market[place, 0] / LANE_UNIT
    slots, first = np.unique(owners, return_index=True)
    counts = np.diff(np.append(first, len(owners)))
    profit = np.zeros((len(slots), LANES))
    for rank in range(int(counts.max(initial=0))):
        some = np.flatnonzero(counts > rank)
        at = first[some] + rank
        profit[some] += units[at, None] * table.lanes[rows[at]]
    return slots, profit


def _gathered(curve: Curve, lanes: FloatArray, headroom: FloatArray, price: float) -> Exposures:
    """Levels and deltas of accounts on one underlying."""
    knots = np.zeros((len(lanes), len(curve.moves)))
    for lane, knot in zip(*np.nonzero(curve.weights), strict=True):  # a few of each; a product of matrices is not exact
        knots[:, knot] += lanes[:, lane] * curve.weights[lane, knot]
    zero = int(np.searchsorted(curve.moves, 0.0))
    sums: dict[int, list[float]] = {}
    for side in (-1, 1):
        path = range(zero, -1, -1) if side < 0 else range(zero, len(curve.moves))
        for step, delta in _crossings(curve.moves, knots, headroom, list(path), side, price):
            sums.setdefault(step, []).append(delta)
    # a step of 0 may have both falls and rises in it: they stay apart, for each counts on its side alone
    levels, deltas = [], []
    for step in sorted(sums):
        for part in ([d for d in sums[step] if d > 0], [d for d in sums[step] if d < 0]):
            if part:
                levels.append(step * STEP)
                deltas.append(math.fsum(part))
    return Exposures(np.array(levels), np.array(deltas))


def _crossings(
    moves: FloatArray, knots: FloatArray, headroom: FloatArray, path: list[int], side: int, price: float
) -> list[tuple[int, float]]:
    """Step and delta of each account that loses its headroom on the way: above 0 of a fall, below of a rise."""
    found: list[tuple[int, float]] = []
    left = np.ones(len(knots), dtype=np.bool_)
    room = np.maximum(headroom, 0.0)
    for near, far in itertools.pairwise(path):
        if abs(moves[near]) >= REACH:
            break
        here, there = knots[:, near], knots[:, far]
        crosses = left & (there < here) & (-there >= room)
        slope = (there - here) / (moves[far] - moves[near])  # [quote currency] per relative move
        share = np.clip((here + room)[crosses] / (here - there)[crosses], 0.0, 1.0)
        level = np.abs(moves[near] + share * (moves[far] - moves[near]))
        steps = side * np.floor(level / STEP).astype(np.int64)
        found += zip(steps.tolist(), (slope[crosses] / price).tolist(), strict=True)
        left &= ~crosses & (headroom > 0)  # who is liquidatable now counts where the loss begins, or on the other side
    return found

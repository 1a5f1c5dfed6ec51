"""Where the inner nodes stand: the five of thirteen price moves that a scenario set leaves to the engine.

Lanes see a book's worst loss where it lies on a node. Options of a few days bend sharply at their strikes, above all at
low volatility, so a butterfly's or a straddle's worst loss can lie between nodes. What contracts accept leaves little
room: nodes come in pairs +x, -x, both volatilities share them, the last stands at the scan range, and all surfaces of
an underlying have the same; that lanes net across underlyings asks that a class share them too. So the choice is of
five numbers, on books drawn from the chains of all underlyings of a class (`Draws`), by

    1. greedy: five times the distance is added that helps most,
    2. exchange: each in turn is moved to the best place left, until none moves.

*Helps most*: the least, over underlyings and kinds of book, of the 1st percentile of the share of the worst loss that
lanes see (weight 1), its mean (1/10), and the mean share (1/2). The quantile is what is promised; the means decide
where it is flat.

Chosen when a model is calibrated, not with each report: a node that moved with every report would move margins with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from plimsoll.market.bars import FloatArray, IntArray
from plimsoll.risk.errors import ScenarioError
from plimsoll.risk.scenarios import INNER, NODE_UNIT

PAIRS: Final = len(INNER)  # inner nodes on either side
CANDIDATES: Final = tuple(range(100, NODE_UNIT, 100))  # [1e-4 PSR]
QUANTILE: Final = 0.01
MEAN_QUANTILE_WEIGHT: Final = 0.1
MEAN_WEIGHT: Final = 0.5
ROUNDS: Final = 8
LEAST_LOSS: Final = 1e-9  # [1 of the index, per contract] less than this is no loss to see


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Losses of B books drawn from one chain, a contract of gross size each; fractions of the index, losses positive.

    Parameters
    ----------
    kind
        Number of the kind of each book, shape (B,).
    worst
        Worst loss on the fine grid, shape (B,).
    fixed
        Worst loss in the lanes that stand anyway: the middle, the ends, the extremes; shape (B,), at least 0.
    seen
        Worst loss in the four lanes of the pair at each of `CANDIDATES`, shape (B, C).
    """

    kind: IntArray
    worst: FloatArray
    fixed: FloatArray
    seen: FloatArray

    def __post_init__(self) -> None:
        books, candidates = len(self.worst), len(CANDIDATES)
        shapes = (self.kind.shape, self.fixed.shape, self.seen.shape)
        if books == 0 or shapes != ((books,), (books,), (books, candidates)):
            raise ScenarioError(f"draws of shapes {shapes}; ({books},), ({books},), ({books}, {candidates}) is right")


def share(seen: FloatArray, worst: FloatArray) -> FloatArray:
    """Part of the worst loss that lanes see, 0 .. 1, of the broadcast shape; 1 where there is no loss to see."""
    there = worst > LEAST_LOSS
    found: FloatArray = np.where(there, np.minimum(seen / np.where(there, worst, 1.0), 1.0), 1.0)
    return found


def score(quantiles: FloatArray, means: FloatArray) -> FloatArray:
    """What placing maximises, of the 1st percentiles and means of groups of books; shape (G, C) each, answer (C,)."""
    found: FloatArray = (
        quantiles.min(axis=0) + MEAN_QUANTILE_WEIGHT * quantiles.mean(axis=0) + MEAN_WEIGHT * means.mean(axis=0)
    )
    return found


def place(draws: Sequence[Draws], pairs: int = PAIRS) -> tuple[int, ...]:
    """Inner nodes for the chains behind `draws`, rising [1e-4 PSR].

    Parameters
    ----------
    draws
        One entry a chain (an underlying, or an underlying at another scan range).
    pairs
        How many; contracts take five.

    Raises
    ------
    ScenarioError
        No draws, or a number of pairs that the candidates do not offer.
    """
    if not draws or not 0 < pairs < len(CANDIDATES):
        raise ScenarioError(
            f"{len(draws)} sets of draws, {pairs} pairs; at least one, 1 .. {len(CANDIDATES) - 1} is right"
        )

    groups = [(d, np.flatnonzero(d.kind == kind)) for d in draws for kind in np.unique(d.kind)]

    def value(places: Sequence[int]) -> FloatArray:
        """Score of `places` with each candidate added, shape (C,)."""
        quantiles, means = [], []
        for part, rows in groups:
            seen = part.seen[rows]
            standing = np.maximum(part.fixed[rows], np.max(seen[:, list(places)], axis=1, initial=0.0))
            shares = share(np.maximum(standing[:, None], seen), part.worst[rows, None])
            quantiles.append(np.quantile(shares, QUANTILE, axis=0))
            means.append(np.mean(shares, axis=0))
        return score(np.array(quantiles), np.array(means))

    chosen: list[int] = []
    for _ in range(pairs):
        chosen.append(_best(value(chosen), chosen))
    for _ in range(ROUNDS):
        before = list(chosen)
        for at in range(pairs):
            rest = chosen[:at] + chosen[at + 1 :]
            chosen[at] = _best(value(rest), rest)
        if chosen == before:
            break
    return tuple(CANDIDATES[at] for at in sorted(chosen))


def _best(values: FloatArray, taken: Sequence[int]) -> int:
    """The first of the highest that is not taken."""
    return max((at for at in range(len(values)) if at not in taken), key=lambda at: float(values[at]))

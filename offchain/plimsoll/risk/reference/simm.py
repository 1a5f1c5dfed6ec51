"""ISDA SIMM's delta margin of one risk class.

    CR_b   = max(1, sqrt(|sum of s in b| / T_b))                        concentration
    WS     = RW s CR_b
    K_b    = sqrt(sum WS^2 + sum over pairs of rho WS WS)
    S_b    = max(min(sum WS, K_b), -K_b)
    margin = sqrt(sum K_b^2 + sum over pairs of gamma S_b S_c)

ISDA SIMM Methodology. Sensitivities s are the gains from a move by the unit that the risk weight RW counts. Pairs are
ordered, so each counts twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plimsoll.market.bars import FloatArray
from plimsoll.risk.reference.portfolio import PortfolioError


@dataclass(frozen=True, slots=True)
class Bucket:
    """Sensitivities that hang together.

    Parameters
    ----------
    sensitivities, weights
        s and RW, one each a risk factor.
    correlation
        rho between every two factors.
    threshold
        T, from where concentration counts.
    """

    sensitivities: tuple[float, ...]
    weights: tuple[float, ...]
    correlation: float
    threshold: float

    def __post_init__(self) -> None:
        if len(self.sensitivities) != len(self.weights) or not self.sensitivities:
            raise PortfolioError(
                f"{len(self.sensitivities)} sensitivities, {len(self.weights)} weights; equal is right"
            )
        if not (self.threshold > 0 and -1 <= self.correlation <= 1):
            raise PortfolioError(
                f"threshold {self.threshold}, correlation {self.correlation}; above 0, -1 .. 1 is right"
            )

    @property
    def concentration(self) -> float:
        """CR_b."""
        return max(1.0, math.sqrt(abs(math.fsum(self.sensitivities)) / self.threshold))

    @property
    def weighted(self) -> FloatArray:
        """WS, shape (n,)."""
        found: FloatArray = np.array(self.weights) * np.array(self.sensitivities) * self.concentration
        return found

    @property
    def margin(self) -> float:
        """K_b."""
        return _joined(self.weighted, np.full((len(self.weights), len(self.weights)), self.correlation), self.weighted)


def _joined(alone: FloatArray, correlation: FloatArray, pairs: FloatArray) -> float:
    """Root of the squares of `alone` and of the products of different `pairs` by their correlations."""
    matrix = correlation * np.outer(pairs, pairs)
    np.fill_diagonal(matrix, np.square(alone))
    return math.sqrt(max(0.0, float(matrix.sum())))


def delta_margin(buckets: Sequence[Bucket], correlation: npt.ArrayLike) -> float:
    """Delta margin over buckets.

    Parameters
    ----------
    buckets
        At least one.
    correlation
        gamma, shape (b, b), or one number for every two buckets; the diagonal is not read.

    Raises
    ------
    PortfolioError
        No bucket, or another shape.
    """
    count = len(buckets)
    gamma = np.asarray(correlation, dtype=np.float64)
    if not count or gamma.shape not in {(), (count, count)}:
        raise PortfolioError(f"{count} buckets, correlations {gamma.shape}; ({count}, {count}) is right")
    margins = np.array([bucket.margin for bucket in buckets])
    sums = np.array([bucket.weighted.sum() for bucket in buckets])
    return _joined(margins, np.broadcast_to(gamma, (count, count)).copy(), np.clip(sums, -margins, margins))

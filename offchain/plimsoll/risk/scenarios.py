"""Scenario set v1: what the 32 lanes of every row mean.

Thirteen price moves ("nodes"), 0, +x1, -x1, .. +x5, -x5, +1, -1 of the price scan range (PSR), in this order. Lane 2k
is node k with volatility up, lane 2k + 1 node k with volatility down: 26 lanes. Lanes 26 .. 31 are extremes, +1.5,
-1.5, +2, -2, +3, -3 PSR with volatility up, of which only a share (0.60, 0.45, 0.33) counts, so that a linear
position's extreme loss stays under one PSR and the extremes bite where a book is short of far options.

x1 .. x5, the inner nodes, are the engine's to place. They stand closer in the middle, where options of few days bend
most, than an even sixth apart: `plimsoll.risk.lanes` chooses them, `plimsoll.backtest.lanes` measures what they see.

*Volatility up* is measured at once, *volatility down* after `look_ahead` has passed: time decay works for the short and
against the long, so each side meets the pair that is worse for it. Moves and shifts are integers, the very ones that
the surface's header states, so the float side and the posted side speak of the same scenario.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, Literal

import numpy as np
from eth_utils.crypto import keccak

from plimsoll.market.bars import DAY, FloatArray
from plimsoll.market.portable import exp, log
from plimsoll.risk.errors import ScenarioError
from plimsoll.spec.surface import LANES, VERSION
from plimsoll.spec.wad import PPM

EVEN: Final = (1667, 3333, 5000, 6667, 8333)  # [1e-4 PSR] inner nodes a sixth apart
# [1e-4 PSR] The inner nodes that are posted where nothing else is said: `plimsoll.risk.lanes.place` on books drawn from
# the BTC and ETH chains of 2025-12-30 at scan ranges of 5 to 16 %.
INNER: Final = (1000, 2000, 3200, 4800, 7300)
NODES: Final = (0, *(sign * step for step in (*INNER, 10_000) for sign in (1, -1)))  # [1e-4 PSR] with those inner ones
EXTREMES: Final = (150, 200, 300)  # [1e-2 PSR]
DAMPS: Final = (60, 45, 33)  # [1e-2] share of an extreme's profit or loss that counts
NODE_UNIT: Final = 10**4
EXTREME_UNIT: Final = 10**2
NODE_LANES: Final = 2 * len(NODES)
MAX_LANE: Final = 2**15 - 1
FINE: Final = 1  # lanes of 0.1 bp of the index
COARSE: Final = 10  # lanes of 1 bp
LANE_PPM: Final = 10  # a lane unit is `scale` times this
TENOR_DAYS: Final = 30  # the tenor at which the header's volatility shifts hold as they stand

Scale = Literal[1, 10]


@dataclass(frozen=True, slots=True)
class ScenarioSet:
    """The scenarios of one underlying in one report.

    Parameters
    ----------
    psr
        Price scan range [ppm], above 0 and at most 1.
    vol_up, vol_down
        Relative volatility shifts at 30 days [ppm]: volatility x (1 + up), x (1 - down).
    scale
        Lane unit, 10 ppm x scale: `FINE` or `COARSE`.
    look_ahead
        Time that has passed in the lanes of volatility down [s].
    tenor_power, tenor_cap
        The shifts are multiplied by min(cap, (30 / max(days, 1))^power): short expiries swing more. [ppm]
    common
        How many lanes, from the first, mean the same in every underlying of a class. Where underlyings have inner
        nodes of their own only node 0 does, and nothing nets any more: let them share their nodes.
    inner
        The five inner nodes, rising [1e-4 PSR].
    """

    psr: int
    vol_up: int
    vol_down: int
    scale: Scale = FINE
    look_ahead: int = DAY
    tenor_power: int = 300_000
    tenor_cap: int = 3_000_000
    common: int = LANES
    inner: tuple[int, ...] = INNER

    def __post_init__(self) -> None:
        if not 0 < self.psr <= PPM:
            raise ScenarioError(f"scan range {self.psr} ppm; above 0, at most {PPM} is right")
        if not 0 <= self.vol_up <= 10 * PPM:
            raise ScenarioError(f"volatility up {self.vol_up} ppm; 0 .. {10 * PPM} is right")
        if not 0 <= self.vol_down < PPM:
            raise ScenarioError(f"volatility down {self.vol_down} ppm; 0 .. {PPM - 1} is right")
        if self.scale not in {FINE, COARSE}:
            raise ScenarioError(f"scale {self.scale}; {FINE} or {COARSE} is right")
        if self.look_ahead < 0 or not 0 <= self.tenor_power <= PPM or self.tenor_cap < PPM:
            raise ScenarioError("look-ahead at least 0, tenor power 0 .. 1, tenor cap at least 1 is right")
        if not 1 <= self.common <= LANES:
            raise ScenarioError(f"{self.common} common lanes; 1 .. {LANES} is right")
        steps = (0, *self.inner, NODE_UNIT)
        if len(self.inner) != len(INNER) or any(near >= far for near, far in pairwise(steps)):
            raise ScenarioError(f"inner nodes {self.inner}; five that rise between 0 and {NODE_UNIT} are right")

    def at_scale(self, scale: Scale) -> ScenarioSet:
        """The same scenarios in another lane unit."""
        return replace(self, scale=scale)

    @property
    def nodes(self) -> tuple[int, ...]:
        """Nodes as a header states them [1e-4 PSR]."""
        return (0, *(sign * step for step in (*self.inner, NODE_UNIT) for sign in (1, -1)))

    @property
    def extremes(self) -> tuple[int, ...]:
        """Extremes as a header states them [1e-2 PSR]."""
        return EXTREMES

    @property
    def damps(self) -> tuple[int, int, int]:
        """Shares of the extremes as a header states them [1e-2]."""
        return DAMPS

    @property
    def unit(self) -> float:
        """The lane unit as a fraction of the index price."""
        return self.scale * LANE_PPM / PPM

    @property
    def set_id(self) -> int:
        """Eight bytes of keccak over everything that gives a lane its meaning [u64]."""
        fields = (
            (VERSION, 1),
            *((node % 2**16, 2) for node in self.nodes),
            (self.psr, 4),
            (self.vol_up, 4),
            (self.vol_down, 4),
            *((extreme, 2) for extreme in EXTREMES),
            *((damp, 2) for damp in DAMPS),
            (self.scale, 1),
            (self.common, 1),
            (self.look_ahead, 5),
            (self.tenor_power, 4),
            (self.tenor_cap, 4),
        )
        return int.from_bytes(keccak(b"".join(value.to_bytes(size, "big") for value, size in fields))[:8], "big")

    @property
    def node_moves(self) -> FloatArray:
        """Relative price moves of the 13 nodes, shape (13,), in lane order."""
        return np.array(self.nodes, dtype=np.float64) * self.psr / (NODE_UNIT * PPM)

    @property
    def extreme_moves(self) -> FloatArray:
        """Relative price moves of lanes 26 .. 31, shape (6,), none below -1: a price stops at zero."""
        steps = np.array([sign * extreme for extreme in EXTREMES for sign in (1, -1)], dtype=np.float64)
        return np.maximum(steps * self.psr / (EXTREME_UNIT * PPM), -1.0)

    @property
    def damping(self) -> FloatArray:
        """Share of the profit or loss of lanes 26 .. 31 that counts, shape (6,)."""
        return np.repeat(np.array(DAMPS, dtype=np.float64) / EXTREME_UNIT, 2)

    @property
    def linear_pnl(self) -> FloatArray:
        """Profit or loss of one unit of the index itself in each lane, shape (32,), fraction of the index."""
        return np.concatenate((np.repeat(self.node_moves, 2), self.damping * self.extreme_moves))

    @property
    def linear_lanes(self) -> tuple[int, ...]:
        """`linear_pnl` in lane units, by integers: node x PSR, half a unit away from zero."""
        unit = self.scale * LANE_PPM
        lanes = []
        for node in self.nodes:
            lanes += [_half_away(node * self.psr, NODE_UNIT * unit)] * 2
        for extreme, damp in zip(EXTREMES, DAMPS, strict=True):
            up = extreme * self.psr
            down = min(up, EXTREME_UNIT * PPM)
            lanes.append(_half_away(up * damp, EXTREME_UNIT**2 * unit))
            lanes.append(_half_away(-down * damp, EXTREME_UNIT**2 * unit))
        return tuple(lanes)

    def tenor_factor(self, tau: FloatArray) -> FloatArray:
        """By how much the volatility shifts of an expiry exceed those at 30 days.

        Parameters
        ----------
        tau
            Time to expiry [years of 365 days], shape (n,).

        Returns
        -------
        numpy.ndarray
            min(cap, (30 / max(days, 1))^power), shape (n,): the shape of Deribit's and Derive's rules.
        """
        days = np.maximum(tau * 365, 1.0)
        found: FloatArray = np.minimum(exp(log(TENOR_DAYS / days) * (self.tenor_power / PPM)), self.tenor_cap / PPM)
        return found

    def shifted(self, volatility: FloatArray, tau: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Volatilities up and down, shape (n,) each [1 a year]; down stops at a twentieth of what it was."""
        factor = self.tenor_factor(tau)
        up = volatility * (1 + factor * self.vol_up / PPM)
        down = volatility * np.maximum(1 - factor * self.vol_down / PPM, 0.05)
        return up, down


def _half_away(numerator: int, denominator: int) -> int:
    """Nearest integer, halves away from zero: the array of the short is exactly the negative of the long's."""
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return magnitude if numerator >= 0 else -magnitude

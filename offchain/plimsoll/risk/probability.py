"""How probable it is that an account falls under MM within the horizon: whom a keeper looks at first.

Filtered historical simulation of whole paths (Barone-Adesi, Giannopoulos, Vosper, Journal of Futures Markets 19,
1999): what past hours did, in units of the volatility that was forecast for them, all underlyings together, so that
what fell together falls together here; multiplied by today's forecast. Along each path the account's profit is read off
its lanes, options decay by their theta, and it fails where its loss exceeds its headroom E_h - MM at any look:

    p  =  share of paths whose worst loss is above the headroom
    p  =  m / W (L / headroom)^3      beyond L, the m-th largest of W worst losses: a tail that falls as the third power

so that p falls with the headroom, is never 0 for who can lose, and puts the far ones in order too.

Between the nodes lanes are interpolated; profit at a node is the mean of volatility up and down, less what it is where
no price moves. Extremes are read undamped. MM itself stays what it is on the way. What that leaves out, `calibrate`
measures on outcomes: a logistic curve of the log odds (Platt, Advances in Large Margin Classifiers, 1999), which keeps
the order.

For an order of work, not for reports: nothing that is posted depends on it, and no keeper asks it yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from plimsoll.market.bars import FloatArray, IntArray
from plimsoll.risk.errors import ModelError, TooFewObservationsError
from plimsoll.risk.screen import NO_ROW, Books, Rows, Screened, Table
from plimsoll.spec.instruments import unpack
from plimsoll.spec.surface import LANES, Surface
from plimsoll.spec.wad import LANE_UNIT, PPM

NODE_UNIT: Final = 10**4
EXTREME_UNIT: Final = 10**2
THETA: Final = 8  # its column in `Table.row`
TAIL_RANK: Final = 10  # of the loss from which the tail is a power
TAIL_POWER: Final = 3.0
NEEDED: Final = 100  # paths
MOST: Final = 2_000  # paths, of what is known
LEAST_P: Final = 1e-6  # log odds of less are those of this
ROUNDS: Final = 100
PART: Final = 2**22  # numbers held at once


@dataclass(frozen=True, eq=False)
class Curve:
    """How lanes of one underlying become profit at rising relative moves.

    Parameters
    ----------
    moves
        Shape (K,), rising strictly.
    weights
        Shape (32, K): lanes times these are profit at the moves.
    """

    moves: FloatArray
    weights: FloatArray

    def at(self, moves: FloatArray) -> tuple[IntArray, FloatArray]:
        """The knot below each move and the weight of the one above it; beyond the ends the last slope goes on."""
        low = np.clip(np.searchsorted(self.moves, moves) - 1, 0, len(self.moves) - 2)
        share = (moves - self.moves[low]) / (self.moves[low + 1] - self.moves[low])
        return low, share


def curve_of(surface: Surface) -> Curve:
    """The curve of the scenarios that a surface's header states.

    Raises
    ------
    ModelError
        Its damps, nodes or scan range make no curve.
    """
    if surface.psr == 0 or 0 in surface.damps or 0 not in surface.nodes:
        raise ModelError(f"scan range {surface.psr}, damps {surface.damps}: above 0, and a node at 0, are right")
    places: dict[float, FloatArray] = {}
    count = len(surface.nodes)
    middle = surface.nodes.index(0)
    for k, node in enumerate(surface.nodes):
        column = np.zeros(LANES)
        column[[2 * k, 2 * k + 1]] += 0.5
        column[[2 * middle, 2 * middle + 1]] -= 0.5
        places[node * surface.psr / (NODE_UNIT * PPM)] = column
    for k, (extreme, damp) in enumerate(zip(surface.extremes, surface.damps, strict=True)):
        for side, sign in enumerate((1, -1)):
            column = np.zeros(LANES)
            column[2 * count + 2 * k + side] = EXTREME_UNIT / damp
            column[2 * middle] -= 1.0
            places.setdefault(max(sign * extreme * surface.psr / (EXTREME_UNIT * PPM), -1.0), column)
    moves = sorted(places)
    return Curve(np.array(moves), np.column_stack([places[move] for move in moves]))


def lanes_of(table: Table, books: Books, accounts: npt.ArrayLike) -> FloatArray:
    """Profit of some accounts in every lane of every underlying [quote currency], shape (A, U, 32).

    Raises
    ------
    ModelError
        An account that is not there, or that holds what the table lacks.
    """
    found = []
    for rows, quantities in _held(books, accounts):
        units = quantities * table.row[rows, 0] * table.market[table.underlying[rows], 0] / LANE_UNIT
        lanes = np.zeros((len(table.market), LANES))
        np.add.at(lanes, table.underlying[rows], units[:, None] * table.lanes[rows])
        found.append(lanes)
    return np.array(found).reshape(-1, len(table.market), LANES)


def decay_of(table: Table, books: Books, accounts: npt.ArrayLike) -> FloatArray:
    """What some accounts gain in a day in which no price moves [quote currency], by theta, shape (A,).

    Raises
    ------
    ModelError
        As `lanes_of`.
    """
    found = []
    for rows, quantities in _held(books, accounts):
        found.append(float(np.sum(quantities * table.row[rows, THETA])))
    return np.array(found)


def _held(books: Books, accounts: npt.ArrayLike) -> Iterator[tuple[Rows, FloatArray]]:
    """Rows and quantities of some accounts."""
    for account in np.asarray(accounts, dtype=np.int64).tolist():
        if not 0 <= account < len(books.ledgers):
            raise ModelError(f"account {account}; 0 .. {len(books.ledgers) - 1} is right")
        part = slice(books.starts[account], books.starts[account + 1])
        if np.any(books.rows[part] == NO_ROW):
            raise ModelError(f"account {account} holds what the table lacks: assess it exactly")
        yield books.rows[part], books.quantities[part]


def starts_of(first: int, last: int, steps: int, most: int = MOST) -> IntArray:
    """Closes from which a whole path is known at close `last`, `most` of them evenly from `first` on.

    Raises
    ------
    TooFewObservationsError
        There are fewer than 100.
    """
    count = last - steps - first + 1
    if count < NEEDED:
        raise TooFewObservationsError("paths", max(count, 0), NEEDED)
    return first + np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def residual_paths(logs: FloatArray, volatility: FloatArray, starts: IntArray, steps: int) -> FloatArray:
    """Paths from each start, in units of the volatility that was forecast there.

    Parameters
    ----------
    logs
        Logarithms of the prices at closes, shape (n, U).
    volatility
        Forecast for the whole horizon at these closes, shape (n, U).
    starts
        Closes, shape (W,).
    steps
        Looks in a horizon, a bar apart.

    Returns
    -------
    numpy.ndarray
        Shape (W, steps, U).

    Raises
    ------
    ModelError
        Shapes differ, a path ends after the last close, or a forecast is no positive number.
    """
    if logs.shape != volatility.shape or logs.ndim != 2 or steps < 1 or np.any(starts + steps >= len(logs)):
        raise ModelError(
            f"closes {logs.shape}, forecasts {volatility.shape}, {steps} steps: one of each a close is right"
        )
    scale = volatility[starts]
    if not np.all(scale > 0):
        raise ModelError("a forecast is no positive number where a path starts")
    ahead = logs[starts[:, None] + np.arange(1, steps + 1)]
    found: FloatArray = (ahead - logs[starts][:, None]) / scale[:, None]
    return found


def moves_of(paths: FloatArray, volatility: FloatArray) -> FloatArray:
    """Relative moves along residual paths, shape (W, steps, U), at today's forecast for the horizon, shape (U,)."""
    found: FloatArray = np.expm1(paths * volatility)
    return found


def worst_losses(
    lanes: FloatArray, curves: Sequence[Curve], moves: FloatArray, decay: FloatArray | None = None
) -> FloatArray:
    """The largest loss along each path, below zero where it is never under water; shape (A, W).

    Parameters
    ----------
    lanes
        Of accounts, shape (A, U, 32) [quote currency].
    curves
        Of the underlyings, U of them.
    moves
        Shape (W, steps, U).
    decay
        Profit of accounts over the horizon where no price moves, shape (A,); none where None.

    Raises
    ------
    ModelError
        Shapes differ.
    """
    windows, steps, underlyings = moves.shape
    if lanes.shape[1:] != (underlyings, LANES) or len(curves) != underlyings:
        raise ModelError(
            f"lanes {lanes.shape}, {len(curves)} curves, moves {moves.shape}: as many underlyings are right"
        )
    places = [curve.at(moves[:, :, u].reshape(-1)) for u, curve in enumerate(curves)]
    knots = [lanes[:, u] @ curve.weights for u, curve in enumerate(curves)]
    found = np.empty((len(lanes), windows))
    size = max(1, PART // (windows * steps))
    for start in range(0, len(lanes), size):
        part = slice(start, start + size)
        profit = np.zeros((len(found[part]), windows * steps))
        for (low, share), values in zip(places, knots, strict=True):
            held = values[part]
            if held.any():
                profit += held[:, low] * (1 - share) + held[:, low + 1] * share
        looks = profit.reshape(-1, windows, steps)
        if decay is not None:
            looks += decay[part, None, None] * (np.arange(1, steps + 1) / steps)
        found[part] = -looks.min(axis=2)
    return found


def probability(headroom: FloatArray, losses: FloatArray) -> FloatArray:
    """Probability of falling under MM within the horizon, shape (A,); it never rises with the headroom.

    Parameters
    ----------
    headroom
        E_h - MM of accounts [quote currency], shape (A,); who is under MM already has 1, and who was not screened.
    losses
        As `worst_losses` gives them, shape (A, W).

    Raises
    ------
    ModelError
        Shapes differ, or there are fewer paths than the tail needs.
    """
    if losses.ndim != 2 or headroom.shape != losses.shape[:1] or losses.shape[1] <= TAIL_RANK:
        raise ModelError(
            f"headroom {headroom.shape}, losses {losses.shape}: a row each, over {TAIL_RANK} paths, is right"
        )
    windows = losses.shape[1]
    share = np.mean(losses > headroom[:, None], axis=1)
    far = np.partition(losses, windows - TAIL_RANK, axis=1)[:, windows - TAIL_RANK]
    beyond = (headroom > far) & (headroom > 0)
    ratio = np.where(beyond, np.maximum(far, 0.0) / np.where(beyond, headroom, 1.0), 1.0)
    found: FloatArray = np.where(beyond, TAIL_RANK / windows * ratio**TAIL_POWER, share)
    return np.where((headroom < 0) | np.isnan(headroom), 1.0, found)


@dataclass(frozen=True, eq=False)
class Outlook:
    """How the market may go from now: a curve an underlying of a table, moves (W, steps, U), the horizon in days."""

    curves: tuple[Curve, ...]
    moves: FloatArray
    days: float

    @classmethod
    def of(
        cls,
        table: Table,
        surfaces: Mapping[tuple[int, int], Surface],
        paths: FloatArray,
        volatility: FloatArray,
        days: float,
    ) -> Outlook:
        """The outlook of a table's underlyings, in their order.

        Parameters
        ----------
        table
            As screened.
        surfaces
            (underlying, expiry) -> surface, as its view has them; all of an underlying share their scenarios.
        paths
            As `residual_paths` gives them, underlyings in the table's order.
        volatility
            Forecast for the horizon, shape (U,).
        days
            The horizon.

        Raises
        ------
        ModelError
            Paths or forecasts are of another number of underlyings.
        """
        keys = sorted({unpack(key).underlying for key in table.ids})
        if paths.ndim != 3 or paths.shape[2] != len(keys) or volatility.shape != (len(keys),):
            raise ModelError(f"paths {paths.shape}, forecasts {volatility.shape}: {len(keys)} underlyings are right")
        headers = {underlying: surface for (underlying, _), surface in surfaces.items()}
        return cls(tuple(curve_of(headers[key]) for key in keys), moves_of(paths, volatility), days)


def probabilities(table: Table, books: Books, found: Screened, accounts: npt.ArrayLike, outlook: Outlook) -> FloatArray:
    """Probability that accounts fall under MM within the horizon, shape (A,); 1 for who was not screened.

    Parameters
    ----------
    table, books, found
        What was screened, and what came of it.
    accounts
        Which: `worst_first` says whom it is worth it for.
    outlook
        The market's.

    Raises
    ------
    ModelError
        An account is not there, or shapes differ.
    """
    chosen = np.asarray(accounts, dtype=np.int64)
    if np.any((chosen < 0) | (chosen >= len(books.ledgers))):
        raise ModelError(f"accounts of 0 .. {len(books.ledgers) - 1} are right")
    known = ~np.isnan(found.headroom[chosen])
    answer = np.ones(len(chosen))
    some = chosen[known]
    decay = decay_of(table, books, some) * outlook.days
    losses = worst_losses(lanes_of(table, books, some), outlook.curves, outlook.moves, decay)
    answer[known] = probability(found.headroom[some], losses)
    return answer


def likeliest_first(probabilities: FloatArray, headroom: FloatArray) -> IntArray:
    """Accounts in the order to look at them: the most probable first, among equals the least headroom."""
    order: IntArray = np.lexsort((headroom, -probabilities))
    return order


@dataclass(frozen=True, slots=True)
class Calibration:
    """What of predicted log odds is true: intercept + slope x log odds. The default changes nothing."""

    intercept: float = 0.0
    slope: float = 1.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.intercept) and 0 < self.slope < np.inf):
            raise ModelError(f"calibration {self.intercept}, {self.slope}; finite, a slope above 0, is right")

    def __call__(self, probabilities: FloatArray) -> FloatArray:
        """The calibrated probabilities, in the same order; 1 stays 1, who is under MM already."""
        found = 1 / (1 + np.exp(-(self.intercept + self.slope * log_odds(probabilities))))
        return np.where(probabilities >= 1, 1.0, found)


def log_odds(probabilities: FloatArray) -> FloatArray:
    """ln(p / (1 - p)), of p within a millionth of 0 and 1."""
    inside = np.clip(probabilities, LEAST_P, 1 - LEAST_P)
    found: FloatArray = np.log(inside / (1 - inside))
    return found


def calibrate(predicted: FloatArray, happened: npt.NDArray[np.bool_], prior: float = 0.1) -> Calibration:
    """The most likely calibration of predictions below 1, by Newton's method.

    Parameters
    ----------
    predicted, happened
        Shape (n,).
    prior
        Standard deviation of what is believed beforehand: that intercept 0 and slope 1 are right. Outcomes that share a
        market say less than as many that do not, so that a year of them shall not turn everything over.

    Raises
    ------
    TooFewObservationsError
        Fewer than 100 predictions.
    ModelError
        Nothing or everything happened, what was predicted says nothing of it, or `prior` is not above 0.
    """
    if not prior > 0:
        raise ModelError(f"prior {prior}; above 0 is right")
    below = predicted < 1
    odds, truth = log_odds(predicted[below]), happened[below].astype(np.float64)
    if len(odds) < NEEDED:
        raise TooFewObservationsError("calibration", len(odds), NEEDED)
    if truth.min() == truth.max():
        raise ModelError(f"all {len(truth)} outcomes are alike; some of both are right")
    design = np.column_stack((np.ones(len(odds)), odds))
    believed = np.array([0.0, 1.0])
    beta, belief = believed, np.eye(2) / prior**2
    for _ in range(ROUNDS):
        fitted = 1 / (1 + np.exp(-(design @ beta)))
        weight = np.maximum(fitted * (1 - fitted), 1e-12)
        slope = design.T @ (truth - fitted) - belief @ (beta - believed)
        step = np.linalg.solve(design.T @ (weight[:, None] * design) + belief, slope)
        largest = float(np.max(np.abs(step)))
        beta = beta + step * min(1.0, 2.0 / largest if largest else 1.0)  # far from the top a whole step may overshoot
        if largest < 1e-10:
            break
    if not beta[1] > 0:
        raise ModelError(f"predictions run against what happened: slope {beta[1]:.3g}; above 0 is right")
    return Calibration(float(beta[0]), float(beta[1]))

"""Risk arrays: every listed instrument of one underlying under the 32 scenarios, first in floats, then in integers.

Everything here is a fraction of the underlying's index price. `revalue` prices, `quantise` rounds: each lane to the
nearest unit, halves away from zero, so that for quantities q of instruments i the integer profit or loss of a lane
differs from the float one by at most

    sum |q_i| unit / 2        [x index price; unit = 1e-4 or 1e-5]

and so does the scan, which is the worst of the lanes. Nothing is cut off to fit: lanes beyond +-32.767 % are posted in
the coarse unit, lanes beyond +-327.67 % are refused.

The gross charge pays, by kind, for what lanes cannot see. With D the absolute delta of one unit:

    PERP       basis + spread + rounding
    FUTURE     basis + |forward - 1| PSR + spread + rounding
    CALL, PUT  max(sqrt(basis^2 + skew^2 + term^2) + gap, between) + D spread + vega vol spread + rounding

    basis      the forward moves against the index and against other expiries by max(basis floor, basis_share x PSR +
               carry sqrt(years)): the more the wilder the market, and with the square root of the tenor, since the
               yearly carry of a near expiry moves more than that of a far one. The floor is for what expires: of two
               legs that can come apart one at least does. An option's is its price at the moved forward
    skew       the smile turns around the money by max(skew floor, skew_share x the volatility-up shift): the whole of
               it at one standard deviation and beyond, less within
    term       one expiry's volatility moves against the others' by max(term floor, term_share x the shift)
    |forward - 1| PSR   a future's lane is node x PSR exactly, while its price moves with the forward
    gap        how far below the straight line between two neighbouring nodes the instrument's value can lie. A lane
               sum is exact on the nodes; between them a book loses at most what the line through them says plus
               sum |q| gap. So, at the set's two volatilities, no price inside the scan range costs a book more than
               its scan and this charge
    between    the same where volatility lies between the set's two as well and no time has passed: how far from the
               plane through the four neighbouring lanes the value lies
    spread     half the distance between bid and ask, in price or in volatility x vega: the cost to close
    rounding   one lane unit, twice what rounding can hide

Basis, skew and term structure each move on their own, so together they are charged as independent moves are, by the
root of their squares: any mixture a, b, c of them with a^2 + b^2 + c^2 <= 1 is covered, whatever the pattern over
maturities. `plimsoll.risk.adversary` looks for a book that proves otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from plimsoll.market.bars import FloatArray
from plimsoll.market.portable import log
from plimsoll.market.snapshot import Market
from plimsoll.risk import black
from plimsoll.risk.errors import LaneRangeError, ListingError, ModelError
from plimsoll.risk.rounding import IntArray, nearest, nearest_int, upward
from plimsoll.risk.scenarios import (
    COARSE,
    FINE,
    LANE_PPM,
    MAX_LANE,
    NODE_LANES,
    Scale,
    ScenarioSet,
)
from plimsoll.spec.instruments import CALL, FUTURE, PUT, SPOT, Instrument
from plimsoll.spec.surface import LANES, MAX_ROWS, Row
from plimsoll.spec.wad import FORWARD_UNIT, MARK_UNIT, PPM, YEAR, div_up, mul_div_down

# A mark has 1e-12 of the index in its field but is rounded to 1e-9, which is less than any price's last digit, so that
# implementations with other logarithms agree on it too (`plimsoll.risk.rounding`).
MARK_GRAIN: Final = 1_000
GAP_PARTS: Final = 4  # each stretch between nodes is looked at in quarters
BETWEEN: Final = (0.0, 0.25, 0.5, 0.75)  # and volatility on the way from down to up likewise; up is a lane
# The gap between chord and curve is concave; its peak is at most 4/3 of the highest of three inner quarter points.
GAP_BOUND: Final = 4 / 3
THETA_UNIT: Final = 1e-7
BLOCK: Final = 64  # points of the smile that are priced at a time
NODE_EXTREMES: Final = LANES - NODE_LANES
UP, DOWN, STILL, TOMORROW, INSIDE = range(5)  # places in `_totals`
TURNED: Final = INSIDE + len(BETWEEN)
DAY_YEARS: Final = 1 / 365


@dataclass(frozen=True, slots=True)
class SpotTerms:
    """What is special about one collateral token.

    Parameters
    ----------
    asymmetry
        Share by which it loses more and gains less than the index: a wrapped or staked token trades at par at best.
    haircut_floor
        Least haircut [1].
    """

    asymmetry: float = 0.0
    haircut_floor: float = 0.01

    def __post_init__(self) -> None:
        if not (0 <= self.asymmetry < 1 and 0 <= self.haircut_floor < 1):
            raise ModelError("asymmetry and haircut floor of a token lie in [0, 1)")


@dataclass(frozen=True, slots=True)
class ArrayConfig:
    """Parameters of the revaluation. All are fractions unless said otherwise.

    Parameters
    ----------
    basis_share
        Move of a derivative's basis, as a share of the PSR.
    basis_floor
        Least move of a forward against the index and against other forwards.
    carry
        Move of a forward a year away against the index.
    spread
        Half spread of perpetuals and futures.
    vol_spread
        Half spread of options [volatility, 1 a year].
    skew_share, term_share
        Turn of the smile, and move of one expiry's volatility against the others', as shares of the volatility-up
        shift.
    skew_floor, term_floor
        Least such moves [volatility, 1 a year].
    haircut_share
        Haircut of collateral as a share of the PSR, above its floor: the PSR is the move of a liquidation horizon, the
        share of it that a seller of the collateral meets beside the scan.
    bump
        Move of the index over which delta and gamma are measured. The mark that a contract draws through them is exact
        at the reference and a bump to either side; let it be the move gate.
    spot
        Terms of collateral tokens by instrument id; `SpotTerms()` for others.
    """

    basis_share: float = 0.02
    basis_floor: float = 0.01
    carry: float = 0.01
    spread: float = 0.0002
    vol_spread: float = 0.015
    skew_share: float = 0.10
    skew_floor: float = 0.05
    term_share: float = 0.06
    term_floor: float = 0.03
    haircut_share: float = 0.25
    bump: float = 0.01
    spot: Mapping[int, SpotTerms] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shares = ("basis_share", "skew_share", "term_share", "haircut_share")
        moves = ("basis_floor", "carry", "spread", "vol_spread", "skew_floor", "term_floor")
        for name in (*shares, *moves):
            if not 0 <= getattr(self, name) <= 1:
                raise ModelError(f"{name} {getattr(self, name)}; 0 .. 1 is right")
        if not 0 < self.bump <= 0.1:
            raise ModelError(f"bump {self.bump}; above 0, at most 0.1 is right")

    def basis_move(self, psr: float, tau: FloatArray) -> FloatArray:
        """Relative move of forwards that are `tau` years away, shape (n,), at a scan range `psr` [1]."""
        found: FloatArray = np.maximum(self.basis_floor, self.basis_share * psr + self.carry * np.sqrt(tau))
        return found


DEFAULT_CONFIG: Final = ArrayConfig()


@dataclass(frozen=True, slots=True, eq=False)
class Revaluation:
    """One underlying's instruments in floats; n rows in the order of `instruments`.

    Shapes: `pnl` (n, 32), all else (n,). Units: fractions of the index price for one long unit; `delta` per relative
    move of the index, `gamma` per relative move, squared, `vega` per 1.00 of volatility, `theta` for the next day.
    `gross` does not yet hold the rounding; for SPOT it is the haircut.
    """

    instruments: tuple[Instrument, ...]
    scenarios: ScenarioSet
    reference: int
    strike_unit: int
    forwards: Mapping[int, int]
    pnl: FloatArray
    mark: FloatArray
    delta: FloatArray
    gamma: FloatArray
    vega: FloatArray
    theta: FloatArray
    gross: FloatArray
    exact: npt.NDArray[np.bool_]  # (n,): the lanes are the linear ones, to the unit

    def scan(self, quantities: FloatArray) -> float:
        """Worst loss of a book over the lanes in floats, 0 or more, as a fraction of the index price.

        Parameters
        ----------
        quantities
            Contracts, long positive, shape (n,).
        """
        return max(0.0, -float(np.min(quantities @ self.pnl)))


def forward_ratios(market: Market) -> dict[int, int]:
    """Forward of each listed expiry in 1e-9 of the index, the integer that a header states; 1e9 where none is known.

    Raises
    ------
    LaneRangeError
        A forward does not fit the header's 32 bits.
    """
    found = {}
    for expiry in sorted({item.expiry for item in market.listed}):
        price = market.forwards.get(expiry) if expiry else None
        ratio = FORWARD_UNIT if price is None else nearest_int(price / market.index * FORWARD_UNIT)
        if not 0 < ratio < 2**32:
            raise LaneRangeError(f"expiry {expiry}: forward {price} is {ratio}e-9 of the index; below 2**32 is right")
        found[expiry] = ratio
    return found


def revalue(
    market: Market, scenarios: ScenarioSet, now: int, volatility: float, config: ArrayConfig = DEFAULT_CONFIG
) -> Revaluation:
    """Mark, Greeks, gross charge and profit or loss in each lane, of all that is listed on one underlying.

    Parameters
    ----------
    market
        The underlying.
    scenarios
        What the lanes mean.
    now
        Market time [unix s].
    volatility
        Of options that nobody quotes [1 a year].
    config
        Parameters.

    Raises
    ------
    ListingError
        An instrument has expired.
    PricingError, LaneRangeError
        An input is out of range.
    """
    items = market.listed
    n = len(items)
    forwards = forward_ratios(market)
    psr = scenarios.psr / PPM
    pnl = np.zeros((n, LANES))
    mark, delta, gamma, vega, theta, gross = (np.zeros(n) for _ in range(6))
    exact = np.zeros(n, dtype=np.bool_)
    linear = scenarios.linear_pnl
    ended = [item for item in items if item.expiry and item.expiry <= now]
    if ended:
        raise ListingError(f"{ended[0]} expired by {now}; leave its expiry out of the snapshot")
    options = [i for i, item in enumerate(items) if item.kind == CALL or item.kind == PUT]  # noqa: PLR1714 - in a loop
    others = set(range(n)).difference(options)
    for i in sorted(others):
        item, instrument = items[i], market.instruments[i]
        forward = forwards[item.expiry] / FORWARD_UNIT
        own = market.marks.get(instrument)
        mark[i] = forward if own is None else own / market.index
        if mark[i] > 2:
            raise LaneRangeError(
                f"{item} is worth {mark[i]:.3f} of the index; contracts cap it at 2: give it an underlying of its own"
            )
        if item.kind == SPOT:
            terms = config.spot.get(instrument, SpotTerms())
            worth = mark[i]
            moved = worth * np.where(linear < 0, linear * (1 + terms.asymmetry), linear * (1 - terms.asymmetry))
            pnl[i] = np.maximum(moved, -worth)  # it loses no more than it is worth
            delta[i] = worth
            gross[i] = min(terms.haircut_floor + config.haircut_share * psr * (1 + terms.asymmetry), 1.0)
            exact[i] = worth == 1.0 and terms.asymmetry == 0.0
            continue
        pnl[i] = linear
        delta[i] = forward
        gross[i] = config.basis_share * psr + config.spread
        if item.kind == FUTURE:
            moved = float(config.basis_move(psr, np.array([(item.expiry - now) / YEAR]))[0])
            gross[i] = forward * moved + abs(forward - 1) * psr + config.spread
        exact[i] = True
    if options:
        rows = np.array(options)
        part = _options(market, scenarios, now, volatility, config, rows, forwards)
        for whole, values in zip((pnl, mark, delta, gamma, vega, theta, gross), part, strict=True):
            whole[rows] = values
    return Revaluation(
        items,
        scenarios,
        market.reference,
        market.strike_unit,
        forwards,
        pnl,
        mark,
        delta,
        gamma,
        vega,
        theta,
        gross,
        exact,
    )


def _options(
    market: Market,
    scenarios: ScenarioSet,
    now: int,
    volatility: float,
    config: ArrayConfig,
    rows: npt.NDArray[np.int64],
    forwards: Mapping[int, int],
) -> tuple[FloatArray, ...]:
    """Lanes (m, 32), mark, delta, gamma, vega, theta, gross (m,) of the options at `rows`.

    Call and put of one expiry, strike and volatility are one smile point: the formula runs once for both, on some
    points at a time, so that what it works on stays in the processor's cache.
    """
    items = [market.listed[i] for i in rows]
    ids = [market.instruments[i] for i in rows]
    points: dict[tuple[int, int, float], int] = {}
    vols = market.implied_vols
    keys = [(item.expiry, item.strike, vols.get(i, volatility)) for item, i in zip(items, ids, strict=True)]
    of = np.array([points.setdefault(key, len(points)) for key in keys])
    call = np.array([item.kind == CALL for item in items])
    quoted = np.full(len(items), np.nan)
    if market.marks:
        quoted = np.array([market.marks.get(i, np.nan) for i in ids]) / market.index
    smile = _Smile.of(list(points), scenarios, now, config, forwards, market.strike_unit / market.reference)
    columns = _columns(scenarios, config)
    forward = _forwards(smile, columns.moves)
    logs, totals = log(forward / smile.strike[:, None]), _totals(smile, scenarios.look_ahead)
    found = np.empty((len(items), LANES + 6))
    order = np.argsort(of, kind="stable")
    ends = np.searchsorted(of[order], np.arange(BLOCK, len(points) + BLOCK, BLOCK))
    for start, members in enumerate(np.split(order, ends[:-1])):
        block = slice(start * BLOCK, (start + 1) * BLOCK)
        prices = black.both(
            np.take(logs[block], columns.price, axis=1),
            np.take(totals[block], columns.total, axis=1),
            np.take(forward[block], columns.price, axis=1),
            smile.strike[block, None],
        )
        # calls first, then puts
        at = np.where(call[members], 0, len(prices[0])) + of[members] - start * BLOCK
        value = np.take(np.concatenate(prices), at, axis=0)
        found[members] = _row(value, smile, columns, scenarios, config, of[members], call[members], quoted[members])
    lanes, rest = found[:, :LANES], found[:, LANES:]
    return lanes, *rest.transpose()


@dataclass(frozen=True, slots=True, eq=False)
class _Smile:
    """Points of the smile, shape (n,) each: an expiry, a strike and a volatility; moves of `_moved` beside them."""

    forward: FloatArray
    strike: FloatArray
    tau: FloatArray
    sigma: FloatArray
    up: FloatArray
    down: FloatArray
    basis: FloatArray
    skew: FloatArray
    term: FloatArray
    vega: FloatArray

    @classmethod
    def of(
        cls,
        points: list[tuple[int, int, float]],
        scenarios: ScenarioSet,
        now: int,
        config: ArrayConfig,
        forwards: Mapping[int, int],
        unit: float,
    ) -> _Smile:
        """From (expiry, strike, volatility) and the `unit` of strikes as a fraction of the index."""
        forward = np.array([forwards[expiry] for expiry, _, _ in points]) / FORWARD_UNIT
        strike = np.array([strike for _, strike, _ in points], dtype=np.float64) * unit
        tau = np.array([expiry - now for expiry, _, _ in points]) / YEAR
        sigma = np.array([sigma for _, _, sigma in points])
        vega = black.vega(forward, strike, sigma, tau)  # first: it refuses what no price is defined for
        up, down = scenarios.shifted(sigma, tau)
        shift = up - sigma
        # standard deviations, at most 1
        out = np.minimum(np.abs(log(forward / strike)) / np.maximum(sigma * np.sqrt(tau), 1e-9), 1.0)
        return cls(
            forward,
            strike,
            tau,
            sigma,
            up,
            down,
            config.basis_move(scenarios.psr / PPM, tau),
            out * np.maximum(config.skew_floor, config.skew_share * shift),
            np.maximum(config.term_floor, config.term_share * shift),
            vega,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """What is priced of each point of a smile.

    `moves` (c,) of the price: the grid; the extremes; none, a bump down, up. Two more follow: the forward moved by the
    basis, down and up. `price` (k,) which of these a column prices, `total` (k,) at which of `_totals`.
    """

    moves: FloatArray
    price: npt.NDArray[np.int64]
    total: npt.NDArray[np.int64]
    grid: int  # points of the price grid
    place: npt.NDArray[np.int64]  # where lane-ordered nodes stand on it


def _columns(scenarios: ScenarioSet, config: ArrayConfig) -> _Columns:
    """The price grid at volatility up, down and between; extremes; now, a bump either way; tomorrow; moved."""
    order = np.argsort(scenarios.nodes)
    nodes = scenarios.node_moves[order]
    weight = np.arange(GAP_PARTS) / GAP_PARTS
    grid = np.append((nodes[:-1, None] + np.diff(nodes)[:, None] * weight).ravel(), nodes[-1])
    far = scenarios.extreme_moves
    here = len(grid) + len(far)
    whole = np.arange(len(grid))
    spans = (
        (whole, UP),
        (whole, DOWN),
        *((whole, INSIDE + k) for k in range(len(BETWEEN))),
        (np.arange(len(grid), here), UP),
        (np.arange(here, here + 3), STILL),
        (np.array([here]), TOMORROW),
        (np.array([here + 3, here + 4]), STILL),
        *((np.array([here]), TURNED + k) for k in range(4)),
    )
    return _Columns(
        np.concatenate((grid, far, np.array([0.0, -config.bump, config.bump]))),
        np.concatenate([span for span, _ in spans]),
        np.repeat(np.array([total for _, total in spans]), [len(span) for span, _ in spans]),
        len(grid),
        np.argsort(order) * GAP_PARTS,
    )


def _totals(smile: _Smile, look_ahead: int) -> FloatArray:
    """Volatility x sqrt(time), shape (n, 12): up; down, later; as it is; tomorrow; between; turned by skew and term."""
    spread = smile.up - smile.down
    now = np.sqrt(smile.tau)
    later = np.sqrt(np.maximum(smile.tau - look_ahead / YEAR, 0.0))
    tomorrow = np.sqrt(np.maximum(smile.tau - DAY_YEARS, 0.0))
    turned = [np.maximum(smile.sigma + sign * move, 0.0) for move in (smile.skew, smile.term) for sign in (-1.0, 1.0)]
    parts = [
        smile.up * now,
        smile.down * later,
        smile.sigma * now,
        smile.sigma * tomorrow,
        *((smile.down + part * spread) * now for part in BETWEEN),
        *(volatility * now for volatility in turned),
    ]
    return np.array(parts).transpose()


def _forwards(smile: _Smile, moves: FloatArray) -> FloatArray:
    """Forwards after each of the moves, and after the basis went down and up, shape (n, c + 2)."""
    apart = np.maximum(1 + np.array([[-1.0], [1.0]]) * smile.basis, 0.0).transpose()
    moved = np.concatenate((np.tile(1 + moves, (len(apart), 1)), apart), axis=1)
    found: FloatArray = smile.forward[:, None] * moved
    return found


def _row(
    value: FloatArray,
    smile: _Smile,
    columns: _Columns,
    scenarios: ScenarioSet,
    config: ArrayConfig,
    of: npt.NDArray[np.int64],
    call: npt.NDArray[np.bool_],
    quoted: FloatArray,
) -> FloatArray:
    """Lanes, mark, delta, gamma, vega, theta, gross of options, shape (m, 38).

    `value` (m, k) their prices in each column, `of` (m,) their points of the smile, `quoted` (m,) what they are marked
    at elsewhere, NaN for nowhere.
    """
    spans = np.cumsum([columns.grid] * (2 + len(BETWEEN)) + [NODE_EXTREMES, 3, 1])
    grid_up, grid_down, *inside, far, near, tomorrow, moved = np.split(value, spans, axis=1)
    base = near[:, 0]

    mark = np.where(np.isnan(quoted), base, quoted)
    # a quote may lie off the model: no lane may take more from a long than its mark, none bring more than there is
    bound = np.where(call, smile.forward[of] * (1 + scenarios.psr / PPM), smile.strike[of])
    mark = np.minimum(mark, np.maximum(bound - (np.max(grid_up, axis=1) - base), 0.0))
    floor = -mark[:, None]
    found = np.empty((len(of), LANES + 6))
    found[:, 0:NODE_LANES:2] = np.maximum(np.take(grid_up, columns.place, axis=1) - base[:, None], floor)
    found[:, 1:NODE_LANES:2] = np.maximum(np.take(grid_down, columns.place, axis=1) - base[:, None], floor)
    found[:, NODE_LANES:LANES] = scenarios.damping * np.maximum(far - base[:, None], floor)

    delta = (near[:, 2] - near[:, 1]) / (2 * config.bump)
    gamma = np.maximum((near[:, 2] + near[:, 1] - 2 * base) / (config.bump * config.bump), 0.0)
    vega = smile.vega[of]
    lines_up, lines_down = _chord(grid_up), _chord(grid_down)
    gap = np.maximum(_gap(lines_up, grid_up), _gap(lines_down, grid_down))
    between = np.zeros(len(of))
    for share, part in zip(BETWEEN, inside, strict=True):
        off = share * lines_up
        off += (1 - share) * lines_down
        np.subtract(part, off, out=off)
        between = np.maximum(between, np.abs(off, out=off).max(axis=1))
    gross = np.maximum(_moved(moved, base) + gap, between) + np.abs(delta) * config.spread + vega * config.vol_spread
    for column, values in enumerate((mark, delta, gamma, vega, tomorrow[:, 0] - base, gross), LANES):
        found[:, column] = values
    return found


def _moved(moved: FloatArray, base: FloatArray) -> FloatArray:
    """What basis, skew and term structure can cost one option, long or short, together as independent moves.

    `moved` (m, 6) its price after each, down and up, `base` (m,) as it is. The larger side of each is taken: a short
    option loses more by gamma than a long one.
    """
    off = np.abs(moved - base[:, None])
    worst = np.square(np.maximum(off[:, 0::2], off[:, 1::2]))
    found: FloatArray = np.sqrt(worst[:, 0] + worst[:, 1] + worst[:, 2])
    return found


def _chord(grid: FloatArray) -> FloatArray:
    """The straight lines between neighbouring nodes, where `grid` has its points; both (m, 12 GAP_PARTS + 1)."""
    nodes = grid[:, ::GAP_PARTS]
    found = np.empty(grid.shape)
    lines = found[:, :-1].reshape(len(grid), -1, GAP_PARTS)  # a view
    rises = (nodes[:, 1:] - nodes[:, :-1])[:, :, None]
    np.add(nodes[:, :-1, None], rises * (np.arange(GAP_PARTS) / GAP_PARTS), out=lines)
    found[:, -1] = nodes[:, -1]
    return found


def _gap(lines: FloatArray, grid: FloatArray) -> FloatArray:
    """Upper bound of chord less value between neighbouring nodes; both (m, 12 GAP_PARTS + 1), answer (m,).

    Values are convex in the forward, so chord less value is concave and not negative on each stretch, and zero at its
    ends; such a function peaks at no more than `GAP_BOUND` times its highest quarter point.
    """
    found: FloatArray = GAP_BOUND * np.maximum((lines - grid).max(axis=1), 0.0)
    return found


def fitting_scale(pnl: FloatArray) -> Scale:
    """The finer lane unit in which every lane fits 16 bits.

    Raises
    ------
    LaneRangeError
        Not even the coarse one does.
    """
    largest = float(np.max(np.abs(pnl), initial=0.0)) * PPM / LANE_PPM
    if not largest <= MAX_LANE * COARSE:  # a NaN is refused too
        raise LaneRangeError(f"a lane of {largest / 1e5:.4f} of the index; at most {MAX_LANE / 1e4} fits")
    return FINE if nearest_int(largest) <= MAX_LANE else COARSE


def quantise(revaluation: Revaluation) -> tuple[Row, ...]:
    """The rows of a surface, in the order of `revaluation.instruments`, in the lane unit of its scenarios.

    A linear row's lanes are node x PSR in exact integers. A mark stays inside the bounds that a contract clamps it to.

    Raises
    ------
    LaneRangeError
        A number does not fit its field.
    """
    scenarios = revaluation.scenarios
    lanes = nearest(revaluation.pnl / scenarios.unit)
    lanes[revaluation.exact] = scenarios.linear_lanes
    if np.any(np.abs(lanes) > MAX_LANE):
        raise LaneRangeError(f"a lane of {np.abs(lanes).max()} units does not fit 16 bits at scale {scenarios.scale}")
    marks = nearest(revaluation.mark * (MARK_UNIT // MARK_GRAIN)) * MARK_GRAIN
    rounding = scenarios.scale * LANE_PPM
    spot = np.array([item.kind == SPOT for item in revaluation.instruments], dtype=np.bool_)
    # up: a charge, and a haircut, err against the account
    gross = upward(revaluation.gross * PPM) + np.where(spot, 0, rounding)
    gross[spot] = np.minimum(gross[spot], PPM)
    fields = {
        "mark": (marks, 0, 2**48 - 1),
        "delta": (nearest(revaluation.delta * PPM), -(2**23), 2**23 - 1),
        "gamma": (nearest(revaluation.gamma * PPM), 0, 2**32 - 1),
        "vega": (nearest(revaluation.vega * PPM), 0, 2**24 - 1),
        "theta": (nearest(revaluation.theta / THETA_UNIT), -(2**23), 2**23 - 1),
        "gross": (gross, 0, 2**24 - 1),
    }
    _, *rest = fields.values()
    for name, (values, low, high) in fields.items():
        wrong = (values < low) | (values > high)
        if np.any(wrong):
            at = int(np.argmax(wrong))
            raise LaneRangeError(
                f"{revaluation.instruments[at]}: {name} {values[at]} does not fit its field, {low} .. {high}"
            )
    whole = zip(
        revaluation.instruments,
        lanes.tolist(),
        _bounded(revaluation, marks),
        *(f[0].tolist() for f in rest),
        strict=True,
    )
    return tuple(
        Row(item.kind, item.strike, tuple(lane), mark, delta, gamma, vega, theta, charge)
        for item, lane, mark, delta, gamma, vega, theta, charge in whole
    )


def _bounded(revaluation: Revaluation, marks: IntArray) -> list[int]:
    """Marks [1e-12 reference] inside the no-arbitrage bounds of `spec.margin.mark` at the reference price."""
    reference, unit = revaluation.reference, revaluation.strike_unit
    ahead = {expiry: mul_div_down(reference, ratio, FORWARD_UNIT) for expiry, ratio in revaluation.forwards.items()}
    found = []
    for item, mark in zip(revaluation.instruments, marks.tolist(), strict=True):
        kind = item.kind
        low, high = 0, 2 * reference
        if kind == CALL:
            high = ahead[item.expiry]
            low = high - item.strike * unit
        elif kind == PUT:
            high = item.strike * unit
            low = high - ahead[item.expiry]
        worth = mark * reference
        if worth < low * MARK_UNIT:
            found.append(div_up(low * MARK_UNIT, reference))
        elif worth > high * MARK_UNIT:
            found.append(mul_div_down(high, MARK_UNIT, reference))
        else:
            found.append(mark)
    return found


def by_expiry(revaluation: Revaluation, rows: tuple[Row, ...]) -> dict[int, tuple[Row, ...]]:
    """Rows by expiry, each in the order of the row numbers in the ids.

    Raises
    ------
    ListingError
        Row numbers of an expiry have a gap or repeat, or there are too many.
    """
    found: dict[int, dict[int, Row]] = {}
    for item, row in zip(revaluation.instruments, rows, strict=True):
        surface = found.setdefault(item.expiry, {})
        if item.row in surface:
            raise ListingError(f"underlying {item.underlying}, expiry {item.expiry}: row {item.row} is given twice")
        surface[item.row] = row
    ordered = {}
    for expiry, surface in sorted(found.items()):
        if len(surface) > MAX_ROWS:
            raise ListingError(f"expiry {expiry}: {len(surface)} rows; at most {MAX_ROWS} fit a surface")
        if max(surface) != len(surface) - 1:
            gone = min(set(range(max(surface))) - surface.keys())
            raise ListingError(f"expiry {expiry}: no instrument has row {gone}; 0 .. {len(surface) - 1} is right")
        ordered[expiry] = tuple(surface[number] for number in range(len(surface)))
    return ordered

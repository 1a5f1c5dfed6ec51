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
from plimsoll.risk.rounding import nearest, nearest_int, upward
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
    vol_spread: float = 0.01
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
    options = []
    for i, (instrument, item) in enumerate(zip(market.instruments, items, strict=True)):
        if item.expiry and item.expiry <= now:
            raise ListingError(f"{item} expired by {now}; leave its expiry out of the snapshot")
        if item.kind in {CALL, PUT}:
            options.append(i)
            continue
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
    """Lanes (m, 32), mark, delta, gamma, vega, theta, gross (m,) of the options at `rows`, the formula run once."""
    items = [market.listed[i] for i in rows]
    ids = [market.instruments[i] for i in rows]
    call = np.array([item.kind == CALL for item in items])
    forward = np.array([forwards[item.expiry] for item in items]) / FORWARD_UNIT
    unit = market.strike_unit / market.reference
    strike = np.array([item.strike for item in items], dtype=np.float64) * unit
    tau = np.array([item.expiry - now for item in items]) / YEAR
    sigma = np.array([market.implied_vols.get(i, volatility) for i in ids])
    up, down = scenarios.shifted(sigma, tau)
    later = np.maximum(tau - scenarios.look_ahead / YEAR, 0.0)

    # Columns: the price grid with volatility up; with volatility down; the extremes; now, a bump down, up; tomorrow;
    # the price grid at volatilities between down and up.
    order = np.argsort(scenarios.nodes)
    nodes = scenarios.node_moves[order]
    weight = np.arange(GAP_PARTS) / GAP_PARTS
    grid = np.append((nodes[:-1, None] + np.diff(nodes)[:, None] * weight).ravel(), nodes[-1])
    extremes = scenarios.extreme_moves
    here = np.array([0.0, -config.bump, config.bump, 0.0])
    moves = np.concatenate((grid, grid, extremes, here, np.tile(grid, len(BETWEEN))))
    spans = np.cumsum([len(grid), len(grid), len(extremes), 3, 1, *[len(grid)] * len(BETWEEN)])
    vols = np.empty((len(items), len(moves)))
    times = np.empty_like(vols)
    for start, end, vol, time in zip(
        (0, *spans[:-1]),
        spans,
        (up, down, up, sigma, sigma, *(down + part * (up - down) for part in BETWEEN)),
        (tau, later, tau, tau, np.maximum(tau - DAY_YEARS, 0.0), *[tau] * len(BETWEEN)),
        strict=True,
    ):
        vols[:, start:end] = vol[:, None]
        times[:, start:end] = time[:, None]
    value = black.price(call[:, None], forward[:, None] * (1 + moves), strike[:, None], vols, times)
    grid_up, grid_down, far, near, tomorrow, *inside = np.split(value, spans[:-1], axis=1)
    base = near[:, 0]

    quoted = np.array([market.marks.get(i, np.nan) for i in ids]) / market.index
    mark = np.where(np.isnan(quoted), base, quoted)
    psr = scenarios.psr / PPM
    # a quote may lie off the model: no lane may take more from a long than its mark, none bring more than there is
    bound = np.where(call, forward * (1 + psr), strike)
    mark = np.minimum(mark, np.maximum(bound - (np.max(grid_up, axis=1) - base), 0.0))
    floor = -mark[:, None]

    lanes = np.empty((len(items), LANES))
    place = np.argsort(order) * GAP_PARTS  # where lane-ordered nodes stand on the grid
    lanes[:, 0:NODE_LANES:2] = np.maximum(grid_up[:, place] - base[:, None], floor)
    lanes[:, 1:NODE_LANES:2] = np.maximum(grid_down[:, place] - base[:, None], floor)
    lanes[:, NODE_LANES:] = scenarios.damping * np.maximum(far - base[:, None], floor)

    delta = (near[:, 2] - near[:, 1]) / (2 * config.bump)
    gamma = np.maximum((near[:, 2] + near[:, 1] - 2 * base) / (config.bump * config.bump), 0.0)
    vega = black.greeks(call, forward, strike, sigma, tau).vega
    theta = tomorrow[:, 0] - base

    moved = _moved(call, forward, strike, sigma, tau, config.basis_move(psr, tau), up - sigma, base, config)
    gap = np.maximum(_gap(grid_up), _gap(grid_down))
    between = np.max(
        [
            np.abs(part - (share * _chord(grid_up) + (1 - share) * _chord(grid_down))).max(axis=1)
            for share, part in zip(BETWEEN, inside, strict=True)
        ],
        axis=0,
    )
    gross = np.maximum(moved + gap, between) + np.abs(delta) * config.spread + vega * config.vol_spread
    return lanes, mark, delta, gamma, vega, theta, gross


def _moved(
    call: npt.NDArray[np.bool_],
    forward: FloatArray,
    strike: FloatArray,
    sigma: FloatArray,
    tau: FloatArray,
    basis: FloatArray,
    shift: FloatArray,
    base: FloatArray,
    config: ArrayConfig,
) -> FloatArray:
    """What basis, skew and term structure can cost one option, long or short, together as independent moves.

    All arguments but the last of shape (m,); `basis` the relative move of the forward, `shift` that of volatility in
    the lanes of volatility up, `base` the price as it is. The larger side of each is taken: a short option loses more
    by gamma than a long one.
    """
    root = sigma * np.sqrt(tau)
    out = np.minimum(np.abs(log(forward / strike)) / np.maximum(root, 1e-9), 1.0)  # standard deviations, at most 1
    skew = out * np.maximum(config.skew_floor, config.skew_share * shift)
    term = np.maximum(config.term_floor, config.term_share * shift)
    still, both = np.zeros_like(sigma), np.array([[-1.0], [1.0]])
    forwards = forward * np.maximum(1 + np.concatenate([both * move for move in (basis, still, still)]), 0.0)
    vols = np.maximum(sigma + np.concatenate([both * move for move in (still, skew, term)]), 0.0)
    moved = np.abs(black.price(call, forwards, strike, vols, tau) - base)  # (6, m): down and up of each
    worst = np.square(np.maximum(moved[0::2], moved[1::2]))
    found: FloatArray = np.sqrt(worst[0] + worst[1] + worst[2])
    return found


def _chord(grid: FloatArray) -> FloatArray:
    """The straight lines between neighbouring nodes, where `grid` has its points; both (m, 12 GAP_PARTS + 1)."""
    nodes = grid[:, ::GAP_PARTS]
    lines = nodes[:, :-1, None] + np.diff(nodes, axis=1)[:, :, None] * (np.arange(GAP_PARTS) / GAP_PARTS)
    found: FloatArray = np.concatenate((lines.reshape(len(grid), -1), nodes[:, -1:]), axis=1)
    return found


def _gap(grid: FloatArray) -> FloatArray:
    """Upper bound of chord less value between neighbouring nodes; `grid` (m, 12 GAP_PARTS + 1), answer (m,).

    Values are convex in the forward, so chord less value is concave and not negative on each stretch, and zero at its
    ends; such a function peaks at no more than `GAP_BOUND` times its highest quarter point.
    """
    found: FloatArray = GAP_BOUND * np.maximum((_chord(grid) - grid).max(axis=1), 0.0)
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
    for name, (values, low, high) in fields.items():
        wrong = (values < low) | (values > high)
        if np.any(wrong):
            at = int(np.argmax(wrong))
            raise LaneRangeError(
                f"{revaluation.instruments[at]}: {name} {values[at]} does not fit its field, {low} .. {high}"
            )
    whole = zip(revaluation.instruments, lanes.tolist(), *(f[0].tolist() for f in fields.values()), strict=True)
    return tuple(
        Row(item.kind, item.strike, tuple(lane), _bounded(item, mark, revaluation), delta, gamma, vega, theta, charge)
        for item, lane, mark, delta, gamma, vega, theta, charge in whole
    )


def _bounded(item: Instrument, mark: int, revaluation: Revaluation) -> int:
    """A mark [1e-12 reference] inside the no-arbitrage bounds of `spec.margin.mark` at the reference price."""
    reference = revaluation.reference
    forward = mul_div_down(reference, revaluation.forwards[item.expiry], FORWARD_UNIT)
    strike = item.strike * revaluation.strike_unit
    low, high = 0, 2 * reference
    if item.kind == CALL:
        low, high = max(0, forward - strike), forward
    elif item.kind == PUT:
        low, high = max(0, strike - forward), strike
    return min(max(mark, div_up(low * MARK_UNIT, reference)), mul_div_down(high, MARK_UNIT, reference))


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

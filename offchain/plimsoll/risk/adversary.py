"""The cheapest losing book: a linear program plays against the posted charges.

For one shock of prices that no lane says, with q = long - short contracts of the posted instruments, it finds

    maximise    sum q (mark - shocked) - MM(q)        over  sum |q| <= 100 contracts
    MM(q)     = max(0, -min over lanes of sum q lane, som sum of short options) + sum |q| g

in parts of the index, from the very integers that a chain enforces: posted lanes, posted marks, and g the larger of
the posted gross charge and the governance floor. As MM is the largest of linear functions, this is one linear program
a shock, of two variables an instrument and one for the scan; HiGHS solves it to its optimum, so where the answer is
0 *no* book of any shape loses more than its MM. Then the book that loses most for each unit of MM is found as well
(the same program at MM = 1), scaled to the full size: how near the charge is to being too small. Each found book is
assessed by `plimsoll.spec.margin` in exact integers, as a clearinghouse would.

Switched off, the charge leaves books that are free in every lane, and others that owe less than they lose; `search`
finds these too, to show that it can.

Shocks, each from the posted state on:

    basis     forwards move by +-1 %: one maturity, the front half, all against perpetual and index, the front against
              the back, every second one, a tilt; and the perpetual alone
    skew      5 volatility points around the money, at one standard deviation and beyond, in like patterns
    term      3 volatility points of one maturity, of the front, front against back, every second one
    between   the index stands between two price nodes, volatility anywhere between down and up, no time has passed;
              and between nodes where lanes of volatility down are: a look-ahead later
    mixed     basis, skew and term structure at once, a, b, c of each with a^2 + b^2 + c^2 = 1
    decay     a look-ahead passes and volatility stays: which no lane says either. Not covered; only where asked for

By duality a book exists for a shock x if and only if no mixture w >= 0, sum w <= 1 of lanes r comes within the charges:
|x_i - sum_s w_s r_is| <= g_i for every instrument i. Hence charges made from revaluation at the shock itself suffice
(w = 0) in any pattern over maturities, and this search proves for the listed instruments that they do.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog

from plimsoll.market.bars import DAY, FloatArray
from plimsoll.market.listing import listing
from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.market.sources import (
    DATA_VARIABLE,
    OptionQuote,
    load_option_chain,
    load_recorded,
    load_series,
    recorded_path,
)
from plimsoll.risk import black
from plimsoll.risk.engine import Engine, EngineConfig
from plimsoll.risk.errors import ModelError
from plimsoll.risk.models import EwmaFhs, EwmaFhsConfig
from plimsoll.risk.scenarios import ScenarioSet
from plimsoll.spec.instruments import CALL, FUTURE, MAX_POSITIONS, PERP, PUT, word
from plimsoll.spec.margin import Assessment, Index, Params, View, assess, gross_floor, terms
from plimsoll.spec.surface import Surface
from plimsoll.spec.wad import FORWARD_UNIT, MARK_UNIT, PPM, WAD, YEAR

UNDERLYING: Final = 256
MATURITIES: Final = 8
STRIKES: Final = 11
DEVIATIONS: Final = 2.5  # strikes lie up to this many standard deviations from the forward
GROSS: Final = 100.0  # [contracts] most that a book may hold, long and short added
GRAIN: Final = 10**12  # [wad] found books are cut to a millionth of a contract, toward zero
BASIS: Final = 0.01
SKEW: Final = 0.05
TERM: Final = 0.03
LEAST_VOLATILITY: Final = 0.01
NEAREST: Final = 40
FAMILIES: Final = ("basis", "skew", "term", "between", "mixed")
DAYS: Final = ("2025-12-30", "2026-01-05", "2026-01-20", "2026-01-31")
STRESSED: Final = 0.20  # a scan range as after a crash, at the same quotes
HISTORY: Final = 3 * 365 * DAY


# --------------------------------------------------------------------------------------------------------- the market


@dataclass(frozen=True, slots=True)
class Quotes:
    """A market to search on, and where it comes from.

    `open_interest` of all options of the chain [contracts].
    """

    snapshot: Snapshot
    source: str
    open_interest: float


def recorded(day: str, maturities: int = MATURITIES, strikes: int = STRIKES) -> Quotes:
    """Bitcoin on a recorded day: calls, puts and dated futures of maturities from the first to the last, a perpetual.

    Parameters
    ----------
    day
        One of the recorded chain's, e.g. ``2026-01-05``.
    maturities
        How many, evenly out of those listed.
    strikes
        Most strikes of one maturity: those nearest to even distances within 2.5 standard deviations of the forward.

    Raises
    ------
    SourceError
        `PLIMSOLL_DATA` is unset, or holds no such chain or history.
    ModelError
        The day lists fewer maturities.
    """
    quotes = load_option_chain(recorded_path("btc_option_chain_daily_2026-01"), "BTC", day)
    now = quotes[0].time
    there = sorted({quote.expiry for quote in quotes if quote.expiry > now})
    if len(there) < maturities:
        raise ModelError(f"{day} lists {len(there)} maturities; {maturities} are needed")
    places = np.linspace(0, len(there) - 1, maturities).round().astype(int)
    bars = load_recorded("btc_usdt_spot_1h", start=now - HISTORY)
    depth = load_series(recorded_path("perp_depth_50bps"), "depth_50bps", {"asset": "BTC"}, sort=True)
    mid = load_series(recorded_path("perp_depth_50bps"), "mid_price", {"asset": "BTC"}, sort=True)
    recent = depth.time > depth.time[-1] - 90 * DAY
    snapshot = _snapshot(
        now,
        float(np.median([quote.index for quote in quotes])),
        History.from_bars(bars, now),
        {there[place]: [quote for quote in quotes if quote.expiry == there[place]] for place in places},
        strikes,
        float(np.median(depth.value[recent] / mid.value[recent])),
    )
    return Quotes(snapshot, f"recorded chain of {day}", sum(quote.open_interest for quote in quotes))


def synthetic(maturities: int = MATURITIES, strikes: int = STRIKES) -> Quotes:
    """A made-up market for where no recorded one is at hand: a smile as SVI has it, forwards with a rising carry.

    Total variance at log-moneyness k is w (1 + rho p k + sqrt((p k + rho)^2 + 1 - rho^2)) / 2, with w that at the money
    and p = 0.9 / sqrt(w (1 + w)): surface SVI (J. Gatheral, A. Jacquier, Arbitrage-free SVI volatility surfaces,
    Quantitative Finance 14, 2014). Neither steep nor free of arbitrage by proof: prices to search on, not to trade.
    """
    now, index = 1_767_605_111, 92_500.0
    tenors = np.geomspace(0.94, 353.94, maturities) if maturities > 1 else np.array([30.0])
    rng = np.random.default_rng(2026)
    returns = 0.0045 * rng.standard_t(4, 24 * 365) / math.sqrt(2)
    path = np.exp(np.cumsum(returns))
    history = History(now - 3_600 * np.arange(len(path), 0, -1), path / path[-1] * index, 3_600)
    chain: dict[int, list[OptionQuote]] = {}
    for tenor in tenors:
        expiry = now + round(float(tenor) * DAY)
        tau = float(tenor) / 365
        forward = index * (1 + 0.05 * tau)
        atm = 0.48 - 0.05 * math.exp(-3 * tau)
        step = 500.0 if tenor < 60 else 1_000.0
        lowest, highest = (forward * math.exp(sign * 1.2 * DEVIATIONS * atm * math.sqrt(tau)) for sign in (-1, 1))
        for strike in np.arange(math.floor(lowest / step), math.ceil(highest / step) + 1) * step:
            volatility = _svi(math.log(strike / forward), tau, atm)
            value = black.price(np.array([True, False]), forward, float(strike), volatility, tau) / index
            for call, mark in zip((True, False), value, strict=True):
                chain.setdefault(expiry, []).append(
                    OptionQuote(now, "", call, float(strike), expiry, forward, index, float(mark), volatility, 1_000.0)
                )
    snapshot = _snapshot(now, index, history, chain, strikes, 100.0)
    return Quotes(snapshot, "synthetic chain", 250_000.0)


def _svi(k: float, tau: float, atm: float) -> float:
    """Implied volatility [1 a year] at log-moneyness `k`; a skew of the left, as coins have it in a calm."""
    rho, theta = -0.25, atm**2 * tau
    p = 0.9 / math.sqrt(theta * (1 + theta))
    return math.sqrt(theta / 2 * (1 + rho * p * k + math.sqrt((p * k + rho) ** 2 + 1 - rho**2)) / tau)


def quotes_of(day: str | None = None) -> Quotes:
    """The recorded market of a day where `PLIMSOLL_DATA` is set, a synthetic one elsewhere; `source` says which."""
    if not os.environ.get(DATA_VARIABLE):
        found = synthetic()
        return replace(found, source=f"{found.source}: {DATA_VARIABLE} is unset")
    return recorded(day or DAYS[1])


def _snapshot(
    now: int,
    index: float,
    history: History,
    chain: dict[int, list[OptionQuote]],
    strikes: int,
    depth: float,
) -> Snapshot:
    """A snapshot of one underlying: a perpetual, and the chosen options and a future of each maturity."""
    forwards, kept = {}, {}
    for expiry, quotes in chain.items():
        forward = forwards[expiry] = float(np.median([quote.forward for quote in quotes]))
        money = min(quotes, key=lambda quote: abs(quote.strike - forward))
        root = money.volatility * math.sqrt((expiry - now) / YEAR)
        there = np.array(sorted({quote.strike for quote in quotes}))
        wanted = np.linspace(-DEVIATIONS, DEVIATIONS, strikes) * root
        chosen = {float(there[np.argmin(np.abs(np.log(there / forward) - at))]) for at in wanted}
        kept[expiry] = [quote for quote in quotes if quote.strike in chosen]
    items, vols = listing(UNDERLYING, kept)
    ids = tuple(item.pack() for item in items)
    market = Market(UNDERLYING, index, history, ids, WAD, vols, forwards, depth=depth, name="BTC")
    return Snapshot(now, (market,))


# --------------------------------------------------------------------------------------------------------- the target


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What is posted of one underlying, as the search sees it; n instruments in the order of the market's ids.

    Parameters
    ----------
    market, now, scenarios, source
        What was posted, when [unix s], on which set, from which quotes.
    view
        What `plimsoll.spec.margin` reads.
    lanes
        Posted lanes, shape (n, 32), fraction of the index.
    marks
        Posted marks, shape (n,), fraction of the index.
    gross
        Charge as enforced, the larger of row and floor, shape (n,), fraction of the index.
    short
        1 for options, whose shorts owe the short option minimum, shape (n,).
    som
        That minimum [1].
    forward, strike, volatility, tau
        Shape (n,): fractions of the index; 1 a year; years. Of perpetuals and futures strike, volatility are 1.
    maturity
        Number of each instrument's maturity, shape (n,); -1 for what has none.
    """

    market: Market
    now: int
    scenarios: ScenarioSet
    source: str
    view: View
    lanes: FloatArray
    marks: FloatArray
    gross: FloatArray
    short: FloatArray
    som: float
    forward: FloatArray
    strike: FloatArray
    volatility: FloatArray
    tau: FloatArray
    maturity: npt.NDArray[np.int64]

    @property
    def maturities(self) -> int:
        """How many expiries there are."""
        return int(self.maturity.max()) + 1

    def values(
        self,
        *,
        move: float = 0.0,
        basis: FloatArray | float = 0.0,
        perpetual: float = 0.0,
        volatility: FloatArray | None = None,
        later: float = 0.0,
    ) -> FloatArray:
        """What each instrument is worth in another state of the market, shape (n,), fraction of the posted index.

        Parameters
        ----------
        move
            Relative move of the index, which forwards and perpetual follow.
        basis
            Relative move of the forwards beside it, shape (n,).
        perpetual
            Relative move of the perpetual beside it.
        volatility
            Of options in place of the posted one, shape (n,), 1 a year.
        later
            Time that has passed [s].
        """
        kinds = np.array([item.kind for item in self.market.listed])
        forward = self.forward * (1 + move) * (1 + np.where(kinds == PERP, perpetual, basis))
        vols = np.maximum(self.volatility if volatility is None else volatility, LEAST_VOLATILITY)
        tau = np.maximum(self.tau - later / YEAR, 0.0)
        options = black.price(kinds == CALL, forward, self.strike, vols, tau)
        return np.where(self.short > 0, options, forward)

    def without_charge(self) -> Target:
        """The same with the gross charge and its floors switched off."""
        params = replace(self.view.params, gross_base=(0,) * 4, gross_slope=(0,) * 4, leg_cost=0)
        surfaces = {
            key: replace(surface, rows=tuple(replace(row, gross=0) for row in surface.rows))
            for key, surface in self.view.surfaces.items()
        }
        view = replace(self.view, params=params, surfaces=surfaces)
        return replace(self, view=view, gross=np.zeros_like(self.gross))


def target(
    quotes: Quotes,
    *,
    model: EwmaFhsConfig | None = None,
    config: EngineConfig | None = None,
    params: Params | None = None,
) -> Target:
    """Post a report on the quotes and read it as a chain would hold it.

    Parameters
    ----------
    quotes
        The market.
    model, config
        Of the engine.
    params
        Governance's numbers, its floors among them.

    Raises
    ------
    RiskError
        As the engine.
    """
    snapshot = quotes.snapshot
    now = snapshot.market_time
    market = snapshot.market(UNDERLYING)
    built = Engine(EwmaFhs(model), config).report(snapshot)
    surfaces: dict[tuple[int, int], Surface] = {(s.underlying, s.expiry): s for s in built.surfaces}
    header = built.surfaces[0]
    rules = params or Params()
    view = View(
        params=rules,
        now=now,
        index={UNDERLYING: Index(market.reference, market.strike_unit)},
        surfaces=surfaces,
        scalars={scalars.underlying: scalars for scalars in built.scalars},
        classes={klass.klass: klass for klass in built.classes},
    )
    items = market.listed
    rows = [surfaces[UNDERLYING, item.expiry].rows[item.row] for item in items]
    engine = config or EngineConfig()
    scenarios = ScenarioSet(
        psr=header.psr,
        vol_up=header.vol_up,
        vol_down=header.vol_down,
        scale=1 if header.scale == 1 else 10,
        look_ahead=engine.look_ahead,
        tenor_power=engine.tenor_power,
        tenor_cap=engine.tenor_cap,
        inner=engine.inner,
    )
    charges = [
        max(row.gross, gross_floor(rules, item.kind, max(0, item.expiry - now)))
        for row, item in zip(rows, items, strict=True)
    ]
    options = np.array([item.is_option for item in items])
    expiries = sorted({item.expiry for item in items if item.expiry})
    return Target(
        market=market,
        now=now,
        scenarios=scenarios,
        source=quotes.source,
        view=view,
        lanes=np.array([row.lanes for row in rows]) * scenarios.unit,
        marks=np.array([row.mark for row in rows]) / MARK_UNIT,
        gross=np.array(charges) / PPM,
        short=options.astype(np.float64),
        som=view.scalars[UNDERLYING].som / PPM,
        forward=np.array([surfaces[UNDERLYING, item.expiry].forward for item in items]) / FORWARD_UNIT,
        strike=np.array(
            [item.strike * market.strike_unit / market.reference if item.strike else 1.0 for item in items]
        ),
        volatility=np.array([market.implied_vols.get(i, 1.0) for i in market.instruments]),
        tau=np.array([(item.expiry - now) / YEAR if item.expiry else 1.0 for item in items]),
        maturity=np.array([expiries.index(item.expiry) if item.expiry else -1 for item in items]),
    )


# --------------------------------------------------------------------------------------------------------- the shocks


Named = Iterator[tuple[str, FloatArray]]


@dataclass(frozen=True, slots=True, eq=False)
class Shock:
    """Other prices: `value` of each instrument afterwards, shape (n,), fraction of the posted index."""

    family: str
    name: str
    value: FloatArray


def patterns(maturities: int) -> dict[str, FloatArray]:
    """How a move is spread over maturities, each of shape (maturities,), within [-1, 1]."""
    place = np.arange(maturities)
    half = maturities // 2
    return {
        **{f"maturity {k + 1}": (place == k).astype(np.float64) for k in range(maturities)},
        "front": (place < half).astype(np.float64),
        "all": np.ones(maturities),
        "front against back": np.where(place < half, 1.0, -1.0),
        "every second": np.where(place % 2 == 0, 1.0, -1.0),
        "tilt": np.linspace(1, -1, maturities) if maturities > 1 else np.ones(1),
    }


def shocks(found: Target, families: Sequence[str] = FAMILIES, fine: int = 3) -> Iterator[Shock]:
    """The shocks of `families`.

    Parameters
    ----------
    found
        What is posted.
    families
        Of `FAMILIES`, or ``decay``.
    fine
        Points within each stretch between two price nodes, and steps of volatility from down to up. Of three, all but
        the middle lie where the charge was not measured.

    Raises
    ------
    ModelError
        There is no such family.
    """
    makers: Mapping[str, Callable[[Target], Named]] = {
        "basis": _basis,
        "skew": _skew,
        "term": _term,
        "between": lambda t: _between(t, fine),
        "mixed": _mixed,
        "decay": lambda t: _decay(t, fine),
    }
    for family in families:
        if family not in makers:
            raise ModelError(f"no family of shocks {family!r}; one of {', '.join(makers)} is right")
        for name, value in makers[family](found):
            yield Shock(family, name, value)


def _spread(found: Target, pattern: FloatArray) -> FloatArray:
    """A pattern by maturity, as one by instrument; 0 for what has no maturity."""
    return np.where(found.maturity >= 0, pattern[found.maturity], 0.0)


def _turn(found: Target) -> FloatArray:
    """Signed standard deviations that a strike is over the forward, within [-1, 1], at its maturity's own money."""
    away = np.log(found.strike / found.forward)
    money = np.ones(len(away))
    for k in range(found.maturities):
        ours = (found.maturity == k) & (found.short > 0)
        nearest = int(np.argmin(np.where(ours, np.abs(away), np.inf)))
        money[found.maturity == k] = found.volatility[nearest]
    turned: FloatArray = np.clip(away / (money * np.sqrt(found.tau)), -1, 1)
    return turned


def _signed(found: Target) -> Iterator[tuple[str, FloatArray]]:
    for name, pattern in patterns(found.maturities).items():
        for sign in (1, -1):
            yield f"{name} {'+' if sign > 0 else '-'}", sign * _spread(found, pattern)


def _basis(found: Target) -> Named:
    for name, pattern in _signed(found):
        yield name, found.values(basis=BASIS * pattern)
    for sign in (1, -1):
        yield f"perpetual {'+' if sign > 0 else '-'}", found.values(perpetual=sign * BASIS)


def _skew(found: Target) -> Named:
    turn = _turn(found)
    for name, pattern in _signed(found):
        yield name, found.values(volatility=found.volatility + SKEW * pattern * turn)


def _term(found: Target) -> Named:
    for name, pattern in _signed(found):
        yield name, found.values(volatility=found.volatility + TERM * pattern)


def _mixed(found: Target) -> Named:
    """Of each pattern, by all signs, two or three moves at once, on the ellipsoid of independent ones."""
    turn = _turn(found)
    for name, pattern in patterns(found.maturities).items():
        spread = _spread(found, pattern)
        for signs in ((1, 1, 0), (1, -1, 0), (1, 0, 1), (1, 0, -1), (0, 1, 1), (0, 1, -1), (1, 1, 1), (1, -1, 1)):
            for whole in (1, -1):
                a, b, c = (whole * sign / math.sqrt(sum(map(abs, signs))) for sign in signs)
                vols = found.volatility + spread * (b * SKEW * turn + c * TERM)
                yield f"{name} {a:+.2f} {b:+.2f} {c:+.2f}", found.values(basis=a * BASIS * spread, volatility=vols)


def _moves(found: Target, fine: int) -> FloatArray:
    """Moves on and between the price nodes."""
    nodes = np.sort(found.scenarios.node_moves)
    inner = (np.arange(fine) + 0.5) / fine
    between = (nodes[:-1, None] + np.diff(nodes)[:, None] * inner).ravel()
    moves: FloatArray = np.concatenate((nodes, between))
    return moves


def _between(found: Target, fine: int) -> Named:
    up, down = found.scenarios.shifted(found.volatility, found.tau)
    psr = found.scenarios.psr / PPM
    for move in _moves(found, fine):
        for part in np.linspace(0, 1, fine + 1):
            value = found.values(move=move, volatility=down + part * (up - down))
            yield f"{move / psr:+.3f} PSR, volatility {part:.2f} of the way up", value
        yield (
            f"{move / psr:+.3f} PSR, volatility down, later",
            found.values(move=move, volatility=down, later=found.scenarios.look_ahead),
        )


def _decay(found: Target, fine: int) -> Named:
    psr = found.scenarios.psr / PPM
    for move in _moves(found, fine):
        yield f"{move / psr:+.3f} PSR, later", found.values(move=move, later=found.scenarios.look_ahead)


# ----------------------------------------------------------------------------------------------------------- the game


def _program(found: Target, objective: FloatArray, rows: FloatArray, bounds: float, *, free: bool) -> FloatArray | None:
    """Solve max objective . (long, short, scan) under lanes, short minimum and one more row; None where unbounded."""
    n, lanes = found.lanes.shape
    scan = np.hstack((-found.lanes.T, found.lanes.T, -np.ones((lanes, 1))))
    short = np.concatenate((np.zeros(n), found.som * found.short, [-1.0]))[None]
    limits = [(0, None)] * (2 * n) + [(0, 0 if free else None)]
    answer = linprog(
        -objective,
        A_ub=np.vstack((scan, short, rows[None])),
        b_ub=np.append(np.zeros(lanes + 1), bounds),
        bounds=limits,
        method="highs",
    )
    if answer.status == 3:
        return None
    if answer.status != 0:
        raise ModelError(f"the program of the cheapest book was not solved: {answer.message}")
    quantities: FloatArray = answer.x[:n] - answer.x[n : 2 * n]
    return quantities


def cheapest(found: Target, shock: Shock, gross: float = GROSS, *, free: bool = False) -> FloatArray:
    """The book that loses most beyond its MM: quantities of shape (n,), contracts; none where nothing pays.

    Parameters
    ----------
    found
        What is posted.
    shock
        Prices afterwards.
    gross
        Most contracts, long and short added.
    free
        Only books that owe nothing but the gross charge: no lane negative, no option short.
    """
    loss = found.marks - shock.value
    objective = np.concatenate((loss - found.gross, -loss - found.gross, [-1.0]))
    size = np.append(np.ones(2 * len(loss)), 0.0)
    book = _program(found, objective, size, gross, free=free)
    if book is None:  # sizes are bounded, so it never is
        raise ModelError("the program of the cheapest book has no bound")
    return book


def tightest(found: Target, shock: Shock, gross: float = GROSS) -> tuple[FloatArray, float]:
    """The book that loses most for its MM, at full size: quantities of shape (n,), contracts, and loss over MM.

    Where something can be lost at no MM at all, the ratio is infinite and the book is `cheapest`.
    """
    loss = found.marks - shock.value
    objective = np.concatenate((loss, -loss, [0.0]))
    book = _program(found, objective, np.concatenate((found.gross, found.gross, [1.0])), 1.0, free=False)
    if book is None:
        return cheapest(found, shock, gross), math.inf
    size = float(np.sum(np.abs(book)))
    return book * (gross / size if size else 1.0), float(book @ loss)


@dataclass(frozen=True, slots=True)
class Checked:
    """A found book by exact integers: all in coins, at the posted index.

    `loss` is what its value falls by in the shock, `mm` what it owes, `excess` the one less the other; `gross` is in
    contracts, long and short added.
    """

    shock: Shock
    loss: float
    mm: float
    gross: float
    words: tuple[int, ...]

    @property
    def excess(self) -> float:
        """Loss that its MM does not cover; negative where it does."""
        return self.loss - self.mm


def words_of(found: Target, quantities: FloatArray) -> list[int]:
    """Position words of a book, sorted, cut to a millionth of a contract toward zero: none grows over its size."""
    cut = np.trunc(np.round(quantities * (WAD / GRAIN), 3)).astype(np.int64)
    return [word(i, int(q) * GRAIN) for i, q in zip(found.market.instruments, cut, strict=True) if q]


def assessed(found: Target, quantities: FloatArray) -> tuple[list[int], Assessment]:
    """Words of a book, and what `plimsoll.spec.margin` says of it."""
    words = words_of(found, quantities)
    if len(words) > MAX_POSITIONS:
        raise ModelError(f"a book of {len(words)} positions; an account holds {MAX_POSITIONS}")
    return words, assess(words, 0, found.view)


def check(found: Target, quantities: FloatArray, shock: Shock) -> Checked:
    """A book by the margin that is enforced, and by its exact marks, against the shocked prices.

    Parameters
    ----------
    found
        What is posted.
    quantities
        Contracts, shape (n,).
    shock
        Prices afterwards.
    """
    words, margin = assessed(found, quantities)
    held = np.trunc(np.round(quantities * (WAD / GRAIN), 3)) * (GRAIN / WAD)
    coin = found.market.reference
    after = float(held @ shock.value)
    return Checked(shock, margin.equity_full / coin - after, margin.mm / coin, float(np.abs(held).sum()), tuple(words))


# --------------------------------------------------------------------------------------------------------- the search


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found; money in coins.

    Parameters
    ----------
    source
        Quotes it was made on.
    programs
        Linear programs solved.
    shocks
        Shocks played, over all targets.
    worst
        The book with the largest loss beyond its MM, among those found by either program at full size.
    ratio
        Largest loss over MM of any book.
    ratios
        The same by family.
    free
        With the gross charge switched off: the book with the largest loss among those that owe nothing at all.
    single
        Its like where one maturity's forward moves and the others stay.
    uncovered
        With the gross charge switched off, by family: the book with the largest loss beyond its MM.
    nearest
        The books with the largest loss over MM, largest first, at most `NEAREST` a target.
    """

    source: str
    programs: int
    shocks: int
    worst: Checked
    ratio: float
    ratios: dict[str, float]
    free: Checked
    single: Checked
    uncovered: dict[str, Checked]
    nearest: tuple[Checked, ...]

    @property
    def numbers(self) -> dict[str, float]:
        """For a table of figures."""
        return {
            "programs": self.programs,
            "shocks": self.shocks,
            "worst_excess": self.worst.excess,
            "worst_ratio": self.ratio,
            "free_loss": self.free.loss,
            "free_mm": self.free.mm,
            "free_single_loss": self.single.loss,
            "free_single_mm": self.single.mm,
            **{f"uncovered_{family}": checked.excess for family, checked in self.uncovered.items()},
        }


def play(found: Target, families: Sequence[str] = FAMILIES, fine: int = 3, every: int = 1) -> Found:
    """Both programs for every shock with the charge, two without, and each book checked in integers.

    Parameters
    ----------
    found
        What is posted.
    families, fine
        As `shocks`.
    every
        Only every so many of each family's shocks.
    """
    bare = found.without_charge()
    with_charge: list[tuple[Checked, float]] = []
    free: list[Checked] = []
    uncovered: dict[str, Checked] = {}
    count = played = 0
    for family in families:
        for number, shock in enumerate(shocks(found, (family,), fine)):
            if number % every:
                continue
            played += 1
            count += 4
            book, ratio = tightest(found, shock)
            with_charge.append((check(found, book, shock), ratio))
            book = cheapest(found, shock)
            if np.abs(book).sum() > GRAIN / WAD:
                with_charge.append((check(found, book, shock), ratio))
            free.append(check(bare, cheapest(bare, shock, free=True), shock))
            loses = check(bare, cheapest(bare, shock), shock)
            uncovered[family] = max(uncovered.get(family, loses), loses, key=lambda c: c.excess)
    ratios: dict[str, float] = {}
    for checked, ratio in with_charge:
        ratios[checked.shock.family] = max(ratios.get(checked.shock.family, 0.0), ratio)
    ones = [c for c in free if c.shock.family == "basis" and c.shock.name.startswith("maturity")]
    return Found(
        source=found.source,
        programs=count,
        shocks=played,
        worst=max((checked for checked, _ in with_charge), key=lambda c: c.excess),
        ratio=max(ratios.values()),
        ratios=ratios,
        free=max(free, key=lambda c: c.loss),
        single=max(ones or free, key=lambda c: c.loss),
        uncovered=uncovered,
        nearest=_nearest([checked for checked, _ in with_charge])[:NEAREST],
    )


def _nearest(books: Sequence[Checked]) -> tuple[Checked, ...]:
    """The largest loss over MM first; books that owe nothing, and lose nothing then, are left out."""
    return tuple(sorted((c for c in books if c.mm > 0), key=lambda c: c.loss / c.mm, reverse=True))


def targets() -> list[Target]:
    """What the full search plays against: four recorded days, or the synthetic chain; the first after a crash too."""
    first = quotes_of()
    markets = [first] if first.source.startswith("synthetic") else [recorded(day) for day in DAYS]
    return [*map(target, markets), target(markets[0], model=EwmaFhsConfig(psr_floor=STRESSED))]


def search(families: Sequence[str] = FAMILIES, fine: int = 3) -> Found:
    """The full search: four recorded days, or the synthetic chain, each also at a scan range as after a crash.

    Under three minutes on two cores. `Found.numbers` are the figures.
    """
    return joined([play(one, families, fine) for one in targets()])


def joined(parts: Sequence[Found]) -> Found:
    """Several searches as one."""
    families = {family for part in parts for family in part.ratios}
    return Found(
        source="; ".join(dict.fromkeys(part.source for part in parts)),
        programs=sum(part.programs for part in parts),
        shocks=sum(part.shocks for part in parts),
        worst=max((part.worst for part in parts), key=lambda c: c.excess),
        ratio=max(part.ratio for part in parts),
        ratios={family: max(part.ratios.get(family, 0.0) for part in parts) for family in sorted(families)},
        free=max((part.free for part in parts), key=lambda c: c.loss),
        single=max((part.single for part in parts), key=lambda c: c.loss),
        uncovered={
            family: max((p.uncovered[family] for p in parts if family in p.uncovered), key=lambda c: c.excess)
            for family in sorted(families)
        },
        nearest=_nearest([book for part in parts for book in part.nearest]),
    )


# ------------------------------------------------------------------------------------------------ what it costs others


def hedges(found: Target) -> dict[str, float]:
    """MM of simple books of one contract a leg, in coins.

    The maturity nearest to 30 days, and the one after it for the calendars; strikes nearest to the money and to one
    standard deviation over it.
    """
    items = found.market.listed
    near = min(range(found.maturities), key=lambda k: abs(_years(found, k) - 30 / 365))
    far = min(near + 1, found.maturities - 1)
    turn = np.log(found.strike / found.forward) / (found.volatility * np.sqrt(found.tau))

    def at(kind: int, maturity: int, deviations: float = 0.0) -> int:
        ours = [i for i, item in enumerate(items) if item.kind == kind and found.maturity[i] == maturity]
        return min(ours, key=lambda i: abs(turn[i] - deviations))

    perp = at(PERP, -1)
    near_call, near_put, far_call = at(CALL, near), at(PUT, near), at(CALL, far)
    books: dict[str, dict[int, float]] = {
        "perpetual": {perp: 1},
        "future": {at(FUTURE, near): 1},
        "perpetual against future": {perp: 1, at(FUTURE, near): -1},
        "calendar of futures": {at(FUTURE, near): -1, at(FUTURE, far): 1},
        "long call": {near_call: 1},
        "short call": {near_call: -1},
        "long call spread": {near_call: 1, at(CALL, near, 1): -1},
        "covered call (perpetual)": {perp: 1, at(CALL, near, 1): -1},
        "calendar of calls": {near_call: -1, far_call: 1},
        "short straddle": {near_call: -1, near_put: -1},
    }
    answer = {}
    for name, book in books.items():
        quantities = np.zeros(len(items))
        for i, quantity in book.items():
            quantities[i] += quantity
        answer[name] = assessed(found, quantities)[1].mm / found.market.reference
    return answer


def _years(found: Target, maturity: int) -> float:
    return float(found.tau[int(np.argmax(found.maturity == maturity))])


def straddle_concentration(found: Target, open_interest: float, share: float) -> dict[str, float]:
    """What a short straddle at the money pays for its size, by posted depth and kappa.

    Parameters
    ----------
    found
        What is posted.
    open_interest
        Of the underlying's options [contracts].
    share
        Of the open interest that is the straddle's: so many calls and as many puts short.

    Returns
    -------
    dict
        `contracts` of each leg, posted `depth` [contracts], `charge` [coins], `rate` of the charge to the contracts
        that are short [1], and `mm` [coins].
    """
    near = min(range(found.maturities), key=lambda k: abs(_years(found, k) - 30 / 365))
    away = np.abs(np.log(found.strike / found.forward))
    quantities = np.zeros(len(away))
    for kind in (CALL, PUT):
        ours = np.array([item.kind == kind for item in found.market.listed]) & (found.maturity == near)
        quantities[int(np.argmin(np.where(ours, away, np.inf)))] = -share * open_interest
    words, margin = assessed(found, quantities)
    charge = terms(words, found.view)[0].concentration / found.market.reference
    return {
        "contracts": share * open_interest,
        "depth": found.view.scalars[UNDERLYING].depth / WAD,
        "charge": charge,
        "rate": charge / (2 * share * open_interest),
        "mm": margin.mm / found.market.reference,
    }

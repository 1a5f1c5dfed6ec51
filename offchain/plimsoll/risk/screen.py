"""A million accounts against the posted lanes, in floats: who certainly holds margin, who certainly not, who is close.

    table_of(view)            what the oracle holds, as arrays by row
    books_of(table, books)    words and ledgers as arrays, an account behind another
    screen(table, books)      MM, equity and headroom of every account, and how far they may be off
    worst_first(found)        the order in which to look at them again

It is the formula of `plimsoll.spec.margin.assess`, maintenance side, for finding whom to look at. Who is liquidated is
never decided here: each answer comes with a bound of its error, and says ABOVE or BELOW only outside it. What is left
is EXACT: to be assessed in integers.

The bound. All of value, haircut, scans, joint scan, portfolio, short option minimum and gross charge are sums, minima
and shares below one of terms whose sizes add up to at most

    M = |ledger| + sum |q| (|worth| + P (scale max|lane| + charge + som)) + legs x leg cost + concentration

and each is computed in at most n + 24 operations on correctly rounded inputs, n being the account's positions (the
gross charge, to which every leg adds its cost, in 2 n + 24). So equities, scans and joint scan are off by at most
gamma M, gamma = (n + 24) u / (1 - (n + 24) u), u = 2^-53; the portfolio after its offset by three times that, the
gross charge by two, headroom by six and a little: 8 (n + 24) u M stands for it. Concentration is a square, of excess x
that is off by e = 8 (n + 8) u (sizes + depth) + 4 units of wad: P kappa / depth (2 x e + e^2) more. Integer roundings
on the other side are at most 10 + 2 P (1 + kappa) units of wad an underlying.

Rows of an expiry in its settlement window, whose gains fade out by expiry, and of an underlying without posted scalars
are not screened: their accounts are EXACT.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from plimsoll.market.bars import DAY, FloatArray, IntArray
from plimsoll.market.portable import exp
from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.risk.arrays import THETA_UNIT
from plimsoll.risk.engine import BuiltReport, Engine
from plimsoll.risk.errors import RiskError
from plimsoll.risk.models import EwmaFhs
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, WINDOW, Instrument, id_of, quantity_of
from plimsoll.spec.margin import ClassOffset, Index, Params, View, gross_floor, mark, row_of
from plimsoll.spec.surface import LANES
from plimsoll.spec.wad import LANE_UNIT, PPM, WAD

ABOVE: Final = 0  # certainly at or over MM
BELOW: Final = 1  # certainly under it
EXACT: Final = 2  # too close to say, or not screened
NO_ROW: Final = -1  # a position whose row the table lacks
UNIT: Final = 2.0**-53
WEI: Final = 1e-18
KIB, GIB = 2**10, 2**30

Rows = npt.NDArray[np.int32]
Lanes = npt.NDArray[np.int16]
Marks = npt.NDArray[np.uint8]


class ScreenError(RiskError):
    """Books or a table that cannot be screened."""


@dataclass(frozen=True, eq=False)
class Table:
    """What a margin check reads, by row and by underlying; money in quote currency, shares of one.

    Parameters
    ----------
    ids
        Instrument ids, rising, R of them: the row of an instrument is its place here.
    lanes
        Shape (R, 32).
    row
        Shape (R, 9): scale, worth (mark less funding), part of it that counts in E_h, gross charge with its floor, 1 of
        an option, delta, largest |lane| x scale, first lane that is not common; theta a day, which no margin reads.
    underlying
        Place of each row's underlying, shape (R,), rising.
    skipped
        Rows that are not screened, shape (R,).
    is_spot
        Rows of collateral, shape (R,).
    market
        Shape (U, 7): price, depth, kappa, som, offset, part of gains that counts across underlyings, class.
    limits
        Shape (3,): least share of gross size, cost of a leg, call buffer.
    """

    ids: tuple[int, ...]
    lanes: Lanes
    row: FloatArray
    underlying: Rows
    skipped: Marks
    is_spot: Marks
    market: FloatArray
    limits: FloatArray

    @cached_property
    def places(self) -> Mapping[int, int]:
        """Row of each instrument id."""
        return {key: at for at, key in enumerate(self.ids)}


@dataclass(frozen=True, eq=False)
class Books:
    """Accounts behind each other, A of them with n positions together.

    Parameters
    ----------
    starts
        Where each account's positions begin, and n at the end; shape (A + 1,).
    rows
        Row of each position in the table, rising strictly within an account; `NO_ROW` comes first. Shape (n,).
    quantities
        Contracts, long positive, shape (n,).
    ledgers
        cash + linear of each account [quote currency], shape (A,).

    Raises
    ------
    ScreenError
        Shapes or starts do not fit.
    """

    starts: IntArray
    rows: Rows
    quantities: FloatArray
    ledgers: FloatArray

    def __post_init__(self) -> None:
        count = len(self.rows)
        if self.quantities.shape != (count,) or self.starts.shape != (len(self.ledgers) + 1,):
            raise ScreenError(
                f"{count} rows, {self.quantities.shape} quantities, {len(self.ledgers)} ledgers, {self.starts.shape} "
                "starts; a quantity a row, and a start an account and one more, are right"
            )
        if self.starts[0] != 0 or self.starts[-1] != count or np.any(np.diff(self.starts) < 0):
            raise ScreenError(f"starts run {self.starts[0]} .. {self.starts[-1]}; rising from 0 to {count} is right")


@dataclass(frozen=True, eq=False)
class Screened:
    """What was found of each account, shape (A,) each [quote currency].

    `bound` is how far headroom, and each of the others, may be from what integers say; `verdict` ABOVE, BELOW or EXACT.
    Numbers of an account that was not screened are NaN.
    """

    mm: FloatArray
    equity_haircut: FloatArray
    equity_full: FloatArray
    bound: FloatArray
    verdict: Marks

    @cached_property
    def headroom(self) -> FloatArray:
        """E_h - MM."""
        found: FloatArray = self.equity_haircut - self.mm
        return found

    @property
    def counts(self) -> dict[str, int]:
        """How many accounts are certainly above, certainly below, to be checked exactly."""
        found = np.bincount(self.verdict, minlength=3).tolist()
        return {"above": found[ABOVE], "below": found[BELOW], "exact": found[EXACT]}


def table_of(view: View) -> Table:
    """The table of all rows that the surfaces of a view hold.

    Raises
    ------
    ScreenError
        There is no row, or an underlying has no index.
    """
    params = view.params
    held = []
    for (underlying, expiry), surface in view.surfaces.items():
        for at, row in enumerate(surface.rows):
            item = Instrument(underlying, expiry, row.kind, row.strike, at)
            if row_of(surface, item) is not None:
                held.append((item.pack(), item, row, surface))
    if not held:
        raise ScreenError("no surface holds a row; at least one is needed")
    held.sort(key=lambda found: found[0])
    keys = sorted({item.underlying for _, item, _, _ in held})
    if missing := [key for key in keys if key not in view.index]:
        raise ScreenError(f"underlying {missing[0]} has no index price")
    facts, lanes = np.empty((len(held), 9)), np.empty((len(held), LANES), dtype=np.int16)
    skipped, spot = np.zeros(len(held), dtype=np.uint8), np.zeros(len(held), dtype=np.uint8)
    for at, (_, item, row, surface) in enumerate(held):
        paid = view.funding.get(item.underlying, 0) if item.kind == PERP else 0
        charge = row.gross
        if item.kind != SPOT:
            charge = max(charge, gross_floor(params, item.kind, max(0, item.expiry - view.now)))
        facts[at] = (
            surface.scale,
            (mark(item, row, surface, view.index[item.underlying]) - paid) / WAD,
            (PPM - min(charge, PPM)) / PPM if item.kind == SPOT else 1.0,
            0.0 if item.kind == SPOT else charge / PPM,
            1.0 if item.is_option else 0.0,
            row.delta / PPM,
            surface.scale * max(map(abs, row.lanes)),
            surface.common,
            row.theta * THETA_UNIT * surface.reference / WAD,
        )
        lanes[at] = row.lanes
        spot[at] = item.kind == SPOT
        skipped[at] = item.underlying not in view.scalars or (item.expiry > 0 and item.expiry - view.now < WINDOW)
    market = np.zeros((len(keys), 7))
    for at, key in enumerate(keys):
        posted = view.scalars.get(key)
        offset = view.classes.get(key >> 8, ClassOffset(key >> 8, 0, 0))
        depth, kappa, som = (posted.depth / WAD, posted.kappa / PPM, posted.som / PPM) if posted else (1.0, 0.0, 0.0)
        keep = (PPM - offset.cross_haircut) / PPM
        market[at] = (view.index[key].price / WAD, depth, kappa, som, offset.offset / PPM, keep, key >> 8)
    place = {key: at for at, key in enumerate(keys)}
    return Table(
        tuple(key for key, _, _, _ in held),
        lanes,
        facts,
        np.array([place[item.underlying] for _, item, _, _ in held], dtype=np.int32),
        skipped,
        spot,
        market,
        np.array([params.min_share / PPM, params.leg_cost / WAD, params.call_buffer / PPM]),
    )


def books_of(table: Table, books: Sequence[tuple[Sequence[int], int]]) -> Books:
    """Accounts as the chain holds them: sorted words, and cash + linear [wad]."""
    starts, rows, quantities = [0], [], []
    for words, _ in books:
        found = sorted((table.places.get(id_of(word), NO_ROW), quantity_of(word) / WAD) for word in words)
        rows += [row for row, _ in found]
        quantities += [quantity for _, quantity in found]
        starts.append(len(rows))
    return Books(
        np.array(starts, dtype=np.int64),
        np.array(rows, dtype=np.int32),
        np.array(quantities, dtype=np.float64),
        np.array([ledger / WAD for _, ledger in books], dtype=np.float64),
    )


@numba.njit(cache=True, inline="always")
def _least(lanes: FloatArray) -> float:
    """The least of 32 numbers, which it halves on the way: what compilers turn into instructions on many at once."""
    half = LANES // 2
    while half:
        for s in range(half):
            lanes[s] = min(lanes[s], lanes[s + half])
        half //= 2
    return float(lanes[0])


@numba.njit(cache=True, inline="always")
def _offset(scans: float, most: float, members: int, joint: FloatArray, common: int, offset: float) -> float:
    """Scan risk of a class after its offset: `plimsoll.spec.margin.portfolio_scan`."""
    if members <= 1:
        return scans
    for s in range(common, LANES):
        joint[s] = np.inf
    together = max(0.0, -_least(joint))
    return max(scans - offset * (scans - together), most)


def _plain_kernel(
    starts: IntArray,
    rows: Rows,
    quantities: FloatArray,
    ledgers: FloatArray,
    lanes: Lanes,
    facts: FloatArray,
    underlying: Rows,
    skipped: Marks,
    is_spot: Marks,
    market: FloatArray,
    limits: FloatArray,
    found: FloatArray,
    verdict: Marks,
) -> int:
    """Fill `found` (A, 4) with MM, E_h, E_m and bound, `verdict` (A,); the first bad account, -1 where all are good."""
    width = lanes.shape[1]  # 32, but a compiler that knows it writes every lane out instead of taking four at once
    acc, joint = np.empty(width), np.empty(width)
    for account in range(len(ledgers)):
        k, end = starts[account], starts[account + 1]
        count = end - k
        ledger = ledgers[account]
        size = abs(ledger)
        equity = full = ledger
        gross = short = conc = portfolio = unsure = 0.0
        scans = most = 0.0
        members, common, klass, offset = 0, LANES, -1.0, 0.0
        risky, skip, last = ledger < 0, False, -1
        while k < end:
            if rows[k] < 0:
                skip = True
                k += 1
                continue
            if rows[k] >= len(underlying) or rows[k] <= last:
                return account
            u = underlying[rows[k]]
            price, depth, kappa, som = market[u, 0], market[u, 1], market[u, 2], market[u, 3]
            acc[:] = 0.0
            delta = contracts = spread = shorts = charges = 0.0
            first = LANES
            while k < end and rows[k] < len(underlying) and underlying[rows[k]] == u:
                r = rows[k]
                if r <= last:
                    return account
                last = r
                q = quantities[k]
                held = abs(q)
                k += 1
                if skipped[r]:
                    skip = True
                weight = q * facts[r, 0]
                for s in range(width):
                    acc[s] += weight * lanes[r, s]
                worth = q * facts[r, 1]
                full += worth
                equity += worth * facts[r, 2]
                size += abs(worth) + price * held * (facts[r, 6] / LANE_UNIT + facts[r, 3] + som)
                delta += q * facts[r, 5]
                spread += held * abs(facts[r, 5])
                first = min(first, int(facts[r, 7]))
                if not is_spot[r]:
                    risky = True
                    charges += held * facts[r, 3]
                    contracts += held
                    size += limits[1]
                    gross += limits[1]
                    if q < 0:
                        shorts += held * facts[r, 4]
            # the class that this underlying is of: the one before it ends where another begins
            if market[u, 6] != klass:
                portfolio += _offset(scans, most, members, joint, common, offset)
                klass, offset = market[u, 6], market[u, 4]
                scans = most = 0.0
                members, common = 0, LANES
                joint[:] = 0.0
            unit, keep = price / LANE_UNIT, market[u, 5]
            for s in range(width):
                x = acc[s] * unit
                y = x * keep
                joint[s] += min(x, y)  # losses whole, of gains the part that counts
                acc[s] = x
            scan = max(0.0, -_least(acc))
            scans += scan
            most = max(most, scan)
            members += 1
            common = min(common, first)
            short += price * som * shorts
            gross += price * charges
            slack = 8 * (count + 8) * UNIT * (spread + contracts + depth) + 4 * WEI
            excess = max(0.0, max(abs(delta), limits[0] * contracts) - depth)
            steep = price * kappa / depth
            conc += steep * excess * excess
            unsure += steep * (2 * excess * slack + slack * slack) + WEI * (10 + 2 * price * (1 + kappa))
        portfolio += _offset(scans, most, members, joint, common, offset)
        if skip:
            found[account, :] = np.nan
            verdict[account] = EXACT
            continue
        mm = max(portfolio, short) + gross + conc if risky else 0.0
        bound = 8 * (count + 24) * UNIT * (size + conc) + unsure + 4 * WEI
        found[account, 0], found[account, 1], found[account, 2], found[account, 3] = mm, equity, full, bound
        if equity - mm - bound >= 0:
            verdict[account] = ABOVE
        elif equity - mm + bound < 0:
            verdict[account] = BELOW
        else:  # a NaN comes here
            verdict[account] = EXACT
    return -1


_kernel: Callable[..., int] = numba.njit(cache=True, error_model="numpy")(_plain_kernel)


def screen(table: Table, books: Books) -> Screened:
    """MM, equities and a verdict for every account.

    Raises
    ------
    ScreenError
        Rows of an account do not rise strictly, or one is not in the table; it names the account.
    """
    count = len(books.ledgers)
    found, verdict = np.empty((count, 4)), np.empty(count, dtype=np.uint8)
    bad = _kernel(
        books.starts,
        books.rows,
        books.quantities,
        books.ledgers,
        table.lanes,
        table.row,
        table.underlying,
        table.skipped,
        table.is_spot,
        table.market,
        table.limits,
        found,
        verdict,
    )
    if bad >= 0:
        held = books.rows[books.starts[bad] : books.starts[bad + 1]]
        raise ScreenError(f"account {bad} holds rows {held.tolist()}; rising, below {len(table.ids)}, is right")
    return Screened(found[:, 0], found[:, 1], found[:, 2], found[:, 3], verdict)


def worst_first(found: Screened, count: int | None = None) -> IntArray:
    """Accounts by headroom over MM, the least first: those not screened, then those under MM, then the closest above.

    Parameters
    ----------
    found
        What `screen` gave.
    count
        How many; all where None.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = found.headroom / found.mm
    ratio = np.where(np.isnan(found.headroom), -np.inf, np.where(found.mm > 0, ratio, np.inf * np.sign(found.headroom)))
    ratio = np.where(np.isnan(ratio), np.inf, ratio)  # neither margin nor equity
    if count is not None and count < len(ratio):
        some = np.argpartition(ratio, count)[:count]
        order: IntArray = some[np.lexsort((some, ratio[some]))]
        return order
    return np.argsort(ratio, kind="stable")


# ------------------------------------------------------------------------------------------------------- how fast it is

NOW: Final = 1_767_600_000
PRICES: Final = (90_000.0, 3_000.0, 150.0, 2.5)
EXPIRIES: Final = (1, 2, 7, 14, 30, 60, 90, 120, 180, 270, 365, 540)  # [days]
STRIKES: Final = 13


def view_of(built: BuiltReport, snapshot: Snapshot, params: Params | None = None) -> View:
    """What the oracle holds just after a report, at the prices of its snapshot."""
    return View(
        params or Params(),
        snapshot.market_time,
        {m.underlying: Index(m.reference, m.strike_unit) for m in snapshot.markets},
        {(s.underlying, s.expiry): s for s in built.surfaces},
        {s.underlying: s for s in built.scalars},
        {c.klass: c for c in built.classes},
    )


def drawn_snapshot(seed: int = 1) -> Snapshot:
    """Four underlyings of one class with a perpetual, twelve expiries of a future and 13 strikes each: 1,300 rows."""
    rng = np.random.default_rng(seed)
    common = rng.standard_t(4, 400)
    markets = []
    for number, price in enumerate(PRICES):
        key = 256 + number
        path = exp(np.cumsum(0.02 * (0.8 * common + 0.6 * rng.standard_t(4, 400))))
        times = NOW - DAY * np.arange(len(path), 0, -1)
        items = [Instrument(key, 0, PERP, 0, 0)]
        for days in EXPIRIES:
            expiry = NOW + days * DAY
            items.append(Instrument(key, expiry, FUTURE, 0, 0))
            strikes = [round(1_000 * price * (0.6 + 0.8 * k / (STRIKES - 1))) for k in range(STRIKES)]
            options = [(kind, strike) for strike in strikes for kind in (CALL, PUT)]
            items += [Instrument(key, expiry, kind, strike, 1 + at) for at, (kind, strike) in enumerate(options)]
        history = History(times, path / path[-1] * price, DAY)
        ids = tuple(item.pack() for item in items)
        vols = {item.pack(): 0.6 for item in items if item.is_option}
        markets.append(Market(key, price, history, ids, WAD // 1_000, vols))
    return Snapshot(NOW, tuple(markets))


def drawn_books(table: Table, accounts: int, positions: int, seed: int = 1) -> Books:
    """So many accounts of so many positions in drawn rows, each of about 10,000 of notional.

    Ledgers make a tenth of them fall under MM, more or less.

    Raises
    ------
    ScreenError
        There are not so many rows, or no account or position.
    """
    most = len(table.ids)
    if accounts < 1 or not 1 <= positions <= most:
        raise ScreenError(f"{accounts} accounts of {positions} positions; at least 1, of 1 .. {most}, are right")
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, most - positions + 1, (accounts, positions), dtype=np.int32)
    rows.sort(axis=1)
    rows += np.arange(positions, dtype=np.int32)
    rows = rows.reshape(-1)
    quantities = rng.standard_normal(len(rows))
    quantities *= 10_000 / positions / table.market[table.underlying[rows], 0]
    ledgers = 4_000 * rng.random(accounts)
    return Books(np.arange(0, len(rows) + 1, positions, dtype=np.int64), rows, quantities, ledgers)


def peak_gibibytes() -> float:
    """The most memory that this process ever held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / GIB if sys.platform == "darwin" else peak * KIB / GIB


def measure(accounts: int = 1_000_000, positions: int = 8, seed: int = 1, runs: int = 3) -> dict[str, Any]:
    """How long one core takes to screen drawn accounts over the rows of a report, compiled before.

    Returns
    -------
    dict
        `seconds`, processor time of the slowest of `runs` calls of `screen`; `order_seconds`, of `worst_first` of all;
        `gibibytes`, the most that the process held; `accounts`, `positions`, `rows`, `underlyings`, `lanes`, and how
        many accounts are `above`, `below`, `exact`.
    """
    snapshot = drawn_snapshot(seed)
    table = table_of(view_of(Engine(EwmaFhs()).report(snapshot), snapshot))
    screen(table, drawn_books(table, 1, positions, seed))  # compiles, or reads what was compiled
    books = drawn_books(table, accounts, positions, seed)
    slowest = 0.0
    for _ in range(runs):
        start = time.process_time()
        found = screen(table, books)
        slowest = max(slowest, time.process_time() - start)
    start = time.process_time()
    worst_first(found)
    return {
        "seconds": slowest,
        "order_seconds": time.process_time() - start,
        "gibibytes": peak_gibibytes(),
        "accounts": accounts,
        "positions": positions,
        "rows": len(table.ids),
        "underlyings": len(table.market),
        "lanes": LANES,
        **found.counts,
    }

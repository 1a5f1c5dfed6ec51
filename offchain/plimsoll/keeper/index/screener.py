"""Screener: of all accounts, each block, the few that must be read from the chain exactly.

The index's books are the chain's at the same block; what time adds to them since each account was touched is added
here, for all accounts at once:

    interest  exactly as the chain does it, cash x index now / index then, the pool brought up to the view's time
    expiries  that have a final price: what they pay is in the ledgers and the positions are gone
    funding   of perpetuals, through the marks of the view
    fading    an expiry less than WINDOW ahead, or passed and not yet settled, counts losses whole and gains in part:
              its accounts are screened twice, with gains whole and with none, and the truth lies between

All of it is in floats: the bound of `plimsoll.risk.screen` covers margin, and is widened here by what ledgers may be
off,

    8 u (|cash| + |linear|) + 4 wei  +  (n + 4) u sum |payoff| + n wei          u = 2^-53, n expired positions

so an account is said to be ABOVE or BELOW only where integers would say the same; all else is EXACT, among it
whoever holds what no surface has, or an underlying whose feed is down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from plimsoll.chain.contract import batch
from plimsoll.chain.deployment import System
from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.index.arrays import AccountArrays, Flags, Positions
from plimsoll.keeper.index.follow import AccountIndex
from plimsoll.keeper.index.state import Series
from plimsoll.market.bars import FloatArray, IntArray
from plimsoll.risk.probability import Outlook, likeliest_first, probabilities
from plimsoll.risk.screen import (
    ABOVE,
    BELOW,
    EXACT,
    NO_ROW,
    UNIT,
    WEI,
    Books,
    Marks,
    Rows,
    Screened,
    Table,
    screen,
    table_of,
    worst_first,
)
from plimsoll.spec.book import payoff
from plimsoll.spec.errors import Refused
from plimsoll.spec.instruments import FUTURE, WINDOW
from plimsoll.spec.interest import Pool
from plimsoll.spec.margin import View
from plimsoll.spec.wad import PPM, WAD

NEAR: Final = 0.25  # headroom as a share of MM
SLACK: Final = 1e-9  # of an amount that floats are compared with
WEIGHED: Final = 200  # accounts whose probability is worth its while


@dataclass(frozen=True, eq=False)
class Screening:
    """Whom to read exactly, and why.

    Parameters
    ----------
    time
        Of the view [unix s].
    head
        The index's last block.
    accounts
        Screened.
    below
        Certainly under MM.
    exact
        Too close to say, or not to be screened.
    near
        Above, with a headroom under a share of MM.
    open
        Called, in an auction or with a loss on record, wherever they stand.
    order
        All of these once, the likeliest to fail first.
    """

    time: int
    head: int
    accounts: int
    below: tuple[int, ...]
    exact: tuple[int, ...]
    near: tuple[int, ...]
    open: tuple[int, ...]
    order: tuple[int, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many of each, for the status."""
        return {
            "accounts": self.accounts,
            "below": len(self.below),
            "exact": len(self.exact),
            "near": len(self.near),
            "open": len(self.open),
            "read": len(self.order),
        }


class Screener:
    """Screens the accounts of an index.

    Parameters
    ----------
    index
        It must be brought up to date by who owns it.
    near
        Headroom that is near, as a share of MM; at least the call buffer is looked at in any case.
    weighed
        Accounts, the closest ones, that an outlook puts in order; the others stay behind them, by headroom over MM.

    Raises
    ------
    SettingsError
        A number out of range.
    """

    def __init__(self, index: AccountIndex, near: float = NEAR, weighed: int = WEIGHED) -> None:
        if not (0 <= near <= 100 and weighed >= 0):
            raise SettingsError(f"near {near}, weighed {weighed}; 0 .. 100 and at least 0 are right")
        self.index = index
        self.near = near
        self.weighed = weighed
        self.arrays = AccountArrays()
        self._changed = index.follow()

    def refresh(self) -> None:
        """Take over what changed in the index since the last time."""
        with self.index.lock:
            if self._changed:
                self.arrays.take(self.index.state, self._changed)
                self._changed.clear()

    def screen(
        self, view: View, settled: Mapping[Series, int] | None = None, outlook: Outlook | None = None
    ) -> Screening:
        """Screen every account.

        Parameters
        ----------
        view
            What the oracle holds (`Held.view`), at the index's last block.
        settled
            Final prices of expiries that have one [wad], as `settled_prices` reads them. Who holds an expiry that is
            missing here is no worse off than EXACT.
        outlook
            Of the market, its underlyings those that have a row; None, or one of fewer or more underlyings than can be
            screened now (a feed that dies must not stop this): the order is by headroom over MM.
        """
        with self.index.lock:
            self.refresh()
            pool = self.index.state.pool_at(view.now)
            units = dict(self.index.state.strike_units)
            business = self.index.state.open_business(view.now)
            head = self.index.head
        arrays = self.arrays
        size = len(arrays)
        positions, ledgers, slack = self.books(pool, settled or {}, units)
        table = usable_table(view)
        if table is None:
            found, verdict = _unscreened(size), np.full(size, EXACT, dtype=np.uint8)
            books = Books(np.zeros(size + 1, dtype=np.int64), np.zeros(0, dtype=np.int32), np.zeros(0), ledgers)
        else:
            found, verdict, books = _screened(table, arrays, positions, ledgers, slack, view)
        cash, linear = arrays.cash[:size], arrays.linear[:size]
        empty = np.diff(arrays.positions().starts) == 0
        verdict[empty & (cash >= 0) & (linear >= 0)] = ABOVE
        near = self._near(found, verdict, view)
        chosen = np.flatnonzero((verdict != ABOVE) | near)
        order = self._order(table, books, found, chosen, outlook)
        names = arrays.accounts
        first = [names[slot] for slot in order.tolist()]
        return Screening(
            view.now,
            head,
            size,
            tuple(names[k] for k in np.flatnonzero(verdict == BELOW).tolist()),
            tuple(names[k] for k in np.flatnonzero(verdict == EXACT).tolist()),
            tuple(names[k] for k in np.flatnonzero(near).tolist()),
            tuple(business),
            tuple(dict.fromkeys([*first, *business])),
        )

    def unsettled(self, view: View, least: int) -> list[int]:
        """Accounts whose realised and open profit or loss of perps and futures is `least` or more, losses first.

        Whom to ask for `Clearinghouse.settle`, out of all: a gain settles at the worse of now and a lag ago, so that
        not each of them is due. Who holds what no surface has is among them, at what is known of it.

        Parameters
        ----------
        view
            What the oracle holds.
        least
            Amount [wad].
        """
        self.refresh()
        arrays = self.arrays
        size = len(arrays)
        positions = arrays.positions()
        table = usable_table(view)
        places = table.places if table is not None else {}
        worth, unknown = np.zeros(len(arrays.items)), np.zeros(len(arrays.items), dtype=np.bool_)
        for k, item in enumerate(arrays.instruments):
            if item.kind <= FUTURE:
                row = places.get(arrays.items[k])
                unknown[k] = row is None
                worth[k] = 0.0 if row is None or table is None else table.row[row, 1]
        owners = positions.owners
        amounts = arrays.linear[:size] + np.bincount(
            owners, positions.quantities * worth[positions.items], minlength=size
        )
        blind = np.bincount(owners, unknown[positions.items], minlength=size) > 0
        chosen = np.flatnonzero((np.abs(amounts) >= least / WAD * (1 - SLACK)) & (amounts != 0) | blind)
        return [arrays.accounts[k] for k in chosen[np.argsort(amounts[chosen], kind="stable")].tolist()]

    def books(
        self, pool: Pool, settled: Mapping[Series, int], units: Mapping[int, int]
    ) -> tuple[Positions, FloatArray, FloatArray]:
        """Positions, ledgers and what these may be off, as the chain's views have them at a time.

        Parameters
        ----------
        pool
            Indexes of interest then.
        settled
            Final prices of expiries [wad].
        units
            One unit of strike by underlying [wad].

        Returns
        -------
        tuple
            Positions; cash + linear and its bound [quote currency], shape (A,).
        """
        arrays = self.arrays
        size = len(arrays)
        cash, linear = arrays.cash[:size], arrays.linear[:size]
        index = np.where(cash < 0, pool.borrow_index / WAD, pool.supply_index / WAD)
        now = cash * (index / arrays.entry[:size])
        slack = _ledger_slack(now, linear)
        positions = arrays.positions()
        ledgers = now + linear
        pays, gone = _pays(arrays, settled, units)
        if gone.any():
            is_gone = gone[positions.items]
            owners = positions.owners[is_gone]
            paid = positions.quantities[is_gone] * pays[positions.items[is_gone]]
            count = np.bincount(owners, minlength=size)
            ledgers += np.bincount(owners, paid, minlength=size)
            slack += (count + 4) * UNIT * np.bincount(owners, np.abs(paid), minlength=size) + count * WEI
            slack += 8 * UNIT * np.abs(ledgers)
            positions = positions.without(is_gone)
        return positions, ledgers, slack

    def _near(self, found: Screened, verdict: Marks, view: View) -> Flags:
        share = max(self.near, 1.01 * view.params.call_buffer / PPM)
        with np.errstate(invalid="ignore"):
            near: Flags = (verdict == ABOVE) & (found.mm > 0) & (found.headroom - found.bound < share * found.mm)
        return near

    def _order(
        self, table: Table | None, books: Books, found: Screened, chosen: IntArray, outlook: Outlook | None
    ) -> IntArray:
        """The chosen accounts, the likeliest to fail first."""
        part = Screened(
            found.mm[chosen],
            found.equity_haircut[chosen],
            found.equity_full[chosen],
            found.bound[chosen],
            found.verdict[chosen],
        )
        order: IntArray = chosen[worst_first(part)]
        if outlook is None or table is None or len(outlook.curves) != len(table.market):
            return order
        first, rest = order[: self.weighed], order[self.weighed :]
        likely = likeliest_first(probabilities(table, books, found, first, outlook), found.headroom[first])
        return np.concatenate((first[likely], rest))


def settled_prices(system: System, series: Sequence[Series], now: int) -> dict[Series, int]:
    """Final prices [wad] of the expiries among these that have passed `now` [s] and have one, in one batch."""
    passed = [key for key in series if 0 < key[1] <= now]
    answers = batch(system.chain, [system.history.request("settled", *key) for key in passed])
    return {
        key: answer for key, answer in zip(passed, answers, strict=True) if not isinstance(answer, Refused) and answer
    }


def usable_table(view: View) -> Table | None:
    """The table of all underlyings whose feed answers; None where there is no row."""
    surfaces = {key: surface for key, surface in view.surfaces.items() if key[0] in view.index and surface.rows}
    return table_of(replace(view, surfaces=surfaces)) if surfaces else None


def _pays(arrays: AccountArrays, settled: Mapping[Series, int], units: Mapping[int, int]) -> tuple[FloatArray, Flags]:
    """What a contract of each instrument pays [quote currency], and which have settled; shape (items,)."""
    pays, gone = np.zeros(len(arrays.items)), np.zeros(len(arrays.items), dtype=np.bool_)
    if settled:
        for place, item in enumerate(arrays.instruments):
            price = settled.get((item.underlying, item.expiry), 0) if item.expiry else 0
            if price:
                pays[place], gone[place] = payoff(item, price, units[item.underlying]) / WAD, True
    return pays, gone


def _ledger_slack(cash: FloatArray, linear: FloatArray) -> FloatArray:
    found: FloatArray = 8 * UNIT * (np.abs(cash) + np.abs(linear)) + 4 * WEI
    return found


def _unscreened(size: int) -> Screened:
    nothing = np.full(size, np.nan)
    return Screened(nothing, nothing, nothing, nothing, np.full(size, EXACT, dtype=np.uint8))


def _screened(
    table: Table, arrays: AccountArrays, positions: Positions, ledgers: FloatArray, slack: FloatArray, view: View
) -> tuple[Screened, Marks, Books]:
    """Numbers and verdicts of all accounts; of those whose gains fade, the lowest headroom that they can have."""
    row_of_item = arrays.row_of_item(table.places)
    rows, quantities = positions.rows(row_of_item)
    books = Books(positions.starts, rows, quantities, ledgers)
    found = screen(table, books)
    verdict = _verdict(found.headroom - found.bound - slack, found.headroom + found.bound + slack)

    soon = [0 < item.expiry < view.now + WINDOW for item in arrays.instruments]
    fades = np.array(soon, dtype=np.bool_) & (row_of_item != NO_ROW)
    if fades.any():
        some = np.unique(positions.owners[fades[positions.items]])
        part = positions.of(some)
        fading = np.zeros(len(table.ids), dtype=np.bool_)
        fading[row_of_item[fades]] = True
        held = part.rows(row_of_item)
        high, low = (
            _faded(table, fading, view, held, part.starts, ledgers[some], gains=whole) for whole in (True, False)
        )
        for name in ("mm", "equity_haircut", "equity_full", "bound"):
            getattr(found, name)[some] = getattr(low, name)
        verdict[some] = _verdict(low.headroom - low.bound - slack[some], high.headroom + high.bound + slack[some])
        found = Screened(found.mm, found.equity_haircut, found.equity_full, found.bound, verdict)

    # a book of nothing but collateral needs margin where it owes: where that is not sure, nothing is
    size = len(ledgers)
    owes_not = (arrays.cash[:size] >= 0) & (arrays.linear[:size] >= 0)
    verdict[(np.abs(ledgers) <= slack) & ~owes_not] = EXACT
    return found, verdict, books


def _verdict(low: FloatArray, high: FloatArray) -> Marks:
    """By the lowest and the highest headroom that there can be; NaN is neither."""
    found: Marks = np.full(len(low), EXACT, dtype=np.uint8)
    with np.errstate(invalid="ignore"):
        found[low >= 0] = ABOVE
        found[high < 0] = BELOW
    return found


def _faded(
    table: Table,
    fading: Flags,
    view: View,
    held: tuple[Rows, FloatArray],
    starts: IntArray,
    ledgers: FloatArray,
    *,
    gains: bool,
) -> Screened:
    """Screened with the gains of fading rows whole, or without any.

    A position's gains are its lanes where they are of its sign. So each fading row stands there twice, once for longs
    and once for shorts. The sum of what positions lose is no less than what their sum loses: the lowest there can be.
    """
    times = np.where(fading, 2, 1)
    old = np.repeat(np.arange(len(times)), times)
    new = (np.cumsum(times) - times).astype(np.int32)  # where each row went
    lanes = table.lanes[old].copy()
    if not gains:
        longs = new[fading]
        lanes[longs] = np.minimum(lanes[longs], 0)
        lanes[longs + 1] = np.maximum(lanes[longs + 1], 0)
    blind = np.array([(key >> 112 & 0xFFFF) not in view.scalars for key in table.ids], dtype=np.uint8)
    twice = Table(
        tuple(table.ids[k] for k in old.tolist()),
        lanes,
        table.row[old],
        table.underlying[old],
        blind[old],
        table.is_spot[old],
        table.market,
        table.limits,
    )
    rows, quantities = held
    there = rows != NO_ROW
    placed = np.where(there, new[rows] + (fading[rows] & (quantities < 0)), NO_ROW).astype(np.int32)
    return screen(twice, Books(starts, placed, quantities, ledgers))

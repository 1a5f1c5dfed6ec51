"""Positions and ledgers of all accounts as arrays, of which a block changes a few.

An account has a slot, for good, and its positions a stretch in a pool, in the order of its book. What changed is put
behind the pool's end and the old stretch left; once more than half of the pool is left so, it is gathered anew.

    cash and linear  as they were written when the account was touched, in quote currency
    entry            index of interest that cash stood at then
    item, quantity   instrument (its place in `items`) and contracts of each position
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from plimsoll.keeper.index.state import AccountState
from plimsoll.market.bars import FloatArray, IntArray
from plimsoll.risk.screen import NO_ROW, Rows
from plimsoll.spec.instruments import Instrument, id_of, quantity_of, unpack
from plimsoll.spec.wad import WAD

ROOM: Final = 1_024  # least size of an array
Flags = npt.NDArray[np.bool_]


class Positions:
    """What all accounts hold, account behind account: CSR.

    Parameters
    ----------
    starts
        Where each account's positions begin, and their number at the end; shape (A + 1,).
    items
        Instrument of each, shape (n,).
    quantities
        Contracts, long positive, shape (n,).
    """

    def __init__(self, starts: IntArray, items: Rows, quantities: FloatArray) -> None:
        self.starts = starts
        self.items = items
        self.quantities = quantities

    @property
    def owners(self) -> IntArray:
        """Slot of the account of each position, shape (n,)."""
        found: IntArray = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        return found

    def without(self, gone: Flags) -> Positions:
        """All but those that are marked, shape (n,)."""
        left = np.bincount(self.owners[~gone], minlength=len(self.starts) - 1)
        starts = np.concatenate(([0], np.cumsum(left))).astype(np.int64)
        return Positions(starts, self.items[~gone], self.quantities[~gone])

    def of(self, slots: IntArray) -> Positions:
        """Those of some accounts, in their order."""
        counts = np.diff(self.starts)[slots]
        starts = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        at = _stretches(self.starts[:-1][slots], counts, starts)
        return Positions(starts, self.items[at], self.quantities[at])

    def rows(self, row_of_item: Rows) -> tuple[Rows, FloatArray]:
        """Row and quantity of each position, those without a row first within their account."""
        rows: Rows = row_of_item[self.items]
        lacking: Flags = rows == NO_ROW
        if not lacking.any():
            return rows, self.quantities
        owners = self.owners
        bad: Flags = np.zeros(len(self.starts) - 1, dtype=np.bool_)
        bad[owners[lacking]] = True
        some: IntArray = np.flatnonzero(bad[owners])
        order = some[np.lexsort((rows[some], owners[some]))]
        quantities = self.quantities.copy()
        rows[some], quantities[some] = rows[order], quantities[order]
        return rows, quantities


def _stretches(begins: IntArray, counts: IntArray, starts: IntArray) -> IntArray:
    """Places `begins[k]` .. `begins[k] + counts[k] - 1` of all k behind each other; `starts` are the sums of counts."""
    found: IntArray = np.add(np.repeat(begins - starts[:-1], counts), np.arange(starts[-1]))
    return found


class AccountArrays:
    """Arrays of all accounts of owner not 0, kept up with a state."""

    def __init__(self) -> None:
        self.accounts: list[int] = []  # by slot
        self.items: list[int] = []  # instrument ids, by place
        self.instruments: list[Instrument] = []  # the same, unpacked
        self.cash: FloatArray = np.zeros(ROOM)
        self.linear: FloatArray = np.zeros(ROOM)
        self.entry: FloatArray = np.ones(ROOM)
        self._slots: dict[int, int] = {}
        self._places: dict[int, int] = {}
        self._begin: IntArray = np.zeros(ROOM, dtype=np.int64)
        self._count: IntArray = np.zeros(ROOM, dtype=np.int64)
        self._item: Rows = np.zeros(ROOM, dtype=np.int32)
        self._quantity: FloatArray = np.zeros(ROOM)
        self._used = 0
        self._positions: Positions | None = None

    def __len__(self) -> int:
        """How many accounts there are."""
        return len(self.accounts)

    def slot(self, account: int) -> int | None:
        """Where an account stands; None where it was never told of."""
        return self._slots.get(account)

    def take(self, state: AccountState, accounts: Iterable[int]) -> None:
        """Take over what some accounts have become.

        Parameters
        ----------
        state
            Where they stand.
        accounts
            Those that changed; one that is no longer there holds nothing from now on.
        """
        slots: list[int] = []
        ledgers: list[tuple[float, float, float]] = []
        counts: list[int] = []
        items: list[int] = []
        quantities: list[float] = []
        for account in accounts:
            if not account >> 96:
                continue
            words = state.books.get(account, ())
            cash, linear = state.ledgers.get(account, (0, 0))
            slots.append(self._slot(account))
            ledgers.append((cash / WAD, linear / WAD, (state.entries.get(account, (0, 0))[0] or WAD) / WAD))
            counts.append(len(words))
            items += [self._place(id_of(word)) for word in words]
            quantities += [quantity_of(word) / WAD for word in words]
        if not slots:
            return
        self._grow(len(items))
        at = np.array(slots)
        self.cash[at], self.linear[at], self.entry[at] = np.array(ledgers).T
        count = np.array(counts, dtype=np.int64)
        self._begin[at] = self._used + np.concatenate(([0], np.cumsum(count)[:-1]))
        self._count[at] = count
        self._item[self._used : self._used + len(items)] = items
        self._quantity[self._used : self._used + len(items)] = quantities
        self._used += len(items)
        self._positions = None

    def positions(self) -> Positions:
        """What all accounts hold."""
        if self._positions is None:
            size = len(self.accounts)
            starts = np.concatenate(([0], np.cumsum(self._count[:size]))).astype(np.int64)
            at = _stretches(self._begin[:size], self._count[:size], starts)
            self._positions = Positions(starts, self._item[at], self._quantity[at])
            if self._used > 2 * len(at) + ROOM:
                self._begin[:size], self._used = starts[:-1], len(at)
                self._item, self._quantity = self._positions.items.copy(), self._positions.quantities.copy()
        return self._positions

    def row_of_item(self, places: Mapping[int, int]) -> Rows:
        """Row of each instrument in a table, `NO_ROW` where it has none; shape (items,)."""
        return np.array([places.get(key, NO_ROW) for key in self.items], dtype=np.int32)

    def _slot(self, account: int) -> int:
        found = self._slots.get(account)
        if found is None:
            found = self._slots[account] = len(self.accounts)
            self.accounts.append(account)
        return found

    def _place(self, key: int) -> int:
        found = self._places.get(key)
        if found is None:
            found = self._places[key] = len(self.items)
            self.items.append(key)
            self.instruments.append(unpack(key))
        return found

    def _grow(self, positions: int) -> None:
        """Make room for all accounts, and for more positions."""
        for name in ("cash", "linear", "entry", "_begin", "_count"):
            setattr(self, name, _longer(getattr(self, name), len(self.accounts)))
        for name in ("_item", "_quantity"):
            setattr(self, name, _longer(getattr(self, name), self._used + positions))


def _longer(array: npt.NDArray[np.generic], size: int) -> npt.NDArray[np.generic]:
    """The array, or one half as long again as is needed with the same content."""
    if size <= len(array):
        return array
    longer = np.zeros(size + size // 2, dtype=array.dtype)
    longer[: len(array)] = array
    return longer

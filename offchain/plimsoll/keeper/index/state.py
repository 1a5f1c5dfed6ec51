"""The state of all accounts by their events: the spec's reducer, and what each block changed of it.

Every number is held in one of a few dicts or a few single values. Both remember what they were at the last mark, so
that a block's changes can be written down, and taken back where the block turns out to be no part of the chain.

Beside what `plimsoll.spec.replay` rebuilds there are here the accounts that events named, in the order they were met,
the instruments that are listed, the curve of interest, and who holds what expires.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from plimsoll.spec import interest
from plimsoll.spec.book import payoff
from plimsoll.spec.events import Event
from plimsoll.spec.instruments import FUTURE, SPOT, id_of, quantity_of, unpack
from plimsoll.spec.interest import Pool
from plimsoll.spec.replay import Replay
from plimsoll.spec.wad import WAD, div_floor

Series = tuple[int, int]  # underlying, expiry [unix s]
Changes = dict[str, dict[Any, Any]]  # by kind, by key: the value; None where there was, or is, none

ACCOUNTS: Final = ("places", "ledgers", "entries", "books")  # dicts by account, of numbers that a contract holds too
FACTS: Final = (  # the other dicts
    "interest",
    "open",
    "tokens",
    "strike_units",
    "calls",
    "auctions",
    "paid",
    "records",
    "listed",
)
VALUES: Final = ("sums", "kept", "flowed", "liquidator", "fund", "bad_debt", "config", "curve", "pool_limits")
MASK_EXPIRY: Final = 2**40 - 1


class Kept(dict[Any, Any]):
    """A dict that remembers what the entries that changed were at the last mark, None where there was none."""

    def __init__(self) -> None:
        super().__init__()
        self.before: dict[Any, Any] = {}

    def __setitem__(self, key: Any, value: Any) -> None:
        if key not in self.before:
            self.before[key] = self.get(key)
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        self.before.setdefault(key, self.get(key))
        super().__delitem__(key)

    def pop(self, key: Any, *default: Any) -> Any:
        """Take an entry out."""
        if key in self and key not in self.before:
            self.before[key] = self[key]
        return super().pop(key, *default)


class AccountState(Replay):
    """Ledgers, positions, calls, auctions and records of all accounts, by events.

    Parameters
    ----------
    quote
        Address of the quote token.
    quote_scale
        [wad] per unit of it.
    named
        By contract and event: the fields that name an account, as `plimsoll.keeper.index.decode` finds them.
    holders
        Where to keep who holds what expires; empty.
    """

    def __init__(
        self,
        quote: int,
        quote_scale: int,
        named: Mapping[tuple[str, str], tuple[str, ...]],
        holders: dict[Series, set[int]] | None = None,
    ) -> None:
        super().__init__(quote, quote_scale, 0)
        for name in (*ACCOUNTS, *FACTS):
            setattr(self, name, Kept())
        self.places: dict[int, int]  # account -> how many were met before it; owner 0 has none
        self.listed: dict[int, int]  # instrument -> how many were listed before it
        self.curve = 0
        self._named = named
        self.holders: dict[Series, set[int]] = {} if holders is None else holders
        self._handlers: dict[tuple[str, str], tuple[Callable[..., None] | None, frozenset[str]]] = {}
        self._at = self._values()

    @property
    def pool_limits(self) -> int:
        """The word of the registry's limits of the pool."""
        return self.limits.word

    @pool_limits.setter
    def pool_limits(self, word: int) -> None:
        self.limits.word = word

    # ------------------------------------------------------------------------------------------------------ events

    def apply_block(self, events: Iterable[Event], now: int) -> None:
        """Apply the events of a block of time `now` [s].

        What expires is paid once per touch, and a touch is within a transaction: nothing is left for the next block.
        """
        for event in events:
            self.apply(event, now)
            self._name(event)
        self._pay_expired()

    def apply(self, event: Event, now: int) -> None:
        """Apply one event: as the reducer does, each handler's signature looked at once."""
        if self.due and (event.name != "Expired" or event.args["account"] != self.due[0][0]):
            self._pay_expired()
        key = event.contract, event.name
        known = self._handlers.get(key)
        if known is None:
            handler = getattr(self, f"_on_{event.contract}_{event.name}", None)
            names = frozenset(inspect.signature(handler).parameters) if handler is not None else frozenset()
            known = self._handlers[key] = handler, names
        handler, wanted = known
        if handler is not None:
            handler(now, **{name: value for name, value in event.args.items() if name in wanted})

    def _name(self, event: Event) -> None:
        """Meet the accounts that an event names; the system's, of owner 0, are none."""
        for field in self._named.get((event.contract, event.name), ()):
            account = event.args[field]
            if isinstance(account, int) and account >> 96 and account not in self.places:
                self.places[account] = len(self.places)

    def _on_Registry_InstrumentListed(self, _: int, instrument: int) -> None:
        self.listed[instrument] = len(self.listed)

    def _on_Registry_CurveSet(self, _: int, curve: int) -> None:
        self.curve = curve

    # ----------------------------------------------------------------------------------------------------- changes

    def _values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in VALUES}

    def mark(self) -> Changes:
        """What the entries that changed since the last mark were there; from here on they count anew."""
        found: Changes = {}
        for name in (*ACCOUNTS, *FACTS):
            kept: Kept = getattr(self, name)
            if kept.before:
                found[name] = kept.before
                kept.before = {}
        now = self._values()
        if values := {name: old for name, old in self._at.items() if now[name] != old}:
            found["values"] = values
        self._at = now
        for account, old in found.get("books", {}).items():
            self._rehold(account, old or (), self.books.get(account, ()))
        return found

    def put(self, changes: Mapping[str, Mapping[Any, Any]]) -> None:
        """Set entries as told, None takes one out: to take a block back, what `mark` gave; or what was on disk."""
        for name, entries in changes.items():
            if name == "values":
                for key, value in entries.items():
                    setattr(self, key, value)
                continue
            kept: Kept = getattr(self, name)
            for key, value in entries.items():
                if value is not None:
                    kept[key] = value
                else:
                    kept.pop(key, None)

    def _rehold(self, account: int, old: tuple[int, ...], new: tuple[int, ...]) -> None:
        """Who holds what expires, after one book changed."""
        had, has = series_of(old), series_of(new)
        for series in had - has:
            self.holders[series].discard(account)
            if not self.holders[series]:
                del self.holders[series]
        for series in has - had:
            self.holders.setdefault(series, set()).add(account)

    # ------------------------------------------------------------------------------------------------------- views

    def pool_at(self, now: int) -> Pool:
        """The interest pool as the chain would write it `now` [s]."""
        return interest.accrued(self.sums, self.curve, max(now, self.sums.since))[0]

    def held(
        self, account: int, pool: Pool, settled: Mapping[Series, int] | None = None
    ) -> tuple[tuple[int, ...], int, int]:
        """Positions, cash and linear of an account as the chain's views give them [wad].

        Parameters
        ----------
        account
            Whose.
        pool
            Indexes of now: interest since the account was touched is in its cash then.
        settled
            Final prices of expiries that have one [wad]: what they pay is in the ledgers, the positions are gone.
        """
        words = self.books.get(account, ())
        cash, linear = self.ledgers.get(account, (0, 0))
        if account >> 96:
            cash = interest.grown(cash, self.entries.get(account, (0, 0))[0], pool)
        if not settled:
            return words, cash, linear
        rest = []
        for word in words:
            item = unpack(id_of(word))
            price = settled.get((item.underlying, item.expiry), 0) if item.expiry else 0
            if not price:
                rest.append(word)
                continue
            pays = div_floor(quantity_of(word) * payoff(item, price, self.strike_units[item.underlying]), WAD)
            cash, linear = (cash, linear + pays) if item.kind == FUTURE else (cash + pays, linear)
        return tuple(rest), cash, linear

    @property
    def accounts(self) -> list[int]:
        """Every account that an event named, in the order they were met."""
        return list(self.places)

    @property
    def expiries(self) -> dict[int, tuple[int, ...]]:
        """Underlying -> expiries that are listed on it [unix s], 0 left out."""
        found: dict[int, set[int]] = {}
        for instrument in self.listed:
            item = unpack(instrument)
            found.setdefault(item.underlying, set()).add(item.expiry)
        return {underlying: tuple(sorted(expiries - {0})) for underlying, expiries in found.items()}

    def instruments(self, underlying: int) -> list[int]:
        """Instruments listed on an underlying, collateral aside, in the order of their rows."""
        found = [item for item in map(unpack, self.listed) if item.underlying == underlying and item.kind != SPOT]
        return [item.pack() for item in sorted(found, key=lambda item: (item.expiry, item.row))]

    def open_business(self, now: int) -> list[int]:
        """Accounts that are called or in an auction `now` [s], or whose loss is on record: looked at in any case."""
        called = (account for account, (_, _, end) in self.calls.items() if now <= end)
        auctioned = (account for account, (start, ramp, _) in self.auctions.items() if now <= start + 2 * ramp)
        recorded = (account for account, amount in self.records.items() if amount)
        return list(dict.fromkeys([*called, *auctioned, *recorded]))


def series_of(words: Iterable[int]) -> set[Series]:
    """(underlying, expiry) of what expires in a book."""
    return {(word >> 112 & 0xFFFF, expiry) for word in words if (expiry := word >> 72 & MASK_EXPIRY)}

"""The book and the liquidator's state from their event log alone: a reducer that uses the spec's own functions.

Fed every event of IndexFeed, Registry, Clearinghouse and Liquidator in the order of the log, each with its block's
time, it stands where the contracts stand: ledgers, what was brought in, positions, open interest, indexes and sums of
interest, profit that left, calls, auctions, bad debt on record. What an event does not say follows from what is there:

    Deposited, Withdrawn     worth = amount x scale of the token (CollateralListed)
    Traded                   money by kind of the instrument; what is neither received nor a fee is account 0's
    Seized                   quantities and ledgers by the fraction, as `plimsoll.spec.book` splits and merges
    Expired                  payoff at the price, by the strike unit (RouteBound); all of one touch at once
    InterestBooked           moves between the account and account 2; the sums hold it already
    LossSocialised           who is paid stands at the new index: he was touched again before the event; so does whose
                             loss it is, as the ShortfallPaid behind it names him: his cash bears no part
    AuctionStarted, Called   with the configuration that held (ConfigSet)
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass

from plimsoll.spec.book import INTEREST, POOL, SYSTEM, Book, changed, held, merge, payoff, split
from plimsoll.spec.events import Event
from plimsoll.spec.feed import strike_unit_of
from plimsoll.spec.instruments import FUTURE, Instrument, unpack
from plimsoll.spec.interest import Pool
from plimsoll.spec.wad import WAD, div_floor, div_up


@dataclass(slots=True)
class _Limits:
    """As much of the registry as the outflow cap needs."""

    word: int = 0

    def pool_limits(self) -> int:
        """The word of the pool's limits."""
        return self.word


class Replay(Book):
    """State rebuilt from events; of `Book` it has the ledgers and what changes them, and no checks."""

    def __init__(self, quote: int, quote_scale: int, now: int) -> None:  # nothing that a live book reads is there
        self.quote = quote
        self.quote_scale = quote_scale
        self.ledgers = {}
        self.entries = {}
        self.books = {}
        self.interest = {}
        self.open = {}
        self.sums = Pool(since=now)
        self.kept = 0
        self.flowed = (0, 0)
        self.liquidator = 0
        self.fund = 0
        self.limits = _Limits()
        self.registry = self.limits  # type: ignore[assignment]
        self.tokens: dict[int, tuple[int, int]] = {}  # instrument, [wad] per unit
        self.strike_units: dict[int, int] = {}
        self.calls: dict[int, tuple[int, int, int]] = {}
        self.auctions: dict[int, tuple[int, int, int]] = {}
        self.paid: dict[int, int] = {}
        self.records: dict[int, int] = {}
        self.bad_debt = 0
        self.config: tuple[int, ...] = ()
        self.due: list[tuple[int, int, int]] = []  # account, cash and linear of one touch's expiries
        self.due_at = 0  # [s] when that was

    def feed_all(self, events: Iterable[tuple[int, Event]]) -> None:
        """Apply events in order, each with its time [s]."""
        for now, event in events:
            self.apply(event, now)
        self._pay_expired()

    def apply(self, event: Event, now: int) -> None:
        """Apply one event."""
        if event.name != "Expired" or (self.due and event.args["account"] != self.due[0][0]):
            self._pay_expired()
        handler = getattr(self, f"_on_{event.contract}_{event.name}", None)
        if handler is not None:
            wanted = inspect.signature(handler).parameters
            handler(now, **{name: value for name, value in event.args.items() if name in wanted})

    # ------------------------------------------------------------------------------------------ feed and registry

    def _on_IndexFeed_RouteBound(self, _: int, underlying: int, new: tuple[int, ...]) -> None:
        self.strike_units[underlying] = strike_unit_of(new)

    def _on_Registry_CollateralListed(self, _: int, token: int, instrument: int, scale: int) -> None:
        self.tokens[token] = instrument, scale

    def _on_Registry_LimitsSet(self, _: int, pool_limits: int) -> None:
        self.limits.word = pool_limits

    # --------------------------------------------------------------------------------------------------- the book

    def _on_Clearinghouse_LiquidatorSet(self, _: int, liquidator: int) -> None:
        self.liquidator = liquidator

    def _on_Clearinghouse_FundSet(self, _: int, fund: int) -> None:
        self.fund = fund

    def _on_Clearinghouse_Accrued(
        self, now: int, supply_index: int, borrow_index: int, supply: int, debt: int, kept: int
    ) -> None:
        self.sums = Pool(supply_index, borrow_index, now, supply, debt)
        self.kept = kept

    def _on_Clearinghouse_InterestBooked(self, now: int, account: int, amount: int) -> None:
        cash, linear = self._ledger(account)
        self._set_ledger(account, cash + amount, linear)
        index = self.sums.supply_index if cash > 0 else self.sums.borrow_index
        self.entries[account] = (index, self.brought_in(account))
        self._add(INTEREST, -amount, 0, now)

    def _on_Clearinghouse_Expired(self, now: int, account: int, instrument: int, quantity: int, price: int) -> None:
        found = unpack(instrument)
        self.books[account] = changed(self.books[account], instrument, -quantity)
        if quantity > 0:
            self.interest[found.underlying] -= quantity
            self.open[instrument] -= quantity
        pays = div_floor(quantity * payoff(found, price, self.strike_units[found.underlying]), WAD)
        self.due.append((account, 0, pays) if found.kind == FUTURE else (account, pays, 0))
        self.due_at = now

    def _pay_expired(self) -> None:
        """What the expiries of one touch pay is booked at once, after the last of them."""
        if self.due:
            account = self.due[0][0]
            cash, linear = sum(part[1] for part in self.due), sum(part[2] for part in self.due)
            self.due = []
            self._add(account, cash, linear, self.due_at)
            self._add(POOL, -cash, -linear, self.due_at)

    def _on_Clearinghouse_Deposited(self, now: int, account: int, token: int, amount: int) -> None:
        self._move(account, token, amount, now)
        if token == self.quote:
            self._bring_in(account, amount * self.quote_scale)

    def _on_Clearinghouse_Withdrawn(self, now: int, account: int, token: int, amount: int) -> None:
        self._move(account, token, -amount, now)
        if token == self.quote:
            own = min(self.brought_in(account), amount * self.quote_scale)
            self._bring_in(account, -own)
            self._flow_out(0 if account >> 96 == self.fund else amount * self.quote_scale - own, now)

    def _on_Clearinghouse_Transferred(self, now: int, source: int, target: int, token: int, amount: int) -> None:
        self._move(source, token, -amount, now)
        part = min(self.brought_in(source), amount * self.quote_scale) if token == self.quote else 0
        if part:
            self._bring_in(source, -part)
        self._move(target, token, amount, now)
        if part:
            self._bring_in(target, part)

    def _move(self, account: int, token: int, amount: int, now: int) -> None:
        """Token units into an account's book, or out of it."""
        if token == self.quote:
            self._add(account, amount * self.quote_scale, 0, now)
        else:
            instrument, scale = self.tokens[token]
            self._hold(account, instrument, amount * scale)

    def _on_Clearinghouse_Traded(
        self,
        now: int,
        buyer: int,
        seller: int,
        instrument: int,
        quantity: int,
        paid: int,
        received: int,
        fees: int,
    ) -> None:
        found = unpack(instrument)
        for account, change, money in ((buyer, quantity, -paid), (seller, -quantity, received)):
            had = held(self.books.get(account, ()), instrument)
            opened = max(had + change, 0) - max(had, 0)
            self.interest[found.underlying] = self.interest.get(found.underlying, 0) + opened
            self.open[instrument] = self.open.get(instrument, 0) + opened
            self.books[account] = changed(self.books.get(account, ()), instrument, change)
            self._book(account, money, found, now)
        self._book(SYSTEM, paid - received - fees, found, now)
        if fees:
            self._book(self.fund << 96, fees, found, now)

    def _on_Clearinghouse_Seized(
        self, now: int, account: int, bidder: int, fraction: int, payment: int, fee: int
    ) -> None:
        taken, self.books[account] = split(self.books.get(account, ()), fraction)
        self.books[bidder], closed = merge(self.books.get(bidder, ()), taken)
        for instrument, amount in closed.items():
            self.interest[unpack(instrument).underlying] -= amount
            self.open[instrument] -= amount
        cash, linear = (div_up(part * fraction, WAD) for part in self._ledger(account))
        self._add(account, payment - fee - cash, -linear, now)
        self._add(bidder, cash - payment, linear, now)
        if fee:
            self._add(self.fund << 96, fee, 0, now)

    def _on_Clearinghouse_Settled(self, now: int, account: int, amount: int) -> None:
        self._add(account, amount, -amount, now)
        self._add(POOL, -amount, amount, now)

    def _on_Clearinghouse_LossSocialised(self, now: int, account: int, amount: int, supply_index: int) -> None:
        old = self.sums
        self.sums = Pool(supply_index, old.borrow_index, old.since, old.supply - amount, old.debt)
        self._stand_at_index(account)
        self._add(INTEREST, -amount, 0, now)
        self._add(account, amount, 0, now)

    def _stand_at_index(self, account: int) -> None:
        """An account with cash was touched at the index of now."""
        if self._ledger(account)[0] > 0:
            self.entries[account] = (self.sums.supply_index, self.brought_in(account))

    def _on_Clearinghouse_Claimed(self, now: int, amount: int) -> None:
        self.kept -= amount
        self._add(INTEREST, -amount, 0, now)
        self._add(self.fund << 96, amount, 0, now)

    def _on_Clearinghouse_BountyPaid(self, now: int, account: int, to: int, amount: int) -> None:
        self._add(account, -amount, 0, now)
        self._add(to, amount, 0, now)

    def _book(self, account: int, money: int, instrument: Instrument, now: int) -> None:
        """Options are paid in cash, linear instruments in linear."""
        self._add(account, *((money, 0) if instrument.is_option else (0, money)), now)

    # --------------------------------------------------------------------------------------------- the liquidator

    def _on_Liquidator_ConfigSet(self, _: int, new: tuple[int, ...]) -> None:
        self.config = new

    def _on_Liquidator_Called(self, _: int, account: int, ripe: int, deadline: int) -> None:
        self.calls[account] = (ripe, deadline, deadline + self.config[0])

    def _on_Liquidator_Cured(self, _: int, account: int) -> None:
        self.calls.pop(account)

    def _on_Liquidator_AuctionStarted(self, now: int, account: int) -> None:
        self.calls.pop(account, None)
        self.paid.pop(account, None)
        self.auctions[account] = (now, self.config[2], self.config[3])

    def _on_Liquidator_ShortfallPaid(self, _: int, account: int, fund: int, socialised: int) -> None:
        self.paid[account] = self.paid.get(account, 0) + fund
        if socialised:
            self._stand_at_index(account)

    def _on_Liquidator_AuctionClosed(self, _: int, account: int) -> None:
        self.auctions.pop(account)

    def _on_Liquidator_BadDebtRecorded(self, _: int, account: int, amount: int, total: int) -> None:
        self.records[account] = amount
        self.bad_debt = total

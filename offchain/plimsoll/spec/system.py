"""The whole protocol in integers: feed, oracle, book, venue and liquidator under one clock.

A model of one deployment. `clock` is what `block.timestamp` is on chain; each part's functions take it as `now`, and
`System` fills it in. Tokens and aggregators are plain ones: they do what they are asked to, or refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from plimsoll.spec.book import Book
from plimsoll.spec.errors import require
from plimsoll.spec.events import Event
from plimsoll.spec.exchange import Exchange
from plimsoll.spec.feed import IndexFeed
from plimsoll.spec.liquidator import Liquidator
from plimsoll.spec.oracle import Oracle

ENDLESS: Final = 2**256 - 1  # an allowance that is not used up


@dataclass(slots=True)
class PlainToken:
    """An ERC-20 that moves what it is asked to, and reverts without a reason where it cannot."""

    decimals: int
    balances: dict[int, int] = field(default_factory=dict)
    allowances: dict[tuple[int, int], int] = field(default_factory=dict)

    def mint(self, to: int, amount: int) -> None:
        """Tokens out of nothing."""
        self.balances[to] = self.balance_of(to) + amount

    def approve(self, owner: int, spender: int, amount: int) -> None:
        """Let `spender` move so much of what `owner` has."""
        self.allowances[owner, spender] = amount

    def balance_of(self, holder: int) -> int:
        """What `holder` has."""
        return self.balances.get(holder, 0)

    def transfer(self, sender: int, to: int, amount: int) -> None:
        """Move `amount` of the sender's own."""
        require(self.balance_of(sender) >= amount, "")
        self.balances[sender] = self.balance_of(sender) - amount
        self.balances[to] = self.balance_of(to) + amount

    def transfer_from(self, spender: int, sender: int, to: int, amount: int) -> None:
        """Move `amount` that `sender` allowed `spender` to move."""
        allowed = self.allowances.get((sender, spender), 0)
        require(allowed >= amount, "")
        self.transfer(sender, to, amount)
        if allowed != ENDLESS:
            self.allowances[sender, spender] = allowed - amount


@dataclass(slots=True)
class PlainAggregator:
    """A price aggregator whose answer is set."""

    decimals: int
    answer: int = 0
    updated_at: int = 0

    def latest(self) -> tuple[int, int]:
        """The answer and when it was updated [s]."""
        return self.answer, self.updated_at


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the contracts of a deployment stand, and who owns them."""

    owner: int
    feed: int
    oracle: int
    book: int
    exchange: int
    liquidator: int
    quote: int


class System:
    """A deployment: every part, wired as the deployment script wires the contracts."""

    def __init__(
        self,
        at: Addresses,
        chain_id: int,
        clock: int,
        tokens: Mapping[int, PlainToken],
        aggregators: Mapping[int, PlainAggregator],
    ) -> None:
        self.at = at
        self.clock = clock
        self.tokens = tokens
        self.aggregators = aggregators
        self.feed = IndexFeed(at.owner, aggregators)
        self.oracle = Oracle(at.oracle, chain_id, at.owner, self.feed)
        self.book = Book(at.book, at.owner, at.quote, self.oracle, self.feed, tokens)
        self.oracle.interest = self.book.open_interest
        self.exchange = Exchange(at.exchange, chain_id, self.book)
        self.liquidator = Liquidator(at.liquidator, at.owner, self.book)

    def wire(self) -> None:
        """Name the parts to each other: the book to the oracle, venue and liquidator to the book."""
        self.oracle.set_book(self.at.book, sender=self.at.owner)
        self.book.set_venue(self.at.exchange, True, sender=self.at.owner)
        self.book.set_liquidator(self.at.liquidator, sender=self.at.owner)

    def logs(self) -> tuple[list[Event], ...]:
        """The event log of each part."""
        return self.feed.log, self.oracle.log, self.book.log, self.exchange.log, self.liquidator.log

    def conserved(self) -> tuple[int, int]:
        """Sums of cash and of linear over all accounts [wad]: what deposits less withdrawals brought, and zero."""
        return (
            sum(cash for cash, _ in self.book.ledgers.values()),
            sum(linear for _, linear in self.book.ledgers.values()),
        )

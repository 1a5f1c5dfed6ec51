"""The whole protocol in integers: feed, oracle, book, venue and liquidator under one clock.

A model of one deployment. `clock` is what `block.timestamp` is on chain; each part's functions take it as `now`, and
`System` fills it in. Tokens and aggregators are plain ones: they do what they are asked to, or refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from plimsoll.spec.book import Book
from plimsoll.spec.breakers import Breakers
from plimsoll.spec.errors import require
from plimsoll.spec.events import Event
from plimsoll.spec.exchange import Exchange
from plimsoll.spec.feed import IndexFeed
from plimsoll.spec.fund import InsuranceFund
from plimsoll.spec.guardrails import Guardrails, OpenGuardrails
from plimsoll.spec.history import History
from plimsoll.spec.liquidator import Liquidator
from plimsoll.spec.mandates import Mandates
from plimsoll.spec.oracle import Oracle
from plimsoll.spec.registry import Registry
from plimsoll.spec.standing import StandingOrders
from plimsoll.spec.timelock import Timelock

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
    """An aggregator whose answer is set: of a price, or of whether a sequencer is up (0)."""

    decimals: int
    answer: int = 0
    updated_at: int = 0
    started_at: int = 0
    description: str = ""
    fails: bool = False

    def latest(self) -> tuple[int, int]:
        """The answer and when it was updated [s]."""
        require(not self.fails, "aggregator: down")
        return self.answer, self.updated_at


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the contracts of a deployment stand, and who owns them."""

    owner: int
    feed: int
    guard: int
    oracle: int
    history: int
    registry: int
    mandates: int
    book: int
    exchange: int
    liquidator: int
    standing: int
    fund: int
    quote: int
    timelock: int = 0
    breakers: int = 0


@dataclass(frozen=True, slots=True)
class Waits:
    """What the contracts are told of time when they are built."""

    lag: int = 3_600  # [s] profit younger than this does not leave
    delay: int = 3_600  # [s] between a settlement price's proposal and its finality


@dataclass(frozen=True, slots=True)
class Roles:
    """Who may do what in the timelock, and how long it waits [s]."""

    proposers: tuple[int, ...] = (1,)
    executors: tuple[int, ...] = (0,)  # anyone
    guardians: tuple[int, ...] = (1, 2)
    minimum_delay: int = 60
    longest_delay: int = 3_600
    slowest: tuple[bytes, ...] = ()


class System:
    """A deployment: every part, wired as the deployment script wires the contracts."""

    def __init__(
        self,
        at: Addresses,
        chain_id: int,
        clock: int,
        tokens: Mapping[int, PlainToken],
        aggregators: Mapping[int, PlainAggregator],
        waits: Waits = Waits(),
        *,
        guarded: bool = True,
        roles: Roles = Roles(),
        sequencer: int = 0,
    ) -> None:
        self.at = at
        self.guarded = guarded  # without: guardrails that let everything pass
        self.clock = clock
        self.tokens = tokens
        self.aggregators = aggregators
        self.waits = waits
        self.roles = roles
        self.timelock = Timelock(
            at.timelock,
            roles.proposers,
            roles.executors,
            roles.guardians,
            roles.minimum_delay,
            roles.longest_delay,
            roles.slowest,
        )
        guardians = self.timelock.guards_for
        witnesses: dict[int, Oracle] = {}
        self.feed = IndexFeed(at.owner, aggregators, witnesses, sequencer, clock, guardians)
        self.guard: Guardrails | OpenGuardrails = (
            Guardrails(at.owner, self.feed, guardians) if guarded else OpenGuardrails()
        )
        self.oracle = Oracle(at.oracle, chain_id, at.owner, self.feed, self.guard, guardians=guardians)
        witnesses[at.oracle] = self.oracle
        self.history = History(at.owner, self.feed, self.oracle, waits.lag, waits.delay, guardians)
        self.registry = Registry(at.owner, at.quote, self.feed, self.oracle, tokens, guardians)
        self.mandates = Mandates(at.owner)
        self.book = Book(
            at.book,
            at.owner,
            at.quote,
            self.oracle,
            self.feed,
            self.registry,
            self.mandates,
            self.history,
            tokens,
            clock,
        )
        self.oracle.interest = self.book.open_interest
        self.exchange = Exchange(at.exchange, chain_id, self.book)
        self.fund = InsuranceFund(at.fund, at.owner, self.book, at.liquidator, tokens)
        self.liquidator = Liquidator(at.liquidator, at.owner, self.book, {at.fund: self.fund})
        self.standing = StandingOrders(at.standing, chain_id, self.book, self.liquidator)
        self.breakers = Breakers(at.breakers, at.owner, self.book, self.fund, guardians)
        self.timelock.parts = self.parts()

    def wire(self) -> None:
        """Name the parts to each other, as the deployment script does."""
        owner = self.at.owner
        self.feed.set_witness(self.at.oracle, sender=owner)
        if isinstance(self.guard, Guardrails):
            self.guard.set_oracle(self.at.oracle, sender=owner)
        self.oracle.set_book(self.at.book, sender=owner)
        self.mandates.set_book(self.at.book, sender=owner)
        self.registry.set_venue(self.at.exchange, True, sender=owner)
        self.registry.set_venue(self.at.standing, True, sender=owner)
        self.registry.set_breakers(self.at.breakers, sender=owner)
        self.book.set_liquidator(self.at.liquidator, sender=owner)
        self.book.set_fund(self.at.fund, sender=owner)
        self.liquidator.set_fund(self.at.fund, sender=owner)

    def parts(self) -> tuple[Any, ...]:
        """Every part that logs."""
        return (
            self.timelock,
            self.feed,
            self.guard,
            self.oracle,
            self.history,
            self.registry,
            self.mandates,
            self.book,
            self.exchange,
            self.liquidator,
            self.standing,
            self.fund,
            self.breakers,
        )

    def logs(self) -> tuple[list[Event], ...]:
        """The event log of each part."""
        return tuple(part.log for part in self.parts())

    def conserved(self) -> tuple[int, int]:
        """Sums of cash and of linear over all accounts [wad]: what deposits less withdrawals brought, and zero."""
        return (
            sum(cash for cash, _ in self.book.ledgers.values()),
            sum(linear for _, linear in self.book.ledgers.values()),
        )

"""Views for people. Twin of `contracts/Lens.vy`: for reading, so sums round toward zero.

Solvency is exact: what the system holds against what it owes, now and in every lane of the posted scenarios.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plimsoll.spec.book import Book, changed
from plimsoll.spec.errors import Refused
from plimsoll.spec.fund import InsuranceFund
from plimsoll.spec.instruments import PERP, id_of, quantity_of, unpack
from plimsoll.spec.liquidator import Liquidator
from plimsoll.spec.margin import Assessment, State, row_of, state_of
from plimsoll.spec.registry import unpack_pool_limits
from plimsoll.spec.surface import LANES, Surface
from plimsoll.spec.wad import WAD, div_truncate, div_up, mul_div_down

NO_CAP = 2**96 - 1  # of outflow


@dataclass(slots=True)
class Greeks:
    """Net Greeks of one underlying at the reference price of its surfaces [wad].

    delta in units of the underlying, gamma in units per unit of price, vega in quote per 1.00 of volatility, theta in
    quote per day.
    """

    underlying: int
    delta: int = 0
    gamma: int = 0
    vega: int = 0
    theta: int = 0


def greeks(words: Sequence[int], surfaces: Mapping[tuple[int, int], Surface]) -> list[Greeks]:
    """Net Greeks of a sorted book by underlying; a missing row counts its quantity as delta."""
    found: list[Greeks] = []
    for word in words:
        instrument = unpack(id_of(word))
        quantity = quantity_of(word)
        if not found or found[-1].underlying != instrument.underlying:
            found.append(Greeks(instrument.underlying))
        sums = found[-1]
        surface = surfaces.get((instrument.underlying, instrument.expiry))
        row = row_of(surface, instrument)
        if row is None or surface is None:
            sums.delta += quantity
            continue
        reference = surface.reference
        sums.delta += div_truncate(quantity * row.delta, 10**6)
        sums.gamma += div_truncate(quantity * row.gamma * 10**12, reference)
        sums.vega += div_truncate(div_truncate(quantity * row.vega, 10**6) * reference, WAD)
        sums.theta += div_truncate(div_truncate(quantity * row.theta, 10**7) * reference, WAD)
    return found


def margin_after(book: Book, account: int, trades: Sequence[tuple[int, int, int]], now: int) -> Assessment:
    """What the margin would be after trades of (instrument, quantity, price), fees aside."""
    words, money = book.positions(account, now), sum(book.ledger(account, now))
    for instrument_id, quantity, price in trades:
        instrument = unpack(instrument_id)
        cost = price - (book.oracle.funding(instrument.underlying, now) if instrument.kind == PERP else 0)
        words = changed(words, instrument_id, quantity)
        money -= div_up(quantity * cost, WAD)
    return book.oracle.assess(words, money, now)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an account stands, if anybody can tell: state and margin, and the times of its call and auction [s]."""

    is_known: bool
    state: int
    assessment: Assessment
    ripe: int
    deadline: int
    auction: int


def standing(book: Book, liquidator: Liquidator, account: int, now: int) -> Standing:
    """Where an account stands. One that cannot be assessed has zeros for its margin."""
    times = liquidator.ripe(account, now), liquidator.deadline(account, now), liquidator.auction(account, now)
    try:
        found = book.margin(account, now)
    except Refused:
        return Standing(False, State.HEALTHY, Assessment(0, 0, 0, 0, 0, fresh=False), *times)
    return Standing(True, state_of(found), found, *times)


@dataclass(frozen=True, slots=True)
class Holding:
    """What the book holds of a token, and what accounts could take out once every debt is paid [wad]."""

    token: int
    held: int
    owed: int


@dataclass(frozen=True, slots=True)
class Solvency:
    """What the system holds against what it owes. Money [wad], `utilisation` [ppm]; the quote token comes first."""

    holdings: tuple[Holding, ...]
    supply: int
    debt: int
    kept: int
    pool: int
    utilisation: int
    outflow: int
    bad_debt: int
    cover: int
    event_cap: int
    underlying_cap: int


def solvency(book: Book, liquidator: Liquidator | None, fund: InsuranceFund | None, now: int) -> Solvency:
    """What is held of each token against what is owed of it.

    Of the quote token, cash of all - debt of all + kept + accounts 0 and 1; of collateral, what was deposited.
    """
    pool, kept = book.pool(now)
    settled, dust = book.ledger(1, now)[0], book.ledger(0, now)[0]
    holdings = []
    for token in book.registry.tokens:
        found = book.known[token]
        owed = pool.supply + kept - pool.debt + settled + dust
        if token != book.quote:
            owed = book.instrument_interest(book.registry.collateral(token)[0])
        holdings.append(Holding(token, found.balance_of(book.address) * 10 ** (18 - found.decimals), owed))
    limits = unpack_pool_limits(book.registry.pool_limits())
    used = 0
    if limits.outflow_cap != NO_CAP:
        left, since = book.outflow() >> 128, book.outflow() & 2**128 - 1
        used = max(0, left - mul_div_down(limits.outflow_cap, now - since, limits.outflow_window))
    return Solvency(
        tuple(holdings),
        pool.supply,
        pool.debt,
        kept,
        settled,
        book.utilisation(),
        used,
        liquidator.bad_debt if liquidator else 0,
        fund.cover() if fund else 0,
        fund.event_cap if fund else 0,
        fund.underlying_cap if fund else 0,
    )


def shortfalls(book: Book, accounts: Sequence[int], now: int) -> tuple[tuple[int, ...], int]:
    """In every lane, what accounts would lack together [wad]; and how many of them nobody can assess."""
    lacks, unknown = [0] * LANES, 0
    for account in accounts:
        words = book.positions(account, now)
        try:
            equity = book.oracle.assess(words, sum(book.ledger(account, now)), now).equity_full
        except Refused:
            unknown += 1
            continue
        lanes = book.oracle.lanes(words, now)
        lacks = [lack + max(0, -(equity + pnl)) for lack, pnl in zip(lacks, lanes, strict=True)]
    return tuple(lacks), unknown

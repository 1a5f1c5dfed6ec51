"""Views for people. Twin of `contracts/Lens.vy`: for reading, so sums round toward zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plimsoll.spec.book import Book, changed
from plimsoll.spec.errors import Refused
from plimsoll.spec.instruments import PERP, id_of, quantity_of, unpack
from plimsoll.spec.liquidator import Liquidator
from plimsoll.spec.margin import Assessment, State, row_of, state_of
from plimsoll.spec.surface import Surface
from plimsoll.spec.wad import WAD, div_truncate, div_up


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

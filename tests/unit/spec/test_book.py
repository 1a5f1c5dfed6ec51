"""The book's pure parts, against plain dictionaries; and what no sequence of trades or seizures may gain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.spec import book
from plimsoll.spec.errors import Refused
from plimsoll.spec.instruments import (
    CALL,
    FUTURE,
    MAX_POSITIONS,
    PERP,
    PUT,
    SPOT,
    Instrument,
    id_of,
    quantity_of,
    unpack,
    word,
)
from plimsoll.spec.wad import MAX_QUANTITY, WAD, div_floor, div_up, mul_div_down, mul_div_up
from tests.strategies import edge_integers

SMALL = st.builds(Instrument, st.integers(0, 2), st.integers(0, 1), st.integers(0, 4), st.integers(0, 1), st.just(0))
QUANTITIES = edge_integers(-MAX_QUANTITY, MAX_QUANTITY).filter(bool)
HOLDINGS = st.dictionaries(SMALL.map(Instrument.pack), QUANTITIES, max_size=8)
FRACTIONS = edge_integers(1, WAD)


def words_of(holding: dict[int, int]) -> tuple[int, ...]:
    return tuple(word(i, q) for i, q in sorted(holding.items()))


def holding_of(words: tuple[int, ...]) -> dict[int, int]:
    return {id_of(w): quantity_of(w) for w in words}


def is_sorted(words: tuple[int, ...]) -> bool:
    ids = [id_of(w) for w in words]
    return ids == sorted(set(ids))


@given(HOLDINGS, SMALL.map(Instrument.pack), QUANTITIES)
def test_a_change_is_a_sum(holding: dict[int, int], instrument_id: int, change: int) -> None:
    words = words_of(holding)
    assert book.held(words, instrument_id) == holding.get(instrument_id, 0)
    after = holding.get(instrument_id, 0) + change
    if abs(after) > MAX_QUANTITY:
        with pytest.raises(Refused, match="quantity over the maximum"):
            book.changed(words, instrument_id, change)
        return
    changed = book.changed(words, instrument_id, change)
    assert is_sorted(changed)
    assert holding_of(changed) == {i: q for i, q in (holding | {instrument_id: after}).items() if q}


def test_a_full_book_takes_no_new_position() -> None:
    words = tuple(word(2 * k, 1) for k in range(MAX_POSITIONS))
    with pytest.raises(Refused, match="clearinghouse: too many positions"):
        book.changed(words, 3, 1)
    assert book.changed(words, 3, 0) == words
    assert len(book.changed(words, 4, 1)) == MAX_POSITIONS
    assert len(book.changed(words, 4, -1)) == MAX_POSITIONS - 1
    with pytest.raises(Refused, match="clearinghouse: too many positions"):
        book.merge(words, (word(3, 1),))


@given(HOLDINGS, FRACTIONS)
def test_a_split_loses_nothing(holding: dict[int, int], fraction: int) -> None:
    words = words_of(holding)
    taken, rest = book.split(words, fraction)
    assert is_sorted(taken)
    assert is_sorted(rest)
    for instrument_id, quantity in holding.items():
        moved = book.held(taken, instrument_id)
        assert moved + book.held(rest, instrument_id) == quantity
        assert abs(moved) == abs(quantity) * fraction // WAD  # down in magnitude
        assert moved * quantity >= 0
    assert fraction < WAD or not rest


@given(HOLDINGS, HOLDINGS)
def test_a_merge_adds_up_and_closes_what_is_opposite(mine: dict[int, int], theirs: dict[int, int]) -> None:
    sums = {i: mine.get(i, 0) + theirs.get(i, 0) for i in mine | theirs}
    if max(map(abs, sums.values()), default=0) > MAX_QUANTITY:
        with pytest.raises(Refused, match="quantity over the maximum"):
            book.merge(words_of(mine), words_of(theirs))
        return
    merged, closed = book.merge(words_of(mine), words_of(theirs))
    assert is_sorted(merged)
    assert holding_of(merged) == {i: q for i, q in sums.items() if q}
    longs: dict[int, int] = {}
    for instrument_id, total in sums.items():
        instrument = unpack(instrument_id)
        if instrument.kind != SPOT:
            before = max(0, mine.get(instrument_id, 0)) + max(0, theirs.get(instrument_id, 0))
            longs[instrument_id] = before - max(0, total)
    assert {i: q for i, q in longs.items() if q} == closed


@given(HOLDINGS, edge_integers(-2, 2))
def test_what_needs_margin(holding: dict[int, int], ledger: int) -> None:
    is_open = any(unpack(i).kind != SPOT for i in holding)
    assert book.is_risky(words_of(holding), ledger) == (is_open or ledger < 0)


@given(edge_integers(2, MAX_QUANTITY), edge_integers(1, 10**27), st.integers(2, 5))
def test_many_small_trades_never_beat_one_large_one(quantity: int, price: int, parts: int) -> None:
    """I-62: the buyer pays no less in parts, the seller receives no more."""
    pieces = [quantity // parts] * (parts - 1)
    pieces.append(quantity - sum(pieces))
    assert sum(mul_div_up(q, price, WAD) for q in pieces) >= mul_div_up(quantity, price, WAD)
    assert sum(mul_div_down(q, price, WAD) for q in pieces) <= mul_div_down(quantity, price, WAD)


@given(edge_integers(-(10**36), 10**36), FRACTIONS)
def test_a_ledger_is_split_against_the_account(amount: int, fraction: int) -> None:
    """Toward plus infinity: the bidder takes the odd unit of what is there, and leaves it of what is owed."""
    moved = div_up(amount * fraction, WAD)
    assert abs(moved) <= abs(amount)
    assert moved * WAD >= amount * fraction
    assert moved * WAD - amount * fraction < WAD


@pytest.mark.parametrize(
    ("kind", "price", "pays"),
    [
        (FUTURE, 7 * WAD, 7 * WAD),
        (CALL, 7 * WAD, 2 * WAD),
        (CALL, 5 * WAD, 0),
        (CALL, 3 * WAD, 0),
        (PUT, 7 * WAD, 0),
        (PUT, 3 * WAD, 2 * WAD),
    ],
)
def test_what_one_unit_pays_at_expiry(kind: int, price: int, pays: int) -> None:
    assert book.payoff(Instrument(0, 1, kind, 10, 0), price, WAD // 2) == pays


@given(
    st.lists(edge_integers(-MAX_QUANTITY, MAX_QUANTITY).filter(bool), min_size=1, max_size=6), edge_integers(1, 10**27)
)
def test_what_an_expiry_pays_all_sides_is_never_more_than_nothing(sides: list[int], price: int) -> None:
    """Long and short of a series add up to nothing, and each is paid down: the pool ends with the odd units."""
    quantities = [*sides, -sum(sides)]
    left = -sum(div_floor(q * price, WAD) for q in quantities)
    assert 0 <= left < len(quantities)


def test_ids_sort_within_a_book_whatever_their_quantity() -> None:
    low, high = Instrument(0, 0, PERP, 0, 0).pack(), Instrument(0, 0, PERP, 0, 1).pack()
    words = book.changed(book.changed((), high, 1), low, -1)
    assert [id_of(w) for w in words] == [low, high]
    assert words[0] > words[1]  # a short is a large word; the id decides

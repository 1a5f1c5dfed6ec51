"""The screen of many accounts: the same margins as in integers, within a bound that it states itself."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.risk import screen as screening
from plimsoll.risk.engine import Engine
from plimsoll.risk.models import EwmaFhs
from plimsoll.risk.screen import (
    ABOVE,
    BELOW,
    EXACT,
    NO_ROW,
    Books,
    ScreenError,
    books_of,
    drawn_books,
    drawn_snapshot,
    measure,
    screen,
    table_of,
    view_of,
    worst_first,
)
from plimsoll.spec.instruments import SPOT, WINDOW, id_of, unpack, word
from plimsoll.spec.margin import Index, State, View, assess, state_of
from plimsoll.spec.wad import MAX_QUANTITY, WAD
from tests.strategies import NOW, Drawn, Regime, Seeded, edge, portfolio, world

BOOKS = 12


def view_in(source, known):
    """A world as a margin check reads it; funding is drawn."""
    return View(
        known.params,
        NOW,
        {key: Index(price, 10 ** known.exponent[key]) for key, price in known.price.items()},
        {(s.underlying, s.expiry): s for s in known.surfaces},
        {s.underlying: s for s in known.scalars},
        {c.klass: c for c in known.classes},
        known.interest,
        {key: edge(source, -(10**24), 10**24) for key in known.price},
    )


def cases(source):
    """A view, and books in it with what integers say."""
    known = world(source, 6, 4)
    known.dead = set()
    view = view_in(source, known)
    books = []
    for _ in range(BOOKS):
        drawn = portfolio(source, known, lambda words, ledger: assess(words, ledger, view))
        assert drawn.regime is not Regime.REVERT
        books.append((drawn.words, drawn.ledger))
    return view, books


def is_screened(view, table, words):
    """Whether the screen promises to say anything of a book."""
    items = [unpack(id_of(found)) for found in words]
    return all(
        id_of(found) in table.places
        and item.underlying in view.scalars
        and (not item.expiry or item.expiry - NOW >= WINDOW)
        for found, item in zip(words, items, strict=True)
    )


def check(view, books):
    """Every number within the bound, every verdict true; how many were screened, and EXACT."""
    try:
        table = table_of(view)
    except ScreenError:
        return 0, 0
    found = screen(table, books_of(table, books))
    screened = close = 0
    for at, (words, ledger) in enumerate(books):
        truth = assess(words, ledger, view)
        if not is_screened(view, table, words):
            assert found.verdict[at] == EXACT
            assert np.isnan(found.mm[at])
            continue
        screened += 1
        bound = Fraction(found.bound[at])
        for said, exact in (
            (found.mm[at], truth.mm),
            (found.equity_haircut[at], truth.equity_haircut),
            (found.equity_full[at], truth.equity_full),
        ):
            assert abs(Fraction(said) - Fraction(exact, WAD)) <= bound
        under = truth.equity_haircut < truth.mm
        if found.verdict[at] == EXACT:
            close += 1
            assert abs(truth.equity_haircut - truth.mm) <= 2 * bound * WAD
        else:
            assert (found.verdict[at] == BELOW) == under
    return screened, close


@settings(max_examples=settings.default.max_examples // 2)  # an example is a world; seeds draw more beside
@given(st.data())
def test_margins_are_those_of_integers_within_the_bound(data):
    check(*cases(Drawn(data.draw)))


def test_many_drawn_worlds_agree_and_most_accounts_are_decided():
    screened = close = 0
    for seed in range(60):
        one, other = check(*cases(Seeded(seed)))
        screened, close = screened + one, close + other
    assert screened > 150
    assert 0 < close < 0.4 * screened  # two of five books are drawn on the edge of a state, a quarter of them on MM


@pytest.fixture(scope="module")
def market():
    snapshot = drawn_snapshot()
    view = view_of(Engine(EwmaFhs()).report(snapshot), snapshot)
    return view, table_of(view)


@pytest.fixture(scope="module")
def drawn(market):
    return drawn_books(market[1], 2_000, 8, seed=3)


def words_of(table, books, account):
    part = slice(books.starts[account], books.starts[account + 1])
    held = [
        word(table.ids[row], round(quantity * WAD))
        for row, quantity in zip(books.rows[part], books.quantities[part], strict=True)
    ]
    return held, round(books.ledgers[account] * WAD)


def test_books_that_net_across_underlyings_agree_to_a_millionth_of_a_millionth(market, drawn):
    view, table = market
    offset = next(iter(view.classes.values()))
    assert offset.offset > 0  # so that the joint scan is in it
    found = screen(table, drawn)
    for account in range(0, 2_000, 50):
        truth = assess(*words_of(table, drawn, account), view)
        assert found.mm[account] == pytest.approx(truth.mm / WAD, rel=1e-12)
        assert found.headroom[account] == pytest.approx((truth.equity_haircut - truth.mm) / WAD, rel=1e-9)
        assert (found.verdict[account] == BELOW) == (state_of(truth) >= State.LIQUIDATABLE)
    assert set(found.verdict.tolist()) == {ABOVE, BELOW}
    assert found.bound.max() < 1e-6  # of accounts of 10,000


def test_the_compiled_kernel_says_what_the_plain_one_says(market, monkeypatch):
    books = drawn_books(market[1], 20, 5, seed=4)
    fast = screen(market[1], books)
    monkeypatch.setattr(screening, "_kernel", screening._plain_kernel)
    plain = screen(market[1], books)
    np.testing.assert_allclose(fast.mm, plain.mm, rtol=1e-14)
    assert fast.verdict.tolist() == plain.verdict.tolist()


def test_an_account_on_the_edge_is_left_to_integers_and_one_beside_it_is_not(market):
    view, table = market
    words = [word(table.ids[0], WAD)]
    need = assess(words, -1, view)
    edge_ledger = need.mm - need.equity_haircut - 1
    found = screen(table, books_of(table, [(words, edge_ledger + shift) for shift in (0, -1, 10**15, -(10**15))]))
    assert found.verdict.tolist() == [EXACT, EXACT, ABOVE, BELOW]
    assert found.counts == {"above": 1, "below": 1, "exact": 2}


def test_what_is_not_in_the_table_or_fades_or_is_no_number_is_left_to_integers(market):
    view, table = market
    near = next(key for key in table.ids if unpack(key).expiry)
    late = table_of(replace(view, now=unpack(near).expiry - WINDOW + 1))
    stranger = unpack(table.ids[0])
    books = [([word(near, WAD)], WAD), ([word(replace(stranger, row=200).pack(), WAD)], 10**30)]
    assert screen(late, books_of(late, books)).verdict.tolist() == [EXACT, EXACT]
    assert books_of(table, books).rows.tolist()[1] == NO_ROW
    bare = table_of(replace(view, scalars={}))
    assert screen(bare, books_of(bare, books[:1])).verdict.tolist() == [EXACT]
    broken = Books(np.array([0, 1]), np.array([0], dtype=np.int32), np.array([np.nan]), np.array([1e9]))
    assert screen(table, broken).verdict.tolist() == [EXACT]


def test_collateral_alone_needs_nothing(market, snapshot):
    view = view_of(Engine(EwmaFhs()).report(snapshot), snapshot)
    table = table_of(view)
    token = next(key for key in table.ids if unpack(key).kind == SPOT)
    found = screen(table, books_of(table, [([word(token, MAX_QUANTITY)], 0), ([], 0), ([], -1)]))
    assert found.mm.tolist() == [0, 0, 0]
    assert found.verdict.tolist() == [ABOVE, EXACT, EXACT]  # a debt of one unit in 10^18 is not seen in floats


def test_rows_out_of_order_are_refused_by_account(market):
    table = market[1]
    for rows in ([5, 4], [3, 3], [0, len(table.ids)]):
        books = Books(np.array([0, 0, 2]), np.array(rows, dtype=np.int32), np.ones(2), np.zeros(2))
        with pytest.raises(ScreenError, match="account 1"):
            screen(table, books)


def test_shapes_that_do_not_fit_are_refused():
    rows, one = np.zeros(1, dtype=np.int32), np.ones(1)
    for starts, quantities in (([0, 2], one), ([1, 1], one), ([0], one), ([0, 1], np.ones(2)), ([0, 1, 0], one)):
        with pytest.raises(ScreenError):
            Books(np.array(starts), rows, quantities, np.zeros(len(starts) - 1 or 1))


def test_a_view_without_rows_or_index_is_refused(market):
    with pytest.raises(ScreenError, match="row"):
        table_of(replace(market[0], surfaces={}))
    with pytest.raises(ScreenError, match="index"):
        table_of(replace(market[0], index={}))
    with pytest.raises(ScreenError, match="positions"):
        drawn_books(market[1], 1, len(market[1].ids) + 1)


def test_the_worst_come_first_and_those_that_nobody_knows_before_them(market, drawn):
    table = market[1]
    found = screen(table, drawn)
    order = worst_first(found)
    ratio = (found.headroom / found.mm)[order]
    assert np.all(np.diff(ratio) >= 0)
    assert sorted(order.tolist()) == list(range(2_000))
    assert worst_first(found, 100).tolist() == order[:100].tolist()
    unknown = Books(np.array([0, 1, 2]), np.array([0, NO_ROW], dtype=np.int32), np.ones(2), np.array([-1e9, 1e9]))
    assert worst_first(screen(table, unknown)).tolist() == [1, 0]


def test_measuring_says_how_fast_and_how_large():
    said = measure(accounts=20_000, runs=1)
    assert (said["accounts"], said["positions"], said["rows"], said["lanes"]) == (20_000, 8, 1_300, 32)
    assert said["above"] + said["below"] + said["exact"] == 20_000
    assert min(said["above"], said["below"]) > 1_000
    assert 0 < said["seconds"] < 0.5  # a million in half a minute at the very least
    assert 0 < said["gibibytes"] < 4


@pytest.mark.slow
def test_a_million_accounts_in_a_second():
    said = measure(runs=1)
    assert said["seconds"] <= 1.0
    assert said["gibibytes"] <= 4.0

import gzip
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.market.errors import (
    EmptyRangeError,
    MalformedFileError,
    MissingColumnError,
    NonPositivePriceError,
    SourceNotFoundError,
)
from plimsoll.market.orderbook import OrderBook, load_books

LEVELS = [f"{side}[{level}].{what}" for level in (0, 1) for side in ("asks", "bids") for what in ("price", "amount")]
HEADER = ",".join(["exchange", "timestamp", *LEVELS])
ROW = "x,1598918403696000,101,2,99,1,103,4,97,5"


def book(bids=((99, 1), (97, 5)), asks=((101, 2), (103, 4))):
    sides = [np.array(side, dtype=np.float64).T for side in (bids, asks)]
    return OrderBook(0.0, *sides[0], *sides[1])


def test_by_hand():
    found = book()
    assert found.mid == 100
    assert found.spread == 0.02
    assert found.within(0.01) == (1, 2)
    assert found.within(0.03) == (6, 6)
    assert found.within(0.005) == (0, 0)
    assert found.cost(2, buy=True) == pytest.approx(0.01)
    assert found.cost(4, buy=True) == pytest.approx(0.02)  # two at 1 %, two at 3 %
    assert found.takes(0.02, buy=True) == pytest.approx(4)
    assert found.takes(0.02, buy=False) == pytest.approx(2)  # one at 1 %, one at 3 %
    assert found.takes(0.009, buy=True) == 0
    assert found.takes(1, buy=True) == 6
    assert math.isinf(found.cost(6.1, buy=False))
    with pytest.raises(ValueError, match="above 0"):
        found.cost(0, buy=True)


levels = st.lists(st.tuples(st.floats(1e-4, 0.01), st.floats(0.01, 100)), min_size=1, max_size=20)


@given(levels, levels, st.floats(0.0002, 0.05), st.booleans())
def test_what_a_cost_buys_costs_it(bids, asks, cost, buy):
    def side(steps, sign):
        away = np.cumsum([step for step, _ in steps])
        return [(100 * (1 + sign * x), size) for x, (_, size) in zip(away, steps, strict=True)]

    found = book(side(bids, -1), side(asks, 1))
    quantity = found.takes(cost, buy=buy)
    whole = float(found.ladder(buy=buy)[1].sum())
    assert 0 <= quantity <= whole * (1 + 1e-12)
    if quantity > 1e-9:
        assert found.cost(min(quantity, whole), buy=buy) <= cost * (1 + 1e-9)
    if quantity < whole * (1 - 1e-9):
        assert found.cost(min(whole, quantity * 1.01 + 1e-6), buy=buy) > cost * (1 - 1e-9)
    assert quantity <= found.takes(cost * 1.5, buy=buy) * (1 + 1e-12)


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"bids": ((97, 1), (99, 5))}, MalformedFileError, "bid 99.0 follows 97.0"),
        ({"asks": ((103, 1), (101, 5))}, MalformedFileError, "ask 101.0 follows 103.0"),
        ({"bids": ((102, 1),)}, MalformedFileError, "over ask"),
        ({"bids": ((0, 1),)}, NonPositivePriceError, "bid is at 0"),
        ({"asks": ((101, math.nan),)}, MalformedFileError, "ask sizes"),
        ({"asks": ((101, -1),)}, MalformedFileError, "ask sizes"),
        ({"asks": ((101, 0),)}, MalformedFileError, "ask sizes"),
    ],
)
def test_no_book(changes, error, said):
    with pytest.raises(error, match=said):
        book(**changes)


def test_an_empty_side_is_no_book():
    with pytest.raises(MalformedFileError, match="one level"):
        OrderBook(0.0, np.array([]), np.array([]), np.array([1.0]), np.array([1.0]))


def write(tmp_path, *lines, zipped=False):
    path = tmp_path / ("book.csv.gz" if zipped else "book.csv")
    text = "\n".join(lines) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if zipped else text.encode())
    return path


@pytest.mark.parametrize("zipped", [False, True])
def test_books_of_a_file(tmp_path, zipped):
    first, second = load_books(write(tmp_path, HEADER, ROW, ROW.replace("103,4,97,5", ",,97,5"), zipped=zipped))
    assert first.time == 1598918403.696
    assert first.row == 2
    assert list(first.ask_price) == [101, 103]
    assert list(first.ask_size) == [2, 4]
    assert list(first.bid_price) == [99, 97]
    assert list(first.bid_size) == [1, 5]
    assert list(second.ask_price) == [101]  # a level that was empty


@pytest.mark.parametrize(
    ("lines", "error", "said"),
    [
        ((HEADER, ROW, ROW.replace("99", "none")), MalformedFileError, "row 3.*none"),
        ((HEADER, ROW + ",1"), MalformedFileError, "row 2: 11 cells"),
        ((HEADER, ROW.replace(",99,", ",105,")), MalformedFileError, "row 2: bid 105.0 over ask"),
        ((HEADER,), EmptyRangeError, "nothing under"),
        ((HEADER.replace("timestamp", "when"), ROW), MissingColumnError, "timestamp"),
        ((HEADER.replace("bids[1].price", "bids[2].price"), ROW), MissingColumnError, "levels"),
        (("timestamp,price", "1,2"), MissingColumnError, "levels"),
    ],
)
def test_files_that_hold_no_books(tmp_path, lines, error, said):
    with pytest.raises(error, match=said):
        list(load_books(write(tmp_path, *lines)))


@pytest.mark.parametrize("zipped", [False, True])
def test_a_mark_of_byte_order_is_no_part_of_the_header(tmp_path, zipped):
    text = "\ufefftimestamp,asks[0].price,asks[0].amount,bids[0].price,bids[0].amount\n1000000,101,2,99,3\n".encode()
    path = tmp_path / ("marked.csv.gz" if zipped else "marked.csv")
    path.write_bytes(gzip.compress(text) if zipped else text)
    (book,) = load_books(path)
    assert (book.time, book.mid) == (1.0, 100.0)


def test_no_file(tmp_path):
    with pytest.raises(SourceNotFoundError, match="no file"):
        list(load_books(tmp_path / "none.csv"))
    path = tmp_path / "broken.csv.gz"
    path.write_bytes(b"no gzip")
    with pytest.raises(MalformedFileError, match="unreadable"):
        list(load_books(path))


@pytest.mark.data
def test_the_recorded_books(data_folder):
    books = list(load_books(data_folder / "btc_book25_sample.csv.gz"))
    assert len(books) == 10
    for found in books:
        assert len(found.bid_price) == len(found.ask_price) == 25
        assert 11_000 < found.mid < 12_000
        assert 0 < found.spread < 1e-4
        assert min(found.within(0.001)) > 10

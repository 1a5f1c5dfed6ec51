"""modules/instruments.vy: words, and sorted books of 0 to 127 of them."""

import pytest

from plimsoll.spec import book
from plimsoll.spec.instruments import PERP, SPOT, quantity_of, word
from plimsoll.spec.wad import MAX_QUANTITY

OVER = "refused: clearinghouse: quantity over the maximum"


@pytest.mark.parametrize("quantity", [0, 1, -1, MAX_QUANTITY, -MAX_QUANTITY, 2**127 - 1, -(2**127)])
def test_a_word_holds_a_signed_quantity(ask, quantity):
    made = ask("word", 2**128 - 1, quantity)
    assert made == word(2**128 - 1, quantity)
    assert ask("quantity", made) == quantity == quantity_of(made)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 7, 8, 63, 64, 126, 127])
def test_the_place_of_an_id(ask, size):
    words = [word(10 * k, k) for k in range(1, size + 1)]
    last = max(10 * size, 10)
    for sought in sorted({0, 5, 10, 11, 20, 10 * (size // 2), last - 1, last, last + 1, 2**128 - 1}):
        below = sum(10 * k < sought for k in range(1, size + 1))
        assert ask("position", words, sought) == below
        assert ask("held", words, sought) == book.held(words, sought)


@pytest.mark.parametrize(
    ("at", "change", "ids"),
    [
        (10, -1, (20, 30)),  # comes to zero: leaves
        (20, -2, (10, 30)),
        (30, -3, (10, 20)),
        (20, 5, (10, 20, 30)),
        (5, 1, (5, 10, 20, 30)),
        (25, -1, (10, 20, 25, 30)),
        (35, 1, (10, 20, 30, 35)),
        (25, 0, (10, 20, 30)),
        (20, 0, (10, 20, 30)),
    ],
)
def test_a_book_that_changes(ask, at, change, ids):
    words = [word(10, 1), word(20, 2), word(30, 3)]
    found = ask("changed", words, at, change)
    assert tuple(w & (2**128 - 1) for w in found) == ids
    assert found == book.changed(words, at, change)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_quantity(ask, sign):
    assert ask("changed", [], 7, sign * MAX_QUANTITY) == (word(7, sign * MAX_QUANTITY),)
    assert ask("changed", [], 7, sign * (MAX_QUANTITY + 1)) == OVER
    full = [word(7, sign * MAX_QUANTITY)]
    assert ask("changed", full, 7, sign) == OVER
    assert ask("changed", full, 7, -2 * sign * MAX_QUANTITY) == (word(7, -sign * MAX_QUANTITY),)
    assert ask("changed", full, 7, -2 * sign * MAX_QUANTITY - sign) == OVER


def test_127_words(ask):
    words = [word(10 * k, 1) for k in range(1, 128)]
    assert ask("changed", words, 15, 1) == "refused: clearinghouse: too many positions"
    assert ask("changed", words, 15, 0) == tuple(words)
    assert ask("changed", words, 1_270, 1)[-1] == word(1_270, 2)
    assert len(ask("changed", words, 10, -1)) == 126
    assert len(ask("changed", words[1:], 5, 1)) == 127


def test_what_is_risky(ask):
    spot, perp = word(SPOT << 64, 1), word(PERP << 64 | 1, 1)
    assert [ask("is_risky", [], ledger) for ledger in (-1, 0, 1)] == [True, False, False]
    assert [ask("is_risky", [spot], ledger) for ledger in (-1, 0, 1)] == [True, False, False]
    assert ask("is_risky", [perp, spot], 10**36)

"""The cheapest losing book: no incident yet, and the first that a reader of the margin formulas will look for.

What would happen: hedges that every scenario nets to nothing (basis, calendar spreads, skew) need no margin where only
scenarios are asked. A book of them is as large as one likes, and loses when the part that no lane says moves.

What stands against it: the gross charge, made from revaluation at just these moves. Here the search plays against the
posted charges: a linear program finds the book that loses most over its margin, and it loses less than its margin.
With the charge taken out the same search finds books that are free and lose.
"""

import pytest

from plimsoll.risk import adversary

FAMILIES = ("basis", "skew", "term")


@pytest.fixture(scope="module")
def found():
    """A small market, every third shock: seconds rather than minutes; the whole search is `tests/unit/risk`'s."""
    market = adversary.synthetic(maturities=3, strikes=5)
    return adversary.play(adversary.target(market), FAMILIES, every=3)


def test_no_book_loses_more_than_its_margin(found):
    assert found.worst.excess < 0
    assert found.ratio < 1


def test_without_the_gross_charge_one_is_free_and_loses(found):
    assert found.free.loss > 0
    assert found.free.mm < 1e-6
    assert all(found.uncovered[family].excess > 0 for family in FAMILIES)

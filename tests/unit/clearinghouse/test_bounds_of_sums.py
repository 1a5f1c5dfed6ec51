"""Where what all accounts have or owe, or one account's linear ledger, would leave its field: refused, not cut off.

No market gets there; the state is put there, on both.
"""

from dataclasses import replace

import pytest

from plimsoll.spec.registry import MAX_RATE
from plimsoll.spec.wad import MAX_LEDGER, PPM, WAD, YEAR

from .stage import MAKER, TRADER, clean_stage

OVER = "clearinghouse: ledger over the maximum"
FULL = 2**128 - 1


@pytest.fixture
def stage():
    with clean_stage() as made:
        yield made


def put_sums(stage, supply, debt):
    """What all have and owe."""
    stage.write("_sums", supply << 128 | debt)
    stage.book.sums = replace(stage.book.sums, supply=supply, debt=debt)


@pytest.mark.parametrize(
    ("supply", "debt", "reserve", "is_refused"),
    [
        (FULL, 2**127, 0, True),  # suppliers get all of the interest
        (FULL, FULL, PPM, True),  # and here none, but what is owed grows
        (2**126, 2**126, 0, False),
    ],
)
def test_interest_that_no_sum_holds(stage, supply, debt, reserve, is_refused):
    stage.fund("trader", 1)
    stage.curve(base=MAX_RATE, kink=800_000, reserve=reserve)
    put_sums(stage, supply, debt)
    stage.later(YEAR // 100)
    if is_refused:
        stage.refuses(OVER, "book", "expire", TRADER)
        return
    stage.pair.must("book", "expire", TRADER)
    assert stage.book.sums.debt > debt
    assert stage.ask("book", "pool")[0][4] == stage.book.sums.debt


@pytest.mark.parametrize(("room", "is_refused"), [(2_000 * WAD - 1, True), (2_000 * WAD, False)])
def test_a_linear_ledger_over_the_maximum(stage, room, is_refused):
    """One perp bought at 2,000 takes as much from it."""
    stage.fund("maker", 1_000_000)
    stage.fund("trader", 1_000)
    cash, linear = MAX_LEDGER, room - MAX_LEDGER
    stage.write("_ledgers", cash << 128 | linear % 2**128, TRADER)
    stage.book.ledgers[TRADER] = cash, linear
    args = TRADER, MAKER, stage.perp, WAD, 2_000 * WAD
    if is_refused:
        stage.refuses_trade(OVER, *args)
        return
    stage.trade(*args)
    assert stage.ledger(TRADER) == (MAX_LEDGER, -MAX_LEDGER)

"""Mandates.spend: the book alone; the venue's date, its instruments, its budget, in this order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .conftest import ATTACKER, BOOK, CALL, END, NOW, OWNER, PERP, TRADER, VENUE, WAD, Bench, account

NOT_ALLOWED = "refused: mandates: venue not allowed"
NOT_THIS = "refused: mandates: instrument not allowed"
USED_UP = "refused: mandates: loss budget used up"


def allow(bench, expires=END, budget=END, mask=0, base=0):
    assert isinstance(bench.do("set_allowance", account(), VENUE, expires, budget, mask, base, sender=TRADER), tuple)


def spend(bench, loss=0, instrument=PERP, sender=BOOK):
    return bench.do("spend", account(), VENUE, instrument, loss, sender=sender)


def budget(bench):
    return bench.ask("allowance", account(), VENUE)[1]


# ------------------------------------------------------------------------------------------------------ who and when


@pytest.mark.parametrize("sender", [ATTACKER, OWNER, TRADER, VENUE, 0])
def test_only_the_book(bench, sender):
    allow(bench)
    assert spend(bench, sender=sender) == "refused: mandates: not the book"


def test_nobody_while_there_is_no_book(bare):
    allow(bare)
    assert spend(bare) == "refused: mandates: not the book"


def test_a_venue_that_was_never_allowed(bench):
    assert spend(bench) == NOT_ALLOWED
    allow(bench)
    assert bench.do("spend", account(), ATTACKER, PERP, 0, sender=BOOK) == NOT_ALLOWED
    assert bench.do("spend", account(number=1), VENUE, PERP, 0, sender=BOOK) == NOT_ALLOWED


def test_good_in_its_last_second_and_not_after(bench):
    allow(bench, expires=NOW + 5)
    bench.chain.advance(5)
    assert spend(bench) is None
    bench.chain.advance(1)
    assert spend(bench) == NOT_ALLOWED


def test_withdrawn(bench):
    allow(bench)
    allow(bench, expires=0)
    assert spend(bench) == NOT_ALLOWED


# ------------------------------------------------------------------------------------------------------ instruments


def test_one_underlying(bench):
    allow(bench, mask=0xFFFF << 112, base=0x0102 << 112)
    assert spend(bench, instrument=PERP) is spend(bench, instrument=CALL) is None
    assert spend(bench, instrument=0x0103 << 112) == NOT_THIS


def test_one_kind(bench):
    allow(bench, mask=255 << 64, base=0)
    assert spend(bench, instrument=PERP) is None
    assert spend(bench, instrument=CALL) == NOT_THIS


def test_one_instrument(bench):
    allow(bench, mask=2**128 - 1, base=CALL | 7)
    assert spend(bench, instrument=CALL | 7) is None
    for other in (CALL | 6, CALL, PERP, 0, 2**128 - 1):
        assert spend(bench, instrument=other) == NOT_THIS


# ----------------------------------------------------------------------------------------------------------- budget


def test_the_budget_falls_by_the_loss_and_never_below_zero(bench):
    allow(bench, budget=10 * WAD)
    assert spend(bench, 4 * WAD) == ("Spent", {"account": account(), "venue": VENUE, "loss": 4 * WAD})
    assert budget(bench) == 6 * WAD
    assert spend(bench, 6 * WAD + 1) == USED_UP
    spend(bench, 6 * WAD)
    assert budget(bench) == 0
    assert spend(bench, 1) == USED_UP
    assert bench.ask("allowance", account(), VENUE) == (END, 0, 0, 0)


def test_no_loss_needs_no_budget(bench):
    allow(bench, budget=0)
    assert spend(bench, 0) is None
    assert spend(bench, 1) == USED_UP


@pytest.mark.parametrize("endless", [END, 2**192 - 1, 2**192])
def test_an_endless_budget_stays_so(bench, endless):
    allow(bench, budget=endless)
    for loss in (1, 10**36, END):
        assert spend(bench, loss) == ("Spent", {"account": account(), "venue": VENUE, "loss": loss})
    assert budget(bench) == END


def test_the_largest_budget_that_ends(bench):
    allow(bench, expires=NOW, budget=2**192 - 2)
    assert spend(bench, 2**192 - 1) == USED_UP
    assert spend(bench, END) == USED_UP
    spend(bench, 2**192 - 2)
    assert bench.ask("allowance", account(), VENUE) == (NOW, 0, 0, 0)


def test_the_rest_of_the_allowance_stays(bench):
    allow(bench, NOW + 9, 10, 0xFF00, 0x0100)
    spend(bench, 3, instrument=0x0100)
    assert bench.ask("allowance", account(), VENUE) == (NOW + 9, 7, 0xFF00, 0x0100)


def test_the_order_of_refusals(bench):
    allow(bench, NOW, 0, 1, 1)
    assert spend(bench, 1, instrument=0) == NOT_THIS
    bench.chain.advance(1)
    assert spend(bench, 1, instrument=0) == NOT_ALLOWED
    assert spend(bench, 1, instrument=0, sender=ATTACKER) == "refused: mandates: not the book"


_BENCHES: list[Bench] = []
AMOUNTS = st.one_of(st.sampled_from([0, 1, WAD, 2**192 - 2, 2**192 - 1, 2**192, END]), st.integers(0, END))


@given(AMOUNTS, st.lists(AMOUNTS, max_size=4), st.integers(0, 3), st.integers(0, 3))
def test_contract_and_twin_agree(whole, losses, mask, instrument):
    if not _BENCHES:
        _BENCHES.append(Bench())
        _BENCHES[0].do("set_book", BOOK, sender=OWNER)
    bench = _BENCHES[0]
    with bench.chain.isolate():
        allow(bench, budget=whole, mask=mask, base=mask & 2)
        for loss in losses:
            spend(bench, loss, instrument)
            budget(bench)

"""A venue turned bad: no date, a way for it is open on every exchange that holds its users' keys or allowances.

What would happen: an admitted venue, its operator or whoever took its key, trades its users against itself at the edge
of the price band, there and back, until nothing is left.

What stands against it: each account's allowance to a venue holds a loss budget: what it may lose the account against
the mark, counted up by the book at every trade, and which instruments, until when. The band is the book's, not the
venue's; a side that is not healthy afterwards may not go that far from the mark. Governance can dismiss the venue.
"""

import pytest

from tests.pairs import address_of
from tests.unit.clearinghouse.stage import EVERYONE, MAKER, OTHER, OWNER, TRADER, VENUE, WAD

from .scene import LOW, wealth

USED = "mandates: loss budget used up"
EDGE = 200 * WAD  # the band: a tenth of the index
BUDGET = 1_000 * WAD


@pytest.fixture
def allowed(stage):
    """A user who lets the venue lose him 1,000; `maker` is the venue's own account."""
    stage.fund("trader", 100_000)
    stage.fund("maker", 100_000)
    stage.allow("trader", budget=BUDGET)
    return stage


def trade(stage, buys, quantity, off, instrument=None, mark=2_000 * WAD):
    sides = (TRADER, MAKER) if buys else (MAKER, TRADER)
    price = mark + off if buys else mark - off
    return "book", "trade", *sides, instrument or stage.perp, quantity, price


def left(stage):
    return stage.ask("mandates", "allowance", TRADER, VENUE)[1]


def churn(stage, quantity, off, most=400):
    """There and back at the edge, as long as it goes."""
    for n in range(most):
        found = stage.pair.step(*trade(stage, n % 2 == 0, quantity, off), sender=VENUE)
        if found is not None:
            return n, found.reason
    return most, ""


@pytest.mark.parametrize("off", [EDGE, EDGE // 10, 4 * WAD])
def test_it_takes_the_budget_and_no_more(allowed, off):
    stage = allowed
    before = wealth(stage, "trader")
    trades, reason = churn(stage, WAD, off, most=1_001)
    assert (trades, reason) == (BUDGET // off, USED)
    assert before - wealth(stage, "trader") == BUDGET
    assert left(stage) == 0
    # nor a wei more
    stage.refuses(USED, *trade(stage, trades % 2 == 0, 1, 1), sender=VENUE)
    stage.pair.compare(EVERYONE)


@pytest.mark.parametrize(("quantity", "off"), [(1, 1), (WAD - 1, 3), (3, WAD // 2 + 1), (WAD // 3, EDGE - 7)])
def test_the_budget_is_exact_to_the_wei(allowed, quantity, off):
    stage = allowed
    loss = -(-quantity * off // WAD)  # up
    stage.allow("trader", budget=2 * loss - 1)
    before = wealth(stage, "trader")
    stage.pair.must(*trade(stage, True, quantity, off), sender=VENUE)
    assert left(stage) == loss - 1
    stage.refuses(USED, *trade(stage, False, quantity, off), sender=VENUE)
    stage.allow("trader", budget=loss)
    stage.pair.must(*trade(stage, False, quantity, off), sender=VENUE)
    assert left(stage) == 0
    # wei of rounding besides: two trades, each up and down
    assert before - wealth(stage, "trader") <= 2 * loss + 2


def test_past_the_edge_of_the_band_nothing_goes(allowed):
    for buys in (True, False):
        allowed.refuses("clearinghouse: price outside the band", *trade(allowed, buys, WAD, EDGE + 1), sender=VENUE)


def test_options_and_other_instruments_are_under_the_same_budget(allowed):
    stage = allowed
    for instrument, mark in ((stage.call, 100 * WAD), (stage.put, 100 * WAD), (stage.future, 2_000 * WAD)):
        stage.pair.must(*trade(stage, True, WAD, EDGE, instrument, mark), sender=VENUE)
    assert left(stage) == BUDGET - 3 * EDGE
    # an allowance can name what may be traded
    stage.allow("trader", budget=BUDGET, mask=2**128 - 1, base=stage.perp)
    stage.refuses("mandates: instrument not allowed", *trade(stage, False, WAD, EDGE, stage.future), sender=VENUE)


def test_who_is_not_healthy_is_not_traded_far_from_the_mark(stage):
    """I-27: nor can a sick account hand its value to another that way, whatever it allows."""
    stage.sick(300)
    stage.post()
    far, near = 20 * WAD, 19 * WAD  # the reduce band: a hundredth of the index
    stage.refuses(
        "clearinghouse: price worse than allowed",
        *trade(stage, False, WAD // 10, far, mark=1_900 * WAD),
        sender=VENUE,
    )
    stage.refuses(LOW, *trade(stage, True, WAD // 10, 0, mark=1_900 * WAD), sender=VENUE)
    stage.pair.must(*trade(stage, False, WAD // 10, near, mark=1_900 * WAD), sender=VENUE)


def test_the_honest_version_trades_at_the_mark_without_end(allowed):
    stage = allowed
    for n in range(20):
        stage.pair.must(*trade(stage, n % 2 == 0, WAD, 0), sender=VENUE)
    # better than the mark is no loss
    stage.pair.must(*trade(stage, True, WAD, -EDGE), sender=VENUE)
    assert left(stage) == BUDGET
    stage.pair.must("registry", "set_venue", VENUE, False, sender=OWNER)
    stage.refuses("registry: venue not admitted", *trade(stage, False, WAD, 0), sender=VENUE)


def test_without_a_budget_it_takes_all(allowed):
    stage = allowed
    stage.allow("trader")
    churn(stage, 10 * WAD, EDGE)
    assert wealth(stage, "trader") < 5_000 * WAD
    assert wealth(stage, "maker") > 195_000 * WAD
    assert address_of("other") == OTHER >> 96

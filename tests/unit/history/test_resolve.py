"""History.resolve: the owner names a price that was disputed, or of which too little was observed."""

import pytest

from plimsoll.spec.history import MIN_BUCKETS
from plimsoll.spec.wad import MAX_PRICE, WAD

from .conftest import ATTACKER, DAY, DEAD, DELAY, ETH, EXPIRY, GUARDIAN, NOT_OWNER, OWNER, UNKNOWN

EARLY = "refused: history: not expired"
NOTHING = "refused: history: nothing to resolve"
RANGE = "refused: history: price out of range"
FAR = "refused: history: price too far from the index"


def resolved(price, at=EXPIRY, underlying=ETH, expiry=EXPIRY):
    return [("Resolved", {"underlying": underlying, "expiry": expiry, "price": price, "ready_at": at + DELAY})]


@pytest.fixture
def unseen(bench):
    """An expiry that one observation too few was made of."""
    bench.fill(dict.fromkeys(range(MIN_BUCKETS - 1), 2_000 * WAD))
    bench.until(EXPIRY)
    return bench


@pytest.fixture
def withdrawn(bench):
    """An expiry whose price was disputed."""
    bench.fill_all()
    bench.until(EXPIRY)
    bench.step("propose", ETH, EXPIRY)
    bench.step("dispute", ETH, EXPIRY, sender=GUARDIAN)
    return bench


def resolve(bench, price=2_000 * WAD, sender=OWNER, underlying=ETH, expiry=EXPIRY):
    return bench.step("resolve", underlying, expiry, price, sender=sender)


@pytest.mark.parametrize("later", [0, 1, DAY])
def test_after_a_dispute(withdrawn, later):
    withdrawn.later(later)
    assert resolve(withdrawn, 1_990 * WAD) == resolved(1_990 * WAD, EXPIRY + later)
    assert withdrawn.ask("settlement", ETH, EXPIRY) == (1_990 * WAD, EXPIRY + later + DELAY, False)
    withdrawn.later(DELAY - 1)
    assert withdrawn.ask("settled", ETH, EXPIRY) == 0
    withdrawn.later(1)
    assert withdrawn.ask("settled", ETH, EXPIRY) == 1_990 * WAD


@pytest.mark.parametrize("later", [0, 1, DAY])
def test_after_too_few_observations(unseen, later):
    unseen.later(later)
    assert resolve(unseen, 1_990 * WAD) == resolved(1_990 * WAD, EXPIRY + later)


def test_where_nothing_was_observed(unseen):
    assert resolve(unseen, expiry=EXPIRY - DAY) == resolved(2_000 * WAD, expiry=EXPIRY - DAY)


@pytest.mark.parametrize("who", [ATTACKER, GUARDIAN])
def test_only_the_owner(withdrawn, who):
    assert resolve(withdrawn, sender=who) == NOT_OWNER


@pytest.mark.parametrize("expiry", [EXPIRY + 1, EXPIRY + DAY, 0])
def test_before_the_expiry(unseen, expiry):
    assert resolve(unseen, expiry=expiry) == EARLY


def test_not_where_enough_was_observed(bench):
    bench.fill(dict.fromkeys(range(MIN_BUCKETS), 2_000 * WAD))
    bench.until(EXPIRY - 1)
    assert resolve(bench) == EARLY
    bench.until(EXPIRY)
    assert resolve(bench) == NOTHING
    bench.step("propose", ETH, EXPIRY)
    assert resolve(bench) == NOTHING
    bench.later(DELAY)
    assert resolve(bench) == NOTHING


@pytest.mark.parametrize("which", ["unseen", "withdrawn"])
def test_not_twice_unless_disputed_again(request, which):
    bench = request.getfixturevalue(which)
    resolve(bench, 1_990 * WAD)
    assert resolve(bench) == NOTHING
    bench.later(DELAY - 1)
    bench.step("dispute", ETH, EXPIRY, sender=OWNER)
    assert resolve(bench) == resolved(2_000 * WAD, bench.now)
    bench.later(DELAY)
    assert resolve(bench) == NOTHING


@pytest.mark.parametrize("price", [0, MAX_PRICE + 1, 2**256 - 1])
def test_out_of_range(withdrawn, price):
    assert resolve(withdrawn, price) == RANGE


@pytest.mark.parametrize(
    ("index", "price", "is_near"),
    [
        (2_000 * WAD, 1_000 * WAD, True),
        (2_000 * WAD, 1_000 * WAD - 1, False),
        (2_000 * WAD + 1, 1_000 * WAD, False),
        (2_000 * WAD + 1, 1_000 * WAD + 1, True),
        (2_000 * WAD, 4_000 * WAD, True),
        (2_000 * WAD, 4_000 * WAD + 1, False),
        (2_000 * WAD - 1, 4_000 * WAD - 1, False),
        (1, 1, True),
        (1, 2, True),
        (1, 3, False),
        (2, 1, True),
        (3, 1, False),
        (MAX_PRICE, MAX_PRICE, True),
        (MAX_PRICE, MAX_PRICE // 2, True),
        (MAX_PRICE, MAX_PRICE // 2 - 1, False),
    ],
)
def test_within_a_factor_of_two_of_the_index(withdrawn, index, price, is_near):
    withdrawn.price(ETH, index)
    assert resolve(withdrawn, price) == (resolved(price) if is_near else FAR)


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed(withdrawn, way):
    reason = withdrawn.kill(ETH, way)
    assert resolve(withdrawn) == reason
    assert resolve(withdrawn, 0) == RANGE


def test_an_unknown_underlying(unseen):
    assert resolve(unseen, underlying=UNKNOWN) == "refused: feed: unknown underlying"


def test_without_a_delay_it_is_final_at_once(bench):
    bench.begin(delay=0)
    bench.until(EXPIRY)
    resolve(bench)
    assert bench.ask("settled", ETH, EXPIRY) == 2_000 * WAD

"""History.propose: the price that follows from what was observed, once, after the expiry."""

import pytest

from plimsoll.spec.history import BUCKETS, MIN_BUCKETS
from plimsoll.spec.wad import MAX_PRICE, WAD

from .conftest import ATTACKER, BTC, DAY, DEAD, DELAY, ETH, EXPIRY, OWNER

TWICE = "refused: history: already proposed"
EARLY = "refused: history: not expired"
FEW = "refused: history: too few observations"


def proposed(price, ready_at=EXPIRY + DELAY, underlying=ETH, expiry=EXPIRY):
    return [("Proposed", {"underlying": underlying, "expiry": expiry, "price": price, "ready_at": ready_at})]


@pytest.mark.parametrize("later", [0, 1, 30 * DAY])
def test_anyone_after_the_expiry(bench, later):
    bench.fill_all()
    bench.until(EXPIRY + later)
    ready_at = EXPIRY + later + DELAY
    assert bench.step("propose", ETH, EXPIRY, sender=ATTACKER) == proposed(2_000 * WAD, ready_at)
    assert bench.ask("settlement", ETH, EXPIRY) == (2_000 * WAD, ready_at, False)


def test_before_the_expiry(bench):
    bench.fill_all()
    bench.until(EXPIRY - 1)
    assert bench.step("propose", ETH, EXPIRY) == EARLY


def test_what_never_expires(bench):
    assert bench.step("propose", ETH, 0) == EARLY
    assert bench.step("propose", ETH, 1) == FEW


def test_once(bench):
    bench.fill_all()
    bench.until(EXPIRY)
    bench.step("propose", ETH, EXPIRY)
    for _ in range(3):
        assert bench.step("propose", ETH, EXPIRY) == TWICE
        bench.later(DELAY)
    assert bench.ask("settlement", ETH, EXPIRY) == (2_000 * WAD, EXPIRY + DELAY, False)


def test_not_after_a_dispute_or_a_resolution(bench):
    bench.fill_all()
    bench.until(EXPIRY)
    bench.step("propose", ETH, EXPIRY)
    bench.step("dispute", ETH, EXPIRY, sender=OWNER)
    assert bench.step("propose", ETH, EXPIRY) == TWICE
    bench.step("resolve", ETH, EXPIRY, 1_999 * WAD, sender=OWNER)
    assert bench.step("propose", ETH, EXPIRY) == TWICE
    bench.later(DELAY)
    assert bench.step("propose", ETH, EXPIRY) == TWICE


@pytest.mark.parametrize(("count", "enough"), [(0, False), (1, False), (MIN_BUCKETS - 1, False), (MIN_BUCKETS, True)])
@pytest.mark.parametrize("first", [0, 20])
def test_how_many_observations(bench, count, enough, first):
    bench.fill(dict.fromkeys(range(first, first + count), 2_000 * WAD))
    bench.until(EXPIRY)
    assert bench.step("propose", ETH, EXPIRY) == (proposed(2_000 * WAD) if enough else FEW)


def test_observations_of_another_expiry_do_not_count(bench):
    bench.fill_all()
    bench.until(EXPIRY + 60)
    assert bench.step("propose", ETH, EXPIRY + 60) == FEW
    assert bench.step("propose", BTC, EXPIRY) == FEW


def test_the_mean_of_the_middle_half(bench):
    # 1 .. 30: places 7 .. 22 hold 8 .. 23, whose mean is 15.5
    bench.fill({k: (k + 1) * WAD for k in range(BUCKETS)})
    bench.until(EXPIRY)
    assert bench.step("propose", ETH, EXPIRY) == proposed(31 * WAD // 2)


def test_in_any_order_the_same(bench):
    bench.fill({k: (1 + k * 7 % BUCKETS) * WAD for k in range(BUCKETS)})
    bench.until(EXPIRY)
    assert bench.step("propose", ETH, EXPIRY) == proposed(31 * WAD // 2)


def test_the_mean_is_rounded_down(bench):
    bench.fill({k: WAD + (k == 7) for k in range(BUCKETS - 1)} | {29: WAD - 1})
    bench.until(EXPIRY)
    assert bench.step("propose", ETH, EXPIRY) == proposed(WAD)


def test_a_price_weighs_as_long_as_it_stood(bench):
    # 1 stands for 15 minutes, 2 for 15: eight of each are in the middle
    bench.fill(dict.fromkeys(range(4), WAD) | dict.fromkeys(range(15, 21), 2 * WAD))
    bench.until(EXPIRY)
    assert bench.step("propose", ETH, EXPIRY) == proposed(3 * WAD // 2)


def test_leading_minutes_take_the_first_that_was_seen(bench):
    # 3 fills 0 .. 17, 4 the rest: eleven places of sixteen are of 3
    bench.fill({17: 3 * WAD} | dict.fromkeys(range(18, 27), 4 * WAD))
    bench.until(EXPIRY)
    assert bench.step("propose", ETH, EXPIRY) == proposed((11 * 3 + 5 * 4) * WAD // 16)


@pytest.mark.parametrize("price", [1, MAX_PRICE])
def test_extreme_prices(bench, price):
    bench.fill_all(price)
    bench.until(EXPIRY)
    assert bench.step("propose", ETH, EXPIRY) == proposed(price)


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed_does_not_matter(bench, way):
    bench.fill_all()
    bench.until(EXPIRY)
    bench.kill(ETH, way)
    assert bench.step("propose", ETH, EXPIRY) == proposed(2_000 * WAD)


def test_without_a_delay_it_is_final_at_once(bench):
    bench.begin(delay=0)
    bench.fill_all()
    bench.until(EXPIRY)
    assert bench.step("propose", ETH, EXPIRY) == proposed(2_000 * WAD, EXPIRY)
    assert bench.ask("settled", ETH, EXPIRY) == 2_000 * WAD

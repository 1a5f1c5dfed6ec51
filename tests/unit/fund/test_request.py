"""InsuranceFund.request: shares are locked, the cool-down begins."""

from plimsoll.spec.fund import VIRTUAL

from .bench import ALICE, BOB, DAY, NOW, OVER_CLAIM, OWNER, WEEK


def test_locks_the_shares_in_the_fund(bench):
    shares = bench.enter(ALICE, 100)
    bench.must("request", shares // 4)
    assert bench.read("balanceOf", ALICE) == shares * 3 // 4
    assert bench.read("balanceOf", bench.at) == shares // 4
    assert bench.read("totalSupply") == shares
    assert bench.read("requested", ALICE) == (shares // 4, NOW + WEEK, NOW + WEEK + 2 * DAY)


def test_another_request_begins_the_cool_down_of_all_anew(bench):
    bench.enter(ALICE, 100)
    bench.must("request", 30 * VIRTUAL)
    bench.later(WEEK - 1)
    bench.must("request", 20 * VIRTUAL)
    assert bench.read("requested", ALICE) == (50 * VIRTUAL, NOW + 2 * WEEK - 1, NOW + 2 * WEEK - 1 + 2 * DAY)
    bench.later(1)
    assert bench.read("maxRedeem", ALICE) == 0
    bench.refuses(OVER_CLAIM, "redeem", 1, ALICE, ALICE)
    bench.later(WEEK - 1)
    assert bench.read("maxRedeem", ALICE) == 50 * VIRTUAL


def test_requests_of_several_are_apart(bench):
    bench.enter(ALICE, 100)
    bench.enter(BOB, 50)
    bench.must("request", 10 * VIRTUAL)
    bench.later(DAY)
    bench.must("request", 50 * VIRTUAL, sender=BOB)
    bench.later(6 * DAY)
    assert (bench.read("maxRedeem", ALICE), bench.read("maxRedeem", BOB)) == (10 * VIRTUAL, 0)
    bench.later(DAY)
    assert (bench.read("maxRedeem", ALICE), bench.read("maxRedeem", BOB)) == (10 * VIRTUAL, 50 * VIRTUAL)


def test_keeps_the_times_it_began_with(bench):
    bench.enter(ALICE, 100)
    bench.must("request", VIRTUAL)
    kept = bench.read("requested", ALICE)
    bench.must("set_cooldown", 30 * DAY, DAY, sender=OWNER)
    assert bench.read("requested", ALICE) == kept
    bench.must("request", VIRTUAL)
    assert bench.read("requested", ALICE) == (2 * VIRTUAL, NOW + 30 * DAY, NOW + 31 * DAY)


def test_zero_shares(bench):
    bench.enter(ALICE, 100)
    bench.refuses("fund: zero shares", "request", 0)


def test_more_than_one_has(bench):
    shares = bench.enter(ALICE, 100)
    bench.refuses("erc20: transfer amount exceeds balance", "request", shares + 1)
    bench.must("request", shares)
    bench.refuses("erc20: transfer amount exceeds balance", "request", 1)

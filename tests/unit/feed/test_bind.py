"""IndexFeed.bind and cancel: a staged route binds only in the band of a price it has no part in (I-33)."""

import pytest

from plimsoll.spec.feed import BLIND_WAIT, IN_CURRENCY, LAPSE, NO_ROUTE, QUOTE, Leg, named
from plimsoll.spec.instruments import PERP
from tests.unit.clearinghouse.stage import ETH as STAGE_ETH
from tests.unit.clearinghouse.stage import OWNER as STAGE_OWNER
from tests.unit.clearinghouse.stage import PRICES, SOL, make_row, make_surface

from .conftest import ATTACKER, E8, ETH, WAD, leg

OUTSIDE = "feed: first price outside the band"
NOTHING = "feed: nothing to compare with"
DAY = 86_400
BASE = 2_000 * E8
BAND = 40 * E8  # 2 %


def stage_second(bench, answer=BASE):
    """Another aggregator's route, staged."""
    second = bench.aggregator(8, answer)
    assert bench.set_route(leg(second))[0][0] == "RouteStaged"
    return second


@pytest.mark.parametrize("answer", [BASE, BASE - BAND, BASE + BAND])
def test_in_the_band(bench, eth, answer):
    stage_second(bench, answer)
    route = bench.twin.staged(ETH)[0]
    assert bench.act("bind", ETH, sender=ATTACKER)[0][1] == {
        "underlying": ETH,
        "old": bench.twin.log[-1].args["old"],
        "new": route,
        "price": answer * 10**10,
        "against": 2_000 * WAD,
    }
    assert bench.price()[0] == answer * 10**10
    assert bench.twin.staged(ETH) == (NO_ROUTE, 0)
    assert bench.act("bind", ETH) == "refused: feed: nothing staged"


@pytest.mark.parametrize("answer", [1, BASE // 10, BASE - BAND - 1, BASE + BAND + 1, BASE * 10])
def test_outside_the_band_the_old_price_stays(bench, eth, answer):
    second = stage_second(bench, answer)
    assert bench.act("bind", ETH) == f"refused: {OUTSIDE}"
    assert bench.price()[0] == 2_000 * WAD
    bench.answer(second, BASE)
    assert isinstance(bench.act("bind", ETH), list)


def test_what_is_compared_is_of_now(bench, eth):
    stage_second(bench)
    bench.answer(eth, BASE * 2)
    assert bench.act("bind", ETH) == f"refused: {OUTSIDE}"


def test_a_staged_route_that_died_does_not_bind(bench, eth):
    second = stage_second(bench)
    bench.answer(second, BASE, age=3_601)
    assert bench.act("bind", ETH) == "refused: feed: stale price"


def test_it_lapses_after_a_week(bench, eth):
    second = stage_second(bench)
    bench.chain.advance(LAPSE)
    bench.answer(eth, BASE)
    bench.answer(second, BASE)
    with bench.chain.isolate():
        kept = dict(bench.twin.routes), dict(bench.twin.waiting), list(bench.twin.log)
        assert isinstance(bench.act("bind", ETH), list)
        bench.twin.routes, bench.twin.waiting, bench.twin.log = kept
    bench.chain.advance(1)
    assert bench.act("bind", ETH) == "refused: feed: staged route lapsed"


def test_cancelled(bench, eth):
    assert bench.act("cancel", ETH) == "refused: feed: nothing staged"
    stage_second(bench)
    assert bench.act("cancel", ETH, sender=ATTACKER) == "refused: ownable: caller is not the owner"
    route = bench.twin.staged(ETH)[0]
    assert bench.act("cancel", ETH) == [("RouteCancelled", {"underlying": ETH, "route": route})]
    assert bench.act("bind", ETH) == "refused: feed: nothing staged"


@pytest.mark.parametrize("underlying", [0, ETH, 2**16 - 1, QUOTE, QUOTE + 1, 2**256 - 1])
def test_nothing_staged(bench, underlying):
    assert bench.act("bind", underlying) == "refused: feed: nothing staged"


# ------------------------------------------------------------------------------------------------ the old route is dead


def test_where_nothing_was_signed_a_dead_feeds_successor_waits_three_days(bench, eth):
    second = stage_second(bench, BASE * 3)
    bench.answer(eth, 0)
    assert bench.act("bind", ETH) == f"refused: {NOTHING}"
    bench.chain.advance(BLIND_WAIT - 1)
    bench.answer(second, BASE * 3)
    assert bench.act("bind", ETH) == f"refused: {NOTHING}"
    bench.chain.advance(1)
    assert bench.act("bind", ETH)[0][1]["against"] == 0
    assert bench.price()[0] == 6_000 * WAD


def dead(stage, underlying=STAGE_ETH, answer=2_000 * WAD):
    """An underlying's aggregator reverts, and another one's route is staged."""
    pair = stage.pair
    at = pair.add_aggregator(18, "ETH / USD")
    pair.answer(at, answer)
    pair.must("feed", "set_route", underlying, [route_leg(at)], 18, False, sender=STAGE_OWNER)
    pair.fail(underlying)
    return at


def route_leg(at: int) -> Leg:
    return Leg(at, 7 * DAY, description=named("ETH / USD"))


@pytest.mark.parametrize("answer", [1_960 * WAD, 2_000 * WAD, 2_040 * WAD])
def test_in_the_band_of_the_signed_reference(stage, answer):
    dead(stage, answer=answer)
    stage.pair.must("feed", "bind", STAGE_ETH)
    assert stage.ask("feed", "price", STAGE_ETH)[0] == answer
    stage.pair.compare(())


@pytest.mark.parametrize("answer", [1_960 * WAD - 1, 2_040 * WAD + 1, 2])
def test_the_signed_reference_stops_it_and_never_takes_its_place(stage, answer):
    dead(stage, answer=answer)
    stage.pair.refused(OUTSIDE, "feed", "bind", STAGE_ETH)
    assert not stage.ask("feed", "is_usable", STAGE_ETH)
    stage.pair.compare(())


def test_a_reference_of_more_than_a_day_ago_says_nothing(stage):
    at = dead(stage, answer=4_000 * WAD)
    stage.pair.advance(DAY)
    stage.pair.refused(OUTSIDE, "feed", "bind", STAGE_ETH)
    stage.pair.advance(1)
    stage.pair.refused(NOTHING, "feed", "bind", STAGE_ETH)
    stage.pair.advance(2 * DAY - 1)
    stage.pair.answer(at, 4_000 * WAD)
    stage.pair.must("feed", "bind", STAGE_ETH)


# ------------------------------------------------------------------------------------------------------ the quote coin


def priced_in_dollars(stage):
    """SOL in the quote coin's currency, the coin at par."""
    pair = stage.pair
    coin = pair.add_aggregator(18, "ETH / USD")
    pair.answer(coin, WAD)
    pair.must("feed", "set_quote_route", [route_leg(coin)], sender=STAGE_OWNER)
    sol = pair.add_aggregator(18, "ETH / USD")
    pair.answer(sol, PRICES[SOL])
    pair.must("feed", "set_route", SOL, [route_leg(sol)], 18, True, sender=STAGE_OWNER)
    pair.must("feed", "bind", SOL)
    assert stage.pair.twin.feed.route(SOL)[0] & IN_CURRENCY
    other = pair.add_aggregator(18, "ETH / USD")
    pair.answer(other, WAD)
    pair.must("feed", "set_quote_route", [route_leg(other)], sender=STAGE_OWNER)
    return coin, other


def kill(stage, at):
    stage.pair.answer(at, 0)


def test_the_coins_new_route_is_held_against_the_old(stage):
    _, other = priced_in_dollars(stage)
    stage.pair.answer(other, 97 * WAD // 100)
    stage.pair.refused(OUTSIDE, "feed", "bind", QUOTE)
    stage.pair.answer(other, 98 * WAD // 100)
    stage.pair.must("feed", "bind", QUOTE)
    assert stage.ask("feed", "price", SOL)[0] == PRICES[SOL] * 100 // 98
    stage.pair.compare(())


def test_a_dead_coin_feeds_successor_is_held_against_what_it_prices(stage):
    coin, other = priced_in_dollars(stage)
    kill(stage, coin)
    stage.pair.refused("feed: not priced in the currency", "feed", "bind", QUOTE)
    stage.pair.refused("feed: not priced in the currency", "feed", "bind", QUOTE, STAGE_ETH)
    stage.pair.answer(other, 97 * WAD // 100)
    stage.pair.refused(OUTSIDE, "feed", "bind", QUOTE, SOL)
    stage.pair.answer(other, 99 * WAD // 100)
    stage.pair.must("feed", "bind", QUOTE, SOL)
    assert stage.ask("feed", "price", SOL)[0] == PRICES[SOL] * 100 // 99
    stage.pair.compare(())


def test_a_dead_coin_feed_without_a_reference_has_no_successor(stage):
    coin, other = priced_in_dollars(stage)
    kill(stage, coin)
    stage.pair.advance(4 * DAY)
    stage.pair.answer(other, WAD)
    stage.pair.refused(NOTHING, "feed", "bind", QUOTE, SOL)
    stage.pair.post([make_surface(SOL, 0, [make_row(PERP)], stage.pair.now, reference=PRICES[SOL])])
    stage.pair.must("feed", "bind", QUOTE, SOL)


# ----------------------------------------------------------------------------------------------------- band and witness


@pytest.mark.parametrize("band", [1_000, 100_000])
def test_bands_at_the_bounds(bench, eth, band):
    assert bench.act("set_band", band) == [("BandSet", {"old": 20_000, "new": band})]
    second = stage_second(bench, BASE * (10**6 + band) // 10**6)
    assert isinstance(bench.act("bind", ETH), list)
    bench.answer(second, BASE)
    stage_second(bench, BASE * (10**6 + band) // 10**6 + 1)
    assert bench.act("bind", ETH) == f"refused: {OUTSIDE}"


@pytest.mark.parametrize("band", [0, 999, 100_001, 2**256 - 1])
def test_bands_out_of_bounds(bench, band):
    assert bench.act("set_band", band) == "refused: feed: band out of range"


def test_the_band_is_the_owners(bench):
    for band in (10_000, 30_000):
        assert bench.act("set_band", band, sender=ATTACKER) == "refused: ownable: caller is not the owner"


def test_the_witness_is_named_once(bench):
    assert bench.act("set_witness", 5, sender=ATTACKER) == "refused: ownable: caller is not the owner"
    assert bench.act("set_witness", 0) == "refused: feed: zero address"
    assert bench.act("set_witness", 5) == [("WitnessSet", {"witness": 5})]
    assert bench.act("set_witness", 6) == "refused: feed: witness is set"

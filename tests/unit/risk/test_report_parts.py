"""Parts of a report: to the byte what an engine says of these underlyings alone, and whole in what is inseparable."""

from dataclasses import replace
from itertools import combinations

import pytest

from plimsoll.market.snapshot import Snapshot
from plimsoll.risk.engine import MAX_SURFACES, Engine
from plimsoll.risk.errors import ReportError
from plimsoll.risk.limits import Rails
from plimsoll.risk.models import EwmaFhs, Posted, State
from plimsoll.risk.report_parts import part
from plimsoll.spec.guardrails import Scenarios
from plimsoll.spec.report import unpack_class

FOUR = (256, 257, 512, 513)


@pytest.fixture(scope="module")
def markets(make_market):
    return tuple(make_market(u, days=(7, 30), strikes=(90, 110)) for u in FOUR)


@pytest.fixture(scope="module")
def world(markets, snapshot):
    """A first report of all, and the snapshot of an hour later."""
    first = Snapshot(snapshot.market_time, markets)
    return Engine(EwmaFhs()).report(first), replace(first, market_time=first.market_time + 3_600)


@pytest.mark.parametrize("only", [c for n in range(1, 5) for c in combinations(FOUR, n)], ids=str)
def test_a_part_is_to_the_byte_what_the_engine_says_of_it(world, only):
    built, later = world
    rails = Rails(sets={257: Scenarios(psr=80_000, time=later.market_time - 60)})
    engine = Engine(EwmaFhs())
    whole = engine.whole(later, built.state, 7, rails=rails)
    mine = part(whole, only, built.state)
    theirs = engine.report(later, built.state, 7, rails=rails, only=only)
    assert (mine.report, mine.codes, mine.state) == (theirs.report, theirs.codes, theirs.state)
    assert (mine.forecasts, mine.summary) == (theirs.forecasts, theirs.summary)
    # every expiry and the scalars of each, the class of each, and nothing else
    wanted = [(s.underlying, s.expiry) for s in whole.surfaces if s.underlying in only]
    assert [(s.underlying, s.expiry) for s in mine.surfaces] == wanted
    assert [s.underlying for s in mine.scalars] == list(only)
    assert [unpack_class(word).klass for word in mine.report.classes] == sorted({u >> 8 for u in only})
    assert set(mine.report.surfaces) <= set(whole.report.surfaces)
    assert mine.report.snapshot == whole.report.snapshot == later.content_hash


def test_what_a_part_leaves_out_glides_from_its_own_time(world, markets):
    built, later = world
    engine = Engine(EwmaFhs())
    half = part(engine.whole(later, built.state), (256,), built.state)
    assert {u: half.state.time_of(u) for u in FOUR} == {256: later.market_time} | dict.fromkeys(
        FOUR[1:], built.report.market_time
    )
    chain = State.of(
        2,
        later.market_time,
        (*half.surfaces, *(s for s in built.surfaces if s.underlying != 256)),
        built.classes,
        built.scalars,
    )
    assert {u: chain.time_of(u) for u in FOUR} == {u: half.state.time_of(u) for u in FOUR}
    # an hour passed for 257, ten minutes for 256: so far may each rise
    low = {u: Posted(10_000, 400_000, 250_000, None, half.state.posted[u].time) for u in FOUR}
    state = replace(half.state, posted=low)
    third = engine.report(Snapshot(later.market_time + 600, markets), state)
    assert third.forecasts[256].psr == 10_000 + 10_000 * 5 // 600
    assert third.forecasts[257].psr == 10_500


def test_others_may_follow_at_the_same_moment_and_nobody_twice(world):
    built, later = world
    engine = Engine(EwmaFhs())
    half = part(engine.whole(later, built.state), (256, 512), built.state)
    rest = engine.report(later, half.state, only=(257, 513))
    assert rest.report.sequence == half.report.sequence + 1
    assert all(rest.state.time_of(u) == later.market_time for u in FOUR)
    for again in ((256,), (256, 257), None):
        with pytest.raises(ReportError, match="not after the last"):
            engine.report(later, half.state, only=again)
    with pytest.raises(ReportError, match="not after the last"):
        engine.whole(replace(later, market_time=later.market_time - 1), half.state)


@pytest.mark.parametrize(("only", "why"), [((), "no underlyings"), ((256, 999), r"\[256, 999\]; some of")])
def test_a_part_of_what_is_not_there_is_refused(world, only, why):
    built, later = world
    whole = Engine(EwmaFhs()).whole(later, built.state)
    with pytest.raises(ReportError, match=why):
        part(whole, only)
    with pytest.raises(ReportError, match=why):
        Engine(EwmaFhs()).report(later, built.state, only=only)


def test_a_whole_may_be_too_much_for_one_post_and_its_parts_are_not(make_market, snapshot):
    days = tuple(range(1, MAX_SURFACES // 2 + 1))
    large = Snapshot(snapshot.market_time, tuple(make_market(u, days=days, strikes=(100,)) for u in FOUR[:3]))
    engine = Engine(EwmaFhs())
    whole = engine.whole(large)
    assert len(whole.surfaces) > MAX_SURFACES
    with pytest.raises(ReportError, match="surfaces; a report holds 64"):
        engine.report(large)
    with pytest.raises(ReportError, match="surfaces; a report holds 64"):
        part(whole, FOUR[:2])
    assert part(whole, FOUR[:1]).report == engine.report(large, only=FOUR[:1]).report

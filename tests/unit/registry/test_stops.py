"""Registry.stop, stop_underlying, resume, resume_underlying: who, how far ahead, and that nothing is shortened."""

import itertools

import pytest

from plimsoll.spec.registry import LEAVE, LEVELS, LIQUIDATION, RISK

from .bench import ATTACKER, BREAKERS, BTC, DAY, ETH, GUARDIAN, NOT_THE_OWNER, OWNER, UNFED, VENUE

AHEAD = {OWNER: 30 * DAY, GUARDIAN: 7 * DAY, BREAKERS: DAY}
OUT_OF_RANGE = "registry: stop out of range"


@pytest.fixture
def stops(bench):
    bench.must("set_breakers", BREAKERS)
    return bench


@pytest.mark.parametrize("sender", AHEAD)
@pytest.mark.parametrize("levels", range(1, 8))
def test_each_may_for_so_long(stops, sender, levels):
    until = stops.chain.now + AHEAD[sender]
    stops.must("stop", levels, until, sender=sender)
    word = sum(until << 64 * k for k, level in enumerate(LEVELS) if levels & level)
    assert stops.last() == ("StopsSet", {"by": sender, "old_stops": 0, "stops": word})
    assert [stops.ask("stopped", asked) for asked in range(8)] == [bool(asked & levels) for asked in range(8)]
    stops.chain.advance(AHEAD[sender] - 1)
    assert stops.ask("stopped", levels) is True
    stops.chain.advance(1)
    assert stops.ask("stopped", 7) is False
    assert stops.ask("stops") == word


@pytest.mark.parametrize("sender", AHEAD)
@pytest.mark.parametrize("name", ["stop", "stop_underlying"])
def test_no_longer_and_not_in_the_past(stops, sender, name):
    first = RISK if name == "stop" else ETH
    for until in (stops.chain.now + AHEAD[sender] + 1, stops.chain.now, 0, 2**256 - 1):
        stops.refuses(OUT_OF_RANGE, name, first, until, sender=sender)
    stops.must(name, first, stops.chain.now + 1, sender=sender)


@pytest.mark.parametrize("sender", [ATTACKER, VENUE, 0])
def test_nobody_else(stops, sender):
    until = stops.chain.now + 60
    stops.refuses(NOT_THE_OWNER, "stop", RISK, until, sender=sender)
    stops.refuses(NOT_THE_OWNER, "stop_underlying", ETH, until, sender=sender)
    stops.refuses(NOT_THE_OWNER, "set_breakers", ATTACKER, sender=sender)
    stops.refuses(NOT_THE_OWNER, "resume", 7, sender=sender)
    stops.refuses(NOT_THE_OWNER, "resume_underlying", ETH, sender=sender)


def test_who_was_the_breakers_is_nobody(stops):
    stops.must("set_breakers", 0)
    assert stops.last() == ("BreakersSet", {"old_breakers": BREAKERS, "breakers": 0})
    stops.refuses(NOT_THE_OWNER, "stop", RISK, stops.chain.now + 60, sender=BREAKERS)


@pytest.mark.parametrize("levels", [0, 8, 9, 2**255])
def test_levels_that_there_are_not(stops, levels):
    for name, more in (("stop", (stops.chain.now + 60,)), ("resume", ())):
        stops.refuses("registry: unknown level", name, levels, *more)


@pytest.mark.parametrize(("first", "then"), itertools.product((OWNER, GUARDIAN, BREAKERS), repeat=2))
def test_a_stop_only_extends(stops, first, then):
    now = stops.chain.now
    stops.must("stop", RISK | LEAVE, now + 600, sender=first)
    stops.must("stop", LEAVE | LIQUIDATION, now + 60, sender=then)
    assert stops.ask("stops") == now + 60 << 128 | now + 600 << 64 | now + 600
    stops.must("stop", RISK, now + 601, sender=then)
    assert stops.ask("stops") == now + 60 << 128 | now + 600 << 64 | now + 601


def test_resume_ends_what_it_names_now_and_keeps_when_it_was(stops):
    now = stops.chain.now
    stops.must("stop", 7, now + 600, sender=GUARDIAN)
    stops.chain.advance(10)
    stops.must("resume", RISK | LIQUIDATION)
    assert stops.ask("stops") == now + 10 << 128 | now + 600 << 64 | now + 10
    assert [stops.ask("stopped", level) for level in LEVELS] == [False, True, False]
    stops.chain.advance(5)
    stops.must("resume", 7)  # what has ended keeps its time
    assert stops.ask("stops") == now + 10 << 128 | now + 15 << 64 | now + 10


def test_an_underlying_of_its_own(stops):
    now = stops.chain.now
    stops.must("set_underlying_limits", ETH, 2**128 - 1, 99)
    stops.must("stop_underlying", ETH, now + 600, sender=GUARDIAN)
    assert stops.last() == (
        "UnderlyingStopSet",
        {"underlying": ETH, "by": GUARDIAN, "old_until": 0, "until": now + 600},
    )
    stops.must("stop_underlying", ETH, now + 60, sender=BREAKERS)
    assert stops.ask("underlying_stop", ETH) == now + 600
    assert stops.ask("underlying_limits", ETH) == (2**128 - 1, 99)
    # neither limit nor stop touches the other
    stops.must("set_underlying_limits", ETH, 2**128 - 2, 98)
    assert stops.ask("underlying_stop", ETH) == now + 600
    assert stops.terms(stops.perp).reduce_only is True
    assert stops.terms(stops.perp).underlying_cap == 2**128 - 2
    assert stops.terms(stops.btc_perp).reduce_only is False
    stops.must("resume_underlying", ETH)
    assert stops.terms(stops.perp).reduce_only is False
    assert stops.ask("underlying_stop", BTC) == 0
    assert stops.ask("underlying_stop", ETH) == stops.chain.now
    ended = stops.chain.now
    stops.chain.advance(60)
    stops.must("resume_underlying", ETH)  # what has ended keeps its time
    assert stops.ask("underlying_stop", ETH) == ended


def test_an_underlying_that_nobody_feeds(stops):
    stops.refuses("feed: unknown underlying", "stop_underlying", UNFED, stops.chain.now + 60)


def test_risk_of_all_or_of_one(stops):
    now = stops.chain.now
    stops.must("stop", RISK, now + 60, sender=GUARDIAN)
    stops.must("stop_underlying", ETH, now + 120, sender=GUARDIAN)
    found = []
    for seconds in (0, 59, 1, 59, 1):
        stops.chain.advance(seconds)
        found.append((stops.terms(stops.perp).reduce_only, stops.terms(stops.btc_perp).reduce_only))
    assert found == [(True, True), (True, True), (True, False), (True, False), (False, False)]


def test_leaving(stops):
    limits = stops.ask("account_limits")
    stops.must("stop", RISK | LIQUIDATION, stops.chain.now + 60)
    assert stops.ask("limits_of_leaving", True) == limits
    stops.must("stop", LEAVE, stops.chain.now + 60)
    assert stops.ask("limits_of_leaving", True) == "refused: registry: withdrawals are stopped"
    assert stops.ask("limits_of_leaving", False) == limits
    stops.chain.advance(60)
    assert stops.ask("limits_of_leaving", True) == limits

"""Aave, 10 March 2026, 26 M$ liquidated.

What happened: an oracle that caps how fast a staked token's rate may grow keeps a rate and the time that it was of. An
update was bounded in the rate but not in the time beside it; the two no longer belonged together, the cap came out too
low, and sound positions were liquidated at 2.9 % under the market.

What stands against it: what belongs together is written together. A surface is code that holds mark, reference price
and time; a report replaces the whole by one pointer, or nothing; one whose time is not the report's is refused. The
guardrails' own clamps keep a value and the market time that it was of in one word: what is refused moves neither, and
what is believed moves both. And a report by itself liquidates nobody (I-41).
"""

from dataclasses import replace

import pytest

from plimsoll.spec.guardrails import unpack_scenarios
from tests.unit.clearinghouse.stage import ETH, EVERYONE, EXPIRY, MAKER, TRADER, WAD, make_row, make_surface
from tests.unit.guardrails.yard import HOUR, clean_yard, scalars_of
from tests.unit.guardrails.yard import surfaces as said_surfaces

from .scene import stage_without

PPM = 10**6


def state(stage):
    """What margins are computed from."""
    at = [stage.ask("oracle", "pointer", ETH, expiry) for expiry in (0, EXPIRY)]
    return at, stage.ask("oracle", "scalars", ETH), stage.mark(stage.perp), stage.mark(stage.call)


def surfaces(stage, *times, reference=2_000 * WAD):
    keys = ((ETH, 0), (ETH, EXPIRY))
    return [
        make_surface(*key, stage.surfaces[key], time, reference=reference)
        for key, time in zip(keys, times, strict=True)
    ]


@pytest.mark.parametrize("off", [-3_600, -1, 1])
@pytest.mark.parametrize("place", [0, 1])
def test_a_surface_of_another_time_than_the_report_s_is_refused_whole(stage, off, place):
    stage.later(7_000)
    now, before = stage.pair.now, state(stage)
    times = [now - 5, now - 5]
    times[place] += off
    report, stored = stage.pair.report(surfaces(stage, *times, reference=2_010 * WAD), market_time=now - 5)
    args = report, stage.pair.signed(report), stored, b""
    stage.refuses("oracle: surface time is not the report's", "oracle", "post", *args)
    assert state(stage) == before


def test_neither_goes_back(stage):
    stage.later(60)
    stage.post()
    made = surfaces(stage, *[stage.pair.now - 1] * 2)
    report, stored = stage.pair.report(made)
    stage.refuses("oracle: market time goes back", "oracle", "post", report, stage.pair.signed(report), stored, b"")


def test_mark_reference_and_time_are_replaced_together(stage):
    """The honest version: index and report move by 2.9 %; at the old reference or the new, the mark is the market's."""
    pair = stage.pair
    stage.later(60)
    pair.price(ETH, 1_942 * WAD)
    assert stage.mark(stage.perp) == 1_942 * WAD  # the old mark moves with the index from the old reference
    pair.post(surfaces(stage, pair.now, pair.now, reference=1_942 * WAD))
    assert stage.mark(stage.perp) == 1_942 * WAD  # the new one from the new
    word = stage.ask("oracle", "pointer", ETH, 0)
    assert (word >> 32) & (2**32 - 1) == pair.now
    assert pair.twin.oracle.surface_at(word >> 96).time == pair.now
    pair.compare(EVERYONE)


def test_a_wrong_report_by_itself_liquidates_nobody(stage):
    """Signed by its quorum, and wrong all the same: marks 2.9 % low. Owners have their notice."""
    stage.fund("maker", 10**6)
    stage.fund("trader", 286)
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)
    stage.surfaces[ETH, 0] = (make_row(0, mark=10**12 * 971 // 1_000), *stage.surfaces[ETH, 0][1:])
    stage.post()
    assert stage.ask("book", "state", TRADER) == 2
    found = stage.margin(TRADER)
    assert found.equity_full >= 0
    stage.refuses("liquidator: not liquidatable", "liquidator", "start", TRADER)
    stage.pair.must("liquidator", "call", TRADER)
    stage.later(120)
    stage.refuses("liquidator: not liquidatable", "liquidator", "start", TRADER)
    stage.surfaces[ETH, 0] = (make_row(0), *stage.surfaces[ETH, 0][1:])
    stage.post()
    stage.pair.must("liquidator", "cure", TRADER)
    stage.pair.compare(EVERYONE)


WORTH = "guard: worth of a token moves too fast"


@pytest.fixture
def yard():
    """A guarded deployment with a token at 95 % of its index, which may gain a tenth an hour."""
    with clean_yard() as made:
        yield made


def test_what_is_refused_moves_neither_a_clamped_rate_nor_its_time(yard):
    before = yard.ask("guard", "scenarios", ETH)
    for seconds in (600, 1_200, 1_800):
        yard.later(600)
        yard.refuses(WORTH, worth=950_000 + 950_000 * 100_000 * seconds // (PPM * HOUR) + 1)
        assert yard.ask("guard", "scenarios", ETH) == before
    # the whole half hour is there for an honest rate: 5 %
    yard.must(worth=997_500)


def test_a_clamp_counts_from_the_time_of_the_rate_not_from_that_of_its_post(yard):
    start = yard.pair.now
    said = replace(yard.said[ETH], worth=950_000 * 61 // 60)  # what ten minutes allow
    report, stored = yard.pair.report(
        said_surfaces(ETH, said, start + 600), [scalars_of(ETH, said)], market_time=start + 600
    )
    yard.later(HOUR)  # it is carried late
    yard.pair.must("oracle", "post", report, yard.pair.signed(report), stored, b"")
    noted = unpack_scenarios(yard.ask("guard", "scenarios", ETH))
    assert (noted.time, noted.scalars_time) == (start + 600, start + 600)
    # fifty minutes since the rate that stands, not none since it was posted, and not an hour
    most = said.worth + said.worth * 100_000 * 3_000 // (PPM * HOUR)
    yard.refuses(WORTH, worth=most + 1)
    yard.must(worth=most)


def test_at_its_clamp_the_rate_goes_on_from_where_the_market_took_it(yard):
    """A token that regains its peg within a minute is let up by a tenth an hour, each report from the last."""
    worth = 950_000
    for _ in range(6):
        yard.later(600)
        worth += worth * 100_000 * 600 // (PPM * HOUR)
        yard.refuses(WORTH, worth=worth + 1)
        yard.must(worth=worth)
    assert 1_045_000 < worth < 1_050_000


@pytest.mark.slow
def test_without_the_check_of_time_an_old_surface_binds_as_new():
    stage = stage_without(
        "RiskOracle",
        (
            "RiskOracle.vy",
            'assert head.time == convert(report.market_time, uint256), "oracle: surface time is not the report\'s"',
            "pass",
        ),
    )
    stage.later(7_000)
    now = stage.pair.now
    report, stored = stage.pair.report(surfaces(stage, now - 6_000, now - 6_000), market_time=now - 5)
    assert isinstance(stage.on_chain("oracle", "post", report, stage.pair.signed(report), stored, b"", sender=1), list)
    assert (stage.ask("oracle", "pointer", ETH, 0) >> 32) & (2**32 - 1) == now - 5

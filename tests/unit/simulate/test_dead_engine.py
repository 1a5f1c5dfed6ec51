"""The engine dead while the market falls: what must hold, on a short day; and that planted faults are found."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from plimsoll.chain import artifacts
from plimsoll.simulate.dead_engine import (
    DAY,
    FEED_AGE,
    LOOK,
    NO_RISK,
    DeadEngine,
    Numbers,
    bad_debt,
    cast,
    market_of,
    run_dark,
    run_day,
    uncalled,
)
from plimsoll.simulate.errors import SimulationError
from plimsoll.simulate.paths import FALLS, HOUR, HOURS, LEFT, START
from plimsoll.spec.margin import Params
from plimsoll.spec.report import pack_floors, pack_rates
from plimsoll.spec.wad import WAD
from tests.agreement.test_planted import faulty_contracts


class Args(NamedTuple):
    """Of an event."""

    account: int
    equity: int = 0


class Said(NamedTuple):
    """An event."""

    name: str
    args: Args


SHORT = 7  # hours: of the path `crash` with this seed, calm for three of them, then down two fifths
SEED = 14
SLOWEST = 120 / 60 + 60 + LOOK / 60  # [minutes] the urgent notice, a whole ramp, and a look


@pytest.fixture(scope="module")
def day():
    """A short day, dead and alive."""
    return run_day("crash", seed=SEED, hours=SHORT)


def test_losses_are_no_more_than_the_funds_first_layer_over_a_live_engines(day):
    assert day.fall < LEFT - 1 + 0.01
    assert day.first_layer > 0
    assert day.bad_debt_over_live <= 1
    assert day.liquidated > 0
    assert day.liquidated_alive > 0


def test_accounts_under_margin_are_bid_on_in_time(day):
    assert 0 < day.slowest <= SLOWEST
    assert day.uncalled == 0


def test_no_risk_is_taken_and_nobody_leaves_below_initial_margin(day):
    assert day.tried.trades > 200
    assert day.tried.new_risk == 0
    assert day.tried.reductions > 0
    assert set(day.tried.refusals) == NO_RISK
    assert day.tried.withdrawals > 200
    assert day.tried.made > 0
    assert day.tried.below_im == 0


def test_old_reports_are_refused_and_the_engine_comes_back(day):
    assert day.tried.old_reports > 0
    assert day.tried.believed == 0
    assert day.resumed


def test_initial_margin_widens_by_the_hour(day):
    hours = len(day.im_factor) - 1
    assert hours >= SHORT - 3
    assert day.im_factor[-1] - day.im_factor[0] == pytest.approx(Params().widen / 10**6 * hours, rel=0.02)


def test_chain_and_spec_agree_and_money_is_conserved(day):
    assert day.comparisons > 0
    assert day.mismatches == 0
    assert day.conserved


def test_nobody_on_a_dead_index():
    silent = (4 * HOUR, 5 * HOUR + FEED_AGE)
    run = run_dark("crash", silent=silent, hours=6, seed=SEED)
    found = Numbers((), run.dark, run.in_the_dark, ())
    assert run.dark.steps >= HOUR // 300
    assert run.dark.tried > 300
    assert found.on_dead_index == 0
    assert run.dark.deposits == run.dark.steps * len(run.parties)
    assert run.dark.withdrawals > 0
    assert run.outcome.liquidated > 0  # before, and after


# ------------------------------------------------------------------------------------------------------ planted faults


class Loose(DeadEngine):
    """Surfaces of any age pass for fresh."""

    def _deploy(self):
        super()._deploy()
        self.chain.advance(HOUR)  # parameters move once an hour
        params = Params(max_age=7 * DAY, move_gate=200_000)
        oracle = self.venue.system.oracle
        oracle.transact("set_params", pack_rates(params), pack_floors(params), sender=self.venue.admin)

    def _try_withdrawals(self, *, is_hour):
        """Not here: on fresh surfaces the most is searched for, which takes its time."""


class Stopped(DeadEngine):
    """Nobody is auctioned while the engine is dead."""

    def _open_accounts(self):
        super()._open_accounts()
        self.venue.system.registry.transact("stop", 4, START + 2 * DAY, sender=self.venue.admin)


class Remembered(DeadEngine):
    """An index that says nothing still counts."""

    feed_age = DAY


def test_surfaces_of_any_age_are_found():
    run = Loose(market_of("crash", seed=3), hours=5)  # calm all the while: the guardrails have nothing to say
    run.run()
    assert run.tried.new_risk > 0
    assert run.tried.believed > 0


def test_auctions_that_do_not_begin_are_found():
    run = Stopped(market_of("crash", seed=SEED), hours=SHORT, tries=False)
    run.run()
    assert max(run.to_bid) / 60 > SLOWEST
    assert bad_debt(run.venue.system) > 100_000 * WAD


def test_liquidations_on_a_dead_index_are_found():
    run = Remembered(market_of("crash", seed=SEED), silent=(4 * HOUR, 5 * HOUR), hours=5, tries=False)
    run.run()
    assert run.dark.liquidations > 0
    assert run.dark.leaves == 0  # surfaces are stale besides


@pytest.mark.long
def test_withdrawals_below_initial_margin_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    faulty = faulty_contracts(
        tmp_path,
        ["Clearinghouse"],
        "modules/book.vy",
        "    if not instruments._is_risky(words, ledger):\n        return\n    after: IRiskOracle",
        "    if len(words) >= 0:\n        return\n    after: IRiskOracle",
    )
    load_all = artifacts.load_all

    def load(*args, **options):
        found = load_all(*args, **options)
        if "Clearinghouse" in found:
            (fault,) = faulty.values()
            found["Clearinghouse"] = artifacts.extended(fault, load_all(["BackOffice"])["BackOffice"])
        return found

    monkeypatch.setattr(artifacts, "load_all", load)
    run = DeadEngine(market_of("steady", seed=1), hours=1)
    run.run()
    assert run.tried.below_im > 0


def test_auctions_without_a_call_are_counted():
    called, started = Said("Called", Args(1)), Said("AuctionStarted", Args(1))
    assert uncalled([called, started]) == 0
    assert uncalled([started]) == 1
    assert uncalled([called, Said("Cured", Args(1)), started]) == 1
    assert uncalled([called, started, started]) == 0  # the last one ran dry
    assert uncalled([called, started, Said("AuctionClosed", Args(1)), started]) == 1
    assert uncalled([called, Said("AuctionStarted", Args(2))]) == 1
    assert uncalled([Said("AuctionStarted", Args(1, -1))]) == 0  # insolvent


# ---------------------------------------------------------------------------------------------------------------- paths


@pytest.mark.parametrize("path", FALLS)
@pytest.mark.parametrize("seed", range(5))
def test_paths_lose_two_fifths_within_a_day(path: str, seed: int):
    bars = market_of(path, seed=seed).bars
    before = float(bars.close[bars.time < START][-1])
    inside = bars.time >= START
    assert int(inside.sum()) == HOURS
    assert LEFT - 0.02 < float(bars.low[inside].min()) / before <= LEFT
    assert (market_of(path, seed=seed).bars.close == bars.close).all()
    assert (market_of(path, seed=seed + 1).bars.close != bars.close).any()


def test_recorded_prices_need_a_folder():
    with pytest.raises(SimulationError, match="recorded prices need a folder"):
        market_of("recorded")


def test_the_cast_has_perps_options_and_collateral():
    traders = cast("BTC")
    assert len({trader.name for trader in traders}) == len(traders)
    assert {leg.kind for trader in traders for leg in trader.legs} == {0, 2, 3}
    assert any(trader.tokens for trader in traders)
    assert sum(not trader.legs for trader in traders) == 2

"""The loop on the real contracts: posts when due, survives what fails, halts with a reason, and touches nothing dry."""

from dataclasses import replace

import pytest

from plimsoll.chain.errors import NodeError
from plimsoll.keeper.errors import Halted, SettingsError
from plimsoll.keeper.liquidation import Step
from plimsoll.keeper.loop import LoopConfig
from plimsoll.risk.models import EwmaFhs, EwmaFhsConfig, GlideConfig
from plimsoll.simulate.agreement import Agreement
from plimsoll.spec.errors import Refused
from plimsoll.spec.guardrails import PSR
from plimsoll.spec.report import pack_scalars
from plimsoll.spec.wad import PPM

from .conftest import DAY, SIGNERS, UNDERLYING, write_prices


def test_it_posts_first_and_then_only_when_due(world):
    keeper = world.keeper()
    first = keeper.round()
    assert first.posted.ok
    assert first.reasons[0].kind == "first"
    assert world.system.oracle.call("sequence") == 1
    world.chain.advance(60)
    assert keeper.round().posted is None
    world.chain.advance(3_600)
    assert [reason.kind for reason in keeper.round().reasons] == ["heartbeat"]
    assert world.system.oracle.call("sequence") == 2


def test_a_reader_keeps_no_surface_that_is_posted_no_more(world):
    keeper = world.keeper()
    for _ in range(3):
        assert keeper.round().posted.ok
        world.chain.advance(3_600)
    held = world.reader.read()
    assert len(world.reader._surfaces) == len(held.surfaces) == 1


def test_a_moved_index_brings_a_report_at_once(world):
    keeper = world.keeper()
    keeper.round()
    world.chain.advance(30)
    world.index(101.0)
    found = keeper.round()
    assert [reason.kind for reason in found.reasons] == ["gate"]
    assert found.posted.ok
    assert keeper.reader.read().surfaces[UNDERLYING, 0].reference == 101 * 10**18


def test_an_urgent_report_is_due_when_asked_for_and_takes_more_signatures(world):
    world.keeper().round()
    world.chain.advance(30)
    few = world.keeper(urgent=True).round()
    assert [reason.kind for reason in few.reasons] == ["urgent"]
    assert few.built.report.urgent
    assert "oracle: below quorum" in few.error
    assert world.keeper(urgent=True, keys=SIGNERS).round().posted.ok
    assert world.system.oracle.call("sequence") == 2


def test_at_a_limit_it_posts_what_the_guardrails_allow_and_goes_on(world):
    hasty = EwmaFhs(EwmaFhsConfig(glide=GlideConfig(max_rise=10.0, max_fall=10.0, max_step=10.0)))
    world.keeper(model=hasty).round()
    calm = world.reader.read()
    write_prices(world.prices, swing=0.04)
    for _ in range(3):
        before = world.reader.read().surfaces[UNDERLYING, 0].psr
        world.chain.advance(1_800)
        found = world.keeper(model=hasty, heartbeat=1_800).round()
        assert found.posted.ok
        after = world.reader.read()
        limit = after.rails.limit(UNDERLYING, PSR)
        assert found.built.forecasts[UNDERLYING].forecast_psr > after.surfaces[UNDERLYING, 0].psr
        assert after.surfaces[UNDERLYING, 0].psr == before + before * limit.rise // (2 * PPM)
        # new risk pays for the forecast all the same
        assert after.scalars[UNDERLYING].im_factor > 2 * calm.scalars[UNDERLYING].im_factor


def test_chain_and_spec_agree_while_funding_runs(world):
    keeper = world.keeper()
    built = keeper.round().built
    maker, long = world.open("maker", 10**6), world.open("long", 10_000)
    world.venue.trade(long, maker, world.perp, 100 * 10**18)
    world.chain.advance(60)
    held = world.reader.read()
    built = keeper.engine.report(world.source.snapshot(held), held.risk_state, 2)
    scalars = tuple(replace(item, funding=10_000) for item in built.scalars)
    report = replace(built.report, scalars=tuple(map(pack_scalars, scalars)))
    assert keeper.poster.post(replace(built, report=report, scalars=scalars)).ok
    agreement = Agreement(world.reader)
    before = agreement.compare([maker.account, long.account])
    world.chain.advance(43_200)
    after = agreement.compare([maker.account, long.account])
    assert agreement.mismatches == []
    assert world.reader.read().funding == {UNDERLYING: 5 * 10**17}  # half a day at 1 % of 100
    assert after[long.account].equity_full == before[long.account].equity_full - 50 * 10**18
    assert after[maker.account].equity_full == before[maker.account].equity_full + 50 * 10**18
    bought = [(world.perp, 10**18, 100 * 10**18)]  # at the mark: who comes now has paid no funding
    assert world.system.lens.call("margin_after", long.account, bought).equity_full == after[long.account].equity_full


def test_no_time_no_report(world):
    keeper = world.keeper()
    keeper.round()
    world.index(110.0)
    assert keeper.round().posted is None


def test_a_failed_transaction_is_survived(world, monkeypatch):
    keeper = world.keeper()
    real = world.system.oracle.transact
    fails = iter([Refused("oracle: market time too old"), NodeError("gone"), Refused("")])

    def flaky(name, *args, **kwargs):
        if name == "post" and (error := next(fails, None)) is not None:
            raise error
        return real(name, *args, **kwargs)

    keeper.config = LoopConfig(0.0, 5)
    monkeypatch.setattr(world.system.oracle, "transact", flaky)
    errors = [keeper.round().error for _ in range(3)]
    assert errors == [
        "post refused: oracle: market time too old",
        "post refused: gone",
        "post refused: reverted without a reason",
    ]
    assert (keeper.failures, keeper.poster.failures) == (3, 3)
    assert keeper.round().posted.ok
    assert (keeper.failures, keeper.poster.failures, world.system.oracle.call("sequence")) == (0, 0, 1)
    assert world.kinds().count("post-failed") == 3


def test_too_few_signatures_are_refused_by_name_and_halt(world):
    keeper = world.keeper(keys=SIGNERS[:1])
    assert keeper.round().error == "post refused: oracle: below quorum"
    keeper.round()
    with pytest.raises(Halted, match="3 rounds failed in a row, the last with: post refused: oracle: below quorum"):
        keeper.round()
    assert world.kinds()[-1] == "halt"
    assert world.system.oracle.call("sequence") == 0


def test_a_source_that_is_down_counts_and_recovers(world):
    keeper = world.keeper()
    text = world.prices.read_text()
    world.prices.write_text(text.replace(text.splitlines()[5].split(",")[4], "nan"))
    assert "MissingPriceError" in keeper.round().error
    world.prices.write_text(text)
    assert keeper.round().posted.ok
    assert keeper.failures == 0


def test_liquidation_goes_on_while_the_source_is_down(world):
    long, _ = _underwater(world)
    keeper = world.keeper(agent=world.agent(), accounts=(long.account,))
    world.prices.unlink()
    found = keeper.round()
    assert "SourceDownError" in found.error
    assert [(step.account, step.step) for step in found.steps] == [(long.account, Step.CALL)]
    assert keeper.failures == 1
    assert world.system.liquidator.call("ripe", long.account) > 0


def test_a_stale_history_is_refused(world):
    keeper = world.keeper()
    world.chain.advance(5 * DAY + 1)
    world.index(100.0)
    assert "the last close in toy.csv is" in keeper.round().error


def test_a_dead_feed_is_named(world):
    keeper = world.keeper()
    world.chain.advance(8 * DAY)
    assert "the feed has no usable price" in keeper.round().error


def test_a_dry_run_changes_nothing(world, monkeypatch):
    caller = world.agent()
    long, maker = _underwater(world)
    accounts = (long.account, maker.account)
    keeper = world.keeper(agent=caller, upkeep=world.upkeep(), accounts=accounts, dry_run=True)
    monkeypatch.setattr(type(world.chain), "transact", lambda *_, **__: pytest.fail("sent"))
    mark = len(world.chain.logs([c.address for c in world.system.contracts], 0))
    found = keeper.round()
    assert (found.posted, found.steps) == (None, ())
    assert found.reasons
    assert found.planned == ((long.account, "call"),)
    assert {"post-due", "step-due", "chore-due"} <= set(world.kinds())
    assert len(world.chain.logs([c.address for c in world.system.contracts], 0)) == mark


def test_run_sleeps_between_rounds(world):
    naps = []
    seen = []
    world.keeper().run(3, naps.append, seen.append)
    assert len(naps) == 2
    assert [done.ok for done in seen] == [True] * 3


def test_metrics_say_where_it_stands(world):
    keeper = world.keeper()
    keeper.round()
    value = keeper.metrics.registry.get_sample_value
    assert value("plimsoll_posts_total") == 1
    assert value("plimsoll_rounds_total", {"loop": "round"}) == 1
    assert value("plimsoll_healthy", {"loop": "round"}) == 1
    assert value("plimsoll_index", {"underlying": "257"}) == 100.0


@pytest.mark.parametrize("config", [{"interval": -1}, {"max_failures": 0}])
def test_loop_settings_out_of_range_are_refused(config):
    with pytest.raises(SettingsError):
        LoopConfig(**config)


def test_a_poster_without_keys_is_refused(world):
    with pytest.raises(SettingsError):
        world.keeper(keys=[])


def test_a_file_that_changed_is_read_again(world):
    keeper = world.keeper()
    before = keeper.round().built.report.snapshot
    write_prices(world.prices, days=390)
    world.chain.advance(3_600)
    found = keeper.round()
    assert found.built.report.snapshot != before
    assert found.posted.ok


def _underwater(world):
    """A long below maintenance margin, against a rich maker."""
    world.keeper().round()
    maker, long = world.open("maker", 10**6), world.open("long", 1_000)
    world.venue.trade(long, maker, world.perp, 100 * 10**18)
    world.chain.advance(3_600)
    world.index(92.0)
    return long, maker

"""Chores: what is due by the numbers, and the whole life of an expiry on the real contracts."""

import pytest

from plimsoll.chain.artifacts import load
from plimsoll.chain.contract import deploy
from plimsoll.chain.errors import NodeError
from plimsoll.keeper.accounts import AccountWatcher
from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.upkeep import UpkeepConfig, bucket_due, note_due, proposal_due, settlement_due, touch_due
from plimsoll.spec.history import BUCKETS
from plimsoll.spec.instruments import FUTURE
from plimsoll.spec.wad import WAD

from .conftest import DAY, UNDERLYING

NONE = (0,) * BUCKETS
ALL = (1,) * BUCKETS


@pytest.mark.parametrize(
    ("now", "lag", "newer_at", "is_due"),
    [(10_000, 3_600, 0, True), (10_000, 3_600, 6_400, True), (10_000, 3_600, 6_401, False), (10_000, 0, 0, False)],
)
def test_a_price_is_remembered_once_a_lag(now, lag, newer_at, is_due):
    assert touch_due(now, lag, newer_at) == is_due


@pytest.mark.parametrize(
    ("ahead", "seen", "is_due"),
    [
        (1_801, NONE, False),
        (1_800, NONE, True),
        (1_800, ALL, False),
        (1, NONE, True),
        (0, NONE, False),
        (1_741, (1, *NONE[1:]), False),
        (1_740, (1, *NONE[1:]), True),
        (60, (*ALL[:-1], 0), True),
        (61, (*ALL[:-1], 0), False),
    ],
)
def test_each_minute_before_an_expiry_is_observed_once(ahead, seen, is_due):
    assert bucket_due(10**9, 10**9 + ahead, seen) == is_due


@pytest.mark.parametrize(
    ("ahead", "ready_at", "seen", "disputed", "is_due"),
    [
        (1, 0, ALL, False, False),
        (0, 0, ALL, False, True),
        (0, 5, ALL, False, False),
        (0, 0, ALL, True, False),
        (0, 0, (1,) * 9 + (0,) * 21, False, False),
        (0, 0, (0,) * 20 + (1,) * 10, False, True),
    ],
)
def test_a_price_is_proposed_once_where_enough_was_seen(ahead, ready_at, seen, disputed, is_due):
    assert proposal_due(10**9, 10**9 + ahead, ready_at, seen, disputed=disputed) == is_due


@pytest.mark.parametrize(
    ("linear", "now", "lagged", "amount"),
    [(-100, 80, 90, -20), (-100, 120, 110, 10), (-100, 120, 130, 20), (-100, 120, 90, 0), (0, 0, 0, 0)],
)
def test_a_loss_moves_as_it_stands_and_a_gain_at_its_worse_value(linear, now, lagged, amount):
    assert settlement_due(linear, now, lagged) == amount


@pytest.mark.parametrize("config", [{"every": 0}, {"least": -1}])
def test_settings_out_of_range_are_refused(config):
    with pytest.raises(SettingsError):
        UpkeepConfig(**config)


@pytest.mark.parametrize(
    ("now", "noted", "cover", "peak", "is_due"),
    [
        (DAY, DAY // 2, 5, 5, True),
        (DAY, DAY // 2 + 1, 5, 5, False),
        (DAY, DAY, 6, 5, True),
        (DAY, DAY // 2 + 1, 0, 5, False),
    ],
)
def test_cover_is_noted_when_it_rises_and_twice_a_window(now, noted, cover, peak, is_due):
    assert note_due(now, DAY, noted, cover, peak) == is_due


def test_breakers_are_tripped_and_cover_is_noted(world):
    """Nothing where the registry names none; else a move stops new risk, once."""
    system = world.system
    breakers = deploy(
        world.chain, load("Breakers"), system.clearinghouse.address, system.fund.address, sender=world.admin
    )
    # the deployment's own, if it has any, are replaced
    system.registry.transact("set_breakers", f"0x{0:040x}", sender=world.admin)
    upkeep = world.upkeep()
    world.index(125.0)
    assert "trip" not in [done.name for done in upkeep.round([])]
    system.registry.transact("set_breakers", breakers.address, sender=world.admin)
    world.chain.advance(3_600)
    world.index(100.0)
    upkeep.round([])
    world.chain.advance(3_600)
    upkeep.round([])
    world.index(116.0)
    assert [done.name for done in upkeep.round([])] == ["trip"]
    assert world.recorder.of("trip")[0]["args"] == [0, UNDERLYING]
    assert system.registry.call("underlying_stop", UNDERLYING) == world.chain.now + 3_600
    assert upkeep.round([]) == []
    assert len(world.recorder.of("note")) == 1


def test_prices_are_touched_and_a_second_round_does_nothing(world):
    upkeep = world.upkeep()
    assert [done.name for done in upkeep.round([])] == ["note"]  # the deployment touched
    world.chain.advance(3_600)
    assert [done.name for done in upkeep.round([])] == ["touch"]
    assert upkeep.round([]) == []


def test_losers_settle_before_winners_and_fees_reach_the_fund(world):
    world.system.registry.transact("set_fees", 300 << 232 | 100 << 208 | 5_000 << 136, sender=world.admin)
    world.keeper().round()
    maker, long = world.open("maker", 10**6), world.open("long", 10_000)
    world.venue.trade(long, maker, world.perp, 1_000 * WAD)
    world.chain.advance(3_600)
    world.index(97.0)
    upkeep = world.upkeep(every=DAY, least=WAD)
    accounts = [maker.account, long.account]
    upkeep.round(accounts)
    fund = int(world.system.fund.address, 16) << 96
    assert [line["args"] for line in world.recorder.of("settle")] == [[long.account], [fund]]  # the gain is too young
    assert upkeep.round(accounts) == []
    world.chain.advance(DAY)
    upkeep.round(accounts)
    assert world.system.clearinghouse.call("ledger", maker.account)[0] > 10**6 * WAD
    world.chain.advance(DAY)
    upkeep.round(accounts)
    assert world.system.fund.call("cover") == 39 * WAD  # 0.04 % of 100,000, less the coin that is never paid out


def test_money_is_looked_at_again_where_the_node_failed(world):
    upkeep = world.upkeep(every=DAY, least=WAD)
    looked = []

    def unsettled():
        looked.append(world.chain.now)
        if len(looked) == 1:
            raise NodeError("the node does not answer")
        return []

    upkeep.unsettled = unsettled
    with pytest.raises(NodeError):
        upkeep.round([])
    upkeep.round([])
    upkeep.round([])
    assert len(looked) == 2  # once more, and then not before another day


def test_an_expiry_is_observed_proposed_and_booked(world):
    expiry = world.chain.now + DAY
    future = world.list(expiry, FUTURE, 0)
    world.reader.expiries = {UNDERLYING: (0, expiry)}
    world.source.markets = tuple(
        type(market)(market.underlying, market.name, market.path, (expiry,), market.depth)
        for market in world.source.markets
    )
    assert world.keeper().round().posted.ok
    watcher = AccountWatcher(world.system)
    maker, long = world.open("maker", 10**6), world.open("long", 10_000)
    world.venue.trade(long, maker, future, 100 * WAD)
    upkeep = world.upkeep(watcher.holders)
    accounts = watcher.update()
    assert watcher.holders == {(UNDERLYING, expiry): {maker.account, long.account}}
    world.chain.set_time(expiry - 1_800)
    world.index(101.0)
    names = []
    for _ in range(35):
        names += [done.name for done in upkeep.round(accounts) if done.error is None]
        names += [done.name for done in upkeep.round(accounts) if done.error is None]
        world.chain.advance(60)
    assert names.count("observe") == BUCKETS
    assert names.count("propose") == 1
    assert "expire" not in names
    world.chain.advance(3_600)
    assert [done.name for done in upkeep.round(accounts)].count("expire") == 2
    watcher.update()
    assert watcher.holders == {(UNDERLYING, expiry): set()}
    assert "expire" not in [done.name for done in upkeep.round(accounts)]
    assert world.system.clearinghouse.call("quantity", long.account, future) == 0
    assert world.system.clearinghouse.call("instrument_interest", future) == 0
    cash, linear = world.system.clearinghouse.call("ledger", long.account)
    assert cash + linear == 10_100 * WAD

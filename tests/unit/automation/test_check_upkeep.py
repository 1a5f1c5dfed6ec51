"""Automation.checkUpkeep: what is due for accounts, breakers, prices and expiries; the other two views say the same."""

import pytest
from eth_abi.abi import encode as abi_encode

from plimsoll.spec.automation import (
    CALL,
    CHECK_TYPES,
    CLOSE,
    MAX_STEPS,
    NOTE,
    OBSERVE,
    PROPOSE,
    RECORD,
    START,
    TOUCH,
    TRIP,
    Step,
    check_data,
)
from plimsoll.spec.breakers import MOVE, VOLATILITY
from plimsoll.spec.errors import Refused
from plimsoll.spec.history import BUCKET, MIN_BUCKETS
from plimsoll.spec.instruments import WINDOW
from plimsoll.spec.registry import LIQUIDATION
from tests.pairs import account, text
from tests.regression.scene import LAG, fill_fund, touch, wait
from tests.unit.clearinghouse.stage import (
    BTC,
    DEAD,
    ETH,
    EXPIRY,
    MAKER,
    OTHER,
    OWNER,
    SOL,
    TRADER,
    WAD,
    make_scalars,
    wad,
)

URGENT, PERIOD, RAMP = 120, 3_600, 3_600
ALL = (BTC, ETH, SOL)


def step(trigger, who=TRADER):
    """The one step that is due for an account, or None."""
    found = trigger.due([who])
    assert len(found) <= 1
    assert all(item.subject == who for item in found)
    return found[0].action if found else None


# ------------------------------------------------------------------------------------------------------------ accounts


@pytest.mark.parametrize(
    ("price", "action"), [(2_000, None), (1_980, None), (1_935, None), (1_933, CALL), (1_900, CALL), (1_699, START)]
)
def test_by_the_accounts_state(trigger, price, action):
    trigger.stage.sick(300, price)
    assert step(trigger) == action


def test_a_call_is_given_its_notice(trigger):
    trigger.stage.sick()
    trigger.do([TRADER])
    assert step(trigger) is None
    trigger.stage.later(URGENT)
    assert step(trigger) is None
    trigger.stage.later(1)
    assert trigger.do([TRADER]) == [Step(START, TRADER)]
    assert step(trigger) is None  # from here on it is for bidders


def test_over_maintenance_margin_the_deadline_counts(trigger):
    trigger.stage.sick()
    trigger.stage.fund("trader", 30)
    trigger.do([TRADER])
    trigger.stage.later(PERIOD)
    assert step(trigger) is None
    trigger.stage.later(1)
    assert step(trigger) == START
    trigger.stage.fund("trader", wad("13.9") // WAD + 1)
    assert step(trigger) is None  # it could be cured, and is not liquidated


def test_an_auction_ends_where_initial_margin_is_restored(trigger):
    trigger.stage.sick()
    trigger.do([TRADER])
    trigger.stage.later(URGENT + 1)
    trigger.do([TRADER])
    trigger.stage.fund("trader", 85)
    assert step(trigger) is None
    trigger.stage.fund("trader", 1)
    assert trigger.do([TRADER]) == [Step(CLOSE, TRADER)]


def test_a_call_is_not_taken_back_and_comes_again_once_it_lapsed(trigger):
    """What flickers about the call line costs one call for each call period, however often it crosses."""
    stage = trigger.stage
    stage.sick()
    stage.fund("trader", 30)
    trigger.do([TRADER])
    for _ in range(20):
        for price in (1_950, 1_900):
            stage.pair.price(ETH, price * WAD)
            assert step(trigger) is None
    stage.pair.price(ETH, 1_950 * WAD)
    stage.later(2 * PERIOD)
    stage.pair.price(ETH, 1_900 * WAD)
    assert step(trigger) == START
    stage.later(1)  # the call lapsed
    assert step(trigger) == CALL


def test_an_auction_does_not_flicker_between_maintenance_and_initial_margin(trigger):
    stage = trigger.stage
    stage.sick()
    trigger.do([TRADER])
    stage.later(URGENT + 1)
    trigger.do([TRADER])
    for _ in range(20):
        for price in (1_900, 1_950):
            stage.pair.price(ETH, price * WAD)
            assert step(trigger) is None


def test_an_auction_that_ran_dry_begins_with_a_call(trigger):
    trigger.stage.sick()
    trigger.do([TRADER])
    trigger.stage.later(URGENT + 1)
    trigger.do([TRADER])
    trigger.stage.later(2 * RAMP + 1)
    assert step(trigger) == CALL


def test_nothing_starts_while_liquidations_are_stopped_and_what_ran_starts_anew(trigger):
    stage = trigger.stage
    stage.sick()
    trigger.do([TRADER])
    stage.later(URGENT + 1)
    stage.pair.must("registry", "stop", LIQUIDATION, stage.pair.now + 60, sender=OWNER)
    assert step(trigger) is None
    stage.later(59)
    assert step(trigger) is None
    stage.later(1)
    trigger.do([TRADER])
    stage.pair.must("registry", "stop", LIQUIDATION, stage.pair.now + 60, sender=OWNER)
    assert step(trigger) is None
    stage.later(60)
    assert trigger.do([TRADER]) == [Step(START, TRADER)]
    assert step(trigger) is None


def test_calls_go_on_while_liquidations_are_stopped(trigger):
    stage = trigger.stage
    stage.pair.must("registry", "stop", LIQUIDATION, stage.pair.now + 60, sender=OWNER)
    stage.sick()
    assert trigger.do([TRADER]) == [Step(CALL, TRADER)]
    stage.pair.price(ETH, 1_500 * WAD)
    assert step(trigger) == RECORD  # insolvent now: what it owes is put on record, and it waits for the end of the stop
    trigger.do([TRADER])
    stage.later(60)
    assert step(trigger) == START


@pytest.mark.parametrize(("price", "action"), [(1_638, None), (1_642, None), (1_636, RECORD), (1_644, RECORD)])
def test_a_record_follows_a_loss_once_it_is_a_twentieth_off(trigger, price, action):
    stage = trigger.stage
    stage.sick(300, 1_640)
    stage.pair.must("liquidator", "start", TRADER)
    recorded = stage.pair.twin.liquidator.recorded(TRADER)
    assert recorded == 60 * WAD
    stage.pair.price(ETH, price * WAD)
    assert step(trigger) == action


@pytest.mark.parametrize("way", DEAD)
def test_who_cannot_be_assessed_hides_nobody(trigger, way):
    stage = trigger.stage
    stage.fund("other", 29)
    stage.fund("maker", 1_000_000)
    stage.trade(OTHER, MAKER, stage.btc_perp, WAD // 100, 20_000 * WAD)
    stage.sick()
    stage.pair.price(BTC, 19_400 * WAD)
    stage.kill_feed(ETH, way)
    assert trigger.due([TRADER, OTHER, 0, 1]) == [Step(CALL, OTHER)]


# ------------------------------------------------------------------------------------- what breakers and lags bring


def test_nothing_is_due_at_first(trigger):
    assert trigger.due(EVERY, ALL, [(ETH, EXPIRY)]) == []
    assert trigger.look(b"") == []
    assert trigger.contract.call("checker") == (False, b"automation: nothing is due")


EVERY = [TRADER, MAKER, OTHER]


def test_breakers_that_are_met(trigger):
    stage = trigger.stage
    stage.scalars[BTC] = make_scalars(BTC, volatility=3_000_001)
    stage.pair.price(ETH, 2_400 * WAD)
    stage.post()
    found = [Step(TRIP, BTC, VOLATILITY), Step(TRIP, ETH, MOVE)]
    assert trigger.due([], ALL) == found
    assert trigger.due([], [SOL]) == []
    assert trigger.due([TRADER]) == []  # of accounts alone nobody looks at breakers
    assert trigger.look(b"") == found  # of nothing, at every underlying of the feed
    assert trigger.do([], ALL) == found


def test_without_breakers_there_is_nothing_to_trip(trigger):
    stage = trigger.stage
    stage.pair.price(ETH, 2_400 * WAD)
    stage.pair.must("registry", "set_breakers", 0, sender=OWNER)
    assert trigger.due([], ALL) == []
    assert trigger.perform((TRIP, ETH, MOVE), (NOTE, 0)) == "automation: nothing was done"


def test_cover_is_noted_once_it_is_a_hundredth_over_its_mark(trigger):
    fill_fund(trigger.stage, 10)
    assert trigger.due([], ALL) == []  # not for each fee that comes in
    fill_fund(trigger.stage, 1)
    assert trigger.do([], ALL) == [Step(NOTE, 0)]


def test_cover_is_noted_once_its_mark_ran_out(trigger):
    wait(trigger.stage, 2 * 86_400)
    assert trigger.do([], ALL) == [Step(NOTE, 0)]


def test_prices_are_remembered_once_a_lag(trigger):
    trigger.stage.later(LAG - 1)
    assert trigger.due([], ALL) == []
    trigger.stage.later(1)
    assert trigger.do([], ALL) == [Step(TOUCH, underlying) for underlying in ALL]


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_price_is_not_remembered(trigger, way):
    trigger.stage.later(LAG)
    trigger.stage.kill_feed(ETH, way)
    assert trigger.due([], ALL) == [Step(TOUCH, BTC), Step(TOUCH, SOL)]


def test_an_aggregator_that_burns_all_gas_hides_its_own_underlying_alone(trigger):
    """Within the ten millions that a network gives to a look."""
    stage, chain = trigger.stage, trigger.pair.chain
    stage.scalars[BTC] = make_scalars(BTC, volatility=3_000_001)
    stage.post()
    stage.fund("other", 29)
    stage.fund("maker", 1_000_000)
    stage.trade(OTHER, MAKER, stage.btc_perp, WAD // 100, 20_000 * WAD)
    stage.later(LAG)
    stage.pair.price(BTC, 19_400 * WAD)
    stage.pair.fail(ETH)
    chain.set_code(text(stage.pair.aggregators[ETH]), b"\xfe")
    found = [Step(TRIP, BTC, VOLATILITY), Step(TOUCH, BTC), Step(TOUCH, SOL), Step(CALL, OTHER)]
    assert trigger.due([OTHER], ALL) == found
    data = trigger.contract.encode("due", check_data([OTHER], ALL))
    with chain.isolate(), chain._transaction():
        output = chain._evm.message_call(text(OWNER), trigger.contract.address, data, gas=10_000_000)
    assert [Step(*item) for item in trigger.contract.interface.function("due", 1).decode(bytes(output))] == found


# --------------------------------------------------------------------------------------------------------- expiries


def test_each_minute_before_an_expiry_is_observed_once(trigger):
    stage = trigger.stage
    stage.later(EXPIRY - WINDOW - 1 - stage.pair.now)
    touch(stage)
    assert trigger.due([], [], [(ETH, EXPIRY)]) == []
    stage.later(1)
    for _ in range(3):
        assert trigger.do([], [], [(ETH, EXPIRY)]) == [Step(OBSERVE, ETH, EXPIRY)]
        stage.later(BUCKET - 1)
        assert trigger.due([], [], [(ETH, EXPIRY)]) == []
        stage.later(1)


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_price_is_not_observed(trigger, way):
    stage = trigger.stage
    stage.later(EXPIRY - WINDOW - stage.pair.now)
    stage.kill_feed(ETH, way)
    assert trigger.due([], [], [(ETH, EXPIRY)]) == []


@pytest.mark.parametrize("seen", [MIN_BUCKETS - 1, MIN_BUCKETS])
def test_a_settlement_price_is_proposed_once_where_enough_was_seen(trigger, seen):
    stage = trigger.stage
    stage.later(EXPIRY - WINDOW - stage.pair.now)
    for _ in range(seen):
        stage.pair.must("history", "observe", ETH, EXPIRY)
        stage.later(BUCKET)
    stage.later(EXPIRY - stage.pair.now)
    if seen < MIN_BUCKETS:
        assert trigger.due([], [], [(ETH, EXPIRY)]) == []
        return
    assert trigger.do([], [], [(ETH, EXPIRY), (BTC, EXPIRY), (ETH, 0)]) == [Step(PROPOSE, ETH, EXPIRY)]


# --------------------------------------------------------------------------------------------------------- the limits


def test_the_first_ten_in_order(trigger):
    stage = trigger.stage
    stage.later(LAG)
    stage.pair.price(ETH, 2_400 * WAD)
    stage.post()
    stage.fund("maker", 1_000_000)
    stage.pair.price(ETH, 2_000 * WAD)
    stage.post()
    accounts = [account("trader", k) for k in range(12)]
    for k, who in enumerate(accounts):
        if k:
            stage.allow("trader", at=k)
        stage.fund("trader", 286, at=k)
        stage.trade(who, MAKER, stage.perp, WAD, 2_000 * WAD)
    stage.pair.price(ETH, 1_650 * WAD)
    found = trigger.due(accounts, ALL)
    assert len(found) == MAX_STEPS
    assert [item.action for item in found] == [TRIP, TOUCH, TOUCH, TOUCH, *[START] * 6]
    assert [item.subject for item in found[4:]] == accounts[:6]
    trigger.do(accounts, ALL)
    assert [item.subject for item in trigger.due(accounts, ALL)] == accounts[6:]


@pytest.mark.parametrize("counts", [(65, 0, 0), (0, 33, 0), (0, 0, 17)])
def test_lists_that_are_too_long(trigger, counts):
    data = abi_encode(CHECK_TYPES, ([0] * counts[0], [0] * counts[1], [(0, 0)] * counts[2]))
    with pytest.raises(Refused, match=r"^$"):
        check_data([0] * counts[0], [0] * counts[1], [(0, 0)] * counts[2])
    for name in ("due", "checkUpkeep", "checker"):
        with pytest.raises(Refused, match=r"^$"):
            trigger.contract.call(name, data)
    with pytest.raises(Refused, match=r"^$"):
        trigger.twin.due(data, trigger.pair.now)


def test_the_longest_lists_fit_the_networks(trigger):
    data = check_data([TRADER] * 64, [SOL] * 32, [(ETH, EXPIRY)] * 16)
    assert len(data) <= 5_000
    assert trigger.look(data) == []


def test_data_that_are_none(trigger):
    for name in ("due", "checkUpkeep", "checker"):
        with pytest.raises(Refused, match=r"^$"):
            trigger.contract.call(name, b"\1")
    with pytest.raises(Refused, match=r"^$"):
        trigger.twin.due(b"\1", trigger.pair.now)

"""Automation at its limits: ten steps from each of its sources, steps that fail at the call, gas for one alone."""

import pytest
from eth_abi.abi import encode as abi_encode

from plimsoll.chain.artifacts import compile_one
from plimsoll.chain.contract import deploy, events_of
from plimsoll.spec.automation import (
    MAX_STEPS,
    MAX_UNDERLYINGS,
    NOTE,
    OBSERVE,
    RECORD,
    STEP_TYPES,
    TOUCH,
    TRIP,
    Step,
)
from plimsoll.spec.breakers import MOVE, OUTFLOW
from plimsoll.spec.feed import Leg, named
from plimsoll.spec.history import BUCKET, MIN_BUCKETS
from plimsoll.spec.instruments import WINDOW
from plimsoll.spec.registry import LIQUIDATION
from tests.pairs import Pair, address_of, compiled, text
from tests.regression.scene import LAG, fill_fund, wait
from tests.unit.clearinghouse.stage import (
    ATTACKER,
    BTC,
    DAY,
    ETH,
    EXPIRY,
    FEED_AGE,
    MAKER,
    OWNER,
    PRICES,
    SOL,
    TRADER,
    USD,
    WAD,
    clean_stage,
)

from .rig import NOTHING, Trigger

URGENT = 120  # [s]


# ---------------------------------------------------------------------------------------------- each list fills the ten


def test_breakers_alone(trigger):
    trigger.stage.pair.price(ETH, 2_400 * WAD)
    fill_fund(trigger.stage, 11)  # its mark would be noted, were there room
    assert trigger.due([], [ETH] * (MAX_STEPS + 1)) == [Step(TRIP, ETH, MOVE)] * MAX_STEPS
    assert trigger.due([], [ETH] * (MAX_STEPS - 1)) == [Step(TRIP, ETH, MOVE)] * (MAX_STEPS - 1) + [Step(NOTE, 0)]


@pytest.mark.parametrize("underlyings", [MAX_STEPS, MAX_STEPS + 1])
def test_prices_alone(trigger, underlyings):
    trigger.stage.later(LAG)
    assert trigger.due([TRADER], [SOL] * underlyings, [(ETH, EXPIRY)]) == [Step(TOUCH, SOL)] * MAX_STEPS


def test_a_series_that_would_be_the_eleventh(trigger):
    stage = trigger.stage
    stage.later(EXPIRY - WINDOW - stage.pair.now)
    stage.pair.must("breakers", "note")  # its mark ran out meanwhile
    series = [(ETH, EXPIRY), (BTC, EXPIRY)]
    found = trigger.due([], [SOL] * (MAX_STEPS - 1), series)
    assert found == [Step(TOUCH, SOL)] * (MAX_STEPS - 1) + [Step(OBSERVE, ETH, EXPIRY)]
    assert trigger.due([], [], [(ETH, EXPIRY)] * (MAX_STEPS + 1)) == [Step(OBSERVE, ETH, EXPIRY)] * MAX_STEPS


# -------------------------------------------------------------------------------------------- breakers that are for all


def test_what_is_for_all_is_named_once_however_many_underlyings_are_looked_at(trigger):
    """Each look at an underlying names it too; of those only the underlying's own are taken."""
    stage = trigger.stage
    pair, trader = stage.pair, address_of("trader")
    stage.limit(outflow_cap=100 * WAD, outflow_window=360_000)
    stage.fund("maker", 1_000)
    stage.fund("trader", 500)
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)
    pair.price(ETH, 2_100 * WAD)
    wait(stage)
    wait(stage)
    for who in (MAKER, TRADER):
        pair.must("book", "settle", who)
    stage.trade(MAKER, TRADER, stage.perp, WAD, 2_100 * WAD)
    for who in (MAKER, TRADER):
        pair.must("book", "settle", who)
    pair.must("book", "withdraw", TRADER, stage.usd, 600 * USD, trader, sender=trader)  # 100 of it won
    assert trigger.due([], [BTC, ETH]) == [Step(TRIP, 0, OUTFLOW)]
    pair.price(ETH, 2_500 * WAD)
    assert trigger.due([], [BTC, ETH]) == [Step(TRIP, ETH, MOVE), Step(TRIP, 0, OUTFLOW)]
    assert trigger.due([], [ETH] * MAX_STEPS) == [Step(TRIP, ETH, MOVE)] * MAX_STEPS  # it would be the eleventh
    trigger.do([], [BTC, ETH])


# -------------------------------------------------------------------------------------------------- what the feed lists


def test_of_a_feed_without_underlyings_nothing_is_due():
    pair = Pair()
    pair.wire()
    places = text(pair.twin.at.book), text(pair.twin.at.liquidator)
    contract = deploy(pair.chain, compiled("Automation"), *places, sender=text(OWNER))
    assert pair.contracts["feed"].call("underlyings") in ((), [])
    assert contract.call("due", b"") in ((), [])
    assert contract.call("checkUpkeep", b"") == (False, b"")


def test_the_quote_coin_is_no_underlying(trigger):
    stage = trigger.stage
    pair = stage.pair
    at = pair.add_aggregator(18, "USDC / USD")
    pair.answer(at, WAD)
    leg = Leg(at, 7 * DAY, description=named("USDC / USD"))
    pair.must("feed", "set_quote_route", [leg], sender=OWNER)
    stage.later(LAG)
    listed = pair.contracts["feed"].call("underlyings")
    assert max(listed) >= 2**16
    assert [item for item in trigger.look(b"") if item.action == TOUCH] == [Step(TOUCH, u) for u in (BTC, ETH, SOL)]


def test_of_a_feed_with_many_underlyings_the_first_are_looked_at(trigger):
    """The 33rd is not, though its price is due like the others'."""
    stage = trigger.stage
    pair = stage.pair
    more = [0x0300 + k for k in range(MAX_UNDERLYINGS + 1 - len(PRICES))]
    for underlying in more:
        pair.must("feed", "set_feed", underlying, pair.aggregators[SOL], FEED_AGE, 18, sender=OWNER)
    listed = list(pair.contracts["feed"].call("underlyings"))
    assert len(listed) == MAX_UNDERLYINGS + 1
    for underlying in listed[:MAX_UNDERLYINGS]:
        pair.must("history", "touch", underlying)
    assert [item.action for item in trigger.due([], listed[MAX_UNDERLYINGS:])] == [TOUCH]
    assert trigger.look(b"") == []


# ---------------------------------------------------------------------------------------------------- what is never due


@pytest.fixture
def unhurried():
    """A market that remembers no prices."""
    with clean_stage(0, 0) as stage:
        yield Trigger(stage)


def test_without_a_lag_no_price_is_remembered(unhurried):
    unhurried.stage.later(DAY // 2)
    assert [item for item in unhurried.due([], [ETH]) if item.action == TOUCH] == []
    assert unhurried.perform((TOUCH, ETH)) == NOTHING


def test_a_disputed_settlement_is_not_proposed_again():
    with clean_stage(0, LAG, DAY) as stage:
        trigger, pair = Trigger(stage), stage.pair
        stage.later(EXPIRY - WINDOW - pair.now)
        for _ in range(MIN_BUCKETS):
            pair.must("history", "observe", ETH, EXPIRY)
            stage.later(BUCKET)
        stage.later(EXPIRY - pair.now)
        assert trigger.do([], [], [(ETH, EXPIRY)])
        pair.must("history", "dispute", ETH, EXPIRY, sender=OWNER)
        assert trigger.due([], [], [(ETH, EXPIRY)]) == []


def test_an_auction_that_a_stop_ended_does_not_start_anew_over_maintenance_margin(trigger):
    stage = trigger.stage
    stage.sick()
    trigger.do([TRADER])
    stage.later(URGENT + 1)
    trigger.do([TRADER])
    stage.pair.must("registry", "stop", LIQUIDATION, stage.pair.now + 60, sender=OWNER)
    stage.later(60)
    stage.fund("trader", 30)
    found = stage.margin(TRADER)
    assert found.mm <= found.equity_haircut < found.im
    assert trigger.due([TRADER]) == []


# ------------------------------------------------------------------------------------------------------ steps that fail


def test_a_loss_that_cannot_be_assessed_is_not_recorded(trigger):
    stage = trigger.stage
    stage.sick(300, 1_640)
    stage.kill_feed(ETH, "zero")
    assert trigger.perform((RECORD, TRADER)) == NOTHING
    assert stage.pair.twin.liquidator.recorded(TRADER) == 0


REFUSING = """# pragma version 0.4.3

fund: public(address)
peak: public(uint256)


@deploy
def __init__(fund: address):
    self.fund = fund


@external
def note():
    raise "no"
"""


def test_breakers_that_take_no_note(trigger, tmp_path):
    """Cover is over what they say its mark is, and they refuse to hear of it; the step beside it is taken."""
    stage, pair = trigger.stage, trigger.pair
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "Refusing.vy").write_text(REFUSING)
    made = compile_one(tmp_path / "contracts" / "Refusing.vy", tmp_path)
    breakers = deploy(pair.chain, made, text(pair.twin.at.fund), sender=text(OWNER))
    pair.must("registry", "set_breakers", int(breakers.address, 16), sender=OWNER)
    stage.later(LAG)
    steps = [(NOTE, 0, 0), (TOUCH, ETH, 0)]
    data = trigger.contract.encode("performUpkeep", abi_encode(STEP_TYPES, (steps,)))
    receipt = pair.chain.transact(trigger.contract.address, data, sender=text(ATTACKER))
    found = [(event.name, event.args.action) for event in events_of(receipt.logs, [trigger.contract])]
    assert found == [("StepRefused", NOTE), ("StepTaken", TOUCH)]


def test_with_gas_for_one_step_the_first_is_taken_and_the_rest_left(trigger):
    """As much as a step may burn, and half of it again: no step can begin beside another."""
    pair, contract = trigger.pair, trigger.contract
    trigger.stage.later(LAG)
    steps = [(TOUCH, underlying, 0) for underlying in (BTC, ETH, SOL)]
    data = contract.encode("performUpkeep", abi_encode(STEP_TYPES, (steps,)))
    taken = {}
    for gas in (3_000_000, 20_000_000):
        with pair.chain.isolate(), pair.chain._transaction():
            pair.chain._evm.message_call(text(ATTACKER), contract.address, data, gas=gas)
            found = events_of(pair.chain._receipt(b"", None).logs, [contract])
            taken[gas] = [event.args.subject for event in found if event.name == "StepTaken"]
    assert taken == {3_000_000: [BTC], 20_000_000: [BTC, ETH, SOL]}

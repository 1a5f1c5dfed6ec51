"""Automation.performUpkeep: each step is checked again where it is taken; what is refused holds up nothing else."""

import pytest
from eth_abi.abi import encode as abi_encode
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.spec.automation import (
    ACTIONS,
    CALL,
    CLOSE,
    MAX_STEPS,
    NOTE,
    OBSERVE,
    PROPOSE,
    RECORD,
    START,
    STEP_TYPES,
    TOUCH,
    TRIP,
    check_data,
)
from plimsoll.spec.instruments import WINDOW
from tests.pairs import MAX, text
from tests.regression.scene import LAG
from tests.unit.clearinghouse.stage import ATTACKER, BTC, ETH, EXPIRY, MAKER, OTHER, OWNER, SOL, TRADER, WAD

from .rig import NOTHING, Trigger

EVERY_STEP = [
    (CALL, MAKER),
    (START, MAKER),
    (CLOSE, MAKER),
    (RECORD, MAKER),
    (TRIP, ETH, 0),
    (NOTE, 0),
    (TOUCH, ETH),
    (OBSERVE, ETH, EXPIRY),
    (PROPOSE, ETH, EXPIRY),
]


@pytest.mark.parametrize("step", EVERY_STEP, ids=ACTIONS)
def test_what_is_not_due_is_refused(trigger, step):
    trigger.stage.fund("maker", 1_000)
    assert trigger.perform(step) == NOTHING


def test_nothing_at_all(trigger):
    assert trigger.perform() == NOTHING


def test_one_that_is_refused_holds_up_no_other(trigger):
    trigger.stage.sick()
    trigger.stage.later(LAG)
    steps = [(CALL, MAKER), (CALL, TRADER), (START, TRADER), (TOUCH, 77), (TOUCH, ETH), (TOUCH, ETH), (CALL, TRADER)]
    assert trigger.perform(*steps) == [False, True, False, False, True, False, False]


@pytest.mark.parametrize(
    "step",
    [
        (9, TRADER),
        (MAX, MAX, MAX),
        (TRIP, 2**16 + ETH, 0),
        (TRIP, ETH, 256),
        (TOUCH, 2**16 + ETH),
        (NOTE, 0, 256),
        (OBSERVE, 2**16 + ETH, EXPIRY),
        (OBSERVE, ETH, 2**40 + EXPIRY),
        (PROPOSE, ETH, 2**40),
        (PROPOSE, ETH, 0),
    ],
)
def test_numbers_out_of_range_are_refused_alone(trigger, step):
    stage = trigger.stage
    stage.later(EXPIRY - WINDOW - stage.pair.now)  # all but the range would be in order
    stage.pair.price(ETH, 2_400 * WAD)
    assert trigger.perform(step, (TOUCH, SOL)) == [False, True]


def test_a_record_that_changes_nothing_is_none(trigger):
    stage = trigger.stage
    stage.sick(300, 1_640)
    assert trigger.perform((RECORD, TRADER)) == [True]
    assert trigger.perform((RECORD, TRADER)) == NOTHING
    stage.pair.price(ETH, 1_639 * WAD)
    assert trigger.perform((RECORD, TRADER)) == [True]


@pytest.mark.parametrize("data", [b"", b"\1", abi_encode(STEP_TYPES, ([(TOUCH, ETH, 0)] * (MAX_STEPS + 1),))])
def test_data_that_are_none(trigger, data):
    trigger.stage.later(LAG)
    assert trigger.perform_raw(data) == ""


def test_breakers_that_are_no_contract_are_none(trigger):
    """A call of an address without code succeeds, and does nothing."""
    trigger.pair.must("registry", "set_breakers", OTHER >> 96, sender=OWNER)
    contract, pair = trigger.contract, trigger.pair
    data = contract.encode("performUpkeep", abi_encode(STEP_TYPES, ([(TRIP, ETH, 0), (NOTE, 0, 0)],)))
    with pytest.raises(Exception, match=NOTHING):
        pair.chain.transact(contract.address, data, sender=text(ATTACKER))
    assert contract.call("checkUpkeep", check_data([], [ETH])) == (False, b"")


def test_with_little_gas_what_fits_is_done_and_the_rest_is_left(trigger):
    """Three steps: with gas for all of them all are taken; with less the first alone, and no event names the others."""
    pair, contract = trigger.pair, trigger.contract
    trigger.stage.later(LAG)
    steps = [(TOUCH, underlying, 0) for underlying in (BTC, ETH, SOL)]
    data = contract.encode("performUpkeep", abi_encode(STEP_TYPES, (steps,)))
    taken = {}
    for gas in (200_000, 3_000_000, 3_400_000, 12_000_000):
        with pair.chain.isolate(), pair.chain._transaction():
            pair.chain._evm.message_call(text(ATTACKER), contract.address, data, gas=gas)
            taken[gas] = len(pair.chain._receipt(b"", None).logs) // 2  # a price remembered, a step taken
    assert taken == {200_000: 1, 3_000_000: 1, 3_400_000: 3, 12_000_000: 3}


numbers = st.one_of(
    st.sampled_from([TRADER, MAKER, ETH, BTC, SOL, EXPIRY, 0, 1, 2, 3, MAX, 2**16, 2**40]), st.integers(0, MAX)
)


@given(steps=st.lists(st.tuples(st.one_of(st.integers(0, 9), numbers), numbers, numbers), max_size=MAX_STEPS))
def test_whatever_is_given_it_does_what_the_twin_does(shared, steps):
    """Of a market where each action is due for something, any data do what the twin says, or nothing."""
    with shared.pair.isolated():
        found = Trigger(shared).perform(*steps)
    assert found == NOTHING or len(found) == len(steps)


@pytest.fixture(scope="module")
def shared():
    """A market with a call due, a price to remember and a breaker met."""
    from tests.unit.clearinghouse.stage import clean_stage

    with clean_stage(0, LAG) as stage:
        stage.sick()
        stage.later(2 * LAG)
        stage.pair.price(ETH, 1_900 * WAD)
        yield stage

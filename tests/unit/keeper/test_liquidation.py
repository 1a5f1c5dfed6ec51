"""Calls, auctions and bids: the decision by itself, and the whole life of an account on the real contracts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.liquidation import BidConfig, Step, step_for, worth_bidding
from plimsoll.spec.margin import Assessment, State, state_of
from plimsoll.spec.wad import PPM, WAD

MM = 100 * WAD
CALL_LINE = 110 * WAD
IM = 130 * WAD


def at(equity, full=None):
    return Assessment(equity * WAD, (equity if full is None else full) * WAD, MM, IM, CALL_LINE, fresh=True)


@pytest.mark.parametrize(
    ("margin", "deadline", "started", "step"),
    [
        (at(130), 0, 0, None),
        (at(120), 0, 0, None),
        (at(109), 0, 0, Step.CALL),
        (at(109), 500, 0, None),
        (at(109), 100, 0, None),
        (at(109), 99, 0, Step.START),
        (at(110), 500, 0, Step.CURE),
        (at(110), 99, 0, Step.CURE),
        (at(99), 0, 0, Step.START),
        (at(99), 500, 0, Step.START),
        (at(-5, -5), 0, 0, Step.START),
        (at(99), 0, 50, Step.BID),
        (at(129), 0, 50, Step.BID),
        (at(130), 0, 50, Step.CLOSE),
    ],
)
def test_the_step_that_is_due(margin, deadline, started, step):
    assert step_for(margin, deadline, started, now=100) == step


@given(st.integers(-200, 200), st.sampled_from([0, 99, 100, 101]), st.booleans())
def test_a_healthy_account_is_left_alone_and_a_sick_one_never(equity, deadline, is_auctioned):
    step = step_for(at(equity), deadline, 50 * is_auctioned, now=100)
    state = state_of(at(equity))
    if state is State.HEALTHY and not deadline and not is_auctioned:
        assert step is None
    if state in {State.LIQUIDATABLE, State.INSOLVENT}:
        assert step in {Step.START, Step.BID}


@pytest.mark.parametrize(
    ("fraction", "discount", "payment", "config", "is_worth"),
    [
        (WAD, 20 * WAD, 50 * WAD, {}, True),
        (0, 20 * WAD, 50 * WAD, {}, False),
        (WAD, 20 * WAD, 50 * WAD, {"min_profit": 20 * WAD}, True),
        (WAD // 2, 20 * WAD, 50 * WAD, {"min_profit": 10 * WAD + 1}, False),
        (WAD, 20 * WAD, 50 * WAD, {"min_share": 200_000}, True),
        (WAD, 20 * WAD, 50 * WAD, {"min_share": 200_001}, False),
        (WAD, 20 * WAD, 50 * WAD, {"max_payment": 50 * WAD - 1}, False),
    ],
)
def test_the_profit_rule(fraction, discount, payment, config, is_worth):
    assert worth_bidding(at(99), fraction, discount, payment, BidConfig(**config)) == is_worth


@pytest.mark.parametrize(
    "config",
    [
        {"min_profit": -1},
        {"max_payment": 0},
        {"min_share": -1},
        {"min_share": 3 * PPM},
        {"max_fraction": 0},
        {"max_fraction": WAD + 1},
    ],
)
def test_a_rule_out_of_range_is_refused(config):
    with pytest.raises(SettingsError):
        BidConfig(**config)


@pytest.fixture
def trade(world):
    """A long of 100 at 100 with a little over initial margin, against a rich maker."""
    world.keeper().round()
    maker, long, bidder = world.open("maker", 10**6), world.open("long", 1_000), world.open("bidder", 10**6)
    world.venue.trade(long, maker, world.perp, 100 * WAD)
    return maker, long, bidder


def _equity_to(world, long, share_of_mm):
    """Move the index until the account's equity is this share of its MM."""
    low, high = 50.0, 100.0
    for _ in range(40):
        middle = (low + high) / 2
        world.index(middle)
        margin = world.agent().watch([long.account])[long.account]
        low, high = (middle, high) if margin.equity_haircut < share_of_mm * margin.mm else (low, middle)
    return world.agent().watch([long.account])[long.account]


def test_called_topped_up_cured(world, trade):
    _, long, _ = trade
    agent = world.agent()
    world.chain.advance(60)
    assert agent.round([long.account]) == []
    assert state_of(_equity_to(world, long, 1.05)) is State.CALLED
    (called,) = agent.round([long.account])
    assert (called.step, called.error) == (Step.CALL, None)
    assert world.system.liquidator.call("deadline", long.account) > world.chain.now
    assert agent.round([long.account]) == []
    world.venue.fund(long, 100 * WAD)
    (cured,) = agent.round([long.account])
    assert cured.step is Step.CURE
    assert world.system.liquidator.call("deadline", long.account) == 0


def test_auctioned_bid_for_in_part_and_back_at_initial_margin(world, trade):
    maker, long, bidder = trade
    accounts = [long.account, maker.account, bidder.account]
    caller, buyer = world.agent(), world.agent(bidder, min_share=200_000)
    world.chain.advance(60)
    assert state_of(_equity_to(world, long, 0.8)) is State.LIQUIDATABLE
    assert world.keeper(gate_share=0.1).round().posted.ok
    (started,) = caller.round(accounts)
    assert started.step is Step.START
    assert buyer.round(accounts) == []  # the discount is not worth it yet
    world.chain.advance(1_200)
    (taken,) = buyer.round(accounts)
    assert (taken.step, taken.error) == (Step.BID, None)
    assert 0 < taken.fraction < WAD
    after = caller.watch(accounts)[long.account]
    assert state_of(after) is State.HEALTHY
    assert world.system.liquidator.call("auction", long.account) == 0
    assert world.system.clearinghouse.call("quantity", bidder.account, world.perp) > 0
    kinds = world.kinds()
    assert kinds.index("bid-intent") < kinds.index("bid")


def test_a_bidder_too_poor_for_all_takes_a_part(world, trade):
    _, long, _ = trade
    poor = world.open("poor bidder", 60)
    world.chain.advance(60)
    _equity_to(world, long, 0.5)
    world.keeper(gate_share=0.1).round()
    world.agent().round([long.account])
    world.chain.advance(3_000)
    (taken,) = world.agent(poor, min_profit=0).round([long.account])
    assert taken.error is None
    assert 0 < taken.fraction < WAD // 2


def test_what_somebody_else_did_first_is_no_harm(world, trade):
    _, long, _ = trade
    world.chain.advance(60)
    margin = _equity_to(world, long, 0.8)
    agent = world.agent()
    agent.round([long.account])
    again = agent.act(long.account, Step.START, margin)
    assert again.error == "liquidator: already in auction"
    assert world.kinds()[-1] == "start-failed"


def test_an_account_that_cannot_be_assessed_does_not_blind_the_rest(world, trade):
    _, long, _ = trade
    system = world.system
    aggregator = system.aggregators[257]
    empty = world.open("no positions", 10)
    world.chain.advance(60)
    aggregator.transact("set", 0, sender=world.admin)
    found = world.agent().watch([long.account, empty.account])
    assert list(found) == [empty.account]
    assert world.kinds()[-1] == "blind"

"""Calls, auctions and bids: the decision by itself, and the whole life of an account on the real contracts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.liquidation import (
    BidConfig,
    Due,
    Quote,
    Standing,
    Step,
    limits_of,
    profit_of,
    record_due,
    step_for,
    worth_bidding,
)
from plimsoll.keeper.rescue import draw_for, needed
from plimsoll.simulate.market import UNLIMITED
from plimsoll.spec.errors import Refused
from plimsoll.spec.margin import Assessment, State, state_of
from plimsoll.spec.wad import PPM, WAD

LIQUIDATION = 4  # level of a stop
MM = 100 * WAD
CALL_LINE = 110 * WAD
IM = 130 * WAD


def at(equity, full=None):
    return Assessment(equity * WAD, (equity if full is None else full) * WAD, MM, IM, CALL_LINE, fresh=True)


@pytest.mark.parametrize(
    ("margin", "standing", "step"),
    [
        (at(130), Standing(), None),
        (at(120), Standing(), None),
        (at(109), Standing(), Step.CALL),
        (at(109), Standing(10, 500), None),
        (at(109), Standing(10, 100), None),
        (at(109), Standing(10, 99), Step.START),
        (at(110), Standing(10, 500), Step.CURE),
        (at(110), Standing(10, 99), Step.CURE),
        (at(99), Standing(), Step.CALL),
        (at(99), Standing(101, 500), None),
        (at(99), Standing(100, 100), None),
        (at(99), Standing(99, 500), Step.START),
        (at(99), Standing(ran_dry=True), Step.START),
        (at(109), Standing(ran_dry=True), Step.CALL),
        (at(-5, -5), Standing(), Step.START),
        (at(-5, -5), Standing(101, 101), Step.START),
        (at(-5, -5), Standing(started=50), Step.BID),
        (at(99), Standing(started=50), Step.BID),
        (at(129), Standing(started=50), Step.BID),
        (at(130), Standing(started=50), Step.CLOSE),
        # liquidations are stopped until 101, or were until 100: what began before takes no bid
        (at(99), Standing(99, 500, until=101), None),
        (at(109), Standing(10, 99, until=101), None),
        (at(99), Standing(ran_dry=True, until=101), None),
        (at(-5, -5), Standing(until=101), None),
        (at(99), Standing(until=101), Step.CALL),
        (at(99), Standing(99, 500, until=100), Step.START),
        (at(99), Standing(started=50, until=101), None),
        (at(130), Standing(started=50, until=101), Step.CLOSE),
        (at(99), Standing(started=50, until=100), Step.START),
        (at(-5, -5), Standing(started=50, until=100), Step.START),
        (at(109), Standing(started=50, until=100), None),
        (at(129), Standing(started=50, until=100), None),
        (at(130), Standing(started=50, until=100), Step.CLOSE),
        (at(99), Standing(started=50, until=50), Step.BID),
    ],
)
def test_the_step_that_is_due(margin, standing, step):
    assert step_for(margin, standing, now=100) == step


@given(
    st.integers(-200, 200),
    st.sampled_from([(0, 0), (90, 99), (99, 101), (100, 101), (101, 101)]),
    st.booleans(),
    st.booleans(),
)
def test_a_healthy_account_is_left_alone_and_a_sick_one_has_its_notice(equity, call, is_auctioned, ran_dry):
    standing = Standing(*call, started=50 * is_auctioned, ran_dry=ran_dry)
    step = step_for(at(equity), standing, now=100)
    state = state_of(at(equity))
    if state is State.HEALTHY and not any(call) and not is_auctioned:
        assert step is None
    if state is State.INSOLVENT:
        assert step in {Step.START, Step.BID}
    if state is State.LIQUIDATABLE and step is Step.START:
        assert ran_dry or 0 < standing.ripe < 100
    if state is State.LIQUIDATABLE and step is None:
        assert standing.ripe >= 100


@pytest.mark.parametrize(
    ("full", "recorded", "is_due"),
    [(0, 0, False), (5, 0, False), (-5, 0, True), (-5, 5, False), (-100, 96, False), (-100, 94, True), (1, 5, True)],
)
def test_a_loss_goes_on_record_and_off_it(full, recorded, is_due):
    assert record_due(at(-200, full), recorded * WAD) == is_due


@pytest.mark.parametrize(
    ("full", "quote", "config", "is_worth"),
    [
        (70, Quote(WAD, 50 * WAD, 0), {}, True),
        (70, Quote(0, 0, 0), {}, False),
        (70, Quote(WAD, 50 * WAD, 0), {"min_profit": 20 * WAD}, True),
        (70, Quote(WAD // 2, 25 * WAD, 0), {"min_profit": 10 * WAD + 1}, False),
        (70, Quote(WAD, 50 * WAD, 0), {"min_share": 200_000}, True),
        (70, Quote(WAD, 50 * WAD, 0), {"min_share": 200_001}, False),
        (70, Quote(WAD, 50 * WAD, 0), {"max_payment": 50 * WAD - 1}, False),
        (-30, Quote(WAD, 0, 32 * WAD), {}, True),
        (-30, Quote(WAD, 0, 32 * WAD), {"min_bonus": 20_001}, False),
        (-30, Quote(WAD, 0, 20 * WAD), {}, False),
        (-30, Quote(WAD // 2, 0, 16 * WAD), {}, True),
    ],
)
def test_the_profit_rule(full, quote, config, is_worth):
    assert worth_bidding(at(-200, full), quote, BidConfig(**config)) == is_worth


def test_limits_leave_room_for_a_blocks_moves():
    margin = at(99, 70)
    assert profit_of(margin, Quote(WAD // 2, 25 * WAD, 0)) == 10 * WAD
    assert limits_of(margin, Quote(WAD // 2, 25 * WAD, 0), BidConfig(slack=0)) == (50 * WAD, MM)
    assert limits_of(margin, Quote(WAD, 50 * WAD, 0), BidConfig()) == (51 * WAD, 101 * WAD)
    assert limits_of(at(-30), Quote(WAD, 0, 32 * WAD), BidConfig()) == (-31 * WAD, 101 * WAD)


def test_a_draw_is_what_helps_and_what_the_reserve_can_spare():
    rich = Assessment(500 * WAD, 500 * WAD, 0, 0, 0, fresh=True)
    assert needed(at(99), 10**12) == 31 * 10**6
    assert needed(at(131), 10**12) == 0
    assert draw_for(at(99), rich, 500 * WAD, 10**12) == 31 * 10**6
    assert draw_for(at(99), rich, 20 * WAD, 10**12) == 20 * 10**6
    assert draw_for(at(99), at(140), 500 * WAD, 10**12) == 10 * 10**6
    assert draw_for(at(99), at(120), 500 * WAD, 10**12) == 0
    assert draw_for(at(99), rich, -5 * WAD, 10**12) == 0


@pytest.mark.parametrize(
    "config",
    [
        {"min_profit": -1},
        {"max_payment": 0},
        {"min_share": -1},
        {"min_share": 3 * PPM},
        {"min_bonus": -1},
        {"slack": 3 * PPM},
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


def test_a_mandated_top_up_comes_with_the_call(world, trade):
    _, long, _ = trade
    world.venue.mandate(long, 500 * WAD)
    agent = world.agent()
    world.chain.advance(60)
    _equity_to(world, long, 0.9)
    assert [taken.step for taken in agent.round([long.account])] == [Step.CALL]
    assert [(taken.step, taken.error) for taken in agent.round([long.account])] == [(Step.TOP_UP, None)]
    margin = agent.watch([long.account])[long.account]
    assert 0 <= margin.equity_haircut - margin.im < 10**12
    assert [taken.step for taken in agent.round([long.account])] == [Step.CURE]
    assert agent.round([long.account]) == []


def test_a_reserve_is_drawn_on_with_the_call(world, trade):
    _, long, _ = trade
    reserve = long.account + 1
    for name, args in (
        ("mint", (long.address, 900 * 10**6)),
        ("approve", (world.system.clearinghouse.address, UNLIMITED)),
    ):
        world.system.quote.transact(name, *args, sender=long.address)
    world.system.clearinghouse.transact(
        "deposit", reserve, world.system.quote.address, 900 * 10**6, sender=long.address
    )
    world.system.mandates.transact("set_reserve", long.account, reserve, sender=long.address)
    agent = world.agent()
    world.chain.advance(60)
    _equity_to(world, long, 0.9)
    agent.round([long.account])
    assert [(taken.step, taken.error) for taken in agent.round([long.account])] == [(Step.DRAW, None)]
    assert [taken.step for taken in agent.round([long.account])] == [Step.CURE]
    assert world.system.clearinghouse.call("ledger", reserve)[0] < 900 * WAD


def test_an_auction_that_ran_dry_begins_anew_without_a_call(world, trade):
    _, long, _ = trade
    agent = world.agent()
    world.chain.advance(60)
    _equity_to(world, long, 0.8)
    agent.round([long.account])
    world.chain.advance(121)
    assert [taken.step for taken in agent.round([long.account])] == [Step.START]
    world.chain.advance(7_201)
    assert world.system.liquidator.call("auction", long.account) == 0
    assert [taken.step for taken in agent.round([long.account])] == [Step.START]
    world.chain.advance(7_201 + 3_601)
    assert [taken.step for taken in agent.round([long.account])] == [Step.CALL]


def test_an_auction_that_a_stop_interrupted_starts_anew_behind_it(world, trade):
    _, long, bidder = trade
    liquidator = world.system.liquidator
    caller, buyer = world.agent(), world.agent(bidder, min_profit=0, min_share=0)
    world.chain.advance(60)
    _equity_to(world, long, 0.8)
    caller.round([long.account])
    world.chain.advance(121)
    assert [taken.step for taken in caller.round([long.account])] == [Step.START]
    first = liquidator.call("auction", long.account)
    world.chain.advance(600)
    until = world.chain.now + 300
    world.system.registry.transact("stop", LIQUIDATION, until, sender=world.admin)
    seen = len(world.kinds())
    assert caller.round([long.account]) == buyer.round([long.account]) == []
    assert caller.round([long.account]) == []
    # said once by each, and nothing is tried that the chain would refuse
    assert world.kinds()[seen:] == ["liquidations-stopped"] * 2
    assert (caller.stopped_until, buyer.stopped_until) == (until, until)
    world.chain.set_time(until)
    (again,) = buyer.round([long.account])
    assert (again.step, again.error) == (Step.START, None)
    assert liquidator.call("auction", long.account) > first
    assert buyer.stopped_until == 0
    world.chain.advance(1_800)
    (taken,) = buyer.round([long.account])
    assert (taken.step, taken.error) == (Step.BID, None)


def test_a_loss_is_on_record_until_it_is_paid(world, trade):
    maker, long, bidder = trade
    world.venue.insure(maker, 10_000 * WAD)
    liquidator = world.system.liquidator
    caller, buyer = world.agent(), world.agent(bidder)
    world.chain.advance(60)
    world.index(85.0)  # 1,500 lost of 1,000: insolvent, no call first
    assert [taken.step for taken in caller.round([long.account])] == [Step.START]
    assert liquidator.call("bad_debt") == 500 * WAD
    assert buyer.round([long.account]) == []
    world.index(84.0)
    assert [taken.step for taken in caller.round([long.account])] == [Step.RECORD]
    assert liquidator.call("bad_debt") == 600 * WAD
    world.chain.advance(3_601)
    world.keeper(gate_share=0.1).round()
    (taken,) = buyer.round([long.account])
    assert (taken.error, taken.fraction, taken.payment) == (None, WAD, 0)
    (paid,) = (event.args for event in taken.events if event.name == "ShortfallPaid")
    assert paid.fund == paid.due // 10**12 * 10**12 > 600 * WAD
    assert liquidator.call("bad_debt") == 0
    assert caller.round([long.account]) == []


def test_auctioned_bid_for_in_part_and_back_at_initial_margin(world, trade):
    maker, long, bidder = trade
    accounts = [long.account, maker.account, bidder.account]
    caller, buyer = world.agent(), world.agent(bidder, min_share=200_000)
    world.chain.advance(60)
    assert state_of(_equity_to(world, long, 0.8)) is State.LIQUIDATABLE
    assert world.keeper(gate_share=0.1).round().posted.ok
    (called,) = caller.round(accounts)
    assert called.step is Step.CALL
    assert caller.round(accounts) == []
    world.chain.advance(121)
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
    world.chain.advance(121)
    world.agent().round([long.account])
    world.chain.advance(3_000)
    (taken,) = world.agent(poor, min_profit=0).round([long.account])
    assert taken.error is None
    assert 0 < taken.fraction < WAD // 2


def test_an_account_whose_views_are_refused_holds_up_no_other(world, trade, monkeypatch):
    _, long, bidder = trade
    agent = world.agent(bidder)
    margin = agent.watch([long.account])[long.account]
    call = type(world.system.liquidator).call

    def refuses(contract, name, *args, **more):
        if contract is world.system.liquidator and name in {"bid", "quote"}:
            raise Refused("clearinghouse: below initial margin" if name == "bid" else "feed: stale")
        return call(contract, name, *args, **more)

    monkeypatch.setattr(type(world.system.liquidator), "call", refuses)
    taken = agent.act(Due(long.account, Step.BID), margin)
    assert (taken.step, taken.error) == (Step.BID, "feed: stale")
    assert world.kinds()[-1] == "bid-failed"


def test_what_somebody_else_did_first_is_no_harm(world, trade):
    _, long, _ = trade
    world.chain.advance(60)
    margin = _equity_to(world, long, 0.8)
    agent = world.agent()
    agent.round([long.account])
    again = agent.act(Due(long.account, Step.CALL), margin)
    assert again.error == "liquidator: already called"
    assert world.kinds()[-1] == "call-failed"


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

"""Standing orders in the keeper: the decision by itself, and signed orders on the real contracts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.chain.deployment import account_id
from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.liquidation import Step
from plimsoll.keeper.standing import (
    PAUSE,
    SWEEP,
    FillConfig,
    Room,
    StandingAgent,
    StandingSettings,
    Terms,
    most_of,
    over_because,
    profit_of,
    standing_agent,
)
from plimsoll.risk.signing import sign
from plimsoll.simulate.market import FOREVER, UNLIMITED, Party
from plimsoll.spec.margin import State, state_of
from plimsoll.spec.registry import Fees, pack_fees
from plimsoll.spec.signed_orders import CANCELLED
from plimsoll.spec.standing import StandingOrder, digest
from plimsoll.spec.wad import PPM, WAD

from .conftest import START
from .test_outbox import SlowOutbox

ENDLESS = 2**256 - 1


def order_of(quantity=-10 * WAD, slack=10_000, **changes):
    fields = {"account": 7, "signer": 9, "instrument": 1, "expires": 1_000, "nonce": 5, **changes}
    return StandingOrder(quantity=quantity, slack=slack, **fields)


# ---------------------------------------------------------------------------------------------------- the decision


@pytest.mark.parametrize(
    ("quantity", "room", "changes", "most"),
    [
        (-10, Room(10 * WAD, 30 * WAD, ENDLESS), {}, 10 * WAD),
        (-10, Room(4 * WAD, 30 * WAD, ENDLESS), {}, 4 * WAD),  # partly filled before
        (-10, Room(10 * WAD, 3 * WAD, ENDLESS), {}, 3 * WAD),  # follows the position down
        (-10, Room(10 * WAD, 0, ENDLESS), {}, 0),
        (-10, Room(10 * WAD, -30 * WAD, ENDLESS), {}, 0),  # would grow a short
        (10, Room(10 * WAD, -30 * WAD, ENDLESS), {}, 10 * WAD),
        (10, Room(10 * WAD, 30 * WAD, ENDLESS), {}, 0),
        (-10, Room(10 * WAD, 30 * WAD, 5 * WAD), {}, 5 * WAD),  # a loss of 1 a unit
        (-10, Room(10 * WAD, 30 * WAD, 0), {}, 0),
        (-10, Room(10 * WAD, 12 * WAD, ENDLESS), {"least": 2 * WAD}, 10 * WAD),
        (-10, Room(10 * WAD, 11 * WAD, ENDLESS), {"least": 2 * WAD}, 9 * WAD),
        (-10, Room(10 * WAD, 10 * WAD, ENDLESS), {"least": 2 * WAD}, 10 * WAD),
        (-1, Room(WAD, WAD + 1, ENDLESS), {"least": 2 * WAD}, 0),
    ],
)
def test_the_most_of_an_order(quantity, room, changes, most):
    terms = Terms(**{"mark": 100 * WAD, "index": 100 * WAD, "fee": 0, "least": 0, **changes})
    assert most_of(order_of(quantity * WAD), room, terms, ENDLESS) == most


def test_no_fill_moves_more_than_the_rule_allows():
    terms = Terms(100 * WAD, 200 * WAD, 0, 0)
    assert most_of(order_of(), Room(10 * WAD, 30 * WAD, ENDLESS), terms, 1_000 * WAD) == 5 * WAD


def test_an_order_without_slack_costs_its_owner_nothing():
    terms = Terms(100 * WAD, 100 * WAD, 0, 0)
    assert most_of(order_of(slack=0), Room(10 * WAD, 30 * WAD, 0), terms, ENDLESS) == 10 * WAD


@pytest.mark.parametrize("sells", [True, False])
def test_the_profit_is_the_slack_less_the_fee(sells):
    order = order_of(-10 * WAD if sells else 10 * WAD)
    assert profit_of(order, 3 * WAD, Terms(100 * WAD, 100 * WAD, 0, 0)) == 3 * WAD
    assert profit_of(order, 3 * WAD, Terms(100 * WAD, 110 * WAD, 2_000, 0)) == 3 * WAD - 66 * WAD // 100
    assert profit_of(order, 3 * WAD, Terms(100 * WAD, 100 * WAD, 20_000, 0)) == -3 * WAD


@given(
    st.integers(-(10**6), 10**6).filter(bool),
    st.integers(0, 50_000),
    st.integers(0, 10**6),
    st.integers(-(10**6), 10**6),
    st.integers(0, 10**9),
    st.integers(1, 10**7),
    st.integers(0, 10**5),
)
def test_what_is_filled_is_allowed_whatever_the_numbers(quantity, slack, left, held, budget, mark, least):
    """In the smallest units, where every rounding shows; the contract's own conditions are the measure."""
    order = order_of(quantity, slack)
    terms = Terms(mark, mark, 0, least)
    most = most_of(order, Room(left, held, budget), terms, ENDLESS)
    toward = -held if quantity > 0 else held
    price = -(-mark * (PPM + slack) // PPM) if quantity > 0 else mark * (PPM - slack) // PPM
    assert 0 <= most <= max(0, min(left, toward))
    assert -(-most * abs(price - mark) // WAD) <= budget
    assert most in {0, toward} or toward - most >= least


@pytest.mark.parametrize(
    ("filled", "floor", "now", "why"),
    [
        (0, 0, 1_000, None),
        (10 * WAD - 1, 5, 1_000, None),
        (10 * WAD, 5, 1_000, "filled"),
        (CANCELLED, 0, 0, "cancelled"),
        (0, 6, 0, "nonce below the account's floor"),
        (0, 0, 1_001, "expired"),
    ],
)
def test_an_order_that_is_over(filled, floor, now, why):
    assert over_because(order_of(), filled, floor, now) == why


@pytest.mark.parametrize("config", [{"min_profit": -1}, {"max_value": 0}])
def test_a_rule_out_of_range_is_refused(config):
    with pytest.raises(SettingsError, match="standing"):
        FillConfig(**config)


# ------------------------------------------------------------------------------------------------- on the contracts


class Desk:
    """A called-to-be long of 100 at 100, a taker, and a file that orders are appended to."""

    def __init__(self, world):
        self.world = world
        world.keeper().round()
        self.maker, self.long = world.open("maker", 10**6), world.open("long", 1_000)
        self.taker = world.open("taker", 10**6)
        world.venue.trade(self.long, self.maker, world.perp, 100 * WAD)
        self.allow(self.long)
        self.allow(self.taker, budget=0)  # he loses nothing against the mark
        self.path = world.folder / "orders.jsonl"
        world.chain.advance(3_700)  # there is a price of a lag ago

    def allow(self, party, budget=UNLIMITED, expires=FOREVER):
        system = self.world.system
        args = (party.account, system.standing.address, expires, budget, 0, 0)
        system.mandates.transact("set_allowance", *args, sender=party.address)

    def order(self, quantity=-60 * WAD, slack=8_000, party=None, **changes):
        party = party or self.long
        party.nonce += 1
        fields = {"instrument": self.world.perp, "expires": START + 10**6, "nonce": party.nonce, **changes}
        return StandingOrder(party.account, int(party.address, 16), quantity=quantity, slack=slack, **fields)

    def digest(self, order):
        return digest(order, self.world.chain.chain_id, self.world.system.standing.address)

    def line(self, order, key=None):
        return {
            "chain": self.world.chain.chain_id,
            "venue": self.world.system.standing.address,
            "order": {
                "account": hex(order.account),
                "signer": f"0x{order.signer:040x}",
                "instrument": str(order.instrument),
                "quantity": str(order.quantity),
                "slack": order.slack,
                "expires": order.expires,
                "nonce": order.nonce,
            },
            "signature": "0x" + sign(self.digest(order), key or self.long.key).hex(),
        }

    def hand_in(self, *orders):
        with self.path.open("a") as file:
            file.writelines(json.dumps(self.line(order)) + "\n" for order in orders)

    def agent(self, taker=None, outbox=None, **config):
        taker = taker or self.taker
        world = self.world
        rule = FillConfig(**config)
        return StandingAgent(world.system, taker.address, world.recorder, taker.account, self.path, rule, outbox)

    def held(self, party):
        return self.world.system.clearinghouse.call("quantity", party.account, self.world.perp)

    def call(self, price=93.3):
        """Let the long be called."""
        self.world.index(price)
        assert self.world.keeper(gate_share=0.1).round().posted.ok  # who takes on risk needs surfaces that are fresh
        (called,) = self.world.agent().round([self.long.account])
        assert (called.step, called.error) == (Step.CALL, None)

    def margin(self):
        return self.world.agent().watch([self.long.account])[self.long.account]

    def cancel(self, order):
        fields = (order.account, f"0x{order.signer:040x}", order.instrument, order.quantity, order.slack)
        standing = self.world.system.standing
        standing.transact("cancel", (*fields, order.expires, order.nonce), sender=self.long.address)


@pytest.fixture
def desk(world):
    return Desk(world)


def test_executed_when_called_and_not_before_and_not_twice(desk):
    desk.hand_in(order := desk.order())
    agent = desk.agent()
    assert agent.round() == []
    desk.call()
    before = desk.margin()
    assert state_of(before) is not State.HEALTHY
    (done,) = agent.round()
    assert (done.error, done.account, done.quantity) == (None, desk.long.account, 60 * WAD)
    assert done.ref == "0x" + desk.digest(order).hex()
    assert done.price == desk.world.venue.mark(desk.world.perp) * 992 // 1_000
    assert (desk.held(desk.long), desk.held(desk.taker)) == (40 * WAD, 60 * WAD)
    assert desk.margin().mm < before.mm
    assert agent.round() == []
    assert desk.agent().round() == []  # nor by one that remembers nothing
    (line,) = desk.world.recorder.of("standing")
    assert (line["order"], line["quantity"], line["gas"]) == (done.ref, 60 * WAD, done.gas)
    kinds = desk.world.kinds()
    assert kinds.index("standing-intent") < kinds.index("standing")


def test_what_was_filled_before_is_not_filled_again(desk):
    desk.hand_in(desk.order())
    desk.call()
    rule = {"max_value": 50 * 93 * WAD}
    first, second = (desk.agent(**rule).round()[0] for _ in range(2))
    assert (first.error, second.error) == (None, None)
    assert 0 < second.quantity < first.quantity
    assert first.quantity + second.quantity == 60 * WAD
    assert desk.agent(**rule).round() == []


def test_the_taker_gains_what_the_rule_was_told(desk):
    desk.hand_in(desk.order())
    desk.call()
    (fill,) = desk.agent().plan()
    before = desk.world.agent().watch([desk.taker.account])[desk.taker.account].equity_full
    desk.agent().act(fill)
    after = desk.world.agent().watch([desk.taker.account])[desk.taker.account].equity_full
    assert abs(after - before - fill.profit) <= 2  # roundings of one unit each
    assert desk.agent(min_profit=fill.profit + 1).plan() == []


def test_a_fee_is_taken_off_the_profit(desk):
    world = desk.world
    world.system.registry.transact("set_fees", pack_fees(Fees(taker=2_000, cap=10_000)), sender=world.admin)
    desk.hand_in(desk.order())
    desk.call()
    (fill,) = desk.agent().plan()
    before = world.agent().watch([desk.taker.account])[desk.taker.account].equity_full
    desk.agent().act(fill)
    after = world.agent().watch([desk.taker.account])[desk.taker.account].equity_full
    assert fill.terms.fee == 2_000
    assert abs(after - before - fill.profit) <= 3


def test_orders_that_are_over_are_left_and_said_to_be_once(desk):
    chain, standing = desk.world.chain, desk.world.system.standing
    below = desk.order()
    standing.transact("cancel_below", desk.long.account, below.nonce + 1, sender=desk.long.address)
    desk.hand_in(below, cancelled := desk.order(), desk.order(expires=chain.now))
    desk.cancel(cancelled)
    chain.advance(1)
    desk.call()
    agent = desk.agent()
    assert agent.round() == []
    chain.advance(SWEEP)
    agent.round()
    ends = desk.world.recorder.of("standing-over")
    assert [line["why"] for line in ends] == ["nonce below the account's floor", "cancelled", "expired"]
    assert "standing-intent" not in desk.world.kinds()
    desk.hand_in(desk.order())
    (done,) = agent.round()
    assert done.error is None
    chain.advance(SWEEP)
    agent.round()
    assert [line["why"] for line in desk.world.recorder.of("standing-over")][3:] == ["filled"]


def test_what_a_reorganisation_takes_back_is_due_again(desk):
    desk.hand_in(order := desk.order())
    desk.call()
    chain, agent = desk.world.chain, desk.agent()
    mark = chain.snapshot()
    desk.cancel(order)
    assert agent.round() == []
    assert list(agent.over) == [desk.digest(order)]
    chain.revert(mark)
    assert agent.round() == []
    chain.advance(SWEEP)
    (done,) = agent.round()
    assert done.error is None


def test_only_new_orders_are_asked_for_between_two_sweeps(desk, monkeypatch):
    desk.hand_in(desk.order(), desk.order())
    agent = desk.agent()
    agent.plan()
    desk.hand_in(desk.order())
    chain, asked = desk.world.chain, []
    call_many = chain.call_many
    monkeypatch.setattr(chain, "call_many", lambda calls: asked.extend(calls) or call_many(calls))
    agent.plan()
    assert sum(call.to == desk.world.system.standing.address for call in asked) == 2
    chain.advance(SWEEP)
    asked.clear()
    agent.plan()
    assert sum(call.to == desk.world.system.standing.address for call in asked) == 6


def test_cancelled_between_two_sweeps(desk):
    desk.hand_in(order := desk.order())
    agent = desk.agent()
    agent.round()
    desk.call()
    desk.cancel(order)
    assert agent.round() == []
    assert "standing-failed" not in desk.world.kinds()


def test_a_bad_line_is_named_once_and_stops_no_other(desk):
    good, forged = desk.order(), desk.order()
    desk.path.write_text(
        "no json\n" + json.dumps(desk.line(forged, desk.taker.key)) + "\n" + json.dumps(desk.line(good)) + "\n"
    )
    desk.call()
    agent = desk.agent()
    (done,) = agent.round()
    assert done.ref == "0x" + desk.digest(good).hex()
    bad = desk.world.recorder.of("standing-bad-line")
    assert [(line["file"], line["line"]) for line in bad] == [("orders.jsonl", 1), ("orders.jsonl", 2)]
    assert "signature" in bad[1]["error"]
    desk.hand_in(desk.order())
    assert agent.round() != []
    assert len(desk.world.recorder.of("standing-bad-line")) == 2


def test_what_the_simulation_refuses_is_no_transaction(desk):
    desk.hand_in(desk.order())
    desk.call()
    world = desk.world
    sent = world.chain.block
    stranger = Party.of("stranger")
    agent = StandingAgent(world.system, stranger.address, world.recorder, desk.taker.account, desk.path)
    (done,) = agent.round()
    assert done.error == "standing: not the counterparty's account"
    assert world.chain.block == sent
    assert world.kinds()[-1] == "standing-failed"
    assert agent.round() == []  # it rests
    world.chain.advance(PAUSE)
    assert [again.error for again in agent.round()] == [done.error]


def test_a_taker_too_poor_for_all_takes_a_part(desk):
    poor = desk.world.open("poor taker", 60)
    desk.allow(poor)
    desk.hand_in(desk.order())
    desk.call()
    (done,) = desk.agent(poor).round()
    assert done.error is None
    assert 0 < done.quantity < 60 * WAD
    assert done.quantity == desk.held(poor)


def test_a_taker_too_poor_for_what_is_worth_it_takes_nothing(desk):
    poor = desk.world.open("poor taker", 60)
    desk.allow(poor)
    desk.hand_in(desk.order())
    desk.call()
    (fill,) = desk.agent(poor).plan()
    (done,) = desk.agent(poor, min_profit=fill.profit).round()
    assert done.error == "clearinghouse: below initial margin"
    assert desk.held(poor) == 0


def test_the_owners_loss_budget_is_kept_to(desk):
    desk.allow(desk.long, budget=20 * WAD)
    desk.hand_in(desk.order())
    desk.call()
    (done,) = desk.agent().round()
    mark = desk.world.venue.mark(desk.world.perp)
    assert done.error is None
    assert 0 <= 20 * WAD - done.quantity * (mark - done.price) // WAD < 10**3
    assert desk.agent().round() == []


def test_an_account_that_does_not_allow_the_venue_is_left(desk):
    desk.allow(desk.long, expires=0)
    desk.hand_in(desk.order())
    desk.call()
    assert desk.agent().round() == []
    (line,) = desk.world.recorder.of("standing-failed")
    assert line["error"] == "its account does not allow the venue"


def test_a_taker_that_does_not_allow_the_venue_is_told_so_once(desk):
    desk.allow(desk.taker, expires=0)
    desk.hand_in(desk.order())
    agent = desk.agent()
    agent.round()
    assert "standing-idle" not in desk.world.kinds()  # nothing is due yet
    desk.call()
    assert agent.round() == agent.round() == []
    (line,) = desk.world.recorder.of("standing-idle")
    assert hex(desk.taker.account) in line["error"]
    desk.allow(desk.taker)
    (done,) = agent.round()
    assert done.error is None


def test_one_order_an_account_at_a_time_the_most_profitable_first(desk):
    desk.hand_in(desk.order(-20 * WAD, 2_000), best := desk.order(-20 * WAD, 9_000), desk.order(-20 * WAD, 5_000))
    desk.call()
    slow = SlowOutbox(desk.world.chain)
    agent = desk.agent(outbox=slow)
    (under_way,) = agent.round()
    assert under_way.under_way
    assert slow.sent == [("standing", "0x" + desk.digest(best).hex())]
    assert agent.round() == []
    assert desk.agent(outbox=slow).round() == []  # nor after a restart
    assert agent.collect() == []
    slow.mine()
    (done,) = agent.collect()
    assert (done.quantity, done.error, done.under_way) == (20 * WAD, None, False)
    assert agent.collect() == []
    assert [again.under_way for again in agent.round()] == [True]


def test_where_one_is_refused_the_next_best_is_tried(desk):
    desk.hand_in(desk.order(-20 * WAD, 20_000), desk.order(-20 * WAD, 5_000), desk.order(-20 * WAD, 9_000))
    desk.call()
    far, done = desk.agent().round()
    assert far.error == "clearinghouse: price worse than allowed"  # a slack over the reduce band
    assert (done.error, done.price) == (None, desk.world.venue.mark(desk.world.perp) * 991 // 1_000)
    assert desk.held(desk.long) == 80 * WAD


def test_nothing_while_a_step_of_the_account_is_under_way(desk):
    desk.hand_in(desk.order())
    desk.call()
    slow = SlowOutbox(desk.world.chain)
    account = desk.long.account
    slow.send(
        desk.world.system.liquidator, "cure", (account,), sender=desk.taker.address, purpose="cure", ref=hex(account)
    )
    agent = desk.agent(outbox=slow)
    assert agent.round() == []
    slow.mine()
    assert len(agent.round()) == 1


def test_what_fails_once_it_is_mined_is_on_record(desk):
    desk.hand_in(order := desk.order())
    desk.call()
    slow = SlowOutbox(desk.world.chain)
    agent = desk.agent(outbox=slow)
    agent.round()
    desk.cancel(order)
    slow.mine()
    (done,) = agent.collect()
    assert done.error == "reverted: standing: order cancelled"
    assert desk.world.recorder.of("standing-failed")[0]["error"] == done.error


def test_what_the_sender_refuses_is_on_record(desk):
    desk.hand_in(desk.order())
    desk.call()
    slow = SlowOutbox(desk.world.chain)
    slow.refuses = {"execute"}
    (done,) = desk.agent(outbox=slow).round()
    assert done.error == "the pending block does not show it to pass"
    assert desk.world.kinds()[-1] == "standing-failed"


def test_a_price_that_cannot_be_had_is_on_record(desk):
    desk.hand_in(desk.order())
    desk.call()
    desk.world.system.aggregators[257].transact("set", 0, sender=desk.world.admin)
    assert desk.agent().round() == []
    (line,) = desk.world.recorder.of("standing-failed")
    assert line["error"].startswith("feed: ")


def test_only_accounts_that_are_asked_for(desk):
    desk.hand_in(desk.order())
    desk.call()
    assert desk.agent().plan([desk.maker.account]) == []
    assert len(desk.agent().plan([desk.long.account])) == 1


def test_the_takers_own_orders_are_not_his_to_take(desk):
    desk.hand_in(desk.order())
    desk.call()
    assert desk.agent(desk.long).round() == []


# ------------------------------------------------------------------------------------------------------- settings


def test_the_agent_that_settings_ask_for(world):
    sender = Party.of("bidder").address
    settings = StandingSettings(orders="orders", min_profit=2.5, max_value=1_000).beside(world.folder)
    agent = standing_agent(settings, world.system, sender, world.recorder, bidder=account_id(sender, 3))
    assert (agent.taker, agent.files.path) == (account_id(sender, 3), world.folder / "orders")
    assert agent.config == FillConfig(5 * WAD // 2, 1_000 * WAD)
    named = settings.model_copy(update={"account": 4})
    assert standing_agent(named, world.system, sender, world.recorder, account_id(sender, 3)).taker % 2**96 == 4
    with pytest.raises(SettingsError, match="no account"):
        standing_agent(settings, world.system, sender, world.recorder)

"""Agents over an outbox that waits for nothing: what is under way is not done twice, and collected when it is done."""

import pytest

from plimsoll.keeper.errors import JournalError, SettingsError
from plimsoll.keeper.outbox import Awaited, QueuedOutbox, Ticket, created_at
from plimsoll.keeper.poster import LocalKeys, Poster
from plimsoll.simulate.market import Party
from plimsoll.spec.errors import Refused
from plimsoll.spec.instruments import CALL

from .conftest import DAY, SIGNERS, UNDERLYING


class SlowOutbox:
    """Transactions wait until `mine`; `refuses` are functions that the pending block would refuse."""

    def __init__(self, chain):
        self.chain = chain
        self.waiting = []
        self.sent = []
        self.refuses = set()

    def send(self, contract, name, args, *, sender, purpose, ref):
        if name in self.refuses:
            raise Refused("the pending block does not show it to pass")
        ticket = Ticket(len(self.sent) + 1, purpose, ref)
        self.sent.append((purpose, ref))
        self.waiting.append((ticket, contract, name, args, sender))
        return ticket

    def busy(self, sender):
        return {(ticket.purpose, ticket.ref) for ticket, *_, who in self.waiting if who == sender}

    def creations(self, _sender, contract):
        return self.chain.nonce(contract.address)

    def mine(self):
        waiting, self.waiting = self.waiting, []
        for ticket, contract, name, args, sender in waiting:
            try:
                ticket.receipt = contract.transact(name, *args, sender=sender)
            except Refused as refused:
                ticket.error = f"reverted: {refused.reason}"


@pytest.fixture
def slow(world):
    return SlowOutbox(world.chain)


def keeper_with(world, slow, **other):
    keeper = world.keeper(**other)
    keeper.poster = Poster(world.system, Party.of("poster").address, LocalKeys(SIGNERS[:2]), world.recorder, slow)
    return keeper


def with_options(world):
    """Two surfaces to a report: the perpetual's and an expiry's."""
    expiry = world.chain.now // DAY * DAY + 30 * DAY
    world.list(expiry, CALL, 100 * 10**2)
    (market,) = world.source.markets
    world.source.markets = (type(market)(**{**_fields(market), "expiries": (expiry,)}),)
    world.reader.expiries[UNDERLYING] = (0, expiry)


def _fields(item):
    return {name: getattr(item, name) for name in item.__dataclass_fields__}


def test_a_post_under_way_is_the_only_one(world, slow):
    keeper = keeper_with(world, slow)
    first = keeper.round()
    assert first.ok
    assert first.posted.under_way
    assert not first.posted.ok
    assert keeper.poster.busy
    world.index(105.0)  # a reason, were none under way
    assert keeper.round().posted.under_way
    assert slow.sent == [("post", "1")]
    slow.mine()
    done = keeper.round()
    assert done.posted.ok
    assert world.system.oracle.call("sequence") == 1
    assert not keeper.poster.busy
    assert world.kinds().count("posted") == 1


def test_a_sequence_that_was_sent_is_not_used_again_whatever_came_of_it(world, slow):
    keeper = keeper_with(world, slow)
    keeper.round()
    slow.waiting.pop()[0].error = "another transaction of this key has nonce 0"
    assert "another transaction" in keeper.round().error
    assert keeper.round().posted.sequence == 2
    slow.mine()
    assert keeper.round().posted.ok
    assert world.system.oracle.call("sequence") == 2


def test_stores_and_post_go_together_naming_where_surfaces_will_stand(world, slow):
    with_options(world)
    keeper = keeper_with(world, slow)
    assert keeper.round().posted.under_way
    assert [purpose for purpose, _ in slow.sent] == ["store", "post"]
    slow.mine()
    assert keeper.round().posted.ok
    assert len(keeper.reader.read().surfaces) == 2


def test_where_the_pending_block_does_not_show_it_the_post_waits_for_the_stores(world, slow):
    with_options(world)
    keeper = keeper_with(world, slow)
    slow.refuses = {"post"}
    assert keeper.round().posted.under_way
    assert [purpose for purpose, _ in slow.sent] == ["store"]
    slow.refuses = set()
    keeper.round()
    assert [purpose for purpose, _ in slow.sent] == ["store"]  # not mined yet
    slow.mine()
    assert keeper.round().posted.under_way
    slow.mine()
    assert keeper.round().posted.ok


def test_a_stranger_who_stores_first_costs_one_report(world, slow):
    with_options(world)
    keeper = keeper_with(world, slow)
    built, _ = keeper.assess(keeper.reader.read())
    keeper.round()
    world.system.oracle.transact("store", built.codes[1], sender=Party.of("stranger").address)
    slow.mine()
    assert "reverted" in keeper.round().error
    assert keeper.round().posted.under_way
    slow.mine()
    assert keeper.round().posted.ok


def test_where_a_creation_will_stand(world):
    at = world.chain.nonce(world.system.oracle.address)
    held = world.keeper()
    code = held.assess(held.reader.read())[0].codes[0]
    receipt = world.system.oracle.transact("store", code, sender=world.admin)
    (event,) = world.system.oracle.events(receipt, "SurfaceStored")
    assert event.args.surface == created_at(world.system.oracle.address, at)


def test_a_step_under_way_is_not_taken_twice(world, slow):
    world.keeper().round()
    party = world.open("trader", 3_000)
    maker = world.open("maker", 10**6)
    world.venue.trade(party, maker, world.perp, 100 * 10**18, 100 * 10**18)
    world.index(72.0)
    agent = world.agent()
    agent.outbox = slow
    (taken,) = agent.round([party.account])
    assert taken.under_way
    assert agent.round([party.account]) == []
    assert agent.collect() == []
    slow.mine()
    (done,) = agent.collect()
    assert (done.account, done.step, done.error) == (party.account, taken.step, None)
    assert done.gas > 0
    assert agent.collect() == []


def test_a_step_that_failed_when_mined_is_counted_and_tried_again(world, slow):
    world.keeper().round()
    party, maker = world.open("trader", 3_000), world.open("maker", 10**6)
    world.venue.trade(party, maker, world.perp, 100 * 10**18, 100 * 10**18)
    world.index(72.0)
    agent = world.agent()
    agent.outbox = slow
    agent.round([party.account])
    slow.waiting.pop()[0].error = "reverted: liquidator: called already"
    (done,) = agent.collect()
    assert done.error == "reverted: liquidator: called already"
    assert agent.failures == 1
    assert len(agent.round([party.account])) == 1


def test_a_chore_under_way_is_not_done_twice(world, slow):
    upkeep = world.upkeep()
    upkeep.outbox = slow
    first = upkeep.round([])
    assert first
    assert all(item.under_way for item in first)
    assert upkeep.round([]) == []
    slow.mine()
    assert sorted(item.name for item in upkeep.collect()) == sorted(item.name for item in first)
    assert all(item.error is None for item in upkeep.collect())


def test_a_key_that_is_not_here(world):
    with pytest.raises(SettingsError, match="no key of 0xab is here"):
        QueuedOutbox({}).busy("0xab")


class Flickering(Ticket):
    """Finished by another thread between two looks at it."""

    @property
    def done(self):
        looked, self.tx = self.tx, self.tx + 1
        return looked > 0


def test_what_is_finished_while_it_is_looked_for_is_collected_the_next_time():
    awaited = Awaited()
    awaited.add("a", Flickering(0, "bid", "0x1"))
    assert list(awaited.collect()) == []
    assert [about for about, _ in awaited.collect()] == ["a"]
    assert list(awaited.collect()) == []


def test_what_fails_over_one_leaves_it_and_those_behind_it():
    awaited, seen = Awaited(), []
    for name in "abc":
        awaited.add(name, Ticket(1, "bid", name, error="reverted"))

    def look(fails_at):
        for about, _ in awaited.collect():
            if about == fails_at:
                raise JournalError("the disk is full")
            seen.append(about)

    with pytest.raises(JournalError):
        look("b")
    assert seen == ["a"]
    look(None)
    assert seen == ["a", "b", "c"]
    look(None)
    assert seen == ["a", "b", "c"]

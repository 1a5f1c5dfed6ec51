"""Batches: each under the limit, in the order of urgency, nobody twice, nobody left out, one on its way at a time."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.keeper.batches import batches, split
from plimsoll.keeper.gas import COSTS, counts, estimate
from plimsoll.keeper.outbox import DirectOutbox, Ticket
from plimsoll.keeper.triggers import Reason, Standing, TriggerConfig
from tests.many import HOUR, PRICE, Many

SIX = (257, 258, 259, 513, 514, 515)


def standing(underlying, kind="heartbeat", *, urgent=False, age=0):
    return Standing(underlying, (Reason(kind, str(underlying)),), 1.0, urgent, age)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.integers(1, 120))
def test_every_batch_is_under_the_limit_and_nobody_is_lost(sizes, limit):
    going = [standing(u) for u in range(len(sizes))]
    made = split(going, lambda numbers: 5 + sum(sizes[u] for u in numbers), limit)
    assert sorted(u for batch in made for u in batch.underlyings) == list(range(len(sizes)))
    for batch in made:
        assert batch.gas == 5 + sum(sizes[u] for u in batch.underlyings)
        assert batch.gas <= limit or len(batch.underlyings) == 1
    # no batch could have gone into an earlier one as a whole
    for k, batch in enumerate(made[1:], 1):
        first = min(batch.underlyings)
        for earlier in made[:k]:
            before = [u for u in earlier.underlyings if u < first]
            assert 5 + sum(sizes[u] for u in (*before, first)) > limit


def test_the_most_urgent_is_in_the_first_batch_and_what_goes_along_says_so_last():
    going = [standing(3, "gate", urgent=True), standing(1, "neighbour"), standing(2)]
    (first, second) = split(going, lambda numbers: 10 * len(numbers), 20)
    assert (first.underlyings, second.underlyings) == ((1, 3), (2,))
    assert [reason.kind for reason in first.reasons] == ["gate", "neighbour"]


def test_too_many_for_one_report_are_split_whatever_the_gas():
    made = split([standing(u) for u in range(5)], lambda numbers: None if len(numbers) > 2 else 1, 10**9)
    assert [len(batch.underlyings) for batch in made] == [2, 2, 1]


class SlowOutbox(DirectOutbox):
    """What is sent is mined when the test says so, and not forgotten by who starts anew."""

    def __init__(self):
        self.waiting = []

    def send(self, contract, name, args, *, sender, purpose, ref):
        if purpose != "post":
            return super().send(contract, name, args, sender=sender, purpose=purpose, ref=ref)
        ticket = Ticket(len(self.waiting), purpose, ref)
        self.waiting.append((ticket, lambda: contract.transact(name, *args, sender=sender)))
        return ticket

    def busy(self, sender):
        return {(ticket.purpose, ticket.ref) for ticket, _ in self.waiting}

    def mine(self):
        for ticket, call in self.waiting:
            ticket.receipt = call()
        self.waiting.clear()


@pytest.fixture
def six(tmp_path):
    return Many(tmp_path, SIX)


def limited(six, count, **triggers):
    keeper = six.keeper()
    six.chain.advance(1)
    held = keeper.reader.read()
    whole = keeper.engine.whole(keeper.source.snapshot(held), None, 1, rails=held.rails)

    def gas_at(limit):
        return [batch.gas for batch in batches(held, whole, None, TriggerConfig(post_gas_limit=limit))]

    (alone, *_), both = gas_at(1), gas_at(10**9)
    limit = alone + (count - 1) * (both[0] - alone) // (len(SIX) - 1) + 50_000
    return six.keeper(post_gas_limit=limit, **triggers), limit


def test_one_batch_is_on_its_way_at_a_time_and_the_next_goes_when_it_is_mined(six):
    keeper, _ = limited(six, 2)
    outbox = keeper.poster.outbox = SlowOutbox()
    assert keeper.round().posted.under_way
    assert keeper.round().posted.under_way  # still the first
    assert len(outbox.waiting) == 1
    for number in (1, 2):
        outbox.mine()
        six.chain.advance(2)
        done = keeper.round()  # learns that it was mined, and sends the next at once
        assert (done.posted.ok, done.posted.sequence) == (True, number)
        assert [ticket.ref for ticket, _ in outbox.waiting] == [str(number + 1)]
    outbox.mine()
    six.chain.advance(2)
    assert keeper.round().posted.ok
    assert outbox.waiting == []
    assert six.posts() == [(1, SIX[:2]), (2, SIX[2:4]), (3, SIX[4:])]


def test_who_is_killed_with_a_batch_on_its_way_sends_no_other_until_it_is_known(six):
    keeper, limit = limited(six, 2)
    outbox = keeper.poster.outbox = SlowOutbox()
    assert keeper.round().posted.under_way
    six.chain.advance(2)
    anew = six.keeper(post_gas_limit=limit, last=1)
    anew.poster.outbox = outbox
    assert anew.round().posted is None
    assert len(outbox.waiting) == 1
    outbox.mine()
    six.chain.advance(2)
    assert anew.round().posted.under_way
    assert [ticket.ref for ticket, _ in outbox.waiting] == ["2"]
    outbox.mine()
    assert six.posts() == [(1, SIX[:2]), (2, SIX[2:4])]


def test_a_view_behind_its_own_receipt_sends_nothing(six):
    """An endpoint that lags shows the chain before the first batch: who believed it would post the same again."""
    keeper, _ = limited(six, 2)
    outbox = keeper.poster.outbox = SlowOutbox()
    stale = keeper.reader.read()
    keeper.post_due(stale)
    outbox.mine()
    done = keeper.post_due(stale)
    assert done.posted.ok
    assert outbox.waiting == []


def test_a_dry_run_says_what_would_go_and_what_would_wait(six):
    keeper, _ = limited(six, 4)
    keeper.config = replace(keeper.config, dry_run=True)
    assert keeper.round().posted is None
    (line,) = six.recorder.of("post-due")
    assert (line["underlyings"], line["waiting"]) == (list(SIX[:4]), 1)


def test_what_was_never_written_costs_more(six):
    keeper = six.keeper()
    six.chain.advance(1)
    assert keeper.round().posted.ok
    six.chain.advance(HOUR)
    six.index({257: PRICE * 1.02})
    held = keeper.reader.read()
    whole = keeper.engine.whole(keeper.source.snapshot(held), held.risk_state, 2, rails=held.rails)
    new = replace(held, surfaces={}, scalars={}, classes={})
    assert estimate(whole, held) < estimate(whole, new)
    assert set(counts(whole, held)) == set(COSTS)
    assert estimate(whole, held, 4) - estimate(whole, held, 3) == COSTS["signature"]

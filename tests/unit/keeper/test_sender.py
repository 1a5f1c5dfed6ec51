"""One key's transactions: mined once each, whatever nodes, pools, reorganisations and restarts do to them."""

import tempfile
from pathlib import Path

import pytest
from eth_account import Account
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from plimsoll.chain.errors import NodeError
from plimsoll.chain.node import NodeChain
from plimsoll.keeper.errors import FeeCapError, SettingsError, SpendingCapError
from plimsoll.keeper.journal import Journal
from plimsoll.keeper.sender import CANCELLED, GWEI, Sender, SendingConfig, bumped
from plimsoll.spec.errors import Refused

from .pool import USED, FakeNode

ACCOUNT = Account.from_key("0x" + "44" * 32)
TARGET = "0x" + "00" * 19 + "42"
ETHER = 10**18


class Desk:
    """A sender on a node in memory."""

    def __init__(self, path, config=None, relay=None):
        self.node = FakeNode()
        self.path = path
        self.config = config or SendingConfig(finality=3, patience=2)
        self.relay = relay
        self.told = []
        self.probes = []
        self.now = 1_700_000_000.0
        self.journal = Journal(path)
        self.start()

    def start(self):
        """A process begins."""
        self.sender = Sender(
            NodeChain(self.node),
            ACCOUNT,
            self.journal,
            self.config,
            relay=self.relay,
            warn=lambda kind, /, **fields: self.told.append((kind, fields)),
            clock=lambda: self.now,
            probe=self._probe,
        )
        return self.sender.reconcile(self.node.head()) if not self.node.down else []

    def _probe(self, step):
        self.probes.append(step)
        if getattr(self, "dies_at", None) == step:
            raise SystemExit(step)

    def submit(self, data=b"\x01", purpose="post", ref="1", **other):
        return self.sender.submit(TARGET, data, purpose, ref, **other)

    def block(self):
        return self.sender.tick(self.node.mine())

    def states(self):
        return [entry.state for entry in self.journal.transactions()]


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path / "keeper.db")


def test_from_decided_to_final(desk):
    ticket = desk.submit()
    assert not ticket.done
    assert desk.states() == ["sent"]
    assert desk.probes == ["intent", "signed", "sent"]
    assert desk.block() == [ticket]
    assert ticket.receipt.gas_used == USED
    (entry,) = desk.journal.transactions()
    assert (entry.state, entry.block, entry.purpose, entry.ref, entry.nonce) == ("mined", 1, "post", "1", 0)
    for _ in range(3):
        assert desk.block() == []
    assert desk.states() == ["final"]


def test_what_would_revert_is_neither_written_nor_sent(desk):
    desk.node.reverts[b"\x01"] = "oracle: sequence not above the last"
    with pytest.raises(Refused, match="sequence not above"):
        desk.submit()
    assert desk.journal.transactions() == []
    assert desk.node.taken == []


def test_several_at_once_take_nonces_in_a_row_and_one_block(desk):
    tickets = [desk.submit(bytes([k]), ref=str(k)) for k in range(5)]
    assert [e.nonce for e in desk.journal.transactions()] == [0, 1, 2, 3, 4]
    assert desk.block() == tickets


def test_a_stuck_one_is_replaced_at_its_nonce_by_an_eighth_more(desk):
    ticket = desk.submit()
    desk.node.base_fee = 10 * GWEI
    for _ in range(4):
        desk.block()
    assert ticket.receipt is not None
    first, *others = desk.journal.attempts(1)
    assert others
    for a, b in zip([first, *others], others, strict=False):
        assert b.max_fee >= bumped(a.max_fee)
        assert b.tip >= bumped(a.tip)
    assert len(desk.node.mined()) == 1


def test_no_fee_over_the_cap(tmp_path):
    desk = Desk(tmp_path / "keeper.db", SendingConfig(finality=3, patience=1, max_fee=3 * GWEI))
    desk.submit()
    desk.node.base_fee = 100 * GWEI
    for _ in range(20):
        desk.block()
    assert max(attempt.max_fee for attempt in desk.journal.attempts(1)) <= 3 * GWEI
    assert [kind for kind, _ in desk.told] == ["fee-cap"]
    with pytest.raises(FeeCapError, match=r"base fee is 100 gwei, sending\.max_fee is 3"):
        desk.submit(b"\x02")
    desk.node.base_fee = GWEI
    desk.block()
    assert desk.states() == ["mined"]


def test_no_more_than_a_days_money(tmp_path):
    desk = Desk(tmp_path / "keeper.db", SendingConfig(spend_per_day=USED * 5 * GWEI))
    desk.submit()
    with pytest.raises(SpendingCapError, match=r"spend_per_day is 0\.00025"):
        desk.submit(b"\x02")
    assert desk.states() == ["sent"]
    desk.block()  # what it really cost is less than what it might have
    desk.submit(b"\x02")
    desk.block()
    with pytest.raises(SpendingCapError):
        [desk.submit(bytes([k])) for k in range(3, 9)]
    desk.block()
    desk.now += 86_400
    assert desk.submit(b"\x11").error is None


def test_what_a_node_lost_goes_out_again_as_the_same_bytes(desk):
    desk.node.swallows = True
    ticket = desk.submit()
    desk.node.swallows = False
    desk.block()
    assert desk.block() == [ticket]
    assert len(set(desk.node.taken)) == 1
    assert len(desk.node.taken) > 1


def test_a_node_that_is_down_delays_and_loses_nothing(desk):
    broadcast, desk.node.broadcast = desk.node.broadcast, _down
    ticket = desk.submit()
    assert desk.states() == ["signed"]
    assert desk.told[0][0] == "not-taken"
    desk.node.broadcast = broadcast
    desk.block()
    assert desk.block() == [ticket]


def _down(_raw):
    raise NodeError("the node does not answer")


def test_a_node_that_simulates_nothing_sends_nothing(desk):
    desk.node.down = True
    with pytest.raises(NodeError):
        desk.submit()
    assert desk.journal.transactions() == []


def test_a_strangers_transaction_in_the_pool_is_outbid(desk):
    desk.node.stranger(ACCOUNT, 0, 50 * GWEI)
    ticket = desk.submit()
    assert desk.block() == [ticket]
    assert ticket.receipt is not None
    assert desk.journal.attempts(1)[-1].max_fee > 50 * GWEI


def test_a_strangers_transaction_that_is_mined_makes_ours_void(desk):
    desk.node.swallows = True
    ticket = desk.submit()
    desk.node.stranger(ACCOUNT, 0)
    for _ in range(4):
        desk.block()
    assert ticket.error == "another transaction of this key has nonce 0"
    assert desk.states() == ["void"]
    assert ("displaced", "post") in [(kind, fields["purpose"]) for kind, fields in desk.told]
    desk.node.swallows = False
    again = desk.submit()
    assert desk.block() == [again]


def test_a_reorganisation_brings_it_back_as_the_same_bytes(desk):
    ticket = desk.submit()
    desk.block()
    assert desk.states() == ["mined"]
    desk.sender.tick(desk.node.reorganise(1))
    assert desk.states() == ["sent"]
    assert ("reorged", "1") in [(kind, fields["ref"]) for kind, fields in desk.told]
    desk.block()
    assert desk.states() == ["mined"]
    assert len(set(desk.node.taken)) == 1
    assert ticket.receipt is not None


def test_a_transaction_that_fails_when_mined_says_why(desk):
    ticket = desk.submit()
    desk.node.reverts[b"\x01"] = "oracle: sequence not above the last"
    assert desk.block() == [ticket]
    assert ticket.error == "reverted: oracle: sequence not above the last"
    for _ in range(3):
        desk.block()
    assert desk.states() == ["failed"]


def test_one_that_would_revert_by_now_gives_its_nonce_back(desk):
    """Stuck, and overtaken by events: a transfer of nothing takes its place, what is behind it gets through."""
    desk.node.base_fee = GWEI
    stuck, behind = desk.submit(b"\x01"), desk.submit(b"\x02")
    desk.node.base_fee = 20 * GWEI
    desk.node.reverts[b"\x01"] = "too late"
    for _ in range(6):
        desk.block()
    assert stuck.error == CANCELLED
    assert behind.receipt is not None
    assert [t.data for t in desk.node.mined()] == [b"", b"\x02"]
    assert desk.journal.attempts(1)[-1].cancels


def test_bids_go_to_the_relay_and_to_everyone_where_it_is_silent(tmp_path):
    relay = FakeNode()
    desk = Desk(tmp_path / "keeper.db", SendingConfig(finality=3, patience=9, relay_patience=2), relay)
    desk.submit(purpose="bid", ref="0x1")
    desk.submit(b"\x02", purpose="post")
    assert len(relay.taken) == 1
    assert len(desk.node.taken) == 1  # the post
    behind = [desk.sender.relay_behind()]
    for _ in range(4):
        desk.block()
        behind.append(desk.sender.relay_behind())
    assert behind == [0, 0, 1, 0, 0]  # two blocks late, until everyone was given it
    assert [kind for kind, _ in desk.told] == ["relay-silent"]
    assert len(desk.node.mined()) == 2


def test_a_relay_that_is_down_is_passed_over_at_once(tmp_path):
    relay = FakeNode(down=True)
    desk = Desk(tmp_path / "keeper.db", relay=relay)
    ticket = desk.submit(purpose="bid")
    assert desk.block() == [ticket]
    assert [kind for kind, _ in desk.told] == ["relay-silent"]


@pytest.mark.parametrize("step", ["intent", "signed", "sent", "mined"])
def test_a_process_that_dies_at_any_step_sends_it_at_most_once(desk, step):
    desk.dies_at = step
    with pytest.raises(SystemExit):  # noqa: PT012 - it dies in one of the two
        desk.submit()
        desk.block()
    desk.dies_at = None
    desk.start()
    if not desk.sender.under_way():
        desk.block()
    if not desk.node.mined() and not desk.sender.under_way():  # nothing was signed: decided anew
        assert desk.states() == ["void"]
        desk.submit()
    for _ in range(6):
        desk.block()
    assert len(desk.node.mined()) == 1
    assert desk.states()[-1] == "final"


def test_a_restart_cancels_what_would_revert_by_now(desk):
    desk.submit()
    desk.node.reverts[b"\x01"] = "too late"
    desk.start()
    for _ in range(6):
        desk.block()
    assert desk.states() == ["void"]
    assert [t.data for t in desk.node.mined()] == [b""]


@pytest.mark.parametrize("wrong", [{"finality": 0}, {"max_fee": 0}, {"spend_per_day": 0}, {"min_tip": -1}])
def test_settings_out_of_range(wrong):
    with pytest.raises(SettingsError, match=f"sending: {next(iter(wrong))}"):
        SendingConfig(**wrong)


# ------------------------------------------------------------------------------------------------- drawn faults


class Storm(RuleBasedStateMachine):
    """Whatever happens in whatever order: a decision is mined at most once, and journal and chain agree at the end."""

    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        config = SendingConfig(finality=4, patience=2, spend_per_day=100 * ETHER)
        self.desk = Desk(Path(self.folder.name) / "keeper.db", config)
        self.count = 0

    @rule(many=st.integers(1, 3))
    def decide(self, many):
        for _ in range(many):
            self.count += 1
            try:
                self.desk.submit(self.count.to_bytes(4, "big"), ref=str(self.count))
            except (NodeError, FeeCapError, Refused):
                continue

    @rule()
    def block(self):
        head = self.desk.node.mine()
        if not self.desk.node.down:
            self.desk.sender.tick(head)

    @rule(depth=st.integers(1, 3))
    @precondition(lambda self: len(self.desk.node.blocks) > 4)
    def reorganise(self, depth):
        head = self.desk.node.reorganise(depth)
        if not self.desk.node.down:
            self.desk.sender.tick(head)

    @rule(down=st.booleans())
    def node(self, down):
        self.desk.node.down = down

    @rule(swallows=st.booleans())
    def swallow(self, swallows):
        self.desk.node.swallows = swallows

    @rule(fee=st.sampled_from([GWEI, 3 * GWEI, 30 * GWEI]))
    def fee(self, fee):
        self.desk.node.base_fee = fee

    @rule(fee=st.sampled_from([GWEI // 2, 20 * GWEI]))
    def stranger(self, fee):
        nonce = self.desk.node.count(ACCOUNT.address)
        if (ACCOUNT.address, nonce) not in self.desk.node.pool:
            self.desk.node.stranger(ACCOUNT, nonce, fee)

    @rule()
    def restart(self):
        self.desk.start()

    @rule(step=st.sampled_from(["intent", "signed", "sent"]))
    def die(self, step):
        self.count += 1
        self.desk.dies_at = step
        try:
            self.desk.submit(self.count.to_bytes(4, "big"), ref=str(self.count))
        except (SystemExit, NodeError, FeeCapError, Refused):
            self.desk.dies_at = None
            self.desk.start()
        self.desk.dies_at = None

    @rule(which=st.integers(1, 20))
    def expire(self, which):
        self.desk.node.reverts[which.to_bytes(4, "big")] = "too late"

    @invariant()
    def at_most_once(self):
        if hasattr(self, "desk"):
            calls = [t.data for t in self.desk.node.mined() if t.data]
            assert len(calls) == len(set(calls))

    def teardown(self):
        if not hasattr(self, "desk"):
            return
        desk = self.desk
        desk.node.down = desk.node.swallows = False
        desk.node.base_fee = GWEI
        desk.start()
        for _ in range(60):
            desk.block()
        states = {entry.id: entry for entry in desk.journal.transactions()}
        assert {entry.state for entry in states.values()} <= {"final", "failed", "void"}
        mined = {t.hash: t for t in desk.node.mined()}
        for entry in states.values():
            if entry.state in {"final", "failed"}:
                assert mined[entry.hash].nonce == entry.nonce
                assert mined[entry.hash].data == entry.data
        ours = {attempt.hash for entry in states.values() for attempt in desk.journal.attempts(entry.id)}
        known = {entry.hash for entry in states.values() if entry.hash}
        assert {t.hash for t in mined.values()} & ours == known
        desk.journal.close()
        self.folder.cleanup()


TestStorm = Storm.TestCase
TestStorm.settings = hypothesis_settings(max_examples=12, stateful_step_count=25, deadline=None)

"""I-102: what a node is given is on disk before it is given, decision and bytes."""

from pathlib import Path

import pytest
from eth_account import Account

from plimsoll.chain.node import NodeChain
from plimsoll.keeper.journal import Journal
from plimsoll.keeper.sender import Sender, SendingConfig

from .pool import FakeNode

KEY = "0x" + "44" * 32
TARGET = "0x" + "00" * 19 + "42"


class Reading(FakeNode):
    """A node that, when it is given a transaction, reads what the journal's file says of it by then."""

    path: Path

    def broadcast(self, raw: str) -> None:
        journal = Journal(self.path)
        self.found = getattr(self, "found", [])
        entries = journal.transactions()
        self.found.append((raw, [entry.state for entry in entries], [a.raw for a in journal.attempts(entries[-1].id)]))
        super().broadcast(raw)


@pytest.fixture
def node(tmp_path):
    made = Reading()
    made.path = tmp_path / "keeper.db"
    return made


def test_intent_and_bytes_are_on_disk_before_a_node_sees_them(node):
    sender = Sender(NodeChain(node), Account.from_key(KEY), Journal(node.path), SendingConfig(finality=3, patience=2))
    for data in (b"\1", b"\2"):
        sender.submit(TARGET, data, "post", data.hex())
    assert len(node.found) == 2
    for raw, states, written in node.found:
        assert states[-1] == "signed"
        assert written == [bytes.fromhex(raw[2:])]
    assert [raw for raw, *_ in node.found] == node.taken

"""The account index over a node: its blocks, events, headers and views, a reorganisation, a restart."""

import pytest

from plimsoll.chain.deployment import FeedConfig, SystemConfig, TokenConfig, account_id, deploy_system
from plimsoll.chain.endpoints import Endpoints
from plimsoll.chain.node import NodeChain
from plimsoll.keeper.index.follow import AccountIndex
from plimsoll.keeper.recorder import MemoryRecorder
from plimsoll.risk.signing import address_of
from plimsoll.simulate.market import key_of
from tests.anvil import anvil
from tests.unit.keeper.index.scene import same

pytestmark = [pytest.mark.node, pytest.mark.slow]

KEY = key_of("owner of many accounts")
OWNER = address_of(KEY)


@pytest.fixture
def url():
    """The URL of a fresh anvil."""
    with anvil("--hardfork", "cancun") as found:
        yield found


class Desk:
    """A deployment on the node, whose owner moves money between numbered accounts."""

    def __init__(self, chain):
        self.chain = chain
        chain.set_balance(OWNER, 10**24)
        self.system = deploy_system(
            chain,
            SystemConfig(OWNER, [OWNER], 1, [FeedConfig(257, "TOY", 100 * 10**8)], [TokenConfig("tTOY", 257)]),
        )
        self.token = self.system.tokens["tTOY"]
        for token in (self.system.quote, self.token):
            token.transact("mint", OWNER, 10**24, sender=OWNER)
            token.transact("approve", self.system.clearinghouse.address, 2**256 - 1, sender=OWNER)

    def deposit(self, number, amount, token=None):
        self.system.clearinghouse.transact(
            "deposit", account_id(OWNER, number), (token or self.system.quote).address, amount, sender=OWNER
        )

    def transfer(self, source, target, amount):
        accounts = account_id(OWNER, source), account_id(OWNER, target)
        self.system.clearinghouse.transact("transfer", *accounts, self.system.quote.address, amount, sender=OWNER)


def test_the_index_follows_a_node(url, tmp_path):
    desk = Desk(NodeChain(url, [KEY]))
    recorder = MemoryRecorder()
    index = AccountIndex.of(desk.system, tmp_path / "index.db", stride=7, recorder=recorder)
    desk.deposit(1, 5_000_000)
    desk.deposit(2, 10**18, desk.token)
    found = index.update()
    assert found.head == desk.chain.block
    assert index.accounts() == [account_id(OWNER, 1), account_id(OWNER, 2)]
    assert index.state.ledgers[account_id(OWNER, 1)] == (5 * 10**18, 0)
    assert index.verify(desk.system).accounts == 2

    mark = desk.chain.snapshot()
    for number in (3, 4, 5):
        desk.deposit(number, 1_000_000 * number)
    index.update()
    assert len(index.accounts()) == 5
    desk.chain.revert(mark)
    desk.deposit(6, 700_000)
    desk.transfer(1, 6, 2_000_000)
    found = index.update()
    assert (found.taken_back, found.rebuilt) == (3, False)
    assert index.accounts() == [account_id(OWNER, number) for number in (1, 2, 6)]
    assert index.verify(desk.system).accounts == 3
    index.close()

    # the machine is another, its file the same, and two endpoints stand behind each other, of which one is dead
    chain = NodeChain(Endpoints(["http://127.0.0.1:9", url]))
    again = AccountIndex(tmp_path / "index.db", index.deployed, type(index.blocks)(chain), stride=7)
    desk.deposit(7, 123)
    assert again.update().blocks == 1
    fresh = AccountIndex.of(desk.system, tmp_path / "fresh.db")
    fresh.update()
    assert same(again, fresh)
    assert [line["kind"] for line in recorder.lines] == ["index-taken-back"]
    chain.rpc.close()

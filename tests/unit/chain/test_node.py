"""A node, and the embedded chain held to it: the same transactions cost the same gas."""

import pytest
from eth_account import Account

from plimsoll.chain.contract import batch, deploy
from plimsoll.chain.deployment import FeedConfig, SystemConfig, account_id, deploy_system, load_book, save_book
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.chain.errors import DeploymentError, NodeError
from plimsoll.chain.node import NodeChain
from plimsoll.chain.protocol import TimedChain
from plimsoll.spec.errors import Refused
from plimsoll.spec.liquidator import Config
from tests.anvil import anvil

KEY = "0x" + "22" * 32
OWNER = Account.from_key(KEY).address
SIGNER = Account.from_key("0x" + "33" * 32).address


@pytest.fixture(scope="module")
def url():
    with anvil("--hardfork", "cancun") as found:
        yield found


@pytest.fixture
def node(url):
    chain = NodeChain(url, [KEY])
    chain.set_balance(OWNER, 10**24)
    return chain


def _life(chain):
    """A deployment and some use of it; the gas of each step."""
    config = SystemConfig(
        OWNER, [SIGNER], 1, [FeedConfig(257, "SPX", 1_250 * 10**8)], liquidation=Config(call_period=600)
    )
    system = deploy_system(chain, config)
    account = account_id(OWNER, 7)
    spent = [
        receipt.gas_used
        for receipt in (
            system.registry.transact("list_instrument", 257, 0, 0, 0, sender=OWNER),
            system.quote.transact("mint", OWNER, 10**12, sender=OWNER),
            system.quote.transact("approve", system.clearinghouse.address, 2**256 - 1, sender=OWNER),
            system.clearinghouse.transact("deposit", account, system.quote.address, 10**9, sender=OWNER),
            system.clearinghouse.transact("withdraw", account, system.quote.address, 10**9, OWNER, sender=OWNER),
            system.quote.transact("approve", system.clearinghouse.address, 0, sender=OWNER),
        )
    ]
    return system, spent


@pytest.mark.node
def test_the_embedded_chain_charges_what_a_node_charges(node):
    assert _life(EmbeddedChain())[1] == _life(node)[1]


@pytest.mark.node
def test_a_node_is_a_chain_whose_clock_turns(node, toy_artifact):
    assert isinstance(node, TimedChain)
    toy = deploy(node, toy_artifact, 5, sender=OWNER)
    mark, before = node.snapshot(), node.now
    node.advance(1_000)
    toy.transact("set_a", 9, sender=OWNER)
    assert node.now >= before + 1_000
    (event,) = [toy.decode_log(log) for log in node.logs([toy.address], 0)]
    assert event.args.value == 9
    node.revert(mark)
    assert (toy.call("a"), node.now) == (5, before)
    with pytest.raises(Refused, match="toy: not today"):
        toy.transact("refuse", sender=OWNER)
    with pytest.raises(Refused) as silent:
        toy.call("refuse_silently")
    assert silent.value.reason == ""
    one, two = batch(node, [toy.request("refuse"), toy.request("a")])
    assert (one.reason, two) == ("toy: not today", 5)


@pytest.mark.node
def test_unlocked_accounts_sign_at_the_node(node, toy_artifact):
    unlocked = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    toy = deploy(node, toy_artifact, 1, sender=unlocked)
    toy.transact("set_a", 2, sender=unlocked)
    assert toy.call("a") == 2


@pytest.mark.node
def test_a_sender_without_a_key_is_refused_by_name(node, toy_artifact):
    toy = deploy(node, toy_artifact, 1, sender=OWNER)
    with pytest.raises(NodeError, match="refuses"):
        toy.transact("set_a", 2, sender="0x" + "99" * 20)


def test_a_dead_node_has_a_name():
    with pytest.raises(NodeError, match="does not answer"):
        _ = NodeChain("http://127.0.0.1:9", request_timeout=1.0).chain_id


def test_an_address_book_finds_the_system_again(tmp_path):
    chain = EmbeddedChain()
    system, _ = _life(chain)
    save_book(system, tmp_path / "book.json")
    found = load_book(tmp_path / "book.json", chain)
    assert [c.address for c in found.contracts] == [c.address for c in system.contracts]
    assert found.aggregators[257].address == system.aggregators[257].address
    with pytest.raises(DeploymentError, match="is of chain 1337"):
        load_book(tmp_path / "book.json", EmbeddedChain(chain_id=5))
    with pytest.raises(DeploymentError, match="no code at IndexFeed"):
        load_book(tmp_path / "book.json", EmbeddedChain())
    for text, why in (("{", "no JSON"), ("[]", "contracts are missing")):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(DeploymentError, match=why):
            load_book(tmp_path / "bad.json", chain)
    with pytest.raises(DeploymentError, match="No such file"):
        load_book(tmp_path / "nothing.json", chain)

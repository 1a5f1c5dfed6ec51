"""Several nodes behind each other: who is good, who is asked, and what becomes of signed bytes."""

import time

import pytest

from plimsoll.chain.endpoints import Endpoints, name_of
from plimsoll.chain.errors import NodeError, RefusedByNodeError
from plimsoll.spec.errors import Refused

NOW = 1_700_000_000


class Node:
    """Answers as it is told; `lie` shifts what it says of its head, and nothing else."""

    def __init__(self, head=100):
        self.head = head
        self.lie = 0
        self.fork = ""
        self.down = False
        self.slow = 0.0
        self.refuses = None
        self.asked = []
        self.taken = []

    def ask(self, method, *params):
        self.asked.append(method)
        time.sleep(self.slow)
        if self.down:
            raise NodeError("the node does not answer: gone")
        if method == "eth_getBlockByNumber":
            number = self.head + self.lie if params[0] == "latest" else int(params[0], 16)
            if params[0] != "latest" and number > self.head:
                return None
            return {
                "number": hex(number),
                "hash": f"0x{number}{self.fork}",
                "timestamp": hex(NOW + number - 100),
                "baseFeePerGas": "0x7",
            }
        if self.refuses is not None:
            raise self.refuses
        return method

    def ask_many(self, asked):
        return [self.ask(method, *params) for method, params in asked]

    def broadcast(self, raw):
        self.taken.append(raw)
        self.ask("eth_sendRawTransaction", raw)


@pytest.fixture
def three(request):
    nodes = [Node() for _ in range(getattr(request, "param", 3))]
    found = Endpoints([f"http://10.0.0.{k}:8545/secret" for k in range(len(nodes))], timeout=1.0, clock=lambda: NOW)
    for endpoint, node in zip(found.endpoints, nodes, strict=True):
        endpoint.rpc = node
    yield found, nodes
    found.close()


def test_the_first_in_the_operators_order_is_asked(three):
    found, nodes = three
    assert found.refresh().number == 100
    assert found.ask("eth_gasPrice") == "eth_gasPrice"
    assert [node.asked.count("eth_gasPrice") for node in nodes] == [1, 0, 0]


def test_one_that_fails_is_out_at_once_until_it_shows_a_head(three):
    found, nodes = three
    found.refresh()
    nodes[0].down = True
    assert found.ask("eth_gasPrice") == "eth_gasPrice"
    assert [e.good for e in found.endpoints] == [False, True, True]
    found.ask("eth_gasPrice")
    assert nodes[0].asked.count("eth_gasPrice") == 1  # not asked in vain again
    nodes[0].down = False
    found.refresh()
    found.ask("eth_gasPrice")
    assert nodes[0].asked.count("eth_gasPrice") == 2


@pytest.mark.parametrize("three", [2, 3], indirect=True)
@pytest.mark.parametrize("lie", [1_000, 5])
def test_a_head_ahead_of_what_it_has_is_no_head(three, lie):
    found, nodes = three
    nodes[0].lie = lie
    assert found.refresh().number == 100
    assert not found.endpoints[0].good
    assert "does not have it" in found.endpoints[0].error
    found.ask("eth_gasPrice")
    assert "eth_gasPrice" not in nodes[0].asked


@pytest.mark.parametrize("three", [2, 3], indirect=True)
def test_one_that_lags_is_not_read(three):
    found, nodes = three
    nodes[0].head = 90
    assert found.refresh().number == 100
    assert found.endpoints[0].error == "10 blocks behind"
    assert found.endpoints[0].lag == 10


def test_another_block_under_one_number_is_another_chain(three):
    found, nodes = three
    nodes[1].fork = "b"
    found.refresh()
    assert [e.agrees for e in found.endpoints] == [True, False, True]
    nodes[1].head += 1  # alone ahead, under a number that nobody can compare: what was seen before still tells
    found.refresh()
    assert [e.agrees for e in found.endpoints] == [True, False, True]
    nodes[1].fork = ""
    nodes[1].head -= 1
    found.refresh()
    assert all(e.agrees for e in found.endpoints)


@pytest.mark.parametrize("three", [2], indirect=True)
def test_of_two_that_differ_nobody_knows_which_is_wrong(three):
    found, nodes = three
    nodes[0].fork = "b"
    found.refresh()
    assert [e.agrees for e in found.endpoints] == [False, False]
    for number in (101, 103):  # after a reorganisation both show the same blocks, though not always at one time
        nodes[0].fork, nodes[0].head = "", number
        nodes[1].head = number - 1
        found.refresh()
        nodes[1].head = number
        found.refresh()
    assert [e.agrees for e in found.endpoints] == [True, True]
    assert all(len(e.seen) <= 64 for e in found.endpoints)


def test_how_long_an_answer_takes(three):
    found, nodes = three
    nodes[1].slow, nodes[2].down = 0.2, True
    found.refresh()
    assert found.endpoints[0].latency < 0.2 <= found.endpoints[1].latency < 1.0
    assert found.endpoints[2].latency is None


def test_a_block_or_two_behind_is_how_networks_are(three):
    found, nodes = three
    nodes[1].head, nodes[2].head = 99, 97
    found.refresh()
    assert all(e.good for e in found.endpoints)


def test_alone_ahead_with_blocks_of_its_own(three):
    found, nodes = three
    nodes[0].head = 140
    assert found.refresh().number == 100
    assert found.endpoints[0].error == "40 blocks ahead of all others"


def test_of_two_that_lie_apart_the_later_counts_where_its_time_can_be(three):
    found, nodes = three
    nodes[2].down = True
    nodes[0].head = 100 + 5_000  # 5,000 s ahead of the clock
    assert found.refresh().number == 100
    assert "ahead of the clock" in found.endpoints[0].error
    nodes[0].head = 110
    assert found.refresh().number == 110
    assert found.endpoints[1].error == "10 blocks behind"


def test_one_that_hangs_delays_nobody_for_long(three):
    found, nodes = three
    found.refresh()
    nodes[0].slow = 5.0
    begun = time.monotonic()
    assert found.refresh().number == 100
    assert time.monotonic() - begun < 4.5
    assert not found.endpoints[0].good
    begun = time.monotonic()
    found.ask("eth_gasPrice")
    assert time.monotonic() - begun < 2.0


def test_a_refusal_of_one_is_tried_at_the_next_and_a_revert_is_not(three):
    found, nodes = three
    found.refresh()
    nodes[0].refuses = RefusedByNodeError("the node refuses: header not found")
    assert found.ask("eth_call") == "eth_call"
    assert found.endpoints[0].good  # it answers
    nodes[0].refuses = Refused("oracle: market time too old")
    with pytest.raises(Refused, match="too old"):
        found.ask("eth_call")
    assert nodes[1].asked.count("eth_call") == 1


def test_all_refuse(three):
    found, nodes = three
    found.refresh()
    for node in nodes:
        node.refuses = RefusedByNodeError("the node refuses: no such method")
    with pytest.raises(RefusedByNodeError, match="no such method"):
        found.ask("eth_whatever")


def test_nobody_answers(three):
    found, nodes = three
    for node in nodes:
        node.down = True
    with pytest.raises(NodeError, match=r"no endpoint is good: http://10\.0\.0\.0:8545: the node does not answer"):
        found.refresh()
    with pytest.raises(NodeError):
        found.ask("eth_gasPrice")
    nodes[1].down = False
    assert found.ask("eth_gasPrice") == "eth_gasPrice"  # looked again by itself


def test_the_same_bytes_go_to_all_and_one_is_enough(three):
    found, nodes = three
    found.refresh()
    nodes[0].down = nodes[1].down = True
    found.broadcast("0xabc")
    assert [node.taken for node in nodes] == [["0xabc"]] * 3
    nodes[2].down = True
    with pytest.raises(NodeError, match="no endpoint took the transaction"):
        found.broadcast("0xabd")
    nodes[1].down, nodes[1].refuses = False, RefusedByNodeError("the node refuses: nonce too low")
    with pytest.raises(RefusedByNodeError, match="nonce too low"):
        found.broadcast("0xabe")


def test_a_batch_goes_to_one(three):
    found, _ = three
    found.refresh()
    assert found.ask_many([("a", []), ("b", [])]) == ["a", "b"]
    assert found.ask_many([]) == []


def test_what_of_a_url_may_be_shown():
    assert name_of("https://user:pass@rpc.example.org:8443/v3/token?key=1") == "https://rpc.example.org:8443"


def test_none_at_all():
    with pytest.raises(ValueError, match="no endpoint"):
        Endpoints([])

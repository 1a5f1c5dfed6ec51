"""An endpoint that is broken in each of its ways, before a node that is four lines of Python."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from plimsoll.chain.errors import NodeError
from plimsoll.chain.rpc import HttpRpc
from plimsoll.simulate.errors import SimulationError
from plimsoll.simulate.rig import proxy as proxies
from plimsoll.simulate.rig.proxy import AHEAD, BEHIND, FAULTS, Proxy

RAW = "0x02f8"
HEAD = 200


class Node(ThreadingHTTPServer):
    """Answers with what it was asked, but for heads, receipts and logs; `head` may be turned."""

    daemon_threads = True

    def __init__(self):
        self.head = HEAD
        self.heard = []
        super().__init__(("127.0.0.1", 0), Answers)

    def answer(self, item):
        method, params = item["method"], item["params"]
        self.heard.append((method, params))
        if method == "eth_blockNumber":
            return hex(self.head)
        if method == "eth_getBlockByNumber":
            number = self.head if params[0] == "latest" else int(params[0], 16)
            return {"number": hex(number), "timestamp": hex(1_000 + number), "hash": f"0x{number:064x}"}
        if method == "eth_getTransactionReceipt":
            return {"blockNumber": params[0]}
        if method == "eth_getLogs":
            return [{"blockNumber": hex(k)} for k in range(self.head - 60, self.head + 1, 30)]
        return [method, params]


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        whole = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = [
            {"jsonrpc": "2.0", "id": item["id"], "result": self.server.answer(item)}
            for item in (whole if isinstance(whole, list) else [whole])
        ]
        body = json.dumps(found if isinstance(whole, list) else found[0]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def node():
    server = Node()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def proxy(node):
    with Proxy(f"http://127.0.0.1:{node.server_address[1]}") as made:
        yield made


@pytest.fixture
def rpc(proxy):
    return HttpRpc(proxy.url, 1.0)


def test_without_a_fault_it_is_not_there(proxy, rpc, node):
    assert rpc.ask("eth_call", {"to": "0x1"}, "latest") == ["eth_call", [{"to": "0x1"}, "latest"]]
    assert rpc.ask_many([("eth_blockNumber", []), ("eth_chainId", [])]) == [hex(HEAD), ["eth_chainId", []]]
    assert rpc.ask("eth_sendRawTransaction", RAW) == ["eth_sendRawTransaction", [RAW]]
    assert proxy.counts["eth_blockNumber"] == 1
    assert [(raw, handed) for _, raw, handed in proxy.sent] == [(RAW, True)]
    assert [item.params for item in proxy.requests("eth_call")] == [[{"to": "0x1"}, "latest"]]
    assert len(node.heard) == 4


def test_down_refuses_and_comes_back_at_the_same_port(proxy, rpc):
    url = proxy.url
    assert rpc.ask("eth_blockNumber") == hex(HEAD)  # leaves a connection open, which must not live on
    proxy.break_("down")
    with pytest.raises(NodeError):
        rpc.ask("eth_blockNumber")
    with pytest.raises(requests.ConnectionError):
        requests.post(url, json={}, timeout=1)
    proxy.mend()
    assert proxy.url == url
    assert rpc.ask("eth_blockNumber") == hex(HEAD)


def test_hang_answers_nothing_and_ends_when_mended(proxy, rpc, node):
    proxy.break_("hang")
    with pytest.raises(NodeError):
        rpc.ask("eth_blockNumber")
    assert node.heard == []
    begun = time.monotonic()
    proxy.mend()
    assert rpc.ask("eth_blockNumber") == hex(HEAD)
    assert time.monotonic() - begun < 1.0


def test_slow_answers_late(proxy, rpc, monkeypatch):
    monkeypatch.setattr(proxies, "SLOW", 0.3)
    proxy.break_("slow")
    begun = time.monotonic()
    assert rpc.ask("eth_blockNumber") == hex(HEAD)
    assert time.monotonic() - begun >= 0.3


def test_errors_are_http_500_and_remembered(proxy, node):
    proxy.break_("errors")
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [RAW]}
    assert requests.post(proxy.url, json=body, timeout=1).status_code == 500
    assert [(raw, handed) for _, raw, handed in proxy.sent] == [(RAW, False)]
    assert node.heard == []


def test_ahead_makes_up_heads_and_leaves_old_blocks_alone(proxy, rpc):
    proxy.break_("ahead")
    assert rpc.ask("eth_blockNumber") == hex(HEAD + AHEAD)
    head = rpc.ask("eth_getBlockByNumber", "latest", False)
    assert int(head["number"], 16) == HEAD + AHEAD
    assert head["hash"] != f"0x{HEAD:064x}"
    assert rpc.ask("eth_getBlockByNumber", "0x5", False)["number"] == "0x5"


@pytest.mark.parametrize("fault", ["behind", "frozen"])
def test_a_node_of_the_past_knows_nothing_later(proxy, rpc, node, fault):
    proxy.break_(fault)
    at = HEAD - BEHIND if fault == "behind" else HEAD
    node.head += 0 if fault == "behind" else 40
    assert rpc.ask("eth_blockNumber") == hex(at)
    assert rpc.ask("eth_getBlockByNumber", "latest", False)["number"] == hex(at)
    assert rpc.ask("eth_getBlockByNumber", hex(at + 1), False) is None
    assert rpc.ask("eth_call", {}, "latest")[1] == [{}, hex(at)]
    assert rpc.ask("eth_call", {}, "pending")[1] == [{}, hex(at)]
    assert rpc.ask("eth_call", {}, "0x7")[1] == [{}, "0x7"]
    assert rpc.ask("eth_getTransactionCount", "0x1")[1] == ["0x1", hex(at)]
    assert rpc.ask("eth_getTransactionReceipt", hex(at + 1)) is None
    assert rpc.ask("eth_getTransactionReceipt", hex(at)) == {"blockNumber": hex(at)}
    assert all(int(log["blockNumber"], 16) <= at for log in rpc.ask("eth_getLogs", {}))
    answers = rpc.ask_many([("eth_blockNumber", []), ("eth_call", [{}, "latest"])])
    assert answers == [hex(at), ["eth_call", [{}, hex(at)]]]


def test_swallow_says_the_hash_and_tells_nobody(proxy, rpc, node):
    proxy.break_("swallow")
    said = rpc.ask("eth_sendRawTransaction", "0x")
    assert said == "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"  # keccak of nothing
    assert rpc.ask("eth_blockNumber") == hex(HEAD)
    assert [method for method, _ in node.heard] == ["eth_blockNumber"]
    assert [handed for _, _, handed in proxy.sent] == [False]


def test_one_fault_ends_where_another_begins(proxy, rpc):
    proxy.break_("down")
    proxy.break_("ahead")
    assert rpc.ask("eth_blockNumber") == hex(HEAD + AHEAD)
    with pytest.raises(SimulationError, match="no fault 'rain'"):
        proxy.break_("rain")
    assert set(FAULTS) == {"down", "hang", "slow", "errors", "ahead", "behind", "frozen", "swallow"}

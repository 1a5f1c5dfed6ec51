"""A fork of the operator's chain: a development node of our own that reads the real one through a gate, and only reads.

    drill ──> anvil ──> ReadGate ──> the operator's node

anvil fetches what it lacks from its upstream, and sends it no transaction. That is not taken on trust: its upstream is
the gate, which lets through methods that read, by name, and refuses every other, so that nothing that is done on the
fork can reach the chain it was forked from.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

import requests

from plimsoll.chain.anvil import NO_ANVIL, find_anvil, free_port
from plimsoll.chain.errors import NodeError
from plimsoll.chain.node import NodeChain
from plimsoll.keeper.errors import KeeperError

READS: Final = frozenset(
    {
        "eth_blockNumber",
        "eth_call",
        "eth_chainId",
        "eth_estimateGas",
        "eth_feeHistory",
        "eth_gasPrice",
        "eth_getAccount",
        "eth_getAccountInfo",
        "eth_getBalance",
        "eth_getBlockByHash",
        "eth_getBlockByNumber",
        "eth_getBlockReceipts",
        "eth_getCode",
        "eth_getLogs",
        "eth_getProof",
        "eth_getStorageAt",
        "eth_getTransactionByHash",
        "eth_getTransactionCount",
        "eth_getTransactionReceipt",
        "eth_maxPriorityFeePerGas",
        "eth_syncing",
        "net_version",
        "web3_clientVersion",
    }
)
NO_METHOD: Final = -32601  # JSON-RPC: not to be had here
NO_ANSWER: Final = -32000
LARGEST: Final = 64 * 2**20  # [byte] of a request
START: Final = 60.0  # [s] that a fork may take until it answers


class ForkError(KeeperError):
    """No fork can be had: no anvil, or it does not start."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asked has gone: the fork ended with requests under way."""
        del request, client_address


class ReadGate:
    """A JSON-RPC endpoint of this machine that passes on what reads, and refuses the rest.

    Parameters
    ----------
    upstream
        URLs of nodes; each request goes to the first that answers.
    timeout
        Longest wait for an answer [s].

    Attributes
    ----------
    passed, refused
        Requests by method.
    """

    def __init__(self, upstream: Sequence[str], timeout: float = 20.0) -> None:
        self.upstream = tuple(upstream)
        self.timeout = timeout
        self.passed: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._sessions = threading.local()
        self._counting = threading.Lock()
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                size = int(self.headers.get("Content-Length", "0"))
                body = json.dumps(gate.answer(self.rfile.read(size) if 0 < size <= LARGEST else b"")).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as its base class names it
                del format, args

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="read gate", daemon=True)

    @property
    def url(self) -> str:
        """Where it listens: on this machine alone."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, body: bytes) -> Any:
        """The answer to one request, or to each of a batch."""
        try:
            asked = json.loads(body)
        except ValueError:
            return _error(None, -32700, "no JSON")
        if isinstance(asked, list):
            return [self._one(item) for item in asked]
        return self._one(asked)

    def _one(self, asked: Any) -> dict[str, Any]:
        if not isinstance(asked, dict) or not isinstance(asked.get("method"), str):
            return _error(None, -32600, "no request")
        method, number = asked["method"], asked.get("id")
        if method not in READS:
            with self._counting:
                self.refused[method] += 1
            return _error(number, NO_METHOD, f"{method} does not read: the gate of a drill does not pass it on")
        with self._counting:
            self.passed[method] += 1
        said = "nobody was asked"
        for url in self.upstream:
            try:
                found = self._session().post(url, json=asked, timeout=self.timeout).json()
            except (requests.RequestException, ValueError) as error:
                said = f"{type(error).__name__}"
                continue
            if isinstance(found, dict):
                return found
        return _error(number, NO_ANSWER, f"no node answers: {said}")

    def _session(self) -> requests.Session:
        found = getattr(self._sessions, "kept", None)
        if found is None:
            found = self._sessions.kept = requests.Session()
        return found


def _error(number: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}


@dataclass(frozen=True)
class Fork:
    """A running fork."""

    url: str
    gate: ReadGate
    block: int  # of the real chain, from which on it goes its own way

    def chain(self, keys: Sequence[str] = ()) -> NodeChain:
        """The fork, with keys that sign on it."""
        return NodeChain(self.url, keys)


@contextmanager
def forked(nodes: Sequence[str]) -> Iterator[Fork]:
    """A fork of the chain behind some nodes at their latest block, as long as the context lasts.

    Its clock goes on from that block's, not from this machine's.

    Raises
    ------
    ForkError
        There is no anvil, or it does not start.
    NodeError
        No node answers.
    """
    anvil = find_anvil()
    if anvil is None:
        raise ForkError(NO_ANVIL)
    with ReadGate(nodes) as gate:
        real = NodeChain(gate.url)
        block, now = real.block, real.now
        port = free_port()
        command = [anvil, "--silent", "--port", str(port), "--fork-url", gate.url, "--fork-block-number", str(block)]
        node = subprocess.Popen(  # noqa: S603 - a program of ours, and numbers
            [*command, "--no-storage-caching", "--no-rate-limit"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(node, url)
            NodeChain(url).set_time(now + 1)
            yield Fork(url, gate, block)
        finally:
            node.terminate()
            try:
                node.wait(10)
            except subprocess.TimeoutExpired:
                node.kill()
                node.wait(10)


def _wait(node: subprocess.Popen[bytes], url: str) -> None:
    until = time.monotonic() + START
    while time.monotonic() < until:
        if node.poll() is not None:
            raise ForkError(f"anvil left with code {node.returncode} before it answered")
        try:
            NodeChain(url, request_timeout=2.0).rpc.ask("eth_chainId")
        except NodeError:
            time.sleep(0.1)
        else:
            return
    raise ForkError(f"anvil did not answer within {START:.0f} s")

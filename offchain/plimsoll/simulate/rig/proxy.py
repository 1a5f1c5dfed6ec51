"""An endpoint between a keeper and its node that can be broken, and that remembers what it was asked.

down      connections are refused
hang      connections are taken, and nothing is answered
slow      answers take `SLOW` seconds
errors    every answer is HTTP 500
ahead     the head is said to be `AHEAD` blocks further, with a hash of its own
behind    everything is answered as of `BEHIND` blocks ago
frozen    everything is answered as of the block at which the fault began
swallow   signed transactions are taken, their hashes are said, and nobody else hears of them
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self
from urllib.parse import urlsplit

from eth_utils.crypto import keccak

from plimsoll.simulate.errors import SimulationError

FAULTS: Final = ("down", "hang", "slow", "errors", "ahead", "behind", "frozen", "swallow")
AHEAD: Final = 1_000  # blocks
BEHIND: Final = 50  # blocks
SLOW: Final = 3.0  # [s]
HANG: Final = 600.0  # [s] at most
UPSTREAM: Final = 60.0  # [s] that the node may take
KEPT: Final = 100_000  # requests that are remembered
# where a request says as of which block it is answered
BLOCK_AT: Final = {
    "eth_call": 1,
    "eth_estimateGas": 1,
    "eth_getBalance": 1,
    "eth_getBlockByNumber": 0,
    "eth_getCode": 1,
    "eth_getStorageAt": 2,
    "eth_getTransactionCount": 1,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    time: float  # [unix s]
    method: str
    params: Any


class Proxy:
    """One endpoint on a port of its own.

    Parameters
    ----------
    upstream
        URL of the node.
    """

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self.upstream = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.counts: Counter[str] = Counter()  # requests by method
        self.asked: list[Asked] = []  # all but the ones past the last KEPT
        self.sent: list[tuple[float, str, bool]] = []  # time, signed transaction, whether it was handed on
        self.fault: str | None = None
        self.frozen_at = 0
        self._lifted = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._server = _Server(("127.0.0.1", 0), self)
        self.port = int(self._server.server_address[1])
        self._serve()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Listen no more."""
        self._lifted.set()
        self._shut()

    def break_(self, fault: str) -> None:
        """Begin a fault; the one before ends.

        Raises
        ------
        SimulationError
            There is no such fault.
        """
        if fault not in FAULTS:
            raise SimulationError(f"an endpoint has no fault {fault!r}; {', '.join(FAULTS)} are")
        self.mend()
        if fault == "frozen":
            self.frozen_at = int(self.forward("eth_blockNumber")["result"], 16)
        self._lifted.clear()
        self.fault = fault
        if fault == "down":
            self._shut()

    def mend(self) -> None:
        """End the fault."""
        was, self.fault = self.fault, None
        self._lifted.set()
        if was == "down":
            self._server = _Server(("127.0.0.1", self.port), self)
            self._serve()

    def requests(self, method: str) -> list[Asked]:
        """Those of one method."""
        return [item for item in self.asked if item.method == method]

    # ----------------------------------------------------------------------------------------------------- internal

    def _serve(self) -> None:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def _shut(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def opened(self, connection: socket.socket) -> None:
        """A connection began."""
        with self._lock:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """It ended."""
        with self._lock:
            self._open.discard(connection)

    def forward(self, method: str, *params: Any) -> Any:
        """One request of our own to the node, as the node answers it."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        return json.loads(self.pass_on(body))

    def pass_on(self, body: bytes) -> bytes:
        """What the node answers."""
        connection = http.client.HTTPConnection(*self.upstream, timeout=UPSTREAM)
        try:
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            return connection.getresponse().read()
        finally:
            connection.close()

    def answer(self, body: bytes) -> bytes | None:
        """The answer to a request or batch under the fault of the moment; None: none, and the connection ends."""
        whole = json.loads(body)
        items = whole if isinstance(whole, list) else [whole]
        fault = self.fault
        self._remember(items, handed_on=fault not in {"hang", "errors", "swallow"})
        if fault == "hang":
            self._lifted.wait(HANG)
            return None
        if fault == "slow":
            self._lifted.wait(SLOW)
        if fault == "swallow" and any(item.get("method") == "eth_sendRawTransaction" for item in items):
            found = [self._swallowed(item) for item in items]
            return json.dumps(found if isinstance(whole, list) else found[0]).encode()
        if fault in {"behind", "frozen"}:
            return self._as_of(whole, items, fault)
        answer = self.pass_on(body)
        if fault == "ahead":
            return self._ahead(items, answer)
        return answer

    def answer_nothing(self, body: bytes) -> None:
        """Remember a request that is answered with an error."""
        whole = json.loads(body)
        self._remember(whole if isinstance(whole, list) else [whole], handed_on=False)

    def _remember(self, items: list[Any], *, handed_on: bool) -> None:
        now = time.time()
        with self._lock:
            for item in items:
                method, params = item.get("method", ""), item.get("params", [])
                self.counts[method] += 1
                if len(self.asked) < KEPT:
                    self.asked.append(Asked(now, method, params))
                if method == "eth_sendRawTransaction":
                    self.sent.append((now, str(params[0]), handed_on))

    def _swallowed(self, item: Any) -> Any:
        if item.get("method") != "eth_sendRawTransaction":
            return {**self.forward(item["method"], *item.get("params", [])), "id": item.get("id")}
        hashed = keccak(bytes.fromhex(str(item["params"][0]).removeprefix("0x")))
        return {"jsonrpc": "2.0", "id": item.get("id"), "result": "0x" + hashed.hex()}

    def _as_of(self, whole: Any, items: list[Any], fault: str) -> bytes:
        """The answer of a node that has seen nothing since a block."""
        at = self.frozen_at
        if fault == "behind":
            at = max(0, int(self.forward("eth_blockNumber")["result"], 16) - BEHIND)
        changed = []
        for item in items:
            place = BLOCK_AT.get(item.get("method", ""))
            params = list(item.get("params", []))
            if place is not None:
                params = [*params, *(["latest"] * (place + 1 - len(params)))]
                if params[place] in {"latest", "pending", "safe", "finalized"}:
                    params[place] = hex(at)
            changed.append({**item, "params": params})
        answers = json.loads(self.pass_on(json.dumps(changed).encode()))
        by_id = {item.get("id"): item.get("method") for item in items}
        for answer in answers:
            method, result = by_id.get(answer.get("id")), answer.get("result")
            if method == "eth_blockNumber":
                answer["result"] = hex(at)
            elif method == "eth_getTransactionReceipt" and result and int(result["blockNumber"], 16) > at:
                answer["result"] = None
            elif method == "eth_getLogs" and isinstance(result, list):
                answer["result"] = [log for log in result if int(log["blockNumber"], 16) <= at]
            elif method == "eth_getBlockByNumber" and result and int(result["number"], 16) > at:
                answer["result"] = None
        return json.dumps(answers if isinstance(whole, list) else answers[0]).encode()

    @staticmethod
    def _ahead(items: list[Any], answer: bytes) -> bytes:
        """Heads that nobody else has seen."""
        whole = json.loads(answer)
        asked = {item.get("id"): item for item in items}
        for found in whole if isinstance(whole, list) else [whole]:
            item, result = asked.get(found.get("id"), {}), found.get("result")
            if item.get("method") == "eth_blockNumber" and result:
                found["result"] = hex(int(result, 16) + AHEAD)
            elif item.get("method") == "eth_getBlockByNumber" and result and item["params"][0] in {"latest", "pending"}:
                number = hex(int(result["number"], 16) + AHEAD)
                time_ = hex(int(result["timestamp"], 16) + AHEAD)
                made_up = "0x" + keccak(text=f"{number} of nobody").hex()
                found["result"] = {**result, "number": number, "timestamp": time_, "hash": made_up}
        return json.dumps(whole).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], proxy: Proxy) -> None:
        self.proxy = proxy
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke, as they do here."""
        del request, client_address


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or every answer waits 40 ms for its head to be acknowledged
    wbufsize = 2**16

    def setup(self) -> None:
        """Remember the connection."""
        super().setup()
        self.server.proxy.opened(self.connection)

    def finish(self) -> None:
        """Forget it."""
        self.server.proxy.closed(self.connection)
        super().finish()

    def do_POST(self) -> None:
        """One request or batch."""
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if proxy.fault == "errors":
            proxy.answer_nothing(body)
            self._write(500, b'{"error": "internal error"}')
            return
        try:
            answer = proxy.answer(body)
        except (OSError, http.client.HTTPException):
            self._write(502, b"")
            return
        if answer is None:
            self.close_connection = True
            return
        self._write(200, answer)

    def _write(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Nothing: what was asked is remembered."""

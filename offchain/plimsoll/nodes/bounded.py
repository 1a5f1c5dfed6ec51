"""An HTTP server that strangers cannot wear out: so many connections at once, each with a time, one request each."""

from __future__ import annotations

import contextlib
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

AT_ONCE: Final = 16  # connections; each takes a thread
SECONDS: Final = 5.0  # for a read or a write
LONGEST: Final = 3  # times that, for all of a connection: who sends a byte now and then is cut off


def _cut(connection: socket.socket) -> None:
    """End a connection that another thread reads from."""
    with contextlib.suppress(OSError):  # it ended by itself
        connection.shutdown(socket.SHUT_RDWR)


class BoundedServer(ThreadingHTTPServer):
    """A thread a connection, `at_once` of them; each is cut off after three times `seconds`.

    Parameters
    ----------
    handler
        Answers; a `BoundedHandler`.
    host, port
        Where to listen; port 0 takes any free one.
    seconds
        For a read or a write [s].
    at_once
        Connections.

    Raises
    ------
    OSError
        The port cannot be had.
    """

    daemon_threads = True
    request_queue_size = AT_ONCE

    def __init__(
        self,
        handler: type[BaseHTTPRequestHandler],
        host: str = "127.0.0.1",
        port: int = 0,
        seconds: float = SECONDS,
        at_once: int = AT_ONCE,
    ) -> None:
        self.seconds = seconds
        self._room = threading.BoundedSemaphore(at_once)
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        host = str(self.server_address[0])
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server_address[1]}"

    def start(self) -> threading.Thread:
        """Serve in a thread of this process, until `shutdown`."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        return thread

    def met(self, outcome: str) -> None:
        """A connection came to nothing: `crowded` or `broken`. For servers that count."""

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for a connection, where there is room for one more."""
        if not self._room.acquire(blocking=False):
            self.met("crowded")
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # the system has no thread to give
            self._room.release()
            self.met("crowded")
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """As the base class; then give the room back, at the latest when the connection has had its time."""
        ends = threading.Timer(LONGEST * self.seconds, _cut, [request])
        ends.daemon = True
        ends.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            ends.cancel()
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is counted, no more: the base class would print a traceback."""
        del request, client_address
        self.met("broken")


class BoundedHandler(BaseHTTPRequestHandler):
    """One connection, one request, whose reads and writes have a time."""

    server: BoundedServer
    protocol_version = "HTTP/1.0"  # a connection a request: nobody keeps a thread
    server_version = "plimsoll"
    sys_version = ""
    disable_nagle_algorithm = True  # or every answer waits 40 ms for its head to be acknowledged

    def setup(self) -> None:
        """Set the time-out of every read and write."""
        super().setup()
        self.connection.settimeout(self.server.seconds)

    def write(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        """Answer whole."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Nothing on standard error: a stranger does not write there."""

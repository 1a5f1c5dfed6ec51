"""A co-signer over HTTP: `POST /sign`, `GET /healthz`, `GET /metrics`; the wire is `plimsoll.nodes.wire`.

Requests have a size, a time and a number: what is longer, slower or more than that is turned away. An answer holds a
signature, disagreements or one line of text; what went wrong inside goes to the journal. A co-signer needs no secret
of whoever asks, but a port that only the other nodes reach keeps strangers from using up its time.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, generate_latest

from plimsoll.nodes.bounded import SECONDS, BoundedHandler, BoundedServer
from plimsoll.nodes.errors import WireError
from plimsoll.nodes.wire import MAX_PROPOSAL, Answer, Proposal


class Signer(Protocol):
    """What answers proposals; a `CoSigner`, as a rule."""

    address: str

    def answer(self, proposed: Proposal) -> Answer:
        """A signature, or why not."""

    def record(self, kind: str, time: int, **fields: Any) -> object:
        """Keep a line in the journal."""


class Service(BoundedServer):
    """The server of one signer; `start` it in a thread, or `serve_forever`.

    Parameters
    ----------
    signer
        What answers.
    host, port
        Where to listen; port 0 takes any free one.
    seconds
        Time for a request and for an answer.

    Raises
    ------
    OSError
        The port cannot be had.
    """

    def __init__(self, signer: Signer, host: str = "127.0.0.1", port: int = 0, seconds: float = SECONDS) -> None:
        self.signer = signer
        self.registry = CollectorRegistry()
        self.requests = Counter("plimsoll_node_requests", "Requests by outcome", ["outcome"], registry=self.registry)
        super().__init__(_Handler, host, port, seconds)

    def met(self, outcome: str) -> None:
        """Count a connection that came to nothing."""
        self.requests.labels(outcome).inc()


class _Handler(BoundedHandler):
    server: Service
    server_version = "plimsoll-node"

    def do_POST(self) -> None:
        """Answer a proposal."""
        if self.path != "/sign":
            self._send(HTTPStatus.NOT_FOUND, Answer(error="no such path; /sign is right"))
            return
        try:
            proposed = Proposal.parse(self._body())
        except _TooLargeError as error:
            self._send(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, Answer(error=str(error)))
            return
        except WireError as error:
            self._send(HTTPStatus.BAD_REQUEST, Answer(error=str(error)))
            return
        try:
            answer = self.server.signer.answer(proposed)
        except Exception as error:  # noqa: BLE001 - whatever it is, the asker hears one line and the journal its name
            self.server.signer.record("node-error", int(time.time()), error=f"{type(error).__name__}: {error}")
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, Answer(error="internal error"))
            return
        if answer.error:
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, answer)
        else:
            self._send(HTTPStatus.CONFLICT if answer.signature is None else HTTPStatus.OK, answer)

    def do_GET(self) -> None:
        """Say that it lives, and what it did."""
        if self.path == "/healthz":
            body = f'{{"ok": true, "signer": "{self.server.signer.address}"}}\n'.encode()
            self._write(HTTPStatus.OK, body, "application/json")
        elif self.path == "/metrics":
            self._write(HTTPStatus.OK, generate_latest(self.server.registry), "text/plain; version=0.0.4")
        else:
            self._send(HTTPStatus.NOT_FOUND, Answer(error="no such path; /sign, /healthz and /metrics are"))

    def _body(self) -> bytes:
        """The request's body, no longer and no slower than allowed."""
        text = self.headers.get("Content-Length", "")
        if not (text.isascii() and text.isdigit()) or len(text) > 12:
            raise WireError("a Content-Length is needed")
        length = int(text)
        if length > MAX_PROPOSAL:
            raise _TooLargeError(f"{length} bytes; at most {MAX_PROPOSAL} is right")
        until = time.monotonic() + self.server.seconds
        parts, got = [], 0
        while got < length:
            try:
                self.connection.settimeout(max(until - time.monotonic(), 1e-3))
                part = self.rfile.read1(length - got)
            except TimeoutError as error:
                raise WireError(f"too slow: {got} of {length} bytes in {self.server.seconds} s") from error
            if not part:
                raise WireError(f"{got} bytes of {length}")
            parts.append(part)
            got += len(part)
        self.connection.settimeout(self.server.seconds)
        return b"".join(parts)

    def _send(self, status: HTTPStatus, answer: Answer) -> None:
        self._write(status, answer.body, "application/json")

    def _write(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        outcome = {HTTPStatus.OK: "signed", HTTPStatus.CONFLICT: "refused"}.get(status, "failed")
        if self.command == "POST":
            self.server.requests.labels(outcome).inc()
        self.write(status, body, kind)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class refuses: a line of JSON too, and nothing of its own about who runs here."""
        del explain
        status = HTTPStatus(code)
        self._send(status, Answer(error=(message or status.phrase)[:200]))


class _TooLargeError(WireError):
    """A request that is longer than any proposal."""

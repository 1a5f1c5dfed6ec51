"""What a keeper answers over HTTP: `/metrics` for Prometheus, `/healthz` for who restarts it, `/status` for people.

Everything is worked out when it is asked for, by the thread that asks: a loop that hangs cannot keep a good answer
alive. `/healthz` is 200 with `{"ok": true}`, or 503 with the reasons by name, which are the alerts that make a keeper
unfit (`plimsoll.keeper.alerts`). Only this machine is listened to unless the settings say otherwise: who reads the
status knows which accounts will be liquidated.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from plimsoll.keeper.alerts import Limits, unfit
from plimsoll.keeper.logs import event
from plimsoll.keeper.status import StatusBoard
from plimsoll.nodes.bounded import SECONDS, BoundedHandler, BoundedServer

JSON: Final = "application/json"


class OperationsServer(BoundedServer):
    """The server of one keeper; `start` it in a thread.

    Parameters
    ----------
    board
        The keeper's status.
    registry
        The keeper's metrics.
    host, port
        Where to listen; port 0 takes any free one.
    limits
        When a keeper is not fit.
    seconds
        For a read or a write [s].

    Raises
    ------
    OSError
        The port cannot be had.
    """

    def __init__(
        self,
        board: StatusBoard,
        registry: CollectorRegistry,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        limits: Limits | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self.board = board
        self.registry = registry
        self.limits = limits or Limits()
        super().__init__(_Handler, host, port, seconds)

    def health(self) -> tuple[HTTPStatus, dict[str, Any]]:
        """Whether the keeper is fit now, and if not, why."""
        status = self.board.current()
        reasons = unfit(status, self.limits)
        plain = {"ok": not reasons, "reasons": reasons, "age": round(status.loop.age, 3), "version": status.version}
        return HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK, plain


class _Handler(BoundedHandler):
    server: OperationsServer
    server_version = "plimsoll-keeper"

    def do_GET(self) -> None:
        """Answer one of three paths."""
        path = self.path.partition("?")[0]
        try:
            if path == "/metrics":
                self.write(HTTPStatus.OK, generate_latest(self.server.registry), CONTENT_TYPE_LATEST)
            elif path == "/healthz":
                status, plain = self.server.health()
                self._json(status, plain)
            elif path == "/status":
                self._json(HTTPStatus.OK, self.server.board.current().to_plain())
            else:
                self._json(HTTPStatus.NOT_FOUND, {"error": "no such path; /metrics, /healthz and /status are"})
        except OSError:
            raise  # the connection is gone
        except Exception as error:  # noqa: BLE001 - a bug here must not look like health
            event("error", "request-failed", path=path[:64], failure=error)
            self._json(HTTPStatus.INTERNAL_SERVER_ERROR, {"ok": False, "error": "internal error"})

    def do_HEAD(self) -> None:
        """The same without its body."""
        self.do_GET()

    def _json(self, status: HTTPStatus, plain: Any) -> None:
        self.write(status, json.dumps(plain).encode() + b"\n", JSON)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class refuses: a line of JSON, and nothing of the request in it."""
        del message, explain
        status = HTTPStatus(code)
        self._json(status, {"error": status.phrase})

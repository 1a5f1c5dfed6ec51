"""JSON-RPC: what a node is asked, and how its answers are told apart.

an answer            the result
Refused              the contract reverted, with its reason: an answer too, the same at every node
RefusedByNodeError   the node answered, and will not: a nonce too low, a fee too small, a method it lacks
NodeError            no answer, or none that makes sense: another node may know better

One request is one try: who has another endpoint asks that, see `plimsoll.chain.endpoints`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import requests
from web3 import HTTPProvider
from web3.exceptions import Web3Exception
from web3.types import RPCEndpoint

from plimsoll.chain.errors import NodeError, RefusedByNodeError
from plimsoll.chain.protocol import revert_reason
from plimsoll.spec.errors import Refused

REVERTED: Final = 3  # JSON-RPC error code of a revert
Request = tuple[str, Sequence[Any]]  # method, parameters


class Rpc(Protocol):
    """Something that answers JSON-RPC: one node, or several behind each other."""

    def ask(self, method: str, *params: Any) -> Any:
        """The result of one request; raises `Refused` or NodeError."""

    def ask_many(self, asked: Sequence[Request]) -> list[Any]:
        """The results of a batch, in order; a revert gives its `Refused`; raises NodeError."""

    def broadcast(self, raw: str) -> None:
        """Hand over a signed transaction; one that is known already is handed over. Raises NodeError."""


class HttpRpc:
    """One node's HTTP endpoint, by web3.py's provider.

    Parameters
    ----------
    url
        Of the endpoint.
    timeout
        Longest wait for an answer [s].
    """

    def __init__(self, url: str, timeout: float = 20.0) -> None:
        self.url = url
        self._provider = HTTPProvider(url, request_kwargs={"timeout": timeout}, exception_retry_configuration=None)

    def ask(self, method: str, *params: Any) -> Any:
        """The result of one request."""
        answer = self._send(lambda: self._provider.make_request(RPCEndpoint(method), list(params)))
        if not isinstance(answer, dict):
            raise NodeError(f"the node answered {method} with {answer!r:.200}")
        error = answer.get("error")
        if error is not None:
            raise explain(error)
        return answer.get("result")

    def ask_many(self, asked: Sequence[Request]) -> list[Any]:
        """The results of a batch."""
        if not asked:
            return []
        sent = [(RPCEndpoint(method), list(params)) for method, params in asked]
        answers = self._send(lambda: self._provider.make_batch_request(sent))
        if not isinstance(answers, list) or len(answers) != len(asked):
            raise NodeError(f"the node answered a batch of {len(asked)} with {answers!r:.200}")
        found: list[Any] = []
        for answer in sorted(answers, key=lambda item: int(item["id"])):
            error = answer.get("error")
            if error is None:
                found.append(answer.get("result"))
                continue
            explained = explain(error)
            if not isinstance(explained, Refused):
                raise explained
            found.append(explained)
        return found

    def broadcast(self, raw: str) -> None:
        """Hand over a signed transaction."""
        try:
            self.ask("eth_sendRawTransaction", raw)
        except RefusedByNodeError as error:
            if not is_known(error):
                raise

    @staticmethod
    def _send(request: Any) -> Any:
        try:
            return request()
        except (requests.RequestException, Web3Exception, ValueError, KeyError, TypeError) as error:
            raise NodeError(f"the node does not answer: {type(error).__name__}: {error}") from error


def is_known(error: Exception) -> bool:
    """Whether a node refuses a transaction because it has it."""
    said = str(error).lower()
    return "already known" in said or "already imported" in said or "known transaction" in said


def is_underpriced(error: Exception) -> bool:
    """Whether a node wants a higher fee for a nonce that another transaction has."""
    return "underpriced" in str(error).lower()


def is_nonce_spent(error: Exception) -> bool:
    """Whether a transaction of this nonce was mined."""
    return "nonce too low" in str(error).lower()


def as_bytes(text: Any) -> bytes:
    """What a node writes as hexadecimal digits."""
    return bytes.fromhex(str(text).removeprefix("0x"))


def explain(error: Any) -> Refused | NodeError:
    """A JSON-RPC error: a revert with its reason, or the node's own refusal."""
    if not isinstance(error, dict):
        return RefusedByNodeError(f"the node refuses: {error}")
    message = str(error.get("message", ""))
    data = error.get("data")
    if isinstance(data, dict):  # some nodes wrap it
        data = data.get("data") or data.get("result")
    if isinstance(data, str) and data.startswith("0x") and (error.get("code") == REVERTED or "revert" in message):
        return Refused(revert_reason(as_bytes(data)))
    if error.get("code") == REVERTED or "execution reverted" in message:
        return Refused("")
    return RefusedByNodeError(f"the node refuses: {message or error}")

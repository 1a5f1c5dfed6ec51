"""Several nodes behind each other: the first good one is asked, the next at once where it fails.

`refresh` asks every endpoint for its head, all at the same time. An endpoint is good where it answers, where its head
is a block that it can show, where it is neither behind the others nor alone ahead of them. Reads go to the first good
one in the operator's order; one that fails is out until it shows a good head again. A read never goes to an endpoint
that lags: a liquidation decided on old state is a loss.

The reference is the highest head that two endpoints are near; where no two agree, the highest. A signed transaction
is handed to every endpoint that answers: the same bytes, so that more than one transaction cannot come of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from plimsoll.chain.errors import NodeError, RefusedByNodeError
from plimsoll.chain.head import Head, head_of
from plimsoll.chain.rpc import HttpRpc, Request, Rpc
from plimsoll.spec.errors import Refused

MAX_LAG: Final = 3  # blocks
MAX_AHEAD: Final = 900  # [s] that a head may be ahead of this machine's clock: 12 s is the rule, clocks are worse
REMEMBERED: Final = 64  # blocks back that an endpoint's heads are kept, to compare it with the others by
HEAD_PATIENCE: Final = 2.0  # [s] for heads; who takes longer is out until it has answered


@dataclass(slots=True)
class Endpoint:
    """One node, as it was seen last."""

    name: str  # host and port: a path may hold a token
    rpc: Rpc
    head: Head | None = None
    error: str | None = "not asked yet"
    lag: int = 0  # blocks behind the reference; under 0: ahead
    agrees: bool = True  # whether, of the others that saw a block under a number it saw too, half or more saw the same
    latency: float | None = None  # [s] of its last head
    asked: Future[tuple[Head, float]] | None = field(default=None, repr=False)
    seen: dict[int, str] = field(default_factory=dict, repr=False)  # hashes of its last heads, by number

    @property
    def good(self) -> bool:
        """Whether reads may go there."""
        return self.error is None


def _timed_head(rpc: Rpc) -> tuple[Head, float]:
    """The head of an endpoint, and how long its answer took [s]."""
    begun = time.monotonic()
    return head_of(rpc), time.monotonic() - begun


def name_of(url: str) -> str:
    """Scheme, host and port: what of a URL may be shown."""
    parts = urlsplit(url)
    at = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{at}"


class Endpoints:
    """Nodes of one chain behind each other; satisfies `plimsoll.chain.rpc.Rpc`.

    Parameters
    ----------
    urls
        In the order they are to be asked in.
    timeout
        Longest wait for an answer of one [s].
    max_lag
        Blocks that a head may be behind, or alone ahead.
    clock
        This machine's [unix s].
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        timeout: float = 5.0,
        max_lag: int = MAX_LAG,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not urls:
            raise ValueError("no endpoint; one at least is right")
        self.endpoints = [Endpoint(name_of(url), HttpRpc(url, timeout)) for url in urls]
        self.max_lag = max_lag
        self.timeout = timeout
        self.clock = clock
        self._pool = ThreadPoolExecutor(4 * len(urls), thread_name_prefix="endpoint")
        self._lock = threading.Lock()
        self._fresh = False
        self._head: Head | None = None

    def close(self) -> None:
        """Let go of the threads; what they still wait for ends by its own time limit."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    # --------------------------------------------------------------------------------------------------------- head

    def refresh(self) -> Head:
        """Look at every head, say who is good, and give the head of the first who is.

        Raises
        ------
        NodeError
            Nobody is, with what is wrong with each.
        """
        with self._lock:
            self._look()
            self._compare()
            self._judge()
            self._fresh = True
            for endpoint in self.endpoints:
                if endpoint.good and endpoint.head is not None:
                    self._head = endpoint.head
                    return endpoint.head
        raise NodeError(self._wrong())

    def current(self) -> Head:
        """The head as it was seen last: one round reads at one block, without asking which.

        Raises
        ------
        NodeError
            None was seen yet, and nobody shows one.
        """
        return self._head or self.refresh()

    def _look(self) -> None:
        for endpoint in self.endpoints:
            if endpoint.asked is None:
                endpoint.asked = self._pool.submit(_timed_head, endpoint.rpc)
        wait([e.asked for e in self.endpoints if e.asked is not None], timeout=HEAD_PATIENCE)
        for endpoint in self.endpoints:
            asked = endpoint.asked
            if asked is None or not asked.done():
                endpoint.head, endpoint.error = None, f"no answer within {HEAD_PATIENCE:g} s"
                continue
            endpoint.asked = None
            try:
                (endpoint.head, endpoint.latency), endpoint.error = asked.result(), None
            except (NodeError, Refused) as error:
                endpoint.head, endpoint.error = None, str(error)

    def _compare(self) -> None:
        """Who shows another block than most under the highest number that two of them showed."""
        for endpoint in self.endpoints:
            if endpoint.head is not None:
                at = endpoint.head.number
                kept = {number: seen for number, seen in endpoint.seen.items() if at - REMEMBERED < number < at}
                endpoint.seen = {**kept, at: endpoint.head.hash}
        shown = [e for e in self.endpoints if e.head is not None]
        for endpoint in shown:
            same = 0  # over 0: more agree than not
            for other in shown:
                common = endpoint.seen.keys() & other.seen.keys()
                if other is not endpoint and common:
                    same += 1 if endpoint.seen[max(common)] == other.seen[max(common)] else -1
            endpoint.agrees = same >= 0

    def _judge(self) -> None:
        shown = [e for e in self.endpoints if e.head is not None]
        heads = [e.head.number for e in shown if e.head is not None]
        if heads and max(heads) - min(heads) > self.max_lag:
            for endpoint in shown:
                self._prove(endpoint)
            shown = [e for e in shown if e.good]
        numbers = sorted((e.head.number for e in shown if e.head is not None), reverse=True)
        if not numbers:
            return
        agreed = [n for n in numbers if sum(abs(n - other) <= self.max_lag for other in numbers) > 1]
        reference = (agreed or numbers)[0]
        for endpoint in shown:
            if endpoint.head is None:
                continue
            endpoint.lag = reference - endpoint.head.number
            if endpoint.lag > self.max_lag:
                endpoint.error = f"{endpoint.lag} blocks behind"
            elif -endpoint.lag > self.max_lag:
                endpoint.error = f"{-endpoint.lag} blocks ahead of all others"

    def _prove(self, endpoint: Endpoint) -> None:
        """Where heads lie apart: an endpoint must have the block that it names, and of no later time than now."""
        head = endpoint.head
        if head is None:
            return
        try:
            again = head_of(endpoint.rpc, hex(head.number))
        except (NodeError, Refused) as error:
            endpoint.error = f"names block {head.number} as its head and does not have it ({error})"
            return
        if again.hash != head.hash:
            endpoint.error = f"names block {head.number} as its head and has another there"
        elif head.time > self.clock() + MAX_AHEAD:
            endpoint.error = f"its head is {head.time - self.clock():.0f} s ahead of the clock"

    def _wrong(self) -> str:
        return "no endpoint is good: " + "; ".join(f"{e.name}: {e.error}" for e in self.endpoints)

    # --------------------------------------------------------------------------------------------------------- asks

    def ask(self, method: str, *params: Any) -> Any:
        """The first good endpoint's answer."""
        return self._first(lambda rpc: rpc.ask(method, *params))

    def ask_many(self, asked: Sequence[Request]) -> list[Any]:
        """The first good endpoint's answers, all of the same one."""
        return self._first(lambda rpc: rpc.ask_many(asked)) if asked else []

    def _first(self, question: Callable[[Rpc], Any]) -> Any:
        if not self._fresh:
            self.refresh()
        refused: RefusedByNodeError | None = None
        for endpoint in self.endpoints:
            if not endpoint.good:
                continue
            try:
                return question(endpoint.rpc)
            except RefusedByNodeError as error:  # it may lack what the next has: a block, a method
                refused = refused or error
            except NodeError as error:
                endpoint.error = str(error)
        if refused is not None:
            raise refused
        self._fresh = False  # the next question looks again
        raise NodeError(self._wrong())

    def broadcast(self, raw: str) -> None:
        """Hand the same bytes to every endpoint; one that takes them is enough.

        Raises
        ------
        RefusedByNodeError
            All that answer refuse, with the first refusal.
        NodeError
            None answers.
        """
        waiting = {self._pool.submit(endpoint.rpc.broadcast, raw) for endpoint in self.endpoints}
        until = time.monotonic() + self.timeout
        failures: list[NodeError | Refused] = []
        while waiting:
            done, waiting = wait(waiting, timeout=max(0.0, until - time.monotonic()), return_when=FIRST_COMPLETED)
            if not done:
                break
            for sent in done:
                error = sent.exception()
                if error is None:
                    return
                if not isinstance(error, (NodeError, Refused)):
                    raise error
                failures.append(error)
        for error in failures:
            if isinstance(error, (RefusedByNodeError, Refused)):
                raise error
        raise NodeError("no endpoint took the transaction: " + "; ".join(map(str, failures)))

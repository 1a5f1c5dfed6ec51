"""Alerts: what an operator is told without looking, and how it reaches him.

An alert is a pure function of the status: it says what is wrong, or nothing. Two severities, by what they ask for:
`page`, somebody must get up now; `ticket`, somebody looks at it tomorrow. Each has a section of its name in
docs/KEEPER.md, which says what to do.

    board.current() --RULES--> firing --Alarm--> fired, repeated, resolved --Webhook--> the operator

`Alarm` makes of conditions that come and go one message when it begins, one each `repeat` seconds while it lasts, and
one when it is over. `Webhook` delivers in a thread of its own, tries again until a deadline and then lets go: the loop
never waits for it. `Watchman` drives both, in a third thread, so that a loop that hangs is told of.

A webhook's URL is a secret: who has it can write to the operator. It comes from an environment variable.
"""

from __future__ import annotations

import os
import queue
import threading
import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import requests
from pydantic import BaseModel, ConfigDict, Field

from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.logs import SECRETS, event
from plimsoll.keeper.status import AlertStatus, Status, StatusBoard, account_text

PAGE: Final = "page"
TICKET: Final = "ticket"
RUNBOOK: Final = "docs/KEEPER.md"
QUEUE: Final = 256  # notices of one severity that wait for delivery
DEAD: Final = frozenset({"liquidatable", "insolvent"})
NO_PRICE: Final = frozenset({"perp", "option"})  # kinds of sources that make no price of the underlying

Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Strict):
    """When a status is bad."""

    hung: float = Field(default=120.0, gt=0, description="since the last round ended [s]")
    head_age: float = Field(default=90.0, gt=0, description="of the newest block [s]")
    lag: int = Field(default=5, ge=1, description="of an endpoint behind the best [blocks]")
    late: float = Field(default=1.25, ge=1, description="age of the report over the heartbeat")
    stale: float = Field(default=0.8, gt=0, le=1, description="age of the report over the oracle's max_age")
    refused: int = Field(default=3, ge=1, description="posts in a row")
    days_page: float = Field(default=1.0, ge=0, description="that a key's balance lasts [days]")
    days_ticket: float = Field(default=7.0, ge=0, description="likewise")
    stuck: float = Field(default=300.0, gt=0, description="age of a transaction that is not mined [s]")
    reorganised: int = Field(default=3, ge=1, description="blocks of a reorganisation that are usual")
    waiting: int = Field(default=10, ge=1, description="blocks that a due step waits for somebody")
    silent_auction: float = Field(default=600.0, gt=0, description="age of an auction without a bid [s]")
    behind: int = Field(default=20, ge=1, description="of the index behind the head [blocks]")
    free: float = Field(default=1.0, ge=0, description="on the journal's disk [GiB]")
    skew: float = Field(default=10.0, gt=0, description="of this machine's clock [s]")
    relay: float = Field(default=3_600.0, gt=0, description="since a relay was last heard of [s]")


class AlertSettings(_Strict):
    """Who is told, and how often.

    `page` and `ticket` name environment variables that hold webhook URLs; without `ticket`, tickets go where pages go.
    """

    page: Variable
    ticket: Variable | None = None
    every: float = Field(default=5.0, gt=0, le=60, description="between looks at the status [s]")
    repeat: float = Field(default=3_600.0, ge=60, description="between messages while an alert lasts [s]")
    calm: float = Field(default=60.0, ge=0, description="without the condition before an alert is over [s]")
    deadline: float = Field(default=900.0, gt=0, description="for delivering one message [s]")
    runbook: str = Field(default=RUNBOOK, description="where the runbook is read; a page's address, as a rule")
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class Rule:
    """One alert.

    Parameters
    ----------
    name
        Also its anchor in the runbook.
    severity
        `page` or `ticket`.
    summary
        What it means, in a line.
    check
        What is wrong now, or nothing.
    lasting
        How long that must hold before it is said [s].
    unfit
        Whether a keeper of which this holds is not fit: `/healthz` says so.
    """

    name: str
    severity: str
    summary: str
    check: Callable[[Status, Limits], str]
    lasting: float = 0.0
    unfit: bool = False


@dataclass(frozen=True, slots=True)
class Firing:
    """A rule whose condition holds, and what it says."""

    rule: Rule
    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to the operator: `firing`, `still firing` or `resolved`."""

    name: str
    severity: str
    state: str
    text: str
    since: int
    time: int


# ---------------------------------------------------------------------------------------------------------- conditions


def _joined(parts: Sequence[str]) -> str:
    """The first of what is wrong, and how many more."""
    shown = "; ".join(parts[:5])
    return f"{shown}; and {len(parts) - 5} more" if len(parts) > 5 else shown


def _halted(status: Status, limits: Limits) -> str:
    del limits
    return _joined(
        [
            f"the {what} loop halted: {loop.halted}"
            for what, loop in (("posting", status.loop), ("enforcing", status.enforcing))
            if loop is not None and loop.halted
        ]
    )


def _hung(status: Status, limits: Limits) -> str:
    # where the chain stands there is nothing to do in a round; but only who looks can know that it stands
    if status.head.age > limits.head_age and status.silent <= limits.hung:
        return ""
    return _joined(
        [
            f"no round of the {what} loop ended for {loop.age:.0f} s"
            for what, loop in (("posting", status.loop), ("enforcing", status.enforcing))
            if loop is not None and not loop.halted and loop.age > limits.hung
        ]
    )


def _failing(status: Status, limits: Limits) -> str:
    del limits
    return _joined(
        [
            f"{loop.failures_in_a_row} rounds of the {what} loop failed in a row, the last with: {loop.last_error}"
            for what, loop in (("posting", status.loop), ("enforcing", status.enforcing))
            if loop is not None and loop.failures_in_a_row > 1
        ]
    )


def _head(status: Status, limits: Limits) -> str:
    if not status.head.number or status.head.age <= limits.head_age:
        return ""
    return f"the newest block, {status.head.number}, is {status.head.age:.0f} s old"


def _all_down(status: Status, limits: Limits) -> str:
    del limits
    if not status.endpoints or any(item.healthy for item in status.endpoints):
        return ""
    return "no RPC endpoint answers: " + _joined([f"{item.url}: {item.error}" for item in status.endpoints])


def _one_down(status: Status, limits: Limits) -> str:
    down = [item for item in status.endpoints if not item.healthy]
    if not down or _all_down(status, limits):
        return ""
    return _joined([f"RPC endpoint {item.url} is down: {item.error}" for item in down])


def _disagree(status: Status, limits: Limits) -> str:
    return _joined(
        [
            f"RPC endpoint {item.url} "
            + ("knows another block under one number" if not item.agrees else f"is {item.lag} blocks behind")
            for item in status.endpoints
            if item.healthy and (not item.agrees or item.lag > limits.lag)
        ]
    )


def _late(status: Status, limits: Limits) -> str:
    report = status.report
    if not report.sequence or not report.heartbeat or report.age <= limits.late * report.heartbeat:
        return ""
    return f"report {report.sequence} is {report.age:.0f} s old, the heartbeat {report.heartbeat} s"


def _stale(status: Status, limits: Limits) -> str:
    report = status.report
    if not report.sequence or not report.max_age or report.age <= limits.stale * report.max_age:
        return ""
    return (
        f"report {report.sequence} is {report.age:.0f} s old; after {report.max_age} s only risk reduction is allowed"
    )


def _refused(status: Status, limits: Limits) -> str:
    if status.report.refused < limits.refused:
        return ""
    return f"{status.report.refused} posts refused in a row, the last with: {status.report.last_error}"


def _quorum(status: Status, limits: Limits) -> str:
    del limits
    good = sum(item.ok for item in status.signers)
    if not status.signers or good >= status.report.quorum:
        return ""
    return f"{good} of {len(status.signers)} signers answer, the quorum is {status.report.quorum}"


def _signer(status: Status, limits: Limits) -> str:
    if _quorum(status, limits):
        return ""
    return _joined([f"signer {item.name} is silent: {item.error}" for item in status.signers if not item.ok])


def _by_market(status: Status) -> Iterator[tuple[str, list[bool]]]:
    """Whether each source of a price is good, by market."""
    pricing = [item for item in status.sources if item.kind not in NO_PRICE]
    for market in dict.fromkeys(item.market for item in pricing):
        yield market, [item.used for item in pricing if item.market == market]


def _sources(status: Status, limits: Limits) -> str:
    del limits
    return _joined(
        [
            f"{market or 'prices'}: {sum(used)} of {len(used)} sources are good, {status.report.minimum} are needed"
            for market, used in _by_market(status)
            if sum(used) < status.report.minimum
        ]
    )


def _source(status: Status, limits: Limits) -> str:
    if _sources(status, limits):
        return ""
    return _joined(
        [f"{item.market} {item.name}: {item.dropped or 'dropped'}".strip() for item in status.sources if not item.used]
    )


def _balances(status: Status, under: float) -> list[str]:
    found = []
    for key in status.keys:
        left = key.days_left
        if key.balance <= 0:
            found.append(f"{key.role} {key.address} has nothing left")
        elif left is not None and left < under:
            found.append(f"{key.role} {key.address} has {key.balance:.4f} ether, {left:.1f} days' worth")
    return found


def _empty(status: Status, limits: Limits) -> str:
    return _joined(_balances(status, limits.days_page))


def _low(status: Status, limits: Limits) -> str:
    return "" if _empty(status, limits) else _joined(_balances(status, limits.days_ticket))


def _cap(status: Status, limits: Limits) -> str:
    del limits
    return _joined(
        [
            f"{key.role} {key.address} spent {key.spent_today:.4f} of {key.cap:.4f} ether today"
            for key in status.keys
            if key.cap is not None and key.spent_today >= key.cap
        ]
    )


def _stuck(status: Status, limits: Limits) -> str:
    return _joined(
        [
            f"{item.purpose} {account_text(item.ref)}, nonce {item.nonce}, is {item.state} for {item.age:.0f} s"
            for item in status.transactions
            if item.state in {"intent", "signed", "sent"} and item.age > limits.stuck
        ]
    )


def _reorganised(status: Status, limits: Limits) -> str:
    if status.head.reorganised <= limits.reorganised:
        return ""
    return f"{status.head.reorganised} blocks were reorganised; up to {limits.reorganised} are usual"


def _waiting(status: Status, limits: Limits) -> str:
    return _joined(
        [
            f"account {account_text(item.account)} is {item.state}, and nobody acted for {item.waiting} blocks"
            for item in status.accounts.near
            if item.state in DEAD and item.waiting > limits.waiting
        ]
    )


def _auction(status: Status, limits: Limits) -> str:
    return _joined(
        [
            f"{account_text(item.account)}: no bid in its auction after {item.age:.0f} s, discount {item.discount:.1%}"
            for item in status.auctions
            if item.bids == 0 and item.age > limits.silent_auction
        ]
    )


def _debt(status: Status, limits: Limits) -> str:
    del limits
    debt = status.accounts.bad_debt
    return f"bad debt of {debt:,.2f} is on record" if debt > 0 else ""


def _mismatch(status: Status, limits: Limits) -> str:
    del limits
    found = status.accounts.mismatch
    return f"the index differs from the chain: {found}" if found else ""


def _behind(status: Status, limits: Limits) -> str:
    behind = status.accounts.behind
    return f"the index is {behind} blocks behind the head" if behind > limits.behind else ""


def _storage(status: Status, limits: Limits) -> str:
    held = status.storage
    found = [
        f"{what}: {error}"
        for what, error in (("journal", held.journal), ("index", held.index), ("archive", held.archive))
        if error
    ]
    if held.free is not None and held.free < limits.free * 2**30:
        found.append(f"{held.free / 2**30:.2f} GiB are free where the journal stands")
    return _joined(found)


def _skew(status: Status, limits: Limits) -> str:
    if status.skew is None or abs(status.skew) <= limits.skew:
        return ""
    return (
        f"this machine's clock runs {abs(status.skew):.0f} s {'ahead of' if status.skew > 0 else 'behind'} the others"
    )


def _relay(status: Status, limits: Limits) -> str:
    return _joined(
        [
            f"relay {item.name}: {item.error or 'not heard of'}, {item.behind} transactions not brought in"
            for item in status.relays
            if not item.ok or (item.last_answer and status.time - item.last_answer > limits.relay)
        ]
    )


RULES: Final = (
    Rule("keeper-halted", PAGE, "The keeper stopped by itself and says why.", _halted, unfit=True),
    Rule("loop-hung", PAGE, "Rounds no longer end.", _hung, unfit=True),
    Rule("rounds-failing", TICKET, "Several rounds failed in a row.", _failing),
    Rule("head-stale", PAGE, "The newest block that any endpoint shows is old.", _head, 30, unfit=True),
    Rule("endpoints-down", PAGE, "No RPC endpoint answers.", _all_down, 30, unfit=True),
    Rule("endpoint-down", TICKET, "One RPC endpoint does not answer.", _one_down, 60),
    Rule("endpoints-disagree", TICKET, "RPC endpoints tell different chains.", _disagree, 60),
    Rule("report-stale", PAGE, "A report is near the age where trading of its market stops.", _stale, unfit=True),
    Rule("report-late", TICKET, "The report of some underlying is older than the heartbeat.", _late, 60),
    Rule("posts-refused", PAGE, "The oracle refuses one report after another.", _refused),
    Rule("quorum-missing", PAGE, "Too few signers answer: no report can be posted.", _quorum, 60),
    Rule("signer-silent", TICKET, "A signer does not answer; a quorum still does.", _signer, 300),
    Rule("sources-under-minimum", PAGE, "Too few good sources of a price: its market gets no report.", _sources, 60),
    Rule("source-dropped", TICKET, "A source of prices is left out.", _source, 300),
    Rule("balance-empty", PAGE, "A key can hardly pay for gas.", _empty, unfit=True),
    Rule("balance-low", TICKET, "A key's balance lasts a few days.", _low),
    Rule("spending-cap", PAGE, "A key spent what it may spend in a day.", _cap),
    Rule("transaction-stuck", PAGE, "A transaction is not mined.", _stuck),
    Rule("deep-reorganisation", TICKET, "More blocks were taken back than is usual.", _reorganised),
    Rule("liquidation-waiting", PAGE, "An account is to be liquidated, and nobody does.", _waiting),
    Rule("auction-without-bids", PAGE, "An auction runs, and nobody bids.", _auction),
    Rule("bad-debt", PAGE, "Accounts owe more than they hold.", _debt),
    Rule("index-mismatch", PAGE, "The account index differs from the chain.", _mismatch),
    Rule("index-behind", TICKET, "The account index does not keep up with the chain.", _behind, 120),
    Rule("storage-failing", PAGE, "The journal cannot be written, or soon will not.", _storage, unfit=True),
    Rule("clock-skew", TICKET, "This machine's clock is off.", _skew, 60),
    Rule("relay-silent", TICKET, "A relay takes transactions and brings none in, or takes none.", _relay, 300),
)


def firing(status: Status, limits: Limits | None = None, rules: Sequence[Rule] = RULES) -> tuple[Firing, ...]:
    """The rules whose condition holds now."""
    held = limits or Limits()
    return tuple(Firing(rule, text) for rule in rules if (text := rule.check(status, held)))


def unfit(status: Status, limits: Limits | None = None) -> dict[str, str]:
    """Why a keeper is not fit, by the rule's name; nothing where it is."""
    return {item.rule.name: item.text for item in firing(status, limits) if item.rule.unfit}


# --------------------------------------------------------------------------------------------------------------- alarm


@dataclass(slots=True)
class _Open:
    """An alert between its first sign and its end."""

    rule: Rule
    text: str
    since: float
    seen: float
    said: float | None = None  # when the operator was last told


class Alarm:
    """What of what fires is said, and when.

    Parameters
    ----------
    repeat
        Between messages while an alert lasts [s].
    calm
        Without the condition before an alert is over [s]: what flickers is one alert.
    """

    def __init__(self, repeat: float = 3_600.0, calm: float = 60.0) -> None:
        self.repeat = repeat
        self.calm = calm
        self._open: dict[str, _Open] = {}
        self._lock = threading.Lock()

    def step(self, found: Sequence[Firing], now: float) -> list[Notice]:
        """What is to be said, by what fires at a time [unix s]."""
        with self._lock:
            for item in found:
                held = self._open.setdefault(item.rule.name, _Open(item.rule, item.text, now, now))
                held.text, held.seen = item.text, now
            firing_now = {item.rule.name for item in found}
            said = []
            for name, held in list(self._open.items()):
                if name not in firing_now and (held.said is None or now - held.seen >= self.calm):
                    del self._open[name]
                    if held.said is not None:
                        said.append(_notice(held, "resolved", now))
                elif name in firing_now and self._due(held, now):
                    said.append(_notice(held, "firing" if held.said is None else "still firing", now))
                    held.said = now
            return said

    def _due(self, held: _Open, now: float) -> bool:
        return now - held.since >= held.rule.lasting if held.said is None else now - held.said >= self.repeat

    def open(self) -> tuple[AlertStatus, ...]:
        """The alerts that were said and are not over, pages first."""
        with self._lock:
            said = [item for item in self._open.values() if item.said is not None]
        said.sort(key=lambda item: (item.rule.severity != PAGE, item.since))
        return tuple(AlertStatus(item.rule.name, item.rule.severity, item.text, int(item.since)) for item in said)


def _notice(held: _Open, state: str, now: float) -> Notice:
    return Notice(held.rule.name, held.rule.severity, state, held.text, int(held.since), int(now))


# ------------------------------------------------------------------------------------------------------------ delivery


def webhook_url(variable: str, environment: Mapping[str, str] | None = None) -> str:
    """The URL that an environment variable holds; from now on it is blacked out wherever it would be written.

    Raises
    ------
    SettingsError
        It is unset or no URL; the value is never quoted.
    """
    value = (os.environ if environment is None else environment).get(variable, "").strip()
    if not value.startswith(("https://", "http://")):
        what = "holds no URL" if value else "is not set; it should hold the URL of a webhook"
        raise SettingsError(f"environment variable {variable} {what}")
    SECRETS.know(value)
    return value


def body_of(notice: Notice, who: str, runbook: str = RUNBOOK) -> dict[str, Any]:
    """A message as it is sent: `text` and `content`, which chat services show, and its fields for all others."""
    text = SECRETS.out_of(notice.text)
    mark = {PAGE: "PAGE", TICKET: "ticket"}[notice.severity]
    where = f"{runbook}#{notice.name}"
    line = f"[{mark}] {who}: {notice.name} {notice.state}: {text} ({where})"
    return {
        "text": line,
        "content": line[:1_900],
        "name": notice.name,
        "severity": notice.severity,
        "state": notice.state,
        "summary": text,
        "keeper": who,
        "since": notice.since,
        "time": notice.time,
        "runbook": where,
    }


class Webhook:
    """Delivers messages to URLs by severity, in a thread of its own.

    Parameters
    ----------
    urls
        Severity -> URL; secret.
    who
        This keeper, as messages name it.
    deadline
        Until which a message is tried again [s].
    runbook
        Where the runbook is read.
    timeout
        Of one try [s].
    """

    def __init__(
        self,
        urls: Mapping[str, str],
        who: str,
        *,
        deadline: float = 900.0,
        runbook: str = RUNBOOK,
        timeout: float = 5.0,
        pauses: Sequence[float] = (1.0, 2.0, 5.0, 15.0, 60.0),
    ) -> None:
        self._urls = dict(urls)
        self._who = who
        self._deadline, self._timeout, self._pauses = deadline, timeout, tuple(pauses)
        self._runbook = runbook
        self._waiting: dict[str, queue.Queue[tuple[float, Notice] | None]] = {}
        self._closing = threading.Event()
        self._threads = []
        self.delivered = 0
        self.lost = 0
        for severity in self._urls:  # a thread each: a page does not wait behind tickets
            self._waiting[severity] = queue.Queue(QUEUE)
            thread = threading.Thread(target=self._deliver, args=[severity], name=f"webhook-{severity}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def put(self, notice: Notice) -> None:
        """Have a message delivered; returns at once. Where too many wait, the oldest is let go."""
        waiting = self._waiting.get(notice.severity)
        if waiting is None or self._closing.is_set():
            self.lost += 1
            return
        item = (clock.monotonic() + self._deadline, notice)
        while True:
            try:
                waiting.put_nowait(item)
            except queue.Full:
                self._drop(waiting)
            else:
                return

    def _drop(self, waiting: queue.Queue[tuple[float, Notice] | None]) -> None:
        try:
            waiting.get_nowait()
        except queue.Empty:  # its thread was faster
            return
        self.lost += 1

    def close(self, seconds: float = 10.0) -> None:
        """Deliver what waits, for so long at most, and end."""
        until = clock.monotonic() + seconds
        for waiting in self._waiting.values():
            while not waiting.empty() and clock.monotonic() < until:
                clock.sleep(0.02)
            try:
                waiting.put_nowait(None)
            except queue.Full:
                continue
        for thread in self._threads:
            thread.join(max(0.0, until - clock.monotonic()))
        self._closing.set()

    def _deliver(self, severity: str) -> None:
        while not self._closing.is_set():
            item = self._waiting[severity].get()
            if item is None:
                return
            until, notice = item
            problem = self._try(self._urls[severity], body_of(notice, self._who, self._runbook), until)
            if problem is None:
                self.delivered += 1
            else:
                self.lost += 1
                event("error", "alert-lost", name=notice.name, severity=severity, state=notice.state, error=problem)

    def _try(self, url: str, body: Mapping[str, Any], until: float) -> str | None:
        """Post until it is taken; why it was not."""
        tried = 0
        while True:
            try:
                # no redirects: the message and its URL are for this host
                # and no body: an answer that never ends would hold the thread
                with requests.post(url, json=body, timeout=self._timeout, allow_redirects=False, stream=True) as answer:
                    code = answer.status_code
            except requests.RequestException as error:
                problem = type(error).__name__  # its text quotes the URL
            else:
                if 200 <= code < 300:
                    return None
                problem = f"HTTP {code}"
                if code < 500 and code not in {408, 425, 429}:
                    return problem
            pause = self._pauses[min(tried, len(self._pauses) - 1)]
            if clock.monotonic() + pause >= until or self._closing.wait(pause):
                return f"{problem}, {tried + 1} tries"
            tried += 1


class Watchman:
    """Looks at the board every few seconds, in a thread of its own, and has said what is to be said.

    Parameters
    ----------
    board
        The keeper's status.
    settings
        How often, how patiently.
    put
        What takes a message; returns at once. None: alerts are logged and shown, not sent.
    """

    def __init__(
        self,
        board: StatusBoard,
        settings: AlertSettings | None = None,
        put: Callable[[Notice], object] | None = None,
        wall: Callable[[], float] = clock.time,
    ) -> None:
        self.board = board
        self.settings = settings
        self.limits = Limits() if settings is None else settings.limits
        self.alarm = Alarm() if settings is None else Alarm(settings.repeat, settings.calm)
        self._every = 5.0 if settings is None else settings.every
        self._put, self._wall = put, wall
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        board.alerted_by(self.alarm.open)

    def look(self) -> list[Notice]:
        """Look once; what was said."""
        found = self.alarm.step(firing(self.board.current(), self.limits), self._wall())
        for notice in found:
            loud = "info" if notice.state == "resolved" else ("error" if notice.severity == PAGE else "warning")
            event(
                loud,
                f"alert-{notice.state.replace(' ', '-')}",
                name=notice.name,
                severity=notice.severity,
                text=notice.text,
            )
            if self._put is not None:
                self._put(notice)
        return found

    def start(self) -> None:
        """Look again and again, until `stop`."""
        self._thread = threading.Thread(target=self._run, name="watchman", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look a last time, so that a halt is told, and end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(self._every + 1)
        self.look()

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - a watchman that dies of a bug is worse than one that says it
                event("error", "watchman-failed", failure=error)


def watchman_of(
    settings: AlertSettings | None,
    board: StatusBoard,
    who: str,
    environment: Mapping[str, str] | None = None,
) -> tuple[Watchman, Webhook | None]:
    """A watchman and its webhook as settings say; `close` the webhook after the watchman has stopped.

    Raises
    ------
    SettingsError
        A variable holds no URL.
    """
    if settings is None:
        return Watchman(board), None
    urls = {
        PAGE: webhook_url(settings.page, environment),
        TICKET: webhook_url(settings.ticket or settings.page, environment),
    }
    webhook = Webhook(urls, who, deadline=settings.deadline, runbook=settings.runbook)
    return Watchman(board, settings, webhook.put), webhook

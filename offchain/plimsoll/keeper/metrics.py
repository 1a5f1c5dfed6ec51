"""What a monitor scrapes, by prometheus-client. A registry of its own, so that several keepers fit in one process.

Counters and gauges that the loop sets say what it did. What `watch` adds is read off the status board at each scrape:
it grows old by itself when the loop hangs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from plimsoll.keeper.alerts import RULES, Limits, firing
from plimsoll.keeper.status import LoopStatus, Status, StatusBoard

Samples = Iterable[tuple[tuple[str, ...], float | None]]


class Outcome(Protocol):
    """What came of something that was sent."""

    @property
    def gas(self) -> int:
        """Used."""

    @property
    def error(self) -> str | None:
        """Why nothing came of it."""

    @property
    def under_way(self) -> bool:
        """Sent, and not known yet what came of it."""


class Metrics:
    """Counters and gauges of one keeper; `plimsoll.keeper.web` serves them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.rounds = Counter("plimsoll_rounds", "Rounds that ended", ["loop"], registry=r)
        self.failures = Counter("plimsoll_failures", "What failed, by kind", ["what"], registry=r)
        self.posts = Counter("plimsoll_posts", "Reports that the oracle believed", registry=r)
        self.gas = Counter("plimsoll_gas", "Gas spent, by what for", ["what"], registry=r)
        self.steps = Counter("plimsoll_steps", "Liquidation steps taken", ["step"], registry=r)
        self.chores = Counter("plimsoll_chores", "Chores done, by name", ["chore"], registry=r)
        self.accounts = Gauge("plimsoll_accounts", "Accounts by state", ["state"], registry=r)
        self.sequence = Gauge("plimsoll_sequence", "Sequence of the report that the oracle holds", registry=r)
        self.report_age = Gauge(
            "plimsoll_report_age_seconds", "Age of the report of the underlying that was posted longest ago", registry=r
        )
        self.index = Gauge("plimsoll_index", "Live index", ["underlying"], registry=r)
        self.psr = Gauge("plimsoll_psr", "Posted scan range, 1 is 100 %", ["underlying"], registry=r)
        rise = ["underlying", "days"]
        self.margin_rise = Gauge(
            "plimsoll_margin_rise", "Rise of the posted range within so many days", rise, registry=r
        )
        self.forecast_rise = Gauge("plimsoll_forecast_rise", "The same of the model's range", rise, registry=r)
        self.lag = Gauge("plimsoll_margin_lag", "Model's range over the posted one, less 1", ["underlying"], registry=r)
        self.depths = Gauge(
            "plimsoll_depth_observations", "That the posted depth rests on; 0: it is stated", ["underlying"], registry=r
        )
        self.last_round = Gauge(
            "plimsoll_last_round_timestamp", "When the last round ended [unix s]", ["loop"], registry=r
        )
        self.healthy = Gauge("plimsoll_healthy", "1: the last round went through; 0: it did not", ["loop"], registry=r)

    def ended(self, loop: str, *, ok: bool) -> None:
        """A round of a loop has ended, well or not."""
        self.rounds.labels(loop).inc()
        self.last_round.labels(loop).set_to_current_time()
        self.healthy.labels(loop).set(ok)

    def count(self, counter: Counter, name: str, done: Outcome) -> None:
        """Count what came of something that was sent, by its name; nothing while that is not known yet."""
        if done.under_way:
            return
        if done.error is not None:
            self.failures.labels(name).inc()
            return
        counter.labels(name).inc()
        self.gas.labels(name).inc(done.gas)

    def watch(self, board: StatusBoard, limits: Limits | None = None) -> None:
        """Have scrapes read the board too; the report's age is then what it is at the scrape."""
        self.report_age.set_function(lambda: board.current().report.age)
        self.registry.register(StatusCollector(board, limits))


@dataclass(frozen=True, slots=True)
class Reading:
    """A gauge that is read off the status: its name, what it means, its labels, and how."""

    name: str
    meaning: str
    labels: tuple[str, ...]
    of: Callable[[Status], Samples]


def _one(value: float | None) -> Samples:
    return [((), value)]


def _loops(status: Status, of: Callable[[LoopStatus], float]) -> Samples:
    found = {"posting": status.loop, "enforcing": status.enforcing}
    return [((name,), of(loop)) for name, loop in found.items() if loop is not None]


def _keys(status: Status, of: Callable[..., float | None]) -> Samples:
    return [((key.role, key.address), of(key)) for key in status.keys]


def _sources(status: Status, of: Callable[..., float | None]) -> Samples:
    return [((item.market, item.name, item.kind), of(item)) for item in status.sources]


def _endpoints(status: Status, of: Callable[..., float | None]) -> Samples:
    return [((item.url,), of(item)) for item in status.endpoints]


def _transactions(status: Status) -> Samples:
    counts: dict[str, int] = dict.fromkeys(("intent", "signed", "sent", "mined"), 0)
    for item in status.transactions:
        counts[item.state] = counts.get(item.state, 0) + 1
    return [((state,), count) for state, count in counts.items()]


def _unmined(status: Status) -> float:
    return max((item.age for item in status.transactions if item.state in {"intent", "signed", "sent"}), default=0.0)


def _storage(status: Status) -> Samples:
    held: Mapping[str, str] = {
        "journal": status.storage.journal,
        "index": status.storage.index,
        "archive": status.storage.archive,
    }
    return [((what,), float(bool(error))) for what, error in held.items()]


READINGS: Final = (
    Reading("plimsoll_build_info", "Always 1; the version", ("version",), lambda s: [((s.version,), 1)]),
    Reading("plimsoll_started_timestamp", "When the process started [unix s]", (), lambda s: _one(s.started)),
    Reading("plimsoll_head_number", "Newest block", (), lambda s: _one(s.head.number)),
    Reading("plimsoll_head_age_seconds", "Age of the newest block", (), lambda s: _one(s.head.age)),
    Reading("plimsoll_reorganised_blocks", "Deepest of the last hour", (), lambda s: _one(s.head.reorganised)),
    Reading("plimsoll_clock_skew_seconds", "This clock ahead of the others", (), lambda s: _one(s.skew)),
    Reading("plimsoll_endpoint_healthy", "1: it answers", ("url",), lambda s: _endpoints(s, lambda item: item.healthy)),
    Reading(
        "plimsoll_endpoint_lag_blocks", "Behind the best", ("url",), lambda s: _endpoints(s, lambda item: item.lag)
    ),
    Reading("plimsoll_endpoint_agrees", "1: same chain", ("url",), lambda s: _endpoints(s, lambda item: item.agrees)),
    Reading(
        "plimsoll_endpoint_latency_seconds", "Of an answer", ("url",), lambda s: _endpoints(s, lambda i: i.latency)
    ),
    Reading("plimsoll_loop_age_seconds", "Since a round ended", ("loop",), lambda s: _loops(s, lambda p: p.age)),
    Reading("plimsoll_loop_seconds", "The last round took", ("loop",), lambda s: _loops(s, lambda p: p.seconds)),
    Reading(
        "plimsoll_loop_failures",
        "Rounds failed in a row",
        ("loop",),
        lambda s: _loops(s, lambda p: p.failures_in_a_row),
    ),
    Reading("plimsoll_loop_halted", "1: it halted", ("loop",), lambda s: _loops(s, lambda p: bool(p.halted))),
    Reading("plimsoll_heartbeat_seconds", "Longest time between posts", (), lambda s: _one(s.report.heartbeat)),
    Reading("plimsoll_report_max_age_seconds", "Age where risk stops", (), lambda s: _one(s.report.max_age)),
    Reading("plimsoll_posts_refused", "Posts refused in a row", (), lambda s: _one(s.report.refused)),
    Reading("plimsoll_quorum", "Signatures that a report takes", (), lambda s: _one(s.report.quorum)),
    Reading(
        "plimsoll_signer_ok", "1: it answers", ("signer",), lambda s: [((item.name,), item.ok) for item in s.signers]
    ),
    Reading("plimsoll_relay_ok", "1: it answers", ("relay",), lambda s: [((item.name,), item.ok) for item in s.relays]),
    Reading(
        "plimsoll_relay_behind",
        "Transactions it has not brought in",
        ("relay",),
        lambda s: [((item.name,), item.behind) for item in s.relays],
    ),
    Reading("plimsoll_sources_minimum", "Good sources that a price takes", (), lambda s: _one(s.report.minimum)),
    Reading(
        "plimsoll_source_used",
        "1: in the last median",
        ("market", "source", "kind"),
        lambda s: _sources(s, lambda i: i.used),
    ),
    Reading(
        "plimsoll_source_age_seconds",
        "Of its quote",
        ("market", "source", "kind"),
        lambda s: _sources(s, lambda i: i.age),
    ),
    Reading(
        "plimsoll_source_price", "Its quote", ("market", "source", "kind"), lambda s: _sources(s, lambda i: i.price)
    ),
    Reading(
        "plimsoll_source_failures", "So far", ("market", "source", "kind"), lambda s: _sources(s, lambda i: i.failures)
    ),
    Reading(
        "plimsoll_key_balance_ether", "What it holds", ("role", "address"), lambda s: _keys(s, lambda k: k.balance)
    ),
    Reading(
        "plimsoll_key_spent_ether", "Spent today", ("role", "address"), lambda s: _keys(s, lambda k: k.spent_today)
    ),
    Reading("plimsoll_key_cap_ether", "It may spend a day", ("role", "address"), lambda s: _keys(s, lambda k: k.cap)),
    Reading(
        "plimsoll_key_days_left", "Its balance lasts", ("role", "address"), lambda s: _keys(s, lambda k: k.days_left)
    ),
    Reading(
        "plimsoll_key_pending",
        "Its transactions not mined",
        ("role", "address"),
        lambda s: _keys(s, lambda k: k.pending),
    ),
    Reading("plimsoll_accounts_indexed", "Accounts known", (), lambda s: _one(s.accounts.indexed)),
    Reading(
        "plimsoll_waiting_blocks",
        "Longest that a due step waits",
        (),
        lambda s: _one(max((item.waiting for item in s.accounts.near), default=0)),
    ),
    Reading("plimsoll_bad_debt", "On record [quote]", (), lambda s: _one(s.accounts.bad_debt)),
    Reading("plimsoll_index_behind_blocks", "Not read yet", (), lambda s: _one(s.accounts.behind)),
    Reading("plimsoll_index_mismatch", "1: not as the chain", (), lambda s: _one(bool(s.accounts.mismatch))),
    Reading("plimsoll_auctions", "Under way", (), lambda s: _one(len(s.auctions))),
    Reading(
        "plimsoll_auction_without_bids_seconds",
        "Age of the oldest without a bid",
        (),
        lambda s: _one(max((item.age for item in s.auctions if item.bids == 0), default=0.0)),
    ),
    Reading("plimsoll_transactions", "Not final, by state", ("state",), _transactions),
    Reading("plimsoll_transaction_age_seconds", "Of the oldest not mined", (), lambda s: _one(_unmined(s))),
    Reading("plimsoll_disk_free_bytes", "Where the journal stands", (), lambda s: _one(s.storage.free)),
    Reading("plimsoll_storage_failing", "1: it cannot be written", ("what",), _storage),
)


class StatusCollector(Collector):
    """Reads the board at each scrape; besides, each alert's condition as it is at that moment.

    Parameters
    ----------
    board
        The keeper's status.
    limits
        Of the alerts.
    """

    def __init__(self, board: StatusBoard, limits: Limits | None = None) -> None:
        self.board = board
        self.limits = limits or Limits()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every gauge; one of which nothing is known has no sample."""
        status = self.board.current()
        for reading in READINGS:
            family = GaugeMetricFamily(reading.name, reading.meaning, labels=reading.labels)
            for labels, value in dict(reading.of(status)).items():  # of two that go by one name, the last
                if value is not None:
                    family.add_metric(labels, float(value))
            yield family
        found = {item.rule.name: item.rule for item in firing(status, self.limits)}
        alerts = GaugeMetricFamily(
            "plimsoll_alert", "1: the alert's condition holds, whether said or not", labels=("alert", "severity")
        )
        for rule in RULES:
            alerts.add_metric((rule.name, rule.severity), float(rule.name in found))
        yield alerts
        fit = not any(rule.unfit for rule in found.values())
        yield GaugeMetricFamily("plimsoll_fit", "1: /healthz says 200", value=float(fit))

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The names, so that registering asks nothing of the board."""
        for reading in READINGS:
            yield GaugeMetricFamily(reading.name, reading.meaning, labels=reading.labels)
        yield GaugeMetricFamily("plimsoll_alert", "", labels=("alert", "severity"))
        yield GaugeMetricFamily("plimsoll_fit", "")

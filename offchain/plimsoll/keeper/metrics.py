"""What a monitor scrapes, by prometheus-client. A registry of its own, so that several keepers fit in one process."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server


class Metrics:
    """Counters and gauges of one keeper; `serve` answers on a port."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.rounds = Counter("plimsoll_rounds", "Rounds of the loop", registry=r)
        self.failures = Counter("plimsoll_failures", "What failed, by kind", ["what"], registry=r)
        self.posts = Counter("plimsoll_posts", "Reports that the oracle believed", registry=r)
        self.gas = Counter("plimsoll_gas", "Gas spent, by what for", ["what"], registry=r)
        self.steps = Counter("plimsoll_steps", "Liquidation steps taken", ["step"], registry=r)
        self.chores = Counter("plimsoll_chores", "Chores done, by name", ["chore"], registry=r)
        self.accounts = Gauge("plimsoll_accounts", "Accounts by state", ["state"], registry=r)
        self.sequence = Gauge("plimsoll_sequence", "Sequence of the report that the oracle holds", registry=r)
        self.report_age = Gauge("plimsoll_report_age_seconds", "Age of that report's market time", registry=r)
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
        self.last_round = Gauge("plimsoll_last_round_timestamp", "When the last round ended [unix s]", registry=r)
        self.healthy = Gauge("plimsoll_healthy", "1: the last round went through; 0: it did not", registry=r)

    def serve(self, port: int, address: str = "127.0.0.1") -> int:
        """Answer scrapes on a port, 0 for any free one; the port."""
        server, _ = start_http_server(port, address, self.registry)
        return int(server.server_port)

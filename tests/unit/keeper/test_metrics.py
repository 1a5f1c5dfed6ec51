"""Metrics: what a scrape reads, and that rules and dashboard of docs/operations ask for nothing that is not there."""

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from plimsoll.keeper.alerts import RULES, Limits
from plimsoll.keeper.metrics import READINGS, Metrics
from plimsoll.keeper.status import EndpointStatus, KeyStatus, SourceStatus, StatusBoard

from .statuses import bad, quiet

ROOT = Path(__file__).resolve().parents[3]
OPERATIONS = ROOT / "docs" / "operations"
WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
PROMQL = frozenset(
    ["and", "by", "changes", "increase", "group_left", "max", "min", "on", "or", "rate", "sum", "time", "unless"]
)


class Still:
    """A board whose status stands."""

    def __init__(self, status):
        self.status = status

    def current(self):
        return self.status


def scraped(status, limits=None):
    """Name -> labels -> value, as a monitor reads it."""
    metrics = Metrics()
    metrics.watch(Still(status), limits)
    from prometheus_client import generate_latest as latest

    found = {}
    for family in text_string_to_metric_families(latest(metrics.registry).decode()):
        for sample in family.samples:
            key = tuple(sorted(sample.labels.items()))
            assert key not in found.setdefault(sample.name, {}), (sample.name, key)
            found[sample.name][key] = sample.value
    return found


def known():
    """Every name that a keeper can serve, and the labels it has."""
    metrics = Metrics()
    board = StatusBoard()
    metrics.watch(board)
    names = {}
    for reading in READINGS:
        names[reading.name] = set(reading.labels)
    names |= {"plimsoll_alert": {"alert", "severity"}, "plimsoll_fit": set()}
    for metric in vars(metrics).values():
        if hasattr(metric, "_labelnames"):
            suffix = "_total" if metric._type == "counter" else ""
            names[metric._name + suffix] = set(metric._labelnames)
    return names


@pytest.mark.parametrize("status", [quiet(), bad()], ids=["quiet", "bad"])
def test_every_gauge_is_read_off_the_status(status):
    found = scraped(status)
    assert {reading.name for reading in READINGS} <= found.keys()
    assert found["plimsoll_head_number"] == {(): 6_412_345}
    assert found["plimsoll_report_age_seconds"] == {(): status.report.age}
    assert sum(found["plimsoll_source_used"].values()) == sum(item.used for item in status.sources)
    assert len(found["plimsoll_alert"]) == len(RULES)


def test_a_bad_day_shows_in_each_number():
    found = scraped(bad())
    host = (("url", "https://sepolia.example.org/v3/…"),)
    assert found["plimsoll_endpoint_healthy"][host] == 0.0
    assert found["plimsoll_loop_failures"][("loop", "posting"),] == 2
    assert found["plimsoll_waiting_blocks"] == {(): 14}
    assert found["plimsoll_auction_without_bids_seconds"] == {(): 700}
    assert found["plimsoll_transactions"][("state", "sent"),] == 1
    assert found["plimsoll_transaction_age_seconds"] == {(): 320}
    assert found["plimsoll_alert"][("alert", "bad-debt"), ("severity", "page")] == 1.0
    assert found["plimsoll_fit"] == {(): 1.0}


def test_what_is_not_known_has_no_sample():
    found = scraped(quiet(skew=None, keys=(KeyStatus("poster", "0x1", 1.0),)))
    assert "plimsoll_clock_skew_seconds" not in found
    assert "plimsoll_key_days_left" not in found
    assert "plimsoll_key_cap_ether" not in found
    assert found["plimsoll_key_balance_ether"] == {(("address", "0x1"), ("role", "poster")): 1.0}


def test_two_of_one_name_are_one_sample():
    twice = (SourceStatus("kraken", "BTC", price=1.0), SourceStatus("kraken", "BTC", price=2.0))
    found = scraped(
        quiet(sources=twice, endpoints=(EndpointStatus("http://h/abc123"), EndpointStatus("http://h/def456")))
    )
    assert found["plimsoll_source_price"] == {(("kind", ""), ("market", "BTC"), ("source", "kraken")): 2.0}
    assert len(found["plimsoll_endpoint_healthy"]) == 1


def test_limits_reach_the_alerts():
    key = (("alert", "loop-hung"), ("severity", "page"))
    assert scraped(quiet())["plimsoll_alert"][key] == 0.0
    assert scraped(quiet(), Limits(hung=1))["plimsoll_alert"][key] == 1.0


def test_openmetrics_takes_it_too():
    metrics = Metrics()
    metrics.watch(Still(bad()))
    assert generate_latest(metrics.registry).decode().endswith("# EOF\n")


# ---------------------------------------------------------------------------------------------------- rules, dashboard


def asked(query):
    """Names and labels that a query asks for."""
    bare = re.sub(r'"[^"]*"', "", query)
    bare = re.sub(r"\[[^\]]*\]", "", bare)
    labels = {word for part in re.findall(r"\{([^}]*)\}", bare) for word in WORD.findall(part)}
    labels |= {
        word for part in re.findall(r"(?:by|on|ignoring|without)\s*\(([^)]*)\)", bare) for word in WORD.findall(part)
    }
    bare = re.sub(r"\{[^}]*\}|(?:by|on|ignoring|without)\s*\([^)]*\)|\$\w+", "", bare)
    return {word for word in WORD.findall(bare) if word not in PROMQL}, labels


def rules():
    found = yaml.safe_load((OPERATIONS / "alerts.rules.yaml").read_text())
    return [rule for group in found["groups"] for rule in group["rules"]]


def queries():
    """Panel and query of the dashboard."""
    board = json.loads((OPERATIONS / "dashboard.json").read_text())
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    return [(panel["title"], target["expr"]) for panel in panels for target in panel["targets"]]


def test_the_reader_of_queries_reads():
    names, labels = asked('sum by (loop) (rate(plimsoll_x_total{what="a",b!="c"}[5m])) > 2 and on(instance) up == 0')
    assert names == {"plimsoll_x_total", "up"}
    assert labels == {"loop", "what", "b", "instance"}


@pytest.mark.parametrize(("title", "query"), queries())
def test_every_panel_asks_for_what_there_is(title, query):
    there = known()
    names, labels = asked(query)
    assert names
    assert names <= there.keys()
    assert labels <= set().union(*(there[name] for name in names)) | {"job", "instance"}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_rule_asks_for_what_there_is_and_says_what_to_do(rule):
    there = known() | {"up": set()}
    names, labels = asked(rule["expr"])
    assert names
    assert names <= there.keys()
    assert labels <= set().union(*(there[name] for name in names)) | {"job", "instance"}
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    anchor = rule["annotations"]["runbook_url"].partition("docs/KEEPER.md#")[2]
    assert f"\n### {anchor}\n" in (ROOT / "docs" / "KEEPER.md").read_text()


def test_prometheus_knows_every_alert_of_the_keeper_and_its_severity():
    told = {rule["annotations"]["runbook_url"].partition("#")[2]: rule["labels"]["severity"] for rule in rules()}
    assert told | {rule.name: rule.severity for rule in RULES} == told


def test_every_alert_has_its_section_in_the_runbook_and_every_section_its_alert():
    text = (ROOT / "docs" / "KEEPER.md").read_text()
    part = text.partition("\n## Alerts\n")[2].partition("\n## ")[0]
    sections = re.findall(r"^### (\S+)$", part, re.MULTILINE)
    assert sections == [*(rule.name for rule in RULES), "keeper-down"]
    for name, severity in [(rule.name, rule.severity) for rule in RULES]:
        body = part.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
        assert body.strip().startswith(f"*{severity}*"), name
        assert len(body.split()) > 25, f"{name}: what it means and what to do"

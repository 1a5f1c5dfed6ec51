"""What a live keeper serves to Prometheus: each number that a rule or a panel reads is there, and moves.

A town with two endpoints, a relay, exchanges, two signers' keys, a risk node that is dead, and the command's service in
this process; an index falls, accounts break. What may stay at 0 all along is named here: it tells of trouble.
"""

import contextlib
import json
import re
import threading
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from plimsoll.chain.anvil import free_port
from plimsoll.keeper import build
from plimsoll.keeper.settings import load_settings
from plimsoll.simulate.rig.process import Stage
from plimsoll.simulate.rig.town import KEYS, Town, TownConfig
from plimsoll.simulate.rig.venues import available

pytestmark = [
    pytest.mark.node,
    pytest.mark.slow,
    pytest.mark.skipif(not available(), reason="the client of exchanges is not installed: no source of prices to show"),
]

OPERATIONS = Path(__file__).resolve().parents[2] / "docs" / "operations"
NAME = re.compile(r"plimsoll_\w+")
BLOCK = 0.5  # [s]
PATIENCE = 90.0  # [s] for each thing that is waited for
CALM = {  # stays 0 in a run in which nothing is wrong but the accounts
    "plimsoll_alert",  # that none holds is no promise of this test
    "plimsoll_bad_debt",  # the fund pays for it
    "plimsoll_clock_skew_seconds",  # blocks are of this machine's clock
    "plimsoll_auction_without_bids_seconds",  # bid on within a block or two
    "plimsoll_auctions",
    "plimsoll_waiting_blocks",
    "plimsoll_endpoint_lag_blocks",
    "plimsoll_index_behind_blocks",
    "plimsoll_index_mismatch",
    "plimsoll_loop_failures",
    "plimsoll_loop_halted",
    "plimsoll_posts_refused",
    "plimsoll_relay_behind",
    "plimsoll_source_failures",
    "plimsoll_storage_failing",
    "plimsoll_transaction_age_seconds",
    "plimsoll_key_pending",
    "plimsoll_margin_lag",
    "plimsoll_depth_observations",  # the depth is stated
    "plimsoll_forecast_rise",
    "plimsoll_margin_rise",
}
RARE = {"plimsoll_failures_total"}  # without a sample until something fails


def asked():
    """Names that rules and panels read."""
    rules = yaml.safe_load((OPERATIONS / "alerts.rules.yaml").read_text())
    queries = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    board = json.loads((OPERATIONS / "dashboard.json").read_text())
    queries += [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    return {name for query in queries for name in NAME.findall(query)}


class Live:
    """A keeper in this process, and all that was scraped from it."""

    def __init__(self, town):
        self.town, self.port = town, free_port()
        self.decrypted = []
        path = town.settings(
            metrics_port=self.port,
            sending={"relay": town.net.url, "finality": 3},
            upkeep={"every": 5, "least": 0},
            triggers={"heartbeat": 60},
            keys={"poster": "RIG_POSTER", "liquidator": "RIG_LIQUIDATOR", "signers": ["RIG_SIGNER_0", "RIG_SIGNER_1"]},
            nodes={"peers": [f"http://127.0.0.1:{free_port()}"], "timeout": 1},
        )
        environment = {"RIG_POSTER": KEYS["poster"], "RIG_LIQUIDATOR": KEYS["liquidator"]}
        environment |= {f"RIG_SIGNER_{k}": KEYS[f"node {k}"] for k in range(2)}
        real = build.key_at
        try:
            build.key_at = lambda name, values: self.decrypted.append(name) or real(name, values)
            self.service = build.build_service(load_settings(path), environment=environment)
        finally:
            build.key_at = real
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.service.run, args=[self.stop])
        self.seen = {}  # name -> labels -> values
        self.thread.start()

    def scrape(self):
        with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            said = answer.read().decode()
        for family in text_string_to_metric_families(said):
            for sample in family.samples:
                labels = tuple(sorted(sample.labels.items()))
                self.seen.setdefault(sample.name, {}).setdefault(labels, set()).add(sample.value)

    def until(self, *names):
        """Scrape until each of these was over 0."""
        end = time.monotonic() + PATIENCE
        while missing := [name for name in names if not any(map(max, self.seen.get(name, {}).values()))]:
            assert time.monotonic() < end, f"{missing} stay at 0"
            time.sleep(BLOCK / 2)
            with contextlib.suppress(OSError):  # the first times it may not listen yet
                self.scrape()

    def close(self):
        self.stop.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    with Stage(tmp_path_factory.mktemp("live")) as stage:
        config = TownConfig(6, BLOCK, own_clock=True, markets=1, endpoints=2, venues=True)
        town = Town(stage, config)
        town.start_clock()
        found = Live(town)
        try:
            underlying = town.underlyings[0]
            town.move({underlying: town.prices[underlying] * 1.01})
            found.until("plimsoll_posts_total", "plimsoll_quorum", "plimsoll_source_price")
            town.look()
            stakes = [town.doomed(underlying, 10.0, 0.07, equity) for equity in (-0.001, 0.01)]
            town.settle(town.open(stakes))
            town.move({underlying: town.prices[underlying] * 0.93})
            found.until("plimsoll_steps_total", "plimsoll_chores_total", "plimsoll_key_spent_ether")
            town.net.reorganise(3)
            found.until("plimsoll_reorganised_blocks")
            town.net.wait(10)
            found.scrape()
            yield found
        finally:
            found.close()
            town.close()


def test_every_number_that_is_asked_for_is_served(live):
    assert asked() - RARE <= live.seen.keys()


def test_every_number_was_set_by_the_work_but_those_that_tell_of_trouble(live):
    still = {name for name, samples in live.seen.items() if name in asked() and not any(map(any, samples.values()))}
    assert still <= CALM


def test_both_loops_are_counted_and_timed(live):
    for loop in ("posting", "enforcing"):
        key = (("loop", loop),)
        assert max(live.seen["plimsoll_rounds_total"][key]) > 3
        assert 1 in live.seen["plimsoll_healthy"][key]
        assert abs(max(live.seen["plimsoll_last_round_timestamp"][key]) - time.time()) < 600
        assert max(live.seen["plimsoll_loop_seconds"][key]) > 0


def test_both_endpoints_are_timed_and_agree(live):
    assert len(live.seen["plimsoll_endpoint_latency_seconds"]) == 2
    assert all(min(values) > 0 for values in live.seen["plimsoll_endpoint_latency_seconds"].values())
    assert all(1 in values for values in live.seen["plimsoll_endpoint_agrees"].values())


def test_each_key_is_opened_once(live):
    assert sorted(live.decrypted) == ["RIG_LIQUIDATOR", "RIG_POSTER", "RIG_SIGNER_0", "RIG_SIGNER_1"]

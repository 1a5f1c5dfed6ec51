"""Three risk nodes as processes of the command itself, a keeper that asks them, a chain behind an endpoint."""

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import yaml

from plimsoll.chain.deployment import FeedConfig, SystemConfig, deploy_system, save_book
from plimsoll.chain.node import NodeChain
from plimsoll.keeper.build import build_keeper
from plimsoll.keeper.recorder import MemoryRecorder
from plimsoll.keeper.settings import load_settings
from plimsoll.risk.signing import address_of
from plimsoll.simulate.market import key_of
from tests.anvil import anvil

pytestmark = [pytest.mark.node, pytest.mark.slow]

DAY = 86_400
UNDERLYING = 257
OWNER = key_of("governance")
KEYS = [key_of(f"risk node {k}") for k in range(3)]
PLIMSOLL = Path(sys.executable).with_name("plimsoll")


def write_prices(path, now, seed):
    """Daily bars up to today; another seed is another market."""
    close = 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.02, 300)))
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["timestamp", "open", "high", "low", "close", "volume"])
        for k, price in enumerate(close):
            at = datetime.fromtimestamp(now // DAY * DAY - (len(close) - k) * DAY, UTC).isoformat()
            table.writerow([at, price, price * 1.001, price * 0.999, price, 1])
    return path


@pytest.fixture(scope="module")
def url():
    with anvil("--hardfork", "cancun") as found:
        yield found


class Nodes:
    """The processes."""

    def __init__(self, folder, url):
        self.folder, self.url = folder, url
        self.running = {}
        self.ports = {}

    def start(self, k, prices):
        settings = {
            "node": self.url,
            "book": "book.json",
            "key": "PLIMSOLL_NODE_KEY",
            "markets": [{"underlying": UNDERLYING, "name": "TOY", "prices": prices.name, "depth": 1e6}],
            "listen": {"port": self.ports.get(k, 0)},
            "promises": f"{k}.promises.jsonl",
            "journal": f"{k}.jsonl",
        }
        path = self.folder / f"{k}.yaml"
        path.write_text(yaml.safe_dump(settings))
        self.running[k] = subprocess.Popen(
            [PLIMSOLL, "node", "--settings", path, "--json"],
            env={**os.environ, "PLIMSOLL_NODE_KEY": KEYS[k]},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait(self, k):
        said = json.loads(self.running[k].stdout.readline())
        self.ports[k] = int(said["listening"].rpartition(":")[2])
        assert said["signer"] == address_of(KEYS[k])
        return said["listening"]

    def stop(self, k, how=signal.SIGTERM):
        process = self.running.pop(k)
        process.send_signal(how)
        said = "".join(process.communicate(timeout=10))
        assert KEYS[k] not in said
        return process.returncode, said


@pytest.fixture
def nodes(tmp_path, url):
    made = Nodes(tmp_path, url)
    yield made
    for k in list(made.running):
        with contextlib.suppress(ProcessLookupError):
            made.stop(k, signal.SIGKILL)


def test_dead_and_dissenting_nodes(nodes, tmp_path, url):
    """One node of three has another market's prices and refuses: the other two sign. One of them dies: nothing is
    posted, and the journal says which number the dissenter holds against it. It comes back, and all is well."""
    owner = address_of(OWNER)
    chain = NodeChain(url, [OWNER])
    chain.set_balance(owner, 10**24)
    config = SystemConfig(
        owner, [address_of(key) for key in KEYS], 2, [FeedConfig(UNDERLYING, "TOY", 100 * 10**8, max_age=7 * DAY)]
    )
    system = deploy_system(chain, config)
    system.registry.transact("list_instrument", UNDERLYING, 0, 0, 0, sender=owner)
    save_book(system, tmp_path / "book.json")
    prices = write_prices(tmp_path / "toy.csv", chain.now, 5)
    other = write_prices(tmp_path / "other.csv", chain.now, 6)
    for k in range(3):
        nodes.start(k, other if k == 0 else prices)
    peers = [nodes.wait(k) for k in range(3)]
    (tmp_path / "keeper.yaml").write_text(
        yaml.safe_dump(
            {
                "node": url,
                "book": "book.json",
                "keys": {"poster": "POSTER"},
                "nodes": {"peers": peers, "timeout": 10},
                "markets": [{"underlying": UNDERLYING, "name": "TOY", "prices": "toy.csv", "depth": 1e6}],
                "upkeep": None,
            }
        )
    )
    journal = MemoryRecorder()
    settings = load_settings(tmp_path / "keeper.yaml")
    keeper = build_keeper(settings, chain=chain, recorder=journal, environment={"POSTER": OWNER})

    def round_later():
        chain.advance(3_600)
        return keeper.round()

    assert keeper.round().posted.ok
    assert nodes.stop(1, signal.SIGKILL)[0] == -signal.SIGKILL
    failed = round_later()
    assert "1 of 2 signatures" in failed.error
    assert "unreachable" in failed.error
    assert system.oracle.call("sequence") == 1
    (line,) = [line for line in journal.of("node-disagrees") if line["sequence"] == 2]
    assert line["peer"] == peers[0]
    assert any(text.startswith(f"psr of underlying {UNDERLYING}, expiry 0: own ") for text in line["disagreements"])

    nodes.start(1, prices)
    assert nodes.wait(1) == peers[1]
    assert round_later().posted.ok
    assert system.oracle.call("sequence") == 3  # the third node has promised 2 to the report that failed
    for k in range(3):
        assert nodes.stop(k)[0] == 0
    assert "node-refused" in (tmp_path / "0.jsonl").read_text()
    assert (tmp_path / "2.jsonl").read_text().count("node-signed") == 3
    for file in tmp_path.iterdir():
        assert not any(key.removeprefix("0x") in file.read_text() for key in [*KEYS, OWNER])

"""The drill against anvil as the real chain: all of a liquidation on a fork of it, and nothing written to it."""

import csv
import json
import os
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import requests
import yaml
from click.testing import CliRunner

from plimsoll.chain.anvil import free_port
from plimsoll.chain.contract import Contract
from plimsoll.chain.deployment import FeedConfig, SystemConfig, TokenConfig, deploy_system, save_book
from plimsoll.chain.node import NodeChain
from plimsoll.cli.drill import drill as command
from plimsoll.cli.drill import page_of, plain_of
from plimsoll.keeper.drill import Drill, Row, Taken, _Run, drill, fixed_answer
from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.fork import ForkError, ReadGate, forked
from plimsoll.keeper.poster import LocalKeys, Poster
from plimsoll.keeper.recorder import MemoryRecorder
from plimsoll.keeper.settings import load_settings
from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.risk.engine import Engine
from plimsoll.risk.models import EwmaFhs
from plimsoll.risk.signing import address_of
from plimsoll.simulate.market import Party, Venue, key_of
from plimsoll.spec.instruments import MASK_ID, PERP
from plimsoll.spec.wad import WAD
from tests.anvil import anvil

DAY, ETHER = 86_400, 10**18
TOY, OTHER = 0x0101, 0x0102
SIGNERS = [key_of(f"risk node {k}") for k in range(3)]
WRITES = ("eth_send", "anvil_", "evm_", "personal_", "debug_", "hardhat_", "txpool_", "miner_")

pytestmark = [pytest.mark.node, pytest.mark.slow]


class RecordingProxy:
    """Passes on whatever it is asked, and keeps the names of all methods."""

    def __init__(self, url):
        self.methods = []
        keep = self.methods

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                asked = json.loads(body)
                keep.extend(item["method"] for item in (asked if isinstance(asked, list) else [asked]))
                found = requests.post(url, data=body, headers={"Content-Type": "application/json"}, timeout=20).content
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(found)))
                self.end_headers()
                self.wfile.write(found)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


class Town:
    """Two underlyings at 100 on anvil; one trader long, one short, one on both; a keeper's settings and its keys."""

    def __init__(self, url, folder):
        self.folder = folder
        self.chain = chain = NodeChain(url)
        chain.rpc.ask("anvil_autoImpersonateAccount", True)
        self.start = chain.now
        self.admin = Party.of("governance").address
        roles = ("poster", "liquidator", "trader", "short", "spread", "maker")
        for party in (Party.of(name) for name in (*roles, "governance")):
            chain.set_balance(party.address, 100 * ETHER)
        feeds = [FeedConfig(k, f"{n} / USD", 100 * 10**8, max_age=DAY) for k, n in ((TOY, "TOY"), (OTHER, "OTHER"))]
        signers = [address_of(key) for key in SIGNERS]
        self.system = deploy_system(
            chain, SystemConfig(self.admin, signers, 2, feeds, [TokenConfig("tTOY", TOY)], lag=0)
        )
        self.perps = {}
        for number in (TOY, OTHER):
            self.system.registry.transact("list_instrument", number, 0, PERP, 0, sender=self.admin)
            (listed,) = [w for w in map(int, self.system.registry.call("listing", number, 0)) if w >> 64 & 0xFF == PERP]
            self.perps[number] = listed & MASK_ID
        self.book = folder / "book.json"
        save_book(self.system, self.book)
        self.closes = {}
        for number in (TOY, OTHER):
            path = np.cumsum(np.random.default_rng(number).normal(0, 0.02, 400))
            self.closes[number] = np.round(100 * np.exp(path - path[-1]), 6)
        self.times = self.start // DAY * DAY + DAY * np.arange(-400, 0, dtype=np.int64)
        self.post()
        self.venue = Venue(chain, self.system, self.admin)
        maker = Party.of("maker")
        for name, money in (("maker", 10**6), ("trader", 60), ("short", 60), ("spread", 60), ("liquidator", 10**5)):
            self.venue.join(Party.of(name))
            self.venue.fund(Party.of(name), money * WAD)
        self.venue.trade(Party.of("trader"), maker, self.perps[TOY], WAD)
        self.venue.trade(maker, Party.of("short"), self.perps[OTHER], WAD)
        self.venue.trade(Party.of("spread"), maker, self.perps[TOY], WAD)
        self.venue.trade(maker, Party.of("spread"), self.perps[OTHER], WAD // 2)
        self.proxy = RecordingProxy(url)
        self.environment = {
            "POSTER": key_of("poster"),
            "LIQUIDATOR": key_of("liquidator"),
            **{f"SIGNER_{k}": key for k, key in enumerate(SIGNERS[:2])},
        }

    def post(self):
        listed = {n: tuple(int(w) & MASK_ID for w in self.system.registry.call("listing", n, 0)) for n in (TOY, OTHER)}
        markets = tuple(
            Market(n, 100.0, History(self.times, self.closes[n], DAY), listed[n], strike_unit=10**16)
            for n in (TOY, OTHER)
        )
        built = Engine(EwmaFhs()).report(Snapshot(self.chain.now, markets))
        posted = Poster(self.system, self.admin, LocalKeys(SIGNERS[:2]), MemoryRecorder()).post(built)
        assert posted.ok, posted.error

    def settings(self, **changes):
        """A keeper's settings, by default able to do all; the path of their file."""
        for number, name in ((TOY, "toy"), (OTHER, "other")):
            with (self.folder / f"{name}.csv").open("w", newline="") as file:
                table = csv.writer(file)
                table.writerow(["timestamp", "open", "high", "low", "close", "volume"])
                for at, price in zip(self.times, self.closes[number], strict=True):
                    when = datetime.fromtimestamp(int(at), UTC).isoformat()
                    table.writerow([when, price, price * 1.002, price * 0.998, price, 1])
        told = {
            "node": [self.proxy.url],
            "book": "book.json",
            "keys": {"poster": "POSTER", "signers": ["SIGNER_0", "SIGNER_1"], "liquidator": "LIQUIDATOR"},
            "markets": [
                {"underlying": TOY, "name": "TOY", "prices": "toy.csv", "depth": 1e6, "expiries": []},
                {"underlying": OTHER, "name": "OTHER", "prices": "other.csv", "depth": 1e6, "expiries": []},
            ],
            "model": {"name": "ewma-fhs"},
            "liquidation": {"account": 0, "min_profit": 0.01, "min_share": 0.05},
            **changes,
        }
        path = self.folder / "keeper.yaml"
        path.write_text(yaml.safe_dump(told))
        return path

    def drill(self, **changes):
        return drill(load_settings(self.settings(**changes)), environment=self.environment)

    def state(self):
        """What a write to the real chain would change."""
        head = self.chain.rpc.ask("eth_getBlockByNumber", "latest", False)
        return head["hash"], head["stateRoot"], self.chain.block


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    with anvil() as url:
        yield Town(url, tmp_path_factory.mktemp("town"))


@pytest.fixture(scope="module")
def fork(town):
    """One fork for all that goes wrong on it."""
    with forked([town.proxy.url]) as made:
        made.chain().rpc.ask("anvil_autoImpersonateAccount", True)
        yield made


@pytest.fixture
def on_fork(town, fork, monkeypatch, tmp_path):
    """A drill of one account on that fork, without a report; what it leaves there is undone."""
    monkeypatch.setattr(_Run, "_report", lambda _: None)
    monkeypatch.setattr("plimsoll.keeper.drill.MOVES", (500, 600))  # where they fall
    monkeypatch.setattr("plimsoll.keeper.drill.FINER", 3)
    mark = fork.chain().snapshot()

    def run(environment=None, accounts=(), **changes):
        found = load_settings(town.settings(**changes))
        known = town.environment if environment is None else environment
        return _Run(found, fork, tmp_path, known, lambda _: None).run(1, accounts)

    yield run
    fork.chain().revert(mark)


def test_every_account_is_liquidated_and_the_real_chain_stays_as_it_was(town):
    before = town.state()
    del town.proxy.methods[:]
    found = town.drill()
    assert town.state() == before
    assert town.proxy.methods
    assert not [method for method in town.proxy.methods if method.startswith(WRITES)]
    assert sum(found.reads.values()) == len(town.proxy.methods)
    assert found.refused == {}
    assert found.stopped == []
    assert found.ok
    assert {row.account for row in found.rows} == {Party.of(name).account for name in ("trader", "short", "spread")}
    for row in found.rows:
        names = [step.name for step in row.steps]
        assert names[:2] == ["call", "start"]
        assert set(names[2:]) == {"bid"}
        assert all(step.error is None and step.gas > 100_000 for step in row.steps)
        assert row.steps[1].seconds > 120  # the notice
        assert row.state == "healthy"
        assert row.profit > 0
        assert row.stopped == []
    moves = {row.account: row.move for row in found.rows}
    assert moves[Party.of("trader").account].startswith("0x0101 -")
    assert moves[Party.of("short").account].startswith("0x0102 +")
    assert not (town.folder / "build").exists()  # neither journal nor index of the keeper was touched
    assert found.report.startswith("posted 2")
    assert found.report_gas > 100_000
    assert [row["account"] for row in plain_of(found)["rows"]] == [hex(row.account) for row in found.rows]


def test_the_command_shows_it_and_leaves_with_its_verdict(town, monkeypatch):
    for name, key in town.environment.items():
        monkeypatch.setenv(name, key)
    account = hex(Party.of("trader").account)
    settings = str(town.settings())
    shown = CliRunner().invoke(command, ["--settings", settings, "--account", account], standalone_mode=False)
    assert shown.return_value == 0, shown.output
    for part in ("liquidated", "call:", "start:", "bid:", "only to read", "report: posted 2"):
        assert part in shown.output


def test_as_json_and_where_something_would_have_stopped_it(town, monkeypatch):
    row = Row(
        TOY << 96, "healthy", 3 * WAD, 2 * WAD, "moved", [Taken("call", 1, 7), Taken("start", 2, error="no")], "x"
    )
    monkeypatch.setattr("plimsoll.keeper.drill.drill", lambda *_, **__: Drill(5, [row], stopped=["keys: LIQUIDATOR"]))
    settings = str(town.settings())
    shown = CliRunner().invoke(command, ["--settings", settings, "--json"], standalone_mode=False)
    assert shown.return_value == 1
    found = json.loads(shown.output)
    assert (found["ok"], found["stopped"], found["block"]) == (False, ["keys: LIQUIDATOR"], 5)
    assert (found["rows"][0]["account"], found["rows"][0]["gas"]) == (hex(TOY << 96), 7)
    shown = CliRunner().invoke(command, ["--settings", settings], standalone_mode=False)
    assert shown.return_value == 1
    for part in ("start: no", "what would have stopped it", "keys: LIQUIDATOR"):
        assert part in shown.output


def test_bad_input_has_a_name(town):
    shown = CliRunner().invoke(command, ["--settings", str(town.folder / "none.yaml")], standalone_mode=False)
    assert isinstance(shown.exception, SettingsError)
    shown = CliRunner().invoke(command, ["--settings", "x", "--account", "zz"], standalone_mode=False)
    assert "no account" in str(shown.exception)


def test_a_missing_key_is_told_and_strangers_still_call_and_start(on_fork):
    found = on_fork({"POSTER": key_of("poster")})
    assert not found.ok
    assert found.stopped[0].startswith("keys: environment variable SIGNER_0")
    assert [step.name for step in found.rows[0].steps] == ["call", "start"]
    assert found.rows[0].stopped == ["nobody bids"]
    assert found.rows[0].outcome == "not liquidated"


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (None, "liquidation is not set: this keeper liquidates nobody"),
        ({}, "liquidation.account is not set: nobody bids"),
    ],
)
def test_a_keeper_that_does_not_bid(on_fork, rule, why):
    found = on_fork(liquidation=rule, accounts=[Party.of("nobody").account])
    assert not found.ok
    assert why in found.stopped


def test_a_key_without_money_is_told_and_not_met(on_fork, fork):
    liquidator = Party.of("liquidator").address
    fork.chain().set_balance(liquidator, 1)
    found = on_fork(sending={"spend_per_day": 1e-6, "max_fee": 1e-6})
    assert found.rows[0].is_done
    assert not found.ok
    assert [line for line in found.stopped if line.startswith(f"balance: keys.liquidator {liquidator} holds 0.000000")]
    assert [
        line for line in found.stopped if line.startswith("sending.spend_per_day: 1e-06 ether; keys.liquidator took")
    ]
    assert [line for line in found.stopped if line.startswith("sending.max_fee: 1e-06 gwei; the chain takes")]


def test_a_bidder_without_margin_is_told(on_fork):
    (row,) = on_fork(liquidation={"account": 77, "min_profit": 0.01, "min_share": 0.05}).rows
    assert not row.is_done
    assert row.stopped == ["bid: the bidder's margin takes no part of it"]


def test_a_rule_under_which_no_bid_is_worth_it(on_fork):
    found = on_fork(liquidation={"account": 0, "min_profit": 1e6})
    assert not found.ok
    assert found.rows[0].stopped == ["no bid was worth it under liquidation.min_profit, min_share or max_payment"]


def test_liquidations_that_are_stopped_are_told(on_fork, town, fork):
    chain = fork.chain()
    registry = Contract(chain, town.system.registry.address, town.system.registry.artifact)
    until = chain.now + 3_600
    registry.transact("stop", 4, until, sender=town.admin)
    assert on_fork().rows[0].stopped == [f"start: liquidations are stopped until {until}"]


def test_an_account_that_holds_nothing(on_fork):
    found = on_fork(accounts=[Party.of("nobody").account])
    assert not found.ok
    assert found.rows == []
    assert "holds nothing that needs margin" in found.stopped[0]


# --------------------------------------------------------------------------------------------------------- the gate


def test_the_gate_passes_what_reads_and_refuses_the_rest(town):
    del town.proxy.methods[:]
    with ReadGate([town.proxy.url]) as gate:
        chain = NodeChain(gate.url)
        assert chain.block == town.chain.block
        for method in ("eth_sendRawTransaction", "eth_sendTransaction", "anvil_setBalance", "evm_mine", "eth_sign"):
            answer = requests.post(gate.url, json={"id": 7, "method": method, "params": []}, timeout=5).json()
            assert answer["id"] == 7
            assert "does not read" in answer["error"]["message"]
        batch = [
            {"jsonrpc": "2.0", "id": k, "method": m, "params": []}
            for k, m in enumerate(("eth_blockNumber", "evm_mine"))
        ]
        first, second = requests.post(gate.url, json=batch, timeout=5).json()
        assert int(first["result"], 16) == chain.block
        assert "error" in second
        assert requests.post(gate.url, data=b"{", timeout=5).json()["error"]["code"] == -32700
        assert requests.post(gate.url, json=["x"], timeout=5).json()[0]["error"]["code"] == -32600
        assert gate.refused == {
            "eth_sendRawTransaction": 1,
            "eth_sendTransaction": 1,
            "anvil_setBalance": 1,
            "evm_mine": 2,
            "eth_sign": 1,
        }
    assert set(town.proxy.methods) == {"eth_blockNumber"}


def test_the_gate_asks_the_next_node_where_one_is_down(town):
    with ReadGate([f"http://127.0.0.1:{free_port()}", town.proxy.url]) as gate:
        assert NodeChain(gate.url).block == town.chain.block
    with ReadGate([f"http://127.0.0.1:{free_port()}"]) as gate:
        answer = gate.answer(b'{"id": 1, "method": "eth_blockNumber", "params": []}')
        assert answer["error"]["message"].startswith("no node answers")


def test_a_fork_goes_on_from_the_real_chains_clock(town, fork):
    chain = fork.chain()
    assert fork.block == town.chain.block
    assert chain.block > fork.block
    assert 0 < chain.now - town.chain.now < 600
    assert chain.chain_id == town.chain.chain_id


def test_without_anvil_there_is_no_fork(town, monkeypatch):
    monkeypatch.setattr("plimsoll.chain.anvil.shutil.which", lambda _: None)
    monkeypatch.setattr("plimsoll.chain.anvil.ROOT", town.folder)
    with pytest.raises(ForkError, match="no anvil"), forked([town.proxy.url]):
        pass
    script = town.folder / "anvil"
    script.write_text("#!/bin/sh\nexit 3\n")
    script.chmod(0o755)
    monkeypatch.setattr("plimsoll.chain.anvil.shutil.which", lambda _: os.fspath(script))
    with pytest.raises(ForkError, match="left with code 3"), forked([town.proxy.url]):
        pass


@pytest.mark.parametrize("answer", [0, 1, -1, 10**20, -(2**255), 2**255 - 1])
def test_a_fixed_answer_is_fresh(answer, fork):
    chain = fork.chain()
    at = "0x00000000000000000000000000000000000000aa"
    chain.rpc.ask("anvil_setCode", at, "0x" + fixed_answer(answer).hex())
    chain.advance(10)
    words = chain.call(at, b"")
    found = [int.from_bytes(words[k : k + 32], "big") for k in range(0, 160, 32)]
    assert found[1] == answer % 2**256
    assert found[2] == found[3]
    assert abs(found[2] - chain.now) <= 1
    assert (found[0], found[4]) == (1, 1)


def test_a_page_of_nothing():
    assert not Drill(1).ok
    assert page_of(Drill(1)) is not None

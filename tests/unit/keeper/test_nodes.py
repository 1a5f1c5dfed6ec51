"""The keeper and risk nodes: a quorum posts, none fails the round and nothing else; a node from its settings."""

import json
import signal

import pytest
import yaml

from plimsoll import cli
from plimsoll.keeper import cosigner
from plimsoll.keeper.build import build_keeper
from plimsoll.keeper.cosigner import build_node, load_node_settings
from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.liquidation import Step
from plimsoll.keeper.poster import quorum_of
from plimsoll.keeper.recorder import read_journal
from plimsoll.keeper.settings import load_settings
from plimsoll.nodes.errors import PromiseError
from plimsoll.nodes.proposer import Peers
from plimsoll.nodes.service import Service
from plimsoll.nodes.wire import Answer
from plimsoll.risk.signing import address_of

from .conftest import SIGNERS, UNDERLYING

KEYS = {"NODE": SIGNERS[0], "STRANGER": "22" * 32, "POSTER": "11" * 32, "SIGNER": SIGNERS[1]}
DEAD = "http://127.0.0.1:9"


def good(**changes):
    return {
        "node": "http://127.0.0.1:8545",
        "book": "book.json",
        "key": "NODE",
        "markets": [{"underlying": UNDERLYING, "name": "TOY", "prices": "toy.csv", "depth": 1e6}],
        "promises": "promises.jsonl",
        "journal": "node.jsonl",
    } | changes


def load(folder, data):
    path = folder / "node.yaml"
    path.write_text(yaml.safe_dump(data))
    return load_node_settings(path)


class Here:
    """Peers within this thread: the embedded chain answers no other."""

    def __init__(self, monkeypatch, **answers):
        self.answers = answers
        monkeypatch.setattr("plimsoll.nodes.proposer.Peers._ask_all", self.ask_all)
        self.asked = 0

    def ask_all(self, proposed):
        import queue

        from plimsoll.nodes.proposer import PeerAnswer

        self.asked += 1
        found = queue.Queue()
        for peer, answer in self.answers.items():
            found.put(PeerAnswer(peer, answer(proposed)))
        return found


def test_a_quorum_of_peers_posts(world, monkeypatch):
    node = build_node(load(world.folder, good()), chain=world.chain, environment=KEYS)
    Here(monkeypatch, first=node.answer)
    signing = Peers(["first"], quorum_of(world.system), keys=[SIGNERS[1]], record=world.recorder.record)
    keeper = world.keeper(signing=signing)
    assert keeper.round().posted.ok
    world.chain.advance(3_600)
    assert keeper.round().posted.ok
    assert world.system.oracle.call("sequence") == 2
    node.promises.close()
    kinds = [line["kind"] for line in read_journal(world.folder / "node.jsonl")]
    assert kinds == ["node-signed", "node-signed"]


def test_without_a_quorum_the_round_fails_stores_nothing_and_liquidation_goes_on(world, monkeypatch):
    assert world.keeper().round().posted.ok
    long, maker = world.open("long", 10_000), world.open("maker", 10**6)
    world.venue.trade(long, maker, world.perp, 400 * 10**18)
    world.index(76.5)
    world.chain.advance(60)
    Here(monkeypatch, first=lambda _: Answer(error="no"))
    signing = Peers(["first"], quorum_of(world.system), keys=[SIGNERS[1]], record=world.recorder.record)
    keeper = world.keeper(signing=signing, agent=world.agent(), accounts=(long.account,))
    mark = len(world.chain.logs([world.system.oracle.address], 0))
    found = keeper.round()
    assert found.error == "post refused: 1 of 2 signatures: first: no"
    assert [step.step for step in found.steps] == [Step.CALL]
    assert len(world.chain.logs([world.system.oracle.address], 0)) == mark
    assert world.recorder.of("node-failed")[0]["error"] == "no"
    assert (keeper.failures, world.system.oracle.call("sequence")) == (1, 1)


def test_the_quorum_is_the_oracle_s_as_it_stands(world):
    oracle = world.system.oracle
    built = world.keeper().round().built
    demanded = quorum_of(world.system)(built)
    assert demanded.needed == oracle.call("quorum")
    assert all(demanded.counts(address_of(key)) for key in SIGNERS)
    assert not demanded.counts(address_of(KEYS["STRANGER"]))


@pytest.mark.parametrize(
    ("keys", "peers", "why"),
    [
        ({"poster": "POSTER"}, [DEAD], "0 signing keys and 1 peers; the oracle's quorum is 2"),
        ({"poster": "POSTER", "signers": ["STRANGER"]}, [DEAD, DEAD + "9"], "is no signer of the oracle"),
        ({"poster": "POSTER", "signers": ["SIGNER"]}, [DEAD], None),
    ],
)
def test_a_keeper_with_peers(world, keys, peers, why):
    data = good(keys=keys, nodes={"peers": peers, "timeout": 1})
    for name in ("key", "promises"):
        del data[name]
    path = world.folder / "keeper.yaml"
    path.write_text(yaml.safe_dump(data))
    settings = load_settings(path)
    if why is None:
        found = build_keeper(settings, chain=world.chain, environment=KEYS).round()
        assert found.error.startswith(f"post refused: 1 of 2 signatures: {DEAD}: unreachable")
    else:
        with pytest.raises(SettingsError, match=why):
            build_keeper(settings, chain=world.chain, environment=KEYS)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"key": "0x" + "11" * 32}, "key.variable: String should match"),
        ({"keys": ["A"]}, "keys: Extra inputs are not permitted"),
        ({"listen": {"port": 65_536}}, "listen.port"),
        ({"listen": {"timeout": 0}}, "listen.timeout"),
        ({"tolerance": {"lanes": 5}}, "tolerance.lanes: Extra inputs"),
        ({"tolerance": {"lane": -1}}, "tolerance.lane: Input should be greater"),
        ({"tolerance": {"lane": 1_001}}, "tolerance.lane: Input should be less"),
        ({"tolerance": {"scan": 1.5}}, "tolerance.scan: Input should be a valid integer"),
        ({"markets": []}, "markets: List should have at least 1"),
        ({"markets": good()["markets"] * 2}, "an underlying is named twice"),
        ({"version": 2}, "version"),
        ({"node": "ws://x"}, "node: String should match"),
    ],
)
def test_wrong_settings_of_a_node_are_named(tmp_path, change, why):
    with pytest.raises(SettingsError, match=why):
        load(tmp_path, good(**change))


def test_what_cannot_work_is_met_at_the_start(world):
    for change, why in (({"key": "STRANGER"}, "is no signer"), ({"key": "NOWHERE"}, "NOWHERE is not set")):
        with pytest.raises(SettingsError, match=why):
            build_node(load(world.folder, good(**change)), chain=world.chain, environment=KEYS)
    assert not (world.folder / "promises.jsonl").exists()
    first = build_node(load(world.folder, good()), chain=world.chain, environment=KEYS)
    with pytest.raises(PromiseError, match="another process signs by it"):
        build_node(load(world.folder, good()), chain=world.chain, environment=KEYS)
    first.promises.close()


def test_settings_reach_the_node(world):
    node = build_node(load(world.folder, good(tolerance={"lane": 7})), chain=world.chain, environment=KEYS)
    assert (node.tolerance.lane, node.tolerance.mark) == (7, 200)
    assert (node.chain_id, node.oracle) == (world.chain.chain_id, world.system.oracle.address)
    assert node.address == address_of(SIGNERS[0])
    node.promises.close()


@pytest.fixture
def command(world, monkeypatch):
    """`plimsoll node` over the embedded chain: its exit code."""
    (world.folder / "node.yaml").write_text(yaml.safe_dump(good(listen={"port": 0})))
    made = []

    def build(settings):
        made.append(build_node(settings, chain=world.chain, environment=KEYS))
        return made[-1]

    monkeypatch.setattr(cosigner, "build_node", build)

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            cli.main(["node", "--settings", str(world.folder / "node.yaml"), *arguments])
        for node in made:
            node.promises.close()
        return left.value.code

    return run


def test_once_says_what_it_would_sign(world, command, capsys):
    assert command("--once", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["signer"], said["sequence"]) == (address_of(SIGNERS[0]), 1)
    assert 0 < said["margin"][str(UNDERLYING)]["mm"] < 1
    assert command("--once") == 0
    assert "would sign report 1" in capsys.readouterr().out
    assert (world.folder / "promises.jsonl").read_text().count("\n") == 1  # nothing was signed


def test_it_serves_until_it_is_told_to_stop(command, monkeypatch, capsys):
    before = signal.getsignal(signal.SIGTERM)

    def served(_self):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Service, "serve_forever", served)
    try:
        assert command("--json") == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    said = json.loads(capsys.readouterr().out)
    assert said["listening"].startswith("http://127.0.0.1:")
    assert said["signer"] == address_of(SIGNERS[0])


def test_a_port_that_is_taken(world, command, capsys):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (world.folder / "node.yaml").write_text(yaml.safe_dump(good(listen={"port": port})))
        assert command() == 2
    assert f"InputError: listen 127.0.0.1:{port}:" in capsys.readouterr().err


def test_a_node_has_venues_of_its_own_where_it_is_told_so(world):
    names = ("kraken", "bitstamp", "okx")
    sources = [{"venue": name, "symbol": "BTC/USD", "url": "http://127.0.0.1:9"} for name in names]
    settings = load(world.folder, good(venues={"markets": {UNDERLYING: sources}, "hours": "venues"}))
    assert settings.venues.record == world.folder / "build" / "venues.db"
    node = build_node(settings, chain=world.chain, environment=KEYS)
    live = cosigner.live_of(node)
    assert [row.name for row in live.sources()] == list(names)
    assert not live.wait(0.2)  # nobody was asked yet
    live.close()
    node.promises.close()
    other = build_node(load(world.folder, good()), chain=world.chain, environment=KEYS)
    assert cosigner.live_of(other) is None
    other.promises.close()

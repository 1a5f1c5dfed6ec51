"""The settings file: every way to be wrong has a name, and a whole keeper comes out of a right one."""

import json
from pathlib import Path

import pytest
import yaml

from plimsoll import cli
from plimsoll.chain.errors import DeploymentError
from plimsoll.keeper.accounts import AccountWatcher, listed_expiries
from plimsoll.keeper.build import build_keeper
from plimsoll.keeper.errors import KeeperError, SettingsError
from plimsoll.keeper.index.decode import named_accounts
from plimsoll.keeper.journal import Journal
from plimsoll.keeper.recorder import JsonLinesRecorder, MemoryRecorder, read_journal
from plimsoll.keeper.settings import key_from, load_settings
from plimsoll.market.errors import SourceError

from .conftest import SIGNERS, START, UNDERLYING

KEYS = {"POSTER": "11" * 32, "NODE_0": SIGNERS[0], "NODE_1": SIGNERS[1], "STRANGER": "22" * 32, "LIQUIDATOR": "33" * 32}


def good():
    return {
        "node": "http://127.0.0.1:8545",
        "book": "book.json",
        "keys": {"poster": "POSTER", "signers": ["NODE_0", "NODE_1"], "liquidator": "LIQUIDATOR"},
        "markets": [{"underlying": UNDERLYING, "name": "TOY", "prices": "toy.csv", "depth": 1e6}],
        "liquidation": {"account": 0},
        "journal": "journal.db",
    }


def write(folder, data):
    path = folder / "keeper.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data))
    return path


def test_a_good_file_makes_a_keeper_that_posts(world):
    settings = load_settings(write(world.folder, good()))
    assert settings.book == world.folder / "book.json"
    world.open("somebody", 100)
    keeper = build_keeper(settings, chain=world.chain, environment=KEYS)
    assert keeper.round().posted.ok
    assert keeper.engine.model.name == "har-fhs"
    assert len(keeper.accounts()) == 1
    kinds = [line["kind"] for line in Journal(world.folder / "journal.db").lines()]
    assert kinds == ["note", "post-due", "post-intent", "posted", "responsiveness"]


def test_what_a_report_was_made_from_is_archived_and_recomputes_it(world, capsys):
    settings = load_settings(write(world.folder, good() | {"archive": "reports"}))
    keeper = build_keeper(settings, chain=world.chain, environment=KEYS)
    keeper.round()
    world.chain.advance(3_600)
    assert keeper.round().posted.ok
    with pytest.raises(SystemExit) as left:
        cli.main(["replay", "2", "--archive", str(world.folder / "reports")])
    assert left.value.code == 0
    assert capsys.readouterr().out.endswith("equal\n")


def test_marks_and_depths_are_read_where_they_are_named(world):
    """A perpetual a fifth of a percent over the index, and books of 42 contracts, in files of their own."""
    now = world.chain.now
    lines = [f"{START - 86_400 * (3 - k)},100.2,100.2,100.2,100.2,1" for k in range(3)]
    (world.folder / "perp.csv").write_text("time,open,high,low,close,volume\n" + "\n".join(lines) + "\n")
    seen = [f"{now - 3_600 * (99 - k)},{50 if k else 42}" for k in range(100)]
    (world.folder / "depth.csv").write_text("time,depth\n" + "\n".join(seen) + "\n")
    market = good()["markets"][0] | {"marks": "perp.csv", "depths": "depth.csv"}
    settings = load_settings(write(world.folder, good() | {"markets": [market]}))
    keeper = build_keeper(settings, chain=world.chain, environment=KEYS)
    done = keeper.round()
    seen = keeper.source.snapshot(done.held).markets[0].marks_seen
    assert (seen.time.tolist()[-1], seen.mark.tolist()[-1], seen.index.tolist()[-1]) == (START, 100.2, 100.0)
    assert 0 < len(seen.time) <= 3
    forecast = done.built.forecasts[UNDERLYING]
    assert forecast.closing.depth.origin == "measured"
    assert forecast.closing.depth.posted == 42
    assert forecast.closing.depth.observations == 100
    (world.folder / "depth.csv").write_text("time,deep\n1,2\n")
    with pytest.raises(SourceError, match="a column of that name is right"):
        build_keeper(settings, chain=world.chain, environment=KEYS)


def test_expiries_are_what_the_book_lists(world):
    late = world.chain.now + 30 * 86_400
    world.chain.advance(24)
    world.list(late, 1, 0)
    assert listed_expiries(world.system) == {UNDERLYING: (late,)}
    keeper = build_keeper(load_settings(write(world.folder, good())), chain=world.chain, environment=KEYS)
    assert keeper.round().posted.ok
    assert {key[1] for key in keeper.reader.read().surfaces} == {0, late}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"triggers": {"heartbeat": 0}}, "triggers.heartbeat: Input should be greater than 0"),
        ({"triggers": {"hartbeat": 60}}, "triggers.hartbeat: Extra inputs are not permitted"),
        ({"triggers": {"thresholds": {"prs": 0.1}}}, "'prs' is no parameter; one of psr, vol_up, vol_down, depth"),
        ({"triggers": {"thresholds": {"psr": 0}}}, "triggers.thresholds.psr: Input should be greater than 0"),
        ({"triggers": {"neighbours": 1.1}}, "triggers.neighbours: Input should be less than or equal to 1"),
        ({"triggers": {"post_gas_limit": 0}}, "triggers.post_gas_limit: Input should be greater than 0"),
        ({"node": "ftp://x"}, "node.0: String should match"),
        ({"markets": []}, "markets: List should have at least 1 item"),
        ({"markets": good()["markets"] * 2}, "an underlying is named twice"),
        ({"keys": {"poster": "P", "signers": ["A", "A"]}}, "a signer is named twice"),
        ({"keys": {"poster": "0x" + "11" * 32, "signers": ["A"]}}, "keys.poster.variable: String should match"),
        ({"keys": {"poster": "P"}}, "nobody signs: keys.signers, nodes.peers, or both are needed"),
        ({"nodes": {"peers": []}}, "nodes.peers: List should have at least 1 item"),
        ({"nodes": {"peers": ["127.0.0.1:9560"]}}, "nodes.peers.0: String should match"),
        ({"nodes": {"peers": ["http://a/sign"]}}, "nodes.peers.0: String should match"),
        ({"nodes": {"peers": ["http://a:1", "http://a:1/"]}}, "a peer is named twice"),
        ({"nodes": {"peers": ["http://a:1"], "timeout": 0}}, "nodes.timeout"),
        ({"nodes": {"peers": ["http://a:1"], "keys": []}}, "nodes.keys: Extra inputs"),
        ({"loop": {"max_failures": 0}}, "loop.max_failures"),
        ({"version": 2}, "version"),
        ({"model": {"name": "nobody"}}, "model: model 'nobody' is unknown here; har-fhs, ewma-fhs"),
        ({"model": {"parameters": {"level": 2}}}, "model: level 2; 0.5"),
        ({"model": {"parameters": {"levl": 0.9}}}, "model: model har-fhs 2: parameters: levl is unknown here"),
        ({"book": None}, "book"),
    ],
)
def test_wrong_fields_are_named(tmp_path, change, why):
    with pytest.raises(SettingsError, match=why):
        load_settings(write(tmp_path, good() | change))


@pytest.mark.parametrize(("text", "why"), [("a: [", "no YAML"), ("- 1", "a mapping"), ("", "a mapping")])
def test_no_settings_at_all(tmp_path, text, why):
    with pytest.raises(SettingsError, match=why):
        load_settings(write(tmp_path, text))
    with pytest.raises(SettingsError, match="No such file"):
        load_settings(tmp_path / "nothing.yaml")


@pytest.mark.parametrize("value", ["", "12", "zz" * 32])
def test_a_key_that_is_none_is_never_quoted(value):
    with pytest.raises(SettingsError) as error:
        key_from("POSTER", {"POSTER": value})
    assert "POSTER" in str(error.value)
    assert not value or value not in str(error.value)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"keys": {"poster": "POSTER", "signers": ["NODE_0"], "liquidator": "LIQUIDATOR"}}, "quorum is 2"),
        ({"keys": {"poster": "POSTER", "signers": ["NODE_0", "STRANGER"], "liquidator": "LIQUIDATOR"}}, "no signer"),
        ({"keys": {"poster": "POSTER", "signers": ["NODE_0", "NODE_1"]}}, "keys.liquidator is not"),
        ({"keys": {"poster": "NOWHERE", "signers": ["NODE_0", "NODE_1"]}}, "NOWHERE is not set"),
    ],
)
def test_keys_that_cannot_work_are_met_at_the_start(world, change, why):
    settings = load_settings(write(world.folder, good() | change))
    with pytest.raises(SettingsError, match=why):
        build_keeper(settings, chain=world.chain, environment=KEYS)
    assert not (world.folder / "journal.jsonl").exists()


def test_an_address_book_of_nothing(world):
    world.book.write_text(json.dumps({"chain_id": 1337, "contracts": {}}))
    with pytest.raises(DeploymentError, match="IndexFeed has no address"):
        build_keeper(load_settings(write(world.folder, good())), chain=world.chain, environment=KEYS)


def test_the_journal_survives_a_cut_off_line(tmp_path):
    path = tmp_path / "deep" / "journal.jsonl"
    journal = JsonLinesRecorder(path)
    journal.record("one", 1, big=2**200, raw=b"\x01")
    with path.open("a") as file:
        file.write('{"time": 2, "ki')
    kept = {"time": 1, "kind": "one", "big": 2**200, "raw": "0x01"}
    assert list(read_journal(path)) == [kept]
    JsonLinesRecorder(path).record("three", 3)
    assert list(read_journal(path)) == [kept, {"time": 3, "kind": "three"}]
    JsonLinesRecorder(path).record("four", 4)
    with path.open("ab") as file:
        file.write(b"\xff\n7\n")
    assert [line["time"] for line in read_journal(path)] == [1, 3, 4]
    assert path.read_text(errors="replace").count("\n") == 6  # no line is empty


def test_a_journal_that_cannot_be_read(tmp_path):
    with pytest.raises(KeeperError, match=r"journal .*: Is a directory"):
        list(read_journal(tmp_path))


def test_a_journal_that_cannot_be_opened(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KeeperError, match="journal"):
        JsonLinesRecorder(Path(tmp_path / "file" / "journal.jsonl"))


def test_accounts_are_found_by_what_they_did(world):
    watcher = AccountWatcher(world.system)
    assert watcher.update() == []
    parties = [world.open(f"party {k}", 10) for k in range(3)]
    world.chain.advance(10**5)
    parties.append(world.open("late", 10))
    assert watcher.update() == [party.account for party in parties]
    assert watcher.update() == [party.account for party in parties]


def test_who_only_receives_is_found_and_the_system_is_not(world):
    watcher = AccountWatcher(world.system)
    rich = world.open("rich", 10)
    second = rich.account + 1
    book, quote = world.system.clearinghouse, world.system.quote
    book.transact("transfer", rich.account, second, quote.address, 10**6, sender=rich.address)
    book.transact("settle", rich.account, sender=rich.address)
    assert watcher.update() == [rich.account, second]
    named = named_accounts([book, world.system.liquidator])
    assert named["Clearinghouse", "Withdrawn"] == ("account",)  # `to` is an address there
    assert named["Clearinghouse", "BountyPaid"] == ("account", "to")
    assert named["Liquidator", "ReserveDrawn"] == ("account", "reserve")
    assert named["Clearinghouse", "Accrued"] == ()


def test_memory_recorder_by_kind():
    recorder = MemoryRecorder()
    recorder.record("a", 1)
    recorder.record("b", 2, x=1)
    assert recorder.of("b") == [{"time": 2, "kind": "b", "x": 1}]


def test_the_example_is_right():
    settings = load_settings(Path(__file__).parents[3] / "docs" / "operations" / "keeper.example.yaml")
    assert len(settings.node) == 2
    assert settings.venues.minimum == 3
    assert settings.journal.parts[-2:] == ("state", "keeper.db")
    assert settings.keys.poster.account == "plimsoll-poster"


def test_one_key_for_two_things_is_refused(world):
    data = good() | {"keys": {"poster": "POSTER", "signers": ["NODE_0", "NODE_1"], "liquidator": "POSTER"}}
    with pytest.raises(SettingsError, match=r"keys\.liquidator is keys\.poster"):
        build_keeper(load_settings(write(world.folder, data)), chain=world.chain, environment=KEYS)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ([], "node: List should have at least 1 item"),
        (["http://a:1", "http://a:1"], "a node is named twice"),
        (["http://a:1", "file:///etc"], r"node\.1: String should match"),
    ],
)
def test_nodes_that_are_none(tmp_path, node, message):
    with pytest.raises(SettingsError, match=message):
        load_settings(write(tmp_path, good() | {"node": node}))


def test_standing_orders_have_a_taker_or_are_refused(world):
    (world.folder / "orders").mkdir()
    standing = {"standing": {"orders": "orders"}}
    settings = load_settings(write(world.folder, good() | standing))
    assert settings.standing.orders == world.folder / "orders"
    keeper = build_keeper(settings, chain=world.chain, environment=KEYS)
    assert keeper.standing.taker == keeper.agent.bidder
    assert keeper.round().fills == ()
    nobody = good() | standing | {"liquidation": {}}
    with pytest.raises(SettingsError, match="no account takes orders"):
        build_keeper(load_settings(write(world.folder, nobody)), chain=world.chain, environment=KEYS)
    keys = {"poster": "POSTER", "signers": ["NODE_0", "NODE_1"]}
    without = {**good(), **standing, "keys": keys}
    del without["liquidation"]
    with pytest.raises(SettingsError, match=r"keys\.liquidator is not"):
        build_keeper(load_settings(write(world.folder, without)), chain=world.chain, environment=KEYS)

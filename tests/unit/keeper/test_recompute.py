"""`plimsoll replay` and what it rests on: equal to the byte, or each number that is not, with what it means."""

import json
import os
import re
from dataclasses import replace

import pytest
from eth_utils.crypto import keccak

from plimsoll import cli
from plimsoll.chain import node
from plimsoll.chain.deployment import load_book
from plimsoll.chain.errors import ExecutionError, NodeError
from plimsoll.chain.protocol import Receipt
from plimsoll.keeper.archive import Archive, Entry
from plimsoll.keeper.errors import NotPostedError
from plimsoll.keeper.recompute import Said, differences, lane_meaning, posted
from plimsoll.risk.engine import Engine
from plimsoll.spec.report import pack_class, pack_scalars
from plimsoll.spec.surface import decode, encode

from .test_archive import ENGINE, LATER, NOW, RAILS, SNAPSHOT, keep, put

HASH = "0x" + "77" * 32


def run(*arguments):
    with pytest.raises(SystemExit) as left:
        cli.main([str(argument) for argument in arguments])
    return left.value.code


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path / "reports")


@pytest.fixture(scope="module")
def built():
    return ENGINE.report(SNAPSHOT)


def changed(built, at, edit):
    """The report as it stands, one surface of it edited, all hashes in order."""
    surface = decode(built.codes[at])
    code = encode(edit(surface))
    codes = (*built.codes[:at], code, *built.codes[at + 1 :])
    return Said(replace(built.report, surfaces=tuple(map(keccak, codes))), codes)


def row(number, **fields):
    def edit(surface):
        rows = list(surface.rows)
        lanes = fields.pop("lanes", {})
        old = rows[number].lanes
        rows[number] = replace(rows[number], lanes=tuple(lanes.get(k, lane) for k, lane in enumerate(old)), **fields)
        return replace(surface, rows=tuple(rows))

    return edit


def test_equal_is_no_difference(built):
    assert differences(Said(built.report, built.codes), built) == ()


def test_the_lane_that_differs_is_named_with_its_meaning_and_both_numbers(built):
    right = built.surfaces[1].rows[0].lanes[24]
    expiry = NOW + 30 * 86_400
    (found,) = differences(changed(built, 1, row(0, lanes={24: right + 1})), built)
    assert (found.what, found.underlying, found.expiry, found.row, found.lane) == ("lane", 256, expiry, 0, 24)
    assert (found.archived, found.recomputed) == (right + 1, right)
    assert found.instrument == "call 100"
    said = str(found)
    psr = built.surfaces[1].psr / 1e6
    assert said == (
        f"underlying 256, expiry {expiry}, row 0 (call 100), lane 24 (price {-psr:+.2%}, -1.0000 of the scan "
        f"range, volatility up): archived {right + 1}, recomputed {right}"
    )


def test_what_each_lane_means(built):
    surface = built.surfaces[0]
    texts = [lane_meaning(surface, lane) for lane in range(32)]
    assert len(set(texts)) == 32
    assert texts[0] == "price +0.00%, +0.0000 of the scan range, volatility up"
    assert texts[3].endswith("+0.1000 of the scan range, volatility down")
    assert texts[26].endswith("+1.50 scan ranges, volatility up, 60 % counts")
    assert texts[31].endswith("-3.00 scan ranges, volatility up, 33 % counts")


def header(**fields):
    return lambda surface: replace(surface, **fields)


@pytest.mark.parametrize(
    ("edit", "names"),
    [
        (header(psr=77), ["psr"]),
        (header(reference=5, forward=6), ["forward", "reference"]),
        (header(damps=(1, 2, 3)), ["damps"]),
        (header(set_id=9), ["set_id"]),
        (header(rows=()), ["rows"]),
        (row(1, mark=1, gross=2), ["mark", "gross"]),
        (row(0, lanes={0: 9, 5: 9, 31: 9}, theta=4), ["lane", "lane", "lane", "theta"]),
    ],
)
def test_headers_and_rows(built, edit, names):
    found = differences(changed(built, 0, edit), built)
    assert [item.what for item in found] == names
    assert all((item.underlying, item.expiry) == (256, 0) for item in found)


def test_scalars_classes_and_fields_of_the_report(built):
    report = built.report
    scalars = replace(built.scalars[1], kappa=1, im_factor=2)
    klass = replace(built.classes[0], offset=3)
    wrong = replace(
        report,
        market_time=1,
        model=bytes(32),
        scalars=(report.scalars[0], pack_scalars(scalars)),
        classes=(pack_class(klass),),
    )
    found = differences(Said(wrong, built.codes), built)
    assert [(item.what, item.underlying) for item in found] == [
        ("market_time", None),
        ("model", None),
        ("kappa", 257),
        ("im_factor", 257),
        ("class 1: offset", None),
    ]
    assert str(found[1]).startswith("model: archived 0x0000")
    spare = differences(Said(replace(report, classes=(report.classes[0] | 1,)), built.codes), built)
    assert [item.what for item in spare] == ["class 1: classes"]  # bits that no field shows
    fewer = differences(Said(replace(report, scalars=report.scalars[:1], classes=()), built.codes), built)
    assert [(item.what, item.underlying, item.archived) for item in fewer] == [
        ("scalars", 257, None),
        ("class 1: classes", None, None),
    ]


def test_surfaces_that_are_missing_too_many_spoilt_or_out_of_order(built):
    report, codes = built.report, built.codes
    (missing,) = differences(Said(report, codes[:-1]), built)
    assert (missing.what, missing.underlying, missing.archived) == ("surface", 257, None)
    one = replace(built, codes=codes[:-1])
    (extra,) = differences(Said(report, codes), one)
    assert (extra.what, extra.recomputed) == ("surface", None)
    (spoilt,) = differences(Said(report, (codes[0] + b"\0", *codes[1:])), built)
    assert spoilt.what == "surface"
    assert "no surface" in spoilt.archived
    spare = codes[0][:32] + bytes([codes[0][32] ^ 1]) + codes[0][33:]  # the header's zero bits
    (hidden,) = differences(Said(report, (spare, *codes[1:])), built)
    assert (hidden.what, hidden.archived) == ("surface", keccak(spare))
    (order,) = differences(Said(replace(report, surfaces=report.surfaces[::-1]), codes), built)
    assert order.what == "surfaces"


# ------------------------------------------------------------------------------------------------------------- command


def test_a_good_report_is_equal_by_sequence_digest_and_path(archive, built, capsys):
    keep(archive, built)
    second = ENGINE.report(LATER, built.state, rails=RAILS)
    signed = keep(archive, second, built.state, rails=RAILS)
    for name in ("2", "0x" + signed.hex(), archive.find("2").path):
        assert run("replay", name, "--archive", archive.folder) == 0
        assert capsys.readouterr().out == f"report 2, 2025-01-01 01:00 UTC, {len(second.codes)} surfaces\nequal\n"
    assert run("replay", "1", "--archive", archive.folder, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["equal"], said["sequence"], said["differences"]) == (True, 1, [])
    assert (said["chain_id"], said["model"], said["transaction"]) == (1337, "ewma-fhs/2", None)


def lie(archive, built):
    """An archive of one report that says another lane than the snapshot does, every hash in order."""
    keep(archive, built)
    record = archive.load(archive.find("1"))
    wrong = changed(built, 0, row(0, lanes={2: 12_345}))
    forged = replace(record, report=wrong.report, codes=wrong.codes)
    archive.find("1").path.unlink()
    path = archive.reports / f"1-{forged.digest.hex()}.json"
    return put(archive, forged.content, Entry(path, 1, forged.digest, bytes(32), None))


def test_a_lane_that_differs_is_said_and_ends_in_one(archive, built, capsys):
    lie(archive, built)
    right = built.surfaces[0].rows[0].lanes[2]
    assert run("replay", "1", "--archive", archive.folder) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[1].startswith("underlying 256, expiry 0, row 0 (perpetual), lane 2 (price +")
    assert out[1].endswith(f"+0.1000 of the scan range, volatility up): archived 12345, recomputed {right}")
    assert out[2:] == ["1 numbers differ"]
    assert run("replay", "1", "--archive", archive.folder, "--json") == 1
    (said,) = json.loads(capsys.readouterr().out)["differences"]
    assert (said["lane"], said["archived"], said["recomputed"]) == (2, 12_345, right)
    assert said["meaning"].endswith("volatility up")


def test_another_release_is_named_where_numbers_differ(archive, built, capsys, monkeypatch):
    lie(archive, built)
    monkeypatch.setattr(cli.replay, "__version__", "9.9")
    assert run("replay", "1", "--archive", archive.folder) == 1
    assert "it was made by release 0.1.0; this is 9.9" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["9"], "NotArchivedError: .* holds no report 9; it has 1 .. 1"),
        (["0x" + "12" * 32], "NotArchivedError"),
        (["one"], "names no report"),
        (["nowhere/1-00.json"], "no such file"),
        ([HASH, "--node", "http://127.0.0.1:1"], "--node and --book go together"),
        ([HASH, "--book", "book.json"], "--node and --book go together"),
        (["12", "--node", "http://127.0.0.1:1", "--book", "book.json"], "12 is no transaction"),
        ([HASH, "--node", "ftp://x", "--book", "book.json"], "is no URL"),
        ([HASH, "--node", "http://127.0.0.1:1", "--book", "nowhere.json"], "no such file"),
        ([], "Missing argument"),
    ],
)
def test_bad_input_is_named_and_ends_in_two(archive, built, capsys, arguments, why):
    keep(archive, built)
    before = sorted(archive.folder.rglob("*"))
    assert run("replay", *arguments, "--archive", archive.folder) == 2
    assert re.search(why, capsys.readouterr().err)
    assert sorted(archive.folder.rglob("*")) == before


def test_an_archive_with_a_changed_byte_ends_in_two(archive, built, capsys):
    keep(archive, built)
    path = archive.objects / f"{SNAPSHOT.content_hash.hex()}.gz"
    data = path.read_bytes()
    path.write_bytes(data[:100] + bytes([data[100] ^ 255]) + data[101:])
    assert run("replay", "1", "--archive", archive.folder) == 2
    assert "CorruptArchiveError" in capsys.readouterr().err


def test_a_model_that_is_unknown_here_ends_in_two(archive, built, capsys):
    keep(archive, built)
    content = archive.load(archive.find("1")).content
    put(archive, content.replace(b'"ewma-fhs"', b'"ewma-fhz"'), archive.find("1"))
    assert run("replay", "1", "--archive", archive.folder) == 2
    said = "ModelError: model 'ewma-fhz' is unknown here; har-fhs, ewma-fhs, learned-fhs are: an entry point"
    assert said in capsys.readouterr().err


# -------------------------------------------------------------------------------------------------------- from a chain


class Mined:
    """The chain of a test behind a node's interface: receipts by hash."""

    def __init__(self, chain, receipts):
        self.chain = chain
        self.receipts = receipts

    def __getattr__(self, name):
        return getattr(self.chain, name)

    def receipt(self, sent):
        found = self.receipts.get(sent)
        if found is None:
            raise NodeError(f"the node knows no mined transaction {sent}")
        return replace(found, hash=sent)


@pytest.fixture
def post(world, monkeypatch):
    """A keeper that has posted, its archive, and the receipt of the post behind a node."""
    keeper = world.keeper()
    keeper.archive = Archive(world.folder / "reports")
    receipts = []
    real = type(world.system.oracle).transact

    def transact(self, name, *args, **kwargs):
        found = real(self, name, *args, **kwargs)
        if name != "post":
            return found
        receipts.append(replace(found, hash=f"0x{len(receipts):064x}"))
        return receipts[-1]

    monkeypatch.setattr(type(world.system.oracle), "transact", transact)
    assert keeper.round().ok
    world.chain.advance(7_200)
    world.index(100.3)
    second = keeper.round()
    assert second.ok
    assert second.posted is not None
    chain = Mined(world.chain, {receipt.hash: receipt for receipt in receipts})
    monkeypatch.setattr(node, "NodeChain", lambda _: chain)
    return keeper, receipts


def replay_tx(world, sent, *more):
    return run(
        "replay",
        sent,
        "--node",
        "http://127.0.0.1:1",
        "--book",
        world.book,
        "--archive",
        world.folder / "reports",
        *more,
    )


def test_what_the_keeper_posts_is_archived_and_replays_by_number_and_by_transaction(world, post, capsys):
    keeper, receipts = post
    assert [(e.sequence, e.transaction) for e in keeper.archive.entries()] == [
        (1, receipts[0].hash),
        (2, receipts[1].hash),
    ]
    record = keeper.archive.load(keeper.archive.find("2"))
    assert record.previous is not None
    assert (record.chain_id, record.oracle) == (world.chain.chain_id, world.system.oracle.address)
    said = posted(world.system, receipts[1])
    assert (said.report, said.codes) == (record.report, record.codes)
    for number in (1, 2):
        assert run("replay", number, "--archive", keeper.archive.folder) == 0
        assert replay_tx(world, receipts[number - 1].hash) == 0
        assert capsys.readouterr().out.endswith("equal\n")


def test_an_urgent_report_of_the_keeper_replays(world, capsys):
    keeper = world.keeper()
    keeper.archive = Archive(world.folder / "reports")
    keeper.config = replace(keeper.config, urgent=True)
    assert keeper.round().built.report.urgent
    assert run("replay", 1, "--archive", keeper.archive.folder) == 0
    assert capsys.readouterr().out.endswith("equal\n")


def test_a_chain_that_holds_another_lane_than_the_snapshot_says(world, post, capsys, monkeypatch):
    """Somebody with a quorum's keys posts what no engine said: the archive has the snapshot, the chain the lie."""
    keeper, receipts = post
    entry = keeper.archive.find("2")
    snapshot = keeper.archive.snapshot(keeper.archive.load(entry).report.snapshot)
    real = Engine.whole

    def lying(self, *args, **kwargs):
        found = real(self, *args, **kwargs)
        said = changed(found, 0, row(0, gross=found.surfaces[0].rows[0].gross + 7))
        return replace(found, report=said.report, codes=said.codes, surfaces=tuple(map(decode, said.codes)))

    monkeypatch.setattr(Engine, "whole", lying)
    world.chain.advance(7_200)
    world.index(100.9)
    assert keeper.round().posted.ok
    monkeypatch.setattr(Engine, "whole", real)
    assert snapshot.content_hash != keeper.archive.load(keeper.archive.find("3")).report.snapshot
    chain = node.NodeChain("")
    chain.receipts.update({receipt.hash: receipt for receipt in receipts})
    capsys.readouterr()
    assert replay_tx(world, receipts[2].hash) == 1
    out = capsys.readouterr().out.splitlines()
    assert ", gross: archived " in out[1]
    assert out[-1] == "1 numbers differ"


def test_the_wrong_chain_or_transaction_ends_in_an_error_with_a_name(world, post, capsys):
    _, receipts = post
    book = json.loads(world.book.read_text())
    world.book.write_text(json.dumps(book | {"chain_id": 5}))
    assert replay_tx(world, receipts[0].hash) == 2
    assert f"is of chain 5, this is {world.chain.chain_id}" in capsys.readouterr().err
    world.book.write_text(json.dumps(book))
    assert replay_tx(world, "0x" + "99" * 32) == 1
    assert "NodeError: the node knows no mined transaction" in capsys.readouterr().err
    node.NodeChain("").receipts[HASH] = Receipt(0, (), 1, 1)
    assert replay_tx(world, HASH) == 2
    assert "NotPostedError: transaction 0x7777" in capsys.readouterr().err


def test_events_that_do_not_make_up_what_was_signed(world, post):
    _, receipts = post
    system = load_book(world.book, world.chain)
    events = [system.oracle.decode_log(log) for log in receipts[1].logs]
    kept = [
        log
        for log, event in zip(receipts[1].logs, events, strict=True)
        if event is None or event.name != "ScalarsPosted"
    ]
    with pytest.raises(NotPostedError, match="are not the report that was signed"):
        posted(system, replace(receipts[1], logs=tuple(kept)))


def test_a_report_that_is_not_archived_but_on_chain(world, post, capsys):
    keeper, receipts = post
    keeper.archive.find("2").path.unlink()
    assert replay_tx(world, receipts[1].hash) == 2
    assert "NotArchivedError" in capsys.readouterr().err


def test_a_dry_run_archives_nothing_and_a_full_disk_posts_nothing(world, monkeypatch):
    keeper = world.keeper(dry_run=True)
    keeper.archive = Archive(world.folder / "reports")
    assert keeper.round().built is not None
    assert keeper.archive.entries() == []
    keeper = world.keeper()
    keeper.archive = Archive(world.folder / "reports")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    found = keeper.round()
    monkeypatch.undo()
    assert "ArchiveError: archive" in found.error
    assert "No space left on device" in found.error
    assert world.system.oracle.call("sequence") == 0  # what cannot be replayed is not posted


def test_a_node_that_fails_a_transaction(monkeypatch):
    chain = node.NodeChain("http://127.0.0.1:1")
    monkeypatch.setattr(chain.rpc, "ask", lambda *_: {"status": "0x0", "blockNumber": "0x5"})
    with pytest.raises(ExecutionError, match="failed in block 5"):
        chain.receipt(HASH)
    monkeypatch.setattr(chain.rpc, "ask", lambda *_: None)
    with pytest.raises(NodeError, match="knows no mined transaction"):
        chain.receipt(HASH)

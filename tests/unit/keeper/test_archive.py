"""The archive: what is read is what was written, or there is an error that says which."""

import errno
import gzip
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from eth_utils.crypto import keccak

from plimsoll.keeper.archive import Archive, Record, open_report
from plimsoll.keeper.errors import ArchiveError, CorruptArchiveError, NotArchivedError
from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.risk.arrays import ArrayConfig, SpotTerms
from plimsoll.risk.engine import Engine, EngineConfig
from plimsoll.risk.errors import ModelError
from plimsoll.risk.limits import Rails
from plimsoll.risk.models import EwmaFhs, EwmaFhsConfig, GlideConfig
from plimsoll.risk.named import OWN
from plimsoll.risk.report_parts import part
from plimsoll.spec.guardrails import PSR, Limit, Scenarios
from plimsoll.spec.instruments import CALL, PERP, PUT, SPOT, Instrument
from plimsoll.spec.report import digest
from plimsoll.spec.wad import WAD

NOW = 1_735_689_600
DAY = 86_400
CHAIN = 1337
ORACLE = "0x" + "ab" * 20
TOKEN = Instrument(256, 0, SPOT, 0, 1).pack()


def market(underlying, last, seed):
    steps = np.random.default_rng(seed).normal(0, 0.02, 400)
    close = np.exp(np.cumsum(steps))
    expiry = NOW + 30 * DAY
    listed = [
        Instrument(underlying, 0, PERP, 0, 0),
        Instrument(underlying, 0, SPOT, 0, 1),
        Instrument(underlying, expiry, CALL, int(last), 0),
        Instrument(underlying, expiry, PUT, int(last), 1),
    ]
    history = History(NOW - DAY * np.arange(400, 0, -1), close / close[-1] * last, DAY)
    return Market(underlying, last, history, tuple(item.pack() for item in listed), WAD, {listed[2].pack(): 0.7})


SNAPSHOT = Snapshot(NOW, (market(256, 100.0, 1), market(257, 37.0, 2)))
LATER = Snapshot(NOW + 3_600, SNAPSHOT.markets)
RAILS = Rails(
    limits={**Rails().limits, 7: {PSR: Limit(1_000, 400_000, 10_000, 10_000)}},
    scopes={256: 7},
    sets={256: Scenarios(psr=80_000, time=NOW)},
    charges={Instrument(256, 0, PERP, 0, 0).pack() >> 16: (2_000, 10**12)},
)
ENGINE = Engine(
    EwmaFhs(EwmaFhsConfig(horizon=2 * DAY, glide=GlideConfig(max_rise=1))),  # an int where a float may stand
    EngineConfig(arrays=ArrayConfig(spot={TOKEN: SpotTerms(0.05, 0.02)})),
)


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path / "reports")


@pytest.fixture(scope="module")
def first():
    return ENGINE.report(SNAPSHOT)


@pytest.fixture(scope="module")
def second(first):
    return ENGINE.report(LATER, first.state, rails=RAILS)


def keep(archive, built, previous=None, rails=None, *, urgent=False, only=None):
    snapshot = SNAPSHOT if built.report.market_time == NOW else LATER
    return archive.keep(built, ENGINE, snapshot, previous, CHAIN, ORACLE, rails=rails, urgent=urgent, only=only)


def files(archive):
    return sorted(path.relative_to(archive.folder) for path in archive.folder.rglob("*") if path.is_file())


def test_what_is_kept_comes_back_and_recomputes_to_the_byte(archive, first, second):
    keep(archive, first)
    signed = keep(archive, second, first.state, rails=RAILS)
    record = archive.load(archive.find("2"))
    assert record.digest == signed == digest(second.report, CHAIN, ORACLE)
    assert (record.report, record.codes) == (second.report, second.codes)
    assert record.previous == first.state
    assert record.inputs == {"rails": RAILS, "urgent": False, "only": None}
    assert record.engine().config == ENGINE.config
    assert record.engine().model.parameters == ENGINE.model.parameters
    again = record.recompute(archive.snapshot(record.report.snapshot))
    assert (again.report, again.codes) == (second.report, second.codes)
    without = replace(record, inputs={}).recompute(LATER)
    assert without.codes != second.codes  # the limits are part of what made it


def test_an_urgent_report_replays_as_one(archive, first):
    urgent = ENGINE.report(LATER, first.state, rails=RAILS, urgent=True)
    keep(archive, urgent, first.state, rails=RAILS, urgent=True)
    record = archive.load(archive.find("2"))
    assert record.recompute(LATER).report == urgent.report
    assert record.report.urgent


def test_a_report_of_some_underlyings_comes_back_and_recomputes_to_the_byte(archive, first):
    whole = ENGINE.whole(LATER, first.state, rails=RAILS)
    built = part(whole, (257,), first.state)
    signed = keep(archive, built, first.state, rails=RAILS, only=(257,))
    record = archive.load(archive.find("2"))
    assert record.digest == signed
    assert record.inputs["only"] == (257,)
    again = record.recompute(archive.snapshot(record.report.snapshot))
    assert (again.report, again.codes, again.state) == (built.report, built.codes, built.state)
    assert {surface.underlying for surface in again.surfaces} == {257}
    # a third report glides each underlying from when it was said, and replays so
    snapshot = replace(LATER, market_time=LATER.market_time + 1_800)
    third = ENGINE.report(snapshot, built.state, rails=RAILS)
    archive.keep(third, ENGINE, snapshot, built.state, CHAIN, ORACLE, rails=RAILS, urgent=False, only=None)
    record = archive.load(archive.find("3"))
    assert record.previous == built.state
    assert record.recompute(snapshot).report == third.report


def test_a_record_of_before_reports_by_underlying_replays(archive, first):
    keep(archive, first)
    entry = archive.find("1")
    content = archive.load(entry).content.replace(b'"only":null,', b"")
    record = archive.load(put(archive, content, entry))
    assert record.recompute(SNAPSHOT).report == first.report


def test_a_file_of_brackets_is_named_and_brings_nobody_down(archive, first):
    keep(archive, first)
    entry = archive.find("1")
    with pytest.raises(CorruptArchiveError, match="brackets nested 200000 deep"):
        archive.load(put(archive, b"[" * 200_000, entry))
    entry.path.write_bytes(b"[" * 200_000)
    with pytest.raises(CorruptArchiveError, match="no archived report: brackets nested 200000 deep"):
        archive.find("1")


def test_an_input_that_is_left_out_is_refused_and_nothing_is_kept(archive, first):
    with pytest.raises(ArchiveError, match="inputs rails to archive; rails, urgent, only is right"):
        archive.keep(first, ENGINE, SNAPSHOT, None, CHAIN, ORACLE, rails=None)
    assert files(archive) == []


def test_names_are_the_hashes_of_contents_and_equal_contents_are_equal_bytes(archive, tmp_path, first):
    keep(archive, first)
    for path in archive.objects.iterdir():
        assert keccak(gzip.decompress(path.read_bytes())).hex() == path.name.removesuffix(".gz")
    assert (archive.objects / f"{SNAPSHOT.content_hash.hex()}.gz").is_file()
    other = Archive(tmp_path / "other")
    keep(other, first)
    assert files(other) == files(archive)
    for name in files(archive):
        assert (other.folder / name).read_bytes() == (archive.folder / name).read_bytes()
    assert all(not name.name.startswith(".") for name in files(archive))


def test_a_report_is_found_by_sequence_digest_and_path(archive, first, second):
    signed = keep(archive, first)
    keep(archive, second, first.state, rails=RAILS)
    by_sequence = archive.find("1")
    assert by_sequence.digest == signed
    assert archive.find("0x" + signed.hex()) == archive.find("0x" + signed.hex().upper()) == by_sequence
    opened, entry = open_report(by_sequence.path)
    assert entry == by_sequence
    assert opened.load(entry) == archive.load(by_sequence)
    assert [entry.sequence for entry in archive.entries()] == [1, 2]


def test_the_transaction_is_noted_and_tells_reports_of_one_sequence_apart(archive, first):
    one = keep(archive, first)
    retry = ENGINE.report(LATER)
    other = keep(archive, retry)
    with pytest.raises(NotArchivedError, match=f"2 reports 1; name one by its digest: .*{min(one, other).hex()}"):
        archive.find("1")
    archive.posted(other, "0x77")
    assert archive.find("1").digest == other
    assert archive.find("1").transaction == "0x77"
    assert archive.find("0x" + one.hex()).transaction is None
    with pytest.raises(NotArchivedError, match="holds no report 0x00"):
        archive.posted(bytes(32), "0x77")


@pytest.mark.parametrize("name", ["", "-1", "first", "0x12", "../1", "*"])
def test_what_names_no_report(archive, first, name):
    keep(archive, first)
    with pytest.raises(NotArchivedError, match="names no report; a sequence number or a digest"):
        archive.find(name)


def test_what_is_not_there(archive, first):
    with pytest.raises(NotArchivedError, match="holds no report 3; it has none"):
        archive.find("3")
    assert archive.entries() == []
    keep(archive, first)
    with pytest.raises(NotArchivedError, match=r"holds no report 3; it has 1 \.\. 1"):
        archive.find("3")
    with pytest.raises(NotArchivedError, match="no such file"):
        open_report(archive.reports / f"9-{'00' * 32}.json")
    entry = archive.find("1")
    record = archive.load(entry)
    (archive.objects / f"{entry.record.hex()}.gz").unlink()
    with pytest.raises(NotArchivedError, match="the record is not there"):
        archive.load(entry)
    (archive.objects / f"{record.report.snapshot.hex()}.gz").unlink()
    with pytest.raises(NotArchivedError, match="the snapshot is not there"):
        archive.snapshot(record.report.snapshot)


def spoil(path, content):
    path.write_bytes(gzip.compress(content, mtime=0))


def test_a_changed_byte_is_named(archive, first):
    keep(archive, first)
    entry = archive.find("1")
    path = archive.objects / f"{entry.record.hex()}.gz"
    good = path.read_bytes()
    for place in (20, len(good) // 2, len(good) - 6):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(CorruptArchiveError, match="the record was changed"):
            archive.load(entry)
    path.write_bytes(good[:-40])
    with pytest.raises(CorruptArchiveError, match="the record was changed"):
        archive.load(entry)
    spoil(path, gzip.decompress(good).replace(b'"sequence":1', b'"sequence":2'))  # a sound file of other content
    with pytest.raises(CorruptArchiveError, match="its content hashes to 0x"):
        archive.load(entry)
    snapshot = archive.objects / f"{SNAPSHOT.content_hash.hex()}.gz"
    spoil(snapshot, SNAPSHOT.content.replace(b"100.0", b"101.0", 1))
    with pytest.raises(CorruptArchiveError, match="the snapshot was changed: its content hashes to"):
        archive.snapshot(SNAPSHOT.content_hash)


def put(archive, content, entry):
    """Content under its own hash, and a report's file that names it: what somebody who can count might leave."""
    spoil(archive.objects / f"{keccak(content).hex()}.gz", content)
    entry.path.write_text(json.dumps({"format": 1, "record": "0x" + keccak(content).hex(), "transaction": None}))
    return archive.find(str(entry.sequence))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b'"chain_id":1337', b'"chain_id":1', "the record of another report"),
        (b'"market_time":1735689600', b'"market_time":1735689601', "the record of another report"),
        (b'"codes":["0x00', b'"codes":["0x01', "codes that are not the report's"),
        (b'"format":1', b'"format":2', "format 1 is right"),
        (b'"inputs":{"only":null', b'"inputs":{"mood":1', "inputs mood are unknown here; rails, urgent, only is right"),
        (b'"inputs":{"only":null,"rails":null,"urgent":false}', b'"inputs":7', "no inputs"),
        (b'"oracle":', b'"orakel":', "orakel is unknown here"),
        (b'"chain_id":1337', b'"chain_id":"1337"', "record.chain_id: '1337'; int is right"),
        (b'"look_ahead":86400', b'"look_ahead":null', "record.config.look_ahead"),
        (b'"release"', b'"releases"', "releases is unknown"),
    ],
)
def test_a_record_that_is_none_though_its_hash_is_right(archive, first, old, new, why):
    keep(archive, first)
    entry = archive.find("1")
    content = archive.load(entry).content
    assert old in content
    with pytest.raises(CorruptArchiveError, match=why):
        archive.load(put(archive, content.replace(old, new, 1), entry))


@pytest.mark.parametrize(
    ("old", "new", "error", "why"),
    [
        (b'"decay":0.94', b'"decay":0.95', CorruptArchiveError, "the configuration here is 0x.*, the report says 0x"),
        (b'"look_ahead":86400', b'"look_ahead":3600', CorruptArchiveError, "the configuration here is"),
        (b'"max_rise":1,', b'"max_rise":1.0,', CorruptArchiveError, "the configuration here is"),
        (
            b'"name":"ewma-fhs"',
            b'"name":"oracle-of-delphi"',
            ModelError,
            "'oracle-of-delphi' is unknown here; har-fhs, ewma-fhs",
        ),
        (b'"version":"2"', b'"version":"0"', ModelError, "version '0'; here it is '2': recompute with the release"),
        (b'"decay":0.94', b'"decay":"x"', ModelError, "parameters.decay: 'x'; float is right"),
        (b'"decay":0.94', b'"decay":2.0', ModelError, "decay 2.0"),
        (b'"decay":0.94', b'"decoy":0.94', ModelError, "decoy is unknown here"),
        (b'"measure":"shortfall"', b'"measure":"hope"', ModelError, "'shortfall' or 'quantile' is right"),
    ],
)
def test_an_engine_that_is_not_the_reports(archive, first, old, new, error, why):
    keep(archive, first)
    entry = archive.find("1")
    content = archive.load(entry).content
    assert old in content
    record = archive.load(put(archive, content.replace(old, new, 1), entry))
    with pytest.raises(error, match=why):
        record.recompute(SNAPSHOT)


def test_a_model_of_ones_own_replays_once_it_is_named(archive, monkeypatch):
    class Mine(EwmaFhs):
        name = "mine"
        version = "3"

        @classmethod
        def of(cls, parameters):
            return cls(EwmaFhs.of(parameters).config)

    engine = Engine(Mine())
    built = engine.report(SNAPSHOT)
    archive.keep(built, engine, SNAPSHOT, None, CHAIN, ORACLE, rails=None, urgent=False, only=None)
    record = archive.load(archive.find("1"))
    with pytest.raises(ModelError, match="'mine' is unknown here"):
        record.engine()
    monkeypatch.setitem(OWN, "mine", Mine)
    assert record.recompute(SNAPSHOT).codes == built.codes


def test_a_file_of_a_report_that_is_none(archive, first):
    keep(archive, first)
    entry = archive.find("1")
    for text, why in (
        ("{", "no archived report"),
        ("[]", "list; dict is right"),
        ('{"format": 1, "record": 5, "transaction": null}', "report.record"),
        ('{"format": 1, "record": "0x12", "transaction": 7}', "report.transaction"),
        ('{"format": 9, "record": "0x12", "transaction": null}', "format 9; 1 is right"),
        ('{"format": 1}', "record is missing"),
    ):
        entry.path.write_text(text)
        with pytest.raises(CorruptArchiveError, match=why):
            archive.find("1")
        with pytest.raises(CorruptArchiveError, match=why):
            archive.entries()
    odd = archive.reports / "notes.json"
    odd.write_text("{}")
    with pytest.raises(CorruptArchiveError, match="its name is no"):
        open_report(odd)


def test_a_crash_between_write_and_rename_leaves_what_was_there(archive, first, second, monkeypatch):
    keep(archive, first)
    before = {name: (archive.folder / name).read_bytes() for name in files(archive)}

    def dies(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", dies)
    with pytest.raises(KeyboardInterrupt):
        keep(archive, second, first.state, rails=RAILS)
    with pytest.raises(KeyboardInterrupt):
        archive.posted(archive.find("1").digest, "0x99")
    monkeypatch.undo()
    left = set(files(archive)) - set(before)
    assert left
    assert all(name.name.startswith(".") for name in left)
    assert {name: (archive.folder / name).read_bytes() for name in before} == before
    assert [entry.sequence for entry in archive.entries()] == [1]
    assert archive.find("1").transaction is None
    keep(archive, second, first.state, rails=RAILS)  # and it goes on
    assert archive.load(archive.find("2")).report == second.report


def test_a_crash_before_the_last_file_lists_nothing(archive, first, monkeypatch):
    renamed = []
    real = Path.replace

    def dies_at_the_report(self, target):
        if target.parent.name == "reports":
            raise KeyboardInterrupt
        renamed.append(target)
        return real(self, target)

    monkeypatch.setattr(Path, "replace", dies_at_the_report)
    with pytest.raises(KeyboardInterrupt):
        keep(archive, first)
    assert [path.parent.name for path in renamed] == ["objects", "objects"]
    assert archive.entries() == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_full_disk_is_named_and_leaves_nothing(archive, first, monkeypatch, code):
    def full(descriptor):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArchiveError, match=f"{os.strerror(code)}; .*gz was not written"):
        keep(archive, first)
    monkeypatch.undo()
    assert files(archive) == []


def test_a_folder_that_cannot_be_made(tmp_path, first):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArchiveError, match="was not written"):
        keep(Archive(tmp_path / "file" / "reports"), first)


def test_canonical_bytes_do_not_depend_on_who_reads_them(archive, first):
    keep(archive, first)
    record = archive.load(archive.find("1"))
    assert Record.parse(record.content).content == record.content

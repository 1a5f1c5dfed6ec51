"""What every report was made from, kept on disk, so that anyone recomputes it to the byte: `plimsoll replay`.

    <folder>/objects/<hash>.gz                     content, gzipped; its keccak-256 is its name
    <folder>/reports/<sequence>-<digest>.json      one a report: the hash of its record, and the transaction once posted

There are two kinds of content, both canonical JSON: snapshots, named as the report names them, and records: chain,
oracle, report, surface codes, previous state, model, configuration and whatever else the engine was given. A report's
file is written last, and every file is written whole or not at all: under another name, synced, renamed. So a crash
leaves at worst objects that nobody names and files that begin with a dot; both may be deleted.

Nothing is believed on reading: content must hash to its name, a record's report must have the digest that its file
says, codes the hashes that the report says. A sequence may have several reports, all but one of them not posted.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, get_type_hints

from eth_utils.crypto import keccak

from plimsoll import __version__
from plimsoll.keeper.errors import ArchiveError, CorruptArchiveError, NotArchivedError
from plimsoll.market.errors import SnapshotError
from plimsoll.market.plainfile import parse_json
from plimsoll.market.snapshot import Snapshot
from plimsoll.risk.engine import BuiltReport, Engine, EngineConfig
from plimsoll.risk.models import State
from plimsoll.risk.named import recalled
from plimsoll.risk.plain import from_plain, to_plain
from plimsoll.spec.report import Report, digest

REPORT_FILE: Final = re.compile(r"([1-9][0-9]*)-([0-9a-f]{64})\.json")
DIGEST: Final = re.compile(r"0x[0-9a-fA-F]{64}")
FORMAT: Final = 1  # of records and of reports' files; another one for another meaning of a field
INPUTS: Final = tuple(Engine.report.__kwdefaults__ or ())  # what an engine takes besides snapshot, state, sequence


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model as an archive names it: name, version and all parameters, as plain JSON values."""

    name: str
    version: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """All that a report was made from but its snapshot, which `report.snapshot` names.

    Parameters
    ----------
    chain_id, oracle
        Where it was meant to be posted; the digest covers both.
    report, codes
        What the engine said.
    previous
        What the engine was told of the report before; None for the first.
    model, config
        The engine.
    inputs
        What else it was given, by the names of `Engine.report`.
    release
        Of the program that made it.
    """

    chain_id: int
    oracle: str
    report: Report
    codes: tuple[bytes, ...]
    previous: State | None
    model: ModelName
    config: EngineConfig
    inputs: Mapping[str, Any]
    release: str = __version__

    @property
    def digest(self) -> bytes:
        """What its signers signed."""
        return digest(self.report, self.chain_id, self.oracle)

    @property
    def content(self) -> bytes:
        """Canonical bytes."""
        return _canonical({"format": FORMAT, **to_plain(self)})

    @classmethod
    def parse(cls, content: bytes) -> Record:
        """Inverse of `content`; ValueError where the bytes are no record."""
        data = parse_json(content)
        if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
            raise ValueError(f"format {FORMAT} is right")
        inputs = data.pop("inputs", None)
        if not isinstance(inputs, dict):
            raise ValueError("record: no inputs")  # noqa: TRY004 - one error for all
        kinds = get_type_hints(Engine.report)
        unknown = inputs.keys() - set(INPUTS)
        if unknown:
            raise ValueError(
                f"record: inputs {', '.join(sorted(unknown))} are unknown here; {', '.join(INPUTS)} is right"
            )
        known = {name: from_plain(kinds[name], item, f"inputs.{name}") for name, item in inputs.items()}
        found: Record = from_plain(cls, {**data, "inputs": {}}, "record")
        return replace(found, inputs=known)

    def engine(self) -> Engine:
        """The engine that made the report.

        Raises
        ------
        ModelError
            The model, its version or a parameter is unknown here.
        CorruptArchiveError
            Model or configuration have other hashes than the report says.
        """
        engine = Engine(recalled(self.model.name, self.model.version, self.model.parameters), self.config)
        for what, found, said in (
            ("model", engine.model_hash, self.report.model),
            ("configuration", engine.config_hash, self.report.config),
        ):
            if found != said:
                raise CorruptArchiveError(
                    f"report {self.report.sequence}: the {what} here is {_hex(found)}, the report says {_hex(said)}"
                )
        return engine

    def recompute(self, snapshot: Snapshot) -> BuiltReport:
        """The report once more.

        Raises
        ------
        ModelError, CorruptArchiveError
            As `engine`.
        RiskError
            What made no report then.
        """
        return self.engine().report(snapshot, self.previous, self.report.sequence, **self.inputs)


@dataclass(frozen=True, slots=True)
class Entry:
    """One archived report: `path` of its file, `record` the hash of its record, `transaction` once it was posted."""

    path: Path
    sequence: int
    digest: bytes
    record: bytes
    transaction: str | None


@dataclass(frozen=True, slots=True)
class _Said:
    """What a report's file says."""

    format: int
    record: bytes
    transaction: str | None


class Archive:
    """A folder of reports and of what they were made from.

    Parameters
    ----------
    folder
        Made with the first report.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects = folder / "objects"
        self.reports = folder / "reports"

    # ------------------------------------------------------------------------------------------------------ writing

    def keep(
        self,
        built: BuiltReport,
        engine: Engine,
        snapshot: Snapshot,
        previous: State | None,
        chain_id: int,
        oracle: str,
        **inputs: Any,
    ) -> bytes:
        """Keep a report before it is posted; its digest.

        Parameters
        ----------
        built, engine, snapshot, previous
            The report, and what made it.
        chain_id, oracle
            Where it is to be posted.
        inputs
            What else the engine was given, by the names of `Engine.report`: all of it, lest a report not be recomputed.

        Raises
        ------
        ArchiveError
            An input is left out, or the folder cannot be written: the disk is full, say. Nothing of this report is
            listed then.
        """
        if inputs.keys() != set(INPUTS):
            raise ArchiveError(f"inputs {', '.join(inputs) or 'none'} to archive; {', '.join(INPUTS)} is right")
        model = ModelName(engine.model.name, engine.model.version, dict(engine.model.parameters))
        record = Record(chain_id, oracle, built.report, built.codes, previous, model, engine.config, inputs)
        self._put(snapshot.content)
        entry = Entry(
            self.reports / f"{built.report.sequence}-{record.digest.hex()}.json",
            built.report.sequence,
            record.digest,
            self._put(record.content),
            None,
        )
        self._write_entry(entry)
        return record.digest

    def posted(self, signed: bytes, transaction: str) -> None:
        """Note the transaction that posted the report of a digest.

        Raises
        ------
        NotArchivedError, CorruptArchiveError
            The report is not here, or its file cannot be read.
        ArchiveError
            Where the folder cannot be written.
        """
        entry = self.find(_hex(signed))
        self._write_entry(Entry(entry.path, entry.sequence, entry.digest, entry.record, transaction))

    def _put(self, content: bytes) -> bytes:
        name = keccak(content)
        packed = io.BytesIO()
        with gzip.GzipFile(
            filename="", mode="wb", fileobj=packed, mtime=0
        ) as file:  # no time: equal bytes for equal content
            file.write(content)
        _write(self._object(name), packed.getvalue())
        return name

    def _write_entry(self, entry: Entry) -> None:
        said = to_plain(_Said(FORMAT, entry.record, entry.transaction))
        _write(entry.path, json.dumps(said, indent=2).encode() + b"\n")

    # ------------------------------------------------------------------------------------------------------ reading

    def entries(self) -> list[Entry]:
        """Every report here, by sequence.

        Raises
        ------
        CorruptArchiveError
            A report's file cannot be read.
        """
        return sorted((_entry(path) for path in self._paths("*.json")), key=lambda e: (e.sequence, e.digest))

    def find(self, name: str) -> Entry:
        """The report of a sequence number or a digest (0x..); of several of a sequence the one that was posted.

        Raises
        ------
        NotArchivedError
            There is none, or more than one that could be meant; it says which.
        CorruptArchiveError
            Its file cannot be read.
        """
        if name.isdecimal():
            pattern = f"{int(name)}-*.json"
        elif DIGEST.fullmatch(name):
            pattern = f"*-{name[2:].lower()}.json"
        else:
            raise NotArchivedError(f"{name} names no report; a sequence number or a digest of 32 bytes, 0x.., is right")
        found = [_entry(path) for path in self._paths(pattern)]
        if not found:
            numbers = sorted(int(path.name.split("-")[0]) for path in self._paths("*.json"))
            held = f"it has {numbers[0]} .. {numbers[-1]}" if numbers else "it has none"
            raise NotArchivedError(f"{self.folder} holds no report {name}; {held}")
        posted = [entry for entry in found if entry.transaction is not None]
        if len(found) > 1 and len(posted) != 1:
            which = ", ".join(_hex(entry.digest) for entry in found)
            raise NotArchivedError(f"{self.folder} holds {len(found)} reports {name}; name one by its digest: {which}")
        return posted[0] if posted else found[0]

    def _paths(self, pattern: str) -> list[Path]:
        return sorted(path for path in self.reports.glob(pattern) if REPORT_FILE.fullmatch(path.name))

    def load(self, entry: Entry) -> Record:
        """The record of a report, checked.

        Raises
        ------
        NotArchivedError
            Its file is gone.
        CorruptArchiveError
            A byte of it changed, or it is another report's.
        """
        path = self._object(entry.record)
        content = self._get(entry.record, "record")
        try:
            record = Record.parse(content)
        except ValueError as error:
            raise CorruptArchiveError(f"{path}: no record: {error}") from error
        if record.digest != entry.digest or record.report.sequence != entry.sequence:
            raise CorruptArchiveError(f"{entry.path}: names the record of another report, {_hex(record.digest)}")
        if tuple(map(keccak, record.codes)) != record.report.surfaces:
            raise CorruptArchiveError(f"{path}: codes that are not the report's")
        return record

    def snapshot(self, content_hash: bytes) -> Snapshot:
        """A snapshot by its hash, checked.

        Raises
        ------
        NotArchivedError
            It is not here.
        CorruptArchiveError
            A byte of it changed.
        """
        try:
            return Snapshot.parse(self._get(content_hash, "snapshot"))
        except SnapshotError as error:
            raise CorruptArchiveError(f"{self._object(content_hash)}: {error}") from error

    def _object(self, name: bytes) -> Path:
        return self.objects / f"{name.hex()}.gz"

    def _get(self, name: bytes, what: str) -> bytes:
        path = self._object(name)
        try:
            content = gzip.decompress(path.read_bytes())
        except FileNotFoundError as error:
            raise NotArchivedError(f"{path}: the {what} is not there") from error
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise CorruptArchiveError(f"{path}: the {what} was changed: {error}") from error
        except OSError as error:
            raise ArchiveError(f"{path}: {error.strerror or error}") from error
        if keccak(content) != name:
            raise CorruptArchiveError(f"{path}: the {what} was changed: its content hashes to {_hex(keccak(content))}")
        return content


def open_report(path: Path) -> tuple[Archive, Entry]:
    """An archived report by the path of its file, `<folder>/reports/<sequence>-<digest>.json`.

    Raises
    ------
    NotArchivedError, CorruptArchiveError
        There is no such file, or it is none.
    """
    return Archive(path.absolute().parent.parent), _entry(path)


def _entry(path: Path) -> Entry:
    try:
        found = REPORT_FILE.fullmatch(path.name)
        data = parse_json(path.read_bytes())
    except FileNotFoundError as error:
        raise NotArchivedError(f"{path}: no such file") from error
    except OSError as error:
        raise ArchiveError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise CorruptArchiveError(f"{path}: no archived report: {error}") from error
    if found is None:
        raise CorruptArchiveError(f"{path}: no archived report: its name is no <sequence>-<digest>.json")
    try:
        said: _Said = from_plain(_Said, data, "report")
    except ValueError as error:
        raise CorruptArchiveError(f"{path}: no archived report: {error}") from error
    if said.format != FORMAT:
        raise CorruptArchiveError(f"{path}: format {said.format}; {FORMAT} is right")
    return Entry(path, int(found[1]), bytes.fromhex(found[2]), said.record, said.transaction)


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, and wait for the disk."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the new name is on disk too
        finally:
            os.close(folder)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise ArchiveError(
            f"archive {path.parent.parent}: {error.strerror or error}; {path.name} was not written"
        ) from error


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _hex(value: bytes) -> str:
    return "0x" + value.hex()

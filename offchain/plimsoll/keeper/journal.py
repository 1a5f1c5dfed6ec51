"""The journal: what the keeper decided, signed, sent and met, in one SQLite file; on disk before anything is sent.

    lines          decisions and events, each of a kind, as `Recorder` has them
    transactions   intent > signed > sent > mined > final, or failed (mined and reverted), or void (never to be mined)
    attempts       every set of bytes that was signed for a transaction: another fee, or its cancelling

SQLite and not a file of lines, because what is under way is looked up by sender and state at every start and every
block; and not a database server, because a keeper must come up on a bare machine. Write-ahead log, synchronous: what a
method wrote is on disk when it returns. One process writes; others may read.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from plimsoll.keeper.errors import JournalError
from plimsoll.keeper.recorder import plain

SCHEMA: Final = 1
ACTIVE: Final = ("signed", "sent")  # may still be mined

_TABLES: Final = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE lines(id INTEGER PRIMARY KEY, time INTEGER NOT NULL, kind TEXT NOT NULL, fields TEXT NOT NULL);
CREATE INDEX lines_by_kind ON lines(kind, time);
CREATE TABLE transactions(
    id INTEGER PRIMARY KEY, created INTEGER NOT NULL, purpose TEXT NOT NULL, ref TEXT NOT NULL, sender TEXT NOT NULL,
    nonce INTEGER NOT NULL, target TEXT NOT NULL, data BLOB NOT NULL, value TEXT NOT NULL, gas INTEGER NOT NULL,
    state TEXT NOT NULL, block INTEGER, block_hash TEXT, hash TEXT, gas_used INTEGER, price TEXT, error TEXT
);
CREATE INDEX transactions_by_state ON transactions(sender, state);
CREATE TABLE attempts(
    id INTEGER PRIMARY KEY, tx INTEGER NOT NULL REFERENCES transactions(id), hash TEXT NOT NULL UNIQUE,
    raw BLOB NOT NULL, max_fee TEXT NOT NULL, tip TEXT NOT NULL, time INTEGER NOT NULL,
    cancels INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX attempts_by_tx ON attempts(tx);
"""
# of files that have them not yet, too: what a day cost, and the bids of an auction, are asked for at every look
_INDEXES: Final = (
    "CREATE INDEX IF NOT EXISTS transactions_by_time ON transactions(sender, created)",
    "CREATE INDEX IF NOT EXISTS transactions_by_ref ON transactions(ref)",
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """Bytes that were signed for a transaction. Fees in wei; `cancels`: a transfer of nothing to oneself instead."""

    tx: int
    hash: str
    raw: bytes
    max_fee: int
    tip: int
    time: int  # [unix s]
    cancels: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A transaction as the journal has it. `value` and `price` in wei; `hash` of the attempt that was mined."""

    id: int
    created: int  # [unix s]
    purpose: str
    ref: str
    sender: str
    nonce: int
    target: str
    data: bytes
    value: int
    gas: int
    state: str
    block: int | None = None
    block_hash: str | None = None
    hash: str | None = None
    gas_used: int | None = None
    price: int | None = None
    error: str | None = None

    @property
    def active(self) -> bool:
        """Whether it may still be mined."""
        return self.state in ACTIVE


_COLUMNS: Final = tuple(Entry.__dataclass_fields__)


class Journal:
    """A journal in a file; satisfies `plimsoll.keeper.recorder.Recorder`. May be used from several threads.

    Parameters
    ----------
    path
        Of the file; made where there is none.

    Raises
    ------
    JournalError
        The file cannot be opened, is no journal, or is of another version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._make()
            self._index()
        except (OSError, sqlite3.Error) as error:
            raise JournalError(f"journal {path}: {error}") from error

    def _make(self) -> None:
        found = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not found:
            with self._write():
                for statement in _TABLES.split(";\n"):
                    self._db.execute(statement)
                self._db.execute("INSERT INTO meta VALUES ('schema', ?)", (str(SCHEMA),))
            return
        if not {"meta", "lines", "transactions", "attempts"} <= found:
            raise JournalError(f"{self.path} is a database and no journal: its tables are {', '.join(sorted(found))}")
        row = self._db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
        if row is None or row[0] != str(SCHEMA):
            was = "none" if row is None else row[0]
            raise JournalError(f"{self.path} has schema {was}; this release reads {SCHEMA}: start it with the old one")

    def _index(self) -> None:
        """Indexes are no part of the schema: an older release reads a file that has them."""
        for statement in _INDEXES:
            self._db.execute(statement)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _write(self) -> Iterator[None]:
        """One transaction of the database; on disk at the end, or nothing of it."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield
                except BaseException:
                    self._db.execute("ROLLBACK")
                    raise
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise JournalError(f"journal {self.path} cannot be written: {error}") from error

    def _read(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise JournalError(f"journal {self.path} cannot be read: {error}") from error

    # -------------------------------------------------------------------------------------------------------- lines

    def record(self, kind: str, time: int, **fields: Any) -> None:
        """Keep one line and wait for the disk."""
        with self._write():
            self._db.execute(
                "INSERT INTO lines(time, kind, fields) VALUES (?, ?, ?)",
                (time, kind, json.dumps(fields, default=plain)),
            )

    def lines(self, kind: str | None = None, *, since: int = 0, last: int | None = None) -> list[dict[str, Any]]:
        """Lines in order: of a kind, from a time [unix s] on, the last so many."""
        where, values = "time >= ?", [since]
        if kind is not None:
            where, values = f"{where} AND kind = ?", [since, kind]  # type: ignore[list-item]
        newest = self._read(
            f"SELECT time, kind, fields FROM lines WHERE {where} ORDER BY id DESC LIMIT ?",  # noqa: S608 - our words
            [*values, -1 if last is None else last],
        )
        return [{"time": time, "kind": kind, **json.loads(fields)} for time, kind, fields in reversed(newest)]

    # ------------------------------------------------------------------------------------------------- transactions

    def intend(
        self, purpose: str, ref: str, sender: str, nonce: int, target: str, data: bytes, value: int, gas: int, time: int
    ) -> int:
        """A transaction that is about to be signed; its number."""
        with self._write():
            row = self._db.execute(
                "INSERT INTO transactions(created, purpose, ref, sender, nonce, target, data, value, gas, state)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'intent')",
                (time, purpose, ref, sender, nonce, target, data, str(value), gas),
            )
            return int(row.lastrowid or 0)

    def signed(self, attempt: Attempt) -> None:
        """Bytes were signed for a transaction, and not sent yet."""
        with self._write():
            self._db.execute(
                "INSERT INTO attempts(tx, hash, raw, max_fee, tip, time, cancels) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    attempt.tx,
                    attempt.hash,
                    attempt.raw,
                    str(attempt.max_fee),
                    str(attempt.tip),
                    attempt.time,
                    attempt.cancels,
                ),
            )
            self._db.execute("UPDATE transactions SET state = 'signed' WHERE id = ?", (attempt.tx,))

    def moved(self, tx: int, state: str, **columns: Any) -> None:
        """A transaction is in another state; columns of `Entry` that change with it."""
        unknown = set(columns) - set(_COLUMNS)
        if unknown:
            raise JournalError(f"transactions have no {', '.join(sorted(unknown))}")
        sets = ", ".join(f"{name} = ?" for name in ("state", *columns))
        with self._write():
            self._db.execute(
                f"UPDATE transactions SET {sets} WHERE id = ?",  # noqa: S608 - names are checked above
                (state, *(str(v) if name == "price" and v is not None else v for name, v in columns.items()), tx),
            )

    def transactions(
        self,
        states: Sequence[str] = (),
        *,
        sender: str | None = None,
        purpose: str | None = None,
        ref: str | None = None,
        last: int | None = None,
    ) -> list[Entry]:
        """Transactions in order: in one of some states, of a sender, for a purpose, the last so many."""
        clauses, values = ["1"], []
        if states:
            clauses.append(f"state IN ({', '.join('?' * len(states))})")
            values += list(states)
        for name, wanted in (("sender", sender), ("purpose", purpose), ("ref", ref)):
            if wanted is not None:
                clauses.append(f"{name} = ?")
                values.append(wanted)
        rows = self._read(
            f"SELECT {', '.join(_COLUMNS)} FROM transactions WHERE {' AND '.join(clauses)}"  # noqa: S608 - our words
            " ORDER BY id DESC LIMIT ?",
            [*values, -1 if last is None else last],
        )
        return [_entry(row) for row in reversed(rows)]

    def transaction(self, tx: int) -> Entry:
        """One transaction by its number.

        Raises
        ------
        JournalError
            There is none.
        """
        rows = self._read(f"SELECT {', '.join(_COLUMNS)} FROM transactions WHERE id = ?", (tx,))  # noqa: S608
        if not rows:
            raise JournalError(f"journal {self.path} has no transaction {tx}")
        return _entry(rows[0])

    def attempts(self, tx: int) -> list[Attempt]:
        """What was signed for a transaction, in order."""
        rows = self._read(
            "SELECT tx, hash, raw, max_fee, tip, time, cancels FROM attempts WHERE tx = ? ORDER BY id", (tx,)
        )
        return [Attempt(r[0], r[1], bytes(r[2]), int(r[3]), int(r[4]), r[5], bool(r[6])) for r in rows]

    def spent(self, sender: str, since: int) -> int:
        """What a sender paid from a time on, and may still have to pay for what is under way [wei]."""
        paid = sum(
            int(gas_used) * int(price)
            for gas_used, price in self._read(
                "SELECT gas_used, price FROM transactions WHERE sender = ? AND created >= ? AND gas_used IS NOT NULL",
                (sender, since),
            )
        )
        owed = sum(
            entry.gas * max((attempt.max_fee for attempt in self.attempts(entry.id)), default=0)
            for entry in self.transactions(ACTIVE, sender=sender)
        )
        return paid + owed

    # -------------------------------------------------------------------------------------------- backup, restore

    def backup(self, path: Path) -> None:
        """A copy as of now, in one file, while the keeper runs.

        Raises
        ------
        JournalError
            It cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock:
                target = sqlite3.connect(path)
                try:
                    self._db.backup(target)
                finally:
                    target.close()
        except (OSError, sqlite3.Error) as error:
            raise JournalError(f"backup {path}: {error}") from error


def _entry(row: Sequence[Any]) -> Entry:
    found = dict(zip(_COLUMNS, row, strict=True))
    found["value"], found["data"] = int(found["value"]), bytes(found["data"])
    found["price"] = None if found["price"] is None else int(found["price"])
    return Entry(**found)


def restore(backup: Path, path: Path) -> None:
    """Put a backup where a journal should be; one that is there already is not overwritten.

    Raises
    ------
    JournalError
        There is a journal already, or the backup is none, is damaged, or is of another version.
    """
    if path.exists():
        raise JournalError(f"{path} is there already: move it away first, nothing is overwritten")
    if not backup.is_file():
        raise JournalError(f"{backup}: no such file")
    try:
        source = sqlite3.connect(f"file:{backup}?mode=ro", uri=True)
        try:
            (verdict,) = source.execute("PRAGMA integrity_check").fetchone()
            if verdict != "ok":
                raise JournalError(f"{backup} is damaged: {verdict}")
            path.parent.mkdir(parents=True, exist_ok=True)
            target = sqlite3.connect(path)
            try:
                source.backup(target)
            finally:
                target.close()
        finally:
            source.close()
    except (OSError, sqlite3.Error) as error:
        raise JournalError(f"backup {backup}: {error}") from error
    try:
        Journal(path).close()
    except JournalError:
        path.unlink()
        raise

"""The index on disk: SQLite, one transaction a batch of blocks.

SQLite and not DuckDB: what is written are a few hundred rows by key every block, each time durable as a whole, and read
back once, at the start. That is what a row store with a journal is made for; DuckDB's columns are for scanning many
rows, which happens here in memory, and its file was never promised to survive what SQLite's is tested against. And
SQLite is in Python.

    meta      schema, deployment, number of the last block that is in
    accounts  place, and the words that the contract holds too: ledger, entry, positions
    facts     everything else: open interest, calls, auctions, pool, tokens, ..., by kind and key, JSON
    blocks    headers of the last blocks, each with what it changed, JSON: how to take it back

Write-ahead log, synchronous = NORMAL: whatever kills the process, and if the machine loses power, the file holds the
state at some batch, whole; the last ones may be missing then, and are read from the chain again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from plimsoll.chain.protocol import Header
from plimsoll.keeper.index.errors import ForeignIndexError, IndexStateError, IndexVersionError
from plimsoll.keeper.index.state import ACCOUNTS, FACTS, AccountState, Changes
from plimsoll.spec.interest import Pool

SCHEMA: Final = 1
HALF: Final = 16  # [bytes] of a ledger or entry
WORD: Final = 32
PATIENCE: Final = 10.0  # [s] for another process's lock
TABLES: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE accounts (
    id BLOB PRIMARY KEY, place INTEGER, ledger BLOB, entry BLOB, words BLOB
) WITHOUT ROWID;
CREATE TABLE facts (kind TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE TABLE blocks (number INTEGER PRIMARY KEY, hash BLOB, parent BLOB, time INTEGER, undo TEXT);
"""


class Kept(NamedTuple):
    """A block that is in, and what it changed, as `told` has it; None where it cannot be taken back."""

    header: Header
    undo: str | None


class Store:
    """The database of one index.

    Parameters
    ----------
    path
        Its file, made where there is none.
    deployment
        What tells the deployment from others.
    first
        Block where its events begin.

    Raises
    ------
    IndexVersionError
        The file is of another schema.
    ForeignIndexError
        It is of another deployment.
    IndexStateError
        It cannot be opened, or is no index.
    """

    def __init__(self, path: Path, deployment: str, first: int) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # one writer, who may be another thread than the one that opened it: AccountIndex holds a lock
            self._base = sqlite3.connect(path, PATIENCE, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise IndexStateError(f"index {path}: {error}") from error
        try:
            self._open(deployment, first)
        except sqlite3.Error as error:
            self._base.close()
            raise IndexStateError(f"index {path}: {error}") from error
        except IndexStateError:
            self._base.close()
            raise

    def _open(self, deployment: str, first: int) -> None:
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = NORMAL")
        with self.transaction():
            if not self._base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                for statement in TABLES.split(";"):
                    self._base.execute(statement)
                self._tell(schema=SCHEMA, deployment=deployment, first=first, head=first - 1)
        if not self._base.execute("SELECT count(*) FROM sqlite_master WHERE name = 'meta'").fetchone()[0]:
            raise IndexStateError(f"index {self.path}: a database of something else")
        said = dict(self._base.execute("SELECT key, value FROM meta"))
        if said.get("schema") != str(SCHEMA):
            raise IndexVersionError(
                f"index {self.path} is of schema {said.get('schema')}; {SCHEMA} is right: "
                "without the file it is made anew from the chain"
            )
        if (said["deployment"], said["first"]) != (deployment, str(first)):
            raise ForeignIndexError(
                f"index {self.path} is of deployment {said['deployment']} from block {said['first']} on; "
                f"{deployment} from block {first} on is right"
            )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it, or nothing."""
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._base.execute("ROLLBACK")
            raise
        self._base.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    # -------------------------------------------------------------------------------------------------------- read

    @property
    def head(self) -> int:
        """Number of the last block that is in."""
        return int(self._base.execute("SELECT value FROM meta WHERE key = 'head'").fetchone()[0])

    def load(self, state: AccountState) -> None:
        """Fill an empty state."""
        for key, place, ledger, entry, words in self._base.execute(
            "SELECT id, place, ledger, entry, words FROM accounts ORDER BY place"
        ):
            account = int.from_bytes(key, "big")
            if place is not None:
                state.places[account] = place
            if ledger is not None:
                state.ledgers[account] = _halves(ledger, signed=True)
            if entry is not None:
                state.entries[account] = _halves(entry, signed=False)
            if words is not None:
                state.books[account] = tuple(
                    int.from_bytes(words[k : k + WORD], "big") for k in range(0, len(words), WORD)
                )
        changes: Changes = {}
        for kind, key, value in self._base.execute("SELECT kind, key, value FROM facts"):
            changes.setdefault(kind, {})[key if kind == "values" else int(key)] = _value(key, json.loads(value))
        # dicts whose values count what came before are in that order, as they were built
        if "listed" in changes:
            changes["listed"] = dict(sorted(changes["listed"].items(), key=lambda item: item[1]))
        state.put(changes)
        state.mark()

    def tail(self) -> list[Kept]:
        """The last blocks, the newest first."""
        return [
            Kept(Header(number, hash_, parent, time), undo)
            for number, hash_, parent, time, undo in self._base.execute(
                "SELECT number, hash, parent, time, undo FROM blocks ORDER BY number DESC"
            )
        ]

    # ------------------------------------------------------------------------------------------------------- write

    def keep(
        self, state: AccountState, changed: Mapping[str, Iterable[Any]], blocks: Iterable[Kept], floor: int
    ) -> None:
        """Write what changed and the blocks that did it; headers under `floor` are forgotten. In a transaction."""
        self._write(state, changed)
        head = None
        for header, undo in blocks:
            self._base.execute("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?)", (*header, undo))
            head = header.number
        if head is not None:
            self._base.execute("DELETE FROM blocks WHERE number < ?", (min(floor, head),))
            self._tell(head=head)

    def take_back(self, state: AccountState, changed: Mapping[str, Iterable[Any]], head: int) -> None:
        """Write what a state is that was taken back to block `head`. In a transaction."""
        self._write(state, changed)
        self._base.execute("DELETE FROM blocks WHERE number > ?", (head,))
        self._tell(head=head)

    def clear(self, head: int) -> None:
        """Forget everything but the deployment. In a transaction."""
        for table in ("accounts", "facts", "blocks"):
            self._base.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own
        self._tell(head=head)

    def _tell(self, **facts: object) -> None:
        self._base.executemany(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)", [(key, str(value)) for key, value in facts.items()]
        )

    def _write(self, state: AccountState, changed: Mapping[str, Iterable[Any]]) -> None:
        """The entries of these kinds and keys, as they are now."""
        accounts = {account for name in ACCOUNTS for account in changed.get(name, ())}
        rows, gone = [], []
        for account in accounts:
            key = account.to_bytes(WORD, "big")
            place, ledger = state.places.get(account), state.ledgers.get(account)
            entry, words = state.entries.get(account), state.books.get(account)
            if place is None and ledger is None and entry is None and words is None:
                gone.append((key,))
                continue
            rows.append(
                (
                    key,
                    place,
                    None if ledger is None else _pair(ledger, signed=True),
                    None if entry is None else _pair(entry, signed=False),
                    None if words is None else b"".join([word.to_bytes(WORD, "big") for word in words]),
                )
            )
        self._base.executemany("DELETE FROM accounts WHERE id = ?", gone)
        self._base.executemany("INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?, ?)", rows)
        facts, lost = [], []
        for kind in (*FACTS, "values"):
            for key in changed.get(kind, ()):
                value = getattr(state, key) if kind == "values" else getattr(state, kind).get(key)
                if value is None:
                    lost.append((kind, str(key)))
                else:
                    facts.append((kind, str(key), json.dumps(_flat(value))))
        self._base.executemany("DELETE FROM facts WHERE kind = ? AND key = ?", lost)
        self._base.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", facts)


def _pair(values: tuple[int, int], *, signed: bool) -> bytes:
    return b"".join([value.to_bytes(HALF, "big", signed=signed) for value in values])


def _halves(data: bytes, *, signed: bool) -> tuple[int, int]:
    return (
        int.from_bytes(data[:HALF], "big", signed=signed),
        int.from_bytes(data[HALF:], "big", signed=signed),
    )


def _flat(value: Any) -> Any:
    if isinstance(value, Pool):
        return [value.supply_index, value.borrow_index, value.since, value.supply, value.debt]
    return value


def _value(key: Any, value: Any) -> Any:
    """Inverse of what JSON makes of a value: sequences are tuples, the pool is one."""
    if not isinstance(value, list):
        return value
    return Pool(*value) if key == "sums" else tuple(value)


def told(changes: Changes) -> str:
    """What a block changed, as JSON: seldom read again, so that it is kept as text."""
    return json.dumps({kind: [[key, _flat(old)] for key, old in entries.items()] for kind, entries in changes.items()})


def read(text: str) -> Changes:
    """Inverse of `told`."""
    return {kind: {key: _value(key, old) for key, old in entries} for kind, entries in json.loads(text).items()}

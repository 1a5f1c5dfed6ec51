"""What a keeper says it did: the transactions in its journal, read beside the running keeper or after it."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from plimsoll.keeper.sender import CANCELLED
from plimsoll.simulate.errors import SimulationError

MAGIC: Final = b"SQLite format 3\0"
COLUMNS: Final = ("id", "purpose", "ref", "sender", "nonce", "state", "block", "hash", "error")
ON_CHAIN: Final = frozenset({"mined", "final", "failed"})  # states that say: it is in a block

UNDER_WAY: Final = frozenset({"intent", "signed", "sent"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One transaction as the journal has it."""

    id: int
    purpose: str
    ref: str
    sender: str
    nonce: int | None
    state: str
    block: int | None
    hash: str
    error: str

    @property
    def failed(self) -> bool:
        """Whether the journal says that it was mined and reverted; of one that is not final yet the error says so."""
        return self.state == "failed" or (self.state == "mined" and bool(self.error) and self.error != CANCELLED)

    @property
    def under_way(self) -> bool:
        """Whether it may still be mined."""
        return self.state in UNDER_WAY

    @property
    def on_chain(self) -> bool:
        """Whether the journal says that it was mined: what is void was where a transfer of nothing took its place."""
        return self.state in ON_CHAIN or (self.state == "void" and self.block is not None)


def is_database(path: Path) -> bool:
    """Whether a journal is a database."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def read_entries(path: Path) -> list[Entry]:
    """Every transaction, in the order in which they were intended.

    Raises
    ------
    SimulationError
        It is no journal of that kind.
    """
    return [
        Entry(
            int(row[0]),
            str(row[1]),
            str(row[2] or ""),
            str(row[3] or ""),
            None if row[4] is None else int(row[4]),
            str(row[5]),
            None if row[6] is None else int(row[6]),
            _hash(row[7]),
            str(row[8] or ""),
        )
        for row in _rows(path, f"SELECT {', '.join(COLUMNS)} FROM transactions ORDER BY id")  # noqa: S608 - constants
    ]


def read_attempts(path: Path) -> dict[str, int]:
    """Hash of everything that was signed -> the transaction that it was an attempt at."""
    return {_hash(row[0]): int(row[1]) for row in _rows(path, "SELECT hash, tx FROM attempts")}


def read_lines(path: Path, kind: str) -> list[str]:
    """Fields, as JSON, of the journal's lines of one kind, in order."""
    with contextlib.closing(_open(path)) as database:
        found = database.execute("SELECT fields FROM lines WHERE kind = ? ORDER BY id", [kind]).fetchall()
    return [str(row[0]) for row in found]


def _rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    try:
        with contextlib.closing(_open(path)) as database:
            return list(database.execute(query))
    except sqlite3.Error as error:
        raise SimulationError(f"journal {path.name}: {error}") from error


def _open(path: Path) -> sqlite3.Connection:
    if not is_database(path):
        raise SimulationError(f"journal {path.name}: no database")
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)


def _hash(value: Any) -> str:
    """As nodes write it, however the journal does."""
    if value is None:
        return ""
    text = value.hex() if isinstance(value, bytes) else str(value)
    return "0x" + text.removeprefix("0x").lower() if text else ""

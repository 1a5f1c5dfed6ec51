"""The journal: what the keeper decided, intends and met, a line of JSON each, on disk before anything is sent.

Each line has `time` [unix s, the chain's], `kind` and the fields of its kind. After a crash the last line says what was
under way; a line that it cut off is ended, and what comes after stands on a line of its own. Integers above 2**53 are
written as they are: JSON has no limit, and Python reads them back exactly.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, Protocol

from plimsoll.keeper.errors import KeeperError


class Recorder(Protocol):
    """Where decisions and events go."""

    def record(self, kind: str, time: int, **fields: Any) -> None:
        """Keep one line; it is durable when this returns."""


def plain(value: Any) -> Any:
    """What JSON takes in place of what it does not know: bytes as digits, dataclasses as objects, the rest as text."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)


class MemoryRecorder:
    """A journal in memory, for simulations and tests: `lines` in order."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def record(self, kind: str, time: int, **fields: Any) -> None:
        """Keep one line."""
        self.lines.append({"time": time, "kind": kind, **fields})

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The lines of one kind."""
        return [line for line in self.lines if line["kind"] == kind]


class JsonLinesRecorder:
    """A journal in a file, appended, flushed and synced line by line.

    Raises
    ------
    KeeperError
        Where the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab+") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) != b"\n":
                        file.write(b"\n")
        except OSError as error:
            raise KeeperError(f"journal {path}: {error.strerror or error}") from error

    def record(self, kind: str, time: int, **fields: Any) -> None:
        """Append one line and wait for the disk."""
        line = json.dumps({"time": time, "kind": kind, **fields}, default=plain) + "\n"
        with self.path.open("a", encoding="utf-8") as file:  # each time anew: the file may have been rotated away
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a journal; a line that a crash cut off, wherever it stands, is left out.

    Raises
    ------
    KeeperError
        Where the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    found = json.loads(line)
                except ValueError:
                    continue
                if isinstance(found, dict):
                    yield found
    except OSError as error:
        raise KeeperError(f"journal {path}: {error.strerror or error}") from error

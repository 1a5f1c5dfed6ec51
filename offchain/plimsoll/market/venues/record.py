"""Rounds and hours on disk, and their replay.

One SQLite file. An answer is written once, however many rounds it stands in; a round names the answers, the candles and
the rules it was judged by; the hours that it changed are written in the same transaction. So a crash leaves a round
whole or not at all, a restart goes on with the hours as they were, and `ReplayVenues` gives back every round as it was
judged, for the same code to judge it again.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Final

from plimsoll.market.venues.answers import HOUR, Answer, Candles, Round, dumped
from plimsoll.market.venues.errors import RecordError
from plimsoll.market.venues.hours import Hour, Tape
from plimsoll.market.venues.rules import Consolidated, Rules, SourceRule

VERSION: Final = 1
SHORT: Final = 2_000  # characters; longer bodies, chains above all, are compressed
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rules (id INTEGER PRIMARY KEY, market INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answers (id INTEGER PRIMARY KEY, market INTEGER NOT NULL, body NOT NULL);
CREATE TABLE IF NOT EXISTS candles (id INTEGER PRIMARY KEY, market INTEGER NOT NULL, body NOT NULL);
CREATE TABLE IF NOT EXISTS rounds (
    id INTEGER PRIMARY KEY, market INTEGER NOT NULL, time INTEGER NOT NULL, rules INTEGER NOT NULL,
    answers TEXT NOT NULL, candles TEXT NOT NULL, troubles TEXT NOT NULL, fill_from INTEGER);
CREATE INDEX IF NOT EXISTS rounds_by_time ON rounds (market, time);
CREATE TABLE IF NOT EXISTS hours (
    market INTEGER NOT NULL, time INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (market, time));
"""


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name what the database says."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise RecordError(f"record {path}: {error}") from error


class _Reader:
    """What both who writes and who replays read; any thread may, one at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._connection = connection
        with _named(path):
            found = connection.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
        if found is None or found[0] != str(VERSION):
            connection.close()
            raise RecordError(f"record {path}: version {found[0] if found else 'unknown'}; {VERSION} is right")

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def _rows(self, query: str, *values: Any) -> list[Any]:
        with self._lock, _named(self.path):
            return self._connection.execute(query, values).fetchall()

    def markets(self) -> tuple[int, ...]:
        """Markets that have a round."""
        return tuple(row[0] for row in self._rows("SELECT DISTINCT market FROM rounds ORDER BY market"))

    def hours(self, market: int, before: int | None = None) -> list[Hour]:
        """The hours of a market, those that open before a time [unix s] where one is given."""
        rows = self._rows("SELECT body FROM hours WHERE market = ? AND time < ? ORDER BY time", market, before or 2**62)
        return [Hour(**json.loads(row[0])) for row in rows]

    def last(self, market: int) -> Round | None:
        """The latest round of a market."""
        rows = self._rows("SELECT max(id) FROM rounds WHERE market = ?", market)
        return None if rows[0][0] is None else self._round(rows[0][0])[0]

    def _round(self, number: int) -> tuple[Round, int]:
        market, time, rules, answers, candles, troubles, fill_from = self._rows(
            "SELECT market, time, rules, answers, candles, troubles, fill_from FROM rounds WHERE id = ?", number
        )[0]
        found = Round.of(
            market,
            time,
            [Answer.from_json(body) for body in self._bodies("answers", answers)],
            [(source, text) for source, text in json.loads(troubles)],
            fill_from,
            [Candles.from_json(body) for body in self._bodies("candles", candles)],
        )
        return found, rules

    def _bodies(self, table: str, ids: str) -> list[Any]:
        numbers = json.loads(ids)
        marks = ",".join("?" * len(numbers))
        # the table's name is one of two in this file
        rows = self._rows(f"SELECT body FROM {table} WHERE id IN ({marks}) ORDER BY id", *numbers)  # noqa: S608
        if len(rows) != len(numbers):
            raise RecordError(f"record {self.path}: {len(numbers)} {table} named, {len(rows)} there")
        return [json.loads(zlib.decompress(row[0]) if isinstance(row[0], bytes) else row[0]) for row in rows]


def _hold(path: Path) -> IO[str]:
    """A lock beside the file: two that keep rounds in one would each go on with the other's hours."""
    with _named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # SQLite's own locks end with any descriptor of its file that is closed, so it is not that file
        file = path.with_name(f"{path.name}.lock").open("a", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise RecordError(f"record {path}: another process keeps its rounds there") from error
    return file


def _body(item: Answer | Candles) -> str | bytes:
    """The form of an item in the file: text, or where it is long zlib's."""
    text = dumped(item.to_json())
    return text if len(text) <= SHORT else zlib.compress(text.encode())


class Record(_Reader):
    """Where rounds are kept as they are judged; the file is made where there is none.

    Raises
    ------
    RecordError
        It cannot be opened, is another version's, or another process keeps rounds in it.
    """

    def __init__(self, path: Path) -> None:
        self._held = _hold(path)
        try:
            self._open(path)
        except RecordError:
            self._held.close()
            raise
        self._known: dict[tuple[str, int, str], tuple[Answer | Candles, int]] = {}
        self._rules: dict[int, tuple[Rules, int]] = {}

    def close(self) -> None:
        """Let go of the file, for others to keep rounds in."""
        super().close()
        self._held.close()

    def _open(self, path: Path) -> None:
        with _named(path):
            connection = sqlite3.connect(path, check_same_thread=False, timeout=10.0)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.executescript(SCHEMA)
                connection.execute("INSERT OR IGNORE INTO meta VALUES ('version', ?)", (str(VERSION),))
                connection.commit()
            except sqlite3.Error:
                connection.close()
                raise
        super().__init__(path, connection)

    def append(self, found: Round, rules: Rules, hours: tuple[Hour, ...]) -> None:
        """Keep a round, the rules it was judged by and the hours that it changed; on disk when this returns.

        Raises
        ------
        RecordError
            It cannot be written; nothing of it is.
        """
        known, market = dict(self._known), found.market
        with self._lock, _named(self.path), self._connection as connection:
            by = self._rules.get(market)
            if by is None or by[0] != rules:
                body = dumped(asdict(rules))
                row = connection.execute("INSERT INTO rules (market, body) VALUES (?, ?)", (market, body))
                by = (rules, int(row.lastrowid or 0))
            ids: dict[str, list[int]] = {"answers": [], "candles": []}
            for table, items in (("answers", found.answers), ("candles", found.candles)):
                for item in items:
                    kept = known.get((table, market, item.source))
                    if kept is None or kept[0] != item:
                        row = connection.execute(
                            f"INSERT INTO {table} (market, body) VALUES (?, ?)",  # noqa: S608 - one of two names above
                            (market, _body(item)),
                        )
                        kept = (item, int(row.lastrowid or 0))
                        known[table, market, item.source] = kept
                    ids[table].append(kept[1])
            connection.execute(
                "INSERT INTO rounds (market, time, rules, answers, candles, troubles, fill_from) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    market,
                    found.time,
                    by[1],
                    dumped(ids["answers"]),
                    dumped(ids["candles"]),
                    dumped(found.troubles),
                    found.fill_from,
                ),
            )
            connection.executemany(
                "INSERT OR REPLACE INTO hours VALUES (?, ?, ?)",
                [(market, hour.time, dumped(hour.to_json())) for hour in hours],
            )
        self._known, self._rules[market] = known, by  # only what was committed has a number

    def prune(self, before: int) -> int:
        """Forget rounds before the hour of a time [unix s], and answers that no round names; hours stay.

        Returns
        -------
        int
            Rounds forgotten.

        Raises
        ------
        RecordError
            The file cannot be written.
        """
        with self._lock, _named(self.path), self._connection as connection:
            gone = connection.execute("DELETE FROM rounds WHERE time < ?", (before - before % HOUR,)).rowcount
            if gone:
                connection.execute("INSERT OR REPLACE INTO meta VALUES ('pruned', ?)", (str(before),))
                for table in ("answers", "candles"):
                    connection.execute(
                        f"DELETE FROM {table} WHERE id NOT IN "  # noqa: S608 - one of two names
                        f"(SELECT value FROM rounds, json_each(rounds.{table}))"
                    )
        if gone:
            self._known = {}  # a number that was forgotten must not be named again
        return gone


class ReplayVenues(_Reader):
    """The rounds of a record, to be judged again.

    Raises
    ------
    RecordError
        There is no such record, or it is another version's.
    """

    def __init__(self, path: Path) -> None:
        with _named(path):
            if not path.is_file():
                raise RecordError(f"record {path}: is no file; the record of a collector is right")
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
        super().__init__(path, connection)

    def rounds(self, market: int) -> Iterator[tuple[Round, Rules]]:
        """Each round of a market and the rules that it was judged by, as they came."""
        rules = {
            row[0]: _rules(json.loads(row[1]))
            for row in self._rows("SELECT id, body FROM rules WHERE market = ?", market)
        }
        for row in self._rows("SELECT id FROM rounds WHERE market = ? ORDER BY id", market):
            found, by = self._round(row[0])
            yield found, rules[by]

    def play(self, market: int, rules: Rules | None = None) -> Iterator[tuple[Tape, Consolidated]]:
        """What each round comes to, by its own rules or by those given; the tape goes with it.

        It starts from nothing; where rounds were forgotten, from the hours before the first that is kept.
        """
        tape: Tape | None = None
        pruned = bool(self._rows("SELECT value FROM meta WHERE key = 'pruned'"))
        for found, recorded in self.rounds(market):
            if tape is None:
                before = self.hours(market, found.time - found.time % HOUR) if pruned else ()
                tape = Tape(market, recorded, before)
            tape.rules = rules or recorded
            yield tape, tape.feed(found)[0]


def _rules(data: dict[str, Any]) -> Rules:
    return Rules(**{**data, "sources": tuple(SourceRule(**source) for source in data["sources"])})

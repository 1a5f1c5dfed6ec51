"""The journal: on disk before anything is sent, whole after a crash, carried elsewhere by a backup."""

import signal
import sqlite3
import subprocess
import sys

import pytest

from plimsoll.keeper.errors import JournalError
from plimsoll.keeper.journal import Attempt, Journal, restore

SENDER = "0x" + "11" * 20
TARGET = "0x" + "22" * 20


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "keeper.db"


def intend(journal, nonce=0, purpose="post", ref="1", sender=SENDER):
    return journal.intend(purpose, ref, sender, nonce, TARGET, b"\x01\x02", 7, 100_000, 1_700_000_000)


def attempt(tx, fee=10, name="0xaa"):
    return Attempt(tx, name, b"\x02raw", fee, 1, 1_700_000_001)


def test_lines_come_back_as_they_were_by_kind_and_time(path):
    journal = Journal(path)
    journal.record("posted", 10, sequence=2**80, digest=b"\x01")
    journal.record("failed", 20, error="why")
    journal.record("posted", 30, sequence=3)
    again = Journal(path)
    assert again.lines("posted") == [
        {"time": 10, "kind": "posted", "sequence": 2**80, "digest": "0x01"},
        {"time": 30, "kind": "posted", "sequence": 3},
    ]
    assert [line["time"] for line in again.lines(since=20)] == [20, 30]
    assert [line["time"] for line in again.lines(last=1)] == [30]


def test_a_transaction_from_intent_to_final(path):
    journal = Journal(path)
    tx = intend(journal)
    assert journal.transaction(tx).state == "intent"
    journal.signed(attempt(tx))
    journal.moved(tx, "sent")
    (entry,) = journal.transactions(("sent",), sender=SENDER, purpose="post", ref="1")
    assert (entry.nonce, entry.value, entry.data, entry.target) == (0, 7, b"\x01\x02", TARGET)
    assert entry.active
    journal.moved(tx, "mined", block=5, block_hash="0xb", hash="0xaa", gas_used=90_000, price=2**70, error=None)
    assert journal.transaction(tx).price == 2**70
    assert not journal.transaction(tx).active
    assert journal.attempts(tx) == [attempt(tx)]


def test_what_was_spent_and_may_be(path):
    journal = Journal(path)
    done, under_way, other = intend(journal), intend(journal, 1), intend(journal, 0, sender=TARGET)
    for tx, name in ((done, "0x1"), (under_way, "0x2"), (other, "0x3")):
        journal.signed(attempt(tx, 10, name))
    journal.moved(done, "mined", gas_used=90_000, price=4)
    assert journal.spent(SENDER, 0) == 90_000 * 4 + 100_000 * 10
    assert journal.spent(SENDER, 1_700_000_001) == 100_000 * 10  # yesterday's is over, what is under way is not


def test_the_same_bytes_are_not_written_twice(path):
    journal = Journal(path)
    tx = intend(journal)
    journal.signed(attempt(tx))
    with pytest.raises(JournalError, match="UNIQUE"):
        journal.signed(attempt(tx))
    assert len(journal.attempts(tx)) == 1


def test_names_that_are_none(path):
    journal = Journal(path)
    with pytest.raises(JournalError, match="have no colour"):
        journal.moved(intend(journal), "sent", colour=1)
    with pytest.raises(JournalError, match="no transaction 99"):
        journal.transaction(99)


def test_a_file_that_is_none(tmp_path):
    path = tmp_path / "keeper.db"
    path.write_text("no database, and long enough to be looked at as one " * 20)
    with pytest.raises(JournalError, match="not a database"):
        Journal(path)


def test_a_database_of_something_else(tmp_path):
    path = tmp_path / "other.db"
    sqlite3.connect(path).execute("CREATE TABLE birds(name TEXT)").connection.commit()
    with pytest.raises(JournalError, match="no journal: its tables are birds"):
        Journal(path)


def test_another_release(path):
    Journal(path).close()
    with sqlite3.connect(path) as other:
        other.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    with pytest.raises(JournalError, match="schema 99; this release reads 1"):
        Journal(path)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="journal"):
        Journal(tmp_path / "file" / "keeper.db")


def test_backup_while_it_is_written_and_restore_elsewhere(path, tmp_path):
    journal = Journal(path)
    tx = intend(journal)
    journal.signed(attempt(tx))
    journal.backup(tmp_path / "copies" / "one.db")
    journal.moved(tx, "sent")
    restore(tmp_path / "copies" / "one.db", tmp_path / "new" / "keeper.db")
    found = Journal(tmp_path / "new" / "keeper.db")
    assert [entry.state for entry in found.transactions()] == ["signed"]
    assert found.attempts(tx) == journal.attempts(tx)


def test_a_restore_overwrites_nothing(path, tmp_path):
    journal = Journal(path)
    journal.record("posted", 1)
    journal.backup(tmp_path / "copy.db")
    with pytest.raises(JournalError, match="nothing is overwritten"):
        restore(tmp_path / "copy.db", path)
    with pytest.raises(JournalError, match="no such file"):
        restore(tmp_path / "nowhere.db", tmp_path / "new.db")


def test_a_damaged_backup_is_not_restored(path, tmp_path):
    journal = Journal(path)
    for k in range(2_000):
        journal.record("line", k, text="x" * 100) if k % 400 == 0 else None
    journal.backup(tmp_path / "copy.db")
    data = bytearray((tmp_path / "copy.db").read_bytes())
    data[4_096:] = b"\xff" * (len(data) - 4_096)
    (tmp_path / "copy.db").write_bytes(bytes(data))
    with pytest.raises(JournalError, match="backup"):
        restore(tmp_path / "copy.db", tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from plimsoll.keeper.journal import Attempt, Journal
journal = Journal(Path(sys.argv[1]))
for k in range(10_000):
    tx = journal.intend("post", str(k), "0xs", k, "0xt", b"", 0, 1, k)
    print(tx, "intent", flush=True)
    journal.signed(Attempt(tx, f"0x{k}", b"raw", 1, 1, k))
    print(tx, "signed", flush=True)
"""


def test_what_it_said_is_there_after_kill_9(path):
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True)
    said = [process.stdout.readline().split() for _ in range(41)]
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate()
    said += [line.split() for line in rest.splitlines() if len(line.split()) == 2]
    tx, state = said[-1]
    journal = Journal(path)
    assert len(journal.transactions()) >= int(tx)
    entry = journal.transaction(int(tx))
    assert entry.state == state or (state == "intent" and entry.state == "signed")
    assert all(len(journal.attempts(e.id)) == (e.state == "signed") for e in journal.transactions())


FULL = """
import resource, signal, sys
from pathlib import Path
from plimsoll.keeper.errors import JournalError
from plimsoll.keeper.journal import Journal
journal = Journal(Path(sys.argv[1]))
journal.record("before", 1)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
try:
    journal.record("during", 2, text="x" * 10_000)
except JournalError as error:
    print("refused:", error)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
journal.record("after", 3)
print([line["kind"] for line in journal.lines()])
"""


def test_a_disk_that_takes_nothing_is_an_error_and_passes(path):
    """A limit of the file's size stands for a full disk: the system refuses the write either way."""
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.strip().splitlines()
    assert first.startswith("refused: journal ")
    assert "cannot be written" in first
    assert second == "['before', 'after']"


def test_what_is_asked_for_at_every_look_has_an_index_in_older_files_too(tmp_path):
    path = tmp_path / "keeper.db"
    Journal(path).close()
    base = sqlite3.connect(path)
    for name in ("transactions_by_time", "transactions_by_ref"):
        base.execute(f"DROP INDEX {name}")
    base.close()
    Journal(path).close()
    base = sqlite3.connect(path)

    def plan(query):
        return " ".join(row[3] for row in base.execute(f"EXPLAIN QUERY PLAN {query}"))

    spent = "SELECT gas_used, price FROM transactions WHERE sender = 'a' AND created >= 5 AND gas_used IS NOT NULL"
    assert "transactions_by_time" in plan(spent)
    bids = "SELECT id FROM transactions WHERE state IN ('mined', 'final') AND purpose = 'bid' AND ref = '0x1'"
    assert "transactions_by_ref" in plan(f"{bids} ORDER BY id DESC LIMIT 100")
    base.close()

"""The runner: at each new head both workers work; what fails, hangs or is a bug stops neither the other nor itself."""

import re
import threading
import time
from types import SimpleNamespace
from urllib.request import urlopen

import pytest

from plimsoll.chain.errors import NodeError
from plimsoll.chain.head import Head
from plimsoll.keeper.errors import JournalError, SourceDownError
from plimsoll.keeper.journal import Journal
from plimsoll.keeper.loop import Round
from plimsoll.keeper.metrics import Metrics
from plimsoll.keeper.runner import Runner, together
from plimsoll.keeper.status import StatusBoard
from plimsoll.keeper.web import OperationsServer

START = 1_700_000_000


class FakeEndpoints:
    def __init__(self):
        self.number = 1
        self.fork = ""
        self.down = False
        self.closed = False

    def refresh(self):
        if self.down:
            raise NodeError("no endpoint is good")
        return Head(self.number, f"0x{self.number}{self.fork}", START + self.number)

    def close(self):
        self.closed = True


class FakeSender:
    def __init__(self):
        self.calls = []
        self.fails = None

    def reconcile(self, head):
        self.calls.append(("reconcile", head.number))

    def tick(self, head):
        self.calls.append(("tick", head.number))
        if self.fails:
            raise self.fails

    def under_way(self):
        return []


class FakeKeeper:
    """Says when it was asked to work; `posts` and `enforces` may be made to fail or hang."""

    def __init__(self, journal):
        self.journal = journal
        self.posted, self.enforced = [], []
        self.kept_up = 0
        self.posts = self.enforces = lambda: None
        self.reader = SimpleNamespace(read=lambda: None)
        self.agent = self.upkeep = self.standing = SimpleNamespace(collect=list)
        self.accounts = list
        self.metrics = Metrics()

    def post_due(self, _held):
        self.posted.append(time.monotonic())
        self.posts()
        return Round(START)

    def enforce(self, _accounts):
        self.enforced.append(time.monotonic())
        self.enforces()
        return (), ()

    def keep_up(self, _accounts):
        self.kept_up += 1
        return ()

    def take_orders(self):
        return ()

    def collect(self, _now):
        return None

    def failed(self, problem, now):
        error = f"{type(problem).__name__}: {problem}"
        self.journal.record("round-failed", now, error=error)
        return error


class Stage:
    def __init__(self, folder):
        self.journal = Journal(folder / "keeper.db")
        self.keeper = FakeKeeper(self.journal)
        self.endpoints = FakeEndpoints()
        self.sender = FakeSender()
        self.rounds, self.looks = [], []
        self.runner = Runner(
            self.keeper,
            self.endpoints,
            [self.sender],
            self.journal,
            interval=0.01,
            on_round=self.rounds.append,
            on_look=self.looks.append,
        )
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.runner.run, args=(self.stop,))

    def until(self, condition, seconds=10.0):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not come"
            time.sleep(0.005)

    def advance(self, blocks=1):
        self.endpoints.number += blocks

    @property
    def kinds(self):
        return [line["kind"] for line in self.journal.lines()]


@pytest.fixture
def stage(tmp_path):
    found = Stage(tmp_path)
    found.thread.start()
    found.until(lambda: found.keeper.posted and found.keeper.enforced)
    yield found
    found.stop.set()
    found.thread.join(10)
    assert not found.thread.is_alive()
    assert found.endpoints.closed


def test_each_new_head_once(stage):
    stage.until(lambda: len(stage.looks) > 5)
    assert len(stage.keeper.posted) == len(stage.keeper.enforced) == 1
    stage.advance()
    stage.until(lambda: len(stage.keeper.posted) == len(stage.keeper.enforced) == 2)
    assert stage.sender.calls == [("reconcile", 1), ("tick", 1), ("tick", 2)]
    assert stage.runner.workers[0].beat.block == 2


def test_another_block_under_the_same_number_is_a_new_head(stage):
    stage.endpoints.fork = "b"
    stage.until(lambda: len(stage.keeper.enforced) == 2)


def test_posting_that_hangs_keeps_nobody_from_being_liquidated(stage):
    wait = threading.Event()
    stage.keeper.posts = lambda: wait.wait(10)
    for k in range(3):
        stage.advance()
        stage.until(lambda k=k: len(stage.keeper.enforced) == 2 + k)
    assert len(stage.keeper.posted) == 2
    assert stage.runner.workers[0].beat.rounds == 1
    wait.set()


def test_a_failure_is_counted_and_the_next_head_brings_the_next_round(stage):
    def down():
        raise SourceDownError("no price")

    stage.keeper.posts = down
    stage.keeper.enforces = down
    stage.advance()
    stage.until(lambda: all(worker.beat.failures_in_a_row == 1 for worker in stage.runner.workers))
    stage.keeper.posts = stage.keeper.enforces = lambda: None
    stage.advance()
    stage.until(lambda: all(worker.beat.rounds == 3 for worker in stage.runner.workers))
    assert all(worker.beat.failures_in_a_row == 0 for worker in stage.runner.workers)
    assert "round-failed" in stage.kinds


def test_a_scrape_shows_the_rounds_of_both(stage):
    def down():
        raise SourceDownError("no price")

    stage.keeper.posts = down
    stage.advance()
    stage.until(lambda: all(worker.beat.rounds == 2 for worker in stage.runner.workers))
    stage.until(lambda: len(stage.rounds) == 4)
    server = OperationsServer(StatusBoard(), stage.keeper.metrics.registry)
    server.start()
    try:
        with urlopen(f"http://127.0.0.1:{server.server_address[1]}/metrics") as answer:
            said = answer.read().decode()
    finally:
        server.shutdown()
        server.server_close()
    for loop, ok in (("posting", 0), ("enforcing", 1)):
        assert f'plimsoll_rounds_total{{loop="{loop}"}} 2.0' in said
        assert f'plimsoll_healthy{{loop="{loop}"}} {ok}.0' in said
        (at,) = re.findall(rf'plimsoll_last_round_timestamp{{loop="{loop}"}} (\S+)', said)
        assert abs(float(at) - time.time()) < 60


def test_who_is_told_of_a_round_and_fails_ends_no_worker(stage):
    def fails(_done):
        raise BrokenPipeError("nobody reads")

    told, stage.runner.on_round = [], fails
    stage.advance()
    stage.until(lambda: stage.kinds.count("crashed") == 2)
    stage.runner.on_round = told.append
    stage.advance()
    stage.until(lambda: len(told) == 2)


def test_a_round_says_how_long_it_took(stage):
    stage.keeper.posts = lambda: time.sleep(0.1)
    stage.advance()
    stage.until(lambda: stage.runner.workers[0].beat.rounds == 2)
    assert 0.1 <= stage.runner.workers[0].beat.seconds < 5


def test_a_bug_is_written_down_with_its_trace_and_stops_nothing(stage):
    def bug():
        raise ZeroDivisionError("nobody foresaw it")

    stage.keeper.enforces = bug
    stage.advance()
    stage.until(lambda: "crashed" in stage.kinds)
    (line,) = stage.journal.lines("crashed")
    assert line["worker"] == "enforcing"
    assert "in bug" in line["trace"]
    stage.keeper.enforces = lambda: None
    stage.advance()
    stage.until(lambda: stage.runner.workers[1].beat.failures_in_a_row == 0)
    assert len(stage.keeper.posted) >= 2


@pytest.mark.parametrize("problem", [SourceDownError("no price"), ZeroDivisionError("nobody foresaw it")])
def test_liquidations_that_fail_keep_no_chore_from_its_turn(stage, problem):
    def fails():
        raise problem

    stage.keeper.enforces = fails
    before = stage.keeper.kept_up
    stage.advance()
    stage.until(lambda: stage.runner.workers[1].beat.failures_in_a_row == 1)
    assert stage.keeper.kept_up == before + 1
    assert str(problem) in stage.runner.workers[1].beat.last_error


def test_a_node_that_is_silent_is_said_once_and_waited_for(stage):
    stage.endpoints.down = True
    stage.until(lambda: stage.looks and stage.looks[-1] == "no endpoint is good")
    stage.until(lambda: len(stage.looks) > 20)
    assert stage.kinds.count("node-silent") == 1
    stage.endpoints.down = False
    stage.advance()
    stage.until(lambda: len(stage.keeper.posted) == 2)


def test_a_sender_that_fails_is_written_down_and_work_goes_on(stage):
    stage.sender.fails = NodeError("the node does not answer")
    stage.advance()
    stage.until(lambda: len(stage.keeper.enforced) == 2)
    assert stage.kinds.count("tick-failed") == 1


@pytest.mark.parametrize("answer", [TypeError("int() of None"), KeyError("status")])
def test_an_answer_that_nobody_foresaw_ends_neither_the_keeper_nor_a_round(stage, answer):
    stage.sender.fails = answer
    stage.advance()
    stage.until(lambda: len(stage.keeper.posted) == len(stage.keeper.enforced) == 2)
    stage.sender.fails = None
    refresh, stage.endpoints.refresh = stage.endpoints.refresh, lambda: int(None)
    stage.until(lambda: stage.kinds.count("crashed") >= 2)
    stage.endpoints.refresh = refresh
    stage.advance()
    stage.until(lambda: len(stage.keeper.posted) == len(stage.keeper.enforced) == 3)
    assert {line["worker"] for line in stage.journal.lines("crashed")} == {"main"}
    assert stage.thread.is_alive()


def test_a_journal_that_takes_nothing_is_told_and_work_goes_on(stage):
    def full(*_, **__):
        raise JournalError("journal keeper.db cannot be written: disk I/O error")

    def down():
        raise SourceDownError("no price")

    stage.journal.record, record = full, stage.journal.record
    stage.keeper.enforces = down
    stage.advance()
    stage.until(lambda: stage.runner.journal_error != "")
    assert "disk I/O error" in stage.runner.workers[1].beat.last_error
    stage.journal.record = record
    stage.keeper.enforces = lambda: None
    stage.advance()
    stage.until(lambda: stage.runner.workers[1].beat.failures_in_a_row == 0)


def test_it_waits_for_a_node_that_comes_up_later(tmp_path):
    found = Stage(tmp_path)
    found.endpoints.down = True
    found.thread.start()
    found.until(lambda: "node-silent" in found.kinds)
    assert found.keeper.posted == []
    found.endpoints.down = False
    found.until(lambda: found.keeper.posted)
    found.stop.set()
    found.thread.join(10)


def test_told_to_stop_while_no_node_answers(tmp_path):
    found = Stage(tmp_path)
    found.endpoints.down = True
    found.thread.start()
    found.until(lambda: found.looks)
    found.stop.set()
    found.thread.join(10)
    assert not found.thread.is_alive()


def test_one_round_of_everything(tmp_path):
    found = Stage(tmp_path)
    done = found.runner.once()
    assert done.ok
    assert len(found.keeper.posted) == len(found.keeper.enforced) == 1
    assert found.sender.calls == [("reconcile", 1)]


def test_several_looks_at_one_round_are_one():
    first = Round(1, planned=((1, "call"),), error="a")
    assert together([first, Round(2, planned=((2, "bid"),)), Round(3, error="b")]) == Round(
        1, planned=((1, "call"), (2, "bid")), error="a; b"
    )

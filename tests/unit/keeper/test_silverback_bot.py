"""The bot for Silverback: which work a start, a block and a minute bring; the platform is a fake here."""

import sys
import threading
from types import SimpleNamespace

import pytest

from plimsoll.chain.errors import NodeError
from plimsoll.keeper import silverback_bot
from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.liquidation import Step, Taken
from plimsoll.keeper.loop import Round
from plimsoll.keeper.poster import Posted
from plimsoll.keeper.recorder import MemoryRecorder
from plimsoll.keeper.silverback_bot import BUSY, PlatformError, Watch, make_bot, summary, wire
from plimsoll.keeper.upkeep import Done


class FakeBot:
    """Keeps what is registered, as Silverback's decorators do."""

    def __init__(self):
        self.tasks = {}

    def on_startup(self):
        return lambda task: self.tasks.setdefault("start", task)

    def on_(self, container):
        return lambda task: self.tasks.setdefault(container, task)

    def cron(self, schedule):
        return lambda task: self.tasks.setdefault(schedule, task)


class FakeKeeper:
    """A keeper whose work is scripted."""

    def __init__(self):
        self.recorder = MemoryRecorder()
        self.config = SimpleNamespace(dry_run=False)
        self.reader = SimpleNamespace(system=SimpleNamespace(chain=SimpleNamespace(now=7)), read=lambda: "held")
        self.done = []
        self.problem = None

    def accounts(self):
        if self.problem:
            raise self.problem
        return [1, 2]

    def keep_up(self, accounts):
        self.done.append(("chores", tuple(accounts)))
        return (Done("touch", 5), Done("trip", error="no"))

    def enforce(self, accounts):
        self.done.append(("enforce", tuple(accounts)))
        return (Taken(1, Step.CALL, 9), Taken(2, Step.BID, error="no")), ()

    def post_due(self, held):
        self.done.append(("post", held))
        if self.problem:
            raise self.problem
        return Round(7)

    def failed(self, problem, now):
        self.recorder.record("round-failed", now, error=str(problem))
        return str(problem)


@pytest.fixture
def keeper():
    return FakeKeeper()


@pytest.fixture
def bot(keeper):
    made = FakeBot()
    wire(made, "blocks", Watch(lambda: keeper))
    return made


def test_what_is_registered(bot):
    assert set(bot.tasks) == {"start", "blocks", "* * * * *"}


def test_a_start_builds_the_keeper_and_is_written_down(bot, keeper):
    assert bot.tasks["start"](object()) is None
    assert keeper.recorder.of("silverback-start") == [{"time": 7, "kind": "silverback-start", "dry_run": False}]
    assert keeper.done == []


def test_a_block_brings_chores_and_steps(bot, keeper):
    found = bot.tasks["blocks"](object())
    assert keeper.done == [("chores", (1, 2)), ("enforce", (1, 2))]
    assert found == {"steps": 1, "chores": 1, "refused": 2, "failed": 0}


def test_a_minute_brings_a_report(bot, keeper):
    assert bot.tasks["* * * * *"](object()) == {"steps": 0, "chores": 0, "refused": 0, "failed": 0}
    assert keeper.done == [("post", "held")]


def test_the_sequence_that_was_posted_is_told():
    posted = Posted(5, 1)
    assert posted.ok
    assert summary(Round(7, posted=posted))["sequence"] == 5


@pytest.mark.parametrize("task", ["blocks", "* * * * *"])
def test_a_node_that_is_silent_is_a_failed_round_and_no_exception(bot, keeper, task):
    keeper.problem = NodeError("silent")
    assert bot.tasks[task](object())["failed"] == 1
    assert keeper.recorder.of("round-failed")[0]["error"] == "silent"
    keeper.problem = None
    assert bot.tasks[task](object())["failed"] == 0


def test_a_block_that_comes_too_early_is_left_out_and_reports_go_on(bot, keeper):
    going, ends = threading.Event(), threading.Event()
    enforce = keeper.enforce

    def slow(accounts):
        going.set()
        assert ends.wait(10)
        return enforce(accounts)

    keeper.enforce = slow
    first = threading.Thread(target=bot.tasks["blocks"], args=(object(),))
    first.start()
    assert going.wait(10)
    assert bot.tasks["blocks"](object()) == {BUSY: 1}
    assert bot.tasks["* * * * *"](object())["failed"] == 0
    ends.set()
    first.join(10)
    assert bot.tasks["blocks"](object())["steps"] == 1
    assert [what for what, _ in keeper.done].count("enforce") == 2


def test_the_keeper_is_built_once(keeper):
    built = []
    watch = Watch(lambda: built.append(1) or keeper)
    threads = [threading.Thread(target=watch.block) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    watch.minute()
    assert built == [1]


def test_without_silverback_the_error_has_a_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "silverback", None)
    with pytest.raises(PlatformError, match=r"pip install silverback 'taskiq<0\.13'"):
        make_bot()
    with pytest.raises(PlatformError):
        _ = silverback_bot.bot
    with pytest.raises(AttributeError, match="no attribute boat"):
        _ = silverback_bot.boat


def test_with_silverback_its_bot_is_wired_to_the_chains_blocks(monkeypatch):
    monkeypatch.setitem(sys.modules, "silverback", SimpleNamespace(SilverbackBot=FakeBot))
    monkeypatch.setitem(sys.modules, "ape", SimpleNamespace(chain=SimpleNamespace(blocks="ape's blocks")))
    made = silverback_bot.bot
    assert set(made.tasks) == {"start", "ape's blocks", "* * * * *"}
    assert silverback_bot.bot is made
    vars(silverback_bot).pop("bot")


def test_settings_are_named_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv(silverback_bot.SETTINGS, raising=False)
    with pytest.raises(SettingsError, match="PLIMSOLL_SETTINGS is not set"):
        silverback_bot.keeper_of_settings()
    path = tmp_path / "keeper.yaml"
    monkeypatch.setenv(silverback_bot.SETTINGS, str(path))
    seen = {}
    monkeypatch.setattr(silverback_bot, "load_settings", lambda given: seen.setdefault("path", given))
    monkeypatch.setattr(silverback_bot, "build_keeper", lambda found, *, dry_run: (found, dry_run))
    assert silverback_bot.keeper_of_settings() == (path, False)
    monkeypatch.setenv(silverback_bot.DRY_RUN, "1")
    assert silverback_bot.keeper_of_settings() == (path, True)
    monkeypatch.setenv(silverback_bot.DRY_RUN, "0")
    assert silverback_bot.keeper_of_settings() == (path, False)

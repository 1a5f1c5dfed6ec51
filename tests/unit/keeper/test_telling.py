"""What the runner tells of itself: auctions as they stand, reorganisations, storage; the journal is asked seldom."""

import threading
from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from plimsoll.chain.head import Head
from plimsoll.keeper.journal import Journal
from plimsoll.keeper.status import StatusBoard
from plimsoll.keeper.telling import Teller
from plimsoll.spec.margin import Assessment
from plimsoll.spec.wad import WAD

START = 1_700_000_000
RAMP, FIRST = 600, 50_000  # [s], [ppm]
DEAD, LAPSED = 7 << 96, 8 << 96
WEAK = Assessment(50 * WAD, 60 * WAD, 100 * WAD, 130 * WAD, 110 * WAD, fresh=True)


@dataclass
class Beat:
    rounds: int = 0
    last_done: float = float(START)
    last_error: str | None = None
    failures_in_a_row: int = 0
    seconds: float = 0.25


@dataclass
class Scene:
    """A runner that stands still, and a teller of it; `asked`: how often the journal was read."""

    journal: Journal
    head: Head = field(default_factory=lambda: Head(10, "0xa", START))
    asked: int = 0

    def __post_init__(self):
        real = self.journal.transactions

        def counted(*args, **more):
            self.asked += 1
            return real(*args, **more)

        self.journal.transactions = counted
        self.sender = SimpleNamespace(
            journal=self.journal,
            address="0x1",
            under_way=list,
            relay=None,
            config=SimpleNamespace(spend_per_day=10**18),
        )
        keeper = SimpleNamespace(
            held=None,
            last_post=None,
            source=None,
            agent=object(),
            archive=None,
            reader=SimpleNamespace(system=SimpleNamespace(chain=SimpleNamespace(balance=lambda _: 2 * 10**18))),
            margins={DEAD: WEAK},
            config=SimpleNamespace(dry_run=False),
        )
        self.workers = [SimpleNamespace(beat=Beat()), SimpleNamespace(beat=Beat())]
        runner = SimpleNamespace(
            keeper=keeper,
            workers=self.workers,
            senders=[self.sender],
            journal=self.journal,
            endpoints=SimpleNamespace(endpoints=[]),
            journal_error="",
            head=self.head,
        )
        self.runner = runner
        auctions = {DEAD: (START - 300, RAMP, FIRST), LAPSED: (START - 2 * RAMP - 1, RAMP, FIRST)}
        state = SimpleNamespace(auctions=auctions, bad_debt=0)
        index = SimpleNamespace(lock=threading.RLock(), state=state, head=10)
        self.lookout = SimpleNamespace(last=None, index=index, mismatch="", failing="", taken_back=deque())
        self.board = StatusBoard(monotonic=lambda: 0.0, wall=lambda: START)
        self.teller = Teller(self.board, runner, self.lookout, ["poster"], clock=lambda: float(START))
        self.teller._slow = float(START)  # balances and disk have their turn later

    def look(self):
        self.teller.look(None)
        return self.board.current()

    def move(self, number, name):
        self.runner.head = Head(number, name, START + number - 10)


@pytest.fixture
def scene(tmp_path):
    found = Scene(Journal(tmp_path / "keeper.db"))
    yield found
    found.journal.close()


def test_an_auction_is_told_with_its_discount_and_one_that_lapsed_is_none(scene):
    (auction,) = scene.look().auctions
    assert (auction.account, auction.age, auction.equity) == (hex(DEAD), 300, 60.0)
    assert auction.discount == pytest.approx(0.05 + 0.95 / 2)


def test_the_journal_is_asked_once_a_block_or_round(scene):
    scene.look()
    first = scene.asked
    assert first > 0
    for _ in range(5):
        scene.look()
    assert scene.asked == first
    scene.workers[1].beat.rounds += 1
    scene.look()
    second = scene.asked
    assert second > first
    scene.move(11, "0xb")
    scene.look()
    assert scene.asked > second


def test_how_long_a_round_took(scene):
    found = scene.look()
    assert (found.loop.seconds, found.enforcing.seconds) == (0.25, 0.25)


def test_reorganisations_are_as_deep_as_the_index_says(scene):
    assert scene.look().head.reorganised == 0
    scene.move(10, "0xb")
    assert scene.look().head.reorganised == 1
    scene.lookout.taken_back.append(4)
    scene.move(11, "0xc")
    assert scene.look().head.reorganised == 4


def test_an_index_that_cannot_be_written_is_told(scene):
    scene.lookout.failing = "the index cannot be written: disk full"
    scene.teller._slow = 0.0
    found = scene.look()
    assert found.storage.index == "the index cannot be written: disk full"
    assert [(key.role, key.balance, key.cap) for key in found.keys] == [("poster", 2.0, 1.0)]

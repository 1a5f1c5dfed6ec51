"""The index stands where the chain stands: after any actions, restarts, reorganisations, lies and crashes."""

import os
import random
import signal
import sqlite3
from dataclasses import replace

import pytest

from plimsoll.chain.errors import NodeError
from plimsoll.chain.protocol import Log
from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.index.bench import made_up
from plimsoll.keeper.index.blocks import ChainBlocks
from plimsoll.keeper.index.decode import Deployed
from plimsoll.keeper.index.errors import (
    BlocksMovedError,
    ForeignIndexError,
    IndexMismatchError,
    IndexStateError,
    IndexVersionError,
)
from plimsoll.keeper.index.follow import AccountIndex
from plimsoll.keeper.index.generate import Listing, generated_log
from plimsoll.keeper.recorder import MemoryRecorder
from plimsoll.spec.instruments import CALL, PERP, Instrument
from tests.unit.keeper.index.scene import Scene, differences, same

LISTINGS = [
    Listing(Instrument(257, 0, PERP, 0, 0).pack(), 100.0, 100.0),
    Listing(Instrument(257, 1_800_000_000, CALL, 90_000, 0).pack(), 12.5, 100.0),
    Listing(Instrument(258, 0, PERP, 0, 0).pack(), 7.0, 7.0),
]


@pytest.fixture(scope="module")
def scene():
    return Scene(0)


@pytest.fixture
def pair(scene):
    with scene.pair.isolated():
        yield scene.pair


@pytest.fixture
def path(tmp_path):
    return tmp_path / "index.db"


class Watched(ChainBlocks):
    """A chain's blocks, and which were asked for; `meanwhile` runs once behind the events."""

    def __init__(self, chain, meanwhile=None):
        super().__init__(chain)
        self.asked = []
        self.meanwhile = meanwhile

    def logs(self, addresses, first, last):
        self.asked.append((first, last))
        found = super().logs(addresses, first, last)
        if self.meanwhile is not None:
            self.meanwhile()
        return found


def watched(scene, path, **options):
    """An index whose questions are kept."""
    blocks = Watched(scene.system.chain, options.pop("meanwhile", None))
    return AccountIndex(path, Deployed.of(scene.system), blocks, **options), blocks


def test_it_stands_where_the_chain_stands_after_drawn_actions(scene, path, pair):
    index = scene.index(path, stride=7)
    for seed in range(6):
        scene.play(seed, 8)
        index.update()
        assert differences(index, pair) == []
        assert index.verify(scene.system, 100).accounts == len(index.accounts()) > 5


def test_a_restart_goes_on_behind_the_last_block(scene, path, pair):
    index = scene.index(path)
    scene.play(1, 6)
    pair.advance(120)
    index.update()
    index.close()
    stood = index.head
    again, blocks = watched(scene, path)
    assert same(again, index)
    pair.advance(12)  # the block that was the last is full
    scene.play(2, 6)
    pair.advance(120)
    again.update()
    assert min(first for first, _ in blocks.asked) > stood
    assert differences(again, pair) == []


def test_blocks_that_the_chain_no_longer_has_are_taken_back(scene, path, pair, tmp_path):
    recorder = MemoryRecorder()
    index = scene.index(path, depth=50_000, recorder=recorder)  # an action may let hours pass
    scene.play(1, 4)
    pair.advance(12)
    index.update()
    for seed in (3, 4, 5):
        with pair.isolated():
            for part in range(3):
                scene.play(10 * seed + part, 3, focus=("pursue", "transfer", "batch"))
                pair.advance(12)
                index.update()
            scene.play(seed, 2, focus=("pursue", "batch"))
        pair.advance(12)
        found = index.update()
        assert found.taken_back >= 3
        assert not found.rebuilt
        assert differences(index, pair) == []
        fresh = scene.index(tmp_path / f"fresh{seed}.db")
        fresh.update()
        assert same(index, fresh)
        reopened = scene.index(path)
        assert same(reopened, fresh)
        reopened.close()
    assert "index-taken-back" in [line["kind"] for line in recorder.lines]


def test_further_back_than_it_keeps_everything_is_read_again(scene, path, pair):
    recorder = MemoryRecorder()
    index = scene.index(path, depth=4, recorder=recorder)
    index.update()
    holders, follower = index.holders, index.follow()
    with pair.isolated():
        for seed in range(8):
            scene.play(seed, 2)
            pair.advance(12)
            index.update()
    follower.clear()
    scene.play(9, 2)
    pair.advance(24)
    found = index.update()
    assert found.rebuilt
    assert [line["kind"] for line in recorder.lines].count("index-rebuilt") == 1
    assert differences(index, pair) == []
    assert index.holders is holders
    assert follower >= set(index.state.books)


def test_old_blocks_are_read_in_strides_and_only_the_last_can_be_taken_back(scene, path, pair):
    pair.advance(12 * 1_000)
    index, blocks = watched(scene, path, depth=10, stride=300)
    found = index.update()
    assert [last - first + 1 for first, last in blocks.asked] == [
        300,
        300,
        300,
        *([last - first + 1 for first, last in blocks.asked][3:]),
    ]
    assert sum(last - first + 1 for first, last in blocks.asked) == found.blocks
    assert blocks.asked[-1] == (index.head - 9, index.head)
    undone = sqlite3.connect(path).execute("SELECT count(*) FROM blocks WHERE undo IS NOT NULL").fetchone()[0]
    assert undone == 10


def test_a_block_that_changes_while_it_is_read_is_read_again(scene, path, pair):
    acts = iter(range(1))

    def meanwhile():
        for seed in acts:
            scene.stir(seed)

    index, blocks = watched(scene, path, meanwhile=meanwhile)
    index.update()
    assert len(blocks.asked) == 2
    assert differences(index, pair) == []


def test_a_chain_that_never_stands_still_is_an_error_and_changes_nothing(scene, path, pair):
    acts = iter(range(100))
    index, _ = watched(scene, path, meanwhile=lambda: scene.stir(next(acts)))
    with pytest.raises(BlocksMovedError):
        index.update()
    assert index.state.accounts == []


@pytest.mark.parametrize("wrong", [b"\1" * 32, None])
def test_an_event_of_a_block_that_is_not_there_is_not_believed(scene, path, pair, wrong):
    class Liar(ChainBlocks):
        def logs(self, addresses, first, last):
            found = self.chain.logs(addresses, first, last)
            return [
                Log(log.address, log.topics, log.data, 77 if wrong is None else log.block, wrong or b"")
                for log in found
            ]

    index = AccountIndex(path, Deployed.of(scene.system), Liar(scene.system.chain))
    with pytest.raises(BlocksMovedError, match="no longer has"):
        index.update()


def test_a_refused_range_is_halved_and_a_node_that_is_down_is_not_asked_for_ever(scene, pair):
    pair.advance(12 * 100)
    asked = []

    class Choosy:
        block = scene.system.chain.block

        def logs(self, addresses, first, last):
            asked.append(last - first + 1)
            if last - first + 1 > 16:
                raise NodeError("the node refuses: range too large")
            return scene.system.chain.logs(addresses, first, last)

    class Down:
        @property
        def block(self):
            raise NodeError("no answer")

        def logs(self, *_):
            asked.append(0)
            raise NodeError("no answer")

    addresses = Deployed.of(scene.system).addresses
    found = ChainBlocks(Choosy()).logs(addresses, 0, Choosy.block)
    assert found == scene.system.chain.logs(addresses, 0)
    assert max(asked[1:]) < Choosy.block
    asked.clear()
    with pytest.raises(NodeError):
        ChainBlocks(Down()).logs(addresses, 0, 10)
    assert asked == [0]


def test_an_index_of_an_unknown_schema_is_refused(scene, path, pair):
    scene.index(path).close()
    with sqlite3.connect(path) as base:
        base.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    with pytest.raises(IndexVersionError, match="schema 99; 1 is right"):
        scene.index(path)


def test_an_index_of_another_deployment_or_beginning_is_refused(scene, path, pair):
    scene.index(path).close()
    with pytest.raises(ForeignIndexError, match="from block 0 on"):
        scene.index(path, first=1)
    with pytest.raises(ForeignIndexError, match="of deployment"):
        AccountIndex(path, made_up(), ChainBlocks(scene.system.chain))


def test_a_file_that_is_something_else_is_refused(scene, path, pair):
    path.write_text("no database " * 100)
    with pytest.raises(IndexStateError, match="not a database"):
        scene.index(path)
    other = path.with_name("other.db")
    with sqlite3.connect(other) as base:
        base.execute("CREATE TABLE something (x)")
    with pytest.raises(IndexStateError, match="something else"):
        scene.index(other)


@pytest.mark.parametrize("options", [{"first": -1}, {"depth": 0}, {"stride": 0}])
def test_numbers_out_of_range_are_refused(scene, path, options):
    with pytest.raises(SettingsError):
        scene.index(path, **options)


def test_an_event_that_does_not_fit_leaves_the_index_where_it_stood(scene, path, pair):
    index, blocks = watched(scene, path)
    listed = next(e for e in scene.system.registry.interface.events.values() if e.name == "CollateralListed").topic
    original = blocks.logs
    blocks.logs = lambda *asked: [log for log in original(*asked) if log.topics[0] != listed]
    with pytest.raises(IndexStateError, match=r"block \d+: an event does not fit .*before the deployment"):
        index.update()
    assert (index.head, index.state.ledgers, index.state.books, dict(index.holders)) == (-1, {}, {}, {})
    blocks.logs = lambda *asked: [
        Log(log.address, log.topics, log.data[:-1], log.block, log.block_hash) for log in original(*asked)
    ]
    with pytest.raises(IndexStateError, match="cannot be read"):
        index.update()
    blocks.logs = original
    index.update()
    assert differences(index, pair) == []


def test_a_disk_that_takes_nothing_leaves_the_index_where_it_stood(scene, path, pair):
    index = scene.index(path)
    index.update()
    with sqlite3.connect(path) as base:
        base.execute("CREATE TRIGGER full BEFORE INSERT ON blocks BEGIN SELECT RAISE(FAIL, 'disk is full'); END")
    scene.play(1, 4)
    pair.advance(12)
    with pytest.raises(IndexStateError, match="disk is full"):
        index.update()
    with sqlite3.connect(path) as base:
        base.execute("DROP TRIGGER full")
    index.update()
    assert differences(index, pair) == []


def test_what_differs_from_the_chain_is_found_and_read_again(scene, path, pair):
    recorder = MemoryRecorder()
    scene.play(1, 4)
    pair.advance(12)
    index = scene.index(path, recorder=recorder)
    index.update()
    account = next(a for a in index.accounts() if index.state.ledgers.get(a, (0, 0))[0] > 0)
    cash, linear = index.state.ledgers[account]
    index.state.ledgers[account] = cash + 1, linear
    found = index.verify(scene.system, 1_000)
    assert found.rebuilt
    assert [line["kind"] for line in recorder.lines] == ["index-mismatch", "index-rebuilt"]
    assert hex(account) in recorder.lines[0]["error"]
    assert index.state.ledgers[account] == (cash, linear)
    assert index.verify(scene.system, 1_000) == found._replace(rebuilt=False)


def test_a_difference_that_stays_is_an_error(scene, path, pair):
    index, blocks = watched(scene, path)
    original = blocks.logs
    deposit = next(e for e in scene.system.clearinghouse.interface.events.values() if e.name == "Deposited").topic
    kept = []

    def less(*asked):  # one deposit is withheld each time
        found = original(*asked)
        at = next((k for k, log in enumerate(found) if log.topics[0] == deposit), None)
        kept.append(at)
        return found if at is None else found[:at] + found[at + 1 :]

    blocks.logs = less
    with pytest.raises(IndexMismatchError, match=r"by the index, .* on the chain"):
        index.verify(scene.system, 1_000)
    assert len([at for at in kept if at is not None]) == 2


def killer(left):
    """What kills its own process when it is called for the last of so many times."""
    todo = iter(range(1, left))
    return lambda _: next(todo, 0) or os.kill(os.getpid(), signal.SIGKILL)


def test_a_kill_at_any_point_leaves_a_whole_database(path, tmp_path):
    deployed = made_up()
    log = generated_log(400, 3, deployed, LISTINGS, per_block=10)

    def opened(at, blocks=log):
        return AccountIndex(at, deployed, blocks, stride=2, depth=50)

    whole = opened(tmp_path / "whole.db")
    whole.update()
    rng = random.Random(7)
    heads = []
    for _ in range(4):
        left = rng.randint(10, 300)  # statements until the process is killed, in a transaction or between two
        child = os.fork()
        if child == 0:
            index = opened(path)
            index._store._base.set_trace_callback(killer(left))
            index.update()
            os._exit(1)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        index = opened(path)
        heads.append(index.head)
        part = opened(tmp_path / f"part{len(heads)}.db", Upto(log, index.head))
        part.update()
        assert same(index, part)
        index.close()
        part.close()
    assert heads == sorted(heads)
    assert len(set(heads)) > 1
    assert heads[-1] < log.head()
    index = opened(path)
    index.update()
    assert same(index, whole)


class Upto:
    """A log as it was when it had so many blocks."""

    def __init__(self, log, head):
        self.log = log
        self.last = head

    def head(self):
        return self.last

    def headers(self, numbers):
        return self.log.headers(numbers)

    def logs(self, *asked):
        return self.log.logs(*asked)


def test_a_generated_log_that_forks_is_followed(path, tmp_path):
    deployed = made_up()
    log = generated_log(50, 3, deployed, LISTINGS, per_block=20)
    index = AccountIndex(path, deployed, log, depth=10)
    index.update()
    for events in (3, 4, 5):
        log.grow(events)
        index.update()
    log.fork(log.head() - 2)
    log.grow(6)
    found = index.update()
    assert (found.taken_back, found.rebuilt) == (2, False)
    fresh = AccountIndex(tmp_path / "fresh.db", deployed, log)
    fresh.update()
    assert same(index, fresh)


@pytest.mark.parametrize(("back", "taken_back", "rebuilt"), [(1, 1, False), (5, 5, False), (6, 0, True)])
def test_as_many_blocks_are_taken_back_as_it_was_told_to_keep(path, tmp_path, back, taken_back, rebuilt):
    deployed = made_up()
    log = generated_log(20, 3, deployed, LISTINGS, per_block=20)
    index = AccountIndex(path, deployed, log, depth=5)
    index.update()
    for events in range(1, 9):
        log.grow(events)
        index.update()
    log.fork(log.head() - back)
    log.grow(2)
    found = index.update()
    assert (found.taken_back, found.rebuilt) == (taken_back, rebuilt)
    fresh = AccountIndex(tmp_path / "fresh.db", deployed, log, depth=5)
    fresh.update()
    assert same(index, fresh)


def test_a_pool_of_interest_that_differs_is_found(scene, path, pair):
    recorder = MemoryRecorder()
    index = scene.index(path, recorder=recorder)
    for seed in range(40):
        if pair.twin.book.sums.debt:
            break
        scene.play(seed, 4, focus=("borrow",))
    pair.advance(60)
    index.update()
    assert index.state.sums.debt > 0
    index.state.sums = replace(index.state.sums, debt=1)
    assert index.verify(scene.system).rebuilt
    assert "the pool is" in recorder.lines[0]["error"]
    assert differences(index, pair) == []


def test_a_restart_on_a_shorter_branch_takes_nothing_back_twice(path, tmp_path):
    deployed = made_up()
    log = generated_log(20, 3, deployed, LISTINGS, per_block=20)
    index = AccountIndex(path, deployed, log)
    for events in (5, 6, 7):
        log.grow(events)
        index.update()
    log.fork(log.head() - 3)
    assert index.update().taken_back == 3
    index.close()
    again = AccountIndex(path, deployed, log)
    assert again.update().taken_back == 0
    log.grow(4)
    again.update()
    fresh = AccountIndex(tmp_path / "fresh.db", deployed, log)
    fresh.update()
    assert same(again, fresh)

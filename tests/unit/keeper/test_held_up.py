"""Nobody is held up for good: by what signers or chain refuse, by a feed that is dead, by what is too large."""

from dataclasses import replace

import pytest

from plimsoll.keeper.archive import Archive
from plimsoll.keeper.poster import LocalKeys
from plimsoll.nodes.errors import QuorumError
from plimsoll.risk.errors import ReportError
from plimsoll.risk.report_parts import part
from tests.many import HOUR, SIGNERS, Many

SIX = (257, 258, 259, 513, 514, 515)


class Unwilling(LocalKeys):
    """Signers that refuse every report of some underlyings."""

    def __init__(self, *bad):
        super().__init__(SIGNERS[:2])
        self.bad = set(bad)

    def sign(self, built, digest):
        if self.bad & {scalars.underlying for scalars in built.scalars}:
            raise QuorumError(2, 0, {"all": "underlying is not as they see it"})
        return super().sign(built, digest)


@pytest.fixture
def six(tmp_path):
    return Many(tmp_path, SIX)


def rounds(six, keeper, count):
    for _ in range(count):
        six.chain.advance(12)
        keeper.round()


def small(six, signing=None, **triggers):
    """A keeper whose reports have room for two underlyings that were never posted, or are posted again."""
    keeper = six.keeper(signing=signing, post_gas_limit=1_000_000, **triggers)
    keeper.config = type(keeper.config)(0.0, 100)
    return keeper


def test_one_that_is_refused_keeps_none_of_its_batch(six):
    keeper = six.keeper(signing=Unwilling(258))
    keeper.config = type(keeper.config)(0.0, 100)
    rounds(six, keeper, 12)
    standing = six.sequences()
    assert [u for u in SIX if not standing[u]] == [258]


def test_two_that_are_refused_keep_no_third_back(six):
    keeper = small(six, Unwilling(257, 259))
    rounds(six, keeper, 12)
    standing = six.sequences()
    assert [u for u in SIX if not standing[u]] == [257, 259]


def test_what_is_refused_no_more_has_its_turn_beside_what_still_is(six):
    signing = Unwilling(257, 259)
    keeper = small(six, signing)
    rounds(six, keeper, 12)
    signing.bad.remove(259)
    rounds(six, keeper, 4)
    standing = six.sequences()
    assert [u for u in SIX if not standing[u]] == [257]


def test_a_dead_feed_stops_its_own_underlying_alone(six):
    keeper = six.keeper()
    six.chain.advance(1)
    assert keeper.round().posted.ok
    six.system.aggregators[257].transact("set_fails", True, sender=six.admin)
    assert 257 not in keeper.reader.read().index
    six.chain.advance(HOUR)
    assert keeper.round().posted.ok
    assert six.posts()[-1] == (2, SIX[1:])


def test_a_dead_feed_is_told_once_and_so_is_its_return(six, caplog):
    keeper = six.keeper()
    caplog.set_level("WARNING", logger="plimsoll")
    for fails in (True, True, False):
        six.system.aggregators[257].transact("set_fails", fails, sender=six.admin)
        six.chain.advance(HOUR)
        assert keeper.round().posted.ok
    said = [line.getMessage() for line in caplog.records if "underlying 257" in line.getMessage()]
    assert [("left out" in line, "again" in line) for line in said] == [(True, False), (False, True)]
    assert all(six.sequences().values())


def test_a_report_without_a_dead_feed_is_signed_by_nodes_and_made_again_from_the_archive(six, tmp_path):
    archive = Archive(tmp_path / "archive")
    keeper = six.keeper(signing=six.peers([six.node(k) for k in (1, 2)]), archive=archive)
    six.chain.advance(1)
    assert keeper.round().posted.ok
    six.system.aggregators[258].transact("set_fails", True, sender=six.admin)
    six.chain.advance(HOUR)
    assert keeper.round().posted.ok
    entry = archive.find("2")
    record = archive.load(entry)
    assert record.inputs["only"] == tuple(u for u in SIX if u != 258)
    built = record.recompute(archive.snapshot(record.report.snapshot))
    assert (built.report, built.codes) == (record.report, record.codes)


def test_an_offset_widens_on_nobody_it_does_not_see(six):
    six.files[259].write_bytes(six.files[258].read_bytes())  # these two move as one
    keeper = six.keeper()
    six.chain.advance(1)
    assert keeper.round().posted.ok
    six.chain.advance(HOUR)
    held = keeper.reader.read()
    snapshot, stands = keeper.source.snapshot(held), 10_000
    previous = replace(held.risk_state, offsets={1: stands})

    def offset(*unseen, before=previous):
        seen = replace(snapshot, markets=tuple(m for m in snapshot.markets if m.underlying not in unseen))
        return next(c.offset for c in keeper.engine.report(seen, before, 2).classes if c.klass == 1)

    assert offset(257) == stands  # of the other two alone it would be far wider
    never = replace(previous, posted={u: at for u, at in previous.posted.items() if u != 257})
    assert offset(257, before=never) > stands  # nothing stands of it that an offset could be wrong for
    assert offset(257, 258) == stands  # one that is left says nothing of how they move together


def test_one_over_the_limit_of_gas_goes_alone_and_says_so_once(six):
    keeper = six.keeper(post_gas_limit=1)
    rounds(six, keeper, 6)
    assert all(six.sequences().values())
    six.chain.advance(HOUR)
    rounds(six, keeper, 2)
    lines = six.recorder.of("post-large")
    assert sorted(line["underlying"] for line in lines) == list(SIX)
    assert all(line["limit"] == 1 < line["gas"] for line in lines)


def test_one_that_is_too_much_for_any_report_stops_itself_alone(six, monkeypatch):
    def small_part(whole, only, previous=None):
        if 257 in only:
            raise ReportError("65 surfaces; a report holds 64")
        return part(whole, only, previous)

    monkeypatch.setattr("plimsoll.keeper.batches.part", small_part)
    keeper = six.keeper()
    rounds(six, keeper, 2)
    assert [u for u, at in six.sequences().items() if not at] == [257]
    assert [line["gas"] for line in six.recorder.of("post-large")] == [None]

"""What is replayed is what was judged, to the byte; and a record is whole or not at all."""

import sqlite3
from dataclasses import replace

import pytest

from plimsoll.market.venues.answers import Answer, Candle, Candles, OptionLine, Round
from plimsoll.market.venues.errors import RecordError
from plimsoll.market.venues.hours import Tape
from plimsoll.market.venues.record import Record, ReplayVenues

from .conftest import HOUR, START, answer, round_of, rules_of

RULES = rules_of(4, perps=1, options=1)


def rounds(count, every=600):
    """Rounds in which sources come and go, lie, freeze, fill and quote options."""
    for k in range(count):
        now = START + k * every
        answers = [
            answer(f"s{j}", 100 + k / 7 + j / 100 + (900 if (j, k % 5) == (3, 2) else 0), now, depth=5.0 + j)
            for j in range(4 if k % 3 else 2)
        ]
        answers.append(answer("p0", 100.1 + k / 7, now, "perp", funding=1e-4, index=100.0))
        lines = (OptionLine(START + 86_400, 100.0, False, 100.2, None, 1.5, 0.61),)
        answers.append(Answer("o0", "option", START, START, START, "chain", chain=lines))  # the same all the time
        troubles = [("s2", "HTTP 500 — später"), ("s3", "gone")] if k % 3 == 0 else []
        candles = [Candles(f"s{j}", now, (Candle(START - HOUR, 100, 102, 99, 101 + j / 100),)) for j in range(3)]
        yield Round.of(1, now, answers, troubles, START - HOUR if k == 4 else None, candles if k == 4 else ())


def played(path, count=20, rules=RULES):
    """Rounds judged and kept; what each came to, and the hours."""
    record, tape, said = Record(path), Tape(1, rules), []
    for found in rounds(count):
        what, hours = tape.feed(found)
        record.append(found, rules, hours)
        said.append(what.content)
    record.close()
    return said, tape.content


def test_a_replay_says_what_was_said_live_byte_for_byte(tmp_path):
    said, hours = played(tmp_path / "v.db")
    replay = ReplayVenues(tmp_path / "v.db")
    again = [(what.content, tape.content) for tape, what in replay.play(1)]
    assert [content for content, _ in again] == said
    assert again[-1][1] == hours
    assert len(set(said)) == 20
    replay.close()


def test_rounds_come_back_as_they_were(tmp_path):
    played(tmp_path / "v.db", 6)
    replay = ReplayVenues(tmp_path / "v.db")
    assert [found for found, _ in replay.rounds(1)] == list(rounds(6))
    assert {rules for _, rules in replay.rounds(1)} == {RULES}
    assert replay.markets() == (1,)
    assert list(replay.rounds(2)) == []
    replay.close()


def test_an_answer_that_stands_in_many_rounds_is_kept_once(tmp_path):
    played(tmp_path / "v.db", 10)
    with sqlite3.connect(tmp_path / "v.db") as connection:
        (count,) = connection.execute("SELECT count(*) FROM answers WHERE body LIKE '%\"o0\"%'").fetchone()
    connection.close()
    assert count == 1


def test_a_long_chain_comes_back_as_it_was_and_takes_a_part_of_the_room(tmp_path):
    lines = tuple(OptionLine(START + 86_400, 100.0 + k, k % 2 == 0, 100.2, 1.25, 1.5, 0.61) for k in range(900))
    long = Answer("o0", "option", START, START, START, "chain", chain=lines)
    found = Round.of(1, START, [*round_of([100.0] * 4).answers, long])
    record = Record(tmp_path / "v.db")
    record.append(found, RULES, ())
    assert record.last(1) == found
    record.close()
    with sqlite3.connect(tmp_path / "v.db") as connection:
        (most,) = connection.execute("SELECT max(length(body)) FROM answers").fetchone()
    connection.close()
    assert most < len(str(long.to_json())) / 4


def test_other_rules_judge_what_was_recorded_otherwise(tmp_path):
    said, _ = played(tmp_path / "v.db", 6)
    replay = ReplayVenues(tmp_path / "v.db")
    strict = [what.content for _, what in replay.play(1, replace(RULES, minimum=4))]
    assert strict != said
    replay.close()


def test_rules_that_change_on_the_way_are_replayed_where_they_held(tmp_path):
    record, tape = Record(tmp_path / "v.db"), Tape(1, RULES)
    live = []
    for k, found in enumerate(rounds(8)):
        tape.rules = RULES if k < 4 else replace(RULES, minimum=4)
        what, hours = tape.feed(found)
        record.append(found, tape.rules, hours)
        live.append(what.content)
    record.close()
    replay = ReplayVenues(tmp_path / "v.db")
    assert [what.content for _, what in replay.play(1)] == live
    replay.close()


def test_a_restart_goes_on_with_hours_and_the_last_round(tmp_path):
    _, hours = played(tmp_path / "v.db")
    record = Record(tmp_path / "v.db")
    assert Tape(1, RULES, record.hours(1)).content == hours
    assert record.last(1) == list(rounds(20))[-1]
    assert record.last(2) is None
    record.close()


def test_a_round_that_cannot_be_kept_leaves_nothing_behind(tmp_path):
    record, tape = Record(tmp_path / "v.db"), Tape(1, RULES)
    found = list(rounds(2))
    record.append(found[0], RULES, tape.feed(found[0])[1])
    record._connection.execute("CREATE TRIGGER full BEFORE INSERT ON hours BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    with pytest.raises(RecordError, match="disk full"):
        record.append(found[1], RULES, tape.feed(found[1])[1])
    record._connection.execute("DROP TRIGGER full")
    assert record.last(1) == found[0]
    record.append(found[1], RULES, tuple(tape.hours.values()))  # and its answers are written now
    assert record.last(1) == found[1]
    record.close()


def test_rounds_are_forgotten_by_the_hour_and_hours_stay(tmp_path):
    said, hours = played(tmp_path / "v.db", 20)  # 600 s each: 3 hours and 20 minutes
    record = Record(tmp_path / "v.db")
    assert record.prune(START + 2 * HOUR + 100) == 12
    assert record.prune(START + 2 * HOUR + 100) == 0
    assert Tape(1, RULES, record.hours(1)).content == hours
    assert record.last(1) == list(rounds(20))[-1]
    record.close()
    replay = ReplayVenues(tmp_path / "v.db")
    again = [(what.content, tape.content) for tape, what in replay.play(1)]
    assert [content for content, _ in again] == said[12:]
    assert again[-1][1] == hours
    replay.close()


def test_what_is_kept_after_forgetting_names_no_answer_that_is_gone(tmp_path):
    record, tape = Record(tmp_path / "v.db"), Tape(1, RULES)
    found = list(rounds(3, every=HOUR))
    for one in found[:2]:
        record.append(one, RULES, tape.feed(one)[1])
    record.prune(START + 9 * HOUR)
    record.append(found[2], RULES, tape.feed(found[2])[1])
    assert record.last(1) == found[2]
    record.close()


def test_a_record_of_another_version_is_refused(tmp_path):
    played(tmp_path / "v.db", 1)
    with sqlite3.connect(tmp_path / "v.db") as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'version'")
    connection.close()
    for kind in (Record, ReplayVenues):
        with pytest.raises(RecordError, match="version 99; 1 is right"):
            kind(tmp_path / "v.db")


def test_what_is_no_record_is_refused_by_name(tmp_path):
    with pytest.raises(RecordError, match=r"none\.db: is no file"):
        ReplayVenues(tmp_path / "none.db")
    (tmp_path / "text.db").write_text("no database at all, " * 100)
    for kind in (Record, ReplayVenues):
        with pytest.raises(RecordError, match="file is not a database"):
            kind(tmp_path / "text.db")
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(RecordError, match=r"folder\.db"):
        Record(tmp_path / "folder.db")


def test_one_process_at_a_time_keeps_rounds_while_others_replay(tmp_path):
    played(tmp_path / "v.db", 2)
    record = Record(tmp_path / "v.db")
    with pytest.raises(RecordError, match="another process keeps its rounds there"):
        Record(tmp_path / "v.db")
    replay = ReplayVenues(tmp_path / "v.db")
    assert len(list(replay.play(1))) == 2
    replay.close()
    record.close()
    Record(tmp_path / "v.db").close()


def test_a_replay_does_not_write(tmp_path):
    played(tmp_path / "v.db", 2)
    replay = ReplayVenues(tmp_path / "v.db")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        replay._connection.execute("DELETE FROM rounds")
    replay.close()


def test_markets_do_not_mix(tmp_path):
    record = Record(tmp_path / "v.db")
    tapes = {market: Tape(market, rules_of(3)) for market in (1, 2)}
    for k in range(3):
        for market, tape in tapes.items():
            found = round_of([100.0 * market + k] * 3, START + k, market)
            record.append(found, tape.rules, tape.feed(found)[1])
    record.close()
    replay = ReplayVenues(tmp_path / "v.db")
    assert replay.markets() == (1, 2)
    for market, tape in tapes.items():
        assert list(replay.play(market))[-1][0].content == tape.content
    replay.close()

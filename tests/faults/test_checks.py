"""What a verdict rests on: each check finds what it is there for, and nothing else."""

import sqlite3
from dataclasses import replace

import pytest

from plimsoll.simulate.errors import SimulationError
from plimsoll.simulate.rig import checks
from plimsoll.simulate.rig.devnet import Devnet
from plimsoll.simulate.rig.journal import Entry, read_attempts, read_entries, read_lines
from plimsoll.simulate.rig.latency import first_blocks
from plimsoll.simulate.rig.watch import Mined, Stand, due_step
from plimsoll.spec.margin import Assessment, State

ACCOUNT, OTHER = 7 << 96, 8 << 96


def margin(haircut, full=None, mm=100, im=150, line=110):
    """An assessment of such equities and requirements."""
    return Assessment(haircut, haircut if full is None else full, mm, im, line, fresh=True)


def due(found, ripe=0, deadline=0, started=0, now=1_000):
    return due_step(found, ripe, deadline, started, now, 60)


def stands(account, step, blocks, state=State.LIQUIDATABLE):
    return [Stand(block, account, state, step, 0) for block in blocks]


# ------------------------------------------------------------------------------------------------- what is due


@pytest.mark.parametrize(
    ("found", "times", "step"),
    [
        (margin(110), {}, None),
        (margin(109), {}, "call"),
        (margin(99), {}, "call"),
        (margin(99), {"ripe": 1_000, "deadline": 1_000}, None),
        (margin(99), {"ripe": 999, "deadline": 2_000}, "start"),
        (margin(105), {"ripe": 999, "deadline": 2_000}, None),
        (margin(105), {"ripe": 900, "deadline": 999}, "start"),
        (margin(-5, full=-1), {}, "start"),
        (margin(-5, full=0), {}, "call"),
        (margin(99), {"started": 941}, None),
        (margin(99), {"started": 940}, "bid"),
        (margin(150), {"started": 900}, None),
    ],
)
def test_step_that_is_due(found, times, step):
    assert due(found, **times) == step


# --------------------------------------------------------------------------------------------------- the checks


def test_sequences_are_counted_failed_posts_included():
    assert checks.twice([(1, 5, True), (2, 6, False), (4, 7, True)]) == []
    (said,) = checks.twice([(1, 5, True), (3, 6, True), (9, 5, False)])
    assert said == "report 5 in blocks [1, 9]"


def test_waits_up_to_the_bound_are_none_and_past_it_named():
    at_bound = stands(ACCOUNT, "call", range(20, 30)) + stands(ACCOUNT, None, [30])
    assert checks.missed(at_bound, []) == []
    (said,) = checks.missed(stands(ACCOUNT, "call", range(20, 31)), [])
    assert said == f"account {ACCOUNT:#x} waited 11 blocks"


def test_a_fault_excuses_its_blocks_and_begins_the_count_anew():
    waiting = stands(ACCOUNT, "start", range(20, 50))
    assert checks.longest_wait(waiting, [(25, 40)], ["start"]) == {ACCOUNT: 9}
    assert checks.missed(waiting, [(25, 40)]) == []
    assert checks.missed(waiting, [(25, 38)]) != []
    assert checks.longest_wait(waiting, [], ["start"]) == {ACCOUNT: 30}


def test_a_step_that_was_taken_ends_the_wait_and_notice_is_no_wait():
    found = [
        *stands(ACCOUNT, "call", range(6)),
        *stands(ACCOUNT, None, range(6, 66)),
        *stands(ACCOUNT, "start", range(66, 72)),
        *stands(OTHER, "call", range(3)),
    ]
    assert checks.longest_wait(found, [], ["call", "start"]) == {ACCOUNT: 6, OTHER: 3}


def test_a_gap_between_blocks_begins_the_count_anew():
    found = stands(ACCOUNT, "call", [*range(6), *range(20, 26)])
    assert checks.longest_wait(found, [], ["call"]) == {ACCOUNT: 6}


def test_auctions_without_any_bid_are_named():
    open_ = stands(ACCOUNT, "bid", range(12)) + stands(OTHER, "bid", range(12))
    (said,) = checks.unbid(open_, [], [OTHER])
    assert f"{ACCOUNT:#x}" in said
    assert checks.unbid(open_, [(2, 5)], [OTHER]) == []


def mined(block=10, hashed="0xaa", nonce=3, *, ok=True, cost=10**15):
    return Mined(block, hashed, "0xPoster", nonce, ok, cost)


def entry(**changed):
    fields = {"id": 1, "purpose": "post", "ref": "5", "sender": "0xPoster", "nonce": 3, "state": "final"}
    return Entry(**{**fields, "block": 10, "hash": "0xaa", "error": "", **changed})


def test_journal_and_chain_that_agree():
    assert checks.disagree([mined()], [entry()], {"0xaa": 1}) == []
    reverted = entry(state="mined", error="reverted: no")
    assert checks.disagree([mined(ok=False)], [reverted], {"0xaa": 1}) == []
    assert checks.disagree([], [entry(state="void", block=None, hash="")], {"0xaa": 1}) == []


@pytest.mark.parametrize(
    ("on_chain", "entries", "attempts", "said"),
    [
        ([mined()], [], {}, "is not in the journal"),
        ([mined()], [entry(state="sent")], {"0xaa": 1}, "the journal has it as sent"),
        ([mined()], [entry(state="void", hash="")], {"0xaa": 1}, "the journal has it as void"),
        ([mined()], [entry(nonce=4)], {"0xaa": 1}, "nonce 4"),
        ([mined(block=11)], [entry()], {"0xaa": 1}, "the journal says block 10"),
        ([mined(ok=False)], [entry()], {"0xaa": 1}, "failed; the journal says"),
        ([mined()], [entry(state="failed")], {"0xaa": 1}, "went through; the journal says"),
        ([], [entry()], {"0xaa": 1}, "it is not on the chain"),
    ],
)
def test_every_way_to_disagree_is_said(on_chain, entries, attempts, said):
    found = checks.disagree(on_chain, entries, attempts)
    assert found
    assert any(said in line for line in found)


def test_what_others_sent_under_the_same_key_is_none_of_the_journals():
    assert checks.disagree([mined(hashed="0xBB")], [], {}, ["0xbb"]) == []


def test_spending_is_summed_over_a_keys_transactions_and_each_key_has_its_own():
    assert checks.overspent([mined(cost=4 * 10**17), mined(cost=6 * 10**17)], 1.0) == []
    other = replace(mined(cost=9 * 10**17), sender="0xLiquidator")
    (said,) = checks.overspent([mined(cost=4 * 10**17), other, mined(cost=6 * 10**17 + 1)], 1.0)
    assert "0xPoster" in said
    assert "1.0 a key is allowed" in said


# -------------------------------------------------------------------------------------------------- the journal


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "keeper.db"
    with sqlite3.connect(path) as database:
        database.executescript(
            """
            CREATE TABLE transactions(id INTEGER PRIMARY KEY, created INTEGER, purpose TEXT, ref TEXT, sender TEXT,
                nonce INTEGER, target TEXT, data BLOB, value TEXT, gas INTEGER, state TEXT, block INTEGER,
                block_hash TEXT, hash TEXT, gas_used INTEGER, price TEXT, error TEXT);
            CREATE TABLE attempts(id INTEGER PRIMARY KEY, tx INTEGER, hash TEXT UNIQUE, raw BLOB);
            CREATE TABLE lines(id INTEGER PRIMARY KEY, time INTEGER, kind TEXT, fields TEXT);
            INSERT INTO transactions(id, purpose, ref, sender, nonce, state, block, hash)
                VALUES (1, 'post', '5', '0xP', 3, 'final', 10, '0xAA'),
                       (2, 'call', '0x7', '0xL', 0, 'sent', NULL, NULL);
            INSERT INTO attempts(tx, hash) VALUES (1, '0xAA'), (1, '0xAB'), (2, '0xAC');
            INSERT INTO lines(time, kind, fields) VALUES (1, 'posted', '{"a": 1}'), (2, 'other', '{}');
            """
        )
    database.close()
    return path


def test_a_journal_is_read_as_it_is(journal):
    first, second = read_entries(journal)
    assert (first.hash, first.nonce, first.on_chain, first.under_way) == ("0xaa", 3, True, False)
    assert (second.hash, second.block, second.on_chain, second.under_way) == ("", None, False, True)
    assert read_attempts(journal) == {"0xaa": 1, "0xab": 1, "0xac": 2}
    assert read_lines(journal, "posted") == ['{"a": 1}']


def test_what_is_no_journal_has_a_name(tmp_path):
    (tmp_path / "lines").write_text('{"kind": "posted"}\n')
    with pytest.raises(SimulationError, match="no database"):
        read_entries(tmp_path / "lines")
    with pytest.raises(SimulationError, match="no database"):
        read_entries(tmp_path / "absent")


# -------------------------------------------------------------------------------------------- blocks to the first bid


def test_water_is_counted_from_the_last_time_an_account_went_under():
    lifted = stands(ACCOUNT, "start", [5, 6]) + stands(ACCOUNT, None, [7, 8]) + stands(ACCOUNT, "start", [20, 21, 22])
    assert first_blocks(lifted) == {ACCOUNT: 20}
    away = stands(ACCOUNT, "start", [5, 6]) + stands(ACCOUNT, "start", [20])
    assert first_blocks(away) == {ACCOUNT: 20}


def test_an_auction_ends_the_search_and_notice_is_not_under_water():
    auction = [Stand(block, ACCOUNT, State.LIQUIDATABLE, None, 0, auctioned=True) for block in (7, 8)]
    lapsed = stands(ACCOUNT, "start", [30])
    assert first_blocks(stands(ACCOUNT, "start", [5, 6]) + auction + lapsed) == {ACCOUNT: 5}
    assert first_blocks(stands(ACCOUNT, "call", [5]) + stands(ACCOUNT, None, [6])) == {}


def test_reports_of_times_at_which_too_few_sources_were_good():
    assert checks.thin({4: 100, 5: 110}, [(100, 110), (120, 130)]) == []
    (said,) = checks.thin({4: 100, 5: 101}, [(100, 110)])
    assert said.startswith("report 5 ")


def test_a_report_s_time_is_taken_back_to_the_wall_s_clock():
    """A chain 20 s ahead makes reports of times that have not come yet: what counts is when it came to them."""
    net = Devnet.__new__(Devnet)
    net._walls = [(100, 100.2), (121, 101.3), (122, 102.3), (122, 103.3)]
    assert [net.wall_of(at) for at in (99, 100, 101, 121, 122)] == [100.2, 100.2, 101.3, 101.3, 102.3]
    assert net.wall_of(123) == 123.0
    window = [(119.0, 125.0)]
    assert checks.thin({1: 122}, window)
    assert checks.thin({1: net.wall_of(122)}, window) == []

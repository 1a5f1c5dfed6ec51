"""The status: it goes over the wire and back, grows old by itself, and carries no secret."""

import json
import threading
from dataclasses import fields, is_dataclass, replace

import pytest

from plimsoll.chain.deployment import account_id
from plimsoll.keeper.status import (
    AccountsStatus,
    AlertStatus,
    EndpointStatus,
    HeadStatus,
    KeyStatus,
    LoopStatus,
    ReportStatus,
    SignerStatus,
    Status,
    StatusBoard,
    StatusError,
    account_text,
    older,
)

from .statuses import OWNERS, account, bad, quiet

TOKEN = "4f1d9c2ab87e4d5fa0c1e2d3f4a5b6c7"


class Clock:
    def __init__(self, now=1_000.0):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def board(clock):
    return StatusBoard(monotonic=clock, wall=lambda: 1.7e9 + clock.now)


def wire(status):
    return json.loads(json.dumps(status.to_plain(), allow_nan=False))


@pytest.mark.parametrize("status", [Status(), quiet(), bad()], ids=["empty", "quiet", "bad"])
def test_over_the_wire_and_back(status):
    assert Status.from_plain(wire(status)) == status


def test_what_a_newer_keeper_adds_is_passed_over_and_what_an_older_one_lacks_is_default():
    plain = wire(quiet())
    plain["tomorrow"] = {"field": 1}
    plain["head"]["tomorrow"] = 1
    del plain["accounts"], plain["report"]["quorum"]
    found = Status.from_plain(plain)
    assert found == replace(quiet(), accounts=AccountsStatus(), report=replace(quiet().report, quorum=0))


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        (None, "names no version"),
        ([], "names no version"),
        ({"jsonrpc": "2.0"}, "names no version"),
        ({"version": 1}, "version: "),
        ({"version": "1", "head": {"number": "x"}}, "head.number: "),
        ({"version": "1", "keys": {"role": 1}}, "keys: "),
        ({"version": "1", "loop": None}, "loop: "),
    ],
)
def test_what_is_no_status_is_named(plain, said):
    with pytest.raises(StatusError, match=f"no status of a keeper: .*{said}"):
        Status.from_plain(plain)


def test_a_number_that_is_none_is_left_out():
    status = quiet(keys=(KeyStatus("poster", "0x1", float("nan"), spent_today=float("inf"), cap=2.0),))
    (key,) = Status.from_plain(wire(status)).keys
    assert (key.balance, key.spent_today, key.cap) == (0.0, 0.0, 2.0)


def test_no_secret_goes_out_with_it():
    status = quiet(
        endpoints=(EndpointStatus(f"https://u:sesame@h/v2/{TOKEN}", error=f"url: /v2/{TOKEN}"),),
        signers=(SignerStatus(f"http://u:sesame@10.0.0.2:9560/{TOKEN}", error=f"http://h/{TOKEN}"),),
        loop=LoopStatus(last_error=f"ValueError: {TOKEN}{TOKEN}"),
    )
    said = json.dumps(status.to_plain())
    assert TOKEN not in said
    assert "sesame" not in said
    assert TOKEN not in repr(status.endpoints[0].url)


def test_hashes_and_accounts_go_out_whole():
    plain = bad().to_plain()
    assert plain["head"]["hash"] == bad().head.hash
    assert plain["transactions"][0]["hash"] == bad().transactions[0].hash
    assert plain["accounts"]["near"][0]["account"] == account(0)
    assert plain["auctions"][0]["account"] == account(0)


def test_a_liquidations_account_goes_out_whole_too():
    assert bad().to_plain()["transactions"][0]["ref"] == account(3, 3)


# --------------------------------------------------------------------------------------------------------------- board


def ages(value, where=""):
    """Every age in a tree."""
    if isinstance(value, tuple):
        return {k: v for n, item in enumerate(value) for k, v in ages(item, f"{where}[{n}]").items()}
    if not is_dataclass(value):
        return {}
    found = {}
    for item in fields(value):
        held = getattr(value, item.name)
        found |= {f"{where}.{item.name}": held} if item.name == "age" else ages(held, f"{where}.{item.name}")
    return found


def test_every_age_grows_and_nothing_else():
    before, after = bad(), older(bad(), 7.5)
    assert ages(after) == {where: age + 7.5 for where, age in ages(before).items()}
    assert len(ages(after)) > 10
    assert older(after, -7.5) == before


def test_a_loop_that_hangs_grows_old_without_its_help(board, clock):
    board.update(loop=LoopStatus(rounds=3), head=HeadStatus(number=9, age=2.0))
    clock.now += 100
    board.update(enforcing=LoopStatus(rounds=8))
    clock.now += 20
    found = board.current()
    assert (found.loop.age, found.head.age, found.enforcing.age) == (120.0, 122.0, 20.0)
    assert found.time == int(1.7e9 + clock.now)
    assert found.silent == 20.0
    assert found.started == int(1.7e9) + 1_000


def test_one_that_hangs_before_its_first_round_too(board, clock):
    clock.now += 500
    assert board.current().loop.age == 500.0


def test_a_part_is_told_whole_and_lists_do(board):
    board.update(keys=[KeyStatus("poster", "0x1", 1.0)])
    board.update(keys=[KeyStatus("liquidator", "0x2", 1.0)], chain_id=5)
    assert [key.role for key in board.current().keys] == ["liquidator"]
    assert board.current().chain_id == 5


def test_a_part_that_is_none_is_refused(board):
    with pytest.raises(TypeError, match=r"haed: no part of a status; accounts, "):
        board.update(haed=HeadStatus())


def test_alerts_are_asked_for_when_somebody_looks(board):
    told = [AlertStatus("bad-debt", "page")]
    board.alerted_by(lambda: told)
    assert board.current().alerts == tuple(told)
    told.clear()
    assert board.current().alerts == ()


def test_two_threads_write_while_others_read(board):
    def write(name, part):
        for k in range(300):
            board.update(**{name: part(k)})

    parts = {"report": lambda k: ReportStatus(sequence=k, market_time=k), "head": lambda k: HeadStatus(k, time=k)}
    threads = [threading.Thread(target=write, args=item) for item in parts.items()]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        found = board.current()
        assert found.report.sequence == found.report.market_time
        assert found.head.number == found.head.time
    for thread in threads:
        thread.join()
    assert (board.current().report.sequence, board.current().head.number) == (299, 299)


# ---------------------------------------------------------------------------------------------------------------- small


@pytest.mark.parametrize(
    ("balance", "today", "per_day", "left"),
    [(1.0, 0.0, None, None), (1.0, 0.25, None, 4.0), (1.0, 0.1, 0.5, 2.0), (1.0, 0.5, 0.1, 2.0), (0.0, 0.1, None, 0.0)],
)
def test_how_long_a_balance_lasts(balance, today, per_day, left):
    assert KeyStatus("poster", "0x1", balance, spent_today=today, per_day=per_day).days_left == left


def test_an_account_as_people_write_it():
    number = account_id("0x" + OWNERS[0], 7)
    assert account_text(hex(number)) == "0x976EA74026E726554dB657fA54763abd0C3a0aa9:7"
    for other in ("", "412", "hello", "0x7", "0x" + "f" * 65):
        assert account_text(other) == other

"""What a keeper answers over HTTP: what is asked for, worked out anew each time, whatever strangers do."""

import json
import socket
import time

import pytest
import requests

from plimsoll.keeper.metrics import Metrics
from plimsoll.keeper.status import KeyStatus, LoopStatus, Status, StatusBoard
from plimsoll.keeper.web import OperationsServer
from plimsoll.nodes.bounded import AT_ONCE


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def serve(clock):
    made = []

    def make(seconds=2.0, **parts):
        board = StatusBoard(monotonic=clock, **parts)
        metrics = Metrics()
        metrics.watch(board)
        server = OperationsServer(board, metrics.registry, seconds=seconds)
        server.start()
        made.append(server)
        return server

    yield make
    for server in made:
        server.shutdown()
        server.server_close()


def get(server, path):
    answer = requests.get(server.url + path, timeout=5)
    return answer.status_code, answer.text


def raw(server, data, wait=5.0):
    """What comes back on a connection of our own."""
    with socket.create_connection(server.server_address, timeout=wait) as stream:
        stream.sendall(data)
        parts = []
        try:
            while part := stream.recv(4_096):
                parts.append(part)
        except (TimeoutError, ConnectionResetError):
            pass
        return b"".join(parts)


def test_fit_until_the_loop_hangs_and_then_not(serve, clock):
    server = serve(loop=LoopStatus(rounds=1))
    code, said = get(server, "/healthz")
    assert (code, json.loads(said)["ok"], json.loads(said)["reasons"]) == (200, True, {})
    clock.now += 500  # nobody told the board anything
    code, said = get(server, "/healthz")
    assert (code, json.loads(said)["ok"]) == (503, False)
    assert json.loads(said)["reasons"] == {"loop-hung": "no round of the posting loop ended for 500 s"}


def test_the_status_is_what_the_board_holds_now(serve, clock):
    server = serve(keys=[KeyStatus("poster", "0xab", 2.5)], chain_id=31337)
    clock.now += 7
    code, said = get(server, "/status?x=1")
    found = Status.from_plain(json.loads(said))
    assert code == 200
    assert (found.chain_id, found.keys[0].balance, found.loop.age) == (31337, 2.5, 7.0)


def test_metrics_grow_old_by_themselves_too(serve, clock):
    server = serve()
    clock.now += 500
    code, said = get(server, "/metrics")
    assert code == 200
    assert 'plimsoll_loop_age_seconds{loop="posting"} 500.0' in said
    assert 'plimsoll_alert{alert="loop-hung",severity="page"} 1.0' in said
    assert "plimsoll_fit 0.0" in said


@pytest.mark.parametrize("path", ["/", "/etc/passwd", "/status/", "/statuses"])
def test_other_paths_are_none(serve, path):
    code, said = get(serve(), path)
    assert code == 404
    assert json.loads(said) == {"error": "no such path; /metrics, /healthz and /status are"}


def test_nothing_of_a_bad_request_comes_back(serve):
    server = serve()
    for data in (b"<script>\r\n\r\n", b"POST /status HTTP/1.1\r\n\r\n", b"GET " + b"a" * 70_000 + b" HTTP/1.0\r\n\r\n"):
        said = raw(server, data)
        assert b"script" not in said
        assert b"aaa" not in said
        assert b"Python" not in said
    assert get(server, "/healthz")[0] == 200


def test_head_has_no_body(serve):
    said = raw(serve(), b"HEAD /healthz HTTP/1.0\r\n\r\n")
    assert said.startswith(b"HTTP/1.0 200")
    assert said.endswith(b"\r\n\r\n")


def test_a_bug_is_no_health(serve, monkeypatch):
    server = serve()
    monkeypatch.setattr(server.board, "current", lambda: 1 / 0)
    code, said = get(server, "/healthz")
    assert (code, json.loads(said)) == (500, {"ok": False, "error": "internal error"})


def test_who_sends_slowly_is_cut_off_and_others_are_served(serve):
    server = serve(seconds=0.2)
    with socket.create_connection(server.server_address, timeout=5) as slow:
        begun = time.monotonic()
        slow.sendall(b"GET /heal")
        assert get(server, "/healthz")[0] == 200
        assert slow.recv(1) == b""
        assert time.monotonic() - begun < 3


def test_who_drips_is_cut_off_in_the_end(serve):
    server = serve(seconds=0.3)
    begun = time.monotonic()
    with socket.create_connection(server.server_address, timeout=5) as slow:
        try:
            while time.monotonic() - begun < 8:
                slow.sendall(b"G")  # each within its time
                time.sleep(0.1)
        except OSError:
            pass
    assert time.monotonic() - begun < 4


def test_a_crowd_takes_no_more_than_its_room(serve):
    server = serve(seconds=0.2)
    crowd = [socket.create_connection(server.server_address, timeout=5) for _ in range(2 * AT_ONCE)]
    try:
        time.sleep(0.2)
        until = time.monotonic() + 5
        code = 0
        while code != 200 and time.monotonic() < until:
            try:
                code, _ = get(server, "/healthz")
            except requests.RequestException:  # no room yet: the crowd has not had its time
                time.sleep(0.1)
        assert code == 200
    finally:
        for stream in crowd:
            stream.close()


def test_this_machine_only(serve):
    assert serve().server_address[0] == "127.0.0.1"

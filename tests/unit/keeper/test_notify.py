"""What systemd is told, by the datagrams that arrive."""

import os
import socket

import pytest

from plimsoll.keeper.notify import Notifier


@pytest.fixture
def systemd(tmp_path):
    """A socket as systemd holds it, and its name."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as held:
        path = str(tmp_path / "notify")
        held.bind(path)
        held.settimeout(2)
        yield held, path


def test_up_a_beat_and_the_end(systemd):
    held, path = systemd
    notifier = Notifier({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())})
    assert notifier.watchdog == 30.0
    assert notifier.ready()
    assert notifier.beat("round 3,\n posted 412")
    assert notifier.stopping("halted")
    assert [held.recv(500) for _ in range(3)] == [
        b"READY=1",
        b"WATCHDOG=1\nSTATUS=round 3, posted 412",
        b"STOPPING=1\nSTATUS=halted",
    ]


def test_an_abstract_socket():
    name = f"plimsoll-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as held:
        held.bind("\0" + name)
        held.settimeout(2)
        assert Notifier({"NOTIFY_SOCKET": "@" + name}).beat()
        assert held.recv(100) == b"WATCHDOG=1"


@pytest.mark.parametrize("name", ["", "relative", "vsock:2:1234"])
def test_where_nobody_listens_nothing_is_told(name):
    notifier = Notifier({"NOTIFY_SOCKET": name})
    assert not notifier.ready()
    assert not notifier.beat()


def test_a_socket_that_fails_is_no_reason_to_stop(tmp_path):
    assert not Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).beat()


@pytest.mark.parametrize("held", [{}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"}])
def test_no_watchdog_or_another_processes(held):
    assert Notifier(held).watchdog is None

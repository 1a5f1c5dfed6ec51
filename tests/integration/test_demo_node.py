"""The demo on a node, whole: it ends well, and leaves nothing running, by itself or by Ctrl-C."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.node, pytest.mark.slow, pytest.mark.long]

COMMAND = [sys.executable, "-c", "from plimsoll.cli.demo_node import demo_node; demo_node()"]
MARK = "PLIMSOLL_DEMO_TEST"


def started(mark, *arguments):
    return subprocess.Popen(
        [*COMMAND, *arguments],
        env={**os.environ, MARK: mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def marked(mark):
    """Processes that carry a mark in their environment: the command's own and all that it started."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
    return found


def nobody_left(mark, seconds=10.0):
    until = time.monotonic() + seconds
    while marked(mark) and time.monotonic() < until:
        time.sleep(0.1)
    return not marked(mark)


def test_a_small_crash_ends_well():
    process = started("whole", "--minutes", "0.7", "--accounts", "10", "--json")
    said, complaints = process.communicate(timeout=300)
    found = json.loads(said)
    assert found["ok"], (found, complaints)
    assert found["reports"] >= 5
    assert found["auctioned"] >= 1
    assert nobody_left("whole")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_half_way_it_leaves_nothing(how):
    process = started(str(int(how)), "--accounts", "5")
    for line in process.stdout:
        if "the keeper has posted" in line:
            break
    assert len(marked(str(int(how)))) >= 6  # it, anvil, three nodes, a keeper
    process.send_signal(how)
    process.communicate(timeout=60)
    assert nobody_left(str(int(how)))

"""Programs end with whoever started them, however that ends."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from plimsoll.chain.anvil import free_port, listens
from plimsoll.simulate.errors import SimulationError
from plimsoll.simulate.rig.process import Program, Stage

SLEEP = [sys.executable, "-I", "-S", "-c", "import time; print('up', flush=True); time.sleep(600)"]
# ignores being asked, and has a child of its own
STUBBORN = textwrap.dedent("""
    import signal, subprocess, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"])
    print(child.pid, flush=True)
    time.sleep(600)
""")


def alive(pid):
    """Whether a process runs: one that ended and was not yet taken leave of does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pid, seconds=5.0):
    until = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.01)
    return not alive(pid)


def said(program, seconds=5.0):
    until = time.monotonic() + seconds
    while not program.tail and time.monotonic() < until:
        time.sleep(0.01)
    return program.tail[0]


def test_leaving_the_stage_ends_everything_even_on_an_error(tmp_path):
    pids = []

    def fail():
        with Stage(tmp_path) as stage:
            program = stage.program("sleeper", SLEEP)
            program.start()
            pids.append(program.pid)
            assert said(program) == "up"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert gone(pids[0])
    assert (tmp_path / "sleeper.log").read_text() == "up\n"


def test_who_does_not_listen_is_made_to_with_all_its_children(tmp_path):
    with Stage(tmp_path) as stage:
        program = stage.program("stubborn", [sys.executable, "-I", "-S", "-c", STUBBORN])
        program.start()
        pid, child = program.pid, int(said(program))
        assert program.stop(patience=0.2) == -signal.SIGKILL
        assert gone(pid)
        assert gone(child)
        assert not program.running


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_programs_end_with_us_however_we_do(tmp_path, how):
    lines = textwrap.dedent(f"""
        import sys, time
        from pathlib import Path
        from plimsoll.simulate.rig.process import Stage
        with Stage(Path({str(tmp_path)!r})) as stage:
            program = stage.program("sleeper", {SLEEP!r})
            program.start()
            print(program.pid, flush=True)
            time.sleep(600)
    """)
    parent = subprocess.Popen(
        [sys.executable, "-c", lines], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.send_signal(how)
        parent.wait(10)
        assert gone(pid)
    finally:
        parent.kill()
        parent.communicate()


def test_a_program_starts_again_after_it_ended(tmp_path):
    with Stage(tmp_path) as stage:
        program = stage.program("sleeper", SLEEP)
        program.start()
        first = program.pid
        with pytest.raises(SimulationError, match="runs already"):
            program.start()
        program.kill()
        assert program.code == -signal.SIGKILL
        with pytest.raises(SimulationError, match="does not run"):
            _ = program.pid
        program.start()
        assert program.pid != first
        assert program.starts == 2


@pytest.mark.parametrize("reads_late_by", [0, 0.2])
def test_one_that_never_listens_is_named_with_what_it_said(tmp_path, monkeypatch, reads_late_by):
    drain = Program._drain
    monkeypatch.setattr(Program, "_drain", lambda *given: time.sleep(reads_late_by) or drain(*given))
    with Stage(tmp_path) as stage:
        program = stage.program("mute", [sys.executable, "-I", "-S", "-c", "print('no such file')"])
        program.start()
        port = free_port()
        with pytest.raises(SimulationError, match=rf"mute does not listen on port {port}:\nno such file"):
            program.wait_for(port, 5.0)
    assert not listens(port)


def test_keys_in_the_environment_reach_the_program_alone(tmp_path):
    with Stage(tmp_path) as stage:
        command = [sys.executable, "-I", "-S", "-c", "import os; print(os.environ['RIG_SECRET'])"]
        program = stage.program("teller", command, {"RIG_SECRET": "sesame"})
        program.start()
        assert said(program) == "sesame"
        assert "RIG_SECRET" not in os.environ

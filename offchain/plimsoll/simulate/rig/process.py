"""Processes that end with whoever started them: on return, on an exception, on SIGTERM, and on SIGKILL too.

Each runs in a group of its own, which is ended as a whole. A `Leash` is one more process, which knows the groups and
reads from us: when its input ends, because we ended in whatever way, it ends what it still knows.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from plimsoll.chain.anvil import listens
from plimsoll.simulate.errors import SimulationError

PATIENCE: Final = 5.0  # [s] between being asked to end and being made to
TAIL: Final = 40  # last lines of a process that are kept for messages
LAST_WORDS: Final = 1.0  # [s] that what an ended process said may take to be read

_LEASH: Final = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
groups = set()
for line in sys.stdin:
    sign, group = line[0], int(line[1:])
    groups.add(group) if sign == "+" else groups.discard(group)
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""


class Leash:
    """What ends our processes when we cannot."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, our own lines
            [sys.executable, "-I", "-S", "-c", _LEASH], stdin=subprocess.PIPE, start_new_session=True, text=True
        )
        self._lock = threading.Lock()

    def hold(self, group: int) -> None:
        """End this group with us."""
        self._tell(f"+{group}\n")

    def release(self, group: int) -> None:
        """It has ended."""
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """What is still held is ended."""
        with contextlib.suppress(OSError):
            self._process.communicate(timeout=PATIENCE)

    def _tell(self, line: str) -> None:
        pipe = self._process.stdin
        with self._lock, contextlib.suppress(OSError, ValueError):
            if pipe is not None:
                pipe.write(line)
                pipe.flush()


class Program:
    """One program that runs beside us, and can be started again after it ended.

    What it writes goes through a pipe into a file: a limit on the files that it may write does not touch that.

    Parameters
    ----------
    name
        For people.
    command
        What to run.
    folder
        Where `NAME.log` goes.
    leash
        Ends it with us.
    environment
        Besides ours; keys go this way.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        leash: Leash,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = folder / f"{name}.log"
        self.starts = 0
        self.tail: deque[str] = deque(maxlen=TAIL)
        self._leash = leash
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    @property
    def pid(self) -> int:
        """Of the running process.

        Raises
        ------
        SimulationError
            It does not run.
        """
        if self._process is None or self._process.poll() is not None:
            raise SimulationError(f"{self.name} does not run")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it does."""
        return self._process is not None and self._process.poll() is None

    @property
    def code(self) -> int | None:
        """What it ended with; None while it runs and before it was started."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it, in a group of its own."""
        if self.running:
            raise SimulationError(f"{self.name} runs already")
        self._process = subprocess.Popen(  # noqa: S603 - commands of this package
            self.command,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self._environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._leash.hold(self._process.pid)
        self.starts += 1
        self._reader = threading.Thread(target=self._drain, args=[self._process], daemon=True)
        self._reader.start()

    def _drain(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is None:
            return
        with self.log.open("a", encoding="utf-8") as file, contextlib.suppress(OSError, ValueError):
            for line in process.stdout:
                self.tail.append(line.rstrip("\n"))
                file.write(line)
                file.flush()

    def said(self, lines: int) -> str:
        """The last lines of what it said; what one that ended said is waited for."""
        if not self.running and self._reader is not None:
            self._reader.join(LAST_WORDS)
        return "\n".join(list(self.tail)[-lines:])

    def stop(self, how: int = signal.SIGTERM, patience: float = PATIENCE) -> int | None:
        """End it and all of its group: asked first, made to after `patience` [s]; what it ended with."""
        process = self._process
        if process is None:
            return None
        _signal(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
        _signal(process.pid, signal.SIGKILL)  # what it may have started, too
        process.wait()
        self._leash.release(process.pid)
        if self._reader is not None:
            self._reader.join(PATIENCE)
        if process.stdout is not None:
            process.stdout.close()
        return process.returncode

    def kill(self) -> None:
        """As kill -9, and as losing the machine."""
        self.stop(signal.SIGKILL)

    def wait_for(self, port: int, seconds: float = 30.0) -> None:
        """Until it listens.

        Raises
        ------
        SimulationError
            It ended, or took longer.
        """
        until = time.monotonic() + seconds
        while not listens(port):
            if not self.running or time.monotonic() > until:
                raise SimulationError(f"{self.name} does not listen on port {port}:\n{self.said(8)}")
            time.sleep(0.02)


def _signal(group: int, how: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(group, how)


class Stage:
    """Everything that one rig runs; leaving it ends all of it.

    While it is entered in the main thread, SIGTERM interrupts as Ctrl-C does, so that leaving happens.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs: list[Program] = []
        self._leash = Leash()
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, _interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        for program in reversed(self.programs):
            with contextlib.suppress(Exception):  # the others end all the same, and the leash ends the rest
                program.stop()
        self._leash.close()
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)

    def program(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Program:
        """One more program, not yet started."""
        found = Program(name, command, self.folder, self._leash, environment)
        self.programs.append(found)
        return found


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt

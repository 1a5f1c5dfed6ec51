"""Commands of the checkout that figures are read from."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from plimsoll.chain.artifacts import ROOT
from plimsoll.spec.errors import PlimsollError


class FigureError(PlimsollError):
    """A figure could not be measured: what was run, and the end of what it said."""


def run(
    command: Sequence[str], *, cwd: Path = ROOT, env: dict[str, str] | None = None, codes: Sequence[int] = (0,)
) -> str:
    """Standard output of a command; FigureError where its exit code is none of `codes`."""
    done = subprocess.run(  # noqa: S603 - our own commands
        command, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode not in codes:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise FigureError(f"`{' '.join(command)}` ended with {done.returncode}:\n{said}")
    return done.stdout

"""What running the development node takes: its program, and ports of this machine."""

from __future__ import annotations

import shutil
import socket
from typing import Final

from plimsoll.chain.artifacts import ROOT

NO_ANVIL: Final = "no anvil: neither in node_modules nor on the path; `make setup` with Node.js fetches it"


def find_anvil() -> str | None:
    """The program: as the lock file beside this checkout pins it, else from the path; None where there is none."""
    beside = ROOT / "node_modules" / ".bin" / "anvil"
    return str(beside.resolve()) if beside.exists() else shutil.which("anvil")


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

"""What systemd is told: that the keeper is up, that it still runs, that it ends (sd_notify(3), by one datagram each).

Where `NOTIFY_SOCKET` is not set, nothing is told. The watchdog is fed by the loop, a beat a round, not by a thread
beside it: a keeper whose loop hangs is restarted.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Tells systemd, where it listens; a socket that fails is no reason to stop.

    Parameters
    ----------
    environment
        In place of the process's.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        held = os.environ if environment is None else environment
        name = held.get("NOTIFY_SOCKET", "")
        # a leading @ stands for the NUL of an abstract name; other kinds of sockets are not for us
        self._address = "\0" + name[1:] if name.startswith("@") else name if name.startswith("/") else ""
        micro = held.get("WATCHDOG_USEC", "")
        owner = held.get("WATCHDOG_PID", "")
        mine = not owner or owner == str(os.getpid())
        self.watchdog = int(micro) / 1e6 if micro.isascii() and micro.isdigit() and mine else None
        """Seconds between two beats at most, where systemd watches; None where it does not."""

    def ready(self, said: str = "") -> bool:
        """The first round may begin."""
        return self._send("READY=1", said)

    def beat(self, said: str = "") -> bool:
        """A round ended; `said` shows in `systemctl status`."""
        return self._send("WATCHDOG=1", said)

    def stopping(self, said: str = "") -> bool:
        """The keeper ends by itself."""
        return self._send("STOPPING=1", said)

    def _send(self, what: str, said: str) -> bool:
        """One datagram; whether it went."""
        if not self._address:
            return False
        line = " ".join(said.split())[:200]
        text = what + (f"\nSTATUS={line}" if line else "")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.settimeout(1.0)
                out.sendto(text.encode(), self._address)
        except OSError:
            return False
        return True

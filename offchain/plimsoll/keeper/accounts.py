"""Which accounts there are: every one that an event of the book has named."""

from __future__ import annotations

from typing import Final

from plimsoll.chain.deployment import System
from plimsoll.keeper.errors import SettingsError

REACH_BACK: Final = 64  # blocks read again each time, so that a short reorganisation loses no account
STRIDE: Final = 2_000  # blocks asked for at once; many nodes refuse more
NAMED: Final = {"Deposited": ("account",), "Traded": ("buyer", "seller"), "Seized": ("account", "bidder")}


class AccountWatcher:
    """Collects accounts from the book's events, block by block.

    Parameters
    ----------
    system
        The deployment.
    first_block
        Where its history begins.
    """

    def __init__(self, system: System, first_block: int = 0) -> None:
        if first_block < 0:
            raise SettingsError(f"first_block {first_block}; 0 or more is right")
        self.system = system
        self._next = first_block
        self._found: dict[int, None] = {}

    def update(self) -> list[int]:
        """Every account so far, in the order they were met.

        Raises
        ------
        NodeError
            Where the node does not answer.
        """
        book = self.system.clearinghouse
        head = self.system.chain.block
        while self._next <= head:
            last = min(head, self._next + STRIDE - 1)
            for log in self.system.chain.logs([book.address], self._next, last):
                event = book.decode_log(log)
                for field in NAMED.get(event.name, ()) if event is not None else ():
                    account = getattr(event.args, field) if event is not None else 0
                    if account:  # account 0 is the system's
                        self._found[account] = None
            self._next = last + 1
        self._next = max(0, head + 1 - REACH_BACK)
        return list(self._found)

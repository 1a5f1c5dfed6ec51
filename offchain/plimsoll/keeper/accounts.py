"""Which accounts and expiries there are: every one that an event of the book has named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from plimsoll.chain.contract import Event
from plimsoll.chain.deployment import System
from plimsoll.keeper.errors import SettingsError
from plimsoll.spec.instruments import unpack

REACH_BACK: Final = 64  # blocks read again each time, so that a short reorganisation loses no account
STRIDE: Final = 2_000  # blocks asked for at once; many nodes refuse more
NAMED: Final = {"Deposited": ("account",), "Traded": ("buyer", "seller"), "Seized": ("account", "bidder")}


def book_logs(system: System, first: int, last: int) -> Iterator[Event]:
    """The book's events in blocks `first` .. `last`, asked for in strides."""
    book = system.clearinghouse
    for start in range(first, last + 1, STRIDE):
        for log in system.chain.logs([book.address], start, min(last, start + STRIDE - 1)):
            event = book.decode_log(log)
            if event is not None:
                yield event


def listed_expiries(system: System, first_block: int = 0) -> dict[int, tuple[int, ...]]:
    """Underlying -> expiries that the book lists on it [unix s], 0 left out.

    Raises
    ------
    NodeError
        Where the node does not answer.
    """
    found: dict[int, set[int]] = {}
    for event in book_logs(system, first_block, system.chain.block):
        if event.name == "InstrumentListed":
            item = unpack(event.args.instrument)
            found.setdefault(item.underlying, set()).add(item.expiry)
    return {underlying: tuple(sorted(expiries - {0})) for underlying, expiries in found.items()}


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
        self._first = self._next = first_block
        self._found: dict[int, None] = {}

    def update(self) -> list[int]:
        """Every account so far, in the order they were met.

        Raises
        ------
        NodeError
            Where the node does not answer.
        """
        head = self.system.chain.block
        for event in book_logs(self.system, self._next, head):
            for field in NAMED.get(event.name, ()):
                account = getattr(event.args, field)
                if account:  # account 0 is the system's
                    self._found[account] = None
        self._next = max(self._first, head + 1 - REACH_BACK)
        return list(self._found)

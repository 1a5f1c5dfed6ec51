"""Which accounts, expiries and holders of dead series there are: every one that an event has named.

In memory, for tools that look once; a keeper that runs has `plimsoll.keeper.index`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from plimsoll.chain.contract import Contract, Event, events_of
from plimsoll.chain.deployment import System
from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.index.decode import named_accounts
from plimsoll.keeper.index.state import Series
from plimsoll.spec.instruments import unpack

REACH_BACK: Final = 64  # blocks read again each time, so that a short reorganisation loses no account
STRIDE: Final = 2_000  # blocks asked for at once; many nodes refuse more


def logs_of(system: System, contracts: Sequence[Contract], first: int, last: int) -> Iterator[Event]:
    """The events of some contracts in blocks `first` .. `last`, asked for in strides."""
    addresses = [contract.address for contract in contracts]
    for start in range(first, last + 1, STRIDE):
        yield from events_of(system.chain.logs(addresses, start, min(last, start + STRIDE - 1)), contracts)


def listed_expiries(system: System, first_block: int = 0) -> dict[int, tuple[int, ...]]:
    """Underlying -> expiries that the registry lists on it [unix s], 0 left out.

    Raises
    ------
    NodeError
        Where the node does not answer.
    """
    found: dict[int, set[int]] = {}
    for event in logs_of(system, [system.registry], first_block, system.chain.block):
        if event.name == "InstrumentListed":
            item = unpack(event.args.instrument)
            found.setdefault(item.underlying, set()).add(item.expiry)
    return {underlying: tuple(sorted(expiries - {0})) for underlying, expiries in found.items()}


class AccountWatcher:
    """Collects accounts from the events of book and liquidator, block by block, and who holds what expires.

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
        self._contracts = (system.clearinghouse, system.liquidator)
        self._names = named_accounts(self._contracts)
        self._first = self._next = first_block
        self._found: dict[int, None] = {}
        self.holders: dict[Series, set[int]] = {}  # accounts that may hold what expires, and was not booked yet

    def update(self) -> list[int]:
        """Every account so far, in the order they were met; the system's, of owner 0, are none.

        Raises
        ------
        NodeError
            Where the node does not answer.
        """
        head = self.system.chain.block
        for event in logs_of(self.system, self._contracts, self._next, head):
            for field in self._names[event.contract, event.name]:
                account = getattr(event.args, field)
                if account >> 96:
                    self._found[account] = None
            self._hold(event.name, event.args)
        self._next = max(self._first, head + 1 - REACH_BACK)
        return list(self._found)

    def _hold(self, name: str, args: Any) -> None:
        if name == "Traded":
            item = unpack(args.instrument)
            if item.expiry:
                self.holders.setdefault((item.underlying, item.expiry), set()).update((args.buyer, args.seller))
        elif name == "Seized":
            for accounts in self.holders.values():
                if args.account in accounts:
                    accounts.add(args.bidder)
        elif name == "Expired":
            item = unpack(args.instrument)
            self.holders.get((item.underlying, item.expiry), set()).discard(args.account)

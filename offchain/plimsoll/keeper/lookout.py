"""Whom to look at: of all accounts that events name, the few that may be due, the likeliest to fail first.

Each block the index follows the chain, every account is screened in floats, and only those that the screen cannot
clear are read from the chain in integers: see `plimsoll.keeper.index`. Every so often drawn accounts are held to the
chain itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from plimsoll.chain.deployment import System
from plimsoll.keeper.errors import KeeperError
from plimsoll.keeper.index.errors import IndexStateError
from plimsoll.keeper.index.follow import AccountIndex
from plimsoll.keeper.index.screener import Screener, Screening, settled_prices
from plimsoll.keeper.state import ChainReader, Held
from plimsoll.risk.probability import Outlook

VERIFY_EVERY: Final = 300  # blocks
TOLD: Final = 64  # reorganisations that are kept for who tells of them
SAMPLE: Final = 50  # accounts that are held to the chain


class Lookout:
    """Says which accounts to look at.

    Parameters
    ----------
    system
        The deployment.
    index
        Of its accounts.
    reader
        Of what the oracle holds.
    extra
        Accounts to look at in any case.
    outlook
        Gives how the market may go from here, for the order; None: by headroom.
    """

    def __init__(
        self,
        system: System,
        index: AccountIndex,
        reader: ChainReader,
        extra: Sequence[int] = (),
        outlook: Callable[[Held], Outlook | None] = lambda _: None,
    ) -> None:
        self.system = system
        self.index = index
        self.reader = reader
        self.extra = tuple(extra)
        self.outlook = outlook
        self.screener = Screener(index)
        self.last: Screening | None = None
        self.taken_back: deque[int] = deque(maxlen=TOLD)  # blocks of each reorganisation that nobody was told of yet
        self.failing = ""  # why the index could not be brought up to date last
        self.mismatch = ""  # what the index and the chain differ in, since it was read anew
        self._verified = 0

    def everyone(self) -> list[int]:
        """Every account, the index brought up to the head.

        Raises
        ------
        NodeError, KeeperError
            As `AccountIndex.update`.
        """
        try:
            found = self.index.update()
        except IndexStateError as error:
            self.failing = str(error)
            raise
        self.failing = ""
        if found.taken_back:
            self.taken_back.append(found.taken_back)
        return list(dict.fromkeys([*self.index.accounts(), *self.extra]))

    def due(self) -> list[int]:
        """Whom to read exactly now.

        Raises
        ------
        NodeError, KeeperError
            As `AccountIndex.update`.
        """
        held = self.reader.read()
        self._verify()
        series = list(self.index.holders)
        self.last = self.screener.screen(held.view, settled_prices(self.system, series, held.time), self.outlook(held))
        return list(dict.fromkeys([*self.last.order, *self.extra]))

    def unsettled(self, least: int) -> list[int]:
        """Accounts whose profit or loss of perps and futures is `least` [wad] or more, losses first."""
        return self.screener.unsettled(self.reader.read().view, least)

    def _verify(self) -> None:
        if self.index.head - self._verified < VERIFY_EVERY:
            return
        self._verified = self.index.head
        try:
            self.mismatch = "read anew" if self.index.verify(self.system, SAMPLE).rebuilt else ""
        except KeeperError as error:  # what is screened is still read exactly: no wrong step comes of it
            self.mismatch = str(error)

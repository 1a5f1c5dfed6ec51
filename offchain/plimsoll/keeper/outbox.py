"""Where transactions go: straight to a chain that answers at once, or to the senders, which wait for nothing.

Agents decide and hand over; what came of it they collect from the ticket, in this round or a later one. So one stuck
transaction keeps nobody from sending the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import rlp
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak

from plimsoll.chain.contract import Contract
from plimsoll.chain.errors import NodeError
from plimsoll.chain.protocol import Receipt
from plimsoll.keeper.errors import SettingsError

if TYPE_CHECKING:
    from plimsoll.keeper.sender import Sender


@dataclass(slots=True)
class Ticket:
    """A transaction under way, for who asked for it. Done: with a receipt, or with an error."""

    tx: int
    purpose: str
    ref: str
    receipt: Receipt | None = None
    error: str | None = None

    @property
    def done(self) -> bool:
        """Whether it is known what came of it."""
        return self.receipt is not None or self.error is not None


About = TypeVar("About")


class Awaited(Generic[About]):
    """Tickets of which it is not known yet what came of them, each with what it is about."""

    def __init__(self) -> None:
        self._held: list[tuple[About, Ticket]] = []

    def add(self, about: About, ticket: Ticket) -> None:
        """Hold one."""
        self._held.append((about, ticket))

    def collect(self) -> Iterator[tuple[About, Ticket]]:
        """Those that are done, each held until it was dealt with: what fails over one leaves it for the next time.

        A ticket is asked once, as another thread may finish it meanwhile.
        """
        for item in [item for item in self._held if item[1].done]:
            yield item
            self._held = [other for other in self._held if other is not item]


class Outbox(Protocol):
    """Takes calls to be sent."""

    def send(
        self, contract: Contract, name: str, args: Sequence[Any], *, sender: str, purpose: str, ref: str
    ) -> Ticket:
        """Send one call, for a purpose, about something; raises what the chain or the sender refuses."""

    def busy(self, sender: str) -> set[tuple[str, str]]:
        """Purpose and ref of what is under way."""

    def creations(self, sender: str, contract: Contract) -> int | None:
        """How many contracts a contract has created, its next one's nonce; None where nobody need know beforehand."""


class DirectOutbox:
    """Sends and waits: for simulations, and tools that do one thing."""

    def send(
        self, contract: Contract, name: str, args: Sequence[Any], *, sender: str, purpose: str, ref: str
    ) -> Ticket:
        """Mined when this returns."""
        return Ticket(0, purpose, ref, receipt=contract.transact(name, *args, sender=sender))

    def busy(self, sender: str) -> set[tuple[str, str]]:
        """Nothing ever is."""
        del sender
        return set()

    def creations(self, sender: str, contract: Contract) -> None:
        """Of no use: what is sent is mined."""
        del sender, contract


class QueuedOutbox:
    """Hands over to the senders of some keys, by address."""

    def __init__(self, senders: Mapping[str, Sender]) -> None:
        self.senders = dict(senders)

    def send(
        self, contract: Contract, name: str, args: Sequence[Any], *, sender: str, purpose: str, ref: str
    ) -> Ticket:
        """Under way when this returns."""
        return self._of(sender).submit(contract.address, contract.encode(name, *args), purpose, ref)

    def busy(self, sender: str) -> set[tuple[str, str]]:
        """What the journal says may still be mined, of earlier runs too."""
        return {(entry.purpose, entry.ref) for entry in self._of(sender).under_way()}

    def creations(self, sender: str, contract: Contract) -> int | None:
        """As the node counts, at the head; None where it does not say."""
        try:
            return int(self._of(sender).rpc.ask("eth_getTransactionCount", contract.address, "latest"), 16)
        except NodeError:
            return None

    def _of(self, sender: str) -> Sender:
        found = self.senders.get(sender)
        if found is None:
            raise SettingsError(f"no key of {sender} is here")
        return found


def created_at(creator: str, nonce: int) -> str:
    """Where a contract's creation will stand (CREATE): the last 20 bytes of keccak(rlp([creator, nonce]))."""
    return str(to_checksum_address(keccak(rlp.encode([to_canonical_address(creator), nonce]))[12:]))

"""Where blocks and events come from.

`ChainBlocks` reads them from a chain: `eth_getLogs` for events, headers for hashes and times. Nodes refuse ranges that
are too large for them, each at a size of its own: a range that is refused is halved until it is taken, and grows again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from plimsoll.chain.errors import NodeError
from plimsoll.chain.protocol import Header, HeaderChain, Log
from plimsoll.keeper.index.errors import BlocksMovedError

STRIDE: Final = 2_000  # blocks asked for at once, at most


class BlockSource(Protocol):
    """Blocks by number. All three raise NodeError where a node does not answer."""

    def head(self) -> int:
        """Number of the latest block."""

    def headers(self, numbers: Sequence[int]) -> list[Header | None]:
        """Headers by number, in order; None for a block that is not there (yet)."""

    def logs(self, addresses: Sequence[str], first: int, last: int) -> list[Log]:
        """Events of some contracts in blocks `first` .. `last`, in order, each with the number of its block."""


class ChainBlocks:
    """Blocks of a chain.

    Parameters
    ----------
    chain
        A node, several, or the embedded one.
    """

    def __init__(self, chain: HeaderChain) -> None:
        self.chain = chain
        self._stride = STRIDE

    def head(self) -> int:
        """Number of the latest block."""
        return self.chain.block

    def headers(self, numbers: Sequence[int]) -> list[Header | None]:
        """Headers by number."""
        return self.chain.headers(numbers)

    def logs(self, addresses: Sequence[str], first: int, last: int) -> list[Log]:
        """Events of blocks `first` .. `last`.

        Raises
        ------
        NodeError
            The node does not answer, or refuses even a single block.
        BlocksMovedError
            An event without the number of its block: it is pending.
        """
        found: list[Log] = []
        while first <= last:
            until = min(last, first + self._stride - 1)
            try:
                part = self.chain.logs(addresses, first, until)
            except NodeError:
                if until == first:
                    raise
                self.chain.block  # noqa: B018 - a node that is down raises here, one that finds it too much does not
                self._stride = (until - first + 1) // 2
                continue
            found += part
            first = until + 1
            self._stride = min(STRIDE, 2 * self._stride)
        if any(log.block is None for log in found):
            raise BlocksMovedError("an event stands in no block yet; asked for again it will")
        return found


class MergedBlocks:
    """A chain's blocks with another log's events in them, in front of the chain's own of the same block.

    What is generated was never on the chain: `AccountIndex.verify` would find it out, and the sums that interest is
    made of hold the generated cash until the next `Accrued`. For measuring how a keeper copes with many accounts.

    Parameters
    ----------
    real
        The chain's.
    generated
        The other's; its block 1 stands in block `first` of the chain, and so on.
    first
        At least the block behind the deployment: earlier events of the chain name tokens, fund and configuration.
    """

    def __init__(self, real: BlockSource, generated: BlockSource, first: int) -> None:
        self.real = real
        self.generated = generated
        self.first = first

    def head(self) -> int:
        """Number of the chain's latest block."""
        return self.real.head()

    def headers(self, numbers: Sequence[int]) -> list[Header | None]:
        """The chain's headers."""
        return self.real.headers(numbers)

    def logs(self, addresses: Sequence[str], first: int, last: int) -> list[Log]:
        """Both logs' events, block by block."""
        shift = self.first - 1
        low, high = max(1, first - shift), min(last - shift, self.generated.head())
        more = self.generated.logs(addresses, low, high) if low <= high else []
        placed = [
            Log(log.address, log.topics, log.data, shift + log.block, b"", log.place)
            for log in more
            if log.block is not None
        ]
        return sorted([*placed, *self.real.logs(addresses, first, last)], key=lambda log: log.block or 0)

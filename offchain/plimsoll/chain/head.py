"""The newest block, as a node shows it."""

from __future__ import annotations

from dataclasses import dataclass

from plimsoll.chain.errors import NodeError
from plimsoll.chain.rpc import Rpc


@dataclass(frozen=True, slots=True)
class Head:
    """A block: `number`, `hash`, `time` [unix s], and the `base_fee` of it [wei]."""

    number: int
    hash: str
    time: int
    base_fee: int = 0


def head_of(rpc: Rpc, at: str = "latest") -> Head:
    """The block that an endpoint shows.

    Raises
    ------
    NodeError
        It shows none.
    """
    block = rpc.ask("eth_getBlockByNumber", at, False)
    try:
        return Head(
            int(block["number"], 16),
            str(block["hash"]),
            int(block["timestamp"], 16),
            int(block.get("baseFeePerGas") or "0x0", 16),
        )
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise NodeError(f"block {at} is {block!r:.80}") from error

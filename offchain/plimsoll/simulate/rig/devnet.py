"""A development node with a clock that somebody else winds: anvil, its blocks, and what only it can do to a chain."""

from __future__ import annotations

import contextlib
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, Final

from plimsoll.chain.anvil import NO_ANVIL, find_anvil, free_port
from plimsoll.chain.errors import ChainError
from plimsoll.chain.rpc import HttpRpc
from plimsoll.simulate.errors import SimulationError
from plimsoll.simulate.rig.process import Program, Stage

CHAIN_ID: Final = 31_337
BASE_FEE: Final = 10**9  # [wei] held, block after block: an idle chain's falls to nothing
GAS_LIMIT: Final = 60_000_000  # of a block
STRANDED: Final = GAS_LIMIT + 1  # gas of a transaction that no block has room for
LOADING: Final = 10**11  # of a block while a town is built
HELD_STATES: Final = 20_000  # blocks that can be looked at afterwards
PART: Final = 400  # requests at once


class Devnet:
    """One anvil.

    Parameters
    ----------
    stage
        Ends it.
    block_time
        Between blocks once `tick` was called [s]; before that every transaction has its block at once.
    """

    def __init__(self, stage: Stage, block_time: float = 1.0) -> None:
        if block_time <= 0:
            raise SimulationError(f"block_time {block_time} s; above 0 is right")
        anvil = find_anvil()
        if anvil is None:
            raise SimulationError(NO_ANVIL)
        self.block_time = block_time
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.rpc = HttpRpc(self.url, 60.0)
        self.skew = 0  # [s] of the chain's clock before the wall's; only where we mine, as the next
        self.fee_factor = 1
        self._program: Program = stage.program(
            "anvil",
            [
                *(anvil, "--silent", "--port", str(self.port), "--chain-id", str(CHAIN_ID)),
                # prague's successor caps a transaction's gas below what a large post may take
                *("--hardfork", "cancun", "--gas-limit", str(LOADING), "--base-fee", str(BASE_FEE)),
                *("--max-persisted-states", str(HELD_STATES), "--cache-path", str(stage.folder / "states")),
            ],
        )
        self._program.start()
        self._program.wait_for(self.port)
        self._ticker: threading.Thread | None = None
        self._ticking = False
        self._stop = threading.Event()
        self._lock = threading.Lock()  # a reorganisation and a new block take turns
        self._clock = 0.0  # [unix s] of our last block, fraction included
        self._walls: list[tuple[int, float]] = []  # our blocks' times, and the wall's when each was mined

    # ---------------------------------------------------------------------------------------------------- requests

    def ask(self, method: str, *params: Any) -> Any:
        """One request."""
        return self.rpc.ask(method, *params)

    def ask_many(self, asked: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Many, in parts."""
        return [item for k in range(0, len(asked), PART) for item in self.rpc.ask_many(asked[k : k + PART])]

    @property
    def head(self) -> int:
        """Number of the latest block."""
        return int(self.ask("eth_blockNumber"), 16)

    @property
    def now(self) -> int:
        """Its time [unix s]."""
        return int(self.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    # ------------------------------------------------------------------------------------------------------- clock

    def loading(self) -> None:
        """No block until `mine`."""
        self.ask("evm_setAutomine", False)

    def mine(self) -> None:
        """A block now."""
        self.ask("evm_mine")

    def tick(self, *, own: bool = False) -> None:
        """From now on a block every `block_time`: by anvil itself where that is whole seconds, by us otherwise.

        Parameters
        ----------
        own
            By us in any case: then base fee and clock can be turned (`fee_factor`, `skew`).
        """
        self._ticking = True
        self.ask("evm_setBlockGasLimit", hex(GAS_LIMIT))
        self.ask("evm_setAutomine", False)
        if self.block_time.is_integer() and not own:
            self.ask("evm_setIntervalMining", int(self.block_time))
            return
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._ticker.start()

    def _tick(self) -> None:
        due = time.monotonic() + self.block_time
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due += self.block_time
            with contextlib.suppress(ChainError), self._lock:  # one that is missing is seen in the heads
                self._block()

    def _block(self) -> None:
        """One block; who calls has the lock.

        No block is older than the one before. A clock that was ahead and is to be no more is slewed: it goes at half
        the pace until the wall's has come up.
        """
        self._clock = max(max(self._clock, self.now) + self.block_time / 2, time.time() + self.skew)
        self.ask("anvil_setNextBlockBaseFeePerGas", hex(BASE_FEE * self.fee_factor))
        self.ask("evm_setNextBlockTimestamp", hex(int(self._clock)))
        self.ask("evm_mine")
        self._walls.append((int(self._clock), time.time()))

    def wall_of(self, at: int) -> float:
        """When, by the wall's clock, the chain's came to `at` [unix s]; `at` itself where no block of ours says."""
        found = bisect_left(self._walls, (at, 0.0))
        return self._walls[found][1] if found < len(self._walls) else float(at)

    def strand(self, raw: str) -> str:
        """Put a signed transaction of `STRANDED` gas into the pool, where it stays until it is replaced; its hash.

        More than a block has: anvil throws out what pays too little, and leaves what does not fit. It takes such a
        transaction while its blocks are larger, so they are for a moment.
        """
        with self._lock:
            self.ask("evm_setBlockGasLimit", hex(STRANDED))
            self._block()
            sent = str(self.ask("eth_sendRawTransaction", raw))
            self.ask("evm_setBlockGasLimit", hex(GAS_LIMIT))
            self._block()
        return sent

    def close(self) -> None:
        """No more blocks of ours."""
        self._stop.set()
        if self._ticker is not None:
            self._ticker.join(10)

    @property
    def ticking(self) -> bool:
        """Whether blocks come by themselves."""
        return self._ticking

    def wait(self, blocks: int, or_until: Callable[[], bool] = lambda: False) -> int:
        """Let so many blocks pass, or fewer where something is true before; the head then."""
        until = self.head + blocks
        late = time.monotonic() + 10 + 10 * blocks * self.block_time
        while (head := self.head) < until and not or_until():
            if time.monotonic() > late:
                raise SimulationError(f"the chain stands at block {head}")
            time.sleep(self.block_time / 10)
        return head

    # ---------------------------------------------------------------------------------------------- what only it can

    def reorganise(self, depth: int) -> None:
        """Replace the last blocks by empty ones: what was in them is lost."""
        with self._lock:
            self.ask("anvil_reorg", depth, [])

    def give(self, address: str, wei: int) -> None:
        """Set a native balance [wei]."""
        self.ask("anvil_setBalance", address, hex(wei))

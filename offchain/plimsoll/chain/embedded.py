"""EmbeddedChain: an Ethereum of one process, on revm through pyrevm.

What pyrevm 0.3.7 does by itself is not a transaction: every call runs in one journal that is never closed, so storage
and accounts stay warm for ever and SSTORE is charged against the value from before the first call. Its `commit` lets
the depth of calls run below zero. So each transaction here is

    checkpoint -> call -> read from the journal what it wrote -> revert the journal -> write that to the database

and the next one finds an empty journal: everything cold, original values as they are, transient storage zero. What
`gas_used` then says (base cost 21,000, calldata, creation and capped refunds included) is what a node says; a test
compares the two. Views run and revert, and cost nothing.

A transaction moves neither clock nor block: `advance` does both. Fees are zero. A transaction that reverts leaves no
trace. A snapshot is a place in a list of what each transaction overwrote.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import pyrevm
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from plimsoll.chain.errors import ExecutionError
from plimsoll.chain.protocol import Call, Header, Log, Receipt, revert_reason
from plimsoll.spec.errors import Refused

CHAIN_ID: Final = 1337
BLOCK_TIME: Final = 12  # [s]
GAS_LIMIT: Final = 60_000_000  # of a block, and so of a transaction or view
START: Final = 1_700_000_000  # [unix s]
ETHER: Final = 10**18
PADDING: Final = 33  # [bytes] that revm's analysis appends to code
NOBODY: Final = "0x" + "00" * 19 + "01"  # whom a view comes from where nobody is named

_ERROR = re.compile(r"^(Revert|Halt) \{ (?:gas_used: \d+, output: (0x[0-9a-f]*)|reason: (\w+))")
_WRITE = re.compile(r"StorageChange \{ address: (0x[0-9a-f]{40}), key: (\d+), had_value: Some\((\d+)\)")
_ACCOUNT = re.compile(
    r"(?:AccountCreated|NonceChange|CodeChange|AccountDestroyed) \{ address: (0x[0-9a-f]{40})"
    r"|BalanceTransfer \{ from: (0x[0-9a-f]{40}), to: (0x[0-9a-f]{40}), balance: [1-9]"
)
_JOURNAL = ", journal: ["


_account_info: Any = pyrevm.AccountInfo  # its stub lacks the balance


class _Undo(NamedTuple):
    """What one transaction overwrote."""

    slots: list[tuple[str, int, int]]
    accounts: list[tuple[str, pyrevm.AccountInfo]]


class _Mark(NamedTuple):
    undos: int
    logs: int
    times: int
    time: int
    block: int


class EmbeddedChain:
    """A chain in this process; satisfies `TimedChain`.

    Parameters
    ----------
    chain_id
        Its number.
    time
        Timestamp of its first block [unix s].
    spec
        The fork whose rules hold.
    code_limit
        Largest contract [byte]; EIP-170's 24,576 where not given. Contracts for tests may be larger than real ones.
    """

    def __init__(
        self, *, chain_id: int = CHAIN_ID, time: int = START, spec: str = "CANCUN", code_limit: int | None = None
    ) -> None:
        self.chain_id = chain_id
        self._time = time
        self._block = 1
        self._evm = pyrevm.EVM(
            gas_limit=GAS_LIMIT,
            env=pyrevm.Env(
                cfg=pyrevm.CfgEnv(chain_id=chain_id, limit_contract_code_size=code_limit), block=self._environment()
            ),
            spec_id=spec,
        )
        self._undos: list[_Undo] = []
        self._marks: list[_Mark] = []
        self._logs: list[tuple[int, Log]] = []  # by block
        self._times: list[tuple[int, int]] = [(1, time)]  # block from which on a time holds
        self._digests: list[bytes] = [bytes(32)]  # of the events so far, one more than there are of those read

    # ------------------------------------------------------------------------------------------------------- clock

    def _environment(self) -> pyrevm.BlockEnv:
        return pyrevm.BlockEnv(number=self._block, timestamp=self._time, gas_limit=GAS_LIMIT)

    @property
    def now(self) -> int:
        """Timestamp that the next call or transaction sees [unix s]."""
        return self._time

    @property
    def block(self) -> int:
        """Block number that the next call or transaction sees."""
        return self._block

    def advance(self, seconds: int, blocks: int | None = None) -> None:
        """Let `seconds` pass, and a block for every 12 of them, at least one."""
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds} s")
        self._time += seconds
        self._block += max(1, seconds // BLOCK_TIME) if blocks is None else blocks
        self._times.append((self._block, self._time))
        self._evm.set_block_env(self._environment())

    def set_time(self, timestamp: int) -> None:
        """Set the clock [unix s], never back."""
        self.advance(timestamp - self._time)

    # ------------------------------------------------------------------------------------------------------- state

    def call(self, to: str, data: bytes, *, sender: str | None = None) -> bytes:
        """The output of a view; whatever it writes is thrown away."""
        checkpoint = self._evm.snapshot()
        try:
            return bytes(self._evm.message_call(sender or NOBODY, to, data))
        except RuntimeError as error:
            raise self._explain(error) from None
        finally:
            self._evm.revert(checkpoint)

    def call_many(self, calls: Sequence[Call]) -> list[bytes | Refused]:
        """The outputs of several views; one that reverts gives its `Refused`."""
        found: list[bytes | Refused] = []
        for item in calls:
            try:
                found.append(self.call(item.to, item.data))
            except Refused as refused:
                found.append(refused)
        return found

    def transact(self, to: str, data: bytes, *, sender: str, value: int = 0) -> Receipt:
        """One transaction; it moves neither clock nor block."""
        with self._transaction():
            output = bytes(self._evm.message_call(sender, to, data, value=value))
            return self._receipt(output, None)

    def deploy(self, initcode: bytes, *, sender: str) -> Receipt:
        """One creation."""
        with self._transaction():
            address = self._evm.deploy(sender, initcode)
            return self._receipt(b"", to_checksum_address(address))

    def logs(self, addresses: Sequence[str], first: int, last: int | None = None) -> list[Log]:
        """Events of some contracts in blocks `first` .. `last`, in order."""
        wanted = {to_checksum_address(address) for address in addresses}
        start = bisect_left(self._logs, first, key=lambda item: item[0])
        return [log for block, log in self._logs[start:] if log.address in wanted and (last is None or block <= last)]

    def headers(self, numbers: Sequence[int]) -> list[Header | None]:
        """Headers of blocks by their numbers; None for one ahead.

        A hash is that of number, time and all events so far. The latest block is still being filled: its hash is
        another after each transaction that leaves an event.
        """
        return [
            Header(number, self._hash(number), self._hash(number - 1) if number else bytes(32), self._time_of(number))
            if 0 <= number <= self._block
            else None
            for number in numbers
        ]

    def _hash(self, block: int) -> bytes:
        for _, log in self._logs[len(self._digests) - 1 :]:
            said = bytes.fromhex(log.address[2:]) + b"".join(log.topics) + log.data
            self._digests.append(keccak(self._digests[-1] + said))
        digest = self._digests[bisect_right(self._logs, block, key=lambda item: item[0])]
        return keccak(block.to_bytes(8, "big") + self._time_of(block).to_bytes(8, "big") + digest)

    def _time_of(self, block: int) -> int:
        return self._times[max(0, bisect_right(self._times, block, key=lambda item: item[0]) - 1)][1]

    def code(self, address: str) -> bytes:
        """The code at an address."""
        checkpoint = self._evm.snapshot()
        info = self._info(address)
        self._evm.revert(checkpoint)
        return bytes(info.code or b"")

    def balance(self, address: str) -> int:
        """Native balance [wei]."""
        checkpoint = self._evm.snapshot()
        found = int(self._evm.get_balance(address))
        self._evm.revert(checkpoint)
        return found

    def nonce(self, address: str) -> int:
        """Transactions that an account sent, or contracts that a contract created."""
        checkpoint = self._evm.snapshot()
        info = self._info(address)
        self._evm.revert(checkpoint)
        return int(info.nonce)

    def set_balance(self, address: str, wei: int) -> None:
        """Give native balance [wei]."""
        self._replace(address, balance=wei)

    def set_code(self, address: str, code: bytes) -> None:
        """Put code at an address; none where it is empty."""
        self._replace(address, code=code or None)

    def _replace(self, address: str, **changes: Any) -> None:
        """Write an account with something else in it, so that `revert` takes it back."""
        checkpoint = self._evm.snapshot()
        info = self._info(address)
        self._evm.revert(checkpoint)
        self._undos.append(_Undo([], [(address, info)]))
        kept = {"nonce": info.nonce, "balance": info.balance, "code": info.code}
        self._write({}, {address: _account_info(**kept | changes)})

    def storage(self, address: str, slot: int) -> int:
        """One word of storage."""
        checkpoint = self._evm.snapshot()
        found = int(self._evm.storage(address, slot))
        self._evm.revert(checkpoint)
        return found

    # --------------------------------------------------------------------------------------------------- snapshots

    def snapshot(self) -> int:
        """A mark to come back to."""
        self._marks.append(_Mark(len(self._undos), len(self._logs), len(self._times), self._time, self._block))
        return len(self._marks) - 1

    def revert(self, mark: int) -> None:
        """Back to a mark: state, clock and block; this mark and later ones are spent."""
        if not 0 <= mark < len(self._marks):
            raise ValueError(f"snapshot {mark} is spent or was never taken")
        target = self._marks[mark]
        del self._marks[mark:]
        slots: dict[tuple[str, int], int] = {}
        accounts: dict[str, pyrevm.AccountInfo] = {}
        while len(self._undos) > target.undos:  # the oldest wins
            undo = self._undos.pop()
            accounts |= dict(undo.accounts)
            slots |= {(address, slot): value for address, slot, value in undo.slots}
        self._write(slots, accounts)
        del self._logs[target.logs :]
        del self._times[target.times :]
        del self._digests[target.logs + 1 :]
        self._time, self._block = target.time, target.block
        self._evm.set_block_env(self._environment())

    @contextmanager
    def isolate(self) -> Iterator[None]:
        """Whatever happens inside is undone at the end."""
        mark = self.snapshot()
        try:
            yield
        finally:
            self.revert(mark)

    # ---------------------------------------------------------------------------------------------------- internal

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """What runs inside is one transaction: written through to the database, or not at all."""
        checkpoint = self._evm.snapshot()
        try:
            yield
        except RuntimeError as error:
            self._evm.revert(checkpoint)
            raise self._explain(error) from None
        self._write_through(checkpoint)

    def _write_through(self, checkpoint: pyrevm.JournalCheckpoint) -> None:
        text = self._evm.journal_str
        journal = text[text.rfind(_JOURNAL) :]
        old: dict[tuple[str, int], int] = {}
        for address, slot, value in _WRITE.findall(journal):
            old.setdefault((address, int(slot)), int(value))  # the first is from before the transaction
        touched = {address for found in _ACCOUNT.findall(journal) for address in found if address}
        new = {place: int(self._evm.storage(*place)) for place in old}
        infos = {address: self._info(address) for address in touched}
        self._evm.revert(checkpoint)
        inner = self._evm.snapshot()
        self._undos.append(
            _Undo(
                [(address, slot, value) for (address, slot), value in old.items()],
                [(address, self._info(address)) for address in infos],
            )
        )
        self._evm.revert(inner)
        self._write({place: value for place, value in new.items() if value != old[place]}, infos)
        self._evm.reset_transient_storage()

    def _info(self, address: str) -> pyrevm.AccountInfo:
        """An account as the journal sees it; pyrevm shows code with the padding of its analysis, which is cut off."""
        info: Any = self._evm.basic(address)
        code = bytes(info.code or b"")
        if len(code) >= PADDING and keccak(code) != info.code_hash:
            code = code[:-PADDING]
        if not code or keccak(code) != info.code_hash:
            code = b""
        made: pyrevm.AccountInfo = _account_info(nonce=info.nonce, balance=info.balance, code=code or None)
        return made

    def _write(self, slots: dict[tuple[str, int], int], accounts: dict[str, pyrevm.AccountInfo]) -> None:
        """Write to the database.

        pyrevm does so for an account that its journal does not know, and writes to the journal otherwise; it also takes
        the account into the journal. So the journal is reverted after each write.
        """
        for address, info in accounts.items():
            checkpoint = self._evm.snapshot()
            self._evm.insert_account_info(address, info)
            self._evm.revert(checkpoint)
        for (address, slot), value in slots.items():
            checkpoint = self._evm.snapshot()
            self._evm.insert_account_storage(address, slot, value)
            self._evm.revert(checkpoint)

    def _receipt(self, output: bytes, address: str | None) -> Receipt:
        result: Any = self._evm.result
        place = len(self._logs) - bisect_left(self._logs, self._block, key=lambda item: item[0])
        logs = tuple(
            Log(log.address, tuple(log.data[0]), bytes(log.data[1]), self._block, place=place + k)
            for k, log in enumerate(result.logs)
        )
        self._logs += [(self._block, log) for log in logs]
        return Receipt(int(result.gas_used), logs, self._block, self._time, output, address)

    @staticmethod
    def _explain(error: RuntimeError) -> Refused | ExecutionError:
        found = _ERROR.match(str(error))
        if found is None:
            return ExecutionError(f"the chain could not run it: {error}")
        if found[1] == "Revert":
            return Refused(revert_reason(bytes.fromhex(found[2][2:])))
        return ExecutionError(f"halted: {found[3]}")

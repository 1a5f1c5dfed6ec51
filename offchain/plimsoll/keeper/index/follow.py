"""AccountIndex: follows the chain's events, back over reorganisations, and is held to what the chain says.

    update    blocks since the last look are applied, in strides, each stride one transaction of the database
    reorg     of the last `depth` blocks hash and changes are kept: those that the chain no longer has are taken back,
              the newest first, and the blocks that it has instead are applied
    deeper    where the chain left the index's further back than that, everything is read again from the first block
    verify    ledgers and positions of accounts that are drawn, against the Clearinghouse's views, in one batch; where
              they differ, all is read again, and where they differ still, nothing goes on

A stride is believed where its headers follow on each other and on what is in, where each event names the block that
stands there, and where its last block is still the same once the events were read. Else it is read again.
"""

from __future__ import annotations

import itertools
import random
import sqlite3
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from plimsoll.chain.contract import batch
from plimsoll.chain.deployment import System
from plimsoll.chain.errors import ChainError
from plimsoll.chain.protocol import Header, HeaderChain, Log
from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.index.blocks import STRIDE, BlockSource, ChainBlocks
from plimsoll.keeper.index.decode import Deployed, LogReader, named_accounts
from plimsoll.keeper.index.errors import BlocksMovedError, IndexMismatchError, IndexStateError
from plimsoll.keeper.index.state import AccountState, Changes, Series, series_of
from plimsoll.keeper.index.store import Kept, Store, read, told
from plimsoll.keeper.recorder import Recorder
from plimsoll.spec.errors import Refused
from plimsoll.spec.events import Event
from plimsoll.spec.interest import Pool

DEPTH: Final = 64  # blocks that may be taken back
TRIES: Final = 5  # looks at a chain that moves meanwhile


class Update(NamedTuple):
    """What one look at the chain brought.

    Parameters
    ----------
    head
        Last block that is in.
    blocks, events
        Applied.
    taken_back
        Blocks that the chain no longer has.
    rebuilt
        Whether everything was read again.
    """

    head: int
    blocks: int
    events: int
    taken_back: int = 0
    rebuilt: bool = False


class Verified(NamedTuple):
    """How many accounts were compared with the chain at which block; none where it moved on each time."""

    head: int
    accounts: int
    rebuilt: bool = False


class AccountIndex:
    """What every account holds, by the events of IndexFeed, Registry, Clearinghouse and Liquidator.

    One process, one index; within it any thread may ask, one at a time: every method holds `lock`, and who reads
    `state` over more than one line holds it too.

    Parameters
    ----------
    path
        The database.
    deployed
        Whose events.
    blocks
        Where they come from.
    first
        Block where they begin.
    depth
        Blocks that may be taken back.
    stride
        Blocks applied at once, at most.
    recorder
        Keeps what is worth telling: blocks taken back, everything read again, a mismatch.

    Raises
    ------
    SettingsError
        A number out of range.
    IndexVersionError, ForeignIndexError, IndexStateError
        The database cannot be used.
    """

    def __init__(
        self,
        path: Path,
        deployed: Deployed,
        blocks: BlockSource,
        first: int = 0,
        *,
        depth: int = DEPTH,
        stride: int = STRIDE,
        recorder: Recorder | None = None,
    ) -> None:
        if first < 0 or depth < 1 or stride < 1:
            raise SettingsError(f"first {first}, depth {depth}, stride {stride}; at least 0, 1 and 1 are right")
        self.deployed = deployed
        self.blocks = blocks
        self.first = first
        self.depth = depth
        self.stride = stride
        self.recorder = recorder
        self.lock = threading.RLock()
        self._reader = LogReader(deployed.contracts)
        self._followers: list[set[int]] = []
        self._holders: dict[Series, set[int]] = {}
        self._named = named_accounts(deployed.contracts)
        self.state = AccountState(deployed.quote, deployed.quote_scale, self._named)
        self._store = Store(path, deployed.name, first)
        self._load()

    @classmethod
    def of(cls, system: System, path: Path, first: int = 0, **options: Any) -> AccountIndex:
        """The index of a deployment on a chain that tells its headers.

        Raises
        ------
        SettingsError
            The chain does not.
        """
        if not hasattr(system.chain, "headers"):
            raise SettingsError(f"{type(system.chain).__name__} tells no headers; NodeChain or EmbeddedChain is right")
        return cls(path, Deployed.of(system), ChainBlocks(cast("HeaderChain", system.chain)), first, **options)

    def close(self) -> None:
        """Let go of the database."""
        with self.lock:
            self._store.close()

    def _load(self) -> None:
        """Stand where the database stands."""
        old = self.state
        self._holders.clear()  # whoever was given it goes on with it
        self.state = AccountState(self.deployed.quote, self.deployed.quote_scale, self._named, self._holders)
        self.head = self._store.head
        self._tail: deque[Kept] = deque(self._store.tail())  # the newest first
        self._store.load(self.state)
        for state in (old, self.state):
            self._tell_followers(state.books.keys() | state.ledgers.keys())

    # ------------------------------------------------------------------------------------------------------- reads

    @property
    def time(self) -> int:
        """Of the last block that is in [unix s]; 0 before any."""
        return self._tail[0].header.time if self._tail else 0

    @property
    def holders(self) -> Mapping[Series, set[int]]:
        """(underlying, expiry) -> accounts that hold it: always the same mapping, which `update` changes."""
        return self._holders

    def accounts(self) -> list[int]:
        """Every account that an event named, in the order they were met; the system's, of owner 0, are none."""
        with self.lock:
            return self.state.accounts

    def follow(self) -> set[int]:
        """A set that grows by the accounts that change; who asked for it empties it. At first it has all."""
        with self.lock:
            found = set(self.state.books.keys() | self.state.ledgers.keys())
            self._followers.append(found)
            return found

    def _tell_followers(self, accounts: Iterable[int]) -> None:
        for follower in self._followers:
            follower.update(accounts)

    def _changed(self, changes: Changes) -> None:
        for name in ("books", "ledgers", "entries"):
            self._tell_followers(changes.get(name, ()))

    def _record(self, kind: str, **fields: Any) -> None:
        if self.recorder is not None:
            self.recorder.record(kind, self.time, **fields)

    # ------------------------------------------------------------------------------------------------------ follow

    def update(self) -> Update:
        """Follow the chain to its head.

        Raises
        ------
        NodeError
            Where the node does not answer.
        BlocksMovedError
            The chain was another each time it was looked at again.
        IndexStateError
            An event that does not fit what was before it, or a disk that takes nothing. The index stands where it
            stood.
        """
        with self.lock:
            before = Update(self.head, 0, 0)
            for attempt in range(TRIES):
                try:
                    taken_back, rebuilt = self._rewind()
                    before = before._replace(
                        taken_back=before.taken_back + taken_back, rebuilt=before.rebuilt or rebuilt
                    )
                    before = self._catch_up(before)
                except BlocksMovedError:
                    if attempt == TRIES - 1:
                        raise
                else:
                    break
            return before._replace(head=self.head)

    def rebuild(self, reason: str) -> Update:
        """Forget everything and read it again from the first block.

        Raises
        ------
        NodeError, BlocksMovedError, IndexStateError
            As `update`; what was read until then is kept.
        """
        with self.lock:
            self._clear(reason)
            return self.update()._replace(rebuilt=True)

    def _clear(self, reason: str) -> None:
        self._record("index-rebuilt", head=self.head, reason=reason)
        with self._stored():
            self._store.clear(self.first - 1)
        self._load()

    @contextmanager
    def _stored(self) -> Iterator[None]:
        """A transaction of the database; where it fails, the index stands again where the database stands."""
        try:
            with self._store.transaction():
                yield
        except sqlite3.Error as error:
            self._load()
            raise IndexStateError(f"the index cannot be written: {error}") from error

    def _rewind(self) -> tuple[int, bool]:
        """Take back what the chain no longer has: how many blocks, and whether it was all of them."""
        if not self._tail:
            return 0, False
        newest = self._tail[0].header
        if self._hash_of(self.blocks.headers([newest.number])[0]) == newest.hash:
            return 0, False
        found = self.blocks.headers([kept.header.number for kept in self._tail])
        fork = next(
            (
                k
                for k, (kept, now) in enumerate(zip(self._tail, found, strict=True))
                if self._hash_of(now) == kept.header.hash
            ),
            None,
        )
        if fork is None or any(kept.undo is None for kept in list(self._tail)[:fork]):
            self._clear(f"the chain left the index's more than {len(self._tail)} blocks back")
            return 0, True
        gone = [self._tail[k] for k in range(fork)]
        for kept in gone:
            self.state.put(read(kept.undo or "{}"))
        changes = self.state.mark()
        head = self._tail[fork].header.number
        with self._stored():
            self._store.take_back(self.state, changes, head)
        for _ in gone:
            self._tail.popleft()
        self.head = head
        self._changed(changes)
        self._record("index-taken-back", blocks=fork, head=head)
        return fork, False

    @staticmethod
    def _hash_of(header: Header | None) -> bytes | None:
        return None if header is None else header.hash

    def _catch_up(self, done: Update) -> Update:
        head = self.blocks.head()
        while self.head < head:
            first = self.head + 1
            last = min(head, first + self.stride - 1)
            if first <= head - self.depth:
                last = min(last, head - self.depth)  # too old to be taken back: nothing of it is kept
            headers, events = self._read(first, last, whole=first > head - self.depth)
            self._apply(headers, events, last, head - self.depth, whole=first > head - self.depth)
            done = done._replace(blocks=done.blocks + last - first + 1, events=done.events + len(events))
        return done

    def _read(self, first: int, last: int, *, whole: bool) -> tuple[dict[int, Header], list[tuple[int, Event]]]:
        """Headers and events of a stride, held to each other: of all blocks, or of those that have events."""
        headers = self._headers(range(first, last + 1)) if whole else {}
        logs = self.blocks.logs(self.deployed.addresses, first, last)
        if not whole:
            headers = self._headers({first, last, *(log.block for log in logs if log.block is not None)})
        _check_chain([*([self._tail[0].header] if self._tail else []), *headers.values()])
        _check_logs(logs, headers)
        if self._headers([last])[last].hash != headers[last].hash:
            raise BlocksMovedError(f"block {last} became another while its events were read")
        try:
            return headers, self._reader.read(logs)
        except ChainError as error:
            raise IndexStateError(f"blocks {first} .. {last}: an event cannot be read ({error})") from error

    def _headers(self, numbers: Iterable[int]) -> dict[int, Header]:
        wanted = sorted(numbers)
        found = {}
        for number, header in zip(wanted, self.blocks.headers(wanted), strict=True):
            if header is None:
                raise BlocksMovedError(f"block {number} is not there; the head was beyond it just now")
            found[number] = header
        return found

    def _apply(
        self, headers: Mapping[int, Header], events: Sequence[tuple[int, Event]], last: int, floor: int, *, whole: bool
    ) -> None:
        by_block: dict[int, list[Event]] = {}
        for number, event in events:
            by_block.setdefault(number, []).append(event)
        blocks: list[Kept] = []
        changed: dict[str, set[Any]] = {}
        number = self.head
        try:
            for number, header in headers.items():
                if number in by_block:
                    self.state.apply_block(by_block[number], header.time)
                if not whole and number != last:
                    continue
                undo = self.state.mark()
                for name, entries in undo.items():
                    changed.setdefault(name, set()).update(entries)
                if whole or number == last:
                    blocks.append(Kept(header, told(undo) if whole else None))
        except (Refused, ArithmeticError, LookupError, TypeError, ValueError) as error:
            self._load()
            raise IndexStateError(
                f"block {number}: an event does not fit what was before it ({type(error).__name__}: {error}); the log "
                f"from block {self.first} on is right where that is before the deployment"
            ) from error
        with self._stored():
            self._store.keep(self.state, changed, blocks, floor)
        self.head = last
        self._tail.extendleft(blocks)
        while len(self._tail) > 1 and self._tail[-1].header.number < floor:
            self._tail.pop()
        for accounts in (changed.get(name, ()) for name in ("books", "ledgers", "entries")):
            self._tell_followers(accounts)

    # ------------------------------------------------------------------------------------------------------ verify

    def verify(self, system: System, sample: int = 50, seed: int | None = None) -> Verified:
        """Compare accounts that are drawn with what the chain says of them, at the index's last block.

        Parameters
        ----------
        system
            The deployment, to ask.
        sample
            How many accounts.
        seed
            Of the draw; the last block's number where None, so that each block draws others.

        Raises
        ------
        IndexMismatchError
            They differ, and once everything was read again from the first block they differ still.
        NodeError, BlocksMovedError, IndexStateError
            As `update`.
        """
        with self.lock:
            found, wrong = self._compare(system, sample, seed)
            if wrong is None:
                return found
            self._record("index-mismatch", error=wrong)
            self.rebuild(wrong)
            found, wrong = self._compare(system, sample, seed)
            if wrong is not None:
                self._record("index-mismatch", error=wrong)
                raise IndexMismatchError(f"{wrong}; it was read from block {self.first} on, twice")
            return found._replace(rebuilt=True)

    def _compare(self, system: System, sample: int, seed: int | None) -> tuple[Verified, str | None]:
        """What was compared, and the first difference."""
        for _ in range(TRIES):
            self.update()
            drawn = self._draw(sample, seed)
            series = sorted({s for account in drawn for s in series_of(self.state.books.get(account, ()))})
            book = system.clearinghouse
            answers = batch(
                system.chain,
                [
                    book.request("pool"),
                    *(system.history.request("settled", *key) for key in series),
                    *(book.request("ledger", account) for account in drawn),
                    *(book.request("positions", account) for account in drawn),
                ],
            )
            if self._hash_of(self.blocks.headers([self.head])[0]) != self._tail[0].header.hash:
                continue
            if self.blocks.head() != self.head:
                continue  # the answers may be of a later block
            wrong = next((a for a in answers if isinstance(a, Refused)), None)
            if wrong is not None:
                return Verified(self.head, 0), f"the chain refuses to tell an account ({wrong})"
            pool = Pool(*answers[0][0])
            settled = dict(zip(series, answers[1 : 1 + len(series)], strict=True))
            rest = answers[1 + len(series) :]
            return Verified(self.head, len(drawn)), self._difference(drawn, rest, pool, settled)
        return Verified(self.head, 0), None

    def _draw(self, sample: int, seed: int | None) -> list[int]:
        accounts = self.state.accounts
        chosen = random.Random(self.head if seed is None else seed)  # noqa: S311 - which accounts is no secret
        return chosen.sample(accounts, min(sample, len(accounts)))

    def _difference(
        self, accounts: Sequence[int], answers: Sequence[Any], pool: Pool, settled: Mapping[Series, int]
    ) -> str | None:
        own = self.state.pool_at(pool.since)
        if pool.debt and own != pool:
            return f"block {self.head}: the pool is {own} by the index, {pool} on the chain"
        for k, account in enumerate(accounts):
            words, *ledger = self.state.held(account, pool, settled)
            said = tuple(answers[k])
            if tuple(ledger) != said:
                return (
                    f"block {self.head}: ledgers of {account:#x} are {tuple(ledger)} by the index, {said} on the chain"
                )
            positions = tuple(answers[len(accounts) + k])
            if words != positions:
                return (
                    f"block {self.head}: positions of {account:#x} are {words} by the index, {positions} on the chain"
                )
        return None


def _check_chain(headers: Sequence[Header]) -> None:
    """Where two headers stand behind each other, the second names the first."""
    for before, after in itertools.pairwise(headers):
        if after.number == before.number + 1 and after.parent != before.hash:
            raise BlocksMovedError(f"block {after.number} does not follow on block {before.number}")


def _check_logs(logs: Sequence[Log], headers: Mapping[int, Header]) -> None:
    """Each event is of the block that stands there."""
    for log in logs:
        header = headers.get(log.block or 0)
        if header is None or log.block_hash not in {b"", header.hash}:
            raise BlocksMovedError(f"an event is of a block {log.block} that the chain no longer has")

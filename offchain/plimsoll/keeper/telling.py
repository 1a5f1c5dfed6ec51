"""What the runner tells of itself: parts of the status, at each look; see `plimsoll.keeper.status`.

What is told is what the runner holds already. The journal is asked for accounts and auctions only where there is a new
block or a worker has ended a round; balances and the disk are looked at every few seconds.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from plimsoll.chain.errors import ChainError
from plimsoll.chain.head import Head
from plimsoll.keeper.errors import KeeperError
from plimsoll.keeper.live import LiveSource
from plimsoll.keeper.lookout import Lookout
from plimsoll.keeper.runner import Runner, Worker
from plimsoll.keeper.sender import DAY, ETHER, Sender
from plimsoll.keeper.status import (
    AccountsStatus,
    AccountStatus,
    AuctionStatus,
    EndpointStatus,
    HeadStatus,
    KeyStatus,
    LoopStatus,
    RelayStatus,
    ReportStatus,
    SignerStatus,
    SourceStatus,
    StatusBoard,
    StorageStatus,
    TransactionStatus,
)
from plimsoll.market.aggregate import LIVE_MINIMUM
from plimsoll.nodes.proposer import Peers
from plimsoll.risk.signing import address_of
from plimsoll.spec.liquidator import share_at
from plimsoll.spec.margin import Assessment, State, state_of
from plimsoll.spec.wad import PPM, WAD

SLOW: Final = 10.0  # [s] between looks at balances and disk
NEAREST: Final = 20  # accounts that are shown
HOUR: Final = 3_600.0


class Teller:
    """Fills a board from a runner.

    Parameters
    ----------
    board
        What is filled.
    runner
        Of which.
    lookout
        Whom it looks at; None: it enforces nothing.
    roles
        What each sender's key is for, in their order.
    quorum
        Signers that a report takes.
    minimum
        Good sources that a price takes.
    clock
        This machine's [unix s].
    """

    def __init__(
        self,
        board: StatusBoard,
        runner: Runner,
        lookout: Lookout | None,
        roles: Sequence[str],
        quorum: int = 0,
        minimum: int = LIVE_MINIMUM,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.board = board
        self.runner = runner
        self.lookout = lookout
        self.roles = tuple(roles)
        self.quorum = quorum
        self.minimum = minimum
        self.clock = clock
        self._slow = 0.0
        self._block, self._hash = -1, ""
        self._reorganised: list[tuple[float, int]] = []
        self._dead: dict[int, int] = {}  # account -> block at which it was first seen dead, and nothing under way
        self._told_at: tuple[int, ...] = ()  # block and rounds at which accounts were told of last
        self._keys: list[KeyStatus] = []

    def look(self, problem: str | None) -> None:
        """After a look at the heads: tell what there is. Never raises for what nodes and disks do."""
        board, runner = self.board, self.runner
        board.update(endpoints=self._endpoints(), loop=self._loop(runner.workers[0]))
        if len(runner.workers) > 1:
            board.update(enforcing=self._loop(runner.workers[1]))
        head = runner.head
        if head is None:
            return
        now = self.clock()
        board.update(skew=min(0.0, now - head.time) if problem is None else None)
        if (head.number, head.hash) != (self._block, self._hash):
            self._reorganise(head, now)
            self._block, self._hash = head.number, head.hash
            self._reorganised = [item for item in self._reorganised if item[0] > now - HOUR]
            deepest = max((depth for _, depth in self._reorganised), default=0)
            age = max(0.0, now - head.time)
            board.update(head=HeadStatus(head.number, head.hash, head.time, age, deepest))
            try:
                board.update(transactions=self._transactions(now))
            except KeeperError as error:
                self._storage(str(error))
        self._tell_work(head.time)
        if now - self._slow >= SLOW:
            self._slow = now
            self._tell_slow()

    def _reorganise(self, head: Head, now: float) -> None:
        """What blocks were taken back: as deep as the index says, which knows every hash; else as the heads show it."""
        if self._block >= head.number:
            self._reorganised.append((now, self._block - head.number + 1))
        while self.lookout is not None and self.lookout.taken_back:
            self._reorganised.append((now, self.lookout.taken_back.popleft()))

    def _endpoints(self) -> list[EndpointStatus]:
        return [
            EndpointStatus(e.name, e.good, e.head.number if e.head else 0, e.lag, e.agrees, e.latency, e.error or "")
            for e in self.runner.endpoints.endpoints
        ]

    def _loop(self, worker: Worker) -> LoopStatus:
        beat = worker.beat
        age = max(0.0, self.clock() - beat.last_done)
        return LoopStatus(
            beat.rounds,
            int(beat.last_done),
            beat.last_error or "",
            beat.failures_in_a_row,
            self.runner.keeper.config.dry_run,
            seconds=beat.seconds,
            age=age,
        )

    def _transactions(self, now: float) -> list[TransactionStatus]:
        found = []
        for sender in self.runner.senders:
            for entry in sender.journal.transactions(("intent", "signed", "sent", "mined"), sender=sender.address):
                attempts = sender.journal.attempts(entry.id)
                found.append(
                    TransactionStatus(
                        entry.id,
                        entry.purpose,
                        entry.ref,
                        entry.nonce,
                        entry.state,
                        max(0.0, now - entry.created),
                        entry.hash or (attempts[-1].hash if attempts else ""),
                        attempts[-1].max_fee / 10**9 if attempts else None,
                        len(attempts),
                    )
                )
        return found

    # --------------------------------------------------------------------------------------------------------- work

    def _tell_work(self, now: int) -> None:
        keeper = self.runner.keeper
        held, last = keeper.held, keeper.last_post
        posting = self.runner.workers[0].beat
        if held is not None:
            signing = keeper.poster.signing
            self.board.update(
                report=ReportStatus(
                    held.sequence,
                    held.market_time,
                    max(0, now - held.oldest) if held.sequence else 0,
                    keeper.triggers.heartbeat,
                    held.params.max_age,
                    last.built.report.market_time if last is not None and last.ok and last.built else 0,
                    keeper.poster.failures,
                    (last.error or "") if last is not None else posting.last_error or "",
                    keeper.reasons,
                    self.quorum,
                    self.minimum if isinstance(keeper.source, LiveSource) else 0,
                )
            )
            if isinstance(signing, Peers):
                self.board.update(
                    signers=[
                        # keys that are here count beside the peers, and always answer
                        *(SignerStatus(f"key {address_of(key)}", ok=True) for key in signing.keys),
                        *(
                            SignerStatus(peer, not error, int(last_answer), error)
                            for peer, (last_answer, error) in (
                                (p, signing.heard.get(p, (0.0, ""))) for p in signing.peers
                            )
                        ),
                    ]
                )
        if isinstance(keeper.source, LiveSource):
            self.board.update(sources=[SourceStatus(**asdict(row)) for row in keeper.source.sources()])
        at = (self._block, *(worker.beat.rounds for worker in self.runner.workers))
        if self.lookout is not None and keeper.agent is not None and at != self._told_at:
            self._tell_accounts(self.lookout, now)
            self._told_at = at

    def _tell_accounts(self, lookout: Lookout, now: int) -> None:
        margins = dict(self.runner.keeper.margins)
        found = lookout.last
        index = lookout.index
        states = {state.name.lower(): 0 for state in State}
        for margin in margins.values():
            states[state_of(margin).name.lower()] += 1
        if found is not None:
            states["healthy"] += max(0, found.accounts - len(margins))
        self.board.update(
            accounts=AccountsStatus(
                0 if found is None else found.accounts,
                states,
                tuple(self._near(lookout, margins)),
                index.state.bad_debt / WAD,
                max(0, self._block - index.head),
                lookout.mismatch,
            ),
            auctions=self._auctions(lookout, margins, now),
        )

    def _near(self, lookout: Lookout, margins: dict[int, Assessment]) -> list[AccountStatus]:
        """The accounts nearest the edge, and since when nobody acts for those that are past it."""
        busy = {entry.ref for sender in self.runner.senders for entry in sender.under_way()}
        dead = {
            account
            for account, margin in margins.items()
            if state_of(margin) in {State.LIQUIDATABLE, State.INSOLVENT} and hex(account) not in busy
        }
        open_ones = set(lookout.last.open if lookout.last is not None else ())
        self._dead = {account: self._dead.get(account, self._block) for account in dead if account not in open_ones}
        worst = sorted(margins, key=lambda account: margins[account].equity_haircut - margins[account].mm)
        found = []
        for account in worst[:NEAREST]:
            margin = margins[account]
            ratio = margin.equity_haircut / margin.mm if margin.mm else None
            found.append(
                AccountStatus(
                    hex(account),
                    state_of(margin).name.lower(),
                    margin.equity_haircut / WAD,
                    margin.mm / WAD,
                    margin.im / WAD,
                    ratio,
                    None,
                    self._block - self._dead.get(account, self._block),
                )
            )
        return found

    def _auctions(self, lookout: Lookout, margins: dict[int, Assessment], now: int) -> list[AuctionStatus]:
        """The auctions under way; one that lapsed leaves no event, and is none any more."""
        with lookout.index.lock:
            known = dict(lookout.index.state.auctions)
        found = []
        for account, (started, ramp, start_discount) in known.items():
            if now > started + 2 * ramp:
                continue
            margin = margins.get(account)
            taken = self.runner.journal.transactions(("mined", "final"), purpose="bid", ref=hex(account), last=100)
            bids = sum(entry.error is None and entry.created >= started for entry in taken)
            equity = 0.0 if margin is None else margin.equity_full / WAD
            age = max(0, now - started)
            share = share_at(age, ramp, start_discount) / PPM
            found.append(AuctionStatus(hex(account), started, equity, share, bids, age))
        return found

    # --------------------------------------------------------------------------------------------------------- slow

    def _tell_slow(self) -> None:
        try:
            self._keys = [self._key(role, sender) for role, sender in zip(self.roles, self.runner.senders, strict=True)]
            self._storage("")
        except ChainError:
            return  # told of as an endpoint; what was known stands, and grows old
        except KeeperError as error:
            self._storage(str(error))
        self.board.update(
            keys=self._keys,
            relays=[
                RelayStatus(role, ok=not sender.relay_error, behind=sender.relay_behind(), error=sender.relay_error)
                for role, sender in zip(self.roles, self.runner.senders, strict=True)
                if sender.relay is not None
            ],
        )

    def _key(self, role: str, sender: Sender) -> KeyStatus:
        today = int(self.clock()) // DAY * DAY
        pending = sender.under_way()
        spent = sender.journal.spent(sender.address, today)
        return KeyStatus(
            role,
            sender.address,
            self.runner.keeper.reader.system.chain.balance(sender.address) / ETHER,
            max((entry.nonce + 1 for entry in pending), default=0),
            len(pending),
            spent / ETHER,
            sender.config.spend_per_day / ETHER,
        )

    def _storage(self, journal: str) -> None:
        folder = self.runner.journal.path.parent
        archive = self.runner.keeper.archive
        self.board.update(
            storage=StorageStatus(
                journal or self.runner.journal_error,
                "" if self.lookout is None else self.lookout.failing,
                "" if archive is None or _writable(archive.folder) else f"{archive.folder} cannot be written",
                float(shutil.disk_usage(folder).free),
            )
        )


def _writable(folder: Path) -> bool:
    return not folder.exists() or os.access(folder, os.W_OK)

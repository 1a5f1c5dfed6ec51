"""Chores that anyone may do and somebody must: what the protocol remembers, settles and collects goes by being called.

    trip      a breaker whose condition is met: what it stops should not wait
    note      what the insurance fund could pay, so that a breaker can tell that it fell
    touch     an index price once a lag, so that profit younger than it can be told
    observe   the index each minute of the half hour before an expiry that somebody holds
    propose   the settlement price once it has passed
    expire    accounts that hold what has settled
    settle    realised profit and loss of perps and futures, between `linear` and `cash`, losers first
    claim     the fund's part of interest, and `collect` what its account has, into the fund

Deciding is a pure function of numbers (`note_due`, `touch_due`, `bucket_due`, `proposal_due`, `settlement_due`);
`Upkeep` reads them and carries out. A chore that somebody else did first is refused there, recorded, and no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from plimsoll.chain.artifacts import load
from plimsoll.chain.contract import Contract, batch
from plimsoll.chain.deployment import System
from plimsoll.chain.errors import ChainError
from plimsoll.keeper.errors import KeeperError, SettingsError
from plimsoll.keeper.index.state import Series
from plimsoll.keeper.outbox import Awaited, DirectOutbox, Outbox, Ticket
from plimsoll.keeper.recorder import Recorder
from plimsoll.spec.errors import Refused
from plimsoll.spec.history import BUCKET, MIN_BUCKETS
from plimsoll.spec.instruments import FUTURE, WINDOW, id_of, unpack
from plimsoll.spec.wad import WAD

MOST: Final = 20  # accounts expired or settled in a round: a round must end


@dataclass(frozen=True, slots=True)
class UpkeepConfig:
    """How often, and from what amount on.

    Parameters
    ----------
    every
        Between looks at what is to be settled, claimed and collected [s].
    least
        Of an amount that is settled, claimed or collected [wad of quote]: it should be worth its gas.
    """

    every: int = 86_400
    least: int = 100 * WAD

    def __post_init__(self) -> None:
        if self.every <= 0 or self.least < 0:
            raise SettingsError("every above 0 and least at least 0 are right")


class Chore(NamedTuple):
    """One call that is due."""

    contract: Contract
    name: str
    args: tuple[Any, ...] = ()

    @property
    def ref(self) -> str:
        """What it is about, in the journal."""
        return ",".join(map(str, self.args))


@dataclass(frozen=True, slots=True)
class Done:
    """One chore that was done, or refused."""

    name: str
    gas: int = 0
    error: str | None = None
    under_way: bool = False  # sent, and not known yet what came of it


def note_due(now: int, window: int, noted: int, cover: int, peak: int) -> bool:
    """Whether the fund's cover is to be noted: it never was so high, or half of a window has passed since."""
    return cover > peak or now - noted >= window // 2


def touch_due(now: int, lag: int, newer_at: int) -> bool:
    """Whether an index price is to be remembered: the last one is a lag old, or there is none."""
    return lag > 0 and now - newer_at >= lag


def bucket_due(now: int, expiry: int, seen: Sequence[int]) -> bool:
    """Whether the minute that runs before an expiry lacks its price."""
    ahead = expiry - now
    return 0 < ahead <= WINDOW and seen[(WINDOW - ahead) // BUCKET] == 0


def proposal_due(now: int, expiry: int, ready_at: int, seen: Sequence[int], *, disputed: bool) -> bool:
    """Whether a settlement price can be proposed: after the expiry, once, where enough was seen."""
    return expiry <= now and not ready_at and not disputed and sum(price > 0 for price in seen) >= MIN_BUCKETS


def settlement_due(linear: int, now: int, lagged: int) -> int:
    """What a settlement would move [wad]: a loss as it stands, a gain at the worse of now and a lag ago."""
    return linear + now if linear + now < 0 else max(0, linear + min(now, lagged))


class Upkeep:
    """Looks what is due, and does it.

    Parameters
    ----------
    system
        The deployment.
    sender
        Who pays; every chore is open to anyone.
    recorder
        The journal.
    underlyings
        Which are touched.
    holders
        By (underlying, expiry): accounts that hold it, as `AccountWatcher` keeps them; may grow and shrink.
    config
        How often, and from what amount on.
    outbox
        Where transactions go; None: they are waited for.
    """

    def __init__(
        self,
        system: System,
        sender: str,
        recorder: Recorder,
        underlyings: Sequence[int],
        holders: Mapping[Series, set[int]] | None = None,
        config: UpkeepConfig | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        self.system = system
        self.sender = sender
        self.recorder = recorder
        self.underlyings = tuple(underlyings)
        self.holders = {} if holders is None else holders
        self.config = config or UpkeepConfig()
        self.outbox = outbox or DirectOutbox()
        self._sent: Awaited[Chore] = Awaited()
        self.unsettled: Callable[[], Sequence[int]] | None = None  # whom alone to ask about settling; None: everyone
        self._looked = 0  # when money was looked at last [unix s]
        self._lag: int | None = None
        self._breakers: Contract | None = None  # loading an artifact looks at every source
        self._noted = 0  # when the fund's cover was noted last [unix s]

    def plan(self, accounts: Sequence[int]) -> list[Chore]:
        """What is due: breakers first, then prices; they do not wait."""
        chores = [*self._trips(), *self._touches(), *self._series()]
        now = self.system.chain.now
        if now - self._looked >= self.config.every:
            asked = accounts if self.unsettled is None else self.unsettled()
            chores += [*self._settlements(asked), *self._income()]
            self._looked = now  # where the node failed, the next block looks again
        busy = self.outbox.busy(self.sender)
        return [chore for chore in chores if (chore.name, chore.ref) not in busy]

    def round(self, accounts: Sequence[int]) -> list[Done]:
        """Do what is due."""
        return [self.act(chore) for chore in self.plan(accounts)]

    def act(self, chore: Chore) -> Done:
        """Do one chore; never raises for what the chain or the node refuses."""
        try:
            ticket = self.outbox.send(
                chore.contract, chore.name, chore.args, sender=self.sender, purpose=chore.name, ref=chore.ref
            )
        except (Refused, ChainError, KeeperError) as error:
            return self._refused(chore, str(error))
        if not ticket.done:
            self._sent.add(chore, ticket)
            return Done(chore.name, under_way=True)
        return self._settled(chore, ticket)

    def collect(self) -> list[Done]:
        """What came of chores that were under way."""
        return [self._settled(*item) for item in self._sent.collect()]

    def _settled(self, chore: Chore, ticket: Ticket) -> Done:
        receipt = ticket.receipt
        if receipt is None:
            return self._refused(chore, ticket.error or "")
        now = self.system.chain.now
        self.recorder.record(chore.name, now, args=list(chore.args), gas=receipt.gas_used, hash=receipt.hash)
        return Done(chore.name, receipt.gas_used)

    def _refused(self, chore: Chore, why: str) -> Done:
        reason = why or "reverted without a reason"
        self.recorder.record(f"{chore.name}-failed", self.system.chain.now, args=list(chore.args), error=reason)
        return Done(chore.name, error=reason)

    def _trips(self) -> Iterator[Chore]:
        """Breakers that are due, and the fund's high-water mark, where the registry has breakers."""
        at = str(self.system.registry.call("breakers"))
        if int(at, 16) == 0:
            return
        if self._breakers is None or self._breakers.address != at:
            self._breakers = Contract(self.system.chain, at, load("Breakers"))
        breakers, now = self._breakers, self.system.chain.now
        trips, cover, peak, config = batch(
            self.system.chain,
            [
                breakers.request("due", list(self.underlyings)),
                self.system.fund.request("cover"),
                breakers.request("peak"),
                breakers.request("config"),
            ],
        )
        for kind, underlying in trips:
            yield Chore(breakers, "trip", (kind, underlying))
        if note_due(now, config.window, self._noted, cover, peak):
            self._noted = now
            yield Chore(breakers, "note")

    def _touches(self) -> Iterator[Chore]:
        history, now = self.system.history, self.system.chain.now
        if self._lag is None:
            self._lag = int(history.call("lag"))
        if self._lag == 0:
            return
        answers = batch(self.system.chain, [history.request("checkpoints", u) for u in self.underlyings])
        for underlying, found in zip(self.underlyings, answers, strict=True):
            if touch_due(now, self._lag, found[1]):
                yield Chore(history, "touch", (underlying,))

    def _series(self) -> Iterator[Chore]:
        """Observations, proposals and bookings of every series that somebody holds and that is about to expire."""
        history, now = self.system.history, self.system.chain.now
        keys = [key for key, accounts in self.holders.items() if accounts and key[1] - now <= WINDOW]
        asked = [history.request(name, *key) for key in keys for name in ("buckets", "settlement", "settled")]
        answers = batch(self.system.chain, asked)
        for k, key in enumerate(keys):
            seen, (_, ready_at, disputed), settled = answers[3 * k : 3 * k + 3]
            if bucket_due(now, key[1], seen):
                yield Chore(history, "observe", key)
            elif proposal_due(now, key[1], ready_at, seen, disputed=disputed):
                yield Chore(history, "propose", key)
            elif settled:
                for account in sorted(self.holders[key])[:MOST]:
                    yield Chore(self.system.clearinghouse, "expire", (account,))

    def _settlements(self, accounts: Sequence[int]) -> list[Chore]:
        """Accounts whose realised profit or loss is worth moving, the largest losses first."""
        book = self.system.clearinghouse
        accounts = [*accounts, int(self.system.fund.address, 16) << 96]  # fees of perps are there
        asked = [book.request(name, account) for account in accounts for name in ("ledger", "positions")]
        answers = batch(self.system.chain, asked)
        moving: dict[int, tuple[int, list[int]]] = {}
        for k, account in enumerate(accounts):
            ledger, words = answers[2 * k : 2 * k + 2]
            if isinstance(ledger, Refused) or isinstance(words, Refused):
                continue
            if ledger[1] != 0 or any(unpack(id_of(word)).kind <= FUTURE for word in words):
                moving[account] = ledger[1], list(words)
        history = self.system.history
        values = batch(self.system.chain, [history.request("variation", words) for _, words in moving.values()])
        due = sorted(
            (settlement_due(linear, *value), account)
            for (account, (linear, _)), value in zip(moving.items(), values, strict=True)
            if not isinstance(value, Refused)
        )
        return [Chore(book, "settle", (account,)) for amount, account in due if abs(amount) >= self.config.least][:MOST]

    def _income(self) -> Iterator[Chore]:
        book, fund = self.system.clearinghouse, self.system.fund
        (_, kept), (cash, _) = batch(
            self.system.chain, [book.request("pool"), book.request("ledger", int(fund.address, 16) << 96)]
        )
        if kept >= self.config.least:
            yield Chore(book, "claim")
        if cash + kept >= self.config.least:
            yield Chore(fund, "collect")

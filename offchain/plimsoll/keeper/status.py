"""What a keeper says of itself: a tree of plain values, served as JSON, judged by the alerts, drawn by `plimsoll top`.

Every field has a default, so that a part which nobody has filled in yet says nothing, and an older reader reads what a
newer keeper writes. Amounts are floats, for eyes and thresholds: [ether] of a key's balance, [quote] of an account.
Times are [unix s]; every field named `age` is in seconds and keeps growing after it was told: a `StatusBoard` adds the
time since. So a keeper that hangs is seen to hang, without its help. URLs and errors come without their secrets.

    Status
    +-- head                  the newest block, as the keeper believes it
    +-- endpoints[]           each RPC endpoint
    +-- loop, enforcing       the rounds that post, and those that call and liquidate
    +-- report                what the oracle holds, and what came of the last posts
    +-- keys[]                each account that pays
    +-- signers[], relays[]   who is asked to sign, and who is given transactions before everyone
    +-- sources[]             each source of prices
    +-- accounts              counts by state, and those near the edge
    +-- auctions[]            under way
    +-- transactions[]        not final yet
    +-- storage               journal, index, disk
    +-- alerts[]              what fires now
"""

from __future__ import annotations

import math
import threading
import time as clock
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from plimsoll import __version__
from plimsoll.chain.deployment import owner_of
from plimsoll.keeper.errors import KeeperError
from plimsoll.keeper.logs import SECRETS, public_url

AGE: Final = "age"
DAY: Final = 86_400
STATES: Final = ("healthy", "restricted", "called", "liquidatable", "insolvent")


class StatusError(KeeperError):
    """What was read is no status of a keeper."""


@dataclass(frozen=True, slots=True)
class HeadStatus:
    """The newest block; `reorganised`: blocks of the deepest reorganisation of the last hour."""

    number: int = 0
    hash: str = ""
    time: int = 0
    age: float = 0.0
    reorganised: int = 0


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """One RPC endpoint; `lag` [blocks] behind the best, `agrees`: it knows the same block under a number both have."""

    url: str = ""
    healthy: bool = True
    head: int = 0
    lag: int = 0
    agrees: bool = True
    latency: float | None = None  # [s]
    error: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", public_url(self.url))


@dataclass(frozen=True, slots=True)
class LoopStatus:
    """Rounds of one thread; `age` since the last one ended, `halted` why it will not run another."""

    rounds: int = 0
    last_round: int = 0
    last_error: str = ""
    failures_in_a_row: int = 0
    dry_run: bool = False
    halted: str = ""
    seconds: float = 0.0  # that the last round took
    age: float = 0.0


@dataclass(frozen=True, slots=True)
class ReportStatus:
    """What the oracle holds; `refused`: posts refused in a row, `minimum`: good sources that a price takes."""

    sequence: int = 0
    market_time: int = 0
    age: float = 0.0
    heartbeat: int = 0
    max_age: int = 0  # [s] from when on only risk reduction is allowed
    last_post: int = 0
    refused: int = 0
    last_error: str = ""
    reasons: tuple[str, ...] = ()
    quorum: int = 0
    minimum: int = 0


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """An account that pays [ether]; `per_day`: spent in a day, measured or expected; `cap`: the most it may spend."""

    role: str = ""
    address: str = ""
    balance: float = 0.0
    nonce: int = 0
    pending: int = 0
    spent_today: float = 0.0
    cap: float | None = None
    per_day: float | None = None

    @property
    def days_left(self) -> float | None:
        """How long the balance lasts; None where nothing is known to be spent."""
        spends = max(self.per_day or 0.0, self.spent_today)
        return self.balance / spends if spends > 0 else None


@dataclass(frozen=True, slots=True)
class SignerStatus:
    """A risk node that is asked, or a key that signs here."""

    name: str = ""
    ok: bool = True
    last_answer: int = 0
    error: str = ""

    def __post_init__(self) -> None:
        if "://" in self.name:
            object.__setattr__(self, "name", public_url(self.name))


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """A relay that transactions go to before everyone; `behind`: those it has not brought into a block."""

    name: str = ""
    ok: bool = True
    last_answer: int = 0
    behind: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """A source of prices of one market; `used` in the last median, else `dropped` says why not."""

    name: str = ""
    market: str = ""
    kind: str = ""
    price: float | None = None
    time: float = 0
    age: float = 0.0
    used: bool = True
    dropped: str = ""
    failures: int = 0


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """An account near the edge [quote]; `waiting`: blocks since a step of it was due that nobody took."""

    account: str = ""
    state: str = ""
    equity: float = 0.0
    mm: float = 0.0
    im: float = 0.0
    ratio: float | None = None  # equity over MM
    probability: float | None = None
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class AccountsStatus:
    """All accounts: how many are known, in which state; the nearest; bad debt on record [quote]."""

    indexed: int = 0
    states: Mapping[str, int] = field(default_factory=dict)
    near: tuple[AccountStatus, ...] = ()
    bad_debt: float = 0.0
    behind: int = 0  # blocks that the index has not read
    mismatch: str = ""  # where the index differs from the chain


@dataclass(frozen=True, slots=True)
class AuctionStatus:
    """An auction under way; `discount`: how much of the whole discount is given by now, 1 is all of it."""

    account: str = ""
    started: int = 0
    equity: float = 0.0
    discount: float = 0.0
    bids: int = 0
    age: float = 0.0


@dataclass(frozen=True, slots=True)
class TransactionStatus:
    """A transaction that is not final; `max_fee` [gwei], `attempts` how often it was signed."""

    id: int = 0
    purpose: str = ""
    ref: str = ""
    nonce: int = 0
    state: str = ""
    age: float = 0.0
    hash: str = ""
    max_fee: float | None = None
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class StorageStatus:
    """What must be on disk; `free` [bytes] where the journal stands."""

    journal: str = ""  # error
    index: str = ""  # error
    archive: str = ""  # error
    free: float | None = None


@dataclass(frozen=True, slots=True)
class AlertStatus:
    """An alert that fires."""

    name: str = ""
    severity: str = ""
    text: str = ""
    since: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """A keeper at one time.

    `skew` [s]: how far its clock runs ahead of the others'. `silent` [s]: since it last told anything of itself.
    """

    version: str = __version__
    chain_id: int = 0
    time: int = 0
    started: int = 0
    skew: float | None = None
    silent: float = 0.0
    head: HeadStatus = HeadStatus()
    endpoints: tuple[EndpointStatus, ...] = ()
    loop: LoopStatus = LoopStatus()
    enforcing: LoopStatus | None = None
    report: ReportStatus = ReportStatus()
    keys: tuple[KeyStatus, ...] = ()
    signers: tuple[SignerStatus, ...] = ()
    relays: tuple[RelayStatus, ...] = ()
    sources: tuple[SourceStatus, ...] = ()
    accounts: AccountsStatus = AccountsStatus()
    auctions: tuple[AuctionStatus, ...] = ()
    transactions: tuple[TransactionStatus, ...] = ()
    storage: StorageStatus = StorageStatus()
    alerts: tuple[AlertStatus, ...] = ()

    def to_plain(self) -> dict[str, Any]:
        """The tree as JSON has it: no secret, no number that JSON does not know."""
        plain = SECRETS.plain(_finite(_tree(self)))
        assert isinstance(plain, dict)  # noqa: S101 - a tree's trunk is one
        return plain

    @classmethod
    def from_plain(cls, plain: Any) -> Status:
        """The tree that `to_plain` wrote, here or in another version.

        Raises
        ------
        StatusError
            It is none.
        """
        if not isinstance(plain, Mapping) or "version" not in plain:
            raise StatusError("no status of a keeper: it names no version")
        try:
            return _ADAPTER.validate_python(plain)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "status"
            raise StatusError(f"no status of a keeper: {where}: {first['msg']}") from error


PARTS: Final = frozenset(item.name for item in fields(Status))


def _tree(value: Any) -> Any:
    """Data classes as mappings; fields with slots have no `__dict__` to go by."""
    if is_dataclass(value):
        return {item.name: _tree(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, (tuple, list)):
        return [_tree(item) for item in value]
    return value


def _finite(value: Any) -> Any:
    """The same without numbers that are none: such a field is left out, and read as its default."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items() if not isinstance(item, float) or math.isfinite(item)}
    return [_finite(item) for item in value] if isinstance(value, list) else value


def older(part: Any, seconds: float) -> Any:
    """A part of a status so many seconds later: every `age` in it has grown."""
    if isinstance(part, tuple):
        return tuple(older(item, seconds) for item in part)
    if not is_dataclass(part) or isinstance(part, type):
        return part
    changed: dict[str, Any] = {}
    for item in fields(part):
        held = getattr(part, item.name)
        if item.name == AGE:
            changed[item.name] = held + seconds
        elif isinstance(held, tuple) or is_dataclass(held):
            changed[item.name] = older(held, seconds)
    return replace(part, **changed) if changed else part


def account_text(account: str) -> str:
    """An account as people write it, and `plimsoll account` reads it: its owner's address and its number."""
    try:
        number = int(account, 16)
    except ValueError:
        return account
    return f"{owner_of(number)}:{number % 2**96}" if 0 < number >> 96 < 2**160 else account


class StatusBoard:
    """Where a keeper's threads write what they know, part by part, and whoever asks reads it all, aged.

        board = StatusBoard(chain_id=1337)
        board.update(head=HeadStatus(...), report=ReportStatus(...))   # the thread that posts
        board.update(accounts=AccountsStatus(...), auctions=(...))     # the one that enforces
        board.current().to_plain()                                     # a request, at any time

    Parameters
    ----------
    monotonic, wall
        In place of the process's clocks.
    parts
        What is known from the beginning.
    """

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = clock.monotonic,
        wall: Callable[[], float] = clock.time,
        **parts: Any,
    ) -> None:
        self._monotonic, self._wall = monotonic, wall
        self._lock = threading.Lock()
        self._parts: dict[str, tuple[float, Any]] = {}
        self._alerts: Callable[[], Sequence[AlertStatus]] = tuple
        self.started = int(wall())
        # until a first round ends, what there is grows old as if one had ended at the start: a keeper that hangs
        # before it is seen too
        self.update(**{"loop": LoopStatus(), **parts})

    def update(self, **parts: Any) -> None:
        """Tell parts of the status, each whole; lists may stand for tuples.

        Raises
        ------
        TypeError
            There is no such part.
        """
        strangers = parts.keys() - PARTS
        if strangers:
            raise TypeError(f"{', '.join(sorted(strangers))}: no part of a status; {', '.join(sorted(PARTS))} are")
        now = self._monotonic()
        with self._lock:
            for name, part in parts.items():
                self._parts[name] = (now, tuple(part) if isinstance(part, list) else part)

    def alerted_by(self, alerts: Callable[[], Sequence[AlertStatus]]) -> None:
        """Who is asked for the alerts that fire."""
        self._alerts = alerts

    def current(self) -> Status:
        """The whole, as old as it is now."""
        now = self._monotonic()
        with self._lock:
            held = dict(self._parts)
        grown = {name: older(part, now - told) for name, (told, part) in held.items()}
        last = max(told for told, _ in held.values())
        seen = {"time": int(self._wall()), "silent": now - last, "alerts": tuple(self._alerts())}
        return Status(**{"started": self.started, **grown, **seen})


_ADAPTER: Final = TypeAdapter(Status)

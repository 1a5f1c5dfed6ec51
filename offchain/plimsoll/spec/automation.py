"""What is due, for networks that call contracts. Twin of `contracts/Automation.vy`.

The contract's checks in its order, its log; it has no state. `now` stands for `block.timestamp`. Gas is not modelled:
the twin never stops for want of it.

    account     E_h >= IM                          in auction                        CLOSE
                E_m < 0 or E_h < MM                in one begun before a stop        START, once nothing is stopped
                E_m < 0                            in none                           START, likewise
                E_h < call line                    not called                        CALL
                                                   call ripe, and E_h < MM           START, likewise
                                                   past its deadline                 START, likewise
                |loss - record| > 1/20 of the greater, and nothing of the above      RECORD
    breaker     due                                                                  TRIP
    cover       floor(cover x 0.99) > high-water mark                                NOTE
    index       the last price remembered is a lag old                               TOUCH
    series      the minute that runs has no price                                    OBSERVE
                past, ten minutes seen, nothing proposed nor disputed                PROPOSE
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from plimsoll.spec.book import Book
from plimsoll.spec.breakers import Breakers
from plimsoll.spec.errors import Refused, require
from plimsoll.spec.events import Event
from plimsoll.spec.feed import IndexFeed
from plimsoll.spec.history import BUCKET, MIN_BUCKETS
from plimsoll.spec.instruments import WINDOW
from plimsoll.spec.liquidator import Liquidator
from plimsoll.spec.wad import PPM, mul_div_down

NAME: Final = "Automation"
CALL: Final = 0
START: Final = 1
CLOSE: Final = 2
RECORD: Final = 3
TRIP: Final = 4
NOTE: Final = 5
TOUCH: Final = 6
OBSERVE: Final = 7
PROPOSE: Final = 8
ACTIONS: Final = ("call", "start", "close", "record", "trip", "note", "touch", "observe", "propose")

MAX_ACCOUNTS: Final = 64
MAX_UNDERLYINGS: Final = 32
MAX_SERIES: Final = 16
MAX_STEPS: Final = 10
DRIFT: Final = 50_000  # [ppm] that a loss on record may be off
RISE: Final = 10_000  # [ppm] that cover may be over its high-water mark

CHECK_TYPES: Final = ("uint256[]", "uint16[]", "(uint16,uint40)[]")
STEP_TYPES: Final = ("(uint256,uint256,uint256)[]",)
NOTHING_DUE: Final = b"automation: nothing is due"
PERFORM: Final = keccak(text="performUpkeep(bytes)")[:4]


class Step(NamedTuple):
    """One step: what, of which account or underlying, and the kind of breaker or the expiry, else zero."""

    action: int
    subject: int
    detail: int = 0


def check_data(
    accounts: Sequence[int] = (), underlyings: Sequence[int] = (), series: Sequence[tuple[int, int]] = ()
) -> bytes:
    """What a network is told to look at: accounts, underlyings, (underlying, expiry) pairs.

    Raises
    ------
    Refused
        Where the contract would take no more than a part of them.
    """
    fits = len(accounts) <= MAX_ACCOUNTS and len(underlyings) <= MAX_UNDERLYINGS and len(series) <= MAX_SERIES
    require(fits, "")
    return abi_encode(CHECK_TYPES, (list(accounts), list(underlyings), list(series)))


def perform_data(steps: Sequence[Step]) -> bytes:
    """What `performUpkeep` takes."""
    return abi_encode(STEP_TYPES, ([tuple(step) for step in steps],))


class Automation:
    """The rules of one `Automation`.

    Parameters
    ----------
    book, liquidator
        As its constructor's.
    breakers
        The twin of what the registry names its breakers, where it names any.
    feed
        The book's.
    """

    def __init__(self, book: Book, liquidator: Liquidator, breakers: Breakers, feed: IndexFeed) -> None:
        self.book = book
        self.liquidator = liquidator
        self.feed = feed
        self._breakers = breakers
        self.log: list[Event] = []

    # ------------------------------------------------------------------------------------------------ to perform

    def performUpkeep(self, performData: bytes, *, now: int) -> None:
        """Take the steps that are named and still due; refused where that is none."""
        steps = _decoded(performData)
        taken = [self._perform(step, now) for step in steps]
        require(any(taken), "automation: nothing was done")
        for step, done in zip(steps, taken, strict=True):
            self.log.append(Event(NAME, "StepTaken" if done else "StepRefused", step._asdict()))

    # ------------------------------------------------------------------------------------------------- to look

    def checkUpkeep(self, checkData: bytes, now: int) -> tuple[bool, bytes]:
        """Whether anything is due, and what to give to `performUpkeep`."""
        steps = self.due(checkData, now)
        return (True, perform_data(steps)) if steps else (False, b"")

    def checker(self, checkData: bytes, now: int) -> tuple[bool, bytes]:
        """Whether anything is due, and the whole call of `performUpkeep`; else why there is none."""
        steps = self.due(checkData, now)
        return (True, PERFORM + abi_encode(["bytes"], [perform_data(steps)])) if steps else (False, NOTHING_DUE)

    def due(self, checkData: bytes, now: int) -> tuple[Step, ...]:
        """The steps that are due, breakers and prices first; the first ten."""
        accounts: Sequence[int] = ()
        underlyings: Sequence[int] = [u for u in self.feed.underlyings() if u < 2**16][:MAX_UNDERLYINGS]
        series: Sequence[tuple[int, int]] = ()
        if checkData:
            accounts, underlyings, series = _checked(checkData)
        until = max(self.book.registry.stops() >> 128, self.feed.grace_until(now))
        steps = [
            *(self._trips(underlyings, now) if underlyings else ()),
            *(Step(TOUCH, u) for u in underlyings if self._is_touch_due(u, now) and self._is_usable(u, now)),
            *(Step(action, *key) for key in series if (action := self._of_series(*key, now)) is not None),
            *(Step(action, who) for who in accounts if (action := self._of_account(who, until, now)) is not None),
        ]
        return tuple(steps[:MAX_STEPS])

    # ------------------------------------------------------------------------------------------------- internal

    def _trips(self, underlyings: Sequence[int], now: int) -> list[Step]:
        if not self.book.registry.breakers:
            return []
        found = [Step(TRIP, underlying, kind) for kind, underlying in self._breakers.due(underlyings, now)]
        return [*found, *([Step(NOTE, 0)] if self._is_note_due(now) else ())]

    def _is_note_due(self, now: int) -> bool:
        return mul_div_down(self._breakers.fund.cover(), PPM - RISE, PPM) > self._breakers.peak(now)

    def _is_touch_due(self, underlying: int, now: int) -> bool:
        history = self.book.history
        return history.lag > 0 and now - history.checkpoints(underlying).newer_at >= history.lag

    def _is_usable(self, underlying: int, now: int) -> bool:
        try:
            self.feed.price(underlying, now)
        except Refused:
            return False
        return True

    def _of_series(self, underlying: int, expiry: int, now: int) -> int | None:
        """What is due for a series."""
        if now + WINDOW < expiry:
            return None
        history = self.book.history
        seen = history.buckets(underlying, expiry)
        if now < expiry:
            is_missing = seen[(now + WINDOW - expiry) // BUCKET] == 0
            return OBSERVE if is_missing and self._is_usable(underlying, now) else None
        price, _, is_disputed = history.settlement(underlying, expiry)
        is_open = expiry > 0 and price == 0 and not is_disputed
        return PROPOSE if is_open and sum(item != 0 for item in seen) >= MIN_BUCKETS else None

    def _of_account(self, account: int, until: int, now: int) -> int | None:
        """What is due for an account."""
        try:
            found = self.book.margin(account, now)
        except Refused:
            return None
        is_running = now >= until
        is_under = found.equity_full < 0 or found.equity_haircut < found.mm
        opened = self.liquidator.auction(account, now)
        if opened:
            if found.equity_haircut >= found.im:
                return CLOSE
            if opened < until and is_running and is_under:
                return START
        elif found.equity_full < 0:
            if is_running:
                return START
        elif found.equity_haircut < found.call_line:
            ripe = self.liquidator.ripe(account, now)
            if not ripe:
                return CALL
            due_at = ripe if is_under else self.liquidator.deadline(account, now)
            if is_running and now > due_at:
                return START
        return RECORD if self._is_record_due(account, found.equity_full) else None

    def _is_record_due(self, account: int, equity: int) -> bool:
        loss, recorded = max(-equity, 0), self.liquidator.recorded(account)
        return abs(loss - recorded) > mul_div_down(max(loss, recorded), DRIFT, PPM)

    def _perform(self, step: Step, now: int) -> bool:
        """Take a step; whether it did anything."""
        action, subject, detail = step
        liquidator, history = self.liquidator, self.book.history
        if action in {CALL, START, CLOSE}:
            take = (liquidator.call, liquidator.start, liquidator.close)[action]
            return _tried(lambda: take(subject, now=now))
        if action == RECORD:
            before = liquidator.recorded(subject)
            return _tried(lambda: liquidator.record(subject, now=now)) and liquidator.recorded(subject) != before
        if action > PROPOSE or subject >= 2**16:
            return False
        if action == TOUCH:
            return self._is_touch_due(subject, now) and _tried(lambda: history.touch(subject, now=now))
        if action in {TRIP, NOTE}:
            breakers = self._breakers
            if not self.book.registry.breakers or detail >= 2**8:
                return False
            if action == NOTE:
                return self._is_note_due(now) and _tried(lambda: breakers.note(now=now))
            return _tried(lambda: breakers.trip(detail, subject, now=now))
        if detail >= 2**40:
            return False
        of_series = history.observe if action == OBSERVE else history.propose
        return _tried(lambda: of_series(subject, detail, now=now))


def _tried(step: Callable[[], None]) -> bool:
    """Whether a step passes; one that does not leaves everything as it was."""
    try:
        step()
    except Refused:
        return False
    return True


def _decoded(data: bytes) -> list[Step]:
    try:
        (found,) = abi_decode(STEP_TYPES, data)
    except DecodingError as error:
        raise Refused("") from error
    require(len(found) <= MAX_STEPS, "")
    return [Step(*item) for item in found]


def _checked(data: bytes) -> tuple[Sequence[int], Sequence[int], Sequence[tuple[int, int]]]:
    try:
        accounts, underlyings, series = abi_decode(CHECK_TYPES, data)
    except DecodingError as error:
        raise Refused("") from error
    require(len(accounts) <= MAX_ACCOUNTS and len(underlyings) <= MAX_UNDERLYINGS and len(series) <= MAX_SERIES, "")
    return accounts, underlyings, series

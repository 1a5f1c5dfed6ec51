"""Stops that a rule brings, and that end by themselves. Twin of `contracts/Breakers.vy`.

The contract's checks in its order, its log, its state. `sender` and `now` stand for `msg.sender` and `block.timestamp`.

    MOVE        floor(|live - lagged| / lagged) > move                          no new risk in the underlying
    VOLATILITY  posted volatility > volatility                                  likewise
    DRAWDOWN    what the fund could pay < floor(cover x the most it could)      no new risk
    OUTFLOW     floor(used / outflow cap) > outflow                             no leaving

The most that the fund could pay is what was noted in this window and the one before.

A breaker trips while its condition holds and less than half of such a stop is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Final, NamedTuple

from plimsoll.spec import authority
from plimsoll.spec.authority import NOBODY, Guardians
from plimsoll.spec.book import Book
from plimsoll.spec.errors import Refused, require
from plimsoll.spec.events import Event
from plimsoll.spec.fund import InsuranceFund
from plimsoll.spec.registry import LEAVE, RISK, unpack_pool_limits
from plimsoll.spec.report import unpack_scalars
from plimsoll.spec.wad import PPM, mul_div_down

NAME: Final = "Breakers"
MOVE: Final = 0
VOLATILITY: Final = 1
DRAWDOWN: Final = 2
OUTFLOW: Final = 3

MAX_UNDERLYINGS: Final = 64
MOST: Final = 2**112 - 1  # [wad] of cover that is kept
NO_CAP: Final = 2**96 - 1
DURATION: Final = (300, 86_400)  # [s]


@dataclass(frozen=True, slots=True)
class Limits:
    """When breakers trip, and for how long. Twin of the contract's `Config`."""

    move: int = 150_000  # [ppm] of the price of `lag` ago
    volatility: int = 3_000_000  # [ppm a year]
    cover: int = 700_000  # [ppm] of the fund's high-water mark
    outflow: int = 900_000  # [ppm] of the outflow cap
    window: int = 86_400  # [s] of the high-water mark
    risk_duration: int = 3_600  # [s]
    leave_duration: int = 3_600  # [s]


LEAST: Final = Limits(20_000, 500_000, 0, 500_000, 3_600, *[DURATION[0]] * 2)
GREATEST: Final = Limits(10**6, 10**8, 900_000, 10**6, 30 * 86_400, *[DURATION[1]] * 2)


class Finding(NamedTuple):
    """Whether a breaker trips, what it found, and its limit."""

    is_due: bool
    found: int
    limit: int


class Breakers:
    """The state of one `Breakers`."""

    def __init__(
        self, address: int, owner: int, book: Book, fund: InsuranceFund, guardians: Guardians = NOBODY
    ) -> None:
        self.address = address
        self.owner = owner
        self.guardians = guardians
        self.book = book
        self.fund = fund
        self.peaks = (0, 0, 0)  # number of the window, most of the one before, most of this one [wad]
        self.log: list[Event] = []
        self.config = Limits(0, 0, 0, 0, 0, 0, 0)
        self._configure(Limits())

    def set_config(self, config: Limits, *, sender: int) -> None:
        """Limits, and how long a stop lasts."""
        authority.check(self.owner, sender, False, self.guardians)
        self._configure(config)

    def note(self, *, now: int) -> None:
        """What the fund could pay now, for its high-water mark."""
        cover = min(self.fund.cover(), MOST)
        older, newer = self._marks(now)
        self.peaks = now // self.config.window, older, max(newer, cover)
        self._emit("CoverNoted", cover=cover, peak=self.peak(now))

    def trip(self, kind: int, underlying: int, *, now: int) -> None:
        """Stop what a breaker stops, where its condition is met and less than half of such a stop is left."""
        finding = self._finding(kind, underlying, now)
        require(finding.is_due, "breakers: nothing to stop")
        until = now + self._duration(kind)
        registry = self.book.registry
        if kind in {MOVE, VOLATILITY}:
            registry.stop_underlying(underlying, until, sender=self.address, now=now)
        else:
            registry.stop(LEAVE if kind == OUTFLOW else RISK, until, sender=self.address, now=now)
        self._emit("Tripped", kind=kind, underlying=underlying, found=finding.found, limit=finding.limit, until=until)

    def due(self, underlyings: Sequence[int], now: int) -> tuple[tuple[int, int], ...]:
        """What `trip` would stop now: kind and underlying, zero where the breaker is for all."""
        asked = [(kind, underlying) for underlying in underlyings for kind in (MOVE, VOLATILITY)]
        return tuple(trip for trip in [*asked, (DRAWDOWN, 0), (OUTFLOW, 0)] if self._finding(*trip, now).is_due)

    def peak(self, now: int) -> int:
        """High-water mark of what the fund could pay, as noted in this window and the one before [wad]."""
        return max(self._marks(now))

    def _finding(self, kind: int, underlying: int, now: int) -> Finding:
        registry, config = self.book.registry, self.config
        if kind == MOVE:
            limit, found, end = config.move, self._move(underlying, now), registry.underlying_stop(underlying)
        elif kind == VOLATILITY:
            limit, end = config.volatility, registry.underlying_stop(underlying)
            found = unpack_scalars(self.book.oracle.scalars.get(underlying, 0)).volatility
        elif underlying != 0 or kind > OUTFLOW:
            return Finding(False, 0, 0)
        elif kind == DRAWDOWN:
            limit = mul_div_down(self.peak(now), config.cover, PPM)
            found, end = self.fund.cover(), registry.ends.get(RISK, 0)
        else:
            limit, found, end = config.outflow, self._outflow(now), registry.ends.get(LEAVE, 0)
        is_met = found < limit if kind == DRAWDOWN else found > limit
        return Finding(is_met and end < now + self._duration(kind) // 2, found, limit)

    def _duration(self, kind: int) -> int:
        return self.config.leave_duration if kind == OUTFLOW else self.config.risk_duration

    def _move(self, underlying: int, now: int) -> int:
        """How far the live index is from the one of `lag` ago [ppm], down; zero where either is not known."""
        history = self.book.history
        try:
            live = self.book.feed.price(underlying, now)[0]
        except Refused:
            return 0
        known = history.checkpoints(underlying)
        price = known.newer if now - known.newer_at >= history.lag else known.older
        return mul_div_down(abs(live - price), PPM, price) if price else 0

    def _outflow(self, now: int) -> int:
        """Part of the outflow cap that is used [ppm], down; zero without a cap."""
        limits = unpack_pool_limits(self.book.registry.pool_limits())
        if limits.outflow_cap == NO_CAP:
            return 0
        left, since = self.book.flowed
        drained = mul_div_down(limits.outflow_cap, now - since, limits.outflow_window)
        return mul_div_down(max(left - drained, 0), PPM, limits.outflow_cap)

    def _marks(self, now: int) -> tuple[int, int]:
        """Most that the fund could pay, in the window before and in this one [wad], as noted."""
        number, older, newer = self.peaks
        passed = now // self.config.window - number
        if passed == 0:
            return older, newer
        return (newer, 0) if passed == 1 else (0, 0)

    def _configure(self, config: Limits) -> None:
        in_range = all(
            low <= value <= high
            for low, value, high in zip(astuple(LEAST), astuple(config), astuple(GREATEST), strict=True)
        )
        require(in_range, "breakers: config out of range")
        self._emit("ConfigSet", old=astuple(self.config), new=astuple(config))
        if config.window != self.config.window:
            self.peaks = (0, 0, 0)
        self.config = config

    def _emit(self, name: str, **args: object) -> None:
        self.log.append(Event(NAME, name, args))

"""Margin calls and Dutch auctions. Twin of `contracts/Liquidator.vy` and `contracts/modules/dutch_auction.vy`.

With t seconds since the start of an auction, at the account's E_m, E_h, MM and IM of the moment:

    share     = min(1, start_discount + (1 - start_discount) t / ramp)     [ppm] down: it only grows
    discount  = min(ceil((E_m - E_h + MM) share), E_m)                     [wad] up: for the bidder
    cap       = min(1, ceil((IM - E_h) / (E_m - discount + IM - E_h)))     [wad] up: what brings E_h back to IM
    payment   = floor(fraction (E_m - discount))                           [wad] down: what the account receives

A call lapses one call period after its deadline, an auction one ramp after its discount is whole; both keep the
configuration they began with.
"""

from __future__ import annotations

from typing import Final

from plimsoll.spec.book import Book
from plimsoll.spec.errors import require
from plimsoll.spec.events import Event
from plimsoll.spec.margin import Assessment
from plimsoll.spec.wad import PPM, WAD, mul_div_down, mul_div_up

NAME: Final = "Liquidator"
CALL_PERIOD: Final = (300, 7 * 86_400)  # [s]
RAMP: Final = (60, 86_400)  # [s]
MAX_START: Final = 500_000  # [ppm]


def share_at(elapsed: int, ramp: int, start_discount: int) -> int:
    """How much of the whole discount is given after `elapsed` seconds [ppm]."""
    if elapsed >= ramp:
        return PPM
    return start_discount + mul_div_down(PPM - start_discount, elapsed, ramp)


def discount_of(found: Assessment, share: int) -> int:
    """What the auction takes off E_m [wad]; no more than all of it."""
    return min(mul_div_up(found.equity_full - found.equity_haircut + found.mm, share, PPM), found.equity_full)


def cap_of(found: Assessment, discount: int) -> int:
    """The fraction [wad] that brings the account back to initial margin, all of it where nothing less does."""
    need = found.im - found.equity_haircut
    return min(mul_div_up(need, WAD, found.equity_full - discount + need), WAD)


def payment_for(found: Assessment, discount: int, fraction: int) -> int:
    """What the account receives for a fraction of itself [wad]."""
    return mul_div_down(found.equity_full - discount, fraction, WAD)


class Liquidator:
    """The state of one `Liquidator`."""

    def __init__(self, address: int, owner: int, book: Book) -> None:
        self.address = address
        self.owner = owner
        self.book = book
        self.auctions: dict[int, tuple[int, int, int]] = {}  # start [s], ramp [s], start discount [ppm]
        self.calls: dict[int, tuple[int, int]] = {}  # deadline [s], when it lapses [s]
        self.log: list[Event] = []
        self._configure(3_600, 3_600, 50_000)

    def set_config(self, call_period: int, ramp: int, start_discount: int, *, sender: int) -> None:
        """How long a call lasts [s], how long the discount grows [s], where it starts [ppm of its end]."""
        require(sender == self.owner, "ownable: caller is not the owner")
        self._configure(call_period, ramp, start_discount)

    def call(self, account: int, *, now: int) -> None:
        """Call an account under its call line and not under maintenance margin."""
        require(not self.auction(account, now), "liquidator: already in auction")
        require(not self.deadline(account, now), "liquidator: already called")
        found = self.book.margin(account, now)
        require(
            found.mm <= found.equity_haircut < found.call_line and found.equity_full >= 0,
            "liquidator: not under the call line",
        )
        deadline = now + self.call_period
        self.calls[account] = (deadline, deadline + self.call_period)
        self._emit("Called", account=account, deadline=deadline)

    def cure(self, account: int, *, now: int) -> None:
        """End the call of an account at or over its call line."""
        require(self.deadline(account, now) != 0, "liquidator: not called")
        found = self.book.margin(account, now)
        require(found.equity_haircut >= found.call_line, "liquidator: not curable")
        self.calls.pop(account)
        self._emit("Cured", account=account)

    def start(self, account: int, *, now: int) -> None:
        """Open the auction of an account under maintenance margin, or of one whose call ran out uncured."""
        require(not self.auction(account, now), "liquidator: already in auction")
        found = self.book.margin(account, now)
        ran_out = 0 != self.deadline(account, now) < now and found.equity_haircut < found.call_line
        require(
            ran_out or found.equity_haircut < found.mm or found.equity_full < 0,
            "liquidator: not liquidatable",
        )
        self.calls.pop(account, None)
        self.auctions[account] = (now, self.ramp, self.start_discount)
        self._emit("AuctionStarted", account=account, equity=found.equity_full, mm=found.mm)

    def bid(
        self, account: int, bidder: int, fraction: int, max_payment: int, *, sender: int, now: int
    ) -> tuple[int, int]:
        """Take a fraction [wad] of an account into the bidder's; what was taken and paid [wad]."""
        require(account != bidder, "liquidator: bidder is the account")
        require(self.book.may_act(bidder, sender), "liquidator: not the bidder's account")
        require(self.auction(account, now) != 0, "liquidator: no auction")
        require(fraction > 0, "liquidator: zero fraction")
        before = self.book.margin(account, now)
        require(before.equity_full >= 0, "liquidator: insolvent")
        require(before.equity_haircut < before.im, "liquidator: not liquidatable")
        taken, payment, discount = self._terms(before, account, now, fraction)
        require(payment <= max_payment, "liquidator: payment over the bidder's limit")
        self.book.seize(account, bidder, taken, payment, sender=self.address, now=now)
        self._emit("BidTaken", account=account, bidder=bidder, fraction=taken, payment=payment, discount=discount)
        after = self.book.margin(account, now)
        if after.equity_haircut >= after.im:
            self._close(account)
        return taken, payment

    def close(self, account: int, *, now: int) -> None:
        """End the auction of an account at or over initial margin."""
        require(self.auction(account, now) != 0, "liquidator: no auction")
        found = self.book.margin(account, now)
        require(found.equity_haircut >= found.im, "liquidator: still below initial margin")
        self._close(account)

    def quote(self, account: int, fraction: int, now: int) -> tuple[int, int, int]:
        """What a bid would take, pay, and the discount now [wad]; zeros where no bid can be."""
        if not self.auction(account, now):
            return 0, 0, 0
        found = self.book.margin(account, now)
        if found.equity_full < 0 or found.equity_haircut >= found.im:
            return 0, 0, 0
        return self._terms(found, account, now, fraction)

    def auction(self, account: int, now: int) -> int:
        """When the account's auction began [s]; zero where there is none, or it lapsed."""
        start, ramp, _ = self.auctions.get(account, (0, 0, 0))
        return 0 if now > start + 2 * ramp else start

    def deadline(self, account: int, now: int) -> int:
        """When the account's margin call runs out [s]; zero where there is none, or it lapsed."""
        deadline, lapses = self.calls.get(account, (0, 0))
        return 0 if now > lapses else deadline

    def _terms(self, found: Assessment, account: int, now: int, wanted: int) -> tuple[int, int, int]:
        start, ramp, start_discount = self.auctions[account]
        discount = discount_of(found, share_at(now - start, ramp, start_discount))
        fraction = min(wanted, cap_of(found, discount))
        return fraction, payment_for(found, discount, fraction), discount

    def _configure(self, call_period: int, ramp: int, start_discount: int) -> None:
        require(
            CALL_PERIOD[0] <= call_period <= CALL_PERIOD[1]
            and RAMP[0] <= ramp <= RAMP[1]
            and 0 <= start_discount <= MAX_START,
            "liquidator: config out of range",
        )
        self.call_period = call_period
        self.ramp = ramp
        self.start_discount = start_discount
        self._emit("ConfigSet", call_period=call_period, ramp=ramp, start_discount=start_discount)

    def _close(self, account: int) -> None:
        self.auctions.pop(account)
        self._emit("AuctionClosed", account=account)

    def _emit(self, name: str, **args: object) -> None:
        self.log.append(Event(NAME, name, args))

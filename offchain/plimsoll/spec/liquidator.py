"""Margin calls, Dutch auctions, losses to the last. Twin of `contracts/Liquidator.vy` and `modules/dutch_auction.vy`.

With t seconds since the start of an auction, at the account's E_m, E_h, MM and IM of the moment:

    share     = min(1, start_discount + (1 - start_discount) t / ramp)     [ppm] down: it only grows
    discount  = ceil((E_m - E_h + MM) share)                               [wad] up: for the bidder
    price     = max(0, E_m - discount)                                     [wad] of the whole account
    fee       = min(price, ceil(MM fee rate))                              [wad] of the price, the fund's
    cap       = min(1, ceil((IM - E_h) / (price - fee + IM - E_h)))        [wad] up; 1 where the rest would be dust
    payment   = floor(fraction price)                                      [wad] what the bidder pays
    due       = floor(fraction floor(max(0, floor(MM bonus) - E_m) share))         where price = 0: owed to the bidder

The fund pays what is due as far as its caps go; of what it does not pay, the account's negative equity is socialised
once the discount is whole. No account is auctioned that was not called before, but one with E_m < 0. A call lapses one
call period after its deadline, an auction one ramp after its discount is whole; both keep the configuration they began
with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import astuple, dataclass
from typing import Final

from eth_utils.crypto import keccak

from plimsoll.spec.atomic import atomic
from plimsoll.spec.book import Book
from plimsoll.spec.errors import Refused, require
from plimsoll.spec.events import Event
from plimsoll.spec.fund import InsuranceFund
from plimsoll.spec.instruments import id_of, unpack
from plimsoll.spec.mandates import BID, TRANSFER
from plimsoll.spec.margin import Assessment, groups
from plimsoll.spec.report import unpack_scalars
from plimsoll.spec.wad import PPM, WAD, div_floor, div_up, mul_div_down, mul_div_up

NAME: Final = "Liquidator"
CALL_PERIOD: Final = (300, 7 * 86_400)  # [s]
MIN_URGENT_PERIOD: Final = 60  # [s]
RAMP: Final = (60, 86_400)  # [s]
MAX_START: Final = 500_000  # [ppm]
MAX_BONUS: Final = 100_000  # [ppm of MM]
MAX_REST: Final = 10**24  # [wad of MM]
MIN_FRACTION: Final = 10**15  # [wad]
MAX_AMOUNT: Final = 10**40  # [wad]
ANY_PRICE: Final = 2**255 - 1
ENDLESS: Final = 2**256 - 1
ANY_STATE: Final = bytes(32)
LIMIT: Final = "liquidator: price over the bidder's limit"
NOT_THE_BIDDERS: Final = "liquidator: not the bidder's account"


@dataclass(frozen=True, slots=True)
class Config:
    """How calls and auctions go. Twin of the struct of the same name."""

    call_period: int = 3_600  # [s]
    urgent_period: int = 120  # [s]
    ramp: int = 3_600  # [s]
    start_discount: int = 50_000  # [ppm]
    bonus: int = 20_000  # [ppm of MM]
    min_rest: int = 0  # [wad of MM]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a bid would do. Twin of the struct of the same name."""

    fraction: int
    cap: int
    payment: int
    fee: int
    discount: int
    due: int
    is_whole: bool


def share_at(elapsed: int, ramp: int, start_discount: int) -> int:
    """How much of the whole discount is given after `elapsed` seconds [ppm]."""
    if elapsed >= ramp:
        return PPM
    return start_discount + mul_div_down(PPM - start_discount, elapsed, ramp)


def discount_of(found: Assessment, share: int) -> int:
    """What the auction takes off E_m [wad]."""
    return mul_div_up(found.equity_full - found.equity_haircut + found.mm, share, PPM)


def cap_of(found: Assessment, net: int) -> int:
    """The fraction [wad] that brings the account back to initial margin when it gets `net` for the whole of it."""
    need = found.im - found.equity_haircut
    return min(mul_div_up(need, WAD, net + need), WAD)


def offer_for(found: Assessment, share: int, wanted: int, fee_rate: int, config: Config) -> Offer:
    """What a bid on an account with E_h < IM would do."""
    discount = discount_of(found, share)
    price, fee, due, cap = 0, 0, 0, WAD
    if found.equity_full > discount:
        price = found.equity_full - discount
        fee = min(price, mul_div_up(found.mm, fee_rate, PPM))  # up: against the account
        cap = cap_of(found, price - fee)
        if mul_div_down(found.mm, WAD - cap, WAD) < config.min_rest:
            cap = WAD
    fraction = min(wanted, cap)
    payment = mul_div_down(price, fraction, WAD)
    if price == 0:
        owed = max(mul_div_down(found.mm, config.bonus, PPM) - found.equity_full, 0)
        due = mul_div_down(mul_div_down(owed, share, PPM), fraction, WAD)
    fee = min(payment, mul_div_up(fee, fraction, WAD))
    return Offer(fraction, cap, payment, fee, discount, due, share == PPM)


def fingerprint_of(words: Sequence[int], ledger: tuple[int, int]) -> bytes:
    """Hash of positions and ledgers: keccak of their ABI encoding, the array by offset."""
    values = (3 * 32, *ledger, len(words), *words)
    return keccak(b"".join((value % 2**256).to_bytes(32, "big") for value in values))


class Liquidator:
    """The state of one `Liquidator`."""

    def __init__(self, address: int, owner: int, book: Book, funds: Mapping[int, InsuranceFund] | None = None) -> None:
        self.address = address
        self.owner = owner
        self.book = book
        self.funds = funds or {}  # twins of the funds there are, by address
        self.fund: InsuranceFund | None = None
        self.auctions: dict[int, tuple[int, int, int]] = {}  # start [s], ramp [s], start discount [ppm]
        self.calls: dict[int, tuple[int, int, int]] = {}  # ripe [s], deadline [s], when it lapses [s]
        self.paid: dict[int, int] = {}
        self.records: dict[int, int] = {}
        self.bad_debt = 0
        self.log: list[Event] = []
        self.config = Config(0, 0, 0, 0, 0, 0)
        self._configure(Config())

    def set_config(self, config: Config, *, sender: int) -> None:
        """How long calls last, how the discount grows, what the fund adds, what rest is too small to leave."""
        require(sender == self.owner, "ownable: caller is not the owner")
        self._configure(config)

    def set_fund(self, fund: int, *, sender: int) -> None:
        """The InsuranceFund; once. `fund` is its address; `funds` maps addresses to twins."""
        require(sender == self.owner, "ownable: caller is not the owner")
        require(fund != 0, "liquidator: zero address")
        require(self.fund is None, "liquidator: fund is set")
        self.fund = self.funds[fund]
        self._emit("FundSet", fund=fund)

    # ---------------------------------------------------------------------------------------------------- calls

    def call(self, account: int, *, now: int) -> None:
        """Call an account under its call line."""
        require(not self.auction(account, now), "liquidator: already in auction")
        require(not self._is_called(account, now), "liquidator: already called")
        found = self.book.margin(account, now)
        require(
            found.equity_haircut < found.call_line and found.equity_full >= 0, "liquidator: not under the call line"
        )
        ripe = now + self.config.urgent_period
        deadline = now + self.config.call_period if found.equity_haircut >= found.mm else ripe
        self.calls[account] = (ripe, deadline, deadline + self.config.call_period)
        self._emit("Called", account=account, ripe=ripe, deadline=deadline)

    def cure(self, account: int, *, now: int) -> None:
        """End the call of an account at or over its call line."""
        require(self._is_called(account, now), "liquidator: not called")
        found = self.book.margin(account, now)
        require(found.equity_haircut >= found.call_line, "liquidator: not curable")
        self.calls.pop(account)
        self._emit("Cured", account=account)

    def top_up(self, account: int, token: int, to: int, *, sender: int, now: int) -> int:
        """Bring tokens from the owner's wallet into a called account, as far as authorised; how much."""
        with self._whole(token):
            found = self._weak(account, now)
            amount = self.book.mandates.top_up(account, token)
            bounty = 0
            if token == self.book.quote:
                amount = min(amount, self._needed(found))
                if to != account and to >> 96 != 0:
                    allowed = self.book.mandates.bounty(account, token)
                    bounty = min(allowed, mul_div_down(amount, 1, 10)) * self.book.quote_scale
            require(amount > 0, "liquidator: nothing to bring")
            self.book.pull(account, token, amount, to, bounty, sender=self.address, now=now)
            self._emit("ToppedUp", account=account, token=token, amount=amount, by=sender)
            return amount

    def draw(self, account: int, amount: int, *, now: int) -> None:
        """Bring quote from the reserve that a called account named, no more than it needs."""
        with self._whole():
            found = self._weak(account, now)
            reserve = self.book.mandates.reserve(account)
            require(reserve != 0, "liquidator: no reserve")
            require(0 < amount <= self._needed(found), "liquidator: more than is needed")
            self.book.transfer(reserve, account, self.book.quote, amount, sender=self.address, now=now)
            self._emit("ReserveDrawn", account=account, reserve=reserve, amount=amount)

    # ------------------------------------------------------------------------------------------------- auctions

    def start(self, account: int, *, now: int) -> None:
        """Open the auction of an account that was called and did not come back, or whose equity is negative."""
        until = self._check_running(now)
        # one that was stopped starts anew
        require(not self.auction(account, now) or self.auctions[account][0] < until, "liquidator: already in auction")
        found = self.book.margin(account, now)
        ripe, deadline, _ = self.calls.get(account, (0, 0, 0))
        is_called = self._is_called(account, now)
        is_late = is_called and now > deadline and found.equity_haircut < found.call_line
        last = self.auctions.get(account)
        ran_dry = last is not None and now <= _end(last) + self.config.call_period
        is_ripe = (is_called and now > ripe) or ran_dry
        if found.equity_full >= 0 and not is_late:
            require(found.equity_haircut < found.mm, "liquidator: not liquidatable")
            require(is_ripe, "liquidator: call first")
        self.calls.pop(account, None)
        self.paid.pop(account, None)
        self.auctions[account] = (now, self.config.ramp, self.config.start_discount)
        self._emit("AuctionStarted", account=account, equity=found.equity_full, mm=found.mm)
        self._record(account, found.equity_full)

    def bid(
        self,
        account: int,
        bidder: int,
        fraction: int,
        max_price: int = ANY_PRICE,
        max_mm: int = ENDLESS,
        state: bytes = ANY_STATE,
        source: int = 0,
        amount: int = 0,
        *,
        sender: int,
        now: int,
    ) -> tuple[int, int, int]:
        """Take a fraction [wad] of an account into the bidder's; what was taken, paid, and received [wad]."""
        may_act = self.book.mandates.may_act
        require(account != bidder, "liquidator: bidder is the account")
        require(may_act(bidder, sender, BID, now=now), NOT_THE_BIDDERS)
        opened = self.auction(account, now)
        require(opened != 0, "liquidator: no auction")
        require(opened >= self._check_running(now), "liquidator: auction was stopped")
        require(fraction > 0, "liquidator: zero fraction")
        if state != ANY_STATE:
            require(state == self.fingerprint(account, now), "liquidator: another state")
        with self._whole(self.book.quote):
            if amount > 0:
                require(may_act(source, sender, TRANSFER, now=now), NOT_THE_BIDDERS)
                self.book.transfer(source, bidder, self.book.quote, amount, sender=self.address, now=now)
            before = self.book.margin(account, now)
            require(before.equity_haircut < before.im, "liquidator: not liquidatable")
            require(before.mm <= max_mm, "liquidator: margin over the bidder's limit")
            offer = self._offer(account, before, fraction, now)
            require(offer.fraction >= min(offer.cap, MIN_FRACTION), "liquidator: fraction below the minimum")
            received = 0
            if offer.due > 0 and account >> 96 != bidder >> 96:
                received = self._pay(account, bidder, before.equity_full, offer, now)
            limit = max(min(max_price, MAX_AMOUNT), -MAX_AMOUNT)
            require(offer.payment - received <= div_up(limit * offer.fraction, WAD), LIMIT)
            self.book.seize(account, bidder, offer.fraction, offer.payment, offer.fee, sender=self.address, now=now)
            self._emit(
                "BidTaken",
                account=account,
                bidder=bidder,
                fraction=offer.fraction,
                payment=offer.payment,
                discount=offer.discount,
                fee=offer.fee,
            )
            if before.equity_full < 0 or self.recorded(account) > 0:
                self._record(account, div_floor(before.equity_full * (WAD - offer.fraction), WAD))
            if offer.fraction == offer.cap:
                self._close(account)
            return offer.fraction, offer.payment, received

    def close(self, account: int, *, now: int) -> None:
        """End the auction of an account at or over initial margin."""
        require(self.auction(account, now) != 0, "liquidator: no auction")
        found = self.book.margin(account, now)
        require(found.equity_haircut >= found.im, "liquidator: still below initial margin")
        self._close(account)
        self._record(account, found.equity_full)

    def record(self, account: int, *, now: int) -> None:
        """Put the negative equity of an account on record, or take off what is no longer."""
        self._record(account, self.book.margin(account, now).equity_full)

    # ---------------------------------------------------------------------------------------------------- views

    def quote(self, account: int, fraction: int, now: int) -> tuple[int, int, int, int]:
        """What a bid takes and pays, the discount now, what is owed to the bidder [wad]; zeros where none can be."""
        if not self.auction(account, now):
            return 0, 0, 0, 0
        found = self.book.margin(account, now)
        if found.equity_haircut >= found.im:
            return 0, 0, 0, 0
        offer = self._offer(account, found, fraction, now)
        return offer.fraction, offer.payment, offer.discount, offer.due

    def auction(self, account: int, now: int) -> int:
        """When the account's auction began [s]; zero where there is none, or it lapsed."""
        word = self.auctions.get(account, (0, 0, 0))
        return 0 if now > _end(word) else word[0]

    def deadline(self, account: int, now: int) -> int:
        """When the account's margin call runs out [s]; zero where there is none, or it lapsed."""
        return self.calls[account][1] if self._is_called(account, now) else 0

    def ripe(self, account: int, now: int) -> int:
        """From when on a called account can be auctioned where it is under maintenance margin [s]."""
        return self.calls[account][0] if self._is_called(account, now) else 0

    def recorded(self, account: int) -> int:
        """Bad debt of an account on record [wad]."""
        return self.records.get(account, 0)

    def fingerprint(self, account: int, now: int) -> bytes:
        """Hash of an account's positions and ledgers."""
        return fingerprint_of(self.book.positions(account, now), self.book.ledger(account, now))

    # ------------------------------------------------------------------------------------------------- internal

    def _configure(self, config: Config) -> None:
        require(
            CALL_PERIOD[0] <= config.call_period <= CALL_PERIOD[1]
            and MIN_URGENT_PERIOD <= config.urgent_period <= config.call_period
            and RAMP[0] <= config.ramp <= RAMP[1]
            and 0 <= config.start_discount <= MAX_START
            and config.bonus <= MAX_BONUS
            and config.min_rest <= MAX_REST,
            "liquidator: config out of range",
        )
        self._emit("ConfigSet", old=astuple(self.config), new=astuple(config))
        self.config = config

    def _check_running(self, now: int) -> int:
        """Refuse while liquidations are stopped, and in the grace after an outage; until when either last was [s]."""
        until = self.book.registry.stops() >> 128
        require(now >= until, "liquidator: liquidations are stopped")
        outage = self.book.feed.grace_until(now)
        require(now >= outage, "liquidator: in the grace after an outage")
        return max(until, outage)

    def _is_called(self, account: int, now: int) -> bool:
        return account in self.calls and now <= self.calls[account][2]

    def _weak(self, account: int, now: int) -> Assessment:
        require(self._is_called(account, now) or self.auction(account, now) != 0, "liquidator: not called")
        return self.book.margin(account, now)

    def _needed(self, found: Assessment) -> int:
        """Quote that brings an account to initial margin [token], up."""
        return div_up(max(0, found.im - found.equity_haircut), self.book.quote_scale)

    def _offer(self, account: int, found: Assessment, wanted: int, now: int) -> Offer:
        start, ramp, start_discount = self.auctions[account]
        share = share_at(now - start, ramp, start_discount)
        is_priced = found.equity_full > discount_of(found, share)
        return offer_for(found, share, wanted, self._fee_rate(account, now) if is_priced else 0, self.config)

    def _fee_rate(self, account: int, now: int) -> int:
        """Liquidation fee [ppm of MM], at the highest volatility posted of what the account holds."""
        posted = self.book.oracle.scalars
        held = {unpack(id_of(word)).underlying for word in self.book.positions(account, now)}
        volatility = max((unpack_scalars(posted[u]).volatility for u in held if u in posted), default=0)
        return self.book.registry.liquidation_fee(volatility, self.book.utilisation())

    def _pay(self, account: int, bidder: int, equity: int, offer: Offer, now: int) -> int:
        """Pay a bidder what is due: the fund first, then, once the discount is whole, everybody's cash."""
        paid = 0
        if self.fund is not None:
            known = self.paid.get(account, 0)
            try:  # a fund that cannot pay, of a token that is paused say, stops no auction
                paid = self.fund.pay(
                    bidder, self._heaviest(account, now), known, offer.due, sender=self.address, now=now
                )
            except Refused:
                paid = 0
            self.paid[account] = known + paid
        socialised = 0
        if offer.is_whole and equity < 0:
            socialised = max(0, mul_div_down(-equity, offer.fraction, WAD) - paid)
            if socialised > 0:
                self.book.socialise(account, bidder, socialised, sender=self.address, now=now)
        self._emit("ShortfallPaid", account=account, bidder=bidder, due=offer.due, fund=paid, socialised=socialised)
        return paid + socialised

    def _heaviest(self, account: int, now: int) -> int:
        """The underlying that needs most margin in an account; 0 where none needs any."""
        found, most = 0, 0
        for group in groups(self.book.positions(account, now)):
            terms = self.book.oracle.terms(group, now)
            needs = terms.scan + terms.short + terms.gross + terms.concentration
            if needs > most:
                found, most = terms.underlying, needs
        return found

    def _record(self, account: int, equity: int) -> None:
        """Put negative equity on record, or take it off."""
        old, new = self.recorded(account), max(-equity, 0)
        if old == new:
            return
        self.records[account] = new
        self.bad_debt += new - old
        self._emit("BadDebtRecorded", account=account, amount=new, total=self.bad_debt)

    def _close(self, account: int) -> None:
        self.auctions.pop(account)
        self._emit("AuctionClosed", account=account)

    def _whole(self, *tokens: int) -> AbstractContextManager[None]:
        """A transaction: where anything in it refuses, nothing has happened."""
        known = [self.book.known[token] for token in tokens if token in self.book.known]
        funds = [] if self.fund is None else [self.fund]
        return atomic(self, self.book, self.book.mandates, *funds, *known)

    def _emit(self, name: str, **args: object) -> None:
        self.log.append(Event(NAME, name, args))


def _end(auction: tuple[int, int, int]) -> int:
    """When an auction lapses [s]."""
    start, ramp, _ = auction
    return start + 2 * ramp

"""The book: accounts, collateral, two signed ledgers, positions, interest. Twin of `contracts/Clearinghouse.vy`.

And of `contracts/BackOffice.vy`, which is the same contract in two pieces, and `contracts/modules/book.vy`. An account
is `owner << 96 | number`; accounts of owner 0 are the system's: 0 takes the dust of roundings, which go against
accounts, 1 is the other side of settled profit and of expiries, 2 is what interest is paid from and to. Every function
checks what the contract checks, in its order, raises `Refused` with its reason and leaves the state as it was, or
commits as a whole. `sender` and `now` stand for `msg.sender` and `block.timestamp`.

    trade    buyer pays ceil(q p), seller receives floor(q p), each its fee besides; of cash for options, of linear for
             perps and futures; p is the price, less the funding so far for a perp
    seize    quantities move floor(|q| f), ledgers ceil(x f), the payment is the bidder's cash
    withdraw cash never becomes negative by it; an account that needs no margin reads no price
    touch    interest and settled expiries are booked whenever an account is touched, and in every view before that
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Final, Protocol

from plimsoll.spec import interest
from plimsoll.spec.atomic import atomic
from plimsoll.spec.errors import Refused, require
from plimsoll.spec.events import Event
from plimsoll.spec.history import History
from plimsoll.spec.instruments import (
    CALL,
    FUTURE,
    MAX_POSITIONS,
    PERP,
    PUT,
    SPOT,
    Instrument,
    id_of,
    quantity_of,
    unpack,
    word,
)
from plimsoll.spec.interest import Pool
from plimsoll.spec.mandates import DEPOSIT, TRADE, TRANSFER, WITHDRAW, Mandates
from plimsoll.spec.margin import Assessment, State, reduces_risk, state_of
from plimsoll.spec.oracle import Feed, Oracle
from plimsoll.spec.registry import Registry, TradeTerms
from plimsoll.spec.wad import (
    MAX_LEDGER,
    MAX_PRICE,
    MAX_QUANTITY,
    PPM,
    WAD,
    div_floor,
    div_up,
    mul_div_down,
    mul_div_up,
)

NAME: Final = "Clearinghouse"
SYSTEM: Final = 0
POOL: Final = 1
INTEREST: Final = 2
MAX_DECIMALS: Final = 18
MAX_CALLS: Final = 8
MASK_LOW: Final = 2**128 - 1
NO_CAP: Final = 2**96 - 1  # of outflow
MIN_INDEX: Final = 10**6  # of supply: past it rounding would eat what is left

NOT_THE_ACCOUNTS: Final = "clearinghouse: not the account's"
ZERO_ADDRESS: Final = "clearinghouse: zero address"
OTHER_AMOUNT: Final = "clearinghouse: vault moved another amount"
OVER_QUANTITY: Final = "clearinghouse: quantity over the maximum"
OVER_LEDGER: Final = "clearinghouse: ledger over the maximum"
TOO_MANY: Final = "clearinghouse: too many positions"
BORROWING: Final = "clearinghouse: borrowing over the cap"
HALF: Final = "clearinghouse: loss over half of all cash"


class Token(Protocol):
    """An ERC-20 that moves exactly what it is asked to. What it refuses leaves it as it was."""

    decimals: int

    def balance_of(self, holder: int) -> int:
        """What `holder` has, in the token's own decimals."""
        ...

    def transfer(self, sender: int, to: int, amount: int) -> None:
        """Move `amount` of the sender's own."""
        ...

    def transfer_from(self, spender: int, sender: int, to: int, amount: int) -> None:
        """Move `amount` that `sender` allowed `spender` to move."""
        ...


class Listings(Feed, Protocol):
    """What the book reads of `IndexFeed`."""

    def strike_unit(self, underlying: int) -> int:
        """One unit of strike [wad]; raises Refused where the underlying is unknown."""
        ...

    def grace_until(self, now: int) -> int:
        """When the grace after a sequencer's last outage ends [s]; zero where there is no sequencer."""
        ...


def held(words: Sequence[int], instrument_id: int) -> int:
    """Quantity of an instrument in a sorted book [wad], zero where it holds none."""
    place = _place(words, instrument_id)
    return quantity_of(words[place]) if _is_at(words, place, instrument_id) else 0


def changed(words: Sequence[int], instrument_id: int, change: int) -> tuple[int, ...]:
    """The book after `change` [wad] of one instrument; a word that comes to zero leaves it."""
    place = _place(words, instrument_id)
    found = _is_at(words, place, instrument_id)
    quantity = change + (quantity_of(words[place]) if found else 0)
    require(abs(quantity) <= MAX_QUANTITY, OVER_QUANTITY)
    require(found or change == 0 or len(words) < MAX_POSITIONS, TOO_MANY)
    new = (word(instrument_id, quantity),) if quantity else ()
    return (*words[:place], *new, *words[place + found :])


def is_risky(words: Sequence[int], ledger: int) -> bool:
    """Whether a book needs margin: it holds anything but collateral, or owes more than its ledgers have."""
    return ledger < 0 or any(unpack(id_of(w)).kind != SPOT for w in words)


def split(words: Sequence[int], fraction: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What of a book is taken and what remains when `fraction` [wad] of it is: magnitudes taken round down."""
    taken, rest = [], []
    for w in words:
        quantity = quantity_of(w)
        moved = mul_div_down(abs(quantity), fraction, WAD)
        moved = moved if quantity > 0 else -moved
        if moved:
            taken.append(word(id_of(w), moved))
        if moved != quantity:
            rest.append(word(id_of(w), quantity - moved))
    return tuple(taken), tuple(rest)


def merge(words: Sequence[int], taken: Sequence[int]) -> tuple[tuple[int, ...], dict[int, int]]:
    """A book with what it takes over, and by how much the open interest of instruments falls."""
    new: list[int] = []
    closed: dict[int, int] = {}

    def keep(position: int) -> None:
        require(len(new) < MAX_POSITIONS, TOO_MANY)
        new.append(position)

    place = 0
    for w in taken:
        instrument_id, moved = id_of(w), quantity_of(w)
        while place < len(words) and id_of(words[place]) < instrument_id:
            keep(words[place])
            place += 1
        had = 0
        if _is_at(words, place, instrument_id):
            had = quantity_of(words[place])
            place += 1
        after = had + moved
        require(abs(after) <= MAX_QUANTITY, OVER_QUANTITY)
        if after:
            keep(word(instrument_id, after))
        instrument = unpack(instrument_id)
        if had * moved < 0 and instrument.kind != SPOT:
            closed[instrument_id] = min(abs(had), abs(moved))
    for w in words[place:]:
        keep(w)
    return tuple(new), closed


def _place(words: Sequence[int], instrument_id: int) -> int:
    return bisect_left(words, instrument_id, key=id_of)


def _is_at(words: Sequence[int], place: int, instrument_id: int) -> bool:
    return place < len(words) and id_of(words[place]) == instrument_id


@dataclass(frozen=True, slots=True)
class Settled:
    """A book without what is settled, that, and what it pays in cash and linear [wad]."""

    rest: tuple[int, ...]
    gone: tuple[tuple[int, int], ...]  # word, settlement price [wad]
    cash: int
    linear: int


def payoff(instrument: Instrument, price: int, strike_unit: int) -> int:
    """What one unit pays at a settlement price [wad]."""
    strike = instrument.strike * strike_unit
    if instrument.kind == CALL:
        return max(0, price - strike)
    return max(0, strike - price) if instrument.kind == PUT else price


class Book:
    """The state of one `Clearinghouse`; `tokens` maps the addresses of all tokens there are to their twins."""

    def __init__(
        self,
        address: int,
        owner: int,
        quote: int,
        oracle: Oracle,
        feed: Listings,
        registry: Registry,
        mandates: Mandates,
        history: History,
        tokens: Mapping[int, Token],
        now: int = 0,
    ) -> None:
        require(quote != 0 and oracle.address != 0, ZERO_ADDRESS)
        require(tokens[quote].decimals <= MAX_DECIMALS, "clearinghouse: decimals over 18")
        self.address = address
        self.owner = owner
        self.quote = quote
        self.quote_scale: int = 10 ** (MAX_DECIMALS - tokens[quote].decimals)
        self.oracle = oracle
        self.feed = feed
        self.registry = registry
        self.mandates = mandates
        self.history = history
        self.known = tokens
        self.ledgers: dict[int, tuple[int, int]] = {}
        self.entries: dict[int, tuple[int, int]] = {}  # index that cash stood at, quote brought in [wad]
        self.books: dict[int, tuple[int, ...]] = {}
        self.interest: dict[int, int] = {}
        self.open: dict[int, int] = {}
        self.sums = Pool(since=now)
        self.kept = 0
        self.flowed: tuple[int, int] = (0, 0)  # [wad], [s]
        self.batch = 0
        self.has_left = False  # whether anything was taken out of the account of the batch
        self.liquidator = 0
        self.fund = 0
        self.log: list[Event] = []

    # ----------------------------------------------------------------------------------------------- governance

    def set_liquidator(self, liquidator: int, *, sender: int) -> None:
        """Who may seize; once."""
        self._check_owner(sender)
        require(liquidator != 0, ZERO_ADDRESS)
        require(self.liquidator == 0, "clearinghouse: liquidator is set")
        self.liquidator = liquidator
        self._emit("LiquidatorSet", liquidator=liquidator)

    def set_fund(self, fund: int, *, sender: int) -> None:
        """Who gets fees and the fund's part of interest; once."""
        self._check_owner(sender)
        require(fund != 0, ZERO_ADDRESS)
        require(self.fund == 0, "clearinghouse: fund is set")
        self.fund = fund
        self._emit("FundSet", fund=fund)

    # ------------------------------------------------------------------------------------------------- accounts

    def deposit(self, account: int, token: int, amount: int, *, sender: int, now: int) -> None:
        """Bring tokens into an account. Reads no price."""
        with self._whole(token):
            self._bring(account, token, amount, payer=sender, sender=sender, now=now)

    def withdraw(self, account: int, token: int, amount: int, to: int, *, sender: int, now: int) -> None:
        """Take tokens out; at or over initial margin afterwards on fresh surfaces, late profit not counted."""
        self._check_right(account, WITHDRAW, sender, now)
        require(to != 0, ZERO_ADDRESS)
        with self._whole(token):
            self._accrue(now)
            worth = self._take(account, token, amount, now)
            if token == self.quote:
                own = min(self.brought_in(account), worth)
                self._bring_in(account, -own)
                self._flow_out(0 if sender == self.fund else worth - own, now)
            self._check_left(account, now, is_leaving=True)
            require(self.known[token].balance_of(self.address) >= amount, "clearinghouse: cash not there")
            require(to != self.address, OTHER_AMOUNT)
            self.known[token].transfer(self.address, to, amount)
            self._emit("Withdrawn", account=account, token=token, amount=amount, to=to)

    def transfer(self, source: int, target: int, token: int, amount: int, *, sender: int, now: int) -> None:
        """Move tokens between accounts of one owner; the source is checked as for a withdrawal."""
        if sender != self.liquidator:
            self._check_right(source, TRANSFER, sender, now)
        require(source >> 96 == target >> 96 != 0, "clearinghouse: another owner")
        require(source != target, "clearinghouse: source is target")
        with self._whole():
            self._accrue(now)
            worth = self._take(source, token, amount, now)
            self._touch(target, now)
            if token == self.quote:
                part = min(self.brought_in(source), worth)
                self._bring_in(source, -part)
                self._add(target, worth, 0, now)
                self._bring_in(target, part)
            else:
                instrument_id, _, _ = self.registry.collateral(token)
                self._hold(target, instrument_id, worth)
            self._check_left(source, now, is_leaving=sender != self.liquidator)
            self._emit("Transferred", source=source, target=target, token=token, amount=amount)

    def multicall(self, account: int, calls: Sequence[Callable[[], object]], *, sender: int, now: int) -> None:
        """Several calls with one solvency check of `account` at their end."""
        require(self.batch == 0, "clearinghouse: batch within a batch")
        require(
            account != 0 and any(self.mandates.may_act(account, sender, r, now=now) for r in (TRADE, WITHDRAW)),
            NOT_THE_ACCOUNTS,
        )
        with self._whole(*self.known):
            self.batch, self.has_left = account, False
            for call in calls:
                call()
            self.batch = 0
            self._accrue(now)
            self._touch(account, now)
            self._check_left(account, now, is_leaving=self.has_left)

    def settle(self, account: int, *, now: int) -> None:
        """Move realised profit or loss between `linear` and `cash`, against the pool."""
        require(account >> 96 != 0, "clearinghouse: system account")
        with self._whole():
            self._accrue(now)
            self._touch(account, now)
            live, lagged = self.history.variation(self.books.get(account, ()), now)
            cash, linear = self._ledger(account)
            if linear + live < 0:
                amount = max(linear + live, -max(cash, 0) - self._credit(account, linear + live, now))
            else:
                amount = max(min(linear + min(live, lagged), self._ledger(POOL)[0]), 0)
            self._add(account, amount, -amount, now)
            self._add(POOL, -amount, amount, now)
            self._emit("Settled", account=account, amount=amount)

    def _credit(self, account: int, variation: int, now: int) -> int:
        """How much of a loss [wad, negative] that cash does not pay may be lent: nothing under initial margin."""
        cash, linear = self._ledger(account)
        if variation >= -cash:
            return 0
        after = self.oracle.assess(self.books.get(account, ()), cash + linear, now)
        if after.equity_haircut < after.im or not after.fresh:
            return 0
        limits, pool_limits = self.registry.account_limits(), self.registry.pool_limits()
        return max(0, min((limits >> 32 & MASK_LOW) + min(cash, 0), (pool_limits >> 128) - self.sums.debt))

    def expire(self, account: int, *, now: int) -> None:
        """Book what time owes an account."""
        with self._whole():
            self._accrue(now)
            self._touch(account, now)

    def claim(self, *, now: int) -> None:
        """Move the fund's part of interest into its account, as far as borrowers have paid it."""
        require(self.fund != 0, "clearinghouse: no fund")
        with self._whole():
            self._accrue(now)
            account = self.fund << 96
            self._touch(account, now)
            amount = min(self.kept, max(self._ledger(INTEREST)[0], 0))
            self.kept -= amount
            self._add(INTEREST, -amount, 0, now)
            self._add(account, amount, 0, now)
            self._emit("Claimed", amount=amount)

    # --------------------------------------------------------------------------------------------------- venues

    def trade(
        self,
        buyer: int,
        seller: int,
        instrument_id: int,
        quantity: int,
        price: int,
        buyer_takes: bool = True,  # noqa: FBT001, FBT002 - as the contract has it
        *,
        sender: int,
        now: int,
    ) -> None:
        """Move `quantity` [wad] from seller to buyer, and `quantity` x `price` [wad] back."""
        require(buyer != seller, "clearinghouse: buyer is seller")
        require(quantity > 0, "clearinghouse: zero quantity")
        require(quantity <= MAX_QUANTITY, OVER_QUANTITY)
        require(price > 0, "clearinghouse: zero price")
        require(price <= MAX_PRICE, "clearinghouse: price over the maximum")
        with self._whole():
            self._accrue(now)
            terms = self.registry.trade_terms(sender, instrument_id, self.utilisation(), now)
            instrument = unpack(instrument_id)
            underlying = instrument.underlying
            mark = self.oracle.mark(instrument_id, now)
            index, _, _ = self.feed.price(underlying, now)
            distance = abs(price - mark)
            require(distance * PPM <= terms.price_band * index, "clearinghouse: price outside the band")
            is_far = distance * PPM > terms.reduce_band * index
            loss = mul_div_up(quantity, distance, WAD)
            for side, is_worse in ((buyer, price > mark), (seller, price < mark)):
                self.mandates.spend(side, sender, instrument_id, loss if is_worse else 0, sender=self.address, now=now)

            self._touch(buyer, now)
            self._touch(seller, now)
            after = (
                held(self.books.get(buyer, ()), instrument_id) + quantity,
                held(self.books.get(seller, ()), instrument_id) - quantity,
            )
            before = (after[0] - quantity, after[1] + quantity)
            opened = sum(max(new, 0) - max(old, 0) for new, old in zip(after, before, strict=True))
            self.interest[underlying] = self.interest.get(underlying, 0) + opened
            self.open[instrument_id] = self.open.get(instrument_id, 0) + opened
            if opened > 0:
                caps = (
                    (terms.underlying_cap, self.interest[underlying]),
                    (terms.instrument_cap, self.open[instrument_id]),
                )
                require(
                    all(cap == 0 or found <= cap for cap, found in caps), "clearinghouse: open interest over the cap"
                )
            require(
                all(new == 0 or abs(new) >= terms.min_size for new in after),
                "clearinghouse: position below the minimum",
            )

            cost = price - (self.oracle.funding(underlying, now) if instrument.kind == PERP else 0)
            notional = mul_div_up(quantity, index, WAD)
            rates = (terms.taker_fee, terms.maker_fee) if buyer_takes else (terms.maker_fee, terms.taker_fee)
            fee, other = (mul_div_up(notional, rate, PPM) for rate in rates)  # up: against the account
            paid = div_up(quantity * cost, WAD) + fee  # up: against the buyer
            received = div_floor(quantity * cost, WAD) - other  # down: against the seller
            self._fill(buyer, instrument, quantity, -paid, terms, now, is_against=price > mark, is_far=is_far)
            self._fill(seller, instrument, -quantity, received, terms, now, is_against=price < mark, is_far=is_far)
            self._add(SYSTEM, *_booked(paid - received - fee - other, instrument), now)
            if fee + other > 0:
                self._touch(self.fund << 96, now)
                self._add(self.fund << 96, *_booked(fee + other, instrument), now)
            self._emit(
                "Traded",
                buyer=buyer,
                seller=seller,
                instrument=instrument_id,
                quantity=quantity,
                price=price,
                paid=paid,
                received=received,
                fees=fee + other,
                venue=sender,
            )

    def _fill(
        self,
        account: int,
        instrument: Instrument,
        change: int,
        money: int,
        terms: TradeTerms,
        now: int,
        *,
        is_against: bool,
        is_far: bool,
    ) -> None:
        """One side of a trade: healthy on fresh surfaces afterwards, or with less risk at no bad price.

        Profit of the last `lag` pays no price that is worse than the mark, and neither it nor any profit that is not
        settled buys on credit: what nobody has paid yet would leave by the other side. While risk is stopped nothing
        but less risk passes, in a batch too.
        """
        words = self.books.get(account, ())
        book = changed(words, instrument.pack(), change)
        limits = terms.account_limits
        reduces = False
        if account != self.batch or terms.reduce_only:
            ledger = sum(self._ledger(account))
            after = self.oracle.assess(book, ledger + money, now)
            on_credit = instrument.is_option and self._ledger(account)[0] + min(money, 0) < 0
            late = self.history.unpaid(words, now) if is_against or on_credit else 0
            if on_credit:
                late = max(late, self._ledger(account)[1] + self.history.variation(words, now)[0])
            counted = replace(after, equity_haircut=after.equity_haircut - late)
            is_healthy = counted.equity_haircut >= after.im and after.fresh and not _is_too_small(counted, limits)
            if terms.reduce_only or not is_healthy:
                before = self.oracle.assess(words, ledger, now)
                reduces = reduces_risk(before, after)
                if not reduces:
                    self._check_healthy(counted, limits)
                    raise Refused("clearinghouse: only reducing is allowed")
                require(not (is_against and is_far), "clearinghouse: price worse than allowed")
        require(len(book) <= len(words) or len(book) <= limits >> 24 & 0xFF, TOO_MANY)
        self.books[account] = book
        self._add(account, *_booked(money, instrument), now)
        if instrument.is_option and money < 0 and not reduces:
            self._check_debt(account, limits, terms.pool_limits)

    # ----------------------------------------------------------------------------------------------- liquidator

    def seize(self, account: int, bidder: int, fraction: int, payment: int, fee: int, *, sender: int, now: int) -> None:
        """Move a fraction [wad] of an account to a bidder, who pays `payment` [wad] for it, `fee` of it to the fund."""
        self._check_liquidator(sender)
        require(0 < fraction <= WAD, "clearinghouse: fraction out of range")
        is_ours = account >> 96 == 0 or bidder >> 96 == 0
        require(account != bidder and not is_ours, "clearinghouse: buyer is seller")
        require(fee <= payment, "clearinghouse: fee over the payment")
        require(self.batch == 0, "clearinghouse: in a batch")
        with self._whole():
            self._accrue(now)
            self._touch(account, now)
            self._touch(bidder, now)
            taken, rest = split(self.books.get(account, ()), fraction)
            book, closed = merge(self.books.get(bidder, ()), taken)
            for instrument_id, amount in closed.items():
                underlying = unpack(instrument_id).underlying
                self.interest[underlying] = self.interest.get(underlying, 0) - amount
                self.open[instrument_id] = self.open.get(instrument_id, 0) - amount
            self.books[account] = rest
            self.books[bidder] = book
            cash, linear = (div_up(part * fraction, WAD) for part in self._ledger(account))
            self._add(account, payment - fee - cash, -linear, now)
            self._add(bidder, cash - payment, linear, now)
            if payment > 0 and self._ledger(bidder)[0] < 0:
                self._check_debt(bidder, self.registry.account_limits(), self.registry.pool_limits())
            if fee > 0:
                self._touch(self.fund << 96, now)
                self._add(self.fund << 96, fee, 0, now)
            after = self.oracle.assess(book, sum(self._ledger(bidder)), now)
            require(after.equity_haircut >= after.im, "clearinghouse: below initial margin")
            self._emit("Seized", account=account, bidder=bidder, fraction=fraction, payment=payment, fee=fee)

    def pull(self, account: int, token: int, amount: int, to: int, bounty: int, *, sender: int, now: int) -> None:
        """Top an account up from its owner's wallet, as far as the owner authorised beforehand."""
        self._check_liquidator(sender)
        with self._whole(token):
            self.mandates.use_top_up(account, token, amount, sender=self.address)
            self._bring(account, token, amount, payer=account >> 96, sender=sender, now=now)
            if bounty > 0:
                self._touch(to, now)
                self._add(account, -bounty, 0, now)
                self._add(to, bounty, 0, now)
                self._emit("BountyPaid", account=account, to=to, amount=bounty)

    def socialise(self, loser: int, account: int, amount: int, *, sender: int, now: int) -> None:
        """A loss that nobody else bears, borne by all positive cash but the loser's alike; `account` receives it."""
        self._check_liquidator(sender)
        with self._whole():
            self._accrue(now)
            self._touch(loser, now)
            self._touch(account, now)
            pool = self.sums
            own = max(self._ledger(loser)[0], 0)
            supply = max(0, pool.supply - own)
            require(amount <= supply // 2, HALF)
            require(supply > 0, "")  # as the division by it reverts
            cut = interest.cut(pool.supply_index, supply, amount)
            require(cut >= MIN_INDEX, HALF)
            self.sums = Pool(cut, pool.borrow_index, pool.since, pool.supply - amount, pool.debt)
            if own > 0:
                self.entries[loser] = (cut, self.brought_in(loser))
            self._touch(account, now)  # it bears its part before it is paid
            self._add(INTEREST, -amount, 0, now)
            self._add(account, amount, 0, now)
            self._emit("LossSocialised", account=account, amount=amount, supply=supply, supply_index=cut)

    # ---------------------------------------------------------------------------------------------------- views

    def ledger(self, account: int, now: int) -> tuple[int, int]:
        """Cash and linear of an account [wad], interest and settled expiries included."""
        _, cash, linear = self._now(account, now)
        return cash, linear

    def positions(self, account: int, now: int) -> tuple[int, ...]:
        """Position words of an account, sorted by id, what is settled not."""
        return self._now(account, now)[0]

    def quantity(self, account: int, instrument_id: int, now: int) -> int:
        """What an account holds of an instrument [wad]."""
        return held(self.positions(account, now), instrument_id)

    def margin(self, account: int, now: int) -> Assessment:
        """Equities and requirements of an account [wad]."""
        require(self.batch == 0 or account != self.batch, "clearinghouse: in a batch")
        words, cash, linear = self._now(account, now)
        return self.oracle.assess(words, cash + linear, now)

    def state(self, account: int, now: int) -> State:
        """Where an account stands."""
        return state_of(self.margin(account, now))

    def open_interest(self, underlying: int) -> int:
        """What all accounts are long [wad], collateral aside."""
        return self.interest.get(underlying, 0)

    def instrument_interest(self, instrument_id: int) -> int:
        """Open interest of an instrument [wad]; of collateral, all that is held."""
        return self.open.get(instrument_id, 0)

    def brought_in(self, account: int) -> int:
        """Quote that an account brought in and did not take out [wad]."""
        return self.entries.get(account, (0, 0))[1]

    def pool(self, now: int) -> tuple[Pool, int]:
        """Indexes, all cash and all debt now, and what of the interest is the fund's and unclaimed [wad]."""
        if self.sums.debt == 0 or self.sums.since == now:
            return self.sums, self.kept
        pool, kept = interest.accrued(self.sums, self.registry.curve(), now)
        return pool, self.kept + kept

    def utilisation(self) -> int:
        """Part of all positive cash that is borrowed [ppm]."""
        return interest.utilisation(self.sums.supply, self.sums.debt)

    def outflow(self) -> int:
        """Profit that left [wad], as of the last that did, and when: u128 | u128."""
        return self.flowed[0] << 128 | self.flowed[1]

    def may_act(self, account: int, who: int, right: int, now: int) -> bool:
        """Whether `who` owns the account or is a delegate with the right."""
        return self.mandates.may_act(account, who, right, now=now)

    # --------------------------------------------------------------------------------------- what time brings

    def _accrue(self, now: int) -> None:
        """Write interest up to now."""
        if self.sums.debt == 0 or self.sums.since == now:
            return
        self.sums, self.kept = self.pool(now)
        require(max(self.sums.supply, self.sums.debt) <= MASK_LOW, OVER_LEDGER)
        pool = self.sums
        self._emit(
            "Accrued",
            supply_index=pool.supply_index,
            borrow_index=pool.borrow_index,
            supply=pool.supply,
            debt=pool.debt,
            kept=self.kept,
        )

    def _touch(self, account: int, now: int) -> None:
        """Book what time owes an account."""
        if account >> 96 == 0:
            return
        cash, linear = self._ledger(account)
        if cash:
            entry, brought_in = self.entries.get(account, (0, 0))
            index = self.sums.supply_index if cash > 0 else self.sums.borrow_index
            if entry != index:
                grown = interest.grown(cash, entry, self.sums)
                self._set_ledger(account, grown, linear)
                self.entries[account] = (index, brought_in)
                self._add(INTEREST, cash - grown, 0, now)
                self._emit("InterestBooked", account=account, amount=grown - cash)
        found = self._split_settled(self.books.get(account, ()), now)
        if not found.gone:
            return
        self.books[account] = found.rest
        for position, price in found.gone:
            quantity, instrument_id = quantity_of(position), id_of(position)
            if quantity > 0:
                self.interest[unpack(instrument_id).underlying] -= quantity
                self.open[instrument_id] -= quantity
            self._emit("Expired", account=account, instrument=instrument_id, quantity=quantity, price=price)
        self._add(account, found.cash, found.linear, now)
        self._add(POOL, -found.cash, -found.linear, now)

    def _split_settled(self, words: Sequence[int], now: int) -> Settled:
        """A book without what is settled, and what that pays: down, for both sides of it."""
        rest, gone, cash, linear = [], [], 0, 0
        for position in words:
            instrument = unpack(id_of(position))
            price = 0
            if 0 < instrument.expiry <= now:
                price = self.history.settled(instrument.underlying, instrument.expiry, now)
            if price == 0:
                rest.append(position)
                continue
            gone.append((position, price))
            unit = self.feed.strike_unit(instrument.underlying)
            pays = div_floor(quantity_of(position) * payoff(instrument, price, unit), WAD)
            cash += 0 if instrument.kind == FUTURE else pays
            linear += pays if instrument.kind == FUTURE else 0
        return Settled(tuple(rest), tuple(gone), cash, linear)

    def _now(self, account: int, now: int) -> tuple[tuple[int, ...], int, int]:
        """What a touch would leave: positions, cash and linear."""
        pool, _ = self.pool(now)
        found = self._split_settled(self.books.get(account, ()), now)
        cash, linear = self._ledger(account)
        if account >> 96 != 0:
            cash = interest.grown(cash, self.entries.get(account, (0, 0))[0], pool)
        return found.rest, cash + found.cash, linear + found.linear

    # -------------------------------------------------------------------------------------------------- ledgers

    def _ledger(self, account: int) -> tuple[int, int]:
        """Both ledgers as they were written."""
        return self.ledgers.get(account, (0, 0))

    def _set_ledger(self, account: int, cash: int, linear: int) -> None:
        require(max(abs(cash), abs(linear)) <= MAX_LEDGER, OVER_LEDGER)
        self.ledgers[account] = cash, linear

    def _add(self, account: int, cash: int, linear: int, now: int) -> None:
        """Change both ledgers of an account [wad]."""
        old, had = self._ledger(account)
        new = old + cash
        self._set_ledger(account, new, had + linear)
        if cash == 0 or account >> 96 == 0:
            return
        pool = self.sums
        if old == 0 or (old > 0) != (new > 0):
            self.entries[account] = (pool.supply_index if new > 0 else pool.borrow_index, self.brought_in(account))
        # what accounts round up, the sums do not: never under zero
        supply = max(0, pool.supply + max(new, 0) - max(old, 0))
        debt = max(0, pool.debt - min(new, 0) + min(old, 0))
        since = now if pool.debt == 0 and debt > 0 else pool.since
        self.sums = Pool(pool.supply_index, pool.borrow_index, since, supply, debt)

    def _bring_in(self, account: int, amount: int) -> None:
        entry, own = self.entries.get(account, (0, 0))
        self.entries[account] = (entry, own + amount)

    def _flow_out(self, profit: int, now: int) -> None:
        """Count profit that leaves [wad] against the cap of a window; what left before drains evenly."""
        limits = self.registry.pool_limits()
        cap = limits >> 32 & NO_CAP
        if profit == 0 or cap == NO_CAP:
            return
        left, since = self.flowed
        drained = mul_div_down(cap, now - since, limits & (2**32 - 1))
        used = profit + max(0, left - drained)
        require(used <= cap, "clearinghouse: outflow over the cap")
        self.flowed = (used, now)

    # --------------------------------------------------------------------------------------------------- tokens

    @staticmethod
    def _worth(amount: int, scale: int) -> int:
        require(amount > 0, "clearinghouse: zero amount")
        require(amount <= MAX_QUANTITY // scale, "clearinghouse: amount over the maximum")
        return amount * scale

    def _bring(self, account: int, token: int, amount: int, *, payer: int, sender: int, now: int) -> None:
        """Tokens of `payer` into an account."""
        require(account >> 96 != 0, "clearinghouse: system account")
        self._accrue(now)
        self._touch(account, now)
        if token == self.quote:
            worth = self._worth(amount, self.quote_scale)
            self._add(account, worth, 0, now)
            self._bring_in(account, worth)
        else:
            instrument_id, scale, cap = self.registry.collateral(token)
            require(scale > 0, "clearinghouse: unknown token")
            if payer == sender:  # a gift of collateral can cost its account more margin than it is worth
                self._check_right(account, DEPOSIT, sender, now)
            self._hold(account, instrument_id, self._worth(amount, scale))
            require(cap == 0 or self.open[instrument_id] <= cap, "clearinghouse: collateral over the cap")
        self.known[token].transfer_from(self.address, payer, self.address, amount)
        self._emit("Deposited", account=account, token=token, amount=amount, by=payer)

    def _take(self, account: int, token: int, amount: int, now: int) -> int:
        """Token units out of an account's book [wad]; not what margin says to it."""
        self._touch(account, now)
        if token == self.quote:
            worth = self._worth(amount, self.quote_scale)
            require(self._ledger(account)[0] >= worth, "clearinghouse: cash not there")
            self._add(account, -worth, 0, now)
            return worth
        instrument_id, scale, _ = self.registry.collateral(token)
        require(scale > 0, "clearinghouse: unknown token")
        worth = self._worth(amount, scale)
        require(held(self.books.get(account, ()), instrument_id) >= worth, "clearinghouse: collateral not there")
        self._hold(account, instrument_id, -worth)
        return worth

    def _hold(self, account: int, instrument_id: int, change: int) -> None:
        self.books[account] = changed(self.books.get(account, ()), instrument_id, change)
        self.open[instrument_id] = self.open.get(instrument_id, 0) + change

    # --------------------------------------------------------------------------------------------------- checks

    def _check_owner(self, sender: int) -> None:
        require(sender == self.owner, "ownable: caller is not the owner")

    def _check_liquidator(self, sender: int) -> None:
        require(sender == self.liquidator, "clearinghouse: not the liquidator")

    def _check_right(self, account: int, right: int, sender: int, now: int) -> None:
        require(self.mandates.may_act(account, sender, right, now=now), NOT_THE_ACCOUNTS)

    def _check_left(self, account: int, now: int, *, is_leaving: bool) -> None:
        """What must hold, late profit not counted, after something was taken out; in a batch, at its end."""
        if account == self.batch:
            self.has_left = self.has_left or is_leaving
            return
        words, ledger = self.books.get(account, ()), sum(self._ledger(account))
        if not is_risky(words, ledger):
            return
        after = self.oracle.assess(words, ledger, now)
        late = self.history.unpaid(words, now)
        self._check_healthy(
            replace(after, equity_haircut=after.equity_haircut - late),
            self.registry.limits_of_leaving(is_leaving, now),
        )

    @staticmethod
    def _check_healthy(after: Assessment, limits: int) -> None:
        require(after.equity_haircut >= after.im, "clearinghouse: below initial margin")
        require(after.fresh, "clearinghouse: surface not fresh")
        require(not _is_too_small(after, limits), "clearinghouse: equity below the minimum")

    def _check_debt(self, account: int, limits: int, pool_limits: int) -> None:
        """Borrowing caps, of the account and of all."""
        cash, _ = self._ledger(account)
        is_within = -cash <= limits >> 32 & MASK_LOW and self.sums.debt <= pool_limits >> 128
        require(cash >= 0 or is_within, BORROWING)

    def _whole(self, *tokens: int) -> AbstractContextManager[None]:
        """A transaction: where anything in it refuses, nothing has happened."""
        return atomic(self, self.mandates, *(self.known[token] for token in tokens if token in self.known))

    def _emit(self, name: str, **args: object) -> None:
        self.log.append(Event(NAME, name, args))


def _booked(money: int, instrument: Instrument) -> tuple[int, int]:
    """Options are paid in cash, linear instruments in linear."""
    return (money, 0) if instrument.is_option else (0, money)


def _is_too_small(after: Assessment, limits: int) -> bool:
    """Whether an account that needs margin has less equity than any may have."""
    return after.mm > 0 and after.equity_haircut < limits >> 160

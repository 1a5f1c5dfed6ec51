"""The book: accounts, collateral, two signed ledgers, positions. Twin of `contracts/Clearinghouse.vy`.

An account is `owner << 96 | number`; account 0 is the system's and takes the dust of roundings, which go against
accounts. Every function checks what the contract checks, in its order, raises `Refused` with its reason and leaves the
state as it was, or commits as a whole. `sender` and `now` stand for `msg.sender` and `block.timestamp`.

    trade    buyer pays ceil(q p), seller receives floor(q p); of cash for options, of linear for perps and futures
    seize    quantities move floor(|q| f), ledgers ceil(x f), the payment is the bidder's cash
    withdraw cash never becomes negative by it; an account that needs no margin reads no price
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from plimsoll.spec.errors import require
from plimsoll.spec.events import Event
from plimsoll.spec.instruments import (
    CALL,
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
from plimsoll.spec.margin import Assessment, State, reduces_risk, state_of
from plimsoll.spec.oracle import Feed, Oracle
from plimsoll.spec.surface import MAX_ROWS
from plimsoll.spec.wad import MAX_LEDGER, MAX_PRICE, MAX_QUANTITY, PPM, WAD, div_up, mul_div_down, mul_div_up

NAME: Final = "Clearinghouse"
SYSTEM: Final = 0
MAX_TOKENS: Final = 16
MAX_DECIMALS: Final = 18
BAND: Final = (1_000, 500_000)  # [ppm] of the index

NOT_THE_ACCOUNTS: Final = "clearinghouse: not the account's"
ZERO_ADDRESS: Final = "clearinghouse: zero address"
OTHER_AMOUNT: Final = "clearinghouse: vault moved another amount"
OVER_QUANTITY: Final = "clearinghouse: quantity over the maximum"
TOO_MANY: Final = "clearinghouse: too many positions"


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
    """A book with what it takes over, and by how much the open interest of each underlying falls."""
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
            closed[instrument.underlying] = closed.get(instrument.underlying, 0) + min(abs(had), abs(moved))
    for w in words[place:]:
        keep(w)
    return tuple(new), closed


def _place(words: Sequence[int], instrument_id: int) -> int:
    return bisect_left(words, instrument_id, key=id_of)


def _is_at(words: Sequence[int], place: int, instrument_id: int) -> bool:
    return place < len(words) and id_of(words[place]) == instrument_id


class Book:
    """The state of one `Clearinghouse`; `tokens` maps the addresses of all tokens there are to their twins."""

    def __init__(
        self,
        address: int,
        owner: int,
        quote: int,
        oracle: Oracle,
        feed: Listings,
        tokens: Mapping[int, Token],
    ) -> None:
        require(quote != 0 and oracle.address != 0, ZERO_ADDRESS)
        require(tokens[quote].decimals <= MAX_DECIMALS, "clearinghouse: decimals over 18")
        self.address = address
        self.owner = owner
        self.quote = quote
        self.quote_scale: int = 10 ** (MAX_DECIMALS - tokens[quote].decimals)
        self.oracle = oracle
        self.feed = feed
        self.known = tokens
        self.ledgers: dict[int, tuple[int, int]] = {}
        self.books: dict[int, tuple[int, ...]] = {}
        self.listings: dict[tuple[int, int], list[int]] = {}
        self.interest: dict[int, int] = {}
        self.collateral: dict[int, tuple[int, int]] = {}
        self.tokens: list[int] = [quote]
        self.delegates: set[tuple[int, int]] = set()
        self.venues: dict[int, bool] = {}
        self.allowances: dict[tuple[int, int], int] = {}
        self.liquidator = 0
        self.price_band = 100_000
        self.reduce_band = 10_000
        self.log: list[Event] = []
        self._emit("BandsSet", price_band=self.price_band, reduce_band=self.reduce_band)

    # ----------------------------------------------------------------------------------------------- governance

    def list_instrument(self, underlying: int, expiry: int, kind: int, strike: int, *, sender: int, now: int) -> int:
        """List a perp, future, call or put; its id."""
        self._check_owner(sender)
        require(
            kind < SPOT
            and (expiry == 0) == (kind == PERP)
            and (strike == 0) == (kind not in {CALL, PUT})
            and self.feed.strike_unit(underlying) > 0,
            "clearinghouse: instrument malformed",
        )
        require(expiry == 0 or expiry > now, "clearinghouse: instrument expired")
        return self._list(Instrument(underlying, expiry, kind, strike, 0))

    def list_collateral(self, token: int, underlying: int, *, sender: int) -> int:
        """List a token as collateral; its id. Tokens of one underlying are told apart by their number, as strike."""
        self._check_owner(sender)
        require(token != 0, ZERO_ADDRESS)
        require(token != self.quote and token not in self.collateral, "clearinghouse: already listed")
        require(len(self.tokens) < MAX_TOKENS, "clearinghouse: too many tokens")
        require(self.feed.strike_unit(underlying) > 0, "clearinghouse: instrument malformed")
        require(token in self.known, "")
        decimals = self.known[token].decimals
        require(decimals <= MAX_DECIMALS, "clearinghouse: decimals over 18")
        scale: int = 10 ** (MAX_DECIMALS - decimals)
        instrument_id = self._list(Instrument(underlying, 0, SPOT, len(self.tokens), 0))
        self.collateral[token] = instrument_id, scale
        self.tokens.append(token)
        self._emit("CollateralListed", token=token, instrument=instrument_id, scale=scale)
        return instrument_id

    def set_venue(self, venue: int, admitted: bool, *, sender: int) -> None:  # noqa: FBT001 - as the contract has it
        """Admit a venue, or dismiss it."""
        self._check_owner(sender)
        require(venue != 0, ZERO_ADDRESS)
        self.venues[venue] = admitted
        self._emit("VenueSet", venue=venue, admitted=admitted)

    def set_liquidator(self, liquidator: int, *, sender: int) -> None:
        """Who may seize; once."""
        self._check_owner(sender)
        require(liquidator != 0, ZERO_ADDRESS)
        require(self.liquidator == 0, "clearinghouse: liquidator is set")
        self.liquidator = liquidator
        self._emit("LiquidatorSet", liquidator=liquidator)

    def set_bands(self, price_band: int, reduce_band: int, *, sender: int) -> None:
        """How far from the mark a price may lie [ppm of the index]."""
        self._check_owner(sender)
        require(BAND[0] <= reduce_band <= price_band <= BAND[1], "clearinghouse: bands out of range")
        self.price_band = price_band
        self.reduce_band = reduce_band
        self._emit("BandsSet", price_band=price_band, reduce_band=reduce_band)

    # ------------------------------------------------------------------------------------------------- accounts

    def set_delegate(self, account: int, delegate: int, allowed: bool, *, sender: int) -> None:  # noqa: FBT001
        """Let another act for the account, or no longer."""
        require(account >> 96 == sender, NOT_THE_ACCOUNTS)
        require(delegate != 0, ZERO_ADDRESS)
        (self.delegates.add if allowed else self.delegates.discard)((account, delegate))
        self._emit("DelegateSet", account=account, delegate=delegate, allowed=allowed)

    def set_allowance(self, account: int, venue: int, expires: int, *, sender: int) -> None:
        """Let a venue trade the account until `expires` [s]; zero withdraws it."""
        require(self.may_act(account, sender), NOT_THE_ACCOUNTS)
        self.allowances[account, venue] = expires
        self._emit("AllowanceSet", account=account, venue=venue, expires=expires)

    def deposit(self, account: int, token: int, amount: int, *, sender: int) -> None:
        """Bring tokens into an account. Reads no price."""
        require(amount > 0, "clearinghouse: zero amount")
        require(account >> 96 != 0, "clearinghouse: system account")
        ledger, words = self.ledgers.get(account, (0, 0)), self.positions(account)
        if token == self.quote:
            ledger = self._added(ledger, self._worth(amount, self.quote_scale), 0)
        else:
            require(token in self.collateral, "clearinghouse: unknown token")
            instrument_id, scale = self.collateral[token]
            worth = self._worth(amount, scale)
            is_new = held(words, instrument_id) == 0
            require(not is_new or self.may_act(account, sender), "clearinghouse: token new to the account")
            words = changed(words, instrument_id, worth)
        self.known[token].transfer_from(self.address, sender, self.address, amount)
        self._commit(account, ledger, words)
        self._emit("Deposited", account=account, token=token, amount=amount, by=sender)

    def withdraw(self, account: int, token: int, amount: int, to: int, *, sender: int, now: int) -> None:
        """Take tokens out of an account, which must be at or over initial margin afterwards, on fresh surfaces."""
        require(self.may_act(account, sender), NOT_THE_ACCOUNTS)
        require(amount > 0, "clearinghouse: zero amount")
        require(to != 0, ZERO_ADDRESS)
        ledger, words = self.ledgers.get(account, (0, 0)), self.positions(account)
        if token == self.quote:
            worth = self._worth(amount, self.quote_scale)
            require(ledger[0] >= worth, "clearinghouse: cash not there")
            ledger = self._added(ledger, -worth, 0)
        else:
            require(token in self.collateral, "clearinghouse: unknown token")
            instrument_id, scale = self.collateral[token]
            worth = self._worth(amount, scale)
            require(held(words, instrument_id) >= worth, "clearinghouse: collateral not there")
            words = changed(words, instrument_id, -worth)
        if is_risky(words, sum(ledger)):
            self._check_healthy(self.oracle.assess(words, sum(ledger), now))
        require(self.known[token].balance_of(self.address) >= amount, "clearinghouse: cash not there")
        require(to != self.address, OTHER_AMOUNT)
        self.known[token].transfer(self.address, to, amount)
        self._commit(account, ledger, words)
        self._emit("Withdrawn", account=account, token=token, amount=amount, to=to)

    # --------------------------------------------------------------------------------------------------- venues

    def trade(
        self, buyer: int, seller: int, instrument_id: int, quantity: int, price: int, *, sender: int, now: int
    ) -> None:
        """Move `quantity` [wad] from seller to buyer, and `quantity` x `price` [wad] back."""
        require(self.venues.get(sender, False), "clearinghouse: venue not admitted")
        require(buyer != seller, "clearinghouse: buyer is seller")
        require(quantity > 0, "clearinghouse: zero quantity")
        require(quantity <= MAX_QUANTITY, OVER_QUANTITY)
        require(price > 0, "clearinghouse: zero price")
        require(price <= MAX_PRICE, "clearinghouse: price over the maximum")
        require(
            all(self.allowances.get((side, sender), 0) >= now for side in (buyer, seller)),
            "clearinghouse: venue not allowed",
        )
        instrument = unpack(instrument_id)
        require(instrument.kind != SPOT and self.is_listed(instrument_id), "clearinghouse: unknown instrument")
        require(instrument.expiry == 0 or now < instrument.expiry, "clearinghouse: instrument expired")

        mark = self.oracle.mark(instrument_id, now)
        index, _, _ = self.feed.price(instrument.underlying, now)
        distance = abs(price - mark) * PPM
        require(distance <= self.price_band * index, "clearinghouse: price outside the band")
        is_far = distance > self.reduce_band * index

        paid = mul_div_up(quantity, price, WAD)  # up: against the buyer
        received = mul_div_down(quantity, price, WAD)  # down: against the seller
        sides = (
            (buyer, quantity, -paid, is_far and price > mark),
            (seller, -quantity, received, is_far and price < mark),
        )
        interest = self.interest.get(instrument.underlying, 0)
        for account, change, _, _ in sides:
            before = held(self.positions(account), instrument_id)
            interest += max(before + change, 0) - max(before, 0)

        # margins are checked against the open interest that the trade leaves
        known = self.interest
        self.interest = {**known, instrument.underlying: interest}
        try:
            filled = [
                self._filled(account, instrument, change, money, now, is_worse=is_worse)
                for account, change, money, is_worse in sides
            ]
            dust = self._added(self.ledgers.get(SYSTEM, (0, 0)), *_booked(paid - received, instrument))
        except BaseException:
            self.interest = known
            raise
        for account, ledger, words in filled:
            self._commit(account, ledger, words)
        self._commit(SYSTEM, dust, self.positions(SYSTEM))
        self._emit(
            "Traded",
            buyer=buyer,
            seller=seller,
            instrument=instrument_id,
            quantity=quantity,
            price=price,
            paid=paid,
            received=received,
            venue=sender,
        )

    def _filled(
        self,
        account: int,
        instrument: Instrument,
        change: int,
        money: int,
        now: int,
        *,
        is_worse: bool,
    ) -> tuple[int, tuple[int, int], tuple[int, ...]]:
        """One side of a trade: healthy on fresh surfaces afterwards, or with less risk at no bad price."""
        words = self.positions(account)
        ledger = self.ledgers.get(account, (0, 0))
        book = changed(words, instrument.pack(), change)
        after = self.oracle.assess(book, sum(ledger) + money, now)
        if after.equity_haircut < after.im or not after.fresh:
            before = self.oracle.assess(words, sum(ledger), now)
            if not reduces_risk(before, after):
                self._check_healthy(after)
            require(not is_worse, "clearinghouse: price worse than allowed")
        return account, self._added(ledger, *_booked(money, instrument)), book

    def seize(self, account: int, bidder: int, fraction: int, payment: int, *, sender: int, now: int) -> None:
        """Move a fraction [wad] of an account to a bidder, who pays [wad] of cash for it."""
        require(sender == self.liquidator, "clearinghouse: not the liquidator")
        require(0 < fraction <= WAD, "clearinghouse: fraction out of range")
        require(account != bidder, "clearinghouse: buyer is seller")
        taken, rest = split(self.positions(account), fraction)
        book, closed = merge(self.positions(bidder), taken)
        cash, linear = (div_up(part * fraction, WAD) for part in self.ledgers.get(account, (0, 0)))
        left = self._added(self.ledgers.get(account, (0, 0)), payment - cash, -linear)
        got = self._added(self.ledgers.get(bidder, (0, 0)), cash - payment, linear)

        known = self.interest
        self.interest = {**known, **{u: known.get(u, 0) - amount for u, amount in closed.items()}}
        try:
            after = self.oracle.assess(book, sum(got), now)
            require(after.equity_haircut >= after.im, "clearinghouse: below initial margin")
        except BaseException:
            self.interest = known
            raise
        self._commit(account, left, rest)
        self._commit(bidder, got, book)
        self._emit("Seized", account=account, bidder=bidder, fraction=fraction, payment=payment)

    # ---------------------------------------------------------------------------------------------------- views

    def ledger(self, account: int) -> tuple[int, int]:
        """Cash and linear of an account [wad]."""
        return self.ledgers.get(account, (0, 0))

    def positions(self, account: int) -> tuple[int, ...]:
        """Position words of an account, sorted by id."""
        return self.books.get(account, ())

    def quantity(self, account: int, instrument_id: int) -> int:
        """What an account holds of an instrument [wad], long +."""
        return held(self.positions(account), instrument_id)

    def margin(self, account: int, now: int) -> Assessment:
        """Equities and requirements of an account [wad]."""
        return self.oracle.assess(self.positions(account), sum(self.ledger(account)), now)

    def state(self, account: int, now: int) -> State:
        """Where an account stands."""
        return state_of(self.margin(account, now))

    def open_interest(self, underlying: int) -> int:
        """What all accounts are long [wad], collateral aside."""
        return self.interest.get(underlying, 0)

    def may_act(self, account: int, who: int) -> bool:
        """Whether `who` owns the account or is its delegate."""
        return account >> 96 == who or (account, who) in self.delegates

    def is_listed(self, instrument_id: int) -> bool:
        """Whether an instrument, collateral included, is listed."""
        instrument = unpack(instrument_id)
        rows = self.listings.get((instrument.underlying, instrument.expiry), [])
        return instrument.row < len(rows) and rows[instrument.row] == instrument_id

    def listing(self, underlying: int, expiry: int) -> tuple[int, ...]:
        """Ids of one surface's instruments, by row."""
        return tuple(self.listings.get((underlying, expiry), ()))

    def borrowed(self, account: int) -> int:
        """What an account owes [wad]: negative cash, nothing else."""
        return max(0, -self.ledger(account)[0])

    # -------------------------------------------------------------------------------------------------- helpers

    def _check_owner(self, sender: int) -> None:
        require(sender == self.owner, "ownable: caller is not the owner")

    @staticmethod
    def _check_healthy(after: Assessment) -> None:
        require(after.equity_haircut >= after.im, "clearinghouse: below initial margin")
        require(after.fresh, "clearinghouse: surface not fresh")

    @staticmethod
    def _worth(amount: int, scale: int) -> int:
        require(amount <= MAX_QUANTITY // scale, "clearinghouse: amount over the maximum")
        return amount * scale

    @staticmethod
    def _added(ledger: tuple[int, int], cash: int, linear: int) -> tuple[int, int]:
        new = ledger[0] + cash, ledger[1] + linear
        require(max(map(abs, new)) <= MAX_LEDGER, "clearinghouse: ledger over the maximum")
        return new

    def _list(self, instrument: Instrument) -> int:
        rows = self.listings.get((instrument.underlying, instrument.expiry), [])
        require(len(rows) < MAX_ROWS, "clearinghouse: listing is full")
        head = instrument.pack()
        require(all(known >> 16 != head >> 16 for known in rows), "clearinghouse: already listed")
        self.listings[instrument.underlying, instrument.expiry] = [*rows, head | len(rows)]
        self._emit("InstrumentListed", instrument=head | len(rows))
        return head | len(rows)

    def _commit(self, account: int, ledger: tuple[int, int], words: tuple[int, ...]) -> None:
        self.ledgers[account] = ledger
        self.books[account] = words

    def _emit(self, name: str, **args: object) -> None:
        self.log.append(Event(NAME, name, args))


def _booked(money: int, instrument: Instrument) -> tuple[int, int]:
    """Options are paid in cash, linear instruments in linear."""
    return (money, 0) if instrument.is_option else (0, money)

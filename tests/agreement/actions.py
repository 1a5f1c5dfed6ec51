"""Actions on a deployment and its twin, drawn from a source of chance: good ones, ones at an edge, bad ones.

`Player.act` picks an action in view of the state, runs it on both through `Pair.step`, and tells what came of it. A bad
action is not kept out of the contracts: both must refuse it for the same reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from plimsoll.spec.book import NO_CAP, held
from plimsoll.spec.breakers import Limits
from plimsoll.spec.errors import Refused
from plimsoll.spec.exchange import Order
from plimsoll.spec.history import BUCKET, BUCKETS
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, WINDOW, Instrument, id_of, quantity_of, unpack
from plimsoll.spec.liquidator import ANY_PRICE, ANY_STATE, Config
from plimsoll.spec.mandates import ALL, ENDLESS
from plimsoll.spec.margin import ClassOffset, Params, Scalars, State
from plimsoll.spec.registry import (
    LEAVE,
    LIQUIDATION,
    RISK,
    AccountLimits,
    Curve,
    Fees,
    PoolLimits,
    pack_account_limits,
    pack_curve,
    pack_fees,
    pack_pool_limits,
)
from plimsoll.spec.report import Report, digest, pack_class, pack_floors, pack_rates, pack_scalars
from plimsoll.spec.standing import StandingOrder
from plimsoll.spec.surface import Row, Surface, encode
from plimsoll.spec.timelock import GUARDIAN_ROLE, PROPOSER_ROLE, hash_operation
from plimsoll.spec.wad import FORWARD_UNIT, MARK_UNIT, MAX_LEDGER, MAX_PRICE, MAX_QUANTITY, PPM, WAD, div_up
from tests.pairs import ZERO, Pair, account, address_of, sign, text
from tests.strategies import Source, chance, edge, pick

BTC: Final = 0x0000
ETH: Final = 0x0001
OIL: Final = 0x0200
PRICES: Final = {BTC: 60_000 * WAD, ETH: 3_000 * WAD, OIL: 80 * WAD}
UNITS: Final = {BTC: 18, ETH: 18, OIL: 16}  # strike unit = 10 ** this [wad]
FEED_AGE: Final = 7_200  # [s]
DAY: Final = 86_400
HOUR: Final = 3_600

TRADERS: Final = ("trader", "whale", "maker", "liquidator")
ACCOUNTS: Final = (
    account("trader", 0),
    account("trader", 1),
    account("whale", 0),
    account("maker", 0),
    account("liquidator", 0),
    account("liquidator", 2**96 - 1),
)
EVERYONE: Final = [
    *ACCOUNTS,
    *(account(name, 9) for name in TRADERS),
    account("liquidator", 10),
    account("attacker", 7),
    account("attacker"),
]
VENUE: Final = address_of("venue")
ATTACKER: Final = address_of("attacker")

# ppm of PSR that each lane moves the price by, and which way volatility goes: 13 nodes up and down, six extremes
MOVES: Final = (*(k * PPM // 6 for k in range(-6, 7) for _ in range(2)), -2 * PPM, 2 * PPM, -3 * PPM, 3 * PPM, 0, 0)


@dataclass(frozen=True)
class Terms:
    """What governance sets where sequences begin."""

    curve: Curve
    fees: Fees
    account: AccountLimits
    pool: PoolLimits
    config: Config
    params: Params


FREE: Final = Terms(Curve(), Fees(), AccountLimits(), PoolLimits(), Config(), Params())
USUAL: Final = replace(
    FREE,
    curve=Curve(base=20_000, kink=1_000, slope_low=60_000, slope_high=800_000),  # past the kink from the beginning
    fees=Fees(500, 200, 200_000, 300_000, 5_000, 10_000, 50_000),
    config=Config(urgent_period=60, ramp=1_800),
    params=Params(max_age=2 * DAY, move_gate=50_000),
)
TIGHT: Final = replace(
    USUAL,
    curve=Curve(base=20_000, slope_low=60_000, slope_high=800_000),
    account=AccountLimits(500 * WAD, 300_000 * WAD, 12),
    pool=PoolLimits(500_000 * WAD, 20_000 * WAD, DAY),
    config=Config(bonus=50_000, min_rest=5_000 * WAD),
)


def intrinsic(instrument: Instrument, price: int, unit: int) -> int:
    """What one unit is worth at expiry [wad]."""
    strike = instrument.strike * unit
    if instrument.kind == CALL:
        return max(0, price - strike)
    if instrument.kind == PUT:
        return max(0, strike - price)
    return price


def fair_row(source: Source, instrument: Instrument, price: int, unit: int, psr: int) -> Row:
    """A row that an engine could have made: intrinsic values moved, and a little time value."""
    is_option = instrument.is_option
    extra = source.integer(0, 30_000) if is_option else 0  # [ppm of the price]
    now = intrinsic(instrument, price, unit)
    lanes = []
    for at, move in enumerate(MOVES):
        then = intrinsic(instrument, price + price * move // PPM * psr // PPM, unit)
        if instrument.kind == SPOT and move > 0:
            then = now + (then - now) // 2  # wrapped and staked tokens lose more than they gain
        vol = extra // 20 * (1 if at % 2 else -1) if is_option else 0
        lanes.append(max(-32_768, min(32_767, ((then - now) * PPM // price + vol) // 100)))
    delta = PPM
    if is_option:
        is_in = now > 0
        delta = source.integer(PPM // 2, PPM) if is_in else source.integer(0, PPM // 2)
        delta = delta if instrument.kind == CALL else -delta
    return Row(
        kind=instrument.kind,
        strike=instrument.strike,
        lanes=tuple(lanes),
        mark=min(2**48 - 1, (now + price * extra // PPM) * MARK_UNIT // price),
        delta=delta,
        gamma=source.integer(0, 3 * PPM) if is_option else 0,
        vega=source.integer(0, 300_000) if is_option else 0,
        theta=-source.integer(0, 5_000) if is_option else 0,
        gross=source.integer(0, 60_000) if instrument.kind == SPOT else source.integer(500, 8_000),
    )


class Player:
    """Draws actions and runs them on both sides of a pair; those of `focus` as often as all others together."""

    def __init__(self, pair: Pair, source: Source, focus: Sequence[str] = ()) -> None:
        self.pair = pair
        self.source = source
        self.focus = focus
        self.outcomes: dict[tuple[str, str], int] = {}

    # ------------------------------------------------------------------------------------------------------- tools

    def step(self, part: str, name: str, *args: Any, sender: int = ATTACKER) -> Any:
        """A step on both; its outcome is counted."""
        found = self.pair.step(part, name, *args, sender=sender)
        key = f"{part}.{name}", found.reason if isinstance(found, Refused) else "done"
        self.outcomes[key] = self.outcomes.get(key, 0) + 1
        return found

    def bad(self, percent: int = 4) -> bool:
        """Whether to do it wrong this time."""
        return chance(self.source, percent)

    def pick(self, items: Any) -> Any:
        """One of several."""
        return pick(self.source, tuple(items))

    def someone(self) -> int:
        """The address of a trader, or of one who has no business here."""
        return ATTACKER if self.bad(3) else address_of(self.pick(TRADERS))

    def owner_of(self, who: int) -> int:
        """Who may act for an account, or for once another."""
        return self.someone() if self.bad(4) else who >> 96

    def admin(self) -> int:
        """The owner of the contracts, or for once another."""
        return ATTACKER if self.bad(8) else self.pair.owner

    def index(self, underlying: int) -> int:
        """The last price of an underlying, alive or not [wad]."""
        return min(max(1, self.pair.twin.aggregators[self.pair.aggregators[underlying]].answer), MAX_PRICE)

    def margin(self, who: int) -> Any:
        """The margin of an account; None where a feed is dead."""
        try:
            return self.pair.twin.book.margin(who, self.pair.now)
        except Refused:
            return None

    def mark(self, instrument_id: int) -> int | None:
        """The mark of an instrument; None where its feed is dead."""
        try:
            return self.pair.twin.oracle.mark(instrument_id, self.pair.now)
        except Refused:
            return None

    def listed(self) -> list[int]:
        """Every listed instrument but collateral."""
        rows = self.pair.twin.registry.listings.values()
        return [i for listing in rows for i in listing if unpack(i).kind != SPOT]

    # ------------------------------------------------------------------------------------------------------- setup

    def open(self, terms: Terms = USUAL) -> None:
        """Feeds, listings, a first report, tokens in hand, venues allowed: where sequences begin."""
        pair, owner = self.pair, self.pair.owner
        pair.wire()
        pair.must("registry", "set_venue", VENUE, True, sender=owner)
        for underlying, price in PRICES.items():
            pair.price(underlying, price)
            pair.must(
                "feed", "set_feed", underlying, pair.aggregators[underlying], FEED_AGE, UNITS[underlying], sender=owner
            )
            pair.must("registry", "list_instrument", underlying, 0, PERP, 0, sender=owner)
        for token, underlying in zip(pair.tokens[1:], (BTC, ETH), strict=True):
            pair.must("registry", "list_collateral", token, underlying, sender=owner)
        expiry = pair.now + 30 * DAY
        for underlying, price in PRICES.items():
            at_money = price // 10 ** UNITS[underlying]
            pair.must("registry", "list_instrument", underlying, expiry, FUTURE, 0, sender=owner)
            for percent in (80, 100, 120):
                for kind in (CALL, PUT):
                    strike = at_money * percent // 100
                    pair.must("registry", "list_instrument", underlying, expiry, kind, strike, sender=owner)
        near = pair.now + DAY // 2
        for underlying, kind, strike in (
            (ETH, CALL, 3_000),
            (ETH, PUT, 3_100),
            (ETH, FUTURE, 0),
            (BTC, FUTURE, 0),
            (BTC, CALL, 59_000),
        ):
            pair.must("registry", "list_instrument", underlying, near, kind, strike, sender=owner)
        pair.must("registry", "set_curve", pack_curve(terms.curve), sender=owner)
        pair.must("registry", "set_fees", pack_fees(terms.fees), sender=owner)
        pair.must("liquidator", "set_config", terms.config, sender=owner)
        pair.must("oracle", "set_params", pack_rates(terms.params), pack_floors(terms.params), sender=owner)
        pair.must("fund", "set_cooldown", DAY, DAY, sender=owner)
        for name in (*TRADERS, "attacker"):
            for token in pair.tokens:
                pair.mint(token, address_of(name), 10**15 * 10 ** pair.twin.tokens[token].decimals)
            pair.approve(pair.tokens[0], address_of(name), pair.twin.at.fund)
        self.remember()
        pair.advance(pair.twin.history.lag)
        self.refresh()
        self.post_all()
        for who in (*ACCOUNTS, account("liquidator", 9)):
            for venue in (VENUE, pair.twin.at.exchange, pair.twin.at.standing):
                pair.must(
                    "mandates", "set_allowance", who, venue, pair.now + 400 * DAY, ENDLESS, 0, 0, sender=who >> 96
                )

    def fund(self, terms: Terms = USUAL) -> None:
        """Deposits, a book of trades on them, debts, limits: accounts from empty to large."""
        pair = self.pair
        quote, btc, eth = pair.tokens
        unit = 10 ** pair.twin.tokens[quote].decimals
        for who, cash in zip(ACCOUNTS, (100_000, 20_000, 5_000_000, 2_000_000, 1_000_000, 0), strict=True):
            if cash:
                pair.must("book", "deposit", who, quote, cash * unit + 7, sender=who >> 96)
        pair.must(
            "book", "deposit", account("liquidator", 9), quote, 20_000_000 * unit, sender=address_of("liquidator")
        )
        pair.must("book", "deposit", ACCOUNTS[0], btc, 2 * 10**18 + 1, sender=ACCOUNTS[0] >> 96)
        pair.must("book", "deposit", ACCOUNTS[3], eth, 50 * 10**8 + 1, sender=ACCOUNTS[3] >> 96)
        pair.must("fund", "deposit", 500_000 * unit, address_of("whale"), sender=address_of("whale"))
        for _ in range(60):
            buyer, seller, instrument_id, quantity, _ = self.deal()
            price = self.mark(instrument_id)
            assert price is not None
            self.step("book", "trade", buyer, seller, instrument_id, quantity // 2 + 1, max(1, price), sender=VENUE)

        for who in ACCOUNTS[:3]:  # out with what initial margin leaves, or with half of it
            found = self.margin(who)
            free = min((found.equity_haircut - found.im) * 9 // 10, self.pair.twin.book.ledger(who, self.pair.now)[0])
            amount = free // pair.twin.book.quote_scale // self.pick((1, 1, 2))
            if amount > 0:
                pair.must("book", "withdraw", who, quote, amount, who >> 96, sender=who >> 96)
        for _ in range(20):
            self.borrow()
        for who in ACCOUNTS[:3]:
            self.gear(who)
        for who in (ACCOUNTS[0], ACCOUNTS[2], ACCOUNTS[3]):
            pair.must("book", "deposit", who >> 96 << 96 | 9, quote, 50_000 * unit, sender=who >> 96)
            pair.must("mandates", "set_reserve", who, who >> 96 << 96 | 9, sender=who >> 96)
            pair.must("mandates", "set_top_up", who, quote, 30_000 * unit, 100 * unit, sender=who >> 96)
        words = pack_account_limits(terms.account), pack_pool_limits(terms.pool)
        pair.must("registry", "set_limits", *words, sender=pair.owner)

    def surface(self, key: tuple[int, int], psr: int, set_id: int) -> Surface:
        """A surface as an engine would make it now."""
        underlying, expiry = key
        price = self.index(underlying)
        unit = 10 ** UNITS[underlying]
        rows = self.pair.twin.registry.listings[key]
        return Surface(
            underlying=underlying,
            expiry=expiry,
            scale=10,
            common=26,
            time=self.pair.now,
            set_id=set_id,
            forward=FORWARD_UNIT if expiry == 0 else FORWARD_UNIT + self.source.integer(-(10**7), 10**7),
            reference=price,
            psr=psr,
            vol_up=250_000,
            vol_down=200_000,
            nodes=tuple(k * 10_000 // 6 for k in range(-6, 7)),
            extremes=(200, 200, 300),
            rows=tuple(fair_row(self.source, unpack(i), price, unit, psr) for i in rows),
        )

    def post_all(self) -> None:
        """A report of everything that is listed; nothing is refused."""
        keys = sorted(self.pair.twin.registry.listings)
        surfaces = [self.surface(key, self.source.integer(15_000, 50_000), 1) for key in keys]
        scalars = [pack_scalars(self.scalars(u)) for u in PRICES]
        classes = [pack_class(ClassOffset(0, 600_000, 300_000))]
        self.pair.post(surfaces, scalars, classes)

    def scalars(self, underlying: int) -> Scalars:
        """Scalars that an engine could have posted."""
        depth = self.source.integer(10, 5_000) * 10**6 * WAD * WAD // PRICES[underlying]
        return Scalars(
            underlying=underlying,
            depth=depth,
            kappa=self.source.integer(0, 500_000),
            som=self.source.integer(0, 60_000),
            im_factor=self.source.integer(1_200_000, 1_800_000),
            volatility=self.source.integer(100_000, 2_000_000),
            market=self.source.integer(0, 50_000),
            funding=self.pick((0, self.source.integer(-3_000, 3_000), self.source.integer(-25_000, 25_000))),
        )

    # --------------------------------------------------------------------------------------------------------- time

    def refresh(self) -> None:
        """Feeds tell their prices again, as a heartbeat does."""
        for underlying in PRICES:
            self.pair.price(underlying, self.index(underlying))

    def remember(self) -> None:
        """The live index of every underlying, for when the lag is over."""
        for underlying in PRICES:
            self.step("history", "touch", underlying)

    def pass_time(self, seconds: int) -> None:
        """So much later; feeds went on."""
        self.pair.advance(max(0, seconds))
        self.refresh()

    # -------------------------------------------------------------------------------------------- tokens in and out

    def deposit(self) -> None:
        """Tokens into an account."""
        who = self.pick(ACCOUNTS)
        token = self.pick(self.pair.tokens)
        unit = 10 ** self.pair.twin.tokens[token].decimals
        usual = 10 ** self.source.integer(3, 7) if token == self.pair.tokens[0] else self.source.integer(1, 100)
        amount = edge(self.source, 1, 10**30) if self.bad(6) else usual * unit + self.source.integer(0, 1)
        if self.bad():
            who = self.pick((0, 5, account("attacker", 7)))
        if self.bad():
            amount = 0
        if self.bad():
            token = ATTACKER
        self.step("book", "deposit", who, token, amount, sender=self.owner_of(who) if self.bad(90) else self.someone())

    def withdraw(self) -> None:
        """Tokens out of an account: at random, all there is, or just down to initial margin."""
        who, token = self.someones_tokens()
        amount = self.amount_of(who, token)
        if self.bad(3):
            token = ATTACKER
        to = self.pick((0, self.pair.twin.at.book)) if self.bad(3) else self.someone()
        self.step("book", "withdraw", who, token, amount, to, sender=self.owner_of(who))

    def transfer(self) -> None:
        """Tokens between accounts of one owner: all, some, just down to initial margin; or of two owners."""
        source, token = self.someones_tokens()
        target = source >> 96 << 96 | self.pick((0, 1, 9))
        if self.bad(6):
            target = self.pick((source, self.pick(ACCOUNTS), 1))
        amount = self.amount_of(source, token)
        if self.bad(3):
            token = ATTACKER
        self.step("book", "transfer", source, target, token, amount, sender=self.owner_of(source))

    def cash_out(self) -> None:
        """Profit leaves: more quote than an account brought in, some of it or all that margin lets go."""
        book, now = self.pair.twin.book, self.pair.now
        rich = [who for who in EVERYONE if book.ledger(who, now)[0] > book.brought_in(who) and self.is_free(who)]
        if not rich:
            self.settle_account()
            return
        who = self.pick(rich)
        found = self.margin(who)
        own = book.brought_in(who) // book.quote_scale
        free = min(found.equity_haircut - found.im, book.ledger(who, now)[0]) // book.quote_scale
        little = own + self.source.integer(1, 2_000) * WAD // book.quote_scale + self.source.integer(0, 1)
        amount = self.pick((min(free, little), min(free, little), free))
        self.step("book", "withdraw", who, book.quote, amount, who >> 96, sender=who >> 96)
        if chance(self.source, 50):  # and more while what left is still counted
            self.pair.advance(self.source.integer(1, 300))
            more = self.source.integer(1, 50) * WAD // book.quote_scale
            self.step("book", "withdraw", who, book.quote, more, who >> 96, sender=who >> 96)

    def someones_tokens(self) -> tuple[int, int]:
        """An account and a token, more often one that it has."""
        who, token = self.pick(EVERYONE if self.bad(30) else ACCOUNTS), self.pick(self.pair.tokens)
        has = [a for a in EVERYONE if self.pair.twin.book.ledger(a, self.pair.now)[0] > 0 and self.is_free(a)]
        return (self.pick(has), self.pair.tokens[0]) if has and chance(self.source, 60) else (who, token)

    def is_free(self, who: int) -> bool:
        """Whether an account is over initial margin."""
        found = self.margin(who)
        return found is not None and found.equity_haircut > found.im

    def amount_of(self, who: int, token: int) -> int:
        """How much of a token might leave an account."""
        book, now = self.pair.twin.book, self.pair.now
        if token == book.quote:
            has, scale = book.ledger(who, now)[0], book.quote_scale
        else:
            instrument_id, scale, _ = self.pair.twin.registry.collateral(token)
            has = book.quantity(who, instrument_id, now)
        amount = max(0, has // scale)
        found = self.margin(who)
        if token == book.quote and found is not None and chance(self.source, 50):
            return max(0, min(amount, (found.equity_haircut - found.im) // scale) + self.source.integer(-1, 1))
        amount = self.source.integer(0, amount) if chance(self.source, 50) else amount
        return edge(self.source, 0, 10**28) if self.bad() else amount

    def settle_account(self) -> None:
        """Realised profit and loss between linear and cash."""
        who = self.pick((0, 1, account("attacker"))) if self.bad() else self.pick(ACCOUNTS)
        self.step("book", "settle", who)

    def expire(self) -> None:
        """What time owes an account is booked."""
        self.step("book", "expire", self.pick((*EVERYONE, 2)))

    def claim(self) -> None:
        """The fund's part of interest, and from its account into the fund."""
        self.step("book", "claim")
        if chance(self.source, 50):
            self.step("fund", "collect")

    def borrow(self) -> None:
        """Options bought on collateral: for more than the account has in cash, or than it may owe."""
        who = self.pick(ACCOUNTS[:4])
        others = [other for other in ACCOUNTS[2:5] if other != who]
        options = [i for i in self.listed() if unpack(i).is_option and (self.mark(i) or 0) > 10**15]
        found = self.margin(who)
        if not options or found is None:
            return
        instrument_id = self.pick(options)
        price = self.mark(instrument_id)
        assert price is not None
        cash = max(0, self.pair.twin.book.ledger(who, self.pair.now)[0])
        wanted = cash + max(1, found.equity_haircut - found.im) * self.source.integer(0, 60) // 100
        quantity = min(max(1, wanted * WAD // price), MAX_QUANTITY)
        self.step("book", "trade", who, self.pick(others), instrument_id, quantity, price, sender=VENUE)

    def gear(self, who: int | None = None) -> None:
        """As much of a perp, a future or of short options as margin lets an account have."""
        who = self.pick(ACCOUNTS[:4]) if who is None else who
        found = self.margin(who)
        if found is None:
            return
        kinds = self.pick(((PERP,), (PERP,), (PERP, FUTURE), (CALL, PUT)))
        instrument_id = self.pick([i for i in self.listed() if unpack(i).kind in kinds])
        price = max(1, self.mark(instrument_id) or 1)
        index = self.index(unpack(instrument_id).underlying)
        other = account("liquidator", 9)
        sides = (who, other) if PERP in kinds and chance(self.source, 50) else (other, who)
        free = max(WAD, found.equity_haircut - found.im)
        for times in (12, 8, 5, 4, 3, 2, 1):
            quantity = min(free * times * WAD // index + 1, MAX_QUANTITY)
            if self.step("book", "trade", *sides, instrument_id, quantity, price, sender=VENUE) is None:
                return

    # -------------------------------------------------------------------------------------------------------- batch

    def batch(self) -> None:
        """Several calls of an account's owner at once."""
        who = self.pick(ACCOUNTS)
        owner = self.owner_of(who)
        calls = [self.one_of_batch(who, owner) for _ in range(self.source.integer(1, 4))]
        found = self.pair.batch(0 if self.bad(2) else who, calls, sender=owner)
        key = "book.multicall", found.reason if isinstance(found, Refused) else "done"
        self.outcomes[key] = self.outcomes.get(key, 0) + 1

    def one_of_batch(self, who: int, owner: int) -> tuple[str, str, Sequence[Any]]:
        """One call of a batch: of the book, of a venue, or one that must not be."""
        quote = self.pair.tokens[0]
        unit = 10 ** self.pair.twin.tokens[quote].decimals
        if self.bad(12):
            return self.pick(
                (
                    ("book", "multicall", (who, [("book", "expire", (who,))])),
                    ("liquidator", "call", (who,)),
                    ("book", "margin", (who,)),
                    ("book", "seize", (who, ACCOUNTS[2], WAD, 0, 0)),
                    ("book", "set_fund", (ATTACKER,)),
                    ("fund", "collect", ()),
                    (hex(ATTACKER), "", ()),
                )
            )
        way = self.source.integer(0, 7)
        if way == 0:
            return "book", "deposit", (who, quote, self.source.integer(1, 20_000) * unit)
        if way == 1:
            return "book", "withdraw", (who, quote, self.amount_of(who, quote), owner)
        if way == 2:
            return "book", "transfer", (who, who >> 96 << 96 | 9, quote, self.amount_of(who, quote))
        if way == 3:
            return "book", self.pick(("settle", "expire")), (who,)
        if way == 4:
            return hex(VENUE), "", ()
        deal = self.deal()
        if who not in deal[:2]:
            buyer, seller = deal[:2]
            deal = (who, seller, *deal[2:]) if seller != who else (buyer, who, *deal[2:])
        orders, signatures, wanted = self.orders_of(deal)
        return "exchange", "settle", (orders[0], signatures[0], orders[1], signatures[1], wanted)

    # ------------------------------------------------------------------------------------------------------ trading

    def deal(self) -> tuple[int, int, int, int, int]:
        """Buyer, seller, instrument, quantity, price: to open, to close, at the mark or at the band's end."""
        buyer = self.pick(ACCOUNTS)
        seller = self.pick([a for a in (*ACCOUNTS, account("liquidator", 9)) if a != buyer])
        holding = [i for i in map(id_of, self.pair.twin.book.positions(buyer, self.pair.now)) if unpack(i).kind != SPOT]
        instrument_id = self.pick(holding) if holding and chance(self.source, 50) else self.pick(self.listed())
        underlying = unpack(instrument_id).underlying
        index = self.index(underlying)
        mark = self.mark(instrument_id) or index
        book = self.pair.twin.book
        has = held(book.positions(buyer, self.pair.now), instrument_id)
        if has and chance(self.source, 60):  # the other way: all of it, part of it, or past it
            quantity = self.pick((abs(has), abs(has) * self.source.integer(1, 99) // 100 + 1, 2 * abs(has)))
            if has > 0:
                buyer, seller = seller, buyer
        else:
            found = [m for m in map(self.margin, (buyer, seller)) if m is not None]
            room = max(min((m.equity_haircut - m.im for m in found), default=0), 100 * WAD)
            quantity = max(1, room * self.source.integer(1, 400) // 100 * WAD // index)
            if chance(self.source, 5):
                quantity = edge(self.source, 1, MAX_QUANTITY)
        width = self.pick((self.pair.twin.registry.price_band, self.pair.twin.registry.reduce_band)) * index // PPM
        away = self.pick((0, 0, 0, width, width + 1, self.source.integer(0, max(1, width))))
        price = mark + (away if chance(self.source, 50) else -away)
        return buyer, seller, instrument_id, min(quantity, MAX_QUANTITY), max(price, 1)

    def spoilt(self, deal: tuple[int, int, int, int, int]) -> tuple[int, int, int, int, int]:
        """A deal with one thing wrong."""
        buyer, seller, instrument_id, quantity, price = deal
        collateral_id, _, _ = self.pair.twin.registry.collateral(self.pair.tokens[1])
        return self.pick(
            (
                (buyer, buyer, instrument_id, quantity, price),
                (buyer, seller, instrument_id, 0, price),
                (buyer, seller, instrument_id, MAX_QUANTITY + 1, price),
                (buyer, seller, instrument_id, quantity, 0),
                (buyer, seller, instrument_id, quantity, MAX_PRICE + 1),
                (buyer, account("attacker"), instrument_id, quantity, price),
                (0, seller, instrument_id, quantity, price),
                (buyer, seller, collateral_id, quantity, price),
                (buyer, seller, instrument_id + 1, quantity, price),
                (buyer, seller, instrument_id, quantity, 2 * price + self.index(unpack(instrument_id).underlying)),
            )
        )

    def trade(self) -> None:
        """A trade through a venue without orders."""
        deal = self.deal()
        deal = self.spoilt(deal) if self.bad(12) else deal
        takes = self.pick(((), (), (True,), (False,)))
        self.step("book", "trade", *deal, *takes, sender=ATTACKER if self.bad(2) else VENUE)

    def settle(self) -> None:
        """A trade through the exchange, with signed orders."""
        buyer, seller, instrument_id, quantity, price = self.deal()
        if self.bad(10):
            buyer, seller, instrument_id, quantity, price = self.spoilt((buyer, seller, instrument_id, quantity, price))
        (maker, taker), signatures, _ = self.orders_of((buyer, seller, instrument_id, quantity, price))
        now = self.pair.now
        if self.bad(15):
            maker, taker = self.pick(
                (
                    (replace(maker, quantity=-maker.quantity), taker),
                    (replace(maker, price=maker.price + 1), replace(taker, price=max(0, taker.price - 1))),
                    (replace(maker, price=max(0, maker.price - 1)), replace(taker, price=taker.price + 1)),
                    (replace(maker, expires=now - 1), taker),
                    (maker, replace(taker, signer=ATTACKER)),
                    (maker, replace(taker, nonce=0)),
                    (maker, replace(taker, instrument=instrument_id + 1)),
                )
            )
            if chance(self.source, 50):
                signatures = [self.signature(order) for order in (maker, taker)]
        wanted = quantity if chance(self.source, 80) else self.source.integer(0, quantity)
        self.step("exchange", "settle", maker, signatures[0], taker, signatures[1], wanted)
        if self.bad(30):  # the same orders again
            self.step("exchange", "settle", maker, signatures[0], taker, signatures[1], wanted)
        if self.bad(10):
            self.step("exchange", "cancel", self.pick((maker, taker)), sender=self.someone())
            self.step("exchange", "settle", maker, signatures[0], taker, signatures[1], wanted)

    def orders_of(self, deal: tuple[int, int, int, int, int]) -> tuple[list[Order], list[bytes], int]:
        """A deal as a maker's and a taker's signed order, and its quantity."""
        buyer, seller, instrument_id, quantity, price = deal
        now = self.pair.now
        nonce = self.source.integer(0, 3)
        signs = -1 if chance(self.source, 50) else 1
        orders = [
            Order(
                who,
                who >> 96,
                instrument_id,
                side * max(1, quantity),
                price,
                now + self.pick((0, HOUR, 9 * DAY)),
                nonce,
            )
            for who, side in (((buyer, 1), (seller, -1)) if signs > 0 else ((seller, -1), (buyer, 1)))
        ]
        return orders, [self.signature(order) for order in orders], quantity

    def signature(self, order: Order | StandingOrder) -> bytes:
        """An order signed by its signer's key, where it is a role's."""
        venue = self.pair.twin.exchange if isinstance(order, Order) else self.pair.twin.standing
        message = venue.digest(order)
        names = {address_of(name): name for name in (*TRADERS, "attacker")}
        return sign(names.get(order.signer, "attacker"), message)

    def cancel_below(self) -> None:
        """Old orders voided."""
        who = self.pick(ACCOUNTS)
        self.step("exchange", "cancel_below", who, self.source.integer(0, 4), sender=self.owner_of(who))

    def standing(self) -> None:
        """A standing order of a called account, executed by another; or one that must not be."""
        twin, now = self.pair.twin, self.pair.now
        called = [w for w in ACCOUNTS if twin.liquidator.deadline(w, now) or twin.liquidator.auction(w, now)]
        who = self.pick(called) if called and not self.bad(10) else self.pick(ACCOUNTS)
        holding = [w for w in twin.book.positions(who, now) if unpack(id_of(w)).kind != SPOT]
        if not holding:
            return
        chosen = self.pick(holding)
        has = -quantity_of(chosen)
        other = self.pick([a for a in ACCOUNTS if a >> 96 != who >> 96])
        order = StandingOrder(
            account=who,
            signer=self.someone() if self.bad(5) else who >> 96,
            instrument=id_of(chosen),
            quantity=-has if self.bad(5) else has * self.pick((1, 1, 2)),
            slack=self.pick((0, 0, 10_000, 50_000, 50_001 if self.bad(20) else 7)),
            expires=now + self.pick((0, DAY, -1 if self.bad(10) else 9)),
            nonce=self.source.integer(0, 3),
        )
        signature = self.signature(order) if not self.bad(5) else bytes(65)
        quantity = self.pick(
            (abs(has), abs(has) // 2 + 1, 1, 2 * abs(has) if self.bad(20) else abs(has), 0 if self.bad() else 3)
        )
        if self.bad(6):
            self.step("standing", "cancel", order, sender=self.owner_of(who))
        self.step("standing", "execute", order, signature, other, quantity, sender=self.owner_of(other))
        if self.bad(20):
            self.step("standing", "execute", order, signature, other, quantity, sender=other >> 96)
        if self.bad(6):
            self.step("standing", "cancel_below", who, self.source.integer(0, 4), sender=self.owner_of(who))

    def stand_ready(self) -> None:
        """Somebody comes into trouble, is called, and his standing order is there."""
        self.stress()
        self.call()
        self.standing()

    # ---------------------------------------------------------------------------------------------- risk and market

    def post(self) -> None:
        """A report, of all or some surfaces, calm or harsh; or a bad one."""
        keys = sorted(self.pair.twin.registry.listings)
        underlying = self.pick(PRICES)
        chosen = keys if chance(self.source, 15) else [key for key in keys if key[0] == underlying]
        psr = self.source.integer(20_000, 120_000 if chance(self.source, 70) else 300_000)
        set_id = self.source.integer(1, 2**64 - 1)
        surfaces = [self.surface(key, psr, set_id) for key in chosen]
        scalars = [pack_scalars(self.scalars(u)) for u in PRICES if chance(self.source, 60)]
        classes = [pack_class(ClassOffset(0, *(self.source.integer(0, PPM) for _ in range(2))))]
        if self.bad(15):
            self.bad_post(surfaces, scalars, classes)
            return
        fresh = chance(self.source, 25)
        stored = [self.step("oracle", "store", encode(s)) for s in (surfaces[:-1] if fresh else surfaces)]
        last = encode(surfaces[-1]) if fresh else b""
        codes = self.pair.twin.oracle.codes
        hashes = [_hash(codes[at]) for at in stored] + ([_hash(last)] if fresh else [])
        report = self.report(surfaces[0].time, hashes, scalars, classes)
        self.step("oracle", "post", report, self.pair.signed(report), stored, last)
        if self.bad(10):  # a replay
            self.step("oracle", "post", report, self.pair.signed(report), stored, last)

    def report(self, time: int, hashes: list[bytes], scalars: list[int], classes: list[int]) -> Report:
        """The next report."""
        return Report(
            sequence=self.pair.twin.oracle.sequence + self.source.integer(1, 3),
            market_time=time,
            urgent=self.bad(5),
            model=self.source.blob(32),
            config=ZERO,
            snapshot=self.source.blob(32),
            surfaces=tuple(hashes),
            scalars=tuple(scalars),
            classes=tuple(classes),
        )

    def bad_post(self, surfaces: list[Surface], scalars: list[int], classes: list[int]) -> None:
        """A report that must not be believed."""
        way = self.source.integer(0, 13)
        if way == 0:
            surfaces = [replace(s, time=s.time - 1) for s in surfaces]
        elif way == 1:
            surfaces[-1] = replace(surfaces[-1], set_id=surfaces[-1].set_id ^ 1)
        elif way == 2:
            surfaces.reverse()
        elif way == 3:
            scalars = [pack_scalars(replace(self.scalars(BTC), depth=1))]
        elif way == 4:
            classes = [pack_class(ClassOffset(0, PPM + 1, 0))]
        elif way == 5:
            surfaces[0] = replace(surfaces[0], scale=11)
        stored = [at for at in (self.step("oracle", "store", encode(s)) for s in surfaces) if isinstance(at, int)]
        codes = self.pair.twin.oracle.codes
        report = self.report(self.pair.now, [_hash(codes[at]) for at in stored], scalars, classes)
        if way == 6:
            report = replace(report, market_time=self.pair.now + 1)
        elif way == 7:
            report = replace(report, market_time=max(0, self.pair.now - 8 * DAY))
        elif way == 8:
            report = replace(report, market_time=self.pair.twin.oracle.market_time - 1)
        elif way == 9:
            report = replace(report, sequence=self.pair.twin.oracle.sequence)
        names = self.pair.signers[: self.pair.quorum]
        signatures = self.pair.signed(report, names)
        if way == 10:
            signatures = self.pair.signed(report, [*names[:-1], "attacker"])
        elif way == 11:
            signatures = signatures[:-1]
        elif way == 12:
            signatures = signatures[::-1] if len(signatures) > 1 else [signatures[0], signatures[0]]
        elif way == 13:
            report = replace(report, model=bytes(32)) if any(report.model) else report
        self.step("oracle", "post", report, signatures, stored[:-1] if self.bad(10) else stored, b"")

    def move(self) -> None:
        """Prices move: a little, a lot, out of sight."""
        for underlying in PRICES:
            if chance(self.source, 60):
                way = self.source.integer(0, 9)
                width = 5_000 if way < 6 else 60_000 if way < 9 else 300_000  # [ppm]
                new = self.index(underlying) * (PPM + self.source.integer(-width, width)) // PPM
                if self.bad(4):
                    new = self.pick((0, -1, 1, MAX_PRICE + 1, PRICES[underlying]))
                self.pair.price(underlying, new, self.pair.now - (FEED_AGE + 1 if self.bad(3) else 0))

    def revive(self) -> None:
        """All feeds answer again, near where they began."""
        for underlying, price in PRICES.items():
            self.pair.price(underlying, price * self.source.integer(900_000, 1_100_000) // PPM)

    # ------------------------------------------------------------------------------------------------------ history

    def expiries(self) -> list[tuple[int, int]]:
        """Underlyings and expiries that are listed."""
        return sorted(key for key in self.pair.twin.registry.listings if key[1])

    def settle_expiry(self) -> None:
        """On to an expiry: observed enough or not, proposed, disputed or not, resolved, final."""
        now = self.pair.now
        open_now = [key for key in self.expiries() if not self.pair.twin.history.settled(*key, now)]
        if not open_now:
            return
        underlying, expiry = min(open_now, key=lambda key: (key[1], key[0])) if self.bad(85) else self.pick(open_now)
        if now < expiry:
            left = self.source.integer(0, BUCKETS)
            self.pass_time(expiry - now - WINDOW + self.source.integer(-1, 0 if left else WINDOW))
            for _ in range(left):
                if chance(self.source, 30):
                    self.drift()
                self.step("history", "observe", underlying, expiry)
                self.pass_time(self.pick((BUCKET, BUCKET, BUCKET - 1, 1, 2 * BUCKET)))
                if self.pair.now >= expiry:
                    break
            self.pass_time(expiry - self.pair.now + self.source.integer(-1, 1))
        self.propose((underlying, expiry))
        for at in self.pick(((underlying,), PRICES)):
            if (at, expiry) in self.pair.twin.registry.listings and at != underlying:
                self.propose((at, expiry))
        if chance(self.source, 70):
            self.pass_time(self.pair.twin.history.delay - self.source.integer(0, 1))
        if chance(self.source, 60):
            self.post()

    def propose(self, key: tuple[int, int]) -> None:
        """A settlement price by what was observed; or by the owner, where there is none or it is disputed."""
        self.step("history", "propose", *key)
        if self.bad(25):
            self.step("history", "dispute", *key, sender=self.pick((self.pair.owner, self.pair.owner, ATTACKER)))
        price = self.index(key[0]) * self.pick((100, 100, 50, 200, 49, 201, 130)) // 100
        if chance(self.source, 70):
            self.step("history", "resolve", *key, 0 if self.bad(3) else price, sender=self.admin())

    def drift(self) -> None:
        """Prices move a little."""
        for underlying in PRICES:
            self.pair.price(
                underlying, max(1, self.index(underlying) * (PPM + self.source.integer(-3_000, 3_000)) // PPM)
            )

    def history(self) -> None:
        """One function of the history, wherever the clock stands."""
        key = (BTC, 0) if self.bad(5) else self.pick((*self.expiries(), (ETH, self.pair.now)))
        way = self.source.integer(0, 4)
        if way <= 1:
            self.remember()
            self.step("history", "touch", 77)
        elif way == 2:
            self.step("history", "observe", *key)
        elif way == 3:
            self.propose(key)
        else:
            self.step("history", "dispute", *key, sender=self.admin())

    def wait(self) -> None:
        """Time passes; prices are told again, as a feed's heartbeat does, or not."""
        self.pair.advance(
            self.pick((0, 1, 60, HOUR, 2 * HOUR + 1, self.source.integer(0, DAY), 31 * DAY if self.bad() else 5))
        )
        if not self.bad(5):
            self.refresh()
        if chance(self.source, 40):
            self.remember()
        if chance(self.source, 30):
            self.post()

    # -------------------------------------------------------------------------------------------------- liquidation

    def stress(self) -> None:
        """A price moves until an account is in trouble, if one soon is."""
        underlying = self.pick(PRICES)
        was = self.index(underlying)
        aggregator = self.pair.twin.aggregators[self.pair.aggregators[underlying]]
        away = self.source.integer(1, 3) * (-1 if chance(self.source, 50) else 1)
        kept = aggregator.answer, aggregator.updated_at
        watched = sorted({self.pick(ACCOUNTS[:4]) for _ in range(2)})
        for percent in (1, 2, 4, 7, 11, 20) if chance(self.source, 80) else (25,):
            aggregator.answer, aggregator.updated_at = was * (100 + away * percent) // 100, self.pair.now
            if any((self.state(who) or 0) >= State.CALLED for who in watched):
                break
        new = aggregator.answer
        aggregator.answer, aggregator.updated_at = kept
        self.pair.price(underlying, new)
        if chance(self.source, 60):
            self.post()

    def crash(self) -> None:
        """A price jumps too far for calls; who is insolvent is auctioned, to where the fund pays, and past it."""
        underlying = self.pick((BTC, ETH))
        new = self.index(underlying) * self.pick((35, 50, 65, 150, 190, 250)) // 100
        self.pair.price(underlying, max(1, new))
        if chance(self.source, 50):
            self.post()
        for who in ACCOUNTS[:4]:
            if self.state(who) is State.INSOLVENT and not self.pair.twin.liquidator.auction(who, self.pair.now):
                self.step("liquidator", "record", who)
                self.step("liquidator", "start", who)
                if chance(self.source, 60):
                    self.pass_time(self.pair.twin.liquidator.config.ramp)
                self.sell(who)

    def pursue(self) -> None:
        """What a keeper would do next about somebody, a step of it or several."""
        liquidator = self.pair.twin.liquidator
        states = {who: self.state(who) for who in ACCOUNTS}
        for who in ACCOUNTS[self.source.integer(0, 3) :]:
            if liquidator.auction(who, self.pair.now):
                if chance(self.source, 25):
                    self.rescue(who)
                else:
                    self.sell(who)
                return
            if states[who] is State.INSOLVENT:
                self.step("liquidator", "start", who)
                self.sell(who)
                return
            is_called = liquidator.deadline(who, self.pair.now)
            if not is_called and states[who] in {State.CALLED, State.LIQUIDATABLE}:
                is_called = self.step("liquidator", "call", who) is None
                if not chance(self.source, 65):
                    return
            if is_called:
                if chance(self.source, 40):
                    self.answer(who)
                    return
                until = liquidator.ripe if states[who] is State.LIQUIDATABLE else liquidator.deadline
                self.pass_time(until(who, self.pair.now) - self.pair.now + self.source.integer(0, 1))
                self.step("liquidator", "start", who)
                self.sell(who)
                return
        self.stress()
        if chance(self.source, 50):
            self.call()

    def answer(self, who: int) -> None:
        """What may come to a called account: its cure, its top-up, its reserve."""
        quote = self.pair.tokens[0]
        unit = 10 ** self.pair.twin.tokens[quote].decimals
        way = self.source.integer(0, 4)
        if way == 0:
            self.step("liquidator", "cure", who)
        elif way == 1:
            self.standing()
        elif way == 4:
            self.rescue(who)
        elif way == 2:
            token = self.pick(self.pair.tokens)
            most = self.pick((1, 100_000, 10**9)) * unit
            if not self.pair.twin.mandates.top_up(who, token):
                self.step("mandates", "set_top_up", who, token, most, self.pick((0, unit, most)), sender=who >> 96)
            self.top_up(who, token)
        else:
            if not self.pair.twin.mandates.reserve(who) or self.bad(20):
                reserve = who >> 96 << 96 | self.pick((0, 1, 9))
                self.step("mandates", "set_reserve", who, reserve, sender=who >> 96)
            self.draw(who)

    def top_up(self, who: int | None = None, token: int | None = None) -> None:
        """Tokens out of the owner's wallet."""
        who = self.weakest() if who is None else who
        token = self.pick(self.pair.tokens) if token is None else token
        to = self.pick((account("liquidator", 9), 0, who, ACCOUNTS[2]))
        self.step("liquidator", "top_up", who, token, to)

    def draw(self, who: int | None = None) -> None:
        """Quote out of the reserve: what is needed, one more, or none."""
        who = self.weakest() if who is None else who
        found = self.margin(who)
        scale = self.pair.twin.book.quote_scale
        need = 0 if found is None else max(0, div_up(found.im - found.equity_haircut, scale))
        has = max(0, self.pair.twin.book.ledger(self.pair.twin.mandates.reserve(who), self.pair.now)[0]) // scale
        amount = self.pick((need, min(need, has), need + 1, 1, 0 if self.bad(20) else min(need, has)))
        self.step("liquidator", "draw", who, amount)

    def record(self) -> None:
        """Bad debt on record, or off it."""
        self.step("liquidator", "record", self.weakest())

    def rescue(self, who: int) -> None:
        """An owner answers a call, or ends an auction: just enough, or one token unit too little."""
        found = self.margin(who)
        if found is not None:
            book, at_auction = self.pair.twin.book, self.pair.twin.liquidator.auction(who, self.pair.now)
            line = found.im if at_auction else found.call_line
            need = -(-(line - found.equity_haircut) // book.quote_scale)
            self.step("book", "deposit", who, book.quote, max(1, need - self.source.integer(0, 1)), sender=who >> 96)
            self.step("liquidator", "close" if at_auction else "cure", who)

    def pay_in(self) -> None:
        """The owner of an account that is called or at auction answers."""
        liquidator, now = self.pair.twin.liquidator, self.pair.now
        due = [who for who in ACCOUNTS if liquidator.auction(who, now) or liquidator.deadline(who, now)]
        self.rescue(self.pick(due) if due else self.weakest())

    def sell(self, who: int) -> None:
        """Bids on an account, at any time of its auction."""
        if not self.pair.twin.liquidator.auction(who, self.pair.now):
            return
        for _ in range(self.source.integer(1, 2)):
            self.pass_time(self.pick((0, 1, 600, 1_800, HOUR)))
            self.bid(who)
        if chance(self.source, 30):
            self.step("liquidator", "close", who)

    def weakest(self) -> int:
        """An account, more often one that does not stand well."""
        weak = [who for who in ACCOUNTS if (self.state(who) or 0) >= State.CALLED]
        return self.pick(weak) if weak and chance(self.source, 85) else self.pick(ACCOUNTS)

    def call(self) -> None:
        """A margin call."""
        self.step("liquidator", "call", self.weakest())

    def cure(self) -> None:
        """The end of a call."""
        called = [who for who in ACCOUNTS if self.pair.twin.liquidator.deadline(who, self.pair.now)]
        self.step("liquidator", "cure", self.pick(called) if called else self.weakest())

    def start(self) -> None:
        """An auction."""
        self.step("liquidator", "start", self.weakest())

    def bid(self, who: int | None = None) -> None:
        """A bid: all, part, dust; limits just there, or one short of it; into a book that holds nothing yet."""
        liquidator, now = self.pair.twin.liquidator, self.pair.now
        if who is None:
            open_now = [who for who in ACCOUNTS if liquidator.auction(who, self.pair.now)]
            who = self.pick(open_now) if open_now and not self.bad(10) else self.weakest()
        bidder = self.pick((*ACCOUNTS, account(self.pick(TRADERS), 9))) if self.bad(30) else account("liquidator", 9)
        rest: tuple[int, ...] = ()
        if self.bad(20):
            bidder, source = account("liquidator", 10), account("liquidator", 9)
            amount = self.amount_of(source, self.pair.tokens[0]) // self.pick((1, 2, 1_000))
            rest = (source if not self.bad(6) else ACCOUNTS[0], amount)
        fraction = self.pick(
            (WAD, WAD, WAD // 2, 1, self.source.integer(1, WAD), 2 * WAD, 0 if self.bad(20) else WAD // 3)
        )
        taken = payment = due = 0
        found = None
        try:
            taken, payment, _, due = liquidator.quote(who, fraction, now)
            found = self.pair.twin.book.margin(who, now)
        except Refused:
            pass
        limits: tuple[Any, ...] = ()
        if taken and chance(self.source, 60):
            cost = payment - (due if who >> 96 != bidder >> 96 else 0)
            least = (cost - 1) * WAD // taken + 1  # the lowest whose share comes up to the cost
            limits = (self.pick((least, least - 1, ANY_PRICE, 0, -1)),)
            if found is not None and chance(self.source, 50):
                limits += (self.pick((found.mm, found.mm, max(0, found.mm - 1), 2**256 - 1)),)
        if rest or self.bad(10):
            limits += (ANY_PRICE, 2**256 - 1)[len(limits) :]
            limits += (self.pick((ANY_STATE, liquidator.fingerprint(who, now), ANY_STATE, bytes(31) + b"\1")),)
        self.step("liquidator", "bid", who, bidder, fraction, *limits, *rest, sender=self.owner_of(bidder))

    def close(self) -> None:
        """The end of an auction."""
        open_now = [who for who in ACCOUNTS if self.pair.twin.liquidator.auction(who, self.pair.now)]
        self.step("liquidator", "close", self.pick(open_now) if open_now else self.weakest())

    def seize(self) -> None:
        """What the liquidator alone may do, by another."""
        sender = self.someone()
        self.step("book", "seize", *ACCOUNTS[:2], WAD, 0, 0, sender=sender)
        self.step("book", "pull", ACCOUNTS[0], self.pair.tokens[0], 1, 0, 0, sender=sender)
        self.step("book", "socialise", account("whale"), account("liquidator", 9), WAD, sender=sender)
        self.step("fund", "pay", account("liquidator", 9), BTC, 0, WAD, sender=sender)

    # --------------------------------------------------------------------------------------------------------- fund

    def insure(self) -> None:
        """One function of the fund."""
        fund, now = self.pair.twin.fund, self.pair.now
        sender = self.someone()
        unit = 10 ** self.pair.twin.tokens[self.pair.tokens[0]].decimals
        to = self.pick((0, fund.address)) if self.bad(3) else self.someone()
        backers = [owner for owner, shares in fund.balances.items() if shares and owner != fund.address]
        if backers and not self.bad(10):
            sender = self.pick(backers)
        has = fund.balanceOf(sender)
        part = self.pick((has, has // 2, has + 1, 1, 0 if self.bad(20) else has // 3, edge(self.source, 0, 10**50)))
        way = self.pick((0, 1, 2, 3, 3, 3, 4, 5, 6, 7, 8, 9, 10))
        if way <= 1:
            most = fund.maxDeposit(to, now)
            amount = self.pick((self.source.integer(1, 10**6) * unit, 1, 0, most + 1, min(most, 10**9 * unit)))
            self.step("fund", "deposit", amount, to, sender=sender)
        elif way == 2:
            shares = self.pick((self.source.integer(1, 10**6) * unit * 10**6, 1, 0, fund.maxMint(to, now) + 1))
            self.step("fund", "mint", shares, to, sender=sender)
        elif way == 3:
            self.step("fund", "request", part, sender=sender)
            if chance(self.source, 80):
                self.pass_time(fund.cooldown + self.pick((0, 0, -1, fund.claim_window, fund.claim_window + 1)))
                self.leave()
        elif way == 4:
            self.leave()
        elif way == 5:
            self.step("fund", "cancel_request", sender=sender)
        elif way == 6:
            self.step("fund", "collect")
        elif way == 7:
            self.step("fund", "transfer", to, part, sender=sender)
        elif way == 8:
            self.step("fund", "approve", to, self.pick((part, ENDLESS)), sender=sender)
            spender = ATTACKER if to in {0, fund.address} else to
            self.step("fund", "transferFrom", sender, self.someone(), part, sender=spender)
        elif way == 9:
            self.give(fund.address, self.source.integer(1, 10**6) * unit)
        else:
            caps = self.pick(((1_000 * WAD, 2_000 * WAD), (0, 0), (2, 1), (10**27, 10**27), (10**24, 10**27 + 1)))
            self.step("fund", "set_caps", *caps, sender=self.admin())
            times = self.pick(((DAY, DAY), (DAY - 1, DAY), (30 * DAY, 14 * DAY), (DAY, 14 * DAY + 1)))
            self.step("fund", "set_cooldown", *times, sender=self.admin())

    def leave(self) -> None:
        """Requested shares out of the fund: in their window, or not."""
        fund, now = self.pair.twin.fund, self.pair.now
        owners = [owner for owner, found in fund.requests.items() if found.shares]
        owner = self.pick(owners) if owners else self.someone()
        sender = self.someone() if self.bad(10) else owner
        to = self.pick((0, fund.address)) if self.bad(4) else self.someone()
        if chance(self.source, 50):
            most = fund.maxRedeem(owner, now)
            self.step("fund", "redeem", self.pick((most, most // 2, most + 1, 1, 0)), to, owner, sender=sender)
        else:
            most = fund.maxWithdraw(owner, now)
            self.step("fund", "withdraw", self.pick((most, most // 2, most + 1, 1, 0)), to, owner, sender=sender)

    def give(self, to: int, amount: int) -> None:
        """Quote tokens sent to a contract, by nobody's leave."""
        self.pair.changed = True
        self.pair.token_contracts[self.pair.tokens[0]].transact("mint", text(to), amount, sender=text(ATTACKER))
        self.pair.twin.tokens[self.pair.tokens[0]].mint(to, amount)

    # --------------------------------------------------------------------------------------------------- governance

    def allow(self) -> None:
        """Mandates: delegates, allowances, top-ups, reserves."""
        who = self.pick(ACCOUNTS)
        sender, now = self.owner_of(who), self.pair.now
        way = self.source.integer(0, 9)
        if way <= 2:
            to = 0 if self.bad(5) else self.someone()
            rights = self.pick((0, ALL, 1, 2, 8, 16, ALL + 1 if self.bad(10) else 36))
            expires = self.pick((0, now, now - 1, now + DAY, ENDLESS))
            self.step("mandates", "set_delegate", who, to, rights, expires, sender=sender)
        elif way <= 5:
            expires = self.pick((0, now, now - 1, now + 400 * DAY, ENDLESS))
            budget = self.pick((0, 1, WAD, self.source.integer(1, 10**5) * WAD, ENDLESS, 2**192 - 1))
            venue = self.pick((VENUE, VENUE, self.pair.twin.at.exchange, self.pair.twin.at.standing))
            chosen = self.pick(self.listed())
            mask, base = self.pick(
                ((0, 0), (0, 0), (2**128 - 1, chosen), (0xFFFF << 112, chosen & 0xFFFF << 112), (1, 2))
            )
            self.step("mandates", "set_allowance", who, venue, expires, budget, mask, base, sender=sender)
        elif way == 6:
            amount = edge(self.source, 0, 10**20)
            self.step("mandates", "set_top_up", who, self.pick(self.pair.tokens), amount, amount // 2, sender=sender)
        elif way == 7:
            reserve = self.pick((0, who, ACCOUNTS[2], who >> 96 << 96 | 1, who >> 96 << 96 | 9))
            self.step("mandates", "set_reserve", who, reserve, sender=sender)
        elif way == 8:
            self.step("mandates", "spend", who, VENUE, 0, 1, sender=sender)
            self.step("mandates", "use_top_up", who, self.pair.tokens[0], 0, sender=sender)
        else:
            self.step("mandates", "set_book", self.pick((0, ATTACKER)), sender=self.admin())

    def govern(self) -> None:
        """One of the things that only the owner may do."""
        source, admin, at = self.source, self.admin(), self.pair.twin.at
        way = source.integer(0, 11)
        if way == 0:
            params = Params(
                call_buffer=edge(source, 5_000, 200_000),
                move_gate=source.integer(900, 50_000),
                max_age=source.integer(HOUR, 2 * DAY),
                floor_rate=source.integer(90_000, 600_000),
                leg_cost=source.integer(0, 10**18),
                max_funding=self.pick((20_000, 0, 2**15 - 1, 1_000)),
                widen=edge(source, 0, 2**16 - 1),
            )
            self.step("oracle", "set_params", pack_rates(params), pack_floors(params), sender=admin)
        elif way == 1:
            signers = sorted(address_of(name) for name in self.pair.signers)
            signers = self.pick((signers, signers[::-1], [0, *signers], [*signers, signers[-1]], []))
            quorum = self.pair.quorum
            urgent, overlap = self.pick((quorum, len(signers), quorum - 1)), self.pick((0, HOUR, DAY, DAY + 1))
            self.step("oracle", "set_signers", signers, quorum, urgent, overlap, sender=admin)
            self.step("oracle", "remove_signer", self.pick((0, ATTACKER)), sender=admin)
        elif way == 2:
            self.step("oracle", "set_book", self.pick((0, at.book)), sender=admin)
        elif way == 3:
            expiry = self.pick((0, self.pair.now + 30 * DAY, self.pair.now, self.pair.now + DAY))
            kind = source.integer(0, 5)
            strike = self.pick((0, source.integer(1, 10**6)))
            self.step("registry", "list_instrument", self.pick((*PRICES, 77)), expiry, kind, strike, sender=admin)
        elif way == 4:
            token = self.pick((0, at.quote, self.pair.tokens[1], ATTACKER))
            self.step("registry", "list_collateral", token, self.pick((*PRICES, 77)), sender=admin)
        elif way == 5:
            self.step("registry", "set_venue", self.pick((0, VENUE, VENUE, ATTACKER)), not self.bad(20), sender=admin)
        elif way == 6:
            self.step("book", "set_liquidator", self.pick((0, ATTACKER)), sender=admin)
            self.step("book", "set_fund", self.pick((0, ATTACKER)), sender=admin)
            self.step("liquidator", "set_fund", self.pick((0, at.fund)), sender=admin)
        elif way == 7:
            self.step("registry", "set_bands", *(edge(source, 500, 510_000) for _ in range(2)), sender=admin)
        elif way == 8:
            config = Config(
                call_period=self.pick((3_600, source.integer(250, HOUR))),
                urgent_period=self.pick((60, 59, 300)),
                ramp=source.integer(50, HOUR),
                start_discount=source.integer(0, 510_000),
                bonus=self.pick((0, 20_000, 100_000, 100_001)),
                min_rest=self.pick((0, 10**21, 10**24, 10**24 + 1)),
            )
            self.step("liquidator", "set_config", config, sender=admin)
        elif way == 9:
            self.limit()
        elif way == 10:
            fees = Fees(*(source.integer(0, 500) for _ in range(2)), *(source.integer(0, PPM) for _ in range(2)), 5_000)
            fees = replace(fees, liquidation=source.integer(0, 30_000), liquidation_cap=self.pick((30_000, 29_000)))
            self.step("registry", "set_fees", pack_fees(self.pick((fees, Fees(), replace(fees, cap=10)))), sender=admin)
            curve = Curve(*(source.integer(1, 999_999) for _ in range(5)))
            curve = self.pick((curve, Curve(), replace(curve, kink=0), replace(curve, slope_high=10**7)))
            self.step("registry", "set_curve", pack_curve(curve), sender=admin)
        else:
            underlying = self.pick((*PRICES, 77))
            low, high = self.pick(((0, 0), (1, MAX_PRICE), (PRICES[BTC], 1), (PRICES[OIL] // 2, 10**25)))
            self.step("feed", "set_bounds", underlying, low, high, sender=admin)

    def stop(self) -> None:
        """Levels stop for a while, what they stop is tried, and some go on before their time."""
        now, levels = self.pair.now, self.source.integer(1, 7)
        until = now + self.pick((1, 60, 600, HOUR, 0, 30 * DAY + 1 if self.bad() else 61))
        of_all = chance(self.source, 70)
        if of_all:
            self.step("registry", "stop", 8 if self.bad(3) else levels, until, sender=self.admin())
        else:
            self.step("registry", "stop_underlying", self.pick((*PRICES, 77)), until, sender=self.admin())
        tried: list[Callable[[], None]] = [self.batch]
        tried += [self.trade] * 3 if not of_all or levels & RISK else []
        tried += [self.withdraw, self.withdraw, self.transfer] if of_all and levels & LEAVE else []
        tried += [self.start, self.bid] if of_all and levels & LIQUIDATION else []
        for _ in range(3):
            self.pick(tried)()
        if chance(self.source, 50):
            self.step("registry", "resume", levels, sender=self.admin())
            self.step("registry", "resume_underlying", self.pick((*PRICES,)), sender=self.admin())

    def trip(self) -> None:
        """Breakers: what they look at is noted, what is due is tripped, and what is not."""
        pair, breakers = self.pair, self.pair.twin.breakers
        way = self.source.integer(0, 5)
        if way == 0:
            tight = Limits(20_000, 500_000, 900_000, 500_000, 7_200, 300, self.pick((300, 86_400, 86_401)))
            self.step("breakers", "set_config", self.pick((tight, tight, Limits())), sender=self.admin())
            self.step("registry", "set_breakers", self.pick((0, *[pair.twin.at.breakers] * 3)), sender=self.admin())
        elif way == 1:
            self.step("breakers", "note")
        else:
            if chance(self.source, 50):
                at = self.pick((*PRICES,))
                pair.price(at, max(1, self.index(at) * self.source.integer(70, 130) // 100))
            for kind, underlying in breakers.due(tuple(PRICES), pair.now) or [(self.source.integer(0, 4), ETH)]:
                self.step("breakers", "trip", kind, underlying)

    def announce(self) -> None:
        """The timelock, which owns nothing here but itself: what it is told, cancelled, and what it does."""
        pair, timelock = self.pair, self.pair.twin.timelock
        who = address_of("whale")
        operation = self.pick(
            (
                ("registry", "set_bands", 50_000, 5_000),
                ("timelock", "grantRole", PROPOSER_ROLE, who),
                ("timelock", "revokeRole", PROPOSER_ROLE, who),
                ("timelock", "revokeRole", GUARDIAN_ROLE, address_of("guardian")),
                ("timelock", "set_minimum_delay", self.pick((60, HOUR, DAY + 1))),
                ("timelock", "set_delay", pair.twin.at.registry, bytes(4), self.source.integer(0, DAY)),
            )
        )
        made = pair.operation(*operation)
        wait = timelock.delay_of(made[0], made[2][:4])
        sender = self.pick((address_of("proposer"), address_of("proposer"), who, ATTACKER))
        self.step("timelock", "schedule", *made, wait - (1 if self.bad(5) else 0), sender=sender)
        if chance(self.source, 30):
            guardian = self.pick((address_of("guardian"), address_of("other guardian"), sender))
            self.step("timelock", "cancel", hash_operation(*made), sender=guardian)
        if chance(self.source, 50):
            self.pass_time(wait)
        self.step("timelock", "execute", *made, sender=self.pick((address_of("executor"), address_of("executor"), who)))
        targets, amounts, payloads = [made[0]] * 2, [0] * 2, [made[2]] * 2
        self.step("timelock", "schedule_batch", targets, amounts, payloads, *made[3:], wait, sender=sender)
        self.pass_time(self.pick((0, wait)))
        self.step("timelock", "execute_batch", targets, amounts, payloads, *made[3:], sender=address_of("executor"))
        if self.bad():
            guardian = self.pick((address_of("guardian"), ATTACKER))
            self.step("timelock", "set_delay", 0, bytes(4), self.source.integer(0, 2 * DAY), sender=guardian)
            self.step("timelock", "set_minimum_delay", HOUR, sender=guardian)
            self.step("timelock", "adopt", pair.twin.at.registry)
            self.step("timelock", "renounceRole", PROPOSER_ROLE, who, sender=self.pick((who, ATTACKER)))

    def spend_budget(self) -> None:
        """A venue loses an account what it may, or a unit more."""
        who, other = self.pick(ACCOUNTS[:4]), account("liquidator", 9)
        perp = self.pick([i for i in self.listed() if unpack(i).kind == PERP])
        mark = self.mark(perp)
        if mark is None:
            return
        away = mark * self.source.integer(1, 500) // 100_000 + 1
        quantity = self.source.integer(WAD // 100, WAD)
        loss = div_up(quantity * away, WAD)
        terms = ENDLESS, self.pick((loss, loss - 1, 2 * loss)), 0, 0
        self.step("mandates", "set_allowance", who, VENUE, *terms, sender=who >> 96)
        for _ in range(self.pick((1, 2))):
            self.step("book", "trade", who, other, perp, quantity, mark + away, sender=VENUE)

    def limit(self) -> None:
        """Caps: none, just where things stand, or one short of it; and what may run against them."""
        source, book, admin = self.source, self.pair.twin.book, self.admin()
        way = source.integer(0, 5)
        if way == 4:
            self.spend_budget()
        elif way == 5:
            token = self.pick(self.pair.tokens[1:])
            held_now = book.instrument_interest(self.pair.twin.registry.collateral(token)[0])
            self.step("registry", "set_collateral_cap", token, held_now + WAD, sender=self.pair.owner)
            who = self.pick((ACCOUNTS[0], ACCOUNTS[3]))
            decimals = self.pair.twin.tokens[token].decimals
            self.step("book", "deposit", who, token, 10**decimals + self.pick((-1, 0, 1)), sender=who >> 96)
        elif way == 0:
            underlying = self.pick((*PRICES, 77))
            cap = book.open_interest(underlying) + self.pick((0, WAD, 100 * WAD))
            sizes = self.pick((0, 10**16, WAD, 20 * WAD, MAX_QUANTITY + 1 if self.bad(10) else 1))
            self.step("registry", "set_underlying_limits", underlying, self.pick((0, cap)), sizes, sender=admin)
        elif way == 1:
            chosen = self.pick((*self.listed(), self.pair.twin.registry.collateral(self.pair.tokens[1])[0]))
            cap = self.pick((0, book.instrument_interest(chosen) + self.pick((0, 1, WAD))))
            self.step("registry", "set_instrument_cap", chosen, cap, sender=admin)
        elif way == 2:
            token = self.pick((*self.pair.tokens, ATTACKER))
            held_now = book.instrument_interest(self.pair.twin.registry.collateral(token)[0])
            cap = self.pick((0, held_now, held_now + 10 * WAD, MAX_LEDGER + 1))
            self.step("registry", "set_collateral_cap", token, cap, sender=admin)
        else:
            debt = max(0, -min(book.ledger(who, self.pair.now)[0] for who in ACCOUNTS))
            limits = AccountLimits(
                min_equity=self.pick((0, 10_000 * WAD, 10**24 + 1 if self.bad(10) else 1)),
                borrow_cap=self.pick((0, debt, debt + 1_000 * WAD, 2**128 - 1)),
                max_positions=self.pick((127, 8, 10, 0 if self.bad(10) else 12)),
            )
            pool = PoolLimits(
                total_borrow_cap=self.pick((0, book.sums.debt, book.sums.debt + 1_000 * WAD, 2**128 - 1)),
                outflow_cap=self.pick((NO_CAP, WAD, WAD - 1, 10_000 * WAD)),
                outflow_window=self.pick((3_600, DAY, 7 * DAY, 3_599 if self.bad(10) else 9_999)),
            )
            words = pack_account_limits(limits), pack_pool_limits(pool)
            self.step("registry", "set_limits", *words, sender=admin)
        for _ in range(source.integer(0, 2)):
            self.pick((self.trade, self.borrow, self.deposit, self.withdraw))()

    # ------------------------------------------------------------------------------------------------------- choice

    WEIGHTS: Final[dict[str, int]] = {
        "deposit": 4,
        "withdraw": 7,
        "cash_out": 3,
        "transfer": 4,
        "settle_account": 4,
        "expire": 2,
        "claim": 2,
        "borrow": 4,
        "gear": 3,
        "batch": 7,
        "trade": 16,
        "settle": 5,
        "cancel_below": 1,
        "standing": 2,
        "stand_ready": 2,
        "post": 6,
        "move": 7,
        "stress": 10,
        "revive": 2,
        "wait": 5,
        "settle_expiry": 4,
        "history": 3,
        "crash": 5,
        "pursue": 24,
        "call": 1,
        "cure": 1,
        "start": 1,
        "bid": 4,
        "close": 1,
        "pay_in": 3,
        "top_up": 1,
        "draw": 1,
        "record": 2,
        "seize": 1,
        "insure": 8,
        "allow": 5,
        "govern": 5,
        "limit": 5,
        "stop": 6,
        "trip": 5,
        "announce": 2,
    }

    def act(self) -> str:
        """One action, by weight; its name."""
        names = [name for name, weight in self.WEIGHTS.items() for _ in range(weight)]
        name = self.pick(self.focus) if self.focus and chance(self.source, 50) else self.pick(names)
        action: Callable[[], None] = getattr(self, name)
        action()
        return name

    @staticmethod
    def everyone() -> list[int]:
        """Accounts that anything may have come to."""
        return EVERYONE

    def state(self, who: int) -> State | None:
        """Where an account stands."""
        try:
            return self.pair.twin.book.state(who, self.pair.now)
        except Refused:
            return None


def _hash(code: bytes) -> bytes:
    from eth_utils.crypto import keccak

    return keccak(code)


def sign_digest(report: Report, pair: Pair, name: str) -> bytes:
    """A role's signature of a report."""
    return sign(name, digest(report, pair.chain.chain_id, text(pair.twin.at.oracle)))

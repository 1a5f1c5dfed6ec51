"""Actions on a deployment and its twin, drawn from a source of chance: good ones, ones at an edge, bad ones.

`Player.act` picks an action in view of the state, runs it on both through `Pair.step`, and tells what came of it. A bad
action is not kept out of the contracts: both must refuse it for the same reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from plimsoll.spec.book import held
from plimsoll.spec.errors import Refused
from plimsoll.spec.exchange import Order
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, Instrument, id_of, quantity_of, unpack
from plimsoll.spec.mandates import ENDLESS
from plimsoll.spec.margin import ClassOffset, Params, Scalars, State
from plimsoll.spec.report import Report, digest, pack_class, pack_floors, pack_rates, pack_scalars
from plimsoll.spec.surface import Row, Surface, encode
from plimsoll.spec.wad import FORWARD_UNIT, MARK_UNIT, MAX_PRICE, MAX_QUANTITY, PPM, WAD
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
EVERYONE: Final = [*ACCOUNTS, *(account(name, 9) for name in TRADERS), account("attacker", 7), account("attacker")]
VENUE: Final = address_of("venue")
ATTACKER: Final = address_of("attacker")

# ppm of PSR that each lane moves the price by, and which way volatility goes: 13 nodes up and down, six extremes
MOVES: Final = (*(k * PPM // 6 for k in range(-6, 7) for _ in range(2)), -2 * PPM, 2 * PPM, -3 * PPM, 3 * PPM, 0, 0)


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
    """Draws actions and runs them on both sides of a pair."""

    def __init__(self, pair: Pair, source: Source) -> None:
        self.pair = pair
        self.source = source
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

    def open(self) -> None:
        """Feeds, listings, a first report, tokens in hand, venues allowed: where sequences begin."""
        pair, owner = self.pair, self.pair.owner
        pair.wire()
        pair.must("registry", "set_venue", VENUE, True, sender=owner)
        for underlying, price in PRICES.items():
            pair.must(
                "feed", "set_feed", underlying, pair.aggregators[underlying], FEED_AGE, UNITS[underlying], sender=owner
            )
            pair.price(underlying, price)
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
        pair.must("registry", "list_instrument", ETH, near, CALL, 3_000, sender=owner)
        for name in (*TRADERS, "attacker"):
            for token in pair.tokens:
                pair.mint(token, address_of(name), 10**15 * 10 ** pair.twin.tokens[token].decimals)
        self.post_all()
        for who in ACCOUNTS:
            for venue in (VENUE, pair.twin.at.exchange):
                pair.must(
                    "mandates", "set_allowance", who, venue, pair.now + 400 * DAY, ENDLESS, 0, 0, sender=who >> 96
                )

    def fund(self) -> None:
        """Deposits, and a book of trades on them: accounts from empty to large."""
        pair = self.pair
        quote, btc, eth = pair.tokens
        unit = 10 ** pair.twin.tokens[quote].decimals
        for who, cash in zip(ACCOUNTS, (100_000, 20_000, 5_000_000, 2_000_000, 1_000_000, 0), strict=True):
            if cash:
                pair.must("book", "deposit", who, quote, cash * unit + 7, sender=who >> 96)
        pair.must("book", "deposit", account("liquidator", 9), quote, 3_000_000 * unit, sender=address_of("liquidator"))
        pair.must("book", "deposit", ACCOUNTS[0], btc, 2 * 10**18 + 1, sender=ACCOUNTS[0] >> 96)
        pair.must("book", "deposit", ACCOUNTS[3], eth, 50 * 10**8 + 1, sender=ACCOUNTS[3] >> 96)
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
        surfaces = [self.surface(key, self.source.integer(30_000, 150_000), 1) for key in keys]
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
        )

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
        who = self.pick(ACCOUNTS)
        token = self.pick(self.pair.tokens)
        book = self.pair.twin.book
        if token == book.quote:
            has, scale = book.ledger(who, self.pair.now)[0], book.quote_scale
        else:
            instrument_id, scale, _ = self.pair.twin.registry.collateral(token)
            has = book.quantity(who, instrument_id, self.pair.now)
        amount = max(0, has // scale)
        found = self.margin(who)
        if token == book.quote and found is not None and chance(self.source, 50):
            amount = max(0, min(amount, (found.equity_haircut - found.im) // scale)) + self.source.integer(-1, 1)
        elif chance(self.source, 50):
            amount = self.source.integer(0, amount)
        if self.bad():
            amount = edge(self.source, 0, 10**28)
        if self.bad(3):
            token = ATTACKER
        to = self.pick((0, self.pair.twin.at.book)) if self.bad(3) else self.someone()
        self.step("book", "withdraw", who, token, max(0, amount), to, sender=self.owner_of(who))

    # ------------------------------------------------------------------------------------------------------ trading

    def deal(self) -> tuple[int, int, int, int, int]:
        """Buyer, seller, instrument, quantity, price: to open, to close, at the mark or at the band's end."""
        buyer = self.pick(ACCOUNTS)
        seller = self.pick([a for a in ACCOUNTS if a != buyer])
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
            room = max(min((m.equity_haircut - m.im for m in found), default=0), 1_000 * WAD)
            quantity = max(1, room * self.source.integer(1, 500) // 100 * WAD // index)
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
        self.step("book", "trade", *deal, sender=ATTACKER if self.bad(2) else VENUE)

    def settle(self) -> None:
        """A trade through the exchange, with signed orders."""
        buyer, seller, instrument_id, quantity, price = self.deal()
        if self.bad(10):
            buyer, seller, instrument_id, quantity, price = self.spoilt((buyer, seller, instrument_id, quantity, price))
        now = self.pair.now
        nonce = self.source.integer(0, 3)
        signs = -1 if chance(self.source, 50) else 1
        maker, taker = (
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
        )
        signatures = [self.signature(order) for order in (maker, taker)]
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

    def signature(self, order: Order) -> bytes:
        """An order signed by its signer's key, where it is a role's."""
        message = self.pair.twin.exchange.digest(order)
        names = {address_of(name): name for name in (*TRADERS, "attacker")}
        return sign(names.get(order.signer, "attacker"), message)

    def cancel_below(self) -> None:
        """Old orders voided."""
        who = self.pick(ACCOUNTS)
        self.step("exchange", "cancel_below", who, self.source.integer(0, 4), sender=self.owner_of(who))

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

    def wait(self) -> None:
        """Time passes; prices are told again, as a feed's heartbeat does, or not."""
        self.pair.advance(
            self.pick((0, 1, 60, HOUR, 2 * HOUR + 1, self.source.integer(0, DAY), 31 * DAY if self.bad() else 5))
        )
        if not self.bad(5):
            for underlying in PRICES:
                self.pair.price(underlying, self.index(underlying))

    # -------------------------------------------------------------------------------------------------- liquidation

    def stress(self) -> None:
        """A price moves until an account is in trouble, if one soon is."""
        underlying = self.pick(PRICES)
        was = self.index(underlying)
        aggregator = self.pair.twin.aggregators[self.pair.aggregators[underlying]]
        away = self.source.integer(1, 3) * (-1 if chance(self.source, 50) else 1)
        kept = aggregator.answer, aggregator.updated_at
        watched = sorted({self.pick(ACCOUNTS[:4]) for _ in range(2)})
        for percent in (1, 2, 4, 7, 11):
            aggregator.answer, aggregator.updated_at = was * (100 + away * percent) // 100, self.pair.now
            if any((self.state(who) or 0) >= State.CALLED for who in watched):
                break
        new = aggregator.answer
        aggregator.answer, aggregator.updated_at = kept
        self.pair.price(underlying, new)
        if chance(self.source, 60):
            self.post()

    def pursue(self) -> None:
        """What a keeper would do next about somebody."""
        liquidator = self.pair.twin.liquidator
        states = {who: self.state(who) for who in ACCOUNTS}
        for who in ACCOUNTS[self.source.integer(0, 3) :]:
            if liquidator.auction(who, self.pair.now):
                if chance(self.source, 40):
                    self.rescue(who)
                else:
                    self.bid()
                return
            if states[who] in {State.LIQUIDATABLE, State.INSOLVENT}:
                self.step("liquidator", "start", who)
                self.sell(who)
                return
            if liquidator.deadline(who, self.pair.now):
                if chance(self.source, 50):
                    self.step("liquidator", "cure", who)
                    return
                self.pair.advance(
                    max(0, liquidator.deadline(who, self.pair.now) - self.pair.now + self.source.integer(0, 1))
                )
                for underlying in PRICES:
                    self.pair.price(underlying, self.index(underlying))
                self.step("liquidator", "start", who)
                self.sell(who)
                return
            if states[who] is State.CALLED:
                self.step("liquidator", "call", who)
                if chance(self.source, 40):
                    self.rescue(who)
                return
        self.stress()

    def rescue(self, who: int) -> None:
        """An owner answers a call, or ends an auction: just enough, or one token unit too little."""
        found = self.margin(who)
        if found is not None:
            book, at_auction = self.pair.twin.book, self.pair.twin.liquidator.auction(who, self.pair.now)
            line = found.im if at_auction else found.call_line
            need = -(-(line - found.equity_haircut) // book.quote_scale)
            self.step("book", "deposit", who, book.quote, max(1, need - self.source.integer(0, 1)), sender=who >> 96)
            self.step("liquidator", "close" if at_auction else "cure", who)

    def sell(self, who: int) -> None:
        """Bids on an account, at any time of its auction."""
        if not self.pair.twin.liquidator.auction(who, self.pair.now):
            return
        for _ in range(self.source.integer(0, 2)):
            self.pair.advance(self.pick((0, 1, 600, HOUR)))
            for underlying in PRICES:
                self.pair.price(underlying, self.index(underlying))
            self.bid()
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

    def bid(self) -> None:
        """A bid: all, part, dust; the limit just there, or one short of it."""
        liquidator, now = self.pair.twin.liquidator, self.pair.now
        open_now = [who for who in ACCOUNTS if liquidator.auction(who, self.pair.now)]
        who = self.pick(open_now) if open_now and not self.bad(10) else self.weakest()
        bidder = self.pick((*ACCOUNTS, account(self.pick(TRADERS), 9))) if self.bad(30) else account("liquidator", 9)
        fraction = self.pick(
            (WAD, WAD, WAD // 2, 1, self.source.integer(1, WAD), 2 * WAD, 0 if self.bad(20) else WAD // 3)
        )
        try:
            _, payment, _ = liquidator.quote(who, fraction, now)
        except Refused:
            payment = 0
        limit = self.pick((2**256 - 1, payment, max(0, payment - 1)))
        self.step("liquidator", "bid", who, bidder, fraction, limit, sender=self.owner_of(bidder))

    def close(self) -> None:
        """The end of an auction."""
        open_now = [who for who in ACCOUNTS if self.pair.twin.liquidator.auction(who, self.pair.now)]
        self.step("liquidator", "close", self.pick(open_now) if open_now else self.weakest())

    def seize(self) -> None:
        """A seizure past the liquidator."""
        self.step("book", "seize", *ACCOUNTS[:2], WAD, 0, sender=self.someone())

    # --------------------------------------------------------------------------------------------------- governance

    def allow(self) -> None:
        """Delegates and allowances."""
        who = self.pick(ACCOUNTS)
        if chance(self.source, 50):
            to = 0 if self.bad(5) else self.someone()
            self.step("book", "set_delegate", who, to, chance(self.source, 70), sender=self.owner_of(who))
        else:
            expires = self.pick((0, self.pair.now, self.pair.now - 1, self.pair.now + 400 * DAY))
            venue = self.pick((VENUE, self.pair.twin.at.exchange))
            self.step("book", "set_allowance", who, venue, expires, sender=self.owner_of(who))

    def govern(self) -> None:
        """One of the things that only the owner may do."""
        source, admin, at = self.source, self.admin(), self.pair.twin.at
        params = Params(
            call_buffer=edge(source, 5_000, 200_000),
            move_gate=source.integer(900, 50_000),
            max_age=source.integer(HOUR, 2 * DAY),
            floor_rate=source.integer(90_000, 600_000),
            leg_cost=source.integer(0, 10**18),
        )
        way = source.integer(0, 9)
        if way == 0:
            self.step("oracle", "set_params", pack_rates(params), pack_floors(params), sender=admin)
        elif way == 1:
            signers = sorted(address_of(name) for name in self.pair.signers)
            signers = self.pick((signers, signers[::-1], [0, *signers], [*signers, signers[-1]], []))
            self.step("oracle", "set_signers", signers, self.pair.quorum, sender=admin)
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
        elif way == 7:
            self.step("registry", "set_bands", *(edge(source, 500, 510_000) for _ in range(2)), sender=admin)
        elif way == 8:
            config = source.integer(250, HOUR), source.integer(50, HOUR), source.integer(0, 510_000)
            self.step("liquidator", "set_config", *config, sender=admin)
        else:
            underlying = self.pick((*PRICES, 77))
            low, high = self.pick(((0, 0), (1, MAX_PRICE), (PRICES[BTC], 1), (PRICES[OIL] // 2, 10**25)))
            self.step("feed", "set_bounds", underlying, low, high, sender=admin)

    # ------------------------------------------------------------------------------------------------------- choice

    WEIGHTS: Final[dict[str, int]] = {
        "deposit": 5,
        "withdraw": 7,
        "trade": 18,
        "settle": 6,
        "cancel_below": 1,
        "post": 6,
        "move": 8,
        "stress": 10,
        "revive": 2,
        "wait": 5,
        "pursue": 22,
        "call": 1,
        "cure": 1,
        "start": 1,
        "bid": 4,
        "close": 1,
        "seize": 1,
        "allow": 2,
        "govern": 5,
    }

    def act(self) -> str:
        """One action, by weight; its name."""
        names = [name for name, weight in self.WEIGHTS.items() for _ in range(weight)]
        name = self.pick(names)
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

    def long_total(self, instrument_id: int) -> int:
        """Sum of an instrument over all accounts [wad]."""
        books = self.pair.twin.book.books.values()
        return sum(quantity_of(w) for words in books for w in words if id_of(w) == instrument_id)


def _hash(code: bytes) -> bytes:
    from eth_utils.crypto import keccak

    return keccak(code)


def sign_digest(report: Report, pair: Pair, name: str) -> bytes:
    """A role's signature of a report."""
    return sign(name, digest(report, pair.chain.chain_id, text(pair.twin.at.oracle)))

"""Gas of every operation, and the size of every contract: `python -m tests.bench.gas`.

What is measured is a whole transaction on the embedded chain, base cost and calldata included, with every slot and
every account cold. The snapshot is `tests/bench/gas.json`; a test fails when it drifts; `--update` renews it.

    --json    the numbers, for programs
    --update  renew the snapshot
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from plimsoll.chain import artifacts
from plimsoll.spec import automation
from plimsoll.spec.automation import Step, check_data, perform_data
from plimsoll.spec.exchange import Order
from plimsoll.spec.exchange import digest as order_digest
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, WINDOW, Instrument, quantity_of, unpack
from plimsoll.spec.margin import Params, Scalars, State
from plimsoll.spec.report import pack_floors, pack_rates, pack_scalars
from plimsoll.spec.standing import StandingOrder
from plimsoll.spec.standing import digest as standing_digest
from plimsoll.spec.surface import Row, Surface
from plimsoll.spec.wad import PPM, WAD
from tests.bench import posting
from tests.pairs import MAX, Pair, account, address_of, encode_call, sign, text

SNAPSHOT = Path(__file__).with_name("gas.json")
CONTRACTS = (
    "IndexFeed",
    "Guardrails",
    "RiskOracle",
    "History",
    "Registry",
    "Mandates",
    "Clearinghouse",
    "BackOffice",
    "Timelock",
    "Breakers",
    "Exchange",
    "StandingOrders",
    "Liquidator",
    "InsuranceFund",
    "Lens",
    "Automation",
)
SIZE_LIMIT = 24_576  # [byte] EIP-170

UNDERLYING = 0x0101
PRICE = 3_000 * WAD
HOUR = 3_600
DAY = 86_400
LINEAR = (PERP, FUTURE, SPOT)
NAMES = ("trader", "maker", "liquidator", "market")
SHAPES = ((1, 1), (4, 1), (16, 2), (64, 4), (127, 8))  # positions over expiries
SURFACES = (1, 10, 50, 200)  # instruments


class Bench:
    """A deployment with one underlying, an account for each shape, and what each operation cost."""

    def __init__(self) -> None:
        self.found: dict[str, int] = {}
        self.random = random.Random(1)
        self.pair = Pair(decimals=(18,), underlyings=(UNDERLYING,), signers=3, quorum=2, lag=HOUR, delay=HOUR)
        self.pair.wire()
        self.nonce = 0
        pair = self.pair
        pair.price(UNDERLYING, PRICE)
        pair.must("feed", "set_feed", UNDERLYING, pair.aggregators[UNDERLYING], DAY, 18, sender=pair.owner)
        pair.must("history", "touch", UNDERLYING)
        pair.advance(HOUR)
        self.perp = self.list(0, PERP, 0)
        spot = pair.must("registry", "list_collateral", pair.tokens[1], UNDERLYING, sender=pair.owner)
        self.timeless = [self.perp, unpack(spot)]
        for name in NAMES:
            for token in pair.tokens:
                pair.mint(token, address_of(name), 10**30)
        self.expiries = [pair.now + DAY * (7 * k + 1) for k in range(8)]
        self.instruments = {expiry: self.series(expiry, 52) for expiry in self.expiries}
        self.post_all(PRICE)

    def list(self, expiry: int, kind: int, strike: int) -> Instrument:
        """List one instrument."""
        args = (UNDERLYING, expiry, kind, strike)
        return unpack(self.pair.must("registry", "list_instrument", *args, sender=self.pair.owner))

    def series(self, expiry: int, count: int) -> list[Instrument]:
        """List a future, then calls and puts by turns."""
        return [
            self.list(expiry, FUTURE, 0) if k == 0 else self.list(expiry, (CALL, PUT)[k % 2], 2_000 + 40 * (k // 2))
            for k in range(count)
        ]

    def surface(self, expiry: int, instruments: Iterable[Instrument], reference: int, time: int) -> Surface:
        """A surface whose every byte is dense, which no real one is: an upper bound of what a post costs."""
        draw = self.random
        rows = tuple(
            Row(
                kind=i.kind,
                strike=i.strike,
                lanes=tuple(draw.randint(300, 600) * draw.choice((-1, 1)) for _ in range(32)),
                mark=10**12 if i.kind in LINEAR else 10**11 + draw.randrange(10**10),
                delta=PPM if i.kind in LINEAR else draw.randint(-PPM, PPM),
                gamma=draw.randrange(1, 5 * PPM),
                vega=draw.randrange(1, PPM),
                theta=-draw.randrange(1, PPM),
                gross=draw.randrange(1_000, 9_000),
            )
            for i in instruments
        )
        return Surface(
            underlying=UNDERLYING,
            expiry=expiry,
            scale=10,
            common=32,
            time=time,
            set_id=7,
            forward=10**9,
            reference=reference,
            psr=100_000,
            vol_up=400_000,
            vol_down=300_000,
            nodes=tuple(range(13)),
            extremes=(150, 200, 300),
            rows=rows,
        )

    def scalars(self, funding: int = 0) -> int:
        """The underlying's scalars."""
        return pack_scalars(Scalars(UNDERLYING, 10**6 * WAD, PPM, 50_000, 1_250_000, 600_000, 1_000, funding))

    def post_all(self, reference: int) -> None:
        """One report of every surface that has not expired."""
        now = self.pair.now
        surfaces = [self.surface(0, self.timeless, reference, now)]
        surfaces += [self.surface(e, self.instruments[e], reference, now) for e in self.expiries if e > now]
        self.pair.post(surfaces, [self.scalars()])

    def later(self, seconds: int, price: int = PRICE) -> None:
        """Let time pass, while the aggregator goes on."""
        self.pair.advance(seconds)
        self.pair.price(UNDERLYING, price)

    def gas(self, part: str, name: str, *args: object, sender: int) -> int:
        """Gas of one transaction, which is undone."""
        contract = self.pair.contracts[part]
        data = encode_call(contract.interface.function(name, len(args)), args)
        with self.pair.chain.isolate():
            return self.pair.chain.transact(contract.address, data, sender=text(sender)).gas_used

    def trigger(self, name: str, data: bytes) -> int:
        """Gas of a function of the second trigger, which is undone."""
        pair, at = self.pair, self.pair.twin.at
        with pair.chain.isolate():
            contract = pair.put("Automation", text(at.book), text(at.liquidator))
            return pair.chain.transact(contract.address, contract.encode(name, data), sender=text(1)).gas_used

    def order(self, who: int, signer: str, instrument: int, quantity: int, price: int) -> tuple[Order, bytes]:
        """A signed order."""
        self.nonce += 1
        order = Order(who, address_of(signer), instrument, quantity, price, self.pair.now + DAY, self.nonce)
        message = order_digest(order, self.pair.chain.chain_id, text(self.pair.twin.at.exchange))
        return order, sign(signer, message)

    def orders(
        self, buyer: tuple[int, str], seller: tuple[int, str], instrument: int, quantity: int
    ) -> tuple[object, ...]:
        """The arguments of a settlement at the mark."""
        mark = self.pair.twin.oracle.mark(instrument, self.pair.now)
        bought, bought_by = self.order(*buyer, instrument, quantity, mark)
        sold, sold_by = self.order(*seller, instrument, -quantity, mark)
        return bought, bought_by, sold, sold_by, quantity

    def fund(self, name: str, number: int, amount: int) -> int:
        """An account with cash, open to both venues."""
        who = account(name, number)
        owner = address_of(name)
        self.pair.must("book", "deposit", who, self.pair.tokens[0], amount, sender=owner)
        for venue in (self.pair.twin.at.exchange, self.pair.twin.at.standing):
            self.pair.must("mandates", "set_allowance", who, venue, MAX, MAX, 0, 0, sender=owner)
        return who

    def hold(self, who: int, number: int, chosen: Iterable[Instrument], longs: float = 0.5) -> None:
        """Let an account of the trader's take these, against the maker's account of that number."""
        maker = account("maker", number)
        for instrument in chosen:
            sides = ((who, "trader"), (maker, "maker"))
            buyer, seller = sides if self.random.random() < longs else sides[::-1]
            self.pair.must("exchange", "settle", *self.orders(buyer, seller, instrument.pack(), WAD))

    def fill(self, number: int, positions: int, expiries: int, cash: int) -> int:
        """An account of the trader's with so many positions over so many expiries."""
        who = self.fund("trader", number, cash)
        self.fund("maker", number, 10**15)
        each = -(-positions // expiries)
        self.hold(who, number, [i for e in self.expiries[:expiries] for i in self.instruments[e][:each]][:positions])
        assert len(self.pair.twin.book.positions(who, self.pair.now)) == positions
        return who

    def run(self) -> dict[str, int]:
        """All of it."""
        compiled = artifacts.load_all(CONTRACTS)
        for name in CONTRACTS:
            self.found[f"size {name}"] = compiled[name].size
        self.posts()
        self.found |= posting.measure()
        self.accounts()
        self.trades()
        self.margins()
        self.bids()
        self.losses()
        self.expiry()
        return self.found

    def posts(self) -> None:
        """A report of one surface in one transaction, where one stood before."""
        pair = self.pair
        for count in SURFACES:
            expiry = pair.now + 100 * DAY + count
            instruments = [Instrument(UNDERLYING, expiry, CALL, 100 + k, k) for k in range(count)]
            for _ in range(2):
                surface = self.surface(expiry, instruments, PRICE, pair.now)
                report, stored = pair.report([surface], [self.scalars()])
                code = pair.twin.oracle.codes[stored[0]]
                signatures = pair.signed(report)
                cost = self.gas("oracle", "post", report, signatures, [], code, sender=1)
                pair.must("oracle", "post", report, signatures, stored, b"")
            self.found[f"post {count}"] = cost
            if count == 1:
                self.found["store 1"] = self.gas("oracle", "store", code, sender=1)
            if count == 50:
                self.funded(expiry, instruments)

    def funded(self, expiry: int, instruments: Sequence[Instrument]) -> None:
        """A report that sets a funding rate where one ran; and that names a perp's surface, stored already, besides."""
        pair = self.pair
        for what, of_perp in (("funding", False), ("funding and a perp's surface", True)):
            with pair.isolated():
                for rate in (100, 110):
                    pair.advance(60)
                    surfaces = [self.surface(expiry, instruments, PRICE, pair.now)]
                    if of_perp:
                        surfaces.insert(0, self.surface(0, self.timeless, PRICE, pair.now))
                    report, stored = pair.report(surfaces, [self.scalars(rate)])
                    code = pair.twin.oracle.codes[stored[-1]]
                    signatures = pair.signed(report)
                    cost = self.gas("oracle", "post", report, signatures, stored[:-1], code, sender=1)
                    pair.must("oracle", "post", report, signatures, stored, b"")
                self.found[f"post 50, {what}"] = cost

    def accounts(self) -> None:
        """Deposits, transfers, withdrawals."""
        pair, owner = self.pair, address_of("trader")
        who, other = account("trader", 100), account("trader", 101)
        quote, ether = pair.tokens
        for name, token, amount in (("quote", quote, 10**12), ("collateral", ether, 100 * WAD)):
            self.found[f"deposit {name}, first"] = self.gas("book", "deposit", who, token, amount, sender=owner)
            pair.must("book", "deposit", who, token, amount, sender=owner)
            self.found[f"deposit {name}, again"] = self.gas("book", "deposit", who, token, amount, sender=owner)
            self.found[f"withdraw {name}, no positions"] = self.gas(
                "book", "withdraw", who, token, amount // 2, owner, sender=owner
            )
            self.found[f"transfer {name}, to an empty account"] = self.gas(
                "book", "transfer", who, other, token, amount // 2, sender=owner
            )

    def trades(self) -> None:
        """Settlements through the exchange: two signatures, two margin checks."""
        instrument = self.instruments[self.expiries[0]][1].pack()
        for held in (0, 1, 16):
            sides = []
            for name in ("trader", "market"):
                who = self.fund(name, 200 + held, 10**15)
                sides.append((who, name))
            for other in self.instruments[self.expiries[0]][2 : 2 + held]:
                self.pair.must("exchange", "settle", *self.orders(sides[0], sides[1], other.pack(), WAD))
            args = self.orders(sides[0], sides[1], instrument, WAD)
            self.found[f"trade, {held} other positions a side"] = self.gas("exchange", "settle", *args, sender=1)
            self.pair.must("exchange", "settle", *args)
            args = self.orders(sides[0], sides[1], instrument, WAD)
            self.found[f"trade again, {held} other positions a side"] = self.gas("exchange", "settle", *args, sender=1)
        self.of_seventeen(sides[0][0])

    def of_seventeen(self, who: int) -> None:
        """What else an account of 17 positions may do; the twin follows none of it."""
        owner, quote = address_of("trader"), self.pair.tokens[0]
        other = account("trader", 300)
        steps = (("deposit", who, quote, 10**6), ("transfer", who, other, quote, 10**6))
        calls = [self.inner(*step) for step in (*steps, ("withdraw", who, quote, 10**6, owner))]
        for what, name, *args in (
            ("withdraw quote", "withdraw", who, quote, 10**6, owner),
            ("transfer quote", "transfer", who, other, quote, 10**6),
            ("multicall of deposit, transfer, withdrawal", "multicall", who, calls),
            ("settle", "settle", who),
        ):
            self.found[f"{what}, 17 positions"] = self.gas("book", name, *args, sender=owner)

    def inner(self, name: str, *args: object) -> dict[str, object]:
        """A call of the book within a multicall."""
        book = self.pair.contracts["book"]
        data = encode_call(book.interface.function(name, len(args)), args)
        return {"target": self.pair.twin.at.book, "data": data}

    def margins(self) -> None:
        """The margin check of an account, slots cold."""
        for number, (positions, expiries) in enumerate(SHAPES):
            who = self.fill(number, positions, expiries, 10**15)
            self.found[f"margin {positions} over {expiries}"] = self.gas("book", "margin", who, sender=1)

    def charge(self, who: int, share: float) -> None:
        """Raise the floor of the gross charge until E_h is `share` call buffers above maintenance margin."""
        pair, oracle = self.pair, self.pair.twin.oracle
        words = pair.twin.book.positions(who, pair.now)
        margin, terms = pair.twin.book.margin(who, pair.now), oracle.terms(words, pair.now)
        wanted = int(margin.equity_haircut / (1 + share / 10)) - (margin.mm - terms.gross)  # the buffer is a tenth
        floor = wanted * PPM // (PRICE * len(words))  # every position is of one contract
        params = replace(Params(), gross_base=(floor,) * 4, gross_slope=(0,) * 4)
        pair.must("oracle", "set_params", pack_rates(params), pack_floors(params), sender=pair.owner)

    def bids(self) -> None:
        """A margin call, an auction and bids on 64 positions over 4 expiries."""
        pair, owner, quote = self.pair, address_of("trader"), self.pair.tokens[0]
        who = self.fill(50, 64, 4, 10**15)
        bidders = {"holding the same series": account("maker", 50), "empty": self.fund("liquidator", 1, 10**15)}
        margin = pair.twin.book.margin(who, pair.now)
        spare = (margin.equity_haircut - margin.im * 3 // 2) // 10**12
        pair.must("book", "withdraw", who, quote, spare, owner, sender=owner)
        pair.must("mandates", "set_top_up", who, quote, 10**9, 10**6, sender=owner)
        pair.must("mandates", "set_reserve", who, self.fund("trader", 51, 10**12), sender=owner)
        with pair.isolated():
            self.charge(who, 0.5)
            assert pair.twin.book.state(who, pair.now) == State.CALLED
            self.found["call, 64 positions"] = self.gas("liquidator", "call", who, sender=1)
            self.found["checkUpkeep, call of 64 positions"] = self.trigger("checkUpkeep", check_data([who]))
            self.found["performUpkeep, call of 64 positions"] = self.trigger(
                "performUpkeep", perform_data([Step(automation.CALL, who)])
            )
            pair.must("liquidator", "call", who)
            to = account("market", 1)
            self.found["top_up with a bounty, 64 positions"] = self.gas(
                "liquidator", "top_up", who, quote, to, sender=1
            )
            self.found["draw, 64 positions"] = self.gas("liquidator", "draw", who, 10**6, sender=1)
            self.standing(who)
        self.charge(who, -1)
        assert pair.twin.book.state(who, pair.now) == State.LIQUIDATABLE
        pair.must("liquidator", "call", who)
        self.later(121)
        self.found["start, 64 positions"] = self.gas("liquidator", "start", who, sender=1)
        self.found["performUpkeep, start of 64 positions"] = self.trigger(
            "performUpkeep", perform_data([Step(automation.START, who)])
        )
        pair.must("liquidator", "start", who)
        pair.advance(600)
        for what, bidder in bidders.items():
            with pair.isolated():
                cost = self.gas("liquidator", "bid", who, bidder, WAD, sender=bidder >> 96)
                self.found[f"bid on 64 positions, bidder {what}"] = cost
                pair.must("liquidator", "bid", who, bidder, WAD, sender=bidder >> 96)
                assert pair.twin.liquidator.auction(who, pair.now) == 0  # one bid brought it back to initial margin

    def standing(self, who: int) -> None:
        """A standing order of a called account of 64 positions, over all of one of them."""
        pair = self.pair
        counterparty = self.fund("market", 52, 10**15)
        word = pair.twin.book.positions(who, pair.now)[1]
        instrument, held = word & (2**128 - 1), quantity_of(word)
        order = StandingOrder(who, address_of("trader"), instrument, -held, 1_000, pair.now + DAY, 1)
        message = standing_digest(order, pair.chain.chain_id, text(pair.twin.at.standing))
        args = order, sign("trader", message), counterparty, abs(held)
        self.found["standing order, 64 positions"] = self.gas("standing", "execute", *args, sender=address_of("market"))

    def losses(self) -> None:
        """A bid on 8 insolvent positions over 8 expiries, of which the fund pays a part and everybody the rest."""
        pair, owner = self.pair, address_of("trader")
        insurer, quote = address_of("market"), pair.tokens[0]
        pair.must("oracle", "set_params", pack_rates(Params()), pack_floors(Params()), sender=pair.owner)
        self.post_all(PRICE)
        with pair.isolated():
            pair.token_contracts[quote].transact("approve", text(pair.twin.at.fund), MAX, sender=text(insurer))
            pair.twin.tokens[quote].approve(insurer, pair.twin.at.fund, MAX)
            pair.must("fund", "deposit", 10**9, insurer, sender=insurer)
            who = self.fund("trader", 60, 10**15)
            self.fund("maker", 60, 10**15)
            self.hold(who, 60, [self.perp, *(self.instruments[e][0] for e in self.expiries[:7])], longs=1)
            margin = pair.twin.book.margin(who, pair.now)
            spare = (margin.equity_haircut - margin.im * 11 // 10) // 10**12
            pair.must("book", "withdraw", who, quote, spare, owner, sender=owner)
            self.later(60, PRICE // 3)
            assert pair.twin.book.state(who, pair.now) == State.INSOLVENT
            pair.must("liquidator", "start", who)
            self.later(3_600, PRICE // 3)
            bidder = self.fund("liquidator", 2, 10**15)
            self.found["bid on 8 insolvent positions, fund and all pay"] = self.gas(
                "liquidator", "bid", who, bidder, WAD, sender=bidder >> 96
            )
            pair.must("liquidator", "bid", who, bidder, WAD, sender=bidder >> 96)
            assert "LossSocialised" in {event.name for event in pair.twin.book.log}

    def expiry(self) -> None:
        """Eight positions of one expiry, settled; and what it took to settle their price."""
        pair, expiry = self.pair, self.expiries[0]
        who = self.fund("trader", 70, 10**15)
        self.fund("maker", 70, 10**15)
        self.hold(who, 70, self.instruments[expiry][:8])
        self.later(expiry - WINDOW - pair.now)
        for _ in range(10):
            self.found["observe"] = self.gas("history", "observe", UNDERLYING, expiry, sender=1)
            self.found["performUpkeep, observe"] = self.trigger(
                "performUpkeep", perform_data([Step(automation.OBSERVE, UNDERLYING, expiry)])
            )
            pair.must("history", "observe", UNDERLYING, expiry)
            self.later(60)
        self.later(expiry - pair.now)
        self.found["propose"] = self.gas("history", "propose", UNDERLYING, expiry, sender=1)
        self.found["performUpkeep, propose"] = self.trigger(
            "performUpkeep", perform_data([Step(automation.PROPOSE, UNDERLYING, expiry)])
        )
        pair.must("history", "propose", UNDERLYING, expiry)
        self.later(HOUR)
        assert pair.twin.history.settled(UNDERLYING, expiry, pair.now) != 0
        self.found["margin, 8 settled positions"] = self.gas("book", "margin", who, sender=1)
        self.found["expire, 8 settled positions"] = self.gas("book", "expire", who, sender=1)
        pair.must("book", "expire", who)
        assert pair.twin.book.positions(who, pair.now) == ()


def table(found: dict[str, int], known: dict[str, int]) -> str:
    """The numbers beside the snapshot's."""
    lines = [f"{'operation':<58}{'gas':>12}{'snapshot':>12}"]
    for name, value in found.items():
        kept = known.get(name)
        drift = "" if kept in {None, value} else f"  {value - kept:+,}"
        lines.append(f"{name:<58}{value:>12,}{'' if kept is None else format(kept, ','):>12}{drift}")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Measure, print, and compare or renew."""
    found = Bench().run()
    known = json.loads(SNAPSHOT.read_text(encoding="utf-8")) if SNAPSHOT.exists() else {}
    if "--update" in arguments:
        SNAPSHOT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found) if "--json" in arguments else table(found, known))  # noqa: T201 - a command
    return 0 if "--update" in arguments or "--json" in arguments or found == known else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

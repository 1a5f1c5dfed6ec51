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
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from plimsoll.chain import artifacts
from plimsoll.spec.exchange import Order
from plimsoll.spec.exchange import digest as order_digest
from plimsoll.spec.instruments import CALL, FUTURE, PUT, Instrument, unpack
from plimsoll.spec.margin import Params, Scalars, State
from plimsoll.spec.report import pack_floors, pack_rates, pack_scalars
from plimsoll.spec.surface import Row, Surface
from plimsoll.spec.wad import PPM, WAD
from tests.pairs import MAX, Pair, account, address_of, encode_call, sign, text

SNAPSHOT = Path(__file__).with_name("gas.json")
CONTRACTS = ("IndexFeed", "RiskOracle", "Clearinghouse", "Exchange", "Liquidator", "Lens")
SIZE_LIMIT = 24_576  # [byte] EIP-170

UNDERLYING = 0x0101
PRICE = 3_000 * WAD
DAY = 86_400
SHAPES = ((1, 1), (4, 1), (16, 2), (64, 4), (127, 8))  # positions over expiries
SURFACES = (1, 10, 50, 200)  # instruments


class Bench:
    """A deployment with one underlying, an account for each shape, and what each operation cost."""

    def __init__(self) -> None:
        self.found: dict[str, int] = {}
        self.random = random.Random(1)
        self.pair = Pair(decimals=(18,), underlyings=(UNDERLYING,), signers=3, quorum=2)
        self.pair.wire()
        self.nonce = 0
        pair = self.pair
        pair.must("feed", "set_feed", UNDERLYING, pair.aggregators[UNDERLYING], DAY, 18, sender=pair.owner)
        pair.price(UNDERLYING, PRICE)
        pair.must("book", "list_collateral", pair.tokens[1], UNDERLYING, sender=pair.owner)
        for name in ("trader", "maker", "liquidator", "market"):
            for token in pair.tokens:
                pair.mint(token, address_of(name), 10**30)
        self.expiries = [pair.now + DAY * (7 * k + 1) for k in range(8)]
        self.instruments = {expiry: self.series(expiry, 52) for expiry in self.expiries}
        self.post_all(PRICE)

    def series(self, expiry: int, count: int) -> list[Instrument]:
        """List a future, then calls and puts by turns."""
        found = []
        for k in range(count):
            kind, strike = (FUTURE, 0) if k == 0 else ((CALL, PUT)[k % 2], 2_000 + 40 * (k // 2))
            listed = self.pair.must("book", "list_instrument", UNDERLYING, expiry, kind, strike, sender=self.pair.owner)
            found.append(unpack(listed))
        return found

    def surface(self, expiry: int, instruments: Iterable[Instrument], reference: int, time: int) -> Surface:
        """A surface whose every byte is dense, which no real one is: an upper bound of what a post costs."""
        draw = self.random
        rows = tuple(
            Row(
                kind=i.kind,
                strike=i.strike,
                lanes=tuple(draw.randint(300, 600) * draw.choice((-1, 1)) for _ in range(32)),
                mark=10**12 if i.kind == FUTURE else 10**11 + draw.randrange(10**10),
                delta=PPM if i.kind == FUTURE else draw.randint(-PPM, PPM),
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

    def scalars(self) -> int:
        """The underlying's scalars."""
        return pack_scalars(Scalars(UNDERLYING, 10**6 * WAD, PPM, 50_000, 1_250_000, 600_000, 1_000))

    def post_all(self, reference: int) -> None:
        """One report of every surface."""
        surfaces = [self.surface(e, self.instruments[e], reference, self.pair.now) for e in self.expiries]
        self.pair.post(surfaces, [self.scalars()])

    def gas(self, part: str, name: str, *args: object, sender: int) -> int:
        """Gas of one transaction, which is undone."""
        contract = self.pair.contracts[part]
        data = encode_call(contract.interface.function(name, len(args)), args)
        with self.pair.chain.isolate():
            return self.pair.chain.transact(contract.address, data, sender=text(sender)).gas_used

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
        """An account with cash, open to the exchange."""
        who = account(name, number)
        owner = address_of(name)
        self.pair.must("book", "deposit", who, self.pair.tokens[0], amount, sender=owner)
        self.pair.must("book", "set_allowance", who, self.pair.twin.at.exchange, MAX, sender=owner)
        return who

    def fill(self, number: int, positions: int, expiries: int, cash: int) -> int:
        """An account of the trader's with so many positions over so many expiries."""
        who = self.fund("trader", number, cash)
        maker = self.fund("maker", number, 10**15)
        each = -(-positions // expiries)
        chosen = [i for e in self.expiries[:expiries] for i in self.instruments[e][:each]][:positions]
        for instrument in chosen:
            sides = ((who, "trader"), (maker, "maker"))
            buyer, seller = sides if self.random.random() < 0.5 else sides[::-1]
            self.pair.must("exchange", "settle", *self.orders(buyer, seller, instrument.pack(), WAD))
        assert len(self.pair.twin.book.positions(who)) == positions
        return who

    def run(self) -> dict[str, int]:
        """All of it."""
        for name in CONTRACTS:
            self.found[f"size {name}"] = len(artifacts.load(name).runtime)
        self.posts()
        self.accounts()
        self.trades()
        self.margins()
        self.bids()
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

    def accounts(self) -> None:
        """Deposits and withdrawals."""
        pair, owner, who = self.pair, address_of("trader"), account("trader", 100)
        quote, ether = pair.tokens
        for name, token, amount in (("quote", quote, 10**12), ("collateral", ether, 100 * WAD)):
            self.found[f"deposit {name}, first"] = self.gas("book", "deposit", who, token, amount, sender=owner)
            pair.must("book", "deposit", who, token, amount, sender=owner)
            self.found[f"deposit {name}, again"] = self.gas("book", "deposit", who, token, amount, sender=owner)
            self.found[f"withdraw {name}, no positions"] = self.gas(
                "book", "withdraw", who, token, amount // 2, owner, sender=owner
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
            if held == 16:
                owner, quote = address_of("trader"), self.pair.tokens[0]
                self.found["withdraw quote, 17 positions"] = self.gas(
                    "book", "withdraw", sides[0][0], quote, 10**6, owner, sender=owner
                )

    def margins(self) -> None:
        """The margin check of an account, slots cold."""
        for number, (positions, expiries) in enumerate(SHAPES):
            who = self.fill(number, positions, expiries, 10**15)
            self.found[f"margin {positions} over {expiries}"] = self.gas("book", "margin", who, sender=1)

    def charge(self, who: int, share: float) -> None:
        """Raise the floor of the gross charge until E_h is `share` call buffers above maintenance margin."""
        pair, oracle = self.pair, self.pair.twin.oracle
        words = pair.twin.book.positions(who)
        margin, terms = pair.twin.book.margin(who, pair.now), oracle.terms(words, pair.now)
        wanted = int(margin.equity_haircut / (1 + share / 10)) - (margin.mm - terms.gross)  # the buffer is a tenth
        floor = wanted * PPM // (PRICE * len(words))  # every position is of one contract
        params = replace(Params(), gross_base=(floor,) * 4, gross_slope=(0,) * 4)
        pair.must("oracle", "set_params", pack_rates(params), pack_floors(params), sender=pair.owner)

    def bids(self) -> None:
        """A margin call, an auction and bids on 64 positions over 4 expiries."""
        pair, owner = self.pair, address_of("trader")
        who = self.fill(50, 64, 4, 10**15)
        bidders = {"holding the same series": account("maker", 50), "empty": self.fund("liquidator", 1, 10**15)}
        margin = pair.twin.book.margin(who, pair.now)
        spare = (margin.equity_haircut - margin.im * 3 // 2) // 10**12
        pair.must("book", "withdraw", who, pair.tokens[0], spare, owner, sender=owner)
        with pair.isolated():
            self.charge(who, 0.5)
            assert pair.twin.book.state(who, pair.now) == State.CALLED
            self.found["call, 64 positions"] = self.gas("liquidator", "call", who, sender=1)
        self.charge(who, -1)
        assert pair.twin.book.state(who, pair.now) == State.LIQUIDATABLE
        self.found["start, 64 positions"] = self.gas("liquidator", "start", who, sender=1)
        pair.must("liquidator", "start", who)
        pair.advance(600)
        for what, bidder in bidders.items():
            with pair.isolated():
                cost = self.gas("liquidator", "bid", who, bidder, WAD, MAX, sender=bidder >> 96)
                self.found[f"bid on 64 positions, bidder {what}"] = cost
                pair.must("liquidator", "bid", who, bidder, WAD, MAX, sender=bidder >> 96)
                assert pair.twin.liquidator.auction(who, pair.now) == 0  # one bid brought it back to initial margin


def table(found: dict[str, int], known: dict[str, int]) -> str:
    """The numbers beside the snapshot's."""
    lines = [f"{'operation':<42}{'gas':>12}{'snapshot':>12}"]
    for name, value in found.items():
        kept = known.get(name)
        drift = "" if kept in {None, value} else f"  {value - kept:+,}"
        lines.append(f"{name:<42}{value:>12,}{'' if kept is None else format(kept, ','):>12}{drift}")
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

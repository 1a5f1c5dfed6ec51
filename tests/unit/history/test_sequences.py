"""Drawn sequences of everything that can be done, with jumps of time and price: contract and twin alike at each step.

`Bench.step` holds both together and compares all views; here is what must hold besides.

    1  a settlement that is not zero never changes
    2  a price is proposed at most once, and resolved only after a dispute or too little was observed
    3  a bucket that is filled never changes
    4  the lagged price is one that was remembered, at least a lag ago
    5  who holds nothing has no unpaid profit, and who nets to nothing on each underlying neither
"""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.spec.history import BUCKETS, MIN_BUCKETS
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, WINDOW, Instrument, word
from plimsoll.spec.wad import MAX_PRICE, MAX_QUANTITY, WAD
from tests.strategies import Drawn, Seeded, Source, chance, edge, pick

from .conftest import (
    ATTACKER,
    BTC,
    DAY,
    DEAD,
    ETH,
    EXPIRY,
    GUARDIAN,
    OWNER,
    START,
    TRADER,
    Bench,
    make_row,
    make_surface,
)

EXPIRIES = (EXPIRY, EXPIRY + 600)  # windows that overlap
ROLES = (OWNER, GUARDIAN, TRADER, ATTACKER)


class Run:
    """A history that drawn things happen to."""

    def __init__(self, bench: Bench, source: Source) -> None:
        self.bench = bench
        self.source = source
        self.prices = {ETH: 2_000 * WAD, BTC: 30_000 * WAD}
        self.final: dict[tuple[int, int], int] = {}
        self.seen: dict[tuple[int, int], tuple[int, ...]] = {}
        self.remembered: list[tuple[int, int, int]] = []
        self.happened: Counter[str] = Counter()
        self.lag = pick(source, (600, 1, 60, 86_400))
        bench.begin(self.lag, pick(source, (3_600, 0, 1, 60)))
        for underlying, price in self.prices.items():
            bench.price(underlying, price)
        bench.until(pick(source, (EXPIRY - WINDOW - 60, EXPIRY - WINDOW, EXPIRY - 600, START)))

    def run(self) -> None:
        for _ in range(self.source.integer(1, 60)):
            way = pick(self.source, (self.observe, self.wait, self.move, self.settle, self.touch, self.value))
            way()
            self.check()

    def wait(self) -> None:
        self.bench.later(pick(self.source, (60, 1, 59, 61, 600, WINDOW, 3_600, self.lag, self.lag + 1, DAY)))

    def move(self) -> None:
        underlying = pick(self.source, (ETH, BTC))
        if chance(self.source, 10):
            way = pick(self.source, [way for way in DEAD if way != "bounded"])
            self.bench.kill(underlying, way)
            return
        price = self.prices[underlying]
        factor = pick(self.source, (1_001, 999, 1_100, 500, 2_000, 1_000_000, 1))
        price = min(max(price * factor // 1_000, 1), MAX_PRICE)
        if chance(self.source, 70):  # most come back
            self.prices[underlying] = price
        self.bench.price(underlying, price)

    def observe(self) -> None:
        """Some minutes in a row, for both expiries."""
        if chance(self.source, 50):
            self.bench.until(max(self.bench.now, EXPIRY - WINDOW))
        for _ in range(self.source.integer(1, 12)):
            for expiry in EXPIRIES:
                self.step("observe", pick(self.source, (ETH, ETH, BTC)), expiry)
            self.bench.later(pick(self.source, (60, 60, 60, 30, 120)))

    def settle(self) -> None:
        where = pick(self.source, (ETH, ETH, BTC)), pick(self.source, EXPIRIES)
        is_observed = sum(map(bool, self.bench.twins.history.buckets(*where))) >= MIN_BUCKETS
        if chance(self.source, 60 if is_observed else 10):
            self.bench.until(max(self.bench.now, where[1]))
        role = pick(self.source, ROLES)
        for _ in range(self.source.integer(1, 4)):
            name = pick(self.source, ("propose", "dispute", "resolve"))
            if name != "resolve":
                self.step(name, *where, sender=role)
            else:
                price = self.prices[where[0]] * pick(self.source, (1_000, 500, 2_000, 499, 2_001)) // 1_000
                self.step(name, *where, price, sender=role)

    def touch(self) -> None:
        underlying = pick(self.source, (ETH, BTC))
        for event, args in self.step("touch", underlying):
            assert event == "Touched"
            self.remembered.append((underlying, args["price"], self.bench.now))

    def value(self) -> None:
        """The views of a drawn book, under drawn surfaces and funding."""
        source = self.source
        for underlying in (ETH, BTC):
            if chance(source, 50):
                self.bench.funding(underlying, edge(source, -(10**27), 10**27))
            if chance(source, 30):
                rows = [make_row(kind, strike, **drawn_row(source)) for kind, strike in KINDS]
                reference = edge(source, 1, MAX_PRICE) if chance(source, 20) else self.prices[underlying]
                expiry = pick(source, (0, *EXPIRIES))
                forward = pick(source, (10**9, 2**32 - 1, 1, 1_100_000_000))
                self.bench.surface(make_surface(underlying, expiry, *rows, reference=reference, forward=forward))
        words = sorted(
            {
                Instrument(pick(source, (ETH, BTC)), pick(source, (0, *EXPIRIES)), kind, strike, row).pack()
                for kind, strike in KINDS
                for row in (source.integer(0, 5),)
            }
        )
        book = [word(held, drawn_quantity(source)) for held in words]
        self.bench.ask("unpaid", book)
        self.bench.ask("variation", book)

    def step(self, name: str, *args: int, sender: int = TRADER) -> list:
        found = self.bench.step(name, *args, sender=sender)
        if isinstance(found, str):
            return []
        self.happened[name, args[:2]] += 1
        return found

    def check(self) -> None:
        bench = self.bench
        twin = bench.twins.history
        assert bench.ask("unpaid", []) == 0
        for underlying in (ETH, BTC):
            for expiry in EXPIRIES:
                where = underlying, expiry
                price = bench.ask("settled", *where)
                if where in self.final:
                    assert price == self.final[where]  # 1
                elif price:
                    self.final[where] = price
                times = {name: self.happened[name, where] for name in ("propose", "dispute", "resolve")}
                few = sum(map(bool, twin.buckets(*where))) < MIN_BUCKETS
                assert times["propose"] <= 1  # 2
                assert times["resolve"] <= times["dispute"] + few
                assert not (times["propose"] and few)
                seen = bench.ask("buckets", *where)
                before = self.seen.get(where, (0,) * BUCKETS)
                assert all(was in {0, now} for was, now in zip(before, seen, strict=True))  # 3
                self.seen[where] = seen
            lagged = bench.ask("lagged", underlying)
            old = [p for u, p, at in self.remembered if u == underlying and bench.now - at >= self.lag]
            assert lagged == (old[-1] if old else "refused: history: no price of so long ago")  # 4


KINDS = ((PERP, 0), (SPOT, 1), (FUTURE, 0), (CALL, 2_000), (PUT, 30_000))


def drawn_row(source: Source) -> dict[str, int]:
    return {
        "mark": pick(source, (10**12, 10**11, 0, 2**48 - 1)),
        "delta": pick(source, (10**6, 500_000, -500_000, 2**23 - 1, -(2**23))),
        "gamma": pick(source, (0, 10**6, 2**32 - 1)),
    }


def drawn_quantity(source: Source) -> int:
    return pick(source, (WAD, -WAD, 1, -1, edge(source, -MAX_QUANTITY, MAX_QUANTITY)))


@settings(max_examples=settings.default.max_examples // 2)  # an example is a world; seeds draw more beside
@given(st.data())
def test_contract_and_twin_agree_and_settlements_stand(session_bench, data):
    with session_bench.isolated() as bench:
        Run(bench, Drawn(data.draw)).run()


@pytest.mark.slow
def test_sequences_reach_everything(session_bench):
    """Seeded ones: what happened in all of them together."""
    happened: Counter[str] = Counter()
    for seed in range(60):
        with session_bench.isolated() as bench:
            run = Run(bench, Seeded(seed))
            run.run()
            for (name, _), count in run.happened.items():
                happened[name] += count
            happened["settled"] += len(run.final)
    assert min(happened[name] for name in ("touch", "observe", "propose", "dispute", "resolve", "settled")) >= 3


@given(st.data())
def test_an_expiry_that_nobody_disputes_settles_once(session_bench, data):
    """Whoever comes when after the expiry, and whatever the index does meanwhile: one price, and that for good."""
    source = Drawn(data.draw)
    with session_bench.isolated() as bench:
        chosen = data.draw(st.sets(st.integers(0, BUCKETS - 1), min_size=10))
        bench.fill({k: source.integer(1_900, 2_100) * WAD for k in sorted(chosen)})
        bench.until(EXPIRY + source.integer(0, DAY))
        expected = bench.step("propose", ETH, EXPIRY)[0][1]["price"]
        for _ in range(10):
            bench.later(source.integer(0, 3_600))
            bench.price(ETH, source.integer(1, 10**6) * WAD)
            name = pick(source, ("observe", "propose"))
            assert "refused" in bench.step(name, ETH, EXPIRY, sender=pick(source, ROLES))
            assert bench.ask("settled", ETH, EXPIRY) in {0, expected}
        bench.later(3_600)
        assert bench.ask("settled", ETH, EXPIRY) == expected


@given(st.data())
def test_what_nets_to_nothing_has_no_unpaid_profit(session_bench, data):
    source = Drawn(data.draw)
    with session_bench.isolated() as bench:
        for underlying in (ETH, BTC):
            bench.surfaces(underlying)
            bench.step("touch", underlying)
        bench.later(600)
        for underlying in (ETH, BTC):
            bench.price(underlying, source.integer(1, 10**9) * WAD // 1_000)
        words = []
        for underlying in (ETH, BTC):
            quantity = drawn_quantity(source)
            bench.funding(underlying, edge(source, -(10**24), 10**24))
            words.append(word(Instrument(underlying, 0, PERP, 0, 0).pack(), quantity))
            words.append(word(Instrument(underlying, EXPIRY, FUTURE, 0, 0).pack(), -quantity))
        assert bench.ask("unpaid", words) == 0  # 5
        live, lagged = bench.ask("variation", words)
        assert abs(live - lagged) <= len(words)  # each word is rounded by itself

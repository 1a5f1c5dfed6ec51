"""A feed and its twin side by side, over mock aggregators; and a whole deployment, whose risk nodes sign references."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from plimsoll.chain.artifacts import load
from plimsoll.chain.contract import Contract, deploy
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.spec.errors import Refused
from plimsoll.spec.feed import QUOTE, IndexFeed, Leg, named
from plimsoll.spec.system import PlainAggregator
from tests.pairs import for_chain, from_chain
from tests.unit.clearinghouse.stage import Stage, clean_stage

OWNER = "0x" + "a1" * 20
ATTACKER = "0x" + "ee" * 20
ETH = 0x0102
E8 = 10**8
WAD = 10**18
NAME = "ETH / USD"


def outcome(action: Callable[[], Any]) -> Any:
    """What an action gives: its value, or the reason it was refused with."""
    try:
        return action()
    except Refused as refused:
        return f"refused: {refused.reason}"


def at(mock: Contract | str) -> int:
    """An address as the twin writes it."""
    return int(mock if isinstance(mock, str) else mock.address, 16)


def leg(mock: Contract | str, *, description: str = NAME, **fields: Any) -> Leg:
    """A leg that multiplies, fed for an hour, unless told otherwise."""
    return Leg(**({"aggregator": at(mock), "max_age": 3600, "description": named(description)} | fields))


class Bench:
    """Contract and twin, driven alike; every call asserts that both answer the same, and are the same after it."""

    def __init__(self, *, rollup: bool = False) -> None:
        self.chain = EmbeddedChain()
        self.aggregators: dict[int, PlainAggregator] = {}
        self.uptime = self.aggregator(0, 0, "uptime")
        self.since(self.uptime, 0, 86_400)
        sequencer = self.uptime.address if rollup else f"0x{0:040x}"
        self.contract = deploy(self.chain, load("IndexFeed"), sequencer, sender=OWNER)
        self.twin = IndexFeed(at(OWNER), self.aggregators, {}, at(sequencer), self.chain.now)

    def aggregator(self, decimals: int = 8, answer: int = 0, description: str = NAME) -> Contract:
        """A new mock aggregator that answered just now."""
        mock = deploy(self.chain, load("MockAggregator"), decimals, description, sender=OWNER)
        self.aggregators[at(mock)] = PlainAggregator(decimals, description=description)
        if answer:
            self.answer(mock, answer)
        return mock

    def answer(self, mock: Contract, answer: int, age: int = 0) -> None:
        """Let an aggregator answer, `age` seconds ago (negative: ahead)."""
        mock.transact("set_at", answer, self.chain.now - age, sender=OWNER)
        twin = self.aggregators[at(mock)]
        twin.answer, twin.updated_at, twin.started_at = answer, self.chain.now - age, self.chain.now - age

    def since(self, mock: Contract, answer: int, ago: int) -> None:
        """Let an aggregator say that it has been so for `ago` seconds; the round of a whole age never began."""
        started = self.chain.now - ago
        mock.transact("set_since", answer, started, sender=OWNER)
        twin = self.aggregators[at(mock)]
        twin.answer, twin.updated_at, twin.started_at = answer, self.chain.now, started

    def act(self, name: str, *args: Any, sender: str = OWNER) -> Any:
        """A function on both: what it logged, or why it was refused."""
        function = self.contract.interface.function(name, len(args))
        given = [for_chain(value, entry) for value, entry in zip(args, function.inputs, strict=True)]
        timed = {"now": self.chain.now} if name in {"set_feed", "set_route", "set_quote_route", "set_sequencer"} else {}
        who = {"sender": at(sender)}
        if name == "bind":
            timed, who = {"now": self.chain.now}, {}
        on_chain = outcome(lambda: self._log(self.contract.transact(name, *given, sender=sender)))
        before = len(self.twin.log)
        in_twin = outcome(lambda: getattr(self.twin, name)(*args, **who, **timed))
        if in_twin is None:
            in_twin = [(event.name, dict(event.args)) for event in self.twin.log[before:]]
        assert on_chain == in_twin
        self.same()
        return on_chain

    def set_feed(self, underlying=ETH, mock=None, max_age=3600, exponent=18, sender=OWNER) -> Any:
        return self.act("set_feed", underlying, at(mock), max_age, exponent, sender=sender)

    def set_bounds(self, underlying=ETH, low=0, high=0, *leg: int, sender=OWNER) -> Any:
        return self.act("set_bounds", underlying, low, high, *leg, sender=sender)

    def set_route(self, *legs: Leg, underlying=ETH, exponent=18, in_currency=False, sender=OWNER) -> Any:
        return self.act("set_route", underlying, list(legs), exponent, in_currency, sender=sender)

    def price(self, underlying=ETH) -> Any:
        """The price, or why there is none; `is_usable` must agree."""
        on_chain = outcome(lambda: tuple(self.contract.call("price", underlying)))
        assert on_chain == outcome(lambda: self.twin.price(underlying, self.chain.now))
        usable = self.contract.call("is_usable", underlying)
        assert usable == self.twin.is_usable(underlying, self.chain.now) == isinstance(on_chain, tuple)
        return on_chain

    def quote_price(self) -> Any:
        on_chain = outcome(lambda: tuple(self.contract.call("quote_price")))
        assert on_chain == outcome(lambda: self.twin.quote_price(self.chain.now))
        return on_chain

    def grace_over(self) -> bool:
        on_chain = self.contract.call("grace_over")
        assert on_chain == self.twin.grace_over(self.chain.now)
        assert self.contract.call("grace_until") == self.twin.grace_until(self.chain.now)
        return on_chain

    def same(self) -> None:
        """All that the views tell of the state."""
        call, twin = self.contract.call, self.twin
        assert tuple(call("underlyings")) == twin.underlyings()
        for underlying in {*twin.routes, *twin.waiting, ETH, QUOTE}:
            assert tuple(call("route", underlying)) == twin.route(underlying)
            route, since = call("staged", underlying)
            assert (tuple(route), since) == twin.staged(underlying)
            for place in range(3):
                assert tuple(call("bounds", underlying, place)) == twin.bounds(underlying, place)
        assert from_chain(tuple(call("sequencer"))) == twin.sequencer()
        assert call("band") == twin.band
        assert at(call("witness")) == twin.witness

    def _log(self, receipt) -> list[tuple[str, dict[str, Any]]]:
        return [
            (event.name, {k: from_chain(v) for k, v in event.args._asdict().items()})
            for event in self.contract.events(receipt)
        ]


@pytest.fixture(scope="session")
def session_bench() -> Bench:
    return Bench()


@pytest.fixture
def bench(session_bench) -> Iterator[Bench]:
    """A feed without underlyings; what a test does to it is undone."""
    kept, known = session_bench.twin, dict(session_bench.aggregators)
    session_bench.twin = copied(session_bench)
    with session_bench.chain.isolate():
        yield session_bench
    session_bench.twin = kept
    session_bench.aggregators.clear()
    session_bench.aggregators.update(known)


def copied(bench: Bench) -> IndexFeed:
    """The twin of a feed on which nothing happened."""
    return IndexFeed(bench.twin.owner, bench.aggregators, {}, bench.twin.uptime[0], bench.chain.now)


@pytest.fixture
def eth(bench):
    """An aggregator of 8 decimals at 2,000, fed for an hour."""
    mock = bench.aggregator(8, 2_000 * E8)
    bench.set_feed(ETH, mock)
    return mock


@pytest.fixture
def stage() -> Iterator[Stage]:
    """The small market, with signed surfaces, and the oracle as the feed's witness."""
    with clean_stage() as found:
        yield found

"""A feed and its twin side by side, over a mock aggregator."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from plimsoll.chain.artifacts import load
from plimsoll.chain.contract import Contract, deploy
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.spec.errors import Refused
from plimsoll.spec.feed import IndexFeed

OWNER = "0x" + "a1" * 20
ATTACKER = "0x" + "ee" * 20
ETH = 0x0102


@dataclass
class Aggregator:
    """Twin of MockAggregator."""

    decimals: int
    answer: int = 0
    updated_at: int = 0

    def latest(self) -> tuple[int, int]:
        return self.answer, self.updated_at


def outcome(action: Callable[[], Any]) -> Any:
    """What an action gives: its value, or the reason it was refused with."""
    try:
        return action()
    except Refused as refused:
        return f"refused: {refused.reason}"


class Bench:
    """Contract and twin, driven alike; every call asserts that both answer the same."""

    def __init__(self) -> None:
        self.chain = EmbeddedChain()
        self.contract = deploy(self.chain, load("IndexFeed"), sender=OWNER)
        self.aggregators: dict[int, Aggregator] = {}
        self.twin = IndexFeed(int(OWNER, 16), self.aggregators)

    def aggregator(self, decimals: int = 8, answer: int = 0) -> Contract:
        """A new mock aggregator that answered just now."""
        mock = deploy(self.chain, load("MockAggregator"), decimals, "ETH / USD", sender=OWNER)
        self.aggregators[int(mock.address, 16)] = Aggregator(decimals)
        if answer:
            self.answer(mock, answer)
        return mock

    def answer(self, mock: Contract, answer: int, age: int = 0) -> None:
        """Let an aggregator answer, `age` seconds ago (negative: ahead)."""
        mock.transact("set_at", answer, self.chain.now - age, sender=OWNER)
        twin = self.aggregators[int(mock.address, 16)]
        twin.answer, twin.updated_at = answer, self.chain.now - age

    def set_feed(self, underlying=ETH, mock=None, max_age=3600, exponent=18, sender=OWNER) -> Any:
        address = mock.address if isinstance(mock, Contract) else mock
        on_chain = outcome(
            lambda: self._log(self.contract.transact("set_feed", underlying, address, max_age, exponent, sender=sender))
        )
        in_twin = outcome(
            lambda: self._twin_log(
                lambda: self.twin.set_feed(underlying, int(address, 16), max_age, exponent, sender=int(sender, 16))
            )
        )
        assert on_chain == in_twin
        self.same_config(underlying)
        return on_chain

    def set_bounds(self, underlying=ETH, low=0, high=0, sender=OWNER) -> Any:
        on_chain = outcome(
            lambda: self._log(self.contract.transact("set_bounds", underlying, low, high, sender=sender))
        )
        in_twin = outcome(
            lambda: self._twin_log(lambda: self.twin.set_bounds(underlying, low, high, sender=int(sender, 16)))
        )
        assert on_chain == in_twin
        self.same_config(underlying)
        return on_chain

    def price(self, underlying=ETH) -> Any:
        """The price, or why there is none; `is_usable` must agree."""
        on_chain = outcome(lambda: tuple(self.contract.call("price", underlying)))
        assert on_chain == outcome(lambda: self.twin.price(underlying, self.chain.now))
        usable = self.contract.call("is_usable", underlying)
        assert usable == self.twin.is_usable(underlying, self.chain.now) == isinstance(on_chain, tuple)
        return on_chain

    def same_config(self, underlying: int) -> None:
        assert self.contract.call("configs", underlying) == self.twin.configs.get(underlying, 0)
        assert tuple(self.contract.call("bounds", underlying)) == self.twin.bounds(underlying)

    def _log(self, receipt) -> list[tuple[str, dict[str, Any]]]:
        found = []
        for event in self.contract.events(receipt):
            args = event.args._asdict()
            if "aggregator" in args:
                args["aggregator"] = int(args["aggregator"], 16)
            found.append((event.name, args))
        return found

    def _twin_log(self, action: Callable[[], None]) -> list[tuple[str, dict[str, Any]]]:
        before = len(self.twin.log)
        action()
        return [(event.name, dict(event.args)) for event in self.twin.log[before:]]


@pytest.fixture(scope="session")
def session_bench() -> Bench:
    return Bench()


@pytest.fixture
def bench(session_bench):
    """A feed without underlyings; what a test does to it is undone."""
    twin, aggregators = dict(session_bench.twin.configs), dict(session_bench.aggregators)
    with session_bench.chain.isolate():
        yield session_bench
    session_bench.twin.configs = twin
    session_bench.aggregators.clear()
    session_bench.aggregators.update(aggregators)


@pytest.fixture
def eth(bench):
    """An aggregator of 8 decimals at 2,000, fed for an hour."""
    mock = bench.aggregator(8, 2_000 * 10**8)
    bench.set_feed(ETH, mock)
    return mock

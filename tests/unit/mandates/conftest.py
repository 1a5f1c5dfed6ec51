"""Mandates and its twin side by side."""

import copy
import inspect
from typing import Any

import pytest

from plimsoll.chain.artifacts import load
from plimsoll.chain.contract import deploy
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.spec.errors import Refused
from plimsoll.spec.mandates import Mandates

NOW = 1_700_000_000
WAD = 10**18
END = 2**256 - 1
OWNER, BOOK, TRADER, DELEGATE, VENUE, TOKEN, ATTACKER = (k << 152 | k for k in range(1, 8))
PERP, CALL = 0x0102 << 112, 0x0102 << 112 | 2 << 64


def account(owner: int = TRADER, number: int = 0) -> int:
    """An account of somebody's."""
    return owner << 96 | number


def text(address: int) -> str:
    return f"0x{address:040x}"


class Bench:
    """Contract and twin, driven alike; every call asserts that both answer and log the same."""

    def __init__(self) -> None:
        self.chain = EmbeddedChain(time=NOW)
        self.contract = deploy(self.chain, load("Mandates"), sender=text(OWNER))
        self.twin = Mandates(OWNER)

    def _args(self, name: str, args: tuple[int, ...]) -> list[Any]:
        inputs = self.contract.interface.function(name, len(args)).inputs
        return [text(v) if e["type"] == "address" else v for v, e in zip(args, inputs, strict=True)]

    def do(self, name: str, *args: int, sender: int) -> Any:
        """A step on both: the one event that came of it (or None), or the refusal."""
        logged = len(self.twin.log)
        function = getattr(self.twin, name)
        known = {"sender": sender, "now": self.chain.now}
        wanted = inspect.signature(function).parameters
        try:
            function(*args, **{key: value for key, value in known.items() if key in wanted})
        except Refused as refused:
            expected: Any = f"refused: {refused.reason}"
        else:
            expected = [(event.name, dict(event.args)) for event in self.twin.log[logged:]]
        try:
            receipt = self.contract.transact(name, *self._args(name, args), sender=text(sender))
        except Refused as refused:
            found: Any = f"refused: {refused.reason}"
        else:
            found = []
            for event in self.contract.events(receipt):
                values = event.args._asdict()
                addresses = {"delegate", "venue", "token", "book"} & values.keys()
                found.append((event.name, values | {key: int(values[key], 16) for key in addresses}))
        assert found == expected
        if isinstance(found, str):
            return found
        assert len(found) <= 1
        return found[0] if found else None

    def ask(self, name: str, *args: int) -> Any:
        """A view on both."""
        function = getattr(self.twin, name)
        wanted = inspect.signature(function).parameters
        expected = function(*args, **({"now": self.chain.now} if "now" in wanted else {}))
        found = self.contract.call(name, *self._args(name, args))
        assert (tuple(found) if isinstance(expected, tuple) else found) == expected
        return expected


@pytest.fixture(scope="session")
def session_bench() -> Bench:
    return Bench()


@pytest.fixture
def bench(session_bench):
    """Mandates of whom nobody gave any, and of a book; what a test does to it is undone."""
    kept = session_bench.twin
    session_bench.twin = copy.deepcopy(kept)
    with session_bench.chain.isolate():
        session_bench.do("set_book", BOOK, sender=OWNER)
        yield session_bench
    session_bench.twin = kept


@pytest.fixture
def bare(session_bench):
    """Mandates without a book."""
    kept = session_bench.twin
    session_bench.twin = copy.deepcopy(kept)
    with session_bench.chain.isolate():
        yield session_bench
    session_bench.twin = kept

"""Worlds on the chain: what `tests.strategies` draws, stored, signed and posted as an engine would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from plimsoll.spec.errors import Refused
from plimsoll.spec.margin import Assessment
from plimsoll.spec.oracle import unpack_params
from plimsoll.spec.report import pack_class, pack_floors, pack_rates, pack_scalars
from tests.pairs import Mismatch, Pair, call_words, number, plain_of, text
from tests.strategies import NOW, Funded, World

FEED_AGE = 3_600  # [s]
SEATS = range(8)  # aggregators, one for each underlying of a world

# A book that answers for open interest alone. With two arguments it stores: SSTORE(first, second); with one it
# answers SLOAD(first).
#   CALLDATASIZE PUSH1 36 LT PUSH1 17 JUMPI   PUSH1 4 CALLDATALOAD SLOAD PUSH0 MSTORE PUSH1 32 PUSH0 RETURN
#   JUMPDEST PUSH1 36 CALLDATALOAD PUSH1 4 CALLDATALOAD SSTORE STOP
INTEREST_BOOK = bytes.fromhex("36602410601157600435545f5260205ff35b6024356004355500")


class Rig:
    """One RiskOracle on the embedded chain, its twin, and room for one world at a time."""

    def __init__(self, replaced: dict[str, Any] | None = None) -> None:
        self.pair = Pair(underlyings=SEATS, replaced=replaced)
        size = len(INTEREST_BOOK)
        initcode = bytes([0x60, size, 0x80, 0x60, 0x09, 0x3D, 0x39, 0x3D, 0xF3]) + INTEREST_BOOK
        stub = self.pair.chain.deploy(initcode, sender=text(self.pair.owner)).address
        assert stub is not None
        self.stub = stub
        self.pair.must("oracle", "set_book", number(stub), sender=self.pair.owner)
        self.oracle = self.pair.contracts["oracle"]
        self._assess = self.oracle.interface.function("assess", 2)
        self._terms = self.oracle.interface.function("terms", 1)
        self._funding = self.oracle.interface.function("funding", 1)
        self._mark = self.oracle.interface.function("mark", 1)

    @contextmanager
    def load(self, world: World) -> Iterator[None]:
        """A world, for as long as the context lasts."""
        pair = self.pair
        seats, known = list(pair.aggregators.values()), pair.aggregators
        with pair.isolated():
            pair.aggregators = dict(zip(world.price, seats, strict=False))
            try:
                self._set(world)
                yield
            finally:
                pair.aggregators = known

    def _set(self, world: World) -> None:
        """Governance, feeds, open interest, then the reports in order of time."""
        pair = self.pair
        pair.must("oracle", "set_params", pack_rates(world.params), pack_floors(world.params), sender=pair.owner)
        assert unpack_params(pack_rates(world.params), pack_floors(world.params)) == world.params
        pair.twin.oracle.interest = lambda underlying: world.interest.get(underlying, 0)
        for underlying, interest in world.interest.items():
            data = bytes(4) + underlying.to_bytes(32, "big") + interest.to_bytes(32, "big")
            pair.chain.transact(self.stub, data, sender=text(pair.owner))
        for underlying, price in world.price.items():
            at = pair.aggregators[underlying]
            pair.price(underlying, price)
            pair.must("feed", "set_feed", underlying, at, FEED_AGE, world.exponent[underlying], sender=pair.owner)
            pair.price(underlying, price, NOW - FEED_AGE - (underlying in world.dead))
        # what a report of rates carries comes before a surface of the same second, which stays
        steps = sorted([*world.funded, *world.surfaces], key=lambda step: step.time)
        self.until(min([step.time for step in steps], default=NOW))
        words = [pack_scalars(s) for s in world.scalars], [pack_class(c) for c in world.classes]
        pair.post([], *words)
        for step in steps:
            self.until(step.time)
            if isinstance(step, Funded):
                pair.post([step.surface] if step.surface else [], [pack_scalars(step.scalars)])
            else:
                pair.post([step])
        self.until(NOW)

    def until(self, time: int) -> None:
        """Let time pass on both."""
        self.pair.advance(time - self.pair.now)

    def twin_assess(self, words: Sequence[int], ledger: int) -> Assessment:
        """The twin's margin."""
        return self.pair.twin.oracle.assess(words, ledger, self.pair.now)

    def check_assess(self, words: Sequence[int], ledger: int) -> Assessment | Refused:
        """The margin of a book by both, or the refusal of both."""
        return self._check(
            lambda: self.twin_assess(words, ledger), call_words(self.oracle, "assess", words, ledger), self._assess
        )

    def check_terms(self, words: Sequence[int]) -> Any:
        """The terms of one underlying by both."""
        twin = self.pair.twin.oracle
        return self._check(
            lambda: twin.terms(words, self.pair.now), call_words(self.oracle, "terms", words), self._terms
        )

    def check_mark(self, instrument_id: int) -> Any:
        """The mark of an instrument by both."""
        twin = self.pair.twin.oracle
        return self._check(
            lambda: twin.mark(instrument_id, self.pair.now), self._mark.encode([instrument_id]), self._mark
        )

    def check_funding(self, underlying: int) -> int:
        """What a perp's long has paid by both."""
        twin = self.pair.twin.oracle
        return self._check(
            lambda: twin.funding(underlying, self.pair.now), self._funding.encode([underlying]), self._funding
        )

    def _check(self, ask: Any, data: bytes, function: Any) -> Any:
        try:
            expected = ask()
        except Refused as refused:
            expected = refused
        found = self.pair.ask(self.oracle, data, function)
        same = repr(found) == repr(expected) if isinstance(expected, Refused) else found == plain_of(expected)
        if not same:
            raise Mismatch(f"{function.name}: twin {expected!r}, chain {found!r}")
        return expected

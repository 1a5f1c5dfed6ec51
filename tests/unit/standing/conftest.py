"""Standing orders and their twin side by side, over a mock of book, oracle and liquidator."""

from dataclasses import replace
from typing import Any

import pytest

from plimsoll.chain.artifacts import load
from plimsoll.chain.contract import Contract, deploy
from plimsoll.spec.standing import StandingOrder, StandingOrders
from tests.venues import DEPLOYER, MAKER, NOW, PERP, TAKER, WAD, Trader, VenueBench, abi

MARK = 2_000 * WAD


class Bench(VenueBench):
    """Contract and twin, driven alike."""

    name = "StandingOrders"

    def deploy(self) -> Contract:
        return deploy(self.chain, load("StandingOrders"), self.book.address, self.book.address, sender=DEPLOYER)

    def make_twin(self) -> StandingOrders:
        at = int(self.contract.address, 16)
        return StandingOrders(at, self.chain.chain_id, self.twin_book, self.twin_book, self.wallets)

    def order(self, quantity: int, slack: int = 10_000, **changes: Any) -> StandingOrder:
        """A good order of the maker's."""
        made = StandingOrder(MAKER.account(), MAKER.number, PERP, quantity, slack, NOW + 60, next(self.nonces))
        return replace(made, **changes)

    def hold(self, quantity: int, account: int = MAKER.account(), instrument: int = PERP) -> None:
        self.book.transact("set_position", account, instrument, quantity, sender=DEPLOYER)
        self.twin_book.positions[account, instrument] = quantity

    def mark(self, mark: int, instrument: int = PERP) -> None:
        self.book.transact("set_mark", instrument, mark, sender=DEPLOYER)
        self.twin_book.marks.pop(instrument, None)
        if mark:
            self.twin_book.marks[instrument] = mark

    def call(self, deadline: int, auction: int = 0, account: int = MAKER.account()) -> None:
        self.book.transact("set_call", account, deadline, auction, sender=DEPLOYER)
        self.twin_book.calls[account] = (deadline, auction)

    def execute(
        self,
        order: StandingOrder,
        quantity: int = WAD,
        *,
        signature: bytes | None = None,
        counterparty: int = TAKER.account(),
        sender: Trader = TAKER,
    ) -> Any:
        """Execute on both sides; the events and trades that came of it, or the refusal."""
        signed = self.signed(order, MAKER) if signature is None else signature
        return self.both(
            "execute",
            (abi(order), signed, counterparty, quantity),
            lambda: self.twin.execute(order, signed, counterparty, quantity, sender=sender.number, now=self.chain.now),
            sender.address,
            (order,),
        )


@pytest.fixture(scope="session")
def session_bench() -> Bench:
    return Bench()


@pytest.fixture
def bare(session_bench):
    """A venue on which nothing happened, of whose accounts none is called."""
    session_bench.reset()
    with session_bench.chain.isolate():
        yield session_bench


@pytest.fixture
def bench(bare):
    """The maker is called, with ten long; the mark is 2,000."""
    bare.mark(MARK)
    bare.hold(10 * WAD)
    bare.call(NOW + 3_600)
    return bare

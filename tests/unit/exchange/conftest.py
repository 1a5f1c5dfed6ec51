"""An exchange and its twin side by side, over a mock of the book."""

from dataclasses import replace
from typing import Any

import pytest

from plimsoll.chain.artifacts import load
from plimsoll.chain.contract import Contract, deploy
from plimsoll.spec.exchange import Exchange, Order
from tests.venues import DEPLOYER, KEEPER, MAKER, NOW, PERP, TAKER, WAD, Trader, VenueBench, abi


class Bench(VenueBench):
    """Contract and twin, driven alike."""

    name = "Exchange"

    def deploy(self) -> Contract:
        return deploy(self.chain, load("Exchange"), self.book.address, sender=DEPLOYER)

    def make_twin(self) -> Exchange:
        return Exchange(int(self.contract.address, 16), self.chain.chain_id, self.twin_book, self.wallets)

    def order(self, trader: Trader, quantity: int, price: int = 2_000 * WAD, **changes: Any) -> Order:
        """A good order."""
        made = Order(trader.account(), trader.number, PERP, quantity, price, NOW + 60, next(self.nonces))
        return replace(made, **changes)

    def pair(self, quantity: int = WAD, **changes: Any) -> tuple[Order, Order]:
        """A maker who sells and a taker who buys as much."""
        return self.order(MAKER, -quantity, **changes), self.order(TAKER, quantity, **changes)

    def settle(
        self,
        maker: Order,
        taker: Order,
        quantity: int = WAD,
        maker_signature: bytes | None = None,
        taker_signature: bytes | None = None,
    ) -> Any:
        """Settle on both sides; the trades that came of it, or the refusal."""
        first = self.signed(maker, MAKER) if maker_signature is None else maker_signature
        second = self.signed(taker, TAKER) if taker_signature is None else taker_signature
        return self.both(
            "settle",
            (abi(maker), first, abi(taker), second, quantity),
            lambda: self.twin.settle(maker, first, taker, second, quantity, now=self.chain.now),
            KEEPER,
            (maker, taker),
        )


@pytest.fixture(scope="session")
def session_bench() -> Bench:
    return Bench()


@pytest.fixture
def bench(session_bench):
    """An exchange on which nothing happened; what a test does to it is undone."""
    session_bench.reset()
    with session_bench.chain.isolate():
        yield session_bench

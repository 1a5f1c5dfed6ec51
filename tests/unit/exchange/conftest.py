"""An exchange and its twin side by side, over a mock of the book."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from eth_keys.datatypes import PrivateKey

from plimsoll.chain.artifacts import load
from plimsoll.chain.contract import Contract, deploy, events_of
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.spec.errors import Refused, require
from plimsoll.spec.exchange import Exchange, Order
from plimsoll.spec.signatures import HALF_ORDER

WAD = 10**18
DEPLOYER = "0x" + "d0" * 20
KEEPER = "0x" + "cc" * 20
ORDER_OF_CURVE = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
PERP = 0x0102 << 112
NOW = 1_700_000_000


@dataclass(frozen=True)
class Trader:
    """A key, and the accounts of its address."""

    key: PrivateKey

    @property
    def address(self) -> str:
        return self.key.public_key.to_address()

    @property
    def number(self) -> int:
        return int(self.address, 16)

    def account(self, number: int = 0) -> int:
        return self.number << 96 | number


MAKER = Trader(PrivateKey(b"\x01" * 32))
TAKER = Trader(PrivateKey(b"\x02" * 32))
DELEGATE = Trader(PrivateKey(b"\x03" * 32))
ATTACKER = Trader(PrivateKey(b"\x04" * 32))


def sign(trader: Trader, message: bytes) -> bytes:
    """r | s | v, as wallets give it."""
    signature = trader.key.sign_msg_hash(message)
    assert signature.s <= HALF_ORDER
    return signature.r.to_bytes(32, "big") + signature.s.to_bytes(32, "big") + bytes([27 + signature.v])


def abi(order: Order) -> tuple[Any, ...]:
    """An order as the ABI takes it."""
    return (
        order.account,
        f"0x{order.signer:040x}",
        order.instrument,
        order.quantity,
        order.price,
        order.expires,
        order.nonce,
    )


def outcome(action: Callable[[], Any]) -> Any:
    """What an action gives: its value, or the reason it was refused with."""
    try:
        return action()
    except Refused as refused:
        return f"refused: {refused.reason}"


@dataclass
class Book:
    """Twin of MockBook."""

    delegates: set[tuple[int, int]] = field(default_factory=set)
    refusal: str = ""
    trades: list[tuple[int, ...]] = field(default_factory=list)

    def may_act(self, account: int, who: int) -> bool:
        return account >> 96 == who or (account, who) in self.delegates

    def trade(self, buyer, seller, instrument_id, quantity, price, *, sender, now) -> None:
        del now
        require(not self.refusal, self.refusal)
        self.trades.append((buyer, seller, instrument_id, quantity, price, sender))


class Wallet:
    """Twin of MockERC1271 whose owner's signature stands last."""

    def __init__(self, is_valid: Callable[[bytes, bytes], bool]) -> None:
        self.is_valid_signature = is_valid


@dataclass(frozen=True)
class WalletTrader(Trader):
    """A trader whose address is a contract's."""

    at: str

    @property
    def address(self) -> str:
        return self.at


class Bench:
    """Contract and twin, driven alike; every call asserts that both answer, log and trade the same."""

    def __init__(self) -> None:
        self.chain = EmbeddedChain(time=NOW)
        self.book = deploy(self.chain, load("MockBook"), sender=DEPLOYER)
        self.contract = deploy(self.chain, load("Exchange"), self.book.address, sender=DEPLOYER)
        self.reset()

    def reset(self) -> None:
        """A twin as new."""
        self.twin_book = Book()
        self.wallets: dict[int, Wallet] = {}
        self.twin = Exchange(int(self.contract.address, 16), self.chain.chain_id, self.twin_book, self.wallets)
        self.nonces = itertools.count(1)

    def order(self, trader: Trader, quantity: int, price: int = 2_000 * WAD, **changes: Any) -> Order:
        """A good order."""
        made = Order(trader.account(), trader.number, PERP, quantity, price, NOW + 60, next(self.nonces))
        return replace(made, **changes)

    def pair(self, quantity: int = WAD, **changes: Any) -> tuple[Order, Order]:
        """A maker who sells and a taker who buys as much."""
        return self.order(MAKER, -quantity, **changes), self.order(TAKER, quantity, **changes)

    def signed(self, order: Order, trader: Trader) -> bytes:
        return sign(trader, self.twin.digest(order))

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

    def cancel(self, order: Order, sender: Trader) -> Any:
        return self.both(
            "cancel",
            (abi(order),),
            lambda: self.twin.cancel(order, sender=sender.number),
            sender.address,
            (order,),
        )

    def cancel_below(self, account: int, nonce: int, sender: Trader) -> Any:
        found = self.both(
            "cancel_below",
            (account, nonce),
            lambda: self.twin.cancel_below(account, nonce, sender=sender.number),
            sender.address,
            (),
        )
        assert self.contract.call("floor", account) == self.twin.floor(account)
        return found

    def set_delegate(self, account: int, delegate: Trader, *, allowed: bool = True) -> None:
        owner = f"0x{account >> 96:040x}"
        self.book.transact("set_delegate", account, delegate.address, allowed, sender=owner)
        (self.twin_book.delegates.add if allowed else self.twin_book.delegates.discard)((account, delegate.number))

    def refuse(self, reason: str) -> None:
        self.book.transact("set_refusal", reason, sender=DEPLOYER)
        self.twin_book.refusal = reason

    def wallet(self, owner: Trader) -> tuple[Contract, Trader]:
        """A contract wallet, and a trader with its address and its owner's key."""
        made = deploy(self.chain, load("MockERC1271"), owner.address, sender=DEPLOYER)

        def is_valid(message: bytes, signature: bytes) -> bool:
            return len(signature) >= 65 and sign(owner, message) == signature[-65:]

        self.wallets[int(made.address, 16)] = Wallet(is_valid)
        return made, WalletTrader(owner.key, made.address)

    def both(self, name, args, in_twin, sender, orders) -> Any:
        before = len(self.twin.log), len(self.twin_book.trades)

        def on_chain() -> Any:
            receipt = self.contract.transact(name, *args, sender=sender)
            found = events_of(receipt.logs, [self.contract, self.book])
            events = [(e.name, e.args._asdict()) for e in found if e.contract == "Exchange"]
            trades = [(*e.args[:-1], int(e.args[-1], 16)) for e in found if e.contract == "MockBook"]
            return events, trades

        def twin() -> Any:
            in_twin()
            events = [(event.name, dict(event.args)) for event in self.twin.log[before[0] :]]
            return events, self.twin_book.trades[before[1] :]

        result = outcome(on_chain)
        assert result == outcome(twin)
        for order in orders:
            key = self.twin.digest(order)
            assert self.contract.call("digest", abi(order)) == key
            assert self.contract.call("filled", key) == self.twin.filled.get(key, 0)
        return result


@pytest.fixture(scope="session")
def session_bench() -> Bench:
    return Bench()


@pytest.fixture
def bench(session_bench):
    """An exchange on which nothing happened; what a test does to it is undone."""
    session_bench.reset()
    with session_bench.chain.isolate():
        yield session_bench

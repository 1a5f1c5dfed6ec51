"""Venues of signed orders under test: traders with keys, wallets, and a venue and its twin over a mock of the book."""

import itertools
from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from typing import Any

from eth_keys.datatypes import PrivateKey

from plimsoll.chain.artifacts import load
from plimsoll.chain.contract import Contract, deploy, events_of
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.spec.errors import Refused, require
from plimsoll.spec.mandates import TRADE
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


def abi(order: Any) -> tuple[Any, ...]:
    """An order as the ABI takes it: of its fields the signer alone is an address."""
    account, signer, *rest = astuple(order)
    return (account, f"0x{signer:040x}", *rest)


def outcome(action: Callable[[], Any]) -> Any:
    """What an action gives: its value, or the reason it was refused with."""
    try:
        return action()
    except Refused as refused:
        return f"refused: {refused.reason}"


@dataclass
class Book:
    """Twin of MockBook: a book, its oracle and its liquidator."""

    clock: Callable[[], int]  # what a venue must say that the time is
    rights: dict[tuple[int, int], int] = field(default_factory=dict)
    positions: dict[tuple[int, int], int] = field(default_factory=dict)
    marks: dict[int, int] = field(default_factory=dict)
    calls: dict[int, tuple[int, int]] = field(default_factory=dict)
    refusal: str = ""
    trades: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def oracle(self):
        return self

    def may_act(self, account: int, who: int, right: int, *, now: int) -> bool:
        assert now == self.clock()
        return account >> 96 == who or self.rights.get((account, who), 0) & right == right

    def trade(self, buyer, seller, instrument_id, quantity, price, buyer_takes, *, sender, now) -> None:
        assert now == self.clock()
        require(not self.refusal, self.refusal)
        self.trades.append((buyer, seller, instrument_id, quantity, price, buyer_takes, sender))

    def quantity(self, account: int, instrument_id: int, _now: int = 0) -> int:
        return self.positions.get((account, instrument_id), 0)

    def mark(self, instrument_id: int, now: int) -> int:
        assert now == self.clock()
        require(instrument_id in self.marks, "feed: stale price")
        return self.marks[instrument_id]

    def deadline(self, account: int, now: int) -> int:
        return self.calls.get(account, (0, 0))[0]

    def auction(self, account: int, now: int) -> int:
        return self.calls.get(account, (0, 0))[1]


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


class VenueBench:
    """Contract and twin, driven alike; every call asserts that both answer, log and trade the same."""

    name: str  # of the contract

    def __init__(self) -> None:
        self.chain = EmbeddedChain(time=NOW)
        self.book = deploy(self.chain, load("MockBook"), sender=DEPLOYER)
        self.contract = self.deploy()
        self.reset()

    def deploy(self) -> Contract:
        """The venue on the mock book."""
        raise NotImplementedError

    def make_twin(self) -> Any:
        """Its twin, as new."""
        raise NotImplementedError

    def reset(self) -> None:
        """A twin as new."""
        self.twin_book = Book(clock=lambda: self.chain.now)
        self.wallets: dict[int, Wallet] = {}
        self.twin = self.make_twin()
        self.nonces = itertools.count(1)

    def signed(self, order: Any, trader: Trader) -> bytes:
        return sign(trader, self.twin.digest(order))

    def cancel(self, order: Any, sender: Trader) -> Any:
        return self.both(
            "cancel",
            (abi(order),),
            lambda: self.twin.cancel(order, sender=sender.number, now=self.chain.now),
            sender.address,
            (order,),
        )

    def cancel_below(self, account: int, nonce: int, sender: Trader) -> Any:
        found = self.both(
            "cancel_below",
            (account, nonce),
            lambda: self.twin.cancel_below(account, nonce, sender=sender.number, now=self.chain.now),
            sender.address,
            (),
        )
        assert self.contract.call("floor", account) == self.twin.floor(account)
        return found

    def set_delegate(self, account: int, delegate: Trader, rights: int = TRADE) -> None:
        owner = f"0x{account >> 96:040x}"
        self.book.transact("set_delegate", account, delegate.address, rights, sender=owner)
        self.twin_book.rights[account, delegate.number] = rights

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
            events = [(e.name, e.args._asdict()) for e in found if e.contract == self.name]
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

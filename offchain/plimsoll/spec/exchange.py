"""Signed orders and their settlement. Twin of `contracts/Exchange.vy`.

The contract's checks in its order, its log. Every function either commits as a whole or raises `Refused` and leaves
the state as it was. Addresses are integers; `sender` and `now` stand for `msg.sender` and `block.timestamp`.

    crosses : the two orders are on opposite sides of one instrument, and the buyer's price >= the seller's
    good    : now <= expires, nonce >= the account's floor, not cancelled, quantity <= |order quantity| - filled
    signed  : the signer may act for the account now, and its key, or the contract at its address, signed the digest
    trade   : buyer, seller, quantity, at the maker's price
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from eth_utils.crypto import keccak

from plimsoll.spec.errors import require
from plimsoll.spec.events import Event
from plimsoll.spec.report import domain_separator, typed_digest
from plimsoll.spec.signatures import HALF_ORDER, signer_of
from plimsoll.spec.wad import MAX_QUANTITY

NAME: Final = "Exchange"
DOMAIN: Final = "Plimsoll Exchange"
ORDER_TYPE: Final = (
    b"Order(uint256 account,address signer,uint128 instrument,int256 quantity,uint256 price,uint256 expires,"
    b"uint256 nonce)"
)
CANCELLED: Final = 2**256 - 1  # in `filled`
SIGNATURE_BYTES: Final = 65
MAX_SIGNATURE_BYTES: Final = 1024

NOT_THE_ACCOUNTS: Final = "exchange: not the account's"


@dataclass(frozen=True, slots=True)
class Order:
    """What a trader signs: to trade up to `quantity` of one instrument at `price` or better."""

    account: int
    signer: int
    instrument: int
    quantity: int  # [wad] + buys, - sells
    price: int  # [wad]
    expires: int  # [s] the last second it is good for
    nonce: int


class Venue(Protocol):
    """What the exchange asks of the book."""

    def may_act(self, account: int, who: int) -> bool:
        """Whether `who` owns the account or is its delegate."""
        ...

    def trade(
        self, buyer: int, seller: int, instrument_id: int, quantity: int, price: int, *, sender: int, now: int
    ) -> None:
        """Move `quantity` [wad] from seller to buyer at `price` [wad]; raises Refused, changing nothing."""
        ...


class Wallet(Protocol):
    """A contract that signs (ERC-1271)."""

    def is_valid_signature(self, message: bytes, signature: bytes) -> bool:
        """Whether it says so, in exactly one word; False for whatever else it does."""
        ...


def struct_hash(order: Order) -> bytes:
    """EIP-712 struct hash of an order."""
    fields = (
        order.account,
        order.signer,
        order.instrument,
        order.quantity % 2**256,
        order.price,
        order.expires,
        order.nonce,
    )
    return keccak(keccak(ORDER_TYPE) + b"".join(value.to_bytes(32, "big") for value in fields))


def digest(order: Order, chain_id: int, exchange: str) -> bytes:
    """What a trader signs for one order, one chain, one exchange."""
    return typed_digest(domain_separator(DOMAIN, chain_id, exchange), struct_hash(order))


def recover(message: bytes, signature: bytes) -> int:
    """Whose key signed `message` with 65 bytes r | s | v, s in the lower half; 0 for anything else."""
    if len(signature) != SIGNATURE_BYTES:
        return 0
    r, s, v = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64]
    return 0 if s > HALF_ORDER else signer_of(message, r, s, v)


def check_pair(maker: Order, taker: Order, quantity: int) -> None:
    """Refuse orders that do not meet, whatever became of each before."""
    require(quantity != 0 and maker.quantity != 0 and taker.quantity != 0, "exchange: zero quantity")
    require(abs(maker.quantity) <= MAX_QUANTITY, "exchange: quantity over the maximum")
    require(abs(taker.quantity) <= MAX_QUANTITY, "exchange: quantity over the maximum")
    require(maker.instrument == taker.instrument, "exchange: instruments differ")
    require((maker.quantity > 0) != (taker.quantity > 0), "exchange: same side")
    buyer, seller = (maker, taker) if maker.quantity > 0 else (taker, maker)
    require(buyer.price >= seller.price, "exchange: prices do not cross")


class Exchange:
    """The state of one `Exchange`. `wallets` are the contracts that may be asked for a signature."""

    def __init__(self, address: int, chain_id: int, book: Venue, wallets: Mapping[int, Wallet] | None = None) -> None:
        self.address = address
        self.chain_id = chain_id
        self.book = book
        self.wallets = {} if wallets is None else wallets
        self.filled: dict[bytes, int] = {}
        self.floors: dict[int, int] = {}
        self.log: list[Event] = []

    def settle(
        self,
        maker: Order,
        maker_signature: bytes,
        taker: Order,
        taker_signature: bytes,
        quantity: int,
        *,
        now: int,
    ) -> None:
        """Fill two orders against each other, at the maker's price."""
        check_pair(maker, taker, quantity)
        fills = {}
        for order in (maker, taker):
            key = self.digest(order)
            fills[key] = self._filled(order, key, quantity, now)
        for order, key, signature in zip((maker, taker), fills, (maker_signature, taker_signature), strict=True):
            require(self.book.may_act(order.account, order.signer), "exchange: signer may not act for the account")
            require(self._is_signed(order.signer, key, signature), "exchange: wrong signature")
        buyer, seller = (maker, taker) if maker.quantity > 0 else (taker, maker)
        self.book.trade(
            buyer.account, seller.account, maker.instrument, quantity, maker.price, sender=self.address, now=now
        )
        self.filled.update(fills)
        for order, key in zip((maker, taker), fills, strict=True):
            self._emit("OrderFilled", digest=key, account=order.account, quantity=quantity, price=maker.price)

    def cancel(self, order: Order, *, sender: int) -> None:
        """Void what is left of one order: by its signer, its account's owner or a delegate."""
        require(sender == order.signer or self.book.may_act(order.account, sender), NOT_THE_ACCOUNTS)
        key = self.digest(order)
        require(self.filled.get(key, 0) != CANCELLED, "exchange: order cancelled")
        self.filled[key] = CANCELLED
        self._emit("OrderCancelled", digest=key, account=order.account)

    def cancel_below(self, account: int, nonce: int, *, sender: int) -> None:
        """Void every order of an account with a lower nonce."""
        require(self.book.may_act(account, sender), NOT_THE_ACCOUNTS)
        require(nonce >= self.floor(account), "exchange: nonce floor goes back")
        self.floors[account] = nonce
        self._emit("NonceFloorRaised", account=account, nonce=nonce)

    def digest(self, order: Order) -> bytes:
        """The digest of an order at this exchange."""
        return digest(order, self.chain_id, f"0x{self.address:040x}")

    def floor(self, account: int) -> int:
        """The lowest nonce that is good for an account."""
        return self.floors.get(account, 0)

    def _filled(self, order: Order, key: bytes, quantity: int, now: int) -> int:
        """How much of an order is filled after `quantity` more."""
        require(now <= order.expires, "exchange: order expired")
        require(order.nonce >= self.floor(order.account), "exchange: nonce below the account's floor")
        before = self.filled.get(key, 0)
        require(before != CANCELLED, "exchange: order cancelled")
        require(quantity <= abs(order.quantity) - before, "exchange: over the order's quantity")
        return before + quantity

    def _is_signed(self, signer: int, message: bytes, signature: bytes) -> bool:
        """Whether a key or a contract wallet signed a digest; the zero address signs nothing."""
        if signer != 0 and recover(message, signature) == signer:
            return True
        wallet = self.wallets.get(signer)
        return wallet is not None and wallet.is_valid_signature(message, signature)

    def _emit(self, name: str, **args: object) -> None:
        self.log.append(Event(NAME, name, args))

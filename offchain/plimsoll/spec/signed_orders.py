"""Orders that are signed off chain, and what became of them. Twin of `contracts/modules/signed_orders.vy`.

good    : now <= expires, nonce >= the account's floor, not cancelled, quantity <= |order quantity| - filled
signed  : the signer may trade the account now, and its key, or the contract at its address, signed the digest
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final, Protocol

from eth_utils.crypto import keccak

from plimsoll.spec.errors import require
from plimsoll.spec.events import Event
from plimsoll.spec.mandates import TRADE
from plimsoll.spec.signatures import HALF_ORDER, signer_of
from plimsoll.spec.wad import MAX_QUANTITY

CANCELLED: Final = 2**256 - 1  # in `filled`
SIGNATURE_BYTES: Final = 65
MAX_SIGNATURE_BYTES: Final = 1024


class Signed(Protocol):
    """What every signed order says."""

    @property
    def account(self) -> int:
        """Whose order it is."""
        ...

    @property
    def signer(self) -> int:
        """Who signs it: the account's owner, or a delegate with TRADE."""
        ...

    @property
    def quantity(self) -> int:
        """How much at most [wad]: + buys, - sells."""
        ...

    @property
    def expires(self) -> int:
        """The last second it is good for [s]."""
        ...

    @property
    def nonce(self) -> int:
        """At or over the account's floor."""
        ...


class VenueBook(Protocol):
    """What a venue asks of the book."""

    def may_act(self, account: int, who: int, right: int, *, now: int) -> bool:
        """Whether `who` owns the account or is a delegate of it with a right."""
        ...

    def trade(
        self,
        buyer: int,
        seller: int,
        instrument_id: int,
        quantity: int,
        price: int,
        buyer_takes: bool,  # noqa: FBT001 - as the contract has it
        *,
        sender: int,
        now: int,
    ) -> None:
        """Move `quantity` [wad] from seller to buyer at `price` [wad]; raises Refused, changing nothing."""
        ...


class Wallet(Protocol):
    """A contract that signs (ERC-1271)."""

    def is_valid_signature(self, message: bytes, signature: bytes) -> bool:
        """Whether it says so, in exactly one word; False for whatever else it does."""
        ...


def struct_hash(order_type: bytes, *fields: int) -> bytes:
    """EIP-712 struct hash of an order whose fields are all of one word."""
    return keccak(keccak(order_type) + b"".join((value % 2**256).to_bytes(32, "big") for value in fields))


def recover(message: bytes, signature: bytes) -> int:
    """Whose key signed `message` with 65 bytes r | s | v, s in the lower half; 0 for anything else."""
    if len(signature) != SIGNATURE_BYTES:
        return 0
    r, s, v = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64]
    return 0 if s > HALF_ORDER else signer_of(message, r, s, v)


class SignedOrders:
    """What became of the orders of one venue. `wallets` are the contracts that may be asked for a signature."""

    contract: ClassVar[str]  # the venue's, as its log has it
    prefix: ClassVar[str]  # what its refusals begin with

    def __init__(
        self, address: int, chain_id: int, book: VenueBook, wallets: Mapping[int, Wallet] | None = None
    ) -> None:
        self.address = address
        self.chain_id = chain_id
        self.book = book
        self.wallets = {} if wallets is None else wallets
        self.filled: dict[bytes, int] = {}
        self.floors: dict[int, int] = {}
        self.log: list[Event] = []

    def cancel_below(self, account: int, nonce: int, *, sender: int, now: int) -> None:
        """Void every order of an account with a lower nonce."""
        self._require(self.book.may_act(account, sender, TRADE, now=now), "not the account's")
        self._require(nonce >= self.floor(account), "nonce floor goes back")
        self.floors[account] = nonce
        self._emit("NonceFloorRaised", account=account, nonce=nonce)

    def floor(self, account: int) -> int:
        """The lowest nonce that is good for an account."""
        return self.floors.get(account, 0)

    def _cancel(self, order: Signed, key: bytes, sender: int, now: int) -> None:
        """Void what is left of one order."""
        may = sender == order.signer or self.book.may_act(order.account, sender, TRADE, now=now)
        self._require(may, "not the account's")
        self._require(self.filled.get(key, 0) != CANCELLED, "order cancelled")
        self.filled[key] = CANCELLED
        self._emit("OrderCancelled", digest=key, account=order.account)

    def _filled(self, order: Signed, key: bytes, quantity: int, now: int) -> int:
        """How much of an order is filled after `quantity` more."""
        self._require(now <= order.expires, "order expired")
        self._require(order.nonce >= self.floor(order.account), "nonce below the account's floor")
        before = self.filled.get(key, 0)
        self._require(before != CANCELLED, "order cancelled")
        self._require(quantity <= abs(order.quantity) - before, "over the order's quantity")
        return before + quantity

    def _check_signer(self, order: Signed, key: bytes, signature: bytes, now: int) -> None:
        """Refuse an order that its signer did not sign, or may not sign any more."""
        may = self.book.may_act(order.account, order.signer, TRADE, now=now)
        self._require(may, "signer may not act for the account")
        self._require(self._is_signed(order.signer, key, signature), "wrong signature")

    def _is_signed(self, signer: int, message: bytes, signature: bytes) -> bool:
        """Whether a key or a contract wallet signed a digest; the zero address signs nothing."""
        if signer != 0 and recover(message, signature) == signer:
            return True
        wallet = self.wallets.get(signer)
        return wallet is not None and wallet.is_valid_signature(message, signature)

    def _check_quantity(self, order: Signed) -> None:
        """Refuse an order of more than can be held."""
        self._require(abs(order.quantity) <= MAX_QUANTITY, "quantity over the maximum")

    def _require(self, condition: bool, reason: str) -> None:  # noqa: FBT001 - reads as Vyper's assert
        require(condition, f"{self.prefix}: {reason}")

    def _emit(self, name: str, **args: object) -> None:
        self.log.append(Event(self.contract, name, args))

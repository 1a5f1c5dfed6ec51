"""Orders for the day an account is called. Twin of `contracts/StandingOrders.vy`.

Checks in the contract's order, and its log; `execute` commits as a whole or raises `Refused` and changes nothing.

due     : the account is called or in auction
reduces : the fill moves the account's position toward zero, and not past it
good    : as `plimsoll.spec.signed_orders` says, and signed
price   : ceil(mark (1 + slack)) where the account buys, floor(mark (1 - slack)) where it sells [wad]
trade   : the order was there first, so that the counterparty takes
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import ClassVar, Final, Protocol

from plimsoll.spec.errors import require
from plimsoll.spec.mandates import TRADE
from plimsoll.spec.report import domain_separator, typed_digest
from plimsoll.spec.signed_orders import SignedOrders, VenueBook, Wallet, struct_hash
from plimsoll.spec.wad import PPM, mul_div_down, mul_div_up

NAME: Final = "StandingOrders"
DOMAIN: Final = "Plimsoll StandingOrders"
ORDER_TYPE: Final = (
    b"StandingOrder(uint256 account,address signer,uint128 instrument,int256 quantity,uint256 slack,uint256 expires,"
    b"uint256 nonce)"
)
MAX_SLACK: Final = 50_000  # [ppm] of the mark


@dataclass(frozen=True, slots=True)
class StandingOrder:
    """What an owner signs beforehand: to trade up to `quantity` toward zero, at the mark less `slack`."""

    account: int
    signer: int
    instrument: int
    quantity: int  # [wad] + buys back, - sells off
    slack: int  # [ppm] of the mark
    expires: int  # [s] the last second it is good for
    nonce: int


class Marks(Protocol):
    """What knows the mark of an instrument."""

    def mark(self, instrument_id: int, now: int) -> int:
        """Its mark at the live index [wad]."""
        ...


class PositionBook(VenueBook, Protocol):
    """What this venue asks of the book besides."""

    @property
    def oracle(self) -> Marks:
        """Its RiskOracle."""
        ...

    def quantity(self, account: int, instrument_id: int, now: int) -> int:
        """What an account holds [wad], long +."""
        ...


class Calls(Protocol):
    """What knows who is called, and who is at auction."""

    def deadline(self, account: int, now: int) -> int:
        """When the account's call runs out [s]; 0 where there is none."""
        ...

    def auction(self, account: int, now: int) -> int:
        """When the account's auction began [s]; 0 where there is none."""
        ...


def digest(order: StandingOrder, chain_id: int, venue: str) -> bytes:
    """What an owner signs for one order, one chain, one venue."""
    return typed_digest(domain_separator(DOMAIN, chain_id, venue), struct_hash(ORDER_TYPE, *astuple(order)))


def price_of(order: StandingOrder, mark: int) -> int:
    """What the account pays or receives a unit [wad], rounded against it."""
    if order.quantity > 0:
        return mul_div_up(mark, PPM + order.slack, PPM)
    return mul_div_down(mark, PPM - order.slack, PPM)


class StandingOrders(SignedOrders):
    """The state of one `StandingOrders`."""

    contract: ClassVar[str] = NAME
    prefix: ClassVar[str] = "standing"
    book: PositionBook

    def __init__(
        self,
        address: int,
        chain_id: int,
        book: PositionBook,
        liquidator: Calls,
        wallets: Mapping[int, Wallet] | None = None,
    ) -> None:
        super().__init__(address, chain_id, book, wallets)
        self.liquidator = liquidator

    def execute(
        self, order: StandingOrder, signature: bytes, counterparty: int, quantity: int, *, sender: int, now: int
    ) -> None:
        """Take a part of a called account's order into an account that the sender may trade."""
        require(quantity != 0 and order.quantity != 0, "standing: zero quantity")
        self._check_quantity(order)
        require(order.slack <= MAX_SLACK, "standing: slack over the maximum")
        require(self.book.may_act(counterparty, sender, TRADE, now=now), "standing: not the counterparty's account")
        is_due = self.liquidator.deadline(order.account, now) != 0 or self.liquidator.auction(order.account, now) != 0
        require(is_due, "standing: account not called")
        key = self.digest(order)
        filled = self._filled(order, key, quantity, now)
        held = self.book.quantity(order.account, order.instrument, now)
        require(quantity <= (-held if order.quantity > 0 else held), "standing: fill does not reduce")
        self._check_signer(order, key, signature, now)
        price = price_of(order, self.book.oracle.mark(order.instrument, now))
        buyer_takes = order.quantity < 0
        buyer, seller = (counterparty, order.account) if buyer_takes else (order.account, counterparty)
        self.book.trade(buyer, seller, order.instrument, quantity, price, buyer_takes, sender=self.address, now=now)
        self.filled[key] = filled
        self._emit("OrderFilled", digest=key, account=order.account, quantity=quantity, price=price)

    def cancel(self, order: StandingOrder, *, sender: int, now: int) -> None:
        """Void what is left of one order: by its signer, its account's owner or a delegate."""
        self._cancel(order, self.digest(order), sender, now)

    def digest(self, order: StandingOrder) -> bytes:
        """The digest of an order at this venue."""
        return digest(order, self.chain_id, f"0x{self.address:040x}")

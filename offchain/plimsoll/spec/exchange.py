"""Signed orders and their settlement. Twin of `contracts/Exchange.vy`.

The contract's checks in its order, its log. Every function either commits as a whole or raises `Refused` and leaves
the state as it was. Addresses are integers; `sender` and `now` stand for `msg.sender` and `block.timestamp`.

    crosses : the two orders are on opposite sides of one instrument, and the buyer's price >= the seller's
    good    : as `plimsoll.spec.signed_orders` says, and signed
    trade   : buyer, seller, quantity, at the maker's price; the taker takes
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import ClassVar, Final

from plimsoll.spec.errors import require
from plimsoll.spec.report import domain_separator, typed_digest
from plimsoll.spec.signed_orders import SignedOrders, struct_hash

NAME: Final = "Exchange"
DOMAIN: Final = "Plimsoll Exchange"
ORDER_TYPE: Final = (
    b"Order(uint256 account,address signer,uint128 instrument,int256 quantity,uint256 price,uint256 expires,"
    b"uint256 nonce)"
)


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


def digest(order: Order, chain_id: int, exchange: str) -> bytes:
    """What a trader signs for one order, one chain, one exchange."""
    return typed_digest(domain_separator(DOMAIN, chain_id, exchange), struct_hash(ORDER_TYPE, *astuple(order)))


class Exchange(SignedOrders):
    """The state of one `Exchange`."""

    contract: ClassVar[str] = NAME
    prefix: ClassVar[str] = "exchange"

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
        self._check_pair(maker, taker, quantity)
        fills = {}
        for order in (maker, taker):
            key = self.digest(order)
            fills[key] = self._filled(order, key, quantity, now)
        for order, key, signature in zip((maker, taker), fills, (maker_signature, taker_signature), strict=True):
            self._check_signer(order, key, signature, now)
        buyer_takes = maker.quantity < 0
        buyer, seller = (taker, maker) if buyer_takes else (maker, taker)
        self.book.trade(
            buyer.account,
            seller.account,
            maker.instrument,
            quantity,
            maker.price,
            buyer_takes,
            sender=self.address,
            now=now,
        )
        self.filled.update(fills)
        for order, key in zip((maker, taker), fills, strict=True):
            self._emit("OrderFilled", digest=key, account=order.account, quantity=quantity, price=maker.price)

    def cancel(self, order: Order, *, sender: int, now: int) -> None:
        """Void what is left of one order: by its signer, its account's owner or a delegate."""
        self._cancel(order, self.digest(order), sender, now)

    def digest(self, order: Order) -> bytes:
        """The digest of an order at this exchange."""
        return digest(order, self.chain_id, f"0x{self.address:040x}")

    def _check_pair(self, maker: Order, taker: Order, quantity: int) -> None:
        """Refuse orders that do not meet, whatever became of each before."""
        require(quantity != 0 and maker.quantity != 0 and taker.quantity != 0, "exchange: zero quantity")
        self._check_quantity(maker)
        self._check_quantity(taker)
        require(maker.instrument == taker.instrument, "exchange: instruments differ")
        require((maker.quantity > 0) != (taker.quantity > 0), "exchange: same side")
        buyer, seller = (maker, taker) if maker.quantity > 0 else (taker, maker)
        require(buyer.price >= seller.price, "exchange: prices do not cross")

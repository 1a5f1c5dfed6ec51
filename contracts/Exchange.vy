# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma evm-version cancun
# pragma nonreentrancy on
"""
@title Exchange
@notice The first venue: turns two signed orders into a trade of Clearinghouse, at
        the maker's price. Orders live off chain; anyone may bring a pair that
        crosses. It holds no token and no right but the one to be called a venue:
        margin, the price band and each account's allowance are the book's.
        Quantities and prices are in wad, times in unix seconds.

        An order is an EIP-712 message, signed by a key (64-byte and malleable
        forms are refused) or by a contract wallet (ERC-1271). It fills in parts
        until its quantity is used up; what is used up is counted by its digest,
        so a signature fills once however it is written.
@custom:security The signer must be the account's owner, or a delegate with the right
                 to trade, when the order settles, not only when it was signed: a
                 delegate dismissed is a delegate whose orders are void. Who settles
                 chooses which crossing orders meet and how much: takers' protection
                 is their price, and whoever must trade in turn is to sign orders
                 that fit one another.
@custom:kill `Registry.set_venue(exchange, False)` stops it for all; an account
             withdraws its allowance, or raises its nonce floor here.
"""


# --------------------------------------------------------------------- imports


from modules import signed_orders
from snekmate.utils import eip712_domain_separator

initializes: eip712_domain_separator
initializes: signed_orders[eip712_domain_separator := eip712_domain_separator]

exports: (
    eip712_domain_separator.eip712Domain,
    signed_orders.cancel_below,
    signed_orders.clearinghouse,
    signed_orders.filled,
    signed_orders.floor,
)


# ------------------------------------------------------------------- constants


ORDER_TYPE: constant(bytes32) = keccak256(
    "Order(uint256 account,address signer,uint128 instrument,int256 quantity,uint256 price,uint256 expires,uint256 nonce)"
)


# --------------------------------------------------------------------- structs


struct Order:
    account: uint256  # owner << 96 | number
    signer: address  # owner of the account, or a delegate with TRADE
    instrument: uint128
    quantity: int256  # [wad] + buys, - sells
    price: uint256  # [wad] at most, for a buyer; at least, for a seller
    expires: uint256  # [s] the last second it is good for
    nonce: uint256  # at or over the account's floor; tells apart orders that are alike


# ----------------------------------------------------------------- constructor


@deploy
def __init__(book: address):
    """
    @param book The Clearinghouse that this venue trades on.
    """
    eip712_domain_separator.__init__("Plimsoll Exchange", "1")
    signed_orders.__init__("exchange", book)


# -------------------------------------------------------------------- external


@external
def settle(
    maker: Order,
    maker_signature: Bytes[1024],
    taker: Order,
    taker_signature: Bytes[1024],
    quantity: uint256,
):
    """
    @notice Fill two orders against each other, at the maker's price. Anyone.
    @dev Order: the pair, each order's state, then the wallets are asked (a static
         call each), and the book is called last, with both fills counted.
    @param maker The order that was there first: its price counts.
    @param maker_signature 65 bytes r | s | v, or what its contract wallet takes.
    @param taker The order that accepts it.
    @param taker_signature Likewise.
    @param quantity How much to fill [wad].
    """
    self._check_pair(maker, taker, quantity)
    maker_digest: bytes32 = self._digest(maker)
    taker_digest: bytes32 = self._digest(taker)
    self._fill(maker, maker_digest, quantity)
    self._fill(taker, taker_digest, quantity)
    signed_orders._check_signer(maker.account, maker.signer, maker_digest, maker_signature)
    signed_orders._check_signer(taker.account, taker.signer, taker_digest, taker_signature)

    log signed_orders.OrderFilled(digest=maker_digest, account=maker.account, quantity=quantity, price=maker.price)
    log signed_orders.OrderFilled(digest=taker_digest, account=taker.account, quantity=quantity, price=maker.price)
    buyer: uint256 = maker.account
    seller: uint256 = taker.account
    buyer_takes: bool = maker.quantity < 0
    if buyer_takes:
        buyer = taker.account
        seller = maker.account
    extcall signed_orders.BOOK.trade(buyer, seller, maker.instrument, quantity, maker.price, buyer_takes)


@external
def cancel(order: Order):
    """
    @notice Void what is left of one order. By its signer, or by its account's owner
            or a delegate with TRADE. The order need not be signed: it may be voided
            ahead.
    @param order The order.
    """
    signed_orders._cancel(order.account, order.signer, self._digest(order))


# `@reentrant`: a wallet that is asked about a digest within `settle` may want
# to compute it from the order that it remembers. No state is read.
@external
@view
@reentrant
def digest(order: Order) -> bytes32:
    """
    @notice The EIP-712 digest that an order's signer signs.
    @param order The order.
    @return What `filled` is keyed by, too.
    """
    return self._digest(order)


# -------------------------------------------------------------------- internal


@internal
@view
def _check_pair(maker: Order, taker: Order, quantity: uint256):
    """
    @notice Refuses orders that do not meet, whatever became of each before.
    """
    assert quantity != 0 and maker.quantity != 0 and taker.quantity != 0, "exchange: zero quantity"
    signed_orders._check_quantity(maker.quantity)
    signed_orders._check_quantity(taker.quantity)
    assert maker.instrument == taker.instrument, "exchange: instruments differ"
    assert (maker.quantity > 0) != (taker.quantity > 0), "exchange: same side"
    if maker.quantity > 0:
        assert maker.price >= taker.price, "exchange: prices do not cross"
    else:
        assert taker.price >= maker.price, "exchange: prices do not cross"


@internal
def _fill(order: Order, digest: bytes32, quantity: uint256):
    """
    @notice Count a fill of an order that is good now and has that much left.
    @dev `_check_pair` MUST have bounded the order's quantity.
    """
    signed_orders._fill(digest, order.account, order.quantity, order.expires, order.nonce, quantity)


@internal
@view
def _digest(order: Order) -> bytes32:
    """
    @notice EIP-712 digest of an order under this contract's domain.
    """
    return signed_orders._digest(keccak256(abi_encode(ORDER_TYPE, order)))

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
@custom:security The signer must be the account's owner or delegate when the order
                 settles, not only when it was signed: a delegate dismissed is a
                 delegate whose orders are void. Who settles chooses which crossing
                 orders meet and how much: takers' protection is their price, and
                 whoever must trade in turn is to sign orders that fit one another.
@custom:kill `Clearinghouse.set_venue(exchange, False)` stops it for all; an account
             withdraws its allowance, or raises its nonce floor here.
"""


# --------------------------------------------------------------------- imports


from interfaces import IClearinghouse
from snekmate.utils import eip712_domain_separator

initializes: eip712_domain_separator

exports: eip712_domain_separator.eip712Domain


# ------------------------------------------------------------------- constants


MAX_QUANTITY: constant(uint256) = 10**27  # [wad] of an order; what the overflow proofs of the margin rest on
CANCELLED: constant(uint256) = max_value(uint256)  # in `filled`: out of reach of any quantity

ORDER_TYPE: constant(bytes32) = keccak256(
    "Order(uint256 account,address signer,uint128 instrument,int256 quantity,uint256 price,uint256 expires,uint256 nonce)"
)

# Half the order of secp256k1: the greater s of a signature is the same signature, written otherwise.
MAX_S: constant(uint256) = (
    57_896_044_618_658_097_711_785_492_504_343_953_926_418_782_139_537_452_191_302_581_570_759_080_747_168
)
MAGIC: constant(bytes4) = 0x1626BA7E  # ERC-1271: selector of isValidSignature, and its yes


# ------------------------------------------------------------------ immutables


clearinghouse: public(immutable(IClearinghouse))


# --------------------------------------------------------------------- structs


struct Order:
    account: uint256  # owner << 96 | number
    signer: address  # owner or delegate of the account
    instrument: uint128
    quantity: int256  # [wad] + buys, - sells
    price: uint256  # [wad] at most, for a buyer; at least, for a seller
    expires: uint256  # [s] the last second it is good for
    nonce: uint256  # at or over the account's floor; tells apart orders that are alike


# --------------------------------------------------------------------- storage


filled: public(HashMap[bytes32, uint256])  # [wad] by digest; CANCELLED once cancelled
floors: HashMap[uint256, uint256]  # lowest nonce that is good, by account


# ---------------------------------------------------------------------- events


event OrderFilled:
    digest: indexed(bytes32)
    account: indexed(uint256)
    quantity: uint256  # [wad] of this fill
    price: uint256  # [wad] of this fill


event OrderCancelled:
    digest: indexed(bytes32)
    account: indexed(uint256)


event NonceFloorRaised:
    account: indexed(uint256)
    nonce: uint256


# ----------------------------------------------------------------- constructor


@deploy
def __init__(book: address):
    """
    @param book The Clearinghouse that this venue trades on.
    """
    assert book != empty(address), "exchange: zero address"
    eip712_domain_separator.__init__("Plimsoll Exchange", "1")
    clearinghouse = IClearinghouse(book)


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
    self._check_signer(maker, maker_digest, maker_signature)
    self._check_signer(taker, taker_digest, taker_signature)

    log OrderFilled(digest=maker_digest, account=maker.account, quantity=quantity, price=maker.price)
    log OrderFilled(digest=taker_digest, account=taker.account, quantity=quantity, price=maker.price)
    buyer: uint256 = maker.account
    seller: uint256 = taker.account
    if maker.quantity < 0:
        buyer = taker.account
        seller = maker.account
    extcall clearinghouse.trade(buyer, seller, maker.instrument, quantity, maker.price)


@external
def cancel(order: Order):
    """
    @notice Void what is left of one order. By its signer, or by its account's owner
            or delegate. The order need not be signed: it may be voided ahead.
    @param order The order.
    """
    assert msg.sender == order.signer or staticcall clearinghouse.may_act(
        order.account, msg.sender
    ), "exchange: not the account's"
    digest: bytes32 = self._digest(order)
    assert self.filled[digest] != CANCELLED, "exchange: order cancelled"
    self.filled[digest] = CANCELLED
    log OrderCancelled(digest=digest, account=order.account)


@external
def cancel_below(account: uint256, nonce: uint256):
    """
    @notice Void every order of an account with a nonce under `nonce`. By its owner
            or delegate. To repeat it is allowed and changes nothing.
    @param account The account.
    @param nonce The lowest that stays good.
    """
    assert staticcall clearinghouse.may_act(account, msg.sender), "exchange: not the account's"
    assert nonce >= self.floors[account], "exchange: nonce floor goes back"
    self.floors[account] = nonce
    log NonceFloorRaised(account=account, nonce=nonce)


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


@external
@view
def floor(account: uint256) -> uint256:
    """
    @notice The lowest nonce that is good for an account.
    @param account The account.
    """
    return self.floors[account]


# -------------------------------------------------------------------- internal


@internal
@pure
def _check_pair(maker: Order, taker: Order, quantity: uint256):
    """
    @notice Refuses orders that do not meet, whatever became of each before.
    """
    assert quantity != 0 and maker.quantity != 0 and taker.quantity != 0, "exchange: zero quantity"
    # the magnitude of min_value(int256) is no int256: compared from both sides
    limit: int256 = convert(MAX_QUANTITY, int256)
    assert maker.quantity <= limit and maker.quantity >= -limit, "exchange: quantity over the maximum"
    assert taker.quantity <= limit and taker.quantity >= -limit, "exchange: quantity over the maximum"
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
    assert block.timestamp <= order.expires, "exchange: order expired"
    assert order.nonce >= self.floors[order.account], "exchange: nonce below the account's floor"
    before: uint256 = self.filled[digest]
    assert before != CANCELLED, "exchange: order cancelled"
    # before <= whole always, so no difference wraps and no sum is needed
    whole: uint256 = convert(abs(order.quantity), uint256)
    assert quantity <= whole - before, "exchange: over the order's quantity"
    self.filled[digest] = before + quantity


@internal
@view
def _check_signer(order: Order, digest: bytes32, signature: Bytes[1024]):
    """
    @notice Refuses an order that its signer did not sign, or may not sign any more.
    """
    assert staticcall clearinghouse.may_act(order.account, order.signer), "exchange: signer may not act for the account"
    assert self._is_signed(order.signer, digest, signature), "exchange: wrong signature"


@internal
@view
def _is_signed(signer: address, digest: bytes32, signature: Bytes[1024]) -> bool:
    """
    @notice Whether a key or a contract wallet signed a digest. Never reverts.
    @dev The key first: an address with delegated code (EIP-7702) still has one, and
         it can send whatever the code could. A contract's address has none.
         The zero address is what a failed recovery gives, so it signs nothing.
    """
    if len(signature) == 65:
        r: uint256 = extract32(signature, 0, output_type=uint256)
        s: uint256 = extract32(signature, 32, output_type=uint256)
        v: uint256 = convert(slice(signature, 64, 1), uint256)
        if s <= MAX_S:
            recovered: address = ecrecover(digest, v, r, s)
            if recovered != empty(address) and recovered == signer:
                return True
    if not signer.is_contract:
        return False
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        signer,
        abi_encode(digest, signature, method_id=MAGIC),
        max_outsize=32,
        is_static_call=True,
        revert_on_failure=False,
    )
    return success and len(answer) == 32 and convert(answer, bytes32) == convert(MAGIC, bytes32)


@internal
@view
def _digest(order: Order) -> bytes32:
    """
    @notice EIP-712 digest of an order under this contract's domain.
    """
    return eip712_domain_separator._hash_typed_data_v4(keccak256(abi_encode(ORDER_TYPE, order)))

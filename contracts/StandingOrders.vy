# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma evm-version cancun
# pragma nonreentrancy on
"""
@title StandingOrders
@license GNU Affero General Public License v3.0 only
@notice A venue for orders signed beforehand, for the day an account is called: from
        then on anyone may take them into an account that he may trade, at the mark,
        less a slack to his own gain, which is his bounty. An order only reduces: no
        fill moves the account's position past zero, so one over the whole
        position, or over more, follows the position down. What it costs its owner
        is bounded by the slack he signs and by the book: its bands, and the loss
        budget of the account's allowance for this venue. A called account is so
        made smaller by its owner's own order, at his price, before any auction.

        An order is an EIP-712 message, signed as those of Exchange are, with fills,
        cancellation and nonce floors of its own.
        Units: quantities and prices [wad], slack [ppm], times in unix seconds. The
        price rounds against the account that signed.
        Trusts the Liquidator for who is called, the Clearinghouse for margin, bands
        and mandates, its RiskOracle for the mark.
@custom:security A call stands until it is cured on record or lapses: an account back
                 over its call line should be cured, which anyone may, or its orders
                 can still be taken. Who executes chooses which orders, and in what
                 parts.
@custom:kill `Registry.set_venue(standing_orders, False)` stops it for all; an account
             withdraws its allowance, or raises its nonce floor here.
"""


# --------------------------------------------------------------------- imports


from interfaces import IRiskOracle
from interfaces import IStandingOrders
from modules import fixed
from modules import rights
from modules import signed_orders
from snekmate.utils import eip712_domain_separator

implements: IStandingOrders

initializes: eip712_domain_separator
initializes: signed_orders[eip712_domain_separator := eip712_domain_separator]

exports: (
    eip712_domain_separator.eip712Domain,
    signed_orders.cancel_below,
    signed_orders.clearinghouse,
    signed_orders.filled,
    signed_orders.floor,
)


# ------------------------------------------------------------------ interfaces


# Who is called, and who is at auction.
interface Liquidator:
    def deadline(account: uint256) -> uint256: view
    def auction(account: uint256) -> uint256: view


# ------------------------------------------------------------------- constants


MAX_SLACK: constant(uint256) = 50_000  # [ppm] of the mark: bounty enough, and a slip of the pen costs no more

ORDER_TYPE: constant(bytes32) = keccak256(
    "StandingOrder(uint256 account,address signer,uint128 instrument,int256 quantity,uint256 slack,uint256 expires,uint256 nonce)"
)


# ------------------------------------------------------------------ immutables


LIQUIDATOR: immutable(Liquidator)
ORACLE: immutable(IRiskOracle)


# ----------------------------------------------------------------- constructor


@deploy
def __init__(book: address, liquidator: address):
    """
    @param book The Clearinghouse that this venue trades on.
    @param liquidator The Liquidator of that book.
    """
    eip712_domain_separator.__init__("Plimsoll StandingOrders", "1")
    signed_orders.__init__("standing", book)
    assert liquidator != empty(address), "standing: zero address"
    LIQUIDATOR = Liquidator(liquidator)
    ORACLE = IRiskOracle(staticcall signed_orders.BOOK.oracle())


# -------------------------------------------------------------------- external


@external
def execute(
    order: IStandingOrders.StandingOrder,
    signature: Bytes[1024],
    counterparty: uint256,
    quantity: uint256,
):
    """
    @notice Anyone who may trade the counterparty's account: takes a part of a
            called account's order into it.
    @dev Order: what is asked for, whether it is due, the order's state, the
         position, then the signer is asked (a wallet by a static call), and the
         book is called last, with the fill counted.
    @param order The order.
    @param signature 65 bytes r | s | v, or what its contract wallet takes.
    @param counterparty The account that takes the other side, and the slack.
    @param quantity How much to fill [wad].
    """
    assert quantity != 0 and order.quantity != 0, "standing: zero quantity"
    signed_orders._check_quantity(order.quantity)
    assert order.slack <= MAX_SLACK, "standing: slack over the maximum"
    assert staticcall signed_orders.BOOK.may_act(
        counterparty, msg.sender, rights.TRADE
    ), "standing: not the counterparty's account"
    assert (
        staticcall LIQUIDATOR.deadline(order.account) != 0 or staticcall LIQUIDATOR.auction(order.account) != 0
    ), "standing: account not called"
    digest: bytes32 = self._digest(order)
    signed_orders._fill(digest, order.account, order.quantity, order.expires, order.nonce, quantity)
    self._check_reduces(order, quantity)
    signed_orders._check_signer(order.account, order.signer, digest, signature)

    price: uint256 = self._price(order)
    log IStandingOrders.OrderFilled(digest=digest, account=order.account, quantity=quantity, price=price)
    buyer: uint256 = order.account
    seller: uint256 = counterparty
    # the order was there first: whoever executes takes
    buyer_takes: bool = order.quantity < 0
    if buyer_takes:
        buyer = counterparty
        seller = order.account
    extcall signed_orders.BOOK.trade(buyer, seller, order.instrument, quantity, price, buyer_takes)


@external
def cancel(order: IStandingOrders.StandingOrder):
    """
    @notice Void what is left of one order. By its signer, or by its account's owner
            or a delegate with TRADE. The order need not be signed: it may be voided
            ahead.
    @param order The order.
    """
    signed_orders._cancel(order.account, order.signer, self._digest(order))


# `@reentrant`: a wallet that is asked about a digest within `execute` may want
# to compute it from the order that it remembers. No state is read.
@external
@view
@reentrant
def digest(order: IStandingOrders.StandingOrder) -> bytes32:
    """
    @notice The EIP-712 digest that an order's signer signs.
    @param order The order.
    @return What `filled` is keyed by, too.
    """
    return self._digest(order)


@external
@view
@reentrant
def liquidator() -> address:
    """
    @notice The Liquidator, which knows who is called.
    """
    return LIQUIDATOR.address


# -------------------------------------------------------------------- internal


@internal
@view
def _check_reduces(order: IStandingOrders.StandingOrder, quantity: uint256):
    """
    @notice Refuses a fill that would not move the position toward zero, or would
            move it past.
    @dev `_fill` MUST have bounded the quantity.
    """
    held: int256 = staticcall signed_orders.BOOK.quantity(order.account, order.instrument)
    if order.quantity > 0:
        held = -held
    assert convert(quantity, int256) <= held, "standing: fill does not reduce"


@internal
@view
def _price(order: IStandingOrders.StandingOrder) -> uint256:
    """
    @notice The mark, off by the slack to the harm of the account [wad]: what it
            pays rounds up, what it receives down.
    """
    mark: uint256 = staticcall ORACLE.mark(order.instrument)
    if order.quantity > 0:
        return fixed._mul_div_up(mark, fixed.PPM + order.slack, fixed.PPM)
    return fixed._mul_div_down(mark, fixed.PPM - order.slack, fixed.PPM)


@internal
@view
def _digest(order: IStandingOrders.StandingOrder) -> bytes32:
    """
    @notice EIP-712 digest of an order under this contract's domain.
    """
    return signed_orders._digest(keccak256(abi_encode(ORDER_TYPE, order)))

# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Orders that are signed off chain, and what became of them
@notice What every venue of signed orders does alike: EIP-712 domain, signatures of
        keys (64-byte and malleable forms are refused) and of contract wallets
        (ERC-1271), fills counted by digest, cancellation, nonce floors. What an
        order says, and when it trades, is the venue's. A signature fills once
        however it is written: what is used up is counted by the digest.
        Refusals begin with the venue's name. Twin: `plimsoll.spec.signed_orders`.
@dev    A venue MUST call `_fill` before `_check_signer`, which asks a stranger (by
        a static call), and the book last of all.
"""


# --------------------------------------------------------------------- imports


from ..interfaces import IClearinghouse
from snekmate.utils import eip712_domain_separator
from . import fixed
from . import rights

uses: eip712_domain_separator


# ------------------------------------------------------------------- constants


MAX_QUANTITY: constant(uint256) = fixed.MAX_QUANTITY  # [wad] of an order
CANCELLED: constant(uint256) = max_value(uint256)  # in `filled`: out of reach of any quantity

# Half the order of secp256k1: the greater s of a signature is the same signature, written otherwise.
MAX_S: constant(uint256) = (
    57_896_044_618_658_097_711_785_492_504_343_953_926_418_782_139_537_452_191_302_581_570_759_080_747_168
)
MAGIC: constant(bytes4) = 0x1626BA7E  # ERC-1271: selector of isValidSignature, and its yes


# ------------------------------------------------------------------ immutables


NAME: immutable(String[8])  # of the venue, as its refusals begin
BOOK: immutable(IClearinghouse)


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
def __init__(name: String[8], book: address):
    """
    @param name What the venue's refusals begin with.
    @param book The Clearinghouse that the venue trades on.
    """
    assert book != empty(address), concat(name, ": zero address")
    NAME = name
    BOOK = IClearinghouse(book)


# -------------------------------------------------------------------- external


@external
def cancel_below(account: uint256, nonce: uint256):
    """
    @notice Void every order of an account with a nonce under `nonce`. By its owner
            or a delegate with TRADE. To repeat it is allowed and changes nothing.
    @param account The account.
    @param nonce The lowest that stays good.
    """
    assert staticcall BOOK.may_act(account, msg.sender, rights.TRADE), concat(NAME, ": not the account's")
    assert nonce >= self.floors[account], concat(NAME, ": nonce floor goes back")
    self.floors[account] = nonce
    log NonceFloorRaised(account=account, nonce=nonce)


@external
@view
def floor(account: uint256) -> uint256:
    """
    @notice The lowest nonce that is good for an account.
    @param account The account.
    """
    return self.floors[account]


@external
@view
@reentrant
def clearinghouse() -> address:
    """
    @notice The book.
    """
    return BOOK.address


# -------------------------------------------------------------------- internal


@internal
def _cancel(account: uint256, signer: address, digest: bytes32):
    """
    @notice Voids what is left of one order. By its signer, or by its account's owner
            or a delegate with TRADE.
    """
    assert msg.sender == signer or staticcall BOOK.may_act(account, msg.sender, rights.TRADE), concat(
        NAME, ": not the account's"
    )
    assert self.filled[digest] != CANCELLED, concat(NAME, ": order cancelled")
    self.filled[digest] = CANCELLED
    log OrderCancelled(digest=digest, account=account)


@internal
@view
def _check_quantity(quantity: int256):
    """
    @notice Refuses an order of more than can be held, or of what has no magnitude.
    """
    # the magnitude of min_value(int256) is no int256: compared from both sides
    limit: int256 = convert(MAX_QUANTITY, int256)
    assert quantity <= limit and quantity >= -limit, concat(NAME, ": quantity over the maximum")


@internal
def _fill(digest: bytes32, account: uint256, whole: int256, expires: uint256, nonce: uint256, quantity: uint256):
    """
    @notice Counts a fill of an order that is good now and has that much left.
    @dev `_check_quantity` MUST have bounded the order's quantity, `whole`.
    """
    assert block.timestamp <= expires, concat(NAME, ": order expired")
    assert nonce >= self.floors[account], concat(NAME, ": nonce below the account's floor")
    before: uint256 = self.filled[digest]
    assert before != CANCELLED, concat(NAME, ": order cancelled")
    # before <= whole always, so no difference wraps and no sum is needed
    assert quantity <= convert(abs(whole), uint256) - before, concat(NAME, ": over the order's quantity")
    self.filled[digest] = before + quantity


@internal
@view
def _check_signer(account: uint256, signer: address, digest: bytes32, signature: Bytes[1024]):
    """
    @notice Refuses an order that its signer did not sign, or may not sign any more.
    """
    assert staticcall BOOK.may_act(account, signer, rights.TRADE), concat(NAME, ": signer may not act for the account")
    assert self._is_signed(signer, digest, signature), concat(NAME, ": wrong signature")


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
def _digest(struct_hash: bytes32) -> bytes32:
    """
    @notice EIP-712 digest of an order under the venue's domain.
    """
    return eip712_domain_separator._hash_typed_data_v4(struct_hash)

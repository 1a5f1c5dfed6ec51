# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title MockERC1271
@notice A contract wallet: its owner sends calls through it and signs for it, by a
        65-byte signature at the end of whatever bytes are given (so that longer
        signatures can be tried) or by approving a digest beforehand. Switches make it
        answer wrongly in every way that a caller must survive.
@custom:security For tests alone.
@custom:kill Nothing to switch off.
"""


# ------------------------------------------------------------------- constants


MAGIC: constant(bytes4) = 0x1626BA7E  # selector of isValidSignature, and its yes


# ------------------------------------------------------------------ immutables


owner: public(immutable(address))


# --------------------------------------------------------------------- storage


approved: public(HashMap[bytes32, bool])
manner: public(uint256)  # 0 honest, 1 reverts, 2 no data, 3 short data, 4 two words, 5 dirty word, 6 burns all gas
asked: address  # called within isValidSignature; zero: none
asked_data: Bytes[1024]


# ----------------------------------------------------------------- constructor


@deploy
def __init__(owner_: address):
    owner = owner_


# -------------------------------------------------------------------- external


@external
@payable
def execute(target: address, data: Bytes[4096]) -> Bytes[1024]:
    """
    @notice Owner: send a call from the wallet.
    @param target Whom to call.
    @param data The call.
    """
    assert msg.sender == owner, "wallet: caller is not the owner"
    return raw_call(target, data, max_outsize=1024, value=msg.value)


@external
def approve_digest(digest: bytes32, approved: bool):
    """
    @notice Owner: sign a digest on chain; any signature bytes then do.
    @param digest What is signed.
    @param approved Whether.
    """
    assert msg.sender == owner, "wallet: caller is not the owner"
    self.approved[digest] = approved


@external
def set_manner(manner: uint256):
    """
    @notice Answer in this manner.
    @param manner As in `manner`.
    """
    self.manner = manner


@external
def set_asked(target: address, data: Bytes[1024]):
    """
    @notice Make a static call, which must work, whenever a signature is checked.
    @param target Zero for none.
    @param data The call.
    """
    self.asked = target
    self.asked_data = data


@external
@view
@raw_return
def isValidSignature(digest: bytes32, signature: Bytes[1024]) -> Bytes[64]:
    """
    @notice ERC-1271, in the manner that is set.
    @param digest What was signed.
    @param signature The owner's 65 bytes last, or anything where it was approved.
    """
    assert self.manner != 1, "wallet: refused"
    if self.manner == 2:
        return b""
    if self.manner == 3:
        return slice(abi_encode(MAGIC), 0, 31)
    if self.manner == 4:
        return abi_encode(MAGIC, MAGIC)
    if self.manner == 5:
        return abi_encode(convert(MAGIC, uint256) + (convert(MAGIC, uint256) << 224))
    if self.manner == 6:
        raise UNREACHABLE
    if self.asked != empty(address):
        raw_call(self.asked, self.asked_data, is_static_call=True)
    if self._is_signed(digest, signature):
        return abi_encode(MAGIC)
    return abi_encode(empty(bytes4))


# -------------------------------------------------------------------- internal


@internal
@view
def _is_signed(digest: bytes32, signature: Bytes[1024]) -> bool:
    """
    @notice Whether the owner signed or approved a digest.
    """
    if self.approved[digest]:
        return True
    if len(signature) < 65:
        return False
    start: uint256 = len(signature) - 65
    r: uint256 = extract32(signature, start, output_type=uint256)
    s: uint256 = extract32(signature, start + 32, output_type=uint256)
    v: uint256 = convert(slice(signature, start + 64, 1), uint256)
    return ecrecover(digest, v, r, s) == owner

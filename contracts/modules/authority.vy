# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
"""
@title Who may set what: tightening is immediate, loosening waits
@license GNU Affero General Public License v3.0 only
@notice The owner sets everything, and is the Timelock, where all that it does
        was announced and has waited. What makes the protocol safer need not
        wait: where the owner is a contract that names guardians, each of them
        may do it at once. Whether a change is safer its setter says, from old
        and new, in every field. Where the owner has no code, or knows of no
        guardians, nobody but the owner passes. Twin: `plimsoll.spec.authority`.
"""


# --------------------------------------------------------------------- imports


from snekmate.auth import ownable

uses: ownable


# -------------------------------------------------------------------- internal


@internal
@view
def _check(is_safer: bool):
    """
    @notice Reverts for whoever may not make a change.
    @param is_safer Whether no field of it is looser than before.
    """
    if msg.sender != ownable.owner:
        assert is_safer and self._is_guardian(msg.sender), "ownable: caller is not the owner"


@internal
@view
def _is_guardian(who: address) -> bool:
    """
    @notice Whether the owner names him its guardian.
    """
    success: bool = False
    answer: Bytes[32] = b""
    # an owner that cannot answer names nobody
    success, answer = raw_call(
        ownable.owner,
        abi_encode(who, method_id=method_id("is_guardian(address)")),
        max_outsize=32,
        is_static_call=True,
        revert_on_failure=False,
    )
    return success and len(answer) == 32 and convert(answer, uint256) == 1
